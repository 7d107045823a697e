#include "core/outline.h"

#include "graph_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t find(const struct outline *o, const char *name)
{
    for (uint32_t v = 0; v < o->n_vertices; v++)
        if (o->vertices[v].name != NULL && strcmp(o->vertices[v].name, name) == 0)
            return v;
    fail_msg("%s is not drawn", name);
    return 0;
}

/* How many dependencies the edge stands for; 0: there is none. */
static uint64_t between(const struct outline *o, uint32_t from, uint32_t to, enum graph_condition on)
{
    for (uint64_t e = o->first[from]; e < o->first[from + 1]; e++)
        if (o->edges[e].to == to && o->edges[e].on == on)
            return o->edges[e].n;
    return 0;
}

static void expect_edge(const struct outline *o, const char *from, const char *to, enum graph_condition on, uint64_t n)
{
    assert_int_equal(between(o, find(o, from), find(o, to), on), n);
}

static void test_tasks_are_drawn_as_they_are(void **unused)
{
    struct graph *g = graph_from_text("a\nb : a\nc : a b");
    struct outline o;

    (void)unused;
    outline_tasks(&o, g, NULL);
    assert_int_equal(o.n_vertices, 3);
    assert_int_equal(o.n_edges, 3);
    assert_string_equal(o.vertices[0].name, "a");
    expect_edge(&o, "a", "c", ON_OK, 1);
    expect_edge(&o, "b", "a", ON_OK, 0);
    outline_release(&o);
    graph_free(g);
}

static void test_a_join_with_one_edge_on_a_side_is_not_drawn(void **unused)
{
    struct graph *g = graph_from_text("a\nb\nc\nj join : a b c\nd : j");
    struct outline o;

    (void)unused;
    outline_tasks(&o, g, NULL);
    assert_int_equal(o.n_vertices, 4);
    assert_int_equal(o.n_edges, 3);
    expect_edge(&o, "b", "d", ON_OK, 1);
    outline_release(&o);
    graph_free(g);
}

static void test_a_join_that_saves_edges_is_a_point(void **unused)
{
    struct graph *g = graph_from_text("a\nb\nc\nj join : a b c\nd : j\ne : j\nf : j");
    struct outline o;

    (void)unused;
    outline_tasks(&o, g, NULL);
    assert_int_equal(o.n_vertices, 7);
    assert_int_equal(o.n_edges, 6);
    assert_int_equal(o.vertices[3].n_tasks, 0);
    assert_int_equal(between(&o, find(&o, "c"), 3, ON_OK), 1);
    assert_int_equal(between(&o, 3, find(&o, "f"), ON_OK), 1);
    outline_release(&o);
    graph_free(g);
}

/* Tasks named PROGRAM.NUMBER; the join gathers what ended in whatever way. */
static struct graph *programs_with_a_join(uint32_t n_before, uint32_t n_after)
{
    static const struct task_setting setting = {.env = ""};
    struct graph *g = graph_new();
    struct ganger_error err = {0};
    task_id join;
    char id[32];

    for (uint32_t i = 0; i < n_before + n_after; i++) {
        const char *program = i < n_before ? i % 4 == 0 ? "rare" : "often" : "after";
        struct task t = {.argv = "x", .n_argv = 1, .n_argv_bytes = 2, .setting = &setting};

        snprintf(id, sizeof(id), "%s.%u", program, i);
        t.id = arena_text(&g->text, id, strlen(id));
        t.program = graph_intern_program(g, program, strlen(program));
        graph_add_task(g, &t);
    }
    join = graph_add_task(g, &(struct task){.setting = &setting});
    for (task_id t = 0; t < n_before; t++)
        graph_add_condition(g, t, join, ON_ANY);
    for (task_id t = n_before; t < n_before + n_after; t++)
        graph_add_dependency(g, join, t);
    graph_add_dependency(g, n_before, n_before + n_after - 1);
    assert_int_equal(graph_seal(g, &err), 0);
    return g;
}

