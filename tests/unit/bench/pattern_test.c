#include "taskbench/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST_WIDTH 40

typedef void of_pattern(const struct pattern *p);

/* Every pattern in sizes around powers of two, with few and many steps, narrow and wide windows. */
static void for_all_patterns(of_pattern *check)
{
    static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33};
    static const int steps[] = {1, 2, 3, 4, 5, 9, 20};
    static const int radices[] = {1, 2, 3, 5, 8, 40};

    for (int kind = 0; kind < PATTERN_N_KINDS; kind++)
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
            for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
                for (size_t r = 0; r < sizeof(radices) / sizeof(radices[0]); r++)
                    check(&(struct pattern){.kind = (enum pattern_kind)kind, .width = widths[w], .n_steps = steps[s],
                                            .radix = radices[r], .share = 0.5, .seed = 7});
}

/* Ascending, each once, among the columns of that step. */
static void assert_columns(const struct pattern *p, int step, const int *columns, int n)
{
    int first;
    int width = pattern_step_width(p, step, &first);

    for (int i = 0; i < n; i++) {
        assert_in_range(columns[i], first, first + width - 1);
        if (i > 0 && columns[i] <= columns[i - 1])
            fail_msg("%s: column %d behind %d", pattern_name(p->kind), columns[i], columns[i - 1]);
    }
}

static bool holds(const int *columns, int n, int column)
{
    for (int i = 0; i < n; i++) {
        if (columns[i] == column)
            return true;
    }
    return false;
}

static void check_widths(const struct pattern *p)
{
    for (int step = 0; step < p->n_steps; step++) {
        int first;
        int width = pattern_step_width(p, step, &first);

        assert_true(first >= 0 && width >= 1 && first + width <= p->width);
    }
}

static void test_every_step_has_tasks_within_the_width(void **state)
{
    (void)state;
    for_all_patterns(check_widths);
}

/* Who reads whom, seen from the reader and from what is read. */
static void check_both_directions(const struct pattern *p)
{
    int inputs[MOST_WIDTH];
    int outputs[MOST_WIDTH];

    for (int step = 0; step + 1 < p->n_steps; step++) {
        int first;
        int first_reader;
        int width = pattern_step_width(p, step, &first);
        int n_readers = pattern_step_width(p, step + 1, &first_reader);

        for (int column = first; column < first + width; column++) {
            int n_outputs = pattern_outputs(p, step, column, outputs);

            assert_columns(p, step + 1, outputs, n_outputs);
            for (int reader = first_reader; reader < first_reader + n_readers; reader++) {
                int n_inputs = pattern_inputs(p, step + 1, reader, inputs);

                assert_columns(p, step, inputs, n_inputs);
                if (holds(inputs, n_inputs, column) != holds(outputs, n_outputs, reader))
                    fail_msg("%s, width %d, steps %d, radix %d: step %d, columns %d and %d", pattern_name(p->kind),
                             p->width, p->n_steps, p->radix, step, column, reader);
            }
        }
    }
}

static void test_both_directions_agree(void **state)
{
    (void)state;
    for_all_patterns(check_both_directions);
}

static void check_ends(const struct pattern *p)
{
    int columns[MOST_WIDTH];
    int first;

    pattern_step_width(p, 0, &first);
    assert_int_equal(pattern_inputs(p, 0, first, columns), 0);
    pattern_step_width(p, p->n_steps - 1, &first);
    assert_int_equal(pattern_outputs(p, p->n_steps - 1, first, columns), 0);
}

static void test_the_first_step_reads_nothing_and_nobody_reads_the_last(void **state)
{
    (void)state;
    for_all_patterns(check_ends);
}

/* Inputs as text: "0 1 2". */
static void assert_inputs(struct pattern p, int step, int column, const char *expected)
{
    int columns[MOST_WIDTH];
    char text[256] = "";
    int n = pattern_inputs(&p, step, column, columns);

    for (int i = 0; i < n; i++) {
        char word[16];

        snprintf(word, sizeof(word), "%s%d", i > 0 ? " " : "", columns[i]);
        strncat(text, word, sizeof(text) - strlen(text) - 1);
    }
    assert_string_equal(text, expected);
}

static void test_simple_patterns(void **state)
{
    struct pattern p = {.width = 5, .n_steps = 20, .radix = 3};

    (void)state;
    p.kind = PATTERN_TRIVIAL;
    assert_inputs(p, 3, 2, "");
    p.kind = PATTERN_NO_COMM;
    assert_inputs(p, 3, 2, "2");
    p.kind = PATTERN_STENCIL_1D;
    assert_inputs(p, 3, 2, "1 2 3");
    assert_inputs(p, 3, 0, "0 1");
    assert_inputs(p, 3, 4, "3 4");
    p.kind = PATTERN_ALL_TO_ALL;
    assert_inputs(p, 3, 2, "0 1 2 3 4");
}

static void test_fft_doubles_its_distance_and_begins_anew(void **state)
{
    struct pattern p = {.kind = PATTERN_FFT, .width = 8, .n_steps = 20};

    (void)state;
    assert_inputs(p, 1, 3, "2 3 4");
    assert_inputs(p, 2, 3, "1 3 5");
    assert_inputs(p, 3, 3, "3 7");
    assert_inputs(p, 4, 3, "2 3 4");
    p.width = 1;
    assert_inputs(p, 4, 0, "0");
}

static void test_windows_lie_around_the_column(void **state)
{
    struct pattern p = {.kind = PATTERN_NEAREST, .width = 9, .n_steps = 20, .radix = 5};

    (void)state;
    assert_inputs(p, 1, 4, "2 3 4 5 6");
    assert_inputs(p, 1, 0, "0 1 2");
    p.radix = 4;
    assert_inputs(p, 1, 4, "3 4 5 6");
    p.radix = 1;
    assert_inputs(p, 1, 4, "4");
}

