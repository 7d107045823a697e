#include "core/sched.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NO_NODE UINT32_MAX
#define LOST_MAX 3 /* how often a task may be tried again after its worker was lost */
#define ADVANCE_BELOW_S 0.005 /* tasks of a program count as short below this mean */
#define RECENT_WEIGHT 0.05    /* of the last task in that running mean */

/* When a core counts as used by others, by the share of time that tasks waited for it. */
#define DELAY_MATTERS 0.25f /* from here on another core is looked for … */
#define DELAY_BETTER 0.75f  /* … which must have at most this part of the share */
#define DELAY_KEPT 0.9375f  /* of what is known of a worker, with each of its tasks … */
#define DELAY_FADES 64.0f   /* … and half of it with so many tasks of others */

struct task_status
{
    uint32_t n_waiting; /* parents that are not done */
    uint32_t worker;    /* that has it; before it is sent: where its last parent ran; 0: none */
    float b_level_s;
    uint16_t attempt;
    uint8_t n_lost;
    uint8_t state;
};

/* How long the tasks of a program take. */
struct program_times
{
    uint32_t n_done;
    uint32_t n_cores_left; /* of its tasks that have not ended and whose cost is not stated */
    double sum_s;
    double recent_s; /* running mean */
};

struct ready
{
    int32_t priority;
    float b_level_s;
    uint32_t order; /* in which it became ready */
    task_id task;
};

/* The ready tasks that ask for the same. A binary heap, best first. */
struct ready_queue
{
    struct ready *heap;
    size_t n;
    size_t capacity;
    uint64_t fits_nowhere_since; /* the number of releases at which it was tried in vain */
    uint32_t *advances; /* workers with a task of this class in advance that was not recalled */
    size_t n_advances;
    size_t advances_capacity;
};

/* Nodes with the same number of free slots form a list, so that best fit looks at few. */
struct node
{
    uint32_t n_slots;
    uint32_t n_free;
    uint64_t memory_bytes; /* 0: unknown */
    uint64_t free_memory_bytes;
    uint32_t *worker_of_slot; /* 0: the slot has no worker yet */
    bool *is_free;
    size_t slots_capacity;
    size_t free_capacity;
    uint32_t previous, next; /* in the list of its n_free */
};

struct worker_status
{
    uint32_t node; /* NO_NODE: not there yet */
    uint16_t slot;
    task_id task;
    uint32_t n_slots; /* that its task holds */
    uint16_t first_slot;
    uint16_t *slots; /* all of them, when there is more than one */
    task_id advance; /* sent in advance: gets the slots next */
    float delay_s;     /* fading sums over its tasks: time waited for its core, … */
    float run_s;       /* … of that time in all */
    uint64_t noted_at; /* the number of releases then */
    size_t advance_at; /* place in its queue's advances; meaningless once it is recalled */
    bool is_recalled;
};

/* `cause`: a task that failed, or one that ended well where that was not to happen. */
struct consequence
{
    task_id task;
    task_id cause;
};

struct sched
{
    const struct graph *graph;
    struct task_status *tasks;
    uint32_t counts[N_TASK_STATES];
    uint32_t n_became_ready;
    struct ready_queue *queues; /* one for each resource class */

    struct node *nodes;
    size_t n_nodes;
    size_t nodes_capacity;
    uint32_t *nodes_by_free; /* first node with that many free slots */
    size_t n_free_lists;
    size_t free_lists_capacity;
    struct worker_status *workers; /* by worker id */
    size_t n_workers;              /* one past the highest id */
    uint32_t n_free_slots;
    uint64_t n_releases; /* counts everything that can make room */

    struct consequence *skipped;
    size_t n_skipped;
    size_t n_skipped_told;
    size_t skipped_capacity;

    uint32_t n_advances; /* in all queues */
    uint32_t n_recalled; /* on their way back, each for a free slot */

    struct consequence *pending; /* work list of tasks whose children must be told; empty between calls */
    size_t n_pending;
    size_t pending_capacity;
    struct program_times *programs;
    double cost_left_s; /* core-seconds of tasks that have not ended and whose cost is stated */
    double now_s;
    bool is_stopped;
};

