#include "io/journal.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "core/past.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_PERIOD_S 0.010 /* what kill -9 of the manager may cost */
#define SYNC_PERIOD_S 1.0    /* what a power failure may cost */
#define WAITING_BYTES ((size_t)16 * 1024 * 1024)

/* --- the writer ---
 *
 * Two buffers of fixed size: events are formatted into the front one under the mutex; the writer
 * swaps them and writes without it. Pages that were never needed cost nothing. */

struct journal
{
    const struct graph *graph;
    char *path;
    int fd;
    uint32_t epoch;
    pthread_t thread;

    pthread_mutex_t mutex; /* over all below but the atomic */
    pthread_cond_t wake;   /* the writer waits for something to do */
    pthread_cond_t told;   /* others wait for the writer */
    char *front;
    char *back; /* the writer's */
    size_t n_front;
    uint64_t n_said;    /* bytes since journal_open */
    uint64_t n_durable; /* of them */
    uint64_t n_wanted;  /* somebody waits until so many are durable */
    bool is_asleep;     /* the writer waits without a deadline */
    bool is_closing;

    atomic_int failure; /* errno of the first failure; 0: none */
};

static void make_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* as clock_now_s */
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void wait_until(struct journal *j, double time_s)
{
    double whole = floor(time_s);
    struct timespec t = {(time_t)whole, (long)((time_s - whole) * 1e9)};

    pthread_cond_timedwait(&j->wake, &j->mutex, &t);
}

static void wake_writer(struct journal *j)
{
    j->is_asleep = false;
    pthread_cond_signal(&j->wake);
}

static void fail(struct journal *j)
{
    int none = 0;

    atomic_compare_exchange_strong(&j->failure, &none, errno != 0 ? errno : EIO);
}

static bool is_hurried(const struct journal *j)
{
    return j->is_closing || j->n_wanted > j->n_durable;
}

/* Writes what the front buffer holds. Called with the mutex, which is free meanwhile. */
static void write_front(struct journal *j)
{
    char *full = j->front;
    size_t n = j->n_front;

    j->front = j->back;
    j->back = full;
    j->n_front = 0;
    pthread_cond_broadcast(&j->told); /* there is room again */
    pthread_mutex_unlock(&j->mutex);
    if (n > 0 && !journal_has_failed(j) && file_write(j->fd, full, n) != 0)
        fail(j);
    pthread_mutex_lock(&j->mutex);
}

static void make_durable(struct journal *j)
{
    uint64_t n_written = j->n_said - j->n_front;

    pthread_mutex_unlock(&j->mutex);
    if (!journal_has_failed(j) && fdatasync(j->fd) != 0)
        fail(j);
    pthread_mutex_lock(&j->mutex);
    j->n_durable = n_written;
    pthread_cond_broadcast(&j->told);
}

static void *write_lines(void *data)
{
    struct journal *j = data;
    double next_write_s = 0;
    double next_sync_s = 0;

    pthread_mutex_lock(&j->mutex);
    while (!j->is_closing || j->n_durable < j->n_said) {
        double now_s = clock_now_s();

        if (now_s < next_write_s && !is_hurried(j)) {
            wait_until(j, next_write_s); /* lines gather, and nobody pays for waking us */
        } else if (j->n_front > 0) {
            write_front(j);
            next_write_s = now_s + WRITE_PERIOD_S;
        } else if (j->n_durable < j->n_said && (now_s >= next_sync_s || is_hurried(j))) {
            make_durable(j);
            next_sync_s = clock_now_s() + SYNC_PERIOD_S;
        } else {
            j->is_asleep = true; /* the next line wakes us */
            if (j->n_durable < j->n_said)
                wait_until(j, next_sync_s);
            else
                pthread_cond_wait(&j->wake, &j->mutex);
            j->is_asleep = false;
        }
    }
    pthread_mutex_unlock(&j->mutex);
    return NULL;
}

