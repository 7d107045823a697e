#include "worker.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/environment.h"
#include "core/message.h"
#include "io/output.h"
#include "io/presence.h"
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
#define FIRST_PAUSE_S 0.01  /* between the first two looks for an input that is missing; doubles … */
#define LAST_PAUSE_S 1.0    /* … up to this */
#define ORPHANS_S 1.0       /* how often a running task's dead orphans are taken away */
#define KILL_AGAIN_S 1.0    /* how soon what could not be killed is tried again, by an idle worker */
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

/* What we have to do with its end. */
enum intent
{
    LET_RUN,
    CANCEL,
    TIME_OUT,
};

struct attempt
{
    task_id task;
    uint32_t number;
    struct process process; /* pid 0: nothing runs */
    double start_s;
    double tell_started_s; /* INFINITY: told */
    double timeout_s;      /* when its time is over; INFINITY: never, or it is */
    double kill_s;         /* INFINITY: not being ended */
    double orphans_s;      /* when to look for dead orphans */
    enum intent intent;
    struct output_place output; /* where it lies */
    char tail[2 * TASK_TAIL_BYTES]; /* the last bytes of its output, and older ones */
    uint32_t n_tail;
    struct ganger_error output_err;
    int output_errno;
};

/* The current task, while it waits for its inputs. */
struct awaiting
{
    bool is_on;
    double look_s; /* when to look again */
    double pause_s;
    double until_s;
    uint32_t n_seen; /* bytes of the packed inputs that are there */
};

struct worker
{
    const struct worker_options *o;
    struct comm *comm;
    uint32_t epoch;
    bool is_welcome;
    bool is_stopping; /* nothing new, and leave when nothing runs */
    char *run_dir;
    char *cwd;              /* of tasks that do not say */
    struct buffer task_cwd; /* see cwd_of */
    struct environment environment;
    double grace_s;
    double latency_wait_s;
    double origin_s;  /* our clock when the manager's epoch began */
    struct buffer message;
    char **argv;
    size_t argv_capacity;
    struct output *output;
    struct process_pipes pipes;
    struct tmpdir tmpdir;
    struct pollfd fds[N_FDS];
    int manager_watch;
    struct attempt current;
    struct buffer current_run; /* its RUN, if that is looked at again: it declares inputs or outputs */
    struct awaiting awaiting;
    double kill_again_s; /* INFINITY: nothing that tasks left is left */
    double mean_cpu_s; /* of its tasks; INFINITY: there was none */
    struct buffer advance; /* a RUN that waits for the current task to end; empty: none */
    task_id advance_task;
    uint32_t advance_attempt;
    char *bytes; /* OUTPUT_CHUNK_BYTES: what was just read */
};

static bool is_running(const struct worker *w)
{
    return w->current.process.pid > 0;
}

/* Has it a current task? */
static bool is_busy(const struct worker *w)
{
    return is_running(w) || w->awaiting.is_on;
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
    struct buffer numbers = BUFFER_EMPTY;
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
    message_begin(&w->message, MESSAGE_HELLO, 0, w->comm->rank);
    message_add_hello(&w->message, &hello);
    buffer_release(&numbers);
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
        if (a->output_err.cause == ERROR_NONE &&
            output_append(w->output, a->task, a->number, stream, w->bytes, (size_t)n, &a->output,
                          &a->output_err) < 0)
            a->output_errno = errno;
    }
}

/* After a task that left descendants, its pipes may have other writers, now or later: new ones. */
static int renew_pipes(struct worker *w, struct ganger_error *err)
{
    process_pipes_close(&w->pipes);
    return process_pipes_open(&w->pipes, err);
}

/* ---- starting and ending one ---- */

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

/* Absolute; good until the next call. */
static const char *cwd_of(struct worker *w, const struct run *run)
{
    if (!run->has_cwd)
        return w->cwd;
    if (*run->cwd.bytes == '/')
        return run->cwd.bytes;
    w->task_cwd.n = 0; /* our own directory may be another, as mpirun likes */
    buffer_printf(&w->task_cwd, "%s/%s%c", w->cwd, run->cwd.bytes, 0);
    return w->task_cwd.bytes;
}

