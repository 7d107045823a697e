#include "io/progress.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/utf8.h"
#include "core/outcome.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_PERIOD_S 0.2 /* on a terminal, while something changes */
#define IDLE_PERIOD_S 1.0   /* on a terminal, for the clock in the line */
#define REPORTS_MAX 20      /* failures that are shown */
#define TAIL_LINES_MAX 10
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX 1000

#define CLEAR_LINE "\r\033[K"

struct progress
{
    int fd;
    const struct graph *graph;
    enum progress_style style;
    bool is_terminal;
    bool is_drawn; /* the terminal's last line is ours */
    bool is_changed;
    bool is_over;
    double drawn_s; /* when the line was last shown */
    uint32_t n_drawn;

    char **nodes; /* host names */
    uint32_t n_nodes;
    size_t nodes_capacity;

    uint32_t n_slots; /* that the run will have */
    uint32_t n_workers;
    uint32_t n_tasks; /* without joins, as all below */
    uint32_t n_kept;
    uint32_t n_done; /* in this epoch */
    uint32_t n_running;
    uint32_t n_failed;
    uint32_t n_skipped;
    uint32_t n_cancelled;
    uint32_t n_reported;
    double first_s; /* when the first task was sent; negative: none yet */
};

struct progress *progress_open(int fd, const struct graph *g, uint32_t n_slots,
                               enum progress_style style)
{
    struct progress *p = xcalloc(1, sizeof(*p));

    p->fd = fd;
    p->graph = g;
    p->style = style;
    p->is_terminal = isatty(fd) == 1;
    p->n_slots = n_slots;
    p->n_tasks = g->n_tasks - g->n_joins;
    p->first_s = -1;
    return p;
}

void progress_close(struct progress *p)
{
    if (p == NULL)
        return;
    progress_end(p);
    for (uint32_t i = 0; i < p->n_nodes; i++)
        free(p->nodes[i]);
    free(p->nodes);
    free(p);
}

/* A line that cannot be shown is no reason to end a run. */
static void show(const struct progress *p, const struct buffer *b)
{
    if (file_write(p->fd, b->bytes, b->n) != 0) {
        /* nowhere to say it */
    }
}

