#include "io/summary.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "core/idle.h"
#include "core/makespan.h"
#include "core/outcome.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAUSES_MAX 256 /* different ones that are told apart; exit statuses alone are 255 */
#define CAUSES_SHOWN 3
#define ROOTS_SHOWN 3
#define PROGRAMS_SHOWN 5
#define IDLE_SHOWN 0.005    /* shares from here on are said */
#define STRONG_BOUND_TASKS 100000 /* up to here the stronger bound takes less than a second */
#define AS_GOOD 0.99
#define EVER_S 1e30
#define COLUMNS 80
#define ID_COLUMNS_MIN 12 /* with less room, it is left out */

struct cause
{
    enum task_end end;
    int code;
    uint32_t n;
    task_id example; /* the first task it befell */
};

struct program
{
    uint32_t n;
    float longest_s;
    double sum_s;
};

struct node
{
    uint32_t n_cores; /* workers that came */
    uint32_t n_gpus;
    uint64_t memory_bytes;
};

struct summary
{
    const struct graph *graph;
    uint32_t n_slots;
    uint32_t n_tasks; /* without joins, as all below */
    uint32_t n_kept;
    uint32_t n_left; /* for the next allocation */
    uint32_t n_done; /* in this epoch */
    uint32_t n_failed;
    uint32_t n_allowed; /* of these, the ones that may */
    uint32_t n_retried; /* attempts, not tasks */
    uint32_t n_skipped;
    uint32_t n_not_needed;
    uint32_t n_cancelled;

    uint32_t n_timed; /* tasks that ran in this epoch */
    double first_start_s;
    double last_end_s;
    double sum_s;
    double core_sum_s;
    double cpu_sum_s;
    double longest_s;
    task_id longest;
    uint64_t peak_bytes;
    task_id peak;

    float *start_s; /* by task; NAN: it did not run */
    float *run_s;
    struct idle_span *attempts; /* before a task's last */
    size_t n_attempts;
    size_t attempts_capacity;
    struct idle_span *absences; /* of workers */
    size_t n_absences;
    size_t absences_capacity;
    struct node *nodes;
    size_t n_nodes;
    size_t nodes_capacity;
    uint32_t n_workers; /* that came */

    size_t rows_capacity; /* of the arrays by task */
    struct program *programs;
    uint32_t n_programs;
    uint32_t *n_skipped_for; /* by task; NULL: nothing was skipped */
    struct cause causes[CAUSES_MAX];
    uint32_t n_causes;
};

struct summary *summary_open(const struct graph *g, uint32_t n_slots)
{
    struct summary *s = xcalloc(1, sizeof(*s));

    s->graph = g;
    s->n_slots = n_slots;
    s->n_tasks = g->n_tasks - g->n_joins;
    s->n_programs = g->n_programs;
    s->rows_capacity = (size_t)g->n_tasks + 1;
    s->first_start_s = INFINITY;
    s->longest = s->peak = TASK_NONE;
    s->programs = xcalloc(g->n_programs + 1, sizeof(*s->programs));
    s->start_s = xmalloc((g->n_tasks + 1) * sizeof(*s->start_s));
    s->run_s = xmalloc((g->n_tasks + 1) * sizeof(*s->run_s));
    for (task_id t = 0; t < g->n_tasks; t++)
        s->start_s[t] = s->run_s[t] = NAN;
    return s;
}

void summary_close(struct summary *s)
{
    if (s == NULL)
        return;
    free(s->start_s);
    free(s->run_s);
    free(s->attempts);
    free(s->absences);
    free(s->nodes);
    free(s->programs);
    free(s->n_skipped_for);
    free(s);
}

/* --- counting --- */

static struct node *node_of(struct summary *s, uint32_t node)
{
    while (s->n_nodes <= node) {
        s->nodes = xgrow(s->nodes, s->n_nodes, &s->nodes_capacity, sizeof(*s->nodes));
        s->nodes[s->n_nodes++] = (struct node){0};
    }
    return &s->nodes[node];
}

