/* `ganger status`: what has become of a run, by its batch system and its journal; or of all that were submitted. */
#include "backends/backend.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "io/rundir.h"
#include "launch/cmd.h"
#include "launch/follow.h"
#include "launch/options.h"
#include "launch/run_progress.h"
#include "launch/submission.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct status_options
{
    bool json;
    bool help;
};

#define ROW(...) OPTION_ROW(status_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "json", NULL, OPTION_ON, json, "print it as a JSON object; without RUN, an array of them"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger status [RUN] [OPTION]...\n\n"
           "Tells how far a run is: what its job does, and how many of its tasks are done. RUN is a run directory,\n"
           "or the workflow whose run is in the current directory. Without RUN: the jobs of runs that you have in\n"
           "the batch system, and the runs that were submitted from the current directory.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 told; 2 there is no such run; 3 the batch system does not answer.\n");
}

/* All that is known of one run. */
struct picture
{
    struct rundir dir;
    struct submission s;
    bool is_submitted; /* by `ganger submit` */
    struct job job;
    struct run_progress p;
    enum stage stage;
    struct ganger_error trouble; /* of the batch system: the journal is told all the same */
};

static void release_picture(struct picture *x)
{
    rundir_close(&x->dir);
    submission_release(&x->s);
    job_release(&x->job);
}

/* A run that was typed into a shell, or is in a job that somebody wrote: its journal is all there is. */
static enum stage stage_of_journal(const struct run_progress *p)
{
    if (p->epoch == 0)
        return STAGE_NOT_SUBMITTED;
    if (!p->has_ended)
        return p->is_ending ? STAGE_ENDING : STAGE_RUNNING;
    return stage_of_end(p);
}

/* `path` is of a run directory, or of the workflow that stands for it. */
static int take_picture(struct picture *x, const char *path, struct ganger_error *err)
{
    int found;

    *x = (struct picture){.is_submitted = false};
    job_init(&x->job);
    if (rundir_find(&x->dir, path, err) < 0)
        return -1;
    found = submission_read(&x->s, x->dir.path, err);
    if (found < 0 || run_progress_read(&x->p, &x->dir, err) < 0)
        return -1;
    x->is_submitted = found > 0;
    if (x->is_submitted) {
        job_release(&x->job);
        follow_ask(&x->s, &x->job, &x->trouble);
    }
    if (x->p.n_tasks == 0)
        x->p.n_tasks = x->s.n_tasks;
    x->stage = x->is_submitted ? stage_of(&x->s, &x->job, &x->p) : stage_of_journal(&x->p);
    if (x->stage == STAGE_CUT_OFF) { /* the journal does not know */
        x->p.n_cancelled += x->p.n_running;
        x->p.n_running = x->p.n_workers = 0;
    }
    return 0;
}

/* ---- as JSON ---- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value)
{
    char *repaired = utf8_repaired(value);
    json_t *string = json_string(repaired);

    free(repaired);
    return string;
}

static json_t *job_to_json(const struct job *job, const char *backend)
{
    json_t *object = json_object();

    json_object_set_new(object, "backend", text(backend));
    json_object_set_new(object, "id", text(job->id));
    json_object_set_new(object, "state", json_string(job_state_name(job->state)));
    json_object_set_new(object, "says", text(job->word));
    json_object_set_new(object, "reason", text(job->reason));
    json_object_set_new(object, "partition", text(job->partition));
    json_object_set_new(object, "hosts", text(job->hosts));
    json_object_set_new(object, "nodes", json_integer(job->n_nodes));
    json_object_set_new(object, "start", number(job->start_s));
    json_object_set_new(object, "end", number(job->end_s));
    json_object_set_new(object, "limit", number(job->limit_s));
    json_object_set_new(object, "exit_status", job->exit_status >= 0 ? json_integer(job->exit_status) : json_null());
    return object;
}

static json_t *tasks_to_json(const struct run_progress *p)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "all", (int)p->n_tasks, "done", (int)p->n_done,
                     "failed", (int)p->n_failed, "running", (int)p->n_running, "skipped", (int)p->n_skipped,
                     "not_needed", (int)p->n_not_needed, "cancelled", (int)p->n_cancelled, "retried",
                     (int)p->n_retried);
}

static json_t *chain_to_json(const struct chain *chain)
{
    return json_pack("{s:i, s:i, s:b, s:i, s:b}", "most", (int)chain->n_most, "jobs", (int)chain->n_jobs, "up_front",
                     chain->is_up_front, "not_begun", (int)chain->n_later, "cancelled", chain->is_cancelled);
}

/* Null where nobody knows how many there will be: whole nodes whose cores differ. */
static json_t *all_started(const struct picture *x)
{
    if (x->s.set.n_workers == 0)
        return json_null();
    return json_boolean(!x->p.has_ended && x->p.n_workers >= x->s.set.n_workers);
}

