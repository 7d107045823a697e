#include "io/workflow_stated.h"

#include "base/amount.h"
#include "base/spelling.h"
#include "io/workflow_setting.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CORES_MAX 65535
#define GPUS_MAX 65535
#define PRIORITY_MAX 1000000000
#define RETRIES_MAX 1000000
#define WIDTH_MAX 1000000
#define LEAST_COST_S 1e-6F /* what a stated cost of 0 means; 0 itself means "not stated" */

#define BIT(key) (UINT32_C(1) << (key))
#define RESOURCE_KEYS                                                                                               \
    (BIT(KEY_CORES) | BIT(KEY_MEMORY) | BIT(KEY_GPUS) | BIT(KEY_RESOURCES) | BIT(KEY_QUEUE) | BIT(KEY_TOKENS))
#define POLICY_KEYS (BIT(KEY_PRIORITY) | BIT(KEY_RETRIES) | BIT(KEY_TIMEOUT) | BIT(KEY_MAY_FAIL) |        \
                     BIT(KEY_END_SIGNAL))

/* ---- resources */

static int read_memory(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    double bytes = json_number_value(value);

    if (json_is_string(value)) {
        size_t n_bytes;
        const char *text = draft_text(d, value, &n_bytes);

        if (!amount_read_bytes(text, &stated->resources.memory_bytes))
            return draft_refuse(d, err,
                                "\"memory\": \"%.80s\" is not an amount of memory; write \"2GiB\", \"500MB\", or a "
                                "number of bytes without quotes",
                                text);
        return 0;
    }
    if (!(bytes >= 1 && bytes < 0x1p63))
        return draft_refuse(d, err, "\"memory\" must be from 1 to 9.2e18 bytes, not %g", bytes);
    stated->resources.memory_bytes = (uint64_t)bytes;
    return 0;
}

const char *stated_find_meant_resource(const struct graph *g, const char *name)
{
    const char **names = xmalloc((g->n_named + 1) * sizeof(*names));
    const char *near;

    for (uint32_t i = 0; i < g->n_named; i++)
        names[i] = g->named[i].name;
    near = spelling_nearest(name, names, g->n_named);
    free(names);
    return near;
}

static int refuse_resource(const struct draft *d, const char *name, struct ganger_error *err)
{
    const char *near = stated_find_meant_resource(d->g, name);

    if (near != NULL)
        return draft_refuse(d, err, "\"resources\": the workflow declares no \"%.80s\"; did you mean \"%s\"?", name,
                            near);
    return draft_refuse(d, err,
                        "\"resources\": the workflow declares no \"%.80s\"; say beside \"tasks\" how much there is: "
                        "\"resources\": {\"%.80s\": {\"total\": 4}}, or {\"per_node\": 4}",
                        name, name);
}

/* Puts `n` of a resource into the ascending list: nothing of it when it is 0. */
static void set_amount(struct task_resources *r, struct task_amount *amounts, uint32_t resource, uint32_t n)
{
    uint32_t at = 0;
    uint32_t is_there;

    while (at < r->n_amounts && amounts[at].resource < resource)
        at++;
    is_there = at < r->n_amounts && amounts[at].resource == resource;
    if (is_there && n > 0) {
        amounts[at].n = n;
        return;
    }
    if (is_there == (n > 0))
        return;
    memmove(amounts + at + !is_there, amounts + at + is_there, (r->n_amounts - at - is_there) * sizeof(*amounts));
    r->n_amounts += n > 0 ? 1 : UINT32_MAX;
    if (n > 0)
        amounts[at] = (struct task_amount){resource, n};
}

static int read_amount(struct draft *d, const char *name, const json_t *value, struct stated *stated,
                       struct ganger_error *err)
{
    uint32_t resource = graph_find_named(d->g, name);
    const struct graph_named *named;
    int64_t n;

