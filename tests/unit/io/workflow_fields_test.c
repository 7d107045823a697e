/* What each field of a task and of the header becomes in the graph. */
#include "io/workflow.h"

#include "base/buffer.h"
#include "workflow_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct task_resources *resources_of(const struct workflow *w, const char *id)
{
    return &w->graph->resources[task_of(w, id)->resource_class];
}

static const struct task_policy *policy_of(const struct workflow *w, const char *id)
{
    return &w->graph->policies[task_of(w, id)->policy];
}

static const char *program_of(const struct workflow *w, const char *id)
{
    return w->graph->programs[task_of(w, id)->program];
}

/* Packed texts with | after each. */
static const char *packed(const char *texts, uint32_t n_bytes)
{
    static char text[256];

    assert_true(n_bytes < sizeof(text));
    for (uint32_t i = 0; i < n_bytes; i++)
        text[i] = texts[i] == '\0' ? '|' : texts[i];
    text[n_bytes] = '\0';
    return text;
}

static const char *inputs_of(const struct workflow *w, const char *id)
{
    const struct task_files *files = task_of(w, id)->setting->files;

    return packed(files->inputs, files->n_inputs_bytes);
}

static const char *outputs_of(const struct workflow *w, const char *id)
{
    const struct task_files *files = task_of(w, id)->setting->files;

    return packed(files->outputs, files->n_outputs_bytes);
}

static enum graph_condition condition_between(const struct workflow *w, const char *parent, const char *child)
{
    task_id p = graph_find(w->graph, parent, strlen(parent));
    task_id c = graph_find(w->graph, child, strlen(child));

    for (uint64_t i = w->graph->child_first[p]; i < w->graph->child_first[p + 1]; i++)
        if (w->graph->children[i] == c)
            return graph_condition_at(w->graph, i);
    fail_msg("%s does not wait for %s", child, parent);
    return ON_OK;
}

static void assert_reason(const char *text, const char *reason)
{
    struct ganger_error err = {0};
    struct workflow w;

    if (workflow_parse(&w, "flow", text, strlen(text), &err) == 0)
        fail_msg("accepted: %s", text);
    if (strstr(err.text, reason) == NULL)
        fail_msg("%s", err.text);
}

/* ---- resources and queues */

static void test_a_task_asks_for_what_it_states(void **state)
{
    struct workflow w = parsed("{'queues': {'io': 4, 'rel': {'tokens': 9, 'order': 'strict'}, 'free': {}},\n"
                               " 'resources': {'lic': {'total': 5}, 'disk': {'per_node': 100}},\n"
                               " 'tasks': [{'id': 'a', 'command': 'x', 'gpus': 2, 'queue': 'rel', 'tokens': 3,\n"
                               "            'resources': {'disk': 70, 'lic': 5}, 'nodes': 1, 'ranks': 1},\n"
                               "           {'id': 'b', 'command': 'x', 'queue': 'io'},\n"
                               "           {'id': 'c', 'command': 'x', 'queue': 'free', 'tokens': 0}]}");
    const struct graph *g = w.graph;
    const struct task_resources *r = resources_of(&w, "a");

    (void)state;
    assert_int_equal(g->n_queues, 4);
    assert_int_equal(g->queues[r->queue].tokens, 9);
    assert_true(g->queues[r->queue].is_strict);
    assert_string_equal(g->queues[r->queue].name, "rel");
    assert_int_equal(r->gpus, 2);
    assert_int_equal(r->tokens, 3);
    assert_int_equal(r->n_amounts, 2);
    assert_true(r->amounts[0].resource < r->amounts[1].resource);
    for (uint32_t i = 0; i < 2; i++) {
        const struct graph_named *named = &g->named[r->amounts[i].resource];

        assert_int_equal(r->amounts[i].n, strcmp(named->name, "lic") == 0 ? 5 : 70);
        assert_int_equal(named->n, strcmp(named->name, "lic") == 0 ? 5 : 100);
        assert_int_equal(named->is_per_node, strcmp(named->name, "disk") == 0);
    }
    assert_int_equal(resources_of(&w, "b")->tokens, 1);
    assert_int_equal(g->queues[resources_of(&w, "b")->queue].tokens, 4);
    assert_false(g->queues[resources_of(&w, "b")->queue].is_strict);
    assert_int_equal(g->queues[resources_of(&w, "c")->queue].tokens, UINT32_MAX);
    assert_int_equal(resources_of(&w, "c")->tokens, 0);
    workflow_release(&w);
}

