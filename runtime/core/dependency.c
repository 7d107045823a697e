#include "core/dependency.h"

#include "base/spelling.h"
#include "core/wildcard.h"

#include <stdlib.h>
#include <string.h>

/* With more patterns than this, ids are sorted, so that a pattern looks only at ids that begin or end
 * like it. Below, that costs more than it saves. */
#define PATTERNS_BEFORE_SORTING 16

/* A misspelt id is looked for among so many. */
#define IDS_COMPARED 100000

#define NO_USE UINT32_MAX

struct pending_id
{
    const char *text;
    task_id child;
    uint32_t line;
    enum graph_condition on;
};

struct pattern
{
    const char *key; /* a digit that stands for the condition, and the text */
    const char *text;
    uint32_t first_use;
    uint32_t last_use;
    uint32_t n_uses;
    enum graph_condition on;
};

struct pattern_use
{
    task_id child;
    uint32_t line;
    uint32_t next; /* NO_USE: the last one of its pattern */
};

/* The tasks that match a pattern. */
struct matches
{
    task_id *tasks;
    size_t n;
    size_t capacity;
};

void dependency_init(struct dependency_list *l, struct graph *g)
{
    *l = (struct dependency_list){.g = g};
}

void dependency_release(struct dependency_list *l)
{
    free(l->ids);
    free(l->patterns);
    free(l->uses);
    free(l->by_start);
    free(l->by_end);
    name_index_release(&l->index);
    arena_release(&l->text);
    *l = (struct dependency_list){.g = NULL};
}

static uint32_t short_line(uint64_t line)
{
    return line < UINT32_MAX ? (uint32_t)line : 0;
}

static const char *pattern_key(const void *data, uint32_t number)
{
    const struct dependency_list *l = data;

    return l->patterns[number].key;
}

static struct pattern *intern_pattern(struct dependency_list *l, const char *text, size_t n_bytes,
                                      enum graph_condition on)
{
    char *key = xmalloc(n_bytes + 1);
    uint32_t number;

    key[0] = (char)('0' + on);
    memcpy(key + 1, text, n_bytes);
    number = name_index_add(&l->index, key, n_bytes + 1, l->n_patterns, pattern_key, l);
    if (number == NAME_NOT_FOUND) {
        struct pattern new = {.key = arena_text(&l->text, key, n_bytes + 1), .first_use = NO_USE, .on = on};

        new.text = new.key + 1;
        number = l->n_patterns;
        l->patterns = xgrow(l->patterns, l->n_patterns, &l->patterns_capacity, sizeof(*l->patterns));
        l->patterns[l->n_patterns++] = new;
    }
    free(key);
    return &l->patterns[number];
}

static void use_pattern(struct dependency_list *l, struct pattern *p, task_id child, uint64_t line)
{
    l->uses = xgrow(l->uses, l->n_uses, &l->uses_capacity, sizeof(*l->uses));
    l->uses[l->n_uses] = (struct pattern_use){child, short_line(line), NO_USE};
    if (p->first_use == NO_USE)
        p->first_use = l->n_uses;
    else
        l->uses[p->last_use].next = l->n_uses;
    p->last_use = l->n_uses++;
    p->n_uses++;
}

void dependency_add(struct dependency_list *l, task_id child, const char *text, size_t n_bytes,
                    enum graph_condition on, uint64_t line)
{
    task_id parent;

    if (wildcard_is_in(text)) {
        use_pattern(l, intern_pattern(l, text, n_bytes, on), child, line);
        return;
    }
    parent = graph_find(l->g, text, n_bytes);
    if (parent != TASK_NONE) {
        graph_add_condition(l->g, parent, child, on);
        return;
    }
    l->ids = xgrow(l->ids, l->n_ids, &l->ids_capacity, sizeof(*l->ids));
    l->ids[l->n_ids++] =
        (struct pending_id){arena_text(&l->text, text, n_bytes), child, short_line(line), on};
}

