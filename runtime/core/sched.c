#include "core/sched.h"

#include "base/alloc.h"
#include "core/advance.h"
#include "core/batch.h"
#include "core/chain.h"
#include "core/estimate.h"
#include "core/match.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define LOST_MAX 3            /* how often a task may be tried again because its worker was lost */
#define ADVANCE_BELOW_S 0.005 /* tasks of a program count as short below this running mean */
#define BATCH_S 0.002         /* functions that take so long in all are sent behind each other … */
#define BATCH_MAX 512         /* … but no more than that, … */
#define BATCH_MAX_ALONE 2048  /* … or, on the only worker, than it does while the manager is waking up */
#define CHAIN_PARENTS_MAX 8   /* what waits for more is not looked at before it is ready: a look costs that much */

struct task_status
{
    uint32_t n_waiting; /* conditions that are not met */
    uint32_t worker;    /* that has it; before it is sent: where its last parent ran; 0: none */
    uint32_t attempt : 24;
    uint32_t n_lost : 3; /* workers, of its attempts: up to LOST_MAX + 1 */
    uint32_t is_join : 1;
    uint32_t state : 4;
};

/* `cause`: a task that failed, or one that ended well where that was not to happen. */
struct consequence
{
    task_id task;
    task_id cause;
};

struct consequences
{
    struct consequence *each;
    size_t n;
    size_t capacity;
};

struct sched
{
    const struct graph *graph;
    struct task_status *tasks;
    size_t tasks_capacity;
    uint32_t counts[N_TASK_STATES];
    struct estimate estimate;
    struct match match;
    struct advances advances;
    struct batches batches;
    struct chain chain;
    uint64_t no_room_at; /* the number of releases when nothing of a batch could begin elsewhere */
    struct consequences pending; /* tasks whose children must be told; empty between calls */
    struct consequences skipped; /* or not needed; those before n_skipped_told were told */
    size_t n_skipped_told;
    task_id *held; /* in place of becoming ready; those before n_held_told were told */
    size_t n_held;
    size_t held_capacity;
    size_t n_held_told;
    uint16_t *n_repeats; /* by task; NULL: no task was repeated */
    task_id unplaceable; /* what sched_find_unplaceable saw last: none that it looks for comes before */
    bool is_stopped;
    bool holds_ready;
};

/* The one place where a state changes. */
static void set_state(struct sched *s, task_id task, enum task_state state)
{
    static const uint16_t allowed_from[N_TASK_STATES] = {
        [STATE_BLOCKED] = 1 << STATE_SENT | 1 << STATE_RUNNING, /* chained, and returned or lost */
        [STATE_READY] = 1 << STATE_BLOCKED | 1 << STATE_HELD |
                        1 << STATE_SENT | 1 << STATE_RUNNING, /* returned; tried again; lost */
        [STATE_SENT] = 1 << STATE_READY | 1 << STATE_BLOCKED, /* chained */
        [STATE_RUNNING] = 1 << STATE_SENT,
        [STATE_HELD] = 1 << STATE_BLOCKED | 1 << STATE_SENT | 1 << STATE_RUNNING,
        [STATE_DONE] = 1 << STATE_SENT | 1 << STATE_RUNNING | 1 << STATE_HELD | 1 << STATE_BLOCKED, /* kept; a join */
        [STATE_FAILED] = 1 << STATE_SENT | 1 << STATE_RUNNING | 1 << STATE_HELD | 1 << STATE_READY, /* unplaceable */
        [STATE_SKIPPED] = 1 << STATE_BLOCKED,
        [STATE_NOT_NEEDED] = 1 << STATE_BLOCKED | 1 << STATE_HELD,
        [STATE_CANCELLED] = 1 << STATE_SENT | 1 << STATE_RUNNING | 1 << STATE_HELD,
    };
    struct task_status *status = &s->tasks[task];

    assert(allowed_from[state] & 1 << status->state);
    if (!status->is_join) {
        s->counts[status->state]--;
        s->counts[state]++;
    }
    status->state = (uint32_t)state & 15;
}

static struct worker *worker_of(struct sched *s, uint32_t worker)
{
    return &s->match.place.workers[worker];
}