static void note_absence(struct summary *s, double start_s, double end_s)
{
    s->absences = xgrow(s->absences, s->n_absences, &s->absences_capacity, sizeof(*s->absences));
    s->absences[s->n_absences++] = (struct idle_span){TASK_NONE, start_s, end_s};
}

static void count_worker(struct summary *s, const struct event *e)
{
    s->n_workers++;
    node_of(s, e->node)->n_cores++;
    note_absence(s, -EVER_S, e->time_s);
}

static void count_program(struct summary *s, const struct task *t, double time_s)
{
    struct program *p = &s->programs[t->program];

    p->n++;
    p->sum_s += time_s;
    if (p->longest_s < (float)time_s)
        p->longest_s = (float)time_s;
}

static void note_attempt(struct summary *s, task_id task, double start_s, double end_s)
{
    s->attempts = xgrow(s->attempts, s->n_attempts, &s->attempts_capacity, sizeof(*s->attempts));
    s->attempts[s->n_attempts++] = (struct idle_span){task, start_s, end_s};
}

static void note_last_attempt(struct summary *s, task_id task, double start_s, double end_s)
{
    s->start_s[task] = (float)start_s;
    s->run_s[task] = (float)(end_s - start_s);
}

static void count_span(struct summary *s, task_id task, double start_s, double end_s)
{
    const struct task *t = &s->graph->tasks[task];
    double time_s = end_s - start_s;

    s->n_timed++;
    s->sum_s += time_s;
    s->core_sum_s += time_s * s->graph->resources[t->resource_class].cores;
    if (start_s < s->first_start_s)
        s->first_start_s = start_s;
    if (end_s > s->last_end_s)
        s->last_end_s = end_s;
    count_program(s, t, time_s);
    if (s->longest == TASK_NONE || time_s > s->longest_s) {
        s->longest = task;
        s->longest_s = time_s;
    }
}

static void count_time(struct summary *s, const struct event *e)
{
    const struct task_result *result = e->result;

    /* It never ran; or its worker took its times with it, and they are NAN. */
    if (result == NULL || !(result->end_s > result->start_s))
        return;
    (e->kind == EVENT_TASK_RETRIED ? note_attempt : note_last_attempt)(s, e->task, result->start_s, result->end_s);
    count_span(s, e->task, result->start_s, result->end_s);
    s->cpu_sum_s += result->cpu_s;
    if (result->max_rss_bytes > s->peak_bytes) {
        s->peak = e->task;
        s->peak_bytes = result->max_rss_bytes;
    }
}

static void count_cause(struct summary *s, const struct event *e)
{
    uint32_t i = 0;

    if (e->result == NULL)
        return;
    while (i < s->n_causes &&
           (s->causes[i].end != e->result->end || s->causes[i].code != e->result->code))
        i++;
    if (i == CAUSES_MAX)
        return;
    if (i == s->n_causes)
        s->causes[s->n_causes++] = (struct cause){e->result->end, e->result->code, 0, e->task};
    s->causes[i].n++;
}

static void count_skipped(struct summary *s, const struct event *e)
{
    s->n_skipped++;
    if (e->cause >= s->graph->n_tasks)
        return;
    if (s->n_skipped_for == NULL)
        s->n_skipped_for = xcalloc(s->rows_capacity, sizeof(*s->n_skipped_for));
    s->n_skipped_for[e->cause]++;
}

static void count_task(struct summary *s, const struct event *e)
{
    const struct task *t = &s->graph->tasks[e->task];

    if (task_is_join(t))
        return;
    switch (e->kind) {
    case EVENT_TASK_KEPT:
    case EVENT_TASK_UNCHANGED: s->n_kept++; return;
    case EVENT_TASK_SKIPPED: count_skipped(s, e); return;
    case EVENT_TASK_NOT_NEEDED: s->n_not_needed++; return;
    case EVENT_TASK_DONE: s->n_done++; break;
    case EVENT_TASK_RETRIED: s->n_retried++; break;
    case EVENT_TASK_CANCELLED: s->n_cancelled++; break;
    case EVENT_TASK_FAILED:
        s->n_failed++;
        s->n_allowed += s->graph->policies[t->policy].may_fail;
        count_cause(s, e);
        break;
    default: return;
    }
    count_time(s, e);
}

