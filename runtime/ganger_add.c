#include "ganger_add.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "core/call.h"
#include "core/hook.h"
#include "ganger_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDED_BYTES_MAX (1 << 24) /* by one call */

enum { IS_COMMAND = 1, IS_ISOLATED = 2, IS_KEPT = 4, MAY_FAIL = 8, HAS_CWD = 16, HAS_CONDITIONS = 32 };

/* ---- saying it ---- */

static void put(struct buffer *b, const char *text)
{
    buffer_put_text(b, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

/* Texts ended by NULL: how many, and each. */
static void put_list(struct buffer *b, const char *const *texts)
{
    uint32_t n = 0;

    while (texts != NULL && texts[n] != NULL)
        n++;
    buffer_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++)
        put(b, texts[i]);
}

static void put_amounts(struct buffer *b, const struct ganger_amount *amounts)
{
    uint32_t n = 0;

    while (amounts != NULL && amounts[n].resource != NULL)
        n++;
    buffer_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        put(b, amounts[i].resource);
        buffer_put_u32(b, amounts[i].n);
    }
}

/* Who adds tasks: a call, or the hook that is asked about its task. */
struct adder
{
    const char *id;    /* of the task */
    uint32_t n_before; /* that it has added in another way */
    struct call_added *added;
};

static uint32_t count_ids(const struct ganger_task *t)
{
    uint32_t n = 0;

    while (t->after_ids != NULL && t->after_ids[n] != NULL)
        n++;
    return n;
}

static bool has_conditions(const struct ganger_task *t)
{
    return t->after_on != NULL || t->after_ids_on != NULL;
}

/* All that it waits for, by id: those of this call come first. Then the conditions, if it states some. */
static void put_after(const struct adder *a, const struct ganger_task *t)
{
    struct buffer *b = &a->added->bytes;
    uint32_t n_ids = count_ids(t);

    buffer_put_u32(b, (uint32_t)t->n_after + n_ids);
    for (size_t i = 0; i < t->n_after; i++)
        put(b, t->after[i] == GANGER_THIS_CALL ? a->id : a->added->ids[t->after[i]]);
    for (uint32_t i = 0; i < n_ids; i++)
        put(b, t->after_ids[i]);
    for (size_t i = 0; has_conditions(t) && i < t->n_after; i++)
        buffer_put_u8(b, (uint8_t)ganger_condition_of(t->after_on, i));
    for (size_t i = 0; has_conditions(t) && i < n_ids; i++)
        buffer_put_u8(b, (uint8_t)ganger_condition_of(t->after_ids_on, i));
}

static void put_task(const struct adder *a, const struct ganger_task *t, const char *id)
{
    struct buffer *b = &a->added->bytes;

    put(b, id);
    buffer_put_u8(b, (uint8_t)((t->command != NULL ? IS_COMMAND : 0) | (t->isolate ? IS_ISOLATED : 0) |
                               (t->keep ? IS_KEPT : 0) | (t->may_fail ? MAY_FAIL : 0) |
                               (t->cwd != NULL ? HAS_CWD : 0) | (has_conditions(t) ? HAS_CONDITIONS : 0)));
    put(b, t->function);
    put_list(b, t->command);
    put_list(b, t->env);
    put(b, t->cwd);
    buffer_put_text(b, t->payload != NULL ? t->payload : "", t->payload != NULL ? t->n_payload_bytes : 0);
    buffer_put_u32(b, t->cores);
    buffer_put_u32(b, t->gpus);
    buffer_put_u64(b, t->memory_bytes);
    put_amounts(b, t->amounts);
    put(b, t->queue);
    buffer_put_u32(b, t->tokens);
    buffer_put_u32(b, (uint32_t)t->priority);
    buffer_put_u32(b, t->retries);
    buffer_put_f64(b, t->timeout_s);
    buffer_put_f64(b, t->cost_s);
    put(b, t->program);
    put_after(a, t);
}

/* ---- ganger.h ---- */

static const char *id_of(const void *data, uint32_t number)
{
    return ((const struct call_added *)data)->ids[number];
}

