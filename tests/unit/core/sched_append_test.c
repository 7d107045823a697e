/* Tasks that are appended to a graph while it runs: the graph by itself, the scheduler, and the one against the same
 * graph sealed at once: every task ends alike, whenever it came. */
#include "core/results.h"
#include "sched_fixture.h"

#define NODES "332" /* slots of each */
#define WORKERS 8
#define N_MAX 96

static task_id number_of(const struct graph *g, const char *id)
{
    return graph_find(g, id, strlen(id));
}

/* A function like "f call" of a text. */
static task_id append(struct graph *g, const char *id, const struct graph_need *needs, uint32_t n_needs)
{
    struct task task = {.id = arena_text(&g->text, id, strlen(id)), .argv = "", .n_argv = 1, .function = 1,
                        .setting = &graph_text_setting};

    return graph_append(g, &task, needs, n_needs);
}

static void test_a_graph_knows_what_was_appended(void **state)
{
    struct graph *g = graph_from_text("a call\nb call : a\nc call : a");
    task_id d, e;
    uint32_t l;
    task_id order[5];

    (void)state;
    assert_true(graph_has_children(g, 0) && !graph_has_children(g, 1));
    d = append(g, "d",
               (struct graph_need[]){{1, ON_OK, false}, {0, ON_OK, false}, {1, ON_OK, false}, {1, ON_ANY, false}}, 4);
    e = append(g, "e", (struct graph_need[]){{0, ON_NOTOK, false}, {d, ON_OK, false}}, 2);
    assert_int_equal(d, 3);
    assert_int_equal(number_of(g, "e"), e);
    assert_int_equal(g->n_tasks, 5);
    assert_int_equal(g->n_edges, 2 + 3 + 2);
    assert_int_equal(g->n_parents[d], 3);
    assert_int_equal(g->parent_first[d + 1] - g->parent_first[d], 2);
    assert_int_equal(g->parents[g->parent_first[d]], 1); /* in the order in which they were declared */
    assert_int_equal(g->parents[g->parent_first[d] + 1], 0);
    assert_int_equal(g->child_first[1] - g->child_first[0], 2);
    l = graph_first_link(g, 0);
    assert_int_equal(g->links[l].child, d);
    l = graph_next_link(g, 0, l);
    assert_int_equal(g->links[l].child, e);
    assert_int_equal(g->links[l].condition, ON_NOTOK);
    assert_int_equal(graph_next_link(g, 0, l), LINK_NONE);
    assert_int_equal(graph_first_link(g, 2), LINK_NONE);
    assert_true(graph_has_children(g, 1));
    graph_order_tasks(g, order);
    assert_int_equal(order[4], e);
    assert_int_equal(append(g, "f", (struct graph_need[]){{0, ON_OK, true}, {e, ON_OK, false}}, 2), 5);
    assert_int_equal(g->n_parents[5], 2);
    assert_int_equal(g->parent_first[6] - g->parent_first[5], 1); /* the other one's result is not asked for */
    assert_int_equal(append(g, "d", NULL, 0), TASK_NONE);
    assert_int_equal(g->n_tasks, 6);
    graph_free(g);
}

static void test_a_graph_is_compacted(void **state)
{
    struct graph *g = graph_from_text("a call\nb call : a"), *at_once;

    (void)state;
    append(g, "c", (struct graph_need[]){{0, ON_OK, false}, {1, ON_ANY, false}}, 2);
    graph_compact(g);
    append(g, "d", (struct graph_need[]){{0, ON_NOTOK, false}, {2, ON_OK, false}}, 2);
    graph_compact(g);
    graph_compact(g);
    at_once = graph_from_text("a call\nb call : a\nc call : a any:b\nd call : notok:a c");
    assert_int_equal(g->n_links, 0);
    assert_int_equal(g->n_edges, at_once->n_edges);
    assert_memory_equal(g->child_first, at_once->child_first, 5 * sizeof(*g->child_first));
    assert_memory_equal(g->children, at_once->children, g->n_edges * sizeof(*g->children));
    assert_memory_equal(g->conditions, at_once->conditions, g->n_edges);
    assert_memory_equal(g->parent_first, at_once->parent_first, 5 * sizeof(*g->parent_first));
    assert_memory_equal(g->parents, at_once->parents, g->parent_first[4] * sizeof(*g->parents));
    assert_memory_equal(g->n_parents, at_once->n_parents, 4 * sizeof(*g->n_parents));
    graph_free(g);
    graph_free(at_once);
}

static void test_b_levels_count_what_was_appended(void **state)
{
    struct graph *g = graph_from_text("a call\nb call : a");
    const float cost_s[] = {1, 2, 4, 8};
    float b_level_s[4];
    task_id c = append(g, "c", &(struct graph_need){1, ON_OK, false}, 1);

    (void)state;
    append(g, "d", &(struct graph_need){c, ON_OK, false}, 1);
    graph_b_levels(g, cost_s, b_level_s);
    assert_true(b_level_s[0] == 15.0F && b_level_s[1] == 14.0F && b_level_s[2] == 12.0F && b_level_s[3] == 8.0F);
    graph_free(g);
}

