#include "core/call.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_RESULT_BYTES 256
#define POOLED_BYTES 512 /* of each piece in a pool; larger calls have their own */
#define POOLED_MAX 1024  /* pieces */

static size_t aligned(size_t n)
{
    return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

/* What a text takes, with its NUL. */
static size_t room_of(struct text t)
{
    return aligned((size_t)t.n + 1);
}

static const char *put_copy(char **room, struct text t)
{
    char *copy = *room;

    memcpy(copy, t.bytes, t.n);
    copy[t.n] = '\0';
    *room += room_of(t);
    return copy;
}

static size_t place_bytes(const struct call_order *order)
{
    if (order->slots.n == 0)
        return 0;
    return aligned(sizeof(struct call_place)) + aligned(order->slots.n) + room_of(order->gpus);
}

static const struct call_place *put_place(char *room, const struct call_order *order)
{
    struct call_place *place = (struct call_place *)(void *)room;
    uint16_t *slots = (uint16_t *)(void *)(room + aligned(sizeof(*place)));
    struct cursor c = cursor_over(order->slots.bytes, order->slots.n);

    *place = (struct call_place){
        .n_slots = order->slots.n / 2, .n_gpus = text_count_packed(order->gpus), .slots = slots};
    for (uint32_t i = 0; i < place->n_slots; i++)
        slots[i] = cursor_u16(&c);
    room += aligned(sizeof(*place)) + aligned(order->slots.n);
    place->gpus = (struct text){put_copy(&room, order->gpus), order->gpus.n};
    return place;
}

static size_t total_bytes(const struct call_order *order)
{
    size_t n = aligned(sizeof(struct ganger_call)) + aligned(order->n_results * sizeof(struct call_bytes)) +
               room_of(order->id) + room_of(order->payload) + place_bytes(order);
    struct cursor results = order->results;
    struct recall own;
    struct text result;

    for (uint32_t i = 0; i < order->n_results; i++)
        if (call_order_next_result(&results, &result, &own))
            n += room_of(result);
    return n;
}

/* Of so many bytes at least; says how many. */
static void *take_room(struct call_pool *pool, size_t *n_bytes)
{
    struct ganger_call *room;

    if (pool == NULL || *n_bytes > POOLED_BYTES)
        return xmalloc(*n_bytes);
    *n_bytes = POOLED_BYTES;
    if (pool->first == NULL)
        return xmalloc(POOLED_BYTES);
    room = pool->first;
    pool->first = room->next;
    pool->n--;
    return room;
}

struct ganger_call *call_new(const struct call_order *order, uint32_t worker, void *data, struct call_pool *pool)
{
    size_t n_room = total_bytes(order);
    char *room = take_room(pool, &n_room);
    struct ganger_call *call = (struct ganger_call *)(void *)room;
    struct cursor results = order->results;
    struct recall none = {.task = TASK_NONE};
    struct text result;

    *call = (struct ganger_call){.task = order->task,
                                 .attempt = order->attempt,
                                 .worker = worker,
                                 .slot = order->slot,
                                 .function = order->function,
                                 .is_isolated = order->is_isolated,
                                 .is_awaited = order->is_awaited,
                                 .timeout_s = order->timeout_s,
                                 .memory_bytes = order->memory_bytes,
                                 .n_dependencies = order->n_results,
                                 .data = data,
                                 .n_room = n_room};
    room += aligned(sizeof(*call));
    call->dependencies = (struct call_bytes *)(void *)room;
    room += aligned(order->n_results * sizeof(*call->dependencies));
    call->id = put_copy(&room, order->id);
    call->payload = (struct call_bytes){room, order->payload.n, none};
    put_copy(&room, order->payload);
    for (uint32_t i = 0; i < order->n_results; i++) {
        struct call_bytes *dependency = &call->dependencies[i];

        *dependency = (struct call_bytes){NULL, 0, none};
        if (call_order_next_result(&results, &result, &dependency->own)) {
            dependency->bytes = room;
            dependency->n = result.n;
            put_copy(&room, result);
        }
        call->n_owed += dependency->own.task != TASK_NONE;
    }
    if (order->slots.n > 0)
        call->place = put_place(room, order);
    return call;
}

struct text call_put_slots(const struct ganger_call *call, struct buffer *b)
{
    uint32_t n = call->place != NULL ? call->place->n_slots : 1;
    const uint16_t *slots = call->place != NULL ? call->place->slots : &call->slot;

    b->n = 0;
    for (uint32_t i = 0; i < n; i++)
        buffer_put_u16(b, slots[i]);
    return (struct text){b->bytes, (uint32_t)b->n};
}

static const struct kept_result *find_owed(const struct kept *kept, const struct call_bytes *dependency)
{
    return kept_find(kept, dependency->own.task, dependency->own.attempt);
}

bool call_resolve(struct ganger_call *call, const struct kept *kept)
{
    size_t n_bytes = 0;
    char *room;

    if (call->n_owed == 0)
        return true;
    for (uint32_t i = 0; i < call->n_dependencies; i++) {
        const struct kept_result *result = NULL;

        if (call->dependencies[i].own.task == TASK_NONE)
            continue;
        if ((result = find_owed(kept, &call->dependencies[i])) == NULL)
            return false;
        n_bytes += aligned(result->n + 1);
    }
    room = call->owed = xmalloc(n_bytes);
    for (uint32_t i = 0; i < call->n_dependencies; i++) {
        struct call_bytes *dependency = &call->dependencies[i];
        const struct kept_result *result = NULL;

        if (dependency->own.task == TASK_NONE)
            continue;
        result = find_owed(kept, dependency);
        *dependency = (struct call_bytes){room, result->n, {.task = TASK_NONE}};
        put_copy(&room, (struct text){result->n > 0 ? result->bytes : "", (uint32_t)result->n});
    }
    call->n_owed = 0;
    return true;
}

void call_added_release(struct call_added *added)
{
    for (uint32_t i = 0; i < added->n; i++)
        free(added->ids[i]);
    free(added->ids);
    name_index_release(&added->index);
    buffer_release(&added->bytes);
}

/* What it has beside its piece of memory. */
static void release_parts(struct ganger_call *call)
{
    if (call->added.n > 0)
        call_added_release(&call->added);
    free(call->result);
    free(call->owed);
    free(call->why);
}

void call_free(struct ganger_call *call)
{
    if (call == NULL)
        return;
    release_parts(call);
    free(call);
}

void call_recycle(struct ganger_call *call, struct call_pool *pool)
{
    release_parts(call);
    if (call->n_room != POOLED_BYTES || pool->n == POOLED_MAX) {
        free(call);
        return;
    }
    call->next = pool->first;
    pool->first = call;
    pool->n++;
}

void call_pool_release(struct call_pool *pool)
{
    while (pool->first != NULL) {
        struct ganger_call *call = pool->first;

        pool->first = call->next;
        free(call);
    }
    pool->n = 0;
}

void call_run(struct ganger_call *call, const struct registry *registry)
{
    assert(call->function < registry->n);
    call->status = registry->functions[call->function].body(call);
}

static void judge(const struct ganger_call *call, struct task_result *result)
{
    static const char too_large[] = "its result has more than 65536 bytes, which is all that travels with messages: "
                                    "put it into a file, or split it";

    if (call->status == 0 && !call->is_too_large && !call->added.is_refused) {
        result->end = TASK_EXITED;
        result->code = 0;
        return;
    }
    task_result_set_end(result, TASK_RETURNED, call->status >= 1 && call->status <= 255 ? call->status : 255,
                        call->is_too_large ? too_large : call->why != NULL ? call->why : "");
}

void call_report(const struct ganger_call *call, struct call_report *report)
{
    *report = (struct call_report){.task = call->task, .attempt = call->attempt, .result = {.tail = ""}};
    judge(call, &report->result);
    report->has_bytes = report->result.end == TASK_EXITED;
    report->bytes = (struct text){call->result != NULL ? call->result : "", (uint32_t)call->n_result};
    if (report->has_bytes && call->added.n > 0) {
        report->n_added = call->added.n;
        report->added = (struct text){call->added.bytes.bytes, (uint32_t)call->added.bytes.n};
    }
}

char *call_extend(struct ganger_call *call, size_t n_bytes)
{
    char *room;

    if (n_bytes > CALL_RESULT_MAX - call->n_result || call->is_too_large) {
        call->is_too_large = true;
        return NULL;
    }
    if (call->n_result + n_bytes >= call->result_capacity) { /* one more, for the NUL of a text */
        while (call->result_capacity <= call->n_result + n_bytes)
            call->result_capacity = call->result_capacity > 0 ? 2 * call->result_capacity : FIRST_RESULT_BYTES;
        call->result = xrealloc(call->result, call->result_capacity);
    }
    room = call->result + call->n_result;
    call->n_result += n_bytes;
    return room;
}

void call_drop_result(struct ganger_call *call)
{
    call->n_result = 0;
}

void call_say_why(struct ganger_call *call, const char *format, va_list args)
{
    if (call->why != NULL)
        return;
    call->why = xmalloc(TASK_TAIL_BYTES);
    vsnprintf(call->why, TASK_TAIL_BYTES, format, args);
}
