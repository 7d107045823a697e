#include "backends/batch.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_S 0.25 /* first pause between looks at a job that ends; then twice as long each time … */
#define LOOK_MOST_S 8.0
#define LOG_BYTES 4096
#define COMMENT_START "ganger:"

extern char **environ;

/* ---- commands ---- */

bool batch_begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

double batch_limit_s(double usual_s)
{
    const char *text = getenv("GANGER_BATCH_TIMEOUT");
    double said_s = text != NULL ? strtod(text, NULL) : 0;

    return said_s > 0 && isfinite(said_s) ? said_s : usual_s;
}

char **batch_environment(bool (*is_unwanted)(const char *variable))
{
    size_t n = 0, kept = 0;
    char **clean;

    while (environ[n] != NULL)
        n++;
    clean = xcalloc(n + 1, sizeof(*clean));
    for (size_t i = 0; i < n; i++)
        if (!is_unwanted(environ[i]))
            clean[kept++] = environ[i];
    return clean;
}

int batch_ask(const char *const *argv, char **envp, struct command_result *r, struct ganger_error *err)
{
    int status = command_run(argv, envp, batch_limit_s(BATCH_ASK_S), r, err);

    if (status < 0 || !r->is_late)
        return status;
    return command_blame(argv, batch_limit_s(BATCH_ASK_S), r, err);
}

/* ---- jobs ---- */

bool batch_take_job(struct job *jobs, size_t n, const char *id, struct job *job)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(jobs[i].id, id) != 0)
            continue;
        job_release(job);
        *job = jobs[i];
        jobs[i] = (struct job){.id = NULL};
        return true;
    }
    return false;
}

void batch_keep_runs(struct job *jobs, size_t *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (batch_begins(jobs[i].comment, COMMENT_START))
            jobs[kept++] = jobs[i];
        else
            job_release(&jobs[i]);
    }
    *n = kept;
}

void batch_set_job(struct resource_set *set, char *id)
{
    free(set->job);
    set->job = id;
}

char *batch_find_by_token(const struct batch *b, const char *token, struct ganger_error *err)
{
    char *start = xasprintf(COMMENT_START "%s:", token), *id = NULL;
    struct job *jobs = NULL;
    size_t n = 0;

    if (b->queue(&jobs, &n, err) == 0)
        for (size_t i = 0; i < n && id == NULL; i++)
            if (batch_begins(jobs[i].comment, start))
                id = xstrdup(jobs[i].id);
    job_free_all(jobs, n);
    free(start);
    return id;
}

/* Of a submission that was broken off, the job may be there all the same. */
int batch_status(const struct batch *b, const struct resource_set *set, struct job *job, struct ganger_error *err)
{
    struct ganger_error trouble = {0};
    char *id = *set->job != '\0' ? xstrdup(set->job) : batch_find_by_token(b, set->token, &trouble);
    int status = 0;

    job_init(job);
    if (trouble.cause != ERROR_NONE)
        status = error_set(err, trouble.cause, "%s", trouble.text);
    else if (id != NULL)
        status = b->ask(id, job, err);
    free(id);
    return status;
}

static int wait_for_end(const struct batch *b, const struct resource_set *set, double limit_s,
                        struct ganger_error *err)
{
    double until_s = clock_now_s() + limit_s;

    for (double pause_s = LOOK_S;; pause_s = fmin(2 * pause_s, LOOK_MOST_S)) {
        struct job job;
        int status = batch_status(b, set, &job, err);
        bool is_over = job.state == JOB_ENDED || job.state == JOB_UNKNOWN;

        job_release(&job);
        if (status < 0)
            return -1;
        if (is_over)
            return 0;
        if (clock_now_s() >= until_s)
            return error_set(err, ERROR_SYSTEM, "job %s was told to end, and has not within %g s", set->job, limit_s);
        command_pause(fmin(pause_s, fmax(until_s - clock_now_s(), 0)));
    }
}

int batch_release(const struct batch *b, struct resource_set *set, double limit_s, struct ganger_error *err)
{
    struct ganger_error trouble = {0};

    if (set->is_released)
        return 0;
    if (*set->job == '\0') {
        char *id = batch_find_by_token(b, set->token, &trouble);

        if (id != NULL)
            batch_set_job(set, id);
    }
    if (trouble.cause != ERROR_NONE)
        return error_set(err, trouble.cause, "%s", trouble.text);
    if (*set->job != '\0' && (b->cancel(set->job, err) < 0 || wait_for_end(b, set, limit_s, err) < 0))
        return -1;
    set->is_released = true;
    return 0;
}

char *batch_log_path(const struct resource_set *set)
{
    const char *slash = strrchr(set->log, '/'), *name = slash != NULL ? slash : set->log;
    const char *job = strstr(name, "%j"), *token = strstr(name, "%t"), *place = job != NULL ? job : token;

    if (place == NULL)
        return xstrdup(set->log);
    return xasprintf("%.*s%s%s", (int)(place - set->log), set->log, job != NULL ? set->job : set->token, place + 2);
}

int batch_errors(const struct resource_set *set, const struct job *job, struct buffer *text)
{
    char *path = batch_log_path(set);

    backend_read_log(path, LOG_BYTES, text);
    free(path);
    return job->exit_signal != 0 ? 128 + job->exit_signal : job->exit_status;
}

/* ---- submitting ---- */

/* Nobody knows whether it was one. */
static int roll_back(const struct batch *b, struct resource_set *set, struct ganger_error *err)
{
    char *id = batch_find_by_token(b, set->token, NULL);

    if (id == NULL)
        return error_prefix(err, "nothing was submitted: ");
    batch_set_job(set, id);
    if (batch_release(b, set, BATCH_ASK_S, NULL) == 0)
        return error_prefix(err, "job %s was submitted and is cancelled again: ", set->job);
    return error_prefix(err, "job %s was submitted, and cannot be cancelled (`%s %s`): ", set->job, b->cancel_command,
                        set->job);
}

static int read_answer(const struct batch *b, const char *const *argv, const struct command_result *r,
                       struct resource_set *set, struct ganger_error *err)
{
    char *id;

    if (r->is_late) {
        command_blame(argv, batch_limit_s(BATCH_SUBMIT_S), r, err);
        return roll_back(b, set, err);
    }
    if (r->status != 0)
        return command_blame(argv, batch_limit_s(BATCH_SUBMIT_S), r, err);
    id = b->read_submitted(r->out);
    if (id == NULL) /* a filter of the site may have swallowed it */
        id = batch_find_by_token(b, set->token, NULL);
    if (id == NULL) {
        command_blame(argv, batch_limit_s(BATCH_SUBMIT_S), r, err);
        return error_prefix(err, "%s names no job id, and no such job is in the queue: ", argv[0]);
    }
    batch_set_job(set, id);
    set->requested_s = clock_wall_s();
    return 0;
}

int batch_submit(const struct batch *b, const char *const *argv, char **envp, struct resource_set *set,
                 struct ganger_error *err)
{
    struct command_result r;
    int status = command_run(argv, envp, batch_limit_s(BATCH_SUBMIT_S), &r, err);

    if (status == 0)
        status = read_answer(b, argv, &r, set, err);
    command_result_release(&r);
    return status;
}
