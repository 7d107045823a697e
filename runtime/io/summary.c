#include "io/summary.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "core/outcome.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAUSES_MAX 256 /* different ones that are told apart; exit statuses alone are 255 */
#define CAUSES_SHOWN 3
#define COLUMNS 80
#define ID_COLUMNS_MIN 12 /* with less room, it is left out */

struct cause
{
    enum task_end end;
    int code;
    uint32_t n;
    task_id example; /* the first task it befell */
};

struct summary
{
    const struct graph *graph;
    uint32_t n_slots;
    uint32_t n_tasks; /* without joins, as all below */
    uint32_t n_kept;
    uint32_t n_done; /* in this epoch */
    uint32_t n_failed;
    uint32_t n_skipped;
    uint32_t n_cancelled;

    uint32_t n_timed; /* tasks that ran in this epoch */
    double first_start_s;
    double last_end_s;
    double sum_s;
    double core_sum_s;
    double longest_s;
    task_id longest;

    struct cause causes[CAUSES_MAX];
    uint32_t n_causes;
};

struct summary *summary_open(const struct graph *g, uint32_t n_slots)
{
    struct summary *s = xcalloc(1, sizeof(*s));

    s->graph = g;
    s->n_slots = n_slots;
    s->n_tasks = g->n_tasks - g->n_joins;
    s->first_start_s = INFINITY;
    s->longest = TASK_NONE;
    return s;
}

void summary_close(struct summary *s)
{
    free(s);
}

/* --- counting --- */

