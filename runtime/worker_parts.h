/* worker_parts: what the files of the worker share: worker.c (the loop and what arrives) and worker_task.c
 * (starting, following and ending one task). For nobody else. */
#ifndef GANGER_WORKER_PARTS_H
#define GANGER_WORKER_PARTS_H

#include "base/buffer.h"
#include "core/environment.h"
#include "core/message.h"
#include "core/record.h"
#include "io/process.h"
#include "io/tmpdir.h"
#include "worker.h"

#include <poll.h>

#define MANAGER 0 /* its rank */

/* Descriptors that the loop waits for. The pipes come after the child: when its end is seen, all that
 * it wrote is seen as well. */
enum
{
    FD_SIGNAL,
    FD_MANAGER,
    FD_CHILD,
    FD_OUT,
    FD_ERR,
    N_FDS,
};

/* What we have to do with its end. */
enum intent
{
    LET_RUN,
    CANCEL,
    TIME_OUT,
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
    enum intent intent;
    struct output_place output; /* where it lies */
    char tail[2 * TASK_TAIL_BYTES]; /* the last bytes of its output, and older ones */
    uint32_t n_tail;
    struct ganger_error output_err;
    int output_errno;
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
    struct attempt current;
    struct buffer current_run; /* its RUN, if that is looked at again: it declares inputs or outputs */
    struct awaiting awaiting;
    double kill_again_s; /* INFINITY: nothing that tasks left is left */
    double mean_cpu_s; /* of its tasks; INFINITY: there was none */
    struct buffer advance; /* a RUN that waits for the current task to end; empty: none */
    task_id advance_task;
    uint32_t advance_attempt;
    char *bytes; /* OUTPUT_CHUNK_BYTES: what was just read */
};

static inline bool worker_is_running(const struct worker *w)
{
    return w->current.process.pid > 0;
}

/* Has it a current task? */
static inline bool worker_is_busy(const struct worker *w)
{
    return worker_is_running(w) || w->awaiting.is_on;
}

static inline bool worker_has_advance(const struct worker *w)
{
    return w->advance.n > 0;
}

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

/* Does what the current task, or what tasks left, needs now; and when that will be the next time, if nothing
 * happens (INFINITY: never). */
int worker_attend(struct worker *w, struct ganger_error *err);
double worker_deadline_s(const struct worker *w);

/* This process was stopped for so long, or a little less: what waits for a time waits longer by that. */
void worker_shift_deadlines(struct worker *w, double by_s);

/* Kills what runs, without telling. */
void worker_end_all(struct worker *w);

#endif
