#include "core/forecast.h"

#include "base/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world
{
    struct graph *g;
    struct forecast *f;
    struct forecast_view seen;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->g = graph_new();
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    forecast_free(w->f);
    graph_free(w->g);
    free(w);
    return 0;
}

static void add(struct world *w, uint32_t n, const char *program, float cost_s, uint32_t cores)
{
    struct task_resources r = {.cores = cores, .nodes = 1, .ranks = 1};

    for (uint32_t i = 0; i < n; i++) {
        char *id = xasprintf("t%u", w->g->n_tasks);
        struct task t = {.id = arena_text(&w->g->text, id, strlen(id)), .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                         .cost_s = cost_s};

        t.program = graph_intern_program(w->g, program, strlen(program));
        t.resource_class = graph_intern_resources(w->g, &r);
        graph_add_task(w->g, &t);
        free(id);
    }
}

static void begin(struct world *w)
{
    assert_int_equal(graph_seal(w->g, NULL), 0);
    w->f = forecast_new(w->g);
}

static void tell(struct world *w, enum event_kind kind, task_id task, uint32_t worker, double time_s)
{
    forecast_hear(w->f, &(struct event){.kind = kind, .task = task, .worker = worker, .time_s = time_s});
}

static void run(struct world *w, task_id task, uint32_t worker, double start_s, double end_s)
{
    struct task_result result = {.start_s = start_s, .end_s = end_s};

    tell(w, EVENT_TASK_SENT, task, worker, start_s);
    forecast_hear(w->f, &(struct event){.kind = EVENT_TASK_DONE, .task = task, .worker = worker, .time_s = end_s,
                                        .result = &result});
}

static void look(struct world *w, double now_s)
{
    forecast_look(w->f, now_s, &w->seen);
}

static void assert_near(double found, double wanted)
{
    if (!(fabs(found - wanted) <= 1e-3 * fabs(wanted) + 1e-9))
        fail_msg("%g is not %g", found, wanted);
}

static void test_nothing_is_said_before_anything_is_known(void **state)
{
    struct world *w = *state;

    add(w, 10, "a", 0, 1);
    begin(w);
    look(w, 5);
    assert_true(isnan(w->seen.rate_per_s) && isnan(w->seen.left_s));
    tell(w, EVENT_TASK_SENT, 0, 1, 5);
    look(w, 20);
    assert_int_equal(w->seen.n_running, 1);
    assert_true(isnan(w->seen.rate_per_s) && isnan(w->seen.left_s));
}

static void test_stated_costs_say_it_before_any_task_ends(void **state)
{
    struct world *w = *state;

    add(w, 10, "a", 20, 2); /* 400 core-seconds */
    begin(w);
    tell(w, EVENT_TASK_SENT, 0, 1, 0);
    tell(w, EVENT_TASK_SENT, 1, 2, 0);
    look(w, 10);
    assert_int_equal(w->seen.n_busy_cores, 4);
    assert_near(w->seen.left_s, (400 - 4 * 10) / 4.0);
}

static void test_stated_costs_are_corrected_by_what_tasks_took(void **state)
{
    struct world *w = *state;

    add(w, 10, "a", 1, 1);
    begin(w);
    for (task_id t = 0; t < 3; t++)
        run(w, t, 1, 10 * t, 10 * t + 10); /* ten times as long */
    tell(w, EVENT_TASK_SENT, 3, 1, 30);
    look(w, 35);
    assert_near(w->seen.left_s, 7 * 10 - 5);
}

static void test_programs_teach_what_their_tasks_take_and_others_are_taken_for_average(void **state)
{
    struct world *w = *state;

    add(w, 2, "long", 0, 1);  /* 0 1 */
    add(w, 2, "short", 0, 1); /* 2 3 */
    add(w, 2, "new", 0, 1);   /* 4 5 */
    begin(w);
    run(w, 0, 1, 0, 10);
    run(w, 2, 1, 10, 12);
    tell(w, EVENT_TASK_SENT, 1, 1, 12);
    look(w, 14);
    assert_near(w->seen.left_s, 10 - 2 + 2 + 2 * 6.0);
}

static void test_what_will_not_run_is_no_work(void **state)
{
    struct world *w = *state;

    add(w, 6, "a", 0, 1);
    add(w, 1, "b", 50, 1);
    begin(w);
    tell(w, EVENT_TASK_KEPT, 5, 0, 0);
    run(w, 0, 1, 0, 10);
    tell(w, EVENT_TASK_SENT, 1, 1, 10);
    tell(w, EVENT_TASK_SKIPPED, 2, 0, 10);
    tell(w, EVENT_TASK_NOT_NEEDED, 3, 0, 10);
    tell(w, EVENT_TASK_SKIPPED, 6, 0, 10);
    look(w, 11);
    assert_near(w->seen.left_s, 9 + 10);
    tell(w, EVENT_RUN_STOPPING, 0, 0, 11);
    look(w, 12);
    assert_true(isnan(w->seen.left_s));
}

