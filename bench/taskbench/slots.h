/* slots: where implementations with shared memory keep outputs: for each graph and column those of the last few
 * steps, going round. A task may fill a slot when all tasks that read what was in it have ended; who runs the
 * tasks sees to that. */
#ifndef GANGER_TASKBENCH_SLOTS_H
#define GANGER_TASKBENCH_SLOTS_H

#include "taskbench/trial.h"

struct slots
{
    const struct trial *trial; /* borrowed */
    int n_kept;                /* steps; 2 or more */
    char *bytes;
};

void slots_init(struct slots *slots, const struct trial *trial, int n_kept);
void slots_release(struct slots *slots);

size_t slots_count(const struct slots *slots);

/* Which slot, and its bytes. */
size_t slots_index(const struct slots *slots, int graph, int step, int column);
void *slots_bytes(const struct slots *slots, size_t index);

/* Runs a task from and to slots. `inputs` has room for `width` pointers; it and `kernel` are the thread's own. */
void slots_run(const struct slots *slots, struct payload_origin task, const void **inputs, struct kernel_room *kernel);

#endif
