#include "core/message.h"

#include <math.h>
#include <string.h>

#define N_RECORDS_AT 12 /* where the header has the number of records */

void message_begin(struct buffer *b, enum message_kind kind, uint32_t epoch, uint32_t worker)
{
    b->n = 0;
    buffer_put_u8(b, MESSAGE_VERSION);
    buffer_put_u8(b, (uint8_t)kind);
    buffer_put_u16(b, 0);
    buffer_put_u32(b, epoch);
    buffer_put_u32(b, worker);
    buffer_put_u32(b, 0);
}

static size_t begin_record(struct buffer *b)
{
    buffer_put_u32(b, 0);
    return b->n;
}

static void end_record(struct buffer *b, size_t start)
{
    struct cursor c = cursor_over(b->bytes + N_RECORDS_AT, 4);

    buffer_set_u32(b, start - 4, (uint32_t)(b->n - start));
    buffer_set_u32(b, N_RECORDS_AT, cursor_u32(&c) + 1);
}

static void put_text(struct buffer *b, struct text t)
{
    buffer_put_text(b, t.bytes, t.n);
}

static struct text get_text(struct cursor *c)
{
    size_t n;
    const char *bytes = cursor_text(c, &n);

    return (struct text){bytes, (uint32_t)n};
}

void message_add_hello(struct buffer *b, const struct hello *r)
{
    size_t start = begin_record(b);

    put_text(b, r->host);
    buffer_put_u32(b, r->pid);
    buffer_put_u16(b, r->slot);
    buffer_put_u16(b, r->n_node_slots);
    buffer_put_u64(b, r->memory_bytes);
    buffer_put_f64(b, r->clock_s);
    put_text(b, r->group);
    put_text(b, r->gpus);
    put_text(b, r->doorbell);
    buffer_put_u64(b, r->registry_digest);
    buffer_put_u32(b, r->cpu);
    put_text(b, r->functions);
    end_record(b, start);
}

void message_add_welcome(struct buffer *b, const struct welcome *r)
{
    size_t start = begin_record(b);

    put_text(b, r->run_dir);
    put_text(b, r->cwd);
    put_text(b, r->env);
    buffer_put_f64(b, r->grace_s);
    buffer_put_f64(b, r->end_s);
    buffer_put_f64(b, r->clock_s);
    buffer_put_f64(b, r->hello_clock_s);
    buffer_put_u8(b, r->same_clock);
    buffer_put_f64(b, r->origin_s);
    buffer_put_u32(b, r->manager_pid);
    buffer_put_f64(b, r->latency_wait_s);
    buffer_put_f64(b, r->fence_s);
    end_record(b, start);
}

void message_add_run(struct buffer *b, const struct run *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->task);
    buffer_put_u32(b, r->attempt);
    put_text(b, r->slots);
    put_text(b, r->id);
    buffer_put_u32(b, r->n_argv);
    put_text(b, r->argv);
    buffer_put_u32(b, r->n_env);
    put_text(b, r->env);
    buffer_put_u8(b, r->has_cwd);
    put_text(b, r->cwd);
    buffer_put_f64(b, r->timeout_s);
    put_text(b, r->gpus);
    put_text(b, r->stdin_path);
    put_text(b, r->stdout_path);
    put_text(b, r->stderr_path);
    put_text(b, r->inputs);
    put_text(b, r->outputs);
    buffer_put_u64(b, r->memory_bytes);
    buffer_put_u8(b, r->wants_fingerprint);
    buffer_put_u64(b, r->fingerprint);
    end_record(b, start);
}

void message_add_started(struct buffer *b, const struct started *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->task);
    buffer_put_u32(b, r->attempt);
    buffer_put_f64(b, r->start_s);
    end_record(b, start);
}