static void test_named_resources_add_to_those_of_the_defaults(void **state)
{
    struct workflow w = parsed("{'resources': {'a': {'total': 5}, 'b': {'total': 5}, 'c': {'total': 5}},\n"
                               " 'defaults': {'resources': {'b': 2, 'a': 1}},\n"
                               " 'tasks': [{'id': 'plain', 'command': 'x'},\n"
                               "   {'id': 'more', 'command': 'x', 'resources': {'c': 3}},\n"
                               "   {'id': 'other', 'command': 'x', 'resources': {'b': 4}},\n"
                               "   {'id': 'less', 'command': 'x', 'resources': {'a': 0}},\n"
                               "   {'id': 'none', 'command': 'x', 'resources': {'a': 0, 'b': 0, 'c': 0}}]}");

    (void)state;
    assert_int_equal(resources_of(&w, "plain")->n_amounts, 2);
    assert_int_equal(resources_of(&w, "more")->n_amounts, 3);
    assert_int_equal(resources_of(&w, "other")->n_amounts, 2);
    assert_int_equal(resources_of(&w, "other")->amounts[1].n, 4);
    assert_int_equal(resources_of(&w, "less")->n_amounts, 1);
    assert_string_equal(w.graph->named[resources_of(&w, "less")->amounts[0].resource].name, "b");
    assert_int_equal(task_of(&w, "none")->resource_class, 0);
    workflow_release(&w);
}

static void test_tokens_and_queue_may_come_from_different_places(void **state)
{
    struct workflow w = parsed("{'queues': {'q': 9}, 'defaults': {'tokens': 4}}\n"
                               "{'id': 'out', 'command': 'x'}\n"
                               "{'id': 'in', 'command': 'x', 'queue': 'q'}\n"
                               "{'id': 'own', 'command': 'x', 'queue': 'q', 'tokens': 2}");

    (void)state;
    assert_int_equal(task_of(&w, "out")->resource_class, 0);
    assert_int_equal(resources_of(&w, "in")->tokens, 4);
    assert_int_equal(resources_of(&w, "own")->tokens, 2);
    workflow_release(&w);
}

static void test_a_run_may_have_other_amounts(void **state)
{
    struct workflow w = parsed("{'resources': {'licence': {'total': 5}}}\n"
                               "{'id': 'a', 'command': 'x', 'resources': {'licence': 3}}\n"
                               "{'id': 'b', 'command': 'x'}");
    struct ganger_error unknown = {0};
    struct ganger_error too_few = {0};

    (void)state;
    assert_int_equal(workflow_set_amount(&w, "licence", 3, NULL), 0);
    assert_int_equal(w.graph->named[0].n, 3);
    assert_int_equal(workflow_set_amount(&w, "license", 9, &unknown), -1);
    assert_non_null(strstr(unknown.text, "did you mean \"licence\"?"));
    assert_int_equal(workflow_set_amount(&w, "licence", 2, &too_few), -1);
    assert_non_null(strstr(too_few.text, "task \"a\" takes 3"));
    assert_int_equal(w.graph->named[0].n, 3);
    workflow_release(&w);
}

static void test_many_amounts_of_memory_are_few_classes(void **state)
{
    struct workflow w =
        parsed("{'id': 'a{m}', 'for': {'m': '1-20000'}, 'command': 'x', 'memory': '{m}MB', 'timeout': '{m}s'}");

    (void)state;
    assert_true(w.graph->n_resources < 500);
    assert_int_equal(w.graph->n_policies, 20001);
    assert_true(policy_of(&w, "a19999")->timeout_s == 19999);
    workflow_release(&w);
}

/* ---- policy */

