#include "io/workflow.h"

#include "base/amount.h"
#include "base/buffer.h"
#include "base/source.h"
#include "base/spelling.h"
#include "core/dependency.h"
#include "core/sweep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL /* a call costs more than hashing a short command */
#include <xxhash.h>

#define ID_MAX_BYTES 255
#define WORD_MAX_BYTES 131071           /* Linux: MAX_ARG_STRLEN less the NUL */
#define ARGV_MAX_BYTES (6 * 1024 * 1024) /* Linux never takes more, however large the stack */
#define TASKS_MAX UINT32_C(100000000)   /* a slip in a `for` must not fill the memory */
#define CORES_MAX 65535
#define COST_MAX_S 1e12
#define LEAST_COST_S 1e-6F /* what a stated cost of 0 means; 0 itself means "not stated" */
#define RECENT_SETTINGS 256

#define JSON_FLAGS JSON_REJECT_DUPLICATES

/* The words of the format. Order matters: what the parts of a task are looked up by. */
enum key
{
    KEY_ID,
    KEY_COMMAND,
    KEY_AFTER,
    KEY_FOR,
    KEY_ENV,
    KEY_CWD,
    KEY_COST,
    KEY_CORES,
    KEY_MEMORY,
    N_TASK_KEYS,
};

enum header_key
{
    HEADER_NAME,
    HEADER_DEFAULTS,
    HEADER_TASKS,
    N_HEADER_KEYS,
};

static const char *const task_keys[] = {"id", "command", "after", "for", "env", "cwd", "cost", "cores", "memory"};
static const char *const header_keys[] = {"name", "defaults", "tasks"};

#define KEYS_OF_TASK_ONLY 4 /* the first ones: not in "defaults" */

static const char *const later_keys[] = {
    "function", "input",   "inputs", "outputs", "gpus",  "nodes",  "ranks",    "resources", "queue",
    "tokens",   "priority", "retries", "timeout", "program", "may_fail", "prefix", "stdin",     "stdout",
    "stderr",   "queues",  "node",   "keep",    "isolate",
};

/* What other programs call it. */
static const struct
{
    const char *foreign;
    const char *ours;
} synonyms[] = {
    {"name", "id"},           {"task", "id"},        {"cmd", "command"},   {"run", "command"},
    {"exec", "command"},      {"args", "command"},   {"shell", "command"}, {"depends", "after"},
    {"depends_on", "after"},  {"needs", "after"},    {"parents", "after"}, {"dependencies", "after"},
    {"foreach", "for"},       {"matrix", "for"},     {"environment", "env"}, {"dir", "cwd"},
    {"directory", "cwd"},     {"workdir", "cwd"},    {"cpus", "cores"},    {"threads", "cores"},
    {"mem", "memory"},        {"runtime", "cost"},   {"duration", "cost"},
};

/* What "defaults" and a task state; what a task leaves out is that of the defaults. */
struct stated
{
    const struct task_setting *setting;
    uint64_t setting_digest;
    float cost_s;
    struct task_resources resources;
    uint32_t resource_class;
};

struct known_setting
{
    struct task_setting setting;
    uint64_t digest;
};

/* A document while it is read. */
struct draft
{
    const char *file;
    struct graph *g;
    char *name; /* NULL: the document states none */
    struct dependency_list dependencies;
    struct stated defaults;
    json_t *default_env; /* NULL: none */
    char *default_cwd;   /* NULL: none */
    const struct known_setting *recent[RECENT_SETTINGS];

    /* where we are, for messages */
    bool is_document; /* tasks have a number in "tasks", not a line */
    uint64_t line;    /* 0: not known */
    uint64_t number;  /* of the task in "tasks", from 1; 0: not in there */
    const char *id;   /* NULL: not known yet */

    const struct sweep *sweep; /* of the present task; NULL: it has no `for` */
    struct buffer expanded;
    struct buffer id_text;
    struct buffer argv;
    struct buffer env;
};

/* ---- messages */

