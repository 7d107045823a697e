/* submission: what `ganger submit` leaves in the run directory, so that `status` and `cancel`, in another shell or
 * after a week, know what was asked for and which job came of it. A file, submit.json; it is written before the
 * job can start, and again when the job's id is known. */
#ifndef GANGER_LAUNCH_SUBMISSION_H
#define GANGER_LAUNCH_SUBMISSION_H

#include "backends/group.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Jobs that go on with the run one after another: see chain.h. Owns its sets. */
struct chain
{
    uint32_t n_most;   /* in all; 0: there is no chain */
    uint32_t n_jobs;   /* that were handed in so far */
    bool is_up_front;  /* all at once */
    bool is_cancelled; /* no other is to be handed in */
    uint32_t n_done;   /* tasks, before the current job began */
    struct resource_set *later; /* of those handed in that have not begun */
    size_t n_later;
};

struct submission /* owns its texts */
{
    char *run;      /* the run directory, absolute */
    char *workflow; /* as it was named, absolute */
    char *copy;     /* of the workflow, in the run directory */
    char *cwd;      /* where the run takes place */
    uint32_t n_tasks;
    uint32_t epoch; /* of the last run in the directory when it was submitted; 0: there was none */
    struct group group;
    struct resource_set set; /* of the job that is under way, or was last */
    struct chain chain;
};

void submission_release(struct submission *s); /* takes a zeroed one */

/* Another job for the same run, which has not been requested: a token and a comment of its own. */
struct resource_set submission_next_set(const struct submission *s);

/* Replaces the file whole. */
int submission_write(const struct submission *s, struct ganger_error *err);

/* 1; 0 when nothing was submitted in that directory; -1 and an error when the file cannot be understood. */
int submission_read(struct submission *s, const char *run, struct ganger_error *err);

/* Removes the file. */
void submission_remove(const struct submission *s);

#endif
