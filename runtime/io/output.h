/* output: what tasks write, kept in few files.
 *
 * Each worker appends to one file of its own, "EPOCH-WORKER.out" in the run's output/, in chunks
 * that say whose bytes they hold, so that an index can be rebuilt from the file alone.
 * docs/run-directory.md describes the chunks. */
#ifndef GANGER_IO_OUTPUT_H
#define GANGER_IO_OUTPUT_H

#include "base/error.h"
#include "core/task.h"

#include <stddef.h>
#include <stdint.h>

enum output_stream
{
    OUTPUT_STDOUT = 1,
    OUTPUT_STDERR = 2,
    OUTPUT_BOTH = 3,
};

struct output; /* one worker's file, open for appending */

/* Makes no file until something is written. `dir` must be there; it is not kept. */
struct output *output_open(const char *dir, uint32_t epoch, uint32_t worker,
                           struct ganger_error *err);
void output_close(struct output *o); /* takes NULL */

/* Appends one chunk (n_bytes at most OUTPUT_CHUNK_BYTES; none for 0). Blocks until written. After a
 * failure the file is as long as before, unless the file system refuses that, too. */
#define OUTPUT_CHUNK_BYTES 65536
int output_append(struct output *o, task_id task, uint32_t attempt, enum output_stream stream,
                  const char *bytes, size_t n_bytes, struct ganger_error *err);

/* Where the next chunk will begin. */
uint64_t output_offset(const struct output *o);

/* Reads the chunks of `task` and `attempt` within [offset, offset + n_bytes) of a worker's file, in
 * order. A chunk that is torn or whose hash is wrong is an error that says so; the chunks before it
 * were given to the reader. A reader that returns other than 0 ends the reading with -1. */
typedef int output_reader(void *data, enum output_stream stream, const char *bytes, size_t n_bytes,
                          struct ganger_error *err);
int output_read(const char *dir, uint32_t epoch, uint32_t worker, task_id task, uint32_t attempt,
                uint64_t offset, uint64_t n_bytes, enum output_stream which, output_reader *reader,
                void *data, struct ganger_error *err);

#endif
