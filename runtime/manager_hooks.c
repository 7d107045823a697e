#include "manager_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/hook_thread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDES_MAX 1024 /* asked at a time: what else is held takes less memory in the scheduler */
#define SLOW_S 60.0       /* a hook that takes longer is warned of */

struct manager_hooks
{
    const struct hooks *table;
    const struct manager_options *asked; /* what m->o was … */
    struct manager_options options;      /* … and is, with a sink more */
    struct event_sinks sinks;
    struct hook_thread *thread;
    struct hook_bytes *payloads; /* by task; NULL: none was given late */
    uint32_t n_payloads;
    uint32_t n_provides; /* posted, and not taken back, … */
    uint32_t n_others;   /* … of these kinds each */
    double since_s;      /* when the last one came back, or the first was posted */
    bool is_warned;
};

/* ---- asking and telling ---- */

static void post(struct manager *m, struct ganger_hook *h)
{
    struct manager_hooks *hooks = m->hooks;

    if (hooks->n_provides + hooks->n_others == 0)
        hooks->since_s = clock_now_s();
    if (h->kind == HOOK_PROVIDE)
        hooks->n_provides++;
    else
        hooks->n_others++;
    hook_thread_post(hooks->thread, h);
}

static struct ganger_hook *new_hook(const struct manager *m, enum hook_kind kind, task_id task)
{
    const struct task *t = manager_task(m, task);
    struct ganger_hook *h = hook_new(kind, task, t->id);

    h->is_function = task_is_call(t);
    return h;
}

static void set_place(const struct manager *m, struct ganger_hook *h, uint32_t attempt, uint32_t worker, uint32_t node)
{
    h->attempt = attempt;
    h->worker = worker;
    h->node = node;
    if (worker != 0 && m->nodes[node].host != NULL)
        h->host = xstrdup(m->nodes[node].host);
}

struct visit
{
    const struct manager *m;
    struct ganger_hook *hook;
};

static void add_dependency(void *data, task_id parent, const struct result *result)
{
    struct visit *v = data;

    hook_add_dependency(v->hook, parent, sched_state(v->m->sched, parent), result != NULL ? result->bytes : NULL,
                        result != NULL ? result->n : 0);
}

bool hooks_provide(const struct manager *m)
{
    return m->hooks != NULL && m->hooks->table->provide != NULL;
}

bool hooks_may_ask(const struct manager *m)
{
    return m->hooks == NULL || m->hooks->n_provides < PROVIDES_MAX;
}

bool hooks_ask(struct manager *m, task_id task)
{
    const struct results none = {.graph = m->o->graph};
    struct visit visit = {.m = m};

    if (!hooks_provide(m))
        return false;
    visit.hook = new_hook(m, HOOK_PROVIDE, task);
    results_visit(m->o->results != NULL ? m->o->results : &none, task, add_dependency, &visit);
    post(m, visit.hook);
    return true;
}

void hooks_tell_sent(struct manager *m, const struct placement *p)
{
    struct ganger_hook *h;

    if (m->hooks == NULL || m->hooks->table->started == NULL)
        return;
    h = new_hook(m, HOOK_STARTED, p->task);
    set_place(m, h, p->attempt, p->worker, p->node);
    hook_set_slots(h, p->slots, p->n_slots);
    post(m, h);
}

static void tell_finished(struct manager *m, const struct event *e, enum task_state state)
{
    struct ganger_hook *h = new_hook(m, HOOK_FINISHED, e->task);

    set_place(m, h, e->attempt, e->worker, e->node);
    h->state = state;
    h->has_run = e->attempt > 0 && e->result != NULL;
    if (h->has_run)
        hook_set_result(h, e->result);
    hook_set_slots(h, e->slots, e->slots != NULL ? e->n_slots : 0);
    post(m, h);
}

static void tell_calls_finished(struct manager *m, const struct event *e)
{
    for (uint32_t i = 0; i < e->n_calls; i++) {
        const struct event_call *call = &e->calls[i];
        const struct task_result result = {.end = TASK_EXITED, .start_s = call->start_s,
                                           .end_s = call->start_s + call->run_s, .tail = ""};
        struct event one = *e;

        one.task = call->task;
        one.attempt = call->attempt;
        one.result = &result;
        tell_finished(m, &one, STATE_DONE);
    }
}

