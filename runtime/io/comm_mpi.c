#include "io/comm.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/filter.h>
#include <math.h>
#include <mpi.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A message travels in frames small enough for the eager protocol of every transport, so that none
 * ever needs both sides to make progress at once; the tag says whether more frames follow. Receives
 * are posted in a ring and matched in that order, so the ring's order is the order of arrival. */
#define FRAME_BYTES 4000
#define RING_MANAGER 64
#define RING_WORKER 8
/* Of frames that are being sent. Open MPI has memory for 512 that the receivers have not read; these are 1 MB. */
#define GIVEN_MAX 256
#define GIVEN_TO_ONE_MAX 64
enum
{
    TAG_LAST = 1, /* the frame ends its message */
    TAG_MORE = 2,
    TAG_GREETING = 3, /* none: see greet */
};

/* How long a rank may sleep, in seconds, when nothing but MPI itself could wake it. */
#define STARVED_S 0.001     /* children and pipes are looked at this often in steady traffic */
#define MOVING_S 0.001      /* while a message of its own, or one to it, is not through */
#define NET_FIRST_S 0.001   /* safety net, after it caught a message that nobody rang for */
#define NET_BUSY_S 0.064    /* the same, after an ordinary wake-up */
#define NET_IDLE_S 2.0      /* the longest */
#define FAR_FIRST_S 0.0002  /* where nothing tells of messages from other nodes: after one … */
#define FAR_IDLE_S 0.005    /* … and after many looks in vain */
#define VAIN_WAKES_MAX 1000 /* the network woke us, and nothing came, so often in a row: it is not listened to */
#define NET_FDS_MAX 8
#define LAST_SENDS_S 1.0    /* for what was sent before closing; a dead receiver never takes it */

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

struct frame
{
    MPI_Request request;
    struct frame *next; /* in its lane, or of those that are spare */
    int tag;
    int n;
    char bytes[FRAME_BYTES];
};

/* What is on its way to one rank, in order. MPI has the first few: more would wait in lists of its own, through which
 * it goes at each call, and of what leaves those nobody is told. */
struct lane
{
    struct frame *first;   /* NULL: nothing */
    struct frame *last;
    struct frame *waiting; /* the first that MPI does not have; NULL: it has all */
    uint32_t n_given;      /* frames that MPI has */
    uint32_t at;           /* where among the busy ones */
};

struct comm_mpi
{
    struct comm comm;
    struct frame *ring; /* posted receives */
    uint32_t n_ring;
    uint32_t head;      /* the oldest */
    bool is_head_read;  /* its bytes are lent out: post it again at the next call */
    struct buffer *partial;  /* by rank: frames of a message whose last is still to come */
    uint32_t n_partial;      /* of them that are not empty */
    bool is_partial_lent;
    uint32_t lent_from;

    struct lane *lanes; /* by rank */
    uint32_t *busy;     /* ranks to which something is on its way */
    uint32_t n_busy;
    uint32_t n_given;   /* frames that MPI has, of all lanes */
    uint32_t turn;      /* of lanes to be looked at first */
    struct frame *spare;

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

static struct comm_mpi *of(struct comm *c)
{
    return (struct comm_mpi *)c; /* comm is its first member */
}

/* ---- receiving ---- */

static void post(struct frame *f)
{
    MPI_Irecv(f->bytes, FRAME_BYTES, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &f->request);
}

static void drop_partial(struct comm_mpi *m, uint32_t from)
{
    m->n_partial -= m->partial[from].n > 0;
    m->partial[from].n = 0;
}

static void take_back_what_is_lent(struct comm_mpi *m)
{
    if (m->is_partial_lent)
        drop_partial(m, m->lent_from);
    m->is_partial_lent = false;
    if (m->is_head_read) {
        post(&m->ring[m->head]);
        m->head = (m->head + 1) % m->n_ring;
    }
    m->is_head_read = false;
}

static bool frame_is_there(struct comm_mpi *m, MPI_Status *status)
{
    int flag = 0;

    MPI_Test(&m->ring[m->head].request, &flag, status);
    return flag != 0;
}

static bool mpi_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    struct comm_mpi *m = of(c);
    MPI_Status status;