void message_add_done(struct buffer *b, const struct done *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->task);
    buffer_put_u32(b, r->attempt);
    buffer_put_u8(b, (uint8_t)r->result.end);
    buffer_put_u32(b, (uint32_t)r->result.code);
    buffer_put_f64(b, r->result.start_s);
    buffer_put_f64(b, r->result.end_s);
    buffer_put_f64(b, r->result.cpu_s);
    buffer_put_u64(b, r->result.max_rss_bytes);
    buffer_put_u64(b, r->result.output_offset);
    buffer_put_u64(b, r->result.output_bytes);
    buffer_put_text(b, r->result.tail, r->result.n_tail_bytes);
    buffer_put_u32(b, r->next);
    buffer_put_f64(b, r->result.delay_s);
    buffer_put_u64(b, r->result.text_bytes);
    buffer_put_u64(b, r->result.fingerprint);
    buffer_put_u8(b, r->result.is_unchanged);
    end_record(b, start);
}

void message_add_recall(struct buffer *b, const struct recall *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->task);
    buffer_put_u32(b, r->attempt);
    end_record(b, start);
}

void message_add_cancel(struct buffer *b, const struct cancel *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->task);
    buffer_put_u32(b, r->attempt);
    buffer_put_u32(b, (uint32_t)r->signal);
    end_record(b, start);
}

void message_add_stop(struct buffer *b, const struct stop *r)
{
    size_t start = begin_record(b);

    buffer_put_u8(b, (uint8_t)r->mode);
    buffer_put_u8(b, r->stays);
    buffer_put_u8(b, r->at_once);
    end_record(b, start);
}

void message_add_lost(struct buffer *b, const struct lost *r)
{
    size_t start = begin_record(b);

    buffer_put_u32(b, r->worker);
    buffer_put_u32(b, r->call);
    end_record(b, start);
}

void message_add_heartbeat(struct buffer *b, const struct heartbeat *r)
{
    size_t start = begin_record(b);

    buffer_put_f64(b, r->clock_s);
    buffer_put_f64(b, r->manager_s);
    end_record(b, start);
}

static bool is_known(uint8_t kind)
{
    return (kind >= MESSAGE_HELLO && kind <= MESSAGE_HEARTBEAT) || kind == MESSAGE_CALL || kind == MESSAGE_CALLED;
}

/* ---- functions ---- */

#define NO_RESULT UINT32_MAX        /* in place of its length */
#define OWN_RESULT (UINT32_MAX - 1) /* likewise; a task and its attempt follow */

/* The numbers with which a record begins. There is a record for each function that runs: so they are written and read
 * all at once. */
#define CALL_NUMBERS_BYTES (4 + 4 + 2 + 2 + 1 + 8)
#define CALLED_NUMBERS_BYTES (4 + 4 + 1 + 4 + 8 + 8)

/* What is said of a CALL in one byte. */
#define CALL_IS_ISOLATED 1
#define CALL_IS_AWAITED 2
#define CALL_IS_LIMITED 4 /* its memory_bytes follow the numbers */

static unsigned call_flags(const struct call_order *r)
{
    return (r->is_isolated ? CALL_IS_ISOLATED : 0u) | (r->is_awaited ? CALL_IS_AWAITED : 0u) |
           (r->memory_bytes > 0 ? CALL_IS_LIMITED : 0u);
}

size_t message_begin_call(struct buffer *b, const struct call_order *r)
{
    size_t start = begin_record(b);
    char *at = buffer_extend(b, CALL_NUMBERS_BYTES);

    put_little_endian(&at, r->task, 4);
    put_little_endian(&at, r->attempt, 4);
    put_little_endian(&at, r->function, 2);
    put_little_endian(&at, r->slot, 2);
    put_little_endian(&at, call_flags(r), 1);
    put_f64(&at, r->timeout_s);
    if (r->memory_bytes > 0)
        buffer_put_u64(b, r->memory_bytes);
    put_text(b, r->id);
    put_text(b, r->payload);
    buffer_put_u32(b, r->n_results);
    return start;
}

