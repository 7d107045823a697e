#include "io/journal.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"
#include "scratch.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

struct world
{
    char *scratch;
    char *path;
    struct graph *g;
    struct journal *j;
    struct journal_past past;
    struct ganger_error err;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    log_set_fd(-1); /* warnings are expected here */
    w->scratch = scratch_make();
    w->path = xasprintf("%s/journal.jsonl", w->scratch);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    journal_close(w->j, 0, 0, NULL);
    journal_past_release(&w->past);
    graph_free(w->g);
    scratch_remove(w->scratch);
    free(w->path);
    free(w);
    return 0;
}

/* Makes the graph of a text like "a=1 b=2 a>b": tasks with their digests ("*j" is a join without a
 * name, to be spoken of as *), then what depends on what (a!>b: on its failure; a?>b: on its end). */
static void draw(struct world *w, const char *text)
{
    char *copy = xstrdup(text);
    char *rest = NULL;
    task_id join = TASK_NONE;

    graph_free(w->g);
    w->g = graph_new();
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        size_t n = strcspn(word, "=>!?");

        if (word[0] == '*' && word[1] == '\0') {
            join = graph_add_task(w->g, &(struct task){.id = NULL});
        } else if (word[n] == '>') {
            const char *second = word + n + 1;
            task_id parent = word[0] == '*' ? join : graph_find(w->g, word, n);
            task_id child = *second == '*' ? join : graph_find(w->g, second, strlen(second));

            graph_add_dependency(w->g, parent, child);
        } else if (word[n] == '!' || word[n] == '?') {
            const char *second = word + n + 2;

            graph_add_condition(w->g, graph_find(w->g, word, n), graph_find(w->g, second, strlen(second)),
                                word[n] == '!' ? ON_NOTOK : ON_ANY);
        } else {
            struct task task = {.id = arena_text(&w->g->text, word, n),
                                .argv = "true",
                                .n_argv = 1,
                                .n_argv_bytes = 5,
                                .digest = strtoull(word + n + 1, NULL, 16)};

            assert_int_not_equal(graph_add_task(w->g, &task), TASK_NONE);
        }
    }
    free(copy);
    assert_int_equal(graph_seal(w->g, &w->err), 0);
}

static void begin(struct world *w, uint32_t epoch, uint64_t keep_bytes)
{
    const struct journal_header header = {epoch, "flow", 0xabc, 1700000000.25, false, NULL};

    w->j = journal_open(AT_FDCWD, w->path, w->g, &header, keep_bytes, &w->err);
    assert_non_null(w->j);
}

static void end(struct world *w)
{
    assert_int_equal(journal_close(w->j, 0, 99.5, &w->err), 0);
    w->j = NULL;
}

static void say(struct world *w, enum event_kind kind, const char *task, struct task_result *result)
{
    static const uint16_t slots[] = {2, 3};
    static const uint16_t gpus[] = {1};
    struct event e = {.kind = kind,
                      .time_s = 1.5,
                      .task = graph_find(w->g, task, strlen(task)),
                      .cause = 0,
                      .attempt = 1,
                      .worker = 4,
                      .node = 0,
                      .n_slots = 2,
                      .slots = slots,
                      .n_gpus = 1,
                      .gpus = gpus,
                      .result = result};

    journal_sink(w->j, &e);
}

/* Plays one epoch: "a+" starts, "a." is done, "a!" failed, "a~" cancelled, "a-" skipped, "a0" is not needed. */
static void play(struct world *w, const char *text)
{
    char *copy = xstrdup(text);
    char *rest = NULL;

    journal_past_release(&w->past);
    assert_int_equal(journal_recover(AT_FDCWD, w->path, w->g, false, &w->past, &w->err), 0);
    begin(w, w->past.epoch + 1, w->past.n_bytes);
    journal_past_release(&w->past);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        struct task_result result = {.end = TASK_EXITED, .start_s = 1, .end_s = 2};
        size_t last = strlen(word) - 1;
        char what = word[last];

        word[last] = '\0';
        result.code = what == '!';
        say(w, what == '+'   ? EVENT_TASK_SENT
               : what == '.' ? EVENT_TASK_DONE
               : what == '!' ? EVENT_TASK_FAILED
               : what == '~' ? EVENT_TASK_CANCELLED
               : what == '0' ? EVENT_TASK_NOT_NEEDED
                             : EVENT_TASK_SKIPPED,
            word, &result);
    }
    free(copy);
    end(w);
}

static void recover(struct world *w)
{
    journal_past_release(&w->past);
    w->err.cause = ERROR_NONE;
    assert_int_equal(journal_recover(AT_FDCWD, w->path, w->g, false, &w->past, &w->err), 0);
}

/* Recovers, and compares the ids of done tasks, in the order of the graph. */
static void assert_done(struct world *w, const char *expected)
{
    struct buffer b = BUFFER_EMPTY;
    uint32_t n = 0;

    recover(w);
    for (task_id t = 0; t < w->g->n_tasks; t++) {
        if (!w->past.is_done[t] || task_is_join(&w->g->tasks[t]))
            continue;
        buffer_printf(&b, "%s%s", b.n > 0 ? " " : "", w->g->tasks[t].id);
        n++;
    }
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, expected);
    assert_int_equal(w->past.n_done, n);
    buffer_release(&b);
}

