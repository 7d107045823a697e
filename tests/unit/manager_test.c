/* The manager's loop, over a comm that follows a script: the test says what the workers say, and the
 * transcript is what the manager sent and made known, in the words of describe_* below. */
#include "manager.h"

#include "base/clock.h"
#include "core/message.h"
#include "graph_text.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define EPOCH 4
#define N_RANKS_MAX 8
#define ASKED_S 17.5

/* A script has one step a line:
 *
 *   W hello          worker W comes, with the slot W - 1 and two GPUs, "7" and "8"
 *   W claims S       the same, but it says that it has the slot S
 *   W differs        the same, but it is another program, with other functions
 *   W done ID CODE   worker W's task ended; ID may be "setup" or "teardown"
 *   W dies           worker W's process ends
 *   W loses ID       what worker W's task wrote could not be kept: the disk is full
 *   W deaf           from now on nothing can be sent to worker W
 *   W killed ID      the same, ended by us
 *   W called ID      worker W's function returned, after a microsecond
 *   W started ID
 *   W returned ID    worker W gives back what it was sent in advance
 *   W lost V         worker W, its node's leader, says that V's process has ended
 *   W blames V N     the same, and that it ran the task of that number, a function
 *   W asks           worker W's heartbeat
 *   short            from now on tasks run for a millisecond, before for a second
 *   later N          N seconds pass
 *   signal N         the manager's process gets a signal
 *   pass             the wait returns for no reason
 *   hooked           one hook, which waits at the gate, is let through, and has returned         */
struct script
{
    struct comm comm;
    const struct graph *graph;
    const struct registry *registry; /* NULL: no functions */
    const char *next;      /* rest of the script */
    bool is_ready;         /* `message` is to be received */
    uint32_t from;
    struct buffer message;
    struct buffer transcript;
    int signals[2];        /* a pipe that stands for the signalfd */
    int ends[2];           /* a pipe that tells when the allocation ends */
    bool ran_out;
    double run_s;
    pid_t pids[N_RANKS_MAX]; /* of processes that stand for workers; 0: none */
    bool is_unchanged; /* what the next DONE says */
    uint32_t deaf;     /* the worker to which nothing can be sent; 0: none */
    bool differs;      /* the next HELLO is of another program */
};

/* Hooks run on a thread of their own: the script says when they go on. */
static int gate[2];

/* In place of base/clock.c: here seconds may pass at once. */
static double passed_s;

static double read_clock(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return passed_s + (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_now_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double clock_wall_s(void)
{
    return read_clock(CLOCK_REALTIME);
}

static struct script *of(struct comm *c)
{
    return (struct script *)c;
}

static const char *name_of_task(const struct script *s, task_id t)
{
    if (t == TASK_SETUP || t == TASK_TEARDOWN)
        return t == TASK_SETUP ? "setup" : "teardown";
    return s->graph->tasks[t].id;
}

static int script_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    static const char *const modes[] = {"when done", "term", "kill"};
    struct script *s = of(c);
    struct message_header h;
    struct cursor cursor;
    struct run run;
    struct stop stop;
    struct recall recall;
    struct call_order order;
    struct cancel cancel;
    struct heartbeat heartbeat;

    if (to == s->deaf)
        return error_set(err, ERROR_SYSTEM, "worker %u is deaf", to);
    assert_int_equal(message_open(&h, &cursor, bytes, n, err), 0);
    assert_int_equal(h.worker, to);
    assert_int_equal(h.epoch, EPOCH);
    switch (h.kind) {
    case MESSAGE_WELCOME: buffer_printf(&s->transcript, "%u WELCOME\n", to); break;
    case MESSAGE_RUN:
        assert_int_equal(message_next_run(&cursor, &run, err), 0);
        buffer_printf(&s->transcript, "%u RUN %s", to, name_of_task(s, run.task));
        if (run.attempt > 1)
            buffer_printf(&s->transcript, " %u", run.attempt);
        for (const char *id = run.gpus.bytes; id < run.gpus.bytes + run.gpus.n; id += strlen(id) + 1)
            buffer_printf(&s->transcript, " gpu %s", id);
        buffer_printf(&s->transcript, "\n");
        break;
    case MESSAGE_CALL:
        buffer_printf(&s->transcript, "%u CALL", to);
        for (uint32_t i = 0; i < h.n_records; i++) {
            assert_int_equal(message_next_call(&cursor, &order, err), 0);
            buffer_printf(&s->transcript, " %s", name_of_task(s, order.task));
        }
        buffer_printf(&s->transcript, "\n");
        break;
    case MESSAGE_RECALL:
        buffer_printf(&s->transcript, "%u RECALL", to);
        for (uint32_t i = 0; i < h.n_records; i++) {
            assert_int_equal(message_next_recall(&cursor, &recall, err), 0);
            buffer_printf(&s->transcript, " %s", name_of_task(s, recall.task));
        }
        buffer_printf(&s->transcript, "\n");
        break;
    case MESSAGE_CANCEL:
        assert_int_equal(message_next_cancel(&cursor, &cancel, err), 0);
        buffer_printf(&s->transcript, "%u CANCEL %s %d\n", to, name_of_task(s, cancel.task), (int)cancel.signal);
        break;
    case MESSAGE_STOP:
        assert_int_equal(message_next_stop(&cursor, &stop, err), 0);
        buffer_printf(&s->transcript, "%u STOP %s%s\n", to, modes[stop.mode], stop.stays ? ", stay" : "");
        break;
    case MESSAGE_HEARTBEAT:
        assert_int_equal(message_next_heartbeat(&cursor, &heartbeat, err), 0);
        assert_true(heartbeat.clock_s == ASKED_S);
        buffer_printf(&s->transcript, "%u answered\n", to);
        break;
    default: fail();
    }
    return 0;
}

static void script_ring(struct comm *c, uint32_t to)
{
    (void)c, (void)to;
}

static bool script_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    struct script *s = of(c);

    if (!s->is_ready)
        return false;
    s->is_ready = false;
    *from = s->from;
    *bytes = s->message.bytes;
    *n = s->message.n;
    return true;
}

/* A process that stands for a worker: does nothing until it is killed. */
static pid_t start_stand_in(void)
{
    pid_t parent = getpid(), pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) /* it died before we asked to be told */
            _exit(1);
        for (;;)
            pause();
    }
    return pid;
}

static void prepare_hello(struct script *s, int slot)
{
    pid_t pid = s->pids[s->from] = start_stand_in();
    struct hello hello = {.host = {"host", 4}, .pid = (uint32_t)pid, .gpus = {"7\0008", 4},
                          .cpu = UINT32_MAX, .slot = (uint16_t)slot,
                          .n_node_slots = 8, .memory_bytes = (uint64_t)1 << 30,
                          .registry_digest = s->registry != NULL ? registry_digest(s->registry) : 0};

    if (s->differs)
        hello.registry_digest++, hello.functions = (struct text){"other", 6};
    message_begin(&s->message, MESSAGE_HELLO, 0, s->from);
    message_add_hello(&s->message, &hello);
}

static task_id find_task(const struct script *s, const char *id)
{
    if (strcmp(id, "setup") == 0)
        return TASK_SETUP;
    return strcmp(id, "teardown") == 0 ? TASK_TEARDOWN : graph_find(s->graph, id, strlen(id));
}

static void prepare_done(struct script *s, const char *id, uint32_t attempt, enum task_end how, int code)
{
    struct done done = {.task = find_task(s, id), .attempt = attempt,
                        .result = {.end = how, .code = code, .tail = "", .end_s = s->run_s,
                                   .is_unchanged = s->is_unchanged},
                        .next = TASK_NONE};

    message_begin(&s->message, MESSAGE_DONE, EPOCH, s->from);
    message_add_done(&s->message, &done);
}

static void prepare_called(struct script *s, const char *id)
{
    struct call_report report = {.task = find_task(s, id), .attempt = 1, .has_bytes = true,
                                 .result = {.end = TASK_EXITED, .tail = "", .end_s = 1e-6}, .bytes = {"", 0}};

    message_begin(&s->message, MESSAGE_CALLED, EPOCH, s->from);
    message_add_called(&s->message, &report);
}

static void prepare_started(struct script *s, const char *id)
{
    struct started started = {graph_find(s->graph, id, strlen(id)), 1, 0.5};

    message_begin(&s->message, MESSAGE_STARTED, EPOCH, s->from);
    message_add_started(&s->message, &started);
}

static void prepare_returned(struct script *s, const char *id)
{
    struct recall returned = {graph_find(s->graph, id, strlen(id)), 1};

    message_begin(&s->message, MESSAGE_RETURNED, EPOCH, s->from);
    message_add_recall(&s->message, &returned);
}

static void prepare_lost(struct script *s, uint32_t worker, task_id call)
{
    struct lost lost = {worker, call};

    message_begin(&s->message, MESSAGE_LOST, EPOCH, s->from);
    message_add_lost(&s->message, &lost);
}

