#include "io/progress.h"

#include "base/alloc.h"
#include "base/buffer.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

struct world
{
    struct graph *g; /* tasks t0 … t99 */
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

    w->fd = w->read_fd = -1;
    w->g = graph_new();
    for (int i = 0; i < 100; i++) {
        char id[16];
        int n = snprintf(id, sizeof(id), "t%d", i);

        graph_add_task(w->g, &(struct task){.id = arena_text(&w->g->text, id, (size_t)n),
                                            .argv = "x", .n_argv = 1, .n_argv_bytes = 2});
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

static void tell(struct world *w, enum event_kind kind, task_id task, double time_s)
{
    struct task_result result = {.end = TASK_EXITED, .code = kind == EVENT_TASK_FAILED};
    struct event e = {.kind = kind, .task = task, .time_s = time_s, .attempt = 1, .worker = 1,
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
    static const double expected_s[] = {10, 40, 100, 220, 520, 1120, 1720, 2320};
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    for (size_t i = 0; i < sizeof(expected_s) / sizeof(*expected_s); i++) {
        double due_s = progress_next_s(w->p);

        assert_true(due_s == expected_s[i]);
        progress_tick(w->p, due_s - 0.01);
        assert_string_equal(see(w), "");
        progress_tick(w->p, due_s);
        assert_non_null(strchr(see(w), '\n'));
    }
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
    assert_string_equal(see(w), "0:10  26 %  26 of 100 done, 4 running, 70 waiting, 2/s\n");
    tell(w, EVENT_TASK_FAILED, 26, 4);
    tell(w, EVENT_TASK_CANCELLED, 27, 4);
    tell(w, EVENT_TASK_SKIPPED, 50, 4);
    see(w);
    progress_tick(w->p, 3700);
    assert_string_equal(see(w), "1:01:40  29 %  26 of 100 done, 1 failed, 1 skipped, 1 cancelled, "
                                "2 running, 69 waiting, 0.00433/s\n");
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
    assert_string_equal(see(w), "FAILED t3 on n1 (attempt 2): exit status 3\n"
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
    assert_string_equal(see(w), "FAILED t3 on n1 (attempt 2): signal 9 (KILL)\n");
    tell_failure(w, TASK_NOT_STARTED, 2, "/bin/nope");
    assert_string_equal(see(w), "FAILED t3 on n1 (attempt 2): could not be started: No such file "
                                "or directory: /bin/nope\n");
    tell_failure(w, TASK_NOT_STARTED, 2, "executing it: No such file or directory");
    assert_string_equal(see(w), "FAILED t3 on n1 (attempt 2): could not be started: executing it: "
                                "No such file or directory\n");
}

static void test_output_cannot_move_the_cursor(void **state)
{
    struct world *w = *state;

    open_on_pipe(w, PROGRESS_ALL);
    tell_failure(w, TASK_EXITED, 1, "a\033[2J\r\x07\tb\xc3\xa9\xff\xc2\x9b\x7f");
    assert_string_equal(strchr(see(w), '\n'),
                        "\n    | a^[[2J^M^G    b\xc3\xa9\\xff\\u009b^?\n");
}

static void test_failures_beyond_twenty_are_left_to_the_journal(void **state)
{
    struct world *w = *state;
    const char *text;
    int n_failed = 0, n_more = 0;

    open_on_pipe(w, PROGRESS_FAILURES);
    for (int i = 0; i < 50; i++)
        tell_failure(w, TASK_EXITED, 1, "");
    text = see(w);
    for (const char *at = text; (at = strstr(at, "FAILED t3")) != NULL; at++)
        n_failed++;
    for (const char *at = text; (at = strstr(at, "are in the journal")) != NULL; at++)
        n_more++;
    assert_int_equal(n_failed, 20);
    assert_int_equal(n_more, 1);
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
    assert_string_equal(see(w), "\r\033[KFAILED t3 on node 1 (attempt 2): exit status 1\n");
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
        WORLD_TEST(test_line_counts_tasks_and_no_joins),
        WORLD_TEST(test_line_says_that_workers_are_missing),
        WORLD_TEST(test_only_all_is_100_percent),
        WORLD_TEST(test_failure_is_shown_at_once_with_its_last_lines),
        WORLD_TEST(test_failure_is_said_in_words),
        WORLD_TEST(test_output_cannot_move_the_cursor),
        WORLD_TEST(test_failures_beyond_twenty_are_left_to_the_journal),
        WORLD_TEST(test_lost_workers_and_stopping_are_shown),
        WORLD_TEST(test_quiet_styles_show_no_line),
        WORLD_TEST(test_on_a_terminal_the_line_is_rewritten_five_times_a_second),
        WORLD_TEST(test_on_a_terminal_the_line_gives_way_to_a_failure_and_to_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
