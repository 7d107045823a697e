#include "launch/run_added.h"

#include "base/base64.h"
#include "base/buffer.h"
#include "ganger_add.h"
#include "io/journal.h"

#include <string.h>
#include <unistd.h>

struct reader
{
    struct graph *graph;
    struct buffer bytes;
};

/* The definition, behind its length, as it travels. False: it is damaged. */
static bool decode(struct buffer *b, const struct record_result *definition)
{
    size_t n;

    b->n = 0;
    buffer_put_u32(b, 0);
    buffer_reserve(b, definition->n_text + 3);
    if (definition->text == NULL || !base64_read(definition->text, definition->n_text, b->bytes + b->n, &n))
        return false;
    b->n += n;
    buffer_set_u32(b, 0, (uint32_t)n);
    return true;
}

static int read_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    struct reader *r = data;
    struct added_task added;
    struct cursor c;
    task_id adder;

    if (line->fields == NULL || line->fields->kind != RECORD_ADDED)
        return 0;
    adder = graph_find(r->graph, line->fields->cause, strlen(line->fields->cause));
    if (adder == TASK_NONE || !decode(&r->bytes, &line->fields->definition))
        return 0;
    c = cursor_over(r->bytes.bytes, r->bytes.n);
    if (added_read(r->graph, NULL, &c, &added, err) < 0)
        return -1;
    if (added_is_new(r->graph, &added, adder, NULL))
        added_append(r->graph, &added, adder);
    return 0;
}

int run_added_read(const char *journal_path, struct graph *g, struct ganger_error *err)
{
    struct reader r = {g, BUFFER_EMPTY};
    int status = 0;

    if (graph_has_functions(g) && access(journal_path, F_OK) == 0)
        status = journal_read(journal_path, read_line, &r, err);
    graph_compact(g);
    buffer_release(&r.bytes);
    return status;
}