static int start_writer(struct journal *j)
{
    sigset_t all, before;
    int number;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    number = pthread_create(&j->thread, NULL, write_lines, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return number == 0 ? 0 : -1;
}

static int open_file(int dir_fd, const char *path, uint64_t keep_bytes, struct ganger_error *err)
{
    struct stat status;
    int fd = file_open_in(dir_fd, path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot open the journal", path);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        error_set(err, ERROR_USAGE, "%s: the journal is not a regular file", path);
    else if ((uint64_t)status.st_size < keep_bytes)
        error_set(err, ERROR_SYSTEM, "%s: the journal became shorter while it was read", path);
    else if ((uint64_t)status.st_size > keep_bytes && ftruncate(fd, (off_t)keep_bytes) != 0)
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot cut off the journal's torn end", path);
    else
        return fd;
    close(fd);
    return -1;
}

static int write_header(int dir_fd, int fd, const char *path, const struct journal_header *header,
                        uint64_t keep_bytes, struct ganger_error *err)
{
    char *line = xmalloc(record_bytes_max(0));
    char *end = record_put_header(line, header->epoch, header->name, header->workflow_digest,
                                  header->wall_s, header->by_content, header->job);
    bool is_written = file_write(fd, line, (size_t)(end - line)) == 0 && fdatasync(fd) == 0;

    if (!is_written)
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot write the journal", path);
    if (!is_written && ftruncate(fd, (off_t)keep_bytes) != 0)
        log_warning("%s: the journal ends with a torn line", path);
    if (is_written && keep_bytes == 0)
        fsync(dir_fd); /* a power failure must not take the file itself; not all file systems can do this */
    free(line);
    return is_written ? 0 : -1;
}

static void free_journal(struct journal *j)
{
    pthread_mutex_destroy(&j->mutex);
    pthread_cond_destroy(&j->wake);
    pthread_cond_destroy(&j->told);
    close(j->fd);
    free(j->front);
    free(j->back);
    free(j->path);
    free(j);
}

struct journal *journal_open(int dir_fd, const char *path, const struct graph *g,
                             const struct journal_header *header, uint64_t keep_bytes,
                             struct ganger_error *err)
{
    struct journal *j;
    int fd = open_file(dir_fd, path, keep_bytes, err);

    if (fd < 0)
        return NULL;
    if (write_header(dir_fd, fd, path, header, keep_bytes, err) != 0) {
        close(fd);
        return NULL;
    }
    j = xcalloc(1, sizeof(*j));
    j->graph = g;
    j->path = xstrdup(path);
    j->fd = fd;
    j->epoch = header->epoch;
    j->front = xmalloc(WAITING_BYTES);
    j->back = xmalloc(WAITING_BYTES);
    pthread_mutex_init(&j->mutex, NULL);
    make_condition(&j->wake);
    make_condition(&j->told);
    if (start_writer(j) == 0)
        return j;
    error_set_errno(err, ERROR_SYSTEM, "%s: cannot start the thread that writes the journal", path);
    free_journal(j);
    return NULL;
}

static void make_room(struct journal *j, size_t n_bytes)
{
    while (WAITING_BYTES - j->n_front < n_bytes) {
        wake_writer(j);
        pthread_cond_wait(&j->told, &j->mutex);
    }
}

/* A line of n_bytes was added behind the front buffer's end. The writer is only woken when it had
 * nothing to write before: a busy manager pays for no wake-up. */
static void add_line(struct journal *j, size_t n_bytes)
{
    j->n_front += n_bytes;
    j->n_said += n_bytes;
    if (j->is_asleep)
        wake_writer(j);
}

#define CALLS_LINE_BYTES 65536 /* a line about functions is not made longer, but for a single large result */

/* So many of its calls, from the first on, make one line, which takes at most `*n_bytes`. */
static uint32_t count_calls(const struct journal *j, const struct event *e, uint32_t first, size_t *n_bytes)
{
    uint32_t n = 0;

    for (*n_bytes = record_bytes_max(e->n_slots); first + n < e->n_calls; n++) {
        size_t n_more = record_call_bytes_max(j->graph, &e->calls[first + n]);

        if (n > 0 && *n_bytes + n_more > CALLS_LINE_BYTES)
            break;
        *n_bytes += n_more;
    }
    return n;
}

static void say_calls(struct journal *j, const struct event *e)
{
    size_t n_bytes;
    char *line;

    for (uint32_t first = 0, n; first < e->n_calls; first += n) {
        n = count_calls(j, e, first, &n_bytes);
        pthread_mutex_lock(&j->mutex);
        make_room(j, n_bytes);
        line = j->front + j->n_front;
        add_line(j, (size_t)(record_put_calls(line, j->graph, e, first, n) - line));
        pthread_mutex_unlock(&j->mutex);
    }
}

void journal_sink(void *data, const struct event *event)
{
    struct journal *j = data;
    char *line;

    if (event->kind == EVENT_CALLS_DONE && !journal_has_failed(j)) {
        say_calls(j, event);
        return;
    }
    if (journal_has_failed(j) || !record_has_event(j->graph, event))
        return;
    pthread_mutex_lock(&j->mutex);
    make_room(j, record_bytes_max(event->n_slots + event->n_gpus) + record_definition_bytes(event) +
                     (event->n_calls > 0 ? record_call_bytes_max(j->graph, event->calls) : 0));
    line = j->front + j->n_front;
    add_line(j, (size_t)(record_put_event(line, j->graph, event, j->epoch) - line));
    pthread_mutex_unlock(&j->mutex);
}

bool journal_has_failed(const struct journal *j)
{
    return atomic_load_explicit(&j->failure, memory_order_acquire) != 0;
}

void journal_flush(void *journal)
{
    struct journal *j = journal;
    uint64_t n_wanted;

    pthread_mutex_lock(&j->mutex);
    n_wanted = j->n_said;
    if (n_wanted > j->n_wanted)
        j->n_wanted = n_wanted;
    wake_writer(j);
    while (j->n_durable < n_wanted)
        pthread_cond_wait(&j->told, &j->mutex);
    pthread_mutex_unlock(&j->mutex);
}

static void say_end(struct journal *j, int exit_status, double time_s)
{
    char *line;

    pthread_mutex_lock(&j->mutex);
    make_room(j, record_bytes_max(0));
    line = j->front + j->n_front;
    add_line(j, (size_t)(record_put_end(line, exit_status, time_s) - line));
    j->is_closing = true;
    wake_writer(j);
    pthread_mutex_unlock(&j->mutex);
}

int journal_close(struct journal *j, int exit_status, double time_s, struct ganger_error *err)
{
    int status = 0, number;

    if (j == NULL)
        return 0;
    say_end(j, exit_status, time_s);
    pthread_join(j->thread, NULL);
    number = atomic_load(&j->failure);
    if (number != 0)
        status = error_set(err, ERROR_SYSTEM,
                           "%s: cannot write the journal: %s; %s; what is not recorded in it runs again with "
                           "`--resume`",
                           j->path, strerror(number), file_remedy(number));
    free_journal(j);
    return status;
}

/* --- reading lines --- */

#define READ_BYTES ((size_t)1024 * 1024) /* a longer line is none of ours */

struct line_reader
{
    int fd;
    char *bytes; /* READ_BYTES of them */
    size_t at;
    size_t end;
    bool is_at_end; /* of the file */
};

struct line
{
    struct record record;
    size_t n_bytes; /* in the file, with the newline */
    bool is_ended;  /* by a newline */
};

/* 1: there are more bytes; 0: the end of the file, or the buffer is full; -1: errno. */
static int read_more(struct line_reader *r)
{
    ssize_t n;

    memmove(r->bytes, r->bytes + r->at, r->end - r->at);
    r->end -= r->at;
    r->at = 0;
    if (r->end == READ_BYTES || r->is_at_end)
        return 0;
    do
        n = read(r->fd, r->bytes + r->end, READ_BYTES - r->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    r->is_at_end = n == 0;
    r->end += (size_t)n;
    return n > 0;
}

/* The next line, borrowed until the next call. 1: there is one; 0: the end; -1: errno. One longer
 * than the buffer comes in pieces, none of them valid. */
static int next_line(struct line_reader *r, struct line *line)
{
    char *newline = memchr(r->bytes + r->at, '\n', r->end - r->at);
    const char *text;
    size_t n;
    int status = 1;

    while (newline == NULL && (status = read_more(r)) > 0)
        newline = memchr(r->bytes, '\n', r->end);
    if (status < 0)
        return -1;
    text = r->bytes + r->at;
    n = newline != NULL ? (size_t)(newline - text) : r->end - r->at;
    line->is_ended = newline != NULL;
    line->n_bytes = n + line->is_ended;
    line->record = record_over(text, n);
    line->record.is_valid &= line->is_ended;
    r->at += line->n_bytes;
    return line->n_bytes > 0;
}

/* --- scanning --- */

struct scan
{
    const char *path;
    journal_reader *reader;
    void *data;
    const char *start; /* lines that begin otherwise are passed over; NULL: none are */
    uint64_t n_lines;
    uint32_t epoch;
    uint64_t n_bytes; /* up to the end of the last valid line */
    uint64_t n_torn;  /* bytes behind them */
    uint32_t n_bad;   /* lines since the last valid one */
    uint32_t n_damaged;
};

static int check_format(const struct scan *s, uint32_t format, struct ganger_error *err)
{
    if (format <= RECORD_FORMAT)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "%s: the journal was written by a newer ganger (format %" PRIu32
                     ", this one reads up to %d); use that one, or another --run-dir",
                     s->path, format, RECORD_FORMAT);
}

static int read_header(struct scan *s, const struct record_fields *fields, struct ganger_error *err)
{
    uint32_t epoch = fields->epoch;

    if (check_format(s, fields->format, err) != 0)
        return -1;
    if (epoch == 0)
        epoch = s->epoch + (s->epoch < UINT32_MAX); /* there was one, whatever its number */
    if (epoch > s->epoch)
        s->epoch = epoch;
    return 0;
}

/* The first line tells whether this is a journal at all, even if its checksum is wrong. A beginning
 * of one, without newline, is what a crash left of the very first write. */
static int check_first(struct scan *s, const struct line *line, struct ganger_error *err)
{
    const struct record *record = &line->record;
    struct record_fields fields;

    if (record_begins(record, RECORD_HEADER_START)) {
        if (line->is_ended && !record->is_valid)
            s->epoch = 1; /* cannot be read, but there was one */
        record_read(record, &fields);
        /* A newer format may have another checksum. */
        return line->is_ended ? check_format(s, fields.format, err) : 0;
    }
    if (!line->is_ended && record->n_bytes < sizeof(RECORD_HEADER_START) &&
        memcmp(record->text, RECORD_HEADER_START, record->n_bytes) == 0)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "%s: this is no journal of ganger's: its first line is no header; move it "
                     "away, or give another --run-dir",
                     s->path);
}

/* Each function of such a line is told of as if it had lines of its own: it was started, it is done. */
static int scan_calls(struct scan *s, struct record_fields *line, struct ganger_error *err)
{
    struct record_fields *call = xmalloc(sizeof(*call));
    struct journal_line told = {.number = s->n_lines, .epoch = s->epoch, .fields = call};
    int status = 0;

    while (status == 0 && record_next_call(line, call)) {
        call->kind = RECORD_START;
        status = s->reader(s->data, &told, err);
        call->kind = RECORD_DONE;
        if (status == 0)
            status = s->reader(s->data, &told, err);
    }
    free(call);
    return status;
}

static int scan_line(struct scan *s, const struct line *line, struct ganger_error *err)
{
    struct record_fields fields;
    struct journal_line told = {.number = ++s->n_lines};

    if (s->start != NULL && !(line->record.is_valid && record_begins(&line->record, s->start)))
        return 0;
    if (line->record.is_valid) {
        s->n_bytes += s->n_torn + line->n_bytes;
        s->n_damaged += s->n_bad;
        s->n_bad = 0;
        s->n_torn = 0;
        if (record_read(&line->record, &fields))
            told.fields = &fields;
        if (fields.kind == RECORD_RUN && read_header(s, &fields, err) != 0)
            return -1;
        if (fields.kind == RECORD_CALLS)
            return scan_calls(s, &fields, err);
    } else {
        s->n_bad++;
        s->n_torn += line->n_bytes;
    }
    told.epoch = s->epoch;
    return s->reader(s->data, &told, err);
}

static int scan_lines(struct scan *s, int fd, struct ganger_error *err)
{
    struct line_reader r = {.fd = fd, .bytes = xmalloc(READ_BYTES)};
    struct line line;
    bool is_first = true;
    int n, status = 0;

    while (status == 0 && (n = next_line(&r, &line)) != 0) {
        if (n < 0)
            status = error_set_errno(err, ERROR_SYSTEM, "%s: cannot read the journal", s->path);
        else if (is_first && check_first(s, &line, err) != 0)
            status = -1;
        else
            status = scan_line(s, &line, err);
        is_first = false;
    }
    free(r.bytes);
    return status;
}

/* Opens a journal for reading: -1 with errno ENOENT and no error set when there is none. */
static int open_to_read(int dir_fd, const char *path, struct ganger_error *err)
{
    struct stat status;
    int fd = file_open_in(dir_fd, path, O_RDONLY, 0);

    if (fd < 0 && errno != ENOENT)
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot open the journal", path);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd);
    error_set(err, ERROR_USAGE, "%s: the journal is not a regular file", path);
    errno = EINVAL;
    return -1;
}

/* --- results of functions --- */

struct results_reader
{
    const struct graph *graph;
    const bool *is_done;
    struct results *results;
    struct buffer bytes;
};

static int read_result(void *data, const struct journal_line *line, struct ganger_error *err)
{
    struct results_reader *r = data;
    const struct record_fields *f = line->fields;
    size_t n;
    task_id task;

    (void)err;
    if (f == NULL || f->kind != RECORD_DONE || f->result.text == NULL)
        return 0;
    task = graph_find(r->graph, f->task, f->n_task);
    if (task == TASK_NONE || !r->is_done[task] || f->digest != r->graph->tasks[task].digest)
        return 0;
    r->bytes.n = 0;
    buffer_reserve(&r->bytes, f->result.n_text + 1);
    if (base64_read(f->result.text, f->result.n_text, r->bytes.bytes, &n))
        results_put(r->results, task, r->bytes.bytes, n);
    return 0;
}

int journal_read_results(const char *path, const struct graph *g, const bool *is_done, struct results *results,
                         struct ganger_error *err)
{
    struct results_reader r = {g, is_done, results, BUFFER_EMPTY};
    int status = journal_read(path, read_result, &r, err);

    buffer_release(&r.bytes);
    return status;
}

/* --- recovering --- */

static int recover_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    (void)err;
    if (line->fields != NULL)
        past_note(data, line->fields);
    return 0;
}

