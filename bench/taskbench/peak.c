/* peak: what an iteration of a kernel takes where nothing else is done: the peak that efficiency is a part of.
 *
 *   taskbench-peak [--kernel compute|memory] [--workers N]
 *
 * N threads, each bound to one of the cores that this process may use, run the kernel at the same time, twenty
 * times for about 5 ms. Prints "peak N_WORKERS SECONDS": of each thread the best, of all threads the mean. */
#include "base/clock.h"
#include "taskbench/arguments.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_ROUNDS 20
#define ROUND_S 0.005

struct thread
{
    pthread_t id;
    const struct kernel *kernel;
    pthread_barrier_t *start;
    int core; /* -1: there are not so many */
    double iteration_s;
};

static double time_of(const struct kernel *kernel, struct kernel_room *room)
{
    double start_s = clock_now_s();

    kernel_run(kernel, room);
    return clock_now_s() - start_s;
}

static void *measure(void *data)
{
    struct thread *self = data;
    struct kernel_room *room = kernel_room_new(self->kernel);
    struct kernel kernel = {.kind = self->kernel->kind, .n_iterations = 16};

    if (self->core >= 0) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(self->core, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    while (time_of(&kernel, room) < ROUND_S)
        kernel.n_iterations *= 2;
    pthread_barrier_wait(self->start);
    for (int i = 0; i < N_ROUNDS; i++) {
        double iteration_s = time_of(&kernel, room) / (double)kernel.n_iterations;

        if (i == 0 || iteration_s < self->iteration_s)
            self->iteration_s = iteration_s;
    }
    kernel_room_free(room);
    return NULL;
}

/* The n-th core that this process may use, or -1. */
static int usable_core(int n)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return -1;
    for (int core = 0; core < CPU_SETSIZE; core++) {
        if (CPU_ISSET(core, &set) && n-- == 0)
            return core;
    }
    return -1;
}

static double measure_all(const struct kernel *kernel, int n)
{
    struct thread *threads = calloc((size_t)n, sizeof(*threads));
    pthread_barrier_t start;
    double sum_s = 0;

    if (threads == NULL || pthread_barrier_init(&start, NULL, (unsigned)n) != 0)
        abort();
    for (int i = 0; i < n; i++) {
        threads[i] = (struct thread){.kernel = kernel, .start = &start, .core = usable_core(i)};
        if (pthread_create(&threads[i].id, NULL, measure, &threads[i]) != 0) {
            fprintf(stderr, "taskbench-peak: cannot start thread %d of %d\n", i + 1, n);
            _exit(3);
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i].id, NULL);
        sum_s += threads[i].iteration_s;
    }
    pthread_barrier_destroy(&start);
    free(threads);
    return sum_s / n;
}

int main(int argc, char **argv)
{
    struct ganger_error error = {0};
    struct arguments arguments;

    if (arguments_read(&arguments, argc, argv, 1, &error) == 0 && arguments.kernel.kind == KERNEL_EMPTY)
        arguments.kernel.kind = KERNEL_COMPUTE;
    if (error.cause != ERROR_NONE) {
        fprintf(stderr, "taskbench-peak: %s\n", error.text);
        return error_exit_status(&error);
    }
    printf("peak %d %.12g\n", arguments.n_workers, measure_all(&arguments.kernel, arguments.n_workers));
    return 0;
}
