#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 30000

static const char *const path_only[] = {"PATH=/usr/bin:/bin", NULL};

/* The words of a command line, ended by NULL; exec does not change them. */
#define WORDS(...) ((char **)(uintptr_t)(const char *const[]){__VA_ARGS__, NULL})

static int start(struct process *p, struct process_order *o, struct ganger_error *err)
{
    int failed = 0;

    if (o->envp == NULL)
        o->envp = (char **)(uintptr_t)path_only;
    err->cause = ERROR_NONE;
    return process_start(p, o, &failed, err) == 0 ? 0 : failed;
}

static struct process_end wait_for(struct process *p)
{
    struct pollfd fd = {p->fd, POLLIN, 0};
    struct process_end end;

    assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
    process_reap(p, true, &end);
    return end;
}

static struct process_end run_shell(const char *script, struct process_order *o)
{
    struct ganger_error err;
    struct process p;

    o->argv = WORDS("sh", "-c", script);
    assert_int_equal(start(&p, o, &err), 0);
    return wait_for(&p);
}

static void test_exit_status_and_signal_are_told_apart(void **unused)
{
    struct process_order o = {0};
    struct process_end end = run_shell("exit 7", &o);

    (void)unused;
    assert_false(end.is_signal);
    assert_int_equal(end.code, 7);
    end = run_shell("kill -USR1 $$", &o);
    assert_true(end.is_signal);
    assert_int_equal(end.code, SIGUSR1);
}

static void test_what_cannot_start_says_why(void **unused)
{
    struct process_order o = {.argv = WORDS("no-such-program-here")};
    struct ganger_error err;
    struct process p;

    (void)unused;
    assert_int_equal(start(&p, &o, &err), ENOENT);
    assert_non_null(strstr(err.text, "no-such-program-here"));
    o.argv = WORDS("/no/such");
    assert_int_equal(start(&p, &o, &err), ENOENT);
    o.argv = WORDS("/tmp");
    assert_int_equal(start(&p, &o, &err), EACCES);
    o.argv = WORDS("true");
    o.cwd = "/no/such/place";
    assert_int_equal(start(&p, &o, &err), ENOENT);
    assert_non_null(strstr(err.text, "/no/such/place"));
}

static void test_script_without_a_magic_line_runs_by_sh(void **unused)
{
    char path[] = "/tmp/ganger-test-XXXXXX";
    int fd = mkstemp(path);
    struct process_order o = {.argv = WORDS(path, "4")};
    struct ganger_error err;
    struct process p;

    (void)unused;
    assert_int_equal(write(fd, "exit $1\n", 8), 8);
    fchmod(fd, 0755);
    close(fd);
    assert_int_equal(start(&p, &o, &err), 0);
    assert_int_equal(wait_for(&p).code, 4);
    unlink(path);
}

static void test_child_has_clean_signals_descriptors_and_stdin(void **unused)
{
    struct process_order o = {0};
    sigset_t blocked, before;
    int leak = dup2(0, 77); /* not close-on-exec, as MPI leaves some */

    (void)unused;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run_shell("grep -q '^SigBlk:.0000000000000000$' /proc/self/status", &o).code, 0);
    assert_int_equal(run_shell("grep -q '^SigIgn:.0000000000000000$' /proc/self/status", &o).code, 0);
    assert_int_equal(run_shell("test ! -e /proc/self/fd/77", &o).code, 0);
    assert_int_equal(run_shell("test \"$(readlink /proc/self/fd/0)\" = /dev/null && ! read x", &o).code, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leak);
}

static void test_output_comes_through_the_pipes(void **unused)
{
    struct process_pipes pipes = PROCESS_PIPES_CLOSED;
    struct process_order o = {.pipes = &pipes};
    struct ganger_error err = {0};
    char bytes[64];

    (void)unused;
    assert_int_equal(process_pipes_open(&pipes, &err), 0);
    for (int i = 0; i < 3; i++) { /* the same pipes serve one child after another */
        run_shell("echo out; echo err >&2", &o);
        assert_int_equal(read(pipes.out[0], bytes, sizeof(bytes)), 4);
        assert_memory_equal(bytes, "out\n", 4);
        assert_int_equal(read(pipes.err[0], bytes, sizeof(bytes)), 4);
        assert_memory_equal(bytes, "err\n", 4);
        assert_int_equal(read(pipes.out[0], bytes, sizeof(bytes)), -1);
        assert_int_equal(errno, EAGAIN);
    }
    process_pipes_close(&pipes);
}

