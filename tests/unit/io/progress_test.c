#include "io/progress.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

struct world
{
    struct graph *g; /* tasks t0 … t99; t28 may fail */
    struct progress *p;
    int fd;      /* where progress writes */
    int read_fd; /* where we see it */
    struct buffer seen;
};

static void close_fds(struct world *w)
{
    progress_close(w->p);
    w->p = NULL;
    if (w->fd >= 0)
        close(w->fd);
    if (w->read_fd >= 0)
        close(w->read_fd);
    w->fd = w->read_fd = -1;
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    uint32_t may_fail, program;

    w->fd = w->read_fd = -1;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    w->g = graph_new();
    may_fail = graph_intern_policy(w->g, &(struct task_policy){.may_fail = true});
    program = graph_intern_program(w->g, "solve", 5);
    for (int i = 0; i < 100; i++) {
        char id[16];
        int n = snprintf(id, sizeof(id), "t%d", i);

        graph_add_task(w->g, &(struct task){.id = arena_text(&w->g->text, id, (size_t)n),
                                            .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                                            .policy = i == 28 ? may_fail : 0, .program = program});
    }
    graph_add_task(w->g, &(struct task){.id = NULL}); /* a join, which is not to be counted */
    *state = w;
    return graph_seal(w->g, NULL);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    close_fds(w);
    graph_free(w->g);
    buffer_release(&w->seen);
    free(w);
    return 0;
}

static void open_on_pipe(struct world *w, enum progress_style style)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    w->read_fd = fds[0];
    w->fd = fds[1];
    w->p = progress_open(w->fd, w->g, 2, style);
}

static void open_on_terminal(struct world *w)
{
    struct termios modes;

    w->read_fd = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(w->read_fd >= 0);
    assert_int_equal(grantpt(w->read_fd) | unlockpt(w->read_fd), 0);
    w->fd = open(ptsname(w->read_fd), O_RDWR | O_NOCTTY);
    assert_true(w->fd >= 0);
    tcgetattr(w->fd, &modes);
    cfmakeraw(&modes);
    tcsetattr(w->fd, TCSANOW, &modes);
    fcntl(w->read_fd, F_SETFL, O_NONBLOCK);
    w->p = progress_open(w->fd, w->g, 2, PROGRESS_ALL);
}

static void set_columns(struct world *w, unsigned short n)
{
    assert_int_equal(ioctl(w->fd, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = n}), 0);
}

/* What was written since the last call. */
static const char *see(struct world *w)
{
    ssize_t n;

    w->seen.n = 0;
    do {
        buffer_reserve(&w->seen, 4096);
        n = read(w->read_fd, w->seen.bytes + w->seen.n, 4096);
        if (n > 0)
            w->seen.n += (size_t)n;
    } while (n > 0);
    buffer_put_u8(&w->seen, 0);
    return w->seen.bytes;
}

/* Each task on a worker of its own. */
static void tell(struct world *w, enum event_kind kind, task_id task, double time_s)
{
    struct task_result result = {.end = TASK_EXITED, .code = kind == EVENT_TASK_FAILED, .end_s = time_s};
    struct event e = {.kind = kind, .task = task, .time_s = time_s, .attempt = 1, .worker = 1 + task,
                      .result = &result};

    progress_sink(w->p, &e);
}

static void tell_node(struct world *w, const char *name)
{
    progress_sink(w->p, &(struct event){.kind = EVENT_NODE_JOINED, .node = 1, .text = name});
    progress_sink(w->p, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = 1, .node = 1});
    progress_sink(w->p, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = 2, .node = 1});
}

static void tell_failure(struct world *w, enum task_end end, int code, const char *tail)
{
    struct task_result result = {.end = end, .code = code, .tail = tail,
                                 .n_tail_bytes = (uint32_t)strlen(tail)};

    progress_sink(w->p, &(struct event){.kind = EVENT_TASK_FAILED, .task = 3, .attempt = 2,
                                        .worker = 1, .node = 1, .result = &result});
}

