/* workflow_text: workflows written as texts in a test, and looked at afterwards. */
#ifndef GANGER_TESTS_WORKFLOW_TEXT_H
#define GANGER_TESTS_WORKFLOW_TEXT_H

#include "base/alloc.h"
#include "io/workflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Documents are written with ' for ", which none of them needs otherwise. */
static inline struct workflow parsed(const char *text)
{
    char *copy = xstrdup(text);
    struct ganger_error err = {0};
    struct workflow w;

    for (char *p = copy; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    if (workflow_parse(&w, "flow.json", copy, strlen(copy), &err) != 0)
        fail_msg("%s", err.text);
    free(copy);
    return w;
}

static inline const struct task *task_of(const struct workflow *w, const char *id)
{
    task_id t = graph_find(w->graph, id, strlen(id));

    if (t == TASK_NONE)
        fail_msg("no task \"%s\"", id);
    return &w->graph->tasks[t];
}

/* The words of a command, with | after each. */
static inline const char *words_of(const struct task *task)
{
    static char text[256];

    assert_true(task->n_argv_bytes < sizeof(text));
    memcpy(text, task->argv, task->n_argv_bytes);
    for (uint32_t i = 0; i < task->n_argv_bytes; i++)
        if (text[i] == '\0')
            text[i] = '|';
    text[task->n_argv_bytes] = '\0';
    return text;
}

/* The variables of a setting, with | after each. */
static inline const char *env_of(const struct task *task)
{
    static char text[256];
    uint32_t n = task->setting->n_env_bytes;

    assert_true(n < sizeof(text));
    if (n > 0)
        memcpy(text, task->setting->env, n);
    for (uint32_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = '|';
    text[n] = '\0';
    return text;
}

static inline bool waits_for(const struct workflow *w, const char *child, const char *parent)
{
    task_id p = graph_find(w->graph, parent, strlen(parent));
    task_id c = graph_find(w->graph, child, strlen(child));

    assert_true(p != TASK_NONE && c != TASK_NONE);
    for (uint64_t i = w->graph->child_first[p]; i < w->graph->child_first[p + 1]; i++)
        if (w->graph->children[i] == c)
            return true;
    return false;
}

static inline uint64_t digest_of(const char *text, const char *id)
{
    struct workflow w = parsed(text);
    uint64_t digest = task_of(&w, id)->digest;

    workflow_release(&w);
    return digest;
}

static inline void assert_same_task(const char *a, const char *b, bool is_same)
{
    assert_int_equal(digest_of(a, "a") == digest_of(b, "a"), is_same);
}

#endif
