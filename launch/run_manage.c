#include "launch/run_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "ganger_parts.h"
#include "io/journal.h"
#include "io/orphans.h"
#include "io/progress.h"
#include "io/rundir.h"
#include "io/summary.h"
#include "io/tmpdir.h"
#include "launch/cmd.h"
#include "launch/finished.h"
#include "launch/launcher.h"
#include "launch/run_added.h"
#include "launch/run_record.h"
#include "launch/walltime.h"
#include "manager.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the manager's rank opens, in this order, and closes in the other. */
struct manager_rank
{
    const struct run_options *options;
    struct comm *comm;
    struct link_origin origin;
    struct workflow workflow;
    struct rundir dir;
    struct journal_past past;
    struct journal *journal;
    struct progress *progress;
    struct summary *summary;
    struct event_sinks sinks;
    struct results results; /* of functions */
    struct manager_report report;
    struct walltime *walltime;
    double origin_s;
    uint32_t epoch;
};

static int open_run_dir(struct manager_rank *m, struct ganger_error *err)
{
    char *path = run_choose_dir(m->options);
    bool breaks = m->options->break_lock && m->origin.fd < 0; /* else the launcher has, and what is there now is new */
    int status = breaks && rundir_break_lock(path, err) < 0 ? -1 : rundir_open(&m->dir, path, m->options->resume, err);

    free(path);
    return status;
}

/* What earlier epochs left on this node must be gone before the new one writes anything. */
static int end_earlier_epochs(const struct manager_rank *m, struct ganger_error *err)
{
    uint32_t n_ended;

    if (m->epoch == 1)
        return 0;
    if (orphans_end_before(m->dir.path, m->epoch, &n_ended, err) < 0)
        return -1;
    if (n_ended > 0)
        log_warning("%u processes that an earlier epoch of this run left were ended", n_ended);
    tmpdir_remove_left(m->dir.path, m->epoch, 0);
    return 0;
}

/* Of functions that need not run again, or perhaps not, what others wait for. */
static int open_results(struct manager_rank *m, struct ganger_error *err)
{
    const struct graph *g = m->workflow.graph;
    const struct reuse *reuse = m->past.reuse;
    bool *may_stay;
    int status;

    if (!graph_has_functions(g))
        return 0;
    results_init(&m->results, g, finished_is_wanted(m->options->program));
    if (m->past.n_done == 0 && (reuse == NULL || reuse_n_candidates(reuse) == 0))
        return 0;
    may_stay = xcalloc(g->n_tasks + 1, sizeof(*may_stay));
    for (task_id t = 0; t < g->n_tasks; t++)
        may_stay[t] = m->past.is_done[t] || (reuse != NULL && reuse_expected(reuse, t) != FINGERPRINT_NONE);
    status = journal_read_results(m->dir.journal_path, g, may_stay, &m->results, err);
    free(may_stay);
    return status;
}

/* The batch job that this is, "slurm job 12"; NULL: none. The caller frees it. */
static char *name_job(void)
{
    char *id, *name = NULL;
    const struct backend *backend = getenv("GANGER_TASK_ID") == NULL ? backend_find_job(&id) : NULL;

    if (backend != NULL) {
        name = xasprintf("%s job %s", backend->name, id);
        free(id);
    }
    return name;
}

static int open_journal(struct manager_rank *m, struct ganger_error *err)
{
    struct journal_header header = {.name = m->workflow.name,
                                    .workflow_digest = m->workflow.digest,
                                    .by_content = run_is_by_content(m->options)};
    char *job;

    if (run_added_recover(m->dir.fd, m->dir.journal_path, m->workflow.graph, header.by_content, &m->past, err) < 0)
        return -1;
    m->epoch = m->past.epoch + 1;
    if (end_earlier_epochs(m, err) < 0)
        return -1;
    header.epoch = m->epoch;
    header.wall_s = clock_wall_s();
    if (open_results(m, err) < 0)
        return -1;
    if (rundir_note_epoch(&m->dir, m->epoch, err) < 0)
        return -1;
    header.job = job = name_job();
    m->journal = journal_open(m->dir.fd, m->dir.journal_path, m->workflow.graph, &header, m->past.n_bytes, err);
    free(job);
    return m->journal == NULL ? -1 : 0;
}

