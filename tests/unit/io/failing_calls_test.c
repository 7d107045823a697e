/* System calls that fail: for each piece of io/ the n-th call fails, for every n until all is well. Whatever fails,
 * nothing crashes, no descriptor and no file is left, an error says what, nothing that was recorded is wrong; and when
 * the calls work again, so does all. The linker leads the calls through the wrappers below (tests/CMakeLists.txt). */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/graph.h"
#include "io/cgroup.h"
#include "io/comm.h"
#include "io/footprint.h"
#include "io/journal.h"
#include "io/orphans.h"
#include "io/output.h"
#include "io/presence.h"
#include "io/process.h"
#include "io/rundir.h"
#include "io/tmpdir.h"
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cmocka.h>

/* ---- calls that fail ---- */

enum mode
{
    WELL,
    ONCE,       /* the n-th fails */
    FROM_THERE, /* and all after it: the disk is full, or broken */
    INTERRUPTED, /* of those that can be: the n-th says EINTR */
    SHORT,      /* of those that move bytes: the n-th moves one byte only */
};

static struct
{
    enum mode mode;
    int number; /* errno */
    atomic_int n_left; /* calls until the one that fails */
} plan;

static atomic_int n_failed;

enum sort
{
    PLAIN,
    MAY_BE_INTERRUPTED,
    MOVES_BYTES, /* and may be interrupted */
};

static bool fails(enum sort sort, bool *is_short)
{
    int n;

    if (plan.mode == WELL || (plan.mode == INTERRUPTED && sort == PLAIN) || (plan.mode == SHORT && sort != MOVES_BYTES))
        return false;
    n = atomic_fetch_sub(&plan.n_left, 1);
    if (n > 1 || (n < 1 && plan.mode != FROM_THERE))
        return false;
    atomic_fetch_add(&n_failed, 1);
    if (plan.mode == SHORT) {
        *is_short = true;
        return false;
    }
    errno = plan.mode == INTERRUPTED ? EINTR : plan.number;
    return true;
}

#define WRAP(type, name, sort, parameters, ...) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        bool is_short = false; \
        return fails(sort, &is_short) ? -1 : __real_##name(__VA_ARGS__); \
    }

/* `n` is the parameter that says how many bytes. */
#define WRAP_BYTES(name, parameters, ...) \
    ssize_t __real_##name parameters; \
    ssize_t __wrap_##name parameters; \
    ssize_t __wrap_##name parameters \
    { \
        bool is_short = false; \
        if (fails(MOVES_BYTES, &is_short)) \
            return -1; \
        n = is_short && n > 1 ? 1 : n; \
        return __real_##name(__VA_ARGS__); \
    }

WRAP_BYTES(write, (int fd, const void *bytes, size_t n), fd, bytes, n)
WRAP_BYTES(read, (int fd, void *bytes, size_t n), fd, bytes, n)
WRAP_BYTES(pwrite, (int fd, const void *bytes, size_t n, off_t at), fd, bytes, n, at)
WRAP_BYTES(pread, (int fd, void *bytes, size_t n, off_t at), fd, bytes, n, at)
WRAP(int, fsync, PLAIN, (int fd), fd)
WRAP(int, fdatasync, PLAIN, (int fd), fd)
WRAP(int, ftruncate, PLAIN, (int fd, off_t n), fd, n)
WRAP(int, fallocate, PLAIN, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
WRAP(int, fstat, PLAIN, (int fd, struct stat *s), fd, s)
WRAP(int, fstatat, PLAIN, (int fd, const char *path, struct stat *s, int flags), fd, path, s, flags)
WRAP(int, lstat, PLAIN, (const char *path, struct stat *s), path, s)
WRAP(int, mkdir, PLAIN, (const char *path, mode_t mode), path, mode)
WRAP(int, mkdirat, PLAIN, (int fd, const char *path, mode_t mode), fd, path, mode)
WRAP(int, rename, PLAIN, (const char *from, const char *to), from, to)
WRAP(int, renameat, PLAIN, (int a, const char *from, int b, const char *to), a, from, b, to)
WRAP(int, renameat2, PLAIN, (int a, const char *from, int b, const char *to, unsigned flags), a, from, b, to, flags)
WRAP(int, linkat, PLAIN, (int a, const char *from, int b, const char *to, int flags), a, from, b, to, flags)
WRAP(int, flock, PLAIN, (int fd, int what), fd, what)
WRAP(ssize_t, getrandom, PLAIN, (void *bytes, size_t n, unsigned flags), bytes, n, flags)
WRAP(int, pipe2, PLAIN, (int *fds, int flags), fds, flags)
WRAP(int, eventfd, PLAIN, (unsigned n, int flags), n, flags)
WRAP(int, epoll_create1, PLAIN, (int flags), flags)
WRAP(int, epoll_ctl, PLAIN, (int set, int what, int fd, struct epoll_event *e), set, what, fd, e)
WRAP(int, poll, MAY_BE_INTERRUPTED, (struct pollfd *fds, nfds_t n, int ms), fds, n, ms)
WRAP(int, ppoll, MAY_BE_INTERRUPTED, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s),
     fds, n, t, s)