static bool take_call_numbers(struct cursor *record, struct call_order *r)
{
    const char *at = cursor_bytes(record, CALL_NUMBERS_BYTES);
    uint64_t flags;

    if (at == NULL)
        return false;
    r->task = (task_id)take_little_endian(&at, 4);
    r->attempt = (uint32_t)take_little_endian(&at, 4);
    r->function = (uint16_t)take_little_endian(&at, 2);
    r->slot = (uint16_t)take_little_endian(&at, 2);
    flags = take_little_endian(&at, 1);
    r->is_isolated = (flags & CALL_IS_ISOLATED) != 0;
    r->is_awaited = (flags & CALL_IS_AWAITED) != 0;
    r->timeout_s = take_f64(&at);
    r->memory_bytes = (flags & CALL_IS_LIMITED) != 0 ? cursor_u64(record) : 0;
    return true;
}

void message_add_result(struct buffer *b, const void *bytes, size_t n)
{
    buffer_put_u32(b, bytes == NULL ? NO_RESULT : (uint32_t)n);
    if (bytes != NULL)
        buffer_put(b, bytes, n);
}

void message_add_own_result(struct buffer *b, const struct recall *own)
{
    buffer_put_u32(b, OWN_RESULT);
    buffer_put_u32(b, own->task);
    buffer_put_u32(b, own->attempt);
}

void message_add_place(struct buffer *b, struct text slots, struct text gpus)
{
    put_text(b, slots);
    put_text(b, gpus);
}

void message_end_call(struct buffer *b, size_t start)
{
    end_record(b, start);
}

bool call_order_next_result(struct cursor *results, struct text *result, struct recall *own)
{
    uint32_t n = cursor_u32(results);

    *result = (struct text){NULL, 0};
    *own = (struct recall){.task = TASK_NONE};
    if (results->failed || n == NO_RESULT)
        return false;
    if (n == OWN_RESULT) {
        own->task = cursor_u32(results);
        own->attempt = cursor_u32(results);
        return false;
    }
    *result = (struct text){cursor_bytes(results, n), n};
    return result->bytes != NULL;
}

static void put_called_numbers(struct buffer *b, const struct call_report *r)
{
    char *at = buffer_extend(b, CALLED_NUMBERS_BYTES);

    put_little_endian(&at, r->task, 4);
    put_little_endian(&at, r->attempt, 4);
    put_little_endian(&at, (uint8_t)r->result.end, 1);
    put_little_endian(&at, (uint32_t)r->result.code, 4);
    put_f64(&at, r->result.start_s);
    put_f64(&at, r->result.end_s);
}

/* What is no end becomes N_TASK_ENDS. */
static bool take_called_numbers(struct cursor *record, struct call_report *r)
{
    const char *at = cursor_bytes(record, CALLED_NUMBERS_BYTES);
    uint64_t end;

    r->result = (struct task_result){.tail = ""};
    if (at == NULL)
        return false;
    r->task = (task_id)take_little_endian(&at, 4);
    r->attempt = (uint32_t)take_little_endian(&at, 4);
    end = take_little_endian(&at, 1);
    r->result.end = end < N_TASK_ENDS ? (enum task_end)end : N_TASK_ENDS;
    r->result.code = (int)take_little_endian(&at, 4);
    r->result.start_s = take_f64(&at);
    r->result.end_s = take_f64(&at);
    return true;
}

void message_add_called(struct buffer *b, const struct call_report *r)
{
    size_t start = begin_record(b);

    put_called_numbers(b, r);
    message_add_result(b, r->has_bytes ? r->bytes.bytes : NULL, r->bytes.n);
    buffer_put_u8(b, r->result.n_tail_bytes > 0 || r->result.cpu_s > 0 || r->result.output_bytes > 0);
    if (r->result.n_tail_bytes > 0 || r->result.cpu_s > 0 || r->result.output_bytes > 0) {
        buffer_put_text(b, r->result.tail, r->result.n_tail_bytes);
        buffer_put_f64(b, r->result.cpu_s);
        buffer_put_u64(b, r->result.max_rss_bytes);
        buffer_put_u64(b, r->result.output_offset);
        buffer_put_u64(b, r->result.output_bytes);
        buffer_put_u64(b, r->result.text_bytes);
    }
    if (r->n_added > 0) {
        buffer_put_u32(b, r->n_added);
        put_text(b, r->added);
    }
    end_record(b, start);
}

int message_open(struct message_header *h, struct cursor *c, const void *bytes, size_t n,
                 struct ganger_error *err)
{
    uint8_t kind;

