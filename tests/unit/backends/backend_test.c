#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_backends_are_found_by_name(void **state)
{
    struct ganger_error err = {0};

    (void)state;
    assert_ptr_equal(backend_find("slurm", NULL), &backend_slurm);
    assert_ptr_equal(backend_find("local", NULL), &backend_local);
    assert_null(backend_find("slrum", &err));
    assert_string_equal(err.text, "\"slrum\" is no backend; there are slurm, pbs, local, thread, none");
}

/* One that is available has every function; one that is not says why. */
static void test_tables_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; backends[i] != NULL; i++) {
        const struct backend *b = backends[i];
        struct ganger_error why = {0};

        assert_non_null(b->available);
        if (b->request == NULL) {
            assert_false(b->available(&why));
            assert_true(strlen(why.text) > 20);
            continue;
        }
        assert_non_null(b->check);
        assert_non_null(b->status);
        assert_non_null(b->release);
        assert_non_null(b->errors);
        assert_non_null(b->script);
    }
}

static void check_log(const char *log, size_t n_most, const char *wanted)
{
    char path[] = "/tmp/ganger-log-XXXXXX";
    struct buffer text = BUFFER_EMPTY;
    int fd = mkstemp(path);

    assert_true(fd >= 0 && write(fd, log, strlen(log)) == (ssize_t)strlen(log));
    close(fd);
    backend_read_log(path, n_most, &text);
    unlink(path);
    if (text.n != strlen(wanted) || (text.n > 0 && memcmp(text.bytes, wanted, text.n) != 0))
        fail_msg("the log says \"%.*s\", not \"%s\"", (int)text.n, text.bytes, wanted);
    buffer_release(&text);
}

static void test_a_log_is_what_stands_between_the_marks(void **state)
{
    (void)state;
    check_log("module: loaded\n" BACKEND_LOG_BEGINS " 12\nbad\nworse\n" BACKEND_LOG_ENDS ", status 1\nbye\n", 4096,
              "bad\nworse\n");
    check_log("noise\n" BACKEND_LOG_BEGINS " 12\ncut off", 4096, "cut off");
    check_log("no marks\nat all\n", 4096, "no marks\nat all\n");
    check_log(BACKEND_LOG_BEGINS "\nfirst\n" BACKEND_LOG_ENDS "\n" BACKEND_LOG_BEGINS "\nsecond\n", 4096, "second\n");
    check_log(BACKEND_LOG_BEGINS, 4096, "");
    check_log(BACKEND_LOG_BEGINS "\n", 4096, "");
    check_log("", 4096, "");
    check_log(BACKEND_LOG_BEGINS "\n1234567\n1234567\n1234567\n", 12, "1234567\n");
}

static void test_a_log_that_is_not_there_says_nothing(void **state)
{
    struct buffer text = BUFFER_EMPTY;

    (void)state;
    backend_read_log("/nonexistent/log", 4096, &text);
    assert_int_equal(text.n, 0);
    backend_read_log("/tmp", 4096, &text);
    assert_int_equal(text.n, 0);
    buffer_release(&text);
}

static void test_tokens_differ(void **state)
{
    char *a = backend_draw_token(), *b = backend_draw_token();

    (void)state;
    assert_int_equal(strlen(a), 16);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backends_are_found_by_name),
        cmocka_unit_test(test_tables_are_whole),
        cmocka_unit_test(test_a_log_is_what_stands_between_the_marks),
        cmocka_unit_test(test_a_log_that_is_not_there_says_nothing),
        cmocka_unit_test(test_tokens_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