/* Says what is wrong, with the place in front of it. */
static int refuse(const struct draft *d, struct ganger_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a document holds must not steer the terminal that shows the message. */
static int make_printable(struct ganger_error *err)
{
    for (char *p = err ? err->text : NULL; p != NULL && *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return -1;
}

static int put_place_in_front(const struct draft *d, struct ganger_error *err)
{
    char place[640] = "";
    size_t used = 0;

    if (d->line > 0)
        used += (size_t)snprintf(place, sizeof(place), ":%" PRIu64, d->line);
    used += (size_t)snprintf(place + used, sizeof(place) - used, ": ");
    if (d->number > 0)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "task %" PRIu64 "%s", d->number,
                                 d->id ? "" : ": ");
    if (d->id != NULL)
        snprintf(place + used, sizeof(place) - used, d->number > 0 ? " (\"%.300s\"): " : "task \"%.300s\": ",
                 d->id);
    error_prefix(err, "%.1000s%s", d->file, place);
    return make_printable(err);
}

static int refuse(const struct draft *d, struct ganger_error *err, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_USAGE, "%s", text);
    return put_place_in_front(d, err);
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

static int refuse_type(const struct draft *d, const char *key, const char *wanted, const json_t *value,
                       struct ganger_error *err)
{
    return refuse(d, err, "\"%s\" must be %s, not %s", key, wanted, type_name(value));
}

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
    return make_printable(err);
}

static bool is_among(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* `what` is "a task", `keys` what it may have. */
static int refuse_key(const struct draft *d, const char *key, const char *what, const char *const *keys,
                      size_t n_keys, struct ganger_error *err)
{
    const char *near;

    if (is_among(key, later_keys, sizeof(later_keys) / sizeof(later_keys[0])))
        return refuse(d, err, "\"%s\" is not supported yet by this version of ganger; take it out", key);
    if (is_among(key, task_keys, N_TASK_KEYS) || is_among(key, header_keys, N_HEADER_KEYS))
        return refuse(d, err, "\"%s\" does not belong in %s", key, what);
    near = spelling_nearest(key, keys, n_keys);
    for (size_t i = 0; near == NULL && i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
        if (strcmp(key, synonyms[i].foreign) == 0 && is_among(synonyms[i].ours, keys, n_keys))
            near = synonyms[i].ours;
    if (near != NULL)
        return refuse(d, err, "unknown key \"%.80s\" in %s; did you mean \"%s\"?", key, what, near);
    return refuse(d, err, "unknown key \"%.80s\" in %s; docs/workflow-format.md lists those there are", key, what);
}

/* Sorts an object's values by key: values[k] is that of keys[k], NULL when it has none. */
static int take_apart(const struct draft *d, json_t *object, const char *what, const char *const *keys,
                      size_t n_keys, json_t **values, struct ganger_error *err)
{
    const char *key;
    json_t *value;

    memset(values, 0, n_keys * sizeof(json_t *));
    json_object_foreach (object, key, value) {
        size_t k = 0;

        while (k < n_keys && (key[0] != keys[k][0] || strcmp(key, keys[k]) != 0))
            k++;
        if (k == n_keys)
            return refuse_key(d, key, what, keys, n_keys, err);
        values[k] = value;
    }
    return 0;
}

/* ---- the parts of a task */

/* A string of the task with the values of its `for` put in. Borrowed until the next call. */
static const char *text_of(struct draft *d, const json_t *string, size_t *n_bytes)
{
    const char *text = json_string_value(string);

    *n_bytes = json_string_length(string);
    if (d->sweep == NULL || memchr(text, '{', *n_bytes) == NULL)
        return text;
    d->expanded.n = 0;
    sweep_expand(d->sweep, text, *n_bytes, &d->expanded);
    *n_bytes = d->expanded.n;
    buffer_put_u8(&d->expanded, 0);
    return d->expanded.bytes;
}

static int check_id(const struct draft *d, const char *id, size_t n_bytes, struct ganger_error *err)
{
    if (n_bytes == 0 || n_bytes > ID_MAX_BYTES)
        return refuse(d, err, "\"id\" must have 1 to %d bytes; this one has %zu", ID_MAX_BYTES, n_bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char c = (unsigned char)id[i];

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && ((unsigned char)id[i + 1] & 0xe0) == 0x80))
            return refuse(d, err, "\"id\" must not hold control characters (at byte %zu)", i + 1);
        if (c == '*' || c == '?')
            return refuse(d, err, "\"id\" must not hold %c, which stands for other characters in \"after\"", c);
        if (c == '{' || c == '}')
            return refuse(d, err, "\"id\" must not hold %c, except in {variable} with a variable of its \"for\"",
                          c);
    }
    return 0;
}

