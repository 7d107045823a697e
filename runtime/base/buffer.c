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

void buffer_grow(struct buffer *b, size_t n_more)
{
    size_t capacity = b->capacity ? b->capacity : 256;

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

void buffer_put_text(struct buffer *b, const char *text, size_t n)
{
    char *at = buffer_extend(b, sizeof(uint32_t) + n + 1);

    put_little_endian(&at, n, sizeof(uint32_t));
    if (n > 0)
        memcpy(at, text, n);
    at[n] = '\0';
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
