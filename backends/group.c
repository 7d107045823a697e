#include "backends/group.h"

#include "base/alloc.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void text_list_add(struct text_list *list, const char *text)
{
    list->each = xgrow(list->each, list->n, &list->capacity, sizeof(*list->each));
    list->each[list->n++] = xstrdup(text);
}

void text_list_release(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->each[i]);
    free(list->each);
    *list = (struct text_list){NULL, 0, 0};
}

void group_release(struct group *g)
{
    free(g->name);
    free(g->backend);
    free(g->partition);
    free(g->account);
    free(g->qos);
    free(g->constraint);
    text_list_release(&g->directives);
    *g = (struct group){.name = NULL};
}

void resource_set_release(struct resource_set *set)
{
    free(set->type);
    free(set->group);
    free(set->job);
    free(set->token);
    free(set->comment);
    free(set->script);
    free(set->log);
    free(set->host);
    *set = (struct resource_set){.type = NULL};
}

/* ---- writing ---- */

/* JSON knows no infinity; -1 stands for it. */
static double finite_of(double seconds)
{
    return isfinite(seconds) ? seconds : -1;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(object, name, json_string(text));
}

json_t *group_to_json(const struct group *g)
{
    json_t *object = json_object(), *directives = json_array();

    set_text(object, "name", g->name);
    set_text(object, "backend", g->backend);
    json_object_set_new(object, "nodes", json_integer(g->n_nodes));
    json_object_set_new(object, "cores", json_integer(g->n_cores));
    json_object_set_new(object, "memory", json_integer((json_int_t)g->memory_bytes));
    json_object_set_new(object, "gpus", json_integer(g->n_gpus));
    json_object_set_new(object, "runtime", json_real(finite_of(g->runtime_s)));
    set_text(object, "partition", g->partition);
    set_text(object, "account", g->account);
    set_text(object, "qos", g->qos);
    set_text(object, "constraint", g->constraint);
    for (size_t i = 0; i < g->directives.n; i++)
        json_array_append_new(directives, json_string(g->directives.each[i]));
    json_object_set_new(object, "directives", directives);
    return object;
}

json_t *resource_set_to_json(const struct resource_set *set)
{
    json_t *object = json_object();

    set_text(object, "type", set->type);
    set_text(object, "group", set->group);
    json_object_set_new(object, "workers", json_integer(set->n_workers));
    json_object_set_new(object, "runtime", json_real(finite_of(set->runtime_s)));
    set_text(object, "job", set->job);
    set_text(object, "token", set->token);
    set_text(object, "comment", set->comment);
    set_text(object, "script", set->script);
    set_text(object, "log", set->log);
    json_object_set_new(object, "requested", json_real(set->requested_s));
    json_object_set_new(object, "released", json_boolean(set->is_released));
    set_text(object, "host", set->host);
    json_object_set_new(object, "pid", json_integer(set->pid));
    json_object_set_new(object, "pid_start", json_integer((json_int_t)set->pid_start));
    return object;
}

/* ---- reading ---- */

struct reading
{
    const json_t *object;
    const char *what;
    struct ganger_error *err;
    int status;
};

static const json_t *take(struct reading *r, const char *name, bool is_required)
{
    const json_t *value = json_object_get(r->object, name);

    if (value == NULL && is_required)
        r->status = error_set(r->err, ERROR_USAGE, "%s: \"%s\" is missing", r->what, name);
    return value;
}

static void refuse(struct reading *r, const char *name, const char *wanted)
{
    r->status = error_set(r->err, ERROR_USAGE, "%s: \"%s\" is not %s", r->what, name, wanted);
}

static char *take_text(struct reading *r, const char *name, bool is_required)
{
    const json_t *value = take(r, name, is_required);

    if (value != NULL && !json_is_string(value))
        refuse(r, name, "a string");
    return json_is_string(value) ? xstrdup(json_string_value(value)) : is_required ? xstrdup("") : NULL;
}

static int64_t take_integer(struct reading *r, const char *name, int64_t most)
{
    const json_t *value = take(r, name, true);
    int64_t n = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;

    if (value != NULL && (n < 0 || n > most))
        refuse(r, name, "a whole number that makes sense there");
    return n < 0 || n > most ? 0 : n;
}

/* Any negative number stands for infinity. */
static double take_seconds(struct reading *r, const char *name)
{
    const json_t *value = take(r, name, true);
    double seconds = json_number_value(value);

    if (value != NULL && !json_is_number(value))
        refuse(r, name, "a number of seconds");
    return seconds < 0 ? INFINITY : seconds;
}

static double take_moment(struct reading *r, const char *name)
{
    double seconds = take_seconds(r, name);

    if (isinf(seconds))
        refuse(r, name, "a time in seconds since 1970");
    return seconds;
}

static void take_list(struct reading *r, const char *name, struct text_list *list)
{
    const json_t *array = take(r, name, true), *value;
    size_t i;

    if (array != NULL && !json_is_array(array))
        refuse(r, name, "an array");
    json_array_foreach(array, i, value) {
        if (json_is_string(value))
            text_list_add(list, json_string_value(value));
        else
            refuse(r, name, "an array of strings");
    }
}

int group_from_json(struct group *g, const json_t *object, struct ganger_error *err)
{
    struct reading r = {.object = object, .what = "a group", .err = err};

    *g = (struct group){.name = NULL};
    g->name = take_text(&r, "name", true);
    g->backend = take_text(&r, "backend", true);
    g->n_nodes = (uint32_t)take_integer(&r, "nodes", UINT32_MAX);
    g->n_cores = (uint32_t)take_integer(&r, "cores", UINT32_MAX);
    g->memory_bytes = (uint64_t)take_integer(&r, "memory", INT64_MAX);
    g->n_gpus = (uint32_t)take_integer(&r, "gpus", UINT32_MAX);
    g->runtime_s = take_seconds(&r, "runtime");
    g->partition = take_text(&r, "partition", false);
    g->account = take_text(&r, "account", false);
    g->qos = take_text(&r, "qos", false);
    g->constraint = take_text(&r, "constraint", false);
    take_list(&r, "directives", &g->directives);
    if (r.status < 0)
        group_release(g);
    return r.status;
}

int resource_set_from_json(struct resource_set *set, const json_t *object, struct ganger_error *err)
{
    struct reading r = {.object = object, .what = "a resource set", .err = err};

    *set = (struct resource_set){.type = NULL};
    set->type = take_text(&r, "type", true);
    set->group = take_text(&r, "group", true);
    set->n_workers = (uint32_t)take_integer(&r, "workers", UINT32_MAX);
    set->runtime_s = take_seconds(&r, "runtime");
    set->job = take_text(&r, "job", true);
    set->token = take_text(&r, "token", true);
    set->comment = take_text(&r, "comment", true);
    set->script = take_text(&r, "script", true);
    set->log = take_text(&r, "log", true);
    set->requested_s = take_moment(&r, "requested");
    set->is_released = json_is_true(take(&r, "released", true));
    set->host = take_text(&r, "host", true);
    set->pid = (pid_t)take_integer(&r, "pid", INT32_MAX);
    set->pid_start = take_integer(&r, "pid_start", INT64_MAX);
    if (r.status < 0)
        resource_set_release(set);
    return r.status;
}
