/* worker_parts: what the files of the worker share: worker.c (the loop and what arrives), worker_task.c (starting,
 * following and ending one command), worker_memory.c (how much memory it may have) and worker_calls.c (functions). For
 * nobody else. */
#ifndef GANGER_WORKER_PARTS_H
#define GANGER_WORKER_PARTS_H

#include "base/buffer.h"
#include "core/call.h"
#include "core/environment.h"
#include "core/message.h"
#include "core/record.h"
#include "io/cgroup.h"
#include "io/fingerprint.h"
#include "io/process.h"
#include "io/runner.h"
#include "io/tmpdir.h"
#include "worker.h"

#include <poll.h>

#define MANAGER 0 /* its rank */

/* Descriptors that the loop waits for. The pipes come after the child: when its end is seen, all that
 * it wrote is seen as well. */
enum
{
    FD_SIGNAL,
    FD_MANAGER, /* it has ended, if it is on this node */
    FD_SIBLINGS, /* somebody of this node has; see worker_node.c */
    FD_CHILD,
    FD_OUT,
    FD_ERR,
    FD_RUNNER,
    N_FDS,
};

/* What we have to do with its end. */
enum intent
{
    LET_RUN,
    CANCEL,
    TIME_OUT,
    LIMIT_MEMORY,
    LIMIT_OUTPUT,
};

struct attempt
{
    task_id task;
    uint32_t number;
    char id[256]; /* cut off if longer: for people */
    struct process process; /* pid 0: nothing runs */
    double start_s;
    double tell_started_s; /* INFINITY: told */
    double timeout_s;      /* when its time is over; INFINITY: never, or it is */
    double kill_s;         /* INFINITY: not being ended */
    double orphans_s;      /* when to look for dead orphans */
    double output_s;       /* before that its pipes are not looked at: see pause_output */
    double drained_s;      /* when they were last */
    enum intent intent;
    struct output_place output; /* where it lies */
    char tail[2 * TASK_TAIL_BYTES]; /* the last bytes of its output, and older ones */
    uint32_t n_tail;
    struct ganger_error output_err;
    int output_errno;
};

/* What the current task may have of memory. */
struct memory_guard
{
    enum memory_rule rule;
    struct cgroup cgroup;
    uint64_t asked_bytes; /* 0: there is no limit */
    uint64_t seen_bytes;  /* that it held, when last looked at */
    double look_s;        /* when to look again; INFINITY: never */
    double pause_s;
    uint64_t n_kills;     /* by the kernel for want of memory, when last asked */
};

/* The current task, while it waits for its inputs. */
struct awaiting
{
    bool is_on;
    double look_s; /* when to look again */
    double pause_s;
    double until_s;
    uint32_t n_seen; /* bytes of the packed inputs that are there */
};

/* The current task, while its inputs are read. */
struct looking
{
    bool is_on;
    uint64_t found; /* FINGERPRINT_NONE: nothing was read */
    struct fingerprint print;
};

/* Functions. One runs, or is the current task, being isolated; others wait. */
struct calls
{
    struct ganger_call *first; /* those that wait */
    uint32_t n_waiting;
    struct ganger_call **end;
    struct call_pool pool;     /* for those that come */
    struct runner *runner;     /* NULL: none yet */
    struct buffer runner_slots; /* u16 each, that its thread is bound to; empty: where we are */
    bool is_running;           /* on the runner: … */
    task_id task;              /* … this, of which nothing else is known when it must be abandoned */
    uint32_t attempt;
    double start_s;
    double timeout_s;          /* when its time is over; INFINITY: never */
    double cancel_s;           /* when it is abandoned because the run ends; INFINITY: not */
    float *mean_s;             /* by function; negative: none has run */
    bool ran_in_place;         /* one has: they are short */
    bool has_own_core;         /* known from then on */
    double told_s;             /* when what ended was told last, or a round of calls began */
    struct buffer report;      /* of those that ended, not sent yet */
    uint32_t n_reports;
    struct kept kept;          /* what was returned last, for those that wait for it here */
    struct ganger_call *isolated; /* the current task's; NULL: that is a command, or there is none */
    int given_fd;              /* what it reads and writes; -1: none */
    int taken_fd;
};

