/* run_parts: what the files of `ganger run` share: cmd_run.c (its options), run_options.c (what they mean),
 * run_start.c (as typed: starts the ranks, again if need be), run_rank.c (a rank of MPI, or all ranks in this
 * process), run_manage.c and run_work.c (what rank 0 and the others do), run_dry.c. For nobody else. */
#ifndef GANGER_LAUNCH_RUN_PARTS_H
#define GANGER_LAUNCH_RUN_PARTS_H

#include "base/error.h"
#include "io/comm.h"
#include "io/workflow.h"
#include "launch/chain.h"
#include "launch/flow.h"
#include "launch/link.h"
#include "launch/options.h"
#include "launch/program.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

#define SYSTEM_STATUS 3

struct run_options
{
    const char *workflow; /* NULL: the program builds it */
    struct workflow_words targets; /* none: all tasks */
    struct program *program;
    char **helper; /* see worker.h */
    const char *backend; /* as typed; NULL: not stated */
    struct option_list plugins;
    uint32_t n_workers; /* 0: one for each usable core */
    const char *run_dir; /* NULL: made from the workflow's name */
    bool resume;
    bool break_lock;
    const char *changed; /* what makes a done task run again: "definition" or "content" */
    bool quiet;
    bool dry_run;
    bool help;
    double grace_s;
    double latency_wait_s;
    double fence_s;
    double progress_interval_s; /* NAN: as it is */
    uint32_t max_failures; /* 0: no limit */
    uint32_t max_failures_in_a_row;
    bool fail_fast; /* the same as a limit of 1 */
    uint32_t n_restarts;
    double end_margin_s; /* negative: as it sees fit */
    const char *end_signal;
    bool requeue;
    uint32_t gpus_per_node; /* 0: those that are found */
    const char *memory_limit; /* a word of memory_rules */
    uint64_t max_output_bytes; /* 0: no limit */
    struct option_list amounts; /* "NAME=N" */
    struct replay_words replay;
};

/* A word of --memory-limit; N_MEMORY_RULES: there is no such word. */
#define N_MEMORY_RULES 3
extern const char *const run_memory_words[N_MEMORY_RULES];
enum memory_rule run_memory_rule(const struct run_options *options);

bool run_is_on(const struct run_options *options, const char *backend);
bool run_is_in_one_process(const struct run_options *options);
bool run_is_by_content(const struct run_options *options);

/* What its run directory is called after. */
const char *run_flow(const struct run_options *options);

/* The caller frees it. */
char *run_choose_dir(const struct run_options *options);

int run_load_flow(const struct run_options *options, struct workflow *w, struct ganger_error *err);

/* Returns the exit status that it means. */
int run_print_error(const struct ganger_error *err);

/* What a rank is. Both return an exit status. */
int run_manage(const struct run_options *options, struct comm *comm, int signal_fd, const struct link_origin *origin);
int run_work(const struct run_options *options, struct comm *comm, int signal_fd);

/* One rank of MPI. `link`: of a job that has no launcher of ours to see to what comes next. */
int run_be_rank(const struct run_options *options, struct chain_link *link);

/* All ranks, as threads. */
int run_in_one_process(const struct run_options *options);

/* Starts the ranks, and starts them again after a failure of the system. `rank_argv` has room for one more word. */
int run_start_ranks(struct run_options *options, char **rank_argv);

/* `command`: what would start the ranks. */
int run_print_dry(const struct run_options *options, char **command, struct ganger_error *err);

#endif
