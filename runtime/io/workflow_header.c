#include "io/workflow_header.h"

#include "io/workflow_setting.h"
#include "io/workflow_stated.h"
#include "io/workflow_task.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define DECLARED_MAX 1000 /* queues, and resources: they are looked up one by one */

static int read_name(struct draft *d, const json_t *value, struct ganger_error *err)
{
    const char *name = json_string_value(value);

    if (draft_check_name(d, "\"name\"", name, json_string_length(value), err) != 0)
        return -1;
    d->name = xstrdup(name);
    return 0;
}

/* ---- queues and resources */

static int check_declared(const struct draft *d, const char *what, const json_t *object, struct ganger_error *err)
{
    if (json_object_size(object) > DECLARED_MAX)
        return draft_refuse(d, err, "\"%s\" declares %zu of them; ganger takes %d", what, json_object_size(object),
                            DECLARED_MAX);
    return 0;
}

static int read_amount(struct draft *d, const char *key, const json_t *value, uint32_t *n, struct ganger_error *err)
{
    int64_t whole;

    if (draft_read_whole(d, key, value, 1, AMOUNT_MAX, &whole, err) != 0)
        return -1;
    *n = (uint32_t)whole;
    return 0;
}

static int read_order(const struct draft *d, const json_t *value, bool *is_strict, struct ganger_error *err)
{
    const char *order = json_string_value(value);

    *is_strict = strcmp(order, "strict") == 0;
    if (!*is_strict && strcmp(order, "backfill") != 0)
        return draft_refuse(d, err, "\"order\" must be \"backfill\" (others may pass a task that does not fit) or "
                                    "\"strict\" (none may), not \"%.80s\"",
                            order);
    return 0;
}

/* {"tokens": 4, "order": "strict"} */
static int read_queue_object(struct draft *d, json_t *object, struct graph_queue *queue, struct ganger_error *err)
{
    json_t *values[N_QUEUE_KEYS];
    uint32_t present;

    if (draft_take_apart(d, object, &words_of_queue, values, &present, err) != 0 ||
        (values[QUEUE_TOKENS] != NULL && read_amount(d, "tokens", values[QUEUE_TOKENS], &queue->tokens, err) != 0))
        return -1;
    return values[QUEUE_ORDER] ? read_order(d, values[QUEUE_ORDER], &queue->is_strict, err) : 0;
}

static int read_queue(struct draft *d, const char *name, json_t *value, struct ganger_error *err)
{
    struct graph_queue queue = {.name = name, .tokens = UINT32_MAX};
    int status;

    if (draft_check_name(d, "the name of a queue", name, strlen(name), err) != 0)
        return -1;
    d->member = name;
    if (json_is_number(value))
        status = read_amount(d, "tokens", value, &queue.tokens, err);
    else if (json_is_object(value))
        status = read_queue_object(d, value, &queue, err);
    else
        status = draft_refuse(d, err, "it must be the number of its tokens, or an object like {\"tokens\": 4, "
                                      "\"order\": \"strict\"}, not %s",
                              draft_type_name(value));
    if (status == 0)
        graph_add_queue(d->g, &queue);
    d->member = NULL;
    return status;
}

static int read_queues(struct draft *d, json_t *object, struct ganger_error *err)
{
    const char *name;
    json_t *value;

    if (check_declared(d, "queues", object, err) != 0)
        return -1;
    json_object_foreach (object, name, value)
        if (read_queue(d, name, value, err) != 0)
            return -1;
    return 0;
}

static int read_resource(struct draft *d, const char *name, json_t *object, struct ganger_error *err)
{
    static const char example[] = "{\"total\": 4} (of the whole run) or {\"per_node\": 4}";
    struct graph_named named = {.name = name};
    json_t *values[N_RESOURCE_KEYS];
    uint32_t present;

    if (draft_check_name(d, "the name of a resource", name, strlen(name), err) != 0)
        return -1;
    d->member = name;
    if (!json_is_object(object))
        return draft_refuse(d, err, "it must be %s, not %s", example, draft_type_name(object));
    if (draft_take_apart(d, object, &words_of_resource, values, &present, err) != 0)
        return -1;
    if ((values[RESOURCE_TOTAL] != NULL) == (values[RESOURCE_PER_NODE] != NULL))
        return draft_refuse(d, err, "it must be either %s", example);
    named.is_per_node = values[RESOURCE_PER_NODE] != NULL;
    if (read_amount(d, named.is_per_node ? "per_node" : "total",
                    values[named.is_per_node ? RESOURCE_PER_NODE : RESOURCE_TOTAL], &named.n, err) != 0)
        return -1;
    graph_add_named(d->g, &named);
    d->member = NULL;
    return 0;
}

