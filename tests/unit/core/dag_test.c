#include "core/dag.h"

#include "core/dag_walk.h"
#include "dag_text.h"
#include "graph_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_text(const struct dag *d, const char *wanted)
{
    struct buffer text = BUFFER_EMPTY;

    assert_string_equal(dag_to_text(d, &text), wanted);
    buffer_release(&text);
}

/* Every parent stands before its children. */
static void expect_order(const struct dag *d)
{
    uint32_t *order = dag_order(d), *at = calloc(d->n_vertices + 1, sizeof(*at));

    for (uint32_t i = 0; i < d->n_vertices; i++)
        at[order[i]] = i;
    for (uint32_t e = 0; e < d->n_edges; e++) {
        assert_true(at[d->edges[e].end[0]] < at[d->edges[e].end[1]]);
        assert_true(dag_is_before(d, d->edges[e].end[0], d->edges[e].end[1]));
    }
    free(order);
    free(at);
}

/* ---- adding ---- */

static void test_parents_are_added_and_never_taken_away(void **unused)
{
    struct dag *d = dag_from_text("a\nb\nc : a");

    (void)unused;
    assert_int_equal(dag_text_update(d, "c : b a", NULL), 0);
    assert_int_equal(dag_text_update(d, "c", NULL), 0);
    expect_text(d, "a\nb\nc : a b\n");
    dag_free(d);
}

static void test_an_id_is_taken_once(void **unused)
{
    struct dag *d = dag_from_text("a");
    int data;

    (void)unused;
    assert_int_equal(dag_add(d, "a", NULL), DAG_NONE);
    assert_int_equal(dag_add(d, "b", &data), 1);
    assert_ptr_equal(d->vertices[1].data, &data);
    assert_int_equal(dag_find(d, "c", 1), DAG_NONE);
    dag_free(d);
}

static void test_two_conditions_on_one_parent_are_two_edges(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a any:a a any:a");

    (void)unused;
    expect_text(d, "a\nb : a any:a\n");
    dag_free(d);
}

static void expect_refused(struct dag *d, const char *line, const char *cycle)
{
    struct buffer before = BUFFER_EMPTY;
    struct ganger_error err = {0};

    dag_to_text(d, &before);
    assert_int_equal(dag_text_update(d, line, &err), -1);
    assert_int_equal(err.cause, ERROR_USAGE);
    assert_non_null(strstr(err.text, cycle));
    expect_text(d, before.bytes);
    expect_order(d);
    buffer_release(&before);
}

static void test_a_cycle_is_refused_whole_and_the_shortest_is_named(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b\nd : c\ne : b\nx");

    (void)unused;
    expect_refused(d, "a : x d e", "): a -> b -> e -> a; nothing was changed");
    expect_refused(d, "b : x b", "): b -> b; nothing was changed");
    expect_refused(d, "b : d", "): b -> c -> d -> b;");
    assert_int_equal(dag_text_update(d, "a : x", NULL), 0);
    dag_free(d);
}

static void test_a_long_cycle_is_abbreviated(void **unused)
{
    struct dag *d = dag_new();
    char line[64];

    (void)unused;
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), i > 0 ? "t%d : t%d" : "t%d", i, i - 1);
        assert_int_equal(dag_text_update(d, line, NULL), 0);
    }
    expect_refused(d, "t0 : t39", "t14 -> (24 more) -> t39 -> t0");
    dag_free(d);
}

/* ---- both together, the other way ---- */

static void test_merge_unites(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a"), *other = dag_from_text("a\nc : a\nb : c");
    int ours, theirs;

    (void)unused;
    d->vertices[0].data = &ours;
    other->vertices[0].data = &theirs;
    other->vertices[1].data = &theirs;
    dag_set_tag(other, 0, "top");
    assert_int_equal(dag_merge(d, other, NULL), 0);
    expect_text(d, "a\nb : a c\nc : a\n");
    expect_order(d);
    assert_ptr_equal(d->vertices[0].data, &ours);
    assert_ptr_equal(d->vertices[2].data, &theirs);
    assert_string_equal(d->vertices[0].tag, "top");
    dag_free(d);
    dag_free(other);
}

static void test_merge_refuses_a_cycle_whole(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a"), *other = dag_from_text("b\nc : b\na : c");
    struct ganger_error err = {0};

    (void)unused;
    assert_int_equal(dag_merge(d, other, &err), -1);
    assert_true(strstr(err.text, "a -> b -> c -> a") || strstr(err.text, "b -> c -> a -> b") ||
                strstr(err.text, "c -> a -> b -> c"));
    expect_text(d, "a\nb : a\n");
    expect_text(other, "b\nc : b\na : c\n");
    dag_free(d);
    dag_free(other);
}

