/* site: the nodes that a workflow is looked at for, as `ganger check` is told of them. */
#ifndef GANGER_LAUNCH_SITE_H
#define GANGER_LAUNCH_SITE_H

#include "base/buffer.h"
#include "base/error.h"
#include "core/makespan.h"
#include "launch/options.h"

/* Freed by who asked for it; its array of kinds is its own. */
struct site
{
    struct makespan_site nodes;
    struct makespan_node *kinds;
};

void site_release(struct site *s);

/* What this process may use of this machine. GPUs are looked for only if `with_gpus`, which can take a second;
 * they are not counted otherwise. */
int site_of_this_machine(struct site *s, bool with_gpus, struct ganger_error *err);

/* One node of so many cores; memory and GPUs are not counted. */
void site_of_cores(struct site *s, uint32_t cores);

/* From words like "64", "4x64,256GiB", "2x128,,8": [NODESx]CORES[,MEMORY[,GPUS]]. What is not said is not counted. */
int site_read(struct site *s, const struct option_list *words, struct ganger_error *err);

/* A list of numbers of cores, "8,64,256"; the caller frees the array. Returns how many, or -1. */
int site_read_cores(const char *list, uint32_t **cores, struct ganger_error *err);

/* "2 nodes of 64 cores, 256.0 GiB of memory and 4 GPUs", for people; ended by a NUL. */
void site_describe(const struct site *s, struct buffer *text);

#endif