static int read_id(struct draft *d, const json_t *value, struct ganger_error *err)
{
    size_t n_bytes;

    if (value == NULL)
        return refuse(d, err, "the task has no \"id\"; give it one that no other task has");
    if (!json_is_string(value))
        return refuse_type(d, "id", "a string", value, err);
    d->id = text_of(d, value, &n_bytes);
    if (d->id == d->expanded.bytes) { /* there until the next text only */
        d->id_text.n = 0;
        buffer_put(&d->id_text, d->id, n_bytes + 1);
        d->id = d->id_text.bytes;
    }
    name_index_prepare(&d->g->index, d->id, n_bytes);
    return check_id(d, d->id, n_bytes, err);
}

static int put_word(struct draft *d, const char *word, size_t n_bytes, struct ganger_error *err)
{
    if (n_bytes > WORD_MAX_BYTES || d->argv.n + n_bytes > ARGV_MAX_BYTES)
        return refuse(d, err,
                      "\"command\" is too long (%zu bytes) for the system, which takes %d bytes in one word and "
                      "a few MB in all; put it into a script",
                      n_bytes > WORD_MAX_BYTES ? n_bytes : d->argv.n + n_bytes, WORD_MAX_BYTES);
    buffer_put(&d->argv, word, n_bytes);
    buffer_put_u8(&d->argv, 0);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Anything but blanks? */
static bool says_something(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (!is_blank(text[i]))
            return true;
    return false;
}

static int put_shell_command(struct draft *d, const char *command, size_t n_bytes, struct ganger_error *err)
{
    static const char shell[] = "/bin/sh\0-c";

    if (!says_something(command, n_bytes))
        return refuse(d, err, "\"command\" is empty; to wait for other tasks only, write \"true\"");
    d->argv.n = 0;
    buffer_put(&d->argv, shell, sizeof(shell));
    return put_word(d, command, n_bytes, err);
}

/* Fills d->argv and counts its words. */
static int read_command(struct draft *d, const json_t *value, uint32_t *n_argv, struct ganger_error *err)
{
    const char *text;
    size_t n_bytes;
    size_t i;
    json_t *word;

    if (value == NULL)
        return refuse(d, err, "the task has no \"command\"; write \"command\": [\"program\", \"argument\"] or "
                              "\"command\": \"a line for /bin/sh\"");
    *n_argv = 3;
    if (json_is_string(value)) {
        text = text_of(d, value, &n_bytes);
        return put_shell_command(d, text, n_bytes, err);
    }
    if (!json_is_array(value))
        return refuse_type(d, "command", "an array of strings, or a string for /bin/sh", value, err);
    d->argv.n = 0;
    json_array_foreach (value, i, word) {
        if (!json_is_string(word))
            return refuse(d, err, "word %zu of \"command\" must be a string, not %s; put it in quotes", i + 1,
                          type_name(word));
        text = text_of(d, word, &n_bytes);
        if (put_word(d, text, n_bytes, err) != 0)
            return -1;
    }
    *n_argv = (uint32_t)json_array_size(value);
    if (*n_argv == 0 || d->argv.bytes[0] == '\0')
        return refuse(d, err, "\"command\" is empty; to wait for other tasks only, write [\"true\"]");
    return 0;
}

static int check_env_name(const struct draft *d, const char *name, struct ganger_error *err)
{
    size_t n = strcspn(name, "= \t\r\n");

    if (n == 0 || name[n] != '\0')
        return refuse(d, err, "\"env\": \"%.80s\" cannot be the name of a variable; it must not be empty nor hold "
                              "blanks or =",
                      name);
    if (strncmp(name, "GANGER_", 7) == 0)
        return refuse(d, err, "\"env\": \"%.80s\": names with GANGER_ are set by ganger itself; choose another",
                      name);
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the n NUL-ended texts of `b`, so that the order in a document makes no difference. */
static void sort_texts(struct buffer *b, size_t n)
{
    const char **texts;
    const char *next = b->bytes;
    struct buffer sorted = BUFFER_EMPTY;

    if (n < 2)
        return;
    texts = xmalloc(n * sizeof(*texts));
    for (size_t i = 0; i < n; i++, next += strlen(next) + 1)
        texts[i] = next;
    qsort(texts, n, sizeof(*texts), compare_texts);
    for (size_t i = 0; i < n; i++)
        buffer_put(&sorted, texts[i], strlen(texts[i]) + 1);
    free(texts);
    buffer_release(b);
    *b = sorted;
}

/* Appends those variables of `env` to d->env that `own` does not have; `own` itself when they are the same.
 * Values of defaults are no strings of the task: its `for` does not touch them. */
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
            return refuse(d, err, "\"env\": the value of \"%.80s\" must be a string, not %s; put it in quotes",
                          name, type_name(value));
        if (env == own)
            text = text_of(d, value, &n_bytes);
        if (d->env.n + n_bytes > ARGV_MAX_BYTES)
            return refuse(d, err, "\"env\" is too large for the system, which takes a few MB");
        buffer_put(&d->env, name, strlen(name));
        buffer_put_u8(&d->env, '=');
        buffer_put(&d->env, text, n_bytes);
        buffer_put_u8(&d->env, 0);
        (*n_env)++;
    }
    return 0;
}

