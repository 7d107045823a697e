#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/pbs_offer.h"
#include "pbs_recorded.h"

#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

/* Four nodes of 16 cores, two of them with GPUs; two of 64, in two vnodes each; one that belongs to a queue. */
static const char nodes[] =
    "n1\n     state = free\n     resources_available.host = n1\n     resources_available.ncpus = 16\n"
    "     resources_available.mem = 64gb\n     resources_available.ngpus = 2\n\n"
    "n2\n     state = job-busy\n     resources_available.host = n2\n     resources_available.ncpus = 16\n"
    "     resources_available.mem = 64gb\n     resources_available.ngpus = 2\n\n"
    "n3\n     state = free\n     resources_available.host = n3\n     resources_available.ncpus = 16\n"
    "     resources_available.mem = 64gb\n\n"
    "n4\n     state = down,offline\n     resources_available.host = n4\n     resources_available.ncpus = 16\n"
    "     resources_available.mem = 64gb\n\n"
    "big1[0]\n     state = free\n     resources_available.host = big1\n     resources_available.ncpus = 32\n"
    "     resources_available.mem = 256gb\n\n"
    "big1[1]\n     state = free\n     resources_available.host = big1\n     resources_available.ncpus = 32\n"
    "     resources_available.mem = 256gb\n\n"
    "big2[0]\n     state = free\n     resources_available.host = big2\n     resources_available.ncpus = 64\n"
    "     resources_available.mem = 512gb\n\n"
    "mine\n     state = free\n     queue = own\n     resources_available.host = mine\n"
    "     resources_available.ncpus = 128\n     resources_available.mem = 1tb\n\n";

static const char more_queues[] = "Queue: own\n    queue_type = Execution\n    enabled = True\n\n"
                                  "Queue: closed\n    queue_type = Execution\n    enabled = False\n\n";

static struct buffer notes;

static char *word(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* `wanted` is NULL when it can be given, else what the message must say. Returns the workers wanted. */
static uint32_t judge(struct group g, const char *wanted)
{
    struct ganger_error err = {0};
    struct resource_set set = {.type = NULL};
    struct buffer queues = BUFFER_EMPTY;
    struct pbs_site site;
    int status;

    buffer_release(&notes);
    buffer_printf(&queues, "%s%s", openpbs_queues_plain, more_queues);
    pbs_records_read(queues.bytes, &site.queues);
    pbs_records_read(openpbs_server_plain, &site.server);
    pbs_records_read(nodes, &site.nodes);
    status = pbs_judge(&site, &g, &set, &notes, &err);
    pbs_site_release(&site);
    buffer_release(&queues);
    if (wanted == NULL) {
        if (status < 0)
            fail_msg("refused: %s", err.text);
        return set.n_workers;
    }
    assert_int_equal(status, -1);
    assert_int_equal(err.cause, ERROR_USAGE);
    if (strstr(err.text, wanted) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, wanted);
    return 0;
}

static int release(void **state)
{
    (void)state;
    buffer_release(&notes);
    return 0;
}

static void test_what_fits_is_given(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_cores = 4}, NULL), 4);
    assert_int_equal(judge((struct group){.n_nodes = 3, .n_cores = 16, .memory_bytes = 60 * GIB}, NULL), 48);
    assert_int_equal(judge((struct group){.n_nodes = 2, .n_cores = 16, .n_gpus = 2}, NULL), 32);
    assert_int_equal(notes.n, 0);
}

static void test_whole_nodes_are_those_of_which_there_are_most(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_nodes = 4}, NULL), 64);
    assert_int_equal(judge((struct group){.n_nodes = 2, .memory_bytes = 100 * GIB}, NULL), 128);
    judge((struct group){.n_nodes = 5}, "--cores-per-node");
}

static void test_one_that_is_away_may_have_to_be_waited_for(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_nodes = 6, .n_cores = 16}, NULL), 96);
    assert_int_not_equal(notes.n, 0);
    assert_non_null(memmem(notes.bytes, notes.n, "only 5 of the nodes", 19));
    judge((struct group){.n_nodes = 7, .n_cores = 16}, "it has 6 nodes, and 7 are asked for");
}

