/* manager: the loop of rank 0.
 *
 * Start what fits; wait for one thing; tell the scheduler. What happens goes out as events. */
#ifndef GANGER_MANAGER_H
#define GANGER_MANAGER_H

#include "base/error.h"
#include "core/event.h"
#include "core/graph.h"
#include "core/hook.h"
#include "core/registry.h"
#include "core/results.h"
#include "core/reuse.h"
#include "io/comm.h"
#include "io/journal.h"
#include "io/progress.h"

#include <stdbool.h>
#include <stddef.h>

struct manager_options /* all borrowed */
{
    struct comm *comm;
    struct graph *graph;              /* sealed; functions may add tasks to it */
    struct reuse *reuse;              /* tasks that may turn out to be done; NULL: none, and inputs are not looked at */
    const bool *is_done;              /* n_tasks elements: done in an earlier epoch; NULL: none */
    const float *ran_s;               /* n_tasks elements: how long they took, or, negative, had run when they were cut
                                       * off; 0: not known. NULL: nothing is */
    const struct event_sinks *sinks;
    struct journal *journal;          /* asked whether it failed; NULL: none */
    struct progress *progress;        /* given the time; NULL: none */
    int signal_fd;                    /* a signalfd: INT, TERM, HUP stop the run, USR1 drains it; -1: none */
    int launcher_fd;                  /* readable when whoever started the run is gone; -1: none */
    int end_fd;                       /* doubles: when the allocation ends, by clock_now_s(), each time that it is known
                                       * anew; INFINITY: never; NAN: nobody knows. Nothing starts before the first of
                                       * them, for some seconds. Does not block; -1: none will come */
    int end_ask_fd;                   /* a byte asks for it; does not block; -1: nobody is asked */
    double end_margin_s;              /* left of the allocation behind TERM and grace; negative: as it sees fit */
    struct end_signal end_signal;     /* of tasks that state none */
    uint32_t epoch;
    double origin_s;                  /* clock_now_s() when the epoch began */
    const char *run_dir;              /* absolute */
    const char *cwd;                  /* of tasks that state none; absolute */
    const char *env;                  /* of all tasks: "NAME=VALUE", each ended by a NUL */
    size_t n_env_bytes;
    double grace_s;                   /* between TERM and KILL */
    double latency_wait_s;            /* how long a task's inputs are waited for */
    double fence_s;                   /* see core/fence.h; 0: FENCE_S */
    uint32_t max_failures;            /* so many, and nothing new starts; 0: no limit */
    uint32_t max_failures_in_a_row;   /* likewise, without one that ended well between them */
    const struct registry *registry;  /* of functions; NULL: none */
    struct results *results;          /* of functions: filled; NULL: the graph has none */
    const struct hooks *hooks;        /* what the program wants to be asked and told; NULL: nothing */
    bool keeps_states;                /* for the report */
};

struct manager_report
{
    int signal;          /* that ended the run; 0: none */
    uint32_t n_workers;  /* that came */
    uint32_t n_left;     /* tasks that wait for the next allocation; 0: that is not why the run ended */
    uint8_t *states;     /* enum task_state, by task; the caller frees it; NULL: not asked for */
};

/* Runs the graph until it is over or was stopped. Returns 0 also when tasks failed: events tell. Fails
 * with ERROR_USAGE when a task fits on no node, before anything ran; with ERROR_SYSTEM when all workers
 * died, no node could be set up, or the journal cannot be written. All workers have been told to leave in any case. */
int manager_run(const struct manager_options *options, struct manager_report *report,
                struct ganger_error *err);

/* Tells all workers to leave, for a run that cannot begin. */
void manager_dismiss(struct comm *comm);

#endif
