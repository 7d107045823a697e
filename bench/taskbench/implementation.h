/* implementation: what one way of running task graphs provides, and the program around it. */
#ifndef GANGER_TASKBENCH_IMPLEMENTATION_H
#define GANGER_TASKBENCH_IMPLEMENTATION_H

#include "taskbench/trial.h"

struct implementation
{
    const char *name;

    /* Runs all tasks of the trial: each by trial_task, after those whose outputs it reads. The clock runs from
     * when everything is ready to when the last task has ended. Called again for each trial. Fills `outcome`;
     * returns 0 or -1. `data` is what was given to implementation_run. */
    int (*run)(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err);
};

/* Runs the trials that the command line asks for, and prints a line for each when `prints`. A trial in which not
 * every task ran once is an error. Returns an exit status: 0, 2 for wrong words, 3 when a trial failed. */
int implementation_run(const struct implementation *implementation, void *data, int argc, char **argv,
                       int n_workers, bool prints);

#endif