    take_back_what_is_lent(m);
    while (frame_is_there(m, &status)) {
        struct buffer *partial = &m->partial[status.MPI_SOURCE];
        int n_frame;

        MPI_Get_count(&status, MPI_BYTE, &n_frame);
        m->is_head_read = true;
        *from = (uint32_t)status.MPI_SOURCE;
        m->far_s = FAR_FIRST_S;
        if (status.MPI_TAG == TAG_LAST && partial->n == 0) {
            *bytes = m->ring[m->head].bytes;
            *n = (size_t)n_frame;
            return true;
        }
        m->n_partial += partial->n == 0;
        buffer_put(partial, m->ring[m->head].bytes, (size_t)n_frame);
        if (status.MPI_TAG == TAG_LAST) {
            *bytes = partial->bytes;
            *n = partial->n;
            m->is_partial_lent = true;
            m->lent_from = *from;
            return true;
        }
        take_back_what_is_lent(m);
    }
    return false;
}

/* Is a message there? Leaves it for receive. */
static bool is_anything_there(struct comm_mpi *m)
{
    int flag = 0;

    if (m->is_head_read)
        take_back_what_is_lent(m);
    MPI_Request_get_status(m->ring[m->head].request, &flag, MPI_STATUS_IGNORE);
    return flag != 0;
}

/* ---- sending ---- */

static struct frame *new_frame(struct comm_mpi *m)
{
    struct frame *f = m->spare;

    if (f == NULL)
        return xmalloc(sizeof(*f));
    m->spare = f->next;
    return f;
}

static void be_spare(struct comm_mpi *m, struct frame *f)
{
    f->next = m->spare;
    m->spare = f;
}

static void put_on_lane(struct comm_mpi *m, uint32_t to, struct frame *f)
{
    struct lane *lane = &m->lanes[to];

    f->next = NULL;
    if (lane->first == NULL) {
        lane->first = f;
        lane->at = m->n_busy;
        m->busy[m->n_busy++] = to;
    } else {
        lane->last->next = f;
    }
    if (lane->waiting == NULL)
        lane->waiting = f;
    lane->last = f;
}

static struct frame *take_first(struct comm_mpi *m, struct lane *lane)
{
    struct frame *f = lane->first;

    lane->first = f->next;
    if (lane->waiting == f) {
        lane->waiting = f->next;
    } else {
        lane->n_given--;
        m->n_given--;
    }
    if (lane->first == NULL) {
        uint32_t last = m->busy[--m->n_busy];

        m->busy[lane->at] = last;
        m->lanes[last].at = lane->at;
    }
    return f;
}

static void clear_lane(struct comm_mpi *m, struct lane *lane)
{
    while (lane->n_given > 0)
        take_first(m, lane); /* MPI may still read it: it is left to it */
    while (lane->first != NULL)
        be_spare(m, take_first(m, lane));
}

/* 1: MPI got some; 0: none; -1: it refuses. */
static int give_frames(struct comm_mpi *m, uint32_t to)
{
    struct lane *lane = &m->lanes[to];
    int given = 0;

    while (lane->waiting != NULL && lane->n_given < GIVEN_TO_ONE_MAX && m->n_given < GIVEN_MAX) {
        struct frame *f = lane->waiting;

        if (MPI_Isend(f->bytes, f->n, MPI_BYTE, (int)to, f->tag, MPI_COMM_WORLD, &f->request) != MPI_SUCCESS)
            return -1;
        lane->waiting = f->next;
        lane->n_given++;
        m->n_given++;
        given = 1;
    }
    return given;
}

