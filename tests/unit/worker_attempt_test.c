/* How a worker starts and ends tasks that ask for more than to be run: timeouts, files, GPUs. The worker is a
 * process of its own, as in a run, so that what its tasks leave comes to it; the test is the manager. */
#include "worker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "core/message.h"
#include "io/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANAGER_S 500.0 /* its clock, when it welcomes */
#define LIMIT_S 60.0
#define LONG_S 1000.0
#define SOON_S 1.0 /* time enough for a shell to do what it is to have done when it is ended */
#define EPOCH 3

/* ---- a comm over a socket that keeps messages whole ---- */

struct end
{
    struct comm comm;
    int fd;
    _Atomic uint64_t counter; /* of the node's output */
    char bytes[65536];
};

static int end_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    (void)to;
    if (send(((struct end *)c)->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n)
        return 0;
    return error_set_errno(err, ERROR_SYSTEM, "cannot send");
}

static void end_ring(struct comm *c, uint32_t to)
{
    (void)c, (void)to;
}

static bool end_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    struct end *e = (struct end *)c;
    ssize_t got = recv(e->fd, e->bytes, sizeof(e->bytes), MSG_DONTWAIT);

    *from = 1 - c->rank;
    *bytes = e->bytes;
    *n = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static int end_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s, struct ganger_error *err)
{
    double limit_s = fmin(fmax(deadline_s - clock_now_s(), 0), 1e6);
    struct timespec t = {(time_t)limit_s, (long)((limit_s - floor(limit_s)) * 1e9)};
    struct pollfd all[16];

    (void)err;
    all[0] = (struct pollfd){((struct end *)c)->fd, POLLIN, 0};
    for (nfds_t i = 0; i < n; i++)
        all[i + 1] = (struct pollfd){fds[i].fd, fds[i].events, 0};
    ppoll(all, n + 1, &t, NULL);
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = all[i + 1].revents;
    return 0;
}

static void end_close(struct comm *c, bool at_once)
{
    (void)at_once;
    close(((struct end *)c)->fd);
}

static const struct comm_ops end_ops = {end_send, end_ring, end_receive, end_wait, end_close, NULL};
static const uint32_t one_node[] = {0, 0}, two_nodes[] = {0, 1};

static void end_init(struct end *e, uint32_t rank, int fd, bool is_far)
{
    *e = (struct end){.comm = {.ops = &end_ops, .rank = rank, .size = 2, .nodes = is_far ? two_nodes : one_node},
                      .fd = fd};
    e->comm.node_counter = &e->counter;
}

/* ---- the manager ---- */

struct fixture
{
    struct end end;
    pid_t worker;
    char dir[64];
    char word[64]; /* stands in the command line of what is to be found */
    uint32_t gpus_per_node;
    enum memory_rule memory_rule;
    uint64_t max_output_bytes;
    double grace_s;
    double latency_wait_s;
    double fence_s;
    bool is_far; /* the worker is on another node than the manager, … */
    double hello_waited_s; /* … which let its HELLO wait for so long; 0: they have one clock */
    struct heartbeat heartbeat; /* the last */
    struct buffer message;
    struct buffer gpus; /* of HELLO */
    struct buffer tail; /* of the last DONE */
    struct done done;
    struct ganger_error err;
};

static _Noreturn void be_worker(const struct fixture *f, int fd)
{
    static struct end end;
    struct worker_options options = {.comm = &end.comm, .signal_fd = -1, .gpus_per_node = f->gpus_per_node,
                                     .memory_rule = f->memory_rule, .max_output_bytes = f->max_output_bytes};
    struct ganger_error err = {0};
    int status;

    end_init(&end, 1, fd, f->is_far);
    process_adopt_orphans();
    process_die_with_parent(SIGKILL); /* if an assertion fails */
    status = worker_run(&options, &err);
    if (status < 0)
        fprintf(stderr, "worker: %s\n", err.text);
    _exit(status == 0 ? 0 : 1);
}

static void take(struct fixture *f, enum message_kind kind, struct cursor *c)
{
    struct hello hello;

    if (kind == MESSAGE_HELLO) {
        assert_int_equal(message_next_hello(c, &hello, &f->err), 0);
        buffer_put(&f->gpus, hello.gpus.bytes, hello.gpus.n);
    }
    if (kind == MESSAGE_HEARTBEAT)
        assert_int_equal(message_next_heartbeat(c, &f->heartbeat, &f->err), 0);
    if (kind != MESSAGE_DONE)
        return;
    assert_int_equal(message_next_done(c, &f->done, &f->err), 0);
    f->tail.n = 0;
    buffer_put(&f->tail, f->done.result.tail, f->done.result.n_tail_bytes);
    buffer_put_u8(&f->tail, 0);
}

/* The next message of the worker must be of this kind; a slow task may say STARTED before DONE, and a slow machine
 * makes it ask for the time. */
