/* output: what tasks write, kept in few files.
 *
 * The workers of a node write to one file, "EPOCH-nNODE.out" in the run's output/, in chunks that say
 * whose bytes they hold and are found again whatever lies between them. Each chunk's place is taken
 * from a counter that the node's workers share (io/comm.h) and written there: no lock, and nothing
 * that a shared file system does badly. A chunk that could not be written leaves a hole.
 * docs/run-directory.md describes the chunks. */
#ifndef GANGER_IO_OUTPUT_H
#define GANGER_IO_OUTPUT_H

#include "base/error.h"
#include "core/record.h"
#include "core/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum output_stream
{
    OUTPUT_STDOUT = 1,
    OUTPUT_STDERR = 2,
    OUTPUT_BOTH = 3,
};

struct output; /* a worker's hand on its node's file */

/* Makes no file until something is written. `dir` must be there, in the directory `run_dir_fd` (AT_FDCWD: as any path);
 * neither is kept. Borrows `counter`, the
 * bytes given away in the file so far: 0 until the first of the node's workers opens it. */
struct output *output_open(int run_dir_fd, const char *dir, uint32_t epoch, uint32_t node, _Atomic uint64_t *counter,
                           struct ganger_error *err);
void output_close(struct output *o); /* takes NULL */

/* Writes one chunk (n_bytes at most OUTPUT_CHUNK_BYTES; none for 0), and blocks until it is written.
 * `place` is made to reach to the chunk's end, from its start if it was empty (n_bytes 0). After a failure
 * errno says why, too, and `place` is as it was; the file has a hole, which readers leave out. */
#define OUTPUT_CHUNK_BYTES 65536
int output_append(struct output *o, task_id task, uint32_t attempt, enum output_stream stream,
                  const char *bytes, size_t n_bytes, struct output_place *place, struct ganger_error *err);

/* What a file consists of, one after the other. */
enum output_part_kind
{
    OUTPUT_CHUNK,  /* whole and right */
    OUTPUT_HOLE,   /* bytes of 0: given away, and not (or not yet) written */
    OUTPUT_DAMAGE, /* anything else */
};

struct output_part
{
    enum output_part_kind kind;
    uint64_t offset;  /* in the file */
    uint64_t n_bytes; /* there, header included */
    task_id task;     /* whose it is, also of a damaged chunk with a good header; else TASK_NONE */
    uint32_t attempt;
    enum output_stream stream;
    const char *text; /* of a chunk: what the task wrote; borrowed for the call; NULL: not read */
    size_t n_text;
    const char *why;  /* of damage */
};

/* A reader that returns other than 0 ends the reading with -1. */
typedef int output_reader(void *data, const struct output_part *part, struct ganger_error *err);

/* Files of a directory to be read from; the last one stays open, so that a million places of it cost little. */
struct output_source *output_source_open(const char *dir); /* copies `dir`; always succeeds */
void output_source_close(struct output_source *source);    /* takes NULL */

/* Reads what `task` and `attempt` wrote within a place, in order: its chunks, and holes and damage that may
 * have been some. Of what others wrote there only the headers are read. Fails when the file cannot be read. */
int output_read(struct output_source *source, const struct output_place *place, task_id task, uint32_t attempt,
                enum output_stream which, output_reader *reader, void *data, struct ganger_error *err);

/* Reads all parts that begin within a place. An n_bytes of UINT64_MAX is up to the end of the file. */
int output_scan(struct output_source *source, const struct output_place *place, output_reader *reader, void *data,
                struct ganger_error *err);

/* The same, but of chunks reads only the headers: `text` is NULL, and may be damaged. */
int output_scan_headers(struct output_source *source, const struct output_place *place, output_reader *reader,
                        void *data, struct ganger_error *err);

/* The files of a directory, each as a place that reaches to its end, by epoch and node. The caller frees them. A
 * directory that is not there has none. */
int output_list(const char *dir, struct output_place **files, size_t *n_files, struct ganger_error *err);

/* Is it the name of a file of outputs? */
bool output_parse_name(const char *name, uint32_t *epoch, uint32_t *node);

#endif
