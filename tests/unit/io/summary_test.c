#include "io/summary.h"

#include "base/alloc.h"
#include "scratch.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

struct world
{
    struct graph *g; /* tasks t0 … t9, of which t9 takes two cores, and a join */
    struct summary *s;
    char *text;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    const struct task_resources two = {.cores = 2, .nodes = 1, .ranks = 1};
    uint32_t class;

    w->g = graph_new();
    class = graph_intern_resources(w->g, &two);
    for (int i = 0; i < 10; i++) {
        char id[16];
        int n = snprintf(id, sizeof(id), "t%d", i);

        graph_add_task(w->g, &(struct task){.id = arena_text(&w->g->text, id, (size_t)n),
                                            .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                                            .resource_class = i == 9 ? class : 0});
    }
    graph_add_task(w->g, &(struct task){.id = NULL});
    w->s = summary_open(w->g, 4);
    *state = w;
    return graph_seal(w->g, NULL);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    summary_close(w->s);
    graph_free(w->g);
    free(w->text);
    free(w);
    return 0;
}

static void tell(struct world *w, enum event_kind kind, task_id task, struct task_result *result)
{
    summary_sink(w->s, &(struct event){.kind = kind, .task = task, .worker = 1, .result = result});
}

static void tell_done(struct world *w, task_id task, double start_s, double end_s)
{
    tell(w, EVENT_TASK_DONE, task,
         &(struct task_result){.end = TASK_EXITED, .start_s = start_s, .end_s = end_s});
}

static void tell_failed(struct world *w, task_id task, enum task_end end, int code)
{
    tell(w, EVENT_TASK_FAILED, task, &(struct task_result){.end = end, .code = code});
}

static const char *print(struct world *w, const char *run_path, const char *workflow_path)
{
    int fd = memfd_create("summary", MFD_CLOEXEC);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    summary_print(w->s, fd, run_path, workflow_path);
    free(w->text);
    w->text = scratch_read(path, NULL);
    close(fd);
    return w->text;
}

static void assert_says(struct world *w, const char *words)
{
    if (strstr(w->text, words) == NULL)
        fail_msg("no \"%s\" in:\n%s", words, w->text);
}

static void test_a_good_run_in_full(void **state)
{
    struct world *w = *state;

    tell(w, EVENT_TASK_KEPT, 0, NULL);
    tell(w, EVENT_TASK_KEPT, 1, NULL);
    for (task_id t = 2; t < 9; t++)
        tell_done(w, t, 1, 5);
    tell_done(w, 9, 1, 9); /* 7 x 4 + 2 x 8 core seconds in 4 x 8 */
    tell(w, EVENT_TASK_KEPT, 10, NULL);
    assert_string_equal(print(w, "/there/flow.run", "flow.json"),
                        "          done  10 of 10 tasks, 2 of them in earlier runs\n"
                        "      makespan  8 s from the first start to the last end\n"
                        "   utilisation  137.5 % of 4 slots\n"
                        "          task  4.5 s on average, 8 s at most (t9)\n"
                        " run directory  /there/flow.run\n");
    assert_int_equal(summary_exit_status(w->s), 0);
}

static void test_failures_are_counted_by_cause(void **state)
{
    struct world *w = *state;

    tell_failed(w, 0, TASK_EXITED, 3);
    tell_failed(w, 1, TASK_SIGNALLED, SIGSEGV);
    tell_failed(w, 2, TASK_SIGNALLED, SIGSEGV);
    tell_failed(w, 3, TASK_NOT_STARTED, 2);
    tell_failed(w, 4, TASK_EXITED, 1);
    tell(w, EVENT_TASK_SKIPPED, 5, NULL);
    tell(w, EVENT_TASK_SKIPPED, 10, NULL);
    tell(w, EVENT_TASK_CANCELLED, 6, &(struct task_result){.end = TASK_CANCELLED, .start_s = NAN});
    print(w, "/there/flow.run", "flow.json");
    assert_says(w, "          done  0 of 10 tasks\n"
                   "        failed  5\n"
                   "       skipped  1\n"
                   "     cancelled  1\n"
                   "   not started  3\n");
    assert_says(w, "        causes  2 x signal 11 (SEGV), first t1\n"
                   "                1 x exit status 3, first t0\n"
                   "                1 x could not be started: No such file or directory\n"
                   "                and 1 others\n");
    assert_null(strstr(w->text, "makespan"));
    assert_int_equal(summary_exit_status(w->s), 1);
}

