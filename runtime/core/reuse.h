/* reuse: which tasks that were done may stay so, though it takes a look at their inputs to know.
 *
 * With `--changed content` a task that is done stays so if its inputs contain what they did when it ran, and runs
 * again if they do not, whatever ran again before it. Only its worker can tell, when all that it waits for has ended:
 * this module says what the worker should find. A dependency that no file stands for is followed as ever: where what a
 * task waits for makes none of its inputs and did run again, the task runs again.
 *
 * A function has no files. Its input, which is part of its definition, and what it waits for are all that it works on:
 * it stays done if nothing that it waits for ran again. For that nobody need look anywhere, but what it returned must
 * be recorded if functions wait for it. Pure. */
#ifndef GANGER_CORE_REUSE_H
#define GANGER_CORE_REUSE_H

#include "core/graph.h"
#include "core/past.h"

#include <stdbool.h>
#include <stdint.h>

struct reuse;

/* From what earlier epochs did, which is no longer needed then. Clears in `is_done` (n_tasks elements, as past_settle
 * filled it) the tasks that must be looked at, and what comes after them. `g` is borrowed. O(tasks + edges + files). */
struct reuse *reuse_new(const struct graph *g, const struct past *past, bool *is_done);
void reuse_free(struct reuse *r); /* takes NULL */

/* The fingerprint with which the task need not run: FINGERPRINT_ANY, whatever its inputs contain, as is said of all
 * functions that need not; FINGERPRINT_NONE: it must run. To be asked when all that it waits for has ended; before, it
 * says which may turn out so. */
uint64_t reuse_expected(const struct reuse *r, task_id task);

/* The task did run, or failed: what waits for it, and is not made from its files, must run as well. */
void reuse_note_ran(struct reuse *r, task_id task);

/* How many tasks are to be looked at. */
uint32_t reuse_n_candidates(const struct reuse *r);

#endif
