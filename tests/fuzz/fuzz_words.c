/* Feeds what reads short texts: durations, sizes, ranges, wildcards, UTF-8. Built by CMake with -DGANGER_FUZZ=ON
 * (clang).
 *
 * The first byte says what: 'd' a duration, 'b' a size, 'r' a range of a `for` ('t': and a text with its variable,
 * after a newline), 'w' a pattern and, after a newline, a text; 'u' bytes that may be UTF-8. */
#include "base/alloc.h"
#include "base/amount.h"
#include "base/buffer.h"
#include "base/utf8.h"
#include "core/sweep.h"
#include "core/wildcard.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define VALUES_MAX 1000 /* of a range that are looked at */

static void read_duration(const char *text)
{
    double s = -1;

    if (amount_read_duration(text, &s) && !(s >= 0 && isfinite(s)))
        abort();
}

static void read_size(const char *text)
{
    uint64_t bytes = 0;

    if (amount_read_bytes(text, &bytes) && (bytes == 0 || bytes > UINT64_C(1) << 63))
        abort();
}

/* As many values as are counted, none twice in a row. */
static void walk(struct sweep *s, const char *text)
{
    struct buffer value = BUFFER_EMPTY, before = BUFFER_EMPTY;
    uint64_t n = 0, n_said = sweep_count(s);

    sweep_start(s);
    do {
        value.n = 0;
        sweep_expand(s, "{v}", 3, &value);
        if (value.n == 0 || (value.n == before.n && memcmp(value.bytes, before.bytes, value.n) == 0))
            abort();
        before.n = 0;
        buffer_put(&before, value.bytes, value.n);
        sweep_expand(s, text, strlen(text), &value);
        n++;
    } while (n < VALUES_MAX && sweep_next(s));
    if (n < VALUES_MAX && n != n_said)
        abort();
    buffer_release(&value);
    buffer_release(&before);
}

static void read_range(const char *range, const char *text)
{
    struct ganger_error err = {0};
    struct sweep s = SWEEP_EMPTY;

    sweep_add_variable(&s, "v", &err);
    if (sweep_set_range(&s, range, &err) == 0)
        walk(&s, text);
    else if (err.cause != ERROR_USAGE || err.text[0] == '\0')
        abort();
    sweep_find_unmentioned(&s, text, strlen(text));
    sweep_release(&s);
}

/* A name that is no C name is refused, and no other. */
static void read_variable(const char *name)
{
    struct sweep s = SWEEP_EMPTY;
    struct buffer out = BUFFER_EMPTY;

    if (sweep_add_variable(&s, name, NULL) == 0) {
        sweep_add_value(&s, "1");
        sweep_start(&s);
        sweep_expand(&s, name, strlen(name), &out);
    }
    sweep_release(&s);
    buffer_release(&out);
}

/* The slow way, by what the words mean. Both are UTF-8. */
static bool matches(const char *pattern, const char *text)
{
    uint32_t character;
    size_t n;

    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return matches(pattern + 1, text) || (*text != '\0' && matches(pattern, text + 1));
    n = utf8_character(text, strlen(text), &character);
    if (*pattern == '?')
        return n > 0 && matches(pattern + 1, text + n);
    return *text == *pattern && matches(pattern + 1, text + 1);
}

static bool is_utf8(const char *text)
{
    uint32_t character;

    while (*text != '\0') {
        size_t n = utf8_character(text, strlen(text), &character);

        if (n == 0)
            return false;
        text += n;
    }
    return true;
}

static uint32_t count(const char *text, char c)
{
    uint32_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

static void match(const char *pattern, const char *text)
{
    size_t n_text = strlen(text);
    bool is;

    if (!is_utf8(pattern) || !is_utf8(text))
        return;
    is = wildcard_matches(pattern, text);
    if (count(pattern, '*') <= 3 && n_text < 40 && is != matches(pattern, text))
        abort();
    if (is && (wildcard_prefix(pattern) > n_text || memcmp(pattern, text, wildcard_prefix(pattern)) != 0 ||
               wildcard_suffix(pattern) > n_text))
        abort();
    if (!wildcard_is_in(pattern) && is != (strcmp(pattern, text) == 0))
        abort();
}

static void repair(const char *text)
{
    char *whole = utf8_repaired(text), *printable = xstrdup(whole);

    if (!is_utf8(whole) || (is_utf8(text) && strcmp(whole, text) != 0))
        abort();
    utf8_make_printable(printable);
    if (strlen(printable) != strlen(whole) || utf8_find_control(printable, strlen(printable)) != 0)
        abort();
    free(whole);
    free(printable);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text, *second;

    if (n < 1)
        return 0;
    text = xstrndup((const char *)bytes + 1, n - 1);
    second = strchr(text, '\n');
    if (second != NULL)
        *second++ = '\0';
    else
        second = text + strlen(text);
    switch (bytes[0]) {
    case 'd': read_duration(text); break;
    case 'b': read_size(text); break;
    case 'r': read_range(text, ""); break;
    case 't': read_range(text, second); break;
    case 'v': read_variable(text); break;
    case 'w': match(text, second); break;
    default: repair(text);
    }
    free(text);
    return 0;
}
