#include "ganger_parts.h"

#include <string.h>

uint32_t ganger_run_n_tasks(const struct ganger_run *run)
{
    return run->graph->n_tasks;
}

ganger_task_number ganger_run_find(const struct ganger_run *run, const char *id)
{
    return graph_find(run->graph, id, strlen(id));
}

const char *ganger_run_id(const struct ganger_run *run, ganger_task_number task)
{
    return task < run->graph->n_tasks && run->graph->tasks[task].id != NULL ? run->graph->tasks[task].id : "";
}

enum ganger_status ganger_status_of(enum task_state state)
{
    switch (state) {
    case STATE_DONE: return GANGER_DONE;
    case STATE_FAILED: return GANGER_FAILED;
    case STATE_SKIPPED: return GANGER_SKIPPED;
    case STATE_NOT_NEEDED: return GANGER_NOT_NEEDED;
    default: return GANGER_NOT_RUN;
    }
}

enum ganger_status ganger_run_status(const struct ganger_run *run, ganger_task_number task)
{
    return task < run->graph->n_tasks ? ganger_status_of((enum task_state)run->states[task]) : GANGER_NOT_RUN;
}

const void *ganger_run_result(const struct ganger_run *run, ganger_task_number task, size_t *n_bytes)
{
    const struct result *result =
        run->results != NULL && task < run->graph->n_tasks ? results_of(run->results, task) : NULL;

    *n_bytes = result != NULL ? result->n : 0;
    return result != NULL ? result->bytes : NULL;
}

double ganger_run_makespan_s(const struct ganger_run *run)
{
    return run->makespan_s;
}

uint32_t ganger_run_n_workers(const struct ganger_run *run)
{
    return run->n_workers;
}

int ganger_run_exit_status(const struct ganger_run *run)
{
    return run->exit_status;
}
