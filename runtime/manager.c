#include "manager_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "io/binding.h"
#include "io/process.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAST_LOOKS 3 /* for messages of a worker that has ended */
#define MESSAGES_AT_A_TIME 4

double manager_epoch_s(const struct manager *m)
{
    return clock_now_s() - m->o->origin_s;
}

uint32_t manager_n_workers(const struct manager *m)
{
    return m->comm->size - 1;
}

const struct task *manager_task(const struct manager *m, task_id task)
{
    if (task == TASK_SETUP)
        return m->o->graph->setup;
    return task == TASK_TEARDOWN ? m->o->graph->teardown : &m->o->graph->tasks[task];
}

/* ---- sending ---- */

void manager_send(struct manager *m, uint32_t worker, bool quietly)
{
    struct ganger_error why = {0};

    if ((quietly ? comm_send_quietly : comm_send)(m->comm, worker, m->message.bytes, m->message.n, &why) == 0)
        return;
    if (comm_is_near(m->comm, worker))
        error_set(m->err, why.cause, "%s", why.text);
    else
        losses_cut(m, worker);
}

static void send_recall(struct manager *m, uint32_t worker, task_id task)
{
    struct recall recall = {task, sched_attempt(m->sched, task)};

    message_begin(&m->message, MESSAGE_RECALL, m->o->epoch, worker);
    message_add_recall(&m->message, &recall);
    comm_send(m->comm, worker, m->message.bytes, m->message.n, NULL); /* whoever is gone need not hear it */
}

void manager_recall(struct manager *m, uint32_t worker)
{
    if (sched_advance_of(m->sched, worker) != TASK_NONE)
        send_recall(m, worker, sched_advance_of(m->sched, worker));
    if (m->calls != NULL)
        calls_recall_from(m, worker);
}

/* What it was sent in advance is ready again. */
void manager_take_back(struct manager *m, uint32_t worker)
{
    task_id task = sched_advance_of(m->sched, worker);

    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_RETURNED,
                                            .time_s = manager_epoch_s(m),
                                            .task = task,
                                            .attempt = sched_attempt(m->sched, task),
                                            .worker = worker,
                                            .node = m->peers[worker].node});
    sched_return(m->sched, worker);
}

/* ---- tasks ---- */

static struct text text_of(const char *text)
{
    return (struct text){text, text ? (uint32_t)strlen(text) : 0};
}

static void add_files(struct run *run, const struct task_files *files)
{
    run->stdin_path = text_of(files->stdin_path);
    run->stdout_path = text_of(files->stdout_path);
    run->stderr_path = text_of(files->stderr_path);
    run->inputs = (struct text){files->inputs, files->n_inputs_bytes};
    run->outputs = (struct text){files->outputs, files->n_outputs_bytes};
}

struct text manager_pack_slots(struct manager *m, const struct placement *p)
{
    m->slots.n = 0;
    for (uint32_t i = 0; i < p->n_slots; i++)
        buffer_put_u16(&m->slots, p->slots[i]);
    return (struct text){m->slots.bytes, (uint32_t)m->slots.n};
}

/* The ids of its GPUs, each ended by a NUL. */
struct text manager_pack_gpus(struct manager *m, const struct placement *p)
{
    const struct node_entry *n = &m->nodes[p->node];

    m->gpus.n = 0;
    for (uint32_t i = 0; i < p->n_gpus; i++)
        buffer_put(&m->gpus, n->gpu_ids[p->gpus[i]], strlen(n->gpu_ids[p->gpus[i]]) + 1);
    return (struct text){m->gpus.bytes, (uint32_t)m->gpus.n};
}

