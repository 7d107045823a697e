#include "io/orphans.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char run_dir[] = "/tmp/ganger-test-XXXXXX";

/* A process like one that a task started: it finds these variables, and sleeps. */
static pid_t start_task(const char *dir, int epoch, int worker)
{
    char *variables[] = {xasprintf("GANGER_RUN_DIR=%s", dir), xasprintf("GANGER_EPOCH=%d", epoch),
                         xasprintf("GANGER_WORKER=%d", worker), NULL};
    static char name[] = "sleep", time[] = "600";
    char *argv[] = {name, time, NULL};
    char path[64], byte;
    pid_t pid = vfork();
    FILE *file;

    if (pid == 0) {
        execve("/bin/sleep", argv, variables);
        _exit(127);
    }
    for (int i = 0; i < 3; i++)
        free(variables[i]);
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    for (size_t n = 0; n == 0; fclose(file)) { /* it has none for a moment of its exec */
        file = fopen(path, "r");
        assert_non_null(file);
        n = fread(&byte, 1, 1, file);
    }
    return pid;
}

/* One like a rank of a run: `ganger run`, with the run directory open. */
static pid_t start_rank(const char *word, const char *dir)
{
    static char self[4096];
    char *argv[] = {self, (char *)(uintptr_t)word, (char *)(uintptr_t)dir, NULL}, *none[] = {NULL};
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int ready[2];
    pid_t pid;
    char byte;

    assert_true(n > 0);
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execve(self, argv, none);
        _exit(127);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* What start_rank starts, and a child of it that looks the same, as a task does before its exec. */
static int be_rank(const char *dir)
{
    if (open(dir, O_RDONLY | O_DIRECTORY) < 0)
        return 1;
    if (fork() == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || write(STDOUT_FILENO, "r", 1) != 1))
        return 1;
    for (;;)
        pause();
}

/* Was it killed? If not, it is now. */
static bool was_killed(pid_t pid)
{
    int status = 0;

    for (int i = 0; i < 100; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        poll(NULL, 0, 5);
    }
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return false;
}

static void test_tasks_of_earlier_epochs_are_ended(void **unused)
{
    struct ganger_error err = {0};
    pid_t first = start_task(run_dir, 1, 1), second = start_task(run_dir, 2, 7), now = start_task(run_dir, 3, 1),
          of_another_run = start_task("/tmp", 1, 1);
    uint32_t n_ended = 0;

    (void)unused;
    assert_int_equal(orphans_end_before(run_dir, 3, &n_ended, &err), 0);
    assert_true(n_ended >= 2); /* one that is dying may be counted twice */
    assert_true(was_killed(first));
    assert_true(was_killed(second));
    assert_false(was_killed(now));
    assert_false(was_killed(of_another_run));
}

/* As a rank of another launch than those that this test starts: it has another parent. */
static int end_from_another_launch(const char *dir, uint32_t epoch)
{
    uint32_t n_ended = 0;
    int status = -1;
    pid_t launcher = fork(), rank;

    if (launcher > 0)
        return waitpid(launcher, &status, 0) == launcher ? status : -1;
    rank = fork();
    if (rank == 0)
        _exit(orphans_end_before(dir, epoch, &n_ended, &(struct ganger_error){0}) == 0 ? 0 : 1);
    _exit(waitpid(rank, &status, 0) == rank && status == 0 ? 0 : 1);
}

static void test_ranks_of_earlier_epochs_are_ended(void **unused)
{
    pid_t rank = start_rank("run", run_dir), of_another_run = start_rank("run", "/tmp"),
          reader = start_rank("logs", run_dir);

    (void)unused;
    assert_int_equal(end_from_another_launch(run_dir, 2), 0);
    assert_true(was_killed(rank));
    assert_false(was_killed(of_another_run));
    assert_false(was_killed(reader));
}

static void test_ranks_of_this_launch_and_their_children_are_spared(void **unused)
{
    pid_t rank = start_rank("run", run_dir), other = fork();
    uint32_t n_ended = 0;
    int status = -1;

    (void)unused;
    if (other == 0) /* another rank: it has the same parent */
        _exit(orphans_end_before(run_dir, 2, &n_ended, &(struct ganger_error){0}) == 0 && n_ended == 0 ? 0 : 1);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    assert_false(was_killed(rank));
}

static void test_a_run_directory_by_another_path_is_the_same(void **unused)
{
    struct ganger_error err = {0};
    char *longer = xasprintf("/tmp/../tmp/%s", run_dir + sizeof("/tmp/") - 1);
    pid_t task = start_task(longer, 1, 1);
    uint32_t n_ended = 0;

    (void)unused;
    assert_int_equal(orphans_end_before(run_dir, 2, &n_ended, &err), 0);
    assert_true(was_killed(task));
    free(longer);
}

