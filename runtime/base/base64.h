/* base64: bytes as text, and back (RFC 4648, with padding). */
#ifndef GANGER_BASE_BASE64_H
#define GANGER_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* What n bytes take as text. */
static inline size_t base64_length(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* Writes base64_length(n) characters, and returns their end. */
char *base64_put(char *p, const void *bytes, size_t n);

/* Writes at most 3 bytes for each 4 of the `n` characters, sets how many. False: it is no base64. */
bool base64_read(const char *text, size_t n, char *bytes, size_t *n_bytes);

#endif
