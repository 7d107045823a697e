/* job: what a batch system says of one job. */
#ifndef GANGER_BACKENDS_JOB_H
#define GANGER_BACKENDS_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum job_state
{
    JOB_UNKNOWN, /* the batch system knows no such job (any more) */
    JOB_WAITING,
    JOB_RUNNING,
    JOB_ENDING,  /* told to end, or cleaning up */
    JOB_ENDED,
};

struct job
{
    char *id;
    enum job_state state;
    char *word;      /* the batch system's own word for it: "PENDING", "TIMEOUT" */
    char *reason;    /* why it waits or ended; "" */
    char *partition; /* "" */
    char *hosts;     /* in the batch system's short form; "": none yet */
    char *comment;   /* what was said when it was submitted; "" */
    uint32_t n_nodes;
    bool is_cut_off; /* it ends, or ended, for no reason of its own, and nobody cancelled it: its time is over, it was
                      * driven away, a node failed */
    double run_s;    /* how long it has run; NAN: not known, as the next three */
    double limit_s;  /* how long it may; INFINITY: as long as it likes */
    double start_s;  /* seconds since 1970; for one that waits: expected */
    double end_s;
    int exit_status; /* -1: not known */
    int exit_signal; /* 0: none */
};

const char *job_state_name(enum job_state state); /* "waiting", "running", … */

/* All unknown, texts empty. */
void job_init(struct job *job);
void job_release(struct job *job);
void job_free_all(struct job *jobs, size_t n);

#endif
