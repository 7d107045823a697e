/* Feeds what reads tasks that a function adds: definitions, one after the other, each behind its length, as they stand
 * in a CALLED and in a journal. Built by CMake with -DGANGER_FUZZ=ON (clang). */
#include "ganger_add.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct graph *new_graph(void)
{
    struct graph *g = graph_new();
    uint16_t f = graph_intern_function(g, "f", 1);

    graph_add_task(g, &(struct task){.id = "adder", .argv = "", .n_argv = 1, .function = f});
    graph_add_task(g, &(struct task){.id = "other", .argv = "", .n_argv = 1, .function = f});
    if (graph_seal(g, NULL) != 0)
        abort();
    return g;
}

/* What is appended waits for what was there before, and for its adder. */
static void check(const struct graph *g, task_id task)
{
    if (g->n_parents[task] == 0)
        abort();
    for (uint64_t i = g->parent_first[task]; i < g->parent_first[task + 1]; i++)
        if (g->parents[i] >= task)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct graph *g = new_graph();
    struct cursor c = cursor_over(bytes, n);
    struct ganger_error err = {0};
    struct added_task added;
    task_id task;

    while (added_read(g, NULL, &c, &added, &err) == 0) {
        if (!added_is_new(g, &added, 0, &err))
            continue;
        task = added_append(g, &added, 0);
        if (task != TASK_NONE)
            check(g, task);
    }
    graph_compact(g);
    graph_free(g);
    return 0;
}