static int read_resources(struct draft *d, json_t *object, struct ganger_error *err)
{
    const char *name;
    json_t *value;

    if (check_declared(d, "resources", object, err) != 0)
        return -1;
    json_object_foreach (object, name, value)
        if (read_resource(d, name, value, err) != 0)
            return -1;
    return 0;
}

/* ---- node */

static int add_node_task(struct draft *d, const char *key, const json_t *value, const struct stated *stated,
                         const struct task **place, struct ganger_error *err)
{
    char id[32] = "node.";
    struct task *task;
    uint32_t n_argv;

    if (value == NULL)
        return 0;
    if (task_read_command(d, key, value, stated, &n_argv, err) != 0)
        return -1;
    memcpy(id + strlen(id), key, strlen(key) + 1);
    d->id = id;
    task = arena_alloc(&d->g->text, sizeof(*task));
    *task = task_of(d, n_argv, stated);
    d->id = NULL;
    *place = task;
    return 0;
}

/* Defaults are for tasks; what runs once on a node has its own. */
static int read_node(struct draft *d, json_t *object, struct ganger_error *err)
{
    struct stated stated = d->defaults;
    json_t *values[N_NODE_KEYS];
    uint32_t present;

    if (draft_take_apart(d, object, &words_of_node, values, &present, err) != 0)
        return -1;
    if (values[NODE_SETUP] == NULL && values[NODE_TEARDOWN] == NULL)
        return draft_refuse(d, err, "it has neither \"setup\" nor \"teardown\"; write \"setup\": [\"program\"], or "
                                    "take \"node\" out");
    if (setting_read(d, values[NODE_ENV], NULL, values[NODE_CWD], NULL, &stated, err) != 0)
        return -1;
    if (values[NODE_TIMEOUT] != NULL &&
        draft_read_duration(d, "timeout", values[NODE_TIMEOUT], &stated.policy.timeout_s, err) != 0)
        return -1;
    stated.policy_number = graph_intern_policy(d->g, &stated.policy);
    if (add_node_task(d, "setup", values[NODE_SETUP], &stated, &d->g->setup, err) != 0)
        return -1;
    return add_node_task(d, "teardown", values[NODE_TEARDOWN], &stated, &d->g->teardown, err);
}

/* ---- defaults */

static int read_defaults(struct draft *d, json_t *object, struct ganger_error *err)
{
    struct stated *stated = &d->defaults;
    json_t *values[N_TASK_KEYS] = {NULL};
    uint32_t present;

    if (draft_take_apart(d, object, &words_of_defaults, values + N_KEYS_OF_TASK_ONLY, &present, err) != 0 ||
        stated_read(d, values, present << N_KEYS_OF_TASK_ONLY, stated, err) != 0)
        return -1;
    if (stated->n_prefix > 0)
        stated->prefix = arena_text(&d->g->text, stated->prefix, stated->n_prefix_bytes);
    d->default_env = json_incref(values[KEY_ENV]);
    if (values[KEY_CWD] != NULL)
        d->default_cwd = xstrdup(json_string_value(values[KEY_CWD]));
    return 0;
}

/* ---- all of it */

typedef int read_part(struct draft *d, json_t *object, struct ganger_error *err);

/* In the order in which one may speak of another. */
static const struct
{
    enum header_key key;
    const char *part;
    read_part *read;
} parts[] = {
    {HEADER_QUEUES, "queues", read_queues},
    {HEADER_RESOURCES, "resources", read_resources},
    {HEADER_NODE, "node", read_node},
    {HEADER_DEFAULTS, "defaults", read_defaults},
};

int header_read(struct draft *d, json_t *object, json_t **tasks, struct ganger_error *err)
{
    json_t *values[N_HEADER_KEYS];
    uint32_t present;

    if (draft_take_apart(d, object, &words_of_header, values, &present, err) != 0 ||
        (values[HEADER_NAME] != NULL && read_name(d, values[HEADER_NAME], err) != 0))
        return -1;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *value = values[parts[i].key];

        d->part = parts[i].part;
        if (value != NULL && parts[i].read(d, value, err) != 0)
            return -1;
    }
    d->part = NULL;
    *tasks = values[HEADER_TASKS];
    return 0;
}
