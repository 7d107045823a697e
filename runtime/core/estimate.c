#include "core/estimate.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>

#define UNKNOWN_S 1.0        /* what a task counts of which nothing is known */
#define RECENT_WEIGHT 0.05   /* of the last task in the running mean */
#define FIRST_LOOK 16        /* so many done tasks make the first means */
#define MARGIN 1.1           /* of a mean, for what must end in time, or of a time that did not suffice, … */
#define MARGIN_OF_FEW 1.5    /* … of fewer than FEW */
#define FEW 3
#define MOVED_MUCH 0.125     /* by this part a mean must have moved for b-levels to be worth computing */

static double mean_s(const struct estimate_program *p)
{
    return p->n_done > 0 ? p->sum_s / p->n_done : UNKNOWN_S;
}

/* Counts a task whose run time is not stated; returns what it is taken to be. */
static float count_task(struct estimate *e, const struct task *task)
{
    if (task_is_join(task))
        return 0;
    if (task->cost_s > 0) {
        e->has_costs = true;
        return task->cost_s;
    }
    e->programs[task->program].n_left++;
    return (float)UNKNOWN_S;
}

/* With one unknown alone all b-levels grow or shrink by the same factor. */
static bool may_order_change(const struct estimate *e)
{
    uint32_t n_unknown = 0;

    for (uint32_t i = 0; i < e->n_programs; i++)
        n_unknown += e->programs[i].n_left > 0;
    return n_unknown > 1 || (n_unknown == 1 && e->has_costs);
}

void estimate_init(struct estimate *e, const struct graph *g)
{
    float *run_s = xmalloc(g->n_tasks * sizeof(*run_s));

    *e = (struct estimate){.graph = g, .n_done_next = FIRST_LOOK, .n_programs = g->n_programs};
    e->programs = xcalloc(g->n_programs, sizeof(*e->programs));
    e->b_level_s = xmalloc(g->n_tasks * sizeof(*e->b_level_s));
    e->order = graph_topological_order(g);
    for (uint32_t i = 0; i < g->n_programs; i++)
        e->programs[i] = (struct estimate_program){.assumed_s = (float)UNKNOWN_S};
    for (task_id t = 0; t < g->n_tasks; t++)
        run_s[t] = count_task(e, &g->tasks[t]);
    graph_b_levels_along(g, e->order, run_s, e->b_level_s);
    free(run_s);
    if (!may_order_change(e)) {
        free(e->order);
        e->order = NULL;
    }
}

static void append_programs(struct estimate *e)
{
    uint32_t n = e->graph->n_programs;

    if (n == e->n_programs)
        return;
    e->programs = xrealloc(e->programs, n * sizeof(*e->programs));
    for (uint32_t i = e->n_programs; i < n; i++)
        e->programs[i] = (struct estimate_program){.assumed_s = (float)UNKNOWN_S};
    e->n_programs = n;
}

static void append_row(struct estimate *e, task_id task)
{
    size_t capacity = 2 * ((size_t)task + 1);

    if (task < e->capacity)
        return;
    e->b_level_s = xrealloc(e->b_level_s, capacity * sizeof(*e->b_level_s));
    if (e->order != NULL)
        e->order = xrealloc(e->order, capacity * sizeof(*e->order));
    if (e->cut_s != NULL)
        e->cut_s = xrealloc(e->cut_s, capacity * sizeof(*e->cut_s));
    e->capacity = capacity;
}

void estimate_append(struct estimate *e, task_id task)
{
    const struct task *t = &e->graph->tasks[task];

    append_programs(e);
    append_row(e, task);
    count_task(e, t);
    e->b_level_s[task] = t->cost_s > 0 ? t->cost_s : e->programs[t->program].assumed_s;
    if (e->cut_s != NULL)
        e->cut_s[task] = 0;
    if (e->order != NULL) {
        e->order[task] = task; /* its parents come before it */
    } else {
        e->order = xmalloc(e->capacity * sizeof(*e->order));
        graph_order_tasks(e->graph, e->order);
    }
}

