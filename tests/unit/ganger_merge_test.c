/* Two workflows that are built in C become one. */
#include "ganger_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MAX 16

/* Adds a task that waits for those with the ids in `after`, parted by blanks. */
static ganger_task_number add(struct ganger_workflow *w, const char *id, const char *after)
{
    const char *ids[N_MAX + 1] = {NULL};
    char *words = strdup(after), *rest = words, *word;
    size_t n = 0;
    ganger_task_number added;

    while ((word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            ids[n++] = word;
    added = ganger_workflow_add(w, &(struct ganger_task){.id = id, .function = "f", .after_ids = ids});
    free(words);
    return added;
}

/* "c: x b" for each task that is not pruned, what it waits for in the order in which results come; of the workflow as
 * it would be sealed now, which it is not. */
static char *text_of(struct ganger_workflow *w)
{
    char *text = calloc(1, 1024);

    assert_true(ganger_workflow_open_dag(w));
    for (uint32_t v = 0; v < w->dag->n_vertices; v++) {
        const struct dag *d = w->dag;

        sprintf(text + strlen(text), "%s:", dag_is_join(d, v) ? "*" : d->vertices[v].id);
        for (uint32_t e = dag_first(d, v, DAG_BACK); e != DAG_NONE; e = dag_next(d, e, DAG_BACK))
            sprintf(text + strlen(text), " %s%s", d->edges[e].on == ON_ANY ? "any " : "",
                    d->vertices[dag_end(d, e, DAG_BACK)].id);
        strcat(text, "\n");
    }
    return text;
}

static void expect(struct ganger_workflow *w, const char *wanted)
{
    char *text = text_of(w);

    assert_string_equal(text, wanted);
    free(text);
}

static void refuses(struct ganger_workflow *w, struct ganger_workflow *other, const char *reason)
{
    char why[512] = "", *before = text_of(w), *before_other = text_of(other);
    uint32_t n_tasks = w->graph->n_tasks, n_queues = w->graph->n_queues, n_named = w->graph->n_named;
    uint32_t n_classes = w->graph->n_resources;

    assert_int_equal(ganger_workflow_merge(w, other, NULL, why, sizeof(why)), -1);
    if (strstr(why, reason) == NULL)
        fail_msg("\"%s\" is not in: %s", reason, why);
    assert_null(ganger_workflow_error(w));
    expect(w, before);
    expect(other, before_other);
    assert_int_equal(w->graph->n_tasks, n_tasks);
    assert_int_equal(w->graph->n_queues, n_queues);
    assert_int_equal(w->graph->n_named, n_named);
    assert_int_equal(w->graph->n_resources, n_classes);
    free(before);
    free(before_other);
}

static void test_a_merge_unites(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    ganger_task_number numbers[4], a, b;
    struct ganger_error err = {0};
    struct graph *g;

    (void)unused;
    a = add(w, "a", "");
    b = add(w, "b", "a");
    add(other, "x", "");
    add(other, "a", "x");
    add(other, "c", "a");
    add(other, "b", "c");
    ganger_workflow_add_dependency(other, 0, 2, GANGER_ON_ANY);
    ganger_workflow_set_tag(other, 1, "theirs");
    ganger_workflow_set_tag(other, 3, "theirs");
    ganger_workflow_set_tag(w, b, "ours");
    assert_int_equal(ganger_workflow_merge(w, other, numbers, NULL, 0), 0);
    expect(w, "a: x\nb: a c\nx:\nc: a any x\n");
    assert_int_equal(numbers[1], a);
    assert_int_equal(numbers[3], b);
    assert_string_equal(ganger_workflow_id(w, numbers[0]), "x");
    assert_string_equal(ganger_workflow_id(w, numbers[2]), "c");
    assert_string_equal(ganger_workflow_tag(w, a), "theirs");
    assert_string_equal(ganger_workflow_tag(w, b), "ours");
    ganger_workflow_free(other); /* nothing of it is borrowed */
    add(w, "d", "c x");
    g = ganger_workflow_seal(w, &err);
    assert_non_null(g);
    assert_int_equal(g->n_tasks, 5);
    assert_int_equal(g->n_edges, 7);
    graph_free(g);
    ganger_workflow_free(w);
}

static void test_a_cycle_is_refused_whole_and_named(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();

    (void)unused;
    add(w, "a", "");
    add(w, "b", "a");
    add(w, "c", "b");
    ganger_workflow_add_queue(other, "q", 3, false);
    ganger_workflow_add_resource(other, "licence", 3, false);
    add(other, "c", "");
    ganger_workflow_add(other, &(struct ganger_task){.id = "new", .function = "g", .queue = "q"});
    add(other, "b", "c new");
    add(other, "a", "b");
    refuses(w, other, "(a -> b: b waits for a): ");
    refuses(w, other, "nothing was changed");
    ganger_workflow_free(other);
    other = ganger_workflow_new();
    add(other, "c", "");
    add(other, "a", "c");
    refuses(w, other, "a -> b -> c -> a");
    ganger_workflow_free(other);
    ganger_workflow_free(w);
}

/* What a task of both may not say differently. */
static void test_another_definition_is_refused_by_name(void **unused)
{
    static const char *const command[] = {"true", NULL}, *const env[] = {"A=1", NULL};
    const struct ganger_amount two[] = {{"licence", 2}, {NULL, 0}};
    const struct
    {
        struct ganger_task task;
        const char *differ;
    } rows[] = {
        {{.id = "t", .function = "g"}, "function and payload"},
        {{.id = "t", .function = "f", .payload = "1", .n_payload_bytes = 1}, "function and payload"},
        {{.id = "t", .command = command}, "function and payload"},
        {{.id = "t", .command = command, .env = env}, "command, env and cwd"},
        {{.id = "t", .function = "f", .isolate = true}, "isolate"},
        {{.id = "t", .function = "f", .keep = true}, "keep"},
        {{.id = "t", .function = "f", .cores = 2}, "cores"},
        {{.id = "t", .function = "f", .gpus = 1}, "GPUs"},
        {{.id = "t", .function = "f", .memory_bytes = 5}, "memory"},
        {{.id = "t", .function = "f", .queue = "q"}, "queue"},
        {{.id = "t", .function = "f", .amounts = two}, "resources"},
        {{.id = "t", .function = "f", .priority = -1}, "priority"},
        {{.id = "t", .function = "f", .retries = 1}, "retries"},
        {{.id = "t", .function = "f", .timeout_s = 1}, "timeout"},
        {{.id = "t", .function = "f", .may_fail = true}, "may_fail"},
        {{.id = "t", .function = "f", .cost_s = 1}, "cost"},
        {{.id = "t", .function = "f", .program = "p"}, "program"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();

        add(w, "t", "");
        ganger_workflow_add_queue(other, "q", 3, false);
        ganger_workflow_add_resource(other, "licence", 3, false);
        add(other, "new", "");
        ganger_workflow_add(other, &rows[i].task);
        assert_null(ganger_workflow_error(other));
        refuses(w, other, "both workflows have a task \"t\"");
        refuses(w, other, rows[i].differ);
        ganger_workflow_free(w);
        ganger_workflow_free(other);
    }
}

/* Queues and resources are known by name: their numbers differ. */
static void test_what_tasks_take_is_the_same_under_other_numbers(void **unused)
{
    const struct ganger_amount amounts[] = {{"y", 1}, {"x", 2}, {NULL, 0}};
    const struct ganger_task t = {
        .id = "t", .function = "f", .cores = 2, .queue = "second", .tokens = 2, .amounts = amounts, .priority = 3};
    const struct ganger_task u = {.id = "u", .function = "f", .queue = "third", .amounts = amounts};
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    const struct task_resources *r;
    struct graph *g = w->graph;
    ganger_task_number numbers[2];

    (void)unused;
    ganger_workflow_add_resource(w, "x", 5, true);
    ganger_workflow_add_resource(w, "y", 1, false);
    ganger_workflow_add_queue(w, "first", 1, true);
    ganger_workflow_add_queue(w, "second", 9, false);
    ganger_workflow_add(w, &t);
    ganger_workflow_add_queue(other, "third", 4, true);
    ganger_workflow_add_queue(other, "second", 9, false);
    ganger_workflow_add_resource(other, "y", 1, false);
    ganger_workflow_add_resource(other, "x", 5, true);
    ganger_workflow_add(other, &u);
    ganger_workflow_add(other, &t);
    assert_int_equal(ganger_workflow_merge(w, other, numbers, NULL, 0), 0);
    assert_int_equal(numbers[1], 0);
    assert_int_equal(g->n_queues, 4);
    assert_int_equal(g->n_named, 2);
    r = &g->resources[g->tasks[numbers[0]].resource_class];
    assert_string_equal(g->queues[r->queue].name, "third");
    assert_int_equal(g->queues[r->queue].tokens, 4);
    assert_true(g->queues[r->queue].is_strict);
    assert_int_equal(r->n_amounts, 2);
    assert_int_equal(r->amounts[0].resource, 0);
    assert_int_equal(r->amounts[0].n, 2);
    assert_int_equal(r->amounts[1].n, 1);
    assert_int_equal(g->policies[g->tasks[0].policy].priority, 3);
    ganger_workflow_free(w);
    ganger_workflow_free(other);
}

static void test_another_budget_or_amount_is_refused_by_name(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();

    (void)unused;
    add(w, "a", "");
    ganger_workflow_add_queue(w, "q", 3, false);
    ganger_workflow_add_resource(w, "r", 3, false);
    ganger_workflow_add_queue(other, "q", 3, true);
    refuses(w, other, "both workflows have a queue \"q\"");
    ganger_workflow_free(other);
    other = ganger_workflow_new();
    ganger_workflow_add_resource(other, "r", 3, true);
    refuses(w, other, "both workflows have a resource \"r\"");
    ganger_workflow_free(other);
    ganger_workflow_free(w);
}

/* Once there are many requests, memory is rounded: that makes no other task of it. */
static void test_memory_that_was_rounded_is_the_same(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    const struct ganger_task t = {.id = "t", .function = "f", .memory_bytes = 1000001};

    (void)unused;
    ganger_workflow_add(w, &t);
    for (uint32_t i = 0; i < 100; i++)
        ganger_workflow_add(other, &(struct ganger_task){.function = "f", .memory_bytes = 2000000 + i});
    ganger_workflow_add(other, &t);
    assert_int_equal(ganger_workflow_merge(w, other, NULL, NULL, 0), 0);
    assert_int_equal(ganger_workflow_n_tasks(w), 101);
    ganger_workflow_free(w);
    ganger_workflow_free(other);
}

static void test_tasks_without_ids_stay_apart(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    ganger_task_number numbers[2];

    (void)unused;
    add(w, NULL, "");
    add(other, NULL, "");
    add(other, NULL, "task-0");
    assert_int_equal(ganger_workflow_merge(w, other, numbers, NULL, 0), 0);
    assert_int_equal(ganger_workflow_merge(w, other, numbers, NULL, 0), 0);
    assert_int_equal(numbers[1], 4);
    expect(w, "task-0:\ntask-1:\ntask-2: task-1\ntask-3:\ntask-4: task-3\n");
    add(w, "task-6", "");
    refuses(w, other, "has no id, and would be called \"task-6\"");
    add(other, "task-7", "");
    add(w, "more", "");
    refuses(w, other, "a task of the workflow that is merged has no id, and would be called \"task-7\"");
    ganger_workflow_free(w);
    ganger_workflow_free(other);
}

static void test_what_was_pruned_is_not_merged_but_may_come_back(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    ganger_task_number numbers[3], b;

    (void)unused;
    add(w, "a", "");
    b = add(w, "b", "a");
    add(w, "c", "b");
    ganger_workflow_prune(w, &b, 1);
    add(other, "x", "");
    add(other, "b", "x");
    add(other, "y", "b");
    ganger_workflow_prune(other, &(ganger_task_number){2}, 1);
    assert_int_equal(ganger_workflow_merge(w, other, numbers, NULL, 0), 0);
    expect(w, "a:\nc: a\nx:\nb: x\n");
    assert_int_equal(numbers[1], b);
    assert_int_equal(numbers[2], GANGER_NO_TASK);
    assert_int_equal(ganger_workflow_find(w, "b"), b);
    assert_null(ganger_workflow_id(w, 99));
    ganger_workflow_free(w);
    ganger_workflow_free(other);
}

static void test_a_bridged_join_is_merged(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    ganger_task_number middle;

    (void)unused;
    add(w, "a", "");
    add(other, "b", "");
    add(other, "a", "");
    middle = add(other, "m", "b a");
    add(other, "c", "m");
    add(other, "d", "m");
    ganger_workflow_prune(other, &middle, 1);
    assert_int_equal(ganger_workflow_merge(w, other, NULL, NULL, 0), 0);
    assert_int_equal(w->dag->n_joins, 1);
    ganger_workflow_free(other);
    other = ganger_workflow_new();
    add(other, "d", "");
    add(other, "a", "d");
    refuses(w, other, ": d -> a -> d;");
    ganger_workflow_free(w);
    ganger_workflow_free(other);
}

static void test_a_refused_part_refuses_the_whole(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new(), *other = ganger_workflow_new();
    char why[256] = "";

    (void)unused;
    add(w, "a", "");
    ganger_workflow_add(other, &(struct ganger_task){.id = "bad"});
    assert_int_equal(ganger_workflow_merge(w, other, NULL, why, sizeof(why)), -1);
    assert_string_equal(ganger_workflow_error(w), "a workflow that is merged into it was refused: task \"bad\" must "
                                                  "have a function or a command");
    assert_string_equal(why, ganger_workflow_error(w));
    ganger_workflow_free(w);
    ganger_workflow_free(other);
    ganger_workflow_free(NULL);
}

static void test_a_workflow_united_with_itself_is_itself(void **unused)
{
    struct ganger_workflow *w = ganger_workflow_new();
    ganger_task_number numbers[2];

    (void)unused;
    add(w, NULL, "");
    add(w, "b", "task-0");
    assert_int_equal(ganger_workflow_merge(w, w, numbers, NULL, 0), 0);
    assert_int_equal(numbers[1], 1);
    expect(w, "task-0:\nb: task-0\n");
    ganger_workflow_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_merge_unites),
        cmocka_unit_test(test_a_cycle_is_refused_whole_and_named),
        cmocka_unit_test(test_another_definition_is_refused_by_name),
        cmocka_unit_test(test_what_tasks_take_is_the_same_under_other_numbers),
        cmocka_unit_test(test_another_budget_or_amount_is_refused_by_name),
        cmocka_unit_test(test_memory_that_was_rounded_is_the_same),
        cmocka_unit_test(test_tasks_without_ids_stay_apart),
        cmocka_unit_test(test_what_was_pruned_is_not_merged_but_may_come_back),
        cmocka_unit_test(test_a_bridged_join_is_merged),
        cmocka_unit_test(test_a_refused_part_refuses_the_whole),
        cmocka_unit_test(test_a_workflow_united_with_itself_is_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
