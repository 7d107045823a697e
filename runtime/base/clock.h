/* clock: the only place that asks what time it is. */
#ifndef GANGER_BASE_CLOCK_H
#define GANGER_BASE_CLOCK_H

/* Seconds on CLOCK_MONOTONIC: the same for all processes of a node, unrelated between nodes. */
double clock_now_s(void);

/* Seconds since 1970-01-01 UTC. */
double clock_wall_s(void);

#endif
