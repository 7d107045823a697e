#include "io/process.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Headers older than the kernel may not have them. */
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define DESCRIPTORS_MAX 65536 /* looked at one by one where neither the kernel nor /proc tells which are open */

/* What became of the child until exec. It shares our memory until then, so that its stores are seen;
 * volatile, since a compiler believes that what happens between vfork and _exit is nobody's business. */
struct trouble
{
    volatile int number; /* errno; 0: none */
    const char *volatile step;
};

/* All that the child needs, made before it starts. */
struct child
{
    const struct process_order *order;
    const char *path;  /* PATH */
    char **shell_argv; /* argv as it would be for a shell: see exec_file */
    int stdio[3];      /* what becomes its 0, 1 and 2; -1: inherited */
    int opened[3];     /* those of them that were opened for it alone; -1: none */
    struct trouble *trouble;
};

/* What this process is to the system: there is one, whoever asks. Set before the first child. */
static struct
{
    atomic_bool adopts_orphans; /* of its descendants; workers that are threads say so at the same time */
    pid_t parent;               /* when it asked to be told of its death; 0: it did not */
} self;

/* ---- pipes ---- */

static int open_pipe(int ends[2], struct ganger_error *err)
{
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot make a pipe for a task's output");
    return 0;
}

int process_pipes_open(struct process_pipes *pipes, struct ganger_error *err)
{
    *pipes = (struct process_pipes)PROCESS_PIPES_CLOSED;
    pipes->in = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (pipes->in < 0)
        return error_set_errno(err, ERROR_SYSTEM, "/dev/null, every task's input, cannot be opened");
    if (open_pipe(pipes->out, err) == 0 && open_pipe(pipes->err, err) == 0)
        return 0;
    process_pipes_close(pipes);
    return -1;
}

