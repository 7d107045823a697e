/* run_progress: how far a run is, as its journal tells; also while it goes on. */
#ifndef GANGER_LAUNCH_RUN_PROGRESS_H
#define GANGER_LAUNCH_RUN_PROGRESS_H

#include "base/error.h"
#include "io/rundir.h"

#include <stdbool.h>
#include <stdint.h>

struct run_progress
{
    uint32_t epoch;       /* of the last run in the directory; 0: none has begun */
    uint32_t n_tasks;     /* 0: not known */
    uint32_t n_added;     /* of them, by functions in the last epoch */
    uint32_t n_done;
    uint32_t n_failed;
    uint32_t n_cancelled; /* cut off, when the run was ended */
    uint32_t n_skipped;
    uint32_t n_not_needed;
    uint32_t n_running;   /* given to a worker, in a run that has not ended */
    uint32_t n_retried;   /* attempts that failed and were tried again, this epoch */
    uint32_t n_nodes;     /* that came in the last epoch … */
    uint32_t n_workers;   /* … and workers that are still there */
    double start_s;       /* of the last epoch, seconds since 1970 */
    double first_task_s;  /* after its start; NAN: none was started */
    double last_line_s;   /* when the journal was written to last, seconds since 1970 */
    bool is_ending;       /* nothing new is started any more */
    bool has_ended;       /* in order: the journal has its last line */
    int exit_status;      /* of the run, when it has ended */
};

/* Reads the journal of a run directory; one that is missing is epoch 0. 5 million lines take some seconds. */
int run_progress_read(struct run_progress *p, const struct rundir *dir, struct ganger_error *err);

#endif
