/* import_trace: a document in WfFormat, read: its tasks, its files, and who waits for whom. For
 * runtime/io/import*.c alone.
 *
 * Version 1.5, and 1.3 and 1.4, in which a task holds all that concerns it. */
#ifndef GANGER_IO_IMPORT_TRACE_H
#define GANGER_IO_IMPORT_TRACE_H

#include "base/name_index.h"
#include "io/import_parts.h"

#include <jansson.h>

struct trace_task
{
    const char *id;
    json_t *spec; /* all borrowed from the document */
    json_t *run;  /* how it was executed; in old versions the same as `spec`; NULL: not recorded */
};

struct trace_file
{
    const char *id;
    uint64_t n_bytes;
    uint32_t n_producers;
    uint32_t producer; /* the first one */
    bool is_used;      /* read by some task */
    uint64_t listed;   /* where it was listed last, so that it is listed once */
};

struct trace
{
    struct import *im;
    json_t *root;
    bool is_old; /* before 1.5 */
    struct trace_task *tasks;
    uint32_t n_tasks;
    struct trace_file *files;
    size_t n_files;
    size_t files_capacity;
    struct name_index task_index;
    struct name_index name_index; /* of old versions, whose links name names */
    struct name_index file_index;
};

/* Reads the document into `t`, of which only `im` is set; the edges are im's, sorted. What fails is told with the
 * task. */
int trace_read(struct trace *t, const char *bytes, size_t n_bytes, struct ganger_error *err);
void trace_release(struct trace *t);

int trace_refuse(const struct trace *t, struct ganger_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An object's value by its present key, else by that of old versions. NULL: neither. */
json_t *trace_value(json_t *object, const char *key, const char *old_key);

/* A task's next input or output, borrowed, or NULL; *place begins with 0. */
const char *trace_next_file(const struct trace *t, uint32_t number, bool is_output, size_t *place);

/* The file that trace_next_file named. */
struct trace_file *trace_find_file(const struct trace *t, const char *id);

/* The id of a task; `data` is the struct trace. */
const char *trace_task_id(const void *data, uint32_t number);

#endif