static void count_past(struct journal_past *past, const struct past *lines, const struct graph *g)
{
    past->n_unknown = past_n_unknown(lines);
    for (task_id t = 0; t < g->n_tasks; t++) {
        if (task_is_join(&g->tasks[t]))
            continue;
        past->n_done += past->is_done[t];
        past->n_changed += past_was_done(lines, t) && !past->is_done[t];
    }
}

static void warn_of_strangers(const struct past *lines, const char *path)
{
    uint32_t n_known = past_n_known(lines), n_unknown = past_n_unknown(lines);

    if (n_unknown > n_known)
        log_warning("%s: %s%" PRIu32 " of %" PRIu32 " tasks that are done there are not in this workflow: is it "
                    "the right one?", path, n_known == 0 ? "it is another workflow's journal: " : "", n_unknown,
                    n_unknown + n_known);
}

static int recover_from(int fd, const struct graph *g, bool by_content, struct journal_past *past, const char *path,
                        struct ganger_error *err)
{
    struct past *lines = past_new(g);
    struct scan scan = {.path = path, .reader = recover_line, .data = lines};
    int status = scan_lines(&scan, fd, err);

    if (status == 0) {
        if (scan.n_torn > 0)
            log_warning("%s: the last %" PRIu64 " bytes, torn by a crash, are dropped", path, scan.n_torn);
        if (scan.n_damaged > 0)
            log_warning("%s: damaged lines of the journal are ignored: %" PRIu32, path, scan.n_damaged);
        if (past_n_lacking(lines) > 0)
            log_warning("%s: tasks run again because lines about tasks that they added are damaged or missing: "
                        "%" PRIu32, path, past_n_lacking(lines));
        else if (!g->is_part)
            warn_of_strangers(lines, path);
        past->epoch = scan.epoch;
        past->n_bytes = scan.n_bytes;
        past->n_damaged = scan.n_damaged;
        if (scan.epoch > 0)
            past_settle(lines, past->is_done);
        memcpy(past->ran_s, past_ran_s(lines), g->n_tasks * sizeof(*past->ran_s));
        if (by_content)
            past->reuse = reuse_new(g, lines, past->is_done);
        count_past(past, lines, g);
    }
    past_free(lines);
    return status;
}

