/* kept: what the functions that a worker ran last returned, for those that follow them there.
 *
 * A table in which the newest drives out the oldest: whoever does not find what it needs is given back to the manager,
 * which has it, too. */
#ifndef GANGER_CORE_KEPT_H
#define GANGER_CORE_KEPT_H

#include "core/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEPT_BYTES_MAX (8U << 20) /* of all results together */

struct kept_result
{
    task_id task;
    uint32_t attempt; /* 0: nothing is kept here */
    char *bytes;      /* NULL: it is empty */
    size_t n;
    size_t capacity;
};

struct kept
{
    struct kept_result *each; /* sets of a few; NULL: nothing was kept so far */
    uint8_t *oldest;          /* of each set */
    size_t n_bytes;           /* what all of them take */
    uint32_t hand;            /* where room is made next */
};

void kept_release(struct kept *k); /* zeros are the empty one */

/* Takes `bytes`, which may be NULL and has room for `capacity`; what was kept before may be forgotten. */
void kept_put(struct kept *k, task_id task, uint32_t attempt, char *bytes, size_t n, size_t capacity);

/* What that attempt returned, until the next call; NULL: it is not kept. */
const struct kept_result *kept_find(const struct kept *k, task_id task, uint32_t attempt);

#endif
