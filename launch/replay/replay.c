/* ganger-replay: stands in for a recorded task. Looks for its inputs, passes its time, makes its outputs.
 *
 *     ganger-replay [--dir DIR] [--full] {--sleep S | --spin S [--cores N]} [-i SIZE:PATH]... [-o SIZE:PATH]...
 *     ganger-replay --make --dir DIR [--full] [-o SIZE:PATH]...
 *
 * Time counts from the start of the program, so that looking and making is part of it. --make makes files that are
 * not there yet with their size, and keeps those that are. Exit status: 0; 1 when an input is missing or has another
 * size, or a file cannot be made; 2 for words that it does not know. */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CORES_MAX 65535

struct replay
{
    const char *dir;
    bool is_full;
    bool is_make;
    bool spins;
    double length_s;
    long n_cores;
};

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "ganger-replay: %s: %s\n", path, what);
    return -1;
}

static int complain_errno(const char *path, const char *what)
{
    fprintf(stderr, "ganger-replay: cannot %s %s: %s\n", what, path, strerror(errno));
    return -1;
}

/* ---- files */

/* "SIZE:PATH" -> the size, and the path in the replay's folder. */
static int read_file(const struct replay *r, const char *word, uint64_t *n_bytes, char path[PATH_MAX])
{
    char *colon;
    int n;

    errno = 0;
    *n_bytes = strtoull(word, &colon, 10);
    if (errno != 0 || *colon != ':' || colon[1] == '\0')
        return complain(word, "is not SIZE:PATH");
    n = snprintf(path, PATH_MAX, "%s/%s", r->dir, colon + 1);
    return n < PATH_MAX ? 0 : complain(colon + 1, "the path is too long");
}

static int check_input(const struct replay *r, const char *word)
{
    uint64_t n_bytes;
    char path[PATH_MAX];
    struct stat info;

    if (read_file(r, word, &n_bytes, path) != 0)
        return -1;
    if (stat(path, &info) != 0)
        return complain_errno(path, "find the input");
    if ((uint64_t)info.st_size != n_bytes) {
        fprintf(stderr, "ganger-replay: the input %s has %jd bytes, not %" PRIu64 "\n", path, (intmax_t)info.st_size,
                n_bytes);
        return -1;
    }
    return 0;
}

/* Makes the folders above `path` that are not there. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777); /* the open that follows says what is wrong */
        *slash = '/';
    }
}

