#include "manager_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "core/call.h"

#include <stdlib.h>
#include <string.h>

#define SPIN_S 0.00003     /* so long an answer is waited for awake: longer than it takes where each has its core */
#define BRISK_S 0.0001     /* functions that take less are answered for at once */
#define MESSAGE_BYTES 3600 /* of a CALL, after which another one begins: what travels in one piece */

/* What is to be sent to one worker. */
struct outbox
{
    struct buffer message; /* a CALL; empty: nothing */
    bool is_listed;
};

struct manager_calls
{
    uint16_t *numbers; /* in the registry, by function of the graph */
    uint32_t n_numbers;
    struct outbox *outboxes; /* by worker */
    uint32_t *posted;  /* workers whose outbox is not empty */
    uint32_t n_posted;
    struct event_call *ended; /* of one message: those that went well */
    uint32_t n_ended;
    size_t ended_capacity;
    uint32_t n_near; /* ranks of our node, we among them */
    bool is_brisk; /* functions end within moments: it is worth waiting for them awake */
    const char *missing; /* a function of the graph that nobody has; NULL: none */
};

void calls_note_functions(struct manager *m)
{
    struct manager_calls *c = m->calls;
    const struct graph *g = m->o->graph;

    if (c->n_numbers == g->n_functions)
        return;
    c->numbers = xrealloc(c->numbers, g->n_functions * sizeof(*c->numbers));
    for (uint32_t i = c->n_numbers; i < g->n_functions; i++) { /* the first is none, a command */
        c->numbers[i] = i > 0 ? registry_find(m->o->registry, g->functions[i]) : REGISTRY_NONE;
        if (i > 0 && c->numbers[i] == REGISTRY_NONE && c->missing == NULL)
            c->missing = g->functions[i];
    }
    c->n_numbers = g->n_functions;
}

void calls_open(struct manager *m)
{
    const struct graph *g = m->o->graph;
    struct manager_calls *c;

    if (!graph_has_functions(g))
        return;
    c = m->calls = xcalloc(1, sizeof(*c));
    calls_note_functions(m);
    for (uint32_t rank = 0; rank < m->comm->size; rank++)
        c->n_near += comm_is_near(m->comm, rank);
    c->outboxes = xcalloc(m->comm->size, sizeof(*c->outboxes));
    c->posted = xcalloc(m->comm->size, sizeof(*c->posted));
    if (c->missing != NULL) {
        error_set(m->err, ERROR_USAGE, "the workflow asks for the function \"%s\", which this program does not have; "
                                       "run it with the program that has it, or name a shared object by --plugin",
                  c->missing);
        manager_stop_for_error(m);
    }
}

void calls_close(struct manager *m)
{
    struct manager_calls *c = m->calls;

    if (c == NULL)
        return;
    for (uint32_t i = 0; i < m->comm->size; i++)
        buffer_release(&c->outboxes[i].message);
    free(c->numbers);
    free(c->outboxes);
    free(c->posted);
    free(c->ended);
    free(c);
}

/* ---- sending ---- */

static void post(struct manager *m, uint32_t worker)
{
    struct buffer *b = &m->calls->outboxes[worker].message;

    if (b->n > 0 && comm_send(m->comm, worker, b->bytes, b->n, m->err) < 0)
        manager_stop_for_error(m);
    b->n = 0;
}

bool calls_are_awaited(struct manager *m)
{
    bool are_awaited = m->calls != NULL && m->calls->is_brisk && sched_n_in_flight(m->sched) > 0 &&
                       m->calls->n_near <= m->nodes[0].n_slots; /* else we would keep others from their core */

    m->comm->spin_s = are_awaited ? SPIN_S : 0;
    return are_awaited;
}

void calls_post(struct manager *m)
{
    for (uint32_t i = 0; m->calls != NULL && i < m->calls->n_posted; i++) {
        m->calls->outboxes[m->calls->posted[i]].is_listed = false;
        post(m, m->calls->posted[i]);
    }
    if (m->calls != NULL)
        m->calls->n_posted = 0;
}

/* Where a task's dependencies' results go. */
struct inputs
{
    struct manager *manager;
    struct buffer *message;
};

/* Of a chained task's, those that have not ended will be known where it runs. */
static void add_result(void *data, task_id parent, const struct result *result)
{
    const struct inputs *inputs = data;
    enum task_state state = sched_state(inputs->manager->sched, parent);
    struct recall own = {parent, sched_attempt(inputs->manager->sched, parent)};

    if (state == STATE_SENT || state == STATE_RUNNING)
        message_add_own_result(inputs->message, &own);
    else
        message_add_result(inputs->message, result != NULL ? result->bytes : NULL, result != NULL ? result->n : 0);
}

