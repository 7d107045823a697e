#include "launch/run_progress.h"

#include "base/alloc.h"
#include "base/source.h"
#include "core/record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* What the journal said last about each task, by the hash of its id: 16 bytes a task, no names. */
struct last_word
{
    uint64_t hash; /* 0: a free place */
    enum record_kind kind;
};

/* What run.json says of the last epoch. */
struct recorded
{
    json_int_t n_tasks;
    json_int_t n_kept; /* -1: it does not say */
    json_int_t epoch;
};

struct words
{
    struct last_word *places; /* a power of two of them, at most three quarters full */
    size_t n_places;
    size_t n;
};

static struct last_word *place_of(const struct words *w, uint64_t hash)
{
    size_t i = hash & (w->n_places - 1);

    while (w->places[i].hash != 0 && w->places[i].hash != hash)
        i = (i + 1) & (w->n_places - 1);
    return &w->places[i];
}

static void make_room(struct words *w)
{
    struct words old = *w;

    if (4 * w->n < 3 * w->n_places)
        return;
    w->n_places = old.n_places > 0 ? 2 * old.n_places : 1024;
    w->places = xcalloc(w->n_places, sizeof(*w->places));
    for (size_t i = 0; i < old.n_places; i++)
        if (old.places[i].hash != 0)
            *place_of(w, old.places[i].hash) = old.places[i];
    free(old.places);
}

static void set_word(struct words *w, const struct record_fields *f)
{
    uint64_t hash = XXH3_64bits(f->task, f->n_task) | 1;
    struct last_word *place;

    make_room(w);
    place = place_of(w, hash);
    w->n += place->hash == 0;
    *place = (struct last_word){hash, f->kind};
}

/* ---- lines ---- */

static bool is_done(enum record_kind kind)
{
    return kind == RECORD_DONE || kind == RECORD_UNCHANGED;
}

/* Tasks that were under way when an epoch broke off are under way no more. Of those that were done before the last
 * epoch its record says how many still count: it may run other tasks, or changed ones. */
static void begin_epoch(struct run_progress *p, struct words *w, const struct record_fields *f,
                        const struct recorded *recorded)
{
    bool is_recorded = recorded->n_kept >= 0 && f->epoch == recorded->epoch;

    for (size_t i = 0; i < w->n_places; i++)
        if (w->places[i].hash != 0 && (is_recorded || !is_done(w->places[i].kind)))
            w->places[i].kind = RECORD_RETURNED; /* waits, as all that is not done */
    *p = (struct run_progress){.epoch = f->epoch, .start_s = f->start_s, .first_task_s = NAN};
    p->n_done = is_recorded ? (uint32_t)recorded->n_kept : 0;
}

/* One after the other, as if each had a line. */
static void take_calls(struct run_progress *p, struct words *w, const struct record_fields *f)
{
    struct record_fields line = *f, call;

    if (isnan(p->first_task_s))
        p->first_task_s = f->start_s;
    while (record_next_call(&line, &call))
        set_word(w, &call);
}

static void take_line(struct run_progress *p, struct words *w, const struct record_fields *f,
                      const struct recorded *recorded)
{
    switch (f->kind) {
    case RECORD_RUN: begin_epoch(p, w, f, recorded); break;
    case RECORD_NODE: p->n_nodes++; break;
    case RECORD_WORKER: p->n_workers++; break;
    case RECORD_LOST: p->n_workers -= p->n_workers > 0; break;
    case RECORD_STOPPING: p->is_ending = true; break;
    case RECORD_END:
        p->has_ended = true;
        p->exit_status = f->code;
        break;
    case RECORD_CALLS: take_calls(p, w, f); break;
    case RECORD_ADDED: p->n_added++; break;
    case RECORD_RETRIED: p->n_retried++; /* and it waits again */ /* fall through */
    case RECORD_START:
    case RECORD_AGAIN:
    case RECORD_ENDED: /* it is under way until it is collected */
    case RECORD_RETURNED:
    case RECORD_DONE:
    case RECORD_FAILED:
    case RECORD_CANCELLED:
    case RECORD_SKIPPED:
    case RECORD_UNCHANGED:
    case RECORD_NOT_NEEDED:
        if (f->n_task > 0)
            set_word(w, f);
        if (f->kind == RECORD_START && isnan(p->first_task_s))
            p->first_task_s = f->time_s;
        break;
    case RECORD_SETUP:
    case RECORD_TEARDOWN:
    case RECORD_UNKNOWN:
    case N_RECORD_KINDS: break;
    }
}

static void count_words(struct run_progress *p, const struct words *w)
{
    for (size_t i = 0; i < w->n_places; i++) {
        if (w->places[i].hash == 0)
            continue;
        switch (w->places[i].kind) {
        case RECORD_UNCHANGED:
        case RECORD_DONE: p->n_done++; break;
        case RECORD_FAILED: p->n_failed++; break;
        case RECORD_CANCELLED: p->n_cancelled++; break;
        case RECORD_SKIPPED: p->n_skipped++; break;
        case RECORD_NOT_NEEDED: p->n_not_needed++; break;
        case RECORD_START:
        case RECORD_ENDED:
            if (!p->has_ended)
                p->n_running++;
            break;
        default: break;
        }
    }
}

static int read_lines(struct run_progress *p, const char *name, int fd, const struct recorded *recorded,
                      struct ganger_error *err)
{
    struct record_fields fields;
    struct words words = {NULL, 0, 0};
    struct source source;
    const char *line;
    size_t n_bytes;
    int status;

    source_init(&source, name, fd, NULL, 0);
    while ((status = source_take_line(&source, &line, &n_bytes, err)) > 0) {
        struct record record = record_over(line, n_bytes);

        if (record.is_valid && record_read(&record, &fields)) /* a torn end is being written just now */
            take_line(p, &words, &fields, recorded);
    }
    count_words(p, &words);
    source_release(&source);
    free(words.places);
    return status;
}

/* ---- the whole ---- */

/* run.json is written when the run begins. */
static struct recorded read_record(const struct rundir *dir)
{
    char *path = xasprintf("%s/run.json", dir->path);
    json_t *record = json_load_file(path, 0, NULL), *kept = json_object_get(record, "kept");
    struct recorded r = {json_integer_value(json_object_get(record, "tasks")),
                         json_is_integer(kept) ? json_integer_value(kept) : -1,
                         json_integer_value(json_object_get(record, "epoch"))};

    json_decref(record);
    free(path);
    if (r.n_tasks < 0 || r.n_tasks > UINT32_MAX)
        r.n_tasks = 0;
    if (r.n_kept > r.n_tasks)
        r.n_kept = -1;
    return r;
}

int run_progress_read(struct run_progress *p, const struct rundir *dir, struct ganger_error *err)
{
    int fd = open(dir->journal_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct recorded recorded = read_record(dir); /* before the journal, which is ahead of it for a moment */
    struct stat file = {.st_mtime = 0};
    int status;

    *p = (struct run_progress){.first_task_s = NAN};
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &file) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s", dir->journal_path);
    status = read_lines(p, dir->journal_path, fd, &recorded, err);
    close(fd);
    p->last_line_s = (double)file.st_mtime;
    p->n_tasks = recorded.n_tasks > 0 ? (uint32_t)recorded.n_tasks + p->n_added : 0;
    return status;
}
