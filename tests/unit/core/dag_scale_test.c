/* A dag of ten times as many vertices costs, for each, little more, in whatever order edges come. What is quadratic
 * would cost ten times as much; larger dags miss the caches, which is what the limit leaves room for. With a number as
 * its argument it takes so many vertices (and a tenth): 1000000 takes a minute. */
#include "core/dag.h"
#include "core/dag_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#define N_LARGE 200000
#ifdef __SANITIZE_ADDRESS__
#define RATIO_MAX 40.0
#else
#define RATIO_MAX 8.0
#endif

static uint32_t n_large = N_LARGE;

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

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

/* Costs for each vertex. */
struct costs
{
    double build_s;
    double walk_s;
    double merge_s; /* of layers alone */
    double prune_s;
};

static double since(double start_s, uint32_t n)
{
    return (cpu_s() - start_s) / n;
}

static struct costs measure(struct dag *(*build)(uint32_t n), uint32_t n)
{
    double start_s = cpu_s();
    struct dag *d = build(n);
    struct costs c = {.build_s = since(start_s, n)};

    start_s = cpu_s();
    walk(d);
    c.walk_s = since(start_s, n);
    if (build != layers_backwards) {
        dag_free(d);
        return c;
    }
    start_s = cpu_s();
    merge_with_itself(d);
    c.merge_s = since(start_s, n);
    start_s = cpu_s();
    prune_most(d);
    c.prune_s = since(start_s, n);
    dag_free(d);
    return c;
}

static void expect_near(const char *name, const char *what, double small_s, double large_s)
{
    printf("%-26s %-8s %6.0f ns for each of a tenth, %6.0f ns for each of all: %.1f\n", name, what, 1e9 * small_s,
           1e9 * large_s, large_s / small_s);
    assert_true(large_s < RATIO_MAX * small_s);
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

        expect_near(scenarios[i].name, "build", small.build_s, large.build_s);
        expect_near(scenarios[i].name, "walk", small.walk_s, large.walk_s);
        if (scenarios[i].build != layers_backwards)
            continue;
        expect_near(scenarios[i].name, "merge", small.merge_s, large.merge_s);
        expect_near(scenarios[i].name, "prune", small.prune_s, large.prune_s);
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