static void test_elsewhere_than_on_a_terminal_lines_get_rarer(void **state)
{
    static const double expected_s[] = {10, 30, 60, 120, 180, 240};
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    tell(w, EVENT_TASK_SENT, 0, 1);
    for (size_t i = 0; i < sizeof(expected_s) / sizeof(*expected_s); i++) {
        double due_s = progress_next_s(w->p);

        assert_true(due_s == expected_s[i]);
        progress_tick(w->p, due_s - 0.01);
        assert_string_equal(see(w), "");
        progress_tick(w->p, due_s);
        assert_non_null(strchr(see(w), '\n'));
        tell(w, EVENT_TASK_STARTED, 0, due_s);
    }
}

static void test_lines_come_only_when_something_has_changed(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    tell(w, EVENT_TASK_SENT, 0, 1);
    progress_tick(w->p, 10);
    assert_non_null(strchr(see(w), '\n'));
    progress_tick(w->p, 30);
    progress_tick(w->p, 50);
    assert_string_equal(see(w), "");
    tell(w, EVENT_TASK_DONE, 0, 51);
    progress_tick(w->p, progress_next_s(w->p));
    assert_non_null(strstr(see(w), "1 of 100 done"));
}

static void test_lines_come_at_the_interval_that_was_asked_for(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    progress_set_interval(w->p, 2.5);
    for (int i = 1; i < 5; i++) {
        assert_true(progress_next_s(w->p) == 2.5 * i);
        tell(w, EVENT_TASK_STARTED, 0, 2.5 * i);
        progress_tick(w->p, 2.5 * i);
        assert_non_null(strchr(see(w), '\n'));
    }
    progress_set_interval(w->p, 0);
    assert_true(isinf(progress_next_s(w->p)));
}

static void test_line_counts_tasks_and_no_joins(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    tell_node(w, "n1");
    for (task_id t = 0; t < 10; t++)
        tell(w, EVENT_TASK_KEPT, t, 0);
    for (task_id t = 10; t < 30; t++)
        tell(w, EVENT_TASK_SENT, t, 2);
    tell(w, EVENT_TASK_STARTED, 10, 2);
    for (task_id t = 10; t < 26; t++)
        tell(w, EVENT_TASK_DONE, t, 3);
    tell(w, EVENT_TASK_SKIPPED, 100, 3); /* the join */
    progress_tick(w->p, 10);
    assert_string_equal(see(w), "0:10  26 %  26 of 100 done, 4 running, 70 waiting, 2/s, 4 of 2 cores busy, "
                                "0:35 left\n");
    tell(w, EVENT_TASK_FAILED, 26, 4);
    tell(w, EVENT_TASK_CANCELLED, 27, 4);
    tell(w, EVENT_TASK_FAILED, 28, 4);
    tell(w, EVENT_TASK_SKIPPED, 50, 4);
    tell(w, EVENT_TASK_NOT_NEEDED, 51, 4);
    see(w);
    progress_tick(w->p, 3700);
    assert_string_equal(see(w), "1:01:40  31 %  26 of 100 done, 1 failed, 1 failed as they may, 1 skipped, "
                                "1 not needed, 1 cancelled, 1 running, 68 waiting, 16/h, 1 of 2 cores "
                                "busy, 3:24 left\n");
}

static void test_line_says_that_workers_are_missing(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    progress_sink(w->p, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = 1});
    progress_tick(w->p, 10);
    assert_non_null(strstr(see(w), "1 of 2 workers here"));
}

static void test_only_all_is_100_percent(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    for (task_id t = 0; t < 99; t++)
        tell(w, EVENT_TASK_KEPT, t, 0);
    progress_tick(w->p, 10);
    assert_non_null(strstr(see(w), " 99 %"));
    tell(w, EVENT_TASK_KEPT, 99, 0);
    progress_tick(w->p, 100);
    assert_non_null(strstr(see(w), " 100 %"));
}

