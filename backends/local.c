/* local: a run in the background of this machine, by the same script that a batch system would start. */
#include "backends/backend.h"
#include "backends/command.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_S 0.1
#define LOG_BYTES 4096
#define JOB_VARIABLE "GANGER_LOCAL_JOB"
#define END_VARIABLE "GANGER_LOCAL_END"

static bool local_available(struct ganger_error *why)
{
    (void)why;
    return true;
}

/* ---- processes ---- */

/* When it started, in ticks since boot: field 22 of /proc/PID/stat. -1: it is gone, or waits to be reaped. */
static int64_t start_of(pid_t pid)
{
    char path[64], text[1024], state = 'X';
    const char *after_name;
    int64_t start = -1;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    after_name = strrchr(text, ')'); /* the name may hold blanks and brackets */
    if (after_name == NULL || sscanf(after_name + 1,
                                     " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                                     "%" SCNd64,
                                     &state, &start) != 2)
        return -1;
    return state == 'Z' || state == 'X' ? -1 : start;
}

static void name_host(char host[256])
{
    if (gethostname(host, 256) != 0)
        host[0] = '\0';
    host[255] = '\0';
}

static bool is_here(const struct resource_set *set)
{
    char host[256];

    name_host(host);
    return strcmp(set->host, host) == 0;
}

static bool is_alive(const struct resource_set *set)
{
    return set->pid > 0 && is_here(set) && start_of(set->pid) == set->pid_start;
}

/* ---- the table ---- */

static int local_check(const struct group *g, struct resource_set *set, struct buffer *notes,
                       struct ganger_error *err)
{
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

    (void)notes;
    if (g->n_nodes > 1)
        return error_set(err, ERROR_USAGE, "this machine is one node, and %u are asked for", g->n_nodes);
    if (g->partition != NULL || g->account != NULL || g->qos != NULL || g->constraint != NULL || g->directives.n > 0)
        return error_set(err, ERROR_USAGE,
                         "this machine has no partitions, accounts, QOS, constraints or directives; they are for "
                         "batch systems");
    if (n_cpus > 0 && g->n_cores > (uint32_t)n_cpus)
        return error_set(err, ERROR_USAGE, "this machine has %ld cores, and %u are asked for", n_cpus, g->n_cores);
    set->n_workers = g->n_cores;
    return 0;
}

/* What a batch system does: begins when the job before has ended, tells a job when its time is over, ends it. */
static const char keeper[] =
    "lives() { read -r _ _ state _ 2>/dev/null <\"/proc/$1/stat\" && [ \"$state\" != Z ]; }\n"
    "[ -z \"$1\" ] || while lives \"$1\"; do sleep 0.1; done\n"
    "export GANGER_LOCAL_JOB=$$ GANGER_LOCAL_END=\n"
    "[ -n \"$2\" ] || exec /bin/bash \"$3\"\n"
    "GANGER_LOCAL_END=$(awk -v a=\"${EPOCHREALTIME/,/.}\" -v b=\"$2\" 'BEGIN { printf \"%.3f\", a + b }')\n"
    "exec timeout -s TERM -k 10 \"$2\" /bin/bash \"$3\"\n";

static int local_request(struct resource_set *set, const struct job_terms *terms, struct ganger_error *err)
{
    double runtime_s = terms != NULL && terms->runtime_s > 0 ? terms->runtime_s : set->runtime_s;
    const char *after = terms != NULL && terms->after != NULL ? terms->after : "";
    char host[256], limit[32] = "";
    const char *const argv[] = {"/bin/bash", "-c", keeper, "ganger-job", after, limit, set->script, NULL};

    if (runtime_s > 0 && isfinite(runtime_s))
        snprintf(limit, sizeof(limit), "%.3f", runtime_s);
    if (command_detach(argv, set->log, &set->pid, err) < 0)
        return -1;
    name_host(host);
    free(set->host);
    set->host = xstrdup(host);
    set->pid_start = start_of(set->pid);
    set->requested_s = clock_wall_s();
    free(set->job);
    set->job = xasprintf("%d", (int)set->pid);
    return 0;
}

static char *local_find_job(void)
{
    const char *job = getenv(JOB_VARIABLE);

    return job != NULL && *job != '\0' ? xstrdup(job) : NULL;
}

static int local_find_end(const char *job, double *end_s, struct ganger_error *err)
{
    const char *end = getenv(END_VARIABLE);

    (void)job;
    (void)err;
    *end_s = end != NULL && *end != '\0' ? strtod(end, NULL) : (double)INFINITY;
    return 0;
}

static bool is_own_time_over(const struct resource_set *set)
{
    const char *job = getenv(JOB_VARIABLE);
    double end_s;

    return job != NULL && strcmp(job, set->job) == 0 && local_find_end(job, &end_s, NULL) == 0 &&
           clock_wall_s() >= end_s;
}

static int local_status(const struct resource_set *set, struct job *job, struct ganger_error *err)
{
    (void)err;
    job_init(job);
    free(job->id);
    job->id = xstrdup(set->job);
    if (set->pid == 0 || !is_here(set)) /* processes of other hosts cannot be seen from here */
        return 0;
    job->state = is_alive(set) ? JOB_RUNNING : JOB_ENDED;
    free(job->word);
    job->word = xstrdup(is_alive(set) ? "RUNNING" : "ENDED");
    free(job->hosts);
    job->hosts = xstrdup(set->host);
    job->n_nodes = 1;
    job->start_s = set->requested_s;
    job->limit_s = set->runtime_s > 0 ? set->runtime_s : (double)INFINITY;
    job->is_cut_off = is_own_time_over(set);
    return 0;
}

/* TERM to the script, which has become ganger: it ends its ranks. KILL when that takes too long. */
static int local_release(struct resource_set *set, double limit_s, struct ganger_error *err)
{
    double until_s = clock_now_s() + limit_s;

    if (set->is_released)
        return 0;
    if (set->pid > 0 && !is_here(set))
        return error_set(err, ERROR_USAGE, "this run is process %d on %s: cancel it there", (int)set->pid, set->host);
    if (is_alive(set))
        kill(-set->pid, SIGTERM);
    while (is_alive(set) && clock_now_s() < until_s)
        command_pause(LOOK_S);
    if (is_alive(set)) {
        kill(-set->pid, SIGKILL);
        return error_set(err, ERROR_SYSTEM, "process %d did not end within %g s of TERM and was killed", (int)set->pid,
                         limit_s);
    }
    set->is_released = true;
    return 0;
}

static int local_cancel(const struct resource_set *set, struct ganger_error *err)
{
    (void)err;
    if (is_alive(set))
        kill(-set->pid, SIGTERM);
    return 0;
}

static int local_errors(const struct resource_set *set, const struct job *job, struct buffer *text)
{
    backend_read_log(set->log, LOG_BYTES, text);
    return job->exit_status;
}

const struct backend backend_local = {
    .name = "local",
    .what = "in the background of this machine",
    .script = "job.sh",
    .job_in_log = "job.out",
    .available = local_available,
    .check = local_check,
    .request = local_request,
    .status = local_status,
    .release = local_release,
    .errors = local_errors,
    .find_job = local_find_job,
    .find_end = local_find_end,
    .cancel = local_cancel,
};
