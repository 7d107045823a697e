/* What tasks take beside slots, in which order they go, and what is reserved for those that starve. */
#include "sched_fixture.h"

static void test_priority_goes_before_everything(void **unused)
{
    struct fixture f = begin("low prio=-1 cost=99\nplain cost=50\nhigh prio=7", "1");
    const char *const ids[] = {"high", "plain", "low"};

    (void)unused;
    for (int i = 0; i < 3; i++) {
        expect_next(&f, ids[i]);
        finish(&f, ids[i], STATE_DONE);
    }
    end(&f);
}

static void test_gpus_are_given_by_number_lowest_first(void **unused)
{
    struct fixture f = begin_with_gpus("a gpus=2 cost=9\nb gpus=1 cost=8\nc gpus=3 cost=7\nd cost=1", "8", 4);
    struct placement p = expect_next(&f, "a");

    (void)unused;
    assert_int_equal(p.n_gpus, 2);
    assert_int_equal(p.gpus[0], 0);
    assert_int_equal(p.gpus[1], 1);
    p = expect_next(&f, "b");
    assert_int_equal(p.gpus[0], 2);
    assert_int_equal(expect_next(&f, "d").n_gpus, 0);
    expect_none(&f);
    finish(&f, "a", STATE_DONE);
    p = expect_next(&f, "c");
    assert_int_equal(p.gpus[0], 0);
    assert_int_equal(p.gpus[1], 1);
    assert_int_equal(p.gpus[2], 3);
    end(&f);
    f = begin_with_gpus("a gpus=5", "8", 4);
    assert_int_equal(sched_find_unplaceable(f.sched), id_of(&f, "a"));
    end(&f);
}

static void test_parts_of_a_node_are_not_given_twice(void **unused)
{
    struct fixture f = begin("!each disk 10\na disk=6 cost=3\nb disk=6 cost=2\nc disk=6\nd disk=4", "44");
    uint32_t node_of_a = expect_next(&f, "a").node;

    (void)unused;
    assert_int_not_equal(expect_next(&f, "b").node, node_of_a);
    expect_next(&f, "d");
    expect_none(&f);
    finish(&f, "b", STATE_DONE);
    expect_next(&f, "c");
    end(&f);
}

static void test_licences_are_of_the_whole_run(void **unused)
{
    struct fixture f = begin("!total licence 2\na licence=1\nb licence=1\nc licence=1\nd", "44");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_next(&f, "d");
    expect_none(&f);
    finish(&f, "d", STATE_DONE);
    expect_none(&f);
    finish(&f, "b", STATE_DONE);
    expect_next(&f, "c");
    end(&f);
}

static void test_tokens_bound_a_queue_and_let_others_pass(void **unused)
{
    struct fixture f = begin("!queue q 3\na queue=q tokens=2 cost=9\nb queue=q tokens=2 cost=8\nc queue=q cost=7\n"
                             "d queue=q tokens=0 cost=6\ne queue=q cost=5\nx",
                             "9");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "c"); /* b lacks one */
    expect_next(&f, "d");
    expect_next(&f, "x");
    expect_none(&f);
    finish(&f, "c", STATE_FAILED);
    expect_next(&f, "e");
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    end(&f);
}

static void test_head_of_a_strict_queue_blocks_it(void **unused)
{
    struct fixture f = begin("!queue q - strict\na queue=q cores=2\nwide queue=q cores=4\n"
                             "small queue=q cost=99\nx",
                             "4");

    (void)unused;
    expect_next(&f, "a"); /* no b-level there */
    expect_next(&f, "x");
    expect_none(&f);
    finish(&f, "x", STATE_DONE);
    expect_none(&f);
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "wide");
    finish(&f, "wide", STATE_DONE);
    expect_next(&f, "small");
    end(&f);
}

static void test_priority_goes_before_readiness_in_a_strict_queue(void **unused)
{
    struct fixture f = begin("!queue q 1 strict\na queue=q\nb queue=q cost=5\nc queue=q prio=1 cores=2", "2");

    (void)unused;
    expect_next(&f, "c");
    expect_none(&f);
    finish(&f, "c", STATE_DONE);
    expect_next(&f, "a");
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    end(&f);
}

