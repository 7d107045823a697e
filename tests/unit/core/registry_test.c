#include "core/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int body(struct ganger_call *call)
{
    (void)call;
    return 0;
}

static int add(struct registry *r, const char *name, struct ganger_error *err)
{
    return registry_add(r, &(struct registry_function){.name = name, .body = body}, err);
}

static void test_names_are_numbers_in_their_order(void **state)
{
    struct registry r = REGISTRY_EMPTY;
    struct ganger_error err = {0};

    (void)state;
    assert_int_equal(registry_digest(&r), 0);
    assert_int_equal(add(&r, "a", &err) | add(&r, "b", &err), 0);
    assert_int_equal(registry_find(&r, "b"), 1);
    assert_int_equal(registry_find(&r, "c"), REGISTRY_NONE);
    registry_release(&r);
}

static void test_what_is_no_function_is_refused(void **state)
{
    static const char *const names[] = {"", "a\nb", "a"};
    struct registry r = REGISTRY_EMPTY;

    (void)state;
    assert_int_equal(add(&r, "a", NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        struct ganger_error err = {0};

        assert_int_equal(add(&r, names[i], &err), -1);
        assert_int_equal(err.cause, ERROR_USAGE);
    }
    assert_int_equal(registry_add(&r, &(struct registry_function){.name = "b"}, NULL), -1);
    assert_int_equal(r.n, 1);
    registry_release(&r);
}

static void test_others_are_told_apart_and_how(void **state)
{
    struct registry ours = REGISTRY_EMPTY, swapped = REGISTRY_EMPTY;
    struct buffer text = BUFFER_EMPTY, packed = BUFFER_EMPTY;

    (void)state;
    assert_int_equal(add(&ours, "a", NULL) | add(&ours, "b", NULL), 0);
    assert_int_equal(add(&swapped, "b", NULL) | add(&swapped, "a", NULL), 0);
    assert_true(registry_digest(&ours) != registry_digest(&swapped));
    registry_describe_difference(&ours, "b\0c", 4, &text);
    assert_string_equal(text.bytes, "it lacks \"a\", it has besides \"c\"");
    text.n = 0;
    registry_pack(&swapped, &packed);
    registry_describe_difference(&ours, packed.bytes, packed.n, &text);
    assert_string_equal(text.bytes, "they come in another order");
    buffer_release(&text);
    buffer_release(&packed);
    registry_release(&ours);
    registry_release(&swapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_numbers_in_their_order),
        cmocka_unit_test(test_what_is_no_function_is_refused),
        cmocka_unit_test(test_others_are_told_apart_and_how),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
