#include "io/binding_parts.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if HWLOC_API_VERSION < 0x00020100 /* its name before hwloc 2.1 */
#define HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED HWLOC_TOPOLOGY_FLAG_WHOLE_SYSTEM
#endif

static int describe(const struct binding *b, hwloc_topology_t topology)
{
    if (b->synthetic != NULL)
        return hwloc_topology_set_synthetic(topology, b->synthetic);
    return b->xml != NULL ? hwloc_topology_set_xml(topology, b->xml) : 0;
}

/* What hwloc need not do: ask X servers for their displays; start OpenCL where another library knows the GPUs; read the
 * PCI bus through libpciaccess, which leaks, when Linux itself tells of it. */
static void leave_out(hwloc_topology_t topology, enum binding_detail detail)
{
#if HWLOC_API_VERSION >= 0x00020100
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "gl");
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "pci");
    if (detail != DETAIL_OPENCL)
        hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "opencl");
#else
    (void)topology;
    (void)detail;
#endif
}

int binding_load(const struct binding *b, enum binding_detail detail, hwloc_topology_t *topology)
{
    if (hwloc_topology_init(topology) < 0)
        return -1;
    leave_out(*topology, detail);
    /* Packages and shared caches stay, where they make a difference: cores are ordered by them. */
    hwloc_topology_set_all_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc_topology_set_io_types_filter(*topology, detail == DETAIL_CORES ? HWLOC_TYPE_FILTER_KEEP_NONE
                                                                         : HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    hwloc_topology_set_type_filter(*topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (detail == DETAIL_ALL) {
        hwloc_topology_set_type_filter(*topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
        hwloc_topology_set_type_filter(*topology, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
        hwloc_topology_set_flags(*topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    }
    if (describe(b, *topology) == 0 && hwloc_topology_load(*topology) == 0)
        return 0;
    hwloc_topology_destroy(*topology);
    return -1;
}

static void add_slot(struct binding *b, hwloc_const_cpuset_t core, hwloc_const_cpuset_t usable)
{
    hwloc_cpuset_t slot = hwloc_bitmap_alloc();

    hwloc_bitmap_and(slot, core, usable);
    if (hwloc_bitmap_iszero(slot)) {
        hwloc_bitmap_free(slot);
        return;
    }
    b->slots[b->n_slots++] = slot;
}

static void find_slots(struct binding *b)
{
    hwloc_cpuset_t usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(b->topology));
    hwloc_cpuset_t mask = hwloc_bitmap_alloc();
    hwloc_obj_t core = NULL;
    int n_cores = hwloc_get_nbobjs_by_type(b->topology, HWLOC_OBJ_CORE);

    if (hwloc_get_cpubind(b->topology, mask, HWLOC_CPUBIND_PROCESS) == 0 &&
        hwloc_bitmap_intersects(usable, mask))
        hwloc_bitmap_and(usable, usable, mask);
    b->slots = xcalloc((size_t)(n_cores > 0 ? n_cores : 1), sizeof(hwloc_cpuset_t));
    while ((core = hwloc_get_next_obj_by_type(b->topology, HWLOC_OBJ_CORE, core)) != NULL)
        add_slot(b, core->cpuset, usable);
    if (b->n_slots == 0) /* a machine that tells of no cores: all of it is one */
        add_slot(b, usable, usable);
    hwloc_bitmap_free(mask);
    hwloc_bitmap_free(usable);
}

static struct binding *open_machine(const char *synthetic, const char *xml, bool is_described,
                                    struct ganger_error *err)
{
    struct binding *b = xcalloc(1, sizeof(*b));

    b->is_described = is_described;
    b->synthetic = synthetic != NULL ? xstrdup(synthetic) : NULL;
    b->xml = xml != NULL ? xstrdup(xml) : NULL;
    if (binding_load(b, DETAIL_CORES, &b->topology) < 0) {
        error_set_errno(err, is_described ? ERROR_USAGE : ERROR_SYSTEM, "hwloc cannot read %s%s",
                        synthetic != NULL ? "the synthetic topology "
                        : xml != NULL     ? "the topology in "
                                          : "the topology of this machine",
                        synthetic != NULL ? synthetic : xml != NULL ? xml : "");
        b->topology = NULL;
        binding_close(b);
        return NULL;
    }
    find_slots(b);
    return b;
}

/* What the environment says is read once: a second topology must be of the same machine. */
struct binding *binding_open(struct ganger_error *err)
{
    const char *xml = getenv("HWLOC_XMLFILE");

    return open_machine(xml == NULL ? getenv("HWLOC_SYNTHETIC") : NULL, xml, false, err);
}

struct binding *binding_open_machine(const struct binding_machine *machine, struct ganger_error *err)
{
    return open_machine(machine->synthetic, machine->xml, true, err);
}

void binding_close(struct binding *b)
{
    if (b == NULL)
        return;
    for (uint32_t i = 0; i < b->n_slots; i++)
        hwloc_bitmap_free(b->slots[i]);
    free(b->slots);
    buffer_release(&b->gpu_ids);
    if (b->topology != NULL)
        hwloc_topology_destroy(b->topology);
    free(b->synthetic);
    free(b->xml);
    free(b);
}

uint32_t binding_n_slots(const struct binding *b)
{
    return b->n_slots;
}

char *binding_describe(struct binding *b, uint32_t slot)
{
    char *text = NULL;

    if (hwloc_bitmap_list_asprintf(&text, b->slots[slot % b->n_slots]) < 0)
        return xstrdup("?");
    return text;
}

int binding_bind(struct binding *b, uint32_t slot, struct ganger_error *err)
{
    char *cores;

    if (hwloc_set_cpubind(b->topology, b->slots[slot % b->n_slots], HWLOC_CPUBIND_THREAD) == 0)
        return 0;
    cores = binding_describe(b, slot);
    error_set_errno(err, ERROR_SYSTEM, "cannot bind slot %u to hardware threads %s", slot, cores);
    free(cores);
    return -1;
}

uint32_t binding_cpu(const struct binding *b, uint32_t slot)
{
    if (!hwloc_topology_is_thissystem(b->topology))
        return UINT32_MAX;
    return (uint32_t)hwloc_bitmap_first(b->slots[slot % b->n_slots]);
}

void binding_mask_clear(struct binding_mask *mask)
{
    CPU_ZERO_S(sizeof(mask->sets), mask->sets);
}

uint32_t binding_mask_count(const struct binding_mask *mask)
{
    return (uint32_t)CPU_COUNT_S(sizeof(mask->sets), mask->sets);
}

int binding_mask_add(const struct binding *b, struct binding_mask *mask, uint32_t slot,
                     struct ganger_error *err)
{
    hwloc_const_cpuset_t threads = b->slots[slot % b->n_slots];
    int cpu;

    if (hwloc_bitmap_last(threads) >= BINDING_MAX_CPUS)
        return error_set(err, ERROR_SYSTEM, "slot %u has hardware thread %d; a mask holds those below %d", slot,
                         hwloc_bitmap_last(threads), BINDING_MAX_CPUS);
    for (cpu = hwloc_bitmap_first(threads); cpu >= 0; cpu = hwloc_bitmap_next(threads, cpu))
        CPU_SET_S((size_t)cpu, sizeof(mask->sets), mask->sets);
    return 0;
}

bool binding_is_this_machine(const struct binding *b)
{
    return hwloc_topology_is_thissystem(b->topology);
}

void binding_remember(struct binding_mask *mask)
{
    binding_mask_clear(mask); /* the system fills as much as it has processors for */
    if (sched_getaffinity(0, sizeof(mask->sets), mask->sets) < 0)
        binding_mask_clear(mask);
}

void binding_move_to(uint32_t cpu)
{
    struct binding_mask mask;

    if (cpu >= BINDING_MAX_CPUS)
        return;
    binding_mask_clear(&mask);
    CPU_SET_S(cpu, sizeof(mask.sets), mask.sets);
    sched_setaffinity(0, sizeof(mask.sets), mask.sets);
}

void binding_move_back(const struct binding_mask *mask)
{
    sched_setaffinity(0, sizeof(mask->sets), mask->sets);
}

/* NUMA nodes do not always add up to what the kernel has, where memory is plugged in while it runs. Where only
 * some of them may be used, they say more. */
uint64_t binding_machine_memory_bytes(const struct binding *b)
{
    long n_pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t on_nodes = hwloc_get_root_obj(b->topology)->total_memory;

    if (!hwloc_topology_is_thissystem(b->topology) || n_pages <= 0 || page_bytes <= 0)
        return on_nodes;
    if (!hwloc_bitmap_isequal(hwloc_topology_get_allowed_nodeset(b->topology),
                              hwloc_topology_get_complete_nodeset(b->topology)) &&
        on_nodes > 0)
        return on_nodes;
    return (uint64_t)n_pages * (uint64_t)page_bytes;
}

/* 0 is no limit. */
static uint64_t least_bytes(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

uint64_t binding_memory_bytes(const struct binding *b)
{
    uint64_t machine = binding_machine_memory_bytes(b);
    struct binding_limits limits = {0};

    if (!b->is_described)
        binding_read_limits(&limits, "/proc/self/cgroup", "/sys/fs/cgroup");
    return least_bytes(least_bytes(machine, limits.memory_bytes), b->memory_limit_bytes);
}

void binding_limit_memory(struct binding *b, uint64_t bytes)
{
    b->memory_limit_bytes = bytes;
}
