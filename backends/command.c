#include "backends/command.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_BYTES ((size_t)64 << 20)
#define TERM_S 1.0 /* between TERM and KILL */

extern char **environ;

/* ---- the child ---- */

/* Signals as a program expects to find them: nothing blocked; what is ignored stays so (nohup). */
static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void be_command(const char *const *argv, char **envp, int in_fd, int out_fd, int err_fd)
{
    if (dup2(in_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0) {
        unblock_signals();
        execvpe(argv[0], (char **)(uintptr_t)argv, envp != NULL ? envp : environ);
    }
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* ---- one that is waited for ---- */

struct reading
{
    struct pollfd fds[3]; /* its two outputs, then the pidfd */
    struct buffer out;
    struct buffer err;
    pid_t pid;
    double end_s;
    bool is_late; /* was told to end */
    bool is_too_long;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int start(struct reading *r, const char *const *argv, char **envp, struct ganger_error *err)
{
    int out[2] = {-1, -1}, errors[2] = {-1, -1};
    int in_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    r->pid = -1;
    if (in_fd >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0)
        r->pid = vfork(); /* a manager may be large, and its pages are not to be copied */
    if (r->pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        be_command(argv, envp, in_fd, out[1], errors[1]);
    }
    if (r->pid > 0)
        setpgid(r->pid, r->pid); /* whoever comes first: the group must be there when it is to be ended */
    r->fds[0] = (struct pollfd){out[0], POLLIN, 0};
    r->fds[1] = (struct pollfd){errors[0], POLLIN, 0};
    r->fds[2] = (struct pollfd){r->pid > 0 ? (int)syscall(SYS_pidfd_open, r->pid, 0) : -1, POLLIN, 0};
    close_fd(&in_fd);
    close_fd(&out[1]);
    close_fd(&errors[1]);
    return r->pid > 0 ? 0 : error_set_errno(err, ERROR_SYSTEM, "cannot start %s", argv[0]);
}

static void read_some(struct pollfd *fd, struct buffer *text)
{
    char bytes[16384];
    ssize_t n;

    if (fd->fd < 0 || fd->revents == 0)
        return;
    n = read(fd->fd, bytes, sizeof(bytes));
    if (n > 0)
        buffer_put(text, bytes, (size_t)n);
    else if (n == 0 || errno != EINTR)
        close_fd(&fd->fd);
}

static void end_it(struct reading *r)
{
    kill(-r->pid, r->is_late ? SIGKILL : SIGTERM);
    r->is_late = true;
    r->end_s = clock_now_s() + TERM_S;
}

static void read_rest(struct reading *r)
{
    while ((r->fds[0].fd >= 0 || r->fds[1].fd >= 0) && poll(r->fds, 2, 0) > 0) {
        read_some(&r->fds[0], &r->out);
        read_some(&r->fds[1], &r->err);
    }
}

/* Until it has ended; what it may have left running keeps its pipes open and is not waited for. */
static void follow(struct reading *r)
{
    for (;;) {
        double left_s = r->end_s - clock_now_s();

        if (poll(r->fds, 3, left_s > 0 ? (int)(left_s * 1000) + 1 : 0) == 0 && r->end_s <= clock_now_s())
            end_it(r);
        read_some(&r->fds[0], &r->out);
        read_some(&r->fds[1], &r->err);
        if (r->out.n + r->err.n > MAX_BYTES && !r->is_too_long) {
            r->is_too_long = true;
            kill(-r->pid, SIGKILL);
        }
        if (r->fds[2].revents != 0 || (r->fds[2].fd < 0 && r->fds[0].fd < 0 && r->fds[1].fd < 0))
            break;
    }
    read_rest(r);
}

static char *take_text(struct buffer *text)
{
    buffer_put_u8(text, 0);
    return text->bytes;
}

int command_run(const char *const *argv, char **envp, double limit_s, struct command_result *result,
                struct ganger_error *err)
{
    struct reading r = {.end_s = clock_now_s() + limit_s};
    int wait_status = 0;

    *result = (struct command_result){.out = NULL};
    if (start(&r, argv, envp, err) == 0) {
        follow(&r);
        while (waitpid(r.pid, &wait_status, 0) < 0 && errno == EINTR)
            ;
    }
    for (int i = 0; i < 3; i++)
        close_fd(&r.fds[i].fd);
    result->out = take_text(&r.out);
    result->err = take_text(&r.err);
    result->is_late = r.is_late;
    result->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    if (r.pid < 0)
        return -1;
    return r.is_too_long ? error_set(err, ERROR_SYSTEM, "%s printed more than 64 MiB", argv[0]) : 0;
}

void command_result_release(struct command_result *r)
{
    free(r->out);
    free(r->err);
    *r = (struct command_result){.out = NULL};
}

/* ---- what went wrong ---- */

/* Lines in one, without blanks around. */
static void put_text(struct buffer *b, const char *title, const char *text)
{
    size_t n = strlen(text);

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    if (n == 0)
        return;
    buffer_printf(b, "%s \"", title);
    for (size_t i = 0; i < n; i++)
        buffer_put(b, text[i] == '\n' ? " / " : &text[i], text[i] == '\n' ? 3 : 1);
    buffer_printf(b, "\"");
}

int command_blame(const char *const *argv, double limit_s, const struct command_result *r,
                  struct ganger_error *err)
{
    struct buffer said = BUFFER_EMPTY;

    for (size_t i = 0; argv[i] != NULL; i++)
        buffer_printf(&said, "%s%s", i == 0 ? "`" : " ", argv[i]);
    if (r->is_late)
        buffer_printf(&said, "` did not end within %g s and was ended", limit_s);
    else
        buffer_printf(&said, "` ended with status %d", r->status);
    put_text(&said, "; it said", r->err);
    put_text(&said, "; it printed", r->out);
    error_set(err, ERROR_SYSTEM, "%.*s", (int)said.n, said.bytes);
    buffer_release(&said);
    return -1;
}

bool command_is_there(const char *name)
{
    const char *path = getenv("PATH");

    for (const char *dir = path != NULL ? path : "/usr/bin:/bin";; dir++) {
        size_t n = strcspn(dir, ":");
        char file[PATH_MAX];

        snprintf(file, sizeof(file), "%.*s/%s", n > 0 ? (int)n : 1, n > 0 ? dir : ".", name);
        if (access(file, X_OK) == 0)
            return true;
        dir += n;
        if (*dir == '\0')
            return false;
    }
}

void command_pause(double seconds)
{
    poll(NULL, 0, (int)(seconds * 1000));
}

/* ---- one that goes on without us ---- */

int command_detach(const char *const *argv, const char *log, pid_t *pid, struct ganger_error *err)
{
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    *pid = -1;
    if (log_fd < 0)
        error_set_errno(err, ERROR_SYSTEM, "%s", log);
    else if ((*pid = fork()) < 0)
        error_set_errno(err, ERROR_SYSTEM, "cannot start %s", argv[0]);
    if (*pid == 0) {
        setsid();
        signal(SIGHUP, SIG_IGN); /* whoever typed it may log out */
        be_command(argv, NULL, null_fd, log_fd, log_fd);
    }
    close_fd(&log_fd);
    close_fd(&null_fd);
    return *pid > 0 ? 0 : -1;
}
