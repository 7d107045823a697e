#include "base/amount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_duration(const char *text, double duration_s)
{
    double read_s = -1;

    if (!amount_read_duration(text, &read_s) || read_s != duration_s)
        fail_msg("\"%s\" is %g s", text, read_s);
}

static void assert_no_duration(const char *text)
{
    double read_s;

    if (amount_read_duration(text, &read_s))
        fail_msg("\"%s\" is read as %g s", text, read_s);
}

static void assert_bytes(const char *text, uint64_t bytes)
{
    uint64_t read = 0;

    if (!amount_read_bytes(text, &read) || read != bytes)
        fail_msg("\"%s\" is %llu bytes", text, (unsigned long long)read);
}

static void assert_no_bytes(const char *text)
{
    uint64_t read;

    if (amount_read_bytes(text, &read))
        fail_msg("\"%s\" is read as %llu bytes", text, (unsigned long long)read);
}

static void test_durations_have_units(void **state)
{
    (void)state;
    assert_duration("90s", 90);
    assert_duration("1h30m", 5400);
    assert_duration("1.5d", 129600);
    assert_duration("0.25s", 0.25);
    assert_duration("1m250ms", 60.25);
    assert_duration("0s", 0);
}

static void test_what_is_no_duration_is_refused(void **state)
{
    static const char *const texts[] = {"",     "90",   "s",     "1 s",  "-1s",  "1h30", "30m1h", "1s1s", "1x",
                                        "1.s",  ".5s",  "inf s", "1e3s", "0x1s", "1s ",  "1S",    "1hm",  "nan"};
    char endless[500];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_no_duration(texts[i]);
    memset(endless, '9', sizeof(endless) - 2);
    endless[sizeof(endless) - 2] = 'd';
    endless[sizeof(endless) - 1] = '\0';
    assert_no_duration(endless);
}

static void test_sizes_have_units(void **state)
{
    (void)state;
    assert_bytes("2GiB", UINT64_C(2) << 30);
    assert_bytes("500MB", 500000000);
    assert_bytes("1.5 KiB", 1536);
    assert_bytes("64kB", 64000);
    assert_bytes("1B", 1);
    assert_bytes("3TiB", UINT64_C(3) << 40);
}

static void test_what_is_no_size_is_refused(void **state)
{
    static const char *const texts[] = {"", "100", "2G", "GiB", "-1GB", "0GB", "0.1B", "1GB ", "1e3B", "9999999999TiB"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_no_bytes(texts[i]);
}

static void assert_described(uint64_t bytes, const char *words)
{
    char text[AMOUNT_BYTES];

    amount_describe_bytes(bytes, text);
    assert_string_equal(text, words);
}

static void test_sizes_are_said_in_the_unit_that_fits(void **state)
{
    (void)state;
    assert_described(0, "0 B");
    assert_described(1023, "1023 B");
    assert_described(1024, "1.0 KiB");
    assert_described(UINT64_C(200) << 20, "200.0 MiB");
    assert_described(UINT64_C(3328599654), "3.1 GiB");
    assert_described(UINT64_MAX, "16777216.0 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_have_units),
        cmocka_unit_test(test_what_is_no_duration_is_refused),
        cmocka_unit_test(test_sizes_have_units),
        cmocka_unit_test(test_what_is_no_size_is_refused),
        cmocka_unit_test(test_sizes_are_said_in_the_unit_that_fits),
    };

    return cmocka_run_group_tests_name("amount", tests, NULL, NULL);
}
