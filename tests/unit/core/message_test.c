#include "core/message.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct text text_of(const char *bytes)
{
    return (struct text){bytes, (uint32_t)strlen(bytes)};
}

static void put_run(struct buffer *b)
{
    struct run r = {.task = 7,
                    .attempt = 2,
                    .slots = {"\3\0\4\1", 4},
                    .id = text_of("sim-1"),
                    .n_argv = 2,
                    .argv = {"echo\0hello", 11},
                    .n_env = 1,
                    .env = {"A=1", 4},
                    .has_cwd = true,
                    .cwd = text_of("/tmp"),
                    .timeout_s = 2.5,
                    .gpus = {"2\0GPU-7", 8},
                    .stdin_path = text_of("in"),
                    .stdout_path = text_of("out"),
                    .stderr_path = text_of("/err"),
                    .inputs = {"a\0b c", 6},
                    .outputs = {"d", 2},
                    .memory_bytes = UINT64_C(3) << 40};

    message_begin(b, MESSAGE_RUN, 5, 3);
    message_add_run(b, &r);
    r.task = 8;
    message_add_run(b, &r);
}

/* Two of three results are there, one of them empty. */
static void put_call(struct buffer *b)
{
    struct call_order o = {.task = 7,
                           .attempt = 2,
                           .function = 3,
                           .slot = 4,
                           .is_isolated = true,
                           .is_awaited = true,
                           .timeout_s = 2.5,
                           .memory_bytes = 1 << 20,
                           .id = text_of("sim-1"),
                           .payload = {"a\0b", 3},
                           .n_results = 4};
    size_t start;

    message_begin(b, MESSAGE_CALL, 5, 3);
    start = message_begin_call(b, &o);
    message_add_result(b, "one", 3);
    message_add_result(b, NULL, 0);
    message_add_result(b, "", 0);
    message_add_own_result(b, &(struct recall){5, 9});
    message_end_call(b, start);
}

static void test_a_call_comes_back_as_it_was_sent(void **state)
{
    struct buffer b = BUFFER_EMPTY;
    struct message_header h;
    struct call_order o;
    struct cursor c;
    struct recall own;
    struct text r;

    (void)state;
    put_call(&b);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
    assert_int_equal(h.kind, MESSAGE_CALL);
    assert_int_equal(message_next_call(&c, &o, NULL), 0);
    assert_int_equal(o.slots.n + o.gpus.n, 0);
    assert_true(o.task == 7 && o.attempt == 2 && o.function == 3 && o.slot == 4 && o.is_isolated && o.is_awaited);
    assert_true(o.timeout_s == 2.5 && o.n_results == 4 && o.memory_bytes == 1 << 20);
    assert_string_equal(o.id.bytes, "sim-1");
    assert_int_equal(o.payload.n, 3);
    assert_memory_equal(o.payload.bytes, "a\0b", 3);
    assert_true(call_order_next_result(&o.results, &r, &own));
    assert_memory_equal(r.bytes, "one", 3);
    assert_false(call_order_next_result(&o.results, &r, &own));
    assert_null(r.bytes);
    assert_int_equal(own.task, TASK_NONE);
    assert_true(call_order_next_result(&o.results, &r, &own));
    assert_int_equal(r.n, 0);
    assert_non_null(r.bytes);
    assert_false(call_order_next_result(&o.results, &r, &own));
    assert_true(r.bytes == NULL && own.task == 5 && own.attempt == 9);
    buffer_release(&b);
}

