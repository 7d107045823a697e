/* batch: what the backends of batch systems share: how their commands are asked, and how a job is found by its
 * token, waited for and released. What differs between them is a row of functions. */
#ifndef GANGER_BACKENDS_BATCH_H
#define GANGER_BACKENDS_BATCH_H

#include "backends/command.h"
#include "backends/group.h"
#include "backends/job.h"
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define BATCH_ASK_S 30.0     /* a server that is busy may take that long to answer */
#define BATCH_SUBMIT_S 120.0 /* and a site's filters of submissions longer */

/* How a batch system does what each of them can. */
struct batch
{
    const char *cancel_command; /* what a user would type: "scancel" */

    /* The job id in what the command that submits printed; NULL: there is none. The caller frees it. */
    char *(*read_submitted)(const char *out);

    /* Jobs of this user that it has not forgotten, with their comments. */
    int (*queue)(struct job **jobs, size_t *n, struct ganger_error *err);

    /* Of one job, which is initialised and stays JOB_UNKNOWN when nobody knows it. */
    int (*ask)(const char *id, struct job *job, struct ganger_error *err);

    /* Tells it to end. To end what has ended is no failure. */
    int (*cancel)(const char *id, struct ganger_error *err);
};

/* ---- commands ---- */

bool batch_begins(const char *text, const char *start);

/* Seconds that a command may take: the usual ones, or what the user says in GANGER_BATCH_TIMEOUT. */
double batch_limit_s(double usual_s);

/* This process's environment without those variables. Borrows its texts; the caller frees the array. */
char **batch_environment(bool (*is_unwanted)(const char *variable));

/* Runs a command that asks. Fails when it did not end by itself; its status is in the result. The caller
 * releases the result, also after a failure. */
int batch_ask(const char *const *argv, char **envp, struct command_result *r, struct ganger_error *err);

/* ---- jobs ---- */

/* Moves the job of exactly that id out of the array. */
bool batch_take_job(struct job *jobs, size_t n, const char *id, struct job *job);

/* Keeps the jobs that are runs: by their comment. */
void batch_keep_runs(struct job *jobs, size_t *n);

/* Takes the id. */
void batch_set_job(struct resource_set *set, char *id);

/* The job's id by the token in its comment; NULL when no such job is there. The caller frees it. */
char *batch_find_by_token(const struct batch *b, const char *token, struct ganger_error *err);

/* The log of a job: in the name of its file "%j" is the job's id, "%t" the token. The caller frees it. */
char *batch_log_path(const struct resource_set *set);

/* status, release and errors of a backend. */
int batch_status(const struct batch *b, const struct resource_set *set, struct job *job, struct ganger_error *err);
int batch_release(const struct batch *b, struct resource_set *set, double limit_s, struct ganger_error *err);
int batch_errors(const struct resource_set *set, const struct job *job, struct buffer *text);

/* Runs the command that submits, and learns the job's id. When it hangs or says no id, the job may be there all
 * the same: it is looked for by its token, and after a failure cancelled again, or the message says that it is
 * there. */
int batch_submit(const struct batch *b, const char *const *argv, char **envp, struct resource_set *set,
                 struct ganger_error *err);

#endif