static void test_policy_is_that_of_the_task_over_the_defaults(void **state)
{
    struct workflow w =
        parsed("{'defaults': {'priority': -2, 'retries': 3, 'timeout': '1m', 'may_fail': true},\n"
               " 'tasks': [{'id': 'a', 'command': 'x'},\n"
               "   {'id': 'b', 'command': 'x', 'priority': 7, 'retries': 0, 'timeout': 0, 'may_fail': false},\n"
               "   {'id': 'c', 'command': 'x', 'timeout': 2.5},\n"
               "   {'id': 'd', 'command': 'x', 'retries': 3.0}]}");

    (void)state;
    assert_int_equal(policy_of(&w, "a")->priority, -2);
    assert_int_equal(policy_of(&w, "a")->retries, 3);
    assert_true(policy_of(&w, "a")->timeout_s == 60 && policy_of(&w, "a")->may_fail);
    assert_int_equal(policy_of(&w, "b")->priority, 7);
    assert_int_equal(policy_of(&w, "b")->retries, 0);
    assert_true(policy_of(&w, "b")->timeout_s == 0 && !policy_of(&w, "b")->may_fail);
    assert_true(policy_of(&w, "c")->timeout_s == 2.5 && policy_of(&w, "c")->may_fail);
    assert_int_equal(task_of(&w, "d")->policy, task_of(&w, "a")->policy);
    workflow_release(&w);
}

static void test_a_plain_task_is_of_the_first_classes(void **state)
{
    struct workflow w = parsed("{'id': 'a', 'command': 'x'}");

    (void)state;
    assert_int_equal(task_of(&w, "a")->resource_class, 0);
    assert_int_equal(task_of(&w, "a")->policy, 0);
    assert_null(task_of(&w, "a")->setting->files);
    assert_null(w.graph->setup);
    assert_null(w.graph->teardown);
    workflow_release(&w);
}

static void test_any_number_can_be_swept_over(void **state)
{
    struct workflow w = parsed("{'queues': {'q': 9}, 'resources': {'r': {'total': 9}}}\n"
                               "{'id': 'a{n}', 'for': {'n': [1, 3]}, 'command': 'x', 'cores': '{n}', 'gpus': '{n}',"
                               " 'memory': '{n}kB', 'queue': 'q', 'tokens': '{n}', 'resources': {'r': '{n}'},"
                               " 'priority': '-{n}', 'retries': '{n}0', 'timeout': '{n}m', 'cost': '{n}h'}\n"
                               "{'id': 'b{n}', 'for': {'n': [1]}, 'command': 'x', 'nodes': '{n}', 'ranks': '{n}'}");
    const struct task_resources *r = resources_of(&w, "a3");

    (void)state;
    assert_true(r->cores == 3 && r->gpus == 3 && r->memory_bytes == 3000 && r->tokens == 3);
    assert_true(r->n_amounts == 1 && r->amounts[0].n == 3);
    assert_int_equal(policy_of(&w, "a3")->priority, -3);
    assert_int_equal(policy_of(&w, "a3")->retries, 30);
    assert_true(policy_of(&w, "a3")->timeout_s == 180);
    assert_true(task_of(&w, "a3")->cost_s == 10800);
    assert_int_equal(resources_of(&w, "a1")->gpus, 1);
    assert_int_equal(task_of(&w, "b1")->resource_class, 0);
    workflow_release(&w);
}

/* ---- prefix and program */

static void test_a_prefix_stands_before_the_command(void **state)
{
    struct workflow w = parsed("{'defaults': {'prefix': ['box', 'exec {i}']},\n"
                               " 'tasks': [{'id': 'a', 'command': ['x', 'y']}, {'id': 'b', 'command': 'x y'},\n"
                               "   {'id': 'c', 'command': ['x'], 'prefix': ' nice -n  5 '},\n"
                               "   {'id': 'd', 'command': ['x'], 'prefix': []},\n"
                               "   {'id': 'e', 'command': 'x', 'prefix': ''},\n"
                               "   {'id': 'f{i}', 'for': {'i': ['1 2']}, 'command': ['x'], 'prefix': 'nice {i}'},\n"
                               "   {'id': 'g{i}', 'for': {'i': [1]}, 'command': ['x']}]}");

    (void)state;
    assert_string_equal(words_of(task_of(&w, "a")), "box|exec {i}|x|y|");
    assert_int_equal(task_of(&w, "a")->n_argv, 4);
    assert_string_equal(words_of(task_of(&w, "b")), "box|exec {i}|/bin/sh|-c|x y|");
    assert_int_equal(task_of(&w, "b")->n_argv, 5);
    assert_string_equal(words_of(task_of(&w, "c")), "nice|-n|5|x|");
    assert_int_equal(task_of(&w, "c")->n_argv, 4);
    assert_string_equal(words_of(task_of(&w, "d")), "x|");
    assert_int_equal(task_of(&w, "d")->n_argv, 1);
    assert_string_equal(words_of(task_of(&w, "e")), "/bin/sh|-c|x|");
    assert_string_equal(words_of(task_of(&w, "f1 2")), "nice|1 2|x|");
    assert_string_equal(words_of(task_of(&w, "g1")), "box|exec {i}|x|");
    workflow_release(&w);
}

