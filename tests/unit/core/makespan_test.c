#include "core/makespan.h"

#include "graph_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One node of so many cores; memory and GPUs are not counted. */
#define CORES(number) {.n = 1, .cores = (number), .gpus = MAKESPAN_NOT_COUNTED}

static struct makespan_bound bound_on(const struct graph *g, const struct makespan_node *kinds, uint32_t n_kinds)
{
    struct makespan_site site = {kinds, n_kinds};
    struct makespan_bound quick, well;
    float *cost_s = makespan_stated_costs(g);

    makespan_bound_quickly(g, cost_s, &site, &quick);
    makespan_bound_well(g, cost_s, &site, &well);
    assert_true(quick.s <= well.s);
    free(cost_s);
    return well;
}

static struct makespan_simulation simulate_on(const struct graph *g, const struct makespan_node *kinds,
                                              uint32_t n_kinds, float *start_s)
{
    struct makespan_site site = {kinds, n_kinds};
    struct makespan_simulation out;
    float *cost_s = makespan_stated_costs(g);

    makespan_simulate(g, cost_s, &site, &out, start_s);
    free(cost_s);
    return out;
}

static void expect_bound(const struct graph *g, const struct makespan_node *kinds, uint32_t n_kinds, double s,
                         enum makespan_limit limit)
{
    struct makespan_bound bound = bound_on(g, kinds, n_kinds);

    assert_float_equal(bound.s, s, 1e-6 * s);
    assert_int_equal(bound.limit, limit);
}

/* ---- graphs made by hand ---- */

struct spec
{
    double cost_s;
    uint32_t cores, gpus, tokens, licences;
    uint64_t memory_bytes;
};

static const struct task_setting setting = {.env = ""};

static task_id add(struct graph *g, const struct spec *spec)
{
    struct task_amount licences = {0, spec->licences};
    struct task_resources r = {.cores = spec->cores ? spec->cores : 1,
                               .nodes = 1,
                               .ranks = 1,
                               .gpus = spec->gpus,
                               .memory_bytes = spec->memory_bytes,
                               .queue = spec->tokens ? 1 : 0,
                               .tokens = spec->tokens,
                               .n_amounts = spec->licences ? 1 : 0,
                               .amounts = &licences};
    struct task t = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &setting};
    char id[16];

    snprintf(id, sizeof(id), "t%u", g->n_tasks);
    t.id = arena_text(&g->text, id, strlen(id));
    t.cost_s = (float)spec->cost_s;
    t.resource_class = graph_intern_resources(g, &r);
    return graph_add_task(g, &t);
}

/* A draft with a queue of 2 tokens and 3 licences. */
static struct graph *draft(void)
{
    struct graph *g = graph_new();

    graph_add_queue(g, &(struct graph_queue){.name = "q", .tokens = 2});
    graph_add_named(g, &(struct graph_named){.name = "licence", .n = 3});
    return g;
}

static void seal(struct graph *g)
{
    struct ganger_error err = {0};

    assert_int_equal(graph_seal(g, &err), 0);
}

static struct graph *equal_tasks(uint32_t n, struct spec spec)
{
    struct graph *g = draft();

    for (uint32_t i = 0; i < n; i++)
        add(g, &spec);
    seal(g);
    return g;
}

/* ---- bounds ---- */

static void test_a_chain_is_as_long_as_its_tasks(void **unused)
{
    struct graph *g = graph_from_text("a cost=1\nb cost=2 : a\nc cost=3 : b\nd : c");
    const struct makespan_node node = CORES(4);

    (void)unused;
    expect_bound(g, &node, 1, 7, LIMIT_PATH);
    assert_float_equal(simulate_on(g, &node, 1, NULL).s, 7, 1e-9);
    graph_free(g);
}

static void test_independent_tasks_fill_the_cores(void **unused)
{
    struct graph *g = equal_tasks(12, (struct spec){.cost_s = 2, .cores = 2});
    const struct makespan_node one = CORES(4), two[] = {CORES(4), CORES(2)};

    (void)unused;
    expect_bound(g, &one, 1, 12, LIMIT_CORES);
    expect_bound(g, two, 2, 8, LIMIT_CORES);
    assert_float_equal(simulate_on(g, two, 2, NULL).s, 8, 1e-9);
    graph_free(g);
}

static void test_one_core_works_while_others_wait_for_the_first_task(void **unused)
{
    struct graph *g = graph_from_text("a cost=3\nb cost=2 : a\nc cost=2 : a\nd cost=2 : a\ne cost=2 : a\n"
                                      "f cost=5 : b c d e");
    const struct makespan_node node = CORES(2);

    (void)unused;
    expect_bound(g, &node, 1, 12, LIMIT_CORES); /* 3 + 8 / 2 + 5; path 10, area 16 / 2 */
    assert_float_equal(simulate_on(g, &node, 1, NULL).s, 12, 1e-9);
    graph_free(g);
}