WRAP(int, pthread_create, PLAIN,
     (unsigned long *thread, const void *attributes, void *(*run)(void *), void *data), thread, attributes, run, data)

ssize_t __real_pwritev(int fd, const struct iovec *parts, int n, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
    bool is_short = false;

    if (fails(MOVES_BYTES, &is_short))
        return -1;
    return is_short ? __real_pwrite(fd, parts[0].iov_base, 1, at) : __real_pwritev(fd, parts, n, at);
}

/* The last parameter is there or not; to pass one that is not does no harm. */
int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    bool is_short = false;
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails(PLAIN, &is_short) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat(int fd, const char *path, int flags, ...);
int __wrap_openat(int fd, const char *path, int flags, ...)
{
    bool is_short = false;
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails(PLAIN, &is_short) ? -1 : __real_openat(fd, path, flags, mode);
}

#define WRAP_POINTER(type, name, parameters, ...) \
    type *__real_##name parameters; \
    type *__wrap_##name parameters; \
    type *__wrap_##name parameters \
    { \
        bool is_short = false; \
        return fails(PLAIN, &is_short) ? NULL : __real_##name(__VA_ARGS__); \
    }

WRAP_POINTER(FILE, fopen, (const char *path, const char *mode), path, mode)
WRAP_POINTER(FILE, fdopen, (int fd, const char *mode), fd, mode)
WRAP_POINTER(DIR, opendir, (const char *path), path)
WRAP_POINTER(DIR, fdopendir, (int fd), fd)
WRAP_POINTER(char, mkdtemp, (char *pattern), pattern)
WRAP_POINTER(char, getcwd, (char *path, size_t n), path, n)

/* A wrapper cannot come back from vfork twice. The child of a fork is as good where its steps succeed. */
pid_t __wrap_vfork(void);
pid_t __wrap_vfork(void)
{
    bool is_short = false;
    pid_t pid = fails(PLAIN, &is_short) ? -1 : fork();

    if (pid == 0)
        plan.mode = WELL;
    return pid;
}

/* pidfd_open, in io/. */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    bool is_short = false;

    return fails(PLAIN, &is_short) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

/* ---- trying them all ---- */

struct world
{
    char *scratch;
    char *run;     /* of a run directory, which is there */
    char *journal;
    char *output;
    struct graph *g;
    struct ganger_error err;
};

static int n_open(void)
{
    DIR *fds = __real_opendir("/proc/self/fd");
    int n = 0;

    while (readdir(fds) != NULL)
        n++;
    closedir(fds);
    return n;
}

/* Makes what the scenario finds; does it (0, or -1 with an error, as it must be); looks at what came of it, with calls
 * that work. */
struct scenario
{
    const char *name;
    void (*prepare)(struct world *w);
    int (*run)(struct world *w);
    void (*check)(struct world *w, bool succeeded);
    bool never_fails; /* it has no way to say so, and does without what it cannot have */
    int n_most;       /* calls to be tried; 0: all. Those that look at all processes make thousands */
};

#define CALLS_MAX 3000