/* --- writing --- */

static char *read_lines(struct world *w, char **lines, size_t n_max, size_t *n_lines)
{
    char *text = scratch_read(w->path, NULL);
    char *rest = NULL;

    assert_non_null(text);
    *n_lines = 0;
    lines[0] = strtok_r(text, "\n", &rest);
    while (lines[*n_lines] != NULL) {
        assert_true(++*n_lines < n_max);
        lines[*n_lines] = strtok_r(NULL, "\n", &rest);
    }
    return text;
}

/* `start` has ' for ", which makes JSON readable here. */
static void assert_begins(const char *line, const char *start)
{
    char *begin = xstrndup(line, strlen(line) < strlen(start) ? strlen(line) : strlen(start));

    for (char *quote = begin; (quote = strchr(quote, '"')) != NULL;)
        *quote = '\'';
    assert_string_equal(begin, start);
    free(begin);
}

static void test_lines_say_what_happened(void **state)
{
    struct world *w = *state;
    struct task_result done = {.end = TASK_EXITED, .start_s = 1.25, .end_s = 2, .cpu_s = 0.5,
                               .max_rss_bytes = 4096, .output_offset = 32, .output_bytes = 40, .text_bytes = 7};
    char *lines[16];
    char *text;
    size_t n;

    draw(w, "a=1 b=2 c=3 d=4");
    begin(w, 7, 0);
    journal_sink(w->j, &(struct event){.kind = EVENT_NODE_JOINED, .text = "host\t1", .n_slots = 8,
                                       .n_gpus = 2, .memory_bytes = 1000, .time_s = 0.5});
    journal_sink(w->j, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = 4, .n_slots = 1,
                                       .slots = (const uint16_t[]){65535}, .time_s = 0.5});
    say(w, EVENT_TASK_KEPT, "d", NULL);
    say(w, EVENT_TASK_SENT, "a", NULL);
    say(w, EVENT_TASK_STARTED, "a", NULL);
    say(w, EVENT_TASK_DONE, "a", &done);
    say(w, EVENT_TASK_SKIPPED, "d", NULL);
    say(w, EVENT_TASK_NOT_NEEDED, "d", NULL);
    journal_sink(w->j, &(struct event){.kind = EVENT_WORKER_LOST, .worker = 4, .text = "\xff!",
                                       .time_s = 3});
    journal_sink(w->j, &(struct event){.kind = EVENT_NODE_SETUP, .task = TASK_SETUP, .attempt = 1, .worker = 4,
                                       .n_slots = 1, .slots = (const uint16_t[]){1}, .result = &done});
    journal_sink(w->j, &(struct event){.kind = EVENT_NODE_TEARDOWN, .task = TASK_TEARDOWN, .attempt = 1,
                                       .worker = 4, .result = &done});
    journal_sink(w->j, &(struct event){.kind = EVENT_RUN_STOPPING, .text = "why", .time_s = 3});
    end(w);
    text = read_lines(w, lines, 16, &n);
    assert_int_equal(n, 12);
    assert_begins(lines[0], "{'event':'run','format':1,'epoch':7,'name':'flow','workflow':"
                            "'0000000000000abc','start':1700000000.250000,'ganger':'");
    assert_begins(lines[1], "{'event':'node','node':0,'host':'host\\u00091','slots':8,'gpus':2,"
                            "'memory':1000,'time':0.500000,'crc':");
    assert_begins(lines[2], "{'event':'worker','worker':4,'node':0,'slots':[65535],"
                            "'time':0.500000,'crc':");
    assert_begins(lines[3], "{'event':'start','task':'a','index':0,'attempt':1,'worker':4,"
                            "'node':0,'slots':[2,3],'gpus':[1],'time':1.500000,'crc':");
    assert_begins(lines[4], "{'event':'done','task':'a','digest':'0000000000000001','index':0,"
                            "'attempt':1,'worker':4,'node':0,'slots':[2,3],'start':1.250000,"
                            "'end':2.000000,'status':0,'max_rss':4096,'cpu':0.500000,"
                            "'output':['7-n0.out',32,40,7],'crc':");
    assert_begins(lines[5], "{'event':'skipped','task':'d','index':3,'cause':'a','time':1.500000,'crc':");
    assert_begins(lines[6], "{'event':'not_needed','task':'d','index':3,'cause':'a','time':1.500000,'crc':");
    assert_begins(lines[7], "{'event':'lost','worker':4,'node':0,'why':'\xef\xbf\xbd!','time':");
    assert_begins(lines[8], "{'event':'setup','index':4294967294,'attempt':1,'worker':4,'node':0,'slots':[1],"
                            "'start':1.250000,'end':2.000000,'status':0,");
    assert_begins(lines[9], "{'event':'teardown','index':4294967293,'attempt':1,'worker':4,'node':0,'slots':[],"
                            "'start':1.250000,'end':2.000000,'status':0,");
    assert_begins(lines[10], "{'event':'stopping','why':'why','time':3.000000,'crc':");
    assert_begins(lines[11], "{'event':'end','status':0,'time':99.500000,'crc':");
    free(text);
}

