/* Plays the workers of a run to the manager, by the bytes: what they may say, what they may not, and bytes that are no
 * message at all, in any order. Built by CMake with -DGANGER_FUZZ=ON (clang).
 *
 * The first byte chooses a workflow, the second options, the third how many workers there are on how many nodes; then
 * each step is a letter with its arguments (`play`). When the bytes are over, those workers that live behave well, and
 * time passes when nobody has anything to say. Workers of another node hold its lease (core/fence.h): if they do not
 * ask for it, or are not answered, they are gone when it is over.
 *
 * Whatever is said, the manager must come to an end, and not break. If nobody lied, no task may run twice at a time or
 * be recorded twice, and each must be recorded at the end, unless the run was stopped. */
#include "manager.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/fence.h"
#include "core/message.h"
#include "core/registry.h"
#include "core/results.h"
#include "io/orphans.h"
#include "io/process.h"
#include "io/tmpdir.h"
#include "io/workflow.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int no_body(struct ganger_call *call)
{
    (void)call;
    return 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define EPOCH 3
#define RANKS_MAX 7
#define TASKS_MAX 16
#define SENT_MAX 64
#define OWED_MAX 8
#define KEPT_MAX 64
#define WAITS_MAX 20000 /* more is a loop that does not end */
#define GRACE_S 5

/* JSON, with ' for ". */
static const char *const documents[] = {
    "{'tasks': [{'id': 'a', 'command': 'a'}, {'id': 'b', 'command': 'b', 'after': ['a']},"
    "           {'id': 'c', 'command': 'c', 'after': ['b']}]}",
    "{'tasks': [{'id': 't{i}', 'for': {'i': '1-12'}, 'command': 'a'}]}",
    "{'tasks': [{'id': 't{i}', 'for': {'i': '1-6'}, 'command': 'a', 'retries': 2},"
    "           {'id': 'z', 'command': 'z', 'after': ['t*']},"
    "           {'id': 'n', 'command': 'n', 'after': [{'task': 't1', 'on': 'notok'}]},"
    "           {'id': 'y', 'command': 'y', 'after': [{'task': 'n', 'on': 'any'}]}]}",
    "{'tasks': [{'id': 'w{i}', 'for': {'i': '1-3'}, 'command': 'w', 'cores': 2},"
    "           {'id': 's{i}', 'for': {'i': '1-5'}, 'command': 's', 'may_fail': true, 'priority': 3}]}",
    "{'queues': {'q': {'tokens': 2, 'order': 'strict'}}, 'node': {'setup': 'x', 'teardown': 'y'},"
    " 'tasks': [{'id': 't{i}', 'for': {'i': '1-6'}, 'command': 'a', 'queue': 'q'},"
    "           {'id': 'u', 'command': 'u', 'queue': 'q', 'tokens': 2}]}",
    "{'tasks': [{'id': 'g{i}', 'for': {'i': '1-4'}, 'command': 'g', 'gpus': 1, 'memory': '1GiB'},"
    "           {'id': 'm', 'command': 'm', 'memory': '3GiB'},"
    "           {'id': 'z', 'command': 'z', 'after': ['g*', 'm'], 'timeout': 2}]}",
    "{'tasks': [{'id': 'a', 'function': 'f', 'input': 1}, {'id': 'b', 'function': 'f', 'after': ['a'], 'retries': 1},"
    "           {'id': 'c', 'function': 'f', 'after': ['b', 'a']}, {'id': 'd', 'command': 'd', 'after': ['b']},"
    "           {'id': 'e', 'function': 'f', 'after': ['d', 'c']},"
    "           {'id': 'g{i}', 'for': {'i': '1-5'}, 'function': 'f'}]}",
    "{'tasks': [{'id': 'f{i}', 'for': {'i': '1-9'}, 'function': 'f', 'may_fail': true},"
    "           {'id': 'i', 'function': 'f', 'isolate': true, 'retries': 1},"
    "           {'id': 'z', 'function': 'f', 'after': ['f*'], 'keep': true}, {'id': 'w', 'command': 'w', 'cores': 2}]}",
};
#define N_DOCUMENTS (sizeof(documents) / sizeof(*documents))

struct sent
{
    task_id task;
    uint32_t attempt;
    bool is_call;
    struct recall owed[OWED_MAX]; /* results that its worker will have by then */
    uint32_t n_owed;
};

struct peer
{
    bool has_come;
    bool is_dead;
    bool was_stopped;
    bool is_to_be_told; /* it died on another node, and its leader has not said so yet */
    task_id died_of;    /* the function that it was running then; TASK_NONE: none */
    struct sent sent[SENT_MAX]; /* what it has, the first of which runs */
    uint32_t n_sent;
    struct recall kept[KEPT_MAX]; /* attempts of functions that returned something there */
    uint32_t n_kept;
};

struct game
{
    struct comm comm;
    const struct graph *graph;
    const uint8_t *next, *end; /* the rest of the steps */
    struct peer peers[RANKS_MAX];
    uint32_t nodes[RANKS_MAX];
    bool is_ready; /* `message` is to be received */
    uint32_t from;
    struct buffer message;
    uint32_t dying[RANKS_MAX]; /* whose ends the manager is still to see */
    uint32_t n_dying;
    double lease_s; /* of the other node: until FENCE_S after it */
    bool asks;      /* whoever behaves well asks for it */
    double beat_s;  /* when that was done last */
    bool has_lied;
    bool was_told; /* to stop, or it stopped by itself */
    bool is_impatient; /* somebody has ended a run that would wait for a liar */
    double run_s;
    uint32_t n_waits;
    uint32_t n_ends[TASKS_MAX]; /* of each task: how often it was recorded for good */
};

static struct game *game;
static char *texts[N_DOCUMENTS]; /* the documents as JSON */
static struct registry registry = REGISTRY_EMPTY;
static int signals[2];
static int watch_fd;
static double passed_s;

/* ---- what the manager finds in place of the system ---- */

double clock_now_s(void)
{
    return 1000 + passed_s;
}

double clock_wall_s(void)
{
    return 1e9 + passed_s;
}

int process_watch_open(void)
{
    return dup(watch_fd);
}

int process_watch_add(int set, pid_t pid, uint32_t tag)
{
    (void)set, (void)pid, (void)tag;
    return 0;
}

bool process_watch_next(int set, uint32_t *tag)
{
    (void)set;
    if (game->n_dying == 0)
        return false;
    *tag = game->dying[--game->n_dying];
    return true;
}

uint32_t orphans_end_of(const char *run_dir, uint32_t epoch, uint32_t worker)
{
    (void)run_dir, (void)epoch, (void)worker;
    return 0;
}

void tmpdir_remove_left(const char *run_dir, uint32_t epoch, uint32_t worker)
{
    (void)run_dir, (void)epoch, (void)worker;
}

/* ---- what the workers hear ---- */

static struct game *of(struct comm *c)
{
    return (struct game *)c;
}

/* Does another worker that lives have this task? */
static bool is_elsewhere(const struct game *g, task_id task, uint32_t worker)
{
    for (uint32_t other = 1; other < g->comm.size; other++)
        for (uint32_t i = 0; other != worker && !g->peers[other].is_dead && i < g->peers[other].n_sent; i++)
            if (g->peers[other].sent[i].task == task)
                return true;
    return false;
}

static void be_sent(struct game *g, uint32_t to, struct cursor *c)
{
    struct peer *p = &g->peers[to];
    struct run run;

    if (message_next_run(c, &run, NULL) < 0)
        abort();
    /* A node's teardown does not wait for what was told to end and does not. */
    if (!g->has_lied && (!p->has_come || (run.task < TASKS_MAX && (p->n_sent >= 2 || is_elsewhere(g, run.task, to)))))
        abort();
    if (p->n_sent < SENT_MAX)
        p->sent[p->n_sent++] = (struct sent){.task = run.task, .attempt = run.attempt};
}

/* Will the worker have it? What it was sent before that comes first. */
static bool will_be_kept(const struct peer *p, const struct recall *own)
{
    for (uint32_t i = 0; i < p->n_sent; i++)
        if (p->sent[i].is_call && p->sent[i].task == own->task && p->sent[i].attempt == own->attempt)
            return true;
    for (uint32_t i = 0; i < p->n_kept; i++)
        if (p->kept[i].task == own->task && p->kept[i].attempt == own->attempt)
            return true;
    return false;
}

static void read_owed(struct game *g, const struct peer *p, struct call_order *order, struct sent *sent)
{
    struct text result;
    struct recall own;

    for (uint32_t i = 0; i < order->n_results; i++) {
        if (call_order_next_result(&order->results, &result, &own) || own.task == TASK_NONE)
            continue;
        if (!g->has_lied && !will_be_kept(p, &own))
            abort(); /* it counts on what nobody will have */
        if (sent->n_owed < OWED_MAX)
            sent->owed[sent->n_owed++] = own;
    }
}

static void be_called(struct game *g, uint32_t to, uint32_t n_records, struct cursor *c)
{
    struct peer *p = &g->peers[to];
    struct call_order order;

    for (uint32_t i = 0; i < n_records; i++) {
        struct sent sent;

        if (message_next_call(c, &order, NULL) < 0)
            abort();
        if (!g->has_lied && (!p->has_come || order.task >= TASKS_MAX || is_elsewhere(g, order.task, to)))
            abort();
        sent = (struct sent){.task = order.task, .attempt = order.attempt, .is_call = true};
        read_owed(g, p, &order, &sent);
        if (p->n_sent < SENT_MAX)
            p->sent[p->n_sent++] = sent;
    }
}

/* The manager has answered what that node said. */
static void be_answered(struct game *g, struct cursor *c)
{
    struct heartbeat heartbeat;

    if (message_next_heartbeat(c, &heartbeat, NULL) < 0)
        abort();
    g->lease_s = fmax(g->lease_s, heartbeat.clock_s);
}

static void say_returned(struct game *g, uint32_t from, struct sent what)
{
    struct recall returned = {what.task, what.attempt};

    message_begin(&g->message, MESSAGE_RETURNED, EPOCH, from);
    message_add_recall(&g->message, &returned);
    g->from = from;
    g->is_ready = true;
}

static int game_send(struct comm *c, uint32_t to, const void *bytes, size_t n, struct ganger_error *err)
{
    struct game *g = of(c);
    struct message_header h;
    struct cursor cursor;

    (void)err;
    if (to == 0 || to >= c->size || message_open(&h, &cursor, bytes, n, NULL) < 0 || h.worker != to)
        abort();
    if (h.kind == MESSAGE_RUN)
        be_sent(g, to, &cursor);
    if (h.kind == MESSAGE_CALL)
        be_called(g, to, h.n_records, &cursor);
    if (h.kind == MESSAGE_HEARTBEAT)
        be_answered(g, &cursor);
    if (h.kind == MESSAGE_STOP)
        g->peers[to].was_stopped = true;
    return 0; /* RECALL is answered, or is not, by a step of its own */
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
    *from = g->from;
    *bytes = g->message.bytes;
    *n = g->message.n;
    return true;
}

/* ---- what they say ---- */

static uint8_t take(struct game *g)
{
    return g->next < g->end ? *g->next++ : 0;
}

static uint32_t take_worker(struct game *g)
{
    return 1 + take(g) % (g->comm.size - 1);
}

static void say_hello(struct game *g, uint32_t from, uint32_t slot)
{
    struct hello hello = {.host = {"host", 4}, .pid = 1, .gpus = {"7\0008", 4}, .cpu = UINT32_MAX,
                          .slot = (uint16_t)slot, .n_node_slots = 8, .memory_bytes = (uint64_t)4 << 30,
                          .registry_digest = registry_digest(&registry)};

    hello.gpus.n = 4;
    message_begin(&g->message, MESSAGE_HELLO, 0, from);
    message_add_hello(&g->message, &hello);
    g->peers[from].has_come = true;
    g->from = from;
    g->is_ready = true;
}

static uint32_t slot_of(const struct game *g, uint32_t worker)
{
    uint32_t slot = 0;

    for (uint32_t other = 1; other < worker; other++)
        slot += g->nodes[other] == g->nodes[worker];
    return slot;
}

static void say_done(struct game *g, uint32_t from, struct sent what, enum task_end end, int code, task_id next)
{
    struct done done = {.task = what.task, .attempt = what.attempt, .next = next,
                        .result = {.end = end, .code = code, .tail = "x", .n_tail_bytes = 1, .start_s = passed_s,
                                   .end_s = passed_s + g->run_s}};

    message_begin(&g->message, MESSAGE_DONE, EPOCH, from);
    message_add_done(&g->message, &done);
    g->from = from;
    g->is_ready = true;
}

static void say_called(struct game *g, uint32_t from, struct sent what, enum task_end end, int code)
{
    bool is_done = end == TASK_EXITED && code == 0;
    struct call_report report = {.task = what.task, .attempt = what.attempt, .has_bytes = is_done,
                                 .result = {.end = end, .code = code, .tail = "", .start_s = passed_s,
                                            .end_s = passed_s + g->run_s * 1e-3},
                                 .bytes = {"bytes", is_done && what.task % 2 == 0 ? 5 : 0}};

    message_begin(&g->message, MESSAGE_CALLED, EPOCH, from);
    message_add_called(&g->message, &report);
    g->from = from;
    g->is_ready = true;
}

/* Has the worker what this function waits for? */
static bool has_what_it_owes(const struct peer *p, const struct sent *what)
{
    for (uint32_t i = 0; i < what->n_owed; i++) {
        bool is_kept = false;

        for (uint32_t k = 0; k < p->n_kept; k++)
            is_kept |= p->kept[k].task == what->owed[i].task && p->kept[k].attempt == what->owed[i].attempt;
        if (!is_kept)
            return false;
    }
    return true;
}

/* A function ends, or is given back, since what it was to find there was never returned. */
static void end_call(struct game *g, uint32_t from, struct sent what, enum task_end end, int code)
{
    struct peer *p = &g->peers[from];

    if (!has_what_it_owes(p, &what)) {
        say_returned(g, from, what);
        return;
    }
    if (end == TASK_EXITED && code == 0 && p->n_kept < KEPT_MAX)
        p->kept[p->n_kept++] = (struct recall){what.task, what.attempt};
    say_called(g, from, what, end == TASK_EXITED && code != 0 ? TASK_RETURNED : end, code);
}

/* The first of what it has is over. */
static void end_first(struct game *g, uint32_t from, enum task_end end, int code)
{
    struct peer *p = &g->peers[from];
    struct sent first = p->sent[0];

    memmove(p->sent, p->sent + 1, --p->n_sent * sizeof(*p->sent));
    if (first.is_call)
        end_call(g, from, first, end, code);
    else
        say_done(g, from, first, end, code, p->n_sent > 0 ? p->sent[0].task : TASK_NONE);
}

static bool can_speak(const struct game *g, uint32_t worker)
{
    return g->peers[worker].has_come && !g->peers[worker].is_dead;
}

static void say_started(struct game *g, uint32_t from)
{
    struct started started = {g->peers[from].sent[0].task, g->peers[from].sent[0].attempt, passed_s};

    message_begin(&g->message, MESSAGE_STARTED, EPOCH, from);
    message_add_started(&g->message, &started);
    g->from = from;
    g->is_ready = true;
}

static void say_bytes(struct game *g)
{
    size_t n = take(g);

    g->from = take_worker(g);
    n = n < (size_t)(g->end - g->next) ? n : (size_t)(g->end - g->next);
    g->message.n = 0;
    buffer_reserve(&g->message, n + 1);
    buffer_put(&g->message, g->next, n);
    g->next += n;
    g->is_ready = g->has_lied = true;
}

static void send_signal(struct game *g, int number)
{
    struct signalfd_siginfo info = {.ssi_signo = (uint32_t)number};

    g->was_told |= number != SIGUSR2 && number != SIGCONT;
    if (write(signals[1], &info, sizeof(info)) != sizeof(info))
        abort();
}

static void die(struct game *g, uint32_t worker)
{
    struct peer *p = &g->peers[worker];

    if (!can_speak(g, worker) || g->n_dying == RANKS_MAX)
        return;
    p->is_dead = true;
    p->died_of = p->n_sent > 0 && p->sent[0].is_call ? p->sent[0].task : TASK_NONE;
    if (g->nodes[worker] == 0)
        g->dying[g->n_dying++] = worker;
    else
        p->is_to_be_told = true;
}

/* Of the other node; 0: nobody there can speak. */
static uint32_t find_leader(const struct game *g)
{
    for (uint32_t worker = 1; worker < g->comm.size; worker++)
        if (g->nodes[worker] != 0 && can_speak(g, worker))
            return worker;
    return 0;
}

static void say_lost(struct game *g, uint32_t from, uint32_t worker, task_id call)
{
    struct lost lost = {worker, call};

    message_begin(&g->message, MESSAGE_LOST, EPOCH, from);
    message_add_lost(&g->message, &lost);
    g->from = from;
    g->is_ready = true;
}

/* The leader of the other node tells of one that died there. False: there is nobody, or nothing to tell. */
static bool tell_of_dead(struct game *g)
{
    uint32_t leader = find_leader(g);

    for (uint32_t worker = 1; leader != 0 && worker < g->comm.size; worker++) {
        if (!g->peers[worker].is_to_be_told)
            continue;
        g->peers[worker].is_to_be_told = false;
        say_lost(g, leader, worker, g->peers[worker].died_of);
        return true;
    }
    return false;
}

static void say_heartbeat(struct game *g, uint32_t from)
{
    struct heartbeat heartbeat = {.clock_s = passed_s};

    message_begin(&g->message, MESSAGE_HEARTBEAT, EPOCH, from);
    message_add_heartbeat(&g->message, &heartbeat);
    g->beat_s = passed_s;
    g->from = from;
    g->is_ready = true;
}

/* Whose lease is over ends what he runs, and leaves. Nobody sees that. */
static void end_leases(struct game *g)
{
    for (uint32_t worker = 1; worker < g->comm.size && passed_s - g->lease_s > FENCE_S; worker++)
        g->peers[worker].is_dead |= g->nodes[worker] != 0;
}

/* A worker that gives back, when it may, what it was sent in advance. */
static void give_back(struct game *g, uint32_t worker)
{
    struct peer *p = &g->peers[worker];

    if (can_speak(g, worker) && p->n_sent > 1)
        say_returned(g, worker, p->sent[--p->n_sent]);
}

static void lie(struct game *g)
{
    uint32_t from = take_worker(g);
    struct sent what = {.task = take(g) % (TASKS_MAX + 2), .attempt = take(g) % 4};
    uint8_t how = take(g);

    g->has_lied = true;
    if (what.task >= TASKS_MAX)
        what.task = TASK_SETUP + (what.task & 1) * (TASK_TEARDOWN - TASK_SETUP);
    if (how % 8 == 0)
        say_returned(g, from, what);
    else if (how % 8 == 1)
        say_hello(g, from, how);
    else if (how % 8 == 2)
        say_lost(g, from, what.attempt, how & 16 ? what.task : TASK_NONE);
    else if (how % 8 == 3)
        say_heartbeat(g, from);
    else if (how % 8 == 4)
        say_called(g, from, what, how & 16 ? TASK_RETURNED : TASK_EXITED, how >> 6);
    else
        say_done(g, from, what, (how & 15) < N_TASK_ENDS && (how & 15) != TASK_CANCELLED ? how & 15 : TASK_EXITED,
                 how >> 6, take(g));
}

/* One step of the bytes. */
static void play(struct game *g)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT};
    uint8_t letter = take(g);
    uint32_t worker = take_worker(g);

    switch (letter % 16) {
    case 0:
        if (!g->peers[worker].has_come)
            say_hello(g, worker, slot_of(g, worker));
        break;
    case 1:
    case 2:
    case 3:
        if (can_speak(g, worker) && g->peers[worker].n_sent > 0)
            end_first(g, worker, TASK_EXITED, letter % 16 == 3);
        break;
    case 4:
        if (can_speak(g, worker) && g->peers[worker].n_sent > 0)
            end_first(g, worker, take(g) & 1 ? TASK_TIMED_OUT : TASK_SIGNALLED, SIGKILL);
        break;
    case 5:
        if (can_speak(g, worker) && g->peers[worker].n_sent > 0 &&
            has_what_it_owes(&g->peers[worker], &g->peers[worker].sent[0])) /* else it is given back */
            say_started(g, worker);
        break;
    case 6: give_back(g, worker); break;
    case 7: die(g, worker); break;
    case 8: passed_s += take(g); break;
    case 9: send_signal(g, numbers[take(g) % 6]); break;
    case 10: g->run_s = (letter & 16) != 0 ? 0.001 : 1; break;
    case 11: say_bytes(g); break;
    case 12: lie(g); break;
    case 13: /* its worker was told to end, after the run was */
        if (can_speak(g, worker) && g->peers[worker].n_sent > 0 && g->peers[worker].was_stopped)
            end_first(g, worker, TASK_CANCELLED, 0);
        break;
    case 14: tell_of_dead(g); break;
    case 15:
        if ((letter & 16) != 0 && can_speak(g, worker) && g->nodes[worker] != 0)
            say_heartbeat(g, worker);
        else
            passed_s += 0.01;
        break;
    default: break;
    }
}