/* True: there was one with which MPI is through. It is with the first one first; each look makes it work. */
static bool take_back_frames(struct comm_mpi *m, struct lane *lane)
{
    bool took = false;
    int is_through = 1;

    while (lane->n_given > 0) {
        MPI_Test(&lane->first->request, &is_through, MPI_STATUS_IGNORE);
        if (!is_through)
            break;
        be_spare(m, take_first(m, lane));
        took = true;
    }
    return took;
}

/* Goes on with a lane as far as it goes. 1: something was sent; 0: nothing; -1: MPI refuses, and the lane is empty. */
static int move_lane(struct comm_mpi *m, uint32_t to)
{
    struct lane *lane = &m->lanes[to];
    int sent = 0, given;

    do {
        given = give_frames(m, to);
        if (given < 0) {
            clear_lane(m, lane);
            return -1;
        }
        sent |= given;
    } while (take_back_frames(m, lane) && lane->waiting != NULL);
    return sent;
}

/* What is on its way to the dead never arrives. */
static void mpi_forget(struct comm *c, uint32_t rank)
{
    struct comm_mpi *m = of(c);

    clear_lane(m, &m->lanes[rank]);
    drop_partial(m, rank);
}

static socklen_t bell_address(struct sockaddr_un *address, const struct bell *bell)
{
    int n;

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX; /* abstract name: it needs no file and leaves none */
    n = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "ganger.%016llx",
                 (unsigned long long)bell->name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

/* The sender's half of the protocol: what was sent is visible before the flag is read. */
static void mpi_ring(struct comm *c, uint32_t to)
{
    struct comm_mpi *m = of(c);
    _Atomic uint32_t *asleep = &m->places[m->place_of[to]].asleep;
    struct sockaddr_un address;
    socklen_t n;

    if (!comm_is_near(c, to))
        return; /* the network wakes it, or it looks often: see find_net_fds */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(asleep) == 0 || atomic_exchange(asleep, 0) == 0)
        return;
    n = bell_address(&address, &m->bells[to]);
    if (sendto(m->bell, &m->bells[to].key, sizeof(m->bells[to].key), MSG_DONTWAIT | MSG_NOSIGNAL,
               (struct sockaddr *)&address, n) < 0) {
        /* It died, or its queue is full of rings already: either way there is nobody to wake. */
    }
}

static int mpi_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    struct comm_mpi *m = of(c);
    const char *next = bytes;
    size_t n_left = n;

    do {
        struct frame *f = new_frame(m);
        size_t n_frame = n_left < FRAME_BYTES ? n_left : FRAME_BYTES;

        f->n = (int)n_frame;
        f->tag = n_frame == n_left ? TAG_LAST : TAG_MORE;
        memcpy(f->bytes, next, n_frame);
        put_on_lane(m, to, f);
        next += n_frame;
        n_left -= n_frame;
    } while (n_left > 0);
    if (move_lane(m, to) < 0)
        return error_set(err, ERROR_SYSTEM, "MPI cannot send to rank %u", to);
    return 0;
}

/* Whoever slept because all that had come was read must hear of the rest. A rank that MPI refuses to send to is found
 * by its end, or by its silence. */
static void move_all_lanes(struct comm *c)
{
    struct comm_mpi *m = of(c);

    m->turn++;
    for (uint32_t n = m->n_busy, i = 0; i < n && m->n_busy > 0; i++) { /* one that becomes idle gives its place away */
        uint32_t to = m->busy[(m->turn + i) % m->n_busy];

        if (move_lane(m, to) > 0)
            mpi_ring(c, to);
    }
}

/* ---- waiting ---- */

/* Descriptors that are ours, before the caller's. */
static nfds_t n_own_fds(const struct comm_mpi *m)
{
    return 1 + m->n_net_fds;
}

static void poll_now(struct comm_mpi *m, nfds_t n, double now_s)
{
    if (poll(m->fds + n_own_fds(m), n, 0) < 0) {
        /* interrupted: the next one will tell */
    }
    m->last_poll_s = now_s;
}

