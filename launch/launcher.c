#include "launch/launcher.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "io/comm.h"
#include "launch/link.h"
#include "launch/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef GANGER_MPIEXEC
#define GANGER_MPIEXEC "mpirun"
#endif

/* mpirun's PMIx server complains when ranks leave by _exit. What it says is kept aside, and shown when the
 * run ends without the manager's word. Ranks must not see the variable: see launcher_enter_rank. */
#define COMPLAINTS_VARIABLE "PMIX_OUTPUT_STDERR_FD"

#define START_S 60.0 /* within that the ranks must have come together */
#define LOOK_S 0.5   /* until then they are counted that often: MPI waits for ever for one that dies in its start */
#define STILL_S 2.0  /* fewer than were asked for, for so long: one has died before it was counted */
#define RETURN_S 5.0 /* an mpirun whose manager is done may take that long to return */
#define TERM_S 3.0   /* and that long after TERM, before KILL */
#define ALONE_S 60.0 /* a manager that has lost its mpirun, and was told so, may take that long to end */

struct variable
{
    const char *name;
    const char *value;
};

/* One MPI and its launcher. Variables that the user set are left alone. */
struct launcher
{
    const char *library; /* how comm_mpi_library begins */
    const char *const *options;
    const struct variable *variables;
    bool allows_exit; /* a rank may _exit while the others live */
};

static const char *const openmpi4_options[] = {"--oversubscribe", "--bind-to", "none", NULL};
static const char *const openmpi5_options[] = {"--map-by", ":OVERSUBSCRIBE", "--bind-to", "none",
                                               "--enable-recovery", NULL};
static const char *const mpich_options[] = {"-bind-to", "none", NULL};

/* Transports of one node, found without asking the network; start-up from 0.36 s to 0.08 s. An mpirun that
 * is told to end waits that many seconds, TERMs the ranks, waits again and kills them: time that they need
 * to end their tasks. */
static const struct variable openmpi4_variables[] = {
    {"OMPI_MCA_pml", "ob1"},       {"OMPI_MCA_btl", "vader,tcp,self"},
    {"PMIX_MCA_gds", "hash"},      {"HWLOC_PLUGINS_PATH", "/nonexistent"},
    {"OMPI_MCA_odls_base_sigkill_timeout", "2"},
    {"OMPI_MCA_orte_enable_recovery", "1"}, /* as --enable-recovery; a layout of several nodes says 0 */
    {NULL, NULL},
};
static const struct variable no_variables[] = {{NULL, NULL}};

static const struct launcher launchers[] = {
    {"Open MPI 4", openmpi4_options, openmpi4_variables, true},
    {"Open MPI", openmpi5_options, no_variables, false},
    {"MPICH", mpich_options, no_variables, false},
    {"", mpich_options, no_variables, false}, /* Intel MPI and others of its family */
};

static const struct launcher *this_launcher(void)
{
    const char *library = comm_mpi_library();
    size_t i = 0;

    while (strncmp(library, launchers[i].library, strlen(launchers[i].library)) != 0)
        i++;
    return &launchers[i];
}

/* What the launcher says our rank is; NULL when there is no launcher. */
static const char *rank_text(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
    const char *text = NULL;

    for (size_t i = 0; text == NULL && i < sizeof(names) / sizeof(*names); i++)
        text = getenv(names[i]);
    return text;
}

bool launcher_is_rank(void)
{
    return rank_text() != NULL;
}

bool launcher_is_first_rank(void)
{
    return rank_text() != NULL && atoi(rank_text()) == 0;
}

void launcher_enter_rank(void)
{
    if (getenv(LINK_VARIABLE) != NULL)
        unsetenv(COMPLAINTS_VARIABLE); /* the descriptor is mpirun's; here it may be anything */
}

bool launcher_allows_exit(void)
{
    return getenv(LINK_VARIABLE) != NULL && this_launcher()->allows_exit;
}