/* Somebody does what is his to do; false: nobody has anything to do. */
static bool behave(struct game *g)
{
    if (tell_of_dead(g))
        return true;
    if (g->asks && find_leader(g) != 0 && passed_s - g->beat_s >= FENCE_BEAT * FENCE_S) {
        say_heartbeat(g, find_leader(g));
        return true;
    }
    for (uint32_t worker = 1; worker < g->comm.size; worker++) {
        if (!g->peers[worker].has_come && !g->peers[worker].was_stopped) {
            say_hello(g, worker, slot_of(g, worker));
            return true;
        }
        if (can_speak(g, worker) && g->peers[worker].n_sent > 0) {
            end_first(g, worker, TASK_EXITED, 0);
            return true;
        }
    }
    return false;
}

static void set_events(struct game *g, struct pollfd *fds, nfds_t n)
{
    struct pollfd told = {signals[0], POLLIN, 0};

    poll(&told, 1, 0);
    for (nfds_t i = 0; i < n; i++)
        fds[i].revents = fds[i].fd == signals[0] ? told.revents : fds[i].fd >= 0 && g->n_dying > 0 ? POLLIN : 0;
}

static int game_wait(struct comm *c, struct pollfd *fds, nfds_t n, double deadline_s, struct ganger_error *err)
{
    struct game *g = of(c);

    (void)err;
    if (++g->n_waits > WAITS_MAX)
        abort(); /* a loop without an end */
    if (g->next < g->end) {
        play(g);
    } else if (g->n_dying == 0 && !behave(g)) {
        if (isinf(deadline_s) && !g->has_lied)
            abort(); /* it waits for ever */
        /* For what a liar will never say: somebody loses his patience, also if all are to finish what they do. */
        if (isinf(deadline_s) || (g->has_lied && !g->is_impatient && g->n_waits > WAITS_MAX / 4)) {
            send_signal(g, SIGTERM);
            g->is_impatient = true;
        } else {
            passed_s = fmax(passed_s + 1e-6, deadline_s - 1000);
        }
    }
    end_leases(g);
    set_events(g, fds, n);
    return 0;
}

