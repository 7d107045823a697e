/* registry: the C functions that this program can run as tasks.
 *
 * Every rank has the same, in the same order, so that a number means the same function everywhere; the digest
 * tells whether that is so. */
#ifndef GANGER_CORE_REGISTRY_H
#define GANGER_CORE_REGISTRY_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ganger_call;

struct registry_function
{
    const char *name; /* borrowed */
    int (*body)(struct ganger_call *call);
    bool is_isolated; /* always runs in a process of its own */
};

#define REGISTRY_NONE UINT16_MAX

struct registry
{
    struct registry_function *functions;
    uint32_t n;
    size_t capacity;
    void *data; /* of the program: for ganger_call_data */
};

#define REGISTRY_EMPTY {NULL, 0, 0, NULL}

void registry_release(struct registry *r);

/* Fails when the name is taken, empty, too long, or holds control characters, or when there is no body. */
int registry_add(struct registry *r, const struct registry_function *function, struct ganger_error *err);

/* Its number, or REGISTRY_NONE. */
uint16_t registry_find(const struct registry *r, const char *name);

/* Of the names in their order; 0 when there are none. */
uint64_t registry_digest(const struct registry *r);

/* The names, each ended by a NUL, behind what is in `b`. */
void registry_pack(const struct registry *r, struct buffer *b);

/* How the names of another rank, packed, differ from ours, in words. */
void registry_describe_difference(const struct registry *r, const char *packed, size_t n_bytes, struct buffer *text);

#endif
