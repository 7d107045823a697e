#include "core/dag.h"

#include "base/buffer.h"
#include "core/cycle.h"
#include "core/dag_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct dag *dag_new(void)
{
    struct dag *d = xcalloc(1, sizeof(*d));

    d->ends[0] = d->ends[1] = DAG_NONE;
    return d;
}

/* All but the struct itself. */
static void release(struct dag *d)
{
    free(d->vertices);
    free(d->edges);
    for (int to = DAG_BACK; to <= DAG_ON; to++) {
        free(d->sides[to].met);
        free(d->sides[to].heap);
    }
    name_index_release(&d->index);
    intern_release(&d->edge_table);
    arena_release(&d->text);
}

void dag_free(struct dag *d)
{
    if (d == NULL)
        return;
    release(d);
    free(d);
}

/* `d` becomes `other`, which is no more. */
static void become(struct dag *d, struct dag *other)
{
    release(d);
    *d = *other;
    free(other);
}

/* ---- vertices and edges ---- */

static const char *id_of(const void *data, uint32_t number)
{
    return ((const struct dag *)data)->vertices[number].id;
}

/* That is in no order yet. */
static uint32_t add_vertex(struct dag *d, const char *id, void *data)
{
    struct dag_vertex *v;

    assert(d->n_vertices < DAG_NONE - 1);
    d->vertices = xgrow(d->vertices, d->n_vertices, &d->vertices_capacity, sizeof(*d->vertices));
    v = &d->vertices[d->n_vertices];
    *v = (struct dag_vertex){.data = data, .first = {DAG_NONE, DAG_NONE}, .last = {DAG_NONE, DAG_NONE}};
    if (id != NULL) {
        v->id = arena_text(&d->text, id, strlen(id));
        name_index_add(&d->index, id, strlen(id), d->n_vertices, id_of, d);
    }
    d->n_joins += id == NULL;
    return d->n_vertices++;
}

uint32_t dag_add(struct dag *d, const char *id, void *data)
{
    uint32_t vertex;

    if (id != NULL && dag_find(d, id, strlen(id)) != DAG_NONE)
        return DAG_NONE;
    vertex = add_vertex(d, id, data);
    dag_order_append(d, vertex);
    return vertex;
}

uint32_t dag_find(const struct dag *d, const char *id, size_t n_bytes)
{
    uint32_t number = name_index_find(&d->index, id, n_bytes, id_of, d);

    return number == NAME_NOT_FOUND ? DAG_NONE : number;
}

void dag_set_tag(struct dag *d, uint32_t vertex, const char *tag)
{
    d->vertices[vertex].tag = tag != NULL ? arena_text(&d->text, tag, strlen(tag)) : NULL;
}

static bool is_same_edge(const void *data, uint32_t number, const void *thing)
{
    const struct dag_edge *a = &((const struct dag *)data)->edges[number], *b = thing;

    return a->end[0] == b->end[0] && a->end[1] == b->end[1] && a->on == b->on;
}

static uint64_t hash_of(const struct dag_edge *e)
{
    const uint32_t words[] = {e->end[0], e->end[1], (uint32_t)e->on};

    return XXH3_64bits(words, sizeof(words));
}

static struct dag_edge edge_of(uint32_t parent, uint32_t child, enum graph_condition on)
{
    return (struct dag_edge){{parent, child}, {DAG_NONE, DAG_NONE}, on};
}

static bool has_edge(const struct dag *d, const struct dag_edge *e)
{
    return intern_find(&d->edge_table, hash_of(e), e, is_same_edge, d) != UINT32_MAX;
}

/* Enters an edge, as the last, into the list of one of its ends: `to` leads to the other one. */
static void enter_edge(struct dag *d, uint32_t edge, uint32_t at, enum dag_direction to)
{
    struct dag_vertex *v = &d->vertices[at];

    *(v->last[to] != DAG_NONE ? &d->edges[v->last[to]].next[to] : &v->first[to]) = edge;
    v->last[to] = edge;
    v->n[to]++;
}

/* Whatever it does to the order. Twice is once. */
static void add_edge(struct dag *d, struct dag_edge e)
{
    if (has_edge(d, &e))
        return;
    assert(d->n_edges < DAG_NONE - 1);
    d->edges = xgrow(d->edges, d->n_edges, &d->edges_capacity, sizeof(*d->edges));
    d->edges[d->n_edges] = e;
    intern_add(&d->edge_table, hash_of(&e), d->n_edges);
    enter_edge(d, d->n_edges, e.end[0], DAG_ON);
    enter_edge(d, d->n_edges, e.end[1], DAG_BACK);
    d->n_edges++;
}

