/* summary: what a run came to, when it is over. An event sink; counts what it is told. */
#ifndef GANGER_IO_SUMMARY_H
#define GANGER_IO_SUMMARY_H

#include "core/event.h"
#include "core/graph.h"

#include <stdint.h>

struct summary;

/* Borrows the sealed graph until summary_close. `n_slots` of the run, all nodes together. */
struct summary *summary_open(const struct graph *g, uint32_t n_slots);
void summary_close(struct summary *s); /* takes NULL */

/* An event sink: `data` is the struct summary. Writes nothing. */
void summary_sink(void *data, const struct event *event);

/* 0 when all tasks are done, in this epoch or an earlier one, or were not needed, or failed and may; else
 * 1. (That the run was ended by a signal, or failed itself, is for the caller to know.) */
int summary_exit_status(const struct summary *s);

/* So many tasks wait for the next allocation, since this one ends. Takes NULL. */
void summary_set_left(struct summary *s, uint32_t n_left);
/* From the start of the first task to the end of the last, so far; 0 when none has run. */
double summary_makespan_s(const struct summary *s);

struct summary_words
{
    const char *const *each;
    size_t n;
};

/* How the run is asked for, in the user's words: PROGRAM run [FLOW] [TARGET]... [--plugin FILE]... [-- WORD...] */
struct summary_command
{
    const char *program;
    const char *flow; /* NULL: the program builds it, from the words */
    struct summary_words targets, plugins, words;
};

/* Writes some ten to twenty-five lines of at most 80 columns (paths may be longer): counts, the most frequent
 * causes of failure and what was skipped for them, makespan (first start to last end) against the lower bound
 * for such run times, utilisation (cores x time of tasks / slots x makespan) and why the rest was idle, the
 * programs that took most, where the run is and what to type next: --run-dir is part of that unless `run_path` is the
 * default. O(tasks + edges). */
void summary_print(const struct summary *s, int fd, const char *run_path, const struct summary_command *command);

/* For --quiet: nothing when all went well, else the counts, the causes and what to type next. */
void summary_print_failures(const struct summary *s, int fd, const char *run_path,
                            const struct summary_command *command);

#endif
