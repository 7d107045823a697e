/* `ganger check`: reads a workflow, says what is wrong with it or what it is made of. No MPI, no run. */
#include "base/log.h"
#include "base/utf8.h"
#include "io/workflow.h"
#include "launch/cmd.h"
#include "launch/options.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_options
{
    uint32_t cores; /* of a node; 0: not given */
    bool as_json;
    bool help;
};

#define ROW(...) OPTION_ROW(check_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "cores", "N", OPTION_COUNT, cores, "refuse tasks that need more than N cores of one node"),
    ROW('\0', "json", NULL, OPTION_ON, as_json, "print one JSON object instead of text"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger check FLOW [OPTION]...\n\n"
           "Reads FLOW (JSON, JSON Lines, or a list of commands; \"-\": standard input) and says what it is\n"
           "made of, without running anything.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 FLOW can be run; 2 usage or bad workflow, which standard error explains.\n");
}

static int check_cores(const struct graph *g, uint32_t cores, struct ganger_error *err)
{
    const struct task *first = NULL;
    uint32_t n = 0;

    for (task_id t = 0; t < g->n_tasks; t++)
        if (g->resources[g->tasks[t].resource_class].cores > cores && n++ == 0)
            first = &g->tasks[t];
    if (n == 0)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "task \"%s\" needs %" PRIu32 " cores of one node, more than the %" PRIu32 " that a node "
                     "has (%" PRIu32 " such tasks in all); lower its \"cores\" or use larger nodes",
                     first->id, g->resources[first->resource_class].cores, cores, n);
}

static void print_json(const struct workflow *w, const struct graph_shape *shape)
{
    char *name = utf8_repaired(w->name); /* it may be the file's */
    char digest[17];
    json_t *object;

    snprintf(digest, sizeof(digest), "%016" PRIx64, w->digest);
    object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:f, s:I}", "name", name, "digest",
                       digest, "tasks", (json_int_t)shape->n_tasks, "edges", (json_int_t)shape->n_edges,
                       "levels", (json_int_t)shape->n_levels, "width", (json_int_t)shape->width,
                       "critical_path_s", shape->critical_path_s, "critical_path_tasks",
                       (json_int_t)shape->n_on_path, "area_s", shape->area_s, "tasks_without_cost",
                       (json_int_t)shape->n_without_cost);
    json_dumpf(object, stdout, JSON_REAL_PRECISION(7)); /* costs are floats: more digits are not theirs */
    putchar('\n');
    json_decref(object);
    free(name);
}

static void print_text(const struct workflow *w, const struct graph_shape *shape, uint32_t cores)
{
    double least_s = cores > 0 ? shape->area_s / cores : 0;

    printf("workflow       %s\n", w->name);
    printf("tasks          %" PRIu32 "\n", shape->n_tasks);
    printf("edges          %" PRIu64 "\n", shape->n_edges);
    printf("levels         %" PRIu32 "\n", shape->n_levels);
    printf("width          %" PRIu32 " (tasks of the fullest level)\n", shape->width);
    printf("critical path  %.7g s (%" PRIu32 " tasks)\n", shape->critical_path_s, shape->n_on_path);
    printf("area           %.7g s (cost x cores)\n", shape->area_s);
    if (cores > 0)
        printf("at least       %.7g s on one node of %" PRIu32 " cores\n",
               least_s > shape->critical_path_s ? least_s : shape->critical_path_s, cores);
    if (shape->n_without_cost > 0)
        printf("note: %" PRIu32 " of %" PRIu32 " tasks state no cost; 1 s is taken for each\n",
               shape->n_without_cost, shape->n_tasks);
}

static int check(const struct check_options *o, const char *path, struct ganger_error *err)
{
    struct workflow w;
    struct graph_shape shape;
    int status = 0;

    if (workflow_load(&w, path, err) != 0)
        return -1;
    if (o->cores > 0 && check_cores(w.graph, o->cores, err) != 0) {
        status = error_prefix(err, "%s: ", path);
    } else {
        graph_measure(w.graph, &shape);
        if (o->as_json)
            print_json(&w, &shape);
        else
            print_text(&w, &shape, o->cores);
    }
    workflow_release(&w);
    return status;
}

static int read_and_check(int argc, char **argv, struct ganger_error *err)
{
    struct check_options o = {.cores = 0};
    int first = options_read(rows, N_ROWS, &o, argc, argv, err);

    if (first < 0)
        return -1;
    if (o.help) {
        print_help();
        return 0;
    }
    if (first == argc)
        return error_set(err, ERROR_USAGE, "which workflow? `ganger help check` explains");
    if (first + 1 < argc)
        return error_set(err, ERROR_USAGE, "one workflow at a time, not \"%s\" as well", argv[first + 1]);
    if (check(&o, argv[first], err) != 0)
        return -1;
    if (fflush(stdout) != 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot write to standard output");
    return 0;
}

int cmd_check(int argc, char **argv)
{
    struct ganger_error err = {.cause = ERROR_NONE};

    if (read_and_check(argc, argv, &err) != 0)
        log_error("%s", err.text);
    return error_exit_status(&err);
}
