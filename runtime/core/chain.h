/* chain: which tasks may follow those that a worker has, before these have ended.
 *
 * A function whose open dependencies all wait on the same worker can wait there behind them, and run on what they
 * return without a word from the manager. Candidates are the children of what was sent last; each is looked at once for
 * each parent that is sent. What is forgotten when too much was sent is sent later, when it is ready. It knows
 * nothing of states: see sched.h. */
#ifndef GANGER_CORE_CHAIN_H
#define GANGER_CORE_CHAIN_H

#include "core/graph.h"

#define CHAIN_SENT_MAX 1024 /* a power of two: tasks whose children are still to be looked at */

struct chain
{
    task_id *sent; /* a ring of CHAIN_SENT_MAX; NULL: nothing was sent so far */
    uint32_t first;
    uint32_t n;
    uint64_t n_passed; /* children of the first */
};

void chain_release(struct chain *c); /* zeros are the empty one */

/* The task, which has children, was sent. The oldest is forgotten when there is no room. */
void chain_add(struct chain *c, task_id task);

/* The next child of what was sent; TASK_NONE: all were looked at. The same one until it is passed. */
task_id chain_child(struct chain *c, const struct graph *g);
void chain_pass(struct chain *c);

#endif
