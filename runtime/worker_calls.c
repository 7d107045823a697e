#include "worker_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IN_PLACE_S 0.0001    /* functions with such a mean run on our own thread, … */
#define ROUND_S 0.0005       /* … so long without looking for messages */
#define REPORT_BYTES 3600    /* of a CALLED, before it is sent: what travels in one piece */
#define TELL_S 0.00001       /* what ended so long ago is told while others run: ten times what a message costs */
#define TELL_LATE_S 0.0001   /* likewise, if there is nobody else for whom it is news, and we have enough to do */
#define ENOUGH_CALLS 64
#define SPIN_S 0.00003       /* so long an answer is waited for awake: longer than it takes where each has its core */
#define MEAN_WEIGHT 0.1F     /* of the last call in a function's mean */

static double since_origin_s(const struct worker *w, double now_s)
{
    return now_s - w->origin_s;
}

void worker_calls_open(struct worker *w)
{
    uint32_t n = w->o->registry != NULL ? w->o->registry->n : 0;

    w->calls = (struct calls){.timeout_s = INFINITY, .cancel_s = INFINITY, .given_fd = -1, .taken_fd = -1};
    w->calls.end = &w->calls.first;
    w->calls.mean_s = xmalloc((n + 1) * sizeof(*w->calls.mean_s));
    for (uint32_t i = 0; i < n; i++)
        w->calls.mean_s[i] = -1;
}

static void forget_isolated(struct calls *c)
{
    if (c->given_fd >= 0)
        close(c->given_fd);
    if (c->taken_fd >= 0)
        close(c->taken_fd);
    c->given_fd = c->taken_fd = -1;
    call_free(c->isolated);
    c->isolated = NULL;
}

static struct ganger_call *pop(struct calls *c)
{
    struct ganger_call *call = c->first;

    c->first = call->next;
    c->n_waiting--;
    if (c->first == NULL)
        c->end = &c->first;
    return call;
}

void worker_calls_close(struct worker *w)
{
    worker_runner_close(w);
    forget_isolated(&w->calls);
    while (w->calls.first != NULL)
        call_free(pop(&w->calls));
    call_pool_release(&w->calls.pool);
    buffer_release(&w->calls.report);
    buffer_release(&w->calls.runner_slots);
    kept_release(&w->calls.kept);
    free(w->calls.mean_s);
}

/* ---- telling the manager ---- */

static int send_reports(struct worker *w, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    if (c->n_reports == 0)
        return 0;
    c->n_reports = 0;
    return comm_send(w->comm, MANAGER, c->report.bytes, c->report.n, err);
}

static int add_report(struct worker *w, const struct call_report *report, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    if (c->n_reports++ == 0)
        message_begin(&c->report, MESSAGE_CALLED, w->epoch, w->comm->rank);
    message_add_called(&c->report, report);
    return c->report.n >= REPORT_BYTES ? send_reports(w, err) : 0;
}

/* Takes the call, which has run. */
static int report_call(struct worker *w, struct ganger_call *call, struct ganger_error *err)
{
    struct call_report report;
    float *mean_s = &w->calls.mean_s[call->function], run_s = (float)(call->end_s - call->start_s);
    int status;

    *mean_s = *mean_s < 0 ? run_s : *mean_s + MEAN_WEIGHT * (run_s - *mean_s);
    call_report(call, &report);
    report.result.start_s = since_origin_s(w, call->start_s);
    report.result.end_s = since_origin_s(w, call->end_s);
    status = add_report(w, &report, err);
    /* What it adds may be refused: then it has failed. */
    if (report.has_bytes && call->is_awaited && report.n_added == 0) {
        kept_put(&w->calls.kept, call->task, call->attempt, call->result, call->n_result, call->result_capacity);
        call->result = NULL;
    }
    call_recycle(call, &w->calls.pool);
    return status;
}

/* It ended without having returned. */
static int report_end(struct worker *w, task_id task, uint32_t attempt, double start_s, enum task_end end,
                      const char *why, struct ganger_error *err)
{
    struct call_report report = {.task = task,
                                 .attempt = attempt,
                                 .result = {.end = end,
                                            .start_s = since_origin_s(w, start_s),
                                            .end_s = since_origin_s(w, clock_now_s()),
                                            .tail = why,
                                            .n_tail_bytes = (uint32_t)strlen(why)}};

    return add_report(w, &report, err);
}

/* ---- what arrives, and what is given back ---- */