static void count_calls(struct summary *s, const struct event *e)
{
    s->n_done += e->n_calls;
    for (uint32_t i = 0; i < e->n_calls; i++) {
        const struct event_call *call = &e->calls[i];
        double end_s = call->start_s + call->run_s;

        if (!(end_s > call->start_s)) /* the clock did not move */
            continue;
        note_last_attempt(s, call->task, call->start_s, end_s);
        count_span(s, call->task, call->start_s, end_s);
    }
}

static void append_task(struct summary *s, task_id task)
{
    uint32_t n_programs = s->graph->n_programs;

    s->n_tasks++;
    if (task >= s->rows_capacity) {
        s->rows_capacity = 2 * ((size_t)task + 1);
        s->start_s = xrealloc(s->start_s, s->rows_capacity * sizeof(*s->start_s));
        s->run_s = xrealloc(s->run_s, s->rows_capacity * sizeof(*s->run_s));
        if (s->n_skipped_for != NULL)
            s->n_skipped_for = xrealloc(s->n_skipped_for, s->rows_capacity * sizeof(*s->n_skipped_for));
    }
    s->start_s[task] = s->run_s[task] = NAN;
    if (s->n_skipped_for != NULL)
        s->n_skipped_for[task] = 0;
    if (n_programs == s->n_programs)
        return;
    s->programs = xrealloc(s->programs, ((size_t)n_programs + 1) * sizeof(*s->programs));
    memset(s->programs + s->n_programs, 0, ((size_t)n_programs + 1 - s->n_programs) * sizeof(*s->programs));
    s->n_programs = n_programs;
}

void summary_sink(void *data, const struct event *event)
{
    struct summary *s = data;

    switch (event->kind) {
    case EVENT_NODE_JOINED:
        node_of(s, event->node)->memory_bytes = event->memory_bytes;
        node_of(s, event->node)->n_gpus = event->n_gpus;
        break;
    case EVENT_WORKER_JOINED: count_worker(s, event); break;
    case EVENT_WORKER_LOST: note_absence(s, event->time_s, EVER_S); break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_UNCHANGED:
    case EVENT_TASK_DONE:
    case EVENT_TASK_FAILED:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_SKIPPED:
    case EVENT_TASK_NOT_NEEDED:
        if (event->task < s->graph->n_tasks)
            count_task(s, event);
        break;
    case EVENT_CALLS_DONE: count_calls(s, event); break;
    case EVENT_TASK_ADDED: append_task(s, event->task); break;
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_ENDED:
    case EVENT_TASK_AGAIN:
    case EVENT_TASK_STARTED:
    case EVENT_NODE_SETUP:
    case EVENT_NODE_TEARDOWN:
    case EVENT_RUN_STOPPING: break;
    }
}

void summary_set_left(struct summary *s, uint32_t n_left)
{
    if (s != NULL)
        s->n_left = n_left;
}

int summary_exit_status(const struct summary *s)
{
    return s->n_done + s->n_kept + s->n_not_needed + s->n_allowed == s->n_tasks ? 0 : 1;
}

/* --- printing --- */

static void put_label(struct buffer *b, const char *label)
{
    buffer_printf(b, "%14s  ", label);
}

static void put_duration(struct buffer *b, double s)
{
    uint64_t whole = (uint64_t)(s + 0.5);

    if (s < 0.9995)
        buffer_printf(b, "%.3g ms", s * 1e3);
    else if (s < 99.95)
        buffer_printf(b, "%.3g s", s);
    else if (whole < 3600)
        buffer_printf(b, "%u min %02u s", (unsigned)(whole / 60), (unsigned)(whole % 60));
    else
        buffer_printf(b, "%" PRIu64 " h %02u min", whole / 3600, (unsigned)(whole / 60 % 60));
}

