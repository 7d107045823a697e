/* dag: the dependencies of a workflow while they may still change; a graph is sealed from it.
 *
 * Vertices have a string id, a tag if they are given one, and the caller's data; edges lead from what is waited for
 * (the parent) to what waits (the child), each on a condition. There is never a cycle: an edge that would make one is
 * refused. A vertex without an id is a join, as in graph.h: it gathers dependencies, has no data, and is no step on a
 * path. Vertices are numbered in the order they were added; numbers change in dag_prune and dag_keep, ids never do.
 * It knows nothing of commands, resources and running. Ids are copied.
 *
 * An order in which parents come first is kept while edges are added, so that only what lies between the ends of a
 * new edge is looked at: nothing when they stand in that order already, or when one end has no other edge on that
 * side. It is the two-way compatible search of Haeupler, Kavitha, Mathew, Sen and Tarjan (Incremental cycle
 * detection, topological ordering, and strong component maintenance, ACM TALG 8:1, 2012), always at the ends that
 * are nearest to each other: O(sqrt(edges) log) for each edge at the very worst, over all of them. The order is a list
 * with labels (Bender, Cole, Demaine, Farach-Colton, Zito: Two simplified algorithms for maintaining order in a
 * list, ESA 2002). */
#ifndef GANGER_CORE_DAG_H
#define GANGER_CORE_DAG_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/intern.h"
#include "base/name_index.h"
#include "core/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DAG_NONE UINT32_MAX

enum dag_direction
{
    DAG_BACK, /* to parents: what it waits for */
    DAG_ON,   /* to children: what waits for it */
};

struct dag_vertex
{
    const char *id;   /* NULL: a join */
    const char *tag;  /* NULL: none */
    void *data;       /* the caller's; NULL: none */
    uint32_t first[2]; /* its edges in a direction, in the order they were added; DAG_NONE: none */
    uint32_t last[2];
    uint32_t n[2];
    uint64_t label;    /* ascends along the order */
    uint32_t place[2]; /* what stands before it and after it in the order; DAG_NONE: nothing */
    uint32_t mark;     /* of the search that met it last, and from which side */
    uint32_t at;       /* the edge that it will follow next */
};

struct dag_edge
{
    uint32_t end[2];  /* the parent, the child */
    uint32_t next[2]; /* the child's next edge to a parent, the parent's next edge to a child; DAG_NONE: the last */
    enum graph_condition on;
};

/* What a search for a cycle has met on one side. */
struct dag_side
{
    uint32_t *met;
    size_t n_met;
    size_t met_capacity;
    uint32_t *heap; /* of those, what may have edges to follow: the nearest to the other side first */
    size_t n_heap;
    size_t heap_capacity;
};

struct dag
{
    uint32_t n_vertices;
    uint32_t n_joins;
    struct dag_vertex *vertices;
    uint32_t n_edges;
    struct dag_edge *edges;

    /* its own */
    uint32_t ends[2]; /* of the order: the last, the first */
    uint32_t n_searches;
    struct dag_side sides[2];
    size_t vertices_capacity;
    size_t edges_capacity;
    struct name_index index;
    struct intern_table edge_table;
    struct arena text; /* ids, tags */
};

struct dag *dag_new(void);
void dag_free(struct dag *d); /* takes NULL */

/* Of a sealed graph: the same tasks under the same numbers, `data` is the graph's struct task. O(tasks + edges). */
struct dag *dag_from_graph(const struct graph *g);

/* Adds the dependencies to a draft whose task for vertex v is tasks[v]; for joins, whatever stands there, the graph
 * gets joins of its own. */
void dag_add_to_graph(const struct dag *d, struct graph *g, const task_id *tasks);

/* A new vertex; DAG_NONE when the id is taken. An id of NULL makes a join. `data` is borrowed. */
uint32_t dag_add(struct dag *d, const char *id, void *data);

