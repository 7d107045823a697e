#include "core/dag_walk.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

static void tell_children(struct dag_walk *w, uint32_t v)
{
    for (uint32_t e = dag_first(w->d, v, DAG_ON); e != DAG_NONE; e = dag_next(w->d, e, DAG_ON))
        if (--w->n_missing[dag_end(w->d, e, DAG_ON)] == 0)
            w->ready[w->end++] = dag_end(w->d, e, DAG_ON);
}

void dag_walk_init(struct dag_walk *w, const struct dag *d)
{
    *w = (struct dag_walk){.d = d,
                           .n_missing = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*w->n_missing)),
                           .ready = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*w->ready))};
    for (uint32_t v = 0; v < d->n_vertices; v++) {
        w->n_missing[v] = d->vertices[v].n[DAG_BACK];
        if (w->n_missing[v] == 0)
            w->ready[w->end++] = v;
    }
}

void dag_walk_release(struct dag_walk *w)
{
    free(w->n_missing);
    free(w->ready);
    *w = (struct dag_walk){.d = NULL};
}

enum dag_walk_step dag_walk_next(struct dag_walk *w, uint32_t *vertex)
{
    while (w->head < w->end) {
        uint32_t v = w->ready[w->head++];

        if (!dag_is_join(w->d, v)) {
            w->n_taken++;
            *vertex = v;
            return WALK_TAKEN;
        }
        tell_children(w, v);
    }
    return w->n_taken > 0 ? WALK_BUSY : WALK_OVER;
}

void dag_walk_done(struct dag_walk *w, uint32_t vertex)
{
    assert(w->n_taken > 0);
    w->n_taken--;
    tell_children(w, vertex);
}
