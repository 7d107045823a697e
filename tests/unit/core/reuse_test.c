#include "core/reuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A graph from lines "ID IN,IN OUT,OUT PARENT,PARENT", each "-": none. Parents that make an input need not be named.
 * What is called f_… is a function. */

#define N_MAX 16

struct world
{
    struct graph *g;
    struct past *past;
    struct reuse *reuse;
    bool is_done[N_MAX];
};

/* Packs names parted by commas; their bytes. */
static uint32_t pack(struct graph *g, const char *names, const char **packed, uint32_t *n)
{
    char *text = arena_text(&g->text, names, strlen(names));
    uint32_t n_bytes = (uint32_t)strlen(names) + 1;

    *packed = text;
    *n = 0;
    if (strcmp(names, "-") == 0)
        return 0;
    *n = 1;
    for (char *p = text; *p != '\0'; p++) {
        if (*p != ',')
            continue;
        *p = '\0';
        (*n)++;
    }
    return n_bytes;
}

static void add_task(struct graph *g, const char *line)
{
    static const char argv[] = "true";
    char id[32], in[64], out[64], after[64], *rest = after, *parent;
    struct task_files *files = arena_alloc(&g->text, sizeof(*files));
    struct task_setting *setting = arena_alloc(&g->text, sizeof(*setting));
    struct task task = {.argv = argv, .n_argv = 1, .n_argv_bytes = sizeof(argv), .digest = 7, .setting = setting};
    task_id t;

    assert_int_equal(sscanf(line, "%31s %63s %63s %63s", id, in, out, after), 4);
    *files = (struct task_files){.stdin_path = NULL};
    files->n_inputs_bytes = pack(g, in, &files->inputs, &files->n_inputs);
    files->n_outputs_bytes = pack(g, out, &files->outputs, &files->n_outputs);
    *setting = (struct task_setting){.env = "", .files = files};
    task.id = arena_text(&g->text, id, strlen(id));
    if (strcmp(id, "join") == 0)
        task.n_argv = 0;
    if (strncmp(id, "f_", 2) == 0)
        task.function = graph_intern_function(g, "f", 1);
    t = graph_add_task(g, &task);
    while (strcmp(after, "-") != 0 && (parent = strsep(&rest, ",")) != NULL)
        graph_add_dependency(g, graph_find(g, parent, strlen(parent)), t);
}

static struct world graph_of(const char *const *lines, size_t n)
{
    struct world w = {.g = graph_new()};

    for (size_t i = 0; i < n; i++)
        add_task(w.g, lines[i]);
    assert_int_equal(graph_seal(w.g, NULL), 0);
    w.past = past_new(w.g);
    return w;
}

#define GRAPH(...)                                                                                                   \
    graph_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void note(struct world *w, enum record_kind kind, const char *id, uint64_t digest, uint64_t fingerprint)
{
    static struct record_fields f;

    f = (struct record_fields){.kind = kind, .digest = digest, .fingerprint = fingerprint};
    snprintf(f.task, sizeof(f.task), "%s", id);
    f.n_task = strlen(id);
    past_note(w->past, &f);
}

static void ran(struct world *w, const char *id, uint64_t fingerprint)
{
    note(w, RECORD_START, id, 0, 0);
    note(w, RECORD_DONE, id, 7, fingerprint);
}

/* As one of a batch: that it was sent is not told. */
static void returned(struct world *w, const char *id, const char *result)
{
    static struct record_fields f;

    f = (struct record_fields){.kind = RECORD_DONE, .digest = 7, .n_task = strlen(id)};
    snprintf(f.task, sizeof(f.task), "%s", id);
    f.result.text = result;
    f.result.n_text = result != NULL ? strlen(result) : 0;
    past_note(w->past, &f);
}

static void resume(struct world *w)
{
    reuse_free(w->reuse);
    past_settle(w->past, w->is_done);
    w->reuse = reuse_new(w->g, w->past, w->is_done);
}

static task_id task(const struct world *w, const char *id)
{
    task_id t = graph_find(w->g, id, strlen(id));

    assert_true(t != TASK_NONE);
    return t;
}

static bool is_done(const struct world *w, const char *id)
{
    return w->is_done[task(w, id)];
}

static uint64_t expected(const struct world *w, const char *id)
{
    return reuse_expected(w->reuse, task(w, id));
}

static void end(struct world *w)
{
    reuse_free(w->reuse);
    past_free(w->past);
    graph_free(w->g);
}

