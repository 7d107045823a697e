#include "taskbench/trial.h"

#include "taskbench/arguments.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_every_wrong_byte_is_noticed(size_t n_bytes)
{
    char *bytes = malloc(n_bytes);
    struct payload_origin from = {1, 200, 3};
    char text[256];

    payload_write(bytes, n_bytes, from);
    assert_int_equal(payload_check(bytes, n_bytes, from, text, sizeof(text)), 0);
    for (size_t i = 0; i < n_bytes; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(payload_check(bytes, n_bytes, from, text, sizeof(text)), -1);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

static void test_every_wrong_byte_is_noticed(void **state)
{
    (void)state;
    assert_every_wrong_byte_is_noticed(16);
    assert_every_wrong_byte_is_noticed(4096);
}

static void test_outputs_of_others_are_told_apart(void **state)
{
    char bytes[64];
    char text[256];

    (void)state;
    payload_write(bytes, sizeof(bytes), (struct payload_origin){0, 5, 2});
    assert_int_equal(payload_check(bytes, 64, (struct payload_origin){1, 5, 2}, text, sizeof(text)), -1);
    assert_int_equal(payload_check(bytes, 64, (struct payload_origin){0, 4, 2}, text, sizeof(text)), -1);
    assert_int_equal(payload_check(bytes, 64, (struct payload_origin){0, 5, 3}, text, sizeof(text)), -1);
    assert_string_equal(text, "bytes 0 to 15 of 64 are graph 0, step 5, column 2, place 0 instead of graph 0, step 5, "
                              "column 3, place 0");
    memcpy(bytes + 16, bytes + 32, 16);
    assert_int_equal(payload_check(bytes, 64, (struct payload_origin){0, 5, 2}, text, sizeof(text)), -1);
    assert_non_null(strstr(text, "bytes 16 to 31"));
}

static struct trial small_trial(void)
{
    struct trial trial = {.n_graphs = 1, .n_bytes = 32, .n_workers = 1};

    plan_init(&trial.plan, &(struct pattern){.kind = PATTERN_STENCIL_1D, .width = 2, .n_steps = 4});
    return trial;
}

static void test_a_task_verifies_all_its_inputs(void **state)
{
    struct trial trial = small_trial();
    struct kernel_room *room = kernel_room_new(&trial.kernel);
    struct ganger_error error = {0};
    uint32_t left[8];
    uint32_t right[8];
    uint32_t output[8];
    const void *inputs[] = {left, right};

    (void)state;
    payload_write(left, sizeof(left), (struct payload_origin){0, 0, 0});
    payload_write(right, sizeof(right), (struct payload_origin){0, 0, 1});
    assert_int_equal(trial_task(&trial, (struct payload_origin){0, 1, 1}, inputs, output, room, &error), 0);
    right[7] ^= 1;
    assert_int_equal(trial_task(&trial, (struct payload_origin){0, 1, 1}, inputs, output, room, &error), -1);
    assert_non_null(strstr(error.text, "stencil_1d, graph 0, step 1, column 1: input 1 of 2 is wrong: bytes 16 to 31"));
    kernel_room_free(room);
    plan_release(&trial.plan);
}

static void test_a_spoilt_output_is_wrong(void **state)
{
    struct trial trial = small_trial();
    struct kernel_room *room = kernel_room_new(&trial.kernel);
    struct payload_origin middle = {0, 2, 0};
    uint32_t output[8];
    char text[256];

    (void)state;
    trial.plan.inputs.start[plan_task(&trial.plan, 2, 0) + 1] = trial.plan.inputs.start[plan_task(&trial.plan, 2, 0)];
    trial.spoil = true;
    assert_int_equal(trial_task(&trial, middle, NULL, output, room, NULL), 0);
    assert_int_equal(payload_check(output, sizeof(output), middle, text, sizeof(text)), -1);
    kernel_room_free(room);
    plan_release(&trial.plan);
}

static int read_words(struct arguments *o, const char *first, const char *second, struct ganger_error *err)
{
    char name[] = "taskbench";
    char *one = strdup(first);
    char *two = strdup(second);
    char *argv[] = {name, one, two, NULL};
    int status;

    optind = 1;
    *err = (struct ganger_error){0};
    status = arguments_read(o, 3, argv, 2, err);
    free(one);
    free(two);
    return status;
}

static void test_lists_make_every_combination(void **state)
{
    char name[] = "taskbench";
    char pattern[] = "--pattern=fft,tree";
    char bytes[] = "--bytes=16,64";
    char graphs[] = "--graphs=1,3";
    char *argv[] = {name, pattern, bytes, graphs, NULL};
    struct arguments o;
    struct trial trial;

    (void)state;
    optind = 1;
    assert_int_equal(arguments_read(&o, 4, argv, 2, NULL), 0);
    assert_int_equal(arguments_n_trials(&o), 8);
    assert_string_equal(pattern, "--pattern=fft,tree"); /* for those who start other processes with it */
    arguments_trial(&o, 0, &trial);
    assert_true(trial.plan.pattern.kind == PATTERN_FFT && trial.n_bytes == 16 && trial.n_graphs == 1);
    plan_release(&trial.plan);
    arguments_trial(&o, 7, &trial);
    assert_true(trial.plan.pattern.kind == PATTERN_TREE && trial.n_bytes == 64 && trial.n_graphs == 3);
    assert_int_equal(trial.n_workers, 2);
    assert_int_equal(trial_n_tasks(&trial), 3 * trial.plan.n_tasks);
    plan_release(&trial.plan);
}

static void test_wrong_words_are_refused(void **state)
{
    static const char *const words[][2] = {
        {"--pattern", "stencil"}, {"--pattern", "fft,"}, {"--width", "0"},      {"--width", "4x"},
        {"--steps", ""},          {"--bytes", "8"},      {"--bytes", "24"},     {"--bytes", "16,17"},
        {"--graphs", "0"},        {"--share", "1.5"},    {"--share", "nan"},    {"--kernel", "full"},
        {"--workers", "-1"},      {"some", "words"},     {"--iterations", "-1"}, {"--width", "99999999999999999999"},
    };
    struct arguments o;
    struct ganger_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (read_words(&o, words[i][0], words[i][1], &err) == 0)
            fail_msg("%s %s is taken", words[i][0], words[i][1]);
        assert_int_equal(err.cause, ERROR_USAGE);
        assert_non_null(strstr(err.text, strcmp(words[i][0], "some") == 0 ? "some: no option" : words[i][0]));
    }
    assert_int_equal(read_words(&o, "--pattern", "all", &err), 0);
    assert_int_equal(o.n_kinds, PATTERN_N_KINDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_wrong_byte_is_noticed),
        cmocka_unit_test(test_outputs_of_others_are_told_apart),
        cmocka_unit_test(test_a_task_verifies_all_its_inputs),
        cmocka_unit_test(test_a_spoilt_output_is_wrong),
        cmocka_unit_test(test_lists_make_every_combination),
        cmocka_unit_test(test_wrong_words_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
