#include "core/culprit.h"

#include "base/alloc.h"
#include "core/dag.h"

#include <stdlib.h>

struct search
{
    const struct dag *d;
    const struct graph *graph;
    culprit_state_of *state_of;
    const void *data;
    bool *met;
    task_id *stack; /* what was skipped, and joins before it */
    uint32_t n;
};

static void push(struct search *s, task_id t)
{
    if (s->met[t])
        return;
    s->met[t] = true;
    s->stack[s->n++] = t;
}

/* A parent on whose end a skipped task waited to be well. */
static void follow(struct search *s, task_id parent, bool *is_culprit)
{
    if (dag_is_join(s->d, parent)) {
        push(s, parent);
        return;
    }
    switch (s->state_of(s->data, parent)) {
    case CULPRIT_SKIPPED: push(s, parent); break;
    case CULPRIT_FAILED:
        is_culprit[parent] |= !s->graph->policies[s->graph->tasks[parent].policy].may_fail;
        break;
    case CULPRIT_NONE: break;
    }
}

static uint32_t collect(const struct dag *d, const bool *is_culprit, task_id **culprits)
{
    uint32_t n = 0;

    *culprits = xmalloc(((size_t)d->n_vertices + 1) * sizeof(**culprits));
    for (uint32_t v = 0; v < d->n_vertices; v++)
        if (is_culprit[v])
            (*culprits)[n++] = v;
    return n;
}

uint32_t culprit_find(const struct graph *g, task_id task, culprit_state_of *state_of, const void *data,
                      task_id **culprits)
{
    struct dag *d = dag_from_graph(g); /* its vertices are the graph's tasks */
    struct search s = {.d = d, .graph = g, .state_of = state_of, .data = data};
    bool *is_culprit = xcalloc((size_t)g->n_tasks + 1, sizeof(*is_culprit));
    uint32_t n;

    s.met = xcalloc((size_t)g->n_tasks + 1, sizeof(*s.met));
    s.stack = xmalloc(((size_t)g->n_tasks + 1) * sizeof(*s.stack));
    push(&s, task);
    while (s.n > 0) {
        task_id t = s.stack[--s.n];

        for (uint32_t e = dag_first(d, t, DAG_BACK); e != DAG_NONE; e = dag_next(d, e, DAG_BACK))
            if (d->edges[e].on == ON_OK)
                follow(&s, dag_end(d, e, DAG_BACK), is_culprit);
    }
    n = collect(d, is_culprit, culprits);
    free(s.met);
    free(s.stack);
    free(is_culprit);
    dag_free(d);
    return n;
}