/* It has ended well by then: to wait until it fails is to wait for ever. */
#define WAITS_IN_VAIN "it waits until the task that adds it has failed, which then adds nothing"

static const char *find_wrong_condition(const struct adder *a, const struct ganger_task *t)
{
    for (size_t i = 0; i < t->n_after; i++) {
        if (!ganger_is_condition(t->after_on, i))
            return "it waits on a condition that is none";
        if (t->after[i] == GANGER_THIS_CALL && ganger_condition_of(t->after_on, i) == GANGER_ON_NOTOK)
            return WAITS_IN_VAIN;
    }
    for (uint32_t i = 0; i < count_ids(t); i++) {
        if (!ganger_is_condition(t->after_ids_on, i))
            return "it waits on a condition that is none";
        if (strcmp(t->after_ids[i], a->id) == 0 && ganger_condition_of(t->after_ids_on, i) == GANGER_ON_NOTOK)
            return WAITS_IN_VAIN;
    }
    return NULL;
}

static const char *find_mistake(const struct adder *a, const struct ganger_task *t)
{
    if ((t->function == NULL) == (t->command == NULL))
        return "it must have a function or a command, and not both";
    if (t->n_payload_bytes > GANGER_RESULT_MAX)
        return "its payload has more than 64 KiB: put it into a file";
    for (size_t i = 0; i < t->n_after; i++)
        if (t->after[i] != GANGER_THIS_CALL && t->after[i] >= a->added->n)
            return "it waits for a number that no task has which this call added before";
    return find_wrong_condition(a, t);
}

/* Takes the id. NULL, or why it is refused. */
static const char *add(const struct adder *a, const struct ganger_task *t, char *id)
{
    struct call_added *added = a->added;
    const char *mistake = find_mistake(a, t);
    size_t start = added->bytes.n;

    if (mistake != NULL)
        return mistake;
    if (name_index_add(&added->index, id, strlen(id), added->n, id_of, added) != NAME_NOT_FOUND)
        return "this call has added one with that id before";
    added->ids = xgrow(added->ids, added->n, &added->ids_capacity, sizeof(*added->ids));
    added->ids[added->n] = id;
    buffer_put_u32(&added->bytes, 0);
    put_task(a, t, id);
    buffer_set_u32(&added->bytes, start, (uint32_t)(added->bytes.n - start - 4));
    added->n++;
    if (added->bytes.n - start > ADDED_DEFINITION_MAX)
        return "all that is said of one task may have 1 MiB";
    if (added->bytes.n > ADDED_BYTES_MAX)
        return "all that one call adds may have 16 MiB: let the tasks that it adds add the others";
    return NULL;
}

/* NULL, or a sentence that says why it is refused, for the caller to free. Behind one that was refused all are, and
 * nothing more is said. */
static char *try_to_add(const struct adder *a, const struct ganger_task *t, ganger_task_number *number)
{
    uint32_t n = a->added->n;
    const char *mistake;
    char *id, *why = NULL;

    *number = GANGER_NO_TASK;
    if (a->added->is_refused)
        return NULL;
    id = t->id != NULL ? xstrdup(t->id) : xasprintf("%s.%u", a->id, a->n_before + n);
    mistake = add(a, t, id);
    a->added->is_refused = mistake != NULL;
    if (mistake != NULL)
        why = xasprintf("a task that it adds (\"%.255s\") is refused: %s", id, mistake);
    else
        *number = n;
    if (a->added->n == n)
        free(id);
    return why;
}

ganger_task_number ganger_call_add(struct ganger_call *call, const struct ganger_task *t)
{
    const struct adder adder = {call->id, 0, &call->added};
    ganger_task_number number;
    char *why = try_to_add(&adder, t, &number);

    if (why != NULL)
        ganger_call_fail(call, "%s", why); /* whatever its function returns */
    free(why);
    return number;
}