static const char *path_or_none(struct text path)
{
    return path.n > 0 ? path.bytes : NULL;
}

static int start_process(struct worker *w, const struct run *run, int *failed, struct ganger_error *err)
{
    struct binding_mask mask;
    struct process_order order = {.pipes = &w->pipes,
                                  .cwd = cwd_of(w, run),
                                  .stdin_path = path_or_none(run->stdin_path),
                                  .stdout_path = path_or_none(run->stdout_path),
                                  .stderr_path = path_or_none(run->stderr_path)};
    struct environment_place place = {.worker = w->comm->rank, .run_dir = w->run_dir};

    if (w->tmpdir.path == NULL && tmpdir_open(&w->tmpdir, err) < 0)
        return -1;
    make_argv(w, run);
    place.tmpdir = w->tmpdir.path;
    order.argv = w->argv;
    order.envp = environment_make(&w->environment, run, &place);
    if (choose_affinity(w, run, &mask, &order, err) < 0)
        return -1;
    return process_start(&w->current.process, &order, failed, err);
}

static void reset_attempt(struct attempt *a, const struct run *run)
{
    a->task = run->task;
    a->number = run->attempt;
    a->timeout_s = a->kill_s = INFINITY;
    a->intent = LET_RUN;
    a->output = (struct output_place){.n_bytes = 0};
    a->n_tail = 0;
    a->output_err.cause = ERROR_NONE;
}

/* Says that the current task ended without having run. */
static int say_not_run(struct worker *w, enum task_end end, int code, const char *why, struct ganger_error *err)
{
    double now_s = since_origin_s(w, clock_now_s());
    struct task_result result = {.end = end, .code = code, .start_s = now_s, .end_s = now_s, .tail = why};

    result.n_tail_bytes = why != NULL ? (uint32_t)strnlen(why, TASK_TAIL_BYTES) : 0;
    return say_done(w, &result, err);
}

static int start_advance(struct worker *w, struct ganger_error *err);

/* Starts what may start now. */
static int start_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct ganger_error why = {0};
    int failed = 0;

    a->start_s = clock_now_s();
    a->tell_started_s = a->start_s + STARTED_AFTER_S;
    a->orphans_s = a->start_s + ORPHANS_S;
    if (run->timeout_s > 0)
        a->timeout_s = a->start_s + run->timeout_s;
    if (start_process(w, run, &failed, &why) == 0) {
        comm_publish_group(w->comm, a->process.pid);
        return 0;
    }
    return say_not_run(w, TASK_NOT_STARTED, failed, why.text, err);
}

/* Reads the RUN that a buffer keeps. */
static int reopen_run(const struct buffer *kept, struct run *run, struct ganger_error *err)
{
    struct message_header h;
    struct cursor c;

    if (message_open(&h, &c, kept->bytes, kept->n, err) < 0)
        return -1;
    return message_next_run(&c, run, err);
}

static void keep_run(struct worker *w, struct buffer *kept, const struct run *run)
{
    message_begin(kept, MESSAGE_RUN, w->epoch, w->comm->rank);
    message_add_run(kept, run);
}

/* ---- declared files ---- */

static void describe_missing(struct worker *w, const struct run *run, const char *path, int number,
                             char why[TASK_TAIL_BYTES])
{
    if (*path == '/')
        snprintf(why, TASK_TAIL_BYTES, "%s: %s", path, strerror(number));
    else
        snprintf(why, TASK_TAIL_BYTES, "%s (in %s): %s", path, cwd_of(w, run), strerror(number));
}

static int say_input_missing(struct worker *w, const struct run *run, const char *path, int number,
                             struct ganger_error *err)
{
    char why[TASK_TAIL_BYTES];
    size_t n;

    describe_missing(w, run, path, number, why);
    n = strlen(why);
    snprintf(why + n, sizeof(why) - n, ", %g s after it was needed (see --latency-wait)", w->latency_wait_s);
    return say_not_run(w, TASK_INPUT_MISSING, number, why, err);
}

