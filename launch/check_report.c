#include "launch/check_report.h"

#include "base/log.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_EXAMPLES 5

/* "cores", "tokens of queue \"disk\"", …: what a bound comes from. */
static void describe_limit(const struct graph *g, const struct makespan_bound *bound, struct buffer *text)
{
    switch (bound->limit) {
    case LIMIT_PATH: buffer_printf(text, "the longest path"); break;
    case LIMIT_CORES: buffer_printf(text, "cores"); break;
    case LIMIT_MEMORY: buffer_printf(text, "memory"); break;
    case LIMIT_GPUS: buffer_printf(text, "GPUs"); break;
    case LIMIT_QUEUE: buffer_printf(text, "tokens of queue \"%s\"", g->queues[bound->which].name); break;
    case LIMIT_NAMED: buffer_printf(text, "resource \"%s\"", g->named[bound->which].name); break;
    }
    buffer_put(text, "", 1);
}

/* Part of the cores that tasks use, in a simulation. */
static double busy_part(const struct check_outlook *o)
{
    return o->simulation.s > 0 ? o->simulation.busy_s / o->simulation.s / (double)makespan_n_cores(&o->site.nodes) : 0;
}

static const char *first_of_class(const struct graph *g, uint32_t resource_class)
{
    for (task_id t = 0; t < g->n_tasks; t++)
        if (!task_is_join(&g->tasks[t]) && g->tasks[t].resource_class == resource_class)
            return g->tasks[t].id;
    return "";
}

/* ---- for people ---- */

static void print_shape(const struct check_report *r)
{
    const struct graph_shape *shape = &r->shape;

    printf("workflow       %s\n", r->workflow->name);
    printf("tasks          %" PRIu32 "\n", shape->n_tasks);
    printf("edges          %" PRIu64 "\n", shape->n_edges);
    printf("levels         %" PRIu32 "\n", shape->n_levels);
    printf("width          %" PRIu32 " (tasks of the fullest level)\n", shape->width);
    printf("critical path  %.7g s (%" PRIu32 " tasks)\n", shape->critical_path_s, shape->n_on_path);
    printf("area           %.7g s (cost x cores)\n", shape->area_s);
}

static void print_outlook(const struct check_report *r, const struct check_outlook *o)
{
    struct buffer site = BUFFER_EMPTY, limit = BUFFER_EMPTY;

    site_describe(&o->site, &site);
    describe_limit(r->workflow->graph, &o->bound, &limit);
    printf("at least       %.7g s on %s%s, for %s\n", o->bound.s, r->is_this_machine ? "this machine: " : "",
           site.bytes, limit.bytes);
    if (r->is_simulated)
        printf("simulated      %.7g s, with %.1f %% of the cores busy\n", o->simulation.s, 100 * busy_part(o));
    buffer_release(&site);
    buffer_release(&limit);
}

static void print_table(const struct check_report *r)
{
    printf("\n%8s  %14s  %s%s\n", "cores", "at least", r->is_simulated ? "     simulated    busy  " : "", "for");
    for (uint32_t i = 0; i < r->n_outlooks; i++) {
        const struct check_outlook *o = &r->outlooks[i];
        struct buffer limit = BUFFER_EMPTY;

        describe_limit(r->workflow->graph, &o->bound, &limit);
        printf("%8" PRIu64 "  %12.7g s", makespan_n_cores(&o->site.nodes), o->bound.s);
        if (r->is_simulated)
            printf("  %12.7g s  %5.1f%%", o->simulation.s, 100 * busy_part(o));
        printf("  %s\n", limit.bytes);
        buffer_release(&limit);
    }
}

