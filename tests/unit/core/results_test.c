#include "core/results.h"

#include "graph_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static task_id id_of(const struct graph *g, const char *id)
{
    return graph_find(g, id, strlen(id));
}

static void put(struct results *r, const char *id, const char *text)
{
    results_put(r, id_of(r->graph, id), text, strlen(text));
}

static const char *text_of(const struct results *r, const char *id)
{
    const struct result *result = results_of(r, id_of(r->graph, id));

    return result != NULL ? result->bytes : NULL;
}

static void list(void *data, task_id parent, const struct result *result)
{
    (void)parent;
    buffer_printf(data, "%s ", result != NULL ? result->bytes : "-");
}

static void test_a_result_is_dropped_when_the_last_that_waits_has_ended(void **state)
{
    struct graph *g = graph_from_text("a call\nb call : a\nc call : a");
    struct results r;

    (void)state;
    results_init(&r, g, false);
    put(&r, "a", "one");
    results_note_end(&r, id_of(g, "b"));
    assert_string_equal(text_of(&r, "a"), "one");
    results_note_end(&r, id_of(g, "c"));
    assert_null(text_of(&r, "a"));
    results_release(&r);
    graph_free(g);
}

static void test_no_bytes_are_a_result_too_and_are_forgotten_like_one(void **state)
{
    struct graph *g = graph_from_text("a call\nb call\nc call : a b");
    struct results r;

    (void)state;
    results_init(&r, g, true);
    put(&r, "a", "");
    put(&r, "b", "");
    assert_string_equal(text_of(&r, "a"), "");
    assert_null(text_of(&r, "c"));
    results_forget(&r, id_of(g, "a"));
    assert_null(text_of(&r, "a"));
    put(&r, "b", "more");
    put(&r, "c", "");
    assert_string_equal(text_of(&r, "b"), "more");
    results_note_end(&r, id_of(g, "c"));
    assert_null(text_of(&r, "b"));
    assert_string_equal(text_of(&r, "c"), "");
    results_release(&r);
    graph_free(g);
}

static void test_who_asks_at_the_end_finds_the_last_and_those_to_be_kept(void **state)
{
    struct graph *g = graph_from_text("a call keep\nb call : a\nc call");
    struct results r;

    (void)state;
    for (int asks = 0; asks < 2; asks++) {
        results_init(&r, g, asks);
        put(&r, "a", "1");
        put(&r, "b", "2");
        put(&r, "c", "");
        results_note_end(&r, id_of(g, "b"));
        assert_non_null(text_of(&r, "a")); /* a task that is added later may ask for it */
        assert_true((text_of(&r, "b") != NULL) == asks);
        assert_true((text_of(&r, "c") != NULL) == asks);
        results_release(&r);
    }
    graph_free(g);
}

static void test_they_come_in_declared_order_those_of_a_join_where_it_stands(void **state)
{
    struct graph *g = graph_from_text("a call\nb call\nc call\nd\nj join : c a\ne call : d j b");
    struct buffer b = BUFFER_EMPTY;
    struct results r;

    (void)state;
    results_init(&r, g, false);
    put(&r, "a", "a");
    put(&r, "b", "b");
    put(&r, "c", "c");
    results_visit(&r, id_of(g, "e"), list, &b);
    assert_string_equal(b.bytes, "- c a b ");
    assert_int_equal(results_count_dependencies(g, id_of(g, "e")), 4);
    results_note_end(&r, id_of(g, "e"));
    assert_true(text_of(&r, "a") == NULL && text_of(&r, "b") == NULL && text_of(&r, "c") == NULL);
    buffer_release(&b);
    results_release(&r);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_result_is_dropped_when_the_last_that_waits_has_ended),
        cmocka_unit_test(test_no_bytes_are_a_result_too_and_are_forgotten_like_one),
        cmocka_unit_test(test_who_asks_at_the_end_finds_the_last_and_those_to_be_kept),
        cmocka_unit_test(test_they_come_in_declared_order_those_of_a_join_where_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
