/* dag_text: a dag from the text a person would write, and back, for tests.
 *
 *   one vertex a line:  ID [: PARENT...]        PARENT: ID, any:ID or notok:ID, added before */
#ifndef GANGER_TESTS_DAG_TEXT_H
#define GANGER_TESTS_DAG_TEXT_H

#include "base/buffer.h"
#include "core/dag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAG_TEXT_PARENTS_MAX 64

static inline uint32_t dag_text_find(const struct dag *d, const char *id)
{
    uint32_t v = dag_find(d, id, strlen(id));

    if (v == DAG_NONE) {
        fprintf(stderr, "no vertex %s\n", id);
        abort();
    }
    return v;
}

static inline struct dag_parent dag_text_parent(const struct dag *d, const char *word)
{
    if (strncmp(word, "any:", 4) == 0)
        return (struct dag_parent){dag_text_find(d, word + 4), ON_ANY};
    if (strncmp(word, "notok:", 6) == 0)
        return (struct dag_parent){dag_text_find(d, word + 6), ON_NOTOK};
    return (struct dag_parent){dag_text_find(d, word), ON_OK};
}

/* "child : parent..." on a dag: adds the child where it is not there. */
static inline int dag_text_update(struct dag *d, const char *line, struct ganger_error *err)
{
    struct dag_parent parents[DAG_TEXT_PARENTS_MAX];
    char *words = strdup(line), *rest = words, *word;
    uint32_t child = DAG_NONE;
    size_t n = 0;
    int status;

    while ((word = strsep(&rest, " ")) != NULL) {
        if (*word == '\0' || strcmp(word, ":") == 0)
            continue;
        if (child != DAG_NONE)
            parents[n++] = dag_text_parent(d, word);
        else if ((child = dag_find(d, word, strlen(word))) == DAG_NONE)
            child = dag_add(d, word, NULL);
    }
    status = child == DAG_NONE ? 0 : dag_link(d, child, parents, n, err);
    free(words);
    return status;
}

static inline struct dag *dag_from_text(const char *text)
{
    char *copy = strdup(text), *rest = copy, *line;
    struct dag *d = dag_new();
    struct ganger_error err = {0};

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (dag_text_update(d, line, &err) != 0) {
            fprintf(stderr, "dag_from_text: %s\n", err.text);
            abort();
        }
    }
    free(copy);
    return d;
}

/* "a\nb : a\n", joins as "*" with their number; the caller releases the buffer. */
static inline const char *dag_to_text(const struct dag *d, struct buffer *b)
{
    static const char *const words[] = {[ON_OK] = "", [ON_ANY] = "any:", [ON_NOTOK] = "notok:"};

    b->n = 0;
    for (uint32_t v = 0; v < d->n_vertices; v++) {
        if (d->vertices[v].id != NULL)
            buffer_printf(b, "%s", d->vertices[v].id);
        else
            buffer_printf(b, "*%u", v);
        buffer_printf(b, "%s", dag_first(d, v, DAG_BACK) == DAG_NONE ? "" : " :");
        for (uint32_t e = dag_first(d, v, DAG_BACK); e != DAG_NONE; e = dag_next(d, e, DAG_BACK)) {
            uint32_t parent = dag_end(d, e, DAG_BACK);

            if (d->vertices[parent].id != NULL)
                buffer_printf(b, " %s%s", words[d->edges[e].on], d->vertices[parent].id);
            else
                buffer_printf(b, " %s*%u", words[d->edges[e].on], parent);
        }
        buffer_printf(b, "\n");
    }
    buffer_printf(b, "%c", 0);
    return b->bytes;
}

#endif
