#include "core/audit.h"

#include "base/alloc.h"
#include "core/past.h"
#include "core/reuse.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Times are written in microseconds. Between nodes clocks are only compared by messages. */
#define SAME_CLOCK_S 5e-6
#define OTHER_CLOCK_S 0.1

enum state
{
    BLOCKED, /* or ready: it may start as soon as n_unmet is 0 */
    IN_FLIGHT,
    HELD,    /* its attempt has ended, and the program has yet to say what that means */
    DONE,
    FAILED,
    SKIPPED,
    NOT_NEEDED,
    CANCELLED,
};

struct flight /* of a task that is in flight */
{
    uint32_t attempt;
    uint32_t worker;
    uint32_t node;
    uint32_t n_gpus;
    uint16_t *gpus; /* NULL: none */
    bool is_early;  /* a function that began before what it waits for was said to have ended: the word of that may have
                       been lost with its worker, together with this attempt */
};

struct task_audit
{
    uint8_t state;
    uint32_t n_retries;
    uint32_t n_unmet;
    uint32_t flight;   /* while it is in flight */
    double latest_s;   /* when the last of what it waited for ended */
};

/* Something that one task at a time may use: a slot, a GPU. */
struct place
{
    double free_s; /* since then */
    task_id user;  /* the last */
};

struct node_audit
{
    uint64_t memory_bytes; /* 0: not known */
    struct place *slots;
    size_t slots_capacity;
    struct place *gpus;
    size_t gpus_capacity;
};

/* A task took something of an amount that others take of, too, or gave it back. */
struct use
{
    double time_s;
    int64_t n;      /* below 0: given back */
    uint32_t node;  /* UINT32_MAX: of the run */
    uint32_t what;  /* see enum amount_kind */
    task_id task;
};

enum amount_kind
{
    AMOUNT_MEMORY,
    AMOUNT_QUEUES, /* and the queue's number */
};

struct audit
{
    const struct graph *graph; /* NULL: not known */
    uint64_t digest;
    audit_reporter *reporter;
    void *data;
    struct past *past;
    bool *is_kept;
    struct reuse *reuse; /* of an epoch that looks at what tasks' inputs contain; NULL: it does not */
    struct audit_result result;

    uint64_t line;       /* the present one */
    uint64_t *damaged;   /* lines of the present epoch */
    size_t n_damaged;
    size_t damaged_capacity;
    uint32_t epoch;      /* 0: none yet */
    bool is_ours;        /* the epoch runs this workflow */
    bool is_open;        /* the epoch has no last line yet */
    double clock_s;      /* what times may differ by */
    struct task_audit *tasks;
    uint32_t *added_at; /* of a task that was added in this epoch: its index there; TASK_NONE: it was not; NULL: none */
    struct flight *flights;
    size_t n_flights;
    size_t flights_capacity;
    uint32_t *free_flights;
    size_t n_free;
    size_t free_capacity;
    struct node_audit *nodes;
    size_t n_nodes;
    size_t nodes_capacity;
    struct use *uses;
    size_t n_uses;
    size_t uses_capacity;
    task_id *met; /* joins whose parents have all ended; a stack */
    size_t n_met;
    size_t met_capacity;
};

__attribute__((format(printf, 2, 3))) static void report(struct audit *a, const char *format, ...)
{
    char text[2048];
    int n = snprintf(text, sizeof(text), "journal line %" PRIu64 ": ", a->line);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + n, sizeof(text) - (size_t)n, format, arguments);
    va_end(arguments);
    a->result.n_problems++;
    a->reporter(a->data, text);
}

struct audit *audit_new(const struct graph *g, uint64_t workflow_digest, audit_reporter *reporter, void *data)
{
    struct audit *a = xcalloc(1, sizeof(*a));

