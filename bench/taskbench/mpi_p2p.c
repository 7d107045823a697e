/* mpi_p2p: columns in blocks over ranks, point to point. A rank sends an output once to each rank that reads it;
 * before it waits for the inputs of one graph it has posted those of all. */
#include "base/alloc.h"
#include "taskbench/implementation.h"
#include "taskbench/ranks.h"

#include <stdlib.h>

/* The requests of one step of one graph. */
struct requests
{
    MPI_Request *all;
    size_t n;
    size_t room;
};

struct exchange
{
    struct ranks ranks;
    struct requests *requests; /* by graph */
};

static MPI_Request *new_request(struct requests *r)
{
    r->all = xgrow(r->all, r->n, &r->room, sizeof(*r->all));
    return &r->all[r->n++];
}

static int tag_of(const struct exchange *e, int graph, int column)
{
    return graph * e->ranks.trial->plan.pattern.width + column;
}

/* What tasks of rank `to` read of those of rank `from` at step - 1, in the order of columns; one of them is this
 * rank. Messages of one tag keep their order, so that the step need not be in it. */
static void post_pair(struct exchange *e, int graph, int step, int from, int to)
{
    const struct ranks *ranks = &e->ranks;
    int n_bytes = (int)ranks->trial->n_bytes;
    int first;
    int end = ranks_columns(ranks, from, step - 1, &first);

    for (int column = first; column < end; column++) {
        void *bytes = ranks_output(ranks, graph, step - 1, column);

        if (!ranks_reads(ranks, to, step - 1, column))
            continue;
        if (to == ranks->own) {
            MPI_Irecv(bytes, n_bytes, MPI_BYTE, from, tag_of(e, graph, column), MPI_COMM_WORLD,
                      new_request(&e->requests[graph]));
        } else {
            MPI_Isend(bytes, n_bytes, MPI_BYTE, to, tag_of(e, graph, column), MPI_COMM_WORLD,
                      new_request(&e->requests[graph]));
        }
    }
}

static void post_graph(struct exchange *e, int graph, int step)
{
    for (int rank = 0; rank < e->ranks.n; rank++) {
        if (rank != e->ranks.own)
            post_pair(e, graph, step, rank, e->ranks.own);
    }
    for (int rank = 0; rank < e->ranks.n; rank++) {
        if (rank != e->ranks.own)
            post_pair(e, graph, step, e->ranks.own, rank);
    }
}

static size_t run_step(void *data, int step)
{
    struct exchange *e = data;
    int n_graphs = e->ranks.trial->n_graphs;
    size_t n_tasks = 0;

    for (int graph = 0; step > 0 && graph < n_graphs; graph++)
        post_graph(e, graph, step);
    for (int graph = 0; graph < n_graphs; graph++) {
        struct requests *r = &e->requests[graph];

        MPI_Waitall((int)r->n, r->all, MPI_STATUSES_IGNORE);
        r->n = 0;
        n_tasks += ranks_run_step(&e->ranks, graph, step);
    }
    return n_tasks;
}

static int check_tags(const struct trial *trial, struct ganger_error *err)
{
    int *most;
    int found;
    long wanted = (long)trial->n_graphs * trial->plan.pattern.width;

    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &most, &found);
    if (found && wanted - 1 > *most)
        return error_set(err, ERROR_USAGE, "width x graphs: %ld, but this MPI has tags up to %d only", wanted, *most);
    return 0;
}

static int run(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err)
{
    struct exchange e;

    (void)data;
    if (check_tags(trial, err) != 0)
        return -1;
    ranks_init(&e.ranks, trial);
    e.requests = xcalloc((size_t)trial->n_graphs, sizeof(*e.requests));
    ranks_time(&e.ranks, run_step, &e, outcome);
    for (int graph = 0; graph < trial->n_graphs; graph++)
        free(e.requests[graph].all);
    free(e.requests);
    ranks_release(&e.ranks);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct implementation p2p = {"mpi_p2p", run};
    int n;
    int own;
    int status;

    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    status = implementation_run(&p2p, NULL, argc, argv, n, own == 0);
    if (status != 0)
        MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();
    return 0;
}