/* The one place where a state changes. */
static void set_state(struct sched *s, task_id task, enum task_state state)
{
    static const uint16_t allowed_from[N_TASK_STATES] = {
        [STATE_BLOCKED] = 0,
        [STATE_READY] = 1 << STATE_BLOCKED | 1 << STATE_SENT | 1 << STATE_RUNNING, /* returned; tried again; lost */
        [STATE_SENT] = 1 << STATE_READY,
        [STATE_RUNNING] = 1 << STATE_SENT,
        [STATE_DONE] = 1 << STATE_SENT | 1 << STATE_RUNNING | 1 << STATE_BLOCKED, /* kept; a join */
        [STATE_FAILED] = 1 << STATE_SENT | 1 << STATE_RUNNING | 1 << STATE_READY, /* unplaceable */
        [STATE_SKIPPED] = 1 << STATE_BLOCKED,
        [STATE_NOT_NEEDED] = 1 << STATE_BLOCKED,
        [STATE_CANCELLED] = 1 << STATE_SENT | 1 << STATE_RUNNING,
    };
    struct task_status *status = &s->tasks[task];

    assert(allowed_from[state] & 1 << status->state);
    if (!task_is_join(&s->graph->tasks[task])) {
        s->counts[status->state]--;
        s->counts[state]++;
    }
    status->state = (uint8_t)state;
}

/* ---- ready tasks ---- */

static bool is_before(const struct ready *a, const struct ready *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->b_level_s != b->b_level_s)
        return a->b_level_s > b->b_level_s;
    return a->order < b->order;
}

static void queue_push(struct ready_queue *q, struct ready item)
{
    size_t i = q->n;

    q->heap = xgrow(q->heap, q->n, &q->capacity, sizeof(*q->heap));
    q->n++;
    while (i > 0 && is_before(&item, &q->heap[(i - 1) / 2])) {
        q->heap[i] = q->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    q->heap[i] = item;
}

static void queue_pop(struct ready_queue *q)
{
    struct ready last = q->heap[--q->n];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= q->n)
            break;
        if (child + 1 < q->n && is_before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!is_before(&q->heap[child], &last))
            break;
        q->heap[i] = q->heap[child];
        i = child;
    }
    if (q->n > 0)
        q->heap[i] = last;
}

/* The queue whose head is best among those worth trying, or NULL. */
static struct ready_queue *best_queue(struct sched *s)
{
    struct ready_queue *best = NULL;

    for (uint32_t c = 0; c < s->graph->n_resources; c++) {
        struct ready_queue *q = &s->queues[c];

        if (q->n == 0 || q->fits_nowhere_since == s->n_releases)
            continue;
        if (best == NULL || is_before(&q->heap[0], &best->heap[0]))
            best = q;
    }
    return best;
}

/* ---- tasks and their children ---- */

static const struct task_policy *policy_of(const struct sched *s, task_id task)
{
    return &s->graph->policies[s->graph->tasks[task].policy];
}

static void push_consequence(struct consequence **list, size_t *n, size_t *capacity, struct consequence item)
{
    *list = xgrow(*list, *n, capacity, sizeof(**list));
    (*list)[(*n)++] = item;
}

/* The children of a task are to be told how it ended. */
static void push_pending(struct sched *s, task_id task, task_id cause)
{
    push_consequence(&s->pending, &s->n_pending, &s->pending_capacity, (struct consequence){task, cause});
}

static void push_ready(struct sched *s, task_id task)
{
    queue_push(&s->queues[s->graph->tasks[task].resource_class],
               (struct ready){policy_of(s, task)->priority, s->tasks[task].b_level_s, s->n_became_ready++, task});
}

