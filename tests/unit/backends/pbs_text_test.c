#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/pbs_text.h"
#include "pbs_recorded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int set_zone(void **state)
{
    (void)state;
    return setenv("TZ", "UTC", 1);
}

static void test_times_are_read_and_written(void **state)
{
    static const struct
    {
        const char *text;
        double seconds;
    } times[] = {{"01:02:03", 3723}, {"100:00:00", 360000}, {"90", 90}, {"2:30", 150}, {"1:00:00:00", 86400},
                 {"00:00:07.25", 7}};
    static const char *const bad[] = {"", "a", "1:", ":1", "-1", "1:2:3:4:5", "1 ", "01:00:00x"};
    char text[32];
    double seconds;

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        assert_true(pbs_read_time(times[i].text, &seconds));
        assert_true(seconds == times[i].seconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pbs_read_time(bad[i], &seconds));
    pbs_write_time(360000.5, text);
    assert_string_equal(text, "100:00:01");
    assert_true(pbs_read_date("Wed Nov 25 09:25:22 2026", &seconds));
    assert_true(seconds == 1795598722.0);
    assert_true(pbs_read_date("1795598722", &seconds));
    assert_true(seconds == 1795598722.0);
    assert_false(pbs_read_date("--", &seconds));
    assert_false(pbs_read_date("12", &seconds));
}

static void test_sizes_are_in_powers_of_1024(void **state)
{
    static const struct
    {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"4gb", (uint64_t)4 << 30}, {"1048576kb", 1 << 30}, {"100", 100}, {"100b", 100}, {"1MW", 8 << 20},
                 {"2tb", (uint64_t)2 << 40}, {"1.5gb", (uint64_t)3 << 29}};
    static const char *const bad[] = {"", "gb", "-1gb", "4 gb", "4gbx", "1e30"};
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_true(pbs_read_size(sizes[i].text, &bytes));
        assert_true(bytes == sizes[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pbs_read_size(bad[i], &bytes));
}

