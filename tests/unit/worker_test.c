/* The worker's loop, with real children, over memory: the test is the manager. */
#include "worker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "core/message.h"
#include "core/registry.h"
#include "io/output.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_S 60.0
#define EPOCH 3

struct fixture
{
    struct comm *ends[2];
    pthread_t thread;
    struct ganger_error err;
    int status;
    char dir[64];
    char output_dir[80];
    struct buffer message;
    struct buffer tail; /* of the last DONE */
    struct done done;
    struct started started;
    struct registry registry; /* one function, which does nothing */
    enum task_end call_end;   /* of the last CALLED; why is in `tail` */
};

/* ---- threads that cannot be started: tests/CMakeLists.txt leads calls here ---- */

static atomic_bool threads_fail;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *data);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *data);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *data)
{
    return threads_fail ? EAGAIN : __real_pthread_create(thread, attr, body, data);
}

/* ---- the worker ---- */

static int no_body(struct ganger_call *call)
{
    (void)call;
    return 0;
}

static void *be_worker(void *data)
{
    struct fixture *f = data;
    struct worker_options options = {.comm = f->ends[1], .signal_fd = -1, .registry = &f->registry};

    f->status = worker_run(&options, &f->err);
    return NULL;
}

static void take_done(struct fixture *f, struct cursor *c)
{
    assert_int_equal(message_next_done(c, &f->done, &f->err), 0);
    f->tail.n = 0;
    buffer_put(&f->tail, f->done.result.tail, f->done.result.n_tail_bytes);
    buffer_put_u8(&f->tail, 0);
}

static void take_called(struct fixture *f, struct cursor *c)
{
    struct call_report report;

    assert_int_equal(message_next_called(c, &report, &f->err), 0);
    f->call_end = report.result.end;
    f->tail.n = 0;
    buffer_put(&f->tail, report.result.tail, report.result.n_tail_bytes);
    buffer_put_u8(&f->tail, 0);
}

/* The next message of the worker must be of this kind; a slow task may say STARTED before DONE. */
static void expect(struct fixture *f, enum message_kind kind)
{
    double deadline_s = clock_now_s() + LIMIT_S;
    struct message_header h;
    struct cursor c;
    const char *bytes;
    uint32_t from;
    size_t n;

    do {
        while (!comm_receive(f->ends[0], &from, &bytes, &n)) {
            assert_true(clock_now_s() < deadline_s);
            comm_wait(f->ends[0], NULL, 0, deadline_s, NULL);
        }
        assert_int_equal(message_open(&h, &c, bytes, n, &f->err), 0);
    } while (kind == MESSAGE_DONE && h.kind == MESSAGE_STARTED);
    assert_int_equal(h.kind, kind);
    assert_int_equal(h.worker, 1);
    assert_int_equal(h.epoch, kind == MESSAGE_HELLO ? 0 : EPOCH);
    if (kind == MESSAGE_STARTED)
        assert_int_equal(message_next_started(&c, &f->started, &f->err), 0);
    if (kind == MESSAGE_DONE)
        take_done(f, &c);
    if (kind == MESSAGE_CALLED)
        take_called(f, &c);
}

static void send_message(struct fixture *f)
{
    comm_send(f->ends[0], 1, f->message.bytes, f->message.n, NULL);
}

static void send_welcome_from(struct fixture *f, double grace_s, pid_t manager)
{
    static const char env[] = "PATH=/usr/bin:/bin\0COLOUR=red\0";
    struct welcome w = {.run_dir = {f->dir, (uint32_t)strlen(f->dir)},
                        .cwd = {f->dir, (uint32_t)strlen(f->dir)},
                        .env = {env, sizeof(env) - 1},
                        .grace_s = grace_s,
                        .same_clock = true,
                        .origin_s = clock_now_s(),
                        .manager_pid = (uint32_t)manager,
                        .fence_s = 1000};

    message_begin(&f->message, MESSAGE_WELCOME, EPOCH, 1);
    message_add_welcome(&f->message, &w);
    send_message(f);
}

