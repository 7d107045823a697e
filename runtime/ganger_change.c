/* A workflow that is built in C is changed: while somebody does so, what waits for what is kept in a dag, in which a
 * vertex's data is its task's number, from 1. */
#include "base/alloc.h"
#include "ganger_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static task_id task_at(const struct ganger_workflow *w, uint32_t vertex)
{
    return ganger_workflow_task_of(&w->dag->vertices[vertex]);
}

/* ---- the dag ---- */

/* False, and the workflow is refused, when it is none. */
static bool is_task(struct ganger_workflow *w, task_id task)
{
    if (task >= w->graph->n_tasks)
        ganger_workflow_refuse(w, "there is no task number %u: there are %u so far", task, w->graph->n_tasks);
    else if (ganger_workflow_is_pruned(w, task))
        ganger_workflow_refuse(w, "task \"%s\" was pruned: nothing more can be done with it", w->graph->tasks[task].id);
    return w->err.cause == ERROR_NONE;
}

static bool are_tasks(struct ganger_workflow *w, const ganger_task_number *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_task(w, tasks[i]))
            return false;
    return true;
}

static void add_vertex(struct ganger_workflow *w, task_id task)
{
    w->vertices = xgrow(w->vertices, task, &w->vertices_capacity, sizeof(*w->vertices));
    w->vertices[task] = dag_add(w->dag, w->graph->tasks[task].id, ganger_workflow_data_of(task));
}

void ganger_workflow_note_dependency(struct ganger_workflow *w, task_id parent, task_id child,
                                     enum graph_condition on)
{
    if (is_task(w, parent) && is_task(w, child))
        dag_link(w->dag, w->vertices[child], &(struct dag_parent){w->vertices[parent], on}, 1, &w->err);
}

bool ganger_workflow_open_dag(struct ganger_workflow *w)
{
    struct graph *g = w->graph;

    if (w->err.cause != ERROR_NONE || w->dag != NULL)
        return w->err.cause == ERROR_NONE;
    w->dag = dag_new();
    for (task_id t = 0; t < g->n_tasks; t++)
        add_vertex(w, t);
    for (uint64_t i = 0; i < g->n_edges; i++) {
        enum graph_condition on;
        struct graph_edge e = graph_drafted_edge(g, i, &on);

        ganger_workflow_note_dependency(w, e.parent, e.child, on);
    }
    return w->err.cause == ERROR_NONE;
}

void ganger_workflow_note_task(struct ganger_workflow *w)
{
    if (w->dag != NULL)
        add_vertex(w, w->graph->n_tasks - 1);
}

bool ganger_workflow_is_pruned(const struct ganger_workflow *w, task_id task)
{
    return w->dag != NULL && w->vertices[task] == DAG_NONE;
}

void ganger_workflow_find_vertices(struct ganger_workflow *w)
{
    while (w->graph->n_tasks > w->vertices_capacity)
        w->vertices = xgrow(w->vertices, w->vertices_capacity, &w->vertices_capacity, sizeof(*w->vertices));
    memset(w->vertices, 0xff, w->graph->n_tasks * sizeof(*w->vertices));
    for (uint32_t v = 0; v < w->dag->n_vertices; v++)
        if (!dag_is_join(w->dag, v))
            w->vertices[task_at(w, v)] = v;
}

void ganger_workflow_apply_changes(struct ganger_workflow *w)
{
    struct graph *g = w->graph;
    uint32_t n_tasks = g->n_tasks;
    bool *kept = xcalloc((size_t)n_tasks + 1, sizeof(*kept));
    task_id *numbers = xcalloc((size_t)n_tasks + 1, sizeof(*numbers));
    task_id *tasks = xcalloc((size_t)w->dag->n_vertices + 1, sizeof(*tasks)); /* of each vertex */

    for (task_id t = 0; t < n_tasks; t++)
        kept[t] = !ganger_workflow_is_pruned(w, t);
    graph_reopen(g, kept, numbers);
    for (uint32_t v = 0; v < w->dag->n_vertices; v++)
        tasks[v] = dag_is_join(w->dag, v) ? TASK_NONE : numbers[task_at(w, v)];
    dag_add_to_graph(w->dag, g, tasks);
    graph_seal(g, NULL); /* a dag has no cycle */
    free(kept);
    free(numbers);
    free(tasks);
}

/* ---- changes ---- */

static bool are_conditions(struct ganger_workflow *w, ganger_task_number task, const enum ganger_condition *on,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!ganger_is_condition(on, i))
            return ganger_workflow_refuse_condition(w, w->graph->tasks[task].id) == 0;
    return true;
}