static void put_count(struct buffer *b, const char *label, uint32_t n)
{
    if (n == 0)
        return;
    put_label(b, label);
    buffer_printf(b, "%" PRIu32 "\n", n);
}

/* How many columns the last line has left. (Bytes are taken for columns.) */
static size_t count_left(const struct buffer *b)
{
    const char *newline = memrchr(b->bytes, '\n', b->n);
    size_t n_used = newline != NULL ? (size_t)(b->bytes + b->n - newline) - 1 : b->n;

    return n_used < COLUMNS ? COLUMNS - n_used : 0;
}

/* The text before the id, the id and the text behind it, as far as the line has room: a long id
 * loses its middle, between characters. */
static void put_id(struct buffer *b, const char *before, const char *id, const char *behind)
{
    size_t n = strlen(id);
    size_t n_texts = strlen(before) + strlen(behind);
    size_t n_left = count_left(b);
    size_t n_start, from;

    if (n_left < n_texts + ID_COLUMNS_MIN)
        return;
    n_left -= n_texts;
    buffer_put(b, before, strlen(before));
    if (n > n_left) {
        n_start = (n_left - 3) / 2;
        from = n - n_start;
        while (n_start > 0 && (id[n_start] & 0xc0) == 0x80)
            n_start--;
        while (from < n && (id[from] & 0xc0) == 0x80)
            from++;
        buffer_put(b, id, n_start);
        buffer_put(b, "...", 3);
        buffer_put(b, id + from, n - from);
    } else {
        buffer_put(b, id, n);
    }
    buffer_put(b, behind, strlen(behind));
}

/* As it can be typed in a shell. */
static void put_word(struct buffer *b, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";

    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        buffer_put(b, word, strlen(word));
        return;
    }
    buffer_put_u8(b, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            buffer_put(b, "'\\'", 3);
        buffer_put_u8(b, (uint8_t)*word);
    }
    buffer_put_u8(b, '\'');
}

static void put_done(struct buffer *b, const struct summary *s)
{
    put_label(b, "done");
    buffer_printf(b, "%" PRIu32 " of %" PRIu32 " tasks", s->n_done + s->n_kept, s->n_tasks);
    if (s->n_kept > 0)
        buffer_printf(b, ", %" PRIu32 " of them in earlier runs", s->n_kept);
    buffer_put_u8(b, '\n');
}

static void put_failed(struct buffer *b, const struct summary *s)
{
    if (s->n_failed == 0)
        return;
    put_label(b, "failed");
    buffer_printf(b, "%" PRIu32, s->n_failed);
    if (s->n_allowed == s->n_failed)
        buffer_printf(b, ", as %s may", s->n_failed == 1 ? "it" : "they");
    else if (s->n_allowed > 0)
        buffer_printf(b, ", %" PRIu32 " of which may", s->n_allowed);
    buffer_put_u8(b, '\n');
}

/* The failed tasks for which most others were skipped, most first. Returns how many there are in all. */
static uint32_t find_roots(const struct summary *s, task_id roots[ROOTS_SHOWN])
{
    uint32_t n = 0;

    for (task_id t = 0; s->n_skipped_for != NULL && t < s->graph->n_tasks; t++) {
        uint32_t i = n < ROOTS_SHOWN ? n : ROOTS_SHOWN;

        if (s->n_skipped_for[t] == 0)
            continue;
        n++;
        while (i > 0 && s->n_skipped_for[roots[i - 1]] < s->n_skipped_for[t]) {
            if (i < ROOTS_SHOWN)
                roots[i] = roots[i - 1];
            i--;
        }
        if (i < ROOTS_SHOWN)
            roots[i] = t;
    }
    return n;
}