static bool has_setting(const struct known_setting *known, const char *cwd, const struct buffer *env,
                        uint64_t digest)
{
    if (known == NULL || known->digest != digest || known->setting.n_env_bytes != env->n ||
        (known->setting.cwd == NULL) != (cwd == NULL))
        return false;
    return (cwd == NULL || strcmp(known->setting.cwd, cwd) == 0) &&
           (env->n == 0 || memcmp(known->setting.env, env->bytes, env->n) == 0);
}

/* The setting of this folder and d->env: one of the recent ones if it can be. */
static void intern_setting(struct draft *d, const char *cwd, uint32_t n_env, struct stated *stated)
{
    uint64_t digest = XXH64(d->env.bytes, d->env.n, cwd ? XXH64(cwd, strlen(cwd), 1) : 0);
    const struct known_setting **slot = &d->recent[digest % RECENT_SETTINGS];

    if (!has_setting(*slot, cwd, &d->env, digest)) {
        struct known_setting *known = arena_alloc(&d->g->text, sizeof(*known));

        known->setting = (struct task_setting){.n_env = n_env, .n_env_bytes = (uint32_t)d->env.n};
        if (cwd != NULL)
            known->setting.cwd = arena_text(&d->g->text, cwd, strlen(cwd));
        if (n_env > 0)
            known->setting.env = arena_text(&d->g->text, d->env.bytes, d->env.n);
        known->digest = digest;
        *slot = known;
    }
    stated->setting = &(*slot)->setting;
    stated->setting_digest = digest;
}

static int read_setting(struct draft *d, json_t *env, const json_t *cwd, struct stated *stated,
                        struct ganger_error *err)
{
    const char *cwd_text = d->default_cwd;
    size_t n_bytes;
    uint32_t n_env = 0;

    if (env != NULL && !json_is_object(env))
        return refuse_type(d, "env", "an object of strings", env, err);
    d->env.n = 0;
    if (put_env(d, d->default_env, env, &n_env, err) != 0 || put_env(d, env, env, &n_env, err) != 0)
        return -1;
    sort_texts(&d->env, n_env);
    if (cwd != NULL && !json_is_string(cwd))
        return refuse_type(d, "cwd", "a string", cwd, err);
    if (cwd != NULL) {
        cwd_text = text_of(d, cwd, &n_bytes);
        if (n_bytes == 0)
            return refuse(d, err, "\"cwd\" is empty; leave it out for the directory `ganger run` is typed in");
    }
    intern_setting(d, cwd_text, n_env, stated);
    return 0;
}

static int read_cost(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    double cost_s = json_number_value(value);

    if (json_is_string(value)) {
        size_t n_bytes;
        const char *text = text_of(d, value, &n_bytes);

        if (!amount_read_duration(text, &cost_s))
            return refuse(d, err, "\"cost\": \"%.80s\" is not a duration; write \"90s\", \"1h30m\", or a number of "
                                  "seconds without quotes",
                          text);
    } else if (!json_is_number(value)) {
        return refuse_type(d, "cost", "seconds, or a string like \"90s\" or \"1h30m\"", value, err);
    }
    if (cost_s < 0 || cost_s > COST_MAX_S)
        return refuse(d, err, "\"cost\" must be seconds from 0 to %g, not %g", COST_MAX_S, cost_s);
    stated->cost_s = cost_s > (double)LEAST_COST_S ? (float)cost_s : LEAST_COST_S;
    return 0;
}

