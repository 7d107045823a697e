/* ganger: a function for each task; its inputs are the results of those it waits for.
 *
 *   taskbench-ganger run [OPTION of ganger run]... -- [OPTION of taskbench]...
 *
 * e.g. `taskbench-ganger run -n 2 --quiet -- --pattern fft --width 4`, or with `--backend thread`. All trials are one
 * workflow: where the words after "--" ask for several, they run at the same time, and the time is that of all. */
#include "base/alloc.h"
#include "ganger.h"
#include "taskbench/arguments.h"

#include <stdlib.h>
#include <string.h>

#define MOST_WORKERS 4096

/* What functions of one worker work with; one runs at a time. */
struct worker
{
    struct kernel_room *kernel;
    const void **inputs;
};

/* Known alike on all ranks: they have the same command line. */
struct state
{
    struct arguments arguments;
    struct trial *trials;
    int n_trials;
    struct worker workers[MOST_WORKERS]; /* by number, made by the first function */
};

/* A task's payload. */
struct work
{
    int trial;
    struct payload_origin task;
};

static struct worker *worker_of(struct state *state, const struct ganger_call *call)
{
    uint32_t number = ganger_call_worker(call);
    struct worker *worker;

    if (number >= MOST_WORKERS)
        return NULL;
    worker = &state->workers[number];
    if (worker->kernel == NULL) {
        int width = state->arguments.pattern.width; /* of all trials */

        worker->kernel = kernel_room_new(&state->arguments.kernel);
        worker->inputs = xcalloc((size_t)width, sizeof(*worker->inputs));
    }
    return worker;
}

/* The results that it waits for, in the order in which they were declared: that of plan_inputs. */
static int find_inputs(struct ganger_call *call, const struct trial *trial, const struct work *work,
                       const void **inputs)
{
    size_t n = ganger_call_n_dependencies(call);
    int n_wanted;

    plan_inputs(&trial->plan, work->task.step, work->task.column, &n_wanted);
    if (n != (size_t)n_wanted)
        return ganger_call_fail(call, "%zu inputs, not %d", n, n_wanted);
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes;

        inputs[i] = ganger_call_dependency(call, i, &n_bytes);
        if (n_bytes != trial->n_bytes)
            return ganger_call_fail(call, "input %zu has %zu bytes, not %zu", i, n_bytes, trial->n_bytes);
    }
    return 0;
}

static int run_task(struct ganger_call *call)
{
    struct state *state = ganger_call_data(call);
    struct worker *worker = worker_of(state, call);
    struct ganger_error error = {0};
    size_t n_bytes;
    const struct work *work = ganger_call_payload(call, &n_bytes);
    const struct trial *trial;

    if (worker == NULL || n_bytes != sizeof(*work) || work->trial >= state->n_trials)
        return ganger_call_fail(call, "no such trial, or more than %d workers", MOST_WORKERS - 1);
    trial = &state->trials[work->trial];
    if (find_inputs(call, trial, work, worker->inputs) != 0)
        return 1;
    void *output = ganger_call_reserve(call, trial->n_bytes);

    if (output == NULL)
        return ganger_call_fail(call, "--bytes %zu: results have %d at most", trial->n_bytes, GANGER_RESULT_MAX);
    if (trial_task(trial, work->task, worker->inputs, output, worker->kernel, &error) != 0)
        return ganger_call_fail(call, "%s", error.text);
    return 0;
}

/* ---- on the manager's rank ---- */

/* Tasks are added step by step, graphs and columns in turn, as an application would find them. `numbers` holds the
 * tasks of two steps: numbers[step % 2][graph * width + column]. */
static void add_step(struct ganger_workflow *w, const struct trial *trial, int i_trial, int step,
                     ganger_task_number *numbers[2])
{
    int width = trial->plan.pattern.width;
    int first;
    int n_columns = plan_step_width(&trial->plan, step, &first);
    ganger_task_number *after = xcalloc((size_t)width, sizeof(*after));

    for (int graph = 0; graph < trial->n_graphs; graph++) {
        for (int column = first; column < first + n_columns; column++) {
            struct work work = {i_trial, {graph, step, column}};
            int n;
            const int *columns = plan_inputs(&trial->plan, step, column, &n);

            for (int i = 0; i < n; i++)
                after[i] = numbers[(step + 1) % 2][graph * width + columns[i]];
            numbers[step % 2][graph * width + column] = ganger_workflow_add(
                w, &(struct ganger_task){.function = "task", .payload = &work, .n_payload_bytes = sizeof(work),
                                         .after = after, .n_after = (size_t)n});
        }
    }
    free(after);
}

