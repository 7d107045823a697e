#include "io/progress.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "core/failure.h"
#include "core/forecast.h"
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
#define COUNT_PERIOD_S 10.0 /* between two words about failures that are counted, not shown */
#define EQUALS_MAX 10       /* failures of one kind that are shown */
#define REPORTS_MAX 100     /* failures of all kinds that are shown */
#define KINDS_MAX 64        /* that are told apart; the last one takes in all others */
#define KINDS_COUNTED 5     /* that are counted in words at a time */
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX 1000
#define PARTS_MAX 16

#define CLEAR_LINE "\r\033[K"

/* Failures that are alike: one program, one way to end. */
struct kind
{
    enum event_kind event;
    uint32_t program;
    enum task_end end;
    int code;
    uint32_t n;
    uint32_t n_untold;
};

struct progress
{
    int fd;
    const struct graph *graph;
    enum progress_style style;
    const char *run_path;
    bool is_terminal; /* one that can take a line back */
    bool has_colour;
    bool is_changed;
    bool is_over;
    size_t n_drawn_columns; /* of our line, which is the terminal's last; 0: it is not there */
    double interval_s; /* elsewhere than on a terminal; negative: it grows */
    double drawn_s;    /* when the line was last shown, or found unchanged */
    uint32_t n_drawn;

    char **nodes; /* host names */
    uint32_t n_nodes;
    size_t nodes_capacity;

    struct forecast *forecast; /* NULL: nothing is shown */
    uint32_t n_slots; /* that the run will have */
    uint32_t n_workers;
    uint32_t n_tasks; /* without joins, as all below */
    uint32_t n_kept;
    uint32_t n_done; /* in this epoch */
    uint32_t n_failed;
    uint32_t n_allowed; /* failed, and may */
    uint32_t n_skipped;
    uint32_t n_not_needed;
    uint32_t n_cancelled;

    struct kind kinds[KINDS_MAX];
    uint32_t n_kinds;
    uint32_t n_reported;
    uint32_t n_untold;
    bool has_said_where; /* the rest is */
    double counted_s;    /* when what was not shown was last counted in words */
};

static bool can_take_lines_back(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) == 1 && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

static void give_way_to_log(void *data);

struct progress *progress_open(int fd, const struct graph *g, uint32_t n_slots,
                               enum progress_style style)
{
    const char *no_colour = getenv("NO_COLOR");
    struct progress *p = xcalloc(1, sizeof(*p));

    p->fd = fd;
    p->graph = g;
    p->style = style;
    p->run_path = "RUN";
    p->is_terminal = can_take_lines_back(fd);
    p->has_colour = p->is_terminal && (no_colour == NULL || no_colour[0] == '\0');
    p->interval_s = -1;
    p->n_slots = n_slots;
    p->n_tasks = g->n_tasks - g->n_joins;
    if (style != PROGRESS_NONE)
        p->forecast = forecast_new(g);
    if (p->is_terminal)
        log_set_hook(give_way_to_log, p);
    return p;
}

void progress_set_interval(struct progress *p, double interval_s)
{
    p->interval_s = interval_s;
}

void progress_set_run_path(struct progress *p, const char *run_path)
{
    p->run_path = run_path;
}

void progress_close(struct progress *p)
{
    if (p == NULL)
        return;
    progress_end(p);
    if (p->is_terminal)
        log_set_hook(NULL, NULL);
    for (uint32_t i = 0; i < p->n_nodes; i++)
        free(p->nodes[i]);
    free(p->nodes);
    forecast_free(p->forecast);
    free(p);
}

/* A line that cannot be shown is no reason to end a run. */
static void show(const struct progress *p, const struct buffer *b)
{
    if (file_write(p->fd, b->bytes, b->n) != 0) {
        /* nowhere to say it */
    }
}

