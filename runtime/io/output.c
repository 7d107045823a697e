#include "io/output.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#define CHUNK_MAGIC 0x54554f47u /* "GOUT" in the file */
#define CHUNK_VERSION 1
#define CHUNK_HEADER_BYTES 32
#define CHUNK_HASHED_BYTES 24 /* of the header: all before the hash */
#define FILE_NAME_BYTES 32

struct output
{
    int dir_fd;
    int fd; /* -1: nothing written yet */
    uint32_t epoch;
    uint64_t end; /* of the file */
    char name[FILE_NAME_BYTES];
};

struct chunk
{
    uint32_t task;
    uint32_t attempt;
    uint32_t epoch;
    uint32_t n_bytes;
    uint8_t stream;
    uint64_t hash;
};

static void name_file(char *name, uint32_t epoch, uint32_t worker)
{
    snprintf(name, FILE_NAME_BYTES, "%" PRIu32 "-%" PRIu32 ".out", epoch, worker);
}

struct output *output_open(const char *dir, uint32_t epoch, uint32_t worker,
                           struct ganger_error *err)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct output *o;

    if (dir_fd < 0) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot open the directory of outputs", dir);
        return NULL;
    }
    o = xcalloc(1, sizeof(*o));
    o->dir_fd = dir_fd;
    o->fd = -1;
    o->epoch = epoch;
    name_file(o->name, epoch, worker);
    return o;
}

void output_close(struct output *o)
{
    if (o == NULL)
        return;
    if (o->fd >= 0)
        close(o->fd);
    close(o->dir_fd);
    free(o);
}

