#include "io/binding_report.h"

#include "base/alloc.h"
#include "io/binding_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* hwloc's number of what `object` is part of, or is. */
static uint32_t number_of(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_obj_t object)
{
    hwloc_obj_t found = object->type == type ? object : hwloc_get_ancestor_obj_by_type(topology, type, object);

    return found != NULL ? found->logical_index : BINDING_NONE;
}

static uint32_t numa_of(hwloc_topology_t topology, hwloc_const_nodeset_t nodes)
{
    hwloc_obj_t node = NULL;

    if (nodes != NULL && !hwloc_bitmap_iszero(nodes))
        node = hwloc_get_numanode_obj_by_os_index(topology, (unsigned)hwloc_bitmap_first(nodes));
    return node != NULL ? node->logical_index : BINDING_NONE;
}

static uint32_t count(hwloc_topology_t topology, hwloc_obj_type_t type)
{
    int n = hwloc_get_nbobjs_by_type(topology, type);

    return n > 0 ? (uint32_t)n : 0;
}

/* ---- cores ---- */

static void add_threads(struct binding_report *r, struct binding_core *core, hwloc_const_cpuset_t threads,
                        hwloc_const_cpuset_t usable, hwloc_const_cpuset_t allowed)
{
    int cpu;

    core->first_thread = r->n_threads;
    for (cpu = hwloc_bitmap_first(threads); cpu >= 0; cpu = hwloc_bitmap_next(threads, cpu)) {
        bool is_usable = usable != NULL && hwloc_bitmap_isset(usable, (unsigned)cpu);
        bool is_allowed = hwloc_bitmap_isset(allowed, (unsigned)cpu);

        r->threads[r->n_threads++] = (struct binding_thread){
            (uint32_t)cpu, is_usable ? THREAD_USABLE : is_allowed ? THREAD_NOT_IN_MASK : THREAD_NOT_ALLOWED};
        core->n_threads++;
    }
}

/* Slots are numbered as cores come: the next core that has one has the next one. */
static void add_core(struct binding_report *r, const struct binding *b, hwloc_topology_t topology, hwloc_obj_t object,
                     uint32_t *next_slot)
{
    struct binding_core *core = &r->cores[r->n_cores++];
    bool is_slot = *next_slot < b->n_slots && hwloc_bitmap_isincluded(b->slots[*next_slot], object->cpuset);

    *core = (struct binding_core){
        .slot = is_slot ? *next_slot : BINDING_NONE,
        .package = number_of(topology, HWLOC_OBJ_PACKAGE, object),
        .numa = numa_of(topology, object->nodeset),
        .l3 = number_of(topology, HWLOC_OBJ_L3CACHE, object),
    };
    add_threads(r, core, object->cpuset, is_slot ? b->slots[*next_slot] : NULL,
                hwloc_topology_get_allowed_cpuset(topology));
    *next_slot += is_slot;
}

static void report_cores(struct binding_report *r, const struct binding *b, hwloc_topology_t topology)
{
    hwloc_obj_t core = NULL;
    uint32_t next_slot = 0, n = count(topology, HWLOC_OBJ_CORE);

    r->cores = xcalloc(n + 1, sizeof(*r->cores));
    r->threads = xcalloc(count(topology, HWLOC_OBJ_PU) + 1, sizeof(*r->threads));
    while ((core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL)
        add_core(r, b, topology, core, &next_slot);
    if (n == 0) /* a machine that tells of no cores: all of it is one */
        add_core(r, b, topology, hwloc_get_root_obj(topology), &next_slot);
    r->n_packages = count(topology, HWLOC_OBJ_PACKAGE);
    r->n_numas = count(topology, HWLOC_OBJ_NUMANODE);
    r->n_l3s = count(topology, HWLOC_OBJ_L3CACHE);
}

/* ---- memory and time ---- */

static void report_limits(struct binding_report *r, const struct binding *b)
{
    struct binding_limits limits = {0};

    if (!b->is_described)
        binding_read_limits(&limits, "/proc/self/cgroup", "/sys/fs/cgroup");
    r->cpu_limit = limits.cpus;
    r->machine_memory_bytes = binding_machine_memory_bytes(b);
    r->memory_bytes = binding_memory_bytes(b);
    r->memory_source = r->memory_bytes == 0                         ? MEMORY_UNKNOWN
                       : r->memory_bytes == r->machine_memory_bytes ? MEMORY_OF_MACHINE
                                                                    : MEMORY_OF_CGROUP;
}

/* ---- GPUs ---- */

/* By number: "cuda3", "nvml3", "rsmi3"; else by UUID. */
static bool is_named(hwloc_obj_t device, const char *id)
{
    static const char *const prefixes[] = {"cuda", "nvml", "rsmi"}, *const uuids[] = {"NVIDIAUUID", "AMDUUID"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes) && device->name != NULL; i++)
        if (strncmp(device->name, prefixes[i], strlen(prefixes[i])) == 0 &&
            strcmp(device->name + strlen(prefixes[i]), id) == 0)
            return true;
    for (size_t i = 0; i < sizeof(uuids) / sizeof(*uuids); i++) {
        const char *uuid = hwloc_obj_get_info_by_name(device, uuids[i]);

        if (uuid != NULL && strcmp(uuid, id) == 0)
            return true;
    }
    return false;
}

