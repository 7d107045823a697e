#include "ganger_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MAX 16

/* Adds a task that waits for those with the ids in `after`, parted by blanks. */
static ganger_task_number add(struct ganger_workflow *w, const char *id, const char *after)
{
    ganger_task_number parents[N_MAX];
    char *words = strdup(after), *rest = words, *word;
    size_t n = 0;
    ganger_task_number added;

    while ((word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            parents[n++] = ganger_workflow_find(w, word);
    free(words);
    added = ganger_workflow_add(w, &(struct ganger_task){.id = id, .function = "f", .after = parents, .n_after = n});
    return added;
}

/* a -> b -> c -> d, and x -> c */
static void draft(struct ganger_workflow *w, ganger_task_number tasks[5])
{
    ganger_workflow_init(w);
    tasks[0] = add(w, "a", "");
    tasks[1] = add(w, "b", "a");
    tasks[2] = add(w, "x", "");
    tasks[3] = add(w, "c", "x b");
    tasks[4] = add(w, "d", "c");
}

/* "c: x b" for each task, parents in the order in which their results come. */
static void expect_sealed(struct ganger_workflow *w, const char *wanted)
{
    struct ganger_error err = {0};
    struct graph *g = ganger_workflow_seal(w, &err);
    char text[256] = "";

    assert_string_equal(err.text, "");
    assert_non_null(g);
    for (task_id t = 0; t < g->n_tasks; t++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:",
                 task_is_join(&g->tasks[t]) ? "*" : g->tasks[t].id);
        for (uint64_t e = g->parent_first[t]; e < g->parent_first[t + 1]; e++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
                     task_is_join(&g->tasks[g->parents[e]]) ? "*" : g->tasks[g->parents[e]].id);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "\n");
    }
    assert_string_equal(text, wanted);
    graph_free(g);
    ganger_workflow_release(w);
}

static void test_what_is_not_changed_is_as_it_was(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5];

    (void)unused;
    draft(&w, t);
    assert_null(ganger_workflow_tag(&w, t[0])); /* from now on there is a dag */
    add(&w, "e", "d x");
    ganger_workflow_add_dependency(&w, t[0], t[4], GANGER_ON_ANY);
    expect_sealed(&w, "a:\nb: a\nx:\nc: x b\nd: c a\ne: d x\n");
}

static void test_update_adds_and_refuses_a_cycle_whole(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5], more[2];
    char why[256] = "";

    (void)unused;
    draft(&w, t);
    more[0] = t[2];
    more[1] = t[1];
    assert_int_equal(ganger_workflow_update(&w, t[4], more, NULL, 2, NULL, 0), 0);
    more[1] = t[4];
    assert_int_equal(ganger_workflow_update(&w, t[1], more, NULL, 2, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "b -> d -> b"));
    assert_null(ganger_workflow_error(&w));
    expect_sealed(&w, "a:\nb: a\nx:\nc: x b\nd: c x b\n");
}

static void test_update_adds_conditions(void **unused)
{
    static const enum ganger_condition on[] = {GANGER_ON_NOTOK, GANGER_ON_ANY, GANGER_ON_OK, GANGER_ON_OK};
    static const enum ganger_condition wrong[] = {GANGER_ON_OK, (enum ganger_condition)3};
    struct ganger_workflow w;
    ganger_task_number t[5], more[4];
    struct graph *g;
    char why[256] = "";

    (void)unused;
    draft(&w, t);
    more[0] = t[2];
    more[1] = more[2] = t[0]; /* on two conditions */
    more[3] = t[3];           /* as it does already */
    assert_int_equal(ganger_workflow_update(&w, t[4], more, on, 4, NULL, 0), 0);
    more[0] = t[4];
    assert_int_equal(ganger_workflow_update(&w, t[0], more, on, 1, why, sizeof(why)), -1); /* on whatever condition */
    assert_non_null(strstr(why, "a -> d -> a"));
    g = ganger_workflow_seal(&w, NULL);
    assert_non_null(g);
    assert_int_equal(g->n_edges, 7); /* four before */
    assert_int_equal(graph_condition_at(g, g->child_first[t[2] + 1] - 1), ON_NOTOK); /* x's last child is d */
    assert_int_equal(graph_condition_at(g, g->child_first[t[0] + 1] - 2), ON_ANY);
    assert_int_equal(graph_condition_at(g, g->child_first[t[0] + 1] - 1), ON_OK);
    graph_free(g);
    ganger_workflow_release(&w);
    draft(&w, t);
    assert_int_equal(ganger_workflow_update(&w, t[4], more, wrong, 2, NULL, 0), -1);
    assert_non_null(strstr(ganger_workflow_error(&w), "task \"d\" waits for another on a condition that is none"));
    ganger_workflow_release(&w);
}

