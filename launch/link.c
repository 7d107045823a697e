#include "launch/link.h"

#include "base/alloc.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

#define TALK_S 10 /* what is said takes no longer */

/* What is no exit status. */
#define SAID_WITH_LOSS 0x100u /* beside an exit status */
#define SAID_STARTED_SPREAD 0xfffffffdu
#define SAID_STARTED 0xfffffffeu
#define SAID_NOTHING 0xffffffffu

static socklen_t make_address(struct sockaddr_un *address, const char *name)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX; /* abstract: no file to leave behind */
    memcpy(address->sun_path + 1, name, strlen(name));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static bool is_same_user(int fd, pid_t *pid)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid != getuid())
        return false;
    *pid = peer.pid;
    return true;
}

/* The other end may be stopped; whoever waits for it must stay able to hear of that. */
static void limit_waits(int fd)
{
    static const struct timeval limit = {TALK_S, 0};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return -1;
        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}

static int receive_all(int fd, char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, bytes, n, 0);

        if (got == 0 || (got < 0 && errno != EINTR))
            return -1;
        if (got > 0) {
            bytes += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

/* ---- the launcher's end ---- */

int link_listen(struct link *l, struct ganger_error *err)
{
    struct sockaddr_un address;
    unsigned long long token = 0;
    socklen_t n;

    *l = (struct link){.listen_fd = -1, .fd = -1};
    if (getrandom(&token, sizeof(token), 0) < 0)
        token = (unsigned long long)getpid();
    snprintf(l->name, sizeof(l->name), "ganger.link.%016llx", token);
    n = make_address(&address, l->name);
    l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->listen_fd < 0 || bind(l->listen_fd, (struct sockaddr *)&address, n) < 0 ||
        listen(l->listen_fd, 4) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot open a socket for the manager");
    return 0;
}

/* Standard output and error travel beside the first byte. */
static int send_descriptors(int fd)
{
    int fds[2] = {STDOUT_FILENO, STDERR_FILENO};
    char first = 'g';
    union
    {
        char bytes[CMSG_SPACE(sizeof(fds))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec io = {&first, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    return sendmsg(fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* What was put into our own environment for the ranks alone: see backend->learn. */
static bool is_learned(const char *variable)
{
    return strncmp(variable, "GANGER_PBS_", 11) == 0;
}

int link_accept(struct link *l, struct ganger_error *err)
{
    int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct buffer origin = BUFFER_EMPTY;
    char cwd[PATH_MAX];
    int status = 0;
    pid_t pid;

    if (fd < 0 || !is_same_user(fd, &pid)) { /* a stranger: go on waiting for the manager */
        if (fd >= 0)
            close(fd);
        return 0;
    }
    limit_waits(fd);
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        snprintf(cwd, sizeof(cwd), "/");
    buffer_put_u32(&origin, 0);
    buffer_put_text(&origin, cwd, strlen(cwd));
    for (char **variable = environ; *variable != NULL; variable++)
        if (!is_learned(*variable))
            buffer_put_text(&origin, *variable, strlen(*variable));
    buffer_set_u32(&origin, 0, (uint32_t)(origin.n - 4));
    if (send_descriptors(fd) < 0 || send_all(fd, origin.bytes, origin.n) < 0)
        status = error_set_errno(err, ERROR_SYSTEM, "cannot tell the manager what was typed");
    buffer_release(&origin);
    l->fd = fd;
    l->manager = pid;
    close(l->listen_fd);
    l->listen_fd = -1;
    return status;
}

/* SAID_NOTHING where it ended instead. */
static uint32_t receive_word(int fd)
{
    char word[4] = "";
    struct cursor c = cursor_over(word, sizeof(word));

    return receive_all(fd, word, sizeof(word)) == 0 ? cursor_u32(&c) : SAID_NOTHING;
}

enum link_word link_hear(struct link *l, struct link_end *end)
{
    uint32_t said = receive_word(l->fd), epoch = SAID_NOTHING;

    if (said == SAID_STARTED || said == SAID_STARTED_SPREAD)
        return said == SAID_STARTED ? LINK_STARTED : LINK_STARTED_SPREAD;
    if (said != SAID_NOTHING)
        epoch = receive_word(l->fd);
    close(l->fd);
    l->fd = -1;
    if (epoch == SAID_NOTHING)
        return LINK_GONE;
    *end = (struct link_end){(int)(said & ~SAID_WITH_LOSS), epoch};
    return said & SAID_WITH_LOSS ? LINK_DONE_WITH_LOSS : LINK_DONE;
}

void link_close(struct link *l)
{
    if (l->listen_fd >= 0)
        close(l->listen_fd);
    if (l->fd >= 0)
        close(l->fd);
    l->listen_fd = l->fd = -1;
}

/* ---- the manager's end ---- */

static int receive_descriptors(int fd, int *out_fd, int *err_fd)
{
    int fds[2];
    char first;
    union
    {
        char bytes[CMSG_SPACE(sizeof(fds))];
        struct cmsghdr align;
    } control;
    struct iovec io = {&first, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *c;

    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    c = CMSG_FIRSTHDR(&message);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
        return -1;
    memcpy(fds, CMSG_DATA(c), sizeof(fds));
    *out_fd = fds[0];
    *err_fd = fds[1];
    return 0;
}

static int receive_origin(struct link_origin *o)
{
    char length[4], *bytes;
    struct cursor c = cursor_over(length, sizeof(length));
    uint32_t n_bytes;
    size_t n;

    if (receive_all(o->fd, length, sizeof(length)) < 0)
        return -1;
    n_bytes = cursor_u32(&c);
    bytes = xmalloc(n_bytes);
    if (receive_all(o->fd, bytes, n_bytes) < 0) {
        free(bytes);
        return -1;
    }
    c = cursor_over(bytes, n_bytes);
    o->cwd = xstrdup(cursor_text(&c, &n));
    while (!c.failed && c.next < c.end) {
        const char *variable = cursor_text(&c, &n);

        buffer_put(&o->env, variable, n + 1);
    }
    free(bytes);
    return c.failed ? -1 : 0;
}

int link_connect(struct link_origin *o, struct ganger_error *err)
{
    const char *name = getenv(LINK_VARIABLE);
    struct sockaddr_un address;
    struct pollfd readable;
    pid_t pid;

    *o = (struct link_origin){.fd = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
    if (name == NULL || strlen(name) >= sizeof(address.sun_path) - 1)
        return 0;
    o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (o->fd < 0 || connect(o->fd, (struct sockaddr *)&address, make_address(&address, name)) < 0 ||
        !is_same_user(o->fd, &pid)) {
        if (o->fd >= 0)
            close(o->fd);
        o->fd = -1; /* the launcher is on another host */
        return 0;
    }
    limit_waits(o->fd);
    readable = (struct pollfd){o->fd, POLLIN, 0};
    if (poll(&readable, 1, 10000) == 1 && receive_descriptors(o->fd, &o->out_fd, &o->err_fd) == 0 &&
        receive_origin(o) == 0)
        return 0;
    return error_set(err, ERROR_SYSTEM, "the launcher (process %d) does not tell what was typed",
                     (int)pid);
}

/* A launcher that is gone need not hear it. */
static void say(const struct link_origin *o, struct buffer *words)
{
    if (o->fd >= 0)
        send_all(o->fd, words->bytes, words->n);
    buffer_release(words);
}

void link_say_started(const struct link_origin *o, bool is_spread)
{
    struct buffer words = BUFFER_EMPTY;

    buffer_put_u32(&words, is_spread ? SAID_STARTED_SPREAD : SAID_STARTED);
    say(o, &words);
}

void link_say_done(const struct link_origin *o, const struct link_end *end, bool has_lost)
{
    struct buffer words = BUFFER_EMPTY;

    buffer_put_u32(&words, (uint32_t)end->exit_status | (has_lost ? SAID_WITH_LOSS : 0));
    buffer_put_u32(&words, end->epoch);
    say(o, &words);
}

/* Variables that belong to the launch of this process and would confuse a task that is an MPI program
 * itself. What the user set for Open MPI (OMPI_MCA_…) stays, but for what mpirun always adds. */
static bool belongs_to_launch(const char *variable)
{
    static const char *const prefixes[] = {
        "OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix=", "OMPI_MCA_initial_wdir=",
        "OMPI_MCA_shmem_RUNTIME_QUERY_hint=", "OMPI_MCA_mpi_oversubscribe=",
        "OMPI_MCA_rmaps_base_oversubscribe=", "OMPI_MCA_hwloc_base_binding_policy=",
        "PMIX_", "PMI_", "HYDI_", "HYDRA_", "MPI_LOCAL", "MPIR_CVAR_CH3_INTERFACE_HOSTNAME=",
        "PRTE_", "ORTE_", "SLURM_STEP", "SLURM_TASK", "SLURM_PROCID=", "SLURM_LOCALID=", "SLURM_NODEID=",
        "SLURM_GTIDS=", "SLURM_LAUNCH_", "SLURM_SRUN_", "SLURM_PMIX", LINK_VARIABLE "=",
    };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    if (is_learned(variable))
        return true;
    return strncmp(variable, "OMPI_", 5) == 0 && strncmp(variable, "OMPI_MCA_", 9) != 0 &&
           strncmp(variable, "OMPI_ALLOW_RUN_AS_ROOT", 22) != 0;
}

void link_origin_from_here(struct link_origin *o)
{
    char cwd[PATH_MAX];

    o->cwd = xstrdup(getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "/");
    for (char **variable = environ; *variable != NULL; variable++)
        if (!belongs_to_launch(*variable))
            buffer_put(&o->env, *variable, strlen(*variable) + 1);
}
