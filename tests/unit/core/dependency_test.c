#include "core/dependency.h"

#include "core/wildcard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct graph *tasks_named(const char *text)
{
    struct graph *g = graph_new();
    char *copy = xstrdup(text);
    char *rest = copy;

    for (char *id; (id = strsep(&rest, " ")) != NULL;) {
        struct task task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5};

        task.id = arena_text(&g->text, id, strlen(id));
        assert_int_not_equal(graph_add_task(g, &task), TASK_NONE);
    }
    free(copy);
    return g;
}

static task_id find(const struct graph *g, const char *id)
{
    return graph_find(g, id, strlen(id));
}

static void state_dependency(struct dependency_list *l, const char *child, const char *text)
{
    dependency_add(l, find(l->g, child), text, strlen(text), ON_OK, 7);
}

static void state_condition(struct dependency_list *l, const char *child, const char *text, enum graph_condition on)
{
    dependency_add(l, find(l->g, child), text, strlen(text), on, 7);
}

static void resolve(struct dependency_list *l)
{
    struct ganger_error err = {0};
    task_id child;
    uint64_t line;

    if (dependency_resolve(l, &child, &line, &err) != 0)
        fail_msg("%s", err.text);
    dependency_release(l);
}

static void test_ids_may_come_before_their_tasks(void **state)
{
    struct graph *g = tasks_named("a");
    struct task late = {.id = "late", .argv = "true", .n_argv = 1, .n_argv_bytes = 5};
    struct dependency_list l;

    (void)state;
    dependency_init(&l, g);
    state_dependency(&l, "a", "late");
    graph_add_task(g, &late);
    resolve(&l);
    assert_int_equal(g->n_edges, 1);
    assert_int_equal(g->edges[0].parent, 1);
    graph_free(g);
}

static void test_the_task_that_waits_for_nothing_is_named(void **state)
{
    struct graph *g = tasks_named("a b");
    struct dependency_list l;
    struct ganger_error err = {0};
    task_id child = TASK_NONE;
    uint64_t line = 0;

    (void)state;
    dependency_init(&l, g);
    state_dependency(&l, "b", "x*");
    assert_int_equal(dependency_resolve(&l, &child, &line, &err), -1);
    assert_int_equal(child, 1);
    assert_int_equal(line, 7);
    assert_non_null(strstr(err.text, "x*"));
    dependency_release(&l);
    graph_free(g);
}

static void test_a_single_use_needs_no_join(void **state)
{
    struct graph *g = tasks_named("p1 p2 p3 c");
    struct dependency_list l;

    (void)state;
    dependency_init(&l, g);
    state_dependency(&l, "c", "p*");
    resolve(&l);
    assert_int_equal(g->n_joins, 0);
    assert_int_equal(g->n_edges, 3);
    graph_free(g);
}

static void test_many_uses_share_a_join(void **state)
{
    struct graph *g = tasks_named("p1 p2 p3 c1 c2 c3");
    struct dependency_list l;

    (void)state;
    dependency_init(&l, g);
    state_dependency(&l, "c1", "p*");
    state_dependency(&l, "c2", "p*");
    state_dependency(&l, "c3", "p*");
    resolve(&l);
    assert_int_equal(g->n_joins, 1);
    assert_int_equal(g->n_edges, 6);
    assert_int_equal(graph_seal(g, NULL), 0);
    graph_free(g);
}

static void test_tasks_that_match_their_own_pattern_are_a_cycle_without_many_edges(void **state)
{
    struct graph *g = graph_new();
    struct dependency_list l;
    struct ganger_error err = {0};
    char id[16];

    (void)state;
    dependency_init(&l, g);
    for (int i = 0; i < 10000; i++) {
        struct task task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5};

        snprintf(id, sizeof(id), "x%d", i);
        task.id = arena_text(&g->text, id, strlen(id));
        graph_add_task(g, &task);
        state_dependency(&l, id, "x*");
    }
    resolve(&l);
    assert_in_range(g->n_edges, 1, 30000);
    assert_int_equal(graph_seal(g, &err), -1);
    assert_non_null(strstr(err.text, ": x0 -> "));
    graph_free(g);
}