static void open_sinks(struct manager_rank *m)
{
    enum progress_style style = m->options->quiet ? PROGRESS_FAILURES : PROGRESS_ALL;
    uint32_t n_slots = m->comm->size - 1;

    m->progress = progress_open(m->origin.err_fd, m->workflow.graph, n_slots, style);
    progress_set_run_path(m->progress, m->dir.path);
    if (!isnan(m->options->progress_interval_s))
        progress_set_interval(m->progress, m->options->progress_interval_s);
    m->summary = summary_open(m->workflow.graph, n_slots);
    event_add_sink(&m->sinks, journal_sink, m->journal);
    event_add_sink(&m->sinks, progress_sink, m->progress);
    event_add_sink(&m->sinks, summary_sink, m->summary);
}

static void print_summary(const struct manager_rank *m)
{
    const struct run_options *o = m->options;
    const struct program *p = o->program;
    bool is_built = o->workflow == NULL;
    const struct summary_command command = {
        .program = (p->of->functions != NULL || is_built) && o->helper != NULL ? o->helper[0] : "ganger",
        .flow = o->workflow,
        .targets = {o->targets.each, o->targets.n},
        .plugins = {o->plugins.each, o->plugins.n},
        .words = {is_built ? (const char *const *)p->words + 1 : NULL, is_built ? (size_t)p->n_words - 1 : 0},
    };

    (o->quiet ? summary_print_failures : summary_print)(m->summary, m->origin.out_fd, m->dir.path, &command);
}

static int write_record(const struct manager_rank *m, struct ganger_error *err)
{
    const struct run_options *o = m->options;
    const struct run_asked asked = {
        .workflow_path = o->workflow,
        .n_words = o->program->n_words,
        .words = o->program->words,
        .cwd = m->origin.cwd,
        .n_workers = m->comm->size - 1,
        .resume = o->resume,
        .changed = o->changed,
        .grace_s = o->grace_s,
        .latency_wait_s = o->latency_wait_s,
        .max_failures = o->fail_fast ? 1 : o->max_failures,
        .max_failures_in_a_row = o->max_failures_in_a_row,
        .gpus_per_node = o->gpus_per_node,
        .memory_limit = o->memory_limit,
        .max_output_bytes = o->max_output_bytes,
        .amounts = &o->amounts,
        .replay = &o->replay,
        .targets = o->targets,
    };

    return write_run_record(&m->dir, &asked, &m->workflow, m->epoch, m->past.n_done, err);
}

static int prepare(struct manager_rank *m, struct ganger_error *err)
{
    if (m->comm->size < 2)
        return error_set(err, ERROR_USAGE,
                         "one rank is a manager without workers: start at least two (mpirun -n 2 ganger run …)");
    if (run_load_flow(m->options, &m->workflow, err) < 0 || open_run_dir(m, err) < 0 || open_journal(m, err) < 0)
        return -1;
    open_sinks(m);
    return write_record(m, err);
}

static struct end_signal end_signal_of(const struct run_options *options)
{
    struct end_signal signal = {0, 0};

    if (options->end_signal != NULL)
        end_signal_read(options->end_signal, &signal); /* it was looked at when the words were read */
    return signal;
}

