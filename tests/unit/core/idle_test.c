#include "core/idle.h"

#include "base/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_TASKS_MAX 16

struct world
{
    struct graph *g;
    struct idle_run run;
    float start_s[N_TASKS_MAX];
    float run_s[N_TASKS_MAX];
    double shares[N_IDLE_REASONS];
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->g = graph_new();
    w->run = (struct idle_run){.graph = w->g, .start_s = w->start_s, .run_s = w->run_s, .n_cores = 4, .n_nodes = 1,
                               .last_s = 10};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    graph_free(w->g);
    free(w);
    return 0;
}

/* A task that ran at that time; NAN: it did not. */
static task_id add(struct world *w, const struct task_resources *r, double start_s, double end_s)
{
    static const struct task_resources plain = {.cores = 1, .nodes = 1, .ranks = 1};
    struct task t = {.id = NULL, .argv = "x", .n_argv = 1, .n_argv_bytes = 2};
    char id[2] = {(char)('a' + w->g->n_tasks), '\0'};

    assert_true(w->g->n_tasks < N_TASKS_MAX);
    w->start_s[w->g->n_tasks] = (float)start_s;
    w->run_s[w->g->n_tasks] = (float)(end_s - start_s);
    t.id = arena_text(&w->g->text, id, 1);
    t.resource_class = graph_intern_resources(w->g, r != NULL ? r : &plain);
    return graph_add_task(w->g, &t);
}

static void explain(struct world *w)
{
    assert_int_equal(graph_seal(w->g, NULL), 0);
    idle_explain(&w->run, w->shares);
}

static void assert_share(struct world *w, enum idle_reason reason, double share)
{
    if (fabs(w->shares[reason] - share) > 0.003)
        fail_msg("reason %d has %g, not %g", reason, w->shares[reason], share);
}

static double sum_of(const struct world *w)
{
    double sum = 0;

    for (int i = 0; i < N_IDLE_REASONS; i++)
        sum += w->shares[i];
    return sum;
}

static void test_busy_cores_are_not_idle(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 4; i++)
        add(w, NULL, 0, 10);
    explain(w);
    assert_true(sum_of(w) < 1e-9);
}

static void test_a_chain_leaves_nothing_ready_until_its_last_task(void **state)
{
    struct world *w = *state;

    graph_add_dependency(w->g, add(w, NULL, 0, 8), add(w, NULL, 8, 10));
    explain(w);
    assert_share(w, IDLE_NOTHING_READY, 0.75 * 0.8);
    assert_share(w, IDLE_TAIL, 0.75 * 0.2);
    assert_true(fabs(sum_of(w) - 0.75) < 1e-6);
}

static void test_joins_and_tasks_that_did_not_run_pass_readiness_on(void **state)
{
    struct world *w = *state;
    task_id a = add(w, NULL, 0, 6), skipped = add(w, NULL, NAN, NAN), b;
    task_id join = graph_add_task(w->g, &(struct task){.id = NULL});

    w->start_s[join] = w->run_s[join] = NAN;
    b = add(w, NULL, 6, 10);
    graph_add_dependency(w->g, a, skipped);
    graph_add_dependency(w->g, skipped, join);
    graph_add_dependency(w->g, join, b);
    explain(w);
    assert_share(w, IDLE_NOTHING_READY, 0.75 * 0.6);
}

static void test_memory_that_did_not_suffice_is_told_from_memory_that_did(void **state)
{
    struct world *w = *state;
    const struct task_resources big = {.cores = 1, .nodes = 1, .ranks = 1, .memory_bytes = 600};

    add(w, &big, 0, 5);
    add(w, &big, 5, 10);
    w->run.memory_bytes = 1000;
    explain(w);
    assert_share(w, IDLE_MEMORY, 0.5 * 0.25); /* one core could have been used in the first half */
    assert_share(w, IDLE_NOTHING_READY, 0.5 * 0.5);
    w->run.memory_bytes = 2000;
    idle_explain(&w->run, w->shares);
    assert_share(w, IDLE_MEMORY, 0);
    assert_share(w, IDLE_BETWEEN, 0.5 * 0.25);
}

static void test_tokens_gpus_and_cores_are_reasons(void **state)
{
    struct world *w = *state;
    const struct task_amount amount = {0, 1};
    const struct task_resources licence = {.cores = 1, .nodes = 1, .ranks = 1, .n_amounts = 1, .amounts = &amount};
    const struct task_resources gpu = {.cores = 1, .nodes = 1, .ranks = 1, .gpus = 1};
    const struct task_resources wide = {.cores = 4, .nodes = 1, .ranks = 1};

    graph_add_named(w->g, &(struct graph_named){"licence", 1, false});
    add(w, NULL, 0, 8);
    add(w, &licence, 8, 9);
    explain(w);
    assert_share(w, IDLE_TOKENS, 0.8 * 0.25);
    graph_free(w->g);
    w->run.graph = w->g = graph_new();
    add(w, NULL, 0, 8);
    add(w, &gpu, 8, 9);
    explain(w);
    assert_share(w, IDLE_GPUS, 0.8 * 0.25);
    graph_free(w->g);
    w->run.graph = w->g = graph_new();
    add(w, NULL, 0, 8);
    add(w, &wide, 8, 10);
    explain(w);
    assert_share(w, IDLE_WIDE, 0.8 * 0.75);
}

static void test_workers_that_are_not_there_are_a_reason(void **state)
{
    struct world *w = *state;
    const struct idle_span absences[] = {{TASK_NONE, -1e30, 5}, {TASK_NONE, 8, 1e30}};

    add(w, NULL, 0, 9.999);
    w->run.absences = absences;
    w->run.n_absences = 2;
    explain(w);
    assert_share(w, IDLE_ABSENT, 0.7 * 0.25);
    assert_share(w, IDLE_TAIL, 0.75 - 0.7 * 0.25);
}

static void test_earlier_attempts_were_busy_and_did_not_wait(void **state)
{
    struct world *w = *state;
    const struct idle_span attempt = {0, 0, 4};

    w->run.n_cores = 1;
    w->run.attempts = &attempt;
    w->run.n_attempts = 1;
    add(w, NULL, 5, 10);
    explain(w);
    assert_share(w, IDLE_BETWEEN, 0.1);
    assert_true(fabs(sum_of(w) - 0.1) < 0.003);
}

static void test_a_run_without_time_is_not_explained(void **state)
{
    struct world *w = *state;

    add(w, NULL, NAN, NAN);
    w->run.first_s = INFINITY;
    w->run.last_s = 0;
    explain(w);
    assert_true(sum_of(w) <= 0);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_busy_cores_are_not_idle),
        WORLD_TEST(test_a_chain_leaves_nothing_ready_until_its_last_task),
        WORLD_TEST(test_joins_and_tasks_that_did_not_run_pass_readiness_on),
        WORLD_TEST(test_memory_that_did_not_suffice_is_told_from_memory_that_did),
        WORLD_TEST(test_tokens_gpus_and_cores_are_reasons),
        WORLD_TEST(test_workers_that_are_not_there_are_a_reason),
        WORLD_TEST(test_earlier_attempts_were_busy_and_did_not_wait),
        WORLD_TEST(test_a_run_without_time_is_not_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
