/* Tasks that are held: before they may start, and after an attempt, until somebody says what becomes of them. */
#include "sched_fixture.h"

static struct fixture begin_holding(const char *text)
{
    struct fixture f = {graph_from_text(text), NULL};

    f.sched = sched_new(f.graph);
    sched_add_node(f.sched, 0, &(struct sched_node){.memory_bytes = 0});
    sched_add_worker(f.sched, 1, 0, 0);
    sched_hold_ready(f.sched);
    sched_begin(f.sched);
    return f;
}

static void expect_held(struct fixture *f, const char *id)
{
    task_id task;

    assert_true(sched_next_held(f->sched, &task));
    assert_string_equal(f->graph->tasks[task].id, id);
}

static void test_what_waits_for_nothing_more_is_held_until_it_is_released(void **unused)
{
    struct fixture f = begin_holding("a\nb : a");
    task_id task;

    (void)unused;
    expect_none(&f);
    expect_held(&f, "a");
    assert_false(sched_next_held(f.sched, &task));
    assert_false(sched_is_over(f.sched));
    assert_false(sched_is_stuck(f.sched));
    sched_release(f.sched, id_of(&f, "a"), STATE_READY);
    expect_next(&f, "a");
    finish(&f, "a", STATE_DONE);
    expect_none(&f);
    expect_held(&f, "b");
    sched_release(f.sched, id_of(&f, "b"), STATE_DONE); /* without running */
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_what_is_tried_again_is_not_held_again(void **unused)
{
    struct fixture f = begin_holding("a");
    task_id task;

    (void)unused;
    expect_held(&f, "a");
    sched_release(f.sched, id_of(&f, "a"), STATE_READY);
    expect_next(&f, "a");
    sched_add_worker(f.sched, 2, 0, 1);
    sched_lose_worker(f.sched, 1);
    assert_false(sched_next_held(f.sched, &task));
    assert_int_equal(expect_next(&f, "a").attempt, 2);
    end(&f);
}

static void test_slot_is_free_and_children_wait_while_an_attempt_is_held(void **unused)
{
    struct fixture f = begin("a\nb : a\nc", "1");

    (void)unused;
    expect_next(&f, "a");
    sched_hold(f.sched, id_of(&f, "a"), 1.0);
    assert_int_equal(sched_n_in_flight(f.sched), 0);
    assert_int_equal(sched_n_free_slots(f.sched), 1);
    expect_next(&f, "c");
    finish(&f, "c", STATE_DONE);
    expect_none(&f);
    assert_false(sched_is_over(f.sched));
    sched_release(f.sched, id_of(&f, "a"), STATE_DONE);
    expect_next(&f, "b");
    end(&f);
}

static void test_repeating_spends_no_retry(void **unused)
{
    struct fixture f = begin("a retries=1", "1");

    (void)unused;
    for (uint32_t n = 1; n <= 3; n++) {
        assert_int_equal(expect_next(&f, "a").attempt, n);
        sched_hold(f.sched, id_of(&f, "a"), NAN);
        assert_true(sched_has_retry(f.sched, id_of(&f, "a")));
        sched_repeat(f.sched, id_of(&f, "a"));
        assert_int_equal(sched_n_repeats(f.sched, id_of(&f, "a")), n);
    }
    expect_next(&f, "a");
    sched_hold(f.sched, id_of(&f, "a"), NAN);
    sched_release(f.sched, id_of(&f, "a"), STATE_READY);
    expect_next(&f, "a");
    sched_hold(f.sched, id_of(&f, "a"), NAN);
    assert_false(sched_has_retry(f.sched, id_of(&f, "a")));
    sched_release(f.sched, id_of(&f, "a"), STATE_FAILED);
    assert_int_equal(state_of(&f, "a"), STATE_FAILED);
    end(&f);
}

static void test_failure_of_what_was_held_skips(void **unused)
{
    struct fixture f = begin("a\nb : a\nc : b", "1");

    (void)unused;
    expect_next(&f, "a");
    sched_hold(f.sched, id_of(&f, "a"), NAN);
    sched_release(f.sched, id_of(&f, "a"), STATE_FAILED);
    expect_skipped(&f, "b", "a");
    expect_skipped(&f, "c", "a");
    end(&f);
}

static void test_stopped_run_is_over_whatever_is_held(void **unused)
{
    struct fixture f = begin("a\nb", "1");

    (void)unused;
    expect_next(&f, "a");
    sched_hold(f.sched, id_of(&f, "a"), NAN);
    sched_stop(f.sched);
    assert_true(sched_is_over(f.sched));
    sched_release(f.sched, id_of(&f, "a"), STATE_CANCELLED);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_waits_for_nothing_more_is_held_until_it_is_released),
        cmocka_unit_test(test_what_is_tried_again_is_not_held_again),
        cmocka_unit_test(test_slot_is_free_and_children_wait_while_an_attempt_is_held),
        cmocka_unit_test(test_repeating_spends_no_retry),
        cmocka_unit_test(test_failure_of_what_was_held_skips),
        cmocka_unit_test(test_stopped_run_is_over_whatever_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
