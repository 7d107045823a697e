/* `ganger verify`: proves that a run did what its workflow asks for, from what it left behind. */
#include "launch/cmd.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "core/audit.h"
#include "io/journal.h"
#include "io/rundir.h"
#include "launch/flow.h"
#include "launch/options.h"
#include "launch/run_added.h"
#include "launch/run_output.h"
#include "launch/run_record.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_PROBLEMS 20 /* that are told one by one */

struct verify_options
{
    bool as_json;
    bool help;
};

#define ROW(...) OPTION_ROW(verify_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "json", NULL, OPTION_ON, as_json, "print one JSON object instead of text"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger verify RUN [FLOW] [OPTION]...\n\n"
           "Proves, from what a run left in its directory, that each task of its workflow was done once, not\n"
           "before what it waits for, with nothing used twice at a time, and that all that tasks wrote is there;\n"
           "or says what is wrong. RUN is a run directory, or the workflow whose run is in the current\n"
           "directory. FLOW: the workflow, where it is not any more what run.json names.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 proven; 1 something is wrong, not done yet, or could not be checked; 2 there is no\n"
           "such run or workflow; 3 a file cannot be read.\n");
}

struct verification
{
    const struct program *program;
    const struct verify_options *options;
    struct rundir dir;
    struct workflow workflow;
    bool has_workflow;
    bool is_locked;  /* a run owns the directory, or did when it was killed */
    char *unchecked; /* why the workflow's rules could not be looked at; NULL: they were */
    struct audit *audit;
    struct run_output *output;
    json_t *problems; /* texts, the first ones */
    uint64_t n_problems;
    struct audit_result journal_result;
    struct run_output_result output_result;
};

/* Paths are any bytes, and texts may have lost their end within a character. */
static json_t *json_of(const char *text)
{
    char *repaired = utf8_repaired(text);
    json_t *value = json_string(repaired);

    free(repaired);
    return value;
}

static void note_problem(void *data, const char *text)
{
    struct verification *v = data;

    if (v->n_problems++ < MOST_PROBLEMS)
        json_array_append_new(v->problems, json_of(text));
}

/* --- the workflow --- */

/* The one that was given, else what run.json names, with the options that the run was given. */
static int load_workflow(struct verification *v, const char *flow, struct ganger_error *err)
{
    struct ganger_error why = {0};
    struct run_record record;

    if (read_run_record(&record, &v->dir, &why) == 0) {
        v->has_workflow = load_recorded_workflow(v->program, &v->workflow, &record, flow,
                                                 flow != NULL ? err : &why) == 0;
        release_run_record(&record);
        if (!v->has_workflow && flow != NULL)
            return -1;
    } else if (flow != NULL) {
        v->has_workflow = flow_load(&v->workflow, flow, NULL, err) == 0;
        if (!v->has_workflow)
            return -1;
    }
    if (!v->has_workflow)
        v->unchecked = xasprintf("the workflow cannot be had: %s; name it: `ganger verify RUN FLOW`", why.text);
    return 0;
}

/* --- the journal --- */

static int read_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    struct verification *v = data;

    (void)err;
    audit_line(v->audit, line->number, line->fields);
    if (line->fields != NULL)
        run_output_line(v->output, line->number, line->epoch, line->fields);
    return 0;
}

static int examine(struct verification *v, struct ganger_error *err)
{
    v->is_locked = faccessat(v->dir.fd, "lock", F_OK, 0) == 0;
    if (v->has_workflow && run_added_read(v->dir.journal_path, v->workflow.graph, err) < 0)
        return -1;
    v->audit = audit_new(v->has_workflow ? v->workflow.graph : NULL, v->workflow.digest, note_problem, v);
    v->output = run_output_new(note_problem, v);
    if (journal_read(v->dir.journal_path, read_line, v, err) != 0)
        return -1;
    audit_end(v->audit, &v->journal_result);
    if (v->has_workflow && v->journal_result.n_epochs == v->journal_result.n_other_epochs)
        v->unchecked = xstrdup("no epoch ran the workflow as it is now: name the version that was run: "
                               "`ganger verify RUN FLOW`");
    return run_output_check(v->output, v->dir.output_path, &v->output_result, err);
}

static bool is_proven(const struct verification *v)
{
    return v->n_problems == 0 && v->unchecked == NULL && v->journal_result.is_complete;
}

/* --- the report --- */

static void print_count(uint64_t n, const char *what)
{
    if (n > 0)
        printf(", %" PRIu64 " %s", n, what);
}

static void print_tasks(const struct audit_result *r)
{
    printf("tasks     %" PRIu32 ": %" PRIu32 " done", r->n_tasks, r->n_done);
    print_count(r->n_not_needed, "not needed");
    print_count(r->n_may_fail, "failed as they may");
    print_count(r->n_failed - r->n_may_fail, "failed");
    print_count(r->n_skipped, "skipped");
    print_count(r->n_unfinished, "still to be run");
    putchar('\n');
}

static void print_verdict(const struct verification *v)
{
    if (v->n_problems > 0)
        printf("verdict   not sound: %" PRIu64 " problem%s\n", v->n_problems, v->n_problems == 1 ? "" : "s");
    else if (v->unchecked != NULL)
        printf("verdict   not proven: no problem found in what could be checked\n");
    else if (!v->journal_result.is_complete)
        printf("verdict   sound so far, but not complete\n");
    else
        printf("verdict   sound: every task once, and in order\n");
}

