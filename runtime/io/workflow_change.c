/* A workflow is changed: its dependencies are taken out of the graph, changed, and sealed again. */
#include "base/alloc.h"
#include "base/spelling.h"
#include "core/dag.h"
#include "core/wildcard.h"
#include "io/workflow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- words ---- */

static int refuse_word(const struct dag *d, const char *word, struct ganger_error *err)
{
    const char **ids, *near;
    uint32_t n = 0;

    if (wildcard_is_in(word))
        return error_set(err, ERROR_USAGE, "no task matches \"%.255s\"", word);
    ids = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*ids));
    for (uint32_t v = 0; v < d->n_vertices; v++)
        if (!dag_is_join(d, v))
            ids[n++] = d->vertices[v].id;
    near = spelling_nearest(word, ids, n);
    free(ids);
    if (near != NULL)
        return error_set(err, ERROR_USAGE, "there is no task \"%.255s\"; did you mean \"%s\"?", word, near);
    return error_set(err, ERROR_USAGE, "there is no task \"%.255s\"", word);
}

static bool mark_matching(const struct dag *d, const char *pattern, bool *named)
{
    bool is_one = false;

    for (uint32_t v = 0; v < d->n_vertices; v++) {
        if (dag_is_join(d, v) || !wildcard_matches(pattern, d->vertices[v].id))
            continue;
        named[v] = is_one = true;
    }
    return is_one;
}

/* An id that has a wildcard in it stands for itself. */
static int mark_named(const struct dag *d, struct workflow_words words, bool *named, struct ganger_error *err)
{
    for (size_t i = 0; i < words.n; i++) {
        const char *word = words.each[i];
        uint32_t v = dag_find(d, word, strlen(word));

        if (v != DAG_NONE)
            named[v] = true;
        else if (!wildcard_is_in(word) || !mark_matching(d, word, named))
            return refuse_word(d, word, err);
    }
    return 0;
}

/* ---- from a graph to a dag, and back ---- */

/* What the tasks that are left were called counts, and how they were chosen does not. */
static uint64_t digest_of(uint64_t digest, const struct dag *d)
{
    for (uint32_t v = 0; v < d->n_vertices; v++)
        if (!dag_is_join(d, v))
            digest = XXH3_64bits_withSeed(d->vertices[v].id, strlen(d->vertices[v].id), digest);
    return digest;
}

/* The workflow becomes what is left of its dag, which is freed. */
static void reseal(struct workflow *w, struct dag *d)
{
    struct graph *g = w->graph;
    uint32_t n_tasks = g->n_tasks, n_left = g->n_tasks - g->n_joins;
    bool *kept = xcalloc((size_t)n_tasks + 1, sizeof(*kept));
    task_id *numbers = xmalloc(((size_t)n_tasks + 1) * sizeof(*numbers));
    task_id *tasks = xcalloc((size_t)d->n_vertices + 1, sizeof(*tasks)); /* of each vertex; first, what it was */
    struct ganger_error err = {0};
    int status;

    if (d->n_vertices - d->n_joins < n_left)
        w->digest = digest_of(w->digest, d);
    for (uint32_t v = 0; v < d->n_vertices; v++) {
        if (dag_is_join(d, v))
            continue;
        tasks[v] = (task_id)((const struct task *)d->vertices[v].data - g->tasks);
        kept[tasks[v]] = true;
    }
    graph_reopen(g, kept, numbers);
    for (uint32_t v = 0; v < d->n_vertices; v++)
        tasks[v] = numbers[tasks[v]];
    dag_add_to_graph(d, g, tasks);
    status = graph_seal(g, &err);
    assert(status == 0); /* a dag has no cycles */
    (void)status;
    free(kept);
    free(numbers);
    free(tasks);
    dag_free(d);
}

/* ---- changes ---- */

int workflow_keep_related(struct workflow *w, struct workflow_words needed, struct workflow_words needing,
                          struct ganger_error *err)
{
    struct dag *d = dag_from_graph(w->graph);
    size_t room = (size_t)d->n_vertices + 1;
    bool *named[] = {xcalloc(room, sizeof(bool)), xcalloc(room, sizeof(bool))};
    bool *reached[] = {xcalloc(room, sizeof(bool)), xcalloc(room, sizeof(bool))};
    int status = mark_named(d, needed, named[DAG_BACK], err);

    if (status == 0)
        status = mark_named(d, needing, named[DAG_ON], err);
    for (uint32_t v = 0; status == 0 && v < d->n_vertices; v++)
        for (int to = DAG_BACK; to <= DAG_ON; to++)
            if (named[to][v])
                dag_reach(d, v, (enum dag_direction)to, reached[to]);
    for (uint32_t v = 0; v < d->n_vertices; v++)
        reached[DAG_BACK][v] |= reached[DAG_ON][v];
    if (status == 0) {
        dag_keep(d, reached[DAG_BACK]);
        reseal(w, d);
    } else {
        dag_free(d);
    }
    for (int to = DAG_BACK; to <= DAG_ON; to++) {
        free(named[to]);
        free(reached[to]);
    }
    return status;
}

int workflow_keep_needed(struct workflow *w, struct workflow_words words, struct ganger_error *err)
{
    return workflow_keep_related(w, words, (struct workflow_words){NULL, 0}, err);
}

/* One task. */
static int find_task(const struct dag *d, const char *id, uint32_t *v, struct ganger_error *err)
{
    *v = dag_find(d, id, strlen(id));
    return *v != DAG_NONE ? 0 : refuse_word(d, id, err);
}

static int refuse_path(const struct dag *d, uint32_t from, uint32_t to, struct ganger_error *err)
{
    uint32_t *path;
    bool is_other_way = dag_find_path(d, to, from, &path) > 0;

    free(path);
    return error_set(err, ERROR_USAGE, "\"%.255s\" does not wait for \"%.255s\", directly or not%s", d->vertices[to].id,
                     d->vertices[from].id, is_other_way ? "; but the other way" : "");
}

int workflow_keep_path(struct workflow *w, const char *from, const char *to, struct ganger_error *err)
{
    struct dag *d = dag_from_graph(w->graph);
    bool *kept = xcalloc((size_t)d->n_vertices + 1, sizeof(*kept));
    uint32_t first, last, *path = NULL, n = 0;
    int status = -1;

    if (find_task(d, from, &first, err) == 0 && find_task(d, to, &last, err) == 0) {
        n = dag_find_path(d, first, last, &path);
        status = n > 0 ? 0 : refuse_path(d, first, last, err);
    }
    for (uint32_t i = 0; i < n; i++)
        kept[path[i]] = true;
    if (status == 0) {
        dag_keep(d, kept);
        reseal(w, d);
    } else {
        dag_free(d);
    }
    free(path);
    free(kept);
    return status;
}

int workflow_prune(struct workflow *w, struct workflow_words words, struct ganger_error *err)
{
    struct dag *d = dag_from_graph(w->graph);
    bool *removed = xcalloc((size_t)d->n_vertices + 1, sizeof(*removed));
    int status = mark_named(d, words, removed, err);
    uint32_t n_left = 0;

    for (uint32_t v = 0; v < d->n_vertices; v++)
        n_left += !removed[v] && !dag_is_join(d, v);
    if (status == 0 && n_left == 0)
        status = error_set(err, ERROR_USAGE, "no task would be left");
    if (status == 0) {
        dag_prune(d, removed);
        reseal(w, d);
    } else {
        dag_free(d);
    }
    free(removed);
    return status;
}

void workflow_reverse(struct workflow *w)
{
    struct dag *d = dag_from_graph(w->graph);

    dag_reverse(d);
    reseal(w, d);
}
