#include "io/comm_mpi_parts.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Receives of a frame each are posted in a ring and matched in that order, so the ring's order is the order of
 * arrival. */
#define RING_MANAGER 64
#define RING_WORKER 8

/* How long a rank may sleep, in seconds, when nothing but MPI itself could wake it. */
#define STARVED_S 0.001     /* children and pipes are looked at this often in steady traffic, or by who is busy */
#define MOVING_S 0.001      /* while a message of its own, or one to it, is half through */
#define NET_FIRST_S 0.001   /* safety net, after it caught a message that nobody rang for */
#define NET_BUSY_S 0.064    /* the same, after an ordinary wake-up */
#define NET_IDLE_S 2.0      /* the longest */
#define FAR_FIRST_S 0.0002  /* where nothing tells of messages from other nodes: after one … */
#define FAR_IDLE_S 0.005    /* … and after many looks in vain */
#define VAIN_WAKES_MAX 1000 /* the network woke us, and nothing came, so often in a row: it is not listened to */
#define LAST_SENDS_S 1.0    /* for what was sent before closing; a dead receiver never takes it */

static struct comm_mpi *of(struct comm *c)
{
    return (struct comm_mpi *)c; /* comm is its first member */
}

/* ---- receiving ---- */

static void post(struct receive *r)
{
    MPI_Irecv(r->bytes, FRAME_BYTES, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &r->request);
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
    n = start_bell_address(&address, &m->bells[to]);
    if (sendto(m->bell, &m->bells[to].key, sizeof(m->bells[to].key), MSG_DONTWAIT | MSG_NOSIGNAL,
               (struct sockaddr *)&address, n) < 0) {
        /* It died, or its queue is full of rings already: either way there is nobody to wake. */
    }
}

static int mpi_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    if (lanes_send(&of(c)->lanes, to, bytes, n) < 0)
        return error_set(err, ERROR_SYSTEM, "MPI cannot send to rank %u", to);
    return 0;
}

static void mpi_forget(struct comm *c, uint32_t rank)
{
    struct comm_mpi *m = of(c);

    lanes_forget(&m->lanes, rank);
    drop_partial(m, rank);
}

/* Whoever slept because all that had come was read must hear of the rest. */
static void ring_again(void *data, uint32_t to)
{
    mpi_ring(data, to);
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

/* Is a message of its own, or one to it, half through? */
static bool is_moving(const struct comm_mpi *m)
{
    return m->lanes.n_busy > 0 || m->n_partial > 0;
}

static double sleep_limit_s(const struct comm_mpi *m, double now_s, double deadline_s)
{
    double limit_s = fmin(m->net_s, deadline_s - now_s);

    if (is_moving(m))
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
        m->net_tells &= is_moving(m); /* then the sleep was so short that nothing may have had time to tell */
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
    lanes_move(&m->lanes, ring_again, c);

    /* The sleeper's half of the protocol: asleep, fence, then look twice before sleeping, since one
     * look may not show what is already there. */
    is_there = deadline_s <= now_s || comm_spin(c, look, deadline_s); /* or something else is to be done */
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
    if (m->lanes.each != NULL)
        lanes_release(&m->lanes);
    if (m->places != NULL)
        munmap(m->places, m->page_bytes);
    if (m->bell >= 0)
        close(m->bell);
    free(m->partial);
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

    for (double until_s = clock_now_s() + LAST_SENDS_S; m->lanes.n_busy > 0 && clock_now_s() < until_s;)
        lanes_move(&m->lanes, ring_again, c);
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

static const struct comm_ops mpi_ops = {mpi_send, mpi_ring, mpi_receive, mpi_wait, mpi_close, mpi_forget};

struct comm *comm_open_mpi(bool leaves_at_once, struct ganger_error *err)
{
    struct comm_mpi *m = xcalloc(1, sizeof(*m));
    MPI_Comm node;
    int provided, rank, size;

    m->comm.ops = &mpi_ops;
    m->bell = -1;
    m->net_s = NET_BUSY_S;
    m->far_s = FAR_FIRST_S;
    setenv("OMPI_MCA_opal_event_include", "epoll", 0); /* see find_net_fds */
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    start_settle();
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    m->comm.rank = (uint32_t)rank;
    m->comm.size = (uint32_t)size;
    if (start_check_size(m->comm.size, err) < 0)
        goto fail;
    m->n_ring = rank == 0 ? RING_MANAGER : RING_WORKER;
    m->ring = xcalloc(m->n_ring, sizeof(*m->ring));
    m->partial = xcalloc(m->comm.size, sizeof(*m->partial));
    lanes_init(&m->lanes, m->comm.size);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
    start_meet(m, node);
    for (uint32_t i = 0; i < m->n_ring; i++)
        post(&m->ring[i]);
    if (start_open_node(m, node, err) < 0)
        goto fail;
    start_trim(m, node, leaves_at_once);
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
