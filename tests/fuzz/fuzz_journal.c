/* Feeds files to what reads them back: journals, and the output of workers. Built by CMake with
 * -DGANGER_FUZZ=ON (clang).
 *
 * The first byte says what: 'j' a journal; 'c' one whose lines get checksums, without which none would
 * be looked at; 'l' the same for a plain list; 'o' output; 'h' output whose headers get checksums. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"
#include "core/audit.h"
#include "io/journal.h"
#include "io/output.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char dir[] = "/tmp/ganger-fuzz-XXXXXX";
static char *journal_path;
static char *output_path;
static struct graph *graph;

static void clean_up(void)
{
    unlink(journal_path);
    unlink(output_path);
    rmdir(dir);
    free(journal_path);
    free(output_path);
    graph_free(graph);
}

static void add_task(const char *id, uint64_t digest)
{
    graph_add_task(graph, &(struct task){.id = id, .argv = "x", .n_argv = 1, .n_argv_bytes = 2,
                                         .digest = digest});
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    task_id join;

    (void)argc;
    (void)argv;
    log_set_fd(-1);
    if (mkdtemp(dir) == NULL)
        abort();
    journal_path = xasprintf("%s/journal.jsonl", dir);
    output_path = xasprintf("%s/1-n1.out", dir);
    graph = graph_new();
    add_task("a", 1);
    add_task("b\"", 2);
    add_task("c", 2);
    join = graph_add_task(graph, &(struct task){.id = NULL});
    graph_add_dependency(graph, 0, join);
    graph_add_dependency(graph, join, 1);
    graph_add_dependency(graph, 1, 2);
    if (graph_seal(graph, NULL) != 0)
        abort();
    atexit(clean_up);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
}

static void add_checksums(struct buffer *b, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t length = newline != NULL ? (size_t)(newline - bytes) : n;

        buffer_put(b, bytes, length);
        buffer_printf(b, ",\"crc\":\"%08x\"}\n", (unsigned)XXH32(bytes, length, 0));
        length += newline != NULL;
        bytes += length;
        n -= length;
    }
}

/* As the writer of output does it, wherever something begins like a header. */
static void add_checks(struct buffer *b)
{
    for (size_t at = 0; at + 40 <= b->n; at++) {
        uint32_t n, check;
        uint64_t hash;

        if (memcmp(b->bytes + at, "GOUT", 4) != 0)
            continue;
        check = XXH32(b->bytes + at, 28, (uint32_t)at);
        memcpy(b->bytes + at + 28, &check, 4);
        memcpy(&n, b->bytes + at + 16, 4);
        if (n > b->n - at - 40)
            continue;
        hash = XXH64(b->bytes + at + 40, n, check);
        memcpy(b->bytes + at + 32, &hash, 8);
    }
}

static int read_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    struct record_numbers slots;
    uint64_t slot;

    (void)data;
    (void)err;
    if (line->fields == NULL)
        return 0;
    slots = line->fields->slots;
    while (record_next_number(&slots, &slot))
        if (strlen(line->fields->task) != line->fields->n_task || slot == 0x123456789)
            abort();
    return 0;
}

static int audit_one(void *data, const struct journal_line *line, struct ganger_error *err)
{
    (void)err;
    audit_line(data, line->number, line->fields);
    return 0;
}

static void count_problem(void *data, const char *text)
{
    *(uint64_t *)data += text[0] != '\0';
}

static void examine(void)
{
    struct audit_result result;
    uint64_t n_problems = 0;
    struct audit *audit = audit_new(graph, 0xabc, count_problem, &n_problems);

    if (journal_read(journal_path, audit_one, audit, NULL) == 0) {
        audit_end(audit, &result);
        if (result.n_problems != n_problems ||
            result.n_done + result.n_failed + result.n_skipped + result.n_not_needed + result.n_unfinished != 3)
            abort();
    }
    audit_free(audit);
}

static void recover(const char *bytes, size_t n)
{
    struct journal_past past;

    write_file(journal_path, bytes, n);
    if (journal_recover(AT_FDCWD, journal_path, graph, false, &past, NULL) == 0) {
        if (past.n_bytes > n || past.n_done > 3 || (past.n_done > 0 && past.epoch == 0))
            abort();
        journal_past_release(&past);
    }
    journal_read(journal_path, read_line, NULL, NULL);
    examine();
}

/* Parts lie one after the other; of a chunk all bytes can be read. */
struct seen
{
    uint64_t end;
    uint64_t sum;
};

static int read_part(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct seen *seen = data;

    (void)err;
    if (part->offset < seen->end || part->n_text > OUTPUT_CHUNK_BYTES)
        abort();
    seen->end = part->offset + part->n_bytes;
    if (part->kind == OUTPUT_CHUNK)
        seen->sum += XXH64(part->text, part->n_text, part->stream);
    return 0;
}

static int read_header(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct seen *seen = data;

    (void)err;
    if (part->offset < seen->end || part->text != NULL)
        abort();
    seen->end = part->offset + part->n_bytes;
    return 0;
}

static void read_output(uint64_t offset, uint64_t n)
{
    const struct output_place place = {1, 1, offset, n, 0};
    struct output_source *source = output_source_open(dir);
    struct seen whole = {offset, 0}, headers = {offset, 0}, own = {offset, 0};

    output_scan(source, &place, read_part, &whole, NULL);
    output_read(source, &place, 7, 1, OUTPUT_BOTH, read_part, &own, NULL);
    output_scan_headers(source, &place, read_header, &headers, NULL);
    output_source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *rest = (const char *)bytes + 1;
    struct buffer b = BUFFER_EMPTY;

    if (n < 2)
        return 0;
    graph->ids_are_places = bytes[0] == 'l';
    if (bytes[0] == 'o' || bytes[0] == 'h') {
        buffer_put(&b, rest, n - 1);
        if (bytes[0] == 'h')
            add_checks(&b);
        write_file(output_path, b.bytes, b.n);
        read_output(0, n - 1);
        read_output(0, UINT64_MAX);
        read_output((uint8_t)rest[0], n);
    } else if (bytes[0] == 'j') {
        recover(rest, n - 1);
    } else {
        add_checksums(&b, rest, n - 1);
        recover(b.bytes, b.n);
    }
    buffer_release(&b);
    return 0;
}
