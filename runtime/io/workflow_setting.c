#include "io/workflow_setting.h"

#include "base/utf8.h"

#include <jansson.h>
#include <limits.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PATH_MAX_BYTES (PATH_MAX - 1)

struct known_setting
{
    struct task_setting setting;
    uint64_t digest;
};

/* A setting with files. */
struct known_files
{
    struct task_setting setting;
    struct task_files files;
    const char *paths; /* all of them, as they stood in the draft's buffer */
    size_t n_paths;
    uint64_t digest;
};

/* Where the paths of a task stand in the draft's buffer; each ends with a NUL. */
struct layout
{
    bool has[3];     /* stdin, stdout, stderr */
    size_t start[3]; /* stdin first: it counts for the definition, as the inputs do that follow it */
    size_t inputs;
    size_t outputs;
    uint32_t n_inputs;
    uint32_t n_outputs;
};

/* ---- env and cwd */

static int check_env_name(const struct draft *d, const char *name, struct ganger_error *err)
{
    size_t n = strcspn(name, "= \t\r\n");

    if (n == 0 || name[n] != '\0')
        return draft_refuse(d, err,
                            "\"env\": \"%.80s\" cannot be the name of a variable; it must not be empty nor hold blanks "
                            "or =",
                            name);
    if (strncmp(name, "GANGER_", 7) == 0)
        return draft_refuse(d, err, "\"env\": \"%.80s\": names with GANGER_ are set by ganger itself; choose another",
                            name);
    return 0;
}

/* Appends those variables of `env` to d->env that `own` does not have; `own` itself when they are the same. */
static int put_env(struct draft *d, json_t *env, json_t *own, uint32_t *n_env, struct ganger_error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach (env, name, value) {
        const char *text = json_string_value(value);
        size_t n_bytes = json_string_length(value);

        if (env != own && json_object_get(own, name) != NULL)
            continue;
        if (check_env_name(d, name, err) != 0)
            return -1;
        if (!json_is_string(value))
            return draft_refuse(d, err, "\"env\": the value of \"%.80s\" must be a string, not %s; put it in quotes",
                                name, draft_type_name(value));
        if (env == own)
            text = draft_text(d, value, &n_bytes);
        if (d->env.n + n_bytes > TEXTS_MAX_BYTES)
            return draft_refuse(d, err, "\"env\" is too large for the system, which takes a few MB");
        buffer_put(&d->env, name, strlen(name));
        buffer_put_u8(&d->env, '=');
        buffer_put(&d->env, text, n_bytes);
        buffer_put_u8(&d->env, 0);
        (*n_env)++;
    }
    return 0;
}

static bool has_setting(const struct known_setting *known, const char *cwd, const char *env, size_t n_env_bytes,
                        uint64_t digest)
{
    if (known == NULL || known->digest != digest || known->setting.n_env_bytes != n_env_bytes ||
        (known->setting.cwd == NULL) != (cwd == NULL))
        return false;
    return (cwd == NULL || strcmp(known->setting.cwd, cwd) == 0) &&
           (n_env_bytes == 0 || memcmp(known->setting.env, env, n_env_bytes) == 0);
}

void setting_intern(struct draft *d, const char *cwd, uint32_t n_env, struct stated *stated)
{
    const char *env = d->env.bytes ? d->env.bytes : "";
    uint64_t digest = XXH64(env, d->env.n, cwd ? XXH64(cwd, strlen(cwd), 1) : 0);
    const struct known_setting **slot = &d->recent[digest % RECENT_SETTINGS];

    if (!has_setting(*slot, cwd, env, d->env.n, digest)) {
        struct known_setting *known = arena_alloc(&d->g->text, sizeof(*known));

        known->setting = (struct task_setting){.n_env = n_env, .n_env_bytes = (uint32_t)d->env.n};
        if (cwd != NULL)
            known->setting.cwd = arena_text(&d->g->text, cwd, strlen(cwd));
        if (n_env > 0)
            known->setting.env = arena_text(&d->g->text, env, d->env.n);
        known->digest = digest;
        *slot = known;
    }
    stated->setting = &(*slot)->setting;
    stated->setting_digest = digest;
}

static int check_path(const struct draft *d, const char *key, const char *path, size_t n_bytes,
                      struct ganger_error *err)
{
    size_t control = utf8_find_control(path, n_bytes);

    if (n_bytes == 0)
        return draft_refuse(d, err, "\"%s\" holds an empty path; leave it out, or name a file", key);
    if (n_bytes > PATH_MAX_BYTES)
        return draft_refuse(d, err, "\"%s\" holds a path of %zu bytes; the system takes %d", key, n_bytes,
                            PATH_MAX_BYTES);
    if (control > 0)
        return draft_refuse(d, err, "\"%s\": \"%.255s\" holds a control character (at byte %zu); rename the file", key,
                            path, control);
    return 0;
}