/* What a call holds beside its worker's slot stands behind the results, and takes nothing where it holds no more. */
static void test_a_calls_place_comes_back_as_it_was_sent(void **state)
{
    struct call_order o = {.task = 7, .attempt = 2, .id = text_of("wide"), .payload = {"", 0}, .n_results = 1};
    const struct text slots[] = {{"\1\0\3\0", 4}, {"\1\0\3", 3}, {"", 0}, {"\1\0", 2}};
    const struct text gpus[] = {{"0\0GPU-5a", 9}, {"", 0}, {"0", 2}, {"0\0x", 3}};
    const int wanted[] = {0, -1, -1, -1}; /* the last: x has no end */
    struct message_header h;
    struct cursor c;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct buffer b = BUFFER_EMPTY;
        struct ganger_error err = {0};
        size_t start;

        message_begin(&b, MESSAGE_CALL, 5, 3);
        start = message_begin_call(&b, &o);
        message_add_result(&b, "one", 3);
        message_add_place(&b, slots[i], gpus[i]);
        message_end_call(&b, start);
        assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
        o.memory_bytes = 1; /* it says nothing of it: none */
        assert_int_equal(message_next_call(&c, &o, &err), wanted[i]);
        assert_int_equal(o.memory_bytes, 0);
        if (i == 0) {
            assert_int_equal(o.slots.n, 4);
            assert_memory_equal(o.slots.bytes, "\1\0\3\0", 4);
            assert_int_equal(text_count_packed(o.gpus), 2);
        }
        o.n_results = 1;
        o.id = text_of("wide");
        o.payload = (struct text){"", 0};
        buffer_release(&b);
    }
}

static void test_a_call_cut_anywhere_is_refused(void **state)
{
    struct buffer b = BUFFER_EMPTY;
    struct message_header h;
    struct call_order o;
    struct cursor c;

    (void)state;
    put_call(&b);
    for (size_t n = 0; n < b.n; n++) {
        char *exact = malloc(n + 1); /* so that sanitizers see what is read behind it */

        memcpy(exact, b.bytes, n);
        assert_true(message_open(&h, &c, exact, n, NULL) < 0 || message_next_call(&c, &o, NULL) < 0);
        free(exact);
    }
    buffer_release(&b);
}

static void test_how_functions_ended_comes_back_as_it_was_sent(void **state)
{
    struct call_report done = {.task = 1,
                               .attempt = 1,
                               .result = {.end = TASK_EXITED, .start_s = 1, .end_s = 2, .tail = ""},
                               .has_bytes = true,
                               .bytes = {"r\0", 2}},
                       failed = {.task = 2,
                                 .attempt = 3,
                                 .result = {.end = TASK_RETURNED, .code = 4, .start_s = 2, .end_s = 3, .tail = "why",
                                            .n_tail_bytes = 3}},
                       r;
    struct buffer b = BUFFER_EMPTY;
    struct message_header h;
    struct cursor c;

    (void)state;
    message_begin(&b, MESSAGE_CALLED, 5, 3);
    message_add_called(&b, &done);
    message_add_called(&b, &failed);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
    assert_int_equal(h.n_records, 2);
    assert_int_equal(message_next_called(&c, &r, NULL), 0);
    assert_true(r.task == 1 && r.attempt == 1 && r.result.end == TASK_EXITED && r.has_bytes && r.bytes.n == 2);
    assert_true(r.result.start_s == 1 && r.result.end_s == 2 && r.result.n_tail_bytes == 0);
    assert_int_equal(message_next_called(&c, &r, NULL), 0);
    assert_true(r.task == 2 && r.attempt == 3 && r.result.end == TASK_RETURNED && r.result.code == 4 && !r.has_bytes);
    assert_string_equal(r.result.tail, "why");
    done.result.end_s = NAN;
    message_begin(&b, MESSAGE_CALLED, 5, 3);
    message_add_called(&b, &done);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
    assert_int_equal(message_next_called(&c, &r, NULL), -1);
    buffer_release(&b);
}