static void expect(struct fixture *f, enum message_kind kind)
{
    double deadline_s = clock_now_s() + LIMIT_S;
    struct message_header h;
    const char *bytes;
    struct cursor c;
    uint32_t from;
    size_t n;

    do {
        while (!comm_receive(&f->end.comm, &from, &bytes, &n)) {
            assert_true(clock_now_s() < deadline_s);
            assert_int_equal(waitpid(f->worker, NULL, WNOHANG), 0);
            comm_wait(&f->end.comm, NULL, 0, fmin(deadline_s, clock_now_s() + 1), NULL);
        }
        assert_int_equal(message_open(&h, &c, bytes, n, &f->err), 0);
    } while (h.kind != kind && (h.kind == MESSAGE_STARTED || h.kind == MESSAGE_HEARTBEAT));
    assert_int_equal(h.kind, kind);
    take(f, kind, &c);
}

static void expect_end(struct fixture *f, enum task_end end, int code)
{
    expect(f, MESSAGE_DONE);
    assert_int_equal(f->done.result.end, end);
    assert_int_equal(f->done.result.code, code);
}

static void send_message(struct fixture *f)
{
    assert_int_equal(comm_send(&f->end.comm, 1, f->message.bytes, f->message.n, &f->err), 0);
}

static void send_welcome(struct fixture *f)
{
    static const char env[] = "PATH=/usr/bin:/bin\0CUDA_VISIBLE_DEVICES=4,5\0GANGER_GPUS=6\0";
    struct welcome w = {.run_dir = {f->dir, (uint32_t)strlen(f->dir)},
                        .cwd = {f->dir, (uint32_t)strlen(f->dir)},
                        .env = {env, sizeof(env) - 1},
                        .grace_s = f->grace_s,
                        .latency_wait_s = f->latency_wait_s,
                        .fence_s = f->is_far ? f->fence_s : LONG_S,
                        .same_clock = f->hello_waited_s == 0,
                        .origin_s = clock_now_s(),
                        .hello_clock_s = clock_now_s() - f->hello_waited_s,
                        .clock_s = MANAGER_S,
                        .manager_pid = (uint32_t)getpid()};

    message_begin(&f->message, MESSAGE_WELCOME, EPOCH, 1);
    message_add_welcome(&f->message, &w);
    send_message(f);
}

static void start_worker(struct fixture *f)
{
    static int number;
    char output[96];
    int fds[2];

    memcpy(f->dir, "/tmp/ganger-worker-XXXXXX", 26);
    snprintf(f->word, sizeof(f->word), "mark-%d-%d-", (int)getpid(), number++);
    assert_non_null(mkdtemp(f->dir));
    snprintf(output, sizeof(output), "%s/output", f->dir);
    mkdir(output, 0700);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    f->worker = fork();
    if (f->worker == 0) {
        close(fds[0]);
        be_worker(f, fds[1]);
    }
    close(fds[1]);
    end_init(&f->end, 0, fds[0], f->is_far);
    expect(f, MESSAGE_HELLO);
    send_welcome(f);
}

static void begin_with(struct fixture *f, double grace_s, double latency_wait_s)
{
    *f = (struct fixture){.grace_s = grace_s, .latency_wait_s = latency_wait_s, .gpus_per_node = 3};
    start_worker(f);
}

static void begin(struct fixture *f)
{
    begin_with(f, 5, 5);
}

static struct text text_of(const char *bytes)
{
    return (struct text){bytes, (uint32_t)strlen(bytes)};
}

/* What every RUN of these tests has; a test adds to it. */
static struct run run_of(task_id task)
{
    return (struct run){.task = task, .attempt = 1, .slots = {"\0\0", 2}, .id = {"t", 1}, .n_argv = 4};
}

/* The script's $0 is the fixture's word. */
static void send_run(struct fixture *f, struct run *run, const char *script)
{
    struct buffer argv = BUFFER_EMPTY;

    buffer_put(&argv, "sh\0-c", 6);
    buffer_put(&argv, script, strlen(script) + 1);
    buffer_put(&argv, f->word, strlen(f->word) + 1);
    run->argv = (struct text){argv.bytes, (uint32_t)argv.n};
    message_begin(&f->message, MESSAGE_RUN, EPOCH, 1);
    message_add_run(&f->message, run);
    send_message(f);
    buffer_release(&argv);
}

static void send_shell(struct fixture *f, task_id task, const char *script)
{
    struct run run = run_of(task);

    send_run(f, &run, script);
}

static void send_timed(struct fixture *f, double timeout_s, const char *script)
{
    struct run run = run_of(1);

    run.timeout_s = timeout_s;
    send_run(f, &run, script);
}

static void send_stop(struct fixture *f, enum stop_mode mode)
{
    struct stop stop = {.mode = mode};

    message_begin(&f->message, MESSAGE_STOP, EPOCH, 1);
    message_add_stop(&f->message, &stop);
    send_message(f);
}

