#include "launch/mpirun.h"

#include "backends/backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mpirun_hold(struct mpirun *m)
{
    m->is_held = m->fd >= 0 && kill(m->pid, SIGSTOP) == 0;
}

void mpirun_signal(struct mpirun *m, int signal)
{
    if (m->fd < 0)
        return; /* its number may be somebody else's */
    kill(m->pid, signal);
    if (m->is_held)
        kill(m->pid, SIGCONT);
    m->is_held = false;
}

void mpirun_relay(struct mpirun *m, bool to_nobody)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(m->err_fd, bytes, sizeof(bytes))) > 0)
        if (!to_nobody && write(STDERR_FILENO, bytes, (size_t)n) < 0)
            to_nobody = true;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(m->err_fd);
        m->err_fd = -1;
    }
}

/* Is it this program as what starts a rank elsewhere? */
static bool is_reaching(const char *pid)
{
    char path[64], words[4096] = "";
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, words, sizeof(words) - 1);
        close(fd);
    }
    words[n > 0 ? n : 0] = '\0';
    return n > 0 && strcmp(words + strnlen(words, (size_t)n - 1) + 1, REACH_COMMAND) == 0;
}

/* Does this process run this program? */
static bool is_rank(const char *pid)
{
    char path[64];
    struct stat ours, theirs;

    snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
    return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino && !is_reaching(pid);
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

void mpirun_count(const struct mpirun *m, uint32_t *n_ranks, uint32_t *n_others)
{
    const struct dirent *thread;
    char path[64];
    DIR *tasks;

    *n_ranks = *n_others = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)m->pid);
    tasks = opendir(path);
    while (tasks != NULL && (thread = readdir(tasks)) != NULL)
        count_ranks_of(dirfd(tasks), thread->d_name, n_ranks, n_others);
    if (tasks != NULL)
        closedir(tasks);
}
