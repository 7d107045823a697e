#include "core/past.h"

#include "base/alloc.h"
#include "base/name_index.h"

#include <stdlib.h>

struct digest_place
{
    uint64_t digest;
    task_id task;
    uint32_t n_done; /* in the first place of each digest: so many of its tasks are done */
};

/* What the lines said last of a task; the last two are only for past_settle. */
enum mark
{
    WAS_DONE = 1,        /* with the definition that it has now */
    WAS_DONE_OTHERWISE = 2,
    WAS_NOT_NEEDED = 4,
    NOT_NEEDED_NOW = 8,  /* a parent that is settled says so */
    UNSETTLED = 16,      /* a parent runs again */
    HAS_RESULT = 32,     /* what its function returned is recorded */
    LACKS_TASKS = 64,    /* it ended well, and not all that it added is recorded */
};

struct past
{
    const struct graph *graph;
    uint32_t *done_at; /* for each task: the line that said last that it was done, or not needed; 0: not so */
    uint8_t *marks;
    float *ran_s;      /* see past_ran_s */
    uint8_t *marks_before;  /* that it was started last */
    uint64_t *fingerprints; /* of its inputs, when it was done last; NULL: none was said */
    uint32_t *n_added;      /* tasks that it added, so far as they are recorded; NULL: none was */
    bool *is_added;         /* it was counted there */
    uint32_t n_lines;
    uint32_t n_known;
    uint32_t n_unknown;

    struct digest_place *places; /* where ids are places: all tasks, by digest */
    uint32_t n_places;

    const char **unknown; /* ids */
    size_t unknown_capacity;
    struct name_index unknown_index;
    struct arena unknown_text;
};

static const char *unknown_id(const void *data, uint32_t number)
{
    return ((const struct past *)data)->unknown[number];
}

static void note_unknown(struct past *p, const char *id, size_t n_id)
{
    if (name_index_find(&p->unknown_index, id, n_id, unknown_id, p) != NAME_NOT_FOUND)
        return;
    p->unknown = xgrow(p->unknown, p->n_unknown, &p->unknown_capacity, sizeof(*p->unknown));
    p->unknown[p->n_unknown] = arena_text(&p->unknown_text, id, n_id);
    name_index_add(&p->unknown_index, id, n_id, p->n_unknown, unknown_id, p);
    p->n_unknown++;
}

