#include "core/ready.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARITY 4 /* of the heaps: four tasks share a line of the cache, and the heap is half as deep as with two */

static const struct ready_task nobody = {0, UINT32_MAX, TASK_NONE};

/* ---- one line ---- */

/* Floats that are not negative are ordered like their bits. */
static uint64_t rank_with_b_level(const struct ready *r, task_id task)
{
    int32_t priority = r->graph->policies[r->graph->tasks[task].policy].priority;
    uint32_t b_level;

    memcpy(&b_level, &r->b_level_s[task], sizeof(b_level));
    return (uint64_t)((uint32_t)priority ^ UINT32_C(0x80000000)) << 32 | b_level;
}

/* Within its line. */
static uint64_t rank_in(const struct ready *r, const struct ready_line *line, task_id task)
{
    return line->is_strict ? rank_with_b_level(r, task) >> 32 : rank_with_b_level(r, task);
}

/* `item` goes to `i` or above. */
static void sift_up(struct ready_task *heap, size_t i, struct ready_task item)
{
    while (i > 0 && ready_is_before(&item, &heap[(i - 1) / ARITY])) {
        heap[i] = heap[(i - 1) / ARITY];
        i = (i - 1) / ARITY;
    }
    heap[i] = item;
}

/* `item` goes to `i` or below. */
static void sift_down(struct ready_task *heap, size_t n, size_t i, struct ready_task item)
{
    for (size_t first = ARITY * i + 1; first < n; first = ARITY * i + 1) {
        size_t end = first + ARITY < n ? first + ARITY : n, best = first;

        for (size_t child = first + 1; child < end; child++)
            if (ready_is_before(&heap[child], &heap[best]))
                best = child;
        if (!ready_is_before(&heap[best], &item))
            break;
        heap[i] = heap[best];
        i = best;
    }
    heap[i] = item;
}

static bool has_run(const struct ready_line *line)
{
    return line->run_first < line->run_end;
}

/* Is the best of a line, which is not empty, the first of its run? */
static bool is_run_first(const struct ready_line *line)
{
    return has_run(line) && (line->n_heap == 0 || ready_is_before(&line->run[line->run_first], &line->heap[0]));
}

/* What has left the run makes room again when it is half of it. */
static void append_to_run(struct ready_line *line, struct ready_task item)
{
    if (line->run_end == line->run_capacity && line->run_first > line->run_end / 2) {
        line->run_end -= line->run_first;
        memmove(line->run, line->run + line->run_first, line->run_end * sizeof(*line->run));
        line->run_first = 0;
    }
    line->run = xgrow(line->run, line->run_end, &line->run_capacity, sizeof(*line->run));
    line->run[line->run_end++] = item;
}

static void add_to_heap(struct ready_line *line, struct ready_task item)
{
    line->heap = xgrow(line->heap, line->n_heap, &line->heap_capacity, sizeof(*line->heap));
    sift_up(line->heap, line->n_heap++, item);
}

static void drop_first_of_heap(struct ready_line *line)
{
    struct ready_task last = line->heap[--line->n_heap];

    if (line->n_heap > 0)
        sift_down(line->heap, line->n_heap, 0, last);
}

static void drop_first_of_run(struct ready_line *line)
{
    if (++line->run_first == line->run_end)
        line->run_first = line->run_end = 0;
}

/* Among the heads of other lines that of a strict queue counts like any other. */
static void update_head(const struct ready *r, struct ready_line *line)
{
    line->head = line->n == 0 ? nobody : is_run_first(line) ? line->run[line->run_first] : line->heap[0];
    if (line->is_strict && line->n > 0)
        line->head.rank = rank_with_b_level(r, line->head.task);
}

/* ---- one family ---- */

static bool is_better_line(const struct ready *r, uint32_t a, uint32_t b)
{
    if (a == NO_LINE || b == NO_LINE)
        return a != NO_LINE;
    return ready_is_before(&r->lines[a].head, &r->lines[b].head);
}

/* What stands at a node of the tree; a line that is empty wins against none. */
static uint32_t winner_at(const struct ready *r, const struct ready_family *f, uint32_t node)
{
    uint32_t line;

    if (node < f->n_leaves)
        return f->winners[node];
    line = node - f->n_leaves;
    return line < f->n_lines && r->lines[f->first_line + line].n > 0 ? f->first_line + line : NO_LINE;
}