static void test_says_what_to_type_next(void **state)
{
    struct world *w = *state;
    char *cwd = getcwd(NULL, 0);
    char *here = xasprintf("%s/flow.run", cwd);
    char *words = xasprintf("    its output  ganger logs %s t4\n"
                            "   to carry on  ganger run in/flow.json --resume\n",
                            here);

    tell_failed(w, 4, TASK_EXITED, 1);
    print(w, here, "in/flow.json");
    assert_says(w, words);
    print(w, "/else where/it's.run", "flow.json");
    assert_says(w, "ganger logs '/else where/it'\\''s.run' t4\n");
    assert_says(w, "ganger run flow.json --resume --run-dir '/else where/it'\\''s.run'\n");
    print(w, here, "-"); /* what came through a pipe cannot be typed again */
    assert_null(strstr(w->text, "--resume"));
    free(words);
    free(here);
    free(cwd);
}

static void test_output_is_offered_only_of_tasks_that_ran(void **state)
{
    struct world *w = *state;

    tell_failed(w, 0, TASK_NOT_STARTED, 2);
    print(w, "r", "f");
    assert_null(strstr(w->text, "ganger logs"));
    tell_failed(w, 1, TASK_EXITED, 2);
    print(w, "r", "f");
    assert_says(w, "ganger logs r t1\n");
}

static void test_a_run_that_was_ended_early_is_not_all_done(void **state)
{
    struct world *w = *state;

    tell_done(w, 0, 0, 1);
    assert_int_equal(summary_exit_status(w->s), 1);
    print(w, "r.run", "f");
    assert_says(w, "   not started  9\n");
    assert_says(w, "--resume");
}

static void test_durations_have_fitting_units(void **state)
{
    static const struct
    {
        double s;
        const char *text;
    } cases[] = {{0.0123, "12.3 ms"},       {0.9996, "1 s"},        {12.34, "12.3 s"},
                 {99.96, "1 min 40 s"},     {3599, "59 min 59 s"},  {3599.7, "1 h 00 min"},
                 {100000, "27 h 46 min"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world *w = *state;
        char *words = xasprintf("makespan  %s from", cases[i].text);

        summary_close(w->s);
        w->s = summary_open(w->g, 1);
        tell_done(w, 0, 0, cases[i].s);
        print(w, "r", "f");
        assert_says(w, words);
        free(words);
    }
}

static void test_long_ids_are_cut_to_80_columns(void **state)
{
    struct world *w = *state;
    char id[256];
    char *rest = NULL;

    for (size_t i = 0; i < 254; i += 2)
        memcpy(id + i, "\xc3\xa9", 2);
    id[254] = '\0';
    w->g->tasks[0].id = id;
    tell_failed(w, 0, TASK_EXITED, 1);
    tell_done(w, 0, 0, 1);
    print(w, "r", "f");
    assert_says(w, "\xc3\xa9...\xc3\xa9");
    assert_non_null(strstr(w->text, "first \xc3\xa9"));
    for (char *line = strtok_r(w->text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strstr(line, "ganger logs") == NULL)
            assert_true(strlen(line) <= 80);
    }
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_good_run_in_full),
        WORLD_TEST(test_failures_are_counted_by_cause),
        WORLD_TEST(test_says_what_to_type_next),
        WORLD_TEST(test_output_is_offered_only_of_tasks_that_ran),
        WORLD_TEST(test_a_run_that_was_ended_early_is_not_all_done),
        WORLD_TEST(test_durations_have_fitting_units),
        WORLD_TEST(test_long_ids_are_cut_to_80_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
