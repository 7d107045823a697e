/* run_index: which tasks a run had, which attempts of them, and where lies what they wrote.
 *
 * Made from the journal; where that does not tell (it is torn, a worker was lost, the run goes on), from the headers
 * of the chunks in the files of outputs. Some 150 bytes for each attempt; no output is read. */
#ifndef GANGER_LAUNCH_RUN_INDEX_H
#define GANGER_LAUNCH_RUN_INDEX_H

#include "base/alloc.h"
#include "base/name_index.h"
#include "core/record.h"
#include "io/rundir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_ATTEMPT UINT32_MAX

struct attempt
{
    uint32_t task;         /* number among the tasks below */
    uint32_t previous;     /* of the same task; NO_ATTEMPT: none */
    uint32_t epoch;
    uint32_t number;       /* from 1; 0: it was skipped, or not needed, in that epoch */
    task_id index;         /* what its chunks bear */
    uint32_t node;
    enum record_kind kind; /* of the last line about it; RECORD_START: it has not ended; RECORD_UNKNOWN: none */
    enum task_end end;     /* N_TASK_ENDS: not known */
    int code;
    bool is_rebuilt;       /* `output` was found without the journal */
    struct output_place output;
};

struct run_task
{
    const char *id;
    uint32_t last; /* attempt */
};

struct run_index
{
    struct run_task *tasks; /* as they first come up */
    uint32_t n_tasks;
    struct attempt *attempts; /* as they come up */
    uint32_t n_attempts;
    uint64_t n_damaged;       /* lines of the journal, its torn end included */

    size_t tasks_capacity;
    size_t attempts_capacity;
    uint32_t n_open_epochs;   /* without a last line */
    uint32_t n_without_end;   /* attempts */
    struct name_index names;
    struct arena text;
};

/* Fails when journal or files cannot be read. A journal that is missing is only warned of while there is output. */
int run_index_read(struct run_index *index, const struct rundir *dir, struct ganger_error *err);
void run_index_release(struct run_index *index);

/* "node.setup" and "node.teardown" are tasks, too, unless the workflow has its own by that name. UINT32_MAX: none. */
uint32_t run_index_find(const struct run_index *index, const char *id);

/* What people call it: its id, or for chunks that nothing else tells of "task 17 of epoch 2". */
const char *run_index_name(const struct run_index *index, uint32_t task);

/* The tasks' numbers in the order of the workflow, node.setup first and node.teardown last. The caller frees it. */
uint32_t *run_index_order(const struct run_index *index);

/* The last attempt that was started, or the last one with that number (not 0). NO_ATTEMPT: none. */
uint32_t run_index_attempt(const struct run_index *index, uint32_t task, uint32_t number);

#endif