/* A worker that died under it may have died of it. */
static bool is_isolated(const struct manager *m, task_id task, uint16_t number)
{
    return (m->o->graph->tasks[task].flags & TASK_ISOLATE) != 0 || m->o->registry->functions[number].is_isolated ||
           sched_n_lost(m->sched, task) > 0;
}

bool calls_may_keep(const struct manager *m)
{
    return m->calls != NULL && m->o->reuse != NULL;
}

bool calls_keep(struct manager *m, task_id task)
{
    const struct event event = {.kind = EVENT_TASK_UNCHANGED, .time_s = manager_epoch_s(m), .task = task};

    if (!calls_may_keep(m) || task >= m->n_first_tasks || !task_is_call(manager_task(m, task)))
        return false;
    if (reuse_expected(m->o->reuse, task) == FINGERPRINT_NONE) {
        results_forget(m->o->results, task); /* what it returned then */
        return false;
    }
    event_emit(m->o->sinks, &event);
    sched_release(m->sched, task, STATE_DONE);
    manager_note_over(m, task);
    if (m->o->graph->has_conditions)
        manager_tell_skipped(m);
    return true;
}

void calls_send(struct manager *m, const struct placement *p)
{
    struct manager_calls *c = m->calls;
    struct outbox *outbox = &c->outboxes[p->worker];
    const struct graph *g = m->o->graph;
    const struct task *t = &g->tasks[p->task];
    uint16_t number = c->numbers[t->function];
    bool has_parents = g->parent_first[p->task] < g->parent_first[p->task + 1];
    struct call_order order = {
        .task = p->task,
        .attempt = p->attempt,
        .function = number,
        .slot = p->slots[0],
        .is_isolated = is_isolated(m, p->task, number),
        .is_awaited = graph_has_children(g, p->task),
        .timeout_s = g->policies[t->policy].timeout_s,
        .id = {t->id, (uint32_t)task_n_id_bytes(t)},
        .payload = {t->argv, t->n_argv_bytes},
        .n_results = has_parents ? results_count_dependencies(g, p->task) : 0,
    };
    size_t start;

    if (order.is_isolated)
        order.memory_bytes = g->resources[t->resource_class].memory_bytes;
    if (m->hooks != NULL) {
        hooks_replace_payload(m, p->task, &order.payload);
        hooks_tell_sent(m, p);
    }
    if (outbox->message.n >= MESSAGE_BYTES)
        post(m, p->worker);
    if (outbox->message.n == 0)
        message_begin(&outbox->message, MESSAGE_CALL, m->o->epoch, p->worker);
    if (!outbox->is_listed)
        c->posted[c->n_posted++] = p->worker;
    outbox->is_listed = true;
    start = message_begin_call(&outbox->message, &order);
    if (order.n_results > 0)
        results_visit(m->o->results, p->task, add_result, &(struct inputs){m, &outbox->message});
    if (p->n_slots > 1 || p->n_gpus > 0)
        message_add_place(&outbox->message, manager_pack_slots(m, p), manager_pack_gpus(m, p));
    message_end_call(&outbox->message, start);
}

/* Asks for the tasks from the first on of what waits behind a worker. */
static void recall(struct manager *m, uint32_t worker, uint32_t first, uint32_t n)
{
    message_begin(&m->message, MESSAGE_RECALL, m->o->epoch, worker);
    while (n-- > 0) { /* the last comes last, so that it comes back first */
        task_id task = sched_in_batch(m->sched, worker, first + n);
        struct recall one = {task, sched_attempt(m->sched, task)};

        message_add_recall(&m->message, &one);
    }
    comm_send(m->comm, worker, m->message.bytes, m->message.n, NULL); /* whoever is gone need not hear it */
}

void calls_recall_some(struct manager *m)
{
    uint32_t worker, first, n;

    if (sched_find_batch_recall(m->sched, &worker, &first, &n))
        recall(m, worker, first, n);
}

void calls_recall_from(struct manager *m, uint32_t worker)
{
    if (sched_n_in_batch(m->sched, worker) > 0)
        recall(m, worker, 0, sched_n_in_batch(m->sched, worker));
}

/* ---- hearing ---- */