static const struct comm_ops game_ops = {game_send, game_ring, game_receive, game_wait, NULL, NULL};

/* ---- what is recorded ---- */

static void note_good_ends(struct game *g, const struct event *e)
{
    for (uint32_t i = 0; i < e->n_calls; i++)
        if (e->calls[i].task < TASKS_MAX && ++g->n_ends[e->calls[i].task] > 1)
            abort();
}

/* What a liar's functions added has no place here. */
static void sink(void *data, const struct event *e)
{
    struct game *g = data;

    switch (e->kind) {
    case EVENT_RUN_STOPPING: g->was_told = true; break;
    case EVENT_CALLS_DONE: note_good_ends(g, e); break;
    case EVENT_TASK_DONE:
    case EVENT_TASK_FAILED:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_SKIPPED:
    case EVENT_TASK_NOT_NEEDED:
        if (e->task < TASKS_MAX && ++g->n_ends[e->task] > 1)
            abort();
        break;
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_RETURNED:
        if (e->task < TASKS_MAX && g->n_ends[e->task] > 0)
            abort();
        break;
    default: break;
    }
}

static void check_ends(const struct game *g, int status)
{
    if (status != 0 || g->was_told)
        return;
    for (task_id t = 0; t < g->graph->n_tasks && t < TASKS_MAX; t++)
        if (!task_is_join(&g->graph->tasks[t]) && g->n_ends[t] != 1)
            abort();
}

