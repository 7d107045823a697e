#include "launch/run_record.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "io/comm.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1

/* --- the workflow that a run runs --- */

static int set_amount(struct workflow *w, const char *words, struct ganger_error *err)
{
    const char *equals = strchr(words, '=');
    char *end = NULL, *name;
    unsigned long long n = equals ? strtoull(equals + 1, &end, 10) : 0;
    int status;

    if (equals == NULL || !isdigit((unsigned char)equals[1]) || *end != '\0' || n > UINT32_MAX)
        return error_set(err, ERROR_USAGE, "--resource takes NAME=N, N a whole number, not \"%s\"", words);
    name = xstrndup(words, (size_t)(equals - words));
    status = workflow_set_amount(w, name, (uint32_t)n, err);
    free(name);
    return status;
}

static int change(struct workflow *w, const struct option_list *amounts, struct workflow_words targets,
                  struct ganger_error *err)
{
    int status = 0;

    if (targets.n > 0)
        status = workflow_keep_needed(w, targets, err);
    for (size_t i = 0; status == 0 && i < amounts->n; i++)
        status = set_amount(w, amounts->each[i], err);
    if (status != 0)
        workflow_release(w);
    return status;
}

static int finish(const struct program *program, struct workflow *w, const struct option_list *amounts,
                  struct workflow_words targets, struct ganger_error *err)
{
    if (change(w, amounts, targets, err) < 0)
        return -1;
    if (program_hooks(program).collect != NULL && program->registry.n > 0)
        graph_expect_functions(w->graph); /* ganger_hook_add may bring some */
    return 0;
}

int load_run_workflow(const struct program *program, struct workflow *w, const char *path,
                      const struct replay_words *words, const struct option_list *amounts,
                      struct workflow_words targets, struct ganger_error *err)
{
    struct replay_options replay;

    if (flow_read_replay(&replay, words, err) < 0 || flow_load_of(program, w, path, &replay, err) < 0)
        return -1;
    return finish(program, w, amounts, targets, err);
}

/* --- writing --- */

/* JSON takes no other bytes than UTF-8. */
static json_t *text_of(const char *bytes)
{
    char *text = utf8_repaired(bytes);
    json_t *value = json_string(text);

    free(text);
    return value;
}

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, key, text_of(text));
}

static json_t *options_of(const struct run_asked *asked)
{
    json_t *amounts = json_array(), *replay = json_object(), *targets = json_array();
    json_t *options = json_pack("{s:b, s:f, s:f, s:I, s:I, s:I, s:s, s:I, s:o, s:o}", "resume", asked->resume,
                                "grace_s", asked->grace_s, "latency_wait_s", asked->latency_wait_s, "max_failures",
                                (json_int_t)asked->max_failures, "max_consecutive_failures",
                                (json_int_t)asked->max_failures_in_a_row, "gpus_per_node",
                                (json_int_t)asked->gpus_per_node, "memory_limit", asked->memory_limit, "max_output",
                                (json_int_t)asked->max_output_bytes, "resources", amounts, "replay", replay);

    for (size_t i = 0; i < asked->amounts->n; i++)
        json_array_append_new(amounts, text_of(asked->amounts->each[i]));
    add_text(options, "changed", asked->changed);
    json_object_set_new(options, "targets", targets);
    for (size_t i = 0; i < asked->targets.n; i++)
        json_array_append_new(targets, text_of(asked->targets.each[i]));
    add_text(replay, "scale", asked->replay->scale);
    add_text(replay, "mode", asked->replay->mode);
    add_text(replay, "files", asked->replay->files);
    add_text(replay, "dir", asked->replay->dir);
    return options;
}

/* That the program builds its workflow from. */
static json_t *words_of(const struct run_asked *asked)
{
    json_t *words = json_array();

    for (int i = 0; i < asked->n_words; i++)
        json_array_append_new(words, text_of(asked->words[i]));
    return words;
}

