#include "io/workflow.h"

#include "base/buffer.h"
#include "scratch.h"
#include "workflow_text.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_a_document_becomes_a_graph(void **state)
{
    struct workflow w = parsed("{'name': 'three', 'tasks': [\n"
                               "  {'id': 'a', 'command': ['echo', 'x y', '']},\n"
                               "  {'id': 'b', 'command': 'echo $HOME', 'after': 'a', 'cost': 2.5},\n"
                               "  {'id': 'c', 'command': ['true'], 'after': ['a', 'b', 'a'], 'cost': '1h30m',\n"
                               "   'cores': 4, 'memory': '2GiB'}]}");

    (void)state;
    assert_string_equal(w.name, "three");
    assert_int_equal(w.graph->n_tasks, 3);
    assert_int_equal(w.graph->n_edges, 3);
    assert_true(w.graph->is_sealed);
    assert_false(w.graph->ids_are_places);
    assert_string_equal(words_of(task_of(&w, "a")), "echo|x y||");
    assert_int_equal(task_of(&w, "a")->n_argv, 3);
    assert_string_equal(words_of(task_of(&w, "b")), "/bin/sh|-c|echo $HOME|");
    assert_true(task_of(&w, "a")->cost_s == 0);
    assert_true(task_of(&w, "b")->cost_s == 2.5F);
    assert_true(task_of(&w, "c")->cost_s == 5400);
    assert_int_equal(w.graph->resources[task_of(&w, "c")->resource_class].cores, 4);
    assert_int_equal(w.graph->resources[task_of(&w, "c")->resource_class].memory_bytes, UINT64_C(2) << 30);
    assert_int_equal(task_of(&w, "a")->resource_class, 0);
    assert_null(task_of(&w, "a")->setting->cwd);
    assert_true(waits_for(&w, "c", "a") && waits_for(&w, "c", "b") && waits_for(&w, "b", "a"));
    workflow_release(&w);
}

static void test_json_lines_say_the_same_as_a_document(void **state)
{
    struct workflow w = parsed("{'name': 'lines', 'defaults': {'cost': 3}}\n\n"
                               "{'id': 'a', 'command': 'true', 'after': 'b'}\r\n"
                               "{'command': 'true', 'id': 'b', 'cost': 1}");

    (void)state;
    assert_string_equal(w.name, "lines");
    assert_int_equal(w.graph->n_tasks, 2);
    assert_true(waits_for(&w, "a", "b"));
    assert_true(task_of(&w, "a")->cost_s == 3);
    assert_true(task_of(&w, "b")->cost_s == 1);
    workflow_release(&w);
}

static void test_a_single_line_is_a_task_or_a_document(void **state)
{
    struct workflow task = parsed("{'id': 'a', 'command': 'true'}");
    struct workflow document = parsed("{'tasks': [{'id': 'a', 'command': 'true'}]}");

    (void)state;
    assert_int_equal(task.graph->n_tasks, 1);
    assert_int_equal(document.graph->n_tasks, 1);
    assert_string_equal(task.name, "flow");
    workflow_release(&task);
    workflow_release(&document);
}

static void test_a_list_numbers_its_commands(void **state)
{
    struct workflow w = parsed("# first\n\necho one\n   # second\r\n\t echo {two} # 2\r\n[ -e / ]");

    (void)state;
    assert_int_equal(w.graph->n_tasks, 3);
    assert_true(w.graph->ids_are_places);
    assert_string_equal(words_of(task_of(&w, "1")), "/bin/sh|-c|echo one|");
    assert_string_equal(words_of(task_of(&w, "2")), "/bin/sh|-c|echo {two} # 2|");
    assert_string_equal(words_of(task_of(&w, "3")), "/bin/sh|-c|[ -e / ]|");
    assert_int_equal(w.graph->n_edges, 0);
    workflow_release(&w);
}

static void test_a_list_may_begin_with_a_bracket(void **state)
{
    struct workflow w = parsed("[ -e / ] && true\n");

    (void)state;
    assert_int_equal(w.graph->n_tasks, 1);
    workflow_release(&w);
}

