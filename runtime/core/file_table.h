/* file_table: which task makes which file, and the dependencies that come of it.
 *
 * A file is known by its path as the document spells it: from the directory its task runs in, without `.`, `..`
 * and doubled slashes. No file system is asked, so one that is named absolutely here and relatively there is
 * taken for two. */
#ifndef GANGER_CORE_FILE_TABLE_H
#define GANGER_CORE_FILE_TABLE_H

#include "base/buffer.h"
#include "core/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_table
{
    struct graph *g; /* borrowed */
    struct file_entry *entries;
    uint32_t n_entries;
    size_t entries_capacity;
    struct file_use *uses; /* inputs whose producer was not known when they were added */
    size_t n_uses;
    size_t uses_capacity;
    struct name_index index;
    struct buffer key;
    struct arena text;
};

void file_table_init(struct file_table *f, struct graph *g);
void file_table_release(struct file_table *f);

/* `task`, which runs in `cwd` (NULL: where the run was typed), makes the file. Returns the task that makes it, too;
 * TASK_NONE when there is none. */
task_id file_table_add_output(struct file_table *f, task_id task, const char *cwd, const char *path);

/* `task` needs the file, and so waits for the task that makes it, if there is one. To be called after those of its own
 * outputs were added; false when the file is among them. */
bool file_table_add_input(struct file_table *f, task_id task, const char *cwd, const char *path);

/* `task` writes its stdout or stderr there, which is neither input nor output. Returns the task that did so before;
 * TASK_NONE when there is none, or when it is this task. */
task_id file_table_add_writer(struct file_table *f, task_id task, const char *cwd, const char *path);

/* Are these two the same file? */
bool file_table_is_same(struct file_table *f, const char *cwd, const char *path, const char *other);

/* Adds the edges that are still missing, once all tasks are there. */
void file_table_resolve(const struct file_table *f);

/* Appends the path as the table knows it, without a NUL. */
void file_path_normalise(const char *cwd, const char *path, struct buffer *out);

#endif
