#include "io/workflow_task.h"

#include "base/utf8.h"
#include "io/workflow_setting.h"
#include "io/workflow_stated.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* a call costs more than hashing a short command */
#include <xxhash.h>

#define BIT(key) (UINT32_C(1) << (key))
#define FILE_KEYS                                                                                                   \
    (BIT(KEY_INPUTS) | BIT(KEY_OUTPUTS) | BIT(KEY_STDIN) | BIT(KEY_STDOUT) | BIT(KEY_STDERR))
#define WIDTH_KEYS (BIT(KEY_NODES) | BIT(KEY_RANKS))

static const char shell[] = "/bin/sh\0-c"; /* and a NUL */

/* ---- id */

static int check_id(const struct draft *d, const char *id, size_t n_bytes, struct ganger_error *err)
{
    size_t at;

    if (draft_check_name(d, "\"id\"", id, n_bytes, err) != 0)
        return -1;
    at = strcspn(id, "*?{}");
    if (id[at] == '*' || id[at] == '?')
        return draft_refuse(d, err, "\"id\" must not hold %c, which stands for other characters in \"after\"", id[at]);
    if (id[at] != '\0')
        return draft_refuse(d, err, "\"id\" must not hold %c, except in {variable} with a variable of its \"for\"",
                            id[at]);
    return 0;
}

static int read_id(struct draft *d, const json_t *value, struct ganger_error *err)
{
    size_t n_bytes;

    if (value == NULL)
        return draft_refuse(d, err, "the task has no \"id\"; give it one that no other task has");
    d->id = draft_text(d, value, &n_bytes);
    if (d->id == d->expanded.bytes) { /* there until the next text only */
        d->id_text.n = 0;
        buffer_put(&d->id_text, d->id, n_bytes + 1);
        d->id = d->id_text.bytes;
    }
    name_index_prepare(&d->g->index, d->id, n_bytes);
    return check_id(d, d->id, n_bytes, err);
}

/* ---- command */

static void begin_command(struct draft *d, const struct stated *stated)
{
    d->argv.n = 0;
    if (stated->n_prefix > 0)
        buffer_put(&d->argv, stated->prefix, stated->n_prefix_bytes);
    d->command_at = d->argv.n;
}

static int put_word(struct draft *d, const char *key, const char *word, size_t n_bytes, struct ganger_error *err)
{
    if (n_bytes > WORD_MAX_BYTES || d->argv.n + n_bytes > TEXTS_MAX_BYTES)
        return draft_refuse(d, err,
                            "\"%s\" is too long (%zu bytes) for the system, which takes %d bytes in one word and "
                            "a few MB in all; put it into a script",
                            key, n_bytes > WORD_MAX_BYTES ? n_bytes : d->argv.n + n_bytes, WORD_MAX_BYTES);
    buffer_put(&d->argv, word, n_bytes);
    buffer_put_u8(&d->argv, 0);
    return 0;
}

static int put_shell_command(struct draft *d, const char *key, const char *command, size_t n_bytes,
                             struct ganger_error *err)
{
    if (!text_says_something(command, n_bytes))
        return draft_refuse(d, err, "\"%s\" is empty; to do nothing, write \"true\"", key);
    buffer_put(&d->argv, shell, sizeof(shell));
    return put_word(d, key, command, n_bytes, err);
}

static int put_words(struct draft *d, const char *key, const json_t *array, struct ganger_error *err)
{
    size_t i;
    json_t *word;

    json_array_foreach (array, i, word) {
        size_t n_bytes;
        const char *text;

        if (!json_is_string(word))
            return draft_refuse(d, err, "word %zu of \"%s\" must be a string, not %s; put it in quotes", i + 1, key,
                                draft_type_name(word));
        text = draft_text(d, word, &n_bytes);
        if (put_word(d, key, text, n_bytes, err) != 0)
            return -1;
    }
    if (json_array_size(array) == 0 || d->argv.bytes[d->command_at] == '\0')
        return draft_refuse(d, err, "\"%s\" is empty; to do nothing, write [\"true\"]", key);
    return 0;
}

