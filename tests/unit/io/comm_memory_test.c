#include "base/alloc.h"
#include "base/clock.h"
#include "io/comm.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_S 30.0

/* Waits until a message is there; fails the test after LIMIT_S. */
static void expect_message(struct comm *c, uint32_t from, const char *text)
{
    double deadline_s = clock_now_s() + LIMIT_S;
    const char *bytes;
    uint32_t sender;
    size_t n;

    while (!comm_receive(c, &sender, &bytes, &n)) {
        assert_true(clock_now_s() < deadline_s);
        assert_int_equal(comm_wait(c, NULL, 0, deadline_s, NULL), 0);
    }
    assert_int_equal(sender, from);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(bytes, text, n);
}

static void test_messages_arrive_whole_and_in_order(void **unused)
{
    struct comm *ends[3];

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 3, NULL), 0);
    comm_send(ends[1], 0, "one", 3, NULL);
    comm_send(ends[2], 0, "two", 3, NULL);
    comm_send(ends[1], 0, "", 0, NULL);
    expect_message(ends[0], 1, "one");
    expect_message(ends[0], 2, "two");
    expect_message(ends[0], 1, "");
    for (int i = 0; i < 3; i++)
        comm_close(ends[i], false);
}

/* Two ends, and a pipe to be looked at by the first. */
static struct pollfd open_beside_pipe(struct comm *ends[2], int ends_of_pipe[2])
{
    assert_int_equal(comm_open_memory(ends, 2, NULL), 0);
    assert_int_equal(pipe(ends_of_pipe), 0);
    return (struct pollfd){ends_of_pipe[0], POLLIN, 0};
}

static void close_beside_pipe(struct comm *ends[2], const int ends_of_pipe[2])
{
    comm_close(ends[0], false);
    comm_close(ends[1], false);
    close(ends_of_pipe[0]);
    close(ends_of_pipe[1]);
}

static void test_wait_returns_for_a_descriptor(void **unused)
{
    struct comm *ends[2];
    struct pollfd fd;
    int ends_of_pipe[2];

    (void)unused;
    fd = open_beside_pipe(ends, ends_of_pipe);
    assert_int_equal(write(ends_of_pipe[1], "x", 1), 1);
    assert_int_equal(comm_wait(ends[0], &fd, 1, clock_now_s() + LIMIT_S, NULL), 0);
    assert_int_equal(fd.revents, POLLIN);
    close_beside_pipe(ends, ends_of_pipe);
}

static void test_wait_returns_at_its_deadline(void **unused)
{
    struct comm *ends[2];
    double start_s = clock_now_s();

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 2, NULL), 0);
    assert_int_equal(comm_wait(ends[0], NULL, 0, start_s + 0.01, NULL), 0);
    assert_true(clock_now_s() >= start_s + 0.01);
    assert_int_equal(comm_wait(ends[0], NULL, 0, 0, NULL), 0); /* long past */
    comm_close(ends[0], false);
    comm_close(ends[1], false);
}

static void *echo(void *end)
{
    struct comm *c = end;
    const char *bytes;
    uint32_t from;
    size_t n;

    for (;;) {
        while (comm_receive(c, &from, &bytes, &n)) {
            if (n == 4)
                return NULL;
            comm_send(c, from, bytes, n, NULL);
        }
        comm_wait(c, NULL, 0, clock_now_s() + LIMIT_S, NULL);
    }
}

static void test_a_sleeper_is_woken_every_time(void **unused)
{
    struct comm *ends[2];
    pthread_t thread;

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 2, NULL), 0);
    pthread_create(&thread, NULL, echo, ends[1]);
    for (int i = 0; i < 2000; i++) {
        ends[0]->spin_s = i % 3 == 0 ? 0.00003 : 0; /* awake when the answer comes, asleep, or on the way to it */
        comm_send(ends[0], 1, "ping!", 5, NULL);
        expect_message(ends[0], 1, "ping!");
    }
    comm_send(ends[0], 1, "stop", 4, NULL);
    pthread_join(thread, NULL);
    comm_close(ends[0], false);
    comm_close(ends[1], false);
}

/* Whoever waits awake takes the core from others: not again and again, if nothing comes. */
static void test_who_waited_awake_in_vain_does_not_do_so_at_once(void **unused)
{
    struct comm *ends[2];
    double calm_s = 0;

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 2, NULL), 0);
    ends[0]->spin_s = 0.00003;
    comm_wait(ends[0], NULL, 0, 0, NULL); /* it had no time to wait: it tells nothing */
    assert_true(ends[0]->calm_until_s <= 0);
    for (int i = 0; i < 3; i++) {
        ends[0]->calm_until_s = 0;
        comm_wait(ends[0], NULL, 0, clock_now_s() + 0.001, NULL);
        assert_true(ends[0]->calm_until_s > 0 && ends[0]->vain_calm_s > calm_s);
        calm_s = ends[0]->vain_calm_s;
    }
    comm_close(ends[0], false);
    comm_close(ends[1], false);
}

