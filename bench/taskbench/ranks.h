/* ranks: what both implementations over MPI share: which rank has which columns, and where outputs lie.
 *
 * Columns are dealt out in blocks. Every rank has room for the outputs of all columns of two steps of each graph;
 * it fills its own, and what its tasks read of others is received into its place. */
#ifndef GANGER_TASKBENCH_RANKS_H
#define GANGER_TASKBENCH_RANKS_H

#include "taskbench/slots.h"

#include <mpi.h>

struct ranks
{
    const struct trial *trial; /* borrowed */
    int n;
    int own;
    struct slots slots;
    struct kernel_room *kernel;
    const void **inputs;
};

void ranks_init(struct ranks *ranks, const struct trial *trial);
void ranks_release(struct ranks *ranks);

/* The rank that has a column; the columns of a step that a rank has: *first up to, not including, what is
 * returned. */
int ranks_owner(const struct ranks *ranks, int column);
int ranks_columns(const struct ranks *ranks, int rank, int step, int *first);

/* Does a task of `rank` read the output of (step, column)? */
bool ranks_reads(const struct ranks *ranks, int rank, int step, int column);

/* The bytes of an output. */
void *ranks_output(const struct ranks *ranks, int graph, int step, int column);

/* Runs the own tasks of one step of one graph; all inputs are there. Returns how many. */
size_t ranks_run_step(struct ranks *ranks, int graph, int step);

/* Runs `step` for all steps between two barriers; rank 0 gets the time and the number of tasks of all. */
typedef size_t ranks_step(void *data, int step);
void ranks_time(struct ranks *ranks, ranks_step *step, void *data, struct outcome *outcome);

#endif
