/* ganger.h: C functions as tasks.
 *
 * A program that calls ganger_main becomes a ganger: it has all of its commands (`run`, `check`, `logs`, ...),
 * and its workflows may ask for the functions that it registers, beside commands:
 *
 *     static int square(struct ganger_call *call)
 *     {
 *         size_t n;
 *         const char *payload = ganger_call_payload(call, &n);
 *
 *         return ganger_call_printf(call, "%d", atoi(payload) * atoi(payload)) < 0;
 *     }
 *
 *     static const struct ganger_function functions[] = {{"square", square, 0}, {0}};
 *
 *     int main(int argc, char **argv)
 *     {
 *         return ganger_main(argc, argv, functions);
 *     }
 *
 *     $ cc -o prog prog.c $(pkg-config --cflags --libs ganger)
 *     $ echo '{"tasks": [{"id": "a", "function": "square", "input": 7}]}' >flow.json
 *     $ ./prog run flow.json                        # starts mpirun on itself: a manager, and a worker on each core
 *     $ ./prog run flow.json --backend thread       # the same in one process; --backend none: for a debugger
 *
 * A program may also build its workflow in C and look at the results: see struct ganger_program.
 *
 * Conventions of all that follows. Times are seconds, as double. Sizes are bytes. Texts are UTF-8, ended by a NUL.
 * Structs that are set to zero stand for the defaults; initialise them by name, since fields may be added at their
 * end. What a function takes is copied unless it says that it *borrows*; pointers that it returns are borrowed, for
 * as long as it says. Running out of memory ends the process, after the journal is written. There are no globals:
 * whatever a function needs comes with its arguments.
 *
 * Threads and ranks. Under mpirun each worker is a process; rank 0 is the manager. With `--backend thread` all are
 * threads of one process. Functions run on workers, one at a time on each, on any thread of the worker: on the one
 * that talks with the manager when they are known to be short, else on one beside it. They may not call MPI
 * (ganger_mpi.h), and should leave signal handlers and the working directory alone. Functions of two workers run
 * at the same time: with `--backend thread` in one address space. A function may start threads, which must have
 * ended when it returns; what is said of one call (ganger_call_…), by one of them at a time. The callbacks of
 * struct ganger_program run on the manager's rank, on the first thread of its process (with `--backend none`,
 * where functions have that, on another one); hooks, on a thread of their own there.
 *
 * Processes. `main` runs in the one that was started by hand, under mpirun in that of each rank, and for each
 * isolated function in one more: what it does before ganger_main, all of them do. Ranks under mpirun as a rule end
 * inside of ganger_main, by _exit, when what stdio holds was written: what stands behind it, and what was given to
 * atexit, is run for sure in the first one alone. While a run goes on its processes block INT, TERM, HUP, USR1,
 * USR2 and CONT, which ganger reads, and ignore SIGPIPE and SIGXFSZ.
 *
 * What a function prints goes where its worker's standard output and standard error go: to those of `prog run`, as it
 * comes, those of several workers mixed, and it is not kept. That of an isolated one is kept in the run directory as a
 * command's is: `prog logs` shows it, by task and attempt. Return what is to be found again, or isolate.
 *
 * A function runs at least once. Its result is recorded once; but one that had begun when its worker, or the whole
 * run, died runs again. */
#ifndef GANGER_GANGER_H
#define GANGER_GANGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GANGER_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define GANGER_API __attribute__((visibility("default")))
#else
#define GANGER_PRINTF(format_at, args_at)
#define GANGER_API
#endif

/* The largest result of a function, and the largest payload, in bytes. Larger ones are refused: a result by failing
 * the task, a payload when the workflow is built. Put into files what is larger. */
#define GANGER_RESULT_MAX 65536
#define GANGER_PAYLOAD_MAX (1 << 24)

/* "0.2.0": the version of the library that is linked. */
GANGER_API const char *ganger_version(void);

/* ---- functions ---- */

