#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/allocation.h"
#include "base/alloc.h"
#include "pbs_recorded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with a file of nodes, and a qstat that answers what is in a file and counts how often. */
static char folder[] = "/tmp/ganger-pbs-job-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
    free(path);
}

static int open_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file("qstat", "#!/bin/sh\ncd \"${0%/*}\"\necho \"$*\" >>calls\ncat answer\nexit $(cat status)\n");
    return setenv("TZ", "UTC", 1);
}

static int close_folder(void **state)
{
    static const char *const names[] = {"qstat", "nodes", "answer", "status", "calls"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char *path = xasprintf("%s/%s", folder, names[i]);

        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

static void enter_job(const char *id, const char *nodes)
{
    char *path = xasprintf("%s/nodes", folder), *search = xasprintf("%s:/usr/bin:/bin", folder);

    write_file("nodes", nodes);
    setenv("PBS_JOBID", id, 1);
    setenv("PBS_NODEFILE", path, 1);
    setenv("PATH", search, 1);
    free(path);
    free(search);
}

static int leave_job(void **state)
{
    static const char *const names[] = {"PBS_JOBID", "PBS_NODEFILE", "NCPUS", "GANGER_PBS_JOB", "GANGER_PBS_RESTARTS",
                                        "SLURM_JOB_ID"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unsetenv(names[i]);
    return 0;
}

static void answer(const char *text, const char *status)
{
    write_file("answer", text);
    write_file("status", status);
}

static char *this_host(void)
{
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    host[strcspn(host, ".")] = '\0';
    return xstrdup(host);
}

static void test_the_environment_names_nodes_with_a_line_for_each_rank(void **state)
{
    struct allocation a;

    (void)state;
    assert_int_equal(allocation_find(&a, NULL), 0);
    enter_job("13.head", "n1\nn1\nn2\nn2\n");
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_string_equal(a.backend->name, "pbs");
    assert_string_equal(a.job, "13.head");
    assert_int_equal(a.n_nodes, 2);
    assert_int_equal(a.n_cpus[0], 2);
    assert_int_equal(a.n_cpus[1], 2);
    assert_true(isnan(a.end_s));
    allocation_release(&a);
}

/* Without mpiprocs there is a line for each node: NCPUS tells the cores of this one. */
static void test_a_line_for_each_node_is_as_many_cores_as_this_one_has(void **state)
{
    char *host = this_host(), *nodes = xasprintf("%s\nother\n", host);
    struct allocation a;

    (void)state;
    enter_job("13.head", nodes);
    setenv("NCPUS", "8", 1);
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_cpus[0], 8);
    assert_int_equal(a.n_cpus[1], 8);
    allocation_release(&a);
    free(nodes);
    free(host);
}

static void test_the_server_knows_cores_memory_and_starts(void **state)
{
    struct allocation a;
    char *host = this_host(), *nodes = xasprintf("%s.cluster\nn2.cluster\n", host);
    char *record = xasprintf("Job Id: 13.head\n    job_state = R\n    exec_host = %s/0*4+n2/0*2\n"
                             "    exec_vnode = (%s:ncpus=4:mem=2gb)+(n2:ncpus=2:mem=1gb)\n    run_count = 3\n", host,
                             host);

    (void)state;
    enter_job("13.head", nodes);
    answer(record, "0");
    assert_int_equal(allocation_find(&a, NULL), 1);
    a.backend->learn(&a);
    allocation_release(&a);
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_nodes, 2);
    assert_string_equal(a.hosts[1], "n2.cluster"); /* the name by which the site launches there */
    assert_int_equal(a.n_cpus[0], 4);
    assert_int_equal(a.n_cpus[1], 2);
    assert_true(a.memory_bytes == (uint64_t)2 << 30);
    assert_int_equal(a.n_restarts, 2);
    allocation_release(&a);
    /* On another node there is no such file, perhaps not even the variable. */
    unsetenv("PBS_NODEFILE");
    unsetenv("PBS_JOBID");
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_cpus[1], 2);
    allocation_release(&a);
    /* And in a job that was submitted from there it means nothing. */
    setenv("PBS_JOBID", "14.head", 1);
    assert_int_equal(allocation_find(&a, NULL), 0);
    free(nodes);
    free(record);
    free(host);
}