void manager_send_run(struct manager *m, const struct placement *p, bool is_in_advance)
{
    const struct task *t = manager_task(m, p->task);
    const struct task_setting *setting = t->setting;
    struct run run = {
        .task = p->task,
        .attempt = p->attempt,
        .id = text_of(t->id),
        .n_argv = t->n_argv,
        .argv = {t->argv, t->n_argv_bytes},
        .n_env = setting->n_env,
        .env = {setting->env, setting->n_env_bytes},
        .has_cwd = setting->cwd != NULL,
        .cwd = text_of(setting->cwd),
        .timeout_s = m->o->graph->policies[t->policy].timeout_s,
        .slots = manager_pack_slots(m, p),
        .gpus = manager_pack_gpus(m, p),
        .memory_bytes = m->o->graph->resources[t->resource_class].memory_bytes,
    };

    if (setting->files != NULL)
        add_files(&run, setting->files);
    if (m->o->reuse != NULL && p->task < m->n_first_tasks) {
        run.wants_fingerprint = run.inputs.n > 0;
        run.fingerprint = reuse_expected(m->o->reuse, p->task);
    }
    message_begin(&m->message, MESSAGE_RUN, m->o->epoch, p->worker);
    message_add_run(&m->message, &run);
    /* A busy worker looks for messages when its task ends. */
    manager_send(m, p->worker, is_in_advance);
}

void manager_be_fed(struct manager *m, uint32_t worker)
{
    m->fed = xgrow(m->fed, m->n_fed, &m->fed_capacity, sizeof(*m->fed));
    m->fed[m->n_fed++] = worker;
}

static void start_task(struct manager *m, const struct placement *p, bool is_in_advance)
{
    if (task_is_call(&m->o->graph->tasks[p->task])) {
        calls_send(m, p); /* of its end is told; not of its beginning */
        return;
    }
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_SENT,
                                            .time_s = manager_epoch_s(m),
                                            .task = p->task,
                                            .attempt = p->attempt,
                                            .worker = p->worker,
                                            .node = p->node,
                                            .n_slots = p->n_slots,
                                            .slots = p->slots,
                                            .n_gpus = p->n_gpus,
                                            .gpus = p->gpus});
    hooks_tell_sent(m, p);
    if (!is_in_advance)
        end_note_start(m, p);
    manager_send_run(m, p, is_in_advance);
}

/* How many more failures there may be; a limit of 0 is none. */
static uint32_t n_left_of(uint32_t limit, uint32_t n)
{
    if (limit == 0)
        return UINT32_MAX;
    return n < limit ? limit - n : 0;
}

/* So many more may be in flight that the run would not stop before all of them had failed: a worker must not begin
 * another task before we know how the one before it ended. */
static uint32_t n_before_a_limit(const struct manager *m)
{
    uint32_t n_in_flight = sched_n_in_flight(m->sched) + sched_count(m->sched, STATE_HELD);
    uint32_t n_left = n_left_of(m->o->max_failures, m->n_failed + n_in_flight);
    uint32_t n_left_in_a_row = n_left_of(m->o->max_failures_in_a_row, m->n_failed_in_a_row + n_in_flight);

    return n_left < n_left_in_a_row ? n_left : n_left_in_a_row;
}

/* Each holds what the first holds. */
static void feed_batch(struct manager *m, uint32_t worker)
{
    uint32_t n = sched_next_in_batch(m->sched, worker, n_before_a_limit(m));
    uint32_t first = sched_n_in_batch(m->sched, worker) - n;
    struct placement p;

    if (n > 0)
        p = sched_placement_in_batch(m->sched, worker, first);
    for (uint32_t i = first; i < first + n; i++) {
        p.task = sched_in_batch(m->sched, worker, i);
        p.attempt = sched_attempt(m->sched, p.task);
        calls_send(m, &p);
    }
}

/* What may wait behind what a worker does. One of a node that was set aside gets no more: it is to become idle. Nor
 * does one that spoke before it was admitted. */
static void feed(struct manager *m, uint32_t worker)
{
    struct placement p;

    if (!m->peers[worker].is_admitted || nodes_of(m, worker)->is_set_aside)
        return;
    if (sched_next_in_advance(m->sched, worker, &p))
        start_task(m, &p, true);
    if (m->calls == NULL)
        return;
    feed_batch(m, worker);
    while (m->hooks == NULL && !m->holds_ready && n_before_a_limit(m) > 0 && sched_next_chained(m->sched, worker, &p))
        calls_send(m, &p);
}