static void put_skipped(struct buffer *b, const struct summary *s)
{
    task_id roots[ROOTS_SHOWN];
    uint32_t n = find_roots(s, roots), n_left = s->n_skipped;

    if (s->n_skipped == 0)
        return;
    put_label(b, "skipped");
    if (n != 1)
        buffer_printf(b, "%" PRIu32 "%s", s->n_skipped, n > 0 ? ": " : "");
    for (uint32_t i = 0; i < n && i < ROOTS_SHOWN; i++) {
        if (i > 0)
            buffer_printf(b, ",\n%16s", "");
        buffer_printf(b, "%" PRIu32 " because of ", s->n_skipped_for[roots[i]]);
        put_id(b, "", s->graph->tasks[roots[i]].id, "");
        n_left -= s->n_skipped_for[roots[i]];
    }
    if (n > ROOTS_SHOWN)
        buffer_printf(b, ",\n%16s%" PRIu32 " because of %" PRIu32 " others", "", n_left, n - ROOTS_SHOWN);
    buffer_put_u8(b, '\n');
}

static void put_counts(struct buffer *b, const struct summary *s)
{
    uint32_t n_over = s->n_kept + s->n_done + s->n_failed + s->n_skipped + s->n_not_needed + s->n_cancelled;

    put_done(b, s);
    put_failed(b, s);
    if (s->n_retried > 0) {
        put_label(b, "tried again");
        buffer_printf(b, "%" PRIu32 " times\n", s->n_retried);
    }
    put_skipped(b, s);
    put_count(b, "not needed", s->n_not_needed);
    put_count(b, "cancelled", s->n_cancelled);
    put_count(b, "not started", n_over < s->n_tasks ? s->n_tasks - n_over : 0);
    if (s->n_left > 0) {
        put_label(b, "waiting");
        buffer_printf(b, "%" PRIu32 " task%s, for the next allocation\n", s->n_left, s->n_left == 1 ? "" : "s");
    }
}

static int compare_causes(const void *a, const void *b)
{
    const struct cause *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return x->example < y->example ? -1 : x->example > y->example;
}

static void put_causes(struct buffer *b, const struct summary *s)
{
    struct cause causes[CAUSES_MAX];
    char text[OUTCOME_BYTES];

    memcpy(causes, s->causes, sizeof(causes));
    qsort(causes, s->n_causes, sizeof(*causes), compare_causes);
    for (uint32_t i = 0; i < s->n_causes && i < CAUSES_SHOWN; i++) {
        put_label(b, i == 0 ? "causes" : "");
        outcome_classify(causes[i].end, causes[i].code, text);
        buffer_printf(b, "%" PRIu32 " x %s", causes[i].n, text);
        put_id(b, ", first ", s->graph->tasks[causes[i].example].id, "");
        buffer_put_u8(b, '\n');
    }
    if (s->n_causes > CAUSES_SHOWN) {
        put_label(b, "");
        buffer_printf(b, "and %" PRIu32 " others\n", s->n_causes - CAUSES_SHOWN);
    }
}

/* --- times --- */

static double makespan_of(const struct summary *s)
{
    return s->n_timed > 0 ? s->last_end_s - s->first_start_s : 0;
}

double summary_makespan_s(const struct summary *s)
{
    return makespan_of(s);
}

static bool is_of_kind(const struct node *n, const struct makespan_node *kind)
{
    return kind->cores == n->n_cores && kind->memory_bytes == n->memory_bytes && kind->gpus == n->n_gpus;
}

/* The nodes of the run by kinds; those without workers are none. The caller frees them. */
static struct makespan_node *find_kinds(const struct summary *s, uint32_t *n_kinds)
{
    struct makespan_node *kinds = xcalloc(s->n_nodes + 1, sizeof(*kinds));
    uint32_t n = 0;

    for (size_t i = 0; i < s->n_nodes; i++) {
        const struct node *node = &s->nodes[i];
        uint32_t k = 0;

        if (node->n_cores == 0)
            continue;
        while (k < n && !is_of_kind(node, &kinds[k]))
            k++;
        if (k == n)
            kinds[n++] = (struct makespan_node){
                .cores = node->n_cores, .memory_bytes = node->memory_bytes, .gpus = node->n_gpus};
        kinds[k].n++;
    }
    *n_kinds = n;
    return kinds;
}

