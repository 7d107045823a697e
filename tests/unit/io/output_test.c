#include "io/output.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

struct world
{
    char *dir;
    char *file; /* of epoch 1, worker 3 */
    struct output *output;
    struct ganger_error err;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->dir = scratch_make();
    w->file = xasprintf("%s/1-3.out", w->dir);
    w->output = output_open(w->dir, 1, 3, &w->err);
    *state = w;
    return w->output == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    output_close(w->output);
    scratch_remove(w->dir);
    free(w->file);
    free(w);
    return 0;
}

static void append(struct world *w, task_id task, uint32_t attempt, enum output_stream stream,
                   const char *text)
{
    assert_int_equal(
        output_append(w->output, task, attempt, stream, text, strlen(text), &w->err), 0);
}

static int gather(void *data, enum output_stream stream, const char *bytes, size_t n_bytes,
                  struct ganger_error *err)
{
    struct buffer *b = data;

    (void)err;
    buffer_put_u8(b, stream == OUTPUT_STDOUT ? 'o' : 'e');
    buffer_put(b, bytes, n_bytes);
    return 0;
}

/* What a task wrote, "o" or "e" before each chunk; the caller frees it. NULL: reading failed. */
static char *read_range(struct world *w, task_id task, uint32_t attempt, uint64_t offset,
                        uint64_t n_bytes, enum output_stream which)
{
    struct buffer b = BUFFER_EMPTY;

    w->err.cause = ERROR_NONE;
    if (output_read(w->dir, 1, 3, task, attempt, offset, n_bytes, which, gather, &b, &w->err)) {
        buffer_release(&b);
        return NULL;
    }
    buffer_put_u8(&b, 0);
    return b.bytes;
}

static void assert_reads(struct world *w, task_id task, uint32_t attempt, enum output_stream which,
                         const char *expected)
{
    char *text = read_range(w, task, attempt, 0, output_offset(w->output), which);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_makes_no_file_until_something_is_written(void **state)
{
    struct world *w = *state;

    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "", 0, &w->err), 0);
    assert_int_equal(access(w->file, F_OK), -1);
    append(w, 1, 1, OUTPUT_STDOUT, "x");
    assert_int_equal(access(w->file, F_OK), 0);
}

static void test_file_is_for_its_owner_only(void **state)
{
    struct world *w = *state;
    struct stat status;

    append(w, 1, 1, OUTPUT_STDOUT, "x");
    assert_int_equal(stat(w->file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_chunks_of_a_task_come_back_in_order(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "one ");
    append(w, 7, 1, OUTPUT_STDERR, "two ");
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oone etwo othree");
    assert_reads(w, 7, 1, OUTPUT_STDOUT, "oone othree");
    assert_reads(w, 7, 1, OUTPUT_STDERR, "etwo ");
}

static void test_tasks_and_attempts_that_share_a_range_are_told_apart(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "a");
    append(w, 8, 1, OUTPUT_STDOUT, "b");
    append(w, 7, 2, OUTPUT_STDOUT, "c");
    append(w, 7, 1, OUTPUT_STDOUT, "d");
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oaod");
    assert_reads(w, 7, 2, OUTPUT_BOTH, "oc");
    assert_reads(w, 8, 1, OUTPUT_BOTH, "ob");
    assert_reads(w, 9, 1, OUTPUT_BOTH, "");
}

static void test_offset_and_length_select_chunks(void **state)
{
    struct world *w = *state;
    uint64_t second, third;
    char *text;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    second = output_offset(w->output);
    assert_int_equal(second, 32 + 3);
    append(w, 7, 1, OUTPUT_STDOUT, "two");
    third = output_offset(w->output);
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    text = read_range(w, 7, 1, second, third - second, OUTPUT_BOTH);
    assert_non_null(text);
    assert_string_equal(text, "otwo");
    free(text);
}

static void test_header_is_little_endian_and_of_32_bytes(void **state)
{
    static const unsigned char expected[24] = {'G', 'O', 'U', 'T', 0x04, 0x03, 0x02, 0x01,
                                               5, 0, 0, 0, OUTPUT_STDERR, 1, 0, 0,
                                               2, 0, 0, 0, 1, 0, 0, 0};
    struct world *w = *state;
    size_t n;
    char *bytes;

    append(w, 0x01020304, 5, OUTPUT_STDERR, "hi");
    bytes = scratch_read(w->file, &n);
    assert_int_equal(n, 34);
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_memory_equal(bytes + 32, "hi", 2);
    free(bytes);
}

static void test_largest_chunk_is_kept(void **state)
{
    struct world *w = *state;
    char *bytes = xmalloc(OUTPUT_CHUNK_BYTES + 1);
    char *text;

    memset(bytes, 'y', OUTPUT_CHUNK_BYTES);
    bytes[OUTPUT_CHUNK_BYTES] = '\0';
    append(w, 7, 1, OUTPUT_STDOUT, bytes);
    text = read_range(w, 7, 1, 0, output_offset(w->output), OUTPUT_BOTH);
    assert_non_null(text);
    assert_string_equal(text + 1, bytes); /* behind the mark of the stream */
    free(text);
    free(bytes);
}

static void test_a_file_that_is_there_is_continued(void **state)
{
    struct world *w = *state;
    struct output *second;
    uint64_t end;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    end = output_offset(w->output);
    second = output_open(w->dir, 1, 3, &w->err);
    assert_non_null(second);
    assert_int_equal(output_append(second, 8, 1, OUTPUT_STDOUT, "two", 3, &w->err), 0);
    assert_int_equal(output_offset(second), end + 32 + 3);
    output_close(second);
}

static void flip_byte(const char *path, size_t at)
{
    size_t n;
    char *bytes = scratch_read(path, &n);

    bytes[at] ^= 1;
    scratch_write(path, bytes, n);
    free(bytes);
}

static void test_any_changed_byte_is_found(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "abc");
    for (size_t at = 0; at < 35; at++) {
        flip_byte(w->file, at);
        assert_null(read_range(w, 7, 1, 0, 35, OUTPUT_BOTH));
        assert_int_equal(w->err.cause, ERROR_SYSTEM);
        assert_non_null(strstr(w->err.text, "1-3.out"));
        flip_byte(w->file, at);
    }
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oabc");
}