static double sleep_limit_s(const struct comm_mpi *m, double now_s, double deadline_s)
{
    double limit_s = fmin(m->net_s, deadline_s - now_s);

    if (m->n_busy > 0 || m->n_partial > 0)
        limit_s = fmin(limit_s, MOVING_S);
    if (m->has_far && !m->net_tells)
        limit_s = fmin(limit_s, m->far_s);
    return fmax(limit_s, 0.0);
}

/* After a sleep: how long may the next one be? `was_silent`: it ended by its limit, and nobody rang. */
static void adapt(struct comm_mpi *m, bool was_silent)
{
    if (!was_silent) {
        m->net_s = fmin(m->net_s, NET_BUSY_S);
        return;
    }
    if (is_anything_there(m) || is_anything_there(m)) {
        m->net_s = NET_FIRST_S;
        m->net_tells = false;
        return;
    }
    m->net_s = fmin(2 * m->net_s, NET_IDLE_S);
    m->far_s = fmin(2 * m->far_s, FAR_IDLE_S);
}

/* The network woke us. What came may be half a message, or none of ours: that is so now and then; but what wakes us
 * for ever and is never read would keep this rank awake. */
static void hear_net(struct comm_mpi *m)
{
    if (is_anything_there(m) || is_anything_there(m)) {
        m->net_tells = true;
        m->n_vain_wakes = 0;
        return;
    }
    if (++m->n_vain_wakes < VAIN_WAKES_MAX)
        return;
    m->n_net_fds = 0;
    m->net_tells = false;
}

static bool has_net_woken(const struct comm_mpi *m)
{
    bool has = false;

    for (nfds_t i = 1; i < n_own_fds(m); i++)
        has |= m->fds[i].revents != 0;
    return has;
}

static int sleep_until_woken(struct comm_mpi *m, nfds_t n, double limit_s, struct ganger_error *err)
{
    _Atomic uint32_t *asleep = &m->places[m->place_of[m->comm.rank]].asleep;
    struct timespec t = {(time_t)limit_s, (long)((limit_s - floor(limit_s)) * 1e9)};
    nfds_t n_all = n_own_fds(m) + n;
    uint64_t ring;
    int r = ppoll(m->fds, n_all, &t, NULL);
    bool was_silent = atomic_exchange(asleep, 0) != 0 && r == 0;

    if (r < 0 && errno != EINTR)
        return error_set_errno(err, ERROR_SYSTEM, "cannot wait for messages and children");
    if (r <= 0)
        for (nfds_t i = 0; i < n_all; i++)
            m->fds[i].revents = 0;
    m->last_poll_s = clock_now_s();
    if (m->fds[0].revents & POLLIN) /* one ring at most for each sleep; a second would wake us for nothing */
        (void)!recv(m->bell, &ring, sizeof(ring), MSG_DONTWAIT);
    adapt(m, was_silent);
    if (has_net_woken(m))
        hear_net(m);
    return 0;
}

static bool look(struct comm *c)
{
    return is_anything_there(of(c));
}

static int mpi_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s,
                    struct ganger_error *err)
{
    struct comm_mpi *m = of(c);
    _Atomic uint32_t *asleep = &m->places[m->place_of[c->rank]].asleep;
    nfds_t n_own = n_own_fds(m);
    double now_s = clock_now_s();
    bool is_there;
    int status = 0;

    while (n + n_own > m->fds_capacity)
        m->fds = xgrow(m->fds, m->fds_capacity, &m->fds_capacity, sizeof(*m->fds));
    m->fds[0] = (struct pollfd){m->bell, POLLIN, 0};
    for (nfds_t i = 1; i < n_own; i++)
        m->fds[i] = (struct pollfd){m->net_fds[i - 1], POLLIN, 0};
    for (nfds_t i = 0; i < n; i++)
        m->fds[i + n_own] = (struct pollfd){fds[i].fd, fds[i].events, 0};
    move_all_lanes(c);

