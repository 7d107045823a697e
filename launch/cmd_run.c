/* `ganger run`: as typed, it starts the ranks; as a rank, it is the manager or a worker. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/fence.h"
#include "core/sched.h"
#include "ganger_parts.h"
#include "io/binding.h"
#include "io/cgroup.h"
#include "io/comm.h"
#include "io/journal.h"
#include "io/orphans.h"
#include "io/process.h"
#include "io/progress.h"
#include "io/rundir.h"
#include "io/summary.h"
#include "io/tmpdir.h"
#include "io/workflow.h"
#include "launch/chain.h"
#include "launch/cmd.h"
#include "launch/finished.h"
#include "launch/launcher.h"
#include "launch/layout.h"
#include "launch/link.h"
#include "launch/flow.h"
#include "launch/options.h"
#include "launch/owner.h"
#include "launch/program.h"
#include "launch/ranks_here.h"
#include "launch/run_record.h"
#include "launch/signals.h"
#include "launch/walltime.h"
#include "manager.h"
#include "worker.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SYSTEM_STATUS 3

extern char **environ;

struct run_options
{
    const char *workflow; /* NULL: the program builds it */
    struct workflow_words targets; /* none: all tasks */
    struct program *program;
    char **helper; /* see worker.h */
    const char *backend; /* as typed; NULL: not stated */
    struct option_list plugins;
    uint32_t n_workers; /* 0: one for each usable core */
    const char *run_dir; /* NULL: made from the workflow's name */
    bool resume;
    bool break_lock;
    const char *changed; /* what makes a done task run again: "definition" or "content" */
    bool quiet;
    bool dry_run;
    bool help;
    double grace_s;
    double latency_wait_s;
    double fence_s;
    double progress_interval_s; /* NAN: as it is */
    uint32_t max_failures; /* 0: no limit */
    uint32_t max_failures_in_a_row;
    bool fail_fast; /* the same as a limit of 1 */
    uint32_t n_restarts;
    double end_margin_s; /* negative: as it sees fit */
    const char *end_signal;
    bool requeue;
    uint32_t gpus_per_node; /* 0: those that are found */
    const char *memory_limit; /* a word of memory_rules */
    uint64_t max_output_bytes; /* 0: no limit */
    struct option_list amounts; /* "NAME=N" */
    struct replay_words replay;
};

