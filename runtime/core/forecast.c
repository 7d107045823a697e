#include "core/forecast.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define WINDOW_S 30.0        /* how far back "of late" reaches */
#define SAMPLE_PERIOD_S 0.5
#define N_SAMPLES 64         /* that and the period cover the window */
#define N_ENDS 17            /* the last ends: 16 intervals say how fast a slow run goes */
#define CORRECTED_FROM 3     /* so many tasks with a stated cost tell how good such costs are */
#define MEANINGFUL_AFTER_S 1.0 /* from the first start: before, what is in use is not known */
#define PATH_TASKS_MAX 100000  /* the longest path is looked for in graphs up to this size: some 5 ms */
#define PATH_EDGES_MAX 400000

struct program
{
    double sum_s;          /* run time of those that are done */
    uint32_t n_done;
    uint64_t n_cores_left; /* of its tasks without a stated cost that have not ended */
};

/* What a worker has been sent: one task that runs, and maybe one that waits behind it. */
struct flight
{
    task_id task;
    task_id next;
    uint32_t n_tasks;
    uint32_t n_cores;
    double since_s;
};

struct sample
{
    double time_s;
    double busy_s; /* core-seconds so far */
    uint64_t n_ended;
};

struct forecast
{
    const struct graph *graph;
    struct program *programs;
    uint32_t n_programs;
    struct flight *flights; /* by worker */
    size_t n_flights;
    size_t flights_capacity;

    uint32_t n_running;
    uint32_t n_busy_cores;
    double busy_s;        /* core-seconds up to busy_until_s */
    double busy_until_s;
    double first_s;       /* when the first task was sent; NAN: none yet */
    bool is_stopping;

    uint64_t n_ended;     /* tasks that ran in this epoch and are over */
    double ends_s[N_ENDS];
    struct sample samples[N_SAMPLES];
    uint32_t n_samples;   /* ever taken */

    double stated_left_s;   /* core-seconds by stated costs */
    double learned_left_s;  /* by means of programs */
    uint64_t n_unknown_cores; /* of tasks about whose program nothing is known */
    double done_s;          /* run time of all that are done */
    uint64_t n_done;
    double stated_done_s;   /* of those with a stated cost: what they took, … */
    double stated_cost_s;   /* … and what was stated */
    uint64_t n_stated_done;

    float *b_level_s;       /* NULL: not known */
    uint64_t n_done_at_path;
};

static uint32_t cores_of(const struct forecast *f, const struct task *t)
{
    return f->graph->resources[t->resource_class].cores;
}

struct forecast *forecast_new(const struct graph *g)
{
    struct forecast *f = xcalloc(1, sizeof(*f));

    f->graph = g;
    f->programs = xcalloc(g->n_programs + 1, sizeof(*f->programs));
    f->first_s = NAN;
    f->n_programs = g->n_programs;
    for (task_id i = 0; i < g->n_tasks; i++) {
        const struct task *t = &g->tasks[i];

        if (task_is_join(t))
            continue;
        if (t->cost_s > 0) {
            f->stated_left_s += (double)t->cost_s * cores_of(f, t);
        } else {
            f->programs[t->program].n_cores_left += cores_of(f, t);
            f->n_unknown_cores += cores_of(f, t);
        }
    }
    return f;
}

void forecast_free(struct forecast *f)
{
    if (f == NULL)
        return;
    free(f->programs);
    free(f->flights);
    free(f->b_level_s);
    free(f);
}

/* ---- what is left ---- */

/* A program's part of what is left is taken out, changed and put back: so the sums need no loop. */
static void take_out(struct forecast *f, const struct program *p)
{
    if (p->n_done > 0)
        f->learned_left_s -= (double)p->n_cores_left * p->sum_s / p->n_done;
    else
        f->n_unknown_cores -= p->n_cores_left;
}

static void put_back(struct forecast *f, const struct program *p)
{
    if (p->n_done > 0)
        f->learned_left_s += (double)p->n_cores_left * p->sum_s / p->n_done;
    else
        f->n_unknown_cores += p->n_cores_left;
}

