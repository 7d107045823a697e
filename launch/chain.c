#include "launch/chain.h"

#include "backends/command.h"
#include "base/alloc.h"
#include "base/log.h"
#include "core/remaining.h"
#include "io/journal.h"
#include "io/rundir.h"
#include "io/workflow.h"
#include "launch/cmd.h"
#include "launch/run_added.h"
#include "launch/run_progress.h"
#include "launch/run_record.h"
#include "launch/signals.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_S 0.25       /* for the id of a job that began before `ganger submit` could write it … */
#define LOOKS 80          /* … so often */

/* ---- where it is submitted ---- */

/* Of all jobs with one name Slurm runs one at a time: it must be this run's alone. */
static int request_one(struct submission *s, const struct backend *backend, struct resource_set *set, const char *after,
                       struct ganger_error *err)
{
    char *name = xasprintf("%s-%.6s", s->group.name, s->set.token);
    const struct job_terms terms = {.after = after, .is_one_of_many = true, .name = name};
    int status = backend->request(set, &terms, err);

    free(name);
    return status;
}

int chain_request_first(struct submission *s, const struct backend *backend, struct ganger_error *err)
{
    return s->chain.is_up_front ? request_one(s, backend, &s->set, NULL, err) : backend->request(&s->set, NULL, err);
}

static int hand_in_one(struct submission *s, const struct backend *backend, struct ganger_error *err)
{
    const struct resource_set *before = s->chain.n_later > 0 ? &s->chain.later[s->chain.n_later - 1] : &s->set;
    struct resource_set set = submission_next_set(s);

    if (request_one(s, backend, &set, before->job, err) < 0) {
        resource_set_release(&set);
        return -1;
    }
    s->chain.later = xrealloc(s->chain.later, (s->chain.n_later + 1) * sizeof(*s->chain.later));
    s->chain.later[s->chain.n_later++] = set;
    s->chain.n_jobs++;
    return submission_write(s, err);
}

int chain_hand_in(struct submission *s, const struct backend *backend, struct ganger_error *err)
{
    while (s->chain.n_jobs < s->chain.n_most) {
        if (hand_in_one(s, backend, err) == 0)
            continue;
        chain_cancel(s, backend, NULL);
        return -1;
    }
    return 0;
}

bool chain_is_alive(const struct submission *s, const char **job)
{
    const struct backend *backend = backend_find(s->set.type, NULL);

    for (size_t i = 0; i < s->chain.n_later; i++) {
        struct job found;
        bool is_alive = backend->status(&s->chain.later[i], &found, NULL) == 0 && found.state != JOB_UNKNOWN &&
                        found.state != JOB_ENDED;

        job_release(&found);
        *job = s->chain.later[i].job;
        if (is_alive)
            return true;
    }
    return false;
}

int chain_cancel(struct submission *s, const struct backend *backend, struct ganger_error *err)
{
    int status = 0;

    if (s->chain.n_most == 0)
        return 0;
    s->chain.is_cancelled = true;
    status = submission_write(s, err); /* before anything else: a job that ends now looks there */
    for (size_t i = s->chain.n_later; i-- > 0;) { /* from the last, so that none begins meanwhile */
        if (backend->cancel(&s->chain.later[i], err) < 0) {
            status = -1;
            continue;
        }
        resource_set_release(&s->chain.later[i]);
        memmove(&s->chain.later[i], &s->chain.later[i + 1], (--s->chain.n_later - i) * sizeof(*s->chain.later));
    }
    return submission_write(s, err) < 0 ? -1 : status;
}

/* ---- in a job: the begin ---- */

/* The chain's submission, when this job belongs to it: as its current one, or as one that has not begun, whose number
 * is in *later then (SIZE_MAX: it is the current one). The caller releases it in any case. */
