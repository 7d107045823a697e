/* wait: what it costs to wait for a message, and to be woken by one. To be run by mpirun:
 *
 *   mpirun -n 3 --oversubscribe --bind-to none bench-wait [ROUNDS]      (default 20,000)
 *
 * Rank 0 plays the manager; the others answer every message with one. Prints
 *   round trip   one message in flight: both sides sleep in between, so it is two wake-ups
 *   window W     W in flight to every worker: messages answered per second, and CPU of rank 0 for each
 *   late         round trips above 20 ms: the first wake-up that is lost waits for the safety net, which
 *                comes after 64 ms in traffic like this
 *   idle         CPU time of rank 0 and of rank 1 in two seconds in which nothing happens */
#include "base/clock.h"
#include "base/error.h"
#include "io/comm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define IDLE_S 2.0
#define LATE_S 0.02
#define MESSAGE_BYTES 100 /* about a RUN of a short command */

static struct ganger_error error;

static void check(int status)
{
    if (status != 0) {
        fprintf(stderr, "wait: %s\n", error.text);
        _exit(3);
    }
}

static double own_cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* Waits for one message; gives its sender and copies up to `n_room` of its bytes. */
static uint32_t receive_one(struct comm *c, char *room, size_t n_room)
{
    const char *bytes;
    uint32_t from;
    size_t n;

    while (!comm_receive(c, &from, &bytes, &n))
        check(comm_wait(c, NULL, 0, INFINITY, &error));
    memcpy(room, bytes, n < n_room ? n : n_room);
    return from;
}

/* 'e': echo. 'i': be idle, then answer with the CPU time it took. 'q': leave. */
static void be_worker(struct comm *c)
{
    char message[MESSAGE_BYTES];

    for (;;) {
        receive_one(c, message, sizeof(message));
        if (message[0] == 'q')
            return;
        if (message[0] == 'i') {
            double cpu_s = own_cpu_s();
            double end_s = clock_now_s() + IDLE_S;

            while (clock_now_s() < end_s)
                check(comm_wait(c, NULL, 0, end_s, &error));
            cpu_s = own_cpu_s() - cpu_s;
            memcpy(message, &cpu_s, sizeof(cpu_s));
        }
        check(comm_send(c, 0, message, sizeof(message), &error));
    }
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return d < 0 ? -1 : d > 0;
}

static void measure_round_trip(struct comm *c, int n)
{
    double *each_s = malloc((size_t)n * sizeof(*each_s));
    char message[MESSAGE_BYTES] = "e";
    int n_late = 0;

    for (int i = 0; i < n; i++) {
        double start_s = clock_now_s();

        message[0] = 'e';
        check(comm_send(c, 1, message, sizeof(message), &error));
        receive_one(c, message, sizeof(message));
        each_s[i] = clock_now_s() - start_s;
        n_late += each_s[i] > LATE_S;
    }
    qsort(each_s, (size_t)n, sizeof(*each_s), compare);
    printf("round trip   %6.1f us, p95 %.1f us, longest %.0f us; late %d of %d\n", each_s[n / 2] * 1e6,
           each_s[n - n / 20 - 1] * 1e6, each_s[n - 1] * 1e6, n_late, n);
    free(each_s);
}

static void measure_window(struct comm *c, int n, int window)
{
    char message[MESSAGE_BYTES] = "e";
    int n_sent = 0;
    double cpu_s = own_cpu_s();
    double start_s = clock_now_s();

    for (int w = 0; w < window; w++) {
        for (uint32_t to = 1; to < c->size; to++, n_sent++)
            check(comm_send(c, to, message, sizeof(message), &error));
    }
    for (int n_back = 0; n_back < n_sent; n_back++) {
        uint32_t from = receive_one(c, message, sizeof(message));

        if (n_sent < n) {
            message[0] = 'e';
            check(comm_send(c, from, message, sizeof(message), &error));
            n_sent++;
        }
    }
    printf("window %-4d  %6.2f us for each message there and back, %.2f us CPU of rank 0\n", window,
           (clock_now_s() - start_s) / n_sent * 1e6, (own_cpu_s() - cpu_s) / n_sent * 1e6);
}

static void measure_idle(struct comm *c)
{
    char message[MESSAGE_BYTES] = "i";
    double cpu_s, worker_cpu_s;

    check(comm_send(c, 1, message, sizeof(message), &error));
    cpu_s = own_cpu_s();
    receive_one(c, message, sizeof(message));
    cpu_s = own_cpu_s() - cpu_s;
    memcpy(&worker_cpu_s, message, sizeof(worker_cpu_s));
    printf("idle         %.4f %% of a core for rank 0, %.4f %% for rank 1\n", cpu_s / IDLE_S * 100,
           worker_cpu_s / IDLE_S * 100);
}

static void be_manager(struct comm *c, int n)
{
    char message[MESSAGE_BYTES] = "q";

    measure_round_trip(c, n);
    measure_window(c, n, 1);
    measure_window(c, n, 4);
    measure_window(c, n, 16);
    measure_idle(c);
    for (uint32_t to = 1; to < c->size; to++)
        check(comm_send(c, to, message, sizeof(message), &error));
}

int main(int argc, char **argv)
{
    struct comm *c = comm_open_mpi(false, &error);

    check(c == NULL ? -1 : 0);
    if (c->size < 2) {
        fputs("wait: needs two ranks or more: mpirun -n 3 ...\n", stderr);
        return 2;
    }
    if (c->rank == 0)
        be_manager(c, argc > 1 ? atoi(argv[1]) : 20000);
    else
        be_worker(c);
    comm_close(c, false);
    return 0;
}
