#include "backends/job.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = {
        [JOB_UNKNOWN] = "unknown", [JOB_WAITING] = "waiting", [JOB_RUNNING] = "running",
        [JOB_ENDING] = "ending",   [JOB_ENDED] = "ended",
    };

    return names[state];
}

void job_init(struct job *job)
{
    *job = (struct job){.id = xstrdup(""), .word = xstrdup(""), .reason = xstrdup(""), .partition = xstrdup(""),
                        .hosts = xstrdup(""), .comment = xstrdup(""), .run_s = NAN, .limit_s = NAN,
                        .start_s = NAN, .end_s = NAN, .exit_status = -1};
}

void job_release(struct job *job)
{
    free(job->id);
    free(job->word);
    free(job->reason);
    free(job->partition);
    free(job->hosts);
    free(job->comment);
    *job = (struct job){.id = NULL};
}

void job_free_all(struct job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        job_release(&jobs[i]);
    free(jobs);
}
