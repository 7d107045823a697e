#include "io/output.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <xxhash.h>

#include <cmocka.h>

struct world
{
    char *dir;
    char *file; /* of epoch 1, node 3 */
    _Atomic uint64_t counter;
    struct output *output;
    struct output_source *source;
    struct ganger_error err;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->dir = scratch_make();
    w->file = xasprintf("%s/1-n3.out", w->dir);
    w->output = output_open(AT_FDCWD, w->dir, 1, 3, &w->counter, &w->err);
    w->source = output_source_open(w->dir);
    *state = w;
    return w->output == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    output_close(w->output);
    output_source_close(w->source);
    scratch_remove(w->dir);
    free(w->file);
    free(w);
    return 0;
}

static struct output_place append(struct world *w, task_id task, uint32_t attempt, enum output_stream stream,
                                  const char *text)
{
    struct output_place place = {.n_bytes = 0};

    assert_int_equal(output_append(w->output, task, attempt, stream, text, strlen(text), &place, &w->err), 0);
    return place;
}

/* "o" or "e" and the text of each chunk, "[OFFSET+LENGTH WHY]" of damage, "_" for a hole. */
static int gather(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct buffer *b = data;

    (void)err;
    if (part->kind == OUTPUT_HOLE) {
        buffer_put_u8(b, '_');
    } else if (part->kind == OUTPUT_DAMAGE) {
        buffer_printf(b, "[%u+%u %.*s]", (unsigned)part->offset, (unsigned)part->n_bytes,
                      (int)strcspn(part->why, ":"), part->why);
    } else {
        buffer_put_u8(b, part->stream == OUTPUT_STDOUT ? 'o' : 'e');
        buffer_put(b, part->text, part->n_text);
    }
    return 0;
}

static char *text_of(struct buffer *b)
{
    buffer_put_u8(b, 0);
    return b->bytes;
}

/* What a task wrote; the caller frees it. NULL: reading failed. */
static char *read_range(struct world *w, task_id task, uint32_t attempt, uint64_t offset,
                        uint64_t n_bytes, enum output_stream which)
{
    struct output_place place = {1, 3, offset, n_bytes, 0};
    struct buffer b = BUFFER_EMPTY;

    w->err.cause = ERROR_NONE;
    if (output_read(w->source, &place, task, attempt, which, gather, &b, &w->err)) {
        buffer_release(&b);
        return NULL;
    }
    return text_of(&b);
}

static void assert_range(struct world *w, task_id task, uint64_t offset, uint64_t n_bytes, const char *expected)
{
    char *text = read_range(w, task, 1, offset, n_bytes, OUTPUT_BOTH);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_reads(struct world *w, task_id task, uint32_t attempt, enum output_stream which,
                         const char *expected)
{
    char *text = read_range(w, task, attempt, 0, w->counter, which);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_scans(struct world *w, const char *expected)
{
    struct output_place all = {1, 3, 0, UINT64_MAX, 0};
    struct buffer b = BUFFER_EMPTY;
    char *text;

    assert_int_equal(output_scan(w->source, &all, gather, &b, &w->err), 0);
    text = text_of(&b);
    assert_string_equal(text, expected);
    free(text);
}

static void test_makes_no_file_until_something_is_written(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};

    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "", 0, &place, &w->err), 0);
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
    struct output_place second;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    second = append(w, 7, 1, OUTPUT_STDOUT, "two");
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    assert_int_equal(second.epoch, 1);
    assert_int_equal(second.node, 3);
    assert_int_equal(second.offset, 40 + 3);
    assert_int_equal(second.n_bytes, 40 + 3);
    assert_range(w, 7, second.offset, second.n_bytes, "otwo");
}

static void test_place_reaches_from_the_first_chunk_to_the_last(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};

    append(w, 8, 1, OUTPUT_STDOUT, "before");
    output_append(w->output, 7, 1, OUTPUT_STDOUT, "a", 1, &place, &w->err);
    append(w, 8, 1, OUTPUT_STDOUT, "between");
    output_append(w->output, 7, 1, OUTPUT_STDERR, "b", 1, &place, &w->err);
    append(w, 8, 1, OUTPUT_STDOUT, "after");
    assert_int_equal(place.offset, 46);
    assert_int_equal(place.n_bytes, 41 + 47 + 41);
    assert_range(w, 7, place.offset, place.n_bytes, "oaeb");
    assert_range(w, 8, place.offset, place.n_bytes, "obetween");
}