static void test_tasks_that_need_more_than_half_a_node_run_one_by_one(void **unused)
{
    struct graph *wide = equal_tasks(6, (struct spec){.cost_s = 1, .cores = 5});
    struct graph *large = equal_tasks(6, (struct spec){.cost_s = 1, .memory_bytes = 6 << 20});
    const struct makespan_node cores = {.n = 2, .cores = 8, .gpus = 0};
    const struct makespan_node memory = {.n = 2, .cores = 8, .memory_bytes = 10 << 20, .gpus = 0};

    (void)unused;
    expect_bound(wide, &cores, 1, 3, LIMIT_CORES);
    expect_bound(large, &memory, 1, 3, LIMIT_MEMORY);
    expect_bound(large, &cores, 1, 1, LIMIT_PATH);
    assert_float_equal(simulate_on(large, &memory, 1, NULL).s, 3, 1e-9);
    graph_free(wide);
    graph_free(large);
}

static void test_gpus_tokens_and_licences_limit_too(void **unused)
{
    const struct makespan_node node = {.n = 1, .cores = 64, .gpus = 2}, free_gpus = CORES(64);
    struct graph *gpus = equal_tasks(6, (struct spec){.cost_s = 1, .gpus = 1});
    struct graph *tokens = equal_tasks(6, (struct spec){.cost_s = 1, .tokens = 1});
    struct graph *licences = equal_tasks(6, (struct spec){.cost_s = 1, .licences = 1});

    (void)unused;
    expect_bound(gpus, &node, 1, 3, LIMIT_GPUS);
    expect_bound(gpus, &free_gpus, 1, 1, LIMIT_PATH);
    expect_bound(tokens, &node, 1, 3, LIMIT_QUEUE);
    expect_bound(licences, &node, 1, 2, LIMIT_NAMED);
    assert_int_equal(bound_on(tokens, &node, 1).which, 1);
    assert_float_equal(simulate_on(gpus, &node, 1, NULL).s, 3, 1e-9);
    assert_float_equal(simulate_on(gpus, &free_gpus, 1, NULL).s, 1, 1e-9);
    assert_float_equal(simulate_on(tokens, &node, 1, NULL).s, 3, 1e-9);
    assert_float_equal(simulate_on(licences, &node, 1, NULL).s, 2, 1e-9);
    graph_free(gpus);
    graph_free(tokens);
    graph_free(licences);
}

static void test_what_would_run_after_a_failure_only_is_left_out(void **unused)
{
    struct graph *g = draft();
    task_id work = add(g, &(struct spec){.cost_s = 2}), repair = add(g, &(struct spec){.cost_s = 100});
    task_id after_repair = add(g, &(struct spec){.cost_s = 100}), tidy = add(g, &(struct spec){.cost_s = 3});
    const struct makespan_node node = CORES(1);
    struct makespan_simulation out;

    (void)unused;
    graph_add_condition(g, work, repair, ON_NOTOK);
    graph_add_dependency(g, repair, after_repair);
    graph_add_condition(g, after_repair, tidy, ON_ANY);
    seal(g);
    expect_bound(g, &node, 1, 5, LIMIT_CORES);
    out = simulate_on(g, &node, 1, NULL);
    assert_float_equal(out.s, 5, 1e-9);
    assert_int_equal(out.n_run, 2);
    assert_int_equal(out.n_stuck, 2);
    graph_free(g);
}

static void test_what_fits_nowhere_is_left_out(void **unused)
{
    struct graph *g = graph_from_text("a cost=2\nwide cores=9 cost=50 : a\nb cost=3 : wide");
    const struct makespan_node node = CORES(8);
    struct makespan_simulation out = simulate_on(g, &node, 1, NULL);

    (void)unused;
    assert_int_equal(out.n_misfit, 1);
    assert_int_equal(out.n_run, 2);
    assert_true(bound_on(g, &node, 1).s <= out.s);
    graph_free(g);
}

/* ---- against the definitions ---- */

static uint32_t random_state = 1;

static uint32_t draw(uint32_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(random_state >> 8) * n >> 24);
}

/* `n` tasks, each after those before it with a chance of `dense` in 10. Costs are whole, so that sums are exact. */
static struct graph *random_graph(uint32_t n, uint32_t dense, const struct spec *most)
{
    struct graph *g = draft();

