#include "io/binding_parts.h"

#include "base/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_number(const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)word[i]))
            return false;
    return n > 0;
}

static bool is_uuid(const char *word, size_t n)
{
    static const char others[] = "-/:_.";

    if (n <= 4 || (strncmp(word, "GPU-", 4) != 0 && strncmp(word, "MIG-", 4) != 0))
        return false;
    for (size_t i = 4; i < n; i++)
        if (!isalnum((unsigned char)word[i]) && strchr(others, word[i]) == NULL)
            return false;
    return true;
}

static bool has_id(const struct binding *b, const char *id, size_t n)
{
    const char *next = b->gpu_ids.bytes;

    for (uint32_t i = 0; i < b->gpus.n; i++, next += strlen(next) + 1)
        if (strlen(next) == n && memcmp(next, id, n) == 0)
            return true;
    return false;
}

/* None twice: nobody wants two tasks on one GPU because it is listed twice. */
static void add_id(struct binding *b, const char *id, size_t n)
{
    if (has_id(b, id, n))
        return;
    buffer_put(&b->gpu_ids, id, n);
    buffer_put(&b->gpu_ids, "", 1);
    b->gpus.n++;
}

static void add_listed(struct binding *b, const char *list)
{
    for (;;) {
        size_t n = strcspn(list, ","), n_id;

        while (n > 0 && isblank((unsigned char)*list)) {
            list++;
            n--;
        }
        for (n_id = n; n_id > 0 && isspace((unsigned char)list[n_id - 1]);)
            n_id--;
        if (!is_number(list, n_id) && !is_uuid(list, n_id))
            return; /* "-1", "NoDevFiles", "": the end, as CUDA reads it */
        add_id(b, list, n_id);
        if (list[n] == '\0')
            return;
        list += n + 1;
    }
}

/* ---- what hwloc sees ---- */

/* How a device is named that belongs to the number we look for: "cuda0". */
struct device_kind
{
    const char *prefix;
    bool is_opencl; /* any kind of processor; and not numbered through: "opencl0d1" */
};

static const struct device_kind device_kinds[] = {{"cuda", false}, {"nvml", false}, {"rsmi", false}, {"opencl", true}};
#define N_DEVICE_KINDS (sizeof(device_kinds) / sizeof(*device_kinds))

static bool is_device(hwloc_obj_t device, const struct device_kind *kind)
{
    size_t n = strlen(kind->prefix);
    const char *type;

    if (device->name == NULL || strncmp(device->name, kind->prefix, n) != 0)
        return false;
    if (!kind->is_opencl)
        return is_number(device->name + n, strlen(device->name + n));
    type = hwloc_obj_get_info_by_name(device, "OpenCLDeviceType");
    return type != NULL && strcmp(type, "GPU") == 0;
}

static int compare_numbers(const void *a, const void *b)
{
    unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

    return (x > y) - (x < y);
}

static void add_devices(struct binding *b, hwloc_topology_t topology, const struct device_kind *kind)
{
    hwloc_obj_t device = NULL;
    unsigned long *numbers = NULL;
    size_t n = 0, capacity = 0;

    while ((device = hwloc_get_next_osdev(topology, device)) != NULL) {
        if (!is_device(device, kind))
            continue;
        numbers = xgrow(numbers, n, &capacity, sizeof(*numbers));
        numbers[n] = kind->is_opencl ? n : strtoul(device->name + strlen(kind->prefix), NULL, 10);
        n++;
    }
    if (n > 0)
        qsort(numbers, n, sizeof(*numbers), compare_numbers);
    for (size_t i = 0; i < n; i++) {
        char id[32] = "";

        snprintf(id, sizeof(id), "%lu", numbers[i]);
        add_id(b, id, strlen(id));
    }
    free(numbers);
}

/* In a topology of its own: looking for devices can take long, and most binding is done without. */
static void ask_hwloc(struct binding *b, enum binding_detail detail)
{
    hwloc_topology_t topology;

    if (binding_load(b, detail, &topology) < 0)
        return;
    for (size_t i = 0; i < N_DEVICE_KINDS && b->gpus.n == 0; i++)
        add_devices(b, topology, &device_kinds[i]);
    if (b->gpus.n > 0)
        b->gpus.source = GPUS_FROM_HWLOC;
    hwloc_topology_destroy(topology);
}

static bool has_render_node(void)
{
    DIR *folder = opendir("/dev/dri");
    struct dirent *entry = NULL;

    while (folder != NULL && (entry = readdir(folder)) != NULL && strncmp(entry->d_name, "renderD", 7) != 0)
        continue;
    if (folder != NULL)
        closedir(folder);
    return entry != NULL;
}

/* Looking with hwloc takes 40 ms also where there is nothing to see, for each worker of each node. */
bool binding_may_have_gpus(const struct binding *b)
{
    static const char *const doors[] = {"/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg"};

    if (b->synthetic != NULL || b->xml != NULL)
        return true;
    for (size_t i = 0; i < sizeof(doors) / sizeof(*doors); i++)
        if (access(doors[i], F_OK) == 0)
            return true;
    return has_render_node();
}

static void find_devices(struct binding *b)
{
    if (!binding_may_have_gpus(b))
        return;
    ask_hwloc(b, DETAIL_DEVICES);
    if (b->gpus.n == 0)
        ask_hwloc(b, DETAIL_OPENCL);
}

const struct binding_gpus *binding_gpus(struct binding *b)
{
    const char *cuda = b->is_described ? NULL : getenv("CUDA_VISIBLE_DEVICES");
    const char *rocr = b->is_described ? NULL : getenv("ROCR_VISIBLE_DEVICES");

    if (b->has_gpus)
        return &b->gpus;
    b->has_gpus = true;
    if (cuda != NULL) {
        b->gpus.source = GPUS_FROM_CUDA_VISIBLE_DEVICES;
        b->gpus.is_disputed = rocr != NULL && strcmp(cuda, rocr) != 0;
        add_listed(b, cuda);
    } else if (rocr != NULL) {
        b->gpus.source = GPUS_FROM_ROCR_VISIBLE_DEVICES;
        add_listed(b, rocr);
    } else {
        find_devices(b);
    }
    b->gpus.ids = b->gpu_ids.bytes;
    b->gpus.n_bytes = (uint32_t)b->gpu_ids.n;
    return &b->gpus;
}

const char *gpu_source_name(enum gpu_source source)
{
    static const char *const names[] = {
        [GPUS_FROM_NOWHERE] = "none found",
        [GPUS_FROM_CUDA_VISIBLE_DEVICES] = "CUDA_VISIBLE_DEVICES",
        [GPUS_FROM_ROCR_VISIBLE_DEVICES] = "ROCR_VISIBLE_DEVICES",
        [GPUS_FROM_HWLOC] = "hwloc",
    };

    return names[source];
}
