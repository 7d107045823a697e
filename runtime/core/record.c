#include "core/record.h"

#include "base/utf8.h"

#include <string.h>
#include <sys/types.h>
#include <xxhash.h>

#define TEXT_BYTES 2048 /* what other texts are cut at */
#define ESCAPE_BYTES 6  /* the longest escape, \u0000 */
#define FIXED_BYTES 1024 /* keys and numbers */
#define SLOT_BYTES 6    /* "65535," */

#define CRC_START ",\"crc\":\""
#define CRC_BYTES (sizeof(CRC_START) - 1 + 8 + 2) /* ,"crc":"01234567"} */

static char *put_bytes(char *p, const char *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

#define PUT(p, literal) put_bytes((p), (literal), sizeof(literal) - 1)

static char *put_number(char *p, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    return put_bytes(p, digits + at, sizeof(digits) - at);
}

static char *put_signed(char *p, int v)
{
    if (v < 0)
        *p++ = '-';
    return put_number(p, v < 0 ? 0 - (uint64_t)(int64_t)v : (uint64_t)v);
}

/* Seconds with six decimals. What is no time is 0: a line must stay readable. */
static char *put_seconds(char *p, double s)
{
    uint64_t us = s > 0 && s < 1e12 ? (uint64_t)(s * 1e6 + 0.5) : 0;
    uint32_t fraction = (uint32_t)(us % 1000000);

    p = put_number(p, us / 1000000);
    *p++ = '.';
    for (int i = 5; i >= 0; i--) {
        p[i] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    return p + 6;
}

static char *put_hex(char *p, uint64_t v, unsigned n_digits)
{
    for (unsigned i = n_digits; i-- > 0; v >>= 4)
        p[i] = "0123456789abcdef"[v & 15];
    return p + n_digits;
}

/* Any bytes as a JSON string: what is no UTF-8 becomes U+FFFD. */
static char *put_text(char *p, const char *text, size_t n)
{
    *p++ = '"';
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t character;
        size_t length = 1;

        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            p = PUT(p, "\\u00");
            p = put_hex(p, c, 2);
        } else if (c < 0x80) {
            *p++ = (char)c;
        } else {
            length = utf8_character(text + i, n - i, &character);
            p = length > 0 ? put_bytes(p, text + i, length) : PUT(p, "\xef\xbf\xbd");
            length += length == 0;
        }
        i += length;
    }
    *p++ = '"';
    return p;
}

static char *put_words(char *p, const char *text)
{
    return put_text(p, text, text != NULL ? strnlen(text, TEXT_BYTES) : 0);
}

static char *put_crc(char *p, const char *line)
{
    uint32_t crc = XXH32(line, (size_t)(p - line), 0);

    p = PUT(p, CRC_START);
    p = put_hex(p, crc, 8);
    return PUT(p, "\"}\n");
}

char *record_put_header(char *p, uint32_t epoch, const char *name, uint64_t workflow_digest,
                        double wall_s)
{
    char *line = p;

    p = PUT(p, RECORD_HEADER_START);
    p = put_number(p, RECORD_FORMAT);
    p = PUT(p, ",\"epoch\":");
    p = put_number(p, epoch);
    p = PUT(p, ",\"name\":");
    p = put_words(p, name);
    p = PUT(p, ",\"workflow\":\"");
    p = put_hex(p, workflow_digest, 16);
    p = PUT(p, "\",\"start\":");
    p = put_seconds(p, wall_s);
    p = PUT(p, ",\"ganger\":\"" GANGER_VERSION "\"");
    return put_crc(p, line);
}

static char *put_task(char *p, const char *key, const struct graph *g, task_id task)
{
    const char *id = g->tasks[task].id;

    p = put_bytes(p, key, strlen(key));
    return put_text(p, id, id != NULL ? strnlen(id, RECORD_ID_BYTES) : 0);
}

static char *put_slots(char *p, const struct event *e)
{
    p = PUT(p, ",\"slots\":[");
    for (uint32_t i = 0; i < e->n_slots; i++) {
        if (i > 0)
            *p++ = ',';
        p = put_number(p, e->slots[i]);
    }
    *p++ = ']';
    return p;
}

