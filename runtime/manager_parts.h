/* manager_parts: what the files of the manager share: manager.c (the loop: what is sent, and heard), manager_attempts.c
 * (what the end of an attempt means), manager_stop.c (how the run is stopped), manager_nodes.c (who is here, and what
 * nodes have), manager_calls.c (functions), manager_added.c (tasks that they add), manager_hooks.c (what the program is
 * asked), manager_losses.c (who is gone), manager_holes.c (which node is of no use) and manager_end.c (when the
 * allocation ends). For nobody else. */
#ifndef GANGER_MANAGER_PARTS_H
#define GANGER_MANAGER_PARTS_H

#include "base/buffer.h"
#include "core/message.h"
#include "core/sched.h"
#include "io/binding.h"
#include "manager.h"

#include <poll.h>

/* Descriptors that the loop waits for. */
enum
{
    FD_SIGNAL,
    FD_WORKERS,
    FD_LAUNCHER,
    FD_END,
    FD_HOOKS,
    N_FDS,
};

struct peer
{
    bool has_come; /* it said HELLO, … */
    bool is_here;  /* …, and is not known to be gone */
    bool is_admitted; /* the scheduler knows it: its node is ready */
    bool is_lost;     /* it was here, and is never used again */
    uint32_t node;
    uint32_t cpu; /* UINT32_MAX: unknown, or on another node */
    uint16_t slot;
    bool wants_signal; /* that task, when the allocation ends … */
    bool has_signal;   /* … or it was sent */
    task_id signal_task;
    uint32_t signal_attempt;
};

enum node_stage
{
    NODE_UNKNOWN,
    NODE_SETTING_UP, /* its workers wait until one of them has run the workflow's node.setup */
    NODE_READY,
    NODE_REFUSED,    /* node.setup failed: it gets no task */
    NODE_TEARING_DOWN,
    NODE_LEFT,
};

/* Attempts. */
struct tally
{
    uint32_t n_done;   /* ended well */
    uint32_t n_failed; /* as soon as they began */
};

/* Attempts that failed in a row on a node, as soon as they began; and what there had been anywhere before the first. */
struct streak
{
    uint32_t n_failed;
    struct tally before;
};

#define HOLE_PROGRAMS 4 /* that are watched on each node */

struct program_streak
{
    uint32_t program; /* 0: none */
    struct streak streak;
};

struct node_entry
{
    enum node_stage stage;
    char *host;
    uint64_t memory_bytes; /* 0: unknown */
    uint32_t n_slots;      /* usable cores */
    char *gpus;            /* ids, each ended by a NUL */
    const char **gpu_ids;  /* into `gpus` */
    uint32_t n_gpus;
    uint32_t worker;       /* that runs setup or teardown */
    uint32_t n_setups;     /* sent: more than one when workers died in it */
    double give_up_s;      /* when its teardown is waited for no longer */
    double heard_s;        /* when one of its workers last said something; of other nodes than ours */
    bool is_cut;           /* nothing reaches it: its silence has begun, and what it says does not end that */
    bool is_set_aside;     /* its workers are alive, and get nothing: see holes_note_end */
    struct streak streak;  /* of all that runs there … */
    struct program_streak program_streaks[HOLE_PROGRAMS]; /* … and of programs that do not */
};

