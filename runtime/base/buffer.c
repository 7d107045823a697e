#include "base/buffer.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_release(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer)BUFFER_EMPTY;
}

void buffer_reserve(struct buffer *b, size_t n_more)
{
    size_t capacity = b->capacity ? b->capacity : 256;

    if (b->capacity - b->n >= n_more)
        return;
    while (capacity - b->n < n_more)
        capacity *= 2;
    b->bytes = xrealloc(b->bytes, capacity);
    b->capacity = capacity;
}

void buffer_put(struct buffer *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    buffer_reserve(b, n);
    memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
}

static void put_little_endian(struct buffer *b, uint64_t v, unsigned n)
{
    char bytes[8];

    for (unsigned i = 0; i < n; i++)
        bytes[i] = (char)(v >> (8 * i));
    buffer_put(b, bytes, n);
}

void buffer_put_u8(struct buffer *b, uint8_t v)
{
    buffer_put(b, &v, 1);
}

void buffer_put_u16(struct buffer *b, uint16_t v)
{
    put_little_endian(b, v, 2);
}

void buffer_put_u32(struct buffer *b, uint32_t v)
{
    put_little_endian(b, v, 4);
}

void buffer_put_u64(struct buffer *b, uint64_t v)
{
    put_little_endian(b, v, 8);
}

void buffer_put_f64(struct buffer *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    buffer_put_u64(b, bits);
}

void buffer_put_text(struct buffer *b, const char *text, size_t n)
{
    buffer_put_u32(b, (uint32_t)n);
    buffer_put(b, text, n);
    buffer_put_u8(b, 0);
}

void buffer_set_u32(struct buffer *b, size_t at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        b->bytes[at + i] = (char)(v >> (8 * i));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    int n;

    buffer_reserve(b, 128);
    va_start(args, format);
    n = vsnprintf(b->bytes + b->n, b->capacity - b->n, format, args);
    va_end(args);
    if ((size_t)n >= b->capacity - b->n) {
        buffer_reserve(b, (size_t)n + 1);
        va_start(args, format);
        vsnprintf(b->bytes + b->n, b->capacity - b->n, format, args);
        va_end(args);
    }
    b->n += (size_t)n;
}

struct cursor cursor_over(const void *bytes, size_t n)
{
    return (struct cursor){bytes, (const char *)bytes + n, false};
}

const char *cursor_bytes(struct cursor *c, size_t n)
{
    const char *p = c->next;

    if (c->failed || (size_t)(c->end - c->next) < n) {
        c->failed = true;
        return NULL;
    }
    c->next += n;
    return p;
}

static uint64_t get_little_endian(struct cursor *c, unsigned n)
{
    const unsigned char *p = (const unsigned char *)cursor_bytes(c, n);
    uint64_t v = 0;

    if (p == NULL)
        return 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)get_little_endian(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)get_little_endian(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)get_little_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return get_little_endian(c, 8);
}

double cursor_f64(struct cursor *c)
{
    uint64_t bits = cursor_u64(c);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

const char *cursor_text(struct cursor *c, size_t *n)
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