/* With many patterns ids are sorted first: both ways must find the same tasks. */
static void test_sorted_ids_match_as_unsorted_ones_do(void **state)
{
    struct graph *g = tasks_named("a ab abc abd b ba bab c ca cab cb z1 z2");
    static const char *const patterns[] = {"a*",  "*a",  "?",   "ab?", "*b",  "a*b", "*",    "b*",  "?a*", "*a*",
                                           "ca*", "*ab", "c?b", "??",  "*bd", "c*b", "cab*", "a?c", "*c",  "?b"};
    size_t n_patterns = sizeof(patterns) / sizeof(patterns[0]);
    task_id n_ids = g->n_tasks;
    struct dependency_list l;
    uint64_t n_expected = 0;

    (void)state;
    dependency_init(&l, g);
    for (size_t i = 0; i < n_patterns; i++) {
        state_dependency(&l, "z1", patterns[i]);
        for (task_id t = 0; t < n_ids; t++)
            n_expected += wildcard_matches(patterns[i], g->tasks[t].id) && t != find(g, "z1");
    }
    resolve(&l);
    assert_int_equal(g->n_edges, n_expected);
    graph_free(g);
}

static void test_a_condition_holds_for_ids_and_for_all_that_match(void **state)
{
    struct graph *g = tasks_named("p1 p2 c");
    struct dependency_list l;

    (void)state;
    dependency_init(&l, g);
    state_condition(&l, "c", "p?", ON_ANY);
    state_condition(&l, "c", "p1", ON_NOTOK);
    resolve(&l);
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_edges, 3);
    assert_int_equal(g->n_parents[find(g, "c")], 3);
    assert_int_equal(graph_condition_at(g, g->child_first[find(g, "p2")]), ON_ANY);
    assert_int_equal(graph_condition_at(g, g->child_first[find(g, "p1")]) +
                         graph_condition_at(g, g->child_first[find(g, "p1")] + 1),
                     ON_ANY + ON_NOTOK);
    graph_free(g);
}

static void test_the_same_wildcard_on_two_conditions_is_two_joins(void **state)
{
    struct graph *g = tasks_named("p1 p2 p3 c1 c2 c3 d1 d2 d3");
    struct dependency_list l;
    unsigned n_of[3] = {0};

    (void)state;
    dependency_init(&l, g);
    for (char i = '1'; i <= '3'; i++) {
        state_condition(&l, (char[]){'c', i, '\0'}, "p*", ON_NOTOK);
        state_condition(&l, (char[]){'d', i, '\0'}, "p*", ON_OK);
    }
    resolve(&l);
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_joins, 2);
    for (uint64_t i = 0; i < g->n_edges; i++)
        n_of[graph_condition_at(g, i)]++;
    assert_int_equal(n_of[ON_NOTOK], 3);
    assert_int_equal(n_of[ON_OK], 3 + 6);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_may_come_before_their_tasks),
        cmocka_unit_test(test_the_task_that_waits_for_nothing_is_named),
        cmocka_unit_test(test_a_single_use_needs_no_join),
        cmocka_unit_test(test_many_uses_share_a_join),
        cmocka_unit_test(test_tasks_that_match_their_own_pattern_are_a_cycle_without_many_edges),
        cmocka_unit_test(test_sorted_ids_match_as_unsorted_ones_do),
        cmocka_unit_test(test_a_condition_holds_for_ids_and_for_all_that_match),
        cmocka_unit_test(test_the_same_wildcard_on_two_conditions_is_two_joins),
    };

    return cmocka_run_group_tests_name("dependency", tests, NULL, NULL);
}
