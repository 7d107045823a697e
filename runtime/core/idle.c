#include "core/idle.h"

#include "base/alloc.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define N_SLICES 1000
#define WHOLE_CORE 0.5 /* where less than this is idle on average, tasks follow each other: nothing did not fit */

/* Something that is added over spans of time and read slice by slice. The start of a span gives its slice the
 * part behind it, and all later ones a whole; the end takes both back: so a span costs O(1). */
struct track
{
    double part[N_SLICES + 1];
    double step[N_SLICES + 2];
    double level; /* while reading */
};

/* What keeps ready tasks waiting, by what they ask for. */
enum want
{
    WANT_MEMORY,
    WANT_GPUS,
    WANT_TOKENS,
    WANT_CORES,
    WANT_NOTHING,
    N_WANTS,
};

struct account
{
    const struct idle_run *run;
    double slice_s;
    struct track busy;
    struct track absent;
    struct track memory; /* GiB in use */
    struct track wanted[N_WANTS];
    enum want *wants; /* by resource class */
    uint64_t least_memory_bytes; /* that a task asked for */
    double last_start_s;
};

static void add_edge(struct track *t, double at, double amount)
{
    double x = at < 0 ? 0 : at > N_SLICES ? N_SLICES : at;
    size_t i = (size_t)x;

    t->part[i] += amount * ((double)(i + 1) - x);
    t->step[i + 1] += amount;
}

static void add_span(const struct account *a, struct track *t, double start_s, double end_s, double amount)
{
    if (!(end_s > start_s))
        return;
    add_edge(t, (start_s - a->run->first_s) / a->slice_s, amount);
    add_edge(t, (end_s - a->run->first_s) / a->slice_s, -amount);
}

/* The mean in the next slice; slices are read in order. */
static double next_mean(struct track *t, size_t slice)
{
    t->level += t->step[slice];
    return t->level + t->part[slice];
}

/* ---- what ran, and what waited ---- */

static enum want want_of(const struct graph *g, const struct task_resources *r)
{
    if (r->n_amounts > 0 || (g->queues[r->queue].tokens != UINT32_MAX && r->tokens > 0))
        return WANT_TOKENS;
    if (r->gpus > 0)
        return WANT_GPUS;
    if (r->memory_bytes > 0)
        return WANT_MEMORY;
    return r->cores > 1 ? WANT_CORES : WANT_NOTHING;
}

static void find_wants(struct account *a)
{
    const struct graph *g = a->run->graph;

    a->wants = xcalloc(g->n_resources + 1, sizeof(*a->wants));
    a->least_memory_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < g->n_resources; i++) {
        a->wants[i] = want_of(g, &g->resources[i]);
        if (a->wants[i] == WANT_MEMORY && g->resources[i].memory_bytes < a->least_memory_bytes)
            a->least_memory_bytes = g->resources[i].memory_bytes;
    }
}

static void add_run(struct account *a, task_id t, double start_s, double end_s)
{
    const struct task_resources *r = &a->run->graph->resources[a->run->graph->tasks[t].resource_class];

    add_span(a, &a->busy, start_s, end_s, r->cores);
    if (r->memory_bytes > 0)
        add_span(a, &a->memory, start_s, end_s, (double)r->memory_bytes);
}

static void add_wait(struct account *a, task_id t, double start_s, double end_s, double sign)
{
    uint32_t class = a->run->graph->tasks[t].resource_class;

    add_span(a, &a->wanted[a->wants[class]], start_s, end_s, sign * a->run->graph->resources[class].cores);
}