/* An event sink. */
static void hear_event(void *data, const struct event *e)
{
    struct manager *m = data;

    switch (e->kind) {
    case EVENT_TASK_UNCHANGED:
        if (e->attempt > 0) /* else nobody was asked about it before */
            tell_finished(m, e, STATE_DONE);
        break;
    case EVENT_TASK_DONE: tell_finished(m, e, STATE_DONE); break;
    case EVENT_TASK_FAILED: tell_finished(m, e, STATE_FAILED); break;
    case EVENT_TASK_CANCELLED: tell_finished(m, e, STATE_CANCELLED); break;
    case EVENT_TASK_SKIPPED: tell_finished(m, e, STATE_SKIPPED); break;
    case EVENT_TASK_NOT_NEEDED: tell_finished(m, e, STATE_NOT_NEEDED); break;
    case EVENT_CALLS_DONE: tell_calls_finished(m, e); break;
    default: break;
    }
}

/* ---- an attempt has ended ---- */

bool hooks_collect(const struct manager *m)
{
    return m->hooks != NULL && m->hooks->table->collect != NULL;
}

bool hooks_want(const struct manager *m, const struct task_result *result)
{
    return hooks_collect(m) && !result->is_unchanged && result->end != TASK_CANCELLED &&
           result->end != TASK_OUTPUT_LOST;
}

static bool is_good(const struct task_result *result)
{
    return result->end == TASK_EXITED && result->code == 0;
}

static struct event event_of(const struct manager *m, const struct ganger_hook *h, enum event_kind kind)
{
    return (struct event){.kind = kind,
                          .time_s = manager_epoch_s(m),
                          .task = h->task,
                          .attempt = h->attempt,
                          .worker = h->worker,
                          .node = h->node,
                          .n_slots = h->n_slots,
                          .slots = h->slots,
                          .result = &h->result,
                          .has_ended = h->has_run};
}

void hooks_hold(struct manager *m, uint32_t worker, const struct done *done, const struct call_report *call)
{
    struct ganger_hook *h = new_hook(m, HOOK_COLLECT, done->task);
    double run_s = done->result.end_s - done->result.start_s;
    struct event event;

    set_place(m, h, done->attempt, worker, m->peers[worker].node);
    hook_set_slots(h, sched_slots_of(m->sched, worker), sched_n_slots_of(m->sched, worker));
    hook_set_result(h, &done->result);
    h->has_run = true;
    if (call != NULL && call->has_bytes)
        hook_bytes_set(&h->returned, call->bytes.bytes, call->bytes.n);
    if (call != NULL && call->n_added > 0) {
        h->n_added = call->n_added;
        hook_bytes_set(&h->added, call->added.bytes, call->added.n);
    }
    event = event_of(m, h, EVENT_TASK_ENDED);
    event_emit(m->o->sinks, &event);
    sched_hold(m->sched, done->task, is_good(&done->result) ? run_s : NAN);
    sched_note_delay(m->sched, worker, done->result.delay_s, run_s);
    post(m, h);
}

/* ---- answers ---- */

/* Half as many again: tasks may be added, one after the other. */
static void make_room_for_payloads(struct manager_hooks *hooks, uint32_t n_tasks)
{
    uint32_t n = hooks->n_payloads == 0 ? n_tasks : n_tasks + n_tasks / 2;

    hooks->payloads = xrealloc(hooks->payloads, n * sizeof(*hooks->payloads));
    memset(hooks->payloads + hooks->n_payloads, 0, (n - hooks->n_payloads) * sizeof(*hooks->payloads));
    hooks->n_payloads = n;
}

static void keep_payload(struct manager *m, struct ganger_hook *h)
{
    struct hook_bytes *payload;

    if (h->payload.bytes == NULL)
        return;
    if (h->task >= m->hooks->n_payloads)
        make_room_for_payloads(m->hooks, m->o->graph->n_tasks);
    payload = &m->hooks->payloads[h->task];
    free(payload->bytes);
    *payload = h->payload;
    h->payload = (struct hook_bytes){NULL, 0};
}