static void test_failure_is_shown_at_once_with_its_last_lines(void **state)
{
    struct world *w = *state;
    struct buffer tail = BUFFER_EMPTY;

    open_on_pipe(w, PROGRESS_ALL);
    tell_node(w, "n1");
    for (int i = 1; i <= 12; i++)
        buffer_printf(&tail, "line %d\n", i);
    buffer_put_u8(&tail, 0);
    tell_failure(w, TASK_EXITED, 3, tail.bytes);
    assert_string_equal(see(w), "FAILED t3 (attempt 2, worker 1 on n1): exit status 3\n"
                                "    | line 3\n    | line 4\n    | line 5\n    | line 6\n"
                                "    | line 7\n    | line 8\n    | line 9\n    | line 10\n"
                                "    | line 11\n    | line 12\n");
    buffer_release(&tail);
}

static void test_failure_is_said_in_words(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_FAILURES);
    tell_node(w, "n1");
    tell_failure(w, TASK_SIGNALLED, 9, "");
    assert_string_equal(see(w), "FAILED t3 (attempt 2, worker 1 on n1): signal 9 (KILL)\n");
    tell_failure(w, TASK_NOT_STARTED, 2, "/bin/nope");
    assert_string_equal(see(w), "FAILED t3 (attempt 2, worker 1 on n1): could not be started: No such "
                                "file or directory: /bin/nope\n");
    tell_failure(w, TASK_NOT_STARTED, 2, "executing it: No such file or directory");
    assert_string_equal(see(w), "FAILED t3 (attempt 2, worker 1 on n1): could not be started: executing "
                                "it: No such file or directory\n");
}

static void test_output_cannot_move_the_cursor(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    tell_failure(w, TASK_EXITED, 1, "a\033[2J\r\x07\tb\xc3\xa9\xff\xc2\x9b\x7f");
    assert_string_equal(strchr(see(w), '\n'),
                        "\n    | a^[[2J^M^G    b\xc3\xa9\\xff\\u009b^?\n");
}

static int count_lines(const char *text, const char *words)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        n++;
    return n;
}

static void test_of_equal_failures_ten_are_shown_and_the_rest_is_counted(void **state)
{
    struct world *w = *state;
    const char *text;

    open_on_pipe(w, PROGRESS_FAILURES);
    progress_set_run_path(w->p, "flow.run");
    assert_true(isinf(progress_next_s(w->p)));
    for (int i = 0; i < 50; i++)
        tell_failure(w, TASK_EXITED, 1, "");
    text = see(w);
    assert_int_equal(count_lines(text, "FAILED t3"), 10);
    assert_int_equal(count_lines(text, "ganger logs flow.run --failed"), 1);
    tell_failure(w, TASK_EXITED, 2, "");
    assert_int_equal(count_lines(see(w), "FAILED t3"), 1);
    assert_true(progress_next_s(w->p) == 10);
    progress_tick(w->p, 9.9);
    assert_string_equal(see(w), "");
    progress_tick(w->p, 10);
    assert_string_equal(see(w), "40 more failed, of solve: exit status 1\n");
    assert_true(isinf(progress_next_s(w->p)));
    tell_failure(w, TASK_EXITED, 1, "");
    assert_string_equal(see(w), "");
    progress_end(w->p);
    assert_string_equal(see(w), "1 more failed, of solve: exit status 1\n");
}

static void test_a_flood_of_different_failures_is_limited_too(void **state)
{
    struct world *w = *state;
    const char *text;

    open_on_pipe(w, PROGRESS_FAILURES);
    for (int i = 0; i < 1000; i++)
        tell_failure(w, TASK_EXITED, 1 + i % 200, "");
    assert_int_equal(count_lines(see(w), "FAILED t3"), 100);
    progress_end(w->p);
    text = see(w);
    assert_int_equal(count_lines(text, "\n"), 6);
    assert_non_null(strstr(text, " more failed in other ways\n"));
}

static void test_attempts_that_are_not_the_last_and_failures_that_may_be_are_one_line(void **state)
{
    struct world *w = *state;
    struct task_result result = {.end = TASK_EXITED, .code = 1, .tail = "words", .n_tail_bytes = 5};
    struct event e = {.kind = EVENT_TASK_RETRIED, .task = 3, .attempt = 1, .worker = 1, .node = 1, .result = &result};

    open_on_pipe(w, PROGRESS_ALL);
    tell_node(w, "n1");
    progress_sink(w->p, &e);
    assert_string_equal(see(w), "t3 failed (attempt 1, worker 1 on n1): exit status 1; it will be tried again\n");
    e.kind = EVENT_TASK_FAILED;
    e.task = 28;
    progress_sink(w->p, &e);
    assert_string_equal(see(w), "t28 failed, as it may (attempt 1, worker 1 on n1): exit status 1\n");
}

