#include "io/workflow_draft.h"

#include "base/amount.h"
#include "base/utf8.h"
#include "io/workflow_setting.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_S 1e12
#define LARGEST_EXACT 9007199254740992.0 /* 2^53: above, not every whole number is a double */

void draft_init(struct draft *d, const char *file)
{
    *d = (struct draft){.file = file, .g = graph_new()};
    d->defaults.resources = d->g->resources[0];
    d->defaults.tokens = UINT32_MAX;
    d->defaults.program = UINT32_MAX;
    setting_intern(d, NULL, 0, &d->defaults);
    dependency_init(&d->dependencies, d->g);
    file_table_init(&d->files, d->g);
}

void draft_release(struct draft *d)
{
    graph_free(d->g);
    free(d->name);
    free(d->default_cwd);
    free(d->amounts);
    json_decref(d->default_env);
    dependency_release(&d->dependencies);
    file_table_release(&d->files);
    buffer_release(&d->expanded);
    buffer_release(&d->id_text);
    buffer_release(&d->argv);
    buffer_release(&d->env);
    buffer_release(&d->paths);
    buffer_release(&d->word);
}

/* ---- messages */

int draft_make_printable(struct ganger_error *err)
{
    if (err != NULL)
        utf8_make_printable(err->text);
    return -1;
}

int draft_put_place_in_front(const struct draft *d, struct ganger_error *err)
{
    char place[640] = "";
    size_t used = 0;

    if (d->line > 0)
        used += (size_t)snprintf(place, sizeof(place), ":%" PRIu64, d->line);
    used += (size_t)snprintf(place + used, sizeof(place) - used, ": ");
    if (d->part != NULL)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "\"%s\": ", d->part);
    if (d->member != NULL)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "\"%.80s\": ", d->member);
    if (d->number > 0)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "task %" PRIu64 "%s", d->number,
                                 d->id ? "" : ": ");
    if (d->id != NULL)
        snprintf(place + used, sizeof(place) - used, d->number > 0 ? " (\"%.300s\"): " : "task \"%.300s\": ",
                 d->id);
    error_prefix(err, "%.1000s%s", d->file, place);
    return draft_make_printable(err);
}

int draft_refuse(const struct draft *d, struct ganger_error *err, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_USAGE, "%s", text);
    return draft_put_place_in_front(d, err);
}

const char *draft_type_name(const json_t *value)
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

int draft_refuse_type(const struct draft *d, const char *key, const char *wanted, const json_t *value,
                      struct ganger_error *err)
{
    return draft_refuse(d, err, "\"%s\" must be %s, not %s", key, wanted, draft_type_name(value));
}

int draft_refuse_too_many(const struct draft *d, struct ganger_error *err)
{
    return draft_refuse(d, err, "there are more than %" PRIu32 " tasks; split the workflow", TASKS_MAX);
}

/* ---- objects */

static int refuse_key(const struct draft *d, const char *key, const struct word_table *table,
                      struct ganger_error *err)
{
    const char *meant;

    if (words_are_elsewhere(key))
        return draft_refuse(d, err, "\"%s\" does not belong in %s", key, table->what);
    meant = words_find_meant(table, key);
    if (meant != NULL)
        return draft_refuse(d, err, "unknown key \"%.80s\" in %s; did you mean \"%s\"?", key, table->what, meant);
    return draft_refuse(d, err, "unknown key \"%.80s\" in %s; docs/workflow-format.md lists those there are", key,
                        table->what);
}

static unsigned kind_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return IS_OBJECT;
    case JSON_ARRAY: return IS_ARRAY;
    case JSON_STRING: return IS_STRING;
    case JSON_INTEGER:
    case JSON_REAL: return IS_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE: return IS_BOOLEAN;
    case JSON_NULL: return IS_NULL;
    }
    return 0;
}

int draft_take_apart(const struct draft *d, json_t *object, const struct word_table *table, json_t **values,
                     uint32_t *present, struct ganger_error *err)
{
    const char *key;
    json_t *value;

    memset(values, 0, table->n * sizeof(json_t *));
    *present = 0;
    json_object_foreach (object, key, value) {
        size_t k = 0;

        while (k < table->n && (key[0] != table->words[k].key[0] || strcmp(key, table->words[k].key) != 0))
            k++;
        if (k == table->n)
            return refuse_key(d, key, table, err);
        if ((table->words[k].kinds & kind_of(value)) == 0)
            return draft_refuse_type(d, key, table->words[k].wanted, value, err);
        values[k] = value;
        *present |= UINT32_C(1) << k;
    }
    return 0;
}

