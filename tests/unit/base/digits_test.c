#include "base/digits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_decimal(uint64_t v)
{
    char expected[32], text[32];

    snprintf(expected, sizeof(expected), "%" PRIu64, v);
    *digits_put(text, v) = '\0';
    assert_string_equal(text, expected);
}

static void test_numbers_of_every_length_are_as_printf_writes_them(void **state)
{
    (void)state;
    check_decimal(0);
    check_decimal(UINT64_MAX);
    for (uint64_t v = 1; v <= UINT64_MAX / 10; v *= 10) {
        check_decimal(v);
        check_decimal(v + 7);
        check_decimal(v * 10 - 1);
        check_decimal(v / 3 * 2);
    }
}

static void test_small_numbers_are_as_printf_writes_them(void **state)
{
    (void)state;
    for (uint64_t v = 0; v < 100000; v++)
        check_decimal(v);
}

static void test_padded_numbers_have_so_many_digits(void **state)
{
    char text[32];

    (void)state;
    *digits_put_padded(text, 42, 6) = '\0';
    assert_string_equal(text, "000042");
    *digits_put_padded(text, 7, 1) = '\0';
    assert_string_equal(text, "7");
    *digits_put_padded(text, 1234567, 5) = '\0';
    assert_string_equal(text, "34567");
}

static void test_hexadecimal_digits_are_lower_case_and_padded(void **state)
{
    char text[32];

    (void)state;
    *digits_put_hex(text, UINT64_C(0x0123456789abcdef), 16) = '\0';
    assert_string_equal(text, "0123456789abcdef");
    *digits_put_hex(text, 0xbeef, 8) = '\0';
    assert_string_equal(text, "0000beef");
    *digits_put_hex(text, 0x7f, 2) = '\0';
    assert_string_equal(text, "7f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_every_length_are_as_printf_writes_them),
        cmocka_unit_test(test_small_numbers_are_as_printf_writes_them),
        cmocka_unit_test(test_padded_numbers_have_so_many_digits),
        cmocka_unit_test(test_hexadecimal_digits_are_lower_case_and_padded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