static void send_welcome(struct fixture *f, double grace_s)
{
    send_welcome_from(f, grace_s, getpid());
}

static void begin_unwelcome(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/ganger-worker-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->output_dir, sizeof(f->output_dir), "%s/output", f->dir);
    mkdir(f->output_dir, 0700);
    assert_int_equal(comm_open_memory(f->ends, 2, NULL), 0);
    assert_int_equal(registry_add(&f->registry, &(struct registry_function){"f", no_body, false}, NULL), 0);
    pthread_create(&f->thread, NULL, be_worker, f);
    expect(f, MESSAGE_HELLO);
}

static void begin_with_grace(struct fixture *f, double grace_s)
{
    begin_unwelcome(f);
    send_welcome(f, grace_s);
}

static void begin(struct fixture *f)
{
    begin_with_grace(f, 5);
}

static void send_argv(struct fixture *f, task_id task, const char *argv, size_t n, uint32_t n_argv,
                      const char *cwd, const char *env)
{
    struct run r = {.task = task, .attempt = 1, .slots = {"\0\0", 2}, .id = {"t", 1},
                    .n_argv = n_argv, .argv = {argv, (uint32_t)n},
                    .env = {env, env ? (uint32_t)strlen(env) + 1 : 0}, .n_env = env ? 1 : 0,
                    .has_cwd = cwd != NULL, .cwd = {cwd, cwd ? (uint32_t)strlen(cwd) : 0}};

    message_begin(&f->message, MESSAGE_RUN, EPOCH, 1);
    message_add_run(&f->message, &r);
    send_message(f);
}

static void send_shell_with(struct fixture *f, task_id task, const char *script, const char *cwd,
                            const char *env)
{
    struct buffer argv = BUFFER_EMPTY;

    buffer_put(&argv, "sh\0-c", 6);
    buffer_put(&argv, script, strlen(script) + 1);
    send_argv(f, task, argv.bytes, argv.n, 3, cwd, env);
    buffer_release(&argv);
}

static void send_shell(struct fixture *f, task_id task, const char *script)
{
    send_shell_with(f, task, script, NULL, NULL);
}

static void send_call(struct fixture *f, task_id task)
{
    struct call_order order = {.task = task, .attempt = 1, .id = {"t", 1}, .payload = {"", 0}};

    message_begin(&f->message, MESSAGE_CALL, EPOCH, 1);
    message_end_call(&f->message, message_begin_call(&f->message, &order));
    send_message(f);
}

static void send_stop(struct fixture *f, enum stop_mode mode)
{
    struct stop stop = {.mode = mode};

    message_begin(&f->message, MESSAGE_STOP, EPOCH, 1);
    message_add_stop(&f->message, &stop);
    send_message(f);
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static void end(struct fixture *f)
{
    send_stop(f, STOP_WHEN_DONE);
    pthread_join(f->thread, NULL);
    comm_close(f->ends[0], false);
    comm_close(f->ends[1], false);
    buffer_release(&f->message);
    buffer_release(&f->tail);
    registry_release(&f->registry);
    nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int append(void *data, const struct output_part *part, struct ganger_error *err)
{
    if (part->kind != OUTPUT_CHUNK)
        return error_set(err, ERROR_SYSTEM, "%s", part->why);
    buffer_put_u8(data, part->stream == OUTPUT_STDOUT ? '>' : '!');
    buffer_put(data, part->text, part->n_text);
    return 0;
}

/* What the last task wrote, each chunk after '>' (standard output) or '!' (standard error). */
static struct buffer output_of_last(struct fixture *f)
{
    struct output_place place = {EPOCH, 0, f->done.result.output_offset, f->done.result.output_bytes, 0};
    struct buffer b = BUFFER_EMPTY;
    struct output_source *source;
    struct ganger_error err = {0};

    source = output_source_open(f->output_dir);
    assert_int_equal(output_read(source, &place, f->done.task, 1, OUTPUT_BOTH, append, &b, &err), 0);
    output_source_close(source);
    buffer_put_u8(&b, 0);
    return b;
}

static void expect_output(struct fixture *f, const char *text)
{
    struct buffer b = output_of_last(f);

    assert_string_equal(b.bytes, text);
    buffer_release(&b);
}

static void test_command_runs_and_is_told_of(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 4, "echo hello; echo oops >&2; exit 3");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 4);
    assert_int_equal(f.done.result.end, TASK_EXITED);
    assert_int_equal(f.done.result.code, 3);
    assert_true(f.done.result.end_s > f.done.result.start_s);
    expect_output(&f, ">hello\n!oops\n");
    assert_non_null(strstr(f.tail.bytes, "hello\n"));
    assert_non_null(strstr(f.tail.bytes, "oops\n"));
    end(&f);
    assert_int_equal(f.status, 0);
}

