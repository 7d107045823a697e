#include "io/tmpdir.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_what_a_task_left_is_removed(void **unused)
{
    struct ganger_error err = {0};
    struct tmpdir t = {0};
    char *below, *path;

    (void)unused;
    assert_int_equal(tmpdir_open(&t, &err), 0);
    path = xstrdup(t.path);
    below = xasprintf("%s/below", path);
    assert_int_equal(mkdir(below, 0700), 0);
    tmpdir_clear(&t);
    assert_false(is_there(below));
    assert_string_equal(t.path, path);
    assert_true(is_there(path));
    tmpdir_close(&t);
    assert_false(is_there(path));
    free(below);
    free(path);
}

static void test_one_that_its_task_removed_is_made_anew(void **unused)
{
    struct ganger_error err = {0};
    struct tmpdir t = {0};

    (void)unused;
    assert_int_equal(tmpdir_open(&t, &err), 0);
    assert_int_equal(rmdir(t.path), 0);
    tmpdir_clear(&t);
    assert_null(t.path);
    assert_int_equal(tmpdir_open(&t, &err), 0);
    assert_true(is_there(t.path));
    assert_int_equal(rmdir(t.path), 0);
    tmpdir_close(&t);
    assert_null(t.path);
}

static void test_a_link_in_its_place_is_not_followed(void **unused)
{
    char kept[] = "/tmp/ganger-test-XXXXXX";
    struct ganger_error err = {0};
    struct tmpdir t = {0};
    char *file, *link;

    (void)unused;
    assert_non_null(mkdtemp(kept));
    file = xasprintf("%s/kept", kept);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(tmpdir_open(&t, &err), 0);
    link = xstrdup(t.path);
    assert_int_equal(rmdir(link), 0);
    assert_int_equal(symlink(kept, link), 0);
    tmpdir_clear(&t);
    assert_null(t.path);
    assert_true(is_there(file));
    tmpdir_close(&t);
    unlink(link);
    rmdir(file);
    rmdir(kept);
    free(file);
    free(link);
}

static char *make_one_of(const char *run_dir, uint32_t epoch, uint32_t worker)
{
    struct ganger_error err = {0};
    struct tmpdir t = {0};
    char *below;

    tmpdir_set_owner(&t, run_dir, epoch, worker);
    assert_int_equal(tmpdir_open(&t, &err), 0);
    below = xasprintf("%s/below", t.path);
    assert_int_equal(mkdir(below, 0700), 0);
    free(below);
    return t.path; /* whoever made it is killed */
}

static void remove_one(char *path)
{
    char *below = xasprintf("%s/below", path);

    rmdir(below);
    rmdir(path);
    free(below);
    free(path);
}

static void test_what_dead_workers_left_is_removed_and_no_more(void **unused)
{
    char *first = make_one_of("/tmp", 1, 1), *second = make_one_of("/tmp", 2, 1), *other = make_one_of("/tmp", 2, 2),
         *of_another_run = make_one_of("/", 1, 1), *later = make_one_of("/tmp", 3, 1);

    (void)unused;
    tmpdir_remove_left("/tmp", 2, 1);
    assert_true(is_there(first));
    assert_false(is_there(second));
    assert_true(is_there(other));
    tmpdir_remove_left("/tmp", 3, 0);
    assert_false(is_there(first));
    assert_false(is_there(other));
    assert_true(is_there(of_another_run));
    assert_true(is_there(later));
    free(first);
    free(second);
    free(other);
    remove_one(of_another_run);
    remove_one(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_task_left_is_removed),
        cmocka_unit_test(test_one_that_its_task_removed_is_made_anew),
        cmocka_unit_test(test_a_link_in_its_place_is_not_followed),
        cmocka_unit_test(test_what_dead_workers_left_is_removed_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
