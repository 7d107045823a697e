#include "io/journal.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"
#include "scratch.h"

#include <fcntl.h>
#include <jansson.h>
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
 * name, to be spoken of as *), then what depends on what. */
static void draw(struct world *w, const char *text)
{
    char *copy = xstrdup(text);
    char *rest = NULL;
    task_id join = TASK_NONE;

    graph_free(w->g);
    w->g = graph_new();
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        size_t n = strcspn(word, "=>");

        if (word[0] == '*' && word[1] == '\0') {
            join = graph_add_task(w->g, &(struct task){.id = NULL});
        } else if (word[n] == '>') {
            const char *second = word + n + 1;
            task_id parent = word[0] == '*' ? join : graph_find(w->g, word, n);
            task_id child = *second == '*' ? join : graph_find(w->g, second, strlen(second));

            graph_add_dependency(w->g, parent, child);
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
    const struct journal_header header = {epoch, "flow", 0xabc, 1700000000.25};

    w->j = journal_open(w->path, w->g, &header, keep_bytes, &w->err);
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
    struct event e = {.kind = kind,
                      .time_s = 1.5,
                      .task = graph_find(w->g, task, strlen(task)),
                      .cause = 0,
                      .attempt = 1,
                      .worker = 4,
                      .node = 0,
                      .n_slots = 2,
                      .slots = slots,
                      .result = result};

    journal_sink(w->j, &e);
}

/* Plays one epoch: "a+" starts, "a." is done, "a!" failed, "a~" cancelled, "a-" skipped. */
static void play(struct world *w, const char *text)
{
    char *copy = xstrdup(text);
    char *rest = NULL;

    journal_past_release(&w->past);
    assert_int_equal(journal_recover(w->path, w->g, &w->past, &w->err), 0);
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
    assert_int_equal(journal_recover(w->path, w->g, &w->past, &w->err), 0);
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
                               .max_rss_bytes = 4096, .output_offset = 32, .output_bytes = 40};
    struct task_result failed = {.end = TASK_SIGNALLED, .code = 9, .start_s = 1, .end_s = 2};
    struct task_result missing = {.end = TASK_NOT_STARTED, .code = 2, .tail = "exec \"x\"\n",
                                  .n_tail_bytes = 9};
    struct task_result cut = {.end = TASK_CANCELLED};
    char *lines[16];
    char *text;
    size_t n;

    draw(w, "a=1 b=2 c=3 d=4");
    begin(w, 7, 0);
    journal_sink(w->j, &(struct event){.kind = EVENT_NODE_JOINED, .text = "host\t1", .n_slots = 8,
                                       .memory_bytes = 1000, .time_s = 0.5});
    journal_sink(w->j, &(struct event){.kind = EVENT_WORKER_JOINED, .worker = 4, .n_slots = 1,
                                       .slots = (const uint16_t[]){65535}, .time_s = 0.5});
    say(w, EVENT_TASK_KEPT, "d", NULL);
    say(w, EVENT_TASK_SENT, "a", NULL);
    say(w, EVENT_TASK_STARTED, "a", NULL);
    say(w, EVENT_TASK_DONE, "a", &done);
    say(w, EVENT_TASK_FAILED, "b", &failed);
    say(w, EVENT_TASK_FAILED, "c", &missing);
    say(w, EVENT_TASK_CANCELLED, "d", &cut);
    say(w, EVENT_TASK_SKIPPED, "d", NULL);
    journal_sink(w->j, &(struct event){.kind = EVENT_WORKER_LOST, .worker = 4, .text = "\xff!",
                                       .time_s = 3});
    journal_sink(w->j, &(struct event){.kind = EVENT_RUN_STOPPING, .text = "why", .time_s = 3});
    end(w);
    text = read_lines(w, lines, 16, &n);
    assert_int_equal(n, 12);
    assert_begins(lines[0], "{'event':'run','format':1,'epoch':7,'name':'flow','workflow':"
                            "'0000000000000abc','start':1700000000.250000,'ganger':'");
    assert_begins(lines[1], "{'event':'node','node':0,'host':'host\\u00091','slots':8,"
                            "'memory':1000,'time':0.500000,'crc':");
    assert_begins(lines[2], "{'event':'worker','worker':4,'node':0,'slots':[65535],"
                            "'time':0.500000,'crc':");
    assert_begins(lines[3], "{'event':'start','task':'a','index':0,'attempt':1,'worker':4,"
                            "'node':0,'slots':[2,3],'time':1.500000,'crc':");
    assert_begins(lines[4], "{'event':'done','task':'a','digest':'0000000000000001','index':0,"
                            "'attempt':1,'worker':4,'node':0,'slots':[2,3],'start':1.250000,"
                            "'end':2.000000,'status':0,'max_rss':4096,'cpu':0.500000,"
                            "'output':['7-n0.out',32,40],'crc':");
    assert_begins(lines[5], "{'event':'failed','task':'b','digest':'0000000000000002','index':1,"
                            "'attempt':1,'worker':4,'node':0,'slots':[2,3],'start':1.000000,"
                            "'end':2.000000,'signal':9,'max_rss':0,'cpu':0.000000,'crc':");
    assert_begins(lines[6], "{'event':'failed','task':'c','digest':'0000000000000003','index':2,"
                            "'attempt':1,'worker':4,'node':0,'slots':[2,3],'start':0.000000,"
                            "'end':0.000000,'errno':2,'why':'exec \\'x\\'\\u000a','max_rss':0,"
                            "'cpu':0.000000,'crc':");
    assert_begins(lines[7], "{'event':'cancelled','task':'d','digest':'0000000000000004','index':3,"
                            "'attempt':1,'worker':4,'node':0,'slots':[2,3],'start':0.000000,"
                            "'end':0.000000,'max_rss':0,'cpu':0.000000,'crc':");
    assert_begins(lines[8], "{'event':'skipped','task':'d','cause':'a','time':1.500000,'crc':");
    assert_begins(lines[9], "{'event':'lost','worker':4,'node':0,'why':'\xef\xbf\xbd!','time':");
    assert_begins(lines[10], "{'event':'stopping','why':'why','time':3.000000,'crc':");
    assert_begins(lines[11], "{'event':'end','status':0,'time':99.500000,'crc':");
    free(text);
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
    const struct journal_header header = {1, "flow", 0, 0};
    char *elsewhere = xasprintf("%s/elsewhere", w->scratch);
    struct stat status;

    draw(w, "a=1");
    play(w, "a+ a.");
    assert_int_equal(stat(w->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    unlink(w->path);
    assert_int_equal(symlink(elsewhere, w->path), 0);
    assert_null(journal_open(w->path, w->g, &header, 0, &w->err));
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

    draw(w, "a\"b=1 \\=2 \xc3\xa9\x7f=3 x,\"digest\":\"0000000000000009=4 \"=5");
    play(w, "a\"b+ a\"b. \\+ \\. \xc3\xa9\x7f. x,\"digest\":\"0000000000000009. \"+");
    assert_done(w, "a\"b \\ \xc3\xa9\x7f x,\"digest\":\"0000000000000009");
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
    assert_int_equal(journal_recover(w->path, w->g, &w->past, &w->err), -1);
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
    assert_int_equal(journal_recover(w->path, w->g, &w->past, &w->err), -1);
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

static int list_entry(void *data, const struct journal_entry *e, struct ganger_error *err)
{
    (void)err;
    buffer_printf(data, "%s %s %u %u %u %u %u %u\n", e->task, e->state, e->index, e->epoch,
                  e->attempt, e->worker, (unsigned)e->output.offset, (unsigned)e->output.n_bytes);
    return strcmp(e->task, "halt") == 0 ? error_set(err, ERROR_USAGE, "enough") : 0;
}

static void test_read_gives_each_line_about_a_task(void **state)
{
    struct world *w = *state;
    struct task_result result = {.end = TASK_EXITED, .output_offset = 5, .output_bytes = 77};
    struct buffer b = BUFFER_EMPTY;

    draw(w, "x=1 a=2");
    play(w, "x- a+ a!");
    begin(w, 2, (recover(w), w->past.n_bytes));
    say(w, EVENT_TASK_DONE, "a", &result);
    end(w);
    assert_int_equal(journal_read(w->path, list_entry, &b, &w->err), 0);
    buffer_put_u8(&b, 0);
    assert_string_equal(b.bytes, "x skipped 4294967295 1 0 0 0 0\n"
                                 "a start 1 1 1 4 0 0\n"
                                 "a failed 1 1 1 4 0 0\n"
                                 "a done 1 2 1 4 5 77\n");
    buffer_release(&b);
}

static void test_read_ends_when_the_reader_says_so(void **state)
{
    struct world *w = *state;
    struct buffer b = BUFFER_EMPTY;

    draw(w, "halt=1 a=2");
    play(w, "halt+ a+");
    assert_int_equal(journal_read(w->path, list_entry, &b, &w->err), -1);
    assert_string_equal(w->err.text, "enough");
    buffer_put_u8(&b, 0);
    assert_null(strstr(b.bytes, "a start"));
    buffer_release(&b);
}

static void test_read_of_a_missing_journal_is_an_error(void **state)
{
    struct world *w = *state;
    struct buffer b = BUFFER_EMPTY;

    assert_int_equal(journal_read(w->path, list_entry, &b, &w->err), -1);
    assert_int_equal(w->err.cause, ERROR_USAGE);
    assert_non_null(strstr(w->err.text, "journal.jsonl"));
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_lines_say_what_happened),
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
        WORLD_TEST(test_read_gives_each_line_about_a_task),
        WORLD_TEST(test_read_ends_when_the_reader_says_so),
        WORLD_TEST(test_read_of_a_missing_journal_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
