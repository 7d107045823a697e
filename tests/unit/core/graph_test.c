#include "core/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 1000000

static task_id add(struct graph *g, const char *id, float cost_s)
{
    struct task task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .cost_s = cost_s};

    task.id = arena_text(&g->text, id, strlen(id));
    return graph_add_task(g, &task);
}

static task_id find_or_add(struct graph *g, const char *id)
{
    task_id t = graph_find(g, id, strlen(id));

    return t == TASK_NONE ? add(g, id, 0) : t;
}

/* "a b, b c": a before b, b before c. A lone word is a task. */
static struct graph *draft(const char *text)
{
    struct graph *g = graph_new();
    char *copy = xstrdup(text);
    char *rest = copy;

    for (char *pair; (pair = strsep(&rest, ",")) != NULL;) {
        char first[32];
        char second[32];
        int n = sscanf(pair, "%31s %31s", first, second);

        if (n >= 1)
            find_or_add(g, first);
        if (n == 2)
            graph_add_dependency(g, graph_find(g, first, strlen(first)), find_or_add(g, second));
    }
    free(copy);
    return g;
}

static struct graph *sealed(const char *text)
{
    struct graph *g = draft(text);
    struct ganger_error err = {0};

    if (graph_seal(g, &err) != 0)
        fail_msg("%s", err.text);
    return g;
}

static struct graph_shape shape_of(const char *text)
{
    struct graph *g = sealed(text);
    struct graph_shape shape;

    graph_measure(g, &shape);
    graph_free(g);
    return shape;
}

static void assert_refused(const char *text, const char *cycle)
{
    struct graph *g = draft(text);
    uint64_t n_edges = g->n_edges;
    struct ganger_error err = {0};

    assert_int_equal(graph_seal(g, &err), -1);
    assert_int_equal(err.cause, ERROR_USAGE);
    if (strstr(err.text, cycle) == NULL)
        fail_msg("'%s' is not in: %s", cycle, err.text);
    assert_false(g->is_sealed);
    assert_int_equal(g->n_edges, n_edges);
    graph_free(g);
}

static void test_a_task_is_found_by_its_id(void **state)
{
    struct graph *g = draft("a b, b c");

    (void)state;
    assert_int_equal(graph_find(g, "b", 1), 1);
    assert_int_equal(graph_find(g, "bc", 1), 1);
    assert_int_equal(graph_find(g, "bc", 2), TASK_NONE);
    assert_int_equal(graph_find(g, "", 0), TASK_NONE);
    graph_free(g);
}

static void test_an_id_is_taken_once(void **state)
{
    struct graph *g = draft("a");

    (void)state;
    assert_int_equal(add(g, "a", 0), TASK_NONE);
    assert_int_equal(g->n_tasks, 1);
    assert_int_equal(add(g, "b", 0), 1);
    graph_free(g);
}

static void test_joins_without_name_are_not_duplicates(void **state)
{
    struct graph *g = draft("a");
    struct task join = {.id = NULL};

    (void)state;
    assert_int_equal(graph_add_task(g, &join), 1);
    assert_int_equal(graph_add_task(g, &join), 2);
    assert_int_equal(g->n_joins, 2);
    graph_free(g);
}

static void test_children_are_ascending_and_distinct(void **state)
{
    struct graph *g = sealed("p, x, y, z, p z, p x, p z, p y, p x, x z");

    (void)state;
    assert_int_equal(g->n_edges, 4);
    assert_int_equal(g->child_first[0], 0);
    assert_int_equal(g->child_first[1], 3);
    assert_int_equal(g->child_first[4], 4);
    for (task_id t = 0; t < 3; t++)
        assert_int_equal(g->children[t], t + 1);
    assert_int_equal(g->n_parents[0], 0);
    assert_int_equal(g->n_parents[1], 1);
    assert_int_equal(g->n_parents[3], 2);
    graph_free(g);
}

static void test_an_empty_graph_seals(void **state)
{
    struct graph_shape shape = shape_of("");

    (void)state;
    assert_int_equal(shape.n_tasks, 0);
    assert_int_equal(shape.n_levels, 0);
}

static void test_a_cycle_is_printed(void **state)
{
    (void)state;
    assert_refused("a b, b a", "a -> b -> a");
    assert_refused("a b, b c, c a", ": a -> b -> c -> a;");
}

static void test_a_task_that_waits_for_itself_is_a_cycle(void **state)
{
    (void)state;
    assert_refused("a b, b b", ": b -> b;");
}

static void test_only_the_cycle_is_printed_not_what_leads_to_it(void **state)
{
    (void)state;
    assert_refused("start a, a b, b a, b end, end after", "for a): a -> b -> a; ");
}

static void test_the_printed_cycle_is_a_shortest_one(void **state)
{
    (void)state;
    assert_refused("a b, b c, c d, d a, a c, c a", " -> ");
    assert_refused("a b, b c, c d, d a, a d", ": a -> d -> a;");
}