/* Each way to end, as it stands in a line, and read back. */
static void test_every_end_is_told_and_read_back(void **state)
{
    static const struct
    {
        enum event_kind kind;
        struct task_result result;
        const char *line;
    } cases[] = {
        {EVENT_TASK_DONE, {.end = TASK_EXITED}, "'done','status':0"},
        {EVENT_TASK_FAILED, {.end = TASK_EXITED, .code = 3}, "'failed','status':3"},
        {EVENT_TASK_RETRIED, {.end = TASK_SIGNALLED, .code = 9}, "'retried','signal':9"},
        {EVENT_TASK_FAILED, {.end = TASK_NOT_STARTED, .code = 2, .tail = "exec \"x\"\n", .n_tail_bytes = 9},
         "'failed','not_started':true,'errno':2,'why':'exec \\'x\\'\\u000a'"},
        {EVENT_TASK_FAILED, {.end = TASK_OUTPUT_LOST, .code = 28, .tail = "disk", .n_tail_bytes = 4},
         "'failed','output_lost':true,'errno':28,'why':'disk'"},
        {EVENT_TASK_CANCELLED, {.end = TASK_CANCELLED}, "'cancelled'"},
        {EVENT_TASK_CANCELLED, {.end = TASK_CANCELLED, .code = 15}, "'cancelled','signal':15"},
        {EVENT_TASK_FAILED, {.end = TASK_TIMED_OUT}, "'failed','timed_out':true"},
        {EVENT_TASK_RETRIED, {.end = TASK_TIMED_OUT, .code = 15}, "'retried','timed_out':true,'signal':15"},
        {EVENT_TASK_FAILED, {.end = TASK_INPUT_MISSING, .code = 2, .tail = "f", .n_tail_bytes = 1},
         "'failed','missing':'input','errno':2,'why':'f'"},
        {EVENT_TASK_FAILED, {.end = TASK_OUTPUT_MISSING, .code = 2, .tail = "f", .n_tail_bytes = 1},
         "'failed','missing':'output','errno':2,'why':'f'"},
        {EVENT_TASK_RETRIED, {.end = TASK_LOST}, "'retried','lost':true"},
        {EVENT_TASK_FAILED, {.end = TASK_UNPLACEABLE, .tail = "9 cores", .n_tail_bytes = 7},
         "'failed','unplaceable':true,'why':'9 cores'"},
        {EVENT_TASK_RETRIED, {.end = TASK_OUT_OF_MEMORY, .code = 9, .tail = "3 of 2", .n_tail_bytes = 6},
         "'retried','out_of_memory':true,'signal':9,'why':'3 of 2'"},
        {EVENT_TASK_FAILED, {.end = TASK_OUTPUT_LIMIT, .code = 15}, "'failed','output_limit':true,'signal':15"},
    };
    struct world *w = *state;

    draw(w, "a=1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char line[8192], *quote, *middle;
        struct event e = {.kind = cases[i].kind, .task = 0, .attempt = 2, .worker = 1, .result = &cases[i].result};
        char *end_of_line = record_put_event(line, w->g, &e, 1);
        struct record r = record_over(line, (size_t)(end_of_line - line) - 1);
        struct record_fields f;

        assert_true(r.is_valid);
        assert_true(record_read(&r, &f));
        assert_int_equal(f.end, cases[i].result.end);
        assert_int_equal(f.code, cases[i].result.code);
        assert_string_equal(f.task, "a");
        assert_int_equal(f.attempt, 2);
        assert_true(record_is_end(f.kind));
        /* {"event":KIND, … "end":0.000000 HOW ,"max_rss": … */
        *end_of_line = '\0';
        *strchr(line, ',') = '\0';
        middle = strstr(line + strlen(line) + 1, "\"end\":0.000000") + 14;
        *strstr(middle, ",\"max_rss\"") = '\0';
        quote = xasprintf("%s%s", line + strlen("{\"event\":"), middle);
        for (char *c = quote; *c != '\0'; c++)
            *c = *c == '"' ? '\'' : *c;
        assert_string_equal(quote, cases[i].line);
        free(quote);
    }
}

