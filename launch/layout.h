/* layout: where the ranks of a run go, and what of its node a rank may use.
 *
 * Outside of a batch job: this machine. Inside: all nodes of the job, a worker for each core, and the manager
 * beside the first. */
#ifndef GANGER_LAUNCH_LAYOUT_H
#define GANGER_LAUNCH_LAYOUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct layout
{
    uint32_t n_workers;
    char **variables; /* for launcher_run; NULL: none */
    int file_fd;      /* what they may name lives in it; -1 */
};

/* To be called once by who starts ranks, before any other of these: asks the batch system for what the
 * environment of the job does not say. What it learns is in the environment afterwards, also of the ranks. */
void layout_learn(void);

/* Where `ganger run` as it was typed starts its ranks. `n_workers` is what was asked for; 0: a worker for each
 * core. Fails when less of this node can be used than the batch system gave, or when this is no node of the job;
 * warns when a login node would be filled. */
int layout_choose(struct layout *p, uint32_t n_workers, struct ganger_error *err);
void layout_release(struct layout *p);

/* To be called by a rank before it binds itself: undoes what mpirun or srun bound it to by their own default, and
 * fails when they gave it less than the batch system gave them. Then the words are for the user once, not for
 * each rank: is this the rank that should say them? */
int layout_enter_rank(bool *should_tell, struct ganger_error *err);

/* Memory that the batch system gave to the job on each node, in bytes; 0: it says nothing of it. */
uint64_t layout_memory_bytes(void);

/* Warns when whoever started the ranks left cores of the job without a worker. */
void layout_count_workers(uint32_t n_workers);

/* Was this job put back into the queue, and is the run in `run_dir` one that it began? Then it goes on with it. */
bool layout_is_restarted(const char *run_dir);

#endif
