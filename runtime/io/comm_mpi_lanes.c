#include "io/comm_mpi_lanes.h"

#include "base/alloc.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

/* Open MPI has memory for 512 frames that receivers have not read. Those who do not read for long, since they run
 * something, must not take it from the others. */
#define GIVEN_MAX 256     /* in all … */
#define GIVEN_TO_ONE_MAX 64
#define GIVEN_TO_EACH 4   /* … but for these */

struct frame
{
    MPI_Request request;
    struct frame *next; /* in its lane, or of those that are spare */
    int tag;
    int n;
    char bytes[FRAME_BYTES];
};

/* In order. */
struct lane
{
    struct frame *first;   /* NULL: nothing */
    struct frame *last;
    struct frame *waiting; /* the first that MPI does not have; NULL: it has all */
    uint32_t n_given;      /* frames that MPI has */
    uint32_t at;           /* where among the busy ones */
};

void lanes_init(struct lanes *l, uint32_t n_ranks)
{
    *l = (struct lanes){.each = xcalloc(n_ranks, sizeof(*l->each)), .busy = xcalloc(n_ranks, sizeof(*l->busy))};
}

static struct frame *new_frame(struct lanes *l)
{
    struct frame *f = l->spare;

    if (f == NULL)
        return xmalloc(sizeof(*f));
    l->spare = f->next;
    return f;
}

static void be_spare(struct lanes *l, struct frame *f)
{
    f->next = l->spare;
    l->spare = f;
}

static void put_on_lane(struct lanes *l, uint32_t to, struct frame *f)
{
    struct lane *lane = &l->each[to];

    f->next = NULL;
    if (lane->first == NULL) {
        lane->first = f;
        lane->at = l->n_busy;
        l->busy[l->n_busy++] = to;
    } else {
        lane->last->next = f;
    }
    if (lane->waiting == NULL)
        lane->waiting = f;
    lane->last = f;
}

static struct frame *take_first(struct lanes *l, struct lane *lane)
{
    struct frame *f = lane->first;

    lane->first = f->next;
    if (lane->waiting == f) {
        lane->waiting = f->next;
    } else {
        lane->n_given--;
        l->n_given--;
    }
    if (lane->first == NULL) {
        uint32_t last = l->busy[--l->n_busy];

        l->busy[lane->at] = last;
        l->each[last].at = lane->at;
    }
    return f;
}

static void clear_lane(struct lanes *l, struct lane *lane)
{
    while (lane->n_given > 0)
        take_first(l, lane); /* MPI may still read it: it is left to it */
    while (lane->first != NULL)
        be_spare(l, take_first(l, lane));
}

static bool may_give(const struct lanes *l, const struct lane *lane)
{
    return lane->n_given < GIVEN_TO_EACH || (lane->n_given < GIVEN_TO_ONE_MAX && l->n_given < GIVEN_MAX);
}

/* 1: MPI got some; 0: none; -1: it refuses. */
static int give_frames(struct lanes *l, uint32_t to)
{
    struct lane *lane = &l->each[to];
    int given = 0;

    while (lane->waiting != NULL && may_give(l, lane)) {
        struct frame *f = lane->waiting;

        if (MPI_Isend(f->bytes, f->n, MPI_BYTE, (int)to, f->tag, MPI_COMM_WORLD, &f->request) != MPI_SUCCESS)
            return -1;
        lane->waiting = f->next;
        lane->n_given++;
        l->n_given++;
        given = 1;
    }
    return given;
}

/* True: there was one with which MPI is through. It is with the first one first; each look makes it work. */
static bool take_back_frames(struct lanes *l, struct lane *lane)
{
    bool took = false;
    int is_through = 1;

    while (lane->n_given > 0) {
        MPI_Test(&lane->first->request, &is_through, MPI_STATUS_IGNORE);
        if (!is_through)
            break;
        be_spare(l, take_first(l, lane));
        took = true;
    }
    return took;
}

/* Goes on with a lane as far as it goes. 1: something was sent; 0: nothing; -1: MPI refuses, and the lane is empty. */
static int move_lane(struct lanes *l, uint32_t to)
{
    struct lane *lane = &l->each[to];
    int sent = 0, given;

    do {
        given = give_frames(l, to);
        if (given < 0) {
            clear_lane(l, lane);
            return -1;
        }
        sent |= given;
    } while (take_back_frames(l, lane) && lane->waiting != NULL);
    return sent;
}

int lanes_send(struct lanes *l, uint32_t to, const char *bytes, size_t n)
{
    const char *next = bytes;
    size_t n_left = n;

    do {
        struct frame *f = new_frame(l);
        size_t n_frame = n_left < FRAME_BYTES ? n_left : FRAME_BYTES;

        f->n = (int)n_frame;
        f->tag = n_frame == n_left ? TAG_LAST : TAG_MORE;
        memcpy(f->bytes, next, n_frame);
        put_on_lane(l, to, f);
        next += n_frame;
        n_left -= n_frame;
    } while (n_left > 0);
    return move_lane(l, to) < 0 ? -1 : 0;
}

void lanes_move(struct lanes *l, void (*sent)(void *data, uint32_t to), void *data)
{
    l->turn++;
    for (uint32_t n = l->n_busy, i = 0; i < n && l->n_busy > 0; i++) { /* one that becomes idle gives its place away */
        uint32_t to = l->busy[(l->turn + i) % l->n_busy];

        if (move_lane(l, to) > 0)
            sent(data, to);
    }
}

void lanes_forget(struct lanes *l, uint32_t to)
{
    clear_lane(l, &l->each[to]);
}

void lanes_release(struct lanes *l)
{
    while (l->spare != NULL)
        free(new_frame(l));
    free(l->each);
    free(l->busy);
}
