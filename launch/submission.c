#include "launch/submission.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "submit.json"
#define FORMAT 1

void submission_release(struct submission *s)
{
    free(s->run);
    free(s->workflow);
    free(s->copy);
    free(s->cwd);
    group_release(&s->group);
    resource_set_release(&s->set);
    for (size_t i = 0; i < s->chain.n_later; i++)
        resource_set_release(&s->chain.later[i]);
    free(s->chain.later);
    *s = (struct submission){.run = NULL};
}

struct resource_set submission_next_set(const struct submission *s)
{
    struct resource_set set = {
        .type = xstrdup(s->set.type),
        .group = xstrdup(s->set.group),
        .n_workers = s->set.n_workers,
        .runtime_s = s->set.runtime_s,
        .job = xstrdup(""),
        .token = backend_draw_token(),
        .script = xstrdup(s->set.script),
        .log = xstrdup(s->set.log),
        .host = xstrdup(""),
    };

    set.comment = xasprintf("ganger:%s:%s", set.token, s->run);
    return set;
}

/* ---- writing ---- */

/* JSON holds UTF-8 only, and paths any bytes. */
static void set_path(json_t *object, const char *name, const char *path)
{
    char *text = utf8_repaired(path);

    json_object_set_new(object, name, json_string(text));
    free(text);
}

static json_t *chain_to_json(const struct chain *chain)
{
    json_t *object = json_object(), *later = json_array();

    json_object_set_new(object, "most", json_integer(chain->n_most));
    json_object_set_new(object, "jobs", json_integer(chain->n_jobs));
    json_object_set_new(object, "up_front", json_boolean(chain->is_up_front));
    json_object_set_new(object, "cancelled", json_boolean(chain->is_cancelled));
    json_object_set_new(object, "done_before", json_integer(chain->n_done));
    for (size_t i = 0; i < chain->n_later; i++)
        json_array_append_new(later, resource_set_to_json(&chain->later[i]));
    json_object_set_new(object, "later", later);
    return object;
}

static char *text_of(const struct submission *s)
{
    json_t *object = json_object();
    char *text;

    json_object_set_new(object, "format", json_integer(FORMAT));
    json_object_set_new(object, "ganger", json_string(GANGER_VERSION));
    set_path(object, "run", s->run);
    set_path(object, "workflow", s->workflow);
    set_path(object, "copy", s->copy);
    set_path(object, "cwd", s->cwd);
    json_object_set_new(object, "tasks", json_integer(s->n_tasks));
    json_object_set_new(object, "epoch", json_integer(s->epoch));
    json_object_set_new(object, "group", group_to_json(&s->group));
    json_object_set_new(object, "resource_set", resource_set_to_json(&s->set));
    if (s->chain.n_most > 0)
        json_object_set_new(object, "chain", chain_to_json(&s->chain));
    text = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return text;
}

static int write_durably(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status = fd >= 0 && file_write(fd, text, strlen(text)) == 0 && fsync(fd) == 0 ? 0 : -1;

    if (fd >= 0)
        close(fd);
    return status;
}

int submission_write(const struct submission *s, struct ganger_error *err)
{
    char *path = xasprintf("%s/" NAME, s->run), *beside = xasprintf("%s.%d", path, (int)getpid());
    char *text = text_of(s);
    int status = -1;

    if (text == NULL)
        error_set(err, ERROR_USAGE, "%s: a name in it is no valid UTF-8", path);
    else if (write_durably(beside, text) < 0 || rename(beside, path) < 0)
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot be written", path);
    else
        status = 0;
    if (status < 0)
        unlink(beside);
    free(text);
    free(beside);
    free(path);
    return status;
}

void submission_remove(const struct submission *s)
{
    char *path = xasprintf("%s/" NAME, s->run);

    unlink(path);
    free(path);
}

/* ---- reading ---- */

static char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return xstrdup(text != NULL ? text : "");
}

static uint32_t number_in(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));

    return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static int read_chain(struct chain *chain, const json_t *object, struct ganger_error *err)
{
    const json_t *later = json_object_get(object, "later"), *set;
    size_t i;

    chain->n_most = number_in(object, "most");
    chain->n_jobs = number_in(object, "jobs");
    chain->n_done = number_in(object, "done_before");
    chain->is_up_front = json_is_true(json_object_get(object, "up_front"));
    chain->is_cancelled = json_is_true(json_object_get(object, "cancelled"));
    chain->later = xcalloc(json_array_size(later) + 1, sizeof(*chain->later));
    json_array_foreach(later, i, set) {
        if (resource_set_from_json(&chain->later[i], set, err) < 0)
            return -1;
        chain->n_later++;
    }
    return 0;
}

static int read_object(struct submission *s, const json_t *object, struct ganger_error *err)
{
    json_int_t format = json_integer_value(json_object_get(object, "format"));

    if (format > FORMAT)
        return error_set(err, ERROR_USAGE, "it was written by a newer ganger (format %d)", (int)format);
    if (format != FORMAT)
        return error_set(err, ERROR_USAGE, "it is no record of a submission");
    if (group_from_json(&s->group, json_object_get(object, "group"), err) < 0 ||
        resource_set_from_json(&s->set, json_object_get(object, "resource_set"), err) < 0 ||
        read_chain(&s->chain, json_object_get(object, "chain"), err) < 0)
        return -1;
    s->workflow = text_in(object, "workflow");
    s->copy = text_in(object, "copy");
    s->cwd = text_in(object, "cwd");
    s->n_tasks = number_in(object, "tasks");
    s->epoch = number_in(object, "epoch");
    return 0;
}

/* The directory may have been moved: where it is now counts. */
int submission_read(struct submission *s, const char *run, struct ganger_error *err)
{
    char *path = xasprintf("%s/" NAME, run);
    json_error_t trouble;
    json_t *object;
    int status = 1;

    *s = (struct submission){.run = NULL};
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        free(path);
        return 0;
    }
    object = json_load_file(path, JSON_REJECT_DUPLICATES, &trouble);
    if (object == NULL)
        status = error_set(err, ERROR_SYSTEM, "%s: line %d: %s", path, trouble.line, trouble.text);
    else if (read_object(s, object, err) < 0)
        status = error_prefix(err, "%s: ", path);
    s->run = xstrdup(run);
    if (status < 0)
        submission_release(s);
    json_decref(object);
    free(path);
    return status;
}