/* What each task took, all attempts together; 0 if it did not run. The caller frees it. */
static float *find_costs(const struct summary *s)
{
    float *cost_s = xcalloc(s->graph->n_tasks + 1, sizeof(*cost_s));

    for (task_id t = 0; t < s->graph->n_tasks; t++)
        if (!isnan(s->start_s[t]))
            cost_s[t] = s->run_s[t];
    for (size_t i = 0; i < s->n_attempts; i++)
        cost_s[s->attempts[i].task] += (float)(s->attempts[i].end_s - s->attempts[i].start_s);
    return cost_s;
}

static void put_limit(struct buffer *b, const struct summary *s, const struct makespan_bound *bound)
{
    switch (bound->limit) {
    case LIMIT_PATH: buffer_printf(b, "a chain of tasks"); break;
    case LIMIT_CORES: buffer_printf(b, "cores"); break;
    case LIMIT_MEMORY: buffer_printf(b, "memory"); break;
    case LIMIT_GPUS: buffer_printf(b, "GPUs"); break;
    case LIMIT_QUEUE: put_id(b, "queue ", s->graph->queues[bound->which].name, ""); break;
    case LIMIT_NAMED: put_id(b, "resource ", s->graph->named[bound->which].name, ""); break;
    }
}

/* What no scheduler could have been below, tasks taking what they took. The weaker of two bounds, where it is
 * as good, names the plainer cause. */
static void put_bound(struct buffer *b, const struct summary *s)
{
    struct makespan_site site;
    struct makespan_node *kinds = find_kinds(s, &site.n_kinds);
    struct makespan_bound plain = {0}, bound;
    float *cost_s = find_costs(s);

    site.kinds = kinds;
    if (site.n_kinds > 0)
        makespan_bound_quickly(s->graph, cost_s, &site, &plain);
    bound = plain;
    if (site.n_kinds > 0 && s->graph->n_tasks <= STRONG_BOUND_TASKS)
        makespan_bound_well(s->graph, cost_s, &site, &bound);
    if (bound.s > 0) {
        put_label(b, "lower bound");
        put_duration(b, bound.s);
        buffer_printf(b, " for such run times, by ");
        put_limit(b, s, plain.s >= AS_GOOD * bound.s ? &plain : &bound);
        buffer_printf(b, "%s: %.1f %% above\n", plain.s >= AS_GOOD * bound.s ? "" : " and dependencies",
                      fmax(100 * (makespan_of(s) / bound.s - 1), 0));
    }
    free(cost_s);
    free(kinds);
}

static void put_utilisation(struct buffer *b, const struct summary *s)
{
    if (s->n_slots == 0 || makespan_of(s) <= 0)
        return;
    put_label(b, "utilisation");
    buffer_printf(b, "%.1f %% of %" PRIu32 " slots", 100 * s->core_sum_s / (s->n_slots * makespan_of(s)), s->n_slots);
    if (s->cpu_sum_s > 0)
        buffer_printf(b, "; tasks had the CPU %.1f %% of their time", 100 * s->cpu_sum_s / s->core_sum_s);
    buffer_put_u8(b, '\n');
}

static void explain_idle(const struct summary *s, double shares[N_IDLE_REASONS])
{
    struct idle_run run = {
        .graph = s->graph,
        .start_s = s->start_s,
        .run_s = s->run_s,
        .attempts = s->attempts,
        .n_attempts = (uint32_t)s->n_attempts,
        .absences = s->absences,
        .n_absences = (uint32_t)s->n_absences,
        .n_cores = s->n_workers,
        .first_s = s->first_start_s,
        .last_s = s->last_end_s,
    };

    for (size_t i = 0; i < s->n_nodes; i++) {
        run.n_nodes += s->nodes[i].n_cores > 0;
        run.memory_bytes += s->nodes[i].memory_bytes;
    }
    idle_explain(&run, shares);
}

