/* graph: the tasks of a run and what depends on what.
 *
 * A graph is drafted (tasks and dependencies are added in any order) and then sealed: dependencies
 * become index ranges, duplicates count once, a cycle is refused. It knows nothing of running.
 *
 * Tasks may be appended to a sealed graph. They wait for tasks that are there, so that no cycle can arise, and
 * nothing that was there waits for them. What a new task waits for stands behind what all others do, in `parents`; the
 * children of an old one do not lie together any more, so those that were appended are linked: who walks over the
 * children of a task of a graph that may have grown takes first the index range, then the links. */
#ifndef GANGER_CORE_GRAPH_H
#define GANGER_CORE_GRAPH_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/intern.h"
#include "base/name_index.h"
#include "core/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* When a dependency is met: the words of the batch systems' afterok, afterany, afternotok. */
enum graph_condition
{
    ON_OK,    /* the parent ended well, or failed and may */
    ON_ANY,   /* it ended, or will not run */
    ON_NOTOK, /* it failed, or was skipped for a failure */
};

struct graph_edge
{
    task_id parent;
    task_id child; /* and the condition, in the upper two bits */
};

/* What an appended task waits for. Those of one task lie together. */
struct graph_link
{
    task_id parent;
    task_id child;
    uint32_t condition; /* enum graph_condition */
    uint32_t next;      /* of the same parent, as a place in `links`; of the last one: the first */
};

#define LINK_NONE UINT32_MAX

/* What an appended task waits for. */
struct graph_need
{
    task_id parent;
    enum graph_condition on;
    bool is_order_only; /* its result is not asked for: it does not stand in `parents` */
};

/* Tasks of a queue take tokens of its budget while they run. */
struct graph_queue
{
    const char *name;
    uint32_t tokens; /* UINT32_MAX: no budget */
    bool is_strict;  /* in the order of priority and readiness alone; a head that does not fit blocks it */
};

/* Something that tasks take by number: a licence of the run, or a part of each node. */
struct graph_named
{
    const char *name;
    uint32_t n;
    bool is_per_node;
};

struct graph
{
    uint32_t n_tasks; /* joins included */
    uint32_t n_sealed; /* of them, when it was sealed: those after that were appended */
    uint32_t n_joins;
    struct task *tasks;

    uint64_t n_edges;      /* after sealing: distinct ones */
    uint64_t *child_first; /* children of t: children[child_first[t]] up to children[child_first[t + 1]] */
    task_id *children;     /* ascending for each parent; one that waits on two conditions stands there twice */
    uint8_t *conditions;   /* enum graph_condition of each of `children`; NULL: all are ON_OK */
    uint32_t *n_parents;   /* distinct edges to each task */
    uint64_t *parent_first; /* parents of t: parents[parent_first[t]] up to parents[parent_first[t + 1]]; NULL: there */
    task_id *parents;       /* is no function. In the order in which they were declared, each once */
    struct graph_link *links; /* children that were appended */
    uint32_t n_links;
    uint32_t *last_link;    /* by task: its last one, or LINK_NONE; NULL: no task was appended */
    bool expects_functions;
    bool is_sealed;
    bool is_part;        /* tasks were taken out of it that the document has */
    bool ids_are_places; /* ids number the lines of a list: a line is recognised by its digest (equal ones
                            are interchangeable), wherever it stands now, and not by its id */

    struct task_resources *resources; /* by resource class; class 0 is one core and nothing else */
    uint32_t n_resources;
    struct task_policy *policies; /* policy 0: no priority, no retry, no timeout */
    uint32_t n_policies;
    const char **programs; /* names; program 0 has none */
    uint32_t n_programs;
    const char **functions; /* names; function 0 has none: a command */
    uint32_t n_functions;
    struct graph_queue *queues; /* queue 0 has no name, no budget, and is not strict */
    uint32_t n_queues;
    struct graph_named *named;
    uint32_t n_named;
    const struct task *setup;    /* runs on each node before any task does; NULL: nothing */
    const struct task *teardown; /* runs on each node when no task will any more; NULL: nothing */

    struct arena text; /* owns ids, argv, settings, files, names */

    /* the draft */
    struct graph_edge *edges; /* NULL after sealing */
    size_t edges_capacity;
    bool has_conditions;
    size_t tasks_capacity;
    size_t resources_capacity;
    size_t policies_capacity;
    size_t programs_capacity;
    size_t functions_capacity;
    size_t queues_capacity;
    size_t named_capacity;
    size_t rows_capacity; /* of the arrays by task; 0: as many as were sealed */
    size_t parents_capacity;
    size_t links_capacity;
    struct name_index index;
    struct name_index program_index;
    struct intern_table resource_table;
    struct intern_table policy_table;
};

struct graph *graph_new(void);
void graph_free(struct graph *g); /* takes NULL */

/* Adds a task. What it points to must live in `g->text`. Returns TASK_NONE, and adds nothing, when the
 * id is taken. An id of NULL is a join without a name: it is never found and never duplicate. */
task_id graph_add_task(struct graph *g, const struct task *task);

/* TASK_NONE when there is no such task. */
task_id graph_find(const struct graph *g, const char *id, size_t n_bytes);

/* `child` waits for `parent`. Saying it twice is saying it once; with two conditions both must be met. */
void graph_add_dependency(struct graph *g, task_id parent, task_id child);
void graph_add_condition(struct graph *g, task_id parent, task_id child, enum graph_condition on);

/* The i-th of the n_edges dependencies of a draft: its parent and its child. */
struct graph_edge graph_drafted_edge(const struct graph *g, uint64_t i, enum graph_condition *on);

