#include "sched_fixture.h"

/* Runs the task "z": then those of its program are known to be short. */
static struct fixture begin_short(const char *text, const char *slots_of_nodes)
{
    struct fixture f = begin(text, slots_of_nodes);

    expect_next(&f, "z");
    finish(&f, "z", STATE_DONE);
    return f;
}

static void test_child_waits_for_all_parents(void **unused)
{
    struct fixture f = begin("a\nb\nc: a b", "4");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_none(&f);
    finish(&f, "a", STATE_DONE);
    expect_none(&f);
    finish(&f, "b", STATE_DONE);
    expect_next(&f, "c");
    finish(&f, "c", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_long_path_goes_first(void **unused)
{
    struct fixture f = begin("lone\nlong cost=5\nhead\ntail cost=9: head", "1");

    (void)unused;
    expect_next(&f, "head"); /* 1 + 9 */
    finish(&f, "head", STATE_DONE);
    expect_next(&f, "tail");
    finish(&f, "tail", STATE_DONE);
    expect_next(&f, "long");
    finish(&f, "long", STATE_DONE);
    expect_next(&f, "lone");
    end(&f);
}

static void test_equals_go_in_the_order_given(void **unused)
{
    struct fixture f = begin("a\nb\nc\nd", "1");
    const char *const ids[] = {"a", "b", "c", "d"};

    (void)unused;
    for (int i = 0; i < 4; i++) {
        expect_next(&f, ids[i]);
        expect_none(&f);
        finish(&f, ids[i], STATE_DONE);
    }
    end(&f);
}

static void test_child_follows_the_parent_that_finished_last(void **unused)
{
    struct fixture f = begin("a\nb\nc: a b", "22");
    struct placement a = expect_next(&f, "a"), b = expect_next(&f, "b"), c;

    (void)unused;
    finish(&f, "b", STATE_DONE);
    finish(&f, "a", STATE_DONE);
    c = expect_next(&f, "c");
    assert_int_not_equal(a.worker, b.worker);
    assert_int_equal(c.worker, a.worker);
    end(&f);
}

static void test_child_stays_on_the_node_when_the_worker_is_busy(void **unused)
{
    struct fixture f = begin("p cores=2 cost=30\na\nx cost=9: a\nc cost=2: a", "42");
    struct placement a, x, c;

    (void)unused;
    assert_int_equal(expect_next(&f, "p").node, 1);
    a = expect_next(&f, "a");
    finish(&f, "p", STATE_DONE);
    finish(&f, "a", STATE_DONE);
    x = expect_next(&f, "x");
    c = expect_next(&f, "c");
    assert_int_equal(a.node, 0);
    assert_int_equal(x.worker, a.worker);
    assert_int_equal(c.node, 0); /* best fit alone would say 1 */
    end(&f);
}

static void test_narrow_tasks_fill_the_fullest_node(void **unused)
{
    struct fixture f = begin("a cost=3\nb cost=2\nwide cores=4", "42");
    struct placement a = expect_next(&f, "a"), b = expect_next(&f, "b"), wide = expect_next(&f, "wide");

    (void)unused;
    assert_int_equal(a.node, 1);
    assert_int_equal(b.node, 1);
    assert_int_equal(wide.node, 0);
    assert_int_equal(wide.n_slots, 4);
    end(&f);
}

static void test_wide_task_takes_adjacent_slots(void **unused)
{
    struct fixture f = begin("a cost=9\nb cost=8\nc cost=7\nwide cores=2", "6");
    struct placement p;

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_next(&f, "c");
    finish(&f, "b", STATE_DONE); /* free: 1 3 4 5 */
    p = expect_next(&f, "wide");
    assert_int_equal(p.slots[0], 3);
    assert_int_equal(p.slots[1], 4);
    assert_int_equal(sched_n_free_slots(f.sched), 2);
    finish(&f, "wide", STATE_DONE);
    assert_int_equal(sched_n_free_slots(f.sched), 4);
    end(&f);
}

static void test_wide_task_takes_scattered_slots_if_it_must(void **unused)
{
    struct fixture f = begin("a cost=9\nb cost=8\nc cost=7\nwide cores=2", "4");
    struct placement p;

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_next(&f, "c");
    finish(&f, "a", STATE_DONE);
    finish(&f, "c", STATE_DONE); /* free: 0 2 3 */
    p = expect_next(&f, "wide");
    assert_int_equal(p.slots[0], 2);
    end(&f);
    f = begin("a cost=9\nb cost=8\nc cost=7\nd cost=6\nwide cores=2", "4");
    expect_next(&f, "a");
    expect_next(&f, "b");
    expect_next(&f, "c");
    expect_next(&f, "d");
    finish(&f, "a", STATE_DONE);
    expect_none(&f);
    finish(&f, "c", STATE_DONE); /* free: 0 2 */
    p = expect_next(&f, "wide");
    assert_int_equal(p.slots[0], 0);
    assert_int_equal(p.slots[1], 2);
    end(&f);
}

static void test_others_pass_a_task_that_does_not_fit(void **unused)
{
    struct fixture f = begin("a cost=9\nwide cores=2 cost=8\nsmall", "2");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "small");
    expect_none(&f);
    finish(&f, "small", STATE_DONE);
    expect_none(&f);
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "wide");
    end(&f);
}

