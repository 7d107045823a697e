#include "core/batch.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16
#define NOWHERE UINT32_MAX

void batches_release(struct batches *b)
{
    for (size_t i = 0; i < b->n_known; i++)
        free(b->of_worker[i].each);
    free(b->of_worker);
    free(b->workers);
    *b = (struct batches){.of_worker = NULL};
}

static struct batch *of(struct batches *b, uint32_t worker)
{
    while (b->n_known <= worker) {
        b->of_worker = xgrow(b->of_worker, b->n_known, &b->capacity, sizeof(*b->of_worker));
        b->of_worker[b->n_known++] = (struct batch){.at = NOWHERE};
    }
    return &b->of_worker[worker];
}

/* Is it, or is it no longer, one of those that could be asked? */
static void note_change(struct batches *b, uint32_t worker)
{
    struct batch *batch = &b->of_worker[worker];
    bool may_be_asked = batch->n > batch->n_asked;

    if (may_be_asked && batch->at == NOWHERE) {
        b->workers = xgrow(b->workers, b->n_workers, &b->workers_capacity, sizeof(*b->workers));
        batch->at = (uint32_t)b->n_workers;
        b->workers[b->n_workers++] = worker;
    } else if (!may_be_asked && batch->at != NOWHERE) {
        uint32_t last = b->workers[--b->n_workers];

        b->workers[batch->at] = last;
        b->of_worker[last].at = batch->at;
        batch->at = NOWHERE;
    }
}

static void grow(struct batch *batch)
{
    uint32_t capacity = batch->capacity > 0 ? 2 * batch->capacity : FIRST_CAPACITY;
    task_id *each = xmalloc(capacity * sizeof(*each));

    for (uint32_t i = 0; i < batch->n; i++)
        each[i] = batch->each[(batch->first + i) & (batch->capacity - 1)];
    free(batch->each);
    batch->each = each;
    batch->first = 0;
    batch->capacity = capacity;
}

void batches_add(struct batches *b, uint32_t worker, task_id task)
{
    struct batch *batch = of(b, worker);

    if (batch->n == batch->capacity)
        grow(batch);
    batch->each[(batch->first + batch->n++) & (batch->capacity - 1)] = task;
    note_change(b, worker);
}

static void note_removal(struct batches *b, uint32_t worker, bool was_asked)
{
    struct batch *batch = &b->of_worker[worker];

    batch->n--;
    if (batch->n_asked > 0 && (was_asked || batch->n_asked > batch->n)) {
        batch->n_asked--;
        b->n_asked--;
    }
    note_change(b, worker);
}

task_id batches_take_first(struct batches *b, uint32_t worker)
{
    struct batch *batch;
    task_id task;

    if (batches_count(b, worker) == 0)
        return TASK_NONE;
    batch = &b->of_worker[worker];
    task = batch->each[batch->first];
    batch->first = (batch->first + 1) & (batch->capacity - 1);
    note_removal(b, worker, false);
    return task;
}

task_id batches_take_last(struct batches *b, uint32_t worker)
{
    uint32_t n = batches_count(b, worker);
    task_id task;

    if (n == 0)
        return TASK_NONE;
    task = batches_at(b, worker, n - 1);
    note_removal(b, worker, true);
    return task;
}

bool batches_remove(struct batches *b, uint32_t worker, task_id task)
{
    uint32_t n = batches_count(b, worker), i = n;
    struct batch *batch;

    while (i > 0 && batches_at(b, worker, i - 1) != task)
        i--;
    if (i == 0)
        return false;
    batch = &b->of_worker[worker];
    for (; i < n; i++) /* those behind it move up */
        batch->each[(batch->first + i - 1) & (batch->capacity - 1)] =
            batch->each[(batch->first + i) & (batch->capacity - 1)];
    note_removal(b, worker, true);
    return true;
}

bool batches_ask_back(struct batches *b, uint32_t *worker, uint32_t *n)
{
    struct batch *batch;

    if (b->n_workers == 0)
        return false;
    *worker = b->workers[b->n_workers - 1];
    batch = &b->of_worker[*worker];
    *n = (batch->n - batch->n_asked + 1) / 2;
    batch->n_asked += *n;
    b->n_asked += *n;
    note_change(b, *worker);
    return true;
}
