/* `ganger submit`: hands a run to a batch system, or to the background of this machine. */
#include "launch/submit_parts.h"

#include "base/alloc.h"
#include "base/amount.h"
#include "base/log.h"
#include "io/rundir.h"
#include "launch/check_walltime.h"
#include "launch/cmd.h"
#include "launch/flow.h"
#include "launch/follow.h"
#include "launch/walltime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW(...) OPTION_ROW(submit_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('b', "backend", "NAME", OPTION_TEXT, backend, "slurm, pbs or local; default: what there is, in that order"),
    ROW('d', "run-dir", "DIR", OPTION_TEXT, run_dir, "where the run is kept; default: FLOW.run"),
    ROW('N', "nodes", "N", OPTION_COUNT, n_nodes, "nodes; default: 1"),
    ROW('c', "cores-per-node", "N", OPTION_COUNT, n_cores, "cores on each, a worker for each; default: whole nodes"),
    ROW('\0', "tasks-per-node", "N", OPTION_COUNT, n_tasks, "the same, as Slurm calls it"),
    ROW('m', "memory", "SIZE", OPTION_TEXT, memory, "on each node: 64GiB, 500MB"),
    ROW('g', "gpus-per-node", "N", OPTION_COUNT, n_gpus, "GPUs on each node"),
    ROW('t', "time", "TIME", OPTION_TEXT, time, "limit of the job: 90m, 1h30m, 2d; 1:30:00; 90 are minutes"),
    ROW('\0', "chain", "N", OPTION_COUNT, n_chain, "go on in further jobs until all is done: at most N jobs"),
    ROW('\0', "up-front", NULL, OPTION_ON, up_front, "hand all jobs of the chain in now, for sites that want that"),
    ROW('p', "partition", "NAME", OPTION_TEXT, partition, "partition, or several with commas; of PBS the queue"),
    ROW('A', "account", "NAME", OPTION_TEXT, account, "account that pays"),
    ROW('q', "qos", "NAME", OPTION_TEXT, qos, "quality of service"),
    ROW('C', "constraint", "FEATURE", OPTION_TEXT, constraint, "features that the nodes must have; PBS: model=x"),
    ROW('J', "name", "NAME", OPTION_TEXT, name, "of the job; default: the workflow's"),
    ROW('D', "directive", "OPTION", OPTION_LIST, directives, "a further option of sbatch or qsub: --mail-type=END"),
    ROW('\0', "before", "COMMAND", OPTION_LIST, before, "a line of shell before the run: 'module load openmpi'"),
    ROW('\0', "after", "COMMAND", OPTION_LIST, after, "a line of shell after the run"),
    ROW('\0', "prefix", "WORDS", OPTION_TEXT, prefix, "put before the launch line: 'apptainer exec image.sif'"),
    ROW('T', "template", "NAME", OPTION_TEXT, template, "a file, or one of ganger's: several-nodes, array, ..."),
    ROW('r', "resume", NULL, OPTION_ON, resume, "go on with the run that is in the run directory"),
    ROW('\0', "dry-run", NULL, OPTION_ON, dry_run, "print the job script and submit nothing"),
    ROW('w', "wait", NULL, OPTION_ON, wait, "wait for the end, and end with the run's exit status"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger submit FLOW [TASK]... [OPTION]... [-- OPTION-OF-RUN...]\n\n"
           "Submits a job that runs FLOW, or only TASK and what it needs. The workflow is copied into the run\n"
           "directory, so that it can be edited while the job waits. `ganger status FLOW.run` tells how far it is,\n"
           "`ganger cancel FLOW.run` ends it.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 submitted (with --wait: all done); 1 with --wait, some task failed; 2 usage, a bad\n"
           "workflow, or more than can be given; 3 the batch system failed, or the job ended without the run;\n"
           "75 with --wait, the job or the last of the chain ended and work is left.\n");
}

/* ---- from words to a group ---- */

