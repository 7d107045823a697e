#include "base/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define BLOCK_BYTES ((size_t)256 * 1024)

void source_init(struct source *s, const char *name, int fd, const char *bytes, size_t n_bytes)
{
    if (n_bytes == 0)
        bytes = "";
    *s = (struct source){name, fd, BUFFER_EMPTY, bytes, bytes + n_bytes, XXH3_createState()};
    XXH3_64bits_reset(s->digest);
    XXH3_64bits_update(s->digest, bytes, n_bytes);
}

void source_release(struct source *s)
{
    buffer_release(&s->blocks);
    XXH3_freeState(s->digest);
    s->digest = NULL;
}

int source_fill(struct source *s, struct ganger_error *err)
{
    size_t n_left = (size_t)(s->end - s->next);
    size_t n_wanted = n_left > BLOCK_BYTES ? n_left : BLOCK_BYTES;
    ssize_t n;

    if (s->fd < 0)
        return 0;
    if (n_left > 0)
        memmove(s->blocks.bytes, s->next, n_left);
    s->blocks.n = n_left;
    buffer_reserve(&s->blocks, n_wanted);
    do
        n = read(s->fd, s->blocks.bytes + n_left, n_wanted);
    while (n < 0 && errno == EINTR);
    s->next = s->blocks.bytes;
    s->end = s->next + n_left + (n > 0 ? (size_t)n : 0);
    if (n < 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot read %.1000s", s->name);
    XXH3_64bits_update(s->digest, s->blocks.bytes + n_left, (size_t)n);
    return n > 0;
}

int source_take_all(struct source *s, struct ganger_error *err)
{
    int filled;

    do
        filled = source_fill(s, err);
    while (filled > 0);
    return filled;
}

int source_take_line(struct source *s, const char **line, size_t *n_bytes, struct ganger_error *err)
{
    const char *newline;
    int filled = 1;

    while ((newline = memchr(s->next, '\n', (size_t)(s->end - s->next))) == NULL && filled > 0)
        filled = source_fill(s, err);
    if (filled < 0)
        return -1;
    if (s->next == s->end)
        return 0;
    *line = s->next;
    *n_bytes = (size_t)((newline ? newline : s->end) - *line);
    s->next = newline ? newline + 1 : s->end;
    return 1;
}

uint64_t source_digest(const struct source *s)
{
    return XXH3_64bits_digest(s->digest);
}
