#include "io/output.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#define CHUNK_MAGIC "GOUT"
#define CHUNK_VERSION 2
#define HEADER_BYTES 40
#define CHECKED_BYTES 28 /* of the header: all before its checksum */
#define FILE_NAME_BYTES 40

struct output
{
    int dir_fd;
    int fd; /* -1: nothing written yet */
    uint32_t epoch;
    uint32_t node;
    _Atomic uint64_t *counter;
    char name[FILE_NAME_BYTES];
};

struct header
{
    uint32_t task;
    uint32_t attempt;
    uint8_t stream;
    uint32_t n_bytes;
    uint32_t epoch;
    uint32_t node;
    uint32_t check; /* also the seed of the hash over the bytes */
    uint64_t hash;
};

static void name_file(char *name, uint32_t epoch, uint32_t node)
{
    snprintf(name, FILE_NAME_BYTES, "%" PRIu32 "-n%" PRIu32 ".out", epoch, node);
}

bool output_parse_name(const char *name, uint32_t *epoch, uint32_t *node)
{
    char again[FILE_NAME_BYTES];

    if (sscanf(name, "%" SCNu32 "-n%" SCNu32 ".out", epoch, node) != 2)
        return false;
    name_file(again, *epoch, *node);
    return strcmp(name, again) == 0;
}

struct output *output_open(int run_dir_fd, const char *dir, uint32_t epoch, uint32_t node,
                           _Atomic uint64_t *counter, struct ganger_error *err)
{
    int dir_fd = file_open_in(run_dir_fd, dir, O_RDONLY | O_DIRECTORY, 0);
    struct output *o;

    if (dir_fd < 0) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot open the directory of outputs", dir);
        return NULL;
    }
    o = xcalloc(1, sizeof(*o));
    o->dir_fd = dir_fd;
    o->fd = -1;
    o->epoch = epoch;
    o->node = node;
    o->counter = counter;
    name_file(o->name, epoch, node);
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

/* A file that is there already, left by a run whose journal lost this epoch, is continued. If another worker
 * has written to it meanwhile, the counter is not 0 any more, and stays as it is. */