static void send_recall(struct fixture *f, task_id task)
{
    struct recall recall = {task, 1};

    message_begin(&f->message, MESSAGE_RECALL, EPOCH, 1);
    message_add_recall(&f->message, &recall);
    send_message(f);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static void release(struct fixture *f)
{
    int status = -1;

    assert_int_equal(waitpid(f->worker, &status, 0), f->worker);
    assert_int_equal(status, 0);
    comm_close(&f->end.comm, false);
    buffer_release(&f->message);
    buffer_release(&f->tail);
    buffer_release(&f->gpus);
    nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void end(struct fixture *f)
{
    send_stop(f, STOP_WHEN_DONE);
    release(f);
}

/* ---- what is there ---- */

/* How many processes have the word in their command line. */
static int count_processes(const char *word)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(proc)) != NULL) {
        char path[300], line[4096];
        ssize_t n = 0;
        int fd = -1;

        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        if (atoi(entry->d_name) > 0)
            fd = open(path, O_RDONLY);
        if (fd >= 0) {
            n = read(fd, line, sizeof(line));
            close(fd);
        }
        count += n > 0 && memmem(line, (size_t)n, word, strlen(word)) != NULL;
    }
    closedir(proc);
    return count;
}

/* Nothing of the tasks runs, and the worker has no child. */
static void assert_nothing_left(const struct fixture *f)
{
    char path[64], bytes[16];
    int fd;

    assert_int_equal(count_processes(f->word), 0);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)f->worker, (int)f->worker);
    fd = open(path, O_RDONLY);
    if (fd >= 0)
        assert_int_equal(read(fd, bytes, sizeof(bytes)), 0);
    close(fd);
}

static char *path_in(const struct fixture *f, const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static void put_file(const struct fixture *f, const char *name, const char *text)
{
    FILE *file = fopen(path_in(f, name), "w");

    fputs(text, file);
    fclose(file);
}

static void assert_file(const struct fixture *f, const char *name, const char *text)
{
    char bytes[1024] = "";
    FILE *file = fopen(path_in(f, name), "r");

    assert_non_null(file);
    (void)!fread(bytes, 1, sizeof(bytes) - 1, file);
    fclose(file);
    assert_string_equal(bytes, text);
}

static double took_s(const struct fixture *f)
{
    return f->done.result.end_s - f->done.result.start_s;
}

/* ---- timeouts ---- */

static void test_a_task_is_ended_at_its_timeout(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, SOON_S, "echo here; sleep 1000; true");
    expect_end(&f, TASK_TIMED_OUT, SIGTERM);
    assert_true(took_s(&f) >= SOON_S && took_s(&f) < LIMIT_S);
    assert_string_equal(f.tail.bytes, "here\n");
    assert_nothing_left(&f);
    send_timed(&f, 60, "exit 3"); /* a timeout that is not reached changes nothing */
    expect_end(&f, TASK_EXITED, 3);
    end(&f);
}

static void test_a_task_that_ends_well_at_its_timeout_was_timed_out(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, SOON_S, "trap 'exit 0' TERM; while :; do sleep 0.05; done");
    expect_end(&f, TASK_TIMED_OUT, 0);
    send_timed(&f, SOON_S, "trap 'exit 7' TERM; while :; do sleep 0.05; done");
    expect_end(&f, TASK_TIMED_OUT, 0);
    end(&f);
}

/* Ignores TERM, and so do its grandchildren; some have gone to other groups and sessions, by forking twice. All
 * hold the pipes open. */
#define STUBBORN "trap '' TERM; " \
    "sh -c 'sleep 1000; true' $0 & " \
    "(setsid sh -c 'sh -c \"sleep 1000; true\" $0 & while :; do sleep 1000; done' $0 &); " \
    "(set -m; sh -c 'sleep 1000; true' $0 &); "

static void test_a_stubborn_task_is_gone_after_the_grace(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, 0.3, 0);
    send_timed(&f, SOON_S, STUBBORN "echo here; while :; do sleep 1000; done");
    expect_end(&f, TASK_TIMED_OUT, SIGKILL);
    assert_true(took_s(&f) >= SOON_S + 0.3 && took_s(&f) < SOON_S + 0.3 + 1 + 5); /* 5 s for a machine that is busy */
    assert_nothing_left(&f);
    assert_string_equal(f.tail.bytes, "here\n");
    send_shell(&f, 2, "echo next; exit 1"); /* the pipes are in order */
    expect_end(&f, TASK_EXITED, 1);
    assert_string_equal(f.tail.bytes, "next\n");
    end(&f);
}

static void test_what_a_leader_leaves_that_obeys_gets_no_grace(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, SOON_S, STUBBORN "trap - TERM; while :; do sleep 0.1; done");
    expect_end(&f, TASK_TIMED_OUT, SIGTERM);
    assert_nothing_left(&f);
    end(&f);
}

static void test_a_stopped_task_is_ended(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, SOON_S, "kill -STOP $$; sleep 1000");
    expect_end(&f, TASK_TIMED_OUT, SIGTERM); /* it was made to go on, so that it could */
    end(&f);
    begin_with(&f, 0.3, 0);
    send_timed(&f, SOON_S, STUBBORN "while :; do kill -STOP $$; done");
    expect_end(&f, TASK_TIMED_OUT, SIGKILL);
    assert_nothing_left(&f);
    end(&f);
}

