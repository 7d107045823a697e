/* serial: the loop that one would write by hand, on one core. */
#include "base/alloc.h"
#include "base/clock.h"
#include "taskbench/implementation.h"
#include "taskbench/slots.h"

#include <stdlib.h>

static size_t run_step(const struct slots *slots, int step, const void **inputs, struct kernel_room *kernel)
{
    int first;
    int width = plan_step_width(&slots->trial->plan, step, &first);

    for (int graph = 0; graph < slots->trial->n_graphs; graph++) {
        for (int column = first; column < first + width; column++)
            slots_run(slots, (struct payload_origin){graph, step, column}, inputs, kernel);
    }
    return (size_t)width * (size_t)slots->trial->n_graphs;
}

static int run(void *data, const struct trial *trial, struct outcome *outcome, struct ganger_error *err)
{
    struct kernel_room *kernel = kernel_room_new(&trial->kernel);
    const void **inputs = xcalloc((size_t)trial->plan.pattern.width, sizeof(*inputs));
    struct slots slots;

    (void)data;
    if (trial->n_workers != 1)
        return error_set(err, ERROR_USAGE, "--workers %d: one by one is --workers 1", trial->n_workers);
    slots_init(&slots, trial, 2);
    double start_s = clock_now_s();

    for (int step = 0; step < trial->plan.pattern.n_steps; step++)
        outcome->n_tasks += run_step(&slots, step, inputs, kernel);
    outcome->elapsed_s = clock_now_s() - start_s;
    slots_release(&slots);
    free(inputs);
    kernel_room_free(kernel);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct implementation serial = {"serial", run};

    return implementation_run(&serial, NULL, argc, argv, 1, true);
}
