#include "worker_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/output.h"
#include "io/presence.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLD_WITHIN_MS 200   /* of a task that a signal ended: if it was for all of us, we get it, too */
#define STARTED_AFTER_S 0.05 /* a task that runs for less is told of by its DONE alone */
#define FIRST_PAUSE_S 0.01  /* between the first two looks for an input that is missing; doubles … */
#define LAST_PAUSE_S 1.0    /* … up to this */
#define ORPHANS_S 1.0       /* how often a running task's dead orphans are taken away */
#define KILL_AGAIN_S 1.0    /* how soon what could not be killed is tried again, by an idle worker */
#define DELAYED_BY 2.0      /* a task that ran so many times longer than tasks compute is asked for its delay */
#define READS_PER_ROUND 16  /* chunks taken from one pipe before looking at anything else */
#define BYTES_PER_ROUND ((size_t)64 * 1024 * 1024) /* of inputs, before looking at anything else */
#define GATHER_S 0.005      /* for so long, at most, what a task writes gathers in its pipe, if it writes often … */
#define GATHER_BYTES 16384  /* … or until it is that much: a quarter of a pipe */
#define LEAST_PAUSE_S 0.0005 /* a shorter one is not worth a timer */
#define READS_AT_END 64     /* enough for the largest pipe (1 MiB), with small reads */

static double since_origin_s(const struct worker *w, double now_s)
{
    return now_s - w->origin_s;
}

/* ---- telling the manager ---- */

