#include "core/record.h"

#include "base/base64.h"
#include "base/digits.h"
#include "base/utf8.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <xxhash.h>

#define TEXT_BYTES 2048 /* what other texts are cut at */
#define ESCAPE_BYTES 6  /* the longest escape, \u0000 */
#define FIXED_BYTES 1024 /* keys and numbers */
#define NUMBER_BYTES 6   /* "65535," */
#define EACH_BYTE UINT64_C(0x0101010101010101)

#define CRC_START ",\"crc\":\""
#define CRC_BYTES (sizeof(CRC_START) - 1 + 8 + 2) /* ,"crc":"01234567"} */

static char *put_bytes(char *p, const char *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

#define PUT(p, literal) put_bytes((p), (literal), sizeof(literal) - 1)

static char *put_signed(char *p, int v)
{
    if (v < 0)
        *p++ = '-';
    return digits_put(p, v < 0 ? 0 - (uint64_t)(int64_t)v : (uint64_t)v);
}

/* Seconds with six decimals. What is no time is 0: a line must stay readable. */
static char *put_seconds(char *p, double s)
{
    uint64_t us = s > 0 && s < 1e12 ? (uint64_t)(s * 1e6 + 0.5) : 0;

    p = digits_put(p, us / 1000000);
    *p++ = '.';
    return digits_put_padded(p, us, 6);
}

/* Which bytes of a word are less than a limit up to 0x80, if none is above: their highest bits. */
static uint64_t bytes_below(uint64_t word, unsigned char limit)
{
    return (word - EACH_BYTE * limit) & ~word & EACH_BYTE * 0x80;
}

/* Not 0: some byte of a word has to be written in another way, or may have to. */
static uint64_t find_odd(uint64_t word)
{
    return (word & EACH_BYTE * 0x80) | bytes_below(word, ' ') | bytes_below(word ^ EACH_BYTE * '"', 1) |
           bytes_below(word ^ EACH_BYTE * '\\', 1) | bytes_below(word ^ EACH_BYTE * 0x7f, 1);
}

/* Eight bytes at a time; some are looked at twice when their number is no multiple of eight. */
static bool is_plain(const char *text, size_t n)
{
    uint64_t word = EACH_BYTE * ' ', odd;

    memcpy(&word, n < sizeof(word) ? text : text + n - sizeof(word), n < sizeof(word) ? n : sizeof(word));
    odd = find_odd(word);
    for (size_t i = 0; i + sizeof(word) < n && odd == 0; i += sizeof(word)) {
        memcpy(&word, text + i, sizeof(word));
        odd = find_odd(word);
    }
    return odd == 0;
}

static char *put_escaped(char *p, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t character;
        size_t length = 1;

        if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char)c;
        } else if (c < 0x20 || c == 0x7f) {
            p = PUT(p, "\\u00");
            p = digits_put_hex(p, c, 2);
        } else {
            length = utf8_character(text + i, n - i, &character);
            p = length > 0 ? put_bytes(p, text + i, length) : PUT(p, "\xef\xbf\xbd");
            length += length == 0;
        }
        i += length;
    }
    return p;
}

/* Any bytes as a JSON string: what is no UTF-8 becomes U+FFFD. Nearly all are plain. */
static char *put_text(char *p, const char *text, size_t n)
{
    *p++ = '"';
    p = n > 0 && is_plain(text, n) ? put_bytes(p, text, n) : put_escaped(p, text, n);
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
    p = digits_put_hex(p, crc, 8);
    return PUT(p, "\"}\n");
}

char *record_put_header(char *p, uint32_t epoch, const char *name, uint64_t workflow_digest,
                        double wall_s, bool by_content, const char *job)
{
    char *line = p;

    p = PUT(p, RECORD_HEADER_START);
    p = digits_put(p, RECORD_FORMAT);
    p = PUT(p, ",\"epoch\":");
    p = digits_put(p, epoch);
    p = PUT(p, ",\"name\":");
    p = put_words(p, name);
    p = PUT(p, ",\"workflow\":\"");
    p = digits_put_hex(p, workflow_digest, 16);
    p = PUT(p, "\",\"start\":");
    p = put_seconds(p, wall_s);
    if (by_content)
        p = PUT(p, ",\"changed\":\"content\"");
    if (job != NULL)
        p = put_words(PUT(p, ",\"job\":"), job);
    p = PUT(p, ",\"ganger\":\"" GANGER_VERSION "\"");
    return put_crc(p, line);
}

