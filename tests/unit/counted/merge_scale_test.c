/* Two workflows of ten times as many tasks are united, for each task, in about as many steps; so are those that are
 * refused for a cycle, the shortest of which is looked for. */
#include "counted/steps.h"
#include "ganger_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATIO_MAX 2.0 /* a logarithm of ten times as many is a third more */

static uint32_t n_large = 50000;

/* Tasks named from `first` on. */
static struct ganger_workflow *tasks(uint32_t first, uint32_t n)
{
    struct ganger_workflow *w = ganger_workflow_new();
    char id[16];

    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "t%u", first + i);
        ganger_workflow_add(w, &(struct ganger_task){.id = id, .function = "f"});
    }
    return w;
}

/* Each waits for the one before it. */
static void chain(struct ganger_workflow *w, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        ganger_workflow_add_dependency(w, i - 1, i, GANGER_ON_OK);
}

/* … for the one behind it. */
static void chain_backwards(struct ganger_workflow *w, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        ganger_workflow_add_dependency(w, i, i - 1, GANGER_ON_OK);
}

/* … and once more for one far away: with the chain, that is one tangle of cycles. */
static void scatter_backwards(struct ganger_workflow *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t parent = i + 1 + (uint32_t)((uint64_t)i * 7919 % (n - i));

        if (parent < n)
            ganger_workflow_add_dependency(w, parent, i, GANGER_ON_OK);
    }
}

/* The first waits for the last: with the chain one ring, each task of which is a start to look for a shorter one. */
static void close_ring(struct ganger_workflow *w, uint32_t n)
{
    ganger_workflow_add_dependency(w, n - 1, 0, GANGER_ON_OK);
}

struct scenario
{
    const char *name;
    void (*link_ours)(struct ganger_workflow *w, uint32_t n);
    void (*link_theirs)(struct ganger_workflow *w, uint32_t n);
    uint32_t n_shared_of_four; /* so many quarters of the tasks are in both */
    int status;
};

static double measure(const struct scenario *s, uint32_t n)
{
    struct ganger_workflow *w = tasks(0, n), *other = tasks(n - n / 4 * s->n_shared_of_four, n);
    uint64_t start;

    s->link_ours(w, n);
    s->link_theirs(other, n);
    start = steps_taken();
    assert_int_equal(ganger_workflow_merge(w, other, NULL, NULL, 0), s->status);
    start = steps_taken() - start;
    ganger_workflow_free(w);
    ganger_workflow_free(other);
    return (double)start / n;
}

static void test_ten_times_as_many_cost_each_about_the_same(void **unused)
{
    static const struct scenario scenarios[] = {
        {"nothing in common", chain, chain, 0, 0},
        {"half in common", chain, chain, 2, 0},
        {"half in common, backwards", chain_backwards, chain_backwards, 2, 0},
        {"one cycle in the middle", chain, chain_backwards, 2, -1},
        {"cycles all over", chain, scatter_backwards, 4, -1},
        {"one ring of all", chain, close_ring, 4, -1},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        double small = measure(&scenarios[i], n_large / 10), large = measure(&scenarios[i], n_large);

        printf("%-26s %7.1f steps for each of a tenth, %7.1f for each of all: %.2f\n", scenarios[i].name, small, large,
               large / small);
        assert_true(large < RATIO_MAX * small);
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
