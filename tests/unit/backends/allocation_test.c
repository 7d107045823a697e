#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/allocation.h"
#include "backends/slurm_job.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_job(const char *hosts, const char *cpus, const char *here)
{
    setenv("SLURM_JOB_ID", "12", 1);
    setenv("SLURM_JOB_NODELIST", hosts, 1);
    setenv("SLURM_JOB_CPUS_PER_NODE", cpus, 1);
    setenv("SLURMD_NODENAME", here, 1);
}

static int leave_job(void **state)
{
    static const char *const names[] = {
        "SLURM_JOB_ID",       "SLURM_JOBID",        "SLURM_JOB_NODELIST",  "SLURM_NODELIST",
        "SLURM_JOB_CPUS_PER_NODE", "SLURMD_NODENAME", "SLURM_RESTART_COUNT", "SLURM_JOB_END_TIME",
        "SLURM_HET_SIZE", "SLURM_JOB_NODELIST_HET_GROUP_0", "SLURM_JOB_NODELIST_HET_GROUP_1",
        "SLURM_JOB_CPUS_PER_NODE_HET_GROUP_0", "SLURM_JOB_CPUS_PER_NODE_HET_GROUP_1", "SLURM_MEM_PER_CPU_HET_GROUP_1",
        "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU",
        "SLURM_STEP_ID",      "SLURM_CPU_BIND_TYPE", "SLURM_CPU_BIND_LIST", "OMPI_COMM_WORLD_RANK",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unsetenv(names[i]);
    return 0;
}

static void test_outside_of_a_job_there_is_none(void **state)
{
    struct allocation a;

    (void)state;
    assert_int_equal(allocation_find(&a, NULL), 0);
    assert_null(a.backend);
    allocation_release(&a);
}

static void test_a_job_names_its_nodes_and_their_cpus(void **state)
{
    struct allocation a;

    (void)state;
    set_job("n[1-3],big", "2(x3),4", "big");
    setenv("SLURM_MEM_PER_CPU", "500", 1);
    setenv("SLURM_RESTART_COUNT", "2", 1);
    setenv("SLURM_JOB_END_TIME", "1795416536", 1);
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_string_equal(a.backend->name, "slurm");
    assert_string_equal(a.job, "12");
    assert_int_equal(a.n_nodes, 4);
    assert_string_equal(a.hosts[2], "n3");
    assert_int_equal(a.n_cpus[3], 4);
    assert_true(a.memory_bytes == (uint64_t)2000 << 20); /* of this node, which has four CPUs */
    assert_int_equal(a.n_restarts, 2);
    assert_true(a.end_s == 1795416536.0);
    assert_int_equal(allocation_cpus_here(&a), 4);
    allocation_release(&a);
}

/* As Slurm 22.05 describes a job of two components, in the batch script of the first. */
static void set_parts(const char *second_hosts, const char *second_cpus, const char *here)
{
    set_job("n1", "2", here);
    setenv("SLURM_HET_SIZE", "2", 1);
    setenv("SLURM_JOB_NODELIST_HET_GROUP_0", "n1", 1);
    setenv("SLURM_JOB_CPUS_PER_NODE_HET_GROUP_0", "2", 1);
    setenv("SLURM_JOB_NODELIST_HET_GROUP_1", second_hosts, 1);
    setenv("SLURM_JOB_CPUS_PER_NODE_HET_GROUP_1", second_cpus, 1);
    setenv("SLURM_MEM_PER_CPU_HET_GROUP_1", "100", 1);
    setenv("SLURM_JOB_END_TIME", "1795416536", 1);
}

static bool has_variable(char **variables, const char *begin)
{
    bool has = false;

    for (char **v = variables; *v != NULL; v++)
        has |= strncmp(*v, begin, strlen(begin)) == 0;
    return has;
}

static void test_a_job_of_unlike_parts_has_the_nodes_of_all(void **state)
{
    static const uint32_t n_workers[] = {2, 4, 1};
    struct allocation a;
    char **variables, text[64] = "";
    int fd = -1;

    (void)state;
    set_parts("n[2-3]", "4,1", "n2");
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_nodes, 3);
    assert_string_equal(a.hosts[2], "n3");
    assert_int_equal(a.n_cpus[0], 2);
    assert_int_equal(a.n_cpus[1], 4);
    assert_int_equal(a.n_idle_cpus, 0);
    assert_true(a.memory_bytes == (uint64_t)400 << 20); /* of this node, in the second */
    assert_true(isnan(a.end_s));                        /* the end of the first is not that of all: it is asked for */
    variables = a.backend->launch_variables(&a, n_workers, "", &fd);
    assert_true(has_variable(variables, "OMPI_MCA_plm=rsh"));
    assert_true(has_variable(variables, "OMPI_MCA_plm_rsh_agent=/"));
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, "n1\nn1\nn2\nn2\nn2\nn2\nn3\nn1\n");
    for (char **v = variables; *v != NULL; v++)
        free(*v);
    free(variables);
    close(fd);
    allocation_release(&a);
}

