/* The thread beside a worker's own: where it is bound. */
#include "worker_parts.h"

#include "base/log.h"
#include "io/binding.h"

/* Slower, not wrong, where it cannot be done. */
static void bind_thread(struct worker *w, const struct ganger_call *call)
{
    struct ganger_error why = {0};
    struct binding_mask mask;

    if (w->o->binding == NULL || !binding_is_this_machine(w->o->binding))
        return;
    binding_mask_clear(&mask);
    for (uint32_t i = 0; why.cause == ERROR_NONE && i < call->place->n_slots; i++)
        binding_mask_add(w->o->binding, &mask, call->place->slots[i], &why);
    if (why.cause == ERROR_NONE)
        runner_bind(w->calls.runner, mask.sets, sizeof(mask.sets), &why);
    if (why.cause != ERROR_NONE)
        log_warning("worker %u: %s", w->comm->rank, why.text);
}

/* Is the thread bound to what the call holds? */
static bool is_there(const struct calls *c, const struct ganger_call *call)
{
    struct cursor bound = cursor_over(c->runner_slots.bytes, c->runner_slots.n);

    for (uint32_t i = 0; call_is_wide(call) && i < call->place->n_slots; i++)
        if (cursor_u16(&bound) != call->place->slots[i] || bound.failed)
            return false;
    return bound.next == bound.end;
}

int worker_runner_open(struct worker *w, const struct ganger_call *call, struct ganger_error *err)
{
    struct calls *c = &w->calls;

    if (c->runner != NULL && is_there(c, call))
        return 0;
    worker_runner_close(w);
    if ((c->runner = runner_open(w->o->registry, err)) == NULL)
        return -1;
    if (call_is_wide(call)) {
        call_put_slots(call, &c->runner_slots);
        bind_thread(w, call);
    }
    return 0;
}

void worker_runner_close(struct worker *w)
{
    runner_close(w->calls.runner);
    w->calls.runner = NULL;
    w->calls.runner_slots.n = 0;
}
