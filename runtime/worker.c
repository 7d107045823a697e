#include "worker.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/message.h"
#include "io/output.h"
#include "io/process.h"
#include "io/tmpdir.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANAGER 0           /* its rank */
#define STARTED_AFTER_S 0.05 /* a task that runs for less is told of by its DONE alone */
#define END_GRACE_S 0.5     /* for tasks when this process itself was told to end: mpirun kills after 1 s */
#define FIRST_WORD_S 120.0  /* how long to wait for WELCOME */
#define DELAYED_BY 2.0      /* a task that ran so many times longer than tasks compute is asked for its delay */
#define READS_PER_ROUND 16  /* chunks taken from one pipe before looking at anything else */
#define LAST_LOOKS 3        /* for messages of a manager that has ended */
#define READS_AT_END 64     /* enough for the largest pipe (1 MiB), with small reads */

/* Descriptors that the loop waits for. The pipes come after the child: when its end is seen, all that
 * it wrote is seen as well. */
enum
{
    FD_SIGNAL,
    FD_MANAGER,
    FD_CHILD,
    FD_OUT,
    FD_ERR,
    N_FDS,
};

struct attempt
{
    task_id task;
    uint32_t number;
    struct process process; /* pid 0: nothing runs */
    double start_s;
    double tell_started_s; /* INFINITY: told */
    double kill_s;         /* INFINITY: not being ended */
    bool is_cancelled;     /* we sent it a signal */
    struct output_place output; /* where it lies */
    char tail[2 * TASK_TAIL_BYTES]; /* the last bytes of its output, and older ones */
    uint32_t n_tail;
    struct ganger_error output_err;
};

struct worker
{
    const struct worker_options *o;
    struct comm *comm;
    uint32_t epoch;
    bool is_welcome;
    bool is_stopping; /* nothing new, and leave when nothing runs */
    char *run_dir;
    char *cwd;
    char *env_text;   /* the tasks' common environment, packed */
    char **env;       /* its variables */
    uint32_t n_env;
    char **envp;      /* room for one task's */
    size_t envp_capacity;
    double grace_s;
    double origin_s;  /* our clock when the manager's epoch began */
    struct buffer message;
    struct buffer names; /* text of the variables made for one task */
    char **argv;
    size_t argv_capacity;
    struct output *output;
    struct process_pipes pipes;
    struct tmpdir tmpdir;
    struct pollfd fds[N_FDS];
    int manager_watch;
    struct attempt current;
    double mean_cpu_s; /* of its tasks; INFINITY: there was none */
    struct buffer advance; /* a RUN that waits for the current task to end; empty: none */
    task_id advance_task;
    uint32_t advance_attempt;
    char *bytes; /* OUTPUT_CHUNK_BYTES: what was just read */
};

static bool is_busy(const struct worker *w)
{
    return w->current.process.pid > 0;
}

static bool has_advance(const struct worker *w)
{
    return w->advance.n > 0;
}

static double since_origin_s(const struct worker *w, double now_s)
{
    return now_s - w->origin_s;
}

/* ---- telling the manager ---- */