    a->graph = g;
    a->digest = workflow_digest;
    a->reporter = reporter;
    a->data = data;
    if (g == NULL)
        return a;
    a->past = past_new(g);
    a->is_kept = xcalloc(g->n_tasks, sizeof(*a->is_kept));
    a->tasks = xcalloc(g->n_tasks, sizeof(*a->tasks));
    a->result.n_tasks = g->n_tasks - g->n_joins;
    return a;
}

static void clear_epoch(struct audit *a)
{
    for (size_t i = 0; i < a->n_flights; i++)
        free(a->flights[i].gpus);
    for (size_t i = 0; i < a->n_nodes; i++) {
        free(a->nodes[i].slots);
        free(a->nodes[i].gpus);
    }
    a->n_flights = a->n_free = a->n_nodes = a->n_uses = 0;
}

void audit_free(struct audit *a)
{
    if (a == NULL)
        return;
    clear_epoch(a);
    free(a->damaged);
    past_free(a->past);
    reuse_free(a->reuse);
    free(a->is_kept);
    free(a->tasks);
    free(a->flights);
    free(a->free_flights);
    free(a->nodes);
    free(a->uses);
    free(a->met);
    free(a->added_at);
    free(a);
}

static const char *id_of(const struct audit *a, task_id task)
{
    return a->graph->tasks[task].id;
}

static const struct task_resources *needs_of(const struct audit *a, task_id task)
{
    return &a->graph->resources[a->graph->tasks[task].resource_class];
}

static const struct task_policy *policy_of(const struct audit *a, task_id task)
{
    return &a->graph->policies[a->graph->tasks[task].policy];
}

/* --- what waits for what --- */

static bool is_met(enum state parent, bool may_fail, enum graph_condition on)
{
    switch (parent) {
    case DONE: return on != ON_NOTOK;
    case FAILED: return on != ON_OK || may_fail;
    case SKIPPED: return on != ON_OK;
    case NOT_NEEDED: return on == ON_ANY;
    default: return false;
    }
}

static void tell_children(struct audit *a, task_id parent, enum state state, double end_s)
{
    const struct graph *g = a->graph;
    bool may_fail = !task_is_join(&g->tasks[parent]) && policy_of(a, parent)->may_fail;

    for (uint64_t i = g->child_first[parent]; i < g->child_first[parent + 1]; i++) {
        struct task_audit *child = &a->tasks[g->children[i]];

        if (!is_met(state, may_fail, graph_condition_at(g, i)))
            continue;
        child->latest_s = fmax(child->latest_s, end_s);
        if (--child->n_unmet > 0 || !task_is_join(&g->tasks[g->children[i]]))
            continue;
        a->met = xgrow(a->met, a->n_met, &a->met_capacity, sizeof(*a->met));
        a->met[a->n_met++] = g->children[i];
    }
}

/* A task has ended, or will not run. Joins pass it on. */
static void settle(struct audit *a, task_id task, enum state state, double end_s)
{
    a->tasks[task].state = (uint8_t)state;
    tell_children(a, task, state, end_s);
    while (a->n_met > 0) {
        task_id join = a->met[--a->n_met];

        tell_children(a, join, DONE, a->tasks[join].latest_s);
    }
}

/* Only for a report: looks through all dependencies. */
static const char *unmet_parent(const struct audit *a, task_id task)
{
    const struct graph *g = a->graph;

    for (task_id p = 0; p < g->n_tasks; p++)
        for (uint64_t i = g->child_first[p]; i < g->child_first[p + 1]; i++) {
            bool is_join = task_is_join(&g->tasks[p]);

            if (g->children[i] != task)
                continue;
            if (is_join && a->tasks[p].n_unmet > 0)
                return g->tasks[p].id != NULL ? g->tasks[p].id : "a task of its wildcard";
            if (!is_join && !is_met((enum state)a->tasks[p].state, policy_of(a, p)->may_fail,
                                    graph_condition_at(g, i)))
                return id_of(a, p);
        }
    return "another task";
}

/* --- amounts --- */