/* Looks for what was missing: starts the task if all is there, gives it up if its time is over. */
static int look_for_inputs(struct worker *w, struct ganger_error *err)
{
    struct awaiting *a = &w->awaiting;
    const char *path;
    struct run run;
    double now_s;
    int number;

    if (reopen_run(&w->current_run, &run, err) < 0)
        return -1;
    path = presence_find_missing(cwd_of(w, &run), run.inputs.bytes + a->n_seen, run.inputs.n - a->n_seen, true,
                                 &number);
    now_s = clock_now_s();
    if (path != NULL && now_s < a->until_s) {
        a->n_seen = (uint32_t)(path - run.inputs.bytes);
        a->look_s = fmin(now_s + a->pause_s, a->until_s);
        a->pause_s = fmin(2 * a->pause_s, LAST_PAUSE_S);
        return 0;
    }
    a->is_on = false;
    if ((path == NULL ? start_task(w, &run, err) : say_input_missing(w, &run, path, number, err)) < 0)
        return -1;
    return is_running(w) ? 0 : start_advance(w, err);
}

/* The first look; true: nothing is missing. */
static bool has_inputs(struct worker *w, const struct run *run)
{
    double now_s;
    int number;

    if (run->inputs.n == 0 ||
        presence_find_missing(cwd_of(w, run), run->inputs.bytes, run->inputs.n, false, &number) == NULL)
        return true;
    now_s = clock_now_s();
    w->awaiting = (struct awaiting){.is_on = true,
                                    .look_s = now_s + fmin(FIRST_PAUSE_S, w->latency_wait_s),
                                    .pause_s = 2 * FIRST_PAUSE_S,
                                    .until_s = now_s + w->latency_wait_s};
    return false;
}

/* A task that ended well has failed all the same if a declared output is not there. */
static int check_outputs(struct worker *w, struct task_result *result, char why[TASK_TAIL_BYTES],
                         struct ganger_error *err)
{
    const char *path;
    struct run run;
    int number;

    if (w->current_run.n == 0 || result->end != TASK_EXITED || result->code != 0)
        return 0;
    if (reopen_run(&w->current_run, &run, err) < 0)
        return -1;
    path = presence_find_missing(cwd_of(w, &run), run.outputs.bytes, run.outputs.n, true, &number);
    if (path == NULL)
        return 0;
    describe_missing(w, &run, path, number, why);
    result->end = TASK_OUTPUT_MISSING;
    result->code = number;
    result->tail = why;
    result->n_tail_bytes = (uint32_t)strlen(why);
    return 0;
}

/* ---- taking and ending tasks ---- */

/* Makes it the current one, and starts it as soon as its inputs are there. */
static int take_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    reset_attempt(&w->current, run);
    w->current_run.n = 0;
    if (run->inputs.n > 0 || run->outputs.n > 0)
        keep_run(w, &w->current_run, run);
    return has_inputs(w, run) ? start_task(w, run, err) : 0;
}

/* Starts what was sent in advance. */
static int start_advance(struct worker *w, struct ganger_error *err)
{
    struct run run;

    if (!has_advance(w))
        return 0;
    if (reopen_run(&w->advance, &run, err) < 0)
        return -1;
    w->advance.n = 0; /* its bytes stay until the next is put there */
    return take_task(w, &run, err);
}

/* Its process is gone, and what that left; what it wrote is kept. */
static int take_process_away(struct worker *w, struct process_end *end, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    bool is_late = clock_now_s() - a->start_s > DELAYED_BY * w->mean_cpu_s;

    process_reap(&a->process, is_late, end); /* nobody writes any more */
    w->mean_cpu_s = isinf(w->mean_cpu_s) ? end->cpu_s : 0.9 * w->mean_cpu_s + 0.1 * end->cpu_s;
    w->kill_again_s = end->still_left ? clock_now_s() + KILL_AGAIN_S : INFINITY;
    comm_publish_group(w->comm, 0);
    if (w->fds[FD_OUT].revents != 0 || end->left_others)
        drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_AT_END);
    if (w->fds[FD_ERR].revents != 0 || end->left_others)
        drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_AT_END);
    return end->left_others ? renew_pipes(w, err) : 0;
}