/* Before anything is waited for: of what could not be sent, nobody will say how it ended. */
static void stop_if_failed(struct manager *m)
{
    if (m->err->cause != ERROR_NONE && !m->is_stopping)
        manager_stop_for_error(m);
}

/* What waits for nothing more, before it is ready: functions that were done and need not run again, and what the
 * program is asked about. */
static void settle_held(struct manager *m)
{
    task_id task;

    while (m->holds_ready && !m->is_stopping && hooks_may_ask(m) && sched_next_held(m->sched, &task))
        if (!calls_keep(m, task) && !hooks_ask(m, task))
            sched_release(m->sched, task, STATE_READY);
}

/* First what can start now; then, if tasks are short, one more for each worker that began another. No
 * task waits behind another while it could start elsewhere. */
static void start_what_fits(struct manager *m)
{
    struct placement p;
    uint32_t worker;
    task_id task;

    sched_set_time(m->sched, manager_epoch_s(m));
    settle_held(m);
    if (end_is_awaited(m))
        return;
    while (m->may_start && sched_next(m->sched, &p)) {
        start_task(m, &p, false);
        m->last_sent = p.worker;
        manager_be_fed(m, p.worker);
    }
    for (size_t i = 0; i < m->n_fed && n_before_a_limit(m) > 0; i++)
        feed(m, m->fed[i]);
    m->n_fed = 0;
    calls_post(m);
    if (m->calls != NULL)
        calls_recall_some(m);
    while (sched_find_recall(m->sched, &worker, &task))
        send_recall(m, worker, task);
    end_check_left(m); /* which may be the end of the run, too */
    stop_if_failed(m);
}

/* Is it of the attempt that is in flight? Anything else is stale. */
bool manager_is_current(const struct manager *m, uint32_t worker, task_id task, uint32_t attempt)
{
    return task != TASK_NONE && sched_task_of(m->sched, worker) == task && sched_attempt(m->sched, task) == attempt;
}

static void hear_started(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct started started;

    if (message_next_started(c, &started, m->err) < 0 ||
        !manager_is_current(m, worker, started.task, started.attempt))
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

    if (message_next_recall(c, &returned, m->err) < 0 || returned.task >= m->o->graph->n_tasks)
        return;
    if (sched_advance_of(m->sched, worker) == returned.task)
        manager_take_back(m, worker);
    else if (task_is_call(&m->o->graph->tasks[returned.task]) &&
             sched_attempt(m->sched, returned.task) == returned.attempt)
        sched_take_back(m->sched, worker, returned.task);
    losses_retire(m, worker);
}

static void hear_done(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct done done;

    if (message_next_done(c, &done, m->err) < 0)
        return;
    if (done.task == TASK_SETUP || done.task == TASK_TEARDOWN)
        nodes_hear_done(m, worker, &done);
    else if (manager_is_current(m, worker, done.task, done.attempt))
        manager_note_end(m, worker, &done, NULL);
}

static void hear_message(struct manager *m, uint32_t worker, const char *bytes, size_t n)
{
    struct message_header h;
    struct cursor c;

    if (message_open(&h, &c, bytes, n, m->err) < 0)
        return;
    if (h.kind != MESSAGE_HELLO && h.epoch != m->o->epoch)
        return; /* of another run */
    losses_hear_of(m, worker);
    for (uint32_t i = 0; i < h.n_records && !c.failed; i++) { /* also after an error: what ends is recorded */
        switch (h.kind) {
        case MESSAGE_HELLO: nodes_hear_hello(m, worker, &c); break;
        case MESSAGE_STARTED: hear_started(m, worker, &c); break;
        case MESSAGE_DONE: hear_done(m, worker, &c); break;
        case MESSAGE_RETURNED: hear_returned(m, worker, &c); break;
        case MESSAGE_CALLED: calls_hear(m, worker, h.n_records, &c); return;
        case MESSAGE_LOST: losses_hear_lost(m, worker, &c); break;
        case MESSAGE_HEARTBEAT: losses_hear_heartbeat(m, worker, &c); break;
        default:
            error_set(m->err, ERROR_SYSTEM, "the manager got a message of kind %d from worker %u", h.kind,
                      worker);
        }
    }
}

