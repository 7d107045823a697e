#include "taskbench/pattern.h"

#include <assert.h>
#include <string.h>

static const char *const names[PATTERN_N_KINDS] = {
    [PATTERN_TRIVIAL] = "trivial",
    [PATTERN_NO_COMM] = "no_comm",
    [PATTERN_STENCIL_1D] = "stencil_1d",
    [PATTERN_DOM] = "dom",
    [PATTERN_TREE] = "tree",
    [PATTERN_FFT] = "fft",
    [PATTERN_ALL_TO_ALL] = "all_to_all",
    [PATTERN_NEAREST] = "nearest",
    [PATTERN_SPREAD] = "spread",
    [PATTERN_RANDOM_NEAREST] = "random_nearest",
};

/* Columns that are being collected; those outside lowest..highest are left out. */
struct columns
{
    int *columns;
    int n;
    int lowest;
    int highest;
};

const char *pattern_name(enum pattern_kind kind)
{
    return names[kind];
}

enum pattern_kind pattern_of_name(const char *name)
{
    for (int kind = 0; kind < PATTERN_N_KINDS; kind++) {
        if (strcmp(names[kind], name) == 0)
            return (enum pattern_kind)kind;
    }
    return PATTERN_N_KINDS;
}

static int min(int a, int b)
{
    return a < b ? a : b;
}

static int max(int a, int b)
{
    return a > b ? a : b;
}

/* The least k with 2^k >= n. */
static int log2_up(int n)
{
    int k = 0;

    while ((1L << k) < n)
        k++;
    return k;
}

/* ---- the columns of a step ---- */

static int dom_width(const struct pattern *p)
{
    return min(p->width, p->n_steps / 2 + p->n_steps % 2);
}

/* How far the tree has fanned out: 2^depth columns, as far as there are so many. */
static int tree_depth(const struct pattern *p, int step)
{
    int deepest = log2_up(p->width);
    int phase = deepest == 0 ? 0 : step % (2 * deepest);

    return phase <= deepest ? phase : 2 * deepest - phase;
}

int pattern_step_width(const struct pattern *p, int step, int *first)
{
    *first = 0;
    switch (p->kind) {
    case PATTERN_DOM:
        *first = max(0, step + dom_width(p) - p->n_steps);
        return min(dom_width(p), step + 1) - *first;
    case PATTERN_TREE: {
        long full = 1L << tree_depth(p, step);

        return full < p->width ? (int)full : p->width;
    }
    default:
        return p->width;
    }
}

static void columns_start(struct columns *c, const struct pattern *p, int step, int *room)
{
    int first;
    int n = pattern_step_width(p, step, &first);

    *c = (struct columns){.columns = room, .lowest = first, .highest = first + n - 1};
}

static void columns_add(struct columns *c, long column)
{
    if (column >= c->lowest && column <= c->highest)
        c->columns[c->n++] = (int)column;
}

static void columns_add_range(struct columns *c, long from, long to)
{
    from = from < c->lowest ? c->lowest : from;
    to = to > c->highest ? c->highest : to;
    for (; from <= to; from++)
        columns_add(c, from);
}

/* ---- what both directions share ---- */

static void add_tree_parents(struct columns *c, const struct pattern *p, int from_step, int to_step, int column)
{
    if (tree_depth(p, from_step) < tree_depth(p, to_step))
        columns_add(c, column / 2);
    else if (tree_depth(p, from_step) > tree_depth(p, to_step))
        columns_add_range(c, 2L * column, 2L * column + 1);
    else
        columns_add(c, column);
}

/* The relation of step t to step t - 1 is the same both ways. */
static void add_butterfly(struct columns *c, const struct pattern *p, int t, int column)
{
    int n_stages = log2_up(p->width);
    long distance = n_stages == 0 ? p->width : 1L << ((t - 1) % n_stages);

    columns_add(c, column - distance);
    columns_add(c, column);
    columns_add(c, column + distance);
}

