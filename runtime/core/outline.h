/* outline: a graph as it is drawn for people.
 *
 * Vertices are tasks, or programs when there are too many tasks to look at. Joins are hidden: what waits for one
 * waits for its parents. Only where that would take more edges than the join has, a point is left in its place. */
#ifndef GANGER_CORE_OUTLINE_H
#define GANGER_CORE_OUTLINE_H

#include "core/graph.h"

#include <stdbool.h>
#include <stdint.h>

struct outline_vertex
{
    const char *name; /* of the task or the program; borrowed from the graph; NULL: a point, or it has none */
    uint32_t n_tasks; /* 0: a point */
};

struct outline_edge
{
    uint32_t from;
    uint32_t to;
    enum graph_condition on;
    uint64_t n; /* dependencies between tasks that it stands for */
};

/* In an order that depends on the document alone: vertices by their first task, edges by both ends. */
struct outline
{
    struct outline_vertex *vertices;
    uint32_t n_vertices;
    struct outline_edge *edges;
    uint64_t n_edges;
    uint64_t *first; /* edges from v: edges[first[v]] up to edges[first[v + 1]] */
    size_t edges_capacity;
};

/* Of the sealed graph, or of the part of it whose tasks and joins are `chosen` (n_tasks elements; NULL: all). */
void outline_tasks(struct outline *o, const struct graph *g, const bool *chosen);
void outline_programs(struct outline *o, const struct graph *g, const bool *chosen);

void outline_release(struct outline *o);

/* The task, what it waits for up to n_steps back, and what waits for it up to n_steps on; joins on the way are
 * no steps. n_tasks elements; the caller frees them. */
bool *outline_neighbourhood(const struct graph *g, task_id task, uint32_t n_steps);

#endif
