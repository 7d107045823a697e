/* sched_fixture: a scheduler over a graph that is written as text, and what is expected of it. */
#ifndef GANGER_TESTS_SCHED_FIXTURE_H
#define GANGER_TESTS_SCHED_FIXTURE_H

#include "core/sched.h"

#include "graph_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture
{
    struct graph *graph;
    struct sched *sched;
};

/* A scheduler over the graph, with nodes of the given numbers of slots, each with 1024 MiB and so many GPUs;
 * workers from 1. */
static inline struct fixture begin_with_gpus(const char *text, const char *slots_of_nodes, uint32_t n_gpus)
{
    struct fixture f = {graph_from_text(text), NULL};
    uint32_t worker = 0, node = 0;

    f.sched = sched_new(f.graph);
    for (; *slots_of_nodes != '\0'; slots_of_nodes++, node++) {
        sched_add_node(f.sched, node, &(struct sched_node){.memory_bytes = (uint64_t)1024 << 20, .n_gpus = n_gpus});
        for (int slot = 0; slot < *slots_of_nodes - '0'; slot++)
            sched_add_worker(f.sched, ++worker, node, (uint16_t)slot);
    }
    sched_begin(f.sched);
    return f;
}

static inline struct fixture begin(const char *text, const char *slots_of_nodes)
{
    return begin_with_gpus(text, slots_of_nodes, 0);
}

static inline void end(struct fixture *f)
{
    sched_free(f->sched);
    graph_free(f->graph);
}

static inline task_id id_of(const struct fixture *f, const char *id)
{
    return graph_find(f->graph, id, strlen(id));
}

static inline enum task_state state_of(const struct fixture *f, const char *id)
{
    return sched_state(f->sched, id_of(f, id));
}

static inline struct placement expect_next(struct fixture *f, const char *id)
{
    struct placement p;

    assert_true(sched_next(f->sched, &p));
    assert_string_equal(f->graph->tasks[p.task].id, id);
    return p;
}

static inline void expect_none(struct fixture *f)
{
    struct placement p;

    assert_false(sched_next(f->sched, &p));
}

static inline void finish(struct fixture *f, const char *id, enum task_state state)
{
    sched_finish(f->sched, id_of(f, id), state, 0.001);
}

/* The task ran so long. */
static inline void finish_after(struct fixture *f, const char *id, double run_s)
{
    sched_finish(f->sched, id_of(f, id), STATE_DONE, run_s);
}

static inline void expect_skipped(struct fixture *f, const char *id, const char *cause)
{
    task_id task, why;
    bool not_needed;

    assert_true(sched_next_skipped(f->sched, &task, &why, &not_needed));
    assert_string_equal(f->graph->tasks[task].id, id);
    assert_string_equal(f->graph->tasks[why].id, cause);
    assert_false(not_needed);
    assert_int_equal(sched_state(f->sched, task), STATE_SKIPPED);
}

static inline void expect_not_needed(struct fixture *f, const char *id, const char *cause)
{
    task_id task, why;
    bool not_needed;

    assert_true(sched_next_skipped(f->sched, &task, &why, &not_needed));
    assert_string_equal(f->graph->tasks[task].id, id);
    assert_string_equal(f->graph->tasks[why].id, cause);
    assert_true(not_needed);
    assert_int_equal(sched_state(f->sched, task), STATE_NOT_NEEDED);
}

#endif
