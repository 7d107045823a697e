/* hook: what a program is told of a task while the run goes on, or asked about it, and what it answers.
 *
 * ganger.h shows it to the program's hooks as an opaque struct. It owns copies of all that is in it, so that a hook
 * that does not return can be left alone with it. */
#ifndef GANGER_CORE_HOOK_H
#define GANGER_CORE_HOOK_H

#include "core/call.h"
#include "core/sched.h"
#include "core/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ganger_hook;

enum hook_kind
{
    HOOK_PROVIDE,  /* the task waits for nothing more */
    HOOK_STARTED,  /* it was sent */
    HOOK_COLLECT,  /* an attempt has ended, or it is not to run */
    HOOK_FINISHED, /* it will not run any more */
    N_HOOK_KINDS,
};

/* As in enum ganger_answer of ganger.h. */
enum hook_answer
{
    HOOK_GO_ON,
    HOOK_DONE,
    HOOK_FAILED,
    HOOK_AGAIN,
    HOOK_NOT_NEEDED,
};

#define HOOK_AGAIN_MAX 100 /* how often a task is run again, where the program states no other number … */
#define HOOK_AGAIN_LIMIT 65535 /* … than up to that */

/* What a program wants to be asked, and told; NULL: not that. */
struct hooks
{
    int (*provide)(struct ganger_hook *hook, void *data); /* an enum hook_answer */
    void (*started)(struct ganger_hook *hook, void *data);
    int (*collect)(struct ganger_hook *hook, void *data); /* likewise */
    void (*task_finished)(struct ganger_hook *hook, void *data);
    uint32_t again_max;
    void *data; /* of the program */
};

static inline bool hooks_are_any(const struct hooks *h)
{
    return h->provide != NULL || h->started != NULL || h->collect != NULL || h->task_finished != NULL;
}

struct hook_bytes
{
    char *bytes; /* owned, aligned for any type, and followed by a NUL; NULL: there are none */
    size_t n;
};

struct hook_dependency
{
    task_id task;
    enum task_state state;
    struct hook_bytes result; /* NULL: it has none */
};

struct ganger_hook
{
    struct ganger_hook *next; /* of those that wait */
    enum hook_kind kind;
    task_id task;
    char *id;
    bool is_function;
    bool has_run;     /* else the program said that it was not to */
    uint32_t attempt; /* 0: none yet */
    uint32_t worker;
    uint32_t node;
    char *host;
    uint32_t n_slots;
    uint16_t *slots;
    uint32_t n_dependencies;
    struct hook_dependency *dependencies;
    struct task_result result; /* `tail` is owned */
    struct hook_bytes returned; /* by its function, or in place of it */
    uint32_t n_added;          /* tasks that its function adds, if it is done, … */
    struct hook_bytes added;   /* … and what is said of them: see ganger_add.h */
    enum task_state state;     /* at the end of all */

    int answer;
    int skip;                  /* what `provide` answered, while `collect` is asked */
    struct hook_bytes payload; /* for the next attempt; NULL: the one that it has */
    struct call_added adds;    /* tasks that `collect` adds, if it is done, behind those of its function */
    char *why;                 /* says the program; NULL: nothing */
};

struct ganger_hook *hook_new(enum hook_kind kind, task_id task, const char *id);
void hook_free(struct ganger_hook *h); /* takes NULL */

void hook_set_slots(struct ganger_hook *h, const uint16_t *slots, uint32_t n);
void hook_set_result(struct ganger_hook *h, const struct task_result *result);
void hook_bytes_set(struct hook_bytes *b, const void *bytes, size_t n);

/* `result` NULL: it has none. */
void hook_add_dependency(struct ganger_hook *h, task_id task, enum task_state state, const void *result, size_t n);

/* Calls the one that is meant, if there is one, and keeps its answer. */
void hook_run(struct ganger_hook *h, const struct hooks *hooks);

const char *hook_name(enum hook_kind kind);

#endif
