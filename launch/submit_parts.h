/* submit_parts: one submission of `ganger submit`, from the words to the job, for the files that share it: cmd_submit.c
 * (what was asked for), submit_script.c (the job script), submit_store.c (the run directory and the job). */
#ifndef GANGER_LAUNCH_SUBMIT_PARTS_H
#define GANGER_LAUNCH_SUBMIT_PARTS_H

#include "backends/backend.h"
#include "base/error.h"
#include "launch/options.h"
#include "launch/submission.h"

#include <stdbool.h>
#include <stdint.h>

struct submit_options
{
    const char *backend;
    const char *run_dir;
    const char *name;
    uint32_t n_nodes;
    uint32_t n_cores;
    uint32_t n_tasks;
    uint32_t n_gpus;
    const char *memory;
    const char *time;
    const char *partition;
    const char *account;
    const char *qos;
    const char *constraint;
    struct option_list directives;
    struct option_list before;
    struct option_list after;
    const char *prefix;
    const char *template;
    uint32_t n_chain;
    bool up_front;
    bool resume;
    bool dry_run;
    bool wait;
    bool help;
};

struct submit
{
    const struct submit_options *options;
    char **run_words;   /* for `ganger run`: tasks, and its options */
    const struct backend *backend;
    struct submission s;
    struct submission earlier; /* of the same run; zeroed: there was none */
    char *script;       /* its text */
    bool made_run;      /* the run directory was not there before … */
    bool made_copy;     /* … nor the copy */
    bool is_stored;
};

/* Sets the script's text: the template with what was asked for, and the launch line. Names and group are there. */
int submit_make_script(struct submit *x, struct ganger_error *err);

/* An error when a job of an earlier submission of this run still lives: it would run the same tasks. */
int submit_check_earlier(struct submit *x, struct ganger_error *err);

/* Stores workflow, script and record in the run directory and requests the job, or those of a chain. On failure all is
 * as it was before, unless the error says that a job could not be cancelled. */
int submit_hand_in(struct submit *x, struct ganger_error *err);

#endif
