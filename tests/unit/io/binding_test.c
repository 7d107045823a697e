#include "io/binding_parts.h"
#include "io/binding_report.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct binding *open_machine(const char *synthetic)
{
    struct ganger_error err = {0};
    struct binding *b;

    if (synthetic != NULL)
        setenv("HWLOC_SYNTHETIC", synthetic, 1);
    b = binding_open(&err);
    unsetenv("HWLOC_SYNTHETIC");
    assert_non_null(b);
    return b;
}

static void expect_slot(struct binding *b, uint32_t slot, const char *threads)
{
    char *text = binding_describe(b, slot);

    assert_string_equal(text, threads);
    free(text);
}

static void test_a_slot_is_a_core_with_its_hardware_threads(void **unused)
{
    struct binding *b = open_machine("pack:2 numa:2 l3:2 core:4 pu:2");

    (void)unused;
    assert_int_equal(binding_n_slots(b), 32);
    expect_slot(b, 0, "0-1");
    expect_slot(b, 1, "2-3");
    expect_slot(b, 31, "62-63");
    binding_close(b);
}

static void test_slots_are_in_topology_order(void **unused)
{
    /* Hardware threads numbered round robin over packages, as many firmwares do. */
    struct binding *b = open_machine("pack:2 core:2 pu:1(indexes=0,2,1,3)");

    (void)unused;
    expect_slot(b, 0, "0");
    expect_slot(b, 1, "2");
    expect_slot(b, 2, "1");
    binding_close(b);
}

static void test_more_slots_than_cores_share_them(void **unused)
{
    struct binding *b = open_machine("core:4 pu:1");

    (void)unused;
    expect_slot(b, 4, "0");
    expect_slot(b, 7, "3");
    binding_close(b);
}

static void test_slots_of_a_wide_task_make_one_mask(void **unused)
{
    struct binding *b = open_machine("core:8 pu:2");
    struct ganger_error err = {0};
    struct binding_mask mask;

    (void)unused;
    binding_mask_clear(&mask);
    assert_int_equal(binding_mask_add(b, &mask, 2, &err), 0);
    assert_int_equal(binding_mask_add(b, &mask, 3, &err), 0);
    assert_int_equal(binding_mask_count(&mask), 4);
    for (size_t cpu = 4; cpu < 8; cpu++)
        assert_true(CPU_ISSET_S(cpu, sizeof(mask.sets), mask.sets));
    binding_close(b);
}

static void test_binding_on_a_machine_of_paper_succeeds(void **unused)
{
    struct binding *b = open_machine("pack:2 numa:4 l3:2 core:8 pu:2");
    struct ganger_error err = {0};

    (void)unused;
    assert_int_equal(binding_n_slots(b), 128);
    assert_int_equal(binding_bind(b, 100, &err), 0);
    binding_close(b);
}

static void test_this_process_is_bound_for_real(void **unused)
{
    struct binding *b = open_machine(NULL);
    struct ganger_error err = {0};
    struct binding_mask wanted, before, now;

    (void)unused;
    binding_remember(&before);
    binding_mask_clear(&wanted);
    assert_true(binding_is_this_machine(b));
    assert_true(binding_n_slots(b) >= 1);
    assert_true(binding_memory_bytes(b) > 4096);
    binding_limit_memory(b, 4096);
    assert_int_equal(binding_memory_bytes(b), 4096);
    binding_limit_memory(b, UINT64_MAX); /* more than there is */
    assert_true(binding_memory_bytes(b) > 4096 && binding_memory_bytes(b) < UINT64_MAX);
    assert_int_equal(binding_mask_add(b, &wanted, 0, &err), 0);
    assert_int_equal(binding_bind(b, 0, &err), 0);
    binding_remember(&now);
    assert_memory_equal(&wanted, &now, sizeof(now));
    binding_move_back(&before);
    binding_remember(&now);
    assert_memory_equal(&before, &now, sizeof(now));
    binding_close(b);
}

static void test_the_affinity_mask_limits_the_slots(void **unused)
{
    struct binding *b;
    cpu_set_t before, one;
    int first = 0;

    (void)unused;
    sched_getaffinity(0, sizeof(before), &before);
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof(one), &one);
    b = open_machine(NULL);
    assert_int_equal(binding_n_slots(b), 1);
    binding_close(b);
    sched_setaffinity(0, sizeof(before), &before);
}