static void test_a_torn_chunk_is_an_error_after_what_is_whole(void **state)
{
    struct world *w = *state;
    struct buffer seen = BUFFER_EMPTY;
    uint64_t n_bytes;

    append(w, 7, 1, OUTPUT_STDOUT, "whole");
    append(w, 7, 1, OUTPUT_STDOUT, "torn");
    n_bytes = output_offset(w->output);
    assert_int_equal(truncate(w->file, (off_t)n_bytes - 1), 0);
    assert_int_equal(
        output_read(w->dir, 1, 3, 7, 1, 0, n_bytes, OUTPUT_BOTH, gather, &seen, &w->err), -1);
    assert_non_null(strstr(w->err.text, "torn"));
    assert_int_equal(seen.n, 6);
    assert_memory_equal(seen.bytes, "owhole", 6);
    buffer_release(&seen);
}

static void test_a_range_that_ends_within_a_chunk_is_an_error(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "abc");
    assert_null(read_range(w, 7, 1, 0, 34, OUTPUT_BOTH));
    assert_null(read_range(w, 7, 1, 0, 31, OUTPUT_BOTH));
    assert_null(read_range(w, 7, 1, UINT64_MAX - 2, 5, OUTPUT_BOTH));
    assert_null(read_range(w, 7, 1, 5, UINT64_MAX, OUTPUT_BOTH));
}

static void test_nothing_written_needs_no_file(void **state)
{
    struct world *w = *state;
    char *text = read_range(w, 7, 1, 0, 0, OUTPUT_BOTH);

    assert_non_null(text);
    assert_string_equal(text, "");
    free(text);
}

static void test_a_missing_directory_or_file_is_named(void **state)
{
    struct world *w = *state;

    assert_null(output_open("/nonexistent/output", 1, 1, &w->err));
    assert_non_null(strstr(w->err.text, "/nonexistent/output"));
    assert_null(read_range(w, 7, 1, 0, 10, OUTPUT_BOTH));
    assert_non_null(strstr(w->err.text, "1-3.out"));
}

static void test_a_link_or_pipe_in_place_of_the_file_is_refused(void **state)
{
    struct world *w = *state;
    char *target = xasprintf("%s/target", w->dir);

    scratch_write(target, "", 0);
    assert_int_equal(symlink(target, w->file), 0);
    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "x", 1, &w->err), -1);
    assert_null(read_range(w, 1, 1, 0, 33, OUTPUT_BOTH));
    unlink(w->file);
    assert_int_equal(mkfifo(w->file, 0600), 0);
    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "x", 1, &w->err), -1);
    assert_null(read_range(w, 1, 1, 0, 33, OUTPUT_BOTH));
    free(target);
}

/* RLIMIT_FSIZE stands for a full disk: a write is cut short, the next one fails. */
static void test_a_failed_write_leaves_no_torn_chunk(void **state)
{
    struct world *w = *state;
    struct rlimit before, small;
    struct stat status;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 50;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(output_append(w->output, 7, 1, OUTPUT_STDOUT, "two", 3, &w->err), -1);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(w->err.cause, ERROR_SYSTEM);
    assert_int_equal(stat(w->file, &status), 0);
    assert_int_equal(status.st_size, 35);
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    assert_reads(w, 7, 1, OUTPUT_BOTH, "ooneothree");
}

static int refuse(void *data, enum output_stream stream, const char *bytes, size_t n_bytes,
                  struct ganger_error *err)
{
    (void)stream;
    (void)bytes;
    (void)n_bytes;
    ++*(int *)data;
    return error_set(err, ERROR_USAGE, "enough");
}

static void test_a_reader_can_end_the_reading(void **state)
{
    struct world *w = *state;
    int n_calls = 0;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 7, 1, OUTPUT_STDOUT, "two");
    assert_int_equal(output_read(w->dir, 1, 3, 7, 1, 0, output_offset(w->output), OUTPUT_BOTH,
                                 refuse, &n_calls, &w->err), -1);
    assert_int_equal(n_calls, 1);
    assert_string_equal(w->err.text, "enough");
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_makes_no_file_until_something_is_written),
        WORLD_TEST(test_file_is_for_its_owner_only),
        WORLD_TEST(test_chunks_of_a_task_come_back_in_order),
        WORLD_TEST(test_tasks_and_attempts_that_share_a_range_are_told_apart),
        WORLD_TEST(test_offset_and_length_select_chunks),
        WORLD_TEST(test_header_is_little_endian_and_of_32_bytes),
        WORLD_TEST(test_largest_chunk_is_kept),
        WORLD_TEST(test_a_file_that_is_there_is_continued),
        WORLD_TEST(test_any_changed_byte_is_found),
        WORLD_TEST(test_a_torn_chunk_is_an_error_after_what_is_whole),
        WORLD_TEST(test_a_range_that_ends_within_a_chunk_is_an_error),
        WORLD_TEST(test_nothing_written_needs_no_file),
        WORLD_TEST(test_a_missing_directory_or_file_is_named),
        WORLD_TEST(test_a_link_or_pipe_in_place_of_the_file_is_refused),
        WORLD_TEST(test_a_failed_write_leaves_no_torn_chunk),
        WORLD_TEST(test_a_reader_can_end_the_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