#define ROW(...) OPTION_ROW(run_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('n', "workers", "W", OPTION_COUNT, n_workers, "workers; default: one for each usable core"),
    ROW('\0', "backend", "NAME", OPTION_TEXT, backend,
        "where ranks come from: local (mpirun, default), thread (one process), none (one process, one worker)"),
    PROGRAM_PLUGIN_ROW(run_options, plugins),
    ROW('d', "run-dir", "DIR", OPTION_TEXT, run_dir, "where the run is kept; default: FLOW.run"),
    ROW('r', "resume", NULL, OPTION_ON, resume, "go on with the run that is in the run directory"),
    ROW('\0', "break-lock", NULL, OPTION_ON, break_lock,
        "take the run directory from a run of another host that you know to be dead"),
    ROW('\0', "changed", "WHAT", OPTION_TEXT, changed,
        "by what --resume tells what must run again: definition (default), or content of inputs as well"),
    ROW('q', "quiet", NULL, OPTION_ON, quiet, "failures only: no progress, no summary of a run that went well"),
    ROW('\0', "progress-interval", "SECONDS", OPTION_SECONDS, progress_interval_s,
        "between lines of progress where there is no terminal; 0: none; default: 10, growing to 60"),
    ROW('\0', "dry-run", NULL, OPTION_ON, dry_run, "print what would run, in order, and how it is started"),
    ROW('k', "keep-going", NULL, OPTION_OFF, fail_fast, "after a failure, run what does not need it (default)"),
    ROW('\0', "fail-fast", NULL, OPTION_ON, fail_fast, "after a failure, start nothing more"),
    ROW('\0', "grace", "SECONDS", OPTION_SECONDS, grace_s, "between TERM and KILL, when the run is ended; default: 5"),
    ROW('\0', "max-failures", "N", OPTION_COUNT, max_failures, "after so many failures, start nothing more"),
    ROW('\0', "max-consecutive-failures", "N", OPTION_COUNT, max_failures_in_a_row,
        "the same, counted anew whenever a task ends well"),
    ROW('\0', "restarts", "N", OPTION_COUNT, n_restarts,
        "when mpirun or the manager dies, or all workers do: go on by itself, at most so often"),
    ROW('\0', "end-signal", "NAME@SECONDS", OPTION_TEXT, end_signal,
        "for running tasks, so long before they are ended with the allocation"),
    ROW('\0', "end-margin", "SECONDS", OPTION_SECONDS, end_margin_s,
        "what is left of the allocation when they are; default: 2 % of it, 10 s to 60 s"),
    ROW('\0', "requeue", NULL, OPTION_ON, requeue,
        "put the batch job back into the queue when it ends and work is left"),
    ROW('\0', "latency-wait", "SECONDS", OPTION_SECONDS, latency_wait_s,
        "how long a task's inputs are waited for; default: 5"),
    ROW('\0', "memory-limit", "RULE", OPTION_TEXT, memory_limit,
        "enforce (default), watch or off: what becomes of tasks that use more memory than they state"),
    ROW('\0', "max-output", "SIZE", OPTION_BYTES, max_output_bytes,
        "end a task that writes more than that into the run directory; default: no limit"),
    ROW('\0', "fence", "SECONDS", OPTION_SECONDS, fence_s,
        "a worker of another node that cannot reach the manager ends its task after that; default: 120"),
    ROW('\0', "gpus-per-node", "N", OPTION_COUNT, gpus_per_node, "GPUs of each node; default: those that are found"),
    ROW('\0', "resource", "NAME=N", OPTION_LIST, amounts, "so much there is of a resource that FLOW names"),
    FLOW_REPLAY_ROWS(run_options, replay),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger run FLOW [TASK]... [OPTION]...\n"
           "       mpirun -n W+1 ganger run FLOW [TASK]... [OPTION]...\n\n"
           "Runs the tasks of FLOW (JSON, JSON Lines, a list of commands, or a format that `ganger import` knows)\n"
           "on the cores of this machine,\n"
           "or on the ranks that mpirun started. TASK: only that one, an id or a wildcard, and what it needs.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 all done; 1 some task failed or was skipped for a failure; 2 usage or bad\n"
           "workflow; 3 system or MPI failure; 75 the allocation ended and work is left; 128+n ended by signal n.\n");
}

static const char *const memory_rules[] = {
    [MEMORY_ENFORCE] = "enforce", [MEMORY_WATCH] = "watch", [MEMORY_OFF] = "off"};
#define N_MEMORY_RULES (sizeof(memory_rules) / sizeof(*memory_rules))

/* N_MEMORY_RULES: there is no such word. */
static enum memory_rule memory_rule_of(const struct run_options *options)
{
    enum memory_rule rule = 0;

    while (rule < N_MEMORY_RULES && strcmp(memory_rules[rule], options->memory_limit) != 0)
        rule++;
    return rule;
}

static int print_error(const struct ganger_error *err)
{
    log_error("%s", err->text);
    return error_exit_status(err);
}

/* ---- a worker ---- */

/* Once in each process that has workers. */
static void adopt_orphans(void)
{
    if (process_adopt_orphans() < 0)
        log_warning("this process cannot adopt orphans: what leaves a task's process group may stay");
}

static bool is_backend(const struct run_options *options, const char *name)
{
    return options->backend != NULL && strcmp(options->backend, name) == 0;
}