/* A file that is there already, left by a run whose journal lost this epoch, is continued. */
static int open_file(struct output *o, struct ganger_error *err)
{
    struct stat status;

    o->fd = openat(o->dir_fd, o->name,
                   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (o->fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "output/%s: cannot open", o->name);
    if (fstat(o->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(o->fd);
        o->fd = -1;
        return error_set(err, ERROR_SYSTEM, "output/%s: not a regular file", o->name);
    }
    o->end = (uint64_t)status.st_size;
    return 0;
}

/* The hash of what stands before it in the header is the seed of the hash over the bytes. */
static uint64_t hash_chunk(const char *header, const char *bytes, size_t n_bytes)
{
    return XXH64(bytes, n_bytes, XXH64(header, CHUNK_HASHED_BYTES, 0));
}

static void encode_header(struct buffer *b, const struct chunk *chunk, const char *bytes)
{
    buffer_put_u32(b, CHUNK_MAGIC);
    buffer_put_u32(b, chunk->task);
    buffer_put_u32(b, chunk->attempt);
    buffer_put_u8(b, chunk->stream);
    buffer_put_u8(b, CHUNK_VERSION);
    buffer_put_u16(b, 0);
    buffer_put_u32(b, chunk->n_bytes);
    buffer_put_u32(b, chunk->epoch);
    buffer_put_u64(b, hash_chunk(b->bytes, bytes, chunk->n_bytes));
}

static int write_chunk(int fd, const struct buffer *header, const char *bytes, size_t n_bytes)
{
    char *borrowed = (char *)(uintptr_t)bytes; /* iovec has no const */
    struct iovec parts[2] = {{header->bytes, header->n}, {borrowed, n_bytes}};
    ssize_t n;
    size_t written;

    do
        n = writev(fd, parts, 2);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    written = (size_t)n;
    if (written < header->n) {
        if (file_write(fd, header->bytes + written, header->n - written) != 0)
            return -1;
        written = header->n;
    }
    return file_write(fd, bytes + (written - header->n), n_bytes - (written - header->n));
}

/* What a failed write left behind would stand between good chunks. */
static void drop_torn_chunk(struct output *o)
{
    struct stat status;

    if (ftruncate(o->fd, (off_t)o->end) != 0 && fstat(o->fd, &status) == 0)
        o->end = (uint64_t)status.st_size;
}

int output_append(struct output *o, task_id task, uint32_t attempt, enum output_stream stream,
                  const char *bytes, size_t n_bytes, struct ganger_error *err)
{
    struct chunk chunk = {.task = task, .attempt = attempt, .epoch = o->epoch,
                          .n_bytes = (uint32_t)n_bytes, .stream = (uint8_t)stream};
    char room[CHUNK_HEADER_BYTES];
    struct buffer header = {room, 0, sizeof(room)}; /* never grows */

    assert(n_bytes <= OUTPUT_CHUNK_BYTES);
    assert(stream == OUTPUT_STDOUT || stream == OUTPUT_STDERR);
    if (n_bytes == 0)
        return 0;
    if (o->fd < 0 && open_file(o, err) != 0)
        return -1;
    encode_header(&header, &chunk, bytes);
    if (write_chunk(o->fd, &header, bytes, n_bytes) != 0) {
        error_set_errno(err, ERROR_SYSTEM, "output/%s: cannot write a task's output", o->name);
        drop_torn_chunk(o);
        return -1;
    }
    o->end += header.n + n_bytes;
    return 0;
}

uint64_t output_offset(const struct output *o)
{
    return o->end;
}

/* --- reading --- */

struct reading
{
    int fd;
    const char *path;
    uint32_t epoch;
    uint64_t at;
    uint64_t end;
    char bytes[OUTPUT_CHUNK_BYTES];
};

static int decode_header(const char *bytes, struct chunk *chunk)
{
    struct cursor c = cursor_over(bytes, CHUNK_HEADER_BYTES);
    uint32_t magic = cursor_u32(&c);
    uint8_t version;

    chunk->task = cursor_u32(&c);
    chunk->attempt = cursor_u32(&c);
    chunk->stream = cursor_u8(&c);
    version = cursor_u8(&c);
    cursor_u16(&c);
    chunk->n_bytes = cursor_u32(&c);
    chunk->epoch = cursor_u32(&c);
    chunk->hash = cursor_u64(&c);
    return magic == CHUNK_MAGIC && version == CHUNK_VERSION && chunk->n_bytes <= OUTPUT_CHUNK_BYTES
               ? 0
               : -1;
}

static int damaged(const struct reading *r, const char *why, struct ganger_error *err)
{
    return error_set(err, ERROR_SYSTEM, "%s: the chunk of output at byte %" PRIu64 " %s", r->path,
                     r->at, why);
}

static int read_exactly(const struct reading *r, char *bytes, size_t n_bytes, uint64_t at,
                        struct ganger_error *err)
{
    ssize_t n;

    if (n_bytes > r->end - at)
        return damaged(r, "is longer than the journal says", err);
    n = file_read_at(r->fd, bytes, n_bytes, (off_t)at);
    if (n < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot read at byte %" PRIu64, r->path, at);
    if ((size_t)n < n_bytes)
        return damaged(r, "is torn: the file ends within it", err);
    return 0;
}

static int read_chunk(struct reading *r, struct chunk *chunk, struct ganger_error *err)
{
    char header[CHUNK_HEADER_BYTES];

    if (read_exactly(r, header, sizeof(header), r->at, err) != 0)
        return -1;
    if (decode_header(header, chunk) != 0)
        return damaged(r, "is damaged: it has no header", err);
    if (read_exactly(r, r->bytes, chunk->n_bytes, r->at + sizeof(header), err) != 0)
        return -1;
    if (hash_chunk(header, r->bytes, chunk->n_bytes) != chunk->hash)
        return damaged(r, "is damaged: its hash is wrong", err);
    if (chunk->epoch != r->epoch)
        return damaged(r, "is of another epoch: the file was moved", err);
    r->at += sizeof(header) + chunk->n_bytes;
    return 0;
}

static int open_to_read(struct reading *r, struct ganger_error *err)
{
    struct stat status;

    /* O_NONBLOCK: a pipe in place of the file must not hang us. */
    r->fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s: cannot read the output of tasks", r->path);
    if (fstat(r->fd, &status) == 0 && S_ISREG(status.st_mode))
        return 0;
    close(r->fd);
    return error_set(err, ERROR_SYSTEM, "%s: not a regular file", r->path);
}

static int read_range(struct reading *r, task_id task, uint32_t attempt, enum output_stream which,
                      output_reader *reader, void *data, struct ganger_error *err)
{
    struct chunk chunk;

    while (r->at < r->end) {
        if (read_chunk(r, &chunk, err) != 0)
            return -1;
        if (chunk.task == task && chunk.attempt == attempt && (chunk.stream & which) != 0 &&
            reader(data, (enum output_stream)chunk.stream, r->bytes, chunk.n_bytes, err) != 0)
            return -1;
    }
    return 0;
}

int output_read(const char *dir, uint32_t epoch, uint32_t worker, task_id task, uint32_t attempt,
                uint64_t offset, uint64_t n_bytes, enum output_stream which, output_reader *reader,
                void *data, struct ganger_error *err)
{
    char name[FILE_NAME_BYTES];
    struct reading *r;
    char *path;
    int status;

    if (n_bytes == 0)
        return 0;
    if (offset > INT64_MAX || n_bytes > INT64_MAX - offset)
        return error_set(err, ERROR_SYSTEM, "%s: no file has %" PRIu64 " bytes at byte %" PRIu64
                         ": the journal is damaged", dir, n_bytes, offset);
    name_file(name, epoch, worker);
    path = xasprintf("%s/%s", dir, name);
    r = xmalloc(sizeof(*r));
    r->path = path;
    r->epoch = epoch;
    r->at = offset;
    r->end = offset + n_bytes;
    status = open_to_read(r, err);
    if (status == 0) {
        status = read_range(r, task, attempt, which, reader, data, err);
        close(r->fd);
    }
    free(r);
    free(path);
    return status;
}
