/* task: what is to be run, what it needs, and how it ended. Plain structs.
 *
 * Inside ganger a task is an index, `task_id`; its string id exists only at the two ends, in the
 * document and in the journal. A `struct task` never changes after its graph is sealed. */
#ifndef GANGER_CORE_TASK_H
#define GANGER_CORE_TASK_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t task_id;
#define TASK_NONE UINT32_MAX

/* What a task takes from one node while it runs. Equal requests are interned: see graph.h. */
struct task_resources
{
    uint32_t cores;        /* slots of one node; at least 1 */
    uint32_t nodes;        /* above 1 is refused until built */
    uint32_t ranks;        /* of a parallel program; at least 1 */
    uint64_t memory_bytes; /* 0: not stated */
};

/* Where and how a command runs. Interned: tasks made from one `for` share it. */
struct task_setting
{
    const char *cwd;      /* NULL: where `ganger run` was typed */
    const char *env;      /* n_env texts "NAME=VALUE", each ended by a NUL */
    uint32_t n_env;
    uint32_t n_env_bytes;
};

struct task
{
    const char *id;   /* 1 to 255 bytes of UTF-8 */
    const char *argv; /* n_argv words, each ended by a NUL; NULL: a join */
    uint32_t n_argv;  /* 0: a join, which only gathers dependencies and runs nowhere */
    uint32_t n_argv_bytes;
    const struct task_setting *setting;
    uint64_t digest;         /* of the definition: command, stated environment, cwd */
    float cost_s;            /* expected run time; 0: not stated */
    uint32_t resource_class; /* index into the graph's resources */
};

enum task_end
{
    TASK_EXITED,      /* code: the exit status */
    TASK_SIGNALLED,   /* code: the signal */
    TASK_NOT_STARTED, /* code: errno of the step that failed; `tail` says which */
    TASK_OUTPUT_LOST, /* it ended, but what it wrote could not be kept; code: errno; `tail` says why */
    TASK_CANCELLED,   /* ended by ganger, because the run ends; code: the signal, or 0 if it never ran */
};

#define TASK_TAIL_BYTES 2048

/* Does `tail` say why it failed, instead of what it wrote? */
static inline bool task_end_has_reason(enum task_end end)
{
    return end == TASK_NOT_STARTED || end == TASK_OUTPUT_LOST;
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
    uint64_t output_offset; /* where its chunks lie in its worker's output file */
    uint64_t output_bytes;  /* 0: it wrote nothing */
    const char *tail;       /* last bytes of its output when it failed; borrowed */
    uint32_t n_tail_bytes;  /* at most TASK_TAIL_BYTES */
};

#endif
