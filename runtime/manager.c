#include "manager.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/message.h"
#include "core/sched.h"
#include "io/binding.h"
#include "io/process.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define COMING_S 60.0 /* how long to wait for workers before a run goes on without them */
#define ADVANCE_BELOW_S 0.005 /* mean run time below which a second task is sent in advance */
#define MEAN_WEIGHT 0.05      /* of the last task in the running mean of run times */
#define LAST_LOOKS 3  /* for messages of a worker that has ended */
#define LEAVING_S 10.0 /* beyond the grace: how long a stopped run waits for what it was told to end */

/* Descriptors that the loop waits for. */
enum
{
    FD_SIGNAL,
    FD_WORKERS,
    FD_LAUNCHER,
    N_FDS,
};

struct peer
{
    bool is_here;
    uint32_t node;
    uint32_t cpu; /* UINT32_MAX: unknown, or on another node */
    uint16_t slot;
};

struct manager
{
    const struct manager_options *o;
    struct comm *comm;
    struct sched *sched;
    struct peer *peers; /* by worker */
    uint32_t n_here;
    bool may_start;     /* every task fits on some node that is here */
    struct buffer message;
    struct buffer slots; /* of one RUN, encoded */
    struct pollfd fds[N_FDS];
    int watch;          /* workers of this node that died */
    cpu_set_t home;     /* where this thread may run */
    uint32_t followed;  /* the worker whose core it was moved to; 0: it is at home */
    uint32_t last_sent; /* the worker that was sent the last RUN */
    double mean_s;      /* running mean of run times; INFINITY: no task has ended */
    uint32_t *fed;      /* workers that began another task since the last round */
    size_t n_fed;
    size_t fed_capacity;
    int signal;         /* the first that told us to stop; 0: none */
    bool is_stopping;
    enum stop_mode mode; /* what the workers were told */
    double coming_s;    /* until then workers are expected */
    double give_up_s;   /* a stopped run ends then at the latest; INFINITY: not stopped */
    struct ganger_error *err; /* what ends the run early; the first counts */
};

static double epoch_s(const struct manager *m)
{
    return clock_now_s() - m->o->origin_s;
}

static uint32_t n_workers(const struct manager *m)
{
    return m->comm->size - 1;
}

static const struct task *task_of(const struct manager *m, task_id task)
{
    return &m->o->graph->tasks[task];
}

/* ---- stopping ---- */

static void tell_to_stop(struct comm *comm, struct buffer *message, uint32_t worker, uint32_t epoch,
                         enum stop_mode mode)
{
    struct stop stop = {mode};

    message_begin(message, MESSAGE_STOP, epoch, worker);
    message_add_stop(message, &stop);
    comm_send(comm, worker, message->bytes, message->n, NULL); /* whoever is gone need not hear it */
}

static void send_recall(struct manager *m, uint32_t worker, task_id task)
{
    struct recall recall = {task, sched_attempt(m->sched, task)};

    message_begin(&m->message, MESSAGE_RECALL, m->o->epoch, worker);
    message_add_recall(&m->message, &recall);
    comm_send(m->comm, worker, m->message.bytes, m->message.n, NULL); /* whoever is gone need not hear it */
}

/* Nothing new starts; what runs is let be, or ended. */
static void stop(struct manager *m, enum stop_mode mode, const char *why)
{
    if (!m->is_stopping)
        event_emit(m->o->sinks,
                   &(struct event){.kind = EVENT_RUN_STOPPING, .time_s = epoch_s(m), .text = why});
    m->is_stopping = true;
    sched_stop(m->sched);
    if (mode <= m->mode)
        return;
    m->mode = mode;
    m->give_up_s = clock_now_s() + (mode == STOP_TERM ? m->o->grace_s : 0) + LEAVING_S;
    for (uint32_t worker = 1; worker <= n_workers(m); worker++)
        if (m->peers[worker].is_here)
            tell_to_stop(m->comm, &m->message, worker, m->o->epoch, mode);
}

/* An error that ends the run was put into m->err. */
static void stop_for_error(struct manager *m)
{
    stop(m, STOP_TERM, m->err->text);
}