static void test_programs_stand_for_their_tasks(void **unused)
{
    struct graph *g = programs_with_a_join(8, 5);
    struct outline o;

    (void)unused;
    outline_programs(&o, g, NULL);
    assert_int_equal(o.n_vertices, 3);
    assert_int_equal(o.vertices[find(&o, "often")].n_tasks, 6);
    assert_int_equal(o.vertices[find(&o, "rare")].n_tasks, 2);
    assert_int_equal(find(&o, "rare"), 0);
    assert_int_equal(o.n_edges, 3);
    expect_edge(&o, "often", "after", ON_ANY, 6 * 5);
    expect_edge(&o, "rare", "after", ON_ANY, 2 * 5);
    expect_edge(&o, "after", "after", ON_OK, 1);
    outline_release(&o);
    graph_free(g);
}

static void test_a_join_of_many_and_many_costs_little(void **unused)
{
    uint32_t n = 100000;
    struct graph *g = programs_with_a_join(n, n);
    struct outline o;

    (void)unused;
    outline_programs(&o, g, NULL);
    expect_edge(&o, "rare", "after", ON_ANY, (uint64_t)n / 4 * n);
    outline_release(&o);
    outline_tasks(&o, g, NULL);
    assert_int_equal(o.n_vertices, 2 * n + 1);
    assert_int_equal(o.n_edges, 2 * n + 1);
    outline_release(&o);
    graph_free(g);
}

static void expect_chosen(const struct graph *g, const char *task, uint32_t n_steps, const char *wanted)
{
    bool *chosen = outline_neighbourhood(g, graph_find(g, task, strlen(task)), n_steps);
    char got[64] = "";

    for (task_id t = 0; t < g->n_tasks; t++)
        if (chosen[t] && !task_is_join(&g->tasks[t]))
            strncat(got, g->tasks[t].id, sizeof(got) - strlen(got) - 1);
    assert_string_equal(got, wanted);
    free(chosen);
}

static void test_a_neighbourhood_goes_back_and_on(void **unused)
{
    struct graph *g = graph_from_text("a\nb : a\nc : b\nd : c\ne : d\nf : b\ng : c f");

    (void)unused;
    expect_chosen(g, "c", 1, "bcdg");
    expect_chosen(g, "c", 2, "abcdeg"); /* f is another child of b, and nothing to c */
    expect_chosen(g, "a", 9, "abcdefg");
    graph_free(g);
}

static void test_joins_are_no_steps(void **unused)
{
    struct graph *g = graph_from_text("a\nb\nj join : a b\nk join : j\nc : k\nd : c\ne : a\nf : e");

    (void)unused;
    expect_chosen(g, "a", 1, "ace");
    expect_chosen(g, "c", 1, "abcd");
    graph_free(g);
}

static void test_a_neighbourhood_is_drawn_alone(void **unused)
{
    struct graph *g = graph_from_text("a\nb\nj join : a b\nc : j\nd : j\ne : c");
    bool *chosen = outline_neighbourhood(g, graph_find(g, "c", 1), 1);
    struct outline o;

    (void)unused;
    outline_tasks(&o, g, chosen);
    assert_int_equal(o.n_vertices, 4); /* the join has one child here */
    expect_edge(&o, "a", "c", ON_OK, 1);
    expect_edge(&o, "c", "e", ON_OK, 1);
    outline_release(&o);
    free(chosen);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_are_drawn_as_they_are),
        cmocka_unit_test(test_a_join_with_one_edge_on_a_side_is_not_drawn),
        cmocka_unit_test(test_a_join_that_saves_edges_is_a_point),
        cmocka_unit_test(test_programs_stand_for_their_tasks),
        cmocka_unit_test(test_a_join_of_many_and_many_costs_little),
        cmocka_unit_test(test_a_neighbourhood_goes_back_and_on),
        cmocka_unit_test(test_joins_are_no_steps),
        cmocka_unit_test(test_a_neighbourhood_is_drawn_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