static void prepare_heartbeat(struct script *s)
{
    struct heartbeat heartbeat = {.clock_s = ASKED_S};

    message_begin(&s->message, MESSAGE_HEARTBEAT, EPOCH, s->from);
    message_add_heartbeat(&s->message, &heartbeat);
}

static void send_signal(const struct script *s, int number)
{
    struct signalfd_siginfo info = {.ssi_signo = (uint32_t)number};

    assert_int_equal(write(s->signals[1], &info, sizeof(info)), sizeof(info));
}

/* Makes the next line of the script happen. */
static int script_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s,
                       struct ganger_error *err)
{
    struct script *s = of(c);
    char line[80] = "", word[32] = "", id[32] = "";
    int code = 0;
    uint32_t attempt = 1;
    size_t length = strcspn(s->next, "\n");

    assert_true(deadline_s > clock_now_s()); /* what is over is not waited for: that would not be waiting */
    if (*s->next == '\0') {
        s->ran_out = true;
        return error_set(err, ERROR_SYSTEM, "the script is over, and the manager waits");
    }
    memcpy(line, s->next, length);
    s->next += length + (s->next[length] == '\n');
    s->is_ready = true;
    if (sscanf(line, "signal %d", &code) == 1) {
        send_signal(s, code);
        s->is_ready = false;
    } else if (strcmp(line, "short") == 0) {
        s->run_s = 0.001;
        s->is_ready = false;
    } else if (sscanf(line, "ends %d", &code) == 1) { /* the allocation, in so many seconds */
        double end_s = clock_now_s() + code;

        assert_int_equal(write(s->ends[1], &end_s, sizeof(end_s)), sizeof(end_s));
        s->is_ready = false;
    } else if (strcmp(line, "hooked") == 0) {
        s->is_ready = false;
        assert_int_equal(write(gate[1], "", 1), 1);
        return poll(fds, n, 10000) < 0 ? -1 : 0;
    } else if (sscanf(line, "later %d", &code) == 1) {
        passed_s += code;
        s->is_ready = false;
    } else if (sscanf(line, "%u %31s %31s %d %u", &s->from, word, id, &code, &attempt) < 2) {
        s->is_ready = false;
    } else if (strcmp(word, "dies") == 0) {
        kill(s->pids[s->from], SIGKILL);
        s->is_ready = false;
        return poll(fds, n, 10000) < 0 ? -1 : 0;
    } else if (strcmp(word, "hello") == 0) {
        prepare_hello(s, (int)s->from - 1);
    } else if (strcmp(word, "differs") == 0) {
        s->differs = true;
        prepare_hello(s, (int)s->from - 1);
        s->differs = false;
    } else if (strcmp(word, "deaf") == 0) {
        s->deaf = s->from;
        s->is_ready = false;
    } else if (strcmp(word, "loses") == 0) {
        prepare_done(s, id, attempt, TASK_OUTPUT_LOST, ENOSPC);
    } else if (strcmp(word, "claims") == 0) {
        prepare_hello(s, atoi(id));
    } else if (strcmp(word, "called") == 0) {
        prepare_called(s, id);
    } else if (strcmp(word, "started") == 0) {
        prepare_started(s, id);
    } else if (strcmp(word, "returned") == 0) {
        prepare_returned(s, id);
    } else if (strcmp(word, "lost") == 0) {
        prepare_lost(s, (uint32_t)strtoul(id, NULL, 10), TASK_NONE);
    } else if (strcmp(word, "blames") == 0) {
        prepare_lost(s, (uint32_t)strtoul(id, NULL, 10), (task_id)code);
    } else if (strcmp(word, "asks") == 0) {
        prepare_heartbeat(s);
    } else if (strcmp(word, "unchanged") == 0) {
        s->is_unchanged = true;
        prepare_done(s, id, attempt, TASK_EXITED, 0);
        s->is_unchanged = false;
    } else {
        prepare_done(s, id, attempt, strcmp(word, "done") == 0 ? TASK_EXITED : TASK_CANCELLED, code);
    }
    return poll(fds, n, 0) < 0 ? -1 : 0;
}

static const struct comm_ops script_ops = {script_send, script_ring, script_receive, script_wait, NULL, NULL};