static void test_a_byte_order_mark_is_no_command(void **state)
{
    struct workflow list = parsed("\xef\xbb\xbf"
                                  "echo\n");
    struct workflow json = parsed("\xef\xbb\xbf{'tasks': [{'id': 'a', 'command': 'true'}]}");

    (void)state;
    assert_string_equal(words_of(task_of(&list, "1")), "/bin/sh|-c|echo|");
    assert_int_equal(json.graph->n_tasks, 1);
    workflow_release(&list);
    workflow_release(&json);
}

static void test_defaults_hold_where_a_task_says_nothing(void **state)
{
    struct workflow w = parsed(
        "{'defaults': {'env': {'B': '2', 'A': '1'}, 'cwd': '/d', 'cost': '90s', 'cores': 2, 'memory': 1000},\n"
        " 'tasks': [{'id': 'a', 'command': 'true'},\n"
        "  {'id': 'b', 'command': 'true', 'env': {'B': '3', 'C': '4'}, 'cores': 3},\n"
        "  {'id': 'c', 'command': 'true', 'cwd': '/c', 'memory': 5e3, 'cost': 0}]}");
    const struct task_resources *r = w.graph->resources;

    (void)state;
    assert_string_equal(env_of(task_of(&w, "a")), "A=1|B=2|");
    assert_int_equal(task_of(&w, "a")->setting->n_env, 2);
    assert_string_equal(task_of(&w, "a")->setting->cwd, "/d");
    assert_true(task_of(&w, "a")->cost_s == 90);
    assert_int_equal(r[task_of(&w, "a")->resource_class].cores, 2);
    assert_int_equal(r[task_of(&w, "a")->resource_class].memory_bytes, 1000);
    assert_string_equal(env_of(task_of(&w, "b")), "A=1|B=3|C=4|");
    assert_string_equal(task_of(&w, "b")->setting->cwd, "/d");
    assert_int_equal(r[task_of(&w, "b")->resource_class].cores, 3);
    assert_int_equal(r[task_of(&w, "b")->resource_class].memory_bytes, 1000);
    assert_string_equal(env_of(task_of(&w, "c")), "A=1|B=2|");
    assert_string_equal(task_of(&w, "c")->setting->cwd, "/c");
    assert_int_equal(r[task_of(&w, "c")->resource_class].memory_bytes, 5000);
    assert_true(task_of(&w, "c")->cost_s > 0 && task_of(&w, "c")->cost_s < 1e-3F);
    workflow_release(&w);
}

static void test_equal_settings_are_one(void **state)
{
    struct workflow w = parsed("{'tasks': [{'id': 'a', 'command': 'true', 'env': {'A': '1', 'B': '2'}},\n"
                               " {'id': 'b', 'command': 'true'},\n"
                               " {'id': 'c', 'command': 'true', 'env': {'B': '2', 'A': '1'}},\n"
                               " {'id': 'd', 'command': 'true', 'env': {'A': '1', 'B': '2'}, 'cwd': '/'}]}");

    (void)state;
    assert_ptr_equal(task_of(&w, "a")->setting, task_of(&w, "c")->setting);
    assert_ptr_not_equal(task_of(&w, "a")->setting, task_of(&w, "b")->setting);
    assert_ptr_not_equal(task_of(&w, "a")->setting, task_of(&w, "d")->setting);
    workflow_release(&w);
}

static void test_the_digest_is_that_of_the_definition(void **state)
{
    const char *plain = "{'tasks': [{'id': 'a', 'command': ['x', 'y']}]}";

    (void)state;
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y'], 'cost': 3, 'cores': 2, 'memory': 5}", true);
    assert_same_task(plain, "{'defaults': {'cost': 1}}\n{'id': 'a', 'command': ['x', 'y']}", true);
    assert_same_task(plain, "{'id': 'a', 'command': ['xy']}", false);
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y', '']}", false);
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y'], 'cwd': '/'}", false);
    assert_same_task(plain, "{'id': 'a', 'command': ['x', 'y'], 'env': {'A': ''}}", false);
    assert_same_task(plain, "{'defaults': {'cwd': '/'}}\n{'id': 'a', 'command': ['x', 'y']}", false);
    assert_same_task("{'id': 'a', 'command': 'x', 'env': {'A': '1', 'B': '2'}}",
                     "{'defaults': {'env': {'A': '1'}}}\n{'id': 'a', 'command': 'x', 'env': {'B': '2'}}", true);
}

