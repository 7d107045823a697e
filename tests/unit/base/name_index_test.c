#include "base/name_index.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *name_in_list(const void *data, uint32_t number)
{
    return ((const char *const *)data)[number];
}

static void test_a_name_is_found_as_it_was_entered(void **state)
{
    const char *const names[] = {"a", "ab", ""};
    struct name_index index = NAME_INDEX_EMPTY;

    (void)state;
    assert_int_equal(name_index_find(&index, "a", 1, name_in_list, names), NAME_NOT_FOUND);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(name_index_add(&index, names[i], strlen(names[i]), i, name_in_list, names),
                         NAME_NOT_FOUND);
    assert_int_equal(name_index_find(&index, "abc", 2, name_in_list, names), 1);
    assert_int_equal(name_index_find(&index, "abc", 3, name_in_list, names), NAME_NOT_FOUND);
    assert_int_equal(name_index_find(&index, "", 0, name_in_list, names), 2);
    name_index_release(&index);
}

static void test_a_second_name_gets_the_number_of_the_first(void **state)
{
    const char *const names[] = {"a", "a"};
    struct name_index index = NAME_INDEX_EMPTY;

    (void)state;
    assert_int_equal(name_index_add(&index, "a", 1, 0, name_in_list, names), NAME_NOT_FOUND);
    assert_int_equal(name_index_add(&index, "a", 1, 1, name_in_list, names), 0);
    assert_int_equal(index.n_names, 1);
    name_index_release(&index);
}

static const char *name_in_rows(const void *data, uint32_t number)
{
    return (const char *)data + 8 * (size_t)number;
}

static void test_names_survive_growth(void **state)
{
    const uint32_t n = 20000;
    char *rows = xcalloc(n, 8);
    struct name_index index = NAME_INDEX_EMPTY;

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        size_t length = (size_t)snprintf(rows + 8 * (size_t)i, 8, "%x", i);

        assert_int_equal(name_index_add(&index, rows + 8 * (size_t)i, length, i, name_in_rows, rows),
                         NAME_NOT_FOUND);
    }
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(name_index_find(&index, rows + 8 * (size_t)i, strlen(rows + 8 * (size_t)i),
                                         name_in_rows, rows),
                         i);
    assert_true(3 * index.n_names <= 2 * index.n_places);
    name_index_release(&index);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_is_found_as_it_was_entered),
        cmocka_unit_test(test_a_second_name_gets_the_number_of_the_first),
        cmocka_unit_test(test_names_survive_growth),
    };

    return cmocka_run_group_tests_name("name_index", tests, NULL, NULL);
}
