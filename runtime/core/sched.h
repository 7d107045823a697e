/* sched: what runs next, and where.
 *
 * Owns the state of every task and the free amounts of every node. It is pure: time comes as an
 * argument, events are the caller's business, and it can be tested alone with a million tasks.
 *
 *   blocked -> ready -> sent -> running -> done | failed | cancelled      blocked -> skipped | not needed
 *   sent, running -> ready (returned; tried again; lost with its worker)  ready -> failed (unplaceable)
 *   blocked, sent, running -> held -> ready | done | failed | cancelled | not needed
 *
 * Held is what somebody else has yet to say something about: before it may start, or after an attempt has ended. It has
 * nothing of a node, and its children wait.
 *
 * The order is that of a list scheduler: user priority, then b-level (the longest path to the end, by stated costs or
 * by what was learned of the task's program: estimate.h), then the order in which tasks became ready; in a strict queue
 * priority and readiness alone (ready.h). The best ready task that fits starts; what does not fit lets others
 * pass, but in strict queues, until it was overtaken too often and reserves what it lacks (match.h, reserve.h). It
 * goes to the worker of the parent that finished last, else to that node, else to the node with the fewest free slots
 * that are enough (best fit), where it takes adjacent slots if it can (place.h).
 *
 * A placement costs O(log classes + log ready tasks) and a comparison for each family of classes that was set aside
 * because it fitted nowhere; never O(ready tasks). A task's end costs O(children). */
#ifndef GANGER_CORE_SCHED_H
#define GANGER_CORE_SCHED_H

#include "core/graph.h"
#include "core/task.h"

#include <stdbool.h>
#include <stdint.h>

enum task_state
{
    STATE_BLOCKED,   /* waits for parents */
    STATE_READY,     /* could start, if there were room */
    STATE_SENT,      /* given to a worker */
    STATE_RUNNING,   /* the worker said that it runs */
    STATE_HELD,      /* waits for sched_release, and runs nowhere */
    STATE_DONE,
    STATE_FAILED,
    STATE_SKIPPED,   /* what it waited for can no longer happen, because a task failed */
    STATE_NOT_NEEDED, /* what it waited for can no longer happen, because all went well */
    STATE_CANCELLED,  /* ended because the run ends */
    N_TASK_STATES,
};

struct sched;

/* Borrows the graph, which must be sealed and outlive it. */
struct sched *sched_new(const struct graph *g);
void sched_free(struct sched *s); /* takes NULL */

/* What time it is, in seconds since any moment; never goes back. */
void sched_set_time(struct sched *s, double now_s);

/* Marks a task as done before the run began (resume). Only before sched_begin. */
void sched_keep(struct sched *s, task_id task);

/* Makes the tasks ready that wait for nothing but kept ones. Once, after the last sched_keep. */
void sched_begin(struct sched *s);

/* Before sched_begin: from now on a task that waits for nothing more is held, not ready. */
void sched_hold_ready(struct sched *s);

/* Tasks that were held in place of becoming ready, in that order, one at a time. False when there is none that was not
 * told. */
bool sched_next_held(struct sched *s, task_id *task);

/* A task was appended to the graph, as its last one (graph_append), at any time after sched_begin. What it waits for
 * may have ended: then it is ready, or skipped, at once. O(what it waits for), but see match_append. */
void sched_append(struct sched *s, task_id task);

/* What a node has beside the slots that its workers bring. */
struct sched_node
{
    uint64_t memory_bytes; /* 0: unknown, it is then not counted there */
    uint32_t n_gpus;       /* numbered from 0 */
};

/* Nodes are numbered from 0, and are told of before their first worker. */
void sched_add_node(struct sched *s, uint32_t node, const struct sched_node *has);

/* When a node will be gone, on the clock of sched_set_time; INFINITY: it stays. From then on no task starts there that
 * would not have ended by that time (estimate.h tells how that is judged). May be said again: ends are put off, and
 * brought forward. */
void sched_set_end(struct sched *s, uint32_t node, double end_s);