static void choose_options(struct manager_options *o, uint8_t byte)
{
    o->max_failures = (byte & 1) != 0 ? 1 + (byte >> 4) % 4 : 0;
    o->max_failures_in_a_row = (byte & 2) != 0 ? 2 : 0;
    o->latency_wait_s = (byte & 4) != 0 ? 3 : 0;
}

static void empty_signals(void)
{
    struct signalfd_siginfo info;

    while (read(signals[0], &info, sizeof(info)) > 0)
        ;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_set_fd(-1);
    watch_fd = open("/dev/null", O_RDONLY);
    if (watch_fd < 0 || pipe2(signals, O_NONBLOCK) < 0 ||
        registry_add(&registry, &(struct registry_function){"f", no_body, false}, NULL) < 0)
        abort();
    for (size_t i = 0; i < N_DOCUMENTS; i++) {
        texts[i] = xstrdup(documents[i]);
        for (char *quote = texts[i]; (quote = strchr(quote, '\'')) != NULL;)
            *quote = '"';
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct game g = {.comm.ops = &game_ops, .run_s = 1, .comm.nodes = g.nodes};
    struct manager_report report;
    struct manager_options o = {.comm = &g.comm, .launcher_fd = -1, .signal_fd = signals[0], .epoch = EPOCH,
                                .run_dir = "/run", .cwd = "/", .env = "", .grace_s = GRACE_S, .end_fd = -1,
                                .end_ask_fd = -1, .registry = &registry};
    struct workflow workflow;
    struct results results;
    struct ganger_error err = {0};
    struct event_sinks sinks = {0};
    int status;

    if (n < 3)
        return 0;
    game = &g;
    passed_s = 0;
    g.next = bytes + 3;
    g.end = bytes + n;
    if (workflow_parse(&workflow, "flow", texts[bytes[0] % N_DOCUMENTS], strlen(texts[bytes[0] % N_DOCUMENTS]), NULL) <
            0 || workflow.graph->n_tasks > TASKS_MAX)
        abort();
    g.graph = o.graph = workflow.graph; /* which functions may add tasks to */
    if (graph_has_functions(g.graph)) {
        results_init(&results, g.graph, false);
        o.results = &results;
    }
    g.comm.size = 2 + bytes[2] % (RANKS_MAX - 1);
    for (uint32_t rank = 0; rank < g.comm.size && (bytes[2] & 64) != 0; rank++)
        g.nodes[rank] = rank > 2;
    g.asks = (bytes[2] & 32) == 0;
    choose_options(&o, bytes[1]);
    event_add_sink(&sinks, sink, &g);
    o.sinks = &sinks;
    o.origin_s = clock_now_s();
    status = manager_run(&o, &report, &err);
    if ((status == 0) != (err.cause == ERROR_NONE))
        abort();
    check_ends(&g, status);
    empty_signals();
    buffer_release(&g.message);
    if (o.results != NULL)
        results_release(&results);
    workflow_release(&workflow);
    return 0;
}