    *c = cursor_over(bytes, n);
    h->version = cursor_u8(c);
    kind = cursor_u8(c);
    cursor_u16(c);
    h->epoch = cursor_u32(c);
    h->worker = cursor_u32(c);
    h->n_records = cursor_u32(c);
    if (c->failed)
        return error_set(err, ERROR_SYSTEM, "a message of %zu bytes is shorter than its header", n);
    if (h->version != MESSAGE_VERSION)
        return error_set(err, ERROR_SYSTEM,
                         "a message has version %u, this ganger speaks %u: all ranks must run the same "
                         "program",
                         h->version, MESSAGE_VERSION);
    if (!is_known(kind))
        return error_set(err, ERROR_SYSTEM, "a message has the unknown kind %u", kind);
    if (h->n_records > (n - MESSAGE_HEADER_BYTES) / sizeof(uint32_t)) /* each has at least its length */
        return error_set(err, ERROR_SYSTEM, "a message of %zu bytes cannot have %u records", n, h->n_records);
    h->kind = (enum message_kind)kind;
    return 0;
}

/* A cursor over the next record alone; `c` moves behind it. */
static struct cursor next_record(struct cursor *c)
{
    uint32_t n = cursor_u32(c);
    const char *bytes = cursor_bytes(c, n);
    struct cursor record = cursor_over(bytes ? bytes : "", bytes ? n : 0);

    record.failed = bytes == NULL;
    return record;
}

/* What is learned from times would never come right again after one that is none. */
static bool has_sound_times(const struct task_result *r)
{
    return isfinite(r->start_s) && isfinite(r->end_s) && r->end_s >= r->start_s && isfinite(r->cpu_s) &&
           r->cpu_s >= 0 && isfinite(r->delay_s) && r->delay_s >= 0;
}

static int check_record(const struct cursor *record, const char *kind, struct ganger_error *err)
{
    if (record->failed)
        return error_set(err, ERROR_SYSTEM, "a %s message is shorter than it says", kind);
    return 0;
}

int message_next_hello(struct cursor *c, struct hello *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->host = get_text(&record);
    r->pid = cursor_u32(&record);
    r->slot = cursor_u16(&record);
    r->n_node_slots = cursor_u16(&record);
    r->memory_bytes = cursor_u64(&record);
    r->clock_s = cursor_f64(&record);
    r->group = get_text(&record);
    r->gpus = get_text(&record);
    r->doorbell = get_text(&record);
    r->registry_digest = cursor_u64(&record);
    r->cpu = cursor_u32(&record);
    r->functions = get_text(&record);
    if (check_record(&record, "HELLO", err) < 0)
        return -1;
    if (text_count_packed(r->functions) == UINT32_MAX)
        return error_set(err, ERROR_SYSTEM, "a HELLO message contradicts itself");
    return 0;
}

int message_next_welcome(struct cursor *c, struct welcome *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->run_dir = get_text(&record);
    r->cwd = get_text(&record);
    r->env = get_text(&record);
    r->grace_s = cursor_f64(&record);
    r->end_s = cursor_f64(&record);
    r->clock_s = cursor_f64(&record);
    r->hello_clock_s = cursor_f64(&record);
    r->same_clock = cursor_u8(&record) != 0;
    r->origin_s = cursor_f64(&record);
    r->manager_pid = cursor_u32(&record);
    r->latency_wait_s = cursor_f64(&record);
    r->fence_s = cursor_f64(&record);
    if (check_record(&record, "WELCOME", err) < 0)
        return -1;
    if (text_count_packed(r->env) == UINT32_MAX || !(r->grace_s >= 0) || !(r->latency_wait_s >= 0) ||
        !(r->fence_s > 0))
        return error_set(err, ERROR_SYSTEM, "a WELCOME message contradicts itself");
    return 0;
}

/* Texts that each have an end, and of which none is empty. */
static bool is_list(struct text t)
{
    if (text_count_packed(t) == UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < t.n; i++)
        if (t.bytes[i] == '\0' && (i == 0 || t.bytes[i - 1] == '\0'))
            return false;
    return true;
}

