/* `ganger logs`: what the tasks of a run wrote. */
#include "launch/cmd.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "core/outcome.h"
#include "io/output.h"
#include "io/rundir.h"
#include "launch/options.h"
#include "launch/run_index.h"
#include "launch/skipped.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct logs_options
{
    bool wants_stdout;
    bool wants_stderr;
    bool wants_failed;
    bool wants_list;
    bool wants_json;
    uint32_t attempt; /* 0: the last */
    bool help;
    const struct program *program; /* what it brings, as its run did */
    const char *run;
    char **tasks; /* n_tasks of them; none: all */
    uint32_t n_tasks;
};

#define ROW(...) OPTION_ROW(logs_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "stdout", NULL, OPTION_ON, wants_stdout, "only what went to standard output"),
    ROW('\0', "stderr", NULL, OPTION_ON, wants_stderr, "only what went to standard error, on standard output"),
    ROW('\0', "attempt", "N", OPTION_COUNT, attempt, "the N-th attempt instead of the last one"),
    ROW('\0', "failed", NULL, OPTION_ON, wants_failed, "only tasks that failed in the end"),
    ROW('l', "list", NULL, OPTION_ON, wants_list, "a table of the tasks instead of what they wrote"),
    ROW('\0', "json", NULL, OPTION_ON, wants_json, "the same, one JSON object a line"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger logs RUN [TASK]... [OPTION]...\n\n"
           "Prints what tasks wrote, to standard output and standard error as they did. RUN is a run\n"
           "directory, or the workflow whose run is in the current directory. Without TASK, all tasks\n"
           "that wrote something, in the order of the workflow. node.setup and node.teardown are TASKs, too.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 printed (of a task that has not ended, what there is, with a note); 1 some of it is\n"
           "damaged, the rest was printed; 2 there is no such run, task or attempt; 3 it cannot be read.\n");
}

/* One stream asked for, or both. */
static enum output_stream choose_streams(const struct logs_options *o)
{
    if (o->wants_stdout == o->wants_stderr)
        return OUTPUT_BOTH;
    return o->wants_stdout ? OUTPUT_STDOUT : OUTPUT_STDERR;
}

/* --- printing --- */

struct printer
{
    const struct logs_options *options;
    const struct rundir *dir;
    const struct run_index *index;
    struct output_source *source;
    enum output_stream which;
    bool has_titles;
    const char *task;  /* the name of the one whose output is printed */
    bool is_titled;    /* … was said */
    bool is_started;   /* something was printed */
    bool is_line_open; /* on standard output */
    int exit_status;
};

static void be_damaged(struct printer *p, int exit_status)
{
    if (exit_status > p->exit_status)
        p->exit_status = exit_status;
}

static void print_title(struct printer *p)
{
    if (p->has_titles && !p->is_titled) {
        printf("%s%s==> %s <==\n", p->is_line_open ? "\n" : "", p->is_started ? "\n" : "", p->task);
        p->is_line_open = false;
    }
    p->is_started = true;
    p->is_titled = true;
}

/* Damage is no reason to keep back the rest. */
static void report_damage(struct printer *p, const struct attempt *a, const struct output_part *part)
{
    fflush(stdout);
    log_error("task \"%s\": %s/%" PRIu32 "-n%" PRIu32 ".out: the chunk of output at byte %" PRIu64
              " (%" PRIu64 " bytes) %s", p->task, p->dir->output_path, a->output.epoch, a->output.node, part->offset,
              part->n_bytes, part->why);
    be_damaged(p, 1);
}

struct printing
{
    struct printer *printer;
    const struct attempt *attempt;
};

static int print_part(void *data, const struct output_part *part, struct ganger_error *err)
{
    const struct printing *printing = data;
    struct printer *p = printing->printer;
    FILE *file = part->stream == OUTPUT_STDERR && p->which == OUTPUT_BOTH ? stderr : stdout;

    if (part->kind == OUTPUT_DAMAGE)
        report_damage(p, printing->attempt, part);
    if (part->kind != OUTPUT_CHUNK)
        return 0;
    print_title(p);
    if (file == stderr)
        fflush(stdout); /* on a terminal they come in the order in which the task wrote them */
    if (fwrite(part->text, 1, part->n_text, file) != part->n_text)
        return error_set_errno(err, ERROR_SYSTEM, "cannot print a task's output");
    if (file == stdout)
        p->is_line_open = part->text[part->n_text - 1] != '\n';
    return 0;
}

