/* What becomes of tasks when others end well, fail, may fail, are tried again, or lose their worker. */
#include "sched_fixture.h"

static void test_any_runs_however_its_parent_ended(void **unused)
{
    struct fixture f = begin("a\nb: a\nc: any:a\nd: any:b", "4");

    (void)unused;
    expect_next(&f, "a");
    expect_none(&f);
    finish(&f, "a", STATE_FAILED);
    expect_skipped(&f, "b", "a");
    expect_next(&f, "c");
    expect_next(&f, "d");
    end(&f);
    f = begin("a\nb: any:a", "4");
    expect_next(&f, "a");
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    end(&f);
}

static void test_notok_runs_when_its_parent_failed_or_was_skipped(void **unused)
{
    struct fixture f = begin("a\nb: a\nmend: notok:a\nmend2: notok:b", "4");

    (void)unused;
    expect_next(&f, "a");
    finish(&f, "a", STATE_FAILED);
    expect_skipped(&f, "b", "a");
    expect_next(&f, "mend");
    expect_next(&f, "mend2");
    end(&f);
}

static void test_notok_is_not_needed_when_all_went_well(void **unused)
{
    struct fixture f = begin("a\nmend: notok:a\nafter: mend\nreport: any:mend\nmend2: notok:mend", "4");

    (void)unused;
    expect_next(&f, "a");
    finish(&f, "a", STATE_DONE);
    expect_not_needed(&f, "mend", "a");
    expect_not_needed(&f, "after", "a");
    expect_not_needed(&f, "mend2", "a");
    expect_next(&f, "report");
    finish(&f, "report", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    assert_int_equal(sched_count(f.sched, STATE_NOT_NEEDED), 3);
    assert_int_equal(sched_count(f.sched, STATE_SKIPPED), 0);
    end(&f);
}

static void test_failure_that_may_be_counts_as_done_and_as_failure(void **unused)
{
    struct fixture f = begin("a may_fail\nb: a\nmend: notok:a", "4");

    (void)unused;
    expect_next(&f, "a");
    finish(&f, "a", STATE_FAILED);
    expect_next(&f, "b");
    expect_next(&f, "mend");
    assert_int_equal(state_of(&f, "a"), STATE_FAILED);
    end(&f);
}

static void test_two_conditions_on_one_parent_must_both_be_met(void **unused)
{
    struct fixture f = begin("a may_fail\nb: a notok:a", "4");

    (void)unused;
    expect_next(&f, "a");
    finish(&f, "a", STATE_FAILED);
    expect_next(&f, "b");
    end(&f);
    f = begin("a\nb: a notok:a", "4");
    expect_next(&f, "a");
    finish(&f, "a", STATE_DONE);
    expect_not_needed(&f, "b", "a");
    end(&f);
}

static void test_join_carries_conditions(void **unused)
{
    struct fixture f = begin("a\nb\nj join: notok:a notok:b\nc: j\nk join: any:a any:b\nd: k", "4");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    finish(&f, "a", STATE_FAILED);
    expect_none(&f);
    finish(&f, "b", STATE_DONE);
    expect_next(&f, "d");
    expect_not_needed(&f, "c", "b");
    end(&f);
}

static void test_kept_parent_makes_notok_not_needed(void **unused)
{
    struct fixture f = {graph_from_text("a\nmend: notok:a\nafter: mend\nb: any:mend a"), NULL};

    (void)unused;
    f.sched = sched_new(f.graph);
    sched_add_worker(f.sched, 1, 0, 0);
    sched_keep(f.sched, id_of(&f, "a"));
    sched_begin(f.sched);
    expect_not_needed(&f, "mend", "a");
    expect_not_needed(&f, "after", "a");
    expect_next(&f, "b");
    end(&f);
}

static void test_failed_task_is_tried_again(void **unused)
{
    struct fixture f = begin("a retries=2\nb: a", "1");

    (void)unused;
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        assert_int_equal(expect_next(&f, "a").attempt, attempt);
        assert_true(sched_has_retry(f.sched, id_of(&f, "a")));
        finish(&f, "a", STATE_READY);
    }
    assert_int_equal(expect_next(&f, "a").attempt, 3);
    assert_false(sched_has_retry(f.sched, id_of(&f, "a")));
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    assert_int_equal(sched_n_free_slots(f.sched), 0);
    end(&f);
}

static void test_task_may_be_tried_very_often(void **unused)
{
    struct fixture f = begin("a retries=100000", "1");

    (void)unused;
    for (uint32_t attempt = 1; attempt <= 100000; attempt++) {
        assert_int_equal(expect_next(&f, "a").attempt, attempt);
        finish(&f, "a", STATE_READY);
    }
    expect_next(&f, "a");
    assert_false(sched_has_retry(f.sched, id_of(&f, "a")));
    end(&f);
}

