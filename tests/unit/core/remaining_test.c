#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/remaining.h"

#include "graph_text.h"

#include <math.h>

static void test_what_is_left_is_measured_by_costs_and_by_what_was_learned(void **state)
{
    struct graph *g = graph_from_text("a program=p\nb program=p cores=2: a\nc cost=30: b\nd cost=100 cores=3\n"
                                      "e program=q: d");
    const bool is_done[] = {true, false, false, false, false};
    const float ran_s[] = {10, 0, 0, -50, 0};
    struct remaining r;

    (void)state;
    remaining_measure(g, is_done, ran_s, &r);
    assert_int_equal(r.n_tasks, 4);
    assert_int_equal(r.n_unknown, 1);
    assert_int_equal(r.n_cores, 7);
    assert_true(fabs(r.area_s - (20 + 30 + 300)) < 1e-3);
    assert_true(fabs(r.path_s - 100) < 1e-3);
    graph_free(g);
}

static void test_when_all_is_done_nothing_is_left(void **state)
{
    struct graph *g = graph_from_text("a\nb: a");
    const bool is_done[] = {true, true};
    const float ran_s[] = {1, 2};
    struct remaining r;

    (void)state;
    remaining_measure(g, is_done, ran_s, &r);
    assert_int_equal(r.n_tasks, 0);
    assert_true(r.area_s == 0 && r.path_s == 0);
    graph_free(g);
}

static const struct
{
    struct remaining left;
    struct remaining_size most, wanted;
} fits[] = {
    /* 1000 s of one core on 10 at once, and half of that again, and a minute: 3.5 minutes */
    {{100, 0, 100, 1000, 10}, {5, 2, 3600}, {5, 2, 240}},
    {{100, 0, 100, 1000, 500}, {5, 2, 3600}, {5, 2, 840}},   /* a chain of 500 s */
    {{100, 0, 100, 1e6, 10}, {5, 2, 3600}, {5, 2, 3600}},    /* never more than there was */
    {{3, 0, 3, 30, 10}, {5, 2, 3600}, {2, 2, 120}},          /* three tasks use no five nodes */
    {{1, 0, 2, 20, 10}, {5, 2, 3600}, {1, 2, 120}},
    {{100, 1, 100, 990, 10}, {5, 2, 3600}, {5, 2, 3600}},    /* one that nobody knows */
    {{100, 0, 100, 1000, 10}, {5, 2, 0}, {5, 2, 0}},         /* no limit was asked for */
    {{100, 0, 100, 1000, 10}, {5, 2, INFINITY}, {5, 2, 240}},
    {{3, 0, 3, 30, 10}, {0, 2, 3600}, {0, 2, 3600}},         /* a script of the user's */
};

static void test_the_next_allocation_is_as_large_as_what_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fits) / sizeof(*fits); i++) {
        struct remaining_size size = remaining_fit(&fits[i].left, &fits[i].most);

        if (size.n_nodes != fits[i].wanted.n_nodes || size.runtime_s != fits[i].wanted.runtime_s)
            fail_msg("case %zu: %u nodes for %g s", i, size.n_nodes, size.runtime_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_is_measured_by_costs_and_by_what_was_learned),
        cmocka_unit_test(test_when_all_is_done_nothing_is_left),
        cmocka_unit_test(test_the_next_allocation_is_as_large_as_what_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