/* All that went well of one message. */
static void tell_ended(struct manager *m, uint32_t worker)
{
    struct manager_calls *c = m->calls;

    if (c->n_ended == 0)
        return;
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_CALLS_DONE,
                                            .time_s = manager_epoch_s(m),
                                            .worker = worker,
                                            .node = m->peers[worker].node,
                                            .n_slots = 1,
                                            .slots = &m->peers[worker].slot,
                                            .n_calls = c->n_ended,
                                            .calls = c->ended});
    holes_note_done(m, m->peers[worker].node, c->n_ended);
    c->n_ended = 0;
    m->n_failed_in_a_row = 0;
}

static void note_done(struct manager *m, const struct call_report *r)
{
    struct manager_calls *c = m->calls;
    double run_s = r->result.end_s - r->result.start_s;

    c->ended = xgrow(c->ended, c->n_ended, &c->ended_capacity, sizeof(*c->ended));
    c->ended[c->n_ended++] = (struct event_call){.task = r->task,
                                                 .attempt = r->attempt,
                                                 .n_result = r->bytes.n,
                                                 .result = r->bytes.bytes,
                                                 .n_added = r->n_added,
                                                 .start_s = r->result.start_s,
                                                 .run_s = run_s};
    if (m->o->results != NULL) {
        results_put(m->o->results, r->task, r->bytes.bytes, r->bytes.n);
        results_note_end(m->o->results, r->task);
    }
    manager_note_ran(m, r->task);
    sched_finish(m->sched, r->task, STATE_DONE, run_s);
}

/* A function that holds more than one core, or a GPU, is told of by itself, with all of them; so is what the program is
 * asked about. */
static bool can_be_told_with_others(const struct manager *m, uint32_t worker, const struct call_report *r)
{
    return r->result.end == TASK_EXITED && r->result.output_bytes == 0 && sched_holds_one_slot(m->sched, worker) &&
           !hooks_collect(m);
}

void calls_tell_sent(struct manager *m, uint32_t worker, task_id task)
{
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_SENT,
                                            .time_s = manager_epoch_s(m),
                                            .task = task,
                                            .attempt = sched_attempt(m->sched, task),
                                            .worker = worker,
                                            .node = m->peers[worker].node,
                                            .n_slots = sched_n_slots_of(m->sched, worker),
                                            .slots = sched_slots_of(m->sched, worker),
                                            .n_gpus = sched_n_gpus_of(m->sched, worker),
                                            .gpus = sched_gpus_of(m->sched, worker)});
}

/* The others are told of like commands: now that they have ended it is said that they were sent. */
static void note_other_end(struct manager *m, uint32_t worker, const struct call_report *r)
{
    struct done done = {r->task, r->attempt, r->result, TASK_NONE};

    tell_ended(m, worker);
    calls_tell_sent(m, worker, r->task);
    manager_note_end(m, worker, &done, r);
}

/* If what it adds cannot be had, it failed. `why` must live as long as the report. Where the program is asked what an
 * end counts as, nothing is added before it has answered. */
static void hear_added(struct manager *m, uint32_t worker, struct call_report *r, struct ganger_error *why)
{
    const struct addition addition = {r->task, worker, r->n_added, r->added};

    if (r->n_added == 0 || hooks_want(m, &r->result))
        return;
    *why = (struct ganger_error){0};
    if (added_hear(m, &addition, why) == 0)
        return;
    r->has_bytes = false;
    task_result_set_end(&r->result, TASK_RETURNED, ADDS_WRONGLY, why->text);
}

void calls_hear(struct manager *m, uint32_t worker, uint32_t n_records, struct cursor *c)
{
    struct call_report r = {.task = TASK_NONE};
    struct ganger_error why;

    for (uint32_t i = 0; i < n_records && message_next_called(c, &r, m->err) == 0; i++) {
        if (m->calls == NULL || !manager_is_current(m, worker, r.task, r.attempt))
            continue; /* stale */
        hear_added(m, worker, &r, &why);
        if (can_be_told_with_others(m, worker, &r))
            note_done(m, &r);
        else
            note_other_end(m, worker, &r);
    }
    if (m->calls == NULL)
        return;
    tell_ended(m, worker);
    losses_retire(m, worker);
    m->calls->is_brisk = n_records > 0 && r.result.end_s - r.result.start_s < BRISK_S;
    if (m->o->graph->has_conditions)
        manager_tell_skipped(m);
    manager_be_fed(m, worker);
}