static void start(struct fixture *f, const char *id)
{
    struct placement p;

    assert_true(sched_next(f->sched, &p));
    assert_string_equal(f->graph->tasks[p.task].id, id);
}

static void append_to(struct fixture *f, const char *id, const char *parent)
{
    sched_append(f->sched, append(f->graph, id, &(struct graph_need){number_of(f->graph, parent), ON_OK, false}, 1));
}

static void assert_state(const struct fixture *f, const char *id, enum task_state state)
{
    assert_int_equal(sched_state(f->sched, number_of(f->graph, id)), state);
}

static void test_what_ended_before_counts(void **state)
{
    struct fixture f = begin("a call prio=1\nb call\nc call : b\nd call : b", "1");
    task_id task, cause;
    bool not_needed;

    (void)state;
    start(&f, "a");
    append_to(&f, "of-running", "a");
    sched_finish(f.sched, 0, STATE_DONE, 1);
    append_to(&f, "of-done", "a");
    assert_state(&f, "of-running", STATE_READY);
    assert_state(&f, "of-done", STATE_READY);
    start(&f, "b");
    sched_finish(f.sched, 1, STATE_FAILED, 1);
    while (sched_next_skipped(f.sched, &task, &cause, &not_needed))
        ;
    append_to(&f, "of-failed", "b");
    append_to(&f, "of-skipped", "c");
    append_to(&f, "of-skipped-then", "of-skipped");
    for (int i = 0; i < 3; i++) {
        assert_true(sched_next_skipped(f.sched, &task, &cause, &not_needed));
        assert_int_equal(cause, 1);
        assert_false(not_needed);
    }
    assert_false(sched_next_skipped(f.sched, &task, &cause, &not_needed));
    assert_state(&f, "of-skipped-then", STATE_SKIPPED);
    assert_int_equal(sched_count(f.sched, STATE_READY), 2);
    sched_free(f.sched);
    graph_free(f.graph);
}

static void test_new_classes_keep_what_is_ready(void **state)
{
    struct fixture f = begin("a call\nb call prio=1\nc call prio=2", "4");
    struct task wide = {.id = "wide", .argv = "", .n_argv = 1, .function = 1, .setting = &graph_text_setting};
    struct task vast = wide;

    (void)state;
    wide.resource_class = graph_intern_resources(f.graph, &(struct task_resources){.cores = 4, .nodes = 1, .ranks = 1});
    wide.policy = graph_intern_policy(f.graph, &(struct task_policy){.priority = 3});
    wide.program = graph_intern_program(f.graph, "wide", 4);
    sched_append(f.sched, graph_append(f.graph, &wide, NULL, 0));
    vast.id = "vast";
    vast.resource_class = graph_intern_resources(f.graph, &(struct task_resources){.cores = 5, .nodes = 1, .ranks = 1});
    sched_append(f.sched, graph_append(f.graph, &vast, NULL, 0));
    assert_int_equal(sched_find_unplaceable(f.sched), number_of(f.graph, "vast"));
    start(&f, "wide");
    sched_finish(f.sched, number_of(f.graph, "wide"), STATE_DONE, 1);
    start(&f, "c");
    start(&f, "b");
    start(&f, "a");
    sched_free(f.sched);
    graph_free(f.graph);
}

static void test_results_wait_for_what_is_appended(void **state)
{
    struct graph *g = graph_from_text("a call\nb call : a\nk call keep");
    struct results r;
    task_id c;

    (void)state;
    results_init(&r, g, false);
    c = append(g, "c", &(struct graph_need){0, ON_OK, false}, 1);
    results_append(&r, c);
    results_put(&r, 0, "one", 3);
    results_put(&r, 2, "kept", 4);
    results_note_end(&r, 1);
    assert_string_equal(results_of(&r, 0)->bytes, "one");
    results_note_end(&r, c);
    assert_null(results_of(&r, 0));
    assert_string_equal(results_of(&r, 2)->bytes, "kept");
    results_release(&r);
    graph_free(g);
}

/* ---- against the same graph, sealed at once ---- */

/* Of two parents that rule a task out for different reasons the first to end says what becomes of it: without
 * "notok" there is one reason alone. */
static void add_task_text(FILE *file, int i, bool has_notok)
{
    static const char *const conditions[] = {"", "", "", "any:", "notok:"};
    int n_conditions = has_notok ? 5 : 4;

    fprintf(file, "t%d call cores=%d prio=%d program=p%d%s", i, 1 + rand() % 2, rand() % 3, rand() % 4,
            rand() % 8 == 0 ? " may_fail" : "");
    if (rand() % 3 == 0)
        fprintf(file, " cost=%d", 1 + rand() % 9);
    if (rand() % 2)
        fprintf(file, " mem=%d", 1 + rand() % 300);
    if (rand() % 4 == 0)
        fprintf(file, " queue=%s tokens=%d", rand() % 2 ? "back" : "strict", rand() % 4);
    fprintf(file, " :");
    for (int k = i > 0 ? rand() % 4 : 0; k > 0; k--)
        fprintf(file, " %st%d", conditions[rand() % n_conditions], rand() % i);
    fputc('\n', file);
}

