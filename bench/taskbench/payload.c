#include "taskbench/payload.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Four times 32 bits: graph and place share the first and the last, so that compilers can use vectors. */
struct unit
{
    uint32_t graph;
    uint32_t step;
    uint32_t column;
    uint32_t place;
};

_Static_assert(sizeof(struct unit) == PAYLOAD_UNIT_BYTES, "units follow each other without a gap");

void payload_write(void *bytes, size_t n_bytes, struct payload_origin from)
{
    struct unit *units = bytes;
    size_t n = n_bytes / PAYLOAD_UNIT_BYTES;

    assert(n_bytes % PAYLOAD_UNIT_BYTES == 0);
    for (size_t i = 0; i < n; i++) {
        units[i] = (struct unit){.graph = (uint32_t)from.graph,
                                 .step = (uint32_t)from.step,
                                 .column = (uint32_t)from.column,
                                 .place = (uint32_t)i};
    }
}

static uint32_t difference(const struct unit *u, struct payload_origin from, size_t i)
{
    return (u->graph ^ (uint32_t)from.graph) | (u->step ^ (uint32_t)from.step) |
           (u->column ^ (uint32_t)from.column) | (u->place ^ (uint32_t)i);
}

int payload_check(const void *bytes, size_t n_bytes, struct payload_origin from, char *text, size_t n_text)
{
    const char *next = bytes;
    size_t n = n_bytes / PAYLOAD_UNIT_BYTES;
    uint32_t wrong = 0;
    struct unit u;

    assert(n_bytes % PAYLOAD_UNIT_BYTES == 0);
    /* All of them without a branch: what is right, as it nearly always is, takes a vector operation each. */
    for (size_t i = 0; i < n; i++) {
        memcpy(&u, next + i * sizeof(u), sizeof(u));
        wrong |= difference(&u, from, i);
    }
    if (wrong == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(&u, next + i * sizeof(u), sizeof(u));
        if (difference(&u, from, i) != 0) {
            snprintf(text, n_text,
                     "bytes %zu to %zu of %zu are graph %u, step %u, column %u, place %u instead of graph %d, "
                     "step %d, column %d, place %zu",
                     i * sizeof(u), (i + 1) * sizeof(u) - 1, n_bytes, u.graph, u.step, u.column, u.place,
                     from.graph, from.step, from.column, i);
            break;
        }
    }
    return -1;
}