    for (uint32_t i = 0; i < n; i++) {
        struct spec spec = {.cost_s = 1 + draw(9),
                            .cores = 1 + draw(most->cores),
                            .tokens = draw(most->tokens + 1),
                            .memory_bytes = draw((uint32_t)most->memory_bytes + 1)};
        task_id t = add(g, &spec);

        for (task_id parent = 0; parent < t; parent++)
            if (draw(10) < dense)
                graph_add_dependency(g, parent, t);
    }
    seal(g);
    return g;
}

struct naive
{
    double head_s[32], tail_s[32], work[32], amount[32];
    uint32_t n;
};

static void measure_naively(const struct graph *g, struct naive *v)
{
    v->n = g->n_tasks;
    for (task_id t = 0; t < v->n; t++) {
        v->head_s[t] = v->tail_s[t] = 0;
        v->amount[t] = g->resources[g->tasks[t].resource_class].cores;
        v->work[t] = v->amount[t] * (double)g->tasks[t].cost_s;
    }
    for (uint32_t round = 0; round < v->n; round++)
        for (task_id t = 0; t < v->n; t++)
            for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++) {
                task_id c = g->children[e];

                v->head_s[c] = fmax(v->head_s[c], v->head_s[t] + (double)g->tasks[t].cost_s);
                v->tail_s[t] = fmax(v->tail_s[t], v->tail_s[c] + (double)g->tasks[c].cost_s);
            }
}

static int ascending(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Of the tasks of J, the smallest keys of `capacity` units; -1 when there are fewer. */
static double sum_smallest(const struct naive *v, const bool *in_j, const double *key, uint32_t capacity)
{
    double units[32 * 8], sum = 0;
    uint32_t n = 0;

    for (uint32_t t = 0; t < v->n; t++)
        for (uint32_t u = 0; in_j[t] && u < (uint32_t)v->amount[t]; u++)
            units[n++] = key[t];
    if (n < capacity)
        return -1;
    qsort(units, n, sizeof(*units), ascending);
    for (uint32_t u = 0; u < capacity; u++)
        sum += units[u];
    return sum;
}

/* The bounds of the header for cores, over all pairs of thresholds. */
static double bound_naively(const struct graph *g, uint32_t capacity)
{
    struct naive v;
    double best = 0;

    measure_naively(g, &v);
    for (uint32_t i = 0; i < v.n; i++) {
        for (uint32_t j = 0; j < v.n; j++) {
            bool in_j[32];
            double work = 0, heads, tails, a = v.head_s[i], b = v.tail_s[j];
            uint32_t n = 0;

            for (uint32_t t = 0; t < v.n; t++) {
                in_j[t] = v.head_s[t] >= a && v.tail_s[t] >= b;
                work += in_j[t] ? v.work[t] : 0;
                n += in_j[t];
            }
            if (n == 0)
                continue;
            best = fmax(best, a + b + work / capacity);
            if (a > 0 && b > 0)
                continue; /* idleness is looked at for one threshold only */
            heads = sum_smallest(&v, in_j, v.head_s, capacity);
            tails = sum_smallest(&v, in_j, v.tail_s, capacity);
            best = fmax(best, heads < 0 ? 0 : (work + heads + tails) / capacity);
        }
    }
    for (uint32_t t = 0; t < v.n; t++)
        best = fmax(best, v.head_s[t] + (double)g->tasks[t].cost_s + v.tail_s[t]);
    return best;
}

static void test_the_bound_is_what_its_definition_says(void **unused)
{
    (void)unused;
    for (uint32_t round = 0; round < 300; round++) {
        struct graph *g = random_graph(1 + draw(30), draw(4), &(struct spec){.cores = 1 + draw(2)});
        uint32_t cores = 6 + 5 * draw(2); /* no task takes a half or a third: no dual feasible function says more */
        const struct makespan_node node = CORES(cores);
        double expected = bound_naively(g, cores);

        assert_float_equal(bound_on(g, &node, 1).s, expected, 1e-9 * expected);
        graph_free(g);
    }
}

/* ---- against the best schedule there is ---- */

#define N_BEST 6
#define HORIZON 64 /* more than N_BEST x 9 s */

struct calendar
{
    uint32_t cores[HORIZON], tokens[HORIZON], memory[HORIZON];
};

static bool has_room(const struct calendar *used, const struct task_resources *r, uint32_t at, uint32_t cost,
                     const struct makespan_node *node)
{
    for (uint32_t s = at; s < at + cost; s++)
        if (used->cores[s] + r->cores > node->cores || (r->queue == 1 && used->tokens[s] + r->tokens > 2) ||
            used->memory[s] + r->memory_bytes > node->memory_bytes)
            return false;
    return true;
}

/* Each task in turn as early as it fits; some order of all gives a best schedule. */
static uint32_t schedule_in_order(const struct graph *g, const uint32_t *order, const struct makespan_node *node)
{
    struct calendar used = {0};
    uint32_t ready[N_BEST] = {0}, end = 0;

    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = order[i];
        const struct task_resources *r = &g->resources[g->tasks[t].resource_class];
        uint32_t at = ready[t], cost = (uint32_t)g->tasks[t].cost_s;

        while (!has_room(&used, r, at, cost, node))
            at++;
        for (uint32_t s = at; s < at + cost; s++) {
            used.cores[s] += r->cores;
            used.tokens[s] += r->queue == 1 ? r->tokens : 0;
            used.memory[s] += (uint32_t)r->memory_bytes;
        }
        end = at + cost > end ? at + cost : end;
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            if (ready[g->children[e]] < at + cost)
                ready[g->children[e]] = at + cost;
    }
    return end;
}