static json_t *picture_to_json(const struct picture *x)
{
    json_t *object = json_object();

    json_object_set_new(object, "run", text(x->dir.path));
    json_object_set_new(object, "state", json_string(stage_name(x->stage)));
    if (x->is_submitted)
        json_object_set_new(object, "job", job_to_json(&x->job, x->s.set.type));
    if (x->s.chain.n_most > 0)
        json_object_set_new(object, "chain", chain_to_json(&x->s.chain));
    json_object_set_new(object, "tasks", tasks_to_json(&x->p));
    json_object_set_new(object, "epoch", json_integer(x->p.epoch));
    json_object_set_new(object, "nodes", json_integer(x->p.n_nodes));
    json_object_set_new(object, "workers", json_integer(x->p.has_ended ? 0 : x->p.n_workers));
    json_object_set_new(object, "workers_wanted", json_integer(x->s.set.n_workers));
    json_object_set_new(object, "all_started", all_started(x));
    json_object_set_new(object, "start", x->p.epoch > 0 ? number(x->p.start_s) : json_null());
    json_object_set_new(object, "first_task", x->p.epoch > 0 ? number(x->p.first_task_s) : json_null());
    json_object_set_new(object, "last_line", x->p.epoch > 0 ? number(x->p.last_line_s) : json_null());
    json_object_set_new(object, "exit_status", x->p.has_ended ? json_integer(x->p.exit_status) : json_null());
    if (x->trouble.cause != ERROR_NONE)
        json_object_set_new(object, "trouble", text(x->trouble.text));
    return object;
}

/* Takes the object. */
static void print_json(json_t *object)
{
    char *lines = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

    printf("%s\n", lines);
    free(lines);
    json_decref(object);
}

/* ---- for people ---- */

static void print_duration(double seconds)
{
    unsigned long s = (unsigned long)fmax(seconds, 0);

    if (s >= 86400)
        printf("%lud ", s / 86400);
    printf("%lu:%02lu:%02lu", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void print_moment(double wall_s)
{
    time_t seconds = (time_t)wall_s;
    struct tm parts;
    char words[64];

    if (localtime_r(&seconds, &parts) != NULL && strftime(words, sizeof(words), "%Y-%m-%d %H:%M:%S", &parts) > 0)
        printf("%s", words);
}

static void print_job(const struct picture *x)
{
    const struct job *job = &x->job;
    double now_s = clock_wall_s();

    printf("%8s  %s %s: %s", "job", x->s.set.type, *x->s.set.job != '\0' ? x->s.set.job : "(none)",
           job->state == JOB_UNKNOWN ? "no longer known" : job_state_name(job->state));
    if (job->state == JOB_ENDED)
        printf(" (%s)", job->word);
    if (*job->reason != '\0')
        printf(", %s", job->reason);
    if (*job->hosts != '\0')
        printf(" on %s", job->hosts);
    if (job->state == JOB_WAITING && isfinite(job->start_s)) {
        printf(", expected to start ");
        print_moment(job->start_s);
    }
    if (job->state == JOB_RUNNING && isfinite(job->start_s)) {
        printf(", for ");
        print_duration(now_s - job->start_s);
    }
    if (job->state == JOB_RUNNING && isfinite(job->limit_s) && isfinite(job->start_s)) {
        printf(", ");
        print_duration(job->start_s + job->limit_s - now_s);
        printf(" left");
    }
    printf("\n");
}

static void print_tasks(const struct run_progress *p)
{
    const struct
    {
        uint32_t n;
        const char *what;
    } parts[] = {{p->n_running, "running"},     {p->n_failed, "failed"},           {p->n_skipped, "skipped"},
                 {p->n_cancelled, "cut off"},   {p->n_not_needed, "not needed"},   {p->n_retried, "retried"}};

    printf("%8s  %u of %u done", "tasks", p->n_done, p->n_tasks);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (parts[i].n > 0)
            printf(", %u %s", parts[i].n, parts[i].what);
    printf("\n");
}

static void print_chain(const struct chain *chain)
{
    printf("%8s  ", "chain");
    if (chain->is_up_front)
        printf("of %u jobs, %zu of which have not begun", chain->n_most, chain->n_later);
    else
        printf("job %u of at most %u", chain->n_jobs, chain->n_most);
    printf("%s\n", chain->is_cancelled ? ", cancelled" : "");
}

static void print_workers(const struct picture *x)
{
    if (x->p.epoch == 0 || x->p.has_ended || x->stage == STAGE_CUT_OFF)
        return;
    printf("%8s  %u", "workers", x->p.n_workers);
    if (x->s.set.n_workers > 0)
        printf(" of %u", x->s.set.n_workers);
    printf(" on %u node%s; the last news is ", x->p.n_nodes, x->p.n_nodes == 1 ? "" : "s");
    print_duration(clock_wall_s() - x->p.last_line_s);
    printf(" old\n");
}

/* What the job's log says, where the journal does not say why. */
static void print_log(const struct picture *x)
{
    const struct backend *backend = x->is_submitted ? backend_find(x->s.set.type, NULL) : NULL;
    struct buffer said = BUFFER_EMPTY;

    if ((x->stage != STAGE_CUT_OFF && x->stage != STAGE_BROKEN) || backend == NULL || backend->errors == NULL)
        return;
    backend->errors(&x->s.set, &x->job, &said);
    if (said.n > 0)
        printf("%8s  %.*s", "log", (int)said.n, said.bytes);
    if (said.n > 0 && said.bytes[said.n - 1] != '\n')
        printf("\n");
    buffer_release(&said);
}

static void print_picture(const struct picture *x)
{
    printf("%8s  %s\n", "run", x->dir.path);
    printf("%8s  %s\n", "state", stage_name(x->stage));
    if (x->is_submitted)
        print_job(x);
    if (x->s.chain.n_most > 0)
        print_chain(&x->s.chain);
    if (x->p.n_tasks > 0)
        print_tasks(&x->p);
    print_workers(x);
    print_log(x);
}

static int tell_run(const char *path, const struct status_options *o, struct ganger_error *err)
{
    struct picture x;
    int status = take_picture(&x, path, err);

    if (status == 0 && o->json)
        print_json(picture_to_json(&x));
    else if (status == 0)
        print_picture(&x);
    if (status == 0 && x.trouble.cause != ERROR_NONE)
        status = error_set(err, x.trouble.cause, "%s", x.trouble.text);
    release_picture(&x);
    return status;
}

/* ---- all of them ---- */

/* One line of the list: a job that the batch system knows, or a run of this directory that it does not. */
static void list_job(const struct job *job, const char *backend, const char *run, json_t *array)
{
    json_t *object;

    if (array == NULL) {
        printf("%-8s %-12s %-9s %-14s %-12s %s\n", backend, job->id, job_state_name(job->state), job->word,
               *job->hosts != '\0' ? job->hosts : "-", run);
        return;
    }
    object = job_to_json(job, backend);
    json_object_set_new(object, "run", text(run));
    json_array_append_new(array, object);
}

/* "ganger:TOKEN:/run" -> "/run"; the comment as it is when it has another form. */
static const char *run_in_comment(const char *comment)
{
    const char *colon = strchr(comment, ':');
    const char *second = colon != NULL ? strchr(colon + 1, ':') : NULL;

    return second != NULL ? second + 1 : comment;
}

static bool is_listed(const struct job *jobs, size_t n, const struct submission *s)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(run_in_comment(jobs[i].comment), s->run) == 0 && strcmp(jobs[i].id, s->set.job) == 0)
            return true;
    return false;
}

