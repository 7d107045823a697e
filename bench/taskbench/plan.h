/* plan: all tasks of one graph, with what each reads and who reads it, looked up in constant time.
 *
 * Every implementation works from the same plan, made before its clock starts, so that none pays for the
 * arithmetic of the pattern. Tasks are numbered step by step, column by column. Pure, like pattern. */
#ifndef GANGER_TASKBENCH_PLAN_H
#define GANGER_TASKBENCH_PLAN_H

#include "taskbench/pattern.h"

#include <stddef.h>

/* A list of lists: what belongs to i is items[start[i]] up to items[start[i + 1]]. */
struct plan_lists
{
    size_t *start;
    int *items;
};

struct plan
{
    struct pattern pattern;
    size_t n_tasks;
    size_t *first_task;       /* by step, and n_tasks behind the last */
    int *first_column;        /* by step */
    struct plan_lists inputs; /* by task: columns of the step before */
    struct plan_lists outputs; /* by task: columns of the step after */
};

/* Copies the pattern. To be released by plan_release. */
void plan_init(struct plan *plan, const struct pattern *pattern);
void plan_release(struct plan *plan);

/* How many columns a step has; they begin at *first. */
int plan_step_width(const struct plan *plan, int step, int *first);

/* Is there such a task? */
bool plan_has(const struct plan *plan, int step, int column);

/* The number of a task that is there. */
size_t plan_task(const struct plan *plan, int step, int column);

/* Borrowed columns of the step before (of the step after), ascending; *n of them. */
const int *plan_inputs(const struct plan *plan, int step, int column, int *n);
const int *plan_outputs(const struct plan *plan, int step, int column, int *n);

#endif
