#include "io/workflow.h"

#include "base/file.h"
#include "base/source.h"
#include "io/workflow_draft.h"
#include "io/workflow_header.h"
#include "io/workflow_stated.h"
#include "io/workflow_task.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JSON_FLAGS JSON_REJECT_DUPLICATES
#define LINE_MAX_BYTES (6 * 1024 * 1024) /* of a task: see begins_json_lines */

/* `line` is that of the file. */
static int refuse_json(const struct draft *d, uint64_t line, const json_error_t *error,
                       struct ganger_error *err)
{
    const char *remedy = "";

    if (json_error_code(error) == json_error_premature_end_of_input)
        remedy = "; it ends too early: is the file complete?";
    else if (json_error_code(error) == json_error_invalid_utf8)
        remedy = "; the file must be UTF-8";
    else if (json_error_code(error) == json_error_null_character)
        remedy = "; no text may hold a NUL";
    error_set(err, ERROR_USAGE, "%.1000s:%" PRIu64 ":%d: %s%s", d->file, line, error->column, error->text,
              remedy);
    return draft_make_printable(err);
}

static int read_document(struct draft *d, json_t *root, struct ganger_error *err)
{
    json_t *tasks;
    json_t *object;
    size_t i;

    if (header_read(d, root, &tasks, err) != 0)
        return -1;
    if (tasks == NULL)
        return draft_refuse(d, err, "the workflow has no \"tasks\"; write \"tasks\": [{\"id\": \"a\", \"command\": "
                                    "[\"program\"]}]");
    d->is_document = true;
    json_array_foreach (tasks, i, object) {
        d->number = i + 1;
        if (task_read(d, object, err) != 0)
            return -1;
    }
    d->number = 0;
    d->id = NULL;
    return 0;
}

static bool is_task(const json_t *object)
{
    return json_object_get(object, "id") != NULL || json_object_get(object, "command") != NULL ||
           json_object_get(object, "function") != NULL;
}

/* ---- the three forms */

/* Reads a line that has been parsed; takes the object (NULL: nothing). */
static int read_json_line(struct draft *d, json_t *object, uint64_t line, struct ganger_error *err)
{
    bool is_first = d->line == 0;
    json_t *tasks;
    int status;

    if (object == NULL)
        return 0;
    d->line = line;
    d->id = NULL;
    if (is_first && json_is_object(object) && !is_task(object))
        status = header_read(d, object, &tasks, err);
    else
        status = task_read(d, object, err);
    json_decref(object);
    return status;
}

/* The id of a task that will be read after the next line was parsed: time enough for memory to answer. */
static void announce_id(const struct draft *d, json_t *object)
{
    void *first = json_object_iter(object);
    const json_t *value = first ? json_object_iter_value(first) : NULL;

    if (json_is_string(value) && strcmp(json_object_iter_key(first), words_of_task.words[KEY_ID].key) == 0)
        name_index_prepare(&d->g->index, json_string_value(value), json_string_length(value));
}

static int read_json_lines(struct draft *d, struct source *s, struct ganger_error *err)
{
    json_t *parsed = NULL; /* not read yet */
    uint64_t parsed_line = 0;
    const char *line;
    size_t length;
    int taken;

    for (uint64_t number = 1; (taken = source_take_line(s, &line, &length, err)) > 0; number++) {
        json_error_t error;
        json_t *object;

        if (!text_says_something(line, length))
            continue;
        object = json_loadb(line, length, JSON_FLAGS, &error);
        announce_id(d, object);
        if (read_json_line(d, parsed, parsed_line, err) != 0) {
            json_decref(object);
            return -1;
        }
        if (object == NULL)
            return refuse_json(d, number, &error, err);
        parsed = object;
        parsed_line = number;
    }
    if (read_json_line(d, parsed, parsed_line, err) != 0)
        return -1;
    d->line = 0;
    d->id = NULL;
    return taken;
}

/* Commands may hold any text, but not what is no text: a program given by mistake, say. */
static int check_text(const struct draft *d, const char *line, size_t n_bytes, struct ganger_error *err)
{
    json_t *text;

    if (memchr(line, '\0', n_bytes) != NULL)
        return draft_refuse(d, err, "the line holds a NUL: this is neither JSON nor a list of commands");
    text = json_stringn(line, n_bytes);
    if (text == NULL)
        return draft_refuse(d, err, "the line is not UTF-8: a list of commands must be");
    json_decref(text);
    return 0;
}