static void test_a_task_that_forks_and_forks_is_ended(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, 0.2, 0);
    send_timed(&f, 0.2, "trap '' TERM; while :; do (setsid sh -c 'sleep 1000; true' $0 &); "
                        "sh -c 'sleep 1000; true' $0 & done");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_TIMED_OUT);
    send_shell(&f, 2, "true"); /* what was too much for the first time is gone after this */
    expect_end(&f, TASK_EXITED, 0);
    assert_nothing_left(&f);
    end(&f);
}

static void test_a_task_that_floods_is_ended(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, 0.2, 0);
    send_timed(&f, 0.7, "trap '' TERM; while :; do head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2; done");
    expect_end(&f, TASK_TIMED_OUT, SIGKILL);
    assert_true(f.done.result.output_bytes > 65536);
    assert_int_equal(f.done.result.n_tail_bytes, TASK_TAIL_BYTES);
    assert_nothing_left(&f);
    end(&f);
}

static void test_stop_ends_a_timed_out_task_sooner(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, SOON_S, "trap 'touch told' TERM; while :; do sleep 0.05; done");
    while (access(path_in(&f, "told"), F_OK) != 0)
        poll(NULL, 0, 10);
    send_stop(&f, STOP_KILL);
    expect_end(&f, TASK_TIMED_OUT, SIGKILL); /* that came first */
    release(&f);
}

static void test_a_task_that_is_cancelled_is_not_timed_out(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, 3.5, 0);
    send_timed(&f, 3, "trap '' TERM; while :; do sleep 0.05; done");
    expect(&f, MESSAGE_STARTED);
    send_stop(&f, STOP_TERM);
    expect_end(&f, TASK_CANCELLED, SIGKILL);
    release(&f);
}

static void test_what_waits_behind_a_timed_out_task_runs(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, 0);
    send_timed(&f, 0.2, "sleep 1000; true");
    send_shell(&f, 2, "exit 4");
    expect_end(&f, TASK_TIMED_OUT, SIGTERM);
    assert_int_equal(f.done.next, 2);
    expect_end(&f, TASK_EXITED, 4);
    end(&f);
}

/* ---- files as standard streams ---- */

static void test_streams_go_to_files(void **unused)
{
    struct run run = run_of(1);
    struct fixture f;

    (void)unused;
    begin(&f);
    put_file(&f, "in", "question\n");
    run.stdin_path = text_of("in");
    run.stdout_path = text_of("out");
    run.stderr_path = text_of("err");
    send_run(&f, &run, "read x; echo $x; echo oops >&2; exit 2");
    expect_end(&f, TASK_EXITED, 2);
    assert_file(&f, "out", "question\n");
    assert_file(&f, "err", "oops\n");
    assert_int_equal(f.done.result.output_bytes, 0);
    assert_int_equal(f.done.result.n_tail_bytes, 0);
    run = run_of(2);
    run.stdout_path = text_of("out");
    send_run(&f, &run, "echo again; echo seen >&2; exit 1");
    expect_end(&f, TASK_EXITED, 1);
    assert_file(&f, "out", "again\n"); /* each attempt empties it */
    assert_string_equal(f.tail.bytes, "seen\n");
    end(&f);
}

static void test_a_stream_that_cannot_be_opened_is_told(void **unused)
{
    struct run run = run_of(1);
    struct fixture f;

    (void)unused;
    begin(&f);
    run.stdout_path = text_of("no/out");
    send_run(&f, &run, "touch ran");
    expect_end(&f, TASK_NOT_STARTED, ENOENT);
    assert_string_equal(f.tail.bytes, "stdout no/out (missing folders are not made): No such file or directory");
    run = run_of(2);
    mkfifo(path_in(&f, "fifo"), 0600);
    run.stdin_path = text_of("fifo");
    send_run(&f, &run, "touch ran");
    expect_end(&f, TASK_NOT_STARTED, EOPNOTSUPP);
    assert_int_not_equal(access(path_in(&f, "ran"), F_OK), 0);
    end(&f);
}

/* ---- inputs and outputs ---- */

static struct run run_with_inputs(task_id task, const char *packed, size_t n)
{
    struct run run = run_of(task);

    run.inputs = (struct text){packed, (uint32_t)n};
    return run;
}

static void test_inputs_that_are_there_are_not_waited_for(void **unused)
{
    struct run run = run_with_inputs(1, "a\0/etc/passwd", 14);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, LONG_S);
    put_file(&f, "a", "");
    send_run(&f, &run, "exit 5");
    expect_end(&f, TASK_EXITED, 5);
    end(&f);
}

static void test_inputs_that_come_late_are_waited_for(void **unused)
{
    struct run run = run_with_inputs(1, "a\0sub/b\0c", 10);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, LONG_S);
    send_run(&f, &run, "cat a sub/b c; exit 6");
    poll(NULL, 0, 30);
    put_file(&f, "a", "1\n");
    mkdir(path_in(&f, "sub"), 0700);
    poll(NULL, 0, 50);
    put_file(&f, "c", "3\n");
    put_file(&f, "sub/b", "2\n");
    expect_end(&f, TASK_EXITED, 6);
    assert_string_equal(f.tail.bytes, "1\n2\n3\n");
    end(&f);
}

