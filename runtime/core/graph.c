#include "core/graph.h"

#include "core/cycle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* As many different requests are told apart exactly; see graph_intern_resources. */
#define EXACT_CLASSES 64

/* The condition of an edge of the draft stands in the upper bits of its child. */
#define CONDITION_SHIFT 30
#define CHILD_MASK ((UINT32_C(1) << CONDITION_SHIFT) - 1)

struct graph *graph_new(void)
{
    static const struct task_resources one_core = {.cores = 1, .nodes = 1, .ranks = 1};
    static const struct task_policy plain = {0};
    static const struct graph_queue unnamed = {.name = "", .tokens = UINT32_MAX};
    struct graph *g = xcalloc(1, sizeof(*g));

    graph_intern_resources(g, &one_core);
    graph_intern_policy(g, &plain);
    graph_intern_program(g, "", 0);
    graph_intern_function(g, "", 0);
    graph_add_queue(g, &unnamed);
    return g;
}

void graph_free(struct graph *g)
{
    if (g == NULL)
        return;
    free(g->tasks);
    free(g->child_first);
    free(g->children);
    free(g->conditions);
    free(g->n_parents);
    free(g->parent_first);
    free(g->parents);
    free(g->links);
    free(g->last_link);
    free(g->resources);
    free(g->policies);
    free(g->programs);
    free(g->functions);
    free(g->queues);
    free(g->named);
    free(g->edges);
    arena_release(&g->text);
    name_index_release(&g->index);
    name_index_release(&g->program_index);
    intern_release(&g->resource_table);
    intern_release(&g->policy_table);
    free(g);
}

static const char *id_of(const void *data, uint32_t number)
{
    const struct graph *g = data;

    return g->tasks[number].id;
}

task_id graph_add_task(struct graph *g, const struct task *task)
{
    size_t n_id;

    assert(!g->is_sealed && g->n_tasks < CHILD_MASK);
    assert(task->id != NULL || task_is_join(task));
    if (task->id != NULL && name_index_add(&g->index, task->id, strlen(task->id), g->n_tasks, id_of, g) !=
                                NAME_NOT_FOUND)
        return TASK_NONE;
    g->tasks = xgrow(g->tasks, g->n_tasks, &g->tasks_capacity, sizeof(*g->tasks));
    g->tasks[g->n_tasks] = *task;
    n_id = task->id != NULL ? strlen(task->id) : 0;
    g->tasks[g->n_tasks].n_id_bytes = (uint8_t)(n_id < 255 ? n_id : 255);
    g->n_joins += task_is_join(task);
    return g->n_tasks++;
}

task_id graph_find(const struct graph *g, const char *id, size_t n_bytes)
{
    uint32_t number = name_index_find(&g->index, id, n_bytes, id_of, g);

    return number == NAME_NOT_FOUND ? TASK_NONE : number;
}

void graph_add_dependency(struct graph *g, task_id parent, task_id child)
{
    graph_add_condition(g, parent, child, ON_OK);
}

void graph_add_condition(struct graph *g, task_id parent, task_id child, enum graph_condition on)
{
    assert(!g->is_sealed && parent < g->n_tasks && child < g->n_tasks);
    g->edges = xgrow(g->edges, g->n_edges, &g->edges_capacity, sizeof(*g->edges));
    g->edges[g->n_edges++] = (struct graph_edge){parent, child | (uint32_t)on << CONDITION_SHIFT};
    g->has_conditions |= on != ON_OK;
}

struct graph_edge graph_drafted_edge(const struct graph *g, uint64_t i, enum graph_condition *on)
{
    assert(!g->is_sealed && i < g->n_edges);
    *on = (enum graph_condition)(g->edges[i].child >> CONDITION_SHIFT);
    return (struct graph_edge){g->edges[i].parent, g->edges[i].child & CHILD_MASK};
}

uint64_t graph_round_memory(uint64_t bytes)
{
    uint64_t step = 1;

    if (bytes > UINT64_MAX / 2)
        return UINT64_MAX;
    while (bytes / step >= 16)
        step *= 2;
    return (bytes + step - 1) / step * step;
}

static uint64_t hash_of(const void *bytes, size_t n, uint64_t seed)
{
    return n == 0 ? seed : XXH3_64bits_withSeed(bytes, n, seed);
}