/* One text, which the system can take for a path; empty: none. */
static bool is_path(struct text t)
{
    return t.n == 0 || memchr(t.bytes, '\0', t.n) == NULL;
}

/* So many texts, each with an end. */
static bool are_texts(struct text t, uint32_t n)
{
    return n != UINT32_MAX && text_count_packed(t) == n;
}

static bool is_consistent(const struct run *r)
{
    return r->n_argv > 0 && are_texts(r->argv, r->n_argv) && are_texts(r->env, r->n_env) &&
           r->slots.n >= 2 && r->slots.n % 2 == 0 && r->timeout_s >= 0 && is_list(r->gpus) &&
           is_list(r->inputs) && is_list(r->outputs) && is_path(r->cwd) && is_path(r->stdin_path) &&
           is_path(r->stdout_path) && is_path(r->stderr_path);
}

int message_next_run(struct cursor *c, struct run *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->task = cursor_u32(&record);
    r->attempt = cursor_u32(&record);
    r->slots = get_text(&record);
    r->id = get_text(&record);
    r->n_argv = cursor_u32(&record);
    r->argv = get_text(&record);
    r->n_env = cursor_u32(&record);
    r->env = get_text(&record);
    r->has_cwd = cursor_u8(&record) != 0;
    r->cwd = get_text(&record);
    r->timeout_s = cursor_f64(&record);
    r->gpus = get_text(&record);
    r->stdin_path = get_text(&record);
    r->stdout_path = get_text(&record);
    r->stderr_path = get_text(&record);
    r->inputs = get_text(&record);
    r->outputs = get_text(&record);
    r->memory_bytes = cursor_u64(&record);
    r->wants_fingerprint = cursor_u8(&record) != 0;
    r->fingerprint = cursor_u64(&record);
    if (check_record(&record, "RUN", err) < 0)
        return -1;
    if (!is_consistent(r))
        return error_set(err, ERROR_SYSTEM, "a RUN message contradicts itself");
    return 0;
}

int message_next_started(struct cursor *c, struct started *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->task = cursor_u32(&record);
    r->attempt = cursor_u32(&record);
    r->start_s = cursor_f64(&record);
    return check_record(&record, "STARTED", err);
}

int message_next_done(struct cursor *c, struct done *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);
    struct text tail;
    uint8_t end;

    r->task = cursor_u32(&record);
    r->attempt = cursor_u32(&record);
    end = cursor_u8(&record);
    r->result.code = (int)cursor_u32(&record);
    r->result.start_s = cursor_f64(&record);
    r->result.end_s = cursor_f64(&record);
    r->result.cpu_s = cursor_f64(&record);
    r->result.max_rss_bytes = cursor_u64(&record);
    r->result.output_offset = cursor_u64(&record);
    r->result.output_bytes = cursor_u64(&record);
    tail = get_text(&record);
    r->result.tail = tail.bytes;
    r->result.n_tail_bytes = tail.n;
    r->next = cursor_u32(&record);
    r->result.delay_s = cursor_f64(&record);
    r->result.text_bytes = cursor_u64(&record);
    r->result.fingerprint = cursor_u64(&record);
    r->result.is_unchanged = cursor_u8(&record) != 0;
    if (check_record(&record, "DONE", err) < 0)
        return -1;
    if (end >= N_TASK_ENDS || tail.n > TASK_TAIL_BYTES || !has_sound_times(&r->result))
        return error_set(err, ERROR_SYSTEM, "a DONE message contradicts itself");
    r->result.end = (enum task_end)end;
    return 0;
}

int message_next_stop(struct cursor *c, struct stop *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);
    uint8_t mode = cursor_u8(&record);

    r->stays = cursor_u8(&record) != 0;
    r->at_once = cursor_u8(&record) != 0;
    if (check_record(&record, "STOP", err) < 0)
        return -1;
    if (mode > STOP_KILL)
        return error_set(err, ERROR_SYSTEM, "a STOP message has the unknown mode %u", mode);
    r->mode = (enum stop_mode)mode;
    return 0;
}