static void test_the_program_is_what_a_task_runs(void **state)
{
    struct workflow w = parsed("{'defaults': {'prefix': 'box'}, 'tasks': [\n"
                               " {'id': 'array', 'command': ['/opt/bin/align', 'a/b']},\n"
                               " {'id': 'shell', 'command': '  bin/align -x y/z'},\n"
                               " {'id': 'set', 'command': 'A=1 B=\\'x y\\' C=$(date $(echo -u) ) ./align; other'},\n"
                               " {'id': 'group', 'command': '( cd /x && y )'},\n"
                               " {'id': 'quoted', 'command': '\\'my tools/align\\' x'},\n"
                               " {'id': 'pipe', 'command': 'sort|uniq'},\n"
                               " {'id': 'only', 'command': 'A=1'},\n"
                               " {'id': 'odd', 'command': ['a\\nb']},\n"
                               " {'id': 'own', 'command': 'x', 'program': 'solver'},\n"
                               " {'id': 'run/{i}', 'for': {'i': '1-3'}, 'command': 'x'},\n"
                               " {'id': 'k{i}', 'for': {'i': '1-3'}, 'command': 'x', 'program': 'p{i}'}]}");

    (void)state;
    assert_string_equal(program_of(&w, "array"), "align");
    assert_int_equal(task_of(&w, "shell")->program, task_of(&w, "array")->program);
    assert_string_equal(program_of(&w, "set"), "align");
    assert_string_equal(program_of(&w, "group"), "cd");
    assert_string_equal(program_of(&w, "quoted"), "align");
    assert_string_equal(program_of(&w, "pipe"), "sort");
    assert_int_equal(task_of(&w, "only")->program, 0);
    assert_int_equal(task_of(&w, "odd")->program, 0);
    assert_string_equal(program_of(&w, "own"), "solver");
    assert_string_equal(program_of(&w, "run/2"), "run/{i}");
    assert_int_equal(task_of(&w, "run/1")->program, task_of(&w, "run/3")->program);
    assert_string_equal(program_of(&w, "k3"), "p3");
    workflow_release(&w);
}

static void test_variables_that_are_set_are_no_program(void **state)
{
    struct workflow w = parsed("A=1 B=$HOME/x ./align\nA= align\n=x\n1A=2\n");

    (void)state;
    assert_string_equal(program_of(&w, "1"), "align");
    assert_string_equal(program_of(&w, "2"), "align");
    assert_string_equal(program_of(&w, "3"), "=x");
    assert_string_equal(program_of(&w, "4"), "1A=2");
    workflow_release(&w);
}

/* ---- conditions */

static void test_after_may_say_how_a_task_must_end(void **state)
{
    struct workflow w = parsed("{'tasks': [{'id': 'p', 'command': 'x'}, {'id': 'q', 'command': 'x'},\n"
                               " {'id': 'one', 'command': 'x', 'after': {'task': 'p', 'on': 'any'}},\n"
                               " {'id': 'more', 'command': 'x', 'after': [{'task': 'late', 'on': 'notok'}, 'p',\n"
                               "                                          {'task': 'q'}]},\n"
                               " {'id': 's{c}', 'for': {'c': ['ok', 'notok']}, 'command': 'x',\n"
                               "  'after': {'task': 'p', 'on': '{c}'}},\n"
                               " {'id': 'late', 'command': 'x'}]}");

    (void)state;
    assert_int_equal(condition_between(&w, "p", "one"), ON_ANY);
    assert_int_equal(condition_between(&w, "late", "more"), ON_NOTOK);
    assert_int_equal(condition_between(&w, "p", "more"), ON_OK);
    assert_int_equal(condition_between(&w, "q", "more"), ON_OK);
    assert_int_equal(condition_between(&w, "p", "snotok"), ON_NOTOK);
    assert_int_equal(w.graph->n_edges, 6);
    workflow_release(&w);
}