static void be_told_to_end(struct manager *m, int signal, const char *why)
{
    if (m->signal == 0)
        m->signal = signal;
    stop(m, m->mode >= STOP_TERM ? STOP_KILL : STOP_TERM, why);
}

static void hear_signal(struct manager *m)
{
    struct signalfd_siginfo info;

    while (read(m->o->signal_fd, &info, sizeof(info)) == sizeof(info))
        be_told_to_end(m, (int)info.ssi_signo, info.ssi_signo == SIGINT ? "interrupted" : "told to end");
}

/* ---- workers ---- */

static void tell_node(struct manager *m, uint32_t worker, const struct hello *hello)
{
    struct peer *peer = &m->peers[worker];
    uint32_t n_sharing = 0;

    for (uint32_t other = 1; other <= n_workers(m); other++)
        if (m->peers[other].is_here && m->peers[other].node == peer->node)
            return; /* it is known */
    for (uint32_t other = 1; other <= n_workers(m); other++)
        n_sharing += m->comm->nodes[other] == peer->node;
    if (n_sharing > hello->n_node_slots)
        log_warning("node %s has %u usable cores for %u workers: they share them", hello->host.bytes,
                    hello->n_node_slots, n_sharing);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_NODE_JOINED,
                                            .time_s = epoch_s(m),
                                            .node = peer->node,
                                            .n_slots = hello->n_node_slots,
                                            .memory_bytes = hello->memory_bytes,
                                            .text = hello->host.bytes});
}

static int welcome(struct manager *m, uint32_t worker, const struct hello *hello)
{
    const struct manager_options *o = m->o;
    struct welcome w = {
        .run_dir = {o->run_dir, (uint32_t)strlen(o->run_dir)},
        .cwd = {o->cwd, (uint32_t)strlen(o->cwd)},
        .env = {o->env, (uint32_t)o->n_env_bytes},
        .grace_s = o->grace_s,
        .clock_s = epoch_s(m),
        .hello_clock_s = hello->clock_s,
        .same_clock = comm_is_near(m->comm, worker),
        .origin_s = o->origin_s,
        .manager_pid = (uint32_t)getpid(),
    };

    message_begin(&m->message, MESSAGE_WELCOME, o->epoch, worker);
    message_add_welcome(&m->message, &w);
    return comm_send(m->comm, worker, m->message.bytes, m->message.n, m->err);
}

static void watch_worker(struct manager *m, uint32_t worker, pid_t pid)
{
    if (!comm_is_near(m->comm, worker) || pid == getpid())
        return;
    if (m->watch < 0)
        m->watch = process_watch_open();
    if (m->watch < 0 || process_watch_add(m->watch, pid, worker) < 0)
        log_warning("worker %u cannot be watched: if it dies, the run waits for it", worker);
    m->fds[FD_WORKERS].fd = m->watch;
}

/* Starting waits until each task has a node that could hold it; that is decided when all are here. */
static void check_placeable(struct manager *m)
{
    bool is_last = m->n_here == n_workers(m) || clock_now_s() >= m->coming_s;
    task_id task;
    const struct task_resources *r;
    char memory[48] = "";

    if (m->may_start || m->n_here == 0)
        return;
    task = sched_find_unplaceable(m->sched);
    m->may_start = task == TASK_NONE;
    if (m->may_start || !is_last)
        return;
    r = &m->o->graph->resources[task_of(m, task)->resource_class];
    if (r->memory_bytes > 0)
        snprintf(memory, sizeof(memory), " and %.0f MiB of memory", (double)r->memory_bytes / 1048576.0);
    error_set(m->err, ERROR_USAGE,
              "task \"%s\" fits on no node: it asks for %u cores%s, more than any node of this run has; ask "
              "for less, or start with more workers on a node (-n)",
              task_of(m, task)->id, r->cores, memory);
    stop_for_error(m);
}