static void drop_payload(struct manager *m, task_id task)
{
    if (task >= m->hooks->n_payloads)
        return;
    free(m->hooks->payloads[task].bytes);
    m->hooks->payloads[task] = (struct hook_bytes){NULL, 0};
}

void hooks_replace_payload(const struct manager *m, task_id task, struct text *payload)
{
    if (task < m->hooks->n_payloads && m->hooks->payloads[task].bytes != NULL)
        *payload = (struct text){m->hooks->payloads[task].bytes, (uint32_t)m->hooks->payloads[task].n};
}

/* However it ended, it failed. An end that was bad by itself, and of which nothing else is said, tells more. */
static void refuse(struct ganger_hook *h, const char *why)
{
    struct task_result result = h->result;

    if (h->has_run && !is_good(&h->result) && why == NULL)
        return;
    task_result_set_end(&result, TASK_REFUSED, 0, why != NULL ? why : "");
    hook_set_result(h, &result);
}

static void end_done(struct manager *m, struct ganger_hook *h, uint32_t n_added)
{
    struct event event = event_of(m, h, EVENT_TASK_DONE);
    const struct event_call call = {.task = h->task, .n_result = (uint32_t)h->returned.n,
                                    .result = h->returned.bytes != NULL ? h->returned.bytes : ""};

    event.n_added = n_added;
    if (h->is_function) {
        event.n_calls = 1;
        event.calls = &call;
        results_put(m->o->results, h->task, call.result, call.n_result);
    }
    event_emit(m->o->sinks, &event);
    manager_note_ran(m, h->task);
    sched_release(m->sched, h->task, STATE_DONE);
    manager_note_over(m, h->task);
    m->n_failed_in_a_row = 0;
    if (m->o->graph->has_conditions)
        manager_tell_skipped(m);
}

static void end_failed(struct manager *m, struct ganger_hook *h)
{
    bool is_tried_again = h->has_run && !m->is_stopping && sched_has_retry(m->sched, h->task);
    struct event event = event_of(m, h, is_tried_again ? EVENT_TASK_RETRIED : EVENT_TASK_FAILED);

    event_emit(m->o->sinks, &event);
    manager_note_ran(m, h->task);
    sched_release(m->sched, h->task, is_tried_again ? STATE_READY : STATE_FAILED);
    if (is_tried_again)
        return;
    manager_note_over(m, h->task);
    manager_count_failure(m, h->task);
}

static void end_not_needed(struct manager *m, struct ganger_hook *h)
{
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_NOT_NEEDED, .time_s = manager_epoch_s(m),
                                            .task = h->task, .cause = TASK_NONE});
    sched_release(m->sched, h->task, STATE_NOT_NEEDED);
    manager_note_over(m, h->task);
    manager_tell_skipped(m);
}

/* The run ends, and it was not said to be done: the next one has it run again. */
static void end_cut_off(struct manager *m, struct ganger_hook *h)
{
    struct event event = event_of(m, h, EVENT_TASK_CANCELLED);

    if (!h->has_run)
        return; /* as if it had never been asked about */
    event_emit(m->o->sinks, &event);
    sched_release(m->sched, h->task, STATE_CANCELLED);
}

static uint32_t again_max(const struct manager *m)
{
    uint32_t n = m->hooks->table->again_max;

    if (n == 0)
        return HOOK_AGAIN_MAX;
    return n < HOOK_AGAIN_LIMIT ? n : HOOK_AGAIN_LIMIT;
}

static void run_again(struct manager *m, struct ganger_hook *h)
{
    uint32_t most = again_max(m);
    struct event event = event_of(m, h, EVENT_TASK_AGAIN);
    char why[100];

    if (m->is_stopping) {
        end_cut_off(m, h);
        return;
    }
    if (sched_n_repeats(m->sched, h->task) >= most) {
        snprintf(why, sizeof(why), "it was to run again after each of %u attempts, and may %u times (again_max)",
                 most + 1, most);
        refuse(h, why);
        end_failed(m, h);
        return;
    }
    keep_payload(m, h);
    event_emit(m->o->sinks, &event);
    if (h->has_run)
        sched_repeat(m->sched, h->task);
    else
        sched_release(m->sched, h->task, STATE_READY); /* it was not to run, and runs after all */
}

