#include "worker_parts.h"

#include "base/clock.h"
#include "core/fence.h"
#include "io/orphans.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

/* A worker of the manager's node needs none of this: the manager watches it, and it watches the manager. Of the workers
 * of another node the lowest that lives leads: it watches the others, and the others watch it. */

#define CLOCK_ROUND_TRIP_S 0.02 /* what the manager's clock says is then known to half of that */
#define CLOCK_QUESTIONS_MAX 10  /* where none is answered that fast */

/* ---- the dead ---- */

static int say_lost(struct worker *w, uint32_t worker, struct ganger_error *err)
{
    struct lost lost = {worker, comm_call_of(w->comm, worker)};

    message_begin(&w->message, MESSAGE_LOST, w->epoch, w->comm->rank);
    message_add_lost(&w->message, &lost);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* Whatever its task started, and its temporary directory; then the manager is told, so that nothing runs twice. One
 * that left in order has left nothing. */
static int bury(struct worker *w, uint32_t worker, struct ganger_error *err)
{
    pid_t group = comm_group_of(w->comm, worker);

    if (w->is_stopping && group == 0)
        return 0;
    if (group > 0)
        kill(-group, SIGKILL);
    orphans_end_of(w->run_dir, w->epoch, worker);
    tmpdir_remove_left(w->run_dir, w->epoch, worker);
    return say_lost(w, worker, err);
}

static void watch(struct worker *w, uint32_t worker)
{
    pid_t pid = comm_pid_of(w->comm, worker);

    if (w->around.watch < 0)
        w->around.watch = process_watch_open();
    if (pid > 0 && w->around.watch >= 0)
        process_watch_add(w->around.watch, pid, worker); /* if not, a death there is found by its silence alone */
    w->fds[FD_SIBLINGS].fd = w->around.watch;
}

/* From now on the others are ours to watch. Lower ones are dead: the leaders before us may not have come to say so. */
static int lead(struct worker *w, struct ganger_error *err)
{
    w->around.leader = w->comm->rank;
    w->around.beat_s = 0;
    for (uint32_t other = 1; other < w->comm->size; other++) {
        if (!comm_is_near(w->comm, other) || other == w->comm->rank)
            continue;
        if (other > w->comm->rank)
            watch(w, other);
        else if (bury(w, other, err) < 0)
            return -1;
    }
    return 0;
}

/* The lowest worker from there on. */
static int follow(struct worker *w, uint32_t first, struct ganger_error *err)
{
    while (!comm_is_near(w->comm, first))
        first++;
    if (first == w->comm->rank)
        return lead(w, err);
    w->around.leader = first;
    watch(w, first);
    return 0;
}

static int hear_of_the_dead(struct worker *w, struct ganger_error *err)
{
    uint32_t worker;

    while (process_watch_next(w->around.watch, &worker)) {
        bool is_leader = w->around.leader == w->comm->rank;

        if ((is_leader ? bury(w, worker, err) : follow(w, worker + 1, err)) < 0)
            return -1;
    }
    return 0;
}

/* ---- the lease ---- */

static double heard_s(const struct worker *w)
{
    return fmax(w->around.heard_s, comm_heard_s(w->comm));
}

/* Every worker asks when its leader does not: that may be stuck, or stopped. */
static double next_beat_s(const struct worker *w)
{
    const struct around *a = &w->around;

    if (a->leader == w->comm->rank)
        return a->beat_s;
    return fmax(a->beat_s, heard_s(w) + FENCE_DOUBT * a->fence_s);
}

static int beat(struct worker *w, double now_s, struct ganger_error *err)
{
    struct heartbeat heartbeat = {.clock_s = now_s};

    w->around.beat_s = now_s + FENCE_BEAT * w->around.fence_s;
    message_begin(&w->message, MESSAGE_HEARTBEAT, w->epoch, w->comm->rank);
    message_add_heartbeat(&w->message, &heartbeat);
    return comm_send(w->comm, MANAGER, w->message.bytes, w->message.n, err);
}

/* The manager answered some time between question and answer: whoever takes the middle errs by half of that at most.
 * The shortest one counts (D. L. Mills, "Internet time synchronization: the Network Time Protocol", IEEE Transactions
 * on Communications 39(10), 1991). Times are told of when a task has ended, so a better clock may come while it
 * runs. */
static int learn_clock(struct worker *w, const struct heartbeat *answer, struct ganger_error *err)
{
    struct around *a = &w->around;
    double now_s = clock_now_s(), round_trip_s = now_s - answer->clock_s;

    if (round_trip_s < a->round_trip_s) {
        a->round_trip_s = round_trip_s;
        w->origin_s = (answer->clock_s + now_s) / 2 - answer->manager_s;
    }
    if (a->round_trip_s <= CLOCK_ROUND_TRIP_S || a->n_asked >= CLOCK_QUESTIONS_MAX)
        return 0;
    a->n_asked++;
    return beat(w, now_s, err);
}

int around_hear_heartbeat(struct worker *w, struct cursor *c, struct ganger_error *err)
{
    struct heartbeat answer;

    if (message_next_heartbeat(c, &answer, err) < 0)
        return -1;
    w->around.heard_s = fmax(w->around.heard_s, answer.clock_s);
    comm_note_heard(w->comm, answer.clock_s);
    return learn_clock(w, &answer, err);
}

void around_forgive(struct worker *w)
{
    struct around *a = &w->around;

    a->heard_s = fmax(a->heard_s, clock_now_s() - FENCE_DOUBT * a->fence_s);
    a->beat_s = 0;
}

/* ---- for the loop ---- */

void around_open(struct worker *w, double fence_s, double round_trip_s)
{
    if (comm_is_near(w->comm, MANAGER))
        return;
    w->around.fence_s = fence_s;
    w->around.round_trip_s = round_trip_s;
    w->around.heard_s = clock_now_s();
    w->around.beat_s = w->around.heard_s + FENCE_BEAT * fence_s;
    follow(w, 1, NULL); /* nobody is known to be dead yet: nothing is said */
}

int around_ask(struct worker *w, struct ganger_error *err)
{
    return w->around.leader == 0 ? 0 : beat(w, clock_now_s(), err);
}

void around_close(struct worker *w)
{
    if (w->around.watch >= 0)
        close(w->around.watch);
}

double around_deadline_s(const struct worker *w)
{
    if (w->around.leader == 0)
        return INFINITY;
    return fmin(next_beat_s(w), heard_s(w) + w->around.fence_s);
}

/* Twice in a row: the first time it may be a stop of this process that is over and that it has not heard of yet. */
static bool is_lease_over(struct worker *w, double now_s)
{
    bool was_over = w->around.is_over;

    w->around.is_over = now_s - heard_s(w) > w->around.fence_s;
    return was_over && w->around.is_over;
}

int around_attend(struct worker *w, struct ganger_error *err)
{
    double now_s;

    if (w->around.leader == 0)
        return 0;
    if (w->fds[FD_SIBLINGS].revents != 0 && hear_of_the_dead(w, err) < 0)
        return -1;
    now_s = clock_now_s();
    if (is_lease_over(w, now_s))
        return error_set(err, ERROR_SYSTEM,
                         "worker %u has not heard from the manager for %g s: it ends its task and leaves, since the "
                         "task may be given to another worker (see --fence)",
                         w->comm->rank, w->around.fence_s);
    return next_beat_s(w) <= now_s ? beat(w, now_s, err) : 0;
}