static char *put_task(char *p, const char *key, const struct graph *g, task_id task)
{
    const char *id = g->tasks[task].id;

    p = put_bytes(p, key, strlen(key));
    return put_text(p, id, id != NULL ? strnlen(id, RECORD_ID_BYTES) : 0);
}

static char *put_numbers(char *p, const char *key, const uint16_t *numbers, uint32_t n)
{
    p = put_bytes(p, key, strlen(key));
    for (uint32_t i = 0; i < n; i++) {
        *p++ = i > 0 ? ',' : '[';
        p = digits_put(p, numbers[i]);
    }
    return n > 0 ? PUT(p, "]") : PUT(p, "[]");
}

static char *put_slots(char *p, const struct event *e)
{
    return put_numbers(p, ",\"slots\":", e->slots, e->n_slots);
}

static char *put_place(char *p, const struct event *e)
{
    p = PUT(p, ",\"index\":");
    p = digits_put(p, e->task);
    p = PUT(p, ",\"attempt\":");
    p = digits_put(p, e->attempt);
    p = PUT(p, ",\"worker\":");
    p = digits_put(p, e->worker);
    p = PUT(p, ",\"node\":");
    p = digits_put(p, e->node);
    return put_slots(p, e);
}

/* How it ended, as members of a line: a mark, and the name of the code, which is left out when it is 0. */
static const struct outcome_words
{
    const char *mark;
    const char *code;
} outcome_words[N_TASK_ENDS] = {
    [TASK_EXITED] = {"", ",\"status\":"},
    [TASK_SIGNALLED] = {"", ",\"signal\":"},
    [TASK_NOT_STARTED] = {",\"not_started\":true", ",\"errno\":"},
    [TASK_OUTPUT_LOST] = {",\"output_lost\":true", ",\"errno\":"},
    [TASK_CANCELLED] = {"", ",\"signal\":"},
    [TASK_TIMED_OUT] = {",\"timed_out\":true", ",\"signal\":"},
    [TASK_INPUT_MISSING] = {",\"missing\":\"input\"", ",\"errno\":"},
    [TASK_OUTPUT_MISSING] = {",\"missing\":\"output\"", ",\"errno\":"},
    [TASK_LOST] = {",\"lost\":true", NULL},
    [TASK_UNPLACEABLE] = {",\"unplaceable\":true", NULL},
    [TASK_OUT_OF_MEMORY] = {",\"out_of_memory\":true", ",\"signal\":"},
    [TASK_OUTPUT_LIMIT] = {",\"output_limit\":true", ",\"signal\":"},
    [TASK_RETURNED] = {"", ",\"returned\":"},
    [TASK_REFUSED] = {",\"refused\":true", NULL},
};

static char *put_outcome(char *p, const struct task_result *r)
{
    const struct outcome_words *words = &outcome_words[r->end < N_TASK_ENDS ? r->end : TASK_LOST];
    size_t n_why = r->n_tail_bytes;

    p = put_bytes(p, words->mark, strlen(words->mark));
    if (words->code != NULL && (r->code != 0 || r->end == TASK_EXITED)) {
        p = put_bytes(p, words->code, strlen(words->code));
        p = put_signed(p, r->code);
    }
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
    p = digits_put(p, r->max_rss_bytes);
    p = PUT(p, ",\"cpu\":");
    p = put_seconds(p, r->cpu_s);
    if (r->output_bytes == 0)
        return p;
    p = PUT(p, ",\"output\":[\"");
    p = digits_put(p, epoch);
    p = PUT(p, "-n");
    p = digits_put(p, e->node);
    p = PUT(p, ".out\",");
    p = digits_put(p, r->output_offset);
    *p++ = ',';
    p = digits_put(p, r->output_bytes);
    *p++ = ',';
    p = digits_put(p, r->text_bytes);
    *p++ = ']';
    return p;
}