static int say_started(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    struct started started = {a->task, a->number, since_origin_s(w, a->start_s)};

    a->tell_started_s = INFINITY;
    memory_note_kills(&w->memory);
    message_begin(&w->message, MESSAGE_STARTED, w->epoch, w->comm->rank);
    message_add_started(&w->message, &started);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* What it starts when the current one has ended. */
static task_id next_task(const struct worker *w)
{
    return worker_has_advance(w) ? w->advance_task : TASK_NONE;
}

static int say_done(struct worker *w, const struct task_result *result, struct ganger_error *err)
{
    struct done done = {w->current.task, w->current.number, *result,
                        next_task(w)};

    message_begin(&w->message, MESSAGE_DONE, w->epoch, w->comm->rank);
    message_add_done(&w->message, &done);
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

static void end_process(struct worker *w, int signal, double grace_s);

static bool is_over_output_limit(const struct worker *w, size_t n_more)
{
    uint64_t limit_bytes = w->o->max_output_bytes;

    return limit_bytes > 0 && (w->current.intent == LIMIT_OUTPUT || w->current.output.n_text + n_more > limit_bytes);
}

static void end_for_output(struct worker *w)
{
    if (w->current.intent == LIMIT_OUTPUT)
        return;
    w->current.intent = LIMIT_OUTPUT; /* also of one that was being ended */
    end_process(w, SIGTERM, w->grace_s);
}

/* Takes what is in the pipe, at most `n_reads` chunks. The task goes on writing while we do: the disk's
 * speed is what holds it back, and no more than one chunk is ever in memory. */
static size_t drain_pipe(struct worker *w, int fd, enum output_stream stream, uint32_t n_reads)
{
    struct attempt *a = &w->current;
    size_t n_drained = 0;
    ssize_t n;

    while (n_reads-- > 0 && (n = read(fd, w->bytes, OUTPUT_CHUNK_BYTES)) > 0) {
        n_drained += (size_t)n;
        keep_tail(a, w->bytes, (size_t)n);
        if (is_over_output_limit(w, (size_t)n)) {
            end_for_output(w);
            continue; /* a task that does not heed TERM goes on until KILL */
        }
        if (a->output_err.cause == ERROR_NONE &&
            output_append(w->output, a->task, a->number, stream, w->bytes, (size_t)n, &a->output,
                          &a->output_err) < 0)
            a->output_errno = errno;
    }
    return n_drained;
}

/* A line each is a wake-up each and a chunk each: of who writes again and again, and little, some are let gather. The
 * first is taken at once; and the pause is such that at the rate of the last time the pipe does not get full: who
 * writes much is not held back. */
static void pause_output(struct attempt *a, size_t n_drained)
{
    double now_s = clock_now_s(), since_s = now_s - a->drained_s;
    double pause_s = since_s < 2 * GATHER_S ? fmin(GATHER_S, since_s * GATHER_BYTES / (double)n_drained) : 0;

    if (pause_s >= LEAST_PAUSE_S)
        a->output_s = now_s + pause_s;
    a->drained_s = now_s;
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
    struct environment_place place = {.worker = w->comm->rank, .run_dir = w->run_dir, .epoch = w->epoch};

    if (w->tmpdir.path == NULL && tmpdir_open(&w->tmpdir, err) < 0)
        return -1;
    make_argv(w, run);
    place.tmpdir = w->tmpdir.path;
    order.argv = w->argv;
    order.envp = environment_make(&w->environment, run, &place);
    if (choose_affinity(w, run, &mask, &order, err) < 0 ||
        memory_begin(&w->memory, run->memory_bytes, &order, err) < 0)
        return -1;
    return process_start(&w->current.process, &order, failed, err);
}

static void reset_attempt(struct attempt *a, const struct run *run)
{
    a->task = run->task;
    a->number = run->attempt;
    snprintf(a->id, sizeof(a->id), "%s", run->id.bytes);
    a->timeout_s = a->kill_s = INFINITY;
    a->intent = LET_RUN;
    a->output = (struct output_place){.n_bytes = 0};
    a->n_tail = 0;
    a->output_s = a->drained_s = 0;
    a->output_err.cause = ERROR_NONE;
}

/* Says that the current task ended without having run. */
static int say_not_run(struct worker *w, enum task_end end, int code, const char *why, struct ganger_error *err)
{
    double now_s = since_origin_s(w, clock_now_s());
    struct task_result result = {.end = end, .code = code, .start_s = now_s, .end_s = now_s, .tail = why};

    result.n_tail_bytes = why != NULL ? (uint32_t)strnlen(why, TASK_TAIL_BYTES) : 0;
    if (w->calls.isolated != NULL)
        return worker_calls_end_isolated(w, &result, err);
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

int worker_start_isolated(struct worker *w, const struct ganger_call *call, char **argv, int given_fd, int taken_fd,
                          struct ganger_error *err)
{
    struct buffer words = BUFFER_EMPTY, slots = BUFFER_EMPTY;
    char given[64], *taken = xasprintf(CALL_TAKEN_VARIABLE "=/proc/%d/fd/%d", (int)getpid(), taken_fd);
    struct run run = {.task = call->task,
                      .attempt = call->attempt,
                      .id = {call->id, (uint32_t)strlen(call->id)},
                      .n_env = 1,
                      .env = {taken, (uint32_t)strlen(taken) + 1},
                      .cwd = {"", 0},
                      .timeout_s = call->timeout_s,
                      .memory_bytes = call->memory_bytes,
                      .slots = call_put_slots(call, &slots),
                      .gpus = call->place != NULL ? call->place->gpus : (struct text){"", 0}};
    int status;

    snprintf(given, sizeof(given), "/proc/%d/fd/%d", (int)getpid(), given_fd);
    run.stdin_path = (struct text){given, (uint32_t)strlen(given)};
    for (; argv[run.n_argv] != NULL; run.n_argv++)
        buffer_put(&words, argv[run.n_argv], strlen(argv[run.n_argv]) + 1);
    run.argv = (struct text){words.bytes, (uint32_t)words.n};
    reset_attempt(&w->current, &run);
    w->current_run.n = 0;
    status = start_task(w, &run, err);
    buffer_release(&words);
    buffer_release(&slots);
    free(taken);
    return status;
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

/* It would only do again what it has done. */
static int say_unchanged(struct worker *w, struct ganger_error *err)
{
    double now_s = since_origin_s(w, clock_now_s());
    struct task_result result = {.end = TASK_EXITED, .start_s = now_s, .end_s = now_s, .is_unchanged = true};

    return say_done(w, &result, err);
}

/* Has it made what it has to? */
static bool has_outputs(struct worker *w, const struct run *run)
{
    int number;

    return presence_find_missing(cwd_of(w, run), run->outputs.bytes, run->outputs.n, false, &number) == NULL;
}

/* Reads some more of its inputs. */
static int look_into_inputs(struct worker *w, const struct run *run, struct ganger_error *err)
{
    struct looking *l = &w->looking;

    l->is_on = !fingerprint_step(&l->print, BYTES_PER_ROUND);
    if (l->is_on)
        return 0;
    l->found = fingerprint_value(&l->print);
    return l->found == run->fingerprint && has_outputs(w, run) ? say_unchanged(w, err) : start_task(w, run, err);
}

/* Its inputs are there. */
static int prepare_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    w->looking.found = FINGERPRINT_NONE;
    if (run->fingerprint == FINGERPRINT_ANY && has_outputs(w, run))
        return say_unchanged(w, err);
    if (!run->wants_fingerprint)
        return start_task(w, run, err);
    fingerprint_begin(&w->looking.print, cwd_of(w, run), run->inputs.bytes, run->inputs.n);
    return look_into_inputs(w, run, err);
}

static int go_on_looking(struct worker *w, struct ganger_error *err)
{
    struct run run;

    if (reopen_run(&w->current_run, &run, err) < 0 || look_into_inputs(w, &run, err) < 0)
        return -1;
    return worker_is_busy(w) ? 0 : start_advance(w, err);
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
    if ((path == NULL ? prepare_task(w, &run, err) : say_input_missing(w, &run, path, number, err)) < 0)
        return -1;
    return worker_is_busy(w) ? 0 : start_advance(w, err);
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
    task_result_set_end(result, TASK_OUTPUT_MISSING, number, why);
    return 0;
}

/* ---- taking and ending tasks ---- */

int worker_take_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    reset_attempt(&w->current, run);
    w->current_run.n = 0;
    if (run->inputs.n > 0 || run->outputs.n > 0)
        keep_run(w, &w->current_run, run);
    return has_inputs(w, run) ? prepare_task(w, run, err) : 0;
}

/* Starts what was sent in advance. */
static int start_advance(struct worker *w, struct ganger_error *err)
{
    struct run run;

    if (!worker_has_advance(w))
        return 0;
    if (reopen_run(&w->advance, &run, err) < 0)
        return -1;
    w->advance.n = 0; /* its bytes stay until the next is put there */
    return worker_take_task(w, &run, err);
}

/* Also one that was not looked at. */
static bool may_hold_output(const struct pollfd *pipe)
{
    return pipe->revents != 0 || pipe->fd < 0;
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
    if (may_hold_output(&w->fds[FD_OUT]) || end->left_others)
        drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_AT_END);
    if (may_hold_output(&w->fds[FD_ERR]) || end->left_others)
        drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_AT_END);
    return end->left_others ? renew_pipes(w, err) : 0;
}

