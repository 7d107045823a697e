/* environment: the variables that a task finds.
 *
 * Those of the run, those that ganger makes for each task, and those that the task states; a later one stands in
 * place of an earlier one of the same name. docs/workflow-format.md lists them. */
#ifndef GANGER_CORE_ENVIRONMENT_H
#define GANGER_CORE_ENVIRONMENT_H

#include "base/buffer.h"
#include "core/message.h"

struct environment
{
    char *text;  /* the run's, packed */
    char **base; /* its variables */
    uint32_t n_base;
    struct buffer own; /* text of the variables made for one task */
    char **envp;       /* room for one task's */
    size_t envp_capacity;
};

#define ENVIRONMENT_EMPTY {NULL, NULL, 0, BUFFER_EMPTY, NULL, 0}

/* Copies the run's variables, each ended by a NUL, without those that ganger makes itself. */
void environment_set_base(struct environment *e, struct text packed);
void environment_release(struct environment *e);

/* What ganger knows of an attempt beside the message that told of it. */
struct environment_place
{
    uint32_t worker;
    const char *run_dir;
    uint32_t epoch;
    const char *tmpdir;
};

/* The variables of one task, ended by NULL; they live until the next call, and as long as `run`. */
char **environment_make(struct environment *e, const struct run *run, const struct environment_place *place);

#endif
