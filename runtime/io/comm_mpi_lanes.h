/* comm_mpi_lanes: what is on its way to other ranks, and MPI is not through with: a lane for each of them.
 *
 * A message travels in frames small enough for the eager protocol of every transport, so that none ever needs both
 * sides to make progress at once; the tag says whether more frames follow. MPI is given only the first few of a lane:
 * more would wait in lists of its own, through which it goes at each call, and of what leaves those nobody is told. */
#ifndef GANGER_IO_COMM_MPI_LANES_H
#define GANGER_IO_COMM_MPI_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_BYTES 4000
enum frame_tag
{
    TAG_LAST = 1, /* the frame ends its message */
    TAG_MORE = 2,
    TAG_GREETING = 3, /* none: see comm_mpi_start.c */
};

struct lane;
struct frame;

struct lanes
{
    struct lane *each;   /* by rank */
    uint32_t *busy;      /* ranks to which something is on its way */
    uint32_t n_busy;
    uint32_t n_given;    /* frames that MPI has, of all lanes */
    uint32_t turn;       /* of the busy ones to be looked at first */
    struct frame *spare; /* frames to be used again */
};

void lanes_init(struct lanes *l, uint32_t n_ranks);
void lanes_release(struct lanes *l); /* MPI must be through with all */

/* Sends, or puts behind what is on its way. -1: MPI refuses, and nothing is on its way any more. */
int lanes_send(struct lanes *l, uint32_t to, const char *bytes, size_t n);

/* Goes on with all of them as far as they go; calls `sent` for each rank to which more was sent. What MPI refuses is
 * dropped: such a rank is found by its end, or by its silence. */
void lanes_move(struct lanes *l, void (*sent)(void *data, uint32_t to), void *data);

/* What is on its way to the dead never arrives. MPI may still read the frames that it has: they are left to it. */
void lanes_forget(struct lanes *l, uint32_t to);

#endif