int write_run_record(const struct rundir *dir, const struct run_asked *asked, const struct workflow *workflow,
                     uint32_t epoch, uint32_t n_kept, struct ganger_error *err)
{
    char host[256] = "", path[PATH_MAX], digest[17];
    json_t *record;
    char *text;
    int status;

    const char *flow = asked->workflow_path != NULL ? asked->workflow_path : "/proc/self/exe";

    gethostname(host, sizeof(host) - 1);
    if (realpath(flow, path) == NULL)
        snprintf(path, sizeof(path), "%s", flow);
    snprintf(digest, sizeof(digest), "%016" PRIx64, workflow->digest);
    record = json_pack("{s:i, s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:i, s:f, s:s}", "format", FORMAT,
                       "ganger", GANGER_VERSION, "workflow", text_of(path), "name", text_of(workflow->name), "digest",
                       digest, "tasks", (json_int_t)(workflow->graph->n_tasks - workflow->graph->n_joins), "kept",
                       (json_int_t)n_kept, "epoch", (json_int_t)epoch, "workers", (json_int_t)asked->n_workers,
                       "options", options_of(asked), "cwd", text_of(asked->cwd), "host", text_of(host), "pid",
                       (int)getpid(), "start", clock_wall_s(),
                       "mpi", comm_mpi_library());
    if (asked->workflow_path == NULL)
        json_object_set_new(record, "words", words_of(asked));
    text = record != NULL ? json_dumps(record, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(record);
    if (text == NULL)
        return error_set(err, ERROR_SYSTEM, "%s: the record of the run cannot be written as JSON", dir->path);
    status = rundir_write_record(dir, text, err);
    free(text);
    return status;
}

/* --- reading --- */

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void read_texts(struct option_list *list, const json_t *texts)
{
    const json_t *text;
    size_t i;

    json_array_foreach (texts, i, text) {
        if (!json_is_string(text))
            continue;
        list->each = xgrow(list->each, list->n, &list->capacity, sizeof(*list->each));
        list->each[list->n++] = json_string_value(text);
    }
}

int read_run_record(struct run_record *record, const struct rundir *dir, struct ganger_error *err)
{
    char *path = xasprintf("%s/run.json", dir->path);
    json_error_t why;
    json_t *document = json_load_file(path, 0, &why), *options, *replay;

    *record = (struct run_record){.document = document};
    record->workflow_path = text_at(document, "workflow");
    if (record->workflow_path == NULL) {
        error_set(err, ERROR_SYSTEM, "%s: %s", path,
                  document == NULL ? why.text : "it names no workflow: it is no record of a run, or a newer ganger's");
        json_decref(document);
        free(path);
        return -1;
    }
    free(path);
    options = json_object_get(document, "options");
    replay = json_object_get(options, "replay");
    record->replay = (struct replay_words){text_at(replay, "scale"), text_at(replay, "mode"), text_at(replay, "files"),
                                           text_at(replay, "dir")};
    read_texts(&record->amounts, json_object_get(options, "resources"));
    read_texts(&record->targets, json_object_get(options, "targets"));
    read_texts(&record->words, json_object_get(document, "words"));
    if (json_object_get(document, "words") != NULL)
        record->builder = record->workflow_path;
    return 0;
}

void release_run_record(struct run_record *record)
{
    free(record->amounts.each);
    free(record->targets.each);
    free(record->words.each);
    json_decref(record->document);
    *record = (struct run_record){.document = NULL};
}

static struct workflow_words targets_of(const struct run_record *record)
{
    return (struct workflow_words){record->targets.each, record->targets.n};
}

/* The program that built it must do it again. */
static int build_again(const struct program *program, struct workflow *w, const struct run_record *record,
                       struct ganger_error *err)
{
    if (!program_builds(program) || record->words.n == 0)
        return error_set(err, ERROR_USAGE, "it was built by a program, which must do that again: `%s verify RUN`",
                         record->builder);
    if (program_build(program, (int)record->words.n, (char **)(uintptr_t)record->words.each, w, err) < 0)
        return -1;
    return finish(program, w, &record->amounts, targets_of(record), err);
}

int load_recorded_workflow(const struct program *program, struct workflow *w, const struct run_record *record,
                           const char *path, struct ganger_error *err)
{
    if (path == NULL && record->builder != NULL)
        return build_again(program, w, record, err);
    return load_run_workflow(program, w, path != NULL ? path : record->workflow_path, &record->replay, &record->amounts,
                             targets_of(record), err);
}