char **launcher_command(uint32_t n_ranks, char **argv)
{
    const struct launcher *l = this_launcher();
    static char program[4096], count[16], count_option[] = "-n";
    const char *mpirun = getenv("GANGER_MPIRUN");
    size_t n = 0, n_options = 0, n_argv = 0;
    char **command;

    while (l->options[n_options] != NULL)
        n_options++;
    while (argv[n_argv] != NULL)
        n_argv++;
    command = xcalloc(4 + n_options + n_argv, sizeof(*command));
    snprintf(program, sizeof(program), "%s", mpirun != NULL && *mpirun ? mpirun : GANGER_MPIEXEC);
    snprintf(count, sizeof(count), "%u", n_ranks);
    command[n++] = program;
    command[n++] = count_option;
    command[n++] = count;
    for (size_t i = 0; i < n_options; i++)
        command[n++] = (char *)(uintptr_t)l->options[i];
    memcpy(command + n, argv, n_argv * sizeof(*argv));
    return command;
}

/* "NAME=VALUE", or "NAME": to be removed. */
static void change_environment(char **variables)
{
    for (; variables != NULL && *variables != NULL; variables++)
        if (strchr(*variables, '=') != NULL)
            putenv(*variables);
        else
            unsetenv(*variables);
}

static void set_variables(const char *link_name, int complaints_fd)
{
    const struct variable *v = this_launcher()->variables;
    char number[16];

    setenv(LINK_VARIABLE, link_name, 1);
    snprintf(number, sizeof(number), "%d", complaints_fd);
    setenv(COMPLAINTS_VARIABLE, number, 0);
    for (; v->name != NULL; v++)
        setenv(v->name, v->value, 0);
    if (getuid() == 0) { /* whoever runs ganger as root has decided that already */
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
}

/* mpirun leads a process group of its own, so that the terminal's ^C comes to us alone, and dies with
 * us. It gets no standard input: nothing below reads it. */
static _Noreturn void be_mpirun(char **command, char **variables, const char *link_name, int complaints_fd)
{
    int null_fd = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN); /* it writes to the terminal from the background, as its ranks do */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null_fd, STDIN_FILENO);
    complaints_fd = dup(complaints_fd); /* without close-on-exec */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    change_environment(variables);
    set_variables(link_name, complaints_fd);
    execvp(command[0], command);
    dprintf(STDERR_FILENO, "ganger: %s: %s; install Open MPI, or name its mpirun in GANGER_MPIRUN\n",
            command[0], strerror(errno));
    _exit(127);
}

struct launch
{
    struct link link;
    int complaints_fd; /* a file in memory: what mpirun's PMIx server complained of */
    pid_t mpirun;
    int mpirun_fd; /* pidfd */
    int signal_fd;
    bool has_started;   /* the manager said so */
    bool is_over;       /* mpirun returned */
    bool has_word;
    bool is_late;       /* the ranks did not come together */
    uint32_t n_ranks;   /* that were asked for */
    uint32_t n_counted; /* of them on this host, before they were together */
    double counted_s;   /* when that changed */
    bool has_lost_rank; /* one of them ended */
    int word;           /* exit status */
    int mpirun_status;  /* as of waitpid */
    int first_signal;   /* that we were sent, to end */
    bool drains;        /* USR1 was heard */
    double end_s;       /* when mpirun, or the manager without it, is told to end; 0: it need not be */
    bool was_told;
};

static void expect_end(struct launch *l, double within_s)
{
    l->end_s = clock_now_s() + within_s;
}

/* mpirun, or a manager that is left without it. */
static void end_what_is_late(struct launch *l)
{
    if (l->is_over)
        kill(l->link.manager, SIGKILL);
    else
        kill(l->mpirun, l->was_told ? SIGKILL : SIGTERM);
    l->was_told = true;
    expect_end(l, TERM_S);
}

/* To end. */
static void pass_end_signal(struct launch *l, int signal)
{
    bool is_second = l->first_signal != 0;

    if (!is_second)
        l->first_signal = signal;
    if (l->link.manager != 0) /* without mpirun nobody else ends a manager that hangs */
        kill(l->link.manager, l->is_over && is_second ? SIGKILL : signal);
    else
        kill(l->mpirun, SIGTERM);
    if (l->has_started)
        return;
    if (is_second) /* before they are together, ranks and mpirun may be deaf */
        end_what_is_late(l);
    else
        expect_end(l, RETURN_S);
}