static void become_ready(struct sched *s, task_id task)
{
    if (task_is_join(&s->graph->tasks[task])) { /* it has nothing to run */
        set_state(s, task, STATE_DONE);
        push_pending(s, task, task);
        return;
    }
    set_state(s, task, STATE_READY);
    push_ready(s, task);
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

static void forget_work(struct sched *s, task_id task);

/* What it waits for can no longer happen. */
static void give_up_child(struct sched *s, task_id child, enum task_state state, task_id cause)
{
    set_state(s, child, state);
    s->tasks[child].worker = 0;
    push_pending(s, child, cause);
    if (task_is_join(&s->graph->tasks[child]))
        return;
    forget_work(s, child);
    push_consequence(&s->skipped, &s->n_skipped, &s->skipped_capacity, (struct consequence){child, cause});
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

static void tell_children(struct sched *s, struct consequence ended)
{
    const struct graph *g = s->graph;
    enum task_state state = (enum task_state)s->tasks[ended.task].state;
    bool may_fail = policy_of(s, ended.task)->may_fail;

    for (uint64_t i = g->child_first[ended.task]; i < g->child_first[ended.task + 1]; i++) {
        task_id child = g->children[i];
        enum task_state means = consequence_of(state, may_fail, graph_condition_at(g, i));

        if (s->tasks[child].state != STATE_BLOCKED)
            continue; /* given up for another parent, or kept */
        if (means == STATE_READY)
            meet_condition(s, child, s->tasks[ended.task].worker);
        else
            give_up_child(s, child, means, ended.cause);
    }
}

/* Tells the children of all pending tasks, and theirs where joins or skipping pass it on. No recursion: a
 * chain may have a million links. */
static void settle(struct sched *s)
{
    while (s->n_pending > 0)
        tell_children(s, s->pending[--s->n_pending]);
}

/* ---- what is learned ---- */

static void forget_work(struct sched *s, task_id task)
{
    const struct task *t = &s->graph->tasks[task];
    uint32_t cores = s->graph->resources[t->resource_class].cores;

    if (t->cost_s > 0)
        s->cost_left_s -= (double)t->cost_s * cores;
    else
        s->programs[t->program].n_cores_left -= cores;
}

static void learn(struct sched *s, task_id task, double run_s)
{
    struct program_times *p = &s->programs[s->graph->tasks[task].program];

    p->recent_s = p->n_done == 0 ? run_s : p->recent_s + RECENT_WEIGHT * (run_s - p->recent_s);
    p->sum_s += run_s;
    p->n_done++;
}

static bool is_short(const struct sched *s, task_id task)
{
    const struct program_times *p = &s->programs[s->graph->tasks[task].program];

    return p->n_done > 0 && p->recent_s < ADVANCE_BELOW_S;
}

/* ---- nodes ---- */

static void free_list_remove(struct sched *s, uint32_t node)
{
    struct node *n = &s->nodes[node];

    if (n->previous != NO_NODE)
        s->nodes[n->previous].next = n->next;
    else
        s->nodes_by_free[n->n_free] = n->next;
    if (n->next != NO_NODE)
        s->nodes[n->next].previous = n->previous;
}

static void free_list_add(struct sched *s, uint32_t node)
{
    struct node *n = &s->nodes[node];

    while (s->n_free_lists <= n->n_free) {
        s->nodes_by_free = xgrow(s->nodes_by_free, s->n_free_lists, &s->free_lists_capacity,
                                 sizeof(*s->nodes_by_free));
        s->nodes_by_free[s->n_free_lists++] = NO_NODE;
    }
    n->previous = NO_NODE;
    n->next = s->nodes_by_free[n->n_free];
    if (n->next != NO_NODE)
        s->nodes[n->next].previous = node;
    s->nodes_by_free[n->n_free] = node;
}

static bool has_memory(const struct node *n, uint64_t wanted_bytes)
{
    return n->memory_bytes == 0 || wanted_bytes <= n->free_memory_bytes;
}

static bool node_has_room(const struct node *n, const struct task_resources *r)
{
    return n->n_free >= r->cores && has_memory(n, r->memory_bytes);
}

/* Best fit: the node with the fewest free slots that has room; `near` first. */
static uint32_t choose_node(const struct sched *s, const struct task_resources *r, uint32_t near)
{
    if (near != NO_NODE && node_has_room(&s->nodes[near], r))
        return near;
    for (size_t n_free = r->cores; n_free < s->n_free_lists; n_free++) {
        for (uint32_t n = s->nodes_by_free[n_free]; n != NO_NODE; n = s->nodes[n].next) {
            if (has_memory(&s->nodes[n], r->memory_bytes))
                return n;
        }
    }
    return NO_NODE;
}

static bool slot_is_free(const struct node *n, uint32_t slot)
{
    return slot < n->n_slots && n->is_free[slot];
}

/* The first slot of the shortest run of free slots that is long enough, so that long runs are kept
 * for wide tasks; n_slots when there is none. */
static uint32_t find_run(const struct node *n, uint32_t n_wanted)
{
    uint32_t best = n->n_slots, best_length = UINT32_MAX;

    for (uint32_t i = 0; i < n->n_slots;) {
        uint32_t first = i;

        while (i < n->n_slots && n->is_free[i])
            i++;
        if (i - first >= n_wanted && i - first < best_length) {
            best = first;
            best_length = i - first;
        }
        while (i < n->n_slots && !n->is_free[i])
            i++;
    }
    return best;
}

/* Fills w->slots with `n_wanted` free slots of the node: adjacent ones if there are, else the lowest. */
static void choose_slots(const struct node *n, struct worker_status *w, uint32_t n_wanted)
{
    uint32_t slot = find_run(n, n_wanted);

    if (slot == n->n_slots)
        slot = 0;
    for (uint32_t i = 0; i < n_wanted; slot++) {
        if (n->is_free[slot])
            w->slots[i++] = (uint16_t)slot;
    }
}

static uint16_t lowest_free_slot(const struct node *n)
{
    uint16_t slot = 0;

    while (!n->is_free[slot])
        slot++;
    return slot;
}

/* What is left of what was known, after so many tasks of others: without a clock a calm core is tried
 * again. */
static float faded(const struct sched *s, const struct worker_status *w)
{
    return exp2f(-(float)(s->n_releases - w->noted_at) / DELAY_FADES);
}

static float delay_share(const struct sched *s, uint32_t worker)
{
    const struct worker_status *w = &s->workers[worker];

    return w->delay_s > 0 ? w->delay_s / w->run_s * faded(s, w) : 0;
}

/* `slot`, or a free one of the node whose core is used less by others. */
static uint16_t find_calmer_slot(const struct sched *s, const struct node *n, uint16_t slot)
{
    float least = delay_share(s, n->worker_of_slot[slot]);
    uint16_t best = slot;

    if (least < DELAY_MATTERS)
        return slot;
    least *= DELAY_BETTER;
    for (uint32_t i = 0; i < n->n_slots; i++) {
        float share = n->is_free[i] ? delay_share(s, n->worker_of_slot[i]) : 1;

        if (share < least) {
            least = share;
            best = (uint16_t)i;
        }
    }
    return best;
}

static void take_amounts(struct sched *s, uint32_t node, const struct worker_status *w,
                         const struct task_resources *r)
{
    struct node *n = &s->nodes[node];

    free_list_remove(s, node);
    n->n_free -= w->n_slots;
    n->free_memory_bytes -= n->memory_bytes ? r->memory_bytes : 0;
    free_list_add(s, node);
    s->n_free_slots -= w->n_slots;
    for (uint32_t i = 0; i < w->n_slots; i++)
        n->is_free[w->n_slots == 1 ? w->first_slot : w->slots[i]] = false;
}

static void give_amounts(struct sched *s, struct worker_status *w)
{
    const struct task_resources *r = &s->graph->resources[s->graph->tasks[w->task].resource_class];
    struct node *n = &s->nodes[w->node];

    free_list_remove(s, w->node);
    for (uint32_t i = 0; i < w->n_slots; i++) {
        uint16_t slot = w->n_slots == 1 ? w->first_slot : w->slots[i];
        bool is_there = n->worker_of_slot[slot] != 0; /* else its worker was lost */

        n->is_free[slot] = is_there;
        n->n_free += is_there;
        s->n_free_slots += is_there;
    }
    n->free_memory_bytes += n->memory_bytes ? r->memory_bytes : 0;
    free_list_add(s, w->node);
    free(w->slots);
    w->slots = NULL;
    w->n_slots = 0;
    w->task = TASK_NONE;
    s->n_releases++;
}

/* ---- tasks sent in advance ---- */

static struct ready_queue *queue_of(const struct sched *s, task_id task)
{
    return &s->queues[s->graph->tasks[task].resource_class];
}

static void add_advance(struct sched *s, uint32_t worker, task_id task)
{
    struct worker_status *w = &s->workers[worker];
    struct ready_queue *q = queue_of(s, task);

    q->advances = xgrow(q->advances, q->n_advances, &q->advances_capacity, sizeof(*q->advances));
    w->advance = task;
    w->is_recalled = false;
    w->advance_at = q->n_advances;
    q->advances[q->n_advances++] = worker;
    s->n_advances++;
}

/* It is not to be recalled any more. */
static void forget_advance(struct sched *s, struct worker_status *w)
{
    struct ready_queue *q = queue_of(s, w->advance);
    uint32_t last;

    if (w->is_recalled)
        return;
    s->n_advances--;
    last = q->advances[--q->n_advances];
    q->advances[w->advance_at] = last;
    s->workers[last].advance_at = w->advance_at;
}

/* Same request, same slots: nothing is freed and nothing taken. */
static void promote_advance(struct sched *s, struct worker_status *w)
{
    s->n_recalled -= w->is_recalled;
    forget_advance(s, w);
    w->task = w->advance;
    w->advance = TASK_NONE;
}

static bool is_best_of_all(const struct sched *s, const struct ready_queue *q)
{
    for (uint32_t c = 0; c < s->graph->n_resources; c++) {
        const struct ready_queue *other = &s->queues[c];

        if (other != q && other->n > 0 && is_before(&other->heap[0], &q->heap[0]))
            return false;
    }
    return q->n > 0;
}

/* Finds slots for the task and takes them. Returns the worker that runs it, 0 when nothing fits. */
static uint32_t place(struct sched *s, task_id task)
{
    const struct task_resources *r = &s->graph->resources[s->graph->tasks[task].resource_class];
    uint32_t last = s->tasks[task].worker; /* of the parent that finished last */
    uint32_t node = choose_node(s, r, last ? s->workers[last].node : NO_NODE);
    struct worker_status chosen = {.n_slots = r->cores};
    struct worker_status *w;
    struct node *n;
    uint32_t worker;

    if (node == NO_NODE)
        return 0;
    n = &s->nodes[node];
    if (r->cores > 1) {
        chosen.slots = xcalloc(r->cores, sizeof(*chosen.slots));
        choose_slots(n, &chosen, r->cores);
        chosen.first_slot = chosen.slots[0];
    } else if (last != 0 && s->workers[last].node == node && slot_is_free(n, s->workers[last].slot)) {
        chosen.first_slot = s->workers[last].slot;
    } else {
        chosen.first_slot = lowest_free_slot(n);
    }
    if (r->cores == 1)
        chosen.first_slot = find_calmer_slot(s, n, chosen.first_slot);
    worker = n->worker_of_slot[chosen.first_slot];
    w = &s->workers[worker];
    w->task = task;
    w->n_slots = chosen.n_slots;
    w->first_slot = chosen.first_slot;
    w->slots = chosen.slots;
    take_amounts(s, node, w, r);
    return worker;
}

/* ---- the interface ---- */

struct sched *sched_new(const struct graph *g)
{
    struct sched *s = xcalloc(1, sizeof(*s));
    float *seconds = xcalloc(2 * (size_t)g->n_tasks, sizeof(*seconds));
    float *b_level_s = seconds + g->n_tasks;

    assert(g->is_sealed);
    s->graph = g;
    s->tasks = xcalloc(g->n_tasks, sizeof(*s->tasks));
    s->queues = xcalloc(g->n_resources, sizeof(*s->queues));
    s->programs = xcalloc(g->n_programs, sizeof(*s->programs));
    s->counts[STATE_BLOCKED] = g->n_tasks - g->n_joins;
    s->n_releases = 1; /* no queue has been tried yet */
    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task *task = &g->tasks[t];

        seconds[t] = task_is_join(task) ? 0.0f : task->cost_s > 0 ? task->cost_s : 1.0f;
        if (task_is_join(task))
            continue;
        if (task->cost_s > 0)
            s->cost_left_s += (double)task->cost_s * g->resources[task->resource_class].cores;
        else
            s->programs[task->program].n_cores_left += g->resources[task->resource_class].cores;
    }
    graph_b_levels(g, seconds, b_level_s);
    for (task_id t = 0; t < g->n_tasks; t++) {
        s->tasks[t].n_waiting = g->n_parents[t];
        s->tasks[t].b_level_s = b_level_s[t];
    }
    free(seconds);
    return s;
}

void sched_free(struct sched *s)
{
    if (s == NULL)
        return;
    for (uint32_t c = 0; c < s->graph->n_resources; c++) {
        free(s->queues[c].heap);
        free(s->queues[c].advances);
    }
    for (size_t n = 0; n < s->n_nodes; n++) {
        free(s->nodes[n].worker_of_slot);
        free(s->nodes[n].is_free);
    }
    for (size_t w = 0; w < s->n_workers; w++)
        free(s->workers[w].slots);
    free(s->queues);
    free(s->programs);
    free(s->nodes);
    free(s->nodes_by_free);
    free(s->workers);
    free(s->skipped);
    free(s->pending);
    free(s->tasks);
    free(s);
}

void sched_keep(struct sched *s, task_id task)
{
    if (task_is_join(&s->graph->tasks[task]))
        return; /* joins follow from their parents */
    set_state(s, task, STATE_DONE);
    forget_work(s, task);
}

void sched_set_amount(struct sched *s, uint32_t named, uint32_t n)
{
    (void)s;
    (void)named;
    (void)n;
}

void sched_set_time(struct sched *s, double now_s)
{
    s->now_s = now_s;
}

void sched_begin(struct sched *s)
{
    const struct graph *g = s->graph;

    for (task_id t = 0; t < g->n_tasks; t++) {
        if (s->tasks[t].state != STATE_DONE)
            continue;
        for (uint64_t i = g->child_first[t]; i < g->child_first[t + 1]; i++) {
            task_id child = g->children[i];

            if (graph_condition_at(g, i) != ON_NOTOK)
                s->tasks[child].n_waiting--;
            else if (s->tasks[child].state == STATE_BLOCKED)
                give_up_child(s, child, STATE_NOT_NEEDED, t);
        }
    }
    settle(s);
    for (task_id t = 0; t < g->n_tasks; t++) {
        /* Joins that get ready here settle their children, which may come later in this very loop:
         * the state tells that they are done with. */
        if (s->tasks[t].state == STATE_BLOCKED && s->tasks[t].n_waiting == 0) {
            become_ready(s, t);
            settle(s);
        }
    }
}

void sched_add_node(struct sched *s, uint32_t node, const struct sched_node *has)
{
    while (s->n_nodes <= node) {
        s->nodes = xgrow(s->nodes, s->n_nodes, &s->nodes_capacity, sizeof(*s->nodes));
        s->nodes[s->n_nodes] = (struct node){0};
        free_list_add(s, (uint32_t)s->n_nodes++);
    }
    s->nodes[node].memory_bytes = s->nodes[node].free_memory_bytes = has->memory_bytes;
}

static void add_slots(struct node *n, uint32_t n_slots)
{
    while (n->n_slots < n_slots) {
        n->worker_of_slot = xgrow(n->worker_of_slot, n->n_slots, &n->slots_capacity,
                                  sizeof(*n->worker_of_slot));
        n->is_free = xgrow(n->is_free, n->n_slots, &n->free_capacity, sizeof(*n->is_free));
        n->worker_of_slot[n->n_slots] = 0;
        n->is_free[n->n_slots] = false;
        n->n_slots++;
    }
}

void sched_add_worker(struct sched *s, uint32_t worker, uint32_t node, uint16_t slot)
{
    static const struct sched_node unknown = {0};
    struct node *n;

    if (node >= s->n_nodes)
        sched_add_node(s, node, &unknown);
    n = &s->nodes[node];
    if (worker >= s->n_workers) {
        s->workers = xrealloc(s->workers, (worker + 1) * sizeof(*s->workers));
        for (; s->n_workers <= worker; s->n_workers++)
            s->workers[s->n_workers] = (struct worker_status){.node = NO_NODE, .task = TASK_NONE, .advance = TASK_NONE};
    }
    assert(s->workers[worker].node == NO_NODE);
    add_slots(n, slot + 1u);
    assert(n->worker_of_slot[slot] == 0);
    n->worker_of_slot[slot] = worker;
    n->is_free[slot] = true;
    free_list_remove(s, node);
    n->n_free++;
    free_list_add(s, node);
    s->workers[worker].node = node;
    s->workers[worker].slot = slot;
    s->n_free_slots++;
    s->n_releases++;
}

static uint32_t n_workers_of(const struct node *n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->n_slots; i++)
        count += n->worker_of_slot[i] != 0;
    return count;
}

