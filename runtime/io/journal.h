/* journal: what happened in a run, appended to a file as JSON Lines, and read back.
 *
 * The manager's thread formats lines (core/record.h) into memory; a thread of the journal's writes
 * them at most 10 ms later and makes them durable once a second, so that a slow file system does
 * not stop the manager. (While the file system takes longer than that for one write or fdatasync,
 * what comes in the meantime waits in memory.) The journal is cumulative: each run of the workflow,
 * an epoch, begins with a header line and appends; what was kept from earlier epochs is not said
 * again. docs/run-directory.md describes the lines. */
#ifndef GANGER_IO_JOURNAL_H
#define GANGER_IO_JOURNAL_H

#include "base/error.h"
#include "core/event.h"
#include "core/graph.h"
#include "core/record.h"
#include "core/results.h"
#include "core/reuse.h"

#include <stdbool.h>
#include <stdint.h>

/* What a journal knows of earlier epochs. */
struct journal_past
{
    uint32_t epoch;     /* of the last run in it; 0: the file is empty or missing */
    uint64_t n_bytes;   /* the valid part; what follows is a torn end */
    bool *is_done;      /* n_tasks elements: need not run again. A join: none of its parents must */
    float *ran_s;       /* n_tasks elements: see past_ran_s */
    uint32_t n_done;    /* without joins, as the two below */
    uint32_t n_changed; /* were done, but their definition changed, or a parent runs again */
    uint32_t n_unknown; /* done tasks that the workflow no longer has */
    struct reuse *reuse; /* tasks that may turn out to be done; NULL: that was not asked for */
    uint32_t n_damaged; /* lines whose checksum is wrong: ignored */
};

/* Reads the journal at `path`, of which the last part is looked for in the directory `dir_fd` (AT_FDCWD: as any path);
 * core/past.h says which tasks are done, and with `by_content` core/reuse.h, which may be. A missing file is no error;
 * one that is no journal, or is of a newer format, is. Warns (log) of a torn end, of damaged lines, and when most of
 * what it says is done is unknown to the workflow. */
int journal_recover(int dir_fd, const char *path, const struct graph *g, bool by_content, struct journal_past *past,
                    struct ganger_error *err);
void journal_past_release(struct journal_past *past);

struct journal;

struct journal_header
{
    uint32_t epoch;
    const char *name; /* of the workflow */
    uint64_t workflow_digest;
    double wall_s;    /* when the epoch began, seconds since 1970 */
    bool by_content;  /* as in journal_recover */
    const char *job;  /* in which it runs, "slurm job 12"; NULL: in none */
};

/* Opens the file (as journal_recover does) for appending, cuts off a torn end (`keep_bytes` is what journal_recover
 * found valid), writes the header line, makes it durable and starts the writer, in which all signals are
 * blocked. Borrows `g` until journal_close. */
struct journal *journal_open(int dir_fd, const char *path, const struct graph *g,
                             const struct journal_header *header, uint64_t keep_bytes,
                             struct ganger_error *err);

/* An event sink: `data` is the struct journal. Allocates nothing. Blocks only when the file system
 * is so slow that 16 MiB (some 100,000 lines) wait to be written. After a failure, drops lines. */
void journal_sink(void *data, const struct event *event);

/* True once writing has failed (disk full, quota, I/O error): the run must stop starting tasks. */
bool journal_has_failed(const struct journal *j);

/* Makes all that was said so far durable, or fails to (journal_has_failed). For the last words of a
 * program out of memory, too. */
void journal_flush(void *journal);

/* Writes the closing line, makes it durable, ends the thread, frees the journal (NULL: nothing).
 * Fails with the first error that writing met. */
int journal_close(struct journal *j, int exit_status, double time_s, struct ganger_error *err);

/* A line, in the order of the file. All pointers are borrowed for the call. */
struct journal_line
{
    uint64_t number;                    /* from 1 */
    uint32_t epoch;                     /* that it belongs to */
    const struct record_fields *fields; /* NULL: the line is damaged, or torn */
};

/* Reads with little memory, whatever the size of the journal, also while a run is writing it. A
 * missing file is an error. A reader that returns other than 0 ends the reading with -1. */
typedef int journal_reader(void *data, const struct journal_line *line, struct ganger_error *err);
int journal_read(const char *path, journal_reader *reader, void *data, struct ganger_error *err);

/* The same, but of good lines about added tasks alone, without their epochs: at the speed of their checksums, since
 * none of the others is looked into. */
int journal_read_added(const char *path, journal_reader *reader, void *data, struct ganger_error *err);

/* What the functions that are done (`is_done`, by task) returned, as far as it was recorded, goes into `results`. */
int journal_read_results(const char *path, const struct graph *g, const bool *is_done, struct results *results,
                         struct ganger_error *err);

#endif
