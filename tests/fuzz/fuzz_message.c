/* Feeds the decoder of messages, and what takes its texts apart. Built by CMake with -DGANGER_FUZZ=ON (clang). */
#include "core/call.h"
#include "core/environment.h"
#include "core/message.h"
#include "ganger.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* As a worker does: whatever the decoder lets pass must hold. */
static void make_environment(const struct run *run, struct text base)
{
    static const struct environment_place place = {1, "/run", 1, "/tmp"};
    struct environment e = ENVIRONMENT_EMPTY;

    environment_set_base(&e, base);
    environment_make(&e, run, &place);
    environment_release(&e);
}

/* What the decoder lets pass has all the results that it says. */
static void read_results(const struct call_order *order)
{
    struct cursor results = order->results;
    struct recall own;
    struct text result;

    for (uint32_t i = 0; i < order->n_results; i++)
        call_order_next_result(&results, &result, &own);
    if (results.failed)
        abort();
}

/* As a worker does. */
static void make_call(const struct call_order *order)
{
    struct ganger_call *call = call_new(order, 1, NULL, NULL);
    struct buffer slots = BUFFER_EMPTY;
    uint32_t n_gpus = 0;

    while (ganger_call_gpu(call, n_gpus) != NULL)
        n_gpus++;
    if (call_put_slots(call, &slots).n / 2 != ganger_call_n_cores(call) || n_gpus != ganger_call_n_gpus(call))
        abort();
    buffer_release(&slots);
    call_free(call);
}

static int next(enum message_kind kind, struct cursor *c)
{
    union
    {
        struct hello hello;
        struct welcome welcome;
        struct run run;
        struct started started;
        struct done done;
        struct stop stop;
        struct recall recall;
        struct cancel cancel;
        struct lost lost;
        struct heartbeat heartbeat;
        struct call_order order;
        struct call_report report;
    } any;

    switch (kind) {
    case MESSAGE_HELLO: return message_next_hello(c, &any.hello, NULL);
    case MESSAGE_WELCOME:
        if (message_next_welcome(c, &any.welcome, NULL) < 0)
            return -1;
        make_environment(&(struct run){.id = {"t", 1}}, any.welcome.env);
        return 0;
    case MESSAGE_RUN:
        if (message_next_run(c, &any.run, NULL) < 0)
            return -1;
        for (uint32_t i = 0; i < any.run.slots.n / 2; i++)
            run_slot(&any.run, i);
        make_environment(&any.run, any.run.inputs);
        return 0;
    case MESSAGE_STARTED: return message_next_started(c, &any.started, NULL);
    case MESSAGE_DONE: return message_next_done(c, &any.done, NULL);
    case MESSAGE_STOP: return message_next_stop(c, &any.stop, NULL);
    case MESSAGE_RECALL:
    case MESSAGE_RETURNED: return message_next_recall(c, &any.recall, NULL);
    case MESSAGE_CANCEL: return message_next_cancel(c, &any.cancel, NULL);
    case MESSAGE_LOST: return message_next_lost(c, &any.lost, NULL);
    case MESSAGE_HEARTBEAT: return message_next_heartbeat(c, &any.heartbeat, NULL);
    case MESSAGE_CALL:
        if (message_next_call(c, &any.order, NULL) < 0)
            return -1;
        read_results(&any.order);
        make_call(&any.order);
        return 0;
    case MESSAGE_CALLED: return message_next_called(c, &any.report, NULL);
    }
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct message_header h;
    struct cursor c;

    if (message_open(&h, &c, bytes, n, NULL) < 0)
        return 0;
    for (uint32_t i = 0; i < h.n_records && next(h.kind, &c) == 0; i++)
        ;
    return 0;
}
