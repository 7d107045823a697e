/* mpirun: the process that starts the ranks and cleans up behind them, seen from its parent. */
#ifndef GANGER_LAUNCH_MPIRUN_H
#define GANGER_LAUNCH_MPIRUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mpirun
{
    pid_t pid;
    int fd;       /* pidfd; -1: it was reaped */
    int err_fd;   /* what it says is read here; -1: nothing is */
    bool is_held; /* it is stopped */
};

/* Stops it. Open MPI 4's mpirun ends a run, whatever it was told of recovery, when a daemon of its own on another node
 * is gone, or the ssh or srun by which it started that; between start and end nobody needs it, and stopped it hears
 * of nothing. */
void mpirun_hold(struct mpirun *m);

/* One that is held finds the signal when it goes on, which it does now. SIGCONT: it only goes on. */
void mpirun_signal(struct mpirun *m, int signal);

/* Passes on what it has said, to standard error, or to nobody. When err_fd is readable. */
void mpirun_relay(struct mpirun *m, bool to_nobody);

/* Its children: ranks, that is processes of this program, and others by which it starts ranks elsewhere. */
void mpirun_count(const struct mpirun *m, uint32_t *n_ranks, uint32_t *n_others);

#endif
