#include "io/import_trace.h"

#include "base/alloc.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *trace_task_id(const void *data, uint32_t number)
{
    return ((const struct trace *)data)->tasks[number].id;
}

static const char *task_name_of(const void *data, uint32_t number)
{
    return json_string_value(json_object_get(((const struct trace *)data)->tasks[number].spec, "name"));
}

static const char *file_id_of(const void *data, uint32_t number)
{
    return ((const struct trace *)data)->files[number].id;
}

int trace_refuse(const struct trace *t, struct ganger_error *err, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return import_refuse(t->im, 0, err, "%s", text);
}

/* ---- tasks */

static int add_task(struct trace *t, json_t *spec, size_t place, struct ganger_error *err)
{
    json_t *id = json_object_get(spec, "id");
    struct trace_task *task = &t->tasks[t->n_tasks];
    const char *flaw;

    if (!json_is_object(spec))
        return trace_refuse(t, err, "task %zu is not an object", place + 1);
    if (id == NULL && t->is_old)
        id = json_object_get(spec, "name");
    if (!json_is_string(id))
        return trace_refuse(t, err, "task %zu has no \"id\" that is a string", place + 1);
    *task = (struct trace_task){json_string_value(id), spec, t->is_old ? spec : NULL};
    if ((flaw = import_find_flaw_of_id(task->id, json_string_length(id))) != NULL)
        return trace_refuse(t, err, "task %zu: its id \"%.60s\" %s; ganger needs another one", place + 1, task->id,
                            flaw);
    if (name_index_add(&t->task_index, task->id, strlen(task->id), t->n_tasks, trace_task_id, t) != NAME_NOT_FOUND)
        return trace_refuse(t, err, "two tasks have the id \"%.255s\"; give each its own", task->id);
    t->n_tasks++;
    if (json_is_string(json_object_get(spec, "name")))
        name_index_add(&t->name_index, task_name_of(t, t->n_tasks - 1), strlen(task_name_of(t, t->n_tasks - 1)),
                       t->n_tasks - 1, task_name_of, t);
    return 0;
}

static int add_tasks(struct trace *t, json_t *tasks, struct ganger_error *err)
{
    json_t *spec;
    size_t i;

    if (!json_is_array(tasks) || json_array_size(tasks) == 0 || json_array_size(tasks) > UINT32_MAX / 2)
        return trace_refuse(t, err, "it has no tasks: \"tasks\" in \"%s\" must be an array with at least one",
                      t->is_old ? "workflow" : "specification");
    t->tasks = xcalloc(json_array_size(tasks), sizeof(*t->tasks));
    json_array_foreach (tasks, i, spec)
        if (add_task(t, spec, i, err) != 0)
            return -1;
    return 0;
}

/* The task that a link means, by its id, or by its name as old versions do. NAME_NOT_FOUND: none. */
static uint32_t find_task(const struct trace *t, const char *link)
{
    uint32_t found = name_index_find(&t->task_index, link, strlen(link), trace_task_id, t);

    return found != NAME_NOT_FOUND ? found : name_index_find(&t->name_index, link, strlen(link), task_name_of, t);
}

static int add_executions(struct trace *t, json_t *executions, struct ganger_error *err)
{
    json_t *run;
    size_t i;

    json_array_foreach (executions, i, run) {
        const char *id = json_string_value(json_object_get(run, "id"));
        uint32_t task = id != NULL ? find_task(t, id) : NAME_NOT_FOUND;

        if (id == NULL)
            return trace_refuse(t, err, "task %zu of \"execution\" has no \"id\" that is a string", i + 1);
        if (task == NAME_NOT_FOUND)
            import_warn(t->im, "\"execution\" tells of a task that \"specification\" has not; left out", id);
        else
            t->tasks[task].run = run;
    }
    return 0;
}

static int add_links(struct trace *t, uint32_t number, const char *key, bool is_parent, struct ganger_error *err)
{
    json_t *links = json_object_get(t->tasks[number].spec, key), *link;
    size_t i;

    json_array_foreach (links, i, link) {
        uint32_t other = json_is_string(link) ? find_task(t, json_string_value(link)) : NAME_NOT_FOUND;

        if (other == NAME_NOT_FOUND)
            return trace_refuse(t, err, "task \"%.255s\": \"%s\" names \"%.255s\", which no task is called; correct it",
                          t->tasks[number].id, key, json_is_string(link) ? json_string_value(link) : "(no string)");
        import_add_edge(t->im, is_parent ? other : number, is_parent ? number : other);
    }
    return 0;
}

