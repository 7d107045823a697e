/* cgroup: control groups of the kernel: what one of a task's own may use of memory, and whether the kernel has killed
 * for want of it.
 *
 * Groups are made only where that was left to us: in a delegated subtree of version 2 (`systemd-run --user --scope -p
 * Delegate=yes ganger run …`). Everything else works with both versions, and without any. */
#ifndef GANGER_IO_CGROUP_H
#define GANGER_IO_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the system shows them; tests have places of their own. */
struct cgroup_system
{
    const char *own;    /* which group we are in: /proc/self/cgroup */
    const char *root;   /* /sys/fs/cgroup */
    const char *vmstat; /* /proc/vmstat: what the kernel counts of the whole machine */
};

extern const struct cgroup_system cgroup_this_machine;

/* When the group of this process is delegated to us and nobody else is in it: moves this process into one below, and
 * gives control over memory to what is below, so that others can be made beside it. For who starts a run, before it
 * starts anything. Does nothing, silently, anywhere else. */
void cgroup_settle(const struct cgroup_system *system);

/* A group for the tasks of one worker. */
struct cgroup
{
    char *path;     /* NULL: there is none, and nothing below is to be called but close */
    int join_fd;    /* a process that writes "0" here is in it */
    uint64_t n_killed; /* processes that the kernel killed in it, when last asked */
};

/* Makes one beside the group of this process, if that may be; else `path` is NULL. No error is worth telling of:
 * memory is watched then. `name` must differ among workers of a node. */
void cgroup_open(struct cgroup *g, const struct cgroup_system *system, const char *name);
void cgroup_close(struct cgroup *g); /* removes it; takes a zeroed one */

/* From now on so much memory, in no part swapped out; more, and the kernel ends all that is in it. Failure: it is
 * no group of ours any more. */
int cgroup_limit_memory(struct cgroup *g, uint64_t bytes, struct ganger_error *err);

/* Has the kernel killed in it since the last call? */
bool cgroup_has_killed(struct cgroup *g);

/* How often the kernel has killed a process for want of memory, in the group of this process, or on the whole machine
 * where that is all it tells; UINT64_MAX when it does not. */
uint64_t cgroup_count_kills(const struct cgroup_system *system);

#endif