static void test_what_a_function_adds_comes_with_its_end(void **state)
{
    struct call_report done = {.task = 1,
                               .attempt = 1,
                               .result = {.end = TASK_EXITED, .start_s = 1, .end_s = 2, .tail = ""},
                               .has_bytes = true,
                               .bytes = {"r", 1},
                               .n_added = 2,
                               .added = {"de\0f", 4}},
                       r;
    struct buffer b = BUFFER_EMPTY;
    struct message_header h;
    struct cursor c;

    (void)state;
    message_begin(&b, MESSAGE_CALLED, 5, 3);
    message_add_called(&b, &done);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
    assert_int_equal(message_next_called(&c, &r, NULL), 0);
    assert_true(r.n_added == 2 && r.added.n == 4 && memcmp(r.added.bytes, "de\0f", 4) == 0);
    for (size_t n = 0; n < b.n; n++) {
        char *exact = malloc(n + 1); /* so that sanitizers see what is read behind it */

        memcpy(exact, b.bytes, n);
        assert_true(message_open(&h, &c, exact, n, NULL) < 0 || message_next_called(&c, &r, NULL) < 0);
        free(exact);
    }
    done.result.end = TASK_RETURNED; /* who failed adds nothing */
    message_begin(&b, MESSAGE_CALLED, 5, 3);
    message_add_called(&b, &done);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, NULL), 0);
    assert_int_equal(message_next_called(&c, &r, NULL), -1);
    buffer_release(&b);
}

static void put_done(struct buffer *b)
{
    struct done d = {.task = 9,
                     .attempt = 1,
                     .result = {.end = TASK_SIGNALLED,
                                .code = 9,
                                .start_s = 1.5,
                                .end_s = 2.25,
                                .cpu_s = 0.5,
                                .delay_s = 0.125,
                                .max_rss_bytes = 1 << 20,
                                .output_offset = 100,
                                .output_bytes = 50,
                                .tail = "bye\n",
                                .n_tail_bytes = 4},
                     .next = 10};

    message_begin(b, MESSAGE_DONE, 5, 3);
    message_add_done(b, &d);
}

static void put_welcome(struct buffer *b)
{
    struct welcome w = {.run_dir = text_of("/r"),
                        .cwd = text_of("/c"),
                        .env = {"A=1\0B=2", 8},
                        .grace_s = 5,
                        .clock_s = 1,
                        .hello_clock_s = 2,
                        .same_clock = true,
                        .origin_s = 3,
                        .manager_pid = 4,
                        .latency_wait_s = 0.5,
                        .fence_s = 60};

    message_begin(b, MESSAGE_WELCOME, 5, 3);
    message_add_welcome(b, &w);
}

static void put_hello(struct buffer *b)
{
    struct hello h = {.host = text_of("node7"),
                      .pid = 1234,
                      .slot = 3,
                      .n_node_slots = 64,
                      .memory_bytes = (uint64_t)1 << 40,
                      .clock_s = 17.25,
                      .group = text_of("g"),
                      .gpus = {"0\0001", 4},
                      .doorbell = text_of("d"),
                      .registry_digest = 99,
                      .cpu = 17};

    message_begin(b, MESSAGE_HELLO, 0, 3);
    message_add_hello(b, &h);
}

static struct cursor open_message(const struct buffer *b, struct message_header *h)
{
    struct ganger_error err = {0};
    struct cursor c;

    assert_int_equal(message_open(h, &c, b->bytes, b->n, &err), 0);
    assert_int_equal(h->version, MESSAGE_VERSION);
    assert_int_equal(h->worker, 3);
    return c;
}

