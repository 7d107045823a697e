#include "taskbench/implementation.h"

#include "taskbench/arguments.h"

static int run_one(const struct implementation *how, void *data, const struct trial *trial, int n_cores, bool prints,
                   struct ganger_error *err)
{
    struct outcome outcome = {.n_cores = n_cores > 0 ? n_cores : trial->n_workers};

    if (how->run(data, trial, &outcome, err) != 0)
        return -1;
    if (!prints) /* what ran elsewhere is known to whoever prints */
        return 0;
    if (outcome.n_tasks != trial_n_tasks(trial)) {
        return error_set(err, ERROR_SYSTEM, "%s: %zu tasks ran, not %zu",
                         pattern_name(trial->plan.pattern.kind), outcome.n_tasks, trial_n_tasks(trial));
    }
    trial_report(trial, how->name, &outcome, stdout);
    return 0;
}

int implementation_run(const struct implementation *how, void *data, int argc, char **argv, int n_workers,
                       bool prints)
{
    struct ganger_error error = {0};
    struct arguments arguments;
    int status = arguments_read(&arguments, argc, argv, n_workers, &error);

    for (int i = 0; status == 0 && i < arguments_n_trials(&arguments); i++) {
        struct trial trial;

        arguments_trial(&arguments, i, &trial);
        status = run_one(how, data, &trial, arguments.n_cores, prints, &error);
        plan_release(&trial.plan);
    }
    if (status != 0)
        fprintf(stderr, "taskbench-%s: %s\n", how->name, error.text);
    return error_exit_status(&error);
}
