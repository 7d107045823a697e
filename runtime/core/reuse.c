#include "core/reuse.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/name_index.h"
#include "core/file_table.h"

#include <stdlib.h>
#include <string.h>

struct reuse
{
    const struct graph *graph;
    uint64_t *expected; /* for each task */
    uint8_t *by_file;   /* a bit for each edge: the parent makes an input of the child */
    bool *has_run;      /* it did; of a join: something before it did */
    uint32_t n_candidates;
};

/* ---- edges that files stand for ---- */

/* Which task makes which file. */
struct makers
{
    const char **paths;
    task_id *tasks;
    uint32_t n;
    size_t paths_capacity;
    size_t tasks_capacity;
    struct name_index index;
    struct arena text;
    struct buffer path;
};

static const char *path_of(const void *data, uint32_t number)
{
    return ((const struct makers *)data)->paths[number];
}

static void normalise(struct makers *m, const struct task *t, const char *path)
{
    m->path.n = 0;
    file_path_normalise(t->setting->cwd, path, &m->path);
}

static void add_makers(struct makers *m, const struct graph *g, task_id t)
{
    const struct task *task = &g->tasks[t];
    const struct task_files *files = task_is_join(task) ? NULL : task->setting->files;

    if (files == NULL)
        return;
    for (const char *path = files->outputs; path < files->outputs + files->n_outputs_bytes; path += strlen(path) + 1) {
        normalise(m, task, path);
        m->paths = xgrow(m->paths, m->n, &m->paths_capacity, sizeof(*m->paths));
        m->tasks = xgrow(m->tasks, m->n, &m->tasks_capacity, sizeof(*m->tasks));
        m->paths[m->n] = arena_text(&m->text, m->path.bytes, m->path.n);
        m->tasks[m->n] = t;
        name_index_add(&m->index, m->path.bytes, m->path.n, m->n, path_of, m);
        m->n++;
    }
}

/* A parent's children stand in ascending order; one that waits on two conditions stands there twice. */
static void mark_edges(struct reuse *r, task_id parent, task_id child)
{
    const struct graph *g = r->graph;
    uint64_t low = g->child_first[parent], high = g->child_first[parent + 1];

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (g->children[middle] < child)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < g->child_first[parent + 1] && g->children[low] == child; low++)
        r->by_file[low / 8] |= (uint8_t)(1 << low % 8);
}

static void mark_inputs(struct reuse *r, struct makers *m, task_id t)
{
    const struct task *task = &r->graph->tasks[t];
    const struct task_files *files = task_is_join(task) ? NULL : task->setting->files;

    if (files == NULL)
        return;
    for (const char *path = files->inputs; path < files->inputs + files->n_inputs_bytes; path += strlen(path) + 1) {
        uint32_t maker;

        normalise(m, task, path);
        maker = name_index_find(&m->index, m->path.bytes, m->path.n, path_of, m);
        if (maker != NAME_NOT_FOUND)
            mark_edges(r, m->tasks[maker], t);
    }
}

static void find_file_edges(struct reuse *r)
{
    struct makers m = {.n = 0};

    for (task_id t = 0; t < r->graph->n_tasks; t++)
        add_makers(&m, r->graph, t);
    for (task_id t = 0; m.n > 0 && t < r->graph->n_tasks; t++)
        mark_inputs(r, &m, t);
    free(m.paths);
    free(m.tasks);
    name_index_release(&m.index);
    arena_release(&m.text);
    buffer_release(&m.path);
}

static bool is_by_file(const struct reuse *r, uint64_t edge)
{
    return (r->by_file[edge / 8] >> edge % 8 & 1) != 0;
}

/* ---- what is to be looked at ---- */

static bool has_inputs(const struct task *task)
{
    return task->setting->files != NULL && task->setting->files->n_inputs > 0;
}

/* What is known of a task before any has ended. */
enum prospect
{
    AFTER_OPEN = 1,  /* it is not certain that something before it stays as it is */
    AFTER_NEWER = 2, /* something before it, that makes none of its inputs, was done after it */
};

/* What its worker must find for it to stay done. */
static uint64_t expect(const struct task *task, const struct past *past, task_id t, uint8_t prospects)
{
    uint64_t fingerprint = past_fingerprint(past, t);

    if (!past_has_definition(past, t) || (prospects & AFTER_NEWER) != 0 || fingerprint == FINGERPRINT_UNSURE)
        return FINGERPRINT_NONE;
    return has_inputs(task) && fingerprint != FINGERPRINT_NONE ? fingerprint : FINGERPRINT_ANY;
}

