#include "core/cycle.h"

/* A cycle of this many tasks is printed whole. */
#define TASKS_SHOWN 16

void cycle_describe(struct buffer *text, const char *const *ids, uint32_t n)
{
    uint32_t n_hidden = n > TASKS_SHOWN ? n - TASKS_SHOWN : 0;

    for (uint32_t i = 0; i < n; i++) {
        if (n_hidden > 0 && i == TASKS_SHOWN - 1) {
            buffer_printf(text, "(%u more) -> ", n_hidden);
            i += n_hidden;
        }
        buffer_printf(text, "%s -> ", ids[i]);
    }
    buffer_printf(text, "%s", n > 0 ? ids[0] : "joins only");
}
