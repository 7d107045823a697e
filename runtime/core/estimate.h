/* estimate: how long tasks will take, and what that means for their order.
 *
 * A task takes its stated cost, else the mean of the tasks of its program that are done, else nobody knows, and it
 * counts as a second. From that follow the b-levels: the longest path from a task's start to the end of the
 * run, by which a list scheduler comes close to the best makespan (T. L. Adam, K. M. Chandy, J. R. Dickson, "A
 * comparison of list schedules for parallel processing systems", CACM 17(12), 1974). They are computed anew when the
 * number of done tasks has doubled, unless what was learned since cannot change the order or is too little to
 * matter; so the whole run spends O((tasks + edges) log tasks) on them, and mostly O(tasks + edges). */
#ifndef GANGER_CORE_ESTIMATE_H
#define GANGER_CORE_ESTIMATE_H

#include "core/graph.h"

#include <math.h>
#include <stdbool.h>

struct estimate_program
{
    uint32_t n_done;
    float assumed_s; /* the mean that the b-levels rest on */
    double sum_s;
    double recent_s; /* running mean, which forgets */
    double sum_square_s2;
    uint32_t n_left; /* of its tasks whose cost is not stated: those that have not ended */
};

struct estimate
{
    const struct graph *graph;
    float *b_level_s; /* by task */
    task_id *order;   /* parents first; NULL: the b-levels never change */
    struct estimate_program *programs;
    uint32_t n_programs;
    size_t capacity;  /* of the arrays by task; 0: as many as the graph had tasks at first */
    bool has_costs;   /* some task states one */
    float *cut_s;     /* by task: what it needs at least, having been cut off; NULL: none was */
    uint32_t n_done;
    uint32_t n_done_next; /* at which the b-levels are looked at again */
};

/* Borrows the sealed graph. O(tasks + edges). */
void estimate_init(struct estimate *e, const struct graph *g);
void estimate_release(struct estimate *e);

/* A task was appended to the graph: its b-level is what it takes itself. Those of what it waits for rise when all are
 * computed anew; until then what is ready is as urgent as it was. `b_level_s` may move. Mostly O(1). */
void estimate_append(struct estimate *e, task_id task);

/* A task is done, after so long. True: b-levels have changed. */
bool estimate_learn(struct estimate *e, task_id task, double run_s);

/* It has ended, or will not run: how long it would take matters no more. */
void estimate_forget(struct estimate *e, task_id task);

/* Its cost, else the mean of its program, else NAN. */
double estimate_run_s(const struct estimate *e, task_id task);

/* The task was cut off when it had run so long: it needs longer than that. One that states an `end_signal` may have
 * saved what it had by then, and is not judged by it. */
void estimate_note_cut(struct estimate *e, task_id task, double run_s);

/* How long before the end of its node the task must begin, so that it probably ends by itself:
 *  - its cost; else the mean of the done tasks of its program and twice their standard deviation, at least 1.1 times
 *    the mean, and 1.5 times while fewer than 3 are done; else its timeout; else nothing: it may be cut off;
 *  - never more than its timeout, which ends it;
 *  - at least 1.1 times what it had run when it was cut off: another job of the same length would not do, either.
 * A task with an `end_signal` can use whatever it gets, and needs the time between that signal and TERM. */
double estimate_need_s(const struct estimate *e, task_id task);

/* Did what was learned of a task's program last make it likely that the others need less than they were taken to? */
bool estimate_is_news(const struct estimate *e, task_id task);

/* The running mean of its program; NAN: none is done. */
static inline double estimate_recent_s(const struct estimate *e, task_id task)
{
    const struct estimate_program *p = &e->programs[e->graph->tasks[task].program];

    return p->n_done > 0 ? p->recent_s : (double)NAN;
}

/* Are the tasks of its program known to be shorter than so many seconds, of late? */
static inline bool estimate_is_below(const struct estimate *e, task_id task, double limit_s)
{
    return estimate_recent_s(e, task) < limit_s;
}

#endif
