/* intern: equal things get the same number. For things that somebody else keeps in an array.
 *
 * Open addressing with linear probing, at most half full; a place holds the hash and the number. */
#ifndef GANGER_BASE_INTERN_H
#define GANGER_BASE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_table
{
    struct intern_place *places; /* NULL: empty */
    size_t n_places;             /* a power of two */
    size_t n;
};

/* Is the thing `number` equal to `thing`? */
typedef bool intern_equal(const void *data, uint32_t number, const void *thing);

/* The number of what is equal to `thing`, whose hash is `hash`; UINT32_MAX: there is none. */
uint32_t intern_find(const struct intern_table *t, uint64_t hash, const void *thing, intern_equal *equal,
                     const void *data);

/* Enters a thing that is not there yet. */
void intern_add(struct intern_table *t, uint64_t hash, uint32_t number);

void intern_release(struct intern_table *t);

#endif
