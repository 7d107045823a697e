#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/pbs_record.h"
#include "base/alloc.h"
#include "pbs_recorded.h"

#include <stdlib.h>
#include <string.h>

static struct pbs_records records;

static int release(void **state)
{
    (void)state;
    pbs_records_release(&records);
    return 0;
}

static void value_is(const struct pbs_record *r, const char *name, const char *wanted)
{
    const char *value = pbs_record_find(r, name);

    if (value == NULL)
        fail_msg("%s has no %s", r->name, name);
    assert_string_equal(value, wanted);
}

static void test_a_job_is_read_from_json(void **state)
{
    char *variable;

    (void)state;
    assert_true(pbs_records_read_json(openpbs_running_json, &records));
    assert_int_equal(records.n, 1);
    assert_int_equal(records.each[0].kind, PBS_JOB);
    assert_string_equal(records.each[0].name, "13.head");
    value_is(&records.each[0], "job_state", "R");
    value_is(&records.each[0], "Resource_List.walltime", "00:02:00");
    value_is(&records.each[0], "Resource_List.ncpus", "4"); /* a number in JSON */
    value_is(&records.each[0], "exec_host", "n1/0*2+n2/0*2");
    variable = pbs_record_variable(&records.each[0], "GANGER_SUBMISSION");
    assert_string_equal(variable, "ganger:0123456789abcdef:/home/ann/a%20b.run");
    free(variable);
    assert_null(pbs_record_variable(&records.each[0], "GANGER"));
    assert_null(pbs_record_find(&records.each[0], "Resource_List"));
}

/* A banner before, a word after. */
static void test_lines_around_json_are_passed_over(void **state)
{
    char *text = xasprintf("Welcome {you}\n%sbye\n", openpbs_running_json);

    (void)state;
    assert_true(pbs_records_read_json(text, &records));
    assert_int_equal(records.n, 1);
    free(text);
}

static void test_what_is_no_json_is_not_taken_for_it(void **state)
{
    static const char *const texts[] = {
        "", "{", "[1]", "no", openpbs_running_plain, openpbs_broken_json,
        "{\"Jobs\": {\"13.head\": {\"Variable_List\": {\"A\": \"say \"this\"\"}}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_false(pbs_records_read_json(texts[i], &records));
    assert_true(pbs_records_read_json("{\"Jobs\": 3, \"nodes\": [1, {}], \"Queue\": {\"a\": 1}}", &records));
    assert_int_equal(records.n, 1);
    assert_int_equal(records.each[0].n, 0);
}

/* Long values go on after a line break and a tab, wherever they were cut. */
static void test_a_job_is_read_from_the_plain_form(void **state)
{
    char *variable;

    (void)state;
    pbs_records_read(openpbs_running_plain, &records);
    assert_int_equal(records.n, 1);
    assert_string_equal(records.each[0].name, "13.head");
    value_is(&records.each[0], "job_state", "R");
    value_is(&records.each[0], "Resource_List.walltime", "00:02:00");
    value_is(&records.each[0], "exec_vnode", "(n1:ncpus=2:mem=1048576kb)+(n2:ncpus=2:mem=1048576kb)");
    value_is(&records.each[0], "Output_Path", "head:/home/ann/a b.run/job-0123456789abcdef.out");
    variable = pbs_record_variable(&records.each[0], "GANGER_SUBMISSION");
    assert_string_equal(variable, "ganger:0123456789abcdef:/home/ann/a%20b.run");
    free(variable);
    variable = pbs_record_variable(&records.each[0], "LIST");
    assert_string_equal(variable, "a\\,b");
    free(variable);
}

static void test_several_jobs_and_words_between_them(void **state)
{
    (void)state;
    pbs_records_read("Maintenance on Friday: be quick\n\nJob Id: 1.head\n    job_state = Q\n\nJob Id: 12.head\n"
                     "    job_state = H\n    comment = a = b\nbye\n",
                     &records);
    assert_int_equal(records.n, 2);
    assert_string_equal(records.each[1].name, "12.head");
    value_is(&records.each[1], "comment", "a = b");
}

static void test_torque_and_its_stand_in_are_read(void **state)
{
    (void)state;
    pbs_records_read(torque_running_plain, &records);
    assert_int_equal(records.n, 1);
    assert_string_equal(records.each[0].name, "1413.server.example.org");
    value_is(&records.each[0], "exec_host", "n1/0-1+n2/0-1");
    value_is(&records.each[0], "Resource_List.walltime", "00:02:00");
    pbs_records_release(&records);
    pbs_records_read(slurm_qstat_plain, &records); /* tabs where PBS has blanks */
    assert_int_equal(records.n, 1);
    assert_string_equal(records.each[0].name, "12");
    value_is(&records.each[0], "job_state", "R");
    value_is(&records.each[0], "Resource_List.walltime", "00:05:00");
}

static void test_nodes_and_queues_are_read_in_both_forms(void **state)
{
    (void)state;
    assert_true(pbs_records_read_json(openpbs_nodes_json, &records));
    assert_int_equal(records.n, 2);
    assert_int_equal(records.each[1].kind, PBS_NODE);
    value_is(&records.each[1], "state", "offline");
    value_is(&records.each[0], "resources_available.ncpus", "16");
    value_is(&records.each[0], "jobs", "13.head/0, 13.head/1");
    pbs_records_release(&records);
    pbs_records_read(openpbs_nodes_plain, &records);
    assert_int_equal(records.n, 2);
    assert_string_equal(records.each[0].name, "n1");
    value_is(&records.each[0], "resources_available.mem", "65703448kb");
    value_is(&records.each[1], "state", "offline");
    pbs_records_release(&records);
    pbs_records_read(openpbs_queues_plain, &records);
    assert_int_equal(records.n, 3);
    assert_int_equal(records.each[2].kind, PBS_QUEUE);
    value_is(&records.each[2], "route_destinations", "short,long");
}

static void test_what_is_cut_off_does_no_harm(void **state)
{
    size_t n = strlen(openpbs_running_plain);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char *part = malloc(i + 1);

        assert_non_null(part);
        memcpy(part, openpbs_running_plain, i);
        part[i] = '\0';
        pbs_records_read(part, &records);
        assert_true(records.n <= 1);
        pbs_records_release(&records);
        free(part);
    }
    pbs_records_read("    job_state = Q\n\t\n = \n", &records); /* of no object */
    assert_int_equal(records.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_job_is_read_from_json, release),
        cmocka_unit_test_teardown(test_lines_around_json_are_passed_over, release),
        cmocka_unit_test_teardown(test_what_is_no_json_is_not_taken_for_it, release),
        cmocka_unit_test_teardown(test_a_job_is_read_from_the_plain_form, release),
        cmocka_unit_test_teardown(test_several_jobs_and_words_between_them, release),
        cmocka_unit_test_teardown(test_torque_and_its_stand_in_are_read, release),
        cmocka_unit_test_teardown(test_nodes_and_queues_are_read_in_both_forms, release),
        cmocka_unit_test_teardown(test_what_is_cut_off_does_no_harm, release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
