/* workflow_task: an object of "tasks", or a line, becomes a task of the graph, or many. */
#ifndef GANGER_IO_WORKFLOW_TASK_H
#define GANGER_IO_WORKFLOW_TASK_H

#include "io/workflow_draft.h"

int task_read(struct draft *d, struct json_t *object, struct ganger_error *err);

/* A line of a list: the task of id d->id runs it. */
int task_read_shell_line(struct draft *d, const char *line, size_t n_bytes, struct ganger_error *err);

/* Fills d->argv (behind the prefix of `stated`, if any) and counts its words. `key` is what the command is called. */
int task_read_command(struct draft *d, const char *key, const struct json_t *value, const struct stated *stated,
                      uint32_t *n_argv, struct ganger_error *err);

/* The task of id d->id and command d->argv, whose texts are put into the graph. */
struct task task_of(struct draft *d, uint32_t n_argv, const struct stated *stated);

#endif
