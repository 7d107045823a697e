/* run_record: run.json, which says what was asked of a run and where it ran. */
#ifndef GANGER_LAUNCH_RUN_RECORD_H
#define GANGER_LAUNCH_RUN_RECORD_H

#include "base/error.h"
#include "io/rundir.h"
#include "io/workflow.h"
#include "launch/flow.h"
#include "launch/options.h"
#include "launch/program.h"

#include <stdbool.h>
#include <stdint.h>

/* What was asked, as typed; all borrowed. */
struct run_asked
{
    const char *workflow_path; /* NULL: the program builds it, from these: */
    int n_words;
    char **words;
    const char *cwd; /* where it was typed */
    uint32_t n_workers;
    bool resume;
    const char *changed; /* "definition" or "content" */
    double grace_s;
    double latency_wait_s;
    uint32_t max_failures;          /* 0: no limit; with --fail-fast 1 */
    uint32_t max_failures_in_a_row; /* likewise */
    uint32_t gpus_per_node;         /* 0: those that are found */
    const char *memory_limit;  /* the word */
    uint64_t max_output_bytes; /* 0: no limit */
    const struct option_list *amounts;
    const struct replay_words *replay;
    struct workflow_words targets; /* none: all tasks */
};

/* `n_kept`: tasks that earlier epochs have done and that do not run again. */
int write_run_record(const struct rundir *dir, const struct run_asked *asked, const struct workflow *workflow,
                     uint32_t epoch, uint32_t n_kept, struct ganger_error *err);

/* What is in it of use for whoever wants to load the workflow again. */
struct run_record
{
    struct json_t *document; /* owns all below */
    const char *workflow_path;
    const char *builder;    /* a program that builds it; NULL: it is a file */
    struct option_list words; /* that it builds it from */
    struct replay_words replay;
    struct option_list amounts;
    struct option_list targets;
};

/* Fails when it is missing or is no record of ganger's. */
int read_run_record(struct run_record *record, const struct rundir *dir, struct ganger_error *err);
void release_run_record(struct run_record *record);

/* Loads the workflow with the options that change it. `path`: from there; NULL: from where it was. */
int load_recorded_workflow(const struct program *program, struct workflow *w, const struct run_record *record,
                           const char *path, struct ganger_error *err);

/* The workflow of a run: what flow_load_of gives, or of that the targets and what they need, if there are some; and
 * amounts of resources, each "NAME=N", as --resource has them. */
int load_run_workflow(const struct program *program, struct workflow *w, const char *path,
                      const struct replay_words *replay, const struct option_list *amounts,
                      struct workflow_words targets, struct ganger_error *err);

#endif
