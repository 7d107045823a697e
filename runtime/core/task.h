/* task: what is to be run, what it needs, and how it ended. Plain structs.
 *
 * Inside ganger a task is an index, `task_id`; its string id exists only at the two ends, in the
 * document and in the journal. A `struct task` never changes after its graph is sealed. */
#ifndef GANGER_CORE_TASK_H
#define GANGER_CORE_TASK_H

#include "base/end_signal.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t task_id;
#define TASK_NONE UINT32_MAX

/* So much of a named resource; see graph.h. */
struct task_amount
{
    uint32_t resource;
    uint32_t n;
};

/* What a task takes while it runs: of its node, of its queue, of the run. Equal requests are interned:
 * see graph.h. */
struct task_resources
{
    uint32_t cores;        /* slots of one node; at least 1 */
    uint32_t nodes;        /* above 1 is refused until built */
    uint32_t ranks;        /* of a parallel program; at least 1 */
    uint32_t gpus;         /* of its node */
    uint64_t memory_bytes; /* 0: not stated */
    uint32_t queue;        /* 0: the one without a name */
    uint32_t tokens;       /* of its queue's budget */
    uint32_t n_amounts;
    const struct task_amount *amounts; /* of named resources, ascending, none twice, none of 0 */
};

/* What holds for a task beside what it runs and takes. Interned: see graph.h. */
struct task_policy
{
    int32_t priority;  /* higher goes first, before anything else is looked at */
    uint32_t retries;  /* how often it may be tried again after it failed */
    double timeout_s;  /* of each attempt; 0: none */
    bool may_fail;     /* its failure counts as if it had ended well */
    struct end_signal end_signal; /* that it wants before TERM when its allocation ends, to save what it has */
};

/* Where and how a command runs. Interned: tasks made from one `for` share it if they can. Paths that are
 * relative start from `cwd`. Packed texts are each ended by a NUL. */
struct task_setting
{
    const char *cwd;      /* NULL: where `ganger run` was typed */
    const char *env;      /* n_env texts "NAME=VALUE" */
    uint32_t n_env;
    uint32_t n_env_bytes;
    const struct task_files *files; /* NULL: none, as for most tasks */
};

struct task_files
{
    const char *stdin_path;  /* NULL: /dev/null */
    const char *stdout_path; /* NULL: kept in the run directory; made, or emptied, by each attempt */
    const char *stderr_path; /* NULL: likewise; the same path as stdout's: both go to one open file */
    const char *inputs;      /* n_inputs paths that must be there before it starts */
    const char *outputs;     /* n_outputs paths that must be there when it has ended well */
    uint32_t n_inputs;
    uint32_t n_inputs_bytes;
    uint32_t n_outputs;
    uint32_t n_outputs_bytes;
};

/* Of a function. */
enum
{
    TASK_ISOLATE = 1, /* in a process of its own */
    TASK_KEEP = 2,    /* its result is recorded, however large it is */
};

struct task
{
    const char *id;   /* 1 to 255 bytes of UTF-8 */
    const char *argv; /* n_argv words, each ended by a NUL; NULL: a join; of a function: its payload, and a NUL */
    uint32_t n_argv;  /* 0: a join, which only gathers dependencies and runs nowhere; of a function: 1 */
    uint32_t n_argv_bytes; /* of a function: those of the payload, without the NUL */
    const struct task_setting *setting;
    uint64_t digest;         /* of the definition: command, stated environment, cwd, stdin, inputs */
    float cost_s;            /* expected run time; 0: not stated */
    uint32_t resource_class; /* index into the graph's resources */
    uint32_t policy;         /* index into the graph's policies */
    uint32_t program;        /* index into the graph's programs: what runs alike */
    uint16_t function;       /* index into the graph's functions; 0: a command, or a join */
    uint8_t flags;           /* TASK_ISOLATE, TASK_KEEP */
    uint8_t n_id_bytes;      /* set by graph_add_task; 255: so many, or more */
};

