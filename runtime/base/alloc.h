/* alloc: memory that is there, or the end of the program.
 *
 * No caller checks for NULL. When the system has no more memory, one function says so, calls the last
 * words (which flush the journal) and ends the process with status 3. */
#ifndef GANGER_BASE_ALLOC_H
#define GANGER_BASE_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *old, size_t n_bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t n_bytes);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element: doubles `*capacity` (of elements of `size` bytes) when `n` has
 * reached it. Returns the array, which may have moved. */
void *xgrow(void *array, size_t n, size_t *capacity, size_t size);

/* What to do before the process ends for want of memory; one function per process, NULL for none. */
typedef void alloc_last_words(void *data);
void alloc_on_exhaustion(alloc_last_words *words, void *data);

/* An arena hands out bytes that live until all of it is released. No single piece can be freed. */
struct arena
{
    struct arena_block *newest; /* NULL: empty */
    char *next;                 /* free bytes of the newest block */
    size_t n_left;
    size_t n_bytes; /* handed out so far */
};

#define ARENA_EMPTY {NULL, NULL, 0, 0}

void *arena_alloc(struct arena *arena, size_t n_bytes); /* aligned for any pointer or double */
char *arena_text(struct arena *arena, const char *text, size_t n_bytes); /* copy, NUL added, unaligned */
void arena_release(struct arena *arena);

#endif