static void test_a_server_that_does_not_answer_is_no_reason_not_to_run(void **state)
{
    struct allocation a;

    (void)state;
    enter_job("13.head", "n1\nn1\n");
    answer("qstat: cannot connect to server head (errno=111)\n", "111");
    assert_int_equal(allocation_find(&a, NULL), 1);
    a.backend->learn(&a);
    allocation_release(&a);
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_cpus[0], 2);
    assert_int_equal(a.n_restarts, 0);
    allocation_release(&a);
}

static void test_a_job_without_nodes_is_an_error(void **state)
{
    struct ganger_error err = {0};
    struct allocation a;

    (void)state;
    enter_job("13.head", "\n");
    assert_int_equal(allocation_find(&a, &err), -1);
    assert_non_null(strstr(err.text, "is empty"));
}

static void test_launchers_read_a_file_of_ranks(void **state)
{
    static const uint32_t n_workers[] = {2, 1};
    char *path = NULL, **variables;
    char text[64] = "";
    struct allocation a;
    int file_fd;
    FILE *file;

    (void)state;
    enter_job("13.head", "n1\nn1\nn2\n");
    setenv("LD_LIBRARY_PATH", "/opt/mpi/lib", 1);
    unsetenv("OMPI_MCA_mca_base_env_list");
    assert_int_equal(allocation_find(&a, NULL), 1);
    variables = allocation_variables(&a, n_workers, "LINK", &file_fd);
    assert_true(file_fd >= 0);
    for (size_t i = 0; variables[i] != NULL; i++) {
        if (strncmp(variables[i], "PBS_NODEFILE=", 13) == 0)
            path = xstrdup(variables[i] + 13);
        if (strncmp(variables[i], "GANGER_PBS_JOB=", 15) == 0)
            setenv("GANGER_PBS_JOB", variables[i] + 15, 1);
        if (strncmp(variables[i], "OMPI_MCA_mca_base", 17) == 0)
            assert_string_equal(variables[i], "OMPI_MCA_mca_base_env_list=LINK;LD_LIBRARY_PATH");
        free(variables[i]);
    }
    free(variables);
    assert_non_null(path);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    assert_string_equal(text, "n1\nn1\nn2\nn1\n"); /* the manager beside the first */
    fclose(file);
    close(file_fd);
    free(path);
    allocation_release(&a);
    assert_int_equal(allocation_find(&a, NULL), 0); /* that file is not for ranks to count */
}

static void test_the_end_is_the_start_and_the_time(void **state)
{
    double end_s = 0;

    (void)state;
    enter_job("13.head", "n1\n");
    answer(openpbs_running_plain, "0");
    assert_int_equal(backend_pbs.find_end("13.head", &end_s, NULL), 0);
    assert_true(end_s == 1795598842.0);
    answer("Job Id: 13.head\n    job_state = R\n    stime = Wed Nov 25 09:25:22 2026\n", "0");
    assert_int_equal(backend_pbs.find_end("13.head", &end_s, NULL), 0);
    assert_true(isinf(end_s));
    answer("", "153");
    assert_int_equal(backend_pbs.find_end("13.head", &end_s, &(struct ganger_error){0}), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_the_environment_names_nodes_with_a_line_for_each_rank, leave_job),
        cmocka_unit_test_teardown(test_a_line_for_each_node_is_as_many_cores_as_this_one_has, leave_job),
        cmocka_unit_test_teardown(test_the_server_knows_cores_memory_and_starts, leave_job),
        cmocka_unit_test_teardown(test_a_server_that_does_not_answer_is_no_reason_not_to_run, leave_job),
        cmocka_unit_test_teardown(test_a_job_without_nodes_is_an_error, leave_job),
        cmocka_unit_test_teardown(test_launchers_read_a_file_of_ranks, leave_job),
        cmocka_unit_test_teardown(test_the_end_is_the_start_and_the_time, leave_job),
    };

    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
