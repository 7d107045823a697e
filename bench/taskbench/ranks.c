#include "taskbench/ranks.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdlib.h>

void ranks_init(struct ranks *ranks, const struct trial *trial)
{
    *ranks = (struct ranks){.trial = trial};
    MPI_Comm_size(MPI_COMM_WORLD, &ranks->n);
    MPI_Comm_rank(MPI_COMM_WORLD, &ranks->own);
    slots_init(&ranks->slots, trial, 2);
    ranks->kernel = kernel_room_new(&trial->kernel);
    ranks->inputs = xcalloc((size_t)trial->plan.pattern.width, sizeof(*ranks->inputs));
}

void ranks_release(struct ranks *ranks)
{
    slots_release(&ranks->slots);
    kernel_room_free(ranks->kernel);
    free(ranks->inputs);
}

int ranks_owner(const struct ranks *ranks, int column)
{
    return (int)((long)column * ranks->n / ranks->trial->plan.pattern.width);
}

/* The first column that ranks_owner gives to this rank or a later one. */
static int block_start(const struct ranks *ranks, int rank)
{
    long width = ranks->trial->plan.pattern.width;

    return (int)((rank * width + ranks->n - 1) / ranks->n);
}

int ranks_columns(const struct ranks *ranks, int rank, int step, int *first)
{
    int first_there;
    int n_there = plan_step_width(&ranks->trial->plan, step, &first_there);
    int from = block_start(ranks, rank);
    int to = block_start(ranks, rank + 1);

    *first = from > first_there ? from : first_there;
    return to < first_there + n_there ? to : first_there + n_there;
}

bool ranks_reads(const struct ranks *ranks, int rank, int step, int column)
{
    int from = block_start(ranks, rank);
    int to = block_start(ranks, rank + 1);
    int n;
    const int *readers = plan_outputs(&ranks->trial->plan, step, column, &n);

    for (int i = 0; i < n; i++) {
        if (readers[i] >= from && readers[i] < to)
            return true;
    }
    return false;
}

void *ranks_output(const struct ranks *ranks, int graph, int step, int column)
{
    return slots_bytes(&ranks->slots, slots_index(&ranks->slots, graph, step, column));
}

size_t ranks_run_step(struct ranks *ranks, int graph, int step)
{
    int first;
    int end = ranks_columns(ranks, ranks->own, step, &first);
    size_t n = 0;

    for (int column = first; column < end; column++, n++)
        slots_run(&ranks->slots, (struct payload_origin){graph, step, column}, ranks->inputs, ranks->kernel);
    return n;
}

void ranks_time(struct ranks *ranks, ranks_step *step, void *data, struct outcome *outcome)
{
    unsigned long own = 0;
    unsigned long all = 0;

    MPI_Barrier(MPI_COMM_WORLD);
    double start_s = clock_now_s();

    for (int i = 0; i < ranks->trial->plan.pattern.n_steps; i++)
        own += step(data, i);
    MPI_Barrier(MPI_COMM_WORLD);
    outcome->elapsed_s = clock_now_s() - start_s;
    MPI_Reduce(&own, &all, 1, MPI_UNSIGNED_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
    outcome->n_tasks = all;
}