/* What a worker knows of a node that is not the manager's. */
struct around
{
    int watch;        /* pidfds: its leader's or, if that is this worker, all others'; -1: none */
    uint32_t leader;  /* the lowest worker that lives, as far as is known; 0: this is the manager's node */
    double fence_s;
    double heard_s;   /* when what the manager has answered was sent; the node may know better: comm_heard_s */
    double beat_s;    /* when to ask again */
    bool is_over;     /* so it was at the last look */
    double round_trip_s; /* of the question whose answer tells best what the manager's clock says */
    uint32_t n_asked;    /* for the clock's sake */
};

struct worker
{
    const struct worker_options *o;
    struct comm *comm;
    uint32_t epoch;
    bool is_welcome;
    bool is_stopping; /* nothing new, and leave when nothing runs */
    char *run_dir;
    int run_dir_fd;         /* open for as long as we live: see orphans.h */
    char *cwd;              /* of tasks that do not say */
    struct buffer task_cwd; /* see cwd_of */
    struct environment environment;
    double grace_s;
    double latency_wait_s;
    double origin_s;  /* our clock when the manager's epoch began */
    double awake_s;   /* when the loop last went to sleep */
    struct buffer message;
    char **argv;
    size_t argv_capacity;
    struct output *output;
    struct process_pipes pipes;
    struct tmpdir tmpdir;
    struct pollfd fds[N_FDS];
    int manager_watch;
    struct around around;
    struct attempt current;
    struct buffer current_run; /* its RUN, if that is looked at again: it declares inputs or outputs */
    struct awaiting awaiting;
    struct looking looking;
    struct memory_guard memory;
    double kill_again_s; /* INFINITY: nothing that tasks left is left */
    double mean_cpu_s; /* of its tasks; INFINITY: there was none */
    struct buffer advance; /* a RUN that waits for the current task to end; empty: none */
    task_id advance_task;
    uint32_t advance_attempt;
    char *bytes; /* OUTPUT_CHUNK_BYTES: what was just read */
    struct calls calls;
};

static inline bool worker_is_running(const struct worker *w)
{
    return w->current.process.pid > 0;
}

/* Has it a current task that does not run yet? */
static inline bool worker_is_preparing(const struct worker *w)
{
    return w->awaiting.is_on || w->looking.is_on;
}

/* Has it a current task? */
static inline bool worker_is_busy(const struct worker *w)
{
    return worker_is_running(w) || worker_is_preparing(w) || w->calls.is_running || w->calls.first != NULL;
}

static inline bool worker_has_advance(const struct worker *w)
{
    return w->advance.n > 0;
}

/* ---- worker_memory.c ---- */

void memory_open(struct memory_guard *g, const struct worker_options *o, uint32_t worker);
void memory_close(struct memory_guard *g);

/* A task is about to start that asked for so much (0: it did not say): has it limited or looked at. */
int memory_begin(struct memory_guard *g, uint64_t asked_bytes, struct process_order *order, struct ganger_error *err);

/* It is look_s. True: the task holds more than it may, and is to be killed. */
bool memory_look(struct memory_guard *g);

/* It has run for a moment: what the kernel killed before was none of it. */
void memory_note_kills(struct memory_guard *g);

enum memory_verdict
{
    MEMORY_INNOCENT,
    MEMORY_OVER_LIMIT,
    MEMORY_KILLED_BY_KERNEL,
};

/* Was that why it ended? `was_ended`: it was killed for what memory_look had seen. */
enum memory_verdict memory_judge(struct memory_guard *g, bool was_ended, const struct process_end *end);

/* Its end, for people. */
void memory_describe(const struct memory_guard *g, enum memory_verdict verdict, const struct process_end *end,
                     char *text, size_t size);