/* A task that did not run, or a join, holds nobody up: it is over when its parents are. */
static void add_tasks(struct account *a)
{
    const struct idle_run *run = a->run;
    const struct graph *g = run->graph;
    task_id *order = graph_topological_order(g);
    float *ready_s = xcalloc(g->n_tasks + 1, sizeof(*ready_s));

    for (task_id t = 0; t < g->n_tasks; t++)
        ready_s[t] = (float)run->first_s;
    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = order[i];
        bool was_run = !isnan(run->start_s[t]);
        float over_s = was_run ? run->start_s[t] + run->run_s[t] : ready_s[t];

        for (uint64_t k = g->child_first[t]; k < g->child_first[t + 1]; k++)
            if (ready_s[g->children[k]] < over_s)
                ready_s[g->children[k]] = over_s;
        if (!was_run)
            continue;
        add_run(a, t, (double)run->start_s[t], (double)run->start_s[t] + (double)run->run_s[t]);
        add_wait(a, t, (double)ready_s[t], (double)run->start_s[t], 1);
        a->last_start_s = fmax(a->last_start_s, (double)run->start_s[t]);
    }
    free(ready_s);
    free(order);
}

static void add_others(struct account *a)
{
    for (uint32_t i = 0; i < a->run->n_attempts; i++) {
        const struct idle_span *s = &a->run->attempts[i];

        add_run(a, s->task, s->start_s, s->end_s);
        if (!isnan(a->run->start_s[s->task])) /* meanwhile it did not wait */
            add_wait(a, s->task, s->start_s, s->end_s, -1);
    }
    for (uint32_t i = 0; i < a->run->n_absences; i++)
        add_span(a, &a->absent, a->run->absences[i].start_s, a->run->absences[i].end_s, 1);
}

/* ---- slice by slice ---- */

/* Would the least that is asked for fit somewhere? On some node at least the mean is free. */
static bool has_memory(const struct account *a, double used_bytes)
{
    const struct idle_run *run = a->run;

    if (run->memory_bytes == 0)
        return true;
    return ((double)run->memory_bytes - used_bytes) / run->n_nodes >= (double)a->least_memory_bytes;
}

/* `idle` cores, of which ready tasks could have used some. */
static void share_slice(struct account *a, size_t slice, double idle, double shares[N_IDLE_REASONS])
{
    static const enum idle_reason reasons[] = {IDLE_MEMORY, IDLE_GPUS, IDLE_TOKENS, IDLE_WIDE, IDLE_BETWEEN};
    double used_bytes = next_mean(&a->memory, slice);
    double wanted[N_WANTS], sum = 0, waited;

    for (int i = 0; i < N_WANTS; i++) {
        wanted[i] = fmax(next_mean(&a->wanted[i], slice), 0);
        sum += wanted[i];
    }
    waited = fmin(idle, sum);
    if (a->run->first_s + ((double)slice + 0.5) * a->slice_s > a->last_start_s) {
        shares[IDLE_TAIL] += idle;
        return;
    }
    shares[IDLE_NOTHING_READY] += idle - waited;
    for (int i = 0; i < N_WANTS && sum > 0; i++) {
        bool fits = idle < WHOLE_CORE || (i == WANT_MEMORY && has_memory(a, used_bytes));

        shares[fits ? IDLE_BETWEEN : reasons[i]] += waited * wanted[i] / sum;
    }
}

void idle_explain(const struct idle_run *run, double shares[N_IDLE_REASONS])
{
    struct account *a;

    memset(shares, 0, N_IDLE_REASONS * sizeof(*shares));
    if (!(run->last_s > run->first_s) || run->n_cores == 0)
        return;
    a = xcalloc(1, sizeof(*a));
    a->run = run;
    a->slice_s = (run->last_s - run->first_s) / N_SLICES;
    find_wants(a);
    add_tasks(a);
    add_others(a);
    for (size_t i = 0; i < N_SLICES; i++) {
        double absent = fmin(fmax(next_mean(&a->absent, i), 0), run->n_cores);
        double idle = fmax(run->n_cores - absent - next_mean(&a->busy, i), 0);

        shares[IDLE_ABSENT] += absent;
        share_slice(a, i, idle, shares);
    }
    for (int i = 0; i < N_IDLE_REASONS; i++)
        shares[i] /= (double)run->n_cores * N_SLICES;
    free(a->wants);
    free(a);
}