static int manage(struct manager_rank *m, int signal_fd, struct ganger_error *err)
{
    const struct hooks hooks = program_hooks(m->options->program);
    struct manager_options options = {
        .comm = m->comm,
        .graph = m->workflow.graph,
        .is_done = m->past.is_done,
        .ran_s = m->past.ran_s,
        .reuse = m->past.reuse,
        .sinks = &m->sinks,
        .journal = m->journal,
        .progress = m->progress,
        .signal_fd = signal_fd,
        .launcher_fd = m->origin.fd,
        .end_fd = walltime_end_fd(m->walltime),
        .end_ask_fd = walltime_ask_fd(m->walltime),
        .end_margin_s = m->options->end_margin_s,
        .end_signal = end_signal_of(m->options),
        .epoch = m->epoch,
        .origin_s = m->origin_s,
        .run_dir = m->dir.path,
        .cwd = m->origin.cwd,
        .env = m->origin.env.bytes,
        .n_env_bytes = m->origin.env.n,
        .grace_s = m->options->grace_s,
        .latency_wait_s = m->options->latency_wait_s,
        .fence_s = m->options->fence_s,
        .max_failures = m->options->fail_fast ? 1 : m->options->max_failures,
        .max_failures_in_a_row = m->options->max_failures_in_a_row,
        .registry = &m->options->program->registry,
        .hooks = &hooks,
        .results = graph_has_functions(m->workflow.graph) ? &m->results : NULL,
        .keeps_states = finished_is_wanted(m->options->program),
    };
    int status;

    if (hooks.provide != NULL)
        graph_know_parents(m->workflow.graph); /* it is told of them */
    alloc_on_exhaustion(journal_flush, m->journal);
    status = manager_run(&options, &m->report, err);
    alloc_on_exhaustion(NULL, NULL);
    return status;
}

static int exit_status_of(const struct manager_rank *m, const struct ganger_error *err)
{
    if (err->cause != ERROR_NONE)
        return error_exit_status(err);
    if (m->report.n_left > 0)
        return EXIT_STATUS_UNFINISHED;
    return m->report.signal != 0 ? 128 + m->report.signal : summary_exit_status(m->summary);
}

static void release(struct manager_rank *m)
{
    walltime_close(m->walltime);
    progress_close(m->progress);
    summary_close(m->summary);
    journal_past_release(&m->past);
    rundir_close(&m->dir);
    results_release(&m->results);
    free(m->report.states);
    workflow_release(&m->workflow);
}

/* The program has the last word on a run that went well. */
static int tell_program(const struct manager_rank *m, int status)
{
    const struct ganger_run run = {
        .graph = m->workflow.graph,
        .results = graph_has_functions(m->workflow.graph) ? &m->results : NULL,
        .states = m->report.states,
        .makespan_s = summary_makespan_s(m->summary),
        .n_workers = m->report.n_workers,
        .exit_status = status,
    };

    return finished_tell(m->options->program, &run, m->origin.out_fd, m->origin.err_fd);
}

int run_manage(const struct run_options *options, struct comm *comm, int signal_fd,
                      const struct link_origin *origin)
{
    struct ganger_error err = {0};
    struct manager_rank m = {
        .options = options, .comm = comm, .origin = *origin, .origin_s = clock_now_s()};
    bool was_run = false;
    int status;

    m.walltime = walltime_open(); /* the answer comes while the workflow is read */
    if (prepare(&m, &err) == 0) {
        assert(m.workflow.graph != NULL);
        was_run = true;
        manage(&m, signal_fd, &err);
    } else {
        manager_dismiss(comm);
    }
    status = exit_status_of(&m, &err);
    summary_set_left(m.summary, m.report.n_left);
    if (journal_close(m.journal, status, clock_now_s() - m.origin_s, &err) < 0)
        status = error_exit_status(&err);
    if (err.cause == ERROR_USAGE && m.epoch == 1) /* set when there is a journal */
        unlink(m.dir.journal_path); /* nothing ran: the mended workflow needs no --resume */
    if (was_run) {
        progress_end(m.progress);
        status = tell_program(&m, status);
        print_summary(&m);
    }
    if (err.cause != ERROR_NONE)
        run_print_error(&err);
    release(&m);
    link_say_done(&m.origin, &(struct link_end){status, m.epoch}, comm->closes_at_once);
    return status;
}
