/* dag_walk: the vertices of a dag one after another, each when all that it waits for is done.
 *
 * For whoever works through a dag without a scheduler: takes what is ready, and says when it is done. Conditions do
 * not count, and joins are never given. O(1 + children) for each vertex. */
#ifndef GANGER_CORE_DAG_WALK_H
#define GANGER_CORE_DAG_WALK_H

#include "core/dag.h"

#include <stdint.h>

struct dag_walk
{
    const struct dag *d; /* borrowed, and not to be changed meanwhile */
    uint32_t *n_missing; /* for each vertex: parents that are not done */
    uint32_t *ready;     /* a queue: what is ready, in the order in which it became so */
    uint32_t head;
    uint32_t end;
    uint32_t n_taken;    /* and not done */
};

enum dag_walk_step
{
    WALK_TAKEN, /* here is one */
    WALK_BUSY,  /* nothing is ready: something that was taken must be done first */
    WALK_OVER,  /* all are done */
};

void dag_walk_init(struct dag_walk *w, const struct dag *d);
void dag_walk_release(struct dag_walk *w);

/* Takes the next one. At first what waits for nothing is ready, in the order of its numbers. */
enum dag_walk_step dag_walk_next(struct dag_walk *w, uint32_t *vertex);

/* What was taken is done. */
void dag_walk_done(struct dag_walk *w, uint32_t vertex);

#endif
