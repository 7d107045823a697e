/* Control groups as files that a test makes: what is asked of the kernel, and what is made of its answers. (That the
 * kernel does it is for t0520, where it has version 2.) */
#include "io/cgroup.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cmocka.h>

struct world
{
    char *scratch;
    char *own; /* the file that says which group this process is in */
    char *vmstat;
    struct cgroup_system system;
};

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->scratch = scratch_make();
    w->own = xasprintf("%s/own", w->scratch);
    w->vmstat = xasprintf("%s/vmstat", w->scratch);
    w->system = (struct cgroup_system){w->own, w->scratch, w->vmstat};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    scratch_remove(w->scratch);
    free(w->own);
    free(w->vmstat);
    free(w);
    return 0;
}

static void put(struct world *w, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", w->scratch, name);

    scratch_write(path, text, strlen(text));
    free(path);
}

static void assert_text(struct world *w, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", w->scratch, name), *found = scratch_read(path, NULL);

    assert_non_null(found);
    assert_string_equal(found, text);
    free(found);
    free(path);
}

static void put_group(struct world *w, const char *name, const char *procs, const char *controllers,
                      const char *subtree)
{
    static const char *const files[] = {"cgroup.procs", "cgroup.controllers", "cgroup.subtree_control"};
    const char *texts[] = {procs, controllers, subtree};
    char *path = xasprintf("%s/%s", w->scratch, name);

    mkdir(path, 0755);
    free(path);
    for (int i = 0; i < 3; i++) {
        path = xasprintf("%s/%s", name, files[i]);
        put(w, path, texts[i]);
        free(path);
    }
}

/* As systemd does it. False where the file system takes no marks. */
static bool mark(struct world *w, const char *name)
{
    char *path = xasprintf("%s/%s", w->scratch, name);
    bool is = geteuid() != 0 || setxattr(path, "trusted.delegate", "1", 1, 0) == 0;

    free(path);
    return is;
}

/* A scope in which this process is alone; the kernel's files of the group below are there already. */
static bool put_scope(struct world *w, const char *procs)
{
    char self[32];

    snprintf(self, sizeof(self), "%d\n", (int)getpid());
    put(w, "own", "1:name=systemd:/\n0::/run.scope\n");
    put_group(w, "run.scope", procs != NULL ? procs : self, "cpu memory pids\n", "");
    put_group(w, "run.scope/ganger", "", "", "");
    return mark(w, "run.scope");
}

static void test_who_is_alone_in_a_delegated_group_settles_below(void **state)
{
    struct world *w = *state;

    if (!put_scope(w, NULL))
        skip();
    cgroup_settle(&w->system);
    assert_text(w, "run.scope/ganger/cgroup.procs", "0");
    assert_text(w, "run.scope/cgroup.subtree_control", "+memory");
}

static void test_where_others_are_nothing_is_moved(void **state)
{
    struct world *w = *state;

    if (!put_scope(w, "1\n2\n"))
        skip();
    cgroup_settle(&w->system);
    assert_text(w, "run.scope/ganger/cgroup.procs", "");
    assert_text(w, "run.scope/cgroup.subtree_control", "");
}

static void test_what_was_not_left_to_us_is_let_be(void **state)
{
    struct cgroup g;
    struct world *w = *state;

    put_scope(w, NULL);
    if (geteuid() == 0) { /* who may write everywhere goes by the mark */
        char *path = xasprintf("%s/run.scope", w->scratch);

        removexattr(path, "trusted.delegate");
        free(path);
    } else {
        char *path = xasprintf("%s/run.scope", w->scratch);

        chmod(path, 0500);
        free(path);
    }
    cgroup_settle(&w->system);
    assert_text(w, "run.scope/cgroup.subtree_control", "");
    put(w, "own", "0::/run.scope/ganger\n");
    cgroup_open(&g, &w->system, "worker");
    assert_null(g.path);
    cgroup_close(&g);
    cgroup_close(&g);
}

/* The kernel makes a group's files with it; here the group is there before. */
static bool open_group(struct world *w, struct cgroup *g)
{
    bool is = put_scope(w, NULL);

    put(w, "own", "0::/run.scope/ganger\n");
    put(w, "run.scope/cgroup.subtree_control", "memory\n");
    put_group(w, "run.scope/worker", "", "", "");
    put(w, "run.scope/worker/memory.max", "");
    put(w, "run.scope/worker/memory.swap.max", "");
    put(w, "run.scope/worker/memory.oom.group", "");
    put(w, "run.scope/worker/memory.events", "low 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 1\n");
    cgroup_open(g, &w->system, "worker");
    return is;
}

static void test_a_worker_s_group_limits_memory_and_counts_kills(void **state)
{
    struct world *w = *state;
    struct cgroup g;

    if (!open_group(w, &g))
        skip();
    assert_non_null(g.path);
    assert_text(w, "run.scope/worker/memory.max", "max");
    assert_text(w, "run.scope/worker/memory.oom.group", "1");
    put(w, "run.scope/worker/memory.max", "");
    assert_int_equal(cgroup_limit_memory(&g, 123456789, NULL), 0);
    assert_text(w, "run.scope/worker/memory.max", "123456789");
    assert_false(cgroup_has_killed(&g)); /* those were before */
    put(w, "run.scope/worker/memory.events", "oom 4\noom_kill 5\n");
    assert_true(cgroup_has_killed(&g));
    assert_false(cgroup_has_killed(&g));
    cgroup_close(&g);
}

static void test_a_group_that_is_gone_is_an_error(void **state)
{
    struct ganger_error err = {0};
    struct world *w = *state;
    struct cgroup g;

    if (!open_group(w, &g))
        skip();
    free(g.path);
    g.path = xasprintf("%s/gone", w->scratch);
    assert_int_equal(cgroup_limit_memory(&g, 1, &err), -1);
    assert_non_null(strstr(err.text, "gone/memory.max"));
    assert_false(cgroup_has_killed(&g));
    cgroup_close(&g);
}

static void test_kills_are_counted_where_the_kernel_tells(void **state)
{
    struct world *w = *state;
    char *path = xasprintf("%s/memory", w->scratch);

    assert_true(cgroup_count_kills(&w->system) == UINT64_MAX);
    put(w, "vmstat", "nr_free_pages 12\noom_kill 4\nnuma_hit 1\n");
    assert_int_equal(cgroup_count_kills(&w->system), 4);
    put_group(w, "job", "", "", "");
    put(w, "own", "5:memory:/job\n0::/job\n");
    put(w, "job/memory.events", "oom 3\noom_kill 2\n");
    assert_int_equal(cgroup_count_kills(&w->system), 2);
    mkdir(path, 0755);
    put_group(w, "memory/job", "", "", "");
    put(w, "memory/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    assert_int_equal(cgroup_count_kills(&w->system), 1);
    free(path);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_who_is_alone_in_a_delegated_group_settles_below),
        WORLD_TEST(test_where_others_are_nothing_is_moved),
        WORLD_TEST(test_what_was_not_left_to_us_is_let_be),
        WORLD_TEST(test_a_worker_s_group_limits_memory_and_counts_kills),
        WORLD_TEST(test_a_group_that_is_gone_is_an_error),
        WORLD_TEST(test_kills_are_counted_where_the_kernel_tells),
    };

    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