/* ---- to and from a graph ---- */

/* The edges from one parent to one child, on whatever conditions. */
static void add_edges_between(struct dag *d, const struct graph *g, task_id parent, task_id child)
{
    uint64_t low = g->child_first[parent], high = g->child_first[parent + 1];

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (g->children[middle] < child)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < g->child_first[parent + 1] && g->children[low] == child; low++)
        add_edge(d, edge_of(parent, child, graph_condition_at(g, low)));
}

/* Functions are given the results of their parents in the order in which these were declared. */
static void add_edges_as_declared(struct dag *d, const struct graph *g)
{
    for (task_id t = 0; t < g->n_tasks; t++)
        for (uint64_t e = g->parent_first[t]; e < g->parent_first[t + 1]; e++)
            add_edges_between(d, g, g->parents[e], t);
}

struct dag *dag_from_graph(const struct graph *g)
{
    struct dag *d = dag_new();
    task_id *order = graph_topological_order(g);

    for (task_id t = 0; t < g->n_tasks; t++)
        add_vertex(d, task_is_join(&g->tasks[t]) ? NULL : g->tasks[t].id, &g->tasks[t]);
    if (g->parents != NULL)
        add_edges_as_declared(d, g);
    for (task_id t = 0; g->parents == NULL && t < g->n_tasks; t++)
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            add_edge(d, edge_of(t, g->children[e], graph_condition_at(g, e)));
    for (uint32_t i = 0; i < g->n_tasks; i++)
        dag_order_append(d, order[i]);
    free(order);
    return d;
}

void dag_add_to_graph(const struct dag *d, struct graph *g, const task_id *tasks)
{
    static const struct task join = {.id = NULL};
    task_id *of = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*of));

    for (uint32_t v = 0; v < d->n_vertices; v++)
        of[v] = dag_is_join(d, v) ? graph_add_task(g, &join) : tasks[v];
    for (uint32_t i = 0; i < d->n_edges; i++) {
        const struct dag_edge *e = &d->edges[i];

        graph_add_condition(g, of[e->end[0]], of[e->end[1]], e->on);
    }
    free(of);
}

/* ---- what is refused ---- */

/* `path` is from the first of a cycle to its last. Joins have no name to be told by. */
static int refuse_cycle(const struct dag *d, const uint32_t *path, uint32_t n, struct ganger_error *err)
{
    const char **ids = xmalloc(((size_t)n + 1) * sizeof(*ids));
    struct buffer text = BUFFER_EMPTY;
    uint32_t n_named = 0;

    for (uint32_t i = 0; i < n; i++)
        if (!dag_is_join(d, path[i]))
            ids[n_named++] = d->vertices[path[i]].id;
    cycle_describe(&text, ids, n_named);
    error_set(err, ERROR_USAGE, "tasks would wait for each other in a cycle (a -> b: b waits for a): %s; nothing was "
                                "changed", text.bytes);
    buffer_release(&text);
    free(ids);
    return -1;
}

/* A shortest of the cycles that the edges from `parents` to `child` would make. */
static int refuse_parents(const struct dag *d, uint32_t child, const struct dag_parent *parents, size_t n_parents,
                          struct ganger_error *err)
{
    bool *wanted = xcalloc((size_t)d->n_vertices + 1, sizeof(*wanted)), is_own_parent = false;
    uint32_t *path = NULL, n = 1;

    for (size_t i = 0; i < n_parents; i++) {
        wanted[parents[i].vertex] = true;
        is_own_parent |= parents[i].vertex == child;
    }
    if (!is_own_parent)
        n = dag_find_path_to_any(d, child, wanted, &path);
    refuse_cycle(d, is_own_parent ? &child : path, n, err);
    free(path);
    free(wanted);
    return -1;
}

/* ---- changing it ---- */

int dag_link(struct dag *d, uint32_t child, const struct dag_parent *parents, size_t n_parents,
             struct ganger_error *err)
{
    /* All are admitted before one is added: what one changes in the order keeps what those before it asked for, since
     * it only moves the child, and what waits for it, towards the end. */
    for (size_t i = 0; i < n_parents; i++)
        if (!dag_order_admit(d, parents[i].vertex, child))
            return refuse_parents(d, child, parents, n_parents, err);
    for (size_t i = 0; i < n_parents; i++)
        add_edge(d, edge_of(parents[i].vertex, child, parents[i].on));
    return 0;
}

