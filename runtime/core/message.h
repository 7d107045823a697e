/* message: what crosses ranks, as bytes.
 *
 * A message is a header and a batch of records of one kind, little-endian, fixed widths (buffer.h):
 *
 *   header   u8 version   u8 kind   u16 zero   u32 epoch   u32 worker   u32 number of records
 *   record   u32 length of what follows, then the fields of its kind in the order of the structs below
 *
 * `worker` is the worker's id, not its MPI rank: the sender's towards the manager, the receiver's from
 * it. Decoding checks every length; what it returns borrows from the message's bytes. New fields go to
 * the end of a record (a decoder ignores what it does not know), new kinds to the end of the list. */
#ifndef GANGER_CORE_MESSAGE_H
#define GANGER_CORE_MESSAGE_H

#include "base/buffer.h"
#include "base/error.h"
#include "core/task.h"

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_VERSION 1
#define MESSAGE_HEADER_BYTES 16

/* Numbers of kinds that are designed and not built: 12 ADD, 13 FETCH, 14 DATA, 15 DROP. A decoder refuses them. (What a
 * function adds is part of CALLED: it counts if the function ended well, and arrives when that does, or never.) */
enum message_kind
{
    MESSAGE_HELLO = 1,   /* worker -> manager, once: I am here, and this is what I have */
    MESSAGE_WELCOME = 2, /* manager -> worker, once: what holds for the whole run */
    MESSAGE_RUN = 3,     /* manager -> worker */
    MESSAGE_STARTED = 4, /* worker -> manager, for tasks that run for longer than a moment */
    MESSAGE_DONE = 5,    /* worker -> manager */
    MESSAGE_STOP = 6,    /* manager -> worker: end what runs, and leave */
    MESSAGE_RECALL = 7,  /* manager -> worker: give a task back that it was sent in advance */
    MESSAGE_RETURNED = 8, /* worker -> manager: it has not started, and will not */
    MESSAGE_CANCEL = 9,  /* manager -> worker: a signal for a task; if it ends badly, it was cancelled */
    MESSAGE_LOST = 10,    /* a node's leader -> manager: a process of my node that was a worker has ended */
    MESSAGE_HEARTBEAT = 11, /* worker of another node -> manager: my node is here; and back: so am I */
    MESSAGE_CALL = 16,    /* manager -> worker: functions to run, one after the other */
    MESSAGE_CALLED = 17,  /* worker -> manager: how they ended, in the order in which they did */
};

struct message_header
{
    uint8_t version;
    enum message_kind kind;
    uint32_t epoch;
    uint32_t worker;
    uint32_t n_records;
};

struct text
{
    const char *bytes; /* ended by a NUL that is not counted; may hold others */
    uint32_t n;
};

struct hello
{
    struct text host;
    uint32_t pid;
    uint16_t slot;         /* on its node, in topology order */
    uint16_t n_node_slots; /* cores that ganger may use on this node */
    uint64_t memory_bytes; /* of the node */
    double clock_s;        /* the worker's clock when it wrote this */
    struct text group;     /* the allocation it came with; empty */
    struct text gpus;      /* ids, each ended by a NUL */
    struct text doorbell;  /* empty: comm knows it */
    uint64_t registry_digest; /* of the functions it can run; 0: none */
    uint32_t cpu;          /* a hardware thread of its slot, the system's number; UINT32_MAX: unknown */
    struct text functions; /* their names, each ended by a NUL */
};

struct welcome
{
    struct text run_dir; /* absolute */
    struct text cwd;     /* where `ganger run` was typed */
    struct text env;     /* "NAME=VALUE", each ended by a NUL: the environment of every task */
    double grace_s;      /* between TERM and KILL */
    double end_s;        /* end of the allocation on the manager's clock; 0: none */
    double clock_s;      /* the manager's clock (seconds since the epoch began) when it got HELLO */
    double hello_clock_s; /* hello.clock_s, back */
    bool same_clock;      /* the worker is on the manager's node: origin_s is exact */
    double origin_s;      /* CLOCK_MONOTONIC of the manager's node when the epoch began */
    uint32_t manager_pid; /* on its node */
    double latency_wait_s; /* how long a task's inputs are waited for */
    double fence_s;        /* see core/fence.h */
};

struct run
{
    task_id task;
    uint32_t attempt;
    struct text slots; /* n / 2 slots, u16 each; see run_slot */
    struct text id;
    uint32_t n_argv;
    struct text argv; /* n_argv words, each ended by a NUL */
    uint32_t n_env;
    struct text env; /* n_env texts "NAME=VALUE", each ended by a NUL */
    bool has_cwd;
    struct text cwd;
    double timeout_s;     /* 0: none */
    struct text gpus;     /* ids, each ended by a NUL */
    struct text stdin_path; /* empty: /dev/null */
    struct text stdout_path; /* empty: kept in the run directory */
    struct text stderr_path;
    struct text inputs;   /* paths, each ended by a NUL */
    struct text outputs;
    uint64_t memory_bytes; /* that it asked for; 0: it did not say */
    bool wants_fingerprint; /* of its inputs */
    uint64_t fingerprint;   /* it need not run if that is it; FINGERPRINT_ANY: it need not, FINGERPRINT_NONE: it must */
};

struct started
{
    task_id task;
    uint32_t attempt;
    double start_s;
};

struct done
{
    task_id task;
    uint32_t attempt;
    struct task_result result;
    task_id next; /* what the worker starts now, having been sent it in advance; TASK_NONE: nothing */
};

