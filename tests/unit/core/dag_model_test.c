/* Thousands of small random dags against a matrix, on which everything is computed the plain way. */
#include "core/dag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MAX 14
#define N_ROUNDS 3000

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33) % below;
}

struct model
{
    uint32_t n;
    bool edge[N_MAX][N_MAX]; /* parent, child */
};

/* Steps from each to each, UINT32_MAX: none; to itself: the shortest way round. `through`: the vertices that may stand
 * between; NULL: all. */
static void measure(const struct model *m, const bool *through, uint32_t steps[N_MAX][N_MAX])
{
    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t k = 0; k < m->n; k++)
            steps[i][k] = m->edge[i][k] ? 1 : UINT32_MAX;
    for (uint32_t by = 0; by < m->n; by++)
        for (uint32_t i = 0; i < m->n && (through == NULL || through[by]); i++)
            for (uint32_t k = 0; k < m->n; k++)
                if (steps[i][by] != UINT32_MAX && steps[by][k] != UINT32_MAX &&
                    steps[i][by] + steps[by][k] < steps[i][k])
                    steps[i][k] = steps[i][by] + steps[by][k];
}

static bool has_cycle(const struct model *m, uint32_t *shortest)
{
    uint32_t steps[N_MAX][N_MAX];

    *shortest = UINT32_MAX;
    measure(m, NULL, steps);
    for (uint32_t i = 0; i < m->n; i++)
        if (steps[i][i] < *shortest)
            *shortest = steps[i][i];
    return *shortest != UINT32_MAX;
}

static void expect_same(const struct dag *d, const struct model *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t k = 0; k < m->n; k++)
            n += m->edge[i][k];
    assert_int_equal(d->n_edges, n);
    for (uint32_t e = 0; e < d->n_edges; e++) {
        assert_true(m->edge[d->edges[e].end[0]][d->edges[e].end[1]]);
        assert_true(dag_is_before(d, d->edges[e].end[0], d->edges[e].end[1]));
    }
}

static uint32_t count_arrows(const char *text)
{
    uint32_t n = 0;

    text = strstr(text, "): ") + 3; /* behind the explanation, which has one, too */
    while ((text = strstr(text, " -> ")) != NULL) {
        n++;
        text += 4;
    }
    return n;
}

/* Some parents more for a vertex, in both; refused in both, or in none. */
static void link_at_random(struct dag *d, struct model *m)
{
    struct model with = *m;
    struct dag_parent parents[4];
    uint32_t child = draw(m->n), n = 1 + draw(4), shortest;
    struct ganger_error err = {0};

    for (uint32_t i = 0; i < n; i++) {
        parents[i] = (struct dag_parent){draw(m->n), ON_OK};
        with.edge[parents[i].vertex][child] = true;
    }
    if (has_cycle(&with, &shortest)) {
        assert_int_equal(dag_link(d, child, parents, n, &err), -1);
        assert_int_equal(count_arrows(err.text), shortest);
    } else {
        assert_int_equal(dag_link(d, child, parents, n, &err), 0);
        *m = with;
    }
    expect_same(d, m);
}

static struct dag *grow(struct model *m, uint32_t n_links)
{
    struct dag *d = dag_new();
    char id[8];

    *m = (struct model){.n = 2 + draw(N_MAX - 2)};
    for (uint32_t v = 0; v < m->n; v++) {
        snprintf(id, sizeof(id), "v%u", v);
        dag_add(d, id, NULL);
    }
    for (uint32_t i = 0; i < n_links; i++)
        link_at_random(d, m);
    return d;
}

/* Marks what has an edge to `v`, over joins. */
static void find_parents(const struct dag *d, uint32_t v, bool *is_parent)
{
    for (uint32_t e = dag_first(d, v, DAG_BACK); e != DAG_NONE; e = dag_next(d, e, DAG_BACK)) {
        uint32_t parent = dag_end(d, e, DAG_BACK);

        if (dag_is_join(d, parent))
            find_parents(d, parent, is_parent);
        else
            is_parent[atoi(d->vertices[parent].id + 1)] = true;
    }
}