static void test_a_task_that_went_well_has_no_tail(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "echo hello");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.n_tail_bytes, 0);
    send_argv(&f, 2, "true", 5, 1, NULL, NULL);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.output_bytes, 0);
    end(&f);
}

static void test_environment_is_the_run_s_and_the_task_s(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "echo $COLOUR $GANGER_TASK_ID $GANGER_ATTEMPT $GANGER_WORKER $GANGER_CORES "
                      "$OMP_NUM_THREADS $HOME");
    expect(&f, MESSAGE_DONE);
    expect_output(&f, ">red t 1 1 1 1\n");
    send_shell_with(&f, 2, "echo $COLOUR", NULL, "COLOUR=blue");
    expect(&f, MESSAGE_DONE);
    expect_output(&f, ">blue\n");
    send_shell(&f, 3, "echo $COLOUR");
    expect(&f, MESSAGE_DONE);
    expect_output(&f, ">red\n");
    end(&f);
}

static void test_directory_is_the_run_s_or_the_task_s(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "test \"$PWD\" = \"$GANGER_RUN_DIR\" || pwd");
    expect(&f, MESSAGE_DONE);
    expect_output(&f, "");
    send_shell_with(&f, 2, "pwd", "/usr", NULL);
    expect(&f, MESSAGE_DONE);
    expect_output(&f, ">/usr\n");
    end(&f);
}

static void test_each_task_finds_an_empty_temporary_directory(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "cd $GANGER_TMPDIR && mkdir -p a/b && touch a/b/c d && ln -s / e");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.code, 0);
    send_shell(&f, 2, "ls -A $GANGER_TMPDIR");
    expect(&f, MESSAGE_DONE);
    expect_output(&f, "");
    end(&f);
}

static void test_what_cannot_start_is_told_with_its_reason(void **unused)
{
    struct fixture f;

    (void)unused;
#ifdef __SANITIZE_THREAD__
    skip(); /* ThreadSanitizer makes a fork of each vfork: the child cannot tell what went wrong */
#endif
    begin(&f);
    send_argv(&f, 1, "no-such-program", 16, 1, NULL, NULL);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_NOT_STARTED);
    assert_int_equal(f.done.result.code, 2);
    assert_non_null(strstr(f.tail.bytes, "no-such-program"));
    send_shell_with(&f, 2, "true", "/no/such/dir", NULL);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_NOT_STARTED);
    assert_non_null(strstr(f.tail.bytes, "/no/such/dir"));
    send_shell(&f, 3, "true"); /* and it goes on */
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.code, 0);
    end(&f);
}

static void test_ten_megabytes_of_output_are_kept(void **unused)
{
    struct fixture f;
    struct buffer b;
    size_t n = 0;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "head -c 10485760 /dev/zero | tr '\\0' x; echo end >&2; exit 1");
    expect(&f, MESSAGE_DONE);
    b = output_of_last(&f);
    for (size_t i = 0; i < b.n; i++)
        n += b.bytes[i] == 'x';
    assert_int_equal(n, 10485760);
    buffer_release(&b);
    assert_non_null(strstr(f.tail.bytes, "end\n"));
    end(&f);
}

