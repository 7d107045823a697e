/* workflow: the document, and the graph that is made from it.
 *
 * Reads JSON, JSON Lines and plain lists of commands (docs/workflow-format.md). Knows the words of the
 * format and nothing of running. */
#ifndef GANGER_IO_WORKFLOW_H
#define GANGER_IO_WORKFLOW_H

#include "base/error.h"
#include "core/graph.h"

#include <stdint.h>

struct workflow
{
    char *name;          /* from the document, else the file's name without its ending */
    uint64_t digest;     /* of the document's bytes */
    struct graph *graph; /* sealed */
};

/* Reads the file at `path` ("-": standard input). Which of the three forms it is, is told from the
 * first bytes, not the file's name. On failure the message names file, line, task and remedy. */
int workflow_load(struct workflow *w, const char *path, struct ganger_error *err);

/* The same from memory. `name` stands for the path in messages ("NAME:LINE: ..."): of a text that was made from
 * another format it should say so, "flow.dag (as imported)". */
int workflow_parse(struct workflow *w, const char *name, const char *bytes, size_t n_bytes,
                   struct ganger_error *err);

/* So much of a named resource there is (of the run, or of each node), instead of what the document says. Refused
 * when the document declares no such resource, or a task asks for more than that. */
int workflow_set_amount(struct workflow *w, const char *name, uint32_t n, struct ganger_error *err);

void workflow_release(struct workflow *w);

/* ---- changing it (core/dag.h)
 *
 * What is left is sealed again; each costs O(tasks + dependencies). The digest is another one then, unless everything
 * is left. `words` are ids, or wildcards over them; one that names no task is refused, and nothing is changed. */

struct workflow_words
{
    const char *const *each;
    size_t n;
};

/* Only the tasks that are named, and what they need: all that they wait for, and so on. */
int workflow_keep_needed(struct workflow *w, struct workflow_words words, struct ganger_error *err);

/* Only the tasks that are named by `needed` with what they need, and those by `needing` with what needs them. */
int workflow_keep_related(struct workflow *w, struct workflow_words needed, struct workflow_words needing,
                          struct ganger_error *err);

/* Only a path with the fewest steps from one task to another that needs it; refused where there is none. */
int workflow_keep_path(struct workflow *w, const char *from, const char *to, struct ganger_error *err);

/* Without the tasks that are named: what waited for one waits for what that waited for. */
int workflow_prune(struct workflow *w, struct workflow_words words, struct ganger_error *err);

/* Each dependency the other way. */
void workflow_reverse(struct workflow *w);

#endif