int setting_read(struct draft *d, json_t *env, json_t *base, const json_t *cwd, const char *base_cwd,
                 struct stated *stated, struct ganger_error *err)
{
    const char *cwd_text = base_cwd;
    size_t n_bytes;
    uint32_t n_env = 0;

    d->env.n = 0;
    if (put_env(d, base, env, &n_env, err) != 0 || put_env(d, env, env, &n_env, err) != 0)
        return -1;
    draft_sort_texts(&d->env, 0, n_env);
    if (cwd != NULL) {
        cwd_text = draft_text(d, cwd, &n_bytes);
        if (n_bytes == 0)
            return draft_refuse(d, err, "\"cwd\" is empty; leave it out for the directory `ganger run` is typed in");
        if (check_path(d, "cwd", cwd_text, n_bytes, err) != 0)
            return -1;
    }
    setting_intern(d, cwd_text, n_env, stated);
    return 0;
}

/* ---- files */

static int put_path(struct draft *d, const char *key, const json_t *value, struct ganger_error *err)
{
    size_t n_bytes;
    const char *path;

    if (!json_is_string(value))
        return draft_refuse(d, err, "\"%s\" must hold strings, not %s", key, draft_type_name(value));
    path = draft_text(d, value, &n_bytes);
    if (check_path(d, key, path, n_bytes, err) != 0)
        return -1;
    if (d->paths.n + n_bytes > TEXTS_MAX_BYTES)
        return draft_refuse(d, err, "the paths of its files take more than %d bytes; name a directory instead",
                            TEXTS_MAX_BYTES);
    buffer_put(&d->paths, path, n_bytes + 1);
    return 0;
}

/* Of n sorted texts from `start` on to the end of the buffer, drops those that stand there twice. Returns how many
 * are left. */
static uint32_t drop_duplicates(struct buffer *b, size_t start, uint32_t n)
{
    const char *last = NULL;
    char *to = b->bytes + start;
    const char *from = to;
    uint32_t n_kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        size_t n_bytes = strlen(from) + 1;

        if (last == NULL || strcmp(last, from) != 0) {
            last = memmove(to, from, n_bytes);
            to += n_bytes;
            from += n_bytes;
            n_kept++;
        } else {
            from += n_bytes;
        }
    }
    b->n = (size_t)(to - b->bytes);
    return n_kept;
}

static int put_paths(struct draft *d, const char *key, const json_t *array, uint32_t *n_paths,
                     struct ganger_error *err)
{
    size_t start = d->paths.n;
    size_t i;
    json_t *value;

    *n_paths = 0;
    json_array_foreach (array, i, value)
        if (put_path(d, key, value, err) != 0)
            return -1;
    if (json_array_size(array) == 0)
        return 0;
    draft_sort_texts(&d->paths, start, json_array_size(array));
    *n_paths = drop_duplicates(&d->paths, start, (uint32_t)json_array_size(array));
    return 0;
}

static int put_files(struct draft *d, json_t **values, struct layout *l, struct ganger_error *err)
{
    static const int keys[3] = {KEY_STDIN, KEY_STDOUT, KEY_STDERR};

    d->paths.n = 0;
    for (int i = 0; i < 3; i++) {
        const json_t *value = values[keys[i]];

        if (i == 1) { /* behind stdin, so that what counts for the definition lies together */
            l->inputs = d->paths.n;
            if (put_paths(d, "inputs", values[KEY_INPUTS], &l->n_inputs, err) != 0)
                return -1;
        }
        l->has[i] = value != NULL;
        l->start[i] = d->paths.n;
        if (value != NULL && put_path(d, words_of_task.words[keys[i]].key, value, err) != 0)
            return -1;
    }
    l->outputs = d->paths.n;
    return put_paths(d, "outputs", values[KEY_OUTPUTS], &l->n_outputs, err);
}

static bool has_files(const struct known_files *known, const struct task_setting *base, const struct buffer *paths,
                      const struct layout *l, uint64_t digest)
{
    return known != NULL && known->digest == digest && known->setting.env == base->env &&
           known->setting.cwd == base->cwd && known->n_paths == paths->n &&
           (known->files.stdin_path != NULL) == l->has[0] && (known->files.stdout_path != NULL) == l->has[1] &&
           (known->files.stderr_path != NULL) == l->has[2] && known->files.n_inputs == l->n_inputs &&
           known->files.n_outputs == l->n_outputs && memcmp(known->paths, paths->bytes, paths->n) == 0;
}

static const struct known_files *new_files(struct draft *d, const struct task_setting *base, const struct layout *l,
                                           uint64_t digest)
{
    struct known_files *known = arena_alloc(&d->g->text, sizeof(*known));
    const char *paths = arena_text(&d->g->text, d->paths.bytes, d->paths.n);

    *known = (struct known_files){.setting = *base, .paths = paths, .n_paths = d->paths.n, .digest = digest};
    known->setting.files = &known->files;
    known->files = (struct task_files){
        .stdin_path = l->has[0] ? paths + l->start[0] : NULL,
        .stdout_path = l->has[1] ? paths + l->start[1] : NULL,
        .stderr_path = l->has[2] ? paths + l->start[2] : NULL,
        .inputs = paths + l->inputs,
        .n_inputs = l->n_inputs,
        .n_inputs_bytes = (uint32_t)(l->start[1] - l->inputs),
        .outputs = paths + l->outputs,
        .n_outputs = l->n_outputs,
        .n_outputs_bytes = (uint32_t)(d->paths.n - l->outputs),
    };
    return known;
}