static bool class_fits_somewhere(const struct sched *s, const struct task_resources *r)
{
    for (size_t i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];

        if (n_workers_of(n) >= r->cores && (n->memory_bytes == 0 || n->memory_bytes >= r->memory_bytes))
            return true;
    }
    return false;
}

task_id sched_find_unplaceable(const struct sched *s)
{
    const struct graph *g = s->graph;
    task_id found = TASK_NONE;
    bool *fits = xcalloc(g->n_resources, sizeof(*fits));
    uint32_t n_misfits = 0;

    for (uint32_t c = 0; c < g->n_resources; c++) {
        fits[c] = class_fits_somewhere(s, &g->resources[c]);
        n_misfits += !fits[c];
    }
    for (task_id t = 0; n_misfits > 0 && t < g->n_tasks && found == TASK_NONE; t++) {
        if (!task_is_join(&g->tasks[t]) && !fits[g->tasks[t].resource_class] &&
            s->tasks[t].state <= STATE_READY)
            found = t;
    }
    free(fits);
    return found;
}

bool sched_next_unplaceable(struct sched *s, task_id *task)
{
    for (uint32_t c = 0; c < s->graph->n_resources; c++) {
        if (s->queues[c].n == 0 || class_fits_somewhere(s, &s->graph->resources[c]))
            continue;
        *task = s->queues[c].heap[0].task;
        queue_pop(&s->queues[c]);
        set_state(s, *task, STATE_FAILED);
        forget_work(s, *task);
        push_pending(s, *task, *task);
        settle(s);
        return true;
    }
    return false;
}