/* One attempt of a task while it runs: valid during the call only, and so are all pointers that it gives. Where a size
 * or a count is given by a pointer (`n_bytes`, `n`), that may not be NULL, here and below. */
struct ganger_call;

/* Returns 0 when all went well; any other value makes the task fail with it as its status (as far as it fits into
 * 1 to 255, else 255). A failed task has no result. */
typedef int ganger_function_body(struct ganger_call *call);

/* Always in a process of its own: it may crash, leak, or be killed at its timeout, or because it holds more memory
 * than its task states, without harm to its worker. Costs the start of a process for each call. A task can ask for it,
 * too ("isolate": true). */
#define GANGER_ISOLATE 1u

struct ganger_function
{
    const char *name; /* 1 to 255 bytes without control characters; NULL ends the list */
    ganger_function_body *body;
    unsigned flags;   /* GANGER_ISOLATE, or 0 */
};

/* The task's payload: what was given when the workflow was built; of a workflow file, the JSON text of "input",
 * without blanks and with the keys of objects in the order of the file. Followed by a NUL that is not counted. Never
 * NULL; empty when there is none. */
GANGER_API const void *ganger_call_payload(const struct ganger_call *call, size_t *n_bytes);

/* The task's dependencies, in the order in which they were declared, each once; those of a wildcard stand where it
 * stood, in the order of the workflow. */
GANGER_API size_t ganger_call_n_dependencies(const struct ganger_call *call);

/* The result of a dependency, counted from 0. Followed by a NUL that is not counted, and aligned for any type. NULL
 * and *n_bytes = 0 when it has none: it is a command, it failed (and that was no reason to skip this task), or there
 * is no such dependency. A function that returned nothing has an empty result. */
GANGER_API const void *ganger_call_dependency(const struct ganger_call *call, size_t i, size_t *n_bytes);

/* The result of this call becomes a copy of these bytes, in place of what it was before, of which they may be a
 * part. -1 when they are more than GANGER_RESULT_MAX: then the task fails, whatever the function returns, and the
 * message says why. */
GANGER_API int ganger_call_return(struct ganger_call *call, const void *bytes, size_t n_bytes);

/* The same without a copy: room for a result of so many bytes, to be written before the function returns; zeros.
 * NULL when it is too large. */
GANGER_API void *ganger_call_reserve(struct ganger_call *call, size_t n_bytes);

/* Appends text to the result. -1 when it becomes too large. */
GANGER_API int ganger_call_printf(struct ganger_call *call, const char *format, ...) GANGER_PRINTF(2, 3);

/* Says why this call fails: shown to the user, kept in the journal, cut off at 2 KiB. Returns 1, so that
 * `return ganger_call_fail(call, "...")` fails. The first text counts. */
GANGER_API int ganger_call_fail(struct ganger_call *call, const char *format, ...) GANGER_PRINTF(2, 3);

GANGER_API const char *ganger_call_id(const struct ganger_call *call);         /* of its task */
GANGER_API uint32_t ganger_call_attempt(const struct ganger_call *call);       /* from 1 */
GANGER_API uint32_t ganger_call_worker(const struct ganger_call *call);        /* from 1: the rank */
GANGER_API uint32_t ganger_call_slot(const struct ganger_call *call);          /* of its worker: of the node, from 0 */

/* What its task holds while it runs: so many cores as it asked for, and the slots that these are, ascending. The thread
 * that runs it is bound to all of them, and so are those that it starts. (Threads that a library keeps for later calls
 * stay where they were: a call that holds other cores than the one before it gets a new thread, and so, as a rule, new
 * ones of OpenMP.) */
GANGER_API uint32_t ganger_call_n_cores(const struct ganger_call *call);
GANGER_API const uint16_t *ganger_call_slots(const struct ganger_call *call, uint32_t *n);

/* The ids of the GPUs that it holds, counted from 0, as a command finds them in GANGER_GPUS: a number, a UUID, or a
 * part of a GPU. NULL: there are not so many. The environment, which is the whole process's, says nothing of them but
 * to an isolated function; that finds all variables of a command (docs/workflow-format.md). */