static bool has_ended(const struct attempt *a)
{
    return record_is_end(a->kind) || a->kind == RECORD_SETUP || a->kind == RECORD_TEARDOWN;
}

static void print_attempt(struct printer *p, const struct attempt *a)
{
    struct printing printing = {p, a};
    struct ganger_error err = {ERROR_NONE, ""};

    if (!has_ended(a) && a->output.n_bytes > 0) {
        fflush(stdout);
        log_note("task \"%s\": no end of attempt %" PRIu32 " (epoch %" PRIu32 ") is recorded: this is what it wrote "
                 "until then", p->task, a->number, a->epoch);
    }
    if (output_read(p->source, &a->output, a->index, a->number, p->which, print_part, &printing, &err) == 0)
        return;
    fflush(stdout);
    log_error("task \"%s\": %s", p->task, err.text);
    be_damaged(p, error_exit_status(&err));
}

/* A node's set-up has an attempt on each node. */
static void print_attempts(struct printer *p, uint32_t last)
{
    const struct attempt *all = p->index->attempts, *a = &all[last];

    if (a->kind == RECORD_SETUP || a->kind == RECORD_TEARDOWN) {
        uint32_t epoch = a->epoch;

        if (a->previous != NO_ATTEMPT && all[a->previous].epoch == epoch)
            print_attempts(p, a->previous);
    }
    print_attempt(p, a);
}

/* --- which --- */

static const struct attempt *last_line_about(const struct run_index *x, uint32_t task)
{
    return x->tasks[task].last == NO_ATTEMPT ? NULL : &x->attempts[x->tasks[task].last];
}

static bool is_wanted(const struct printer *p, uint32_t task)
{
    const struct attempt *last = last_line_about(p->index, task);

    return !p->options->wants_failed || (last != NULL && last->kind == RECORD_FAILED);
}

static void print_given_up(const struct printer *p, bool is_skipped)
{
    struct buffer why = BUFFER_EMPTY;

    if (is_skipped)
        skipped_explain(p->options->program, p->dir, p->index, p->task, &why);
    log_note("task \"%s\" was %s%s: it wrote nothing", p->task, is_skipped ? "skipped" : "not needed",
             is_skipped ? why.bytes : "");
    buffer_release(&why);
}

static void print_missing_attempt(struct printer *p, uint32_t task)
{
    const struct attempt *last = last_line_about(p->index, task);
    uint32_t ran = run_index_attempt(p->index, task, 0);

    fflush(stdout); /* so that notes stand where they belong */
    if (ran != NO_ATTEMPT) {
        log_error("task \"%s\" has no attempt %" PRIu32 "; the last one is %" PRIu32, p->task, p->options->attempt,
                  p->index->attempts[ran].number);
        be_damaged(p, 2);
    } else if (last == NULL) {
        log_note("task \"%s\" has not been started: it was sent to a worker and taken back", p->task);
    } else {
        print_given_up(p, last->kind != RECORD_NOT_NEEDED);
    }
}

static void print_one(struct printer *p, uint32_t task)
{
    uint32_t i = run_index_attempt(p->index, task, p->options->attempt);
    const struct attempt *a;

    if (i == NO_ATTEMPT) {
        print_missing_attempt(p, task);
        return;
    }
    a = &p->index->attempts[i];
    if (!has_ended(a) && a->output.n_bytes == 0) {
        fflush(stdout);
        log_note("task \"%s\" has not ended, and has written nothing yet", p->task);
        return;
    }
    print_attempts(p, i);
}

/* What is said of all tasks leaves out those of which there is nothing to say. */
static void print_one_of_all(struct printer *p, uint32_t task)
{
    uint32_t i = run_index_attempt(p->index, task, p->options->attempt);

    if (i != NO_ATTEMPT)
        print_attempts(p, i);
}

/* --- the table --- */

static const char *state_of(const struct attempt *a)
{
    switch (a->kind) {
    case RECORD_START: return "started";
    case RECORD_NOT_NEEDED: return "not needed";
    case RECORD_SETUP:
    case RECORD_TEARDOWN: return a->end == TASK_EXITED && a->code == 0 ? "done" : "failed";
    case RECORD_UNKNOWN: return "unknown";
    default: return record_kind_name(a->kind);
    }
}

