/* check_report: what `ganger check` found out, and how it is written for people and for programs. */
#ifndef GANGER_LAUNCH_CHECK_REPORT_H
#define GANGER_LAUNCH_CHECK_REPORT_H

#include "core/makespan.h"
#include "io/workflow.h"
#include "launch/check_files.h"
#include "launch/check_walltime.h"
#include "launch/site.h"

#include <stdbool.h>
#include <stdint.h>

/* For one site. */
struct check_outlook
{
    struct site site;
    struct makespan_bound bound;
    struct makespan_simulation simulation;
};

struct check_report
{
    const struct workflow *workflow;
    struct graph_shape shape;
    struct check_outlook *outlooks;
    uint32_t n_outlooks;
    bool is_simulated;
    bool is_this_machine; /* what the one outlook is for */
    uint32_t *n_misfits; /* by resource class: tasks that fit no node of the site with the largest nodes */
    uint32_t n_misfits_in_all;
    const struct site *misfit_site;
    uint32_t *n_in_queue; /* tasks, by queue */
    uint32_t *n_of_named; /* tasks that take some, by named resource */
    struct check_files files;
    bool has_files;
    struct check_walltime walltime; /* of 0 s: it was not asked for */
};

/* Also on standard output; warnings go to standard error. */
void check_report_print_text(const struct check_report *r);
void check_report_print_json(const struct check_report *r);

#endif