/* Its program is taken out. */
static void note_end_of(struct forecast *f, const struct task *t, double run_s)
{
    struct program *p = &f->programs[t->program];
    uint32_t n_cores = cores_of(f, t);

    if (t->cost_s > 0)
        f->stated_left_s -= (double)t->cost_s * n_cores;
    else
        p->n_cores_left -= p->n_cores_left < n_cores ? p->n_cores_left : n_cores;
    if (run_s >= 0) {
        p->sum_s += run_s;
        p->n_done++;
        f->done_s += run_s;
        f->n_done++;
    }
    if (run_s >= 0 && t->cost_s > 0) {
        f->stated_done_s += run_s;
        f->stated_cost_s += (double)t->cost_s;
        f->n_stated_done++;
    }
}

static void end_task(struct forecast *f, task_id task, double run_s)
{
    const struct task *t = &f->graph->tasks[task];

    if (task_is_join(t))
        return;
    take_out(f, &f->programs[t->program]);
    note_end_of(f, t, run_s);
    put_back(f, &f->programs[t->program]);
}

/* What a second of stated cost has meant so far. */
static double correction(const struct forecast *f)
{
    return f->n_stated_done >= CORRECTED_FROM ? f->stated_done_s / f->stated_cost_s : 1;
}

/* NAN: nothing is known. */
static double expected_s(const struct forecast *f, const struct task *t)
{
    const struct program *p = &f->programs[t->program];

    if (t->cost_s > 0)
        return (double)t->cost_s * correction(f);
    if (p->n_done > 0)
        return p->sum_s / p->n_done;
    return f->n_done > 0 ? f->done_s / (double)f->n_done : NAN;
}

/* ---- what is in flight ---- */

static struct flight *flight_of(struct forecast *f, uint32_t worker)
{
    while (f->n_flights <= worker) {
        f->flights = xgrow(f->flights, f->n_flights, &f->flights_capacity, sizeof(*f->flights));
        f->flights[f->n_flights++] = (struct flight){.task = TASK_NONE, .next = TASK_NONE};
    }
    return &f->flights[worker];
}

static void count_busy_until(struct forecast *f, double now_s)
{
    if (now_s > f->busy_until_s) {
        f->busy_s += f->n_busy_cores * (now_s - f->busy_until_s);
        f->busy_until_s = now_s;
    }
}

static void send(struct forecast *f, const struct event *e)
{
    struct flight *w = flight_of(f, e->worker);

    if (isnan(f->first_s))
        f->first_s = f->busy_until_s = e->time_s;
    if (w->n_tasks++ > 0) { /* in advance: it waits for its worker */
        w->next = e->task;
        return;
    }
    count_busy_until(f, e->time_s);
    w->task = e->task;
    w->since_s = e->time_s;
    w->n_cores = cores_of(f, &f->graph->tasks[e->task]);
    f->n_busy_cores += w->n_cores;
    f->n_running++;
}

static void empty(struct forecast *f, struct flight *w, double now_s)
{
    count_busy_until(f, now_s);
    f->n_busy_cores -= w->n_cores;
    f->n_running--;
    w->n_tasks = 0;
    w->next = TASK_NONE;
}

static void lose(struct forecast *f, const struct event *e)
{
    struct flight *w = flight_of(f, e->worker);

    if (w->n_tasks > 0)
        empty(f, w, e->time_s);
}

static void land(struct forecast *f, const struct event *e)
{
    struct flight *w;

    if (e->worker == 0 || (w = flight_of(f, e->worker))->n_tasks == 0)
        return; /* it was never sent, or is lost already */
    if (w->n_tasks == 1) {
        empty(f, w, e->time_s);
        return;
    }
    if (e->task == w->task) {
        w->task = w->next;
        w->since_s = e->time_s;
    }
    w->next = TASK_NONE;
    w->n_tasks--;
}

static void note_end(struct forecast *f, const struct event *e)
{
    f->ends_s[f->n_ended++ % N_ENDS] = e->time_s;
}

static double run_time_s(const struct event *e)
{
    return e->result != NULL ? e->result->end_s - e->result->start_s : NAN;
}

