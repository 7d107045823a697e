#include "io/comm.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STARVED_S 0.001 /* descriptors are looked at this often while messages come, or there is much to do, without a
                           break */

#define LETTER_BYTES 4096 /* a letter has room for so much at least: what travels in one piece, so that any other can be
                             written where one was */
#define SPARE_LETTERS 64  /* that a rank keeps */

struct letter
{
    struct letter *next;
    uint32_t from;
    size_t n;
    size_t capacity; /* of bytes */
    char bytes[];
};

/* Letters to one rank, first in first out. */
struct inbox
{
    pthread_mutex_t lock;
    struct letter *first;
    struct letter **end;
    _Atomic bool has_letters; /* changes under the lock, is looked at without */
    _Atomic bool is_asleep;   /* its owner sleeps, or is about to: it must be rung for */
    int bell; /* an eventfd */
};

struct shared
{
    _Atomic uint32_t n_open;
    uint32_t size;
    uint32_t *zeros; /* every rank is on node 0 */
    uint32_t *places;
    _Atomic int32_t *groups;
    _Atomic uint64_t counter;
    struct inbox inboxes[];
};

struct comm_memory
{
    struct comm comm;
    struct shared *shared;
    struct letter *lent;
    struct letter *taken; /* out of the inbox, and not yet received */
    struct letter *spare; /* were received here, and will be sent from here */
    uint32_t n_spare;
    struct pollfd *fds;
    size_t fds_capacity;
    double last_poll_s;
};

static struct comm_memory *of(struct comm *c)
{
    return (struct comm_memory *)c; /* comm is its first member */
}

/* A letter is not freed where it is received, if it can be sent back with something else: memory that one thread takes
 * and another one frees makes both wait for the allocator, which then puts them to sleep. */
static struct letter *new_letter(struct comm_memory *m, size_t n)
{
    struct letter *letter = m->spare;
    size_t capacity = n > LETTER_BYTES ? n : LETTER_BYTES;

    if (letter != NULL && n <= letter->capacity) {
        m->spare = letter->next;
        m->n_spare--;
        return letter;
    }
    letter = xmalloc(sizeof(*letter) + capacity);
    letter->capacity = capacity;
    return letter;
}

static void drop_letter(struct comm_memory *m, struct letter *letter)
{
    if (letter == NULL)
        return;
    if (m->n_spare == SPARE_LETTERS || letter->capacity > LETTER_BYTES) {
        free(letter);
        return;
    }
    letter->next = m->spare;
    m->spare = letter;
    m->n_spare++;
}

static int memory_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    struct inbox *inbox = &of(c)->shared->inboxes[to];
    struct letter *letter = new_letter(of(c), n);

    (void)err; /* memory does not fail */
    letter->next = NULL;
    letter->from = c->rank;
    letter->n = n;
    memcpy(letter->bytes, bytes, n);
    pthread_mutex_lock(&inbox->lock);
    *inbox->end = letter;
    inbox->end = &letter->next;
    atomic_store(&inbox->has_letters, true);
    pthread_mutex_unlock(&inbox->lock);
    return 0;
}

/* The sender's half of the protocol that comm_mpi.c has, too: what was sent is visible before the flag is read. All of
 * these are sequentially consistent, so that no fence is needed. */
static void memory_ring(struct comm *c, uint32_t to)
{
    struct inbox *inbox = &of(c)->shared->inboxes[to];
    uint64_t one = 1;

    if (!atomic_load(&inbox->is_asleep) || !atomic_exchange(&inbox->is_asleep, false))
        return; /* it will look before it sleeps, or somebody has rung */
    if (write(inbox->bell, &one, sizeof(one)) < 0) {
        /* full: it is readable, which is all that matters */
    }
}

/* All letters that are there. */
static struct letter *empty(struct inbox *inbox)
{
    struct letter *first;

    if (!atomic_load(&inbox->has_letters))
        return NULL;
    pthread_mutex_lock(&inbox->lock);
    first = inbox->first;
    inbox->first = NULL;
    inbox->end = &inbox->first;
    atomic_store(&inbox->has_letters, false);
    pthread_mutex_unlock(&inbox->lock);
    return first;
}

static bool memory_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    struct comm_memory *m = of(c);

    drop_letter(m, m->lent);
    if (m->taken == NULL)
        m->taken = empty(&m->shared->inboxes[c->rank]);
    m->lent = m->taken;
    if (m->lent == NULL)
        return false;
    m->taken = m->lent->next;
    *from = m->lent->from;
    *bytes = m->lent->bytes;
    *n = m->lent->n;
    return true;
}

static bool look(struct comm *c)
{
    return of(c)->taken != NULL || atomic_load(&of(c)->shared->inboxes[c->rank].has_letters);
}