bool sched_next(struct sched *s, struct placement *p)
{
    struct ready_queue *q;

    if (s->is_stopped || s->n_free_slots == 0)
        return false;
    while ((q = best_queue(s)) != NULL) {
        task_id task = q->heap[0].task;
        uint32_t worker = place(s, task);
        struct worker_status *w = &s->workers[worker];

        if (worker == 0) {
            q->fits_nowhere_since = s->n_releases;
            continue;
        }
        queue_pop(q);
        set_state(s, task, STATE_SENT);
        s->tasks[task].worker = worker;
        s->tasks[task].attempt++;
        *p = (struct placement){.task = task,
                                .attempt = s->tasks[task].attempt,
                                .worker = worker,
                                .node = w->node,
                                .n_slots = w->n_slots,
                                .slots = sched_slots_of(s, worker)};
        return true;
    }
    return false;
}

bool sched_next_in_advance(struct sched *s, uint32_t worker, struct placement *p)
{
    struct worker_status *w = &s->workers[worker];
    struct ready_queue *q;
    task_id task;

    if (s->is_stopped || w->task == TASK_NONE || w->advance != TASK_NONE)
        return false;
    q = queue_of(s, w->task);
    if (!is_best_of_all(s, q))
        return false;
    task = q->heap[0].task;
    if (!is_short(s, task) || !is_short(s, w->task))
        return false;
    queue_pop(q);
    set_state(s, task, STATE_SENT);
    s->tasks[task].worker = worker;
    s->tasks[task].attempt++;
    add_advance(s, worker, task);
    *p = (struct placement){.task = task,
                            .attempt = s->tasks[task].attempt,
                            .worker = worker,
                            .node = w->node,
                            .n_slots = w->n_slots,
                            .slots = sched_slots_of(s, worker)};
    return true;
}