static char *put_place(char *p, const struct event *e)
{
    p = PUT(p, ",\"index\":");
    p = put_number(p, e->task);
    p = PUT(p, ",\"attempt\":");
    p = put_number(p, e->attempt);
    p = PUT(p, ",\"worker\":");
    p = put_number(p, e->worker);
    p = PUT(p, ",\"node\":");
    p = put_number(p, e->node);
    return put_slots(p, e);
}

static char *put_outcome(char *p, const struct task_result *r)
{
    size_t n_why = r->n_tail_bytes;

    switch (r->end) {
    case TASK_EXITED: p = PUT(p, ",\"status\":"); break;
    case TASK_OUTPUT_LOST:
    case TASK_NOT_STARTED: p = PUT(p, ",\"errno\":"); break;
    case TASK_SIGNALLED: p = PUT(p, ",\"signal\":"); break;
    case TASK_CANCELLED:
        if (r->code == 0)
            return p;
        p = PUT(p, ",\"signal\":");
        break;
    case TASK_TIMED_OUT: p = PUT(p, ",\"timed_out\":true,\"signal\":"); break;
    case TASK_INPUT_MISSING: p = PUT(p, ",\"missing\":\"input\",\"errno\":"); break;
    case TASK_OUTPUT_MISSING: p = PUT(p, ",\"missing\":\"output\",\"errno\":"); break;
    case TASK_LOST: return PUT(p, ",\"lost\":true");
    case TASK_UNPLACEABLE: p = PUT(p, ",\"unplaceable\":true,\"errno\":"); break;
    case N_TASK_ENDS: return p;
    }
    p = put_signed(p, r->code);
    if (task_end_has_reason(r->end)) {
        p = PUT(p, ",\"why\":");
        p = put_text(p, r->tail, n_why < TEXT_BYTES ? n_why : TEXT_BYTES);
    }
    return p;
}

static char *put_result(char *p, const struct event *e, const struct task_result *r, uint32_t epoch)
{
    p = PUT(p, ",\"start\":");
    p = put_seconds(p, r->start_s);
    p = PUT(p, ",\"end\":");
    p = put_seconds(p, r->end_s);
    p = put_outcome(p, r);
    p = PUT(p, ",\"max_rss\":");
    p = put_number(p, r->max_rss_bytes);
    p = PUT(p, ",\"cpu\":");
    p = put_seconds(p, r->cpu_s);
    if (r->output_bytes == 0)
        return p;
    p = PUT(p, ",\"output\":[\"");
    p = put_number(p, epoch);
    p = PUT(p, "-n");
    p = put_number(p, e->node);
    p = PUT(p, ".out\",");
    p = put_number(p, r->output_offset);
    *p++ = ',';
    p = put_number(p, r->output_bytes);
    *p++ = ']';
    return p;
}

static char *put_end(char *p, const struct graph *g, const struct event *e, uint32_t epoch)
{
    static const struct task_result unknown = {.end = TASK_CANCELLED};

    p = put_task(p, ",\"task\":", g, e->task);
    p = PUT(p, ",\"digest\":\"");
    p = put_hex(p, g->tasks[e->task].digest, 16);
    *p++ = '"';
    p = put_place(p, e);
    return put_result(p, e, e->result != NULL ? e->result : &unknown, epoch);
}

static char *put_node(char *p, const struct event *e)
{
    p = PUT(p, "{\"event\":\"node\",\"node\":");
    p = put_number(p, e->node);
    p = PUT(p, ",\"host\":");
    p = put_words(p, e->text);
    p = PUT(p, ",\"slots\":");
    p = put_number(p, e->n_slots);
    p = PUT(p, ",\"memory\":");
    return put_number(p, e->memory_bytes);
}

static char *put_worker(char *p, const struct event *e)
{
    p = PUT(p, ",\"worker\":");
    p = put_number(p, e->worker);
    p = PUT(p, ",\"node\":");
    return put_number(p, e->node);
}

/* What a workflow runs once on each node is no task of the graph, and has no digest. */
static char *put_node_end(char *p, const struct event *e, uint32_t epoch)
{
    static const struct task_result unknown = {.end = TASK_LOST};

    return put_result(put_place(p, e), e, e->result != NULL ? e->result : &unknown, epoch);
}

