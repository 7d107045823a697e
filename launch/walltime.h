/* walltime: when the batch job that this process is in ends. A thread asks the batch system, so that nobody waits for
 * its answer, and again every now and then: a time limit may be extended, or cut. It calls nothing of MPI. */
#ifndef GANGER_LAUNCH_WALLTIME_H
#define GANGER_LAUNCH_WALLTIME_H

#include "base/error.h"

/* A time limit as people write it: "90m" as everywhere in ganger; "90" (minutes), "1:30:00" or "1-00:00:00" as sbatch's
 * --time has it. `option` is for messages. */
int walltime_read(const char *option, const char *text, double *seconds, struct ganger_error *err);

struct walltime;

/* NULL when this process is in no job, or in one that nobody ends, or is a task of another ganger, whose business it
 * is then. */
struct walltime *walltime_open(void);
void walltime_close(struct walltime *w); /* takes NULL */

/* Descriptors that do not block; -1 for NULL. From the first come doubles, the end by clock_now_s(), each time that it
 * is another than before: INFINITY, it has none; NAN, nobody knows, yet. A byte written to the second asks for it
 * now. */
int walltime_end_fd(const struct walltime *w);
int walltime_ask_fd(const struct walltime *w);

#endif
