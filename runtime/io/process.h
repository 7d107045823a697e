/* process: start a child, follow it, end it with all that it started.
 *
 * The only place that forks. Children start by vfork, which costs the same from a large process as
 * from a small one, in a process group of their own, with every descriptor from 3 up closed and default
 * signals. A task is over when its command is: what the command leaves behind is killed, also when it
 * has left the process group (process_adopt_orphans makes orphans ours). */
#ifndef GANGER_IO_PROCESS_H
#define GANGER_IO_PROCESS_H

#include "base/error.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What children read and write, one child after another: an empty input, and a pair of pipes for standard
 * output and error. This process keeps both ends open, so that poll wakes for bytes and not for their end,
 * and the next child can use them again. */
struct process_pipes
{
    int in;     /* /dev/null; -1: closed */
    int out[2]; /* read end (non-blocking), write end; -1: closed */
    int err[2];
};

#define PROCESS_PIPES_CLOSED {-1, {-1, -1}, {-1, -1}}

int process_pipes_open(struct process_pipes *pipes, struct ganger_error *err);
void process_pipes_close(struct process_pipes *pipes);

struct process_order
{
    char **argv; /* ended by NULL */
    char **envp; /* ended by NULL */
    const char *cwd;            /* NULL: this process's */
    const cpu_set_t *affinity;  /* NULL: inherited */
    size_t n_affinity_bytes;
    int cgroup_fd; /* it joins that control group by writing "0" there (cgroup.h); 0: it stays in ours */
    const struct process_pipes *pipes; /* NULL: standard output and error are inherited */
    /* Files in place of the pipes; relative ones start from `cwd`. NULL: none. Those of output and error are
     * made, or emptied; when both are one file, they share its offset. */
    const char *stdin_path; /* NULL: /dev/null */
    const char *stdout_path;
    const char *stderr_path;
};

struct process
{
    pid_t pid; /* and process group; 0: none */
    int fd;    /* pidfd, readable when it ended */
};

/* Starts argv[0], found through the PATH in envp when it has no slash. Returns -1 and sets `*failed`
 * to errno when it cannot be started; the text says which step failed. Never waits for the other end of a
 * file: a FIFO is refused. */
int process_start(struct process *p, const struct process_order *order, int *failed,
                  struct ganger_error *err);

struct process_end
{
    bool is_signal;
    int code; /* exit status or signal */
    double cpu_s;
    double delay_s; /* it could have run, but waited for a core; 0 when it was not asked for */
    uint64_t max_rss_bytes;
    bool left_others; /* something it started was still there, and was killed */
    bool still_left;  /* … but is not gone: see process_kill_others */
};

/* To be called when p->fd is readable: kills what it left behind, reaps, closes the fd. Asking for the
 * delay costs 4 us. Takes as long as the killed need to go, at most PROCESS_KILL_S. */
#define PROCESS_KILL_S 0.8
void process_reap(struct process *p, bool ask_delay, struct process_end *end);

/* Takes away the dead among what `p` left to us while it still runs. Orphans are ours to wait for: those of a
 * task that runs for days would fill the system's table of processes. */
void process_reap_orphans(const struct process *p);

/* Kills every child of this thread, and what it inherits by that, over and over until none is left or
 * `limit_s` is over. False: some are left, stuck in the kernel or forking faster than they die. */
bool process_kill_others(double limit_s);

/* Sends a signal to its whole group, and to itself if it left that. */
void process_signal(const struct process *p, int signal);

/* Asks the kernel to let this process run soon when it is woken, also beside one that computes: a shorter
 * slice (0.1 ms), which its children do not inherit. Without it a rank on a core that somebody else
 * keeps busy waits for the next tick, 4 ms, at each message. Kernels before 6.12 do not care. */
void process_wake_promptly(void);

/* From now on, orphaned descendants become children of this process. Reports failure by -1. */
int process_adopt_orphans(void);

/* Asks for `signal` when the parent of this process dies. */
void process_die_with_parent(int signal);

/* Has the parent that process_die_with_parent was called under died? */
bool process_is_orphan(void);

/* The parent goes on, if it is stopped: whoever stopped it, and would let it go on, is gone. */
void process_continue_parent(void);

/* Watching processes that are not our children. The set is one descriptor, readable when one of them
 * has ended; -1 on failure. Adding a process that is gone already makes it readable at once. */
int process_watch_open(void);
int process_watch_add(int set, pid_t pid, uint32_t tag);

/* The tag of one that has ended, each once. False when there is none. */
bool process_watch_next(int set, uint32_t *tag);

#endif