static void test_a_task_whose_output_is_lost_is_not_done(void **unused)
{
    struct fixture f;
    char in_the_way[96];

    (void)unused;
    begin(&f);
    snprintf(in_the_way, sizeof(in_the_way), "%s/%d-n0.out", f.output_dir, EPOCH);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    send_shell(&f, 1, "echo hello");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_OUTPUT_LOST);
    assert_non_null(strstr(f.tail.bytes, "n0.out"));
    end(&f);
}

static void test_standard_input_is_empty(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_argv(&f, 1, "cat", 4, 1, NULL, NULL);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.code, 0);
    end(&f);
}

static void send_recall(struct fixture *f, task_id task)
{
    struct recall recall = {task, 1};

    message_begin(&f->message, MESSAGE_RECALL, EPOCH, 1);
    message_add_recall(&f->message, &recall);
    send_message(f);
}

static void test_a_task_sent_in_advance_runs_next(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "sleep 0.2; echo one");
    send_shell(&f, 2, "echo two");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 1);
    assert_int_equal(f.done.next, 2);
    expect_output(&f, ">one\n");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 2);
    assert_int_equal(f.done.next, TASK_NONE);
    expect_output(&f, ">two\n");
    send_recall(&f, 2); /* too late: nothing happens */
    send_shell(&f, 3, "true");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 3);
    end(&f);
}

static void test_a_task_sent_in_advance_can_be_recalled(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "sleep 0.3");
    send_shell(&f, 2, "touch ran");
    send_recall(&f, 7); /* another: nothing happens */
    send_recall(&f, 2);
    expect(&f, MESSAGE_RETURNED);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 1);
    assert_int_equal(f.done.next, TASK_NONE);
    send_shell(&f, 3, "test ! -e ran");
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.code, 0);
    end(&f);
}

static void test_a_task_sent_in_advance_is_given_back_at_stop(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "sleep 1000");
    send_shell(&f, 2, "true");
    expect(&f, MESSAGE_STARTED);
    send_stop(&f, STOP_TERM);
    expect(&f, MESSAGE_RETURNED);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 1);
    end(&f);
}

/* It has begun, and the shell has come to `touch trapped`: on a busy machine that takes longer than the first. */
static void expect_trapped(struct fixture *f)
{
    char path[sizeof(f->dir) + 16];

    expect(f, MESSAGE_STARTED);
    snprintf(path, sizeof(path), "%s/trapped", f->dir);
    while (access(path, F_OK) != 0)
        usleep(1000);
}

static void test_nothing_starts_after_stop(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with_grace(&f, 0.3);
    send_shell(&f, 1, "trap '' TERM; touch trapped; sleep 1000");
    expect_trapped(&f);
    send_stop(&f, STOP_TERM);
    send_shell(&f, 2, "sleep 1000"); /* it was on its way */
    expect(&f, MESSAGE_RETURNED);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.task, 1);
    assert_int_equal(f.done.next, TASK_NONE);
    end(&f);
}

static void test_a_long_task_is_told_to_have_started(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "sleep 0.3");
    expect(&f, MESSAGE_STARTED);
    assert_int_equal(f.started.task, 1);
    expect(&f, MESSAGE_DONE);
    assert_true(f.started.start_s == f.done.result.start_s);
    end(&f);
}

static void test_term_ends_a_task_as_cancelled(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "echo here; sleep 1000");
    expect(&f, MESSAGE_STARTED);
    send_stop(&f, STOP_TERM);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_CANCELLED);
    assert_int_equal(f.done.result.code, SIGTERM);
    end(&f);
    assert_int_equal(f.status, 0);
}

static void test_a_task_that_ignores_term_is_killed_after_the_grace(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_with_grace(&f, 0.2);
    send_shell(&f, 1, "trap '' TERM; touch trapped; sleep 1000 & while :; do sleep 1000; done");
    expect_trapped(&f);
    send_stop(&f, STOP_TERM);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_CANCELLED);
    assert_int_equal(f.done.result.code, SIGKILL);
    end(&f);
}

