/* Plays the manager to a worker, by the bytes: what it may say, what it may not, and bytes that are no message at all,
 * in any order; the worker's children are real. Built by CMake with -DGANGER_FUZZ=ON (clang).
 *
 * Each step is a letter with its arguments (`play`). When the bytes are over, the worker is told to stop, kindly or
 * not.
 * Whatever is said, it must come to an end, leave no process and no descriptor, and not break. If it ends well, it
 * has said of each task that it was sent exactly once how it ended, or that it gives it back. No bytes make a command:
 * it would be run. */
#include "worker.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define EPOCH 3
#define TASKS_MAX 64
#define WAITS_MAX 10000
#define LIMIT_S 8.0 /* nobody waits in vain for that long, all waits together */

struct game
{
    struct comm comm;
    const uint8_t *next, *end;
    struct buffer message;
    bool is_ready;   /* `message` is to be received */
    bool is_welcome;
    bool was_told;   /* to stop */
    bool is_forged;  /* some message was no message, or not for it */
    uint32_t n_tasks;              /* that were sent; task t is the t-th */
    uint32_t n_answers[TASKS_MAX];
    uint32_t n_waits;
    double waited_s; /* in vain: what a busy machine takes is not in it */
    double begin_s;
};

/* The program that finds names for a report would be a child of ours, and a worker leaves none alive. To see names,
 * run what was found once more: ASAN_OPTIONS=symbolize=1. */
const char *__asan_default_options(void)
{
    return "symbolize=0";
}

static char dir[] = "/tmp/ganger-fuzz-XXXXXX";
static int signals[2];

static struct game *of(struct comm *c)
{
    return (struct game *)c;
}

/* ---- what the worker says ---- */

static void note_answer(struct game *g, task_id task)
{
    if (task < TASKS_MAX)
        g->n_answers[task]++;
}

static int game_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    struct game *g = of(c);
    struct message_header h;
    struct cursor cursor;
    struct recall returned;
    struct started started;
    struct done done;

    (void)err;
    if (to != 0 || message_open(&h, &cursor, bytes, n, NULL) < 0 || h.worker != 1 || h.n_records != 1)
        abort();
    if (h.kind == MESSAGE_DONE && message_next_done(&cursor, &done, NULL) < 0)
        abort();
    if (h.kind == MESSAGE_RETURNED && message_next_recall(&cursor, &returned, NULL) < 0)
        abort();
    if (h.kind == MESSAGE_STARTED && message_next_started(&cursor, &started, NULL) < 0)
        abort();
    if (h.kind == MESSAGE_DONE)
        note_answer(g, done.task);
    if (h.kind == MESSAGE_RETURNED)
        note_answer(g, returned.task);
    return 0;
}

static void game_ring(struct comm *c, uint32_t to)
{
    (void)c, (void)to;
}

static bool game_receive(struct comm *c, uint32_t *from, const char **bytes, size_t *n)
{
    struct game *g = of(c);

    if (!g->is_ready)
        return false;
    g->is_ready = false;
    *from = 0;
    *bytes = g->message.bytes;
    *n = g->message.n;
    return true;
}

/* ---- what it hears ---- */

static uint8_t take(struct game *g)
{
    return g->next < g->end ? *g->next++ : 0;
}

static void say_welcome(struct game *g)
{
    static const char env[] = "PATH=/usr/bin:/bin\0COLOUR=red\0";
    uint8_t byte = take(g);
    struct welcome w = {.run_dir = {dir, (uint32_t)strlen(dir)}, .cwd = {dir, (uint32_t)strlen(dir)},
                        .env = {env, sizeof(env) - 1}, .grace_s = (byte & 3) * 0.02, .same_clock = true,
                        .latency_wait_s = (byte >> 2 & 3) * 0.01, .origin_s = g->begin_s,
                        .manager_pid = (uint32_t)getpid()};

    g->is_forged |= g->is_welcome; /* twice is a mistake */
    message_begin(&g->message, MESSAGE_WELCOME, EPOCH, 1);
    message_add_welcome(&g->message, &w);
    g->is_ready = g->is_welcome = true;
}