/* Over all orders in which parents come first; `order` holds the first n. */
static uint32_t best_from(const struct graph *g, const struct makespan_node *node, uint32_t *order, uint32_t n,
                          uint32_t taken, uint32_t *n_waiting)
{
    uint32_t best = UINT32_MAX;

    if (n == g->n_tasks)
        return schedule_in_order(g, order, node);
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t s;

        if (taken & 1u << t || n_waiting[t] > 0)
            continue;
        order[n] = t;
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            n_waiting[g->children[e]]--;
        s = best_from(g, node, order, n + 1, taken | 1u << t, n_waiting);
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            n_waiting[g->children[e]]++;
        best = s < best ? s : best;
    }
    return best;
}

static void test_no_schedule_is_shorter_than_the_bound(void **unused)
{
    const struct makespan_node node = {.n = 1, .cores = 3, .memory_bytes = 100};
    uint32_t n_reached = 0;

    (void)unused;
    for (uint32_t round = 0; round < 400; round++) {
        struct spec most = {.cores = 1 + draw(3), .tokens = draw(3), .memory_bytes = draw(2) * 100};
        struct graph *g = random_graph(N_BEST, draw(5), &most);
        uint32_t order[N_BEST], n_waiting[N_BEST], best;
        struct makespan_bound bound = bound_on(g, &node, 1);
        struct makespan_simulation out = simulate_on(g, &node, 1, NULL);

        memcpy(n_waiting, g->n_parents, sizeof(n_waiting));
        best = best_from(g, &node, order, 0, 0, n_waiting);
        assert_true(bound.s <= best + 1e-9);
        assert_true(out.s >= best - 1e-9);
        assert_int_equal(out.n_run, N_BEST);
        n_reached += bound.s > best - 1e-9;
        graph_free(g);
    }
    assert_true(n_reached > 100); /* it says something */
}

/* ---- the simulation ---- */

static void test_the_simulation_starts_the_longest_path_first(void **unused)
{
    struct graph *g = graph_from_text("short cost=1\nlong cost=9\nmiddle cost=4 : short");
    const struct makespan_node node = CORES(1);
    float start_s[3];
    struct makespan_simulation out = simulate_on(g, &node, 1, start_s);

    (void)unused;
    assert_float_equal(out.s, 14, 1e-9);
    assert_float_equal(out.busy_s, 14, 1e-9);
    assert_true(start_s[1] == 0 && start_s[0] == 9 && start_s[2] == 10);
    graph_free(g);
}

static void test_a_million_tasks_are_simulated(void **unused)
{
    struct graph *g = graph_new();
    const struct makespan_node node = CORES(64);
    uint32_t n = 1000000;

    (void)unused;
    for (uint32_t i = 0; i < n; i++) {
        add(g, &(struct spec){.cost_s = 1 + draw(9)});
        if (i >= 1000)
            graph_add_dependency(g, i - 1000, i);
    }
    seal(g);
    assert_int_equal(simulate_on(g, &node, 1, NULL).n_run, n);
    assert_true(bound_on(g, &node, 1).s <= simulate_on(g, &node, 1, NULL).s);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_is_as_long_as_its_tasks),
        cmocka_unit_test(test_independent_tasks_fill_the_cores),
        cmocka_unit_test(test_one_core_works_while_others_wait_for_the_first_task),
        cmocka_unit_test(test_tasks_that_need_more_than_half_a_node_run_one_by_one),
        cmocka_unit_test(test_gpus_tokens_and_licences_limit_too),
        cmocka_unit_test(test_what_would_run_after_a_failure_only_is_left_out),
        cmocka_unit_test(test_what_fits_nowhere_is_left_out),
        cmocka_unit_test(test_the_bound_is_what_its_definition_says),
        cmocka_unit_test(test_no_schedule_is_shorter_than_the_bound),
        cmocka_unit_test(test_the_simulation_starts_the_longest_path_first),
        cmocka_unit_test(test_a_million_tasks_are_simulated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