static void hear_signal(struct launch *l)
{
    struct signalfd_siginfo info;

    if (read(l->signal_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo == SIGCONT)
        return;
    l->drains |= info.ssi_signo == SIGUSR1;
    if (info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2)
        pass_end_signal(l, (int)info.ssi_signo);
    else if (l->link.manager != 0) /* it keeps the signal until it can act on it */
        kill(l->link.manager, (int)info.ssi_signo);
    else if (info.ssi_signo == SIGUSR1) /* nothing has begun, and nothing is to begin */
        pass_end_signal(l, SIGUSR1);
}

static void reap_mpirun(struct launch *l)
{
    while (waitpid(l->mpirun, &l->mpirun_status, 0) < 0 && errno == EINTR)
        ;
    l->is_over = true;
    close(l->mpirun_fd);
    l->mpirun_fd = -1;
    expect_end(l, ALONE_S);
}

static void hear_manager(struct launch *l)
{
    enum link_word word = link_hear(&l->link, &l->word);

    l->has_started |= word == LINK_STARTED;
    l->has_word = word == LINK_DONE;
    l->end_s = 0;
    if (word != LINK_STARTED)
        expect_end(l, RETURN_S);
}

/* Does this process run this program? */
static bool is_rank(const char *pid)
{
    char path[64];
    struct stat ours, theirs;

    snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
    return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

/* Adds the children of one thread of mpirun: ranks, and others by which it starts ranks elsewhere. */
static void count_ranks_of(int tasks_fd, const char *thread, uint32_t *n_ranks, uint32_t *n_others)
{
    char path[64], child[24];
    FILE *file;
    int fd;

    snprintf(path, sizeof(path), "%.20s/children", thread);
    fd = openat(tasks_fd, path, O_RDONLY | O_CLOEXEC);
    file = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && fscanf(file, "%23s", child) == 1)
        ++*(is_rank(child) ? n_ranks : n_others);
    if (file != NULL)
        fclose(file);
    else if (fd >= 0)
        close(fd);
}

static void count_ranks(pid_t mpirun, uint32_t *n_ranks, uint32_t *n_others)
{
    const struct dirent *thread;
    char path[64];
    DIR *tasks;

    *n_ranks = *n_others = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)mpirun);
    tasks = opendir(path);
    while (tasks != NULL && (thread = readdir(tasks)) != NULL)
        count_ranks_of(dirfd(tasks), thread->d_name, n_ranks, n_others);
    if (tasks != NULL)
        closedir(tasks);
}

static void look_for_lost_ranks(struct launch *l)
{
    double now_s = clock_now_s();
    uint32_t n, n_others;

    count_ranks(l->mpirun, &n, &n_others);
    l->has_lost_rank = n < l->n_counted || (n == l->n_counted && n > 0 && n < l->n_ranks && n_others == 0 &&
                                            now_s - l->counted_s > STILL_S);
    if (n != l->n_counted)
        l->counted_s = now_s;
    l->n_counted = n;
    if (l->has_lost_rank)
        end_what_is_late(l);
}

static void act_on_time(struct launch *l)
{
    if (l->end_s != 0 && clock_now_s() >= l->end_s) {
        l->is_late |= !l->has_started && !l->was_told;
        end_what_is_late(l);
    } else if (!l->has_started && !l->is_over && !l->has_lost_rank && l->first_signal == 0) {
        look_for_lost_ranks(l);
    }
}