static void put_words(struct buffer *b, const char *words, struct run *r)
{
    for (; *words != '\0'; words += strcspn(words, "|"), words += *words == '|', r->n_argv++) {
        buffer_put(b, words, strcspn(words, "|"));
        buffer_put_u8(b, '\0');
    }
    r->argv = (struct text){b->bytes, (uint32_t)b->n};
}

static struct text text_of(const char *text)
{
    return (struct text){text, (uint32_t)strlen(text)};
}

static void say_run(struct game *g)
{
    static const char *const commands[] = {
        "true", "false", "no-such-program", "sleep|0.003", "sleep|30", "sh|-c|echo out; echo err >&2; exit 3",
        "sh|-c|kill -9 $$", "sh|-c|trap '' TERM; sleep 0.02", "sh|-c|sleep 30 & echo $COLOUR",
        "head|-c|200000|/dev/zero", "sh|-c|echo x >made",
    };
    uint8_t which = take(g), how = take(g);
    struct buffer words = BUFFER_EMPTY;
    struct run r = {.task = g->n_tasks, .attempt = 1, .slots = {"\0\0", 2}, .id = {"t", 1}};

    if (g->n_tasks == TASKS_MAX)
        return;
    put_words(&words, commands[which % (sizeof(commands) / sizeof(*commands))], &r);
    r.timeout_s = (how & 3) == 3 ? 0.005 : 0;
    r.has_cwd = (how & 12) == 12;
    r.cwd = text_of((how & 16) != 0 ? "nowhere" : "output");
    if ((how & 96) == 96)
        r.inputs = (struct text){"missing", 8};
    if ((how & 160) == 160)
        r.outputs = (struct text){"made", 5};
    if ((how & 24) == 24)
        r.stdout_path = text_of("log");
    g->n_tasks++;
    message_begin(&g->message, MESSAGE_RUN, EPOCH, 1);
    message_add_run(&g->message, &r);
    buffer_release(&words);
    g->is_ready = true;
}

static void say_recall(struct game *g, task_id task)
{
    struct recall recall = {task, 1};

    message_begin(&g->message, MESSAGE_RECALL, EPOCH, 1);
    message_add_recall(&g->message, &recall);
    g->is_ready = true;
}

static void say_stop(struct game *g, enum stop_mode mode, bool stays)
{
    struct stop stop = {.mode = mode, .stays = stays};

    message_begin(&g->message, MESSAGE_STOP, g->is_welcome ? EPOCH : 0, 1);
    message_add_stop(&g->message, &stop);
    g->is_ready = true;
    g->was_told |= !stays;
}

static void say_bytes(struct game *g)
{
    size_t n = take(g);

    n = n < (size_t)(g->end - g->next) ? n : (size_t)(g->end - g->next);
    g->message.n = 0;
    buffer_reserve(&g->message, n + 1);
    buffer_put(&g->message, g->next, n);
    g->next += n;
    g->is_ready = n < 2 || g->message.bytes[1] != MESSAGE_RUN;
    g->is_forged |= g->is_ready;
}

#define FORGED_MAX 28 /* bytes of a RUN: up to its slots */

/* The last message again, with a byte of it changed. */
static void forge(struct game *g)
{
    uint8_t at = take(g), byte = take(g);
    size_t n = g->message.n;

    if (n < 2)
        return;
    if (g->message.bytes[1] == MESSAGE_RUN && n > FORGED_MAX)
        n = FORGED_MAX;
    g->message.bytes[at % n] ^= (char)byte;
    g->is_ready = g->is_forged = true;
}

static void send_signal(struct game *g)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT};
    struct signalfd_siginfo info = {.ssi_signo = (uint32_t)numbers[take(g) % 6]};

    if (write(signals[1], &info, sizeof(info)) != sizeof(info))
        abort();
}