static void copy_vertex(struct dag *to, const struct dag_vertex *v)
{
    dag_set_tag(to, add_vertex(to, v->id, v->data), v->tag);
}

/* The number in `d` of each vertex of `other`, which are added if they are not there. */
static uint32_t *unite_vertices(struct dag *d, const struct dag *other)
{
    uint32_t *numbers = xmalloc(((size_t)other->n_vertices + 1) * sizeof(*numbers));

    for (uint32_t i = 0; i < other->n_vertices; i++) {
        const struct dag_vertex *theirs = &other->vertices[i];
        struct dag_vertex *ours;

        numbers[i] = theirs->id != NULL ? dag_find(d, theirs->id, strlen(theirs->id)) : DAG_NONE;
        if (numbers[i] == DAG_NONE) {
            numbers[i] = d->n_vertices;
            copy_vertex(d, theirs);
            continue;
        }
        ours = &d->vertices[numbers[i]];
        if (ours->data == NULL)
            ours->data = theirs->data;
        if (ours->tag == NULL)
            dag_set_tag(d, numbers[i], theirs->tag);
    }
    return numbers;
}

/* Adds all of `other`, and asks nothing. */
static void unite(struct dag *d, const struct dag *other)
{
    uint32_t *numbers = unite_vertices(d, other);

    for (uint32_t i = 0; i < other->n_edges; i++) {
        const struct dag_edge *e = &other->edges[i];

        add_edge(d, edge_of(numbers[e->end[0]], numbers[e->end[1]], e->on));
    }
    free(numbers);
}

/* Each cycle of both together passes a vertex that both have, since neither has one of its own. */
static int refuse_union(const struct dag *both, const struct dag *d, const struct dag *other, uint32_t on_cycle,
                        const bool *is_left, struct ganger_error *err)
{
    uint32_t *starts = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*starts)), n_starts = 0, *path, n;

    starts[n_starts++] = on_cycle;
    for (uint32_t v = 0; v < d->n_vertices; v++) /* they have the same numbers in both */
        if (is_left[v] && v != on_cycle && !dag_is_join(d, v) &&
            dag_find(other, d->vertices[v].id, strlen(d->vertices[v].id)) != DAG_NONE)
            starts[n_starts++] = v;
    n = dag_find_cycle(both, starts, n_starts, &path);
    refuse_cycle(both, path, n, err);
    free(path);
    free(starts);
    return -1;
}

int dag_merge(struct dag *d, const struct dag *other, struct ganger_error *err)
{
    struct dag *both = dag_new();
    uint32_t on_cycle;
    bool *is_left;

    unite(both, d);
    unite(both, other);
    is_left = xmalloc((size_t)both->n_vertices + 1);
    if (dag_order_rebuild(both, &on_cycle, is_left)) {
        free(is_left);
        become(d, both);
        return 0;
    }
    refuse_union(both, d, other, on_cycle, is_left, err);
    free(is_left);
    dag_free(both);
    return -1;
}

static void swap(uint32_t pair[2])
{
    uint32_t first = pair[0];

    pair[0] = pair[1];
    pair[1] = first;
}

void dag_reverse(struct dag *d)
{
    uint64_t label = d->n_vertices > 0 ? d->vertices[d->ends[0]].label + d->vertices[d->ends[1]].label : 0;

    for (uint32_t e = 0; e < d->n_edges; e++) {
        swap(d->edges[e].end);
        swap(d->edges[e].next);
    }
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        struct dag_vertex *v = &d->vertices[i];

        swap(v->first);
        swap(v->last);
        swap(v->n);
        swap(v->place);
        v->label = label - v->label;
    }
    swap(d->ends);
    intern_release(&d->edge_table); /* edges are known by their ends */
    for (uint32_t e = 0; e < d->n_edges; e++)
        intern_add(&d->edge_table, hash_of(&d->edges[e]), e);
}

/* ---- taking vertices out ---- */

/* Where an edge that leads to a vertex comes from. */
struct origin
{
    uint32_t vertex; /* DAG_NONE: from nowhere */
    enum graph_condition on;
};

enum fate
{
    STAYS,
    BRIDGED,  /* its children get its only parent, if it has one */
    JOINS,    /* it has several, and becomes a join */
};

/* What a pass over a dag makes of its vertices. */
struct contraction
{
    const struct dag *d;
    uint8_t *fates;
    struct origin *origins; /* of bridged ones: their parent */
};