static void test_run_comes_back_as_it_went(void **unused)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct cursor c;
    struct run r;

    (void)unused;
    put_run(&b);
    c = open_message(&b, &h);
    assert_int_equal(h.kind, MESSAGE_RUN);
    assert_int_equal(h.epoch, 5);
    assert_int_equal(h.n_records, 2);
    assert_int_equal(message_next_run(&c, &r, &err), 0);
    assert_int_equal(r.task, 7);
    assert_int_equal(r.attempt, 2);
    assert_int_equal(r.slots.n, 4);
    assert_int_equal(run_slot(&r, 0), 3);
    assert_int_equal(run_slot(&r, 1), 260);
    assert_string_equal(r.id.bytes, "sim-1");
    assert_int_equal(r.n_argv, 2);
    assert_string_equal(r.argv.bytes + 5, "hello");
    assert_string_equal(r.env.bytes, "A=1");
    assert_true(r.has_cwd);
    assert_string_equal(r.cwd.bytes, "/tmp");
    assert_true(r.timeout_s == 2.5);
    assert_int_equal(text_count_packed(r.gpus), 2);
    assert_string_equal(r.gpus.bytes + 2, "GPU-7");
    assert_string_equal(r.stdin_path.bytes, "in");
    assert_string_equal(r.stdout_path.bytes, "out");
    assert_string_equal(r.stderr_path.bytes, "/err");
    assert_int_equal(r.inputs.n, 6);
    assert_string_equal(r.inputs.bytes + 2, "b c");
    assert_string_equal(r.outputs.bytes, "d");
    assert_true(r.memory_bytes == UINT64_C(3) << 40);
    assert_int_equal(message_next_run(&c, &r, &err), 0);
    assert_int_equal(r.task, 8);
    buffer_release(&b);
}

static void test_done_comes_back_as_it_went(void **unused)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct cursor c;
    struct done d;

    (void)unused;
    put_done(&b);
    c = open_message(&b, &h);
    assert_int_equal(message_next_done(&c, &d, &err), 0);
    assert_int_equal(d.task, 9);
    assert_int_equal(d.next, 10);
    assert_int_equal(d.result.end, TASK_SIGNALLED);
    assert_int_equal(d.result.code, 9);
    assert_true(d.result.start_s == 1.5 && d.result.end_s == 2.25);
    assert_true(d.result.cpu_s == 0.5 && d.result.delay_s == 0.125);
    assert_int_equal(d.result.output_offset, 100);
    assert_int_equal(d.result.n_tail_bytes, 4);
    assert_memory_equal(d.result.tail, "bye\n", 4);
    buffer_release(&b);
}

static void test_hello_and_welcome_come_back_as_they_went(void **unused)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct cursor c;
    struct hello hello;
    struct welcome w;

    (void)unused;
    put_hello(&b);
    c = open_message(&b, &h);
    assert_int_equal(message_next_hello(&c, &hello, &err), 0);
    assert_string_equal(hello.host.bytes, "node7");
    assert_int_equal(text_count_packed(hello.gpus), 2);
    assert_string_equal(hello.gpus.bytes + 2, "1");
    assert_int_equal(hello.slot, 3);
    assert_int_equal(hello.n_node_slots, 64);
    assert_true(hello.memory_bytes == (uint64_t)1 << 40);
    assert_int_equal(hello.registry_digest, 99);
    assert_int_equal(hello.cpu, 17);
    put_welcome(&b);
    c = open_message(&b, &h);
    assert_int_equal(message_next_welcome(&c, &w, &err), 0);
    assert_string_equal(w.run_dir.bytes, "/r");
    assert_int_equal(text_count_packed(w.env), 2);
    assert_true(w.same_clock);
    assert_int_equal(w.manager_pid, 4);
    assert_true(w.latency_wait_s == 0.5);
    assert_true(w.fence_s == 60);
    buffer_release(&b);
}

