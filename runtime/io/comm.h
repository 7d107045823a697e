/* comm: bytes between the ranks of a run, and the one wait.
 *
 * A comm is one rank's end. Rank 0 is the manager; other ranks are workers. There are three kinds:
 * over MPI (comm_mpi.c), over memory between threads of one process (comm_memory.c), and whatever a
 * test scripts: each is a table of operations. A comm is used by one thread.
 *
 * Messages from one rank to another arrive whole and in the order they were sent; sending never blocks.
 * Nothing is collective after opening, and a rank may vanish at any time. */
#ifndef GANGER_IO_COMM_H
#define GANGER_IO_COMM_H

#include "base/error.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct comm;

struct comm_ops
{
    /* Copies the bytes and sends them on their way, without waking the receiver. May not block. */
    int (*send)(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err);

    /* Wakes a rank that waits. */
    void (*ring)(struct comm *c, uint32_t to);

    /* The next message, or false. Its bytes are borrowed until the next call with this comm. */
    bool (*receive)(struct comm *c, uint32_t *from, const char **bytes, size_t *n);

    /* Returns when a message may be there, when one of `fds` is ready (revents are set, as by poll), or
     * when clock_now_s() reaches `deadline_s` (INFINITY: none). May return early for no reason. */
    int (*wait)(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s, struct ganger_error *err);

    /* Ends it: waits for others where its kind has to, unless `at_once`. Frees the comm. */
    void (*close)(struct comm *c, bool at_once);
};

struct comm
{
    const struct comm_ops *ops;
    uint32_t rank;
    uint32_t size;         /* ranks, the manager included */
    const uint32_t *nodes; /* node of each rank, from 0; the manager's node is 0 */
    /* Children's process groups, one place for each rank of this node, seen by all of them, so that
     * a dead worker's child can be ended; NULL where that cannot be. See comm_publish_group. */
    _Atomic int32_t *groups;
    const uint32_t *group_places; /* place of each rank of this node in `groups` */
    _Atomic uint64_t *node_counter; /* see comm_node_counter */
};

/* For a receiver that will soon look by itself; else it may take seconds until it does. */
static inline int comm_send_quietly(struct comm *c, uint32_t to, const void *bytes, size_t n,
                                    struct ganger_error *err)
{
    return c->ops->send(c, to, bytes, n, err);
}

static inline void comm_ring(struct comm *c, uint32_t to)
{
    c->ops->ring(c, to);
}

static inline int comm_send(struct comm *c, uint32_t to, const void *bytes, size_t n,
                            struct ganger_error *err)
{
    int status = c->ops->send(c, to, bytes, n, err);

    c->ops->ring(c, to);
    return status;
}

static inline bool comm_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    return c->ops->receive(c, from, bytes, n);
}

static inline int comm_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s,
                            struct ganger_error *err)
{
    return c->ops->wait(c, fds, n, deadline_s, err);
}

static inline void comm_close(struct comm *c, bool at_once)
{
    if (c != NULL)
        c->ops->close(c, at_once);
}

/* Is `rank` on this rank's node? */
bool comm_is_near(const struct comm *c, uint32_t rank);

/* Are all ranks on one node? */
bool comm_is_one_node(const struct comm *c);

/* Place of `rank` among the workers of its node, from 0: its slot. */
uint32_t comm_slot(const struct comm *c, uint32_t rank);

/* Tells the node which process group this rank's child leads (0: none now). */
void comm_publish_group(struct comm *c, pid_t group);

/* In the same place: the task of the function that this rank runs now (UINT32_MAX: none). Costs next to nothing. */
void comm_publish_call(struct comm *c, uint32_t task);
uint32_t comm_call_of(const struct comm *c, uint32_t rank);

/* What a rank of this node published last; 0 when none, or when it is elsewhere. */
pid_t comm_group_of(const struct comm *c, uint32_t rank);

/* A number that all ranks of this node share, 0 when the comm is opened; what it counts is up to them.
 * Lives as long as the comm. Both kinds have one; a comm that a test scripts may have none (NULL). */
_Atomic uint64_t *comm_node_counter(struct comm *c);

/* Joins the MPI job this process was started in. Fails when the launcher's idea of the number of ranks
 * is not MPI's. To be called once. `leaves_at_once`: if they are all on one node, all ranks will be closed
 * that way, so that what MPI would remove at its end is removed now. */
struct comm *comm_open_mpi(bool leaves_at_once, struct ganger_error *err);

/* "Open MPI 4.1.4", "MPICH 4.0.2", …: the library this program is linked with. Works without opening. */
const char *comm_mpi_library(void);

/* Makes a comm of `size` ranks in this process, one comm for each: ends[0] to ends[size - 1]. They
 * may be used by one thread each. The last close frees what they share. */
void comm_open_memory(struct comm **ends, uint32_t size);

#endif
