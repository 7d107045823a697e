/* pbs_queue: questions to PBS's server, and jobs in its queues. */
#include "backends/pbs.h"

#include "backends/batch.h"
#include "backends/pbs_text.h"
#include "base/alloc.h"
#include "base/clock.h"

#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MOST 1000 /* jobs of one user that are looked at: the newest */

/* Exit statuses of PBS's commands. */
#define FINISHED_STATUS 35
#define UNKNOWN_STATUS 153
#define WRONG_STATE_STATUS 170

/* ---- asking ---- */

/* Variables of a job in which we may be, which qsub -V would hand on to the new job, and what changes how
 * commands read and print. Slurm's: qsub may be a command of Slurm. */
bool pbs_is_unwanted(const char *variable)
{
    static const char *const kept[] = {"PBS_SERVER=", "PBS_DEFAULT=", "PBS_CONF_FILE=", "PBS_EXEC=", "PBS_HOME=",
                                       "SLURM_CONF"};
    static const char *const unwanted[] = {"PBS_", "SLURM_", "GANGER_PBS_", "GANGER_LOCAL_"};
    static const char *const of_jobs[] = {"NCPUS=", "TMPDIR="};

    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (batch_begins(variable, kept[i]))
            return false;
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++)
        if (batch_begins(variable, unwanted[i]))
            return true;
    for (size_t i = 0; i < sizeof(of_jobs) / sizeof(*of_jobs); i++)
        if (getenv("PBS_JOBID") != NULL && batch_begins(variable, of_jobs[i]))
            return true;
    return false;
}

int pbs_ask(const char *const *argv, struct command_result *r, struct ganger_error *err)
{
    char **clean = batch_environment(pbs_is_unwanted);
    int status = batch_ask(argv, clean, r, err);

    free(clean);
    return status;
}

/* Does a command refuse an option that it does not know? */
static bool says_usage(const struct command_result *r)
{
    return r->status != 0 && (strcasestr(r->err, "usage") != NULL || strcasestr(r->out, "usage") != NULL ||
                              strstr(r->err, "invalid option") != NULL);
}

int pbs_ask_records(const char *const *for_json, const char *const *plain, struct pbs_records *records,
                       struct command_result *r, struct ganger_error *err)
{
    *records = (struct pbs_records){NULL, 0, 0};
    if (pbs_ask(for_json, r, err) < 0)
        return -1;
    if (*r->out != '\0' && pbs_records_read_json(r->out, records))
        return 0;
    if (r->status != 0 && !says_usage(r))
        return 0;
    command_result_release(r);
    if (pbs_ask(plain, r, err) < 0)
        return -1;
    pbs_records_read(r->out, records);
    return 0;
}

static bool says_unknown(const struct command_result *r)
{
    return r->status == UNKNOWN_STATUS || strstr(r->err, "Unknown Job Id") != NULL ||
           strcasestr(r->err, "invalid job id") != NULL || strcasestr(r->out, "invalid job id") != NULL;
}

static bool says_finished(const struct command_result *r)
{
    return r->status == FINISHED_STATUS || strstr(r->err, "Job has finished") != NULL;
}

/* ---- jobs ---- */

/* Borrows the words; the caller frees the array. */
static const char **words_of(const char *const *command, const struct text_list *ids)
{
    const char **argv;
    size_t n = 0;

    while (command[n] != NULL)
        n++;
    argv = xcalloc(n + ids->n + 1, sizeof(*argv));
    for (size_t i = 0; i < n; i++)
        argv[i] = command[i];
    for (size_t i = 0; i < ids->n; i++)
        argv[n + i] = ids->each[i];
    return argv;
}

/* Jobs, present and past; without ids all present ones of all users. What the server does not know is passed
 * over. */