static void add_use(struct audit *a, uint32_t node, uint32_t what, uint64_t n, task_id task,
                    const struct record_fields *f)
{
    for (int is_back = 0; is_back < 2; is_back++) {
        a->uses = xgrow(a->uses, a->n_uses, &a->uses_capacity, sizeof(*a->uses));
        a->uses[a->n_uses++] = (struct use){is_back ? f->end_s : f->start_s + a->clock_s,
                                            is_back ? -(int64_t)n : (int64_t)n, node, what, task};
    }
}

static void note_uses(struct audit *a, task_id task, const struct record_fields *f)
{
    const struct graph *g = a->graph;
    const struct task_resources *needs = needs_of(a, task);

    if (f->end_s <= f->start_s + a->clock_s)
        return;
    if (needs->memory_bytes > 0)
        add_use(a, f->node, AMOUNT_MEMORY, needs->memory_bytes, task, f);
    if (needs->tokens > 0 && g->queues[needs->queue].tokens != UINT32_MAX)
        add_use(a, UINT32_MAX, AMOUNT_QUEUES + needs->queue, needs->tokens, task, f);
    for (uint32_t i = 0; i < needs->n_amounts; i++) {
        uint32_t resource = needs->amounts[i].resource;

        add_use(a, g->named[resource].is_per_node ? f->node : UINT32_MAX, AMOUNT_QUEUES + g->n_queues + resource,
                needs->amounts[i].n, task, f);
    }
}