static void test_header_is_little_endian_and_of_40_bytes(void **state)
{
    static const unsigned char expected[28] = {'G', 'O', 'U', 'T', 0x04, 0x03, 0x02, 0x01,
                                               5, 0, 0, 0, OUTPUT_STDERR, 2, 0, 0,
                                               2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0};
    struct world *w = *state;
    uint32_t check;
    uint64_t hash;
    size_t n;
    char *bytes;

    append(w, 0, 1, OUTPUT_STDOUT, "x");
    append(w, 0x01020304, 5, OUTPUT_STDERR, "hi");
    bytes = scratch_read(w->file, &n);
    assert_int_equal(n, 41 + 42);
    assert_memory_equal(bytes + 41, expected, sizeof(expected));
    memcpy(&check, bytes + 41 + 28, sizeof(check));
    memcpy(&hash, bytes + 41 + 32, sizeof(hash));
    assert_int_equal(check, XXH32(bytes + 41, 28, 41));
    assert_int_equal(hash, XXH64("hi", 2, check));
    assert_memory_equal(bytes + 41 + 40, "hi", 2);
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
    text = read_range(w, 7, 1, 0, w->counter, OUTPUT_BOTH);
    assert_non_null(text);
    assert_string_equal(text + 1, bytes); /* behind the mark of the stream */
    free(text);
    free(bytes);
}

/* Its counter is 0 again: it is another run. */
static void test_a_file_that_is_there_is_continued(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};
    _Atomic uint64_t counter = 0;
    struct output *second;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    second = output_open(AT_FDCWD, w->dir, 1, 3, &counter, &w->err);
    assert_non_null(second);
    assert_int_equal(output_append(second, 8, 1, OUTPUT_STDOUT, "two", 3, &place, &w->err), 0);
    assert_int_equal(place.offset, 43);
    assert_scans(w, "ooneotwo");
    output_close(second);
}

static void test_workers_of_a_node_share_its_file(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};
    struct output *second = output_open(AT_FDCWD, w->dir, 1, 3, &w->counter, &w->err);

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    assert_int_equal(output_append(second, 8, 1, OUTPUT_STDOUT, "two", 3, &place, &w->err), 0);
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    assert_int_equal(place.offset, 43);
    assert_reads(w, 7, 1, OUTPUT_BOTH, "ooneothree");
    output_close(second);
}

/* --- damage --- */

static void change_byte(const char *path, size_t at)
{
    size_t n;
    char *bytes = scratch_read(path, &n);

    bytes[at] = (char)(bytes[at] + 1);
    scratch_write(path, bytes, n);
    free(bytes);
}

static void restore_byte(const char *path, size_t at)
{
    size_t n;
    char *bytes = scratch_read(path, &n);

    bytes[at] = (char)(bytes[at] - 1);
    scratch_write(path, bytes, n);
    free(bytes);
}

static void test_any_changed_byte_is_found_and_costs_its_chunk_only(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 7, 1, OUTPUT_STDOUT, "two");
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    for (size_t at = 43; at < 86; at++) {
        char *expected = xasprintf("oone[43+43 is %s]othree", at < 43 + 32 ? "no chunk" : "damaged");

        change_byte(w->file, at);
        assert_reads(w, 7, 1, OUTPUT_BOTH, expected);
        assert_scans(w, expected);
        restore_byte(w->file, at);
        free(expected);
    }
    assert_reads(w, 7, 1, OUTPUT_BOTH, "ooneotwoothree");
}

/* Whose a damaged header was cannot be known; whose a damaged text is can. */
static void test_damage_of_another_tasks_text_does_not_concern_it(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 8, 1, OUTPUT_STDOUT, "two");
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    change_byte(w->file, 43 + 41);
    assert_reads(w, 7, 1, OUTPUT_BOTH, "ooneothree");
    assert_reads(w, 8, 1, OUTPUT_BOTH, "[43+43 is damaged]");
    restore_byte(w->file, 43 + 41);
    change_byte(w->file, 43 + 4);
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oone[43+43 is no chunk]othree");
}