static void test_pipes_are_as_new_for_the_next_child(void **unused)
{
    struct process_pipes pipes = PROCESS_PIPES_CLOSED;
    struct process_order o = {.pipes = &pipes};
    struct ganger_error err = {0};

    (void)unused;
    assert_int_equal(process_pipes_open(&pipes, &err), 0);
    run_shell("dd if=/dev/null oflag=nonblock; dd if=/dev/null oflag=nonblock >&2", &o);
    assert_true(fcntl(pipes.out[1], F_GETFL) & O_NONBLOCK); /* else this tests nothing */
    assert_true(fcntl(pipes.err[1], F_GETFL) & O_NONBLOCK);
    run_shell("true", &o);
    assert_false(fcntl(pipes.out[1], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(pipes.err[1], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(pipes.out[0], F_GETFL) & O_NONBLOCK);
    process_pipes_close(&pipes);
}

static void test_whole_group_gets_the_signal(void **unused)
{
    struct process_order o = {.argv = WORDS("sh", "-c", "sleep 1000 & sleep 1000 & wait")};
    struct ganger_error err;
    struct process_end end;
    struct process p;
    pid_t group;

    (void)unused;
    assert_int_equal(start(&p, &o, &err), 0);
    group = p.pid;
    process_signal(&p, SIGTERM);
    end = wait_for(&p);
    assert_true(end.is_signal);
    assert_int_equal(end.code, SIGTERM);
    /* Its children were adopted: they are gone when whoever has them now has waited for them. */
    while (kill(-group, 0) == 0)
        waitpid(-group, NULL, WNOHANG);
}

/* Reads the pid that a task wrote, and tells whether that process is still there. */
static bool is_alive(int fd)
{
    char bytes[32] = "";
    pid_t pid;

    assert_true(read(fd, bytes, sizeof(bytes) - 1) > 0);
    pid = atoi(bytes);
    assert_true(pid > 1);
    return kill(pid, 0) == 0;
}

static void test_what_a_task_leaves_behind_is_killed(void **unused)
{
    struct process_pipes pipes = PROCESS_PIPES_CLOSED;
    struct process_order o = {.pipes = &pipes};
    struct ganger_error err = {0};
    struct process_end end;

    (void)unused;
    assert_int_equal(process_adopt_orphans(), 0);
    assert_int_equal(process_pipes_open(&pipes, &err), 0);
    end = run_shell("sleep 1000 & echo $!", &o); /* in its group */
    assert_true(end.left_others);
    assert_false(is_alive(pipes.out[0]));
    end = run_shell("setsid sh -c 'echo $$; sleep 1000' & sleep 0.2", &o); /* out of it */
    assert_true(end.left_others);
    assert_false(is_alive(pipes.out[0]));
    end = run_shell("true", &o);
    assert_false(end.left_others);
    process_pipes_close(&pipes);
}

static void test_usage_is_reported(void **unused)
{
    struct process_order o = {0};
    struct process_end end = run_shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done", &o);

    (void)unused;
    assert_true(end.cpu_s > 0);
    assert_true(end.max_rss_bytes > 100000);
    assert_true(end.delay_s >= 0 && end.delay_s < 60);
}

static void test_watching_tells_of_others(void **unused)
{
    int set = process_watch_open();
    struct process_order o = {.argv = WORDS("sleep", "1000")};
    struct pollfd fd = {set, POLLIN, 0};
    struct ganger_error err;
    struct process p;
    uint32_t tag = 0;

    (void)unused;
    assert_int_equal(start(&p, &o, &err), 0);
    assert_int_equal(process_watch_add(set, p.pid, 42), 0);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_false(process_watch_next(set, &tag));
    process_signal(&p, SIGKILL);
    assert_int_equal(poll(&fd, 1, LIMIT_MS), 1);
    assert_true(process_watch_next(set, &tag));
    assert_int_equal(tag, 42);
    assert_false(process_watch_next(set, &tag));
    wait_for(&p);
    close(set);
}

static void test_affinity_is_set_for_the_child_alone(void **unused)
{
    struct process_order o = {0};
    cpu_set_t all, one, after;
    int first = 0;

    (void)unused;
    sched_getaffinity(0, sizeof(all), &all);
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    o.affinity = &one;
    o.n_affinity_bytes = sizeof(one);
    assert_int_equal(run_shell("test $(nproc) = 1", &o).code, 0);
    sched_getaffinity(0, sizeof(after), &after);
    assert_true(CPU_EQUAL(&all, &after));
}

static void test_a_policy_that_was_chosen_stays(void **unused)
{
    const struct sched_param param = {0};
    int status = 0;
    pid_t pid = fork();

    (void)unused;
    if (pid == 0) {
        if (sched_setscheduler(0, SCHED_BATCH, &param) < 0)
            _exit(2);
        process_wake_promptly();
        _exit(sched_getscheduler(0) == SCHED_BATCH ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status_and_signal_are_told_apart),
        cmocka_unit_test(test_what_cannot_start_says_why),
        cmocka_unit_test(test_script_without_a_magic_line_runs_by_sh),
        cmocka_unit_test(test_child_has_clean_signals_descriptors_and_stdin),
        cmocka_unit_test(test_output_comes_through_the_pipes),
        cmocka_unit_test(test_pipes_are_as_new_for_the_next_child),
        cmocka_unit_test(test_whole_group_gets_the_signal),
        cmocka_unit_test(test_what_a_task_leaves_behind_is_killed),
        cmocka_unit_test(test_usage_is_reported),
        cmocka_unit_test(test_watching_tells_of_others),
        cmocka_unit_test(test_affinity_is_set_for_the_child_alone),
        cmocka_unit_test(test_a_policy_that_was_chosen_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
