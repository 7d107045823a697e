/* event: a fact that happened in the run, and who is told of it.
 *
 * One stream of events feeds the journal, the progress line, the summary and the report; there is no
 * second bookkeeping. Sinks are called in the order they were added, on the manager's thread. */
#ifndef GANGER_CORE_EVENT_H
#define GANGER_CORE_EVENT_H

#include "core/task.h"

#include <stdbool.h>
#include <stdint.h>

enum event_kind
{
    EVENT_NODE_JOINED,   /* node, text = its host name, n_slots, n_gpus, memory_bytes */
    EVENT_WORKER_JOINED, /* worker, node, slots (its one slot) */
    EVENT_WORKER_LOST,   /* worker, node, text = why */
    EVENT_TASK_KEPT,     /* task: done in an earlier epoch, its definition is the same */
    EVENT_TASK_UNCHANGED, /* task: the same, and its inputs contain what they did; a command was sent to know */
    EVENT_TASK_SENT,     /* task, attempt, worker, node, slots, gpus: from now on it may have effects */
    EVENT_TASK_RETURNED, /* task, attempt, worker, node: that worker has not started it, and will not */
    EVENT_TASK_STARTED,  /* task, attempt, worker, node: it has been running for a while */
    EVENT_TASK_DONE,     /* task, attempt, worker, node, slots, result, n_added; of a function: calls, one, with its
                            result */
    EVENT_TASK_FAILED,   /* the same, and it will not be tried again; of both, worker 0: it was never sent (unplaceable;
                            or the program says how it ended) */
    EVENT_TASK_CANCELLED, /* the same: ended because the run ends */
    EVENT_TASK_RETRIED,  /* the same: this attempt failed, or was lost with its worker; it is ready again */
    EVENT_TASK_ENDED,    /* the same: this attempt ended, its slots are free, and the program has yet to say what that
                            means; then one of those above comes, with `has_ended`, or … */
    EVENT_TASK_AGAIN,    /* … task, attempt, worker, node: it is ready again, and no retry was spent */
    EVENT_TASK_SKIPPED,  /* task, cause = a task whose failure is the reason */
    EVENT_TASK_NOT_NEEDED, /* task, cause = a task that ended well, which it waited to see fail; TASK_NONE: the
                              program says so */
    EVENT_CALLS_DONE,    /* worker, node, slots, calls: functions that ended well, one after the other; that they were
                            sent is not told */
    EVENT_TASK_ADDED,    /* task, cause = the task that added it, worker, node, text = its definition, n_text */
    EVENT_NODE_SETUP,    /* task = TASK_SETUP, attempt, worker, node, slots, result: it ended on that node */
    EVENT_NODE_TEARDOWN, /* the same of node.teardown */
    EVENT_RUN_STOPPING,  /* text = why nothing new is started */
};

struct event_call
{
    task_id task;
    uint32_t attempt;
    uint32_t n_result; /* bytes */
    const char *result;
    uint32_t n_added;  /* tasks that it added, each of which was told of before */
    double start_s;    /* on the manager's clock since the start of the epoch */
    double run_s;
};

struct event
{
    enum event_kind kind;
    double time_s; /* seconds since the start of the epoch, the manager's clock */
    task_id task;
    task_id cause;
    uint32_t attempt; /* from 1 */
    uint32_t worker;  /* from 1 */
    uint32_t node;    /* from 0 */
    uint32_t n_slots;
    const uint16_t *slots; /* borrowed for the call, as are all pointers here */
    uint32_t n_gpus;
    const uint16_t *gpus;  /* numbers on the node */
    uint64_t memory_bytes;
    const struct task_result *result;
    const char *text;
    uint32_t n_text;       /* bytes, where `text` is none */
    uint32_t n_calls;
    const struct event_call *calls;
    uint32_t n_added; /* tasks that it added, or the program when it was asked what its end counts as */
    bool has_ended; /* EVENT_TASK_ENDED told of the attempt */
};

typedef void event_sink(void *data, const struct event *event);

#define EVENT_SINKS_MAX 8

struct event_sinks
{
    struct
    {
        event_sink *sink;
        void *data;
    } each[EVENT_SINKS_MAX];
    uint32_t n;
};

void event_add_sink(struct event_sinks *sinks, event_sink *sink, void *data);
void event_emit(const struct event_sinks *sinks, const struct event *event);

#endif