static void test_every_shorter_message_is_refused(void **unused)
{
    static void (*const put[])(struct buffer *) = {put_hello, put_welcome, put_run, put_done};

    (void)unused;
    for (size_t i = 0; i < sizeof(put) / sizeof(*put); i++) {
        struct buffer b = BUFFER_EMPTY;

        put[i](&b);
        for (size_t n = 0; n < b.n; n++) {
            char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read behind the end */
            struct ganger_error err = {0};
            struct message_header h;
            struct cursor c;
            int status;

            memcpy(exact, b.bytes, n);
            status = message_open(&h, &c, exact, n, &err);
            for (uint32_t k = 0; status == 0 && k < h.n_records; k++) {
                union { struct hello h; struct welcome w; struct run r; struct done d; } any;

                switch (h.kind) {
                case MESSAGE_HELLO: status = message_next_hello(&c, &any.h, &err); break;
                case MESSAGE_WELCOME: status = message_next_welcome(&c, &any.w, &err); break;
                case MESSAGE_RUN: status = message_next_run(&c, &any.r, &err); break;
                default: status = message_next_done(&c, &any.d, &err); break;
                }
            }
            assert_int_equal(status, -1);
            assert_int_equal(err.cause, ERROR_SYSTEM);
            free(exact);
        }
        buffer_release(&b);
    }
}

static void test_other_versions_and_kinds_are_refused(void **unused)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct cursor c;

    (void)unused;
    put_done(&b);
    b.bytes[0] = MESSAGE_VERSION + 1;
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, &err), -1);
    assert_non_null(strstr(err.text, "version 2"));
    b.bytes[0] = MESSAGE_VERSION;
    b.bytes[1] = 15;
    err.cause = ERROR_NONE;
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, &err), -1);
    assert_non_null(strstr(err.text, "kind 15"));
    buffer_release(&b);
}

/* A RUN in order, for a test to spoil. */
static struct run good_run(void)
{
    return (struct run){.slots = {"\0\0", 2}, .id = text_of("a"), .n_argv = 2, .argv = {"x\0y", 4}};
}

static int read_back(const struct run *r)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct run back;
    struct cursor c;
    int status;

    message_begin(&b, MESSAGE_RUN, 5, 3);
    message_add_run(&b, r);
    c = open_message(&b, &h);
    status = message_next_run(&c, &back, &err);
    if (status < 0)
        assert_non_null(strstr(err.text, "contradicts"));
    buffer_release(&b);
    return status;
}

static void test_run_that_contradicts_itself_is_refused(void **unused)
{
    static const struct text not_packed = {"a\0b", 3}, with_empty = {"a\0\0b\0", 5}, two_texts = {"a\0b", 3};
    struct run r = good_run();

    (void)unused;
    assert_int_equal(read_back(&r), 0);
#define REFUSED(field, ...) (r = good_run(), r.field = __VA_ARGS__, read_back(&r))
    assert_int_equal(REFUSED(n_argv, 3), -1);
    assert_int_equal(REFUSED(n_env, 1), -1);
    r = good_run(); /* what stands for "not packed" is no number of texts */
    r.n_env = UINT32_MAX;
    assert_int_equal((r.env = not_packed, read_back(&r)), -1);
    r = good_run();
    r.n_argv = UINT32_MAX;
    assert_int_equal((r.argv = not_packed, read_back(&r)), -1);
    assert_int_equal(REFUSED(slots, (struct text){"\0\0\0", 3}), -1);
    assert_int_equal(REFUSED(timeout_s, -1), -1);
    assert_int_equal(REFUSED(timeout_s, NAN), -1);
    assert_int_equal(REFUSED(gpus, not_packed), -1);
    assert_int_equal(REFUSED(gpus, with_empty), -1);
    assert_int_equal(REFUSED(inputs, not_packed), -1);
    assert_int_equal(REFUSED(inputs, with_empty), -1);
    assert_int_equal(REFUSED(outputs, not_packed), -1);
    assert_int_equal(REFUSED(outputs, with_empty), -1);
    assert_int_equal(REFUSED(stdin_path, two_texts), -1);
    assert_int_equal(REFUSED(stdout_path, two_texts), -1);
    assert_int_equal(REFUSED(stderr_path, two_texts), -1);
    assert_int_equal(REFUSED(cwd, two_texts), -1);
}