static void print_misfits(const struct check_report *r)
{
    const struct graph *g = r->workflow->graph;
    struct buffer site = BUFFER_EMPTY;

    if (r->n_misfits_in_all == 0)
        return;
    site_describe(r->misfit_site, &site);
    printf("\nfits nowhere   %" PRIu32 " task%s, not counted above, on %s%s:\n", r->n_misfits_in_all,
           r->n_misfits_in_all == 1 ? "" : "s", r->is_this_machine ? "this machine: " : "", site.bytes);
    for (uint32_t c = 0; c < g->n_resources; c++) {
        struct buffer wants = BUFFER_EMPTY;

        if (r->n_misfits[c] == 0)
            continue;
        graph_describe_resources(g, &g->resources[c], &wants);
        printf("               %" PRIu32 " of %s, as \"%s\"\n", r->n_misfits[c], wants.bytes, first_of_class(g, c));
        buffer_release(&wants);
    }
    printf("               lower what they ask for, or use larger nodes\n");
    buffer_release(&site);
}

static void print_unused(const struct check_report *r)
{
    const struct graph *g = r->workflow->graph;

    for (uint32_t q = 1; q < g->n_queues; q++)
        if (r->n_in_queue[q] == 0)
            log_warning("queue \"%s\" is declared, but no task is in it; is a task's \"queue\" missing?",
                        g->queues[q].name);
    for (uint32_t n = 0; n < g->n_named; n++)
        if (r->n_of_named[n] == 0)
            log_warning("resource \"%s\" is declared, but no task takes any; is a task's \"resources\" missing?",
                        g->named[n].name);
}

static void print_files(const struct check_report *r, const char *what, const struct check_file_list *list)
{
    printf("%s%zu%s\n", what, list->n, list->n > 0 ? ":" : "");
    for (size_t i = 0; i < list->n && i < N_EXAMPLES; i++)
        printf("               %s, of \"%s\"\n", list->each[i].path,
               r->workflow->graph->tasks[list->each[i].task].id);
    if (list->n > N_EXAMPLES)
        printf("               … %zu more (--json tells all)\n", list->n - N_EXAMPLES);
}

void check_report_print_text(const struct check_report *r)
{
    print_shape(r);
    if (r->n_outlooks == 1)
        print_outlook(r, &r->outlooks[0]);
    else
        print_table(r);
    if (r->shape.n_without_cost > 0)
        printf("note: %" PRIu32 " of %" PRIu32 " tasks state no cost; 1 s is taken for each\n",
               r->shape.n_without_cost, r->shape.n_tasks);
    print_misfits(r);
    if (r->walltime.walltime_s > 0) {
        printf("\nin jobs of %.6g s, of which tasks have %.6g s:\n", r->walltime.walltime_s, r->walltime.usable_s);
        check_walltime_print(&r->walltime, r->workflow->graph, stdout, "               ");
        if (check_walltime_n_never(&r->walltime) == 0)
            printf("               every task can be started\n");
    }
    if (r->has_files) {
        print_files(r, "\ninputs that no task makes and that are not there: ", &r->files.missing);
        print_files(r, "outputs that no task reads: ", &r->files.unread);
    }
    print_unused(r);
}

/* ---- for programs ---- */

static json_t *outlook_json(const struct check_report *r, const struct check_outlook *o)
{
    static const char *const limits[] = {
        [LIMIT_PATH] = "path",   [LIMIT_CORES] = "cores", [LIMIT_MEMORY] = "memory",
        [LIMIT_GPUS] = "gpus",   [LIMIT_QUEUE] = "queue", [LIMIT_NAMED] = "resource",
    };
    const struct graph *g = r->workflow->graph;
    json_t *object = json_pack("{s:I, s:f, s:s}", "cores", (json_int_t)makespan_n_cores(&o->site.nodes), "at_least_s",
                               o->bound.s, "limit", limits[o->bound.limit]);

    if (o->bound.limit == LIMIT_QUEUE)
        json_object_set_new(object, "limit_name", json_string(g->queues[o->bound.which].name));
    if (o->bound.limit == LIMIT_NAMED)
        json_object_set_new(object, "limit_name", json_string(g->named[o->bound.which].name));
    if (r->is_simulated) {
        json_object_set_new(object, "simulated_s", json_real(o->simulation.s));
        json_object_set_new(object, "busy", json_real(busy_part(o)));
    }
    return object;
}

