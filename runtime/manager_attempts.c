#include "manager_parts.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>

/* The task that follows on the same worker has its slots already; was it there when the worker looked? */
static void begin_advance(struct manager *m, uint32_t worker, const struct done *done)
{
    task_id next = sched_task_of(m->sched, worker);

    if (next == TASK_NONE || task_is_call(&m->o->graph->tasks[next]))
        return;
    if (done->next != next)
        comm_ring(m->comm, worker);
    m->last_sent = worker;
    manager_be_fed(m, worker);
}

void manager_note_over(struct manager *m, task_id task)
{
    if (m->o->results != NULL)
        results_note_end(m->o->results, task);
}

void manager_note_ran(struct manager *m, task_id task)
{
    if (m->o->reuse != NULL && task < m->n_first_tasks)
        reuse_note_ran(m->o->reuse, task);
}

void manager_tell_skipped(struct manager *m)
{
    struct event event = {.time_s = manager_epoch_s(m)};
    bool not_needed;

    while (sched_next_skipped(m->sched, &event.task, &event.cause, &not_needed)) {
        event.kind = not_needed ? EVENT_TASK_NOT_NEEDED : EVENT_TASK_SKIPPED;
        if (!not_needed)
            manager_note_ran(m, event.task);
        event_emit(m->o->sinks, &event);
        manager_note_over(m, event.task);
    }
}

static void stop_at_limit(struct manager *m)
{
    char why[80];

    if (m->o->max_failures != 0 && m->n_failed >= m->o->max_failures) {
        snprintf(why, sizeof(why), "%u task%s failed (--max-failures)", m->n_failed, m->n_failed == 1 ? "" : "s");
        manager_stop(m, STOP_WHEN_DONE, m->o->max_failures == 1 ? "a task failed (--fail-fast)" : why);
    } else if (m->o->max_failures_in_a_row != 0 && m->n_failed_in_a_row >= m->o->max_failures_in_a_row) {
        snprintf(why, sizeof(why), "%u tasks failed in a row (--max-consecutive-failures)", m->n_failed_in_a_row);
        manager_stop(m, STOP_WHEN_DONE, why);
    }
}

void manager_count_failure(struct manager *m, task_id task)
{
    manager_note_ran(m, task);
    manager_tell_skipped(m);
    if (m->o->graph->policies[manager_task(m, task)->policy].may_fail)
        return;
    m->n_failed++;
    m->n_failed_in_a_row++;
    stop_at_limit(m);
}

/* What becomes of the task, and what is told of this attempt. */
static enum task_state judge(const struct manager *m, task_id task, const struct task_result *result,
                             enum event_kind *kind)
{
    if (result->end == TASK_EXITED && result->code == 0) {
        *kind = EVENT_TASK_DONE;
        return STATE_DONE;
    }
    if (result->end == TASK_CANCELLED) {
        *kind = EVENT_TASK_CANCELLED;
        return STATE_CANCELLED;
    }
    if (!m->is_stopping && sched_has_retry(m->sched, task)) {
        *kind = EVENT_TASK_RETRIED;
        return STATE_READY;
    }
    *kind = EVENT_TASK_FAILED;
    return STATE_FAILED;
}

/* Its worker has looked at its inputs, and found it done. */
static enum task_state keep_task(struct manager *m, uint32_t worker, const struct done *done)
{
    struct event event = {.kind = EVENT_TASK_RETURNED, .time_s = manager_epoch_s(m), .task = done->task,
                          .attempt = done->attempt, .worker = worker, .node = m->peers[worker].node};

    event_emit(m->o->sinks, &event);
    event.kind = EVENT_TASK_UNCHANGED;
    event_emit(m->o->sinks, &event);
    sched_finish(m->sched, done->task, STATE_DONE, NAN);
    manager_note_over(m, done->task);
    return STATE_DONE;
}

/* `call`: what is said of it, if it is a function. */
static void tell_end(struct manager *m, uint32_t worker, const struct done *done, const struct call_report *call,
                     enum event_kind kind)
{
    struct event event = {.kind = kind,
                          .time_s = manager_epoch_s(m),
                          .task = done->task,
                          .attempt = done->attempt,
                          .worker = worker,
                          .node = m->peers[worker].node,
                          .n_slots = sched_n_slots_of(m->sched, worker),
                          .slots = sched_slots_of(m->sched, worker),
                          .result = &done->result};
    struct event_call returned;

    if (kind == EVENT_TASK_DONE && call != NULL && call->has_bytes) {
        returned = (struct event_call){.task = done->task, .n_result = call->bytes.n, .result = call->bytes.bytes};
        event.n_calls = 1;
        event.calls = &returned;
        event.n_added = call->n_added;
    }
    event_emit(m->o->sinks, &event);
}

/* The attempt ended: tells everybody, the scheduler last. */
static enum task_state end_task(struct manager *m, uint32_t worker, const struct done *done,
                                const struct call_report *call)
{
    const struct task_result *result = &done->result;
    double run_s = result->end_s - result->start_s;
    enum event_kind kind;
    enum task_state state = judge(m, done->task, result, &kind);

    tell_end(m, worker, done, call, kind);
    if (state != STATE_CANCELLED)
        manager_note_ran(m, done->task);
    sched_finish(m->sched, done->task, state, run_s);
    sched_note_delay(m->sched, worker, result->delay_s, run_s);
    if (state == STATE_DONE || state == STATE_FAILED)
        manager_note_over(m, done->task);
    return state;
}

/* The next ones' would be lost, too: the run directory is as good as gone, like a journal that cannot be written. */
static void stop_for_lost_output(struct manager *m, const struct done *done)
{
    error_set(m->err, ERROR_SYSTEM,
              "what tasks write cannot be kept, task \"%s\": %.*s; %s, and `--resume` continues the run",
              m->o->graph->tasks[done->task].id, (int)done->result.n_tail_bytes, done->result.tail,
              file_remedy(done->result.code));
    manager_stop(m, STOP_WHEN_DONE, m->err->text); /* what runs may be silent */
}

/* It may go on with another task. */
static void go_on(struct manager *m, uint32_t worker, const struct done *done)
{
    begin_advance(m, worker, done);
    if (!done->result.is_unchanged) /* it tells nothing of its node */
        holes_note_end(m, m->peers[worker].node, done->task, &done->result);
    losses_retire(m, worker);
}

void manager_note_end(struct manager *m, uint32_t worker, const struct done *done, const struct call_report *call)
{
    enum task_state state;

    if (hooks_want(m, &done->result)) {
        hooks_hold(m, worker, done, call);
        go_on(m, worker, done);
        return;
    }
    if (call != NULL && call->has_bytes && m->o->results != NULL)
        results_put(m->o->results, done->task, call->bytes.bytes, call->bytes.n);
    state = done->result.is_unchanged ? keep_task(m, worker, done) : end_task(m, worker, done, call);
    go_on(m, worker, done);
    if (state == STATE_DONE && !done->result.is_unchanged)
        m->n_failed_in_a_row = 0;
    if (state == STATE_FAILED)
        manager_count_failure(m, done->task);
    else if (m->o->graph->has_conditions)
        manager_tell_skipped(m); /* what waited to see it fail */
    /* Was its worker told to end by somebody else? */
    if (state == STATE_CANCELLED && !m->is_stopping && !end_has_signalled(m, worker, done->task, done->attempt)) {
        m->told_worker = worker;
        manager_stop(m, STOP_TERM, "a worker was told to end");
    }
    if (done->result.end == TASK_OUTPUT_LOST)
        stop_for_lost_output(m, done);
}