/* The head of a line has changed. */
static void play_again(const struct ready *r, struct ready_family *f, uint32_t line)
{
    for (uint32_t node = (f->n_leaves + line - f->first_line) / 2; node > 0; node /= 2) {
        uint32_t left = winner_at(r, f, 2 * node), right = winner_at(r, f, 2 * node + 1);
        uint32_t winner = is_better_line(r, right, left) ? right : left;

        if (winner == f->winners[node] && winner != line)
            return;
        f->winners[node] = winner;
    }
}

static uint32_t best_of_first(const struct ready *r, const struct ready_family *f, uint32_t n_lines)
{
    uint32_t best = NO_LINE;

    if (f->n_leaves == 0)
        return n_lines > 0 && r->lines[f->first_line].n > 0 ? f->first_line : NO_LINE;
    if (n_lines == f->n_lines)
        return f->winners[1];
    /* The nodes that together cover the leaves before n_lines: left of the path from there to the top. */
    for (uint32_t first = f->n_leaves, end = first + n_lines; first < end; first /= 2, end /= 2) {
        uint32_t winner = end % 2 == 1 ? winner_at(r, f, end - 1) : NO_LINE;

        if (is_better_line(r, winner, best))
            best = winner;
    }
    return best;
}

uint32_t ready_best_of_family(const struct ready *r, uint32_t family)
{
    return best_of_first(r, &r->families[family], r->families[family].n_lines);
}