GANGER_API uint32_t ganger_call_n_gpus(const struct ganger_call *call);
GANGER_API const char *ganger_call_gpu(const struct ganger_call *call, uint32_t i);

/* The `data` of this process's struct ganger_program; NULL without one. */
GANGER_API void *ganger_call_data(const struct ganger_call *call);

/* A running function may add tasks: see ganger_call_add, below. */

/* ---- a workflow built in C ---- */

/* Being built: valid during the call of `build` (or see ganger_workflow_new). Errors are kept in it: the first one
 * counts, makes what comes after do nothing, and is reported when `build` has returned. So calls need not be checked
 * one by one. */
struct ganger_workflow;

/* A task of a workflow: numbered from 0 as they are added. */
typedef uint32_t ganger_task_number;
#define GANGER_NO_TASK UINT32_MAX

/* When a dependency is met. */
enum ganger_condition
{
    GANGER_ON_OK,    /* it ended well */
    GANGER_ON_ANY,   /* it ended, or will not run */
    GANGER_ON_NOTOK, /* it failed, or was skipped for a failure */
};

struct ganger_amount
{
    const char *resource; /* see ganger_workflow_add_resource; NULL ends the list */
    uint32_t n;
};

/* What a task may state; the words of workflow files (docs/workflow-format.md). */
struct ganger_task
{
    const char *id;             /* unique, 1 to 255 bytes, none of *?{}; NULL: "task-N", N being its number */
    const char *function;       /* name of a registered one; or */
    const char *const *command; /* words, ended by NULL */
    const void *payload;        /* of a function */
    size_t n_payload_bytes;
    const ganger_task_number *after; /* it waits until these have ended well; a function gets their results */
    size_t n_after;
    bool isolate;               /* see GANGER_ISOLATE */
    bool keep;                  /* its result is in the journal even if it has more than 4 KiB: `--resume` needs not
                                   run it again for the sake of its dependants */
    bool may_fail;
    uint32_t cores;             /* of one node; 0: one */
    uint32_t gpus;
    uint64_t memory_bytes;      /* 0: not stated. A command or an isolated function that holds more is killed, and has
                                   failed (run --memory-limit, docs/limits.md). One that runs in its worker is not held
                                   to it, since nobody can tell its memory from what else is in that process: there it
                                   only decides where it has room */
    const struct ganger_amount *amounts; /* NULL: none */
    const char *queue;          /* NULL: none */
    uint32_t tokens;            /* of its queue; 0: one */
    int32_t priority;
    uint32_t retries;
    double timeout_s;           /* of each attempt; 0: none */
    double cost_s;              /* expected run time; 0: not stated */
    const char *program;        /* tasks of one program are expected to run alike; NULL: its function or command */
    const char *cwd;            /* of a command; NULL: where the run was started */
    const char *const *env;     /* of a command: "NAME=VALUE", ended by NULL; NULL: none of its own */
    const char *const *after_ids; /* likewise, after those of `after`, by their ids; ended by NULL; NULL: none */
    const enum ganger_condition *after_on; /* when each of `after` is met; NULL: when they have ended well */
    const enum ganger_condition *after_ids_on; /* likewise of `after_ids` */
};

/* GANGER_NO_TASK on an error. */
GANGER_API ganger_task_number ganger_workflow_add(struct ganger_workflow *w, const struct ganger_task *task);

/* `child` waits for `parent`, too: after those that it waits for already. */
GANGER_API void ganger_workflow_add_dependency(struct ganger_workflow *w, ganger_task_number parent,
                                               ganger_task_number child, enum ganger_condition on);

/* Before tasks that use them. A queue has a budget of tokens (0: none); in a strict one nothing passes a task that
 * does not fit. */
GANGER_API void ganger_workflow_add_queue(struct ganger_workflow *w, const char *name, uint32_t tokens, bool is_strict);