static void test_lost_worker_spends_no_retry(void **unused)
{
    struct fixture f = begin("a retries=1", "3");
    struct placement p = expect_next(&f, "a");

    (void)unused;
    sched_lose_worker(f.sched, p.worker);
    assert_int_equal(state_of(&f, "a"), STATE_READY);
    assert_int_equal(sched_n_lost(f.sched, id_of(&f, "a")), 1);
    assert_int_equal(sched_n_free_slots(f.sched), 2);
    p = expect_next(&f, "a");
    assert_int_equal(p.attempt, 2);
    assert_true(sched_has_retry(f.sched, id_of(&f, "a")));
    finish(&f, "a", STATE_READY);
    expect_next(&f, "a");
    assert_false(sched_has_retry(f.sched, id_of(&f, "a")));
    end(&f);
}

static void test_task_that_loses_four_workers_has_failed(void **unused)
{
    struct fixture f = begin("a\nb: a", "5");

    (void)unused;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(state_of(&f, "a"), STATE_READY);
        sched_lose_worker(f.sched, expect_next(&f, "a").worker);
    }
    assert_int_equal(state_of(&f, "a"), STATE_FAILED);
    expect_skipped(&f, "b", "a");
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_lost_worker_gives_back_what_it_was_sent_in_advance(void **unused)
{
    struct fixture f = begin("z cost=99\na: z\nb: z", "2");
    struct placement p;
    uint32_t worker;

    (void)unused;
    expect_next(&f, "z");
    finish(&f, "z", STATE_DONE);
    sched_lose_worker(f.sched, 2);
    worker = expect_next(&f, "a").worker;
    assert_true(sched_next_in_advance(f.sched, worker, &p));
    sched_add_worker(f.sched, 3, 1, 0);
    sched_lose_worker(f.sched, worker);
    assert_int_equal(state_of(&f, "b"), STATE_READY);
    assert_int_equal(sched_n_lost(f.sched, id_of(&f, "b")), 0);
    assert_int_equal(expect_next(&f, "b").attempt, 1);
    end(&f);
}

static void test_slot_of_a_lost_worker_is_not_given_back(void **unused)
{
    struct fixture f = begin("wide cores=3\na\nb\nc", "3");

    (void)unused;
    expect_next(&f, "wide");
    sched_lose_worker(f.sched, 2); /* lent to the wide task, which goes on */
    assert_int_equal(sched_n_free_slots(f.sched), 0);
    finish(&f, "wide", STATE_DONE);
    assert_int_equal(sched_n_free_slots(f.sched), 2);
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_none(&f);
    sched_add_worker(f.sched, 9, 0, 1); /* the slot has a worker again */
    expect_next(&f, "c");
    end(&f);
}

static void test_new_worker_waits_for_its_slot(void **unused)
{
    struct fixture f = begin("wide cores=2\na", "2");

    (void)unused;
    expect_next(&f, "wide");
    sched_lose_worker(f.sched, 2);
    sched_add_worker(f.sched, 3, 0, 1);
    expect_none(&f); /* the wide task still has it */
    finish(&f, "wide", STATE_DONE);
    assert_int_equal(sched_n_free_slots(f.sched), 2);
    end(&f);
}

static void test_what_fits_no_node_any_more_is_given_up(void **unused)
{
    struct fixture f = begin("wide cores=2 cost=2\nnext: wide\nsmall", "12");
    task_id task;

    (void)unused;
    assert_int_equal(sched_find_unplaceable(f.sched), TASK_NONE);
    assert_false(sched_next_unplaceable(f.sched, &task));
    sched_lose_worker(f.sched, 3);
    assert_int_equal(sched_find_unplaceable(f.sched), id_of(&f, "wide"));
    assert_true(sched_next_unplaceable(f.sched, &task));
    assert_int_equal(task, id_of(&f, "wide"));
    assert_false(sched_next_unplaceable(f.sched, &task));
    expect_skipped(&f, "next", "wide");
    assert_int_equal(sched_find_unplaceable(f.sched), TASK_NONE);
    expect_next(&f, "small");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_runs_however_its_parent_ended),
        cmocka_unit_test(test_notok_runs_when_its_parent_failed_or_was_skipped),
        cmocka_unit_test(test_notok_is_not_needed_when_all_went_well),
        cmocka_unit_test(test_failure_that_may_be_counts_as_done_and_as_failure),
        cmocka_unit_test(test_two_conditions_on_one_parent_must_both_be_met),
        cmocka_unit_test(test_join_carries_conditions),
        cmocka_unit_test(test_kept_parent_makes_notok_not_needed),
        cmocka_unit_test(test_failed_task_is_tried_again),
        cmocka_unit_test(test_task_may_be_tried_very_often),
        cmocka_unit_test(test_lost_worker_spends_no_retry),
        cmocka_unit_test(test_task_that_loses_four_workers_has_failed),
        cmocka_unit_test(test_lost_worker_gives_back_what_it_was_sent_in_advance),
        cmocka_unit_test(test_slot_of_a_lost_worker_is_not_given_back),
        cmocka_unit_test(test_new_worker_waits_for_its_slot),
        cmocka_unit_test(test_what_fits_no_node_any_more_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
