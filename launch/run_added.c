#include "launch/run_added.h"

#include "base/base64.h"
#include "base/buffer.h"
#include "ganger_add.h"

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

/* As it was then: one that is to do something else now runs again, and says itself what it adds. */
static task_id find_adder(const struct graph *g, const struct record_fields *f)
{
    task_id adder = graph_find(g, f->cause, strlen(f->cause));

    return adder != TASK_NONE && g->tasks[adder].digest == f->digest ? adder : TASK_NONE;
}

static int append(struct graph *g, const struct added_task *added, task_id adder, struct ganger_error *err)
{
    if (!added_is_new(g, added, adder, NULL) || added_append(g, added, adder) != TASK_NONE || g->is_part)
        return 0;
    return error_set(err, ERROR_USAGE,
                     "task \"%s\", which \"%s\" added in an earlier epoch, waits for a task that the workflow no "
                     "longer has: start a run anew, without --resume", added->task.id, g->tasks[adder].id);
}

static int read_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    struct reader *r = data;
    struct ganger_error why = {0};
    struct added_task added;
    struct cursor c;
    task_id adder;

    if (line->fields == NULL)
        return 0;
    adder = find_adder(r->graph, line->fields);
    if (adder == TASK_NONE || !decode(&r->bytes, &line->fields->definition))
        return 0;
    c = cursor_over(r->bytes.bytes, r->bytes.n);
    if (added_read(r->graph, NULL, &c, &added, &why) < 0)
        return error_set(err, why.cause,
                         "what \"%s\" added in an earlier epoch: %s; start a run anew, without --resume",
                         line->fields->cause, why.text);
    return append(r->graph, &added, adder, err);
}

int run_added_read(const char *journal_path, struct graph *g, struct ganger_error *err)
{
    struct reader r = {g, BUFFER_EMPTY};
    int status = 0;

    if (graph_has_functions(g) && access(journal_path, F_OK) == 0)
        status = journal_read_added(journal_path, read_line, &r, err);
    graph_compact(g);
    buffer_release(&r.bytes);
    return status;
}

int run_added_recover(int dir_fd, const char *journal_path, struct graph *g, bool by_content,
                      struct journal_past *past, struct ganger_error *err)
{
    if (run_added_read(journal_path, g, err) < 0)
        return -1;
    return journal_recover(dir_fd, journal_path, g, by_content, past, err);
}
