/* slurm_offer: can a partition ever give what a group asks for? Pure: it is told what sinfo says. */
#ifndef GANGER_BACKENDS_SLURM_OFFER_H
#define GANGER_BACKENDS_SLURM_OFFER_H

#include "backends/group.h"
#include "backends/slurm_text.h"
#include "base/error.h"

/* Refuses what none of the partitions that were named (else the default one) can give, with all reasons in
 * one message. That nodes are busy or drained is no reason: the job waits for them. Constraints that are
 * expressions are left to sbatch. Sets the workers wanted: 0 when nodes differ and whole ones are asked for.
 * Sorts `nodes`. */
int slurm_judge(struct slurm_nodes *nodes, size_t n, const struct group *g, struct resource_set *set,
                struct ganger_error *err);

#endif
