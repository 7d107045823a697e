/* ganger_parts: what stands behind the opaque structs of ganger.h. For the files that implement it, and for launch/,
 * which makes such things. (struct ganger_call: core/call.h.) */
#ifndef GANGER_GANGER_PARTS_H
#define GANGER_GANGER_PARTS_H

#include "base/error.h"
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
    bool has_conditions;
};

void ganger_workflow_init(struct ganger_workflow *w);
void ganger_workflow_release(struct ganger_workflow *w);

/* The graph, sealed, which the caller frees; NULL and the reason when it was refused or has a cycle. */
struct graph *ganger_workflow_seal(struct ganger_workflow *w, struct ganger_error *err);

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