static void test_job_ids_are_told_from_other_words(void **state)
{
    static const char *const ids[] = {"13", "13.head", "13[].head", "13[2].head.example.org", "13[7]"};
    static const char *const others[] = {"", "head", "13.", "13[", "13[.head", "13 head", "13.head!", "a13"};

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        assert_true(pbs_is_job_id(ids[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(pbs_is_job_id(others[i]));
}

static void test_one_id_that_begins_like_another_is_another(void **state)
{
    (void)state;
    assert_true(pbs_is_same_job("13.head", "13.head"));
    assert_true(pbs_is_same_job("13", "13.head"));
    assert_true(pbs_is_same_job("13.head.example.org", "13.head"));
    assert_true(pbs_is_same_job("13[2].head", "13[2]"));
    assert_false(pbs_is_same_job("13.head", "130.head"));
    assert_false(pbs_is_same_job("13.head", "13.header"));
    assert_false(pbs_is_same_job("13[].head", "13.head"));
    assert_false(pbs_is_same_job("13[2].head", "13[3].head"));
    assert_false(pbs_is_same_job("13.head", "13.other"));
    assert_false(pbs_is_same_job("", ""));
}

static void test_the_id_is_found_among_banners(void **state)
{
    static const struct
    {
        const char *out, *id;
    } answers[] = {{"13.head\n", "13.head"}, {"Welcome\nYour balance: 34\n13[].head\n", "13[].head"}, {"12", "12"},
                   {"13.head\r\n", "13.head"}};
    char *id;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        id = pbs_read_submitted(answers[i].out);
        assert_non_null(id);
        assert_string_equal(id, answers[i].id);
        free(id);
    }
    assert_null(pbs_read_submitted("qsub: All is well.\n"));
    assert_null(pbs_read_submitted(""));
}

static void test_states_of_all_kinds(void **state)
{
    (void)state;
    assert_int_equal(pbs_job_state("Q"), JOB_WAITING);
    assert_int_equal(pbs_job_state("H"), JOB_WAITING);
    assert_int_equal(pbs_job_state("W"), JOB_WAITING);
    assert_int_equal(pbs_job_state("T"), JOB_WAITING);
    assert_int_equal(pbs_job_state("R"), JOB_RUNNING);
    assert_int_equal(pbs_job_state("B"), JOB_RUNNING);
    assert_int_equal(pbs_job_state("S"), JOB_RUNNING);
    assert_int_equal(pbs_job_state("U"), JOB_RUNNING);
    assert_int_equal(pbs_job_state("E"), JOB_ENDING);
    assert_int_equal(pbs_job_state("F"), JOB_ENDED);
    assert_int_equal(pbs_job_state("X"), JOB_ENDED);
    assert_int_equal(pbs_job_state("C"), JOB_ENDED);
    assert_int_equal(pbs_job_state("M"), JOB_UNKNOWN);
    assert_int_equal(pbs_job_state(""), JOB_UNKNOWN);
}

static void test_comments_travel_whatever_is_in_them(void **state)
{
    static const char text[] = "ganger:0123:/home/\xc3\xa4,b\"c d\\e%20.run";
    char *code = pbs_encode(text), *back = pbs_decode(code);

    (void)state;
    assert_int_equal(code[strcspn(code, ",\"\\ '\n")], '\0');
    assert_string_equal(back, text);
    free(code);
    free(back);
    back = pbs_decode("100%, %0, %00%zz%");
    assert_string_equal(back, "100%, %0, %00%zz%");
    free(back);
}

static void read_job(const char *text, struct job *job)
{
    struct pbs_records records;

    if (!pbs_records_read_json(text, &records))
        pbs_records_read(text, &records);
    assert_int_equal(records.n, 1);
    job_init(job);
    pbs_read_job(&records.each[0], job);
    pbs_records_release(&records);
}

static void test_a_running_job_in_both_forms(void **state)
{
    static const char *const forms[] = {openpbs_running_json, openpbs_running_plain};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct job job;

        read_job(forms[i], &job);
        assert_string_equal(job.id, "13.head");
        assert_int_equal(job.state, JOB_RUNNING);
        assert_string_equal(job.word, "RUNNING");
        assert_string_equal(job.partition, "workq");
        assert_string_equal(job.hosts, "n1,n2");
        assert_string_equal(job.reason, ""); /* that it runs needs none */
        assert_int_equal(job.n_nodes, 2);
        assert_string_equal(job.comment, "ganger:0123456789abcdef:/home/ann/a b.run");
        assert_true(job.start_s == 1795598722.0);
        assert_true(job.limit_s == 120.0);
        assert_true(job.run_s == 5.0);
        assert_true(job.end_s == 1795598842.0);
        assert_int_equal(job.exit_status, -1);
        assert_false(job.is_cut_off);
        job_release(&job);
    }
}

static void test_torques_words_for_the_same(void **state)
{
    struct job job;

    (void)state;
    read_job(torque_running_plain, &job);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_string_equal(job.hosts, "n1,n2");
    assert_true(job.end_s == 1795598842.0);
    assert_string_equal(job.comment, "ganger:0123456789abcdef:/home/ann/x.run");
    job_release(&job);
    read_job(torque_completed_plain, &job);
    assert_int_equal(job.state, JOB_ENDED);
    assert_int_equal(job.exit_signal, 15);
    assert_true(job.end_s - job.start_s == 31);
    assert_int_equal(job.n_nodes, 1);
    job_release(&job);
}

static void test_a_waiting_job_may_have_an_expected_start(void **state)
{
    struct job job;

    (void)state;
    read_job("Job Id: 14.head\n    job_state = Q\n    Resource_List.nodect = 3\n    stime = Wed Nov 25 01:00:00 2026\n"
             "    comment = Not Running: Insufficient amount of resource: ncpus \n"
             "    estimated.start_time = Wed Nov 25 09:25:22 2026\n", &job);
    assert_int_equal(job.state, JOB_WAITING);
    assert_int_equal(job.n_nodes, 3);
    assert_true(job.start_s == 1795598722.0);
    assert_true(isinf(job.limit_s));
    assert_true(isnan(job.end_s));
    assert_non_null(strstr(job.reason, "Insufficient amount"));
    job_release(&job);
}

static void test_ends_of_jobs_are_told_apart(void **state)
{
    struct job job;

    (void)state;
    read_job("Job Id: 15.head\n    job_state = F\n    Exit_status = 1\n", &job);
    assert_int_equal(job.exit_status, 1);
    assert_false(job.is_cut_off);
    job_release(&job);
    read_job("Job Id: 15.head\n    job_state = F\n    Exit_status = -29\n", &job);
    assert_int_equal(job.exit_status, -1);
    assert_true(job.is_cut_off);
    assert_non_null(strstr(job.reason, "walltime"));
    job_release(&job);
    read_job("Job Id: 15.head\n    job_state = F\n    Exit_status = 265\n", &job);
    assert_int_equal(job.exit_signal, 9);
    job_release(&job);
    read_job("Job Id: 15.head\n    job_state = F\n", &job); /* deleted while it waited */
    assert_string_equal(job.word, "CANCELLED");
    job_release(&job);
    read_job("Job Id: 12\n\tjob_state = C\n", &job); /* Slurm's qstat tells no more */
    assert_string_equal(job.word, "COMPLETED");
    assert_int_equal(job.exit_status, -1);
    job_release(&job);
}

static void place_is(const struct pbs_places *places, size_t i, const char *host, uint32_t n_cpus, uint64_t mib)
{
    assert_true(i < places->n);
    assert_string_equal(places->each[i].host, host);
    assert_int_equal(places->each[i].n_cpus, n_cpus);
    assert_true(places->each[i].memory_bytes == mib << 20);
}

static void test_hosts_and_their_cpus_in_all_forms(void **state)
{
    struct pbs_places places;

    (void)state;
    assert_int_equal(pbs_read_places("n1/0*4+n2/1*4", "(n1:ncpus=4:mem=8gb)+(n2:ncpus=4:mem=8388608kb)", &places,
                                     NULL), 0);
    assert_int_equal(places.n, 2);
    place_is(&places, 0, "n1", 4, 8192);
    place_is(&places, 1, "n2", 4, 8192);
    pbs_places_release(&places);
    /* Two chunks on one host; one over the vnodes of a host; one of a single CPU. */
    assert_int_equal(pbs_read_places("n1/0*2+n1/1*2+n2/0*4+n3/0", "(n1:ncpus=2:mem=1gb)+(n1:ncpus=2:mem=1gb)+"
                                     "(n2[0]:ncpus=2:mem=2gb+n2[1]:ncpus=2:mem=1gb)+(n3:ncpus=1)", &places, NULL), 0);
    assert_int_equal(places.n, 3);
    place_is(&places, 0, "n1", 4, 2048);
    place_is(&places, 1, "n2", 4, 3072);
    place_is(&places, 2, "n3", 1, 0);
    pbs_places_release(&places);
    assert_int_equal(pbs_read_places("n1/0-3,6+n2/0", NULL, &places, NULL), 0); /* Torque */
    place_is(&places, 0, "n1", 5, 0);
    pbs_places_release(&places);
    assert_int_equal(pbs_read_places("n2/1+n2/0+n1/0", NULL, &places, NULL), 0); /* an older one */
    place_is(&places, 0, "n2", 2, 0);
    place_is(&places, 1, "n1", 1, 0);
    pbs_places_release(&places);
}

static void test_hosts_that_make_no_sense_are_refused(void **state)
{
    static const char *const bad[] = {"/0*4", "n1/", "n1/x", "n1/0*", "n1/3-0", "n1/0-", "+", "n1/0*4*4", "n1/0,"};
    struct ganger_error err = {0};
    struct pbs_places places;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (pbs_read_places(bad[i], NULL, &places, NULL) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(places.n, 0);
    }
    assert_int_equal(pbs_read_places("n1/0*4+n2/0*4", "(n1:ncpus=4)", &places, &err), -1); /* fewer chunks than hosts */
    assert_non_null(strstr(err.text, "n1/0*4+n2/0*4"));
    assert_int_equal(pbs_read_places("n1/0*4", "(n1:ncpus=4", &places, NULL), -1);
}

static void test_a_file_of_nodes_has_a_line_for_each_rank(void **state)
{
    struct pbs_places places;

    (void)state;
    pbs_read_nodefile("n1.cluster\nn1.cluster\nn2.cluster\n\n", &places);
    assert_int_equal(places.n, 2);
    place_is(&places, 0, "n1.cluster", 2, 0);
    place_is(&places, 1, "n2.cluster", 1, 0);
    pbs_places_release(&places);
    pbs_read_nodefile("", &places);
    assert_int_equal(places.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_are_read_and_written),
        cmocka_unit_test(test_sizes_are_in_powers_of_1024),
        cmocka_unit_test(test_job_ids_are_told_from_other_words),
        cmocka_unit_test(test_one_id_that_begins_like_another_is_another),
        cmocka_unit_test(test_the_id_is_found_among_banners),
        cmocka_unit_test(test_states_of_all_kinds),
        cmocka_unit_test(test_comments_travel_whatever_is_in_them),
        cmocka_unit_test(test_a_running_job_in_both_forms),
        cmocka_unit_test(test_torques_words_for_the_same),
        cmocka_unit_test(test_a_waiting_job_may_have_an_expected_start),
        cmocka_unit_test(test_ends_of_jobs_are_told_apart),
        cmocka_unit_test(test_hosts_and_their_cpus_in_all_forms),
        cmocka_unit_test(test_hosts_that_make_no_sense_are_refused),
        cmocka_unit_test(test_a_file_of_nodes_has_a_line_for_each_rank),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