/* ---- worker_node.c ---- */

/* On another node than the manager's, once it is welcome, so long after it said HELLO: watches who is to be watched,
 * asks from now on. */
void around_open(struct worker *w, double fence_s, double round_trip_s);

/* Asks for the lease, and what the manager's clock says: WELCOME tells little of it, since HELLO waits until the
 * manager is there. */
int around_ask(struct worker *w, struct ganger_error *err);
void around_close(struct worker *w);

/* Looks after the node's dead, if it falls to us; asks the manager, when it is time. Fails when the lease is over: then
 * this worker must end its task and leave. */
int around_attend(struct worker *w, struct ganger_error *err);
double around_deadline_s(const struct worker *w);

/* The manager's answer. */
int around_hear_heartbeat(struct worker *w, struct cursor *c, struct ganger_error *err);

/* This process was stopped, its task was not, or was, too; nobody could ask. There is time to ask once more. */
void around_forgive(struct worker *w);

/* ---- worker_task.c ---- */

/* Makes it the current task, of which there must be none, and starts it as soon as its inputs are there. */
int worker_take_task(struct worker *w, const struct run *run, struct ganger_error *err);

/* Keeps it until the current one has ended. */
void worker_keep_in_advance(struct worker *w, const struct run *run);

/* It was on its way when this process was told to end: it has not run, and will not here. */
int worker_refuse_task(struct worker *w, const struct run *run, struct ganger_error *err);

/* Ends the current task, if there is one: the signal to all of its group, KILL after the grace. One that waits
 * for its inputs is over at once. */
int worker_cancel_task(struct worker *w, int signal, double grace_s, struct ganger_error *err);

/* A signal for the current task, if it is that one and runs: it may save what it has. If it ends badly after that, it
 * was cancelled. */
void worker_signal_task(struct worker *w, const struct cancel *cancel);

/* Does what the current task, or what tasks left, needs now; and when that will be the next time, if nothing
 * happens (INFINITY: never). */
int worker_attend(struct worker *w, struct ganger_error *err);
double worker_deadline_s(const struct worker *w);

/* This process was stopped for so long, or a little less: what waits for a time waits longer by that. */
void worker_shift_deadlines(struct worker *w, double by_s);

/* Kills what runs, without telling. */
void worker_end_all(struct worker *w);

/* Makes an isolated function the current task: a process that reads `given` and writes `taken`. */
int worker_start_isolated(struct worker *w, const struct ganger_call *call, char **argv, int given_fd, int taken_fd,
                          struct ganger_error *err);

/* ---- worker_runner.c ---- */

/* A runner, which is idle, for that call: bound to all cores that it holds. Libraries keep threads for the thread that
 * made them (OpenMP does), and these stay where they were bound: so another place is another thread. */
int worker_runner_open(struct worker *w, const struct ganger_call *call, struct ganger_error *err);

/* Of one that is busy, what it does counts no more. */
void worker_runner_close(struct worker *w);

/* ---- worker_calls.c ---- */

void worker_calls_open(struct worker *w);
void worker_calls_close(struct worker *w); /* what runs is abandoned */

/* The records of a CALL. */
int worker_calls_hear(struct worker *w, uint32_t n_records, struct cursor *c, struct ganger_error *err);

/* Runs what may run now, for a moment at most, and tells what has ended. */
int worker_calls_attend(struct worker *w, struct ganger_error *err);
double worker_calls_deadline_s(const struct worker *w);

/* Gives back what waits; that one alone, if it still does. */
int worker_calls_give_back(struct worker *w, struct ganger_error *err);
int worker_calls_give_one_back(struct worker *w, const struct recall *recall, struct ganger_error *err);

/* What runs is given so long to return, and then abandoned. */
int worker_calls_cancel(struct worker *w, double grace_s, struct ganger_error *err);

/* The current task, which is isolated, has ended like this. */
int worker_calls_end_isolated(struct worker *w, struct task_result *result, struct ganger_error *err);

#endif
