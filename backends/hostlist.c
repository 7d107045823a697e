#include "backends/hostlist.h"

#include "base/alloc.h"
#include "base/buffer.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct hosts
{
    char **names;
    size_t n;
    size_t capacity;
    const char *text; /* the whole, for messages */
    struct ganger_error *err;
};

static int refuse(struct hosts *h, const char *what)
{
    return error_set(h->err, ERROR_SYSTEM, "the list of hosts \"%s\" cannot be read: %s", h->text, what);
}

/* At most nine digits. */
static const char *read_number(const char *p, unsigned long *number)
{
    const char *start = p;

    *number = 0;
    while (isdigit((unsigned char)*p) && p - start < 9)
        *number = *number * 10 + (unsigned long)(*p++ - '0');
    return p == start || isdigit((unsigned char)*p) ? NULL : p;
}

static int add_names(struct hosts *h, const char *prefix, const char *rest, size_t n_rest);

/* One range of a bracket, "7" or "01-12", with the prefix before and what follows the bracket. */
static int add_range(struct hosts *h, const char *prefix, const char *range, size_t n_range, const char *rest,
                     size_t n_rest)
{
    unsigned long first, last;
    const char *end = read_number(range, &first);
    int width = end != NULL ? (int)(end - range) : 0;

    last = first;
    if (end != NULL && *end == '-')
        end = read_number(end + 1, &last);
    if (end != range + n_range || last < first || last - first >= HOSTLIST_MAX)
        return refuse(h, "a bracket holds numbers and ranges like 1-3");
    for (unsigned long i = first; i <= last; i++) {
        char *name = xasprintf("%s%0*lu", prefix, width, i);
        int status = add_names(h, name, rest, n_rest);

        free(name);
        if (status < 0)
            return -1;
    }
    return 0;
}

/* `prefix` is settled; `rest`, up to the next comma outside of brackets, is not. */
static int add_names(struct hosts *h, const char *prefix, const char *rest, size_t n_rest)
{
    const char *open = memchr(rest, '[', n_rest), *close, *range;
    char *name;
    int status = 0;

    if (h->n >= HOSTLIST_MAX)
        return refuse(h, "more than a million");
    if (open == NULL) {
        h->names = xgrow(h->names, h->n, &h->capacity, sizeof(*h->names));
        h->names[h->n++] = xasprintf("%s%.*s", prefix, (int)n_rest, rest);
        return 0;
    }
    close = memchr(open, ']', n_rest - (size_t)(open - rest));
    if (close == NULL)
        return refuse(h, "a bracket is not closed");
    name = xasprintf("%s%.*s", prefix, (int)(open - rest), rest);
    for (range = open + 1; status == 0 && range <= close; range++) {
        size_t n_range = strcspn(range, ",]");

        status = add_range(h, name, range, n_range, close + 1, n_rest - (size_t)(close + 1 - rest));
        range += n_range;
    }
    free(name);
    return status;
}

/* Up to the next comma outside of brackets. */
static size_t length_of_item(const char *text)
{
    bool is_inside = false;
    size_t n = 0;

    for (; text[n] != '\0' && (is_inside || text[n] != ','); n++)
        is_inside = text[n] == '[' || (is_inside && text[n] != ']');
    return n;
}

int hostlist_read(const char *text, char ***hosts, size_t *n, struct ganger_error *err)
{
    struct hosts h = {.text = text, .err = err};
    const char *item = text;
    int status = 0;

    for (;;) {
        size_t n_item = length_of_item(item);

        if (n_item == 0)
            status = refuse(&h, "a name is empty");
        if (status == 0)
            status = add_names(&h, "", item, n_item);
        if (status < 0 || item[n_item] == '\0')
            break;
        item += n_item + 1;
    }
    if (status < 0) {
        hostlist_free(h.names, h.n);
        return -1;
    }
    *hosts = h.names;
    *n = h.n;
    return 0;
}

void hostlist_free(char **hosts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(hosts[i]);
    free(hosts);
}

/* "2" or "2(x3)". Returns its end; NULL when it is neither. */
static const char *read_count(const char *p, unsigned long *count, unsigned long *times)
{
    *times = 1;
    p = read_number(p, count);
    if (p != NULL && strncmp(p, "(x", 2) == 0) {
        p = read_number(p + 2, times);
        p = p != NULL && *p == ')' ? p + 1 : NULL;
    }
    return p;
}

int hostlist_read_counts(const char *text, uint32_t **counts, size_t *n, struct ganger_error *err)
{
    size_t capacity = 0;

    *counts = NULL;
    *n = 0;
    for (const char *p = text;;) {
        unsigned long count, times;
        const char *end = read_count(p, &count, &times);

        if (end == NULL || (*end != ',' && *end != '\0') || times == 0 || *n + times > HOSTLIST_MAX) {
            free(*counts);
            *counts = NULL;
            *n = 0;
            return error_set(err, ERROR_SYSTEM, "the list of counts \"%s\" cannot be read: it is not like 2(x3),4",
                             text);
        }
        for (unsigned long i = 0; i < times; i++) {
            *counts = xgrow(*counts, *n, &capacity, sizeof(**counts));
            (*counts)[(*n)++] = (uint32_t)count;
        }
        if (*end == '\0')
            return 0;
        p = end + 1;
    }
}

char *hostlist_write_counts(const uint32_t *counts, size_t n)
{
    struct buffer text = BUFFER_EMPTY;

    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && counts[next] == counts[i]; next++)
            ;
        buffer_printf(&text, "%s%u", i > 0 ? "," : "", counts[i]);
        if (next - i > 1)
            buffer_printf(&text, "(x%zu)", next - i);
    }
    buffer_put_u8(&text, 0);
    return text.bytes;
}