/* The first of them alone are `*first`. */
static char *make_text(int n_tasks, int n_first, bool has_notok, char **first)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    long end = 0;

    fprintf(file, "!queue back 3\n!queue strict 4 strict\n");
    for (int i = 0; i < n_tasks; i++) {
        add_task_text(file, i, has_notok);
        if (i + 1 == n_first)
            end = ftell(file);
    }
    fclose(file);
    *first = strndup(text, (size_t)end);
    return text;
}

/* The next one of `whole`. */
static void append_next(struct fixture *f, const struct graph *whole)
{
    struct graph *g = f->graph;
    task_id t = g->n_tasks, parent;
    struct task task = whole->tasks[t];
    const char *program = whole->programs[task.program];
    struct graph_need needs[16];
    uint32_t n = 0;

    for (parent = 0; parent < t; parent++)
        for (uint64_t i = whole->child_first[parent]; i < whole->child_first[parent + 1]; i++)
            if (whole->children[i] == t)
                needs[n++] = (struct graph_need){parent, graph_condition_at(whole, i), false};
    task.id = arena_text(&g->text, task.id, strlen(task.id));
    task.resource_class = graph_intern_resources(g, &whole->resources[task.resource_class]);
    task.policy = graph_intern_policy(g, &whole->policies[task.policy]);
    task.program = graph_intern_program(g, program, strlen(program));
    sched_append(f->sched, graph_append(g, &task, needs, n));
}

static void end_one(struct fixture *f, uint32_t seed)
{
    uint32_t worker = 1 + (uint32_t)rand() % WORKERS;
    task_id task = sched_task_of(f->sched, worker);

    if (task != TASK_NONE)
        sched_finish(f->sched, task, (task * UINT32_C(2654435761) ^ seed) % 5 == 0 ? STATE_FAILED : STATE_DONE,
                     rand() % 10);
}

static uint32_t count_skipped(struct fixture *f)
{
    task_id task, cause;
    bool not_needed;
    uint32_t n = 0;

    for (; sched_next_skipped(f->sched, &task, &cause, &not_needed); n++) {
        assert_int_equal(sched_state(f->sched, task), not_needed ? STATE_NOT_NEEDED : STATE_SKIPPED);
        assert_int_equal(sched_state(f->sched, cause), not_needed ? STATE_DONE : STATE_FAILED);
    }
    return n;
}

/* Runs it, appending what `whole` has beyond it; it may be the whole itself. */
static void run(struct fixture *f, const struct graph *whole, uint32_t seed)
{
    struct placement p;
    uint32_t n_skipped = 0;

    while (f->graph->n_tasks < whole->n_tasks || !sched_is_over(f->sched)) {
        if (f->graph->n_tasks < whole->n_tasks && (rand() % 3 == 0 || sched_is_over(f->sched)))
            append_next(f, whole);
        while (sched_next(f->sched, &p))
            assert_int_equal(sched_state(f->sched, p.task), STATE_SENT);
        assert_false(sched_is_stuck(f->sched));
        assert_true(sched_is_over(f->sched) || sched_n_in_flight(f->sched) > 0);
        end_one(f, seed);
        n_skipped += count_skipped(f);
    }
    assert_int_equal(n_skipped, sched_count(f->sched, STATE_SKIPPED) + sched_count(f->sched, STATE_NOT_NEEDED));
    assert_int_equal(sched_n_free_slots(f->sched), WORKERS);
}

static void compare_round(uint32_t seed, bool has_notok)
{
    int n_tasks = 2 + rand() % (N_MAX - 2);
    char *first, *text = make_text(n_tasks, 1 + rand() % n_tasks, has_notok, &first);
    struct fixture at_once = begin(text, NODES), bit_by_bit = begin(first, NODES);

    run(&at_once, at_once.graph, seed);
    run(&bit_by_bit, at_once.graph, seed);
    assert_int_equal(bit_by_bit.graph->n_edges, at_once.graph->n_edges);
    for (task_id t = 0; t < at_once.graph->n_tasks && !has_notok; t++)
        assert_int_equal(sched_state(bit_by_bit.sched, t), sched_state(at_once.sched, t));
    sched_free(at_once.sched);
    sched_free(bit_by_bit.sched);
    graph_free(at_once.graph);
    graph_free(bit_by_bit.graph);
    free(text);
    free(first);
}

static void test_every_task_ends_as_if_it_had_been_there_from_the_start(void **state)
{
    (void)state;
    srand(7);
    for (uint32_t round = 0; round < 300; round++)
        compare_round(round, round % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_graph_knows_what_was_appended),
        cmocka_unit_test(test_a_graph_is_compacted),
        cmocka_unit_test(test_b_levels_count_what_was_appended),
        cmocka_unit_test(test_what_ended_before_counts),
        cmocka_unit_test(test_new_classes_keep_what_is_ready),
        cmocka_unit_test(test_results_wait_for_what_is_appended),
        cmocka_unit_test(test_every_task_ends_as_if_it_had_been_there_from_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