void process_pipes_close(struct process_pipes *pipes)
{
    int *fds[] = {&pipes->in, &pipes->out[0], &pipes->out[1], &pipes->err[0], &pipes->err[1]};

    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

/* ---- the child's standard streams ---- */

static int refuse_stream(const char *stream, const char *path, int number, const char *why, int *failed,
                         struct ganger_error *err)
{
    *failed = errno = number;
    return error_set_errno(err, ERROR_SYSTEM, "%s %s%s", stream, path, why);
}

/* Opened here and not by the child, since we wait for a vforked child until it runs its command: to open a
 * FIFO may take for ever, and is refused; to open anything else does not wait. */
static int open_stream(int dir_fd, const char *path, int stream, int *failed, struct ganger_error *err)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    bool is_input = stream == STDIN_FILENO;
    int flags = is_input ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
    struct stat status = {0};
    int fd;

    fstatat(dir_fd, path, &status, 0); /* what is wrong with it, open will say */
    if (S_ISFIFO(status.st_mode))
        return refuse_stream(names[stream], path, EOPNOTSUPP,
                             " is a FIFO, whose other end may never come: let the command itself open it",
                             failed, err);
    if (is_input && S_ISDIR(status.st_mode))
        return refuse_stream(names[stream], path, EISDIR, "", failed, err);
    fd = openat(dir_fd, path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (fd >= 0)
        return fd;
    return refuse_stream(names[stream], path, errno,
                         errno == ENOENT && !is_input ? " (missing folders are not made)" : "", failed, err);
}

/* Are standard output and error the same file, under whatever names? Two offsets into it would overwrite
 * each other's bytes. */
static bool is_one_file(int out_fd, int err_fd)
{
    struct stat out, err;

    return fstat(out_fd, &out) == 0 && fstat(err_fd, &err) == 0 && S_ISREG(out.st_mode) &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static void close_streams(struct child *c)
{
    for (int stream = 0; stream < 3; stream++)
        if (c->opened[stream] >= 0)
            close(c->opened[stream]);
}

static int open_streams(struct child *c, int dir_fd, int *failed, struct ganger_error *err)
{
    const struct process_order *o = c->order;
    const char *paths[] = {o->stdin_path, o->stdout_path, o->stderr_path};

    for (int stream = 0; stream < 3; stream++) {
        if (paths[stream] == NULL)
            continue;
        c->stdio[stream] = c->opened[stream] = open_stream(dir_fd, paths[stream], stream, failed, err);
        if (c->opened[stream] < 0)
            return -1;
    }
    if (o->stdout_path != NULL && o->stderr_path != NULL && is_one_file(c->stdio[1], c->stdio[2]))
        c->stdio[2] = c->stdio[1];
    return 0;
}

static int open_streams_from_cwd(struct child *c, int *failed, struct ganger_error *err)
{
    const char *cwd = c->order->cwd;
    int dir_fd = cwd != NULL ? open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD;
    int status;

    if (dir_fd == -1) {
        *failed = errno;
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot change to its directory %s",
                               c->order->argv[0], cwd);
    }
    status = open_streams(c, dir_fd, failed, err);
    if (dir_fd != AT_FDCWD)
        close(dir_fd);
    return status;
}

/* Says what the child's standard streams will be. What it opens for that, close_streams closes. */
static int choose_streams(struct child *c, int *failed, struct ganger_error *err)
{
    const struct process_order *o = c->order;

    for (int stream = 0; stream < 3; stream++)
        c->stdio[stream] = c->opened[stream] = -1;
    if (o->pipes != NULL) {
        c->stdio[0] = o->pipes->in;
        c->stdio[1] = o->pipes->out[1];
        c->stdio[2] = o->pipes->err[1];
    } else if (o->stdin_path == NULL) {
        c->stdio[0] = c->opened[0] = open_stream(AT_FDCWD, "/dev/null", STDIN_FILENO, failed, err);
        if (c->stdio[0] < 0)
            return -1;
    }
    if (o->stdin_path == NULL && o->stdout_path == NULL && o->stderr_path == NULL)
        return 0;
    return open_streams_from_cwd(c, failed, err);
}

/* ---- the child, between vfork and exec: only async-signal-safe calls, no allocation ---- */

static void reset_signals(void)
{
    /* exec resets handlers by itself; what is ignored stays ignored, and MPI may ignore these. */
    static const int ignored[] = {SIGPIPE, SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGCHLD, SIGUSR1, SIGUSR2, SIGXFSZ, SIGTTOU};
    sigset_t none;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++) {
        struct sigaction old;

        if (sigaction(ignored[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            signal(ignored[i], SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Like execvpe: a file without a magic number is a shell script. */
static void exec_file(const char *path, char **argv, char **shell_argv, char **envp)
{
    execve(path, argv, envp);
    if (errno == ENOEXEC) {
        memcpy(&shell_argv[1], &path, sizeof(path));
        execve("/bin/sh", shell_argv, envp);
    }
}

/* Does it speak of that one directory alone? */
static bool is_of_place(int number)
{
    return number == ENOENT || number == ENOTDIR || number == EACCES || number == ESTALE || number == ENODEV ||
           number == ETIMEDOUT;
}

/* Tries argv[0] in each directory of `path`; the most telling errno stays. */
static void exec_by_path(const char *path, char **argv, char **shell_argv, char **envp)
{
    size_t n_name = strlen(argv[0]);
    bool was_denied = false;
    char file[PATH_MAX];

    for (const char *dir = path;; dir++) {
        const char *end = strchrnul(dir, ':');
        size_t n_dir = (size_t)(end - dir);

        if (n_dir + n_name + 2 <= sizeof(file)) {
            memcpy(file, dir, n_dir);
            file[n_dir] = '/';
            memcpy(file + n_dir + (n_dir > 0), argv[0], n_name + 1);
            exec_file(file, argv, shell_argv, envp);
            if (!is_of_place(errno))
                return; /* too long, out of memory: so it would be anywhere */
            was_denied |= errno == EACCES;
        }
        dir = end;
        if (*end == '\0')
            break;
    }
    errno = was_denied ? EACCES : ENOENT;
}

static void close_at_exec(int fd)
{
    if (fd >= 3)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* As readdir has them, without its memory. */
static void close_listed_at_exec(int list_fd)
{
    struct
    {
        uint64_t inode;
        int64_t offset;
        uint16_t n_bytes;
        uint8_t type;
        char name[];
    } const *entry;
    _Alignas(uint64_t) char entries[2048];
    long n;

    while ((n = syscall(SYS_getdents64, list_fd, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < n; at += entry->n_bytes) {
            int fd = 0;

            entry = (const void *)(entries + at);
            for (const char *digit = entry->name; *digit >= '0' && *digit <= '9'; digit++)
                fd = 10 * fd + (*digit - '0');
            close_at_exec(fd);
        }
    }
}

/* Whatever is open from 3 up: MPI leaves sockets open. Kernels before 5.11 do not know the call that does it at
 * once, nor do the filters of some containers. */
static void close_others_at_exec(void)
{
    struct rlimit limit;
    int list_fd;

    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    list_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list_fd >= 0) {
        close_listed_at_exec(list_fd);
        close(list_fd);
        return;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > DESCRIPTORS_MAX)
        limit.rlim_cur = DESCRIPTORS_MAX;
    for (int fd = 3; fd < (int)limit.rlim_cur; fd++)
        close_at_exec(fd);
}

static _Noreturn __attribute__((noinline)) void be_child(const struct child *c)
{
    const struct process_order *o = c->order;

    c->trouble->step = "joining a process group of its own";
    if (setpgid(0, 0) < 0)
        goto fail;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    c->trouble->step = "joining a control group";
    if (o->cgroup_fd > 0 && write(o->cgroup_fd, "0", 1) < 0)
        goto fail;
    c->trouble->step = "binding it to its cores";
    if (o->affinity != NULL && sched_setaffinity(0, o->n_affinity_bytes, o->affinity) < 0)
        goto fail;
    c->trouble->step = "connecting its standard input and output";
    for (int stream = 0; stream < 3; stream++)
        if (c->stdio[stream] >= 0 && dup2(c->stdio[stream], stream) < 0)
            goto fail;
    /* The pipes serve one child after another, and the one before may have made its ends non-blocking; files
     * were opened that way. */
    for (int stream = o->stdin_path != NULL ? 0 : 1; stream < 3; stream++)
        if (c->stdio[stream] >= 0 && fcntl(stream, F_SETFL, 0) < 0)
            goto fail;
    close_others_at_exec();
    c->trouble->step = "changing to its directory";
    if (o->cwd != NULL && chdir(o->cwd) < 0)
        goto fail;
    reset_signals();
    c->trouble->step = "executing it";
    if (strchr(o->argv[0], '/') != NULL)
        exec_file(o->argv[0], o->argv, c->shell_argv, o->envp);
    else
        exec_by_path(c->path, o->argv, c->shell_argv, o->envp);
fail:
    c->trouble->number = errno;
    _exit(127);
}

/* A function of its own: the child must not touch the frame of one that goes on. */
static __attribute__((noinline)) pid_t start_child(const struct child *c)
{
    pid_t pid = vfork();

    if (pid == 0)
        be_child(c);
    return pid;
}

/* ---- the parent ---- */

static const char *find_path(char **envp)
{
    for (; *envp != NULL; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

/* argv as it would be for a shell: "/bin/sh", the script (filled in by the child), the arguments. */
static char **make_shell_argv(char **argv)
{
    static char shell[] = "/bin/sh";
    size_t n = 0;
    char **shell_argv;

    while (argv[n] != NULL)
        n++;
    shell_argv = xmalloc((n + 2) * sizeof(*shell_argv));
    shell_argv[0] = shell;
    shell_argv[1] = NULL;
    memcpy(shell_argv + 2, argv + 1, n * sizeof(*argv));
    return shell_argv;
}

static void measure_words(char **words, size_t *n_bytes, size_t *n_longest)
{
    for (; *words != NULL; words++) {
        size_t n = strlen(*words) + 1;

        *n_bytes += n + sizeof(*words);
        *n_longest = n > *n_longest ? n : *n_longest;
    }
}

/* The kernel does not say which of its two limits that was. */
static int report_too_long(const struct process_order *o, struct ganger_error *err)
{
    size_t n_bytes = 0, n_longest = 0;

    measure_words(o->argv, &n_bytes, &n_longest);
    measure_words(o->envp, &n_bytes, &n_longest);
    return error_set(err, ERROR_SYSTEM,
                     "%.200s: %s: its arguments and environment have %zu bytes, the longest of them %zu; the kernel "
                     "takes a quarter of `ulimit -s` (8 MiB: 2097152), and 131072 of one; put them into a file",
                     o->argv[0], strerror(E2BIG), n_bytes, n_longest);
}

static int report_trouble(const struct process_order *o, const struct trouble *trouble, int *failed,
                          struct ganger_error *err)
{
    *failed = trouble->number;
    errno = trouble->number;
    if (o->cwd != NULL && strcmp(trouble->step, "changing to its directory") == 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot change to its directory %s", o->argv[0],
                               o->cwd);
    if (trouble->number == E2BIG)
        return report_too_long(o, err);
    return error_set_errno(err, ERROR_SYSTEM, "%s: %s failed", o->argv[0], trouble->step);
}

static int watch_child(struct process *p, const struct process_order *o, int *failed,
                       struct ganger_error *err)
{
    p->fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->fd >= 0)
        return 0;
    *failed = errno; /* out of descriptors, or a kernel before 5.3: the task must not run unwatched */
    error_set_errno(err, ERROR_SYSTEM, "%s: cannot watch process %d (pidfd_open)", o->argv[0],
                    (int)p->pid);
    kill(-p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
    return -1;
}

int process_start(struct process *p, const struct process_order *o, int *failed, struct ganger_error *err)
{
    struct trouble trouble;
    struct child child = {.order = o, .path = find_path(o->envp), .trouble = &trouble};
    sigset_t all, before;

    *p = (struct process){0, -1};
    if (choose_streams(&child, failed, err) < 0) {
        close_streams(&child);
        return -1;
    }
    child.shell_argv = make_shell_argv(o->argv);
    trouble.number = 0;
    trouble.step = "starting it";
    /* A handler of ours must not run in the child while it borrows our memory. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    p->pid = start_child(&child);
    if (p->pid < 0)
        trouble.number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close_streams(&child);
    free(child.shell_argv);
    if (trouble.number == 0)
        return watch_child(p, o, failed, err);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    p->pid = 0;
    return report_trouble(o, &trouble, failed, err);
}

void process_signal(const struct process *p, int signal)
{
    if (p->pid <= 0)
        return;
    kill(-p->pid, signal);
    if (getpgid(p->pid) != p->pid)
        kill(p->pid, signal);
}

/* The group of `child`, which then dies at once: of processes that fork and exit, one by one, the next might
 * always be born before the last is hit. 0 where the group may hold strangers: it must be the task's, or led by
 * the child, or of a session that something of ours began. */
static pid_t find_group(pid_t child, pid_t task)
{
    pid_t group = getpgid(child);

    return group > 1 && (group == task || group == child || getsid(child) != getsid(0)) ? group : 0;
}

#define ROUND_S 0.02 /* the list of children may grow as fast as it is read */

/* Returns how many there were, the dead included. */
static uint32_t kill_children(pid_t task)
{
    double end_s = clock_now_s() + ROUND_S;
    char path[64];
    FILE *file;
    pid_t child, killed = 0;
    uint32_t n = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
    file = fopen(path, "re");
    while (file != NULL && clock_now_s() < end_s && fscanf(file, "%d", &child) == 1) {
        pid_t group = find_group(child, task);

        if (group == 0)
            kill(child, SIGKILL);
        else if (group != killed)
            kill(-group, SIGKILL);
        killed = group;
        n++;
    }
    if (file != NULL)
        fclose(file);
    return n;
}

/* Takes dead ones away, at most `n`. True: no child is left. */
static bool reap_dead(uint32_t n)
{
    pid_t child;

    do
        child = wait4(-1, NULL, WNOHANG | __WNOTHREAD, NULL);
    while (child > 0 && n-- > 0);
    return child < 0;
}

#define EAGER_ROUNDS 200 /* then they seem to be stuck, and are looked at every millisecond */

/* `task`: the group that a task led; 0: none. */
static bool kill_others(pid_t task, double limit_s)
{
    double give_up_s = clock_now_s() + limit_s;

    for (uint32_t round = 0; clock_now_s() < give_up_s; round++) {
        if (reap_dead(kill_children(task))) /* no more than were seen: others may be dying as fast as we reap */
            return true;
        if (round < EAGER_ROUNDS)
            sched_yield();
        else
            poll(NULL, 0, 1);
    }
    return false;
}

bool process_kill_others(double limit_s)
{
    return kill_others(0, limit_s);
}

void process_reap_orphans(const struct process *p)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) == 0 && info.si_pid > 0 &&
           info.si_pid != p->pid) {
        wait4(info.si_pid, NULL, WNOHANG | __WNOTHREAD, NULL);
        info.si_pid = 0;
    }
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

/* A zombie still tells how long it ran and how long it waited, in nanoseconds. */
static double read_delay_s(pid_t pid)
{
    char path[64], text[64];
    unsigned long long ran_ns, waited_ns = 0;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return sscanf(text, "%llu %llu", &ran_ns, &waited_ns) == 2 ? 1e-9 * (double)waited_ns : 0;
}

void process_reap(struct process *p, bool ask_delay, struct process_end *end)
{
    struct rusage usage = {0};
    int status = 0;
    pid_t other;

    end->delay_s = ask_delay ? read_delay_s(p->pid) : 0;

    /* While the leader is a zombie its number cannot be given to another group. Where orphans come to us,
     * they are found below. */
    if (!self.adopts_orphans)
        kill(-p->pid, SIGKILL);
    while (wait4(p->pid, &status, 0, &usage) < 0 && errno == EINTR)
        ;
    end->is_signal = WIFSIGNALED(status);
    end->code = end->is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    end->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    end->max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    other = wait4(-1, NULL, WNOHANG | __WNOTHREAD, NULL); /* other threads have children of their own */
    end->left_others = other >= 0;
    end->still_left = end->left_others && !kill_others(p->pid, PROCESS_KILL_S);
    close(p->fd);
    *p = (struct process){0, -1};
}

void process_wake_promptly(void)
{
    struct /* sched_attr, which glibc 2.36 does not have; its first version */
    {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } wanted = {.policy = SCHED_OTHER, .flags = 1 /* reset on fork */, .runtime_ns = 100000};

    if (sched_getscheduler(0) != SCHED_OTHER)
        return; /* somebody chose another policy (chrt), for the tasks as well */
    wanted.size = sizeof(wanted);
    wanted.nice = getpriority(PRIO_PROCESS, 0);
    if (wanted.nice < 0)
        return; /* a child would lose it */
    syscall(SYS_sched_setattr, 0, &wanted, 0);
}

int process_adopt_orphans(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -1;
    self.adopts_orphans = true;
    return 0;
}

void process_die_with_parent(int signal)
{
    self.parent = getppid();
    prctl(PR_SET_PDEATHSIG, signal);
}

bool process_is_orphan(void)
{
    return self.parent != 0 && getppid() != self.parent;
}

void process_continue_parent(void)
{
    if (getppid() > 1)
        kill(getppid(), SIGCONT);
}

int process_watch_open(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

int process_watch_add(int set, pid_t pid, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0 && errno == ESRCH) /* gone already: a descriptor that is always readable stands for it */
        fd = eventfd(1, EFD_CLOEXEC);
    if (fd < 0)
        return -1;
    event.data.u64 = (uint64_t)tag << 32 | (uint32_t)fd;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    close(fd);
    return -1;
}

bool process_watch_next(int set, uint32_t *tag)
{
    struct epoll_event event;

    if (epoll_wait(set, &event, 1, 0) != 1)
        return false;
    *tag = (uint32_t)(event.data.u64 >> 32);
    close((int)(uint32_t)event.data.u64);
    return true;
}
