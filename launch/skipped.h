/* skipped: for which failures a task of a run was skipped. */
#ifndef GANGER_LAUNCH_SKIPPED_H
#define GANGER_LAUNCH_SKIPPED_H

#include "base/buffer.h"
#include "io/rundir.h"
#include "launch/program.h"
#include "launch/run_index.h"

/* Appends ` because of "a" and "b"`, ended by a NUL that is not counted; nothing where the workflow cannot be had,
 * which tells what waited for what. The journal names the first of them alone. */
void skipped_explain(const struct program *program, const struct rundir *dir, const struct run_index *index,
                     const char *task, struct buffer *text);

#endif
