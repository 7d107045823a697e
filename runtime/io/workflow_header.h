/* workflow_header: what stands beside the tasks: the workflow's name, what there is to share, defaults, and what is run
 * once on each node. */
#ifndef GANGER_IO_WORKFLOW_HEADER_H
#define GANGER_IO_WORKFLOW_HEADER_H

#include "io/workflow_draft.h"

/* Reads all but the tasks, and gives those back (borrowed; NULL: there are none). */
int header_read(struct draft *d, struct json_t *object, struct json_t **tasks, struct ganger_error *err);

#endif