/* A number of cores may be swept over, and is a string then: "cores": "{n}". */
static int read_cores(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    json_int_t cores = json_integer_value(value);

    if (d->sweep != NULL && json_is_string(value)) {
        size_t n_bytes;
        const char *text = text_of(d, value, &n_bytes);
        char *end;

        cores = strtoll(text, &end, 10);
        if (n_bytes == 0 || *end != '\0')
            return refuse(d, err, "\"cores\": \"%.80s\" is not a whole number", text);
    } else if (!json_is_integer(value)) {
        return refuse(d, err, "\"cores\" must be a whole number from 1 to %d", CORES_MAX);
    }
    if (cores < 1 || cores > CORES_MAX)
        return refuse(d, err, "\"cores\" must be from 1 to %d, not %" JSON_INTEGER_FORMAT, CORES_MAX, cores);
    stated->resources.cores = (uint32_t)cores;
    return 0;
}

static int read_memory(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    if (json_is_string(value)) {
        size_t n_bytes;
        const char *text = text_of(d, value, &n_bytes);

        if (!amount_read_bytes(text, &stated->resources.memory_bytes))
            return refuse(d, err, "\"memory\": \"%.80s\" is not an amount of memory; write \"2GiB\", \"500MB\", or a "
                                  "number of bytes without quotes",
                          text);
        return 0;
    }
    if (!json_is_number(value))
        return refuse_type(d, "memory", "bytes, or a string like \"2GiB\" or \"500MB\"", value, err);
    if (!(json_number_value(value) >= 1 && json_number_value(value) < 0x1p63))
        return refuse(d, err, "\"memory\" must be at least one byte, not %g", json_number_value(value));
    stated->resources.memory_bytes = (uint64_t)json_number_value(value);
    return 0;
}

/* What a task or the defaults state beside who they are: `stated` comes in with what holds otherwise. */
static int read_stated(struct draft *d, json_t **values, struct stated *stated, struct ganger_error *err)
{
    if ((values[KEY_ENV] != NULL || values[KEY_CWD] != NULL) &&
        read_setting(d, values[KEY_ENV], values[KEY_CWD], stated, err) != 0)
        return -1;
    if (values[KEY_COST] != NULL && read_cost(d, values[KEY_COST], stated, err) != 0)
        return -1;
    if (values[KEY_CORES] != NULL && read_cores(d, values[KEY_CORES], stated, err) != 0)
        return -1;
    if (values[KEY_MEMORY] != NULL && read_memory(d, values[KEY_MEMORY], stated, err) != 0)
        return -1;
    if (values[KEY_CORES] != NULL || values[KEY_MEMORY] != NULL)
        stated->resource_class = graph_intern_resources(d->g, &stated->resources);
    return 0;
}

static bool has_brace(const char *text)
{
    while (*text != '\0' && *text != '{' && *text != '}')
        text++;
    return *text != '\0';
}

static int add_dependency(struct draft *d, task_id child, const json_t *value, struct ganger_error *err)
{
    const char *text;
    size_t n_bytes;

    if (json_is_object(value))
        return refuse(d, err, "conditions in \"after\" ({\"task\": ..., \"on\": ...}) are not supported yet by this "
                              "version of ganger; write the id alone");
    if (!json_is_string(value))
        return refuse_type(d, "after", "an id or an array of ids", value, err);
    text = text_of(d, value, &n_bytes);
    if (n_bytes == 0)
        return refuse(d, err, "\"after\" holds an empty id; leave \"after\" out if there is nothing to wait for");
    if (has_brace(text))
        return refuse(d, err, "\"after\": \"%.255s\": what stands in braces is no variable of this task's \"for\"; "
                              "to wait for all instances of a task put * there",
                      text);
    dependency_add(&d->dependencies, child, text, n_bytes, d->number ? d->number : d->line);
    return 0;
}

static int add_dependencies(struct draft *d, task_id child, const json_t *after, struct ganger_error *err)
{
    size_t i;
    json_t *value;

    if (!json_is_array(after))
        return add_dependency(d, child, after, err);
    json_array_foreach (after, i, value)
        if (add_dependency(d, child, value, err) != 0)
            return -1;
    return 0;
}

static int refuse_too_many(const struct draft *d, struct ganger_error *err)
{
    return refuse(d, err, "there are more than %" PRIu32 " tasks; split the workflow", TASKS_MAX);
}

