#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/slurm_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct
{
    const char *text;
    double seconds; /* -1: refused */
} times[] = {
    {"1", 60},
    {"100", 6000},
    {"0", 0},
    {"1:40", 100},
    {"90:00", 5400},
    {"0:05", 5},
    {"1:00:00", 3600},
    {"100:00:00", 360000},
    {"1-0", 86400},
    {"1-12", 129600},
    {"2-03:04", 2 * 86400 + 3 * 3600 + 4 * 60},
    {"2-03:04:05", 2 * 86400 + 3 * 3600 + 4 * 60 + 5},
    {"365-00:00:00", 365 * 86400.0},
    {"infinite", INFINITY},
    {"UNLIMITED", INFINITY},
    {"", -1},
    {"INVALID", -1},
    {"NOT_SET", -1},
    {"N/A", -1},
    {"1-", -1},
    {"-1", -1},
    {"1:", -1},
    {":1", -1},
    {"1:2:3:4", -1},
    {"1-2:3:4:5", -1},
    {"1-2-3", -1},
    {"1h", -1},
    {" 1", -1},
    {"99999999999999", -1},
};

static void test_durations_are_read_as_slurm_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        double seconds = -2;
        bool is_time = slurm_read_time(times[i].text, &seconds);

        if (is_time != (times[i].seconds >= 0) || (is_time && seconds != times[i].seconds))
            fail_msg("\"%s\" was read as %g", times[i].text, is_time ? seconds : -1);
    }
}

static void check_written(double seconds, const char *wanted)
{
    char text[32];
    double again;

    slurm_write_time(seconds, text);
    assert_string_equal(text, wanted);
    assert_true(slurm_read_time(text, &again));
    assert_true(again >= seconds);
}

static void test_durations_are_written_as_slurm_reads_them(void **state)
{
    (void)state;
    check_written(100, "0-00:01:40");
    check_written(0.5, "0-00:00:01");
    check_written(86400, "1-00:00:00");
    check_written(90061, "1-01:01:01");
    check_written(INFINITY, "UNLIMITED");
}

static void test_dates_are_local_times(void **state)
{
    double wall_s = 0;

    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    assert_true(slurm_read_date("2026-11-23T06:48:56", &wall_s));
    assert_true(wall_s == 1795416536.0);
    assert_false(slurm_read_date("Unknown", &wall_s));
    assert_false(slurm_read_date("N/A", &wall_s));
    assert_false(slurm_read_date("", &wall_s));
    assert_false(slurm_read_date("2026-11-23T06:48:56 or so", &wall_s));
}

static void check_submitted(const char *out, const char *wanted)
{
    char *id = slurm_read_submitted(out);

    if (wanted == NULL)
        assert_null(id);
    else
        assert_string_equal(id, wanted);
    free(id);
}

static void test_a_job_id_is_found_among_banners(void **state)
{
    (void)state;
    check_submitted("12\n", "12");
    check_submitted("12", "12");
    check_submitted("12;cluster\n", "12");
    check_submitted("12\r\n", "12");
    check_submitted("Submitted batch job 34\n", "34");
    check_submitted("Submitted batch job 34 on cluster big\n", "34");
    check_submitted("Welcome to 3 clusters\n2026 is a good year\n***\n567\n", "567");
    check_submitted("You have 100 hours left\n8\nThank you\n", "8");
    check_submitted("", NULL);
    check_submitted("\n\n", NULL);
    check_submitted("You have 12 hours left\n", NULL);
    check_submitted("12 hours left\n", NULL);
    check_submitted("sbatch: error: 12\n", NULL);
}

static void test_job_ids_are_told_from_other_words(void **state)
{
    (void)state;
    assert_true(slurm_is_job_id("12"));
    assert_true(slurm_is_job_id("12_3"));
    assert_false(slurm_is_job_id(""));
    assert_false(slurm_is_job_id("JOBID"));
    assert_false(slurm_is_job_id("12_"));
    assert_false(slurm_is_job_id("12_[1-3]"));
    assert_false(slurm_is_job_id("12a"));
}