/* What its end counts as, by what its process did and what we wanted. A task whose output is lost cannot count as
 * done. */
static void judge_end(const struct attempt *a, const struct process_end *end, struct task_result *result)
{
    result->end = end->is_signal ? TASK_SIGNALLED : TASK_EXITED;
    result->code = end->code;
    if (a->intent == TIME_OUT)
        result->end = TASK_TIMED_OUT;
    else if (a->intent == LIMIT_OUTPUT)
        result->end = TASK_OUTPUT_LIMIT;
    else if (a->intent == CANCEL && (end->is_signal || end->code != 0))
        result->end = TASK_CANCELLED;
    if (!end->is_signal && result->end != TASK_EXITED)
        result->code = 0;
    if (result->end != TASK_EXITED || result->code != 0) {
        result->n_tail_bytes = a->n_tail < TASK_TAIL_BYTES ? a->n_tail : TASK_TAIL_BYTES;
        result->tail = a->tail + a->n_tail - result->n_tail_bytes;
    }
    if (a->output_err.cause != ERROR_NONE && (result->end == TASK_EXITED || result->end == TASK_SIGNALLED)) {
        result->end = TASK_OUTPUT_LOST;
        result->code = a->output_errno;
        result->tail = a->output_err.text;
        result->n_tail_bytes = (uint32_t)strnlen(a->output_err.text, TASK_TAIL_BYTES);
    }
}

