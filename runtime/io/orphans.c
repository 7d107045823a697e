#include "io/orphans.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_BYTES 65536
#define ENVIRONMENT_BYTES_MAX (16u << 20) /* beyond that it is not looked at */
#define LOOK_AGAIN_MS 10

/* Whom we look for. */
struct wanted
{
    const char *run_dir;
    struct stat dir;
    uint32_t before_epoch; /* any of an earlier epoch, ranks included; 0: … */
    uint32_t epoch;        /* … tasks of this one alone, */
    uint32_t worker;       /* of this worker */
    bool sees_tasks;
    int blind;             /* errno of what kept us from looking; 0: nothing */
    struct buffer text;    /* what was read of a process */
};

/* That a process is gone, or not ours, is no news. Of one that could not be looked at for want of descriptors, say,
 * nobody knows whether it is wanted; and one that cannot be reached may live on. */
static void note_blindness(struct wanted *w)
{
    if (errno != ENOENT && errno != ESRCH && errno != EACCES && errno != EPERM && w->blind == 0)
        w->blind = errno;
}

/* /proc/PID/NAME, whole, with a NUL behind it. False: it is gone, or not ours. */
static bool read_file(struct wanted *w, int pid_fd, const char *name)
{
    int fd = openat(pid_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    w->text.n = 0;
    while (fd >= 0 && n > 0 && w->text.n < ENVIRONMENT_BYTES_MAX) {
        buffer_reserve(&w->text, READ_BYTES);
        while ((n = read(fd, w->text.bytes + w->text.n, READ_BYTES)) < 0 && errno == EINTR)
            ;
        w->text.n += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || n < 0)
        note_blindness(w);
    if (fd >= 0)
        close(fd);
    buffer_put_u8(&w->text, '\0');
    return fd >= 0 && n >= 0 && w->text.n > 1;
}

/* The last word that begins with `name`: what a program changes in its own environment is not seen here. */
static const char *find_variable(const struct buffer *text, const char *name)
{
    const char *end = text->bytes + text->n, *found = NULL;
    size_t n_name = strlen(name);

    for (const char *word = text->bytes; word < end; word += strlen(word) + 1)
        if (strncmp(word, name, n_name) == 0)
            found = word + n_name;
    return found;
}

/* The same name below other folders may be the same directory. Of others no file system is asked: it may hang. */
static bool is_that_dir(const struct wanted *w, const char *path)
{
    const char *theirs = strrchr(path, '/'), *ours = strrchr(w->run_dir, '/');
    struct stat s;

    if (strcmp(path, w->run_dir) == 0)
        return true;
    return theirs != NULL && ours != NULL && strcmp(theirs, ours) == 0 && stat(path, &s) == 0 &&
           s.st_dev == w->dir.st_dev && s.st_ino == w->dir.st_ino;
}

static bool is_task(struct wanted *w, int pid_fd)
{
    const char *dir, *epoch, *worker;
    unsigned long number;

    if (!w->sees_tasks || !read_file(w, pid_fd, "environ"))
        return false;
    dir = find_variable(&w->text, "GANGER_RUN_DIR=");
    epoch = find_variable(&w->text, "GANGER_EPOCH=");
    worker = find_variable(&w->text, "GANGER_WORKER=");
    if (dir == NULL || epoch == NULL || worker == NULL || !is_that_dir(w, dir))
        return false;
    number = strtoul(epoch, NULL, 10);
    if (w->before_epoch != 0)
        return number < w->before_epoch;
    return number == w->epoch && strtoul(worker, NULL, 10) == w->worker;
}

/* The parent and the name in a file like /proc/PID/stat. */
static bool read_stat(struct wanted *w, int pid_fd, const char *file, pid_t *parent, char name[16])
{
    const char *open, *close;

    if (!read_file(w, pid_fd, file))
        return false;
    open = strchr(w->text.bytes, '(');
    close = strrchr(w->text.bytes, ')');
    if (open == NULL || close == NULL || sscanf(close + 1, " %*c %d", parent) != 1)
        return false;
    snprintf(name, 16, "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

static bool holds_dir(struct wanted *w, int pid_fd)
{
    int fd = openat(pid_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool holds = false;
    struct stat s;

    while (entries != NULL && !holds && (entry = readdir(entries)) != NULL)
        holds = isdigit((unsigned char)*entry->d_name) && fstatat(fd, entry->d_name, &s, 0) == 0 &&
                s.st_dev == w->dir.st_dev && s.st_ino == w->dir.st_ino;
    if (entries == NULL)
        note_blindness(w);
    if (entries != NULL)
        closedir(entries);
    else if (fd >= 0)
        close(fd);
    return holds;
}

/* A rank of our launch has our parent. Before its exec a rank's child looks like the rank, and has that for a
 * parent. */
static bool is_of_this_launch(struct wanted *w, int pid_fd, pid_t parent)
{
    char file[32], name[16];
    pid_t grandparent;

    snprintf(file, sizeof(file), "../%d/stat", (int)parent);
    return parent == getppid() || (read_stat(w, pid_fd, file, &grandparent, name) && grandparent == getppid());
}

/* A `ganger run` that has the directory open, and is none of ours. */
static bool is_old_rank(struct wanted *w, int pid_fd)
{
    static char self[16];
    char name[16];
    pid_t parent;

    if (w->before_epoch == 0)
        return false;
    if (*self == '\0')
        snprintf(self, sizeof(self), "%.15s", program_invocation_short_name);
    return read_stat(w, pid_fd, "stat", &parent, name) && strcmp(name, self) == 0 &&
           !is_of_this_launch(w, pid_fd, parent) && read_file(w, pid_fd, "cmdline") &&
           w->text.n > strlen(w->text.bytes) + 2 &&
           strcmp(w->text.bytes + strlen(w->text.bytes) + 1, "run") == 0 && holds_dir(w, pid_fd);
}

/* By /proc/PID as it was opened, which names this process alone. Its number may be somebody else's by now. */
static bool kill_that(struct wanted *w, int pid_fd)
{
    bool is_sent = syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0) == 0;

    if (!is_sent)
        note_blindness(w);
    return is_sent;
}

/* Kills those that are there; how many. */
static uint32_t kill_wanted(struct wanted *w, bool (*is_wanted)(struct wanted *, int))
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    uint32_t n = 0;

    if (proc == NULL)
        note_blindness(w);
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        struct stat s;
        int fd;

        if (pid <= 1 || pid == getpid())
            continue;
        fd = openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            note_blindness(w);
        if (fd >= 0 && fstat(fd, &s) == 0 && s.st_uid == getuid() && is_wanted(w, fd) && kill_that(w, fd))
            n++;
        if (fd >= 0)
            close(fd);
    }
    if (proc != NULL)
        closedir(proc);
    return n;
}

/* A run that was typed in a shell that a task of it started: then that shell looks like a task, too. */
static bool is_below_itself(const struct wanted *w)
{
    const char *dir = getenv("GANGER_RUN_DIR");

    return dir != NULL && is_that_dir(w, dir);
}

static bool begin(struct wanted *w)
{
    if (stat(w->run_dir, &w->dir) < 0)
        return false;
    w->sees_tasks = !is_below_itself(w);
    return true;
}

/* Until none is seen, twice in a row: in the middle of its exec a process has no environment. Ranks go first: they
 * would start another task when one ends. */
static int end_all(struct wanted *w, bool (*is_wanted)(struct wanted *, int), uint32_t *n_ended,
                   struct ganger_error *err)
{
    double give_up_s = clock_now_s() + ORPHANS_END_S;
    uint32_t n = kill_wanted(w, is_wanted), n_before = 1;

    *n_ended += n;
    while (n > 0 || n_before > 0) {
        if (n > 0 && clock_now_s() > give_up_s)
            return error_set(err, ERROR_SYSTEM,
                             "%s: %u processes of an earlier epoch of this run cannot be ended (stuck in the kernel?); "
                             "nothing was started, so that no task runs twice at a time: try again when they are gone",
                             w->run_dir, n);
        poll(NULL, 0, LOOK_AGAIN_MS);
        n_before = n;
        n = kill_wanted(w, is_wanted);
        *n_ended += n_before == 0 ? n : 0;
    }
    if (w->blind == 0)
        return 0;
    errno = w->blind;
    return error_set_errno(err, ERROR_SYSTEM,
                           "%s: whether an earlier epoch of this run left processes cannot be seen; nothing was "
                           "started, so that no task runs twice at a time", w->run_dir);
}

int orphans_end_before(const char *run_dir, uint32_t epoch, uint32_t *n_ended, struct ganger_error *err)
{
    struct wanted w = {.run_dir = run_dir, .before_epoch = epoch};
    int status;

    *n_ended = 0;
    if (!begin(&w))
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot be looked at", run_dir);
    if (!w.sees_tasks)
        log_warning("this run was started by a task of its own: other tasks of it that still live are not ended");
    status = end_all(&w, is_old_rank, n_ended, err);
    if (status == 0)
        status = end_all(&w, is_task, n_ended, err);
    buffer_release(&w.text);
    return status;
}

uint32_t orphans_end_of(const char *run_dir, uint32_t epoch, uint32_t worker)
{
    struct wanted w = {.run_dir = run_dir, .epoch = epoch, .worker = worker};
    uint32_t n = begin(&w) ? kill_wanted(&w, is_task) : 0;

    buffer_release(&w.text);
    return n;
}