static int wait_for_one_thing(struct launch *l, struct ganger_error *err)
{
    struct pollfd fds[] = {{l->mpirun_fd, POLLIN, 0},
                           {l->signal_fd, POLLIN, 0},
                           {l->link.listen_fd, POLLIN, 0},
                           {l->link.fd, POLLIN, 0}};
    double left_s = l->end_s - clock_now_s();
    int limit_ms = l->end_s == 0 ? -1 : left_s > 0 ? (int)(left_s * 1000) + 1 : 0;
    int look_ms = (int)(LOOK_S * 1000);
    int n = poll(fds, 4, !l->has_started && limit_ms > look_ms ? look_ms : limit_ms);

    if (n < 0 && errno != EINTR)
        return error_set_errno(err, ERROR_SYSTEM, "cannot wait for mpirun");
    if (n == 0)
        act_on_time(l);
    if (n <= 0)
        return 0;
    if (fds[1].revents != 0)
        hear_signal(l);
    if (fds[2].revents != 0 && link_accept(&l->link, err) < 0)
        return -1;
    if (fds[3].revents != 0)
        hear_manager(l);
    if (fds[0].revents != 0)
        reap_mpirun(l);
    return 0;
}

static void print_complaints(int fd)
{
    char bytes[4096];
    ssize_t n;
    off_t at = 0;

    while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0) {
        if (write(STDERR_FILENO, bytes, (size_t)n) < 0)
            return;
        at += n;
    }
}

/* An mpirun that dies leaves TERM to its ranks: nobody asked for the end that the manager then speaks of. */
static bool was_ended_by_death(const struct launch *l)
{
    return l->word > 128 && l->first_signal == 0 && !l->was_told && WIFSIGNALED(l->mpirun_status);
}

static int judge(const struct launch *l, struct launcher_end *end, struct ganger_error *err)
{
    int s = l->mpirun_status;

    *end = (struct launcher_end){l->word, l->first_signal != 0 || l->drains};
    if (l->has_word && !was_ended_by_death(l))
        return 0;
    if (l->first_signal != 0) {
        end->exit_status = 128 + l->first_signal;
        return 0;
    }
    print_complaints(l->complaints_fd);
    if (l->has_lost_rank)
        return error_set(err, ERROR_SYSTEM, "a rank ended before all had come together: nothing has been run");
    if (l->is_late)
        return error_set(err, ERROR_SYSTEM,
                         "the ranks have not come together within %g s; `mpirun -n 2 hostname` may tell why",
                         START_S);
    if (WIFEXITED(s) && WEXITSTATUS(s) == 127)
        return error_set(err, ERROR_SYSTEM, "mpirun could not be started");
    return error_set(err, ERROR_SYSTEM,
                     "mpirun ended (%s %d) before the run was over; `ganger run … --resume` continues it",
                     WIFSIGNALED(s) ? "signal" : "exit status",
                     WIFSIGNALED(s) ? WTERMSIG(s) : WEXITSTATUS(s));
}

int launcher_run(uint32_t n_ranks, char **argv, char **variables, struct launcher_end *end, struct ganger_error *err)
{
    struct launch l = {.n_ranks = n_ranks, .mpirun_fd = -1, .signal_fd = -1, .complaints_fd = -1};
    char **command = launcher_command(n_ranks, argv);
    int status = link_listen(&l.link, err);

    if (status == 0) {
        l.signal_fd = signals_open();
        l.complaints_fd = memfd_create("complaints", MFD_CLOEXEC);
        l.mpirun = fork();
        if (l.mpirun == 0)
            be_mpirun(command, variables, l.link.name, l.complaints_fd);
        l.mpirun_fd = (int)syscall(SYS_pidfd_open, l.mpirun, 0);
        if (l.mpirun < 0 || l.mpirun_fd < 0 || l.signal_fd < 0)
            status = error_set_errno(err, ERROR_SYSTEM, "cannot start mpirun");
    }
    expect_end(&l, START_S);
    while (status == 0 && (!l.is_over || l.link.fd >= 0)) /* the manager may outlive mpirun */
        status = wait_for_one_thing(&l, err);
    if (status < 0 && l.mpirun > 0 && !l.is_over)
        kill(l.mpirun, SIGKILL);
    link_close(&l.link);
    free(command);
    if (status == 0)
        status = judge(&l, end, err);
    if (l.mpirun_fd >= 0)
        close(l.mpirun_fd);
    close(l.signal_fd);
    close(l.complaints_fd);
    return status;
}
