/* idle: why cores had nothing to do, from what is known when a run is over: when each task ran, and what
 * depends on what. Pure.
 *
 * A task was ready when the last of its parents had ended. The makespan is cut into slices; in each, the core
 * time that was idle is compared with what ready tasks could have used. What exceeds that is lack of ready
 * tasks; the rest is put down to what the waiting tasks ask for. It is an estimate: within a slice
 * only the means are known. O(tasks + edges). */
#ifndef GANGER_CORE_IDLE_H
#define GANGER_CORE_IDLE_H

#include "core/graph.h"

#include <stdint.h>

enum idle_reason
{
    IDLE_NOTHING_READY, /* all that was left waited for tasks that ran */
    IDLE_TAIL,          /* all had started: the last ones ran */
    IDLE_MEMORY,        /* what was ready did not fit: not enough memory, … */
    IDLE_GPUS,
    IDLE_TOKENS,        /* of a queue, or of a named resource */
    IDLE_WIDE,          /* not enough cores of one node for a task of several */
    IDLE_ABSENT,        /* the worker was not there yet, or not any more */
    IDLE_BETWEEN,       /* what was ready did fit: it was on its way */
    N_IDLE_REASONS,
};

/* A part of the run in which so many cores more (or less) were there or in use. */
struct idle_span
{
    task_id task; /* TASK_NONE: of no task */
    double start_s;
    double end_s;
};

struct idle_run /* all borrowed */
{
    const struct graph *graph; /* sealed */
    const float *start_s;      /* by task; NAN: it did not run */
    const float *run_s;        /* how long: a difference of two single floats would be too coarse */
    const struct idle_span *attempts; /* that were not a task's last */
    uint32_t n_attempts;
    const struct idle_span *absences; /* of workers, one core each */
    uint32_t n_absences;
    uint32_t n_cores;
    uint32_t n_nodes;
    uint64_t memory_bytes; /* of all nodes; 0: not counted */
    double first_s;        /* the makespan */
    double last_s;
};

/* Shares of cores x makespan; all 0 when there is none. */
void idle_explain(const struct idle_run *run, double shares[N_IDLE_REASONS]);

#endif
