#include "ganger.h"

#include "core/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ganger_call *new_call(void)
{
    struct call_order order = {.task = 1, .attempt = 1, .id = {"one", 3}, .payload = {"", 0}};

    return call_new(&order, 1, NULL, NULL);
}

static void expect_result(struct ganger_call *call, const char *bytes, size_t n)
{
    struct call_report report;

    call_report(call, &report);
    assert_true(report.has_bytes);
    assert_int_equal(report.bytes.n, n);
    assert_memory_equal(report.bytes.bytes, bytes, n);
    call_free(call);
}

static void expect_too_large(struct ganger_call *call)
{
    struct call_report report;

    call_report(call, &report);
    assert_false(report.has_bytes);
    assert_int_equal(report.result.end, TASK_RETURNED);
    assert_non_null(strstr(report.result.tail, "more than 65536 bytes"));
    call_free(call);
}

/* However a result is made, it may have GANGER_RESULT_MAX bytes and not one more. */
static void test_a_result_may_be_as_large_as_it_may_be(void **state)
{
    char *text = malloc(GANGER_RESULT_MAX + 2);
    struct ganger_call *call = new_call();

    (void)state;
    memset(text, 'x', GANGER_RESULT_MAX + 1);
    text[GANGER_RESULT_MAX] = '\0';
    assert_int_equal(ganger_call_printf(call, "%s", text), 0);
    expect_result(call, text, GANGER_RESULT_MAX);
    call = new_call();
    assert_int_equal(ganger_call_printf(call, "%.*s", GANGER_RESULT_MAX - 1, text), 0);
    assert_int_equal(ganger_call_printf(call, "x"), 0);
    assert_int_equal(ganger_call_printf(call, "%s", ""), 0);
    assert_int_equal(ganger_call_printf(call, "x"), -1);
    expect_too_large(call);
    call = new_call();
    assert_int_equal(ganger_call_return(call, text, GANGER_RESULT_MAX), 0);
    expect_result(call, text, GANGER_RESULT_MAX);
    call = new_call();
    assert_int_equal(ganger_call_return(call, text, GANGER_RESULT_MAX + 1), -1);
    expect_too_large(call);
    call = new_call();
    memset(text, 0, GANGER_RESULT_MAX);
    assert_non_null(ganger_call_reserve(call, GANGER_RESULT_MAX));
    expect_result(call, text, GANGER_RESULT_MAX);
    call = new_call();
    assert_null(ganger_call_reserve(call, GANGER_RESULT_MAX + 1));
    expect_too_large(call);
    free(text);
}

/* For who does not know beforehand how much it will be. */
static void test_what_was_reserved_may_be_made_shorter(void **state)
{
    struct ganger_call *call = new_call();
    char *room = ganger_call_reserve(call, 1000);

    (void)state;
    memcpy(room, "0123456789", 10);
    assert_int_equal(ganger_call_return(call, room + 2, 8), 0);
    assert_int_equal(ganger_call_printf(call, "%d", 10), 0);
    expect_result(call, "2345678910", 10);
}

static void test_a_function_may_return_nothing(void **state)
{
    struct ganger_call *call = new_call();

    (void)state;
    expect_result(call, "", 0);
    call = new_call();
    assert_int_equal(ganger_call_printf(call, "%s", ""), 0);
    expect_result(call, "", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_result_may_be_as_large_as_it_may_be),
        cmocka_unit_test(test_what_was_reserved_may_be_made_shorter),
        cmocka_unit_test(test_a_function_may_return_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
