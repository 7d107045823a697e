/* workflow_setting: where and how a task runs, from a document: `env`, `cwd`, and the paths of its files. */
#ifndef GANGER_IO_WORKFLOW_SETTING_H
#define GANGER_IO_WORKFLOW_SETTING_H

#include "io/workflow_draft.h"

/* The setting of this folder (NULL: none is stated) and d->env, which holds `n_env` sorted texts: one of the recent
 * ones if it can be. */
void setting_intern(struct draft *d, const char *cwd, uint32_t n_env, struct stated *stated);

/* `env` (NULL: none) over that of `base` (NULL: none), and `cwd` (NULL: `base_cwd`). Texts of `base` are no strings of
 * the task: its `for` does not touch them. */
int setting_read(struct draft *d, struct json_t *env, struct json_t *base, const struct json_t *cwd,
                 const char *base_cwd, struct stated *stated, struct ganger_error *err);

/* The paths of a task, added to what `stated` has. */
int setting_read_files(struct draft *d, struct json_t **values, struct stated *stated, struct ganger_error *err);

/* Tells the draft's table of files about those of a task: who makes one, and who waits for it. */
int setting_note_files(struct draft *d, task_id task, struct ganger_error *err);

#endif
