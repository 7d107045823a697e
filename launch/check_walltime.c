#include "launch/check_walltime.h"

#include "base/alloc.h"
#include "core/remaining.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define GRACE_S 5.0 /* of a run that states no --grace */

/* What it needs, by what it states, as estimate.h has it; which kind of statement that is, is counted. */
static double need_of(struct check_walltime *w, const struct graph *g, const struct task *t, uint32_t **kind)
{
    const struct task_policy *policy = &g->policies[t->policy];
    double timeout_s = policy->timeout_s > 0 ? policy->timeout_s : (double)INFINITY;

    *kind = &w->n_by_signal;
    if (policy->end_signal.signal != 0)
        return policy->end_signal.before_s;
    *kind = t->cost_s > 0 ? &w->n_by_cost : &w->n_by_timeout;
    if (t->cost_s > 0)
        return fmin((double)t->cost_s, timeout_s);
    return isinf(timeout_s) ? 0 : timeout_s;
}

static double longest_path_s(const struct graph *g)
{
    float *run_s = xcalloc(g->n_tasks, sizeof(*run_s)), *b_level_s = xcalloc(g->n_tasks, sizeof(*b_level_s));
    double longest_s = 0;

    for (task_id t = 0; t < g->n_tasks; t++)
        run_s[t] = task_is_join(&g->tasks[t]) ? 0 : g->tasks[t].cost_s;
    graph_b_levels(g, run_s, b_level_s);
    for (task_id t = 0; t < g->n_tasks; t++)
        longest_s = fmax(longest_s, (double)b_level_s[t]);
    free(run_s);
    free(b_level_s);
    return longest_s;
}

void check_walltime_measure(struct check_walltime *w, const struct graph *g, double walltime_s)
{
    *w = (struct check_walltime){.walltime_s = walltime_s, .example = TASK_NONE, .path_s = longest_path_s(g)};
    w->usable_s = fmax(walltime_s - remaining_margin_s(walltime_s) - GRACE_S, 0);
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t *kind;
        double need_s;

        if (task_is_join(&g->tasks[t]) || (need_s = need_of(w, g, &g->tasks[t], &kind)) < w->usable_s ||
            need_s <= 0) /* what states nothing is started, and cut off */
            continue;
        ++*kind;
        if (need_s > w->example_s) {
            w->example = t;
            w->example_s = need_s;
        }
    }
}

static void print_kind(FILE *file, const char *label, uint32_t n, const char *what)
{
    if (n > 0)
        fprintf(file, "%s%" PRIu32 " task%s would never be started: %s\n", label, n, n == 1 ? "" : "s", what);
}

void check_walltime_print(const struct check_walltime *w, const struct graph *g, FILE *file, const char *label)
{
    print_kind(file, label, w->n_by_cost, "their cost is longer than that");
    print_kind(file, label, w->n_by_timeout, "they state no cost, and their timeout is longer than that (unless other "
                                             "tasks of their program show that they are short)");
    print_kind(file, label, w->n_by_signal, "their end_signal is wanted earlier than that");
    if (w->example != TASK_NONE)
        fprintf(file, "%s\"%s\" needs most, %.6g s\n", label, g->tasks[w->example].id, w->example_s);
    if (w->path_s > w->usable_s && w->usable_s > 0)
        fprintf(file, "%sat least %.0f jobs, since the longest chain of tasks takes %.6g s\n", label,
                ceil(w->path_s / w->usable_s), w->path_s);
}
