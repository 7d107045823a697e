#include "base/alloc.h"
#include "core/call.h"
#include "core/hook.h"
#include "ganger_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)GANGER_GO_ON == (int)HOOK_GO_ON && (int)GANGER_ANSWER_DONE == (int)HOOK_DONE &&
                   (int)GANGER_ANSWER_FAILED == (int)HOOK_FAILED && (int)GANGER_ANSWER_AGAIN == (int)HOOK_AGAIN &&
                   (int)GANGER_ANSWER_NOT_NEEDED == (int)HOOK_NOT_NEEDED && GANGER_AGAIN_MAX == HOOK_AGAIN_MAX,
               "ganger.h and core/hook.h say the same");

ganger_task_number ganger_hook_task(const struct ganger_hook *hook)
{
    return hook->task;
}

const char *ganger_hook_id(const struct ganger_hook *hook)
{
    return hook->id;
}

bool ganger_hook_is_function(const struct ganger_hook *hook)
{
    return hook->is_function;
}

uint32_t ganger_hook_attempt(const struct ganger_hook *hook)
{
    return hook->attempt;
}

uint32_t ganger_hook_worker(const struct ganger_hook *hook)
{
    return hook->worker;
}

uint32_t ganger_hook_node(const struct ganger_hook *hook)
{
    return hook->node;
}

const char *ganger_hook_host(const struct ganger_hook *hook)
{
    return hook->host != NULL ? hook->host : "";
}

const uint16_t *ganger_hook_slots(const struct ganger_hook *hook, uint32_t *n)
{
    *n = hook->n_slots;
    return hook->slots;
}

size_t ganger_hook_n_dependencies(const struct ganger_hook *hook)
{
    return hook->n_dependencies;
}

ganger_task_number ganger_hook_dependency(const struct ganger_hook *hook, size_t i)
{
    return i < hook->n_dependencies ? hook->dependencies[i].task : GANGER_NO_TASK;
}

enum ganger_status ganger_hook_dependency_status(const struct ganger_hook *hook, size_t i)
{
    return i < hook->n_dependencies ? ganger_status_of(hook->dependencies[i].state) : GANGER_NOT_RUN;
}

static const void *bytes_of(const struct hook_bytes *b, size_t *n_bytes)
{
    *n_bytes = b->n;
    return b->bytes;
}

const void *ganger_hook_dependency_result(const struct ganger_hook *hook, size_t i, size_t *n_bytes)
{
    static const struct hook_bytes none = {NULL, 0};

    return bytes_of(i < hook->n_dependencies ? &hook->dependencies[i].result : &none, n_bytes);
}

enum ganger_end ganger_hook_end(const struct ganger_hook *hook)
{
    if (!hook->has_run)
        return GANGER_NEVER_RAN;
    switch (hook->result.end) {
    case TASK_EXITED:
    case TASK_RETURNED: return GANGER_EXITED;
    case TASK_SIGNALLED: return GANGER_SIGNALLED;
    case TASK_TIMED_OUT: return GANGER_TIMED_OUT;
    default: return GANGER_ENDED_OTHERWISE;
    }
}

int ganger_hook_code(const struct ganger_hook *hook)
{
    return hook->result.code;
}

const char *ganger_hook_text(const struct ganger_hook *hook)
{
    return hook->result.tail;
}

double ganger_hook_start_s(const struct ganger_hook *hook)
{
    return hook->has_run ? hook->result.start_s : 0;
}

double ganger_hook_end_s(const struct ganger_hook *hook)
{
    return hook->has_run ? hook->result.end_s : 0;
}

const void *ganger_hook_result(const struct ganger_hook *hook, size_t *n_bytes)
{
    return bytes_of(&hook->returned, n_bytes);
}

enum ganger_status ganger_hook_status(const struct ganger_hook *hook)
{
    return ganger_status_of(hook->state);
}

static int set_bytes(const struct ganger_hook *hook, struct hook_bytes *b, const void *bytes, size_t n_bytes,
                     size_t most)
{
    if (!hook->is_function || n_bytes > most)
        return -1;
    hook_bytes_set(b, bytes, n_bytes);
    return 0;
}

int ganger_hook_set_payload(struct ganger_hook *hook, const void *bytes, size_t n_bytes)
{
    return set_bytes(hook, &hook->payload, bytes, n_bytes, GANGER_PAYLOAD_MAX);
}

int ganger_hook_set_result(struct ganger_hook *hook, const void *bytes, size_t n_bytes)
{
    return set_bytes(hook, &hook->returned, bytes, n_bytes, GANGER_RESULT_MAX);
}

int ganger_hook_fail(struct ganger_hook *hook, const char *format, ...)
{
    va_list arguments;

    if (hook->why != NULL)
        return GANGER_ANSWER_FAILED; /* the first text counts */
    hook->why = xcalloc(1, TASK_TAIL_BYTES + 1);
    va_start(arguments, format);
    vsnprintf(hook->why, TASK_TAIL_BYTES + 1, format, arguments);
    va_end(arguments);
    return GANGER_ANSWER_FAILED;
}
