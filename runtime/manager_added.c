#include "manager_parts.h"

#include "base/alloc.h"
#include "base/name_index.h"
#include "ganger_add.h"

#include <stdlib.h>
#include <string.h>

/* What one call adds: all of it, or nothing. */
struct batch
{
    struct added_task *each;
    uint32_t n;
    struct name_index ids;
    struct graph *graph;
};

static const char *id_of(const void *data, uint32_t number)
{
    return ((const struct batch *)data)->each[number].task.id;
}

/* A number above that of any message is refused by added_read, which finds no bytes. */
static int read_batch(struct manager *m, const struct addition *a, struct batch *b, struct ganger_error *why)
{
    struct cursor c = cursor_over(a->definitions.bytes, a->definitions.n);
    size_t capacity = 0;

    for (uint32_t i = 0; i < a->n; i++) {
        b->each = xgrow(b->each, b->n, &capacity, sizeof(*b->each));
        if (added_read(b->graph, m->o->registry, &c, &b->each[b->n], why) < 0)
            return -1;
        b->n++;
        if (name_index_add(&b->ids, id_of(b, i), strlen(id_of(b, i)), i, id_of, b) != NAME_NOT_FOUND)
            return error_set(why, ERROR_USAGE, "two tasks that it adds have the id \"%s\"", id_of(b, i));
    }
    return 0;
}

/* May something wait for it? If it asks for its result, it must be there, or come. */
static int check_parent(struct manager *m, const struct addition *a, const struct added_task *added, task_id parent,
                        struct ganger_error *why)
{
    if (parent == a->adder || !task_is_call(&added->task) || !task_is_call(manager_task(m, parent)) ||
        sched_state(m->sched, parent) != STATE_DONE || results_of(m->o->results, parent) != NULL)
        return 0;
    return error_set(why, ERROR_USAGE, "task \"%s\" asks for the result of \"%s\", which was dropped, since nothing "
                                       "waited for it any more; \"keep\" keeps it", added->task.id,
                     manager_task(m, parent)->id);
}

static int check_needs(struct manager *m, const struct addition *a, const struct batch *b, uint32_t i,
                       struct ganger_error *why)
{
    struct cursor c = cursor_over(b->each[i].after.bytes, b->each[i].after.n);

    for (uint32_t k = 0; k < b->each[i].n_after; k++) {
        struct text id = added_next_id(&c);
        uint32_t before = name_index_find(&b->ids, id.bytes, id.n, id_of, b);
        task_id parent = graph_find(b->graph, id.bytes, id.n);

        if (before != NAME_NOT_FOUND && before < i)
            continue;
        if (parent == TASK_NONE)
            return error_set(why, ERROR_USAGE, "task \"%s\" waits for \"%s\", which there is not", id_of(b, i),
                             id.bytes);
        if (check_parent(m, a, &b->each[i], parent, why) < 0)
            return -1;
    }
    return 0;
}

static int check_batch(struct manager *m, const struct addition *a, const struct batch *b, struct ganger_error *why)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (!added_is_new(b->graph, &b->each[i], a->adder, why) && why->cause != ERROR_NONE)
            return -1;
        if (check_needs(m, a, b, i, why) < 0)
            return -1;
    }
    return 0;
}

static void append(struct manager *m, const struct addition *a, const struct added_task *added)
{
    task_id task;

    if (!added_is_new(m->o->graph, added, a->adder, NULL))
        return; /* it had done so in an earlier epoch */
    task = added_append(m->o->graph, added, a->adder);
    sched_append(m->sched, task);
    results_append(m->o->results, task);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_ADDED,
                                            .time_s = manager_epoch_s(m),
                                            .task = task,
                                            .cause = a->adder,
                                            .worker = a->worker,
                                            .node = m->peers[a->worker].node,
                                            .text = added->definition.bytes,
                                            .n_text = added->definition.n});
}

int added_hear(struct manager *m, const struct addition *a, struct ganger_error *why)
{
    struct batch b = {.graph = m->o->graph};
    int status = -1;

    if (read_batch(m, a, &b, why) == 0 && check_batch(m, a, &b, why) == 0) {
        calls_note_functions(m);
        for (uint32_t i = 0; i < b.n; i++)
            append(m, a, &b.each[i]);
        manager_tell_skipped(m);
        status = 0;
    }
    name_index_release(&b.ids);
    free(b.each);
    return status;
}