/* What a function returned, or how many bytes that were when it is too much for a journal. */
static char *put_returned(char *p, const struct graph *g, const struct event_call *call)
{
    if (call->n_result > RECORD_RESULT_MAX && (g->tasks[call->task].flags & TASK_KEEP) == 0)
        return digits_put(p, call->n_result);
    *p++ = '"';
    p = base64_put(p, call->result, call->n_result);
    *p++ = '"';
    return p;
}

static char *put_end(char *p, const struct graph *g, const struct event *e, uint32_t epoch)
{
    static const struct task_result unknown = {.end = TASK_CANCELLED};

    p = put_task(p, ",\"task\":", g, e->task);
    p = PUT(p, ",\"digest\":\"");
    p = digits_put_hex(p, g->tasks[e->task].digest, 16);
    *p++ = '"';
    if (e->kind == EVENT_TASK_DONE && e->result != NULL && e->result->fingerprint != FINGERPRINT_NONE) {
        p = PUT(p, ",\"fingerprint\":\"");
        p = digits_put_hex(p, e->result->fingerprint, 16);
        *p++ = '"';
    }
    p = put_place(p, e);
    if (e->n_calls > 0)
        p = put_returned(PUT(p, ",\"result\":"), g, e->calls);
    if (e->n_added > 0)
        p = digits_put(PUT(p, ",\"adds\":"), e->n_added);
    return put_result(p, e, e->result != NULL ? e->result : &unknown, epoch);
}

static char *put_node(char *p, const struct event *e)
{
    p = PUT(p, "{\"event\":\"node\",\"node\":");
    p = digits_put(p, e->node);
    p = PUT(p, ",\"host\":");
    p = put_words(p, e->text);
    p = PUT(p, ",\"slots\":");
    p = digits_put(p, e->n_slots);
    p = PUT(p, ",\"gpus\":");
    p = digits_put(p, e->n_gpus);
    p = PUT(p, ",\"memory\":");
    return digits_put(p, e->memory_bytes);
}

static char *put_worker(char *p, const struct event *e)
{
    p = PUT(p, ",\"worker\":");
    p = digits_put(p, e->worker);
    p = PUT(p, ",\"node\":");
    return digits_put(p, e->node);
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
    p = PUT(p, ",\"index\":");
    p = digits_put(p, e->task);
    if (e->cause < g->n_tasks)
        p = put_task(p, ",\"cause\":", g, e->cause);
    return p;
}

/* The last member may be long: who looks for the id need not read it. */
static char *put_added(char *p, const struct graph *g, const struct event *e)
{
    p = put_task(p, RECORD_ADDED_START ",\"task\":", g, e->task);
    p = PUT(p, ",\"index\":");
    p = digits_put(p, e->task);
    p = put_task(p, ",\"cause\":", g, e->cause);
    p = PUT(p, ",\"digest\":\"");
    p = digits_put_hex(p, g->tasks[e->cause].digest, 16);
    p = PUT(p, "\",\"definition\":\"");
    p = base64_put(p, e->text, e->n_text);
    return PUT(p, "\"");
}

size_t record_definition_bytes(const struct event *e)
{
    return e->kind == EVENT_TASK_ADDED ? base64_length(e->n_text) : 0;
}

