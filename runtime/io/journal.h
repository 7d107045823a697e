/* journal: what happened in a run, appended to a file as JSON Lines, and read back.
 *
 * The manager's thread formats lines into memory; a thread of the journal's writes them at most 10 ms
 * later and makes them durable once a second, so that a slow file system never stops the manager.
 * Each line ends with a checksum over what stands before it. docs/run-directory.md describes the lines. */
#ifndef GANGER_IO_JOURNAL_H
#define GANGER_IO_JOURNAL_H

#include "base/error.h"
#include "core/event.h"
#include "core/graph.h"

#include <stdbool.h>
#include <stdint.h>

/* What a journal knows of earlier epochs. */
struct journal_past
{
    uint32_t epoch;     /* of the last run in it; 0: the file is empty or missing */
    uint64_t n_bytes;   /* the valid part; what follows is a torn end */
    bool *is_done;      /* n_tasks elements: done, with the same definition as now */
    uint32_t n_done;
    uint32_t n_changed; /* were done, but their definition changed, or a parent runs again */
    uint32_t n_unknown; /* done tasks that the workflow no longer has */
    uint32_t n_damaged; /* lines whose checksum is wrong: ignored */
};

/* Reads the journal at `path`. A missing file is no error. Descendants of a task that runs again run
 * again. Warns (log) of a torn end and of damaged lines. */
int journal_recover(const char *path, const struct graph *g, struct journal_past *past,
                    struct ganger_error *err);
void journal_past_release(struct journal_past *past);

struct journal;

struct journal_header
{
    uint32_t epoch;
    const char *name; /* of the workflow */
    uint64_t workflow_digest;
    double wall_s;    /* when the epoch began, seconds since 1970 */
};

/* Opens the file for appending, cuts off a torn end (`keep_bytes` is what journal_recover found valid),
 * writes the header line and starts the writer. Borrows `g` until journal_close. */
struct journal *journal_open(const char *path, const struct graph *g, const struct journal_header *header,
                             uint64_t keep_bytes, struct ganger_error *err);

/* An event sink: `data` is the struct journal. Never blocks on the file. */
void journal_sink(void *data, const struct event *event);

/* True once writing has failed (disk full, quota, I/O error): the run must stop starting tasks. */
bool journal_has_failed(const struct journal *j);

/* Makes all that was said so far durable. For the last words of a program out of memory, too. */
void journal_flush(void *journal);

/* Writes the closing line, makes it durable, ends the thread, frees the journal (NULL: nothing). Fails
 * with the first error that writing met. */
int journal_close(struct journal *j, int exit_status, double time_s, struct ganger_error *err);

/* Reading for `ganger logs`, in the order of the file: for every task end, its last place of output. */
struct journal_entry
{
    const char *task; /* id; borrowed for the call */
    uint32_t epoch;
    uint32_t attempt;
    uint32_t worker;
    const char *state; /* "done", "failed", "cancelled" */
    uint64_t output_offset;
    uint64_t output_bytes;
};
typedef int journal_reader(void *data, const struct journal_entry *entry, struct ganger_error *err);
int journal_read(const char *path, journal_reader *reader, void *data, struct ganger_error *err);

#endif
