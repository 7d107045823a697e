/* pattern: which tasks a task of a benchmark graph reads. Pure: no I/O, no clock, no threads, no MPI.
 *
 * A graph has `n_steps` steps. A step has up to `width` tasks, each in a column; a task reads outputs of tasks
 * of the step before, none at step 0. The patterns are those of the Task Bench paper (E. Slaughter et al.,
 * "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime Performance", SC'20), written from its
 * descriptions; where it leaves a choice, it is stated here. Task i of step t, width W, reads of step t - 1:
 *
 *   trivial         nothing
 *   no_comm         i
 *   stencil_1d      i - 1, i, i + 1
 *   dom             i - 1, i; a wavefront: step t has the columns 0..t until all W are there, and loses the
 *                   lowest one by one at the end, so that the graph begins and ends with one task. It is as
 *                   wide as fits into the steps: (n_steps + 1) / 2 at most
 *   tree            a binary tree that fans out from column 0 (i / 2) until all W columns are there, then in
 *                   again (2i, 2i + 1), then out again
 *   fft             i - 2^k, i, i + 2^k, with k = (t - 1) modulo the binary logarithm of W, rounded up
 *   all_to_all      all
 *   nearest         `radix` columns around i: from i - (radix - 1) / 2 to i + radix / 2
 *   spread          `radix` columns that lie W / radix apart, from i + t on, around the end
 *   random_nearest  of the columns of nearest each with the probability `share`; drawn anew at each step from
 *                   `seed`, the same for everybody who asks
 *
 * Columns outside 0..W-1 are left out. */
#ifndef GANGER_TASKBENCH_PATTERN_H
#define GANGER_TASKBENCH_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

enum pattern_kind
{
    PATTERN_TRIVIAL,
    PATTERN_NO_COMM,
    PATTERN_STENCIL_1D,
    PATTERN_DOM,
    PATTERN_TREE,
    PATTERN_FFT,
    PATTERN_ALL_TO_ALL,
    PATTERN_NEAREST,
    PATTERN_SPREAD,
    PATTERN_RANDOM_NEAREST,
    PATTERN_N_KINDS
};

struct pattern
{
    enum pattern_kind kind;
    int width;    /* 1 or more */
    int n_steps;  /* 1 or more */
    int radix;    /* nearest, spread, random_nearest; 1 or more */
    double share; /* random_nearest: 0 to 1 */
    uint64_t seed;
};

/* The name of a kind ("stencil_1d"); and the kind of a name, or PATTERN_N_KINDS. */
const char *pattern_name(enum pattern_kind kind);
enum pattern_kind pattern_of_name(const char *name);

/* How many tasks a step has; their columns begin at *first. At least one. */
int pattern_step_width(const struct pattern *p, int step, int *first);

/* The columns of step - 1 whose outputs the task (step, column) reads, ascending, each once. Returns how many;
 * `columns` has room for `width`. */
int pattern_inputs(const struct pattern *p, int step, int column, int *columns);

/* The columns of step + 1 that read the output of the task (step, column): the reverse, found on its own way,
 * without asking every column. Empty for the last step. */
int pattern_outputs(const struct pattern *p, int step, int column, int *columns);

#endif
