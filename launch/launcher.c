#include "launch/launcher.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "io/comm.h"
#include "launch/link.h"
#include "launch/mpirun.h"
#include "launch/signals.h"

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
#define LEAVE_S 0.5  /* one that cannot return, a rank being lost: ranks may take that long to leave */
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
    bool is_held;     /* while a run is spread over nodes: see mpirun_hold */
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
    {"OMPI_MCA_orte_enable_recovery", "1"}, /* as --enable-recovery */
    {"OMPI_MCA_routed", "direct"}, /* its daemons do not need each other, only itself */
    {NULL, NULL},
};
static const struct variable no_variables[] = {{NULL, NULL}};

static const struct launcher launchers[] = {
    {"Open MPI 4", openmpi4_options, openmpi4_variables, true, true},
    {"Open MPI", openmpi5_options, no_variables, false, false},
    {"MPICH", mpich_options, no_variables, false, false},
    {"", mpich_options, no_variables, false, false}, /* Intel MPI and others of its family */
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
static _Noreturn void be_mpirun(char **command, char **variables, const char *link_name, int complaints_fd,
                                int err_fd)
{
    int null_fd = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN); /* its ranks write to the terminal from the background */
    signal(SIGPIPE, SIG_IGN); /* when we are gone, there is nobody to hear it */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null_fd, STDIN_FILENO);
    dup2(err_fd, STDERR_FILENO);
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
    struct mpirun mpirun;
    int signal_fd;
    bool has_started;   /* the manager said so */
    bool is_over;       /* mpirun returned */
    bool has_word;
    bool is_late;       /* the ranks did not come together */
    uint32_t n_ranks;   /* that were asked for */
    uint32_t n_counted; /* of them on this host, before they were together */
    double counted_s;   /* when that changed */
    bool has_lost_rank; /* one of them ended */
    struct link_end word;
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
        mpirun_signal(&l->mpirun, l->was_told ? SIGKILL : SIGTERM);
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
        mpirun_signal(&l->mpirun, SIGTERM);
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
    while (waitpid(l->mpirun.pid, &l->mpirun_status, 0) < 0 && errno == EINTR)
        ;
    l->is_over = true;
    close(l->mpirun.fd);
    l->mpirun.fd = -1;
    l->mpirun.is_held = false;
    expect_end(l, ALONE_S);
}

/* All ranks have come together. */
static void begin(struct launch *l, bool is_spread)
{
    l->has_started = true;
    l->end_s = 0;
    if (is_spread && this_launcher()->is_held)
        mpirun_hold(&l->mpirun);
}

/* The manager's last word, or none: it ended without. An mpirun that goes on finds that ranks and nodes are gone, and
 * what it says of that is for nobody. */
static void finish(struct launch *l, bool has_lost)
{
    bool was_held = l->mpirun.is_held;

    if (!l->has_word && was_held) {
        mpirun_signal(&l->mpirun, SIGTERM); /* ranks on other nodes have not seen the manager's end */
        l->was_told = true;
    } else if (!has_lost) {
        mpirun_signal(&l->mpirun, SIGCONT);
    }
    l->was_told |= has_lost && was_held; /* then KILL, at once: it leaves daemons that leave by themselves */
    expect_end(l, has_lost && was_held ? LEAVE_S : RETURN_S);
}

static void hear_manager(struct launch *l)
{
    enum link_word word = link_hear(&l->link, &l->word);

    l->has_word = word == LINK_DONE || word == LINK_DONE_WITH_LOSS;
    if (word == LINK_STARTED || word == LINK_STARTED_SPREAD)
        begin(l, word == LINK_STARTED_SPREAD);
    else
        finish(l, word == LINK_DONE_WITH_LOSS);
}

