/* slurm_job: the job of Slurm in which this process is, as its environment tells, and how launchers reach its nodes.
 *
 * A heterogeneous job (`sbatch a : b`) has several components, each with nodes and an id of its own. What is said of
 * component K stands in variables that end in _HET_GROUP_K; the job's plain ones are of the first. */
#ifndef GANGER_BACKENDS_SLURM_JOB_H
#define GANGER_BACKENDS_SLURM_JOB_H

#include "backends/backend.h"
#include "base/error.h"

#include <stdint.h>

/* The rows of the backend that are about the job in which this process is. */
char *slurm_find_job(void);
int slurm_describe(struct allocation *a, struct ganger_error *err);
char **slurm_launch_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                              int *file_fd);
int slurm_reach(const char *host, const char *line, struct ganger_error *err);

/* The words that run a line of shell on a node of that component, with all that the component has there. Borrows
 * `line`; the caller releases the list. */
void slurm_reach_words(uint32_t part, const char *host, const char *line, struct text_list *words);

#endif
