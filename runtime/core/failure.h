/* failure: what a person is told of an attempt that did not end well. Pure: text into a buffer. */
#ifndef GANGER_CORE_FAILURE_H
#define GANGER_CORE_FAILURE_H

#include "base/buffer.h"
#include "core/event.h"
#include "core/graph.h"

#include <stddef.h>

/* Text as it is; what would move the cursor, or is no text, as ^X, \xNN or \uNNNN. */
void failure_put_visible(struct buffer *b, const char *text, size_t n);

/* Lines about an event that is EVENT_TASK_FAILED, _RETRIED, or a _SETUP or _TEARDOWN that did not end well.
 * A failure that counts says which task, attempt, worker and node, how it ended, and the last lines that it
 * wrote; one that will be tried again, or that the task may have, is one line. `node` is the host's name. */
void failure_put(struct buffer *b, const struct graph *g, const struct event *e, const char *node);

/* Was it an attempt of a task whose failure counts as if it had ended well? */
bool failure_is_allowed(const struct graph *g, const struct event *e);

#endif
