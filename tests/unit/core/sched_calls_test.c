#include "sched_fixture.h"

#include <stdio.h>

/* `n` functions without dependencies, the first `n_done` of which worker 1 has run, in 1 us each. */
static struct fixture begin_calls(int n, int n_done, const char *slots_of_nodes)
{
    struct buffer text = BUFFER_EMPTY;
    struct placement p;
    struct fixture f;

    for (int i = 0; i < n; i++)
        buffer_printf(&text, "t%d call\n", i);
    buffer_put_u8(&text, 0);
    f = begin(text.bytes, slots_of_nodes);
    buffer_release(&text);
    for (int i = 0; i < n_done; i++) {
        assert_true(sched_next(f.sched, &p));
        sched_finish(f.sched, p.task, STATE_DONE, 1e-6);
    }
    return f;
}

static uint32_t fill_batch(struct fixture *f, uint32_t worker)
{
    uint32_t n_before = sched_n_in_batch(f->sched, worker), n = sched_next_in_batch(f->sched, worker, UINT32_MAX);

    assert_int_equal(sched_n_in_batch(f->sched, worker), n_before + n);
    for (uint32_t i = n_before; i < n_before + n; i++) {
        struct placement p = sched_placement_in_batch(f->sched, worker, i);

        assert_int_equal(p.worker, worker);
        assert_int_equal(p.task, sched_in_batch(f->sched, worker, i));
        assert_int_equal(p.attempt, 1);
    }
    return n;
}

static void test_nothing_goes_behind_a_function_of_which_nothing_is_known(void **state)
{
    struct fixture f = begin_calls(10, 0, "1");
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(fill_batch(&f, 1), 0);
    end(&f);
}

static void test_short_functions_go_in_batches_and_run_in_order(void **state)
{
    struct fixture f = begin_calls(1000, 1, "1");
    struct placement p;
    uint32_t n;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    n = fill_batch(&f, 1);
    assert_int_equal(n, 998); /* all that are left: the limit for one worker alone is higher */
    assert_int_equal(sched_n_in_batch(f.sched, 1), n);
    for (task_id t = 1; t < 1 + n; t++) {
        assert_int_equal(sched_task_of(f.sched, 1), t);
        sched_finish(f.sched, t, STATE_DONE, 1e-6);
    }
    assert_int_equal(sched_n_in_batch(f.sched, 1), 0);
    assert_int_equal(sched_task_of(f.sched, 1), 1 + n);
    end(&f);
}

static void test_no_more_go_than_may(void **state)
{
    struct fixture f = begin_calls(100, 1, "1");
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(sched_next_in_batch(f.sched, 1, 0), 0);
    assert_int_equal(sched_next_in_batch(f.sched, 1, 3), 3);
    assert_int_equal(sched_n_in_flight(f.sched), 4);
    assert_int_equal(sched_count(f.sched, STATE_READY), 95);
    assert_int_equal(sched_next_in_batch(f.sched, 1, UINT32_MAX), 95);
    end(&f);
}

/* So that it need not stop while the manager wakes up; where others may want some of it, less is sent at once. */
static void test_one_worker_alone_gets_more_than_one_of_several(void **state)
{
    struct fixture alone = begin_calls(4000, 1, "1"), one_of_two = begin_calls(4000, 1, "2");
    struct placement p;
    uint32_t n_alone, n;

    (void)state;
    assert_true(sched_next(alone.sched, &p));
    n_alone = fill_batch(&alone, 1);
    assert_true(sched_next(one_of_two.sched, &p));
    n = fill_batch(&one_of_two, p.worker);
    assert_true(n > 100 && n <= 512);
    assert_true(n_alone > n && n_alone < 3000);
    end(&alone);
    end(&one_of_two);
}

static void test_a_batch_of_longer_functions_is_smaller(void **state)
{
    struct fixture f = begin_calls(1000, 0, "1");
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    sched_finish(f.sched, p.task, STATE_DONE, 0.0005);
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(fill_batch(&f, 1), 4);
    end(&f);
}

static void test_no_worker_gets_more_than_its_share(void **state)
{
    struct fixture f = begin_calls(102, 1, "4");
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    assert_true(fill_batch(&f, p.worker) <= 101 / 9 + 1);
    end(&f);
}

