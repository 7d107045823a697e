/* tree_usage: runs a command and says what it and all that came from it cost.
 *
 *   tree_usage [-o FILE] [--own NAME,...] [--spin CPU] -- COMMAND [ARGUMENT...]
 *
 * Writes one line to FILE (default: standard error):
 *   elapsed S tree S own S others S status N strays N
 * elapsed  wall seconds from the start of COMMAND to its end
 * tree     CPU seconds, user and system, of COMMAND and every descendant
 * own      with --own: CPU seconds of the descendants with one of these names (as in /proc/PID/comm),
 *          without their children; read every 50 ms, so the last moments of each are missing; else 0
 * others   CPU seconds that the machine spent meanwhile on anything else: is the figure disturbed?
 * status   exit status of COMMAND, 128 + n when ended by signal n
 * strays   processes that outlived COMMAND by more than 2 s: they are ended
 *
 * Being a subreaper, it waits for processes whose parent is gone, so that none is missed; a process that
 * ignores SIGCHLD hides its children's time (neither spawn_loop nor ganger does).
 *
 * --spin CPU keeps that core busy with a process that counts for neither `tree` nor `others`.
 *
 * INT, TERM, HUP, or the death of its parent end the whole tree. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_MS 50
#define STRAY_S 2.0
#define GRACE_S 5.0
#define NAMES_MAX 8
#define OWN_MAX 256

struct plan
{
    const char *out_path;
    const char *names[NAMES_MAX];
    int n_names;
    int spin_cpu; /* -1: none */
    char **argv;
};

struct own
{
    pid_t pid;
    double cpu_s;
};

struct watch
{
    const struct plan *plan;
    pid_t spinner; /* 0: none */
    pid_t command;
    struct own own[OWN_MAX];
    int n_own;
};

struct outcome
{
    int status;
    int n_strays;
    double elapsed_s;
};

static void die(const char *what)
{
    fprintf(stderr, "tree_usage: %s: %s\n", what, strerror(errno));
    exit(3);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double children_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* CPU seconds of the whole machine: all but idle, I/O wait and guests (which user time contains). */
static double machine_cpu_s(void)
{
    unsigned long long user, nice, kernel, idle, iowait, irq, softirq, steal;
    FILE *f = fopen("/proc/stat", "re");
    if (f == NULL) {
        return 0;
    }
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &kernel, &idle, &iowait,
                   &irq, &softirq, &steal);
    fclose(f);
    return n < 8 ? 0 : (double)(user + nice + kernel + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK);
}

