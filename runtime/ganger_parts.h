/* ganger_parts: what stands behind the opaque structs of ganger.h. For the files that implement it, and for launch/,
 * which makes such things. (struct ganger_call: core/call.h.) */
#ifndef GANGER_GANGER_PARTS_H
#define GANGER_GANGER_PARTS_H

#include "base/error.h"
#include "core/dag.h"
#include "core/graph.h"
#include "core/registry.h"
#include "core/results.h"
#include "core/sched.h"
#include "ganger.h"

/* A workflow that is being built: a draft of its graph. */
struct ganger_workflow
{
    struct graph *graph;
    struct ganger_error err; /* the first one */
    struct dag *dag;         /* what waits for what, in place of the draft's; NULL: nobody changed it, or asked */
    uint32_t *vertices;      /* of each task; DAG_NONE: it was pruned */
    size_t vertices_capacity;
    bool *has_made_id;       /* of each task: it stated none */
    size_t made_ids_capacity;
};

#define GANGER_TASKS_MAX UINT32_C(100000000)
#define GANGER_MADE_ID_BYTES 24

void ganger_workflow_init(struct ganger_workflow *w);
void ganger_workflow_release(struct ganger_workflow *w);

/* The graph, sealed, which the caller frees; NULL and the reason when it was refused or has a cycle. */
struct graph *ganger_workflow_seal(struct ganger_workflow *w, struct ganger_error *err);

/* Reads what is said of a task into `task`, whose texts and classes go to the graph; `after` and `after_ids` are not
 * looked at. -1: it is refused. */
int ganger_workflow_read_task(struct ganger_workflow *w, const char *id, const struct ganger_task *t,
                              struct task *task);

/* The i-th of a list that may be NULL: then all are GANGER_ON_OK. Is it one at all? */
static inline enum ganger_condition ganger_condition_of(const enum ganger_condition *on, size_t i)
{
    return on != NULL ? on[i] : GANGER_ON_OK;
}

static inline bool ganger_is_condition(const enum ganger_condition *on, size_t i)
{
    return on == NULL || (uint32_t)on[i] <= GANGER_ON_NOTOK;
}

/* Refuses the workflow for one that is none, by which the task of that id waits. Returns -1. */
int ganger_workflow_refuse_condition(struct ganger_workflow *w, const char *id);

/* "task-NUMBER", of GANGER_MADE_ID_BYTES at most; and whether a task that was added last has such a one. */
void ganger_workflow_make_id(char *id, uint32_t number);
void ganger_workflow_note_id(struct ganger_workflow *w, task_id task, bool is_made);

/* Makes the dag, if there is none, of what was said so far; false when the workflow is refused, as it is when that has
 * a cycle. */
bool ganger_workflow_open_dag(struct ganger_workflow *w);

/* After vertices were taken out, or came from elsewhere, which numbers them anew. */
void ganger_workflow_find_vertices(struct ganger_workflow *w);

/* A vertex's data. */
static inline void *ganger_workflow_data_of(task_id task)
{
    return (void *)((uintptr_t)task + 1);
}

static inline task_id ganger_workflow_task_of(const struct dag_vertex *v)
{
    return (task_id)((uintptr_t)v->data - 1);
}

/* Tells the dag, if there is one, of a task that was added last, and of a dependency. */
void ganger_workflow_note_task(struct ganger_workflow *w);
void ganger_workflow_note_dependency(struct ganger_workflow *w, task_id parent, task_id child,
                                     enum graph_condition on);

/* Was it taken out? */
bool ganger_workflow_is_pruned(const struct ganger_workflow *w, task_id task);

/* The sealed graph becomes what the dag says. */
void ganger_workflow_apply_changes(struct ganger_workflow *w);

enum ganger_status ganger_status_of(enum task_state state);

/* A run that is over: all borrowed. */
struct ganger_run
{
    const struct graph *graph;
    const struct results *results; /* NULL: no task is a function */
    const uint8_t *states;         /* enum task_state, by task */
    double makespan_s;
    uint32_t n_workers;
    int exit_status;
};

#endif