int task_read_command(struct draft *d, const char *key, const json_t *value, const struct stated *stated,
                      uint32_t *n_argv, struct ganger_error *err)
{
    begin_command(d, stated);
    if (json_is_string(value)) {
        size_t n_bytes;
        const char *text = draft_text(d, value, &n_bytes);

        *n_argv = stated->n_prefix + 3;
        return put_shell_command(d, key, text, n_bytes, err);
    }
    *n_argv = stated->n_prefix + (uint32_t)json_array_size(value);
    return put_words(d, key, value, err);
}

/* ---- program */

static bool ends_word(char c)
{
    return text_is_blank(c) || strchr(";|&<>()", c) != NULL;
}

/* The end of the shell word that begins at `text`. What stands in quotes, or in $(...), is a part of it. */
static const char *end_of_word(const char *text)
{
    char quote = '\0';
    unsigned depth = 0;

    for (; *text != '\0' && (quote != '\0' || depth > 0 || !ends_word(*text)); text++) {
        bool is_quoted = quote != '\0';

        if (*text == '\\' && quote != '\'' && text[1] != '\0') {
            text++;
        } else if (*text == quote) {
            quote = '\0';
        } else if (!is_quoted && strchr("\"'`", *text) != NULL) {
            quote = *text;
        } else if (!is_quoted && text[0] == '$' && text[1] == '(') {
            depth++;
            text++;
        } else if (!is_quoted && depth > 0 && *text == ')') {
            depth--;
        }
    }
    return text;
}

static bool is_assignment(const char *word, const char *end)
{
    const char *p = word;

    while (p < end && (*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                       (p > word && *p >= '0' && *p <= '9')))
        p++;
    return p > word && p < end && *p == '=';
}

/* The first word of a shell command that is a command, and not a variable that is set for it. */
static const char *find_shell_program(const char *text, size_t *n_bytes)
{
    for (;;) {
        const char *end;

        while (text_is_blank(*text) || *text == '(' || *text == '{')
            text++;
        end = end_of_word(text);
        if (end == text || !is_assignment(text, end)) {
            *n_bytes = (size_t)(end - text);
            return text;
        }
        text = end;
    }
}

/* The number of a name; 0, which is like no other, when it cannot be shown to anybody. */
static uint32_t intern_program(struct draft *d, const char *name, size_t n_bytes)
{
    if (n_bytes > NAME_MAX_BYTES || utf8_find_control(name, n_bytes) > 0)
        return 0;
    return graph_intern_program(d->g, name, n_bytes);
}

/* The number of the basename of what a task runs. */
static uint32_t find_program(struct draft *d, const char *word, size_t n_bytes)
{
    const char *slash;
    const char *last = d->g->programs[d->last_program];

    if (n_bytes > 1 && (*word == '"' || *word == '\'') && word[n_bytes - 1] == *word) {
        word++;
        n_bytes -= 2;
    }
    slash = memrchr(word, '/', n_bytes);
    if (slash != NULL) {
        n_bytes -= (size_t)(slash + 1 - word);
        word = slash + 1;
    }
    if (strncmp(last, word, n_bytes) == 0 && last[n_bytes] == '\0')
        return d->last_program;
    d->last_program = intern_program(d, word, n_bytes);
    return d->last_program;
}

static uint32_t program_of(struct draft *d, const struct stated *stated)
{
    const char *command = d->argv.bytes + d->command_at;
    size_t n_bytes;

    if (stated->program != UINT32_MAX)
        return stated->program;
    if (d->sweep != NULL)
        return d->instances_program;
    if (d->argv.n - d->command_at <= sizeof(shell) || memcmp(command, shell, sizeof(shell)) != 0)
        return find_program(d, command, strlen(command));
    command = find_shell_program(command + sizeof(shell), &n_bytes);
    return find_program(d, command, n_bytes);
}

/* ---- function */

#define COMMAND_KEYS (FILE_KEYS | BIT(KEY_ENV) | BIT(KEY_CWD) | BIT(KEY_PREFIX) | \
                      BIT(KEY_END_SIGNAL))
#define INPUT_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)
#define INPUT_MAX_BYTES (16 * 1024 * 1024) /* GANGER_PAYLOAD_MAX of ganger.h */

/* Puts the values of the task's `for` into all strings of a value of its own. */
static void expand_strings(struct draft *d, json_t *value)
{
    const char *key, *text;
    json_t *member;
    size_t i, n_bytes;

    if (json_is_string(value)) {
        text = draft_text(d, value, &n_bytes);
        if (text != json_string_value(value))
            json_string_setn(value, text, n_bytes);
    }
    json_array_foreach (value, i, member) {
        expand_strings(d, member);
    }
    json_object_foreach (value, key, member) {
        expand_strings(d, member);
    }
}