struct manager
{
    const struct manager_options *o;
    struct comm *comm;
    struct sched *sched;
    uint32_t n_first_tasks; /* of the graph when the run began */
    struct peer *peers; /* by worker */
    struct node_entry *nodes;
    uint32_t n_nodes;   /* of the whole run, as comm numbers them */
    uint32_t n_came;    /* workers that said HELLO */
    uint32_t n_here;    /* of those, the ones that are not gone */
    uint32_t n_setting_up; /* nodes */
    uint32_t n_tearing_down;
    uint32_t n_set_aside;
    struct tally tally;    /* of the run … */
    struct tally *tallies; /* … and of each program */
    uint32_t n_tallies;
    double look_s;      /* when to look for silent nodes */
    bool may_start;     /* every task fits on some node that is here */
    struct buffer message;
    struct buffer slots; /* of one RUN, encoded */
    struct buffer gpus;
    struct pollfd fds[N_FDS];
    int watch;          /* workers of this node that died */
    struct binding_mask home; /* where this thread may run */
    uint32_t followed;  /* the worker whose core it was moved to; 0: it is at home */
    uint32_t last_sent; /* the worker that was sent the last RUN */
    uint32_t *fed;      /* workers that began another task since the last round */
    size_t n_fed;
    size_t fed_capacity;
    uint32_t n_failed;  /* tasks, without those that may */
    uint32_t n_failed_in_a_row;
    int signal;         /* the first that told us to stop; 0: none */
    double term_s;      /* when TERM was heard; 0: it was not */
    uint32_t told_worker; /* the first that was told to end by others than us; 0: none */
    bool is_stopping;
    enum stop_mode mode; /* what the workers were told */
    double coming_s;    /* until then workers are expected; INFINITY: no longer */
    bool holds_ready;   /* tasks are held before they are ready: see settle_held */
    double give_up_s;   /* a stopped run ends then at the latest; INFINITY: not stopped */
    double end_s;       /* of the allocation; INFINITY: never, as far as is known */
    double heard_until_s; /* until then the first word of it is waited for */
    double cut_s;       /* when what runs gets TERM for that */
    double signal_s;    /* when the first task wants its signal before that; INFINITY: none does */
    double margin_s;    /* NAN: not chosen yet */
    bool is_cut;        /* that is why the run stopped */
    bool has_signalled; /* some task */
    struct ganger_error *err; /* what ends the run early; the first counts */
    struct manager_calls *calls; /* NULL: no task is a function */
    struct manager_hooks *hooks; /* NULL: the program has none */
};

/* ---- manager.c ---- */

double manager_epoch_s(const struct manager *m);
uint32_t manager_n_workers(const struct manager *m);
/* What a placement holds, encoded as in a RUN; good until the next one. */
struct text manager_pack_slots(struct manager *m, const struct placement *p);
struct text manager_pack_gpus(struct manager *m, const struct placement *p);

const struct task *manager_task(const struct manager *m, task_id task); /* TASK_SETUP and TASK_TEARDOWN, too */
void manager_send_run(struct manager *m, const struct placement *p, bool is_in_advance);
/* Sends m->message; a node that cannot be reached is cut off, one of ours ends the run. */
void manager_send(struct manager *m, uint32_t worker, bool quietly);
void manager_recall(struct manager *m, uint32_t worker); /* what waits behind its task */
/* What it was sent in advance is ready again. */
void manager_take_back(struct manager *m, uint32_t worker);
bool manager_is_current(const struct manager *m, uint32_t worker, task_id task, uint32_t attempt);
/* The worker may be sent more behind what it has. */
void manager_be_fed(struct manager *m, uint32_t worker);

/* ---- manager_attempts.c ---- */

/* A current attempt has ended, and how; of a function (else NULL), what it said. */
void manager_note_end(struct manager *m, uint32_t worker, const struct done *done, const struct call_report *call);
/* The task will not run again: the results that it waited for may be dropped. */
void manager_note_over(struct manager *m, task_id task);
void manager_tell_skipped(struct manager *m);

/* The task is not as it was: what waits for it may have to run again, too. */
void manager_note_ran(struct manager *m, task_id task);

/* A task failed for good: counted, unless it may; the run may stop for it. Tells of those that are skipped. */
void manager_count_failure(struct manager *m, task_id task);

/* ---- manager_stop.c ---- */

void manager_tell_to_stop(struct comm *comm, struct buffer *message, uint32_t worker, uint32_t epoch,
                          struct stop stop);
/* An error that ends the run was put into m->err. */
void manager_stop_for_error(struct manager *m);
/* Nothing new starts; what runs is let be, or ended. */
void manager_stop(struct manager *m, enum stop_mode mode, const char *why);
/* The same for a signal, or for somebody who is gone: what runs is told to end, at the second time it is killed. */
void stop_when_told(struct manager *m, int signal, const char *why);