static void test_what_is_sent_in_advance_takes_over_tokens_and_gpus(void **unused)
{
    struct fixture f = begin_with_gpus("!queue q 1\nz cost=99\na queue=q gpus=1: z\nb queue=q gpus=1: z", "2", 1);
    struct placement a, b;

    (void)unused;
    expect_next(&f, "z");
    finish(&f, "z", STATE_DONE);
    a = expect_next(&f, "a");
    expect_none(&f);
    assert_true(sched_next_in_advance(f.sched, a.worker, &b));
    assert_int_equal(b.n_gpus, 1);
    finish(&f, "a", STATE_DONE);
    assert_int_equal(sched_task_of(f.sched, a.worker), id_of(&f, "b"));
    finish(&f, "b", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_long_or_unknown_tasks_are_not_sent_in_advance(void **unused)
{
    struct fixture f = begin("a\nb\nc", "1");
    struct placement p;
    uint32_t worker = expect_next(&f, "a").worker;

    (void)unused;
    assert_false(sched_next_in_advance(f.sched, worker, &p)); /* nothing is known */
    finish_after(&f, "a", 0.2);
    worker = expect_next(&f, "b").worker;
    assert_false(sched_next_in_advance(f.sched, worker, &p));
    end(&f);
}

static void test_less_memory_lets_tasks_pass_and_more_waits(void **unused)
{
    struct fixture f = begin("a mem=700 cost=9\nb mem=500 cost=8\nc mem=400 cost=7\nd mem=300 cost=6\n"
                             "e mem=100 cost=5",
                             "8");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "d"); /* 324 are left */
    expect_none(&f);
    finish(&f, "d", STATE_DONE);
    expect_next(&f, "e");
    expect_none(&f);
    finish(&f, "a", STATE_DONE); /* 924 */
    expect_next(&f, "b");
    expect_next(&f, "c");
    expect_none(&f);
    end(&f);
}

/* ---- what is learned ---- */

/* Sixteen of each program show that those of "slow" take long: from then on they go first. */
static void test_learned_means_decide_the_order(void **unused)
{
    char text[2048] = "";
    struct fixture f;
    struct placement p;

    (void)unused;
    for (int i = 0; i < 12; i++)
        snprintf(text + strlen(text), 128, "q%d program=quick\ns%d program=slow\n", i, i);
    f = begin(text, "1");
    for (int i = 0; i < 16; i++) {
        assert_true(sched_next(f.sched, &p));
        assert_int_equal(p.task, i); /* as given */
        sched_finish(f.sched, p.task, STATE_DONE, p.task % 2 == 0 ? 0.1 : 9.0);
    }
    assert_true(sched_expected_s(f.sched, id_of(&f, "s11")) == 9.0);
    for (int i = 8; i < 12; i++) {
        assert_true(sched_next(f.sched, &p));
        assert_int_equal(p.task, 2 * i + 1);
        sched_finish(f.sched, p.task, STATE_DONE, 9.0);
    }
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(p.task, 16);
    end(&f);
}

static void test_cost_goes_before_what_was_learned(void **unused)
{
    struct fixture f = begin("a program=p cost=3\nb program=p\nc program=new", "1");

    (void)unused;
    assert_true(sched_expected_s(f.sched, id_of(&f, "a")) == 3.0);
    assert_true(isnan(sched_expected_s(f.sched, id_of(&f, "b"))));
    expect_next(&f, "a");
    finish_after(&f, "a", 7.0);
    assert_true(sched_expected_s(f.sched, id_of(&f, "b")) == 7.0);
    end(&f);
}

/* ---- reservations ---- */

/* A wide task that others of its age overtake: with two workers it is let in after 8 of them. */
static void test_wide_task_reserves_a_node_after_being_overtaken_often(void **unused)
{
    char text[2048] = "first cost=9\nwide cores=2 cost=5\n";
    struct fixture f;
    struct placement p;
    int n_passed = 0;
    task_id last;

    (void)unused;
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), 32, "t%d cost=1\n", i);
    f = begin(text, "2");
    last = expect_next(&f, "first").task;
    /* Always two narrow ones overlap, so that never two slots are free at once. */
    while (sched_next(f.sched, &p)) {
        n_passed++;
        assert_true(n_passed <= 8);
        assert_false(sched_next(f.sched, &(struct placement){0}));
        sched_set_time(f.sched, n_passed * 0.5);
        sched_finish(f.sched, last, STATE_DONE, NAN);
        last = p.task;
    }
    assert_int_equal(n_passed, 8);
    sched_finish(f.sched, last, STATE_DONE, NAN);
    assert_int_equal(expect_next(&f, "wide").n_slots, 2);
    finish(&f, "wide", STATE_DONE);
    assert_true(sched_next(f.sched, &p)); /* then it is nobody's again */
    assert_true(sched_next(f.sched, &p));
    end(&f);
}

