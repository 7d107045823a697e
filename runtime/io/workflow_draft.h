/* workflow_draft: a document while it is read: what has come of it so far, and where we are.
 *
 * Every text that a document holds is read through this, and every message about it is said through this, so that
 * each names the file, the line or number, and the task. Only for the files of io/workflow. */
#ifndef GANGER_IO_WORKFLOW_DRAFT_H
#define GANGER_IO_WORKFLOW_DRAFT_H

#include "base/buffer.h"
#include "base/error.h"
#include "core/dependency.h"
#include "core/file_table.h"
#include "core/graph.h"
#include "core/sweep.h"
#include "io/workflow_words.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

#define NAME_MAX_BYTES 255             /* of ids, queues, resources, programs */
#define WORD_MAX_BYTES 131071          /* Linux: MAX_ARG_STRLEN less the NUL */
#define TEXTS_MAX_BYTES (6 * 1024 * 1024) /* of a command, an environment: Linux never takes more, however large the
                                             stack */
#define TASKS_MAX UINT32_C(100000000)  /* a slip in a `for` must not fill the memory */
#define AMOUNT_MAX 1000000000          /* of tokens, and of named resources */
#define RECENT_SETTINGS 256

/* What "defaults" and a task state; what a task leaves out is that of the defaults. */
struct stated
{
    const struct task_setting *setting;
    uint64_t setting_digest; /* of what counts for a task's definition beside its command */
    float cost_s;            /* 0: not stated */
    struct task_resources resources;
    uint32_t tokens; /* UINT32_MAX: not stated */
    uint32_t resource_class;
    struct task_policy policy;
    uint32_t policy_number;
    uint32_t program;   /* UINT32_MAX: not stated */
    const char *prefix; /* n_prefix words, each ended by a NUL */
    uint32_t n_prefix;
    uint32_t n_prefix_bytes;
    uint8_t flags; /* TASK_ISOLATE, TASK_KEEP */
};

struct draft
{
    const char *file;
    struct graph *g;
    char *name; /* NULL: the document states none */
    struct dependency_list dependencies;
    struct file_table files;
    struct stated defaults;
    struct json_t *default_env; /* NULL: none */
    char *default_cwd;          /* NULL: none */
    const struct known_setting *recent[RECENT_SETTINGS];
    const struct known_files *recent_files[RECENT_SETTINGS];

    /* where we are, for messages */
    bool is_document; /* tasks have a number in "tasks", not a line */
    uint64_t line;    /* 0: not known */
    uint64_t number;  /* of the task in "tasks", from 1; 0: not in there */
    const char *part; /* of the header, "defaults"; NULL: not in there */
    const char *member; /* of that part, the name of a queue or resource; NULL: not in one */
    const char *id;   /* NULL: not known yet */

    const struct sweep *sweep;  /* of the present task; NULL: it has no `for` */
    task_id first_instance;     /* of the present `for` */
    uint32_t instances_program; /* likewise */
    uint32_t last_program;      /* that was looked up: the next is likely the same */
    size_t command_at;          /* where the command begins in `argv`, behind its prefix */

    struct buffer expanded;
    struct buffer id_text;
    struct buffer argv;
    struct buffer env;
    struct buffer paths;
    struct buffer word;
    struct task_amount *amounts; /* room for one of each named resource */
};

void draft_init(struct draft *d, const char *file);
void draft_release(struct draft *d);

/* Says what is wrong, with the place in front of it. All that are called "refuse" return -1. */
int draft_refuse(const struct draft *d, struct ganger_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int draft_refuse_type(const struct draft *d, const char *key, const char *wanted, const struct json_t *value,
                      struct ganger_error *err);
int draft_refuse_too_many(const struct draft *d, struct ganger_error *err);

/* Puts the place in front of a message that is set. */
int draft_put_place_in_front(const struct draft *d, struct ganger_error *err);

/* What a document holds must not steer the terminal that shows the message. */
int draft_make_printable(struct ganger_error *err);

const char *draft_type_name(const struct json_t *value);

/* Sorts an object's values by key: values[k] is that of table->words[k], NULL when it has none, and `*present` has
 * bit k where it has one. Unknown keys and values of the wrong kind are refused. */
int draft_take_apart(const struct draft *d, struct json_t *object, const struct word_table *table,
                     struct json_t **values, uint32_t *present, struct ganger_error *err);

/* A string of the task with the values of its `for` put in. Borrowed until the next call. */
const char *draft_text(struct draft *d, const struct json_t *string, size_t *n_bytes);
const char *draft_expand(struct draft *d, const char *text, size_t *n_bytes);

bool text_is_blank(char c);

/* Anything but blanks? */
bool text_says_something(const char *text, size_t n_bytes);

/* A name is 1 to 255 bytes without control characters; `what` is `the name of a queue`. */
int draft_check_name(const struct draft *d, const char *what, const char *name, size_t n_bytes,
                     struct ganger_error *err);

/* A whole number, which may be a string when it is swept over: "cores": "{n}". */
int draft_read_whole(struct draft *d, const char *key, const struct json_t *value, int64_t least, int64_t most,
                     int64_t *number, struct ganger_error *err);

/* Seconds, or a text with units; not negative. */
int draft_read_duration(struct draft *d, const char *key, const struct json_t *value, double *duration_s,
                        struct ganger_error *err);

/* Sorts the n NUL-ended texts from `start` of the buffer on, so that the order in a document makes no difference. */
void draft_sort_texts(struct buffer *b, size_t start, size_t n);

#endif