static void test_a_task_that_takes_longer_than_expected_is_not_negative_work(void **state)
{
    struct world *w = *state;

    add(w, 2, "a", 10, 1);
    begin(w);
    tell(w, EVENT_TASK_SENT, 0, 1, 0);
    look(w, 1000);
    assert_near(w->seen.left_s, 10);
}

static void test_time_left_is_not_less_than_the_longest_path(void **state)
{
    struct world *w = *state;

    add(w, 100, "a", 1, 1);
    add(w, 2, "end", 100, 1);
    graph_add_dependency(w->g, 0, 100);
    graph_add_dependency(w->g, 100, 101);
    begin(w);
    for (task_id t = 0; t < 100; t++)
        tell(w, EVENT_TASK_SENT, t, 1 + t, 0);
    look(w, 1);
    assert_near(w->seen.left_s, 200);
}

static void test_what_waits_behind_another_does_not_run(void **state)
{
    struct world *w = *state;

    add(w, 4, "a", 0, 1);
    begin(w);
    tell(w, EVENT_TASK_SENT, 0, 1, 0);
    tell(w, EVENT_TASK_SENT, 1, 1, 0);
    look(w, 1);
    assert_int_equal(w->seen.n_running, 1);
    assert_int_equal(w->seen.n_busy_cores, 1);
    tell(w, EVENT_TASK_DONE, 0, 1, 2);
    look(w, 2);
    assert_int_equal(w->seen.n_running, 1);
    tell(w, EVENT_TASK_SENT, 2, 1, 2);
    tell(w, EVENT_TASK_RETURNED, 2, 1, 3);
    look(w, 3);
    assert_int_equal(w->seen.n_running, 1);
    tell(w, EVENT_TASK_RETRIED, 1, 1, 4);
    look(w, 4);
    assert_int_equal(w->seen.n_running, 0);
    assert_int_equal(w->seen.n_busy_cores, 0);
    tell(w, EVENT_TASK_SENT, 1, 1, 5);
    tell(w, EVENT_WORKER_LOST, TASK_NONE, 1, 6);
    tell(w, EVENT_TASK_RETRIED, 1, 1, 6);
    look(w, 6);
    assert_int_equal(w->seen.n_running, 0);
    assert_int_equal(w->seen.n_busy_cores, 0);
}

static void test_rate_is_that_of_the_last_half_minute(void **state)
{
    struct world *w = *state;
    task_id t = 0;

    add(w, 2000, "a", 0, 1);
    begin(w);
    for (double now_s = 0; now_s < 100; now_s += 1) { /* one a second, */
        run(w, t++, 1, now_s, now_s + 1);
        look(w, now_s + 1);
    }
    assert_near(w->seen.rate_per_s, 1);
    for (double now_s = 100; now_s < 140; now_s += 0.1) { /* then ten */
        run(w, t++, 1, now_s, now_s + 0.1);
        look(w, now_s + 0.1);
    }
    assert_true(fabs(w->seen.rate_per_s - 10) < 0.5);
}

static void test_rate_of_a_slow_run_falls_while_nothing_ends(void **state)
{
    struct world *w = *state;

    add(w, 200, "a", 0, 1);
    begin(w);
    run(w, 0, 1, 0, 10);
    run(w, 1, 1, 10, 20);
    look(w, 20);
    assert_near(w->seen.rate_per_s, 2 / 20.0);
    look(w, 200);
    assert_near(w->seen.rate_per_s, 2 / 200.0);
    for (task_id t = 2; t < 100; t++)
        run(w, t, 1, 200, 200 + t);
    look(w, 300);
    look(w, 400); /* 16 since number 83 ended at 283 */
    assert_near(w->seen.rate_per_s, 16 / (400 - 283.0));
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_nothing_is_said_before_anything_is_known),
        WORLD_TEST(test_stated_costs_say_it_before_any_task_ends),
        WORLD_TEST(test_stated_costs_are_corrected_by_what_tasks_took),
        WORLD_TEST(test_programs_teach_what_their_tasks_take_and_others_are_taken_for_average),
        WORLD_TEST(test_what_will_not_run_is_no_work),
        WORLD_TEST(test_a_task_that_takes_longer_than_expected_is_not_negative_work),
        WORLD_TEST(test_time_left_is_not_less_than_the_longest_path),
        WORLD_TEST(test_what_waits_behind_another_does_not_run),
        WORLD_TEST(test_rate_is_that_of_the_last_half_minute),
        WORLD_TEST(test_rate_of_a_slow_run_falls_while_nothing_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