    if (resource == UINT32_MAX)
        return refuse_resource(d, name, err);
    if (draft_read_whole(d, name, value, 0, AMOUNT_MAX, &n, err) != 0)
        return -1;
    named = &d->g->named[resource];
    if (n > named->n)
        return draft_refuse(d, err,
                            "\"resources\": it takes %" PRId64 " of \"%s\", and there are only %" PRIu32 "%s; it could "
                            "never start",
                            n, name, named->n, named->is_per_node ? " on a node" : "");
    set_amount(&stated->resources, d->amounts, resource, (uint32_t)n);
    return 0;
}

static int read_amounts(struct draft *d, json_t *object, struct stated *stated, struct ganger_error *err)
{
    struct task_resources *r = &stated->resources;
    const char *name;
    json_t *value;

    if (d->amounts == NULL)
        d->amounts = xmalloc((d->g->n_named + 1) * sizeof(*d->amounts));
    if (r->n_amounts > 0)
        memcpy(d->amounts, r->amounts, r->n_amounts * sizeof(*d->amounts));
    json_object_foreach (object, name, value)
        if (read_amount(d, name, value, stated, err) != 0)
            return -1;
    r->amounts = d->amounts;
    return 0;
}

static int refuse_queue(const struct draft *d, const char *name, struct ganger_error *err)
{
    const struct graph *g = d->g;
    const char **names = xmalloc(g->n_queues * sizeof(*names));
    const char *near;

    for (uint32_t i = 1; i < g->n_queues; i++)
        names[i - 1] = g->queues[i].name;
    near = spelling_nearest(name, names, g->n_queues - 1);
    free(names);
    if (near != NULL)
        return draft_refuse(d, err, "\"queue\": the workflow declares no \"%.80s\"; did you mean \"%s\"?", name, near);
    return draft_refuse(d, err,
                        "\"queue\": the workflow declares no \"%.80s\"; declare it beside \"tasks\": \"queues\": "
                        "{\"%.80s\": 4}",
                        name, name);
}

static int read_queue(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    size_t n_bytes;
    const char *name = draft_text(d, value, &n_bytes);
    uint32_t queue = n_bytes > 0 ? graph_find_queue(d->g, name) : UINT32_MAX; /* queue 0 has the name "" */

    if (queue == UINT32_MAX)
        return refuse_queue(d, name, err);
    stated->resources.queue = queue;
    return 0;
}

/* What is known once queue and tokens have been read, each here or in the defaults. */
static int check_tokens(struct draft *d, bool is_stated, struct stated *stated, struct ganger_error *err)
{
    const struct graph_queue *queue = &d->g->queues[stated->resources.queue];

    if (stated->resources.queue == 0) {
        if (is_stated && d->part == NULL)
            return draft_refuse(d, err, "\"tokens\" are taken of a queue's budget, and the task is in none; name its "
                                        "\"queue\"");
        return 0;
    }
    stated->resources.tokens = stated->tokens == UINT32_MAX ? 1 : stated->tokens;
    if (stated->resources.tokens > queue->tokens)
        return draft_refuse(d, err,
                            "it takes %" PRIu32 " tokens of the queue \"%s\", which has %" PRIu32 " in all; it could "
                            "never start",
                            stated->resources.tokens, queue->name, queue->tokens);
    return 0;
}

static int read_resources(struct draft *d, json_t **values, struct stated *stated, struct ganger_error *err)
{
    int64_t n;

    if (values[KEY_CORES] != NULL) {
        if (draft_read_whole(d, "cores", values[KEY_CORES], 1, CORES_MAX, &n, err) != 0)
            return -1;
        stated->resources.cores = (uint32_t)n;
    }
    if (values[KEY_GPUS] != NULL) {
        if (draft_read_whole(d, "gpus", values[KEY_GPUS], 0, GPUS_MAX, &n, err) != 0)
            return -1;
        stated->resources.gpus = (uint32_t)n;
    }
    if (values[KEY_TOKENS] != NULL) {
        if (draft_read_whole(d, "tokens", values[KEY_TOKENS], 0, AMOUNT_MAX, &n, err) != 0)
            return -1;
        stated->tokens = (uint32_t)n;
    }
    if ((values[KEY_MEMORY] != NULL && read_memory(d, values[KEY_MEMORY], stated, err) != 0) ||
        (values[KEY_RESOURCES] != NULL && read_amounts(d, values[KEY_RESOURCES], stated, err) != 0) ||
        (values[KEY_QUEUE] != NULL && read_queue(d, values[KEY_QUEUE], stated, err) != 0) ||
        check_tokens(d, values[KEY_TOKENS] != NULL, stated, err) != 0)
        return -1;
    stated->resource_class = graph_intern_resources(d->g, &stated->resources);
    stated->resources.amounts = d->g->resources[stated->resource_class].amounts; /* the graph's copy lives on */
    return 0;
}

