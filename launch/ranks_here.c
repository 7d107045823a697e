#include "launch/ranks_here.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct rank
{
    pthread_t thread;
    rank_body *body;
    void *data;
    struct comm *comm;
    int status;
    bool is_started;
};

static void *be_rank(void *data)
{
    struct rank *r = data;

    r->status = r->body(r->data, r->comm);
    return NULL;
}

static int start(struct rank *r, struct ganger_error *err)
{
    int number = pthread_create(&r->thread, NULL, be_rank, r);

    r->is_started = number == 0;
    errno = number;
    return number == 0 ? 0 : error_set_errno(err, ERROR_SYSTEM, "cannot start the thread of rank %u", r->comm->rank);
}

int ranks_here_run(uint32_t size, bool worker_in_front, rank_body *body, void *data, struct ganger_error *err)
{
    struct rank *ranks = xcalloc(size, sizeof(*ranks));
    struct comm **ends = xcalloc(size, sizeof(struct comm *));
    uint32_t front = worker_in_front && size == 2 ? 1 : 0;
    int status = -1;

    if (comm_open_memory(ends, size, err) < 0) {
        free(ranks);
        free(ends);
        return -1;
    }
    for (uint32_t i = 0; i < size; i++)
        ranks[i] = (struct rank){.body = body, .data = data, .comm = ends[i]};
    for (uint32_t i = 0; i < size; i++)
        if (i != front && start(&ranks[i], err) < 0)
            break; /* the manager waits for workers with a limit, and goes on without */
    if (front == 0 || ranks[0].is_started) {
        be_rank(&ranks[front]);
        for (uint32_t i = 0; i < size; i++)
            if (ranks[i].is_started)
                pthread_join(ranks[i].thread, NULL);
        status = ranks[0].status;
    }
    free(ranks);
    free(ends);
    return status;
}
