/* ranks_here: all ranks of a run as threads of this process, over memory: no mpirun, one process for a debugger. */
#ifndef GANGER_LAUNCH_RANKS_HERE_H
#define GANGER_LAUNCH_RANKS_HERE_H

#include "base/error.h"
#include "io/comm.h"

#include <stdbool.h>
#include <stdint.h>

/* What a rank does with its end, which it closes. Returns its exit status. */
typedef int rank_body(void *data, struct comm *comm);

/* Runs `size` ranks and waits for all. The calling thread is rank 0, or, with one worker and `worker_in_front`, that
 * worker, so that functions run on the program's first thread. Returns rank 0's status. */
int ranks_here_run(uint32_t size, bool worker_in_front, rank_body *body, void *data, struct ganger_error *err);

#endif