static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    const struct state *state = data;

    (void)argc; /* `main` has read them */
    (void)argv;
    for (int i = 0; i < state->n_trials; i++) {
        const struct trial *trial = &state->trials[i];
        size_t n = (size_t)trial->n_graphs * (size_t)trial->plan.pattern.width;
        ganger_task_number *numbers[2] = {xcalloc(n, sizeof(*numbers[0])), xcalloc(n, sizeof(*numbers[1]))};

        for (int step = 0; step < trial->plan.pattern.n_steps; step++)
            add_step(w, trial, i, step, numbers);
        free(numbers[0]);
        free(numbers[1]);
    }
    return 0;
}

/* The outputs of the last step, which no task reads, are verified here. */
static int check_last_step(const struct ganger_run *run, const struct trial *trial, uint32_t first_task)
{
    int step = trial->plan.pattern.n_steps - 1;
    int first;
    int n_columns = plan_step_width(&trial->plan, step, &first);
    uint32_t task = first_task + (uint32_t)(trial_n_tasks(trial) - (size_t)(n_columns * trial->n_graphs));
    char text[256];

    for (int graph = 0; graph < trial->n_graphs; graph++) {
        for (int column = first; column < first + n_columns; column++, task++) {
            size_t n;
            const void *bytes = ganger_run_result(run, task, &n);

            if (bytes == NULL || n != trial->n_bytes ||
                payload_check(bytes, n, (struct payload_origin){graph, step, column}, text, sizeof(text)) != 0) {
                fprintf(stderr, "taskbench-ganger: %s: result of %s: %s\n", pattern_name(trial->plan.pattern.kind),
                        ganger_run_id(run, task), bytes == NULL || n != trial->n_bytes ? "not there" : text);
                return -1;
            }
        }
    }
    return 0;
}

static int finished(const struct ganger_run *run, void *data)
{
    const struct state *state = data;
    uint32_t task = 0;

    for (int i = 0; i < state->n_trials; i++) {
        struct trial *trial = &state->trials[i];
        struct outcome outcome = {.elapsed_s = ganger_run_makespan_s(run)};
        uint32_t first_task = task;

        for (; task < first_task + trial_n_tasks(trial); task++)
            outcome.n_tasks += ganger_run_status(run, task) == GANGER_DONE;
        if (outcome.n_tasks != trial_n_tasks(trial) || check_last_step(run, trial, first_task) != 0)
            return 3;
        trial->n_workers = (int)ganger_run_n_workers(run);
        outcome.n_cores = state->arguments.n_cores > 0 ? state->arguments.n_cores : trial->n_workers;
        trial_report(trial, "ganger", &outcome, stdout);
    }
    return 0;
}

/* What stands behind "--" is for taskbench. */
static int read_words(struct state *state, int argc, char **argv, struct ganger_error *err)
{
    int i = 1;

    while (i < argc && strcmp(argv[i], "--") != 0)
        i++;
    if (arguments_read(&state->arguments, i < argc ? argc - i : 1, i < argc ? argv + i : argv, 1, err) != 0)
        return -1;
    state->n_trials = arguments_n_trials(&state->arguments);
    state->trials = xcalloc((size_t)state->n_trials, sizeof(*state->trials));
    for (i = 0; i < state->n_trials; i++)
        arguments_trial(&state->arguments, i, &state->trials[i]);
    return 0;
}

static void state_free(struct state *state)
{
    for (int i = 0; i < state->n_trials; i++)
        plan_release(&state->trials[i].plan);
    for (int i = 0; i < MOST_WORKERS; i++) {
        kernel_room_free(state->workers[i].kernel);
        free(state->workers[i].inputs);
    }
    free(state->trials);
    free(state);
}

int main(int argc, char **argv)
{
    static const struct ganger_function functions[] = {{"task", run_task, 0}, {NULL, NULL, 0}};
    struct state *state = xcalloc(1, sizeof(*state));
    struct ganger_program program = {.functions = functions, .build = build, .finished = finished, .data = state};
    struct ganger_error error = {0};
    int status = 2;

    if (read_words(state, argc, argv, &error) == 0)
        status = ganger_program_main(argc, argv, &program);
    else
        fprintf(stderr, "taskbench-ganger: %s\n", error.text);
    state_free(state);
    return status;
}