static const struct task_policy *policy_of(const struct sched *s, task_id task)
{
    return &s->graph->policies[s->graph->tasks[task].policy];
}

static void push(struct consequences *list, task_id task, task_id cause)
{
    list->each = xgrow(list->each, list->n, &list->capacity, sizeof(*list->each));
    list->each[list->n++] = (struct consequence){task, cause};
}

static void become_ready(struct sched *s, task_id task)
{
    if (s->tasks[task].is_join) { /* it has nothing to run */
        set_state(s, task, STATE_DONE);
        push(&s->pending, task, task);
        return;
    }
    if (s->holds_ready && s->tasks[task].state == STATE_BLOCKED) {
        set_state(s, task, STATE_HELD);
        s->held = xgrow(s->held, s->n_held, &s->held_capacity, sizeof(*s->held));
        s->held[s->n_held++] = task;
        return;
    }
    set_state(s, task, STATE_READY);
    match_push(&s->match, task);
}

/* No worker has it any more, and it will run again: what was chained may still wait for others. */
static void come_back(struct sched *s, task_id task)
{
    if (s->tasks[task].n_waiting > 0)
        set_state(s, task, STATE_BLOCKED);
    else
        become_ready(s, task);
}

/* It has not begun. */
static void become_unsent(struct sched *s, task_id task)
{
    s->tasks[task].attempt--;
    s->tasks[task].worker = 0;
    come_back(s, task);
}

/* One of the things that it waits for has happened. */
static void meet_condition(struct sched *s, task_id child, uint32_t worker)
{
    struct task_status *status = &s->tasks[child];

    if (worker != 0)
        status->worker = worker;
    if (--status->n_waiting == 0)
        become_ready(s, child);
}

/* What it waits for can no longer happen. */
static void give_up_child(struct sched *s, task_id child, enum task_state state, task_id cause)
{
    set_state(s, child, state);
    s->tasks[child].worker = 0;
    push(&s->pending, child, cause);
    if (s->tasks[child].is_join)
        return;
    estimate_forget(&s->estimate, child);
    push(&s->skipped, child, cause);
}

/* What was sent in advance has what the task before it had. */
static void free_worker(struct sched *s, uint32_t worker)
{
    struct worker *w = worker_of(s, worker);
    task_id next = w->advance != TASK_NONE ? advances_remove(&s->advances, worker)
                                           : batches_take_first(&s->batches, worker);

    if (next == TASK_NONE) {
        match_end(&s->match, worker);
    } else {
        w->task = next;
        w->since_s = s->match.reserve.now_s;
    }
}

/* What the end of a parent in a state means for a child: STATE_READY, its condition is met; else what
 * becomes of the child. */
static enum task_state consequence_of(enum task_state parent, bool may_fail, enum graph_condition on)
{
    if (on == ON_ANY)
        return STATE_READY;
    switch (parent) {
    case STATE_DONE: return on == ON_OK ? STATE_READY : STATE_NOT_NEEDED;
    case STATE_FAILED: return on == ON_NOTOK || may_fail ? STATE_READY : STATE_SKIPPED;
    case STATE_SKIPPED: return on == ON_NOTOK ? STATE_READY : STATE_SKIPPED;
    default: return STATE_NOT_NEEDED;
    }
}

/* Its worker cannot begin it without what it waits for, and will give it back: it counts as given back now. */
static void pull_back(struct sched *s, task_id task)
{
    uint32_t worker = s->tasks[task].worker;

    if (!batches_remove(&s->batches, worker, task))
        free_worker(s, worker);
    become_unsent(s, task);
}

/* A parent of a chained task ended. True: the task is blocked, and is to be given up. */
static bool tell_chained(struct sched *s, task_id task, enum task_state means)
{
    if (means == STATE_READY)
        s->tasks[task].n_waiting--;
    else
        pull_back(s, task);
    return means != STATE_READY;
}