/* DAG_NONE when there is none. */
uint32_t dag_find(const struct dag *d, const char *id, size_t n_bytes);

void dag_set_tag(struct dag *d, uint32_t vertex, const char *tag); /* NULL: takes it away */

struct dag_parent
{
    uint32_t vertex;
    enum graph_condition on;
};

/* `child` waits for all of these as well; what it waits for already is not said twice, and nothing is taken away.
 * Where that would make a cycle, it fails, with a shortest one in the message, and none of them is added. */
int dag_link(struct dag *d, uint32_t child, const struct dag_parent *parents, size_t n_parents,
             struct ganger_error *err);

/* Adds all of `other`: vertices by their ids (what both have is one; data and tag are those of `d` if it has some),
 * and all edges. Where that would make a cycle, it fails as dag_link does and `d` is as it was; for the shortest one it
 * looks at some hundred times as many edges as there are, and no longer. `other` is as it was in any case. O(both). */
int dag_merge(struct dag *d, const struct dag *other, struct ganger_error *err);

/* Each edge leads the other way. O(vertices + edges). */
void dag_reverse(struct dag *d);

/* Takes out the vertices that are `removed` (n_vertices elements); what waited for one waits for its parents. Where it
 * has several parents and several children, a join takes its place, so that there are never more edges than
 * before. Of two conditions on the way the first that is not `ok` counts. O(vertices + edges), however many are
 * removed: do it in one call. */
void dag_prune(struct dag *d, const bool *removed);

/* Takes out all but the vertices that are `kept`, and the edges to them. O(vertices + edges). */
void dag_keep(struct dag *d, const bool *kept);

/* ---- looking at it */

static inline bool dag_is_join(const struct dag *d, uint32_t vertex)
{
    return d->vertices[vertex].id == NULL;
}

/* The other ends of a vertex's edges in a direction:
 * `for (e = dag_first(d, v, DAG_BACK); e != DAG_NONE; e = dag_next(d, e, DAG_BACK)) … dag_end(d, e, DAG_BACK)`. */
static inline uint32_t dag_first(const struct dag *d, uint32_t vertex, enum dag_direction to)
{
    return d->vertices[vertex].first[to];
}

static inline uint32_t dag_next(const struct dag *d, uint32_t edge, enum dag_direction to)
{
    return d->edges[edge].next[to];
}

static inline uint32_t dag_end(const struct dag *d, uint32_t edge, enum dag_direction to)
{
    return d->edges[edge].end[to];
}

/* Does `a` stand before `b` in the order? */
static inline bool dag_is_before(const struct dag *d, uint32_t a, uint32_t b)
{
    return d->vertices[a].label < d->vertices[b].label;
}

/* All vertices, parents first; the caller frees them. */
uint32_t *dag_order(const struct dag *d);

/* The closure: marks `vertex` and all that can be reached from it. What is marked in `reached` (n_vertices elements)
 * already is not looked at again, so that asking for several costs O(vertices + edges) in all. */
void dag_reach(const struct dag *d, uint32_t vertex, enum dag_direction to, bool *reached);

/* A path along children with the fewest steps, both ends and the joins on the way included. Returns how many vertices
 * these are; 0: there is none. The caller frees `*path`. */
uint32_t dag_find_path(const struct dag *d, uint32_t from, uint32_t to, uint32_t **path);

/* A tagged vertex, and how many steps away it is. */
struct dag_context
{
    uint32_t vertex;
    uint32_t distance;
};

/* The context of a vertex: what is tagged and reaches it without passing another tagged vertex, the nearest first;
 * of those equally near, what was added first. A vertex that is tagged is its own, alone, at distance 0. The first one
 * is what governs the vertex. Writes the first `n_most`, and returns how many that are. DAG_ON: among what waits for
 * it, instead. */
uint32_t dag_find_context(const struct dag *d, uint32_t vertex, enum dag_direction to, struct dag_context *context,
                          uint32_t n_most);

#endif
