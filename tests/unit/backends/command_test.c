#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/command.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct command_result run(const char *script, double limit_s)
{
    const char *const argv[] = {"sh", "-c", script, "blank and $sign", NULL};
    struct command_result r;
    struct ganger_error err = {0};

    assert_int_equal(command_run(argv, NULL, limit_s, &r, &err), 0);
    return r;
}

static void test_both_outputs_and_the_status_are_kept(void **state)
{
    struct command_result r = run("echo \"$0\"; echo banner >&2; exit 7", 60);

    (void)state;
    assert_string_equal(r.out, "blank and $sign\n");
    assert_string_equal(r.err, "banner\n");
    assert_int_equal(r.status, 7);
    assert_false(r.is_late);
    command_result_release(&r);
}

static void test_much_output_on_both_does_not_block(void **state)
{
    struct command_result r = run("yes | head -c 1000000 >&2; yes | head -c 1000000", 60);

    (void)state;
    assert_int_equal(strlen(r.out), 1000000);
    assert_int_equal(strlen(r.err), 1000000);
    command_result_release(&r);
}

static void test_what_hangs_is_ended_with_its_children(void **state)
{
    double start_s = clock_now_s();
    struct command_result r = run("trap '' TERM; echo begun; sleep 100 & echo $!; wait; sleep 100", 0.2);
    pid_t child = (pid_t)atoi(strchr(r.out, '\n') + 1);

    (void)state;
    assert_true(r.is_late);
    assert_true(clock_now_s() - start_s < 60);
    assert_int_equal(r.status, 128 + SIGKILL);
    assert_true(child > 0);
    for (int i = 0; i < 100 && kill(child, 0) == 0; i++)
        command_pause(0.05);
    assert_int_equal(kill(child, 0), -1);
    command_result_release(&r);
}

static void test_what_it_leaves_behind_is_not_waited_for(void **state)
{
    double start_s = clock_now_s();
    struct command_result r = run("sleep 30 & echo $!", 60);

    (void)state;
    assert_true(clock_now_s() - start_s < 20);
    assert_int_equal(r.status, 0);
    kill((pid_t)atoi(r.out), SIGKILL);
    command_result_release(&r);
}

static void test_a_command_that_is_not_there_says_so(void **state)
{
    const char *const argv[] = {"no-such-command-of-slurm", NULL};
    struct command_result r;

    (void)state;
    assert_int_equal(command_run(argv, NULL, 60, &r, NULL), 0);
    assert_int_equal(r.status, 127);
    assert_non_null(strstr(r.err, "no-such-command-of-slurm: No such file"));
    command_result_release(&r);
    assert_false(command_is_there("no-such-command-of-slurm"));
    assert_true(command_is_there("sh"));
}

static void test_blame_tells_the_command_and_both_outputs(void **state)
{
    const char *const argv[] = {"sbatch", "a b", NULL};
    struct command_result r = {.status = 1, .out = (char *)(uintptr_t) "one\ntwo\n", .err = (char *)(uintptr_t) "no\n"};
    struct ganger_error err = {0};

    (void)state;
    assert_int_equal(command_blame(argv, 30, &r, &err), -1);
    assert_string_equal(err.text, "`sbatch a b` ended with status 1; it said \"no\"; it printed \"one / two\"");
}

static void test_a_detached_command_writes_to_its_log(void **state)
{
    char folder[] = "/tmp/ganger-command-XXXXXX", log[64];
    const char *const argv[] = {"sh", "-c", "echo $$; echo error >&2", NULL};
    struct stat file = {.st_size = 0};
    pid_t pid;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(log, sizeof(log), "%s/log", folder);
    assert_int_equal(command_detach(argv, log, &pid, NULL), 0);
    for (int i = 0; i < 1000 && file.st_size < 8; i++) {
        command_pause(0.02);
        stat(log, &file);
    }
    assert_true(file.st_size >= 8);
    unlink(log);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_outputs_and_the_status_are_kept),
        cmocka_unit_test(test_much_output_on_both_does_not_block),
        cmocka_unit_test(test_what_hangs_is_ended_with_its_children),
        cmocka_unit_test(test_what_it_leaves_behind_is_not_waited_for),
        cmocka_unit_test(test_a_command_that_is_not_there_says_so),
        cmocka_unit_test(test_blame_tells_the_command_and_both_outputs),
        cmocka_unit_test(test_a_detached_command_writes_to_its_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