static uint64_t resources_hash(const struct task_resources *r)
{
    const uint64_t fixed[] = {r->cores, r->nodes, r->ranks, r->gpus, r->memory_bytes, r->queue, r->tokens};

    return hash_of(r->amounts, r->n_amounts * sizeof(*r->amounts), hash_of(fixed, sizeof(fixed), 0));
}

static bool are_equal_resources(const void *graph, uint32_t number, const void *wanted)
{
    const struct task_resources *a = &((const struct graph *)graph)->resources[number], *b = wanted;

    return a->cores == b->cores && a->nodes == b->nodes && a->ranks == b->ranks && a->gpus == b->gpus &&
           a->memory_bytes == b->memory_bytes && a->queue == b->queue && a->tokens == b->tokens &&
           a->n_amounts == b->n_amounts &&
           (a->n_amounts == 0 || memcmp(a->amounts, b->amounts, a->n_amounts * sizeof(*a->amounts)) == 0);
}

static uint32_t add_class(struct graph *g, struct task_resources wanted)
{
    size_t n_bytes = wanted.n_amounts * sizeof(*wanted.amounts);

    if (n_bytes > 0)
        wanted.amounts = memcpy(arena_alloc(&g->text, n_bytes), wanted.amounts, n_bytes);
    g->resources = xgrow(g->resources, g->n_resources, &g->resources_capacity, sizeof(*g->resources));
    g->resources[g->n_resources] = wanted;
    intern_add(&g->resource_table, resources_hash(&wanted), g->n_resources);
    return g->n_resources++;
}

static uint32_t find_class(const struct graph *g, const struct task_resources *wanted)
{
    return intern_find(&g->resource_table, resources_hash(wanted), wanted, are_equal_resources, g);
}

uint32_t graph_intern_resources(struct graph *g, const struct task_resources *resources)
{
    struct task_resources wanted = *resources;
    uint32_t class = find_class(g, &wanted);

    if (class == UINT32_MAX && g->n_resources >= EXACT_CLASSES) {
        wanted.memory_bytes = graph_round_memory(wanted.memory_bytes);
        class = find_class(g, &wanted);
    }
    return class == UINT32_MAX ? add_class(g, wanted) : class;
}

static uint64_t policy_hash(const struct task_policy *p)
{
    const uint32_t fixed[] = {(uint32_t)p->priority, p->retries, p->may_fail, (uint32_t)p->end_signal.signal};
    const double times_s[] = {p->timeout_s, p->end_signal.before_s};

    return hash_of(times_s, sizeof(times_s), hash_of(fixed, sizeof(fixed), 0));
}

static bool are_equal_policies(const void *graph, uint32_t number, const void *wanted)
{
    const struct task_policy *a = &((const struct graph *)graph)->policies[number], *b = wanted;

    return a->priority == b->priority && a->retries == b->retries && a->timeout_s == b->timeout_s &&
           a->may_fail == b->may_fail && a->end_signal.signal == b->end_signal.signal &&
           a->end_signal.before_s == b->end_signal.before_s;
}

uint32_t graph_intern_policy(struct graph *g, const struct task_policy *policy)
{
    uint64_t hash = policy_hash(policy);
    uint32_t number = intern_find(&g->policy_table, hash, policy, are_equal_policies, g);

    if (number != UINT32_MAX)
        return number;
    g->policies = xgrow(g->policies, g->n_policies, &g->policies_capacity, sizeof(*g->policies));
    g->policies[g->n_policies] = *policy;
    intern_add(&g->policy_table, hash, g->n_policies);
    return g->n_policies++;
}

static const char *program_of(const void *data, uint32_t number)
{
    return ((const struct graph *)data)->programs[number];
}

uint32_t graph_intern_program(struct graph *g, const char *name, size_t n_bytes)
{
    uint32_t number = name_index_find(&g->program_index, name, n_bytes, program_of, g);

    if (number != NAME_NOT_FOUND)
        return number;
    g->programs = xgrow(g->programs, g->n_programs, &g->programs_capacity, sizeof(*g->programs));
    g->programs[g->n_programs] = arena_text(&g->text, name, n_bytes);
    name_index_add(&g->program_index, name, n_bytes, g->n_programs, program_of, g);
    return g->n_programs++;
}

uint16_t graph_intern_function(struct graph *g, const char *name, size_t n_bytes)
{
    for (uint32_t i = 0; i < g->n_functions; i++)
        if (strncmp(g->functions[i], name, n_bytes) == 0 && g->functions[i][n_bytes] == '\0')
            return (uint16_t)i;
    if (g->n_functions == UINT16_MAX)
        return UINT16_MAX;
    g->functions = xgrow(g->functions, g->n_functions, &g->functions_capacity, sizeof(*g->functions));
    g->functions[g->n_functions] = arena_text(&g->text, name, n_bytes);
    return (uint16_t)g->n_functions++;
}