void stop_hear_signals(struct manager *m); /* FD_SIGNAL is readable */
void stop_check_time(struct manager *m);   /* what was told to end, and does not, is given up */

/* If a worker was told to end by somebody else, that may soon be said to us, too. */
void stop_wait_to_be_told(struct manager *m);

/* ---- manager_calls.c ---- */

/* Stops the run when it needs a function that there is not. */
void calls_open(struct manager *m);
void calls_close(struct manager *m);

/* May functions that were done turn out to stay so? A held task waits for nothing more: if it is such a function, it is
 * done. */
bool calls_may_keep(const struct manager *m);
bool calls_keep(struct manager *m, task_id task);

/* Puts it with what else its worker will be sent by calls_post. */
void calls_send(struct manager *m, const struct placement *p);
void calls_post(struct manager *m);

/* What waits behind a busy worker, while others have nothing to do; all that waits behind this one. */
void calls_recall_some(struct manager *m);
void calls_recall_from(struct manager *m, uint32_t worker);

/* Are functions in flight that will answer within moments, and have we a core of our own? Then we wait awake. */
bool calls_are_awaited(struct manager *m);

/* The records of a CALLED. */
void calls_hear(struct manager *m, uint32_t worker, uint32_t n_records, struct cursor *c);

/* That a function was sent is told when it turns out not to have ended well. */
void calls_tell_sent(struct manager *m, uint32_t worker, task_id task);

/* The graph may have got functions that it did not have. */
void calls_note_functions(struct manager *m);

/* ---- manager_added.c ---- */

#define ADDS_WRONGLY 255 /* status of a function that adds tasks which cannot be had */

/* What a call adds: borrowed. */
struct addition
{
    task_id adder;
    uint32_t worker;
    uint32_t n;
    struct text definitions;
};

/* A call has ended well, and adds tasks: all of them are appended, or none, with the reason. Before its end is told. */
int added_hear(struct manager *m, const struct addition *a, struct ganger_error *why);

/* ---- manager_hooks.c: what the program is asked and told, on a thread of its own ---- */

void hooks_open(struct manager *m);
void hooks_close(struct manager *m); /* what was not collected is cut off */

/* Is the program asked about tasks before they are ready? Now, or when it has answered about others? */
bool hooks_provide(const struct manager *m);
bool hooks_may_ask(const struct manager *m);

/* About a held task that waits for nothing more; false: it is not asked. */
bool hooks_ask(struct manager *m, task_id task);

/* Of an attempt that was sent. Nothing without hooks, as below. */
void hooks_tell_sent(struct manager *m, const struct placement *p);

/* Is the program asked about ends of attempts at all; about that one? */
bool hooks_collect(const struct manager *m);
bool hooks_want(const struct manager *m, const struct task_result *result);

/* An attempt has ended, and the program is asked what that means: until it answers, the task is held. */
void hooks_hold(struct manager *m, uint32_t worker, const struct done *done, const struct call_report *call);

/* The program may have given the task's function another payload. Only with hooks. */
void hooks_replace_payload(const struct manager *m, task_id task, struct text *payload);

void hooks_hear(struct manager *m); /* FD_HOOKS is readable */

/* Is there something that the end of the run waits for? */
bool hooks_are_awaited(const struct manager *m);

/* When that is over, because the allocation ends; INFINITY: not for that. */
double hooks_until_s(const struct manager *m);

/* When a hook that does not return is to be warned of, and doing so. */
double hooks_deadline_s(const struct manager *m);
void hooks_check_time(struct manager *m);

/* ---- manager_nodes.c ---- */

void nodes_open(struct manager *m);
void nodes_close(struct manager *m);
void nodes_hear_hello(struct manager *m, uint32_t worker, struct cursor *c);

/* Has every worker come that is still expected? What depends on who is here is decided then. */
bool nodes_are_all_here(const struct manager *m);

/* Those that have not come by now are not waited for. */
void nodes_stop_expecting(struct manager *m);