static char *put_skipped(char *p, const struct graph *g, const struct event *e)
{
    p = put_task(p, ",\"task\":", g, e->task);
    if (e->cause < g->n_tasks)
        p = put_task(p, ",\"cause\":", g, e->cause);
    return p;
}

char *record_put_event(char *p, const struct graph *g, const struct event *e, uint32_t epoch)
{
    char *line = p;

    switch (e->kind) {
    case EVENT_TASK_SENT:
        p = put_task(p, "{\"event\":\"start\",\"task\":", g, e->task);
        p = put_place(p, e);
        break;
    case EVENT_TASK_RETURNED:
        p = put_task(p, "{\"event\":\"returned\",\"task\":", g, e->task);
        p = put_place(p, e);
        break;
    case EVENT_TASK_DONE:
        p = put_end(PUT(p, "{\"event\":\"done\""), g, e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_FAILED:
        p = put_end(PUT(p, "{\"event\":\"failed\""), g, e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_CANCELLED:
        p = put_end(PUT(p, "{\"event\":\"cancelled\""), g, e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_RETRIED:
        p = put_end(PUT(p, "{\"event\":\"retried\""), g, e, epoch);
        return put_crc(p, line);
    case EVENT_NODE_SETUP:
        p = put_node_end(PUT(p, "{\"event\":\"setup\""), e, epoch);
        return put_crc(p, line);
    case EVENT_NODE_TEARDOWN:
        p = put_node_end(PUT(p, "{\"event\":\"teardown\""), e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_SKIPPED: p = put_skipped(PUT(p, "{\"event\":\"skipped\""), g, e); break;
    case EVENT_TASK_NOT_NEEDED: p = put_skipped(PUT(p, "{\"event\":\"not_needed\""), g, e); break;
    case EVENT_NODE_JOINED: p = put_node(p, e); break;
    case EVENT_WORKER_JOINED:
        p = put_slots(put_worker(PUT(p, "{\"event\":\"worker\""), e), e);
        break;
    case EVENT_WORKER_LOST:
        p = put_words(PUT(put_worker(PUT(p, "{\"event\":\"lost\""), e), ",\"why\":"), e->text);
        break;
    case EVENT_RUN_STOPPING:
        p = put_words(PUT(p, "{\"event\":\"stopping\",\"why\":"), e->text);
        break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_STARTED: return line;
    }
    p = PUT(p, ",\"time\":");
    return put_crc(put_seconds(p, e->time_s), line);
}

char *record_put_end(char *p, int exit_status, double time_s)
{
    char *line = p;

    p = PUT(p, "{\"event\":\"end\",\"status\":");
    p = put_signed(p, exit_status);
    p = PUT(p, ",\"time\":");
    return put_crc(put_seconds(p, time_s), line);
}

size_t record_bytes_max(uint32_t n_slots)
{
    return (2 * RECORD_ID_BYTES + TEXT_BYTES) * ESCAPE_BYTES + FIXED_BYTES +
           (size_t)n_slots * SLOT_BYTES;
}

bool record_has_event(const struct graph *g, const struct event *e)
{
    switch (e->kind) {
    case EVENT_TASK_KEPT:
    case EVENT_TASK_STARTED: return false;
    case EVENT_TASK_SENT:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_DONE:
    case EVENT_TASK_FAILED:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_NOT_NEEDED:
    case EVENT_TASK_SKIPPED: return !task_is_join(&g->tasks[e->task]);
    case EVENT_NODE_JOINED:
    case EVENT_WORKER_JOINED:
    case EVENT_WORKER_LOST:
    case EVENT_NODE_SETUP:
    case EVENT_NODE_TEARDOWN:
    case EVENT_RUN_STOPPING: return true;
    }
    return false;
}

/* --- reading --- */

static bool parse_hex(const char *text, size_t n, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return false;
        *v = *v << 4 | (uint64_t)digit;
    }
    return true;
}

struct record record_over(const char *text, size_t n_bytes)
{
    struct record r = {text, n_bytes, false};
    const char *crc;
    uint64_t stated;

    if (n_bytes <= CRC_BYTES)
        return r;
    crc = text + n_bytes - CRC_BYTES;
    if (memcmp(crc, CRC_START, sizeof(CRC_START) - 1) == 0 &&
        parse_hex(crc + sizeof(CRC_START) - 1, 8, &stated) &&
        memcmp(crc + CRC_BYTES - 2, "\"}", 2) == 0 &&
        XXH32(text, n_bytes - CRC_BYTES, 0) == stated) {
        r.is_valid = true;
        r.n_bytes -= CRC_BYTES;
    }
    return r;
}

bool record_begins(const struct record *r, const char *start)
{
    size_t n = strlen(start);

    return r->n_bytes >= n && memcmp(r->text, start, n) == 0;
}

/* What follows `,"key":` up to the line's end. That text stands nowhere else in a line: within a
 * string its quote would be escaped, and behind the quote that ends one comes no letter. */
static const char *find_field(const struct record *r, const char *key, size_t *n_left)
{
    size_t n_key = strlen(key);
    const char *at = memmem(r->text, r->n_bytes, key, n_key);

    if (at == NULL)
        return NULL;
    at += n_key;
    *n_left = (size_t)(r->text + r->n_bytes - at);
    return at;
}

static bool parse_number(const char *text, size_t n, uint64_t *v, size_t *n_used)
{
    size_t i = 0;

    *v = 0;
    for (; i < n && text[i] >= '0' && text[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (*v > (UINT64_MAX - digit) / 10)
            return false;
        *v = 10 * *v + digit;
    }
    *n_used = i;
    return i > 0;
}

bool record_u32(const struct record *r, const char *key, uint32_t *v)
{
    size_t n, n_used;
    uint64_t wide;
    const char *at = find_field(r, key, &n);

    if (at == NULL || !parse_number(at, n, &wide, &n_used) || wide > UINT32_MAX)
        return false;
    *v = (uint32_t)wide;
    return true;
}

/* Undoes put_text; `text` begins behind the opening quote. The length, or -1: no such string. */
static ssize_t unescape(const char *text, size_t n, char *out, size_t n_out)
{
    size_t n_done = 0;

    for (size_t i = 0; i < n && text[i] != '"'; i++) {
        uint64_t c = (unsigned char)text[i];

        if (c == '\\' && i + 1 < n && (text[i + 1] == '"' || text[i + 1] == '\\'))
            c = (unsigned char)text[++i];
        else if (c == '\\' && i + 5 < n && text[i + 1] == 'u' && parse_hex(text + i + 2, 4, &c) &&
                 c > 0 && c < 0x80)
            i += 5;
        else if (c == '\\')
            return -1;
        if (n_done + 1 >= n_out)
            return -1;
        out[n_done++] = (char)c;
    }
    out[n_done] = '\0';
    return (ssize_t)n_done;
}

bool record_task(const struct record *r, char id[RECORD_ID_BYTES + 1], size_t *n_bytes)
{
    size_t n;
    const char *at = find_field(r, ",\"task\":\"", &n);
    ssize_t length = at != NULL ? unescape(at, n, id, RECORD_ID_BYTES + 1) : -1;

    *n_bytes = length > 0 ? (size_t)length : 0;
    return length > 0;
}

bool record_digest(const struct record *r, uint64_t *digest)
{
    size_t n;
    const char *at = find_field(r, ",\"digest\":\"", &n);

    return at != NULL && n > 16 && parse_hex(at, 16, digest);
}

/* ["EPOCH-nNODE.out",OFFSET,LENGTH] */
bool record_output(const struct record *r, struct output_place *output)
{
    static const char *const separators[] = {"-n", ".out\",", ",", "]"};
    uint64_t numbers[4];
    size_t n, n_used;
    const char *at = find_field(r, ",\"output\":[\"", &n);

    *output = (struct output_place){.n_bytes = 0};
    if (at == NULL)
        return true; /* it wrote nothing */
    for (size_t i = 0; i < 4; i++) {
        size_t n_separator = strlen(separators[i]);

        if (!parse_number(at, n, &numbers[i], &n_used) || n - n_used < n_separator ||
            memcmp(at + n_used, separators[i], n_separator) != 0)
            return false;
        at += n_used + n_separator;
        n -= n_used + n_separator;
    }
    if (numbers[0] > UINT32_MAX || numbers[1] > UINT32_MAX)
        return false;
    *output = (struct output_place){(uint32_t)numbers[0], (uint32_t)numbers[1], numbers[2], numbers[3]};
    return true;
}

