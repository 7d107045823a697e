/* `ganger run`: as typed, it starts the ranks; as a rank, it is the manager or a worker. */
#include "launch/run_parts.h"

#include "base/alloc.h"
#include "core/fence.h"
#include "io/progress.h"
#include "launch/cmd.h"
#include "launch/launcher.h"
#include "launch/layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int check_backend(const struct run_options *options, struct ganger_error *err)
{
    if (options->backend == NULL || run_is_on(options, "local"))
        return 0;
    if (!run_is_in_one_process(options))
        return error_set(err, ERROR_USAGE,
                         "--backend takes local, thread or none, not \"%s\" (a batch job's nodes are used without "
                         "being asked for; `ganger submit` hands a run to a batch system)", options->backend);
    if (launcher_is_rank())
        return error_set(err, ERROR_USAGE, "--backend %s runs all in one process: leave mpirun out", options->backend);
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

/* Under an mpirun or srun of the user's there is no launcher of ours: the manager's rank is the one to see to it. */
static int be_rank_in_chain(struct run_options *options)
{
    struct chain_link link = {.run = NULL};
    char *run_dir = run_choose_dir(options);
    int exit_status;

    if (launcher_is_first_rank() && getenv(LINK_VARIABLE) == NULL)
        chain_enter(&link, options->program, run_dir, options->requeue, &options->resume, &exit_status);
    free(run_dir);
    return run_be_rank(options, &link);
}

/* A batch system that starts a job again gives it the same words. */
static bool is_restarted(const struct run_options *options)
{
    char *run_dir = run_choose_dir(options);
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
    if (!run_is_by_content(options) && strcmp(options->changed, "definition") != 0)
        return error_set(err, ERROR_USAGE, "--changed takes definition or content, not \"%s\"", options->changed);
    if (run_memory_rule(options) == N_MEMORY_RULES)
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
    if (run_is_in_one_process(options) && !options->dry_run)
        status = run_in_one_process(options);
    else
        status = launcher_is_rank() ? be_rank_in_chain(options) : run_start_ranks(options, rank_argv);
    free(options->helper);
    return status;
}

int cmd_run(struct program *program, int argc, char **argv)
{
    struct run_options options = {.changed = "definition", .grace_s = 5, .end_margin_s = -1,
                                  .progress_interval_s = NAN, .latency_wait_s = 5,
                                  .fence_s = FENCE_S, .memory_limit = run_memory_words[MEMORY_ENFORCE],
                                  .program = program};
    struct ganger_error err = {0};
    char **rank_argv = rank_command(program, argc, argv);
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err), status = 0;

    if (first >= 0 && options.help)
        print_help();
    else if (choose_what_to_run(&options, first, argc, argv, &err) < 0)
        status = run_print_error(&err);
    else
        status = run(&options, rank_argv);
    free(rank_argv);
    free(options.amounts.each);
    free(options.plugins.each);
    return status;
}