/* What its end counts as, by what its process did and what we wanted. */
static void judge_end(const struct attempt *a, const struct process_end *end, struct task_result *result)
{
    result->end = end->is_signal ? TASK_SIGNALLED : TASK_EXITED;
    result->code = end->code;
    if (a->intent == TIME_OUT)
        result->end = TASK_TIMED_OUT;
    else if (a->intent == CANCEL && (end->is_signal || end->code != 0))
        result->end = TASK_CANCELLED;
    if (!end->is_signal && result->end != TASK_EXITED)
        result->code = 0;
    if (result->end != TASK_EXITED || result->code != 0) {
        result->n_tail_bytes = a->n_tail < TASK_TAIL_BYTES ? a->n_tail : TASK_TAIL_BYTES;
        result->tail = a->tail + a->n_tail - result->n_tail_bytes;
    }
    if (a->output_err.cause != ERROR_NONE && a->intent == LET_RUN) { /* it cannot count as done */
        result->end = TASK_OUTPUT_LOST;
        result->code = a->output_errno;
        result->tail = a->output_err.text;
        result->n_tail_bytes = (uint32_t)strnlen(a->output_err.text, TASK_TAIL_BYTES);
    }
}

static int end_task(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct process_end end;
    struct task_result result = {.start_s = since_origin_s(w, a->start_s)};
    char why[TASK_TAIL_BYTES];

    if (take_process_away(w, &end, err) < 0)
        return -1;
    result.end_s = since_origin_s(w, clock_now_s());
    tmpdir_clear(&w->tmpdir);
    if (end.still_left)
        log_warning("worker %u: what a task left could not be killed within %g s; it is stuck in the kernel, or "
                    "forks faster than it dies", w->comm->rank, PROCESS_KILL_S);
    judge_end(a, &end, &result);
    if (check_outputs(w, &result, why, err) < 0)
        return -1;
    result.cpu_s = end.cpu_s;
    result.delay_s = end.delay_s;
    result.max_rss_bytes = end.max_rss_bytes;
    result.output_offset = a->output.offset;
    result.output_bytes = a->output.n_bytes;
    result.text_bytes = a->output.n_text;
    return say_done(w, &result, err) < 0 ? -1 : start_advance(w, err);
}

static void keep_in_advance(struct worker *w, const struct run *run)
{
    keep_run(w, &w->advance, run);
    w->advance_task = run->task;
    w->advance_attempt = run->attempt;
}

/* The signal to all of its group; KILL at the end of the grace, or of one that began before. */
static void end_process(struct worker *w, int signal, double grace_s)
{
    struct attempt *a = &w->current;

    process_signal(&a->process, signal);
    process_signal(&a->process, SIGCONT); /* a stopped process could not act on TERM */
    a->kill_s = signal == SIGKILL ? INFINITY : fmin(a->kill_s, clock_now_s() + grace_s);
}

static int cancel_task(struct worker *w, int signal, double grace_s, struct ganger_error *err)
{
    if (w->awaiting.is_on) {
        w->awaiting.is_on = false;
        return say_not_run(w, TASK_CANCELLED, 0, NULL, err);
    }
    if (!is_running(w))
        return 0;
    if (w->current.intent == LET_RUN)
        w->current.intent = CANCEL;
    end_process(w, signal, grace_s);
    return 0;
}

static void time_task_out(struct worker *w)
{
    w->current.timeout_s = INFINITY;
    if (w->current.intent != LET_RUN)
        return;
    w->current.intent = TIME_OUT;
    end_process(w, SIGTERM, w->grace_s);
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
    w->latency_wait_s = welcome.latency_wait_s;
    environment_set_base(&w->environment, welcome.env);
    watch_manager(w, (pid_t)welcome.manager_pid);
    dir = xasprintf("%s/output", w->run_dir);
    w->output = output_open(dir, w->epoch, w->comm->nodes[w->comm->rank], comm_node_counter(w->comm), err);
    free(dir);
    return w->output == NULL ? -1 : process_pipes_open(&w->pipes, err);
}