static const char *find_near_id(const struct graph *g, const char *id)
{
    unsigned limit = strlen(id) > 4 ? 2 : strlen(id) > 2 ? 1 : 0; /* "a" is near to every letter */
    const char *nearest = NULL;

    for (task_id t = 0; t < g->n_tasks && t < IDS_COMPARED && limit > 0; t++) {
        unsigned distance = spelling_distance(id, g->tasks[t].id, limit);

        if (distance <= limit) {
            nearest = g->tasks[t].id;
            limit = distance - 1;
        }
    }
    return nearest;
}

static int refuse_unknown(const struct graph *g, const char *id, struct ganger_error *err)
{
    const char *near = find_near_id(g, id);

    if (near != NULL)
        return error_set(err, ERROR_USAGE,
                         "it waits for \"%.255s\", but no task has that id; did you mean \"%s\"?", id, near);
    return error_set(err, ERROR_USAGE,
                     "it waits for \"%.255s\", but no task has that id; add that task, or take the id out of "
                     "\"after\"",
                     id);
}

static int resolve_ids(struct dependency_list *l, task_id *child, uint64_t *line, struct ganger_error *err)
{
    for (size_t i = 0; i < l->n_ids; i++) {
        const struct pending_id *pending = &l->ids[i];
        task_id parent = graph_find(l->g, pending->text, strlen(pending->text));

        if (parent == TASK_NONE) {
            *child = pending->child;
            *line = pending->line;
            return refuse_unknown(l->g, pending->text, err);
        }
        graph_add_condition(l->g, parent, pending->child, pending->on);
    }
    return 0;
}

static int compare_starts(const void *a, const void *b, void *data)
{
    const struct graph *g = data;

    return strcmp(g->tasks[*(const task_id *)a].id, g->tasks[*(const task_id *)b].id);
}

/* Compares `a` and `b` from their last bytes on; `n` at most. */
static int compare_backwards(const char *a, size_t n_a, const char *b, size_t n_b, size_t n)
{
    for (size_t i = 1; i <= n; i++) {
        int byte_a = i <= n_a ? (unsigned char)a[n_a - i] : -1;
        int byte_b = i <= n_b ? (unsigned char)b[n_b - i] : -1;

        if (byte_a != byte_b || byte_a < 0)
            return byte_a - byte_b;
    }
    return 0;
}

static int compare_ends(const void *a, const void *b, void *data)
{
    const struct graph *g = data;
    const char *id_a = g->tasks[*(const task_id *)a].id;
    const char *id_b = g->tasks[*(const task_id *)b].id;

    return compare_backwards(id_a, strlen(id_a), id_b, strlen(id_b), SIZE_MAX);
}

/* Before any join is added: every task has an id. */
static void sort_ids(struct dependency_list *l)
{
    size_t n_bytes = l->g->n_tasks * sizeof(*l->by_start);

    l->n_sorted = l->g->n_tasks;
    l->by_start = xmalloc(n_bytes);
    l->by_end = xmalloc(n_bytes);
    for (task_id t = 0; t < l->n_sorted; t++)
        l->by_start[t] = l->by_end[t] = t;
    qsort_r(l->by_start, l->n_sorted, sizeof(*l->by_start), compare_starts, l->g);
    qsort_r(l->by_end, l->n_sorted, sizeof(*l->by_end), compare_ends, l->g);
}

/* Like strcmp of the id with what every match of the pattern has at its start, or its end. */
static int compare_with_pattern(const struct dependency_list *l, task_id t, const char *pattern,
                                bool at_end)
{
    const char *id = l->g->tasks[t].id;
    size_t n_same = at_end ? wildcard_suffix(pattern) : wildcard_prefix(pattern);

    if (at_end)
        return compare_backwards(id, strlen(id), pattern, strlen(pattern), n_same);
    return strncmp(id, pattern, n_same);
}

