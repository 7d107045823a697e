/* pbs_offer: can a queue ever give what a group asks for? Pure: it is told what qstat and pbsnodes say. */
#ifndef GANGER_BACKENDS_PBS_OFFER_H
#define GANGER_BACKENDS_PBS_OFFER_H

#include "backends/group.h"
#include "backends/pbs_record.h"
#include "base/buffer.h"
#include "base/error.h"

/* What there is: the records of `qstat -Q -f`, `qstat -B -f` and `pbsnodes -a`. What could not be learned is
 * empty, and then nothing is refused for it. */
struct pbs_site
{
    struct pbs_records queues;
    struct pbs_records server;
    struct pbs_records nodes;
};

void pbs_site_release(struct pbs_site *site);

/* Refuses what neither the queue that was named (else the default one) can give, nor, when it only passes jobs
 * on, one of those behind it, with all reasons in one message. That nodes are busy or away is no reason: the
 * job waits for them; that it would have to is added to `notes`, a line for each. Sets the workers wanted: of
 * whole nodes, on the kind of which there are most; 0 when that is not known. */
int pbs_judge(const struct pbs_site *site, const struct group *g, struct resource_set *set, struct buffer *notes,
              struct ganger_error *err);

#endif
