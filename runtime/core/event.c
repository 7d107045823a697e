#include "core/event.h"

#include <assert.h>

void event_add_sink(struct event_sinks *sinks, event_sink *sink, void *data)
{
    assert(sinks->n < EVENT_SINKS_MAX);
    sinks->each[sinks->n].sink = sink;
    sinks->each[sinks->n].data = data;
    sinks->n++;
}

void event_emit(const struct event_sinks *sinks, const struct event *event)
{
    for (uint32_t i = 0; i < sinks->n; i++)
        sinks->each[i].sink(sinks->each[i].data, event);
}
