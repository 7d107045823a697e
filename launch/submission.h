/* submission: what `ganger submit` leaves in the run directory, so that `status` and `cancel`, in another shell or
 * after a week, know what was asked for and which job came of it. A file, submit.json; it is written before the
 * job can start, and again when the job's id is known. */
#ifndef GANGER_LAUNCH_SUBMISSION_H
#define GANGER_LAUNCH_SUBMISSION_H

#include "backends/group.h"
#include "base/error.h"

#include <stdint.h>

struct submission /* owns its texts */
{
    char *run;      /* the run directory, absolute */
    char *workflow; /* as it was named, absolute */
    char *copy;     /* of the workflow, in the run directory */
    char *cwd;      /* where the run takes place */
    uint32_t n_tasks;
    uint32_t epoch; /* of the last run in the directory when it was submitted; 0: there was none */
    struct group group;
    struct resource_set set;
};

void submission_release(struct submission *s); /* takes a zeroed one */

/* Replaces the file whole. */
int submission_write(const struct submission *s, struct ganger_error *err);

/* 1; 0 when nothing was submitted in that directory; -1 and an error when the file cannot be understood. */
int submission_read(struct submission *s, const char *run, struct ganger_error *err);

/* Removes the file. */
void submission_remove(const struct submission *s);

#endif