/* A queue with a task in advance that could start now, or NULL. */
static struct ready_queue *find_recallable(const struct sched *s)
{
    for (uint32_t c = 0; c < s->graph->n_resources; c++)
        if (s->queues[c].n_advances > 0 && choose_node(s, &s->graph->resources[c], NO_NODE) != NO_NODE)
            return &s->queues[c];
    return NULL;
}

bool sched_find_recall(struct sched *s, uint32_t *worker, task_id *task)
{
    struct ready_queue *q;
    struct worker_status *w;

    if (s->n_advances == 0 || s->n_free_slots <= s->n_recalled)
        return false;
    q = find_recallable(s);
    if (q == NULL)
        return false;
    *worker = q->advances[q->n_advances - 1];
    w = &s->workers[*worker];
    *task = w->advance;
    forget_advance(s, w);
    w->is_recalled = true;
    s->n_recalled++;
    return true;
}

void sched_return(struct sched *s, uint32_t worker)
{
    struct worker_status *w = &s->workers[worker];
    struct task_status *status = &s->tasks[w->advance];

    s->n_recalled -= w->is_recalled;
    forget_advance(s, w);
    set_state(s, w->advance, STATE_READY);
    status->attempt--;
    status->worker = 0;
    push_ready(s, w->advance);
    w->advance = TASK_NONE;
    s->n_releases++; /* its class is worth another look */
}