static int read_list_line(struct draft *d, const char *line, size_t n_bytes, struct ganger_error *err)
{
    char id[16];

    if (check_text(d, line, n_bytes, err) != 0)
        return -1;
    if (n_bytes > 0 && line[n_bytes - 1] == '\r')
        n_bytes--;
    while (n_bytes > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n_bytes--;
    }
    if (!text_says_something(line, n_bytes) || *line == '#')
        return 0;
    if (d->g->n_tasks >= TASKS_MAX)
        return draft_refuse_too_many(d, err);
    snprintf(id, sizeof(id), "%" PRIu32, d->g->n_tasks + 1);
    d->id = id;
    if (task_read_shell_line(d, line, n_bytes, err) != 0)
        return -1;
    d->id = NULL;
    return 0;
}

static int read_list(struct draft *d, struct source *s, struct ganger_error *err)
{
    const char *line;
    size_t length;
    int taken;

    d->g->ids_are_places = true;
    while ((taken = source_take_line(s, &line, &length, err)) > 0) {
        d->line++;
        if (read_list_line(d, line, length, err) != 0)
            return -1;
    }
    d->line = 0;
    return taken;
}

static int read_whole_json(struct draft *d, struct source *s, struct ganger_error *err)
{
    json_error_t error;
    json_t *root;
    int status;

    if (source_take_all(s, err) != 0)
        return -1;
    root = json_loadb(s->next, (size_t)(s->end - s->next), JSON_FLAGS, &error);
    if (root == NULL)
        return refuse_json(d, (uint64_t)error.line, &error, err);
    if (json_is_object(root))
        status = read_document(d, root, err);
    else
        status = draft_refuse(d, err, "a workflow must be an object, not %s; write {\"tasks\": [...]}",
                              draft_type_name(root));
    json_decref(root);
    return status;
}

/* What the form is told by. */
struct opening
{
    const char *line; /* the first that says something, from its first character that is not blank */
    size_t n_bytes;
    bool is_alone; /* nothing but blanks after it, as far as is known */
};

static const char *skip_blanks(const char *text, const char *end)
{
    while (text < end && text_is_blank(*text))
        text++;
    return text;
}

static struct opening find_opening(const struct source *s)
{
    const char *line = skip_blanks(s->next, s->end);
    const char *newline = memchr(line, '\n', (size_t)(s->end - line));
    const char *end = newline ? newline : s->end;

    return (struct opening){line, (size_t)(end - line), skip_blanks(end, s->end) == s->end};
}

/* Is the first line an object by itself, and not a whole document on one line? A very long line alone is
 * no task, and is not parsed to find out. */
static bool begins_json_lines(const struct opening *o)
{
    json_t *first;
    bool is_line;

    if (memchr(o->line, '}', o->n_bytes) == NULL || (o->is_alone && o->n_bytes > LINE_MAX_BYTES))
        return false;
    first = json_loadb(o->line, o->n_bytes, 0, NULL);
    is_line = json_is_object(first) && json_object_get(first, "tasks") == NULL &&
              (!o->is_alone || is_task(first));
    json_decref(first);
    return is_line;
}

/* A list may begin with the command `[`; only what is JSON from one end to the other is an array. */
static int is_json_array(struct source *s, struct ganger_error *err)
{
    json_t *root;
    int is_array;

    if (source_take_all(s, err) != 0)
        return -1;
    root = json_loadb(s->next, (size_t)(s->end - s->next), 0, NULL);
    is_array = json_is_array(root);
    json_decref(root);
    return is_array;
}

/* Some editors put a mark in front that says "UTF-8". */
static int skip_byte_order_mark(struct source *s, struct ganger_error *err)
{
    int filled = 1;

    while (s->end - s->next < 3 && filled > 0)
        filled = source_fill(s, err);
    if (s->end - s->next >= 3 && memcmp(s->next, "\xef\xbb\xbf", 3) == 0)
        s->next += 3;
    return filled < 0 ? -1 : 0;
}

static int read_any(struct draft *d, struct source *s, struct ganger_error *err)
{
    struct opening o;
    int filled = 1;
    int is_array;

    if (skip_byte_order_mark(s, err) != 0)
        return -1;
    while ((o = find_opening(s)).is_alone && filled > 0)
        filled = source_fill(s, err);
    if (filled < 0)
        return -1;
    if (o.n_bytes == 0)
        return draft_refuse(d, err, "the file is empty; a workflow is JSON, JSON Lines or a list of commands");
    if (*o.line == '{')
        return begins_json_lines(&o) ? read_json_lines(d, s, err) : read_whole_json(d, s, err);
    is_array = *o.line == '[' ? is_json_array(s, err) : 0;
    if (is_array < 0)
        return -1;
    return is_array ? read_whole_json(d, s, err) : read_list(d, s, err);
}