static void tell_child(struct sched *s, const struct consequence *ended, task_id child, enum graph_condition on)
{
    enum task_state state = (enum task_state)s->tasks[ended->task].state, means;

    means = consequence_of(state, state == STATE_FAILED && policy_of(s, ended->task)->may_fail, on);
    if (sched_is_chained(s, child) && !tell_chained(s, child, means))
        return;
    if (s->tasks[child].state != STATE_BLOCKED)
        return; /* given up for another parent, or kept */
    if (means == STATE_READY)
        meet_condition(s, child, s->tasks[ended->task].worker);
    else
        give_up_child(s, child, means, ended->cause);
}

static void tell_children(struct sched *s, struct consequence ended)
{
    const struct graph *g = s->graph;

    for (uint64_t i = g->child_first[ended.task]; i < g->child_first[ended.task + 1]; i++)
        tell_child(s, &ended, g->children[i], graph_condition_at(g, i));
    for (uint32_t l = graph_first_link(g, ended.task); l != LINK_NONE; l = graph_next_link(g, ended.task, l))
        tell_child(s, &ended, g->links[l].child, (enum graph_condition)g->links[l].condition);
}

/* Tells the children of all pending tasks, and theirs where joins or skipping pass it on. No recursion: a
 * chain may have a million links. */
static void settle(struct sched *s)
{
    while (s->pending.n > 0)
        tell_children(s, s->pending.each[--s->pending.n]);
}

/* It will not run again, and its children learn how it ended. */
static void end_task(struct sched *s, task_id task, enum task_state state)
{
    set_state(s, task, state);
    estimate_forget(&s->estimate, task);
    tell_children(s, (struct consequence){task, task});
    settle(s);
}

/* ---- before the run ---- */

struct sched *sched_new(const struct graph *g)
{
    struct sched *s = xcalloc(1, sizeof(*s));

    assert(g->is_sealed);
    s->graph = g;
    s->tasks = xcalloc(g->n_tasks, sizeof(*s->tasks));
    s->tasks_capacity = g->n_tasks;
    s->counts[STATE_BLOCKED] = g->n_tasks - g->n_joins;
    for (task_id t = 0; t < g->n_tasks; t++)
        s->tasks[t] = (struct task_status){.n_waiting = g->n_parents[t], .is_join = task_is_join(&g->tasks[t])};
    estimate_init(&s->estimate, g);
    match_init(&s->match, g, &s->estimate);
    advances_init(&s->advances, &s->match);
    return s;
}

void sched_free(struct sched *s)
{
    if (s == NULL)
        return;
    advances_release(&s->advances);
    batches_release(&s->batches);
    chain_release(&s->chain);
    match_release(&s->match);
    estimate_release(&s->estimate);
    free(s->pending.each);
    free(s->skipped.each);
    free(s->held);
    free(s->n_repeats);
    free(s->tasks);
    free(s);
}

void sched_keep(struct sched *s, task_id task)
{
    if (s->tasks[task].is_join)
        return; /* joins follow from their parents */
    set_state(s, task, STATE_DONE);
    estimate_forget(&s->estimate, task);
}

static void tell_children_of_kept(struct sched *s, task_id task)
{
    const struct graph *g = s->graph;

    for (uint64_t i = g->child_first[task]; i < g->child_first[task + 1]; i++) {
        task_id child = g->children[i];

        if (graph_condition_at(g, i) != ON_NOTOK)
            s->tasks[child].n_waiting--;
        else if (s->tasks[child].state == STATE_BLOCKED)
            give_up_child(s, child, STATE_NOT_NEEDED, task);
    }
}

void sched_begin(struct sched *s)
{
    for (task_id t = 0; t < s->graph->n_tasks; t++)
        if (s->tasks[t].state == STATE_DONE)
            tell_children_of_kept(s, t);
    settle(s);
    /* Only now, so that tasks become ready in the order in which they stand in the graph. Joins that get ready
     * here settle their children, which may come later in this very loop: the state tells that they are done with. */
    for (task_id t = 0; t < s->graph->n_tasks; t++) {
        if (s->tasks[t].state == STATE_BLOCKED && s->tasks[t].n_waiting == 0) {
            become_ready(s, t);
            settle(s);
        }
    }
}

void sched_hold_ready(struct sched *s)
{
    s->holds_ready = true;
}

bool sched_next_held(struct sched *s, task_id *task)
{
    if (s->n_held_told == s->n_held) {
        s->n_held = s->n_held_told = 0;
        return false;
    }
    *task = s->held[s->n_held_told++];
    return true;
}