static void test_parts_that_share_a_node_are_told_apart(void **state)
{
    struct allocation a;
    struct ganger_error err = {0};

    (void)state;
    set_parts("n1,n4", "3,1", "n1");
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(a.n_nodes, 2);
    assert_int_equal(a.n_cpus[0], 2);
    assert_int_equal(a.n_idle_cpus, 3);
    allocation_release(&a);
    unsetenv("SLURM_JOB_NODELIST_HET_GROUP_1");
    assert_int_equal(allocation_find(&a, &err), -1);
    assert_non_null(strstr(err.text, "component 1"));
}

static void test_a_node_is_reached_through_its_part(void **state)
{
    struct text_list words = {NULL, 0, 0};

    (void)state;
    slurm_reach_words(1, "n3", "exec orted -x 'a b'", &words);
    assert_string_equal(words.each[0], "srun");
    assert_string_equal(words.each[1], "--het-group=1");
    assert_string_equal(words.each[2], "--nodelist=n3");
    assert_string_equal(words.each[words.n - 1], "exec orted -x 'a b'");
    text_list_release(&words);
}

static void test_a_job_that_contradicts_itself_is_refused(void **state)
{
    struct ganger_error err = {0};
    struct allocation a;

    (void)state;
    set_job("n[1-3]", "2(x2)", "n1");
    assert_int_equal(allocation_find(&a, &err), -1);
    assert_non_null(strstr(err.text, "2(x2)"));
    allocation_release(&a);
}

static void test_fewer_cores_than_given_are_refused_with_the_remedy(void **state)
{
    struct ganger_error err = {0};
    struct allocation a;

    (void)state;
    set_job("n[1-2]", "4,8", "n2");
    assert_int_equal(allocation_find(&a, NULL), 1);
    assert_int_equal(allocation_check(&a, 8, 8, NULL), 0);
    assert_int_equal(allocation_check(&a, 16, 16, NULL), 0); /* a node that is not confined */
    assert_int_equal(allocation_check(&a, 4, 8, NULL), 0);   /* hardware threads are counted */
    assert_int_equal(allocation_check(&a, 4, 4, &err), -1);
    assert_non_null(strstr(err.text, "8 CPUs"));
    assert_non_null(strstr(err.text, "--cpu-bind=none"));
    allocation_release(&a);
}

static void test_there_is_a_worker_for_each_core(void **state)
{
    struct allocation a;
    uint32_t *workers;
    char **variables;
    int file_fd;

    (void)state;
    set_job("n[1-3]", "4(x2),8", "n1");
    assert_int_equal(allocation_find(&a, NULL), 1);
    workers = allocation_workers(&a, 4, 4);
    assert_int_equal(workers[0], 4);
    assert_int_equal(workers[2], 8);
    variables = allocation_variables(&a, workers, "X", &file_fd);
    assert_int_equal(file_fd, -1);
    assert_string_equal(variables[0], "SLURM_TASKS_PER_NODE=5,4,8");
    for (size_t i = 0; variables[i] != NULL; i++)
        free(variables[i]);
    free(variables);
    free(workers);
    workers = allocation_workers(&a, 2, 4); /* two threads a core */
    assert_int_equal(workers[0], 2);
    assert_int_equal(workers[2], 4);
    free(workers);
    allocation_release(&a);
}

/* Bound to one thread of two, as srun does; its list gives both back. */
static void test_what_srun_bound_is_undone_within_its_list(void **state)
{
    cpu_set_t all, one;

    (void)state;
    sched_getaffinity(0, sizeof(all), &all);
    if (!CPU_ISSET(0, &all) || !CPU_ISSET(1, &all))
        skip(); /* this machine lets us use other ones */
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
    allocation_undo_binding(); /* it was not srun */
    sched_getaffinity(0, sizeof(one), &one);
    assert_int_equal(CPU_COUNT(&one), 1);
    setenv("SLURM_STEP_ID", "0", 1);
    setenv("SLURM_CPU_BIND_TYPE", "mask_cpu:", 1);
    setenv("SLURM_CPU_BIND_LIST", "0x1,0x2", 1);
    allocation_undo_binding();
    sched_getaffinity(0, sizeof(one), &one);
    assert_int_equal(CPU_COUNT(&one), 2);
    sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_outside_of_a_job_there_is_none, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_a_job_names_its_nodes_and_their_cpus, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_a_job_of_unlike_parts_has_the_nodes_of_all, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_parts_that_share_a_node_are_told_apart, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_a_node_is_reached_through_its_part, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_a_job_that_contradicts_itself_is_refused, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_fewer_cores_than_given_are_refused_with_the_remedy, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_there_is_a_worker_for_each_core, leave_job, leave_job),
        cmocka_unit_test_setup_teardown(test_what_srun_bound_is_undone_within_its_list, leave_job, leave_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