static bool is_own(const struct plan *plan, const char *name)
{
    for (int i = 0; i < plan->n_names; i++) {
        if (strcmp(plan->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Name, and CPU time so far, of one process; false when it is gone. */
static bool read_process(pid_t pid, char name[32], double *cpu_s)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    char *open_at = strchr(text, '(');
    char *close_at = strrchr(text, ')');
    unsigned long user, kernel;
    if (open_at == NULL || close_at == NULL ||
        sscanf(close_at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2) {
        return false;
    }
    snprintf(name, 32, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    *cpu_s = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static void note_own(struct watch *w, pid_t pid, double cpu_s)
{
    int i = 0;
    while (i < w->n_own && w->own[i].pid != pid) {
        i++;
    }
    if (i == w->n_own) {
        if (i == OWN_MAX) {
            return;
        }
        w->n_own++;
    }
    w->own[i] = (struct own){pid, cpu_s};
}

/* Only processes of the given names have descendants worth following; tasks come and go too fast. */
static void sample_below(struct watch *w, pid_t pid, int depth)
{
    char path[64];
    char name[32];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    int child;
    double cpu_s;
    while (fscanf(f, "%d", &child) == 1) {
        if (child != w->spinner && read_process(child, name, &cpu_s) && is_own(w->plan, name)) {
            note_own(w, child, cpu_s);
            if (depth > 0) {
                sample_below(w, child, depth - 1);
            }
        }
    }
    fclose(f);
}

static double own_cpu_s(const struct watch *w)
{
    double sum = 0;
    for (int i = 0; i < w->n_own; i++) {
        sum += w->own[i].cpu_s;
    }
    return sum;
}

static pid_t start_spinner(int cpu)
{
    pid_t pid = fork();
    if (pid < 0) {
        die("cannot fork");
    }
    if (pid > 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        die("cannot bind the busy process");
    }
    for (volatile unsigned long n = 0;; n++) {
    }
}

static pid_t start_command(char **argv, const sigset_t *mask)
{
    pid_t pid = fork();
    if (pid < 0) {
        die("cannot fork");
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    return pid;
}

/* The children of this process but `except`: how many, and the first one's id. */
static int count_children(pid_t except, pid_t *first)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        die(path);
    }
    int n = 0;
    int child;
    while (fscanf(f, "%d", &child) == 1) {
        if (child != except && n++ == 0) {
            *first = child;
        }
    }
    fclose(f);
    return n;
}

/* Lets the command end by itself, so that it can take away what it made outside its memory. */
static void ask_to_end(pid_t command, pid_t except)
{
    double deadline = now_s() + GRACE_S;
    pid_t child;
    if (command > 0) {
        kill(command, SIGTERM);
    }
    while (count_children(except, &child) > 0 && now_s() < deadline) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        usleep(10000);
    }
}

/* Ends every child, and those that become children when their parents end. */
static int kill_children(pid_t except)
{
    int n_killed = 0;
    pid_t child = 0;
    while (count_children(except, &child) > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        n_killed++;
    }
    return n_killed;
}

static void reap(struct watch *w, struct outcome *outcome, double start)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == w->command) {
            outcome->elapsed_s = now_s() - start;
            outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            w->command = 0;
        }
    }
}

/* Sleeps until a child ends, a signal to end comes (returned), or the time is over (0). */
static int wait_for_signal(const sigset_t *set, long ms)
{
    struct timespec timeout = {ms / 1000, ms % 1000 * 1000000};
    int signal = sigtimedwait(set, NULL, &timeout);
    return signal == SIGCHLD || signal < 0 ? 0 : signal;
}

/* Returns the signal that ended the watch early, or 0. */
static int watch_command(struct watch *w, struct outcome *outcome, const sigset_t *set, double start)
{
    double next_sample = start;
    double deadline = 0;
    pid_t stray = 0;
    for (;;) {
        reap(w, outcome, start);
        double now = now_s();
        if (w->command == 0) {
            deadline = deadline == 0 ? now + STRAY_S : deadline;
            if (count_children(w->spinner, &stray) == 0 || now > deadline) {
                return 0;
            }
        } else if (w->plan->n_names > 0 && now >= next_sample) {
            sample_below(w, getpid(), 3);
            next_sample = now + SAMPLE_MS * 1e-3;
        }
        int signal = wait_for_signal(set, w->plan->n_names > 0 || w->command == 0 ? SAMPLE_MS : 1000);
        if (signal != 0) {
            return signal;
        }
    }
}

static void read_names(struct plan *plan, char *names)
{
    for (char *name = strtok(names, ","); name != NULL && plan->n_names < NAMES_MAX;
         name = strtok(NULL, ",")) {
        plan->names[plan->n_names++] = name;
    }
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {
        {"own", required_argument, NULL, 'n'},
        {"spin", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "+o:", options, NULL)) != -1) {
        switch (option) {
        case 'o': plan->out_path = optarg; break;
        case 'n': read_names(plan, optarg); break;
        case 's': plan->spin_cpu = atoi(optarg); break;
        default: return false;
        }
    }
    plan->argv = argv + optind;
    return optind < argc;
}

static void report(const struct plan *plan, const struct watch *w, const struct outcome *o, double tree_s,
                   double others_s)
{
    FILE *f = plan->out_path == NULL ? stderr : fopen(plan->out_path, "we");
    if (f == NULL) {
        die(plan->out_path);
    }
    fprintf(f, "elapsed %.6f tree %.6f own %.6f others %.3f status %d strays %d\n", o->elapsed_s, tree_s,
            own_cpu_s(w), others_s, o->status, o->n_strays);
    if (f != stderr) {
        fclose(f);
    }
}

int main(int argc, char **argv)
{
    struct plan plan = {.spin_cpu = -1};
    if (!read_options(&plan, argc, argv)) {
        fputs("usage: tree_usage [-o FILE] [--own NAME,...] [--spin CPU] -- COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    sigset_t set;
    sigset_t before;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);

    struct watch w = {.plan = &plan};
    struct outcome outcome = {0};
    w.spinner = plan.spin_cpu >= 0 ? start_spinner(plan.spin_cpu) : 0;
    double machine_before = machine_cpu_s();
    double start = now_s();
    w.command = start_command(plan.argv, &before);
    int signal = watch_command(&w, &outcome, &set, start);
    if (signal != 0) {
        ask_to_end(w.command, w.spinner);
    }
    outcome.n_strays = kill_children(w.spinner);
    double tree_s = children_cpu_s();
    double others_s = machine_cpu_s() - machine_before - tree_s;
    if (w.spinner != 0) {
        others_s -= now_s() - start;
        kill(w.spinner, SIGKILL);
        waitpid(w.spinner, NULL, 0);
    }
    if (signal != 0) {
        return 128 + signal;
    }
    report(&plan, &w, &outcome, tree_s, others_s);
    return 0;
}
