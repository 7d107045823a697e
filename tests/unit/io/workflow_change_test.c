#include "io/workflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "{\"tasks\": ["
                           "{\"id\": \"a.{i}\", \"for\": {\"i\": \"1-3\"}, \"command\": \"true\", \"cores\": \"{i}\"},"
                           "{\"id\": \"b.{i}\", \"for\": {\"i\": \"1-2\"}, \"command\": \"true\", \"after\": \"a.*\"},"
                           "{\"id\": \"c\", \"command\": \"true\", \"after\": {\"task\": \"b.*\", \"on\": \"any\"}},"
                           "{\"id\": \"d\", \"command\": \"true\", \"after\": \"a.1\"}]}";

static void load(struct workflow *w)
{
    struct ganger_error err = {0};

    if (workflow_parse(w, "flow.json", text, strlen(text), &err) != 0)
        fail_msg("%s", err.text);
}

static struct workflow_words one(const char *const *word)
{
    return (struct workflow_words){word, 1};
}

static void test_what_is_needed_is_kept_with_all_that_belongs_to_it(void **unused)
{
    const char *word = "b.?";
    struct workflow w;
    uint64_t digest;
    task_id a3;

    (void)unused;
    load(&w);
    digest = w.digest;
    assert_int_equal(workflow_keep_needed(&w, one(&word), NULL), 0);
    assert_true(w.graph->is_sealed && w.graph->is_part);
    assert_int_equal(w.graph->n_tasks - w.graph->n_joins, 5);
    assert_int_equal(w.graph->n_joins, 1);
    assert_int_equal(w.graph->n_edges, 5);
    assert_int_equal(graph_find(w.graph, "c", 1), TASK_NONE);
    a3 = graph_find(w.graph, "a.3", 3);
    assert_int_equal(w.graph->resources[w.graph->tasks[a3].resource_class].cores, 3);
    assert_int_not_equal(w.digest, digest);
    workflow_release(&w);
}

static void test_the_digest_is_that_of_the_part_however_it_was_named(void **unused)
{
    const char *const by_id[] = {"b.1", "b.2"}, *by_wildcard = "b.*", *const all[] = {"c", "d"};
    struct workflow v, w;
    uint64_t digest;

    (void)unused;
    load(&v);
    load(&w);
    digest = v.digest;
    assert_int_equal(workflow_keep_needed(&v, (struct workflow_words){by_id, 2}, NULL), 0);
    assert_int_equal(workflow_keep_needed(&w, one(&by_wildcard), NULL), 0);
    assert_int_equal(v.digest, w.digest);
    workflow_release(&w);
    load(&w);
    assert_int_equal(workflow_keep_needed(&w, (struct workflow_words){all, 2}, NULL), 0);
    assert_int_equal(w.digest, digest);
    assert_false(w.graph->is_part);
    workflow_release(&w);
    workflow_release(&v);
}

static void test_a_word_that_names_nothing_changes_nothing(void **unused)
{
    const char *const words[] = {"d", "e"}, *pattern = "*.9";
    struct ganger_error err = {0};
    struct workflow w;

    (void)unused;
    load(&w);
    assert_int_equal(workflow_keep_needed(&w, (struct workflow_words){words, 2}, &err), -1);
    assert_string_equal(err.text, "there is no task \"e\"; did you mean \"c\"?");
    err.cause = ERROR_NONE;
    assert_int_equal(workflow_prune(&w, one(&pattern), &err), -1);
    assert_string_equal(err.text, "no task matches \"*.9\"");
    assert_int_equal(w.graph->n_tasks - w.graph->n_joins, 7);
    workflow_release(&w);
}

static void test_what_is_pruned_is_bridged_over_joins(void **unused)
{
    const char *word = "b.*";
    struct workflow w;
    task_id c;

    (void)unused;
    load(&w);
    assert_int_equal(workflow_prune(&w, one(&word), NULL), 0);
    assert_int_equal(w.graph->n_tasks - w.graph->n_joins, 5);
    c = graph_find(w.graph, "c", 1);
    assert_true(w.graph->n_parents[c] >= 1);
    assert_non_null(w.graph->conditions);
    workflow_release(&w);
}

static void test_reversed_twice_it_is_as_it_was(void **unused)
{
    struct workflow w;
    uint64_t digest, n_edges;

    (void)unused;
    load(&w);
    digest = w.digest;
    n_edges = w.graph->n_edges;
    workflow_reverse(&w);
    assert_int_equal(w.graph->n_parents[graph_find(w.graph, "c", 1)], 0);
    workflow_reverse(&w);
    assert_int_equal(w.graph->n_parents[graph_find(w.graph, "d", 1)], 1);
    assert_int_equal(w.graph->n_edges, n_edges);
    assert_int_equal(w.digest, digest);
    workflow_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_needed_is_kept_with_all_that_belongs_to_it),
        cmocka_unit_test(test_the_digest_is_that_of_the_part_however_it_was_named),
        cmocka_unit_test(test_a_word_that_names_nothing_changes_nothing),
        cmocka_unit_test(test_what_is_pruned_is_bridged_over_joins),
        cmocka_unit_test(test_reversed_twice_it_is_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