static void test_machines_may_have_thousands_of_hardware_threads(void **unused)
{
    struct binding *b = open_machine("core:2 pu:2(indexes=0,1,4094,8192)");
    struct ganger_error err = {0};
    struct binding_mask mask;

    (void)unused;
    binding_mask_clear(&mask);
    assert_int_equal(binding_mask_add(b, &mask, 1, &err), -1);
    assert_non_null(strstr(err.text, "8192"));
    binding_close(b);
    b = open_machine("core:2 pu:2(indexes=0,1,4094,8191)");
    assert_int_equal(binding_mask_add(b, &mask, 1, &err), 0);
    assert_true(CPU_ISSET_S(4094, sizeof(mask.sets), mask.sets));
    assert_int_equal(binding_mask_count(&mask), 2);
    binding_close(b);
}

/* ---- GPUs ---- */

/* Opens a machine, with the two variables as given (NULL: not set), and asks for its GPUs. */
static struct binding *open_with_gpus(const char *cuda, const char *rocr)
{
    struct binding *b;

    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("ROCR_VISIBLE_DEVICES");
    if (cuda != NULL)
        setenv("CUDA_VISIBLE_DEVICES", cuda, 1);
    if (rocr != NULL)
        setenv("ROCR_VISIBLE_DEVICES", rocr, 1);
    b = open_machine("core:4 pu:1");
    binding_gpus(b);
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("ROCR_VISIBLE_DEVICES");
    return b;
}

/* Closes the binding; `ids` are those expected, with a comma after each. */
static void expect_gpus(struct binding *b, enum gpu_source source, const char *ids)
{
    const struct binding_gpus *gpus = binding_gpus(b);
    const char *next = gpus->ids;

    assert_int_equal(gpus->source, source);
    for (uint32_t i = 0; i < gpus->n; i++) {
        size_t n = strlen(next);

        assert_true(strlen(ids) > n);
        assert_memory_equal(ids, next, n);
        assert_int_equal(ids[n], ',');
        ids += n + 1;
        next += n + 1;
    }
    assert_string_equal(ids, "");
    assert_ptr_equal(next, gpus->ids == NULL ? NULL : gpus->ids + gpus->n_bytes);
    binding_close(b);
}

