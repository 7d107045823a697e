/* record: one line of the journal, as bytes. A JSON object whose first member is "event" and whose
 * last is "crc": XXH32 over the bytes before it, so that a torn or damaged line is told from a good
 * one. docs/run-directory.md describes the lines.
 *
 * Written by hand because it is on the manager's path for each task: printf takes 0.8 us for a
 * line, a JSON library 4. Read by hand because two million lines are read when a large run is
 * resumed: 0.4 us each. */
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
#define RECORD_ADDED_START "{\"event\":\"added\""

/* What a line may need at most. `n_numbers` are the event's slots and GPUs. */
size_t record_bytes_max(uint32_t n_numbers);

/* What an event's line needs beyond that for the definition of a task. */
size_t record_definition_bytes(const struct event *e);

/* Each writes one line, newline included, to `p`, which has record_bytes_max, and returns its end.
 * Any text is welcome: what is no UTF-8 becomes U+FFFD; what is no time becomes 0. The header line
 * begins with RECORD_HEADER_START and a number, whatever the format. */
char *record_put_header(char *p, uint32_t epoch, const char *name, uint64_t workflow_digest,
                        double wall_s, bool by_content,
                        const char *job); /* "slurm job 12"; NULL: none */
char *record_put_event(char *p, const struct graph *g, const struct event *e, uint32_t epoch);
char *record_put_end(char *p, int exit_status, double time_s);

/* A line about functions that are done: calls [first, first + n) of an EVENT_CALLS_DONE. What it may need is
 * record_bytes_max and the sum of record_call_bytes_max. */
char *record_put_calls(char *p, const struct graph *g, const struct event *e, uint32_t first, uint32_t n);
size_t record_call_bytes_max(const struct graph *g, const struct event_call *call);

/* Results of functions up to this size are recorded; larger ones when their task says so. */
#define RECORD_RESULT_MAX 4096

/* False for what the journal does not say: joins, kept tasks (an earlier epoch said that they were
 * done, and a million lines on each resume help nobody), and STARTED (the end says when). */
bool record_has_event(const struct graph *g, const struct event *e);

/* --- reading --- */

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

/* What `event` says a line is. */
enum record_kind
{
    RECORD_RUN,
    RECORD_NODE,
    RECORD_WORKER,
    RECORD_LOST,
    RECORD_START,
    RECORD_RETURNED,
    RECORD_DONE,
    RECORD_FAILED,
    RECORD_CANCELLED,
    RECORD_RETRIED,
    RECORD_SKIPPED,
    RECORD_NOT_NEEDED,
    RECORD_CALLS,
    RECORD_ADDED,
    RECORD_UNCHANGED,
    RECORD_ENDED,
    RECORD_AGAIN,
    RECORD_SETUP,
    RECORD_TEARDOWN,
    RECORD_STOPPING,
    RECORD_END,
    RECORD_UNKNOWN, /* of a newer ganger */
    N_RECORD_KINDS,
};

const char *record_kind_name(enum record_kind kind); /* as in the line */

/* Does a line of that kind say how an attempt of a task ended? */
bool record_is_end(enum record_kind kind);

/* Where what a task wrote, or anything else, lies. */
struct output_place
{
    uint32_t epoch; /* the two give the file: EPOCH-nNODE.out */
    uint32_t node;
    uint64_t offset;
    uint64_t n_bytes; /* of the file; 0: it wrote nothing */
    uint64_t n_text;  /* of them its own, headers not counted */
};

/* Whole numbers in brackets, read one by one. */
struct record_numbers
{
    const char *next; /* borrowed from the line */
    const char *end;
};

bool record_next_number(struct record_numbers *numbers, uint64_t *v);

/* What a function returned. */
struct record_result
{
    const char *text; /* base64, borrowed from the line; NULL: it was not recorded */
    size_t n_text;
    bool is_there;    /* false: there is none, or it is of a command */
};

/* A line's members; those that it does not have are 0 or empty. The line is borrowed by the numbers. */
struct record_fields
{
    enum record_kind kind;
    char task[RECORD_ID_BYTES + 1];  /* id */
    char cause[RECORD_ID_BYTES + 1]; /* id */
    size_t n_task;                   /* bytes; 0: it is about no task */
    uint64_t digest;                 /* of the task's definition */
    uint64_t fingerprint;            /* of its inputs */
    uint32_t index;                  /* of the task in its epoch; TASK_NONE: not said */
    uint32_t attempt;
    uint32_t worker;
    uint32_t node;
    uint32_t n_slots;                /* of a node */
    uint32_t n_gpus;                 /* of a node */
    uint64_t memory_bytes;           /* of a node */
    struct record_numbers slots;
    struct record_numbers gpus;
    double time_s;
    double start_s;                  /* of a task; of an epoch: since 1970 */
    double end_s;
    double cpu_s;
    uint64_t max_rss_bytes;
    enum task_end end;               /* of what record_is_end, setup and teardown say; N_TASK_ENDS: not said */
    int code;                        /* as in struct task_result; of an epoch: its exit status */
    struct output_place output;
    struct record_result result;
    struct record_result definition; /* of RECORD_ADDED: see ganger_add.h */
    uint32_t n_added;                /* tasks that it added; 0: none, or of an earlier ganger, which did not say */
    struct record_numbers calls;     /* of RECORD_CALLS: see record_next_call */
    uint32_t format;
    uint32_t epoch;
    uint64_t workflow_digest;
    bool by_content;                 /* of an epoch: tasks that were done were looked at (core/reuse.h) */
};

/* Reads what it can: members that are not what is expected there are passed over, and after what is no JSON there
 * is nothing more. False when a member that its kind must have is missing: the task of a task's line, the epoch
 * of a header. What is no id, since it holds control characters, is none. */
bool record_read(const struct record *r, struct record_fields *fields);

/* The next function of a RECORD_CALLS line as if it had a line of its own, RECORD_DONE, with what `line` says of all of
 * them. Moves on in line->calls. False: there is none left. */
bool record_next_call(struct record_fields *line, struct record_fields *call);

#endif
