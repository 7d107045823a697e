/* place: nodes with their workers, slots and other amounts, and who holds what of them.
 *
 * It knows nothing of what is ready. Nodes with the same number of free slots form a list, so that the node with the
 * fewest free slots that are enough (best fit) is found without looking at those with fewer. */
#ifndef GANGER_CORE_PLACE_H
#define GANGER_CORE_PLACE_H

#include "core/graph.h"
#include "core/room.h"

#include <stdbool.h>
#include <stddef.h>

#define NO_NODE UINT32_MAX

struct reservation;

struct node
{
    struct room free;
    double end_s;          /* when it will be gone; INFINITY: it stays */
    uint64_t memory_bytes; /* of all; ROOM_ANY_MEMORY: unknown */
    uint32_t n_gpus;
    uint32_t n_workers;
    uint32_t n_slots;         /* numbers that slots have had so far: 0 up to n_slots - 1 */
    uint32_t *worker_of_slot; /* 0: the slot has no worker, or no longer */
    size_t slots_capacity;
    uint64_t *slots_there;    /* sets of bits: which have a worker, … */
    uint64_t *slots_used;     /* … which are held by a task … */
    uint64_t *gpus_used;      /* … and which GPUs are */
    uint32_t previous, next;  /* in the list of those with as many free slots */
    struct reservation *reservation; /* NULL: nobody's */
};

struct worker
{
    uint32_t node; /* NO_NODE: not there, or no longer */
    uint16_t slot;
    uint16_t first_slot; /* that its task holds */
    uint32_t n_slots;
    uint16_t *slots; /* all of them, when there is more than one */
    uint32_t n_gpus;
    uint16_t *gpus; /* that its task holds; NULL: none */
    task_id task;
    double since_s;    /* when it began, as far as we know */
    task_id advance;   /* sent in advance: gets what the task holds next */
    size_t advance_at; /* place among the advances of its class; meaningless once it is recalled */
    bool is_recalled;
    float delay_s;     /* fading sums over its tasks: time waited for its core, … */
    float run_s;       /* … of that time in all */
    uint64_t noted_at; /* the number of releases then */
};

struct place
{
    uint32_t *parts; /* of each node, by named resource; ROOM_ANY_PART: it is not of nodes */
    uint32_t n_parts;
    struct node *nodes;
    size_t n_nodes;
    size_t nodes_capacity;
    uint32_t *nodes_by_free; /* first node with that many free slots */
    size_t n_free_lists;
    size_t free_lists_capacity;
    struct worker *workers; /* by worker id */
    size_t n_workers_known; /* one past the highest id */
    uint32_t n_workers;
    uint32_t n_free_slots;
    uint64_t n_releases;
};

void place_init(struct place *p, const struct graph *g);
void place_release(struct place *p);

void place_add_node(struct place *p, uint32_t node, uint64_t memory_bytes, uint32_t n_gpus);
void place_add_worker(struct place *p, uint32_t worker, uint32_t node, uint16_t slot);

/* Has a worker that slot, now? */
bool place_has_slot(const struct place *p, uint32_t node, uint16_t slot);

/* Its slot is not there any more; if it is held, it will not be given back. */
void place_remove_worker(struct place *p, uint32_t worker);

/* What the node has when nothing runs there; `parts` are borrowed. */
struct room place_whole(const struct place *p, uint32_t node);

/* Takes what is asked for from a node that has room for it: adjacent slots where possible, the worker `near`'s
 * if it may, the lowest GPUs. Returns the worker that runs the task. */
uint32_t place_take(struct place *p, uint32_t node, const struct task_resources *wanted, uint32_t near,
                    task_id task, double now_s);

/* The task of a worker gives back what it holds. Returns the node. */
uint32_t place_give(struct place *p, uint32_t worker, const struct task_resources *held);

/* What the task of a worker holds, ascending; borrowed until it gives them back. */
const uint16_t *place_slots_of(const struct place *p, uint32_t worker);

/* See sched_note_delay. */
void place_note_delay(struct place *p, uint32_t worker, double delay_s, double run_s);

#endif