/* Functions are told of when they have ended, many at a time; most are of the same program as the one before. */
static void end_calls(struct forecast *f, const struct event *e)
{
    struct program *p = NULL;

    if (isnan(f->first_s) && e->n_calls > 0)
        f->first_s = f->busy_until_s = e->calls[0].start_s;
    for (uint32_t i = 0; i < e->n_calls; i++) {
        const struct task *t = &f->graph->tasks[e->calls[i].task];

        if (p != &f->programs[t->program]) {
            if (p != NULL)
                put_back(f, p);
            p = &f->programs[t->program];
            take_out(f, p);
        }
        note_end(f, e);
        note_end_of(f, t, e->calls[i].run_s);
    }
    if (p != NULL)
        put_back(f, p);
}

/* The longest path is not looked for among tasks that came later: what they take is known before where they stand. */
static void append(struct forecast *f, task_id task)
{
    const struct task *t = &f->graph->tasks[task];
    uint32_t n = f->graph->n_programs;

    if (n > f->n_programs) {
        f->programs = xrealloc(f->programs, ((size_t)n + 1) * sizeof(*f->programs));
        memset(f->programs + f->n_programs, 0, ((size_t)n + 1 - f->n_programs) * sizeof(*f->programs));
        f->n_programs = n;
    }
    free(f->b_level_s);
    f->b_level_s = NULL;
    if (t->cost_s > 0) {
        f->stated_left_s += (double)t->cost_s * cores_of(f, t);
        return;
    }
    take_out(f, &f->programs[t->program]);
    f->programs[t->program].n_cores_left += cores_of(f, t);
    put_back(f, &f->programs[t->program]);
}

void forecast_hear(struct forecast *f, const struct event *e)
{
    if (e->kind == EVENT_TASK_ADDED)
        append(f, e->task);
    if (e->kind == EVENT_CALLS_DONE)
        end_calls(f, e);
    if (e->kind == EVENT_RUN_STOPPING)
        f->is_stopping = true;
    if (e->kind == EVENT_WORKER_LOST)
        lose(f, e);
    if (e->kind < EVENT_TASK_KEPT || e->kind > EVENT_TASK_NOT_NEEDED || e->task >= f->graph->n_tasks)
        return;
    switch (e->kind) {
    case EVENT_TASK_SENT: send(f, e); break;
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_ENDED: land(f, e); break;
    case EVENT_TASK_RETRIED:
        if (!e->has_ended)
            land(f, e);
        break;
    case EVENT_TASK_DONE:
    case EVENT_TASK_FAILED:
    case EVENT_TASK_CANCELLED:
        if (!e->has_ended)
            land(f, e);
        if (e->worker != 0 && e->kind != EVENT_TASK_CANCELLED)
            note_end(f, e);
        end_task(f, e->task, e->kind == EVENT_TASK_DONE ? run_time_s(e) : NAN);
        break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_UNCHANGED:
    case EVENT_TASK_SKIPPED:
    case EVENT_TASK_NOT_NEEDED: end_task(f, e->task, NAN); break;
    default: break;
    }
}

/* ---- looking ---- */

/* The newest sample that is as old as the window, else the oldest there is. */
static const struct sample *find_sample(const struct forecast *f, double now_s)
{
    uint32_t n = f->n_samples < N_SAMPLES ? f->n_samples : N_SAMPLES;
    const struct sample *found = NULL;

    for (uint32_t back = 1; back <= n; back++) {
        found = &f->samples[(f->n_samples - back) % N_SAMPLES];
        if (now_s - found->time_s >= WINDOW_S)
            break;
    }
    return found;
}

static void take_sample(struct forecast *f, double now_s)
{
    const struct sample *last = &f->samples[(f->n_samples - 1) % N_SAMPLES];

    count_busy_until(f, now_s);
    if (isnan(f->first_s))
        return;
    if (f->n_samples == 0) /* how it began */
        f->samples[f->n_samples++] = (struct sample){f->first_s, 0, 0};
    else if (now_s - last->time_s < SAMPLE_PERIOD_S)
        return;
    f->samples[f->n_samples++ % N_SAMPLES] = (struct sample){now_s, f->busy_s, f->n_ended};
}

