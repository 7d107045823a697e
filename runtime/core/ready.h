/* ready: the ready tasks in the order in which they should start.
 *
 * They stand in lines: one for each resource class, and one for each strict queue. A line is ordered by priority,
 * b-level (not within a strict queue), then the order in which they became ready; only its head is ever looked
 * at. Who comes after all the others joins the end of a run, which costs nothing and is the rule; the rest is a heap.
 *
 * Lines whose classes differ in memory alone are a family, in ascending order of memory. What fits somewhere is then
 * a prefix of the family: its *open* lines. A winner tree over the heads of a family (D. E. Knuth, The Art of Computer
 * Programming 3, 5.4.1) gives the best of any prefix; an indexed heap over the families gives the best open line of
 * all. How many lines of a family are open is the business of who knows the nodes: see match.h.
 *
 * Everything costs O(log lines + log ready tasks). */
#ifndef GANGER_CORE_READY_H
#define GANGER_CORE_READY_H

#include "core/graph.h"

#include <stdbool.h>
#include <stddef.h>

#define NO_LINE UINT32_MAX

struct ready_task
{
    uint64_t rank;  /* priority, then b-level; higher goes first */
    uint32_t order; /* in which it became ready; lower goes first */
    task_id task;
};

struct ready_line
{
    struct ready_task head; /* a copy of the best; when empty, one that comes after any task */
    size_t n;
    struct ready_task *run; /* from run_first up to run_end in order: each came after those before it */
    size_t run_first;
    size_t run_end;
    size_t run_capacity;
    struct ready_task *heap; /* the others */
    size_t n_heap;
    size_t heap_capacity;
    uint32_t family;
    uint32_t resource_class; /* meaningless for a strict queue, whose tasks ask for this and that */
    bool is_strict;
};

struct ready_family
{
    uint32_t first_line;
    uint32_t n_lines;
    uint32_t n_open;    /* of them, from the first, are worth trying */
    uint32_t best_line; /* of the open ones; NO_LINE: they are empty */
    uint32_t heap_at;   /* place in the heap of families, when best_line is a line */
    uint32_t n_leaves;  /* of the winner tree; 0: one line needs no tree */
    uint32_t *winners;  /* the node i has the children 2 i and 2 i + 1 */
};

struct ready
{
    const struct graph *graph;
    const float *b_level_s;
    struct ready_line *lines;
    uint32_t n_lines;
    uint64_t *memory_bytes; /* that each line asks for; 0 for a strict queue, which is a family of its own */
    struct ready_family *families;
    uint32_t n_families;
    uint32_t *line_of_class;
    uint32_t n_classes;
    uint32_t *heap; /* families with a head that may be tried, best first */
    uint32_t n_heap;
    uint32_t n_became_ready;
};

/* Borrows both. All lines are open. O(classes log classes). */
void ready_init(struct ready *r, const struct graph *g, const float *b_level_s);
void ready_release(struct ready *r);

/* The task stands in its line. True: at its head. */
bool ready_push(struct ready *r, task_id task);

/* Tasks, and maybe classes, were appended to the graph, and b-levels may have moved. True: there are lines for new
 * classes; all lines and families have other numbers then, are all open, and hold what they held. */
bool ready_append(struct ready *r, const float *b_level_s);

/* The head of a line leaves it. */
task_id ready_pop(struct ready *r, uint32_t line);


/* The best head of all lines of a family, open or not: its line, or NO_LINE when there is no task. */
uint32_t ready_best_of_family(const struct ready *r, uint32_t family);

void ready_open(struct ready *r, uint32_t family, uint32_t n_lines);

/* How many lines of a family ask for at most so much memory. */
uint32_t ready_n_lines_within(const struct ready *r, uint32_t family, uint64_t memory_bytes);

/* B-levels have changed. O(ready tasks). */
void ready_sort_again(struct ready *r);

/* The open line with the best head, or NO_LINE. */
static inline uint32_t ready_best(const struct ready *r)
{
    return r->n_heap > 0 ? r->families[r->heap[0]].best_line : NO_LINE;
}

/* The class of what stands at the head of a line; of an empty line of a class, that class. */
static inline uint32_t ready_class_of(const struct ready *r, uint32_t line)
{
    const struct ready_line *of = &r->lines[line];

    return of->is_strict ? r->graph->tasks[of->head.task].resource_class : of->resource_class;
}

static inline bool ready_is_before(const struct ready_task *a, const struct ready_task *b)
{
    if (a->rank != b->rank)
        return a->rank > b->rank;
    return a->order < b->order;
}

#endif