static void test_states_by_their_long_and_short_names(void **state)
{
    (void)state;
    assert_int_equal(slurm_job_state("PENDING"), JOB_WAITING);
    assert_int_equal(slurm_job_state("PD"), JOB_WAITING);
    assert_int_equal(slurm_job_state("CONFIGURING"), JOB_WAITING);
    assert_int_equal(slurm_job_state("RUNNING"), JOB_RUNNING);
    assert_int_equal(slurm_job_state("R"), JOB_RUNNING);
    assert_int_equal(slurm_job_state("COMPLETING"), JOB_ENDING);
    assert_int_equal(slurm_job_state("COMPLETED"), JOB_ENDED);
    assert_int_equal(slurm_job_state("CANCELLED by 1000"), JOB_ENDED);
    assert_int_equal(slurm_job_state("CANCELLED+"), JOB_ENDED);
    assert_int_equal(slurm_job_state("TIMEOUT"), JOB_ENDED);
    assert_int_equal(slurm_job_state("NODE_FAIL"), JOB_ENDED);
    assert_int_equal(slurm_job_state(""), JOB_UNKNOWN);
}

#define QUEUE_HEADER "JOBID|STATE|PARTITION|NODES|TIME|TIME_LIMIT|START_TIME|END_TIME|REASON|NODELIST|COMMENT\n"
#define QUEUE_LINES                                                                                              \
    "1|PENDING|main|2|0:00|5:00|N/A|N/A|None||ganger:0123456789abcdef:/a path/with|bar x\n"                       \
    "2_[1-3]|PENDING|main|1|0:00|UNLIMITED|N/A|N/A|Resources||(null)\n"                                           \
    "12|RUNNING|main|3|1-02:03:04|2-00:00:00|2026-11-23T06:48:56|2026-11-25T06:48:56|None|n[1-3]|(null)\n"

static void check_queue(const char *text)
{
    struct job *jobs;
    size_t n;

    slurm_read_queue(text, &jobs, &n);
    assert_int_equal(n, 3);
    assert_string_equal(jobs[0].id, "1");
    assert_int_equal(jobs[0].state, JOB_WAITING);
    assert_string_equal(jobs[0].reason, "");
    assert_string_equal(jobs[0].hosts, "");
    assert_string_equal(jobs[0].comment, "ganger:0123456789abcdef:/a path/with|bar x");
    assert_true(isnan(jobs[0].start_s));
    assert_string_equal(jobs[1].id, "2_[1-3]");
    assert_string_equal(jobs[1].reason, "Resources");
    assert_string_equal(jobs[1].comment, "");
    assert_true(isinf(jobs[1].limit_s));
    assert_string_equal(jobs[2].id, "12");
    assert_int_equal(jobs[2].state, JOB_RUNNING);
    assert_int_equal(jobs[2].n_nodes, 3);
    assert_true(jobs[2].run_s == 86400 + 2 * 3600 + 3 * 60 + 4);
    assert_true(jobs[2].limit_s == 2 * 86400);
    assert_true(jobs[2].end_s - jobs[2].start_s == 2 * 86400);
    assert_string_equal(jobs[2].hosts, "n[1-3]");
    job_free_all(jobs, n);
}

static void test_a_queue_is_read_with_a_header_and_without(void **state)
{
    (void)state;
    check_queue(QUEUE_LINES);
    check_queue(QUEUE_HEADER QUEUE_LINES);
    check_queue("Scheduled maintenance on Monday\n" QUEUE_HEADER QUEUE_LINES "\n");
    check_queue("\nWelcome\n\n" QUEUE_HEADER "\n" QUEUE_LINES);
}

static void test_a_queue_without_jobs_is_empty(void **state)
{
    struct job *jobs;
    size_t n;

    (void)state;
    slurm_read_queue("", &jobs, &n);
    assert_int_equal(n, 0);
    slurm_read_queue(QUEUE_HEADER, &jobs, &n);
    assert_int_equal(n, 0);
    slurm_read_queue("1|PENDING\n", &jobs, &n); /* cut off */
    assert_int_equal(n, 0);
}