/* It was on its way when this process was told to end: it has not run, and will not here. */
static int refuse_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    reset_attempt(&w->current, run);
    return say_not_run(w, TASK_CANCELLED, 0, NULL, err);
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
        else if ((w->is_stopping ? refuse_task : take_task)(w, &run, err) < 0)
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
    if (give_advance_back(w, err) < 0)
        return -1;
    if (stop.mode == STOP_WHEN_DONE && !w->awaiting.is_on) /* what has not begun will not */
        return 0;
    return cancel_task(w, stop.mode == STOP_KILL ? SIGKILL : SIGTERM, w->grace_s, err);
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
        return cancel_task(w, SIGKILL, 0, err);
    return cancel_task(w, SIGTERM, fmin(w->grace_s, END_GRACE_S), err);
}

/* ---- the loop ---- */

static double next_deadline_s(const struct worker *w, double first_word_s)
{
    const struct attempt *a = &w->current;

    if (!w->is_welcome)
        return first_word_s;
    if (w->awaiting.is_on)
        return w->awaiting.look_s;
    if (!is_running(w))
        return w->kill_again_s;
    return fmin(fmin(a->tell_started_s, a->orphans_s), fmin(a->kill_s, a->timeout_s));
}

static int wait_for_one_thing(struct worker *w, double deadline_s, struct ganger_error *err)
{
    bool runs = is_running(w);

    w->fds[FD_CHILD] = (struct pollfd){runs ? w->current.process.fd : -1, POLLIN, 0};
    w->fds[FD_OUT] = (struct pollfd){runs ? w->pipes.out[0] : -1, POLLIN, 0};
    w->fds[FD_ERR] = (struct pollfd){runs ? w->pipes.err[0] : -1, POLLIN, 0};
    return comm_wait(w->comm, w->fds, N_FDS, deadline_s, err);
}

/* Of an idle worker: another try on what tasks left. */
static void kill_again(struct worker *w)
{
    if (w->kill_again_s <= clock_now_s())
        w->kill_again_s = process_kill_others(PROCESS_KILL_S) ? INFINITY : clock_now_s() + KILL_AGAIN_S;
}

static int attend_process(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    double now_s;

    if (w->fds[FD_CHILD].revents != 0)
        return end_task(w, err);
    if (w->fds[FD_OUT].revents != 0)
        drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_PER_ROUND);
    if (w->fds[FD_ERR].revents != 0)
        drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_PER_ROUND);
    now_s = clock_now_s();
    if (a->kill_s <= now_s)
        end_process(w, SIGKILL, 0);
    if (a->timeout_s <= now_s)
        time_task_out(w);
    if (a->orphans_s <= now_s) {
        process_reap_orphans(&a->process);
        a->orphans_s = now_s + ORPHANS_S;
    }
    return a->tell_started_s <= now_s ? say_started(w, err) : 0;
}

static int act(struct worker *w, struct ganger_error *err)
{
    if (w->fds[FD_SIGNAL].revents != 0 && hear_signal(w, err) < 0)
        return -1;
    if (is_running(w))
        return attend_process(w, err);
    if (w->awaiting.is_on)
        return w->awaiting.look_s <= clock_now_s() ? look_for_inputs(w, err) : 0;
    kill_again(w);
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

    if (is_running(w)) {
        process_signal(&w->current.process, SIGKILL);
        process_reap(&w->current.process, false, &end);
        comm_publish_group(w->comm, 0);
    } else if (!isinf(w->kill_again_s)) {
        process_kill_others(PROCESS_KILL_S);
    }
}

int worker_run(const struct worker_options *options, struct ganger_error *err)
{
    struct worker w = {.o = options, .comm = options->comm, .pipes = PROCESS_PIPES_CLOSED,
                       .manager_watch = -1, .mean_cpu_s = INFINITY, .kill_again_s = INFINITY};
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
