#include "io/import.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "io/import_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX_BYTES 255

/* ---- which format is it? */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Walks over JSON without understanding it: enough to see the keys of the outermost object. */
struct walk
{
    const char *next;
    const char *end;
};

static void skip_blanks(struct walk *w)
{
    while (w->next < w->end && is_blank(*w->next))
        w->next++;
}

/* Takes the text that begins at the quote; NULL when it does not end. */
static const char *take_text(struct walk *w, size_t *n_bytes)
{
    const char *start = ++w->next;

    while (w->next < w->end && *w->next != '"')
        w->next += *w->next == '\\' ? 2 : 1;
    if (w->next >= w->end)
        return NULL;
    *n_bytes = (size_t)(w->next++ - start);
    return start;
}

/* Goes to the comma or brace behind a value. */
static bool skip_value(struct walk *w)
{
    size_t depth = 0, n_bytes;

    while (w->next < w->end) {
        char c = *w->next;

        if (c == '"') {
            if (take_text(w, &n_bytes) == NULL)
                return false;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return true;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        w->next++;
    }
    return false;
}

static bool is_key(const char *key, size_t n_bytes, const char *wanted)
{
    return n_bytes == strlen(wanted) && memcmp(key, wanted, n_bytes) == 0;
}

/* Keys that one format has and the other has not, in the outermost object. */
static enum import_format recognise_json(const char *bytes, const char *end, bool *ends_early)
{
    struct walk w = {bytes + 1, end};

    for (;;) {
        const char *key;
        size_t n_bytes;

        skip_blanks(&w);
        if (w.next < w.end && *w.next != '"')
            return IMPORT_OURS; /* the end of the object, or no JSON: workflow_load says so */
        if (w.next == w.end || (key = take_text(&w, &n_bytes)) == NULL)
            break;
        if (is_key(key, n_bytes, "workflow") || is_key(key, n_bytes, "schemaVersion"))
            return IMPORT_WFFORMAT;
        if (is_key(key, n_bytes, "tasks") || is_key(key, n_bytes, "defaults") || is_key(key, n_bytes, "id"))
            return IMPORT_OURS;
        if (!skip_value(&w))
            break;
        w.next += *w.next == ',';
    }
    *ends_early = true;
    return IMPORT_OURS;
}

/* The first line that is more than a comment. */
static enum import_format recognise_lines(const char *bytes, const char *end, bool is_all, bool *ends_early)
{
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        const char *line_end = newline != NULL ? newline : end;

        if (newline == NULL && !is_all)
            break;
        while (bytes < line_end && is_blank(*bytes))
            bytes++;
        if (bytes < line_end && *bytes != '#')
            return import_is_pmc_record(bytes, (size_t)(line_end - bytes)) ? IMPORT_PMC : IMPORT_OURS;
        bytes = newline != NULL ? newline + 1 : end;
    }
    *ends_early = true;
    return IMPORT_OURS;
}

enum import_format import_recognise(const char *bytes, size_t n_bytes, bool is_all, bool *needs_more)
{
    const char *end = bytes + n_bytes;
    bool ends_early = false;
    enum import_format format = IMPORT_OURS;