static void test_a_cycle_through_a_join_names_the_tasks(void **state)
{
    struct graph *g = draft("a b");
    struct task join = {.id = NULL};
    task_id j = graph_add_task(g, &join);
    struct ganger_error err = {0};

    (void)state;
    graph_add_dependency(g, 1, j);
    graph_add_dependency(g, j, 0);
    assert_int_equal(graph_seal(g, &err), -1);
    assert_non_null(strstr(err.text, ": a -> b -> a;"));
    graph_free(g);
}

static void test_a_refused_draft_can_be_mended(void **state)
{
    struct graph *g = draft("a b, b a");
    struct ganger_error err = {0};

    (void)state;
    assert_int_equal(graph_seal(g, &err), -1);
    g->n_edges--;
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_edges, 1);
    graph_free(g);
}

static struct graph *chain(uint32_t n)
{
    struct graph *g = graph_new();
    char id[16];

    for (uint32_t i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "t%u", i);
        add(g, id, 2);
        if (i > 0)
            graph_add_dependency(g, i - 1, i);
    }
    return g;
}

static void test_a_chain_of_a_million_tasks_has_a_million_levels(void **state)
{
    struct graph *g = chain(MANY);
    struct graph_shape shape;

    (void)state;
    assert_int_equal(graph_seal(g, NULL), 0);
    graph_measure(g, &shape);
    assert_int_equal(shape.n_levels, MANY);
    assert_int_equal(shape.width, 1);
    assert_int_equal(shape.n_on_path, MANY);
    assert_true(shape.critical_path_s == 2.0 * MANY);
    graph_free(g);
}

static void test_a_cycle_of_a_million_tasks_is_cut_short(void **state)
{
    struct graph *g = chain(MANY);
    struct ganger_error err = {0};

    (void)state;
    graph_add_dependency(g, MANY - 1, 0);
    assert_int_equal(graph_seal(g, &err), -1);
    assert_non_null(strstr(err.text, "(999984 more)"));
    assert_true(strlen(err.text) < 1000);
    graph_free(g);
}

static void test_a_task_costs_rank_0_less_than_150_bytes(void **state)
{
    struct graph *g = chain(MANY);
    size_t bytes;

    (void)state;
    assert_int_equal(graph_seal(g, NULL), 0);
    bytes = g->tasks_capacity * sizeof(*g->tasks) + g->index.n_places * 2 * sizeof(uint32_t) +
            g->n_tasks * (sizeof(*g->child_first) + sizeof(*g->children) + sizeof(*g->n_parents));
    assert_in_range(bytes / MANY, 1, 149);
    graph_free(g);
}

static void test_parents_come_first_in_topological_order(void **state)
{
    struct graph *g = sealed("z y, y x, x w, v w, z w");
    task_id *order = graph_topological_order(g);
    uint32_t place[5];

    (void)state;
    for (uint32_t i = 0; i < g->n_tasks; i++)
        place[order[i]] = i;
    for (task_id t = 0; t < g->n_tasks; t++)
        for (uint64_t c = g->child_first[t]; c < g->child_first[t + 1]; c++)
            assert_true(place[t] < place[g->children[c]]);
    free(order);
    graph_free(g);
}

static void test_b_level_is_the_longest_path_to_the_end(void **state)
{
    struct graph *g = sealed("a b, a c, b d, c d, e");
    const float cost_s[] = {1, 2, 5, 3, 4}; /* in order of appearance: a b c d e */
    float b_level_s[5];

    (void)state;
    graph_b_levels(g, cost_s, b_level_s);
    assert_true(b_level_s[0] == 9);
    assert_true(b_level_s[1] == 5);
    assert_true(b_level_s[2] == 8);
    assert_true(b_level_s[3] == 3);
    assert_true(b_level_s[4] == 4);
    graph_free(g);
}

static void test_levels_and_width_of_a_diamond(void **state)
{
    struct graph_shape shape = shape_of("a b, a c, a d, b e, c e, d e, a e");

    (void)state;
    assert_int_equal(shape.n_tasks, 5);
    assert_int_equal(shape.n_edges, 7);
    assert_int_equal(shape.n_levels, 3);
    assert_int_equal(shape.width, 3);
    assert_int_equal(shape.n_on_path, 3);
    assert_true(shape.critical_path_s == 3);
    assert_int_equal(shape.n_without_cost, 5);
}