static void test_a_join_has_the_condition_on_its_own_edges(void **state)
{
    struct workflow w =
        parsed("{'tasks': [{'id': 'p{i}', 'for': {'i': '1-100'}, 'command': 'x'},\n"
               " {'id': 'c{i}', 'for': {'i': '1-50'}, 'command': 'x', 'after': {'task': 'p*', 'on': 'any'}},\n"
               " {'id': 'd{i}', 'for': {'i': '1-50'}, 'command': 'x', 'after': 'p*'}]}");
    task_id p = graph_find(w.graph, "p7", 2);
    unsigned n_any = 0;

    (void)state;
    assert_int_equal(w.graph->n_joins, 2);
    assert_int_equal(w.graph->n_edges, 300);
    for (uint64_t i = w.graph->child_first[p]; i < w.graph->child_first[p + 1]; i++) {
        task_id join = w.graph->children[i];

        assert_true(task_is_join(&w.graph->tasks[join]));
        n_any += graph_condition_at(w.graph, i) == ON_ANY;
        for (uint64_t k = w.graph->child_first[join]; k < w.graph->child_first[join + 1]; k++)
            assert_int_equal(graph_condition_at(w.graph, k), ON_OK);
    }
    assert_int_equal(n_any, 1);
    workflow_release(&w);
}

/* ---- files */

static void test_paths_are_those_of_the_document(void **state)
{
    struct workflow w = parsed("{'id': 'a{i}', 'for': {'i': [1]}, 'command': 'x', 'stdin': 'in/{i}',"
                               " 'stdout': 'out{i}', 'stderr': '/dev/null',"
                               " 'inputs': ['z', 'b{i}', 'z'], 'outputs': ['./q', 'p']}\n"
                               "{'id': 'b', 'command': 'x', 'stdout': 'o', 'stderr': 'o'}");
    const struct task_files *files = task_of(&w, "a1")->setting->files;

    (void)state;
    assert_string_equal(files->stdin_path, "in/1");
    assert_string_equal(files->stdout_path, "out1");
    assert_string_equal(files->stderr_path, "/dev/null");
    assert_string_equal(inputs_of(&w, "a1"), "b1|z|");
    assert_int_equal(files->n_inputs, 2);
    assert_string_equal(outputs_of(&w, "a1"), "./q|p|");
    assert_int_equal(files->n_outputs, 2);
    files = task_of(&w, "b")->setting->files;
    assert_null(files->stdin_path);
    assert_string_equal(files->stdout_path, files->stderr_path);
    assert_int_equal(files->n_inputs + files->n_outputs, 0);
    workflow_release(&w);
}

static void test_who_needs_a_file_waits_for_who_makes_it(void **state)
{
    struct workflow w = parsed("{'tasks': [\n"
                               " {'id': 'early', 'command': 'x', 'inputs': ['made/late', 'given']},\n"
                               " {'id': 'maker', 'command': 'x', 'cwd': 'made', 'outputs': ['late', '../other']},\n"
                               " {'id': 'user', 'command': 'x', 'inputs': ['other', 'made//./late', './other'],\n"
                               "  'after': 'maker'},\n"
                               " {'id': 'absolute', 'command': 'x', 'inputs': ['/other']},\n"
                               " {'id': 'writer', 'command': 'x', 'stdout': 'given'}]}");

    (void)state;
    assert_true(waits_for(&w, "early", "maker"));
    assert_true(waits_for(&w, "user", "maker"));
    assert_false(waits_for(&w, "absolute", "maker"));
    assert_false(waits_for(&w, "early", "writer"));
    assert_int_equal(w.graph->n_edges, 2);
    workflow_release(&w);
}

