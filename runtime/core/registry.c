#include "core/registry.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NAME_MAX_BYTES 255

void registry_release(struct registry *r)
{
    free(r->functions);
    *r = (struct registry)REGISTRY_EMPTY;
}

int registry_add(struct registry *r, const struct registry_function *function, struct ganger_error *err)
{
    size_t n = strlen(function->name);

    if (n == 0 || n > NAME_MAX_BYTES || utf8_find_control(function->name, n) > 0)
        return error_set(err, ERROR_USAGE, "a function of this program has a name of %zu bytes: it must have 1 to %d, "
                                           "and no control characters", n, NAME_MAX_BYTES);
    if (function->body == NULL)
        return error_set(err, ERROR_USAGE, "the function \"%s\" of this program has no body", function->name);
    if (registry_find(r, function->name) != REGISTRY_NONE)
        return error_set(err, ERROR_USAGE, "two functions are called \"%s\": give each a name of its own",
                         function->name);
    if (r->n == REGISTRY_NONE - 1)
        return error_set(err, ERROR_USAGE, "this program has more than %u functions", r->n);
    r->functions = xgrow(r->functions, r->n, &r->capacity, sizeof(*r->functions));
    r->functions[r->n++] = *function;
    return 0;
}

uint16_t registry_find(const struct registry *r, const char *name)
{
    for (uint32_t i = 0; r != NULL && i < r->n; i++)
        if (strcmp(r->functions[i].name, name) == 0)
            return (uint16_t)i;
    return REGISTRY_NONE;
}

void registry_pack(const struct registry *r, struct buffer *b)
{
    for (uint32_t i = 0; r != NULL && i < r->n; i++)
        buffer_put(b, r->functions[i].name, strlen(r->functions[i].name) + 1);
}

uint64_t registry_digest(const struct registry *r)
{
    struct buffer names = BUFFER_EMPTY;
    uint64_t digest = 0;

    registry_pack(r, &names);
    if (names.n > 0)
        digest = XXH64(names.bytes, names.n, r->n);
    buffer_release(&names);
    return digest;
}

static bool is_packed(const char *packed, size_t n_bytes, const char *name)
{
    for (const char *p = packed; p < packed + n_bytes; p += strlen(p) + 1)
        if (strcmp(p, name) == 0)
            return true;
    return false;
}

static void add_name(struct buffer *text, const char *what, const char *name)
{
    buffer_printf(text, "%s%s \"%s\"", text->n > 0 ? ", " : "", what, name);
}

void registry_describe_difference(const struct registry *r, const char *packed, size_t n_bytes, struct buffer *text)
{
    for (uint32_t i = 0; r != NULL && i < r->n; i++)
        if (!is_packed(packed, n_bytes, r->functions[i].name))
            add_name(text, "it lacks", r->functions[i].name);
    for (const char *p = packed; p < packed + n_bytes; p += strlen(p) + 1)
        if (registry_find(r, p) == REGISTRY_NONE)
            add_name(text, "it has besides", p);
    if (text->n == 0)
        buffer_printf(text, "they come in another order");
    buffer_put_u8(text, 0);
    text->n--;
}