/* Of CALL. */
struct call_order
{
    task_id task;
    uint32_t attempt;
    uint16_t function; /* number in the registry */
    uint16_t slot;
    bool is_isolated;
    bool is_awaited;   /* tasks that wait for it may follow it on the same worker: what it returns is kept there */
    double timeout_s;  /* 0: none */
    uint64_t memory_bytes; /* of an isolated one: what it asked for; 0: nothing, or it is not isolated */
    struct text id;
    struct text payload;
    uint32_t n_results;   /* of dependencies, in declared order; see call_order_next_result */
    struct cursor results;
    struct text slots;    /* that it holds, u16 each; empty: the one of its worker, and no GPU */
    struct text gpus;     /* ids, each ended by a NUL */
};

/* Of CALLED. */
struct call_report
{
    task_id task;
    uint32_t attempt;
    struct task_result result; /* no output, no memory, no CPU time, unless it was isolated */
    bool has_bytes;            /* the function is done; its result may still be empty */
    struct text bytes;
    uint32_t n_added;          /* tasks that it adds, if it is done, … */
    struct text added;         /* … and what is said of them: see ganger_add.h */
};

/* Of RECALL and RETURNED. */
struct recall
{
    task_id task;
    uint32_t attempt;
};

struct cancel
{
    task_id task;
    uint32_t attempt;
    int32_t signal; /* from 1 to 64 */
};

enum stop_mode
{
    STOP_WHEN_DONE = 0, /* let what runs finish */
    STOP_TERM = 1,      /* TERM it, KILL it after the grace */
    STOP_KILL = 2,
};

struct stop
{
    enum stop_mode mode;
    bool stays; /* it does not leave yet: its node is still to be torn down */
    bool at_once; /* others are gone, or will leave without waiting: it leaves like that, too */
};

struct lost
{
    uint32_t worker;
    task_id call; /* the function that it was running; TASK_NONE: none, or a command */
};

struct heartbeat
{
    double clock_s;   /* of the worker's node, when it was sent; the answer has the same */
    double manager_s; /* of the answer: the manager's clock when it was written (seconds since the epoch began) */
};

/* Writing: begin, add records of that kind, send the buffer's bytes. begin empties the buffer. */
void message_begin(struct buffer *b, enum message_kind kind, uint32_t epoch, uint32_t worker);
void message_add_hello(struct buffer *b, const struct hello *r);
void message_add_welcome(struct buffer *b, const struct welcome *r);
void message_add_run(struct buffer *b, const struct run *r);
void message_add_started(struct buffer *b, const struct started *r);
void message_add_done(struct buffer *b, const struct done *r);
void message_add_stop(struct buffer *b, const struct stop *r);
void message_add_recall(struct buffer *b, const struct recall *r); /* also for RETURNED */
void message_add_cancel(struct buffer *b, const struct cancel *r);
void message_add_lost(struct buffer *b, const struct lost *r);
void message_add_heartbeat(struct buffer *b, const struct heartbeat *r);
void message_add_called(struct buffer *b, const struct call_report *r);

/* A CALL's record is written in pieces: begin it, add its results, then its place if that is more than the slot of its
 * worker, end it. `order->results`, `slots` and `gpus` are not looked at, and `order->n_results` must be added. begin
 * returns what end wants. */
size_t message_begin_call(struct buffer *b, const struct call_order *order);
void message_add_result(struct buffer *b, const void *bytes, size_t n); /* bytes NULL: there is none */
void message_add_own_result(struct buffer *b, const struct recall *own); /* what the worker will have by then */
void message_add_place(struct buffer *b, struct text slots, struct text gpus);
void message_end_call(struct buffer *b, size_t start);

/* Reading: open, then exactly n_records of the calls that fit the kind. -1 on bytes that are no valid
 * message (ERROR_SYSTEM); nothing behind their end is ever read. */
int message_open(struct message_header *h, struct cursor *c, const void *bytes, size_t n,
                 struct ganger_error *err);
int message_next_hello(struct cursor *c, struct hello *r, struct ganger_error *err);
int message_next_welcome(struct cursor *c, struct welcome *r, struct ganger_error *err);
int message_next_run(struct cursor *c, struct run *r, struct ganger_error *err);
int message_next_started(struct cursor *c, struct started *r, struct ganger_error *err);
int message_next_done(struct cursor *c, struct done *r, struct ganger_error *err);
int message_next_stop(struct cursor *c, struct stop *r, struct ganger_error *err);
int message_next_recall(struct cursor *c, struct recall *r, struct ganger_error *err);
int message_next_cancel(struct cursor *c, struct cancel *r, struct ganger_error *err);
int message_next_lost(struct cursor *c, struct lost *r, struct ganger_error *err);
int message_next_heartbeat(struct cursor *c, struct heartbeat *r, struct ganger_error *err);
int message_next_call(struct cursor *c, struct call_order *r, struct ganger_error *err);
int message_next_called(struct cursor *c, struct call_report *r, struct ganger_error *err);

/* The next result of a CALL that was read, moving the cursor; false: there is none at this place, unless `own` names
 * an attempt that the worker was sent before, which will have returned it (else own->task is TASK_NONE). */
bool call_order_next_result(struct cursor *results, struct text *result, struct recall *own);

/* Slot `i` of a run record, i < r->slots.n / 2. */
uint16_t run_slot(const struct run *r, uint32_t i);

/* How many texts, each ended by a NUL, are packed in `t`; UINT32_MAX when the last has no end. */
uint32_t text_count_packed(struct text t);

#endif
