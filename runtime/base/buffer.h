/* buffer: bytes that grow at the end, and a cursor that reads them back.
 *
 * Numbers are little-endian and of fixed width. A cursor never reads past its end: it sets `failed`
 * and gives zeros, so that a decoder checks once, at the end of a record. */
#ifndef GANGER_BASE_BUFFER_H
#define GANGER_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer
{
    char *bytes; /* NULL: empty */
    size_t n;
    size_t capacity;
};

#define BUFFER_EMPTY {NULL, 0, 0}

void buffer_release(struct buffer *b);
void buffer_reserve(struct buffer *b, size_t n_more);
void buffer_put(struct buffer *b, const void *bytes, size_t n);
void buffer_put_u8(struct buffer *b, uint8_t v);
void buffer_put_u16(struct buffer *b, uint16_t v);
void buffer_put_u32(struct buffer *b, uint32_t v);
void buffer_put_u64(struct buffer *b, uint64_t v);
void buffer_put_f64(struct buffer *b, double v); /* IEEE 754 bits */
void buffer_put_text(struct buffer *b, const char *text, size_t n); /* u32 length, bytes, one NUL */
void buffer_set_u32(struct buffer *b, size_t at, uint32_t v);       /* overwrites four bytes */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct cursor
{
    const char *next;
    const char *end;
    bool failed;
};

struct cursor cursor_over(const void *bytes, size_t n);
uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
double cursor_f64(struct cursor *c);
const char *cursor_bytes(struct cursor *c, size_t n); /* borrowed; NULL when they are not there */

/* What buffer_put_text wrote: borrowed, ended by NUL; "" with *n = 0 on failure. */
const char *cursor_text(struct cursor *c, size_t *n);

#endif
