#include "io/import.h"

#include "io/workflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct import_options plain = {
    .file = "dir/flow.x", .replay_program = "/opt/ganger-replay", .forward_program = "/opt/ganger-forward"};

struct imported
{
    struct buffer ours;
    struct buffer warnings;
    struct ganger_error err;
    int status;
};

/* JSON is written with ' for ", which none of it needs otherwise; Pegasus' text is taken as it is. */
static char *quoted(const char *text, enum import_format format)
{
    char *copy = xstrdup(text);

    for (char *p = copy; format == IMPORT_WFFORMAT && *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

static struct imported convert(enum import_format format, const char *text, const struct import_options *options)
{
    struct imported got = {.status = 0};
    char *copy = quoted(text, format);

    got.status = import_convert(format, copy, strlen(copy), options, &got.ours, &got.warnings, &got.err);
    buffer_put_u8(&got.ours, 0);
    buffer_put_u8(&got.warnings, 0);
    free(copy);
    return got;
}

static void release(struct imported *got)
{
    buffer_release(&got->ours);
    buffer_release(&got->warnings);
}

/* What is made of it: our own text, with ' for ", and its warnings; it must be a workflow that can be read. */
static void assert_becomes(enum import_format format, const struct import_options *options, const char *text,
                           const char *wanted, const char *wanted_warnings)
{
    struct imported got = convert(format, text, options);
    struct ganger_error err = {0};
    struct workflow w;

    if (got.status != 0)
        fail_msg("%s", got.err.text);
    if (workflow_parse(&w, "imported", got.ours.bytes, got.ours.n - 1, &err) != 0)
        fail_msg("%s\n%s", err.text, got.ours.bytes);
    workflow_release(&w);
    for (char *p = got.ours.bytes; *p != '\0'; p++)
        if (*p == '"')
            *p = '\'';
    assert_string_equal(got.ours.bytes, wanted);
    assert_string_equal(got.warnings.bytes, wanted_warnings);
    release(&got);
}

static void assert_refused(enum import_format format, const struct import_options *options, const char *text,
                           const char *wanted)
{
    struct imported got = convert(format, text, options);

    assert_int_equal(got.status, -1);
    assert_int_equal(got.err.cause, ERROR_USAGE);
    if (strstr(got.err.text, wanted) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", got.err.text, wanted);
    release(&got);
}

/* ---- recognising */

static enum import_format format_of(const char *text)
{
    char *copy = quoted(text, IMPORT_WFFORMAT);
    bool needs_more = true;
    enum import_format format = import_recognise(copy, strlen(copy), true, &needs_more);

    assert_false(needs_more);
    free(copy);
    return format;
}

static void test_a_trace_is_known_by_its_outermost_keys(void **state)
{
    (void)state;
    assert_int_equal(format_of("{'name':'x','schemaVersion':'1.5','workflow':{}}"), IMPORT_WFFORMAT);
    assert_int_equal(format_of("\xef\xbb\xbf\n { 'a' : [{'tasks':'}]'}, 2] , 'workflow' : {} }"), IMPORT_WFFORMAT);
    assert_int_equal(format_of("{'name':'workflow','tasks':[{'id':'a','command':'x'}]}"), IMPORT_OURS);
    assert_int_equal(format_of("{'name':'a \\\\'workflow\\\\':'}\n{'id':'workflow','command':'x'}"), IMPORT_OURS);
    assert_int_equal(format_of("{'env':{'workflow':'x'}}"), IMPORT_OURS);
}

static void test_pegasus_is_known_by_its_first_record(void **state)
{
    (void)state;
    assert_int_equal(format_of("# a comment\n\n  TASK a /bin/true\n"), IMPORT_PMC);
    assert_int_equal(format_of("TASK a -m x /bin/true"), IMPORT_PMC);
    assert_int_equal(format_of("EDGE a b\r\n"), IMPORT_PMC);
}

static void test_a_list_of_commands_stays_one(void **state)
{
    (void)state;
    assert_int_equal(format_of("TASKS a b\n"), IMPORT_OURS);
    assert_int_equal(format_of("TASK one\nTASK two\n"), IMPORT_OURS);
    assert_int_equal(format_of("EDGE a b c\n"), IMPORT_OURS);
    assert_int_equal(format_of("echo TASK a b\nTASK a b\n"), IMPORT_OURS);
    assert_int_equal(format_of("# TASK a b\necho\n"), IMPORT_OURS);
    assert_int_equal(format_of(""), IMPORT_OURS);
    assert_int_equal(format_of("[ -e x ] && y"), IMPORT_OURS);
}

static void test_recognising_asks_for_more_until_it_knows(void **state)
{
    static const char trace[] = "{\"description\":\"long\",\"createdAt\":\"x\",\"workflow\":{";
    static const char list[] = "# comment\nTASK a /bin/true\nEDGE";
    bool needs_more;

    (void)state;
    for (size_t n = 0; n < sizeof(trace) - 1; n++) {
        enum import_format format = import_recognise(trace, n, false, &needs_more);

        assert_true(needs_more ? format == IMPORT_OURS : format == IMPORT_WFFORMAT);
        assert_int_equal(needs_more, n < sizeof(trace) - 3);
    }
    for (size_t n = 0; n < sizeof(list); n++) {
        import_recognise(list, n, false, &needs_more);
        assert_int_equal(needs_more, n < 27);
    }
}

/* ---- Pegasus MPI Cluster */

static void test_pegasus_options_become_ours(void **state)
{
    (void)state;
    assert_becomes(IMPORT_PMC, &plain,
                   "TASK a -m 99.1 -c 1.1 -t 3 -p -5 /bin/echo x\n"
                   "TASK b --request-memory 100 --request-cpus 2 --tries 1 --priority 7 y -m 3\n"
                   "TASK c -c 0 z\n",
                   "{'name':'flow'}\n"
                   "{'id':'a','command':['/bin/echo','x'],'cores':2,'memory':104857600,'retries':2,'priority':-5}\n"
                   "{'id':'b','command':['y','-m','3'],'cores':2,'memory':104857600,'priority':7}\n"
                   "{'id':'c','command':['z']}\n",
                   "dir/flow.x: --request-cpus 0 became one core: a task occupies at least one (at c)\n");
}

static void test_pegasus_dependencies_become_after(void **state)
{
    (void)state;
    assert_becomes(IMPORT_PMC, &plain, "TASK A x\nTASK B x\r\nTASK C x\n\nEDGE A C\nEDGE B C\nEDGE A B\nEDGE A C\n",
                   "{'name':'flow'}\n"
                   "{'id':'A','command':['x']}\n"
                   "{'id':'B','command':['x'],'after':['A']}\n"
                   "{'id':'C','command':['x'],'after':['A','B']}\n",
                   "dir/flow.x: an EDGE stands there more than once; it counts once\n");
}

static void test_pegasus_words_may_be_quoted(void **state)
{
    (void)state;
    assert_becomes(IMPORT_PMC, &plain,
                   "TASK A x \"first one\" \"\" a\\ b \"say \\\"hi\\\"\" end\\\\\\\n"
                   "TASK B x /a\"b c\"/d \"not closed\n"
                   "TASK C x {T} * # $HOME $PMC_RANK\n",
                   "{'name':'flow'}\n"
                   "{'id':'A','command':['x','first one','','a b','say \\'hi\\'','end\\\\\\\\']}\n"
                   "{'id':'B','command':['x','/ab c/d','not closed']}\n"
                   "{'id':'C','command':['x','{T}','*','#','$HOME','$PMC_RANK']}\n",
                   "dir/flow.x: a quote that is not closed is taken to end with its line (at B)\n"
                   "dir/flow.x: a command speaks of PMC_ variables, which are not set here; GANGER_TASK_ID, "
                   "GANGER_CORES and GANGER_WORKER are (at C)\n");
}

static void test_pegasus_marks_name_the_program_of_the_next_task(void **state)
{
    (void)state;
    assert_becomes(IMPORT_PMC, &plain, "#@ 1 mDiff:3.3 ID01\nTASK A /bin/kickstart mDiff\n#@ 2\nTASK B y\nTASK C z\n",
                   "{'name':'flow'}\n"
                   "{'id':'A','command':['/bin/kickstart','mDiff'],'program':'mDiff:3.3'}\n"
                   "{'id':'B','command':['y']}\n"
                   "{'id':'C','command':['z']}\n",
                   "");
}

static void test_pegasus_forwards_go_through_a_program_of_ours(void **state)
{
    struct import_options alone = plain;

    (void)state;
    assert_becomes(IMPORT_PMC, &plain, "TASK A -f V=/a=b --file-forward src=dst -c 2 ./bin/x y\n",
                   "{'name':'flow'}\n"
                   "{'id':'A','command':['/opt/ganger-forward','-f','V=/a=b','-F','src=dst','--','./bin/x','y'],"
                   "'cores':2,'program':'x'}\n",
                   "");
    alone.forward_program = NULL;
    assert_refused(IMPORT_PMC, &alone, "TASK A -f V=f x\n", "needs ganger-forward");
}

static void test_pegasus_mistakes_are_told_with_their_line(void **state)
{
    char text[4096] = "# x\nTASK ";

    (void)state;
    assert_refused(IMPORT_PMC, &plain, "TASK A x\nEDGE A B\n", "dir/flow.x:2: EDGE names \"B\", which no TASK above");
    assert_refused(IMPORT_PMC, &plain, "TASK A x\nEDGE A\n", "dir/flow.x:2: EDGE takes two ids");
    assert_refused(IMPORT_PMC, &plain, "TASK A x\nEDGE A A A\n", "dir/flow.x:2: EDGE takes two ids");
    assert_refused(IMPORT_PMC, &plain, "TASK A x\n\nTASK A y\n", "x:3: the task \"A\" is there already, on line 1");
    assert_refused(IMPORT_PMC, &plain, "TASK A x\nJOB B y\n", "flow.x:2: \"JOB\" begins no record");
    assert_refused(IMPORT_PMC, &plain, "TASK A\n", "flow.x:1: task \"A\": it has no executable");
    assert_refused(IMPORT_PMC, &plain, "TASK A -c 2\n", "it has no executable");
    assert_refused(IMPORT_PMC, &plain, "TASK A ''\n", "it has no executable");
    assert_refused(IMPORT_PMC, &plain, "TASK A -c\n", "--request-cpus needs a value");
    assert_refused(IMPORT_PMC, &plain, "TASK A -x 2 y\n", "\"-x\" is no option of a TASK");
    assert_refused(IMPORT_PMC, &plain, "TASK A -m -10.0 y\n", "--request-memory takes a number from 0");
    assert_refused(IMPORT_PMC, &plain, "TASK A -m a y\n", "not \"a\"");
    assert_refused(IMPORT_PMC, &plain, "TASK A -m nan y\n", "not \"nan\"");
    assert_refused(IMPORT_PMC, &plain, "TASK A -m 1e30 y\n", "--request-memory takes a number");
    assert_refused(IMPORT_PMC, &plain, "TASK A -c 1000000 y\n", "--request-cpus takes a number from 0 to 65535");
    assert_refused(IMPORT_PMC, &plain, "TASK A -t 0 y\n", "--tries takes a whole number from 1");
    assert_refused(IMPORT_PMC, &plain, "TASK A -p 1.5 y\n", "--priority takes a whole number");
    assert_refused(IMPORT_PMC, &plain, "TASK A -f x y\n", "--pipe-forward takes VARIABLE=FILE");
    assert_refused(IMPORT_PMC, &plain, "TASK A -F =x y\n", "--file-forward takes SOURCE=DESTINATION");
    assert_refused(IMPORT_PMC, &plain, "TASK A* x\n", "holds one of * ? { }");
    assert_refused(IMPORT_PMC, &plain, "TASK A x \xff\n", "not UTF-8");
    assert_refused(IMPORT_PMC, &plain, "# nothing\n", "there is no TASK in it");
    memset(text + strlen(text), 'n', 3000);
    assert_refused(IMPORT_PMC, &plain, strcat(text, " x\n"), "flow.x:2: the task's id \"nnn");
    assert_refused(IMPORT_PMC, &plain, text, "(3000 bytes) is longer than 255 bytes");
}

/* ---- WfFormat */

#define TRACE(tasks, files, runs)                                                                                      \
    "{'name':'trace','schemaVersion':'1.5','workflow':{'specification':{'tasks':[" tasks "],'files':[" files           \
    "]},'execution':{'tasks':[" runs "]}}}"

static const char two_tasks[] = TRACE(
    "{'id':'a','name':'a','parents':[],'children':['b'],'inputFiles':['in','in'],'outputFiles':['x/../mid']},"
    "{'id':'b','name':'b','parents':['a'],'children':[],'inputFiles':['x/../mid'],'outputFiles':['/out']}",
    "{'id':'in','sizeInBytes':7},{'id':'x/../mid','sizeInBytes':3000000000},{'id':'/out','sizeInBytes':0}",
    "{'id':'a','runtimeInSeconds':2.5,'coreCount':1.5,'memoryInBytes':1000,'priority':3,"
    "'command':{'program':'p','arguments':['-x','>']}},"
    "{'id':'b','runtimeInSeconds':0,'command':{'program':'q'}}");

static void test_a_trace_runs_its_recorded_commands(void **state)
{
    (void)state;
    assert_becomes(IMPORT_WFFORMAT, &plain, two_tasks,
                   "{'name':'trace'}\n"
                   "{'id':'a','command':['p','-x','>'],'cost':2.5,'cores':2,'program':'p','memory':1000,'priority':3,"
                   "'inputs':['in'],'outputs':['x/../mid']}\n"
                   "{'id':'b','command':['q'],'cost':0,'program':'q','inputs':['x/../mid'],'outputs':['/out'],"
                   "'after':['a']}\n",
                   "dir/flow.x: a task had a part of a core; rounded up to whole cores (at a)\n"
                   "dir/flow.x: an argument looks like a redirection of a shell; it is passed to the program as it is "
                   "(at a)\n");
}

static void test_a_replay_has_stand_ins_with_files(void **state)
{
    struct import_options replay = plain;

    (void)state;
    replay.replay = (struct replay_options){.scale = 0.1, .mode = REPLAY_SPIN, .files = REPLAY_FULL};
    assert_becomes(IMPORT_WFFORMAT, &replay, two_tasks,
                   "{'name':'trace','node':{'setup':['/opt/ganger-replay','--dir','flow.replay','--full','--make',"
                   "'-o','7:in']}}\n"
                   "{'id':'a','command':['/opt/ganger-replay','--dir','flow.replay','--full','--spin','0.250000000',"
                   "'--cores','2','-i','7:in','-i','7:in','-o','3000000000:x/%2E./mid'],'cost':0.25,'cores':2,"
                   "'program':'p'}\n"
                   "{'id':'b','command':['/opt/ganger-replay','--dir','flow.replay','--full','--spin','0.000000000',"
                   "'-i','3000000000:x/%2E./mid','-o','0:%2Fout'],'cost':0,'program':'q','after':['a']}\n",
                   "dir/flow.x: a task had a part of a core; rounded up to whole cores (at a)\n");
    replay.replay = (struct replay_options){.scale = 2, .files = REPLAY_NONE, .dir = "d"};
    assert_becomes(IMPORT_WFFORMAT, &replay, TRACE("{'id':'a'},{'id':'b','parents':['a'],'inputFiles':['f']}", "", ""),
                   "{'name':'trace'}\n"
                   "{'id':'a','command':['/opt/ganger-replay','--sleep','0.000000000']}\n"
                   "{'id':'b','command':['/opt/ganger-replay','--sleep','0.000000000'],'after':['a']}\n",
                   "dir/flow.x: a file states no size; it is taken to be empty (at f)\n"
                   "dir/flow.x: a task has no recorded run time; it is replayed in no time (2 times, first at a)\n");
    replay.replay_program = NULL;
    assert_refused(IMPORT_WFFORMAT, &replay, two_tasks, "needs ganger-replay");
    assert_refused(IMPORT_PMC, &replay, "TASK A x\n", "records no run times");
}

static void test_files_add_the_edges_that_parents_leave_out(void **state)
{
    (void)state;
    assert_becomes(IMPORT_WFFORMAT, &plain,
                   TRACE("{'id':'b','inputFiles':['f','g'],'outputFiles':['b']},"
                         "{'id':'a','outputFiles':['f','g','f'],'inputFiles':['f'],'children':['c']},"
                         "{'id':'c','inputFiles':['g'],'outputFiles':['g']}",
                         "{'id':'f','sizeInBytes':1},{'id':'g','sizeInBytes':1},{'id':'b','sizeInBytes':1}",
                         "{'id':'a','command':{'program':'p'}},{'id':'b','command':{'program':'p'}},"
                         "{'id':'c','command':{'program':'p'}},{'id':'d'}"),
                   "{'name':'trace'}\n"
                   "{'id':'b','command':['p'],'program':'p','inputs':['f'],'outputs':['b'],'after':['a']}\n"
                   "{'id':'a','command':['p'],'program':'p','outputs':['f']}\n"
                   "{'id':'c','command':['p'],'program':'p','after':['a']}\n",
                   "dir/flow.x: \"execution\" tells of a task that \"specification\" has not; left out (at d)\n"
                   "dir/flow.x: a file is written by more than one task; who waits for it is told by \"parents\" alone "
                   "(at g)\n"
                   "dir/flow.x: a task reads the file that it writes itself; taken as its output only (at f)\n");
}

static void test_old_versions_have_it_all_in_the_task(void **state)
{
    (void)state;
    assert_becomes(IMPORT_WFFORMAT, &plain,
                   "{'name':'old','schemaVersion':'1.3','workflow':{'makespan':9,'tasks':["
                   "{'name':'a','type':'compute','runtime':4,'cores':1,'command':{'program':'p','arguments':['1']},"
                   "'files':[{'link':'input','name':'i','size':5},{'link':'output','name':'o','size':6}]},"
                   "{'name':'b','parents':['a'],'runtimeInSeconds':2,'command':{'program':'q'},"
                   "'files':[{'link':'input','name':'o','sizeInBytes':6}]}]}}",
                   "{'name':'old'}\n"
                   "{'id':'a','command':['p','1'],'cost':4,'program':'p','inputs':['i'],'outputs':['o']}\n"
                   "{'id':'b','command':['q'],'cost':2,'program':'q','inputs':['o'],'after':['a']}\n",
                   "");
    assert_refused(IMPORT_WFFORMAT, &plain, "{'schemaVersion':'2.0','workflow':{'tasks':[{'id':'a'}]}}",
                   "WfFormat \"2.0\" is not known");
    assert_refused(IMPORT_WFFORMAT, &plain, "{'schemaVersion':'1.2','workflow':{}}",
                   "neither \"specification\" nor \"tasks\"; WfFormat 1.3 to 1.5 is read, this states version 1.2");
}

static void test_mistakes_in_a_trace_are_told(void **state)
{
    (void)state;
    assert_refused(IMPORT_WFFORMAT, &plain, "{'workflow':{}", "dir/flow.x:1: ");
    assert_refused(IMPORT_WFFORMAT, &plain, "{'schemaVersion':'1.5'}", "has no \"workflow\"");
    assert_refused(IMPORT_WFFORMAT, &plain, "{'workflow':[]}", "has no \"workflow\"");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("", "", ""), "it has no tasks");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("3", "", ""), "task 1 is not an object");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':7}", "", ""), "task 1 has no \"id\"");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a?'}", "", ""), "holds one of * ? { }");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'},{'id':'a'}", "", ""), "two tasks have the id \"a\"");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a','parents':['b']}", "", ""),
                   "task \"a\": \"parents\" names \"b\", which no task is called");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a','children':[3]}", "", ""), "\"children\" names");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "{'id':3}", ""), "file 1 has no \"id\"");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "{'id':'f','sizeInBytes':-1}", ""), "has the size -1");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "", "{}"), "task 1 of \"execution\" has no \"id\"");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "", ""), "has no recorded command; --replay");
    assert_refused(IMPORT_WFFORMAT, &plain,
                   TRACE("{'id':'a'}", "", "{'id':'a','command':{'program':'p','arguments':[1]}}"),
                   "argument 1 of its command is not a string");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "", "{'id':'a','runtimeInSeconds':-1}"),
                   "ran for -1 s");
    assert_refused(IMPORT_WFFORMAT, &plain, TRACE("{'id':'a'}", "", "{'id':'a','coreCount':1e9}"), "had 1e+09 cores");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trace_is_known_by_its_outermost_keys),
        cmocka_unit_test(test_pegasus_is_known_by_its_first_record),
        cmocka_unit_test(test_a_list_of_commands_stays_one),
        cmocka_unit_test(test_recognising_asks_for_more_until_it_knows),
        cmocka_unit_test(test_pegasus_options_become_ours),
        cmocka_unit_test(test_pegasus_dependencies_become_after),
        cmocka_unit_test(test_pegasus_words_may_be_quoted),
        cmocka_unit_test(test_pegasus_marks_name_the_program_of_the_next_task),
        cmocka_unit_test(test_pegasus_forwards_go_through_a_program_of_ours),
        cmocka_unit_test(test_pegasus_mistakes_are_told_with_their_line),
        cmocka_unit_test(test_a_trace_runs_its_recorded_commands),
        cmocka_unit_test(test_a_replay_has_stand_ins_with_files),
        cmocka_unit_test(test_files_add_the_edges_that_parents_leave_out),
        cmocka_unit_test(test_old_versions_have_it_all_in_the_task),
        cmocka_unit_test(test_mistakes_in_a_trace_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
