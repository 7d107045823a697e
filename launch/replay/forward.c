/* ganger-forward: runs a command and, if it ends well, appends what it gave to files that many tasks share.
 *
 *     ganger-forward {-f VARIABLE=FILE | -F SOURCE=DESTINATION}... -- COMMAND [ARGUMENT]...
 *
 * -f: the command finds in VARIABLE the number of a descriptor; what it writes there is appended to FILE.
 * -F: what the command leaves in SOURCE is appended to DESTINATION; SOURCE is removed. It need not be there.
 *
 * All of a command's data is appended, or none: files are locked, and made as long as they were when one cannot be
 * written. What a command gave that failed, or that was told to end, is dropped. Ends as the command ended; with 1
 * when its data cannot be kept. Several can run at once, on any nodes of a file system that has locks. */
#include "base/buffer.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct forward
{
    const char *variable; /* NULL: from a file */
    const char *source;   /* NULL: from a pipe */
    const char *path;
    int read_fd; /* of the pipe; -1: none, or closed */
    int write_fd;
    struct buffer bytes;
    dev_t device; /* of the file at `path`, after open_files */
    ino_t inode;
};

/* A file that is appended to, once for each file, whatever it is called. */
struct shared_file
{
    const char *path;
    int fd;
    dev_t device;
    ino_t inode;
    off_t length; /* before anything was appended */
};

static volatile sig_atomic_t told_to_end; /* the signal; 0: none */

static void note_end(int signal_number)
{
    told_to_end = signal_number;
}

static int complain(const char *what, const char *path)
{
    fprintf(stderr, "ganger-forward: cannot %s %s: %s\n", what, path, strerror(errno));
    return -1;
}

/* ---- words */

static int refuse_words(void)
{
    fprintf(stderr, "usage: ganger-forward {-f VARIABLE=FILE | -F SOURCE=DESTINATION}... -- COMMAND [ARGUMENT]...\n");
    return -1;
}

/* Returns how many forwards there are; *command is the index of the command's first word. */
static int read_words(int argc, char **argv, struct forward *forwards, int *command)
{
    int n = 0, i = 1;

    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        char *equals = strchr(argv[i + 1], '=');
        bool is_pipe = strcmp(argv[i], "-f") == 0;

        if ((!is_pipe && strcmp(argv[i], "-F") != 0) || equals == NULL || equals == argv[i + 1] || equals[1] == '\0')
            return refuse_words();
        *equals = '\0';
        forwards[n++] = (struct forward){.variable = is_pipe ? argv[i + 1] : NULL,
                                         .source = is_pipe ? NULL : argv[i + 1],
                                         .path = equals + 1, .read_fd = -1, .write_fd = -1};
    }
    if (i + 1 >= argc || strcmp(argv[i], "--") != 0)
        return refuse_words();
    *command = i + 1;
    return n;
}

/* ---- the command */

static int open_pipes(struct forward *forwards, int n)
{
    for (int i = 0; i < n; i++) {
        int ends[2];
        char number[16];

        if (forwards[i].variable == NULL)
            continue;
        if (pipe2(ends, O_CLOEXEC) != 0)
            return complain("make a pipe for", forwards[i].path);
        forwards[i].read_fd = ends[0];
        forwards[i].write_fd = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        fcntl(ends[1], F_SETFD, 0);
        snprintf(number, sizeof(number), "%d", ends[1]);
        if (setenv(forwards[i].variable, number, 1) != 0)
            return complain("set the variable", forwards[i].variable);
    }
    return 0;
}

static void set_signals(void (*handler)(int))
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = handler};

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* The command gets the signals itself, being in the same group; we outlive it to say how it ended. */
static pid_t start(char **command)
{
    pid_t child;

    set_signals(note_end);
    child = fork(); /* of a process of a few pages */
    if (child == 0) {
        set_signals(SIG_DFL);
        execvp(command[0], command);
        complain("start", command[0]);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child < 0)
        complain("start", command[0]);
    return child;
}

/* Takes what is there; closes the pipe at its end. */
static int drain(struct forward *f)
{
    ssize_t n = 1;

    while (n != 0) {
        buffer_reserve(&f->bytes, 65536);
        n = read(f->read_fd, f->bytes.bytes + f->bytes.n, f->bytes.capacity - f->bytes.n);
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return complain("read what was written for", f->path);
        f->bytes.n += n > 0 ? (size_t)n : 0;
    }
    close(f->read_fd);
    f->read_fd = -1;
    return 0;
}

/* Keeps the pipes from filling up until the command has ended, and takes what is left then: what it started may live
 * on and hold them open. */
