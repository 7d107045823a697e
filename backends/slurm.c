/* slurm: allocations of Slurm. What its commands print is read in slurm_text.c. */
#include "backends/allocation.h"
#include "backends/backend.h"
#include "backends/command.h"
#include "backends/hostlist.h"
#include "backends/slurm_offer.h"
#include "backends/slurm_text.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_S 30.0     /* a controller that is busy may take that long to answer */
#define SUBMIT_S 120.0 /* and site's filters of sbatch longer */
#define LOOK_S 0.25    /* first pause between looks at a job that ends; then twice as long each time … */
#define LOOK_MOST_S 8.0
#define LOG_BYTES 4096
#define COMMENT_START "ganger:"

extern char **environ;

/* ---- asking ---- */

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Variables of the user's that change what the commands print, and those of a job in which we may be, which
 * sbatch would hand on to the new job or take for options. */
static bool is_unwanted(const char *variable)
{
    static const char *const unwanted[] = {"SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_", "SCONTROL_", "SLURMD_"};

    for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++)
        if (begins(variable, unwanted[i]))
            return true;
    return begins(variable, "SLURM_") && !begins(variable, "SLURM_CONF") && !begins(variable, "SLURM_CLUSTERS=") &&
           !begins(variable, "SLURM_JWT=");
}

/* Borrows its texts; the caller frees the array. */
static char **clean_environment(void)
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

/* Seconds that a command may take: the usual ones, or what the user says in GANGER_BATCH_TIMEOUT. */
static double limit_of(double usual_s)
{
    const char *text = getenv("GANGER_BATCH_TIMEOUT");
    double said_s = text != NULL ? strtod(text, NULL) : 0;

    return said_s > 0 && isfinite(said_s) ? said_s : usual_s;
}

/* Runs one of Slurm's commands. Fails when it did not end by itself; its status is in the result. */
static int ask(const char *const *argv, struct command_result *r, struct ganger_error *err)
{
    char **clean = clean_environment();
    int status = command_run(argv, clean, limit_of(ASK_S), r, err);

    free(clean);
    if (status < 0 || !r->is_late)
        return status;
    return command_blame(argv, limit_of(ASK_S), r, err);
}

/* Clients without a configuration are no cluster. One may come over the network: then sinfo knows its version. */
static bool is_configured(void)
{
    static const char *const files[] = {"/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf",
                                        "/etc/slurm-llnl/slurm.conf"};
    static const char *const argv[] = {"sinfo", "--version", NULL};
    struct command_result r;
    bool is_known;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (access(files[i], R_OK) == 0)
            return true;
    if (getenv("SLURM_CONF") != NULL)
        return true;
    is_known = ask(argv, &r, NULL) == 0 && r.status == 0;
    command_result_release(&r);
    return is_known;
}

static bool slurm_available(struct ganger_error *why)
{
    static const char *const needed[] = {"sbatch", "squeue", "sinfo", "scontrol", "scancel"};

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
        if (command_is_there(needed[i]))
            continue;
        error_set(why, ERROR_USAGE, "there is no Slurm here: no command \"%s\" on PATH; is a module to be loaded?",
                  needed[i]);
        return false;
    }
    if (is_configured())
        return true;
    error_set(why, ERROR_USAGE, "there is no Slurm here: its commands find no configuration (/etc/slurm/slurm.conf, or "
                                "SLURM_CONF)");
    return false;
}

/* ---- the allocation that we are in ---- */

static const char *first_of(const char *const *names)
{
    for (; *names != NULL; names++)
        if (getenv(*names) != NULL)
            return getenv(*names);
    return NULL;
}

static uint64_t memory_of_node(uint32_t n_cpus)
{
    const char *node = getenv("SLURM_MEM_PER_NODE"), *cpu = getenv("SLURM_MEM_PER_CPU"); /* MiB */

    if (node != NULL)
        return (uint64_t)strtoull(node, NULL, 10) << 20;
    return cpu != NULL ? ((uint64_t)strtoull(cpu, NULL, 10) << 20) * n_cpus : 0;
}

/* SLURM_JOB_END_TIME exists from 23.02 on. */
static double end_of_job(void)
{
    const char *end = getenv("SLURM_JOB_END_TIME");

    return end != NULL ? (double)strtoull(end, NULL, 10) : NAN;
}

