#include "core/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKED(bytes) ((struct text){bytes, sizeof(bytes) - 1})

static const struct environment_place place = {7, "/run", 3, "/tmp/t"};

static struct run run_of(const char *id)
{
    return (struct run){.attempt = 2, .slots = {"\0\0\1\0", 4}, .id = {id, (uint32_t)strlen(id)}};
}

/* The value of a variable that must be there once at most; NULL: it is not. */
static const char *value_of(char **envp, const char *name)
{
    const char *value = NULL;

    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, name, strlen(name)) == 0 && (*envp)[strlen(name)] == '=') {
            assert_null(value);
            value = *envp + strlen(name) + 1;
        }
    }
    return value;
}

static void test_a_task_finds_the_run_s_variables_and_its_own(void **unused)
{
    struct environment e = ENVIRONMENT_EMPTY;
    struct run run = run_of("sim-1");
    char **envp;

    (void)unused;
    environment_set_base(&e, PACKED("HOME=/h\0COLOUR=red\0"));
    envp = environment_make(&e, &run, &place);
    assert_string_equal(value_of(envp, "HOME"), "/h");
    assert_string_equal(value_of(envp, "COLOUR"), "red");
    assert_string_equal(value_of(envp, "GANGER_TASK_ID"), "sim-1");
    assert_string_equal(value_of(envp, "GANGER_ATTEMPT"), "2");
    assert_string_equal(value_of(envp, "GANGER_WORKER"), "7");
    assert_string_equal(value_of(envp, "GANGER_CORES"), "2");
    assert_string_equal(value_of(envp, "OMP_NUM_THREADS"), "2");
    assert_string_equal(value_of(envp, "GANGER_RUN_DIR"), "/run");
    assert_string_equal(value_of(envp, "GANGER_TMPDIR"), "/tmp/t");
    assert_string_equal(value_of(envp, "GANGER_EPOCH"), "3");
    assert_null(value_of(envp, "GANGER_GPUS"));
    environment_release(&e);
}

static void test_what_an_outer_run_made_is_left_out(void **unused)
{
    struct environment e = ENVIRONMENT_EMPTY;
    struct run run = run_of("t");
    char **envp;

    (void)unused;
    environment_set_base(&e, PACKED("GANGER_TASK_ID=outer\0GANGER_GPUS=5\0OMP_NUM_THREADS=64\0GANGER_MINE=1\0"));
    envp = environment_make(&e, &run, &place);
    assert_string_equal(value_of(envp, "GANGER_TASK_ID"), "t");
    assert_string_equal(value_of(envp, "OMP_NUM_THREADS"), "2");
    assert_string_equal(value_of(envp, "GANGER_MINE"), "1");
    assert_null(value_of(envp, "GANGER_GPUS"));
    environment_release(&e);
}

static void test_what_a_task_states_stands_in_place_of_all_others(void **unused)
{
    struct environment e = ENVIRONMENT_EMPTY;
    struct run run = run_of("t");
    char **envp;

    (void)unused;
    environment_set_base(&e, PACKED("COLOUR=red\0COLOURS=2\0"));
    run.n_env = 3;
    run.env = PACKED("COLOUR=blue\0OMP_NUM_THREADS=1\0NEW=\0");
    envp = environment_make(&e, &run, &place);
    assert_string_equal(value_of(envp, "COLOUR"), "blue");
    assert_string_equal(value_of(envp, "COLOURS"), "2");
    assert_string_equal(value_of(envp, "OMP_NUM_THREADS"), "1");
    assert_string_equal(value_of(envp, "NEW"), "");
    run = run_of("u"); /* and for the next task they are what they were */
    envp = environment_make(&e, &run, &place);
    assert_string_equal(value_of(envp, "COLOUR"), "red");
    assert_string_equal(value_of(envp, "OMP_NUM_THREADS"), "2");
    assert_null(value_of(envp, "NEW"));
    environment_release(&e);
}

static void test_gpus_are_named_to_tasks_that_have_some(void **unused)
{
    struct environment e = ENVIRONMENT_EMPTY;
    struct run run = run_of("t");
    char **envp;

    (void)unused;
    environment_set_base(&e, PACKED("CUDA_VISIBLE_DEVICES=4,5\0A=1\0"));
    run.gpus = PACKED("4\0GPU-7f\0");
    envp = environment_make(&e, &run, &place);
    assert_string_equal(value_of(envp, "GANGER_GPUS"), "4,GPU-7f");
    assert_string_equal(value_of(envp, "CUDA_VISIBLE_DEVICES"), "4,GPU-7f");
    assert_string_equal(value_of(envp, "ROCR_VISIBLE_DEVICES"), "4,GPU-7f");
    run = run_of("u");
    envp = environment_make(&e, &run, &place);
    assert_null(value_of(envp, "GANGER_GPUS"));
    assert_string_equal(value_of(envp, "CUDA_VISIBLE_DEVICES"), "4,5");
    assert_null(value_of(envp, "ROCR_VISIBLE_DEVICES"));
    environment_release(&e);
}

static void test_an_empty_environment_will_do(void **unused)
{
    struct environment e = ENVIRONMENT_EMPTY;
    struct run run = run_of("t");

    (void)unused;
    environment_set_base(&e, (struct text){"", 0});
    assert_string_equal(value_of(environment_make(&e, &run, &place), "GANGER_TASK_ID"), "t");
    environment_release(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_finds_the_run_s_variables_and_its_own),
        cmocka_unit_test(test_what_an_outer_run_made_is_left_out),
        cmocka_unit_test(test_what_a_task_states_stands_in_place_of_all_others),
        cmocka_unit_test(test_gpus_are_named_to_tasks_that_have_some),
        cmocka_unit_test(test_an_empty_environment_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