static size_t count_columns(const struct progress *p)
{
    struct winsize size;

    if (ioctl(p->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col > COLUMNS_MAX)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

/* A terminal that became narrower has folded the line. */
static void clear_line(struct progress *p, struct buffer *b)
{
    size_t n_rows;

    if (p->n_drawn_columns == 0)
        return;
    n_rows = 1 + (p->n_drawn_columns - 1) / count_columns(p);
    if (n_rows > 1)
        buffer_printf(b, "\r\033[%zuA\033[J", n_rows - 1);
    else
        buffer_put(b, CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    p->n_drawn_columns = 0;
}

static void give_way_to_log(void *data)
{
    struct progress *p = data;
    struct buffer b = BUFFER_EMPTY;

    if (p->n_drawn_columns == 0)
        return;
    clear_line(p, &b);
    show(p, &b);
    buffer_release(&b);
    p->is_changed = true; /* so that it is soon back */
}

/* --- the line --- */

/* The line in parts. When there is no room for all, the ones that weigh least are left out. */
struct line
{
    struct buffer text;
    uint32_t n_parts;
    struct part
    {
        int weight;
        size_t from;
        size_t n;
    } parts[PARTS_MAX];
};

/* What was put into the text since the last call is a part. */
static void end_part(struct line *l, int weight)
{
    size_t from = l->n_parts > 0 ? l->parts[l->n_parts - 1].from + l->parts[l->n_parts - 1].n : 0;

    if (l->text.n > from && l->n_parts < PARTS_MAX)
        l->parts[l->n_parts++] = (struct part){weight, from, l->text.n - from};
}

static void put_duration(struct buffer *b, double duration_s)
{
    uint64_t s = duration_s > 0 ? (uint64_t)duration_s : 0;

    if (s >= 3600)
        buffer_printf(b, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                      (unsigned)(s % 60));
    else
        buffer_printf(b, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

static void put_count(struct line *l, int weight, uint32_t n, const char *what)
{
    if (n == 0)
        return;
    buffer_printf(&l->text, ", %" PRIu32 " %s", n, what);
    end_part(l, weight);
}

/* In the unit in which it is more than one. */
static void put_rate(struct buffer *b, double rate_per_s)
{
    double rate = rate_per_s;
    const char *unit = "s";

    if (rate < 1) {
        rate *= 60;
        unit = "min";
    }
    if (rate < 1) {
        rate *= 60;
        unit = "h";
    }
    buffer_printf(b, rate >= 100 ? ", %.0f/%s" : ", %.2g/%s", rate, unit);
}

static uint32_t count_over(const struct progress *p)
{
    return p->n_kept + p->n_done + p->n_failed + p->n_allowed + p->n_skipped + p->n_not_needed + p->n_cancelled;
}

static void put_counts(struct line *l, const struct progress *p, uint32_t n_running)
{
    uint32_t n_over = count_over(p);
    double percentage = p->n_tasks > 0 ? 100.0 * n_over / p->n_tasks : 100;

    /* Rounded down: only all is 100 %. */
    buffer_printf(&l->text, "%d %%  %" PRIu32 " of %" PRIu32 " done", (int)percentage,
                  p->n_kept + p->n_done, p->n_tasks);
    end_part(l, 99);
    put_count(l, 9, p->n_failed, "failed");
    put_count(l, 2, p->n_allowed, "failed as they may");
    put_count(l, 6, p->n_skipped, "skipped");
    put_count(l, 1, p->n_not_needed, "not needed");
    put_count(l, 2, p->n_cancelled, "cancelled");
    buffer_printf(&l->text, ", %" PRIu32 " running", n_running);
    end_part(l, 7);
    if (n_over + n_running < p->n_tasks)
        buffer_printf(&l->text, ", %" PRIu32 " waiting", p->n_tasks - n_over - n_running);
    end_part(l, 5);
}

static void put_line(struct line *l, const struct progress *p, double now_s)
{
    struct forecast_view view;

    forecast_look(p->forecast, now_s, &view);
    put_duration(&l->text, now_s);
    buffer_put(&l->text, "  ", 2);
    end_part(l, 5);
    put_counts(l, p, view.n_running);
    if (p->n_workers < p->n_slots)
        buffer_printf(&l->text, ", %" PRIu32 " of %" PRIu32 " workers here", p->n_workers, p->n_slots);
    end_part(l, 6);
    if (view.rate_per_s > 0)
        put_rate(&l->text, view.rate_per_s);
    end_part(l, 3);
    if (p->n_workers > 0)
        buffer_printf(&l->text, ", %" PRIu32 " of %" PRIu32 " cores busy", view.n_busy_cores, p->n_workers);
    end_part(l, 4);
    if (!isnan(view.left_s)) {
        buffer_printf(&l->text, ", ");
        put_duration(&l->text, ceil(view.left_s));
        buffer_printf(&l->text, " left");
    }
    end_part(l, 8);
}

/* Its text is ASCII: a byte is a column. What is still too long loses its end. Returns its columns. */
static size_t fit_line(struct buffer *b, struct line *l, size_t n_columns)
{
    size_t n = l->text.n;

    while (n > n_columns && l->n_parts > 1) {
        uint32_t least = 0;

        for (uint32_t i = 1; i < l->n_parts; i++)
            if (l->parts[i].weight <= l->parts[least].weight)
                least = i;
        n -= l->parts[least].n;
        l->n_parts--;
        memmove(l->parts + least, l->parts + least + 1, (l->n_parts - least) * sizeof(*l->parts));
    }
    for (uint32_t i = 0; i < l->n_parts; i++)
        buffer_put(b, l->text.bytes + l->parts[i].from, l->parts[i].n);
    if (n > n_columns) {
        b->n -= n - n_columns;
        n = n_columns;
    }
    return n;
}

static bool would_block(const struct progress *p)
{
    struct pollfd room = {.fd = p->fd, .events = POLLOUT};

    return poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0;
}

static void draw(struct progress *p, double now_s)
{
    struct buffer b = BUFFER_EMPTY;
    struct line l = {.text = BUFFER_EMPTY};
    size_t n_before = p->n_drawn_columns, n_columns;

    if (p->is_terminal && n_before > 0)
        clear_line(p, &b);
    else if (p->is_terminal)
        buffer_put(&b, CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
    put_line(&l, p, now_s);
    /* In the last column the cursor would be on the next line. */
    n_columns = fit_line(&b, &l, p->is_terminal ? count_columns(p) - 1 : SIZE_MAX);
    if (!p->is_terminal)
        buffer_put_u8(&b, '\n');
    p->n_drawn_columns = n_before;
    if (!would_block(p)) {
        show(p, &b);
        p->n_drawn_columns = p->is_terminal ? n_columns : 0;
    }
    buffer_release(&b);
    buffer_release(&l.text);
    p->is_changed = false;
    p->n_drawn++;
}

static double period_s(const struct progress *p)
{
    static const double periods_s[] = {10, 20, 30, 60};
    const uint32_t n = sizeof(periods_s) / sizeof(*periods_s);

    if (p->is_terminal)
        return p->is_changed ? REDRAW_PERIOD_S : IDLE_PERIOD_S;
    if (p->interval_s >= 0)
        return p->interval_s > 0 ? p->interval_s : INFINITY;
    return periods_s[p->n_drawn < n ? p->n_drawn : n - 1];
}

static double line_due_s(const struct progress *p)
{
    return p->style == PROGRESS_ALL && !p->is_over ? p->drawn_s + period_s(p) : INFINITY;
}

static double count_due_s(const struct progress *p)
{
    return p->n_untold > 0 && !p->is_over ? p->counted_s + COUNT_PERIOD_S : INFINITY;
}

double progress_next_s(const struct progress *p)
{
    return fmin(line_due_s(p), count_due_s(p));
}

static void count_untold(struct progress *p, double now_s);
static void show_above_line(struct progress *p, const struct buffer *text);

void progress_tick(struct progress *p, double now_s)
{
    if (now_s >= count_due_s(p))
        count_untold(p, now_s);
    if (now_s < line_due_s(p))
        return;
    if (p->is_terminal || p->is_changed)
        draw(p, now_s);
    p->drawn_s = now_s;
}

void progress_show(struct progress *p, double now_s)
{
    struct line l = {.text = BUFFER_EMPTY};
    struct buffer b = BUFFER_EMPTY;

    if (p->style == PROGRESS_NONE || p->is_over)
        return;
    put_line(&l, p, now_s);
    fit_line(&b, &l, SIZE_MAX);
    buffer_put_u8(&b, '\n');
    show_above_line(p, &b);
    buffer_release(&l.text);
    buffer_release(&b);
}

void progress_end(struct progress *p)
{
    struct buffer b = BUFFER_EMPTY;

    if (!p->is_over && p->n_untold > 0)
        count_untold(p, p->counted_s);
    p->is_over = true;
    clear_line(p, &b);
    if (b.n > 0)
        show(p, &b);
    buffer_release(&b);
}

/* --- what cannot wait --- */

static void show_above_line(struct progress *p, const struct buffer *text)
{
    struct buffer b = BUFFER_EMPTY;

    clear_line(p, &b);
    buffer_put(&b, text->bytes, text->n);
    show(p, &b);
    buffer_release(&b);
    p->is_changed = true;
}

static bool is_alike(const struct kind *k, const struct kind *other)
{
    return k->event == other->event && k->program == other->program && k->end == other->end && k->code == other->code;
}

static struct kind *find_kind(struct progress *p, const struct event *e)
{
    struct kind kind = {.event = e->kind, .program = p->graph->tasks[e->task].program};
    uint32_t i = 0;

    if (e->result != NULL) {
        kind.end = e->result->end;
        kind.code = e->result->code;
    }
    while (i < p->n_kinds && !is_alike(&p->kinds[i], &kind))
        i++;
    if (i == KINDS_MAX)
        return &p->kinds[KINDS_MAX - 1];
    if (i == p->n_kinds)
        p->kinds[p->n_kinds++] = kind;
    return &p->kinds[i];
}

static void put_kind(struct buffer *b, const struct progress *p, const struct kind *k)
{
    const char *program = p->graph->n_programs > 0 ? p->graph->programs[k->program] : "";
    char how[OUTCOME_BYTES];

    outcome_classify(k->end, k->code, how);
    buffer_printf(b, "%" PRIu32 " more %s", k->n_untold,
                  k->event == EVENT_TASK_RETRIED ? "attempts failed, to be made again" : "failed");
    if (program[0] != '\0') {
        buffer_printf(b, ", of ");
        failure_put_visible(b, program, strlen(program));
    }
    buffer_printf(b, ": ");
    failure_put_visible(b, how, strlen(how));
    buffer_put_u8(b, '\n');
}

static struct kind *find_most_untold(struct progress *p)
{
    struct kind *most = &p->kinds[0];

    for (uint32_t i = 1; i < p->n_kinds; i++)
        if (p->kinds[i].n_untold > most->n_untold)
            most = &p->kinds[i];
    return most;
}

static void count_untold(struct progress *p, double now_s)
{
    struct buffer b = BUFFER_EMPTY;

    for (int i = 0; i < KINDS_COUNTED && p->n_untold > 0; i++) {
        struct kind *most = find_most_untold(p);

        put_kind(&b, p, most);
        p->n_untold -= most->n_untold;
        most->n_untold = 0;
    }
    if (p->n_untold > 0)
        buffer_printf(&b, "%" PRIu32 " more failed in other ways\n", p->n_untold);
    for (uint32_t i = 0; i < p->n_kinds; i++)
        p->kinds[i].n_untold = 0;
    p->n_untold = 0;
    p->counted_s = now_s;
    show_above_line(p, &b);
    buffer_release(&b);
}

static const char *node_name(const struct progress *p, uint32_t node, char number[32])
{
    if (node < p->n_nodes && p->nodes[node] != NULL)
        return p->nodes[node];
    snprintf(number, 32, "node %" PRIu32, node);
    return number;
}

static void put_where_the_rest_is(struct buffer *b, struct progress *p)
{
    if (p->has_said_where)
        return;
    p->has_said_where = true;
    buffer_printf(b, "More like this are only counted; `ganger logs ");
    failure_put_visible(b, p->run_path, strlen(p->run_path));
    buffer_printf(b, " --failed` prints what all failed tasks wrote.\n");
}

static void put_failure(struct buffer *b, struct progress *p, const struct event *e)
{
    struct kind *k = find_kind(p, e);
    char number[32];

    if (++k->n <= EQUALS_MAX && p->n_reported < REPORTS_MAX) {
        p->n_reported++;
        failure_put(b, p->graph, e, node_name(p, e->node, number));
        return;
    }
    put_where_the_rest_is(b, p);
    if (p->n_untold == 0)
        p->counted_s = e->time_s;
    k->n_untold++;
    p->n_untold++;
}

static void put_loss(struct buffer *b, const struct progress *p, const struct event *e)
{
    char number[32];
    const char *name = node_name(p, e->node, number);

    buffer_printf(b, "Worker %" PRIu32 " on ", e->worker);
    failure_put_visible(b, name, strlen(name));
    buffer_printf(b, " is lost: ");
    failure_put_visible(b, e->text != NULL ? e->text : "?", e->text != NULL ? strlen(e->text) : 1);
    buffer_put_u8(b, '\n');
}

static bool ended_well(const struct event *e)
{
    return e->result != NULL && e->result->end == TASK_EXITED && e->result->code == 0;
}

static void put_report(struct buffer *b, struct progress *p, const struct event *e)
{
    char number[32];

    if (e->kind == EVENT_WORKER_LOST) {
        put_loss(b, p, e);
    } else if (e->kind == EVENT_RUN_STOPPING) {
        buffer_printf(b, "Nothing more is started: ");
        failure_put_visible(b, e->text != NULL ? e->text : "?", e->text != NULL ? strlen(e->text) : 1);
        buffer_put_u8(b, '\n');
    } else if (e->kind == EVENT_NODE_SETUP || e->kind == EVENT_NODE_TEARDOWN) {
        if (!ended_well(e))
            failure_put(b, p->graph, e, node_name(p, e->node, number));
    } else if (e->task < p->graph->n_tasks) {
        put_failure(b, p, e);
    }
}

static const char label[] = "FAILED";
static const char red_label[] = "\033[31mFAILED\033[m";

static void report(struct progress *p, const struct event *e)
{
    struct buffer b = BUFFER_EMPTY, coloured = BUFFER_EMPTY;

    if (p->style == PROGRESS_NONE || p->is_over)
        return;
    put_report(&b, p, e);
    if (p->has_colour && b.n >= sizeof(label) && memcmp(b.bytes, label, sizeof(label) - 1) == 0) {
        buffer_put(&coloured, red_label, sizeof(red_label) - 1);
        buffer_put(&coloured, b.bytes + sizeof(label) - 1, b.n - (sizeof(label) - 1));
    }
    if (b.n > 0)
        show_above_line(p, coloured.n > 0 ? &coloured : &b);
    buffer_release(&b);
    buffer_release(&coloured);
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
    bool is_allowed;

    if (e->task >= p->graph->n_tasks || task_is_join(&p->graph->tasks[e->task]))
        return;
    is_allowed = failure_is_allowed(p->graph, e);
    p->n_kept += e->kind == EVENT_TASK_KEPT || e->kind == EVENT_TASK_UNCHANGED;
    p->n_done += e->kind == EVENT_TASK_DONE;
    p->n_failed += e->kind == EVENT_TASK_FAILED && !is_allowed;
    p->n_allowed += is_allowed;
    p->n_skipped += e->kind == EVENT_TASK_SKIPPED;
    p->n_not_needed += e->kind == EVENT_TASK_NOT_NEEDED;
    p->n_cancelled += e->kind == EVENT_TASK_CANCELLED;
}

void progress_sink(void *data, const struct event *event)
{
    struct progress *p = data;

    p->is_changed = true;
    if (p->forecast != NULL)
        forecast_hear(p->forecast, event);
    switch (event->kind) {
    case EVENT_NODE_JOINED: name_node(p, event); break;
    case EVENT_WORKER_JOINED: p->n_workers++; break;
    case EVENT_WORKER_LOST:
        p->n_workers -= p->n_workers > 0;
        report(p, event);
        break;
    case EVENT_RUN_STOPPING:
    case EVENT_TASK_RETRIED:
    case EVENT_NODE_SETUP:
    case EVENT_NODE_TEARDOWN: report(p, event); break;
    case EVENT_TASK_FAILED:
        count_task(p, event);
        report(p, event);
        break;
    case EVENT_CALLS_DONE: p->n_done += event->n_calls; break;
    case EVENT_TASK_ADDED: p->n_tasks++; break;
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_ENDED:
    case EVENT_TASK_AGAIN:
    case EVENT_TASK_STARTED: break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_UNCHANGED:
    case EVENT_TASK_DONE:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_SKIPPED:
    case EVENT_TASK_NOT_NEEDED: count_task(p, event); break;
    }
}
