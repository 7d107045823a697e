/* ganger_add: tasks that a running function adds, as bytes, and from bytes into the graph.
 *
 * A definition is what struct ganger_task says, the dependencies by their ids: it stands for itself, in the message
 * that tells how the function ended (core/message.h, CALLED) and in the journal, from which `--resume` makes the task
 * again. */
#ifndef GANGER_GANGER_ADD_H
#define GANGER_GANGER_ADD_H

#include "base/error.h"
#include "core/graph.h"
#include "core/message.h"
#include "core/registry.h"

#define ADDED_DEFINITION_MAX (1 << 20)

/* A task that is to be appended. */
struct added_task
{
    struct task task;         /* its texts and classes are in the graph already */
    struct text definition;   /* borrowed */
    struct text after;        /* of the definition: n_after texts as buffer_put_text writes them */
    uint32_t n_after;
    const char *on;           /* of each, a byte: enum graph_condition; NULL: all are ON_OK */
};

/* The next of several definitions, each behind its length (u32). -1, and a message that needs no more words, when the
 * bytes are none, or what they say cannot be had: a function that is not in the registry (NULL: any will do). The graph
 * gets texts and classes, and no task. */
int added_read(struct graph *g, const struct registry *registry, struct cursor *c, struct added_task *added,
               struct ganger_error *err);

/* The ids that it waits for, one by one: `cursor` begins over added->after. */
struct text added_next_id(struct cursor *c);

/* False when its id is taken: by the same, which the same task had added before, or, which is an error, by another. */
bool added_is_new(const struct graph *g, const struct added_task *added, task_id adder, struct ganger_error *err);

/* Appends it, which is new; `adder` is the task that added it, which it waits for in any case. TASK_NONE when something
 * that it waits for is missing. */
task_id added_append(struct graph *g, const struct added_task *added, task_id adder);

#endif