static bool hear_next_message(struct manager *m)
{
    const char *bytes;
    uint32_t worker;
    size_t n;

    if (!comm_receive(m->comm, &worker, &bytes, &n))
        return false;
    hear_message(m, worker, bytes, n);
    return true;
}

/* Its last words are on the way when its end is seen; one look may not show them. */
static void hear_of_ended_workers(struct manager *m)
{
    uint32_t worker;

    while (process_watch_next(m->watch, &worker)) {
        for (int look = 0; look < LAST_LOOKS; look++)
            while (hear_next_message(m))
                ;
        losses_take(m, worker, comm_call_of(m->comm, worker), "its process ended");
    }
}

/* Then those who have told what ended get more to do, before they are idle: what else they say can wait. */
static void hear_some_messages(struct manager *m)
{
    for (int i = 0; i < MESSAGES_AT_A_TIME && hear_next_message(m); i++)
        ;
}

static void hear(struct manager *m)
{
    hear_some_messages(m);
    if (m->fds[FD_SIGNAL].revents != 0)
        stop_hear_signals(m);
    if (m->fds[FD_LAUNCHER].revents != 0) {
        m->fds[FD_LAUNCHER].fd = -1; /* once */
        process_continue_parent(); /* an mpirun that it held */
        stop_when_told(m, SIGHUP, "the launcher is gone");
    }
    if (m->fds[FD_HOOKS].revents != 0 && m->hooks != NULL)
        hooks_hear(m);
    if (m->fds[FD_END].revents != 0)
        end_hear(m);
    if (m->fds[FD_WORKERS].revents != 0)
        hear_of_ended_workers(m);
}

/* ---- the loop ---- */

static void check_time(struct manager *m)
{
    double now_s = clock_now_s();

    if (m->o->progress != NULL && now_s - m->o->origin_s >= progress_next_s(m->o->progress))
        progress_tick(m->o->progress, now_s - m->o->origin_s);
    if (!nodes_are_all_here(m) && now_s >= m->coming_s)
        nodes_stop_expecting(m);
    losses_look(m);
    stop_check_time(m);
    if (m->o->journal != NULL && journal_has_failed(m->o->journal) && !m->is_stopping)
        manager_stop(m, STOP_TERM, "the journal cannot be written");
    end_check(m);
    hooks_check_time(m);
    if (sched_is_stuck(m->sched))
        error_set(m->err, ERROR_SYSTEM,
                  "internal error: %u tasks wait for something that cannot happen; please report this",
                  sched_count(m->sched, STATE_BLOCKED));
    stop_if_failed(m);
}

/* What was told to end has its grace, a node's setup, too. */
static bool is_awaited(const struct manager *m)
{
    return sched_n_in_flight(m->sched) > 0 || hooks_are_awaited(m) || (m->mode == STOP_TERM && m->n_setting_up > 0);
}

static double next_deadline_s(const struct manager *m)
{
    double deadline_s = fmin(fmin(nodes_deadline_s(m), losses_deadline_s(m)), end_deadline_s(m));

    deadline_s = fmin(deadline_s, hooks_deadline_s(m));
    if (hooks_are_awaited(m))
        deadline_s = fmin(deadline_s, hooks_until_s(m));
    if (is_awaited(m) && m->give_up_s > clock_now_s()) /* else it is over for what was to end by then */
        deadline_s = fmin(deadline_s, m->give_up_s);
    if (!nodes_are_all_here(m))
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
    bool waits_awake = calls_are_awaited(m);
    uint32_t worker = n_in_flight == 1 && !waits_awake ? m->last_sent : 0; /* who waits awake stays at home */

    if (worker == m->followed || n_in_flight == 0)
        return;
    if (worker != 0 && m->peers[worker].cpu != UINT32_MAX && binding_mask_count(&m->home) > 0)
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
    return (sched_is_over(m->sched) && !is_awaited(m)) || clock_now_s() >= m->give_up_s;
}

