/* forecast: how fast a run goes, and how long it will still take. Pure: it is told of events, whose times
 * are the only clock, and asked now and then.
 *
 * What is left is measured in core-seconds: tasks that have not ended, each by its stated cost (which is
 * corrected by how stated costs have compared with run times so far), else by the mean of the tasks of its
 * program that are done, else by the mean of all that are done. That, divided by the cores that were in use of late,
 * is the time left; it is never less than the longest path of what remains, which is known where
 * graphs are small. Costs O(1) per event; a look costs O(workers), and now and then O(tasks). */
#ifndef GANGER_CORE_FORECAST_H
#define GANGER_CORE_FORECAST_H

#include "core/event.h"
#include "core/graph.h"

#include <stdint.h>

struct forecast;

/* Borrows the sealed graph. O(tasks). */
struct forecast *forecast_new(const struct graph *g);
void forecast_free(struct forecast *f); /* takes NULL */

/* Tells it of any event; those that do not matter are ignored. */
void forecast_hear(struct forecast *f, const struct event *event);

struct forecast_view
{
    uint32_t n_running;    /* tasks; what waits behind another on its worker is not running */
    uint32_t n_busy_cores;
    double rate_per_s;     /* ended tasks, of the last 30 s or the last 16, whichever is longer; NAN: none */
    double left_s;         /* NAN: nothing can be said */
};

/* How things are at `now_s`, which never goes back. */
void forecast_look(struct forecast *f, double now_s, struct forecast_view *view);

#endif
