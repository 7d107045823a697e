/* binding: what cores, memory and GPUs this node gives us, and how processes are bound to them.
 *
 * A slot is one core with all of its hardware threads that we may use. Slots are numbered from 0 in
 * topology order, so that neighbours share caches. What may be used is the least of the machine's
 * cpusets (containers, batch systems) and the affinity mask this process was started with. */
#ifndef GANGER_IO_BINDING_H
#define GANGER_IO_BINDING_H

#include "base/error.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct binding;

/* Reads the topology; HWLOC_SYNTHETIC and HWLOC_XMLFILE give another machine's. */
struct binding *binding_open(struct ganger_error *err);

/* A machine of paper: hwloc's words for one ("pack:2 core:4 pu:2"), or a file that `lstopo --of xml` wrote. */
struct binding_machine
{
    const char *synthetic; /* one of both; the other is NULL */
    const char *xml;
};

/* Variables of this machine's environment say nothing of it, its memory is what its description says. */
struct binding *binding_open_machine(const struct binding_machine *machine, struct ganger_error *err);
void binding_close(struct binding *b); /* takes NULL */

/* Cores that may be used; at least 1. */
uint32_t binding_n_slots(const struct binding *b);

/* Binds the calling thread, and what it starts later, to the core of `slot`. Slots beyond the cores
 * share them: slot % n_slots. On a machine that is not this one it does nothing and succeeds. */
int binding_bind(struct binding *b, uint32_t slot, struct ganger_error *err);

/* The system's number of the first hardware thread of `slot`; UINT32_MAX on a machine that is not this one. */
uint32_t binding_cpu(const struct binding *b, uint32_t slot);

/* A set of hardware threads, by the system's numbers, as sched_setaffinity takes it. One cpu_set_t holds 1024,
 * and machines have more; this is as many as Linux can be built for. */
#define BINDING_MAX_CPUS 8192
struct binding_mask
{
    cpu_set_t sets[BINDING_MAX_CPUS / CPU_SETSIZE];
};

void binding_mask_clear(struct binding_mask *mask);
uint32_t binding_mask_count(const struct binding_mask *mask);

/* Adds the hardware threads of a slot. Fails when one has a number that no mask can hold. */
int binding_mask_add(const struct binding *b, struct binding_mask *mask, uint32_t slot,
                     struct ganger_error *err);

/* Is the topology that of the machine we run on? If not, masks mean nothing to the system. */
bool binding_is_this_machine(const struct binding *b);

/* The calling thread's mask: as it is, narrowed to one hardware thread, and back. For a thread that
 * follows others around; needs no topology. Failing, they leave the thread where it is: what cannot be
 * remembered is an empty mask. */
void binding_remember(struct binding_mask *mask);
void binding_move_to(uint32_t cpu);
void binding_move_back(const struct binding_mask *mask);

/* "0-3" or "0,4": hardware threads of a slot, for people. The caller frees it. */
char *binding_describe(struct binding *b, uint32_t slot);

/* Memory of the node, or of the cgroup this process is in, or the limit below, whichever is least; 0: unknown. */
uint64_t binding_memory_bytes(const struct binding *b);

/* What a batch system allows without a cgroup that says so; 0: no limit. */
void binding_limit_memory(struct binding *b, uint64_t bytes);

/* Where the ids of a node's GPUs come from. */
enum gpu_source
{
    GPUS_FROM_NOWHERE, /* there are none */
    GPUS_FROM_CUDA_VISIBLE_DEVICES,
    GPUS_FROM_ROCR_VISIBLE_DEVICES,
    GPUS_FROM_HWLOC,
};

struct binding_gpus
{
    enum gpu_source source;
    uint32_t n;
    uint32_t n_bytes;
    const char *ids;  /* n texts, each ended by a NUL, none twice; borrowed from the binding */
    bool is_disputed; /* both variables are set, and differ: CUDA's counts */
};

/* The GPUs of this node that may be used: those that the site's CUDA_VISIBLE_DEVICES names, else
 * ROCR_VISIBLE_DEVICES; set and empty means none. An id is a number, a UUID ("GPU-..."), or part of a GPU
 * ("MIG-..."); from the first word on that is none of these nothing counts, as in CUDA itself. Where
 * neither is set, what hwloc sees, by number: CUDA's devices, else NVML's, else RSMI's, else those of
 * OpenCL that are GPUs. Asking hwloc can take a second where there are GPUs, so one worker of a node
 * should ask for all. Always succeeds; the answer is kept, and the same until the binding is closed. */
const struct binding_gpus *binding_gpus(struct binding *b);

/* What to call a source: "CUDA_VISIBLE_DEVICES", "hwloc", … */
const char *gpu_source_name(enum gpu_source source);

#endif