static void compute_again(struct estimate *e)
{
    const struct graph *g = e->graph;
    float *run_s = xmalloc(g->n_tasks * sizeof(*run_s));

    for (uint32_t i = 0; i < e->n_programs; i++)
        e->programs[i].assumed_s = (float)mean_s(&e->programs[i]);
    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task *task = &g->tasks[t];

        run_s[t] = task->cost_s > 0 ? task->cost_s : e->programs[task->program].assumed_s;
    }
    graph_b_levels_along(g, e->order, run_s, e->b_level_s);
    free(run_s);
}

void estimate_release(struct estimate *e)
{
    free(e->programs);
    free(e->b_level_s);
    free(e->cut_s);
    free(e->order);
}

static bool have_means_moved(const struct estimate *e)
{
    for (uint32_t i = 0; i < e->n_programs; i++) {
        const struct estimate_program *p = &e->programs[i];
        double assumed_s = (double)p->assumed_s;

        if (p->n_left > 0 && fabs(mean_s(p) - assumed_s) > MOVED_MUCH * assumed_s)
            return true;
    }
    return false;
}

/* Of a program of which some task is done. */
static double needed_s(const struct estimate_program *p)
{
    double mean = mean_s(p), variance = p->sum_square_s2 / p->n_done - mean * mean;
    double least_s = mean * (p->n_done < FEW ? MARGIN_OF_FEW : MARGIN);

    return fmax(least_s, mean + 2 * sqrt(fmax(variance, 0)));
}

bool estimate_learn(struct estimate *e, task_id task, double run_s)
{
    struct estimate_program *p = &e->programs[e->graph->tasks[task].program];

    p->recent_s = p->n_done == 0 ? run_s : p->recent_s + RECENT_WEIGHT * (run_s - p->recent_s);
    p->sum_s += run_s;
    p->sum_square_s2 += run_s * run_s;
    p->n_done++;
    e->n_done++;
    if (e->n_done < e->n_done_next)
        return false;
    e->n_done_next = e->n_done < UINT32_MAX / 2 ? 2 * e->n_done : UINT32_MAX;
    if (e->order == NULL || !have_means_moved(e))
        return false;
    compute_again(e);
    return true;
}

void estimate_forget(struct estimate *e, task_id task)
{
    const struct task *t = &e->graph->tasks[task];

    if (!(t->cost_s > 0))
        e->programs[t->program].n_left--;
}

double estimate_run_s(const struct estimate *e, task_id task)
{
    const struct task *t = &e->graph->tasks[task];
    const struct estimate_program *p = &e->programs[t->program];

    if (t->cost_s > 0)
        return (double)t->cost_s;
    return p->n_done > 0 ? mean_s(p) : (double)NAN;
}

void estimate_note_cut(struct estimate *e, task_id task, double run_s)
{
    if (e->graph->policies[e->graph->tasks[task].policy].end_signal.signal != 0)
        return;
    if (e->cut_s == NULL)
        e->cut_s = xcalloc(e->capacity > 0 ? e->capacity : e->graph->n_tasks, sizeof(*e->cut_s));
    e->cut_s[task] = (float)fmax((double)e->cut_s[task], MARGIN * run_s);
}

double estimate_need_s(const struct estimate *e, task_id task)
{
    const struct task *t = &e->graph->tasks[task];
    const struct task_policy *policy = &e->graph->policies[t->policy];
    const struct estimate_program *p = &e->programs[t->program];
    double need_s = t->cost_s > 0 ? (double)t->cost_s : p->n_done > 0 ? needed_s(p) : (double)NAN;

    if (policy->end_signal.signal != 0)
        return policy->end_signal.before_s;
    if (isnan(need_s) || (policy->timeout_s > 0 && policy->timeout_s < need_s))
        need_s = policy->timeout_s;
    return e->cut_s != NULL ? fmax(need_s, (double)e->cut_s[task]) : need_s;
}

bool estimate_is_news(const struct estimate *e, task_id task)
{
    uint32_t n_done = e->programs[e->graph->tasks[task].program].n_done;

    return n_done == 1 || n_done == FEW;
}