static void test_wide_task_reserves_a_node_after_a_minute(void **unused)
{
    struct fixture f = begin("first cost=90\nwide cores=2 cost=50\nt0 cost=1\nt1 cost=1\nt2 cost=40", "2");

    (void)unused;
    expect_next(&f, "first");
    expect_next(&f, "t2");
    expect_none(&f);
    sched_set_time(f.sched, 61);
    finish(&f, "t2", STATE_DONE);
    expect_next(&f, "t0"); /* this one still passes, and it is enough */
    finish(&f, "t0", STATE_DONE);
    expect_next(&f, "t1"); /* expected to end at 62, before the first does, at 90 */
    finish(&f, "t1", STATE_DONE);
    finish(&f, "first", STATE_DONE);
    expect_next(&f, "wide");
    end(&f);
}

static void test_only_what_ends_before_enters_a_reserved_node(void **unused)
{
    struct fixture f = begin("first cost=90\nwide cores=2 cost=50\nt0 cost=1\nlong cost=45 mem=1\nshort cost=2", "2");

    (void)unused;
    expect_next(&f, "first");
    expect_next(&f, "long");
    expect_none(&f);
    sched_set_time(f.sched, 61);
    finish(&f, "long", STATE_FAILED);
    expect_next(&f, "short");
    finish(&f, "short", STATE_DONE);
    end(&f);
    f = begin("first cost=90\nwide cores=2 cost=50\nt0 cost=49\nt1 cost=48 mem=1\nshort cost=2", "2");
    expect_next(&f, "first");
    expect_next(&f, "t0");
    expect_none(&f);
    sched_set_time(f.sched, 61);
    finish(&f, "t0", STATE_DONE);
    expect_next(&f, "t1"); /* overtakes it after a minute: the node is reserved, for 90 + … */
    finish(&f, "t1", STATE_DONE);
    sched_set_time(f.sched, 89);
    expect_none(&f); /* "short" would end at 91 */
    finish(&f, "first", STATE_DONE);
    expect_next(&f, "wide");
    end(&f);
}

static void test_what_leaves_room_for_the_other_may_enter(void **unused)
{
    struct fixture f = begin("first cost=90 mem=600\nbig mem=1000 cost=80\nt0 mem=300 cost=70\nt1 mem=300 cost=12\n"
                             "small mem=20 cost=50\nt2 mem=300 cost=49\nlong mem=20 cost=48: t1",
                             "4");

    (void)unused;
    expect_next(&f, "first");
    expect_next(&f, "t0");
    expect_next(&f, "small"); /* of the 124 that were left */
    expect_none(&f);
    finish(&f, "small", STATE_DONE);
    sched_set_time(f.sched, 61);
    finish(&f, "t0", STATE_DONE);
    expect_next(&f, "t1"); /* and the node is reserved */
    finish(&f, "t1", STATE_DONE);
    expect_next(&f, "long"); /* will run when the first has ended, but beside big */
    expect_none(&f); /* t2 would be in the way of big */
    finish(&f, "first", STATE_DONE);
    expect_next(&f, "big");
    end(&f);
}