/* A file cut off anywhere: what is whole is given, in whatever way it is asked for. */
static void test_a_torn_file_gives_what_is_whole(void **state)
{
    struct world *w = *state;
    char *bytes;
    size_t n;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 8, 1, OUTPUT_STDOUT, "two");
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    bytes = scratch_read(w->file, &n);
    for (size_t size = 0; size < n; size++) {
        struct output_place all = {1, 3, 0, UINT64_MAX, 0}, range = {1, 3, 0, n, 0};
        struct buffer scanned = BUFFER_EMPTY, read = BUFFER_EMPTY;
        const char *expected = size < 43 ? "" : size < 86 ? "oone" : "ooneotwo";

        scratch_write(w->file, bytes, size);
        assert_int_equal(output_scan(w->source, &all, gather, &scanned, &w->err), 0);
        buffer_put_u8(&scanned, 0);
        assert_memory_equal(scanned.bytes, expected, strlen(expected));
        assert_int_equal(scanned.bytes[strlen(expected)], size == strlen(expected) / 4 * 43 ? '\0' : '[');
        assert_int_equal(output_read(w->source, &range, 7, 1, OUTPUT_BOTH, gather, &read, &w->err), 0);
        buffer_put_u8(&read, 0);
        assert_memory_equal(read.bytes, size < 43 ? "[" : "oone[", size < 43 ? 1 : 5);
        assert_non_null(strchr(read.bytes, ']'));
        buffer_release(&scanned);
        buffer_release(&read);
    }
    free(bytes);
}

static void test_a_place_that_ends_within_a_chunk_gives_it_whole(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "abc");
    assert_range(w, 7, 0, 34, "oabc");
    assert_range(w, 7, 0, 1, "oabc");
    assert_range(w, 7, 5, UINT64_MAX, "[5+38 is no chunk]");
    assert_range(w, 7, 1000, 7, "[1000+7 is missing]");
    assert_range(w, 7, UINT64_MAX - 2, 1, "[4294967293+1 is missing]");
}

static void test_bytes_of_zero_are_a_hole(void **state)
{
    struct world *w = *state;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    w->counter += 1000;
    append(w, 7, 1, OUTPUT_STDOUT, "two");
    assert_scans(w, "oone_otwo");
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oone_otwo");
    change_byte(w->file, 500);
    assert_scans(w, "oone[43+1000 is no chunk]otwo");
}

/* A terabyte that nobody wrote is not looked through. */
static void test_a_large_hole_costs_nothing(void **state)
{
    struct world *w = *state;
    struct output_place all = {1, 3, 0, UINT64_MAX, 0};
    struct buffer b = BUFFER_EMPTY;
    char *text;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    if (truncate(w->file, (off_t)1 << 40) != 0)
        skip(); /* this file system has no files so large */
    assert_int_equal(output_scan(w->source, &all, gather, &b, &w->err), 0);
    text = text_of(&b);
    assert_string_equal(text, "oone_");
    free(text);
}

/* A task that prints such a file, or makes up chunks, confuses nobody, even behind damage. */
static void test_text_that_looks_like_chunks_is_text(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};
    size_t n;
    char *bytes;

    append(w, 7, 1, OUTPUT_STDOUT, "mine");
    bytes = scratch_read(w->file, &n);
    output_append(w->output, 8, 1, OUTPUT_STDOUT, bytes, n, &place, &w->err);
    append(w, 7, 1, OUTPUT_STDOUT, "too");
    change_byte(w->file, place.offset + 1);
    assert_reads(w, 7, 1, OUTPUT_BOTH, "omine[44+84 is no chunk]otoo");
    free(bytes);
}

static void test_a_file_under_another_name_is_told(void **state)
{
    struct world *w = *state;
    struct output_place moved = {1, 4, 0, UINT64_MAX, 0};
    char *path = xasprintf("%s/1-n4.out", w->dir);
    struct buffer b = BUFFER_EMPTY;
    char *text;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    assert_int_equal(rename(w->file, path), 0);
    assert_int_equal(output_scan(w->source, &moved, gather, &b, &w->err), 0);
    text = text_of(&b);
    assert_string_equal(text, "[0+43 is of another run or node]");
    free(text);
    free(path);
}

/* --- many writers --- */

enum
{
    N_WRITERS = 4,
    N_CHUNKS = 500,
};

/* Chunks of 1 to 3000 bytes, numbered, so that order and completeness can be seen. */
static void write_many(const char *dir, _Atomic uint64_t *counter, task_id task)
{
    struct output *o = output_open(AT_FDCWD, dir, 1, 3, counter, NULL);
    struct output_place place = {.n_bytes = 0};
    char *text = xcalloc(1, 3000);

    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        memset(text, (int)('a' + i % 26), 3000);
        if (output_append(o, task, 1, OUTPUT_STDOUT, text, 1 + (i * 37 + task) % 3000, &place, NULL) != 0)
            abort();
    }
    output_close(o);
    free(text);
}

