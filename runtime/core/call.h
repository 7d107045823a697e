/* call: one attempt of a task that is a C function, where it runs: what it is given, and what it gave.
 *
 * ganger.h shows it to functions as an opaque struct. It is one piece of memory: the struct, then the id, the
 * payload and the dependencies' results, each aligned for any type and followed by a NUL, and its place. */
#ifndef GANGER_CORE_CALL_H
#define GANGER_CORE_CALL_H

#include "base/buffer.h"
#include "base/name_index.h"
#include "core/kept.h"
#include "core/message.h"
#include "core/registry.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>

#define CALL_RESULT_MAX 65536   /* GANGER_RESULT_MAX of ganger.h: what travels with messages */
#define CALL_RECORDED_MAX 4096  /* results up to this are in the journal; larger ones if the task says so */

/* A function that is isolated runs in a process started from the program itself: CALL_COMMAND is its first word, then
 * those that a run has, too (--plugin). It reads a CALL of one record from standard input, and writes a CALLED of one
 * to the file that this variable names. */
#define CALL_COMMAND "call-function"
#define CALL_TAKEN_VARIABLE "GANGER_CALL_RESULT"

struct call_bytes
{
    const void *bytes; /* NULL: there is no result */
    size_t n;
    struct recall own; /* task TASK_NONE: nothing; else it is what this attempt will have returned: see call_resolve */
};

/* What it holds, if that is more than the slot of its worker. */
struct call_place
{
    uint32_t n_slots;
    uint32_t n_gpus;
    const uint16_t *slots; /* ascending */
    struct text gpus;      /* ids, each ended by a NUL */
};

/* Tasks that it adds: what is said of them (ganger_add.h), one after the other. */
struct call_added
{
    struct buffer bytes;
    char **ids;
    uint32_t n;
    size_t ids_capacity;
    struct name_index index;
    bool is_refused; /* one of them was: then the call fails */
};

void call_added_release(struct call_added *added);

struct ganger_call
{
    struct ganger_call *next; /* of those that wait */
    task_id task;
    uint32_t attempt;
    uint32_t worker;
    uint16_t slot;
    uint16_t function; /* number in the registry */
    bool is_isolated;
    bool is_awaited;   /* see struct call_order */
    double timeout_s;  /* 0: none */
    uint64_t memory_bytes; /* of an isolated one: what it asked for; 0: it is not limited */
    const char *id;
    struct call_bytes payload;
    uint32_t n_dependencies;
    struct call_bytes *dependencies;
    uint32_t n_owed;   /* of them: not known yet */
    const struct call_place *place; /* NULL: its slot, and no GPU */
    char *owed;        /* what was owed, one behind the other; NULL: nothing */
    void *data;        /* of the program */

    char *result;      /* NULL: none so far */
    size_t n_result;
    size_t result_capacity;
    bool is_too_large; /* it tried to return more than is allowed */
    char *why;         /* it says it failed; NULL: it says nothing */
    struct call_added added;

    double start_s; /* the worker's clock */
    double end_s;
    int status;     /* what the body returned */
    size_t n_room;  /* bytes of the piece */
};

/* Pieces of memory of calls that are over, for those that come: what a function that takes no time costs is mostly
 * memory. Zeros are the empty one. */
struct call_pool
{
    struct ganger_call *first;
    uint32_t n;
};

void call_pool_release(struct call_pool *pool);

/* Copies all of the record, which was decoded. The caller frees it, or gives it to a pool. `pool` may be NULL. */
struct ganger_call *call_new(const struct call_order *order, uint32_t worker, void *data, struct call_pool *pool);
void call_free(struct ganger_call *call);                         /* takes NULL */
void call_recycle(struct ganger_call *call, struct call_pool *pool);

/* Does it hold more cores than its worker has? */
static inline bool call_is_wide(const struct ganger_call *call)
{
    return call->place != NULL && call->place->n_slots > 1;
}

/* Its slots, into `b`, encoded as those of a RUN. */
struct text call_put_slots(const struct ganger_call *call, struct buffer *b);

/* Copies what the call waited for from what its worker ran before. False: not all of it is kept, and the call cannot
 * run here; then nothing has changed. */
bool call_resolve(struct ganger_call *call, const struct kept *kept);

/* Runs the body; does not look at the clock. */
void call_run(struct ganger_call *call, const struct registry *registry);

/* How it ended, but for the times, and what it returned and added: all borrowed from the call. */
void call_report(const struct ganger_call *call, struct call_report *report);

/* ---- what its body may ask for: see ganger.h ---- */

/* Room for `n_bytes` more of the result, which grows by that, and for a NUL behind it. NULL: it would be too large. */
char *call_extend(struct ganger_call *call, size_t n_bytes);
void call_drop_result(struct ganger_call *call);
void call_say_why(struct ganger_call *call, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

#endif
