#include "launch/topo_print.h"

#include "base/buffer.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY_SLOTS 32 /* above, slots that are near to each other share a line */
#define N_EXAMPLES 8

/* ---- lists of numbers ---- */

/* Appends `number` to a text like "0-3,8". `first` and `last` are of its last range. */
struct ranges
{
    struct buffer text;
    uint32_t first;
    uint32_t last;
    bool has_any;
};

static void ranges_flush(struct ranges *r)
{
    if (!r->has_any)
        return;
    buffer_printf(&r->text, "%s%" PRIu32, r->text.n > 0 ? "," : "", r->first);
    if (r->last > r->first)
        buffer_printf(&r->text, "-%" PRIu32, r->last);
}

static void ranges_add(struct ranges *r, uint32_t number)
{
    if (r->has_any && number == r->last + 1) {
        r->last = number;
        return;
    }
    ranges_flush(r);
    r->first = r->last = number;
    r->has_any = true;
}

/* The text, ended by a NUL; "-" when there is no number. */
static const char *ranges_text(struct ranges *r)
{
    ranges_flush(r);
    if (!r->has_any)
        buffer_printf(&r->text, "-");
    buffer_put(&r->text, "", 1);
    return r->text.bytes;
}

static void add_usable_threads(struct ranges *ranges, const struct binding_report *r, const struct binding_core *core)
{
    for (uint32_t i = 0; i < core->n_threads; i++)
        if (r->threads[core->first_thread + i].use == THREAD_USABLE)
            ranges_add(ranges, r->threads[core->first_thread + i].number);
}

/* ---- what the machine is ---- */

static void print_count(uint32_t n, const char *one, const char *many, const char *end)
{
    printf("%" PRIu32 " %s%s", n, n == 1 ? one : many, end);
}

static uint32_t count_threads(const struct binding_report *r, enum thread_use use)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n_threads; i++)
        n += r->threads[i].use == use;
    return n;
}

static void print_unusable(const struct binding_report *r, enum thread_use use, const char *why)
{
    struct ranges ranges = {.text = BUFFER_EMPTY};
    uint32_t n = count_threads(r, use);

    for (uint32_t i = 0; i < r->n_threads; i++)
        if (r->threads[i].use == use)
            ranges_add(&ranges, r->threads[i].number);
    if (n > 0)
        printf("not used  hardware thread%s %s: %s\n", n == 1 ? "" : "s", ranges_text(&ranges), why);
    buffer_release(&ranges.text);
}

static void print_memory(const struct binding_report *r)
{
    double gib = (double)r->memory_bytes / (1 << 30), all_gib = (double)r->machine_memory_bytes / (1 << 30);

    switch (r->memory_source) {
    case MEMORY_UNKNOWN: printf("memory    unknown: it will not be counted\n"); break;
    case MEMORY_OF_MACHINE: printf("memory    %.1f GiB, the machine's\n", gib); break;
    case MEMORY_OF_CGROUP: printf("memory    %.1f GiB, the cgroup's limit; the machine has %.1f GiB\n", gib, all_gib);
    }
}

static void print_time(const struct topo_view *v)
{
    if (v->report->cpu_limit > 0)
        printf("time      %.3g cores' worth, the cgroup's limit%s\n", v->report->cpu_limit,
               v->report->cpu_limit < v->n_slots ? ": workers on all slots will be held back; consider fewer" : "");
}

/* What a batch system says that it gave. */
static void print_batch(const struct topo_view *v)
{
    static const char *const variables[] = {"SLURM_CPUS_ON_NODE", "NCPUS"};
    uint32_t n_usable = count_threads(v->report, THREAD_USABLE);

    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        const char *value = v->is_here ? getenv(variables[i]) : NULL;

        if (value == NULL)
            continue;
        printf("batch     %s says %s processors%s\n", variables[i], value,
               strtoul(value, NULL, 10) > n_usable ? ", more than may be used: the job step was given fewer" : "");
        return;
    }
}

static void print_machine(const struct topo_view *v)
{
    const struct binding_report *r = v->report;

    printf("machine   ");
    print_count(r->n_packages, "package", "packages", ", ");
    print_count(r->n_numas, "NUMA node", "NUMA nodes", ", ");
    print_count(r->n_l3s, "L3 cache", "L3 caches", ", ");
    print_count(r->n_cores, "core", "cores", ", ");
    print_count(r->n_threads, "hardware thread", "hardware threads", "\n");
    printf("slots     %" PRIu32 ", one for each core that may be used\n", v->n_slots);
    print_unusable(r, THREAD_NOT_ALLOWED, "not in the cpuset of the cgroup");
    print_unusable(r, THREAD_NOT_IN_MASK, "not in the affinity mask that ganger was started with");
    print_memory(r);
    print_time(v);
    print_batch(v);
}

