#include "taskbench/kernel.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define N_LANES 32
#define MEMORY_BYTES (8u << 20)
#define STRETCH_BYTES 4096u

struct kernel_room
{
    double lanes[N_LANES];
    char *memory; /* NULL unless the kernel goes round it */
    size_t at;
};

static const char *const names[KERNEL_N_KINDS] = {
    [KERNEL_EMPTY] = "empty",
    [KERNEL_COMPUTE] = "compute",
    [KERNEL_MEMORY] = "memory",
};

const char *kernel_name(enum kernel_kind kind)
{
    return names[kind];
}

enum kernel_kind kernel_of_name(const char *name)
{
    int kind = 0;

    while (kind < KERNEL_N_KINDS && strcmp(names[kind], name) != 0)
        kind++;
    return (enum kernel_kind)kind;
}

struct kernel_room *kernel_room_new(const struct kernel *kernel)
{
    struct kernel_room *room = xcalloc(1, sizeof(*room));

    for (int i = 0; i < N_LANES; i++)
        room->lanes[i] = 1.0 + i;
    if (kernel->kind == KERNEL_MEMORY) {
        room->memory = xmalloc(MEMORY_BYTES);
        memset(room->memory, 1, MEMORY_BYTES); /* pages are there before the clock starts */
    }
    return room;
}

void kernel_room_free(struct kernel_room *room)
{
    if (room == NULL)
        return;
    free(room->memory);
    free(room);
}

/* The lanes live on from task to task, so that no compiler may leave the loop out; they stay near 2. */
static void compute(struct kernel_room *room, int64_t n_iterations)
{
    double lanes[N_LANES];

    memcpy(lanes, room->lanes, sizeof(lanes));
    for (int64_t k = 0; k < n_iterations; k++) {
        for (int i = 0; i < N_LANES; i++)
            lanes[i] = lanes[i] * 0.5 + 1.0;
    }
    memcpy(room->lanes, lanes, sizeof(lanes));
}

static void go_round(struct kernel_room *room, int64_t n_iterations)
{
    for (int64_t k = 0; k < n_iterations; k++) {
        size_t next = (room->at + STRETCH_BYTES) % MEMORY_BYTES;

        memcpy(room->memory + next, room->memory + room->at, STRETCH_BYTES);
        room->memory[next]++;
        room->at = next;
    }
}

void kernel_run(const struct kernel *kernel, struct kernel_room *room)
{
    switch (kernel->kind) {
    case KERNEL_COMPUTE: compute(room, kernel->n_iterations); break;
    case KERNEL_MEMORY: go_round(room, kernel->n_iterations); break;
    case KERNEL_EMPTY:
    case KERNEL_N_KINDS: break;
    }
}
