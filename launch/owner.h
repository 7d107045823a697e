/* owner: whoever holds a run directory from another host. Whether that run lives cannot be seen from here; but its
 * batch system may know, or the user. */
#ifndef GANGER_LAUNCH_OWNER_H
#define GANGER_LAUNCH_OWNER_H

#include "base/error.h"

#include <stdbool.h>

/* Frees the directory, with a warning, from an owner that is known to be dead: its batch job has ended, or the user
 * says so (`break_lock`). Does nothing in any other case. Fails when the user errs: the owner is seen to live. */
int owner_release(const char *run_dir, bool break_lock, struct ganger_error *err);

#endif
