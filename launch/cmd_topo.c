/* `ganger topo`: what slots, memory and GPUs a machine gives, and what would be bound where. */
#include "base/alloc.h"
#include "base/log.h"
#include "core/sched.h"
#include "launch/cmd.h"
#include "launch/options.h"
#include "launch/topo_print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct topo_options
{
    uint32_t n_workers;
    uint32_t n_cores;
    const char *synthetic;
    const char *xml;
    bool each_slot;
    bool as_json;
    bool help;
};

#define ROW(...) OPTION_ROW(topo_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('n', "workers", "W", OPTION_COUNT, n_workers, "also which of W workers would be bound where"),
    ROW('c', "cores", "C", OPTION_COUNT, n_cores, "also which slots tasks of C cores would get"),
    ROW('\0', "each", NULL, OPTION_ON, each_slot, "a line for each slot, however many; default: up to 32"),
    ROW('\0', "synthetic", "TEXT", OPTION_TEXT, synthetic, "of a machine in hwloc's words: \"pack:2 core:64 pu:2\""),
    ROW('\0', "xml", "FILE", OPTION_TEXT, xml, "of a machine that `lstopo --of xml` described"),
    ROW('\0', "json", NULL, OPTION_ON, as_json, "print one JSON object instead of text"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger topo [OPTION]...\n\n"
           "Says what this machine, or another one, would give a run: slots (cores that may be used) in the order in\n"
           "which they are numbered, memory, GPUs, and what limits them.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 printed; 2 usage or a machine that makes no sense; 3 hwloc fails.\n");
}

/* A graph of as many tasks as could run at once. */
static struct graph *make_tasks(uint32_t n_cores, uint32_t n)
{
    static const struct task_setting setting = {.env = ""};
    const struct task_resources wants = {.cores = n_cores, .nodes = 1, .ranks = 1};
    struct ganger_error err = {0};
    struct graph *g = graph_new();
    struct task task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &setting};

    task.resource_class = graph_intern_resources(g, &wants);
    for (uint32_t i = 0; i < n; i++) {
        char *id = xasprintf("%u", i);

        task.id = arena_text(&g->text, id, strlen(id));
        graph_add_task(g, &task);
        free(id);
    }
    graph_seal(g, &err); /* there are no edges that could be wrong */
    return g;
}

/* Asks the scheduler itself. */
static void place(struct topo_placements *p, uint32_t n_cores, uint32_t n_slots)
{
    struct graph *g = make_tasks(n_cores, n_slots / n_cores);
    struct sched *sched = sched_new(g);
    struct placement placement;

    p->n_cores = n_cores;
    p->slots = xcalloc((size_t)g->n_tasks * n_cores + 1, sizeof(*p->slots));
    sched_add_node(sched, 0, &(struct sched_node){0});
    for (uint32_t slot = 0; slot < n_slots; slot++)
        sched_add_worker(sched, slot + 1, 0, (uint16_t)slot);
    sched_begin(sched);
    while (sched_next(sched, &placement))
        memcpy(p->slots + (size_t)p->n++ * n_cores, placement.slots, n_cores * sizeof(*p->slots));
    sched_free(sched);
    graph_free(g);
}

static int print(const struct topo_options *o, struct binding *b, struct ganger_error *err)
{
    struct binding_report report;
    struct topo_view view = {.report = &report,
                             .n_slots = binding_n_slots(b),
                             .n_workers = o->n_workers,
                             .each_slot = o->each_slot,
                             .is_here = o->synthetic == NULL && o->xml == NULL};
    uint32_t n_places = o->n_workers != 0 ? o->n_workers : view.n_slots;

    if (binding_report_make(&report, b, err) != 0)
        return -1;
    if (o->n_cores > 0)
        place(&view.placements, o->n_cores, n_places < UINT16_MAX ? n_places : UINT16_MAX);
    (o->as_json ? topo_print_json : topo_print_text)(&view);
    binding_report_release(&report);
    free(view.placements.slots);
    return 0;
}

static int read_and_print(int argc, char **argv, struct ganger_error *err)
{
    struct topo_options o = {.n_workers = 0};
    int first = options_read(rows, N_ROWS, &o, argc, argv, err), status;
    struct binding_machine machine;
    struct binding *b;

    if (first < 0)
        return -1;
    if (o.help) {
        print_help();
        return 0;
    }
    if (first < argc)
        return error_set(err, ERROR_USAGE,
                         "topo is about a machine, not about \"%s\"; --xml FILE takes one that lstopo described",
                         argv[first]);
    if (o.synthetic != NULL && o.xml != NULL)
        return error_set(err, ERROR_USAGE, "--synthetic or --xml, not both: each is a machine of its own");
    machine = (struct binding_machine){o.synthetic, o.xml};
    b = o.synthetic != NULL || o.xml != NULL ? binding_open_machine(&machine, err) : binding_open(err);
    if (b == NULL)
        return -1;
    status = print(&o, b, err);
    binding_close(b);
    return status;
}

int cmd_topo(int argc, char **argv)
{
    struct ganger_error err = {.cause = ERROR_NONE};

    if (read_and_print(argc, argv, &err) != 0)
        log_error("%s", err.text);
    return error_exit_status(&err);
}