static void count_time(struct summary *s, const struct event *e)
{
    const struct task_resources *r =
        &s->graph->resources[s->graph->tasks[e->task].resource_class];
    const struct task_result *result = e->result;
    double time_s;

    /* It never ran; or its worker took its times with it, and they are NAN. */
    if (result == NULL || !(result->end_s > result->start_s))
        return;
    time_s = result->end_s - result->start_s;
    s->n_timed++;
    s->sum_s += time_s;
    s->core_sum_s += time_s * r->cores;
    s->first_start_s = fmin(s->first_start_s, result->start_s);
    s->last_end_s = fmax(s->last_end_s, result->end_s);
    if (s->longest == TASK_NONE || time_s > s->longest_s) {
        s->longest = e->task;
        s->longest_s = time_s;
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

void summary_sink(void *data, const struct event *event)
{
    struct summary *s = data;

    switch (event->kind) {
    case EVENT_TASK_KEPT: s->n_kept += !task_is_join(&s->graph->tasks[event->task]); break;
    case EVENT_TASK_SKIPPED: s->n_skipped += !task_is_join(&s->graph->tasks[event->task]); break;
    case EVENT_TASK_DONE:
        s->n_done++;
        count_time(s, event);
        break;
    case EVENT_TASK_FAILED:
        s->n_failed++;
        count_time(s, event);
        count_cause(s, event);
        break;
    case EVENT_TASK_CANCELLED:
        s->n_cancelled++;
        count_time(s, event);
        break;
    case EVENT_NODE_JOINED:
    case EVENT_WORKER_JOINED:
    case EVENT_WORKER_LOST:
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_STARTED:
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_NOT_NEEDED:
    case EVENT_NODE_SETUP:
    case EVENT_NODE_TEARDOWN:
    case EVENT_RUN_STOPPING: break;
    }
}

int summary_exit_status(const struct summary *s)
{
    return s->n_done + s->n_kept == s->n_tasks ? 0 : 1;
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

static void put_counts(struct buffer *b, const struct summary *s)
{
    uint32_t n_over = s->n_kept + s->n_done + s->n_failed + s->n_skipped + s->n_cancelled;

    put_label(b, "done");
    buffer_printf(b, "%" PRIu32 " of %" PRIu32 " tasks", s->n_done + s->n_kept, s->n_tasks);
    if (s->n_kept > 0)
        buffer_printf(b, ", %" PRIu32 " of them in earlier runs", s->n_kept);
    buffer_put_u8(b, '\n');
    put_count(b, "failed", s->n_failed);
    put_count(b, "skipped", s->n_skipped);
    put_count(b, "cancelled", s->n_cancelled);
    put_count(b, "not started", n_over < s->n_tasks ? s->n_tasks - n_over : 0);
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

static void put_times(struct buffer *b, const struct summary *s)
{
    double makespan_s = s->last_end_s - s->first_start_s;

    if (s->n_timed == 0)
        return;
    put_label(b, "makespan");
    put_duration(b, makespan_s);
    buffer_printf(b, " from the first start to the last end\n");
    if (s->n_slots > 0 && makespan_s > 0) {
        put_label(b, "utilisation");
        buffer_printf(b, "%.1f %% of %" PRIu32 " slots\n",
                      100 * s->core_sum_s / (s->n_slots * makespan_s), s->n_slots);
    }
    put_label(b, "task");
    put_duration(b, s->sum_s / s->n_timed);
    buffer_printf(b, " on average, ");
    put_duration(b, s->longest_s);
    buffer_printf(b, " at most");
    put_id(b, " (", s->graph->tasks[s->longest].id, ")");
    buffer_put_u8(b, '\n');
}

/* A task that failed, for the most frequent cause, after it could have written something. */
static task_id find_example(const struct summary *s)
{
    const struct cause *best = NULL;

    for (uint32_t i = 0; i < s->n_causes; i++)
        if (!task_end_has_reason(s->causes[i].end) && (best == NULL || s->causes[i].n > best->n))
            best = &s->causes[i];
    return best != NULL ? best->example : TASK_NONE;
}

/* Would `ganger run WORKFLOW`, typed here, find the run without being told where? It looks for
 * WORKFLOW's name with another ending in this directory. Saying it once too often does no harm. */
static bool is_default_place(const char *run_path, const char *workflow_path)
{
    const char *run = strrchr(run_path, '/');
    const char *slash = strrchr(workflow_path, '/');
    const char *base = slash != NULL ? slash + 1 : workflow_path;
    size_t n = strcspn(base, ".");
    char *cwd = getcwd(NULL, 0);
    bool is_here = cwd != NULL && run != NULL && strlen(cwd) == (size_t)(run - run_path) &&
                   strncmp(cwd, run_path, strlen(cwd)) == 0;

    free(cwd);
    return is_here && strncmp(run + 1, base, n) == 0 && strcmp(run + 1 + n, ".run") == 0;
}

static void put_places(struct buffer *b, const struct summary *s, const char *run_path,
                       const char *workflow_path)
{
    task_id example = find_example(s);
    bool can_resume = summary_exit_status(s) != 0 && strcmp(workflow_path, "-") != 0;

    put_label(b, "run directory");
    buffer_printf(b, "%s\n", run_path);
    if (example != TASK_NONE) {
        put_label(b, "its output");
        buffer_printf(b, "ganger logs ");
        put_word(b, run_path);
        buffer_put_u8(b, ' ');
        put_word(b, s->graph->tasks[example].id);
        buffer_put_u8(b, '\n');
    }
    if (can_resume) {
        put_label(b, "to carry on");
        buffer_printf(b, "ganger run ");
        put_word(b, workflow_path);
        buffer_printf(b, " --resume");
        if (!is_default_place(run_path, workflow_path)) {
            buffer_printf(b, " --run-dir ");
            put_word(b, run_path);
        }
        buffer_put_u8(b, '\n');
    }
}

void summary_print(const struct summary *s, int fd, const char *run_path,
                   const char *workflow_path)
{
    struct buffer b = BUFFER_EMPTY;

    put_counts(&b, s);
    put_causes(&b, s);
    put_times(&b, s);
    put_places(&b, s, run_path, workflow_path);
    if (file_write(fd, b.bytes, b.n) != 0) {
        /* nowhere to say it */
    }
    buffer_release(&b);
}