    /* The sleeper's half of the protocol: asleep, fence, then look twice before sleeping, since one
     * look may not show what is already there. */
    is_there = comm_spin(c, look, deadline_s);
    if (!is_there) {
        atomic_store(asleep, 1);
        atomic_thread_fence(memory_order_seq_cst);
    }
    if (is_there || is_anything_there(m) || is_anything_there(m)) {
        atomic_store(asleep, 0);
        if (now_s - m->last_poll_s > STARVED_S)
            poll_now(m, n, now_s);
    } else {
        status = sleep_until_woken(m, n, sleep_limit_s(m, now_s, deadline_s), err);
    }
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = m->fds[i + n_own].revents;
    return status;
}

/* ---- opening and closing ---- */

static void free_comm(struct comm_mpi *m)
{
    for (uint32_t rank = 0; m->partial != NULL && rank < m->comm.size; rank++)
        buffer_release(&m->partial[rank]);
    while (m->spare != NULL)
        free(new_frame(m));
    if (m->places != NULL)
        munmap(m->places, m->page_bytes);
    if (m->bell >= 0)
        close(m->bell);
    free(m->partial);
    free(m->lanes);
    free(m->busy);
    free(m->ring);
    free(m->fds);
    free(m->place_of);
    free(m->bells);
    free((void *)(uintptr_t)m->comm.nodes);
    free(m);
}

static void mpi_close(struct comm *c, bool at_once)
{
    struct comm_mpi *m = of(c);

    for (double until_s = clock_now_s() + LAST_SENDS_S; m->n_busy > 0 && clock_now_s() < until_s;)
        move_all_lanes(c);
    if (at_once)
        return; /* the process ends by _exit; MPI may still write into our buffers until then */
    take_back_what_is_lent(m);
    for (uint32_t i = 0; i < m->n_ring; i++) {
        MPI_Cancel(&m->ring[i].request);
        MPI_Request_free(&m->ring[i].request);
    }
    MPI_Finalize();
    free_comm(m);
}

/* The launcher's variable and MPI must agree on the number of ranks: a program started by the mpirun
 * of another MPI sees itself alone, many times. */
static int check_size(uint32_t size, struct ganger_error *err)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && size == 1 && atoi(value) > 1)
            return error_set(err, ERROR_SYSTEM,
                             "the launcher says %s ranks (%s), MPI says 1: this ganger is linked with %s; "
                             "start it with the mpirun that belongs to it",
                             value, names[i], comm_mpi_library());
    }
    return 0;
}

/* A number that nobody can guess. */
static uint64_t draw(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint64_t)getpid() << 32 ^ (uint64_t)(clock_wall_s() * 1e6);
    return number;
}

/* Finds out who is on which node, and agrees on names. Collective. */
static void meet(struct comm_mpi *m, MPI_Comm node)
{
    struct introduction
    {
        uint32_t first_rank; /* lowest rank on the sender's node */
        uint32_t unused;
        uint64_t token;
        struct bell bell;
    } mine = {m->comm.rank, 0, draw(), {draw(), draw()}}, *all = xcalloc(m->comm.size, sizeof(*all));
    uint32_t *nodes = xcalloc(m->comm.size, sizeof(*nodes));
    uint32_t n_nodes = 0;

    MPI_Bcast(&mine.first_rank, 1, MPI_UINT32_T, 0, node);
    MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, MPI_COMM_WORLD);
    m->token = all[0].token;
    m->place_of = xcalloc(m->comm.size, sizeof(*m->place_of));
    m->bells = xcalloc(m->comm.size, sizeof(*m->bells));
    for (uint32_t rank = 0; rank < m->comm.size; rank++) {
        uint32_t first = all[rank].first_rank;

        m->bells[rank] = all[rank].bell;
        nodes[rank] = first == rank ? n_nodes++ : nodes[first];
        for (uint32_t other = first; other < rank && first == mine.first_rank; other++)
            m->place_of[rank] += all[other].first_rank == first;
    }
    m->comm.nodes = nodes;
    for (uint32_t rank = 0; rank < m->comm.size; rank++)
        m->has_far |= nodes[rank] != nodes[m->comm.rank] && (rank == 0 || m->comm.rank == 0);
    free(all);
}

