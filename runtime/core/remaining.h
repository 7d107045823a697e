/* remaining: how much of a run is left, and what the next allocation for it should be. Pure. */
#ifndef GANGER_CORE_REMAINING_H
#define GANGER_CORE_REMAINING_H

#include "core/graph.h"

#include <stdbool.h>
#include <stdint.h>

struct remaining
{
    uint32_t n_tasks;   /* that are not done, without joins */
    uint32_t n_unknown; /* of them: nobody knows how long they take */
    uint64_t n_cores;   /* that all of them could use at once, if nothing depended on anything */
    double area_s;      /* cores x seconds of those that are known */
    double path_s;      /* the longest chain of them */
};

/* `is_done` and `ran_s` are by task, as journal_recover gives them. A task takes its cost, else the mean of the done
 * tasks of its program. O(tasks + edges). */
void remaining_measure(const struct graph *g, const bool *is_done, const float *ran_s, struct remaining *r);

/* What is left of an allocation when its tasks have been ended: 2 % of the time that there is, 10 s to 60 s. It is for
 * the journal, and for asking for the next one. */
double remaining_margin_s(double left_s);

/* An allocation of equal nodes; 0: not said, as it was. */
struct remaining_size
{
    uint32_t n_nodes;
    uint32_t cores_per_node;
    double runtime_s; /* INFINITY: as long as it likes */
};

#define REMAINING_SPARE 1.5      /* of the least time: no schedule is perfect, and no mean the next value */
#define REMAINING_START_S 60.0   /* and this, for starting and ending */

/* Never more than `most`: as many nodes as the tasks could use at once, and so long as they take there at least, with
 * something to spare, in whole minutes. What nobody knows the length of gets what there was. */
struct remaining_size remaining_fit(const struct remaining *r, const struct remaining_size *most);

#endif
