/* fence: when a worker of another node counts as gone, though nobody has seen it end.
 *
 * A worker holds its node's lease: the manager has answered what was sent from that node at some time, and for
 * FENCE_S from that time on the node's workers may run tasks. A worker whose lease is over ends its task and
 * leaves. The manager gives a silent node's tasks to others when it has heard nothing for FENCE_LOST times as
 * long. Whatever the manager answered it had heard before, so the lease is over, by the worker's own clock, at
 * least FENCE_S before that: time to end tasks, and no clocks need to agree but on how fast they go. Between those
 * two no task runs twice.
 *
 * FENCE_S must outlast what makes a healthy process deaf: a shared file system that hangs while its server is
 * replaced, above all. Deaths that are seen (by pidfd, on their own node) do not wait for any of this. */
#ifndef GANGER_CORE_FENCE_H
#define GANGER_CORE_FENCE_H

#define FENCE_S 120.0   /* default of --fence */
#define FENCE_LEAST_S 1.0
#define FENCE_LOST 2.0  /* in FENCE_S: when the manager gives tasks away */
#define FENCE_BEAT 0.25 /* in FENCE_S: how often a node's leader asks */
#define FENCE_DOUBT 0.5 /* in FENCE_S: its leader may be stuck: every worker asks by itself */

#endif
