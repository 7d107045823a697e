/* cycle: tasks that wait for each other, in words. */
#ifndef GANGER_CORE_CYCLE_H
#define GANGER_CORE_CYCLE_H

#include "base/buffer.h"

#include <stdint.h>

/* Appends "a -> b -> a", ended by a NUL that is not counted: of a long one its first tasks and its last. */
void cycle_describe(struct buffer *text, const char *const *ids, uint32_t n);

#endif