static void test_fields_are_read_whatever_stands_between_them(void **state)
{
    static const char text[] =
        "{\"event\":\"done\",\"new\":{\"task\":\"no\",\"a\":[1,{\"b\":\"]}\\\"\"}]},\"task\":\"x\\\\\\\"\\u0041\","
        "\"digest\":\"00000000000000ff\",\"index\":99999999999,\"attempt\":7,\"start\":12.5,\"end\":13.0000019,"
        "\"slots\":[1,22,65535],\"output\":[\"3-n2.out\",10,20,5],\"worker\":\"4\",\"node\":6";
    const struct record r = {text, sizeof(text) - 1, true};
    struct record_fields f;
    uint64_t v;

    (void)state;
    assert_true(record_read(&r, &f));
    assert_int_equal(f.kind, RECORD_DONE);
    assert_string_equal(f.task, "x\\\"A");
    assert_int_equal(f.digest, 255);
    assert_int_equal(f.index, TASK_NONE); /* no number of 32 bits */
    assert_int_equal(f.attempt, 7);
    assert_true(f.start_s == 12.5);
    assert_true(fabs(f.end_s - 13.0000019) < 1e-9);
    assert_int_equal(f.worker, 0); /* no number */
    assert_int_equal(f.node, 6);
    assert_int_equal(f.output.epoch, 3);
    assert_int_equal(f.output.node, 2);
    assert_int_equal(f.output.offset, 10);
    assert_int_equal(f.output.n_bytes, 20);
    assert_int_equal(f.output.n_text, 5);
    assert_true(record_next_number(&f.slots, &v) && v == 1);
    assert_true(record_next_number(&f.slots, &v) && v == 22);
    assert_true(record_next_number(&f.slots, &v) && v == 65535);
    assert_false(record_next_number(&f.slots, &v));
    for (size_t n = 0; n < sizeof(text); n++) { /* cut off anywhere, it is read up to there */
        const struct record torn = {text, n, true};

        record_read(&torn, &f);
    }
}

static void test_ids_that_steer_a_terminal_are_none(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"start\",\"task\":\"a\\u001b[31m\"",
        "{\"event\":\"start\",\"task\":\"a\x1b[31m\"",
        "{\"event\":\"start\",\"task\":\"a\xc2\23331m\"", /* octal, since hexadecimal digits would go on */
    };
    struct record_fields f;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        const struct record r = {lines[i], strlen(lines[i]), true};

        assert_false(record_read(&r, &f));
        assert_string_equal(f.task, "");
    }
}

static void test_each_line_is_json(void **state)
{
    static const char id[] = "ab\"\\\xe2\x82\xac";
    struct world *w = *state;
    struct task_result result = {.end = TASK_NOT_STARTED, .code = 2, .start_s = -1, .end_s = 1e300,
                                 .tail = "\x01\xc3\xa9\xc3\"\\\x7f", .n_tail_bytes = 7,
                                 .output_bytes = 1};
    char *lines[8];
    char *text;
    size_t n;

    draw(w, "ab\"\\\xe2\x82\xac=ffffffffffffffff");
    begin(w, 1, 0);
    say(w, EVENT_TASK_FAILED, id, &result);
    say(w, EVENT_TASK_SENT, id, NULL);
    end(w);
    text = read_lines(w, lines, 8, &n);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) {
        json_t *line = json_loads(lines[i], 0, NULL);

        assert_non_null(line);
        if (i == 1 || i == 2)
            assert_string_equal(json_string_value(json_object_get(line, "task")), id);
        json_decref(line);
    }
    free(text);
}