/* Adds a task of id d->id and command d->argv. */
static task_id add_task(struct draft *d, uint32_t n_argv, const struct stated *stated)
{
    assert(d->id != NULL && d->argv.bytes != NULL);
    const struct task task = {
        .id = arena_text(&d->g->text, d->id, strlen(d->id)),
        .argv = arena_text(&d->g->text, d->argv.bytes, d->argv.n - 1),
        .n_argv = n_argv,
        .n_argv_bytes = (uint32_t)d->argv.n,
        .setting = stated->setting,
        .digest = XXH64(d->argv.bytes, d->argv.n, stated->setting_digest),
        .cost_s = stated->cost_s,
        .resource_class = stated->resource_class,
    };

    return graph_add_task(d->g, &task);
}

/* One task of the graph: a task of the document, or one instance of its `for`. */
static int read_instance(struct draft *d, json_t **values, struct ganger_error *err)
{
    struct stated stated = d->defaults;
    uint32_t n_argv = 0;
    task_id t;

    if (read_id(d, values[KEY_ID], err) != 0 || read_command(d, values[KEY_COMMAND], &n_argv, err) != 0 ||
        read_stated(d, values, &stated, err) != 0)
        return -1;
    if (d->g->n_tasks >= TASKS_MAX)
        return refuse_too_many(d, err);
    t = add_task(d, n_argv, &stated);
    if (t == TASK_NONE)
        return refuse(d, err, "the id is taken by an earlier task; give each its own");
    return values[KEY_AFTER] ? add_dependencies(d, t, values[KEY_AFTER], err) : 0;
}

/* ---- for */

/* The shortest text that reads back as the same number; with a point, since it was written with one. */
static void write_real(double value, char *text, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (strpbrk(text, ".e") == NULL)
        snprintf(text + strlen(text), size - strlen(text), ".0");
}

static int read_value(const struct draft *d, struct sweep *s, const char *name, const json_t *value,
                      struct ganger_error *err)
{
    char text[64];

    if (json_is_string(value)) {
        sweep_add_value(s, json_string_value(value));
        return 0;
    }
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        write_real(json_real_value(value), text, sizeof(text));
    else
        return refuse(d, err, "\"for\": the values of \"%.80s\" must be strings or numbers, not %s", name,
                      type_name(value));
    sweep_add_value(s, text);
    return 0;
}

static int read_variable(const struct draft *d, struct sweep *s, const char *name, const json_t *values,
                         struct ganger_error *err)
{
    size_t i;
    json_t *value;

    if (sweep_add_variable(s, name, err) != 0 ||
        (json_is_string(values) && sweep_set_range(s, json_string_value(values), err) != 0)) {
        error_prefix(err, "\"for\": ");
        return put_place_in_front(d, err);
    }
    if (json_is_string(values))
        return 0;
    if (!json_is_array(values))
        return refuse(d, err, "\"for\": \"%.80s\" must be a range like \"1-20\" or an array of values, not %s", name,
                      type_name(values));
    if (json_array_size(values) == 0)
        return refuse(d, err, "\"for\": \"%.80s\" has no values", name);
    json_array_foreach (values, i, value)
        if (read_value(d, s, name, value, err) != 0)
            return -1;
    return 0;
}

static int read_sweep(const struct draft *d, json_t *variables, struct sweep *s, struct ganger_error *err)
{
    const char *name;
    json_t *values;

    if (!json_is_object(variables) || json_object_size(variables) == 0)
        return refuse(d, err, "\"for\" must be an object of variables, such as {\"i\": \"1-20\", \"sample\": [\"a\", "
                              "\"b\"]}");
    json_object_foreach (variables, name, values)
        if (read_variable(d, s, name, values, err) != 0)
            return -1;
    return 0;
}

static int check_sweep(struct draft *d, const struct sweep *s, const json_t *id, struct ganger_error *err)
{
    uint64_t n = sweep_count(s);
    const char *missing;

    if (n > TASKS_MAX)
        return refuse(d, err, "\"for\" makes %" PRIu64 " tasks; ganger takes %" PRIu32, n, TASKS_MAX);
    if (!json_is_string(id))
        return 0; /* read_id says it better */
    d->id = json_string_value(id);
    missing = sweep_find_unmentioned(s, d->id, json_string_length(id));
    if (missing != NULL)
        return refuse(d, err,
                      "its instances would all have the same id: put {%s} into \"id\", "
                      "for example \"%.200s.{%s}\"",
                      missing, d->id, missing);
    return 0;
}

