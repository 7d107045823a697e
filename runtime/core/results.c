#include "core/results.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void results_init(struct results *r, const struct graph *g, bool keeps_last)
{
    *r = (struct results){.graph = g, .keeps_last = keeps_last, .capacity = g->n_tasks};
    r->n_waiting = xcalloc(g->n_tasks, sizeof(*r->n_waiting));
    r->empty = xcalloc(1, sizeof(*r->empty) + 1);
    for (uint64_t i = 0; i < g->parent_first[g->n_tasks]; i++)
        r->n_waiting[g->parents[i]]++;
}

static void drop(const struct results *r, struct result *result)
{
    if (result != r->empty)
        free(result);
}

void results_release(struct results *r)
{
    for (task_id t = 0; r->of_task != NULL && t < r->graph->n_tasks; t++)
        drop(r, r->of_task[t]);
    free(r->of_task);
    free(r->empty);
    free(r->n_waiting);
    *r = (struct results){.graph = NULL};
}

static bool is_kept(const struct results *r, task_id task)
{
    const struct graph *g = r->graph;
    bool is_to_keep = (g->tasks[task].flags & TASK_KEEP) != 0;

    return r->n_waiting[task] > 0 || is_to_keep || (r->keeps_last && !graph_has_children(g, task));
}

void results_append(struct results *r, task_id task)
{
    const struct graph *g = r->graph;

    if (task >= r->capacity) {
        size_t capacity = 2 * ((size_t)task + 1);

        r->n_waiting = xrealloc(r->n_waiting, capacity * sizeof(*r->n_waiting));
        if (r->of_task != NULL)
            r->of_task = xrealloc(r->of_task, capacity * sizeof(struct result *));
        r->capacity = capacity;
    }
    r->n_waiting[task] = 0;
    if (r->of_task != NULL)
        r->of_task[task] = NULL;
    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++)
        r->n_waiting[g->parents[i]]++;
}

static struct result *copy_of(const struct results *r, const void *bytes, size_t n)
{
    struct result *result;

    if (n == 0)
        return r->empty;
    result = xmalloc(sizeof(*result) + n + 1);
    result->n = n;
    memcpy(result->bytes, bytes, n);
    result->bytes[n] = '\0';
    return result;
}

void results_put(struct results *r, task_id task, const void *bytes, size_t n)
{
    results_forget(r, task);
    if (!is_kept(r, task))
        return;
    if (r->of_task == NULL)
        r->of_task = xcalloc(r->capacity, sizeof(struct result *));
    r->of_task[task] = copy_of(r, bytes, n);
}

void results_forget(struct results *r, task_id task)
{
    if (r->of_task == NULL)
        return;
    drop(r, r->of_task[task]);
    r->of_task[task] = NULL;
}

const struct result *results_of(const struct results *r, task_id task)
{
    return r->of_task != NULL ? r->of_task[task] : NULL;
}

/* A join ends, for this, when all that wait for it have: joins never wait for each other in a circle, and hardly ever
 * at all. */
void results_note_end(struct results *r, task_id task)
{
    const struct graph *g = r->graph;

    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++) {
        task_id parent = g->parents[i];

        assert(r->n_waiting[parent] > 0);
        if (--r->n_waiting[parent] > 0)
            continue;
        if (task_is_join(&g->tasks[parent]))
            results_note_end(r, parent);
        else if (!is_kept(r, parent))
            results_forget(r, parent);
    }
}

void results_visit(const struct results *r, task_id task, results_visitor *visit, void *data)
{
    const struct graph *g = r->graph;

    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++) {
        if (task_is_join(&g->tasks[g->parents[i]]))
            results_visit(r, g->parents[i], visit, data);
        else
            visit(data, g->parents[i], results_of(r, g->parents[i]));
    }
}

uint32_t results_count_dependencies(const struct graph *g, task_id task)
{
    uint32_t n = 0;

    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++)
        n += task_is_join(&g->tasks[g->parents[i]]) ? results_count_dependencies(g, g->parents[i]) : 1;
    return n;
}