static enum graph_condition first_said(enum graph_condition a, enum graph_condition b)
{
    return a != ON_OK ? a : b;
}

/* What an edge comes from when those that are bridged are not there. */
static struct origin origin_of(const struct contraction *c, uint32_t edge)
{
    uint32_t parent = dag_end(c->d, edge, DAG_BACK);
    struct origin o = {parent, c->d->edges[edge].on};

    if (c->fates[parent] == BRIDGED)
        o = (struct origin){c->origins[parent].vertex, first_said(c->origins[parent].on, o.on)};
    return o;
}

static void decide(struct contraction *c, uint32_t v)
{
    struct origin only = {DAG_NONE, ON_OK};

    for (uint32_t e = dag_first(c->d, v, DAG_BACK); e != DAG_NONE; e = dag_next(c->d, e, DAG_BACK)) {
        struct origin o = origin_of(c, e);

        if (o.vertex == DAG_NONE || (o.vertex == only.vertex && o.on == only.on))
            continue;
        if (only.vertex != DAG_NONE) {
            c->fates[v] = JOINS;
            return;
        }
        only = o;
    }
    c->fates[v] = BRIDGED;
    c->origins[v] = only;
}

/* What is left, with the order as it was. `*joins`: which of them have become joins; the caller frees them. */
static struct dag *build_contracted(const struct contraction *c, const uint32_t *order, bool **joins)
{
    const struct dag *d = c->d;
    struct dag *left = dag_new();
    uint32_t *numbers = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*numbers));

    *joins = xcalloc((size_t)d->n_vertices + 1, sizeof(**joins));
    for (uint32_t v = 0; v < d->n_vertices; v++) {
        numbers[v] = left->n_vertices;
        (*joins)[left->n_vertices] = c->fates[v] == JOINS;
        if (c->fates[v] == STAYS)
            copy_vertex(left, &d->vertices[v]);
        else if (c->fates[v] == JOINS)
            add_vertex(left, NULL, NULL);
    }
    for (uint32_t e = 0; e < d->n_edges; e++) { /* in the order they were added, which children's lists show */
        uint32_t child = d->edges[e].end[1];
        struct origin o = origin_of(c, e);

        if (c->fates[child] != BRIDGED && o.vertex != DAG_NONE)
            add_edge(left, edge_of(numbers[o.vertex], numbers[child], o.on));
    }
    for (uint32_t i = 0; i < d->n_vertices; i++)
        if (c->fates[order[i]] != BRIDGED)
            dag_order_append(left, numbers[order[i]]);
    free(numbers);
    return left;
}

/* Takes out those of `removed` that have one parent at most, once others were taken out; the others become joins.
 * Returns which of the vertices that are left those are; the caller frees them. */
static bool *contract(struct dag *d, const bool *removed)
{
    struct contraction c = {.d = d,
                            .fates = xcalloc((size_t)d->n_vertices + 1, sizeof(*c.fates)),
                            .origins = xcalloc((size_t)d->n_vertices + 1, sizeof(*c.origins))};
    uint32_t *order = dag_order(d);
    bool *joins;

    for (uint32_t i = 0; i < d->n_vertices; i++)
        if (removed[order[i]])
            decide(&c, order[i]);
    become(d, build_contracted(&c, order, &joins));
    free(order);
    free(c.fates);
    free(c.origins);
    return joins;
}

void dag_prune(struct dag *d, const bool *removed)
{
    bool *joins = contract(d, removed), *joins_left;

    /* Of the joins, those with one child at most are taken out in the same way from the other side. */
    dag_reverse(d);
    joins_left = contract(d, joins);
    dag_reverse(d);
    free(joins);
    free(joins_left);
}

void dag_keep(struct dag *d, const bool *kept)
{
    struct contraction c = {.d = d,
                            .fates = xcalloc((size_t)d->n_vertices + 1, sizeof(*c.fates)),
                            .origins = xcalloc((size_t)d->n_vertices + 1, sizeof(*c.origins))};
    uint32_t *order = dag_order(d);
    bool *joins;

    for (uint32_t v = 0; v < d->n_vertices; v++) {
        c.fates[v] = kept[v] ? STAYS : BRIDGED;
        c.origins[v].vertex = DAG_NONE;
    }
    become(d, build_contracted(&c, order, &joins));
    free(joins);
    free(order);
    free(c.fates);
    free(c.origins);
}
