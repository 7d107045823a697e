#include "backends/pbs_record.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* ---- records ---- */

void pbs_records_release(struct pbs_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        struct pbs_record *r = &records->each[i];

        for (size_t k = 0; k < r->n; k++) {
            free(r->attributes[k].name);
            free(r->attributes[k].value);
        }
        free(r->attributes);
        free(r->name);
    }
    free(records->each);
    *records = (struct pbs_records){NULL, 0, 0};
}

struct pbs_record *pbs_records_add(struct pbs_records *records, enum pbs_kind kind, const char *name, size_t n_name)
{
    records->each = xgrow(records->each, records->n, &records->capacity, sizeof(*records->each));
    records->each[records->n] = (struct pbs_record){.kind = kind, .name = xstrndup(name, n_name)};
    return &records->each[records->n++];
}

void pbs_record_add(struct pbs_record *record, const char *name, size_t n_name, const char *value, size_t n_value)
{
    record->attributes = xgrow(record->attributes, record->n, &record->capacity, sizeof(*record->attributes));
    record->attributes[record->n++] = (struct pbs_attribute){xstrndup(name, n_name), xstrndup(value, n_value)};
}

const char *pbs_record_find(const struct pbs_record *record, const char *name)
{
    for (size_t i = 0; i < record->n; i++)
        if (strcmp(record->attributes[i].name, name) == 0)
            return record->attributes[i].value;
    return NULL;
}

/* Up to the next comma that is none of the value's: those have a backslash before them. */
static size_t length_of_item(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0' && text[n] != ',')
        n += text[n] == '\\' && text[n + 1] != '\0' ? 2 : 1;
    return n;
}

char *pbs_record_variable(const struct pbs_record *record, const char *name)
{
    const char *list = pbs_record_find(record, "Variable_List"), *value;
    char *attribute = xasprintf("Variable_List.%s", name); /* JSON has an object of them */
    size_t n_name = strlen(name);

    value = pbs_record_find(record, attribute);
    free(attribute);
    if (value != NULL)
        return xstrdup(value);
    for (const char *p = list; p != NULL && *p != '\0';) {
        size_t n = length_of_item(p);

        if (n > n_name && strncmp(p, name, n_name) == 0 && p[n_name] == '=')
            return xstrndup(p + n_name + 1, n - n_name - 1);
        p += n + (p[n] == ',');
    }
    return NULL;
}

/* ---- the plain form ---- */

struct reading
{
    struct pbs_records *records;
    bool has_record;
    char indent; /* of the record's first attribute; a tab under blanks goes on with the line above */
};

/* "Job Id: 13.head" at the start of a line. Sets where the name begins. */
static bool is_heading(const char *line, const char **name, enum pbs_kind *kind)
{
    static const struct
    {
        const char *word;
        enum pbs_kind kind;
    } words[] = {{"Job Id:", PBS_JOB}, {"Queue:", PBS_QUEUE}, {"Server:", PBS_SERVER}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t n = strlen(words[i].word);

        if (strncmp(line, words[i].word, n) != 0)
            continue;
        *name = line + n + strspn(line + n, " \t");
        *kind = words[i].kind;
        return true;
    }
    *name = line;
    *kind = PBS_NODE; /* pbsnodes names a node and nothing else */
    return line[strcspn(line, " \t\n:")] == '\n' || line[strcspn(line, " \t\n:")] == '\0';
}

static void go_on(struct reading *r, const char *more, size_t n_more)
{
    struct pbs_record *record = &r->records->each[r->records->n - 1];
    struct pbs_attribute *last = record->n > 0 ? &record->attributes[record->n - 1] : NULL;
    size_t n = last != NULL ? strlen(last->value) : 0;

    if (last == NULL)
        return;
    last->value = xrealloc(last->value, n + n_more + 1);
    memcpy(last->value + n, more, n_more);
    last->value[n + n_more] = '\0';
}

/* A line that does not begin at its start, n bytes. */
static void take_indented(struct reading *r, const char *line, size_t n)
{
    struct pbs_record *record = &r->records->each[r->records->n - 1];
    size_t n_indent = strspn(line, " \t");
    const char *equals = memmem(line, n, " = ", 3), *name = line + n_indent;

    if (record->n == 0)
        r->indent = *line;
    if (equals == NULL || equals <= name || (*line == '\t' && r->indent == ' ')) {
        go_on(r, line + (*line == '\t' ? 1 : n_indent), n - (*line == '\t' ? 1 : n_indent));
        return;
    }
    pbs_record_add(record, name, (size_t)(equals - name), equals + 3, (size_t)(line + n - (equals + 3)));
}

static void take_line(struct reading *r, const char *line, size_t n)
{
    enum pbs_kind kind;
    const char *name;

    if (n == 0)
        return;
    if (*line == ' ' || *line == '\t') {
        if (r->has_record && strspn(line, " \t") < n)
            take_indented(r, line, n);
        return;
    }
    r->has_record = is_heading(line, &name, &kind) && name < line + n;
    if (r->has_record)
        pbs_records_add(r->records, kind, name, (size_t)(line + n - name));
}

void pbs_records_read(const char *text, struct pbs_records *records)
{
    struct reading r = {.records = records};
    size_t kept = 0;

    *records = (struct pbs_records){NULL, 0, 0};
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        take_line(&r, line, n > 0 && line[n - 1] == '\r' ? n - 1 : n);
        line += n + (line[n] == '\n');
    }
    for (size_t i = 0; i < records->n; i++) { /* a word alone on its line was none */
        if (records->each[i].n > 0) {
            records->each[kept++] = records->each[i];
        } else {
            free(records->each[i].name);
        }
    }
    records->n = kept;
}
