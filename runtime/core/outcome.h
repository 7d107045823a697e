/* outcome: how an attempt ended, in words. */
#ifndef GANGER_CORE_OUTCOME_H
#define GANGER_CORE_OUTCOME_H

#include "core/task.h"

#include <stddef.h>

#define OUTCOME_BYTES 512

/* "exit status 3", "signal 9 (KILL)", "could not be started: /bin/nope: No such file or directory",
 * "cancelled", "cancelled with signal 15 (TERM)", "ended at its timeout, with signal 9 (KILL)". The
 * tail is used only where it is no output. */
void outcome_describe(const struct task_result *result, char text[OUTCOME_BYTES]);

/* The same without what differs from task to task, so that equal causes can be counted. */
void outcome_classify(enum task_end end, int code, char text[OUTCOME_BYTES]);

#endif
