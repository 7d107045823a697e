/* results: what functions returned, as long as somebody may ask for it.
 *
 * A result waits here for the tasks that depend on its task, and is dropped when the last of them has ended for good,
 * unless the task says that it is to be kept: tasks that are added later may ask for it. What nothing depends on is
 * kept for the program that asks at the end, if it does. A dependency through a join (a wildcard) counts like any
 * other. */
#ifndef GANGER_CORE_RESULTS_H
#define GANGER_CORE_RESULTS_H

#include "core/graph.h"

struct result
{
    _Alignas(16) size_t n;
    _Alignas(16) char bytes[]; /* and a NUL */
};

struct results
{
    const struct graph *graph;
    struct result **of_task; /* NULL: no task has one yet */
    struct result *empty;    /* that of all which returned no bytes */
    uint32_t *n_waiting;     /* tasks and joins that depend on each, and have not ended */
    size_t capacity;         /* of both */
    bool keeps_last;         /* what nothing depends on */
};

/* Borrows the sealed graph, which has functions. O(tasks + edges). */
void results_init(struct results *r, const struct graph *g, bool keeps_last);
void results_release(struct results *r);

/* A task was appended to the graph. Before what it waits for, if that runs, is said to have ended. */
void results_append(struct results *r, task_id task);

/* Its function returned this: copied, if anybody may ask for it. */
void results_put(struct results *r, task_id task, const void *bytes, size_t n);

/* As if it had never been put. */
void results_forget(struct results *r, task_id task);

/* NULL: there is none, or it was dropped. Borrowed until somebody puts, forgets, or says that a task ended. */
const struct result *results_of(const struct results *r, task_id task);

/* The task ended and will not run again: what it waited for may be dropped. Once for each task. */
void results_note_end(struct results *r, task_id task);

/* The task's dependencies in declared order, those of a join where it stands: called for each. */
typedef void results_visitor(void *data, task_id parent, const struct result *result);
void results_visit(const struct results *r, task_id task, results_visitor *visit, void *data);

/* How many there are. */
uint32_t results_count_dependencies(const struct graph *g, task_id task);

#endif
