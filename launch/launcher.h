/* launcher: starts the ranks of a run by the mpirun of the MPI that ganger is linked with, and stays
 * until they are gone. */
#ifndef GANGER_LAUNCH_LAUNCHER_H
#define GANGER_LAUNCH_LAUNCHER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Was this process started as a rank, by mpirun or the like? */
bool launcher_is_rank(void);

/* Is it rank 0, as far as the environment tells before MPI does? */
bool launcher_is_first_rank(void);

/* To be called by a rank before anything else: puts away what was meant for mpirun alone. */
void launcher_enter_rank(void);

/* May a rank that this launcher started leave by _exit, without MPI_Finalize? */
bool launcher_allows_exit(void);

/* The words of the command line that starts `n_ranks` ranks of `argv` (ended by NULL). Borrows what it
 * points to; the caller frees the array. */
char **launcher_command(uint32_t n_ranks, char **argv);

/* How a run came to its end. */
struct launcher_end
{
    int exit_status;  /* of the run */
    bool was_told;    /* to end, or to start nothing more, by a signal */
    uint32_t epoch;   /* of the run directory; 0: none began, or the manager ended without a word */
};

/* Runs it until the manager said that it is done. INT, TERM, HUP, USR1 and USR2 go to the manager. An mpirun that
 * does not return then is ended. `variables` are for mpirun alone: "NAME=VALUE", or "NAME", which it is not to
 * have; ended by NULL, or NULL. Sets `*end`; -1 when the manager ended without a word, or when the ranks did not come
 * together: then the exit status is that of the error. */
int launcher_run(uint32_t n_ranks, char **argv, char **variables, struct launcher_end *end, struct ganger_error *err);

#endif