/* Of a task that has ended for want of memory, why. */
static void judge_memory(struct worker *w, const struct process_end *end, struct task_result *result,
                         char why[TASK_TAIL_BYTES])
{
    enum intent intent = w->current.intent;
    enum memory_verdict verdict = MEMORY_INNOCENT;

    if (intent == LET_RUN || intent == LIMIT_MEMORY)
        verdict = memory_judge(&w->memory, intent == LIMIT_MEMORY, end);
    if (verdict == MEMORY_INNOCENT)
        return;
    memory_describe(&w->memory, verdict, end, why, TASK_TAIL_BYTES);
    task_result_set_end(result, TASK_OUT_OF_MEMORY, end->is_signal ? end->code : end->code - 128, why);
}

/* Whoever ends a batch job signals all of its processes, tasks before their workers as it may be. */
static bool was_meant_for_all(const struct worker *w, const struct process_end *end)
{
    int signal = end->is_signal ? end->code : end->code - 128;
    bool may_be = signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
    struct pollfd told = {w->o->signal_fd, POLLIN, 0};

    return poll(&told, 1, may_be ? TOLD_WITHIN_MS : 0) > 0;
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
        log_warning("worker %u: what task %s left could not be killed within %g s (it is stuck in the kernel, or "
                    "forks faster than it dies); it will be tried again",
                    w->comm->rank, a->id, PROCESS_KILL_S);
    if (a->intent == LET_RUN && (end.is_signal || end.code != 0) && was_meant_for_all(w, &end))
        a->intent = CANCEL;
    judge_end(a, &end, &result);
    judge_memory(w, &end, &result, why);
    if (check_outputs(w, &result, why, err) < 0)
        return -1;
    if (w->looking.found != FINGERPRINT_NONE)
        result.fingerprint = fingerprint_is_current(&w->looking.print) ? w->looking.found : FINGERPRINT_UNSURE;
    result.cpu_s = end.cpu_s;
    result.delay_s = end.delay_s;
    result.max_rss_bytes = end.max_rss_bytes;
    result.output_offset = a->output.offset;
    result.output_bytes = a->output.n_bytes;
    result.text_bytes = a->output.n_text;
    if (w->calls.isolated != NULL)
        return worker_calls_end_isolated(w, &result, err);
    return say_done(w, &result, err) < 0 ? -1 : start_advance(w, err);
}

void worker_keep_in_advance(struct worker *w, const struct run *run)
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

int worker_cancel_task(struct worker *w, int signal, double grace_s, struct ganger_error *err)
{
    if (worker_is_preparing(w)) {
        w->awaiting.is_on = w->looking.is_on = false;
        return say_not_run(w, TASK_CANCELLED, 0, NULL, err);
    }
    if (!worker_is_running(w))
        return 0;
    if (w->current.intent == LET_RUN)
        w->current.intent = CANCEL;
    end_process(w, signal, grace_s);
    return 0;
}

void worker_signal_task(struct worker *w, const struct cancel *cancel)
{
    struct attempt *a = &w->current;

    if (!worker_is_running(w) || a->task != cancel->task || a->number != cancel->attempt)
        return;
    if (a->intent == LET_RUN)
        a->intent = CANCEL;
    process_signal(&a->process, cancel->signal);
}