static void test_an_input_that_does_not_come_is_named(void **unused)
{
    struct run run = run_with_inputs(1, "a\0late", 7);
    struct fixture f;
    char text[256];

    (void)unused;
    begin_with(&f, 5, 0.1);
    put_file(&f, "a", "");
    send_run(&f, &run, "touch ran");
    send_shell(&f, 2, "exit 4"); /* waits behind it */
    expect_end(&f, TASK_INPUT_MISSING, ENOENT);
    assert_int_equal(f.done.next, 2);
    snprintf(text, sizeof(text), "late (in %s): No such file or directory, 0.1 s after it was needed "
                                 "(see --latency-wait)", f.dir);
    assert_string_equal(f.tail.bytes, text);
    assert_int_not_equal(access(path_in(&f, "ran"), F_OK), 0);
    expect_end(&f, TASK_EXITED, 4);
    end(&f);
    begin_with(&f, 5, 0);
    send_run(&f, &run, "touch ran");
    expect_end(&f, TASK_INPUT_MISSING, ENOENT);
    end(&f);
}

static void test_inputs_are_relative_to_the_task_s_directory(void **unused)
{
    struct run run = run_with_inputs(1, "sh", 3);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, 0);
    run.has_cwd = true;
    run.cwd = text_of("/bin");
    send_run(&f, &run, "exit 0");
    expect_end(&f, TASK_EXITED, 0);
    end(&f);
}

static void test_a_relative_directory_starts_from_the_run_s(void **unused)
{
    struct run run = run_with_inputs(1, "in", 3);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, 0);
    mkdir(path_in(&f, "sub"), 0700);
    put_file(&f, "sub/in", "here\n");
    run.has_cwd = true;
    run.cwd = text_of("sub");
    run.stdin_path = text_of("in");
    send_run(&f, &run, "cat; pwd; exit 1");
    expect_end(&f, TASK_EXITED, 1);
    assert_memory_equal(f.tail.bytes, "here\n", 5);
    assert_string_equal(f.tail.bytes + f.tail.n - 6, "/sub\n");
    end(&f);
}

static void test_waiting_for_inputs_does_not_make_deaf(void **unused)
{
    struct run run = run_with_inputs(1, "never", 6);
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, LONG_S);
    send_run(&f, &run, "true");
    send_shell(&f, 2, "true");
    send_recall(&f, 2);
    expect(&f, MESSAGE_RETURNED);
    send_stop(&f, STOP_TERM);
    expect_end(&f, TASK_CANCELLED, 0);
    assert_int_equal(f.done.task, 1);
    release(&f);
    begin_with(&f, LONG_S, LONG_S);
    send_run(&f, &run, "true");
    send_shell(&f, 2, "true");
    send_stop(&f, STOP_WHEN_DONE); /* nothing new starts: what waits for inputs has not begun */
    expect(&f, MESSAGE_RETURNED);
    expect_end(&f, TASK_CANCELLED, 0);
    release(&f);
}

/* ---- what inputs contain ---- */

static void test_the_fingerprint_of_inputs_comes_with_the_end(void **unused)
{
    struct run run = run_with_inputs(1, "in", 3);
    struct fixture f;
    uint64_t first;

    (void)unused;
    begin_with(&f, 5, 0);
    put_file(&f, "in", "one");
    send_run(&f, &run, "true");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_equal(f.done.result.fingerprint, FINGERPRINT_NONE); /* nobody asked */
    run.wants_fingerprint = true;
    send_run(&f, &run, "true");
    expect_end(&f, TASK_EXITED, 0);
    first = f.done.result.fingerprint;
    assert_true(first > FINGERPRINT_ANY);
    send_run(&f, &run, "echo more >in");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_equal(f.done.result.fingerprint, FINGERPRINT_UNSURE);
    send_run(&f, &run, "true");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_not_equal(f.done.result.fingerprint, first);
    send_shell(&f, 2, "true");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_equal(f.done.result.fingerprint, FINGERPRINT_NONE); /* not that of the one before */
    end(&f);
}

static void test_a_task_whose_inputs_are_as_expected_does_not_run(void **unused)
{
    struct run run = run_with_inputs(1, "in", 3);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, 0);
    put_file(&f, "in", "one");
    run.wants_fingerprint = true;
    run.outputs = text_of("out");
    run.outputs.n++;
    send_run(&f, &run, "echo x >>out");
    expect_end(&f, TASK_EXITED, 0);
    assert_false(f.done.result.is_unchanged);
    run.fingerprint = f.done.result.fingerprint;
    send_run(&f, &run, "exit 9");
    send_shell(&f, 2, "exit 4"); /* the next one is not forgotten */
    expect_end(&f, TASK_EXITED, 0);
    assert_true(f.done.result.is_unchanged);
    expect_end(&f, TASK_EXITED, 4);
    assert_false(f.done.result.is_unchanged);
    unlink(path_in(&f, "out")); /* it must be made again */
    send_run(&f, &run, "exit 9");
    expect_end(&f, TASK_EXITED, 9);
    put_file(&f, "out", "");
    put_file(&f, "in", "two");
    send_run(&f, &run, "exit 9");
    expect_end(&f, TASK_EXITED, 9);
    run.fingerprint = FINGERPRINT_ANY;
    send_run(&f, &run, "exit 9");
    expect_end(&f, TASK_EXITED, 0);
    assert_true(f.done.result.is_unchanged);
    end(&f);
}

