/* metg: the smallest task length at which a share of the machine's peak is still reached, by the method of the
 * Task Bench paper (SC'20, section IV). Pure.
 *
 * The same graph is run with ever shorter tasks. For each run
 *   task length = elapsed time x workers / tasks          (what a task takes of a worker, with all overhead)
 *   efficiency  = useful time of the task / task length   (useful: what its kernel takes where nothing else is
 *                                                          done, measured in the same minute)
 * and METG(50 %) is the task length where the curve crosses 50 %, between the last run above and the first one
 * below, on a logarithmic scale of lengths. */
#ifndef GANGER_TASKBENCH_METG_H
#define GANGER_TASKBENCH_METG_H

#include <stddef.h>

struct metg_point
{
    double useful_s; /* kernel alone */
    double task_s;   /* task length */
};

enum metg_kind
{
    METG_CROSSED,      /* the length is the crossing */
    METG_ALWAYS_ABOVE, /* efficient at every length that was tried: the length is the least of them, METG less */
    METG_NEVER_ABOVE,  /* at none: the length is the greatest, METG more */
};

struct metg
{
    enum metg_kind kind;
    double task_s;
};

double metg_efficiency(const struct metg_point *point);

/* `points` are sorted by falling useful_s; there is at least one. `share` is 0.5 for METG(50 %). When noise makes
 * the curve cross several times, the crossing with the shortest tasks counts. */
struct metg metg_find(const struct metg_point *points, size_t n, double share);

#endif
