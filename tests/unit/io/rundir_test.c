#include "io/rundir.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct world
{
    char *scratch;
    char *path; /* of the run directory; not there yet */
    struct rundir d;
    struct ganger_error err;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_fd(-1); /* warnings are expected here */
    w->scratch = scratch_make();
    w->path = xasprintf("%s/flow.run", w->scratch);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    rundir_close(&w->d);
    scratch_remove(w->scratch);
    free(w->path);
    free(w);
    return 0;
}

static char *in_dir(const struct world *w, const char *name)
{
    return xasprintf("%s/%s", w->path, name);
}

static bool is_there(const struct world *w, const char *name)
{
    char *path = in_dir(w, name);
    struct stat status;
    bool there = lstat(path, &status) == 0;

    free(path);
    return there;
}

static void write_in_dir(const struct world *w, const char *name, const char *text)
{
    char *path = in_dir(w, name);

    scratch_write(path, text, strlen(text));
    free(path);
}

static int open_run(struct world *w, bool resume)
{
    w->err.cause = ERROR_NONE;
    return rundir_open(&w->d, w->path, resume, &w->err);
}

static void assert_refused(struct world *w, bool resume, const char *words)
{
    assert_int_equal(open_run(w, resume), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    assert_non_null(strstr(w->err.text, words));
    assert_null(w->d.path);
    w->err.cause = ERROR_NONE;
    assert_int_equal(rundir_check(w->path, resume, &w->err), -1);
    assert_non_null(strstr(w->err.text, words));
}

static void test_default_path_replaces_the_ending(void **state)
{
    static const struct
    {
        const char *workflow;
        const char *run;
    } cases[] = {{"flow.json", "flow.run"}, {"/a/b.c/flow.jsonl", "flow.run"}, {"flow", "flow.run"},
                 {"a.b.txt", "a.b.run"},    {".hidden", ".hidden.run"},        {"-", "stdin.run"},
                 {"x/flow.run", "flow.run.run"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = rundir_default_path(cases[i].workflow);

        assert_string_equal(path, cases[i].run);
        free(path);
    }
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
}

static void test_open_makes_what_is_missing_for_its_owner_only(void **state)
{
    struct world *w = *state;
    char *lock = in_dir(w, "lock");

    assert_int_equal(rundir_check(w->path, false, &w->err), 0);
    assert_int_equal(open_run(w, false), 0);
    assert_true(w->d.is_owner);
    assert_string_equal(w->d.path, w->path);
    assert_mode(w->path, 0700);
    assert_mode(w->d.output_path, 0700);
    assert_mode(lock, 0600);
    free(lock);
}

static void test_paths_are_absolute(void **state)
{
    struct world *w = *state;
    char *old = getcwd(NULL, 0);
    char *expected;

    assert_int_equal(chdir(w->scratch), 0);
    assert_int_equal(rundir_open(&w->d, "flow.run//", false, &w->err), 0);
    assert_int_equal(chdir(old), 0);
    free(old);
    expected = in_dir(w, "journal.jsonl");
    assert_int_equal(w->d.journal_path[0], '/');
    assert_non_null(strstr(w->d.journal_path, "/flow.run/journal.jsonl"));
    assert_string_equal(strstr(w->d.journal_path, "/ganger-test-"),
                        strstr(expected, "/ganger-test-"));
    free(expected);
}

static void test_close_gives_the_lock_back_and_may_come_twice(void **state)
{
    struct world *w = *state;

    assert_int_equal(open_run(w, false), 0);
    assert_true(is_there(w, "lock"));
    rundir_close(&w->d);
    assert_false(is_there(w, "lock"));
    rundir_close(&w->d);
    assert_int_equal(open_run(w, false), 0);
}

static void test_a_directory_with_a_journal_is_only_resumed(void **state)
{
    struct world *w = *state;

    mkdir(w->path, 0700);
    write_in_dir(w, "journal.jsonl", "{}\n");
    assert_refused(w, false, "--resume");
    assert_non_null(strstr(w->err.text, "--run-dir"));
    assert_false(is_there(w, "output"));
    assert_false(is_there(w, "lock"));
    assert_int_equal(rundir_check(w->path, true, &w->err), 0);
    assert_int_equal(open_run(w, true), 0);
    assert_true(is_there(w, "output"));
}

static void test_resume_needs_a_run(void **state)
{
    struct world *w = *state;

    assert_refused(w, true, "no run to resume");
    assert_int_equal(access(w->path, F_OK), -1);
    mkdir(w->path, 0700);
    assert_refused(w, true, "no run to resume");
}

static void test_a_run_that_wrote_nothing_is_no_run_yet(void **state)
{
    struct world *w = *state;

    mkdir(w->path, 0700);
    write_in_dir(w, "journal.jsonl", "");
    assert_int_equal(open_run(w, false), 0);
    rundir_close(&w->d);
    assert_int_equal(open_run(w, true), 0);
}

static void test_a_missing_parent_is_an_error(void **state)
{
    struct world *w = *state;
    char *path = in_dir(w, "deeper");

    assert_int_equal(rundir_open(&w->d, path, false, &w->err), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    assert_int_equal(rundir_check(path, false, NULL), -1);
    assert_int_equal(rundir_open(&w->d, "", false, NULL), -1);
    free(path);
}

static void test_links_in_place_of_directories_and_journal_are_refused(void **state)
{
    struct world *w = *state;
    char *elsewhere = xasprintf("%s/elsewhere", w->scratch);
    char *path;

    mkdir(elsewhere, 0700);
    assert_int_equal(symlink(elsewhere, w->path), 0);
    assert_refused(w, false, "symbolic link");
    unlink(w->path);
    mkdir(w->path, 0700);
    path = in_dir(w, "output");
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_refused(w, false, "output");
    unlink(path);
    free(path);
    path = in_dir(w, "journal.jsonl");
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_refused(w, true, "journal.jsonl");
    unlink(path);
    free(path);
    path = in_dir(w, "lock");
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_refused(w, false, "/lock");
    free(path);
    free(elsewhere);
}

/* A child opens the run directory and stays, or dies without closing it. */
static pid_t start_owner(const struct world *w, int *release_fd)
{
    int ready[2], release[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(release, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rundir d;
        struct ganger_error err = {ERROR_NONE, ""};

        close(release[1]);
        if (rundir_open(&d, w->path, false, &err) != 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        if (read(release[0], &byte, 1) == 1)
            rundir_close(&d);
        _exit(0);
    }
    close(ready[1]);
    close(release[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *release_fd = release[1];
    return pid;
}

static void test_a_live_owner_is_named(void **state)
{
    struct world *w = *state;
    int release;
    pid_t pid = start_owner(w, &release);
    char *words = xasprintf("process %d", (int)pid);

    assert_refused(w, false, words);
    assert_true(is_there(w, "lock"));
    assert_int_equal(write(release, "x", 1), 1);
    close(release);
    waitpid(pid, NULL, 0);
    assert_int_equal(open_run(w, false), 0);
    free(words);
}

static void test_a_dead_owner_is_replaced(void **state)
{
    struct world *w = *state;
    char *lock = in_dir(w, "lock");
    char *before, *after;
    int release;
    pid_t pid = start_owner(w, &release);
    siginfo_t info;

    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* dead, but nobody has reaped it */
    before = scratch_read(lock, NULL);
    assert_int_equal(rundir_check(w->path, false, &w->err), 0);
    assert_int_equal(open_run(w, false), 0);
    after = scratch_read(lock, NULL);
    assert_string_not_equal(before, after);
    assert_non_null(strstr(after, w->d.token));
    waitpid(pid, NULL, 0);
    close(release);
    free(before);
    free(after);
    free(lock);
}

/* Opens and closes, so that a good lock can be changed and left behind. */
static char *make_lock_text(struct world *w)
{
    char *lock = in_dir(w, "lock");
    char *text;

    assert_int_equal(open_run(w, false), 0);
    text = scratch_read(lock, NULL);
    rundir_close(&w->d);
    free(lock);
    return text;
}

static void leave_lock_with(struct world *w, const char *key, const char *value)
{
    char *text = make_lock_text(w);
    char *at = strstr(text, key);
    char *changed;

    assert_non_null(at);
    at += strlen(key);
    changed = xasprintf("%.*s%s%s", (int)(at - text), text, value, at + strcspn(at, ",}"));
    write_in_dir(w, "lock", changed);
    free(changed);
    free(text);
}

static void test_an_owner_on_another_host_is_never_taken_over(void **state)
{
    struct world *w = *state;

    leave_lock_with(w, "\"host\":", "\"far-away\"");
    assert_refused(w, false, "far-away");
    assert_non_null(strstr(w->err.text, "/flow.run/lock"));
    assert_true(is_there(w, "lock"));
}

static void be_in_job(const char *job, const char *restart)
{
    setenv("SLURM_JOB_ID", job, 1);
    if (restart != NULL)
        setenv("SLURM_RESTART_COUNT", restart, 1);
    else
        unsetenv("SLURM_RESTART_COUNT");
}

/* The node died with the job on it, and the batch system has started the job again elsewhere. */
static void test_an_earlier_start_of_the_same_job_is_dead_on_any_host(void **state)
{
    struct world *w = *state;

    be_in_job("12", NULL);
    leave_lock_with(w, "\"host\":", "\"far-away\"");
    assert_refused(w, false, "Slurm job 12");
    be_in_job("123", "1");
    assert_refused(w, false, "Slurm job 12");
    be_in_job("12", "1");
    assert_int_equal(open_run(w, false), 0);
    rundir_close(&w->d);
    leave_lock_with(w, "\"host\":", "\"far-away\"");
    assert_refused(w, false, "Slurm job 12, restart 1");
    be_in_job("12", "2");
    assert_int_equal(open_run(w, false), 0);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
}

static void test_a_job_that_has_ended_is_forgotten_and_no_other(void **state)
{
    struct world *w = *state;

    be_in_job("12", NULL);
    leave_lock_with(w, "\"host\":", "\"far-away\"");
    unsetenv("SLURM_JOB_ID");
    rundir_forget_job(w->path, "Slurm job 1");
    rundir_forget_job(w->path, "Slurm job 123");
    assert_refused(w, false, "far-away");
    rundir_forget_job(w->path, "Slurm job 12");
    assert_int_equal(open_run(w, false), 0);
    rundir_forget_job("/nonexistent", "Slurm job 12"); /* nothing to do */
}

static void test_an_owner_in_another_container_is_never_taken_over(void **state)
{
    struct world *w = *state;

    leave_lock_with(w, "\"pid_space\":", "\"pid:[1]\"");
    assert_refused(w, false, "/flow.run/lock");
}

static void test_a_lock_of_elsewhere_is_broken_when_the_user_says_so(void **state)
{
    struct world *w = *state;

    assert_int_equal(rundir_break_lock(w->path, &w->err), 0); /* there is no directory yet */
    leave_lock_with(w, "\"host\":", "\"far-away\"");
    assert_refused(w, false, "--break-lock");
    w->err.cause = ERROR_NONE;
    assert_int_equal(rundir_break_lock(w->path, &w->err), 0);
    assert_false(is_there(w, "lock"));
    write_in_dir(w, "lock", "no lock at all");
    assert_refused(w, false, "--break-lock");
    assert_int_equal(rundir_break_lock(w->path, NULL), 0);
    assert_false(is_there(w, "lock"));
    assert_int_equal(rundir_break_lock(w->path, NULL), 0); /* there is none */
    assert_int_equal(open_run(w, false), 0);
}

static void test_a_lock_whose_owner_is_seen_to_live_is_not_broken(void **state)
{
    struct world *w = *state;

    assert_int_equal(open_run(w, false), 0);
    assert_int_equal(rundir_break_lock(w->path, &w->err), -1);
    assert_non_null(strstr(w->err.text, "another run uses this directory: process"));
    assert_true(is_there(w, "lock"));
}

static void test_the_job_that_owns_it_elsewhere_is_named(void **state)
{
    struct world *w = *state;
    char *job;

    assert_null(rundir_foreign_job(w->path));
    be_in_job("12", "3");
    leave_lock_with(w, "\"host\":", "\"far-away\"");
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
    job = rundir_foreign_job(w->path);
    assert_string_equal(job, "Slurm job 12");
    free(job);
    assert_int_equal(rundir_break_lock(w->path, NULL), 0);
    assert_int_equal(open_run(w, false), 0);
    assert_null(rundir_foreign_job(w->path)); /* it is here */
}

static void test_the_epoch_is_said_in_the_lock(void **state)
{
    struct world *w = *state;
    struct rundir second;
    char *text, *path = in_dir(w, "lock");

    assert_int_equal(open_run(w, false), 0);
    assert_int_equal(rundir_note_epoch(&w->d, 7, &w->err), 0);
    text = scratch_read(path, NULL);
    assert_non_null(strstr(text, "\"epoch\":7"));
    assert_int_equal(rundir_open(&second, w->path, false, &w->err), -1);
    assert_non_null(strstr(w->err.text, "epoch 7"));
    w->err.cause = ERROR_NONE;
    write_in_dir(w, "lock", "another's by now");
    assert_int_equal(rundir_note_epoch(&w->d, 8, &w->err), -1);
    free(text);
    text = scratch_read(path, NULL);
    assert_string_equal(text, "another's by now");
    free(text);
    free(path);
}

/* A directory put in place of the run's, after it was opened, gets nothing of what is written. */
static void test_a_directory_that_is_swapped_gets_nothing(void **state)
{
    struct world *w = *state;
    char *moved = xasprintf("%s/moved", w->scratch), *path;
    int fd;

    assert_int_equal(open_run(w, false), 0);
    assert_int_equal(rename(w->path, moved), 0);
    assert_int_equal(mkdir(w->path, 0700), 0);
    assert_int_equal(rundir_write_record(&w->d, "{}", &w->err), 0);
    assert_int_equal(rundir_note_epoch(&w->d, 1, &w->err), 0);
    fd = file_open_in(w->d.fd, w->d.journal_path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_false(is_there(w, "run.json"));
    assert_false(is_there(w, "journal.jsonl"));
    path = xasprintf("%s/journal.jsonl", moved);
    assert_int_equal(unlink(path), 0);
    free(path);
    free(moved);
}

static void test_an_owner_before_the_last_boot_is_dead(void **state)
{
    struct world *w = *state;

    leave_lock_with(w, "\"boot_id\":", "\"earlier\"");
    assert_int_equal(open_run(w, false), 0);
}

static void test_a_pid_that_was_given_out_again_is_not_the_owner(void **state)
{
    struct world *w = *state;

    leave_lock_with(w, "\"process_start\":", "1");
    assert_int_equal(open_run(w, false), 0);
}

static void test_our_own_pid_and_start_time_is_a_live_owner(void **state)
{
    struct world *w = *state;

    leave_lock_with(w, "\"job\":", "\"\"");
    assert_refused(w, false, "another run uses this directory");
}

static void test_an_unreadable_lock_is_left_to_the_user(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{\"host\":1}", "null"};
    struct world *w = *state;

    mkdir(w->path, 0700);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_in_dir(w, "lock", texts[i]);
        assert_refused(w, false, "cannot be read");
    }
}

/* flock is the second guard: it holds even when somebody removed the lock file. */
static void test_removing_the_lock_of_a_live_run_does_not_let_a_second_one_in(void **state)
{
    struct world *w = *state;
    struct rundir second;
    char *lock = in_dir(w, "lock");

    assert_int_equal(open_run(w, false), 0);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rundir_open(&second, w->path, false, &w->err), -1);
    assert_non_null(strstr(w->err.text, "another run"));
    free(lock);
}

static void test_close_leaves_a_lock_that_is_not_ours(void **state)
{
    struct world *w = *state;
    char *lock = in_dir(w, "lock");
    char *text;

    assert_int_equal(open_run(w, false), 0);
    text = scratch_read(lock, NULL);
    *strstr(text, w->d.token) ^= 1;
    scratch_write(lock, text, strlen(text));
    rundir_close(&w->d);
    assert_true(is_there(w, "lock"));
    free(text);
    free(lock);
}

/* Many processes at once after a crash: exactly one gets it. */
static void test_of_many_that_take_over_one_succeeds(void **state)
{
    enum { N = 16 };
    struct world *w = *state;
    int go[2], verdict[2], quit[2];
    char byte;
    int n_owners = 0;

    leave_lock_with(w, "\"boot_id\":", "\"earlier\"");
    assert_int_equal(pipe(go) | pipe(verdict) | pipe(quit), 0);
    for (int i = 0; i < N; i++) {
        if (fork() == 0) {
            struct rundir d;
            int status;

            close(go[1]);
            close(quit[1]);
            if (read(go[0], &byte, 1) != 0)
                _exit(1);
            status = rundir_open(&d, w->path, false, NULL);
            if (write(verdict[1], status == 0 ? "y" : "n", 1) != 1)
                _exit(1);
            if (read(quit[0], &byte, 1) != 0) /* the owner stays until all have tried */
                _exit(1);
            rundir_close(&d);
            _exit(0);
        }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < N; i++) {
        assert_int_equal(read(verdict[0], &byte, 1), 1);
        n_owners += byte == 'y';
    }
    assert_int_equal(n_owners, 1);
    close(quit[1]);
    close(quit[0]);
    close(verdict[0]);
    close(verdict[1]);
    while (wait(NULL) > 0) {
    }
    assert_int_equal(open_run(w, false), 0);
}

static void test_record_is_replaced_whole(void **state)
{
    struct world *w = *state;
    char *path = in_dir(w, "run.json");
    char *text;

    assert_int_equal(open_run(w, false), 0);
    assert_int_equal(rundir_write_record(&w->d, "{\"a\":1}\n", &w->err), 0);
    assert_int_equal(rundir_write_record(&w->d, "{}\n", &w->err), 0);
    text = scratch_read(path, NULL);
    assert_string_equal(text, "{}\n");
    assert_mode(path, 0600);
    free(text);
    free(path);
}

static void test_reading_takes_no_lock_and_needs_the_directory(void **state)
{
    struct world *w = *state;

    assert_int_equal(rundir_open_to_read(&w->d, w->path, &w->err), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    mkdir(w->path, 0700);
    w->err.cause = ERROR_NONE;
    assert_int_equal(rundir_open_to_read(&w->d, w->path, &w->err), 0);
    assert_false(w->d.is_owner);
    assert_false(is_there(w, "lock"));
    assert_false(is_there(w, "output"));
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_default_path_replaces_the_ending),
        WORLD_TEST(test_open_makes_what_is_missing_for_its_owner_only),
        WORLD_TEST(test_paths_are_absolute),
        WORLD_TEST(test_close_gives_the_lock_back_and_may_come_twice),
        WORLD_TEST(test_a_directory_with_a_journal_is_only_resumed),
        WORLD_TEST(test_resume_needs_a_run),
        WORLD_TEST(test_a_run_that_wrote_nothing_is_no_run_yet),
        WORLD_TEST(test_a_missing_parent_is_an_error),
        WORLD_TEST(test_links_in_place_of_directories_and_journal_are_refused),
        WORLD_TEST(test_a_live_owner_is_named),
        WORLD_TEST(test_a_dead_owner_is_replaced),
        WORLD_TEST(test_an_owner_on_another_host_is_never_taken_over),
        WORLD_TEST(test_an_owner_in_another_container_is_never_taken_over),
        WORLD_TEST(test_a_lock_of_elsewhere_is_broken_when_the_user_says_so),
        WORLD_TEST(test_a_lock_whose_owner_is_seen_to_live_is_not_broken),
        WORLD_TEST(test_the_job_that_owns_it_elsewhere_is_named),
        WORLD_TEST(test_the_epoch_is_said_in_the_lock),
        WORLD_TEST(test_a_directory_that_is_swapped_gets_nothing),
        WORLD_TEST(test_an_owner_before_the_last_boot_is_dead),
        WORLD_TEST(test_a_pid_that_was_given_out_again_is_not_the_owner),
        WORLD_TEST(test_our_own_pid_and_start_time_is_a_live_owner),
        WORLD_TEST(test_an_earlier_start_of_the_same_job_is_dead_on_any_host),
        WORLD_TEST(test_a_job_that_has_ended_is_forgotten_and_no_other),
        WORLD_TEST(test_an_unreadable_lock_is_left_to_the_user),
        WORLD_TEST(test_removing_the_lock_of_a_live_run_does_not_let_a_second_one_in),
        WORLD_TEST(test_close_leaves_a_lock_that_is_not_ours),
        WORLD_TEST(test_of_many_that_take_over_one_succeeds),
        WORLD_TEST(test_record_is_replaced_whole),
        WORLD_TEST(test_reading_takes_no_lock_and_needs_the_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