static void test_a_file_and_another_condition_are_two_edges(void **state)
{
    struct workflow w = parsed("{'tasks': [{'id': 'p', 'command': 'x', 'outputs': ['f']},\n"
                               " {'id': 'c', 'command': 'x', 'inputs': ['f'], 'after': {'task': 'p', 'on': 'any'}}]}");

    (void)state;
    assert_int_equal(w.graph->n_edges, 2);
    workflow_release(&w);
}

static void test_many_tasks_may_share_files_with_many(void **state)
{
    struct workflow w =
        parsed("{'tasks': [{'id': 'm{i}', 'for': {'i': '1-20000'}, 'command': 'x', 'outputs': ['f{i}'],\n"
               "  'stdout': 'l{i}'},\n"
               " {'id': 'c{i}', 'for': {'i': '1-20000'}, 'command': 'x', 'inputs': ['f{i}', 'f1', 'given']}]}");

    (void)state;
    assert_int_equal(w.graph->n_edges, 39999);
    assert_true(waits_for(&w, "c777", "m777") && waits_for(&w, "c777", "m1"));
    assert_false(waits_for(&w, "c777", "m778"));
    workflow_release(&w);
}

static void test_files_share_the_environment_of_the_defaults(void **state)
{
    struct workflow w = parsed("{'defaults': {'env': {'A': '1'}, 'cwd': 'w'}}\n"
                               "{'id': 'a', 'command': 'x', 'outputs': ['a']}\n"
                               "{'id': 'b', 'command': 'x', 'outputs': ['b']}\n"
                               "{'id': 'c', 'command': 'x', 'stdout': '/dev/null'}\n"
                               "{'id': 'd', 'command': 'x', 'stdout': '/dev/null'}\n"
                               "{'id': 'e', 'command': 'x', 'stderr': '/dev/null'}\n"
                               "{'id': 'f', 'command': 'x', 'inputs': []}");

    (void)state;
    assert_ptr_equal(task_of(&w, "a")->setting->env, task_of(&w, "b")->setting->env);
    assert_string_equal(env_of(task_of(&w, "a")), "A=1|");
    assert_string_equal(task_of(&w, "a")->setting->cwd, "w");
    assert_ptr_not_equal(task_of(&w, "a")->setting, task_of(&w, "b")->setting);
    assert_ptr_equal(task_of(&w, "c")->setting, task_of(&w, "d")->setting);
    assert_ptr_not_equal(task_of(&w, "c")->setting, task_of(&w, "e")->setting);
    assert_null(task_of(&w, "f")->setting->files);
    workflow_release(&w);
}

static void test_instances_may_write_to_one_name_in_folders_of_their_own(void **state)
{
    struct workflow w = parsed("{'id': 'a{i}', 'for': {'i': '1-2'}, 'command': 'x', 'cwd': '{i}', 'stdout': 'log'}");
    struct workflow same = parsed("{'id': 'a', 'command': 'x', 'stdout': 'log'}\n"
                                  "{'id': 'b', 'command': 'x', 'stdout': 'log', 'after': 'a'}");

    (void)state;
    workflow_release(&w);
    workflow_release(&same);
    assert_reason("{\"id\": \"a{i}\", \"for\": {\"i\": \"1-2\"}, \"command\": \"x\", "
                  "\"stdout\": \"d{i}/../log\"}",
                  "is written by \"a1\", too");
}

/* ---- the definition */

static void test_what_counts_for_the_definition(void **state)
{
    const char *plain = "{'id': 'a', 'command': ['x', 'y']}";
    const char *with_inputs = "{'id': 'a', 'command': ['x', 'y'], 'inputs': ['p', 'q']}";

    (void)state;
    assert_same_task(plain, "{'id': 'a', 'command': ['y'], 'prefix': ['x']}", true);
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y'], 'prefix': 'nice'}", false);
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y'], 'stdin': 'f'}", false);
    assert_same_task(plain, with_inputs, false);
    assert_same_task(with_inputs, "{'id': 'a', 'command': ['x', 'y'], 'inputs': ['q', 'p', 'q']}", true);
    assert_same_task(with_inputs, "{'id': 'a', 'command': ['x', 'y'], 'inputs': ['p']}", false);
    assert_same_task(with_inputs, "{'id': 'a', 'command': ['x', 'y'], 'inputs': ['p'], 'stdin': 'q'}", false);
    assert_same_task("{'id': 'a', 'command': 'x', 'stdin': 'p', 'inputs': ['q']}",
                     "{'id': 'a', 'command': 'x', 'stdin': 'q', 'inputs': ['p']}", false);
    assert_same_task(plain, "{'queues': {'q': 2}, 'resources': {'r': {'total': 1}}}\n"
                            "{'id': 'a', 'command': ['x', 'y'], 'stdout': 'f', 'stderr': 'g', 'outputs': ['h'],"
                            " 'gpus': 1, 'queue': 'q', 'tokens': 2, 'resources': {'r': 1}, 'priority': 3, 'retries': 4,"
                            " 'timeout': 5, 'may_fail': true, 'program': 'p', 'inputs': []}",
                     true);
}

