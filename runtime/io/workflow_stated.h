/* workflow_stated: what a task or "defaults" states beside who it is: resources, policy, prefix, program, setting. */
#ifndef GANGER_IO_WORKFLOW_STATED_H
#define GANGER_IO_WORKFLOW_STATED_H

#include "io/workflow_draft.h"

/* Which of a task's keys are read here. */
#define STATED_KEYS (((UINT32_C(1) << N_TASK_KEYS) - 1) & ~((UINT32_C(1) << N_KEYS_OF_TASK_ONLY) - 1))

/* Reads the values (by enum task_key; bits of `present`) over `stated`, which comes in with what holds otherwise. */
int stated_read(struct draft *d, struct json_t **values, uint32_t present, struct stated *stated,
                struct ganger_error *err);

/* `nodes` and `ranks`, of which there can be but one for now. */
int stated_check_width(struct draft *d, struct json_t **values, struct ganger_error *err);

/* The declared resource that may have been meant by a name that is none; NULL: no idea. */
const char *stated_find_meant_resource(const struct graph *g, const char *name);

#endif
