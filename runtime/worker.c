#include "worker_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/orphans.h"
#include "io/output.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define END_GRACE_S 0.5     /* for tasks when this process itself was told to end: mpirun kills after 1 s */
#define FIRST_WORD_S 120.0  /* how long to wait for WELCOME */
#define STOPPED_S 1.5       /* a busy worker does not sleep that long by itself */
#define LAST_LOOKS 3        /* for messages of a manager that has ended */

/* ---- telling the manager ---- */

/* The ids of the node's GPUs, packed. */
static struct text find_gpus(const struct worker *w, struct buffer *numbers)
{
    const struct binding_gpus *found;

    for (uint32_t i = 0; i < w->o->gpus_per_node; i++)
        buffer_printf(numbers, "%u%c", i, 0);
    if (w->o->gpus_per_node > 0 || w->o->binding == NULL)
        return (struct text){numbers->bytes, (uint32_t)numbers->n};
    found = binding_gpus(w->o->binding);
    if (found->is_disputed && comm_slot(w->comm, w->comm->rank) == 0)
        log_warning("CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES name different GPUs: those of CUDA count");
    return (struct text){found->ids, found->n_bytes};
}

static int say_hello(struct worker *w, struct ganger_error *err)
{
    struct buffer numbers = BUFFER_EMPTY, names = BUFFER_EMPTY;
    char host[256] = "?";
    struct hello hello = {
        .pid = (uint32_t)getpid(),
        .slot = (uint16_t)comm_slot(w->comm, w->comm->rank),
        .n_node_slots = (uint16_t)(w->o->binding ? binding_n_slots(w->o->binding) : 1),
        .memory_bytes = w->o->binding ? binding_memory_bytes(w->o->binding) : 0,
        .clock_s = clock_now_s(),
        .cpu = w->o->binding ? binding_cpu(w->o->binding, comm_slot(w->comm, w->comm->rank)) : UINT32_MAX,
    };

    gethostname(host, sizeof(host) - 1);
    hello.host = (struct text){host, (uint32_t)strlen(host)};
    hello.gpus = find_gpus(w, &numbers);
    if (w->o->registry != NULL) {
        registry_pack(w->o->registry, &names);
        hello.functions = (struct text){names.bytes, (uint32_t)names.n};
        hello.registry_digest = registry_digest(w->o->registry);
    }
    message_begin(&w->message, MESSAGE_HELLO, 0, w->comm->rank);
    message_add_hello(&w->message, &hello);
    buffer_release(&numbers);
    buffer_release(&names);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

static int give_advance_back(struct worker *w, struct ganger_error *err)
{
    struct recall returned = {w->advance_task, w->advance_attempt};

    if (worker_calls_give_back(w, err) < 0)
        return -1;
    if (!worker_has_advance(w))
        return 0;
    w->advance.n = 0;
    message_begin(&w->message, MESSAGE_RETURNED, w->epoch, w->comm->rank);
    message_add_recall(&w->message, &returned);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* ---- what arrives ---- */

static void watch_manager(struct worker *w, pid_t pid)
{
    if (!comm_is_near(w->comm, MANAGER) || pid == getpid())
        return;
    w->manager_watch = process_watch_open();
    if (w->manager_watch >= 0 && process_watch_add(w->manager_watch, pid, 0) < 0)
        log_warning("worker %u cannot watch the manager", w->comm->rank);
    w->fds[FD_MANAGER] = (struct pollfd){w->manager_watch, POLLIN, 0};
}

/* On its own node the manager has done the rest. */
static int claim_run_dir(struct worker *w, struct ganger_error *err)
{
    uint32_t n_ended = 0;

    w->run_dir_fd = open(w->run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (w->run_dir_fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s: worker %u cannot open the run directory, which must be there on "
                               "all nodes", w->run_dir, w->comm->rank);
    if (w->epoch == 1 || comm_is_near(w->comm, MANAGER))
        return 0;
    if (orphans_end_before(w->run_dir, w->epoch, &n_ended, err) < 0)
        return -1;
    tmpdir_remove_left(w->run_dir, w->epoch, 0);
    return 0;
}

static int be_welcome(struct worker *w, const struct message_header *h, struct cursor *c,
                      struct ganger_error *err)
{
    double now_s = clock_now_s();
    struct welcome welcome;
    char *dir;

    if (message_next_welcome(c, &welcome, err) < 0)
        return -1;
    if (w->is_welcome)
        return error_set(err, ERROR_SYSTEM, "worker %u was welcomed twice", w->comm->rank);
    w->epoch = h->epoch;
    w->is_welcome = true;
    w->run_dir = xstrndup(welcome.run_dir.bytes, welcome.run_dir.n);
    w->cwd = xstrndup(welcome.cwd.bytes, welcome.cwd.n);
    w->grace_s = welcome.grace_s;
    /* Whoever is started before the manager has its HELLO wait for that, not its WELCOME. So until the first answer to
     * a question of ours the manager's time is what WELCOME says, as if it had taken no time: what comes with it may
     * have ended by then, and been told of. */
    w->origin_s = welcome.same_clock ? welcome.origin_s : now_s - welcome.clock_s;
    w->latency_wait_s = welcome.latency_wait_s;
    environment_set_base(&w->environment, welcome.env);
    tmpdir_set_owner(&w->tmpdir, w->run_dir, w->epoch, w->comm->rank);
    memory_open(&w->memory, w->o, w->comm->rank);
    watch_manager(w, (pid_t)welcome.manager_pid);
    if (claim_run_dir(w, err) < 0)
        return -1;
    dir = xasprintf("%s/output", w->run_dir);
    w->output = output_open(w->run_dir_fd, dir, w->epoch, w->comm->nodes[w->comm->rank], comm_node_counter(w->comm),
                            err);
    free(dir);
    around_open(w, welcome.fence_s, now_s - welcome.hello_clock_s);
    if (w->output == NULL || process_pipes_open(&w->pipes, err) < 0)
        return -1;
    return around_ask(w, err);
}

static int be_sent(struct worker *w, uint32_t n_records, struct cursor *c, struct ganger_error *err)
{
    struct run run;

    for (uint32_t i = 0; i < n_records; i++) {
        if (message_next_run(c, &run, err) < 0)
            return -1;
        if (!w->is_welcome || worker_has_advance(w))
            return error_set(err, ERROR_SYSTEM, "worker %u was sent task %s while it %s", w->comm->rank,
                             run.id.bytes, w->is_welcome ? "has two others" : "was not yet welcome");
        if (worker_is_busy(w))
            worker_keep_in_advance(w, &run);
        else if ((w->is_stopping ? worker_refuse_task : worker_take_task)(w, &run, err) < 0)
            return -1;
    }
    return w->is_stopping ? give_advance_back(w, err) : 0;
}

static int be_stopped(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct stop stop;

    if (message_next_stop(c, &stop, err) < 0)
        return -1;
    w->is_stopping |= !stop.stays;
    w->comm->closes_at_once |= stop.at_once;
    if (give_advance_back(w, err) < 0)
        return -1;
    if (stop.mode == STOP_WHEN_DONE && !worker_is_preparing(w)) /* what has not begun will not */
        return 0;
    if (worker_calls_cancel(w, stop.mode == STOP_KILL ? 0 : w->grace_s, err) < 0)
        return -1;
    return worker_cancel_task(w, stop.mode == STOP_KILL ? SIGKILL : SIGTERM, w->grace_s, err);
}

static int be_recalled(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct recall recall;

    if (message_next_recall(c, &recall, err) < 0 || worker_calls_give_one_back(w, &recall, err) < 0)
        return -1;
    if (worker_has_advance(w) && w->advance_task == recall.task && w->advance_attempt == recall.attempt)
        return give_advance_back(w, err);
    return 0; /* it has started, or even ended */
}

static int be_cancelled(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct cancel cancel;

    if (message_next_cancel(c, &cancel, err) < 0)
        return -1;
    worker_signal_task(w, &cancel);
    return 0;
}

static int hear_recalls(struct worker *w, uint32_t n_records, struct cursor *c, struct ganger_error *err)
{
    for (uint32_t i = 0; i < n_records; i++)
        if (be_recalled(w, c, err) < 0)
            return -1;
    return 0;
}

static int hear_message(struct worker *w, const char *bytes, size_t n, struct ganger_error *err)
{
    struct message_header h;
    struct cursor c;

    if (message_open(&h, &c, bytes, n, err) < 0)
        return -1;
    if (w->is_welcome && h.epoch != w->epoch)
        return 0; /* of another run */
    switch (h.kind) {
    case MESSAGE_WELCOME: return be_welcome(w, &h, &c, err);
    case MESSAGE_RUN: return be_sent(w, h.n_records, &c, err);
    case MESSAGE_STOP: return be_stopped(w, &c, err);
    case MESSAGE_RECALL: return hear_recalls(w, h.n_records, &c, err);
    case MESSAGE_CANCEL: return be_cancelled(w, &c, err);
    case MESSAGE_CALL: return worker_calls_hear(w, h.n_records, &c, err);
    case MESSAGE_HEARTBEAT: return around_hear_heartbeat(w, &c, err);
    default: break;
    }
    return error_set(err, ERROR_SYSTEM, "worker %u got a message of kind %d, which is not for workers",
                     w->comm->rank, (int)h.kind);
}

static int hear(struct worker *w, struct ganger_error *err)
{
    const char *bytes;
    uint32_t from;
    size_t n;

    while (comm_receive(w->comm, &from, &bytes, &n))
        if (hear_message(w, bytes, n, err) < 0)
            return -1;
    return 0;
}

/* This process was told to end: by mpirun, or because mpirun is gone. */
static int be_told_to_end(struct worker *w, struct ganger_error *err)
{
    w->is_stopping = true;
    if (give_advance_back(w, err) < 0)
        return -1;
    if (worker_calls_cancel(w, process_is_orphan() ? 0 : fmin(w->grace_s, END_GRACE_S), err) < 0)
        return -1;
    if (process_is_orphan()) /* without mpirun MPI ends this process at any moment */
        return worker_cancel_task(w, SIGKILL, 0, err);
    return worker_cancel_task(w, SIGTERM, fmin(w->grace_s, END_GRACE_S), err);
}

static void be_continued(struct worker *w)
{
    worker_shift_deadlines(w, clock_now_s() - w->awake_s);
    around_forgive(w);
}

/* USR1 and USR2, which some launchers give to all ranks, are for the manager alone. */
static int hear_signals(struct worker *w, struct ganger_error *err)
{
    struct signalfd_siginfo info;
    bool must_end = false;

    while (read(w->o->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        must_end |= info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP;
        if (info.ssi_signo == SIGCONT)
            be_continued(w);
    }
    return must_end ? be_told_to_end(w, err) : 0;
}

/* ---- the loop ---- */

static int wait_for_one_thing(struct worker *w, double deadline_s, struct ganger_error *err)
{
    bool runs = worker_is_running(w), listens;

    w->awake_s = clock_now_s();
    listens = runs && w->current.output_s <= w->awake_s;
    w->fds[FD_CHILD] = (struct pollfd){runs ? w->current.process.fd : -1, POLLIN, 0};
    w->fds[FD_OUT] = (struct pollfd){listens ? w->pipes.out[0] : -1, POLLIN, 0};
    w->fds[FD_ERR] = (struct pollfd){listens ? w->pipes.err[0] : -1, POLLIN, 0};
    return comm_wait(w->comm, w->fds, N_FDS, deadline_s, err);
}

/* A sleep that was so long may have been a stop; descriptors are not looked at each time. */
static bool may_have_been_stopped(const struct worker *w)
{
    return worker_is_busy(w) && clock_now_s() - w->awake_s > STOPPED_S;
}

static int act(struct worker *w, struct ganger_error *err)
{
    if ((w->fds[FD_SIGNAL].revents != 0 || (w->o->signal_fd >= 0 && may_have_been_stopped(w))) &&
        hear_signals(w, err) < 0)
        return -1;
    return worker_attend(w, err) < 0 ? -1 : worker_calls_attend(w, err);
}

/* Its last word, STOP, may be there already; one look may not show it. */
static int check_manager(struct worker *w, struct ganger_error *err)
{
    if (w->fds[FD_MANAGER].revents == 0)
        return 0;
    for (int look = 0; look < LAST_LOOKS; look++)
        if (hear(w, err) < 0)
            return -1;
    if (w->is_stopping && !worker_is_busy(w))
        return 0;
    process_continue_parent(); /* its launcher may be gone, too, and have held mpirun */
    return error_set(err, ERROR_SYSTEM, "the manager is gone: worker %u ends its task and leaves",
                     w->comm->rank);
}

static double next_deadline_s(const struct worker *w)
{
    return fmin(fmin(worker_deadline_s(w), worker_calls_deadline_s(w)), around_deadline_s(w));
}

static int loop(struct worker *w, struct ganger_error *err)
{
    double first_word_s = clock_now_s() + FIRST_WORD_S;

    if (say_hello(w, err) < 0)
        return -1;
    while (!w->is_stopping || worker_is_busy(w)) {
        if (!w->is_welcome && clock_now_s() > first_word_s)
            return error_set(err, ERROR_SYSTEM, "worker %u heard nothing from the manager for %g s",
                             w->comm->rank, FIRST_WORD_S);
        if (wait_for_one_thing(w, w->is_welcome ? next_deadline_s(w) : first_word_s, err) < 0 || act(w, err) < 0 ||
            hear(w, err) < 0 || around_attend(w, err) < 0 || check_manager(w, err) < 0)
            return -1;
    }
    return 0;
}

int worker_run(const struct worker_options *options, struct ganger_error *err)
{
    struct worker w = {.o = options, .comm = options->comm, .pipes = PROCESS_PIPES_CLOSED,
                       .run_dir_fd = -1, .manager_watch = -1, .around = {.watch = -1}, .mean_cpu_s = INFINITY,
                       .kill_again_s = INFINITY};
    int status;

    for (int i = 0; i < N_FDS; i++)
        w.fds[i] = (struct pollfd){-1, POLLIN, 0};
    w.fds[FD_SIGNAL].fd = options->signal_fd;
    w.bytes = xmalloc(OUTPUT_CHUNK_BYTES);
    worker_calls_open(&w);
    fingerprint_init(&w.looking.print);
    status = loop(&w, err);
    worker_end_all(&w);
    worker_calls_close(&w);
    process_pipes_close(&w.pipes);
    tmpdir_close(&w.tmpdir);
    memory_close(&w.memory);
    fingerprint_release(&w.looking.print);
    output_close(w.output);
    if (w.run_dir_fd >= 0)
        close(w.run_dir_fd);
    if (w.manager_watch >= 0)
        close(w.manager_watch);
    around_close(&w);
    buffer_release(&w.message);
    buffer_release(&w.current_run);
    buffer_release(&w.task_cwd);
    buffer_release(&w.advance);
    free(w.run_dir);
    free(w.cwd);
    environment_release(&w.environment);
    free(w.argv);
    free(w.bytes);
    return status;
}
