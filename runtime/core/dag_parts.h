/* dag_parts: what the files of core/dag share. */
#ifndef GANGER_CORE_DAG_PARTS_H
#define GANGER_CORE_DAG_PARTS_H

#include "core/dag.h"

/* Puts a new vertex at the end of the order. */
void dag_order_append(struct dag *d, uint32_t vertex);

/* Makes `parent` stand before `child`, so that an edge between them may be added. False, and the order is as it was,
 * when there is a path from the child to the parent. */
bool dag_order_admit(struct dag *d, uint32_t parent, uint32_t child);

/* Makes the order anew, after edges were added without asking. False when there is a cycle; `*on_cycle` is then a
 * vertex on one, and `is_left` (n_vertices elements) are those that are on one, or behind one. */
bool dag_order_rebuild(struct dag *d, uint32_t *on_cycle, bool *is_left);

/* A path from `from` to one of the vertices that are `wanted`, with the fewest steps and at least one edge: as
 * dag_find_path gives it, also where there are cycles. Of a path back to `from`, that is not said again. */
uint32_t dag_find_path_to_any(const struct dag *d, uint32_t from, const bool *wanted, uint32_t **path);

/* Of the cycles through one of `starts`, a shortest: a path as dag_find_path gives it, from the start to what leads
 * back to it. The first of the starts must be on a cycle. Each is asked how far it is back to itself, but no further
 * than the best so far; in a large dag with a great many of them that ends after some hundred times what it takes to
 * walk over all once, and the best so far counts. */
uint32_t dag_find_cycle(const struct dag *d, const uint32_t *starts, uint32_t n_starts, uint32_t **path);

#endif
