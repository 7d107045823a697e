/* WfFormat, the traces of WfCommons: version 1.5, and 1.3 and 1.4, in which a task holds all that concerns it.
 *
 * The recorded commands become tasks of ours, or, for a replay, calls of ganger-replay (launch/replay). */
#include "base/alloc.h"
#include "base/name_index.h"
#include "io/import_parts.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORES_MAX 65535
#define COST_MAX_S 1e12
/* What one call of ganger-replay may take: Linux gives a program's words a quarter of its stack, 2 MiB mostly. */
#define REPLAY_MAX_BYTES (1536 * 1024)

struct trace_task
{
    const char *id;
    json_t *spec; /* all borrowed from the document */
    json_t *run;  /* how it was executed; in old versions the same as `spec`; NULL: not recorded */
};

struct trace_file
{
    const char *id;
    uint64_t n_bytes;
    uint32_t n_producers;
    uint32_t producer; /* the first one */
    bool is_used;      /* read by some task */
    uint64_t listed;   /* where it was listed last, so that it is listed once */
};

struct trace
{
    struct import *im;
    json_t *root;
    bool is_old; /* before 1.5 */
    struct trace_task *tasks;
    uint32_t n_tasks;
    struct trace_file *files;
    size_t n_files;
    size_t files_capacity;
    struct name_index task_index;
    struct name_index name_index; /* of old versions, whose links name names */
    struct name_index file_index;
};

static const char *task_id_of(const void *data, uint32_t number)
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

static int refuse(const struct trace *t, struct ganger_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const struct trace *t, struct ganger_error *err, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return import_refuse(t->im, 0, err, "%s", text);
}

static bool replays(const struct trace *t)
{
    return t->im->options->replay.scale > 0;
}

static bool replays_files(const struct trace *t)
{
    return replays(t) && t->im->options->replay.files != REPLAY_NONE;
}

/* ---- tasks */

static int add_task(struct trace *t, json_t *spec, size_t place, struct ganger_error *err)
{
    json_t *id = json_object_get(spec, "id");
    struct trace_task *task = &t->tasks[t->n_tasks];
    const char *flaw;

    if (!json_is_object(spec))
        return refuse(t, err, "task %zu is not an object", place + 1);
    if (id == NULL && t->is_old)
        id = json_object_get(spec, "name");
    if (!json_is_string(id))
        return refuse(t, err, "task %zu has no \"id\" that is a string", place + 1);
    *task = (struct trace_task){json_string_value(id), spec, t->is_old ? spec : NULL};
    if ((flaw = import_find_flaw_of_id(task->id, json_string_length(id))) != NULL)
        return refuse(t, err, "task %zu: its id \"%.60s\" %s; ganger needs another one", place + 1, task->id, flaw);
    if (name_index_add(&t->task_index, task->id, strlen(task->id), t->n_tasks, task_id_of, t) != NAME_NOT_FOUND)
        return refuse(t, err, "two tasks have the id \"%.255s\"; give each its own", task->id);
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
        return refuse(t, err, "it has no tasks: \"tasks\" in \"%s\" must be an array with at least one",
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
    uint32_t found = name_index_find(&t->task_index, link, strlen(link), task_id_of, t);

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
            return refuse(t, err, "task %zu of \"execution\" has no \"id\" that is a string", i + 1);
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
            return refuse(t, err, "task \"%.255s\": \"%s\" names \"%.255s\", which no task is called; correct it",
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
        return refuse(t, err, "the file \"%.255s\" has the size %g; it must be from 0 to 9e18 bytes", id, number);
    *n_bytes = (uint64_t)number;
    return 0;
}

/* Enters a file that is not known yet. */
static int add_file(struct trace *t, const char *id, json_t *size, struct ganger_error *err)
{
    const char *flaw = import_find_flaw_of_name(id, strlen(id), PATH_MAX - 1);
    uint64_t n_bytes;

    if (flaw != NULL)
        return refuse(t, err, "the name of the file \"%.255s\" %s; rename it", id, flaw);
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

static json_t *value_of(json_t *object, const char *key, const char *old_key)
{
    json_t *value = json_object_get(object, key);

    return value != NULL ? value : json_object_get(object, old_key);
}

/* A task's next file of one kind, or NULL; *place goes on. In old versions its files stand in one array of objects. */
static const char *next_file(const struct trace *t, uint32_t number, bool is_output, size_t *place)
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

static struct trace_file *find_file(const struct trace *t, const char *id)
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
                    add_file(t, id, value_of(entry, "sizeInBytes", "size"), err) != 0)
                    return -1;
        for (int is_output = 0; is_output < 2; is_output++)
            for (size_t place = 0; (id = next_file(t, n, is_output, &place)) != NULL;)
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
            return refuse(t, err, "file %zu has no \"id\" that is a string", i + 1);
        if (add_file(t, id, json_object_get(entry, "sizeInBytes"), err) != 0)
            return -1;
    }
    return add_files_of_tasks(t, err);
}

