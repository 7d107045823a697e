/* mpi_bulk: columns in blocks over ranks, in strict turns: all outputs of a step change hands in one
 * MPI_Alltoallv, then all tasks of the next step run. */
#include "base/alloc.h"
#include "taskbench/implementation.h"
#include "taskbench/ranks.h"

#include <stdlib.h>
#include <string.h>

/* What goes one way, for each rank. */
struct side
{
    char *bytes;
    int *counts;
    int *starts;
};

struct exchange
{
    struct ranks ranks;
    struct side sent;
    struct side received;
};

enum packing
{
    COUNT,  /* how many bytes */
    PACK,   /* outputs -> bytes */
    UNPACK, /* bytes -> outputs */
};

/* Goes through what tasks of rank `to` read of those of rank `from` at step - 1, in an order that both know.
 * Returns how many bytes it is. */
static int for_pair(const struct exchange *e, int step, int from, int to, enum packing what, char *bytes)
{
    const struct ranks *ranks = &e->ranks;
    size_t n = ranks->trial->n_bytes;
    size_t at = 0;
    int first;
    int end = ranks_columns(ranks, from, step - 1, &first);

    for (int column = first; column < end; column++) {
        if (!ranks_reads(ranks, to, step - 1, column))
            continue;
        for (int graph = 0; graph < ranks->trial->n_graphs; graph++, at += n) {
            if (what == PACK)
                memcpy(bytes + at, ranks_output(ranks, graph, step - 1, column), n);
            else if (what == UNPACK)
                memcpy(ranks_output(ranks, graph, step - 1, column), bytes + at, n);
        }
    }
    return (int)at;
}

static void lay_out(const struct exchange *e, struct side *side, bool is_sent, int step)
{
    int own = e->ranks.own;
    int at = 0;

    for (int rank = 0; rank < e->ranks.n; rank++) {
        side->starts[rank] = at;
        side->counts[rank] = 0;
        if (rank != own)
            side->counts[rank] = for_pair(e, step, is_sent ? own : rank, is_sent ? rank : own, COUNT, NULL);
        at += side->counts[rank];
    }
}

static void hand_over(struct exchange *e, int step)
{
    int own = e->ranks.own;

    lay_out(e, &e->sent, true, step);
    lay_out(e, &e->received, false, step);
    for (int rank = 0; rank < e->ranks.n; rank++) {
        if (rank != own)
            for_pair(e, step, own, rank, PACK, e->sent.bytes + e->sent.starts[rank]);
    }
    MPI_Alltoallv(e->sent.bytes, e->sent.counts, e->sent.starts, MPI_BYTE, e->received.bytes, e->received.counts,
                  e->received.starts, MPI_BYTE, MPI_COMM_WORLD);
    for (int rank = 0; rank < e->ranks.n; rank++) {
        if (rank != own)
            for_pair(e, step, rank, own, UNPACK, e->received.bytes + e->received.starts[rank]);
    }
}

static size_t run_step(void *data, int step)
{
    struct exchange *e = data;
    size_t n_tasks = 0;

    if (step > 0)
        hand_over(e, step);
    for (int graph = 0; graph < e->ranks.trial->n_graphs; graph++)
        n_tasks += ranks_run_step(&e->ranks, graph, step);
    return n_tasks;
}

static void side_init(struct side *side, size_t n_bytes, int n_ranks)
{
    side->bytes = xmalloc(n_bytes);
    side->counts = xcalloc((size_t)n_ranks, sizeof(*side->counts));
    side->starts = xcalloc((size_t)n_ranks, sizeof(*side->starts));
}

static void side_release(struct side *side)
{
    free(side->bytes);
    free(side->counts);
    free(side->starts);
}

static int run(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err)
{
    struct exchange e;
    size_t most_received = trial->n_bytes * (size_t)trial->n_graphs * (size_t)trial->plan.pattern.width;

    (void)data;
    ranks_init(&e.ranks, trial);
    /* A block of columns goes to every other rank at most. */
    size_t block = ((size_t)trial->plan.pattern.width + (size_t)e.ranks.n - 1) / (size_t)e.ranks.n;
    size_t most_sent = trial->n_bytes * (size_t)trial->n_graphs * block * (size_t)e.ranks.n;

    if (most_received > INT32_MAX || most_sent > INT32_MAX) {
        ranks_release(&e.ranks);
        return error_set(err, ERROR_USAGE, "bytes x graphs x width: more than MPI_Alltoallv counts");
    }
    side_init(&e.sent, most_sent, e.ranks.n);
    side_init(&e.received, most_received, e.ranks.n);
    ranks_time(&e.ranks, run_step, &e, outcome);
    side_release(&e.sent);
    side_release(&e.received);
    ranks_release(&e.ranks);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct implementation bulk = {"mpi_bulk", run};
    int n;
    int own;
    int status;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    status = implementation_run(&bulk, NULL, argc, argv, n, own == 0);
    if (status != 0)
        MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();
    return 0;
}
