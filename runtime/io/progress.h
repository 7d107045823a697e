/* progress: what a person sees while a run goes on. An event sink.
 *
 * On a terminal one line that is rewritten at most five times a second; elsewhere a line now and
 * then, ever more rarely (10 s, 30 s, 1 min … 10 min apart). Failures are shown at once, with the
 * end of what the task wrote. Knows neither journal nor scheduler: it counts what it is told. */
#ifndef GANGER_IO_PROGRESS_H
#define GANGER_IO_PROGRESS_H

#include "core/event.h"
#include "core/graph.h"

#include <stdint.h>

enum progress_style
{
    PROGRESS_NONE,     /* nothing at all */
    PROGRESS_FAILURES, /* failed tasks, lost workers and why the run stops */
    PROGRESS_ALL,      /* these and the line */
};

struct progress;

/* Borrows `fd` and the sealed graph until progress_close. `n_slots`: those that the run will have,
 * one for each worker; the line says how many are still missing. */
struct progress *progress_open(int fd, const struct graph *g, uint32_t n_slots,
                               enum progress_style style);

/* An event sink: `data` is the struct progress. Writes only what cannot wait. */
void progress_sink(void *data, const struct event *event);

/* When progress_tick is due, in seconds since the start of the epoch, as events' times are.
 * INFINITY: never. */
double progress_next_s(const struct progress *p);

/* Shows the line; does nothing when called too early. Never blocks: while the terminal is stopped,
 * the line is left out. */
void progress_tick(struct progress *p, double now_s);

/* The run is over: takes the line off the terminal. Nothing is shown from now on. */
void progress_end(struct progress *p);

void progress_close(struct progress *p); /* takes NULL; ends it first */

#endif
