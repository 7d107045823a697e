#include "core/call.h"
#include "ganger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(GANGER_RESULT_MAX == CALL_RESULT_MAX, "the two say the same");

const char *ganger_version(void)
{
    return GANGER_VERSION;
}

const void *ganger_call_payload(const struct ganger_call *call, size_t *n_bytes)
{
    *n_bytes = call->payload.n;
    return call->payload.bytes;
}

size_t ganger_call_n_dependencies(const struct ganger_call *call)
{
    return call->n_dependencies;
}

const void *ganger_call_dependency(const struct ganger_call *call, size_t i, size_t *n_bytes)
{
    *n_bytes = i < call->n_dependencies ? call->dependencies[i].n : 0;
    return i < call->n_dependencies ? call->dependencies[i].bytes : NULL;
}

void *ganger_call_reserve(struct ganger_call *call, size_t n_bytes)
{
    char *room;

    call_drop_result(call);
    room = call_extend(call, n_bytes);
    if (room != NULL)
        memset(room, 0, n_bytes);
    return room;
}

int ganger_call_return(struct ganger_call *call, const void *bytes, size_t n_bytes)
{
    char *room;

    call_drop_result(call);
    room = call_extend(call, n_bytes);
    if (room == NULL)
        return -1;
    if (n_bytes > 0)
        memmove(room, bytes, n_bytes); /* they may be a part of what was there */
    return 0;
}

int ganger_call_printf(struct ganger_call *call, const char *format, ...)
{
    va_list args;
    char *room;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    room = n < 0 ? NULL : call_extend(call, (size_t)n);
    if (room == NULL)
        return -1;
    va_start(args, format);
    vsnprintf(room, (size_t)n + 1, format, args);
    va_end(args);
    return 0;
}

int ganger_call_fail(struct ganger_call *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    call_say_why(call, format, args);
    va_end(args);
    return 1;
}

const char *ganger_call_id(const struct ganger_call *call)
{
    return call->id;
}

uint32_t ganger_call_attempt(const struct ganger_call *call)
{
    return call->attempt;
}

uint32_t ganger_call_worker(const struct ganger_call *call)
{
    return call->worker;
}

uint32_t ganger_call_slot(const struct ganger_call *call)
{
    return call->slot;
}

const uint16_t *ganger_call_slots(const struct ganger_call *call, uint32_t *n)
{
    *n = call->place != NULL ? call->place->n_slots : 1;
    return call->place != NULL ? call->place->slots : &call->slot;
}

uint32_t ganger_call_n_cores(const struct ganger_call *call)
{
    return call->place != NULL ? call->place->n_slots : 1;
}

uint32_t ganger_call_n_gpus(const struct ganger_call *call)
{
    return call->place != NULL ? call->place->n_gpus : 0;
}

const char *ganger_call_gpu(const struct ganger_call *call, uint32_t i)
{
    const char *id = i < ganger_call_n_gpus(call) ? call->place->gpus.bytes : NULL;

    while (id != NULL && i-- > 0)
        id += strlen(id) + 1;
    return id;
}

void *ganger_call_data(const struct ganger_call *call)
{
    return call->data;
}