static void test_reading_inputs_does_not_make_deaf(void **unused)
{
    struct run run = run_with_inputs(1, "endless", 8);
    struct fixture f;

    (void)unused;
    begin_with(&f, LONG_S, LONG_S);
    put_file(&f, "endless", "");
    assert_int_equal(truncate(path_in(&f, "endless"), (off_t)1 << 42), 0);
    run.wants_fingerprint = true;
    send_run(&f, &run, "true");
    send_shell(&f, 2, "true");
    send_recall(&f, 2);
    expect(&f, MESSAGE_RETURNED);
    send_stop(&f, STOP_WHEN_DONE); /* what is being looked at has not begun */
    expect_end(&f, TASK_CANCELLED, 0);
    assert_int_equal(f.done.task, 1);
    release(&f);
}

static void test_what_fails_to_start_after_waiting_lets_the_next_run(void **unused)
{
    struct run run = run_with_inputs(1, "late", 5);
    struct fixture f;

    (void)unused;
    begin_with(&f, 5, LONG_S);
    run.stdin_path = text_of("nothing");
    send_run(&f, &run, "true");
    send_shell(&f, 2, "exit 4");
    poll(NULL, 0, 30);
    put_file(&f, "late", "");
    expect_end(&f, TASK_NOT_STARTED, ENOENT);
    assert_int_equal(f.done.next, 2);
    expect_end(&f, TASK_EXITED, 4);
    end(&f);
}

static void test_outputs_must_be_there_at_the_end(void **unused)
{
    struct run run = run_of(1);
    struct fixture f;
    char text[256];

    (void)unused;
    begin(&f);
    run.outputs = (struct text){"made\0also", 10};
    send_run(&f, &run, "touch made; echo said");
    expect_end(&f, TASK_OUTPUT_MISSING, ENOENT);
    snprintf(text, sizeof(text), "also (in %s): No such file or directory", f.dir);
    assert_string_equal(f.tail.bytes, text);
    assert_true(f.done.result.output_bytes > 0);
    send_run(&f, &run, "exit 3"); /* it failed by itself: that is what is told */
    expect_end(&f, TASK_EXITED, 3);
    send_run(&f, &run, "touch also");
    expect_end(&f, TASK_EXITED, 0);
    send_shell(&f, 2, "rm also"); /* and a task that declares nothing is not asked for another's */
    expect_end(&f, TASK_EXITED, 0);
    end(&f);
}

/* ---- the rest ---- */

static void test_a_task_sees_the_gpus_that_it_was_given(void **unused)
{
    struct run run = run_of(1);
    struct fixture f;

    (void)unused;
    begin(&f);
    assert_int_equal(f.gpus.n, 6);
    assert_memory_equal(f.gpus.bytes, "0\0001\0002", 6);
    run.gpus = (struct text){"2\0GPU-ab", 9};
    send_run(&f, &run, "echo $GANGER_GPUS $CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES; exit 1");
    expect_end(&f, TASK_EXITED, 1);
    assert_string_equal(f.tail.bytes, "2,GPU-ab 2,GPU-ab 2,GPU-ab\n");
    send_shell(&f, 2, "echo ${GANGER_GPUS-unset} $CUDA_VISIBLE_DEVICES ${ROCR_VISIBLE_DEVICES-unset}; exit 1");
    expect_end(&f, TASK_EXITED, 1);
    assert_string_equal(f.tail.bytes, "unset 4,5 unset\n"); /* as the site set them */
    end(&f);
}

static void test_setup_and_teardown_are_tasks_like_others(void **unused)
{
    static const task_id tasks[] = {TASK_SETUP, TASK_TEARDOWN};

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct run run = run_of(tasks[i]);
        struct fixture f;

        begin(&f);
        run.id = text_of("node.setup");
        run.timeout_s = 0.2;
        send_run(&f, &run, "echo $GANGER_TASK_ID; exit 1");
        expect_end(&f, TASK_EXITED, 1);
        assert_int_equal(f.done.task, tasks[i]);
        assert_string_equal(f.tail.bytes, "node.setup\n");
        send_run(&f, &run, "sleep 1000");
        expect_end(&f, TASK_TIMED_OUT, SIGTERM);
        end(&f);
    }
}

/* ---- what a task may have ---- */

#define MIB ((uint64_t)1 << 20)

static void begin_limited(struct fixture *f, enum memory_rule rule, uint64_t max_output_bytes)
{
    *f = (struct fixture){.grace_s = 1, .gpus_per_node = 3, .memory_rule = rule, .max_output_bytes = max_output_bytes};
    start_worker(f);
}