/* True: the call that was to fail was never made. */
static bool try(struct world *w, const struct scenario *s, enum mode mode, int number, int n)
{
    int n_before, status;
    bool was_reached;

    if (s->prepare != NULL)
        s->prepare(w);
    w->err = (struct ganger_error){.cause = ERROR_NONE};
    n_before = n_open();
    atomic_store(&n_failed, 0);
    plan.number = number;
    atomic_store(&plan.n_left, n);
    plan.mode = mode;
    status = s->run(w);
    plan.mode = WELL;
    was_reached = atomic_load(&n_failed) > 0;
    if (n_open() != n_before || (status < 0) != (w->err.cause != ERROR_NONE) ||
        (status < 0 && (w->err.text[0] == '\0' || !was_reached || mode == INTERRUPTED || mode == SHORT)) ||
        (status < 0 && s->never_fails))
        fail_msg("%s: call %d, mode %d, errno %d: status %d (%s), %d descriptors open, %d before", s->name, n,
                 (int)mode, number, status, w->err.text, n_open(), n_before);
    if (s->check != NULL)
        s->check(w, status == 0);
    return !was_reached;
}

static void try_all(struct world *w, const struct scenario *s)
{
    static const struct
    {
        enum mode mode;
        int number;
    } ways[] = {{ONCE, EIO}, {ONCE, ENOSPC}, {ONCE, EMFILE}, {FROM_THERE, EIO}, {FROM_THERE, EDQUOT}, {INTERRUPTED, 0},
                {SHORT, 0}};

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        int n = 1;

        while ((s->n_most == 0 || n < s->n_most) && !try(w, s, ways[i].mode, ways[i].number, n))
            assert_true(n++ < CALLS_MAX);
        print_message("%-28s %4d calls, mode %d\n", s->name, n - 1, (int)ways[i].mode);
    }
}

/* ---- the world ---- */