static void time_task_out(struct worker *w)
{
    w->current.timeout_s = INFINITY;
    if (!isinf(w->current.kill_s)) /* it is being ended */
        return;
    w->current.intent = TIME_OUT;
    end_process(w, SIGTERM, w->grace_s);
}

/* At once: until the end of a grace it could take all that there is. */
static void end_for_memory(struct worker *w)
{
    if (w->current.intent == LET_RUN)
        w->current.intent = LIMIT_MEMORY;
    end_process(w, SIGKILL, 0);
}

int worker_refuse_task(struct worker *w, const struct run *run, struct ganger_error *err)
{
    reset_attempt(&w->current, run);
    return say_not_run(w, TASK_CANCELLED, 0, NULL, err);
}

/* ---- following it ---- */

/* Of an idle worker: another try on what tasks left. */
static void kill_again(struct worker *w)
{
    if (w->kill_again_s <= clock_now_s())
        w->kill_again_s = process_kill_others(PROCESS_KILL_S) ? INFINITY : clock_now_s() + KILL_AGAIN_S;
}

static int attend_process(struct worker *w, struct ganger_error *err)
{
    struct attempt *a = &w->current;
    size_t n_drained = 0;
    double now_s;

    if (w->fds[FD_CHILD].revents != 0)
        return end_task(w, err);
    if (w->fds[FD_OUT].revents != 0)
        n_drained += drain_pipe(w, w->pipes.out[0], OUTPUT_STDOUT, READS_PER_ROUND);
    if (w->fds[FD_ERR].revents != 0)
        n_drained += drain_pipe(w, w->pipes.err[0], OUTPUT_STDERR, READS_PER_ROUND);
    if (n_drained > 0)
        pause_output(a, n_drained);
    now_s = clock_now_s();
    if (a->kill_s <= now_s)
        end_process(w, SIGKILL, 0);
    if (a->timeout_s <= now_s)
        time_task_out(w);
    if (w->memory.look_s <= now_s && memory_look(&w->memory))
        end_for_memory(w);
    if (a->orphans_s <= now_s) {
        process_reap_orphans(&a->process);
        a->orphans_s = now_s + ORPHANS_S;
    }
    return a->tell_started_s <= now_s ? say_started(w, err) : 0;
}

int worker_attend(struct worker *w, struct ganger_error *err)
{
    if (worker_is_running(w))
        return attend_process(w, err);
    if (w->awaiting.is_on)
        return w->awaiting.look_s <= clock_now_s() ? look_for_inputs(w, err) : 0;
    if (w->looking.is_on)
        return go_on_looking(w, err);
    kill_again(w);
    return 0;
}

double worker_deadline_s(const struct worker *w)
{
    const struct attempt *a = &w->current;
    double output_s = a->output_s > clock_now_s() ? a->output_s : INFINITY, deadline_s;

    if (w->awaiting.is_on)
        return w->awaiting.look_s;
    if (w->looking.is_on)
        return 0; /* at once */
    if (!worker_is_running(w))
        return w->kill_again_s;
    deadline_s = fmin(fmin(a->tell_started_s, a->orphans_s), fmin(a->kill_s, a->timeout_s));
    return fmin(deadline_s, fmin(w->memory.look_s, output_s));
}

void worker_shift_deadlines(struct worker *w, double by_s)
{
    w->current.timeout_s += by_s;
    w->awaiting.until_s += by_s;
}

void worker_end_all(struct worker *w)
{
    struct process_end end;

    if (worker_is_running(w)) {
        process_signal(&w->current.process, SIGKILL);
        process_reap(&w->current.process, false, &end);
        comm_publish_group(w->comm, 0);
    } else if (!isinf(w->kill_again_s)) {
        process_kill_others(PROCESS_KILL_S);
    }
}