static void test_what_waits_is_asked_back_once_and_half_of_it_when_others_are_idle(void **state)
{
    struct fixture f = begin_calls(12, 1, "2");
    uint32_t worker, first, n, in_batch;
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    while (sched_next(f.sched, &p)) { /* the other worker is busy, too */
    }
    while (fill_batch(&f, 1) > 0) {
    }
    in_batch = sched_n_in_batch(f.sched, 1);
    assert_false(sched_find_batch_recall(f.sched, &worker, &first, &n)); /* nobody is idle */
    while (sched_count(f.sched, STATE_READY) > 0) { /* worker 2 takes the rest and becomes idle */
        sched_finish(f.sched, sched_task_of(f.sched, 2), STATE_DONE, 1e-6);
        sched_next(f.sched, &p);
    }
    sched_finish(f.sched, sched_task_of(f.sched, 2), STATE_DONE, 1e-6);
    assert_true(sched_find_batch_recall(f.sched, &worker, &first, &n));
    assert_int_equal(worker, 1);
    assert_int_equal(n, (in_batch + 1) / 2);
    assert_int_equal(first, in_batch - n);
    assert_false(sched_find_batch_recall(f.sched, &worker, &first, &n));
    for (uint32_t i = n; i-- > 0;)
        assert_true(sched_take_back(f.sched, 1, sched_in_batch(f.sched, 1, first + i)));
    assert_int_equal(sched_count(f.sched, STATE_READY), n);
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(p.worker, 2);
    assert_int_equal(p.attempt, 1);
    end(&f);
}

static void test_what_was_the_next_when_it_was_given_back_is_ready_again(void **state)
{
    struct fixture f = begin_calls(10, 1, "1");
    struct placement p;
    task_id second;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    fill_batch(&f, 1);
    second = sched_in_batch(f.sched, 1, 0);
    sched_finish(f.sched, p.task, STATE_DONE, 1e-6); /* the worker said so, and gave the second back */
    assert_int_equal(sched_task_of(f.sched, 1), second);
    assert_true(sched_take_back(f.sched, 1, second));
    assert_int_equal(sched_state(f.sched, second), STATE_READY);
    assert_int_equal(sched_attempt(f.sched, second), 0);
    assert_false(sched_take_back(f.sched, 1, second));
    end(&f);
}

static void test_a_lost_worker_costs_what_it_ran_and_nothing_else(void **state)
{
    struct fixture f = begin_calls(10, 1, "2");
    struct placement p;
    task_id first, second;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    fill_batch(&f, p.worker);
    first = p.task;
    second = sched_in_batch(f.sched, p.worker, 0);
    sched_blame(f.sched, p.worker, second); /* the first had ended, but its word was lost */
    assert_int_equal(sched_task_of(f.sched, p.worker), second);
    sched_lose_worker(f.sched, p.worker);
    assert_int_equal(sched_n_lost(f.sched, second), 1);
    assert_int_equal(sched_n_lost(f.sched, first), 0);
    assert_int_equal(sched_count(f.sched, STATE_READY), 9);
    end(&f);
}

static void test_commands_do_not_go_behind_functions_nor_the_other_way(void **state)
{
    struct fixture f = begin("a call\nb call\nc\nd", "1");
    struct placement p;

    (void)state;
    assert_true(sched_next(f.sched, &p));
    sched_finish(f.sched, p.task, STATE_DONE, 1e-6);
    assert_true(sched_next(f.sched, &p)); /* b */
    assert_int_equal(sched_next_in_batch(f.sched, 1, UINT32_MAX), 0);
    assert_false(sched_next_in_advance(f.sched, 1, &p));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_goes_behind_a_function_of_which_nothing_is_known),
        cmocka_unit_test(test_short_functions_go_in_batches_and_run_in_order),
        cmocka_unit_test(test_no_more_go_than_may),
        cmocka_unit_test(test_one_worker_alone_gets_more_than_one_of_several),
        cmocka_unit_test(test_a_batch_of_longer_functions_is_smaller),
        cmocka_unit_test(test_no_worker_gets_more_than_its_share),
        cmocka_unit_test(test_what_waits_is_asked_back_once_and_half_of_it_when_others_are_idle),
        cmocka_unit_test(test_what_was_the_next_when_it_was_given_back_is_ready_again),
        cmocka_unit_test(test_a_lost_worker_costs_what_it_ran_and_nothing_else),
        cmocka_unit_test(test_commands_do_not_go_behind_functions_nor_the_other_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
