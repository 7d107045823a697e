/* binding: what cores and memory this node gives us, and how processes are bound to them.
 *
 * A slot is one core with all of its hardware threads that we may use. Slots are numbered from 0 in
 * topology order, so that neighbours share caches. What may be used is the least of the machine's
 * cpusets (containers, batch systems) and the affinity mask this process was started with. */
#ifndef GANGER_IO_BINDING_H
#define GANGER_IO_BINDING_H

#include "base/error.h"

#include <sched.h>
#include <stdint.h>

struct binding;

/* Reads the topology; HWLOC_SYNTHETIC and HWLOC_XMLFILE give another machine's. */
struct binding *binding_open(struct ganger_error *err);
void binding_close(struct binding *b); /* takes NULL */

/* Cores that may be used; at least 1. */
uint32_t binding_n_slots(const struct binding *b);

/* Binds the calling thread, and what it starts later, to the core of `slot`. Slots beyond the cores
 * share them: slot % n_slots. On a machine that is not this one it does nothing and succeeds. */
int binding_bind(struct binding *b, uint32_t slot, struct ganger_error *err);

/* The system's number of the first hardware thread of `slot`; UINT32_MAX on a machine that is not this one. */
uint32_t binding_cpu(const struct binding *b, uint32_t slot);

/* The calling thread's mask: as it is, narrowed to one hardware thread, and back. For a thread that
 * follows others around; needs no topology. Failing, they leave the thread where it is. */
void binding_remember(cpu_set_t *mask);
void binding_move_to(uint32_t cpu);
void binding_move_back(const cpu_set_t *mask);

/* The hardware threads of several slots, as the mask that sched_setaffinity takes. */
int binding_affinity(struct binding *b, const uint16_t *slots, uint32_t n_slots, cpu_set_t *mask,
                     struct ganger_error *err);

/* "0-3" or "0,4": hardware threads of a slot, for people. The caller frees it. */
char *binding_describe(struct binding *b, uint32_t slot);

/* Memory of the node, or of the cgroup this process is in if that is less; 0: unknown. */
uint64_t binding_memory_bytes(const struct binding *b);

#endif
