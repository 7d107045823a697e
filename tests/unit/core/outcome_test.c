#include "core/outcome.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_described(enum task_end end, int code, const char *tail, const char *expected)
{
    struct task_result result = {.end = end, .code = code, .tail = tail,
                                 .n_tail_bytes = tail != NULL ? (uint32_t)strlen(tail) : 0};
    char text[OUTCOME_BYTES];

    outcome_describe(&result, text);
    assert_string_equal(text, expected);
}

static void test_each_end_has_its_words(void **state)
{
    (void)state;
    assert_described(TASK_EXITED, 3, "its output", "exit status 3");
    assert_described(TASK_SIGNALLED, SIGSEGV, NULL, "signal 11 (SEGV)");
    assert_described(TASK_SIGNALLED, 40, NULL, "signal 40"); /* a real-time one has no name */
    assert_described(TASK_CANCELLED, 0, NULL, "cancelled");
    assert_described(TASK_CANCELLED, SIGTERM, NULL, "cancelled with signal 15 (TERM)");
    assert_described(TASK_TIMED_OUT, 0, "its output", "ended at its timeout");
    assert_described(TASK_TIMED_OUT, SIGTERM, "its output", "ended at its timeout");
    assert_described(TASK_TIMED_OUT, SIGKILL, "its output", "ended at its timeout, with signal 9 (KILL)");
}

static void test_missing_files_are_named(void **state)
{
    (void)state;
    assert_described(TASK_INPUT_MISSING, ENOENT, "a.txt: No such file or directory",
                     "a declared input is missing: a.txt: No such file or directory");
    assert_described(TASK_OUTPUT_MISSING, EACCES, "b.txt: Permission denied",
                     "a declared output is missing: b.txt: Permission denied");
    assert_described(TASK_OUTPUT_MISSING, EACCES, NULL, "a declared output is missing: Permission denied");
}

static void test_equal_causes_are_counted_as_one(void **state)
{
    char text[OUTCOME_BYTES];

    (void)state;
    outcome_classify(TASK_TIMED_OUT, SIGKILL, text);
    assert_string_equal(text, "ended at its timeout");
    outcome_classify(TASK_INPUT_MISSING, ENOENT, text);
    assert_string_equal(text, "a declared input is missing: No such file or directory");
}

static void test_what_could_not_start_says_why_once(void **state)
{
    (void)state;
    assert_described(TASK_NOT_STARTED, ENOENT, NULL,
                     "could not be started: No such file or directory");
    assert_described(TASK_NOT_STARTED, ENOENT, "/bin/nope",
                     "could not be started: No such file or directory: /bin/nope");
    assert_described(TASK_NOT_STARTED, ENOENT, "/bin/nope: No such file or directory",
                     "could not be started: /bin/nope: No such file or directory");
}

static void test_long_reasons_are_cut(void **state)
{
    char tail[TASK_TAIL_BYTES];
    char text[OUTCOME_BYTES];
    struct task_result result = {.end = TASK_NOT_STARTED, .code = ENOENT, .tail = tail,
                                 .n_tail_bytes = sizeof(tail)};

    (void)state;
    memset(tail, 'x', sizeof(tail)); /* no NUL at its end */
    outcome_describe(&result, text);
    assert_int_equal(strlen(text), OUTCOME_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_end_has_its_words),
        cmocka_unit_test(test_missing_files_are_named),
        cmocka_unit_test(test_equal_causes_are_counted_as_one),
        cmocka_unit_test(test_what_could_not_start_says_why_once),
        cmocka_unit_test(test_long_reasons_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