static void test_the_digest_is_the_same_on_every_machine(void **state)
{
    (void)state;
    /* journals outlive versions of ganger: these numbers must never change */
    assert_int_equal(digest_of("{'id': 'a', 'command': ['echo', 'hello'], 'env': {'A': '1'}, 'cwd': '/'}", "a"),
                     UINT64_C(0x0d77e55d21b44df0));
    assert_int_equal(digest_of("{'id': 'a', 'command': ['echo', 'hello']}", "a"), UINT64_C(0x50786bb3090b996e));
    assert_int_equal(digest_of("{'id': 'a', 'command': 'echo hello | cat'}", "a"), UINT64_C(0x2411bc0440c691de));
    assert_int_equal(digest_of("{'defaults': {'cwd': '/w', 'env': {'B': '2'}, 'cores': 2}}\n"
                               "{'id': 'a', 'command': 'x', 'env': {'A': '1'}, 'cost': 3}",
                               "a"),
                     UINT64_C(0x1690699aad3fe4ea));
    assert_int_equal(digest_of("echo one\n", "1"), UINT64_C(0x12829ec09af8db70));
}

static void test_for_makes_every_combination(void **state)
{
    struct workflow w = parsed(
        "{'tasks': [{'id': 'run.{T}.{s}', 'for': {'T': [1.5, '2', 3, 4.0], 's': '08-10'},\n"
        "  'command': ['sim', '{T}', '--seed={s}', '{other}', '${HOME} {s'], 'env': {'S': '<{s}>'}, 'cwd': 'd{T}',\n"
        "  'cost': '{s}s', 'memory': '{s}MB'},\n"
        " {'id': 'mean.{T}', 'for': {'T': [1.5, 2]}, 'after': 'run.{T}.*',\n"
        "  'command': 'awk {print} {T}'}]}");

    (void)state;
    assert_int_equal(w.graph->n_tasks - w.graph->n_joins, 14);
    assert_string_equal(w.graph->tasks[0].id, "run.1.5.08");
    assert_string_equal(w.graph->tasks[1].id, "run.1.5.09");
    assert_string_equal(w.graph->tasks[11].id, "run.4.0.10");
    assert_string_equal(words_of(task_of(&w, "run.2.09")), "sim|2|--seed=09|{other}|${HOME} {s|");
    assert_string_equal(env_of(task_of(&w, "run.2.09")), "S=<09>|");
    assert_string_equal(task_of(&w, "run.2.09")->setting->cwd, "d2");
    assert_true(task_of(&w, "run.3.09")->cost_s == 9);
    assert_int_equal(w.graph->resources[task_of(&w, "run.3.10")->resource_class].memory_bytes, 10000000);
    assert_true(waits_for(&w, "mean.1.5", "run.1.5.10"));
    assert_false(waits_for(&w, "mean.1.5", "run.2.10"));
    assert_string_equal(words_of(task_of(&w, "mean.2")), "/bin/sh|-c|awk {print} 2|");
    workflow_release(&w);
}

static void test_cores_can_be_swept_over(void **state)
{
    struct workflow w = parsed("{'id': 'n{n}', 'for': {'n': [1, 2, 4]}, 'cores': '{n}', 'command': 'true'}");

    (void)state;
    assert_int_equal(w.graph->resources[task_of(&w, "n4")->resource_class].cores, 4);
    workflow_release(&w);
}

static void test_for_leaves_the_defaults_alone(void **state)
{
    struct workflow w = parsed("{'defaults': {'env': {'A': '{i}'}}}\n"
                               "{'id': 'a{i}', 'for': {'i': '1-1'}, 'command': 'true', 'env': {'B': '{i}'}}\n"
                               "{'id': 'b{i}', 'for': {'i': '1-1'}, 'command': 'true'}");

    (void)state;
    assert_string_equal(env_of(task_of(&w, "a1")), "A={i}|B=1|");
    assert_string_equal(env_of(task_of(&w, "b1")), "A={i}|");
    workflow_release(&w);
}

static void test_tasks_that_share_a_wildcard_share_a_join(void **state)
{
    struct workflow w = parsed("{'tasks': [{'id': 'p{i}', 'for': {'i': '1-100'}, 'command': 'true'},\n"
                               "  {'id': 'c{i}', 'for': {'i': '1-50'}, 'command': 'true', 'after': 'p*'}]}");

    (void)state;
    assert_int_equal(w.graph->n_joins, 1);
    assert_int_equal(w.graph->n_edges, 150);
    workflow_release(&w);
}

