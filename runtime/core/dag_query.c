/* Questions to a dag: what is reached, and by which path. */
#include "core/dag_parts.h"

#include <stdlib.h>
#include <string.h>

void dag_reach(const struct dag *d, uint32_t vertex, enum dag_direction to, bool *reached)
{
    uint32_t *stack;
    size_t n = 0, capacity = 0;

    if (reached[vertex])
        return;
    reached[vertex] = true;
    stack = xgrow(NULL, 0, &capacity, sizeof(*stack));
    stack[n++] = vertex;
    while (n > 0) {
        uint32_t v = stack[--n];

        for (uint32_t e = dag_first(d, v, to); e != DAG_NONE; e = dag_next(d, e, to)) {
            uint32_t next = dag_end(d, e, to);

            if (reached[next])
                continue;
            reached[next] = true;
            stack = xgrow(stack, n, &capacity, sizeof(*stack));
            stack[n++] = next;
        }
    }
    free(stack);
}

/* ---- breadth first ---- */

/* Vertices in the order of their distance. Joins are no step: they come before all that is further. */
struct breadth
{
    uint32_t *queue; /* joins are put in front */
    size_t head;
    size_t end;
    uint32_t *distance;  /* of what was met; DAG_NONE: not met */
    uint32_t *came_from; /* the vertex before it */
    uint32_t *met;
    uint32_t n_met;
};

static void breadth_init(struct breadth *b, const struct dag *d)
{
    size_t room = (size_t)d->n_vertices + 1;

    b->queue = xmalloc(room * sizeof(*b->queue));
    b->head = b->end = d->n_joins;
    b->distance = xmalloc(room * sizeof(*b->distance));
    b->came_from = xmalloc(room * sizeof(*b->came_from));
    b->met = xmalloc(room * sizeof(*b->met));
    b->n_met = 0;
    memset(b->distance, 0xff, room * sizeof(*b->distance));
}

static void breadth_release(struct breadth *b)
{
    free(b->queue);
    free(b->distance);
    free(b->came_from);
    free(b->met);
}

/* For another start. */
static void breadth_forget(struct breadth *b, const struct dag *d)
{
    while (b->n_met > 0)
        b->distance[b->met[--b->n_met]] = DAG_NONE;
    b->head = b->end = d->n_joins;
}

static void breadth_meet(struct breadth *b, uint32_t v, uint32_t from, uint32_t distance, bool is_join)
{
    if (b->distance[v] != DAG_NONE)
        return;
    b->distance[v] = distance;
    b->came_from[v] = from;
    b->met[b->n_met++] = v;
    b->queue[is_join ? --b->head : b->end++] = v;
}

static void breadth_follow(struct breadth *b, const struct dag *d, uint32_t v, enum dag_direction to)
{
    for (uint32_t e = dag_first(d, v, to); e != DAG_NONE; e = dag_next(d, e, to)) {
        uint32_t next = dag_end(d, e, to);
        bool is_join = dag_is_join(d, next);

        breadth_meet(b, next, v, b->distance[v] + !is_join, is_join);
    }
}

/* ---- paths ---- */

/* From the start to `last`. */
static uint32_t trace_path(const struct breadth *b, uint32_t last, uint32_t **path)
{
    uint32_t n = 0, at;

    for (uint32_t v = last; v != DAG_NONE; v = b->came_from[v])
        n++;
    *path = xmalloc(((size_t)n + 1) * sizeof(**path));
    at = n;
    for (uint32_t v = last; v != DAG_NONE; v = b->came_from[v])
        (*path)[--at] = v;
    return n;
}

uint32_t dag_find_path(const struct dag *d, uint32_t from, uint32_t to, uint32_t **path)
{
    struct breadth b;
    uint32_t n = 0;

    *path = NULL;
    breadth_init(&b, d);
    breadth_meet(&b, from, DAG_NONE, 0, dag_is_join(d, from));
    while (b.head < b.end && b.distance[to] == DAG_NONE && dag_is_before(d, from, to))
        breadth_follow(&b, d, b.queue[b.head++], DAG_ON);
    if (b.distance[to] != DAG_NONE)
        n = trace_path(&b, to, path);
    breadth_release(&b);
    return n;
}