/* ---- files */

static int read_size(struct trace *t, json_t *size, const char *id, uint64_t *n_bytes, struct ganger_error *err)
{
    double number = json_number_value(size);

    *n_bytes = 0;
    if (!json_is_number(size)) {
        import_warn(t->im, "a file states no size; it is taken to be empty", id);
        return 0;
    }
    if (!(number >= 0 && number < 9e18))
        return trace_refuse(t, err, "the file \"%.255s\" has the size %g; it must be from 0 to 9e18 bytes", id, number);
    *n_bytes = (uint64_t)number;
    return 0;
}

/* Enters a file that is not known yet. */
static int add_file(struct trace *t, const char *id, json_t *size, struct ganger_error *err)
{
    const char *flaw = import_find_flaw_of_name(id, strlen(id), PATH_MAX - 1);
    uint64_t n_bytes;

    if (flaw != NULL)
        return trace_refuse(t, err, "the name of the file \"%.255s\" %s; rename it", id, flaw);
    if (name_index_add(&t->file_index, id, strlen(id), (uint32_t)t->n_files, file_id_of, t) != NAME_NOT_FOUND)
        return 0;
    t->files = xgrow(t->files, t->n_files, &t->files_capacity, sizeof(*t->files));
    t->files[t->n_files++] = (struct trace_file){.id = id}; /* before anything fails: the index has it */
    if (read_size(t, size, id, &n_bytes, err) != 0)
        return -1;
    t->files[t->n_files - 1].n_bytes = n_bytes;
    return 0;
}

static const char *text_of(json_t *object, const char *key, const char *old_key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : json_string_value(json_object_get(object, old_key));
}

json_t *trace_value(json_t *object, const char *key, const char *old_key)
{
    json_t *value = json_object_get(object, key);

    return value != NULL ? value : json_object_get(object, old_key);
}

/* In old versions a task's files stand in one array of objects. */
const char *trace_next_file(const struct trace *t, uint32_t number, bool is_output, size_t *place)
{
    json_t *spec = t->tasks[number].spec;
    json_t *list = json_object_get(spec, t->is_old ? "files" : is_output ? "outputFiles" : "inputFiles");

    while (*place < json_array_size(list)) {
        json_t *entry = json_array_get(list, (*place)++);
        const char *link = json_string_value(json_object_get(entry, "link"));

        if (!t->is_old && json_is_string(entry))
            return json_string_value(entry);
        if (t->is_old && link != NULL && (strcmp(link, "output") == 0) == is_output)
            return text_of(entry, "name", "id");
    }
    return NULL;
}

struct trace_file *trace_find_file(const struct trace *t, const char *id)
{
    return &t->files[name_index_find(&t->file_index, id, strlen(id), file_id_of, t)];
}

static int add_files_of_tasks(struct trace *t, struct ganger_error *err)
{
    for (uint32_t n = 0; n < t->n_tasks; n++) {
        json_t *files = json_object_get(t->tasks[n].spec, "files"), *entry;
        const char *id;
        size_t i;

        if (t->is_old)
            json_array_foreach (files, i, entry)
                if ((id = text_of(entry, "name", "id")) != NULL &&
                    add_file(t, id, trace_value(entry, "sizeInBytes", "size"), err) != 0)
                    return -1;
        for (int is_output = 0; is_output < 2; is_output++)
            for (size_t place = 0; (id = trace_next_file(t, n, is_output, &place)) != NULL;)
                if (add_file(t, id, NULL, err) != 0)
                    return -1;
    }
    return 0;
}

static int add_files(struct trace *t, json_t *files, struct ganger_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (files, i, entry) {
        const char *id = json_string_value(json_object_get(entry, "id"));

        if (id == NULL)
            return trace_refuse(t, err, "file %zu has no \"id\" that is a string", i + 1);
        if (add_file(t, id, json_object_get(entry, "sizeInBytes"), err) != 0)
            return -1;
    }
    return add_files_of_tasks(t, err);
}

