#include "base/alloc.h"
#include "core/makespan.h"
#include "core/sched.h"

#include <math.h>
#include <stdlib.h>

/* Tasks that run, the one that ends first at the top. */
struct running
{
    double end_s;
    uint32_t order; /* in which they started: ties end so */
    task_id task;
};

struct simulation
{
    const struct graph *g;
    const float *cost_s;
    struct sched *sched;
    struct running *heap;
    size_t n;
    size_t capacity;
    double now_s;
    struct makespan_simulation *out;
    float *start_s;
};

static bool ends_before(const struct running *a, const struct running *b)
{
    return a->end_s != b->end_s ? a->end_s < b->end_s : a->order < b->order;
}

static void push_running(struct simulation *s, struct running item)
{
    size_t i = s->n;

    s->heap = xgrow(s->heap, s->n, &s->capacity, sizeof(*s->heap));
    s->n++;
    for (; i > 0 && ends_before(&item, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
}

static struct running pop_running(struct simulation *s)
{
    struct running first = s->heap[0], last = s->heap[--s->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < s->n) {
        if (child + 1 < s->n && ends_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!ends_before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

/* GPUs that are not counted: as many as can be wanted at once. */
static uint32_t enough_gpus(const struct graph *g, uint32_t cores)
{
    uint32_t most = 0;

    for (uint32_t c = 0; c < g->n_resources; c++)
        most = g->resources[c].gpus > most ? g->resources[c].gpus : most;
    return most > UINT16_MAX / cores ? UINT16_MAX : most * cores;
}

static void add_nodes(struct sched *sched, const struct graph *g, const struct makespan_site *site)
{
    uint32_t node = 0, worker = 0;

    for (uint32_t i = 0; i < site->n_kinds; i++) {
        const struct makespan_node *k = &site->kinds[i];
        struct sched_node has = {k->memory_bytes,
                                 k->gpus != MAKESPAN_NOT_COUNTED ? k->gpus : enough_gpus(g, k->cores)};

        for (uint32_t n = 0; n < k->n; n++, node++) {
            sched_add_node(sched, node, &has);
            for (uint32_t slot = 0; slot < k->cores; slot++)
                sched_add_worker(sched, ++worker, node, (uint16_t)slot);
        }
    }
}

/* What no node can hold counts as done. */
static void keep_misfits(struct simulation *s, const struct makespan_site *site)
{
    const struct graph *g = s->g;
    bool *fits = xcalloc(g->n_resources + 1, sizeof(*fits));

    for (uint32_t c = 0; c < g->n_resources; c++)
        fits[c] = makespan_fits(g, site, &g->resources[c]);
    for (task_id t = 0; t < g->n_tasks; t++) {
        if (task_is_join(&g->tasks[t]) || fits[g->tasks[t].resource_class])
            continue;
        sched_keep(s->sched, t);
        s->out->n_misfit++;
    }
    free(fits);
}

static void start_what_fits(struct simulation *s)
{
    struct placement p;

    while (sched_next(s->sched, &p)) {
        double cost_s = (double)s->cost_s[p.task];

        if (s->start_s != NULL)
            s->start_s[p.task] = (float)s->now_s;
        sched_started(s->sched, p.task);
        push_running(s, (struct running){s->now_s + cost_s, s->out->n_run++, p.task});
        s->out->busy_s += cost_s * p.n_slots;
    }
}

/* Everything that ends at the next moment at which something does. */
static void end_next(struct simulation *s)
{
    s->now_s = s->heap[0].end_s;
    sched_set_time(s->sched, s->now_s);
    while (s->n > 0 && s->heap[0].end_s <= s->now_s) {
        task_id task = pop_running(s).task;

        sched_finish(s->sched, task, STATE_DONE, (double)s->cost_s[task]);
    }
}

void makespan_simulate(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                       struct makespan_simulation *out, float *start_s)
{
    struct simulation s = {.g = g, .cost_s = cost_s, .sched = sched_new(g), .out = out, .start_s = start_s};

    *out = (struct makespan_simulation){0};
    for (task_id t = 0; start_s != NULL && t < g->n_tasks; t++)
        start_s[t] = NAN;
    add_nodes(s.sched, g, site);
    keep_misfits(&s, site);
    sched_begin(s.sched);
    start_what_fits(&s);
    while (s.n > 0) {
        end_next(&s);
        start_what_fits(&s);
    }
    out->s = s.now_s;
    out->n_stuck = g->n_tasks - g->n_joins - out->n_run - out->n_misfit;
    sched_free(s.sched);
    free(s.heap);
}