/* By amount, then by time; what is given back comes first. */
static int compare_uses(const void *a, const void *b)
{
    const struct use *x = a, *y = b;

    if (x->what != y->what)
        return x->what < y->what ? -1 : 1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* How much there is, and its name; UINT64_MAX: not known. */
static uint64_t limit_of(const struct audit *a, const struct use *use, const char **name)
{
    const struct graph *g = a->graph;
    uint32_t number = use->what - AMOUNT_QUEUES;

    if (use->what == AMOUNT_MEMORY) {
        uint64_t bytes = use->node < a->n_nodes ? a->nodes[use->node].memory_bytes : 0;

        *name = "memory of the node";
        return bytes != 0 ? bytes : UINT64_MAX;
    }
    *name = number < g->n_queues ? g->queues[number].name : g->named[number - g->n_queues].name;
    *name = *name != NULL ? *name : "the queue without a name";
    return number < g->n_queues ? g->queues[number].tokens : g->named[number - g->n_queues].n;
}

static void check_uses(struct audit *a)
{
    struct use *uses = a->uses;
    size_t n_uses = a->n_uses;
    const char *name = "";
    uint64_t limit = 0;
    int64_t taken = 0;
    bool was_over = false;

    if (n_uses > 0)
        qsort(uses, n_uses, sizeof(*uses), compare_uses);
    for (size_t i = 0; i < n_uses; i++) {
        const struct use *use = &uses[i], *last = i > 0 ? use - 1 : NULL;

        if (last == NULL || last->what != use->what || last->node != use->node) {
            limit = limit_of(a, use, &name);
            taken = 0;
            was_over = false;
        }
        taken += use->n;
        if (taken > 0 && (uint64_t)taken > limit && !was_over)
            report(a, "epoch %" PRIu32 ": when task \"%s\" ran, %" PRIi64 " of %s were taken, and there are %" PRIu64,
                   a->epoch, id_of(a, use->task), taken, name, limit);
        was_over = taken > 0 && (uint64_t)taken > limit;
    }
    a->n_uses = 0;
}

/* --- slots and GPUs --- */

static struct node_audit *node_at(struct audit *a, uint32_t node)
{
    if (node >= UINT16_MAX * 16u)
        return NULL; /* no line of ganger's */
    while (a->n_nodes <= node) {
        a->nodes = xgrow(a->nodes, a->n_nodes, &a->nodes_capacity, sizeof(*a->nodes));
        a->nodes[a->n_nodes++] = (struct node_audit){.memory_bytes = 0};
    }
    return &a->nodes[node];
}

static struct place *place_at(struct place **places, size_t *capacity, uint64_t number)
{
    while (*capacity <= number) {
        size_t n = *capacity;

        *places = xgrow(*places, n, capacity, sizeof(**places));
        for (; n < *capacity; n++)
            (*places)[n] = (struct place){-INFINITY, TASK_NONE};
    }
    return &(*places)[number];
}

/* Lines come in the order in which things end, so that the latest end so far tells of every overlap. */
static void occupy(struct audit *a, struct place *place, const char *what, uint64_t number, task_id task,
                   const struct record_fields *f)
{
    if (f->start_s + a->clock_s < place->free_s)
        report(a, "task \"%s\" ran on %s %" PRIu64 " of node %" PRIu32 " from %.6f s, which %s had until %.6f s",
               f->task, what, number, f->node, f->start_s,
               place->user != TASK_NONE && a->is_ours ? id_of(a, place->user) : "another task", place->free_s);
    if (f->end_s > place->free_s)
        *place = (struct place){f->end_s, task};
}

static void check_places(struct audit *a, task_id task, const struct record_fields *f, const struct flight *flight)
{
    struct node_audit *node = node_at(a, f->node);
    struct record_numbers slots = f->slots;
    uint64_t slot;

    if (node == NULL || f->end == TASK_LOST || f->end == TASK_UNPLACEABLE || f->end_s <= f->start_s)
        return;
    while (record_next_number(&slots, &slot))
        if (slot <= UINT16_MAX)
            occupy(a, place_at(&node->slots, &node->slots_capacity, slot), "slot", slot, task, f);
    for (uint32_t i = 0; flight != NULL && i < flight->n_gpus; i++)
        occupy(a, place_at(&node->gpus, &node->gpus_capacity, flight->gpus[i]), "GPU", flight->gpus[i], task, f);
}

static uint32_t count_numbers(struct record_numbers numbers)
{
    uint64_t v;
    uint32_t n = 0;

    while (record_next_number(&numbers, &v))
        n++;
    return n;
}

/* --- lines about tasks --- */

/* What the index of a task in this epoch must be. Where a line about one that was added is lost, those that were added
 * after it stood elsewhere then: what is said where they were added counts, or else any. */
static uint32_t index_of(const struct audit *a, task_id task, uint32_t any)
{
    if (task < a->graph->n_sealed)
        return task;
    return a->added_at != NULL && a->added_at[task] != TASK_NONE ? a->added_at[task] : any;
}

/* The task of a line of this workflow; TASK_NONE: that was reported. */
static task_id task_of(struct audit *a, const struct record_fields *f)
{
    task_id task = graph_find(a->graph, f->task, f->n_task);

    if (task == TASK_NONE || task_is_join(&a->graph->tasks[task])) {
        report(a, "the workflow has no task \"%s\"", f->task);
        return TASK_NONE;
    }
    if (f->index != TASK_NONE && f->index != index_of(a, task, f->index))
        report(a, "task \"%s\" has index %" PRIu32 " there, and %" PRIu32 " in the workflow", f->task, f->index,
               index_of(a, task, f->index));
    return task;
}

static uint32_t new_flight(struct audit *a, const struct record_fields *f)
{
    struct record_numbers gpus = f->gpus;
    uint32_t number = 0, n = count_numbers(f->gpus);
    struct flight *flight;
    uint64_t v;

    if (a->n_free > 0) {
        number = a->free_flights[--a->n_free];
    } else {
        a->flights = xgrow(a->flights, a->n_flights, &a->flights_capacity, sizeof(*a->flights));
        number = (uint32_t)a->n_flights++;
    }
    flight = &a->flights[number];
    *flight = (struct flight){.attempt = f->attempt, .worker = f->worker, .node = f->node,
                              .gpus = n > 0 ? xcalloc(n, sizeof(uint16_t)) : NULL};
    while (flight->n_gpus < n && record_next_number(&gpus, &v))
        flight->gpus[flight->n_gpus++] = (uint16_t)v;
    return number;
}

static void land(struct audit *a, task_id task)
{
    struct flight *flight = &a->flights[a->tasks[task].flight];

    free(flight->gpus);
    flight->gpus = NULL;
    a->free_flights = xgrow(a->free_flights, a->n_free, &a->free_capacity, sizeof(*a->free_flights));
    a->free_flights[a->n_free++] = a->tasks[task].flight;
}

static void check_shape(struct audit *a, task_id task, const struct record_fields *f)
{
    const struct task_resources *needs = needs_of(a, task);
    uint32_t n_slots = count_numbers(f->slots), n_gpus = count_numbers(f->gpus);

    if (n_slots != needs->cores)
        report(a, "task \"%s\" was given %" PRIu32 " slots, and asks for %" PRIu32, f->task, n_slots, needs->cores);
    if (n_gpus != needs->gpus)
        report(a, "task \"%s\" was given %" PRIu32 " GPUs, and asks for %" PRIu32, f->task, n_gpus, needs->gpus);
}

static void report_early(struct audit *a, task_id task)
{
    report(a, "task \"%s\" was started before %s had ended as it waits for it", a->graph->tasks[task].id,
           unmet_parent(a, task));
}

static void note_start(struct audit *a, const struct record_fields *f)
{
    static const char *const why[] = {
        [IN_FLIGHT] = "while it ran", [HELD] = "while the program was asked about its end",
        [DONE] = "though it was done",       [FAILED] = "after it had failed for good",
        [SKIPPED] = "after it was skipped", [NOT_NEEDED] = "though it was not needed",
        [CANCELLED] = "after it was cancelled",
    };
    task_id task = task_of(a, f);
    struct task_audit *t;
    bool is_early;

    if (task == TASK_NONE)
        return;
    t = &a->tasks[task];
    if (t->state != BLOCKED)
        report(a, "task \"%s\" was started again %s", f->task, why[t->state]);
    is_early = t->state == BLOCKED && t->n_unmet > 0;
    if (is_early && !task_is_call(&a->graph->tasks[task]))
        report_early(a, task);
    check_shape(a, task, f);
    if (t->state == IN_FLIGHT)
        land(a, task);
    t->state = IN_FLIGHT;
    t->flight = new_flight(a, f);
    a->flights[t->flight].is_early = is_early && task_is_call(&a->graph->tasks[task]);
}

/* Is the line about the attempt that is in flight? */
static bool is_in_flight(struct audit *a, task_id task, const struct record_fields *f)
{
    const struct task_audit *t = &a->tasks[task];
    const struct flight *flight;

    if (t->state != IN_FLIGHT) {
        report(a, "task \"%s\" ended (%s), but was not started", f->task, record_kind_name(f->kind));
        return false;
    }
    flight = &a->flights[t->flight];
    if (flight->attempt == f->attempt && flight->worker == f->worker && flight->node == f->node)
        return true;
    report(a, "attempt %" PRIu32 " of task \"%s\" ended on worker %" PRIu32 ", but attempt %" PRIu32
           " was started on worker %" PRIu32, f->attempt, f->task, f->worker, flight->attempt, flight->worker);
    return true; /* it is not in flight any more, whatever is wrong */
}

static void check_times(struct audit *a, task_id task, const struct record_fields *f)
{
    if (f->end == TASK_LOST || f->end == TASK_UNPLACEABLE)
        return;
    if (f->end_s + a->clock_s < f->start_s)
        report(a, "task \"%s\" ended at %.6f s, before it started at %.6f s", f->task, f->end_s, f->start_s);
    if (f->start_s + a->clock_s < a->tasks[task].latest_s)
        report(a, "task \"%s\" ran from %.6f s, and what it waits for until %.6f s", f->task, f->start_s,
               a->tasks[task].latest_s);
}

static void check_end(struct audit *a, task_id task, const struct record_fields *f, bool is_told_by_program)
{
    bool went_well = f->end == TASK_EXITED && f->code == 0;

    if (f->digest != a->graph->tasks[task].digest)
        report(a, "task \"%s\" ran with another definition than the workflow gives it", f->task);
    if (f->kind == RECORD_DONE && !went_well && !is_told_by_program)
        report(a, "task \"%s\" is said to be done, and did not end well", f->task);
    if ((f->kind == RECORD_FAILED || f->kind == RECORD_RETRIED) && went_well)
        report(a, "task \"%s\" is said to have failed, and ended well", f->task);
    if (f->kind == RECORD_RETRIED && f->end != TASK_LOST &&
        ++a->tasks[task].n_retries > policy_of(a, task)->retries)
        report(a, "task \"%s\" was tried again more often than its retries allow (%" PRIu32 ")", f->task,
               policy_of(a, task)->retries);
}

/* The attempt has ended: what it had is free. */
static void end_flight(struct audit *a, task_id task, const struct record_fields *f)
{
    if (!is_in_flight(a, task, f))
        return;
    check_places(a, task, f, &a->flights[a->tasks[task].flight]);
    check_times(a, task, f);
    if (f->end != TASK_LOST)
        note_uses(a, task, f);
    if (f->end != TASK_LOST && a->flights[a->tasks[task].flight].is_early)
        report_early(a, task);
    land(a, task);
}

static void note_attempt_end(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f);

    if (task == TASK_NONE)
        return;
    end_flight(a, task, f);
    a->tasks[task].state = HELD;
}

