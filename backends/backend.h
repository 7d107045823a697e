/* backend: where ranks come from. One constant table for each kind, listed in one array.
 *
 * A backend knows how to ask for what a group wants and what became of it. It knows nothing of workflows and
 * journals. docs/backends.md tells how to add one. */
#ifndef GANGER_BACKENDS_BACKEND_H
#define GANGER_BACKENDS_BACKEND_H

#include "backends/dialect.h"
#include "backends/group.h"
#include "backends/job.h"
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not for people: the command by which a launcher reaches nodes, `ganger reach-node HOST LINE`; see `reach`. */
#define REACH_COMMAND "reach-node"

/* What a batch system gave to the job in which this process runs. */
struct allocation
{
    const struct backend *backend; /* NULL: none, this is no job */
    char *job;
    char **hosts;         /* n_nodes of each */
    uint32_t *n_cpus;     /* as the batch system counts: hardware threads or cores */
    size_t n_nodes;
    uint64_t memory_bytes; /* on this node; 0: no limit is known */
    double end_s;          /* when it ends, seconds since 1970; INFINITY: never; NAN: it was not asked */
    uint32_t n_restarts;   /* how often the job was requeued */
    uint32_t n_idle_cpus;  /* of a part whose node an earlier part has as well: only the CPUs of that one count */
};

/* In what a job differs from what its script says: one of a chain of jobs that go on with the same run. */
struct job_terms
{
    const char *after;     /* it begins when this job has ended, in whatever way; NULL: need not wait */
    bool is_one_of_many;   /* all jobs of the chain are handed in at once, and must run one after another; then
                            * `after` is the one before this */
    const char *name;      /* of the job; NULL: as the script says */
    uint32_t n_nodes;      /* 0: as the script says */
    double runtime_s;      /* 0: as the script says */
};

/* All functions that ask a batch system are bounded in time. Those that a backend has no use for are NULL where
 * it says so. */
struct backend
{
    const char *name;
    const char *what;      /* in one line, for people */
    const char *title;     /* what the owner of a run directory calls its job: "Slurm"; NULL: it has none */
    const char *shell;     /* what a user types to get into a job: "srun --pty bash"; NULL: there are no jobs */
    const struct dialect *dialect; /* of its lines in a job script; NULL: it reads none */
    const char *templates; /* folder of its templates; NULL: it needs none */
    const char *script;    /* name of the script in the run directory */
    const char *job_in_log; /* how its script's log is named there; "%j" in it is the job's id, "%t" the token */

    /* Could it be used here and now? If not, why. */
    bool (*available)(struct ganger_error *why);

    /* The allocation that this process is in: 1; 0: in none of this kind. NULL: there is no such thing. */
    int (*describe)(struct allocation *a, struct ganger_error *err);

    /* Puts into the environment of this process what only the batch system knows of the allocation, so that
     * `describe` finds it, here and in the ranks. Asks once. NULL: the environment of a job says all. */
    void (*learn)(const struct allocation *a);

    /* Variables by which an MPI launcher learns that each node gets its workers, and the first one the manager
     * besides: "NAME=VALUE", or "NAME" to be removed; ended by NULL. The caller frees each and the array.
     * `n_workers` is by node; the variable named `forwarded` is to reach all ranks. A file that they name may
     * live in `*file_fd` (else -1), which the caller closes when the launcher has ended. NULL: there are no
     * allocations. */
    char **(*launch_variables)(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                               int *file_fd);

    /* Becomes the process that runs a line of shell on a node of the job, as ssh would be: for launchers that
     * launch_variables told to start their daemons so. Returns in failure alone. NULL: they know how to. */
    int (*reach)(const char *host, const char *line, struct ganger_error *err);

    /* Refuses, all reasons in one message, what can never be given. Fills in what it learns: the workers
     * wanted. Adds to `notes` what is worth saying all the same, a line for each. */
    int (*check)(const struct group *g, struct resource_set *set, struct buffer *notes, struct ganger_error *err);

    /* The directives that say what the group asks for, "--nodes=4"; of what it leaves open, nothing. NULL:
     * none. */
    void (*directives)(const struct group *g, const struct resource_set *set, struct text_list *list);

    /* Hands set->script in; does not wait for it to start. Sets job, or pid. When it fails, nothing was left
     * behind, or the message says what. `terms` count more than the script; NULL: none. */
    int (*request)(struct resource_set *set, const struct job_terms *terms, struct ganger_error *err);

    /* What became of it; JOB_UNKNOWN when the batch system does not know it. */
    int (*status)(const struct resource_set *set, struct job *job, struct ganger_error *err);

    /* Ends it, at whatever stage it is, and waits at most `limit_s` for its end. To be called any number of times:
     * what has ended is released. A set whose request failed half way is looked for by its token. */
    int (*release)(struct resource_set *set, double limit_s, struct ganger_error *err);

    /* Appends what its log says between the marks of the job script, last 4 KiB, and returns how the job
     * ended as far as the batch system knows: -1 when it does not. */
    int (*errors)(const struct resource_set *set, const struct job *job, struct buffer *text);

    /* The id of the job that this process is in; NULL: it is in none of this kind. The caller frees it. */
    char *(*find_job)(void);

    /* When will that job end, which this process is in? Seconds since 1970; INFINITY: never. It may be put off, or
     * brought forward: it is asked again, from a thread of its own, while others of these functions are at work.
     * NULL: nobody ends such jobs. */
    int (*find_end)(const char *job, double *end_s, struct ganger_error *err);

    /* May a job that was asked for like this hand in others? If not, why. To be asked where people log in.
     * NULL: it may. */
    bool (*may_chain)(const struct group *g, struct ganger_error *why);

    /* Puts the job that this process is in back into the queue, which ends it: the last thing to do. NULL: it
     * cannot. */
    int (*requeue)(const char *job, struct ganger_error *err);

    /* Tells a job to end and waits for nothing; one that is not there is no error. */
    int (*cancel)(const struct resource_set *set, struct ganger_error *err);

    /* Jobs of this user that are runs of ganger: waiting, running and as many past ones as it knows. NULL:
     * none. */
    int (*list)(struct job **jobs, size_t *n, struct ganger_error *err);
};

extern const struct backend backend_none, backend_thread, backend_local, backend_slurm, backend_pbs;

/* All of them, ended by NULL; the first available one that describes an allocation wins. */
extern const struct backend *const backends[];

/* The backend whose job this process is in, and its id, which the caller frees; NULL: it is in none. */
const struct backend *backend_find_job(char **job);

/* NULL, and an error that lists the names, when there is none of that name. */
const struct backend *backend_find(const char *name, struct ganger_error *err);

/* The marks between which a job's log is ours: what stands before is of the site's prologue and modules. */
#define BACKEND_LOG_BEGINS "--- ganger: the job begins"
#define BACKEND_LOG_ENDS "--- ganger: the job ends"

/* What stands between the last pair of marks (the end of the file is as good as the second); at most the
 * last `n_most` bytes, from the start of a line. Nothing when there is no such file. */
void backend_read_log(const char *path, size_t n_most, struct buffer *text);

/* Draws what a resource set's job is found by, 16 hexadecimal digits. The caller frees it. */
char *backend_draw_token(void);

#endif
