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
 * vertex on one. */
bool dag_order_rebuild(struct dag *d, uint32_t *on_cycle);

/* A path from `from` to one of the vertices that are `wanted`, with the fewest steps and at least one edge: as
 * dag_find_path gives it, also where there are cycles. Of a path back to `from`, that is not said again. */
uint32_t dag_find_path_to_any(const struct dag *d, uint32_t from, const bool *wanted, uint32_t **path);

#endif
