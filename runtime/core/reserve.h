/* reserve: a node kept for a task that others have overtaken too often.
 *
 * The node is reserved for a line of ready tasks; who comes after the head of that line may enter only if that
 * does not delay it: because it is expected to have ended when the head can start, or because there is room for both
 * then. That is the condition of EASY backfilling (D. A. Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; A. W.
 * Mu'alem, D. G. Feitelson, "Utilization, predictability, workloads, and user runtime estimates in scheduling the IBM
 * SP2 with backfilling", IEEE TPDS 12(6), 2001), for one node at a time and with several reservations at once.
 * Who comes before the head is not bound, so that no two reservations can wait for each other. */
#ifndef GANGER_CORE_RESERVE_H
#define GANGER_CORE_RESERVE_H

#include "core/estimate.h"
#include "core/place.h"
#include "core/ready.h"

/* What reservations are made of; all borrowed. */
struct reserve
{
    const struct graph *graph;
    const struct estimate *estimate;
    struct place *place;
    double now_s;
};

/* The node that could hold the head of the line soonest, by when what runs there is expected to end, of those
 * that nobody has reserved; it is reserved for the line. NO_NODE: no node is large enough, or all that are
 * belong to others. O(slots log slots). */
uint32_t reserve_soonest(struct reserve *r, const struct ready_line *line);

/* For whom a node is reserved, or NULL. */
const struct ready_line *reserve_owner(const struct reserve *r, uint32_t node);

void reserve_release(struct reserve *r, uint32_t node);

/* Something was taken from a node that is reserved, or given back: what is known of that is out of date. */
void reserve_note_change(struct reserve *r, uint32_t node);

/* May the head of a line enter a node that has room for it, and that is reserved? */
bool reserve_makes_way(struct reserve *r, uint32_t node, const struct ready_line *line);

static inline bool reserve_admits(struct reserve *r, uint32_t node, const struct ready_line *line)
{
    return r->place->nodes[node].reservation == NULL || reserve_makes_way(r, node, line);
}

#endif