static int be_worker(const struct run_options *options, struct comm *comm, int signal_fd)
{
    struct ganger_error err = {0};
    struct binding *binding = binding_open(&err);
    struct worker_options worker = {.comm = comm,
                                    .binding = binding,
                                    .signal_fd = signal_fd,
                                    .memory_rule = memory_rule_of(options),
                                    .max_output_bytes = options->max_output_bytes,
                                    .gpus_per_node = options->gpus_per_node,
                                    .registry = &options->program->registry,
                                    .helper = options->helper,
                                    .runs_in_place = is_backend(options, "none")};
    int status = -1;

    if (binding != NULL)
        binding_limit_memory(binding, layout_memory_bytes());
    if (binding != NULL && binding_bind(binding, comm_slot(comm, comm->rank), &err) < 0) {
        log_warning("worker %u: %s", comm->rank, err.text); /* slower, not wrong */
        err.cause = ERROR_NONE;
    }
    if (binding != NULL)
        status = worker_run(&worker, &err);
    if (status < 0)
        log_error("%s", err.text);
    binding_close(binding);
    return error_exit_status(&err);
}

/* ---- the manager ---- */

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

static bool is_by_content(const struct run_options *options)
{
    return strcmp(options->changed, "content") == 0;
}

/* What its run directory is called after. */
static const char *flow_of(const struct run_options *options)
{
    return options->workflow != NULL ? options->workflow : options->program->words[0];
}

static char *choose_run_dir(const struct run_options *options)
{
    return options->run_dir != NULL ? xstrdup(options->run_dir) : rundir_default_path(flow_of(options));
}

