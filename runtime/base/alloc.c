#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_FIRST_BYTES ((size_t)16 * 1024)
#define ARENA_LARGEST_BYTES ((size_t)4 * 1024 * 1024)

struct arena_block
{
    struct arena_block *older;
    size_t n_bytes;
    max_align_t bytes[];
};

static alloc_last_words *last_words;
static void *last_words_data;

void alloc_on_exhaustion(alloc_last_words *words, void *data)
{
    last_words = words;
    last_words_data = data;
}

static _Noreturn void end_for_want_of_memory(size_t n_bytes)
{
    alloc_last_words *words = last_words;
    char text[160];
    int n;

    last_words = NULL; /* they may run out of memory themselves */
    n = snprintf(text, sizeof(text),
                 "ganger: out of memory (%zu bytes asked for): the run ends; `--resume` continues it\n",
                 n_bytes);
    if (write(STDERR_FILENO, text, (size_t)n) < 0) {
        /* nowhere to say it */
    }
    if (words != NULL)
        words(last_words_data);
    _exit(3);
}

void *xmalloc(size_t n_bytes)
{
    void *p = malloc(n_bytes ? n_bytes : 1);

    if (p == NULL)
        end_for_want_of_memory(n_bytes);
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (p == NULL)
        end_for_want_of_memory(n * size);
    return p;
}

void *xrealloc(void *old, size_t n_bytes)
{
    void *p = realloc(old, n_bytes ? n_bytes : 1);

    if (p == NULL)
        end_for_want_of_memory(n_bytes);
    return p;
}

char *xstrndup(const char *text, size_t n_bytes)
{
    char *copy = xmalloc(n_bytes + 1);

    memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = xmalloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

void *xgrow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 16;
    if (*capacity > SIZE_MAX / size)
        end_for_want_of_memory(SIZE_MAX);
    return xrealloc(array, *capacity * size);
}

static void arena_add_block(struct arena *arena, size_t n_bytes)
{
    size_t size = arena->newest ? 2 * arena->newest->n_bytes : ARENA_FIRST_BYTES;
    struct arena_block *block;

    if (size > ARENA_LARGEST_BYTES)
        size = ARENA_LARGEST_BYTES;
    if (size < n_bytes)
        size = n_bytes;
    block = xmalloc(sizeof(*block) + size);
    block->older = arena->newest;
    block->n_bytes = size;
    arena->newest = block;
    arena->next = (char *)block->bytes;
    arena->n_left = size;
}

static char *arena_take(struct arena *arena, size_t n_bytes)
{
    char *p;

    if (n_bytes > arena->n_left)
        arena_add_block(arena, n_bytes);
    p = arena->next;
    arena->next += n_bytes;
    arena->n_left -= n_bytes;
    arena->n_bytes += n_bytes;
    return p;
}

void *arena_alloc(struct arena *arena, size_t n_bytes)
{
    const size_t align = _Alignof(max_align_t);
    size_t pad = (align - (uintptr_t)arena->next % align) % align;

    if (pad + n_bytes > arena->n_left) {
        arena_add_block(arena, n_bytes);
        pad = 0; /* blocks are aligned */
    }
    return arena_take(arena, pad + n_bytes) + pad;
}

char *arena_text(struct arena *arena, const char *text, size_t n_bytes)
{
    char *copy = arena_take(arena, n_bytes + 1);

    if (n_bytes > 0)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

void arena_release(struct arena *arena)
{
    while (arena->newest != NULL) {
        struct arena_block *block = arena->newest;

        arena->newest = block->older;
        free(block);
    }
    *arena = (struct arena)ARENA_EMPTY;
}
