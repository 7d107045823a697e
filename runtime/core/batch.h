/* batch: functions that were sent to a worker behind the one it runs, in the order in which it will run them.
 *
 * Each holds what the one before it held, so all ask for the same. What waits in a batch can be taken back while there
 * is room elsewhere. It knows nothing of how much is worth sending: see sched.h. */
#ifndef GANGER_CORE_BATCH_H
#define GANGER_CORE_BATCH_H

#include "core/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch
{
    task_id *each; /* a ring: capacity is 0 or a power of two */
    uint32_t first;
    uint32_t n;
    uint32_t capacity;
    uint32_t n_asked; /* so many of the last ones were asked back, and have not come */
    uint32_t at;      /* place among the workers that have some to ask for; UINT32_MAX: none */
};

struct batches
{
    struct batch *of_worker;
    size_t n_known; /* workers */
    size_t capacity;
    uint32_t *workers; /* with tasks that were not asked back */
    size_t n_workers;
    size_t workers_capacity;
    uint32_t n_asked; /* of all */
};

void batches_release(struct batches *b); /* zeros are the empty one */

/* How many wait there. */
static inline uint32_t batches_count(const struct batches *b, uint32_t worker)
{
    return worker < b->n_known ? b->of_worker[worker].n : 0;
}

void batches_add(struct batches *b, uint32_t worker, task_id task);

/* The first leaves: it runs now. TASK_NONE: there is none. */
task_id batches_take_first(struct batches *b, uint32_t worker);

/* The last leaves; TASK_NONE: there is none. */
task_id batches_take_last(struct batches *b, uint32_t worker);

/* That one leaves, wherever it stands; false: it is not there. O(1) for the last. */
bool batches_remove(struct batches *b, uint32_t worker, task_id task);

/* The i-th from the first. */
static inline task_id batches_at(const struct batches *b, uint32_t worker, uint32_t i)
{
    const struct batch *of = &b->of_worker[worker];

    return of->each[(of->first + i) & (of->capacity - 1)];
}

/* Half of what waits behind some worker and was not asked back, at least one: the last `*n` there are to be asked
 * back, counted from the end of `batches_count` less `n_asked` before this call. False: there is nothing. */
bool batches_ask_back(struct batches *b, uint32_t *worker, uint32_t *n);

#endif