static void send_with_memory(struct fixture *f, uint64_t memory_bytes, const char *script)
{
    struct run run = run_of(1);

    run.memory_bytes = memory_bytes;
    send_run(f, &run, script);
}

/* tail keeps all of it until it has seen the end, and then until somebody reads it. */
#define HOLD_64_MIB "head -c 67108864 /dev/zero | tail -c 67108864 | "

static void test_a_task_that_holds_more_memory_than_it_asked_for_is_killed(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_limited(&f, MEMORY_WATCH, 0);
    send_with_memory(&f, 32 * MIB, HOLD_64_MIB "sleep 1000");
    expect_end(&f, TASK_OUT_OF_MEMORY, SIGKILL);
    assert_non_null(strstr(f.tail.bytes, " of 32.0 MiB"));
    assert_true(took_s(&f) < LIMIT_S);
    assert_nothing_left(&f);
    send_with_memory(&f, 32 * MIB, "(" HOLD_64_MIB "setsid sleep 1000) & exec sleep 1000"); /* whoever holds it */
    expect_end(&f, TASK_OUT_OF_MEMORY, SIGKILL);
    assert_nothing_left(&f);
    end(&f);
}

static void test_memory_that_was_asked_for_is_used(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_limited(&f, MEMORY_WATCH, 0);
    send_with_memory(&f, 128 * MIB, HOLD_64_MIB "sleep 0.5");
    expect_end(&f, TASK_EXITED, 0);
    send_with_memory(&f, 0, HOLD_64_MIB "sleep 0.5"); /* it did not say */
    expect_end(&f, TASK_EXITED, 0);
    end(&f);
    begin_limited(&f, MEMORY_OFF, 0);
    send_with_memory(&f, MIB, HOLD_64_MIB "sleep 0.5");
    expect_end(&f, TASK_EXITED, 0);
    end(&f);
}

static void test_a_task_that_is_killed_by_others_was_not_out_of_memory(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_limited(&f, MEMORY_ENFORCE, 0);
    send_with_memory(&f, 128 * MIB, "sleep 0.2; kill -KILL $$");
    expect_end(&f, TASK_SIGNALLED, SIGKILL);
    send_with_memory(&f, 128 * MIB, "exit 137");
    expect_end(&f, TASK_EXITED, 137);
    end(&f);
}

/* A chunk has a header of 40 bytes. */
static void test_many_small_writes_become_few_chunks(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_limited(&f, MEMORY_OFF, 0);
    send_shell(&f, 1, "i=0; while [ $i -lt 20000 ]; do echo line; i=$((i+1)); done");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_equal(f.done.result.text_bytes, 100000);
    assert_true(f.done.result.output_bytes - f.done.result.text_bytes < 40 * 2000);
    end(&f);
}

static void test_a_task_that_writes_more_than_it_may_is_ended(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_limited(&f, MEMORY_OFF, MIB);
    send_shell(&f, 1, "yes");
    expect_end(&f, TASK_OUTPUT_LIMIT, SIGTERM);
    assert_true(f.done.result.text_bytes <= MIB && f.done.result.text_bytes > MIB / 2);
    assert_non_null(strstr(f.tail.bytes, "y\n"));
    send_shell(&f, 2, "trap '' TERM; yes"); /* goes on in its grace, and nothing of that is kept */
    expect_end(&f, TASK_OUTPUT_LIMIT, SIGKILL);
    assert_true(f.done.result.text_bytes <= MIB);
    send_shell(&f, 3, "head -c 1100000 /dev/zero"); /* over before anybody could end it */
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_OUTPUT_LIMIT);
    send_shell(&f, 4, "head -c 1000000 /dev/zero");
    expect_end(&f, TASK_EXITED, 0);
    assert_int_equal(f.done.result.text_bytes, 1000000);
    assert_nothing_left(&f);
    end(&f);
}

/* ---- on another node than the manager's ---- */

static void begin_far(struct fixture *f, double fence_s)
{
    *f = (struct fixture){.grace_s = 5, .gpus_per_node = 3, .is_far = true, .fence_s = fence_s};
    start_worker(f);
}

static void answer(struct fixture *f)
{
    message_begin(&f->message, MESSAGE_HEARTBEAT, EPOCH, 1);
    message_add_heartbeat(&f->message, &f->heartbeat);
    send_message(f);
}