static void test_spread_goes_round(void **state)
{
    struct pattern p = {.kind = PATTERN_SPREAD, .width = 9, .n_steps = 20, .radix = 3};

    (void)state;
    assert_inputs(p, 1, 0, "1 4 7");
    assert_inputs(p, 2, 0, "2 5 8");
    assert_inputs(p, 3, 0, "0 3 6");
    assert_inputs(p, 1, 8, "0 3 6");
    p.radix = 100;
    assert_inputs(p, 1, 8, "0 1 2 3 4 5 6 7 8");
}

static int width_at(const struct pattern *p, int step)
{
    int first;

    return pattern_step_width(p, step, &first);
}

static void test_dom_begins_and_ends_with_one_task(void **state)
{
    struct pattern p = {.kind = PATTERN_DOM, .width = 3, .n_steps = 7};
    static const int expected[] = {1, 2, 3, 3, 3, 2, 1};

    (void)state;
    for (int step = 0; step < 7; step++)
        assert_int_equal(width_at(&p, step), expected[step]);
    assert_inputs(p, 2, 2, "1");
    assert_inputs(p, 3, 1, "0 1");
    assert_inputs(p, 6, 2, "1 2");
    p.width = 100; /* wider than the steps allow */
    assert_int_equal(width_at(&p, 3), 4);
    assert_int_equal(width_at(&p, 6), 1);
}

static void test_tree_fans_out_and_in(void **state)
{
    struct pattern p = {.kind = PATTERN_TREE, .width = 5, .n_steps = 20};
    static const int expected[] = {1, 2, 4, 5, 4, 2, 1, 2};

    (void)state;
    for (int step = 0; step < 8; step++)
        assert_int_equal(width_at(&p, step), expected[step]);
    assert_inputs(p, 3, 4, "2");
    assert_inputs(p, 4, 2, "4");
    assert_inputs(p, 5, 1, "2 3");
    assert_inputs(p, 6, 0, "0 1");
}

static void test_random_draws_a_share_and_always_the_same(void **state)
{
    struct pattern p = {.kind = PATTERN_RANDOM_NEAREST, .width = MOST_WIDTH, .n_steps = 101, .radix = 10,
                        .share = 0.25, .seed = 3};
    struct pattern other = p;
    int columns[MOST_WIDTH];
    int again[MOST_WIDTH];
    int n_inputs = 0;
    int n_other = 0;

    (void)state;
    other.seed = 4;
    for (int step = 1; step < p.n_steps; step++) {
        int n = pattern_inputs(&p, step, 20, columns);

        assert_int_equal(pattern_inputs(&p, step, 20, again), n);
        assert_memory_equal(columns, again, (size_t)n * sizeof(int));
        n_inputs += n;
        n_other += pattern_inputs(&other, step, 20, again) != n ||
                   memcmp(columns, again, (size_t)n * sizeof(int)) != 0;
    }
    assert_in_range(n_inputs, 200, 300); /* of 1000; the seed is fixed */
    assert_true(n_other > 50);
    p.share = 0.0;
    assert_inputs(p, 1, 20, "");
    p.share = 1.0;
    assert_inputs(p, 1, 20, "16 17 18 19 20 21 22 23 24 25");
}

static void test_names_are_found(void **state)
{
    (void)state;
    for (int kind = 0; kind < PATTERN_N_KINDS; kind++)
        assert_int_equal(pattern_of_name(pattern_name((enum pattern_kind)kind)), kind);
    assert_int_equal(pattern_of_name("stencil"), PATTERN_N_KINDS);
}

/* The plan says what the pattern says, for every task. */
static void check_plan(const struct pattern *p)
{
    struct plan plan;
    int columns[MOST_WIDTH];
    size_t task = 0;

    if (p->n_steps > 5)
        return;
    plan_init(&plan, p);
    for (int step = 0; step < p->n_steps; step++) {
        int first;
        int width = plan_step_width(&plan, step, &first);

        for (int column = first; column < first + width; column++, task++) {
            int n;
            const int *found = plan_inputs(&plan, step, column, &n);

            assert_int_equal(plan_task(&plan, step, column), task);
            assert_int_equal(pattern_inputs(p, step, column, columns), n);
            if (n > 0)
                assert_memory_equal(found, columns, (size_t)n * sizeof(int));
            found = plan_outputs(&plan, step, column, &n);
            assert_int_equal(pattern_outputs(p, step, column, columns), n);
            if (n > 0)
                assert_memory_equal(found, columns, (size_t)n * sizeof(int));
        }
        assert_false(plan_has(&plan, step, first + width));
        assert_false(plan_has(&plan, step, first - 1));
    }
    assert_int_equal(plan.n_tasks, task);
    plan_release(&plan);
}

static void test_the_plan_says_what_the_pattern_says(void **state)
{
    (void)state;
    for_all_patterns(check_plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_has_tasks_within_the_width),
        cmocka_unit_test(test_both_directions_agree),
        cmocka_unit_test(test_the_first_step_reads_nothing_and_nobody_reads_the_last),
        cmocka_unit_test(test_simple_patterns),
        cmocka_unit_test(test_fft_doubles_its_distance_and_begins_anew),
        cmocka_unit_test(test_windows_lie_around_the_column),
        cmocka_unit_test(test_spread_goes_round),
        cmocka_unit_test(test_dom_begins_and_ends_with_one_task),
        cmocka_unit_test(test_tree_fans_out_and_in),
        cmocka_unit_test(test_random_draws_a_share_and_always_the_same),
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_the_plan_says_what_the_pattern_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
