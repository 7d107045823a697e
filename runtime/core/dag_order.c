/* The order in which parents come first, while edges are added. */
#include "core/dag_parts.h"

#include <assert.h>
#include <stdlib.h>

#define LABEL_BITS 62
#define FIRST_LABEL (UINT64_C(1) << (LABEL_BITS - 1))
#define STRIDE (UINT64_C(1) << 20) /* between labels at the ends */
#define DENSITY 1.3 /* a range of 2^i labels may hold (2 / DENSITY)^i vertices */

enum { BEFORE, AFTER };

/* ---- a list with labels ---- */

static uint64_t label_of(const struct dag *d, uint32_t v)
{
    return d->vertices[v].label;
}

/* Gives labels that are far apart to the neighbours of a vertex: to as many as it takes. */
static void spread_labels(struct dag *d, uint32_t around)
{
    uint32_t first = around, last = around, next;
    uint64_t n = 1, low = 0, step;
    double most = 1;
    uint32_t bits = 1;

    for (; bits < LABEL_BITS; bits++) {
        uint64_t size = UINT64_C(1) << bits;

        most *= 2 / DENSITY;
        low = label_of(d, around) & ~(size - 1);
        while ((next = d->vertices[first].place[BEFORE]) != DAG_NONE && label_of(d, next) >= low) {
            first = next;
            n++;
        }
        while ((next = d->vertices[last].place[AFTER]) != DAG_NONE && label_of(d, next) - low < size) {
            last = next;
            n++;
        }
        if ((double)n < most && size / n >= 4)
            break;
    }
    step = (UINT64_C(1) << bits) / n;
    for (uint32_t v = first;; v = d->vertices[v].place[AFTER]) {
        d->vertices[v].label = low + step / 2;
        low += step;
        if (v == last)
            break;
    }
}

/* A label between those of two neighbours; there may be none on one side. */
static uint64_t label_between(struct dag *d, uint32_t before, uint32_t after)
{
    if (before == DAG_NONE && after == DAG_NONE)
        return FIRST_LABEL;
    if (before == DAG_NONE && label_of(d, after) > STRIDE)
        return label_of(d, after) - STRIDE;
    if (after == DAG_NONE)
        return label_of(d, before) + STRIDE;
    if (label_of(d, after) - (before == DAG_NONE ? 0 : label_of(d, before)) < 2)
        spread_labels(d, after);
    return label_of(d, after) - (label_of(d, after) - (before == DAG_NONE ? 0 : label_of(d, before))) / 2;
}

static void set_neighbours(struct dag *d, uint32_t before, uint32_t after)
{
    *(before != DAG_NONE ? &d->vertices[before].place[AFTER] : &d->ends[AFTER]) = after;
    *(after != DAG_NONE ? &d->vertices[after].place[BEFORE] : &d->ends[BEFORE]) = before;
}

/* Between two neighbours; DAG_NONE: at that end. */
static void insert(struct dag *d, uint32_t v, uint32_t before, uint32_t after)
{
    d->vertices[v].label = label_between(d, before, after);
    set_neighbours(d, before, v);
    set_neighbours(d, v, after);
}

static void take_out(struct dag *d, uint32_t v)
{
    set_neighbours(d, d->vertices[v].place[BEFORE], d->vertices[v].place[AFTER]);
}

static void insert_after(struct dag *d, uint32_t v, uint32_t anchor)
{
    insert(d, v, anchor, d->vertices[anchor].place[AFTER]);
}

static void insert_before(struct dag *d, uint32_t v, uint32_t anchor)
{
    insert(d, v, d->vertices[anchor].place[BEFORE], anchor);
}

void dag_order_append(struct dag *d, uint32_t vertex)
{
    insert(d, vertex, d->ends[BEFORE], DAG_NONE);
}

/* ---- heaps: from children the first in the order, from parents the last ---- */

static bool is_nearer(const struct dag *d, enum dag_direction to, uint32_t a, uint32_t b)
{
    return to == DAG_ON ? dag_is_before(d, a, b) : dag_is_before(d, b, a);
}

