/* payload: the bytes that tasks hand on. Every 16 of them say which graph, step and column they come from and
 * where in the output they belong, so that the receiver can tell any byte that is wrong, missing, late, or
 * somebody else's. Pure. */
#ifndef GANGER_TASKBENCH_PAYLOAD_H
#define GANGER_TASKBENCH_PAYLOAD_H

#include <stddef.h>

#define PAYLOAD_UNIT_BYTES 16

struct payload_origin
{
    int graph;
    int step;
    int column;
};

/* Fills `bytes`, aligned for a uint32_t; `n_bytes` is a multiple of PAYLOAD_UNIT_BYTES. */
void payload_write(void *bytes, size_t n_bytes, struct payload_origin from);

/* Compares every byte. Returns 0, or -1 with the reason in `text`. */
int payload_check(const void *bytes, size_t n_bytes, struct payload_origin from, char *text, size_t n_text);

#endif
