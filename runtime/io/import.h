/* import: workflows that were written for others, as our own.
 *
 * Reads WfFormat (WfCommons) and the task graphs of Pegasus MPI Cluster, and writes JSON Lines as
 * docs/workflow-format.md describes them, so that everything behind it knows one format. docs/importing.md says
 * what becomes of what. Reads no file and starts nothing. */
#ifndef GANGER_IO_IMPORT_H
#define GANGER_IO_IMPORT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum import_format
{
    IMPORT_OURS, /* JSON, JSON Lines or a list of commands: nothing to import, or nothing that is known */
    IMPORT_WFFORMAT,
    IMPORT_PMC,
};

/* How a replayed task passes its time. */
enum replay_mode
{
    REPLAY_SLEEP, /* waits: any number of workers can share a core */
    REPLAY_SPIN,  /* uses so much CPU time on each of its cores */
};

enum replay_files
{
    REPLAY_SPARSE, /* files have the recorded sizes and take no room */
    REPLAY_FULL,   /* files hold bytes that cannot be compressed */
    REPLAY_NONE,   /* no files are made or looked for */
};

/* Stand-ins in place of the recorded commands. */
struct replay_options
{
    double scale; /* seconds for each recorded second; 0: the commands themselves are to run */
    enum replay_mode mode;
    enum replay_files files;
    const char *dir; /* where its files are made; NULL: NAME.replay where `ganger run` is typed; borrowed */
};

struct import_options
{
    const char *file;             /* for messages, and the workflow's name when it states none */
    struct replay_options replay;
    const char *replay_program;   /* path of ganger-replay; NULL: not found, and then an error where it is needed */
    const char *forward_program;  /* path of ganger-forward, likewise */
};

/* Tells the format from the bytes with which a file begins; `is_all` says that there are no more. Sets
 * *needs_more when more of them could change the answer. */
enum import_format import_recognise(const char *bytes, size_t n_bytes, bool is_all, bool *needs_more);

/* Writes the workflow that `bytes` hold as JSON Lines into `ours`, which the caller releases, and into
 * `warnings` a line for each kind of thing that has no counterpart, with how often it occurs. */
int import_convert(enum import_format format, const char *bytes, size_t n_bytes, const struct import_options *options,
                   struct buffer *ours, struct buffer *warnings, struct ganger_error *err);

#endif