static int slurm_describe(struct allocation *a, struct ganger_error *err)
{
    const char *job = first_of((const char *const[]){"SLURM_JOB_ID", "SLURM_JOBID", NULL});
    const char *hosts = first_of((const char *const[]){"SLURM_JOB_NODELIST", "SLURM_NODELIST", NULL});
    const char *cpus = getenv("SLURM_JOB_CPUS_PER_NODE"), *restarts = getenv("SLURM_RESTART_COUNT");
    size_t n_cpus = 0;

    *a = (struct allocation){.end_s = NAN};
    if (job == NULL || hosts == NULL || cpus == NULL)
        return 0;
    if (hostlist_read(hosts, &a->hosts, &a->n_nodes, err) < 0 ||
        hostlist_read_counts(cpus, &a->n_cpus, &n_cpus, err) < 0 || n_cpus != a->n_nodes) {
        hostlist_free(a->hosts, a->n_nodes);
        free(a->n_cpus);
        *a = (struct allocation){.end_s = NAN};
        error_set(err, ERROR_SYSTEM, "Slurm names %s as this job's nodes and %s as their CPUs, which differ in number",
                  hosts, cpus);
        return -1;
    }
    a->backend = &backend_slurm;
    a->job = xstrdup(job);
    a->memory_bytes = memory_of_node(allocation_cpus_here(a));
    a->end_s = end_of_job();
    a->n_restarts = restarts != NULL ? (uint32_t)strtoul(restarts, NULL, 10) : 0;
    return 1;
}

/* ---- what can be given ---- */

/* An array would start the run several times, in one run directory. */
static int check_directives(const struct group *g, struct ganger_error *err)
{
    for (size_t i = 0; i < g->directives.n; i++) {
        const char *d = g->directives.each[i];

        if (begins(d, "--array") || begins(d, "-a"))
            return error_set(err, ERROR_USAGE,
                             "%s: an array is many runs, and a submission is one; slurm-templates/array.sbatch shows "
                             "how to start many", d);
        if (*d != '-')
            return error_set(err, ERROR_USAGE, "%s: a directive is one that sbatch knows, like --mail-type=END", d);
    }
    return 0;
}

static int slurm_check(const struct group *g, struct resource_set *set, struct ganger_error *err)
{
    static const char *const argv[] = {"sinfo", "-h", "-e", "-o", SLURM_PARTITION_FORMAT, NULL};
    struct command_result r;
    struct slurm_nodes *nodes = NULL;
    size_t n = 0;
    int status = check_directives(g, err);

    if (status < 0)
        return -1;
    status = ask(argv, &r, err);
    if (status == 0 && r.status != 0)
        status = command_blame(argv, limit_of(ASK_S), &r, err);
    if (status == 0) {
        slurm_read_partitions(r.out, &nodes, &n);
        status = n > 0 ? slurm_judge(nodes, n, g, set, err)
                       : error_set(err, ERROR_SYSTEM, "sinfo names no partition that you may use: \"%s\"", r.err);
    }
    slurm_nodes_free_all(nodes, n);
    command_result_release(&r);
    return status;
}

/* ---- the script's directives ---- */

static void add_directive(struct text_list *list, const char *name, const char *value)
{
    char *text;

    if (value == NULL)
        return;
    text = xasprintf("--%s=%s", name, value);
    text_list_add(list, text);
    free(text);
}

static void add_number(struct text_list *list, const char *name, unsigned long long value, const char *unit)
{
    char *text = xasprintf("--%s%llu%s", name, value, unit);

    if (value > 0)
        text_list_add(list, text);
    free(text);
}

/* sbatch replaces what follows a % in the name of a log. */
static char *escape_percent(const char *path)
{
    struct buffer text = BUFFER_EMPTY;

    for (; *path != '\0'; path++)
        buffer_printf(&text, *path == '%' && path[1] != 'j' ? "%%%%" : "%c", *path);
    buffer_put_u8(&text, 0);
    return text.bytes;
}

static void slurm_directives(const struct group *g, const struct resource_set *set, struct text_list *list)
{
    char time[32], *log = escape_percent(set->log);

    add_directive(list, "job-name", g->name);
    add_number(list, "nodes=", g->n_nodes, "");
    add_number(list, "ntasks-per-node=", g->n_cores, "");
    if (g->n_cores > 0)
        text_list_add(list, "--ntasks-per-core=1"); /* a core of its own for each worker, not a hardware thread */
    add_number(list, "mem=", (g->memory_bytes + ((1 << 20) - 1)) >> 20, "M");
    add_number(list, "gres=gpu:", g->n_gpus, "");
    slurm_write_time(g->runtime_s, time);
    add_directive(list, "time", g->runtime_s > 0 ? time : NULL);
    add_directive(list, "partition", g->partition);
    add_directive(list, "account", g->account);
    add_directive(list, "qos", g->qos);
    add_directive(list, "constraint", g->constraint);
    add_directive(list, "output", log);
    text_list_add(list, "--open-mode=append"); /* a requeued job goes on with the same log */
    for (size_t i = 0; i < g->directives.n; i++)
        text_list_add(list, g->directives.each[i]);
    free(log);
}