static void put_idle(struct buffer *b, const struct summary *s)
{
    static const char *const words[N_IDLE_REASONS] = {
        [IDLE_NOTHING_READY] = "nothing was ready",
        [IDLE_TAIL] = "only the last tasks ran",
        [IDLE_MEMORY] = "memory did not suffice",
        [IDLE_GPUS] = "GPUs did not suffice",
        [IDLE_TOKENS] = "tokens did not suffice",
        [IDLE_WIDE] = "tasks of several cores had no room",
        [IDLE_ABSENT] = "workers were not there",
        [IDLE_BETWEEN] = "the next task was on its way",
    };
    double shares[N_IDLE_REASONS];
    int n = 0;

    explain_idle(s, shares);
    for (;;) {
        int most = 0;

        for (int i = 1; i < N_IDLE_REASONS; i++)
            if (shares[i] > shares[most])
                most = i;
        if (shares[most] < IDLE_SHOWN)
            break;
        put_label(b, n++ == 0 ? "idle" : "");
        buffer_printf(b, "%4.1f %%: %s\n", 100 * shares[most], words[most]);
        shares[most] = 0;
    }
}

static void put_task_times(struct buffer *b, const struct summary *s)
{
    put_label(b, "task");
    put_duration(b, s->sum_s / s->n_timed);
    buffer_printf(b, " on average, ");
    put_duration(b, s->longest_s);
    buffer_printf(b, " at most");
    put_id(b, " (", s->graph->tasks[s->longest].id, ")");
    buffer_put_u8(b, '\n');
}

static void put_times(struct buffer *b, const struct summary *s)
{
    if (s->n_timed == 0)
        return;
    put_label(b, "makespan");
    put_duration(b, makespan_of(s));
    buffer_printf(b, " from the first start to the last end\n");
    put_bound(b, s);
    put_utilisation(b, s);
    put_idle(b, s);
    put_task_times(b, s);
}

/* --- programs --- */

static uint32_t find_slowest(const struct summary *s, uint32_t slowest[PROGRAMS_SHOWN])
{
    uint32_t n = 0;

    for (uint32_t p = 0; p < s->n_programs; p++) {
        uint32_t i = n < PROGRAMS_SHOWN ? n : PROGRAMS_SHOWN;

        if (s->programs[p].n == 0)
            continue;
        n++;
        while (i > 0 && s->programs[slowest[i - 1]].sum_s < s->programs[p].sum_s) {
            if (i < PROGRAMS_SHOWN)
                slowest[i] = slowest[i - 1];
            i--;
        }
        if (i < PROGRAMS_SHOWN)
            slowest[i] = p;
    }
    return n;
}

static void put_cell(struct buffer *b, double duration_s)
{
    struct buffer text = BUFFER_EMPTY;

    put_duration(&text, duration_s);
    buffer_printf(b, "%13.*s", (int)text.n, text.bytes);
    buffer_release(&text);
}

static void put_programs(struct buffer *b, const struct summary *s)
{
    uint32_t slowest[PROGRAMS_SHOWN];
    uint32_t n = find_slowest(s, slowest);

    if (n < 2)
        return;
    put_label(b, "programs");
    buffer_printf(b, "%8s%13s%13s%13s\n", "tasks", "mean", "longest", "sum");
    for (uint32_t i = 0; i < n && i < PROGRAMS_SHOWN; i++) {
        const struct program *p = &s->programs[slowest[i]];
        const char *name = s->graph->programs[slowest[i]];

        buffer_printf(b, "%16s%8" PRIu32, "", p->n);
        put_cell(b, p->sum_s / p->n);
        put_cell(b, (double)p->longest_s);
        put_cell(b, p->sum_s);
        put_id(b, "  ", name[0] != '\0' ? name : "(no name)", "");
        buffer_put_u8(b, '\n');
    }
    if (n > PROGRAMS_SHOWN) {
        put_label(b, "");
        buffer_printf(b, "%8s%" PRIu32 " others took less\n", "", n - PROGRAMS_SHOWN);
    }
}

static void put_memory(struct buffer *b, const struct summary *s)
{
    double mib = (double)s->peak_bytes / 1048576.0;

    if (s->peak == TASK_NONE)
        return;
    put_label(b, "peak memory");
    if (mib < 1024)
        buffer_printf(b, "%.3g MiB", mib);
    else
        buffer_printf(b, "%.4g GiB", mib / 1024);
    put_id(b, " (", s->graph->tasks[s->peak].id, ")");
    buffer_put_u8(b, '\n');
}