static void test_a_wildcard_never_matches_the_task_itself(void **state)
{
    struct workflow w = parsed("{'tasks': [{'id': 'x1', 'command': 'true'}, {'id': 'x2', 'command': 'true'},\n"
                               "  {'id': 'xall', 'command': 'true', 'after': 'x*'}]}");

    (void)state;
    assert_int_equal(w.graph->n_edges, 2);
    assert_true(waits_for(&w, "xall", "x1") && waits_for(&w, "xall", "x2"));
    workflow_release(&w);
}

static void test_the_same_bytes_have_the_same_digest(void **state)
{
    struct workflow a = parsed("true\n");
    struct workflow b = parsed("true\n");
    struct workflow c = parsed("true\n\n");

    (void)state;
    assert_int_equal(a.digest, b.digest);
    assert_int_not_equal(a.digest, c.digest);
    workflow_release(&a);
    workflow_release(&b);
    workflow_release(&c);
}

static void test_a_file_of_many_blocks_is_read_whole(void **state)
{
    char *folder = scratch_make();
    char *path = xasprintf("%s/many.flow.jsonl", folder);
    struct ganger_error err = {0};
    struct buffer text = BUFFER_EMPTY;
    struct workflow from_file;
    struct workflow from_memory;

    (void)state;
    for (int i = 0; i < 20000; i++)
        buffer_printf(&text, "{\"id\": \"t%d\", \"command\": [\"echo\", \"%0*d\"], \"after\": []}\n", i, i % 97 + 1, i);
    scratch_write(path, text.bytes, text.n);
    assert_int_equal(workflow_load(&from_file, path, &err), 0);
    assert_int_equal(workflow_parse(&from_memory, path, text.bytes, text.n, &err), 0);
    assert_string_equal(from_file.name, "many.flow");
    assert_int_equal(from_file.graph->n_tasks, 20000);
    assert_int_equal(from_file.digest, from_memory.digest);
    for (task_id t = 0; t < 20000; t++)
        assert_int_equal(from_file.graph->tasks[t].digest, from_memory.graph->tasks[t].digest);
    workflow_release(&from_file);
    workflow_release(&from_memory);
    buffer_release(&text);
    free(path);
    scratch_remove(folder);
}

static void assert_not_loaded(const char *path, enum error_cause cause, const char *reason)
{
    struct ganger_error err = {0};
    struct workflow w;

    assert_int_equal(workflow_load(&w, path, &err), -1);
    assert_int_equal(err.cause, cause);
    if (strstr(err.text, reason) == NULL || strstr(err.text, path) == NULL)
        fail_msg("%s", err.text);
}

static void test_what_is_no_readable_file_is_told(void **state)
{
    char *folder = scratch_make();
    char *path = xasprintf("%s/none.json", folder);

    (void)state;
    assert_not_loaded(path, ERROR_USAGE, "No such file");
    assert_not_loaded(folder, ERROR_USAGE, "is a directory");
    close(open(path, O_CREAT | O_WRONLY, 0));
    if (access(path, R_OK) != 0) /* root may read anything */
        assert_not_loaded(path, ERROR_USAGE, "Permission denied");
    free(path);
    scratch_remove(folder);
}

/* Every line of the file `error` is a part of the message. */
static void assert_refused(const char *folder)
{
    char *input_path = xasprintf("%s/input", folder);
    char *error_path = xasprintf("%s/error", folder);
    size_t n_input;
    size_t n_expected;
    char *input = scratch_read(input_path, &n_input);
    char *expected = scratch_read(error_path, &n_expected);
    struct ganger_error err = {0};
    struct workflow w;
    char *rest = expected;

    if (workflow_parse(&w, "input", input, n_input, &err) == 0)
        fail_msg("%s is accepted", folder);
    assert_int_equal(err.cause, ERROR_USAGE);
    for (char *part; (part = strsep(&rest, "\n")) != NULL;)
        if (strstr(err.text, part) == NULL)
            fail_msg("%s: \"%s\" is not in: %s", folder, part, err.text);
    free(input);
    free(expected);
    free(input_path);
    free(error_path);
}

