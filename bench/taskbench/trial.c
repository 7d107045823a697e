#include "taskbench/trial.h"

#include <unistd.h>

size_t trial_n_tasks(const struct trial *trial)
{
    return trial->plan.n_tasks * (size_t)trial->n_graphs;
}

/* The last byte of a task in the midst of the last graph. */
static bool is_spoilt(const struct trial *trial, struct payload_origin task)
{
    int step = trial->plan.pattern.n_steps / 2;

    return trial->spoil && task.graph == trial->n_graphs - 1 && task.step == step &&
           task.column == trial->plan.first_column[step];
}

int trial_task(const struct trial *trial, struct payload_origin task, const void *const *inputs, void *output,
               struct kernel_room *room, struct ganger_error *err)
{
    int n;
    const int *columns = plan_inputs(&trial->plan, task.step, task.column, &n);
    char text[256];

    for (int i = 0; i < n; i++) {
        struct payload_origin from = {task.graph, task.step - 1, columns[i]};

        if (payload_check(inputs[i], trial->n_bytes, from, text, sizeof(text)) != 0) {
            return error_set(err, ERROR_SYSTEM, "%s, graph %d, step %d, column %d: input %d of %d is wrong: %s",
                             pattern_name(trial->plan.pattern.kind), task.graph, task.step, task.column, i, n,
                             text);
        }
    }
    kernel_run(&trial->kernel, room);
    payload_write(output, trial->n_bytes, task);
    if (is_spoilt(trial, task))
        ((char *)output)[trial->n_bytes - 1] ^= 1;
    return 0;
}

void trial_task_or_die(const struct trial *trial, struct payload_origin task, const void *const *inputs,
                       void *output, struct kernel_room *room)
{
    struct ganger_error error = {0};

    if (trial_task(trial, task, inputs, output, room, &error) != 0) {
        fprintf(stderr, "taskbench: %s\n", error.text);
        _exit(3); /* at once: other threads and ranks are in the midst of theirs */
    }
}

void trial_report(const struct trial *trial, const char *implementation, const struct outcome *outcome, FILE *to)
{
    const struct pattern *p = &trial->plan.pattern;

    fprintf(to,
            "%s pattern %s width %d steps %d bytes %zu graphs %d kernel %s iterations %lld workers %d cores %d "
            "tasks %zu elapsed %.9f\n",
            implementation, pattern_name(p->kind), p->width, p->n_steps, trial->n_bytes, trial->n_graphs,
            kernel_name(trial->kernel.kind), (long long)trial->kernel.n_iterations, trial->n_workers,
            outcome->n_cores, outcome->n_tasks, outcome->elapsed_s);
    fflush(to);
}