/* --- what to do next --- */

/* A task that failed, for the most frequent cause, after it could have written something. */
static task_id find_example(const struct summary *s)
{
    const struct cause *best = NULL;

    for (uint32_t i = 0; i < s->n_causes; i++)
        if (!task_end_has_reason(s->causes[i].end) && (best == NULL || s->causes[i].n > best->n))
            best = &s->causes[i];
    return best != NULL ? best->example : TASK_NONE;
}

/* Would the run that is asked for, typed here, be found without being told where? It is looked for by the workflow's
 * name with another ending in this directory. Saying it once too often does no harm. */
static bool is_default_place(const char *run_path, const char *flow)
{
    const char *run = strrchr(run_path, '/');
    const char *slash = strrchr(flow, '/');
    const char *base = slash != NULL ? slash + 1 : flow;
    size_t n = strcspn(base, ".");
    char *cwd = getcwd(NULL, 0);
    bool is_here = cwd != NULL && run != NULL && strlen(cwd) == (size_t)(run - run_path) &&
                   strncmp(cwd, run_path, strlen(cwd)) == 0;

    free(cwd);
    return is_here && strncmp(run + 1, base, n) == 0 && strcmp(run + 1 + n, ".run") == 0;
}

static void put_words(struct buffer *b, const struct summary_words *words, const char *before_each)
{
    for (size_t i = 0; i < words->n; i++) {
        buffer_printf(b, "%s ", before_each);
        put_word(b, words->each[i]);
    }
}

static void put_command(struct buffer *b, const char *run_path, const struct summary_command *c)
{
    put_word(b, c->program);
    buffer_printf(b, " run");
    if (c->flow != NULL) {
        buffer_put_u8(b, ' ');
        put_word(b, c->flow);
    }
    put_words(b, &c->targets, "");
    put_words(b, &c->plugins, " --plugin");
    buffer_printf(b, " --resume");
    if (!is_default_place(run_path, c->flow != NULL ? c->flow : c->program)) {
        buffer_printf(b, " --run-dir ");
        put_word(b, run_path);
    }
    if (c->words.n > 0)
        buffer_printf(b, " --");
    put_words(b, &c->words, "");
}

static void put_places(struct buffer *b, const struct summary *s, const char *run_path,
                       const struct summary_command *command)
{
    task_id example = find_example(s);

    put_label(b, "run directory");
    buffer_printf(b, "%s\n", run_path);
    if (example != TASK_NONE) {
        put_label(b, s->n_failed == 1 ? "its output" : "their output");
        buffer_printf(b, "ganger logs ");
        put_word(b, run_path);
        buffer_put_u8(b, ' ');
        put_word(b, s->n_failed == 1 ? s->graph->tasks[example].id : "--failed");
        buffer_put_u8(b, '\n');
    }
    if (summary_exit_status(s) != 0) {
        put_label(b, "to carry on");
        put_command(b, run_path, command);
        buffer_put_u8(b, '\n');
    }
}

static void write_out(int fd, struct buffer *b)
{
    if (file_write(fd, b->bytes, b->n) != 0) {
        /* nowhere to say it */
    }
    buffer_release(b);
}

void summary_print(const struct summary *s, int fd, const char *run_path, const struct summary_command *command)
{
    struct buffer b = BUFFER_EMPTY;

    put_counts(&b, s);
    put_causes(&b, s);
    put_times(&b, s);
    put_programs(&b, s);
    put_memory(&b, s);
    put_places(&b, s, run_path, command);
    write_out(fd, &b);
}

void summary_print_failures(const struct summary *s, int fd, const char *run_path,
                            const struct summary_command *command)
{
    struct buffer b = BUFFER_EMPTY;

    if (summary_exit_status(s) == 0)
        return;
    put_counts(&b, s);
    put_causes(&b, s);
    put_places(&b, s, run_path, command);
    write_out(fd, &b);
}
