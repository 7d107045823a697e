/* finished: a program hears of the end of its run. */
#ifndef GANGER_LAUNCH_FINISHED_H
#define GANGER_LAUNCH_FINISHED_H

#include "launch/program.h"

struct ganger_run;

/* Does it want to? Then states and results are kept for it. */
bool finished_is_wanted(const struct program *p);

/* Tells it, with standard output and error going where the user's do. Returns the exit status: that of the run, or of a
 * run that went well what the program says. */
int finished_tell(const struct program *p, const struct ganger_run *run, int out_fd, int err_fd);

#endif