static char *copy_of(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

static int set_group(struct submit *x, const char *name, struct ganger_error *err)
{
    const struct submit_options *o = x->options;
    struct group *g = &x->s.group;

    g->name = xstrdup(o->name != NULL ? o->name : name);
    g->backend = xstrdup(x->backend->name);
    g->n_nodes = o->n_nodes;
    g->n_cores = o->n_cores > 0 ? o->n_cores : o->n_tasks;
    g->n_gpus = o->n_gpus;
    g->partition = copy_of(o->partition);
    g->account = copy_of(o->account);
    g->qos = copy_of(o->qos);
    g->constraint = copy_of(o->constraint);
    for (size_t i = 0; i < o->directives.n; i++)
        text_list_add(&g->directives, o->directives.each[i]);
    if (o->n_cores > 0 && o->n_tasks > 0 && o->n_cores != o->n_tasks)
        return error_set(err, ERROR_USAGE,
                         "--cores-per-node %u and --tasks-per-node %u: there is a worker for each core, so these are "
                         "the same; give one", o->n_cores, o->n_tasks);
    if (o->memory != NULL && !amount_read_bytes(o->memory, &g->memory_bytes))
        return error_set(err, ERROR_USAGE, "--memory %s: write it with a unit, like 64GiB or 500MB", o->memory);
    if (o->time != NULL && walltime_read("time", o->time, &g->runtime_s, err) < 0)
        return -1;
    if (strpbrk(g->name, "\n\"\\") != NULL)
        return error_set(err, ERROR_USAGE, "--name %s: a job's name has no such characters", g->name);
    return 0;
}

static int choose_backend(struct submit *x, struct ganger_error *err)
{
    struct ganger_error why = {0};
    const char *name = x->options->backend;

    if (name == NULL)
        name = backend_slurm.available(NULL) ? "slurm" : backend_pbs.available(NULL) ? "pbs" : "local";
    x->backend = backend_find(name, err);
    if (x->backend == NULL)
        return -1;
    if (x->backend->available(&why) || (x->options->dry_run && x->backend->request != NULL))
        return 0;
    return error_set(err, why.cause, "--backend %s: %s", name, why.text);
}

/* ---- names ---- */

static char *absolute(const char *path)
{
    char *cwd = getcwd(NULL, 0), *result;

    result = path[0] == '/' || cwd == NULL ? xstrdup(path) : xasprintf("%s/%s", cwd, path);
    free(cwd);
    return result;
}

static void set_names(struct submit *x, const char *flow, uint32_t n_tasks)
{
    char *run = x->options->run_dir != NULL ? xstrdup(x->options->run_dir) : rundir_default_path(flow);
    const char *slash = strrchr(flow, '/');
    struct submission *s = &x->s;

    s->run = absolute(run);
    s->workflow = absolute(flow);
    s->copy = xasprintf("%s/%s", s->run, slash != NULL ? slash + 1 : flow);
    s->cwd = getcwd(NULL, 0);
    s->n_tasks = n_tasks;
    s->set = (struct resource_set){
        .type = xstrdup(x->backend->name),
        .group = xstrdup(s->group.name),
        .runtime_s = s->group.runtime_s,
        .job = xstrdup(""),
        .token = backend_draw_token(),
        .script = xasprintf("%s/%s", s->run, x->backend->script),
        .log = xasprintf("%s/%s", s->run, x->backend->job_in_log),
        .host = xstrdup(""),
    };
    s->chain.n_most = x->options->n_chain;
    s->chain.n_jobs = s->chain.n_most > 0;
    s->set.comment = xasprintf("ganger:%s:%s", s->set.token, s->run);
    free(run);
}

/* ---- the command ---- */

/* The tasks that are named, which stand first among the words for `ganger run`: all before its options. */
static struct workflow_words targets_of(const struct submit *x)
{
    size_t n = 0;

    while (x->run_words[n] != NULL && x->run_words[n][0] != '-')
        n++;
    return (struct workflow_words){(const char *const *)x->run_words, n};
}

/* They would wait for ever. */
static void warn_of_long_tasks(const struct graph *g, double runtime_s)
{
    struct check_walltime w;

    check_walltime_measure(&w, g, runtime_s);
    if (check_walltime_n_never(&w) > 0)
        log_warning("%u tasks would never be started in a job of that time, as \"%s\", which needs %.6g s: `ganger "
                    "check --walltime` tells more", check_walltime_n_never(&w), g->tasks[w.example].id, w.example_s);
}

static int load(struct submit *x, const char *flow, struct ganger_error *err)
{
    struct workflow_words targets = targets_of(x);
    struct workflow workflow = {0};
    uint32_t n_tasks;
    int status = 0;

    if (strcmp(flow, "-") == 0)
        return error_set(err, ERROR_USAGE, "a submission needs a file, which the job can read: not \"-\"");
    if (flow_load(&workflow, flow, NULL, err) < 0)
        return -1;
    if (targets.n > 0)
        status = workflow_keep_needed(&workflow, targets, err);
    n_tasks = workflow.graph->n_tasks - workflow.graph->n_joins;
    if (status == 0)
        status = set_group(x, workflow.name, err);
    if (status == 0 && x->s.group.runtime_s > 0 && isfinite(x->s.group.runtime_s))
        warn_of_long_tasks(workflow.graph, x->s.group.runtime_s);
    if (status == 0)
        set_names(x, flow, n_tasks);
    workflow_release(&workflow);
    return status;
}

/* What the backend thinks of it, and says all the same. */
static int check(struct submit *x, struct ganger_error *err)
{
    struct buffer notes = BUFFER_EMPTY;
    int status = x->backend->check(&x->s.group, &x->s.set, &notes, err);

    for (size_t i = 0; i < notes.n;) {
        const char *line = notes.bytes + i, *end = memchr(line, '\n', notes.n - i);

        log_note("%.*s", (int)(end - line), line);
        i += (size_t)(end - line) + 1;
    }
    buffer_release(&notes);
    return status;
}

/* Where jobs may not hand in jobs, all of a chain are handed in now. */
static void choose_chain(struct submit *x)
{
    struct ganger_error why = {0};
    struct chain *chain = &x->s.chain;

    chain->is_up_front = chain->n_most > 0 && x->options->up_front;
    if (chain->n_most == 0 || chain->is_up_front || x->backend->may_chain == NULL ||
        !x->backend->available(NULL) || x->backend->may_chain(&x->s.group, &why))
        return;
    log_note("%s: all %u jobs are handed in now, and run one after another", why.text, chain->n_most);
    chain->is_up_front = true;
}

/* Returns 0 or -1; with --wait sets the exit status of the run. */
static int submit(struct submit *x, const char *flow, int *exit_status, struct ganger_error *err)
{
    bool is_there;

    if (choose_backend(x, err) < 0 || load(x, flow, err) < 0)
        return -1;
    is_there = x->backend->available(NULL);
    if (is_there && check(x, err) < 0)
        return -1;
    choose_chain(x);
    if (x->options->template != NULL) /* it may ask for what we were not told */
        x->s.set.n_workers = 0;
    if (!is_there)
        log_note("there is no %s here: what it can give was not looked at", x->backend->name);
    if (submit_make_script(x, err) < 0)
        return -1;
    if (x->options->dry_run) {
        fputs(x->script, stdout);
        return 0;
    }
    if (submit_check_earlier(x, err) < 0 || submit_hand_in(x, err) < 0)
        return -1;
    printf("%s job %s: %s\n", x->backend->name, x->s.set.job, x->s.run);
    if (x->s.chain.is_up_front)
        printf("and %zu more, which go on with it\n", x->s.chain.n_later);
    else if (x->s.chain.n_most > 0)
        printf("and further jobs as long as tasks are left, at most %u in all\n", x->s.chain.n_most);
    fflush(stdout);
    if (!x->options->wait)
        return 0;
    return follow_to_end(&x->s, exit_status, err);
}

static int read_words(struct submit_options *options, int argc, char **argv, struct ganger_error *err)
{
    int first = options_read(rows, N_ROWS, options, argc, argv, err);

    if (first >= 0 && !options->help && first == argc)
        return error_set(err, ERROR_USAGE, "which workflow? See `ganger help submit`");
    if (first >= 0 && options->up_front && options->n_chain == 0)
        return error_set(err, ERROR_USAGE, "--up-front is for --chain N: how many jobs?");
    return first;
}

int cmd_submit(int argc, char **argv)
{
    struct submit_options options = {.backend = NULL};
    struct submit x = {.options = &options};
    struct ganger_error err = {0};
    int first = read_words(&options, argc, argv, &err), exit_status = 0, status = first;

    if (first >= 0 && options.help) {
        print_help();
        return 0;
    }
    if (first >= 0) {
        x.run_words = argv + first + 1;
        status = submit(&x, argv[first], &exit_status, &err);
    }
    if (err.cause != ERROR_NONE)
        log_error("%s", err.text);
    submission_release(&x.s);
    submission_release(&x.earlier);
    free(x.script);
    free(options.directives.each);
    free(options.before.each);
    free(options.after.each);
    return status < 0 ? error_exit_status(&err) : exit_status;
}