static void play(struct game *g)
{
    uint8_t letter = take(g);

    switch (letter % 16) {
    case 0:
        if (!g->is_welcome || letter >= 240)
            say_welcome(g);
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        if (g->is_welcome || letter >= 240)
            say_run(g);
        break;
    case 5: say_recall(g, g->n_tasks > 0 ? g->n_tasks - 1 : 0); break;
    case 6: say_recall(g, take(g)); break;
    case 7: say_stop(g, take(g) % 3, letter & 16); break;
    case 8: send_signal(g); break;
    case 9: say_bytes(g); break;
    case 10: forge(g); break;
    default: break; /* it waits for its children */
    }
}

static int game_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s, struct ganger_error *err)
{
    struct game *g = of(c);
    int limit_ms = isinf(deadline_s) ? 20 : (int)(fmin(fmax(deadline_s - clock_now_s(), 0), 0.02) * 1000) + 1;
    int n_ready;

    (void)err;
    if (++g->n_waits > WAITS_MAX || g->waited_s > LIMIT_S)
        abort();
    if (g->next < g->end) {
        play(g);
        limit_ms = g->is_ready ? 0 : 2;
    } else if (!g->was_told) {
        say_stop(g, g->n_tasks % 2 == 0 ? STOP_KILL : STOP_TERM, false);
        limit_ms = 0;
    } else if (g->waited_s > LIMIT_S / 2) {
        say_stop(g, STOP_KILL, false); /* what may run longer than anybody waits */
    }
    n_ready = poll(fds, n, limit_ms);
    if (n_ready == 0)
        g->waited_s += limit_ms / 1000.0;
    return n_ready < 0 && errno != EINTR ? -1 : 0;
}

static const struct comm_ops game_ops = {game_send, game_ring, game_receive, game_wait, NULL, NULL};

/* ---- what must be true ---- */

static uint32_t count_descriptors(void)
{
    DIR *fds = opendir("/proc/self/fd");
    uint32_t n = 0;

    while (fds != NULL && readdir(fds) != NULL)
        n++;
    if (fds != NULL)
        closedir(fds);
    return n;
}

static void check(const struct game *g, int status)
{
    for (uint32_t t = 0; t < TASKS_MAX && !g->is_forged; t++)
        if (g->n_answers[t] > 1 || (status == 0 && g->n_answers[t] != (t < g->n_tasks)))
            abort();
    if (waitpid(-1, NULL, WNOHANG) != -1)
        abort(); /* a child is left */
}

static void remove_files(void)
{
    static const char *const names[] = {"made", "log", "output/made", "output/log", "output/3-n0.out"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);

        unlink(path);
        free(path);
    }
}

static void clean_up(void)
{
    char *output = xasprintf("%s/output", dir);

    remove_files();
    rmdir(output);
    rmdir(dir);
    free(output);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *output;

    (void)argc;
    (void)argv;
    log_set_fd(-1);
    if (mkdtemp(dir) == NULL || pipe2(signals, O_NONBLOCK | O_CLOEXEC) < 0)
        abort();
    output = xasprintf("%s/output", dir);
    if (mkdir(output, 0700) < 0)
        abort();
    free(output);
    setenv("TMPDIR", dir, 1);
    atexit(clean_up);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const uint32_t nodes[2] = {0, 0};
    _Atomic uint64_t counter = 0;
    struct game g = {.comm = {.ops = &game_ops, .rank = 1, .size = 2, .nodes = nodes, .node_counter = &counter},
                     .next = bytes, .end = bytes + n, .begin_s = clock_now_s()};
    struct worker_options o = {.comm = &g.comm, .signal_fd = signals[0]};
    uint32_t n_fds = count_descriptors();
    struct signalfd_siginfo info;
    struct ganger_error err = {0};
    int status = worker_run(&o, &err);

    if ((status == 0) != (err.cause == ERROR_NONE))
        abort();
    check(&g, status);
    if (count_descriptors() != n_fds)
        abort();
    while (read(signals[0], &info, sizeof(info)) > 0)
        ;
    remove_files();
    buffer_release(&g.message);
    return 0;
}