int ganger_workflow_update(struct ganger_workflow *w, ganger_task_number task, const ganger_task_number *after,
                           const enum ganger_condition *on, size_t n_after, char *why, size_t n_why)
{
    struct dag_parent *parents;
    struct ganger_error err = {0};
    int status;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, &task, 1) || !are_tasks(w, after, n_after) ||
        !are_conditions(w, task, on, n_after))
        return -1;
    parents = xcalloc(n_after + 1, sizeof(*parents));
    for (size_t i = 0; i < n_after; i++)
        parents[i] = (struct dag_parent){w->vertices[after[i]], (enum graph_condition)ganger_condition_of(on, i)};
    status = dag_link(w->dag, w->vertices[task], parents, n_after, &err);
    free(parents);
    if (status < 0 && why != NULL)
        snprintf(why, n_why, "%s", err.text);
    return status;
}

void ganger_workflow_prune(struct ganger_workflow *w, const ganger_task_number *tasks, size_t n)
{
    bool *removed;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, tasks, n))
        return;
    removed = xcalloc((size_t)w->dag->n_vertices + 1, sizeof(*removed));
    for (size_t i = 0; i < n; i++)
        removed[w->vertices[tasks[i]]] = true;
    dag_prune(w->dag, removed);
    free(removed);
    ganger_workflow_find_vertices(w);
}

void ganger_workflow_keep(struct ganger_workflow *w, const ganger_task_number *tasks, size_t n)
{
    bool *kept;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, tasks, n))
        return;
    kept = xcalloc((size_t)w->dag->n_vertices + 1, sizeof(*kept));
    for (size_t i = 0; i < n; i++)
        dag_reach(w->dag, w->vertices[tasks[i]], DAG_BACK, kept);
    dag_keep(w->dag, kept);
    free(kept);
    ganger_workflow_find_vertices(w);
}

void ganger_workflow_reverse(struct ganger_workflow *w)
{
    if (ganger_workflow_open_dag(w))
        dag_reverse(w->dag);
}

void ganger_workflow_set_tag(struct ganger_workflow *w, ganger_task_number task, const char *tag)
{
    if (ganger_workflow_open_dag(w) && are_tasks(w, &task, 1))
        dag_set_tag(w->dag, w->vertices[task], tag);
}

/* ---- questions ---- */

void ganger_workflow_reach(struct ganger_workflow *w, ganger_task_number task, enum ganger_direction to, bool *reached)
{
    bool *met;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, &task, 1))
        return;
    met = xcalloc((size_t)w->dag->n_vertices + 1, sizeof(*met));
    for (task_id t = 0; t < w->graph->n_tasks; t++)
        if (reached[t] && w->vertices[t] != DAG_NONE)
            met[w->vertices[t]] = true;
    dag_reach(w->dag, w->vertices[task], (enum dag_direction)to, met);
    for (uint32_t v = 0; v < w->dag->n_vertices; v++)
        if (met[v] && !dag_is_join(w->dag, v))
            reached[task_at(w, v)] = true;
    free(met);
}

size_t ganger_workflow_find_path(struct ganger_workflow *w, ganger_task_number from, ganger_task_number to,
                                 ganger_task_number *path, size_t n_most)
{
    uint32_t *vertices = NULL, n_vertices;
    size_t n = 0;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, &from, 1) || !are_tasks(w, &to, 1))
        return 0;
    n_vertices = dag_find_path(w->dag, w->vertices[from], w->vertices[to], &vertices);
    for (uint32_t i = 0; i < n_vertices; i++) {
        if (dag_is_join(w->dag, vertices[i]))
            continue;
        if (n < n_most)
            path[n] = task_at(w, vertices[i]);
        n++;
    }
    free(vertices);
    return n;
}

const char *ganger_workflow_tag(struct ganger_workflow *w, ganger_task_number task)
{
    return ganger_workflow_open_dag(w) && are_tasks(w, &task, 1) ? w->dag->vertices[w->vertices[task]].tag : NULL;
}

size_t ganger_workflow_find_context(struct ganger_workflow *w, ganger_task_number task, enum ganger_direction to,
                                    struct ganger_context *context, size_t n_most)
{
    struct dag_context *found;
    uint32_t n;

    if (!ganger_workflow_open_dag(w) || !are_tasks(w, &task, 1))
        return 0;
    if (n_most > w->dag->n_vertices)
        n_most = w->dag->n_vertices;
    found = xcalloc(n_most + 1, sizeof(*found));
    n = dag_find_context(w->dag, w->vertices[task], (enum dag_direction)to, found, (uint32_t)n_most);
    for (uint32_t i = 0; i < n; i++)
        context[i] = (struct ganger_context){task_at(w, found[i].vertex), found[i].distance};
    free(found);
    return n;
}