static int read_instances(struct draft *d, json_t **values, struct sweep *s, struct ganger_error *err)
{
    int status;

    if (read_sweep(d, values[KEY_FOR], s, err) != 0 || check_sweep(d, s, values[KEY_ID], err) != 0)
        return -1;
    d->sweep = s;
    sweep_start(s);
    do {
        d->id = NULL;
        status = read_instance(d, values, err);
    } while (status == 0 && sweep_next(s));
    d->sweep = NULL;
    return status;
}

/* ---- documents */

static int read_task(struct draft *d, json_t *object, struct ganger_error *err)
{
    json_t *values[N_TASK_KEYS];
    struct sweep sweep = SWEEP_EMPTY;
    int status;

    d->id = NULL;
    if (!json_is_object(object))
        return refuse(d, err, "a task must be an object like {\"id\": \"a\", \"command\": [\"program\"]}, not %s",
                      type_name(object));
    d->id = json_string_value(json_object_get(object, task_keys[KEY_ID]));
    if (take_apart(d, object, "a task", task_keys, N_TASK_KEYS, values, err) != 0)
        return -1;
    if (values[KEY_FOR] == NULL)
        return read_instance(d, values, err);
    status = read_instances(d, values, &sweep, err);
    sweep_release(&sweep);
    return status;
}

static int read_defaults(struct draft *d, json_t *object, struct ganger_error *err)
{
    json_t *values[N_TASK_KEYS] = {NULL};
    const json_t *cwd;

    if (!json_is_object(object))
        return refuse_type(d, "defaults", "an object", object, err);
    if (take_apart(d, object, "\"defaults\"", task_keys + KEYS_OF_TASK_ONLY, N_TASK_KEYS - KEYS_OF_TASK_ONLY,
                   values + KEYS_OF_TASK_ONLY, err) != 0 ||
        read_stated(d, values, &d->defaults, err) != 0)
        return -1;
    d->default_env = json_incref(values[KEY_ENV]);
    cwd = values[KEY_CWD];
    if (cwd != NULL)
        d->default_cwd = xstrdup(json_string_value(cwd));
    return 0;
}

static int read_name(struct draft *d, const json_t *value, struct ganger_error *err)
{
    const char *name = json_string_value(value);

    if (name == NULL)
        return refuse_type(d, "name", "a string", value, err);
    if (*name == '\0' || json_string_length(value) > ID_MAX_BYTES)
        return refuse(d, err, "\"name\" must have 1 to %d bytes", ID_MAX_BYTES);
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return refuse(d, err, "\"name\" must not hold control characters");
    d->name = xstrdup(name);
    return 0;
}

/* Reads what stands beside the tasks, and gives back the tasks (borrowed; NULL: there are none). */
static int read_header(struct draft *d, json_t *object, json_t **tasks, struct ganger_error *err)
{
    json_t *values[N_HEADER_KEYS];

    if (take_apart(d, object, "a workflow", header_keys, N_HEADER_KEYS, values, err) != 0 ||
        (values[HEADER_NAME] != NULL && read_name(d, values[HEADER_NAME], err) != 0) ||
        (values[HEADER_DEFAULTS] != NULL && read_defaults(d, values[HEADER_DEFAULTS], err) != 0))
        return -1;
    *tasks = values[HEADER_TASKS];
    return 0;
}

static int read_document(struct draft *d, json_t *root, struct ganger_error *err)
{
    json_t *tasks;
    json_t *object;
    size_t i;

    if (read_header(d, root, &tasks, err) != 0)
        return -1;
    if (tasks == NULL)
        return refuse(d, err, "the workflow has no \"tasks\"; write \"tasks\": [{\"id\": \"a\", \"command\": "
                              "[\"program\"]}]");
    if (!json_is_array(tasks))
        return refuse_type(d, "tasks", "an array", tasks, err);
    d->is_document = true;
    json_array_foreach (tasks, i, object) {
        d->number = i + 1;
        if (read_task(d, object, err) != 0)
            return -1;
    }
    d->number = 0;
    d->id = NULL;
    return 0;
}