/* So much there is of it, of the run or of each node. */
GANGER_API void ganger_workflow_add_resource(struct ganger_workflow *w, const char *name, uint32_t n,
                                             bool is_per_node);

GANGER_API uint32_t ganger_workflow_n_tasks(const struct ganger_workflow *w);

/* GANGER_NO_TASK when there is none. */
GANGER_API ganger_task_number ganger_workflow_find(const struct ganger_workflow *w, const char *id);

/* NULL when there is no such task, or it was pruned. Good as long as the workflow is. */
GANGER_API const char *ganger_workflow_id(const struct ganger_workflow *w, ganger_task_number task);

/* Refuses the workflow, for the reason given, unless it is refused already. Returns -1. */
GANGER_API int ganger_workflow_refuse(struct ganger_workflow *w, const char *format, ...) GANGER_PRINTF(2, 3);

/* NULL, or why it is refused. */
GANGER_API const char *ganger_workflow_error(const struct ganger_workflow *w);

/* ---- tasks that are added while the run goes on ----
 *
 * A function may add tasks, which the run then has like those of its workflow: they are counted, recorded in the
 * journal before they can start, run by `--resume`, and may add others. They are added when the call has ended well,
 * all of them; a call that fails, or is lost with its worker, has added nothing, so that trying again adds nothing
 * twice.
 *
 * Numbers are of this call: 0 is the first task that it added. An added task waits for
 *  - tasks that this call added before it, by number (`after`);
 *  - the task that adds it, which has ended by then: GANGER_THIS_CALL in `after` gives it this call's result;
 *  - any task that there is by then, by id (`after_ids`), whether it has ended or not: if that failed, it is skipped.
 *    Of a function that nothing waits for any more the result is gone, unless the task says `keep`: to ask for it then
 *    fails the adding task.
 * Each on a condition, if it says so (`after_on`, `after_ids_on`): what is added may mend things when another task
 * fails, or go on whatever becomes of it. Only the task that adds it has always ended well by then.
 * Nothing that was there before can be made to wait for what is added, so that no cycle can arise. Let an added task be
 * the one that goes on: see examples/fit.
 *
 * `id` NULL stands for "ID.N": ID is that of this task, N the number. Give ids that follow from what the task is to
 * do: after a run that was cut off, `--resume` may run the call again, and what it adds then, if it has the same id and
 * definition as what it had added before, is that. Any other id that is taken fails the task that adds it; so do a
 * function that is not registered, a dependency, queue or resource that there is not, a payload of more than
 * GANGER_RESULT_MAX, and more than 16 MiB in all. The reason is what the task fails with; none of its tasks is
 * added. What no node could hold is added, and fails by itself. Where a hook `collect` is asked, tasks are added when
 * that has said that this one is done, and it may add others itself, for commands as well: ganger_hook_add. */

/* In `after`: the task that this call runs, or that the hook is asked about. */
#define GANGER_THIS_CALL (UINT32_MAX - 1)

/* GANGER_NO_TASK when it is refused, which fails the call. All is copied. Costs about a microsecond. */
GANGER_API ganger_task_number ganger_call_add(struct ganger_call *call, const struct ganger_task *task);

/* ---- changing a workflow that is built in C, and asking about it ----
 *
 * During the call of `build`; of a refused workflow they change nothing and find nothing. A number that is no task, or
 * that of one which was pruned, refuses the workflow. Numbers of tasks stay as they are while it is built, whatever is
 * taken out; in the run there are no gaps: find tasks there by their ids. Beside ganger_workflow_update, which costs
 * about a microsecond for each dependency in whatever order they come, each costs what it looks at: at most O(tasks +
 * dependencies). Once one of these was called, a dependency that makes a cycle refuses the workflow as it is added.
 * What has come of it, `prog graph` draws: as text, or for Graphviz (--dot). */

enum ganger_direction
{
    GANGER_BACK, /* to what a task waits for */
    GANGER_FORTH, /* to what waits for it */
};