/* Fills d->argv with the text of the value. */
static int read_input(struct draft *d, json_t *value, struct ganger_error *err)
{
    json_t *own = d->sweep != NULL ? json_deep_copy(value) : json_incref(value);
    size_t n_bytes;

    d->argv.n = 0;
    if (own == NULL) {
        buffer_put_u8(&d->argv, 0);
        return 0;
    }
    if (d->sweep != NULL)
        expand_strings(d, own);
    n_bytes = json_dumpb(own, NULL, 0, INPUT_FLAGS);
    if (n_bytes <= INPUT_MAX_BYTES) {
        buffer_reserve(&d->argv, n_bytes + 1);
        d->argv.n = json_dumpb(own, d->argv.bytes, n_bytes, INPUT_FLAGS);
        buffer_put_u8(&d->argv, 0);
    }
    json_decref(own);
    if (n_bytes > INPUT_MAX_BYTES)
        return draft_refuse(d, err, "\"input\" has %zu bytes; at most %d travel with a task: put it into a file",
                            n_bytes, INPUT_MAX_BYTES);
    return 0;
}

static int check_function_keys(const struct draft *d, json_t **values, uint32_t present, struct ganger_error *err)
{
    for (int key = 0; key < N_TASK_KEYS; key++)
        if ((present & COMMAND_KEYS & BIT(key)) != 0)
            return draft_refuse(d, err, "\"%s\" is for commands; a function opens its files itself, and waits for what "
                                        "\"after\" names", words_of_task.words[key].key);
    if (values[KEY_COMMAND] != NULL)
        return draft_refuse(d, err, "the task has a \"command\" and a \"function\"; leave out one of them");
    return 0;
}

static int check_command_keys(const struct draft *d, json_t **values, struct ganger_error *err)
{
    static const enum task_key keys[] = {KEY_INPUT, KEY_ISOLATE, KEY_KEEP};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (values[keys[i]] != NULL)
            return draft_refuse(d, err, "\"%s\" is for a \"function\", and this task has a \"command\"",
                                words_of_task.words[keys[i]].key);
    return 0;
}

/* The program of a function is the function, unless one is stated. */
static int read_function(struct draft *d, json_t **values, uint32_t present, const struct stated *stated,
                         struct task *task, struct ganger_error *err)
{
    size_t n_bytes;
    const char *name;

    if (check_function_keys(d, values, present, err) != 0 || read_input(d, values[KEY_INPUT], err) != 0)
        return -1;
    name = draft_text(d, values[KEY_FUNCTION], &n_bytes);
    if (draft_check_name(d, "\"function\"", name, n_bytes, err) != 0)
        return -1;
    *task = (struct task){
        .id = arena_text(&d->g->text, d->id, strlen(d->id)),
        .argv = arena_text(&d->g->text, d->argv.bytes, d->argv.n - 1),
        .n_argv = 1,
        .n_argv_bytes = (uint32_t)d->argv.n - 1,
        .setting = stated->setting,
        .digest = task_digest_of_call(name, d->argv.bytes, d->argv.n - 1),
        .cost_s = stated->cost_s,
        .resource_class = stated->resource_class,
        .policy = stated->policy_number,
        .program = stated->program != UINT32_MAX ? stated->program : graph_intern_program(d->g, name, n_bytes),
        .function = graph_intern_function(d->g, name, n_bytes),
        .flags = stated->flags,
    };
    if (task->function == UINT16_MAX)
        return draft_refuse(d, err, "the workflow names more than %u functions", UINT16_MAX - 1);
    return 0;
}

/* ---- after */

static bool has_brace(const char *text)
{
    while (*text != '\0' && *text != '{' && *text != '}')
        text++;
    return *text != '\0';
}

static int add_dependency(struct draft *d, task_id child, const json_t *value, enum graph_condition on,
                          struct ganger_error *err)
{
    size_t n_bytes;
    const char *text = draft_text(d, value, &n_bytes);