static void test_lost_workers_and_stopping_are_shown(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_FAILURES);
    tell_node(w, "n1");
    progress_sink(w->p, &(struct event){.kind = EVENT_WORKER_LOST, .worker = 2, .node = 1,
                                        .text = "its process ended"});
    assert_string_equal(see(w), "Worker 2 on n1 is lost: its process ended\n");
    progress_sink(w->p, &(struct event){.kind = EVENT_RUN_STOPPING, .text = "interrupted"});
    assert_string_equal(see(w), "Nothing more is started: interrupted\n");
}

static void test_quiet_styles_show_no_line(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_FAILURES);
    assert_true(isinf(progress_next_s(w->p)));
    progress_tick(w->p, 1e6);
    assert_string_equal(see(w), "");
    close_fds(w);
    open_on_pipe(w, PROGRESS_NONE);
    tell_failure(w, TASK_EXITED, 1, "x");
    progress_tick(w->p, 1e6);
    assert_string_equal(see(w), "");
}

static void test_setup_that_failed_is_shown(void **state)
{
    struct world *w = *state;
    struct task_result result = {.end = TASK_EXITED};
    struct event e = {.kind = EVENT_NODE_SETUP, .task = TASK_SETUP, .worker = 1, .node = 1, .result = &result};

    open_on_pipe(w, PROGRESS_FAILURES);
    tell_node(w, "n1");
    progress_sink(w->p, &e);
    assert_string_equal(see(w), "");
    result = (struct task_result){.end = TASK_EXITED, .code = 1, .tail = "no disk\n", .n_tail_bytes = 8};
    progress_sink(w->p, &e);
    assert_string_equal(see(w), "FAILED node.setup on n1: exit status 1\n    | no disk\n");
}

static void test_narrow_terminals_show_what_matters(void **state)
{
    struct world *w = *state;

    open_on_terminal(w);
    tell_node(w, "n1");
    for (task_id t = 0; t < 20; t++)
        tell(w, EVENT_TASK_SENT, t, 0);
    for (task_id t = 0; t < 18; t++)
        tell(w, EVENT_TASK_DONE, t, 4);
    set_columns(w, 100);
    progress_tick(w->p, 10);
    assert_string_equal(see(w), "\r\033[K0:10  18 %  18 of 100 done, 2 running, 80 waiting, 1.8/s, "
                                "2 of 2 cores busy, 0:35 left");
    set_columns(w, 61);
    progress_tick(w->p, 20); /* the line before is now folded */
    assert_string_equal(see(w), "\r\033[1A\033[J0:20  18 %  18 of 100 done, 2 running, 80 waiting, 0:58 left");
    set_columns(w, 40);
    progress_tick(w->p, 30);
    assert_non_null(strstr(see(w), "18 %  18 of 100 done, 1:13 left"));
    set_columns(w, 12);
    progress_tick(w->p, 40);
    assert_non_null(strstr(see(w), "\033[J18 %  18 of"));
}

static void test_terminals_that_take_no_line_back_get_plain_lines(void **state)
{
    struct world *w = *state;

    setenv("TERM", "dumb", 1);
    open_on_terminal(w);
    tell(w, EVENT_TASK_SENT, 0, 1);
    progress_tick(w->p, 1);
    assert_string_equal(see(w), "");
    progress_tick(w->p, 10);
    assert_string_equal(strchr(see(w), '\n'), "\n");
    assert_null(strchr(w->seen.bytes, '\033'));
    tell_failure(w, TASK_EXITED, 1, "");
    assert_null(strchr(see(w), '\033'));
}

static void test_colour_is_left_out_on_demand(void **state)
{
    struct world *w = *state;

    setenv("NO_COLOR", "1", 1);
    open_on_terminal(w);
    tell_failure(w, TASK_EXITED, 1, "");
    assert_string_equal(see(w), "FAILED t3 (attempt 2, worker 1 on node 1): exit status 1\n");
}

