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
    bool is_described;     /* by who opened it: the environment says nothing of it */
    char *synthetic;       /* what describes it, … */
    char *xml;             /* … if it is not this machine */
    bool has_gpus;         /* they were asked for before */
    struct binding_gpus gpus;
    struct buffer gpu_ids;
};

/* A topology of the binding's machine, with its devices or without; the caller destroys it. Returns -1
 * with errno. */
int binding_load(const struct binding *b, bool with_devices, hwloc_topology_t *topology);

#endif