static int open_new(char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    make_folders(path);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* Bytes of Marsaglia's xorshift64*: the same for the same path, so that nodes that make a file at once make the
 * same. */
static int fill(int fd, const char *path, uint64_t n_bytes)
{
    static uint64_t block[8192];
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

    for (const char *p = path; *p != '\0'; p++)
        x = (x ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    x |= 1;
    while (n_bytes > 0) {
        size_t n = n_bytes < sizeof(block) ? (size_t)n_bytes : sizeof(block), done = 0;

        for (size_t i = 0; i < (n + 7) / 8; i++) {
            x ^= x >> 12;
            x ^= x << 25;
            x ^= x >> 27;
            block[i] = x * UINT64_C(0x2545f4914f6cdd1d);
        }
        while (done < n) {
            ssize_t written = write(fd, (const char *)block + done, n - done);

            if (written < 0 && errno != EINTR)
                return -1;
            done += written > 0 ? (size_t)written : 0;
        }
        n_bytes -= n;
    }
    return 0;
}

/* A file with bytes gets its name when it is whole: another node may be reading it already. */
static int make_full(char *path, uint64_t n_bytes)
{
    char part[PATH_MAX + 32];
    int fd, status;

    snprintf(part, sizeof(part), "%s.part-%ld", path, (long)getpid());
    fd = open_new(part);
    if (fd < 0)
        return complain_errno(part, "make");
    status = fill(fd, path, n_bytes);
    if (close(fd) != 0 || status != 0 || rename(part, path) != 0) {
        complain_errno(path, "write");
        unlink(part);
        return -1;
    }
    return 0;
}

static int make_sparse(char *path, uint64_t n_bytes)
{
    int fd = open_new(path), status;

    if (fd < 0)
        return complain_errno(path, "make");
    status = n_bytes > 0 ? ftruncate(fd, (off_t)n_bytes) : 0;
    if (status != 0)
        complain_errno(path, "give its size to");
    close(fd);
    return status;
}

static int make_file(const struct replay *r, const char *word)
{
    uint64_t n_bytes;
    char path[PATH_MAX];
    struct stat info;

    if (read_file(r, word, &n_bytes, path) != 0)
        return -1;
    if (r->is_make && stat(path, &info) == 0 && (uint64_t)info.st_size == n_bytes)
        return 0;
    return r->is_full ? make_full(path, n_bytes) : make_sparse(path, n_bytes);
}

/* ---- time */

/* For a moment of clock_now_s: however late it wakes up, it was not set up late. */
static void sleep_until(double until_s)
{
    struct timespec until = {(time_t)until_s, (long)((until_s - (double)(time_t)until_s) * 1e9)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static void *spin(void *data)
{
    double length_s = *(const double *)data;
    struct timespec used;

    do {
        for (volatile int i = 0; i < 50000; i++) /* some 20 us: asking for the time is a call of the system */
            ;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    } while ((double)used.tv_sec + (double)used.tv_nsec * 1e-9 < length_s);
    return NULL;
}

static int spin_on_cores(const struct replay *r)
{
    double length_s = r->length_s;
    pthread_t *threads = calloc((size_t)r->n_cores, sizeof(*threads));
    long n = 0;

    while (threads != NULL && n < r->n_cores - 1 && pthread_create(&threads[n], NULL, spin, &length_s) == 0)
        n++;
    spin(&length_s);
    for (long i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return n == r->n_cores - 1 ? 0 : complain("--cores", "cannot start so many threads");
}

/* ---- words */

enum
{
    OPTION_DIR = 256,
    OPTION_FULL,
    OPTION_MAKE,
    OPTION_SLEEP,
    OPTION_SPIN,
    OPTION_CORES,
};

static const struct option options[] = {
    {"dir", required_argument, NULL, OPTION_DIR},     {"full", no_argument, NULL, OPTION_FULL},
    {"make", no_argument, NULL, OPTION_MAKE},         {"sleep", required_argument, NULL, OPTION_SLEEP},
    {"spin", required_argument, NULL, OPTION_SPIN},   {"cores", required_argument, NULL, OPTION_CORES},
    {NULL, 0, NULL, 0},
};

static bool read_option(struct replay *r, int option)
{
    char *end = NULL;

    switch (option) {
    case OPTION_DIR: r->dir = optarg; return true;
    case OPTION_FULL: r->is_full = true; return true;
    case OPTION_MAKE: r->is_make = true; return true;
    case OPTION_CORES: r->n_cores = strtol(optarg, &end, 10); return *end == '\0' && r->n_cores >= 1 &&
                                                                     r->n_cores <= CORES_MAX;
    case OPTION_SPIN: r->spins = true; /* fall through */
    case OPTION_SLEEP: r->length_s = strtod(optarg, &end); return *end == '\0' && r->length_s >= 0 && r->length_s < 1e9;
    case 'i':
    case 'o': return true; /* when all else is known */
    default: return false;
    }
}

/* Inputs are looked for first, outputs made last: an option letter at a time, in the order of the words. */
static int do_files(const struct replay *r, char letter, int argc, char **argv)
{
    int c, status = 0;

    optind = 0;
    while (status == 0 && (c = getopt_long(argc, argv, "i:o:", options, NULL)) != -1)
        if (c == letter)
            status = letter == 'i' ? check_input(r, optarg) : make_file(r, optarg);
    return status;
}

int main(int argc, char **argv)
{
    double start_s = clock_now_s();
    struct replay r = {.dir = ".", .n_cores = 1};
    int c, status;

    while ((c = getopt_long(argc, argv, "i:o:", options, NULL)) != -1)
        if (!read_option(&r, c))
            return 2;
    if (optind < argc) {
        complain(argv[optind], "is no option");
        return 2;
    }
    status = do_files(&r, 'i', argc, argv);
    if (status == 0 && r.spins)
        status = spin_on_cores(&r);
    else if (status == 0 && r.length_s > 0)
        sleep_until(start_s + r.length_s);
    if (status == 0)
        status = do_files(&r, 'o', argc, argv);
    return status == 0 ? 0 : 1;
}