static int read_width(struct draft *d, const char *key, const json_t *value, const char *remedy,
                      struct ganger_error *err)
{
    int64_t n;

    if (draft_read_whole(d, key, value, 1, WIDTH_MAX, &n, err) != 0)
        return -1;
    if (n > 1)
        return draft_refuse(d, err, "\"%s\": %" PRId64 " is not built yet; %s", key, n, remedy);
    return 0;
}

int stated_check_width(struct draft *d, json_t **values, struct ganger_error *err)
{
    static const char nodes_remedy[] =
        "a task gets cores of one node: make several tasks of it, or run it as a batch job of its own";
    static const char ranks_remedy[] =
        "ask for as many \"cores\", and start the ranks in the command: [\"mpirun\", \"-n\", \"4\", \"program\"]";

    if (values[KEY_NODES] != NULL && read_width(d, "nodes", values[KEY_NODES], nodes_remedy, err) != 0)
        return -1;
    return values[KEY_RANKS] ? read_width(d, "ranks", values[KEY_RANKS], ranks_remedy, err) : 0;
}

/* ---- policy */

static int read_end_signal(struct draft *d, const json_t *value, struct task_policy *p, struct ganger_error *err)
{
    size_t n_bytes;
    const char *text = draft_text(d, value, &n_bytes);

    if (n_bytes == 0) { /* none, where "defaults" say one */
        p->end_signal = (struct end_signal){0, 0};
        return 0;
    }
    if (end_signal_read(text, &p->end_signal))
        return 0;
    return draft_refuse(d, err,
                        "\"end_signal\": \"%.80s\" is not a signal that a task can act on, and how many seconds before "
                        "the end it is wanted; write \"USR1@60\"",
                        text);
}

static int read_policy(struct draft *d, json_t **values, struct stated *stated, struct ganger_error *err)
{
    struct task_policy *p = &stated->policy;
    int64_t n;

    if (values[KEY_PRIORITY] != NULL) {
        if (draft_read_whole(d, "priority", values[KEY_PRIORITY], -PRIORITY_MAX, PRIORITY_MAX, &n, err) != 0)
            return -1;
        p->priority = (int32_t)n;
    }
    if (values[KEY_RETRIES] != NULL) {
        if (draft_read_whole(d, "retries", values[KEY_RETRIES], 0, RETRIES_MAX, &n, err) != 0)
            return -1;
        p->retries = (uint32_t)n;
    }
    if (values[KEY_TIMEOUT] != NULL &&
        draft_read_duration(d, "timeout", values[KEY_TIMEOUT], &p->timeout_s, err) != 0)
        return -1;
    if (values[KEY_END_SIGNAL] != NULL && read_end_signal(d, values[KEY_END_SIGNAL], p, err) != 0)
        return -1;
    if (values[KEY_MAY_FAIL] != NULL)
        p->may_fail = json_is_true(values[KEY_MAY_FAIL]);
    stated->policy_number = graph_intern_policy(d->g, p);
    return 0;
}

static int read_cost(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    double cost_s;

    if (draft_read_duration(d, "cost", value, &cost_s, err) != 0)
        return -1;
    stated->cost_s = cost_s > (double)LEAST_COST_S ? (float)cost_s : LEAST_COST_S;
    return 0;
}

