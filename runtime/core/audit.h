/* audit: did a run keep the rules? Looks for proof to the contrary in what its journal says.
 *
 * Is told the lines of the journal one after the other, damaged ones included, and reports each rule that was broken:
 *  - a task starts when what it waits for has ended as it waits for it, not before; once, unless it is tried again;
 *    and never in an epoch in which it need not run any more (core/past.h);
 *  - each start has one end, by the same worker and attempt; each attempt has the slots and GPUs that it asks for;
 *  - no slot and no GPU of a node is used by two at a time; a node's memory, a queue's tokens and named resources are
 *    never exceeded;
 *  - tasks are skipped, or not needed, only when their conditions cannot be met;
 *  - nothing is missing in the journal: epochs, lines, the last one. A damaged line is no problem by itself if another
 *    epoch came after it: that did without it, as past.h does, and ran again what only it had said. What it leaves
 *    unproven in its own epoch, an end without a start, say, is one all the same.
 * Times are compared to within a few microseconds, or, in a run on several nodes, whose clocks only messages compare,
 * to within 0.1 s. Rules about tasks are looked at only in epochs that ran this workflow, as its digest tells.
 * O(lines + tasks + edges) for each epoch, some 100 bytes for each task. Pure: knows no files. */
#ifndef GANGER_CORE_AUDIT_H
#define GANGER_CORE_AUDIT_H

#include "core/graph.h"
#include "core/record.h"

#include <stdbool.h>
#include <stdint.h>

/* Something is wrong: a sentence with the line's number. Borrowed for the call. */
typedef void audit_reporter(void *data, const char *text);

/* `g` is borrowed; NULL: the workflow is not known, only what holds for any is looked at. */
struct audit *audit_new(const struct graph *g, uint64_t workflow_digest, audit_reporter *reporter, void *data);
void audit_free(struct audit *a); /* takes NULL */

/* The next line of the journal, by its number; NULL: it is damaged. */
void audit_line(struct audit *a, uint64_t number, const struct record_fields *line);

struct audit_result
{
    uint64_t n_problems;
    uint64_t n_lines;
    uint64_t n_starts;          /* attempts that were not taken back */
    uint32_t n_epochs;
    uint32_t n_other_epochs;    /* … that ran something else than this workflow */
    uint64_t n_superseded;      /* damaged lines that an epoch after theirs did without: no problems */
    uint32_t n_cut_epochs;      /* … that have no last line: killed, or still going on */
    uint32_t n_tasks;           /* of the workflow, without joins; each is one of these: */
    uint32_t n_done;
    uint32_t n_not_needed;
    uint32_t n_failed;
    uint32_t n_may_fail;        /* of them, those that may */
    uint32_t n_skipped;
    uint32_t n_unfinished;      /* none of the above: it must still run */
    bool is_complete;           /* all are done, not needed, or may fail */
};

/* After the last line. */
void audit_end(struct audit *a, struct audit_result *result);

#endif