static void print_text(const struct verification *v)
{
    const struct audit_result *r = &v->journal_result;
    const struct run_output_result *o = &v->output_result;

    printf("run       %s\n", v->dir.path);
    printf("journal   %" PRIu64 " lines, %" PRIu32 " epoch%s, %" PRIu64 " attempts", r->n_lines, r->n_epochs,
           r->n_epochs == 1 ? "" : "s", r->n_starts);
    print_count(v->has_workflow ? r->n_other_epochs : 0, "epochs that ran another version of the workflow");
    print_count(r->n_cut_epochs, "epochs that were cut off, or go on");
    print_count(r->n_superseded, "damaged lines that later epochs did without");
    putchar('\n');
    if (v->has_workflow)
        print_tasks(r);
    printf("output    %" PRIu64 " files, %" PRIu64 " chunks, %" PRIu64 " bytes", o->n_files, o->n_chunks, o->n_text);
    print_count(o->n_unended, "chunks of attempts that have no end");
    print_count(o->n_torn, "chunks that were not finished");
    if (o->n_holes > 0)
        printf(", %" PRIu64 " holes of %" PRIu64 " bytes in all", o->n_holes, o->n_hole_bytes);
    putchar('\n');
    if (v->is_locked)
        printf("note      the run goes on, or was killed: its journal may not tell all yet\n");
    if (v->unchecked != NULL)
        printf("unchecked %s\n", v->unchecked);
    for (size_t i = 0; i < json_array_size(v->problems); i++)
        printf("problem   %s\n", json_string_value(json_array_get(v->problems, i)));
    if (v->n_problems > MOST_PROBLEMS)
        printf("          ... and %" PRIu64 " more\n", v->n_problems - MOST_PROBLEMS);
    print_verdict(v);
}

static void print_json(const struct verification *v)
{
    const struct audit_result *r = &v->journal_result;
    const struct run_output_result *o = &v->output_result;
    json_t *report = json_pack(
        "{s:o, s:b, s:b, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:I, s:O}", "run",
        json_of(v->dir.path), "proven", is_proven(v), "complete", r->is_complete, "journal", "lines",
        (json_int_t)r->n_lines, "epochs", (json_int_t)r->n_epochs, "other_epochs", (json_int_t)r->n_other_epochs,
        "cut_epochs", (json_int_t)r->n_cut_epochs, "attempts", (json_int_t)r->n_starts, "superseded_lines",
        (json_int_t)r->n_superseded, "output", "files",
        (json_int_t)o->n_files, "chunks", (json_int_t)o->n_chunks, "bytes", (json_int_t)o->n_text, "unended_chunks",
        (json_int_t)o->n_unended, "unfinished_chunks", (json_int_t)o->n_torn, "holes", (json_int_t)o->n_holes,
        "hole_bytes", (json_int_t)o->n_hole_bytes,
        "n_problems", (json_int_t)v->n_problems, "problems", v->problems);

    if (v->has_workflow)
        json_object_set_new(report, "tasks",
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "all", (json_int_t)r->n_tasks, "done",
                                      (json_int_t)r->n_done, "not_needed", (json_int_t)r->n_not_needed, "failed",
                                      (json_int_t)r->n_failed, "may_fail", (json_int_t)r->n_may_fail, "skipped",
                                      (json_int_t)r->n_skipped, "unfinished", (json_int_t)r->n_unfinished));
    json_object_set_new(report, "locked", json_boolean(v->is_locked));
    if (v->unchecked != NULL)
        json_object_set_new(report, "unchecked", json_of(v->unchecked));
    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(report);
}

/* --- the command --- */

static int verify(const struct program *program, const struct verify_options *options, const char *run,
                  const char *flow, struct ganger_error *err)
{
    struct verification v = {.program = program, .options = options, .problems = json_array()};
    int status = -1;

    if (rundir_find(&v.dir, run, err) == 0 && load_workflow(&v, flow, err) == 0 && examine(&v, err) == 0) {
        (options->as_json ? print_json : print_text)(&v);
        status = is_proven(&v) ? 0 : 1;
    }
    audit_free(v.audit);
    run_output_free(v.output);
    if (v.has_workflow)
        workflow_release(&v.workflow);
    rundir_close(&v.dir);
    free(v.unchecked);
    json_decref(v.problems);
    return status;
}

int cmd_verify(struct program *program, int argc, char **argv)
{
    struct verify_options options = {0};
    struct ganger_error err = {0};
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err), status = -1;

    if (first >= 0 && options.help) {
        print_help();
        return 0;
    }
    if (first == argc)
        error_set(&err, ERROR_USAGE, "which run? Say `ganger verify RUN`: a run directory, or its workflow");
    else if (first >= 0 && first + 2 < argc)
        error_set(&err, ERROR_USAGE, "one run at a time, not \"%s\" as well", argv[first + 2]);
    else if (first >= 0)
        status = verify(program, &options, argv[first], first + 1 < argc ? argv[first + 1] : NULL, &err);
    if (status >= 0)
        return status;
    log_error("%s", err.text);
    return error_exit_status(&err);
}