static int drain_while_running(struct forward *forwards, int n, pid_t child)
{
    struct pollfd *fds = calloc((size_t)n + 1, sizeof(*fds));
    int status = 0;

    fds[n] = (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
    if (fds[n].fd < 0)
        status = complain("watch", "the command");
    while (status == 0) {
        for (int i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = forwards[i].read_fd, .events = POLLIN};
        if (poll(fds, (nfds_t)n + 1, -1) < 0 && errno != EINTR)
            status = complain("wait for", "the command");
        for (int i = 0; i < n && status == 0; i++)
            if (forwards[i].read_fd >= 0)
                status = drain(&forwards[i]);
        if (fds[n].revents != 0)
            break;
    }
    if (fds[n].fd >= 0)
        close(fds[n].fd);
    free(fds);
    return status;
}

/* ---- the files */

static int read_source(struct forward *f)
{
    int fd = open(f->source, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : complain("read", f->source);
    f->read_fd = fd;
    return drain(f);
}

static int compare_files(const void *a, const void *b)
{
    const struct shared_file *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static int open_file(struct shared_file *file, const char *path)
{
    struct stat info;

    file->path = path;
    file->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file->fd < 0 || fstat(file->fd, &info) != 0)
        return complain("open", path);
    file->device = info.st_dev;
    file->inode = info.st_ino;
    return 0;
}

/* Locks in one order for everybody, so that nobody waits in a circle. */
static int lock_files(struct shared_file *files, int n)
{
    for (int i = 0; i < n; i++) {
        while (flock(files[i].fd, LOCK_EX) != 0)
            if (errno != EINTR)
                return complain("lock", files[i].path);
        files[i].length = lseek(files[i].fd, 0, SEEK_END);
    }
    return 0;
}

/* Opens each file once, in order; returns how many there are. */
static int open_files(struct forward *forwards, int n, struct shared_file *files)
{
    int n_files = 0;

    for (int i = 0; i < n; i++) {
        struct shared_file file = {.fd = -1};
        int known = 0;

        if (forwards[i].bytes.n == 0)
            continue; /* a file is made when there is something for it */
        if (open_file(&file, forwards[i].path) != 0)
            return -1;
        forwards[i].device = file.device;
        forwards[i].inode = file.inode;
        while (known < n_files && compare_files(&files[known], &file) != 0)
            known++;
        if (known < n_files)
            close(file.fd);
        else
            files[n_files++] = file;
    }
    qsort(files, (size_t)n_files, sizeof(*files), compare_files);
    return n_files;
}

static struct shared_file *find_file(struct shared_file *files, const struct forward *f)
{
    while (files->device != f->device || files->inode != f->inode)
        files++;
    return files;
}

static int append(struct forward *forwards, int n)
{
    struct shared_file *files = calloc((size_t)n + 1, sizeof(*files));
    int n_files = open_files(forwards, n, files);
    int status = n_files < 0 ? -1 : lock_files(files, n_files);

    for (int i = 0; i < n && status == 0; i++) {
        struct shared_file *file = forwards[i].bytes.n > 0 ? find_file(files, &forwards[i]) : NULL;

        if (file != NULL && file_write(file->fd, forwards[i].bytes.bytes, forwards[i].bytes.n) != 0) {
            status = complain("append to", file->path);
            for (int k = 0; k < n_files; k++)
                if (files[k].length >= 0 && ftruncate(files[k].fd, files[k].length) != 0)
                    complain("shorten", files[k].path);
        }
    }
    free(files); /* closed, and so unlocked, by the end of the process */
    return status;
}

/* ---- the end */

static int die_by(int signal_number)
{
    set_signals(SIG_DFL);
    raise(signal_number);
    return 128 + signal_number;
}

/* Keeps what a command gave that ended well. */
static int keep(struct forward *forwards, int n)
{
    for (int i = 0; i < n; i++)
        if (forwards[i].source != NULL && read_source(&forwards[i]) != 0)
            return -1;
    return append(forwards, n);
}

/* Runs the command and keeps what it gives; *ended is how waitpid tells its end. -1 when something failed here. */
static int run(struct forward *forwards, int n, char **command, int *ended)
{
    pid_t child;
    int status;

    if (open_pipes(forwards, n) != 0 || (child = start(command)) < 0)
        return -1;
    for (int i = 0; i < n; i++)
        if (forwards[i].write_fd >= 0)
            close(forwards[i].write_fd);
    status = drain_while_running(forwards, n, child);
    while (waitpid(child, ended, 0) < 0 && errno == EINTR)
        ;
    if (*ended == 0 && told_to_end == 0 && status == 0)
        status = keep(forwards, n);
    for (int i = 0; i < n; i++)
        if (forwards[i].source != NULL)
            unlink(forwards[i].source); /* of a failed attempt, too */
    return status;
}

int main(int argc, char **argv)
{
    struct forward *forwards = calloc((size_t)argc, sizeof(*forwards));
    int command = 0, ended = 0, status = -1;
    int n = forwards != NULL ? read_words(argc, argv, forwards, &command) : -1;

    if (n >= 0)
        status = run(forwards, n, argv + command, &ended);
    for (int i = 0; i < n; i++)
        buffer_release(&forwards[i].bytes);
    free(forwards);
    if (n < 0)
        return 2;
    if (WIFSIGNALED(ended))
        return die_by(WTERMSIG(ended));
    if (ended == 0 && told_to_end != 0)
        return die_by(told_to_end);
    return ended == 0 ? status != 0 : WEXITSTATUS(ended);
}