static void test_file_is_for_its_owner_only_and_no_link_is_followed(void **state)
{
    struct world *w = *state;
    const struct journal_header header = {1, "flow", 0, 0, false, NULL};
    char *elsewhere = xasprintf("%s/elsewhere", w->scratch);
    struct stat status;

    draw(w, "a=1");
    play(w, "a+ a.");
    assert_int_equal(stat(w->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    unlink(w->path);
    assert_int_equal(symlink(elsewhere, w->path), 0);
    assert_null(journal_open(AT_FDCWD, w->path, w->g, &header, 0, &w->err));
    assert_int_equal(access(elsewhere, F_OK), -1);
    free(elsewhere);
}

static void test_flush_makes_all_that_was_said_readable(void **state)
{
    struct world *w = *state;
    char *text;

    draw(w, "a=1");
    begin(w, 1, 0);
    for (int i = 0; i < 3; i++) {
        say(w, EVENT_TASK_SENT, "a", NULL);
        journal_flush(w->j);
    }
    text = scratch_read(w->path, NULL);
    assert_non_null(strstr(strstr(strstr(text, "\"start\",") + 1, "\"start\",") + 1, "\"start\","));
    free(text);
    journal_flush(w->j);
}

static void test_what_was_flushed_survives_the_death_of_the_manager(void **state)
{
    struct world *w = *state;
    pid_t pid;

    draw(w, "a=1 b=2");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        begin(w, 1, 0);
        say(w, EVENT_TASK_DONE, "a", NULL);
        journal_flush(w->j);
        raise(SIGKILL);
    }
    waitpid(pid, NULL, 0);
    assert_done(w, "a");
}

/* Signals are the manager's business: one that only the writer could take must stay pending. */
static void test_the_writer_takes_no_signals(void **state)
{
    struct world *w = *state;
    const struct timespec at_once = {0, 0};
    sigset_t usr1, before;

    draw(w, "a=1");
    begin(w, 1, 0);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    kill(getpid(), SIGUSR1);
    say(w, EVENT_TASK_SENT, "a", NULL);
    journal_flush(w->j);
    assert_int_equal(sigtimedwait(&usr1, NULL, &at_once), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* More than the memory for waiting lines holds: the sink waits for room and loses nothing. */
static void test_no_line_is_lost_when_memory_is_full(void **state)
{
    enum { N = 200000 };
    struct world *w = *state;
    char *text;
    size_t n = 0;

    draw(w, "a=1");
    begin(w, 1, 0);
    for (int i = 0; i < N; i++)
        say(w, EVENT_TASK_SENT, "a", NULL);
    end(w);
    text = scratch_read(w->path, NULL);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        n++;
    assert_int_equal(n, N + 2);
    free(text);
    recover(w);
    assert_int_equal(w->past.n_damaged, 0);
}

static void test_a_full_disk_is_reported_and_stops_nothing(void **state)
{
    struct world *w = *state;
    struct rlimit before, small;

    draw(w, "a=1");
    begin(w, 1, 0);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 600;
    signal(SIGXFSZ, SIG_IGN); /* RLIMIT_FSIZE stands for a full disk */
    setrlimit(RLIMIT_FSIZE, &small);
    assert_false(journal_has_failed(w->j));
    for (int i = 0; i < 20; i++)
        say(w, EVENT_TASK_SENT, "a", NULL);
    journal_flush(w->j);
    assert_true(journal_has_failed(w->j));
    say(w, EVENT_TASK_SENT, "a", NULL);
    assert_int_equal(journal_close(w->j, 0, 1, &w->err), -1);
    w->j = NULL;
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(w->err.cause, ERROR_SYSTEM);
    assert_non_null(strstr(w->err.text, "journal.jsonl"));
    recover(w); /* what was written is still good; its end is torn */
    assert_int_equal(w->past.epoch, 1);
    assert_int_equal(w->past.n_damaged, 0);
    assert_true(w->past.n_bytes < 600);
}

static void test_lines_about_joins_are_not_written(void **state)
{
    struct world *w = *state;
    char *text;

    draw(w, "a=1 * a>*");
    begin(w, 1, 0);
    journal_sink(w->j, &(struct event){.kind = EVENT_TASK_SKIPPED, .task = 1, .cause = 0});
    journal_sink(w->j, &(struct event){.kind = EVENT_TASK_SKIPPED, .task = 0, .cause = 1});
    end(w);
    text = scratch_read(w->path, NULL);
    assert_null(strstr(text, "\"task\":\"\""));
    assert_non_null(strstr(text, "{\"event\":\"skipped\",\"task\":\"a\""));
    free(text);
}

/* --- recovering --- */

static void test_a_missing_or_empty_journal_knows_nothing(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 * a>* *>b");
    assert_done(w, "");
    assert_int_equal(w->past.epoch, 0);
    scratch_write(w->path, "", 0);
    assert_done(w, "");
    assert_int_equal(w->past.epoch, 0);
    assert_int_equal(w->past.n_bytes, 0);
}

static void test_done_tasks_are_done(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 c=3 d=4 e=5");
    play(w, "a+ b+ a. b! c+ d- e+ e~");
    assert_done(w, "a");
    assert_int_equal(w->past.epoch, 1);
    assert_int_equal(w->past.n_changed, 0);
}

static void test_epochs_add_up(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 c=3 a>c b>c");
    play(w, "a+ b+ a. b! c-");
    play(w, "b+ b.");
    assert_done(w, "a b");
    assert_int_equal(w->past.epoch, 2);
    play(w, "c+ c.");
    assert_done(w, "a b c");
    assert_int_equal(w->past.epoch, 3);
}

static void test_a_changed_definition_runs_again_with_its_descendants(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 c=3 d=4 a>b b>c");
    play(w, "a+ a. b+ b. c+ c. d+ d.");
    assert_done(w, "a b c d");
    draw(w, "a=1 b=9 c=3 d=4 a>b b>c");
    assert_done(w, "a d");
    assert_int_equal(w->past.n_changed, 2);
}

static void test_what_depends_on_a_new_task_runs_again(void **state)
{
    struct world *w = *state;

    draw(w, "a=1");
    play(w, "a+ a.");
    draw(w, "new=5 a=1 new>a");
    assert_done(w, "");
    assert_int_equal(w->past.n_changed, 1);
}

static void test_a_definition_that_was_different_in_between_runs_again(void **state)
{
    struct world *w = *state;

    draw(w, "a=1");
    play(w, "a+ a.");
    draw(w, "a=2");
    play(w, "a+ a.");
    draw(w, "a=1");
    assert_done(w, "");
}

static void test_a_later_failure_does_not_undo_but_a_later_start_does(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2");
    play(w, "a+ a. b+ b.");
    play(w, "a! b+");
    assert_done(w, "a");
    assert_int_equal(w->past.n_changed, 0);
    play(w, "b+ b.");
    assert_done(w, "a b");
}

/* b ran again because of its new definition; the run ended before c, which had seen the old b. */
static void test_a_child_done_before_its_parent_ran_again_runs_again(void **state)
{
    struct world *w = *state;

    draw(w, "b=2 c=3 d=4 b>c c>d");
    play(w, "b+ b. c+ c. d+ d.");
    draw(w, "b=9 c=3 d=4 b>c c>d");
    play(w, "b+ b.");
    assert_done(w, "b");
    assert_int_equal(w->past.n_changed, 2);
    play(w, "c+ c. d+ d.");
    assert_done(w, "b c d");
}

/* Whatever a task waits for, what its parent did is what it has seen. */
static void test_a_parent_that_failed_runs_again_with_its_descendants(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 rescue=2 after=3 free=4 a!>rescue a?>after");
    play(w, "a+ free+ free. a! rescue+ rescue. after+ after.");
    assert_done(w, "free");
    play(w, "a+ a. rescue0 after+ after.");
    assert_done(w, "a after free");
}

static void test_what_is_not_needed_holds_nobody_up(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 rescue=2 mended=3 last=4 a!>rescue rescue>mended mended?>last");
    play(w, "a+ a. rescue0 mended0 last+ last.");
    assert_done(w, "a last");
    play(w, "rescue0 mended0"); /* each run says so again */
    assert_done(w, "a last");
    assert_int_equal(w->past.n_changed, 0);
    play(w, "a+ a. rescue0 mended0"); /* the first one changed, say */
    assert_done(w, "a");
}

/* It will run now: what has seen that it did not must see it. */
static void test_what_was_not_needed_but_is_now_counts_as_new(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 rescue=3 last=4 a!>rescue rescue?>last");
    play(w, "a+ a. b+ b. rescue0 last+ last.");
    assert_done(w, "a b last");
    draw(w, "a=1 b=2 rescue=3 last=4 b>rescue rescue?>last");
    assert_done(w, "a b");
}

/* What is warned of goes to a file here. */
static void test_a_journal_of_another_workflow_is_warned_of(void **state)
{
    struct world *w = *state;
    char *path = xasprintf("%s/log", w->scratch);
    FILE *log = fopen(path, "w+");
    char *text;

    draw(w, "a=1 b=2 c=3");
    play(w, "a+ a. b+ b. c+ c.");
    log_set_fd(fileno(log));
    draw(w, "a=1 b=2 x=3");
    recover(w);
    text = scratch_read(path, NULL);
    assert_string_equal(text, "");
    free(text);
    draw(w, "a=1 x=2");
    recover(w);
    draw(w, "x=1 y=2");
    recover(w);
    log_set_fd(-1);
    text = scratch_read(path, NULL);
    assert_non_null(strstr(text, "journal.jsonl: 2 of 3 tasks that are done there are not in this workflow"));
    assert_non_null(strstr(text, "it is another workflow's journal: 3 of 3"));
    free(text);
    fclose(log);
    free(path);
}

static void test_order_is_seen_through_joins(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 c=3 * a>* b>* *>c");
    play(w, "a+ b+ a. b. c+ c.");
    assert_done(w, "a b c");
    assert_true(w->past.is_done[3]);
    draw(w, "a=9 b=2 c=3 * a>* b>* *>c");
    assert_done(w, "b");
    assert_false(w->past.is_done[3]);
    play(w, "a+ a.");
    assert_done(w, "a b");
    assert_true(w->past.is_done[3]);
}

static void test_done_tasks_that_are_gone_are_counted_once(void **state)
{
    struct world *w = *state;

    draw(w, "a=1 b=2 x=3");
    play(w, "a+ a. b+ b. x+");
    play(w, "a. b+ b.");
    draw(w, "b=2");
    assert_done(w, "b");
    assert_int_equal(w->past.n_unknown, 1);
}

static void test_ids_with_quotes_and_backslashes_are_recognised(void **state)
{
    struct world *w = *state;

    draw(w, "a\"b=1 \\=2 \xc3\xa9=3 x,\"digest\":\"0000000000000009=4 \"=5");
    play(w, "a\"b+ a\"b. \\+ \\. \xc3\xa9. x,\"digest\":\"0000000000000009. \"+");
    assert_done(w, "a\"b \\ \xc3\xa9 x,\"digest\":\"0000000000000009");
}

/* In a plain list the id is the number of the line: lines are recognised by what they say. */
static void test_lines_of_a_list_are_recognised_by_digest(void **state)
{
    struct world *w = *state;

    draw(w, "1=a 2=b 3=a");
    w->g->ids_are_places = true;
    play(w, "1+ 1. 2+ 2.");
    assert_done(w, "1 2");
    draw(w, "1=c 2=a 3=b 4=b");
    w->g->ids_are_places = true;
    assert_done(w, "2 3");
    assert_int_equal(w->past.n_unknown, 0);
    draw(w, "1=c");
    w->g->ids_are_places = true;
    assert_done(w, "");
    assert_int_equal(w->past.n_unknown, 2);
}

/* --- damage --- */

static char *journal_of_three(struct world *w, size_t *n_bytes)
{
    draw(w, "a=1 b=2 c=3");
    play(w, "a. b. c.");
    return scratch_read(w->path, n_bytes);
}

/* Cut anywhere, a journal gives what stands in its whole lines, and can be continued. */
static void test_a_torn_end_is_dropped_wherever_it_is(void **state)
{
    struct world *w = *state;
    size_t n;
    char *bytes = journal_of_three(w, &n);

    for (size_t cut = 0; cut < n; cut += 1 + cut / 64) {
        uint32_t n_lines = 0;
        size_t n_valid = 0;

        for (size_t i = 0; i < cut; i++)
            if (bytes[i] == '\n') {
                n_lines++;
                n_valid = i + 1;
            }
        scratch_write(w->path, bytes, cut);
        recover(w);
        assert_int_equal(w->past.n_bytes, n_valid);
        assert_int_equal(w->past.epoch, n_lines > 0);
        assert_int_equal(w->past.n_damaged, 0);
        assert_int_equal(w->past.n_done, n_lines <= 1 ? 0 : n_lines - 1 > 3 ? 3 : n_lines - 1);
    }
    scratch_write(w->path, bytes, n - 5);
    play(w, "a+");
    recover(w);
    assert_int_equal(w->past.n_damaged, 0);
    assert_int_equal(w->past.epoch, 2);
    free(bytes);
}

static void test_a_damaged_line_is_ignored_and_counted(void **state)
{
    struct world *w = *state;
    size_t n;
    char *bytes = journal_of_three(w, &n);

    *strstr(bytes, "\"task\":\"b\"") = 'x';
    scratch_write(w->path, bytes, n);
    assert_done(w, "a c");
    assert_int_equal(w->past.n_damaged, 1);
    assert_int_equal(w->past.n_bytes, n);
    free(bytes);
}

static void test_a_damaged_header_still_counts_as_an_epoch(void **state)
{
    struct world *w = *state;
    size_t n;
    char *bytes = journal_of_three(w, &n);

    *strstr(bytes, "\"flow\"") = 'x';
    scratch_write(w->path, bytes, n);
    assert_done(w, "a b c");
    assert_int_equal(w->past.epoch, 1);
    assert_int_equal(w->past.n_damaged, 1);
    free(bytes);
}

static void write_with_checksum(FILE *file, const char *line)
{
    fprintf(file, "%s,\"crc\":\"%08x\"}\n", line, XXH32(line, strlen(line), 0));
}

static void test_a_header_without_a_number_still_counts_as_an_epoch(void **state)
{
    struct world *w = *state;
    FILE *file = fopen(w->path, "w");

    assert_non_null(file);
    write_with_checksum(file, "{\"event\":\"run\",\"format\":1");
    write_with_checksum(file, "{\"event\":\"done\",\"task\":\"b\",\"digest\":\"0000000000000002\"");
    fclose(file);
    draw(w, "a=1 b=2 a>b");
    assert_done(w, "");
    assert_int_equal(w->past.epoch, 1);
    assert_int_equal(w->past.n_changed, 1);
}

static void assert_no_journal(struct world *w, const char *text, const char *words)
{
    scratch_write(w->path, text, strlen(text));
    w->err.cause = ERROR_NONE;
    assert_int_equal(journal_recover(AT_FDCWD, w->path, w->g, false, &w->past, &w->err), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    assert_non_null(strstr(w->err.text, words));
    assert_null(w->past.is_done);
}

static void test_other_files_are_refused(void **state)
{
    struct world *w = *state;

    draw(w, "a=1");
    assert_no_journal(w, "hello\n", "no journal");
    assert_no_journal(w, "\n", "no journal");
    assert_no_journal(w, "{\"event\":\"start\"}\n", "no journal");
    assert_no_journal(w, "{\"event\":\"ruin", "no journal");
    unlink(w->path);
    assert_int_equal(mkdir(w->path, 0700), 0);
    w->err.cause = ERROR_NONE;
    assert_int_equal(journal_recover(AT_FDCWD, w->path, w->g, false, &w->past, &w->err), -1);
}

static void test_a_newer_format_is_refused_even_if_its_checksum_is_another(void **state)
{
    static const char newer[] = "{\"event\":\"run\",\"format\":2,\"epoch\":1";
    struct world *w = *state;
    char *text = xasprintf("%s,\"crc\":\"%08x\"}\n", newer, XXH32(newer, strlen(newer), 0));

    draw(w, "a=1");
    assert_no_journal(w, text, "newer");
    strstr(text, "crc")[0] = 'x';
    assert_no_journal(w, text, "newer");
    free(text);
}

/* --- reading --- */

static int list_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    const struct record_fields *f = line->fields;

    if (f == NULL)
        buffer_printf(data, "%u damaged\n", (unsigned)line->number);
    else if (f->n_task > 0)
        buffer_printf(data, "%u %u %s %s %u %u\n", (unsigned)line->number, line->epoch, f->task,
                      record_kind_name(f->kind), f->attempt, (unsigned)f->output.n_bytes);
    return f != NULL && strcmp(f->task, "halt") == 0 ? error_set(err, ERROR_USAGE, "enough") : 0;
}

static void test_read_gives_each_line(void **state)
{
    struct world *w = *state;
    struct task_result result = {.end = TASK_EXITED, .output_offset = 5, .output_bytes = 77};
    struct buffer b = BUFFER_EMPTY;
    FILE *file;

    draw(w, "x=1 a=2");
    play(w, "x- a+ a!");
    begin(w, 2, (recover(w), w->past.n_bytes));
    say(w, EVENT_TASK_DONE, "a", &result);
    end(w);
    file = fopen(w->path, "a");
    fputs("{\"event\":\"done\",\"task\":\"torn", file);
    fclose(file);
    assert_int_equal(journal_read(w->path, list_line, &b, &w->err), 0);
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, "2 1 x skipped 0 0\n"
                                 "3 1 a start 1 0\n"
                                 "4 1 a failed 1 0\n"
                                 "7 2 a done 1 77\n"
                                 "9 damaged\n");
    buffer_release(&b);
}

/* Damaged ones, too, are passed over: who reads them otherwise is told. */
static void test_read_added_gives_no_other_lines(void **state)
{
    struct world *w = *state;
    struct task_result result = {.end = TASK_EXITED};
    struct buffer b = BUFFER_EMPTY;
    FILE *file;

    draw(w, "x=1 a=2");
    play(w, "x- a+ a!");
    begin(w, 2, (recover(w), w->past.n_bytes));
    say(w, EVENT_TASK_ADDED, "a", &result);
    say(w, EVENT_TASK_DONE, "a", &result);
    say(w, EVENT_TASK_ADDED, "x", &result);
    end(w);
    file = fopen(w->path, "a");
    fputs("{\"event\":\"added\",\"task\":\"a\"}\n", file);
    fclose(file);
    assert_int_equal(journal_read_added(w->path, list_line, &b, &w->err), 0);
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, "7 0 a added 0 0\n9 0 x added 0 0\n");
    buffer_release(&b);
}

static void test_read_ends_when_the_reader_says_so(void **state)
{
    struct world *w = *state;
    struct buffer b = BUFFER_EMPTY;

    draw(w, "halt=1 a=2");
    play(w, "halt+ a+");
    assert_int_equal(journal_read(w->path, list_line, &b, &w->err), -1);
    assert_string_equal(w->err.text, "enough");
    buffer_put_u8(&b, 0);
    assert_null(strstr(b.bytes, "a start"));
    buffer_release(&b);
}

static void test_read_of_a_missing_journal_is_an_error(void **state)
{
    struct world *w = *state;
    struct buffer b = BUFFER_EMPTY;

    assert_int_equal(journal_read(w->path, list_line, &b, &w->err), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    assert_non_null(strstr(w->err.text, "journal.jsonl"));
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_lines_say_what_happened),
        WORLD_TEST(test_every_end_is_told_and_read_back),
        WORLD_TEST(test_fields_are_read_whatever_stands_between_them),
        WORLD_TEST(test_ids_that_steer_a_terminal_are_none),
        WORLD_TEST(test_each_line_is_json),
        WORLD_TEST(test_file_is_for_its_owner_only_and_no_link_is_followed),
        WORLD_TEST(test_flush_makes_all_that_was_said_readable),
        WORLD_TEST(test_what_was_flushed_survives_the_death_of_the_manager),
        WORLD_TEST(test_the_writer_takes_no_signals),
        WORLD_TEST(test_no_line_is_lost_when_memory_is_full),
        WORLD_TEST(test_a_full_disk_is_reported_and_stops_nothing),
        WORLD_TEST(test_lines_about_joins_are_not_written),
        WORLD_TEST(test_a_missing_or_empty_journal_knows_nothing),
        WORLD_TEST(test_done_tasks_are_done),
        WORLD_TEST(test_epochs_add_up),
        WORLD_TEST(test_a_changed_definition_runs_again_with_its_descendants),
        WORLD_TEST(test_what_depends_on_a_new_task_runs_again),
        WORLD_TEST(test_a_definition_that_was_different_in_between_runs_again),
        WORLD_TEST(test_a_later_failure_does_not_undo_but_a_later_start_does),
        WORLD_TEST(test_a_child_done_before_its_parent_ran_again_runs_again),
        WORLD_TEST(test_a_parent_that_failed_runs_again_with_its_descendants),
        WORLD_TEST(test_what_is_not_needed_holds_nobody_up),
        WORLD_TEST(test_what_was_not_needed_but_is_now_counts_as_new),
        WORLD_TEST(test_a_journal_of_another_workflow_is_warned_of),
        WORLD_TEST(test_order_is_seen_through_joins),
        WORLD_TEST(test_done_tasks_that_are_gone_are_counted_once),
        WORLD_TEST(test_ids_with_quotes_and_backslashes_are_recognised),
        WORLD_TEST(test_lines_of_a_list_are_recognised_by_digest),
        WORLD_TEST(test_a_torn_end_is_dropped_wherever_it_is),
        WORLD_TEST(test_a_damaged_line_is_ignored_and_counted),
        WORLD_TEST(test_a_damaged_header_still_counts_as_an_epoch),
        WORLD_TEST(test_a_header_without_a_number_still_counts_as_an_epoch),
        WORLD_TEST(test_other_files_are_refused),
        WORLD_TEST(test_a_newer_format_is_refused_even_if_its_checksum_is_another),
        WORLD_TEST(test_read_gives_each_line),
        WORLD_TEST(test_read_added_gives_no_other_lines),
        WORLD_TEST(test_read_ends_when_the_reader_says_so),
        WORLD_TEST(test_read_of_a_missing_journal_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