/* It must have ended by itself, with an error. */
static void expect_left(struct fixture *f)
{
    int status = -1;

    assert_int_equal(waitpid(f->worker, &status, 0), f->worker);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    comm_close(&f->end.comm, false);
    buffer_release(&f->message);
    buffer_release(&f->tail);
    buffer_release(&f->gpus);
    nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_worker_that_is_not_answered_ends_its_task_and_leaves(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_far(&f, 2);
    send_shell(&f, 1, "sleep 1000 & sleep 1000");
    expect(&f, MESSAGE_HEARTBEAT);
    answer(&f);
    expect(&f, MESSAGE_HEARTBEAT);
    expect_left(&f);
    assert_int_equal(count_processes(f.word), 0);
}

static void test_worker_that_is_answered_stays(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_far(&f, 2);
    for (int i = 0; i < 6; i++) { /* three seconds */
        expect(&f, MESSAGE_HEARTBEAT);
        answer(&f);
    }
    send_shell(&f, 1, "exit 4");
    expect_end(&f, TASK_EXITED, 4);
    end(&f);
}

/* HELLO was sent long before the manager was there, so that WELCOME tells little of the time; a short question does. */
static void test_worker_learns_the_manager_s_clock_by_the_shortest_question(void **unused)
{
    struct fixture f = {.grace_s = 5, .gpus_per_node = 3, .is_far = true, .fence_s = LONG_S, .hello_waited_s = 1000};

    (void)unused;
    start_worker(&f);
    expect(&f, MESSAGE_HEARTBEAT);
    f.heartbeat.manager_s = MANAGER_S;
    answer(&f);
    f.heartbeat.clock_s -= 100; /* under way for so long: it tells less, and changes nothing */
    answer(&f);
    send_shell(&f, 1, "exit 0");
    expect_end(&f, TASK_EXITED, 0);
    assert_true(f.done.result.start_s > MANAGER_S - 60 && f.done.result.end_s < MANAGER_S + 60);
    end(&f);
}

/* … and what has ended before the first answer is told of as if WELCOME had come at once. */
static void test_times_told_before_the_first_answer_are_those_of_welcome(void **unused)
{
    struct fixture f = {.grace_s = 5, .gpus_per_node = 3, .is_far = true, .fence_s = LONG_S, .hello_waited_s = 1000};

    (void)unused;
    start_worker(&f);
    expect(&f, MESSAGE_HEARTBEAT);
    send_shell(&f, 1, "exit 0");
    expect_end(&f, TASK_EXITED, 0);
    assert_true(f.done.result.start_s >= MANAGER_S - 1 && f.done.result.end_s < MANAGER_S + 60);
    end(&f);
}

/* What counts is when it asked, not when the answer came. */
static void test_old_answers_do_not_keep_a_worker(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_far(&f, 2);
    expect(&f, MESSAGE_HEARTBEAT);
    f.heartbeat.clock_s -= 5;
    for (int i = 0; i < 3; i++)
        answer(&f);
    expect_left(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_is_ended_at_its_timeout),
        cmocka_unit_test(test_a_task_that_ends_well_at_its_timeout_was_timed_out),
        cmocka_unit_test(test_a_stubborn_task_is_gone_after_the_grace),
        cmocka_unit_test(test_what_a_leader_leaves_that_obeys_gets_no_grace),
        cmocka_unit_test(test_a_stopped_task_is_ended),
        cmocka_unit_test(test_a_task_that_forks_and_forks_is_ended),
        cmocka_unit_test(test_a_task_that_floods_is_ended),
        cmocka_unit_test(test_stop_ends_a_timed_out_task_sooner),
        cmocka_unit_test(test_a_task_that_is_cancelled_is_not_timed_out),
        cmocka_unit_test(test_what_waits_behind_a_timed_out_task_runs),
        cmocka_unit_test(test_streams_go_to_files),
        cmocka_unit_test(test_a_stream_that_cannot_be_opened_is_told),
        cmocka_unit_test(test_inputs_that_are_there_are_not_waited_for),
        cmocka_unit_test(test_inputs_that_come_late_are_waited_for),
        cmocka_unit_test(test_an_input_that_does_not_come_is_named),
        cmocka_unit_test(test_inputs_are_relative_to_the_task_s_directory),
        cmocka_unit_test(test_a_relative_directory_starts_from_the_run_s),
        cmocka_unit_test(test_waiting_for_inputs_does_not_make_deaf),
        cmocka_unit_test(test_the_fingerprint_of_inputs_comes_with_the_end),
        cmocka_unit_test(test_a_task_whose_inputs_are_as_expected_does_not_run),
        cmocka_unit_test(test_reading_inputs_does_not_make_deaf),
        cmocka_unit_test(test_what_fails_to_start_after_waiting_lets_the_next_run),
        cmocka_unit_test(test_outputs_must_be_there_at_the_end),
        cmocka_unit_test(test_a_task_sees_the_gpus_that_it_was_given),
        cmocka_unit_test(test_setup_and_teardown_are_tasks_like_others),
        cmocka_unit_test(test_a_task_that_holds_more_memory_than_it_asked_for_is_killed),
        cmocka_unit_test(test_memory_that_was_asked_for_is_used),
        cmocka_unit_test(test_a_task_that_is_killed_by_others_was_not_out_of_memory),
        cmocka_unit_test(test_many_small_writes_become_few_chunks),
        cmocka_unit_test(test_a_task_that_writes_more_than_it_may_is_ended),
        cmocka_unit_test(test_worker_that_is_not_answered_ends_its_task_and_leaves),
        cmocka_unit_test(test_worker_that_is_answered_stays),
        cmocka_unit_test(test_worker_learns_the_manager_s_clock_by_the_shortest_question),
        cmocka_unit_test(test_times_told_before_the_first_answer_are_those_of_welcome),
        cmocka_unit_test(test_old_answers_do_not_keep_a_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