static void test_a_join_is_no_level_and_costs_nothing(void **state)
{
    struct graph *g = graph_new();
    struct task join = {.id = NULL};
    struct graph_shape shape;
    task_id a = add(g, "a", 3);
    task_id j = graph_add_task(g, &join);
    task_id b = add(g, "b", 4);
    const float cost_s[] = {3, 100, 4};
    float b_level_s[3];

    (void)state;
    graph_add_dependency(g, a, j);
    graph_add_dependency(g, j, b);
    assert_int_equal(graph_seal(g, NULL), 0);
    graph_measure(g, &shape);
    assert_int_equal(shape.n_tasks, 2);
    assert_int_equal(shape.n_edges, 2);
    assert_int_equal(shape.n_levels, 2);
    assert_int_equal(shape.n_on_path, 2);
    assert_int_equal(shape.n_without_cost, 0);
    assert_true(shape.critical_path_s == 7);
    assert_true(shape.area_s == 7);
    graph_b_levels(g, cost_s, b_level_s);
    assert_true(b_level_s[0] == 7);
    graph_free(g);
}

static void test_the_critical_path_follows_cost_not_length(void **state)
{
    struct graph *g = graph_new();
    struct graph_shape shape;

    (void)state;
    add(g, "long", 10);
    add(g, "a", 2);
    add(g, "b", 2);
    graph_add_dependency(g, 1, 2);
    assert_int_equal(graph_seal(g, NULL), 0);
    graph_measure(g, &shape);
    assert_true(shape.critical_path_s == 10);
    assert_int_equal(shape.n_on_path, 1);
    assert_true(shape.area_s == 14);
    graph_free(g);
}

static void test_area_counts_cores(void **state)
{
    struct graph *g = graph_new();
    struct task_resources four = {.cores = 4, .nodes = 1, .ranks = 1};
    struct graph_shape shape;

    (void)state;
    add(g, "a", 5);
    g->tasks[0].resource_class = graph_intern_resources(g, &four);
    assert_int_equal(graph_seal(g, NULL), 0);
    graph_measure(g, &shape);
    assert_true(shape.area_s == 20);
    graph_free(g);
}

static void test_equal_requests_share_a_class(void **state)
{
    struct graph *g = graph_new();
    struct task_resources r = {.cores = 1, .nodes = 1, .ranks = 1};

    (void)state;
    assert_int_equal(graph_intern_resources(g, &r), 0);
    r.memory_bytes = 1000;
    assert_int_equal(graph_intern_resources(g, &r), 1);
    r.cores = 2;
    assert_int_equal(graph_intern_resources(g, &r), 2);
    r.cores = 1;
    assert_int_equal(graph_intern_resources(g, &r), 1);
    assert_int_equal(g->resources[1].memory_bytes, 1000);
    graph_free(g);
}

static void test_classes_stay_few_whatever_is_asked(void **state)
{
    struct graph *g = graph_new();
    struct task_resources r = {.cores = 1, .nodes = 1, .ranks = 1};

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        uint32_t class;

        r.memory_bytes = (i + 1) * 12345678;
        class = graph_intern_resources(g, &r);
        assert_true(g->resources[class].memory_bytes >= r.memory_bytes);
        assert_true(g->resources[class].memory_bytes - r.memory_bytes <= r.memory_bytes / 8);
    }
    r.memory_bytes = UINT64_MAX - 1;
    assert_true(g->resources[graph_intern_resources(g, &r)].memory_bytes >= r.memory_bytes);
    assert_in_range(g->n_resources, 2, 200);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_is_found_by_its_id),
        cmocka_unit_test(test_an_id_is_taken_once),
        cmocka_unit_test(test_joins_without_name_are_not_duplicates),
        cmocka_unit_test(test_children_are_ascending_and_distinct),
        cmocka_unit_test(test_an_empty_graph_seals),
        cmocka_unit_test(test_a_cycle_is_printed),
        cmocka_unit_test(test_a_task_that_waits_for_itself_is_a_cycle),
        cmocka_unit_test(test_only_the_cycle_is_printed_not_what_leads_to_it),
        cmocka_unit_test(test_the_printed_cycle_is_a_shortest_one),
        cmocka_unit_test(test_a_cycle_through_a_join_names_the_tasks),
        cmocka_unit_test(test_a_refused_draft_can_be_mended),
        cmocka_unit_test(test_a_chain_of_a_million_tasks_has_a_million_levels),
        cmocka_unit_test(test_a_cycle_of_a_million_tasks_is_cut_short),
        cmocka_unit_test(test_a_task_costs_rank_0_less_than_150_bytes),
        cmocka_unit_test(test_parents_come_first_in_topological_order),
        cmocka_unit_test(test_b_level_is_the_longest_path_to_the_end),
        cmocka_unit_test(test_levels_and_width_of_a_diamond),
        cmocka_unit_test(test_a_join_is_no_level_and_costs_nothing),
        cmocka_unit_test(test_the_critical_path_follows_cost_not_length),
        cmocka_unit_test(test_area_counts_cores),
        cmocka_unit_test(test_equal_requests_share_a_class),
        cmocka_unit_test(test_classes_stay_few_whatever_is_asked),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
