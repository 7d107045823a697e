#include "base/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int pipe_with(const char *bytes, size_t n_bytes)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, n_bytes), n_bytes);
    close(ends[1]);
    return ends[0];
}

static void assert_line(struct source *s, const char *expected)
{
    const char *line;
    size_t n;

    assert_int_equal(source_take_line(s, &line, &n, NULL), 1);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(line, expected, n);
}

static void assert_no_line(struct source *s)
{
    const char *line;
    size_t n;

    assert_int_equal(source_take_line(s, &line, &n, NULL), 0);
}

static void test_lines_come_without_their_ends(void **state)
{
    struct source s;

    (void)state;
    source_init(&s, "text", -1, "a\n\nb\r\nlast", 10);
    assert_line(&s, "a");
    assert_line(&s, "");
    assert_line(&s, "b\r");
    assert_line(&s, "last");
    assert_no_line(&s);
    source_release(&s);
}

static void test_an_empty_text_has_no_line(void **state)
{
    struct source s;

    (void)state;
    source_init(&s, "text", -1, NULL, 0);
    assert_no_line(&s);
    assert_int_equal(source_fill(&s, NULL), 0);
    source_release(&s);
}

static void test_a_file_and_memory_have_the_same_digest(void **state)
{
    struct source from_fd;
    struct source from_memory;
    int fd = pipe_with("one\ntwo\n", 8);

    (void)state;
    source_init(&from_fd, "pipe", fd, NULL, 0);
    source_init(&from_memory, "text", -1, "one\ntwo\n", 8);
    assert_line(&from_fd, "one");
    assert_int_equal(source_take_all(&from_fd, NULL), 0);
    assert_int_equal(from_fd.end - from_fd.next, 4);
    assert_int_equal(source_digest(&from_fd), source_digest(&from_memory));
    source_release(&from_fd);
    source_release(&from_memory);
    close(fd);
}

static void test_a_line_longer_than_a_block_is_one_line(void **state)
{
    const size_t n_long = 3000000;
    char *text = malloc(n_long + 3);
    FILE *file = tmpfile();
    struct source s;
    const char *line;
    size_t n;

    (void)state;
    assert_non_null(file);
    memset(text, 'x', n_long);
    memcpy(text + n_long, "\ny\n", 3);
    assert_int_equal(fwrite(text, 1, n_long + 3, file), n_long + 3);
    rewind(file);
    source_init(&s, "file", fileno(file), NULL, 0);
    assert_int_equal(source_take_line(&s, &line, &n, NULL), 1);
    assert_int_equal(n, n_long);
    assert_memory_equal(line, text, n_long);
    assert_line(&s, "y");
    assert_no_line(&s);
    source_release(&s);
    fclose(file);
    free(text);
}

static void test_what_cannot_be_read_is_an_error(void **state)
{
    struct ganger_error err = {0};
    struct source s;
    int fd = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    const char *line;
    size_t n;

    (void)state;
    source_init(&s, "the root", fd, NULL, 0);
    assert_int_equal(source_take_line(&s, &line, &n, &err), -1);
    assert_int_equal(err.cause, ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "cannot read the root: "));
    source_release(&s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_without_their_ends),
        cmocka_unit_test(test_an_empty_text_has_no_line),
        cmocka_unit_test(test_a_file_and_memory_have_the_same_digest),
        cmocka_unit_test(test_a_line_longer_than_a_block_is_one_line),
        cmocka_unit_test(test_what_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