static void test_a_line_of_the_log_takes_the_place_of_ours(void **state)
{
    struct world *w = *state;

    open_on_terminal(w);
    log_set_fd(w->fd);
    progress_tick(w->p, 1);
    see(w);
    log_warning("the disk is full");
    assert_string_equal(see(w), "\r\033[Kganger: warning: the disk is full\n");
    log_warning("twice");
    assert_string_equal(see(w), "ganger: warning: twice\n");
    progress_tick(w->p, 1.25);
    assert_non_null(strstr(see(w), "of 100 done"));
    progress_close(w->p);
    w->p = NULL;
    see(w);
    log_warning("after");
    assert_string_equal(see(w), "ganger: warning: after\n");
    log_set_fd(STDERR_FILENO);
}

static void test_on_a_terminal_the_line_is_rewritten_five_times_a_second(void **state)
{
    struct world *w = *state;

    open_on_terminal(w);
    tell(w, EVENT_TASK_SENT, 0, 0.05);
    assert_true(progress_next_s(w->p) == 0.2);
    progress_tick(w->p, 0.2);
    assert_non_null(strstr(see(w), "\r\033[K0:00  0 %  0 of 100 done, 1 running"));
    assert_true(progress_next_s(w->p) == 1.2); /* nothing changed: only the clock */
    tell(w, EVENT_TASK_DONE, 0, 0.25);
    assert_string_equal(see(w), "");
    assert_true(progress_next_s(w->p) == 0.4);
}

static void test_on_a_terminal_the_line_gives_way_to_a_failure_and_to_the_end(void **state)
{
    struct world *w = *state;
    const char *text;

    open_on_terminal(w);
    progress_tick(w->p, 1);
    text = see(w);
    assert_null(strchr(text, '\n'));
    assert_true(strlen(text) <= 79 + 4);
    tell_failure(w, TASK_EXITED, 1, "");
    assert_string_equal(see(w), "\r\033[K\033[31mFAILED\033[m t3 (attempt 2, worker 1 on node 1): exit status 1\n");
    progress_end(w->p);
    assert_string_equal(see(w), "");
    close_fds(w);
    open_on_terminal(w);
    progress_tick(w->p, 1);
    see(w);
    progress_end(w->p);
    assert_string_equal(see(w), "\r\033[K");
    progress_tick(w->p, 100);
    assert_string_equal(see(w), "");
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_elsewhere_than_on_a_terminal_lines_get_rarer),
        WORLD_TEST(test_lines_come_only_when_something_has_changed),
        WORLD_TEST(test_lines_come_at_the_interval_that_was_asked_for),
        WORLD_TEST(test_line_counts_tasks_and_no_joins),
        WORLD_TEST(test_line_says_that_workers_are_missing),
        WORLD_TEST(test_only_all_is_100_percent),
        WORLD_TEST(test_failure_is_shown_at_once_with_its_last_lines),
        WORLD_TEST(test_failure_is_said_in_words),
        WORLD_TEST(test_output_cannot_move_the_cursor),
        WORLD_TEST(test_of_equal_failures_ten_are_shown_and_the_rest_is_counted),
        WORLD_TEST(test_a_flood_of_different_failures_is_limited_too),
        WORLD_TEST(test_attempts_that_are_not_the_last_and_failures_that_may_be_are_one_line),
        WORLD_TEST(test_setup_that_failed_is_shown),
        WORLD_TEST(test_narrow_terminals_show_what_matters),
        WORLD_TEST(test_terminals_that_take_no_line_back_get_plain_lines),
        WORLD_TEST(test_colour_is_left_out_on_demand),
        WORLD_TEST(test_a_line_of_the_log_takes_the_place_of_ours),
        WORLD_TEST(test_lost_workers_and_stopping_are_shown),
        WORLD_TEST(test_quiet_styles_show_no_line),
        WORLD_TEST(test_on_a_terminal_the_line_is_rewritten_five_times_a_second),
        WORLD_TEST(test_on_a_terminal_the_line_gives_way_to_a_failure_and_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