static void test_every_bad_workflow_is_refused_for_its_reason(void **state)
{
    static const char root[] = GANGER_SOURCE_DIR "/tests/bad-workflows";
    DIR *dir = opendir(root);
    unsigned n = 0;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *folder = xasprintf("%s/%s", root, entry->d_name);

        if (entry->d_name[0] != '.') {
            assert_refused(folder);
            n++;
        }
        free(folder);
    }
    closedir(dir);
    assert_true(n > 190);
}

static void test_every_good_workflow_is_accepted(void **state)
{
    static const char root[] = GANGER_SOURCE_DIR "/tests/good-workflows";
    DIR *dir = opendir(root);
    unsigned n = 0;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *path = xasprintf("%s/%s", root, entry->d_name);
        struct ganger_error err = {0};
        struct workflow w;

        if (entry->d_name[0] != '.') {
            if (workflow_load(&w, path, &err) != 0)
                fail_msg("%s", err.text);
            workflow_release(&w);
            n++;
        }
        free(path);
    }
    closedir(dir);
    assert_true(n >= 5);
}

/* The examples of docs/workflow-format.md: what stands between ```json, ```jsonl or ```list and ```. */
static void test_the_documented_examples_are_accepted(void **state)
{
    size_t n_bytes;
    char *text = scratch_read(GANGER_SOURCE_DIR "/docs/workflow-format.md", &n_bytes);
    unsigned n = 0;

    (void)state;
    for (char *start = text; (start = strstr(start, "\n```")) != NULL; n++) {
        char *body = strchr(start + 1, '\n');
        char *end = body ? strstr(body, "\n```") : NULL;
        struct ganger_error err = {0};
        struct workflow w;

        assert_non_null(end);
        if (workflow_parse(&w, "example", body + 1, (size_t)(end - body), &err) != 0)
            fail_msg("%s in: %.*s", err.text, (int)(end - body), body);
        workflow_release(&w);
        start = end + 4;
    }
    assert_int_equal(n, 14);
    free(text);
}

static void test_a_document_cut_anywhere_is_refused(void **state)
{
    const char *text = "{\"name\": \"x\", \"tasks\": [\n"
                       "{\"id\": \"a{i}\", \"for\": {\"i\": \"1-2\"}, \"command\": \"true\", "
                       "\"after\": [\"b*\"]}, {\"id\": \"b\\u00e4\", \"command\": [\"true\"]}]}";
    size_t n = strlen(text);
    struct workflow w;

    (void)state;
    assert_int_equal(workflow_parse(&w, "flow.json", text, n, NULL), 0);
    workflow_release(&w);
    for (size_t i = 0; i < n; i++) {
        struct ganger_error err = {0};

        if (workflow_parse(&w, "flow.json", text, i, &err) == 0)
            fail_msg("accepted after %zu bytes", i);
        assert_int_equal(err.cause, ERROR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_document_becomes_a_graph),
        cmocka_unit_test(test_json_lines_say_the_same_as_a_document),
        cmocka_unit_test(test_a_single_line_is_a_task_or_a_document),
        cmocka_unit_test(test_a_list_numbers_its_commands),
        cmocka_unit_test(test_a_list_may_begin_with_a_bracket),
        cmocka_unit_test(test_a_byte_order_mark_is_no_command),
        cmocka_unit_test(test_defaults_hold_where_a_task_says_nothing),
        cmocka_unit_test(test_equal_settings_are_one),
        cmocka_unit_test(test_the_digest_is_that_of_the_definition),
        cmocka_unit_test(test_the_digest_is_the_same_on_every_machine),
        cmocka_unit_test(test_for_makes_every_combination),
        cmocka_unit_test(test_cores_can_be_swept_over),
        cmocka_unit_test(test_for_leaves_the_defaults_alone),
        cmocka_unit_test(test_tasks_that_share_a_wildcard_share_a_join),
        cmocka_unit_test(test_a_wildcard_never_matches_the_task_itself),
        cmocka_unit_test(test_the_same_bytes_have_the_same_digest),
        cmocka_unit_test(test_a_file_of_many_blocks_is_read_whole),
        cmocka_unit_test(test_what_is_no_readable_file_is_told),
        cmocka_unit_test(test_every_bad_workflow_is_refused_for_its_reason),
        cmocka_unit_test(test_every_good_workflow_is_accepted),
        cmocka_unit_test(test_the_documented_examples_are_accepted),
        cmocka_unit_test(test_a_document_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests_name("workflow", tests, NULL, NULL);
}
