/* `ganger check`: reads a workflow, says what is wrong with it or what it is made of, and how long it would
 * take at least. No MPI, no run. */
#include "base/alloc.h"
#include "base/log.h"
#include "launch/check_report.h"
#include "launch/cmd.h"
#include "launch/flow.h"
#include "launch/options.h"
#include "launch/walltime.h"
#include "launch/program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define DOES_NOT_FIT 1 /* exit status: some task could not run */

struct check_options
{
    const char *cores; /* NULL: not given */
    struct option_list nodes;
    bool simulate;
    bool files;
    const char *walltime;
    bool as_json;
    bool help;
    struct replay_words replay;
};

#define ROW(...) OPTION_ROW(check_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('n', "cores", "N[,N]...", OPTION_TEXT, cores, "for one node of N cores, for each N; default: this machine"),
    ROW('\0', "node", "NODE", OPTION_LIST, nodes,
        "for such nodes: [NODESx]CORES[,MEMORY[,GPUS]]; may be given again"),
    ROW('s', "simulate", NULL, OPTION_ON, simulate, "also how long the scheduler would take, if only tasks took time"),
    ROW('f', "files", NULL, OPTION_ON, files, "also which inputs are missing, and which outputs nobody reads"),
    ROW('w', "walltime", "TIME", OPTION_TEXT, walltime, "also what would never be started in jobs of that time"),
    ROW('\0', "json", NULL, OPTION_ON, as_json, "print one JSON object instead of text"),
    FLOW_REPLAY_ROWS(check_options, replay),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger check FLOW [TASK]... [OPTION]...\n\n"
           "Reads FLOW (\"-\": standard input) and says what it is made of and how long it would take at least,\n"
           "without running anything. TASK: only about that one, an id or a wildcard, and what it needs.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 FLOW can be run; 1 some task fits none of the nodes that were stated, with --files\n"
           "some input is missing, or with --walltime some task would never be started; 2 usage or bad\n"
           "workflow, which standard error explains.\n");
}

static bool wants_gpus(const struct graph *g)
{
    for (uint32_t c = 0; c < g->n_resources; c++)
        if (g->resources[c].gpus > 0)
            return true;
    return false;
}

/* One outlook for each number of cores, or one for the nodes stated, or for this machine. */
static int find_sites(struct check_report *r, const struct check_options *o, struct ganger_error *err)
{
    uint32_t *cores = NULL;
    int n = 1, status = 0;

    if (o->cores != NULL && o->nodes.n > 0)
        return error_set(err, ERROR_USAGE, "--cores and --node both say what to look at; one of them, please");
    if (o->cores != NULL && (n = site_read_cores(o->cores, &cores, err)) < 0)
        return -1;
    r->outlooks = xcalloc((size_t)n, sizeof(*r->outlooks));
    r->n_outlooks = (uint32_t)n;
    r->is_this_machine = o->cores == NULL && o->nodes.n == 0;
    for (int i = 0; cores != NULL && i < n; i++)
        site_of_cores(&r->outlooks[i].site, cores[i]);
    if (o->nodes.n > 0)
        status = site_read(&r->outlooks[0].site, &o->nodes, err);
    else if (r->is_this_machine)
        status = site_of_this_machine(&r->outlooks[0].site, wants_gpus(r->workflow->graph), err);
    free(cores);
    return status;
}

/* The stronger bound takes longer than reading the workflow: who states no nodes is not made to wait for it. */
static void look_out(struct check_report *r, const struct check_options *o)
{
    const struct graph *g = r->workflow->graph;
    float *cost_s = makespan_stated_costs(g);
    bool quickly = r->is_this_machine && !o->simulate;

    r->is_simulated = o->simulate;
    for (uint32_t i = 0; i < r->n_outlooks; i++) {
        struct check_outlook *look = &r->outlooks[i];

        (quickly ? makespan_bound_quickly : makespan_bound_well)(g, cost_s, &look->site.nodes, &look->bound);
        if (o->simulate)
            makespan_simulate(g, cost_s, &look->site.nodes, &look->simulation, NULL);
    }
    free(cost_s);
}