static void heap_push(struct dag *d, enum dag_direction to, uint32_t v)
{
    struct dag_side *s = &d->sides[to];
    size_t i = s->n_heap;

    s->heap = xgrow(s->heap, s->n_heap, &s->heap_capacity, sizeof(*s->heap));
    s->n_heap++;
    for (; i > 0 && is_nearer(d, to, v, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = v;
}

static void heap_pop(struct dag *d, enum dag_direction to)
{
    struct dag_side *s = &d->sides[to];
    uint32_t v = s->heap[--s->n_heap];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < s->n_heap) {
        if (child + 1 < s->n_heap && is_nearer(d, to, s->heap[child + 1], s->heap[child]))
            child++;
        if (!is_nearer(d, to, s->heap[child], v))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = v;
}

/* The nearest with an edge that was not followed; DAG_NONE: none is left. */
static uint32_t heap_top(struct dag *d, enum dag_direction to)
{
    struct dag_side *s = &d->sides[to];

    while (s->n_heap > 0 && d->vertices[s->heap[0]].at == DAG_NONE)
        heap_pop(d, to);
    return s->n_heap > 0 ? s->heap[0] : DAG_NONE;
}

/* ---- the search ---- */

static uint32_t mark_of(const struct dag *d, enum dag_direction to)
{
    return 2 * d->n_searches + (uint32_t)to;
}

static void begin_search(struct dag *d)
{
    d->n_searches++;
    if (d->n_searches == UINT32_MAX / 2) { /* marks start again */
        for (uint32_t v = 0; v < d->n_vertices; v++)
            d->vertices[v].mark = 0;
        d->n_searches = 1;
    }
    for (int to = DAG_BACK; to <= DAG_ON; to++)
        d->sides[to].n_met = d->sides[to].n_heap = 0;
}

static void meet(struct dag *d, enum dag_direction to, uint32_t v)
{
    struct dag_side *s = &d->sides[to];

    d->vertices[v].mark = mark_of(d, to);
    d->vertices[v].at = d->vertices[v].first[to];
    s->met = xgrow(s->met, s->n_met, &s->met_capacity, sizeof(*s->met));
    s->met[s->n_met++] = v;
    if (d->vertices[v].at != DAG_NONE)
        heap_push(d, to, v);
}

/* Follows one edge. False when it leads to what was met from the other side: a cycle. */
static bool follow_one(struct dag *d, enum dag_direction to, uint32_t v)
{
    uint32_t edge = d->vertices[v].at, next = dag_end(d, edge, to), mark = d->vertices[next].mark;

    d->vertices[v].at = dag_next(d, edge, to);
    if (mark == mark_of(d, to == DAG_ON ? DAG_BACK : DAG_ON))
        return false;
    if (mark != mark_of(d, to))
        meet(d, to, next);
    return true;
}

/* From both ends, an edge each, as long as the two sides have not passed each other. */
static bool search(struct dag *d, uint32_t parent, uint32_t child)
{
    uint32_t on, back;

    begin_search(d);
    meet(d, DAG_ON, child);
    meet(d, DAG_BACK, parent);
    while ((on = heap_top(d, DAG_ON)) != DAG_NONE && (back = heap_top(d, DAG_BACK)) != DAG_NONE &&
           dag_is_before(d, on, back))
        if (!follow_one(d, DAG_ON, on) || !follow_one(d, DAG_BACK, back))
            return false;
    return true;
}

/* ---- mending the order ---- */

struct labelled
{
    uint64_t label;
    uint32_t vertex;
};

static int compare_labels(const void *a, const void *b)
{
    uint64_t x = ((const struct labelled *)a)->label, y = ((const struct labelled *)b)->label;

    return (x > y) - (x < y);
}

/* Those that were met on a side and stand on the wrong side of `t`, in their order; taken out. */
static struct labelled *take_misplaced(struct dag *d, enum dag_direction to, uint32_t t, size_t *n)
{
    const struct dag_side *s = &d->sides[to];
    struct labelled *each = xmalloc((s->n_met + 1) * sizeof(*each));

    *n = 0;
    for (size_t i = 0; i < s->n_met; i++)
        if (s->met[i] != t && is_nearer(d, to, s->met[i], t))
            each[(*n)++] = (struct labelled){label_of(d, s->met[i]), s->met[i]};
    qsort(each, *n, sizeof(*each), compare_labels);
    for (size_t i = 0; i < *n; i++)
        take_out(d, each[i].vertex);
    return each;
}

/* What was met from the child goes behind what was met from the parent, both near `t`: where the child's side has
 * edges left, the first vertex with one, so that what lies behind those edges need not be known. */
static void mend(struct dag *d, uint32_t parent)
{
    uint32_t top = heap_top(d, DAG_ON), anchor;
    uint32_t t = top != DAG_NONE && dag_is_before(d, top, parent) ? top : parent;
    struct labelled *on, *back;
    size_t n_on, n_back;

    on = take_misplaced(d, DAG_ON, t, &n_on);
    back = take_misplaced(d, DAG_BACK, t, &n_back);
    anchor = t;
    if (t == parent) {
        assert(n_back == 0);
        for (size_t i = 0; i < n_on; i++) {
            insert_after(d, on[i].vertex, anchor);
            anchor = on[i].vertex;
        }
    } else {
        for (size_t i = n_on; i-- > 0;) {
            insert_before(d, on[i].vertex, anchor);
            anchor = on[i].vertex;
        }
        for (size_t i = n_back; i-- > 0;) {
            insert_before(d, back[i].vertex, anchor);
            anchor = back[i].vertex;
        }
    }
    free(on);
    free(back);
}

bool dag_order_admit(struct dag *d, uint32_t parent, uint32_t child)
{
    if (parent == child)
        return false;
    if (dag_is_before(d, parent, child))
        return true;
    if (!search(d, parent, child))
        return false;
    mend(d, parent);
    return true;
}

/* ---- all at once ---- */

/* Every vertex that Kahn's algorithm left has a parent that it left too; who goes from parent to parent often enough
 * walks round a cycle at last. */
static uint32_t find_on_cycle(const struct dag *d, const uint32_t *n_missing)
{
    uint32_t v = 0;

    while (n_missing[v] == 0)
        v++;
    for (uint32_t steps = 0; steps < d->n_vertices; steps++) {
        uint32_t e = dag_first(d, v, DAG_BACK);

        while (n_missing[dag_end(d, e, DAG_BACK)] == 0)
            e = dag_next(d, e, DAG_BACK);
        v = dag_end(d, e, DAG_BACK);
    }
    return v;
}

bool dag_order_rebuild(struct dag *d, uint32_t *on_cycle, bool *is_left)
{
    uint32_t *n_missing = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*n_missing));
    uint32_t *order = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*order)), n_ordered = 0;

    for (uint32_t v = 0; v < d->n_vertices; v++) {
        n_missing[v] = d->vertices[v].n[DAG_BACK];
        if (n_missing[v] == 0)
            order[n_ordered++] = v;
    }
    for (uint32_t i = 0; i < n_ordered; i++)
        for (uint32_t e = dag_first(d, order[i], DAG_ON); e != DAG_NONE; e = dag_next(d, e, DAG_ON))
            if (--n_missing[dag_end(d, e, DAG_ON)] == 0)
                order[n_ordered++] = dag_end(d, e, DAG_ON);
    if (n_ordered < d->n_vertices)
        *on_cycle = find_on_cycle(d, n_missing);
    for (uint32_t v = 0; v < d->n_vertices; v++)
        is_left[v] = n_missing[v] > 0;
    d->ends[BEFORE] = d->ends[AFTER] = DAG_NONE;
    for (uint32_t i = 0; i < n_ordered; i++)
        dag_order_append(d, order[i]);
    free(n_missing);
    free(order);
    return n_ordered == d->n_vertices;
}

uint32_t *dag_order(const struct dag *d)
{
    uint32_t *order = xmalloc(((size_t)d->n_vertices + 1) * sizeof(*order)), n = 0;

    for (uint32_t v = d->ends[AFTER]; v != DAG_NONE; v = d->vertices[v].place[AFTER])
        order[n++] = v;
    return order;
}