static void find_producers(struct trace *t)
{
    const char *id;

    for (uint32_t n = 0; n < t->n_tasks; n++) {
        for (size_t place = 0; (id = trace_next_file(t, n, true, &place)) != NULL;) {
            struct trace_file *file = trace_find_file(t, id);

            if (file->n_producers > 0 && file->producer == n)
                continue; /* said twice */
            if (file->n_producers++ == 0)
                file->producer = n;
            else
                import_warn(t->im, "a file is written by more than one task; who waits for it is told by \"parents\" "
                            "alone", id);
        }
    }
}

/* Who reads what another writes waits for it. */
static void add_edges_of_files(struct trace *t)
{
    const char *id;

    for (uint32_t n = 0; n < t->n_tasks; n++) {
        for (size_t place = 0; (id = trace_next_file(t, n, false, &place)) != NULL;) {
            struct trace_file *file = trace_find_file(t, id);

            file->is_used = true;
            if (file->n_producers == 1 && file->producer == n)
                import_warn(t->im, "a task reads the file that it writes itself; taken as its output only", id);
            else if (file->n_producers == 1)
                import_add_edge(t->im, file->producer, n);
        }
    }
}

/* ---- from the document to the trace */

/* 1.3 and 1.4 have the tasks, 1.5 has "specification" and "execution". */
static int find_version(struct trace *t, json_t *workflow, struct ganger_error *err)
{
    json_t *version = json_object_get(t->root, "schemaVersion");
    const char *text = json_is_string(version) ? json_string_value(version) : "";

    if (!json_is_object(workflow))
        return trace_refuse(t, err, "it has no \"workflow\", which in WfFormat holds the tasks");
    t->is_old = json_object_get(workflow, "specification") == NULL;
    if (t->is_old && trace_value(workflow, "tasks", "jobs") == NULL)
        return trace_refuse(t, err, "\"workflow\" has neither \"specification\" nor \"tasks\"; WfFormat 1.3 to 1.5 is "
                            "read%s%.40s", *text != '\0' ? ", this states version " : "", text);
    if (strncmp(text, "1.", 2) != 0 && *text != '\0')
        return trace_refuse(t, err, "WfFormat \"%.40s\" is not known; 1.3 to 1.5 are read: convert it with wfcommons",
                            text);
    if (strcmp(text, "1.5") != 0 && strcmp(text, "1.4") != 0 && strcmp(text, "1.3") != 0)
        import_warn(t->im, "it states no version of WfFormat that is known (1.3 to 1.5); read by what it holds", text);
    return 0;
}

static int read_workflow(struct trace *t, struct ganger_error *err)
{
    json_t *workflow = json_object_get(t->root, "workflow");
    json_t *spec;

    if (find_version(t, workflow, err) != 0)
        return -1;
    spec = t->is_old ? workflow : json_object_get(workflow, "specification");
    if (add_tasks(t, t->is_old ? trace_value(workflow, "tasks", "jobs") : json_object_get(spec, "tasks"), err) != 0)
        return -1;
    if (!t->is_old &&
        add_executions(t, json_object_get(json_object_get(workflow, "execution"), "tasks"), err) != 0)
        return -1;
    for (uint32_t n = 0; n < t->n_tasks; n++)
        if (add_links(t, n, "parents", true, err) != 0 || add_links(t, n, "children", false, err) != 0)
            return -1;
    if (add_files(t, t->is_old ? NULL : json_object_get(spec, "files"), err) != 0)
        return -1;
    find_producers(t);
    add_edges_of_files(t);
    import_sort_edges(t->im, t->n_tasks);
    return 0;
}

int trace_read(struct trace *t, const char *bytes, size_t n_bytes, struct ganger_error *err)
{
    json_error_t flaw;

    t->root = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &flaw);
    if (t->root == NULL)
        return import_refuse(t->im, flaw.line > 0 ? (uint64_t)flaw.line : 0, err, "%s", flaw.text);
    return read_workflow(t, err);
}

void trace_release(struct trace *t)
{
    name_index_release(&t->task_index);
    name_index_release(&t->name_index);
    name_index_release(&t->file_index);
    free(t->tasks);
    free(t->files);
    json_decref(t->root);
}
