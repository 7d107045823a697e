#include "launch/submit_parts.h"

#include "base/alloc.h"
#include "io/rundir.h"
#include "launch/chain.h"
#include "launch/follow.h"
#include "launch/run_progress.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_file(const char *from, const char *to, struct ganger_error *err)
{
    char beside[PATH_MAX], bytes[65536];
    FILE *in = fopen(from, "re"), *out;
    size_t n;
    int status;

    if (in == NULL)
        return error_set_errno(err, ERROR_USAGE, "%s", from);
    snprintf(beside, sizeof(beside), "%s.new", to);
    out = fopen(beside, "we");
    while (out != NULL && (n = fread(bytes, 1, sizeof(bytes), in)) > 0 && fwrite(bytes, 1, n, out) == n)
        ;
    status = out != NULL && !ferror(in) && !ferror(out) && fflush(out) == 0 && fsync(fileno(out)) == 0 ? 0 : -1;
    if (status < 0)
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot be copied to %s", from, to);
    fclose(in);
    if (out != NULL && fclose(out) != 0 && status == 0)
        status = error_set_errno(err, ERROR_SYSTEM, "%s: cannot be written", to);
    if (status == 0 && rename(beside, to) < 0)
        status = error_set_errno(err, ERROR_SYSTEM, "%s: cannot be made", to);
    if (status < 0)
        unlink(beside);
    return status;
}

static int write_script(const struct submit *x, struct ganger_error *err)
{
    int fd = open(x->s.set.script, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0700);
    size_t n = strlen(x->script);
    int status = fd >= 0 && write(fd, x->script, n) == (ssize_t)n ? 0 : -1;

    if (status < 0)
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot be written", x->s.set.script);
    if (fd >= 0 && close(fd) != 0 && status == 0)
        status = error_set_errno(err, ERROR_SYSTEM, "%s: cannot be written", x->s.set.script);
    return status;
}

/* The node of a job that has ended may be dead, with the run directory in its hands. */
static void forget_job(const struct submit *x)
{
    char *job;

    if (x->backend->title == NULL || *x->earlier.set.job == '\0' || strcmp(x->earlier.set.type, x->backend->name) != 0)
        return;
    job = xasprintf("%s job %s", x->backend->title, x->earlier.set.job);
    rundir_forget_job(x->s.run, job);
    free(job);
}

int submit_check_earlier(struct submit *x, struct ganger_error *err)
{
    struct job job;
    const char *later;
    int found = submission_read(&x->earlier, x->s.run, err), status;

    if (found <= 0)
        return found;
    status = follow_ask(&x->earlier, &job, err);
    if (status == 0 && chain_is_alive(&x->earlier, &later))
        status = error_set(err, ERROR_USAGE,
                           "%s: job %s of this run is in the queue; `ganger cancel` it first, or give another "
                           "--run-dir", x->s.run, later);
    else if (status == 0 && job.state != JOB_ENDED && job.state != JOB_UNKNOWN)
        status = error_set(err, ERROR_USAGE,
                           "%s: this run is submitted already, and its job %s is %s; `ganger cancel` it first, or give "
                           "another --run-dir", x->s.run, job.id, job_state_name(job.state));
    else if (status == 0)
        forget_job(x);
    job_release(&job);
    return status;
}

static bool is_one_file(const char *a, const char *b)
{
    struct stat one, other;

    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Somebody else's file of that name is not overwritten; an earlier copy is. */
static int copy_workflow(struct submit *x, struct ganger_error *err)
{
    struct stat file;

    if (is_one_file(x->s.workflow, x->s.copy))
        return 0;
    x->made_copy = lstat(x->s.copy, &file) < 0;
    if (!x->made_copy && x->earlier.run == NULL)
        return error_set(err, ERROR_USAGE,
                         "%s: is there already, and is not a copy that was made for a run; give another --run-dir",
                         x->s.copy);
    return copy_file(x->s.workflow, x->s.copy, err);
}

static int find_epoch(struct submit *x, const struct rundir *dir, struct ganger_error *err)
{
    struct run_progress p;

    if (run_progress_read(&p, dir, err) < 0)
        return -1;
    x->s.epoch = p.epoch;
    return 0;
}

/* With the lock while it is written; without it, and with the record in place, when the job may start. */
static int store(struct submit *x, struct ganger_error *err)
{
    struct rundir dir = {.path = NULL};
    struct stat file;
    int status;

    x->made_run = lstat(x->s.run, &file) < 0 && errno == ENOENT;
    if (rundir_open(&dir, x->s.run, x->options->resume, err) < 0)
        return -1;
    status = copy_workflow(x, err);
    x->is_stored = status == 0;
    if (status == 0)
        status = find_epoch(x, &dir, err);
    if (status == 0)
        status = write_script(x, err);
    if (status == 0)
        status = submission_write(&x->s, err);
    rundir_close(&dir);
    return status;
}

/* As it was before store, but for the text of an earlier script and copy. */
static void unstore(const struct submit *x)
{
    char *output = xasprintf("%s/output", x->s.run);

    if (x->is_stored && x->earlier.run != NULL) {
        submission_write(&x->earlier, NULL);
    } else if (x->is_stored) {
        submission_remove(&x->s);
        unlink(x->s.set.script);
    }
    if (x->made_copy)
        unlink(x->s.copy);
    if (!x->options->resume)
        rmdir(output); /* unless something is in it */
    if (x->made_run)
        rmdir(x->s.run);
    free(output);
}

/* The record is there before the job can start; afterwards it learns the job's id. */
int submit_hand_in(struct submit *x, struct ganger_error *err)
{
    if (store(x, err) < 0 || chain_request_first(&x->s, x->backend, err) < 0) {
        unstore(x);
        return -1;
    }
    if (submission_write(&x->s, err) == 0 && (!x->s.chain.is_up_front || chain_hand_in(&x->s, x->backend, err) == 0))
        return 0;
    if (x->backend->release(&x->s.set, 60, NULL) == 0) {
        unstore(x);
        return error_prefix(err, "the job is cancelled again: ");
    }
    return error_prefix(err, "job %s is submitted, and cannot be cancelled again: ", x->s.set.job);
}
