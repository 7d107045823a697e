/* match: which ready task can start where.
 *
 * The best ready task is tried first; what does not fit lets others pass (but in strict queues). To try again and again
 * what cannot fit would cost O(classes) for each placement, so what was tried in vain is set aside, and for each
 * release it costs one comparison, with what was freed:
 *
 * - A family (classes that differ in memory alone, see ready.h) whose head lacks a budget of the run is closed, and
 *   opened again when there is enough of that.
 * - Of a family that does not fit any node, as many lines stay open as fit somewhere: those with less memory. After a
 *   release they are as many more as fit the node where it happened; that node is the only one where they can be.
 *
 * A placement so costs O(log classes + log ready tasks) and a look at each family that was set aside for the same
 * reason. Only when several nodes were freed at once all nodes are looked at.
 *
 * The node: that of the parent which finished last, else the one with the fewest free slots that are enough.
 *
 * Nodes may have an end. What could not end before that does not enter, and what could not on any node is put off: it
 * leaves its line (in a strict queue, all behind it do), until a node's end is later than that was, a node comes, or
 * more is known of how long tasks take.
 *
 * Who is set aside may starve, because others take what is freed bit by bit. Having been overtaken often enough, or for
 * long enough, it reserves what it lacks: a node (reserve.h), or a budget, of which those who come after it then leave
 * as much as it needs. */
#ifndef GANGER_CORE_MATCH_H
#define GANGER_CORE_MATCH_H

#include "core/budget.h"
#include "core/estimate.h"
#include "core/place.h"
#include "core/ready.h"
#include "core/reserve.h"

struct match_family
{
    const struct task_resources *needs; /* of its first line; NULL: of a strict queue, where it depends on the head */
    uint32_t n_elsewhere; /* so many of its lines may fit nodes other than freed_node */
    uint32_t freed_node;  /* the last where something was freed since it was set aside; NO_NODE: none */
    uint32_t n_there;     /* so many of its lines may fit there, if there is room: others were refused */
    uint32_t aside_at;    /* place among those set aside for want of a node; UINT32_MAX: it is not */
    uint32_t budget;      /* that its head lacks; NO_BUDGET: none */
    uint32_t waiting_at;  /* place among those that wait for it */
    uint32_t passed_line; /* whose head is being overtaken; NO_LINE: none */
    task_id passed_task;  /* that head */
    uint32_t n_passed;    /* so often */
    double passed_s;      /* since then */
    uint32_t reserved_line; /* for which it has reserved something; NO_LINE: none */
    uint32_t reserved_node; /* NO_NODE: none */
    uint32_t reserved_budget; /* NO_BUDGET: none */
    bool is_put_off;          /* a strict queue whose head was */
};

struct match
{
    const struct graph *graph;
    struct ready ready;
    struct place place;
    struct budgets budgets;
    struct reserve reserve;
    struct match_family *families;
    uint32_t *aside; /* families of which some lines fitted no node */
    uint32_t n_aside;
    uint32_t n_reservations;
    task_id behind; /* who stood behind the task that started last; TASK_NONE: nobody */
    uint32_t *misfits; /* classes that no node could hold */
    uint32_t n_misfits;
    bool has_ends;     /* some node has one */
    double last_end_s; /* of all nodes */
    task_id *put_off;  /* ready tasks for which no node has time, in the order in which that was found */
    size_t n_put_off;
    size_t put_off_capacity;
    uint32_t *fitting_node; /* by class: one that could hold it; NO_NODE: it is a misfit */
};

/* Borrows both. */
void match_init(struct match *m, const struct graph *g, const struct estimate *estimate);
void match_release(struct match *m);

void match_set_time(struct match *m, double now_s);

/* A task is ready. */
void match_push(struct match *m, task_id task);

/* A task was appended to the graph, and estimate_append told. O(1), unless it asks for what nobody asked for before:
 * then O(classes log classes + ready tasks log ready tasks), and what was reserved is reserved anew when it is due. */
void match_append(struct match *m);

/* The best ready task that is worth a try, or TASK_NONE. */
static inline task_id match_best(const struct match *m)
{
    uint32_t line = ready_best(&m->ready);

    return line != NO_LINE ? m->ready.lines[line].head.task : TASK_NONE;
}

/* Tries to start that task: `near` is the worker of the parent that finished last; 0: none. Returns its worker; 0:
 * it fits nowhere now, and was set aside: ask for the best again. */
uint32_t match_try(struct match *m, uint32_t near);

/* When a node will be gone; what is put off gets another try if that is later than it was. */
void match_set_end(struct match *m, uint32_t node, double end_s);

/* The best ready task (match_best) is put off if no node has time for it. */
bool match_put_off(struct match *m);

/* What was put off gets another try. */
void match_recall_put_off(struct match *m);

/* Is there a node with room for one more task of this class, and enough of all budgets? */
bool match_has_room(struct match *m, uint32_t class);

/* The best ready task, if it could go where a worker will have ended its task, because it asks for the same and
 * nobody better waits for that; else TASK_NONE. */
task_id match_successor(const struct match *m, uint32_t worker);

/* That task leaves its line. */
void match_take_successor(struct match *m, task_id task);

/* The task of a worker ended, or was lost: what it held is free. */
void match_end(struct match *m, uint32_t worker);

void match_add_worker(struct match *m, uint32_t worker, uint32_t node, uint16_t slot);
void match_remove_worker(struct match *m, uint32_t worker); /* which runs nothing any more */

static inline bool match_is_misfit(const struct match *m, uint32_t class)
{
    return m->fitting_node[class] == NO_NODE;
}

/* A ready task of a class that no node could hold leaves its line; TASK_NONE: there is none. In a strict queue it is
 * found when it is the head. */
task_id match_pop_misfit(struct match *m);

/* B-levels have changed. */
void match_sort_again(struct match *m);

#endif
