#include "launch/run_output.h"

#include "base/alloc.h"
#include "io/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an attempt is said to have written, and what was found. */
struct written
{
    uint64_t line;  /* of the journal that says how it ended, or only that it started */
    uint32_t epoch;
    uint32_t node;
    task_id index;
    uint32_t attempt;
    uint64_t offset;
    uint64_t n_bytes;
    uint64_t n_text;
    uint64_t found_offset;
    uint64_t found_end; /* 0: nothing was found */
    uint64_t found_text;
    bool has_end;       /* it is known what it wrote */
    bool was_lost;      /* … and that some of it could not be kept */
};

struct run_output
{
    run_output_reporter *reporter;
    void *data;
    struct written *all; /* when checked: sorted, one for each attempt */
    size_t n;
    size_t capacity;
    bool *has_ended;          /* by epoch: its last line is there */
    uint32_t n_epochs;
    struct output_place file; /* that is being read */
    bool has_lost;            /* some attempt of its node could not keep its output */
    struct written *last;     /* whose chunk was read last */
    struct run_output_result result;
};

__attribute__((format(printf, 2, 3))) static void report(struct run_output *o, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    o->result.n_problems++;
    o->reporter(o->data, text);
}

struct run_output *run_output_new(run_output_reporter *reporter, void *data)
{
    struct run_output *o = xcalloc(1, sizeof(*o));

    o->reporter = reporter;
    o->data = data;
    return o;
}

void run_output_free(struct run_output *o)
{
    if (o == NULL)
        return;
    free(o->all);
    free(o->has_ended);
    free(o);
}

/* --- what the journal says --- */

#define MOST_EPOCHS 1000000 /* a greater number is no epoch of ganger's */

static void note_epoch(struct run_output *o, uint32_t epoch, bool has_ended)
{
    if (epoch >= MOST_EPOCHS)
        return;
    if (epoch >= o->n_epochs) {
        o->has_ended = xrealloc(o->has_ended, epoch + 1);
        memset(o->has_ended + o->n_epochs, 0, epoch + 1 - o->n_epochs);
        o->n_epochs = epoch + 1;
    }
    o->has_ended[epoch] = has_ended;
}

/* Its last lines never came to the file: tasks may have started that the journal does not tell of. */
static bool was_cut_off(const struct run_output *o, uint32_t epoch)
{
    return epoch < o->n_epochs && epoch > 0 && !o->has_ended[epoch];
}

void run_output_line(struct run_output *o, uint64_t number, uint32_t epoch, const struct record_fields *f)
{
    bool has_end = record_is_end(f->kind) || f->kind == RECORD_SETUP || f->kind == RECORD_TEARDOWN;
    struct written *w;

    if (f->kind == RECORD_RUN || f->kind == RECORD_END)
        note_epoch(o, epoch, f->kind == RECORD_END);
    if (!has_end && f->kind != RECORD_START)
        return;
    if (o->n > 0 && has_end) { /* a start right before it: half of them, where tasks are short */
        w = &o->all[o->n - 1];
        o->n -= !w->has_end && w->epoch == epoch && w->index == f->index && w->attempt == f->attempt &&
                w->node == f->node;
    }
    o->all = xgrow(o->all, o->n, &o->capacity, sizeof(*o->all));
    w = &o->all[o->n++];
    *w = (struct written){.line = number, .epoch = epoch, .node = f->node, .index = f->index, .attempt = f->attempt,
                          .has_end = has_end && f->end != TASK_LOST, .was_lost = f->end == TASK_OUTPUT_LOST};
    if (f->output.n_bytes == 0)
        return;
    w->offset = f->output.offset;
    w->n_bytes = f->output.n_bytes;
    w->n_text = f->output.n_text;
    if (f->output.epoch != epoch || f->output.node != f->node)
        report(o, "journal line %" PRIu64 ": its output is said to be in %" PRIu32 "-n%" PRIu32 ".out, which is not "
               "its epoch's and node's file", number, f->output.epoch, f->output.node);
}

static int compare_keys(const struct written *x, const struct written *y)
{
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return x->attempt < y->attempt ? -1 : x->attempt > y->attempt;
}

