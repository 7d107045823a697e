/* graph_print: an outline as text, for Graphviz or for people. */
#ifndef GANGER_LAUNCH_GRAPH_PRINT_H
#define GANGER_LAUNCH_GRAPH_PRINT_H

#include "core/outline.h"

#include <stdio.h>

/* In the DOT language. Vertices of several tasks say how many, edges of several dependencies too; edges that are not
 * `ok` are dashed and say what they are. */
void graph_print_dot(const struct outline *o, const char *name, FILE *file);

#define GRAPH_DEPTH_MAX 1000

/* What depends on a vertex stands below it and further in. A vertex that was there before is marked "(again)" and not
 * followed; of more than `width` at one place the rest is counted, and nothing is deeper than `depth`. */
void graph_print_tree(const struct outline *o, uint32_t depth, uint32_t width, FILE *file);

#endif