static json_t *outlooks_json(const struct check_report *r)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < r->n_outlooks; i++)
        json_array_append_new(array, outlook_json(r, &r->outlooks[i]));
    return array;
}

static json_t *misfits_json(const struct check_report *r)
{
    const struct graph *g = r->workflow->graph;
    json_t *array = json_array();

    for (uint32_t c = 0; c < g->n_resources; c++) {
        const struct task_resources *wants = &g->resources[c];

        if (r->n_misfits[c] > 0)
            json_array_append_new(array, json_pack("{s:I, s:s, s:I, s:I, s:I}", "tasks", (json_int_t)r->n_misfits[c],
                                                   "example", first_of_class(g, c), "cores", (json_int_t)wants->cores,
                                                   "memory_bytes", (json_int_t)wants->memory_bytes, "gpus",
                                                   (json_int_t)wants->gpus));
    }
    return array;
}

static json_t *unused_json(const struct check_report *r)
{
    const struct graph *g = r->workflow->graph;
    json_t *queues = json_array(), *named = json_array();

    for (uint32_t q = 1; q < g->n_queues; q++)
        if (r->n_in_queue[q] == 0)
            json_array_append_new(queues, json_string(g->queues[q].name));
    for (uint32_t n = 0; n < g->n_named; n++)
        if (r->n_of_named[n] == 0)
            json_array_append_new(named, json_string(g->named[n].name));
    return json_pack("{s:o, s:o}", "queues", queues, "resources", named);
}

static json_t *files_json(const struct check_report *r, const struct check_file_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++) {
        char *path = utf8_repaired(list->each[i].path);

        json_array_append_new(array, json_pack("{s:s, s:s}", "path", path, "task",
                                               r->workflow->graph->tasks[list->each[i].task].id));
        free(path);
    }
    return array;
}

static json_t *walltime_json(const struct check_report *r)
{
    const struct check_walltime *w = &r->walltime;

    return json_pack("{s:f, s:f, s:I, s:I, s:I, s:f}", "walltime_s", w->walltime_s, "usable_s", w->usable_s,
                     "never_by_cost", (json_int_t)w->n_by_cost, "never_by_timeout", (json_int_t)w->n_by_timeout,
                     "never_by_signal", (json_int_t)w->n_by_signal, "critical_path_s", w->path_s);
}

void check_report_print_json(const struct check_report *r)
{
    const struct graph_shape *shape = &r->shape;
    char *name = utf8_repaired(r->workflow->name); /* it may be the file's */
    char digest[17];
    json_t *object;

    snprintf(digest, sizeof(digest), "%016" PRIx64, r->workflow->digest);
    object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:f, s:I, s:o, s:o, s:o}", "name", name, "digest",
                       digest, "tasks", (json_int_t)shape->n_tasks, "edges", (json_int_t)shape->n_edges, "levels",
                       (json_int_t)shape->n_levels, "width", (json_int_t)shape->width, "critical_path_s",
                       shape->critical_path_s, "critical_path_tasks", (json_int_t)shape->n_on_path, "area_s",
                       shape->area_s, "tasks_without_cost", (json_int_t)shape->n_without_cost, "bounds",
                       outlooks_json(r), "fits_nowhere", misfits_json(r), "unused", unused_json(r));
    if (r->walltime.walltime_s > 0)
        json_object_set_new(object, "walltime", walltime_json(r));
    if (r->has_files) {
        json_object_set_new(object, "missing_inputs", files_json(r, &r->files.missing));
        json_object_set_new(object, "unread_outputs", files_json(r, &r->files.unread));
    }
    json_dumpf(object, stdout, JSON_REAL_PRECISION(7)); /* costs are floats: more digits are not theirs */
    putchar('\n');
    json_decref(object);
    free(name);
}