/* Starting waits until each task has a node that could hold it; that is decided when all are here. */
void nodes_check_placeable(struct manager *m);

/* The end of node.setup or node.teardown on a node. */
void nodes_hear_done(struct manager *m, uint32_t worker, const struct done *done);

/* Runs node.teardown on each node that was ready. A run that was told to end gives it little time. */
void nodes_begin_teardown(struct manager *m);
bool nodes_await_teardown(const struct manager *m, uint32_t worker); /* its node does, that is */
bool nodes_are_torn_down(struct manager *m);
double nodes_deadline_s(const struct manager *m);

/* How long a teardown may take in a run that was told to end. */
double nodes_hurried_teardown_s(const struct manager *m);

/* For manager_losses.c. */
struct node_entry *nodes_of(struct manager *m, uint32_t worker);
uint32_t nodes_find_worker_on(const struct manager *m, uint32_t node); /* one that is here; 0: none */
void nodes_send(struct manager *m, uint32_t worker, task_id what); /* setup or teardown, to one of its workers */
void nodes_refuse(struct manager *m, uint32_t node, const char *how); /* its setup failed: nothing will run there */
void nodes_end_wait(struct manager *m, struct node_entry *n); /* its teardown is waited for no longer */

/* ---- manager_losses.c ---- */

/* A worker is gone, or counts as gone: what it ran runs again. Never again is it used. `call`: the function that it was
 * running; TASK_NONE: none, or nobody knows. */
void losses_take(struct manager *m, uint32_t worker, task_id call, const char *why);
void losses_check_some_are_left(struct manager *m);

/* Of nodes other than ours: see core/fence.h. A message came from a worker; its leader saw another end; it asks. */
void losses_hear_of(struct manager *m, uint32_t worker);
void losses_hear_lost(struct manager *m, uint32_t leader, struct cursor *c);
void losses_hear_heartbeat(struct manager *m, uint32_t worker, struct cursor *c);

/* Something could not be sent to it: it is not heard any more, so that it leaves, and is given up in its time. */
void losses_cut(struct manager *m, uint32_t worker);

void losses_open(struct manager *m);

/* Gives up nodes that have been silent for too long; when to look next. */
void losses_look(struct manager *m);
double losses_deadline_s(const struct manager *m);
double losses_fence_s(const struct manager *m);

/* When a worker of a node that was set aside has nothing to do. */
void losses_retire(struct manager *m, uint32_t worker);

/* Ready tasks that only what is gone could have held fail. */
void losses_fail_unplaceable(struct manager *m);

/* ---- manager_holes.c ---- */

/* An attempt ended there. A node on which tasks fail as soon as they begin, while others end well elsewhere, would eat
 * the whole workflow: it is set aside. So is one that does that to the tasks of one program, of which a library is
 * missing there, say. */
void holes_note_end(struct manager *m, uint32_t node, task_id task, const struct task_result *result);
void holes_note_done(struct manager *m, uint32_t node, uint32_t n); /* so many functions that went well */
void holes_close(struct manager *m);

/* ---- manager_end.c ---- */

void end_open(struct manager *m);
void end_admit_node(struct manager *m, uint32_t node); /* it is ready */
void end_note_start(struct manager *m, const struct placement *p);
void end_hear(struct manager *m);      /* end_fd is readable */
void end_ask(const struct manager *m); /* it may have changed */

/* Does what is due: signals, ending what runs. */
void end_check(struct manager *m);

/* Is the first word of it still waited for? Before that nothing should start. */
bool end_is_awaited(const struct manager *m);

/* All that fits has been started: the run stops when nothing runs, and nothing that is left could end in time. */
void end_check_left(struct manager *m);
double end_deadline_s(const struct manager *m);

/* Was that attempt told that the end is near? Then it may end as it likes. */
bool end_has_signalled(const struct manager *m, uint32_t worker, task_id task, uint32_t attempt);

/* How many tasks the end of the allocation has left; 0: it did not stop the run. */
uint32_t end_n_left(const struct manager *m);

#endif