/* What earlier epochs tell of how long tasks take. */
static void learn(struct manager *m)
{
    for (task_id t = 0; m->o->ran_s != NULL && t < m->o->graph->n_tasks; t++) {
        double ran_s = (double)m->o->ran_s[t];

        if (ran_s > 0 && m->o->is_done != NULL && m->o->is_done[t])
            sched_teach_run(m->sched, t, ran_s);
        else if (ran_s < 0)
            sched_teach_cut(m->sched, t, -ran_s);
    }
}

static void keep_done(struct manager *m)
{
    for (task_id t = 0; m->o->is_done != NULL && t < m->o->graph->n_tasks; t++) {
        if (!m->o->is_done[t] || task_is_join(manager_task(m, t)))
            continue;
        sched_keep(m->sched, t);
        event_emit(m->o->sinks, &(struct event){.kind = EVENT_TASK_KEPT, .task = t});
        manager_note_over(m, t);
    }
}

static void run(struct manager *m)
{
    learn(m);
    keep_done(m);
    sched_begin(m->sched);
    manager_tell_skipped(m); /* what waits to see a kept task fail */
    start_what_fits(m);
    while (!is_over(m)) {
        wait_for_one_thing(m);
        hear(m);
        check_time(m);
        losses_fail_unplaceable(m); /* which may be the end of the run */
        start_what_fits(m);
    }
    if (m->mode < STOP_KILL)
        nodes_begin_teardown(m);
    while (!nodes_are_torn_down(m) && m->mode < STOP_KILL) {
        wait_for_one_thing(m);
        hear(m);
        check_time(m);
    }
}

void manager_dismiss(struct comm *comm)
{
    struct buffer message = BUFFER_EMPTY;

    for (uint32_t worker = 1; worker < comm->size; worker++)
        manager_tell_to_stop(comm, &message, worker, 0, (struct stop){.mode = STOP_KILL, .at_once = true});
    buffer_release(&message);
}

static uint8_t *copy_states(const struct manager *m)
{
    uint8_t *states = xmalloc(m->o->graph->n_tasks);

    for (task_id t = 0; t < m->o->graph->n_tasks; t++)
        states[t] = (uint8_t)sched_state(m->sched, t);
    return states;
}

int manager_run(const struct manager_options *options, struct manager_report *report,
                struct ganger_error *err)
{
    struct manager m = {.o = options, .comm = options->comm, .watch = -1, .err = err,
                        .give_up_s = INFINITY, .n_first_tasks = options->graph->n_tasks};

    m.sched = sched_new(options->graph);
    nodes_open(&m);
    binding_remember(&m.home);
    m.fds[FD_SIGNAL] = (struct pollfd){options->signal_fd, POLLIN, 0};
    m.fds[FD_WORKERS] = (struct pollfd){-1, POLLIN, 0};
    m.fds[FD_LAUNCHER] = (struct pollfd){options->launcher_fd, POLLIN, 0};
    m.fds[FD_HOOKS] = (struct pollfd){-1, POLLIN, 0};
    end_open(&m);
    calls_open(&m);
    hooks_open(&m);
    m.holds_ready = calls_may_keep(&m) || hooks_provide(&m);
    if (m.holds_ready)
        sched_hold_ready(m.sched);
    run(&m);
    hooks_close(&m);
    stop_wait_to_be_told(&m);
    m.comm->closes_at_once |= m.signal != 0 || err->cause != ERROR_NONE;
    for (uint32_t worker = 1; worker <= manager_n_workers(&m); worker++)
        manager_tell_to_stop(m.comm, &m.message, worker, options->epoch,
                             (struct stop){.mode = m.mode, .at_once = m.comm->closes_at_once});
    *report = (struct manager_report){m.signal, m.n_came, end_n_left(&m), NULL};
    if (options->keeps_states)
        report->states = copy_states(&m);
    binding_move_back(&m.home);
    if (m.watch >= 0)
        close(m.watch);
    buffer_release(&m.message);
    buffer_release(&m.slots);
    buffer_release(&m.gpus);
    sched_free(m.sched);
    graph_compact(options->graph);
    calls_close(&m);
    holes_close(&m);
    nodes_close(&m);
    free(m.fed);
    return err->cause == ERROR_NONE ? 0 : -1;
}