static void hear_hello(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct peer *peer = &m->peers[worker];
    struct hello hello;

    if (message_next_hello(c, &hello, m->err) < 0 || peer->is_here)
        return;
    peer->node = m->comm->nodes[worker];
    peer->slot = hello.slot;
    peer->cpu = comm_is_near(m->comm, worker) ? hello.cpu : UINT32_MAX;
    tell_node(m, worker, &hello);
    peer->is_here = true;
    m->n_here++;
    watch_worker(m, worker, (pid_t)hello.pid);
    if (welcome(m, worker, &hello) < 0)
        return;
    sched_add_worker(m->sched, worker, peer->node, peer->slot, hello.memory_bytes);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_WORKER_JOINED,
                                            .time_s = epoch_s(m),
                                            .worker = worker,
                                            .node = peer->node,
                                            .n_slots = 1,
                                            .slots = &peer->slot});
    if (m->mode > STOP_WHEN_DONE) /* it comes to a run that ends */
        tell_to_stop(m->comm, &m->message, worker, m->o->epoch, m->mode);
    check_placeable(m);
}

/* What it was sent in advance is ready again. */
static void take_back(struct manager *m, uint32_t worker)
{
    task_id task = sched_advance_of(m->sched, worker);

    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_RETURNED,
                                            .time_s = epoch_s(m),
                                            .task = task,
                                            .attempt = sched_attempt(m->sched, task),
                                            .worker = worker,
                                            .node = m->peers[worker].node});
    sched_return(m->sched, worker);
}

/* A worker of this node died. Its task may have done anything: it runs again in the next run. */
static void lose_worker(struct manager *m, uint32_t worker)
{
    task_id task = sched_task_of(m->sched, worker);
    pid_t group = comm_group_of(m->comm, worker);

    m->peers[worker].is_here = false;
    if (m->mode > STOP_WHEN_DONE && task == TASK_NONE)
        return; /* it was told to leave */
    if (group > 0)
        kill(-group, SIGKILL);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_WORKER_LOST,
                                            .time_s = epoch_s(m),
                                            .worker = worker,
                                            .node = m->peers[worker].node,
                                            .text = "its process ended"});
    if (sched_advance_of(m->sched, worker) != TASK_NONE)
        take_back(m, worker);
    if (task != TASK_NONE) {
        struct task_result result = {.end = TASK_CANCELLED, .start_s = NAN, .end_s = epoch_s(m)};

        event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_CANCELLED,
                                                .time_s = epoch_s(m),
                                                .task = task,
                                                .attempt = sched_attempt(m->sched, task),
                                                .worker = worker,
                                                .node = m->peers[worker].node,
                                                .n_slots = sched_n_slots_of(m->sched, worker),
                                                .slots = sched_slots_of(m->sched, worker),
                                                .result = &result});
        sched_finish(m->sched, task, STATE_CANCELLED);
    }
    error_set(m->err, ERROR_SYSTEM,
              "worker %u died%s%s: the run ends; `--resume` continues it", worker,
              task == TASK_NONE ? "" : " while it ran task ", task == TASK_NONE ? "" : task_of(m, task)->id);
    stop_for_error(m);
}

/* ---- tasks ---- */

static void send_run(struct manager *m, const struct placement *p, bool is_in_advance)
{
    const struct task *t = task_of(m, p->task);
    const struct task_setting *setting = t->setting;
    struct run run = {
        .task = p->task,
        .attempt = p->attempt,
        .id = {t->id, (uint32_t)strlen(t->id)},
        .n_argv = t->n_argv,
        .argv = {t->argv, t->n_argv_bytes},
        .n_env = setting->n_env,
        .env = {setting->env, setting->n_env_bytes},
        .has_cwd = setting->cwd != NULL,
        .cwd = {setting->cwd, setting->cwd ? (uint32_t)strlen(setting->cwd) : 0},
    };

    m->slots.n = 0;
    for (uint32_t i = 0; i < p->n_slots; i++)
        buffer_put_u16(&m->slots, p->slots[i]);
    run.slots = (struct text){m->slots.bytes, (uint32_t)m->slots.n};
    message_begin(&m->message, MESSAGE_RUN, m->o->epoch, p->worker);
    message_add_run(&m->message, &run);
    /* A busy worker looks for messages when its task ends. */
    if ((is_in_advance ? comm_send_quietly : comm_send)(m->comm, p->worker, m->message.bytes, m->message.n,
                                                         m->err) < 0)
        stop_for_error(m);
}

