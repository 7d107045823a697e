#include "launch/run_parts.h"

#include "base/alloc.h"
#include "core/sched.h"
#include "io/journal.h"
#include "launch/run_added.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_task(const struct task *task)
{
    const char *word = task->argv;
    bool is_shell = task->n_argv == 3 && strcmp(word, "/bin/sh") == 0 && strcmp(word + 8, "-c") == 0;

    printf("%s:", task->id);
    if (task_is_call(task)) {
        printf(" function, %u bytes\n", task->n_argv_bytes);
        return;
    }
    for (uint32_t i = 0; i < task->n_argv; i++, word += strlen(word) + 1)
        if (!is_shell || i == 2)
            printf(" %s", word);
    putchar('\n');
}

/* Tasks in the order in which one worker would run them. */
static void print_order(const struct graph *graph, const bool *is_done)
{
    static const struct sched_node all_gpus = {.n_gpus = UINT16_MAX};
    struct sched *sched = sched_new(graph);
    struct placement p;

    sched_add_node(sched, 0, &all_gpus);
    for (uint32_t slot = 0; slot < UINT16_MAX && (slot == 0 || sched_find_unplaceable(sched) != TASK_NONE); slot++)
        sched_add_worker(sched, slot + 1, 0, (uint16_t)slot);
    for (task_id t = 0; is_done != NULL && t < graph->n_tasks; t++)
        if (is_done[t])
            sched_keep(sched, t);
    sched_begin(sched);
    while (sched_next(sched, &p)) {
        print_task(&graph->tasks[p.task]);
        sched_finish(sched, p.task, STATE_DONE, NAN);
    }
    sched_free(sched);
}

int run_print_dry(const struct run_options *options, char **command, struct ganger_error *err)
{
    struct workflow workflow = {0};
    struct journal_past past = {0};
    char *run_dir = run_choose_dir(options), *journal = xasprintf("%s/journal.jsonl", run_dir);
    int status = run_load_flow(options, &workflow, err);

    if (status == 0 && options->resume)
        status = run_added_recover(AT_FDCWD, journal, workflow.graph, run_is_by_content(options), &past, err);
    free(run_dir);
    free(journal);
    if (status < 0) {
        workflow_release(&workflow);
        return -1;
    }
    printf("#");
    for (char **word = command; *word != NULL; word++)
        if (strcmp(*word, "--dry-run") != 0)
            printf(" %s", *word);
    printf("\n# %u tasks, in the order in which one worker would run them:\n",
           workflow.graph->n_tasks - workflow.graph->n_joins - past.n_done);
    if (past.reuse != NULL && reuse_n_candidates(past.reuse) > 0)
        printf("# of them, %u were done, and run only if their inputs have changed:\n",
               reuse_n_candidates(past.reuse));
    print_order(workflow.graph, past.is_done);
    journal_past_release(&past);
    workflow_release(&workflow);
    return 0;
}
