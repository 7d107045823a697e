#include "core/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ganger_call *call_with(struct call_pool *pool, task_id task, uint32_t n_payload)
{
    char payload[4096] = "";
    struct call_order order = {.task = task, .attempt = 1, .id = {"one", 3}, .payload = {payload, n_payload}};

    memset(payload, 'p', n_payload);
    return call_new(&order, 1, NULL, pool);
}

static void test_a_recycled_call_has_nothing_of_the_one_before(void **state)
{
    struct call_pool pool = {.first = NULL};
    struct ganger_call *first = call_with(&pool, 1, 20), *second;

    (void)state;
    memcpy(call_extend(first, 5), "bytes", 5);
    first->status = 7;
    first->owed = malloc(1);
    first->why = malloc(1);
    call_recycle(first, &pool);
    assert_int_equal(pool.n, 1);
    second = call_with(&pool, 2, 0);
    assert_ptr_equal(second, first);
    assert_int_equal(pool.n, 0);
    assert_true(second->task == 2 && second->status == 0 && second->n_result == 0 && second->payload.n == 0);
    assert_true(second->result == NULL && second->owed == NULL && second->why == NULL);
    assert_string_equal(second->id, "one");
    assert_string_equal(second->payload.bytes, "");
    call_free(second);
    call_pool_release(&pool);
}

static void test_what_is_large_is_not_kept(void **state)
{
    struct call_pool pool = {.first = NULL};
    struct ganger_call *large = call_with(&pool, 1, 4000), *small = call_with(NULL, 2, 1);

    (void)state;
    assert_int_equal(strlen(large->payload.bytes), 4000);
    call_recycle(large, &pool);
    call_recycle(small, &pool); /* it was not made for a pool */
    assert_int_equal(pool.n, 0);
    call_pool_release(&pool);
}

static void test_a_pool_has_an_end(void **state)
{
    enum { N_CALLS = 3000 };
    struct call_pool pool = {.first = NULL};
    struct ganger_call **calls = malloc(N_CALLS * sizeof(struct ganger_call *));

    (void)state;
    for (task_id t = 0; t < N_CALLS; t++)
        calls[t] = call_with(&pool, t, 0);
    for (task_id t = 0; t < N_CALLS; t++)
        call_recycle(calls[t], &pool);
    assert_in_range(pool.n, 1, N_CALLS - 1);
    call_pool_release(&pool);
    assert_int_equal(pool.n, 0);
    free(calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_recycled_call_has_nothing_of_the_one_before),
        cmocka_unit_test(test_what_is_large_is_not_kept),
        cmocka_unit_test(test_a_pool_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
