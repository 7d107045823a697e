/* chain: jobs that go on with one run, one after another, until it is over. What they are is in the submission
 * (submission.h); `ganger submit` begins it, and each job's `ganger run` goes on with it.
 *
 * A job that ends with work left submits its successor, as large as what is left. Where jobs may not submit jobs, all
 * are handed in at once and run one at a time; one that finds the run over cancels those behind it. */
#ifndef GANGER_LAUNCH_CHAIN_H
#define GANGER_LAUNCH_CHAIN_H

#include "backends/backend.h"
#include "launch/submission.h"

#include <stdbool.h>
#include <stdint.h>

struct program;

/* ---- where it is submitted ---- */

/* Hands in the jobs of a chain but the first, which was: for a chain that is handed in at once. After a failure those
 * that it handed in are cancelled again. */
int chain_hand_in(struct submission *s, const struct backend *backend, struct ganger_error *err);

/* The first job of a chain that is handed in at once; else as `request` of the backend. */
int chain_request_first(struct submission *s, const struct backend *backend, struct ganger_error *err);

/* Is a job of it, but the current one, still waiting or running? Sets its id, which the submission owns. */
bool chain_is_alive(const struct submission *s, const char **job);

/* Cancels all that have not begun, and lets no other be handed in. Writes the submission. */
int chain_cancel(struct submission *s, const struct backend *backend, struct ganger_error *err);

/* ---- in a job ---- */

/* What a job knows of the chain that it belongs to, between its begin and its end. */
struct chain_link
{
    char *run;          /* the run directory; NULL: this is no job of a chain, and none that requeues itself */
    const struct program *program; /* borrowed: what knows the workflow's functions; NULL: ganger itself */
    bool requeues;
    uint32_t n_done;    /* tasks, before it began */
};

/* To be called before a run begins in `run_dir`. Borrows `program` until chain_leave. `requeues`: the job is to put
 * itself back into the queue when it ends with work left. Returns true when there is nothing to do any more: the run
 * was over before this job began; then the rest is cancelled, and *exit_status is that of the run. Sets *resume for a
 * job that goes on. */
bool chain_enter(struct chain_link *link, const struct program *program, const char *run_dir, bool requeues,
                 bool *resume, int *exit_status);

/* To be called when a run has ended with that status, last of all: sees to it that the run goes on, if it should.
 * Releases the link. */
void chain_leave(struct chain_link *link, int exit_status);

#endif
