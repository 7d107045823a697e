/* `ganger graph`: draws what depends on what. */
#include "base/log.h"
#include "core/outline.h"
#include "launch/cmd.h"
#include "launch/flow.h"
#include "launch/graph_print.h"
#include "launch/options.h"
#include "launch/program.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY_TASKS 200 /* above, programs are drawn instead of tasks */

struct graph_options
{
    bool as_dot;
    bool as_tree;
    bool full;
    const char *task; /* NULL: all */
    uint32_t around;
    uint32_t depth;
    uint32_t width;
    struct option_list closure;
    struct option_list descendants;
    const char *path; /* from there; the other end is an operand; NULL: not given */
    struct option_list prune;
    bool reverse;
    bool help;
    struct replay_words replay;
};

#define ROW(...) OPTION_ROW(graph_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('\0', "dot", NULL, OPTION_ON, as_dot, "write it for Graphviz; default when not on a terminal"),
    ROW('\0', "tree", NULL, OPTION_ON, as_tree, "write it as text; default on a terminal"),
    ROW('\0', "full", NULL, OPTION_ON, full, "draw tasks, however many; default: programs above 200 tasks"),
    ROW('t', "task", "ID", OPTION_TEXT, task, "only what this task waits for, and what waits for it"),
    ROW('\0', "around", "N", OPTION_COUNT, around, "with --task: so many steps back and on; default: 1"),
    ROW('\0', "depth", "N", OPTION_COUNT, depth, "with --tree: no deeper than so many levels; default: 12"),
    ROW('\0', "width", "N", OPTION_COUNT, width, "with --tree: no more than so many lines below one; default: 12"),
    ROW('\0', "closure", "TASK", OPTION_LIST, closure, "only what TASK (an id, or a wildcard) needs, and itself"),
    ROW('\0', "descendants", "TASK", OPTION_LIST, descendants, "only what needs TASK, and itself; both: either"),
    ROW('\0', "path", "TASK", OPTION_TEXT, path, "only a shortest path from TASK to the second one: --path A B"),
    ROW('\0', "prune", "TASK", OPTION_LIST, prune, "without TASK: what waits for it waits for what it waits for"),
    ROW('\0', "reverse", NULL, OPTION_ON, reverse, "each dependency the other way: what a task needs stands below it"),
    FLOW_REPLAY_ROWS(graph_options, replay),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger graph FLOW [OPTION]...\n"
           "       ganger graph FLOW --path TASK TASK\n\n"
           "Draws what depends on what in FLOW (\"-\": standard input): tasks, or where these are many, programs with\n"
           "their numbers of tasks. `ganger graph FLOW --dot | dot -Tsvg >flow.svg` makes a picture of it.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 drawn; 2 usage or bad workflow, which standard error explains.\n");
}

static uint32_t count_tasks(const struct graph *g, const bool *chosen)
{
    uint32_t n = 0;

    for (task_id t = 0; t < g->n_tasks; t++)
        n += !task_is_join(&g->tasks[t]) && (chosen == NULL || chosen[t]);
    return n;
}

static void draw(const struct graph_options *o, const struct workflow *w, const bool *chosen)
{
    struct outline outline = {.n_vertices = 0};
    bool is_large = count_tasks(w->graph, chosen) > MANY_TASKS && !o->full;
    bool as_tree = o->as_tree || (!o->as_dot && isatty(STDOUT_FILENO));

    (is_large ? outline_programs : outline_tasks)(&outline, w->graph, chosen);
    if (as_tree)
        graph_print_tree(&outline, o->depth, o->width, stdout);
    else
        graph_print_dot(&outline, w->name, stdout);
    outline_release(&outline);
}

static int choose_and_draw(const struct graph_options *o, const struct workflow *w, struct ganger_error *err)
{
    bool *chosen = NULL;
    task_id task;

    if (o->task != NULL) {
        task = graph_find(w->graph, o->task, strlen(o->task));
        if (task == TASK_NONE)
            return error_set(err, ERROR_USAGE, "there is no task \"%s\" in %s", o->task, w->name);
        chosen = outline_neighbourhood(w->graph, task, o->around);
    }
    draw(o, w, chosen);
    free(chosen);
    return 0;
}

static int check_options(const struct graph_options *o, struct ganger_error *err)
{
    if (o->as_dot && o->as_tree)
        return error_set(err, ERROR_USAGE, "--dot or --tree, not both");
    if (o->depth > GRAPH_DEPTH_MAX)
        return error_set(err, ERROR_USAGE, "--depth goes up to %d", GRAPH_DEPTH_MAX);
    if (o->around != 0 && o->task == NULL)
        return error_set(err, ERROR_USAGE, "--around needs --task ID: around which one?");
    return 0;
}

static struct workflow_words words_of(const struct option_list *list)
{
    return (struct workflow_words){list->each, list->n};
}

/* In the order in which the options stand in the help. */
static int change(const struct graph_options *o, struct workflow *w, const char *path_end, struct ganger_error *err)
{
    if (o->closure.n + o->descendants.n > 0 &&
        workflow_keep_related(w, words_of(&o->closure), words_of(&o->descendants), err) != 0)
        return -1;
    if (o->path != NULL && workflow_keep_path(w, o->path, path_end, err) != 0)
        return -1;
    if (o->prune.n > 0 && workflow_prune(w, words_of(&o->prune), err) != 0)
        return -1;
    if (o->reverse)
        workflow_reverse(w);
    return 0;
}

/* What is to be drawn, and from where. */
static int check_operands(const struct program *program, const struct graph_options *o, int argc, char **argv,
                          int first, struct ganger_error *err)
{
    if (first == argc && o->path == NULL && program_builds(program))
        return 0;
    if (o->path == NULL)
        return options_expect_one(argc, argv, first, "workflow", err);
    if (argc - first != 2)
        return error_set(err, ERROR_USAGE, "a path has two ends: `ganger graph FLOW --path A B`");
    return 0;
}

static int read_and_draw(const struct program *program, struct graph_options *o, int argc, char **argv,
                         struct ganger_error *err)
{
    int first = options_read(rows, N_ROWS, o, argc, argv, err), status;
    struct replay_options replay;
    struct workflow w;

    if (first < 0)
        return -1;
    if (o->help) {
        print_help();
        return 0;
    }
    if (check_operands(program, o, argc, argv, first, err) != 0 || check_options(o, err) != 0 ||
        flow_read_replay(&replay, &o->replay, err) != 0 ||
        flow_load_of(program, &w, first < argc ? argv[first] : NULL, &replay, err) != 0)
        return -1;
    if (o->around == 0)
        o->around = 1;
    status = change(o, &w, argv[argc - 1], err);
    if (status == 0)
        status = choose_and_draw(o, &w, err);
    workflow_release(&w);
    return status;
}

int cmd_graph(struct program *program, int argc, char **argv)
{
    struct ganger_error err = {.cause = ERROR_NONE};
    struct graph_options o = {.depth = 12, .width = 12};

    if (read_and_draw(program, &o, argc, argv, &err) != 0)
        log_error("%s", err.text);
    free(o.closure.each);
    free(o.descendants.each);
    free(o.prune.each);
    return error_exit_status(&err);
}
