#include "io/footprint.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 64 /* generations: a chain of children that is longer has a loop made by a number given out again */
#define FILE_BYTES 4096

/* The whole of a small file of /proc, ended by a NUL; "" when it is gone. */
static void read_file(int dir_fd, const char *name, char text[FILE_BYTES])
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, FILE_BYTES - 1) : 0;

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The number of kB behind one of the words; 0 when it is not there. */
static uint64_t sum_of(const char *text, const char *const words[2])
{
    uint64_t kib = 0;

    for (int i = 0; i < 2; i++) {
        const char *found = strstr(text, words[i]);

        kib += found != NULL ? strtoull(found + strlen(words[i]), NULL, 10) : 0;
    }
    return kib * 1024;
}

static uint64_t bytes_at_most(int process_fd)
{
    static const char *const words[2] = {"\nRssAnon:", "\nRssShmem:"};
    char text[FILE_BYTES];

    read_file(process_fd, "status", text);
    return sum_of(text, words);
}

/* Older kernels do not divide by kind, and others' processes (setuid) are not shown. */
static uint64_t bytes_exact(int process_fd)
{
    static const char *const words[2] = {"\nPss_Anon:", "\nPss_Shmem:"};
    char text[FILE_BYTES];

    read_file(process_fd, "smaps_rollup", text);
    return strstr(text, words[0]) != NULL ? sum_of(text, words) : bytes_at_most(process_fd);
}

struct walk
{
    uint64_t (*measure)(int process_fd);
    struct footprint sum;
};

static void add_children_of(struct walk *w, int thread_fd, int depth);

static void add_children_of_threads(struct walk *w, int process_fd, int depth)
{
    int tasks_fd = openat(process_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), thread_fd;
    DIR *threads = tasks_fd >= 0 ? fdopendir(tasks_fd) : NULL;
    const struct dirent *entry;

    if (threads == NULL && tasks_fd >= 0)
        close(tasks_fd);
    while (threads != NULL && (entry = readdir(threads)) != NULL) {
        if (*entry->d_name == '.')
            continue;
        thread_fd = openat(dirfd(threads), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (thread_fd >= 0) {
            add_children_of(w, thread_fd, depth);
            close(thread_fd);
        }
    }
    if (threads != NULL)
        closedir(threads);
}

static void add_process(struct walk *w, long pid, int depth)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld", pid);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    w->sum.bytes += w->measure(fd);
    w->sum.n_processes++;
    if (depth < DEPTH_MAX)
        add_children_of_threads(w, fd, depth + 1);
    close(fd);
}

static void add_children_of(struct walk *w, int thread_fd, int depth)
{
    int fd = openat(thread_fd, "children", O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    long pid;

    if (file == NULL && fd >= 0)
        close(fd);
    while (file != NULL && fscanf(file, "%ld", &pid) == 1)
        add_process(w, pid, depth);
    if (file != NULL)
        fclose(file);
}

static struct footprint measure_all(uint64_t (*measure)(int process_fd))
{
    struct walk w = {.measure = measure};
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d", (int)gettid());
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        add_children_of(&w, fd, 0);
        close(fd);
    }
    return w.sum;
}

struct footprint footprint_at_most(void)
{
    return measure_all(bytes_at_most);
}

struct footprint footprint_exact(void)
{
    return measure_all(bytes_exact);
}
