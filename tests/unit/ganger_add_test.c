/* Tasks that a function adds: said by ganger_call_add, told by a CALLED, read and appended to a graph. */
#include "ganger_add.h"

#include "core/call.h"
#include "ganger_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As if the function of a task "adder" ran. */
static struct ganger_call *new_call(void)
{
    return call_new(&(struct call_order){.task = 0, .attempt = 1, .id = {"adder", 5}, .payload = {"", 0}}, 1, NULL,
                    NULL);
}

/* adder, and a task "other": both functions. */
static struct graph *new_graph(void)
{
    struct ganger_workflow w;
    struct graph *g;

    ganger_workflow_init(&w);
    ganger_workflow_add(&w, &(struct ganger_task){.id = "adder", .function = "f"});
    ganger_workflow_add(&w, &(struct ganger_task){.id = "other", .function = "f"});
    g = ganger_workflow_seal(&w, NULL);
    assert_non_null(g);
    ganger_workflow_release(&w);
    return g;
}

static ganger_task_number add(struct ganger_call *call, const char *id, const char *function)
{
    return ganger_call_add(call, &(struct ganger_task){.id = id, .function = function});
}

/* Everything that may be said of a function. */
static void add_elaborately(struct ganger_call *call)
{
    static const ganger_task_number after[] = {0, GANGER_THIS_CALL};
    static const char *const ids[] = {"other", NULL};

    ganger_call_add(call, &(struct ganger_task){.id = "x",
                                                .function = "g",
                                                .payload = "a\0b",
                                                .n_payload_bytes = 3,
                                                .isolate = true,
                                                .keep = true,
                                                .may_fail = true,
                                                .cores = 2,
                                                .gpus = 1,
                                                .memory_bytes = 1 << 30,
                                                .priority = -7,
                                                .retries = 3,
                                                .timeout_s = 1.5,
                                                .cost_s = 2.5,
                                                .program = "p",
                                                .after = after,
                                                .n_after = 2,
                                                .after_ids = ids});
}

static int read_next(struct graph *g, struct cursor *c, struct added_task *added)
{
    struct ganger_error err = {0};

    return added_read(g, NULL, c, added, &err);
}

static struct cursor added_by(const struct ganger_call *call)
{
    return cursor_over(call->added.bytes.bytes, call->added.bytes.n);
}

static void test_a_function_comes_back_as_it_was_added(void **state)
{
    struct ganger_call *call = new_call();
    struct graph *g = new_graph();
    struct added_task first, x;
    const struct task_resources *wants;
    const struct task_policy *policy;
    struct cursor c;
    task_id task;

    (void)state;
    assert_int_equal(add(call, NULL, "f"), 0);
    add_elaborately(call);
    assert_int_equal(call->added.n, 2);
    c = added_by(call);
    assert_int_equal(read_next(g, &c, &first), 0);
    assert_string_equal(first.task.id, "adder.0");
    assert_int_equal(added_append(g, &first, 0), 2);
    assert_int_equal(read_next(g, &c, &x), 0);
    assert_true(c.next == c.end);
    assert_int_equal(x.n_after, 3);
    task = added_append(g, &x, 0);
    assert_int_equal(task, 3);
    assert_string_equal(g->tasks[task].id, "x");
    assert_string_equal(g->functions[g->tasks[task].function], "g");
    assert_string_equal(g->programs[g->tasks[task].program], "p");
    assert_int_equal(g->tasks[task].n_argv_bytes, 3);
    assert_memory_equal(g->tasks[task].argv, "a\0b", 3);
    assert_int_equal(g->tasks[task].flags, TASK_ISOLATE | TASK_KEEP);
    assert_true(g->tasks[task].cost_s == 2.5F);
    wants = &g->resources[g->tasks[task].resource_class];
    assert_true(wants->cores == 2 && wants->gpus == 1 && wants->memory_bytes == 1 << 30);
    policy = &g->policies[g->tasks[task].policy];
    assert_true(policy->priority == -7 && policy->retries == 3 && policy->timeout_s == 1.5 && policy->may_fail);
    /* Results come in the order in which they were asked for; the adder's is one of them. */
    assert_int_equal(g->parent_first[task + 1] - g->parent_first[task], 3);
    assert_int_equal(g->parents[g->parent_first[task]], 2);
    assert_int_equal(g->parents[g->parent_first[task] + 1], 0);
    assert_int_equal(g->parents[g->parent_first[task] + 2], 1);
    /* Who did not ask for it waits for it all the same, and does not get it. */
    assert_int_equal(g->n_parents[2], 1);
    assert_int_equal(g->parent_first[3] - g->parent_first[2], 0);
    call_free(call);
    graph_free(g);
}