/* Nothing was done, so that nothing is looked at; what is done now is recorded with its fingerprint. */
static struct reuse *new_reuse_of_nothing(const struct graph *g, bool *is_done)
{
    struct past *nothing = past_new(g);
    struct reuse *reuse = reuse_new(g, nothing, is_done);

    past_free(nothing);
    return reuse;
}

int journal_recover(int dir_fd, const char *path, const struct graph *g, bool by_content, struct journal_past *past,
                    struct ganger_error *err)
{
    int fd = open_to_read(dir_fd, path, err);
    int status = 0;

    *past = (struct journal_past){.epoch = 0};
    if (fd < 0 && errno != ENOENT)
        return -1;
    past->is_done = xcalloc(g->n_tasks, sizeof(*past->is_done));
    past->ran_s = xcalloc(g->n_tasks, sizeof(*past->ran_s));
    if (fd < 0) {
        past->reuse = by_content ? new_reuse_of_nothing(g, past->is_done) : NULL;
        return 0;
    }
    status = recover_from(fd, g, by_content, past, path, err);
    close(fd);
    if (status != 0)
        journal_past_release(past);
    return status;
}

void journal_past_release(struct journal_past *past)
{
    free(past->is_done);
    free(past->ran_s);
    reuse_free(past->reuse);
    *past = (struct journal_past){.epoch = 0};
}

/* --- reading for others --- */

static int read_all(struct scan *scan, struct ganger_error *err)
{
    int fd = open_to_read(AT_FDCWD, scan->path, err);
    int status;

    if (fd < 0)
        return error_set_errno(err, ERROR_USAGE, "%s: cannot read the journal", scan->path);
    status = scan_lines(scan, fd, err);
    close(fd);
    return status;
}

int journal_read(const char *path, journal_reader *reader, void *data, struct ganger_error *err)
{
    struct scan scan = {.path = path, .reader = reader, .data = data};

    return read_all(&scan, err);
}

int journal_read_added(const char *path, journal_reader *reader, void *data, struct ganger_error *err)
{
    struct scan scan = {.path = path, .reader = reader, .data = data, .start = RECORD_ADDED_START};

    return read_all(&scan, err);
}