static void find_producers(struct trace *t)
{
    const char *id;

    for (uint32_t n = 0; n < t->n_tasks; n++) {
        for (size_t place = 0; (id = next_file(t, n, true, &place)) != NULL;) {
            struct trace_file *file = find_file(t, id);

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
        for (size_t place = 0; (id = next_file(t, n, false, &place)) != NULL;) {
            struct trace_file *file = find_file(t, id);

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
        return refuse(t, err, "it has no \"workflow\", which in WfFormat holds the tasks");
    t->is_old = json_object_get(workflow, "specification") == NULL;
    if (t->is_old && value_of(workflow, "tasks", "jobs") == NULL)
        return refuse(t, err, "\"workflow\" has neither \"specification\" nor \"tasks\"; WfFormat 1.3 to 1.5 is "
                      "read%s%.40s", *text != '\0' ? ", this states version " : "", text);
    if (strncmp(text, "1.", 2) != 0 && *text != '\0')
        return refuse(t, err, "WfFormat \"%.40s\" is not known; 1.3 to 1.5 are read: convert it with wfcommons", text);
    if (strcmp(text, "1.5") != 0 && strcmp(text, "1.4") != 0 && strcmp(text, "1.3") != 0)
        import_warn(t->im, "it states no version of WfFormat that is known (1.3 to 1.5); read by what it holds", text);
    return 0;
}

static int read_trace(struct trace *t, struct ganger_error *err)
{
    json_t *workflow = json_object_get(t->root, "workflow");
    json_t *spec;

    if (find_version(t, workflow, err) != 0)
        return -1;
    spec = t->is_old ? workflow : json_object_get(workflow, "specification");
    if (add_tasks(t, t->is_old ? value_of(workflow, "tasks", "jobs") : json_object_get(spec, "tasks"), err) != 0)
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

/* ---- what a task was */

static int read_runtime(struct trace *t, const struct trace_task *task, double *runtime_s, struct ganger_error *err)
{
    json_t *value = task->run != NULL ? value_of(task->run, "runtimeInSeconds", "runtime") : NULL;

    *runtime_s = json_number_value(value);
    if (!json_is_number(value) && replays(t))
        import_warn(t->im, "a task has no recorded run time; it is replayed in no time", task->id);
    if (!json_is_number(value))
        *runtime_s = -1;
    else if (!(*runtime_s >= 0 && *runtime_s <= COST_MAX_S))
        return refuse(t, err, "task \"%.255s\" ran for %g s; a run time is from 0 to 1e12", task->id, *runtime_s);
    return 0;
}

static int read_cores(struct trace *t, const struct trace_task *task, uint32_t *cores, struct ganger_error *err)
{
    json_t *value = task->run != NULL ? value_of(task->run, "coreCount", "cores") : NULL;
    double n = json_number_value(value);

    *cores = 1;
    if (!json_is_number(value))
        return 0;
    if (!(n >= 0 && n <= CORES_MAX))
        return refuse(t, err, "task \"%.255s\" had %g cores; it must be from 0 to %d", task->id, n, CORES_MAX);
    if (n != ceil(n) || n < 1)
        import_warn(t->im, "a task had a part of a core; rounded up to whole cores", task->id);
    *cores = n < 1 ? 1 : (uint32_t)ceil(n);
    return 0;
}

static const char *program_of(const struct trace_task *task)
{
    const char *program = json_string_value(json_object_get(json_object_get(task->run, "command"), "program"));
    const char *category = json_string_value(json_object_get(task->run, "category"));

    return program != NULL && *program != '\0' ? program : category;
}

/* ---- writing */

static void put_amounts(struct trace *t, const struct trace_task *task, double cost_s, uint32_t cores)
{
    struct buffer *ours = t->im->ours;
    json_t *memory = json_object_get(task->run, "memoryInBytes"), *priority = json_object_get(task->run, "priority");

    if (cost_s >= 0)
        buffer_printf(ours, ",\"cost\":%.9g", cost_s);
    if (cores > 1)
        buffer_printf(ours, ",\"cores\":%" PRIu32, cores);
    if (program_of(task) != NULL)
        import_put_program(t->im, program_of(task), strlen(program_of(task)), task->id);
    if (replays(t))
        return; /* the shape of the trace alone: this machine may have less memory, and its own order */
    if (json_number_value(memory) >= 1 && json_number_value(memory) < 9e18)
        buffer_printf(ours, ",\"memory\":%.0f", json_number_value(memory));
    if (json_is_integer(priority) && llabs(json_integer_value(priority)) <= INT32_MAX)
        buffer_printf(ours, ",\"priority\":%" JSON_INTEGER_FORMAT, json_integer_value(priority));
}

/* A file of its own for each name, inside the replay's folder: what would lead out of it is written %XX. */
static void put_safe_path(struct buffer *b, const char *id)
{
    const char *part = id;

    for (const char *p = id; *p != '\0'; p++) {
        bool leads_out = p == part && (strncmp(p, "./", 2) == 0 || strncmp(p, "../", 3) == 0 ||
                                       strcmp(p, ".") == 0 || strcmp(p, "..") == 0 || *p == '/');

        if (leads_out || *p == '%')
            buffer_printf(b, "%%%02X", (unsigned char)*p);
        else
            buffer_put_u8(b, (uint8_t)*p);
        if (*p == '/')
            part = p + 1;
    }
}

/* "-i","SIZE:PATH", with a comma in front */
static void put_replay_file(struct trace *t, const char *option, const struct trace_file *file)
{
    struct buffer path = BUFFER_EMPTY;

    buffer_printf(&path, "%" PRIu64 ":", file->n_bytes);
    put_safe_path(&path, file->id);
    buffer_printf(t->im->ours, ",\"%s\",", option);
    import_put_text(t->im->ours, path.bytes, path.n);
    buffer_release(&path);
}

static void put_replay_program(struct trace *t)
{
    const struct import_options *o = t->im->options;
    char *name = import_name_of_file(o->file), *dir = xasprintf("%s.replay", name);

    import_put_text(t->im->ours, o->replay_program, strlen(o->replay_program));
    if (o->replay.files != REPLAY_NONE) {
        buffer_printf(t->im->ours, ",\"--dir\",");
        import_put_text(t->im->ours, o->replay.dir != NULL ? o->replay.dir : dir,
                        strlen(o->replay.dir != NULL ? o->replay.dir : dir));
        if (o->replay.files == REPLAY_FULL)
            buffer_printf(t->im->ours, ",\"--full\"");
    }
    free(dir);
    free(name);
}

static int check_replay_size(const struct trace *t, size_t from, const char *what, struct ganger_error *err)
{
    if (t->im->ours->n - from > REPLAY_MAX_BYTES)
        return refuse(t, err, "%.255s has more files than the words of one command can name; replay with "
                      "--replay-files none", what);
    return 0;
}

static int put_replay_command(struct trace *t, uint32_t number, double runtime_s, uint32_t cores,
                              struct ganger_error *err)
{
    const struct replay_options *o = &t->im->options->replay;
    struct buffer *ours = t->im->ours;
    size_t from = ours->n;
    const char *id;

    buffer_put(ours, ",\"command\":[", 12);
    put_replay_program(t);
    buffer_printf(ours, ",\"--%s\",\"%.9f\"", o->mode == REPLAY_SPIN ? "spin" : "sleep",
                  runtime_s > 0 ? runtime_s * o->scale : 0);
    if (o->mode == REPLAY_SPIN && cores > 1)
        buffer_printf(ours, ",\"--cores\",\"%" PRIu32 "\"", cores);
    for (size_t place = 0; replays_files(t) && (id = next_file(t, number, false, &place)) != NULL;)
        if (find_file(t, id)->n_producers == 0 || find_file(t, id)->producer != number)
            put_replay_file(t, "-i", find_file(t, id));
    for (size_t place = 0; replays_files(t) && (id = next_file(t, number, true, &place)) != NULL;)
        put_replay_file(t, "-o", find_file(t, id));
    buffer_put_u8(ours, ']');
    return check_replay_size(t, from, t->tasks[number].id, err);
}

static int put_recorded_command(struct trace *t, const struct trace_task *task, struct ganger_error *err)
{
    json_t *command = json_object_get(task->run, "command"), *arguments, *word;
    const char *program = json_string_value(json_object_get(command, "program"));
    size_t i;

    if (program == NULL || *program == '\0')
        return refuse(t, err, "task \"%.255s\" has no recorded command; --replay SCALE runs stand-ins of the recorded "
                      "length", task->id);
    buffer_put(t->im->ours, ",\"command\":[", 12);
    import_put_text(t->im->ours, program, strlen(program));
    arguments = json_object_get(command, "arguments");
    json_array_foreach (arguments, i, word) {
        const char *text = json_string_value(word);

        if (text == NULL)
            return refuse(t, err, "task \"%.255s\": argument %zu of its command is not a string", task->id, i + 1);
        if (strcmp(text, ">") == 0 || strcmp(text, ">>") == 0 || strcmp(text, "2>") == 0 || strcmp(text, "<") == 0 ||
            strcmp(text, "|") == 0)
            import_warn(t->im, "an argument looks like a redirection of a shell; it is passed to the program as it is",
                        task->id);
        buffer_put_u8(t->im->ours, ',');
        import_put_text(t->im->ours, text, strlen(text));
    }
    buffer_put_u8(t->im->ours, ']');
    return 0;
}

/* "inputs" and "outputs" of a task that runs its recorded command: each once, none that our format would refuse. */
static void put_files(struct trace *t, uint32_t number, bool is_output)
{
    struct buffer *ours = t->im->ours;
    const char *id;
    size_t n = 0;

    for (size_t place = 0; (id = next_file(t, number, is_output, &place)) != NULL;) {
        struct trace_file *file = find_file(t, id);
        bool is_own = file->n_producers > 0 && file->producer == number;
        uint64_t here = 1 + 2 * (uint64_t)number + is_output;

        if (file->listed == here || file->n_producers > 1 || (is_own && !is_output))
            continue;
        file->listed = here;
        if (n++ == 0)
            buffer_printf(ours, ",\"%s\":[", is_output ? "outputs" : "inputs");
        else
            buffer_put_u8(ours, ',');
        import_put_text(ours, id, strlen(id));
    }
    if (n > 0)
        buffer_put_u8(ours, ']');
}

static int put_task(struct trace *t, uint32_t number, struct ganger_error *err)
{
    const struct trace_task *task = &t->tasks[number];
    double runtime_s = 0;
    uint32_t cores = 1;

    if (read_runtime(t, task, &runtime_s, err) != 0 || read_cores(t, task, &cores, err) != 0)
        return -1;
    buffer_put(t->im->ours, "{\"id\":", 6);
    import_put_text(t->im->ours, task->id, strlen(task->id));
    if (replays(t) ? put_replay_command(t, number, runtime_s, cores, err) != 0
                   : put_recorded_command(t, task, err) != 0)
        return -1;
    put_amounts(t, task, replays(t) && runtime_s > 0 ? runtime_s * t->im->options->replay.scale : runtime_s, cores);
    if (!replays(t)) {
        put_files(t, number, false);
        put_files(t, number, true);
    }
    import_put_after(t->im, number, task_id_of, t);
    buffer_put(t->im->ours, "}\n", 2);
    return 0;
}

/* What nobody writes must be there before the first task starts, and making it is no part of the makespan. */
static int put_setup(struct trace *t, struct ganger_error *err)
{
    size_t from = t->im->ours->n;

    buffer_printf(t->im->ours, ",\"node\":{\"setup\":[");
    put_replay_program(t);
    buffer_printf(t->im->ours, ",\"--make\"");
    for (size_t i = 0; i < t->n_files; i++)
        if (t->files[i].is_used && t->files[i].n_producers == 0)
            put_replay_file(t, "-o", &t->files[i]);
    buffer_printf(t->im->ours, "]}");
    return check_replay_size(t, from, "the workflow", err);
}

static int put_header(struct trace *t, struct ganger_error *err)
{
    const char *name = json_string_value(json_object_get(t->root, "name"));
    char *other = import_name_of_file(t->im->options->file);
    int status = 0;

    if (name == NULL || import_find_flaw_of_id(name, strlen(name)) != NULL)
        name = import_find_flaw_of_id(other, strlen(other)) == NULL ? other : "trace";
    buffer_printf(t->im->ours, "{\"name\":");
    import_put_text(t->im->ours, name, strlen(name));
    if (replays_files(t))
        status = put_setup(t, err);
    buffer_printf(t->im->ours, "}\n");
    free(other);
    return status;
}

static int put_trace(struct trace *t, struct ganger_error *err)
{
    if (replays(t) && t->im->options->replay_program == NULL)
        return refuse(t, err, "a replay needs ganger-replay, which is neither beside ganger nor in ../libexec/ganger; "
                      "install it there");
    if (put_header(t, err) != 0)
        return -1;
    for (uint32_t n = 0; n < t->n_tasks; n++)
        if (put_task(t, n, err) != 0)
            return -1;
    return 0;
}

int import_wfformat(struct import *im, const char *bytes, size_t n_bytes, struct ganger_error *err)
{
    struct trace t = {.im = im, .task_index = NAME_INDEX_EMPTY, .name_index = NAME_INDEX_EMPTY,
                      .file_index = NAME_INDEX_EMPTY};
    json_error_t flaw;
    int status;

    t.root = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &flaw);
    if (t.root == NULL)
        return import_refuse(im, flaw.line > 0 ? (uint64_t)flaw.line : 0, err, "%s", flaw.text);
    status = read_trace(&t, err);
    if (status == 0)
        status = put_trace(&t, err);
    name_index_release(&t.task_index);
    name_index_release(&t.name_index);
    name_index_release(&t.file_index);
    free(t.tasks);
    free(t.files);
    json_decref(t.root);
    return status;
}