static int say_hello(struct worker *w, struct ganger_error *err)
{
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
    message_begin(&w->message, MESSAGE_HELLO, 0, w->comm->rank);
    message_add_hello(&w->message, &hello);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

static int say_started(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct started started = {a->task, a->number, since_origin_s(w, a->start_s)};

    a->tell_started_s = INFINITY;
    message_begin(&w->message, MESSAGE_STARTED, w->epoch, w->comm->rank);
    message_add_started(&w->message, &started);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

static int say_done(struct worker *w, const struct task_result *result, struct ganger_error *err)
{
    struct done done = {w->current.task, w->current.number, *result,
                        has_advance(w) ? w->advance_task : TASK_NONE};

    message_begin(&w->message, MESSAGE_DONE, w->epoch, w->comm->rank);
    message_add_done(&w->message, &done);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

static int give_advance_back(struct worker *w, struct ganger_error *err)
{
    struct recall returned = {w->advance_task, w->advance_attempt};

    if (!has_advance(w))
        return 0;
    w->advance.n = 0;
    message_begin(&w->message, MESSAGE_RETURNED, w->epoch, w->comm->rank);
    message_add_recall(&w->message, &returned);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* ---- a task's output ---- */

static void keep_tail(struct attempt *a, const char *bytes, size_t n)
{
    if (n > TASK_TAIL_BYTES) {
        bytes += n - TASK_TAIL_BYTES;
        n = TASK_TAIL_BYTES;
    }
    if (a->n_tail + n > sizeof(a->tail)) {
        memmove(a->tail, a->tail + a->n_tail - TASK_TAIL_BYTES, TASK_TAIL_BYTES);
        a->n_tail = TASK_TAIL_BYTES;
    }
    memcpy(a->tail + a->n_tail, bytes, n);
    a->n_tail += (uint32_t)n;
}

/* Takes what is in the pipe, at most `n_reads` chunks. The task goes on writing while we do: the disk's
 * speed is what holds it back, and no more than one chunk is ever in memory. */
static void drain_pipe(struct worker *w, int fd, enum output_stream stream, uint32_t n_reads)
{
    struct attempt *a = &w->current;
    ssize_t n;

    while (n_reads-- > 0 && (n = read(fd, w->bytes, OUTPUT_CHUNK_BYTES)) > 0) {
        keep_tail(a, w->bytes, (size_t)n);
        if (a->output_err.cause == ERROR_NONE)
            output_append(w->output, a->task, a->number, stream, w->bytes, (size_t)n, &a->output,
                          &a->output_err);
    }
}

/* After a task that left descendants, its pipes may have other writers, now or later: new ones. */
static int renew_pipes(struct worker *w, struct ganger_error *err)
{
    process_pipes_close(&w->pipes);
    return process_pipes_open(&w->pipes, err);
}

/* ---- starting and ending one ---- */

/* Variables that ganger makes for each task; the run's environment comes without them. */
static const char *const own_variables[] = {"GANGER_TASK_ID=", "GANGER_ATTEMPT=", "GANGER_WORKER=",
                                            "GANGER_CORES=",   "GANGER_RUN_DIR=", "GANGER_TMPDIR=",
                                            "OMP_NUM_THREADS="};
#define N_OWN (sizeof(own_variables) / sizeof(*own_variables))

static bool is_own_variable(const char *variable)
{
    for (size_t i = 0; i < N_OWN; i++)
        if (strncmp(variable, own_variables[i], strlen(own_variables[i])) == 0)
            return true;
    return false;
}

/* Adds a variable that the task states, in place of one of the same name. */
static void set_variable(struct worker *w, uint32_t *n, char *variable)
{
    size_t n_name = (size_t)(strchrnul(variable, '=') - variable) + 1;

    for (uint32_t i = 0; i < *n; i++) {
        if (strncmp(w->envp[i], variable, n_name) == 0) {
            w->envp[i] = variable;
            return;
        }
    }
    w->envp[(*n)++] = variable;
}

/* Fills w->envp: what holds for all tasks, ganger's own variables, the task's. */
static void make_environment(struct worker *w, const struct run *run)
{
    uint32_t n = w->n_env, n_cores = run->slots.n / 2;
    const char *next = run->env.bytes;
    char *own;

    w->names.n = 0;
    buffer_printf(&w->names,
                  "GANGER_TASK_ID=%s%cGANGER_ATTEMPT=%u%cGANGER_WORKER=%u%cGANGER_CORES=%u%c"
                  "GANGER_RUN_DIR=%s%cGANGER_TMPDIR=%s%cOMP_NUM_THREADS=%u%c",
                  run->id.bytes, 0, run->attempt, 0, w->comm->rank, 0, n_cores, 0, w->run_dir, 0,
                  w->tmpdir.path, 0, n_cores, 0);
    while (w->envp_capacity <= (size_t)w->n_env + N_OWN + run->n_env)
        w->envp = xgrow(w->envp, w->envp_capacity, &w->envp_capacity, sizeof(*w->envp));
    memcpy(w->envp, w->env, w->n_env * sizeof(*w->envp));
    for (own = w->names.bytes; own < w->names.bytes + w->names.n; own += strlen(own) + 1)
        w->envp[n++] = own;
    for (uint32_t i = 0; i < run->n_env; i++) {
        set_variable(w, &n, (char *)(uintptr_t)next);
        next += strlen(next) + 1;
    }
    w->envp[n] = NULL;
}

static void make_argv(struct worker *w, const struct run *run)
{
    const char *next = run->argv.bytes;

    while (w->argv_capacity <= run->n_argv)
        w->argv = xgrow(w->argv, w->argv_capacity, &w->argv_capacity, sizeof(*w->argv));
    for (uint32_t i = 0; i < run->n_argv; i++) {
        w->argv[i] = (char *)(uintptr_t)next;
        next += strlen(next) + 1;
    }
    w->argv[run->n_argv] = NULL;
}

/* A task of one core inherits our own binding; asking again would cost a migration. */
static int choose_affinity(struct worker *w, const struct run *run, struct binding_mask *mask,
                           struct process_order *order, struct ganger_error *err)
{
    uint32_t n = run->slots.n / 2;

    if (w->o->binding == NULL || n < 2 || !binding_is_this_machine(w->o->binding))
        return 0;
    binding_mask_clear(mask);
    for (uint32_t i = 0; i < n; i++)
        if (binding_mask_add(w->o->binding, mask, run_slot(run, i), err) < 0)
            return -1;
    order->affinity = mask->sets;
    order->n_affinity_bytes = sizeof(mask->sets);
    return 0;
}

static int start_process(struct worker *w, const struct run *run, int *failed, struct ganger_error *err)
{
    struct binding_mask mask;
    struct process_order order = {.pipes = &w->pipes};

    if (w->tmpdir.path == NULL && tmpdir_open(&w->tmpdir, err) < 0)
        return -1;
    make_argv(w, run);
    make_environment(w, run);
    order.argv = w->argv;
    order.envp = w->envp;
    order.cwd = run->has_cwd ? run->cwd.bytes : w->cwd;
    if (choose_affinity(w, run, &mask, &order, err) < 0)
        return -1;
    return process_start(&w->current.process, &order, failed, err);
}

static int start_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct ganger_error why = {0};
    struct task_result result = {.end = TASK_NOT_STARTED};

    a->task = run->task;
    a->number = run->attempt;
    a->start_s = clock_now_s();
    a->tell_started_s = a->start_s + STARTED_AFTER_S;
    a->kill_s = INFINITY;
    a->is_cancelled = false;
    a->output.n_bytes = 0;
    a->n_tail = 0;
    a->output_err.cause = ERROR_NONE;
    if (start_process(w, run, &result.code, &why) == 0) {
        comm_publish_group(w->comm, a->process.pid);
        return 0;
    }
    result.start_s = result.end_s = since_origin_s(w, a->start_s);
    result.tail = why.text;
    result.n_tail_bytes = (uint32_t)strnlen(why.text, TASK_TAIL_BYTES);
    return say_done(w, &result, err);
}

static int start_advance(struct worker *w, struct ganger_error *err);

static int end_task(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct process_end end;
    struct task_result result = {.start_s = since_origin_s(w, a->start_s)};
    bool is_late;

    is_late = clock_now_s() - a->start_s > DELAYED_BY * w->mean_cpu_s;
    process_reap(&a->process, is_late, &end); /* nobody writes any more */
    w->mean_cpu_s = isinf(w->mean_cpu_s) ? end.cpu_s : 0.9 * w->mean_cpu_s + 0.1 * end.cpu_s;
    comm_publish_group(w->comm, 0);
    if (w->fds[FD_OUT].revents != 0 || end.left_others)
        drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_AT_END);
    if (w->fds[FD_ERR].revents != 0 || end.left_others)
        drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_AT_END);
    result.end_s = since_origin_s(w, clock_now_s());
    if (end.left_others && renew_pipes(w, err) < 0)
        return -1;
    tmpdir_clear(&w->tmpdir);

    result.end = end.is_signal ? TASK_SIGNALLED : TASK_EXITED;
    result.code = end.code;
    if (a->is_cancelled && (end.is_signal || end.code != 0))
        result.end = TASK_CANCELLED;
    result.cpu_s = end.cpu_s;
    result.delay_s = end.delay_s;
    result.max_rss_bytes = end.max_rss_bytes;
    result.output_offset = a->output.n_bytes > 0 ? a->output.offset : 0;
    result.output_bytes = a->output.n_bytes;
    if (result.end != TASK_EXITED || result.code != 0) {
        result.n_tail_bytes = a->n_tail < TASK_TAIL_BYTES ? a->n_tail : TASK_TAIL_BYTES;
        result.tail = a->tail + a->n_tail - result.n_tail_bytes;
    }
    if (a->output_err.cause != ERROR_NONE) { /* what it wrote is lost: it cannot count as done */
        result.end = TASK_OUTPUT_LOST;
        result.code = EIO;
        result.tail = a->output_err.text;
        result.n_tail_bytes = (uint32_t)strnlen(a->output_err.text, TASK_TAIL_BYTES);
    }
    return say_done(w, &result, err) < 0 ? -1 : start_advance(w, err);
}

/* Starts what was sent in advance. */
static int start_advance(struct worker *w, struct ganger_error *err)
{
    struct message_header h;
    struct cursor c;
    struct run run;

    if (!has_advance(w))
        return 0;
    if (message_open(&h, &c, w->advance.bytes, w->advance.n, err) < 0 || message_next_run(&c, &run, err) < 0)
        return -1;
    w->advance.n = 0; /* its bytes stay until the next is put there */
    return start_task(w, &run, err);
}

static void keep_in_advance(struct worker *w, const struct run *run)
{
    message_begin(&w->advance, MESSAGE_RUN, w->epoch, w->comm->rank);
    message_add_run(&w->advance, run);
    w->advance_task = run->task;
    w->advance_attempt = run->attempt;
}

static void cancel_task(struct worker *w, int signal, double grace_s)
{
    if (!is_busy(w))
        return;
    w->current.is_cancelled = true;
    process_signal(&w->current.process, signal);
    process_signal(&w->current.process, SIGCONT); /* a stopped process could not act on TERM */
    w->current.kill_s = signal == SIGKILL ? INFINITY : clock_now_s() + grace_s;
}

/* ---- what arrives ---- */

/* Splits the packed environment into variables. */
static void unpack_environment(struct worker *w, struct text env)
{
    char *next;

    w->env_text = xmalloc(env.n + 1);
    memcpy(w->env_text, env.bytes, env.n);
    w->env_text[env.n] = '\0';
    w->env = xcalloc(text_count_packed(env) + 1, sizeof(*w->env));
    for (next = w->env_text; next < w->env_text + env.n; next += strlen(next) + 1)
        if (!is_own_variable(next))
            w->env[w->n_env++] = next;
}

static void watch_manager(struct worker *w, pid_t pid)
{
    if (!comm_is_near(w->comm, MANAGER) || pid == getpid())
        return;
    w->manager_watch = process_watch_open();
    if (w->manager_watch >= 0 && process_watch_add(w->manager_watch, pid, 0) < 0)
        log_warning("worker %u cannot watch the manager", w->comm->rank);
    w->fds[FD_MANAGER] = (struct pollfd){w->manager_watch, POLLIN, 0};
}

static int be_welcome(struct worker *w, const struct message_header *h, struct cursor *c,
                      struct ganger_error *err)
{
    double now_s = clock_now_s();
    struct welcome welcome;
    char *dir;

    if (message_next_welcome(c, &welcome, err) < 0)
        return -1;
    w->epoch = h->epoch;
    w->is_welcome = true;
    w->run_dir = xstrndup(welcome.run_dir.bytes, welcome.run_dir.n);
    w->cwd = xstrndup(welcome.cwd.bytes, welcome.cwd.n);
    w->grace_s = welcome.grace_s;
    w->origin_s = welcome.same_clock
                      ? welcome.origin_s
                      : (welcome.hello_clock_s + now_s) / 2 - welcome.clock_s;
    unpack_environment(w, welcome.env);
    watch_manager(w, (pid_t)welcome.manager_pid);
    dir = xasprintf("%s/output", w->run_dir);
    w->output = output_open(dir, w->epoch, w->comm->nodes[w->comm->rank], comm_node_counter(w->comm), err);
    free(dir);
    return w->output == NULL ? -1 : process_pipes_open(&w->pipes, err);
}

/* It was on its way when this process was told to end: it has not run, and will not here. */
static int refuse_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    double now_s = since_origin_s(w, clock_now_s());
    struct task_result result = {.end = TASK_CANCELLED, .start_s = now_s, .end_s = now_s};

    w->current.task = run->task;
    w->current.number = run->attempt;
    return say_done(w, &result, err);
}