/* `task` waits for these as well, after those that it waits for already: on[i] says when after[i] is met; `on`
 * NULL: when they have ended well. What it waits for on that condition is not said twice, and nothing is taken
 * away: if it waits for that task on another one, both must be met. Where that would make a cycle, it returns -1
 * and none of them is added; the workflow is not refused. `why` (n_why bytes; may be NULL) then holds a sentence
 * with a shortest cycle. */
GANGER_API int ganger_workflow_update(struct ganger_workflow *w, ganger_task_number task,
                                      const ganger_task_number *after, const enum ganger_condition *on,
                                      size_t n_after, char *why, size_t n_why);

/* A workflow beside the one of `build`: a part that can be built, changed and asked alone, to be merged into that.
 * Valid until it is freed, and it never runs by itself. */
GANGER_API struct ganger_workflow *ganger_workflow_new(void);
GANGER_API void ganger_workflow_free(struct ganger_workflow *w); /* takes NULL; not for the one of `build` */

/* Union: `w` gets all tasks, dependencies, queues, resources and tags of `other`, which stays as it is. A task, queue
 * or resource whose name both have is one, if both say the same of it; a task that was pruned from `w` comes back. It
 * waits first for what it waits for in `w`, then for what `other` adds; tags are those of `w`, where it has some. A
 * task without an id of its own is nobody else's: it gets a new number, and is called by that.
 *
 * Returns -1, and nothing is changed, where both say something else of one name, or together would make a cycle; `w`
 * is not refused. `why` (n_why bytes; may be NULL) then holds a sentence that names the task and what differs, or a
 * shortest cycle; the search for that ends, in unions of many thousands of tasks that are cyclic all over, with the
 * shortest so far. Only if `other` is refused, `w` is, too. O(both).
 *
 * numbers[t] (ganger_workflow_n_tasks(other) elements; may be NULL) becomes the number in `w` of task t of `other`;
 * GANGER_NO_TASK: it was pruned there. */
GANGER_API int ganger_workflow_merge(struct ganger_workflow *w, struct ganger_workflow *other,
                                     ganger_task_number *numbers, char *why, size_t n_why);

/* Takes these tasks out. What waited for one waits, in its place, for what that waited for; of two conditions on the
 * way, the one that is not GANGER_ON_OK counts. In one call, please, not one by one. */
GANGER_API void ganger_workflow_prune(struct ganger_workflow *w, const ganger_task_number *tasks, size_t n);

/* Takes out all but these tasks and what they need: all that they wait for, and so on. */
GANGER_API void ganger_workflow_keep(struct ganger_workflow *w, const ganger_task_number *tasks, size_t n);

/* Each dependency the other way: what waited is waited for. */
GANGER_API void ganger_workflow_reverse(struct ganger_workflow *w);

/* The closure: sets reached[n] for `task` and for all tasks n that can be reached from it; leaves the others. `reached`
 * has ganger_workflow_n_tasks elements. What is set already is not looked at again. */
GANGER_API void ganger_workflow_reach(struct ganger_workflow *w, ganger_task_number task, enum ganger_direction to,
                                      bool *reached);

/* A path with the fewest dependencies from a task to one that waits for it, directly or not; both ends are on it.
 * Writes the first n_most of it, and returns how many tasks it has; 0: there is none. */
GANGER_API size_t ganger_workflow_find_path(struct ganger_workflow *w, ganger_task_number from, ganger_task_number to,
                                            ganger_task_number *path, size_t n_most);

/* A tag marks a task; NULL takes it away. It means nothing to the run. */
GANGER_API void ganger_workflow_set_tag(struct ganger_workflow *w, ganger_task_number task, const char *tag);

/* NULL when it has none. Good until the workflow is changed. */
GANGER_API const char *ganger_workflow_tag(struct ganger_workflow *w, ganger_task_number task);

/* A tagged task, and how many dependencies away it is. */
struct ganger_context
{
    ganger_task_number task;
    uint32_t distance;
};

