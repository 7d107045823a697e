/* room: so much of the amounts of a node: what is free, all it has, or what is over. */
#ifndef GANGER_CORE_ROOM_H
#define GANGER_CORE_ROOM_H

#include "core/task.h"

#include <stdbool.h>

#define ROOM_ANY_MEMORY UINT64_MAX /* unknown: it is not counted */
#define ROOM_ANY_PART UINT32_MAX   /* not a resource of nodes: it is not counted here */

struct room
{
    uint32_t n_slots;
    uint32_t n_gpus;
    uint64_t memory_bytes;
    uint32_t *parts; /* by named resource; NULL when none is named */
};

static inline bool room_has_parts(const struct room *room, const struct task_resources *wanted)
{
    for (uint32_t i = 0; i < wanted->n_amounts; i++)
        if (room->parts[wanted->amounts[i].resource] < wanted->amounts[i].n)
            return false;
    return true;
}

static inline bool room_holds_but_for_memory(const struct room *room, const struct task_resources *wanted)
{
    return room->n_slots >= wanted->cores && room->n_gpus >= wanted->gpus && room_has_parts(room, wanted);
}

static inline bool room_holds(const struct room *room, const struct task_resources *wanted)
{
    return room->memory_bytes >= wanted->memory_bytes && room_holds_but_for_memory(room, wanted);
}

static inline void room_take(struct room *room, const struct task_resources *taken)
{
    room->n_slots -= taken->cores;
    room->n_gpus -= taken->gpus;
    if (room->memory_bytes != ROOM_ANY_MEMORY)
        room->memory_bytes -= taken->memory_bytes;
    for (uint32_t i = 0; i < taken->n_amounts; i++)
        if (room->parts[taken->amounts[i].resource] != ROOM_ANY_PART)
            room->parts[taken->amounts[i].resource] -= taken->amounts[i].n;
}

/* `n_slots`: of those that it took, so many are still there. */
static inline void room_give(struct room *room, const struct task_resources *given, uint32_t n_slots)
{
    room->n_slots += n_slots;
    room->n_gpus += given->gpus;
    if (room->memory_bytes != ROOM_ANY_MEMORY)
        room->memory_bytes += given->memory_bytes;
    for (uint32_t i = 0; i < given->n_amounts; i++)
        if (room->parts[given->amounts[i].resource] != ROOM_ANY_PART)
            room->parts[given->amounts[i].resource] += given->amounts[i].n;
}

#endif
