/* What OpenPBS and PBS Pro print with -F json. */
#include "backends/pbs_record.h"

#include "base/alloc.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4 /* an attribute, its parts, and some to spare */

static void add_value(struct pbs_record *record, const char *name, const json_t *value, int depth);

/* {"walltime": "01:00:00"} in "Resource_List": "Resource_List.walltime". */
static void add_members(struct pbs_record *record, const char *name, const json_t *object, int depth)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char *whole = xasprintf("%s.%s", name, key);

        add_value(record, whole, value, depth + 1);
        free(whole);
    }
}

/* ["1.head/0", "1.head/1"]: as the plain form has them. */
static void add_list(struct pbs_record *record, const char *name, const json_t *array)
{
    char *text = xstrdup("");
    const json_t *value;
    size_t i;

    json_array_foreach(array, i, value) {
        if (json_is_string(value)) {
            char *longer = xasprintf("%s%s%s", text, *text != '\0' ? ", " : "", json_string_value(value));

            free(text);
            text = longer;
        }
    }
    pbs_record_add(record, name, strlen(name), text, strlen(text));
    free(text);
}

static void add_value(struct pbs_record *record, const char *name, const json_t *value, int depth)
{
    char number[64] = "";
    const char *text = number;

    if (json_is_object(value)) {
        if (depth < DEPTH_MAX)
            add_members(record, name, value, depth);
        return;
    }
    if (json_is_array(value)) {
        add_list(record, name, value);
        return;
    }
    if (json_is_string(value))
        text = json_string_value(value);
    else if (json_is_integer(value))
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof(number), "%.17g", json_real_value(value));
    else
        text = json_is_true(value) ? "True" : json_is_false(value) ? "False" : "";
    pbs_record_add(record, name, strlen(name), text, strlen(text));
}

static void add_objects(struct pbs_records *records, enum pbs_kind kind, const json_t *objects)
{
    const char *name, *key;
    json_t *object, *value;

    json_object_foreach((json_t *)(uintptr_t)objects, name, object) {
        struct pbs_record *record = pbs_records_add(records, kind, name, strlen(name));

        json_object_foreach(object, key, value) {
            add_value(record, key, value, 0);
        }
    }
}

/* Where a line begins with a brace: what a site says before that is none of it. */
static const char *find_start(const char *text)
{
    while (*text != '\0' && *text != '{') {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

bool pbs_records_read_json(const char *text, struct pbs_records *records)
{
    static const struct
    {
        const char *key;
        enum pbs_kind kind;
    } sections[] = {{"Jobs", PBS_JOB}, {"Queue", PBS_QUEUE}, {"Server", PBS_SERVER}, {"nodes", PBS_NODE}};
    json_t *document = json_loads(find_start(text), JSON_DISABLE_EOF_CHECK, NULL);
    bool is_one = json_is_object(document);

    *records = (struct pbs_records){NULL, 0, 0};
    for (size_t i = 0; is_one && i < sizeof(sections) / sizeof(*sections); i++)
        add_objects(records, sections[i].kind, json_object_get(document, sections[i].key));
    json_decref(document);
    return is_one;
}
