/* trial: one run of one configuration. What every implementation is given, what it must do for each task, and
 * what it gives back.
 *
 * All graphs of a trial have the same plan and nothing to do with each other; running several at once shows
 * what an implementation makes of the time in which one of them waits. */
#ifndef GANGER_TASKBENCH_TRIAL_H
#define GANGER_TASKBENCH_TRIAL_H

#include "base/error.h"
#include "taskbench/kernel.h"
#include "taskbench/payload.h"
#include "taskbench/plan.h"

#include <stdio.h>

struct trial
{
    struct plan plan;
    struct kernel kernel;
    int n_graphs;
    size_t n_bytes; /* each task's output; a multiple of PAYLOAD_UNIT_BYTES */
    int n_workers;  /* what does tasks; given by the launcher for implementations over MPI */
    bool spoil;     /* one byte of one output is wrong: a test of those who verify */
};

struct outcome
{
    double elapsed_s;
    size_t n_tasks; /* that ran, counted where they ran */
    int n_cores;    /* that the implementation occupies: workers, and a scheduler where it has one of its own */
};

/* All tasks of all graphs. */
size_t trial_n_tasks(const struct trial *trial);

/* One task: verifies every byte of its inputs, runs the kernel, fills the output. inputs[i] is the output of the
 * column that plan_inputs gives at i. Returns 0, or -1 when an input is wrong. Any thread, with a room of its own. */
int trial_task(const struct trial *trial, struct payload_origin task, const void *const *inputs, void *output,
               struct kernel_room *room, struct ganger_error *err);

/* The same; a wrong input ends the process with status 3 and a message. */
void trial_task_or_die(const struct trial *trial, struct payload_origin task, const void *const *inputs,
                       void *output, struct kernel_room *room);

/* One line: the implementation, then names and values. */
void trial_report(const struct trial *trial, const char *implementation, const struct outcome *outcome, FILE *to);

#endif
