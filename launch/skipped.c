#include "launch/skipped.h"

#include "base/utf8.h"
#include "core/culprit.h"
#include "launch/run_added.h"
#include "launch/run_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CULPRITS_SHOWN 20

/* How the tasks of the workflow ended. */
struct endings
{
    const struct graph *graph;
    const struct run_index *index;
};

static enum culprit_state ending_of(const void *data, task_id task)
{
    const struct endings *e = data;
    uint32_t number = run_index_find(e->index, e->graph->tasks[task].id);
    uint32_t last = number != UINT32_MAX ? e->index->tasks[number].last : NO_ATTEMPT;

    if (last == NO_ATTEMPT)
        return CULPRIT_NONE;
    switch (e->index->attempts[last].kind) {
    case RECORD_FAILED: return CULPRIT_FAILED;
    case RECORD_SKIPPED: return CULPRIT_SKIPPED;
    default: return CULPRIT_NONE;
    }
}

static void put_culprits(const struct endings *e, task_id task, struct buffer *text)
{
    task_id *culprits;
    uint32_t n = culprit_find(e->graph, task, ending_of, e, &culprits);

    for (uint32_t i = 0; i < n && i < CULPRITS_SHOWN; i++) {
        char *id = utf8_repaired(e->graph->tasks[culprits[i]].id);

        buffer_printf(text, "%s\"%s\"", i == 0 ? " because of " : i + 1 == n ? " and " : ", ", id);
        free(id);
    }
    if (n > CULPRITS_SHOWN)
        buffer_printf(text, " and %" PRIu32 " others", n - CULPRITS_SHOWN);
    free(culprits);
}

void skipped_explain(const struct program *program, const struct rundir *dir, const struct run_index *index,
                     const char *task, struct buffer *text)
{
    struct ganger_error unused = {0};
    struct run_record record;
    struct workflow w;

    if (read_run_record(&record, dir, &unused) == 0) {
        if (load_recorded_workflow(program, &w, &record, NULL, &unused) == 0) {
            run_added_read(dir->journal_path, w.graph, &unused); /* what cannot be read is told without */
            task_id number = graph_find(w.graph, task, strlen(task));

            if (number != TASK_NONE)
                put_culprits(&(struct endings){w.graph, index}, number, text);
            workflow_release(&w);
        }
        release_run_record(&record);
    }
    buffer_printf(text, "%c", 0);
    text->n--;
}