static void test_conditions_come_back_as_they_were_added(void **state)
{
    static const ganger_task_number after[] = {GANGER_THIS_CALL, 0};
    static const enum ganger_condition on[] = {GANGER_ON_ANY, GANGER_ON_NOTOK}, ids_on[] = {GANGER_ON_ANY};
    static const char *const ids[] = {"other", NULL};
    struct ganger_call *call = new_call();
    struct graph *g = new_graph();
    struct added_task added;
    struct cursor c;
    uint32_t l;

    (void)state;
    add(call, NULL, "f");
    ganger_call_add(call, &(struct ganger_task){.function = "f", .after = after, .n_after = 2, .after_on = on,
                                                .after_ids = ids, .after_ids_on = ids_on});
    ganger_call_add(call, &(struct ganger_task){.function = "f", .after_ids = ids, .after_ids_on = ids_on});
    c = added_by(call);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_next(g, &c, &added), 0);
        assert_int_equal(added_append(g, &added, 0), i + 2);
    }
    assert_true(c.next == c.end);
    assert_true(g->has_conditions);
    l = graph_first_link(g, 1); /* of "other" */
    assert_int_equal(g->links[l].child, 3);
    assert_int_equal(g->links[l].condition, ON_ANY);
    assert_int_equal(g->links[graph_next_link(g, 1, l)].child, 4);
    assert_int_equal(g->links[graph_next_link(g, 1, l)].condition, ON_ANY);
    l = graph_first_link(g, 2);
    assert_int_equal(g->links[l].condition, ON_NOTOK);
    call_free(call);
    graph_free(g);
}

static void test_a_command_comes_back_as_it_was_added(void **state)
{
    static const char *const command[] = {"echo", "", "b c", NULL}, *const env[] = {"A=1", "B=", NULL};
    struct ganger_call *call = new_call();
    struct graph *g = new_graph();
    struct added_task added;
    const struct task *t;
    struct cursor c;

    (void)state;
    ganger_call_add(call, &(struct ganger_task){.id = "c", .command = command, .env = env, .cwd = "sub"});
    c = added_by(call);
    assert_int_equal(read_next(g, &c, &added), 0);
    t = &added.task;
    assert_false(task_is_call(t));
    assert_int_equal(t->n_argv, 3);
    assert_memory_equal(t->argv, "echo\0\0b c", 10);
    assert_string_equal(t->setting->cwd, "sub");
    assert_int_equal(t->setting->n_env, 2);
    assert_memory_equal(t->setting->env, "A=1\0B=", 7);
    call_free(call);
    graph_free(g);
}

/* The call fails, says why, and adds nothing, not even what came before. */
static void expect_refused(struct ganger_call *call, const char *why)
{
    struct call_report report;

    assert_int_equal(add(call, "after-that", "f"), GANGER_NO_TASK);
    call_report(call, &report);
    assert_int_equal(report.result.end, TASK_RETURNED);
    assert_int_equal(report.result.code, 255);
    assert_non_null(strstr(report.result.tail, why));
    assert_int_equal(report.n_added, 0);
    assert_false(report.has_bytes);
    call_free(call);
}

