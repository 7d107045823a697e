/* options: the command line that all implementations share, and the trials it asks for. */
#ifndef GANGER_TASKBENCH_OPTIONS_H
#define GANGER_TASKBENCH_OPTIONS_H

#include "taskbench/trial.h"

#define OPTIONS_MOST 16

struct options
{
    struct pattern pattern; /* all but the kind */
    struct kernel kernel;
    int n_workers;
    int n_cores; /* 0: not stated */
    bool spoil;
    /* Each combination of these is a trial. */
    enum pattern_kind kinds[OPTIONS_MOST];
    int n_kinds;
    size_t bytes[OPTIONS_MOST];
    int n_bytes;
    int graphs[OPTIONS_MOST];
    int n_graphs;
};

/* Reads the words of a command line; `n_workers` is taken where they say nothing of it. A word that is no option
 * is an error. */
int options_read(struct options *options, int argc, char **argv, int n_workers, struct ganger_error *err);

/* What they mean, for people. */
const char *options_help(void);

int options_n_trials(const struct options *options);

/* The i-th trial. To be released by plan_release(&trial->plan). */
void options_trial(const struct options *options, int i, struct trial *trial);

#endif