static const char *keep_text(struct binding_report *r, const char *text)
{
    return text != NULL ? arena_text(&r->text, text, strlen(text)) : "";
}

static const char *bus_of(struct binding_report *r, hwloc_obj_t device)
{
    hwloc_obj_t pci = device->parent;
    char bus[32];

    while (pci != NULL && pci->type != HWLOC_OBJ_PCI_DEVICE)
        pci = pci->parent;
    if (pci == NULL)
        return "";
    snprintf(bus, sizeof(bus), "%04x:%02x:%02x.%x", pci->attr->pcidev.domain, pci->attr->pcidev.bus,
             pci->attr->pcidev.dev, pci->attr->pcidev.func);
    return keep_text(r, bus);
}

static void describe_gpu(struct binding_report *r, hwloc_topology_t topology, hwloc_obj_t device,
                         struct binding_gpu *gpu)
{
    hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(topology, device);
    const char *model = hwloc_obj_get_info_by_name(device, "GPUModel");

    if (*gpu->bus == '\0')
        gpu->bus = bus_of(r, device);
    if (*gpu->model == '\0')
        gpu->model = keep_text(r, model);
    if (near == NULL)
        return;
    gpu->package = number_of(topology, HWLOC_OBJ_PACKAGE, near);
    gpu->numa = hwloc_bitmap_weight(near->nodeset) == 1 ? numa_of(topology, near->nodeset) : BINDING_NONE;
}

static void report_gpus(struct binding_report *r, struct binding *b, hwloc_topology_t topology)
{
    const struct binding_gpus *gpus = binding_gpus(b);
    const char *id = gpus->ids;

    r->gpu_source = gpus->source;
    r->gpus_are_disputed = gpus->is_disputed;
    r->may_have_gpus = !b->is_described && binding_may_have_gpus(b);
    r->gpus = xcalloc(gpus->n + 1, sizeof(*r->gpus));
    for (uint32_t i = 0; i < gpus->n; i++, id += strlen(id) + 1) {
        struct binding_gpu *gpu = &r->gpus[r->n_gpus++];
        hwloc_obj_t device = NULL;

        *gpu = (struct binding_gpu){keep_text(r, id), "", "", BINDING_NONE, BINDING_NONE};
        while ((device = hwloc_get_next_osdev(topology, device)) != NULL)
            if (is_named(device, id))
                describe_gpu(r, topology, device, gpu);
    }
}

int binding_report_make(struct binding_report *r, struct binding *b, struct ganger_error *err)
{
    hwloc_topology_t topology;

    *r = (struct binding_report){.text = ARENA_EMPTY};
    if (binding_load(b, DETAIL_ALL, &topology) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "hwloc cannot read the topology a second time");
    report_cores(r, b, topology);
    report_limits(r, b);
    report_gpus(r, b, topology);
    hwloc_topology_destroy(topology);
    return 0;
}

void binding_report_release(struct binding_report *r)
{
    free(r->cores);
    free(r->threads);
    free(r->gpus);
    arena_release(&r->text);
    *r = (struct binding_report){.text = ARENA_EMPTY};
}