/* The first place of a sorted array whose id compares as at least `least` (0 or 1) with the pattern. */
static uint32_t find_place(const struct dependency_list *l, const task_id *sorted, const char *pattern,
                           bool at_end, int least)
{
    uint32_t low = 0;
    uint32_t high = l->n_sorted;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_with_pattern(l, sorted[middle], pattern, at_end) < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The tasks to look at for a pattern: `*tasks` is NULL when they are all those below `*n`. */
static void find_candidates(const struct dependency_list *l, const char *pattern, const task_id **tasks,
                            uint32_t *n)
{
    uint32_t start_low;
    uint32_t start_high;
    uint32_t end_low;
    uint32_t end_high;

    *tasks = NULL;
    *n = l->n_sorted;
    if (l->by_start == NULL)
        return;
    start_low = find_place(l, l->by_start, pattern, false, 0);
    start_high = find_place(l, l->by_start, pattern, false, 1);
    end_low = find_place(l, l->by_end, pattern, true, 0);
    end_high = find_place(l, l->by_end, pattern, true, 1);
    if (start_high - start_low <= end_high - end_low) {
        *tasks = l->by_start + start_low;
        *n = start_high - start_low;
    } else {
        *tasks = l->by_end + end_low;
        *n = end_high - end_low;
    }
}

static void find_matches(const struct dependency_list *l, const char *pattern, struct matches *m)
{
    const task_id *candidates;
    uint32_t n;

    find_candidates(l, pattern, &candidates, &n);
    m->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        task_id t = candidates ? candidates[i] : i;

        if (wildcard_matches(pattern, l->g->tasks[t].id)) {
            m->tasks = xgrow(m->tasks, m->n, &m->capacity, sizeof(*m->tasks));
            m->tasks[m->n++] = t;
        }
    }
}

static void wait_for_each(struct graph *g, const struct matches *m, task_id child, enum graph_condition on)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->tasks[i] != child)
            graph_add_condition(g, m->tasks[i], child, on);
}

static task_id add_join(struct graph *g, const struct matches *m, enum graph_condition on)
{
    task_id join = graph_add_task(g, &(struct task){.id = NULL});

    wait_for_each(g, m, join, on);
    return join;
}

/* A task that matches its own pattern waits for the others that match. Two such tasks wait for each
 * other: one edge to the first of them shows that cycle, where edges to all matches would be too many. */
static void wait_for_others(struct graph *g, const struct matches *m, task_id child, task_id *first_own,
                            enum graph_condition on)
{
    if (*first_own == TASK_NONE) {
        *first_own = child;
        wait_for_each(g, m, child, on);
    } else if (*first_own != child) {
        graph_add_condition(g, *first_own, child, on);
    }
}

static int resolve_pattern(struct dependency_list *l, const struct pattern *p, struct matches *m,
                           task_id *child, uint64_t *line, struct ganger_error *err)
{
    bool has_join = (uint64_t)p->n_uses * m->n > (uint64_t)p->n_uses + m->n;
    task_id join = TASK_NONE;
    task_id first_own = TASK_NONE;

    for (uint32_t u = p->first_use; u != NO_USE; u = l->uses[u].next) {
        bool is_own;

        *child = l->uses[u].child;
        *line = l->uses[u].line;
        is_own = wildcard_matches(p->text, l->g->tasks[*child].id);
        if (m->n == is_own)
            return error_set(err, ERROR_USAGE,
                             "it waits for \"%.255s\", but no %stask has an id that matches; mind that "
                             "wildcards compare the whole id",
                             p->text, is_own ? "other " : "");
        if (is_own)
            wait_for_others(l->g, m, *child, &first_own, p->on);
        else if (!has_join)
            wait_for_each(l->g, m, *child, p->on);
        else if (join == TASK_NONE)
            join = add_join(l->g, m, p->on);
        if (!is_own && join != TASK_NONE)
            graph_add_dependency(l->g, join, *child);
    }
    return 0;
}

int dependency_resolve(struct dependency_list *l, task_id *child, uint64_t *line, struct ganger_error *err)
{
    struct matches m = {NULL, 0, 0};
    int status = resolve_ids(l, child, line, err);

    l->n_sorted = l->g->n_tasks;
    if (status == 0 && l->n_patterns > PATTERNS_BEFORE_SORTING)
        sort_ids(l);
    for (uint32_t i = 0; status == 0 && i < l->n_patterns; i++) {
        find_matches(l, l->patterns[i].text, &m);
        status = resolve_pattern(l, &l->patterns[i], &m, child, line, err);
    }
    free(m.tasks);
    return status;
}