static void test_what_makes_no_sense_fails_the_call(void **state)
{
    static const ganger_task_number one = 1, none = GANGER_NO_TASK;
    static const char *const command[] = {"true", NULL};
    struct ganger_call *call = new_call();

    (void)state;
    assert_int_equal(add(call, "a", "f"), 0);
    assert_int_equal(add(call, "a", "f"), GANGER_NO_TASK);
    expect_refused(call, "(\"a\") is refused: this call has added one with that id before");
    call = new_call();
    ganger_call_add(call, &(struct ganger_task){.function = "f", .command = command});
    expect_refused(call, "(\"adder.0\") is refused: it must have a function or a command, and not both");
    call = new_call();
    ganger_call_add(call, &(struct ganger_task){.id = "nothing"});
    expect_refused(call, "it must have a function or a command");
    call = new_call();
    add(call, "a", "f");
    ganger_call_add(call, &(struct ganger_task){.id = "b", .function = "f", .after = &one, .n_after = 1});
    expect_refused(call, "it waits for a number that no task has which this call added before");
    call = new_call();
    ganger_call_add(call, &(struct ganger_task){.id = "b", .function = "f", .after = &none, .n_after = 1});
    expect_refused(call, "it waits for a number");
    call = new_call();
    ganger_call_add(call, &(struct ganger_task){.id = "b", .function = "f", .payload = "", .n_payload_bytes = 65537});
    expect_refused(call, "its payload has more than 64 KiB");
}

static void test_a_condition_that_cannot_be_met_fails_the_call(void **state)
{
    static const ganger_task_number adder = GANGER_THIS_CALL;
    static const enum ganger_condition notok = GANGER_ON_NOTOK, none = (enum ganger_condition)3;
    static const char *const ids[] = {"adder", NULL};
    const struct
    {
        struct ganger_task task;
        const char *why;
    } rows[] = {
        {{.function = "f", .after = &adder, .n_after = 1, .after_on = &notok}, "it waits until the task that adds it"},
        {{.function = "f", .after_ids = ids, .after_ids_on = &notok}, "it waits until the task that adds it"},
        {{.function = "f", .after = &adder, .n_after = 1, .after_on = &none}, "on a condition that is none"},
        {{.function = "f", .after_ids = ids, .after_ids_on = &none}, "on a condition that is none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ganger_call *call = new_call();

        assert_int_equal(ganger_call_add(call, &rows[i].task), GANGER_NO_TASK);
        expect_refused(call, rows[i].why);
    }
}

static void test_one_call_adds_so_much_and_no_more(void **state)
{
    struct ganger_call *call = new_call();
    char *payload = calloc(1, 65536);
    const char *parts[18];
    char *long_text = malloc(65536);
    ganger_task_number number = 0;

    (void)state;
    while (number != GANGER_NO_TASK)
        number = ganger_call_add(call, &(struct ganger_task){.function = "f", .payload = payload,
                                                             .n_payload_bytes = 65536});
    assert_in_range(call->added.n, 250, 256);
    expect_refused(call, "all that one call adds may have 16 MiB");
    memset(long_text, 'x', 65535);
    long_text[65535] = '\0';
    for (int i = 0; i < 17; i++)
        parts[i] = long_text;
    parts[17] = NULL;
    call = new_call();
    assert_int_equal(ganger_call_add(call, &(struct ganger_task){.id = "c", .command = parts}), GANGER_NO_TASK);
    expect_refused(call, "all that is said of one task may have 1 MiB");
    free(long_text);
    free(payload);
}

/* What graph and registry alone can tell. */
static void test_what_cannot_be_had_is_refused_where_it_is_read(void **state)
{
    static const struct ganger_amount amounts[] = {{"nothing-there-is", 1}, {NULL, 0}};
    static const struct ganger_task bad[] = {
        {.id = "a*", .function = "f"},
        {.id = "", .function = "f"},
        {.id = "a", .function = "f", .queue = "none"},
        {.id = "a", .function = "f", .amounts = amounts},
        {.id = "a", .function = "f", .timeout_s = -1},
        {.id = "a", .function = "f", .cwd = "/"},
    };
    const struct registry registry = {.n = 0};
    struct ganger_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct ganger_call *call = new_call();
        struct graph *g = new_graph();
        struct added_task added;
        struct cursor c;

        assert_int_equal(ganger_call_add(call, &bad[i]), 0);
        c = added_by(call);
        err = (struct ganger_error){0};
        assert_int_equal(added_read(g, NULL, &c, &added, &err), -1);
        assert_true(err.text[0] != '\0');
        assert_int_equal(g->n_tasks, 2);
        if (i == 3) {
            c = added_by(call);
            err = (struct ganger_error){0};
            assert_int_equal(added_read(g, &registry, &c, &added, &err), -1);
            assert_non_null(strstr(err.text, "asks for the function \"f\", which is not registered"));
        }
        call_free(call);
        graph_free(g);
    }
}