#define CALL_SEED UINT64_C(0x66756e6374696f6e) /* no command has its digest */

uint64_t task_digest_of_call(const char *function, const void *payload, size_t n_bytes)
{
    return XXH64(payload, n_bytes, XXH64(function, strlen(function), CALL_SEED));
}

uint32_t graph_find_queue(const struct graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_queues; i++)
        if (strcmp(g->queues[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

uint32_t graph_add_queue(struct graph *g, const struct graph_queue *queue)
{
    if (graph_find_queue(g, queue->name) != UINT32_MAX)
        return UINT32_MAX;
    g->queues = xgrow(g->queues, g->n_queues, &g->queues_capacity, sizeof(*g->queues));
    g->queues[g->n_queues] = *queue;
    g->queues[g->n_queues].name = arena_text(&g->text, queue->name, strlen(queue->name));
    return g->n_queues++;
}

uint32_t graph_find_named(const struct graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_named; i++)
        if (strcmp(g->named[i].name, name) == 0)
            return i;
    return UINT32_MAX;
}

uint32_t graph_add_named(struct graph *g, const struct graph_named *named)
{
    if (graph_find_named(g, named->name) != UINT32_MAX)
        return UINT32_MAX;
    g->named = xgrow(g->named, g->n_named, &g->named_capacity, sizeof(*g->named));
    g->named[g->n_named] = *named;
    g->named[g->n_named].name = arena_text(&g->text, named->name, strlen(named->name));
    return g->n_named++;
}

/* "a, b and c": the texts are ended by a NUL each. */
static void join_words(const struct buffer *words, struct buffer *text)
{
    size_t n_left = 0;

    for (size_t i = 0; i < words->n; i++)
        n_left += words->bytes[i] == '\0';
    for (const char *word = words->bytes; n_left > 0; word += strlen(word) + 1, n_left--)
        buffer_printf(text, "%s%s", word, n_left > 2 ? ", " : n_left == 2 ? " and " : "");
}

static void describe_memory(uint64_t n_bytes, struct buffer *words)
{
    if (n_bytes >= (uint64_t)1 << 30)
        buffer_printf(words, "%.1f GiB of memory%c", (double)n_bytes / 0x1p30, 0);
    else
        buffer_printf(words, "%.1f MiB of memory%c", (double)n_bytes / 0x1p20, 0);
}

void graph_describe_resources(const struct graph *g, const struct task_resources *r, struct buffer *text)
{
    struct buffer words = BUFFER_EMPTY;

    buffer_printf(&words, "%u core%s%c", r->cores, r->cores == 1 ? "" : "s", 0);
    if (r->gpus > 0)
        buffer_printf(&words, "%u GPU%s%c", r->gpus, r->gpus == 1 ? "" : "s", 0);
    if (r->memory_bytes > 0)
        describe_memory(r->memory_bytes, &words);
    for (uint32_t i = 0; i < r->n_amounts; i++)
        buffer_printf(&words, "%u of \"%s\"%c", r->amounts[i].n, g->named[r->amounts[i].resource].name, 0);
    if (r->queue != 0 && r->tokens > 0)
        buffer_printf(&words, "%u token%s of queue \"%s\"%c", r->tokens, r->tokens == 1 ? "" : "s",
                      g->queues[r->queue].name, 0);
    join_words(&words, text);
    buffer_release(&words);
}

/* ---- sealing ---- */

static task_id child_of(const struct graph_edge *edge)
{
    return edge->child & CHILD_MASK;
}

/* Turns counts, which stand at first[t + 2], into row starts at first[t + 1]; once each row was filled
 * through `first[t + 1]++`, it starts at first[t]. */
static void counts_to_rows(uint64_t *first, uint32_t n_tasks)
{
    for (uint32_t t = 0; t < n_tasks; t++)
        first[t + 2] += first[t + 1];
}

static bool is_sorted_by_child(const struct graph *g)
{
    for (uint64_t e = 1; e < g->n_edges; e++)
        if (child_of(&g->edges[e]) < child_of(&g->edges[e - 1]))
            return false;
    return true;
}

static void sort_edges_by_child(struct graph *g)
{
    uint64_t *first = xcalloc((size_t)g->n_tasks + 2, sizeof(*first));
    struct graph_edge *sorted = xmalloc(g->n_edges * sizeof(*sorted));

    for (uint64_t e = 0; e < g->n_edges; e++)
        first[child_of(&g->edges[e]) + 2]++;
    counts_to_rows(first, g->n_tasks);
    for (uint64_t e = 0; e < g->n_edges; e++)
        sorted[first[child_of(&g->edges[e]) + 1]++] = g->edges[e];
    free(first);
    free(g->edges);
    g->edges = sorted;
    g->edges_capacity = g->n_edges;
}

/* Sorts by child, then by parent, each by counting: the children of a parent come out ascending. Most
 * documents name a task's parents with the task, and are sorted by child already. */
static void index_edges(struct graph *g)
{
    if (!is_sorted_by_child(g))
        sort_edges_by_child(g);
    g->child_first = xcalloc((size_t)g->n_tasks + 2, sizeof(*g->child_first));
    g->children = xmalloc(g->n_edges * sizeof(*g->children));
    for (uint64_t e = 0; e < g->n_edges; e++)
        g->child_first[g->edges[e].parent + 2]++;
    counts_to_rows(g->child_first, g->n_tasks);
    for (uint64_t e = 0; e < g->n_edges; e++)
        g->children[g->child_first[g->edges[e].parent + 1]++] = g->edges[e].child;
}

/* Does an edge to the same child on the same condition stand between `from` and `to`? Children ascend, and there
 * are three conditions: it is one of the last three, if at all. */
static bool stands_there(const struct graph *g, uint64_t from, uint64_t to, task_id child)
{
    while (to > from && (g->children[to - 1] & CHILD_MASK) == (child & CHILD_MASK))
        if (g->children[--to] == child)
            return true;
    return false;
}

/* Edges from one parent to one child are neighbours now. */
static void drop_duplicate_edges(struct graph *g)
{
    uint64_t n_kept = 0;
    uint64_t at = 0;

    for (task_id t = 0; t < g->n_tasks; t++) {
        uint64_t row_start = n_kept;
        uint64_t row_end = g->child_first[t + 1];

        g->child_first[t] = row_start;
        for (; at < row_end; at++)
            if (!stands_there(g, row_start, n_kept, g->children[at]))
                g->children[n_kept++] = g->children[at];
    }
    g->child_first[g->n_tasks] = n_kept;
}

/* From the draft's packed form to arrays of their own. */
static void unpack_conditions(struct graph *g)
{
    uint64_t n_edges = g->child_first[g->n_tasks];

    if (!g->has_conditions)
        return;
    g->conditions = xmalloc(n_edges * sizeof(*g->conditions));
    for (uint64_t i = 0; i < n_edges; i++) {
        g->conditions[i] = (uint8_t)(g->children[i] >> CONDITION_SHIFT);
        g->children[i] &= CHILD_MASK;
    }
}

static void count_parents(struct graph *g)
{
    g->n_parents = xcalloc(g->n_tasks, sizeof(*g->n_parents));
    for (uint64_t i = 0; i < g->child_first[g->n_tasks]; i++)
        g->n_parents[g->children[i]]++;
}

/* Parents of each task as they were declared: the edges are sorted by child, and stably so. What is said twice
 * counts where it was said first; `last_child` tells who said it. */
static void index_parents(struct graph *g)
{
    task_id *last_child = xmalloc(g->n_tasks * sizeof(*last_child));
    uint64_t n = 0;
    uint64_t e = 0;

    memset(last_child, 0xff, g->n_tasks * sizeof(*last_child));
    g->parent_first = xmalloc(((size_t)g->n_tasks + 1) * sizeof(*g->parent_first));
    g->parents = xmalloc(g->n_edges * sizeof(*g->parents));
    for (task_id t = 0; t < g->n_tasks; t++) {
        g->parent_first[t] = n;
        for (; e < g->n_edges && child_of(&g->edges[e]) == t; e++) {
            if (last_child[g->edges[e].parent] == t)
                continue;
            last_child[g->edges[e].parent] = t;
            g->parents[n++] = g->edges[e].parent;
        }
    }
    g->parent_first[g->n_tasks] = n;
    free(last_child);
}

void graph_know_parents(struct graph *g)
{
    uint64_t n = 0;

    if (g->parent_first != NULL)
        return;
    g->parent_first = xmalloc(((size_t)g->n_tasks + 1) * sizeof(*g->parent_first));
    g->parents = xmalloc(((size_t)g->child_first[g->n_tasks] + 1) * sizeof(*g->parents));
    for (task_id t = 0; t <= g->n_tasks; t++) {
        g->parent_first[t] = n; /* for now where the next of them goes */
        n += t < g->n_tasks ? g->n_parents[t] : 0;
    }
    for (task_id t = 0; t < g->n_tasks; t++)
        for (uint64_t i = g->child_first[t]; i < g->child_first[t + 1]; i++)
            g->parents[g->parent_first[g->children[i]]++] = t;
    memmove(g->parent_first + 1, g->parent_first, (size_t)g->n_tasks * sizeof(*g->parent_first));
    g->parent_first[0] = 0;
}

void graph_expect_functions(struct graph *g)
{
    g->expects_functions = true;
    graph_know_parents(g);
}

/* Is every task added after its parents? Children are ascending, so the first one tells. */
static bool is_ordered_already(const struct graph *g)
{
    for (task_id t = 0; t < g->n_tasks; t++)
        if (g->child_first[t] < g->child_first[t + 1] && g->children[g->child_first[t]] <= t)
            return false;
    return true;
}

/* Kahn's algorithm: `order` is its queue. Returns how many tasks come before every cycle. */
static uint32_t order_tasks(const struct graph *g, task_id *order)
{
    uint32_t *n_missing;
    uint32_t n_ordered = 0;

    if (is_ordered_already(g)) {
        for (task_id t = 0; t < g->n_tasks; t++)
            order[t] = t;
        return g->n_tasks;
    }
    n_missing = xmalloc(g->n_tasks * sizeof(*n_missing));
    for (task_id t = 0; t < g->n_tasks; t++) {
        n_missing[t] = g->n_parents[t];
        if (n_missing[t] == 0)
            order[n_ordered++] = t;
    }
    for (uint32_t i = 0; i < n_ordered; i++) {
        for (uint64_t c = g->child_first[order[i]]; c < g->child_first[order[i] + 1]; c++)
            if (--n_missing[g->children[c]] == 0)
                order[n_ordered++] = g->children[c];
        for (uint32_t l = graph_first_link(g, order[i]); l != LINK_NONE; l = graph_next_link(g, order[i], l))
            if (--n_missing[g->links[l].child] == 0)
                order[n_ordered++] = g->links[l].child;
    }
    free(n_missing);
    return n_ordered;
}

/* A task on a cycle. Every task that Kahn's algorithm left has a parent that it left too; who goes from
 * parent to parent often enough walks round a cycle at last. */
static task_id find_task_on_cycle(const struct graph *g, const task_id *order, uint32_t n_ordered)
{
    task_id *a_parent = xmalloc(g->n_tasks * sizeof(*a_parent));
    bool *is_ordered = xcalloc(g->n_tasks, sizeof(*is_ordered));
    task_id t = 0;

    for (uint32_t i = 0; i < n_ordered; i++)
        is_ordered[order[i]] = true;
    for (task_id parent = 0; parent < g->n_tasks; parent++) {
        if (is_ordered[parent])
            continue;
        for (uint64_t c = g->child_first[parent]; c < g->child_first[parent + 1]; c++)
            a_parent[g->children[c]] = parent;
        t = parent;
    }
    for (uint32_t steps = 0; steps < g->n_tasks; steps++)
        t = a_parent[t];
    free(a_parent);
    free(is_ordered);
    return t;
}

/* Breadth first from `start` until it is met again. `cycle` receives start, ..., last; `n_tasks` fit. */
static uint32_t find_shortest_cycle(const struct graph *g, task_id start, task_id *cycle)
{
    task_id *came_from = xmalloc(g->n_tasks * sizeof(*came_from));
    task_id *queue = cycle;
    uint32_t n_queued = 1;
    uint32_t n_on_cycle = 0;
    task_id last = TASK_NONE;

    for (task_id t = 0; t < g->n_tasks; t++)
        came_from[t] = TASK_NONE;
    queue[0] = start;
    for (uint32_t i = 0; last == TASK_NONE; i++) {
        for (uint64_t c = g->child_first[queue[i]]; c < g->child_first[queue[i] + 1]; c++) {
            task_id child = g->children[c];

            if (child == start) {
                last = queue[i];
                break;
            }
            if (came_from[child] == TASK_NONE) {
                came_from[child] = queue[i];
                queue[n_queued++] = child;
            }
        }
    }
    for (task_id t = last; t != start; t = came_from[t])
        n_on_cycle++;
    for (task_id t = last, at = n_on_cycle; at > 0; t = came_from[t])
        cycle[at--] = t;
    cycle[0] = start;
    free(came_from);
    return n_on_cycle + 1;
}

/* Drops joins, which have no name: their children wait for their parents. Starts with the task that was
 * added first. Returns how many remain. */
static uint32_t tidy_cycle(const struct graph *g, task_id *cycle, uint32_t n_on_cycle)
{
    uint32_t n_named = 0;
    uint32_t first = 0;
    task_id *turned;

    for (uint32_t i = 0; i < n_on_cycle; i++)
        if (g->tasks[cycle[i]].id != NULL)
            cycle[n_named++] = cycle[i];
    for (uint32_t i = 0; i < n_named; i++)
        if (cycle[i] < cycle[first])
            first = i;
    turned = xmalloc(n_named * sizeof(*turned));
    for (uint32_t i = 0; i < n_named; i++)
        turned[i] = cycle[(first + i) % n_named];
    memcpy(cycle, turned, n_named * sizeof(*cycle));
    free(turned);
    return n_named;
}

static int report_cycle(const struct graph *g, task_id *cycle, uint32_t n_on_cycle,
                        struct ganger_error *err)
{
    uint32_t n_named = tidy_cycle(g, cycle, n_on_cycle);
    const char **ids = xmalloc(((size_t)n_named + 1) * sizeof(*ids));
    struct buffer text = BUFFER_EMPTY;

    for (uint32_t i = 0; i < n_named; i++)
        ids[i] = g->tasks[cycle[i]].id;
    cycle_describe(&text, ids, n_named);
    error_set(err, ERROR_USAGE,
              "the tasks wait for each other in a cycle, so that none of them could ever start "
              "(a -> b: b waits for a): %s; remove one of these dependencies",
              text.bytes);
    buffer_release(&text);
    free(ids);
    return -1;
}

static void drop_index(struct graph *g)
{
    free(g->child_first);
    free(g->children);
    free(g->conditions);
    free(g->n_parents);
    g->child_first = NULL;
    g->children = NULL;
    g->conditions = NULL;
    g->n_parents = NULL;
}

static void drop_draft(struct graph *g)
{
    free(g->edges);
    g->edges = NULL;
    g->edges_capacity = 0;
    g->n_edges = g->child_first[g->n_tasks];
    g->children = xrealloc(g->children, g->n_edges * sizeof(*g->children));
    g->tasks = xrealloc(g->tasks, g->n_tasks * sizeof(*g->tasks));
    g->tasks_capacity = g->n_tasks;
}

int graph_seal(struct graph *g, struct ganger_error *err)
{
    task_id *order = xmalloc(g->n_tasks * sizeof(*order));
    uint32_t n_ordered;
    int status = 0;

    assert(!g->is_sealed);
    index_edges(g);
    drop_duplicate_edges(g);
    unpack_conditions(g);
    count_parents(g);
    n_ordered = order_tasks(g, order);
    if (n_ordered < g->n_tasks) {
        task_id start = find_task_on_cycle(g, order, n_ordered);

        status = report_cycle(g, order, find_shortest_cycle(g, start, order), err);
        drop_index(g);
    } else {
        if (graph_has_functions(g))
            index_parents(g);
        drop_draft(g);
        g->is_sealed = true;
        g->n_sealed = g->n_tasks;
    }
    free(order);
    return status;
}

/* It stands at its old place or before it: never where one that is still to come stands. */
static task_id add_again(struct graph *g, task_id old)
{
    struct task task = g->tasks[old];

    return graph_add_task(g, &task);
}

void graph_reopen(struct graph *g, const bool *kept, task_id *numbers)
{
    uint32_t n_tasks = g->n_tasks, n_before = g->n_tasks - g->n_joins;

    assert(g->is_sealed);
    drop_index(g);
    free(g->parent_first);
    free(g->parents);
    free(g->links);
    free(g->last_link);
    g->parent_first = NULL;
    g->parents = NULL;
    g->links = NULL;
    g->last_link = NULL;
    g->n_links = 0;
    g->links_capacity = g->rows_capacity = g->parents_capacity = 0;
    name_index_release(&g->index);
    g->n_tasks = g->n_joins = 0;
    g->n_edges = 0;
    g->has_conditions = g->is_sealed = false;
    for (task_id t = 0; t < n_tasks; t++)
        numbers[t] = kept[t] && !task_is_join(&g->tasks[t]) ? add_again(g, t) : TASK_NONE;
    g->is_part |= g->n_tasks < n_before;
}

/* ---- appending ---- */

/* Room for one more task in the arrays that are indexed by tasks; two of them have an element more. */
static void grow_rows(struct graph *g)
{
    size_t n = (size_t)g->n_tasks + 2, capacity = 2 * n;

    if (n <= g->rows_capacity)
        return;
    g->child_first = xrealloc(g->child_first, capacity * sizeof(*g->child_first));
    g->n_parents = xrealloc(g->n_parents, capacity * sizeof(*g->n_parents));
    g->parent_first = xrealloc(g->parent_first, capacity * sizeof(*g->parent_first));
    g->last_link = xrealloc(g->last_link, capacity * sizeof(*g->last_link));
    if (g->rows_capacity == 0) {
        memset(g->last_link, 0xff, g->n_tasks * sizeof(*g->last_link));
        g->parents_capacity = g->parent_first[g->n_tasks];
    }
    g->rows_capacity = capacity;
}

static void append_link(struct graph *g, const struct graph_need *need, task_id child)
{
    uint32_t *last = &g->last_link[need->parent], next = *last != LINK_NONE ? g->links[*last].next : g->n_links;

    g->links = xgrow(g->links, g->n_links, &g->links_capacity, sizeof(*g->links));
    g->links[g->n_links] = (struct graph_link){need->parent, child, need->on, next};
    if (*last != LINK_NONE)
        g->links[*last].next = g->n_links;
    *last = g->n_links++;
    g->n_edges++;
    g->n_parents[child]++;
}

/* Has the task that was appended last a need of this parent already? Then the parent's last link is to it. */
static bool needs_already(const struct graph *g, task_id parent, task_id task)
{
    return g->last_link[parent] != LINK_NONE && g->links[g->last_link[parent]].child == task;
}

/* Was the very same said before? Rarely asked. */
static bool is_said_before(const struct graph_need *needs, uint32_t i)
{
    for (uint32_t before = 0; before < i; before++)
        if (needs[before].parent == needs[i].parent && needs[before].on == needs[i].on)
            return true;
    return false;
}

static void append_needs(struct graph *g, task_id task, const struct graph_need *needs, uint32_t n_needs)
{
    uint64_t n = g->parent_first[task];

    for (uint32_t i = 0; i < n_needs; i++) {
        bool is_known = needs_already(g, needs[i].parent, task);

        assert(needs[i].parent < task);
        if (is_known && is_said_before(needs, i))
            continue;
        append_link(g, &needs[i], task);
        g->has_conditions |= needs[i].on != ON_OK;
        if (is_known || needs[i].is_order_only)
            continue;
        g->parents = xgrow(g->parents, n, &g->parents_capacity, sizeof(*g->parents));
        g->parents[n++] = needs[i].parent;
    }
    g->parent_first[task + 1] = n;
}

task_id graph_append(struct graph *g, const struct task *task, const struct graph_need *needs, uint32_t n_needs)
{
    task_id number;

    assert(g->is_sealed && g->parent_first != NULL && !task_is_join(task));
    grow_rows(g);
    g->is_sealed = false;
    number = graph_add_task(g, task);
    g->is_sealed = true;
    if (number == TASK_NONE)
        return TASK_NONE;
    g->child_first[number + 1] = g->child_first[number];
    g->n_parents[number] = 0;
    g->last_link[number] = LINK_NONE;
    append_needs(g, number, needs, n_needs);
    return number;
}

/* A task's children: those it had, then those that were appended, whose numbers are larger. Returns where they end. */
static uint64_t copy_children(const struct graph *g, task_id task, uint64_t at, task_id *children, uint8_t *conditions)
{
    for (uint64_t c = g->child_first[task]; c < g->child_first[task + 1]; c++, at++) {
        children[at] = g->children[c];
        if (conditions != NULL)
            conditions[at] = (uint8_t)graph_condition_at(g, c);
    }
    for (uint32_t l = graph_first_link(g, task); l != LINK_NONE; l = graph_next_link(g, task, l), at++) {
        children[at] = g->links[l].child;
        if (conditions != NULL)
            conditions[at] = (uint8_t)g->links[l].condition;
    }
    return at;
}

void graph_compact(struct graph *g)
{
    task_id *children;
    uint8_t *conditions;
    uint64_t n = 0;

    if (g->n_links == 0)
        return;
    children = xmalloc(g->n_edges * sizeof(*children));
    conditions = g->has_conditions ? xmalloc(g->n_edges * sizeof(*conditions)) : NULL;
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint64_t first = n;

        n = copy_children(g, t, n, children, conditions);
        g->child_first[t] = first;
    }
    g->child_first[g->n_tasks] = n;
    free(g->children);
    free(g->conditions);
    g->children = children;
    g->conditions = conditions;
    memset(g->last_link, 0xff, g->n_tasks * sizeof(*g->last_link));
    g->n_links = 0;
}

void graph_order_tasks(const struct graph *g, task_id *order)
{
    uint32_t n_ordered;

    assert(g->is_sealed);
    n_ordered = order_tasks(g, order);
    assert(n_ordered == g->n_tasks);
    (void)n_ordered;
}

task_id *graph_topological_order(const struct graph *g)
{
    task_id *order = xmalloc(g->n_tasks * sizeof(*order));

    graph_order_tasks(g, order);
    return order;
}

void graph_b_levels_along(const struct graph *g, const task_id *order, const float *cost_s, float *b_level_s)
{
    for (uint32_t i = g->n_tasks; i-- > 0;) {
        task_id t = order[i];
        float longest = 0;

        for (uint64_t c = g->child_first[t]; c < g->child_first[t + 1]; c++)
            if (b_level_s[g->children[c]] > longest)
                longest = b_level_s[g->children[c]];
        for (uint32_t l = graph_first_link(g, t); l != LINK_NONE; l = graph_next_link(g, t, l))
            if (b_level_s[g->links[l].child] > longest)
                longest = b_level_s[g->links[l].child];
        b_level_s[t] = longest + (task_is_join(&g->tasks[t]) ? 0 : cost_s[t]);
    }
}

void graph_b_levels(const struct graph *g, const float *cost_s, float *b_level_s)
{
    task_id *order = graph_topological_order(g);

    graph_b_levels_along(g, order, cost_s, b_level_s);
    free(order);
}

/* A task's level is the largest number of tasks on a path to it. */
static void measure_levels(const struct graph *g, const task_id *order, struct graph_shape *shape)
{
    uint32_t *level = xcalloc(g->n_tasks, sizeof(*level));
    uint32_t *n_at = xcalloc(g->n_tasks, sizeof(*n_at));

    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = order[i];
        uint32_t below = level[t];

        if (!task_is_join(&g->tasks[t])) {
            below++;
            if (++n_at[level[t]] > shape->width)
                shape->width = n_at[level[t]];
            if (below > shape->n_levels)
                shape->n_levels = below;
        }
        for (uint64_t c = g->child_first[t]; c < g->child_first[t + 1]; c++)
            if (level[g->children[c]] < below)
                level[g->children[c]] = below;
    }
    free(level);
    free(n_at);
}

