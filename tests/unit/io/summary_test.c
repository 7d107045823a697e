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
#include <unistd.h>

#include <cmocka.h>

struct world
{
    struct graph *g; /* tasks t0 … t9, of which t9 takes two cores and t8 may fail, and a join */
    struct summary *s;
    char *text;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    const struct task_resources two = {.cores = 2, .nodes = 1, .ranks = 1};
    uint32_t class, may_fail;

    w->g = graph_new();
    may_fail = graph_intern_policy(w->g, &(struct task_policy){.may_fail = true});
    class = graph_intern_resources(w->g, &two);
    for (int i = 0; i < 10; i++) {
        char id[16];
        int n = snprintf(id, sizeof(id), "t%d", i);

        graph_add_task(w->g, &(struct task){.id = arena_text(&w->g->text, id, (size_t)n),
                                            .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                                            .resource_class = i == 9 ? class : 0,
                                            .policy = i == 8 ? may_fail : 0});
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

static void tell_node(struct world *w, uint32_t n_workers, uint64_t memory_bytes)
{
    summary_sink(w->s, &(struct event){.kind = EVENT_NODE_JOINED, .memory_bytes = memory_bytes, .n_slots = n_workers});
    for (uint32_t i = 0; i < n_workers; i++)
        summary_sink(w->s, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = i + 1});
}

static const char *print_for(struct world *w, const char *run_path, const struct summary_command *command)
{
    int fd = memfd_create("summary", MFD_CLOEXEC);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    summary_print(w->s, fd, run_path, command);
    free(w->text);
    w->text = scratch_read(path, NULL);
    close(fd);
    return w->text;
}

static const char *print(struct world *w, const char *run_path, const char *workflow_path)
{
    return print_for(w, run_path, &(struct summary_command){.program = "ganger", .flow = workflow_path});
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
    tell(w, EVENT_TASK_SKIPPED, 5, NULL); /* because of t0 */
    tell(w, EVENT_TASK_SKIPPED, 10, NULL);
    tell(w, EVENT_TASK_CANCELLED, 6, &(struct task_result){.end = TASK_CANCELLED, .start_s = NAN});
    print(w, "/there/flow.run", "flow.json");
    assert_says(w, "          done  0 of 10 tasks\n"
                   "        failed  5\n"
                   "       skipped  1 because of t0\n"
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
    assert_says(w, "  their output  ganger logs r --failed\n");
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

static void tell_skipped(struct world *w, task_id task, task_id cause)
{
    summary_sink(w->s, &(struct event){.kind = EVENT_TASK_SKIPPED, .task = task, .cause = cause});
}

static void test_skipped_tasks_are_counted_by_what_they_were_skipped_for(void **state)
{
    struct world *w = *state;

    tell_skipped(w, 4, 1);
    print(w, "r", "f");
    assert_says(w, "       skipped  1 because of t1\n");
    tell_skipped(w, 5, 0);
    tell_skipped(w, 6, 0);
    print(w, "r", "f");
    assert_says(w, "       skipped  3: 2 because of t0,\n"
                   "                1 because of t1\n");
    tell_skipped(w, 7, 2);
    tell_skipped(w, 8, 3);
    print(w, "r", "f");
    assert_says(w, "       skipped  5: 2 because of t0,\n"
                   "                1 because of t1,\n"
                   "                1 because of t2,\n"
                   "                1 because of 1 others\n");
}

static void test_what_may_fail_or_is_not_needed_is_no_failure(void **state)
{
    struct world *w = *state;

    for (task_id t = 0; t < 7; t++)
        tell_done(w, t, 0, 1);
    tell(w, EVENT_TASK_NOT_NEEDED, 7, NULL);
    tell(w, EVENT_TASK_NOT_NEEDED, 10, NULL); /* the join */
    tell_failed(w, 8, TASK_EXITED, 1);
    assert_int_equal(summary_exit_status(w->s), 1);
    tell_done(w, 9, 0, 1);
    assert_int_equal(summary_exit_status(w->s), 0);
    print(w, "r", "f");
    assert_says(w, "        failed  1, as it may\n");
    assert_says(w, "    not needed  1\n");
    assert_null(strstr(w->text, "--resume"));
}

static void test_attempts_that_failed_count_as_work(void **state)
{
    struct world *w = *state;

    tell_node(w, 1, 0);
    tell(w, EVENT_TASK_RETRIED, 0, &(struct task_result){.end = TASK_EXITED, .code = 1, .start_s = 0, .end_s = 6});
    tell(w, EVENT_TASK_RETRIED, 1, &(struct task_result){.end = TASK_LOST, .start_s = NAN, .end_s = 6});
    tell_done(w, 0, 6, 8);
    print(w, "r", "f");
    assert_says(w, "   tried again  2 times\n");
    assert_says(w, "      makespan  8 s from");
    assert_says(w, "   lower bound  8 s for such run times, by a chain of tasks: 0.0 % above\n");
    assert_says(w, "   utilisation  25.0 % of 4 slots\n");
    assert_null(strstr(w->text, "idle")); /* its one worker was busy */
}

static void test_makespan_is_held_against_the_lower_bound_and_idle_cores_explained(void **state)
{
    struct world *w = *state;

    tell_node(w, 4, 0);
    for (task_id t = 0; t < 4; t++)
        tell_done(w, t, t, t + 1); /* one after the other, though all were ready */
    tell_done(w, 4, 4, 8);
    print(w, "r", "f");
    assert_says(w, "      makespan  8 s from");
    assert_says(w, "   lower bound  4 s for such run times, by a chain of tasks: 100.0 % above\n");
    assert_says(w, "   utilisation  25.0 % of 4 slots\n");
    assert_says(w, "          idle  37.5 %: only the last tasks ran\n"
                   "                28.1 %: the next task was on its way\n"
                   "                 9.4 %: nothing was ready\n");
}

static void test_the_lower_bound_names_its_cause(void **state)
{
    struct world *w = *state;

    graph_free(w->g);
    summary_close(w->s);
    w->g = graph_new();
    for (int i = 0; i < 5; i++) /* one, then three at a time on two cores, then one */
        graph_add_task(w->g, &(struct task){.id = &"abcde"[i], .argv = "x", .n_argv = 1, .n_argv_bytes = 2});
    for (task_id t = 1; t < 4; t++) {
        graph_add_dependency(w->g, 0, t);
        graph_add_dependency(w->g, t, 4);
    }
    assert_int_equal(graph_seal(w->g, NULL), 0);
    w->s = summary_open(w->g, 2);
    tell_node(w, 2, 0);
    tell_done(w, 0, 0, 4);
    tell_done(w, 1, 4, 8);
    tell_done(w, 2, 4, 8);
    tell_done(w, 3, 8, 12);
    tell_done(w, 4, 12, 16);
    print(w, "r", "f");
    assert_says(w, "   lower bound  14 s for such run times, by cores and dependencies: 14.3 % above\n");
}

static void test_programs_are_listed_by_the_time_they_took(void **state)
{
    struct world *w = *state;

    w->g->tasks[0].program = graph_intern_program(w->g, "fast", 4);
    w->g->tasks[1].program = w->g->tasks[2].program = graph_intern_program(w->g, "slow", 4);
    summary_close(w->s);
    w->s = summary_open(w->g, 4);
    tell_done(w, 0, 0, 1);
    print(w, "r", "f");
    assert_null(strstr(w->text, "programs"));
    tell_done(w, 1, 0, 10);
    tell_done(w, 2, 0, 20);
    print(w, "r", "f");
    assert_says(w, "      programs     tasks         mean      longest          sum\n"
                   "                       2         15 s         20 s         30 s  slow\n"
                   "                       1          1 s          1 s          1 s  fast\n");
}

static void test_peak_memory_and_use_of_the_cpu_are_said(void **state)
{
    struct world *w = *state;

    tell(w, EVENT_TASK_DONE, 0, &(struct task_result){.end_s = 10, .cpu_s = 9, .max_rss_bytes = 3ull << 29});
    tell(w, EVENT_TASK_DONE, 1, &(struct task_result){.end_s = 10, .cpu_s = 6, .max_rss_bytes = 1 << 20});
    print(w, "r", "f");
    assert_says(w, "   peak memory  1.5 GiB (t0)\n");
    assert_says(w, "   utilisation  50.0 % of 4 slots; tasks had the CPU 75.0 % of their time\n");
}

static void test_says_how_a_program_with_functions_goes_on(void **state)
{
    static const char *const plugins[] = {"a.so", "b c.so"}, *const targets[] = {"t*"}, *const words[] = {"-n", "3"};
    struct world *w = *state;

    tell_failed(w, 4, TASK_EXITED, 1);
    print_for(w, "/r.run", &(struct summary_command){.program = "./fit", .words = {words, 2}});
    assert_says(w, "   to carry on  ./fit run --resume --run-dir /r.run -- -n 3\n");
    print_for(w, "/r.run", &(struct summary_command){"ganger", "f.json", {targets, 1}, {plugins, 2}, {NULL, 0}});
    assert_says(w, "ganger run f.json 't*' --plugin a.so --plugin 'b c.so' --resume --run-dir /r.run\n");
}

static void test_quietly_only_failures_are_said(void **state)
{
    const struct summary_command command = {.program = "ganger", .flow = "f"};
    struct world *w = *state;
    int fd = memfd_create("summary", MFD_CLOEXEC);
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    tell_failed(w, 0, TASK_EXITED, 1);
    for (task_id t = 1; t < 10; t++)
        tell_done(w, t, 0, 1);
    summary_print_failures(w->s, fd, "r", &command);
    w->text = scratch_read(path, NULL);
    assert_says(w, "        failed  1\n");
    assert_says(w, "--resume");
    assert_null(strstr(w->text, "makespan"));
    assert_int_equal(ftruncate(fd, 0), 0);
    tell_done(w, 0, 0, 1);
    summary_close(w->s);
    w->s = summary_open(w->g, 4);
    for (task_id t = 0; t < 10; t++)
        tell_done(w, t, 0, 1);
    summary_print_failures(w->s, fd, "r", &command);
    free(w->text);
    w->text = scratch_read(path, NULL);
    assert_string_equal(w->text, "");
    close(fd);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_good_run_in_full),
        WORLD_TEST(test_failures_are_counted_by_cause),
        WORLD_TEST(test_says_what_to_type_next),
        WORLD_TEST(test_says_how_a_program_with_functions_goes_on),
        WORLD_TEST(test_output_is_offered_only_of_tasks_that_ran),
        WORLD_TEST(test_a_run_that_was_ended_early_is_not_all_done),
        WORLD_TEST(test_durations_have_fitting_units),
        WORLD_TEST(test_long_ids_are_cut_to_80_columns),
        WORLD_TEST(test_skipped_tasks_are_counted_by_what_they_were_skipped_for),
        WORLD_TEST(test_what_may_fail_or_is_not_needed_is_no_failure),
        WORLD_TEST(test_attempts_that_failed_count_as_work),
        WORLD_TEST(test_makespan_is_held_against_the_lower_bound_and_idle_cores_explained),
        WORLD_TEST(test_the_lower_bound_names_its_cause),
        WORLD_TEST(test_programs_are_listed_by_the_time_they_took),
        WORLD_TEST(test_peak_memory_and_use_of_the_cpu_are_said),
        WORLD_TEST(test_quietly_only_failures_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
