/* source: a text that is read block by block, so that a file of a million lines need not be in memory at
 * once. */
#ifndef GANGER_BASE_SOURCE_H
#define GANGER_BASE_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct source
{
    const char *name; /* for messages; borrowed */
    int fd;           /* borrowed; -1: all of it is there */
    struct buffer blocks;
    const char *next; /* what is there and not taken yet; moves when more is read */
    const char *end;
    struct XXH3_state_s *digest;
};

/* A text from a file, or with `fd` -1 the bytes given, which are borrowed until source_release. */
void source_init(struct source *s, const char *name, int fd, const char *bytes, size_t n_bytes);
void source_release(struct source *s);

/* Reads on: as much again as is there, so that waiting for something costs O(bytes) in all. Returns 1, 0 at
 * the end, or -1. */
int source_fill(struct source *s, struct ganger_error *err);

/* Reads all that is left; it lies between `next` and `end` then. */
int source_take_all(struct source *s, struct ganger_error *err);

/* Takes the next line, without its newline. Returns 1, 0 when there is none, or -1. The line is there until
 * the next call. */
int source_take_line(struct source *s, const char **line, size_t *n_bytes, struct ganger_error *err);

/* XXH3 of all that was read so far. */
uint64_t source_digest(const struct source *s);

#endif
