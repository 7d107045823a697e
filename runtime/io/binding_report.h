/* binding_report: what binding knows of a machine, for people: every core, usable or not and why, memory and
 * where its figure comes from, GPUs and what they are near to. Numbers of packages, NUMA nodes and caches are hwloc's
 * logical ones; those of hardware threads are the system's. */
#ifndef GANGER_IO_BINDING_REPORT_H
#define GANGER_IO_BINDING_REPORT_H

#include "base/alloc.h"
#include "io/binding.h"

#define BINDING_NONE UINT32_MAX

enum thread_use
{
    THREAD_USABLE,
    THREAD_NOT_ALLOWED, /* not in the cpuset of our cgroup */
    THREAD_NOT_IN_MASK, /* allowed, but not in the affinity mask this process was started with */
};

struct binding_thread
{
    uint32_t number;
    enum thread_use use;
};

struct binding_core
{
    uint32_t slot; /* BINDING_NONE: none of its threads may be used */
    uint32_t package; /* BINDING_NONE: there is none, as for the others */
    uint32_t numa;
    uint32_t l3;
    uint32_t first_thread; /* in the report's threads */
    uint32_t n_threads;
};

struct binding_gpu
{
    const char *id;
    const char *bus;   /* "0000:10:00.0"; "" where unknown, as is the model */
    const char *model;
    uint32_t package; /* what it is near to; BINDING_NONE: unknown, or not to one alone */
    uint32_t numa;
};

enum memory_source
{
    MEMORY_UNKNOWN,
    MEMORY_OF_MACHINE,
    MEMORY_OF_CGROUP,
};

struct binding_report
{
    uint32_t n_packages;
    uint32_t n_numas;
    uint32_t n_l3s;
    struct binding_core *cores; /* in topology order */
    uint32_t n_cores;
    struct binding_thread *threads;
    uint32_t n_threads;
    enum memory_source memory_source;
    uint64_t memory_bytes;
    uint64_t machine_memory_bytes;
    double cpu_limit; /* cores' worth of time that the cgroup allows; 0: as much as there is */
    enum gpu_source gpu_source;
    bool gpus_are_disputed;
    bool may_have_gpus; /* this machine has devices that belong to some */
    struct binding_gpu *gpus;
    uint32_t n_gpus;
    struct arena text;
};

/* Looks for GPUs, which can take a second. */
int binding_report_make(struct binding_report *r, struct binding *b, struct ganger_error *err);
void binding_report_release(struct binding_report *r);

#endif