/* Rank 0 exchanges a byte with each of the others. MPI asks mpirun for a peer's address when it first speaks to it
 * or hears from it, and mpirun is stopped as soon as all have come together (launch/mpirun.h): what asked only then
 * would wait for ever. Collective; no message may have been sent, and no receive be posted. */
static void greet(const struct comm_mpi *m)
{
    struct greeting
    {
        MPI_Request said, heard;
        char bytes[2];
    } *each;
    uint32_t n = m->comm.rank == 0 ? m->comm.size - 1 : 1;

    each = xcalloc(n, sizeof(*each));
    for (uint32_t i = 0; i < n; i++) {
        int peer = m->comm.rank == 0 ? (int)i + 1 : 0;

        MPI_Irecv(&each[i].bytes[0], 1, MPI_BYTE, peer, TAG_GREETING, MPI_COMM_WORLD, &each[i].heard);
        MPI_Isend(&each[i].bytes[1], 1, MPI_BYTE, peer, TAG_GREETING, MPI_COMM_WORLD, &each[i].said);
    }
    for (uint32_t i = 0; i < n; i++) {
        MPI_Wait(&each[i].heard, MPI_STATUS_IGNORE);
        MPI_Wait(&each[i].said, MPI_STATUS_IGNORE);
    }
    free(each);
}

/* Only what begins with our key reaches the socket. A kernel that cannot filter lets strangers wake us, and no more. */
static void ignore_strangers(int fd, const struct bell *bell)
{
    uint32_t key[2];
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* too short: away with it */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(key[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, sizeof(key)),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

    memcpy(key, &bell->key, sizeof(key));
    code[1].k = ntohl(key[0]); /* a filter sees big-endian numbers */
    code[3].k = ntohl(key[1]);
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

static int open_bell(struct comm_mpi *m, struct ganger_error *err)
{
    const struct bell *bell = &m->bells[m->comm.rank];
    struct sockaddr_un address;
    socklen_t n = bell_address(&address, bell);

    m->bell = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->bell >= 0)
        ignore_strangers(m->bell, bell);
    if (m->bell < 0 || bind(m->bell, (struct sockaddr *)&address, n) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "rank %u cannot open its doorbell", m->comm.rank);
    return 0;
}

/* Nobody else can have made it, if it is ours. */
static bool is_own_file(int fd)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return false;
    errno = EACCES;
    return status.st_uid == geteuid();
}

/* Finds its parts; and says who we are. */
static void share_page(struct comm_mpi *m, uint32_t n_local)
{
    struct node_numbers *numbers = (struct node_numbers *)(m->places + n_local);

    m->comm.node_counter = &numbers->counter;
    m->comm.heard_us = &numbers->heard_us;
    m->comm.pids = (_Atomic int32_t *)(numbers + 1);
    m->comm.groups = m->comm.pids + n_local;
    m->comm.node_places = m->place_of;
    atomic_store(&m->comm.pids[m->place_of[m->comm.rank]], (int32_t)getpid());
}