/* ---- appending ---- */

/* Who failed, if that task was skipped; who ended well, if it was not needed; else that task. */
static task_id find_cause(const struct sched *s, task_id task)
{
    const struct graph *g = s->graph;

    for (;;) {
        uint32_t state = s->tasks[task].state, origin = state == STATE_SKIPPED ? STATE_FAILED : STATE_DONE;
        task_id same = TASK_NONE;

        if (state != STATE_SKIPPED && state != STATE_NOT_NEEDED)
            return task;
        for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++) {
            if (s->tasks[g->parents[i]].state == origin && !s->tasks[g->parents[i]].is_join)
                return g->parents[i];
            if (s->tasks[g->parents[i]].state == state)
                same = g->parents[i];
        }
        if (same == TASK_NONE)
            return task;
        task = same;
    }
}

/* What it waits for may have ended. Parents come before their children: no circle. */
static void meet_what_has_ended(struct sched *s, const struct graph_link *need)
{
    enum task_state state = (enum task_state)s->tasks[need->parent].state;
    bool has_ended = state >= STATE_DONE && state != STATE_CANCELLED;
    struct consequence ended = {need->parent, TASK_NONE};

    if (!has_ended)
        return;
    ended.cause = find_cause(s, need->parent);
    tell_child(s, &ended, need->child, (enum graph_condition)need->condition);
}

static void append_row(struct sched *s, task_id task)
{
    s->tasks = xgrow(s->tasks, task, &s->tasks_capacity, sizeof(*s->tasks));
    s->tasks[task] = (struct task_status){.n_waiting = s->graph->n_parents[task]};
    if (s->n_repeats == NULL)
        return;
    s->n_repeats = xrealloc(s->n_repeats, s->tasks_capacity * sizeof(*s->n_repeats));
    s->n_repeats[task] = 0;
}

void sched_append(struct sched *s, task_id task)
{
    const struct graph *g = s->graph;
    uint32_t first = g->n_links;

    assert(task + 1 == g->n_tasks);
    append_row(s, task);
    s->counts[STATE_BLOCKED]++;
    estimate_append(&s->estimate, task);
    match_append(&s->match);
    advances_append(&s->advances);
    if (g->n_parents[task] == 0)
        become_ready(s, task);
    while (first > 0 && g->links[first - 1].child == task)
        first--;
    for (uint32_t l = first; l < g->n_links && s->tasks[task].state == STATE_BLOCKED; l++)
        meet_what_has_ended(s, &g->links[l]);
    settle(s);
}

/* ---- nodes and workers ---- */

void sched_set_time(struct sched *s, double now_s)
{
    match_set_time(&s->match, now_s);
}

void sched_add_node(struct sched *s, uint32_t node, const struct sched_node *has)
{
    place_add_node(&s->match.place, node, has->memory_bytes, has->n_gpus);
}

void sched_set_end(struct sched *s, uint32_t node, double end_s)
{
    match_set_end(&s->match, node, end_s);
}

void sched_teach_run(struct sched *s, task_id task, double run_s)
{
    estimate_learn(&s->estimate, task, run_s); /* nothing is ready yet that could be sorted again */
}

void sched_teach_cut(struct sched *s, task_id task, double run_s)
{
    estimate_note_cut(&s->estimate, task, run_s);
}

bool sched_add_worker(struct sched *s, uint32_t worker, uint32_t node, uint16_t slot)
{
    if (place_has_slot(&s->match.place, node, slot))
        return false;
    match_add_worker(&s->match, worker, node, slot);
    return true;
}

/* It spends no retry, but workers that are lost again and again may be its doing. */
static void lose_task(struct sched *s, uint32_t worker)
{
    task_id task = worker_of(s, worker)->task;

    match_end(&s->match, worker);
    s->tasks[task].worker = 0;
    if (s->tasks[task].n_lost++ < LOST_MAX)
        come_back(s, task);
    else
        end_task(s, task, STATE_FAILED);
}