/* With several numbers of cores: what does not even fit the largest. */
static void find_misfits(struct check_report *r)
{
    const struct graph *g = r->workflow->graph;
    bool *fits = xcalloc(g->n_resources, sizeof(*fits));

    r->misfit_site = &r->outlooks[0].site;
    for (uint32_t i = 1; i < r->n_outlooks; i++)
        if (makespan_n_cores(&r->outlooks[i].site.nodes) > makespan_n_cores(&r->misfit_site->nodes))
            r->misfit_site = &r->outlooks[i].site;
    for (uint32_t c = 0; c < g->n_resources; c++)
        fits[c] = makespan_fits(g, &r->misfit_site->nodes, &g->resources[c]);
    for (task_id t = 0; t < g->n_tasks; t++) {
        if (task_is_join(&g->tasks[t]) || fits[g->tasks[t].resource_class])
            continue;
        r->n_misfits[g->tasks[t].resource_class]++;
        r->n_misfits_in_all++;
    }
    free(fits);
}

static void count_uses(struct check_report *r)
{
    const struct graph *g = r->workflow->graph;

    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task_resources *wants = &g->resources[g->tasks[t].resource_class];

        if (task_is_join(&g->tasks[t]))
            continue;
        r->n_in_queue[wants->queue]++;
        for (uint32_t i = 0; i < wants->n_amounts; i++)
            r->n_of_named[wants->amounts[i].resource]++;
    }
}

static int report(struct check_report *r, const struct check_options *o, struct ganger_error *err)
{
    const struct graph *g = r->workflow->graph;
    double walltime_s;

    if (find_sites(r, o, err) != 0)
        return -1;
    graph_measure(g, &r->shape);
    look_out(r, o);
    r->n_misfits = xcalloc(g->n_resources, sizeof(*r->n_misfits));
    r->n_in_queue = xcalloc(g->n_queues, sizeof(*r->n_in_queue));
    r->n_of_named = xcalloc(g->n_named + 1, sizeof(*r->n_of_named));
    if (o->walltime != NULL) {
        if (walltime_read("walltime", o->walltime, &walltime_s, err) < 0)
            return -1;
        check_walltime_measure(&r->walltime, g, walltime_s);
    }
    find_misfits(r);
    count_uses(r);
    if (o->files)
        check_files_find(&r->files, g);
    r->has_files = o->files;
    (o->as_json ? check_report_print_json : check_report_print_text)(r);
    return (r->n_misfits_in_all > 0 && !r->is_this_machine) || r->files.missing.n > 0 ||
                   check_walltime_n_never(&r->walltime) > 0
               ? DOES_NOT_FIT : 0;
}

static void report_release(struct check_report *r)
{
    for (uint32_t i = 0; i < r->n_outlooks; i++)
        site_release(&r->outlooks[i].site);
    free(r->outlooks);
    free(r->n_misfits);
    free(r->n_in_queue);
    free(r->n_of_named);
    check_files_release(&r->files);
}

static int check(const struct program *program, const struct check_options *o, const char *path,
                 struct workflow_words targets,
                 struct ganger_error *err)
{
    struct workflow w;
    struct check_report r = {.workflow = &w};
    struct replay_options replay;
    int status = 0;

    if (flow_read_replay(&replay, &o->replay, err) != 0 || flow_load_of(program, &w, path, &replay, err) != 0)
        return -1;
    if (targets.n > 0)
        status = workflow_keep_needed(&w, targets, err);
    if (status == 0)
        status = report(&r, o, err);
    report_release(&r);
    workflow_release(&w);
    return status;
}

static int read_and_check(const struct program *program, struct check_options *o, int argc, char **argv,
                          struct ganger_error *err)
{
    int first = options_read(rows, N_ROWS, o, argc, argv, err);

    if (first < 0)
        return -1;
    if (o->help) {
        print_help();
        return 0;
    }
    if (first == argc && program_builds(program))
        return check(program, o, NULL, (struct workflow_words){NULL, 0}, err);
    if (first == argc)
        return error_set(err, ERROR_USAGE, "which workflow? See `ganger help check`");
    return check(program, o, argv[first],
                 (struct workflow_words){(const char *const *)argv + first + 1, (size_t)(argc - first - 1)}, err);
}

int cmd_check(struct program *program, int argc, char **argv)
{
    struct ganger_error err = {.cause = ERROR_NONE};
    struct check_options o = {.cores = NULL};
    int status = read_and_check(program, &o, argc, argv, &err);

    free(o.nodes.each);
    if (status < 0)
        log_error("%s", err.text);
    return status < 0 ? error_exit_status(&err) : status;
}
