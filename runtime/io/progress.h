/* progress: what a person sees while a run goes on. An event sink.
 *
 * On a terminal one line that is rewritten at most five times a second, as wide as the terminal is at
 * that moment: what matters least is left out first. Elsewhere (and on terminals that cannot take a
 * line back, TERM=dumb or none) a line now and then, ever more rarely (10, 20, 30, then 60 s apart), and only when
 * something has changed. Failures are shown at once, with the end of what the task wrote; of equal ones
 * the first ten, the others are counted. A line of the log takes the place of the status line, which then
 * comes back. Knows neither journal nor scheduler. */
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
 * one for each worker; the line says how many are still missing. One at a time on a terminal: it
 * hooks into the log. */
struct progress *progress_open(int fd, const struct graph *g, uint32_t n_slots,
                               enum progress_style style);

/* Lines that are not on a terminal come so many seconds apart, neither less nor more; 0: none come. */
void progress_set_interval(struct progress *p, double interval_s);

/* What to call the run where a command is suggested; borrowed. */
void progress_set_run_path(struct progress *p, const char *run_path);

/* An event sink: `data` is the struct progress. Writes only what cannot wait. */
void progress_sink(void *data, const struct event *event);

/* When progress_tick is due, in seconds since the start of the epoch, as events' times are.
 * INFINITY: never. */
double progress_next_s(const struct progress *p);

/* Shows the line; does nothing when called too early. Never blocks: while the terminal is stopped,
 * the line is left out. */
void progress_tick(struct progress *p, double now_s);

/* Shows the line now, whatever the style (but PROGRESS_NONE) and whether it is due: somebody asked. Where there is no
 * terminal, and in a style without a line, it stays as a line of its own. */
void progress_show(struct progress *p, double now_s);

/* The run is over: takes the line off the terminal, says what was only counted. Nothing is shown from now on. */
void progress_end(struct progress *p);

void progress_close(struct progress *p); /* takes NULL; ends it first */

#endif
