/* rundir_parts: what the files of the run directory share: rundir.c (what is in it) and rundir_lock.c (who owns it).
 * For nobody else. */
#ifndef GANGER_IO_RUNDIR_PARTS_H
#define GANGER_IO_RUNDIR_PARTS_H

#include "io/rundir.h"

#define LOCK_NAME "lock"

/* ---- rundir.c ---- */

/* 32 hexadecimal digits and a NUL. */
int rundir_draw_token(char token[33], struct ganger_error *err);

/* Makes a file that must not be there yet, and makes it durable; nothing is left of it after a failure. */
int rundir_write_new(int dir_fd, const char *name, const char *text, struct ganger_error *err);

/* ---- rundir_lock.c ---- */

/* A second guard among the processes of one host, for as long as the directory is open; file systems that have no
 * flock do without. */
int rundir_guard(const struct rundir *d, struct ganger_error *err);

/* Refuses when somebody owns it who may be alive. Changes nothing. */
int rundir_check_owner(const struct rundir *d, struct ganger_error *err);

/* Makes it ours, or refuses. Draws the token; sets is_owner. */
int rundir_take_lock(struct rundir *d, struct ganger_error *err);

/* Is the lock that is there the one that we made? */
bool rundir_holds_lock(const struct rundir *d);

#endif