static int compare_written(const void *a, const void *b)
{
    const struct written *x = a, *y = b;
    int order = compare_keys(x, y);

    return order != 0 ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* The last line about an attempt is what holds. */
static void merge(struct run_output *o)
{
    size_t n = 0;

    if (o->n > 0)
        qsort(o->all, o->n, sizeof(*o->all), compare_written);
    for (size_t i = 0; i < o->n; i++)
        if (i + 1 == o->n || compare_keys(&o->all[i], &o->all[i + 1]) != 0)
            o->all[n++] = o->all[i];
    o->n = n;
}

/* --- what the files hold --- */

static struct written *find(const struct run_output *o, const struct written *key)
{
    size_t low = 0, high = o->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(&o->all[middle], key);

        if (order == 0)
            return &o->all[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* They have a line when they end, and none if they were left, or their worker died. */
static bool is_of_node(task_id index)
{
    return index == TASK_SETUP || index == TASK_TEARDOWN;
}

static void note_chunk(struct run_output *o, const struct output_part *part)
{
    const struct written key = {.epoch = o->file.epoch, .node = o->file.node, .index = part->task,
                                .attempt = part->attempt};
    struct written *w = o->last != NULL && compare_keys(o->last, &key) == 0 ? o->last : find(o, &key);

    o->last = w;
    o->result.n_chunks++;
    o->result.n_text += part->n_text;
    if (w == NULL && (was_cut_off(o, key.epoch) || is_of_node(key.index))) {
        o->result.n_unended++;
        return;
    }
    if (w == NULL) {
        report(o, "%" PRIu32 "-n%" PRIu32 ".out: the chunk at byte %" PRIu64 " is of attempt %" PRIu32 " of a task "
               "with index %" PRIu32 ", of which the journal knows nothing", key.epoch, key.node, part->offset,
               key.attempt, key.index);
        return;
    }
    if (w->found_end == 0)
        w->found_offset = part->offset;
    w->found_end = part->offset + part->n_bytes;
    w->found_text += part->n_text;
    o->result.n_unended += !w->has_end;
}

/* What the disk did not take any more, or a worker that died did not finish. No attempt that ended otherwise can miss
 * it: its bytes are counted. */
static bool may_be_unfinished(const struct run_output *o, const struct output_part *part)
{
    const struct written key = {.epoch = o->file.epoch, .node = o->file.node, .index = part->task,
                                .attempt = part->attempt};
    const struct written *w = part->task != TASK_NONE ? find(o, &key) : NULL;

    if (w != NULL)
        return !w->has_end || w->was_lost;
    return o->has_lost || was_cut_off(o, key.epoch) || is_of_node(key.index);
}

static int read_part(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct run_output *o = data;

    (void)err;
    switch (part->kind) {
    case OUTPUT_CHUNK: note_chunk(o, part); break;
    case OUTPUT_HOLE:
        o->result.n_holes++;
        o->result.n_hole_bytes += part->n_bytes;
        break;
    case OUTPUT_DAMAGE:
        if (may_be_unfinished(o, part)) {
            o->result.n_torn++;
            break;
        }
        report(o, "%" PRIu32 "-n%" PRIu32 ".out: what stands at byte %" PRIu64 " (%" PRIu64 " bytes) %s", o->file.epoch,
               o->file.node, part->offset, part->n_bytes, part->why);
        break;
    }
    return 0;
}

static void check_found(struct run_output *o, const struct written *w)
{
    if (!w->has_end)
        return;
    if (w->n_text != w->found_text)
        report(o, "journal line %" PRIu64 ": the task wrote %" PRIu64 " bytes, and %" PRIu64 " of them are in %" PRIu32
               "-n%" PRIu32 ".out", w->line, w->n_text, w->found_text, w->epoch, w->node);
    else if (w->n_bytes > 0 && (w->offset != w->found_offset || w->offset + w->n_bytes != w->found_end))
        report(o, "journal line %" PRIu64 ": the task's output is said to lie from byte %" PRIu64 " to %" PRIu64 " of %"
               PRIu32 "-n%" PRIu32 ".out, and lies from %" PRIu64 " to %" PRIu64, w->line, w->offset,
               w->offset + w->n_bytes, w->epoch, w->node, w->found_offset, w->found_end);
}

/* Of the attempts, which are sorted by epoch and node, goes through those of the file that comes next. */
static bool has_lost_output(const struct run_output *o, size_t *at)
{
    bool has = false;

    for (; *at < o->n && (o->all[*at].epoch < o->file.epoch ||
                          (o->all[*at].epoch == o->file.epoch && o->all[*at].node <= o->file.node)); ++*at)
        has |= o->all[*at].was_lost && o->all[*at].epoch == o->file.epoch && o->all[*at].node == o->file.node;
    return has;
}

int run_output_check(struct run_output *o, const char *dir, struct run_output_result *result,
                     struct ganger_error *err)
{
    struct output_source *source = output_source_open(dir);
    struct output_place *files;
    size_t n_files, at = 0;
    int status = output_list(dir, &files, &n_files, err);

    merge(o);
    for (size_t i = 0; i < n_files && status == 0; i++) {
        o->file = files[i];
        o->last = NULL;
        o->has_lost = has_lost_output(o, &at);
        status = output_scan(source, &files[i], read_part, o, err);
    }
    for (size_t i = 0; i < o->n && status == 0; i++)
        check_found(o, &o->all[i]);
    free(files);
    output_source_close(source);
    o->result.n_files = n_files;
    *result = o->result;
    return status;
}
