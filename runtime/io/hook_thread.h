/* hook_thread: a thread that calls the program's hooks for the manager, one at a time, in the order in which they were
 * posted, so that the manager's loop never runs what the program brought along.
 *
 * A hook cannot be stopped from outside. One that must not be waited for is abandoned together with its thread, which
 * ends by itself when the hook returns, if ever. */
#ifndef GANGER_IO_HOOK_THREAD_H
#define GANGER_IO_HOOK_THREAD_H

#include "base/error.h"
#include "core/hook.h"

struct hook_thread;

/* Copies the table. In the thread all signals are blocked. */
struct hook_thread *hook_thread_open(const struct hooks *hooks, struct ganger_error *err);

/* Readable when a hook has returned that was not taken. */
int hook_thread_fd(const struct hook_thread *t);

/* Takes it, until hook_thread_take gives it back. Never waits. */
void hook_thread_post(struct hook_thread *t, struct ganger_hook *hook);

/* One that has returned, which the caller frees; NULL: none has. */
struct ganger_hook *hook_thread_take(struct hook_thread *t);

/* Which one runs now? Writes the task and the kind; false: none. */
bool hook_thread_running(struct hook_thread *t, task_id *task, enum hook_kind *kind);

/* Ends the thread and frees what was not taken; hooks that were not called never will be. If one is running, it is
 * abandoned: false. Takes NULL. */
bool hook_thread_close(struct hook_thread *t);

#endif