static bool is_task(const json_t *object)
{
    return json_object_get(object, "id") != NULL || json_object_get(object, "command") != NULL;
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
        status = read_header(d, object, &tasks, err);
    else
        status = read_task(d, object, err);
    json_decref(object);
    return status;
}

/* The id of a task that will be read after the next line was parsed: time enough for memory to answer. */
static void announce_id(const struct draft *d, json_t *object)
{
    void *first = json_object_iter(object);
    const json_t *value = first ? json_object_iter_value(first) : NULL;

    if (json_is_string(value) && strcmp(json_object_iter_key(first), task_keys[KEY_ID]) == 0)
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

        if (!says_something(line, length))
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
        return refuse(d, err, "the line holds a NUL: this is neither JSON nor a list of commands");
    text = json_stringn(line, n_bytes);
    if (text == NULL)
        return refuse(d, err, "the line is not UTF-8: a list of commands must be");
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
    if (!says_something(line, n_bytes) || *line == '#')
        return 0;
    if (d->g->n_tasks >= TASKS_MAX)
        return refuse_too_many(d, err);
    if (put_shell_command(d, line, n_bytes, err) != 0)
        return -1;
    snprintf(id, sizeof(id), "%" PRIu32, d->g->n_tasks + 1);
    d->id = id;
    add_task(d, 3, &d->defaults);
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
        status = refuse(d, err, "a workflow must be an object, not %s; write {\"tasks\": [...]}", type_name(root));
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
    while (text < end && is_blank(*text))
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

    if (memchr(o->line, '}', o->n_bytes) == NULL || (o->is_alone && o->n_bytes > ARGV_MAX_BYTES))
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
        return refuse(d, err, "the file is empty; a workflow is JSON, JSON Lines or a list of commands");
    if (*o.line == '{')
        return begins_json_lines(&o) ? read_json_lines(d, s, err) : read_whole_json(d, s, err);
    is_array = *o.line == '[' ? is_json_array(s, err) : 0;
    if (is_array < 0)
        return -1;
    return is_array ? read_whole_json(d, s, err) : read_list(d, s, err);
}

/* ---- from a document to a graph */

static void draft_release(struct draft *d)
{
    graph_free(d->g);
    free(d->name);
    free(d->default_cwd);
    json_decref(d->default_env);
    dependency_release(&d->dependencies);
    buffer_release(&d->expanded);
    buffer_release(&d->id_text);
    buffer_release(&d->argv);
    buffer_release(&d->env);
}

static void draft_init(struct draft *d, const char *file)
{
    *d = (struct draft){.file = file, .g = graph_new()};
    d->defaults.resources = d->g->resources[0];
    intern_setting(d, NULL, 0, &d->defaults);
    dependency_init(&d->dependencies, d->g);
}

/* What is left to do when the document has been read, and is no longer needed. */
static int draft_finish(struct draft *d, struct ganger_error *err)
{
    task_id child = TASK_NONE;
    uint64_t place = 0;

    if (d->g->n_tasks == 0)
        return refuse(d, err, "the workflow has no tasks");
    if (dependency_resolve(&d->dependencies, &child, &place, err) != 0) {
        *(d->is_document ? &d->number : &d->line) = place;
        d->id = d->g->tasks[child].id;
        return put_place_in_front(d, err);
    }
    dependency_release(&d->dependencies);
    if (graph_seal(d->g, err) != 0)
        return put_place_in_front(d, err);
    return 0;
}

/* "flow/ising.json" -> "ising" */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    return xstrndup(base, dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));
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
        *w = (struct workflow){d.name ? d.name : name_of_file(file), source_digest(s), d.g};
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
    const char **names = xmalloc((g->n_named + 1) * sizeof(*names));
    const char *near;

    for (uint32_t i = 0; i < g->n_named; i++)
        names[i] = g->named[i].name;
    near = spelling_nearest(name, names, g->n_named);
    free(names);
    if (near != NULL)
        return error_set(err, ERROR_USAGE, "the workflow declares no resource \"%.80s\"; did you mean \"%s\"?", name,
                         near);
    return error_set(err, ERROR_USAGE, "the workflow declares no resource \"%.80s\"; its \"resources\" must name it",
                     name);
}

static uint32_t amount_of(const struct task_resources *r, uint32_t resource)
{
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
        uint32_t wanted = task_is_join(&g->tasks[t]) ? 0 : amount_of(&g->resources[g->tasks[t].resource_class], resource);

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
