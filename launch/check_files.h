/* check_files: the files that the tasks of a workflow name, and who makes and reads them. */
#ifndef GANGER_LAUNCH_CHECK_FILES_H
#define GANGER_LAUNCH_CHECK_FILES_H

#include "base/alloc.h"
#include "core/graph.h"

#include <stddef.h>

struct check_file
{
    const char *path; /* from where the command was typed */
    task_id task;     /* the first that reads it, or the one that makes it */
};

struct check_file_list
{
    struct check_file *each;
    size_t n;
    size_t capacity;
};

struct check_files
{
    struct check_file_list missing; /* inputs that no task makes, and that are not there now */
    struct check_file_list unread;  /* outputs that no task reads: results, or a path misspelt */
    struct arena text;
};

void check_files_find(struct check_files *f, const struct graph *g);
void check_files_release(struct check_files *f);

#endif
