#include "launch/cmd.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/name_index.h"
#include "io/journal.h"
#include "io/output.h"
#include "io/rundir.h"
#include "launch/options.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

struct logs_options
{
    bool wants_stdout;
    bool wants_stderr;
    uint32_t attempt; /* 0: the last */
    bool help;
    const char *run;
    char **tasks; /* n_tasks of them; none: all */
    uint32_t n_tasks;
};

#define ROW(...) OPTION_ROW(logs_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "stdout", NULL, OPTION_ON, wants_stdout, "only what went to standard output"),
    ROW('\0', "stderr", NULL, OPTION_ON, wants_stderr, "only what went to standard error, on standard output"),
    ROW('\0', "attempt", "N", OPTION_COUNT, attempt, "the N-th attempt instead of the last one"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger logs RUN [TASK]... [OPTION]...\n\n"
           "Prints what tasks wrote, to standard output and standard error as they did. RUN is a run\n"
           "directory, or the workflow whose run is in the current directory. Without TASK, all tasks\n"
           "that have ended and wrote something, in the order in which they ended.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 printed (of a task that has not ended, only a note); 2 there is no such run,\n"
           "task or attempt; 3 the output cannot be read.\n");
}

/* One stream asked for, or both. */
static enum output_stream choose_streams(const struct logs_options *o)
{
    if (o->wants_stdout == o->wants_stderr)
        return OUTPUT_BOTH;
    return o->wants_stdout ? OUTPUT_STDOUT : OUTPUT_STDERR;
}

/* --- printing --- */

/* Where a task's output lies. */
struct place
{
    task_id index;
    uint32_t attempt;
    struct output_place output;
};

static struct place place_of(const struct journal_entry *entry)
{
    return (struct place){entry->index, entry->attempt, entry->output};
}

struct printer
{
    const struct rundir *dir;
    enum output_stream which;
    bool has_titles;
    const char *title; /* of the task whose first bytes are still to come; NULL: printed */
    bool is_started;   /* something was printed */
    bool is_line_open; /* on standard output */
    int exit_status;
};

static void print_title(struct printer *p)
{
    if (p->title == NULL)
        return;
    if (p->has_titles) {
        printf("%s%s==> %s <==\n", p->is_line_open ? "\n" : "", p->is_started ? "\n" : "",
               p->title);
        p->is_line_open = false;
    }
    p->is_started = true;
    p->title = NULL;
}

static int print_part(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct printer *p = data;
    FILE *file = part->stream == OUTPUT_STDERR && p->which == OUTPUT_BOTH ? stderr : stdout;

    if (part->kind != OUTPUT_CHUNK)
        return error_set(err, ERROR_SYSTEM, "the chunk at byte %" PRIu64 " %s", part->offset, part->why);
    print_title(p);
    if (file == stderr)
        fflush(stdout); /* on a terminal they come in the order in which the task wrote them */
    if (fwrite(part->text, 1, part->n_text, file) != part->n_text)
        return error_set_errno(err, ERROR_SYSTEM, "cannot print a task's output");
    if (file == stdout)
        p->is_line_open = part->text[part->n_text - 1] != '\n';
    return 0;
}

/* A task whose output is damaged is no reason to keep back the others'. */
static void print_task(struct printer *p, const char *id, const struct place *place)
{
    struct ganger_error err = {ERROR_NONE, ""};

    p->title = id;
    if (output_read(p->dir->output_path, &place->output, place->index, place->attempt, p->which, print_part,
                    p, &err) == 0)
        return;
    fflush(stdout);
    error_prefix(&err, "task \"%s\": ", id);
    log_error("%s", err.text);
    p->exit_status = error_exit_status(&err);
}

static bool is_end(const struct journal_entry *entry)
{
    return strcmp(entry->state, "start") != 0 && strcmp(entry->state, "skipped") != 0;
}

/* --- some tasks --- */

struct wanted
{
    const char *state;      /* what the journal said last; NULL: nothing */
    uint32_t last_attempt;  /* that has ended; 0: none */
    bool is_found;
    struct place place;
};

struct some
{
    const struct logs_options *options;
    struct wanted *wanted; /* for each of the options' tasks */
    struct name_index index;
};

static const char *wanted_name(const void *data, uint32_t number)
{
    return ((const struct some *)data)->options->tasks[number];
}

static int find_wanted(void *data, const struct journal_entry *entry, struct ganger_error *err)
{
    static const char *const states[] = {"start", "skipped"};
    struct some *s = data;
    uint32_t i = name_index_find(&s->index, entry->task, strlen(entry->task), wanted_name, s);
    struct wanted *w;

    (void)err;
    if (i == NAME_NOT_FOUND)
        return 0;
    w = &s->wanted[i];
    w->state = is_end(entry) ? "ended" : states[strcmp(entry->state, "skipped") == 0];
    if (!is_end(entry))
        return 0;
    w->last_attempt = entry->attempt;
    if (s->options->attempt != 0 && s->options->attempt != entry->attempt)
        return 0;
    w->is_found = true;
    w->place = place_of(entry);
    return 0;
}

static void print_wanted(struct printer *p, const struct some *s, uint32_t i)
{
    const struct wanted *w = &s->wanted[i];
    const char *id = s->options->tasks[i];

    fflush(stdout); /* so that notes stand where they belong */
    if (w->is_found) {
        print_task(p, id, &w->place);
    } else if (w->state == NULL) {
        log_error("%s knows no task \"%s\": it is misspelt, or was not started yet", p->dir->path,
                  id);
        p->exit_status = 2;
    } else if (w->last_attempt != 0) {
        log_error("task \"%s\" has no attempt %" PRIu32 " that ended; the last one is %" PRIu32, id,
                  s->options->attempt, w->last_attempt);
        p->exit_status = 2;
    } else if (strcmp(w->state, "skipped") == 0) {
        log_note("task \"%s\" was skipped: it wrote nothing", id);
    } else {
        log_note("task \"%s\" has not ended: its output is not to be had yet", id);
    }
}

