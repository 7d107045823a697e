/* starpu: StarPU 1.3; a task for each task, ordered by the data handles it reads and writes. The main thread makes
 * the tasks, and does none. */
#include "base/alloc.h"
#include "base/clock.h"
#include "taskbench/implementation.h"
#include "taskbench/slots.h"

#include <starpu.h>
#include <stdlib.h>
#include <string.h>

/* Steps that may be under way: a slot is filled again when its readers are through. */
#define N_KEPT 8

struct team
{
    struct slots slots;
    starpu_data_handle_t *handles; /* by slot */
    struct worker *workers;
};

/* One worker's own, on a cache line of its own. */
struct worker
{
    _Alignas(64) struct kernel_room *kernel;
    size_t n_tasks;
};

struct work
{
    struct team *team;
    struct payload_origin task;
};

/* buffers[0] is the output, then the inputs as plan_inputs gives them. */
static void run_task(void *buffers[], void *argument)
{
    const struct work *work = argument;
    const struct trial *trial = work->team->slots.trial;
    struct worker *self = &work->team->workers[starpu_worker_get_id_check()];
    int n;
    const void *inputs[STARPU_NMAXBUFS];
    const void **all = inputs;

    plan_inputs(&trial->plan, work->task.step, work->task.column, &n);
    if (n > STARPU_NMAXBUFS)
        all = xcalloc((size_t)n, sizeof(*all));
    for (int i = 0; i < n; i++)
        all[i] = (const void *)STARPU_VARIABLE_GET_PTR(buffers[i + 1]);
    trial_task_or_die(trial, work->task, all, (void *)STARPU_VARIABLE_GET_PTR(buffers[0]),
                      self->kernel);
    if (all != inputs)
        free(all);
    self->n_tasks++;
}

static struct starpu_codelet codelet = {
    .cpu_funcs = {run_task},
    .nbuffers = STARPU_VARIABLE_NBUFFERS,
    .name = "task",
};

/* Many inputs do not fit into a task of StarPU; arrays of our making take their place, which it frees. */
static void set_buffers(const struct team *team, struct starpu_task *task, struct payload_origin at)
{
    int n;
    const int *columns = plan_inputs(&team->slots.trial->plan, at.step, at.column, &n);

    task->nbuffers = n + 1;
    if (task->nbuffers > STARPU_NMAXBUFS) {
        task->dyn_handles = xcalloc((size_t)task->nbuffers, sizeof(*task->dyn_handles));
        task->dyn_modes = xcalloc((size_t)task->nbuffers, sizeof(*task->dyn_modes));
    }
    STARPU_TASK_SET_HANDLE(task, team->handles[slots_index(&team->slots, at.graph, at.step, at.column)], 0);
    STARPU_TASK_SET_MODE(task, STARPU_W, 0);
    for (int i = 0; i < n; i++) {
        size_t slot = slots_index(&team->slots, at.graph, at.step - 1, columns[i]);

        STARPU_TASK_SET_HANDLE(task, team->handles[slot], i + 1);
        STARPU_TASK_SET_MODE(task, STARPU_R, i + 1);
    }
}

static int submit(struct work *work)
{
    struct starpu_task *task = starpu_task_create();

    task->cl = &codelet;
    task->cl_arg = work;
    task->cl_arg_size = sizeof(*work);
    set_buffers(work->team, task, work->task);
    return starpu_task_submit(task);
}

static int submit_all(struct team *team, struct work *works)
{
    const struct trial *trial = team->slots.trial;
    int status = 0;

    for (int step = 0; step < trial->plan.pattern.n_steps; step++) {
        int first;
        int width = plan_step_width(&trial->plan, step, &first);

        for (int graph = 0; graph < trial->n_graphs; graph++) {
            for (int column = first; status == 0 && column < first + width; column++) {
                *works = (struct work){team, {graph, step, column}};
                status = submit(works++);
            }
        }
    }
    return status;
}

static void team_init(struct team *team, const struct trial *trial)
{
    slots_init(&team->slots, trial, N_KEPT);
    team->handles = xcalloc(slots_count(&team->slots), sizeof(*team->handles));
    for (size_t i = 0; i < slots_count(&team->slots); i++) {
        starpu_variable_data_register(&team->handles[i], STARPU_MAIN_RAM,
                                      (uintptr_t)slots_bytes(&team->slots, i), trial->n_bytes);
    }
    team->workers = aligned_alloc(64, (size_t)trial->n_workers * sizeof(*team->workers));
    if (team->workers == NULL)
        abort();
    for (int i = 0; i < trial->n_workers; i++)
        team->workers[i] = (struct worker){.kernel = kernel_room_new(&trial->kernel)};
}

static void team_release(struct team *team)
{
    for (size_t i = 0; i < slots_count(&team->slots); i++)
        starpu_data_unregister(team->handles[i]);
    for (int i = 0; i < team->slots.trial->n_workers; i++)
        kernel_room_free(team->workers[i].kernel);
    free(team->workers);
    free(team->handles);
    slots_release(&team->slots);
}

/* Starts StarPU, unless it has been for an earlier trial: it takes a tenth of a second. */
static int start_starpu(bool *is_started, int n_workers, struct ganger_error *err)
{
    struct starpu_conf conf;
    int status;

    if (*is_started)
        return 0;
    starpu_conf_init(&conf);
    conf.ncpus = n_workers;
    conf.ncuda = 0;
    conf.nopencl = 0;
    status = starpu_init(&conf);
    if (status != 0)
        return error_set(err, ERROR_SYSTEM, "starpu_init: %s", strerror(-status));
    if ((int)starpu_cpu_worker_get_count() != n_workers) {
        unsigned n = starpu_cpu_worker_get_count();

        starpu_shutdown();
        return error_set(err, ERROR_SYSTEM, "StarPU gives %u workers, not %d: are there so many cores?", n, n_workers);
    }
    *is_started = true;
    return 0;
}

static int run(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err)
{
    struct work *works = xcalloc(trial_n_tasks(trial), sizeof(*works));
    struct team team;
    int status;

    if (start_starpu(data, trial->n_workers, err) != 0) {
        free(works);
        return -1;
    }
    team_init(&team, trial);
    double start_s = clock_now_s();

    status = submit_all(&team, works);
    starpu_task_wait_for_all();
    outcome->elapsed_s = clock_now_s() - start_s;
    for (int i = 0; i < trial->n_workers; i++)
        outcome->n_tasks += team.workers[i].n_tasks;
    team_release(&team);
    free(works);
    if (status != 0)
        return error_set(err, ERROR_SYSTEM, "starpu_task_submit: %s", strerror(-status));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct implementation starpu = {"starpu", run};
    bool is_started = false;
    int status;

    setenv("STARPU_SILENT", "1", 0);
    status = implementation_run(&starpu, &is_started, argc, argv, 1, true);
    if (is_started)
        starpu_shutdown();
    return status;
}