static int open_run_dir(struct manager_rank *m, struct ganger_error *err)
{
    char *path = choose_run_dir(m->options);
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

/* Of functions that need not run again, what others wait for. */
static int open_results(struct manager_rank *m, struct ganger_error *err)
{
    const struct graph *g = m->workflow.graph;

    if (!graph_has_functions(g))
        return 0;
    results_init(&m->results, g, finished_is_wanted(m->options->program));
    if (m->past.n_done == 0)
        return 0;
    return journal_read_results(m->dir.journal_path, g, m->past.is_done, &m->results, err);
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
                                    .by_content = is_by_content(m->options)};
    char *job;

    if (journal_recover(m->dir.fd, m->dir.journal_path, m->workflow.graph, header.by_content, &m->past, err) < 0)
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

static int load_workflow(const struct run_options *o, struct workflow *w, struct ganger_error *err)
{
    return load_run_workflow(o->program, w, o->workflow, &o->replay, &o->amounts, o->targets, err);
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
    if (load_workflow(m->options, &m->workflow, err) < 0 || open_run_dir(m, err) < 0 || open_journal(m, err) < 0)
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

static int be_manager(const struct run_options *options, struct comm *comm, int signal_fd,
                      const struct link_origin *origin)
{
    struct ganger_error err = {0};
    struct manager_rank m = {
        .options = options, .comm = comm, .origin = *origin, .origin_s = clock_now_s()};
    bool was_run = false;
    int status;

    m.walltime = walltime_open(); /* the answer comes while the workflow is read */
    if (prepare(&m, &err) == 0) {
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
        (options->quiet ? summary_print_failures : summary_print)(m.summary, m.origin.out_fd, m.dir.path,
                                                                  flow_of(options));
    }
    if (err.cause != ERROR_NONE)
        print_error(&err);
    release(&m);
    link_say_done(&m.origin, status, comm->closes_at_once);
    return status;
}

/* ---- as a rank, as typed ---- */

/* Before MPI starts, so that the launcher sees it when this process dies in there. */
static int find_origin(struct link_origin *origin, struct ganger_error *err)
{
    if (!launcher_is_first_rank())
        return 0;
    if (link_connect(origin, err) < 0)
        return -1;
    if (origin->fd < 0)
        link_origin_from_here(origin);
    log_set_fd(origin->err_fd);
    return 0;
}

/* This rank's own is that of its MPI launcher, and not to be handed on to the next job. Borrows the texts, for good. */
static void use_environment(const struct buffer *env)
{
    size_t n = 0;
    char **variables;

    for (size_t i = 0; i < env->n; i++)
        n += env->bytes[i] == '\0';
    variables = xcalloc(n + 1, sizeof(*variables));
    n = 0;
    for (char *variable = env->bytes; variable < env->bytes + env->n; variable += strlen(variable) + 1)
        variables[n++] = variable;
    environ = variables;
}

/* `link`: of a job that has no launcher of ours to see to what comes next. */
static int be_rank(const struct run_options *options, struct chain_link *link)
{
    struct ganger_error err = {0};
    struct link_origin origin = {.fd = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
    int signal_fd = signals_open();
    struct comm *comm;
    bool should_tell, exits, is_broken;
    uint32_t rank;
    int status;

    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, no reason to die */
    signal(SIGXFSZ, SIG_IGN); /* so is a limit on the size of files */
    launcher_enter_rank();
    process_wake_promptly();
    process_die_with_parent(SIGKILL); /* of mpirun, which can no longer end us then; in MPI's start we are deaf */
    if (layout_enter_rank(&should_tell, &err) < 0)
        return should_tell ? print_error(&err) : error_exit_status(&err);
    if (find_origin(&origin, &err) < 0 || (comm = comm_open_mpi(launcher_allows_exit(), &err)) == NULL)
        return print_error(&err);
    process_die_with_parent(SIGTERM); /* from now on the signal is heard, and acted on */
    link_say_started(&origin, !comm_is_one_node(comm));
    rank = comm->rank;
    if (rank == 0)
        layout_count_workers(comm->size - 1);
    if (rank > 0)
        adopt_orphans();
    status = rank == 0 ? be_manager(options, comm, signal_fd, &origin) : be_worker(options, comm, signal_fd);
    free(origin.cwd);
    /* The launcher has the manager's word; MPI_Finalize costs 50 ms, and hangs after a loss. Without one, on several
     * nodes: Open MPI's daemons do not tell mpirun of ranks that leave by _exit, and it could not clean up. */
    exits = launcher_allows_exit() && (comm_is_one_node(comm) || comm->closes_at_once);
    is_broken = status >= SYSTEM_STATUS && status != EXIT_STATUS_UNFINISHED;
    fflush(NULL); /* what functions printed */
    comm_close(comm, exits || is_broken);
    if (rank == 0 && link->run != NULL) {
        use_environment(&origin.env);
        chain_leave(link, status);
    } else {
        buffer_release(&origin.env);
    }
    if (exits)
        _exit(0);
    if (is_broken)
        _exit(status);
    if (launcher_allows_exit()) /* it has the manager's word; mpirun would only make words of its own of it */
        return 0;
    return rank == 0 ? status : 0;
}

/* ---- all ranks in this process */

static bool is_in_one_process(const struct run_options *options)
{
    return is_backend(options, "none") || is_backend(options, "thread");
}

struct ranks_data
{
    const struct run_options *options;
    int signal_fd; /* the manager's */
    const struct link_origin *origin;
};

static int be_rank_here(void *data, struct comm *comm)
{
    const struct ranks_data *r = data;
    int status;

    if (comm->rank == 0)
        status = be_manager(r->options, comm, r->signal_fd, r->origin);
    else
        status = be_worker(r->options, comm, -1);
    comm_close(comm, false);
    return status;
}

static int count_workers_here(const struct run_options *options, uint32_t *n_workers, struct ganger_error *err)
{
    struct binding *binding;

    *n_workers = options->n_workers;
    if (is_backend(options, "none")) {
        *n_workers = 1;
        return options->n_workers <= 1 ? 0 : error_set(err, ERROR_USAGE, "--backend none has one worker; --backend "
                                                                         "thread has as many as -n says");
    }
    if (*n_workers > 0)
        return 0;
    binding = binding_open(err);
    if (binding == NULL)
        return -1;
    *n_workers = binding_n_slots(binding);
    binding_close(binding);
    return 0;
}

static int run_here(const struct run_options *options)
{
    struct ganger_error err = {0};
    struct link_origin origin = {.fd = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
    struct ranks_data data = {options, -1, &origin};
    char *run_dir = choose_run_dir(options);
    uint32_t n_workers;
    int status = -1;

    if (rundir_check(run_dir, options->resume, &err) == 0 && count_workers_here(options, &n_workers, &err) == 0) {
        data.signal_fd = signals_open(); /* blocked in all threads that come */
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        link_origin_from_here(&origin);
        adopt_orphans();
        status = ranks_here_run(n_workers + 1, is_backend(options, "none"), be_rank_here, &data, &err);
        close(data.signal_fd);
    }
    buffer_release(&origin.env);
    free(origin.cwd);
    free(run_dir);
    return err.cause != ERROR_NONE ? print_error(&err) : status;
}

static int check_backend(const struct run_options *options, struct ganger_error *err)
{
    if (options->backend == NULL || is_backend(options, "local"))
        return 0;
    if (!is_in_one_process(options))
        return error_set(err, ERROR_USAGE,
                         "--backend takes local, thread or none, not \"%s\" (a batch job's nodes are used without "
                         "being asked for; `ganger submit` hands a run to a batch system)", options->backend);
    if (launcher_is_rank())
        return error_set(err, ERROR_USAGE, "--backend %s runs all in one process: leave mpirun out", options->backend);
    return 0;
}

static void print_task(const struct task *task)
{
    const char *word = task->argv;
    bool is_shell = task->n_argv == 3 && strcmp(word, "/bin/sh") == 0 && strcmp(word + 8, "-c") == 0;

    printf("%s:", task->id);
    if (task_is_call(task)) {
        printf(" function, %u bytes\n", task->n_argv_bytes);
        return;
    }
    for (uint32_t i = 0; i < task->n_argv; i++, word += strlen(word) + 1)
        if (!is_shell || i == 2)
            printf(" %s", word);
    putchar('\n');
}

/* Tasks in the order in which one worker would run them. */
static void print_order(const struct graph *graph, const bool *is_done)
{
    static const struct sched_node all_gpus = {.n_gpus = UINT16_MAX};
    struct sched *sched = sched_new(graph);
    struct placement p;

    sched_add_node(sched, 0, &all_gpus);
    for (uint32_t slot = 0; slot < UINT16_MAX && (slot == 0 || sched_find_unplaceable(sched) != TASK_NONE); slot++)
        sched_add_worker(sched, slot + 1, 0, (uint16_t)slot);
    for (task_id t = 0; is_done != NULL && t < graph->n_tasks; t++)
        if (is_done[t])
            sched_keep(sched, t);
    sched_begin(sched);
    while (sched_next(sched, &p)) {
        print_task(&graph->tasks[p.task]);
        sched_finish(sched, p.task, STATE_DONE, NAN);
    }
    sched_free(sched);
}

static int print_dry_run(const struct run_options *options, char **command, struct ganger_error *err)
{
    struct workflow workflow = {0};
    struct journal_past past = {0};
    char *run_dir = choose_run_dir(options), *journal = xasprintf("%s/journal.jsonl", run_dir);
    int status = load_workflow(options, &workflow, err);

    if (status == 0 && options->resume)
        status = journal_recover(AT_FDCWD, journal, workflow.graph, is_by_content(options), &past, err);
    free(run_dir);
    free(journal);
    if (status < 0) {
        workflow_release(&workflow);
        return -1;
    }
    printf("#");
    for (char **word = command; *word != NULL; word++)
        if (strcmp(*word, "--dry-run") != 0)
            printf(" %s", *word);
    printf("\n# %u tasks, in the order in which one worker would run them:\n",
           workflow.graph->n_tasks - workflow.graph->n_joins - past.n_done);
    if (past.reuse != NULL && reuse_n_candidates(past.reuse) > 0)
        printf("# of them, %u were done, and run only if their inputs have changed:\n",
               reuse_n_candidates(past.reuse));
    print_order(workflow.graph, past.is_done);
    journal_past_release(&past);
    workflow_release(&workflow);
    return 0;
}

/* What mpirun is to start: this very program with the words that were typed. */
static char **rank_command(const struct program *program, int argc, char **argv)
{
    static char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t n_words = program != NULL && program->n_words > 0 ? (size_t)program->n_words : 0;
    char **command = xcalloc((size_t)argc + n_words + 3, sizeof(*command)); /* see add_resume */
    static char name[] = "ganger", words[] = "--";

    command[0] = n > 0 ? self : name;
    memcpy(command + 1, argv, (size_t)argc * sizeof(*argv));
    for (size_t i = 0; i < n_words; i++) /* the first is the program's name */
        command[(size_t)argc + 1 + i] = i == 0 ? words : program->words[i];
    return command;
}

/* ---- starting again */

#define PAUSE_MAX_S 60 /* it doubles from 1 s */

/* Puts --resume behind "run", once. There is room. */
static void add_resume(char **rank_argv)
{
    static char resume[] = "--resume";
    size_t n = 0;

    if (rank_argv[2] == resume)
        return;
    while (rank_argv[n] != NULL)
        n++;
    memmove(rank_argv + 3, rank_argv + 2, (n - 1) * sizeof(*rank_argv));
    rank_argv[2] = resume;
}

/* Is a signal heard that ends the run? Waits that long for it; 0: there was none. */
static int wait_for_signal(int signal_fd, double limit_s)
{
    double end_s = clock_now_s() + limit_s;
    struct pollfd readable = {signal_fd, POLLIN, 0};
    struct signalfd_siginfo info;
    double left_s = limit_s;

    while (left_s > 0) {
        if (poll(&readable, 1, (int)(left_s * 1000) + 1) > 0 &&
            read(signal_fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCONT &&
            info.ssi_signo != SIGUSR2)
            return (int)info.ssi_signo;
        left_s = end_s - clock_now_s();
    }
    return 0;
}

/* Makes the `n`-th restart possible: says so, pauses. 0, or the exit status of the run that ends here. */
static int prepare_restart(const struct run_options *options, const char *run_dir, uint32_t n, char **rank_argv)
{
    double pause_s = fmin(ldexp(1, (int)fmin(n - 1, 10)), PAUSE_MAX_S);
    struct ganger_error err = {0};
    int signal_fd = signals_open(), signal;

    log_warning("the run ended by a failure of the system: it is started again in %g s (restart %u of %u)", pause_s, n,
                options->n_restarts);
    signal = wait_for_signal(signal_fd, pause_s);
    close(signal_fd);
    if (signal != 0)
        return 128 + signal;
    if (rundir_check(run_dir, true, &err) == 0)
        add_resume(rank_argv);
    else if (options->resume || rundir_check(run_dir, false, &(struct ganger_error){0}) != 0)
        return print_error(&err); /* without a journal it begins anew */
    return 0;
}

/* Launches until that ends in another way than by a failure of the system, or did so too often. */
static int launch(const struct run_options *options, const struct layout *layout, const char *run_dir,
                  char **rank_argv)
{
    for (uint32_t n = 1;; n++) {
        struct ganger_error err = {0};
        struct launcher_end end = {0, false};
        int status;

        if (launcher_run(layout->n_workers + 1, rank_argv, layout->variables, &end, &err) < 0)
            end.exit_status = print_error(&err);
        if (end.exit_status != SYSTEM_STATUS || end.was_told || n > options->n_restarts)
            return end.exit_status;
        status = prepare_restart(options, run_dir, n, rank_argv);
        if (status != 0)
            return status;
    }
}

/* As a job of a chain, if it is one. */
static int launch_in_chain(struct run_options *options, const struct layout *layout, const char *run_dir,
                           char **rank_argv, int *exit_status, struct ganger_error *err)
{
    struct chain_link link;
    bool was_asked = options->resume;

    if (chain_enter(&link, options->program, run_dir, options->requeue, &options->resume, exit_status)) {
        chain_leave(&link, *exit_status);
        return 0;
    }
    if (options->resume && !was_asked)
        add_resume(rank_argv);
    if (rundir_check(run_dir, options->resume, err) < 0) {
        chain_leave(&link, 2);
        return -1;
    }
    cgroup_settle(&cgroup_this_machine);
    *exit_status = launch(options, layout, run_dir, rank_argv);
    chain_leave(&link, *exit_status);
    return 0;
}

static int start_ranks(struct run_options *options, char **rank_argv)
{
    struct ganger_error err = {0};
    char *run_dir = choose_run_dir(options);
    int exit_status = 0, status = -1;
    struct layout layout;

    if (layout_choose(&layout, options->n_workers, &err) < 0) {
        free(run_dir);
        return print_error(&err);
    }
    if (options->dry_run) {
        char **command = launcher_command(layout.n_workers + 1, rank_argv);

        status = print_dry_run(options, command, &err);
        free(command);
    } else if (owner_release(run_dir, options->break_lock, &err) == 0) {
        status = launch_in_chain(options, &layout, run_dir, rank_argv, &exit_status, &err);
    }
    layout_release(&layout);
    free(run_dir);
    return status < 0 ? print_error(&err) : exit_status;
}

/* Under an mpirun or srun of the user's there is no launcher of ours: the manager's rank is the one to see to it. */
static int be_rank_in_chain(struct run_options *options)
{
    struct chain_link link = {.run = NULL};
    char *run_dir = choose_run_dir(options);
    int exit_status;

    if (launcher_is_first_rank() && getenv(LINK_VARIABLE) == NULL)
        chain_enter(&link, options->program, run_dir, options->requeue, &options->resume, &exit_status);
    free(run_dir);
    return be_rank(options, &link);
}

/* A batch system that starts a job again gives it the same words. */
static bool is_restarted(const struct run_options *options)
{
    char *run_dir = choose_run_dir(options);
    bool is = layout_is_restarted(run_dir);

    free(run_dir);
    return is;
}

/* A run reads its workflow again when it is resumed, and `verify` does. */
static int check_workflow_path(const char *path, struct ganger_error *err)
{
    struct stat info;
    bool is_other = stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);

    if (strcmp(path, "-") == 0 || is_other)
        return error_set(err, ERROR_USAGE,
                         "a run needs a file, which --resume could read again: \"%.1000s\" is for check", path);
    return 0;
}

/* Which workflow, and all that must be right before anything starts. */
static int choose_what_to_run(struct run_options *options, int first, int argc, char **argv, struct ganger_error *err)
{
    struct end_signal signal;
    bool is_built = first == argc && program_builds(options->program);

    if (first < 0)
        return -1;
    if (first == argc && !is_built)
        return error_set(err, ERROR_USAGE, "which workflow? See `ganger help run`");
    if (!is_by_content(options) && strcmp(options->changed, "definition") != 0)
        return error_set(err, ERROR_USAGE, "--changed takes definition or content, not \"%s\"", options->changed);
    if (memory_rule_of(options) == N_MEMORY_RULES)
        return error_set(err, ERROR_USAGE, "--memory-limit takes enforce, watch or off, not \"%s\"",
                         options->memory_limit);
    if (options->end_signal != NULL && !end_signal_read(options->end_signal, &signal))
        return error_set(err, ERROR_USAGE, "--end-signal takes a signal that a task can act on, and seconds, as in "
                                           "USR1@60, not \"%s\"", options->end_signal);
    if (check_backend(options, err) < 0 || program_load_plugins(options->program, &options->plugins, err) < 0)
        return -1;
    options->workflow = is_built ? NULL : argv[first];
    if (!is_built)
        options->targets = (struct workflow_words){(const char *const *)argv + first + 1, (size_t)(argc - first - 1)};
    return is_built ? 0 : check_workflow_path(argv[first], err);
}

static int run(struct run_options *options, char **rank_argv)
{
    int status;

    options->helper = program_helper(options->program);
    if (!launcher_is_rank())
        layout_learn();
    options->resume |= is_restarted(options);
    if (is_in_one_process(options) && !options->dry_run)
        status = run_here(options);
    else
        status = launcher_is_rank() ? be_rank_in_chain(options) : start_ranks(options, rank_argv);
    free(options->helper);
    return status;
}

int cmd_run(struct program *program, int argc, char **argv)
{
    struct run_options options = {.changed = "definition", .grace_s = 5, .end_margin_s = -1,
                                  .progress_interval_s = NAN, .latency_wait_s = 5,
                                  .fence_s = FENCE_S, .memory_limit = memory_rules[MEMORY_ENFORCE],
                                  .program = program};
    struct ganger_error err = {0};
    char **rank_argv = rank_command(program, argc, argv);
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err), status = 0;

    if (first >= 0 && options.help)
        print_help();
    else if (choose_what_to_run(&options, first, argc, argv, &err) < 0)
        status = print_error(&err);
    else
        status = run(&options, rank_argv);
    free(rank_argv);
    free(options.amounts.each);
    free(options.plugins.each);
    return status;
}