void sched_started(struct sched *s, task_id task)
{
    if (s->tasks[task].state == STATE_SENT)
        set_state(s, task, STATE_RUNNING);
}

void sched_finish(struct sched *s, task_id task, enum task_state state, double run_s)
{
    struct worker_status *w = &s->workers[s->tasks[task].worker];

    assert(w->task == task);
    assert(state != STATE_READY || sched_has_retry(s, task));
    set_state(s, task, state);
    if (state == STATE_DONE && !isnan(run_s))
        learn(s, task, run_s);
    if (w->advance != TASK_NONE)
        promote_advance(s, w);
    else
        give_amounts(s, w);
    if (state == STATE_CANCELLED)
        return; /* the run ends: its children stay blocked, for the next run */
    if (state == STATE_READY) {
        push_ready(s, task);
        return;
    }
    forget_work(s, task);
    push_pending(s, task, task);
    settle(s);
}

/* Each attempt but the one that runs spent a retry, or a worker. */
bool sched_has_retry(const struct sched *s, task_id task)
{
    return s->tasks[task].attempt - s->tasks[task].n_lost <= (int64_t)policy_of(s, task)->retries;
}

static void lose_task(struct sched *s, struct worker_status *w)
{
    task_id task = w->task;

    give_amounts(s, w);
    if (s->tasks[task].n_lost++ < LOST_MAX) {
        set_state(s, task, STATE_READY);
        s->tasks[task].worker = 0;
        push_ready(s, task);
        return;
    }
    set_state(s, task, STATE_FAILED);
    forget_work(s, task);
    push_pending(s, task, task);
    settle(s);
}