    if (n_bytes == 0)
        return draft_refuse(d, err, "\"after\" holds an empty id; leave \"after\" out if there is nothing to wait for");
    if (has_brace(text))
        return draft_refuse(d, err,
                            "\"after\": \"%.255s\": what stands in braces is no variable of this task's \"for\"; to "
                            "wait for all instances of a task put * there",
                            text);
    dependency_add(&d->dependencies, child, text, n_bytes, on, d->number ? d->number : d->line);
    return 0;
}

static int read_on(struct draft *d, const json_t *value, enum graph_condition *on, struct ganger_error *err)
{
    size_t n_bytes;
    const char *text;

    *on = ON_OK;
    if (value == NULL)
        return 0;
    text = draft_text(d, value, &n_bytes);
    for (int i = 0; i < N_CONDITIONS; i++) {
        if (strcmp(text, words_of_on[i]) == 0) {
            *on = (enum graph_condition)i;
            return 0;
        }
    }
    return draft_refuse(d, err,
                        "\"after\": \"on\" must be \"ok\" (it ended well), \"notok\" (it failed) or \"any\" (either), "
                        "not \"%.80s\"",
                        text);
}

/* {"task": "a", "on": "any"} */
static int add_condition(struct draft *d, task_id child, json_t *object, struct ganger_error *err)
{
    json_t *values[N_CONDITION_KEYS];
    uint32_t present;
    enum graph_condition on;

    if (draft_take_apart(d, object, &words_of_condition, values, &present, err) != 0 ||
        read_on(d, values[CONDITION_ON], &on, err) != 0)
        return -1;
    if (values[CONDITION_TASK] == NULL)
        return draft_refuse(d, err, "an object in \"after\" needs \"task\": {\"task\": \"id\", \"on\": \"any\"}");
    return add_dependency(d, child, values[CONDITION_TASK], on, err);
}

