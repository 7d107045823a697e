/* A dag of ten times as many vertices takes, for each, about as many steps, in whatever order edges come. What is
 * quadratic would take ten times as many. With a number as its argument it takes so many vertices (and a tenth). */
#include "core/dag.h"
#include "core/dag_walk.h"
#include "counted/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_LARGE 200000
#define RATIO_MAX 2.0

static uint32_t n_large = N_LARGE;

static struct dag *vertices(uint32_t n)
{
    struct dag *d = dag_new();
    char id[16];

    for (uint32_t v = 0; v < n; v++) {
        snprintf(id, sizeof(id), "%u", v);
        dag_add(d, id, NULL);
    }
    return d;
}

static void add(struct dag *d, uint32_t parent, uint32_t child)
{
    assert_int_equal(dag_link(d, child, &(struct dag_parent){parent, ON_OK}, 1, NULL), 0);
}

static uint32_t scattered(uint32_t i, uint32_t n)
{
    return (uint32_t)(i * UINT64_C(2654435761) % n);
}

/* Parents first, as most documents have them. */
static struct dag *chain(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t v = 1; v < n; v++)
        add(d, v - 1, v);
    return d;
}

/* Against the order of the vertices, from either end: who starts with the goal, and goes on to what it needs. */
static struct dag *chain_backwards(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t v = 1; v < n; v++)
        add(d, v, v - 1);
    return d;
}

static struct dag *chain_backwards_from_its_start(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t v = n - 1; v > 0; v--)
        add(d, v, v - 1);
    return d;
}

static struct dag *chain_scattered(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = scattered(i, n - 1);

        add(d, v + 1, v);
    }
    return d;
}

/* Out to all and in again, the goal first. */
static struct dag *fan(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t v = 1; v < n - 1; v++) {
        add(d, v, 0);
        add(d, n - 1, v);
    }
    return d;
}

/* Layers of a thousand, three parents each, against the order of the vertices. */
static struct dag *layers_backwards(uint32_t n)
{
    struct dag *d = vertices(n);

    for (uint32_t v = 0; v + 1000 < n; v++)
        for (uint32_t k = 0; k < 3; k++)
            add(d, v - v % 1000 + 1000 + (v + k) % 1000, v);
    return d;
}

static void walk(struct dag *d)
{
    struct dag_walk w;
    uint32_t v, n = 0;

    dag_walk_init(&w, d);
    while (dag_walk_next(&w, &v) == WALK_TAKEN) {
        dag_walk_done(&w, v);
        n++;
    }
    assert_int_equal(n, d->n_vertices);
    dag_walk_release(&w);
}

static void prune_most(struct dag *d)
{
    bool *removed = calloc(d->n_vertices, sizeof(*removed));
    uint32_t n = d->n_edges;

    for (uint32_t v = 0; v < d->n_vertices; v++)
        removed[v] = v % 10 != 0;
    dag_prune(d, removed);
    assert_true(d->n_edges <= n);
    free(removed);
}

static void merge_with_itself(struct dag *d)
{
    uint32_t n = d->n_edges;

    assert_int_equal(dag_merge(d, d, NULL), 0);
    assert_int_equal(d->n_edges, n);
}

/* Steps for each vertex. */
struct costs
{
    double build;
    double walk;
    double merge; /* of layers alone */
    double prune;
};

static double since(uint64_t start, uint32_t n)
{
    return (double)(steps_taken() - start) / n;
}

static struct costs measure(struct dag *(*build)(uint32_t n), uint32_t n)
{
    uint64_t start = steps_taken();
    struct dag *d = build(n);
    struct costs c = {.build = since(start, n)};

    start = steps_taken();
    walk(d);
    c.walk = since(start, n);
    if (build != layers_backwards) {
        dag_free(d);
        return c;
    }
    start = steps_taken();
    merge_with_itself(d);
    c.merge = since(start, n);
    start = steps_taken();
    prune_most(d);
    c.prune = since(start, n);
    dag_free(d);
    return c;
}

static void expect_near(const char *name, const char *what, double small, double large)
{
    printf("%-26s %-8s %6.1f steps for each of a tenth, %6.1f for each of all: %.2f\n", name, what, small, large,
           large / small);
    assert_true(large < RATIO_MAX * small);
}

static void test_ten_times_as_many_cost_each_about_the_same(void **unused)
{
    static const struct
    {
        const char *name;
        struct dag *(*build)(uint32_t n);
    } scenarios[] = {
        {"chain", chain},
        {"chain, from its end", chain_backwards},
        {"chain, against the order", chain_backwards_from_its_start},
        {"chain, scattered", chain_scattered},
        {"fan, against the order", fan},
        {"layers, against the order", layers_backwards},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        struct costs small = measure(scenarios[i].build, n_large / 10);
        struct costs large = measure(scenarios[i].build, n_large);

        expect_near(scenarios[i].name, "build", small.build, large.build);
        expect_near(scenarios[i].name, "walk", small.walk, large.walk);
        if (scenarios[i].build != layers_backwards)
            continue;
        expect_near(scenarios[i].name, "merge", small.merge, large.merge);
        expect_near(scenarios[i].name, "prune", small.prune, large.prune);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_times_as_many_cost_each_about_the_same),
    };

    if (argc > 1)
        n_large = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
