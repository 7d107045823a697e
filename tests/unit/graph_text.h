/* graph_text: a sealed graph from the text a person would write, for tests.
 *
 *   one task a line:  ID [cores=N] [mem=MiB] [cost=S] [join] [: PARENT...]                             */
#ifndef GANGER_TESTS_GRAPH_TEXT_H
#define GANGER_TESTS_GRAPH_TEXT_H

#include "core/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct task_setting graph_text_setting = {.env = ""};

static inline void graph_text_word(struct graph *g, const char *word, struct task *t,
                                   struct task_resources *r)
{
    if (strncmp(word, "cores=", 6) == 0)
        r->cores = (uint32_t)atoi(word + 6);
    else if (strncmp(word, "mem=", 4) == 0)
        r->memory_bytes = (uint64_t)atoi(word + 4) << 20;
    else if (strncmp(word, "cost=", 5) == 0)
        t->cost_s = (float)atof(word + 5);
    else if (strcmp(word, "join") == 0)
        t->n_argv = 0;
    else
        t->id = arena_text(&g->text, word, strlen(word));
}

static inline struct graph *graph_from_text(const char *text)
{
    struct graph *g = graph_new();
    char *copies[2] = {strdup(text), strdup(text)};
    char *line_state, *word_state;
    struct ganger_error err = {0};

    for (char *line = strtok_r(copies[0], "\n", &line_state); line != NULL;
         line = strtok_r(NULL, "\n", &line_state)) {
        struct task t = {.argv = "true", .n_argv = 1, .n_argv_bytes = 5, .setting = &graph_text_setting};
        struct task_resources r = {.cores = 1, .nodes = 1, .ranks = 1};

        line[strcspn(line, ":")] = '\0';
        for (char *word = strtok_r(line, " ", &word_state); word; word = strtok_r(NULL, " ", &word_state))
            graph_text_word(g, word, &t, &r);
        if (t.id == NULL)
            continue;
        t.resource_class = graph_intern_resources(g, &r);
        graph_add_task(g, &t);
    }
    for (char *line = strtok_r(copies[1], "\n", &line_state); line != NULL;
         line = strtok_r(NULL, "\n", &line_state)) {
        char *parents = strchr(line, ':');
        char *id = strtok_r(line, " :", &word_state);
        task_id child = id ? graph_find(g, id, strlen(id)) : TASK_NONE;

        if (parents == NULL || child == TASK_NONE)
            continue;
        for (char *word = strtok_r(parents + 1, " ", &word_state); word;
             word = strtok_r(NULL, " ", &word_state))
            graph_add_dependency(g, graph_find(g, word, strlen(word)), child);
    }
    free(copies[0]);
    free(copies[1]);
    if (graph_seal(g, &err) < 0) {
        fprintf(stderr, "graph_from_text: %s\n", err.text);
        abort();
    }
    return g;
}

#endif