static int be_sent(struct worker *w, uint32_t n_records, struct cursor *c, struct ganger_error *err)
{
    struct run run;

    for (uint32_t i = 0; i < n_records; i++) {
        if (message_next_run(c, &run, err) < 0)
            return -1;
        if (!w->is_welcome || has_advance(w))
            return error_set(err, ERROR_SYSTEM, "worker %u was sent task %s while it %s", w->comm->rank,
                             run.id.bytes, w->is_welcome ? "has two others" : "was not yet welcome");
        if (is_busy(w))
            keep_in_advance(w, &run);
        else if ((w->is_stopping ? refuse_task : start_task)(w, &run, err) < 0)
            return -1;
    }
    return w->is_stopping ? give_advance_back(w, err) : 0;
}

static int be_stopped(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct stop stop;

    if (message_next_stop(c, &stop, err) < 0)
        return -1;
    w->is_stopping = true;
    if (give_advance_back(w, err) < 0)
        return -1;
    if (stop.mode == STOP_TERM)
        cancel_task(w, SIGTERM, w->grace_s);
    if (stop.mode == STOP_KILL)
        cancel_task(w, SIGKILL, 0);
    return 0;
}

static int be_recalled(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct recall recall;

    if (message_next_recall(c, &recall, err) < 0)
        return -1;
    if (has_advance(w) && w->advance_task == recall.task && w->advance_attempt == recall.attempt)
        return give_advance_back(w, err);
    return 0; /* it has started, or even ended */
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
    case MESSAGE_RECALL: return be_recalled(w, &c, err);
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
static int hear_signal(struct worker *w, struct ganger_error *err)
{
    char bytes[1024];

    if (read(w->o->signal_fd, bytes, sizeof(bytes)) <= 0)
        return 0;
    w->is_stopping = true;
    if (give_advance_back(w, err) < 0)
        return -1;
    if (process_is_orphan()) /* without mpirun MPI ends this process at any moment */
        cancel_task(w, SIGKILL, 0);
    else
        cancel_task(w, SIGTERM, fmin(w->grace_s, END_GRACE_S));
    return 0;
}

/* ---- the loop ---- */

static double next_deadline_s(const struct worker *w, double first_word_s)
{
    if (!w->is_welcome)
        return first_word_s;
    return is_busy(w) ? fmin(w->current.tell_started_s, w->current.kill_s) : INFINITY;
}

static int wait_for_one_thing(struct worker *w, double deadline_s, struct ganger_error *err)
{
    bool busy = is_busy(w);

    w->fds[FD_CHILD] = (struct pollfd){busy ? w->current.process.fd : -1, POLLIN, 0};
    w->fds[FD_OUT] = (struct pollfd){busy ? w->pipes.out[0] : -1, POLLIN, 0};
    w->fds[FD_ERR] = (struct pollfd){busy ? w->pipes.err[0] : -1, POLLIN, 0};
    return comm_wait(w->comm, w->fds, N_FDS, deadline_s, err);
}

static int act(struct worker *w, struct ganger_error *err)
{
    if (w->fds[FD_SIGNAL].revents != 0 && hear_signal(w, err) < 0)
        return -1;
    if (!is_busy(w))
        return 0;
    if (w->fds[FD_CHILD].revents != 0)
        return end_task(w, err);
    if (w->fds[FD_OUT].revents != 0)
        drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_PER_ROUND);
    if (w->fds[FD_ERR].revents != 0)
        drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_PER_ROUND);
    if (w->current.kill_s <= clock_now_s())
        cancel_task(w, SIGKILL, 0);
    if (w->current.tell_started_s <= clock_now_s())
        return say_started(w, err);
    return 0;
}

