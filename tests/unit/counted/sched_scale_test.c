/* The pure scheduler at a million tasks: whatever they wait for, each must take about as many steps as one of a million
 * that wait for nothing but a slot. Anything that looks at all ready tasks, or at all classes, would take a thousand
 * times as many. */
#include "core/sched.h"
#include "counted/steps.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_TASKS 1000000
#define RATIO_MAX 5.0
#define N_NODES 64
#define N_SLOTS 16 /* of each */
#define N_WORKERS (N_NODES * N_SLOTS)
#define NODE_BYTES ((uint64_t)64 << 30)

/* What the task number `i` is; everything not set is plain. */
typedef void describe(struct graph *g, uint32_t i, struct task_resources *resources, struct task_policy *policy);
typedef void link_task(struct graph *g, task_id t);

struct scenario
{
    const char *name;
    uint32_t n_tasks;   /* 0: N_TASKS */
    describe *describe; /* NULL: all are plain */
    link_task *link;    /* NULL: nothing waits for anything */
    uint32_t fail_each; /* that many-th fails; 0: none does */
};

/* ---- what tasks ask for ---- */

static uint32_t scattered(uint32_t i)
{
    return (uint32_t)(i * UINT64_C(2654435761) % N_TASKS);
}

/* More than half of a node, of which there is one. */
static void one_at_a_time(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)g;
    (void)i;
    (void)p;
    r->cores = N_SLOTS / 2 + 1;
    r->memory_bytes = NODE_BYTES / 2 + 1;
}

static void one_token(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)p;
    if (i == 0)
        graph_add_queue(g, &(struct graph_queue){"q", 1, false});
    r->queue = 1;
    r->tokens = 1;
}

static void one_licence(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    static const struct task_amount one = {0, 1};

    (void)p;
    if (i == 0)
        graph_add_named(g, &(struct graph_named){"licence", 1, false});
    r->amounts = &one;
    r->n_amounts = 1;
}

static void little_memory(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)g;
    (void)p;
    r->memory_bytes = 4096 * (uint64_t)(scattered(i) + 1); /* up to a sixteenth of a node */
}

static void much_memory(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)g;
    (void)p;
    r->memory_bytes = 65536 * (uint64_t)(scattered(i) + 1); /* up to a node */
}

static void strict(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)p;
    if (i == 0)
        graph_add_queue(g, &(struct graph_queue){"q", UINT32_MAX, true});
    r->queue = 1;
    r->cores = 1 + i % 3;
}

static void priorities(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)g;
    (void)r;
    p->priority = (int32_t)(scattered(i) % 10) - 5;
}

/* A hundred kinds of requests, which all want the same nodes. */
static void wide_and_narrow(struct graph *g, uint32_t i, struct task_resources *r, struct task_policy *p)
{
    (void)g;
    (void)p;
    r->cores = 1 + scattered(i) % 10;
    r->memory_bytes = (uint64_t)(1 + scattered(i) / 10 % 10) << 30;
}

/* ---- what they wait for ---- */

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

/* ---- running them ---- */

static struct graph *make_graph(const struct scenario *scenario)
{
    static const struct task_setting setting = {.env = ""};
    uint32_t n = scenario->n_tasks ? scenario->n_tasks : N_TASKS;
    struct graph *g = graph_new();
    struct ganger_error err = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct task_resources r = {.cores = 1, .nodes = 1, .ranks = 1};
        struct task_policy p = {0};
        char id[16];
        struct task t = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &setting};

        snprintf(id, sizeof(id), "%u", i);
        t.id = arena_text(&g->text, id, strlen(id));
        if (scenario->describe != NULL) {
            scenario->describe(g, i, &r, &p);
            t.resource_class = graph_intern_resources(g, &r);
            t.policy = graph_intern_policy(g, &p);
        }
        graph_add_task(g, &t);
    }
    for (task_id t = 0; scenario->link != NULL && t < n; t++)
        scenario->link(g, t);
    assert_int_equal(graph_seal(g, &err), 0);
    return g;
}

static struct sched *make_sched(const struct graph *g)
{
    struct sched *s = sched_new(g);

    for (uint32_t node = 0; node < N_NODES; node++)
        sched_add_node(s, node, &(struct sched_node){.memory_bytes = NODE_BYTES});
    for (uint32_t w = 0; w < N_WORKERS; w++)
        sched_add_worker(s, w + 1, w / N_SLOTS, (uint16_t)(w % N_SLOTS));
    sched_begin(s);
    return s;
}

/* Runs all of it: what fits runs, the oldest ends first. Returns steps per task. */
static double run_all(const struct graph *g, uint32_t fail_each)
{
    static task_id running[N_WORKERS];
    size_t head = 0, n_running = 0;
    uint64_t start = steps_taken();
    struct sched *s = make_sched(g);
    uint32_t n_ended = 0, n_skipped = 0;

    while (!sched_is_over(s)) {
        struct placement p;
        task_id task, cause;
        bool not_needed;

        while (sched_next(s, &p))
            running[(head + n_running++) % N_WORKERS] = p.task;
        assert_true(n_running > 0);
        task = running[head];
        head = (head + 1) % N_WORKERS;
        n_running--;
        n_ended++;
        sched_set_time(s, n_ended * 1e-3);
        sched_finish(s, task, fail_each && n_ended % fail_each == 0 ? STATE_FAILED : STATE_DONE, 1.0);
        while (sched_next_skipped(s, &task, &cause, &not_needed))
            n_skipped++;
    }
    assert_int_equal(n_ended + n_skipped, g->n_tasks);
    sched_free(s);
    return (double)(steps_taken() - start) / g->n_tasks;
}

static const struct scenario plain = {.name = "plain"};
static const struct scenario scenarios[] = {
    {.name = "one at a time for want of memory", .n_tasks = 20000, .describe = one_at_a_time},
    {.name = "one token of a queue", .describe = one_token},
    {.name = "one licence", .describe = one_licence},
    {.name = "distinct memory, plentiful", .describe = little_memory},
    {.name = "distinct memory, scarce", .describe = much_memory},
    {.name = "a strict queue", .describe = strict},
    {.name = "ten priorities", .describe = priorities},
    {.name = "a hundred requests", .describe = wide_and_narrow},
    {.name = "fan-out and fan-in", .link = fan_out_and_in},
    {.name = "chain", .link = chain},
    {.name = "layers of 1,000", .link = layers},
    {.name = "layers with failures", .link = layers, .fail_each = 1000},
};

static double measure_plain(void)
{
    struct graph *g = make_graph(&plain);
    double cost = run_all(g, 0);

    printf("%-34s %5.1f steps\n", plain.name, cost);
    graph_free(g);
    return cost;
}

static void test_whatever_tasks_wait_for_costs_as_much_as_nothing(void **unused)
{
    double plain_steps = measure_plain(), worst = 0;

    (void)unused;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        struct graph *g = make_graph(&scenarios[i]);
        double cost = run_all(g, scenarios[i].fail_each);

        printf("%-34s %5.1f steps %6.2f of plain, %u classes\n", scenarios[i].name, cost, cost / plain_steps,
               g->n_resources);
        graph_free(g);
        worst = fmax(worst, cost / plain_steps);
    }
    assert_true(worst < RATIO_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_tasks_wait_for_costs_as_much_as_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