static void test_what_no_node_has_is_refused(void **state)
{
    (void)state;
    judge((struct group){.n_cores = 100}, "at most 64 cores, and 100 are asked for");
    judge((struct group){.n_cores = 1, .memory_bytes = 600 * GIB}, "at most 524288 MiB of memory");
    judge((struct group){.n_cores = 1, .n_gpus = 3}, "at most 2 GPUs, and 3 are asked for");
    judge((struct group){.n_nodes = 3, .n_cores = 1, .n_gpus = 1}, "only 2 of its nodes have all");
    judge((struct group){.n_nodes = 65, .n_cores = 1}, "a job may have 64 nodes, and 65 are asked for");
}

/* The default queue passes jobs on to "short" and "long". */
static void test_a_queue_that_passes_on_gives_what_those_behind_it_give(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_cores = 16, .runtime_s = 300}, NULL), 16);
    assert_int_equal(judge((struct group){.n_cores = 16, .runtime_s = 86400}, NULL), 16);
    judge((struct group){.n_cores = 16, .runtime_s = 8 * 86400.0}, "(queue long)");
    judge((struct group){.n_cores = 16, .runtime_s = 8 * 86400.0}, "may last 00:10:00 there");
}

static void test_limits_of_the_queue_that_is_named(void **state)
{
    (void)state;
    judge((struct group){.n_cores = 1, .partition = word("short"), .runtime_s = 3600},
          "jobs may last 00:10:00 there, and 01:00:00 is asked for");
    judge((struct group){.n_cores = 1, .partition = word("short"), .runtime_s = 10}, "last at least 00:00:30");
    judge((struct group){.n_nodes = 2, .n_cores = 16, .partition = word("short")}, "a job may have 16 cores, and 32");
    judge((struct group){.n_cores = 1, .partition = word("shrot")}, "there are short, long, workq, own, closed");
    judge((struct group){.n_cores = 1, .partition = word("closed")}, "takes no jobs");
    assert_int_equal(judge((struct group){.n_cores = 1, .partition = word("far@other")}, NULL), 1); /* who knows? */
}

static void test_nodes_of_a_queue_are_its_own(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_cores = 100, .partition = word("own")}, NULL), 100);
    assert_int_equal(judge((struct group){.partition = word("own")}, NULL), 128);
    judge((struct group){.n_nodes = 2, .n_cores = 1, .partition = word("own")}, "it has 1 nodes, and 2 are asked for");
}

static void test_what_could_not_be_learned_refuses_nothing(void **state)
{
    struct resource_set set = {.type = NULL};
    struct pbs_site none = {.queues = {NULL, 0, 0}};
    struct group g = {.n_nodes = 100, .n_cores = 100, .partition = word("any"), .runtime_s = 1e9};

    (void)state;
    assert_int_equal(pbs_judge(&none, &g, &set, &notes, NULL), 0);
    assert_int_equal(set.n_workers, 10000);
    g = (struct group){.n_nodes = 2};
    assert_int_equal(pbs_judge(&none, &g, &set, &notes, NULL), 0);
    assert_int_equal(set.n_workers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_fits_is_given, release),
        cmocka_unit_test_teardown(test_whole_nodes_are_those_of_which_there_are_most, release),
        cmocka_unit_test_teardown(test_one_that_is_away_may_have_to_be_waited_for, release),
        cmocka_unit_test_teardown(test_what_no_node_has_is_refused, release),
        cmocka_unit_test_teardown(test_a_queue_that_passes_on_gives_what_those_behind_it_give, release),
        cmocka_unit_test_teardown(test_limits_of_the_queue_that_is_named, release),
        cmocka_unit_test_teardown(test_nodes_of_a_queue_are_its_own, release),
        cmocka_unit_test_teardown(test_what_could_not_be_learned_refuses_nothing, release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
