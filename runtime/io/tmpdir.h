/* tmpdir: a node-local directory that each task finds empty and that is gone after the run. */
#ifndef GANGER_IO_TMPDIR_H
#define GANGER_IO_TMPDIR_H

#include "base/error.h"

#include <time.h>

struct tmpdir
{
    char *path;            /* NULL: not made yet */
    struct timespec empty; /* when its entries last changed, while it was empty */
};

/* Makes a directory of its own (0700) below $TMPDIR, else /tmp. */
int tmpdir_open(struct tmpdir *t, struct ganger_error *err);

/* Removes what a task left in it. One system call when there is nothing. One that the task itself removed is
 * forgotten (path NULL): open makes another. */
void tmpdir_clear(struct tmpdir *t);

/* Removes it with its contents; does not follow links. Takes one that was never opened. */
void tmpdir_close(struct tmpdir *t);

#endif