static int print_some(struct printer *p, const struct logs_options *o, struct ganger_error *err)
{
    struct some s = {.options = o, .wanted = xcalloc(o->n_tasks, sizeof(*s.wanted))};
    int status;

    for (uint32_t i = 0; i < o->n_tasks; i++)
        name_index_add(&s.index, o->tasks[i], strlen(o->tasks[i]), i, wanted_name, &s);
    status = journal_read(p->dir->journal_path, find_wanted, &s, err);
    p->has_titles = o->n_tasks > 1;
    for (uint32_t i = 0; i < o->n_tasks && status == 0; i++) {
        /* A task named twice is printed twice; only the first one was looked for. */
        const char *id = o->tasks[i];

        print_wanted(p, &s, name_index_find(&s.index, id, strlen(id), wanted_name, &s));
    }
    name_index_release(&s.index);
    free(s.wanted);
    return status;
}

/* --- all tasks ---
 *
 * Twice through the journal: first which of its lines is the last one about its task (by a hash of
 * the id, 16 bytes a task, so that a million tasks need no memory for names), then printing. */

struct end
{
    uint64_t id_hash;
    uint64_t number; /* of the end among all that count */
};

struct all
{
    const struct logs_options *options;
    struct printer *printer;
    struct end *ends;
    size_t n_ends;
    size_t capacity;
    bool *is_last;  /* for each end */
    uint64_t number; /* of the end that is looked at */
};

static bool counts(const struct logs_options *o, const struct journal_entry *entry)
{
    return is_end(entry) && (o->attempt == 0 || o->attempt == entry->attempt);
}

static int gather_end(void *data, const struct journal_entry *entry, struct ganger_error *err)
{
    struct all *a = data;

    (void)err;
    if (!counts(a->options, entry))
        return 0;
    a->ends = xgrow(a->ends, a->n_ends, &a->capacity, sizeof(*a->ends));
    a->ends[a->n_ends] = (struct end){XXH64(entry->task, strlen(entry->task), 0), a->n_ends};
    a->n_ends++;
    return 0;
}

static int print_end(void *data, const struct journal_entry *entry, struct ganger_error *err)
{
    struct all *a = data;
    struct place place = place_of(entry);

    (void)err;
    if (!counts(a->options, entry) || a->number == a->n_ends) /* the run may go on meanwhile */
        return 0;
    if (a->is_last[a->number++])
        print_task(a->printer, entry->task, &place);
    return 0;
}

static int compare_ends(const void *a, const void *b)
{
    const struct end *x = a, *y = b;

    if (x->id_hash != y->id_hash)
        return x->id_hash < y->id_hash ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void mark_last_ends(struct all *a)
{
    size_t n_last = 0;

    qsort(a->ends, a->n_ends, sizeof(*a->ends), compare_ends);
    a->is_last = xcalloc(a->n_ends, sizeof(*a->is_last));
    for (size_t i = 0; i < a->n_ends; i++) {
        bool is_last = i + 1 == a->n_ends || a->ends[i + 1].id_hash != a->ends[i].id_hash;

        a->is_last[a->ends[i].number] = is_last;
        n_last += is_last;
    }
    a->printer->has_titles = n_last > 1;
    free(a->ends);
    a->ends = NULL;
}

static int print_all(struct printer *p, const struct logs_options *o, struct ganger_error *err)
{
    struct all a = {.options = o, .printer = p};
    int status = journal_read(p->dir->journal_path, gather_end, &a, err);

    mark_last_ends(&a);
    if (status == 0)
        status = journal_read(p->dir->journal_path, print_end, &a, err);
    free(a.is_last);
    return status;
}

/* --- the command --- */

/* The workflow stands for its run. */
static int open_run(struct rundir *dir, const char *path, struct ganger_error *err)
{
    struct stat file;
    char *run_path;
    int status;

    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return rundir_open_to_read(dir, path, err);
    run_path = rundir_default_path(path);
    status = rundir_open_to_read(dir, run_path, err);
    free(run_path);
    return status == 0 ? 0 : error_prefix(err, "%s: no run of this workflow here: ", path);
}

static int print_logs(const struct logs_options *o, struct ganger_error *err)
{
    struct rundir dir = {.path = NULL};
    struct printer printer = {.dir = &dir, .which = choose_streams(o)};
    int status;

    if (open_run(&dir, o->run, err) != 0)
        return error_exit_status(err);
    status = o->n_tasks > 0 ? print_some(&printer, o, err) : print_all(&printer, o, err);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0)
        status = error_set_errno(err, ERROR_SYSTEM, "cannot print the tasks' output");
    rundir_close(&dir);
    return status != 0 ? error_exit_status(err) : printer.exit_status;
}

int cmd_logs(int argc, char **argv)
{
    struct logs_options options = {0};
    struct ganger_error err = {0};
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err), status = 0;

    if (first >= 0 && options.help) {
        print_help();
        return 0;
    }
    if (first == argc)
        first = error_set(&err, ERROR_USAGE,
                          "which run? Say `ganger logs RUN`: a run directory, or its workflow");
    if (first >= 0) {
        options.run = argv[first];
        options.tasks = argv + first + 1;
        options.n_tasks = (uint32_t)(argc - first - 1);
        status = print_logs(&options, &err);
    } else {
        status = error_exit_status(&err);
    }
    if (err.cause != ERROR_NONE)
        log_error("%s", err.text);
    return status;
}