static int check_standard_files(struct draft *d, const struct task_setting *setting, struct ganger_error *err)
{
    const struct task_files *files = setting->files;
    const char *const written[2] = {files->stdout_path, files->stderr_path};

    for (int i = 0; files->stdin_path != NULL && i < 2; i++)
        if (written[i] != NULL && strncmp(written[i], "/dev/", 5) != 0 &&
            file_table_is_same(&d->files, setting->cwd, files->stdin_path, written[i]))
            return draft_refuse(d, err, "\"stdin\" and \"%s\" are the same file (\"%.255s\"), which would be emptied "
                                        "before it is read; write to another",
                                i == 0 ? "stdout" : "stderr", files->stdin_path);
    return 0;
}

/* Stdin and inputs count for a task's definition; a task without them has the digest that it always had. */
static uint64_t digest_with_files(const struct draft *d, const struct layout *l, uint64_t setting_digest)
{
    if (!l->has[0] && l->n_inputs == 0)
        return setting_digest;
    return XXH64(d->paths.bytes, l->start[1], XXH64(&setting_digest, sizeof(setting_digest), l->has[0] ? 3 : 2));
}

int setting_read_files(struct draft *d, json_t **values, struct stated *stated, struct ganger_error *err)
{
    const struct task_setting *base = stated->setting;
    const struct known_files **slot;
    struct layout l;
    uint64_t digest;

    if (put_files(d, values, &l, err) != 0)
        return -1;
    if (d->paths.n == 0) /* "inputs": [] */
        return 0;
    digest = XXH3_64bits_withSeed(d->paths.bytes, d->paths.n, stated->setting_digest);
    slot = &d->recent_files[digest % RECENT_SETTINGS];
    if (!has_files(*slot, base, &d->paths, &l, digest))
        *slot = new_files(d, base, &l, digest);
    stated->setting = &(*slot)->setting;
    stated->setting_digest = digest_with_files(d, &l, stated->setting_digest);
    return check_standard_files(d, stated->setting, err);
}

/* ---- who makes which file */

static int note_outputs(struct draft *d, task_id task, struct ganger_error *err)
{
    const struct task_setting *setting = d->g->tasks[task].setting;
    const char *path = setting->files->outputs;

    for (uint32_t i = 0; i < setting->files->n_outputs; i++, path += strlen(path) + 1) {
        task_id other = file_table_add_output(&d->files, task, setting->cwd, path);

        if (other != TASK_NONE)
            return draft_refuse(d, err,
                                "\"outputs\": \"%.255s\" is an output of task \"%s\", too; let each file be made by "
                                "one task",
                                path, d->g->tasks[other].id);
    }
    return 0;
}

static int note_inputs(struct draft *d, task_id task, struct ganger_error *err)
{
    const struct task_setting *setting = d->g->tasks[task].setting;
    const char *path = setting->files->inputs;

    for (uint32_t i = 0; i < setting->files->n_inputs; i++, path += strlen(path) + 1)
        if (!file_table_add_input(&d->files, task, setting->cwd, path))
            return draft_refuse(d, err, "\"inputs\": \"%.255s\" is an output of this task itself, which could never "
                                        "start; take it out of one of the two",
                                path);
    return 0;
}

/* All instances of a `for` write to one file: a variable was forgotten. */
static int check_shared(struct draft *d, task_id task, const char *key, const char *path, struct ganger_error *err)
{
    const struct task_setting *setting = d->g->tasks[task].setting;
    task_id other;

    if (path == NULL || strncmp(path, "/dev/", 5) == 0)
        return 0;
    other = file_table_add_writer(&d->files, task, setting->cwd, path);
    if (other == TASK_NONE || other < d->first_instance)
        return 0;
    return draft_refuse(d, err,
                        "\"%s\": \"%.255s\" is written by \"%s\", too, and each empties it; put the variables of "
                        "\"for\" into the path",
                        key, path, d->g->tasks[other].id);
}

int setting_note_files(struct draft *d, task_id task, struct ganger_error *err)
{
    const struct task_files *files = d->g->tasks[task].setting->files;

    if (files == NULL)
        return 0;
    if (note_outputs(d, task, err) != 0 || note_inputs(d, task, err) != 0)
        return -1;
    if (d->sweep == NULL)
        return 0;
    if (check_shared(d, task, "stdout", files->stdout_path, err) != 0)
        return -1;
    return check_shared(d, task, "stderr", files->stderr_path, err);
}
