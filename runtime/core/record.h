/* record: one line of the journal, as bytes. A JSON object whose first member is "event" and whose
 * last is "crc": XXH32 over the bytes before it, so that a torn or damaged line is told from a good
 * one. docs/run-directory.md describes the lines.
 *
 * Written by hand because it is on the manager's path for each task: printf takes 0.8 us for a
 * line, a JSON library 4. Read by hand because two million lines are read when a large run is
 * resumed: only the fields that are asked for are looked at. */
#ifndef GANGER_CORE_RECORD_H
#define GANGER_CORE_RECORD_H

#include "core/event.h"
#include "core/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_FORMAT 1      /* of all lines; stands in the header line */
#define RECORD_ID_BYTES 1024 /* what an id is cut at; ids have 255 */
#define RECORD_HEADER_START "{\"event\":\"run\",\"format\":"

/* What a line may need at most. `n_slots` is the event's. */
size_t record_bytes_max(uint32_t n_slots);

/* Each writes one line, newline included, to `p`, which has record_bytes_max, and returns its end.
 * Any text is welcome: what is no UTF-8 becomes U+FFFD; what is no time becomes 0. The header line
 * begins with RECORD_HEADER_START and a number, whatever the format. */
char *record_put_header(char *p, uint32_t epoch, const char *name, uint64_t workflow_digest,
                        double wall_s);
char *record_put_event(char *p, const struct graph *g, const struct event *e, uint32_t epoch);
char *record_put_end(char *p, int exit_status, double time_s);

/* False for what the journal does not say: joins, kept tasks (an earlier epoch said that they were
 * done, and a million lines on each resume help nobody), and STARTED (the end says when). */
bool record_has_event(const struct graph *g, const struct event *e);

struct record
{
    const char *text; /* borrowed; without newline and checksum */
    size_t n_bytes;
    bool is_valid;    /* the checksum is there and right; if not, the text is the whole line */
};

/* `n_bytes` are without the newline. */
struct record record_over(const char *text, size_t n_bytes);

/* Is it an event of that name? `start` is `{"event":"NAME"`. */
bool record_begins(const struct record *r, const char *start);

/* The fields; false when it has none, or it is not what is expected there. `key` is `,"KEY":`. */
bool record_u32(const struct record *r, const char *key, uint32_t *v);
bool record_digest(const struct record *r, uint64_t *digest);
bool record_task(const struct record *r, char id[RECORD_ID_BYTES + 1], size_t *n_bytes);

/* Where the output of a task, or anything else, lies. */
struct output_place
{
    uint32_t epoch; /* the two give the file: EPOCH-nNODE.out */
    uint32_t node;
    uint64_t offset;
    uint64_t n_bytes; /* 0: it wrote nothing */
};
bool record_output(const struct record *r, struct output_place *output);

#endif
