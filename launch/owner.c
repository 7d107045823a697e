#include "launch/owner.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/log.h"
#include "io/rundir.h"

#include <stdlib.h>
#include <string.h>

/* Does `job`, "Slurm job 12", belong to this backend? Then its id. */
static char *id_of_job(const struct backend *backend, const char *job)
{
    size_t n = backend->title != NULL ? strlen(backend->title) : 0;

    if (n == 0 || strncmp(job, backend->title, n) != 0 || strncmp(job + n, " job ", 5) != 0)
        return NULL;
    return xstrdup(job + n + 5);
}

/* A job that the batch system does not know has ended long ago, or is one of another cluster: that is no knowledge. */
static bool has_ended(const struct backend *backend, char *id)
{
    static char empty[] = "";
    struct resource_set set = {.job = id, .group = empty, .token = empty, .comment = empty, .script = empty,
                               .log = empty, .host = empty};
    struct job job = {.id = NULL};
    bool has = backend->status != NULL && backend->status(&set, &job, NULL) == 0 && job.state == JOB_ENDED;
    job_release(&job);
    return has;
}

static bool job_has_ended(const char *job)
{
    for (size_t i = 0; backends[i] != NULL; i++) {
        char *id = id_of_job(backends[i], job);
        bool has = id != NULL && has_ended(backends[i], id);

        free(id);
        if (has)
            return true;
    }
    return false;
}

int owner_release(const char *run_dir, bool break_lock, struct ganger_error *err)
{
    char *job = rundir_foreign_job(run_dir);

    if (job != NULL && job_has_ended(job)) {
        log_warning("%s: the run that used this directory was in %s, which has ended: its lock is removed", run_dir,
                    job);
        rundir_forget_job(run_dir, job);
    }
    free(job);
    return break_lock ? rundir_break_lock(run_dir, err) : 0;
}
