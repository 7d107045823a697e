#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/slurm_offer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

/* Two kinds of nodes in "main", of which two of six have GPUs; hardware threads are counted in "wide". */
static const char cluster[] = "main*|up|1-00:00:00|1-infinite|4|16|64000|(null)|1|(null)\n"
                              "main*|up|1-00:00:00|1-infinite|2|16|64000|gpu:a100:4|1|fast\n"
                              "short|up|10:00|1|1|2|1000|(null)|1|(null)\n"
                              "wide|up|infinite|1-infinite|2|128|1|(null)|2|(null)\n"
                              "closed|drain|infinite|1-infinite|9|16|64000|(null)|1|(null)\n";

/* A group owns its texts; these are not changed. */
static char *word(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* `wanted` is NULL when it can be given, else what the message must say. Returns the workers wanted. */
static uint32_t judge_on(const char *text, struct group g, const char *wanted)
{
    struct ganger_error err = {0};
    struct resource_set set = {.type = NULL};
    struct slurm_nodes *nodes;
    size_t n;
    int status;

    slurm_read_partitions(text, &nodes, &n);
    status = slurm_judge(nodes, n, &g, &set, &err);
    slurm_nodes_free_all(nodes, n);
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

static uint32_t judge(struct group g, const char *wanted)
{
    return judge_on(cluster, g, wanted);
}

static void test_what_fits_is_given(void **state)
{
    (void)state;
    assert_int_equal(judge((struct group){.n_nodes = 4}, NULL), 64);
    assert_int_equal(judge((struct group){.n_nodes = 6, .n_cores = 3}, NULL), 18);
    assert_int_equal(judge((struct group){.n_cores = 1}, NULL), 1);
    assert_int_equal(judge((struct group){.n_nodes = 2, .n_gpus = 4, .constraint = word("fast")}, NULL), 32);
    assert_int_equal(judge((struct group){.partition = word("wide"), .n_cores = 64}, NULL), 64);
    judge((struct group){.partition = word("short,main"), .n_nodes = 2}, NULL);
    judge((struct group){.partition = word("wide"), .memory_bytes = 999 * GIB}, NULL);
    judge((struct group){.constraint = word("a&b|c*2")}, NULL); /* left to sbatch */
}

static void test_each_limit_is_refused_in_its_words(void **state)
{
    char *short_ = word("short");

    (void)state;
    judge((struct group){.n_nodes = 7}, "it has 6 nodes, and 7 are asked for");
    judge((struct group){.n_cores = 17}, "at most 16 cores, and 17");
    judge((struct group){.partition = word("wide"), .n_cores = 65}, "at most 64 cores, and 65");
    judge((struct group){.memory_bytes = 100 * GIB}, "at most 64000 MiB of memory, and 102400");
    judge((struct group){.n_gpus = 5}, "at most 4 GPUs, and 5");
    judge((struct group){.n_nodes = 3, .n_gpus = 1}, "only 2 of its nodes have all that is asked for, and 3");
    judge((struct group){.runtime_s = 90000}, "may last 1-00:00:00 there, and 1-01:00:00 is asked for");
    judge((struct group){.runtime_s = INFINITY}, "and UNLIMITED is asked for");
    judge((struct group){.constraint = word("slow")}, "feature \"slow\"");
    judge((struct group){.partition = short_, .n_nodes = 2}, "may have 1 of its nodes, and 2");
    judge((struct group){.partition = word("closed")}, "it is down");
    judge((struct group){.partition = word("mian")},
          "no partition \"mian\"; there are closed, main, short, wide");
}

static void test_all_reasons_are_in_one_message(void **state)
{
    struct group g = {.partition = word("short"), .n_nodes = 2, .n_cores = 4, .runtime_s = 3600};

    (void)state;
    judge(g, "0-00:10:00");
    judge(g, "1 of its nodes");
    judge(g, "2 cores");
    judge(g, "(partition short)");
}

static void test_without_a_default_one_must_be_named(void **state)
{
    (void)state;
    judge_on("a|up|infinite|1-infinite|1|2|1|(null)|1|(null)\n", (struct group){.n_nodes = 1},
             "no default partition: name one of a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_is_given),
        cmocka_unit_test(test_each_limit_is_refused_in_its_words),
        cmocka_unit_test(test_all_reasons_are_in_one_message),
        cmocka_unit_test(test_without_a_default_one_must_be_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
