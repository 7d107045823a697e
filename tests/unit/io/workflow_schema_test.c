/* docs/workflow.schema.json against the words that the parser knows: the same keys, and the same kinds of values. What
 * the values may be is compared by tests/full/schema.sh. */
#include "io/workflow_words.h"

#include "base/buffer.h"
#include "scratch.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *load_schema(void)
{
    json_error_t error;
    json_t *schema = json_load_file(GANGER_SOURCE_DIR "/docs/workflow.schema.json", JSON_REJECT_DUPLICATES, &error);

    if (schema == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    return schema;
}

/* "#/$defs/task/properties/id" */
static json_t *follow(json_t *schema, const char *reference)
{
    char *copy = xstrdup(reference);
    char *rest = copy;
    json_t *at = schema;

    assert_string_equal(strsep(&rest, "/"), "#");
    for (char *part; at != NULL && (part = strsep(&rest, "/")) != NULL;)
        at = json_object_get(at, part);
    if (at == NULL)
        fail_msg("%s leads nowhere", reference);
    free(copy);
    return at;
}

static unsigned kind_named(const char *type)
{
    static const struct
    {
        const char *type;
        enum value_kind kind;
    } kinds[] = {{"string", IS_STRING}, {"number", IS_NUMBER}, {"integer", IS_NUMBER},
                 {"array", IS_ARRAY},   {"object", IS_OBJECT}, {"boolean", IS_BOOLEAN},
                 {"null", IS_NULL}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(type, kinds[i].type) == 0)
            return kinds[i].kind;
    fail_msg("the type \"%s\" is none that a workflow has", type);
    return 0;
}

/* The kinds of values that a part of the schema admits; fails when it says nothing about that. */
static unsigned kinds_of(json_t *schema, json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    const char *reference = json_string_value(json_object_get(part, "$ref"));
    unsigned kinds = 0;
    size_t i;
    json_t *choice;

    if (type != NULL)
        return kind_named(type);
    if (reference != NULL)
        return kinds_of(schema, follow(schema, reference));
    json_array_foreach (json_object_get(part, "anyOf"), i, choice)
        kinds |= kinds_of(schema, choice);
    if (kinds == 0)
        fail_msg("the schema has a part without types");
    return kinds;
}

static void assert_same_words(json_t *schema, const char *reference, const struct word_table *table)
{
    json_t *object = follow(schema, reference);
    json_t *properties = json_object_get(object, "properties");

    assert_string_equal(json_string_value(json_object_get(object, "type")), "object");
    assert_true(json_is_false(json_object_get(object, "additionalProperties")));
    for (size_t i = 0; i < table->n; i++) {
        json_t *property = json_object_get(properties, table->words[i].key);

        if (property == NULL)
            fail_msg("%s has no \"%s\"", reference, table->words[i].key);
        if (kinds_of(schema, property) != table->words[i].kinds)
            fail_msg("%s: \"%s\" has other types than the parser takes", reference, table->words[i].key);
    }
    if (json_object_size(properties) != table->n)
        fail_msg("%s has %zu keys, the parser %zu", reference, json_object_size(properties), table->n);
}

static void test_the_schema_has_the_words_of_the_parser(void **state)
{
    json_t *schema = load_schema();
    const struct word_table before_tasks = {"a header", words_of_header.words, HEADER_TASKS};

    (void)state;
    assert_same_words(schema, "#", &words_of_header);
    assert_same_words(schema, "#/$defs/header", &before_tasks);
    assert_same_words(schema, "#/$defs/task", &words_of_task);
    assert_same_words(schema, "#/$defs/defaults", &words_of_defaults);
    assert_same_words(schema, "#/$defs/queue", &words_of_queue);
    assert_same_words(schema, "#/$defs/resource", &words_of_resource);
    assert_same_words(schema, "#/$defs/node", &words_of_node);
    assert_same_words(schema, "#/$defs/condition", &words_of_condition);
    json_decref(schema);
}

/* Editors show these. */
static void test_the_schema_explains_every_key_of_a_task(void **state)
{
    json_t *schema = load_schema();
    const char *key;
    json_t *property;

    (void)state;
    json_object_foreach (json_object_get(follow(schema, "#/$defs/task"), "properties"), key, property)
        if (!json_is_string(json_object_get(property, "title")) ||
            !json_is_string(json_object_get(property, "description")))
            fail_msg("\"%s\" has no title or no description", key);
    json_decref(schema);
}

static bool mentions(const char *text, const char *key)
{
    char *quoted = xasprintf("`%s`", key);
    bool is_there = strstr(text, quoted) != NULL;

    free(quoted);
    return is_there;
}

static void test_the_manual_mentions_every_key(void **state)
{
    static const struct word_table *const tables[] = {&words_of_task,     &words_of_header, &words_of_queue,
                                                      &words_of_resource, &words_of_node,   &words_of_condition};
    size_t n_bytes;
    char *text = scratch_read(GANGER_SOURCE_DIR "/docs/workflow-format.md", &n_bytes);

    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (size_t k = 0; k < tables[i]->n; k++)
            if (!mentions(text, tables[i]->words[k].key))
                fail_msg("docs/workflow-format.md says nothing of `%s`", tables[i]->words[k].key);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_schema_has_the_words_of_the_parser),
        cmocka_unit_test(test_the_schema_explains_every_key_of_a_task),
        cmocka_unit_test(test_the_manual_mentions_every_key),
    };

    return cmocka_run_group_tests_name("workflow_schema", tests, NULL, NULL);
}
