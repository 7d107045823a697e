#include "core/file_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct graph *tasks(uint32_t n)
{
    struct graph *g = graph_new();

    for (uint32_t i = 0; i < n; i++) {
        char id[16];
        struct task task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5};

        snprintf(id, sizeof(id), "t%u", i);
        task.id = arena_text(&g->text, id, strlen(id));
        graph_add_task(g, &task);
    }
    return g;
}

static void assert_normal(const char *cwd, const char *path, const char *normal)
{
    struct buffer b = BUFFER_EMPTY;

    file_path_normalise(cwd, path, &b);
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, normal);
    buffer_release(&b);
}

static void test_a_path_is_known_in_every_spelling(void **state)
{
    (void)state;
    assert_normal(NULL, "a/b", "a/b");
    assert_normal(NULL, "./a//b/.", "a/b");
    assert_normal(NULL, "a/../b", "b");
    assert_normal(NULL, "a/b/../../c/", "c");
    assert_normal(NULL, "../a", "../a");
    assert_normal(NULL, "../../a/../b", "../../b");
    assert_normal(NULL, "..", "..");
    assert_normal(NULL, ".", "");
    assert_normal(NULL, "a/..", "");
    assert_normal(NULL, "..a/.b", "..a/.b");
    assert_normal(NULL, "/", "/");
    assert_normal(NULL, "//a/./b", "/a/b");
    assert_normal(NULL, "/../a", "/a");
    assert_normal(NULL, "/a/../..", "/");
    assert_normal("d", "a", "d/a");
    assert_normal("d/e/", "../a", "d/a");
    assert_normal("d", "../../a", "../a");
    assert_normal("d", "/a", "/a");
    assert_normal("/d", "a", "/d/a");
    assert_normal("/d", "../../a", "/a");
    assert_normal(".", "a", "a");
}

static void test_a_needed_file_is_a_dependency(void **state)
{
    struct graph *g = tasks(4);
    struct file_table f;

    (void)state;
    file_table_init(&f, g);
    assert_true(file_table_add_input(&f, 0, NULL, "x"));
    assert_int_equal(file_table_add_output(&f, 1, NULL, "x"), TASK_NONE);
    assert_true(file_table_add_input(&f, 2, NULL, "x"));
    assert_true(file_table_add_input(&f, 3, NULL, "y"));
    file_table_resolve(&f);
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_edges, 2);
    assert_int_equal(g->n_parents[0], 1);
    assert_int_equal(g->n_parents[2], 1);
    assert_int_equal(g->n_parents[3], 0);
    file_table_release(&f);
    graph_free(g);
}

static void test_a_file_has_one_producer_that_does_not_need_it(void **state)
{
    struct graph *g = tasks(2);
    struct file_table f;

    (void)state;
    file_table_init(&f, g);
    assert_int_equal(file_table_add_output(&f, 0, "d", "x"), TASK_NONE);
    assert_int_equal(file_table_add_output(&f, 0, "d", "./x"), TASK_NONE);
    assert_int_equal(file_table_add_output(&f, 1, NULL, "d/x"), 0);
    assert_int_equal(file_table_add_output(&f, 1, NULL, "x"), TASK_NONE);
    assert_false(file_table_add_input(&f, 0, NULL, "d/x"));
    file_table_release(&f);
    graph_free(g);
}

static void test_who_writes_to_a_file_is_no_producer(void **state)
{
    struct graph *g = tasks(2);
    struct file_table f;

    (void)state;
    file_table_init(&f, g);
    assert_int_equal(file_table_add_writer(&f, 0, NULL, "x"), TASK_NONE);
    assert_int_equal(file_table_add_writer(&f, 0, NULL, "x"), TASK_NONE);
    assert_int_equal(file_table_add_writer(&f, 1, NULL, "x"), 0);
    assert_true(file_table_add_input(&f, 1, NULL, "x"));
    file_table_resolve(&f);
    assert_int_equal(g->n_edges, 0);
    assert_true(file_table_is_same(&f, "d", "x", "../d/x"));
    assert_false(file_table_is_same(&f, "d", "x", "xx"));
    assert_false(file_table_is_same(&f, "d", "x", "/d/x"));
    file_table_release(&f);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_is_known_in_every_spelling),
        cmocka_unit_test(test_a_needed_file_is_a_dependency),
        cmocka_unit_test(test_a_file_has_one_producer_that_does_not_need_it),
        cmocka_unit_test(test_who_writes_to_a_file_is_no_producer),
    };

    return cmocka_run_group_tests_name("file_table", tests, NULL, NULL);
}
