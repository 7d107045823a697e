/* Nodes that will be gone: what starts there, and what is put off. */
#include "sched_fixture.h"

/* As begin, with the ends of its nodes; INFINITY: none. */
static struct fixture begin_with_ends(const char *text, const char *slots_of_nodes, const double *ends_s)
{
    struct fixture f = begin(text, slots_of_nodes);

    for (uint32_t node = 0; slots_of_nodes[node] != '\0'; node++)
        sched_set_end(f.sched, node, ends_s[node]);
    return f;
}

static struct fixture begin_with_end(const char *text, const char *slots, double end_s)
{
    return begin_with_ends(text, slots, &end_s);
}

static void test_what_cannot_end_in_time_is_passed_by_what_can(void **unused)
{
    struct fixture f = begin_with_end("long cost=100\nshort cost=10", "1", 60);

    (void)unused;
    expect_next(&f, "short");
    expect_none(&f);
    assert_false(sched_is_out_of_time(f.sched)); /* something runs */
    finish(&f, "short", STATE_DONE);
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    assert_false(sched_is_stuck(f.sched));
    assert_false(sched_is_over(f.sched));
    assert_int_equal(state_of(&f, "long"), STATE_READY);
    end(&f);
}

static void test_time_goes_by(void **unused)
{
    struct fixture f = begin_with_end("a cost=10\nb cost=10\nc cost=10", "1", 25);

    (void)unused;
    expect_next(&f, "a");
    sched_set_time(f.sched, 10);
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    sched_set_time(f.sched, 20);
    finish(&f, "b", STATE_DONE);
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    end(&f);
}

static void test_without_an_end_nothing_is_put_off(void **unused)
{
    struct fixture f = begin_with_end("a cost=1e9", "1", INFINITY);

    (void)unused;
    expect_next(&f, "a");
    end(&f);
}

/* Each in an allocation that has 50 s left: is it started? */
static const struct
{
    const char *task;
    bool starts;
} lengths[] = {
    {"a", true}, /* nobody knows: it may be cut off */
    {"a cost=49", true},
    {"a cost=51", false},
    {"a timeout=49", true},
    {"a timeout=51", false},
    {"a cost=20 timeout=100", true},  /* its timeout is far off, its cost says more */
    {"a cost=100 timeout=20", true},  /* at its timeout it is over, in whatever way */
    {"a cost=100 timeout=100", false},
    {"a signalled=20", true},
    {"a cost=100 signalled=20", true}, /* it can save what it has */
    {"a cost=1 signalled=51", false},  /* … unless there is no time for the signal */
};

static void test_what_is_stated_of_a_task_counts(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct fixture f = begin_with_end(lengths[i].task, "1", 50);
        struct placement p;

        if (sched_next(f.sched, &p) != lengths[i].starts)
            fail_msg("\"%s\" was %sstarted", lengths[i].task, lengths[i].starts ? "not " : "");
        end(&f);
    }
}

static void test_what_was_learned_of_a_program_counts_with_a_margin(void **unused)
{
    struct fixture f = begin_with_end("a\nb\nc\nd\ne", "1", 100);
    const char *const ids[] = {"a", "b", "c"};

    (void)unused;
    for (int i = 0; i < 3; i++) {
        expect_next(&f, ids[i]);
        finish_after(&f, ids[i], 20);
    }
    sched_set_time(f.sched, 77); /* 23 s are left, and 1.1 times 20 s are wanted */
    expect_next(&f, "d");
    finish_after(&f, "d", 20);
    sched_set_time(f.sched, 79);
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    end(&f);
}

static void test_a_mean_of_few_has_a_wider_margin(void **unused)
{
    struct fixture f = begin_with_end("a\nb", "1", 50);

    (void)unused;
    expect_next(&f, "a");
    finish_after(&f, "a", 20);
    sched_set_time(f.sched, 21); /* 1.5 times 20 s are wanted, and 29 are left */
    expect_none(&f);
    end(&f);
}

static void test_tasks_of_differing_lengths_need_more_than_their_mean(void **unused)
{
    struct fixture f = begin_with_end("a\nb\nc\nd", "1", 100);

    (void)unused;
    expect_next(&f, "a");
    finish_after(&f, "a", 10);
    expect_next(&f, "b");
    finish_after(&f, "b", 20);
    expect_next(&f, "c");
    finish_after(&f, "c", 30); /* 20 s, and twice 8.2 */
    sched_set_time(f.sched, 64);
    expect_none(&f);
    end(&f);
}

static void test_what_earlier_epochs_learned_counts(void **unused)
{
    struct fixture f = {graph_from_text("done\na"), NULL};

    (void)unused;
    f.sched = sched_new(f.graph);
    sched_keep(f.sched, id_of(&f, "done"));
    sched_teach_run(f.sched, id_of(&f, "done"), 60);
    sched_begin(f.sched);
    sched_add_worker(f.sched, 1, 0, 0);
    sched_set_end(f.sched, 0, 80);
    expect_none(&f);
    sched_set_end(f.sched, 0, 100);
    expect_next(&f, "a");
    end(&f);
}

