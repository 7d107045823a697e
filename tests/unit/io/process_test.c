#include "io/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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

#define LIMIT_MS 30000
#define STORM_LIMIT_S 60

static char this_program[4096]; /* which some tests run as a task */

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

static void test_words_that_are_too_long_are_an_error_that_says_so(void **unused)
{
    static char word[200000], many[100000];
    struct process_order o = {.argv = WORDS("true", word)};
    char *env[60] = {(char *)(uintptr_t)path_only[0]};
    struct ganger_error err;
    struct process p;

    (void)unused;
    memset(word, 'x', sizeof(word) - 1);
    assert_int_equal(start(&p, &o, &err), E2BIG); /* one is too long, wherever the program is */
    assert_non_null(strstr(err.text, "true: Argument list too long"));
    assert_non_null(strstr(err.text, "the longest of them 200000;"));
    memset(many, 'y', sizeof(many) - 1);
    many[1] = '=';
    for (int i = 1; i < 59; i++)
        env[i] = many;
    o.argv = WORDS("/bin/true");
    o.envp = env; /* together they are, unless the stack is larger than usual */
    if (start(&p, &o, &err) == 0)
        wait_for(&p);
    else
        assert_non_null(strstr(err.text, "/bin/true: Argument list too long"));
    o.argv = WORDS("true");
    o.envp = NULL;
    assert_int_equal(start(&p, &o, &err), 0);
    assert_int_equal(wait_for(&p).code, 0);
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
    end = run_shell("trap 'exit 0' USR1; setsid sh -c 'echo $$; kill -USR1 $0; exec sleep 1000' $$ & wait",
                    &o); /* out of it */
    assert_true(end.left_others);
    assert_false(is_alive(pipes.out[0]));
    end = run_shell("true", &o);
    assert_false(end.left_others);
    process_pipes_close(&pipes);
}

/* How many processes have the word in their command line; one that has ended but was not waited for has no
 * command line. */
static int count_processes(const char *word)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(proc)) != NULL) {
        char path[300], line[4096];
        ssize_t n = 0;
        int fd;

        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        fd = atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid() ? open(path, O_RDONLY) : -1;
        if (fd >= 0) {
            n = read(fd, line, sizeof(line));
            close(fd);
        }
        count += n > 0 && memmem(line, (size_t)n, word, strlen(word)) != NULL;
    }
    closedir(proc);
    return count;
}

/* ---- this program as a task: see main ---- */

/* Each link of the chain lives for a moment and leaves another, in the group or in a session of its own. By itself it
 * ends when the test that started it has failed. The moment is long enough to be seen: until then nobody takes the dead
 * away, and a chain as fast as it can be would fill the table of processes for all who use the machine. */
static _Noreturn void be_chain(bool is_alone)
{
    for (int n = 0; n < 2000; n++) {
        if (fork() != 0)
            _exit(0);
        if (is_alone)
            setsid();
        poll(NULL, 0, 1);
    }
    _exit(0);
}

static int be_storm(void)
{
    for (int chain = 0; chain < 4; chain++)
        if (fork() == 0)
            be_chain(chain > 0);
    sleep(1000);
    return 0;
}

/* A leader that goes to another group than the one it was given. */
static int leave_group(void)
{
    setpgid(0, getpgid(getppid()));
    if (write(STDOUT_FILENO, "gone\n", 5) == 5)
        sleep(1000);
    return 0;
}

static int be_task(const char *what)
{
    return strcmp(what, "storm") == 0 ? be_storm() : leave_group();
}

/* ---- */

