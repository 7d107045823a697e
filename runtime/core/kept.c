#include "core/kept.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

/* Of the tasks that a worker has at a time (BATCH_MAX of sched.c), about one falls into each set, hardly ever nine. */
#define SETS_BITS 9
#define N_SETS (1U << SETS_BITS)
#define N_WAYS 8
#define GOLDEN 2654435769U /* 2^32 by the golden ratio: neighbours and what lies at equal distances are spread */

void kept_release(struct kept *k)
{
    for (uint32_t i = 0; k->each != NULL && i < N_SETS * N_WAYS; i++)
        free(k->each[i].bytes);
    free(k->each);
    free(k->oldest);
    *k = (struct kept){.each = NULL};
}

static void forget(struct kept *k, struct kept_result *r)
{
    k->n_bytes -= r->capacity;
    free(r->bytes);
    *r = (struct kept_result){.bytes = NULL};
}

static uint32_t set_of(task_id task)
{
    return task * GOLDEN >> (32 - SETS_BITS);
}

void kept_put(struct kept *k, task_id task, uint32_t attempt, char *bytes, size_t n, size_t capacity)
{
    uint32_t set = set_of(task);
    struct kept_result *r;

    if (k->each == NULL) {
        k->each = xcalloc(N_SETS * N_WAYS, sizeof(*k->each));
        k->oldest = xcalloc(N_SETS, sizeof(*k->oldest));
    }
    r = &k->each[set * N_WAYS + k->oldest[set]];
    k->oldest[set] = (k->oldest[set] + 1) % N_WAYS;
    forget(k, r);
    *r = (struct kept_result){task, attempt, bytes, n, capacity};
    k->n_bytes += capacity;
    assert(capacity <= KEPT_BYTES_MAX);
    while (k->n_bytes > KEPT_BYTES_MAX) {
        if (&k->each[k->hand] != r)
            forget(k, &k->each[k->hand]);
        k->hand = (k->hand + 1) % (N_SETS * N_WAYS);
    }
}

const struct kept_result *kept_find(const struct kept *k, task_id task, uint32_t attempt)
{
    const struct kept_result *set = k->each != NULL ? &k->each[set_of(task) * N_WAYS] : NULL;

    for (uint32_t i = 0; set != NULL && i < N_WAYS; i++)
        if (set[i].task == task && set[i].attempt == attempt && attempt != 0)
            return &set[i];
    return NULL;
}
