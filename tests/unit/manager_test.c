/* The manager's loop, over a comm that follows a script: the test says what the workers say, and the
 * transcript is what the manager sent and made known, in the words of describe_* below. */
#include "manager.h"

#include "base/clock.h"
#include "core/message.h"
#include "graph_text.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cmocka.h>

#define EPOCH 4
#define N_RANKS_MAX 8

/* A script has one step a line:
 *
 *   W hello          worker W comes, with the slot W - 1
 *   W done ID CODE   worker W's task ended
 *   W killed ID      the same, ended by us
 *   W started ID
 *   W returned ID    worker W gives back what it was sent in advance
 *   short            from now on tasks run for a millisecond, before for a second
 *   signal N         the manager's process gets a signal
 *   pass             the wait returns for no reason                                               */
struct script
{
    struct comm comm;
    const struct graph *graph;
    const char *next;      /* rest of the script */
    bool is_ready;         /* `message` is to be received */
    uint32_t from;
    struct buffer message;
    struct buffer transcript;
    int signals[2];        /* a pipe that stands for the signalfd */
    bool ran_out;
    double run_s;
};

static struct script *of(struct comm *c)
{
    return (struct script *)c;
}

static const char *name_of_task(const struct script *s, task_id t)
{
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

    assert_int_equal(message_open(&h, &cursor, bytes, n, err), 0);
    assert_int_equal(h.worker, to);
    assert_int_equal(h.epoch, EPOCH);
    switch (h.kind) {
    case MESSAGE_WELCOME: buffer_printf(&s->transcript, "%u WELCOME\n", to); break;
    case MESSAGE_RUN:
        assert_int_equal(message_next_run(&cursor, &run, err), 0);
        assert_string_equal(run.id.bytes, name_of_task(s, run.task));
        buffer_printf(&s->transcript, "%u RUN %s\n", to, run.id.bytes);
        break;
    case MESSAGE_RECALL:
        assert_int_equal(message_next_recall(&cursor, &recall, err), 0);
        buffer_printf(&s->transcript, "%u RECALL %s\n", to, name_of_task(s, recall.task));
        break;
    case MESSAGE_STOP:
        assert_int_equal(message_next_stop(&cursor, &stop, err), 0);
        buffer_printf(&s->transcript, "%u STOP %s\n", to, modes[stop.mode]);
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

static void prepare_hello(struct script *s)
{
    struct hello hello = {.host = {"host", 4}, .pid = (uint32_t)getpid(),
                          .cpu = UINT32_MAX, .slot = (uint16_t)(s->from - 1),
                          .n_node_slots = 8, .memory_bytes = (uint64_t)1 << 30};

    message_begin(&s->message, MESSAGE_HELLO, 0, s->from);
    message_add_hello(&s->message, &hello);
}

static void prepare_done(struct script *s, const char *id, enum task_end how, int code)
{
    struct done done = {.task = graph_find(s->graph, id, strlen(id)), .attempt = 1,
                        .result = {.end = how, .code = code, .tail = "", .end_s = s->run_s},
                        .next = TASK_NONE};

    message_begin(&s->message, MESSAGE_DONE, EPOCH, s->from);
    message_add_done(&s->message, &done);
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
    size_t length = strcspn(s->next, "\n");

    (void)deadline_s;
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
    } else if (sscanf(line, "%u %31s %31s %d", &s->from, word, id, &code) < 2) {
        s->is_ready = false;
    } else if (strcmp(word, "hello") == 0) {
        prepare_hello(s);
    } else if (strcmp(word, "started") == 0) {
        prepare_started(s, id);
    } else if (strcmp(word, "returned") == 0) {
        prepare_returned(s, id);
    } else {
        prepare_done(s, id, strcmp(word, "done") == 0 ? TASK_EXITED : TASK_CANCELLED, code);
    }
    return poll(fds, n, 0) < 0 ? -1 : 0;
}

static const struct comm_ops script_ops = {script_send, script_ring, script_receive, script_wait, NULL};

static void sink(void *data, const struct event *e)
{
    struct script *s = data;

    switch (e->kind) {
    case EVENT_TASK_KEPT: buffer_printf(&s->transcript, "kept %s\n", name_of_task(s, e->task)); break;
    case EVENT_TASK_DONE: buffer_printf(&s->transcript, "done %s\n", name_of_task(s, e->task)); break;
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

/* Runs the graph by the script, with that many workers, and compares the transcript. */
static struct outcome expect(const char *graph_text, uint32_t n_workers, const char *script,
                             const char *transcript, bool fail_fast, const bool *is_done)
{
    static const uint32_t nodes[N_RANKS_MAX] = {0};
    struct graph *graph = graph_from_text(graph_text);
    struct script s = {.comm = {.ops = &script_ops, .size = n_workers + 1, .nodes = nodes},
                       .graph = graph,
                       .next = script,
                       .run_s = 1};
    struct event_sinks sinks = {0};
    struct manager_options options = {.comm = &s.comm,
                                      .graph = graph,
                                      .is_done = is_done,
                                      .sinks = &sinks,
                                      .launcher_fd = -1,
                                      .epoch = EPOCH,
                                      .origin_s = clock_now_s(),
                                      .run_dir = "/run",
                                      .cwd = "/",
                                      .env = "",
                                      .grace_s = 5,
                                      .fail_fast = fail_fast};
    struct outcome outcome = {0};

    assert_int_equal(pipe2(s.signals, 04000 /* O_NONBLOCK */), 0);
    options.signal_fd = s.signals[0];
    event_add_sink(&sinks, sink, &s);
    outcome.status = manager_run(&options, &outcome.report, &outcome.err);
    buffer_put_u8(&s.transcript, 0);
    assert_string_equal(s.transcript.bytes, transcript);
    assert_string_equal(s.next, "");
    assert_false(s.ran_out);
    close(s.signals[0]);
    close(s.signals[1]);
    buffer_release(&s.transcript);
    buffer_release(&s.message);
    graph_free(graph);
    return outcome;
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
                              "node of this run has; ask for less, or start with more workers on a node (-n)\n"
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
                              "stopping: worker 1 was told to end: the run ends; `--resume` continues it\n"
                              "1 STOP term\n1 STOP term\n",
                              false, NULL);

    (void)unused;
    assert_int_equal(o.err.cause, ERROR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_are_welcomed_and_get_tasks_as_they_come),
        cmocka_unit_test(test_failure_skips_and_the_rest_goes_on),
        cmocka_unit_test(test_fail_fast_starts_nothing_more_and_lets_the_rest_finish),
        cmocka_unit_test(test_interrupt_ends_what_runs),
        cmocka_unit_test(test_second_interrupt_is_immediate),
        cmocka_unit_test(test_stale_words_change_nothing),
        cmocka_unit_test(test_wide_task_waits_for_its_workers),
        cmocka_unit_test(test_task_that_fits_no_node_is_refused_before_anything_runs),
        cmocka_unit_test(test_kept_tasks_do_not_run_again),
        cmocka_unit_test(test_run_with_everything_kept_ends_at_once),
        cmocka_unit_test(test_short_tasks_are_sent_in_advance),
        cmocka_unit_test(test_what_waits_behind_a_long_task_is_recalled_for_an_idle_worker),
        cmocka_unit_test(test_recall_that_comes_too_late_does_no_harm),
        cmocka_unit_test(test_fail_fast_sends_nothing_in_advance),
        cmocka_unit_test(test_worker_told_to_end_by_others_ends_the_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