/* Not tasks of the graph, but sent and told of like them: what a workflow runs once on each node. */
#define TASK_SETUP (UINT32_MAX - 1)
#define TASK_TEARDOWN (UINT32_MAX - 2)

enum task_end
{
    TASK_EXITED,      /* code: the exit status */
    TASK_SIGNALLED,   /* code: the signal */
    TASK_NOT_STARTED, /* code: errno of the step that failed; `tail` says which */
    TASK_OUTPUT_LOST, /* it ended, but what it wrote could not be kept; code: errno; `tail` says why */
    TASK_CANCELLED,   /* ended by ganger, because the run ends; code: the signal, or 0 if it never ran */
    TASK_TIMED_OUT,   /* ended by ganger at its timeout; code: the signal that ended it, or 0 */
    TASK_INPUT_MISSING, /* not started: a declared input did not come; code: errno; `tail` names it */
    TASK_OUTPUT_MISSING, /* it ended well, but a declared output is not there; code: errno; `tail` names it */
    TASK_LOST,        /* its worker died, or its node; code: 0 */
    TASK_UNPLACEABLE, /* no node that is there could hold it; code: 0; `tail` says what it asks for */
    TASK_OUT_OF_MEMORY, /* it had more than it asked for, or than there was; code: the signal; `tail` says how much */
    TASK_OUTPUT_LIMIT, /* ended by ganger: it wrote more than a task may; code: the signal that ended it, or 0 */
    TASK_RETURNED,    /* a function failed; code: what it returned, 1 to 255; `tail` says why, or is empty */
    TASK_REFUSED,     /* the program says that it failed, however it ended; code: 0; `tail` says why, or is empty */
    N_TASK_ENDS,
};

#define TASK_TAIL_BYTES 2048

/* What a task's inputs contained when it ran, as one number (io/fingerprint.h); three of them mean something else. */
#define FINGERPRINT_NONE UINT64_C(0)   /* nobody asked, or it has no inputs */
#define FINGERPRINT_UNSURE UINT64_C(1) /* they changed meanwhile, or could not be read */
#define FINGERPRINT_ANY UINT64_C(2)    /* whatever they contain */

/* Does `tail` say why it failed, instead of what it wrote? */
static inline bool task_end_has_reason(enum task_end end)
{
    return end == TASK_NOT_STARTED || end == TASK_OUTPUT_LOST || end == TASK_INPUT_MISSING ||
           end == TASK_OUTPUT_MISSING || end == TASK_UNPLACEABLE || end == TASK_OUT_OF_MEMORY ||
           end == TASK_RETURNED || end == TASK_REFUSED;
}

/* How one attempt ended. Times are seconds on the manager's clock since the start of the epoch. */
struct task_result
{
    enum task_end end;
    int code;
    double start_s;
    double end_s;
    double cpu_s; /* user and system time of the task's processes that were waited for */
    double delay_s; /* of its run time, what it waited for a core that others used; 0: little, or not measured */
    uint64_t max_rss_bytes;
    uint64_t output_offset; /* its chunks lie from here in its node's output file, … */
    uint64_t output_bytes;  /* … within so many bytes, which may hold others' between; 0: it wrote nothing */
    uint64_t text_bytes;    /* what it wrote there itself, chunks' headers not counted */
    uint64_t fingerprint;   /* of its inputs, if it ended well */
    bool is_unchanged;      /* it was not run: its inputs have the fingerprint that was expected */
    const char *tail;       /* last bytes of its output when it failed; borrowed */
    uint32_t n_tail_bytes;  /* at most TASK_TAIL_BYTES */
};

/* How it ended, and what is said of that: a text ended by NUL, borrowed. Nothing else of it changes. */
static inline void task_result_set_end(struct task_result *r, enum task_end end, int code, const char *text)
{
    r->end = end;
    r->code = code;
    r->tail = text;
    r->n_tail_bytes = (uint32_t)strlen(text);
}

#endif