static void be_fed(struct manager *m, uint32_t worker)
{
    m->fed = xgrow(m->fed, m->n_fed, &m->fed_capacity, sizeof(*m->fed));
    m->fed[m->n_fed++] = worker;
}

static void start_task(struct manager *m, const struct placement *p, bool is_in_advance)
{
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_SENT,
                                            .time_s = epoch_s(m),
                                            .task = p->task,
                                            .attempt = p->attempt,
                                            .worker = p->worker,
                                            .node = p->node,
                                            .n_slots = p->n_slots,
                                            .slots = p->slots});
    send_run(m, p, is_in_advance);
}

/* With --fail-fast a worker must not begin another task before we know how the one before it ended. */
static bool sends_in_advance(const struct manager *m)
{
    return m->mean_s < ADVANCE_BELOW_S && !m->o->fail_fast;
}

/* First what can start now; then, if tasks are short, one more for each worker that began another. No
 * task waits behind another while it could start elsewhere. */
static void start_what_fits(struct manager *m)
{
    struct placement p;
    uint32_t worker;
    task_id task;

    while (m->may_start && sched_next(m->sched, &p)) {
        start_task(m, &p, false);
        m->last_sent = p.worker;
        be_fed(m, p.worker);
    }
    for (size_t i = 0; i < m->n_fed && sends_in_advance(m); i++)
        if (sched_next_in_advance(m->sched, m->fed[i], &p))
            start_task(m, &p, true);
    m->n_fed = 0;
    while (sched_find_recall(m->sched, &worker, &task))
        send_recall(m, worker, task);
}

/* Is it of the attempt that is in flight? Anything else is stale. */
static bool is_current(const struct manager *m, uint32_t worker, task_id task, uint32_t attempt)
{
    return sched_task_of(m->sched, worker) == task && sched_attempt(m->sched, task) == attempt;
}

static void hear_started(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct started started;

    if (message_next_started(c, &started, m->err) < 0 ||
        !is_current(m, worker, started.task, started.attempt))
        return;
    sched_started(m->sched, started.task);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_STARTED,
                                            .time_s = started.start_s,
                                            .task = started.task,
                                            .attempt = started.attempt,
                                            .worker = worker,
                                            .node = m->peers[worker].node});
}

static void hear_returned(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct recall returned;

    if (message_next_recall(c, &returned, m->err) == 0 && returned.task != TASK_NONE &&
        sched_advance_of(m->sched, worker) == returned.task)
        take_back(m, worker);
}

/* The task that follows on the same worker has its slots already; was it there when the worker looked? */
static void begin_advance(struct manager *m, uint32_t worker, const struct done *done)
{
    task_id next = sched_task_of(m->sched, worker);

    if (next == TASK_NONE)
        return;
    if (done->next != next)
        comm_ring(m->comm, worker);
    m->last_sent = worker;
    be_fed(m, worker);
}

static void tell_skipped(struct manager *m)
{
    struct event event = {.kind = EVENT_TASK_SKIPPED, .time_s = epoch_s(m)};

    while (sched_next_skipped(m->sched, &event.task, &event.cause))
        event_emit(m->o->sinks, &event);
}