/* Is there nothing even after all were told that we sleep? */
static bool fall_asleep(struct comm *c, struct inbox *inbox)
{
    atomic_store(&inbox->is_asleep, true);
    if (!look(c))
        return true;
    atomic_store(&inbox->is_asleep, false);
    return false;
}

static int memory_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s,
                       struct ganger_error *err)
{
    struct comm_memory *m = of(c);
    struct inbox *inbox = &m->shared->inboxes[c->rank];
    double now_s = clock_now_s(), limit_s = 0;
    bool sleeps = now_s < deadline_s && !look(c) && !comm_spin(c, look, deadline_s) && fall_asleep(c, inbox);
    struct timespec t;
    uint64_t count;
    int r;

    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = 0;
    if (!sleeps && now_s - m->last_poll_s < STARVED_S)
        return 0;
    if (sleeps)
        limit_s = fmin(fmax(deadline_s - clock_now_s(), 0.0), 1e6);
    t = (struct timespec){(time_t)limit_s, (long)((limit_s - floor(limit_s)) * 1e9)};
    while (n >= m->fds_capacity)
        m->fds = xgrow(m->fds, m->fds_capacity, &m->fds_capacity, sizeof(*m->fds));
    m->fds[0] = (struct pollfd){inbox->bell, POLLIN, 0};
    for (nfds_t i = 0; i < n; i++)
        m->fds[i + 1] = (struct pollfd){fds[i].fd, fds[i].events, 0};
    r = ppoll(m->fds, n + 1, &t, NULL);
    atomic_store(&inbox->is_asleep, false);
    m->last_poll_s = sleeps ? clock_now_s() : now_s;
    if (r < 0 && errno != EINTR)
        return error_set_errno(err, ERROR_SYSTEM, "cannot wait for messages and children");
    if (r > 0 && (m->fds[0].revents & POLLIN))
        (void)!read(inbox->bell, &count, sizeof(count));
    for (nfds_t i = 0; i < n && r > 0; i++)
        fds[i].revents = m->fds[i + 1].revents;
    return 0;
}

static void free_letters(struct letter *first)
{
    while (first != NULL) {
        struct letter *letter = first;

        first = letter->next;
        free(letter);
    }
}

static void free_shared(struct shared *shared)
{
    for (uint32_t rank = 0; rank < shared->size; rank++) {
        struct inbox *inbox = &shared->inboxes[rank];

        free_letters(inbox->first);
        pthread_mutex_destroy(&inbox->lock);
        if (inbox->bell >= 0)
            close(inbox->bell);
    }
    free(shared->zeros);
    free(shared->places);
    free(shared->groups);
    free(shared);
}

static void memory_close(struct comm *c, bool at_once)
{
    struct comm_memory *m = of(c);

    (void)at_once;
    free(m->lent);
    free_letters(m->taken);
    free_letters(m->spare);
    free(m->fds);
    if (atomic_fetch_sub(&m->shared->n_open, 1) == 1)
        free_shared(m->shared);
    free(m);
}

static const struct comm_ops memory_ops = {memory_send, memory_ring, memory_receive, memory_wait, memory_close, NULL};

int comm_open_memory(struct comm **ends, uint32_t size, struct ganger_error *err)
{
    int number = 0;
    struct shared *shared = xcalloc(1, sizeof(*shared) + size * sizeof(shared->inboxes[0]));

    shared->size = size;
    shared->zeros = xcalloc(size, sizeof(*shared->zeros));
    shared->places = xcalloc(size, sizeof(*shared->places));
    shared->groups = xcalloc(size, sizeof(*shared->groups));
    atomic_store(&shared->n_open, size);
    for (uint32_t rank = 0; rank < size; rank++) {
        struct comm_memory *m = xcalloc(1, sizeof(*m));
        struct inbox *inbox = &shared->inboxes[rank];

        pthread_mutex_init(&inbox->lock, NULL);
        inbox->end = &inbox->first;
        inbox->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (inbox->bell < 0)
            number = errno;
        shared->places[rank] = rank;
        m->comm = (struct comm){.ops = &memory_ops,
                                .rank = rank,
                                .size = size,
                                .nodes = shared->zeros,
                                .groups = shared->groups,
                                .node_places = shared->places,
                                .node_counter = &shared->counter};
        m->shared = shared;
        ends[rank] = &m->comm;
    }
    if (number == 0)
        return 0;
    for (uint32_t rank = 0; rank < size; rank++)
        free(of(ends[rank]));
    free_shared(shared);
    errno = number;
    return error_set_errno(err, ERROR_SYSTEM,
                           "cannot make a doorbell for each of %u ranks in one process (`ulimit -n`)", size);
}
