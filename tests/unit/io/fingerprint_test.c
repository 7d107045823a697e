#include "io/fingerprint.h"

#include "core/task.h"
#include "io/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define ALL ((size_t)1 << 40)

struct world
{
    char *dir;
    struct fingerprint f;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->dir = scratch_make();
    fingerprint_init(&w->f);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    fingerprint_release(&w->f);
    scratch_remove(w->dir);
    free(w);
    return 0;
}

static char *path_in(const struct world *w, const char *name)
{
    return xasprintf("%s/%s", w->dir, name);
}

static void put(const struct world *w, const char *name, const char *text)
{
    char *path = path_in(w, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

/* Long enough ago for its contents to be remembered. */
static void age(const struct world *w, const char *name, long changed_s)
{
    char *path = path_in(w, name);
    struct timespec times[] = {{changed_s, 0}, {changed_s, 0}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

static void make_folder(const struct world *w, const char *name)
{
    char *path = path_in(w, name);

    assert_int_equal(mkdir(path, 0777), 0);
    free(path);
}

/* Of names parted by blanks. */
static void begin(struct world *w, const char *names)
{
    char paths[256];
    size_t n = strlen(names) + 1;

    memcpy(paths, names, n);
    for (size_t i = 0; i < n; i++)
        if (paths[i] == ' ')
            paths[i] = '\0';
    fingerprint_begin(&w->f, w->dir, paths, (uint32_t)n);
}

static uint64_t print_of(struct world *w, const char *names)
{
    begin(w, names);
    assert_true(fingerprint_step(&w->f, ALL));
    return fingerprint_value(&w->f);
}

static void test_contents_count_and_names_and_times_do_not(void **state)
{
    struct world *w = *state;
    uint64_t first;

    put(w, "a", "one");
    put(w, "b", "one");
    first = print_of(w, "a");
    assert_true(first > FINGERPRINT_ANY);
    assert_int_equal(print_of(w, "b"), first);
    age(w, "a", 1000);
    assert_int_equal(print_of(w, "a"), first);
    put(w, "a", "two");
    assert_int_not_equal(print_of(w, "a"), first);
    put(w, "a", "");
    assert_int_not_equal(print_of(w, "a"), first);
}

static void test_the_order_of_several_counts(void **state)
{
    struct world *w = *state;

    put(w, "a", "one");
    put(w, "b", "two");
    assert_int_not_equal(print_of(w, "a b"), print_of(w, "b a"));
    assert_int_equal(print_of(w, "a b"), print_of(w, "a b"));
}

static void test_steps_make_no_difference(void **state)
{
    struct world *w = *state;
    char *path = path_in(w, "large");
    uint64_t whole;
    int n_steps = 1;

    put(w, "large", "x");
    assert_int_equal(truncate(path, 3000000), 0);
    put(w, "b", "two");
    whole = print_of(w, "large b");
    begin(w, "large b");
    while (!fingerprint_step(&w->f, 1))
        n_steps++;
    assert_true(n_steps > 10);
    assert_int_equal(fingerprint_value(&w->f), whole);
    free(path);
}

static void test_a_directory_is_all_that_is_in_it(void **state)
{
    struct world *w = *state;
    char *link = path_in(w, "d/e/up");
    uint64_t first, second;

    make_folder(w, "d");
    make_folder(w, "d/e");
    put(w, "d/e/f", "one");
    put(w, "d/g", "one");
    first = print_of(w, "d");
    assert_int_equal(symlink("..", link), 0); /* round and round, if it were followed */
    second = print_of(w, "d");
    assert_int_not_equal(first, second);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("../..", link), 0);
    assert_int_not_equal(print_of(w, "d"), second);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(print_of(w, "d"), first);
    put(w, "d/e/f", "two");
    assert_int_not_equal(print_of(w, "d"), first);
    put(w, "d/e/f", "one");
    put(w, "d/e/h", "");
    assert_int_not_equal(print_of(w, "d"), first);
    free(link);
}

static void test_what_is_missing_or_is_no_file_is_told(void **state)
{
    struct world *w = *state;
    char *fifo = path_in(w, "fifo");

    put(w, "a", "one");
    assert_int_equal(print_of(w, "a gone"), FINGERPRINT_UNSURE);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_true(print_of(w, "fifo") > FINGERPRINT_ANY); /* and does not wait for a writer */
    free(fifo);
}

static void test_a_change_meanwhile_is_seen(void **state)
{
    struct world *w = *state;

    put(w, "a", "one");
    begin(w, "a");
    put(w, "a", "longer");
    assert_true(fingerprint_step(&w->f, ALL));
    assert_int_equal(fingerprint_value(&w->f), FINGERPRINT_UNSURE);
}

static void test_a_change_afterwards_is_seen(void **state)
{
    struct world *w = *state;

    put(w, "a", "one");
    make_folder(w, "d");
    put(w, "d/b", "one");
    print_of(w, "a d");
    assert_true(fingerprint_is_current(&w->f));
    put(w, "d/b", "other");
    assert_false(fingerprint_is_current(&w->f));
    print_of(w, "a d");
    put(w, "d/c", "new");
    assert_false(fingerprint_is_current(&w->f));
}

/* Contents that were changed behind its back, with everything else the same, show that a file was not read again. */
static void test_what_was_read_once_is_known_unless_it_is_fresh(void **state)
{
    struct world *w = *state;
    uint64_t first;

    put(w, "a", "one");
    age(w, "a", 1000);
    first = print_of(w, "a");
    put(w, "a", "two");
    age(w, "a", 1000);
    assert_int_equal(print_of(w, "a"), first);
    age(w, "a", 1001);
    assert_int_not_equal(print_of(w, "a"), first);

    put(w, "b", "one"); /* just now: its next change may get the same time */
    first = print_of(w, "b");
    put(w, "b", "two");
    assert_int_not_equal(print_of(w, "b"), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents_count_and_names_and_times_do_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_order_of_several_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps_make_no_difference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_directory_is_all_that_is_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_missing_or_is_no_file_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_meanwhile_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_afterwards_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_read_once_is_known_unless_it_is_fresh, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