/* ---- GPUs ---- */

static bool is_near(const struct binding_gpu *gpu, const struct binding_core *core)
{
    return (gpu->numa == BINDING_NONE || gpu->numa == core->numa) &&
           (gpu->package == BINDING_NONE || gpu->package == core->package);
}

static void print_gpu(const struct topo_view *v, const struct binding_gpu *gpu)
{
    const struct binding_report *r = v->report;
    struct ranges near = {.text = BUFFER_EMPTY};

    for (uint32_t i = 0; i < r->n_cores; i++)
        if (r->cores[i].slot != BINDING_NONE && is_near(gpu, &r->cores[i]))
            ranges_add(&near, r->cores[i].slot);
    printf("  GPU %s", gpu->id);
    if (*gpu->bus != '\0')
        printf("  %s", gpu->bus);
    if (*gpu->model != '\0')
        printf("  %s", gpu->model);
    if (gpu->package != BINDING_NONE || gpu->numa != BINDING_NONE)
        printf("  near slots %s", ranges_text(&near));
    putchar('\n');
    buffer_release(&near.text);
}

static void print_gpus(const struct topo_view *v)
{
    const struct binding_report *r = v->report;

    printf("GPUs      %" PRIu32 " (%s)\n", r->n_gpus, gpu_source_name(r->gpu_source));
    if (r->gpus_are_disputed)
        printf("          CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES differ: CUDA's counts\n");
    if (r->gpu_source == GPUS_FROM_NOWHERE && r->may_have_gpus)
        printf("          there are devices of GPUs, but hwloc knows none: it lacks their plugin; say how\n"
               "          many there are with `ganger run --gpus-per-node N`\n");
    for (uint32_t i = 0; i < r->n_gpus; i++)
        print_gpu(v, &r->gpus[i]);
}

/* ---- slots ---- */

/* Worker w has slot w - 1; those beyond the last slot begin again. The slots of cores[first] up to cores[end], once
 * for each round. */
static void add_workers(struct ranges *ranges, const struct topo_view *v, uint32_t first, uint32_t end)
{
    const struct binding_core *cores = v->report->cores;

    for (uint32_t round = 0; round < v->n_workers; round += v->n_slots)
        for (uint32_t i = first; i < end; i++)
            if (cores[i].slot != BINDING_NONE && round + cores[i].slot < v->n_workers)
                ranges_add(ranges, round + cores[i].slot + 1);
}

static void print_number(uint32_t number)
{
    if (number == BINDING_NONE)
        printf("%9s", "-");
    else
        printf("%9" PRIu32, number);
}

/* The slots of cores[first] up to cores[end], which are near to each other. */
static void print_slots(const struct topo_view *v, uint32_t first, uint32_t end)
{
    const struct binding_report *r = v->report;
    struct ranges slots = {.text = BUFFER_EMPTY}, threads = {.text = BUFFER_EMPTY}, workers = {.text = BUFFER_EMPTY};

    for (uint32_t i = first; i < end; i++) {
        if (r->cores[i].slot == BINDING_NONE)
            continue;
        ranges_add(&slots, r->cores[i].slot);
        add_usable_threads(&threads, r, &r->cores[i]);
    }
    add_workers(&workers, v, first, end);
    if (slots.has_any) {
        printf("%9s", ranges_text(&slots));
        print_number(r->cores[first].package);
        print_number(r->cores[first].numa);
        print_number(r->cores[first].l3);
        if (v->n_workers > 0)
            printf("  %-12s", ranges_text(&workers));
        printf("  %s\n", ranges_text(&threads));
    }
    buffer_release(&slots.text);
    buffer_release(&threads.text);
    buffer_release(&workers.text);
}

static bool is_same_place(const struct binding_core *a, const struct binding_core *b)
{
    return a->package == b->package && a->numa == b->numa && a->l3 == b->l3;
}

static void print_table(const struct topo_view *v)
{
    const struct binding_report *r = v->report;
    bool each = v->each_slot || v->n_slots <= MANY_SLOTS;

    printf("\n%9s%9s%9s%9s%s  hardware threads\n", each ? "slot" : "slots", "package", "NUMA", "L3",
           v->n_workers > 0 ? "  workers     " : "");
    for (uint32_t first = 0, end; first < r->n_cores; first = end) {
        for (end = first + 1; !each && end < r->n_cores && is_same_place(&r->cores[first], &r->cores[end]);)
            end++;
        print_slots(v, first, end);
    }
    if (v->n_workers > v->n_slots)
        printf("\n%" PRIu32 " workers share %" PRIu32 " slots: they will take turns\n", v->n_workers, v->n_slots);
}

