/* functions: what a function that does nothing costs as a task, beside the same loop without scheduler and journal.
 *
 *     bench-functions [TASKS [BATCH [IN_FLIGHT]]]
 *     bench-functions run [OPTION of ganger run]... -- [TASKS [CHAINS]]
 *
 * The bare loop: one thread sends batches of numbers to another over memory, which calls a function for each and sends
 * them back; so many batches are in flight. Then a run of as many tasks with everything on, in the same process
 * (--backend thread, one worker), and a chain. Times are wall-clock; on a busy machine only the ratio means something,
 * and the CPU time, which is that of the whole process.
 *
 * The second form is one run, with any backend and number of workers: independent tasks or, side by side, chains.
 * Prints "workers N tasks N elapsed S": from the first start to the last end, in seconds. Then
 * `bench-functions verify RUN -- [TASKS [CHAINS]]` looks whether each task ran when it had to. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "ganger.h"
#include "io/comm.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile uint32_t n_called;

static void call_nothing(uint32_t number)
{
    (void)number;
    n_called++;
}

static int nothing(struct ganger_call *call)
{
    (void)call;
    return 0;
}

static const struct ganger_function functions[] = {{"nothing", nothing, 0}, {NULL, NULL, 0}};

/* ---- the bare loop ---- */

static void *serve(void *data)
{
    struct comm *comm = data;
    const char *bytes;
    uint32_t from;
    size_t n = 1;

    while (n > 0) {
        while (!comm_receive(comm, &from, &bytes, &n))
            comm_wait(comm, NULL, 0, INFINITY, NULL);
        for (size_t i = 0; i < n; i += sizeof(uint32_t))
            call_nothing((uint32_t)i);
        if (n > 0)
            comm_send(comm, 0, bytes, n, NULL);
    }
    comm_close(comm, false);
    return NULL;
}

static double run_bare_s(uint32_t n_tasks, uint32_t batch, uint32_t in_flight)
{
    uint32_t *numbers = xcalloc(batch, sizeof(*numbers)), n_sent = 0, n_back = 0, from;
    struct comm *ends[2];
    const char *bytes;
    pthread_t thread;
    double start_s;
    size_t n;

    if (comm_open_memory(ends, 2, NULL) < 0)
        exit(3);
    if (pthread_create(&thread, NULL, serve, ends[1]) != 0)
        exit(3);
    start_s = clock_now_s();
    ends[0]->spin_s = ends[1]->spin_s = 0.00003;
    for (uint32_t n_batches = (n_tasks + batch - 1) / batch; n_back < n_batches; n_back++) {
        while (n_sent < n_batches && n_sent - n_back < in_flight) {
            comm_send(ends[0], 1, numbers, batch * sizeof(*numbers), NULL);
            n_sent++;
        }
        while (!comm_receive(ends[0], &from, &bytes, &n))
            comm_wait(ends[0], NULL, 0, INFINITY, NULL);
    }
    start_s = clock_now_s() - start_s;
    comm_send(ends[0], 1, numbers, 0, NULL);
    pthread_join(thread, NULL);
    comm_close(ends[0], false);
    free(numbers);
    return start_s;
}

/* ---- the same as tasks ---- */

struct shape
{
    uint32_t n_tasks;
    uint32_t n_chains; /* 0: no task waits for another */
    double makespan_s;
};

static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    const struct shape *shape = data;
    ganger_task_number *last = xcalloc(shape->n_chains + 1, sizeof(*last));

    (void)argc;
    (void)argv;
    for (uint32_t i = 0; i < shape->n_tasks; i++) {
        ganger_task_number *before = &last[shape->n_chains > 0 ? i % shape->n_chains : 0];

        *before = ganger_workflow_add(w, &(struct ganger_task){.function = "nothing", .after = before,
                                                               .n_after = shape->n_chains > 0 && i >= shape->n_chains});
    }
    free(last);
    return 0;
}

static int finished(const struct ganger_run *run, void *data)
{
    ((struct shape *)data)->makespan_s = ganger_run_makespan_s(run);
    return 0;
}

static void run_tasks(struct shape *shape)
{
    static char words[][20] = {"functions", "run", "-q", "--backend", "thread", "-n", "1", "-d", "bench-functions.run"};
    const struct ganger_program program = {.functions = functions, .build = build, .finished = finished, .data = shape};
    char *argv[10] = {NULL};

    for (int i = 0; i < 9; i++)
        argv[i] = words[i];
    if (system("rm -rf bench-functions.run") != 0 || ganger_program_main(9, argv, &program) != 0)
        exit(1);
}

/* ---- one run ---- */

static int report(const struct ganger_run *run, void *data)
{
    const struct shape *shape = data;
    uint32_t n_done = 0;

    for (uint32_t i = 0; i < shape->n_tasks; i++)
        n_done += ganger_run_status(run, i) == GANGER_DONE;
    printf("workers %u tasks %u elapsed %.9f\n", ganger_run_n_workers(run), n_done, ganger_run_makespan_s(run));
    return n_done == shape->n_tasks ? 0 : 3;
}

static int run_program(int argc, char **argv)
{
    struct shape shape = {.n_tasks = 1000000};
    const struct ganger_program program = {.functions = functions, .build = build, .finished = report, .data = &shape};
    int i = 1;

    while (i < argc && strcmp(argv[i], "--") != 0)
        i++;
    if (i + 1 < argc)
        shape.n_tasks = (uint32_t)atoi(argv[i + 1]);
    if (i + 2 < argc)
        shape.n_chains = (uint32_t)atoi(argv[i + 2]);
    return ganger_program_main(argc, argv, &program);
}

/* ---- beside the bare loop ---- */

static double cpu_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int run_beside_bare_loop(int argc, char **argv)
{
    uint32_t n_tasks = argc > 1 ? (uint32_t)atoi(argv[1]) : 2000000, batch = argc > 2 ? (uint32_t)atoi(argv[2]) : 16;
    uint32_t in_flight = argc > 3 ? (uint32_t)atoi(argv[3]) : 4;
    struct shape spread = {n_tasks, 0, 0}, chain = {n_tasks / 50, 1, 0};
    double bare_s = run_bare_s(n_tasks, batch, in_flight), bare_chain_s = run_bare_s(chain.n_tasks, 1, 1);
    double before_s = cpu_s();

    printf("%-34s %8.3f us\n", "bare loop, per call", bare_s / n_tasks * 1e6);
    run_tasks(&spread);
    printf("%-34s %8.3f us  %.2f x, %.0f tasks/s; CPU %.3f us, building included\n", "graph and journal on, per task",
           spread.makespan_s / n_tasks * 1e6, spread.makespan_s / bare_s, n_tasks / spread.makespan_s,
           (cpu_s() - before_s) / n_tasks * 1e6);
    printf("%-34s %8.3f us\n", "bare loop, one at a time, per call", bare_chain_s / chain.n_tasks * 1e6);
    run_tasks(&chain);
    printf("%-34s %8.3f us  %.2f x\n", "chain, per link", chain.makespan_s / chain.n_tasks * 1e6,
           chain.makespan_s / bare_chain_s);
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 1 && isalpha((unsigned char)argv[1][0]) ? run_program(argc, argv) : run_beside_bare_loop(argc, argv);
}