static void test_a_task_that_ends_well_after_term_is_done(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "trap 'exit 0' TERM; touch trapped; sleep 1000 & wait");
    expect_trapped(&f);
    send_stop(&f, STOP_TERM);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_EXITED);
    assert_int_equal(f.done.result.code, 0);
    end(&f);
}

static void test_kill_is_immediate(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "trap '' TERM; sleep 1000 & wait; sleep 1000");
    expect(&f, MESSAGE_STARTED);
    send_stop(&f, STOP_KILL);
    expect(&f, MESSAGE_DONE);
    assert_int_equal(f.done.result.end, TASK_CANCELLED);
    end(&f);
}

static void test_messages_of_another_epoch_are_dropped(void **unused)
{
    struct fixture f;
    struct stop stop = {.mode = STOP_KILL};

    (void)unused;
    begin(&f);
    message_begin(&f.message, MESSAGE_STOP, EPOCH + 1, 1);
    message_add_stop(&f.message, &stop);
    send_message(&f);
    send_shell(&f, 1, "true");
    expect(&f, MESSAGE_DONE);
    end(&f);
    assert_int_equal(f.status, 0);
}

static void test_nonsense_ends_the_worker_with_its_task(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_shell(&f, 1, "sleep 1000");
    expect(&f, MESSAGE_STARTED);
    comm_send(f.ends[0], 1, "nonsense", 8, NULL);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.status, -1);
    assert_int_equal(f.err.cause, ERROR_SYSTEM);
    assert_int_equal(comm_group_of(f.ends[0], 1), 0); /* nothing of it runs */
    pthread_create(&f.thread, NULL, be_worker, &f);   /* for end() */
    end(&f);
}

static void test_a_second_welcome_is_nonsense(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    send_welcome(&f, 5);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.status, -1);
    assert_non_null(strstr(f.err.text, "welcomed twice"));
    pthread_create(&f.thread, NULL, be_worker, &f); /* for end() */
    end(&f);
}

/* The worker has ended by itself: for this reason, and nothing of it runs. */
static void expect_end(struct fixture *f, const char *why)
{
    pthread_join(f->thread, NULL);
    assert_int_equal(f->status, -1);
    assert_int_equal(f->err.cause, ERROR_SYSTEM);
    if (strstr(f->err.text, why) == NULL)
        assert_string_equal(f->err.text, why);
    assert_int_equal(comm_group_of(f->ends[0], 1), 0);
    pthread_create(&f->thread, NULL, be_worker, f); /* for end() */
    end(f);
}

static void test_worker_ends_its_task_when_the_manager_is_gone(void **unused)
{
    struct fixture f;
    pid_t manager = fork();

    (void)unused;
    if (manager == 0)
        _exit(pause());
    begin_unwelcome(&f);
    send_welcome_from(&f, 5, manager);
    send_shell(&f, 1, "sleep 1000");
    expect(&f, MESSAGE_STARTED);
    kill(manager, SIGKILL);
    expect_end(&f, "the manager is gone: worker 1 ends its task and leaves");
    assert_int_equal(waitpid(manager, NULL, 0), manager);
}

static void test_a_task_for_which_there_is_no_place_is_nonsense(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_unwelcome(&f);
    send_shell(&f, 1, "sleep 1000");
    expect_end(&f, "worker 1 was sent task t while it was not yet welcome");
    begin(&f);
    send_shell(&f, 1, "sleep 1000");
    expect(&f, MESSAGE_STARTED);
    send_shell(&f, 2, "sleep 1000");
    send_shell(&f, 3, "sleep 1000");
    expect_end(&f, "worker 1 was sent task t while it has two others");
}