uint32_t ready_n_lines_within(const struct ready *r, uint32_t family, uint64_t memory_bytes)
{
    const struct ready_family *f = &r->families[family];
    uint32_t low = 0, high = f->n_lines;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (r->memory_bytes[f->first_line + middle] <= memory_bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- the heap of families ---- */

static bool is_better_family(const struct ready *r, uint32_t a, uint32_t b)
{
    return is_better_line(r, r->families[a].best_line, r->families[b].best_line);
}

static void set_family_at(struct ready *r, uint32_t i, uint32_t family)
{
    r->heap[i] = family;
    r->families[family].heap_at = i;
}

/* It may be better or worse than it was. */
static void move_family(struct ready *r, uint32_t i, uint32_t family)
{
    while (i > 0 && is_better_family(r, family, r->heap[(i - 1) / 2])) {
        set_family_at(r, i, r->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (uint32_t child = 2 * i + 1; child < r->n_heap; child = 2 * i + 1) {
        if (child + 1 < r->n_heap && is_better_family(r, r->heap[child + 1], r->heap[child]))
            child++;
        if (!is_better_family(r, r->heap[child], family))
            break;
        set_family_at(r, i, r->heap[child]);
        i = child;
    }
    set_family_at(r, i, family);
}

/* Its open lines, or their heads, are others than before. */
static void update_family(struct ready *r, uint32_t family)
{
    struct ready_family *f = &r->families[family];
    bool was_there = f->best_line != NO_LINE;

    f->best_line = best_of_first(r, f, f->n_open);
    if (f->best_line != NO_LINE) {
        move_family(r, was_there ? f->heap_at : r->n_heap++, family);
    } else if (was_there) {
        uint32_t last = r->heap[--r->n_heap];

        if (last != family)
            move_family(r, f->heap_at, last);
    }
}

static void change_head(struct ready *r, uint32_t line)
{
    struct ready_family *f = &r->families[r->lines[line].family];

    update_head(r, &r->lines[line]);
    if (f->n_lines == 1 && f->best_line == line && r->lines[line].n > 0 && r->n_heap == 1)
        return; /* there is nobody whom it could be before or behind */
    if (f->n_leaves > 0)
        play_again(r, f, line);
    update_family(r, r->lines[line].family);
}

/* ---- making lines ---- */

/* By all that a class asks for, memory last: families are neighbours then. */
static int compare_but_for_memory(const struct task_resources *a, const struct task_resources *b)
{
    const uint32_t of_a[] = {a->cores, a->nodes, a->ranks, a->gpus, a->queue, a->tokens, a->n_amounts};
    const uint32_t of_b[] = {b->cores, b->nodes, b->ranks, b->gpus, b->queue, b->tokens, b->n_amounts};

    for (size_t i = 0; i < sizeof(of_a) / sizeof(*of_a); i++)
        if (of_a[i] != of_b[i])
            return of_a[i] < of_b[i] ? -1 : 1;
    return a->n_amounts == 0 ? 0 : memcmp(a->amounts, b->amounts, a->n_amounts * sizeof(*a->amounts));
}

static int compare_classes(const void *left, const void *right, void *graph)
{
    const struct graph *g = graph;
    const struct task_resources *a = &g->resources[*(const uint32_t *)left];
    const struct task_resources *b = &g->resources[*(const uint32_t *)right];
    int order = compare_but_for_memory(a, b);

    if (order != 0)
        return order;
    return a->memory_bytes < b->memory_bytes ? -1 : a->memory_bytes > b->memory_bytes;
}

static void add_line(struct ready *r, bool begins_family, struct ready_line line)
{
    if (begins_family)
        r->families[r->n_families++] = (struct ready_family){.first_line = r->n_lines, .best_line = NO_LINE};
    line.family = r->n_families - 1;
    line.head = nobody;
    r->families[line.family].n_lines++;
    r->families[line.family].n_open++;
    r->lines[r->n_lines++] = line;
}

static void add_strict_lines(struct ready *r)
{
    const struct graph *g = r->graph;
    uint32_t *line_of_queue = xcalloc(g->n_queues, sizeof(*line_of_queue));

    for (uint32_t q = 0; q < g->n_queues; q++) {
        line_of_queue[q] = r->n_lines;
        if (g->queues[q].is_strict)
            add_line(r, true, (struct ready_line){.is_strict = true});
    }
    for (uint32_t c = 0; c < g->n_resources; c++)
        if (g->queues[g->resources[c].queue].is_strict)
            r->line_of_class[c] = line_of_queue[g->resources[c].queue];
    free(line_of_queue);
}

static void add_class_lines(struct ready *r)
{
    const struct graph *g = r->graph;
    uint32_t *classes = xcalloc(g->n_resources, sizeof(*classes));
    const struct task_resources *before = NULL;

    for (uint32_t c = 0; c < g->n_resources; c++)
        classes[c] = c;
    qsort_r(classes, g->n_resources, sizeof(*classes), compare_classes, (void *)(uintptr_t)g);
    for (uint32_t i = 0; i < g->n_resources; i++) {
        const struct task_resources *needs = &g->resources[classes[i]];

        if (g->queues[needs->queue].is_strict)
            continue;
        r->line_of_class[classes[i]] = r->n_lines;
        r->memory_bytes[r->n_lines] = needs->memory_bytes;
        add_line(r, before == NULL || compare_but_for_memory(before, needs) != 0,
                 (struct ready_line){.resource_class = classes[i]});
        before = needs;
    }
    free(classes);
}

static void plant_trees(struct ready *r)
{
    for (uint32_t i = 0; i < r->n_families; i++) {
        struct ready_family *f = &r->families[i];

        if (f->n_lines == 1)
            continue;
        for (f->n_leaves = 2; f->n_leaves < f->n_lines;)
            f->n_leaves *= 2;
        f->winners = xmalloc(f->n_leaves * sizeof(*f->winners));
        for (uint32_t node = 0; node < f->n_leaves; node++)
            f->winners[node] = NO_LINE;
    }
}

void ready_init(struct ready *r, const struct graph *g, const float *b_level_s)
{
    size_t n_lines_max = (size_t)g->n_resources + g->n_queues;

    *r = (struct ready){.graph = g, .b_level_s = b_level_s, .n_classes = g->n_resources};
    r->lines = xcalloc(n_lines_max, sizeof(*r->lines));
    r->memory_bytes = xcalloc(n_lines_max, sizeof(*r->memory_bytes));
    r->families = xcalloc(n_lines_max, sizeof(*r->families));
    r->line_of_class = xcalloc(g->n_resources, sizeof(*r->line_of_class));
    add_class_lines(r);
    add_strict_lines(r);
    plant_trees(r);
    r->heap = xcalloc(r->n_families, sizeof(*r->heap));
}

void ready_release(struct ready *r)
{
    for (uint32_t i = 0; i < r->n_lines; i++) {
        free(r->lines[i].run);
        free(r->lines[i].heap);
    }
    for (uint32_t i = 0; i < r->n_families; i++)
        free(r->families[i].winners);
    free(r->lines);
    free(r->memory_bytes);
    free(r->families);
    free(r->line_of_class);
    free(r->heap);
}

/* ---- using them ---- */

bool ready_push(struct ready *r, task_id task)
{
    uint32_t at = r->line_of_class[r->graph->tasks[task].resource_class];
    struct ready_line *line = &r->lines[at];
    struct ready_task item = {rank_in(r, line, task), r->n_became_ready++, task};

    if (has_run(line) && ready_is_before(&item, &line->run[line->run_end - 1]))
        add_to_heap(line, item);
    else
        append_to_run(line, item);
    line->n++;
    if ((is_run_first(line) ? line->run[line->run_first] : line->heap[0]).task != task)
        return false;
    change_head(r, at);
    return true;
}

static int compare_age(const void *left, const void *right)
{
    const struct ready_task *a = left, *b = right;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* All that is in the lines, the oldest first; the caller frees it. */
static struct ready_task *list_tasks(const struct ready *r, size_t *n)
{
    struct ready_task *all = NULL;
    size_t capacity = 0;

    *n = 0;
    for (uint32_t i = 0; i < r->n_lines; i++) {
        const struct ready_line *line = &r->lines[i];

        for (size_t k = line->run_first; k < line->run_end; k++) {
            all = xgrow(all, *n, &capacity, sizeof(*all));
            all[(*n)++] = line->run[k];
        }
        for (size_t k = 0; k < line->n_heap; k++) {
            all = xgrow(all, *n, &capacity, sizeof(*all));
            all[(*n)++] = line->heap[k];
        }
    }
    if (*n > 0)
        qsort(all, *n, sizeof(*all), compare_age);
    return all;
}

bool ready_append(struct ready *r, const float *b_level_s)
{
    struct ready_task *all;
    size_t n;

    r->b_level_s = b_level_s;
    if (r->n_classes == r->graph->n_resources)
        return false;
    all = list_tasks(r, &n);
    ready_release(r);
    ready_init(r, r->graph, b_level_s);
    for (size_t i = 0; i < n; i++)
        ready_push(r, all[i].task);
    free(all);
    return true;
}

task_id ready_pop(struct ready *r, uint32_t at)
{
    struct ready_line *line = &r->lines[at];
    task_id task = line->head.task;

    if (is_run_first(line))
        drop_first_of_run(line);
    else
        drop_first_of_heap(line);
    line->n--;
    change_head(r, at);
    return task;
}

void ready_open(struct ready *r, uint32_t family, uint32_t n_lines)
{
    struct ready_family *f = &r->families[family];

    assert(n_lines <= f->n_lines);
    if (n_lines == f->n_open)
        return;
    f->n_open = n_lines;
    update_family(r, family);
}

static void sort_line_again(struct ready *r, struct ready_line *line)
{
    while (has_run(line)) {
        line->heap = xgrow(line->heap, line->n_heap, &line->heap_capacity, sizeof(*line->heap));
        line->heap[line->n_heap++] = line->run[line->run_first];
        drop_first_of_run(line);
    }
    for (size_t i = 0; i < line->n_heap; i++)
        line->heap[i].rank = rank_in(r, line, line->heap[i].task);
    for (size_t i = line->n_heap; i-- > 0;)
        sift_down(line->heap, line->n_heap, i, line->heap[i]);
    update_head(r, line);
}

void ready_sort_again(struct ready *r)
{
    for (uint32_t i = 0; i < r->n_lines; i++)
        sort_line_again(r, &r->lines[i]);
    for (uint32_t i = 0; i < r->n_families; i++) {
        struct ready_family *f = &r->families[i];

        for (uint32_t node = f->n_leaves; node-- > 1;) {
            uint32_t left = winner_at(r, f, 2 * node), right = winner_at(r, f, 2 * node + 1);

            f->winners[node] = is_better_line(r, right, left) ? right : left;
        }
    }
    r->n_heap = 0;
    for (uint32_t i = 0; i < r->n_families; i++) {
        r->families[i].best_line = NO_LINE;
        update_family(r, i);
    }
}