char *record_put_event(char *p, const struct graph *g, const struct event *e, uint32_t epoch)
{
    char *line = p;

    switch (e->kind) {
    case EVENT_TASK_SENT:
        p = put_task(p, "{\"event\":\"start\",\"task\":", g, e->task);
        p = put_place(p, e);
        if (e->n_gpus > 0)
            p = put_numbers(p, ",\"gpus\":", e->gpus, e->n_gpus);
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
    case EVENT_TASK_ENDED:
        p = put_end(PUT(p, "{\"event\":\"ended\""), g, e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_AGAIN:
        p = put_task(p, "{\"event\":\"again\",\"task\":", g, e->task);
        p = put_place(p, e);
        break;
    case EVENT_NODE_SETUP:
        p = put_node_end(PUT(p, "{\"event\":\"setup\""), e, epoch);
        return put_crc(p, line);
    case EVENT_NODE_TEARDOWN:
        p = put_node_end(PUT(p, "{\"event\":\"teardown\""), e, epoch);
        return put_crc(p, line);
    case EVENT_TASK_SKIPPED: p = put_skipped(PUT(p, "{\"event\":\"skipped\""), g, e); break;
    case EVENT_TASK_UNCHANGED:
        p = put_task(p, "{\"event\":\"unchanged\",\"task\":", g, e->task);
        p = PUT(p, ",\"index\":");
        p = digits_put(p, e->task);
        break;
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
    case EVENT_CALLS_DONE: return record_put_calls(p, g, e, 0, e->n_calls);
    case EVENT_TASK_ADDED: p = put_added(p, g, e); break;
    case EVENT_TASK_KEPT:
    case EVENT_TASK_STARTED: return line;
    }
    p = PUT(p, ",\"time\":");
    return put_crc(put_seconds(p, e->time_s), line);
}

#define CALL_BYTES 112 /* of one call: numbers and quotes */

/* ["ID",INDEX,ATTEMPT,"DIGEST",START,RUN,RESULT]: times in nanoseconds, START after that of the line; and how many
 * tasks it added, if it added some. */
static char *put_call(char *p, const struct graph *g, const struct event_call *call, double start_s)
{
    double offset_s = call->start_s - start_s;

    *p++ = '[';
    p = put_text(p, g->tasks[call->task].id, task_n_id_bytes(&g->tasks[call->task]));
    *p++ = ',';
    p = digits_put(p, call->task);
    *p++ = ',';
    p = digits_put(p, call->attempt);
    p = PUT(p, ",\"");
    p = digits_put_hex(p, g->tasks[call->task].digest, 16);
    p = PUT(p, "\",");
    p = digits_put(p, offset_s > 0 ? (uint64_t)(offset_s * 1e9 + 0.5) : 0);
    *p++ = ',';
    p = digits_put(p, call->run_s > 0 ? (uint64_t)(call->run_s * 1e9 + 0.5) : 0);
    *p++ = ',';
    p = put_returned(p, g, call);
    if (call->n_added > 0)
        p = digits_put(PUT(p, ","), call->n_added);
    *p++ = ']';
    return p;
}

char *record_put_calls(char *p, const struct graph *g, const struct event *e, uint32_t first, uint32_t n)
{
    double start_s = e->calls[first].start_s;
    char *line = p;

    p = put_slots(put_worker(PUT(p, "{\"event\":\"calls\""), e), e);
    p = PUT(p, ",\"start\":");
    p = put_seconds(p, start_s);
    start_s = floor(start_s * 1e6 + 0.5) / 1e6; /* as it was written */
    p = PUT(p, ",\"calls\":");
    for (uint32_t i = 0; i < n; i++) {
        *p++ = i > 0 ? ',' : '[';
        p = put_call(p, g, &e->calls[first + i], start_s);
    }
    return put_crc(PUT(p, "]"), line);
}

size_t record_call_bytes_max(const struct graph *g, const struct event_call *call)
{
    return task_n_id_bytes(&g->tasks[call->task]) * ESCAPE_BYTES + CALL_BYTES + base64_length(call->n_result);
}

char *record_put_end(char *p, int exit_status, double time_s)
{
    char *line = p;

    p = PUT(p, "{\"event\":\"end\",\"status\":");
    p = put_signed(p, exit_status);
    p = PUT(p, ",\"time\":");
    return put_crc(put_seconds(p, time_s), line);
}

size_t record_bytes_max(uint32_t n_numbers)
{
    return (2 * RECORD_ID_BYTES + TEXT_BYTES) * ESCAPE_BYTES + FIXED_BYTES +
           (size_t)n_numbers * NUMBER_BYTES;
}

bool record_has_event(const struct graph *g, const struct event *e)
{
    switch (e->kind) {
    case EVENT_TASK_KEPT:
    case EVENT_TASK_STARTED: return false;
    case EVENT_TASK_SENT:
    case EVENT_TASK_ENDED:
    case EVENT_TASK_AGAIN:
    case EVENT_TASK_RETURNED:
    case EVENT_TASK_DONE:
    case EVENT_TASK_FAILED:
    case EVENT_TASK_CANCELLED:
    case EVENT_TASK_RETRIED:
    case EVENT_TASK_NOT_NEEDED:
    case EVENT_TASK_UNCHANGED:
    case EVENT_TASK_ADDED:
    case EVENT_TASK_SKIPPED: return !task_is_join(&g->tasks[e->task]);
    case EVENT_CALLS_DONE:
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

/* --- reading: members --- */

struct span
{
    const char *at;
    const char *end;
};

static bool parse_number(struct span *s, uint64_t *v)
{
    const char *first = s->at;

    for (*v = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        uint64_t digit = (uint64_t)(*s->at - '0');

        if (*v > (UINT64_MAX - digit) / 10)
            return false;
        *v = 10 * *v + digit;
    }
    return s->at > first;
}

bool record_next_number(struct record_numbers *numbers, uint64_t *v)
{
    struct span s = {numbers->next, numbers->end};

    if (!parse_number(&s, v))
        return false;
    numbers->next = s.at < s.end ? s.at + 1 : s.at; /* behind the comma */
    return true;
}

/* As put_seconds writes them. */
static double parse_seconds(struct span s)
{
    double scale = 1e-6;
    uint64_t whole, fraction;
    const char *point;

    if (!parse_number(&s, &whole))
        return 0;
    if (s.at == s.end || *s.at != '.')
        return (double)whole;
    point = ++s.at;
    if (!parse_number(&s, &fraction))
        return (double)whole;
    for (ptrdiff_t n = s.at - point; n > 6; n--)
        scale /= 10;
    for (ptrdiff_t n = s.at - point; n < 6; n++)
        scale *= 10;
    return (double)whole + (double)fraction * scale;
}

/* Undoes put_text; `s` is what stands between the quotes. The length, or 0: no such string. */
static size_t unescape(struct span s, char *out, size_t n_out)
{
    size_t n_done = 0;

    while (s.at < s.end && n_done + 1 < n_out) {
        uint64_t c = (unsigned char)*s.at;
        ptrdiff_t n_left = s.end - s.at;
        ptrdiff_t length = 1;

        if (c == '\\' && n_left > 1 && (s.at[1] == '"' || s.at[1] == '\\')) {
            c = (unsigned char)s.at[1];
            length = 2;
        } else if (c == '\\') {
            if (n_left < 6 || s.at[1] != 'u' || !parse_hex(s.at + 2, 4, &c) || c == 0 || c >= 0x80)
                break;
            length = 6;
        }
        out[n_done++] = (char)c;
        s.at += length;
    }
    n_done = s.at == s.end ? n_done : 0;
    out[n_done] = '\0';
    return n_done;
}

/* No task has an id with control characters: such a line was written by somebody who wants to steer a terminal. */
static void read_id(struct span s, char *id)
{
    size_t n = unescape(s, id, RECORD_ID_BYTES + 1);

    if (utf8_find_control(id, n) > 0)
        *id = '\0';
}

/* From a quote to behind the one that ends the string; NULL: none does. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        at += *at == '\\';
    }
    return NULL;
}

/* Behind a value of any kind; NULL: the line ends within it. */
static const char *skip_value(const char *at, const char *end)
{
    uint32_t depth = 0;

    while (at < end) {
        char c = *at;

        if (depth == 0 && (c == ',' || c == '}'))
            return at;
        if (c == '"') {
            at = skip_string(at, end);
            if (at == NULL)
                return NULL;
            continue;
        }
        depth += c == '[' || c == '{';
        depth -= depth > 0 && (c == ']' || c == '}');
        at++;
    }
    return depth == 0 ? at : NULL;
}

/* `"KEY":VALUE`, and what follows it. False: there is no more. */
static bool next_member(struct span *rest, struct span *key, struct span *value)
{
    const char *at = rest->at;

    if (at == rest->end || (*at != '{' && *at != ',') || ++at == rest->end || *at != '"')
        return false;
    key->at = at + 1;
    at = skip_string(at, rest->end);
    if (at == NULL || at == rest->end || *at != ':')
        return false;
    key->end = at - 1;
    value->at = at + 1;
    value->end = skip_value(value->at, rest->end);
    if (value->end == NULL)
        return false;
    rest->at = value->end;
    return true;
}

/* --- reading: fields --- */

enum field_type
{
    FIELD_U32,
    FIELD_U64,
    FIELD_HEX,
    FIELD_SECONDS,
    FIELD_ID,
    FIELD_NUMBERS,
    FIELD_RESULT,
};

static const struct field_row
{
    const char *key;
    size_t n_key;
    enum field_type type;
    size_t offset;
} field_rows[] = {
#define FIELD(key, type, field) {key, sizeof(key) - 1, type, offsetof(struct record_fields, field)}
    FIELD("task", FIELD_ID, task),
    FIELD("index", FIELD_U32, index),
    FIELD("attempt", FIELD_U32, attempt),
    FIELD("worker", FIELD_U32, worker),
    FIELD("node", FIELD_U32, node),
    FIELD("slots", FIELD_NUMBERS, slots),
    FIELD("time", FIELD_SECONDS, time_s),
    FIELD("digest", FIELD_HEX, digest),
    FIELD("fingerprint", FIELD_HEX, fingerprint),
    FIELD("start", FIELD_SECONDS, start_s),
    FIELD("end", FIELD_SECONDS, end_s),
    FIELD("max_rss", FIELD_U64, max_rss_bytes),
    FIELD("cpu", FIELD_SECONDS, cpu_s),
    FIELD("gpus", FIELD_NUMBERS, gpus),
    FIELD("cause", FIELD_ID, cause),
    FIELD("memory", FIELD_U64, memory_bytes),
    FIELD("format", FIELD_U32, format),
    FIELD("epoch", FIELD_U32, epoch),
    FIELD("workflow", FIELD_HEX, workflow_digest),
    FIELD("calls", FIELD_NUMBERS, calls),
    FIELD("result", FIELD_RESULT, result),
    FIELD("definition", FIELD_RESULT, definition),
    FIELD("adds", FIELD_U32, n_added),
#undef FIELD
};

static const char *const kind_names[N_RECORD_KINDS] = {
    [RECORD_RUN] = "run",           [RECORD_NODE] = "node",             [RECORD_WORKER] = "worker",
    [RECORD_LOST] = "lost",         [RECORD_START] = "start",           [RECORD_RETURNED] = "returned",
    [RECORD_DONE] = "done",         [RECORD_FAILED] = "failed",         [RECORD_CANCELLED] = "cancelled",
    [RECORD_RETRIED] = "retried",   [RECORD_SKIPPED] = "skipped",       [RECORD_NOT_NEEDED] = "not_needed",
    [RECORD_CALLS] = "calls",       [RECORD_ENDED] = "ended",           [RECORD_AGAIN] = "again",
    [RECORD_ADDED] = "added",       [RECORD_UNCHANGED] = "unchanged",
    [RECORD_SETUP] = "setup",       [RECORD_TEARDOWN] = "teardown",     [RECORD_STOPPING] = "stopping",
    [RECORD_END] = "end",           [RECORD_UNKNOWN] = "?",
};

const char *record_kind_name(enum record_kind kind)
{
    return kind_names[kind];
}

bool record_is_end(enum record_kind kind)
{
    return kind == RECORD_DONE || kind == RECORD_FAILED || kind == RECORD_CANCELLED || kind == RECORD_RETRIED;
}

static bool is_text(struct span s, const char *text, size_t n)
{
    return (size_t)(s.end - s.at) == n && memcmp(s.at, text, n) == 0;
}

static bool is_string(struct span *s)
{
    if (s->end - s->at < 2 || *s->at != '"' || s->end[-1] != '"')
        return false;
    s->at++;
    s->end--;
    return true;
}

/* A text is base64; a number says how much was not recorded. */
static struct record_result read_result(struct span value)
{
    if (is_string(&value))
        return (struct record_result){value.at, (size_t)(value.end - value.at), true};
    return (struct record_result){NULL, 0, true};
}

static void store_field(const struct field_row *row, struct span value, struct record_fields *f)
{
    void *field = (char *)f + row->offset;
    bool is_array = value.end - value.at >= 2 && *value.at == '[';
    uint64_t v;

    switch (row->type) {
    case FIELD_U32:
        if (parse_number(&value, &v) && v <= UINT32_MAX)
            *(uint32_t *)field = (uint32_t)v;
        break;
    case FIELD_U64:
        if (parse_number(&value, &v))
            *(uint64_t *)field = v;
        break;
    case FIELD_HEX:
        if (is_string(&value) && value.end - value.at == 16 && parse_hex(value.at, 16, &v))
            *(uint64_t *)field = v;
        break;
    case FIELD_SECONDS: *(double *)field = parse_seconds(value); break;
    case FIELD_ID:
        if (is_string(&value))
            read_id(value, field);
        break;
    case FIELD_NUMBERS:
        if (is_array)
            *(struct record_numbers *)field = (struct record_numbers){value.at + 1, value.end - 1};
        break;
    case FIELD_RESULT: *(struct record_result *)field = read_result(value); break;
    }
}

/* ["EPOCH-nNODE.out",OFFSET,LENGTH,TEXT] */
static void store_output(struct span value, struct output_place *output)
{
    static const char *const separators[] = {"[\"", "-n", ".out\",", ",", ",", "]"};
    uint64_t numbers[5] = {0};

    for (size_t i = 0; i < 6; i++) {
        size_t n = strlen(separators[i]);

        if ((size_t)(value.end - value.at) < n || memcmp(value.at, separators[i], n) != 0)
            return;
        value.at += n;
        if (i < 5 && !parse_number(&value, &numbers[i]))
            return;
    }
    if (numbers[0] <= UINT32_MAX && numbers[1] <= UINT32_MAX)
        *output = (struct output_place){(uint32_t)numbers[0], (uint32_t)numbers[1], numbers[2], numbers[3],
                                        numbers[4]};
}

static bool store_outcome(struct span key, struct span value, struct record_fields *f)
{
    static const struct
    {
        const char *key;
        const char *value; /* NULL: a number, the code */
        enum task_end end;
    } rows[] = {
        {"status", NULL, TASK_EXITED},
        {"signal", NULL, TASK_SIGNALLED},
        {"errno", NULL, TASK_NOT_STARTED},
        {"not_started", "true", TASK_NOT_STARTED},
        {"output_lost", "true", TASK_OUTPUT_LOST},
        {"timed_out", "true", TASK_TIMED_OUT},
        {"missing", "\"input\"", TASK_INPUT_MISSING},
        {"missing", "\"output\"", TASK_OUTPUT_MISSING},
        {"lost", "true", TASK_LOST},
        {"unplaceable", "true", TASK_UNPLACEABLE},
        {"out_of_memory", "true", TASK_OUT_OF_MEMORY},
        {"output_limit", "true", TASK_OUTPUT_LIMIT},
        {"returned", NULL, TASK_RETURNED},
        {"refused", "true", TASK_REFUSED},
    };
    uint64_t v;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (!is_text(key, rows[i].key, strlen(rows[i].key)))
            continue;
        if (rows[i].value == NULL && parse_number(&value, &v) && v <= INT32_MAX)
            f->code = (int)v;
        else if (rows[i].value == NULL || !is_text(value, rows[i].value, strlen(rows[i].value)))
            continue;
        if (f->end == N_TASK_ENDS)
            f->end = rows[i].end; /* the mark stands before the code */
        return true;
    }
    return false;
}

static void store_member(struct span key, struct span value, struct record_fields *f)
{
    for (size_t i = 0; i < sizeof(field_rows) / sizeof(*field_rows); i++) {
        if (is_text(key, field_rows[i].key, field_rows[i].n_key)) {
            store_field(&field_rows[i], value, f);
            return;
        }
    }
    if (is_text(key, "output", 6))
        store_output(value, &f->output);
    else if (is_text(key, "changed", 7))
        f->by_content = is_text(value, "\"content\"", 9);
    else
        store_outcome(key, value, f);
}

static enum record_kind kind_of(struct span value)
{
    enum record_kind kind = RECORD_RUN;

    if (!is_string(&value))
        return RECORD_UNKNOWN;
    while (kind < RECORD_UNKNOWN && !is_text(value, kind_names[kind], strlen(kind_names[kind])))
        kind++;
    return kind;
}

static void clear_fields(struct record_fields *f)
{
    f->task[0] = f->cause[0] = '\0';
    memset(&f->n_task, 0, sizeof(*f) - offsetof(struct record_fields, n_task));
    f->kind = RECORD_UNKNOWN;
    f->index = TASK_NONE;
    f->end = N_TASK_ENDS;
}

/* A node's slots and GPUs are counts, a worker's and a task's are lists. */
static void store_counts(struct span key, struct span value, struct record_fields *f)
{
    uint64_t v;

    if (!parse_number(&value, &v) || v > UINT32_MAX)
        return;
    if (is_text(key, "slots", 5))
        f->n_slots = (uint32_t)v;
    if (is_text(key, "gpus", 4))
        f->n_gpus = (uint32_t)v;
}

bool record_read(const struct record *r, struct record_fields *f)
{
    struct span rest = {r->text, r->text + r->n_bytes}, key, value;

    clear_fields(f);
    if (!next_member(&rest, &key, &value) || !is_text(key, "event", 5))
        return false;
    f->kind = kind_of(value);
    while (next_member(&rest, &key, &value)) {
        store_member(key, value, f);
        if (f->kind == RECORD_NODE)
            store_counts(key, value, f);
    }
    f->n_task = strlen(f->task);
    if (f->kind == RECORD_CANCELLED && f->end != TASK_LOST) /* by a signal, or it never ran */
        f->end = TASK_CANCELLED;
    if (f->kind == RECORD_RUN)
        return f->epoch > 0;
    if (f->kind == RECORD_START || f->kind == RECORD_RETURNED || record_is_end(f->kind) ||
        f->kind == RECORD_ENDED || f->kind == RECORD_AGAIN || f->kind == RECORD_ADDED || f->kind == RECORD_SKIPPED ||
        f->kind == RECORD_NOT_NEEDED || f->kind == RECORD_UNCHANGED)
        return f->n_task > 0;
    return true;
}

/* --- reading: functions --- */

/* A value of an array, and the comma behind it. */
static bool next_value(struct span *rest, struct span *value)
{
    const char *end = skip_value(rest->at, rest->end);

    if (end == NULL || end == rest->at)
        return false;
    *value = (struct span){rest->at, end};
    rest->at = end < rest->end ? end + 1 : end;
    return true;
}

static bool next_in(struct span *rest, uint64_t *v)
{
    struct span value;

    return next_value(rest, &value) && parse_number(&value, v) && value.at == value.end;
}

bool record_next_call(struct record_fields *line, struct record_fields *call)
{
    struct span rest = {line->calls.next, line->calls.end}, values, id, digest, result;
    uint64_t index, attempt, offset_ns, run_ns, n_added;

    if (line->kind != RECORD_CALLS || !next_value(&rest, &values))
        return false;
    line->calls.next = rest.at;
    if (values.end - values.at < 2 || *values.at != '[' || values.end[-1] != ']')
        return false;
    values.at++;
    values.end--;
    clear_fields(call);
    if (!next_value(&values, &id) || !is_string(&id) || !next_in(&values, &index) || !next_in(&values, &attempt) ||
        !next_value(&values, &digest) || !is_string(&digest) || digest.end - digest.at != 16 ||
        !parse_hex(digest.at, 16, &call->digest) || !next_in(&values, &offset_ns) || !next_in(&values, &run_ns) ||
        !next_value(&values, &result))
        return false;
    read_id(id, call->task);
    call->n_task = strlen(call->task);
    call->kind = RECORD_DONE;
    call->end = TASK_EXITED;
    call->index = (uint32_t)index;
    call->attempt = (uint32_t)attempt;
    call->worker = line->worker;
    call->node = line->node;
    call->slots = line->slots;
    call->start_s = line->start_s + (double)offset_ns * 1e-9;
    call->end_s = call->start_s + (double)run_ns * 1e-9;
    call->time_s = call->end_s;
    call->result = read_result(result);
    if (next_in(&values, &n_added))
        call->n_added = (uint32_t)n_added;
    return call->n_task > 0;
}