/* ---- from a document to a graph */

/* What is left to do when the document has been read, and is no longer needed. */
static int draft_finish(struct draft *d, struct ganger_error *err)
{
    task_id child = TASK_NONE;
    uint64_t place = 0;

    if (d->g->n_tasks == 0)
        return draft_refuse(d, err, "the workflow has no tasks");
    if (dependency_resolve(&d->dependencies, &child, &place, err) != 0) {
        *(d->is_document ? &d->number : &d->line) = place;
        d->id = d->g->tasks[child].id;
        return draft_put_place_in_front(d, err);
    }
    file_table_resolve(&d->files);
    dependency_release(&d->dependencies);
    file_table_release(&d->files);
    if (graph_seal(d->g, err) != 0)
        return draft_put_place_in_front(d, err);
    return 0;
}

/* Reads all of `s`, and releases it. */
static int read_source(struct workflow *w, const char *file, struct source *s, struct ganger_error *err)
{
    struct draft d;
    int status;

    draft_init(&d, file);
    status = read_any(&d, s, err);
    if (status == 0)
        status = draft_finish(&d, err);
    if (status == 0) {
        *w = (struct workflow){d.name ? d.name : file_stem(file), source_digest(s), d.g};
        d.name = NULL;
        d.g = NULL;
    }
    draft_release(&d);
    source_release(s);
    return status;
}

int workflow_parse(struct workflow *w, const char *name, const char *bytes, size_t n_bytes,
                   struct ganger_error *err)
{
    struct source s;

    source_init(&s, name, -1, bytes, n_bytes);
    return read_source(w, name, &s, err);
}

static int open_file(const char *path, struct ganger_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(err, ERROR_USAGE, "cannot open the workflow %.1000s", path);
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(fd);
        return error_set(err, ERROR_USAGE, "%.1000s is a directory; give the workflow file in it", path);
    }
    return fd;
}

int workflow_load(struct workflow *w, const char *path, struct ganger_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "stdin" : path;
    int fd = is_stdin ? STDIN_FILENO : open_file(path, err);
    struct source s;
    int status;

    if (fd < 0)
        return -1;
    source_init(&s, name, fd, NULL, 0);
    status = read_source(w, name, &s, err);
    if (!is_stdin)
        close(fd);
    return status;
}

static int refuse_resource(const struct graph *g, const char *name, struct ganger_error *err)
{
    const char *near = stated_find_meant_resource(g, name);

    if (near != NULL)
        return error_set(err, ERROR_USAGE, "the workflow declares no resource \"%.80s\"; did you mean \"%s\"?", name,
                         near);
    return error_set(err, ERROR_USAGE, "the workflow declares no resource \"%.80s\"; its \"resources\" must name it",
                     name);
}

/* How much of a resource a task takes. */
static uint32_t amount_of(const struct graph *g, const struct task *task, uint32_t resource)
{
    const struct task_resources *r = &g->resources[task->resource_class]; /* of a join: that of one core */

    for (uint32_t i = 0; i < r->n_amounts; i++)
        if (r->amounts[i].resource == resource)
            return r->amounts[i].n;
    return 0;
}

int workflow_set_amount(struct workflow *w, const char *name, uint32_t n, struct ganger_error *err)
{
    struct graph *g = w->graph;
    uint32_t resource = graph_find_named(g, name);

    if (resource == UINT32_MAX)
        return refuse_resource(g, name, err);
    for (task_id t = 0; t < g->n_tasks; t++) {
        uint32_t wanted = amount_of(g, &g->tasks[t], resource);

        if (wanted > n)
            return error_set(err, ERROR_USAGE,
                             "task \"%s\" takes %" PRIu32 " of the resource \"%s\", more than the %" PRIu32 " there "
                             "would be",
                             g->tasks[t].id, wanted, name, n);
    }
    g->named[resource].n = n;
    return 0;
}

void workflow_release(struct workflow *w)
{
    free(w->name);
    graph_free(w->graph);
    *w = (struct workflow){NULL, 0, NULL};
}
