#include "core/outline.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define HIDDEN UINT32_MAX

/* ---- edges ---- */

static int compare_edges(const void *a, const void *b)
{
    const struct outline_edge *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return (x->on > y->on) - (x->on < y->on);
}

static void add_edge(struct outline *o, struct outline_edge edge)
{
    o->edges = xgrow(o->edges, o->n_edges, &o->edges_capacity, sizeof(*o->edges));
    o->edges[o->n_edges++] = edge;
}

/* Sorts, and makes one of equal ones. */
static uint64_t merge_edges(struct outline_edge *edges, uint64_t n)
{
    uint64_t n_kept = 0;

    if (n > 0)
        qsort(edges, n, sizeof(*edges), compare_edges);
    for (uint64_t i = 0; i < n; i++) {
        if (n_kept > 0 && compare_edges(&edges[n_kept - 1], &edges[i]) == 0)
            edges[n_kept - 1].n += edges[i].n;
        else
            edges[n_kept++] = edges[i];
    }
    return n_kept;
}

static void index_edges(struct outline *o)
{
    o->n_edges = merge_edges(o->edges, o->n_edges);
    o->first = xcalloc((size_t)o->n_vertices + 1, sizeof(*o->first));
    for (uint64_t i = 0; i < o->n_edges; i++)
        o->first[o->edges[i].from + 1]++;
    for (uint32_t v = 0; v < o->n_vertices; v++)
        o->first[v + 1] += o->first[v];
}

static bool is_chosen(const bool *chosen, task_id t)
{
    return chosen == NULL || chosen[t];
}

/* What two edges with a join between them ask for; one of both says ok. */
static enum graph_condition through_join(enum graph_condition in, enum graph_condition out)
{
    return in != ON_OK ? in : out;
}

/* ---- tasks ---- */

/* Joins with one edge on one side are bridged; the others are points. */
struct task_drawing
{
    const struct graph *g;
    const bool *chosen;
    struct outline *o;
    uint32_t *vertex; /* of each task; HIDDEN: none */
    struct outline_edge *stack; /* edges into joins that are to be bridged; `to` is a task of the graph */
    size_t n_stack;
    size_t stack_capacity;
};

static void choose_vertices(struct task_drawing *d)
{
    const struct graph *g = d->g;
    uint32_t *n_in = xcalloc((size_t)g->n_tasks + 1, sizeof(*n_in));
    uint32_t *n_out = xcalloc((size_t)g->n_tasks + 1, sizeof(*n_out));

    for (task_id t = 0; t < g->n_tasks; t++)
        for (uint64_t e = g->child_first[t]; is_chosen(d->chosen, t) && e < g->child_first[t + 1]; e++)
            if (is_chosen(d->chosen, g->children[e])) {
                n_out[t]++;
                n_in[g->children[e]]++;
            }
    for (task_id t = 0; t < g->n_tasks; t++) {
        bool is_join = task_is_join(&g->tasks[t]);

        d->vertex[t] = HIDDEN;
        if (!is_chosen(d->chosen, t) || (is_join && (n_in[t] < 2 || n_out[t] < 2)))
            continue;
        d->vertex[t] = d->o->n_vertices;
        d->o->vertices[d->o->n_vertices++] = (struct outline_vertex){is_join ? NULL : g->tasks[t].id, !is_join};
    }
    free(n_in);
    free(n_out);
}

static void push_edge(struct task_drawing *d, struct outline_edge edge)
{
    d->stack = xgrow(d->stack, d->n_stack, &d->stack_capacity, sizeof(*d->stack));
    d->stack[d->n_stack++] = edge;
}

/* Draws the edges that leave task `t` for those whose first part, so far, is `so_far`. */
static void draw_children(struct task_drawing *d, task_id t, const struct outline_edge *so_far)
{
    const struct graph *g = d->g;

    for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++) {
        task_id child = g->children[e];
        struct outline_edge edge = *so_far;

        if (!is_chosen(d->chosen, child))
            continue;
        edge.on = through_join(so_far->on, graph_condition_at(g, e));
        edge.to = d->vertex[child] != HIDDEN ? d->vertex[child] : child;
        if (d->vertex[child] != HIDDEN)
            add_edge(d->o, edge);
        else
            push_edge(d, edge);
    }
}

void outline_tasks(struct outline *o, const struct graph *g, const bool *chosen)
{
    struct task_drawing d = {.g = g, .chosen = chosen, .o = o};

    d.vertex = xcalloc((size_t)g->n_tasks + 1, sizeof(*d.vertex));
    *o = (struct outline){.vertices = xcalloc((size_t)g->n_tasks + 1, sizeof(*o->vertices))};
    choose_vertices(&d);
    for (task_id t = 0; t < g->n_tasks; t++) {
        if (d.vertex[t] == HIDDEN)
            continue;
        draw_children(&d, t, &(struct outline_edge){.from = d.vertex[t], .on = ON_OK, .n = 1});
        while (d.n_stack > 0) {
            struct outline_edge edge = d.stack[--d.n_stack];

            draw_children(&d, edge.to, &edge);
        }
    }
    index_edges(o);
    free(d.vertex);
    free(d.stack);
}

/* ---- programs ---- */

struct program_drawing
{
    const struct graph *g;
    const bool *chosen;
    struct outline *o;
    uint32_t *vertex;  /* of each program; HIDDEN: none so far */
    struct outline *joins; /* of each join, by its place in `join_of`: what comes in (`from`: a program's vertex) */
    uint32_t *join_of;     /* of each task that is a join, its number */
};