ganger_task_number ganger_hook_add(struct ganger_hook *hook, const struct ganger_task *t)
{
    const struct adder adder = {hook->id, hook->n_added, &hook->adds};
    ganger_task_number number = GANGER_NO_TASK;
    char *why = hook->kind == HOOK_COLLECT ? try_to_add(&adder, t, &number) : NULL;

    if (why != NULL)
        ganger_hook_fail(hook, "%s", why); /* whatever it answers */
    free(why);
    return number;
}

/* ---- reading it ---- */

/* What a definition's lists need while it is read. */
struct reading
{
    struct cursor c;
    struct arena lists;
};

static const char *get(struct reading *r)
{
    size_t n;

    return cursor_text(&r->c, &n);
}

/* "" stands for NULL. */
static const char *get_or_null(struct reading *r)
{
    const char *text = get(r);

    return text[0] != '\0' ? text : NULL;
}

/* Each of so many takes at least so many bytes. */
static uint32_t get_count(struct reading *r, size_t n_bytes_each)
{
    uint32_t n = cursor_u32(&r->c);

    if (n > (size_t)(r->c.end - r->c.next) / n_bytes_each)
        r->c.failed = true;
    return r->c.failed ? 0 : n;
}

static const char *const *get_list(struct reading *r)
{
    uint32_t n = get_count(r, 5);
    const char **texts = arena_alloc(&r->lists, (n + (size_t)1) * sizeof(*texts));

    for (uint32_t i = 0; i < n; i++)
        texts[i] = get(r);
    texts[n] = NULL;
    return texts;
}

static const struct ganger_amount *get_amounts(struct reading *r)
{
    uint32_t n = get_count(r, 9);
    struct ganger_amount *amounts = arena_alloc(&r->lists, (n + (size_t)1) * sizeof(*amounts));

    for (uint32_t i = 0; i < n; i++) {
        amounts[i].resource = get(r);
        amounts[i].n = cursor_u32(&r->c);
    }
    amounts[n] = (struct ganger_amount){NULL, 0};
    return amounts;
}

static void get_body(struct reading *r, struct ganger_task *t, uint8_t flags)
{
    t->function = get_or_null(r);
    t->command = get_list(r);
    t->env = get_list(r);
    t->cwd = get(r);
    t->payload = cursor_text(&r->c, &t->n_payload_bytes);
    t->isolate = (flags & IS_ISOLATED) != 0;
    t->keep = (flags & IS_KEPT) != 0;
    t->may_fail = (flags & MAY_FAIL) != 0;
    if ((flags & HAS_CWD) == 0)
        t->cwd = NULL;
    if ((flags & IS_COMMAND) == 0) {
        t->command = NULL;
        t->env = t->env[0] != NULL ? t->env : NULL;
    } else {
        t->payload = t->n_payload_bytes > 0 ? t->payload : NULL;
    }
}

/* Returns its flags. */
static uint8_t get_task(struct reading *r, struct ganger_task *t)
{
    uint8_t flags;

    *t = (struct ganger_task){.id = get(r)};
    flags = cursor_u8(&r->c);
    get_body(r, t, flags);
    t->cores = cursor_u32(&r->c);
    t->gpus = cursor_u32(&r->c);
    t->memory_bytes = cursor_u64(&r->c);
    t->amounts = get_amounts(r);
    t->queue = get_or_null(r);
    t->tokens = cursor_u32(&r->c);
    t->priority = (int32_t)cursor_u32(&r->c);
    t->retries = cursor_u32(&r->c);
    t->timeout_s = cursor_f64(&r->c);
    t->cost_s = cursor_f64(&r->c);
    t->program = get_or_null(r);
    return flags;
}

static void get_conditions(struct reading *r, struct added_task *added)
{
    added->on = cursor_bytes(&r->c, added->n_after);
    for (uint32_t i = 0; added->on != NULL && i < added->n_after; i++)
        r->c.failed |= (uint8_t)added->on[i] > ON_NOTOK;
}

/* What it waits for is looked up when it is appended. */
static void get_after(struct reading *r, struct added_task *added, uint8_t flags)
{
    added->n_after = get_count(r, 5);
    added->after.bytes = r->c.next;
    for (uint32_t i = 0; i < added->n_after; i++)
        get(r);
    added->after.n = (uint32_t)(r->c.next - added->after.bytes);
    if ((flags & HAS_CONDITIONS) != 0)
        get_conditions(r, added);
}

