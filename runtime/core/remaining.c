#include "core/remaining.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>

#define MARGIN_PART 0.02
#define MARGIN_LEAST_S 10.0
#define MARGIN_MOST_S 60.0

/* Mean run times of programs, NAN where none of their tasks is done; the caller frees them. */
static float *find_means(const struct graph *g, const bool *is_done, const float *ran_s)
{
    float *mean_s = xcalloc(g->n_programs, sizeof(*mean_s));
    uint32_t *n_done = xcalloc(g->n_programs, sizeof(*n_done));

    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t program = g->tasks[t].program;

        if (task_is_join(&g->tasks[t]) || !is_done[t] || !(ran_s[t] > 0))
            continue;
        n_done[program]++;
        mean_s[program] += (ran_s[t] - mean_s[program]) / (float)n_done[program];
    }
    for (uint32_t i = 0; i < g->n_programs; i++)
        if (n_done[i] == 0)
            mean_s[i] = NAN;
    free(n_done);
    return mean_s;
}

static float length_of(const struct task *t, const float *mean_s)
{
    return t->cost_s > 0 ? t->cost_s : mean_s[t->program];
}

static float longest_path_s(const struct graph *g, const float *run_s)
{
    float *b_level_s = xcalloc(g->n_tasks, sizeof(*b_level_s)), longest_s = 0;

    graph_b_levels(g, run_s, b_level_s);
    for (task_id t = 0; t < g->n_tasks; t++)
        longest_s = fmaxf(longest_s, b_level_s[t]);
    free(b_level_s);
    return longest_s;
}

void remaining_measure(const struct graph *g, const bool *is_done, const float *ran_s, struct remaining *r)
{
    float *mean_s = find_means(g, is_done, ran_s), *run_s = xcalloc(g->n_tasks, sizeof(*run_s));

    *r = (struct remaining){.n_tasks = 0};
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t cores = g->resources[g->tasks[t].resource_class].cores;

        if (task_is_join(&g->tasks[t]) || is_done[t])
            continue;
        r->n_tasks++;
        r->n_cores += cores;
        run_s[t] = length_of(&g->tasks[t], mean_s);
        if (isnan(run_s[t])) {
            r->n_unknown++;
            run_s[t] = 0;
        }
        r->area_s += (double)run_s[t] * cores;
    }
    r->path_s = (double)longest_path_s(g, run_s);
    free(mean_s);
    free(run_s);
}

double remaining_margin_s(double left_s)
{
    return fmin(fmax(MARGIN_PART * left_s, MARGIN_LEAST_S), MARGIN_MOST_S);
}

struct remaining_size remaining_fit(const struct remaining *r, const struct remaining_size *most)
{
    struct remaining_size size = *most;
    double least_s, runtime_s;

    if (r->n_unknown > 0 || r->n_tasks == 0 || most->cores_per_node == 0 || most->n_nodes == 0)
        return size;
    if (r->n_cores < (uint64_t)most->n_nodes * most->cores_per_node)
        size.n_nodes = (uint32_t)((r->n_cores + most->cores_per_node - 1) / most->cores_per_node);
    if (!(most->runtime_s > 0))
        return size;
    least_s = fmax(r->path_s, r->area_s / ((double)size.n_nodes * size.cores_per_node));
    runtime_s = 60 * ceil((REMAINING_SPARE * least_s + REMAINING_START_S) / 60);
    size.runtime_s = fmin(runtime_s, most->runtime_s);
    return size;
}
