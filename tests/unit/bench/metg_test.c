#include "taskbench/metg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 0.01 * expected))
        fail_msg("%g, not %g", found, expected);
}

/* A runtime that adds the same to every task reaches half of the peak where the task is as long as that. */
static void test_constant_overhead_gives_twice_the_overhead(void **state)
{
    struct metg_point points[16];
    struct metg found;

    (void)state;
    for (int i = 0; i < 16; i++)
        points[i] = (struct metg_point){.useful_s = 1e-3 / (1 << i), .task_s = 1e-3 / (1 << i) + 5e-6};
    found = metg_find(points, 16, 0.5);
    assert_int_equal(found.kind, METG_CROSSED);
    if (!(found.task_s > 9.5e-6 && found.task_s < 10.5e-6))
        fail_msg("%g", found.task_s);
}

static void test_the_crossing_is_interpolated(void **state)
{
    /* 75 % at 4 us, 25 % at 1 us: half way on a logarithmic scale is 2 us. */
    static const struct metg_point points[] = {{3e-6, 4e-6}, {0.25e-6, 1e-6}};
    struct metg found = metg_find(points, 2, 0.5);

    (void)state;
    assert_int_equal(found.kind, METG_CROSSED);
    assert_near(found.task_s, 2e-6);
}

static void test_the_crossing_with_the_shortest_tasks_counts(void **state)
{
    static const struct metg_point points[] = {{9e-6, 10e-6}, {4e-6, 10e-6}, {3e-6, 4e-6}, {0.25e-6, 1e-6}};
    struct metg found = metg_find(points, 4, 0.5);

    (void)state;
    assert_int_equal(found.kind, METG_CROSSED);
    assert_near(found.task_s, 2e-6);
}

static void test_a_curve_that_does_not_cross_is_a_bound(void **state)
{
    static const struct metg_point above[] = {{9e-6, 10e-6}, {1e-6, 1.5e-6}};
    static const struct metg_point below[] = {{9e-6, 20e-6}, {1e-6, 15e-6}};
    struct metg found = metg_find(above, 2, 0.5);

    (void)state;
    assert_int_equal(found.kind, METG_ALWAYS_ABOVE);
    assert_near(found.task_s, 1.5e-6);
    found = metg_find(below, 2, 0.5);
    assert_int_equal(found.kind, METG_NEVER_ABOVE);
    assert_near(found.task_s, 20e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_overhead_gives_twice_the_overhead),
        cmocka_unit_test(test_the_crossing_is_interpolated),
        cmocka_unit_test(test_the_crossing_with_the_shortest_tasks_counts),
        cmocka_unit_test(test_a_curve_that_does_not_cross_is_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