static void test_what_has_inputs_is_looked_at(void **unused)
{
    struct world w = GRAPH("a in out -", "b - - -");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "b", 0);
    resume(&w);
    assert_false(is_done(&w, "a"));
    assert_int_equal(expected(&w, "a"), 100);
    assert_true(is_done(&w, "b"));
    assert_int_equal(reuse_n_candidates(w.reuse), 1);
    end(&w);
}

static void test_a_dependency_by_file_is_cut_off_and_another_is_not(void **unused)
{
    struct world w = GRAPH("x - - -", "a in out -", "file out - a", "both out - a,x", "after - - a");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "x", 0);
    ran(&w, "file", 101);
    ran(&w, "both", 102);
    ran(&w, "after", 0);
    resume(&w);
    assert_int_equal(expected(&w, "after"), FINGERPRINT_ANY);
    reuse_note_ran(w.reuse, task(&w, "a"));
    assert_int_equal(expected(&w, "file"), 101);
    assert_int_equal(expected(&w, "both"), 102);
    assert_int_equal(expected(&w, "after"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "a"), FINGERPRINT_NONE); /* should it be tried again */
    reuse_note_ran(w.reuse, task(&w, "x"));
    assert_int_equal(expected(&w, "both"), FINGERPRINT_NONE);
    end(&w);
}

static void test_paths_are_compared_as_the_graph_knows_them(void **unused)
{
    struct world w = GRAPH("a - d/../out,other -", "b ./out - a");

    (void)unused;
    ran(&w, "a", 0);
    ran(&w, "b", 100);
    resume(&w);
    reuse_note_ran(w.reuse, task(&w, "a"));
    assert_int_equal(expected(&w, "b"), 100);
    end(&w);
}

static void test_a_join_passes_on_that_something_ran(void **unused)
{
    struct world w = GRAPH("a in out -", "b in2 out2 -", "join - - a,b", "c out - a,join", "d - - join");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "b", 101);
    ran(&w, "c", 102);
    ran(&w, "d", 0);
    resume(&w);
    assert_int_equal(expected(&w, "d"), FINGERPRINT_ANY);
    assert_int_equal(expected(&w, "c"), 102);
    reuse_note_ran(w.reuse, task(&w, "b"));
    assert_int_equal(expected(&w, "d"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "c"), FINGERPRINT_NONE);
    end(&w);
}

static void test_what_never_ended_well_must_run(void **unused)
{
    struct world w = GRAPH("a in - -", "b in - -", "c in - -", "d in - -");

    (void)unused;
    note(&w, RECORD_START, "b", 0, 0);
    note(&w, RECORD_FAILED, "b", 7, 0);
    note(&w, RECORD_DONE, "c", 8, 100); /* another definition */
    ran(&w, "d", FINGERPRINT_UNSURE);
    resume(&w);
    assert_int_equal(expected(&w, "a"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "b"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "c"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "d"), FINGERPRINT_NONE);
    assert_int_equal(reuse_n_candidates(w.reuse), 0);
    end(&w);
}

/* It started again, and the run was killed: its outputs may be half written. */
static void test_what_was_started_since_must_run_unless_it_was_only_looked_at(void **unused)
{
    struct world w = GRAPH("a in - -", "b in - -");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "b", 101);
    note(&w, RECORD_START, "a", 0, 0);
    note(&w, RECORD_START, "b", 0, 0);
    note(&w, RECORD_RETURNED, "b", 0, 0);
    note(&w, RECORD_UNCHANGED, "b", 0, 0);
    resume(&w);
    assert_int_equal(expected(&w, "a"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "b"), 101);
    end(&w);
}

static void test_without_a_fingerprint_dependencies_are_followed(void **unused)
{
    struct world w = GRAPH("a in out -", "b out - a");

    (void)unused;
    ran(&w, "a", 0);
    ran(&w, "b", 0);
    resume(&w);
    assert_true(is_done(&w, "a") && is_done(&w, "b"));
    ran(&w, "a", 100);
    resume(&w);
    assert_int_equal(expected(&w, "a"), 100);
    assert_int_equal(expected(&w, "b"), FINGERPRINT_NONE); /* it has seen what `a` made before */
    ran(&w, "b", 0);
    resume(&w);
    assert_int_equal(expected(&w, "b"), FINGERPRINT_ANY);
    reuse_note_ran(w.reuse, task(&w, "a"));
    assert_int_equal(expected(&w, "b"), FINGERPRINT_NONE);
    end(&w);
}

