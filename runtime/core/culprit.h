/* culprit: the failures for which a task was skipped, all of them.
 *
 * A task is skipped as soon as one thing that it waits for can no longer happen, and the journal names one task whose
 * failure is the reason. Others may fail later that would have been a reason, too. */
#ifndef GANGER_CORE_CULPRIT_H
#define GANGER_CORE_CULPRIT_H

#include "core/graph.h"

#include <stdint.h>

enum culprit_state
{
    CULPRIT_NONE,    /* neither of these */
    CULPRIT_FAILED,  /* for good */
    CULPRIT_SKIPPED, /* for a failure */
};

/* How a task of the graph ended; never asked about joins. */
typedef enum culprit_state culprit_state_of(const void *data, task_id task);

/* The failed tasks because of which `task` was skipped, over whatever was skipped in between, ascending. Returns how
 * many. The caller frees them. O(tasks + edges). */
uint32_t culprit_find(const struct graph *g, task_id task, culprit_state_of *state_of, const void *data,
                      task_id **culprits);

#endif