static void test_who_comes_before_is_not_bound(void **unused)
{
    struct fixture f = begin("first cost=200\nwide cores=2 cost=50\nt0 cost=49\nt1 cost=40\nlate\n"
                             "urgent prio=1: t1",
                             "2");

    (void)unused;
    expect_next(&f, "first");
    expect_next(&f, "t0");
    expect_none(&f);
    sched_set_time(f.sched, 61);
    finish_after(&f, "t0", NAN);
    expect_next(&f, "t1"); /* and the node is reserved */
    finish_after(&f, "t1", NAN);
    expect_next(&f, "urgent");
    finish_after(&f, "urgent", NAN);
    expect_none(&f); /* nobody knows when "late" would end */
    finish(&f, "first", STATE_DONE);
    expect_next(&f, "wide");
    end(&f);
}

static void test_one_who_needs_many_tokens_reserves_them(void **unused)
{
    char text[4096] = "!queue q 4\nfirst queue=q cost=9\nmany queue=q tokens=4 cost=5\n";
    struct fixture f;
    struct placement p;
    int n_passed = 0;

    (void)unused;
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), 32, "t%d queue=q cost=1\n", i);
    f = begin(text, "5");
    expect_next(&f, "first");
    for (;;) { /* first runs all the time; there are tokens for three others */
        task_id ended = TASK_NONE;

        while (sched_next(f.sched, &p)) {
            n_passed++;
            ended = p.task;
        }
        if (ended == TASK_NONE)
            break;
        assert_true(n_passed < 60);
        for (task_id t = 0; t < f.graph->n_tasks; t++)
            if (t != id_of(&f, "first") && sched_state(f.sched, t) == STATE_SENT)
                sched_finish(f.sched, t, STATE_DONE, NAN);
    }
    assert_int_equal(n_passed, 20);
    finish(&f, "first", STATE_DONE);
    expect_next(&f, "many");
    finish(&f, "many", STATE_DONE);
    assert_true(sched_next(f.sched, &p));
    end(&f);
}

static void test_node_that_becomes_too_small_is_nobodys(void **unused)
{
    struct fixture f = begin("big cores=2 cost=300\nfirst cost=90\nwide cores=2 cost=50\nt0 cost=49\nt1 cost=40\nlate",
                             "22");
    uint32_t worker;

    (void)unused;
    expect_next(&f, "big");
    worker = expect_next(&f, "first").worker;
    expect_next(&f, "t0");
    expect_none(&f);
    sched_set_time(f.sched, 61);
    finish_after(&f, "t0", NAN);
    expect_next(&f, "t1"); /* and the node is reserved */
    finish_after(&f, "t1", NAN);
    expect_none(&f);
    sched_lose_worker(f.sched, worker);
    expect_next(&f, "first");
    finish_after(&f, "first", NAN);
    expect_next(&f, "late"); /* the wide one has to wait for the other node now */
    finish_after(&f, "big", NAN);
    expect_next(&f, "wide");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority_goes_before_everything),
        cmocka_unit_test(test_gpus_are_given_by_number_lowest_first),
        cmocka_unit_test(test_parts_of_a_node_are_not_given_twice),
        cmocka_unit_test(test_licences_are_of_the_whole_run),
        cmocka_unit_test(test_tokens_bound_a_queue_and_let_others_pass),
        cmocka_unit_test(test_head_of_a_strict_queue_blocks_it),
        cmocka_unit_test(test_priority_goes_before_readiness_in_a_strict_queue),
        cmocka_unit_test(test_what_is_sent_in_advance_takes_over_tokens_and_gpus),
        cmocka_unit_test(test_long_or_unknown_tasks_are_not_sent_in_advance),
        cmocka_unit_test(test_less_memory_lets_tasks_pass_and_more_waits),
        cmocka_unit_test(test_learned_means_decide_the_order),
        cmocka_unit_test(test_cost_goes_before_what_was_learned),
        cmocka_unit_test(test_wide_task_reserves_a_node_after_being_overtaken_often),
        cmocka_unit_test(test_wide_task_reserves_a_node_after_a_minute),
        cmocka_unit_test(test_only_what_ends_before_enters_a_reserved_node),
        cmocka_unit_test(test_what_leaves_room_for_the_other_may_enter),
        cmocka_unit_test(test_who_comes_before_is_not_bound),
        cmocka_unit_test(test_one_who_needs_many_tokens_reserves_them),
        cmocka_unit_test(test_node_that_becomes_too_small_is_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