/* ---- listing ---- */

/* Keeps the jobs that are runs. */
static void keep_runs(struct job *jobs, size_t *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (begins(jobs[i].comment, COMMENT_START))
            jobs[kept++] = jobs[i];
        else
            job_release(&jobs[i]);
    }
    *n = kept;
}

static int list_queue(struct job **jobs, size_t *n, struct ganger_error *err)
{
    char *user = xasprintf("%u", (unsigned)getuid());
    const char *const argv[] = {"squeue", "-h", "-u", user, "-t", "all", "-o", SLURM_QUEUE_FORMAT, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    *jobs = NULL;
    *n = 0;
    if (status == 0 && r.status != 0)
        status = command_blame(argv, limit_of(ASK_S), &r, err);
    if (status == 0)
        slurm_read_queue(r.out, jobs, n);
    command_result_release(&r);
    free(user);
    return status;
}

static bool has_job(const struct job *jobs, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(jobs[i].id, id) == 0)
            return true;
    return false;
}

/* Past jobs that the queue has forgotten; none where there is no accounting, or where it keeps no comments. */
static void add_accounted(struct job **jobs, size_t *n)
{
    char *user = xasprintf("%u", (unsigned)getuid());
    const char *const argv[] = {"sacct", "-n", "-P", "-X", "-u", user, "-S", "now-7days", "-o", SLURM_ACCOUNT_FIELDS,
                                NULL};
    struct command_result r = {.out = NULL};
    struct job *past = NULL;
    size_t n_past = 0;

    if (command_is_there("sacct") && ask(argv, &r, NULL) == 0 && r.status == 0)
        slurm_read_accounted(r.out, &past, &n_past);
    *jobs = xrealloc(*jobs, (*n + n_past + 1) * sizeof(**jobs));
    for (size_t i = 0; i < n_past; i++) {
        if (has_job(*jobs, *n, past[i].id))
            job_release(&past[i]);
        else
            (*jobs)[(*n)++] = past[i];
    }
    free(past);
    command_result_release(&r);
    free(user);
}

static int slurm_list(struct job **jobs, size_t *n, struct ganger_error *err)
{
    if (list_queue(jobs, n, err) < 0)
        return -1;
    add_accounted(jobs, n);
    keep_runs(*jobs, n);
    return 0;
}

/* ---- one job ---- */

/* The job's id by the token in its comment; NULL when no such job is there. The caller frees it. */
static char *find_by_token(const char *token, struct ganger_error *err)
{
    char *start = xasprintf(COMMENT_START "%s:", token), *id = NULL;
    struct job *jobs;
    size_t n;

    if (list_queue(&jobs, &n, err) == 0)
        for (size_t i = 0; i < n && id == NULL; i++)
            if (begins(jobs[i].comment, start))
                id = xstrdup(jobs[i].id);
    job_free_all(jobs, n);
    free(start);
    return id;
}

/* Moves the job of exactly that id out of the array. */
static bool take_job(struct job *jobs, size_t n, const char *id, struct job *job)
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

static bool ask_accounting(const char *id, struct job *job)
{
    const char *const argv[] = {"sacct", "-n", "-P", "-X", "-j", id, "-o", SLURM_ACCOUNT_FIELDS, NULL};
    struct command_result r = {.out = NULL};
    struct job *jobs = NULL;
    size_t n = 0;
    bool is_found;

    if (command_is_there("sacct") && ask(argv, &r, NULL) == 0 && r.status == 0)
        slurm_read_accounted(r.out, &jobs, &n);
    is_found = take_job(jobs, n, id, job);
    job_free_all(jobs, n);
    command_result_release(&r);
    return is_found;
}

static bool says_unknown(const struct command_result *r)
{
    return strstr(r->err, "Invalid job id") != NULL || strstr(r->out, "Invalid job id") != NULL;
}

/* The controller knows a job until some minutes after its end; then the accounting may. */
static int ask_of_job(const char *id, struct job *job, struct ganger_error *err)
{
    const char *const argv[] = {"scontrol", "-o", "show", "job", id, NULL};
    struct command_result r;
    struct job *jobs = NULL;
    size_t n = 0;
    int status = ask(argv, &r, err);

    if (status == 0 && r.status == 0)
        slurm_read_shown(r.out, &jobs, &n);
    else if (status == 0 && !says_unknown(&r))
        status = command_blame(argv, limit_of(ASK_S), &r, err);
    if (status == 0 && !take_job(jobs, n, id, job))
        ask_accounting(id, job);
    job_free_all(jobs, n);
    command_result_release(&r);
    return status;
}