static void test_the_digest_with_files_is_the_same_on_every_machine(void **state)
{
    (void)state;
    /* journals outlive versions of ganger: this number must never change */
    assert_int_equal(digest_of("{'id': 'a', 'command': ['x'], 'stdin': 's', 'inputs': ['p', 'q'], 'prefix': 'nice'}",
                               "a"),
                     UINT64_C(0xd829b0e19386270e));
}

/* ---- once on each node */

static void test_what_runs_once_on_each_node(void **state)
{
    struct workflow w = parsed("{'node': {'setup': 'mkdir d', 'teardown': ['rm', '-r', 'd'], 'timeout': '1m',\n"
                               "  'env': {'B': '2'}, 'cwd': '/tmp'},\n"
                               " 'defaults': {'env': {'A': '1'}, 'prefix': 'box', 'gpus': 2, 'retries': 3},\n"
                               " 'tasks': [{'id': 'a', 'command': 'x'}]}");
    const struct task *setup = w.graph->setup;

    (void)state;
    assert_string_equal(setup->id, "node.setup");
    assert_string_equal(words_of(setup), "/bin/sh|-c|mkdir d|");
    assert_int_equal(setup->n_argv, 3);
    assert_string_equal(env_of(setup), "B=2|");
    assert_string_equal(setup->setting->cwd, "/tmp");
    assert_true(w.graph->policies[setup->policy].timeout_s == 60);
    assert_int_equal(w.graph->policies[setup->policy].retries, 0);
    assert_int_equal(setup->resource_class, 0);
    assert_string_equal(w.graph->teardown->id, "node.teardown");
    assert_string_equal(words_of(w.graph->teardown), "rm|-r|d|");
    assert_int_equal(w.graph->n_tasks, 1);
    workflow_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_asks_for_what_it_states),
        cmocka_unit_test(test_named_resources_add_to_those_of_the_defaults),
        cmocka_unit_test(test_tokens_and_queue_may_come_from_different_places),
        cmocka_unit_test(test_a_run_may_have_other_amounts),
        cmocka_unit_test(test_many_amounts_of_memory_are_few_classes),
        cmocka_unit_test(test_policy_is_that_of_the_task_over_the_defaults),
        cmocka_unit_test(test_a_plain_task_is_of_the_first_classes),
        cmocka_unit_test(test_any_number_can_be_swept_over),
        cmocka_unit_test(test_a_prefix_stands_before_the_command),
        cmocka_unit_test(test_the_program_is_what_a_task_runs),
        cmocka_unit_test(test_variables_that_are_set_are_no_program),
        cmocka_unit_test(test_after_may_say_how_a_task_must_end),
        cmocka_unit_test(test_a_join_has_the_condition_on_its_own_edges),
        cmocka_unit_test(test_paths_are_those_of_the_document),
        cmocka_unit_test(test_who_needs_a_file_waits_for_who_makes_it),
        cmocka_unit_test(test_a_file_and_another_condition_are_two_edges),
        cmocka_unit_test(test_many_tasks_may_share_files_with_many),
        cmocka_unit_test(test_files_share_the_environment_of_the_defaults),
        cmocka_unit_test(test_instances_may_write_to_one_name_in_folders_of_their_own),
        cmocka_unit_test(test_what_counts_for_the_definition),
        cmocka_unit_test(test_the_digest_with_files_is_the_same_on_every_machine),
        cmocka_unit_test(test_what_runs_once_on_each_node),
    };

    return cmocka_run_group_tests_name("workflow_fields", tests, NULL, NULL);
}
