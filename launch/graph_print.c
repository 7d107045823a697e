#include "launch/graph_print.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const condition_words[] = {[ON_OK] = "ok", [ON_ANY] = "any", [ON_NOTOK] = "notok"};

/* ---- DOT ---- */

/* Part of a quoted string: in labels, a backslash begins an escape and & a character's name. */
static void put_escaped(const char *text, FILE *file)
{
    char *utf8 = utf8_repaired(text);

    for (const char *p = utf8; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(file, "\\%c", *p);
        else if (*p == '&')
            fprintf(file, "&amp;");
        else
            putc((unsigned char)*p < ' ' || *p == 127 ? ' ' : *p, file);
    }
    free(utf8);
}

static const char *label_of(const struct outline_vertex *v)
{
    return v->name != NULL ? v->name : "(no program)";
}

static void print_dot_vertex(uint32_t number, const struct outline_vertex *v, FILE *file)
{
    if (v->n_tasks == 0) {
        fprintf(file, "  v%" PRIu32 " [shape=point];\n", number);
        return;
    }
    fprintf(file, "  v%" PRIu32 " [label=\"", number);
    put_escaped(label_of(v), file);
    if (v->n_tasks > 1)
        fprintf(file, "\\n%" PRIu32 " tasks\", penwidth=2];\n", v->n_tasks);
    else
        fprintf(file, "\"];\n");
}

static void print_dot_edge(const struct outline_edge *e, FILE *file)
{
    fprintf(file, "  v%" PRIu32 " -> v%" PRIu32, e->from, e->to);
    if (e->on != ON_OK && e->n > 1)
        fprintf(file, " [style=dashed, label=\"%s, %" PRIu64 "\"]", condition_words[e->on], e->n);
    else if (e->on != ON_OK)
        fprintf(file, " [style=dashed, label=\"%s\"]", condition_words[e->on]);
    else if (e->n > 1)
        fprintf(file, " [label=\"%" PRIu64 "\"]", e->n);
    fprintf(file, ";\n");
}

void graph_print_dot(const struct outline *o, const char *name, FILE *file)
{
    fprintf(file, "digraph \"");
    put_escaped(name, file);
    fprintf(file, "\" {\n  node [shape=box];\n");
    for (uint32_t v = 0; v < o->n_vertices; v++)
        print_dot_vertex(v, &o->vertices[v], file);
    for (uint64_t e = 0; e < o->n_edges; e++)
        print_dot_edge(&o->edges[e], file);
    fprintf(file, "}\n");
}

/* ---- a tree ---- */

struct tree
{
    const struct outline *o;
    uint32_t depth;
    uint32_t width;
    bool *is_shown; /* of each vertex */
    struct buffer indent; /* of the lines of what is being printed */
    FILE *file;
};

static void print_name(const struct tree *t, uint32_t vertex)
{
    const struct outline_vertex *v = &t->o->vertices[vertex];
    char *utf8 = utf8_repaired(label_of(v));

    for (char *p = utf8; *p != '\0'; p++)
        putc((unsigned char)*p < ' ' || *p == 127 ? ' ' : *p, t->file);
    if (v->n_tasks > 1)
        fprintf(t->file, " (%" PRIu32 " tasks)", v->n_tasks);
    free(utf8);
}

/* The numbers of the first `n` edges from a vertex, with those behind a point in place of the edge to it. Returns how
 * many there are. Joins do not wait for joins, or not for many: no depth to speak of. */
static uint64_t collect_edges(const struct outline *o, uint32_t vertex, uint64_t *edges, uint64_t n)
{
    uint64_t n_found = 0;

    for (uint64_t e = o->first[vertex]; n_found < n && e < o->first[vertex + 1]; e++) {
        uint32_t to = o->edges[e].to;

        if (o->vertices[to].n_tasks == 0)
            n_found += collect_edges(o, to, edges + n_found, n - n_found);
        else
            edges[n_found++] = e;
    }
    return n_found;
}

static uint64_t count_edges(const struct outline *o, uint32_t vertex)
{
    uint64_t n = 0;

    for (uint64_t e = o->first[vertex]; e < o->first[vertex + 1]; e++) {
        uint32_t to = o->edges[e].to;

        n += o->vertices[to].n_tasks == 0 ? count_edges(o, to) : 1;
    }
    return n;
}