/* Two cycles, the longer one met first; and one that leads over a join. */
static void test_merge_names_the_shortest_cycle(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b\ne : c\nx\ny : x");
    struct dag *other = dag_from_text("e\na : e\ny\nx : y");
    struct ganger_error err = {0};
    uint32_t join;

    (void)unused;
    assert_int_equal(dag_merge(d, other, &err), -1);
    assert_true(strstr(err.text, ": x -> y -> x;") || strstr(err.text, ": y -> x -> y;"));
    dag_free(other);
    other = dag_from_text("e\na");
    join = dag_add(other, NULL, NULL);
    assert_int_equal(dag_link(other, join, &(struct dag_parent){0, ON_OK}, 1, NULL), 0);
    assert_int_equal(dag_link(other, 1, &(struct dag_parent){join, ON_OK}, 1, NULL), 0);
    err = (struct ganger_error){0};
    assert_int_equal(dag_merge(d, other, &err), -1);
    assert_non_null(strstr(err.text, "a -> b -> c -> e"));
    expect_text(d, "a\nb : a\nc : b\ne : c\nx\ny : x\n");
    dag_free(d);
    dag_free(other);
}

/* As dag_model_test does, against what can be found by looking at all. */
static uint32_t shortest_by_trying(const bool edge[8][8])
{
    uint32_t best = UINT32_MAX;

    for (int from = 0; from < 8; from++) {
        uint32_t distance[8] = {0};

        for (uint32_t step = 1; step <= 8; step++)
            for (int a = 0; a < 8; a++)
                for (int b = 0; b < 8; b++)
                    if (edge[a][b] && distance[b] == 0 && (step == 1 ? a == from : distance[a] == step - 1))
                        distance[b] = step;
        if (distance[from] > 0 && distance[from] < best)
            best = distance[from];
    }
    return best;
}

static struct dag *dag_of_eight(void)
{
    return dag_from_text("a\nb\nc\nd\ne\nf\ng\nh");
}

static void link_at_random(struct dag *d, bool edge[8][8])
{
    uint32_t a = (uint32_t)rand() % 8, b = (uint32_t)rand() % 8;

    if (dag_link(d, b, &(struct dag_parent){a, ON_OK}, 1, NULL) == 0)
        edge[a][b] = true;
}

static void test_no_cycle_of_a_merge_is_shorter(void **unused)
{
    uint32_t n_refused = 0;

    (void)unused;
    srand(7);
    for (int round = 0; round < 2000; round++) {
        struct dag *d = dag_of_eight(), *other = dag_of_eight();
        bool edge[8][8] = {{false}};
        struct ganger_error err = {0};
        uint32_t n_steps = 0;

        for (int i = 0; i < 7; i++) {
            link_at_random(d, edge);
            link_at_random(other, edge);
        }
        if (dag_merge(d, other, &err) < 0) {
            for (const char *at = strstr(err.text, "): "); (at = strstr(at + 1, " -> ")) != NULL;)
                n_steps++;
            assert_int_equal(n_steps, shortest_by_trying(edge));
            n_refused++;
        } else {
            assert_int_equal(shortest_by_trying(edge), UINT32_MAX);
        }
        dag_free(d);
        dag_free(other);
    }
    assert_in_range(n_refused, 200, 1800);
}

static void test_reverse_turns_edges_and_twice_is_nothing(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : a b");

    (void)unused;
    dag_reverse(d);
    expect_text(d, "a : b c\nb : c\nc\n");
    expect_order(d);
    expect_refused(d, "c : a", "c -> a -> c");
    assert_int_equal(dag_text_update(d, "a : c", NULL), 0); /* is there already */
    assert_int_equal(d->n_edges, 3);
    dag_reverse(d);
    expect_text(d, "a\nb : a\nc : a b\n");
    dag_free(d);
}

/* ---- taking out ---- */

static void prune(struct dag *d, const char *ids)
{
    bool *removed = calloc(d->n_vertices + 1, sizeof(*removed));
    char *words = strdup(ids), *rest = words, *word;

    while ((word = strsep(&rest, " ")) != NULL)
        removed[dag_text_find(d, word)] = true;
    dag_prune(d, removed);
    free(words);
    free(removed);
}

static void test_what_is_pruned_is_bridged(void **unused)
{
    struct dag *d = dag_from_text("a\nx\nb : a\nc : b\nd : c x");

    (void)unused;
    prune(d, "b c");
    expect_text(d, "a\nx\nd : a x\n");
    expect_order(d);
    assert_int_equal(dag_find(d, "b", 1), DAG_NONE);
    dag_free(d);
}

static void test_pruned_ends_leave_nothing(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b\nd : c");

    (void)unused;
    prune(d, "a d");
    expect_text(d, "b\nc : b\n");
    dag_free(d);
}

