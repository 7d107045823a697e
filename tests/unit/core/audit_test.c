#include "core/audit.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "graph_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST 0xabcu

static void gather(void *data, const char *text)
{
    buffer_printf(data, "%s\n", text);
}

static const char *value_of(const char *line, const char *key, const char *otherwise)
{
    static char value[64];
    const char *at = strstr(line, key);

    snprintf(value, sizeof(value), "%s", at != NULL ? at + strlen(key) : otherwise);
    value[strcspn(value, " \n")] = '\0';
    return value;
}

static uint32_t number_of(const char *line, const char *key, uint32_t otherwise)
{
    const char *text = value_of(line, key, "");

    return *text != '\0' ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

/* "1,2" */
static uint32_t numbers_of(const char *line, const char *key, const char *otherwise, uint16_t *numbers)
{
    const char *next = value_of(line, key, otherwise);
    uint32_t n = 0;
    char *end;

    for (; *next != '\0'; next = *end == ',' ? end + 1 : end)
        numbers[n++] = (uint16_t)strtoul(next, &end, 10);
    return n;
}

static enum event_kind kind_of(const char *word)
{
    static const struct
    {
        const char *word;
        enum event_kind kind;
    } kinds[] = {
        {"start", EVENT_TASK_SENT},         {"done", EVENT_TASK_DONE},       {"failed", EVENT_TASK_FAILED},
        {"retried", EVENT_TASK_RETRIED},    {"lost", EVENT_TASK_RETRIED},    {"cancelled", EVENT_TASK_CANCELLED},
        {"gone", EVENT_TASK_CANCELLED},
        {"returned", EVENT_TASK_RETURNED},  {"skipped", EVENT_TASK_SKIPPED}, {"node", EVENT_NODE_JOINED},
        {"not-needed", EVENT_TASK_NOT_NEEDED}, {"unchanged", EVENT_TASK_UNCHANGED},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            return kinds[i].kind;
    abort();
}

/* A line of the journal from one like "done a t=1-2 w=1 s=0,1 g=0 n=1 node=0", where all but the first words have
 * defaults; "run 2" and "end" are an epoch's first and last line. */
static size_t make_line(char *bytes, struct graph *g, const char *line)
{
    uint16_t slots[8], gpus[8];
    char word[16] = "", id[64] = "", time[64];
    struct event e = {.n_slots = numbers_of(line, " s=", "0", slots), .slots = slots,
                      .n_gpus = numbers_of(line, " g=", "", gpus), .gpus = gpus,
                      .attempt = number_of(line, " n=", 1), .worker = number_of(line, " w=", 1),
                      .node = number_of(line, " node=", 0), .memory_bytes = (uint64_t)number_of(line, " mem=", 0) << 20,
                      .text = "host"};
    struct task_result result = {.end = TASK_EXITED};
    char *end;

    sscanf(line, "%15s %63s", word, id);
    if (strcmp(word, "run") == 0)
        return (size_t)(record_put_header(bytes, (uint32_t)atoi(id), "flow", number_of(line, " digest=", DIGEST), 1,
                                          strstr(line, " by_content") != NULL, NULL) -
                        bytes);
    if (strcmp(word, "end") == 0)
        return (size_t)(record_put_end(bytes, 0, 9) - bytes);
    e.kind = kind_of(word);
    e.result = &result;
    snprintf(time, sizeof(time), "%s", value_of(line, " t=", "1-2"));
    result.start_s = strtod(time, &end);
    result.end_s = *end == '-' ? strtod(end + 1, NULL) : result.start_s;
    e.time_s = result.end_s;
    result.fingerprint = number_of(line, " print=", 0);
    result.code = (int)number_of(line, " status=", strcmp(word, "failed") == 0 || strcmp(word, "retried") == 0);
    if (strcmp(word, "lost") == 0 || strcmp(word, "gone") == 0)
        result.end = TASK_LOST;
    if (e.kind != EVENT_NODE_JOINED)
        e.task = graph_find(g, id, strlen(id));
    e.cause = graph_find(g, value_of(line, " for=", ""), strlen(value_of(line, " for=", "")));
    return (size_t)(record_put_event(bytes, g, &e, 1) - bytes);
}

/* Plays a journal whose lines are written as above; "damaged" is one that cannot be read. The problems, to be freed. */
static char *problems_of(const char *graph, const char *journal, struct audit_result *result)
{
    struct graph *g = graph_from_text(graph);
    struct buffer problems = BUFFER_EMPTY;
    struct audit *audit = audit_new(g, DIGEST, gather, &problems);
    char *copy = xstrdup(journal), *rest = NULL, *bytes = xmalloc(record_bytes_max(16));
    struct record_fields fields;
    uint64_t number = 0;

    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (strcmp(line, "damaged") == 0) {
            audit_line(audit, ++number, NULL);
            continue;
        }
        struct record r = record_over(bytes, make_line(bytes, g, line) - 1);

        assert_true(r.is_valid);
        assert_true(record_read(&r, &fields));
        audit_line(audit, ++number, &fields);
    }
    audit_end(audit, result);
    audit_free(audit);
    graph_free(g);
    free(copy);
    free(bytes);
    buffer_put_u8(&problems, 0);
    assert_int_equal(result->n_problems == 0, problems.bytes[0] == '\0');
    return problems.bytes;
}

static void assert_complete(const char *graph, const char *journal)
{
    struct audit_result result;
    char *problems = problems_of(graph, journal, &result);

    assert_string_equal(problems, "");
    assert_true(result.is_complete);
    free(problems);
}

/* There is that problem and no other. */
static void assert_problem(const char *graph, const char *journal, const char *text)
{
    struct audit_result result;
    char *problems = problems_of(graph, journal, &result);

    if (strstr(problems, text) == NULL)
        assert_string_equal(problems, text);
    assert_int_equal(result.n_problems, 1);
    free(problems);
}

static void test_a_run_that_kept_the_rules_is_complete(void **state)
{
    (void)state;
    assert_complete("a\nb : a\nc : a\nd : b c",
                    "run 1\nnode x\nstart a\ndone a t=1-2\nstart b\nstart c w=2 s=1\ndone c w=2 s=1 t=2-3\n"
                    "done b t=2-4\nstart d\ndone d t=4-5\nend");
}

static void test_what_was_not_run_makes_it_incomplete_and_no_problem(void **state)
{
    struct audit_result r;
    char *problems = problems_of("a\nb : a\nc\nd\ne may_fail",
                                 "run 1\nstart a\nfailed a\nskipped b for=a\nstart c w=2 s=1\nstart e w=3 s=2\n"
                                 "failed e w=3 s=2", &r);

    (void)state;
    assert_string_equal(problems, "");
    assert_false(r.is_complete);
    assert_int_equal(r.n_failed, 2);
    assert_int_equal(r.n_may_fail, 1);
    assert_int_equal(r.n_skipped, 1);
    assert_int_equal(r.n_unfinished, 2);
    assert_int_equal(r.n_cut_epochs, 1);
    free(problems);
}

static void test_a_start_before_its_parents_end_is_found(void **state)
{
    (void)state;
    assert_problem("a\nb : a", "run 1\nstart a\nstart b w=2 s=1\ndone a t=1-2\ndone b w=2 s=1 t=2-3\nend",
                   "line 3: task \"b\" was started before a had ended");
    assert_problem("a\nb\n* join : a b\nc : *",
                   "run 1\nstart a\ndone a\nstart c\ndone c t=2-3\nstart b\ndone b t=3-4\nend",
                   "line 4: task \"c\" was started before * had ended");
    assert_problem("a\nb : a", "run 1\nstart a\ndone a t=1-2\nstart b w=2 s=1\ndone b w=2 s=1 t=1.5-3\nend",
                   "line 5: task \"b\" ran from 1.500000 s, and what it waits for until 2.000000 s");
}

/* A function that follows another on its worker may have begun, and be lost with it, before anybody heard how the other
 * ended. Nothing comes of such an attempt. */
static void test_a_function_may_be_lost_behind_what_it_waits_for(void **state)
{
    (void)state;
    assert_complete("a call\nb call : a", "run 1\nstart b\nlost b\nstart a w=2 s=1\ndone a w=2 s=1\n"
                                         "start b n=2 w=2 s=1\ndone b n=2 w=2 s=1 t=2-3\nend");
    assert_problem("a call\nb call : a", "run 1\nstart b\ndone b\nstart a\ndone a t=2-3\nend",
                   "line 3: task \"b\" was started before a had ended as it waits for it");
    assert_problem("a\nb : a", "run 1\nstart b\nlost b\nstart a w=2 s=1\ndone a w=2 s=1\n"
                              "start b n=2 w=2 s=1\ndone b n=2 w=2 s=1 t=2-3\nend",
                   "line 2: task \"b\" was started before a had ended as it waits for it");
}

static void test_conditions_are_looked_at(void **state)
{
    (void)state;
    assert_complete("a\nrescue : notok:a\nclean : any:rescue",
                    "run 1\nstart a\ndone a\nnot-needed rescue for=a\nstart clean\ndone clean t=2-3\nend");
    assert_complete("a may_fail\nrescue : notok:a\nb : a",
                    "run 1\nstart a\nfailed a\nstart rescue\nstart b w=2 s=1\ndone rescue t=2-3\n"
                    "done b w=2 s=1 t=2-3\nend");
    assert_problem("a\nrescue : notok:a", "run 1\nstart a\ndone a\nstart rescue\ndone rescue t=2-3\nend",
                   "line 4: task \"rescue\" was started before a had ended as it waits for it");
    assert_problem("a\nb : a", "run 1\nstart a\nfailed a\nstart b\ndone b t=2-3\nend",
                   "line 4: task \"b\" was started before a");
    assert_problem("a\nb : a\nf", "run 1\nstart f\nfailed f\nstart a n=1\ndone a t=2-3\nskipped b for=f\nend",
                   "nothing kept it from running");
    assert_problem("a\nb\nc : a", "run 1\nstart a\nskipped c for=b\nfailed a\nend", "which did not fail");
}

static void test_a_task_that_runs_twice_is_found(void **state)
{
    (void)state;
    assert_problem("a", "run 1\nstart a\ndone a\nstart a\ndone a t=3-4\nend",
                   "line 4: task \"a\" was started again though it was done");
    assert_problem("a", "run 1\nstart a\ndone a\nend\nrun 2\nstart a\ndone a t=3-4\nend",
                   "line 6: task \"a\" was started again though it was done");
    assert_problem("a", "run 1\nstart a\nstart a w=2 s=1\ndone a w=2 s=1\nend", "again while it ran");
    assert_complete("a\nb : a", "run 1\nstart a\ndone a\nstart b\nfailed b t=2-3\nend\n"
                                "run 2\nstart b\ndone b\nend");
}

/* Its parent was changed in between, and made other results. */
static void test_what_must_run_again_may(void **state)
{
    (void)state;
    assert_complete("a\nb : a", "run 1\nstart a\ndone a\nstart b\ndone b t=2-3\nend\n"
                                "run 2 digest=1\nstart a\ndone a\nend\n"
                                "run 3\nstart b\ndone b\nend");
}

/* In an epoch that looks at what inputs contain. */
static void test_what_is_unchanged_was_to_be_looked_at(void **state)
{
    static const char before[] = "run 1 by_content\nstart a\ndone a print=9\nstart b\ndone b t=2-3\nend\n";
    char *journal;

    (void)state;
    journal = xasprintf("%srun 2 by_content\nstart a\nreturned a\nunchanged a\nstart b\nreturned b\nunchanged b t=2-3\n"
                        "end", before);
    assert_complete("a input\nb : a", journal);
    free(journal);
    journal = xasprintf("%srun 2 by_content\nstart a\ndone a\nstart b\ndone b t=2-3\nend", before);
    assert_complete("a input\nb : a", journal);
    free(journal);
    journal = xasprintf("%srun 2 by_content\nstart a\ndone a\nstart b\nreturned b\nunchanged b t=2-3\nend", before);
    assert_problem("a input\nb : a", journal, "task \"b\" is said to be unchanged, but had to run");
    free(journal);
    journal = xasprintf("%srun 2 by_content\nstart a\nunchanged b\nreturned a\nunchanged a\nend", before);
    assert_problem("a input\nb : a", journal, "task \"b\" is said to be unchanged before a had ended");
    free(journal);
    assert_problem("a input", "run 1\nstart a\ndone a print=9\nend\nrun 2\nunchanged a\nend",
                   "task \"a\" is said to be unchanged, but nobody was to look");
}

static void test_retries_and_losses_are_counted_apart(void **state)
{
    (void)state;
    assert_complete("a retries=1", "run 1\nstart a\nretried a\nstart a n=2\nlost a n=2\nstart a n=3\n"
                                   "done a n=3 t=3-4\nend");
    assert_problem("a retries=1", "run 1\nstart a\nretried a\nstart a n=2\nretried a n=2 t=2-3\nstart a n=3\n"
                                  "done a n=3 t=3-4\nend",
                   "more often than its retries allow (1)");
}

/* Nobody knows when a lost task began: its line says 0. */
static void test_what_was_lost_when_the_run_ended_began_at_no_known_time(void **state)
{
    (void)state;
    assert_complete("a\nb: a", "run 1\nstart a\ndone a t=1-2\nstart b\ngone b t=0-3\nend\n"
                               "run 2\nstart b\ndone b t=1-2\nend");
}

static void test_what_was_taken_back_may_be_sent_again(void **state)
{
    struct audit_result r;
    char *problems = problems_of("a", "run 1\nstart a\nreturned a\nstart a w=2 n=2\ndone a w=2 n=2\nend", &r);

    (void)state;
    assert_string_equal(problems, "");
    assert_int_equal(r.n_starts, 1);
    free(problems);
}

static void test_ends_and_starts_must_match(void **state)
{
    (void)state;
    assert_problem("a", "run 1\ndone a\nend", "line 2: task \"a\" ended (done), but was not started");
    assert_problem("a", "run 1\nstart a\ndone a w=2\nend", "ended on worker 2, but attempt 1 was started on worker 1");
    assert_problem("a\nb", "run 1\nstart a\nstart b w=2 s=1\ndone a\nend", "epoch 1 ended, but task \"b\" did not");
    assert_problem("a", "run 1\nstart a\ndone a t=2-1\nend", "before it started");
    assert_problem("a", "run 1\nstart a\ndone a status=3\nend", "is said to be done, and did not end well");
    assert_problem("a", "run 1\nstart a\nfailed a status=0\nend", "is said to have failed, and ended well");
}

static void test_a_slot_used_twice_at_a_time_is_found(void **state)
{
    (void)state;
    assert_problem("a\nb", "run 1\nstart a\nstart b w=2\ndone a t=1-3\ndone b w=2 t=2-4\nend",
                   "line 5: task \"b\" ran on slot 0 of node 0 from 2.000000 s, which a had until 3.000000 s");
    assert_problem("a cores=2\nb", "run 1\nstart a s=0,1\nstart b w=2 s=1\ndone b w=2 s=1 t=2-2.5\n"
                                   "done a s=0,1 t=1-3\nend", "slot 1 of node 0");
    assert_complete("a\nb", "run 1\nstart a\nstart b w=2 node=1\ndone a t=1-3\ndone b w=2 node=1 t=2-4\nend");
}

static void test_gpus_and_slots_are_as_asked_for(void **state)
{
    (void)state;
    assert_complete("a gpus=2", "run 1\nstart a g=0,1\ndone a\nend");
    assert_problem("a gpus=2", "run 1\nstart a g=0\ndone a\nend", "was given 1 GPUs, and asks for 2");
    assert_problem("a cores=2", "run 1\nstart a\ndone a\nend", "was given 1 slots, and asks for 2");
    assert_problem("a gpus=1\nb gpus=1", "run 1\nstart a g=1\nstart b g=1 w=2 s=1\ndone a t=1-3\n"
                                         "done b w=2 s=1 t=2-4\nend", "ran on GPU 1 of node 0");
}

static void test_amounts_are_never_exceeded(void **state)
{
    static const char both[] = "run 1\nnode x mem=100\nstart a\nstart b w=2 s=1\ndone a t=1-3\n"
                               "done b w=2 s=1 t=2-4\nend";
    static const char turns[] = "run 1\nnode x mem=100\nstart a\nstart b w=2 s=1\ndone a t=1-2\n"
                                "done b w=2 s=1 t=2-4\nend";

    (void)state;
    assert_problem("a mem=60\nb mem=60", both, "125829120 of memory of the node were taken, and there are 104857600");
    assert_complete("a mem=60\nb mem=60", turns);
    assert_complete("a mem=50\nb mem=50", both);
    assert_problem("!queue disk 1\na queue=disk\nb queue=disk", both, "2 of disk were taken, and there are 1");
    assert_complete("!queue disk 1\na queue=disk\nb queue=disk", turns);
    assert_problem("!total licence 3\na licence=2\nb licence=2", both, "4 of licence were taken, and there are 3");
    assert_problem("!each scratch 3\na scratch=2\nb scratch=2", both, "4 of scratch");
    assert_complete("!each scratch 3\na scratch=2\nb scratch=2",
                    "run 1\nstart a\nstart b w=2 node=1\ndone a t=1-3\ndone b w=2 node=1 t=2-4\nend");
}

/* But what it leaves unproven is one. */
static void test_a_damaged_line_that_a_later_epoch_did_without_is_no_problem(void **state)
{
    static const char journal[] = "run 1\nstart a\ndone a t=1-2\ndamaged\ndamaged\nend\n"
                                  "run 2\nstart b\ndone b t=2-3\nend";
    struct audit_result r;
    char *problems = problems_of("a\nb : a", journal, &r);

    (void)state;
    assert_string_equal(problems, "");
    assert_true(r.is_complete);
    assert_int_equal(r.n_superseded, 2);
    free(problems);
    assert_problem("a", "run 1\nstart a\ndamaged\nend\nrun 2\nstart a\ndone a\nend",
                   "epoch 1 ended, but task \"a\" did not");
}

static void test_what_is_missing_in_the_journal_is_found(void **state)
{
    (void)state;
    assert_problem("a", "run 1\nstart a\ndone a\ndamaged\nend", "line 4: damaged or torn");
    assert_problem("a", "run 1\nend\nrun 2\ndamaged\nstart a\ndone a\nend", "line 4: damaged or torn");
    assert_problem("a", "run 2\nstart a\ndone a\nend", "epoch 2 follows epoch 0");
    assert_problem("a", "run 1\nstart a\ndone a\nend\nnode x", "stands behind the last one");
}

static void test_other_versions_are_only_looked_at_for_what_holds_for_all(void **state)
{
    struct audit_result r;
    char *problems = problems_of("a", "run 1 digest=1\nstart a\nstart a\ndone a t=1-2\ndone a w=2 t=1.5-3\nend", &r);

    (void)state;
    assert_non_null(strstr(problems, "slot 0"));
    assert_int_equal(r.n_problems, 1);
    assert_int_equal(r.n_other_epochs, 1);
    free(problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_kept_the_rules_is_complete),
        cmocka_unit_test(test_what_was_not_run_makes_it_incomplete_and_no_problem),
        cmocka_unit_test(test_a_start_before_its_parents_end_is_found),
        cmocka_unit_test(test_a_function_may_be_lost_behind_what_it_waits_for),
        cmocka_unit_test(test_conditions_are_looked_at),
        cmocka_unit_test(test_a_task_that_runs_twice_is_found),
        cmocka_unit_test(test_what_must_run_again_may),
        cmocka_unit_test(test_what_is_unchanged_was_to_be_looked_at),
        cmocka_unit_test(test_retries_and_losses_are_counted_apart),
        cmocka_unit_test(test_what_was_lost_when_the_run_ended_began_at_no_known_time),
        cmocka_unit_test(test_what_was_taken_back_may_be_sent_again),
        cmocka_unit_test(test_ends_and_starts_must_match),
        cmocka_unit_test(test_a_slot_used_twice_at_a_time_is_found),
        cmocka_unit_test(test_gpus_and_slots_are_as_asked_for),
        cmocka_unit_test(test_amounts_are_never_exceeded),
        cmocka_unit_test(test_a_damaged_line_that_a_later_epoch_did_without_is_no_problem),
        cmocka_unit_test(test_what_is_missing_in_the_journal_is_found),
        cmocka_unit_test(test_other_versions_are_only_looked_at_for_what_holds_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
