/* arguments: the command line that all implementations share, and the trials it asks for. */
#ifndef GANGER_TASKBENCH_ARGUMENTS_H
#define GANGER_TASKBENCH_ARGUMENTS_H

#include "taskbench/trial.h"

#define ARGUMENTS_MOST 16

struct arguments
{
    struct pattern pattern; /* all but the kind */
    struct kernel kernel;
    int n_workers;
    int n_cores; /* 0: not stated */
    bool spoil;
    /* Each combination of these is a trial. */
    enum pattern_kind kinds[ARGUMENTS_MOST];
    int n_kinds;
    size_t bytes[ARGUMENTS_MOST];
    int n_bytes;
    int graphs[ARGUMENTS_MOST];
    int n_graphs;
};

/* Reads the words of a command line; `n_workers` is taken where they say nothing of it. A word that is no option
 * is an error. */
int arguments_read(struct arguments *arguments, int argc, char **argv, int n_workers, struct ganger_error *err);

/* What they mean, for people. */
const char *arguments_help(void);

int arguments_n_trials(const struct arguments *arguments);

/* The i-th trial. To be released by plan_release(&trial->plan). */
void arguments_trial(const struct arguments *arguments, int i, struct trial *trial);

#endif