static void note_again(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f);

    if (task == TASK_NONE)
        return;
    if (a->tasks[task].state != HELD && f->attempt > 0)
        report(a, "task \"%s\" is said to run again, but the program was not asked about its end", f->task);
    if (a->tasks[task].state == IN_FLIGHT)
        land(a, task);
    a->tasks[task].state = BLOCKED;
}

static void note_end(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f);
    bool is_told_by_program;
    struct task_audit *t;

    if (task == TASK_NONE)
        return;
    t = &a->tasks[task];
    is_told_by_program = t->state == HELD || (t->state == BLOCKED && f->worker == 0);
    if (t->state != HELD && is_told_by_program && t->n_unmet > 0)
        report(a, "task \"%s\" ended (%s) before %s had ended as it waits for it", f->task,
               record_kind_name(f->kind), unmet_parent(a, task));
    else if (!is_told_by_program && f->end != TASK_UNPLACEABLE)
        end_flight(a, task, f);
    check_end(a, task, f, is_told_by_program);
    if (a->reuse != NULL && f->kind != RECORD_CANCELLED)
        reuse_note_ran(a->reuse, task);
    switch (f->kind) {
    case RECORD_DONE: settle(a, task, DONE, f->end_s); break;
    case RECORD_FAILED: settle(a, task, FAILED, f->end_s); break;
    case RECORD_CANCELLED: t->state = CANCELLED; break;
    default: t->state = BLOCKED; break;
    }
}

