/* advance: tasks that were sent to a busy worker, to begin when it has ended its task, and how they are recalled
 * when they could begin elsewhere. A worker has one at most. */
#ifndef GANGER_CORE_ADVANCE_H
#define GANGER_CORE_ADVANCE_H

#include "core/match.h"

struct advance_list
{
    uint32_t *workers; /* whose advance was not recalled */
    size_t n;
    size_t capacity;
    uint32_t at; /* place among the classes that have some */
};

struct advances
{
    struct match *match;
    uint32_t n_lists;
    struct advance_list *lists; /* by class, so that a wide task hides no narrow one */
    uint32_t *classes;          /* those with a list that is not empty */
    uint32_t n_classes;
    uint32_t n_recalled;        /* on their way back, each for a free slot */
    uint64_t searched_at;       /* the number of releases when none could begin elsewhere */
};

void advances_init(struct advances *a, struct match *match); /* borrows it */
void advances_release(struct advances *a);
void advances_append(struct advances *a); /* the graph may have got new classes */

void advances_add(struct advances *a, uint32_t worker, task_id task);

/* The worker has no task in advance any more. Returns which it was. */
task_id advances_remove(struct advances *a, uint32_t worker);

/* See sched_find_recall. */
bool advances_find_recall(struct advances *a, uint32_t *worker, task_id *task);

#endif