static void hear_done(struct manager *m, uint32_t worker, struct cursor *c)
{
    enum task_state state = STATE_FAILED;
    enum event_kind kind = EVENT_TASK_FAILED;
    struct done done;
    double run_s;

    if (message_next_done(c, &done, m->err) < 0 || !is_current(m, worker, done.task, done.attempt))
        return;
    if (done.result.end == TASK_EXITED && done.result.code == 0) {
        state = STATE_DONE;
        kind = EVENT_TASK_DONE;
    } else if (done.result.end == TASK_CANCELLED) {
        state = STATE_CANCELLED;
        kind = EVENT_TASK_CANCELLED;
    }
    event_emit(m->o->sinks, &(struct event){.kind = kind,
                                            .time_s = epoch_s(m),
                                            .task = done.task,
                                            .attempt = done.attempt,
                                            .worker = worker,
                                            .node = m->peers[worker].node,
                                            .n_slots = sched_n_slots_of(m->sched, worker),
                                            .slots = sched_slots_of(m->sched, worker),
                                            .result = &done.result});
    sched_finish(m->sched, done.task, state);
    begin_advance(m, worker, &done);
    run_s = done.result.end_s - done.result.start_s;
    sched_note_delay(m->sched, worker, done.result.delay_s, run_s);
    m->mean_s = isinf(m->mean_s) ? run_s : m->mean_s + MEAN_WEIGHT * (run_s - m->mean_s);
    if (state == STATE_CANCELLED && !m->is_stopping) { /* its worker was told to end by somebody else */
        error_set(m->err, ERROR_SYSTEM, "worker %u was told to end: the run ends; `--resume` continues it",
                  worker);
        stop_for_error(m);
    }
    if (state != STATE_FAILED)
        return;
    tell_skipped(m);
    if (m->o->fail_fast)
        stop(m, STOP_WHEN_DONE, "a task failed (--fail-fast)");
}

static void hear_message(struct manager *m, uint32_t worker, const char *bytes, size_t n)
{
    struct message_header h;
    struct cursor c;

    if (message_open(&h, &c, bytes, n, m->err) < 0)
        return;
    if (h.kind != MESSAGE_HELLO && h.epoch != m->o->epoch)
        return; /* of another run */
    for (uint32_t i = 0; i < h.n_records && !c.failed; i++) { /* also after an error: what ends is recorded */
        switch (h.kind) {
        case MESSAGE_HELLO: hear_hello(m, worker, &c); break;
        case MESSAGE_STARTED: hear_started(m, worker, &c); break;
        case MESSAGE_DONE: hear_done(m, worker, &c); break;
        case MESSAGE_RETURNED: hear_returned(m, worker, &c); break;
        default:
            error_set(m->err, ERROR_SYSTEM, "the manager got a message of kind %d from worker %u", h.kind,
                      worker);
        }
    }
}

static void hear_messages(struct manager *m)
{
    const char *bytes;
    uint32_t worker;
    size_t n;

    while (comm_receive(m->comm, &worker, &bytes, &n))
        hear_message(m, worker, bytes, n);
}

/* Its last words are on the way when its end is seen; one look may not show them. */
static void hear_of_ended_workers(struct manager *m)
{
    uint32_t worker;

    while (process_watch_next(m->watch, &worker)) {
        for (int look = 0; look < LAST_LOOKS; look++)
            hear_messages(m);
        lose_worker(m, worker);
    }
}

static void hear(struct manager *m)
{
    hear_messages(m);
    if (m->fds[FD_SIGNAL].revents != 0)
        hear_signal(m);
    if (m->fds[FD_LAUNCHER].revents != 0) {
        m->fds[FD_LAUNCHER].fd = -1; /* once */
        be_told_to_end(m, SIGHUP, "the launcher is gone");
    }
    if (m->fds[FD_WORKERS].revents != 0)
        hear_of_ended_workers(m);
}

/* ---- the loop ---- */

static void check_time(struct manager *m)
{
    double now_s = clock_now_s();

    if (m->o->progress != NULL && now_s - m->o->origin_s >= progress_next_s(m->o->progress))
        progress_tick(m->o->progress, now_s - m->o->origin_s);
    if (m->n_here < n_workers(m) && now_s >= m->coming_s) {
        if (m->n_here == 0)
            error_set(m->err, ERROR_SYSTEM, "no worker came within %g s", COMING_S);
        else if (!isinf(m->coming_s))
            log_warning("%u of %u workers have not come after %g s: the run goes on without them",
                        n_workers(m) - m->n_here, n_workers(m), COMING_S);
        check_placeable(m);
        m->coming_s = INFINITY;
    }
    if (now_s >= m->give_up_s)
        error_set(m->err, ERROR_SYSTEM, "%u tasks did not end within %g s of being told to: they are left",
                  sched_n_in_flight(m->sched), m->o->grace_s + LEAVING_S);
    if (m->o->journal != NULL && journal_has_failed(m->o->journal) && !m->is_stopping)
        stop(m, STOP_TERM, "the journal cannot be written");
    if (sched_is_stuck(m->sched))
        error_set(m->err, ERROR_SYSTEM,
                  "internal error: %u tasks wait for something that cannot happen; please report this",
                  sched_count(m->sched, STATE_BLOCKED));
    if (m->err->cause != ERROR_NONE && !m->is_stopping)
        stop_for_error(m);
}