/* ---- tasks ---- */

static void print_placements(const struct topo_view *v)
{
    const struct topo_placements *p = &v->placements;

    if (p->n_cores == 0)
        return;
    printf("\ntasks of %" PRIu32 " core%s: %" PRIu32 " at once\n", p->n_cores, p->n_cores == 1 ? "" : "s", p->n);
    for (uint32_t i = 0; i < p->n && i < N_EXAMPLES; i++) {
        struct ranges slots = {.text = BUFFER_EMPTY};

        for (uint32_t c = 0; c < p->n_cores; c++)
            ranges_add(&slots, p->slots[(size_t)i * p->n_cores + c]);
        printf("  slots %s\n", ranges_text(&slots));
        buffer_release(&slots.text);
    }
    if (p->n > N_EXAMPLES)
        printf("  … %" PRIu32 " more\n", p->n - N_EXAMPLES);
}

void topo_print_text(const struct topo_view *v)
{
    print_machine(v);
    print_gpus(v);
    print_table(v);
    print_placements(v);
}

/* ---- for programs ---- */

static json_t *number_json(uint32_t number)
{
    return number == BINDING_NONE ? json_null() : json_integer(number);
}

static json_t *threads_json(const struct binding_report *r, uint32_t first, uint32_t n, enum thread_use use)
{
    json_t *array = json_array();

    for (uint32_t i = first; i < first + n; i++)
        if (r->threads[i].use == use)
            json_array_append_new(array, json_integer(r->threads[i].number));
    return array;
}

static json_t *workers_json(const struct topo_view *v, uint32_t slot)
{
    json_t *array = json_array();

    for (uint32_t worker = slot + 1; worker <= v->n_workers; worker += v->n_slots)
        json_array_append_new(array, json_integer(worker));
    return array;
}

static json_t *slots_json(const struct topo_view *v)
{
    const struct binding_report *r = v->report;
    json_t *array = json_array();

    for (uint32_t i = 0; i < r->n_cores; i++) {
        const struct binding_core *core = &r->cores[i];
        json_t *slot;

        if (core->slot == BINDING_NONE)
            continue;
        slot = json_pack("{s:I, s:o, s:o, s:o, s:o}", "slot", (json_int_t)core->slot, "package",
                         number_json(core->package), "numa", number_json(core->numa), "l3", number_json(core->l3),
                         "threads", threads_json(r, core->first_thread, core->n_threads, THREAD_USABLE));
        if (v->n_workers > 0)
            json_object_set_new(slot, "workers", workers_json(v, core->slot));
        json_array_append_new(array, slot);
    }
    return array;
}

static json_t *gpus_json(const struct binding_report *r)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < r->n_gpus; i++)
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", r->gpus[i].id, "bus", r->gpus[i].bus,
                                               "model", r->gpus[i].model, "package", number_json(r->gpus[i].package),
                                               "numa", number_json(r->gpus[i].numa)));
    return array;
}

static json_t *placements_json(const struct topo_placements *p)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < p->n; i++) {
        json_t *slots = json_array();

        for (uint32_t c = 0; c < p->n_cores; c++)
            json_array_append_new(slots, json_integer(p->slots[(size_t)i * p->n_cores + c]));
        json_array_append_new(array, slots);
    }
    return array;
}

void topo_print_json(const struct topo_view *v)
{
    static const char *const sources[] = {
        [MEMORY_UNKNOWN] = "unknown", [MEMORY_OF_MACHINE] = "machine", [MEMORY_OF_CGROUP] = "cgroup"};
    const struct binding_report *r = v->report;
    json_t *machine = json_pack("{s:I, s:I, s:I, s:I, s:I}", "packages", (json_int_t)r->n_packages, "numa_nodes",
                                (json_int_t)r->n_numas, "l3_caches", (json_int_t)r->n_l3s, "cores",
                                (json_int_t)r->n_cores, "threads", (json_int_t)r->n_threads);
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:o, s:s}", "machine", machine, "slots", slots_json(v), "not_allowed",
        threads_json(r, 0, r->n_threads, THREAD_NOT_ALLOWED), "not_in_mask",
        threads_json(r, 0, r->n_threads, THREAD_NOT_IN_MASK), "memory_bytes", (json_int_t)r->memory_bytes,
        "memory_source", sources[r->memory_source], "cpu_limit",
        r->cpu_limit > 0 ? json_real(r->cpu_limit) : json_null(), "gpus", gpus_json(r), "gpu_source",
        gpu_source_name(r->gpu_source));

    if (v->placements.n_cores > 0)
        json_object_set_new(object, "placements", placements_json(&v->placements));
    json_dumpf(object, stdout, 0);
    putchar('\n');
    json_decref(object);
}
