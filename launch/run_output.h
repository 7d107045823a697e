/* run_output: do a run's files of outputs hold what its journal says, and nothing else?
 *
 * Is told the lines of the journal, then reads all files whole. Some 100 bytes for each attempt. */
#ifndef GANGER_LAUNCH_RUN_OUTPUT_H
#define GANGER_LAUNCH_RUN_OUTPUT_H

#include "base/error.h"
#include "core/record.h"

#include <stddef.h>
#include <stdint.h>

struct run_output_result
{
    uint64_t n_files;
    uint64_t n_chunks;
    uint64_t n_text;        /* bytes that tasks wrote */
    uint64_t n_holes;
    uint64_t n_hole_bytes;
    uint64_t n_unended;     /* chunks of attempts whose end is not recorded */
    uint64_t n_torn;        /* what such attempts, and those whose output was lost, wrote in part */
    uint64_t n_problems;
};

/* Something is wrong: a sentence. Borrowed for the call. */
typedef void run_output_reporter(void *data, const char *text);

struct run_output *run_output_new(run_output_reporter *reporter, void *data);
void run_output_free(struct run_output *o); /* takes NULL */

/* A line of the journal, in the order of the file. */
void run_output_line(struct run_output *o, uint64_t number, uint32_t epoch, const struct record_fields *line);

/* After the last line: reads the files in `dir`. Fails only when that cannot be done. */
int run_output_check(struct run_output *o, const char *dir, struct run_output_result *result,
                     struct ganger_error *err);

#endif