/* Of a submission that was broken off, the job may be there all the same. */
static int slurm_status(const struct resource_set *set, struct job *job, struct ganger_error *err)
{
    struct ganger_error trouble = {0};
    char *id = *set->job != '\0' ? xstrdup(set->job) : find_by_token(set->token, &trouble);
    int status = 0;

    job_init(job);
    if (trouble.cause != ERROR_NONE)
        status = error_set(err, trouble.cause, "%s", trouble.text);
    else if (id != NULL)
        status = ask_of_job(id, job, err);
    free(id);
    return status;
}

/* ---- asking for it, giving it back ---- */

static void set_job(struct resource_set *set, char *id)
{
    free(set->job);
    set->job = id;
}

/* After a submission of which nobody knows whether it was one. */
static int roll_back(struct resource_set *set, struct ganger_error *err)
{
    char *id = find_by_token(set->token, NULL);

    if (id == NULL)
        return error_prefix(err, "nothing was submitted: ");
    set_job(set, id);
    if (backend_slurm.release(set, ASK_S, NULL) == 0)
        return error_prefix(err, "job %s was submitted and is cancelled again: ", set->job);
    return error_prefix(err, "job %s was submitted, and cannot be cancelled (`scancel %s`): ", set->job, set->job);
}

static int read_answer(const char *const *argv, const struct command_result *r, struct resource_set *set,
                       struct ganger_error *err)
{
    char *id;

    if (r->is_late) {
        command_blame(argv, limit_of(SUBMIT_S), r, err);
        return roll_back(set, err);
    }
    if (r->status != 0)
        return command_blame(argv, limit_of(SUBMIT_S), r, err);
    id = slurm_read_submitted(r->out);
    if (id == NULL) /* a filter of the site may have swallowed it */
        id = find_by_token(set->token, NULL);
    if (id == NULL) {
        command_blame(argv, limit_of(SUBMIT_S), r, err);
        return error_prefix(err, "sbatch names no job id, and no such job is in the queue: ");
    }
    set_job(set, id);
    set->requested_s = clock_wall_s();
    return 0;
}

static int slurm_request(struct resource_set *set, struct ganger_error *err)
{
    char *comment = xasprintf("--comment=%s", set->comment), **clean = clean_environment();
    const char *const argv[] = {"sbatch", "--parsable", comment, set->script, NULL};
    struct command_result r;
    int status = command_run(argv, clean, limit_of(SUBMIT_S), &r, err);

    if (status == 0)
        status = read_answer(argv, &r, set, err);
    command_result_release(&r);
    free(comment);
    free(clean);
    return status;
}

static int wait_for_end(const struct resource_set *set, double limit_s, struct ganger_error *err)
{
    double until_s = clock_now_s() + limit_s;

    for (double pause_s = LOOK_S;; pause_s = fmin(2 * pause_s, LOOK_MOST_S)) {
        struct job job;
        int status = slurm_status(set, &job, err);
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

static int cancel(const struct resource_set *set, struct ganger_error *err)
{
    const char *const argv[] = {"scancel", set->job, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    if (status == 0 && r.status != 0 && !says_unknown(&r))
        status = command_blame(argv, limit_of(ASK_S), &r, err);
    command_result_release(&r);
    return status;
}

static int slurm_release(struct resource_set *set, double limit_s, struct ganger_error *err)
{
    struct ganger_error trouble = {0};

    if (set->is_released)
        return 0;
    if (*set->job == '\0') {
        char *id = find_by_token(set->token, &trouble);

        if (id != NULL)
            set_job(set, id);
    }
    if (trouble.cause != ERROR_NONE)
        return error_set(err, trouble.cause, "%s", trouble.text);
    if (*set->job != '\0' && (cancel(set, err) < 0 || wait_for_end(set, limit_s, err) < 0))
        return -1;
    set->is_released = true;
    return 0;
}

/* ---- what went wrong ---- */

static int slurm_errors(const struct resource_set *set, const struct job *job, struct buffer *text)
{
    const char *place = strstr(set->log, "%j");
    char *path = place == NULL ? xstrdup(set->log)
                               : xasprintf("%.*s%s%s", (int)(place - set->log), set->log, set->job, place + 2);

    backend_read_log(path, LOG_BYTES, text);
    free(path);
    return job->exit_signal != 0 ? 128 + job->exit_signal : job->exit_status;
}

const struct backend backend_slurm = {
    .name = "slurm",
    .what = "a job of Slurm",
    .title = "Slurm",
    .directive = "#SBATCH",
    .templates = "slurm-templates",
    .script = "job.sbatch",
    .job_in_log = "job-%j.out",
    .available = slurm_available,
    .describe = slurm_describe,
    .check = slurm_check,
    .directives = slurm_directives,
    .request = slurm_request,
    .status = slurm_status,
    .release = slurm_release,
    .errors = slurm_errors,
    .list = slurm_list,
};