/* The class of equal requests; `amounts` are copied. So that classes stay few, memory is rounded up (to 1/8
 * of its power of two) once there are many; before, a request for all memory of a node must not become
 * larger. O(1). */
uint32_t graph_intern_resources(struct graph *g, const struct task_resources *resources);

/* So much memory as it is rounded up then. */
uint64_t graph_round_memory(uint64_t bytes);

uint32_t graph_intern_policy(struct graph *g, const struct task_policy *policy);
uint32_t graph_intern_program(struct graph *g, const char *name, size_t n_bytes);

/* Few: they are looked up one by one. UINT16_MAX: there are too many. */
uint16_t graph_intern_function(struct graph *g, const char *name, size_t n_bytes);

/* Their numbers; UINT32_MAX when the name is taken. Few: they are looked up one by one. */
uint32_t graph_add_queue(struct graph *g, const struct graph_queue *queue);
uint32_t graph_add_named(struct graph *g, const struct graph_named *named);
uint32_t graph_find_queue(const struct graph *g, const char *name); /* UINT32_MAX: there is none */
uint32_t graph_find_named(const struct graph *g, const char *name);

/* "2 cores, 1 GPU and 4.0 GiB of memory", for people; ended by a NUL that is not counted. */
void graph_describe_resources(const struct graph *g, const struct task_resources *r, struct buffer *text);

/* O(tasks + edges). Fails on a cycle, with a shortest one through one of its tasks in the message
 * ("a -> b -> a"), leaving the draft as it was. */
int graph_seal(struct graph *g, struct ganger_error *err);

/* Everything below needs a sealed graph. */

/* Makes a draft of it again, which has the tasks that are `kept` (n_tasks elements) in the order in which they stand,
 * and no joins and dependencies. numbers[t], n_tasks elements: what task t has become, or TASK_NONE. */
void graph_reopen(struct graph *g, const bool *kept, task_id *numbers);

/* Adds a task to a graph that had functions when it was sealed; what it points to must live in `g->text`. It waits for
 * `needs`, of which those said twice count once; it must not be a join. Returns TASK_NONE, and adds nothing, when the
 * id is taken. O(needs^2) for the few that one task waits for. Arrays of the graph move: pointers into them that
 * somebody keeps are void. */
task_id graph_append(struct graph *g, const struct task *task, const struct graph_need *needs, uint32_t n_needs);

/* Puts the children that were appended among the others, as if all had been sealed at once: for who is to walk over
 * index ranges alone. Not while a scheduler uses the graph. O(tasks + edges), and nothing when there are none. */
void graph_compact(struct graph *g);

struct graph_shape
{
    uint32_t n_tasks; /* without joins */
    uint64_t n_edges; /* as the scheduler sees them: those of joins included */
    uint32_t n_levels;
    uint32_t width;          /* tasks of the fullest level */
    double critical_path_s;  /* the longest path, by cost; 1 s where none is stated */
    uint32_t n_on_path;      /* tasks on it */
    double area_s;           /* sum of cost x cores */
    uint32_t n_without_cost; /* tasks whose cost is not stated */
};

void graph_measure(const struct graph *g, struct graph_shape *shape);

/* b-level: for each task the longest path from its start to the end of the run, in seconds. `cost_s[t]`
 * is its expected run time. Both have n_tasks elements. O(tasks + edges). (Kahn's order, backwards.) */
void graph_b_levels(const struct graph *g, const float *cost_s, float *b_level_s);

/* Of a sealed graph: its tasks' parents are known, also if it has no functions; then in the order of the tasks. */
void graph_know_parents(struct graph *g);

/* The same; and functions may be appended, whether it has some or not. */
void graph_expect_functions(struct graph *g);

/* The same for who asks again and keeps an order in which parents come first. */
void graph_b_levels_along(const struct graph *g, const task_id *order, const float *cost_s, float *b_level_s);

/* Tasks in an order in which parents come first, into `order`, n_tasks elements. */
void graph_order_tasks(const struct graph *g, task_id *order);

/* The same; the caller frees it. */
task_id *graph_topological_order(const struct graph *g);

/* The condition of the edge that stands at `i` in `children`. */
static inline enum graph_condition graph_condition_at(const struct graph *g, uint64_t i)
{
    return g->conditions == NULL ? ON_OK : (enum graph_condition)g->conditions[i];
}

/* The children that were appended to a task, in the order in which they were: for (l = graph_first_link(g, t);
 * l != LINK_NONE; l = graph_next_link(g, t, l)). */
static inline uint32_t graph_first_link(const struct graph *g, task_id task)
{
    return g->last_link == NULL || g->last_link[task] == LINK_NONE ? LINK_NONE : g->links[g->last_link[task]].next;
}

static inline uint32_t graph_next_link(const struct graph *g, task_id task, uint32_t link)
{
    return link == g->last_link[task] ? LINK_NONE : g->links[link].next;
}

/* Does anything wait for it? */
static inline bool graph_has_children(const struct graph *g, task_id task)
{
    return g->child_first[task] < g->child_first[task + 1] || graph_first_link(g, task) != LINK_NONE;
}

static inline bool task_is_join(const struct task *task)
{
    return task->n_argv == 0;
}

/* Of a task that is a function: of its name and payload. */
uint64_t task_digest_of_call(const char *function, const void *payload, size_t n_bytes);

/* How long its id is, which is not NULL. */
static inline size_t task_n_id_bytes(const struct task *task)
{
    return task->n_id_bytes < 255 ? task->n_id_bytes : strlen(task->id);
}

static inline bool task_is_call(const struct task *task)
{
    return task->function != 0;
}

/* Or it may get some: see graph_expect_functions. */
static inline bool graph_has_functions(const struct graph *g)
{
    return g->n_functions > 1 || g->expects_functions;
}

#endif
