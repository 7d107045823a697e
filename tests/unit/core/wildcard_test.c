#include "core/wildcard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_star_stands_for_anything(void **state)
{
    (void)state;
    assert_true(wildcard_matches("*", ""));
    assert_true(wildcard_matches("a*", "a"));
    assert_true(wildcard_matches("a*c*e", "abcde"));
    assert_true(wildcard_matches("*.dat", "a.dat.dat"));
    assert_true(wildcard_matches("**b**", "b"));
    assert_false(wildcard_matches("a*", "ba"));
    assert_false(wildcard_matches("a*c", "abcd"));
    assert_false(wildcard_matches("", "a"));
}

static void test_a_question_mark_stands_for_one_character(void **state)
{
    (void)state;
    assert_true(wildcard_matches("a?c", "abc"));
    assert_true(wildcard_matches("a?c", "a\xc3\xa4"
                                        "c"));
    assert_true(wildcard_matches("*?", "\xf0\x9f\x98\x80"));
    assert_false(wildcard_matches("a?c", "ac"));
    assert_false(wildcard_matches("??", "\xc3\xa4"));
}

static void test_many_stars_take_no_exponential_time(void **state)
{
    char text[256];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[255] = '\0';
    assert_false(wildcard_matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void test_fixed_ends_are_found(void **state)
{
    (void)state;
    assert_int_equal(wildcard_prefix("run.*.5"), 4);
    assert_int_equal(wildcard_suffix("run.*.5"), 2);
    assert_int_equal(wildcard_prefix("*"), 0);
    assert_int_equal(wildcard_suffix("a?"), 0);
    assert_true(wildcard_is_in("a?"));
    assert_false(wildcard_is_in("a.b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_star_stands_for_anything),
        cmocka_unit_test(test_a_question_mark_stands_for_one_character),
        cmocka_unit_test(test_many_stars_take_no_exponential_time),
        cmocka_unit_test(test_fixed_ends_are_found),
    };

    return cmocka_run_group_tests_name("wildcard", tests, NULL, NULL);
}
