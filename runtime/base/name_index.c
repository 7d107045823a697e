#include "base/name_index.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* a call costs more than hashing a name */
#include <xxhash.h>

struct name_place
{
    uint32_t hash;
    uint32_t number_plus_1; /* 0: free */
};

static uint32_t hash_name(const char *name, size_t n_bytes)
{
    return (uint32_t)XXH3_64bits(name, n_bytes);
}

/* The place that holds the name, or the free one where it would go. */
static struct name_place *find_place(const struct name_index *index, uint32_t hash, const char *name,
                                     size_t n_bytes, name_of *of, const void *data)
{
    size_t mask = index->n_places - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct name_place *place = &index->places[i];

        if (place->number_plus_1 == 0)
            return place;
        if (place->hash == hash) {
            const char *other = of(data, place->number_plus_1 - 1);

            if (strncmp(other, name, n_bytes) == 0 && other[n_bytes] == '\0')
                return place;
        }
    }
}

static void grow(struct name_index *index)
{
    struct name_index old = *index;

    index->n_places = old.n_places ? 2 * old.n_places : 64;
    /* Not calloc: its pages would be faulted in twice, since a place is looked at before it is taken. */
    index->places = memset(xmalloc(index->n_places * sizeof(*index->places)), 0,
                           index->n_places * sizeof(*index->places));
    for (size_t i = 0; i < old.n_places; i++) {
        size_t at = old.places[i].hash & (index->n_places - 1);

        if (old.places[i].number_plus_1 == 0)
            continue;
        while (index->places[at].number_plus_1 != 0)
            at = (at + 1) & (index->n_places - 1);
        index->places[at] = old.places[i];
    }
    free(old.places);
}

uint32_t name_index_find(const struct name_index *index, const char *name, size_t n_bytes, name_of *of,
                         const void *data)
{
    struct name_place *place;

    if (index->n_names == 0)
        return NAME_NOT_FOUND;
    place = find_place(index, hash_name(name, n_bytes), name, n_bytes, of, data);
    return place->number_plus_1 ? place->number_plus_1 - 1 : NAME_NOT_FOUND;
}

void name_index_prepare(const struct name_index *index, const char *name, size_t n_bytes)
{
    if (index->n_places > 0)
        __builtin_prefetch(&index->places[hash_name(name, n_bytes) & (index->n_places - 1)], 1);
}

uint32_t name_index_add(struct name_index *index, const char *name, size_t n_bytes, uint32_t number,
                        name_of *of, const void *data)
{
    uint32_t hash = hash_name(name, n_bytes);
    struct name_place *place;

    if (3 * (index->n_names + 1) > 2 * index->n_places)
        grow(index);
    place = find_place(index, hash, name, n_bytes, of, data);
    if (place->number_plus_1 != 0)
        return place->number_plus_1 - 1;
    *place = (struct name_place){hash, number + 1};
    index->n_names++;
    return NAME_NOT_FOUND;
}

void name_index_release(struct name_index *index)
{
    free(index->places);
    *index = (struct name_index)NAME_INDEX_EMPTY;
}