static int check_call(const struct worker *w, const struct call_order *order, struct ganger_error *err)
{
    if (!w->is_welcome || w->o->registry == NULL || order->function >= w->o->registry->n)
        return error_set(err, ERROR_SYSTEM, "worker %u was sent task %s, a function that it does not have",
                         w->comm->rank, order->id.bytes);
    return 0;
}

int worker_calls_hear(struct worker *w, uint32_t n_records, struct cursor *cursor, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    struct call_order order;

    for (uint32_t i = 0; i < n_records; i++) {
        if (message_next_call(cursor, &order, err) < 0 || check_call(w, &order, err) < 0)
            return -1;
        *c->end = call_new(&order, w->comm->rank, w->o->registry->data, &c->pool);
        c->end = &(*c->end)->next;
        c->n_waiting++;
    }
    return w->is_stopping ? worker_calls_give_back(w, err) : 0;
}

static void add_returned(struct worker *w, const struct ganger_call *call)
{
    struct recall returned = {call->task, call->attempt};

    message_add_recall(&w->message, &returned);
}

int worker_calls_give_back(struct worker *w, struct ganger_error *err)
{
    if (w->calls.first == NULL)
        return 0;
    if (send_reports(w, err) < 0) /* what ended before must be heard before */
        return -1;
    message_begin(&w->message, MESSAGE_RETURNED, w->epoch, w->comm->rank);
    while (w->calls.first != NULL) {
        struct ganger_call *call = pop(&w->calls);

        add_returned(w, call);
        call_recycle(call, &w->calls.pool);
    }
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

int worker_calls_give_one_back(struct worker *w, const struct recall *recall, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    struct ganger_call **at = &c->first, *call;

    while (*at != NULL && ((*at)->task != recall->task || (*at)->attempt != recall->attempt))
        at = &(*at)->next;
    call = *at;
    if (call == NULL)
        return 0; /* it has started, or even ended */
    if (send_reports(w, err) < 0)
        return -1;
    *at = call->next;
    c->n_waiting--;
    if (*at == NULL)
        c->end = at;
    message_begin(&w->message, MESSAGE_RETURNED, w->epoch, w->comm->rank);
    add_returned(w, call);
    call_recycle(call, &c->pool);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* What it waited for here did not end well, or was given back itself, or is no longer kept. So it is with those behind
 * it that wait for it. */
static int give_unresolved_back(struct worker *w, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    if (send_reports(w, err) < 0)
        return -1;
    message_begin(&w->message, MESSAGE_RETURNED, w->epoch, w->comm->rank);
    while (c->first != NULL && !call_resolve(c->first, &c->kept)) {
        struct ganger_call *call = pop(c);

        add_returned(w, call);
        call_recycle(call, &w->calls.pool);
    }
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* ---- in a process of its own ---- */

/* What the process reads: a CALL like the one that brought it here. */
static int write_given(const struct worker *w, const struct ganger_call *call)
{
    struct buffer b = BUFFER_EMPTY, slots = BUFFER_EMPTY;
    struct call_order order = {.task = call->task,
                               .attempt = call->attempt,
                               .function = call->function,
                               .slot = call->slot,
                               .id = {call->id, (uint32_t)strlen(call->id)},
                               .payload = {call->payload.bytes, (uint32_t)call->payload.n},
                               .n_results = call->n_dependencies};
    int fd = memfd_create("ganger-call", MFD_CLOEXEC);
    size_t start, n_done = 0;

    message_begin(&b, MESSAGE_CALL, w->epoch, w->comm->rank);
    start = message_begin_call(&b, &order);
    for (uint32_t i = 0; i < call->n_dependencies; i++)
        message_add_result(&b, call->dependencies[i].bytes, call->dependencies[i].n);
    if (call->place != NULL)
        message_add_place(&b, call_put_slots(call, &slots), call->place->gpus);
    message_end_call(&b, start);
    buffer_release(&slots);
    while (fd >= 0 && n_done < b.n) {
        ssize_t n = write(fd, b.bytes + n_done, b.n - n_done);

        if (n <= 0) {
            close(fd);
            fd = -1;
        }
        n_done += n > 0 ? (size_t)n : 0;
    }
    buffer_release(&b);
    return fd;
}

static int start_isolated(struct worker *w, struct ganger_call *call, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    c->isolated = call;
    c->given_fd = write_given(w, call);
    c->taken_fd = memfd_create("ganger-result", MFD_CLOEXEC);
    call->start_s = clock_now_s();
    if (w->o->helper != NULL && c->given_fd >= 0 && c->taken_fd >= 0)
        return worker_start_isolated(w, call, (char **)(uintptr_t)w->o->helper, c->given_fd, c->taken_fd, err);
    if (report_end(w, call->task, call->attempt, call->start_s, TASK_NOT_STARTED,
                   w->o->helper == NULL ? "this program cannot start itself to isolate a function"
                                        : "no memory for what it is given",
                   err) < 0)
        return -1;
    forget_isolated(c);
    return 0;
}

/* All that the process wrote: a CALLED. False: it wrote none that makes sense. */
static bool read_taken(int fd, struct buffer *b, struct call_report *report)
{
    struct ganger_error ignored = {0};
    struct message_header h;
    struct cursor cursor;
    ssize_t n = 1;

    while (n > 0) {
        buffer_reserve(b, CALL_RESULT_MAX);
        n = pread(fd, b->bytes + b->n, b->capacity - b->n, (off_t)b->n);
        b->n += n > 0 ? (size_t)n : 0;
    }
    return message_open(&h, &cursor, b->bytes, b->n, &ignored) == 0 && h.kind == MESSAGE_CALLED &&
           message_next_called(&cursor, report, &ignored) == 0;
}

static void keep_copy(struct worker *w, const struct call_report *r)
{
    char *copy = xmalloc(r->bytes.n + 1);

    memcpy(copy, r->bytes.bytes, r->bytes.n);
    kept_put(&w->calls.kept, r->task, r->attempt, copy, r->bytes.n, r->bytes.n + 1);
}

int worker_calls_end_isolated(struct worker *w, struct task_result *result, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    struct buffer taken = BUFFER_EMPTY;
    struct call_report said, report = {.task = c->isolated->task, .attempt = c->isolated->attempt};
    bool has_said = result->end == TASK_EXITED && result->code == 0 && read_taken(c->taken_fd, &taken, &said);
    int status;

    report.result = *result;
    if (has_said) {
        report.result.end = said.result.end;
        report.result.code = said.result.code;
        report.result.tail = said.result.tail;
        report.result.n_tail_bytes = said.result.n_tail_bytes;
        report.has_bytes = said.has_bytes;
        report.bytes = said.bytes;
        report.n_added = said.n_added;
        report.added = said.added;
    } else if (result->end == TASK_EXITED) { /* its function called exit */
        task_result_set_end(&report.result, TASK_RETURNED, result->code != 0 ? result->code : 255,
                            "its process ended before the function returned");
    }
    status = add_report(w, &report, err);
    if (report.has_bytes && c->isolated->is_awaited && report.result.end == TASK_EXITED && report.n_added == 0)
        keep_copy(w, &report);
    buffer_release(&taken);
    forget_isolated(c);
    return status < 0 ? -1 : send_reports(w, err);
}

/* ---- on the runner ---- */

/* The system may have threads for us again when the next one comes. */
static int say_not_started(struct worker *w, struct ganger_call *call, const char *why, struct ganger_error *err)
{
    int status = report_end(w, call->task, call->attempt, clock_now_s(), TASK_NOT_STARTED, why, err);

    call_free(call);
    return status;
}

static int give_to_runner(struct worker *w, struct ganger_call *call, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    struct ganger_error why = {0};

    if (worker_runner_open(w, call, &why) < 0) {
        w->fds[FD_RUNNER] = (struct pollfd){-1, POLLIN, 0};
        return say_not_started(w, call, why.text, err);
    }
    w->fds[FD_RUNNER] = (struct pollfd){runner_fd(c->runner), POLLIN, 0};
    c->is_running = true;
    c->task = call->task;
    c->attempt = call->attempt;
    c->start_s = clock_now_s();
    c->timeout_s = call->timeout_s > 0 ? c->start_s + call->timeout_s : INFINITY;
    comm_publish_call(w->comm, call->task);
    runner_give(c->runner, call);
    return 0;
}

static void leave_runner(struct worker *w)
{
    w->calls.is_running = false;
    w->calls.timeout_s = w->calls.cancel_s = INFINITY;
    comm_publish_call(w->comm, TASK_NONE);
}

static int take_from_runner(struct worker *w, struct ganger_error *err)
{
    struct ganger_call *call = runner_take(w->calls.runner);

    if (call == NULL)
        return 0;
    leave_runner(w);
    return report_call(w, call, err);
}

/* It cannot be stopped. Another runner will take its place; what it does, or returns, counts no more. */
static int abandon(struct worker *w, enum task_end end, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    if (end == TASK_TIMED_OUT)
        log_warning("worker %u: a function did not return within its timeout: its thread is left to itself and may go "
                    "on computing; \"isolate\" makes it one that can be killed", w->comm->rank);
    worker_runner_close(w);
    w->fds[FD_RUNNER] = (struct pollfd){-1, POLLIN, 0};
    leave_runner(w);
    return report_end(w, c->task, c->attempt, c->start_s, end, "", err);
}

int worker_calls_cancel(struct worker *w, double grace_s, struct ganger_error *err)
{
    if (!w->calls.is_running)
        return 0;
    w->calls.cancel_s = fmin(w->calls.cancel_s, clock_now_s() + grace_s);
    return grace_s > 0 ? 0 : worker_calls_attend(w, err);
}

/* ---- running ---- */

static bool may_run_in_place(const struct worker *w, const struct ganger_call *call)
{
    float mean_s = w->calls.mean_s[call->function];

    return w->o->runs_in_place ||
           (call->timeout_s == 0 && mean_s >= 0 && mean_s < (float)IN_PLACE_S && !call_is_wide(call));
}

/* A rank that shares its core would only keep the others from it. */
static bool has_own_core(const struct worker *w)
{
    uint32_t n_ranks = 0;

    for (uint32_t rank = 0; rank < w->comm->size; rank++)
        n_ranks += comm_is_near(w->comm, rank);
    return w->o->binding != NULL && n_ranks <= binding_n_slots(w->o->binding);
}

/* One that ends is the start of the next: the clock is asked once for each. */
static int run_in_place(struct worker *w, struct ganger_call *call, double *now_s, struct ganger_error *err)
{
    comm_publish_call(w->comm, call->task);
    call->start_s = *now_s;
    call_run(call, w->o->registry);
    call->end_s = *now_s = clock_now_s();
    comm_publish_call(w->comm, TASK_NONE);
    if (!w->calls.ran_in_place)
        w->calls.has_own_core = has_own_core(w);
    w->calls.ran_in_place = true;
    return report_call(w, call, err);
}

/* The manager can see to what waits for them while we go on, if it has a core to do so. Who is told wakes up, which
 * costs us more than a short function: the only worker is in no hurry while much waits here. */
static bool is_time_to_tell(const struct worker *w, double now_s)
{
    bool is_alone = w->comm->size == 2; /* the manager and we */
    double tell_s = is_alone && w->calls.n_waiting >= ENOUGH_CALLS ? TELL_LATE_S : TELL_S;

    return w->calls.has_own_core && w->calls.n_reports > 0 && now_s - w->calls.told_s > tell_s;
}

static int start_next(struct worker *w, double *now_s, struct ganger_error *err)
{
    struct ganger_call *call = w->calls.first;

    if (!call_resolve(call, &w->calls.kept))
        return give_unresolved_back(w, err);
    pop(&w->calls);
    if (call->is_isolated)
        return start_isolated(w, call, err);
    return may_run_in_place(w, call) ? run_in_place(w, call, now_s, err) : give_to_runner(w, call, err);
}

static int attend_runner(struct worker *w, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    double now_s;

    if (!c->is_running)
        return 0;
    if (take_from_runner(w, err) < 0)
        return -1;
    if (!c->is_running || (isinf(c->timeout_s) && isinf(c->cancel_s)))
        return 0;
    now_s = clock_now_s();
    if (c->timeout_s <= now_s)
        return abandon(w, TASK_TIMED_OUT, err);
    return c->cancel_s <= now_s ? abandon(w, TASK_CANCELLED, err) : 0;
}

/* While short functions come, and no child needs to be heard of, the next message is close. */
static void choose_spin(struct worker *w)
{
    struct calls *c = &w->calls;
    bool expects_one = c->ran_in_place && !c->is_running && !worker_is_running(w);

    w->comm->spin_s = expects_one && c->has_own_core ? SPIN_S : 0;
}

int worker_calls_attend(struct worker *w, struct ganger_error *err)
{
    struct calls *c = &w->calls;
    double now_s, until_s;

    if (attend_runner(w, err) < 0)
        return -1;
    if (c->first != NULL && !c->is_running && !worker_is_running(w)) {
        now_s = clock_now_s();
        until_s = now_s + ROUND_S;
        c->told_s = now_s;
        while (c->first != NULL && !c->is_running && !worker_is_running(w) && now_s < until_s) {
            if (start_next(w, &now_s, err) < 0)
                return -1;
            if (is_time_to_tell(w, now_s)) {
                c->told_s = now_s;
                if (send_reports(w, err) < 0)
                    return -1;
            }
        }
    }
    choose_spin(w);
    return send_reports(w, err);
}

double worker_calls_deadline_s(const struct worker *w)
{
    const struct calls *c = &w->calls;

    if (c->is_running)
        return fmin(c->timeout_s, c->cancel_s);
    return c->first != NULL && !worker_is_running(w) ? 0 : INFINITY;
}
