#include "taskbench/slots.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void slots_init(struct slots *slots, const struct trial *trial, int n_kept)
{
    *slots = (struct slots){.trial = trial, .n_kept = n_kept};
    slots->bytes = xmalloc(slots_count(slots) * trial->n_bytes);
    memset(slots->bytes, 0, slots_count(slots) * trial->n_bytes); /* pages are there before the clock starts */
}

void slots_release(struct slots *slots)
{
    free(slots->bytes);
}

size_t slots_count(const struct slots *slots)
{
    return (size_t)slots->trial->n_graphs * (size_t)slots->n_kept * (size_t)slots->trial->plan.pattern.width;
}

size_t slots_index(const struct slots *slots, int graph, int step, int column)
{
    size_t row = (size_t)graph * (size_t)slots->n_kept + (size_t)(step % slots->n_kept);

    return row * (size_t)slots->trial->plan.pattern.width + (size_t)column;
}

void *slots_bytes(const struct slots *slots, size_t index)
{
    return slots->bytes + index * slots->trial->n_bytes;
}

void slots_run(const struct slots *slots, struct payload_origin task, const void **inputs,
               struct kernel_room *kernel)
{
    int n;
    const int *columns = plan_inputs(&slots->trial->plan, task.step, task.column, &n);
    size_t own = slots_index(slots, task.graph, task.step, task.column);

    for (int i = 0; i < n; i++)
        inputs[i] = slots_bytes(slots, slots_index(slots, task.graph, task.step - 1, columns[i]));
    trial_task_or_die(slots->trial, task, inputs, slots_bytes(slots, own), kernel);
}
