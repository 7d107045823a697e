/* dependency: what tasks wait for, as a document states it, and the graph's edges that come of it.
 *
 * A task may wait for ids that come later in the document and for wildcards over ids; both are kept
 * here until all tasks are known. A wildcard that many tasks wait for becomes one join: 100 tasks behind
 * 10^5 are 10^5 + 100 edges, not 10^7. */
#ifndef GANGER_CORE_DEPENDENCY_H
#define GANGER_CORE_DEPENDENCY_H

#include "base/error.h"
#include "core/graph.h"

#include <stddef.h>
#include <stdint.h>

struct dependency_list
{
    struct graph *g; /* borrowed */
    struct pending_id *ids;
    size_t n_ids;
    size_t ids_capacity;
    struct pattern *patterns;
    uint32_t n_patterns;
    size_t patterns_capacity;
    struct pattern_use *uses;
    uint32_t n_uses;
    size_t uses_capacity;
    struct name_index index; /* of patterns */
    struct arena text;
    task_id *by_start; /* tasks sorted by their ids, and by their ids read backwards; NULL: not needed yet */
    task_id *by_end;
    uint32_t n_sorted;
};

void dependency_init(struct dependency_list *l, struct graph *g);
void dependency_release(struct dependency_list *l);

/* `child` waits for the task with this id, or for all that match it if it has a wildcard (never for
 * itself). `line` says where, for errors. A condition holds of each task that matches: where a join stands
 * between, it is on the join's own edges, and who waits for the join waits for it to end well. */
void dependency_add(struct dependency_list *l, task_id child, const char *text, size_t n_bytes,
                    enum graph_condition on, uint64_t line);

/* Adds the edges and joins to the graph, once all tasks are there. An id that does not exist and a
 * wildcard that matches nothing are errors; `*child` and `*line` are then those of the task. */
int dependency_resolve(struct dependency_list *l, task_id *child, uint64_t *line, struct ganger_error *err);

#endif
