/* check_walltime: what of a workflow would never be started in jobs of a given length, and why. By what is stated: run
 * times that a run would learn are not known. */
#ifndef GANGER_LAUNCH_CHECK_WALLTIME_H
#define GANGER_LAUNCH_CHECK_WALLTIME_H

#include "core/graph.h"

#include <stdint.h>
#include <stdio.h>

struct check_walltime
{
    double walltime_s;
    double usable_s;      /* of it, before tasks get TERM */
    double path_s;        /* the longest, by costs */
    uint32_t n_by_cost;   /* tasks whose cost is longer */
    uint32_t n_by_timeout; /* that state no cost, and whose timeout is longer */
    uint32_t n_by_signal; /* that want their end_signal earlier than that */
    task_id example;      /* one of them that needs most; TASK_NONE: all can be started */
    double example_s;
};

void check_walltime_measure(struct check_walltime *w, const struct graph *g, double walltime_s);

/* Lines that each begin with `label`: what is usable, what would never be started, how many jobs it takes at least. */
void check_walltime_print(const struct check_walltime *w, const struct graph *g, FILE *file, const char *label);

static inline uint32_t check_walltime_n_never(const struct check_walltime *w)
{
    return w->n_by_cost + w->n_by_timeout + w->n_by_signal;
}

#endif