static void sink(void *data, const struct event *e)
{
    struct script *s = data;

    switch (e->kind) {
    case EVENT_TASK_UNCHANGED: buffer_printf(&s->transcript, "unchanged %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_KEPT: buffer_printf(&s->transcript, "kept %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_DONE: buffer_printf(&s->transcript, "done %s\n", name_of_task(s, e->task)); break;
    case EVENT_CALLS_DONE:
        for (uint32_t i = 0; i < e->n_calls; i++)
            buffer_printf(&s->transcript, "done %s\n", name_of_task(s, e->calls[i].task));
        break;
    case EVENT_TASK_FAILED: buffer_printf(&s->transcript, "failed %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_CANCELLED:
        buffer_printf(&s->transcript, "cancelled %s\n", name_of_task(s, e->task));
        break;
    case EVENT_TASK_RETURNED:
        buffer_printf(&s->transcript, "returned %s\n", name_of_task(s, e->task));
        break;
    case EVENT_TASK_SKIPPED:
        buffer_printf(&s->transcript, "skipped %s for %s\n", name_of_task(s, e->task),
                      name_of_task(s, e->cause));
        break;
    case EVENT_TASK_RETRIED:
        buffer_printf(&s->transcript, "retried %s\n", name_of_task(s, e->task));
        break;
    case EVENT_TASK_ENDED: buffer_printf(&s->transcript, "ended %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_AGAIN: buffer_printf(&s->transcript, "again %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_NOT_NEEDED:
        if (e->cause == TASK_NONE) {
            buffer_printf(&s->transcript, "not needed %s\n", name_of_task(s, e->task));
            break;
        }
        buffer_printf(&s->transcript, "not needed %s for %s\n", name_of_task(s, e->task),
                      name_of_task(s, e->cause));
        break;
    case EVENT_WORKER_LOST: buffer_printf(&s->transcript, "lost %u\n", e->worker); break;
    case EVENT_NODE_SETUP: buffer_printf(&s->transcript, "setup ended\n"); break;
    case EVENT_NODE_TEARDOWN: buffer_printf(&s->transcript, "teardown ended\n"); break;
    case EVENT_RUN_STOPPING: buffer_printf(&s->transcript, "stopping: %s\n", e->text); break;
    default: break;
    }
}

struct outcome
{
    int status;
    struct ganger_error err;
    struct manager_report report;
};

static void end_stand_ins(const struct script *s)
{
    for (uint32_t rank = 0; rank < N_RANKS_MAX; rank++) {
        if (s->pids[rank] == 0)
            continue;
        kill(s->pids[rank], SIGKILL);
        assert_int_equal(waitpid(s->pids[rank], NULL, 0), s->pids[rank]);
    }
}

/* Runs the graph by the script, with that many workers, and compares the transcript. `asked` has what is asked
 * for beyond that; its comm, if there is one, says on which nodes they are. */
static struct outcome expect_with(struct graph *graph, uint32_t n_workers, const char *script,
                                  const char *transcript, const struct manager_options *asked)
{
    static const uint32_t one_node[N_RANKS_MAX] = {0};
    const uint32_t *nodes = asked->comm != NULL ? asked->comm->nodes : one_node;
    struct script s = {.comm = {.ops = &script_ops, .size = n_workers + 1, .nodes = nodes},
                       .graph = graph,
                       .registry = asked->registry,
                       .next = script,
                       .run_s = 1};
    struct event_sinks sinks = {0};
    struct manager_options options = *asked;
    struct outcome outcome = {0};

    options.comm = &s.comm;
    options.graph = graph;
    options.sinks = &sinks;
    options.launcher_fd = -1;
    options.epoch = EPOCH;
    options.origin_s = clock_now_s();
    options.run_dir = "/run";
    options.cwd = "/";
    options.env = "";
    options.grace_s = 5;
    assert_int_equal(pipe2(s.signals, 04000 /* O_NONBLOCK */), 0);
    options.signal_fd = s.signals[0];
    assert_int_equal(pipe2(s.ends, 04000), 0);
    options.end_fd = strstr(script, "ends") != NULL ? s.ends[0] : -1;
    options.end_ask_fd = -1;
    options.end_margin_s = 10;
    event_add_sink(&sinks, sink, &s);
    outcome.status = manager_run(&options, &outcome.report, &outcome.err);
    end_stand_ins(&s);
    buffer_put_u8(&s.transcript, 0);
    assert_string_equal(s.transcript.bytes, transcript);
    assert_string_equal(s.next, "");
    assert_false(s.ran_out);
    close(s.signals[0]);
    close(s.signals[1]);
    close(s.ends[0]);
    close(s.ends[1]);
    buffer_release(&s.transcript);
    buffer_release(&s.message);
    graph_free(graph);
    return outcome;
}

static struct outcome expect(const char *graph_text, uint32_t n_workers, const char *script,
                             const char *transcript, bool fail_fast, const bool *is_done)
{
    const struct manager_options asked = {.max_failures = fail_fast, .is_done = is_done};

    return expect_with(graph_from_text(graph_text), n_workers, script, transcript, &asked);
}

static void test_workers_are_welcomed_and_get_tasks_as_they_come(void **unused)
{
    struct outcome o = expect("a\nb\nc: a b", 2,
                              "1 hello\n2 hello\n1 done a 0\n2 done b 0\n2 done c 0\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\ndone a\ndone b\n2 RUN c\ndone c\n"
                              "1 STOP when done\n2 STOP when done\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, 0);
    assert_int_equal(o.report.n_workers, 2);
    assert_int_equal(o.report.signal, 0);
}

static void test_failure_skips_and_the_rest_goes_on(void **unused)
{
    struct outcome o = expect("a\nb: a\nc", 1, "1 hello\n1 done a 3\n1 done c 0\n",
                              "1 WELCOME\n1 RUN a\nfailed a\nskipped b for a\n1 RUN c\ndone c\n"
                              "1 STOP when done\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, 0); /* events tell of failures */
}

static void test_fail_fast_starts_nothing_more_and_lets_the_rest_finish(void **unused)
{
    (void)unused;
    expect("a\nb\nc", 2, "1 hello\n2 hello\n1 done a 1\n2 done b 0\n",
           "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nfailed a\n"
           "stopping: a task failed (--fail-fast)\ndone b\n1 STOP when done\n2 STOP when done\n",
           true, NULL);
}

static void test_interrupt_ends_what_runs(void **unused)
{
    struct outcome o = expect("a\nb\nc", 2, "1 hello\n2 hello\nsignal 2\n1 killed a 15\n2 done b 0\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nstopping: interrupted\n1 STOP term\n"
                              "2 STOP term\ncancelled a\ndone b\n1 STOP term\n2 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, 0);
    assert_int_equal(o.report.signal, SIGINT);
}

static void test_second_interrupt_is_immediate(void **unused)
{
    struct outcome o = expect("a", 1, "1 hello\nsignal 15\nsignal 2\n1 killed a 9\n",
                              "1 WELCOME\n1 RUN a\nstopping: told to end\n1 STOP term\n1 STOP kill\n"
                              "cancelled a\n1 STOP kill\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.report.signal, SIGTERM); /* the first one counts */
}

/* A batch system signals the launcher as well, and the launcher tells us. */
static void test_term_twice_at_once_is_one(void **unused)
{
    (void)unused;
    expect("a", 1, "1 hello\nsignal 15\nsignal 15\n1 killed a 15\n",
           "1 WELCOME\n1 RUN a\nstopping: told to end\n1 STOP term\ncancelled a\n1 STOP term\n", false, NULL);
}

static void test_slot_of_another_worker_ends_the_run(void **unused)
{
    struct outcome o = expect("a\nb", 2, "1 hello\n2 claims 0\n1 killed a 15\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\nstopping: internal error: worker 2 says that it has "
                              "slot 0 of node host, which another worker has; please report this\n"
                              "1 STOP term\n2 STOP term\n"
                              "cancelled a\n1 STOP term\n2 STOP term\n", NULL, 0);

    (void)unused;
    assert_int_equal(o.status, -1);
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_dead_worker_does_not_come_again(void **unused)
{
    struct outcome o = expect("a", 2, "1 hello\n1 dies\n1 hello\n2 hello\n2 done a 0 2\n",
                              "1 WELCOME\n1 RUN a\nlost 1\nretried a\n2 WELCOME\n2 RUN a 2\ndone a\n"
                              "1 STOP when done\n2 STOP when done\n", NULL, 0);

    (void)unused;
    assert_int_equal(o.status, 0);
    assert_int_equal(o.report.n_workers, 2);
}

static void test_words_about_no_task_change_nothing(void **unused)
{
    (void)unused;
    expect("a", 2, "1 hello\n2 hello\n2 done nobody 0\n2 started nobody\n2 returned nobody\n1 done a 0\n",
           "1 WELCOME\n1 RUN a\n2 WELCOME\ndone a\n1 STOP when done\n2 STOP when done\n", false, NULL);
}

static void test_stale_words_change_nothing(void **unused)
{
    (void)unused;
    expect("a\nb: a", 2, "1 hello\n2 hello\n2 done a 0\n1 done b 0\n1 started a\n1 done a 0\n1 done a 0\n1 done b 0\n",
           "1 WELCOME\n1 RUN a\n2 WELCOME\ndone a\n1 RUN b\ndone b\n1 STOP when done\n2 STOP when done\n",
           false, NULL);
}

static void test_wide_task_waits_for_its_workers(void **unused)
{
    (void)unused;
    expect("wide cores=2\nb", 3, "1 hello\npass\n2 hello\n3 hello\n1 done wide 0\n3 done b 0\n",
           "1 WELCOME\n2 WELCOME\n1 RUN wide\n3 WELCOME\n3 RUN b\ndone wide\ndone b\n"
           "1 STOP when done\n2 STOP when done\n3 STOP when done\n",
           false, NULL);
}

static void test_task_that_fits_no_node_is_refused_before_anything_runs(void **unused)
{
    struct outcome o = expect("a\nwide cores=3", 2, "1 hello\n2 hello\n",
                              "1 WELCOME\n2 WELCOME\n"
                              "stopping: task \"wide\" fits on no node: it asks for 3 cores, more than any "
                              "node of this run has; ask for less, or start with more workers on a node (-n), or on "
                              "other nodes\n"
                              "1 STOP term\n2 STOP term\n1 STOP term\n2 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, -1);
    assert_int_equal(o.err.cause, ERROR_USAGE);
}

static void test_kept_tasks_do_not_run_again(void **unused)
{
    const bool is_done[] = {true, false, true};

    (void)unused;
    expect("a\nb: a\nc", 1, "1 hello\n1 done b 0\n",
           "kept a\nkept c\n1 WELCOME\n1 RUN b\ndone b\n1 STOP when done\n", false, is_done);
}

static void test_what_its_worker_found_unchanged_is_done(void **state)
{
    (void)state;
    expect("a\nb: a\nc : notok:a", 1, "1 hello\n1 unchanged a 0\n1 done b 0\n",
           "1 WELCOME\n1 RUN a\nreturned a\nunchanged a\nnot needed c for a\n1 RUN b\ndone b\n1 STOP when done\n",
           false, NULL);
}

static void test_run_with_everything_kept_ends_at_once(void **unused)
{
    const bool is_done[] = {true};

    (void)unused;
    expect("a", 2, "", "kept a\n1 STOP when done\n2 STOP when done\n", false, is_done);
}

static void test_short_tasks_are_sent_in_advance(void **unused)
{
    (void)unused;
    expect("a\nb\nc\nd", 1, "1 hello\nshort\n1 done a 0\n1 done b 0\n1 done c 0\n1 done d 0\n",
           "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\n1 RUN c\ndone b\n1 RUN d\ndone c\ndone d\n"
           "1 STOP when done\n",
           false, NULL);
}

static void test_what_waits_behind_a_long_task_is_recalled_for_an_idle_worker(void **unused)
{
    (void)unused;
    expect("a\nb\nc\nd\ne", 2,
           "1 hello\nshort\n1 done a 0\n2 hello\n2 done d 0\n2 done e 0\n1 returned c\n2 done c 0\n1 done b 0\n",
           "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\n1 RUN c\n2 WELCOME\n2 RUN d\n2 RUN e\ndone d\ndone e\n"
           "1 RECALL c\nreturned c\n2 RUN c\ndone c\ndone b\n1 STOP when done\n2 STOP when done\n",
           false, NULL);
}

static void test_recall_that_comes_too_late_does_no_harm(void **unused)
{
    (void)unused;
    expect("a\nb\nc\nd", 2,
           "1 hello\nshort\n1 done a 0\n2 hello\n2 done d 0\n1 done b 0\n1 done c 0\n",
           "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\n1 RUN c\n2 WELCOME\n2 RUN d\ndone d\n1 RECALL c\ndone b\ndone c\n"
           "1 STOP when done\n2 STOP when done\n",
           false, NULL);
}

static void test_fail_fast_sends_nothing_in_advance(void **unused)
{
    (void)unused;
    expect("a\nb\nc", 1, "1 hello\nshort\n1 done a 0\n1 done b 1\n",
           "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\nfailed b\nstopping: a task failed (--fail-fast)\n"
           "1 STOP when done\n",
           true, NULL);
}

static void test_worker_told_to_end_by_others_ends_the_run(void **unused)
{
    struct outcome o = expect("a\nb", 1, "1 hello\n1 killed a 15\n",
                              "1 WELCOME\n1 RUN a\ncancelled a\n"
                              "stopping: a worker was told to end\n"
                              "1 STOP term\n1 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

/* A policy for all tasks of the graph. */
static struct graph *with_policy(struct graph *g, struct task_policy policy)
{
    uint32_t number = graph_intern_policy(g, &policy);

    for (task_id t = 0; t < g->n_tasks; t++)
        g->tasks[t].policy = number;
    return g;
}

static void test_failed_task_is_tried_again_as_often_as_it_may(void **unused)
{
    const struct manager_options plain = {0};
    struct graph *g = with_policy(graph_from_text("a\nb: a"), (struct task_policy){.retries = 2});

    (void)unused;
    expect_with(g, 1, "1 hello\n1 done a 1\n1 done a 1 2\n1 done a 0 3\n1 done b 0\n",
                "1 WELCOME\n1 RUN a\nretried a\n1 RUN a 2\nretried a\n1 RUN a 3\ndone a\n1 RUN b\ndone b\n"
                "1 STOP when done\n",
                &plain);
    g = with_policy(graph_from_text("a\nb: a"), (struct task_policy){.retries = 1});
    expect_with(g, 1, "1 hello\n1 done a 1\n1 done a 1 2\n",
                "1 WELCOME\n1 RUN a\nretried a\n1 RUN a 2\nfailed a\nskipped b for a\n1 STOP when done\n",
                &plain);
}

static void test_limit_of_failures_is_exact(void **unused)
{
    const struct manager_options two = {.max_failures = 2};

    (void)unused;
    expect_with(graph_from_text("a\nb\nc\nd\ne"), 1, "1 hello\n1 done a 1\n1 done b 0\n1 done c 1\n",
                "1 WELCOME\n1 RUN a\nfailed a\n1 RUN b\ndone b\n1 RUN c\nfailed c\n"
                "stopping: 2 tasks failed (--max-failures)\n1 STOP when done\n",
                &two);
}

/* Short tasks are sent in advance only while the limit could not be reached by what is in flight. */
static void test_nothing_sent_in_advance_begins_after_the_last_failure_allowed(void **unused)
{
    const struct manager_options three = {.max_failures = 3};

    (void)unused;
    expect_with(graph_from_text("a\nb\nc\nd\ne\nf"), 1,
                "1 hello\nshort\n1 done a 0\n1 done b 1\n1 done c 1\n1 done d 1\n",
                "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\n1 RUN c\nfailed b\n1 RUN d\nfailed c\nfailed d\n"
                "stopping: 3 tasks failed (--max-failures)\n1 STOP when done\n",
                &three);
}

static void test_failures_in_a_row_are_counted_anew_after_a_success(void **unused)
{
    const struct manager_options two = {.max_failures_in_a_row = 2};

    (void)unused;
    expect_with(graph_from_text("a\nb\nc\nd\ne"), 1,
                "1 hello\n1 done a 1\n1 done b 0\n1 done c 1\n1 done d 1\n",
                "1 WELCOME\n1 RUN a\nfailed a\n1 RUN b\ndone b\n1 RUN c\nfailed c\n1 RUN d\nfailed d\n"
                "stopping: 2 tasks failed in a row (--max-consecutive-failures)\n1 STOP when done\n",
                &two);
}

static void test_what_may_fail_does_not_count(void **unused)
{
    const struct manager_options one = {.max_failures = 1};
    struct graph *g = with_policy(graph_from_text("a\nb: a"), (struct task_policy){.may_fail = true});

    (void)unused;
    expect_with(g, 1, "1 hello\n1 done a 1\n1 done b 0\n",
                "1 WELCOME\n1 RUN a\nfailed a\n1 RUN b\ndone b\n1 STOP when done\n", &one);
}

static void test_task_of_a_dead_worker_runs_elsewhere(void **unused)
{
    struct outcome o = expect("a\nb", 2, "1 hello\n2 hello\n1 dies\n2 done b 0\n2 done a 0 2\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nlost 1\nretried a\ndone b\n2 RUN a 2\n"
                              "done a\n1 STOP when done\n2 STOP when done\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, 0);
}

static void test_run_without_workers_ends(void **unused)
{
    struct outcome o = expect("a", 1, "1 hello\n1 dies\n",
                              "1 WELCOME\n1 RUN a\nlost 1\nretried a\n"
                              "stopping: all workers have died: the run ends; `--resume` continues it\n"
                              "1 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_run_to_which_no_worker_comes_ends(void **unused)
{
    struct outcome o = expect("a", 2, "later 61\n",
                              "stopping: no worker came within 60 s\n1 STOP term\n2 STOP term\n", false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_run_ends_when_what_tasks_write_cannot_be_kept(void **unused)
{
    struct outcome o = expect("a\nb\nc", 2, "1 hello\n2 hello\n1 loses a\n2 done b 0\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nfailed a\nstopping: what tasks write cannot be "
                              "kept, task \"a\": ; make room there, and `--resume` continues the run\ndone b\n"
                              "1 STOP when done\n2 STOP when done\n", false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_run_ends_when_a_worker_of_our_node_cannot_be_sent_to(void **unused)
{
    struct outcome o = expect("a\nb: a", 2, "1 hello\n2 hello\n1 deaf\n1 done a 0\nlater 16\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\ndone a\nstopping: worker 1 is deaf\n"
                              "2 STOP term\n2 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
    assert_string_equal(o.err.text, "worker 1 is deaf");
}

/* The run goes on without those that have not come; what is decided when all are here must be decided all the same. */
static void test_run_without_some_workers_ends_when_the_others_have_died(void **unused)
{
    struct outcome o = expect("a", 2, "1 hello\nlater 61\n1 dies\n",
                              "1 WELCOME\n1 RUN a\nlost 1\nretried a\n"
                              "stopping: all workers have died: the run ends; `--resume` continues it\n"
                              "1 STOP term\n2 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_run_whose_workers_died_waits_for_the_others_no_longer_than_usual(void **unused)
{
    (void)unused;
    expect("a", 2, "1 hello\n1 dies\nlater 61\n",
           "1 WELCOME\n1 RUN a\nlost 1\nretried a\n"
           "stopping: all workers have died: the run ends; `--resume` continues it\n1 STOP term\n2 STOP term\n",
           false, NULL);
}

static void test_what_is_cut_off_with_its_worker_is_recorded_once(void **unused)
{
    struct outcome o = expect("wide cores=2", 2, "1 hello\n2 hello\nsignal 15\n1 dies\n",
                              "1 WELCOME\n2 WELCOME\n1 RUN wide\nstopping: told to end\n1 STOP term\n2 STOP term\n"
                              "lost 1\ncancelled wide\n1 STOP term\n2 STOP term\n", NULL, 0);

    (void)unused;
    assert_int_equal(o.status, 0);
}

static void test_what_only_the_dead_could_hold_fails_also_without_some_workers(void **unused)
{
    (void)unused;
    expect("a\nwide cores=2: a", 3, "1 hello\n2 hello\nlater 61\n2 dies\n1 done a 0\n",
           "1 WELCOME\n2 WELCOME\n1 RUN a\nlost 2\ndone a\nfailed wide\n"
           "1 STOP when done\n2 STOP when done\n3 STOP when done\n",
           false, NULL);
}

static void test_what_only_the_dead_could_hold_fails(void **unused)
{
    (void)unused;
    expect("a\nwide cores=2: a\nb", 2, "1 hello\n2 hello\n2 dies\n1 done a 0\n1 done b 0 2\n",
           "1 WELCOME\n2 WELCOME\n1 RUN a\n2 RUN b\nlost 2\nretried b\ndone a\nfailed wide\n1 RUN b 2\ndone b\n"
           "1 STOP when done\n2 STOP when done\n",
           false, NULL);
}

/* What the workflow runs once on each node. */
static struct graph *with_node_tasks(const char *text)
{
    static const struct task setup = {.id = "node.setup", .argv = "true", .n_argv = 1, .n_argv_bytes = 5,
                                      .setting = &graph_text_setting};
    static const struct task teardown = {.id = "node.teardown", .argv = "true", .n_argv = 1, .n_argv_bytes = 5,
                                         .setting = &graph_text_setting};
    struct graph *g = graph_from_text(text);

    g->setup = &setup;
    g->teardown = &teardown;
    return g;
}

static void test_node_is_set_up_once_before_its_tasks_and_torn_down_after_them(void **unused)
{
    const struct manager_options plain = {0};

    (void)unused;
    expect_with(with_node_tasks("a\nb"), 2,
                "1 hello\n2 hello\n1 done setup 0\n1 done a 0\n2 done b 0\n1 done teardown 0\n",
                "1 WELCOME\n1 RUN setup\n2 WELCOME\nsetup ended\n1 RUN a\n2 RUN b\ndone a\ndone b\n"
                "1 RUN teardown\nteardown ended\n1 STOP when done\n2 STOP when done\n",
                &plain);
}

static void test_node_is_torn_down_also_when_the_run_is_told_to_end(void **unused)
{
    const struct manager_options plain = {0};

    (void)unused;
    expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\nsignal 15\n1 killed a 15\n1 done teardown 0\n",
                "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\nstopping: told to end\n1 STOP term, stay\n"
                "cancelled a\n1 RUN teardown\nteardown ended\n1 STOP term\n",
                &plain);
    expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\nsignal 15\nsignal 2\n1 killed a 9\n",
                "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\nstopping: told to end\n1 STOP term, stay\n"
                "1 STOP kill\ncancelled a\n1 STOP kill\n",
                &plain);
}

static void test_node_is_torn_down_also_when_a_task_does_not_end(void **unused)
{
    const struct manager_options plain = {0};
    struct outcome o = expect_with(
        with_node_tasks("a"), 1, "1 hello\n1 done setup 0\nsignal 15\nlater 16\n1 done teardown 0\n",
        "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\nstopping: told to end\n1 STOP term, stay\n"
        "1 RUN teardown\nteardown ended\n1 STOP term\n",
        &plain);

    (void)unused;
    assert_string_equal(o.err.text, "1 tasks did not end within 15 s of being told to: they are left");
}

static void test_run_ends_when_its_only_node_cannot_be_set_up(void **unused)
{
    const struct manager_options plain = {0};
    struct outcome o = expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 3\n",
                                   "1 WELCOME\n1 RUN setup\nsetup ended\n"
                                   "stopping: node.setup failed on node host (exit status 3), and there is no other "
                                   "node; `ganger logs RUN node.setup` shows what it wrote\n1 STOP term\n1 STOP term\n",
                                   &plain);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

static void test_run_ends_well_when_a_teardown_fails_or_does_not_end(void **unused)
{
    const struct manager_options plain = {0};
    struct outcome o;

    (void)unused;
    o = expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\n1 done a 0\n1 done teardown 3\n",
                    "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\ndone a\n1 RUN teardown\nteardown ended\n"
                    "1 STOP when done\n", &plain);
    assert_int_equal(o.status, 0);
    o = expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\n1 done a 0\nlater 1000\n",
                    "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\ndone a\n1 RUN teardown\n1 STOP when done\n", &plain);
    assert_int_equal(o.status, 0);
}

static void test_what_fits_on_no_node_that_came_is_refused_when_the_last_is_set_up(void **unused)
{
    const struct manager_options plain = {0};
    struct outcome o = expect_with(
        with_node_tasks("a cores=2"), 2, "1 hello\nlater 61\n1 done setup 0\n1 done teardown 0\n",
        "1 WELCOME\n1 RUN setup\nsetup ended\n"
        "stopping: task \"a\" fits on no node: it asks for 2 cores, more than any node of this run has; ask for less, "
        "or start with more workers on a node (-n), or on other nodes\n"
        "1 STOP term, stay\n1 RUN teardown\nteardown ended\n1 STOP term\n2 STOP term\n",
        &plain);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_USAGE);
}

static void test_setup_goes_on_when_its_worker_dies(void **unused)
{
    const struct manager_options plain = {0};

    (void)unused;
    expect_with(with_node_tasks("a"), 2,
                "1 hello\n2 hello\n1 dies\n2 done setup 0\n2 done a 0\n2 done teardown 0\n",
                "1 WELCOME\n1 RUN setup\n2 WELCOME\nlost 1\n2 RUN setup 2\nsetup ended\n2 RUN a\ndone a\n"
                "2 RUN teardown\nteardown ended\n1 STOP when done\n2 STOP when done\n",
                &plain);
}

static void test_run_ends_well_when_a_worker_dies_of_teardown(void **unused)
{
    const struct manager_options plain = {0};
    struct outcome o;

    (void)unused;
    o = expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\n1 done a 0\n1 dies\n",
                    "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\ndone a\n1 RUN teardown\nlost 1\n"
                    "1 STOP when done\n",
                    &plain);
    assert_int_equal(o.status, 0);
    o = expect_with(with_node_tasks("a"), 1, "1 hello\n1 done setup 0\nsignal 15\n1 killed a 15\n1 dies\n",
                    "1 WELCOME\n1 RUN setup\nsetup ended\n1 RUN a\nstopping: told to end\n1 STOP term, stay\n"
                    "cancelled a\n1 RUN teardown\nlost 1\n1 STOP term\n",
                    &plain);
    assert_int_equal(o.status, 0);
}

static void test_run_that_is_told_to_end_does_not_wait_for_a_setup_whose_worker_died(void **unused)
{
    const struct manager_options plain = {0};

    (void)unused;
    expect_with(with_node_tasks("a"), 1, "1 hello\nsignal 15\n1 dies\n",
                "1 WELCOME\n1 RUN setup\nstopping: told to end\n1 STOP term, stay\nlost 1\n1 STOP term\n", &plain);
}

static void test_task_is_told_the_ids_of_its_gpus(void **unused)
{
    const struct manager_options plain = {0};
    const struct task_resources one = {.cores = 1, .nodes = 1, .ranks = 1, .gpus = 1};
    const struct task_resources two = {.cores = 1, .nodes = 1, .ranks = 1, .gpus = 2};
    struct graph *g = graph_from_text("a\nb\nc");

    (void)unused;
    g->tasks[0].resource_class = g->tasks[1].resource_class = graph_intern_resources(g, &one);
    g->tasks[2].resource_class = graph_intern_resources(g, &two);
    expect_with(g, 2,
           "1 hello\n2 hello\n1 done a 0\n2 done b 0\n1 done c 0\n",
           "1 WELCOME\n1 RUN a gpu 7\n2 WELCOME\n2 RUN b gpu 8\ndone a\ndone b\n1 RUN c gpu 7 gpu 8\ndone c\n"
           "1 STOP when done\n2 STOP when done\n",
           &plain);
}

/* ---- the end of the allocation: TERM 15 s before it, since grace and margin are 5 and 10 s ---- */

static void test_what_runs_is_cut_off_before_the_allocation_ends(void **unused)
{
    struct outcome o = expect("a\nb: a", 1, "1 hello\nends 100\nlater 86\n1 killed a 15\n",
                              "1 WELCOME\n1 RUN a\n"
                              "stopping: the allocation ends: 1 task is cut off, and runs again in the next one\n"
                              "1 STOP term\ncancelled a\n1 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.status, 0);
    assert_int_equal(o.report.n_left, 2);
    assert_int_equal(o.report.signal, 0);
}

static void test_a_run_that_ends_in_time_knows_nothing_of_that(void **unused)
{
    struct outcome o = expect("a", 1, "1 hello\nends 100\nlater 80\n1 done a 0\n",
                              "1 WELCOME\n1 RUN a\ndone a\n1 STOP when done\n", false, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 0);
}

static void test_a_run_ends_early_when_nothing_more_can_end_in_time(void **unused)
{
    struct outcome o = expect("short cost=10\nlong cost=90", 1, "ends 100\n1 hello\n1 done short 0\n",
                              "1 WELCOME\n1 RUN short\ndone short\n"
                              "stopping: 1 task waits for the next allocation: nothing that could start now would end "
                              "before this one does\n1 STOP when done\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 1);
}

static void test_a_task_gets_its_signal_before_the_end_and_may_finish(void **unused)
{
    struct outcome o = expect("a signalled=20\nb", 2,
                              "ends 100\n1 hello\n2 hello\nlater 66\nlater 5\n1 killed a 10\n2 done b 0\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\n1 CANCEL a 10\ncancelled a\ndone b\n"
                              "1 STOP when done\n2 STOP when done\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 1);
}

static void test_an_end_that_is_put_off_lets_them_run(void **unused)
{
    struct outcome o = expect("a signalled=20", 1, "1 hello\nends 100\nends 200\nlater 100\n1 done a 0\n",
                              "1 WELCOME\n1 RUN a\ndone a\n1 STOP when done\n", false, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 0);
}

static void test_an_end_that_is_brought_forward_cuts_them_off(void **unused)
{
    expect("a", 1, "1 hello\nends 1000\nlater 50\nends 10\n1 killed a 15\n",
           "1 WELCOME\n1 RUN a\nstopping: the allocation ends: 1 task is cut off, and runs again in the next one\n"
           "1 STOP term\ncancelled a\n1 STOP term\n",
           false, NULL);
    (void)unused;
}

static void test_what_drains_is_cut_off_all_the_same(void **unused)
{
    struct outcome o = expect("a", 1, "1 hello\nends 100\nsignal 10\nlater 86\n1 killed a 15\n",
                              "1 WELCOME\n1 RUN a\nstopping: told to start nothing more (USR1)\n"
                              "1 STOP term\ncancelled a\n1 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 1);
}

static void test_what_stopped_for_a_failure_is_not_for_the_next_allocation(void **unused)
{
    struct outcome o = expect("a\nb\nc", 2, "ends 100\n1 hello\n2 hello\n1 done a 1\nlater 86\n2 killed b 15\n",
                              "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nfailed a\n"
                              "stopping: a task failed (--fail-fast)\n"
                              "1 STOP term\n2 STOP term\ncancelled b\n1 STOP term\n2 STOP term\n",
                              true, NULL);

    (void)unused;
    assert_int_equal(o.report.n_left, 0);
}

static void test_what_ran_in_earlier_allocations_tells_how_long_tasks_take(void **unused)
{
    static const bool is_done[] = {true, false};
    static const float ran_s[] = {80, 0};
    const struct manager_options asked = {.is_done = is_done, .ran_s = ran_s};
    struct outcome o = expect_with(graph_from_text("a\nb"), 1, "ends 100\n1 hello\n",
                                   "kept a\n1 WELCOME\nstopping: 1 task waits for the next allocation: nothing that "
                                   "could start now would end before this one does\n"
                                   "1 STOP when done\n",
                                   &asked);

    (void)unused;
    assert_int_equal(o.report.n_left, 1);
}

/* ---- several nodes ---- */

#define FENCE_TEST_S 8 /* looks every 2 s, so that steps of 2 s are never late */
#define TWO_SECONDS_9_TIMES "later 2\nlater 2\nlater 2\nlater 2\nlater 2\nlater 2\nlater 2\nlater 2\nlater 2\n"

/* Worker 1 is on the manager's node, the others are on another. */
static void expect_on_two_nodes(const char *graph_text, uint32_t n_workers, const char *script, const char *transcript)
{
    static const uint32_t nodes[N_RANKS_MAX] = {0, 0, 1, 1, 1, 1, 1, 1};
    struct comm where = {.nodes = nodes};
    const struct manager_options asked = {.fence_s = FENCE_TEST_S, .comm = &where};

    expect_with(graph_from_text(graph_text), n_workers, script, transcript, &asked);
}

static void test_silent_node_is_given_up_after_twice_the_fence(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\n", 2,
                        "1 hello\n2 hello\n1 done a 0\n" TWO_SECONDS_9_TIMES
                        "2 done b 0\n" /* too late */
                        "1 done b 0 2\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\ndone a\nlost 2\nretried b\n1 RUN b 2\ndone b\n"
                        "1 STOP when done\n2 STOP when done\n");
}

static void test_node_that_asks_is_answered_and_kept(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\n", 3,
                        "1 hello\n2 hello\n3 hello\n1 done a 0\nlater 2\nlater 2\nlater 2\nlater 2\n3 asks\nlater 2\n"
                        "later 2\nlater 2\nlater 2\nlater 2\n2 done b 0\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\n3 WELCOME\ndone a\n3 answered\ndone b\n"
                        "1 STOP when done\n2 STOP when done\n3 STOP when done\n");
}

static void test_who_was_given_up_is_told_to_leave_and_not_answered(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\n", 2,
                        "1 hello\n2 hello\n1 done a 0\n" TWO_SECONDS_9_TIMES "2 asks\n2 hello\n1 done b 0 2\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\ndone a\nlost 2\nretried b\n1 RUN b 2\n"
                        "2 STOP kill\ndone b\n1 STOP when done\n2 STOP when done\n");
}

static void test_manager_that_was_stopped_gives_nobody_up(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\n", 2,
                        "1 hello\n2 hello\n1 done a 0\nlater 2\nlater 1000\nlater 2\n2 done b 0\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\ndone a\ndone b\n1 STOP when done\n"
                        "2 STOP when done\n");
}

static void test_leader_tells_of_a_death_at_once(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\nc\n", 3,
                        "1 hello\n2 hello\n3 hello\n2 lost 3\n2 lost 3\n2 lost 1\n2 lost 99\n2 done b 0\n2 done c 0 2\n"
                        "1 done a 0\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\n3 WELCOME\n3 RUN c\nlost 3\nretried c\ndone b\n"
                        "2 RUN c 2\ndone c\ndone a\n1 STOP when done\n2 STOP when done\n3 STOP when done\n");
}

/* Its node is still being set up. */
static void test_worker_that_is_lost_before_it_was_admitted_is_blamed_for_nothing(void **unused)
{
    static const uint32_t nodes[N_RANKS_MAX] = {0, 0, 1, 1};
    struct comm where = {.nodes = nodes};
    const struct manager_options asked = {.fence_s = FENCE_TEST_S, .comm = &where};

    (void)unused;
    expect_with(with_node_tasks("a"), 3,
                "2 hello\n3 hello\n2 blames 3 0\n2 done setup 0\n2 done a 0\n2 done teardown 0\n",
                "2 WELCOME\n2 RUN setup\n3 WELCOME\nlost 3\nsetup ended\n2 RUN a\ndone a\n2 RUN teardown\n"
                "teardown ended\n1 STOP when done\n2 STOP when done\n3 STOP when done\n", &asked);
}

/* Each of its workers has done two when worker 1 has done five. */
static int no_body(struct ganger_call *call)
{
    (void)call;
    return 0;
}

static void test_node_that_cannot_be_set_up_gets_nothing_and_others_go_on(void **unused)
{
    static const uint32_t nodes[N_RANKS_MAX] = {0, 0, 1};
    struct comm where = {.nodes = nodes};
    const struct manager_options asked = {.fence_s = FENCE_TEST_S, .comm = &where};
    struct outcome o = expect_with(with_node_tasks("a\nb"), 2,
                                   "1 hello\n2 hello\n2 done setup 3\n1 done setup 0\n1 done a 0\n1 done b 0\n"
                                   "1 done teardown 0\n",
                                   "1 WELCOME\n1 RUN setup\n2 WELCOME\n2 RUN setup\nsetup ended\nsetup ended\n"
                                   "1 RUN a\ndone a\n1 RUN b\ndone b\n1 RUN teardown\nteardown ended\n"
                                   "1 STOP when done\n2 STOP when done\n", &asked);

    (void)unused;
    assert_int_equal(o.status, 0);
}

static void test_worker_with_other_functions_ends_the_run(void **unused)
{
    struct registry_function f = {"f", no_body, false};
    struct registry registry = REGISTRY_EMPTY;
    const struct manager_options asked = {.registry = &registry};
    struct outcome o;

    (void)unused;
    assert_int_equal(registry_add(&registry, &f, NULL), 0);
    o = expect_with(graph_from_text("a call\n"), 2, "1 hello\n2 differs\n1 killed a 15\n",
                    "1 WELCOME\n1 CALL a\nstopping: worker 2 on host has other functions than the manager (it lacks "
                    "\"f\", it has besides \"other\"): start the same program, with the same --plugin, on all ranks\n"
                    "1 STOP term\n2 WELCOME\n2 STOP term\ncancelled a\n1 STOP term\n2 STOP term\n", &asked);
    assert_int_equal(o.err.cause, ERROR_USAGE);
    registry_release(&registry);
}

static void test_function_that_nobody_has_ends_the_run_before_it_begins(void **unused)
{
    struct registry registry = REGISTRY_EMPTY;
    const struct manager_options asked = {.registry = &registry};
    struct outcome o = expect_with(graph_from_text("a call\n"), 1, "",
                                   "stopping: the workflow asks for the function \"f\", which this program does not "
                                   "have; run it with the program that has it, or name a shared object by --plugin\n"
                                   "1 STOP term\n", &asked);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_USAGE);
}

static void test_word_of_a_function_from_who_has_not_come_changes_nothing(void **unused)
{
    struct registry_function f = {"f", no_body, false};
    struct registry registry = REGISTRY_EMPTY;
    const struct manager_options asked = {.registry = &registry};

    (void)unused;
    assert_int_equal(registry_add(&registry, &f, NULL), 0);
    expect_with(graph_from_text("a call\n"), 7, "1 hello\n7 called a\n1 called a\n",
                "1 WELCOME\n1 CALL a\ndone a\n1 STOP when done\n2 STOP when done\n3 STOP when done\n"
                "4 STOP when done\n5 STOP when done\n6 STOP when done\n7 STOP when done\n", &asked);
    registry_release(&registry);
}

/* Worker 2 fails its tasks while worker 3, of the same node, has functions behind one that runs. */
static void test_what_waits_on_a_node_that_is_set_aside_is_called_elsewhere(void **unused)
{
    static const uint32_t nodes[N_RANKS_MAX] = {0, 0, 1, 1};
    struct registry_function f = {"f", no_body, false};
    struct registry registry = REGISTRY_EMPTY;
    struct comm where = {.nodes = nodes};
    const struct manager_options asked = {.fence_s = FENCE_TEST_S, .comm = &where, .registry = &registry};

    (void)unused;
    assert_int_equal(registry_add(&registry, &f, NULL), 0);
    expect_with(graph_from_text("s call prio=9\na prio=8 program=x\nb prio=8 retries=9 program=x\n"
                                "g call\nh call\ni call\nj call\nk call\nl call\nm call\n"),
                3,
                "1 hello\n1 called s\n2 hello\n3 hello\n2 done b 9\n1 done a 0\n1 called i\n1 called j\n"
                "1 called k\n1 called l\n2 done b 9 2\n2 done b 9 3\n2 done b 9 4\n2 done b 9 5\n3 returned h\n"
                "3 called g\n1 called m\n1 done b 0 6\n1 called h\n",
                "1 WELCOME\n1 CALL s\ndone s\n1 RUN a\n2 WELCOME\n2 RUN b\n3 WELCOME\n3 CALL g h\nretried b\n"
                "2 RUN b 2\ndone a\n1 CALL i j\ndone i\n1 CALL k\ndone j\n1 CALL l\ndone k\n1 CALL m\ndone l\n"
                "retried b\n2 RUN b 3\nretried b\n2 RUN b 4\nretried b\n2 RUN b 5\nretried b\n3 RECALL h\n"
                "done g\ndone m\n1 RUN b 6\ndone b\n1 CALL h\ndone h\n1 STOP when done\n2 STOP when done\n"
                "3 STOP when done\n", &asked);
    registry_release(&registry);
}

/* Each ends as soon as it has begun, and another one is behind it already. */
static void test_node_that_is_set_aside_gets_nothing_in_advance(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\n", 2,
                        "1 hello\nshort\n1 done a 0\n2 hello\n2 done d 9\n1 done b 0\n1 done c 0\n1 done g 0\n"
                        "1 done h 0\n1 done i 0\n2 done e 9\n2 done f 9\n2 done l 9\n2 done m 9\n1 done j 0\n"
                        "2 done n 9\n1 done k 0\n1 done o 0\n1 done p 0\n",
                        "1 WELCOME\n1 RUN a\ndone a\n1 RUN b\n1 RUN c\n2 WELCOME\n2 RUN d\n2 RUN e\n"
                        "failed d\n2 RUN f\ndone b\n1 RUN g\ndone c\n1 RUN h\ndone g\n1 RUN i\ndone h\n1 RUN j\n"
                        "done i\n1 RUN k\nfailed e\n2 RUN l\nfailed f\n2 RUN m\nfailed l\n2 RUN n\nfailed m\ndone j\n"
                        "1 RUN o\nfailed n\ndone k\n1 RUN p\ndone o\ndone p\n1 STOP when done\n"
                        "2 STOP when done\n");
}

static void test_node_on_which_all_fails_at_once_is_set_aside(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n", 2,
                        "1 hello\n2 hello\n"
                        "2 done b 9\n1 done a 0\n2 done c 9\n1 done d 0\n2 done e 9\n"
                        "1 done f 0\n2 done g 9\n1 done h 0\n"
                        "1 done j 0\n1 done k 0\n2 done i 9\n1 done l 0\n1 done m 0\n1 done n 0\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nfailed b\n2 RUN c\ndone a\n1 RUN d\nfailed c\n"
                        "2 RUN e\ndone d\n1 RUN f\nfailed e\n2 RUN g\ndone f\n1 RUN h\nfailed g\n"
                        "2 RUN i\ndone h\n1 RUN j\n"
                        "done j\n1 RUN k\ndone k\n1 RUN l\nfailed i\ndone l\n1 RUN m\ndone m\n1 RUN n\ndone n\n"
                        "1 STOP when done\n2 STOP when done\n");
}

/* Worker 2 does well what is of the program y. */
static void test_node_on_which_one_program_fails_at_once_is_set_aside(void **unused)
{
    (void)unused;
    expect_on_two_nodes("x1 program=x\ny1 program=y\nx2 program=x\ny2 program=y\nx3 program=x\ny3 program=y\n"
                        "x4 program=x\ny4 program=y\nx5 program=x\ny5 program=y\nx6 program=x\ny6 program=y\n"
                        "x7 program=x\nx8 program=x\nx9 program=x\nx10 program=x\nx11 program=x\nx12 program=x\n"
                        "x13 program=x\nx14 program=x\n", 2,
                        "1 hello\n2 hello\n2 done y1 0\n2 done x2 9\n2 done y2 0\n2 done x3 9\n2 done y3 0\n"
                        "2 done x4 9\n2 done y4 0\n2 done x5 9\n2 done y5 0\n2 done x6 9\n"
                        "1 done x1 0\n1 done x7 0\n1 done x8 0\n1 done x9 0\n1 done x10 0\n"
                        "2 done y6 0\n2 done x12 9\n1 done x11 0\n1 done x13 0\n1 done x14 0\n",
                        "1 WELCOME\n1 RUN x1\n2 WELCOME\n2 RUN y1\ndone y1\n2 RUN x2\nfailed x2\n2 RUN y2\n"
                        "done y2\n2 RUN x3\nfailed x3\n2 RUN y3\ndone y3\n2 RUN x4\nfailed x4\n2 RUN y4\n"
                        "done y4\n2 RUN x5\nfailed x5\n2 RUN y5\ndone y5\n2 RUN x6\nfailed x6\n2 RUN y6\n"
                        "done x1\n1 RUN x7\ndone x7\n1 RUN x8\ndone x8\n1 RUN x9\ndone x9\n1 RUN x10\n"
                        "done x10\n1 RUN x11\ndone y6\n2 RUN x12\nfailed x12\ndone x11\n1 RUN x13\ndone x13\n"
                        "1 RUN x14\ndone x14\n1 STOP when done\n2 STOP when done\n");
}

static void test_node_is_kept_when_tasks_fail_everywhere(void **unused)
{
    (void)unused;
    expect_on_two_nodes("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n", 2,
                        "1 hello\n2 hello\n"
                        "2 done b 9\n1 done a 0\n2 done c 9\n1 done d 9\n2 done e 9\n"
                        "1 done f 0\n2 done g 9\n1 done h 9\n"
                        "1 done j 0\n1 done k 9\n2 done i 9\n1 done l 0\n2 done m 0\n1 done n 0\n",
                        "1 WELCOME\n1 RUN a\n2 WELCOME\n2 RUN b\nfailed b\n2 RUN c\ndone a\n1 RUN d\nfailed c\n"
                        "2 RUN e\nfailed d\n1 RUN f\nfailed e\n2 RUN g\ndone f\n1 RUN h\nfailed g\n"
                        "2 RUN i\nfailed h\n1 RUN j\n"
                        "done j\n1 RUN k\nfailed k\n1 RUN l\nfailed i\n2 RUN m\ndone l\n1 RUN n\ndone m\ndone n\n"
                        "1 STOP when done\n2 STOP when done\n");
}

/* ---- hooks ---- */

static void wait_at_gate(void)
{
    char byte;

    (void)!read(gate[0], &byte, 1);
}

static int collect_as_it_ended(struct ganger_hook *hook, void *data)
{
    (void)hook;
    (void)data;
    wait_at_gate();
    return HOOK_GO_ON;
}

/* By the first letter of its id. */
static int answer_by_id(struct ganger_hook *hook, void *data)
{
    (void)data;
    wait_at_gate();
    switch (hook->id[0]) {
    case 'A': return HOOK_AGAIN;
    case 'D': return HOOK_DONE;
    case 'F': return HOOK_FAILED;
    case 'N': return HOOK_NOT_NEEDED;
    default: return HOOK_GO_ON;
    }
}

static struct outcome expect_hooked(const char *graph_text, uint32_t n_workers, const char *script,
                                    const char *transcript, const struct hooks *hooks)
{
    struct graph *graph = graph_from_text(graph_text);
    const struct manager_options asked = {.hooks = hooks};

    struct outcome outcome;

    assert_int_equal(pipe(gate), 0);
    graph_know_parents(graph);
    outcome = expect_with(graph, n_workers, script, transcript, &asked);
    close(gate[1]); /* a hook that is still there returns, and its thread ends by itself; its own end stays open */
    return outcome;
}

static void test_children_start_when_their_parent_was_collected(void **unused)
{
    const struct hooks hooks = {.collect = collect_as_it_ended};

    (void)unused;
    expect_hooked("a\nb : a", 1, "1 hello\n1 done a 0\nhooked\n1 done b 0\nhooked",
                  "1 WELCOME\n1 RUN a\nended a\ndone a\n1 RUN b\nended b\ndone b\n1 STOP when done\n", &hooks);
}

static void test_slot_is_free_while_a_task_is_collected(void **unused)
{
    const struct hooks hooks = {.collect = collect_as_it_ended};

    (void)unused;
    /* The hook is at its gate until the end: it is left alone, and neither task is done. */
    expect_hooked("a\nb", 1, "1 hello\n1 done a 0\n1 done b 0\nsignal 2\nlater 1\nsignal 2",
                  "1 WELCOME\n1 RUN a\nended a\n1 RUN b\nended b\nstopping: interrupted\n1 STOP term\n"
                  "1 STOP kill\n1 STOP kill\n",
                  &hooks);
}

static void test_task_is_run_again_as_often_as_it_may(void **unused)
{
    const struct hooks hooks = {.collect = answer_by_id, .again_max = 2};

    (void)unused;
    expect_hooked("A", 1, "1 hello\n1 done A 0 1\nhooked\n1 done A 0 2\nhooked\n1 done A 1 3\nhooked",
                  "1 WELCOME\n1 RUN A\nended A\nagain A\n1 RUN A 2\nended A\nagain A\n1 RUN A 3\nended A\n"
                  "failed A\n1 STOP when done\n",
                  &hooks);
}

static void test_program_has_the_last_word_on_an_attempt(void **unused)
{
    const struct hooks hooks = {.collect = answer_by_id};

    (void)unused;
    expect_hooked("D\nF\nc : F", 1, "1 hello\n1 done F 0\nhooked\n1 done D 7\nhooked",
                  "1 WELCOME\n1 RUN F\nended F\n1 RUN D\nfailed F\nskipped c for F\nended D\ndone D\n"
                  "1 STOP when done\n",
                  &hooks);
}

static void test_provided_tasks_run_or_do_not(void **unused)
{
    const struct hooks hooks = {.provide = answer_by_id};

    (void)unused;
    expect_hooked("D\nN\na : D\nc : N", 1, "hooked\nhooked\nhooked\n1 hello\n1 done a 0",
                  "done D\nnot needed N\nnot needed c for N\n1 WELCOME\n1 RUN a\ndone a\n1 STOP when done\n",
                  &hooks);
}

static void test_hook_that_does_not_return_is_waited_for_as_long_as_tasks(void **unused)
{
    const struct hooks hooks = {.collect = collect_as_it_ended};

    (void)unused;
    expect_hooked("a", 1, "1 hello\n1 done a 0\nlater 61\nsignal 15\nlater 10\nlater 10",
                  "1 WELCOME\n1 RUN a\nended a\nstopping: told to end\n1 STOP term\n1 STOP term\n", &hooks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_its_worker_found_unchanged_is_done),
        cmocka_unit_test(test_workers_are_welcomed_and_get_tasks_as_they_come),
        cmocka_unit_test(test_failure_skips_and_the_rest_goes_on),
        cmocka_unit_test(test_fail_fast_starts_nothing_more_and_lets_the_rest_finish),
        cmocka_unit_test(test_interrupt_ends_what_runs),
        cmocka_unit_test(test_second_interrupt_is_immediate),
        cmocka_unit_test(test_term_twice_at_once_is_one),
        cmocka_unit_test(test_stale_words_change_nothing),
        cmocka_unit_test(test_slot_of_another_worker_ends_the_run),
        cmocka_unit_test(test_dead_worker_does_not_come_again),
        cmocka_unit_test(test_words_about_no_task_change_nothing),
        cmocka_unit_test(test_wide_task_waits_for_its_workers),
        cmocka_unit_test(test_task_that_fits_no_node_is_refused_before_anything_runs),
        cmocka_unit_test(test_kept_tasks_do_not_run_again),
        cmocka_unit_test(test_run_with_everything_kept_ends_at_once),
        cmocka_unit_test(test_short_tasks_are_sent_in_advance),
        cmocka_unit_test(test_what_waits_behind_a_long_task_is_recalled_for_an_idle_worker),
        cmocka_unit_test(test_recall_that_comes_too_late_does_no_harm),
        cmocka_unit_test(test_fail_fast_sends_nothing_in_advance),
        cmocka_unit_test(test_worker_told_to_end_by_others_ends_the_run),
        cmocka_unit_test(test_failed_task_is_tried_again_as_often_as_it_may),
        cmocka_unit_test(test_limit_of_failures_is_exact),
        cmocka_unit_test(test_nothing_sent_in_advance_begins_after_the_last_failure_allowed),
        cmocka_unit_test(test_failures_in_a_row_are_counted_anew_after_a_success),
        cmocka_unit_test(test_what_may_fail_does_not_count),
        cmocka_unit_test(test_task_of_a_dead_worker_runs_elsewhere),
        cmocka_unit_test(test_run_without_workers_ends),
        cmocka_unit_test(test_run_to_which_no_worker_comes_ends),
        cmocka_unit_test(test_run_ends_when_what_tasks_write_cannot_be_kept),
        cmocka_unit_test(test_run_ends_when_a_worker_of_our_node_cannot_be_sent_to),
        cmocka_unit_test(test_run_without_some_workers_ends_when_the_others_have_died),
        cmocka_unit_test(test_run_whose_workers_died_waits_for_the_others_no_longer_than_usual),
        cmocka_unit_test(test_what_only_the_dead_could_hold_fails),
        cmocka_unit_test(test_what_is_cut_off_with_its_worker_is_recorded_once),
        cmocka_unit_test(test_what_only_the_dead_could_hold_fails_also_without_some_workers),
        cmocka_unit_test(test_node_is_set_up_once_before_its_tasks_and_torn_down_after_them),
        cmocka_unit_test(test_node_is_torn_down_also_when_the_run_is_told_to_end),
        cmocka_unit_test(test_node_is_torn_down_also_when_a_task_does_not_end),
        cmocka_unit_test(test_run_ends_when_its_only_node_cannot_be_set_up),
        cmocka_unit_test(test_run_ends_well_when_a_teardown_fails_or_does_not_end),
        cmocka_unit_test(test_what_fits_on_no_node_that_came_is_refused_when_the_last_is_set_up),
        cmocka_unit_test(test_setup_goes_on_when_its_worker_dies),
        cmocka_unit_test(test_run_ends_well_when_a_worker_dies_of_teardown),
        cmocka_unit_test(test_run_that_is_told_to_end_does_not_wait_for_a_setup_whose_worker_died),
        cmocka_unit_test(test_task_is_told_the_ids_of_its_gpus),
        cmocka_unit_test(test_what_runs_is_cut_off_before_the_allocation_ends),
        cmocka_unit_test(test_a_run_that_ends_in_time_knows_nothing_of_that),
        cmocka_unit_test(test_a_run_ends_early_when_nothing_more_can_end_in_time),
        cmocka_unit_test(test_a_task_gets_its_signal_before_the_end_and_may_finish),
        cmocka_unit_test(test_an_end_that_is_put_off_lets_them_run),
        cmocka_unit_test(test_an_end_that_is_brought_forward_cuts_them_off),
        cmocka_unit_test(test_what_drains_is_cut_off_all_the_same),
        cmocka_unit_test(test_what_stopped_for_a_failure_is_not_for_the_next_allocation),
        cmocka_unit_test(test_what_ran_in_earlier_allocations_tells_how_long_tasks_take),
        cmocka_unit_test(test_silent_node_is_given_up_after_twice_the_fence),
        cmocka_unit_test(test_node_that_asks_is_answered_and_kept),
        cmocka_unit_test(test_who_was_given_up_is_told_to_leave_and_not_answered),
        cmocka_unit_test(test_manager_that_was_stopped_gives_nobody_up),
        cmocka_unit_test(test_leader_tells_of_a_death_at_once),
        cmocka_unit_test(test_worker_that_is_lost_before_it_was_admitted_is_blamed_for_nothing),
        cmocka_unit_test(test_node_on_which_all_fails_at_once_is_set_aside),
        cmocka_unit_test(test_node_that_is_set_aside_gets_nothing_in_advance),
        cmocka_unit_test(test_node_that_cannot_be_set_up_gets_nothing_and_others_go_on),
        cmocka_unit_test(test_worker_with_other_functions_ends_the_run),
        cmocka_unit_test(test_function_that_nobody_has_ends_the_run_before_it_begins),
        cmocka_unit_test(test_word_of_a_function_from_who_has_not_come_changes_nothing),
        cmocka_unit_test(test_what_waits_on_a_node_that_is_set_aside_is_called_elsewhere),
        cmocka_unit_test(test_node_on_which_one_program_fails_at_once_is_set_aside),
        cmocka_unit_test(test_node_is_kept_when_tasks_fail_everywhere),
        cmocka_unit_test(test_children_start_when_their_parent_was_collected),
        cmocka_unit_test(test_slot_is_free_while_a_task_is_collected),
        cmocka_unit_test(test_task_is_run_again_as_often_as_it_may),
        cmocka_unit_test(test_program_has_the_last_word_on_an_attempt),
        cmocka_unit_test(test_provided_tasks_run_or_do_not),
        cmocka_unit_test(test_hook_that_does_not_return_is_waited_for_as_long_as_tasks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