void sched_lose_worker(struct sched *s, uint32_t worker)
{
    struct worker_status *w = &s->workers[worker];
    struct node *n = &s->nodes[w->node];

    if (w->advance != TASK_NONE)
        sched_return(s, worker);
    n->worker_of_slot[w->slot] = 0;
    if (n->is_free[w->slot]) {
        free_list_remove(s, w->node);
        n->is_free[w->slot] = false;
        n->n_free--;
        s->n_free_slots--;
        free_list_add(s, w->node);
    }
    if (w->task != TASK_NONE)
        lose_task(s, w);
}

uint32_t sched_n_lost(const struct sched *s, task_id task)
{
    return s->tasks[task].n_lost;
}

double sched_expected_s(const struct sched *s, task_id task)
{
    const struct task *t = &s->graph->tasks[task];
    const struct program_times *p = &s->programs[t->program];

    if (t->cost_s > 0)
        return (double)t->cost_s;
    return p->n_done > 0 ? p->sum_s / p->n_done : NAN;
}

double sched_work_left_s(const struct sched *s, bool *is_guess)
{
    double left_s = s->cost_left_s;

    *is_guess = false;
    for (uint32_t i = 0; i < s->graph->n_programs; i++) {
        const struct program_times *p = &s->programs[i];

        left_s += p->n_cores_left * (p->n_done > 0 ? p->sum_s / p->n_done : 1);
        *is_guess |= p->n_cores_left > 0 && p->n_done == 0;
    }
    return left_s;
}

void sched_note_delay(struct sched *s, uint32_t worker, double delay_s, double run_s)
{
    struct worker_status *w = &s->workers[worker];
    float kept;

    if (delay_s <= 0 && w->delay_s <= 0)
        return; /* nothing to remember, as nearly always */
    kept = DELAY_KEPT * faded(s, w);
    w->delay_s = kept * w->delay_s + (float)delay_s;
    w->run_s = kept * w->run_s + (float)run_s;
    w->noted_at = s->n_releases;
}

bool sched_next_skipped(struct sched *s, task_id *task, task_id *cause, bool *not_needed)
{
    if (s->n_skipped_told == s->n_skipped) {
        s->n_skipped = s->n_skipped_told = 0;
        return false;
    }
    *task = s->skipped[s->n_skipped_told].task;
    *cause = s->skipped[s->n_skipped_told].cause;
    *not_needed = s->tasks[*task].state == STATE_NOT_NEEDED;
    s->n_skipped_told++;
    return true;
}

void sched_stop(struct sched *s)
{
    s->is_stopped = true;
}

uint32_t sched_n_in_flight(const struct sched *s)
{
    return s->counts[STATE_SENT] + s->counts[STATE_RUNNING];
}

bool sched_is_over(const struct sched *s)
{
    if (sched_n_in_flight(s) > 0)
        return false;
    return s->is_stopped || s->counts[STATE_READY] + s->counts[STATE_BLOCKED] == 0;
}

bool sched_is_stuck(const struct sched *s)
{
    return !sched_is_over(s) && sched_n_in_flight(s) == 0 && s->counts[STATE_READY] == 0;
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

task_id sched_task_of(const struct sched *s, uint32_t worker)
{
    return worker < s->n_workers ? s->workers[worker].task : TASK_NONE;
}

task_id sched_advance_of(const struct sched *s, uint32_t worker)
{
    return worker < s->n_workers ? s->workers[worker].advance : TASK_NONE;
}

const uint16_t *sched_slots_of(const struct sched *s, uint32_t worker)
{
    const struct worker_status *w = &s->workers[worker];

    return w->slots != NULL ? w->slots : &w->first_slot;
}

uint32_t sched_n_slots_of(const struct sched *s, uint32_t worker)
{
    return s->workers[worker].n_slots;
}

uint32_t sched_n_free_slots(const struct sched *s)
{
    return s->n_free_slots;
}