static void test_conditions_survive_pruning(void **unused)
{
    struct dag *d = dag_from_text("a\nb : any:a\nc : b\nd : notok:c");

    (void)unused;
    prune(d, "b c");
    expect_text(d, "a\nd : any:a\n");
    dag_free(d);
}

static void test_what_has_many_on_both_sides_becomes_a_join(void **unused)
{
    struct dag *d = dag_from_text("a\nb\nm : a b\nn : m\nc : n\nd : n\ne : n");

    (void)unused;
    prune(d, "m n");
    expect_text(d, "a\nb\n*2 : a b\nc : *2\nd : *2\ne : *2\n");
    dag_free(d);
}

static void test_two_layers_of_pruned_vertices_stay_linear(void **unused)
{
    struct dag *d = dag_new();
    bool removed[400] = {false};
    char id[16];

    (void)unused;
    for (uint32_t i = 0; i < 400; i++) { /* four full layers of a hundred, the middle ones pruned */
        struct dag_parent parents[100];

        snprintf(id, sizeof(id), "%u", i);
        dag_add(d, id, NULL);
        for (uint32_t k = 0; k < 100 && i >= 100; k++)
            parents[k] = (struct dag_parent){(i / 100 - 1) * 100 + k, ON_OK};
        assert_int_equal(dag_link(d, i, parents, i >= 100 ? 100 : 0, NULL), 0);
        removed[i] = i / 100 == 1 || i / 100 == 2;
    }
    dag_prune(d, removed);
    assert_true(d->n_edges <= 30000);
    assert_int_equal(d->n_vertices - d->n_joins, 200);
    dag_free(d);
}

static void test_keep_drops_without_bridging(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b\nd : c a");
    bool kept[] = {true, false, true, true};

    (void)unused;
    dag_keep(d, kept);
    expect_text(d, "a\nc\nd : c a\n");
    expect_order(d);
    dag_free(d);
}

static void test_tags_and_data_survive_changes(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b");
    int data;

    (void)unused;
    dag_set_tag(d, 2, "t");
    d->vertices[2].data = &data;
    prune(d, "b");
    assert_string_equal(d->vertices[1].tag, "t");
    assert_ptr_equal(d->vertices[1].data, &data);
    dag_set_tag(d, 1, NULL);
    assert_null(d->vertices[1].tag);
    dag_free(d);
}

/* ---- questions ---- */

static void test_closure_and_descendants(void **unused)
{
    struct dag *d = dag_from_text("a\nb : a\nc : b\nd : a\ne : d c\nx");
    const bool closure[] = {true, true, true, false, false, false};
    const bool descendants[] = {false, false, false, true, true, false};
    bool reached[6] = {false};

    (void)unused;
    dag_reach(d, dag_text_find(d, "c"), DAG_BACK, reached);
    assert_memory_equal(reached, closure, sizeof(reached));
    memset(reached, 0, sizeof(reached));
    dag_reach(d, dag_text_find(d, "d"), DAG_ON, reached);
    assert_memory_equal(reached, descendants, sizeof(reached));
    dag_free(d);
}

static void test_shortest_path_steps_over_joins(void **unused)
{
    struct graph *g = graph_from_text("a\nb : a\nc : b\nj join : a\nk join : j\nd : k c\ne : d");
    struct dag *d = dag_from_graph(g);
    uint32_t *path, n = dag_find_path(d, 0, 6, &path);

    (void)unused;
    assert_int_equal(n, 5); /* a, j, k, d, e: two steps instead of four */
    assert_string_equal(d->vertices[path[3]].id, "d");
    free(path);
    assert_int_equal(dag_find_path(d, 6, 0, &path), 0);
    assert_null(path);
    assert_int_equal(dag_find_path(d, 0, 0, &path), 1);
    free(path);
    dag_free(d);
    graph_free(g);
}

static void test_context_is_the_nearest_tagged(void **unused)
{
    struct dag *d = dag_from_text("far\nnear : far\nother\nx : near\ny : x other\nz : y");
    struct dag_context c[4];

    (void)unused;
    dag_set_tag(d, 0, "T");
    dag_set_tag(d, 1, "T");
    dag_set_tag(d, 2, "T");
    assert_int_equal(dag_find_context(d, dag_text_find(d, "z"), DAG_BACK, c, 4), 2); /* `far` is behind `near` */
    assert_string_equal(d->vertices[c[0].vertex].id, "other");
    assert_int_equal(c[0].distance, 2);
    assert_string_equal(d->vertices[c[1].vertex].id, "near");
    assert_int_equal(c[1].distance, 3);
    assert_int_equal(dag_find_context(d, dag_text_find(d, "z"), DAG_BACK, c, 1), 1);
    assert_int_equal(dag_find_context(d, dag_text_find(d, "near"), DAG_BACK, c, 4), 1); /* itself */
    assert_int_equal(c[0].distance, 0);
    assert_int_equal(dag_find_context(d, dag_text_find(d, "z"), DAG_ON, c, 4), 0);
    assert_int_equal(dag_find_context(d, dag_text_find(d, "z"), DAG_BACK, c, 0), 0);
    dag_free(d);
}

