#include "manager_parts.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define HOLE_FAILURES 5    /* so many in a row there, … */
#define HOLE_AT_ONCE_S 2.0 /* … each within that, … */
#define HOLE_DONE 5        /* … and meanwhile at least so many ended well elsewhere, … */
#define HOLE_SHARE 4       /* … and so many times as many as failed elsewhere */

/* Nothing more runs there; what runs may end. `program`: of those that fail there; NULL: all do. */
static void set_aside(struct manager *m, uint32_t node, const char *program, uint32_t n_failed)
{
    struct node_entry *n = &m->nodes[node];

    n->is_set_aside = true;
    m->n_set_aside++;
    if (program == NULL)
        log_warning("node %s is set aside: %u tasks in a row failed there at once, while others ended well elsewhere; "
                    "no more tasks run there, and --resume tries those again",
                    n->host, n_failed);
    else
        log_warning("node %s is set aside: %u tasks of \"%s\" in a row failed there at once, while others of it ended "
                    "well elsewhere; no more tasks run there, and --resume tries those again",
                    n->host, n_failed, program);
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++) {
        if (!m->peers[worker].is_admitted || m->peers[worker].node != node || !m->peers[worker].is_here)
            continue;
        manager_recall(m, worker);
        losses_retire(m, worker);
    }
}

/* Some other node that gets tasks. */
static bool has_other(const struct manager *m, uint32_t node)
{
    for (uint32_t other = 0; other < m->n_nodes; other++)
        if (other != node && m->nodes[other].stage == NODE_READY && !m->nodes[other].is_set_aside &&
            nodes_find_worker_on(m, other) != 0)
            return true;
    return false;
}

/* `all`: of the same tasks, anywhere. */
static bool is_hole(const struct streak *s, const struct tally *all)
{
    uint32_t n_done = all->n_done - s->before.n_done;
    uint32_t n_failed = all->n_failed - s->before.n_failed - s->n_failed;

    return s->n_failed >= HOLE_FAILURES && n_done >= HOLE_DONE && n_done >= HOLE_SHARE * n_failed;
}

/* One more failed; `all` counts it already. */
static void lengthen(struct streak *s, const struct tally *all)
{
    if (s->n_failed++ == 0)
        s->before = (struct tally){all->n_done, all->n_failed - 1};
}

/* ---- programs ---- */

/* NULL: it is of no program. Functions are of this one, which runs there. */
static struct tally *find_tally(struct manager *m, uint32_t program)
{
    uint32_t n = m->o->graph->n_programs;

    if (program == 0)
        return NULL;
    if (m->n_tallies < n) {
        m->tallies = xrealloc(m->tallies, n * sizeof(*m->tallies));
        memset(m->tallies + m->n_tallies, 0, (n - m->n_tallies) * sizeof(*m->tallies));
        m->n_tallies = n;
    }
    return &m->tallies[program];
}

static struct program_streak *find_streak(struct node_entry *n, uint32_t program)
{
    for (uint32_t i = 0; i < HOLE_PROGRAMS; i++)
        if (n->program_streaks[i].program == program)
            return &n->program_streaks[i];
    return NULL;
}

/* If more programs fail there than are watched, the one whose streak is the shortest is watched no longer. */
static struct program_streak *begin_streak(struct node_entry *n, uint32_t program)
{
    struct program_streak *shortest = n->program_streaks;

    for (uint32_t i = 1; i < HOLE_PROGRAMS; i++)
        if (n->program_streaks[i].streak.n_failed < shortest->streak.n_failed)
            shortest = &n->program_streaks[i];
    *shortest = (struct program_streak){.program = program};
    return shortest;
}

static void end_streak(struct node_entry *n, uint32_t program)
{
    struct program_streak *s = find_streak(n, program);

    if (s != NULL)
        *s = (struct program_streak){0};
}

/* True: the node is a hole for that program. */
static bool note_failure(struct node_entry *n, struct tally *all, uint32_t program)
{
    struct program_streak *s = find_streak(n, program);

    all->n_failed++;
    if (s == NULL)
        s = begin_streak(n, program);
    lengthen(&s->streak, all);
    return is_hole(&s->streak, all);
}

/* ---- what ended ---- */

void holes_close(struct manager *m)
{
    free(m->tallies);
}

void holes_note_done(struct manager *m, uint32_t node, uint32_t n)
{
    m->tally.n_done += n;
    m->nodes[node].streak.n_failed = 0;
}

static bool fails_at_once(const struct task_result *r)
{
    return r->end_s - r->start_s < HOLE_AT_ONCE_S &&
           (r->end == TASK_EXITED || r->end == TASK_SIGNALLED || r->end == TASK_NOT_STARTED ||
            r->end == TASK_OUTPUT_MISSING || r->end == TASK_INPUT_MISSING);
}

void holes_note_end(struct manager *m, uint32_t node, task_id task, const struct task_result *result)
{
    struct node_entry *n = &m->nodes[node];
    const struct task *t = manager_task(m, task);
    struct tally *of_program = task_is_call(t) ? NULL : find_tally(m, t->program);
    bool is_good = result->end == TASK_EXITED && result->code == 0, is_hole_for_program = false;

    if (is_good || !fails_at_once(result)) {
        holes_note_done(m, node, is_good);
        if (of_program != NULL) {
            of_program->n_done += is_good;
            end_streak(n, t->program);
        }
        return;
    }
    m->tally.n_failed++;
    lengthen(&n->streak, &m->tally);
    if (of_program != NULL)
        is_hole_for_program = note_failure(n, of_program, t->program);
    if (n->is_set_aside || !has_other(m, node))
        return;
    if (is_hole(&n->streak, &m->tally))
        set_aside(m, node, NULL, n->streak.n_failed);
    else if (is_hole_for_program)
        set_aside(m, node, m->o->graph->programs[t->program], find_streak(n, t->program)->streak.n_failed);
}