void sched_lose_worker(struct sched *s, uint32_t worker)
{
    task_id task;

    if (worker_of(s, worker)->advance != TASK_NONE)
        sched_return(s, worker);
    while ((task = batches_take_last(&s->batches, worker)) != TASK_NONE)
        become_unsent(s, task);
    if (worker_of(s, worker)->task != TASK_NONE)
        lose_task(s, worker);
    match_remove_worker(&s->match, worker);
    s->unplaceable = 0;
}

uint32_t sched_n_lost(const struct sched *s, task_id task)
{
    return s->tasks[task].n_lost;
}

task_id sched_find_unplaceable(struct sched *s)
{
    const struct graph *g = s->graph;

    if (s->match.n_misfits == 0)
        return TASK_NONE;
    for (; s->unplaceable < g->n_tasks; s->unplaceable++) {
        const struct task *t = &g->tasks[s->unplaceable];

        if (!task_is_join(t) && match_is_misfit(&s->match, t->resource_class) &&
            (s->tasks[s->unplaceable].state <= STATE_READY || s->tasks[s->unplaceable].state == STATE_HELD))
            return s->unplaceable;
    }
    return TASK_NONE;
}

bool sched_next_unplaceable(struct sched *s, task_id *task)
{
    *task = match_pop_misfit(&s->match);
    if (*task == TASK_NONE)
        return false;
    end_task(s, *task, STATE_FAILED);
    return true;
}

/* ---- starting ---- */

static bool is_call(const struct sched *s, task_id task)
{
    return task_is_call(&s->graph->tasks[task]);
}

/* With several workers another one might be idle when a child gets ready. */
static bool may_be_followed(const struct sched *s, task_id task)
{
    return s->match.place.n_workers == 1 && !s->graph->has_conditions && is_call(s, task) && !s->holds_ready &&
           !s->match.has_ends;
}

/* A task goes to a worker, which has what it asks for. */
static void become_sent(struct sched *s, task_id task, uint32_t worker)
{
    /* It may lie anywhere in memory; when it ends, this will have come. */
    __builtin_prefetch(&s->graph->tasks[task].cost_s);
    __builtin_prefetch(&s->graph->child_first[task]);
    set_state(s, task, STATE_SENT);
    s->tasks[task].worker = worker;
    s->tasks[task].attempt++;
    if (s->graph->child_first[task] < s->graph->child_first[task + 1] && may_be_followed(s, task))
        chain_add(&s->chain, task);
}

static struct placement placement_of(const struct sched *s, task_id task, uint32_t worker)
{
    const struct worker *w = &s->match.place.workers[worker];

    return (struct placement){.task = task,
                              .attempt = s->tasks[task].attempt,
                              .worker = worker,
                              .node = w->node,
                              .n_slots = w->n_slots,
                              .slots = place_slots_of(&s->match.place, worker),
                              .n_gpus = w->n_gpus,
                              .gpus = w->gpus};
}

static void send(struct sched *s, task_id task, uint32_t worker, struct placement *p)
{
    become_sent(s, task, worker);
    *p = placement_of(s, task, worker);
}

bool sched_next(struct sched *s, struct placement *p)
{
    task_id task;

    if (s->is_stopped || s->match.place.n_free_slots == 0)
        return false;
    while ((task = match_best(&s->match)) != TASK_NONE) {
        uint32_t worker;

        if (s->match.has_ends && match_put_off(&s->match))
            continue;
        worker = match_try(&s->match, s->tasks[task].worker);

        if (worker != 0) {
            if (s->match.behind != TASK_NONE) /* its turn will come before long */
                __builtin_prefetch(&s->tasks[s->match.behind]);
            send(s, task, worker, p);
            return true;
        }
    }
    return false;
}

bool sched_next_in_advance(struct sched *s, uint32_t worker, struct placement *p)
{
    const struct worker *w = worker_of(s, worker);
    task_id task;

    if (s->is_stopped || w->task == TASK_NONE || w->advance != TASK_NONE || is_call(s, w->task) ||
        !estimate_is_below(&s->estimate, w->task, ADVANCE_BELOW_S))
        return false;
    task = match_successor(&s->match, worker);
    if (task == TASK_NONE || is_call(s, task) || !estimate_is_below(&s->estimate, task, ADVANCE_BELOW_S))
        return false;
    match_take_successor(&s->match, task);
    advances_add(&s->advances, worker, task);
    send(s, task, worker, p);
    return true;
}