static void note_return(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f);

    if (task == TASK_NONE || !is_in_flight(a, task, f))
        return;
    land(a, task);
    a->tasks[task].state = BLOCKED;
    a->result.n_starts--;
}

static void note_given_up(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f), cause = graph_find(a->graph, f->cause, strlen(f->cause));
    bool is_skipped = f->kind == RECORD_SKIPPED, is_told_by_program;

    if (task == TASK_NONE)
        return;
    is_told_by_program = !is_skipped && f->cause[0] == '\0' && a->tasks[task].n_unmet == 0 &&
                         a->tasks[task].state == BLOCKED;
    if (!is_told_by_program && (a->tasks[task].state != BLOCKED || a->tasks[task].n_unmet == 0))
        report(a, "task \"%s\" is said to be %s, but nothing kept it from running", f->task,
               is_skipped ? "skipped" : "not needed");
    if (is_skipped && (cause == TASK_NONE || a->tasks[cause].state != FAILED))
        report(a, "task \"%s\" was skipped for a failure of \"%s\", which did not fail", f->task, f->cause);
    if (a->tasks[task].state == IN_FLIGHT)
        land(a, task);
    if (a->reuse != NULL && is_skipped)
        reuse_note_ran(a->reuse, task);
    settle(a, task, is_skipped ? SKIPPED : NOT_NEEDED, 0);
}

