/* buffer: bytes that grow at the end, and a cursor that reads them back.
 *
 * Numbers are little-endian and of fixed width. A cursor never reads past its end: it sets `failed`
 * and gives zeros, so that a decoder checks once, at the end of a record. */
#ifndef GANGER_BASE_BUFFER_H
#define GANGER_BASE_BUFFER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer
{
    char *bytes; /* NULL: empty */
    size_t n;
    size_t capacity;
};

#define BUFFER_EMPTY {NULL, 0, 0}

void buffer_release(struct buffer *b);
void buffer_grow(struct buffer *b, size_t n_more);
void buffer_put(struct buffer *b, const void *bytes, size_t n);

/* Small and called ten times for each function that runs: that is why they stand here. */

static inline void buffer_reserve(struct buffer *b, size_t n_more)
{
    if (b->capacity - b->n < n_more)
        buffer_grow(b, n_more);
}

/* Room for so many bytes at the end, which count from now on: the caller writes them. Borrowed until more is put. */
static inline char *buffer_extend(struct buffer *b, size_t n)
{
    buffer_reserve(b, n);
    b->n += n;
    return b->bytes + b->n - n;
}

/* Numbers where there is room for them, or where they are known to be: each moves `*at` behind it. For records of many
 * numbers, whose room is looked after once for all of them. Compilers make one store, or one load, of each where the
 * machine is little-endian. */

static inline void put_little_endian(char **at, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (*at)[i] = (char)(v >> (8 * i));
    *at += n;
}

static inline uint64_t take_little_endian(const char **at, unsigned n)
{
    uint64_t v = 0;

    memcpy(&v, *at, n);
    *at += n;
    return le64toh(v);
}

/* IEEE 754 bits. */
static inline void put_f64(char **at, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    put_little_endian(at, bits, sizeof(bits));
}

static inline double take_f64(const char **at)
{
    uint64_t bits = take_little_endian(at, sizeof(bits));
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static inline void buffer_put_little_endian(struct buffer *b, uint64_t v, unsigned n)
{
    char *at = buffer_extend(b, n);

    put_little_endian(&at, v, n);
}

static inline void buffer_put_u8(struct buffer *b, uint8_t v)
{
    buffer_put_little_endian(b, v, 1);
}

static inline void buffer_put_u16(struct buffer *b, uint16_t v)
{
    buffer_put_little_endian(b, v, 2);
}

static inline void buffer_put_u32(struct buffer *b, uint32_t v)
{
    buffer_put_little_endian(b, v, 4);
}

static inline void buffer_put_u64(struct buffer *b, uint64_t v)
{
    buffer_put_little_endian(b, v, 8);
}

static inline void buffer_put_f64(struct buffer *b, double v)
{
    char *at = buffer_extend(b, sizeof(v));

    put_f64(&at, v);
}

/* Overwrites four bytes. */
static inline void buffer_set_u32(struct buffer *b, size_t offset, uint32_t v)
{
    char *at = b->bytes + offset;

    put_little_endian(&at, v, sizeof(v));
}

void buffer_put_text(struct buffer *b, const char *text, size_t n); /* u32 length, bytes, one NUL */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct cursor
{
    const char *next;
    const char *end;
    bool failed;
};

static inline struct cursor cursor_over(const void *bytes, size_t n)
{
    return (struct cursor){(const char *)bytes, (const char *)bytes + n, false};
}

/* Borrowed; NULL when they are not there. */
static inline const char *cursor_bytes(struct cursor *c, size_t n)
{
    const char *p = c->next;

    if (c->failed || (size_t)(c->end - c->next) < n) {
        c->failed = true;
        return NULL;
    }
    c->next += n;
    return p;
}

static inline uint64_t cursor_little_endian(struct cursor *c, unsigned n)
{
    const char *p = cursor_bytes(c, n);

    return p != NULL ? take_little_endian(&p, n) : 0;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)cursor_little_endian(c, 1);
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)cursor_little_endian(c, 2);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)cursor_little_endian(c, 4);
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    return cursor_little_endian(c, 8);
}

static inline double cursor_f64(struct cursor *c)
{
    const char *p = cursor_bytes(c, sizeof(double));

    return p != NULL ? take_f64(&p) : 0;
}

/* What buffer_put_text wrote: borrowed, ended by NUL; "" with *n = 0 on failure. */
static inline const char *cursor_text(struct cursor *c, size_t *n)
{
    uint32_t length = cursor_u32(c);
    const char *text = cursor_bytes(c, (size_t)length + 1);

    *n = 0;
    if (text == NULL || text[length] != '\0') {
        c->failed = true;
        return "";
    }
    *n = length;
    return text;
}

#endif