static int compare_places(const void *a, const void *b)
{
    const struct digest_place *x = a, *y = b;

    if (x->digest != y->digest)
        return x->digest < y->digest ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

static void sort_places(struct past *p)
{
    const struct graph *g = p->graph;

    p->places = xcalloc(g->n_tasks, sizeof(*p->places));
    for (task_id t = 0; t < g->n_tasks; t++)
        if (!task_is_join(&g->tasks[t]))
            p->places[p->n_places++] = (struct digest_place){g->tasks[t].digest, t, 0};
    qsort(p->places, p->n_places, sizeof(*p->places), compare_places);
}

struct past *past_new(const struct graph *g)
{
    struct past *p = xcalloc(1, sizeof(*p));

    p->graph = g;
    p->done_at = xcalloc(g->n_tasks, sizeof(*p->done_at));
    p->marks = xcalloc(g->n_tasks, sizeof(*p->marks));
    p->ran_s = xcalloc(g->n_tasks, sizeof(*p->ran_s));
    p->marks_before = xcalloc(g->n_tasks, sizeof(*p->marks_before));
    if (g->ids_are_places)
        sort_places(p);
    return p;
}

void past_free(struct past *p)
{
    if (p == NULL)
        return;
    free(p->done_at);
    free(p->marks);
    free(p->ran_s);
    free(p->marks_before);
    free(p->fingerprints);
    free(p->n_added);
    free(p->is_added);
    free(p->places);
    free(p->unknown);
    name_index_release(&p->unknown_index);
    arena_release(&p->unknown_text);
    free(p);
}

/* --- lines --- */

static float length_of(const struct record_fields *f)
{
    return f->end_s > f->start_s ? (float)(f->end_s - f->start_s) : 0;
}

/* One more of the tasks with this digest is done. */
static void note_done_digest(struct past *p, uint64_t digest, float ran_s)
{
    uint32_t low = 0, high = p->n_places;
    struct digest_place *first, *next;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (p->places[middle].digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    first = &p->places[low];
    if (low < p->n_places && first->digest == digest) {
        next = first + first->n_done;
        if (next < p->places + p->n_places && next->digest == digest) {
            first->n_done++;
            p->n_known++;
            p->done_at[next->task] = p->n_lines;
            p->marks[next->task] = WAS_DONE;
            p->ran_s[next->task] = ran_s;
            return;
        }
    }
    p->n_unknown++;
}

static void note_fingerprint(struct past *p, task_id task, uint64_t fingerprint)
{
    if (p->fingerprints == NULL && fingerprint != FINGERPRINT_NONE)
        p->fingerprints = xcalloc(p->graph->n_tasks, sizeof(*p->fingerprints));
    if (p->fingerprints != NULL)
        p->fingerprints[task] = fingerprint;
}

/* Counts once, also when it was recorded again. What its adder added when it was to do something else does not. */
static void note_added(struct past *p, const struct record_fields *f)
{
    task_id adder = graph_find(p->graph, f->cause, strlen(f->cause));
    task_id task = graph_find(p->graph, f->task, f->n_task); /* where a part is run, it may not be there */

    if (adder == TASK_NONE || f->digest != p->graph->tasks[adder].digest)
        return;
    if (p->n_added == NULL) {
        p->n_added = xcalloc(p->graph->n_tasks, sizeof(*p->n_added));
        p->is_added = xcalloc(p->graph->n_tasks, sizeof(*p->is_added));
    }
    if (task != TASK_NONE && p->is_added[task])
        return;
    if (task != TASK_NONE)
        p->is_added[task] = true;
    p->n_added[adder]++;
}

static bool lacks_tasks(const struct past *p, task_id task, const struct record_fields *f)
{
    return f->digest == p->graph->tasks[task].digest && f->n_added > (p->n_added != NULL ? p->n_added[task] : 0);
}

static void note_done(struct past *p, task_id task, const struct record_fields *f)
{
    if (lacks_tasks(p, task, f)) {
        p->done_at[task] = 0;
        p->marks[task] = LACKS_TASKS;
        return;
    }
    p->n_known += p->done_at[task] == 0;
    p->done_at[task] = p->n_lines;
    p->marks[task] = f->digest == p->graph->tasks[task].digest ? WAS_DONE : WAS_DONE_OTHERWISE;
    p->ran_s[task] = p->marks[task] == WAS_DONE ? length_of(f) : 0;
    p->marks[task] |= f->result.text != NULL ? HAS_RESULT : 0;
    note_fingerprint(p, task, f->fingerprint);
}

/* A task was done, was not needed, or (started) is not as settled as it was, or (unchanged) is so again. */
static void note_task(struct past *p, const struct record_fields *f)
{
    task_id task = graph_find(p->graph, f->task, f->n_task);

    if (task == TASK_NONE || task_is_join(&p->graph->tasks[task])) {
        if (f->kind == RECORD_DONE)
            note_unknown(p, f->task, f->n_task);
        return;
    }
    if (f->kind == RECORD_START) {
        if (p->marks[task] != 0) /* else it was started before, and did not end */
            p->marks_before[task] = p->marks[task];
        p->done_at[task] = 0;
        p->marks[task] = 0;
    } else if (f->kind == RECORD_UNCHANGED) {
        p->done_at[task] = p->n_lines;
        if (p->marks[task] == 0) /* a command was sent, to know; a function was not */
            p->marks[task] = p->marks_before[task];
    } else if (f->kind == RECORD_DONE) {
        note_done(p, task, f);
    } else if (f->kind == RECORD_CANCELLED) { /* what was lost with its worker has no such line, or no length */
        if (f->digest == p->graph->tasks[task].digest && f->end != TASK_LOST)
            p->ran_s[task] = -length_of(f);
    } else if ((p->marks[task] & WAS_NOT_NEEDED) == 0) { /* else it is only said again */
        p->done_at[task] = p->n_lines;
        p->marks[task] = WAS_NOT_NEEDED;
    }
}

void past_note(struct past *p, const struct record_fields *line)
{
    p->n_lines++;
    if (line->kind == RECORD_ADDED)
        note_added(p, line);
    if (line->kind != RECORD_DONE && line->kind != RECORD_START && line->kind != RECORD_NOT_NEEDED &&
        line->kind != RECORD_CANCELLED && line->kind != RECORD_UNCHANGED)
        return;
    if (p->places == NULL)
        note_task(p, line);
    else if (line->kind == RECORD_DONE)
        note_done_digest(p, line->digest, length_of(line));
}

/* --- what follows --- */

static bool is_settled(const struct past *p, task_id t, bool is_join)
{
    uint8_t marks = p->marks[t];

    if ((marks & UNSETTLED) != 0)
        return false;
    return is_join || (marks & WAS_DONE) != 0 ||
           (marks & (WAS_NOT_NEEDED | NOT_NEEDED_NOW)) == (WAS_NOT_NEEDED | NOT_NEEDED_NOW);
}

/* A join has no line of its own: it was done as late as the last of its parents. */
static void tell_child(struct past *p, task_id parent, bool is_parent_settled, uint64_t edge)
{
    const struct graph *g = p->graph;
    task_id child = g->children[edge];
    bool is_join = task_is_join(&g->tasks[child]);
    bool is_needed = (p->marks[parent] & NOT_NEEDED_NOW) == 0;
    enum graph_condition on = graph_condition_at(g, edge);

    if (!is_parent_settled || (!is_join && p->done_at[parent] > p->done_at[child]))
        p->marks[child] |= UNSETTLED;
    if (is_join && p->done_at[parent] > p->done_at[child])
        p->done_at[child] = p->done_at[parent];
    if (on != ON_ANY && (on == ON_NOTOK || !is_needed))
        p->marks[child] |= NOT_NEEDED_NOW;
}

/* A function that runs needs what its parents returned: of those that are done, it must be recorded. A parent that
 * runs again for that may need its own parents', so children come first. */
void past_redo_what_is_needed(const struct past *p, bool *is_done)
{
    const struct graph *g = p->graph;
    task_id *order = graph_has_functions(g) ? graph_topological_order(g) : NULL;

    for (uint32_t i = order != NULL ? g->n_tasks : 0; i-- > 0;) {
        task_id t = order[i];
        bool needs_results = !is_done[t] && (task_is_call(&g->tasks[t]) || task_is_join(&g->tasks[t]));

        for (uint64_t e = g->parent_first[t]; needs_results && e < g->parent_first[t + 1]; e++) {
            task_id parent = g->parents[e];

            if (task_is_join(&g->tasks[parent]) ||
                (task_is_call(&g->tasks[parent]) && (p->marks[parent] & HAS_RESULT) == 0))
                is_done[parent] = false;
        }
    }
    free(order);
}

void past_settle(struct past *p, bool *is_done)
{
    const struct graph *g = p->graph;
    task_id *order = graph_topological_order(g);

    for (task_id t = 0; t < g->n_tasks; t++) {
        p->marks[t] &= WAS_DONE | WAS_DONE_OTHERWISE | WAS_NOT_NEEDED | HAS_RESULT | LACKS_TASKS;
        if (task_is_join(&g->tasks[t]))
            p->done_at[t] = 0;
    }
    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = order[i];
        bool is_join = task_is_join(&g->tasks[t]);
        bool settled;

        if ((p->marks[t] & WAS_DONE) != 0)
            p->marks[t] &= (uint8_t)~NOT_NEEDED_NOW; /* it was needed when it ran */
        settled = is_settled(p, t, is_join);
        for (uint64_t e = g->child_first[t]; e < g->child_first[t + 1]; e++)
            tell_child(p, t, settled, e);
        is_done[t] = settled && (is_join || (p->marks[t] & WAS_DONE) != 0);
    }
    free(order);
    past_redo_what_is_needed(p, is_done);
}

uint32_t past_n_lacking(const struct past *p)
{
    uint32_t n = 0;

    for (task_id t = 0; t < p->graph->n_tasks; t++)
        n += (p->marks[t] & LACKS_TASKS) != 0;
    return n;
}

const float *past_ran_s(const struct past *p)
{
    return p->ran_s;
}

bool past_was_done(const struct past *p, task_id task)
{
    return (p->marks[task] & (WAS_DONE | WAS_DONE_OTHERWISE)) != 0;
}

bool past_has_definition(const struct past *p, task_id task)
{
    return (p->marks[task] & WAS_DONE) != 0;
}

bool past_has_result(const struct past *p, task_id task)
{
    return (p->marks[task] & HAS_RESULT) != 0;
}

uint32_t past_done_at(const struct past *p, task_id task)
{
    return p->done_at[task];
}

uint64_t past_fingerprint(const struct past *p, task_id task)
{
    return p->fingerprints != NULL ? p->fingerprints[task] : FINGERPRINT_NONE;
}

uint32_t past_n_known(const struct past *p)
{
    return p->n_known;
}

uint32_t past_n_unknown(const struct past *p)
{
    return p->n_unknown;
}
