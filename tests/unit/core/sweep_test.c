#include "core/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All combinations of the sweep in a text, with a blank after each. */
static char *expand_all(struct sweep *s, const char *text)
{
    struct buffer all = BUFFER_EMPTY;

    sweep_start(s);
    do {
        sweep_expand(s, text, strlen(text), &all);
        buffer_put_u8(&all, ' ');
    } while (sweep_next(s));
    buffer_put_u8(&all, 0);
    return all.bytes;
}

static void assert_range(const char *range, const char *values)
{
    struct sweep s = SWEEP_EMPTY;
    struct ganger_error err = {0};
    char *all;

    assert_int_equal(sweep_add_variable(&s, "i", &err), 0);
    if (sweep_set_range(&s, range, &err) != 0)
        fail_msg("%s", err.text);
    all = expand_all(&s, "{i}");
    assert_string_equal(all, values);
    free(all);
    sweep_release(&s);
}

static void assert_no_range(const char *range)
{
    struct sweep s = SWEEP_EMPTY;
    struct ganger_error err = {0};

    assert_int_equal(sweep_add_variable(&s, "i", &err), 0);
    if (sweep_set_range(&s, range, &err) == 0)
        fail_msg("\"%s\" is taken for a range", range);
    assert_int_equal(err.cause, ERROR_USAGE);
    sweep_release(&s);
}

static void test_ranges_have_both_ends(void **state)
{
    (void)state;
    assert_range("1-3", "1 2 3 ");
    assert_range("7-7", "7 ");
    assert_range("-1-1", "-1 0 1 ");
    assert_range("-3--2", "-3 -2 ");
}

static void test_ranges_have_steps(void **state)
{
    (void)state;
    assert_range("0-100:50", "0 50 100 ");
    assert_range("1-6:2", "1 3 5 ");
    assert_range("1-2:1000", "1 ");
}

static void test_a_leading_zero_pads_all(void **state)
{
    (void)state;
    assert_range("08-11", "08 09 10 11 ");
    assert_range("8-011", "008 009 010 011 ");
    assert_range("0-2", "0 1 2 ");
    assert_range("00-01", "00 01 ");
}

static void test_what_is_no_range_is_refused(void **state)
{
    static const char *const texts[] = {"",      "1",      "1-",    "-",     "a-b",    "1-2-3", "1..3",
                                        "1-3:",  "1-3:0",  "3-1",   "1 -3",  "1-3 ",   "1-3:x", "1-2:-1",
                                        "1-99999999999999999999", "0000000000000000001-2"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_no_range(texts[i]);
}

static struct sweep two_by_two(void)
{
    struct sweep s = SWEEP_EMPTY;

    assert_int_equal(sweep_add_variable(&s, "x", NULL), 0);
    sweep_add_value(&s, "a");
    sweep_add_value(&s, "b");
    assert_int_equal(sweep_add_variable(&s, "xy", NULL), 0);
    assert_int_equal(sweep_set_range(&s, "1-2", NULL), 0);
    return s;
}

static void test_the_first_variable_changes_slowest(void **state)
{
    struct sweep s = two_by_two();
    char *all = expand_all(&s, "{x}{xy}");

    (void)state;
    assert_string_equal(all, "a1 a2 b1 b2 ");
    assert_int_equal(sweep_count(&s), 4);
    free(all);
    sweep_release(&s);
}

static void test_other_braces_stay(void **state)
{
    struct sweep s = two_by_two();
    struct buffer b = BUFFER_EMPTY;
    const char *text = "{{x}} {y} {x {xy }{} ${x} {xyz} {";

    (void)state;
    sweep_start(&s);
    sweep_expand(&s, text, strlen(text), &b);
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, "{a} {y} {x {xy }{} $a {xyz} {");
    buffer_release(&b);
    sweep_release(&s);
}

static void test_values_are_not_expanded_again(void **state)
{
    struct sweep s = SWEEP_EMPTY;
    char *all;

    (void)state;
    assert_int_equal(sweep_add_variable(&s, "a", NULL), 0);
    sweep_add_value(&s, "{a}");
    all = expand_all(&s, "{a}{a}");
    assert_string_equal(all, "{a}{a} ");
    free(all);
    sweep_release(&s);
}

static void test_an_unmentioned_variable_is_named(void **state)
{
    struct sweep s = two_by_two();

    (void)state;
    assert_null(sweep_find_unmentioned(&s, "{xy}{x}", 7));
    assert_string_equal(sweep_find_unmentioned(&s, "{xy}", 4), "x");
    assert_string_equal(sweep_find_unmentioned(&s, "{x}{xy", 6), "xy");
    sweep_release(&s);
}

static void test_a_huge_range_takes_no_memory_and_a_product_does_not_overflow(void **state)
{
    struct sweep s = SWEEP_EMPTY;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sweep_add_variable(&s, "i", NULL), 0);
        assert_int_equal(sweep_set_range(&s, "1-1000000000000000", NULL), 0);
    }
    assert_int_equal(sweep_count(&s), UINT64_MAX);
    sweep_release(&s);
}

static void test_names_are_words(void **state)
{
    struct sweep s = SWEEP_EMPTY;

    (void)state;
    assert_int_equal(sweep_add_variable(&s, "_T2", NULL), 0);
    assert_int_equal(sweep_add_variable(&s, "2T", NULL), -1);
    assert_int_equal(sweep_add_variable(&s, "", NULL), -1);
    assert_int_equal(sweep_add_variable(&s, "a-b", NULL), -1);
    sweep_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_have_both_ends),
        cmocka_unit_test(test_ranges_have_steps),
        cmocka_unit_test(test_a_leading_zero_pads_all),
        cmocka_unit_test(test_what_is_no_range_is_refused),
        cmocka_unit_test(test_the_first_variable_changes_slowest),
        cmocka_unit_test(test_other_braces_stay),
        cmocka_unit_test(test_values_are_not_expanded_again),
        cmocka_unit_test(test_an_unmentioned_variable_is_named),
        cmocka_unit_test(test_a_huge_range_takes_no_memory_and_a_product_does_not_overflow),
        cmocka_unit_test(test_names_are_words),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