static void test_more_records_than_there_is_room_for_are_refused(void **unused)
{
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct message_header h;
    struct cursor c;

    (void)unused;
    message_begin(&b, MESSAGE_RUN, 5, 3);
    buffer_put_u32(&b, 0);
    buffer_set_u32(&b, 12, 1);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, &err), 0);
    buffer_set_u32(&b, 12, 2);
    assert_int_equal(message_open(&h, &c, b.bytes, b.n, &err), -1);
    assert_non_null(strstr(err.text, "cannot have 2 records"));
    buffer_release(&b);
}

static void test_done_without_sound_times_is_refused(void **unused)
{
    static const struct task_result bad[] = {
        {.start_s = NAN, .end_s = 1, .tail = ""},     {.start_s = 1, .end_s = INFINITY, .tail = ""},
        {.start_s = 2, .end_s = 1, .tail = ""},       {.end_s = 1, .cpu_s = NAN, .tail = ""},
        {.end_s = 1, .cpu_s = -1, .tail = ""},        {.end_s = 1, .delay_s = INFINITY, .tail = ""},
    };
    struct buffer b = BUFFER_EMPTY;

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct ganger_error err = {0};
        struct message_header h;
        struct cursor c;
        struct done d = {.task = 1, .attempt = 1, .result = bad[i]};
        struct call_report report = {.task = 1, .attempt = 1};

        message_begin(&b, MESSAGE_DONE, 5, 3);
        message_add_done(&b, &d);
        c = open_message(&b, &h);
        assert_int_equal(message_next_done(&c, &d, &err), -1);
        assert_non_null(strstr(err.text, "contradicts"));
        if (i > 2) /* CALLED says no other times */
            continue;
        report.result = bad[i];
        message_begin(&b, MESSAGE_CALLED, 5, 3);
        message_add_called(&b, &report);
        c = open_message(&b, &h);
        assert_int_equal(message_next_called(&c, &report, &err), -1);
    }
    buffer_release(&b);
}

static void test_welcome_that_contradicts_itself_is_refused(void **unused)
{
    static const struct welcome bad[] = {{.env = {"A=1\0B", 5}, .fence_s = 1},
                                         {.latency_wait_s = NAN, .fence_s = 1},
                                         {.latency_wait_s = -1, .fence_s = 1},
                                         {.grace_s = NAN, .fence_s = 1},
                                         {.fence_s = NAN},
                                         {.fence_s = 0}};

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct buffer b = BUFFER_EMPTY;
        struct ganger_error err = {0};
        struct message_header h;
        struct welcome back;
        struct cursor c;

        message_begin(&b, MESSAGE_WELCOME, 5, 3);
        message_add_welcome(&b, &bad[i]);
        c = open_message(&b, &h);
        assert_int_equal(message_next_welcome(&c, &back, &err), -1);
        assert_non_null(strstr(err.text, "contradicts"));
        buffer_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_comes_back_as_it_went),
        cmocka_unit_test(test_done_comes_back_as_it_went),
        cmocka_unit_test(test_hello_and_welcome_come_back_as_they_went),
        cmocka_unit_test(test_every_shorter_message_is_refused),
        cmocka_unit_test(test_other_versions_and_kinds_are_refused),
        cmocka_unit_test(test_run_that_contradicts_itself_is_refused),
        cmocka_unit_test(test_more_records_than_there_is_room_for_are_refused),
        cmocka_unit_test(test_done_without_sound_times_is_refused),
        cmocka_unit_test(test_welcome_that_contradicts_itself_is_refused),
        cmocka_unit_test(test_a_call_comes_back_as_it_was_sent),
        cmocka_unit_test(test_a_calls_place_comes_back_as_it_was_sent),
        cmocka_unit_test(test_a_call_cut_anywhere_is_refused),
        cmocka_unit_test(test_how_functions_ended_comes_back_as_it_was_sent),
        cmocka_unit_test(test_what_a_function_adds_comes_with_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