/* The run ended between the two: the child has seen old results, unless files tell that they are the same. */
static void test_a_parent_that_was_done_later_counts_unless_files_tell(void **unused)
{
    struct world w = GRAPH("a in out -", "file out - a", "after in2 - a");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "file", 101);
    ran(&w, "after", 102);
    ran(&w, "a", 103);
    resume(&w);
    assert_int_equal(expected(&w, "file"), 101);
    assert_int_equal(expected(&w, "after"), FINGERPRINT_NONE);
    end(&w);
}

/* What was looked at is as settled as if it had run, also for a resume that only goes by definitions. */
static void test_unchanged_is_done_for_every_later_resume(void **unused)
{
    struct world w = GRAPH("a in out -", "b out - a");

    (void)unused;
    ran(&w, "a", 100);
    ran(&w, "b", 101);
    ran(&w, "a", 103);
    past_settle(w.past, w.is_done);
    assert_true(is_done(&w, "a") && !is_done(&w, "b"));
    note(&w, RECORD_START, "b", 0, 0);
    note(&w, RECORD_UNCHANGED, "b", 0, 0);
    past_settle(w.past, w.is_done);
    assert_true(is_done(&w, "a") && is_done(&w, "b"));
    end(&w);
}

static void test_a_function_stays_done_if_nothing_before_it_ran(void **unused)
{
    struct world w = GRAPH("a in - -", "f_b - - a", "f_c - - f_b", "d - - f_c", "f_never - - a", "f_free - - -");

    (void)unused;
    ran(&w, "a", 100);
    returned(&w, "f_b", "eA==");
    returned(&w, "f_c", NULL); /* too large, but no function waits for it */
    ran(&w, "d", 0);
    returned(&w, "f_free", NULL);
    resume(&w);
    assert_true(is_done(&w, "f_free"));
    assert_false(is_done(&w, "f_b") || is_done(&w, "f_c") || is_done(&w, "d"));
    assert_int_equal(expected(&w, "f_b"), FINGERPRINT_ANY);
    assert_int_equal(expected(&w, "f_c"), FINGERPRINT_ANY);
    assert_int_equal(expected(&w, "f_never"), FINGERPRINT_NONE);
    note(&w, RECORD_UNCHANGED, "f_b", 0, 0); /* it stays so, and what is recorded of it */
    note(&w, RECORD_UNCHANGED, "f_c", 0, 0);
    resume(&w);
    assert_int_equal(expected(&w, "f_b"), FINGERPRINT_ANY);
    reuse_note_ran(w.reuse, task(&w, "a"));
    assert_int_equal(expected(&w, "f_b"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "f_c"), FINGERPRINT_ANY); /* until that has run */
    reuse_note_ran(w.reuse, task(&w, "f_b"));
    assert_int_equal(expected(&w, "f_c"), FINGERPRINT_NONE);
    end(&w);
}

/* What it returned may be asked for by a function behind it, and nobody has it. */
static void test_a_function_without_a_recorded_result_runs_again(void **unused)
{
    struct world w = GRAPH("a in - -", "f_b - - a", "join - - f_b", "f_c - - join", "f_d - - a", "f_e - - f_d");

    (void)unused;
    ran(&w, "a", 100);
    returned(&w, "f_b", NULL);
    returned(&w, "f_c", NULL);
    returned(&w, "f_d", NULL);
    returned(&w, "f_e", NULL);
    resume(&w);
    assert_int_equal(expected(&w, "f_b"), FINGERPRINT_NONE);
    assert_int_equal(expected(&w, "f_c"), FINGERPRINT_ANY);
    assert_int_equal(expected(&w, "f_d"), FINGERPRINT_NONE);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_inputs_is_looked_at),
        cmocka_unit_test(test_a_dependency_by_file_is_cut_off_and_another_is_not),
        cmocka_unit_test(test_paths_are_compared_as_the_graph_knows_them),
        cmocka_unit_test(test_a_join_passes_on_that_something_ran),
        cmocka_unit_test(test_what_never_ended_well_must_run),
        cmocka_unit_test(test_what_was_started_since_must_run_unless_it_was_only_looked_at),
        cmocka_unit_test(test_without_a_fingerprint_dependencies_are_followed),
        cmocka_unit_test(test_a_parent_that_was_done_later_counts_unless_files_tell),
        cmocka_unit_test(test_unchanged_is_done_for_every_later_resume),
        cmocka_unit_test(test_a_function_stays_done_if_nothing_before_it_ran),
        cmocka_unit_test(test_a_function_without_a_recorded_result_runs_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