int message_next_recall(struct cursor *c, struct recall *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->task = cursor_u32(&record);
    r->attempt = cursor_u32(&record);
    return check_record(&record, "RECALL", err);
}

int message_next_cancel(struct cursor *c, struct cancel *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);
    uint32_t signal;

    r->task = cursor_u32(&record);
    r->attempt = cursor_u32(&record);
    signal = cursor_u32(&record);
    if (check_record(&record, "CANCEL", err) < 0)
        return -1;
    if (signal < 1 || signal > 64)
        return error_set(err, ERROR_SYSTEM, "a CANCEL message has the unknown signal %u", signal);
    r->signal = (int32_t)signal;
    return 0;
}

/* What stands behind the results, if anything does. */
static bool take_place(struct cursor *record, struct call_order *r)
{
    r->slots = r->gpus = (struct text){"", 0};
    if (record->failed || record->next == record->end)
        return !record->failed;
    r->slots = get_text(record);
    r->gpus = get_text(record);
    return !record->failed && r->slots.n >= 2 && r->slots.n % 2 == 0 && is_list(r->gpus);
}

int message_next_call(struct cursor *c, struct call_order *r, struct ganger_error *err)
{
    struct cursor record = next_record(c), results;
    struct recall own;
    struct text result;

    if (!take_call_numbers(&record, r))
        return check_record(&record, "CALL", err);
    r->id = get_text(&record);
    r->payload = get_text(&record);
    r->n_results = cursor_u32(&record);
    r->results = results = record;
    if (check_record(&record, "CALL", err) < 0)
        return -1;
    for (uint32_t i = 0; i < r->n_results && !results.failed; i++)
        call_order_next_result(&results, &result, &own);
    if (!take_place(&results, r) || !(r->timeout_s >= 0))
        return error_set(err, ERROR_SYSTEM, "a CALL message contradicts itself");
    return 0;
}

int message_next_called(struct cursor *c, struct call_report *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);
    struct recall own;

    if (!take_called_numbers(&record, r))
        return check_record(&record, "CALLED", err);
    r->has_bytes = call_order_next_result(&record, &r->bytes, &own);
    if (cursor_u8(&record) != 0) {
        struct text tail = get_text(&record);

        r->result.tail = tail.bytes;
        r->result.n_tail_bytes = tail.n;
        r->result.cpu_s = cursor_f64(&record);
        r->result.max_rss_bytes = cursor_u64(&record);
        r->result.output_offset = cursor_u64(&record);
        r->result.output_bytes = cursor_u64(&record);
        r->result.text_bytes = cursor_u64(&record);
    }
    r->n_added = record.next < record.end ? cursor_u32(&record) : 0;
    r->added = r->n_added > 0 ? get_text(&record) : (struct text){"", 0};
    if (check_record(&record, "CALLED", err) < 0)
        return -1;
    if (r->result.end == N_TASK_ENDS || own.task != TASK_NONE || (r->n_added > 0 && r->result.end != TASK_EXITED) ||
        r->result.n_tail_bytes > TASK_TAIL_BYTES || !has_sound_times(&r->result))
        return error_set(err, ERROR_SYSTEM, "a CALLED message contradicts itself");
    return 0;
}

int message_next_lost(struct cursor *c, struct lost *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->worker = cursor_u32(&record);
    r->call = cursor_u32(&record);
    return check_record(&record, "LOST", err);
}

int message_next_heartbeat(struct cursor *c, struct heartbeat *r, struct ganger_error *err)
{
    struct cursor record = next_record(c);

    r->clock_s = cursor_f64(&record);
    r->manager_s = cursor_f64(&record);
    return check_record(&record, "HEARTBEAT", err);
}

uint16_t run_slot(const struct run *r, uint32_t i)
{
    struct cursor c = cursor_over(r->slots.bytes + (size_t)2 * i, 2);

    return cursor_u16(&c);
}

uint32_t text_count_packed(struct text t)
{
    uint32_t count = 0;

    if (t.n > 0 && t.bytes[t.n - 1] != '\0')
        return UINT32_MAX;
    for (uint32_t i = 0; i < t.n; i++)
        count += t.bytes[i] == '\0';
    return count;
}