static void add_task(struct graph *g, const char *id)
{
    struct task task = {.id = id, .argv = "true", .n_argv = 1, .n_argv_bytes = 5, .digest = 1};

    graph_add_task(g, &task);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_fd(-1);
    w->scratch = scratch_make();
    w->run = xasprintf("%s/a.run", w->scratch);
    w->journal = xasprintf("%s/journal.jsonl", w->run);
    w->output = xasprintf("%s/output", w->run);
    w->g = graph_new();
    add_task(w->g, "a");
    add_task(w->g, "b");
    assert_int_equal(graph_seal(w->g, NULL), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    scratch_remove(w->scratch);
    graph_free(w->g);
    free(w->run);
    free(w->journal);
    free(w->output);
    free(w);
    return 0;
}

static void remove_run(struct world *w)
{
    scratch_remove(xstrdup(w->run));
}

static void make_run(struct world *w)
{
    remove_run(w);
    assert_int_equal(mkdir(w->run, 0700), 0);
    assert_int_equal(mkdir(w->output, 0700), 0);
}

/* How many files of the run directory have names that begin so. */
static int count_files(struct world *w, const char *start)
{
    DIR *dir = opendir(w->run);
    const struct dirent *entry;
    int n = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        n += strncmp(entry->d_name, start, strlen(start)) == 0;
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* ---- the run directory ---- */

static int open_and_close(struct world *w)
{
    struct rundir d;

    if (rundir_open(&d, w->run, false, &w->err) < 0)
        return -1;
    rundir_close(&d);
    return 0;
}

/* Whatever happened before, it can be had now. (A lock may be left when even removing it failed: its owner
 * is this process, which lives.) */
static void check_that_it_can_be_had(struct world *w, bool succeeded)
{
    struct ganger_error err = {0};
    struct rundir d;
    char *lock = xasprintf("%s/lock", w->run);

    (void)succeeded;
    unlink(lock);
    if (rundir_open(&d, w->run, false, &err) < 0)
        fail_msg("it cannot be opened any more: %s", err.text);
    assert_int_equal(rundir_write_record(&d, "{}", &err), 0);
    rundir_close(&d);
    assert_int_equal(count_files(w, "lock"), 0);
    free(lock);
}

static void leave_a_dead_owner(struct world *w)
{
    char *lock = xasprintf("%s/lock", w->run), *text, *at;
    struct rundir d;

    make_run(w);
    assert_int_equal(rundir_open(&d, w->run, false, NULL), 0);
    text = scratch_read(lock, NULL);
    rundir_close(&d);
    at = strstr(text, "\"process_start\":") + strlen("\"process_start\":");
    *at = *at == '1' ? '2' : '1';
    scratch_write(lock, text, strlen(text));
    free(text);
    free(lock);
}

static void test_opening_a_run_directory(void **state)
{
    static const struct scenario anew = {.name = "a new run directory", .prepare = remove_run,
                                         .run = open_and_close, .check = check_that_it_can_be_had};
    static const struct scenario again = {.name = "a stale lock", .prepare = leave_a_dead_owner,
                                          .run = open_and_close, .check = check_that_it_can_be_had};

    try_all(*state, &anew);
    try_all(*state, &again);
}

static struct rundir owned;

static void own(struct world *w)
{
    rundir_close(&owned);
    make_run(w);
    assert_int_equal(rundir_open(&owned, w->run, false, NULL), 0);
    assert_int_equal(rundir_write_record(&owned, "{\"old\":1}", NULL), 0);
}

static int replace_record(struct world *w)
{
    return rundir_write_record(&owned, "{\"new\":1}", &w->err);
}

static void check_record(struct world *w, bool succeeded)
{
    char *path = xasprintf("%s/run.json", w->run), *text = scratch_read(path, NULL);

    assert_string_equal(text, succeeded ? "{\"new\":1}" : "{\"old\":1}");
    assert_int_equal(count_files(w, "run.json"), 1);
    free(text);
    free(path);
}

static int note_epoch(struct world *w)
{
    return rundir_note_epoch(&owned, 3, &w->err);
}

static void check_lock(struct world *w, bool succeeded)
{
    char *path = xasprintf("%s/lock", w->run), *text = scratch_read(path, NULL);

    assert_non_null(strstr(text, succeeded ? "\"epoch\":3" : "\"epoch\":0"));
    assert_int_equal(count_files(w, "lock"), 1);
    free(text);
    free(path);
}

static void test_replacing_its_files(void **state)
{
    static const struct scenario record = {.name = "run.json", .prepare = own,
                                           .run = replace_record, .check = check_record};
    static const struct scenario epoch = {.name = "the epoch in the lock", .prepare = own,
                                          .run = note_epoch, .check = check_lock};

    try_all(*state, &record);
    try_all(*state, &epoch);
    rundir_close(&owned);
}

/* ---- the journal ---- */

static void tell(struct journal *j, enum event_kind kind, task_id task, double time_s)
{
    static const uint16_t slot;
    static const struct task_result well = {.end = TASK_EXITED, .start_s = 1, .end_s = 2};
    struct event e = {.kind = kind, .time_s = time_s, .task = task, .attempt = 1, .worker = 1, .n_slots = 1,
                      .slots = &slot, .result = kind == EVENT_TASK_DONE ? &well : NULL};

    journal_sink(j, &e);
}

/* Two tasks; the first is said to be durable before the second begins. */
static int write_epoch(struct world *w)
{
    struct journal_past past;
    struct journal_header header = {.name = "flow", .workflow_digest = 5, .wall_s = 1};
    struct journal *j;

    if (journal_recover(AT_FDCWD, w->journal, w->g, false, &past, &w->err) < 0)
        return -1;
    header.epoch = past.epoch + 1;
    j = journal_open(AT_FDCWD, w->journal, w->g, &header, past.n_bytes, &w->err);
    journal_past_release(&past);
    if (j == NULL)
        return -1;
    tell(j, EVENT_TASK_SENT, 0, 1);
    tell(j, EVENT_TASK_DONE, 0, 2);
    journal_flush(j);
    tell(j, EVENT_TASK_SENT, 1, 3);
    return journal_close(j, 0, 4, &w->err);
}

static void leave_a_torn_epoch(struct world *w)
{
    FILE *file;

    make_run(w);
    assert_int_equal(write_epoch(w), 0);
    file = fopen(w->journal, "ae");
    assert_non_null(file);
    fputs("{\"event\":\"done\",\"task\":\"b\",\"dig", file);
    fclose(file);
}

static void make_empty_run(struct world *w)
{
    make_run(w);
}

/* What was said to be well is there; the second task was never said to be done; and the next epoch can begin. */
static void check_journal(struct world *w, bool succeeded)
{
    struct journal_past past;
    struct ganger_error err = {0};

    if (journal_recover(AT_FDCWD, w->journal, w->g, false, &past, &err) < 0)
        fail_msg("the journal cannot be read any more: %s", err.text);
    assert_int_equal(past.n_damaged, 0);
    assert_false(past.is_done[1]);
    if (succeeded)
        assert_true(past.is_done[0]);
    journal_past_release(&past);
    assert_int_equal(write_epoch(w), 0);
}

/* The second epoch keeps what the first has said, also where it cannot begin. */
static void check_second_epoch(struct world *w, bool succeeded)
{
    struct journal_past past;

    (void)succeeded;
    assert_int_equal(journal_recover(AT_FDCWD, w->journal, w->g, false, &past, NULL), 0);
    assert_true(past.epoch >= 1);
    journal_past_release(&past);
    check_journal(w, false);
}

static void test_writing_a_journal(void **state)
{
    static const struct scenario anew = {.name = "a new journal", .prepare = make_empty_run,
                                         .run = write_epoch, .check = check_journal};
    static const struct scenario again = {.name = "a journal with a torn end", .prepare = leave_a_torn_epoch,
                                          .run = write_epoch, .check = check_second_epoch};

    try_all(*state, &anew);
    try_all(*state, &again);
}

/* ---- output ---- */

static struct output_place kept;
static int n_kept;

static int write_output(struct world *w)
{
    static char bytes[OUTPUT_CHUNK_BYTES];
    _Atomic uint64_t counter = 0;
    struct output *o = output_open(AT_FDCWD, w->output, 1, 0, &counter, &w->err);
    int status = o != NULL ? 0 : -1;

    kept = (struct output_place){.n_bytes = 0};
    n_kept = 0;
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; status == 0 && i < 4; i++) {
        status = output_append(o, 0, 1, i % 2 == 0 ? OUTPUT_STDOUT : OUTPUT_STDERR, bytes, i == 2 ? sizeof(bytes) : 10,
                               &kept, &w->err);
        n_kept += status == 0;
    }
    output_close(o);
    return status;
}

static int count_chunk(void *data, const struct output_part *part, struct ganger_error *err)
{
    if (part->kind == OUTPUT_CHUNK)
        ++*(int *)data;
    else if (part->kind == OUTPUT_DAMAGE && plan.number != EDQUOT) /* then nothing could be erased, either */
        return error_set(err, ERROR_SYSTEM, "%s", part->why);
    return 0;
}

/* What was said to be kept is there, whole, and nothing else. */
static void check_output(struct world *w, bool succeeded)
{
    struct output_source *source = output_source_open(w->output);
    struct ganger_error err = {0};
    int n = 0;

    assert_int_equal(succeeded, n_kept == 4);
    if (n_kept > 0 && output_read(source, &kept, 0, 1, OUTPUT_BOTH, count_chunk, &n, &err) < 0)
        fail_msg("%d chunks kept: %s", n_kept, err.text);
    assert_int_equal(n, n_kept);
    output_source_close(source);
}

static void put_output(struct world *w)
{
    make_run(w);
    assert_int_equal(write_output(w), 0);
}

static int read_output(struct world *w)
{
    struct output_source *source = output_source_open(w->output);
    struct output_place *files;
    size_t n_files;
    int n = 0, status = output_list(w->output, &files, &n_files, &w->err);

    if (status == 0)
        status = output_read(source, &kept, 0, 1, OUTPUT_BOTH, count_chunk, &n, &w->err);
    if (status == 0)
        assert_int_equal(n, 4);
    free(files);
    output_source_close(source);
    return status;
}

static void test_keeping_output(void **state)
{
    static const struct scenario writing = {.name = "output", .prepare = make_run,
                                            .run = write_output, .check = check_output};
    static const struct scenario reading = {.name = "output, read", .prepare = put_output, .run = read_output};

    try_all(*state, &writing);
    try_all(*state, &reading);
}

/* ---- processes ---- */

static int run_process(struct world *w)
{
    static char *const argv[] = {(char *)(uintptr_t)"true", NULL};
    static char *const envp[] = {(char *)(uintptr_t)"PATH=/bin", NULL};
    struct process_pipes pipes;
    struct process_order order = {.argv = (char **)(uintptr_t)argv, .envp = (char **)(uintptr_t)envp, .pipes = &pipes,
                                  .cwd = w->scratch, .stdout_path = "out", .stderr_path = "out"};
    struct process p;
    struct process_end end;
    int failed = 0, status;

    if (process_pipes_open(&pipes, &w->err) < 0)
        return -1;
    status = process_start(&p, &order, &failed, &w->err);
    if (status == 0) {
        process_reap_orphans(&p);
        while (waitid(P_PID, (id_t)p.pid, &(siginfo_t){0}, WEXITED | WNOWAIT) < 0)
            ;
        process_reap(&p, true, &end);
        assert_false(end.is_signal);
        assert_int_equal(end.code, 0);
    } else {
        assert_int_not_equal(failed, 0);
    }
    process_pipes_close(&pipes);
    return status;
}

/* No child is left, not even dead. */
static void check_children(struct world *w, bool succeeded)
{
    (void)w, (void)succeeded;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* One that is gone already is told of at once. */
static int watch_process(struct world *w)
{
    int set = process_watch_open();
    uint32_t tag = 0;
    bool is_watched = set >= 0 && process_watch_add(set, 4194304, 7) == 0;

    if (is_watched)
        assert_true(process_watch_next(set, &tag) && tag == 7);
    if (set >= 0)
        close(set);
    return is_watched ? 0 : error_set(&w->err, ERROR_SYSTEM, "not watched");
}

static void test_starting_a_process(void **state)
{
    static const struct scenario start = {.name = "a process", .run = run_process, .check = check_children};

    static const struct scenario watch = {.name = "a process of others", .run = watch_process};

    try_all(*state, &start);
    try_all(*state, &watch);
}

/* ---- the rest ---- */

static int use_tmpdir(struct world *w)
{
    struct tmpdir t = {.path = NULL};
    int status;

    setenv("TMPDIR", w->scratch, 1);
    tmpdir_set_owner(&t, w->scratch, 1, 1);
    status = tmpdir_open(&t, &w->err);
    tmpdir_clear(&t);
    tmpdir_close(&t);
    tmpdir_remove_left(w->scratch, 2, 0);
    return status;
}

static void check_tmpdir(struct world *w, bool succeeded)
{
    DIR *dir = opendir(w->scratch);
    const struct dirent *entry;

    (void)succeeded;
    tmpdir_remove_left(w->scratch, 2, 0); /* by the next epoch */
    while ((entry = readdir(dir)) != NULL)
        assert_int_not_equal(strncmp(entry->d_name, "ganger-", 7), 0);
    closedir(dir);
}

static int measure(struct world *w)
{
    struct cgroup g;

    (void)w;
    footprint_at_most();
    footprint_exact();
    cgroup_count_kills(&cgroup_this_machine);
    cgroup_settle(&cgroup_this_machine);
    cgroup_open(&g, &cgroup_this_machine, "test");
    cgroup_close(&g);
    return 0;
}

static int find_missing(struct world *w)
{
    char paths[] = "no-such\0";
    int number = 0;

    assert_non_null(presence_find_missing(w->scratch, paths, sizeof(paths) - 1, true, &number));
    assert_int_not_equal(number, 0);
    return 0;
}

static int use_memory(struct world *w)
{
    struct comm *ends[3];
    const char *bytes;
    uint32_t from;
    size_t n;
    int status;

    if (comm_open_memory(ends, 3, &w->err) < 0)
        return -1;
    comm_send(ends[1], 0, "hello", 5, NULL);
    assert_true(comm_receive(ends[0], &from, &bytes, &n));
    assert_int_equal(n, 5);
    status = comm_wait(ends[0], NULL, 0, clock_now_s() + 0.001, &w->err);
    for (int i = 0; i < 3; i++)
        comm_close(ends[i], false);
    return status;
}

static int end_orphans(struct world *w)
{
    uint32_t n_ended = 0;

    return orphans_end_before(w->scratch, 2, &n_ended, &w->err);
}

static void test_the_rest(void **state)
{
    static const struct scenario all[] = {
        {.name = "a temporary directory", .run = use_tmpdir, .check = check_tmpdir},
        {.name = "memory and groups", .run = measure, .never_fails = true},
        {.name = "declared files", .run = find_missing, .never_fails = true},
        {.name = "ranks in one process", .run = use_memory},
        {.name = "orphans", .run = end_orphans, .n_most = 40},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        try_all(*state, &all[i]);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_opening_a_run_directory), WORLD_TEST(test_replacing_its_files),
        WORLD_TEST(test_writing_a_journal),       WORLD_TEST(test_keeping_output),
        WORLD_TEST(test_starting_a_process),      WORLD_TEST(test_the_rest),
    };

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* hundreds of calls of fsync */
    return cmocka_run_group_tests_name("failing_calls", tests, NULL, NULL);
}