/* What it adds cannot be had: so it failed. */
static void end_for_what_it_adds(struct manager *m, struct ganger_hook *h, const char *why)
{
    struct task_result result = h->result;

    task_result_set_end(&result, h->adds.n > 0 ? TASK_REFUSED : TASK_RETURNED, /* the program, or its function */
                        ADDS_WRONGLY, why);
    hook_set_result(h, &result);
    end_failed(m, h);
}

/* The program says that the task is done, and so it adds what its function and the program wanted to. */
static void end_well(struct manager *m, struct ganger_hook *h)
{
    struct ganger_error why = {0};
    struct buffer all = BUFFER_EMPTY;
    struct addition addition = {h->task, h->worker, h->n_added + h->adds.n, {NULL, 0}};
    int status = 0;

    if (h->adds.is_refused) {
        end_for_what_it_adds(m, h, h->why != NULL ? h->why : "");
        return;
    }
    if (addition.n > 0) {
        buffer_put(&all, h->added.bytes, h->added.n);
        buffer_put(&all, h->adds.bytes.bytes, h->adds.bytes.n);
        addition.definitions = (struct text){all.bytes, (uint32_t)all.n};
        status = added_hear(m, &addition, &why);
    }
    if (status == 0)
        end_done(m, h, addition.n);
    else
        end_for_what_it_adds(m, h, why.text);
    buffer_release(&all);
}

static void settle(struct manager *m, struct ganger_hook *h)
{
    bool is_provided = h->answer == HOOK_GO_ON && !h->has_run;
    int answer = is_provided ? h->skip : h->answer;
    char why[80];

    if (answer == HOOK_GO_ON)
        answer = is_good(&h->result) ? HOOK_DONE : HOOK_FAILED;
    if (answer == HOOK_AGAIN && !is_provided) {
        run_again(m, h);
        return;
    }
    if (answer == HOOK_DONE) {
        end_well(m, h);
    } else if (answer == HOOK_NOT_NEEDED && !h->has_run) {
        end_not_needed(m, h);
    } else {
        snprintf(why, sizeof(why), "the hook %s answered %d, which means nothing there",
                 hook_name(is_provided ? HOOK_PROVIDE : HOOK_COLLECT), answer);
        refuse(h, answer == HOOK_FAILED ? h->why : why);
        end_failed(m, h);
    }
    if (sched_state(m->sched, h->task) > STATE_HELD)
        drop_payload(m, h->task);
}

/* It never runs, but is collected, by whoever wants to. */
static void skip(struct manager *m, struct ganger_hook *h)
{
    double now_s = manager_epoch_s(m);
    const struct task_result result = {.end = TASK_EXITED, .start_s = now_s, .end_s = now_s, .tail = ""};

    hook_set_result(h, &result);
    h->skip = h->answer;
    h->answer = HOOK_GO_ON;
    if (!hooks_collect(m)) {
        settle(m, h);
        hook_free(h);
        return;
    }
    h->kind = HOOK_COLLECT;
    post(m, h);
}

static void hear_provided(struct manager *m, struct ganger_hook *h)
{
    m->hooks->n_provides--;
    if (h->answer != HOOK_GO_ON) {
        skip(m, h);
        return;
    }
    keep_payload(m, h);
    sched_release(m->sched, h->task, STATE_READY);
    hook_free(h);
}

void hooks_hear(struct manager *m)
{
    struct ganger_hook *h;

    while ((h = hook_thread_take(m->hooks->thread)) != NULL) {
        m->hooks->since_s = clock_now_s();
        m->hooks->is_warned = false;
        if (h->kind == HOOK_PROVIDE) {
            hear_provided(m, h);
            continue;
        }
        m->hooks->n_others--;
        if (h->kind == HOOK_COLLECT)
            settle(m, h);
        hook_free(h);
    }
}

