#include "base/intern.h"

#include "base/alloc.h"

#include <stdlib.h>

#define LEAST_PLACES 16
#define FREE UINT32_MAX

struct intern_place
{
    uint64_t hash;
    uint32_t number; /* FREE: none */
};

static size_t next_place(const struct intern_table *t, size_t place)
{
    return (place + 1) & (t->n_places - 1);
}

static size_t first_place(const struct intern_table *t, uint64_t hash)
{
    return (size_t)hash & (t->n_places - 1);
}

uint32_t intern_find(const struct intern_table *t, uint64_t hash, const void *thing, intern_equal *equal,
                     const void *data)
{
    if (t->n_places == 0)
        return FREE;
    for (size_t i = first_place(t, hash); t->places[i].number != FREE; i = next_place(t, i))
        if (t->places[i].hash == hash && equal(data, t->places[i].number, thing))
            return t->places[i].number;
    return FREE;
}

static void put(struct intern_table *t, uint64_t hash, uint32_t number)
{
    size_t i = first_place(t, hash);

    while (t->places[i].number != FREE)
        i = next_place(t, i);
    t->places[i] = (struct intern_place){hash, number};
}

static void grow(struct intern_table *t)
{
    struct intern_table old = *t;

    t->n_places = old.n_places ? 2 * old.n_places : LEAST_PLACES;
    t->places = xmalloc(t->n_places * sizeof(*t->places));
    for (size_t i = 0; i < t->n_places; i++)
        t->places[i].number = FREE;
    for (size_t i = 0; i < old.n_places; i++)
        if (old.places[i].number != FREE)
            put(t, old.places[i].hash, old.places[i].number);
    free(old.places);
}

void intern_add(struct intern_table *t, uint64_t hash, uint32_t number)
{
    if (2 * (t->n + 1) > t->n_places)
        grow(t);
    put(t, hash, number);
    t->n++;
}

void intern_release(struct intern_table *t)
{
    free(t->places);
    *t = (struct intern_table){NULL, 0, 0};
}