/* As Slurm 22.05 lists a job of two components. */
static void test_a_heterogeneous_job_is_listed_once(void **state)
{
    struct job *jobs;
    size_t n;

    (void)state;
    slurm_read_queue("4+0|RUNNING|main|1|0:03|5:00|2026-11-26T00:48:00|2026-11-26T00:53:00|None|n1|ganger:x:/r\n"
                     "4+1|RUNNING|main|1|0:03|5:00|2026-11-26T00:48:00|2026-11-26T00:53:00|None|n2|ganger:x:/r\n",
                     &jobs, &n);
    assert_int_equal(n, 1);
    assert_string_equal(jobs[0].id, "4");
    assert_string_equal(jobs[0].comment, "ganger:x:/r");
    job_free_all(jobs, n);
    slurm_read_accounted("4+0|COMPLETED|0:0|main|1|00:00:03|Unknown|Unknown|n1|ganger:x:/r\n"
                         "4+1|COMPLETED|0:0|main|1|00:00:03|Unknown|Unknown|n2|ganger:x:/r\n", &jobs, &n);
    assert_int_equal(n, 1);
    assert_string_equal(jobs[0].id, "4");
    job_free_all(jobs, n);
}

/* As Slurm 22.05 prints them, shortened where nothing is read. */
static const char shown[] =
    "JobId=1 JobName=s.sh UserId=root(0) GroupId=root(0) Priority=4294901759 Account=(null) QOS=(null) "
    "JobState=CANCELLED Reason=None Dependency=(null) Requeue=1 Restarts=0 ExitCode=0:15 RunTime=00:01:00 "
    "TimeLimit=00:05:00 TimeMin=N/A SubmitTime=2026-11-23T06:48:55 StartTime=2026-11-23T06:48:56 "
    "EndTime=2026-11-23T06:49:56 Partition=main AllocNode:Sid=head:0 ReqNodeList=(null) ExcNodeList=(null) "
    "NodeList=n[1-2] BatchHost=n1 NumNodes=2 NumCPUs=2 Command=/tmp/s.sh WorkDir=/tmp "
    "Comment=ganger:0123456789abcdef:/a path x  StdErr=/tmp/slurm-1.out Power= \n"
    "JobId=4 ArrayJobId=2 ArrayTaskId=1 JobName=s.sh JobState=PENDING Reason=Dependency ExitCode=0:0 "
    "RunTime=00:00:00 TimeLimit=365-00:00:00 StartTime=Unknown EndTime=Unknown Partition=main "
    "ReqNodeList=(null) NodeList= NumNodes=3-3 Power= \n";

static void test_a_job_is_read_from_what_scontrol_shows(void **state)
{
    struct job *jobs;
    size_t n;

    (void)state;
    slurm_read_shown(shown, &jobs, &n);
    assert_int_equal(n, 2);
    assert_string_equal(jobs[0].id, "1");
    assert_int_equal(jobs[0].state, JOB_ENDED);
    assert_string_equal(jobs[0].word, "CANCELLED");
    assert_string_equal(jobs[0].reason, "");
    assert_int_equal(jobs[0].exit_status, 0);
    assert_int_equal(jobs[0].exit_signal, 15);
    assert_string_equal(jobs[0].hosts, "n[1-2]");
    assert_int_equal(jobs[0].n_nodes, 2);
    assert_true(jobs[0].run_s == 60 && jobs[0].limit_s == 300);
    assert_true(jobs[0].end_s - jobs[0].start_s == 60);
    assert_memory_equal(jobs[0].comment, "ganger:0123456789abcdef:/a path x", 33);
    assert_string_equal(jobs[1].id, "2_1");
    assert_string_equal(jobs[1].reason, "Dependency");
    assert_string_equal(jobs[1].hosts, "");
    assert_true(isnan(jobs[1].start_s));
    assert_int_equal(jobs[1].exit_status, -1); /* it has not ended */
    job_free_all(jobs, n);
    slurm_read_shown("JobId=4 ArrayJobId=x2 ArrayTaskId=1\n", &jobs, &n);
    assert_int_equal(n, 1);
    assert_string_equal(jobs[0].id, "4"); /* "x2" is no job's id */
    job_free_all(jobs, n);
    slurm_read_shown("slurm_load_jobs error: Invalid job id specified\n", &jobs, &n);
    assert_int_equal(n, 0);
    slurm_read_shown("No jobs in the system\n", &jobs, &n);
    assert_int_equal(n, 0);
}

