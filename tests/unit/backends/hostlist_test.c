#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/hostlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The hosts, with blanks between them; "refused" when the text is. */
static void check(const char *text, const char *wanted)
{
    struct ganger_error err = {0};
    char joined[4096] = "";
    char **hosts = NULL;
    size_t n = 0;

    if (hostlist_read(text, &hosts, &n, &err) < 0) {
        assert_int_equal(err.cause, ERROR_SYSTEM);
        assert_string_equal(wanted, "refused");
        return;
    }
    for (size_t i = 0; i < n; i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s", i > 0 ? " " : "", hosts[i]);
    hostlist_free(hosts, n);
    assert_string_equal(joined, wanted);
}

static void test_hosts_are_listed_in_order(void **state)
{
    (void)state;
    check("n1", "n1");
    check("n[1-3,7]", "n1 n2 n3 n7");
    check("n[1-2],login,gpu-[08-11]-ib", "n1 n2 login gpu-08-ib gpu-09-ib gpu-10-ib gpu-11-ib");
    check("r[1-2]n[01,3]", "r1n01 r1n3 r2n01 r2n3");
    check("node-7.cluster.site", "node-7.cluster.site");
    check("n[9-10]", "n9 n10");
    check("n[099-101]", "n099 n100 n101");
}

static void test_other_texts_are_refused(void **state)
{
    (void)state;
    check("", "refused");
    check("n1,", "refused");
    check(",n1", "refused");
    check("n[1-3", "refused");
    check("n[]", "refused");
    check("n[1-]", "refused");
    check("n[3-1]", "refused");
    check("n[a-b]", "refused");
    check("n[1,,2]", "refused");
    check("n[1-99999999999999999999]", "refused");
    check("n[0-999999999]", "refused");
    check("n[1-1000]m[1-1000]o[1-1000]", "refused");
}

static void check_counts(const char *text, const char *wanted)
{
    struct ganger_error err = {0};
    char joined[4096] = "";
    uint32_t *counts;
    size_t n;

    if (hostlist_read_counts(text, &counts, &n, &err) < 0) {
        assert_string_equal(wanted, "refused");
        return;
    }
    for (size_t i = 0; i < n; i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%u", i > 0 ? " " : "", counts[i]);
    free(counts);
    assert_string_equal(joined, wanted);
}

static void test_counts_are_repeated(void **state)
{
    (void)state;
    check_counts("2", "2");
    check_counts("2(x3),4", "2 2 2 4");
    check_counts("16,8(x2)", "16 8 8");
    check_counts("", "refused");
    check_counts("2(x", "refused");
    check_counts("2(x3", "refused");
    check_counts("2(x0)", "refused");
    check_counts("2(x3),", "refused");
    check_counts("two", "refused");
    check_counts("2(x999999999)", "refused");
}

static void test_counts_come_back_as_they_went(void **state)
{
    static const char *const texts[] = {"2", "2(x3),4", "3,2(x2)", "1,2,1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        uint32_t *counts;
        size_t n;
        char *text;

        assert_int_equal(hostlist_read_counts(texts[i], &counts, &n, NULL), 0);
        text = hostlist_write_counts(counts, n);
        assert_string_equal(text, texts[i]);
        free(text);
        free(counts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_listed_in_order),
        cmocka_unit_test(test_other_texts_are_refused),
        cmocka_unit_test(test_counts_are_repeated),
        cmocka_unit_test(test_counts_come_back_as_they_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
