/* spawn_loop: the floor under every figure about commands.
 *
 *   spawn_loop [-j N] [-c COUNT] [--serial] [--vfork] -- COMMAND [ARGUMENT...]
 *
 * Keeps N children running until COUNT have ended, and does nothing else: no capture, no record, no
 * binding, no dependencies. This is the shortest honest loop one would write by hand; what a runner adds
 * is measured against it. `--serial` is `-j 1`. Standard streams are inherited and untouched.
 *
 * Prints one line: "elapsed S own S children S failed N" (wall seconds, CPU seconds of this process,
 * CPU seconds of the children, children that did not exit with 0). */
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct plan
{
    long n_at_once;
    long n_in_all;
    bool by_vfork;
    char **argv;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_s(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void die(const char *what, int error)
{
    fprintf(stderr, "spawn_loop: %s: %s\n", what, strerror(error));
    exit(3);
}

static void start_one(const struct plan *plan)
{
    if (plan->by_vfork) {
        pid_t pid = vfork();
        if (pid < 0) {
            die("cannot vfork", errno);
        }
        if (pid == 0) {
            execve(plan->argv[0], plan->argv, environ);
            _exit(127);
        }
        return;
    }
    pid_t pid;
    int error = posix_spawn(&pid, plan->argv[0], NULL, NULL, plan->argv, environ);
    if (error != 0) {
        die(plan->argv[0], error);
    }
}

/* Returns how many children did not exit with 0. */
static long run_all(const struct plan *plan)
{
    long n_started = 0;
    long n_ended = 0;
    long n_failed = 0;

    while (n_ended < plan->n_in_all) {
        while (n_started < plan->n_in_all && n_started - n_ended < plan->n_at_once) {
            start_one(plan);
            n_started++;
        }
        int status;
        if (waitpid(-1, &status, 0) < 0) {
            if (errno == EINTR) {
                continue;
            }
            die("cannot wait", errno);
        }
        n_ended++;
        n_failed += status != 0;
    }
    return n_failed;
}

static int usage(void)
{
    fputs("usage: spawn_loop [-j N] [-c COUNT] [--serial] [--vfork] -- /PATH/OF/COMMAND [ARGUMENT...]\n",
          stderr);
    return 2;
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {
        {"serial", no_argument, NULL, 's'},
        {"vfork", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "+j:c:", options, NULL)) != -1) {
        switch (option) {
        case 'j': plan->n_at_once = atol(optarg); break;
        case 'c': plan->n_in_all = atol(optarg); break;
        case 's': plan->n_at_once = 1; break;
        case 'v': plan->by_vfork = true; break;
        default: return false;
        }
    }
    plan->argv = argv + optind;
    return optind < argc && plan->n_at_once > 0 && plan->n_in_all > 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.n_at_once = 2, .n_in_all = 10000};
    if (!read_options(&plan, argc, argv)) {
        return usage();
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);

    double own_before = cpu_s(RUSAGE_SELF);
    double start = now_s();
    long n_failed = run_all(&plan);
    double end = now_s();
    printf("elapsed %.6f own %.6f children %.6f failed %ld\n", end - start,
           cpu_s(RUSAGE_SELF) - own_before, cpu_s(RUSAGE_CHILDREN), n_failed);
    return 0;
}