static double next_deadline_s(const struct manager *m)
{
    double deadline_s = m->give_up_s;

    if (m->n_here < n_workers(m))
        deadline_s = fmin(deadline_s, m->coming_s);
    if (m->o->progress != NULL)
        deadline_s = fmin(deadline_s, m->o->origin_s + progress_next_s(m->o->progress));
    return deadline_s;
}

/* While one task alone is in flight, which is how a chain runs, its worker and we wake each other in
 * turn: 9 us on one core, 50 us on two, the other one having gone to sleep. */
static void follow_a_lone_task(struct manager *m)
{
    uint32_t n_in_flight = sched_n_in_flight(m->sched);
    uint32_t worker = n_in_flight == 1 ? m->last_sent : 0;

    if (worker == m->followed || n_in_flight == 0)
        return;
    if (worker != 0 && m->peers[worker].cpu != UINT32_MAX && CPU_COUNT(&m->home) > 0)
        binding_move_to(m->peers[worker].cpu);
    else if (m->followed != 0)
        binding_move_back(&m->home);
    m->followed = worker;
}

static void wait_for_one_thing(struct manager *m)
{
    follow_a_lone_task(m);
    if (comm_wait(m->comm, m->fds, N_FDS, next_deadline_s(m), m->err) < 0)
        m->give_up_s = 0; /* there is no waiting any more */
}

static bool is_over(const struct manager *m)
{
    return sched_is_over(m->sched) || clock_now_s() >= m->give_up_s;
}

static void keep_done(struct manager *m)
{
    for (task_id t = 0; m->o->is_done != NULL && t < m->o->graph->n_tasks; t++) {
        if (!m->o->is_done[t] || task_is_join(task_of(m, t)))
            continue;
        sched_keep(m->sched, t);
        event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_KEPT, .task = t});
    }
}

static void run(struct manager *m)
{
    keep_done(m);
    sched_begin(m->sched);
    while (!is_over(m)) {
        start_what_fits(m);
        wait_for_one_thing(m);
        hear(m);
        check_time(m);
    }
}

void manager_dismiss(struct comm *comm)
{
    struct buffer message = BUFFER_EMPTY;

    for (uint32_t worker = 1; worker < comm->size; worker++)
        tell_to_stop(comm, &message, worker, 0, STOP_KILL);
    buffer_release(&message);
}

int manager_run(const struct manager_options *options, struct manager_report *report,
                struct ganger_error *err)
{
    struct manager m = {.o = options, .comm = options->comm, .watch = -1, .err = err,
                        .give_up_s = INFINITY, .mean_s = INFINITY};

    m.sched = sched_new(options->graph);
    m.peers = xcalloc(options->comm->size, sizeof(*m.peers));
    m.coming_s = clock_now_s() + COMING_S;
    binding_remember(&m.home);
    m.fds[FD_SIGNAL] = (struct pollfd){options->signal_fd, POLLIN, 0};
    m.fds[FD_WORKERS] = (struct pollfd){-1, POLLIN, 0};
    m.fds[FD_LAUNCHER] = (struct pollfd){options->launcher_fd, POLLIN, 0};
    run(&m);
    for (uint32_t worker = 1; worker <= n_workers(&m); worker++)
        tell_to_stop(m.comm, &m.message, worker, options->epoch, m.mode);
    *report = (struct manager_report){m.signal, m.n_here};
    binding_move_back(&m.home);
    if (m.watch >= 0)
        close(m.watch);
    buffer_release(&m.message);
    buffer_release(&m.slots);
    sched_free(m.sched);
    free(m.peers);
    free(m.fed);
    return err->cause == ERROR_NONE ? 0 : -1;
}