static void test_conditions_may_be_said_with_the_task(void **unused)
{
    static const enum ganger_condition on[] = {GANGER_ON_NOTOK, GANGER_ON_OK}, wrong = (enum ganger_condition)3;
    static const enum ganger_condition ids_on[] = {GANGER_ON_ANY};
    static const char *const ids[] = {"c", NULL};
    struct ganger_workflow w;
    ganger_task_number t[5];
    struct graph *g;

    (void)unused;
    draft(&w, t);
    ganger_workflow_add(&w, &(struct ganger_task){.id = "e", .function = "f", .after = t, .n_after = 2, .after_on = on,
                                                  .after_ids = ids, .after_ids_on = ids_on});
    g = ganger_workflow_seal(&w, NULL);
    assert_non_null(g);
    assert_int_equal(graph_condition_at(g, g->child_first[1] - 1), ON_NOTOK); /* a's last child is e */
    assert_int_equal(graph_condition_at(g, g->child_first[2] - 1), ON_OK);
    assert_int_equal(graph_condition_at(g, g->child_first[4] - 1), ON_ANY);
    graph_free(g);
    ganger_workflow_release(&w);
    draft(&w, t);
    ganger_workflow_add(&w, &(struct ganger_task){.id = "e", .function = "f", .after_ids = ids,
                                                  .after_ids_on = &wrong});
    assert_non_null(strstr(ganger_workflow_error(&w), "task \"e\" waits for another on a condition that is none"));
    ganger_workflow_release(&w);
    draft(&w, t);
    ganger_workflow_add_dependency(&w, t[0], t[2], wrong);
    assert_non_null(strstr(ganger_workflow_error(&w), "on a condition that is none"));
    ganger_workflow_release(&w);
}

static void test_a_cycle_by_add_dependency_refuses_the_workflow(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5];
    struct ganger_error err = {0};

    (void)unused;
    draft(&w, t);
    ganger_workflow_set_tag(&w, t[0], "tag");
    ganger_workflow_add_dependency(&w, t[4], t[0], GANGER_ON_OK);
    assert_non_null(strstr(ganger_workflow_error(&w), "a -> b -> c -> d -> a"));
    assert_null(ganger_workflow_seal(&w, &err));
    assert_non_null(strstr(err.text, "a -> b -> c -> d -> a"));
    ganger_workflow_release(&w);
}

static void test_pruned_tasks_are_bridged_in_their_place(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5], e;

    (void)unused;
    draft(&w, t);
    ganger_workflow_prune(&w, &t[3], 1);
    assert_int_equal(ganger_workflow_find(&w, "c"), GANGER_NO_TASK);
    assert_int_equal(ganger_workflow_find(&w, "d"), t[4]);
    e = add(&w, "e", "d");
    assert_int_equal(e, 5);
    expect_sealed(&w, "a:\nb: a\nx:\nd: x b\ne: d\n");
}

static void test_who_uses_a_pruned_task_is_told(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5];

    (void)unused;
    draft(&w, t);
    ganger_workflow_prune(&w, &t[3], 1);
    ganger_workflow_add(&w, &(struct ganger_task){.function = "f", .after = &t[3], .n_after = 1});
    assert_string_equal(ganger_workflow_error(&w), "task \"c\" was pruned: nothing more can be done with it");
    ganger_workflow_release(&w);
}

static void test_many_to_many_is_bridged_by_a_join(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number middle;

    (void)unused;
    ganger_workflow_init(&w);
    add(&w, "a", "");
    add(&w, "b", "");
    middle = add(&w, "m", "b a");
    add(&w, "c", "m");
    add(&w, "d", "m");
    ganger_workflow_prune(&w, &middle, 1);
    expect_sealed(&w, "a:\nb:\nc: *\nd: *\n*: b a\n");
}

static void test_keep_and_reverse(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5];

    (void)unused;
    draft(&w, t);
    ganger_workflow_keep(&w, &t[1], 1);
    expect_sealed(&w, "a:\nb: a\n");
    draft(&w, t);
    ganger_workflow_reverse(&w);
    expect_sealed(&w, "a: b\nb: c\nx: c\nc: d\nd:\n");
}

static void test_questions(void **unused)
{
    struct ganger_workflow w;
    ganger_task_number t[5], path[4];
    struct ganger_context context[4];
    bool reached[5] = {false};
    const bool wanted[5] = {true, true, true, true, false};

    (void)unused;
    draft(&w, t);
    ganger_workflow_reach(&w, t[3], GANGER_BACK, reached);
    assert_memory_equal(reached, wanted, sizeof(reached));
    assert_int_equal(ganger_workflow_find_path(&w, t[0], t[4], path, 4), 4);
    assert_int_equal(path[0], t[0]);
    assert_int_equal(path[3], t[4]);
    assert_int_equal(ganger_workflow_find_path(&w, t[4], t[0], path, 4), 0);
    ganger_workflow_set_tag(&w, t[0], "alpha");
    ganger_workflow_set_tag(&w, t[2], "xi");
    assert_int_equal(ganger_workflow_find_context(&w, t[4], GANGER_BACK, context, 4), 2);
    assert_int_equal(context[0].task, t[2]);
    assert_int_equal(context[0].distance, 2);
    assert_int_equal(context[1].distance, 3);
    assert_string_equal(ganger_workflow_tag(&w, context[0].task), "xi");
    assert_int_equal(ganger_workflow_find_context(&w, t[0], GANGER_FORTH, context, 4), 1);
    ganger_workflow_reach(&w, 99, GANGER_BACK, reached);
    assert_string_equal(ganger_workflow_error(&w), "there is no task number 99: there are 5 so far");
    assert_int_equal(ganger_workflow_find_path(&w, t[0], t[4], path, 4), 0);
    ganger_workflow_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_changed_is_as_it_was),
        cmocka_unit_test(test_update_adds_and_refuses_a_cycle_whole),
        cmocka_unit_test(test_update_adds_conditions),
        cmocka_unit_test(test_conditions_may_be_said_with_the_task),
        cmocka_unit_test(test_a_cycle_by_add_dependency_refuses_the_workflow),
        cmocka_unit_test(test_pruned_tasks_are_bridged_in_their_place),
        cmocka_unit_test(test_who_uses_a_pruned_task_is_told),
        cmocka_unit_test(test_many_to_many_is_bridged_by_a_join),
        cmocka_unit_test(test_keep_and_reverse),
        cmocka_unit_test(test_questions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