static bool find_own(struct submission *s, const char *run, const char *job, size_t *later)
{
    *later = SIZE_MAX;
    if (submission_read(s, run, NULL) <= 0 || s->chain.n_most == 0)
        return false;
    if (strcmp(s->set.job, job) == 0)
        return true;
    for (size_t i = 0; i < s->chain.n_later; i++) {
        if (strcmp(s->chain.later[i].job, job) == 0) {
            *later = i;
            return true;
        }
    }
    return false;
}

/* Are the ids of all jobs that were handed in known? */
static bool is_whole(const struct submission *s)
{
    return *s->set.job != '\0' &&
           (!s->chain.is_up_front || s->chain.is_cancelled || s->chain.n_jobs == s->chain.n_most);
}

/* `ganger submit` writes a job's id when it has it, and the job may have begun by then. While jobs of the chain are
 * still being handed in, the record is submit's: what this job wrote would lack those that came meanwhile, and nobody
 * would find them any more. */
static bool await_own(struct submission *s, const char *run, const char *job, size_t *later)
{
    for (int i = 0;; i++) {
        bool is_found = find_own(s, run, job, later);

        if (s->chain.n_most == 0 || is_whole(s) || i == LOOKS)
            return is_found;
        submission_release(s);
        command_pause(LOOK_S);
    }
}

static bool has_journal(const char *run)
{
    char *path = xasprintf("%s/journal.jsonl", run);
    struct stat file;
    bool has = stat(path, &file) == 0 && file.st_size > 0;

    free(path);
    return has;
}

/* It has become the current one; those before it are gone. */
static void become_current(struct submission *s, size_t i, uint32_t epoch)
{
    resource_set_release(&s->set);
    s->set = s->chain.later[i];
    for (size_t k = 0; k < i; k++)
        resource_set_release(&s->chain.later[k]);
    s->chain.n_later -= i + 1;
    memmove(s->chain.later, s->chain.later + i + 1, s->chain.n_later * sizeof(*s->chain.later));
    s->epoch = epoch;
}

static bool read_progress(struct run_progress *p, const char *run)
{
    struct rundir dir = {.path = NULL};
    bool is_read = rundir_open_to_read(&dir, run, NULL) == 0;

    *p = (struct run_progress){.epoch = 0};
    is_read = is_read && run_progress_read(p, &dir, NULL) == 0;
    rundir_close(&dir);
    return is_read;
}

static bool is_final(int exit_status)
{
    return exit_status == 0 || exit_status == 1 || exit_status == 2;
}

/* The current job of its chain begins. */
static bool begin_job(struct submission *s, const struct backend *backend, size_t later, const struct run_progress *p,
                      int *exit_status)
{
    if (later != SIZE_MAX && p->epoch > s->epoch && p->has_ended && is_final(p->exit_status)) {
        log_note("the run is over: this job, and the %zu behind it, are not needed", s->chain.n_later - later - 1);
        become_current(s, later, s->epoch);
        chain_cancel(s, backend, NULL);
        *exit_status = p->exit_status;
        return true;
    }
    if (later != SIZE_MAX)
        become_current(s, later, p->epoch);
    s->chain.n_done = p->n_done;
    submission_write(s, NULL);
    return false;
}

bool chain_enter(struct chain_link *link, const struct program *program, const char *run_dir, bool requeues,
                 bool *resume, int *exit_status)
{
    char *job = NULL;
    const struct backend *backend = getenv("GANGER_TASK_ID") == NULL ? backend_find_job(&job) : NULL;
    struct submission s = {.run = NULL};
    struct run_progress p;
    bool is_over = false;
    size_t later;

    *link = (struct chain_link){.program = program};
    if (backend != NULL && (await_own(&s, run_dir, job, &later) || requeues)) {
        bool is_chained = s.run != NULL && s.chain.n_most > 0;

        link->run = realpath(run_dir, NULL);
        link->run = link->run != NULL ? link->run : xstrdup(run_dir);
        link->requeues = requeues;
        read_progress(&p, run_dir);
        link->n_done = p.n_done;
        *resume |= is_chained && has_journal(run_dir);
        is_over = is_chained && begin_job(&s, backend, later, &p, exit_status);
    }
    submission_release(&s);
    free(job);
    return is_over;
}