static void test_what_was_cut_off_needs_more_than_it_had(void **unused)
{
    struct fixture f = {graph_from_text("a cost=1\nb cost=1 signalled=5"), NULL};

    (void)unused;
    f.sched = sched_new(f.graph);
    sched_teach_cut(f.sched, id_of(&f, "a"), 50);
    sched_teach_cut(f.sched, id_of(&f, "b"), 50); /* it may have saved what it had */
    sched_begin(f.sched);
    sched_add_worker(f.sched, 1, 0, 0);
    sched_set_end(f.sched, 0, 54);
    expect_next(&f, "b");
    finish(&f, "b", STATE_DONE);
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    end(&f);
}

static void test_an_end_that_is_put_off_gives_another_try(void **unused)
{
    struct fixture f = begin_with_end("a cost=100\nb cost=90", "1", 60);

    (void)unused;
    expect_none(&f);
    sched_set_end(f.sched, 0, 95);
    expect_next(&f, "b");
    sched_set_end(f.sched, 0, 50); /* brought forward: what runs is the caller's business */
    finish(&f, "b", STATE_DONE);
    expect_none(&f);
    sched_set_end(f.sched, 0, INFINITY);
    expect_next(&f, "a");
    end(&f);
}

static void test_a_node_that_comes_gives_another_try(void **unused)
{
    struct fixture f = begin_with_end("a cost=100", "1", 60);

    (void)unused;
    expect_none(&f);
    sched_add_worker(f.sched, 2, 1, 0);
    assert_int_equal(expect_next(&f, "a").node, 1);
    end(&f);
}

static void test_a_task_goes_where_there_is_time(void **unused)
{
    struct fixture f = begin_with_ends("long cost=100\nshort cost=10", "13", (const double[]){60, 1000});

    (void)unused;
    assert_int_equal(expect_next(&f, "long").node, 1); /* though the other one fits better */
    assert_int_equal(expect_next(&f, "short").node, 0);
    end(&f);
}

static void test_what_is_too_large_for_the_node_with_time_waits_for_no_other(void **unused)
{
    struct fixture f = begin_with_ends("wide cores=2 cost=100", "12", (const double[]){1000, 60});

    (void)unused;
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    end(&f);
}

static void test_in_a_strict_queue_nobody_passes_what_is_put_off(void **unused)
{
    struct fixture f = begin_with_end("!queue q - strict\na queue=q cost=100\nb queue=q cost=1\nx cost=1", "2", 60);

    (void)unused;
    expect_next(&f, "x");
    expect_none(&f);
    finish(&f, "x", STATE_DONE);
    expect_none(&f);
    assert_true(sched_is_out_of_time(f.sched));
    sched_set_end(f.sched, 0, 1000);
    expect_next(&f, "a");
    expect_next(&f, "b");
    end(&f);
}

static void test_what_is_learned_may_show_that_there_is_time(void **unused)
{
    struct fixture f = begin_with_end("a\nb timeout=100", "2", 60);

    (void)unused;
    expect_next(&f, "a");
    expect_none(&f); /* for all we know b may take until its timeout */
    finish_after(&f, "a", 10);
    expect_next(&f, "b");
    end(&f);
}

static void test_nothing_is_sent_in_advance_that_has_no_time(void **unused)
{
    struct fixture f = begin("a\nb\nc\nd", "1");
    struct placement p;

    (void)unused;
    expect_next(&f, "a");
    finish_after(&f, "a", 0.001);
    expect_next(&f, "b");
    sched_set_end(f.sched, 0, 10);
    sched_set_time(f.sched, 10);
    assert_false(sched_next_in_advance(f.sched, 1, &p));
    sched_set_end(f.sched, 0, 20);
    assert_true(sched_next_in_advance(f.sched, 1, &p));
    end(&f);
}

static void test_what_was_cancelled_before_the_end_is_left(void **unused)
{
    struct fixture f = begin_with_end("a\nb: a", "1", 60);

    (void)unused;
    expect_next(&f, "a");
    sched_finish(f.sched, id_of(&f, "a"), STATE_CANCELLED, NAN);
    assert_true(sched_is_out_of_time(f.sched));
    assert_false(sched_is_stuck(f.sched));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_end_in_time_is_passed_by_what_can),
        cmocka_unit_test(test_time_goes_by),
        cmocka_unit_test(test_without_an_end_nothing_is_put_off),
        cmocka_unit_test(test_what_is_stated_of_a_task_counts),
        cmocka_unit_test(test_what_was_learned_of_a_program_counts_with_a_margin),
        cmocka_unit_test(test_a_mean_of_few_has_a_wider_margin),
        cmocka_unit_test(test_tasks_of_differing_lengths_need_more_than_their_mean),
        cmocka_unit_test(test_what_earlier_epochs_learned_counts),
        cmocka_unit_test(test_what_was_cut_off_needs_more_than_it_had),
        cmocka_unit_test(test_an_end_that_is_put_off_gives_another_try),
        cmocka_unit_test(test_a_node_that_comes_gives_another_try),
        cmocka_unit_test(test_a_task_goes_where_there_is_time),
        cmocka_unit_test(test_what_is_too_large_for_the_node_with_time_waits_for_no_other),
        cmocka_unit_test(test_in_a_strict_queue_nobody_passes_what_is_put_off),
        cmocka_unit_test(test_what_is_learned_may_show_that_there_is_time),
        cmocka_unit_test(test_nothing_is_sent_in_advance_that_has_no_time),
        cmocka_unit_test(test_what_was_cancelled_before_the_end_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
