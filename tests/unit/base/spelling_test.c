#include "base/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_distance_counts_letters(void **state)
{
    (void)state;
    assert_int_equal(spelling_distance("after", "after", 2), 0);
    assert_int_equal(spelling_distance("aftr", "after", 2), 1);
    assert_int_equal(spelling_distance("afterr", "after", 2), 1);
    assert_int_equal(spelling_distance("afler", "after", 2), 1);
    assert_int_equal(spelling_distance("atfer", "after", 2), 1);
    assert_int_equal(spelling_distance("atfre", "after", 2), 2);
    assert_int_equal(spelling_distance("xyzer", "after", 2), 3);
    assert_int_equal(spelling_distance("", "ab", 2), 2);
}

static void test_long_words_are_near_to_nothing(void **state)
{
    char word[80];

    (void)state;
    memset(word, 'x', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    assert_int_equal(spelling_distance(word, word, 2), 3);
}

static void test_the_nearest_word_is_found(void **state)
{
    static const char *const words[] = {"id", "command", "cores", "cost", "cwd"};

    (void)state;
    assert_string_equal(spelling_nearest("comand", words, 5), "command");
    assert_string_equal(spelling_nearest("core", words, 5), "cores");
    assert_string_equal(spelling_nearest("cots", words, 5), "cost");
    assert_null(spelling_nearest("program", words, 5));
    assert_null(spelling_nearest("x", words, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_counts_letters),
        cmocka_unit_test(test_long_words_are_near_to_nothing),
        cmocka_unit_test(test_the_nearest_word_is_found),
    };

    return cmocka_run_group_tests_name("spelling", tests, NULL, NULL);
}