static int add_dependencies(struct draft *d, task_id child, json_t *after, struct ganger_error *err)
{
    size_t i;
    json_t *value;

    if (json_is_string(after))
        return add_dependency(d, child, after, ON_OK, err);
    if (json_is_object(after))
        return add_condition(d, child, after, err);
    if (!json_is_array(after))
        return draft_refuse_type(d, "after", "an id or an array of ids", after, err);
    json_array_foreach (after, i, value) {
        if (json_is_array(value))
            return draft_refuse_type(d, "after", "an id or an array of ids", value, err);
        if (add_dependencies(d, child, value, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- tasks */

struct task task_of(struct draft *d, uint32_t n_argv, const struct stated *stated)
{
    assert(d->id != NULL && d->argv.bytes != NULL);
    return (struct task){
        .id = arena_text(&d->g->text, d->id, strlen(d->id)),
        .argv = arena_text(&d->g->text, d->argv.bytes, d->argv.n - 1),
        .n_argv = n_argv,
        .n_argv_bytes = (uint32_t)d->argv.n,
        .setting = stated->setting,
        .digest = XXH64(d->argv.bytes, d->argv.n, stated->setting_digest),
        .cost_s = stated->cost_s,
        .resource_class = stated->resource_class,
        .policy = stated->policy_number,
        .program = program_of(d, stated),
    };
}

static task_id add_task(struct draft *d, uint32_t n_argv, const struct stated *stated)
{
    struct task task = task_of(d, n_argv, stated);

    return graph_add_task(d->g, &task);
}

/* What it runs: a command, or a function. */
static int read_body(struct draft *d, json_t **values, uint32_t present, const struct stated *stated,
                     struct task *task, struct ganger_error *err)
{
    uint32_t n_argv = 0;

    if (values[KEY_FUNCTION] != NULL)
        return read_function(d, values, present, stated, task, err);
    if (values[KEY_COMMAND] == NULL)
        return draft_refuse(d, err, "the task has no \"command\"; write \"command\": [\"program\", \"argument\"] or "
                                    "\"command\": \"a line for /bin/sh\"");
    if (check_command_keys(d, values, err) != 0 ||
        task_read_command(d, "command", values[KEY_COMMAND], stated, &n_argv, err) != 0)
        return -1;
    *task = task_of(d, n_argv, stated);
    return 0;
}

int task_read_shell_line(struct draft *d, const char *line, size_t n_bytes, struct ganger_error *err)
{
    begin_command(d, &d->defaults);
    if (put_shell_command(d, "command", line, n_bytes, err) != 0)
        return -1;
    add_task(d, 3, &d->defaults);
    return 0;
}

/* One task of the graph: a task of the document, or one instance of its `for`. */
static int read_instance(struct draft *d, json_t **values, uint32_t present, struct ganger_error *err)
{
    const struct stated *stated = &d->defaults;
    struct stated own;
    struct task task;
    task_id t;

    if (read_id(d, values[KEY_ID], err) != 0)
        return -1;
    if ((present & (STATED_KEYS | FILE_KEYS)) != 0) {
        own = d->defaults;
        stated = &own;
        if (stated_read(d, values, present, &own, err) != 0 ||
            ((present & FILE_KEYS) != 0 && setting_read_files(d, values, &own, err) != 0))
            return -1;
    }
    if ((present & WIDTH_KEYS) != 0 && stated_check_width(d, values, err) != 0)
        return -1;
    if (d->g->n_tasks >= TASKS_MAX)
        return draft_refuse_too_many(d, err);
    if (read_body(d, values, present, stated, &task, err) != 0)
        return -1;
    t = graph_add_task(d->g, &task);
    if (t == TASK_NONE)
        return draft_refuse(d, err, "the id is taken by an earlier task; give each its own");
    if ((present & FILE_KEYS) != 0 && setting_note_files(d, t, err) != 0)
        return -1;
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
        return draft_refuse(d, err, "\"for\": the values of \"%.80s\" must be strings or numbers, not %s", name,
                            draft_type_name(value));
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
        return draft_put_place_in_front(d, err);
    }
    if (json_is_string(values))
        return 0;
    if (!json_is_array(values))
        return draft_refuse(d, err, "\"for\": \"%.80s\" must be a range like \"1-20\" or an array of values, not %s",
                            name, draft_type_name(values));
    if (json_array_size(values) == 0)
        return draft_refuse(d, err, "\"for\": \"%.80s\" has no values", name);
    json_array_foreach (values, i, value)
        if (read_value(d, s, name, value, err) != 0)
            return -1;
    return 0;
}

static int read_sweep(const struct draft *d, json_t *variables, struct sweep *s, struct ganger_error *err)
{
    const char *name;
    json_t *values;

    if (json_object_size(variables) == 0)
        return draft_refuse(d, err, "\"for\" must be %s", words_of_task.words[KEY_FOR].wanted);
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
        return draft_refuse(d, err, "\"for\" makes %" PRIu64 " tasks; ganger takes %" PRIu32, n, TASKS_MAX);
    if (id == NULL)
        return 0; /* read_id says it better */
    d->id = json_string_value(id);
    missing = sweep_find_unmentioned(s, d->id, json_string_length(id));
    if (missing != NULL)
        return draft_refuse(d, err,
                            "its instances would all have the same id: put {%s} into \"id\", "
                            "for example \"%.200s.{%s}\"",
                            missing, d->id, missing);
    return 0;
}

static int read_instances(struct draft *d, json_t **values, uint32_t present, struct sweep *s,
                          struct ganger_error *err)
{
    const json_t *id = values[KEY_ID];
    int status;

    if (read_sweep(d, values[KEY_FOR], s, err) != 0 || check_sweep(d, s, id, err) != 0)
        return -1;
    d->sweep = s;
    d->first_instance = d->g->n_tasks;
    if (id != NULL)
        d->instances_program = intern_program(d, json_string_value(id), json_string_length(id));
    sweep_start(s);
    do {
        d->id = NULL;
        status = read_instance(d, values, present, err);
    } while (status == 0 && sweep_next(s));
    d->sweep = NULL;
    return status;
}

int task_read(struct draft *d, json_t *object, struct ganger_error *err)
{
    json_t *values[N_TASK_KEYS];
    struct sweep sweep = SWEEP_EMPTY;
    uint32_t present;
    int status;

    d->id = NULL;
    if (!json_is_object(object))
        return draft_refuse(d, err, "a task must be an object like {\"id\": \"a\", \"command\": [\"program\"]}, not %s",
                            draft_type_name(object));
    d->id = json_string_value(json_object_get(object, "id"));
    if (draft_take_apart(d, object, &words_of_task, values, &present, err) != 0)
        return -1;
    if (values[KEY_FOR] == NULL)
        return read_instance(d, values, present, err);
    status = read_instances(d, values, present, &sweep, err);
    sweep_release(&sweep);
    return status;
}