/* ---- graphs, walks ---- */

static void test_a_graph_is_sealed_from_it(void **unused)
{
    struct graph *from = graph_from_text("a\nb : a\nj join : a b\nc : j notok:a\nd : j"), *g;
    struct dag *d = dag_from_graph(from);
    task_id tasks[5];

    (void)unused;
    expect_text(d, "a\nb : a\n*2 : a b\nc : notok:a *2\nd : *2\n");
    expect_order(d);
    g = graph_new();
    for (uint32_t v = 0; v < d->n_vertices; v++)
        tasks[v] = dag_is_join(d, v) ? TASK_NONE : graph_add_task(g, d->vertices[v].data);
    dag_add_to_graph(d, g, tasks);
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_tasks, 5);
    assert_int_equal(g->n_joins, 1);
    assert_int_equal(g->n_edges, from->n_edges);
    assert_int_equal(g->n_parents[graph_find(g, "c", 1)], 2);
    graph_free(g);
    dag_free(d);
    graph_free(from);
}

static void test_a_walk_is_busy_until_what_was_taken_is_done(void **unused)
{
    struct graph *g = graph_from_text("a\nb\nj join : a b\nc : j\nd : a");
    struct dag *d = dag_from_graph(g);
    struct dag_walk w;
    uint32_t v;

    (void)unused;
    dag_walk_init(&w, d);
    assert_int_equal(dag_walk_next(&w, &v), WALK_TAKEN);
    assert_int_equal(v, 0);
    assert_int_equal(dag_walk_next(&w, &v), WALK_TAKEN);
    assert_int_equal(v, 1);
    assert_int_equal(dag_walk_next(&w, &v), WALK_BUSY);
    dag_walk_done(&w, 1);
    assert_int_equal(dag_walk_next(&w, &v), WALK_BUSY);
    dag_walk_done(&w, 0);
    assert_int_equal(dag_walk_next(&w, &v), WALK_TAKEN);
    assert_int_equal(v, 4);
    assert_int_equal(dag_walk_next(&w, &v), WALK_TAKEN);
    assert_int_equal(v, 3);
    dag_walk_done(&w, 3);
    assert_int_equal(dag_walk_next(&w, &v), WALK_BUSY);
    dag_walk_done(&w, 4);
    assert_int_equal(dag_walk_next(&w, &v), WALK_OVER);
    dag_walk_release(&w);
    dag_free(d);
    graph_free(g);
}

static void test_an_empty_dag_is_no_trouble(void **unused)
{
    struct dag *d = dag_new(), *other = dag_new();
    struct dag_walk w;
    uint32_t v;

    (void)unused;
    dag_reverse(d);
    dag_prune(d, NULL);
    assert_int_equal(dag_merge(d, other, NULL), 0);
    dag_walk_init(&w, d);
    assert_int_equal(dag_walk_next(&w, &v), WALK_OVER);
    dag_walk_release(&w);
    dag_free(d);
    dag_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parents_are_added_and_never_taken_away),
        cmocka_unit_test(test_an_id_is_taken_once),
        cmocka_unit_test(test_two_conditions_on_one_parent_are_two_edges),
        cmocka_unit_test(test_a_cycle_is_refused_whole_and_the_shortest_is_named),
        cmocka_unit_test(test_a_long_cycle_is_abbreviated),
        cmocka_unit_test(test_merge_unites),
        cmocka_unit_test(test_merge_refuses_a_cycle_whole),
        cmocka_unit_test(test_merge_names_the_shortest_cycle),
        cmocka_unit_test(test_no_cycle_of_a_merge_is_shorter),
        cmocka_unit_test(test_reverse_turns_edges_and_twice_is_nothing),
        cmocka_unit_test(test_what_is_pruned_is_bridged),
        cmocka_unit_test(test_pruned_ends_leave_nothing),
        cmocka_unit_test(test_conditions_survive_pruning),
        cmocka_unit_test(test_what_has_many_on_both_sides_becomes_a_join),
        cmocka_unit_test(test_two_layers_of_pruned_vertices_stay_linear),
        cmocka_unit_test(test_keep_drops_without_bridging),
        cmocka_unit_test(test_tags_and_data_survive_changes),
        cmocka_unit_test(test_closure_and_descendants),
        cmocka_unit_test(test_shortest_path_steps_over_joins),
        cmocka_unit_test(test_context_is_the_nearest_tagged),
        cmocka_unit_test(test_a_graph_is_sealed_from_it),
        cmocka_unit_test(test_a_walk_is_busy_until_what_was_taken_is_done),
        cmocka_unit_test(test_an_empty_dag_is_no_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
