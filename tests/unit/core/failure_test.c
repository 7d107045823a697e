#include "core/failure.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world
{
    struct graph *g;
    struct task_files files;
    struct task_setting setting;
    struct buffer text;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->g = graph_new();
    w->setting.files = &w->files;
    graph_add_task(w->g, &(struct task){.id = "a", .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                                        .setting = &w->setting});
    *state = w;
    return graph_seal(w->g, NULL);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    graph_free(w->g);
    buffer_release(&w->text);
    free(w);
    return 0;
}

static const char *put(struct world *w, const struct event *e)
{
    w->text.n = 0;
    failure_put(&w->text, w->g, e, "n1");
    buffer_put_u8(&w->text, 0);
    return w->text.bytes;
}

static const char *put_end(struct world *w, enum task_end end, int code, const char *tail)
{
    struct task_result result = {.end = end, .code = code, .tail = tail, .n_tail_bytes = (uint32_t)strlen(tail)};

    return put(w, &(struct event){.kind = EVENT_TASK_FAILED, .attempt = 1, .worker = 2, .result = &result});
}

static void test_each_way_to_end_is_said(void **state)
{
    static const struct
    {
        enum task_end end;
        int code;
        const char *tail;
        const char *text;
    } cases[] = {
        {TASK_EXITED, 2, "last words\n", "exit status 2\n    | last words\n"},
        {TASK_SIGNALLED, SIGSEGV, "", "signal 11 (SEGV)\n"},
        {TASK_TIMED_OUT, SIGTERM, "at 99 %\n", "ended at its timeout\n    | at 99 %\n"},
        {TASK_INPUT_MISSING, ENOENT, "in.dat", "a declared input is missing: in.dat\n"},
        {TASK_OUTPUT_MISSING, ENOENT, "out.dat", "a declared output is missing: out.dat\n"},
        {TASK_LOST, 0, "", "lost with its worker\n"},
        {TASK_UNPLACEABLE, 0, "8 cores", "no node can hold it: 8 cores\n"},
        {TASK_OUT_OF_MEMORY, SIGKILL, "3 of 2 GiB", "out of memory: 3 of 2 GiB\n"},
        {TASK_OUTPUT_LIMIT, SIGTERM, "y\n", "wrote more output than --max-output\n    | y\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *text = xasprintf("FAILED a (attempt 1, worker 2 on n1): %s", cases[i].text);

        assert_string_equal(put_end(*state, cases[i].end, cases[i].code, cases[i].tail), text);
        free(text);
    }
}

static void test_a_task_that_was_never_sent_has_no_worker(void **state)
{
    struct task_result result = {.end = TASK_UNPLACEABLE, .tail = "8 cores", .n_tail_bytes = 7};

    assert_string_equal(put(*state, &(struct event){.kind = EVENT_TASK_FAILED, .result = &result}),
                        "FAILED a: no node can hold it: 8 cores\n");
}

static void test_says_in_which_files_the_output_is(void **state)
{
    struct world *w = *state;
    const char *start = "FAILED a (attempt 1, worker 2 on n1): exit status 1\n";
    size_t n = strlen(start);

    w->files.stdout_path = "out";
    assert_string_equal(put_end(w, TASK_EXITED, 1, "error\n") + n, "    | error\n    its output is in out\n");
    w->files.stderr_path = "out";
    assert_string_equal(put_end(w, TASK_EXITED, 1, "") + n, "    its output is in out\n");
    w->files.stderr_path = "err";
    assert_string_equal(put_end(w, TASK_EXITED, 1, "") + n, "    its output is in out and err\n");
    w->files.stdout_path = NULL;
    assert_string_equal(put_end(w, TASK_EXITED, 1, "") + n, "    its errors are in err\n");
}

static void test_a_result_that_nobody_knows_is_unknown(void **state)
{
    assert_string_equal(put(*state, &(struct event){.kind = EVENT_TASK_FAILED, .attempt = 3, .worker = 2}),
                        "FAILED a (attempt 3, worker 2 on n1): unknown\n");
}

static void test_tasks_that_are_not_of_the_graph_are_left_out(void **state)
{
    assert_string_equal(put(*state, &(struct event){.kind = EVENT_TASK_FAILED, .task = TASK_SETUP}), "");
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_each_way_to_end_is_said),
        WORLD_TEST(test_a_task_that_was_never_sent_has_no_worker),
        WORLD_TEST(test_says_in_which_files_the_output_is),
        WORLD_TEST(test_a_result_that_nobody_knows_is_unknown),
        WORLD_TEST(test_tasks_that_are_not_of_the_graph_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