/* So many may wait behind a worker: what is worth a message, and leaves work for the others. */
static uint32_t batch_limit(const struct sched *s, task_id task, uint32_t max)
{
    double mean_s = estimate_recent_s(&s->estimate, task);
    uint32_t n_ready = s->counts[STATE_READY], n_workers = s->match.place.n_workers;
    uint32_t share = n_workers > 1 ? n_ready / (2 * n_workers + 1) + 1 : max; /* one alone shares with nobody */
    uint32_t limit = mean_s * max > BATCH_S ? (uint32_t)(BATCH_S / mean_s) : max;

    return limit < share ? limit : share;
}

/* The best ready task, if it may go behind what a worker does, and so many are there. */
static task_id next_behind(const struct sched *s, uint32_t worker, uint32_t n_there)
{
    uint32_t max = s->match.place.n_workers > 1 ? BATCH_MAX : BATCH_MAX_ALONE;
    task_id task = match_successor(&s->match, worker);

    if (task == TASK_NONE || !is_call(s, task) || !estimate_is_below(&s->estimate, task, BATCH_S) ||
        n_there >= batch_limit(s, task, max))
        return TASK_NONE;
    return task;
}

uint32_t sched_next_in_batch(struct sched *s, uint32_t worker, uint32_t max)
{
    task_id running = worker_of(s, worker)->task, task;
    uint32_t n_there = batches_count(&s->batches, worker), n = 0;

    if (s->is_stopped || running == TASK_NONE || !is_call(s, running) ||
        !estimate_is_below(&s->estimate, running, BATCH_S))
        return 0;
    while (n < max && (task = next_behind(s, worker, n_there + n)) != TASK_NONE) {
        match_take_successor(&s->match, task);
        batches_add(&s->batches, worker, task);
        become_sent(s, task, worker);
        n++;
    }
    return n;
}

struct placement sched_placement_in_batch(const struct sched *s, uint32_t worker, uint32_t i)
{
    return placement_of(s, batches_at(&s->batches, worker, i), worker);
}

bool sched_is_chained(const struct sched *s, task_id task)
{
    const struct task_status *status = &s->tasks[task];

    return status->n_waiting > 0 && (status->state == STATE_SENT || status->state == STATE_RUNNING);
}

static bool is_on(const struct sched *s, uint32_t worker, task_id task)
{
    const struct task_status *status = &s->tasks[task];

    return status->worker == worker && (status->state == STATE_SENT || status->state == STATE_RUNNING);
}

/* Is all that it waits for on this worker? */
static bool can_follow(const struct sched *s, task_id task, uint32_t worker)
{
    const struct graph *g = s->graph;
    uint32_t n_there = 0;

    if (s->tasks[task].state != STATE_BLOCKED || !is_call(s, task) ||
        g->parent_first[task + 1] - g->parent_first[task] > CHAIN_PARENTS_MAX)
        return false;
    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++)
        n_there += is_on(s, worker, g->parents[i]);
    return n_there == s->tasks[task].n_waiting && n_there > 0;
}

bool sched_next_chained(struct sched *s, uint32_t worker, struct placement *p)
{
    task_id running = worker_of(s, worker)->task, task;

    if (s->is_stopped || running == TASK_NONE || !may_be_followed(s, running) || s->counts[STATE_READY] > 0 ||
        s->batches.n_asked > 0 || !estimate_is_below(&s->estimate, running, BATCH_S))
        return false;
    while ((task = chain_child(&s->chain, s->graph)) != TASK_NONE) {
        if (batches_count(&s->batches, worker) >= batch_limit(s, task, BATCH_MAX))
            return false;
        chain_pass(&s->chain);
        if (!can_follow(s, task, worker) || !estimate_is_below(&s->estimate, task, BATCH_S) ||
            s->graph->tasks[task].resource_class != s->graph->tasks[running].resource_class)
            continue;
        batches_add(&s->batches, worker, task);
        send(s, task, worker, p);
        return true;
    }
    return false;
}

uint32_t sched_n_in_batch(const struct sched *s, uint32_t worker)
{
    return batches_count(&s->batches, worker);
}

