#include "core/hook.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct ganger_hook *hook_new(enum hook_kind kind, task_id task, const char *id)
{
    struct ganger_hook *h = xcalloc(1, sizeof(*h));

    h->kind = kind;
    h->task = task;
    h->id = xstrdup(id);
    h->result.tail = xstrdup("");
    return h;
}

void hook_free(struct ganger_hook *h)
{
    if (h == NULL)
        return;
    for (uint32_t i = 0; i < h->n_dependencies; i++)
        free(h->dependencies[i].result.bytes);
    free(h->dependencies);
    free(h->slots);
    free(h->id);
    free(h->host);
    free((char *)(uintptr_t)h->result.tail);
    free(h->returned.bytes);
    free(h->added.bytes);
    free(h->payload.bytes);
    call_added_release(&h->adds);
    free(h->why);
    free(h);
}

static char *copy(const void *bytes, size_t n)
{
    char *own = xmalloc(n + 1);

    if (n > 0)
        memcpy(own, bytes, n);
    own[n] = '\0';
    return own;
}

void hook_set_slots(struct ganger_hook *h, const uint16_t *slots, uint32_t n)
{
    free(h->slots);
    h->slots = xcalloc(n, sizeof(*slots));
    h->n_slots = n;
    if (n > 0)
        memcpy(h->slots, slots, n * sizeof(*slots));
}

void hook_set_result(struct ganger_hook *h, const struct task_result *result)
{
    free((char *)(uintptr_t)h->result.tail);
    h->result = *result;
    h->result.tail = copy(result->tail, result->n_tail_bytes);
}

void hook_bytes_set(struct hook_bytes *b, const void *bytes, size_t n)
{
    char *own = copy(bytes, n); /* they may be its own */

    free(b->bytes);
    *b = (struct hook_bytes){own, n};
}

void hook_add_dependency(struct ganger_hook *h, task_id task, enum task_state state, const void *result, size_t n)
{
    struct hook_dependency *d;
    size_t capacity = h->n_dependencies;

    if ((h->n_dependencies & (h->n_dependencies - 1)) == 0) { /* a power of two, or none: it is full */
        capacity = capacity > 0 ? 2 * capacity : 1;
        h->dependencies = xrealloc(h->dependencies, capacity * sizeof(*d));
    }
    d = &h->dependencies[h->n_dependencies++];
    *d = (struct hook_dependency){.task = task, .state = state};
    if (result != NULL)
        hook_bytes_set(&d->result, result, n);
}

void hook_run(struct ganger_hook *h, const struct hooks *hooks)
{
    h->answer = HOOK_GO_ON;
    switch (h->kind) {
    case HOOK_PROVIDE: h->answer = hooks->provide(h, hooks->data); break;
    case HOOK_STARTED: hooks->started(h, hooks->data); break;
    case HOOK_COLLECT: h->answer = hooks->collect(h, hooks->data); break;
    case HOOK_FINISHED: hooks->task_finished(h, hooks->data); break;
    case N_HOOK_KINDS: break;
    }
}

const char *hook_name(enum hook_kind kind)
{
    static const char *const names[N_HOOK_KINDS] = {"provide", "started", "collect", "task_finished"};

    return names[kind];
}
