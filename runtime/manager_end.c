/* The end of the allocation. Before it: the signal that tasks want, so that they can save what they have; then TERM,
 * grace, KILL; then what is left of the time is for the journal, for node.teardown, and for whoever asks for the
 * next allocation. All nodes of a run are of one allocation so far, and end together. */
#include "manager_parts.h"

#include "base/clock.h"
#include "core/remaining.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>


#define FIRST_WORD_S 10.0 /* how long to wait for a batch system that does not say when the allocation ends */

void end_open(struct manager *m)
{
    m->heard_until_s = m->o->end_fd >= 0 ? clock_now_s() + FIRST_WORD_S : 0;
    m->end_s = m->cut_s = m->signal_s = INFINITY;
    m->margin_s = NAN;
    m->fds[FD_END] = (struct pollfd){m->o->end_fd, POLLIN, 0};
}

static double choose_margin_s(const struct manager *m, double left_s)
{
    double margin_s = remaining_margin_s(left_s);

    if (m->o->end_margin_s >= 0)
        return m->o->end_margin_s;
    return m->o->graph->teardown != NULL ? margin_s + nodes_hurried_teardown_s(m) : margin_s;
}

/* ---- signals ---- */

static struct end_signal signal_of(const struct manager *m, task_id task)
{
    const struct task_policy *policy = &m->o->graph->policies[manager_task(m, task)->policy];

    return policy->end_signal.signal != 0 ? policy->end_signal : m->o->end_signal;
}

/* When a worker's task is to get its signal; INFINITY: never, or it did. */
static double due_s(const struct manager *m, uint32_t worker)
{
    const struct peer *peer = &m->peers[worker];
    task_id task = sched_task_of(m->sched, worker);

    if (!peer->wants_signal || task != peer->signal_task || sched_attempt(m->sched, task) != peer->signal_attempt)
        return INFINITY;
    return m->cut_s - signal_of(m, task).before_s;
}

static void find_next_signal(struct manager *m)
{
    m->signal_s = INFINITY;
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        m->signal_s = fmin(m->signal_s, due_s(m, worker));
}

void end_note_start(struct manager *m, const struct placement *p)
{
    struct end_signal signal = signal_of(m, p->task);

    if (signal.signal == 0)
        return;
    m->peers[p->worker].signal_task = p->task;
    m->peers[p->worker].signal_attempt = p->attempt;
    m->peers[p->worker].wants_signal = m->cut_s - signal.before_s > clock_now_s(); /* else it comes too late for it */
    m->peers[p->worker].has_signal = false;
    m->signal_s = fmin(m->signal_s, due_s(m, p->worker));
}

bool end_has_signalled(const struct manager *m, uint32_t worker, task_id task, uint32_t attempt)
{
    const struct peer *peer = &m->peers[worker];

    return peer->has_signal && peer->signal_task == task && peer->signal_attempt == attempt;
}

static void send_signal(struct manager *m, uint32_t worker)
{
    struct peer *peer = &m->peers[worker];
    struct cancel cancel = {peer->signal_task, peer->signal_attempt, signal_of(m, peer->signal_task).signal};

    peer->wants_signal = false;
    peer->has_signal = m->has_signalled = true;
    message_begin(&m->message, MESSAGE_CANCEL, m->o->epoch, worker);
    message_add_cancel(&m->message, &cancel);
    comm_send(m->comm, worker, m->message.bytes, m->message.n, NULL); /* whoever is gone need not hear it */
}

static void send_signals(struct manager *m, double now_s)
{
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        if (due_s(m, worker) <= now_s)
            send_signal(m, worker);
    find_next_signal(m);
}

/* ---- when it is ---- */

void end_admit_node(struct manager *m, uint32_t node)
{
    if (!isinf(m->cut_s))
        sched_set_end(m->sched, node, m->cut_s - m->o->origin_s);
}

static void set_end(struct manager *m, double end_s)
{
    if (isnan(m->margin_s) && !isinf(end_s))
        m->margin_s = choose_margin_s(m, end_s - clock_now_s());
    m->heard_until_s = 0;
    m->end_s = end_s;
    m->cut_s = isinf(end_s) ? end_s : end_s - m->margin_s - m->o->grace_s;
    for (uint32_t node = 0; node < m->n_nodes; node++)
        if (m->nodes[node].stage == NODE_READY)
            sched_set_end(m->sched, node, m->cut_s - m->o->origin_s);
    find_next_signal(m);
}

void end_hear(struct manager *m)
{
    double end_s;
    ssize_t n;

    while ((n = read(m->o->end_fd, &end_s, sizeof(end_s))) == (ssize_t)sizeof(end_s))
        set_end(m, isnan(end_s) ? (double)INFINITY : end_s);
    if (n == 0)
        m->fds[FD_END].fd = -1; /* nobody asks any more */
}

bool end_is_awaited(const struct manager *m)
{
    return clock_now_s() < m->heard_until_s;
}

void end_ask(const struct manager *m)
{
    if (m->o->end_ask_fd >= 0 && write(m->o->end_ask_fd, "", 1) < 0)
        return; /* so much was asked already that it is full */
}

/* ---- what it means ---- */

static uint32_t n_left(const struct manager *m)
{
    return sched_count(m->sched, STATE_READY) + sched_count(m->sched, STATE_BLOCKED) +
           sched_count(m->sched, STATE_HELD) + sched_count(m->sched, STATE_CANCELLED) + sched_n_in_flight(m->sched);
}

uint32_t end_n_left(const struct manager *m)
{
    return m->is_cut || (m->has_signalled && !m->is_stopping) ? n_left(m) : 0;
}

static void cut_off(struct manager *m)
{
    uint32_t n = sched_n_in_flight(m->sched);
    char why[120];

    m->is_cut |= !m->is_stopping || m->signal == SIGUSR1; /* else something else stopped it before */
    snprintf(why, sizeof(why), "the allocation ends: %u task%s cut off, and run%s again in the next one", n,
             n == 1 ? " is" : "s are", n == 1 ? "s" : "");
    manager_stop(m, STOP_TERM, n > 0 ? why : "the allocation ends");
}

static void end_early(struct manager *m)
{
    uint32_t n = n_left(m);
    char why[160];

    m->is_cut = true;
    snprintf(why, sizeof(why), "%u task%s for the next allocation: nothing that could start now would end before this "
             "one does", n, n == 1 ? " waits" : "s wait");
    manager_stop(m, STOP_WHEN_DONE, why);
}

void end_check(struct manager *m)
{
    double now_s = clock_now_s();

    if (now_s >= m->signal_s)
        send_signals(m, now_s);
    if (now_s >= m->cut_s && m->mode < STOP_TERM && !sched_is_over(m->sched))
        cut_off(m);
}

void end_check_left(struct manager *m)
{
    if (!m->is_stopping && m->may_start && !end_is_awaited(m) && nodes_are_all_here(m) && m->n_setting_up == 0 &&
        sched_is_out_of_time(m->sched))
        end_early(m);
}

double end_deadline_s(const struct manager *m)
{
    if (end_is_awaited(m))
        return m->heard_until_s;
    return m->mode < STOP_TERM ? fmin(m->cut_s, m->signal_s) : INFINITY;
}
