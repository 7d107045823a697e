/* past: what earlier epochs of a run have done, of what the workflow is now.
 *
 * Is told the lines of the journal one after the other, and says which tasks need not run again. A task is done when
 *  - the last line that says so gives the definition that it has now, and it was not started since:
 *    its files may be half written again (no other end undoes that it was done), unless a line says that it was only
 *    looked at, and is unchanged;
 *  - all its parents are done, and were so before it, whatever it waits for: a parent that ran again later, even
 *    in a run that did not get as far as this task, has made other results than this task has seen. A parent that
 *    failed runs again. One that was not needed, and still is not, holds nobody up.
 *  - it is no function whose result is needed by one that runs, and is not recorded;
 *  - of the tasks that it added, as many are recorded as that line says.
 * Where ids are places (plain lists), equal lines are interchangeable: as many are done as were. */
#ifndef GANGER_CORE_PAST_H
#define GANGER_CORE_PAST_H

#include "core/graph.h"
#include "core/record.h"

#include <stdbool.h>
#include <stdint.h>

struct past;

struct past *past_new(const struct graph *g); /* sealed; borrowed */
void past_free(struct past *past);            /* takes NULL */

/* The next line of the journal. */
void past_note(struct past *past, const struct record_fields *line);

/* Fills `is_done`, n_tasks elements: the task need not run again; a join: none of its parents must. O(tasks + edges);
 * may be asked for at any time. */
void past_settle(struct past *past, bool *is_done);

/* How many tasks do not count as done for that reason alone: when they ended well last, they had added more tasks than
 * lines say. They run again, and say them again. */
uint32_t past_n_lacking(const struct past *past);

/* By task: how long it took, when it was done with the definition that it has now; how long it had run, as a negative
 * number, when it was cut off last and has not been done since; 0: neither is known. Borrowed. */
const float *past_ran_s(const struct past *past);

/* Did the last lines about it say that it was done, whatever its definition was, or its parents are? */
bool past_was_done(const struct past *past, task_id task);

/* ---- what core/reuse goes by */

/* Of what is done, clears the functions whose results are needed by others that are not, and not recorded. */
void past_redo_what_is_needed(const struct past *past, bool *is_done);

/* Did its last line say that it was done, with the definition that it has now? */
bool past_has_definition(const struct past *past, task_id task);

/* Which line that was; the larger, the later; 0: none. Of a join, once past_settle was asked, the last of its
 * parents'. */
uint32_t past_done_at(const struct past *past, task_id task);

/* Was it a function then, and is what it returned recorded? */
bool past_has_result(const struct past *past, task_id task);

/* What its inputs contained then; FINGERPRINT_NONE: not known. */
uint64_t past_fingerprint(const struct past *past, task_id task);

uint32_t past_n_known(const struct past *past);   /* tasks that were done, and that the workflow has */
uint32_t past_n_unknown(const struct past *past); /* … and that it has not */

#endif