/* The context of a task: what is tagged and can be reached from it without passing another tagged task, the nearest
 * first; of those equally near, what was added first. So the first one is the tag that governs the task. A tagged
 * task is its own context, alone. Writes the first n_most, and returns how many these are. */
GANGER_API size_t ganger_workflow_find_context(struct ganger_workflow *w, ganger_task_number task,
                                               enum ganger_direction to, struct ganger_context *context,
                                               size_t n_most);

/* ---- a run that is over ---- */

/* Valid during the call of `finished`. */
struct ganger_run;

enum ganger_status
{
    GANGER_DONE,
    GANGER_FAILED,
    GANGER_SKIPPED,    /* for a failure of something that it waited for */
    GANGER_NOT_NEEDED, /* it waited to see something fail, which ended well */
    GANGER_NOT_RUN,    /* the run ended before */
};

/* Those that were added are among them. A wildcard that several tasks of a workflow file wait by may have a number,
 * too, and stands for no task: its id is "". Of a number that there is not, that is so as well, and GANGER_NOT_RUN. */
GANGER_API uint32_t ganger_run_n_tasks(const struct ganger_run *run);
GANGER_API ganger_task_number ganger_run_find(const struct ganger_run *run, const char *id); /* GANGER_NO_TASK: none */
GANGER_API const char *ganger_run_id(const struct ganger_run *run, ganger_task_number task);
GANGER_API enum ganger_status ganger_run_status(const struct ganger_run *run, ganger_task_number task);

/* The result of a function that is done, aligned for any type and followed by a NUL that is not counted; NULL when
 * there is none. Results that other tasks wait for are dropped when the last of these has ended, unless the task says
 * `keep`. */
GANGER_API const void *ganger_run_result(const struct ganger_run *run, ganger_task_number task, size_t *n_bytes);

/* From the first task that was sent to the last that ended; 0 when nothing ran. */
GANGER_API double ganger_run_makespan_s(const struct ganger_run *run);

GANGER_API uint32_t ganger_run_n_workers(const struct ganger_run *run);

/* The exit status that the run has so far: 0 all well, 1 tasks failed, ... (see `prog help run`). */
GANGER_API int ganger_run_exit_status(const struct ganger_run *run);

/* ---- hooks ----
 *
 * What a program wants to be asked or told of each task, command or function, while the run goes on: four members of
 * struct ganger_program. They run on the manager's rank, on one thread of their own, one at a time, in the order in
 * which things happened; with every backend. So they may take their time: only what waits for their answer waits, and
 * neither starts, deadlines nor clocks of other tasks. They may not call MPI.
 *
 * For one task: `provide`, `started`, the attempt, its slots are free, `collect`, then what waits for it may start, and
 * `task_finished` is told. While a hook has not returned, its task is not done: what waits for it waits. A hook that
 * does not return is warned of after a minute; a run that is told to end (INT, TERM, the end of the allocation) waits
 * for hooks no longer than for tasks, and at a second INT not at all: what it leaves alone may still run while the
 * program ends.
 *
 * How often. In one run `provide` is asked once for each task, and `collect` once for each attempt that ended,
 * wherever that was, and whatever becomes of its worker after that; never about an attempt that was cut off or
 * lost. An answer that the run has lived to hear counts, also while it is being told to end: none of that task's
 * hooks is called again on `--resume`. What was not answered by then, or was answered by GANGER_ANSWER_AGAIN, is
 * not done: `--resume` runs the task again from the start, with a new `provide`, attempts that count from 1, and a
 * new `collect`. So a program may be asked twice about one task if it was killed, or its node died, before the
 * answer was in the journal, where it is within 10 ms, and on the disk within a second: let what `collect` does
 * bear to be done again.
 *
 * None is called for tasks that an earlier run has done (`--resume`), or for what is skipped because something that it
 * waits for failed, of which only `task_finished` is told. */

/* What a hook is told, and how it answers. Valid during the call; so are all pointers that it gives. */
struct ganger_hook;

