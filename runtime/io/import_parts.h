/* import_parts: what the importers of io/import share. For runtime/io/import*.c alone. */
#ifndef GANGER_IO_IMPORT_PARTS_H
#define GANGER_IO_IMPORT_PARTS_H

#include "io/import.h"

/* One kind of thing that has no counterpart, or none that is the same. */
struct import_warning
{
    const char *text; /* a constant; tells kinds apart */
    uint64_t n;
    char first[96]; /* what it was seen at first; "": nothing to name */
};

#define IMPORT_WARNINGS_MAX 32

struct import_edge
{
    uint32_t parent;
    uint32_t child;
};

/* A foreign workflow while it is read. */
struct import
{
    const struct import_options *options;
    struct buffer *ours;
    struct import_warning warnings[IMPORT_WARNINGS_MAX];
    size_t n_warnings;

    struct import_edge *edges;
    size_t n_edges;
    size_t edges_capacity;
    /* after import_sort_edges: parents of t are parents[first_parent[t]] up to parents[end_parent[t]] */
    uint32_t *parents;
    uint32_t *first_parent;
    uint32_t *end_parent;
};

void import_release(struct import *im);

/* Fails with "FILE:LINE: text"; line 0: not known. What the document holds is made printable. */
int import_refuse(const struct import *im, uint64_t line, struct ganger_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Counts a warning; `text` must be a constant. `at` is the task it was seen at, or NULL. */
void import_warn(struct import *im, const char *text, const char *at);

/* Puts text in quotes, as JSON. False when it is not UTF-8 or holds a NUL, which our format cannot say. */
bool import_put_text(struct buffer *b, const char *text, size_t n_bytes);

/* What is wrong with the id of a task; NULL: nothing. */
const char *import_find_flaw_of_id(const char *id, size_t n_bytes);

/* What is wrong with a name of up to `most` bytes that is shown to people; NULL: nothing. */
const char *import_find_flaw_of_name(const char *name, size_t n_bytes, size_t most);

/* ,"program":"name"; a name that cannot be one is left out, with a warning. */
void import_put_program(struct import *im, const char *name, size_t n_bytes, const char *task);

void import_add_edge(struct import *im, uint32_t parent, uint32_t child);

/* Sorts the edges by child and then by parent, each once. Returns how many stood there more than once. */
uint64_t import_sort_edges(struct import *im, uint32_t n_tasks);

/* ,"after":["a","b"] for the parents of t, whose ids `id_of` gives; nothing when it has none. Ids are known to be
 * good. */
void import_put_after(struct import *im, uint32_t t, const char *(*id_of)(const void *data, uint32_t number),
                      const void *data);

/* The format's line that begins at `bytes`: is it a record of Pegasus MPI Cluster? */
bool import_is_pmc_record(const char *line, size_t n_bytes);

int import_pmc(struct import *im, const char *bytes, size_t n_bytes, struct ganger_error *err);
int import_wfformat(struct import *im, const char *bytes, size_t n_bytes, struct ganger_error *err);

#endif
