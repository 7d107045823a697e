/* How much memory this test's children hold. */
#include "io/footprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define HELD (64 * MIB)
#define OTHER (8 * MIB) /* what a process has beside; sanitizers take some */

/* Children that say that they are ready through a pipe, and stay until it is closed. */
struct children
{
    int ready[2];
    int stay[2];
    pid_t pid;
};

static void *hold(size_t n, int flags, int fd)
{
    char *bytes = mmap(NULL, n, PROT_READ | PROT_WRITE, flags, fd, 0);

    for (size_t i = 0; i < n; i += 4096)
        bytes[i] = 1;
    return bytes;
}

static _Noreturn void stay(const struct children *c)
{
    char byte = 0;

    close(c->stay[1]);
    if (write(c->ready[1], &byte, 1) == 1)
        while (read(c->stay[0], &byte, 1) < 0)
            ;
    _exit(0);
}

static void begin(struct children *c)
{
    assert_int_equal(pipe(c->ready), 0);
    assert_int_equal(pipe(c->stay), 0);
    c->pid = fork();
}

static void wait_until_ready(const struct children *c, int n)
{
    char byte;

    while (n-- > 0)
        assert_int_equal(read(c->ready[0], &byte, 1), 1);
}

static void end(const struct children *c)
{
    close(c->stay[1]);
    close(c->stay[0]);
    close(c->ready[0]);
    close(c->ready[1]);
    waitpid(c->pid, NULL, 0);
}

static void test_without_children_it_is_nothing(void **unused)
{
    struct footprint f = footprint_at_most();

    (void)unused;
    assert_int_equal(f.n_processes, 0);
    assert_int_equal(f.bytes, 0);
}

static void test_grandchildren_count(void **unused)
{
    struct children c;
    struct footprint f;

    (void)unused;
    begin(&c);
    if (c.pid == 0) {
        if (fork() == 0)
            hold(HELD, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        stay(&c);
    }
    wait_until_ready(&c, 2);
    f = footprint_at_most();
    assert_int_equal(f.n_processes, 2);
    assert_in_range(f.bytes, HELD, HELD + 2 * OTHER);
    assert_in_range(footprint_exact().bytes, HELD, HELD + 2 * OTHER);
    end(&c);
}

static void test_what_is_shared_counts_once_when_it_is_exact(void **unused)
{
    struct children c;

    (void)unused;
    begin(&c);
    if (c.pid == 0) {
        hold(HELD, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        for (int i = 0; i < 3; i++)
            if (fork() == 0)
                break;
        stay(&c);
    }
    wait_until_ready(&c, 4);
    assert_int_equal(footprint_exact().n_processes, 4);
    assert_in_range(footprint_at_most().bytes, 4 * HELD, 4 * (HELD + OTHER));
    assert_in_range(footprint_exact().bytes, HELD - OTHER, HELD + 4 * OTHER);
    end(&c);
}

static void test_mapped_files_do_not_count(void **unused)
{
    FILE *file = tmpfile();
    struct children c;

    (void)unused;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)HELD), 0);
    begin(&c);
    if (c.pid == 0) {
        hold(HELD, MAP_SHARED, fileno(file));
        stay(&c);
    }
    wait_until_ready(&c, 1);
    if (footprint_at_most().bytes > HELD) /* then the folder of temporary files is memory */
        print_message("temporary files are in memory here: nothing was tested\n");
    else
        assert_in_range(footprint_exact().bytes, 0, OTHER);
    end(&c);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_children_it_is_nothing),
        cmocka_unit_test(test_grandchildren_count),
        cmocka_unit_test(test_what_is_shared_counts_once_when_it_is_exact),
        cmocka_unit_test(test_mapped_files_do_not_count),
    };

    return cmocka_run_group_tests_name("footprint", tests, NULL, NULL);
}