enum ganger_answer
{
    GANGER_GO_ON,             /* provide: it runs. collect: the attempt counts as it ended */
    GANGER_ANSWER_DONE,       /* it is done. provide: without running */
    GANGER_ANSWER_FAILED,     /* it failed: see ganger_hook_fail. An attempt is tried again, if `retries` allow */
    GANGER_ANSWER_AGAIN,      /* collect only: it runs again, with its priority, and no retry is spent */
    GANGER_ANSWER_NOT_NEEDED, /* not after an attempt: it is not needed, nor what waits for it to end well */
};

/* How often GANGER_ANSWER_AGAIN runs a task again, if struct ganger_program does not say: then it has failed. */
#define GANGER_AGAIN_MAX 100

enum ganger_end
{
    GANGER_NEVER_RAN, /* before the first attempt; or the program said that it was not to run */
    GANGER_EXITED,    /* a command ended, a function returned: the code is the status */
    GANGER_SIGNALLED, /* the code is the signal */
    GANGER_TIMED_OUT,
    GANGER_ENDED_OTHERWISE, /* it could not be started, a file is missing, it needed too much, …: the text says it */
};

/* Of the task: its number in the graph that runs, by which ganger_run_id and the like know it, and its id. */
GANGER_API ganger_task_number ganger_hook_task(const struct ganger_hook *hook);
GANGER_API const char *ganger_hook_id(const struct ganger_hook *hook);
GANGER_API bool ganger_hook_is_function(const struct ganger_hook *hook);

/* Of the attempt: its number, from 1, and where it runs or ran; 0 and "" before it is sent. The slots of the node are
 * numbered from 0, ascending. */
GANGER_API uint32_t ganger_hook_attempt(const struct ganger_hook *hook);
GANGER_API uint32_t ganger_hook_worker(const struct ganger_hook *hook);
GANGER_API uint32_t ganger_hook_node(const struct ganger_hook *hook);
GANGER_API const char *ganger_hook_host(const struct ganger_hook *hook);
GANGER_API const uint16_t *ganger_hook_slots(const struct ganger_hook *hook, uint32_t *n);

/* What the task waits for, in the order in which it was declared, those of a wildcard where it stood: for `provide`. */
GANGER_API size_t ganger_hook_n_dependencies(const struct ganger_hook *hook);
GANGER_API ganger_task_number ganger_hook_dependency(const struct ganger_hook *hook, size_t i);
GANGER_API enum ganger_status ganger_hook_dependency_status(const struct ganger_hook *hook, size_t i);

/* As ganger_call_dependency gives it. */
GANGER_API const void *ganger_hook_dependency_result(const struct ganger_hook *hook, size_t i, size_t *n_bytes);

/* How the attempt ended, for `collect` and, of the last one, `task_finished`. Seconds since the run began, 0 when it
 * never ran. The text is the end of what a failed command wrote, up to 2 KiB, or why it or a function failed. */
GANGER_API enum ganger_end ganger_hook_end(const struct ganger_hook *hook);
GANGER_API int ganger_hook_code(const struct ganger_hook *hook);
GANGER_API const char *ganger_hook_text(const struct ganger_hook *hook);
GANGER_API double ganger_hook_start_s(const struct ganger_hook *hook);
GANGER_API double ganger_hook_end_s(const struct ganger_hook *hook);

/* What its function returned, for `collect`: as ganger_call_dependency gives it. */
GANGER_API const void *ganger_hook_result(const struct ganger_hook *hook, size_t *n_bytes);

/* For `task_finished`: GANGER_NOT_RUN when it was cut off because the run ends. */
GANGER_API enum ganger_status ganger_hook_status(const struct ganger_hook *hook);

/* The function's payload becomes a copy of these bytes: in `provide` for all its attempts, in `collect` for those that
 * follow, in this run. It is no part of the task's definition: `--resume` does not run again what is done, whatever
 * `provide` would give now. -1 when the task is a command, or they are more than GANGER_PAYLOAD_MAX. */
GANGER_API int ganger_hook_set_payload(struct ganger_hook *hook, const void *bytes, size_t n_bytes);