/* Its last word, STOP, may be there already; one look may not show it. */
static int check_manager(struct worker *w, struct ganger_error *err)
{
    if (w->fds[FD_MANAGER].revents == 0)
        return 0;
    for (int look = 0; look < LAST_LOOKS; look++)
        if (hear(w, err) < 0)
            return -1;
    if (w->is_stopping && !is_busy(w))
        return 0;
    return error_set(err, ERROR_SYSTEM, "the manager is gone: worker %u ends its task and leaves",
                     w->comm->rank);
}

static int loop(struct worker *w, struct ganger_error *err)
{
    double first_word_s = clock_now_s() + FIRST_WORD_S;

    if (say_hello(w, err) < 0)
        return -1;
    while (!w->is_stopping || is_busy(w)) {
        if (!w->is_welcome && clock_now_s() > first_word_s)
            return error_set(err, ERROR_SYSTEM, "worker %u heard nothing from the manager for %g s",
                             w->comm->rank, FIRST_WORD_S);
        if (wait_for_one_thing(w, next_deadline_s(w, first_word_s), err) < 0 || act(w, err) < 0 ||
            hear(w, err) < 0 || check_manager(w, err) < 0)
            return -1;
    }
    return 0;
}

static void end_what_runs(struct worker *w)
{
    struct process_end end;

    if (!is_busy(w))
        return;
    process_signal(&w->current.process, SIGKILL);
    process_reap(&w->current.process, false, &end);
    comm_publish_group(w->comm, 0);
}

int worker_run(const struct worker_options *options, struct ganger_error *err)
{
    struct worker w = {.o = options, .comm = options->comm, .pipes = PROCESS_PIPES_CLOSED,
                       .manager_watch = -1, .mean_cpu_s = INFINITY};
    int status;

    for (int i = 0; i < N_FDS; i++)
        w.fds[i] = (struct pollfd){-1, POLLIN, 0};
    w.fds[FD_SIGNAL].fd = options->signal_fd;
    w.bytes = xmalloc(OUTPUT_CHUNK_BYTES);
    status = loop(&w, err);
    end_what_runs(&w);
    process_pipes_close(&w.pipes);
    tmpdir_close(&w.tmpdir);
    output_close(w.output);
    if (w.manager_watch >= 0)
        close(w.manager_watch);
    buffer_release(&w.message);
    buffer_release(&w.names);
    buffer_release(&w.advance);
    free(w.run_dir);
    free(w.cwd);
    free(w.env_text);
    free(w.env);
    free(w.envp);
    free(w.argv);
    free(w.bytes);
    return status;
}