static void test_memory_of_a_node_is_not_given_twice(void **unused)
{
    struct fixture f = begin("a mem=600\nb mem=600\nc mem=300", "4");

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "c");
    expect_none(&f);
    finish(&f, "a", STATE_DONE);
    expect_next(&f, "b");
    end(&f);
}

static void test_task_too_large_for_every_node_is_found(void **unused)
{
    struct fixture f = begin("a\nwide cores=5\nb", "44");

    (void)unused;
    assert_int_equal(sched_find_unplaceable(f.sched), id_of(&f, "wide"));
    end(&f);
    f = begin("a\nbig mem=4096", "4");
    assert_int_equal(sched_find_unplaceable(f.sched), id_of(&f, "big"));
    end(&f);
    f = begin("a\nwide cores=4 mem=1000", "144");
    assert_int_equal(sched_find_unplaceable(f.sched), TASK_NONE);
    end(&f);
}

static void test_failure_skips_what_needs_it_and_names_the_cause(void **unused)
{
    struct fixture f = begin("a\nb: a\nc: b\nd\ne: d", "2");
    task_id task, cause;
    bool not_needed;

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "d");
    finish(&f, "a", STATE_FAILED);
    assert_int_equal(state_of(&f, "b"), STATE_SKIPPED);
    assert_int_equal(state_of(&f, "c"), STATE_SKIPPED);
    assert_true(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    assert_int_equal(task, id_of(&f, "b"));
    assert_int_equal(cause, id_of(&f, "a"));
    assert_true(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    assert_int_equal(task, id_of(&f, "c"));
    assert_int_equal(cause, id_of(&f, "a"));
    assert_false(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    finish(&f, "d", STATE_DONE);
    expect_next(&f, "e");
    finish(&f, "e", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    assert_int_equal(sched_count(f.sched, STATE_SKIPPED), 2);
    end(&f);
}

static void test_join_passes_done_and_failed_on(void **unused)
{
    struct fixture f = begin("a\nb\nj join: a b\nc: j\nd: j", "4");
    task_id task, cause;
    bool not_needed;

    (void)unused;
    expect_next(&f, "a");
    expect_next(&f, "b");
    finish(&f, "a", STATE_DONE);
    expect_none(&f);
    finish(&f, "b", STATE_DONE);
    expect_next(&f, "c");
    expect_next(&f, "d");
    assert_int_equal(sched_count(f.sched, STATE_DONE), 2); /* the join does not count */
    end(&f);
    f = begin("a\nj join: a\nc: j", "4");
    expect_next(&f, "a");
    finish(&f, "a", STATE_FAILED);
    assert_true(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    assert_int_equal(task, id_of(&f, "c"));
    assert_false(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_kept_tasks_do_not_run_again(void **unused)
{
    struct fixture f = {graph_from_text("a\nb: a\nj join: a b\nc: j\nd: c"), NULL};

    (void)unused;
    f.sched = sched_new(f.graph);
    sched_add_worker(f.sched, 1, 0, 0);
    sched_keep(f.sched, id_of(&f, "a"));
    sched_keep(f.sched, id_of(&f, "b"));
    sched_begin(f.sched);
    expect_next(&f, "c");
    finish(&f, "c", STATE_DONE);
    expect_next(&f, "d");
    finish(&f, "d", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    assert_int_equal(sched_count(f.sched, STATE_DONE), 4);
    end(&f);
}

static void test_nothing_starts_after_stop(void **unused)
{
    struct fixture f = begin("a\nb: a\nc", "1");

    (void)unused;
    expect_next(&f, "a");
    sched_stop(f.sched);
    assert_false(sched_is_over(f.sched));
    finish(&f, "a", STATE_CANCELLED);
    expect_none(&f);
    assert_true(sched_is_over(f.sched));
    assert_int_equal(state_of(&f, "b"), STATE_BLOCKED);
    assert_int_equal(state_of(&f, "c"), STATE_READY);
    end(&f);
}

static void test_workers_may_come_late(void **unused)
{
    struct fixture f = begin("a\nb", "");

    (void)unused;
    expect_none(&f);
    assert_false(sched_is_over(f.sched));
    assert_false(sched_is_stuck(f.sched));
    sched_add_worker(f.sched, 3, 1, 1);
    assert_int_equal(expect_next(&f, "a").worker, 3);
    expect_none(&f);
    sched_add_worker(f.sched, 1, 0, 0);
    assert_int_equal(expect_next(&f, "b").worker, 1);
    end(&f);
}

static void test_started_is_told_from_sent(void **unused)
{
    struct fixture f = begin("a", "1");

    (void)unused;
    expect_next(&f, "a");
    assert_int_equal(sched_count(f.sched, STATE_SENT), 1);
    sched_started(f.sched, id_of(&f, "a"));
    assert_int_equal(sched_count(f.sched, STATE_RUNNING), 1);
    finish(&f, "a", STATE_DONE);
    sched_started(f.sched, id_of(&f, "a")); /* a late word changes nothing */
    assert_int_equal(state_of(&f, "a"), STATE_DONE);
    end(&f);
}

static void test_short_queue_behind_a_busy_worker(void **unused)
{
    struct fixture f = begin_short("z cost=99\na: z\nb: z\nc: z\nd: z", "1");
    uint32_t worker = expect_next(&f, "a").worker;
    struct placement p;

    (void)unused;
    assert_true(sched_next_in_advance(f.sched, worker, &p));
    assert_int_equal(p.task, id_of(&f, "b"));
    assert_false(sched_next_in_advance(f.sched, worker, &p)); /* one is enough */
    finish(&f, "a", STATE_DONE);
    expect_none(&f); /* b has its slot */
    assert_int_equal(sched_task_of(f.sched, worker), id_of(&f, "b"));
    finish(&f, "b", STATE_DONE);
    assert_int_equal(sched_n_free_slots(f.sched), 1);
    expect_next(&f, "c");
    end(&f);
}

static void test_returned_task_is_ready_again_without_an_attempt_spent(void **unused)
{
    struct fixture f = begin_short("z cost=99\na: z\nb: z\nc: z", "1");
    uint32_t worker = expect_next(&f, "a").worker, recalled;
    struct placement p;
    task_id task;

    (void)unused;
    assert_true(sched_next_in_advance(f.sched, worker, &p));
    assert_false(sched_find_recall(f.sched, &recalled, &task)); /* there is no room elsewhere */
    sched_add_worker(f.sched, 2, 0, 1);
    expect_next(&f, "c");
    sched_add_worker(f.sched, 3, 0, 2);
    assert_true(sched_find_recall(f.sched, &recalled, &task));
    assert_int_equal(recalled, worker);
    assert_int_equal(task, id_of(&f, "b"));
    assert_false(sched_find_recall(f.sched, &recalled, &task)); /* once */
    sched_return(f.sched, worker);
    p = expect_next(&f, "b");
    assert_int_equal(p.worker, 3);
    assert_int_equal(p.attempt, 1);
    finish(&f, "a", STATE_DONE);
    finish(&f, "b", STATE_DONE);
    finish(&f, "c", STATE_DONE);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_one_free_slot_recalls_one_task(void **unused)
{
    struct fixture f = begin_short("z cost=99\na: z\nb: z\nc: z\nd: z\ne: z\nf: z", "3");
    uint32_t workers[3], recalled;
    struct placement p;
    task_id task;

    (void)unused;
    for (int i = 0; i < 3; i++)
        workers[i] = expect_next(&f, (const char *[]){"a", "b", "c"}[i]).worker;
    for (int i = 0; i < 3; i++)
        assert_true(sched_next_in_advance(f.sched, workers[i], &p));
    sched_add_worker(f.sched, 9, 0, 3);
    assert_true(sched_find_recall(f.sched, &recalled, &task));
    assert_false(sched_find_recall(f.sched, &recalled, &task));
    finish(&f, "a", STATE_DONE); /* d has its slot now, recalled or not */
    finish(&f, "b", STATE_DONE);
    finish(&f, "c", STATE_DONE);
    assert_int_equal(sched_count(f.sched, STATE_SENT), 3);
    end(&f);
}

static void test_narrow_task_is_recalled_though_a_wide_one_does_not_fit(void **unused)
{
    struct fixture f = begin_short("z cost=99\na cost=9: z\nw cores=2 cost=8: z\nb cost=7: z\nd cost=7: z\n"
                                   "w2 cores=2 cost=6: z",
                                   "4");
    uint32_t a = expect_next(&f, "a").worker, w = expect_next(&f, "w").worker, recalled;
    struct placement p;
    task_id task;

    (void)unused;
    expect_next(&f, "b");
    assert_true(sched_next_in_advance(f.sched, a, &p));
    assert_int_equal(p.task, id_of(&f, "d"));
    assert_true(sched_next_in_advance(f.sched, w, &p));
    assert_int_equal(p.task, id_of(&f, "w2"));
    finish(&f, "b", STATE_DONE); /* one slot is free */
    assert_true(sched_find_recall(f.sched, &recalled, &task));
    assert_int_equal(task, id_of(&f, "d"));
    assert_int_equal(recalled, a);
    end(&f);
}

static void test_nothing_goes_in_advance_of_a_better_task_of_another_kind(void **unused)
{
    struct fixture f = begin("a cost=9\nwide cores=2 cost=8\nb", "2");
    uint32_t worker = expect_next(&f, "a").worker;
    struct placement p;

    (void)unused;
    expect_next(&f, "b");
    assert_false(sched_next_in_advance(f.sched, worker, &p));
    end(&f);
}

static void test_a_core_that_others_use_is_left(void **unused)
{
    struct fixture f = begin("a\nb: a\nc: b\nd: c", "2");
    uint32_t first = expect_next(&f, "a").worker;

    (void)unused;
    finish(&f, "a", STATE_DONE);
    sched_note_delay(f.sched, first, 0.1, 1.0); /* a little is no reason */
    assert_int_equal(expect_next(&f, "b").worker, first);
    finish(&f, "b", STATE_DONE);
    sched_note_delay(f.sched, first, 0.8, 1.0);
    assert_int_not_equal(expect_next(&f, "c").worker, first);
    finish(&f, "c", STATE_DONE);
    end(&f);
}

static void test_a_core_that_was_left_is_tried_again(void **unused)
{
    enum { N = 400 };
    char text[N * 16] = "t0\n";
    struct fixture f;
    struct placement p;
    bool came_back = false;

    (void)unused;
    for (int i = 1; i < N; i++)
        snprintf(text + strlen(text), 16, "t%d: t%d\n", i, i - 1);
    f = begin(text, "2");
    assert_true(sched_next(f.sched, &p));
    assert_int_equal(p.worker, 1);
    sched_finish(f.sched, p.task, STATE_DONE, 1.0);
    sched_note_delay(f.sched, 1, 1.0, 1.0);
    for (int i = 1; i < N; i++) { /* the other core is used a little, too */
        assert_true(sched_next(f.sched, &p));
        came_back |= p.worker == 1;
        sched_finish(f.sched, p.task, STATE_DONE, 1.0);
        sched_note_delay(f.sched, p.worker, 0.3, 1.0);
    }
    assert_true(came_back);
    end(&f);
}

/* Random graphs on random machines: each task runs once, none before its parents, no slot twice. */
static void test_random_graphs_run_in_order(void **unused)
{
    enum { N = 200, N_ROUNDS = 40 };

    (void)unused;
    srand(7);
    for (int round = 0; round < N_ROUNDS; round++) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        task_id running[16];
        uint32_t n_running = 0, n_done = 0;
        struct fixture f;
        struct placement p;

        for (int i = 0; i < N; i++) {
            fprintf(file, "t%d cores=%d cost=%d :", i, 1 + rand() % 3, 1 + rand() % 5);
            for (int k = i ? rand() % 4 : 0; k > 0; k--)
                fprintf(file, " t%d", rand() % i);
            fputc('\n', file);
        }
        fclose(file);
        f = begin(text, "34");
        while (!sched_is_over(f.sched)) {
            uint32_t which;

            assert_false(sched_is_stuck(f.sched));
            while (sched_next(f.sched, &p)) {
                for (task_id parent = 0; parent < N; parent++)
                    for (uint64_t i = f.graph->child_first[parent]; i < f.graph->child_first[parent + 1]; i++)
                        if (f.graph->children[i] == p.task)
                            assert_int_equal(sched_state(f.sched, parent), STATE_DONE);
                running[n_running++] = p.task;
            }
            assert_true(n_running > 0);
            which = (uint32_t)rand() % n_running;
            sched_finish(f.sched, running[which], STATE_DONE, 1.0);
            running[which] = running[--n_running];
            n_done++;
        }
        assert_int_equal(n_done, N);
        assert_int_equal(sched_n_free_slots(f.sched), 7);
        end(&f);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child_waits_for_all_parents),
        cmocka_unit_test(test_long_path_goes_first),
        cmocka_unit_test(test_equals_go_in_the_order_given),
        cmocka_unit_test(test_child_follows_the_parent_that_finished_last),
        cmocka_unit_test(test_child_stays_on_the_node_when_the_worker_is_busy),
        cmocka_unit_test(test_narrow_tasks_fill_the_fullest_node),
        cmocka_unit_test(test_wide_task_takes_adjacent_slots),
        cmocka_unit_test(test_wide_task_takes_scattered_slots_if_it_must),
        cmocka_unit_test(test_others_pass_a_task_that_does_not_fit),
        cmocka_unit_test(test_memory_of_a_node_is_not_given_twice),
        cmocka_unit_test(test_task_too_large_for_every_node_is_found),
        cmocka_unit_test(test_failure_skips_what_needs_it_and_names_the_cause),
        cmocka_unit_test(test_join_passes_done_and_failed_on),
        cmocka_unit_test(test_kept_tasks_do_not_run_again),
        cmocka_unit_test(test_nothing_starts_after_stop),
        cmocka_unit_test(test_workers_may_come_late),
        cmocka_unit_test(test_started_is_told_from_sent),
        cmocka_unit_test(test_short_queue_behind_a_busy_worker),
        cmocka_unit_test(test_returned_task_is_ready_again_without_an_attempt_spent),
        cmocka_unit_test(test_one_free_slot_recalls_one_task),
        cmocka_unit_test(test_narrow_task_is_recalled_though_a_wide_one_does_not_fit),
        cmocka_unit_test(test_nothing_goes_in_advance_of_a_better_task_of_another_kind),
        cmocka_unit_test(test_a_core_that_others_use_is_left),
        cmocka_unit_test(test_a_core_that_was_left_is_tried_again),
        cmocka_unit_test(test_random_graphs_run_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
