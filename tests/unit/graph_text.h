/* graph_text: a sealed graph from the text a person would write, for tests.
 *
 *   one task a line:  ID [WORD]... [: PARENT...]
 *   WORD:     cores=N mem=MiB gpus=N NAME=N (of a named resource) queue=NAME tokens=N cost=S program=NAME
 *             prio=N retries=N may_fail join input (it declares one)
 *             prio=N retries=N may_fail join call keep (a function "f"; its result is kept)
 *   PARENT:   ID, any:ID or notok:ID
 *   declared before:  !queue NAME TOKENS|- [strict]     !total NAME N     !each NAME N (on each node)      */
#ifndef GANGER_TESTS_GRAPH_TEXT_H
#define GANGER_TESTS_GRAPH_TEXT_H

#include "core/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAPH_TEXT_AMOUNTS_MAX 4

static const struct task_setting graph_text_setting = {.env = ""};
static const struct task_files graph_text_files = {.inputs = "in", .n_inputs = 1, .n_inputs_bytes = 3};
static const struct task_setting graph_text_with_input = {.env = "", .files = &graph_text_files};

struct graph_text_task
{
    struct task task;
    struct task_resources resources;
    struct task_amount amounts[GRAPH_TEXT_AMOUNTS_MAX];
    struct task_policy policy;
};

static inline void graph_text_fail(const char *what, const char *word)
{
    fprintf(stderr, "graph_from_text: %s: %s\n", what, word);
    abort();
}

/* Amounts ascend by resource. */
static inline void graph_text_amount(struct graph_text_task *t, uint32_t resource, uint32_t n)
{
    uint32_t i = t->resources.n_amounts++;

    if (i == GRAPH_TEXT_AMOUNTS_MAX)
        graph_text_fail("too many resources", "");
    for (; i > 0 && t->amounts[i - 1].resource > resource; i--)
        t->amounts[i] = t->amounts[i - 1];
    t->amounts[i] = (struct task_amount){resource, n};
}