static int check_function(const struct registry *registry, const struct ganger_task *t, struct ganger_error *err)
{
    if (registry == NULL || t->function == NULL || registry_find(registry, t->function) != REGISTRY_NONE)
        return 0;
    return error_set(err, ERROR_USAGE, "task \"%s\" asks for the function \"%s\", which is not registered", t->id,
                     t->function);
}

int added_read(struct graph *g, const struct registry *registry, struct cursor *c, struct added_task *added,
               struct ganger_error *err)
{
    uint32_t n = cursor_u32(c);
    const char *bytes = cursor_bytes(c, n);
    struct reading r = {cursor_over(bytes != NULL ? bytes : "", bytes != NULL ? n : 0), ARENA_EMPTY};
    struct ganger_workflow w = {.graph = g};
    struct ganger_task t;
    int status = 0;

    *added = (struct added_task){.definition = {r.c.next, bytes != NULL ? n : 0}};
    get_after(&r, added, get_task(&r, &t));
    if (r.c.failed)
        status = error_set(err, ERROR_SYSTEM, "what is said of a task that is added makes no sense");
    else if (check_function(registry, &t, err) < 0)
        status = -1;
    else if (ganger_workflow_read_task(&w, t.id, &t, &added->task) < 0)
        status = error_set(err, ERROR_USAGE, "%s", w.err.text);
    arena_release(&r.lists);
    return status;
}

struct text added_next_id(struct cursor *c)
{
    size_t n;
    const char *id = cursor_text(c, &n);

    return (struct text){id, (uint32_t)n};
}

/* ---- appending it ---- */

/* The children that were there when the run began are sorted: a call that ran before may have added many. */
static bool waits_for(const struct graph *g, task_id task, task_id parent)
{
    uint64_t first = g->child_first[parent], end = g->child_first[parent + 1];

    while (first < end) {
        uint64_t middle = first + (end - first) / 2;

        if (g->children[middle] == task)
            return true;
        if (g->children[middle] < task)
            first = middle + 1;
        else
            end = middle;
    }
    for (uint32_t l = graph_first_link(g, parent); l != LINK_NONE; l = graph_next_link(g, parent, l))
        if (g->links[l].child == task)
            return true;
    return false;
}

bool added_is_new(const struct graph *g, const struct added_task *added, task_id adder, struct ganger_error *err)
{
    task_id task = graph_find(g, added->task.id, strlen(added->task.id));

    if (task == TASK_NONE)
        return true;
    if (!waits_for(g, task, adder))
        error_set(err, ERROR_USAGE, "the id \"%s\" is taken by another task; give each its own", added->task.id);
    else if (g->tasks[task].digest != added->task.digest)
        error_set(err, ERROR_USAGE, "task \"%s\" was added before, when this task ran in an earlier epoch, and was to "
                                    "do something else: let what a task adds follow from what it is given, or start "
                                    "a run anew, without --resume", added->task.id);
    return false;
}

static bool find_needs(const struct graph *g, const struct added_task *added, task_id adder, struct graph_need *needs)
{
    struct cursor c = cursor_over(added->after.bytes, added->after.n);

    for (uint32_t i = 0; i < added->n_after; i++) {
        struct text id = added_next_id(&c);

        needs[i] = (struct graph_need){.parent = graph_find(g, id.bytes, id.n),
                                       .on = added->on != NULL ? (enum graph_condition)added->on[i] : ON_OK};
        if (needs[i].parent == TASK_NONE)
            return false;
    }
    needs[added->n_after] = (struct graph_need){adder, ON_OK, true};
    return true;
}

task_id added_append(struct graph *g, const struct added_task *added, task_id adder)
{
    struct graph_need *needs = xmalloc((added->n_after + (size_t)1) * sizeof(*needs));
    task_id task = TASK_NONE;

    if (find_needs(g, added, adder, needs))
        task = graph_append(g, &added->task, needs, added->n_after + 1);
    free(needs);
    return task;
}
