/* The pure scheduler at 10^5 and 10^6 tasks: processor time per task must not grow with their number.
 * A quadratic path would make the ratio 10 or more; caches alone make it up to 2. */
#include "core/sched.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define N_SMALL 100000
#define N_LARGE 1000000
#define RATIO_MAX 5.0
#define N_NODES 8
#define N_SLOTS 16 /* of each */

typedef void add_edges(struct graph *g, task_id t);

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static struct graph *make_graph(uint32_t n, add_edges *add, uint64_t memory_step_bytes)
{
    static const struct task_setting setting = {.env = ""};
    struct graph *g = graph_new();
    struct ganger_error err = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct task_resources r = {.cores = 1, .nodes = 1, .ranks = 1, .memory_bytes = i * memory_step_bytes};
        char id[16];
        struct task t = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &setting};

        snprintf(id, sizeof(id), "%u", i);
        t.id = arena_text(&g->text, id, strlen(id));
        t.resource_class = graph_intern_resources(g, &r);
        graph_add_task(g, &t);
    }
    for (task_id t = 0; add != NULL && t < n; t++)
        add(g, t);
    assert_int_equal(graph_seal(g, &err), 0);
    return g;
}

/* Runs all of it: as many tasks at once as there are slots, the oldest ends first, all but every
 * `fail_each`-th well. Returns seconds per task. */
static double run_all(const struct graph *g, uint32_t fail_each)
{
    task_id running[N_NODES * N_SLOTS];
    size_t head = 0, n_running = 0;
    double start_s = cpu_s();
    struct sched *s = sched_new(g);
    struct placement p;
    task_id task, cause;
    bool not_needed;
    uint32_t n_ended = 0, n_skipped = 0;

    for (uint32_t node = 0; node < N_NODES; node++)
        sched_add_node(s, node, &(struct sched_node){.memory_bytes = (uint64_t)1 << 40});
    for (uint32_t w = 0; w < N_NODES * N_SLOTS; w++)
        sched_add_worker(s, w + 1, w / N_SLOTS, (uint16_t)(w % N_SLOTS));
    sched_begin(s);
    while (!sched_is_over(s)) {
        while (sched_next(s, &p))
            running[(head + n_running++) % (N_NODES * N_SLOTS)] = p.task;
        assert_true(n_running > 0);
        task = running[head];
        head = (head + 1) % (N_NODES * N_SLOTS);
        n_running--;
        n_ended++;
        sched_finish(s, task, fail_each && n_ended % fail_each == 0 ? STATE_FAILED : STATE_DONE, NAN);
        while (sched_next_skipped(s, &task, &cause, &not_needed))
            n_skipped++;
    }
    assert_int_equal(n_ended + n_skipped, g->n_tasks);
    sched_free(s);
    return (cpu_s() - start_s) / g->n_tasks;
}

static void expect_linear(const char *what, add_edges *add, uint64_t memory_step_bytes, uint32_t fail_each)
{
    struct graph *small = make_graph(N_SMALL, add, memory_step_bytes);
    struct graph *large = make_graph(N_LARGE, add, memory_step_bytes);
    double small_s = run_all(small, fail_each), large_s = run_all(large, fail_each);

    for (int again = 0; again < 2 && large_s > RATIO_MAX * small_s; again++) { /* a noisy neighbour */
        small_s = run_all(small, fail_each);
        large_s = run_all(large, fail_each);
    }
    printf("%s: %.0f ns per task of 10^5, %.0f of 10^6\n", what, 1e9 * small_s, 1e9 * large_s);
    graph_free(small);
    graph_free(large);
    assert_true(large_s <= RATIO_MAX * small_s);
}

static void chain(struct graph *g, task_id t)
{
    if (t > 0)
        graph_add_dependency(g, t - 1, t);
}

static void fan_out_and_in(struct graph *g, task_id t)
{
    task_id last = g->n_tasks - 1;

    if (t > 0)
        graph_add_dependency(g, 0, t);
    if (t < last)
        graph_add_dependency(g, t, last);
}

static void layers(struct graph *g, task_id t)
{
    const task_id width = 1000;

    for (task_id k = 0; t >= width && k < 3; k++)
        graph_add_dependency(g, t / width * width - width + (t * 7 + k * 311) % width, t);
}

static void test_independent_tasks(void **unused)
{
    (void)unused;
    expect_linear("independent", NULL, 0, 0);
}

static void test_chain(void **unused)
{
    (void)unused;
    expect_linear("chain", chain, 0, 0);
}

static void test_fan_out_and_in(void **unused)
{
    (void)unused;
    expect_linear("fan-out and fan-in", fan_out_and_in, 0, 0);
}

static void test_layers(void **unused)
{
    (void)unused;
    expect_linear("layers of 1,000", layers, 0, 0);
}

static void test_failures_in_layers(void **unused)
{
    (void)unused;
    expect_linear("layers with failures", layers, 0, 1000);
}

static void test_distinct_amounts_of_memory(void **unused)
{
    (void)unused;
    expect_linear("distinct amounts of memory", NULL, 4096, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_independent_tasks),    cmocka_unit_test(test_chain),
        cmocka_unit_test(test_fan_out_and_in),       cmocka_unit_test(test_layers),
        cmocka_unit_test(test_failures_in_layers),   cmocka_unit_test(test_distinct_amounts_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
