#include "core/sweep.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_LARGEST INT64_C(1000000000000000) /* so that nothing overflows on the way */

struct sweep_variable
{
    char *name;
    uint64_t n_values;
    uint64_t at;    /* which one is the present value */
    char **values;  /* NULL: a range */
    size_t capacity;
    int64_t first;  /* of the range */
    int64_t step;
    int width;      /* zero padded to; 0: not padded */
    char number[24]; /* the present value of a range */
};

void sweep_release(struct sweep *s)
{
    for (size_t i = 0; i < s->n_variables; i++) {
        struct sweep_variable *v = &s->variables[i];

        for (uint64_t k = 0; v->values != NULL && k < v->n_values; k++)
            free(v->values[k]);
        free(v->values);
        free(v->name);
    }
    free(s->variables);
    *s = (struct sweep)SWEEP_EMPTY;
}

static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return *name != '\0' && (*name < '0' || *name > '9') && name[strspn(name, letters)] == '\0';
}

int sweep_add_variable(struct sweep *s, const char *name, struct ganger_error *err)
{
    if (!is_name(name))
        return error_set(err, ERROR_USAGE,
                         "the name of the variable \"%.80s\" must be made of letters, digits and _, "
                         "not a digit first",
                         name);
    s->variables = xgrow(s->variables, s->n_variables, &s->capacity, sizeof(*s->variables));
    s->variables[s->n_variables++] = (struct sweep_variable){.name = xstrdup(name)};
    return 0;
}

void sweep_add_value(struct sweep *s, const char *value)
{
    struct sweep_variable *v = &s->variables[s->n_variables - 1];

    v->values = xgrow(v->values, v->n_values, &v->capacity, sizeof(*v->values));
    v->values[v->n_values++] = xstrdup(value);
}

/* A whole number and how many characters it took; 0 characters when there is none. */
static int read_whole(const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-');
    char *end;

    if (*digits < '0' || *digits > '9')
        return 0;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (errno != 0 || *value > RANGE_LARGEST || *value < -RANGE_LARGEST)
        return 0;
    return (int)(end - text);
}

static bool is_padded(const char *text)
{
    text += *text == '-';
    return text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

static bool read_range(const char *range, struct sweep_variable *v, int64_t *last)
{
    const char *second;
    int n_first = read_whole(range, &v->first);
    int n_last;

    if (n_first == 0 || range[n_first] != '-')
        return false;
    second = range + n_first + 1;
    n_last = read_whole(second, last);
    if (n_last == 0)
        return false;
    if (is_padded(range) || is_padded(second))
        v->width = n_first > n_last ? n_first : n_last;
    v->step = 1;
    if (second[n_last] == ':') {
        const char *step = second + n_last + 1;
        int n_step = read_whole(step, &v->step);

        return n_step > 0 && step[n_step] == '\0';
    }
    return second[n_last] == '\0';
}

int sweep_set_range(struct sweep *s, const char *range, struct ganger_error *err)
{
    struct sweep_variable *v = &s->variables[s->n_variables - 1];
    int64_t last;

    assert(v->values == NULL);
    if (!read_range(range, v, &last) || v->width > 18)
        return error_set(err, ERROR_USAGE,
                         "\"%.80s\" is not a range; write \"1-20\", \"0-100:10\" or a list of values: [\"a\", "
                         "\"b\"]",
                         range);
    if (v->step < 1 || last < v->first)
        return error_set(err, ERROR_USAGE,
                         "the range \"%.80s\" holds nothing; write the smaller number first and a step above 0",
                         range);
    v->n_values = (uint64_t)((last - v->first) / v->step) + 1;
    return 0;
}

uint64_t sweep_count(const struct sweep *s)
{
    uint64_t count = 1;

    for (size_t i = 0; i < s->n_variables; i++)
        if (__builtin_mul_overflow(count, s->variables[i].n_values, &count))
            return UINT64_MAX;
    return count;
}

static void go_to_value(struct sweep_variable *v, uint64_t at)
{
    v->at = at;
    if (v->values == NULL)
        snprintf(v->number, sizeof(v->number), "%0*" PRId64, v->width, v->first + (int64_t)at * v->step);
}

void sweep_start(struct sweep *s)
{
    for (size_t i = 0; i < s->n_variables; i++)
        go_to_value(&s->variables[i], 0);
}

bool sweep_next(struct sweep *s)
{
    for (size_t i = s->n_variables; i-- > 0;) {
        struct sweep_variable *v = &s->variables[i];

        if (v->at + 1 < v->n_values) {
            go_to_value(v, v->at + 1);
            return true;
        }
        go_to_value(v, 0);
    }
    return false;
}

/* The variable whose `{name}` begins at `text`; NULL when none does. */
static const struct sweep_variable *variable_at(const struct sweep *s, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < s->n_variables; i++) {
        size_t length = strlen(s->variables[i].name);

        if (n_bytes >= length + 2 && memcmp(text + 1, s->variables[i].name, length) == 0 &&
            text[length + 1] == '}')
            return &s->variables[i];
    }
    return NULL;
}

void sweep_expand(const struct sweep *s, const char *text, size_t n_bytes, struct buffer *out)
{
    const char *end = text + n_bytes;

    while (text < end) {
        const char *brace = memchr(text, '{', (size_t)(end - text));
        const struct sweep_variable *v;

        if (brace == NULL)
            brace = end;
        buffer_put(out, text, (size_t)(brace - text));
        if (brace == end)
            break;
        v = variable_at(s, brace, (size_t)(end - brace));
        if (v == NULL) {
            buffer_put_u8(out, '{');
            text = brace + 1;
        } else {
            const char *value = v->values ? v->values[v->at] : v->number;

            buffer_put(out, value, strlen(value));
            text = brace + strlen(v->name) + 2;
        }
    }
}

const char *sweep_find_unmentioned(const struct sweep *s, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < s->n_variables; i++) {
        const struct sweep one = {&s->variables[i], 1, 1};
        bool is_mentioned = false;

        for (size_t at = 0; at < n_bytes; at++)
            if (text[at] == '{' && variable_at(&one, text + at, n_bytes - at) != NULL)
                is_mentioned = true;
        if (!is_mentioned)
            return s->variables[i].name;
    }
    return NULL;
}