static void look_for_lost_ranks(struct launch *l)
{
    double now_s = clock_now_s();
    uint32_t n, n_others;

    mpirun_count(&l->mpirun, &n, &n_others);
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
    struct pollfd fds[] = {{l->mpirun.fd, POLLIN, 0},
                           {l->signal_fd, POLLIN, 0},
                           {l->link.listen_fd, POLLIN, 0},
                           {l->link.fd, POLLIN, 0},
                           {l->mpirun.err_fd, POLLIN, 0}};
    double left_s = l->end_s - clock_now_s();
    int limit_ms = l->end_s == 0 ? -1 : left_s > 0 ? (int)(left_s * 1000) + 1 : 0;
    int look_ms = (int)(LOOK_S * 1000);
    int n = poll(fds, 5, !l->has_started && limit_ms > look_ms ? look_ms : limit_ms);

    if (n < 0 && errno != EINTR)
        return error_set_errno(err, ERROR_SYSTEM, "cannot wait for mpirun");
    if (n == 0 || (l->end_s != 0 && clock_now_s() >= l->end_s)) /* whatever else keeps us busy: anybody can connect */
        act_on_time(l);
    if (n <= 0)
        return 0;
    if (fds[1].revents != 0)
        hear_signal(l);
    if (fds[2].revents != 0 && link_accept(&l->link, err) < 0)
        return -1;
    if (fds[3].revents != 0)
        hear_manager(l);
    if (fds[4].revents != 0)
        mpirun_relay(&l->mpirun, l->has_word);
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
    return l->word.exit_status > 128 && l->first_signal == 0 && !l->was_told && WIFSIGNALED(l->mpirun_status);
}

static int judge(const struct launch *l, struct launcher_end *end, struct ganger_error *err)
{
    int s = l->mpirun_status;
    const char *cause = WIFSIGNALED(s) ? "signal" : "exit status";
    int number = WIFSIGNALED(s) ? WTERMSIG(s) : WEXITSTATUS(s);

    *end = (struct launcher_end){l->word.exit_status, l->first_signal != 0 || l->drains, l->word.epoch};
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
    if (!l->has_started)
        return error_set(err, ERROR_SYSTEM,
                         "mpirun ended (%s %d) before its ranks had come together: nothing has been run; "
                         "`mpirun -n 2 hostname` may tell why",
                         cause, number);
    return error_set(err, ERROR_SYSTEM,
                     "mpirun ended (%s %d) before the run was over; `ganger run … --resume` continues it", cause,
                     number);
}

/* 0, or -1 with errno. */
static int start_mpirun(struct launch *l, char **command, char **variables)
{
    int err_fds[2];

    if (pipe2(err_fds, O_CLOEXEC) < 0 || fcntl(err_fds[0], F_SETFL, O_NONBLOCK) < 0)
        return -1;
    l->mpirun.err_fd = err_fds[0];
    l->mpirun.pid = fork();
    if (l->mpirun.pid == 0)
        be_mpirun(command, variables, l->link.name, l->complaints_fd, err_fds[1]);
    close(err_fds[1]);
    l->mpirun.fd = l->mpirun.pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, l->mpirun.pid, 0);
    return l->mpirun.fd < 0 ? -1 : 0;
}

int launcher_run(uint32_t n_ranks, char **argv, char **variables, struct launcher_end *end, struct ganger_error *err)
{
    struct launch l = {.n_ranks = n_ranks, .mpirun = {0, -1, -1, false}, .signal_fd = -1, .complaints_fd = -1};
    char **command = launcher_command(n_ranks, argv);
    int status = link_listen(&l.link, err);

    if (status == 0) {
        l.signal_fd = signals_open();
        l.complaints_fd = memfd_create("complaints", MFD_CLOEXEC);
        if (l.signal_fd < 0 || start_mpirun(&l, command, variables) < 0)
            status = error_set_errno(err, ERROR_SYSTEM, "cannot start mpirun");
    }
    expect_end(&l, START_S);
    while (status == 0 && (!l.is_over || l.link.fd >= 0)) /* the manager may outlive mpirun */
        status = wait_for_one_thing(&l, err);
    if (l.mpirun.err_fd >= 0)
        mpirun_relay(&l.mpirun, l.has_word);
    if (status < 0)
        mpirun_signal(&l.mpirun, SIGKILL);
    link_close(&l.link);
    free(command);
    if (status == 0)
        status = judge(&l, end, err);
    if (l.mpirun.fd >= 0)
        close(l.mpirun.fd);
    if (l.mpirun.err_fd >= 0)
        close(l.mpirun.err_fd);
    close(l.signal_fd);
    close(l.complaints_fd);
    return status;
}
