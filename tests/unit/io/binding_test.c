#include "io/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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
    const uint16_t slots[] = {2, 3};
    struct ganger_error err = {0};
    cpu_set_t mask;

    (void)unused;
    assert_int_equal(binding_affinity(b, slots, 2, &mask, &err), 0);
    assert_int_equal(CPU_COUNT(&mask), 4);
    for (int cpu = 4; cpu < 8; cpu++)
        assert_true(CPU_ISSET(cpu, &mask));
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
    const uint16_t slot = 0;
    cpu_set_t wanted, before, now;

    (void)unused;
    sched_getaffinity(0, sizeof(before), &before);
    assert_true(binding_n_slots(b) >= 1);
    assert_true(binding_memory_bytes(b) > 0);
    assert_int_equal(binding_affinity(b, &slot, 1, &wanted, &err), 0);
    assert_int_equal(binding_bind(b, 0, &err), 0);
    sched_getaffinity(0, sizeof(now), &now);
    assert_true(CPU_EQUAL(&wanted, &now));
    sched_setaffinity(0, sizeof(before), &before);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
