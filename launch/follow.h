/* follow: what has become of a submission, by what its backend and its journal say. */
#ifndef GANGER_LAUNCH_FOLLOW_H
#define GANGER_LAUNCH_FOLLOW_H

#include "backends/job.h"
#include "base/error.h"
#include "launch/run_progress.h"
#include "launch/submission.h"

/* Asks the backend once. The caller releases the job, also after a failure. */
int follow_ask(const struct submission *s, struct job *job, struct ganger_error *err);

enum stage
{
    STAGE_NOT_SUBMITTED, /* the record is there, and no job: the submission was broken off */
    STAGE_WAITING,       /* in the queue, for the first time or again */
    STAGE_STARTING,      /* the job runs, the run has not begun */
    STAGE_RUNNING,
    STAGE_ENDING,
    STAGE_DONE,          /* all tasks are done */
    STAGE_FAILED,        /* some failed, or were skipped for that */
    STAGE_CANCELLED,     /* it was told to end, and did in order */
    STAGE_BROKEN,        /* it ended in order, because of an error that was none of its tasks' */
    STAGE_UNFINISHED,    /* the allocation ended in order, and tasks are left for the next one */
    STAGE_CUT_OFF,       /* it ended without a last word */
    N_STAGES,
};

const char *stage_name(enum stage stage);

/* Of a run that is over, by its journal alone. */
enum stage stage_of_end(const struct run_progress *p);

/* From both. `job` may be JOB_UNKNOWN: then the journal alone tells. */
enum stage stage_of(const struct submission *s, const struct job *job, const struct run_progress *p);

/* Waits until the run is over, in whichever job of its chain (`s` is what it has become then), and gives its exit
 * status; 3, with what the job's log says, when it ended without a word. Looks at the journal twice a second, and
 * asks the backend less and less often, at last each 30 s. */
int follow_to_end(struct submission *s, int *exit_status, struct ganger_error *err);

#endif
