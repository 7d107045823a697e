#include "io/workflow_words.h"

#include "base/spelling.h"

#include <assert.h>
#include <string.h>

#define KEYS_MAX 32 /* of one table: each has a bit of what draft_take_apart says */

#define COMMAND_WANTED "an array of strings, or a string for /bin/sh"
#define DURATION_WANTED "seconds, or a string like \"90s\" or \"1h30m\""

static const struct word task_words[] = {
    [KEY_ID] = {"id", IS_STRING, "a string"},
    [KEY_COMMAND] = {"command", IS_ARRAY | IS_STRING, COMMAND_WANTED},
    [KEY_FUNCTION] = {"function", IS_STRING, "a string, the name of a function of the program"},
    [KEY_INPUT] = {"input", IS_ANYTHING, "any JSON"},
    [KEY_AFTER] = {"after", IS_ARRAY | IS_STRING | IS_OBJECT, "an id or an array of ids"},
    [KEY_FOR] = {"for", IS_OBJECT,
                 "an object of variables, such as {\"i\": \"1-20\", \"sample\": [\"a\", \"b\"]}"},
    [KEY_INPUTS] = {"inputs", IS_ARRAY, "an array of paths, such as [\"data.txt\"]"},
    [KEY_OUTPUTS] = {"outputs", IS_ARRAY, "an array of paths, such as [\"data.txt\"]"},
    [KEY_STDIN] = {"stdin", IS_STRING, "a path"},
    [KEY_STDOUT] = {"stdout", IS_STRING, "a path"},
    [KEY_STDERR] = {"stderr", IS_STRING, "a path"},
    [KEY_NODES] = {"nodes", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_RANKS] = {"ranks", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_COST] = {"cost", IS_NUMBER | IS_STRING, DURATION_WANTED},
    [KEY_CORES] = {"cores", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_MEMORY] = {"memory", IS_NUMBER | IS_STRING, "bytes, or a string like \"2GiB\" or \"500MB\""},
    [KEY_ENV] = {"env", IS_OBJECT, "an object of strings"},
    [KEY_CWD] = {"cwd", IS_STRING, "a string"},
    [KEY_PREFIX] = {"prefix", IS_ARRAY | IS_STRING, "an array of strings, or a string of words with blanks between"},
    [KEY_PROGRAM] = {"program", IS_STRING, "a string"},
    [KEY_GPUS] = {"gpus", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_RESOURCES] = {"resources", IS_OBJECT, "an object of numbers, such as {\"licence\": 1}"},
    [KEY_QUEUE] = {"queue", IS_STRING, "a string, the name of one of the workflow's \"queues\""},
    [KEY_TOKENS] = {"tokens", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_PRIORITY] = {"priority", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_RETRIES] = {"retries", IS_NUMBER | IS_STRING, "a whole number"},
    [KEY_TIMEOUT] = {"timeout", IS_NUMBER | IS_STRING, DURATION_WANTED},
    [KEY_MAY_FAIL] = {"may_fail", IS_BOOLEAN, "true or false"},
    [KEY_END_SIGNAL] = {"end_signal", IS_STRING, "a string like \"USR1@60\""},
    [KEY_ISOLATE] = {"isolate", IS_BOOLEAN, "true or false"},
    [KEY_KEEP] = {"keep", IS_BOOLEAN, "true or false"},
};

static const struct word header_words[] = {
    [HEADER_SCHEMA] = {"$schema", IS_STRING, "a string"},
    [HEADER_NAME] = {"name", IS_STRING, "a string"},
    [HEADER_DEFAULTS] = {"defaults", IS_OBJECT, "an object"},
    [HEADER_QUEUES] = {"queues", IS_OBJECT, "an object of queues, such as {\"io\": 4}"},
    [HEADER_RESOURCES] = {"resources", IS_OBJECT,
                          "an object of what there is, such as {\"licence\": {\"total\": 4}}"},
    [HEADER_NODE] = {"node", IS_OBJECT, "an object with \"setup\", \"teardown\", or both"},
    [HEADER_TASKS] = {"tasks", IS_ARRAY, "an array"},
};

static const struct word queue_words[] = {
    [QUEUE_TOKENS] = {"tokens", IS_NUMBER, "a whole number"},
    [QUEUE_ORDER] = {"order", IS_STRING, "\"backfill\" or \"strict\""},
};

static const struct word resource_words[] = {
    [RESOURCE_TOTAL] = {"total", IS_NUMBER, "a whole number"},
    [RESOURCE_PER_NODE] = {"per_node", IS_NUMBER, "a whole number"},
};