    if (n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        bytes += 3;
    while (bytes < end && is_blank(*bytes))
        bytes++;
    if (bytes == end)
        ends_early = true;
    else if (*bytes == '{')
        format = recognise_json(bytes, end, &ends_early);
    else
        format = recognise_lines(bytes, end, is_all, &ends_early);
    *needs_more = ends_early && !is_all;
    return format;
}

/* ---- what the importers share */

void import_release(struct import *im)
{
    free(im->edges);
    free(im->parents);
    free(im->first_parent);
    free(im->end_parent);
}

int import_refuse(const struct import *im, uint64_t line, struct ganger_error *err, const char *format, ...)
{
    char text[2048], place[32] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    utf8_make_printable(text);
    if (line > 0)
        snprintf(place, sizeof(place), ":%" PRIu64, line);
    return error_set(err, ERROR_USAGE, "%.1000s%s: %s", im->options->file, place, text);
}

void import_warn(struct import *im, const char *text, const char *at)
{
    size_t i = 0;

    while (i < im->n_warnings && im->warnings[i].text != text)
        i++;
    if (i == IMPORT_WARNINGS_MAX)
        return; /* there are fewer kinds than that */
    if (i == im->n_warnings) {
        im->warnings[im->n_warnings++] = (struct import_warning){.text = text};
        if (at != NULL)
            snprintf(im->warnings[i].first, sizeof(im->warnings[i].first), "%s", at);
        utf8_make_printable(im->warnings[i].first);
    }
    im->warnings[i].n++;
}

static void tell_warnings(const struct import *im, struct buffer *warnings)
{
    for (size_t i = 0; i < im->n_warnings; i++) {
        const struct import_warning *w = &im->warnings[i];
        char *first = utf8_repaired(w->first); /* it may have been cut within a character */

        buffer_printf(warnings, "%s: %s", im->options->file, w->text);
        if (w->n > 1)
            buffer_printf(warnings, " (%" PRIu64 " times%s%s)", w->n, first[0] ? ", first at " : "", first);
        else if (first[0] != '\0')
            buffer_printf(warnings, " (at %s)", first);
        buffer_put(warnings, "\n", 1);
        free(first);
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7f;
}

bool import_put_text(struct buffer *b, const char *text, size_t n_bytes)
{
    size_t i = 0;

    buffer_put_u8(b, '"');
    while (i < n_bytes) {
        size_t from = i, n;
        uint32_t character;

        while (i < n_bytes && is_plain((unsigned char)text[i]))
            i++;
        buffer_put(b, text + from, i - from);
        if (i == n_bytes)
            break;
        n = utf8_character(text + i, n_bytes - i, &character);
        if (n == 0 || character == 0)
            return false;
        if (character == '"' || character == '\\')
            buffer_printf(b, "\\%c", (int)character);
        else if (character < 0x80)
            buffer_printf(b, "\\u%04x", character);
        else
            buffer_put(b, text + i, n);
        i += n;
    }
    buffer_put_u8(b, '"');
    return true;
}

const char *import_find_flaw_of_name(const char *name, size_t n_bytes, size_t most)
{
    if (n_bytes == 0)
        return "is empty";
    if (n_bytes > most)
        return most == ID_MAX_BYTES ? "is longer than 255 bytes" : "is longer than the system allows";
    for (size_t i = 0; i < n_bytes;) {
        uint32_t c;
        size_t n = utf8_character(name + i, n_bytes - i, &c);

        if (n == 0)
            return "is not UTF-8";
        i += n;
    }
    return utf8_find_control(name, n_bytes) > 0 ? "holds control characters" : NULL;
}

const char *import_find_flaw_of_id(const char *id, size_t n_bytes)
{
    const char *flaw = import_find_flaw_of_name(id, n_bytes, ID_MAX_BYTES);

    for (size_t i = 0; flaw == NULL && i < n_bytes; i++)
        if (id[i] == '*' || id[i] == '?' || id[i] == '{' || id[i] == '}')
            return "holds one of * ? { }, which stand for other things in ids";
    return flaw;
}

void import_put_program(struct import *im, const char *name, size_t n_bytes, const char *task)
{
    if (import_find_flaw_of_name(name, n_bytes, ID_MAX_BYTES) != NULL) {
        import_warn(im, "the name of a task's program is no text of 1 to 255 bytes; left out", task);
        return;
    }
    buffer_printf(im->ours, ",\"program\":");
    import_put_text(im->ours, name, n_bytes);
}

void import_add_edge(struct import *im, uint32_t parent, uint32_t child)
{
    im->edges = xgrow(im->edges, im->n_edges, &im->edges_capacity, sizeof(*im->edges));
    im->edges[im->n_edges++] = (struct import_edge){parent, child};
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Leaves each number once, in order; returns how many remain. */
static uint32_t make_distinct(uint32_t *numbers, uint32_t n)
{
    uint32_t n_left = 0;

    if (n < 2)
        return n;
    qsort(numbers, n, sizeof(*numbers), compare_numbers);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || numbers[i] != numbers[n_left - 1])
            numbers[n_left++] = numbers[i];
    return n_left;
}

uint64_t import_sort_edges(struct import *im, uint32_t n_tasks)
{
    uint32_t sum = 0;
    uint64_t n_left = 0;

    im->first_parent = xcalloc((size_t)n_tasks + 1, sizeof(uint32_t));
    im->end_parent = xcalloc((size_t)n_tasks + 1, sizeof(uint32_t));
    im->parents = xcalloc(im->n_edges + 1, sizeof(uint32_t));
    for (size_t e = 0; e < im->n_edges; e++)
        im->end_parent[im->edges[e].child]++;
    for (uint32_t t = 0; t < n_tasks; t++) {
        uint32_t n = im->end_parent[t];

        im->first_parent[t] = im->end_parent[t] = sum;
        sum += n;
    }
    for (size_t e = 0; e < im->n_edges; e++)
        im->parents[im->end_parent[im->edges[e].child]++] = im->edges[e].parent;
    free(im->edges);
    im->edges = NULL;
    for (uint32_t t = 0; t < n_tasks; t++) {
        uint32_t *parents = im->parents + im->first_parent[t];
        uint32_t n = make_distinct(parents, im->end_parent[t] - im->first_parent[t]);

        im->end_parent[t] = im->first_parent[t] + n;
        n_left += n;
    }
    return im->n_edges - n_left;
}

void import_put_after(struct import *im, uint32_t t, const char *(*id_of)(const void *data, uint32_t number),
                      const void *data)
{
    if (im->first_parent[t] == im->end_parent[t])
        return;
    buffer_put(im->ours, ",\"after\":", 9);
    for (uint32_t i = im->first_parent[t]; i < im->end_parent[t]; i++) {
        const char *id = id_of(data, im->parents[i]);

        buffer_put_u8(im->ours, i == im->first_parent[t] ? '[' : ',');
        import_put_text(im->ours, id, strlen(id));
    }
    buffer_put_u8(im->ours, ']');
}

int import_convert(enum import_format format, const char *bytes, size_t n_bytes, const struct import_options *options,
                   struct buffer *ours, struct buffer *warnings, struct ganger_error *err)
{
    struct import im = {.options = options, .ours = ours};
    int status = -1;

    if (n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        n_bytes -= 3;
    }
    if (format != IMPORT_WFFORMAT && options->replay.scale > 0)
        error_set(err, ERROR_USAGE, "%.1000s records no run times: --replay takes a trace in WfFormat", options->file);
    else if (format == IMPORT_PMC)
        status = import_pmc(&im, bytes, n_bytes, err);
    else if (format == IMPORT_WFFORMAT)
        status = import_wfformat(&im, bytes, n_bytes, err);
    else
        error_set(err, ERROR_USAGE, "%.1000s is in no format that is imported", options->file);
    if (status == 0)
        tell_warnings(&im, warnings);
    import_release(&im);
    return status;
}