/* ---- time ---- */

/* At the end of the allocation tasks are killed when their grace is over; hooks cannot be. They get half of what is
 * left then, so that there is time for the journal, for node.teardown and for whoever asks for the next one. */
double hooks_until_s(const struct manager *m)
{
    return m->is_stopping && !isinf(m->end_s) ? m->end_s - m->margin_s / 2 : INFINITY;
}

bool hooks_are_awaited(const struct manager *m)
{
    double until_s;

    if (m->hooks == NULL || m->hooks->n_others == 0 || m->mode >= STOP_KILL)
        return false;
    until_s = hooks_until_s(m);
    return isinf(until_s) || clock_now_s() < until_s;
}

double hooks_deadline_s(const struct manager *m)
{
    if (m->hooks == NULL || m->hooks->is_warned || m->hooks->n_provides + m->hooks->n_others == 0)
        return INFINITY;
    return m->hooks->since_s + SLOW_S;
}

void hooks_check_time(struct manager *m)
{
    enum hook_kind kind;
    task_id task;

    if (clock_now_s() < hooks_deadline_s(m))
        return;
    if (!hook_thread_running(m->hooks->thread, &task, &kind)) { /* it has just returned, or not begun */
        m->hooks->since_s = clock_now_s();
        return;
    }
    m->hooks->is_warned = true;
    log_warning("the program's hook %s has not returned for %g s, about task \"%s\": %u more wait for it",
                hook_name(kind), SLOW_S, manager_task(m, task)->id, m->hooks->n_provides + m->hooks->n_others - 1);
}

/* ---- beginning and end ---- */

void hooks_open(struct manager *m)
{
    const struct hooks *table = m->o->hooks;
    struct manager_hooks *hooks;

    if (table == NULL || !hooks_are_any(table))
        return;
    hooks = m->hooks = xcalloc(1, sizeof(*hooks));
    hooks->table = table;
    hooks->asked = m->o;
    hooks->options = *m->o;
    hooks->sinks = *m->o->sinks;
    hooks->options.sinks = &hooks->sinks;
    m->o = &hooks->options;
    if (table->task_finished != NULL)
        event_add_sink(&hooks->sinks, hear_event, m);
    hooks->thread = hook_thread_open(table, m->err);
    if (hooks->thread == NULL) {
        hooks_close(m);
        manager_stop_for_error(m);
        return;
    }
    m->fds[FD_HOOKS].fd = hook_thread_fd(hooks->thread);
}

/* Attempts that ended, and of which nobody has said what they count as. That they ended is the last word of them. */
static uint32_t cut_off_held(struct manager *m)
{
    uint32_t n = 0;

    for (task_id t = 0; t < m->o->graph->n_tasks && sched_count(m->sched, STATE_HELD) > 0; t++) {
        if (sched_state(m->sched, t) != STATE_HELD || sched_attempt(m->sched, t) == 0)
            continue;
        sched_release(m->sched, t, STATE_CANCELLED);
        n++;
    }
    return n;
}

void hooks_close(struct manager *m)
{
    struct manager_hooks *hooks = m->hooks;
    enum hook_kind kind;
    task_id task;
    uint32_t n_cut;
    bool is_running;

    if (hooks == NULL)
        return;
    is_running = hooks->thread != NULL && hook_thread_running(hooks->thread, &task, &kind);
    n_cut = cut_off_held(m);
    if (!hook_thread_close(hooks->thread) && is_running)
        log_warning("the program's hook %s is left alone, which has not returned about task \"%s\"; %u task%s "
                    "whose end was not collected: `--resume` runs %s again",
                    hook_name(kind), manager_task(m, task)->id, n_cut, n_cut == 1 ? "" : "s",
                    n_cut == 1 ? "it" : "them");
    m->fds[FD_HOOKS].fd = -1;
    for (task_id t = 0; t < hooks->n_payloads; t++)
        free(hooks->payloads[t].bytes);
    free(hooks->payloads);
    m->o = hooks->asked;
    m->hooks = NULL;
    free(hooks);
}
