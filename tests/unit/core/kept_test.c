#include "core/call.h"
#include "core/kept.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_text(struct kept *k, task_id task, uint32_t attempt, const char *text)
{
    size_t n = strlen(text);

    kept_put(k, task, attempt, memcpy(xmalloc(n + 1), text, n + 1), n, n + 1);
}

static void test_what_was_put_is_found_by_task_and_attempt(void **state)
{
    struct kept k = {.each = NULL};

    (void)state;
    assert_null(kept_find(&k, 0, 1));
    put_text(&k, 7, 2, "seven");
    kept_put(&k, 8, 1, NULL, 0, 0);
    assert_string_equal(kept_find(&k, 7, 2)->bytes, "seven");
    assert_int_equal(kept_find(&k, 8, 1)->n, 0);
    assert_null(kept_find(&k, 7, 1));
    assert_null(kept_find(&k, 0, 0));
    kept_release(&k);
}

static void test_the_last_tasks_of_a_row_or_column_are_all_there(void **state)
{
    static const task_id strides[] = {1, 2, 7, 512, 1000, 1024, 65536};
    struct kept k = {.each = NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(strides) / sizeof(*strides); i++) {
        for (task_id t = 0; t < 500; t++)
            put_text(&k, t * strides[i], (uint32_t)i + 1, "x");
        for (task_id t = 0; t < 500; t++)
            assert_non_null(kept_find(&k, t * strides[i], (uint32_t)i + 1));
    }
    kept_release(&k);
}

static void test_the_oldest_is_forgotten(void **state)
{
    struct kept k = {.each = NULL};

    (void)state;
    for (task_id t = 0; t < 100000; t++)
        put_text(&k, t, 1, "x");
    assert_null(kept_find(&k, 0, 1));
    assert_non_null(kept_find(&k, 99999, 1));
    kept_release(&k);
}

static void test_all_together_stay_below_a_size(void **state)
{
    struct kept k = {.each = NULL};

    (void)state;
    for (task_id t = 0; t < 1000; t++) {
        kept_put(&k, t, 1, xmalloc(CALL_RESULT_MAX), CALL_RESULT_MAX, CALL_RESULT_MAX);
        assert_true(k.n_bytes <= KEPT_BYTES_MAX);
        assert_non_null(kept_find(&k, t, 1));
    }
    kept_release(&k);
}

/* ---- calls that wait for it ---- */

static struct ganger_call *make_call(struct buffer *b)
{
    struct call_order order = {.task = 9, .attempt = 1, .id = {"nine", 4}, .payload = {"", 0}, .n_results = 4};
    struct message_header h;
    struct cursor c;
    size_t start;

    message_begin(b, MESSAGE_CALL, 1, 1);
    start = message_begin_call(b, &order);
    message_add_own_result(b, &(struct recall){7, 2});
    message_add_result(b, "here", 4);
    message_add_result(b, NULL, 0);
    message_add_own_result(b, &(struct recall){8, 1});
    message_end_call(b, start);
    assert_int_equal(message_open(&h, &c, b->bytes, b->n, NULL), 0);
    assert_int_equal(message_next_call(&c, &order, NULL), 0);
    return call_new(&order, 1, NULL, NULL);
}

static void test_a_call_gets_all_that_it_is_owed_or_nothing(void **state)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_call *call = make_call(&b);
    struct kept k = {.each = NULL};

    (void)state;
    assert_false(call_resolve(call, &k));
    put_text(&k, 7, 2, "seven");
    put_text(&k, 8, 2, "another attempt");
    assert_false(call_resolve(call, &k));
    assert_null(call->dependencies[0].bytes);
    kept_put(&k, 8, 1, NULL, 0, 0);
    assert_true(call_resolve(call, &k));
    kept_release(&k); /* it has copies */
    assert_true(call_resolve(call, &k));
    assert_string_equal(call->dependencies[0].bytes, "seven");
    assert_string_equal(call->dependencies[1].bytes, "here");
    assert_null(call->dependencies[2].bytes);
    assert_string_equal(call->dependencies[3].bytes, "");
    assert_int_equal(call->dependencies[3].n, 0);
    call_free(call);
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_found_by_task_and_attempt),
        cmocka_unit_test(test_the_last_tasks_of_a_row_or_column_are_all_there),
        cmocka_unit_test(test_the_oldest_is_forgotten),
        cmocka_unit_test(test_all_together_stay_below_a_size),
        cmocka_unit_test(test_a_call_gets_all_that_it_is_owed_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
