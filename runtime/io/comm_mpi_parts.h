/* comm_mpi_parts: what comm_mpi.c (messages and waiting) and comm_mpi_start.c (how ranks come together, and what is
 * taken from MPI before the first message) share. For nobody else. */
#ifndef GANGER_IO_COMM_MPI_PARTS_H
#define GANGER_IO_COMM_MPI_PARTS_H

#include "base/buffer.h"
#include "io/comm.h"
#include "io/comm_mpi_lanes.h"

#include <mpi.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NET_FDS_MAX 8

/* What the ranks of a node see of each other. */
struct place
{
    _Alignas(64) _Atomic uint32_t asleep;
};

/* A rank's doorbell. Anybody on the node can read the names of sockets and send to them; only ranks know the key, and
 * the kernel throws away what comes without it, unseen. */
struct bell
{
    uint64_t name;
    uint64_t key;
};

/* In cache lines of their own: places are written at each wait. */
struct node_numbers
{
    _Alignas(64) _Atomic uint64_t counter;
    _Alignas(64) _Atomic uint64_t heard_us;
};

struct receive
{
    MPI_Request request;
    char bytes[FRAME_BYTES];
};

struct comm_mpi
{
    struct comm comm;
    struct receive *ring; /* posted */
    uint32_t n_ring;
    uint32_t head;      /* the oldest */
    bool is_head_read;  /* its bytes are lent out: post it again at the next call */
    struct buffer *partial;  /* by rank: frames of a message whose last is still to come */
    uint32_t n_partial;      /* of them that are not empty */
    bool is_partial_lent;
    uint32_t lent_from;

    struct lanes lanes; /* what it sends */

    struct place *places; /* of this node's ranks; its numbers, pids and groups follow */
    size_t page_bytes;
    uint32_t *place_of; /* by rank; meaningless for ranks elsewhere */
    int bell;
    struct bell *bells; /* by rank */
    uint64_t token;     /* names the page; the same for all ranks, and known to nobody else until it is there */
    bool has_far;   /* some rank it talks to is on another node */
    int net_fds[NET_FDS_MAX]; /* borrowed from MPI: see find_net_fds */
    nfds_t n_net_fds;
    bool net_tells; /* so far as is known: no message from another node has come without one of them waking us */
    uint32_t n_vain_wakes;

    struct pollfd *fds; /* the bell, MPI's, then the caller's */
    size_t fds_capacity;
    double last_poll_s;
    double net_s;
    double far_s;
};

/* Where a rank's bell is heard. */
socklen_t start_bell_address(struct sockaddr_un *address, const struct bell *bell);

/* An error when this program was started by the mpirun of another MPI. */
int start_check_size(uint32_t size, struct ganger_error *err);

/* Waits until all can be expected to be ready for messages, where MPI_Init does not make sure of it. */
void start_settle(void);

/* Makes the ranks known to each other: nodes, bells, the page that a node's ranks share. Collective. Before any message
 * is sent, and any receive posted. */
void start_meet(struct comm_mpi *m, MPI_Comm node);

/* Opens what start_meet has agreed on. Collective on `node`. */
int start_open_node(struct comm_mpi *m, MPI_Comm node, struct ganger_error *err);

/* Takes from MPI what this run does not need. Collective on `node`. `leaves_at_once`: as of comm_open_mpi. */
void start_trim(struct comm_mpi *m, MPI_Comm node, bool leaves_at_once);

#endif