static void test_a_storm_of_forks_is_killed(void **unused)
{
    char word[64];
    struct process_order o = {.argv = WORDS(this_program, "storm", word)};
    struct ganger_error err = {0};
    struct process_end end;
    struct process p;

    (void)unused;
    snprintf(word, sizeof(word), "storm-of-%d", (int)getpid());
    assert_int_equal(process_adopt_orphans(), 0);
    assert_int_equal(start(&p, &o, &err), 0);
    for (int i = 0; i < 10000 && count_processes(word) < 3; i++) /* until it blows */
        poll(NULL, 0, 1);
    assert_true(count_processes(word) > 0);
    process_signal(&p, SIGKILL);
    end = wait_for(&p);
    assert_true(end.left_others);
    for (int i = 0; i < STORM_LIMIT_S && end.still_left; i++) /* a machine full of others may be slow */
        end.still_left = !process_kill_others(1);
    assert_false(end.still_left);
    assert_int_equal(count_processes(word), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Children of this thread, the dead included. */
static int count_children(void)
{
    FILE *file = fopen("/proc/thread-self/children", "r");
    int n = 0, child;

    assert_non_null(file);
    while (fscanf(file, "%d", &child) == 1)
        n++;
    fclose(file);
    return n;
}

static void test_dead_orphans_are_taken_away_while_a_task_runs(void **unused)
{
    const char *script = "for i in 1 2 3 4 5 6 7 8; do (true &); done; sleep 1000; true";
    struct process_order o = {.argv = WORDS("sh", "-c", script)};
    struct ganger_error err = {0};
    struct process p;

    (void)unused;
    assert_int_equal(process_adopt_orphans(), 0);
    assert_int_equal(start(&p, &o, &err), 0);
    for (int i = 0; i < LIMIT_MS && count_children() < 9; i++)
        poll(NULL, 0, 1);
    assert_int_equal(count_children(), 9);
    for (int i = 0; i < LIMIT_MS && count_children() > 1; i++) {
        process_reap_orphans(&p);
        poll(NULL, 0, 1);
    }
    assert_int_equal(count_children(), 1);
    process_signal(&p, SIGTERM);
    assert_int_equal(wait_for(&p).code, SIGTERM); /* its own end was left for us */
}

static void test_a_leader_that_left_its_group_is_reached(void **unused)
{
    struct process_pipes pipes = PROCESS_PIPES_CLOSED;
    struct process_order o = {.argv = WORDS(this_program, "leave"), .pipes = &pipes};
    struct ganger_error err = {0};
    struct pollfd said;
    struct process p;

    (void)unused;
    assert_int_equal(process_pipes_open(&pipes, &err), 0);
    said = (struct pollfd){pipes.out[0], POLLIN, 0};
    assert_int_equal(start(&p, &o, &err), 0);
    assert_int_equal(poll(&said, 1, LIMIT_MS), 1);
    process_signal(&p, SIGTERM);
    assert_int_equal(wait_for(&p).code, SIGTERM);
    process_pipes_close(&pipes);
}

static void test_all_children_can_be_killed(void **unused)
{
    struct process_order o = {.argv = WORDS("sh", "-c", "trap '' TERM; sleep 1000; true")};
    struct ganger_error err = {0};
    struct process p;

    (void)unused;
    assert_int_equal(start(&p, &o, &err), 0);
    assert_false(process_kill_others(0)); /* no time: not even looked at */
    assert_true(process_kill_others(LIMIT_MS / 1000.0));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_true(process_kill_others(1)); /* there is none */
    close(p.fd);
}

static void test_what_is_stopped_is_killed(void **unused)
{
    struct process_order o = {0};
    struct process_end end;

    (void)unused;
    assert_int_equal(process_adopt_orphans(), 0);
    end = run_shell("setsid sh -c 'sleep 1000 & kill -STOP $$' & sleep 1000 & kill -STOP $!; sleep 0.2", &o);
    assert_true(end.left_others);
    assert_false(end.still_left);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- files as standard streams ---- */

static char *make_dir(void)
{
    static char dir[32];

    snprintf(dir, sizeof(dir), "/tmp/ganger-test-XXXXXX");
    return mkdtemp(dir);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static void remove_dir(const char *dir)
{
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void assert_file(const char *dir, const char *name, const char *text)
{
    char path[128], bytes[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "r");
    assert_non_null(file);
    (void)!fread(bytes, 1, sizeof(bytes) - 1, file);
    fclose(file);
    assert_string_equal(bytes, text);
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void test_streams_are_files_below_the_directory(void **unused)
{
    char *dir = make_dir(), absolute[64];
    struct process_order o = {.cwd = dir, .stdin_path = "in", .stdout_path = "out", .stderr_path = absolute};
    int n_before = count_descriptors();

    (void)unused;
    snprintf(absolute, sizeof(absolute), "%s/err", dir);
    put_file(dir, "in", "question\n");
    put_file(dir, "out", "what was there before, and is longer than what comes\n");
    assert_int_equal(run_shell("read x; echo got $x; echo oops >&2; ls -1 /proc/self/fd | wc -l >&2", &o).code, 0);
    assert_file(dir, "out", "got question\n");
    assert_file(dir, "err", "oops\n4\n"); /* 0, 1, 2, and what ls itself reads */
    assert_int_equal(run_shell("for i in 0 1 2; do flags=$(sed -n 's/^flags:[^0-9]*//p' /proc/$$/fdinfo/$i); "
                               "test $((flags & 04000)) = 0 || exit 9; done", &o).code, 0); /* none is non-blocking */
    assert_int_equal(count_descriptors(), n_before);
    remove_dir(dir);
}

static void test_output_and_error_can_share_a_file(void **unused)
{
    char *dir = make_dir();
    struct process_order o = {.cwd = dir, .stdout_path = "both", .stderr_path = "both"};

    (void)unused;
    assert_int_equal(run_shell("echo one; echo two >&2; echo three", &o).code, 0);
    assert_file(dir, "both", "one\ntwo\nthree\n");
    o.stderr_path = "./both"; /* the same, called otherwise */
    assert_int_equal(run_shell("echo 1; echo 2 >&2; echo 3", &o).code, 0);
    assert_file(dir, "both", "1\n2\n3\n");
    remove_dir(dir);
}

static void test_a_stream_can_be_a_file_and_another_the_pipe(void **unused)
{
    char *dir = make_dir(), bytes[16];
    struct process_pipes pipes = PROCESS_PIPES_CLOSED;
    struct process_order o = {.cwd = dir, .pipes = &pipes, .stdout_path = "out"};
    struct ganger_error err = {0};

    (void)unused;
    assert_int_equal(process_pipes_open(&pipes, &err), 0);
    assert_int_equal(run_shell("echo file; echo pipe >&2", &o).code, 0);
    assert_file(dir, "out", "file\n");
    assert_int_equal(read(pipes.out[0], bytes, sizeof(bytes)), -1);
    assert_int_equal(read(pipes.err[0], bytes, sizeof(bytes)), 5);
    process_pipes_close(&pipes);
    remove_dir(dir);
}

static void assert_stream_refused(struct process_order *o, int number, const char *text)
{
    int n_before = count_descriptors();
    struct ganger_error err = {0};
    struct process p;

    o->argv = WORDS("true");
    assert_int_equal(start(&p, o, &err), number);
    assert_string_equal(err.text, text);
    assert_int_equal(p.pid, 0);
    assert_int_equal(count_descriptors(), n_before);
}

static void test_streams_that_cannot_be_opened_say_why(void **unused)
{
    char *dir = make_dir(), fifo[64];
    struct process_order o = {.cwd = dir};

    (void)unused;
    snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
    mkfifo(fifo, 0600);
    put_file(dir, "kept", "kept\n");
    o.stdin_path = "in";
    o.stdout_path = "kept";
    assert_stream_refused(&o, ENOENT, "stdin in: No such file or directory");
    assert_file(dir, "kept", "kept\n");
    o.stdin_path = ".";
    assert_stream_refused(&o, EISDIR, "stdin .: Is a directory");
    o.stdin_path = NULL;
    o.stdout_path = "no/out";
    assert_stream_refused(&o, ENOENT, "stdout no/out (missing folders are not made): No such file or directory");
    o.stdout_path = NULL;
    o.stderr_path = "/";
    assert_stream_refused(&o, EISDIR, "stderr /: Is a directory");
    o.stderr_path = NULL;
    o.stdout_path = "fifo"; /* nobody reads it: to open it would wait */
    assert_stream_refused(&o, EOPNOTSUPP, "stdout fifo is a FIFO, whose other end may never come: let the command "
                                          "itself open it: Operation not supported");
    o.cwd = "/no/such";
    assert_stream_refused(&o, ENOENT, "true: cannot change to its directory /no/such: No such file or directory");
    remove_dir(dir);
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

/* From now on this process lives on a kernel that does not know the call. */
static int forget_call(long number, int says)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)says),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#define N_OPEN 300 /* more than one reading of a list holds */

static int start_with_many_descriptors(void)
{
    struct process_order o = {0};

    for (int i = 0; i < N_OPEN; i++)
        if (dup(STDERR_FILENO) < 0)
            return -1;
    return run_shell("test $(ls /proc/self/fd | wc -w) -le 4", &o).code;
}

static void test_descriptors_are_closed_on_an_old_kernel(void **unused)
{
    static const int answers[] = {ENOSYS, EINVAL, EPERM}; /* before 5.9, before 5.11, in some containers */

    (void)unused;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
            _exit(forget_call(SYS_close_range, answers[i]) < 0 ? 99 : start_with_many_descriptors());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status_and_signal_are_told_apart),
        cmocka_unit_test(test_what_cannot_start_says_why),
        cmocka_unit_test(test_words_that_are_too_long_are_an_error_that_says_so),
        cmocka_unit_test(test_script_without_a_magic_line_runs_by_sh),
        cmocka_unit_test(test_child_has_clean_signals_descriptors_and_stdin),
        cmocka_unit_test(test_descriptors_are_closed_on_an_old_kernel),
        cmocka_unit_test(test_output_comes_through_the_pipes),
        cmocka_unit_test(test_pipes_are_as_new_for_the_next_child),
        cmocka_unit_test(test_whole_group_gets_the_signal),
        cmocka_unit_test(test_what_a_task_leaves_behind_is_killed),
        cmocka_unit_test(test_a_storm_of_forks_is_killed),
        cmocka_unit_test(test_dead_orphans_are_taken_away_while_a_task_runs),
        cmocka_unit_test(test_a_leader_that_left_its_group_is_reached),
        cmocka_unit_test(test_all_children_can_be_killed),
        cmocka_unit_test(test_what_is_stopped_is_killed),
        cmocka_unit_test(test_streams_are_files_below_the_directory),
        cmocka_unit_test(test_output_and_error_can_share_a_file),
        cmocka_unit_test(test_a_stream_can_be_a_file_and_another_the_pipe),
        cmocka_unit_test(test_streams_that_cannot_be_opened_say_why),
        cmocka_unit_test(test_usage_is_reported),
        cmocka_unit_test(test_watching_tells_of_others),
        cmocka_unit_test(test_affinity_is_set_for_the_child_alone),
        cmocka_unit_test(test_a_policy_that_was_chosen_stays),
    };

    if (argc > 1)
        return be_task(argv[1]);
    if (readlink("/proc/self/exe", this_program, sizeof(this_program) - 1) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