static int check_order(void *data, const struct output_part *part, struct ganger_error *err)
{
    uint32_t *n_seen = data; /* by task */
    uint32_t i;

    (void)err;
    assert_int_equal(part->kind, OUTPUT_CHUNK);
    assert_true(part->task < N_WRITERS);
    i = n_seen[part->task]++;
    assert_int_equal(part->n_text, 1 + (i * 37 + part->task) % 3000);
    assert_int_equal(part->text[0], 'a' + i % 26);
    assert_int_equal(part->text[part->n_text - 1], 'a' + i % 26);
    return 0;
}

static void assert_all_are_there(struct world *w)
{
    struct output_place all = {1, 3, 0, UINT64_MAX, 0};
    uint32_t n_seen[N_WRITERS] = {0};

    assert_int_equal(output_scan(w->source, &all, check_order, n_seen, &w->err), 0);
    for (int i = 0; i < N_WRITERS; i++) {
        uint32_t n_own[N_WRITERS] = {0};

        assert_int_equal(n_seen[i], N_CHUNKS);
        assert_int_equal(output_read(w->source, &all, (task_id)i, 1, OUTPUT_BOTH, check_order, n_own, &w->err), 0);
        assert_int_equal(n_own[i], N_CHUNKS);
    }
}

struct writer
{
    struct world *w;
    task_id task;
};

static void *write_in_thread(void *data)
{
    struct writer *writer = data;

    write_many(writer->w->dir, &writer->w->counter, writer->task);
    return NULL;
}

static void test_threads_that_write_at_once_lose_nothing(void **state)
{
    struct world *w = *state;
    struct writer writers[N_WRITERS];
    pthread_t threads[N_WRITERS];

    for (task_id i = 0; i < N_WRITERS; i++) {
        writers[i] = (struct writer){w, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_in_thread, &writers[i]), 0);
    }
    for (int i = 0; i < N_WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_all_are_there(w);
}

static void test_processes_that_write_at_once_lose_nothing(void **state)
{
    struct world *w = *state;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    _Atomic uint64_t *counter = page;
    pid_t pids[N_WRITERS];

    assert_ptr_not_equal(page, MAP_FAILED);
    for (task_id i = 0; i < N_WRITERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            write_many(w->dir, counter, i);
            _exit(0);
        }
    }
    for (int i = 0; i < N_WRITERS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_all_are_there(w);
    munmap(page, 4096);
}

/* --- what cannot be opened or written --- */

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

    assert_null(output_open(AT_FDCWD, "/nonexistent/output", 1, 1, &w->counter, &w->err));
    assert_non_null(strstr(w->err.text, "/nonexistent/output"));
    assert_null(read_range(w, 7, 1, 0, 10, OUTPUT_BOTH));
    assert_non_null(strstr(w->err.text, "1-n3.out"));
}

static void test_a_link_or_pipe_in_place_of_the_file_is_refused(void **state)
{
    struct world *w = *state;
    char *target = xasprintf("%s/target", w->dir);
    struct output_place place = {.n_bytes = 0};

    scratch_write(target, "", 0);
    assert_int_equal(symlink(target, w->file), 0);
    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "x", 1, &place, &w->err), -1);
    assert_null(read_range(w, 1, 1, 0, 33, OUTPUT_BOTH));
    unlink(w->file);
    assert_int_equal(mkfifo(w->file, 0600), 0);
    assert_int_equal(output_append(w->output, 1, 1, OUTPUT_STDOUT, "x", 1, &place, &w->err), -1);
    assert_null(read_range(w, 1, 1, 0, 33, OUTPUT_BOTH));
    free(target);
}

/* RLIMIT_FSIZE stands for a full disk: a write is cut short, the next one fails. */
static void test_a_failed_write_leaves_a_gap_and_nothing_else(void **state)
{
    struct world *w = *state;
    struct output_place place = {.n_bytes = 0};
    struct rlimit before, small;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 50;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    errno = 0;
    assert_int_equal(output_append(w->output, 7, 1, OUTPUT_STDOUT, "two", 3, &place, &w->err), -1);
    assert_int_equal(errno, EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(w->err.cause, ERROR_SYSTEM);
    assert_int_equal(place.n_bytes, 0);
    append(w, 7, 1, OUTPUT_STDOUT, "three");
    assert_reads(w, 7, 1, OUTPUT_BOTH, "oone_othree");
    assert_scans(w, "oone_othree");
}

static int refuse(void *data, const struct output_part *part, struct ganger_error *err)
{
    (void)part;
    ++*(int *)data;
    return error_set(err, ERROR_USAGE, "enough");
}

static void test_a_reader_can_end_the_reading(void **state)
{
    struct world *w = *state;
    struct output_place all = {1, 3, 0, UINT64_MAX, 0};
    int n_calls = 0;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 7, 1, OUTPUT_STDOUT, "two");
    assert_int_equal(output_read(w->source, &all, 7, 1, OUTPUT_BOTH, refuse, &n_calls, &w->err), -1);
    assert_int_equal(n_calls, 1);
    assert_string_equal(w->err.text, "enough");
    assert_int_equal(output_scan(w->source, &all, refuse, &n_calls, &w->err), -1);
    assert_int_equal(n_calls, 2);
}

