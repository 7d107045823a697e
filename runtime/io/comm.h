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

    /* A rank is gone: what is on its way to it or half here is waited for no longer. NULL: nothing to do. */
    void (*forget)(struct comm *c, uint32_t rank);
};

struct comm
{
    const struct comm_ops *ops;
    uint32_t rank;
    uint32_t size;         /* ranks, the manager included */
    const uint32_t *nodes; /* node of each rank, from 0; the manager's node is 0 */
    bool closes_at_once; /* some ranks are gone, or will leave like that: no end is to wait for others */
    /* What the ranks of this node see of each other, one place for each; NULL where that cannot be. */
    _Atomic int32_t *pids;   /* see comm_pid_of */
    _Atomic int32_t *groups; /* children's process groups: see comm_publish_group */
    const uint32_t *node_places; /* place of each rank of this node in those */
    _Atomic uint64_t *node_counter; /* see comm_node_counter */
    _Atomic uint64_t *heard_us;     /* see comm_note_heard */
    double spin_s; /* so long a wait looks for messages before it sleeps. For a rank that has its core to itself, and
                      expects an answer sooner than it could fall asleep and be woken; 0, as it comes: not at all */
    double calm_until_s; /* … but not until then: others want this core, or it was in vain. Of comm_spin */
    double vain_calm_s;  /* so long after the last one in vain */
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

static inline void comm_forget(struct comm *c, uint32_t rank)
{
    if (c->ops->forget != NULL)
        c->ops->forget(c, rank);
}

/* Looks for a message again and again, for c->spin_s or until the deadline; true: one is there. What is found to share
 * its core with others, by having been kept from it, does not do so for a while, nor does who looked in vain: whom it
 * waits for may need this very core. For the kinds of comm alone. */
typedef bool comm_look(struct comm *c);
bool comm_spin(struct comm *c, comm_look *is_there, double deadline_s);

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

/* The process that is a rank of this node; 0 when that is not known, or it is elsewhere. */
pid_t comm_pid_of(const struct comm *c, uint32_t rank);

/* Tells the node that the manager has answered what one of its ranks sent at this time of the node's clock. */
void comm_note_heard(struct comm *c, double sent_s);

/* The latest such time; 0 when there is none, or the node cannot be told. */
double comm_heard_s(const struct comm *c);

/* A number that all ranks of this node share, 0 when the comm is opened; what it counts is up to them.
 * Lives as long as the comm. Both kinds have one; a comm that a test scripts may have none (NULL). */
_Atomic uint64_t *comm_node_counter(struct comm *c);

/* Joins the MPI job this process was started in. Fails when the launcher's idea of the number of ranks
 * is not MPI's. To be called once. `leaves_at_once`: all ranks will be closed that way, or may have to, so that what
 * MPI would remove at its end is removed now. */
struct comm *comm_open_mpi(bool leaves_at_once, struct ganger_error *err);

/* "Open MPI 4.1.4", "MPICH 4.0.2", …: the library this program is linked with. Works without opening. */
const char *comm_mpi_library(void);

/* Makes a comm of `size` ranks in this process, one comm for each: ends[0] to ends[size - 1]. They
 * may be used by one thread each. The last close frees what they share. Fails when there is no descriptor
 * for each. */
int comm_open_memory(struct comm **ends, uint32_t size, struct ganger_error *err);

#endif
