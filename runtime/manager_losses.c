#include "manager_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/fence.h"
#include "io/orphans.h"
#include "io/tmpdir.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a worker ---- */

/* Its task may have done anything: it runs again, elsewhere, unless it has lost too many workers. */
static void lose_task(struct manager *m, uint32_t worker, task_id task)
{
    struct task_result result = {.end = TASK_LOST, .start_s = NAN, .end_s = manager_epoch_s(m), .tail = ""};
    uint32_t n_slots = sched_n_slots_of(m->sched, worker);
    uint16_t *slots = xcalloc(n_slots, sizeof(*slots));
    struct event event = {.kind = EVENT_TASK_RETRIED,
                          .time_s = result.end_s,
                          .task = task,
                          .attempt = sched_attempt(m->sched, task),
                          .worker = worker,
                          .node = m->peers[worker].node,
                          .n_slots = n_slots,
                          .slots = memcpy(slots, sched_slots_of(m->sched, worker), n_slots * sizeof(*slots)),
                          .result = &result};

    if (task_is_call(manager_task(m, task)))
        calls_tell_sent(m, worker, task);
    sched_lose_worker(m->sched, worker);
    if (sched_state(m->sched, task) == STATE_FAILED)
        event.kind = EVENT_TASK_FAILED;
    else if (m->is_stopping)
        event.kind = EVENT_TASK_CANCELLED;
    event_emit(m->o->sinks, &event);
    free(slots);
    if (event.kind == EVENT_TASK_FAILED)
        manager_count_failure(m, task);
}

/* Does it run setup or teardown? */
static bool runs_for_node(struct manager *m, uint32_t worker)
{
    const struct node_entry *n = nodes_of(m, worker);

    return n->worker == worker && (n->stage == NODE_SETTING_UP || n->stage == NODE_TEARING_DOWN);
}

/* What it ran for its node, if it did. */
static void lose_node_task(struct manager *m, uint32_t worker)
{
    struct node_entry *n = nodes_of(m, worker);
    uint32_t other = nodes_find_worker_on(m, m->peers[worker].node);

    if (!runs_for_node(m, worker))
        return;
    if (n->stage == NODE_TEARING_DOWN) {
        log_warning("node.teardown did not end on node %s: its worker died", n->host);
        nodes_end_wait(m, n);
        return;
    }
    if (other != 0 && !m->is_stopping) {
        nodes_send(m, other, TASK_SETUP);
        return;
    }
    m->n_setting_up--;
    if (m->is_stopping)
        n->stage = NODE_REFUSED;
    else
        nodes_refuse(m, m->peers[worker].node, "its workers died");
}

/* May a task be there for which there is no room, though there was for all when the run began? */
static bool may_be_unplaceable(const struct manager *m)
{
    return m->n_here < m->n_came || m->n_set_aside > 0 || m->o->graph->n_tasks > m->o->graph->n_sealed;
}

/* Tasks that were to run on what is gone, and fit nowhere else, cannot be waited for; nor can those that were added and
 * fit nowhere. */
void losses_fail_unplaceable(struct manager *m)
{
    struct buffer wants = BUFFER_EMPTY;
    struct task_result result = {.end = TASK_UNPLACEABLE, .start_s = NAN, .end_s = manager_epoch_s(m)};
    task_id task;

    if (!may_be_unplaceable(m) || m->is_stopping)
        return;
    while (m->n_here > 0 && nodes_are_all_here(m) && m->n_setting_up == 0 &&
           sched_next_unplaceable(m->sched, &task)) {
        wants.n = 0;
        graph_describe_resources(m->o->graph, &m->o->graph->resources[manager_task(m, task)->resource_class],
                                 &wants);
        result.tail = wants.bytes;
        result.n_tail_bytes = (uint32_t)strlen(wants.bytes);
        event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_FAILED,
                                                .time_s = result.end_s,
                                                .task = task,
                                                .result = &result});
        manager_count_failure(m, task);
    }
    buffer_release(&wants);
}

void losses_check_some_are_left(struct manager *m)
{
    if (m->n_here > 0 || !nodes_are_all_here(m) || sched_is_over(m->sched))
        return;
    error_set(m->err, ERROR_SYSTEM, "all workers have died: the run ends; `--resume` continues it");
    manager_stop_for_error(m);
}

/* What was on this node of a worker that is dead: whatever its task started, and its temporary directory. */
static void clean_after(const struct manager *m, uint32_t worker)
{
    pid_t group = comm_group_of(m->comm, worker);

    if (group > 0)
        kill(-group, SIGKILL);
    if (!comm_is_near(m->comm, worker))
        return;
    orphans_end_of(m->o->run_dir, m->o->epoch, worker);
    tmpdir_remove_left(m->o->run_dir, m->o->epoch, worker);
}

/* The scheduler gives it nothing more. */
static void retire(struct manager *m, uint32_t worker)
{
    m->peers[worker].is_admitted = false;
    sched_lose_worker(m->sched, worker);
}

