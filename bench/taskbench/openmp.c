/* openmp: a task for each task, ordered by `depend`. One thread makes them while all run them.
 *
 * Each task has an address of its own to depend on, and waits for those whose output it reads, and for those that read
 * what was in its slot before. Depending on the slots themselves would say the same; but GCC's library keeps, for an
 * address, all tasks that have not ended, so that it became slower with every task. */
#include "base/alloc.h"
#include "base/clock.h"
#include "taskbench/implementation.h"
#include "taskbench/slots.h"

#include <omp.h>
#include <stdlib.h>

/* Steps that may be under way: a slot is filled again when its readers are through. */
#define N_KEPT 8

/* One thread's own, on a cache line of its own. */
struct thread
{
    _Alignas(64) struct kernel_room *kernel;
    const void **inputs;
    size_t n_tasks;
};

struct team
{
    struct slots slots;
    struct thread *threads;
    char *names; /* one byte for each task, and one for none: what `depend` compares */
};

static void run_task(const struct team *team, struct payload_origin task)
{
    struct thread *self = &team->threads[omp_get_thread_num()];

    slots_run(&team->slots, task, self->inputs, self->kernel);
    self->n_tasks++;
}

/* The name of column 0 of a step, were it there: names[that + column]. */
static long names_of(const struct team *team, int graph, int step)
{
    const struct plan *plan = &team->slots.trial->plan;

    return (long)((size_t)graph * plan->n_tasks + plan->first_task[step]) - plan->first_column[step];
}

static void submit(const struct team *team, int graph, int step, int column)
{
    const struct plan *plan = &team->slots.trial->plan;
    int n;
    int n_readers = 0;
    const int *columns = plan_inputs(plan, step, column, &n);
    const int *readers = NULL;
    char *names = team->names;
    char *own = &names[names_of(team, graph, step) + column];
    char *earlier = &names[trial_n_tasks(team->slots.trial)]; /* who had the slot: at first nobody */
    long before = step == 0 ? 0 : names_of(team, graph, step - 1);
    long reading = 0;

    if (plan_has(plan, step - N_KEPT, column)) {
        readers = plan_outputs(plan, step - N_KEPT, column, &n_readers);
        reading = names_of(team, graph, step - N_KEPT + 1);
        earlier = &names[names_of(team, graph, step - N_KEPT) + column];
    }
    (void)columns, (void)readers, (void)before, (void)reading, (void)earlier, (void)own; /* `depend` uses them */
#pragma omp task firstprivate(team, graph, step, column) \
    depend(iterator(int i = 0 : n), in : names[before + columns[i]]) \
    depend(iterator(int i = 0 : n_readers), in : names[reading + readers[i]]) depend(in : *earlier) depend(out : *own)
    run_task(team, (struct payload_origin){graph, step, column});
}

static void submit_all(const struct team *team)
{
    const struct trial *trial = team->slots.trial;

    for (int step = 0; step < trial->plan.pattern.n_steps; step++) {
        int first;
        int width = plan_step_width(&trial->plan, step, &first);

        for (int graph = 0; graph < trial->n_graphs; graph++) {
            for (int column = first; column < first + width; column++)
                submit(team, graph, step, column);
        }
    }
}

static void team_init(struct team *team, const struct trial *trial)
{
    slots_init(&team->slots, trial, N_KEPT);
    team->names = xcalloc(trial_n_tasks(trial) + 1, 1);
    team->threads = aligned_alloc(64, (size_t)trial->n_workers * sizeof(*team->threads));
    if (team->threads == NULL)
        abort();
    for (int i = 0; i < trial->n_workers; i++) {
        team->threads[i] = (struct thread){
            .kernel = kernel_room_new(&trial->kernel),
            .inputs = xcalloc((size_t)trial->plan.pattern.width, sizeof(*team->threads[i].inputs)),
        };
    }
}

static void team_release(struct team *team, int n)
{
    for (int i = 0; i < n; i++) {
        kernel_room_free(team->threads[i].kernel);
        free(team->threads[i].inputs);
    }
    free(team->threads);
    free(team->names);
    slots_release(&team->slots);
}

static int run(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err)
{
    struct team team;
    double start_s = 0;
    int n_threads = 0;

    (void)data;
    team_init(&team, trial);
#pragma omp parallel num_threads(trial->n_workers) proc_bind(close)
    {
#pragma omp barrier
#pragma omp single
        {
            n_threads = omp_get_num_threads();
            start_s = clock_now_s();
            submit_all(&team);
#pragma omp taskwait
            outcome->elapsed_s = clock_now_s() - start_s;
        }
    }
    for (int i = 0; i < trial->n_workers; i++)
        outcome->n_tasks += team.threads[i].n_tasks;
    team_release(&team, trial->n_workers);
    if (n_threads != trial->n_workers) {
        return error_set(err, ERROR_SYSTEM, "OpenMP gave %d threads, not %d; is OMP_THREAD_LIMIT or OMP_DYNAMIC set?",
                         n_threads, trial->n_workers);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct implementation openmp = {"openmp", run};

    return implementation_run(&openmp, NULL, argc, argv, 1, true);
}