static const struct word node_words[] = {
    [NODE_SETUP] = {"setup", IS_ARRAY | IS_STRING, COMMAND_WANTED},
    [NODE_TEARDOWN] = {"teardown", IS_ARRAY | IS_STRING, COMMAND_WANTED},
    [NODE_TIMEOUT] = {"timeout", IS_NUMBER | IS_STRING, DURATION_WANTED},
    [NODE_ENV] = {"env", IS_OBJECT, "an object of strings"},
    [NODE_CWD] = {"cwd", IS_STRING, "a string"},
};

static const struct word condition_words[] = {
    [CONDITION_TASK] = {"task", IS_STRING, "an id or a wildcard"},
    [CONDITION_ON] = {"on", IS_STRING, "\"ok\", \"any\" or \"notok\""},
};

const struct word_table words_of_task = {"a task", task_words, N_TASK_KEYS};
const struct word_table words_of_defaults = {"\"defaults\"", task_words + N_KEYS_OF_TASK_ONLY,
                                             N_TASK_KEYS - N_KEYS_OF_TASK_ONLY};
const struct word_table words_of_header = {"a workflow", header_words, N_HEADER_KEYS};
const struct word_table words_of_queue = {"a queue", queue_words, N_QUEUE_KEYS};
const struct word_table words_of_resource = {"a resource", resource_words, N_RESOURCE_KEYS};
const struct word_table words_of_node = {"\"node\"", node_words, N_NODE_KEYS};
const struct word_table words_of_condition = {"an object in \"after\"", condition_words, N_CONDITION_KEYS};

const char *const words_of_on[N_CONDITIONS] = {"ok", "any", "notok"};

static const struct word_table *const tables[] = {&words_of_task,     &words_of_header, &words_of_queue,
                                                  &words_of_resource, &words_of_node,   &words_of_condition};

/* What other programs call it. */
static const struct
{
    const char *foreign;
    const char *ours;
} synonyms[] = {
    {"name", "id"},          {"task", "id"},          {"cmd", "command"},      {"run", "command"},
    {"exec", "command"},     {"args", "command"},     {"shell", "command"},    {"depends", "after"},
    {"depends_on", "after"}, {"needs", "after"},      {"parents", "after"},    {"dependencies", "after"},
    {"foreach", "for"},      {"matrix", "for"},       {"environment", "env"},  {"dir", "cwd"},
    {"directory", "cwd"},    {"workdir", "cwd"},      {"cpus", "cores"},       {"threads", "cores"},
    {"mem", "memory"},       {"runtime", "cost"},     {"duration", "cost"},    {"retry", "retries"},
    {"attempts", "retries"}, {"walltime", "timeout"}, {"time_limit", "timeout"}, {"max_time", "timeout"},
    {"container", "prefix"}, {"wrapper", "prefix"},   {"licenses", "resources"}, {"licences", "resources"},
    {"input_files", "inputs"}, {"output_files", "outputs"}, {"allow_failure", "may_fail"}, {"optional", "may_fail"},
    {"limit", "tokens"},     {"size", "tokens"},      {"slots", "tokens"},     {"policy", "order"},
    {"id", "task"},          {"when", "on"},          {"status", "on"},        {"condition", "on"},
    {"call", "function"},    {"func", "function"},    {"arguments", "input"},  {"payload", "input"},
    {"isolated", "isolate"}, {"count", "total"},      {"amount", "total"},     {"pernode", "per_node"},
    {"before", "setup"},
    {"prologue", "setup"},   {"epilogue", "teardown"}, {"cleanup", "teardown"}, {"class", "queue"},
    {"signal", "end_signal"},
};

static bool has_key(const struct word_table *table, const char *key)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(key, table->words[i].key) == 0)
            return true;
    return false;
}

bool words_are_elsewhere(const char *key)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (has_key(tables[i], key))
            return true;
    return false;
}

const char *words_find_meant(const struct word_table *table, const char *key)
{
    const char *keys[KEYS_MAX];
    const char *near;

    assert(table->n <= KEYS_MAX);
    for (size_t i = 0; i < table->n; i++)
        keys[i] = table->words[i].key;
    near = spelling_nearest(key, keys, table->n);
    for (size_t i = 0; near == NULL && i < sizeof(synonyms) / sizeof(synonyms[0]); i++)
        if (strcmp(key, synonyms[i].foreign) == 0 && has_key(table, synonyms[i].ours))
            near = synonyms[i].ours;
    return near;
}
