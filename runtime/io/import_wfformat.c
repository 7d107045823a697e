/* A trace in WfFormat as tasks of ours: its recorded commands, or, for a replay, calls of ganger-replay
 * (launch/replay). */
#include "base/alloc.h"
#include "base/file.h"
#include "base/utf8.h"
#include "io/import_trace.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CORES_MAX 65535
#define COST_MAX_S 1e12
#define PRIORITY_MAX 1000000000
/* What one call of ganger-replay may take: Linux gives a program's words a quarter of its stack, 2 MiB mostly. */
#define REPLAY_MAX_BYTES (1536 * 1024)

static bool replays(const struct trace *t)
{
    return t->im->options->replay.scale > 0;
}

static bool replays_files(const struct trace *t)
{
    return replays(t) && t->im->options->replay.files != REPLAY_NONE;
}

/* ---- what a task was */

static int read_runtime(struct trace *t, const struct trace_task *task, double *runtime_s, struct ganger_error *err)
{
    json_t *value = task->run != NULL ? trace_value(task->run, "runtimeInSeconds", "runtime") : NULL;

    *runtime_s = json_number_value(value);
    if (!json_is_number(value) && replays(t))
        import_warn(t->im, "a task has no recorded run time; it is replayed in no time", task->id);
    if (!json_is_number(value))
        *runtime_s = -1;
    else if (!(*runtime_s >= 0 && *runtime_s <= COST_MAX_S))
        return trace_refuse(t, err, "task \"%.255s\" ran for %g s; a run time is from 0 to 1e12", task->id, *runtime_s);
    return 0;
}

static int read_cores(struct trace *t, const struct trace_task *task, uint32_t *cores, struct ganger_error *err)
{
    json_t *value = task->run != NULL ? trace_value(task->run, "coreCount", "cores") : NULL;
    double n = json_number_value(value);

    *cores = 1;
    if (!json_is_number(value))
        return 0;
    if (!(n >= 0 && n <= CORES_MAX))
        return trace_refuse(t, err, "task \"%.255s\" had %g cores; it must be from 0 to %d", task->id, n, CORES_MAX);
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
    json_int_t number = json_integer_value(priority);

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
    if (json_is_integer(priority) && number >= -PRIORITY_MAX && number <= PRIORITY_MAX)
        buffer_printf(ours, ",\"priority\":%" JSON_INTEGER_FORMAT, number);
    else if (json_is_integer(priority))
        import_warn(t->im, "a task's priority is beyond 1e9, which is as far as they go here; left out", task->id);
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
    char *name = file_stem(o->file), *utf8 = utf8_repaired(name), *dir = xasprintf("%s.replay", utf8);

    import_put_text(t->im->ours, o->replay_program, strlen(o->replay_program));
    if (o->replay.files != REPLAY_NONE) {
        buffer_printf(t->im->ours, ",\"--dir\",");
        import_put_text(t->im->ours, o->replay.dir != NULL ? o->replay.dir : dir,
                        strlen(o->replay.dir != NULL ? o->replay.dir : dir));
        if (o->replay.files == REPLAY_FULL)
            buffer_printf(t->im->ours, ",\"--full\"");
    }
    free(dir);
    free(utf8);
    free(name);
}

static int check_replay_size(const struct trace *t, size_t from, const char *what, struct ganger_error *err)
{
    if (t->im->ours->n - from > REPLAY_MAX_BYTES)
        return trace_refuse(t, err, "%.255s has more files than the words of one command can name; replay with "
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
    for (size_t place = 0; replays_files(t) && (id = trace_next_file(t, number, false, &place)) != NULL;)
        if (trace_find_file(t, id)->n_producers == 0 || trace_find_file(t, id)->producer != number)
            put_replay_file(t, "-i", trace_find_file(t, id));
    for (size_t place = 0; replays_files(t) && (id = trace_next_file(t, number, true, &place)) != NULL;)
        put_replay_file(t, "-o", trace_find_file(t, id));
    buffer_put_u8(ours, ']');
    return check_replay_size(t, from, t->tasks[number].id, err);
}

static int put_recorded_command(struct trace *t, const struct trace_task *task, struct ganger_error *err)
{
    json_t *command = json_object_get(task->run, "command"), *arguments, *word;
    const char *program = json_string_value(json_object_get(command, "program"));
    size_t i;

    if (program == NULL || *program == '\0')
        return trace_refuse(t, err, "task \"%.255s\" has no recorded command; --replay SCALE runs stand-ins of the "
                            "recorded length", task->id);
    buffer_put(t->im->ours, ",\"command\":[", 12);
    import_put_text(t->im->ours, program, strlen(program));
    arguments = json_object_get(command, "arguments");
    json_array_foreach (arguments, i, word) {
        const char *text = json_string_value(word);

        if (text == NULL)
            return trace_refuse(t, err, "task \"%.255s\": argument %zu of its command is not a string", task->id,
                                i + 1);
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

    for (size_t place = 0; (id = trace_next_file(t, number, is_output, &place)) != NULL;) {
        struct trace_file *file = trace_find_file(t, id);
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
    double runtime_s = 0, cost_s;
    uint32_t cores = 1;

    if (read_runtime(t, task, &runtime_s, err) != 0 || read_cores(t, task, &cores, err) != 0)
        return -1;
    cost_s = replays(t) && runtime_s > 0 ? runtime_s * t->im->options->replay.scale : runtime_s;
    if (cost_s > COST_MAX_S)
        return trace_refuse(t, err, "task \"%.255s\" would be replayed for %g s; it must be up to 1e12: take a smaller "
                            "SCALE", task->id, cost_s);
    buffer_put(t->im->ours, "{\"id\":", 6);
    import_put_text(t->im->ours, task->id, strlen(task->id));
    if (replays(t) ? put_replay_command(t, number, runtime_s, cores, err) != 0
                   : put_recorded_command(t, task, err) != 0)
        return -1;
    put_amounts(t, task, cost_s, cores);
    if (!replays(t)) {
        put_files(t, number, false);
        put_files(t, number, true);
    }
    import_put_after(t->im, number, trace_task_id, t);
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
    char *other = file_stem(t->im->options->file);
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

static int check_replay(const struct trace *t, struct ganger_error *err)
{
    const char *program = t->im->options->replay_program, *dir = t->im->options->replay.dir, *flaw;

    if (program == NULL)
        return trace_refuse(t, err, "a replay needs ganger-replay, which is neither beside ganger nor in "
                            "../libexec/ganger; install it there");
    if ((flaw = import_find_flaw_of_name(program, strlen(program), PATH_MAX - 1)) != NULL)
        return trace_refuse(t, err, "the path of ganger-replay, \"%.255s\", %s; install ganger elsewhere", program,
                            flaw);
    if (dir != NULL && (flaw = import_find_flaw_of_name(dir, strlen(dir), PATH_MAX - 1)) != NULL)
        return trace_refuse(t, err, "the path of --replay-dir, \"%.255s\", %s; name another", dir, flaw);
    return 0;
}

static int put_trace(struct trace *t, struct ganger_error *err)
{
    if ((replays(t) && check_replay(t, err) != 0) || put_header(t, err) != 0)
        return -1;
    for (uint32_t n = 0; n < t->n_tasks; n++)
        if (put_task(t, n, err) != 0)
            return -1;
    return 0;
}

int import_wfformat(struct import *im, const char *bytes, size_t n_bytes, struct ganger_error *err)
{
    struct trace t = {.im = im};
    int status = trace_read(&t, bytes, n_bytes, err);

    if (status == 0)
        status = put_trace(&t, err);
    trace_release(&t);
    return status;
}