static void test_descriptors_are_looked_at_in_steady_traffic(void **unused)
{
    double deadline_s = clock_now_s() + LIMIT_S;
    struct comm *ends[2];
    struct pollfd fd;
    int ends_of_pipe[2];

    (void)unused;
    fd = open_beside_pipe(ends, ends_of_pipe);
    comm_send(ends[1], 0, "never received", 14, NULL);
    comm_wait(ends[0], &fd, 1, deadline_s, NULL);
    assert_int_equal(fd.revents, 0);
    assert_int_equal(write(ends_of_pipe[1], "x", 1), 1);
    while (fd.revents == 0) {
        assert_true(clock_now_s() < deadline_s);
        assert_int_equal(comm_wait(ends[0], &fd, 1, deadline_s, NULL), 0);
    }
    close_beside_pipe(ends, ends_of_pipe);
}

/* What was received is what the next ones are written on, if they have room there. */
static void test_messages_of_all_sizes_arrive_as_they_were_sent(void **unused)
{
    static const size_t sizes[] = {1, 4096, 0, 4097, 100, 65536, 4095, 3600};
    char *sent = xmalloc(65536);
    struct comm *ends[2];
    const char *bytes;
    uint32_t from;
    size_t n;

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 2, NULL), 0);
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t to = round % 2;

        for (uint32_t i = 0; i < 8; i++) {
            memset(sent, (int)(round + i), sizes[i]);
            comm_send(ends[1 - to], to, sent, sizes[i], NULL);
        }
        for (uint32_t i = 0; i < 8; i++) {
            memset(sent, (int)(round + i), sizes[i]);
            assert_true(comm_receive(ends[to], &from, &bytes, &n));
            assert_int_equal(n, sizes[i]);
            assert_memory_equal(bytes, sent, n);
        }
        assert_false(comm_receive(ends[to], &from, &bytes, &n));
    }
    comm_close(ends[0], false);
    comm_close(ends[1], false);
    free(sent);
}

/* Who has something else to do waits for nothing. */
static void test_descriptors_are_looked_at_by_who_never_has_time_to_wait(void **unused)
{
    double limit_s = clock_now_s() + LIMIT_S;
    struct comm *ends[2];
    struct pollfd fd;
    int ends_of_pipe[2];

    (void)unused;
    fd = open_beside_pipe(ends, ends_of_pipe);
    comm_wait(ends[0], &fd, 1, 0, NULL);
    assert_int_equal(fd.revents, 0);
    assert_int_equal(write(ends_of_pipe[1], "x", 1), 1);
    while (fd.revents == 0) {
        assert_true(clock_now_s() < limit_s);
        assert_int_equal(comm_wait(ends[0], &fd, 1, 0, NULL), 0);
    }
    close_beside_pipe(ends, ends_of_pipe);
}

static void test_process_groups_are_seen_by_the_node(void **unused)
{
    struct comm *ends[3];

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 3, NULL), 0);
    assert_int_equal(comm_group_of(ends[0], 2), 0);
    comm_publish_group(ends[2], 4711);
    assert_int_equal(comm_group_of(ends[0], 2), 4711);
    assert_int_equal(comm_group_of(ends[0], 1), 0);
    assert_int_equal(comm_slot(ends[0], 1), 0);
    assert_int_equal(comm_slot(ends[0], 2), 1);
    for (int i = 0; i < 3; i++)
        comm_close(ends[i], false);
}

static void test_ends_share_a_counter_that_begins_at_0(void **unused)
{
    struct comm *ends[3];

    (void)unused;
    assert_int_equal(comm_open_memory(ends, 3, NULL), 0);
    assert_int_equal(atomic_fetch_add(comm_node_counter(ends[1]), 5), 0);
    assert_int_equal(atomic_fetch_add(comm_node_counter(ends[2]), 7), 5);
    assert_int_equal(atomic_load(comm_node_counter(ends[0])), 12);
    for (int i = 0; i < 3; i++)
        comm_close(ends[i], false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_arrive_whole_and_in_order),
        cmocka_unit_test(test_wait_returns_for_a_descriptor),
        cmocka_unit_test(test_wait_returns_at_its_deadline),
        cmocka_unit_test(test_a_sleeper_is_woken_every_time),
        cmocka_unit_test(test_who_waited_awake_in_vain_does_not_do_so_at_once),
        cmocka_unit_test(test_descriptors_are_looked_at_in_steady_traffic),
        cmocka_unit_test(test_messages_of_all_sizes_arrive_as_they_were_sent),
        cmocka_unit_test(test_descriptors_are_looked_at_by_who_never_has_time_to_wait),
        cmocka_unit_test(test_process_groups_are_seen_by_the_node),
        cmocka_unit_test(test_ends_share_a_counter_that_begins_at_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
