#include "manager_parts.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ECHO_S 0.5      /* a second TERM within that is the first one again */
#define TOLD_WITHIN_S 5 /* after a worker was told to end by others: if all were, we get it, too */
#define LEAVING_S 10.0  /* beyond the grace: how long a stopped run waits for what it was told to end */

void manager_tell_to_stop(struct comm *comm, struct buffer *message, uint32_t worker, uint32_t epoch,
                          struct stop stop)
{
    message_begin(message, MESSAGE_STOP, epoch, worker);
    message_add_stop(message, &stop);
    comm_send(comm, worker, message->bytes, message->n, NULL); /* whoever is gone need not hear it */
}

static void recall_all(struct manager *m)
{
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        manager_recall(m, worker);
}

static void begin_to_stop(struct manager *m, const char *why)
{
    event_emit(m->o->sinks,
               &(struct event){.kind = EVENT_RUN_STOPPING, .time_s = manager_epoch_s(m), .text = why});
    m->is_stopping = true;
    sched_stop(m->sched);
    recall_all(m);
}

void manager_stop(struct manager *m, enum stop_mode mode, const char *why)
{
    if (!m->is_stopping)
        begin_to_stop(m, why);
    if (mode <= m->mode)
        return;
    m->mode = mode;
    m->comm->closes_at_once |= mode > STOP_WHEN_DONE; /* as this rank will, ending by a signal or an error */
    m->give_up_s = clock_now_s() + (mode == STOP_TERM ? m->o->grace_s : 0) + LEAVING_S;
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        if (m->peers[worker].is_here)
            manager_tell_to_stop(m->comm, &m->message, worker, m->o->epoch,
                                 (struct stop){mode, mode < STOP_KILL && nodes_await_teardown(m, worker),
                                               m->comm->closes_at_once});
}

void manager_stop_for_error(struct manager *m)
{
    manager_stop(m, STOP_TERM, m->err->text);
}

void stop_when_told(struct manager *m, int signal, const char *why)
{
    if (m->signal == 0 || m->signal == SIGUSR1)
        m->signal = signal;
    manager_stop(m, m->mode >= STOP_TERM ? STOP_KILL : STOP_TERM, why);
}

void stop_check_time(struct manager *m)
{
    if (clock_now_s() >= m->give_up_s && sched_n_in_flight(m->sched) > 0)
        error_set(m->err, ERROR_SYSTEM, "%u tasks did not end within %g s of being told to: they are left",
                  sched_n_in_flight(m->sched), m->o->grace_s + LEAVING_S);
}

/* ---- signals ---- */

/* Whoever ends a batch job signals all of its processes: we hear it from him, and from the launcher, who passes
 * on what he hears. */
static bool is_echo(struct manager *m, int signal)
{
    double now_s = clock_now_s();
    bool is = signal == SIGTERM && m->term_s != 0 && now_s - m->term_s < ECHO_S;

    if (signal == SIGTERM)
        m->term_s = now_s;
    return is;
}

/* Nothing new starts, and what runs may finish. */
static void drain(struct manager *m)
{
    if (m->signal == 0)
        m->signal = SIGUSR1;
    end_ask(m); /* whoever sends it may know that the end is near, or nearer than it was */
    manager_stop(m, STOP_WHEN_DONE, "told to start nothing more (USR1)");
}

static void hear_one_signal(struct manager *m, int signal)
{
    switch (signal) {
    case SIGUSR1: drain(m); break;
    case SIGUSR2:
        if (m->o->progress != NULL)
            progress_show(m->o->progress, manager_epoch_s(m));
        break;
    case SIGCONT: break;
    default:
        if (!is_echo(m, signal))
            stop_when_told(m, signal, signal == SIGINT ? "interrupted" : "told to end");
    }
}

void stop_hear_signals(struct manager *m)
{
    struct signalfd_siginfo info;

    while (read(m->o->signal_fd, &info, sizeof(info)) == sizeof(info))
        hear_one_signal(m, (int)info.ssi_signo);
}

/* Whoever ends a batch job tells its nodes one after another; if we are told, too, then all of it was meant. */
void stop_wait_to_be_told(struct manager *m)
{
    struct pollfd told = {m->o->signal_fd, POLLIN, 0};
    double until_s = clock_now_s() + TOLD_WITHIN_S;

    if (m->told_worker == 0)
        return;
    while (m->signal == 0 && clock_now_s() < until_s) /* CONT may come first, as Slurm has it */
        if (poll(&told, 1, 100) > 0)
            stop_hear_signals(m);
    if (m->signal == 0)
        error_set(m->err, ERROR_SYSTEM, "worker %u was told to end: the run ends; `--resume` continues it",
                  m->told_worker);
}
