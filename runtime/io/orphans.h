/* orphans: processes of a run that have outlived whoever would have ended them, on this node.
 *
 * A task is known by what it finds in its environment (GANGER_RUN_DIR, GANGER_EPOCH, GANGER_WORKER), and so is all that
 * it starts, however far that runs away, unless it is given another environment. A rank is known by the run directory,
 * which it holds open. Only this user's processes are seen, and only those of this host and container. Who was found is
 * killed by a descriptor, not by his number: that may be a stranger's by then. */
#ifndef GANGER_IO_ORPHANS_H
#define GANGER_IO_ORPHANS_H

#include "base/error.h"

#include <stdint.h>

/* Kills the ranks and tasks of all epochs of this run before `epoch`, and waits until they are gone: nothing of the
 * new epoch may start before that. To be called by who owns the run directory, or was welcomed by him; ranks of the
 * same launch are spared. Sets `*n_ended`. Fails when some are still there after ORPHANS_END_S. */
#define ORPHANS_END_S 10.0
int orphans_end_before(const char *run_dir, uint32_t epoch, uint32_t *n_ended, struct ganger_error *err);

/* Kills what the tasks of a worker that has died left, and does not wait. How many that were. Takes some 20 us for each
 * process of the host. */
uint32_t orphans_end_of(const char *run_dir, uint32_t epoch, uint32_t worker);

#endif
