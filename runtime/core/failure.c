#include "core/failure.h"

#include "base/utf8.h"
#include "core/outcome.h"

#include <inttypes.h>
#include <string.h>

#define TAIL_LINES_MAX 10

void failure_put_visible(struct buffer *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t character = 0;
        size_t length = utf8_character(text + i, n - i, &character);

        if (length == 0)
            buffer_printf(b, "\\x%02x", c);
        else if (character == '\t')
            buffer_put(b, "    ", 4);
        else if (character < 0x20 || character == 0x7f)
            buffer_printf(b, "^%c", c ^ 0x40);
        else if (character >= 0x80 && character < 0xa0)
            buffer_printf(b, "\\u%04x", (unsigned)character);
        else
            buffer_put(b, text + i, length);
        i += length > 0 ? length : 1;
    }
}

static void put_text(struct buffer *b, const char *text)
{
    failure_put_visible(b, text, strlen(text));
}

/* Where the last lines of a text begin. */
static size_t find_last_lines(const char *text, size_t n, unsigned n_lines)
{
    for (size_t i = n; i > 0; i--)
        if (text[i - 1] == '\n' && i < n && --n_lines == 0)
            return i;
    return 0;
}

static void put_tail(struct buffer *b, const struct task_result *result)
{
    const char *text = result->tail;
    size_t n = text != NULL ? result->n_tail_bytes : 0;

    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (size_t at = find_last_lines(text, n, TAIL_LINES_MAX); at < n;) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t length = newline != NULL ? (size_t)(newline - text) - at : n - at;

        buffer_put(b, "    | ", 6);
        failure_put_visible(b, text + at, length);
        buffer_put_u8(b, '\n');
        at += length + 1;
    }
}

static const struct task_files *files_of(const struct task *t)
{
    return t->setting != NULL ? t->setting->files : NULL;
}

/* What it wrote to files of its own is not in the run directory, nor here. */
static void put_places(struct buffer *b, const struct task *t)
{
    const struct task_files *files = files_of(t);
    const char *out = files != NULL ? files->stdout_path : NULL;
    const char *err = files != NULL ? files->stderr_path : NULL;
    const char *first = out != NULL ? out : err;

    if (first == NULL)
        return;
    buffer_printf(b, out != NULL ? "    its output is in " : "    its errors are in ");
    put_text(b, first);
    if (err != NULL && strcmp(first, err) != 0) {
        buffer_printf(b, " and ");
        put_text(b, err);
    }
    buffer_put_u8(b, '\n');
}

static void put_how(struct buffer *b, const struct task_result *result)
{
    char text[OUTCOME_BYTES];

    if (result == NULL) {
        buffer_printf(b, "unknown");
        return;
    }
    outcome_describe(result, text);
    put_text(b, text);
}

static void put_where(struct buffer *b, const struct event *e, const char *node)
{
    if (e->worker == 0)
        return;
    buffer_printf(b, " (attempt %" PRIu32 ", worker %" PRIu32 " on ", e->attempt, e->worker);
    put_text(b, node);
    buffer_put_u8(b, ')');
}

bool failure_is_allowed(const struct graph *g, const struct event *e)
{
    return e->kind == EVENT_TASK_FAILED && e->task < g->n_tasks &&
           g->policies[g->tasks[e->task].policy].may_fail;
}

static void put_task(struct buffer *b, const struct graph *g, const struct event *e, const char *node)
{
    const struct task *t = &g->tasks[e->task];
    bool is_final = e->kind == EVENT_TASK_FAILED && !failure_is_allowed(g, e);

    if (is_final)
        buffer_printf(b, "FAILED ");
    put_text(b, t->id != NULL ? t->id : "?");
    if (!is_final)
        buffer_printf(b, e->kind == EVENT_TASK_RETRIED ? " failed" : " failed, as it may");
    put_where(b, e, node);
    buffer_printf(b, ": ");
    put_how(b, e->result);
    buffer_printf(b, e->kind == EVENT_TASK_RETRIED ? "; it will be tried again\n" : "\n");
    if (!is_final || e->result == NULL || task_end_has_reason(e->result->end))
        return;
    put_tail(b, e->result);
    put_places(b, t);
}

static void put_node_command(struct buffer *b, const struct event *e, const char *node)
{
    buffer_printf(b, "FAILED node.%s on ", e->kind == EVENT_NODE_SETUP ? "setup" : "teardown");
    put_text(b, node);
    buffer_printf(b, ": ");
    put_how(b, e->result);
    buffer_put_u8(b, '\n');
    if (e->result != NULL && !task_end_has_reason(e->result->end))
        put_tail(b, e->result);
}

void failure_put(struct buffer *b, const struct graph *g, const struct event *e, const char *node)
{
    if (e->kind == EVENT_NODE_SETUP || e->kind == EVENT_NODE_TEARDOWN)
        put_node_command(b, e, node);
    else if (e->task < g->n_tasks)
        put_task(b, g, e, node);
}