/* Before sched_begin: how long a kept task took, and how long one had run when an earlier epoch cut it off. */
void sched_teach_run(struct sched *s, task_id task, double run_s);
void sched_teach_cut(struct sched *s, task_id task, double run_s);

/* Workers come at any time, each with its slot: its core on its node. Workers are numbered from 1, slots
 * from 0 in topology order. False, and nothing has changed, when another worker has that slot. */
bool sched_add_worker(struct sched *s, uint32_t worker, uint32_t node, uint16_t slot);

/* A worker is gone for good. What it was sent in advance is ready again; so is the task that it ran, without a
 * retry spent, unless that lost too many workers: then it failed, as sched_state tells. Slots that tasks
 * of other workers borrowed from it are not given back when those end. */
void sched_lose_worker(struct sched *s, uint32_t worker);

/* How often a task lost its worker. */
uint32_t sched_n_lost(const struct sched *s, task_id task);

/* A task that has not ended and that no node could hold if it were empty, or TASK_NONE. */
task_id sched_find_unplaceable(struct sched *s);

/* Gives up a ready task that no node could hold if it were empty: it failed, and what waits for it learns of
 * that. False when there is none. */
bool sched_next_unplaceable(struct sched *s, task_id *task);

struct placement
{
    task_id task;
    uint32_t attempt; /* from 1 */
    uint32_t worker;  /* that runs it */
    uint32_t node;
    uint32_t n_slots;
    const uint16_t *slots; /* ascending; the worker's own is among them; borrowed until the next call */
    uint32_t n_gpus;
    const uint16_t *gpus; /* numbers on the node, ascending; borrowed likewise */
};

/* The best ready task that fits somewhere now: it becomes sent. False when there is none. */
bool sched_next(struct sched *s, struct placement *p);

/* Sending in advance: a second task for a worker that is busy, so that it need not wait for us between
 * two. It will have what the one before has, so both must ask for the same; both are known to be short; it is
 * the best ready task of all, and nothing else could be started now: call it when sched_next has no more.
 * The task becomes sent. False when there is no such task, or the worker is not busy with one task alone. */
bool sched_next_in_advance(struct sched *s, uint32_t worker, struct placement *p);

/* Functions go to a worker in batches: at most `max` behind those that a busy worker has, which are functions, too. All
 * that holds for sending in advance holds for these; they are known to be so short that all of a batch takes a moment,
 * and no worker gets more than its share of what is ready. Returns how many: the last that wait behind its task. */
uint32_t sched_next_in_batch(struct sched *s, uint32_t worker, uint32_t max);

/* A function that follows others on their worker: its open dependencies all wait or run there, and it goes behind
 * them, though it is not ready. All that holds for batches holds for this; besides, nothing is ready, nobody but this
 * worker could take it, and no condition, end of a node or held task stands between them. The worker has what they
 * returned before it comes to it, or gives it back. The task becomes sent. */
bool sched_next_chained(struct sched *s, uint32_t worker, struct placement *p);

/* Was it sent by sched_next_chained, and not all that it waits for has ended? */
bool sched_is_chained(const struct sched *s, task_id task);

/* What waits behind the task that a worker runs, the i-th from the first. */
uint32_t sched_n_in_batch(const struct sched *s, uint32_t worker);
task_id sched_in_batch(const struct sched *s, uint32_t worker, uint32_t i);
struct placement sched_placement_in_batch(const struct sched *s, uint32_t worker, uint32_t i);

/* There is room elsewhere for what waits in a batch, and nothing else is ready: the `*n` tasks from the `*first` on
 * should be recalled. Each is told once. False when there are none. */
bool sched_find_batch_recall(struct sched *s, uint32_t *worker, uint32_t *first, uint32_t *n);

/* The worker gave back a function without having begun it: it is ready again, or blocked if it waits for others, and no
 * attempt was spent. False when the worker has no such task. */
bool sched_take_back(struct sched *s, uint32_t worker, task_id task);

/* The worker has died, and it was this task of its batch that it ran, as far as is known. To be said before it is said
 * to be lost. */
