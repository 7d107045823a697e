/* Feeds documents to workflow_parse, and measures what is accepted. Built by CMake with -DGANGER_FUZZ=ON
 * (clang); by hand:
 *
 *   clang -D_GNU_SOURCE -Iruntime -g -O1 -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_workflow.c \
 *       runtime/io/workflow.c runtime/core/{graph,dependency,sweep,wildcard}.c runtime/base/?*.c \
 *       -ljansson -lxxhash -lm */
#include "io/workflow.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A `for` of a few bytes may rightly make 10^8 tasks, which is no place to look for mistakes: without
 * six digits it makes 10^5. */
static bool is_small_enough(const uint8_t *bytes, size_t n)
{
    size_t n_digits = 0;

    if (memmem(bytes, n, "for", 3) == NULL && memmem(bytes, n, "\\u", 2) == NULL)
        return true;
    for (size_t i = 0; i < n; i++)
        n_digits += isdigit(bytes[i]) != 0;
    return n_digits < 6;
}

/* What was accepted holds together. */
static void check(const struct workflow *w)
{
    struct graph_shape shape;
    const struct graph *g = w->graph;

    graph_measure(g, &shape);
    if (shape.n_tasks == 0 || shape.n_levels == 0 || shape.width > shape.n_tasks || w->name == NULL)
        abort();
    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task *task = &g->tasks[t];

        if (task_is_join(task))
            continue;
        if (graph_find(g, task->id, strlen(task->id)) != t || task->argv[task->n_argv_bytes - 1] != '\0' ||
            task->setting == NULL || task->resource_class >= g->n_resources)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct ganger_error err = {.cause = ERROR_NONE};
    struct workflow w;

    if (!is_small_enough(bytes, n))
        return 0;
    if (workflow_parse(&w, "input", (const char *)bytes, n, &err) == 0) {
        check(&w);
        workflow_release(&w);
    } else if (err.cause != ERROR_USAGE || err.text[0] == '\0') {
        abort();
    }
    return 0;
}