static void count_programs(struct program_drawing *d)
{
    const struct graph *g = d->g;
    uint32_t n_joins = 0;

    memset(d->vertex, 0xff, ((size_t)g->n_programs + 1) * sizeof(*d->vertex));
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t program = g->tasks[t].program;

        if (task_is_join(&g->tasks[t]))
            d->join_of[t] = n_joins++;
        if (task_is_join(&g->tasks[t]) || !is_chosen(d->chosen, t))
            continue;
        if (d->vertex[program] == HIDDEN) {
            d->vertex[program] = d->o->n_vertices;
            d->o->vertices[d->o->n_vertices++].name = g->programs[program];
        }
        d->o->vertices[d->vertex[program]].n_tasks++;
    }
}

/* An edge between programs, or into a join, where it is kept until the join's turn comes. */
static void draw_to(struct program_drawing *d, task_id child, struct outline_edge edge)
{
    const struct task *task = &d->g->tasks[child];

    if (task_is_join(task)) {
        edge.to = 0;
        add_edge(&d->joins[d->join_of[child]], edge);
    } else {
        edge.to = d->vertex[task->program];
        add_edge(d->o, edge);
    }
}

/* Each kind of what comes in goes on to each child. */
static void pass_join(struct program_drawing *d, task_id join)
{
    const struct graph *g = d->g;
    struct outline *in = &d->joins[d->join_of[join]];

    in->n_edges = merge_edges(in->edges, in->n_edges);
    for (uint64_t e = g->child_first[join]; e < g->child_first[join + 1]; e++) {
        for (uint64_t i = 0; i < in->n_edges && is_chosen(d->chosen, g->children[e]); i++) {
            struct outline_edge edge = in->edges[i];

            edge.on = through_join(edge.on, graph_condition_at(g, e));
            draw_to(d, g->children[e], edge);
        }
    }
    free(in->edges);
    in->edges = NULL;
}

static void pass_task(struct program_drawing *d, task_id t)
{
    const struct graph *g = d->g;
    uint32_t from = d->vertex[g->tasks[t].program];

    for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
        if (is_chosen(d->chosen, g->children[e]))
            draw_to(d, g->children[e], (struct outline_edge){.from = from, .on = graph_condition_at(g, e), .n = 1});
}

/* The edges that were drawn are merged now and then, so that there are never many more than programs have. */
#define MERGE_AT 1000000

void outline_programs(struct outline *o, const struct graph *g, const bool *chosen)
{
    struct program_drawing d = {.g = g, .chosen = chosen, .o = o};
    task_id *order = graph_topological_order(g);
    uint64_t merge_at = MERGE_AT;

    *o = (struct outline){.vertices = xcalloc((size_t)g->n_programs + 1, sizeof(*o->vertices))};
    d.vertex = xmalloc(((size_t)g->n_programs + 1) * sizeof(*d.vertex));
    d.join_of = xcalloc((size_t)g->n_tasks + 1, sizeof(*d.join_of));
    d.joins = xcalloc((size_t)g->n_joins + 1, sizeof(*d.joins));
    count_programs(&d);
    for (uint32_t i = 0; i < g->n_tasks; i++) {
        if (!is_chosen(chosen, order[i]))
            continue;
        (task_is_join(&g->tasks[order[i]]) ? pass_join : pass_task)(&d, order[i]);
        if (o->n_edges > merge_at) {
            o->n_edges = merge_edges(o->edges, o->n_edges);
            merge_at = 2 * o->n_edges + MERGE_AT;
        }
    }
    index_edges(o);
    free(order);
    free(d.vertex);
    free(d.join_of);
    free(d.joins);
}

void outline_release(struct outline *o)
{
    free(o->vertices);
    free(o->edges);
    free(o->first);
    *o = (struct outline){0};
}

/* ---- a neighbourhood ---- */

/* The graph's edges in one direction. */
struct links
{
    uint64_t *first;
    task_id *each;
};

static struct links reverse_links(const struct graph *g)
{
    struct links r = {xcalloc((size_t)g->n_tasks + 2, sizeof(*r.first)), xcalloc(g->n_edges + 1, sizeof(*r.each))};

    for (uint64_t e = 0; e < g->n_edges; e++)
        r.first[g->children[e] + 2]++;
    for (task_id t = 0; t < g->n_tasks; t++)
        r.first[t + 2] += r.first[t + 1];
    for (task_id t = 0; t < g->n_tasks; t++)
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            r.each[r.first[g->children[e] + 1]++] = t;
    return r;
}

/* Chooses what is up to n_steps away. Joins belong to the step that leads to them, and come before what is one step
 * further. */
static void walk(const struct graph *g, const struct links *links, task_id from, uint32_t n_steps, bool *chosen)
{
    size_t room = (size_t)g->n_tasks + 1, head = room, end = room;
    task_id *queue = xmalloc(2 * room * sizeof(*queue));
    uint32_t *step = xcalloc(room, sizeof(*step)); /* 1 for where it starts; 0: not met */

    queue[end++] = from;
    step[from] = 1;
    while (head < end) {
        task_id t = queue[head++];

        chosen[t] = true;
        for (uint64_t e = links->first[t]; step[t] <= n_steps && e < links->first[t + 1]; e++) {
            task_id next = links->each[e];
            bool is_join = task_is_join(&g->tasks[next]);

            if (step[next] != 0)
                continue;
            step[next] = step[t] + !is_join;
            queue[is_join ? --head : end++] = next;
        }
    }
    free(queue);
    free(step);
}

bool *outline_neighbourhood(const struct graph *g, task_id task, uint32_t n_steps)
{
    bool *chosen = xcalloc((size_t)g->n_tasks + 1, sizeof(*chosen));
    struct links on = {g->child_first, g->children}, back = reverse_links(g);

    walk(g, &on, task, n_steps, chosen);
    walk(g, &back, task, n_steps, chosen);
    free(back.first);
    free(back.each);
    return chosen;
}