/* ---- values */

const char *draft_expand(struct draft *d, const char *text, size_t *n_bytes)
{
    if (d->sweep == NULL || memchr(text, '{', *n_bytes) == NULL)
        return text;
    d->expanded.n = 0;
    sweep_expand(d->sweep, text, *n_bytes, &d->expanded);
    *n_bytes = d->expanded.n;
    buffer_put_u8(&d->expanded, 0);
    return d->expanded.bytes;
}

const char *draft_text(struct draft *d, const json_t *string, size_t *n_bytes)
{
    *n_bytes = json_string_length(string);
    return draft_expand(d, json_string_value(string), n_bytes);
}

bool text_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool text_says_something(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (!text_is_blank(text[i]))
            return true;
    return false;
}

int draft_check_name(const struct draft *d, const char *what, const char *name, size_t n_bytes,
                     struct ganger_error *err)
{
    size_t control = utf8_find_control(name, n_bytes);

    if (n_bytes == 0 || n_bytes > NAME_MAX_BYTES)
        return draft_refuse(d, err, "%s must have 1 to %d bytes; this one has %zu", what, NAME_MAX_BYTES, n_bytes);
    if (control > 0)
        return draft_refuse(d, err, "%s must not hold control characters (at byte %zu)", what, control);
    return 0;
}

/* Programs write 2.0 where people write 2. */
static bool is_whole(const json_t *value, int64_t *number)
{
    double real = json_number_value(value);

    if (json_is_integer(value)) {
        *number = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || real < -LARGEST_EXACT || real > LARGEST_EXACT || real != (double)(int64_t)real)
        return false;
    *number = (int64_t)real;
    return true;
}

/* Digits, maybe a minus in front, and nothing else; what is too large becomes the largest. */
static bool read_digits(const char *text, int64_t *number)
{
    const char *digits = text + (*text == '-');

    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return false;
    *number = strtoll(text, NULL, 10);
    return true;
}

int draft_read_whole(struct draft *d, const char *key, const json_t *value, int64_t least, int64_t most,
                     int64_t *number, struct ganger_error *err)
{
    if (d->sweep != NULL && json_is_string(value)) {
        size_t n_bytes;
        const char *text = draft_text(d, value, &n_bytes);

        if (!read_digits(text, number))
            return draft_refuse(d, err, "\"%s\": \"%.80s\" is not a whole number", key, text);
    } else if (!is_whole(value, number)) {
        return draft_refuse(d, err, "\"%s\" must be a whole number from %" PRId64 " to %" PRId64 "%s", key, least, most,
                            json_is_string(value) ? "; take it out of the quotes" : "");
    }
    if (*number < least || *number > most)
        return draft_refuse(d, err, "\"%s\" must be from %" PRId64 " to %" PRId64 ", not %" PRId64, key, least, most,
                            *number);
    return 0;
}

int draft_read_duration(struct draft *d, const char *key, const json_t *value, double *duration_s,
                        struct ganger_error *err)
{
    *duration_s = json_number_value(value);
    if (json_is_string(value)) {
        size_t n_bytes;
        const char *text = draft_text(d, value, &n_bytes);

        if (!amount_read_duration(text, duration_s))
            return draft_refuse(d, err, "\"%s\": \"%.80s\" is not a duration; write \"90s\", \"1h30m\", or a number of "
                                        "seconds without quotes",
                                key, text);
    }
    if (*duration_s < 0 || *duration_s > DURATION_MAX_S)
        return draft_refuse(d, err, "\"%s\" must be seconds from 0 to %g, not %g", key, DURATION_MAX_S, *duration_s);
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void draft_sort_texts(struct buffer *b, size_t start, size_t n)
{
    const char **texts;
    const char *next;
    struct buffer sorted = BUFFER_EMPTY;

    if (n < 2)
        return;
    next = b->bytes + start;
    texts = xmalloc(n * sizeof(*texts));
    for (size_t i = 0; i < n; i++, next += strlen(next) + 1)
        texts[i] = next;
    qsort(texts, n, sizeof(*texts), compare_texts);
    for (size_t i = 0; i < n; i++)
        buffer_put(&sorted, texts[i], strlen(texts[i]) + 1);
    memcpy(b->bytes + start, sorted.bytes, sorted.n);
    free(texts);
    buffer_release(&sorted);
}