static void print_branch(struct tree *t, const char *branch)
{
    if (t->indent.n > 0)
        fwrite(t->indent.bytes, 1, t->indent.n, t->file);
    fputs(branch, t->file);
}

static void print_children(struct tree *t, uint32_t vertex, uint32_t depth);

static void print_child(struct tree *t, const struct outline_edge *edge, bool is_last, uint32_t depth)
{
    size_t n_indent = t->indent.n;

    print_branch(t, is_last ? "└─ " : "├─ ");
    print_name(t, edge->to);
    if (edge->on != ON_OK)
        fprintf(t->file, " [%s]", condition_words[edge->on]);
    fprintf(t->file, "%s\n", t->is_shown[edge->to] ? " (again)" : "");
    if (t->is_shown[edge->to])
        return;
    buffer_printf(&t->indent, "%s", is_last ? "   " : "│  ");
    print_children(t, edge->to, depth);
    t->indent.n = n_indent;
}

/* Those of a vertex that is at `depth`. */
static void print_children(struct tree *t, uint32_t vertex, uint32_t depth)
{
    uint64_t n = count_edges(t->o, vertex), n_shown = depth >= t->depth ? 0 : n <= t->width ? n : t->width - 1;
    uint64_t *edges = xcalloc(n_shown + 1, sizeof(*edges));

    t->is_shown[vertex] = true;
    n_shown = collect_edges(t->o, vertex, edges, n_shown);
    for (uint64_t i = 0; i < n_shown; i++)
        print_child(t, &t->o->edges[edges[i]], i + 1 == n, depth + 1);
    free(edges);
    if (n > n_shown) {
        print_branch(t, "└─ ");
        fprintf(t->file, "… %" PRIu64 "%s\n", n - n_shown, n_shown > 0 ? " more" : " below");
    }
}

/* What can be reached from a vertex. */
static void reach(const struct outline *o, uint32_t from, bool *is_reached, uint32_t *stack)
{
    size_t n = 0;

    is_reached[from] = true;
    stack[n++] = from;
    while (n > 0) {
        uint32_t v = stack[--n];

        for (uint64_t e = o->first[v]; e < o->first[v + 1]; e++) {
            if (is_reached[o->edges[e].to])
                continue;
            is_reached[o->edges[e].to] = true;
            stack[n++] = o->edges[e].to;
        }
    }
}

/* Where trees begin: at what waits for nothing else, and somewhere in each circle of programs that nothing leads
 * into. Returns how many. */
static uint32_t find_roots(const struct outline *o, uint32_t *roots)
{
    bool *is_reached = xcalloc((size_t)o->n_vertices + 1, sizeof(*is_reached));
    bool *has_parent = xcalloc((size_t)o->n_vertices + 1, sizeof(*has_parent));
    uint32_t *stack = xcalloc((size_t)o->n_vertices + 1, sizeof(*stack));
    uint32_t n = 0;

    for (uint64_t e = 0; e < o->n_edges; e++)
        if (o->edges[e].from != o->edges[e].to)
            has_parent[o->edges[e].to] = true;
    for (uint32_t v = 0; v < o->n_vertices; v++)
        if (!has_parent[v])
            reach(o, roots[n++] = v, is_reached, stack);
    for (uint32_t v = 0; v < o->n_vertices; v++)
        if (!is_reached[v])
            reach(o, roots[n++] = v, is_reached, stack);
    free(is_reached);
    free(has_parent);
    free(stack);
    return n;
}

void graph_print_tree(const struct outline *o, uint32_t depth, uint32_t width, FILE *file)
{
    struct tree t = {.o = o, .depth = depth, .width = width, .file = file, .indent = BUFFER_EMPTY};
    uint32_t *roots = xcalloc((size_t)o->n_vertices + 1, sizeof(*roots));
    uint32_t n = find_roots(o, roots), n_shown = n <= width ? n : width - 1;

    t.is_shown = xcalloc((size_t)o->n_vertices + 1, sizeof(*t.is_shown));
    for (uint32_t i = 0; i < n_shown; i++) {
        print_name(&t, roots[i]);
        putc('\n', file);
        print_children(&t, roots[i], 1);
    }
    if (n > n_shown)
        fprintf(file, "… %" PRIu32 " more\n", n - n_shown);
    free(roots);
    free(t.is_shown);
    buffer_release(&t.indent);
}