static void test_a_message_that_workers_send_is_nonsense(void **unused)
{
    struct lost lost = {2, TASK_NONE};
    struct fixture f;

    (void)unused;
    begin(&f);
    message_begin(&f.message, MESSAGE_LOST, EPOCH, 1);
    message_add_lost(&f.message, &lost);
    send_message(&f);
    expect_end(&f, "worker 1 got a message of kind 10, which is not for workers");
}

static void test_a_function_that_it_does_not_have_is_nonsense(void **unused)
{
    struct call_order order = {.task = 1, .attempt = 1, .function = 5, .id = {"f", 1}, .payload = {"", 0}};
    struct fixture f;

    (void)unused;
    begin(&f);
    message_begin(&f.message, MESSAGE_CALL, EPOCH, 1);
    message_end_call(&f.message, message_begin_call(&f.message, &order));
    send_message(&f);
    expect_end(&f, "worker 1 was sent task f, a function that it does not have");
}

static void test_a_run_directory_that_is_not_there_ends_the_worker(void **unused)
{
    struct fixture f;

    (void)unused;
    begin_unwelcome(&f);
    assert_int_equal(rmdir(f.output_dir), 0);
    assert_int_equal(rmdir(f.dir), 0);
    send_welcome(&f, 5);
    expect_end(&f, "worker 1 cannot open the run directory, which must be there on all nodes");
}

static void test_a_function_without_a_thread_fails_and_the_next_one_runs(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    threads_fail = true;
    send_call(&f, 1);
    expect(&f, MESSAGE_CALLED);
    assert_int_equal(f.call_end, TASK_NOT_STARTED);
    assert_non_null(strstr(f.tail.bytes, "cannot start the thread that runs functions"));
    threads_fail = false;
    send_call(&f, 2);
    expect(&f, MESSAGE_CALLED);
    assert_int_equal(f.call_end, TASK_EXITED);
    end(&f);
    assert_int_equal(f.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_runs_and_is_told_of),
        cmocka_unit_test(test_a_task_that_went_well_has_no_tail),
        cmocka_unit_test(test_environment_is_the_run_s_and_the_task_s),
        cmocka_unit_test(test_directory_is_the_run_s_or_the_task_s),
        cmocka_unit_test(test_each_task_finds_an_empty_temporary_directory),
        cmocka_unit_test(test_what_cannot_start_is_told_with_its_reason),
        cmocka_unit_test(test_ten_megabytes_of_output_are_kept),
        cmocka_unit_test(test_a_task_whose_output_is_lost_is_not_done),
        cmocka_unit_test(test_standard_input_is_empty),
        cmocka_unit_test(test_a_task_sent_in_advance_runs_next),
        cmocka_unit_test(test_a_task_sent_in_advance_can_be_recalled),
        cmocka_unit_test(test_a_task_sent_in_advance_is_given_back_at_stop),
        cmocka_unit_test(test_nothing_starts_after_stop),
        cmocka_unit_test(test_a_long_task_is_told_to_have_started),
        cmocka_unit_test(test_term_ends_a_task_as_cancelled),
        cmocka_unit_test(test_a_task_that_ignores_term_is_killed_after_the_grace),
        cmocka_unit_test(test_a_task_that_ends_well_after_term_is_done),
        cmocka_unit_test(test_kill_is_immediate),
        cmocka_unit_test(test_messages_of_another_epoch_are_dropped),
        cmocka_unit_test(test_nonsense_ends_the_worker_with_its_task),
        cmocka_unit_test(test_a_second_welcome_is_nonsense),
        cmocka_unit_test(test_a_function_without_a_thread_fails_and_the_next_one_runs),
        cmocka_unit_test(test_worker_ends_its_task_when_the_manager_is_gone),
        cmocka_unit_test(test_a_task_for_which_there_is_no_place_is_nonsense),
        cmocka_unit_test(test_a_message_that_workers_send_is_nonsense),
        cmocka_unit_test(test_a_function_that_it_does_not_have_is_nonsense),
        cmocka_unit_test(test_a_run_directory_that_is_not_there_ends_the_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
