#include "worker_parts.h"

#include "base/amount.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/footprint.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FIRST_LOOK_S 0.1  /* at how much a task holds: one that is over by then costs nothing */
#define NEAR_PAUSE_S 0.1  /* between two looks at one that holds more than half of what it may … */
#define PAUSE_MAX_S 1.0   /* … and at most; doubles up to this */
#define LOOKS_COST 0.005  /* looks may take that part of a core's time */

/* What was asked for is rarely exact: a tenth more is let pass. */
static uint64_t limit_of(uint64_t asked_bytes)
{
    return asked_bytes > UINT64_MAX / 2 ? UINT64_MAX : asked_bytes + asked_bytes / 10;
}

void memory_open(struct memory_guard *g, const struct worker_options *o, uint32_t worker)
{
    char name[64];

    *g = (struct memory_guard){.rule = o->memory_rule, .look_s = INFINITY};
    g->n_kills = cgroup_count_kills(&cgroup_this_machine);
    if (g->rule != MEMORY_ENFORCE)
        return;
    snprintf(name, sizeof(name), "ganger-worker-%u-%d", worker, (int)getpid());
    cgroup_open(&g->cgroup, &cgroup_this_machine, name);
}

void memory_close(struct memory_guard *g)
{
    cgroup_close(&g->cgroup);
}

int memory_begin(struct memory_guard *g, uint64_t asked_bytes, struct process_order *order, struct ganger_error *err)
{
    g->asked_bytes = g->rule == MEMORY_OFF ? 0 : asked_bytes;
    g->seen_bytes = 0;
    g->look_s = INFINITY;
    if (g->asked_bytes == 0)
        return 0;
    if (g->cgroup.path != NULL) {
        order->cgroup_fd = g->cgroup.join_fd;
        return cgroup_limit_memory(&g->cgroup, limit_of(g->asked_bytes), err);
    }
    g->pause_s = FIRST_LOOK_S;
    g->look_s = clock_now_s() + FIRST_LOOK_S;
    return 0;
}

bool memory_look(struct memory_guard *g)
{
    double start_s = clock_now_s(), end_s;
    uint64_t limit_bytes = limit_of(g->asked_bytes);

    g->seen_bytes = footprint_at_most().bytes;
    if (g->seen_bytes > limit_bytes)
        g->seen_bytes = footprint_exact().bytes;
    if (g->seen_bytes > limit_bytes) {
        g->look_s = INFINITY;
        return true;
    }
    end_s = clock_now_s();
    g->pause_s = g->seen_bytes > g->asked_bytes / 2 ? NEAR_PAUSE_S : fmin(2 * g->pause_s, PAUSE_MAX_S);
    g->look_s = end_s + fmax(g->pause_s, (end_s - start_s) / LOOKS_COST);
    return false;
}

void memory_note_kills(struct memory_guard *g)
{
    g->n_kills = cgroup_count_kills(&cgroup_this_machine);
}

/* A shell tells with 128 + 9 that what it waited for was killed. */
static bool was_killed(const struct process_end *end)
{
    return end->code == (end->is_signal ? SIGKILL : 128 + SIGKILL);
}

static bool has_kernel_killed(struct memory_guard *g)
{
    uint64_t n_before = g->n_kills;

    memory_note_kills(g);
    return n_before != UINT64_MAX && g->n_kills != UINT64_MAX && g->n_kills > n_before;
}

enum memory_verdict memory_judge(struct memory_guard *g, bool was_ended, const struct process_end *end)
{
    if (!was_killed(end))
        return MEMORY_INNOCENT; /* also when it ended by itself, just before it would have been */
    if (was_ended)
        return MEMORY_OVER_LIMIT;
    if (g->asked_bytes > 0 && g->cgroup.path != NULL && cgroup_has_killed(&g->cgroup))
        return MEMORY_OVER_LIMIT;
    return has_kernel_killed(g) ? MEMORY_KILLED_BY_KERNEL : MEMORY_INNOCENT;
}

void memory_describe(const struct memory_guard *g, enum memory_verdict verdict, const struct process_end *end,
                     char *text, size_t size)
{
    char asked[AMOUNT_BYTES], seen[AMOUNT_BYTES];
    uint64_t limit_bytes = limit_of(g->asked_bytes);

    amount_describe_bytes(g->asked_bytes, asked);
    if (verdict == MEMORY_OVER_LIMIT) {
        /* The kernel stops a task at its limit, so that it is never seen beyond. */
        amount_describe_bytes(g->seen_bytes > limit_bytes ? g->seen_bytes : limit_bytes, seen);
        snprintf(text, size, "it used more than it asked for: %s of %s (see --memory-limit)", seen, asked);
        return;
    }
    amount_describe_bytes(end->max_rss_bytes, seen);
    snprintf(text, size,
             "the kernel killed it, having no more to give; its largest process had %s, and it asked for %s", seen,
             g->asked_bytes > 0 ? asked : "none");
}
