#include "io/presence.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

static void touch(const char *dir, const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

/* Looks for packed paths, both ways; what is missing must be the same. */
static const char *find(const char *dir, const char *paths, size_t n_bytes, int *number)
{
    const char *once = presence_find_missing(dir, paths, (uint32_t)n_bytes, false, number);

    assert_ptr_equal(presence_find_missing(dir, paths, (uint32_t)n_bytes, true, number), once);
    return once;
}

static void test_the_first_that_is_missing_is_named(void **unused)
{
    char dir[] = "/tmp/ganger-test-XXXXXX", path[64];
    static const char paths[] = "a\0sub\0sub/b\0/etc/passwd";
    int number = 0;

    (void)unused;
    assert_non_null(mkdtemp(dir));
    assert_string_equal(find(dir, paths, sizeof(paths), &number), "a");
    assert_int_equal(number, ENOENT);
    touch(dir, "a");
    assert_string_equal(find(dir, paths, sizeof(paths), &number), "sub");
    snprintf(path, sizeof(path), "%s/sub", dir);
    mkdir(path, 0700);
    assert_string_equal(find(dir, paths, sizeof(paths), &number), "sub/b");
    touch(dir, "sub/b");
    assert_null(find(dir, paths, sizeof(paths), &number));
    assert_null(find(dir, "", 0, &number));
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_other_reasons_are_told(void **unused)
{
    char dir[] = "/tmp/ganger-test-XXXXXX", path[64];
    int number = 0;

    (void)unused;
    assert_non_null(mkdtemp(dir));
    touch(dir, "file");
    assert_non_null(find(dir, "file/below", 11, &number));
    assert_int_equal(number, ENOTDIR);
    snprintf(path, sizeof(path), "%s/link", dir);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_non_null(find(dir, "link", 5, &number));
    assert_int_equal(number, ENOENT);
    assert_non_null(find("/no/such/dir", "file", 5, &number));
    assert_int_equal(number, ENOENT);
    assert_non_null(find("/", "no-such-file-here", 18, &number));
    assert_non_null(find("/", "/no-such-file-here", 19, &number));
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_that_is_missing_is_named),
        cmocka_unit_test(test_other_reasons_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