static int open_file(struct output *o, struct ganger_error *err)
{
    uint64_t unused = 0;
    struct stat status;

    o->fd = openat(o->dir_fd, o->name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (o->fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "output/%s: cannot open", o->name);
    if (fstat(o->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(o->fd);
        o->fd = -1;
        error_set(err, ERROR_SYSTEM, "output/%s: not a regular file", o->name);
        errno = EINVAL;
        return -1;
    }
    atomic_compare_exchange_strong(o->counter, &unused, (uint64_t)status.st_size);
    return 0;
}

/* --- chunks --- */

/* A header is only good where it was written: text that looks like a chunk, because a task printed such a
 * file, is none. */
static uint32_t check_header(const char *bytes, uint64_t at)
{
    return XXH32(bytes, CHECKED_BYTES, (uint32_t)at);
}

static void encode_header(struct buffer *b, const struct header *h, uint64_t at, const char *text)
{
    uint32_t check;

    buffer_put(b, CHUNK_MAGIC, 4);
    buffer_put_u32(b, h->task);
    buffer_put_u32(b, h->attempt);
    buffer_put_u8(b, h->stream);
    buffer_put_u8(b, CHUNK_VERSION);
    buffer_put_u16(b, 0);
    buffer_put_u32(b, h->n_bytes);
    buffer_put_u32(b, h->epoch);
    buffer_put_u32(b, h->node);
    check = check_header(b->bytes, at);
    buffer_put_u32(b, check);
    buffer_put_u64(b, XXH64(text, h->n_bytes, check));
}

static bool decode_header(const char *bytes, uint64_t at, struct header *h)
{
    struct cursor c = cursor_over(bytes, HEADER_BYTES);
    uint8_t version;

    if (memcmp(cursor_bytes(&c, 4), CHUNK_MAGIC, 4) != 0)
        return false;
    h->task = cursor_u32(&c);
    h->attempt = cursor_u32(&c);
    h->stream = cursor_u8(&c);
    version = cursor_u8(&c);
    cursor_u16(&c);
    h->n_bytes = cursor_u32(&c);
    h->epoch = cursor_u32(&c);
    h->node = cursor_u32(&c);
    h->check = cursor_u32(&c);
    h->hash = cursor_u64(&c);
    return version == CHUNK_VERSION && h->n_bytes > 0 && h->n_bytes <= OUTPUT_CHUNK_BYTES &&
           (h->stream == OUTPUT_STDOUT || h->stream == OUTPUT_STDERR) && h->check == check_header(bytes, at);
}

/* --- writing --- */

static int write_rest(int fd, const char *bytes, size_t n, uint64_t at)
{
    while (n > 0) {
        ssize_t n_written = pwrite(fd, bytes, n, (off_t)at);

        if (n_written < 0 && errno == EINTR)
            continue;
        if (n_written <= 0)
            return -1;
        bytes += n_written;
        n -= (size_t)n_written;
        at += (uint64_t)n_written;
    }
    return 0;
}

static int write_chunk(int fd, const struct buffer *header, const char *text, size_t n_text, uint64_t at)
{
    char *borrowed = (char *)(uintptr_t)text; /* iovec has no const */
    struct iovec parts[2] = {{header->bytes, header->n}, {borrowed, n_text}};
    ssize_t n;
    size_t written;

    do
        n = pwritev(fd, parts, 2, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    written = (size_t)n;
    if (written < header->n) {
        if (write_rest(fd, header->bytes + written, header->n - written, at + written) != 0)
            return -1;
        written = header->n;
    }
    return write_rest(fd, text + (written - header->n), n_text - (written - header->n), at + written);
}

/* Makes a hole of a chunk that was written in part, since a reader could not tell it from damage. Where holes cannot be
 * punched its bytes are overwritten: they have their place, also on a full disk. */
static void erase_chunk(int fd, size_t n_bytes, uint64_t at)
{
    static const char zeros[4096];
    int number = errno;
    struct stat status;
    uint64_t end = at + n_bytes;

    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n_bytes) != 0 &&
        fstat(fd, &status) == 0) {
        end = end < (uint64_t)status.st_size ? end : (uint64_t)status.st_size;
        while (at < end) {
            size_t n = end - at < sizeof(zeros) ? (size_t)(end - at) : sizeof(zeros);

            if (write_rest(fd, zeros, n, at) != 0)
                break;
            at += n;
        }
    }
    errno = number;
}

int output_append(struct output *o, task_id task, uint32_t attempt, enum output_stream stream,
                  const char *bytes, size_t n_bytes, struct output_place *place, struct ganger_error *err)
{
    struct header h = {.task = task, .attempt = attempt, .stream = (uint8_t)stream,
                       .n_bytes = (uint32_t)n_bytes, .epoch = o->epoch, .node = o->node};
    char room[HEADER_BYTES];
    struct buffer header = {room, 0, sizeof(room)}; /* never grows */
    uint64_t at;

    assert(n_bytes <= OUTPUT_CHUNK_BYTES);
    assert(stream == OUTPUT_STDOUT || stream == OUTPUT_STDERR);
    if (n_bytes == 0)
        return 0;
    if (o->fd < 0 && open_file(o, err) != 0)
        return -1;
    at = atomic_fetch_add(o->counter, HEADER_BYTES + n_bytes);
    encode_header(&header, &h, at, bytes);
    if (write_chunk(o->fd, &header, bytes, n_bytes, at) != 0) {
        erase_chunk(o->fd, HEADER_BYTES + n_bytes, at);
        error_set_errno(err, ERROR_SYSTEM, "output/%s: cannot write a task's output", o->name);
        return -1;
    }
    if (place->n_bytes == 0)
        *place = (struct output_place){o->epoch, o->node, at, 0, 0};
    place->n_bytes = at + HEADER_BYTES + n_bytes - place->offset;
    place->n_text += n_bytes;
    return 0;
}

/* --- reading --- */

#define WINDOW_BYTES ((size_t)256 * 1024)
#define PEEK_BYTES 4096 /* read at once where bodies are passed over */

struct output_source
{
    char *dir;
    struct reading *open; /* NULL: nothing yet */
};

struct reading
{
    int fd;
    char *path;
    uint32_t epoch;
    uint32_t node;
    uint64_t at;
    uint64_t end;       /* of the place */
    uint64_t file_size;
    bool is_sparse;     /* most of what is read is passed over */
    uint64_t window_at; /* in the file */
    size_t n_window;
    char window[WINDOW_BYTES];
};

/* Bytes of the file from `at`, at least `n` of them but at its end; NULL: it cannot be read. */
static const char *look(struct reading *r, uint64_t at, size_t n, size_t *n_there)
{
    size_t n_wanted = r->is_sparse && n < PEEK_BYTES ? PEEK_BYTES : r->is_sparse ? n : WINDOW_BYTES;
    ssize_t n_read;

    if (at < r->window_at || at + n > r->window_at + r->n_window) {
        n_read = file_read_at(r->fd, r->window, n_wanted, (off_t)at);
        r->window_at = at;
        r->n_window = n_read < 0 ? 0 : (size_t)n_read;
        if (n_read < 0)
            return NULL;
    }
    *n_there = r->n_window - (size_t)(at - r->window_at);
    return r->window + (at - r->window_at);
}

static int cannot_read(const struct reading *r, struct ganger_error *err)
{
    return error_set_errno(err, ERROR_SYSTEM, "%s: cannot read the output of tasks", r->path);
}

/* Where the file has bytes next, from `at`: what was never written is not looked through. */
static uint64_t skip_unwritten(const struct reading *r, uint64_t at)
{
    off_t data = lseek(r->fd, (off_t)at, SEEK_DATA);

    if (data >= 0)
        return (uint64_t)data;
    return errno == ENXIO ? r->file_size : at;
}

static bool is_zero(const char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Offset within `bytes` of the first thing that begins like a chunk; `n` when there is none. The last three
 * bytes are left to who looks there next. */
static size_t find_magic(const char *bytes, size_t n)
{
    const char *found = memmem(bytes, n, CHUNK_MAGIC, 4);

    return found != NULL ? (size_t)(found - bytes) : n > 3 ? n - 3 : n;
}

/* Goes from what is no chunk to the next good header or the end. */
static int read_gap(struct reading *r, struct output_part *part, struct ganger_error *err)
{
    uint64_t limit = r->end < r->file_size ? r->end : r->file_size, at = r->at;
    bool is_empty = true;
    struct header h;

    while (at < limit) {
        uint64_t next = skip_unwritten(r, at);
        size_t n, n_before;
        const char *bytes;

        if (next > at) {
            at = next;
            continue;
        }
        bytes = look(r, at, HEADER_BYTES, &n);
        if (bytes == NULL)
            return cannot_read(r, err);
        n = n < limit - at ? n : (size_t)(limit - at);
        if (n == 0)
            r->file_size = at; /* it became shorter */
        if (n == 0 || (at > r->at && n >= HEADER_BYTES && decode_header(bytes, at, &h)))
            break;
        n_before = 1 + find_magic(bytes + 1, n - 1);
        is_empty = is_empty && is_zero(bytes, n_before);
        at += n_before;
    }
    *part = (struct output_part){.kind = is_empty ? OUTPUT_HOLE : OUTPUT_DAMAGE, .offset = r->at,
                                 .n_bytes = (at < limit ? at : limit) - r->at, .task = TASK_NONE,
                                 .why = "is no chunk: overwritten, or torn by a crash"};
    r->at += part->n_bytes;
    return 1;
}

static int read_text(struct reading *r, const struct header *h, struct output_part *part,
                     struct ganger_error *err)
{
    size_t n;
    const char *bytes = look(r, r->at, part->n_bytes, &n);

    if (bytes == NULL)
        return cannot_read(r, err);
    if (n < part->n_bytes)
        part->why = "is torn: the file ends within it";
    else if (h->epoch != r->epoch || h->node != r->node)
        part->why = "is of another run or node: the file was moved";
    else if (XXH64(bytes + HEADER_BYTES, h->n_bytes, h->check) != h->hash)
        part->why = "is damaged: its hash is wrong";
    part->kind = part->why == NULL ? OUTPUT_CHUNK : OUTPUT_DAMAGE;
    part->text = bytes + HEADER_BYTES;
    return 0;
}

/* What is to become of a chunk? */
enum wish
{
    PASS_OVER,
    TELL_OF, /* without its text */
    READ,
};

typedef enum wish chunk_filter(const void *data, const struct header *h);

/* 1: there is a part; 0: the end; -1. */
static int next_part(struct reading *r, chunk_filter *wants, const void *data, struct output_part *part,
                     struct ganger_error *err)
{
    struct header h;
    const char *bytes;
    enum wish wish;
    size_t n;

    while (r->at < r->end && r->at < r->file_size) {
        bytes = look(r, r->at, HEADER_BYTES, &n);
        if (bytes == NULL)
            return cannot_read(r, err);
        if (n < HEADER_BYTES || !decode_header(bytes, r->at, &h))
            return read_gap(r, part, err);
        *part = (struct output_part){.offset = r->at, .n_bytes = HEADER_BYTES + h.n_bytes, .task = h.task,
                                     .attempt = h.attempt, .stream = (enum output_stream)h.stream,
                                     .n_text = h.n_bytes};
        wish = wants(data, &h);
        if (wish == READ && read_text(r, &h, part, err) != 0)
            return -1;
        r->at += part->n_bytes;
        if (wish != PASS_OVER)
            return 1;
    }
    if (r->at >= r->end || r->end == UINT64_MAX)
        return 0;
    *part = (struct output_part){.kind = OUTPUT_DAMAGE, .offset = r->at, .n_bytes = r->end - r->at,
                                 .task = TASK_NONE, .why = "is missing: the file ends before it"};
    r->at = r->end;
    return 1;
}

static void close_reading(struct reading *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->path);
    free(r);
}

struct output_source *output_source_open(const char *dir)
{
    struct output_source *source = xcalloc(1, sizeof(*source));

    source->dir = xstrdup(dir);
    return source;
}

void output_source_close(struct output_source *source)
{
    if (source == NULL)
        return;
    close_reading(source->open);
    free(source->dir);
    free(source);
}

static struct reading *open_to_read(const char *dir, const struct output_place *place,
                                    struct ganger_error *err)
{
    struct reading *r = xmalloc(sizeof(*r));
    char name[FILE_NAME_BYTES];
    struct stat status;

    name_file(name, place->epoch, place->node);
    r->path = xasprintf("%s/%s", dir, name);
    r->epoch = place->epoch;
    r->node = place->node;
    r->window_at = 0;
    r->n_window = 0;
    /* O_NONBLOCK: a pipe in place of the file must not hang us. */
    r->fd = open(r->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0)
        cannot_read(r, err);
    else if (fstat(r->fd, &status) != 0 || !S_ISREG(status.st_mode))
        error_set(err, ERROR_SYSTEM, "%s: not a regular file", r->path);
    else
        return r;
    close_reading(r);
    return NULL;
}

/* The file of a place, from its start; NULL: it cannot be read. */
static struct reading *begin_reading(struct output_source *source, const struct output_place *place,
                                     struct ganger_error *err)
{
    struct reading *r = source->open;
    struct stat status;

    if (r == NULL || r->epoch != place->epoch || r->node != place->node) {
        close_reading(r);
        r = source->open = open_to_read(source->dir, place, err);
    }
    if (r == NULL)
        return NULL;
    if (fstat(r->fd, &status) != 0) {
        cannot_read(r, err);
        return NULL;
    }
    r->file_size = (uint64_t)status.st_size;
    r->at = place->offset;
    r->end = place->n_bytes > UINT64_MAX - place->offset ? UINT64_MAX : place->offset + place->n_bytes;
    r->n_window = 0; /* it may have been written to since */
    return r;
}

struct whose
{
    task_id task;
    uint32_t attempt;
    enum output_stream which;
};

static enum wish wish_for_whose(const void *data, const struct header *h)
{
    const struct whose *w = data;

    return h->task == w->task && h->attempt == w->attempt && (h->stream & w->which) != 0 ? READ : PASS_OVER;
}

static enum wish wish_for_all(const void *data, const struct header *h)
{
    (void)data;
    (void)h;
    return READ;
}

static enum wish wish_for_headers(const void *data, const struct header *h)
{
    (void)data;
    (void)h;
    return TELL_OF;
}

static int read_parts(struct output_source *source, const struct output_place *place, bool is_sparse,
                      chunk_filter *wants, const void *filter, output_reader *reader, void *data,
                      struct ganger_error *err)
{
    struct reading *r = begin_reading(source, place, err);
    struct output_part part;
    int status = 0;

    if (r == NULL)
        return -1;
    r->is_sparse = is_sparse;
    while ((status = next_part(r, wants, filter, &part, err)) > 0)
        if (reader(data, &part, err) != 0)
            return -1;
    return status;
}

int output_read(struct output_source *source, const struct output_place *place, task_id task, uint32_t attempt,
                enum output_stream which, output_reader *reader, void *data, struct ganger_error *err)
{
    struct whose whose = {task, attempt, which};

    return place->n_bytes == 0 ? 0 : read_parts(source, place, true, wish_for_whose, &whose, reader, data, err);
}

int output_scan(struct output_source *source, const struct output_place *place, output_reader *reader, void *data,
                struct ganger_error *err)
{
    return read_parts(source, place, false, wish_for_all, NULL, reader, data, err);
}

int output_scan_headers(struct output_source *source, const struct output_place *place, output_reader *reader,
                        void *data, struct ganger_error *err)
{
    return read_parts(source, place, true, wish_for_headers, NULL, reader, data, err);
}

/* --- which files there are --- */

static int compare_files(const void *a, const void *b)
{
    const struct output_place *x = a, *y = b;

    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

int output_list(const char *dir, struct output_place **files, size_t *n_files, struct ganger_error *err)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    size_t capacity = 0;

    *files = NULL;
    *n_files = 0;
    if (stream == NULL)
        return errno == ENOENT ? 0 : error_set_errno(err, ERROR_SYSTEM, "%s: cannot read the directory", dir);
    while ((entry = readdir(stream)) != NULL) {
        struct output_place file = {.n_bytes = UINT64_MAX};

        if (!output_parse_name(entry->d_name, &file.epoch, &file.node))
            continue;
        *files = xgrow(*files, *n_files, &capacity, sizeof(**files));
        (*files)[(*n_files)++] = file;
    }
    closedir(stream);
    if (*n_files > 1)
        qsort(*files, *n_files, sizeof(**files), compare_files);
    return 0;
}
