#include "core/culprit.h"

#include "core/sched.h"
#include "graph_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The states that the scheduler gives when the tasks that are named fail, in that order, and all others go well. */
struct ended
{
    struct graph *g;
    struct sched *sched;
};

static struct ended run(const char *text, const char *failing)
{
    struct ended x = {.g = graph_from_text(text)};
    struct placement p;

    x.sched = sched_new(x.g);
    sched_add_node(x.sched, 0, &(struct sched_node){.n_gpus = 0});
    for (uint32_t w = 1; w <= 16; w++)
        sched_add_worker(x.sched, w, 0, (uint16_t)(w - 1));
    sched_begin(x.sched);
    while (sched_next(x.sched, &p)) {
        const char *id = x.g->tasks[p.task].id, *at = strstr(failing, id);

        sched_finish(x.sched, p.task, at != NULL ? STATE_FAILED : STATE_DONE, 1);
    }
    return x;
}

static enum culprit_state state_of(const void *data, task_id task)
{
    enum task_state state = sched_state(data, task);

    return state == STATE_FAILED ? CULPRIT_FAILED : state == STATE_SKIPPED ? CULPRIT_SKIPPED : CULPRIT_NONE;
}

static void expect(struct ended x, const char *id, const char *wanted)
{
    char found[128] = "";
    task_id *culprits;
    uint32_t n = culprit_find(x.g, graph_find(x.g, id, strlen(id)), state_of, x.sched, &culprits);

    for (uint32_t i = 0; i < n; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i > 0 ? " " : "",
                 x.g->tasks[culprits[i]].id);
    assert_string_equal(found, wanted);
    free(culprits);
}

static void end(struct ended x)
{
    sched_free(x.sched);
    graph_free(x.g);
}

static void test_all_failures_that_lead_to_it_are_found(void **unused)
{
    struct ended x = run("a\nb\nc\nd\nx : a b c\ny : x d\nz : y\nother : d", "a c d");

    (void)unused;
    expect(x, "x", "a c");
    expect(x, "z", "a c d");
    expect(x, "other", "d");
    expect(x, "b", "");
    end(x);
}

static void test_joins_pass_them_on(void **unused)
{
    struct ended x = run("a\nb\nc\nj join : a b\nk join : j c\nx : k\ny : x", "a b");

    (void)unused;
    expect(x, "y", "a b");
    end(x);
}

static void test_failures_that_were_no_reason_are_none(void **unused)
{
    struct ended x = run("a\nb may_fail\nc\nx : a b any:c\ny : notok:a x", "a b c");

    (void)unused;
    expect(x, "x", "a");
    expect(x, "y", "a");
    end(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_failures_that_lead_to_it_are_found),
        cmocka_unit_test(test_joins_pass_them_on),
        cmocka_unit_test(test_failures_that_were_no_reason_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