static void list_here(const struct job *jobs, size_t n, json_t *array)
{
    struct dirent **entries;
    char *cwd = getcwd(NULL, 0);
    int n_entries = scandir(".", &entries, NULL, alphasort);

    for (int i = 0; i < n_entries; i++) {
        char *run = xasprintf("%s/%s", cwd != NULL ? cwd : ".", entries[i]->d_name);
        struct submission s;
        struct job job;

        free(entries[i]);
        if (submission_read(&s, run, NULL) > 0) {
            if (!is_listed(jobs, n, &s)) {
                follow_ask(&s, &job, NULL);
                free(job.id);
                job.id = xstrdup(*s.set.job != '\0' ? s.set.job : "-");
                list_job(&job, s.set.type, run, array);
                job_release(&job);
            }
            submission_release(&s);
        }
        free(run);
    }
    if (n_entries >= 0)
        free(entries);
    free(cwd);
}

static int list_all(const struct status_options *o, struct ganger_error *err)
{
    json_t *array = o->json ? json_array() : NULL;
    const struct backend *system;
    struct job *jobs = NULL;
    size_t n = 0;
    int status = 0;

    system = backend_slurm.available(NULL) ? &backend_slurm : backend_pbs.available(NULL) ? &backend_pbs : NULL;
    if (system != NULL)
        status = system->list(&jobs, &n, err);
    if (array == NULL)
        printf("%-8s %-12s %-9s %-14s %-12s %s\n", "BACKEND", "JOB", "STATE", "SAYS", "HOSTS", "RUN");
    for (size_t i = 0; i < n; i++)
        list_job(&jobs[i], system->name, run_in_comment(jobs[i].comment), array);
    list_here(jobs, n, array);
    if (array != NULL)
        print_json(array);
    job_free_all(jobs, n);
    return status;
}

/* ---- the command ---- */

int cmd_status(int argc, char **argv)
{
    struct status_options options = {.json = false};
    struct ganger_error err = {0};
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err);

    if (first >= 0 && options.help) {
        print_help();
        return 0;
    }
    if (first >= 0 && first < argc - 1)
        error_set(&err, ERROR_USAGE, "one run at a time; see `ganger help status`");
    else if (first == argc)
        list_all(&options, &err);
    else if (first >= 0)
        tell_run(argv[first], &options, &err);
    if (err.cause != ERROR_NONE)
        log_error("%s", err.text);
    return error_exit_status(&err);
}