/* What its inputs contained nobody can say any more; but whether that was to decide. */
static void note_unchanged(struct audit *a, const struct record_fields *f)
{
    task_id task = task_of(a, f);

    if (task == TASK_NONE)
        return;
    if (a->reuse == NULL)
        report(a, "task \"%s\" is said to be unchanged, but nobody was to look", f->task);
    else if (a->tasks[task].n_unmet > 0)
        report(a, "task \"%s\" is said to be unchanged before %s had ended as it waits for it", f->task,
               unmet_parent(a, task));
    else if (a->tasks[task].state != BLOCKED || reuse_expected(a->reuse, task) == FINGERPRINT_NONE)
        report(a, "task \"%s\" is said to be unchanged, but had to run", f->task);
    if (a->tasks[task].state == IN_FLIGHT)
        land(a, task);
    settle(a, task, DONE, f->time_s);
}

/* --- epochs --- */

static void end_epoch(struct audit *a)
{
    if (a->epoch == 0)
        return;
    a->result.n_cut_epochs += a->is_open;
    for (task_id t = 0; a->is_ours && !a->is_open && t < a->graph->n_tasks; t++)
        if (a->tasks[t].state == IN_FLIGHT)
            report(a, "epoch %" PRIu32 " ended, but task \"%s\" did not", a->epoch, id_of(a, t));
    if (a->is_ours)
        check_uses(a);
    clear_epoch(a);
}

/* What need not run any more has ended already. */
static void begin_tasks(struct audit *a, bool by_content)
{
    const struct graph *g = a->graph;

    past_settle(a->past, a->is_kept);
    reuse_free(a->reuse);
    a->reuse = by_content ? reuse_new(g, a->past, a->is_kept) : NULL;
    for (task_id t = 0; t < g->n_tasks; t++)
        a->tasks[t] = (struct task_audit){.state = BLOCKED, .n_unmet = g->n_parents[t]};
    for (task_id t = 0; t < g->n_tasks; t++)
        if (a->is_kept[t] && !task_is_join(&g->tasks[t]))
            settle(a, t, DONE, 0);
}

/* Where it stood among the tasks. */
static void note_added(struct audit *a, const struct record_fields *f)
{
    task_id task = a->is_ours ? graph_find(a->graph, f->task, f->n_task) : TASK_NONE;

    if (task == TASK_NONE)
        return;
    if (a->added_at == NULL) {
        a->added_at = xmalloc(a->graph->n_tasks * sizeof(*a->added_at));
        memset(a->added_at, 0xff, a->graph->n_tasks * sizeof(*a->added_at));
    }
    a->added_at[task] = f->index;
}

static void begin_epoch(struct audit *a, const struct record_fields *f)
{
    end_epoch(a);
    a->result.n_superseded += a->n_damaged;
    a->n_damaged = 0;
    if (f->epoch != a->epoch + 1)
        report(a, "epoch %" PRIu32 " follows epoch %" PRIu32 ": lines are missing, or out of order", f->epoch,
               a->epoch);
    a->epoch = f->epoch;
    a->result.n_epochs++;
    a->is_open = true;
    a->is_ours = a->graph != NULL && f->workflow_digest == a->digest;
    a->result.n_other_epochs += !a->is_ours;
    a->clock_s = SAME_CLOCK_S;
    free(a->added_at); /* numbers begin anew */
    a->added_at = NULL;
    if (a->is_ours)
        begin_tasks(a, f->by_content);
}

static void note_node(struct audit *a, const struct record_fields *f)
{
    struct node_audit *node = node_at(a, f->node);

    if (node == NULL)
        return;
    node->memory_bytes = f->memory_bytes;
    if (f->node > 0)
        a->clock_s = OTHER_CLOCK_S;
}

