#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/group.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* There and back by way of the text that stands in a file. */
static json_t *by_way_of_text(json_t *object)
{
    char *text = json_dumps(object, 0);
    json_t *again = json_loads(text, 0, NULL);

    json_decref(object);
    free(text);
    assert_non_null(again);
    return again;
}

static char *text(const char *t)
{
    return strdup(t);
}

static void test_a_group_comes_back_as_it_went(void **state)
{
    struct group g = {.name = text("sim ü"), .backend = text("slurm"), .n_nodes = 3, .n_cores = 2,
                      .memory_bytes = (uint64_t)5 << 40, .n_gpus = 1, .runtime_s = 100.5, .qos = text("high")},
                 again;
    json_t *object;

    (void)state;
    text_list_add(&g.directives, "--mail-type=END");
    text_list_add(&g.directives, "--reservation=a b");
    object = by_way_of_text(group_to_json(&g));
    assert_int_equal(group_from_json(&again, object, NULL), 0);
    assert_string_equal(again.name, "sim ü");
    assert_int_equal(again.n_nodes, 3);
    assert_int_equal(again.n_cores, 2);
    assert_true(again.memory_bytes == (uint64_t)5 << 40);
    assert_true(again.runtime_s == 100.5);
    assert_string_equal(again.qos, "high");
    assert_null(again.partition);
    assert_int_equal(again.directives.n, 2);
    assert_string_equal(again.directives.each[1], "--reservation=a b");
    json_decref(object);
    group_release(&g);
    group_release(&again);
}

static struct resource_set make_set(void)
{
    return (struct resource_set){.type = text("slurm"), .group = text("g"), .n_workers = 6, .runtime_s = INFINITY,
                                 .job = text("12_3"), .token = text("0123456789abcdef"), .comment = text("ganger:x"),
                                 .script = text("/r/job.sbatch"), .log = text("/r/job-%j.out"),
                                 .requested_s = 1795416536.25, .host = text("")};
}

static void test_a_resource_set_comes_back_as_it_went(void **state)
{
    struct resource_set set = make_set(), again;
    json_t *object = by_way_of_text(resource_set_to_json(&set));

    (void)state;
    assert_int_equal(resource_set_from_json(&again, object, NULL), 0);
    assert_string_equal(again.type, "slurm");
    assert_string_equal(again.job, "12_3");
    assert_int_equal(again.n_workers, 6);
    assert_true(isinf(again.runtime_s));
    assert_true(again.requested_s == 1795416536.25);
    assert_false(again.is_released);
    assert_int_equal(again.pid, 0);
    json_decref(object);
    resource_set_release(&set);
    resource_set_release(&again);
}

/* A negative number of seconds means without end, as a run time; a job is not requested at such a time. */
static void test_a_time_before_all_times_is_refused(void **state)
{
    struct resource_set set = make_set(), again;
    json_t *object = resource_set_to_json(&set);
    struct ganger_error err = {0};

    (void)state;
    json_object_set_new(object, "requested", json_real(-11.5));
    assert_int_equal(resource_set_from_json(&again, object, &err), -1);
    assert_non_null(strstr(err.text, "\"requested\" is not a time"));
    json_decref(object);
    resource_set_release(&set);
}

/* Each member missing, and each of another type: refused with its name, nothing leaked. */
static void test_a_damaged_resource_set_is_refused_by_name(void **state)
{
    struct resource_set set = make_set(), again;
    json_t *good = resource_set_to_json(&set), *value;
    const char *name;

    (void)state;
    json_object_foreach(good, name, value) {
        for (int wrong = 0; wrong < 2; wrong++) {
            json_t *bad = json_deep_copy(good);
            struct ganger_error err = {0};

            if (strcmp(name, "released") == 0 && wrong)
                ; /* anything but true is false */
            else if (wrong)
                json_object_set_new(bad, name, json_array());
            if (!wrong)
                json_object_del(bad, name);
            if (resource_set_from_json(&again, bad, &err) == 0) {
                assert_string_equal(name, "released");
                resource_set_release(&again);
            } else {
                assert_non_null(strstr(err.text, name));
            }
            json_decref(bad);
        }
    }
    json_decref(good);
    resource_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_comes_back_as_it_went),
        cmocka_unit_test(test_a_resource_set_comes_back_as_it_went),
        cmocka_unit_test(test_a_time_before_all_times_is_refused),
        cmocka_unit_test(test_a_damaged_resource_set_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