static void clear_line(struct progress *p, struct buffer *b)
{
    if (p->is_drawn)
        buffer_put(b, CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    p->is_drawn = false;
}

/* --- the line --- */

static void put_duration(struct buffer *b, double duration_s)
{
    uint64_t s = duration_s > 0 ? (uint64_t)duration_s : 0;

    if (s >= 3600)
        buffer_printf(b, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                      (unsigned)(s % 60));
    else
        buffer_printf(b, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

static void put_count(struct buffer *b, uint32_t n, const char *what)
{
    if (n > 0)
        buffer_printf(b, ", %" PRIu32 " %s", n, what);
}

static void put_line(struct buffer *b, const struct progress *p, double now_s)
{
    uint32_t n_over = p->n_kept + p->n_done + p->n_failed + p->n_skipped + p->n_cancelled;
    uint32_t n_waiting = p->n_tasks - n_over - p->n_running;
    double percentage = p->n_tasks > 0 ? 100.0 * n_over / p->n_tasks : 100;

    put_duration(b, now_s);
    /* Rounded down: only all is 100 %. */
    buffer_printf(b, "  %d %%  %" PRIu32 " of %" PRIu32 " done", (int)percentage,
                  p->n_kept + p->n_done, p->n_tasks);
    put_count(b, p->n_failed, "failed");
    put_count(b, p->n_skipped, "skipped");
    put_count(b, p->n_cancelled, "cancelled");
    buffer_printf(b, ", %" PRIu32 " running, %" PRIu32 " waiting", p->n_running, n_waiting);
    if (p->n_workers < p->n_slots)
        buffer_printf(b, ", %" PRIu32 " of %" PRIu32 " workers here", p->n_workers, p->n_slots);
    if (p->n_done > 0 && now_s > p->first_s)
        buffer_printf(b, ", %.3g/s", p->n_done / (now_s - p->first_s));
}

static size_t count_columns(const struct progress *p)
{
    struct winsize size;

    if (ioctl(p->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col > COLUMNS_MAX)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

static bool would_block(const struct progress *p)
{
    struct pollfd room = {.fd = p->fd, .events = POLLOUT};

    return poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0;
}

static void draw(struct progress *p, double now_s)
{
    struct buffer b = BUFFER_EMPTY;
    size_t start;

    if (p->is_terminal)
        buffer_put(&b, CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    start = b.n;
    put_line(&b, p, now_s);
    if (p->is_terminal) {
        size_t n_columns = count_columns(p) - 1; /* the last one would wrap */

        if (b.n - start > n_columns)
            b.n = start + n_columns;
    } else {
        buffer_put_u8(&b, '\n');
    }
    if (!would_block(p)) {
        show(p, &b);
        p->is_drawn = p->is_terminal;
    }
    buffer_release(&b);
    p->drawn_s = now_s;
    p->is_changed = false;
    p->n_drawn++;
}

static double period_s(const struct progress *p)
{
    static const double periods_s[] = {10, 30, 60, 120, 300, 600};
    const uint32_t n = sizeof(periods_s) / sizeof(*periods_s);

    if (p->is_terminal)
        return p->is_changed ? REDRAW_PERIOD_S : IDLE_PERIOD_S;
    return periods_s[p->n_drawn < n ? p->n_drawn : n - 1];
}

double progress_next_s(const struct progress *p)
{
    if (p->style != PROGRESS_ALL || p->is_over)
        return INFINITY;
    return p->drawn_s + period_s(p);
}

void progress_tick(struct progress *p, double now_s)
{
    if (now_s >= progress_next_s(p))
        draw(p, now_s);
}

void progress_end(struct progress *p)
{
    struct buffer b = BUFFER_EMPTY;

    p->is_over = true;
    if (!p->is_drawn)
        return;
    clear_line(p, &b);
    show(p, &b);
    buffer_release(&b);
}

/* --- what cannot wait --- */

/* Text as it is, what would move the cursor or is no text as ^X or \xNN. */
static void put_visible(struct buffer *b, const char *text, size_t n)
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
        put_visible(b, text + at, length);
        buffer_put_u8(b, '\n');
        at += length + 1;
    }
}

static void put_name(struct buffer *b, const char *name)
{
    put_visible(b, name != NULL ? name : "?", name != NULL ? strlen(name) : 1);
}

static void put_node(struct buffer *b, const struct progress *p, uint32_t node)
{
    if (node < p->n_nodes && p->nodes[node] != NULL)
        put_name(b, p->nodes[node]);
    else
        buffer_printf(b, "node %" PRIu32, node);
}

static void put_failure(struct buffer *b, const struct progress *p, const struct event *e)
{
    char text[OUTCOME_BYTES];

    buffer_printf(b, "FAILED ");
    put_name(b, p->graph->tasks[e->task].id);
    buffer_printf(b, " on ");
    put_node(b, p, e->node);
    buffer_printf(b, " (attempt %" PRIu32 "): ", e->attempt);
    if (e->result == NULL) {
        buffer_printf(b, "unknown\n");
        return;
    }
    outcome_describe(e->result, text);
    put_name(b, text);
    buffer_put_u8(b, '\n');
    if (!task_end_has_reason(e->result->end))
        put_tail(b, e->result);
}

static void report_failure(struct buffer *b, struct progress *p, const struct event *e)
{
    p->n_reported++;
    if (p->n_reported <= REPORTS_MAX)
        put_failure(b, p, e);
    else if (p->n_reported == REPORTS_MAX + 1)
        buffer_printf(b, "More tasks have failed: further failures are in the journal.\n");
}

static void report(struct progress *p, const struct event *e)
{
    struct buffer b = BUFFER_EMPTY;

    if (p->style == PROGRESS_NONE || p->is_over)
        return;
    if (e->kind == EVENT_TASK_FAILED) {
        report_failure(&b, p, e);
    } else if (e->kind == EVENT_WORKER_LOST) {
        buffer_printf(&b, "Worker %" PRIu32 " on ", e->worker);
        put_node(&b, p, e->node);
        buffer_printf(&b, " is lost: ");
        put_name(&b, e->text);
        buffer_put_u8(&b, '\n');
    } else if (e->kind == EVENT_RUN_STOPPING) {
        buffer_printf(&b, "Nothing more is started: ");
        put_name(&b, e->text);
        buffer_put_u8(&b, '\n');
    }
    if (b.n > 0) {
        struct buffer shown = BUFFER_EMPTY;

        clear_line(p, &shown);
        buffer_put(&shown, b.bytes, b.n);
        show(p, &shown);
        buffer_release(&shown);
    }
    buffer_release(&b);
}

/* --- counting --- */

static void name_node(struct progress *p, const struct event *e)
{
    while (p->n_nodes <= e->node) {
        p->nodes = xgrow(p->nodes, p->n_nodes, &p->nodes_capacity, sizeof(*p->nodes));
        p->nodes[p->n_nodes++] = NULL;
    }
    free(p->nodes[e->node]);
    p->nodes[e->node] = e->text != NULL ? xstrdup(e->text) : NULL;
}

static void count_task(struct progress *p, const struct event *e)
{
    /* A task that never ran may be cancelled, too. */
    bool was_running = e->kind == EVENT_TASK_RETURNED || e->kind == EVENT_TASK_DONE || e->kind == EVENT_TASK_FAILED ||
                       (e->kind == EVENT_TASK_CANCELLED && e->worker != 0);

    if (task_is_join(&p->graph->tasks[e->task]))
        return;
    p->n_kept += e->kind == EVENT_TASK_KEPT;
    p->n_done += e->kind == EVENT_TASK_DONE;
    p->n_failed += e->kind == EVENT_TASK_FAILED;
    p->n_skipped += e->kind == EVENT_TASK_SKIPPED;
    p->n_cancelled += e->kind == EVENT_TASK_CANCELLED;
    p->n_running += e->kind == EVENT_TASK_SENT;
    p->n_running -= was_running && p->n_running > 0;
    if (e->kind == EVENT_TASK_SENT && p->first_s < 0)
        p->first_s = e->time_s;
}

void progress_sink(void *data, const struct event *event)
{
    struct progress *p = data;

    p->is_changed = true;
    switch (event->kind) {
    case EVENT_NODE_JOINED: name_node(p, event); break;
    case EVENT_WORKER_JOINED: p->n_workers++; break;
    case EVENT_WORKER_LOST:
    case EVENT_RUN_STOPPING: report(p, event); break;
    case EVENT_TASK_FAILED:
        count_task(p, event);
        report(p, event);
        break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_STARTED:
    case EVENT_TASK_DONE:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_SKIPPED: count_task(p, event); break;
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_NOT_NEEDED:
    case EVENT_NODE_SETUP:
    case EVENT_NODE_TEARDOWN: break;
    }
}
