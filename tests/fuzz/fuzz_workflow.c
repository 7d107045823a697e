/* Feeds documents to workflow_parse, and measures what is accepted. Built by CMake with -DGANGER_FUZZ=ON
 * (clang); by hand:
 *
 *   clang -D_GNU_SOURCE -Iruntime -g -O1 -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_workflow.c \
 *       runtime/io/workflow*.c runtime/core/{graph,dependency,file_table,sweep,wildcard}.c runtime/base/?*.c \
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

/* Do so many texts, each ended by a NUL, fill the bytes? */
static bool are_packed(const char *texts, uint32_t n, uint32_t n_bytes)
{
    uint32_t n_ends = 0;

    for (uint32_t i = 0; i < n_bytes; i++)
        n_ends += texts[i] == '\0';
    return n_ends == n && (n == 0) == (n_bytes == 0) && (n == 0 || texts[n_bytes - 1] == '\0');
}

static void check_setting(const struct task_setting *setting)
{
    const struct task_files *files = setting->files;

    if (!are_packed(setting->env, setting->n_env, setting->n_env_bytes) ||
        (setting->cwd != NULL && *setting->cwd == '\0'))
        abort();
    if (files == NULL)
        return;
    if (!are_packed(files->inputs, files->n_inputs, files->n_inputs_bytes) ||
        !are_packed(files->outputs, files->n_outputs, files->n_outputs_bytes) ||
        (files->stdin_path != NULL && *files->stdin_path == '\0') ||
        (files->stdout_path != NULL && *files->stdout_path == '\0') ||
        (files->stderr_path != NULL && *files->stderr_path == '\0'))
        abort();
}

static void check_resources(const struct graph *g, const struct task_resources *r)
{
    if (r->cores == 0 || r->nodes != 1 || r->ranks != 1 || r->queue >= g->n_queues ||
        (r->queue == 0 && r->tokens != 0) || r->tokens > g->queues[r->queue].tokens)
        abort();
    for (uint32_t i = 0; i < r->n_amounts; i++)
        if (r->amounts[i].resource >= g->n_named || r->amounts[i].n == 0 ||
            r->amounts[i].n > g->named[r->amounts[i].resource].n ||
            (i > 0 && r->amounts[i].resource <= r->amounts[i - 1].resource))
            abort();
}

static void check_task(const struct graph *g, const struct task *task)
{
    if (!are_packed(task->argv, task->n_argv, task->n_argv_bytes) || task->argv[0] == '\0' ||
        task->resource_class >= g->n_resources || task->policy >= g->n_policies || task->program >= g->n_programs ||
        !(g->policies[task->policy].timeout_s >= 0) || !(task->cost_s >= 0))
        abort();
    check_setting(task->setting);
}

/* What was accepted holds together. */
static void check(const struct workflow *w)
{
    struct graph_shape shape;
    const struct graph *g = w->graph;

    graph_measure(g, &shape);
    if (shape.n_tasks == 0 || shape.n_levels == 0 || shape.width > shape.n_tasks || w->name == NULL)
        abort();
    for (uint32_t class = 0; class < g->n_resources; class++)
        check_resources(g, &g->resources[class]);
    if (g->setup != NULL)
        check_task(g, g->setup);
    if (g->teardown != NULL)
        check_task(g, g->teardown);
    for (task_id t = 0; t < g->n_tasks; t++) {
        const struct task *task = &g->tasks[t];

        if (task_is_join(task))
            continue;
        if (graph_find(g, task->id, strlen(task->id)) != t)
            abort();
        check_task(g, task);
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