/* ---- in a job: the end ---- */

/* All that is looked at to decide what comes next. */
struct leaving
{
    const struct chain_link *link;
    const struct backend *backend;
    char *job;
    struct submission s;
    bool is_chained;
    struct run_progress p;
    struct remaining left;
    bool has_left;      /* `left` is known */
    bool saved_some;    /* a task that can save what it has was cut off */
};

/* What is left, by the journal and the workflow. */
static void measure(struct leaving *l)
{
    struct rundir dir = {.path = NULL};
    struct run_record record = {.document = NULL};
    struct workflow workflow = {0};
    struct journal_past past = {0};

    if (rundir_open_to_read(&dir, l->link->run, NULL) == 0 && read_run_record(&record, &dir, NULL) == 0 &&
        load_recorded_workflow(l->link->program, &workflow, &record, NULL, NULL) == 0 &&
        run_added_recover(AT_FDCWD, dir.journal_path, workflow.graph, false, &past, NULL) == 0) {
        const struct graph *g = workflow.graph;

        remaining_measure(g, past.is_done, past.ran_s, &l->left);
        l->has_left = true;
        for (task_id t = 0; t < g->n_tasks; t++)
            l->saved_some |= past.ran_s[t] < 0 && g->policies[g->tasks[t].policy].end_signal.signal != 0;
    }
    journal_past_release(&past);
    workflow_release(&workflow);
    release_run_record(&record);
    rundir_close(&dir);
}

/* Was the job told to end by somebody who wants the run to end? Its time may be over instead, or it is driven away. */
static bool is_cancelled(const struct leaving *l, int exit_status)
{
    struct resource_set own = {.job = l->job, .token = l->job};
    const struct resource_set *set = l->is_chained ? &l->s.set : &own;
    struct job job;
    bool is;

    if (exit_status == 128 + SIGINT || (l->is_chained && l->s.chain.is_cancelled))
        return true;
    if (exit_status == EXIT_STATUS_UNFINISHED)
        return false;
    is = l->backend->status(set, &job, NULL) == 0 && !job.is_cut_off &&
         (job.state == JOB_ENDING || job.state == JOB_ENDED);
    job_release(&job);
    return is;
}

static bool has_achieved(struct leaving *l)
{
    if (l->p.n_done > l->link->n_done)
        return true;
    measure(l);
    return l->saved_some;
}

static struct remaining_size next_size(struct leaving *l)
{
    struct remaining_size most = {
        .n_nodes = l->s.group.n_nodes,
        .cores_per_node = l->p.n_nodes > 0 ? l->p.n_workers / l->p.n_nodes : 0,
        .runtime_s = l->s.group.runtime_s,
    };

    if (!l->has_left)
        measure(l);
    return l->has_left ? remaining_fit(&l->left, &most) : most;
}

static uint32_t n_left(const struct leaving *l)
{
    return l->p.n_tasks > l->p.n_done ? l->p.n_tasks - l->p.n_done : 0;
}

static void tell_next(const struct leaving *l, const struct remaining_size *size)
{
    char limit[64] = "";

    if (size->runtime_s > 0 && isfinite(size->runtime_s))
        snprintf(limit, sizeof(limit), ", for %.0f min%s", ceil(size->runtime_s / 60),
                 size->runtime_s < l->s.group.runtime_s ? ", which should do" : "");
    log_note("%s job %s goes on with the %" PRIu32 " tasks that are left%s (job %" PRIu32 " of at most %" PRIu32 ")",
             l->s.set.type, l->s.set.job, n_left(l), limit, l->s.chain.n_jobs, l->s.chain.n_most);
}