/* The value of NAME=VALUE, if that is the name; else NULL. */
static inline const char *graph_text_value(const char *word, const char *name)
{
    size_t n = strlen(name);

    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static inline void graph_text_pair(struct graph *g, char *word, struct graph_text_task *t)
{
    const char *v;

    if ((v = graph_text_value(word, "cores")) != NULL)
        t->resources.cores = (uint32_t)atoi(v);
    else if ((v = graph_text_value(word, "mem")) != NULL)
        t->resources.memory_bytes = (uint64_t)atoi(v) << 20;
    else if ((v = graph_text_value(word, "gpus")) != NULL)
        t->resources.gpus = (uint32_t)atoi(v);
    else if ((v = graph_text_value(word, "tokens")) != NULL)
        t->resources.tokens = (uint32_t)atoi(v);
    else if ((v = graph_text_value(word, "queue")) != NULL)
        t->resources.queue = graph_find_queue(g, v);
    else if ((v = graph_text_value(word, "cost")) != NULL)
        t->task.cost_s = (float)atof(v);
    else if ((v = graph_text_value(word, "program")) != NULL)
        t->task.program = graph_intern_program(g, v, strlen(v));
    else if ((v = graph_text_value(word, "prio")) != NULL)
        t->policy.priority = atoi(v);
    else if ((v = graph_text_value(word, "timeout")) != NULL)
        t->policy.timeout_s = atof(v);
    else if ((v = graph_text_value(word, "signalled")) != NULL)
        t->policy.end_signal = (struct end_signal){10, atof(v)};
    else if ((v = graph_text_value(word, "retries")) != NULL)
        t->policy.retries = (uint32_t)atoi(v);
    else {
        char *equals = strchr(word, '=');
        uint32_t named;

        *equals = '\0';
        named = graph_find_named(g, word);
        if (named == UINT32_MAX)
            graph_text_fail("what is that", word);
        graph_text_amount(t, named, (uint32_t)atoi(equals + 1));
    }
}

static inline void graph_text_word(struct graph *g, char *word, struct graph_text_task *t)
{
    if (strchr(word, '=') != NULL)
        graph_text_pair(g, word, t);
    else if (strcmp(word, "join") == 0)
        t->task.n_argv = 0;
    else if (strcmp(word, "input") == 0)
        t->task.setting = &graph_text_with_input;
    else if (strcmp(word, "call") == 0)
        t->task.function = graph_intern_function(g, "f", 1);
    else if (strcmp(word, "keep") == 0)
        t->task.flags |= TASK_KEEP;
    else if (strcmp(word, "may_fail") == 0)
        t->policy.may_fail = true;
    else if (t->task.id == NULL)
        t->task.id = arena_text(&g->text, word, strlen(word));
    else
        graph_text_fail("what is that", word);
}

static inline void graph_text_declare(struct graph *g, const char *line)
{
    char kind[16] = "", name[32] = "", n[16] = "", order[16] = "";

    if (sscanf(line, "!%15s %31s %15s %15s", kind, name, n, order) < 3)
        graph_text_fail("what is that", line);
    if (strcmp(kind, "queue") == 0)
        graph_add_queue(g, &(struct graph_queue){.name = name,
                                                 .tokens = n[0] == '-' ? UINT32_MAX : (uint32_t)atoi(n),
                                                 .is_strict = strcmp(order, "strict") == 0});
    else
        graph_add_named(g, &(struct graph_named){
                               .name = name, .n = (uint32_t)atoi(n), .is_per_node = strcmp(kind, "each") == 0});
}

static inline void graph_text_task(struct graph *g, char *line)
{
    struct graph_text_task t = {
        .task = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &graph_text_setting},
        .resources = {.cores = 1, .nodes = 1, .ranks = 1, .tokens = UINT32_MAX},
    };
    char *state;

    line[strcspn(line, ":")] = '\0';
    for (char *word = strtok_r(line, " ", &state); word != NULL; word = strtok_r(NULL, " ", &state))
        graph_text_word(g, word, &t);
    if (t.task.id == NULL)
        return;
    if (t.resources.tokens == UINT32_MAX) /* as documents have it: one, where there is a queue */
        t.resources.tokens = t.resources.queue != 0;
    t.resources.amounts = t.amounts;
    t.task.resource_class = graph_intern_resources(g, &t.resources);
    t.task.policy = graph_intern_policy(g, &t.policy);
    graph_add_task(g, &t.task);
}

static inline void graph_text_parents(struct graph *g, char *line)
{
    char *parents = strchr(line, ':'), *state;
    char *id = strtok_r(line, " :", &state);
    task_id child = id != NULL ? graph_find(g, id, strlen(id)) : TASK_NONE;

    if (parents == NULL || child == TASK_NONE)
        return;
    for (char *word = strtok_r(parents + 1, " ", &state); word != NULL; word = strtok_r(NULL, " ", &state)) {
        enum graph_condition on = strncmp(word, "any:", 4) == 0     ? ON_ANY
                                  : strncmp(word, "notok:", 6) == 0 ? ON_NOTOK
                                                                    : ON_OK;
        task_id parent;

        word += strcspn(word, ":") + 1 < strlen(word) ? strcspn(word, ":") + 1 : 0;
        parent = graph_find(g, word, strlen(word));
        if (parent == TASK_NONE)
            graph_text_fail("no such parent", word);
        graph_add_condition(g, parent, child, on);
    }
}

static inline struct graph *graph_from_text(const char *text)
{
    struct graph *g = graph_new();
    char *copies[2] = {strdup(text), strdup(text)};
    struct ganger_error err = {0};
    char *state;

    for (char *line = strtok_r(copies[0], "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state)) {
        if (line[0] == '!')
            graph_text_declare(g, line);
        else
            graph_text_task(g, line);
    }
    for (char *line = strtok_r(copies[1], "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state))
        if (line[0] != '!')
            graph_text_parents(g, line);
    free(copies[0]);
    free(copies[1]);
    if (graph_seal(g, &err) < 0)
        graph_text_fail("cannot be sealed", err.text);
    return g;
}

#endif
