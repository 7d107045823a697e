/* runner: a thread that runs functions for a worker, one at a time, so that the worker can talk meanwhile.
 *
 * A function cannot be stopped from outside. One that must not be waited for is abandoned together with its thread,
 * which ends by itself when the function returns, if ever. */
#ifndef GANGER_IO_RUNNER_H
#define GANGER_IO_RUNNER_H

#include "base/error.h"
#include "core/call.h"

#include <sched.h>

struct runner;

/* Borrows the registry until runner_close. In the thread all signals are blocked. */
struct runner *runner_open(const struct registry *registry, struct ganger_error *err);

/* Binds the thread, and what it starts from now on, to a mask of so many bytes, as sched_setaffinity takes it. */
int runner_bind(struct runner *r, const cpu_set_t *mask, size_t n_bytes, struct ganger_error *err);

/* Readable when a call has ended. */
int runner_fd(const struct runner *r);

/* It runs now. The runner must be idle; it takes the call until runner_take gives it back. */
void runner_give(struct runner *r, struct ganger_call *call);

/* The call that has ended, or NULL while it runs. The times of its start and end are in it. */
struct ganger_call *runner_take(struct runner *r);

/* Ends the thread of an idle runner; one that is busy is abandoned: it frees its call when it returns, and says
 * nothing. Takes NULL. */
void runner_close(struct runner *r);

#endif