static int submit_next(struct leaving *l, struct ganger_error *err)
{
    struct remaining_size size = next_size(l);
    struct job_terms terms = {.after = l->job,
                              .n_nodes = size.n_nodes < l->s.group.n_nodes ? size.n_nodes : 0,
                              .runtime_s = size.runtime_s < l->s.group.runtime_s ? size.runtime_s : 0};
    struct resource_set set = submission_next_set(&l->s);

    if (terms.runtime_s > 0)
        set.runtime_s = terms.runtime_s;
    if (terms.n_nodes > 0 && l->s.group.n_nodes > 0)
        set.n_workers = set.n_workers / l->s.group.n_nodes * terms.n_nodes;
    if (l->backend->request(&set, &terms, err) < 0) {
        resource_set_release(&set);
        return -1;
    }
    resource_set_release(&l->s.set);
    l->s.set = set;
    l->s.epoch = l->p.epoch;
    l->s.chain.n_jobs++;
    if (submission_write(&l->s, err) < 0) { /* nobody would find it */
        l->backend->cancel(&l->s.set, NULL);
        return error_prefix(err, "the next job is cancelled again: ");
    }
    tell_next(l, &size);
    return 0;
}

static int requeue(struct leaving *l, struct ganger_error *err)
{
    if (l->backend->requeue == NULL)
        return error_set(err, ERROR_USAGE, "jobs of %s cannot be put back into the queue", l->backend->name);
    if (l->is_chained) {
        l->s.chain.n_jobs++;
        l->s.epoch = l->p.epoch;
        submission_write(&l->s, NULL);
    }
    log_note("%s job %s goes back into the queue with the %" PRIu32 " tasks that are left", l->backend->name, l->job,
             n_left(l));
    return l->backend->requeue(l->job, err);
}

/* It submits a job; where that is not allowed, it goes back into the queue itself. */
static void go_on(struct leaving *l)
{
    struct ganger_error refused = {0}, err = {0};

    if (l->is_chained && l->s.chain.is_up_front) {
        if (l->s.chain.n_later > 0)
            log_note("job %s goes on with the %" PRIu32 " tasks that are left", l->s.chain.later[0].job,
                     n_left(l));
        return;
    }
    if (l->is_chained && submit_next(l, &refused) == 0)
        return;
    if (refused.cause != ERROR_NONE)
        log_warning("no job can be submitted from this one: %s", refused.text);
    if (requeue(l, &err) < 0)
        log_error("the run does not go on by itself: %s; `ganger submit --resume` goes on with it", err.text);
}

static void leave(struct leaving *l, int exit_status)
{
    bool is_left = !is_final(exit_status) && !is_cancelled(l, exit_status);

    if (is_left && !has_achieved(l)) {
        log_warning("nothing was done in this job, and the next one would do no better: the run does not go on by "
                    "itself; `ganger submit --resume --time TIME` goes on with it, for longer");
        is_left = false;
    }
    if (is_left && l->is_chained && l->s.chain.n_jobs >= l->s.chain.n_most && !l->s.chain.is_up_front) {
        log_warning("all %" PRIu32 " jobs of the chain are used up: `ganger submit --resume` goes on with the run",
                    l->s.chain.n_most);
        return;
    }
    if (is_left)
        go_on(l);
    else if (l->is_chained && l->s.chain.n_later > 0)
        chain_cancel(&l->s, l->backend, NULL);
}

void chain_leave(struct chain_link *link, int exit_status)
{
    struct leaving l = {.link = link};
    size_t later;

    if (link->run == NULL)
        return;
    close(signals_open()); /* what ends this job comes too late to keep it from this */
    l.backend = backend_find_job(&l.job);
    l.is_chained = l.backend != NULL && find_own(&l.s, link->run, l.job, &later) && later == SIZE_MAX;
    if (l.backend != NULL && (l.is_chained || link->requeues) && read_progress(&l.p, link->run))
        leave(&l, exit_status);
    submission_release(&l.s);
    free(l.job);
    free(link->run);
    *link = (struct chain_link){.run = NULL};
}