static void test_a_job_is_read_from_the_accounting(void **state)
{
    struct job *jobs;
    size_t n;

    (void)state;
    slurm_read_accounted("17|TIMEOUT|0:0|main|2|1-00:00:05|2026-11-23T06:00:00|2026-11-24T06:00:05|n[1-2]|ganger:x:/r\n"
                         "170|CANCELLED by 1000|0:15|main|1|00:00:00|Unknown|2026-11-24T06:00:05|None assigned|\n",
                         &jobs, &n);
    assert_int_equal(n, 2);
    assert_string_equal(jobs[0].id, "17");
    assert_string_equal(jobs[0].word, "TIMEOUT");
    assert_int_equal(jobs[0].state, JOB_ENDED);
    assert_true(jobs[0].run_s == 86405);
    assert_string_equal(jobs[0].comment, "ganger:x:/r");
    assert_int_equal(jobs[1].exit_signal, 15);
    assert_string_equal(jobs[1].hosts, "");
    job_free_all(jobs, n);
    slurm_read_accounted("18|FAILED|-1:5|main|1|00:00:01|Unknown|Unknown|n1|\n", &jobs, &n);
    assert_int_equal(n, 1);
    assert_int_equal(jobs[0].exit_status, -1); /* not known */
    assert_int_equal(jobs[0].exit_signal, 0);
    job_free_all(jobs, n);
    slurm_read_accounted("Slurm accounting storage is disabled\n", &jobs, &n);
    assert_int_equal(n, 0);
}

static const char partitions[] =
    "PARTITION|AVAIL|TIMELIMIT|JOB_SIZE|NODES|CPUS|MEMORY|GRES|THREADS|AVAIL_FEATURES\n"
    "main*|up|infinite|1-infinite|3|2|1000|(null)|1|node1,fast\n"
    "short|up|10:00|1|1|128|257000+|gpu:a100:4(S:0-1),shard:8|2|(null)\n"
    "many|drain|1-00:00:00|1-16|100|64+|1|gpu:2,gpu:v100:6(IDX:0-2,5)|1|(null)\n";

static void test_partitions_are_read_from_sinfo(void **state)
{
    struct slurm_nodes *nodes;
    size_t n;

    (void)state;
    slurm_read_partitions(partitions, &nodes, &n);
    assert_int_equal(n, 3);
    assert_string_equal(nodes[0].partition, "main");
    assert_true(nodes[0].is_default && nodes[0].is_up);
    assert_true(isinf(nodes[0].max_time_s));
    assert_int_equal(nodes[0].max_nodes, UINT32_MAX);
    assert_int_equal(nodes[0].n_nodes, 3);
    assert_int_equal(nodes[0].n_cpus, 2);
    assert_true(nodes[0].memory_bytes == (uint64_t)1000 << 20);
    assert_int_equal(nodes[0].n_gpus, 0);
    assert_string_equal(nodes[0].features, "node1,fast");
    assert_false(nodes[1].is_default);
    assert_true(nodes[1].max_time_s == 600);
    assert_int_equal(nodes[1].max_nodes, 1);
    assert_int_equal(nodes[1].n_gpus, 4);
    assert_int_equal(nodes[1].n_threads, 2);
    assert_string_equal(nodes[1].features, "");
    assert_false(nodes[2].is_up);
    assert_int_equal(nodes[2].max_nodes, 16);
    assert_int_equal(nodes[2].n_gpus, 8);
    slurm_nodes_free_all(nodes, n);
}

static const struct
{
    const char *text;
    double hours_from_noon; /* of 25 November 2026, local; NAN: it does not say */
} ends[] = {
    {"1:00:00|2026-11-25T13:00:00\n", 1},
    {"UNLIMITED|NONE\n", INFINITY},
    {"UNLIMITED|N/A\n", INFINITY},
    {"UNLIMITED|2026-11-25T14:00:00\n", 2}, /* a reservation, or a deadline, ends it all the same */
    {"2:00|2026-11-25T15:00:00\n1:00|2026-11-25T13:00:00\n", 1}, /* components of one job */
    {"UNLIMITED|NONE\n1:00|2026-11-25T13:00:00\n", 1},
    {"slurm_load_jobs: a banner\n1:00|2026-11-25T13:00:00\n", 1},
    {"TIME_LIMIT|END_TIME\n1:00|2026-11-25T13:00:00\n", 1},
    {"1:00|N/A\n", NAN}, /* it has not begun */
    {"1:00|2026-11-25T13:00", NAN},
    {"1:00", NAN},
    {"", NAN},
};

