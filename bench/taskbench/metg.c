#include "taskbench/metg.h"

#include <assert.h>
#include <math.h>

double metg_efficiency(const struct metg_point *point)
{
    return point->useful_s / point->task_s;
}

static double crossing(const struct metg_point *above, const struct metg_point *below, double share)
{
    double e_above = metg_efficiency(above);
    double e_below = metg_efficiency(below);
    double part = (e_above - share) / (e_above - e_below);

    return exp(log(above->task_s) + part * (log(below->task_s) - log(above->task_s)));
}

struct metg metg_find(const struct metg_point *points, size_t n, double share)
{
    assert(n > 0);
    if (metg_efficiency(&points[n - 1]) >= share)
        return (struct metg){METG_ALWAYS_ABOVE, points[n - 1].task_s};
    for (size_t i = n - 1; i-- > 0;) {
        if (metg_efficiency(&points[i]) >= share)
            return (struct metg){METG_CROSSED, crossing(&points[i], &points[i + 1], share)};
    }
    return (struct metg){METG_NEVER_ABOVE, points[0].task_s};
}