void sched_blame(struct sched *s, uint32_t worker, task_id task);

/* A task that waits behind another, while there is room for it to start: it should be recalled. Each is
 * told once, and no more of them than there are free slots. False when there is none. */
bool sched_find_recall(struct sched *s, uint32_t *worker, task_id *task);

/* The worker gave back what it was sent in advance: it is ready again, and no attempt was spent. */
void sched_return(struct sched *s, uint32_t worker);

/* The worker says that the task runs. Ignored when it is not sent. */
void sched_started(struct sched *s, task_id task);

/* The attempt of a task that a worker runs ended: it is STATE_DONE, STATE_FAILED (for good), STATE_READY (it
 * failed and is tried again: spends a retry) or STATE_CANCELLED. `run_s`: how long it ran; of done tasks it is
 * learned how long those of their program take; NAN teaches nothing. What it held is free again, or goes
 * to the task that was sent in advance; children may become ready, or learn that they will not run. */
void sched_finish(struct sched *s, task_id task, enum task_state state, double run_s);

/* The same, but for what it means: the task is held until sched_release. */
void sched_hold(struct sched *s, task_id task, double run_s);

/* A held task is STATE_READY (that spends a retry, if it has run), STATE_DONE, STATE_FAILED, STATE_CANCELLED or
 * STATE_NOT_NEEDED. */
void sched_release(struct sched *s, task_id task, enum task_state state);

/* A held task is ready again, and no retry is spent. How often that was. */
void sched_repeat(struct sched *s, task_id task);
uint32_t sched_n_repeats(const struct sched *s, task_id task);

/* May it be tried again when it fails? */
bool sched_has_retry(const struct sched *s, task_id task);

/* How long a task of this worker ran, and waited for its core meanwhile: a core that somebody else
 * uses is avoided while another one of the node is free. What is known of a worker fades. */
void sched_note_delay(struct sched *s, uint32_t worker, double delay_s, double run_s);

/* Tasks that were skipped or found not to be needed since they were last asked for, one at a time. `cause` is
 * the task that failed, or, for those not needed, the one that ended well. False when there is none. Joins are
 * not told. */
bool sched_next_skipped(struct sched *s, task_id *task, task_id *cause, bool *not_needed);

/* From now on nothing starts. */
void sched_stop(struct sched *s);

/* Nothing runs, and nothing will. */
bool sched_is_over(const struct sched *s);

/* Not over, though nothing is ready, sent or running: our mistake, to be reported as such. */
bool sched_is_stuck(const struct sched *s);

/* Nothing runs, and of what is left nothing can start before its nodes end; call it when sched_next has no more. What
 * was cancelled meanwhile is left, too. */
bool sched_is_out_of_time(const struct sched *s);

enum task_state sched_state(const struct sched *s, task_id task);
uint32_t sched_attempt(const struct sched *s, task_id task);

/* How many tasks are in a state; joins are not counted. */
uint32_t sched_count(const struct sched *s, enum task_state state);

/* How many are sent or running. */
uint32_t sched_n_in_flight(const struct sched *s);

/* The task that a worker runs, and the one it was sent in advance; TASK_NONE: none. */
task_id sched_task_of(const struct sched *s, uint32_t worker);
task_id sched_advance_of(const struct sched *s, uint32_t worker);

/* The slots that its task holds, ascending; borrowed until it is finished. */
const uint16_t *sched_slots_of(const struct sched *s, uint32_t worker);
uint32_t sched_n_slots_of(const struct sched *s, uint32_t worker);

/* Likewise its GPUs, by their numbers on the node. */
const uint16_t *sched_gpus_of(const struct sched *s, uint32_t worker);
uint32_t sched_n_gpus_of(const struct sched *s, uint32_t worker);

/* Does it hold one slot, and no GPU? */
bool sched_holds_one_slot(const struct sched *s, uint32_t worker);

uint32_t sched_n_free_slots(const struct sched *s);

/* How long a task will probably run: its cost, else the mean of the done tasks of its program, else NAN. */
double sched_expected_s(const struct sched *s, task_id task);

#endif
