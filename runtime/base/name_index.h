/* name_index: from a name to its number, for names that somebody else keeps in an array.
 *
 * Open addressing with linear probing; eight bytes per place, at most two thirds full. */
#ifndef GANGER_BASE_NAME_INDEX_H
#define GANGER_BASE_NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define NAME_NOT_FOUND UINT32_MAX

struct name_index
{
    struct name_place *places; /* NULL: empty */
    size_t n_places;           /* a power of two */
    size_t n_names;
};

#define NAME_INDEX_EMPTY {NULL, 0, 0}

/* Gives the text of name `number`; borrowed for the call. */
typedef const char *name_of(const void *data, uint32_t number);

uint32_t name_index_find(const struct name_index *index, const char *name, size_t n_bytes, name_of *of,
                         const void *data);

/* Says that `name` will be entered or looked for soon: its place comes from memory meanwhile, which takes as
 * long as all else that an index of a million names does. */
void name_index_prepare(const struct name_index *index, const char *name, size_t n_bytes);

/* Enters `name` as `number` and returns NAME_NOT_FOUND, or returns the number it already has. */
uint32_t name_index_add(struct name_index *index, const char *name, size_t n_bytes, uint32_t number,
                        name_of *of, const void *data);

void name_index_release(struct name_index *index);

#endif