static void test_what_one_worker_s_tasks_left_is_ended(void **unused)
{
    pid_t its = start_task(run_dir, 2, 5), of_another = start_task(run_dir, 2, 6),
          of_before = start_task(run_dir, 1, 5);

    (void)unused;
    assert_int_equal(orphans_end_of(run_dir, 2, 5), 1);
    assert_true(was_killed(its));
    assert_false(was_killed(of_another));
    assert_false(was_killed(of_before));
}

static void test_a_run_below_a_task_of_its_own_does_not_end_it(void **unused)
{
    struct ganger_error err = {0};
    pid_t task = start_task(run_dir, 1, 1);
    uint32_t n_ended = 0;

    (void)unused;
    setenv("GANGER_RUN_DIR", run_dir, 1);
    assert_int_equal(orphans_end_before(run_dir, 2, &n_ended, &err), 0);
    unsetenv("GANGER_RUN_DIR");
    assert_int_equal(n_ended, 0);
    assert_false(was_killed(task));
}

/* ---- a number that changes hands ---- */

static pid_t short_lived; /* ends as soon as all has been read of it; 0: nobody does */
static pid_t stranger;    /* what has its number then; or -1 */

/* Another process of the same number. */
static pid_t start_with_number(pid_t pid)
{
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return child;
}

static bool is_environ_of(int fd, pid_t pid)
{
    char link[64], path[64] = "", wanted[64];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    snprintf(wanted, sizeof(wanted), "/proc/%d/environ", (int)pid);
    return readlink(link, path, sizeof(path) - 1) > 0 && strcmp(path, wanted) == 0;
}

/* The linker leads the calls of the module through this. */
ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
    ssize_t n_read = __real_read(fd, bytes, n);
    pid_t pid = short_lived;

    if (n_read != 0 || pid == 0 || !is_environ_of(fd, pid))
        return n_read;
    short_lived = 0;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    stranger = start_with_number(pid);
    return 0;
}

static void test_a_stranger_with_the_number_of_one_that_ended_is_spared(void **unused)
{
    pid_t task = start_task(run_dir, 2, 5);

    (void)unused;
    short_lived = task;
    assert_int_equal(orphans_end_of(run_dir, 2, 5), 0);
    assert_int_equal(short_lived, 0);
    if (stranger < 0 && errno == EPERM) {
        print_message("not tested: only root may choose the number of a process\n");
        skip();
    }
    assert_int_equal(stranger, task);
    assert_false(was_killed(stranger));
}

/* ---- what no signal ends ---- */

static bool are_stuck; /* signals change nothing, and each look at the clock takes a second */

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return are_stuck && number == SYS_pidfd_send_signal ? 0 : __real_syscall(number, a, b, c, d, e, f);
}

double __real_clock_now_s(void);
double __wrap_clock_now_s(void);
double __wrap_clock_now_s(void)
{
    static double passed_s;

    return are_stuck ? passed_s += 1 : __real_clock_now_s();
}

static void test_nothing_is_started_beside_what_cannot_be_ended(void **unused)
{
    struct ganger_error err = {0};
    pid_t task = start_task(run_dir, 1, 1);
    uint32_t n_ended = 0;

    (void)unused;
    are_stuck = true;
    assert_int_equal(orphans_end_before(run_dir, 2, &n_ended, &err), -1);
    are_stuck = false;
    assert_int_equal(err.cause, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "1 processes of an earlier epoch of this run cannot be ended"));
    assert_false(was_killed(task));
}

static void test_a_directory_that_is_not_there_is_an_error(void **unused)
{
    struct ganger_error err = {0};
    uint32_t n_ended = 1;

    (void)unused;
    assert_int_equal(orphans_end_before("/nonexistent/flow.run", 2, &n_ended, &err), -1);
    assert_int_equal(n_ended, 0);
    assert_int_equal(err.cause, ERROR_SYSTEM);
    assert_int_equal(orphans_end_of("/nonexistent/flow.run", 2, 1), 0);
}

static int make_dir(void **unused)
{
    (void)unused;
    return mkdtemp(run_dir) == NULL ? -1 : 0;
}

static int remove_dir(void **unused)
{
    (void)unused;
    return rmdir(run_dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_of_earlier_epochs_are_ended),
        cmocka_unit_test(test_ranks_of_earlier_epochs_are_ended),
        cmocka_unit_test(test_ranks_of_this_launch_and_their_children_are_spared),
        cmocka_unit_test(test_a_run_directory_by_another_path_is_the_same),
        cmocka_unit_test(test_what_one_worker_s_tasks_left_is_ended),
        cmocka_unit_test(test_a_run_below_a_task_of_its_own_does_not_end_it),
        cmocka_unit_test(test_a_stranger_with_the_number_of_one_that_ended_is_spared),
        cmocka_unit_test(test_nothing_is_started_beside_what_cannot_be_ended),
        cmocka_unit_test(test_a_directory_that_is_not_there_is_an_error),
    };

    if (argc > 2)
        return be_rank(argv[2]);
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