static double expected_cost_s(const struct task *task)
{
    if (task_is_join(task))
        return 0;
    return task->cost_s > 0 ? (double)task->cost_s : 1;
}

static void measure_path(const struct graph *g, const task_id *order, struct graph_shape *shape)
{
    double *length_s = xcalloc(g->n_tasks, sizeof(*length_s));
    uint32_t *n_on = xcalloc(g->n_tasks, sizeof(*n_on));

    for (uint32_t i = g->n_tasks; i-- > 0;) {
        task_id t = order[i];

        for (uint64_t c = g->child_first[t]; c < g->child_first[t + 1]; c++) {
            task_id child = g->children[c];

            if (length_s[child] > length_s[t]) {
                length_s[t] = length_s[child];
                n_on[t] = n_on[child];
            }
        }
        length_s[t] += expected_cost_s(&g->tasks[t]);
        n_on[t] += !task_is_join(&g->tasks[t]);
        if (length_s[t] > shape->critical_path_s) {
            shape->critical_path_s = length_s[t];
            shape->n_on_path = n_on[t];
        }
    }
    free(length_s);
    free(n_on);
}

void graph_measure(const struct graph *g, struct graph_shape *shape)
{
    task_id *order = graph_topological_order(g);

    *shape = (struct graph_shape){.n_tasks = g->n_tasks - g->n_joins, .n_edges = g->n_edges};
    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task *task = &g->tasks[t];

        shape->n_without_cost += !task_is_join(task) && task->cost_s == 0;
        shape->area_s += expected_cost_s(task) * g->resources[task->resource_class].cores;
    }
    measure_levels(g, order, shape);
    measure_path(g, order, shape);
    free(order);
}