/* The page that the node's ranks share. Its name exists only while they open it. Collective on `node`. */
static int open_page(struct comm_mpi *m, MPI_Comm node, struct ganger_error *err)
{
    char name[64];
    int local_rank, n_local, fd;

    MPI_Comm_rank(node, &local_rank);
    MPI_Comm_size(node, &n_local);
    snprintf(name, sizeof(name), "/ganger-%016llx-%u", (unsigned long long)m->token,
             m->comm.nodes[m->comm.rank]);
    m->page_bytes = (size_t)n_local * (sizeof(struct place) + 2 * sizeof(int32_t)) + sizeof(struct node_numbers);
    if (local_rank != 0)
        MPI_Barrier(node);
    fd = shm_open(name, local_rank == 0 ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
    if (fd >= 0 && is_own_file(fd) && (local_rank != 0 || ftruncate(fd, (off_t)m->page_bytes) == 0))
        m->places = mmap(NULL, m->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m->places == MAP_FAILED)
        m->places = NULL;
    if (m->places != NULL)
        share_page(m, (uint32_t)n_local);
    else
        error_set_errno(err, ERROR_SYSTEM, "rank %u cannot share memory with its node (/dev/shm%s)",
                        m->comm.rank, name);
    if (fd >= 0)
        close(fd);
    if (local_rank == 0)
        MPI_Barrier(node);
    MPI_Barrier(node);
    if (local_rank == 0)
        shm_unlink(name);
    if (m->places == NULL)
        return -1;
    return 0;
}

static const struct comm_ops mpi_ops = {mpi_send, mpi_ring, mpi_receive, mpi_wait, mpi_close, mpi_forget};

/* Open MPI's segment of this rank in /dev/shm, 4 MiB, which would outlive a killed mpirun. By now all of
 * the node have attached to it, so its name is needed no more. Its name is VADER.host.uid.job.rank, the
 * job in hexadecimal. False: there is none, its messages go by other ways. */
static bool remove_segment_name(int local_rank)
{
    const char *job = getenv("OMPI_MCA_ess_base_jobid");
    bool is_there = false;
    char pattern[128];
    glob_t found;

    if (job == NULL)
        return false;
    snprintf(pattern, sizeof(pattern), "/dev/shm/vader_segment.*.%u.%lx.%d", (unsigned)geteuid(),
             strtoul(job, NULL, 10), local_rank);
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1)
        is_there = unlink(found.gl_pathv[0]) == 0;
    globfree(&found);
    return is_there;
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -1 : value;
}

/* Open MPI listens on all of the host's addresses, in case that some rank wants to connect; when all of them share
 * memory none ever will, but anybody else could. In a socket's place comes a descriptor that nothing happens to, since
 * Open MPI will close that number in the end. */
static void stop_listening(void)
{
    DIR *fds = opendir("/proc/self/fd");
    int quiet = eventfd(0, EFD_CLOEXEC);
    const struct dirent *entry;

    while (fds != NULL && quiet >= 0 && (entry = readdir(fds)) != NULL) {
        int fd = atoi(entry->d_name), domain = option_of(fd, SO_DOMAIN);

        if ((domain == AF_INET || domain == AF_INET6) && option_of(fd, SO_ACCEPTCONN) == 1)
            dup3(quiet, fd, O_CLOEXEC);
    }
    if (fds != NULL)
        closedir(fds);
    if (quiet >= 0)
        close(quiet);
}

/* What a run on one node does not need. Collective on `node`, the whole of it. */
static void trim(MPI_Comm node)
{
    int rank, mine, all = 0;

    MPI_Comm_rank(node, &rank);
    mine = remove_segment_name(rank);
    MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, node);
    if (all)
        stop_listening();
}

/* mpirun --oversubscribe makes Open MPI call sched_yield at each look that finds nothing. That is right
 * for ranks that spin, as all do until here; we sleep instead, and a yield only costs (3 % of a run of
 * short commands). There is no public call for it. */
static void stop_yielding(void)
{
    bool (*set_yield)(bool) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "opal_progress_set_yield_when_idle");

    memcpy(&set_yield, &symbol, sizeof(symbol));
    if (set_yield != NULL)
        set_yield(false);
}

static int explain_nothing(const char *file, const char *topic, bool has_header, ...)
{
    (void)file, (void)topic, (void)has_header;
    return 0;
}