static void note_task(struct audit *a, const struct record_fields *f)
{
    a->result.n_starts += f->kind == RECORD_START;
    if (!a->is_ours) {
        if (record_is_end(f->kind) && f->end != TASK_REFUSED)
            check_places(a, TASK_NONE, f, NULL);
        a->result.n_starts -= f->kind == RECORD_RETURNED;
        return;
    }
    if (f->kind == RECORD_START)
        note_start(a, f);
    else if (f->kind == RECORD_RETURNED)
        note_return(a, f);
    else if (f->kind == RECORD_ENDED)
        note_attempt_end(a, f);
    else if (f->kind == RECORD_AGAIN)
        note_again(a, f);
    else if (record_is_end(f->kind))
        note_end(a, f);
    else if (f->kind == RECORD_UNCHANGED)
        note_unchanged(a, f);
    else
        note_given_up(a, f);
}

static void check_order(struct audit *a, const struct record_fields *f)
{
    if (a->epoch == 0 && f->kind != RECORD_RUN)
        report(a, "a line of kind \"%s\" stands before the first epoch", record_kind_name(f->kind));
    else if (!a->is_open && f->kind != RECORD_RUN && a->epoch != 0)
        report(a, "a line of kind \"%s\" stands behind the last one of epoch %" PRIu32, record_kind_name(f->kind),
               a->epoch);
}

void audit_line(struct audit *a, uint64_t number, const struct record_fields *f)
{
    a->result.n_lines += number != a->line; /* one about many functions is told for each of them */
    a->line = number;
    if (f == NULL) {
        a->damaged = xgrow(a->damaged, a->n_damaged, &a->damaged_capacity, sizeof(*a->damaged));
        a->damaged[a->n_damaged++] = number;
        return;
    }
    check_order(a, f);
    switch (f->kind) {
    case RECORD_RUN: begin_epoch(a, f); break;
    case RECORD_NODE: note_node(a, f); break;
    case RECORD_END: a->is_open = false; break;
    case RECORD_ADDED: note_added(a, f); break;
    case RECORD_SETUP:
    case RECORD_TEARDOWN: check_places(a, TASK_NONE, f, NULL); break;
    case RECORD_WORKER:
    case RECORD_LOST:
    case RECORD_STOPPING:
    case RECORD_UNKNOWN: break;
    default: note_task(a, f);
    }
    if (a->past != NULL)
        past_note(a->past, f);
}

static void count_task(struct audit *a, task_id t)
{
    struct audit_result *r = &a->result;
    enum state state = a->is_ours ? (enum state)a->tasks[t].state : BLOCKED;

    if (a->is_kept[t] || state == DONE) {
        r->n_done++; /* also behind a parent that failed and may, which makes it run again on --resume */
    } else if (state == FAILED) {
        r->n_failed++;
        r->n_may_fail += policy_of(a, t)->may_fail;
    } else if (state == SKIPPED) {
        r->n_skipped++;
    } else if (state == NOT_NEEDED) {
        r->n_not_needed++;
    } else {
        r->n_unfinished++;
    }
}

/* Nobody has come after them. */
static void report_damaged(struct audit *a)
{
    uint64_t line = a->line;

    for (size_t i = 0; i < a->n_damaged; i++) {
        a->line = a->damaged[i];
        report(a, "damaged or torn: its checksum is wrong");
    }
    a->line = line;
}

void audit_end(struct audit *a, struct audit_result *result)
{
    report_damaged(a);
    end_epoch(a);
    if (a->epoch == 0)
        report(a, "the journal has no epoch");
    if (a->graph != NULL) {
        past_settle(a->past, a->is_kept);
        for (task_id t = 0; t < a->graph->n_tasks; t++)
            if (!task_is_join(&a->graph->tasks[t]))
                count_task(a, t);
        a->result.is_complete = a->result.n_done + a->result.n_not_needed + a->result.n_may_fail ==
                                a->result.n_tasks;
    }
    *result = a->result;
}