static void test_the_site_says_which_gpus_may_be_used(void **unused)
{
    (void)unused;
    expect_gpus(open_with_gpus("3,1", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "3,1,");
    expect_gpus(open_with_gpus(NULL, "0, 2"), GPUS_FROM_ROCR_VISIBLE_DEVICES, "0,2,");
    expect_gpus(open_with_gpus("GPU-8932f937-d72c,MIG-GPU-8932f937/1/0", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES,
                "GPU-8932f937-d72c,MIG-GPU-8932f937/1/0,");
    expect_gpus(open_with_gpus("0,1,0", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "0,1,");
}

static void test_an_empty_variable_means_no_gpus(void **unused)
{
    (void)unused;
    expect_gpus(open_with_gpus("", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "");
    expect_gpus(open_with_gpus("NoDevFiles", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "");
    expect_gpus(open_with_gpus("0,-1,1", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "0,");
    expect_gpus(open_with_gpus("0,,1", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "0,");
    expect_gpus(open_with_gpus("GPU-$(x)", NULL), GPUS_FROM_CUDA_VISIBLE_DEVICES, "");
}

static void test_of_two_variables_cudas_counts(void **unused)
{
    struct binding *b = open_with_gpus("1", "0");

    (void)unused;
    assert_true(binding_gpus(b)->is_disputed);
    expect_gpus(b, GPUS_FROM_CUDA_VISIBLE_DEVICES, "1,");
    b = open_with_gpus("1,0", "1,0");
    assert_false(binding_gpus(b)->is_disputed);
    expect_gpus(b, GPUS_FROM_CUDA_VISIBLE_DEVICES, "1,0,");
}

/* Written by `lstopo --of xml` and shortened, devices added by hand. `devices`: OSDev elements. */
static const char xml_head[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">\n"
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" allowed_cpuset=\"0x3\" "
    "nodeset=\"0x1\" complete_nodeset=\"0x1\" allowed_nodeset=\"0x1\" gp_index=\"1\">\n"
    "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"2\" local_memory=\"1073741824\"/>\n"
    "<object type=\"Core\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"3\"><object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" "
    "complete_cpuset=\"0x1\" nodeset=\"0x1\" complete_nodeset=\"0x1\" gp_index=\"4\"/></object>\n"
    "<object type=\"Core\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x1\" "
    "complete_nodeset=\"0x1\" gp_index=\"5\"><object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" "
    "complete_cpuset=\"0x2\" nodeset=\"0x1\" complete_nodeset=\"0x1\" gp_index=\"6\"/></object>\n"
    "<object type=\"Bridge\" gp_index=\"7\" bridge_type=\"0-1\" depth=\"0\" bridge_pci=\"0000:[10-10]\">"
    "<object type=\"PCIDev\" gp_index=\"8\" pci_busid=\"0000:10:00.0\" "
    "pci_type=\"0302 [10de:2330] [10de:16c1] a1\" pci_link_speed=\"31.5\">\n";
static const char xml_tail[] = "</object></object></object></topology>\n";

/* The caller unlinks and frees it. */
static char *write_machine(const char *devices)
{
    char *path = xstrdup("/tmp/ganger-binding-XXXXXX.xml");
    int fd = mkstemps(path, 4);

    assert_true(fd >= 0);
    dprintf(fd, "%s%s%s", xml_head, devices, xml_tail);
    close(fd);
    return path;
}

static struct binding *open_written(const char *path)
{
    struct binding_machine machine = {.xml = path};
    struct ganger_error err = {0};
    struct binding *b = binding_open_machine(&machine, &err);

    assert_string_equal(err.text, "");
    assert_non_null(b);
    return b;
}

static struct binding *open_with_devices(const char *devices)
{
    char *path = write_machine(devices);
    struct binding *b = open_written(path);

    binding_gpus(b);
    unlink(path);
    free(path);
    return b;
}

#define CUDA(name, index) \
    "<object type=\"OSDev\" gp_index=\"" index "\" name=\"" name "\" subtype=\"CUDA\" osdev_type=\"5\"/>"
#define NVML(name, index) \
    "<object type=\"OSDev\" gp_index=\"" index "\" name=\"" name "\" subtype=\"NVML\" osdev_type=\"1\"/>"
#define RSMI(name, index) \
    "<object type=\"OSDev\" gp_index=\"" index "\" name=\"" name "\" subtype=\"RSMI\" osdev_type=\"1\"/>"
#define OPENCL(name, index, kind) \
    "<object type=\"OSDev\" gp_index=\"" index "\" name=\"" name "\" subtype=\"OpenCL\" osdev_type=\"5\">" \
    "<info name=\"OpenCLDeviceType\" value=\"" kind "\"/></object>"

static void test_without_the_variables_hwloc_says_which(void **unused)
{
    (void)unused;
    expect_gpus(open_with_devices(""), GPUS_FROM_NOWHERE, "");
    expect_gpus(open_with_devices(CUDA("cuda10", "20") CUDA("cuda2", "21") NVML("nvml0", "22")), GPUS_FROM_HWLOC,
                "2,10,");
    expect_gpus(open_with_devices(NVML("nvml1", "20") NVML("nvml0", "21")), GPUS_FROM_HWLOC, "0,1,");
    expect_gpus(open_with_devices(RSMI("rsmi0", "20")), GPUS_FROM_HWLOC, "0,");
    expect_gpus(open_with_devices(OPENCL("opencl0d0", "20", "CPU") OPENCL("opencl0d1", "21", "GPU")
                                      OPENCL("opencl1d0", "22", "GPU")),
                GPUS_FROM_HWLOC, "0,1,");
}

static void test_what_is_no_machine_is_refused(void **unused)
{
    struct binding_machine synthetic = {.synthetic = "pack:2 nonsense:4"}, xml = {.xml = "/nowhere.xml"};
    struct ganger_error err = {0}, err2 = {0};

    (void)unused;
    assert_null(binding_open_machine(&synthetic, &err));
    assert_int_equal(err.cause, ERROR_USAGE);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_null(binding_open_machine(&xml, &err2));
    assert_non_null(strstr(err2.text, "/nowhere.xml"));
}

/* ---- cgroups ---- */

/* Writes a file of one line somewhere below the folder, which it makes. */
static void put(const char *folder, const char *below, const char *file, const char *line)
{
    char *path = xasprintf("%s/%s", folder, below);

    for (char *slash = path + strlen(folder) + 1; slash != NULL && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
    free(path);
    path = xasprintf("%s/%s/%s", folder, below, file);
    scratch_write(path, line, strlen(line));
    free(path);
}

static struct binding_limits limits_in(const char *folder, const char *cgroups)
{
    char *path = xasprintf("%s/cgroup", folder);
    struct binding_limits limits;

    scratch_write(path, cgroups, strlen(cgroups));
    binding_read_limits(&limits, path, folder);
    free(path);
    return limits;
}

static void test_cgroups_of_version_2_limit_what_is_below_them(void **unused)
{
    char *folder = scratch_make();
    struct binding_limits limits;

    (void)unused;
    put(folder, "job", "memory.max", "8000000\n");
    put(folder, "job", "cpu.max", "150000 100000\n");
    put(folder, "job/step", "memory.max", "max\n");
    put(folder, "job/step", "cpu.max", "max 100000\n");
    limits = limits_in(folder, "0::/job/step\n");
    assert_int_equal(limits.memory_bytes, 8000000);
    assert_float_equal(limits.cpus, 1.5, 1e-9);
    put(folder, "job/step", "memory.max", "5000000\n");
    assert_int_equal(limits_in(folder, "0::/job/step\n").memory_bytes, 5000000);
    limits = limits_in(folder, "0::/other\n");
    assert_int_equal(limits.memory_bytes, 0);
    assert_float_equal(limits.cpus, 0, 0);
    scratch_remove(folder);
}

static void test_cgroups_of_version_1_limit_too(void **unused)
{
    char *folder = scratch_make();
    struct binding_limits limits;
    const char *cgroups = "5:cpuset:/a\n4:memory:/a\n3:cpu,cpuacct:/a\n1:name=systemd:/\n0::/\n";

    (void)unused;
    put(folder, "memory/a", "memory.limit_in_bytes", "7000000\n");
    put(folder, "memory", "memory.limit_in_bytes", "9223372036854771712\n");
    put(folder, "cpu/a", "cpu.cfs_quota_us", "50000\n");
    put(folder, "cpu/a", "cpu.cfs_period_us", "100000\n");
    put(folder, "cpu", "cpu.cfs_quota_us", "-1\n");
    put(folder, "cpu", "cpu.cfs_period_us", "100000\n");
    limits = limits_in(folder, cgroups);
    assert_int_equal(limits.memory_bytes, 7000000);
    assert_float_equal(limits.cpus, 0.5, 1e-9);
    scratch_remove(folder);
}

static void test_strange_cgroup_files_limit_nothing(void **unused)
{
    char *folder = scratch_make();

    (void)unused;
    put(folder, "a", "memory.max", "-5\n");
    put(folder, "a", "cpu.max", "100 0\n");
    assert_int_equal(limits_in(folder, "0::/a\n\nnonsense\n7:x\n0::").memory_bytes, 0);
    assert_float_equal(limits_in(folder, "0::/a\n").cpus, 0, 0);
    scratch_remove(folder);
}

/* ---- reports ---- */

static void test_a_report_tells_of_every_core(void **unused)
{
    struct binding_machine machine = {.synthetic = "pack:2 numa:2 l3:2 core:4 pu:2"};
    struct ganger_error err = {0};
    struct binding *b = binding_open_machine(&machine, &err);
    struct binding_report r;

    (void)unused;
    assert_int_equal(binding_report_make(&r, b, &err), 0);
    assert_int_equal(r.n_packages, 2);
    assert_int_equal(r.n_numas, 4);
    assert_int_equal(r.n_l3s, 8);
    assert_int_equal(r.n_cores, 32);
    assert_int_equal(r.n_threads, 64);
    assert_int_equal(r.cores[21].package, 1);
    assert_int_equal(r.cores[21].numa, 2);
    assert_int_equal(r.cores[21].l3, 5);
    assert_int_equal(r.cores[21].slot, 21);
    assert_int_equal(r.threads[r.cores[21].first_thread].number, 42);
    assert_int_equal(r.cores[21].n_threads, 2);
    assert_int_equal(r.memory_source, MEMORY_OF_MACHINE);
    assert_float_equal(r.cpu_limit, 0, 0);
    binding_report_release(&r);
    binding_close(b);
}

static void test_a_report_says_why_a_core_is_no_slot(void **unused)
{
    struct binding_mask before, one;
    struct ganger_error err = {0};
    struct binding_report r;
    struct binding *b;
    uint32_t n_slots = 0;
    int first = 0;

    (void)unused;
    binding_remember(&before);
    while (!CPU_ISSET_S((size_t)first, sizeof(before.sets), before.sets))
        first++;
    binding_mask_clear(&one);
    CPU_SET_S((size_t)first, sizeof(one.sets), one.sets);
    binding_move_back(&one);
    b = open_machine(NULL);
    assert_int_equal(binding_report_make(&r, b, &err), 0);
    for (uint32_t i = 0; i < r.n_cores; i++) {
        const struct binding_core *core = &r.cores[i];

        n_slots += core->slot != BINDING_NONE;
        for (uint32_t t = 0; t < core->n_threads; t++) {
            const struct binding_thread *thread = &r.threads[core->first_thread + t];

            if (thread->number == (uint32_t)first)
                assert_int_equal(thread->use, THREAD_USABLE);
            else if (CPU_ISSET_S(thread->number, sizeof(before.sets), before.sets))
                assert_int_equal(thread->use, THREAD_NOT_IN_MASK);
            else
                assert_int_not_equal(thread->use, THREAD_USABLE);
        }
    }
    assert_int_equal(n_slots, 1);
    binding_report_release(&r);
    binding_close(b);
    binding_move_back(&before);
}

static void test_a_report_says_what_gpus_are_near_to(void **unused)
{
    char *path = write_machine(CUDA("cuda1", "20") NVML("nvml1", "21"));
    struct binding *b = open_written(path);
    struct ganger_error err = {0};
    struct binding_report r;

    (void)unused;
    assert_int_equal(binding_report_make(&r, b, &err), 0);
    assert_int_equal(r.gpu_source, GPUS_FROM_HWLOC);
    assert_int_equal(r.n_gpus, 1);
    assert_string_equal(r.gpus[0].id, "1");
    assert_string_equal(r.gpus[0].bus, "0000:10:00.0");
    assert_int_equal(r.gpus[0].numa, 0);
    assert_int_equal(r.gpus[0].package, BINDING_NONE);
    binding_report_release(&r);
    binding_close(b);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slot_is_a_core_with_its_hardware_threads),
        cmocka_unit_test(test_slots_are_in_topology_order),
        cmocka_unit_test(test_more_slots_than_cores_share_them),
        cmocka_unit_test(test_slots_of_a_wide_task_make_one_mask),
        cmocka_unit_test(test_binding_on_a_machine_of_paper_succeeds),
        cmocka_unit_test(test_this_process_is_bound_for_real),
        cmocka_unit_test(test_the_affinity_mask_limits_the_slots),
        cmocka_unit_test(test_machines_may_have_thousands_of_hardware_threads),
        cmocka_unit_test(test_the_site_says_which_gpus_may_be_used),
        cmocka_unit_test(test_an_empty_variable_means_no_gpus),
        cmocka_unit_test(test_of_two_variables_cudas_counts),
        cmocka_unit_test(test_without_the_variables_hwloc_says_which),
        cmocka_unit_test(test_what_is_no_machine_is_refused),
        cmocka_unit_test(test_cgroups_of_version_2_limit_what_is_below_them),
        cmocka_unit_test(test_cgroups_of_version_1_limit_too),
        cmocka_unit_test(test_strange_cgroup_files_limit_nothing),
        cmocka_unit_test(test_a_report_tells_of_every_core),
        cmocka_unit_test(test_a_report_says_why_a_core_is_no_slot),
        cmocka_unit_test(test_a_report_says_what_gpus_are_near_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
