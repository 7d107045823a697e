/* workflow_words: the words of workflow files, as tables: which key stands where, and what kind of value it has.
 *
 * docs/workflow.schema.json says the same for editors; a test compares the two. */
#ifndef GANGER_IO_WORKFLOW_WORDS_H
#define GANGER_IO_WORKFLOW_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum value_kind
{
    IS_STRING = 1,
    IS_NUMBER = 2,
    IS_ARRAY = 4,
    IS_OBJECT = 8,
    IS_BOOLEAN = 16,
    IS_NULL = 32,
    IS_ANYTHING = 63,
};

struct word
{
    const char *key;
    unsigned kinds;     /* of its value: enum value_kind, or-ed */
    const char *wanted; /* the same in words: `"cwd" must be a string` */
};

/* The keys of one kind of object. */
struct word_table
{
    const char *what; /* the object in words: "a task" */
    const struct word *words;
    size_t n;
};

/* Places in the tables below; values are looked up by them. */
enum task_key
{
    KEY_ID,
    KEY_COMMAND,
    KEY_FUNCTION,
    KEY_INPUT,
    KEY_AFTER,
    KEY_FOR,
    KEY_INPUTS,
    KEY_OUTPUTS,
    KEY_STDIN,
    KEY_STDOUT,
    KEY_STDERR,
    KEY_NODES,
    KEY_RANKS,
    N_KEYS_OF_TASK_ONLY, /* those from here on may stand in "defaults", too */
    KEY_COST = N_KEYS_OF_TASK_ONLY,
    KEY_CORES,
    KEY_MEMORY,
    KEY_ENV,
    KEY_CWD,
    KEY_PREFIX,
    KEY_PROGRAM,
    KEY_GPUS,
    KEY_RESOURCES,
    KEY_QUEUE,
    KEY_TOKENS,
    KEY_PRIORITY,
    KEY_RETRIES,
    KEY_TIMEOUT,
    KEY_MAY_FAIL,
    KEY_END_SIGNAL,
    KEY_ISOLATE,
    KEY_KEEP,
    N_TASK_KEYS,
};

enum header_key
{
    HEADER_SCHEMA,
    HEADER_NAME,
    HEADER_DEFAULTS,
    HEADER_QUEUES,
    HEADER_RESOURCES,
    HEADER_NODE,
    HEADER_TASKS,
    N_HEADER_KEYS,
};

enum queue_key
{
    QUEUE_TOKENS,
    QUEUE_ORDER,
    N_QUEUE_KEYS,
};

enum resource_key
{
    RESOURCE_TOTAL,
    RESOURCE_PER_NODE,
    N_RESOURCE_KEYS,
};

enum node_key
{
    NODE_SETUP,
    NODE_TEARDOWN,
    NODE_TIMEOUT,
    NODE_ENV,
    NODE_CWD,
    N_NODE_KEYS,
};

enum condition_key
{
    CONDITION_TASK,
    CONDITION_ON,
    N_CONDITION_KEYS,
};

extern const struct word_table words_of_task;
extern const struct word_table words_of_defaults; /* its first key is KEY_COST of a task */
extern const struct word_table words_of_header;
extern const struct word_table words_of_queue;
extern const struct word_table words_of_resource;
extern const struct word_table words_of_node;
extern const struct word_table words_of_condition;

/* The words of "on", in the order of enum graph_condition. */
#define N_CONDITIONS 3
extern const char *const words_of_on[N_CONDITIONS];

/* Does it stand in some other object of a workflow? */
bool words_are_elsewhere(const char *key);

/* What somebody who wrote `key` may have meant in such an object; NULL: no idea. */
const char *words_find_meant(const struct word_table *table, const char *key);

#endif