/* When `from` is wanted, the path leads round a cycle, and ends before `from` comes again. */
uint32_t dag_find_path_to_any(const struct dag *d, uint32_t from, const bool *wanted, uint32_t **path)
{
    uint32_t found = DAG_NONE, n = 0;
    struct breadth b;

    *path = NULL;
    breadth_init(&b, d);
    breadth_meet(&b, from, DAG_NONE, 0, dag_is_join(d, from));
    while (b.head < b.end && found == DAG_NONE) {
        uint32_t v = b.queue[b.head++];

        for (uint32_t e = dag_first(d, v, DAG_ON); wanted[from] && e != DAG_NONE; e = dag_next(d, e, DAG_ON))
            if (dag_end(d, e, DAG_ON) == from)
                found = v;
        if (v != from && wanted[v])
            found = v;
        breadth_follow(&b, d, v, DAG_ON);
    }
    if (found != DAG_NONE)
        n = trace_path(&b, found, path);
    breadth_release(&b);
    return n;
}

#define CYCLE_STEPS 256      /* for each vertex and each edge, … */
#define CYCLE_STEPS_LEAST 10000000 /* … and as many as take no time */

/* The last vertex of a way from `from` back to it that has fewer than `n_most` steps, as many as it has vertices that
 * are no joins; DAG_NONE: there is none. */
static uint32_t find_way_back(struct breadth *b, const struct dag *d, uint32_t from, uint32_t n_most, uint64_t *n_steps)
{
    breadth_forget(b, d);
    breadth_meet(b, from, DAG_NONE, !dag_is_join(d, from), dag_is_join(d, from));
    while (b->head < b->end) {
        uint32_t v = b->queue[b->head++];

        if (b->distance[v] >= n_most)
            break;
        *n_steps += 1 + d->vertices[v].n[DAG_ON];
        for (uint32_t e = dag_first(d, v, DAG_ON); e != DAG_NONE; e = dag_next(d, e, DAG_ON))
            if (dag_end(d, e, DAG_ON) == from)
                return v;
        breadth_follow(b, d, v, DAG_ON);
    }
    return DAG_NONE;
}

uint32_t dag_find_cycle(const struct dag *d, const uint32_t *starts, uint32_t n_starts, uint32_t **path)
{
    uint64_t n_steps = 0, n_steps_most = CYCLE_STEPS * ((uint64_t)d->n_vertices + d->n_edges) + CYCLE_STEPS_LEAST;
    uint32_t n = 0, length = UINT32_MAX; /* of the best: its vertices, and its steps */
    struct breadth b;

    *path = NULL;
    breadth_init(&b, d);
    for (uint32_t i = 0; i < n_starts && n_steps < n_steps_most; i++) {
        uint32_t last = find_way_back(&b, d, starts[i], length, &n_steps);

        if (last == DAG_NONE)
            continue;
        free(*path);
        length = b.distance[last];
        n = trace_path(&b, last, path);
    }
    breadth_release(&b);
    return n;
}

/* ---- context ---- */

static int compare_contexts(const void *a, const void *b)
{
    const struct dag_context *x = a, *y = b;

    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->vertex > y->vertex) - (x->vertex < y->vertex);
}

uint32_t dag_find_context(const struct dag *d, uint32_t vertex, enum dag_direction to, struct dag_context *context,
                          uint32_t n_most)
{
    struct dag_context *found = NULL;
    size_t capacity = 0, n = 0;
    struct breadth b;

    breadth_init(&b, d);
    breadth_meet(&b, vertex, DAG_NONE, 0, dag_is_join(d, vertex));
    while (b.head < b.end) {
        uint32_t v = b.queue[b.head++];

        if (n > 0 && n >= n_most && b.distance[v] > found[n - 1].distance)
            break; /* all that follows is further away */
        if (d->vertices[v].tag == NULL) {
            breadth_follow(&b, d, v, to);
            continue;
        }
        found = xgrow(found, n, &capacity, sizeof(*found));
        found[n++] = (struct dag_context){v, b.distance[v]};
    }
    if (n > 0)
        qsort(found, n, sizeof(*found), compare_contexts);
    n = n < n_most ? n : n_most;
    if (n > 0)
        memcpy(context, found, n * sizeof(*found));
    free(found);
    breadth_release(&b);
    return (uint32_t)n;
}
