/* Feeds files of other formats to import_convert, and what comes out to workflow_parse. Built by CMake with
 * -DGANGER_FUZZ=ON (clang).
 *
 * The first byte says how: 'r' a replay with full files, anything else the recorded commands. */
#include "base/buffer.h"
#include "io/import.h"
#include "io/workflow.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What was recognised in a part must be what is recognised in the whole. */
static void recognise_in_parts(const char *bytes, size_t n, enum import_format format)
{
    bool needs_more;

    for (size_t part = 0; part < n; part += 1 + n / 16)
        if (import_recognise(bytes, part, false, &needs_more) != format && !needs_more)
            abort();
}

/* An importer finds the mistakes itself: then their message says where in the file they are. A cycle, what is too
 * long for the system, and files that have two names are left to workflow_parse. */
static void parse(const struct buffer *ours)
{
    struct ganger_error err = {0};
    struct workflow w;

    if (workflow_parse(&w, "imported", ours->bytes, ours->n, &err) == 0)
        workflow_release(&w);
    else if (strstr(err.text, "cycle") == NULL && strstr(err.text, "too long") == NULL &&
             strstr(err.text, "puts") == NULL) {
        fprintf(stderr, "%s\n%.*s\n", err.text, (int)ours->n, ours->bytes);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct import_options options = {.file = "a/fuzz.dag", .replay_program = "/r", .forward_program = "/f"};
    struct buffer ours = BUFFER_EMPTY, warnings = BUFFER_EMPTY;
    const char *text = (const char *)bytes + 1;
    enum import_format format;
    bool needs_more = false;

    if (n < 1)
        return 0;
    if (bytes[0] == 'r')
        options.replay = (struct replay_options){.scale = 0.5, .files = REPLAY_FULL};
    format = import_recognise(text, n - 1, true, &needs_more);
    if (needs_more)
        abort();
    recognise_in_parts(text, n - 1, format);
    if (import_convert(format, text, n - 1, &options, &ours, &warnings, NULL) == 0)
        parse(&ours);
    buffer_release(&ours);
    buffer_release(&warnings);
    return 0;
}