/* When a peer dies, Open MPI explains at length that this should not happen, and waits until mpirun has taken that: an
 * mpirun that is stopped (see launch/mpirun.h) never does. Who is gone we find out by ourselves. There is no
 * public call for it, either. */
static void stop_explaining(void)
{
    int (**show_help)(const char *, const char *, bool, ...) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "opal_show_help");

    memcpy(&show_help, &symbol, sizeof(symbol));
    if (show_help != NULL)
        *show_help = explain_nothing;
}

/* Open MPI's event loops wait in epoll (see comm_open_mpi), and what epoll waits in can be waited for itself: it is
 * readable when any of their sockets is. So a rank sleeps until the network has something, whatever connections come
 * and go. Networks without sockets tell nothing in this way; net_tells learns which it is. To be called before anybody
 * else in this process makes one. */
static void find_net_fds(struct comm_mpi *m)
{
    DIR *dir = m->has_far ? opendir("/proc/self/fd") : NULL;
    const struct dirent *entry;
    char target[32];

    while (dir != NULL && (entry = readdir(dir)) != NULL && m->n_net_fds < NET_FDS_MAX) {
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));

        if (n == (ssize_t)strlen("anon_inode:[eventpoll]") && strncmp(target, "anon_inode:[eventpoll]", (size_t)n) == 0)
            m->net_fds[m->n_net_fds++] = atoi(entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    m->net_tells = m->n_net_fds > 0; /* where that is wrong, the first message that nobody told of shows it */
}

struct comm *comm_open_mpi(bool leaves_at_once, struct ganger_error *err)
{
    struct comm_mpi *m = xcalloc(1, sizeof(*m));
    MPI_Comm node;
    int provided, rank, size;
    bool is_open;

    m->comm.ops = &mpi_ops;
    m->bell = -1;
    m->net_s = NET_BUSY_S;
    m->far_s = FAR_FIRST_S;
    setenv("OMPI_MCA_opal_event_include", "epoll", 0); /* see find_net_fds */
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    m->comm.rank = (uint32_t)rank;
    m->comm.size = (uint32_t)size;
    if (check_size(m->comm.size, err) < 0)
        goto fail;
    m->n_ring = rank == 0 ? RING_MANAGER : RING_WORKER;
    m->ring = xcalloc(m->n_ring, sizeof(*m->ring));
    m->partial = xcalloc(m->comm.size, sizeof(*m->partial));
    m->lanes = xcalloc(m->comm.size, sizeof(*m->lanes));
    m->busy = xcalloc(m->comm.size, sizeof(*m->busy));
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
    meet(m, node);
    if (!comm_is_one_node(&m->comm))
        greet(m);
    for (uint32_t i = 0; i < m->n_ring; i++)
        post(&m->ring[i]);
    is_open = open_bell(m, err) == 0;
    is_open &= open_page(m, node, err) == 0; /* others wait for us in it, whatever came before */
    if (!is_open)
        goto fail;
    if (leaves_at_once)
        trim(node);
    stop_yielding();
    if (!comm_is_one_node(&m->comm))
        stop_explaining();
    find_net_fds(m);
    return &m->comm;
fail:
    free_comm(m);
    return NULL;
}

const char *comm_mpi_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;

    if (text[0] == '\0') {
        MPI_Get_library_version(text, &n);
        text[strcspn(text, ",\n")] = '\0'; /* Open MPI goes on with its package and build */
    }
    if (strncmp(text, "MPICH Version:", 14) == 0) {
        size_t skip = 14 + strspn(text + 14, " \t");

        memmove(text + 6, text + skip, strlen(text + skip) + 1);
        memcpy(text, "MPICH ", 6);
    }
    if (strncmp(text, "Open MPI v", 10) == 0)
        memmove(text + 9, text + 10, strlen(text + 10) + 1);
    return text;
}
