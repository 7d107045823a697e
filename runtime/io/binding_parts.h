/* What the files of `binding` share. No others include this. */
#ifndef GANGER_IO_BINDING_PARTS_H
#define GANGER_IO_BINDING_PARTS_H

#include "base/buffer.h"
#include "io/binding.h"

#include <hwloc.h>

struct binding
{
    hwloc_topology_t topology;
    uint32_t n_slots;
    hwloc_cpuset_t *slots; /* what of each core may be used */
    uint64_t memory_limit_bytes; /* that nothing but the caller's word sets; 0: none */
    bool is_described;     /* by who opened it: the environment says nothing of it */
    char *synthetic;       /* what describes it, … */
    char *xml;             /* … if it is not this machine */
    bool has_gpus;         /* they were asked for before */
    struct binding_gpus gpus;
    struct buffer gpu_ids;
};

/* How much of a machine is asked for. */
enum binding_detail
{
    DETAIL_CORES,   /* what binding needs */
    DETAIL_DEVICES, /* GPUs as well, as CUDA, NVML and RSMI know them */
    DETAIL_OPENCL,  /* as OpenCL knows them, too */
    DETAIL_ALL,     /* also what may not be used, and caches that make no difference */
};

/* A topology of the binding's machine; the caller destroys it. Returns -1 with errno. */
int binding_load(const struct binding *b, enum binding_detail detail, hwloc_topology_t *topology);

/* Without regard to cgroups. */
uint64_t binding_machine_memory_bytes(const struct binding *b);

/* Is there anything that programs could reach a GPU through? Of a machine of paper that is not known. */
bool binding_may_have_gpus(const struct binding *b);

/* What the cgroups of a process allow it; 0: no limit. */
struct binding_limits
{
    uint64_t memory_bytes;
    double cpus; /* processor time per time */
};

/* `cgroups`: the process's list of them (/proc/self/cgroup); `root`: where they are mounted, of version 2 or 1. */
void binding_read_limits(struct binding_limits *limits, const char *cgroups, const char *root);

#endif
