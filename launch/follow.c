#include "launch/follow.h"

#include "backends/backend.h"
#include "backends/command.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "launch/cmd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_S 0.5
#define CLOCKS_S 5.0 /* the clocks of login and compute nodes may differ by that */
#define ASK_FIRST_S 2.0
#define ASK_MOST_S 30.0

int follow_ask(const struct submission *s, struct job *job, struct ganger_error *err)
{
    const struct backend *backend;

    job_init(job);
    backend = backend_find(s->set.type, err);
    if (backend == NULL || backend->status == NULL)
        return backend == NULL ? -1 : 0;
    job_release(job);
    return backend->status(&s->set, job, err);
}

const char *stage_name(enum stage stage)
{
    static const char *const names[N_STAGES] = {
        [STAGE_NOT_SUBMITTED] = "not submitted", [STAGE_WAITING] = "waiting",     [STAGE_STARTING] = "starting",
        [STAGE_RUNNING] = "running",             [STAGE_ENDING] = "ending",       [STAGE_DONE] = "done",
        [STAGE_FAILED] = "failed",               [STAGE_CANCELLED] = "cancelled", [STAGE_BROKEN] = "broken",
        [STAGE_UNFINISHED] = "unfinished",       [STAGE_CUT_OFF] = "cut off",
    };

    return names[stage];
}

/* What the journal said before the submission is of an earlier run, and so is what it said before the job was
 * started again. */
static bool has_begun(const struct submission *s, const struct job *job, const struct run_progress *p)
{
    if (p->epoch <= s->epoch)
        return false;
    return job->state != JOB_RUNNING || isnan(job->start_s) || p->start_s >= job->start_s - CLOCKS_S;
}

enum stage stage_of_end(const struct run_progress *p)
{
    if (!p->has_ended)
        return STAGE_CUT_OFF;
    if (p->exit_status == 0)
        return STAGE_DONE;
    if (p->exit_status == EXIT_STATUS_UNFINISHED)
        return STAGE_UNFINISHED;
    return p->exit_status == 1 ? STAGE_FAILED : p->exit_status > 128 ? STAGE_CANCELLED : STAGE_BROKEN;
}

static enum stage stage_of_job(const struct submission *s, const struct job *job, const struct run_progress *p)
{
    bool is_begun = has_begun(s, job, p);

    switch (job->state) {
    case JOB_WAITING: return STAGE_WAITING;
    case JOB_RUNNING:
        if (!is_begun)
            return STAGE_STARTING;
        return p->has_ended || p->is_ending ? STAGE_ENDING : STAGE_RUNNING;
    case JOB_ENDING: return p->has_ended && is_begun ? stage_of_end(p) : STAGE_ENDING;
    case JOB_ENDED:
        if (!is_begun && s->set.is_released)
            return STAGE_CANCELLED;
        return is_begun ? stage_of_end(p) : strncmp(job->word, "CANCELLED", 9) == 0 ? STAGE_CANCELLED : STAGE_CUT_OFF;
    case JOB_UNKNOWN: break;
    }
    if (*s->set.job == '\0')
        return s->set.is_released ? STAGE_CANCELLED : STAGE_NOT_SUBMITTED;
    if (is_begun)
        return stage_of_end(p);
    return s->set.is_released ? STAGE_CANCELLED : STAGE_CUT_OFF;
}

enum stage stage_of(const struct submission *s, const struct job *job, const struct run_progress *p)
{
    enum stage stage = stage_of_job(s, job, p);

    if (s->chain.n_later > 0 && (stage == STAGE_UNFINISHED || stage == STAGE_CUT_OFF || stage == STAGE_CANCELLED))
        return STAGE_WAITING; /* the next job of its chain does */
    return stage;
}

/* ---- waiting ---- */

static bool is_over(enum stage stage)
{
    return stage == STAGE_DONE || stage == STAGE_FAILED || stage == STAGE_CANCELLED || stage == STAGE_BROKEN ||
           stage == STAGE_UNFINISHED || stage == STAGE_CUT_OFF || stage == STAGE_NOT_SUBMITTED;
}

static int blame(const struct submission *s, const struct job *job, const struct run_progress *p,
                 struct ganger_error *err)
{
    const struct backend *backend = backend_find(s->set.type, err);
    struct buffer said = BUFFER_EMPTY;
    int status = backend != NULL ? backend->errors(&s->set, job, &said) : -1;

    char number[32] = "";

    if (status >= 0)
        snprintf(number, sizeof(number), ", status %d", status);
    error_set(err, ERROR_SYSTEM,
              "job %s ended (%s%s) %s; `ganger submit --resume` goes on with it. Its log says:\n%.*s", s->set.job,
              *job->word != '\0' ? job->word : "nobody knows how", number,
              p->has_ended ? "because of an error" : "without the run being over", (int)said.n,
              said.n > 0 ? said.bytes : "");
    buffer_release(&said);
    return -1;
}

/* One look; asks the backend only when `asks`. */
static int look(const struct submission *s, const struct rundir *dir, bool asks, struct job *job,
                struct run_progress *p, struct ganger_error *err)
{
    if (asks) {
        struct ganger_error trouble = {0};

        job_release(job);
        if (follow_ask(s, job, &trouble) < 0) /* a controller may be away for minutes: it is asked again */
            log_warning("%s", trouble.text);
    }
    return run_progress_read(p, dir, err);
}

/* Has another job of the chain taken over? It is written down before the one before it ends. */
static bool is_taken_over(struct submission *s)
{
    struct submission now;
    bool is;

    if (s->chain.n_most == 0 || submission_read(&now, s->run, NULL) <= 0)
        return false;
    is = strcmp(now.set.job, s->set.job) != 0;
    submission_release(s);
    *s = now;
    return is;
}

int follow_to_end(struct submission *s, int *exit_status, struct ganger_error *err)
{
    struct rundir dir = {.path = NULL};
    struct run_progress p = {.epoch = 0};
    double next_s = clock_now_s(), pause_s = ASK_FIRST_S, took_s;
    bool had_ended = false;
    enum stage stage;
    struct job job;
    int status;

    if (rundir_open_to_read(&dir, s->run, err) < 0)
        return -1;
    job_init(&job);
    for (;;) {
        bool asks;

        if (p.has_ended && !had_ended) { /* the job will end now */
            next_s = clock_now_s();
            pause_s = ASK_FIRST_S;
        }
        had_ended = p.has_ended;
        asks = clock_now_s() >= next_s;
        if (asks) {
            next_s = clock_now_s() + pause_s;
            pause_s = fmin(2 * pause_s, ASK_MOST_S);
        }
        took_s = clock_now_s();
        status = look(s, &dir, asks, &job, &p, err);
        took_s = clock_now_s() - took_s;
        if (asks && is_taken_over(s)) {
            next_s = clock_now_s();
            pause_s = ASK_FIRST_S;
            continue;
        }
        /* The job's state is needed, too: one that is driven away ends in order, and comes again. */
        if (status < 0 || (asks && is_over(stage_of(s, &job, &p)) && job.state != JOB_RUNNING))
            break;
        command_pause(fmax(LOOK_S, 20 * took_s)); /* a long journal takes its time */
    }
    *exit_status = p.exit_status;
    stage = stage_of(s, &job, &p);
    if (status == 0 && (stage == STAGE_CUT_OFF || stage == STAGE_BROKEN))
        status = blame(s, &job, &p, err);
    else if (status == 0 && p.epoch == 0)
        status = error_set(err, ERROR_SYSTEM, "job %s was cancelled before it began", s->set.job);
    job_release(&job);
    rundir_close(&dir);
    return status;
}