task_id sched_in_batch(const struct sched *s, uint32_t worker, uint32_t i)
{
    return batches_at(&s->batches, worker, i);
}

bool sched_find_batch_recall(struct sched *s, uint32_t *worker, uint32_t *first, uint32_t *n)
{
    const struct place *place = &s->match.place;
    uint32_t n_asked;

    if (s->batches.n_workers == 0 || s->batches.n_asked > 0 || place->n_free_slots == 0 || s->counts[STATE_READY] > 0 ||
        s->no_room_at == place->n_releases + 1)
        return false;
    *worker = s->batches.workers[s->batches.n_workers - 1];
    n_asked = s->batches.of_worker[*worker].n_asked;
    if (!match_has_room(&s->match, s->graph->tasks[batches_at(&s->batches, *worker, 0)].resource_class)) {
        s->no_room_at = place->n_releases + 1;
        return false;
    }
    batches_ask_back(&s->batches, worker, n);
    *first = batches_count(&s->batches, *worker) - n_asked - *n;
    return true;
}

void sched_blame(struct sched *s, uint32_t worker, task_id task)
{
    struct worker *w = worker_of(s, worker);

    if (w->task == task || !batches_remove(&s->batches, worker, task))
        return;
    batches_add(&s->batches, worker, w->task);
    w->task = task;
}

bool sched_take_back(struct sched *s, uint32_t worker, task_id task)
{
    if (batches_remove(&s->batches, worker, task)) {
        become_unsent(s, task);
        return true;
    }
    if (sched_task_of(s, worker) != task || s->tasks[task].state != STATE_SENT)
        return false;
    free_worker(s, worker); /* it was the first of its batch when the worker gave it back */
    become_unsent(s, task);
    return true;
}

bool sched_find_recall(struct sched *s, uint32_t *worker, task_id *task)
{
    return advances_find_recall(&s->advances, worker, task);
}

void sched_return(struct sched *s, uint32_t worker)
{
    become_unsent(s, advances_remove(&s->advances, worker));
}

void sched_started(struct sched *s, task_id task)
{
    if (s->tasks[task].state == STATE_SENT)
        set_state(s, task, STATE_RUNNING);
}

void sched_stop(struct sched *s)
{
    s->is_stopped = true;
}

/* ---- ending ---- */

/* What it held is free, and what its run teaches is learned. */
static void leave_worker(struct sched *s, task_id task, double run_s)
{
    uint32_t worker = s->tasks[task].worker;

    assert(worker_of(s, worker)->task == task);
    free_worker(s, worker);
    if (!isnan(run_s) && estimate_learn(&s->estimate, task, run_s))
        match_sort_again(&s->match);
}

static void become(struct sched *s, task_id task, enum task_state state)
{
    if (state == STATE_DONE && s->match.n_put_off > 0 && estimate_is_news(&s->estimate, task))
        match_recall_put_off(&s->match);
    if (state == STATE_READY) {
        s->tasks[task].worker = 0; /* it may be the node's fault */
        come_back(s, task);
    } else if (state == STATE_CANCELLED) {
        set_state(s, task, state); /* the run ends: its children stay blocked, for the next run */
    } else {
        end_task(s, task, state);
    }
}

void sched_finish(struct sched *s, task_id task, enum task_state state, double run_s)
{
    assert(state != STATE_READY || sched_has_retry(s, task));
    leave_worker(s, task, state == STATE_DONE ? run_s : NAN);
    become(s, task, state);
}

void sched_hold(struct sched *s, task_id task, double run_s)
{
    leave_worker(s, task, run_s);
    set_state(s, task, STATE_HELD);
}

void sched_release(struct sched *s, task_id task, enum task_state state)
{
    assert(s->tasks[task].state == STATE_HELD);
    if (state == STATE_READY && s->tasks[task].attempt == 0) /* where its last parent ran is a good place */
        become_ready(s, task);
    else
        become(s, task, state);
}

void sched_repeat(struct sched *s, task_id task)
{
    if (s->n_repeats == NULL)
        s->n_repeats = xcalloc(s->tasks_capacity, sizeof(*s->n_repeats));
    s->n_repeats[task]++;
    sched_release(s, task, STATE_READY);
}