/* ---- prefix and program */

static int put_prefix_word(struct draft *d, const char *text, size_t n_bytes, struct stated *stated,
                           struct ganger_error *err)
{
    const char *word = draft_expand(d, text, &n_bytes);

    if (n_bytes > WORD_MAX_BYTES || d->word.n + n_bytes > TEXTS_MAX_BYTES)
        return draft_refuse(d, err, "\"prefix\" is too long for the system, which takes %d bytes in one word",
                            WORD_MAX_BYTES);
    buffer_put(&d->word, word, n_bytes);
    buffer_put_u8(&d->word, 0);
    stated->n_prefix++;
    return 0;
}

/* Split before the values of `for` are put in: a value with a blank stays one word. */
static int split_prefix(struct draft *d, const char *text, struct stated *stated, struct ganger_error *err)
{
    static const char blanks[] = " \t\n\v\f\r";

    for (text += strspn(text, blanks); *text != '\0'; text += strspn(text, blanks)) {
        size_t n_bytes = strcspn(text, blanks);
        char *word = xstrndup(text, n_bytes);
        int status = put_prefix_word(d, word, n_bytes, stated, err);

        free(word);
        if (status != 0)
            return -1;
        text += n_bytes;
    }
    return 0;
}

static int read_prefix(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    size_t i;
    json_t *word;

    stated->n_prefix = 0;
    d->word.n = 0;
    if (json_is_string(value) && split_prefix(d, json_string_value(value), stated, err) != 0)
        return -1;
    json_array_foreach (value, i, word) {
        if (!json_is_string(word))
            return draft_refuse(d, err, "word %zu of \"prefix\" must be a string, not %s; put it in quotes", i + 1,
                                draft_type_name(word));
        if (put_prefix_word(d, json_string_value(word), json_string_length(word), stated, err) != 0)
            return -1;
    }
    if (stated->n_prefix > 0 && d->word.bytes[0] == '\0')
        return draft_refuse(d, err, "the first word of \"prefix\" is empty; it must be a program");
    stated->prefix = d->word.bytes;
    stated->n_prefix_bytes = (uint32_t)d->word.n;
    return 0;
}

static int read_program(struct draft *d, const json_t *value, struct stated *stated, struct ganger_error *err)
{
    size_t n_bytes;
    const char *name = draft_text(d, value, &n_bytes);

    if (draft_check_name(d, "\"program\"", name, n_bytes, err) != 0)
        return -1;
    stated->program = graph_intern_program(d->g, name, n_bytes);
    return 0;
}

static void set_flag(const json_t *value, uint8_t flag, uint8_t *flags)
{
    if (value != NULL)
        *flags = (uint8_t)(json_is_true(value) ? *flags | flag : *flags & ~flag);
}

int stated_read(struct draft *d, json_t **values, uint32_t present, struct stated *stated, struct ganger_error *err)
{
    if ((present & (BIT(KEY_ENV) | BIT(KEY_CWD))) != 0 &&
        setting_read(d, values[KEY_ENV], d->default_env, values[KEY_CWD], d->default_cwd, stated, err) != 0)
        return -1;
    if (values[KEY_COST] != NULL && read_cost(d, values[KEY_COST], stated, err) != 0)
        return -1;
    if ((present & RESOURCE_KEYS) != 0 && read_resources(d, values, stated, err) != 0)
        return -1;
    if ((present & POLICY_KEYS) != 0 && read_policy(d, values, stated, err) != 0)
        return -1;
    if (values[KEY_PREFIX] != NULL && read_prefix(d, values[KEY_PREFIX], stated, err) != 0)
        return -1;
    set_flag(values[KEY_ISOLATE], TASK_ISOLATE, &stated->flags);
    set_flag(values[KEY_KEEP], TASK_KEEP, &stated->flags);
    return values[KEY_PROGRAM] ? read_program(d, values[KEY_PROGRAM], stated, err) : 0;
}