static void sort(int *columns, int n)
{
    for (int i = 1; i < n; i++) {
        int column = columns[i];
        int k = i;

        for (; k > 0 && columns[k - 1] > column; k--)
            columns[k] = columns[k - 1];
        columns[k] = column;
    }
}

/* Step t reads column + sign * offset (modulo width) of step t - 1 with sign 1; who is read, with -1. */
static void add_spread(struct columns *c, const struct pattern *p, int t, int column, int sign)
{
    int n = min(p->radix, p->width);

    for (int k = 0; k < n; k++) {
        long offset = ((long)k * p->width / n + t) % p->width;

        columns_add(c, (column + sign * offset + p->width) % p->width);
    }
    sort(c->columns, c->n);
}

/* The finalizer of splitmix64 (G. Steele et al., "Fast splittable pseudorandom number generators", 2014). */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Does the task (t, reader) read column `read` of step t - 1? */
static bool is_drawn(const struct pattern *p, int t, int reader, int read)
{
    uint64_t draw = mix(mix(mix(p->seed ^ (uint64_t)t) ^ (uint64_t)reader) ^ (uint64_t)read);

    return (double)(draw >> 11) * 0x1p-53 < p->share;
}

/* ---- the two directions ---- */

int pattern_inputs(const struct pattern *p, int step, int column, int *columns)
{
    struct columns c;

    assert(step >= 0 && step < p->n_steps);
    if (step == 0)
        return 0;
    columns_start(&c, p, step - 1, columns);
    switch (p->kind) {
    case PATTERN_TRIVIAL: break;
    case PATTERN_NO_COMM: columns_add(&c, column); break;
    case PATTERN_STENCIL_1D: columns_add_range(&c, column - 1L, column + 1L); break;
    case PATTERN_DOM: columns_add_range(&c, column - 1L, column); break;
    case PATTERN_TREE: add_tree_parents(&c, p, step - 1, step, column); break;
    case PATTERN_FFT: add_butterfly(&c, p, step, column); break;
    case PATTERN_ALL_TO_ALL: columns_add_range(&c, 0, p->width - 1L); break;
    case PATTERN_NEAREST:
        columns_add_range(&c, column - (p->radix - 1L) / 2, column + p->radix / 2L);
        break;
    case PATTERN_SPREAD: add_spread(&c, p, step, column, 1); break;
    case PATTERN_RANDOM_NEAREST:
        for (long read = column - (p->radix - 1L) / 2; read <= column + p->radix / 2L; read++) {
            if (is_drawn(p, step, column, (int)read))
                columns_add(&c, read);
        }
        break;
    case PATTERN_N_KINDS: assert(!"a kind of pattern");
    }
    return c.n;
}

int pattern_outputs(const struct pattern *p, int step, int column, int *columns)
{
    struct columns c;

    assert(step >= 0 && step < p->n_steps);
    if (step + 1 == p->n_steps)
        return 0;
    columns_start(&c, p, step + 1, columns);
    switch (p->kind) {
    case PATTERN_TRIVIAL: break;
    case PATTERN_NO_COMM: columns_add(&c, column); break;
    case PATTERN_STENCIL_1D: columns_add_range(&c, column - 1L, column + 1L); break;
    case PATTERN_DOM: columns_add_range(&c, column, column + 1L); break;
    case PATTERN_TREE: add_tree_parents(&c, p, step + 1, step, column); break;
    case PATTERN_FFT: add_butterfly(&c, p, step + 1, column); break;
    case PATTERN_ALL_TO_ALL: columns_add_range(&c, 0, p->width - 1L); break;
    case PATTERN_NEAREST:
        columns_add_range(&c, column - p->radix / 2L, column + (p->radix - 1L) / 2);
        break;
    case PATTERN_SPREAD: add_spread(&c, p, step + 1, column, -1); break;
    case PATTERN_RANDOM_NEAREST:
        for (long reader = column - p->radix / 2L; reader <= column + (p->radix - 1L) / 2; reader++) {
            if (is_drawn(p, step + 1, (int)reader, column))
                columns_add(&c, reader);
        }
        break;
    case PATTERN_N_KINDS: assert(!"a kind of pattern");
    }
    return c.n;
}
