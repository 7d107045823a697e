/* topo_print: what a machine gives, for people and for programs. */
#ifndef GANGER_LAUNCH_TOPO_PRINT_H
#define GANGER_LAUNCH_TOPO_PRINT_H

#include "io/binding_report.h"

#include <stdbool.h>
#include <stdint.h>

/* The slots that tasks of the same size would get on the empty machine, one after the other. */
struct topo_placements
{
    uint32_t n_cores; /* of each task; 0: not asked for */
    uint32_t n;       /* tasks at once */
    uint16_t *slots;  /* n x n_cores */
};

struct topo_view
{
    const struct binding_report *report;
    uint32_t n_slots;
    uint32_t n_workers; /* 0: not asked for */
    bool each_slot;     /* a line for each, however many */
    bool is_here;       /* this machine: its environment says something of it */
    struct topo_placements placements;
};

/* On standard output. */
void topo_print_text(const struct topo_view *v);
void topo_print_json(const struct topo_view *v);

#endif
