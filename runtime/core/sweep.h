/* sweep: the variables of a task's `for`, their values, and texts with `{variable}` in them.
 *
 * A sweep stands at one combination of values at a time; the first variable changes slowest. A range
 * takes no memory for its values. */
#ifndef GANGER_CORE_SWEEP_H
#define GANGER_CORE_SWEEP_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sweep
{
    struct sweep_variable *variables;
    size_t n_variables;
    size_t capacity;
};

#define SWEEP_EMPTY {NULL, 0, 0}

void sweep_release(struct sweep *s);

/* Names are letters, digits and `_`, not a digit first. A variable starts without values. */
int sweep_add_variable(struct sweep *s, const char *name, struct ganger_error *err);

/* Values of the variable added last: one more, or those of "first-last" or "first-last:step" (whole
 * numbers; a leading zero in one of them pads all to the same width). */
void sweep_add_value(struct sweep *s, const char *value);
int sweep_set_range(struct sweep *s, const char *range, struct ganger_error *err);

/* How many combinations there are; UINT64_MAX when it is more than that. */
uint64_t sweep_count(const struct sweep *s);

/* Goes to the first combination, and to the next; false after the last one. */
void sweep_start(struct sweep *s);
bool sweep_next(struct sweep *s);

/* Appends the text with `{name}` replaced by the present value of that variable. Braces around anything
 * else stay. */
void sweep_expand(const struct sweep *s, const char *text, size_t n_bytes, struct buffer *out);

/* The first variable that `text` does not mention; NULL when it mentions all. */
const char *sweep_find_unmentioned(const struct sweep *s, const char *text, size_t n_bytes);

#endif