static int ask_jobs(const struct text_list *ids, struct pbs_records *records, struct ganger_error *err)
{
    static const char *const json_words[] = {"qstat", "-x", "-f", "-F", "json", NULL};
    static const char *const plain_words[] = {"qstat", "-f", NULL}; /* Torque's -x is another */
    static const char *const past_words[] = {"qstat", "-x", "-f", NULL};
    const char **for_json = words_of(json_words, ids), **plain = words_of(plain_words, ids);
    const char **past = words_of(past_words, ids);
    struct command_result r;
    int status = pbs_ask_records(for_json, plain, records, &r, err);

    if (status == 0 && says_finished(&r)) {
        command_result_release(&r);
        pbs_records_release(records);
        status = pbs_ask(past, &r, err);
        if (status == 0)
            pbs_records_read(r.out, records);
    }
    if (status == 0 && records->n == 0 && r.status != 0 && !says_unknown(&r))
        status = command_blame(plain, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    free(for_json);
    free(plain);
    free(past);
    return status;
}

int pbs_ask_record(const char *id, struct pbs_records *records, struct ganger_error *err)
{
    struct text_list ids = {NULL, 0, 0};
    int status;

    text_list_add(&ids, id);
    status = ask_jobs(&ids, records, err);
    text_list_release(&ids);
    return status;
}

/* PBS does not say of a job that runs whether its end is its own: its time tells. */
static void judge_end(struct job *job)
{
    bool is_running = job->state == JOB_RUNNING || job->state == JOB_ENDING;

    if (is_running && isfinite(job->end_s) && clock_wall_s() >= job->end_s)
        job->is_cut_off = true;
}

static int ask_of_job(const char *id, struct job *job, struct ganger_error *err)
{
    struct pbs_records records = {NULL, 0, 0};
    int status = pbs_ask_record(id, &records, err);

    for (size_t i = 0; status == 0 && i < records.n; i++) {
        if (records.each[i].kind != PBS_JOB || !pbs_is_same_job(records.each[i].name, id))
            continue;
        pbs_read_job(&records.each[i], job);
        judge_end(job);
        break;
    }
    pbs_records_release(&records);
    return status;
}

/* One a line, in the order of their numbers. */
static void read_ids(const char *out, struct text_list *ids)
{
    size_t n_skipped = 0;

    for (const char *line = out; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
        n_skipped++;
    n_skipped = n_skipped > IDS_MOST ? n_skipped - IDS_MOST : 0;
    for (const char *line = out; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        char *id = xstrndup(line, n);

        if (n_skipped > 0)
            n_skipped--;
        else if (pbs_is_job_id(id))
            text_list_add(ids, id);
        free(id);
        line += n + (line[n] == '\n');
    }
}

/* Jobs of this user, past ones too where the server keeps them. False: qselect is not there, or does not
 * answer. */
static bool select_jobs(struct text_list *ids, struct ganger_error *err)
{
    const struct passwd *who = getpwuid(getuid());
    const char *user = who != NULL ? who->pw_name : getenv("USER");
    const char *const all[] = {"qselect", "-x", "-u", user, NULL};
    const char *const present[] = {"qselect", "-u", user, NULL};
    struct command_result r;
    int status;

    if (user == NULL || !command_is_there("qselect"))
        return false;
    status = pbs_ask(all, &r, err);
    if (status == 0 && says_usage(&r)) { /* Torque */
        command_result_release(&r);
        status = pbs_ask(present, &r, err);
    }
    if (status == 0 && r.status != 0)
        status = command_blame(present, batch_limit_s(BATCH_ASK_S), &r, err);
    if (status == 0)
        read_ids(r.out, ids);
    command_result_release(&r);
    return status == 0;
}

static void take_jobs(const struct pbs_records *records, struct job **jobs, size_t *n)
{
    *jobs = xcalloc(records->n + 1, sizeof(**jobs));
    *n = 0;
    for (size_t i = 0; i < records->n; i++) {
        if (records->each[i].kind != PBS_JOB)
            continue;
        job_init(&(*jobs)[*n]);
        pbs_read_job(&records->each[i], &(*jobs)[(*n)++]);
    }
}

/* Of all users where qselect does not tell which are ours; comments do. */
static int list_queue(struct job **jobs, size_t *n, struct ganger_error *err)
{
    struct text_list ids = {NULL, 0, 0};
    struct pbs_records records = {NULL, 0, 0};
    struct ganger_error trouble = {0};
    bool is_selected = select_jobs(&ids, &trouble);
    int status = 0;

    if (trouble.cause != ERROR_NONE)
        status = error_set(err, trouble.cause, "%s", trouble.text);
    else if (!is_selected || ids.n > 0) /* without an id it would list all */
        status = ask_jobs(&ids, &records, err);
    take_jobs(&records, jobs, n);
    pbs_records_release(&records);
    text_list_release(&ids);
    return status;
}

static int cancel_job(const char *id, struct ganger_error *err)
{
    const char *const argv[] = {"qdel", id, NULL};
    struct command_result r;
    int status = pbs_ask(argv, &r, err);
    bool is_over = status == 0 && (says_unknown(&r) || says_finished(&r) || r.status == WRONG_STATE_STATUS);
    bool is_silent = status == 0 && *r.err == '\0' && *r.out == '\0'; /* Slurm's qdel, of one that has ended */

    if (status == 0 && r.status != 0 && !is_over && !is_silent)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    return status;
}

const struct batch pbs_batch = {
    .cancel_command = "qdel",
    .read_submitted = pbs_read_submitted,
    .queue = list_queue,
    .ask = ask_of_job,
    .cancel = cancel_job,
};
