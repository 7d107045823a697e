/* run_added: tasks that functions of earlier epochs added to a run, from its journal. */
#ifndef GANGER_LAUNCH_RUN_ADDED_H
#define GANGER_LAUNCH_RUN_ADDED_H

#include "base/error.h"
#include "core/graph.h"
#include "io/journal.h"

#include <stdbool.h>

/* Appends them to the workflow's graph, as it was sealed, in the order in which they were added. One whose adder the
 * workflow no longer has, or has with another definition, is left out, and so is what follows from it: such an adder
 * runs again. One that waits for what is not there is an error, unless parts of the workflow were taken out. A missing
 * journal is no error. */
int run_added_read(const char *journal_path, struct graph *g, struct ganger_error *err);

/* The same, and then journal_recover: what is recorded of added tasks counts only when the graph has them. */
int run_added_recover(int dir_fd, const char *journal_path, struct graph *g, bool by_content,
                      struct journal_past *past, struct ganger_error *err);

#endif