/* Of a node that was set aside: as soon as it has nothing to do. */
void losses_retire(struct manager *m, uint32_t worker)
{
    const struct peer *peer = &m->peers[worker];

    if (peer->is_here && peer->is_admitted && m->nodes[peer->node].is_set_aside &&
        sched_task_of(m->sched, worker) == TASK_NONE)
        retire(m, worker);
}

void losses_take(struct manager *m, uint32_t worker, task_id call, const char *why)
{
    struct peer *peer = &m->peers[worker];
    task_id task;

    if (!peer->is_here)
        return;
    if (call != TASK_NONE && peer->is_admitted)
        sched_blame(m->sched, worker, call);
    task = sched_task_of(m->sched, worker);
    peer->is_here = false;
    peer->is_lost = true;
    m->n_here--;
    m->comm->closes_at_once = true;
    comm_forget(m->comm, worker);
    if (m->mode > STOP_WHEN_DONE && task == TASK_NONE && !runs_for_node(m, worker))
        return; /* it was told to leave */
    clean_after(m, worker);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_WORKER_LOST,
                                            .time_s = manager_epoch_s(m),
                                            .worker = worker,
                                            .node = peer->node,
                                            .text = why});
    lose_node_task(m, worker);
    if (sched_advance_of(m->sched, worker) != TASK_NONE)
        manager_take_back(m, worker);
    if (task != TASK_NONE)
        lose_task(m, worker, task);
    else if (peer->is_admitted)
        retire(m, worker);
    losses_check_some_are_left(m);
}

/* Its leader has seen it end. What it said last may be behind this on the way: then its task runs once more. */
void losses_hear_lost(struct manager *m, uint32_t leader, struct cursor *c)
{
    struct lost lost;

    if (message_next_lost(c, &lost, m->err) < 0)
        return;
    if (lost.worker > 0 && lost.worker <= manager_n_workers(m) &&
        m->comm->nodes[lost.worker] == m->comm->nodes[leader])
        losses_take(m, lost.worker, lost.call, "its process ended");
}

/* ---- a node ---- */

double losses_fence_s(const struct manager *m)
{
    return m->o->fence_s > 0 ? m->o->fence_s : FENCE_S;
}

void losses_hear_of(struct manager *m, uint32_t worker)
{
    uint32_t node = m->comm->nodes[worker];

    if (node != m->comm->nodes[0] && !m->nodes[node].is_cut)
        m->nodes[node].heard_s = clock_now_s();
}

/* Whoever is given up must not be told that all is well; he leaves by himself, and sooner if he can be told. */
void losses_hear_heartbeat(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct heartbeat heartbeat;

    if (message_next_heartbeat(c, &heartbeat, m->err) < 0 || m->nodes[m->comm->nodes[worker]].is_cut)
        return;
    if (m->peers[worker].is_lost) {
        manager_tell_to_stop(m->comm, &m->message, worker, m->o->epoch,
                             (struct stop){.mode = STOP_KILL, .at_once = true});
        return;
    }
    heartbeat.manager_s = manager_epoch_s(m);
    message_begin(&m->message, MESSAGE_HEARTBEAT, m->o->epoch, worker);
    message_add_heartbeat(&m->message, &heartbeat);
    manager_send(m, worker, false);
}

void losses_cut(struct manager *m, uint32_t worker)
{
    m->nodes[m->comm->nodes[worker]].is_cut = true;
}

/* All of a node that has been silent for too long. */
static void lose_node(struct manager *m, uint32_t node)
{
    char why[80];

    snprintf(why, sizeof(why), "its node was silent for %g s", FENCE_LOST * losses_fence_s(m));
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        if (m->comm->nodes[worker] == node)
            losses_take(m, worker, TASK_NONE, why);
}

/* While we were stopped or stuck ourselves, nobody could be heard. */
static void forgive_silence(struct manager *m, double late_s)
{
    for (uint32_t node = 0; node < m->n_nodes; node++)
        m->nodes[node].heard_s += late_s;
}

void losses_open(struct manager *m)
{
    double now_s = clock_now_s();

    m->look_s = now_s + FENCE_BEAT * losses_fence_s(m);
    for (uint32_t node = 0; node < m->n_nodes; node++)
        m->nodes[node].heard_s = now_s;
}

void losses_look(struct manager *m)
{
    double now_s = clock_now_s();

    if (m->n_nodes < 2 || now_s < m->look_s)
        return;
    forgive_silence(m, now_s - m->look_s);
    m->look_s = now_s + FENCE_BEAT * losses_fence_s(m);
    for (uint32_t node = 0; node < m->n_nodes; node++)
        if (node != m->comm->nodes[0] && now_s - m->nodes[node].heard_s > FENCE_LOST * losses_fence_s(m) &&
            nodes_find_worker_on(m, node) != 0)
            lose_node(m, node);
}

double losses_deadline_s(const struct manager *m)
{
    return m->n_nodes < 2 ? INFINITY : m->look_s;
}