static void describe(const struct attempt *a, char *text)
{
    if (a->end == N_TASK_ENDS)
        snprintf(text, OUTCOME_BYTES, "-");
    else
        outcome_classify(a->end, a->code, text);
}

/* The attempt asked for; for a task that was skipped in the end, that. */
static const struct attempt *listed(const struct printer *p, uint32_t task)
{
    uint32_t i = run_index_attempt(p->index, task, p->options->attempt);

    if (p->options->attempt == 0)
        return last_line_about(p->index, task);
    return i == NO_ATTEMPT ? NULL : &p->index->attempts[i];
}

static void list_one(struct printer *p, uint32_t task)
{
    const struct attempt *a = listed(p, task);
    char how[OUTCOME_BYTES];

    if (a == NULL)
        return;
    describe(a, how);
    printf("%-24s %7" PRIu32 " %-10s %-20s %12" PRIu64 "\n", p->task, a->number, state_of(a), how, a->output.n_text);
}

static void list_one_as_json(struct printer *p, uint32_t task)
{
    const struct attempt *a = listed(p, task);
    char how[OUTCOME_BYTES];
    json_t *row;

    if (a == NULL)
        return;
    row = json_pack("{s:s, s:I, s:I, s:s, s:I}", "task", p->task, "epoch", (json_int_t)a->epoch, "attempt",
                    (json_int_t)a->number, "state", state_of(a), "bytes", (json_int_t)a->output.n_text);
    if (a->end != N_TASK_ENDS) {
        describe(a, how);
        json_object_set_new(row, "end", json_string(how));
        json_object_set_new(row, "code", json_integer(a->code));
    }
    json_dumpf(row, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(row);
}

/* --- the command --- */

typedef void print_task(struct printer *p, uint32_t task);

static print_task *choose_print(const struct logs_options *o)
{
    if (o->wants_json)
        return list_one_as_json;
    if (o->wants_list)
        return list_one;
    return o->n_tasks > 0 ? print_one : print_one_of_all;
}

static void print_named(struct printer *p, print_task *print)
{
    const struct logs_options *o = p->options;

    p->has_titles = o->n_tasks > 1;
    for (uint32_t i = 0; i < o->n_tasks; i++) {
        uint32_t task = run_index_find(p->index, o->tasks[i]);

        p->task = o->tasks[i];
        p->is_titled = false;
        if (task != UINT32_MAX) {
            if (is_wanted(p, task))
                print(p, task);
            continue;
        }
        fflush(stdout);
        log_error("%s knows no task \"%s\": it is misspelt, or was not started yet", p->dir->path, p->task);
        be_damaged(p, 2);
    }
}

static void print_all(struct printer *p, print_task *print)
{
    uint32_t *order = run_index_order(p->index);

    p->has_titles = p->index->n_tasks > 1;
    for (uint32_t i = 0; i < p->index->n_tasks && !ferror(stdout); i++) {
        p->task = run_index_name(p->index, order[i]);
        p->is_titled = false;
        if (is_wanted(p, order[i]))
            print(p, order[i]);
    }
    free(order);
}

static int print_logs(const struct logs_options *o, struct ganger_error *err)
{
    struct rundir dir = {.path = NULL};
    struct run_index index;
    struct printer printer = {.options = o, .dir = &dir, .index = &index, .which = choose_streams(o)};
    int status;

    if (rundir_find(&dir, o->run, err) != 0)
        return error_exit_status(err);
    status = run_index_read(&index, &dir, err);
    if (status == 0) {
        printer.source = output_source_open(dir.output_path);
        if (o->wants_list && !o->wants_json)
            printf("%-24s %7s %-10s %-20s %12s\n", "TASK", "ATTEMPT", "STATE", "END", "BYTES");
        (o->n_tasks > 0 ? print_named : print_all)(&printer, choose_print(o));
        output_source_close(printer.source);
        run_index_release(&index);
    }
    rundir_close(&dir);
    return status != 0 ? error_exit_status(err) : printer.exit_status;
}

int cmd_logs(struct program *program, int argc, char **argv)
{
    struct logs_options options = {.program = program};
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
