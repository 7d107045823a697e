/* slurm: jobs of Slurm. What its commands print is read in slurm_text.c; the job that this process is in is described
 * in slurm_job.c. */
#include "backends/backend.h"
#include "backends/batch.h"
#include "backends/slurm_job.h"
#include "backends/slurm_offer.h"
#include "backends/slurm_text.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- asking ---- */

/* Variables of the user's that change what the commands print, and those of a job in which we may be, which
 * sbatch would hand on to the new job or take for options. */
static bool is_unwanted(const char *variable)
{
    static const char *const unwanted[] = {"SQUEUE_", "SINFO_", "SACCT_", "SCANCEL_", "SCONTROL_", "SLURMD_",
                                           "GANGER_LOCAL_"};

    for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++)
        if (batch_begins(variable, unwanted[i]))
            return true;
    return batch_begins(variable, "SLURM_") && !batch_begins(variable, "SLURM_CONF") &&
           !batch_begins(variable, "SLURM_CLUSTERS=") && !batch_begins(variable, "SLURM_JWT=");
}

/* Runs one of Slurm's commands. Fails when it did not end by itself; its status is in the result. */
static int ask(const char *const *argv, struct command_result *r, struct ganger_error *err)
{
    char **clean = batch_environment(is_unwanted);
    int status = batch_ask(argv, clean, r, err);

    free(clean);
    return status;
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

/* ---- the job that we are in ---- */

static int slurm_find_end(const char *job, double *end_s, struct ganger_error *err)
{
    const char *const argv[] = {"squeue", "-h", "-j", job, "-o", SLURM_END_FORMAT, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    if (status == 0 && r.status != 0)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    else if (status == 0 && !slurm_read_end(r.out, end_s))
        status = error_set(err, ERROR_SYSTEM, "squeue does not say when job %s ends: \"%s\"", job, r.out);
    command_result_release(&r);
    return status;
}

/* Some sites take jobs from login nodes only. Of several partitions nobody knows which it will be. */
static bool slurm_may_chain(const struct group *g, struct ganger_error *why)
{
    const char *const argv[] = {"scontrol", "-o", "show", "partition", NULL};
    struct command_result r;
    char *hosts = NULL;
    bool may;

    if (ask(argv, &r, NULL) == 0 && r.status == 0)
        hosts = slurm_read_submit_hosts(r.out, g->partition);
    may = hosts == NULL || strcmp(hosts, "ALL") == 0;
    if (!may)
        error_set(why, ERROR_USAGE, "the partition takes jobs from %s alone", hosts);
    command_result_release(&r);
    free(hosts);
    return may;
}

/* ---- what can be given ---- */

/* An array would start the run several times, in one run directory. */
static int check_directives(const struct group *g, struct ganger_error *err)
{
    for (size_t i = 0; i < g->directives.n; i++) {
        const char *d = g->directives.each[i];

        if (batch_begins(d, "--array") || batch_begins(d, "-a"))
            return error_set(err, ERROR_USAGE,
                             "%s: an array is many runs, and a submission is one; slurm-templates/array.sbatch shows "
                             "how to start many", d);
        if (*d != '-')
            return error_set(err, ERROR_USAGE, "%s: a directive is one that sbatch knows, like --mail-type=END", d);
    }
    return 0;
}

static int slurm_check(const struct group *g, struct resource_set *set, struct buffer *notes,
                       struct ganger_error *err)
{
    static const char *const argv[] = {"sinfo", "-h", "-e", "-o", SLURM_PARTITION_FORMAT, NULL};
    struct command_result r;
    struct slurm_nodes *nodes = NULL;
    size_t n = 0;
    int status = check_directives(g, err);

    (void)notes;
    if (status < 0)
        return -1;
    status = ask(argv, &r, err);
    if (status == 0 && r.status != 0)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
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

static void add_joined(struct text_list *list, const char *start, const char *rest)
{
    char *text = xasprintf("%s%s", start, rest);

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

static int list_queue(struct job **jobs, size_t *n, struct ganger_error *err)
{
    char *user = xasprintf("%u", (unsigned)getuid());
    const char *const argv[] = {"squeue", "-h", "-u", user, "-t", "all", "-o", SLURM_QUEUE_FORMAT, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    *jobs = NULL;
    *n = 0;
    if (status == 0 && r.status != 0)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
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
    batch_keep_runs(*jobs, n);
    return 0;
}

/* ---- one job ---- */

static bool ask_accounting(const char *id, struct job *job)
{
    const char *const argv[] = {"sacct", "-n", "-P", "-X", "-j", id, "-o", SLURM_ACCOUNT_FIELDS, NULL};
    struct command_result r = {.out = NULL};
    struct job *jobs = NULL;
    size_t n = 0;
    bool is_found;

    if (command_is_there("sacct") && ask(argv, &r, NULL) == 0 && r.status == 0)
        slurm_read_accounted(r.out, &jobs, &n);
    is_found = batch_take_job(jobs, n, id, job);
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
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    if (status == 0 && !batch_take_job(jobs, n, id, job))
        ask_accounting(id, job);
    job_free_all(jobs, n);
    command_result_release(&r);
    return status;
}

static int cancel_job(const char *id, struct ganger_error *err)
{
    const char *const argv[] = {"scancel", id, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    if (status == 0 && r.status != 0 && !says_unknown(&r))
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    return status;
}

static const struct batch slurm = {
    .cancel_command = "scancel",
    .read_submitted = slurm_read_submitted,
    .queue = list_queue,
    .ask = ask_of_job,
    .cancel = cancel_job,
};

static int slurm_status(const struct resource_set *set, struct job *job, struct ganger_error *err)
{
    return batch_status(&slurm, set, job, err);
}

static int slurm_release(struct resource_set *set, double limit_s, struct ganger_error *err)
{
    return batch_release(&slurm, set, limit_s, err);
}

/* ---- asking for it ---- */

/* Options of sbatch, which count more than what the script says. All jobs of a chain of many have one name, and of
 * those with one name Slurm runs one at a time. */
static void add_terms(struct text_list *words, const struct job_terms *terms)
{
    char time[32];

    if (terms->is_one_of_many)
        text_list_add(words, "--dependency=singleton");
    else if (terms->after != NULL)
        add_joined(words, "--dependency=afterany:", terms->after);
    add_directive(words, "job-name", terms->name);
    add_number(words, "nodes=", terms->n_nodes, "");
    slurm_write_time(terms->runtime_s, time);
    add_directive(words, "time", terms->runtime_s > 0 ? time : NULL);
}

static int slurm_request(struct resource_set *set, const struct job_terms *terms, struct ganger_error *err)
{
    struct text_list words = {NULL, 0, 0};
    char **clean = batch_environment(is_unwanted);
    const char **argv;
    int status;

    text_list_add(&words, "sbatch");
    text_list_add(&words, "--parsable");
    add_directive(&words, "comment", set->comment);
    if (terms != NULL)
        add_terms(&words, terms);
    text_list_add(&words, set->script);
    argv = xcalloc(words.n + 1, sizeof(*argv));
    memcpy(argv, words.each, words.n * sizeof(*argv));
    status = batch_submit(&slurm, argv, clean, set, err);
    text_list_release(&words);
    free(argv);
    free(clean);
    return status;
}

static int slurm_cancel(const struct resource_set *set, struct ganger_error *err)
{
    return cancel_job(set->job, err);
}

static int slurm_requeue(const char *job, struct ganger_error *err)
{
    const char *const argv[] = {"scontrol", "requeue", job, NULL};
    struct command_result r;
    int status = ask(argv, &r, err);

    if (status == 0 && r.status != 0)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    return status;
}

const struct backend backend_slurm = {
    .name = "slurm",
    .what = "a job of Slurm",
    .title = "Slurm",
    .shell = "srun --pty bash",
    .dialect = &dialect_slurm,
    .templates = "slurm-templates",
    .script = "job.sbatch",
    .job_in_log = "job-%j.out",
    .available = slurm_available,
    .describe = slurm_describe,
    .launch_variables = slurm_launch_variables,
    .reach = slurm_reach,
    .check = slurm_check,
    .directives = slurm_directives,
    .request = slurm_request,
    .status = slurm_status,
    .release = slurm_release,
    .errors = batch_errors,
    .list = slurm_list,
    .find_job = slurm_find_job,
    .find_end = slurm_find_end,
    .may_chain = slurm_may_chain,
    .requeue = slurm_requeue,
    .cancel = slurm_cancel,
};
