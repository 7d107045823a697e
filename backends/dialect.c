#include "backends/dialect.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void dialect_read_script(const struct dialect *d, const char *script, struct text_list *options)
{
    size_t n_prefix = strlen(d->prefix);

    for (const char *line = script; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        if (n > n_prefix && strncmp(line, d->prefix, n_prefix) == 0) {
            char *rest = xstrndup(line + n_prefix, n - n_prefix);

            d->split(rest, options);
            free(rest);
        }
        line += n + (line[n] == '\n');
    }
}