/* Only what is whole is read; whatever the bytes are, nothing is read behind them, which sanitizers see. */
static void test_garbage_is_refused(void **state)
{
    struct ganger_call *call = new_call();
    struct graph *g = new_graph();
    struct added_task added;
    struct cursor c;
    uint32_t n;
    char *bytes;

    (void)state;
    add(call, "a", "f");
    add_elaborately(call);
    n = (uint32_t)call->added.bytes.n;
    bytes = malloc(n);
    for (uint32_t i = 0; i < n; i++) { /* cut off */
        char *exact = malloc(i + 1);
        uint32_t n_read = 0;

        memcpy(exact, call->added.bytes.bytes, i);
        c = cursor_over(exact, i);
        while (n_read < 3 && read_next(g, &c, &added) == 0)
            n_read++;
        assert_in_range(n_read, 0, 1);
        free(exact);
    }
    for (uint32_t i = 0; i < n; i++) { /* one byte is another */
        memcpy(bytes, call->added.bytes.bytes, n);
        bytes[i] = (char)(bytes[i] ^ 0x81);
        c = cursor_over(bytes, n);
        while (read_next(g, &c, &added) == 0)
            ;
    }
    assert_int_equal(g->n_tasks, 2);
    free(bytes);
    call_free(call);
    graph_free(g);
}

static void test_what_was_added_before_is_not_added_again(void **state)
{
    struct ganger_call *call = new_call();
    struct graph *g = new_graph();
    struct added_task added;
    struct ganger_error err = {0};
    struct cursor c;

    (void)state;
    add(call, "a", "f");
    c = added_by(call);
    read_next(g, &c, &added);
    assert_true(added_is_new(g, &added, 0, &err));
    added_append(g, &added, 0);
    assert_false(added_is_new(g, &added, 0, &err));
    assert_int_equal(err.cause, ERROR_NONE); /* by the same task: it ran again */
    graph_compact(g);
    assert_false(added_is_new(g, &added, 0, &err));
    assert_int_equal(err.cause, ERROR_NONE);
    assert_false(added_is_new(g, &added, 1, &err)); /* by another one */
    assert_non_null(strstr(err.text, "the id \"a\" is taken by another task"));
    err = (struct ganger_error){0};
    added.task.digest++; /* what it is to do has changed */
    assert_false(added_is_new(g, &added, 0, &err));
    assert_non_null(strstr(err.text, "task \"a\" was added before, when this task ran in an earlier epoch"));
    call_free(call);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function_comes_back_as_it_was_added),
        cmocka_unit_test(test_conditions_come_back_as_they_were_added),
        cmocka_unit_test(test_a_command_comes_back_as_it_was_added),
        cmocka_unit_test(test_what_makes_no_sense_fails_the_call),
        cmocka_unit_test(test_a_condition_that_cannot_be_met_fails_the_call),
        cmocka_unit_test(test_one_call_adds_so_much_and_no_more),
        cmocka_unit_test(test_what_cannot_be_had_is_refused_where_it_is_read),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_what_was_added_before_is_not_added_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
