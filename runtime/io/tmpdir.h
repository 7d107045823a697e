/* tmpdir: a node-local directory that each task finds empty and that is gone after the run.
 *
 * Its name says whose it is, so that others can remove what a worker that was killed left:
 * ganger-RUN-EPOCH-WORKER-XXXXXX, RUN being a number made of the run directory's path and inode. */
#ifndef GANGER_IO_TMPDIR_H
#define GANGER_IO_TMPDIR_H

#include "base/error.h"

#include <stdint.h>
#include <time.h>

struct tmpdir
{
    char *path;            /* NULL: not made yet */
    char owner[64];        /* what stands in its name; "": nothing */
    struct timespec empty; /* when its entries last changed, while it was empty */
};

/* Says whose the directories are that will be made. */
void tmpdir_set_owner(struct tmpdir *t, const char *run_dir, uint32_t epoch, uint32_t worker);

/* Makes a directory of its own (0700) below $TMPDIR, else /tmp. */
int tmpdir_open(struct tmpdir *t, struct ganger_error *err);

/* Removes what a task left in it. One system call when there is nothing. One that the task itself removed is
 * forgotten (path NULL): open makes another. */
void tmpdir_clear(struct tmpdir *t);

/* Removes it with its contents; does not follow links. Takes one that was never opened. */
void tmpdir_close(struct tmpdir *t);

/* Removes what dead workers of this run left on this node: that of one worker in `epoch`; with worker 0, those of all
 * workers in the epochs before it. Only directories of this user. Takes as long as they have files. */
void tmpdir_remove_left(const char *run_dir, uint32_t epoch, uint32_t worker);

#endif