/* The function's result becomes a copy of these bytes, if the answer makes it done. -1 when the task is a command, or
 * they are more than GANGER_RESULT_MAX. */
GANGER_API int ganger_hook_set_result(struct ganger_hook *hook, const void *bytes, size_t n_bytes);

/* In `collect`: adds a task, as ganger_call_add does, if the answer makes the task of the hook done. Its number is that
 * among those which this call of the hook adds; without an id of its own it counts on from what the function added.
 * GANGER_NO_TASK when it is refused, which fails the task, whatever is answered; and in other hooks. */
GANGER_API ganger_task_number ganger_hook_add(struct ganger_hook *hook, const struct ganger_task *task);

/* Says why it failed: shown to the user, kept in the journal, cut off at 2 KiB. Returns GANGER_ANSWER_FAILED. */
GANGER_API int ganger_hook_fail(struct ganger_hook *hook, const char *format, ...) GANGER_PRINTF(2, 3);

/* ---- programs ---- */

struct ganger_program
{
    const struct ganger_function *functions; /* ended by one without a name; borrowed for good */

    /* Builds the workflow when the command line names none: `prog run [OPTION]... [-- WORD...]`; then the run
     * directory is PROG.run unless --run-dir says otherwise. `argc` and `argv` are what stands behind "--", with the
     * program's name in front. Must add the same tasks whenever it is called with the same words: `run` calls it on
     * the manager's rank, and so do `check`, `graph`, `verify` and `run --resume`. Returns 0, or -1 after
     * ganger_workflow_refuse. NULL: a file must be named. */
    int (*build)(struct ganger_workflow *w, int argc, char **argv, void *data);

    /* Called on the manager's rank, on its thread, when nothing runs any more and the journal is written, before
     * the summary is printed. What it returns, if it is not 0, becomes the exit status of a run that ended well. */
    int (*finished)(const struct ganger_run *run, void *data);

    void *data; /* given to each callback, and by ganger_call_data to functions: each process has its own */

    /* Hooks, see above; also for workflows that come from a file. NULL: not wanted, and then they cost nothing. */

    /* A task waits for nothing more, and has not been given to a worker: once for each task. May give its function a
     * payload (ganger_hook_set_payload), or say that it is not to run, and how it counts then; in that case, too,
     * `collect` is asked, and its answer, unless it is GANGER_GO_ON, is the one that counts. Returns an enum
     * ganger_answer. */
    int (*provide)(struct ganger_hook *hook, void *data);

    /* An attempt was sent to a worker, where it starts, at the latest when what that has to do before has ended. A
     * worker may give back what it has not begun: then the same attempt is told again. */
    void (*started)(struct ganger_hook *hook, void *data);

    /* An attempt ended, well or not, but not because its worker was lost or the run was told to end. Returns an enum
     * ganger_answer. */
    int (*collect)(struct ganger_hook *hook, void *data);

    /* The task will not run any more in this run; told once. (`finished` is told of the whole run's end, later.) */
    void (*task_finished)(struct ganger_hook *hook, void *data);

    /* How often GANGER_ANSWER_AGAIN may run one task again, up to 65535; 0: GANGER_AGAIN_MAX. */
    uint32_t again_max;
};

/* The whole program: does what the command line says, and returns the exit status. To be called by `main` first thing,
 * on all ranks alike, with the same functions: what a rank has is compared, and a difference refused. `functions` is
 * ended by one without a name. */
GANGER_API int ganger_main(int argc, char **argv, const struct ganger_function *functions);

/* The same for a program that builds workflows or has other callbacks. */
GANGER_API int ganger_program_main(int argc, char **argv, const struct ganger_program *program);

/* ---- plugins ---- */

/* A shared object that is named by --plugin FILE (of ganger, or of any program of ganger_main) brings functions when it
 * defines this, ended by one without a name. It is loaded on every rank. */
GANGER_API extern const struct ganger_function ganger_plugin_functions[];

#ifdef __cplusplus
}
#endif

#endif
