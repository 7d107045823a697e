/* makespan: how long a run takes if nothing but its tasks takes time. At least, whatever the scheduler; and
 * with ganger's own scheduler.
 *
 * Pure: a graph, what each task costs, and the nodes it would have. Every task is taken to end well after its
 * cost: what would run only if another failed is left out, as is what fits no node. Joins cost nothing. */
#ifndef GANGER_CORE_MAKESPAN_H
#define GANGER_CORE_MAKESPAN_H

#include "core/graph.h"

#include <stdbool.h>
#include <stdint.h>

#define MAKESPAN_NOT_COUNTED UINT32_MAX

/* So many nodes of a kind. */
struct makespan_node
{
    uint32_t n;            /* at least 1 */
    uint32_t cores;        /* of each; 1 to 65535 */
    uint64_t memory_bytes; /* 0: not counted */
    uint32_t gpus;         /* MAKESPAN_NOT_COUNTED: as many as anybody wants */
};

struct makespan_site
{
    const struct makespan_node *kinds;
    uint32_t n_kinds; /* at least 1 */
};

uint64_t makespan_n_cores(const struct makespan_site *site);

/* Could an empty node of the site run a task that asks for this? The budgets of queues and of the run are not
 * looked at: what exceeds them is refused when the workflow is read. */
bool makespan_fits(const struct graph *g, const struct makespan_site *site, const struct task_resources *r);

/* The stated costs, 1 s where none is stated; the caller frees them. */
float *makespan_stated_costs(const struct graph *g);

/* What a run cannot be faster than. */
enum makespan_limit
{
    LIMIT_PATH, /* a chain of tasks, one after the other */
    LIMIT_CORES,
    LIMIT_MEMORY,
    LIMIT_GPUS,
    LIMIT_QUEUE, /* the tokens of queue `which` */
    LIMIT_NAMED, /* the named resource `which` */
};

struct makespan_bound
{
    double s;
    enum makespan_limit limit; /* what it comes from */
    uint32_t which;
};

/* The longest path, and for each resource its work (what tasks take x how long) by its capacity. O(tasks + edges). */
void makespan_bound_quickly(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                            struct makespan_bound *bound);

/* The same and, for each resource, the strongest of these, where a task's head is the longest path before it
 * and its tail the longest path behind it:
 *
 * - a + b + work(J) / capacity, J being the tasks with a head of at least a and a tail of at least b, for all a and b:
 *   no task of J runs before a, and when the last has ended, b is still to come (Fernandez and Bussell, IEEE
 *   Trans. Comp. 22, 1973, in the form that needs no deadlines);
 * - (work(J) + heads + tails) / capacity, J being the tasks with at least that tail (or head): each unit of the
 *   resource is idle before its first task of J and behind its last (Carlier, EJOR 29, 1987);
 * - both with work counted by dual feasible functions of what a task takes of its node's cores and memory: two
 *   tasks that need more than half of a node are never on it together (Fekete and Schepers, Math. Program. 91, 2001).
 *
 * O(n log n) for the tasks that use the resource. */
void makespan_bound_well(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                         struct makespan_bound *bound);

/* What the scheduler (sched.h) makes of it. */
struct makespan_simulation
{
    double s;          /* the end of the last task */
    double busy_s;     /* cores x time */
    uint32_t n_run;    /* tasks */
    uint32_t n_misfit; /* tasks that no node can hold: taken to be done before the run begins */
    uint32_t n_stuck;  /* of the others, those that never became ready: not needed, since all goes well */
};

/* Runs the scheduler on a clock of its own; messages and processes take no time. `start_s` (n_tasks elements, or
 * NULL) is when each task started; NAN: it did not. About a microsecond for each task. */
void makespan_simulate(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                       struct makespan_simulation *out, float *start_s);

#endif