static void prune_at_random(struct dag *d, const struct model *m)
{
    uint32_t steps[N_MAX][N_MAX], n_left = 0, n_edges = d->n_edges;
    bool removed[N_MAX];
    char id[8];

    for (uint32_t v = 0; v < m->n; v++)
        n_left += !(removed[v] = draw(3) == 0);
    measure(m, removed, steps);
    dag_prune(d, removed);
    assert_int_equal(d->n_vertices - d->n_joins, n_left);
    assert_true(d->n_edges <= n_edges);
    for (uint32_t v = 0; v < m->n; v++) {
        bool is_parent[N_MAX] = {false};
        uint32_t there;

        snprintf(id, sizeof(id), "v%u", v);
        there = dag_find(d, id, strlen(id));
        assert_int_equal(there == DAG_NONE, removed[v]);
        if (removed[v])
            continue;
        find_parents(d, there, is_parent);
        for (uint32_t p = 0; p < m->n; p++)
            assert_int_equal(is_parent[p], !removed[p] && steps[p][v] != UINT32_MAX);
    }
    for (uint32_t e = 0; e < d->n_edges; e++)
        assert_true(dag_is_before(d, d->edges[e].end[0], d->edges[e].end[1]));
}

static void expect_same_paths(const struct dag *d, const struct model *m)
{
    uint32_t steps[N_MAX][N_MAX];

    measure(m, NULL, steps);
    for (uint32_t i = 0; i < m->n; i++) {
        bool reached[N_MAX] = {false};

        dag_reach(d, i, DAG_ON, reached);
        for (uint32_t k = 0; k < m->n; k++) {
            uint32_t *path, n = dag_find_path(d, i, k, &path);

            assert_int_equal(reached[k], i == k || steps[i][k] != UINT32_MAX);
            assert_int_equal(n, i == k ? 1 : steps[i][k] == UINT32_MAX ? 0 : steps[i][k] + 1);
            for (uint32_t s = 1; s < n; s++)
                assert_true(m->edge[path[s - 1]][path[s]]);
            free(path);
        }
    }
}

/* What is tagged and reaches `v` with nothing tagged between. */
static void expect_same_context(struct dag *d, const struct model *m)
{
    uint32_t steps[N_MAX][N_MAX];
    bool is_plain[N_MAX];

    for (uint32_t v = 0; v < m->n; v++) {
        is_plain[v] = draw(3) != 0;
        dag_set_tag(d, v, is_plain[v] ? NULL : "tag");
    }
    measure(m, is_plain, steps);
    for (uint32_t v = 0; v < m->n; v++) {
        struct dag_context c[N_MAX];
        uint32_t n = dag_find_context(d, v, DAG_BACK, c, N_MAX), n_wanted = 0;

        for (uint32_t p = 0; p < m->n; p++)
            n_wanted += is_plain[v] && !is_plain[p] && steps[p][v] != UINT32_MAX;
        assert_int_equal(n, is_plain[v] ? n_wanted : 1);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(c[i].distance, c[i].vertex == v ? 0 : steps[c[i].vertex][v]);
        for (uint32_t i = 1; i < n; i++)
            assert_true(c[i - 1].distance < c[i].distance ||
                        (c[i - 1].distance == c[i].distance && c[i - 1].vertex < c[i].vertex));
    }
}

static void test_cycles_are_refused_as_in_the_model(void **unused)
{
    (void)unused;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        struct model m;
        struct dag *d;

        seed = round;
        d = grow(&m, 20);
        if (draw(2) == 0) {
            dag_reverse(d);
            dag_reverse(d);
        }
        for (uint32_t i = 0; i < 10; i++)
            link_at_random(d, &m);
        dag_free(d);
    }
}

static void test_paths_and_contexts_are_those_of_the_model(void **unused)
{
    (void)unused;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        struct model m;
        struct dag *d;

        seed = round;
        d = grow(&m, 3 + draw(12));
        expect_same_paths(d, &m);
        expect_same_context(d, &m);
        dag_free(d);
    }
}

static void test_pruning_bridges_as_in_the_model(void **unused)
{
    (void)unused;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        struct model m;
        struct dag *d;

        seed = round;
        d = grow(&m, 3 + draw(12));
        prune_at_random(d, &m);
        dag_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycles_are_refused_as_in_the_model),
        cmocka_unit_test(test_paths_and_contexts_are_those_of_the_model),
        cmocka_unit_test(test_pruning_bridges_as_in_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