/* While tasks end often the window says it; else the last ends do, and time passes since them. */
static double find_rate(const struct forecast *f, const struct sample *from, double now_s)
{
    uint64_t n = f->n_ended - from->n_ended;
    double since_s = from->time_s;

    if (f->n_ended == 0)
        return NAN;
    if (n < N_ENDS - 1 && f->n_ended < N_ENDS) {
        n = f->n_ended;
        since_s = f->first_s;
    } else if (n < N_ENDS - 1) {
        n = N_ENDS - 1;
        since_s = f->ends_s[f->n_ended % N_ENDS];
    }
    return now_s > since_s ? (double)n / (now_s - since_s) : NAN;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* How much of what is left the tasks that run have behind them. NAN where nothing is expected of one. */
static double run_part_s(const struct forecast *f, double now_s)
{
    double sum_s = 0;

    for (size_t i = 0; i < f->n_flights; i++) {
        const struct flight *w = &f->flights[i];

        if (w->n_tasks > 0)
            sum_s += w->n_cores * least(now_s - w->since_s, expected_s(f, &f->graph->tasks[w->task]));
    }
    return sum_s;
}

static void find_paths(struct forecast *f)
{
    const struct graph *g = f->graph;
    float *cost_s;

    if (g->n_tasks > PATH_TASKS_MAX || g->n_edges > PATH_EDGES_MAX)
        return;
    if (f->b_level_s != NULL && f->n_done < 2 * f->n_done_at_path)
        return;
    cost_s = xcalloc(g->n_tasks + 1, sizeof(*cost_s));
    for (task_id i = 0; i < g->n_tasks; i++) {
        double s = task_is_join(&g->tasks[i]) ? 0 : expected_s(f, &g->tasks[i]);

        cost_s[i] = isnan(s) ? 0 : (float)s;
    }
    if (f->b_level_s == NULL)
        f->b_level_s = xcalloc(g->n_tasks + 1, sizeof(*f->b_level_s));
    graph_b_levels(g, cost_s, f->b_level_s);
    f->n_done_at_path = f->n_done;
    free(cost_s);
}

/* What is left begins with a task that runs, or with one that waits for room behind more urgent ones. */
static double longest_path_s(const struct forecast *f, double now_s)
{
    double longest_s = 0;

    for (size_t i = 0; i < f->n_flights && f->b_level_s != NULL; i++) {
        const struct flight *w = &f->flights[i];

        if (w->n_tasks > 0)
            longest_s = fmax(longest_s, (double)f->b_level_s[w->task] -
                                            least(now_s - w->since_s, expected_s(f, &f->graph->tasks[w->task])));
    }
    return longest_s;
}

static double find_left_s(struct forecast *f, const struct sample *from, double now_s)
{
    double used = now_s > from->time_s ? (f->busy_s - from->busy_s) / (now_s - from->time_s) : 0;
    double work_s = f->stated_left_s * correction(f) + f->learned_left_s;

    if (f->is_stopping || f->n_running == 0 || used <= 0 || now_s - f->first_s < MEANINGFUL_AFTER_S)
        return NAN;
    if (f->n_unknown_cores > 0) /* without a task that is done, there is nothing to go by */
        work_s += f->n_done > 0 ? (double)f->n_unknown_cores * f->done_s / (double)f->n_done : NAN;
    work_s -= run_part_s(f, now_s);
    find_paths(f);
    return isnan(work_s) ? NAN : fmax(fmax(work_s, 0) / used, longest_path_s(f, now_s));
}

void forecast_look(struct forecast *f, double now_s, struct forecast_view *view)
{
    const struct sample *from;

    *view = (struct forecast_view){f->n_running, f->n_busy_cores, NAN, NAN};
    take_sample(f, now_s);
    from = find_sample(f, now_s);
    if (from == NULL)
        return;
    view->rate_per_s = find_rate(f, from, now_s);
    view->left_s = find_left_s(f, from, now_s);
}