uint32_t sched_n_repeats(const struct sched *s, task_id task)
{
    return s->n_repeats != NULL ? s->n_repeats[task] : 0;
}

/* Each attempt spent a retry, or a worker, or was repeated, but for the one that was always granted. */
bool sched_has_retry(const struct sched *s, task_id task)
{
    return (int64_t)s->tasks[task].attempt - s->tasks[task].n_lost - sched_n_repeats(s, task) <=
           (int64_t)policy_of(s, task)->retries;
}

void sched_note_delay(struct sched *s, uint32_t worker, double delay_s, double run_s)
{
    place_note_delay(&s->match.place, worker, delay_s, run_s);
}

bool sched_next_skipped(struct sched *s, task_id *task, task_id *cause, bool *not_needed)
{
    const struct consequence *next;

    if (s->n_skipped_told == s->skipped.n) {
        s->skipped.n = s->n_skipped_told = 0;
        return false;
    }
    next = &s->skipped.each[s->n_skipped_told++];
    *task = next->task;
    *cause = next->cause;
    *not_needed = s->tasks[*task].state == STATE_NOT_NEEDED;
    return true;
}

bool sched_is_out_of_time(const struct sched *s)
{
    if (!s->match.has_ends || sched_is_over(s) || sched_n_in_flight(s) + s->counts[STATE_HELD] > 0)
        return false;
    return s->counts[STATE_READY] > 0 ? match_best(&s->match) == TASK_NONE : s->counts[STATE_CANCELLED] > 0;
}

/* ---- questions ---- */

uint32_t sched_n_in_flight(const struct sched *s)
{
    return s->counts[STATE_SENT] + s->counts[STATE_RUNNING];
}

bool sched_is_over(const struct sched *s)
{
    if (sched_n_in_flight(s) > 0)
        return false;
    return s->is_stopped || s->counts[STATE_READY] + s->counts[STATE_BLOCKED] + s->counts[STATE_HELD] == 0;
}

bool sched_is_stuck(const struct sched *s)
{
    return !sched_is_over(s) && sched_n_in_flight(s) + s->counts[STATE_HELD] + s->counts[STATE_READY] == 0 &&
           !sched_is_out_of_time(s);
}

enum task_state sched_state(const struct sched *s, task_id task)
{
    return (enum task_state)s->tasks[task].state;
}

uint32_t sched_attempt(const struct sched *s, task_id task)
{
    return s->tasks[task].attempt;
}

uint32_t sched_count(const struct sched *s, enum task_state state)
{
    return s->counts[state];
}

static const struct worker *known_worker(const struct sched *s, uint32_t worker)
{
    return worker < s->match.place.n_workers_known ? &s->match.place.workers[worker] : NULL;
}

task_id sched_task_of(const struct sched *s, uint32_t worker)
{
    const struct worker *w = known_worker(s, worker);

    return w != NULL ? w->task : TASK_NONE;
}

task_id sched_advance_of(const struct sched *s, uint32_t worker)
{
    const struct worker *w = known_worker(s, worker);

    return w != NULL ? w->advance : TASK_NONE;
}

const uint16_t *sched_slots_of(const struct sched *s, uint32_t worker)
{
    return place_slots_of(&s->match.place, worker);
}

uint32_t sched_n_slots_of(const struct sched *s, uint32_t worker)
{
    return s->match.place.workers[worker].n_slots;
}

const uint16_t *sched_gpus_of(const struct sched *s, uint32_t worker)
{
    return s->match.place.workers[worker].gpus;
}

uint32_t sched_n_gpus_of(const struct sched *s, uint32_t worker)
{
    return s->match.place.workers[worker].n_gpus;
}

bool sched_holds_one_slot(const struct sched *s, uint32_t worker)
{
    const struct worker *w = &s->match.place.workers[worker];

    return w->n_slots == 1 && w->n_gpus == 0;
}

uint32_t sched_n_free_slots(const struct sched *s)
{
    return s->match.place.n_free_slots;
}

double sched_expected_s(const struct sched *s, task_id task)
{
    return estimate_run_s(&s->estimate, task);
}