static void test_the_end_of_a_job_is_read_from_the_queue(void **state)
{
    double noon_s;

    (void)state;
    assert_true(slurm_read_date("2026-11-25T12:00:00", &noon_s));
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        double end_s = -1, wanted_s = noon_s + 3600 * ends[i].hours_from_noon;
        bool is_read = slurm_read_end(ends[i].text, &end_s);

        if (is_read == isnan(wanted_s) || (is_read && end_s != wanted_s))
            fail_msg("\"%s\" was read as %f", ends[i].text, is_read ? end_s : -1);
    }
}

static void check_submit_hosts(const char *text, const char *partition, const char *wanted)
{
    char *hosts = slurm_read_submit_hosts(text, partition);

    if (wanted == NULL)
        assert_null(hosts);
    else
        assert_string_equal(hosts, wanted);
    free(hosts);
}

static void test_where_jobs_may_be_handed_in_is_read_from_a_partition(void **state)
{
    static const char listed[] =
        "PartitionName=main AllowGroups=ALL AllocNodes=ALL Default=YES QoS=N/A MaxNodes=UNLIMITED\n"
        "PartitionName=short AllowGroups=ALL AllowAccounts=ALL AllocNodes=login[1-2],head Default=NO QoS=N/A\n";

    (void)state;
    check_submit_hosts(listed, NULL, "ALL");
    check_submit_hosts(listed, "main", "ALL");
    check_submit_hosts(listed, "short", "login[1-2],head");
    check_submit_hosts(listed, "shor", NULL);
    check_submit_hosts("", NULL, NULL);
    check_submit_hosts("PartitionName=old Default=YES\n", NULL, NULL);
}

/* As Slurm 22.05 shows them. */
static void test_who_was_cut_off_is_told_from_who_was_cancelled(void **state)
{
    static const struct
    {
        const char *shown;
        bool is_cut_off;
    } jobs[] = {
        {"JobId=7 JobState=TIMEOUT Reason=TimeLimit Dependency=(null) PreemptEligibleTime=2026-11-25T12:00:00 "
         "PreemptTime=None ExitCode=0:15", true},
        {"JobId=7 JobState=COMPLETING Reason=TimeLimit PreemptTime=None ExitCode=0:0", true},
        {"JobId=7 JobState=RUNNING Reason=None PreemptTime=2026-11-25T12:00:00 ExitCode=0:0", true},
        {"JobId=7 JobState=PREEMPTED Reason=None PreemptTime=2026-11-25T12:00:00 ExitCode=0:0", true},
        {"JobId=7 JobState=NODE_FAIL Reason=NodeDown ExitCode=0:0", true},
        {"JobId=7 JobState=RUNNING Reason=None PreemptTime=None ExitCode=0:0", false},
        {"JobId=7 JobState=CANCELLED Reason=None PreemptTime=None ExitCode=0:15", false},
        {"JobId=7 JobState=COMPLETING Reason=None PreemptTime=None ExitCode=0:0", false},
        {"JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=75:0", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
        struct job *job;
        size_t n;

        slurm_read_shown(jobs[i].shown, &job, &n);
        assert_int_equal(n, 1);
        if (job->is_cut_off != jobs[i].is_cut_off)
            fail_msg("wrong: %s", jobs[i].shown);
        job_free_all(job, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read_as_slurm_reads_them),
        cmocka_unit_test(test_durations_are_written_as_slurm_reads_them),
        cmocka_unit_test(test_dates_are_local_times),
        cmocka_unit_test(test_a_job_id_is_found_among_banners),
        cmocka_unit_test(test_job_ids_are_told_from_other_words),
        cmocka_unit_test(test_states_by_their_long_and_short_names),
        cmocka_unit_test(test_a_queue_is_read_with_a_header_and_without),
        cmocka_unit_test(test_a_queue_without_jobs_is_empty),
        cmocka_unit_test(test_a_heterogeneous_job_is_listed_once),
        cmocka_unit_test(test_a_job_is_read_from_what_scontrol_shows),
        cmocka_unit_test(test_a_job_is_read_from_the_accounting),
        cmocka_unit_test(test_partitions_are_read_from_sinfo),
        cmocka_unit_test(test_the_end_of_a_job_is_read_from_the_queue),
        cmocka_unit_test(test_where_jobs_may_be_handed_in_is_read_from_a_partition),
        cmocka_unit_test(test_who_was_cut_off_is_told_from_who_was_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