static int count_headers(void *data, const struct output_part *part, struct ganger_error *err)
{
    uint64_t *n = data;

    (void)err;
    assert_int_equal(part->kind, OUTPUT_CHUNK);
    assert_null(part->text);
    *n += part->n_bytes;
    return 0;
}

static void test_headers_tell_of_chunks_without_their_text(void **state)
{
    struct world *w = *state;
    struct output_place all = {1, 3, 0, UINT64_MAX, 0};
    uint64_t n = 0;

    append(w, 7, 1, OUTPUT_STDOUT, "one");
    append(w, 8, 1, OUTPUT_STDERR, "two");
    change_byte(w->file, 42);
    assert_int_equal(output_scan_headers(w->source, &all, count_headers, &n, &w->err), 0);
    assert_int_equal(n, 86);
}

static void test_files_are_listed_by_epoch_and_node(void **state)
{
    static const char *const names[] = {"10-n0.out", "2-n10.out", "2-n9.out", "2-n9.out.old", "1-1.out"};
    struct world *w = *state;
    struct output_place *files;
    size_t n;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = xasprintf("%s/%s", w->dir, names[i]);

        scratch_write(path, "", 0);
        free(path);
    }
    assert_int_equal(output_list(w->dir, &files, &n, &w->err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(files[0].node, 9);
    assert_int_equal(files[1].node, 10);
    assert_int_equal(files[2].epoch, 10);
    free(files);
    assert_int_equal(output_list("/nonexistent", &files, &n, &w->err), 0);
    assert_int_equal(n, 0);
    free(files);
}

static void test_names_of_files_are_known(void **unused)
{
    uint32_t epoch, node;

    (void)unused;
    assert_true(output_parse_name("12-n3.out", &epoch, &node));
    assert_int_equal(epoch, 12);
    assert_int_equal(node, 3);
    assert_false(output_parse_name("1-3.out", &epoch, &node));
    assert_false(output_parse_name("1-n3.out~", &epoch, &node));
    assert_false(output_parse_name("01-n3.out", &epoch, &node));
    assert_false(output_parse_name("1-n-3.out", &epoch, &node));
    assert_false(output_parse_name("", &epoch, &node));
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
        WORLD_TEST(test_place_reaches_from_the_first_chunk_to_the_last),
        WORLD_TEST(test_header_is_little_endian_and_of_40_bytes),
        WORLD_TEST(test_largest_chunk_is_kept),
        WORLD_TEST(test_a_file_that_is_there_is_continued),
        WORLD_TEST(test_workers_of_a_node_share_its_file),
        WORLD_TEST(test_any_changed_byte_is_found_and_costs_its_chunk_only),
        WORLD_TEST(test_damage_of_another_tasks_text_does_not_concern_it),
        WORLD_TEST(test_a_torn_file_gives_what_is_whole),
        WORLD_TEST(test_a_place_that_ends_within_a_chunk_gives_it_whole),
        WORLD_TEST(test_bytes_of_zero_are_a_hole),
        WORLD_TEST(test_a_large_hole_costs_nothing),
        WORLD_TEST(test_text_that_looks_like_chunks_is_text),
        WORLD_TEST(test_a_file_under_another_name_is_told),
        WORLD_TEST(test_threads_that_write_at_once_lose_nothing),
        WORLD_TEST(test_processes_that_write_at_once_lose_nothing),
        WORLD_TEST(test_nothing_written_needs_no_file),
        WORLD_TEST(test_a_missing_directory_or_file_is_named),
        WORLD_TEST(test_a_link_or_pipe_in_place_of_the_file_is_refused),
        WORLD_TEST(test_a_failed_write_leaves_a_gap_and_nothing_else),
        WORLD_TEST(test_a_reader_can_end_the_reading),
        WORLD_TEST(test_headers_tell_of_chunks_without_their_text),
        WORLD_TEST(test_files_are_listed_by_epoch_and_node),
        cmocka_unit_test(test_names_of_files_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