/* A join may be followed by some. */
static bool is_result_needed(const struct graph *g, task_id t)
{
    for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
        if (task_is_call(&g->tasks[g->children[e]]) || task_is_join(&g->tasks[g->children[e]]))
            return true;
    return false;
}

static bool can_stay(const struct graph *g, const struct past *past, task_id t)
{
    return !task_is_call(&g->tasks[t]) || past_has_result(past, t) || !is_result_needed(g, t);
}

/* Without a fingerprint of its inputs (it was done without `--changed content`) nothing tells whether files that are
 * made anew are the same: its dependencies are followed. */
static bool is_followed(const struct reuse *r, const struct past *past, uint64_t edge)
{
    return !is_by_file(r, edge) || past_fingerprint(past, r->graph->children[edge]) == FINGERPRINT_NONE;
}

static void tell_children(const struct reuse *r, const struct past *past, task_id t, bool is_open, uint8_t *prospects)
{
    const struct graph *g = r->graph;

    for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++) {
        task_id child = g->children[e];

        if (is_open)
            prospects[child] |= AFTER_OPEN;
        if (!task_is_join(&g->tasks[child]) && is_followed(r, past, e) &&
            past_done_at(past, t) > past_done_at(past, child))
            prospects[child] |= AFTER_NEWER;
    }
}

/* Forgets edges by files of tasks that have no fingerprint. */
static void forget_edges(struct reuse *r, const struct past *past)
{
    for (uint64_t e = 0; e < r->graph->n_edges; e++)
        if (is_followed(r, past, e))
            r->by_file[e / 8] &= (uint8_t)~(1 << e % 8);
}

struct reuse *reuse_new(const struct graph *g, const struct past *past, bool *is_done)
{
    struct reuse *r = xcalloc(1, sizeof(*r));
    uint8_t *prospects = xcalloc((size_t)g->n_tasks + 1, sizeof(*prospects));
    task_id *order = graph_topological_order(g);

    r->graph = g;
    r->expected = xcalloc((size_t)g->n_tasks + 1, sizeof(*r->expected));
    r->by_file = xcalloc(g->n_edges / 8 + 1, sizeof(*r->by_file));
    r->has_run = xcalloc((size_t)g->n_tasks + 1, sizeof(*r->has_run));
    find_file_edges(r);
    forget_edges(r, past);
    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = order[i];
        const struct task *task = &g->tasks[t];
        bool must_look = !task_is_join(task) && has_inputs(task) && past_fingerprint(past, t) != FINGERPRINT_NONE;

        if (is_done[t] && (must_look || (prospects[t] & AFTER_OPEN) != 0))
            is_done[t] = false;
        if (!is_done[t] && !task_is_join(task) && can_stay(g, past, t))
            r->expected[t] = expect(task, past, t, prospects[t]);
        r->n_candidates += r->expected[t] != FINGERPRINT_NONE;
        tell_children(r, past, t, !is_done[t], prospects);
    }
    past_redo_what_is_needed(past, is_done);
    free(prospects);
    free(order);
    return r;
}

void reuse_free(struct reuse *r)
{
    if (r == NULL)
        return;
    free(r->expected);
    free(r->by_file);
    free(r->has_run);
    free(r);
}

uint64_t reuse_expected(const struct reuse *r, task_id task)
{
    return r->has_run[task] ? FINGERPRINT_NONE : r->expected[task];
}

/* A join passes on, once, that something before it ran. Joins do not wait for joins, or not for many. */
void reuse_note_ran(struct reuse *r, task_id task)
{
    const struct graph *g = r->graph;

    if (r->has_run[task])
        return;
    r->has_run[task] = true;
    for (uint64_t e = g->child_first[task]; e < g->child_first[task + 1]; e++) {
        task_id child = g->children[e];

        if (task_is_join(&g->tasks[child]))
            reuse_note_ran(r, child);
        else if (!is_by_file(r, e))
            r->expected[child] = FINGERPRINT_NONE;
    }
}

uint32_t reuse_n_candidates(const struct reuse *r)
{
    return r->n_candidates;
}
