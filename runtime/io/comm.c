#include "io/comm.h"

#include "base/clock.h"

#include <math.h>
#include <stdatomic.h>

#define LOOKS 8         /* of a spinning rank, for each look at the clock */
#define DISPLACED_S 0.0002 /* a spin that took so much longer than it should: others had the core meanwhile */
#define CALM_TIMES 10   /* it is left to them for so many times as long as they had it … */
#define CALM_S 0.1      /* … but no longer than that */
#define CALM_FIRST_S 0.0005 /* after a spin in vain; twice as long after each further one, up to CALM_S */

bool comm_is_near(const struct comm *c, uint32_t rank)
{
    return c->nodes[rank] == c->nodes[c->rank];
}

bool comm_is_one_node(const struct comm *c)
{
    for (uint32_t rank = 0; rank < c->size; rank++)
        if (!comm_is_near(c, rank))
            return false;
    return true;
}

uint32_t comm_slot(const struct comm *c, uint32_t rank)
{
    uint32_t slot = 0;

    for (uint32_t other = 1; other < rank; other++)
        slot += c->nodes[other] == c->nodes[rank];
    return slot;
}

_Atomic uint64_t *comm_node_counter(struct comm *c)
{
    return c->node_counter;
}

void comm_publish_group(struct comm *c, pid_t group)
{
    if (c->groups != NULL)
        atomic_store_explicit(&c->groups[c->node_places[c->rank]], group, memory_order_release);
}

static int32_t published(const struct comm *c, uint32_t rank)
{
    if (c->groups == NULL || !comm_is_near(c, rank))
        return 0;
    return atomic_load_explicit(&c->groups[c->node_places[rank]], memory_order_acquire);
}

pid_t comm_pid_of(const struct comm *c, uint32_t rank)
{
    if (c->pids == NULL || !comm_is_near(c, rank))
        return 0;
    return atomic_load(&c->pids[c->node_places[rank]]);
}

void comm_note_heard(struct comm *c, double sent_s)
{
    uint64_t sent_us = sent_s > 0 ? (uint64_t)(sent_s * 1e6) : 0, known_us;

    if (c->heard_us == NULL)
        return;
    known_us = atomic_load(c->heard_us);
    while (known_us < sent_us && !atomic_compare_exchange_weak(c->heard_us, &known_us, sent_us))
        ;
}

double comm_heard_s(const struct comm *c)
{
    return c->heard_us == NULL ? 0 : 1e-6 * (double)atomic_load(c->heard_us);
}

pid_t comm_group_of(const struct comm *c, uint32_t rank)
{
    int32_t group = published(c, rank);

    return group > 0 ? group : 0;
}

/* Tasks stand there as negative numbers, which no process group has. */
void comm_publish_call(struct comm *c, uint32_t task)
{
    comm_publish_group(c, task == UINT32_MAX ? 0 : -(pid_t)task - 1);
}

uint32_t comm_call_of(const struct comm *c, uint32_t rank)
{
    int32_t call = published(c, rank);

    return call < 0 ? (uint32_t)(-(call + 1)) : UINT32_MAX;
}

bool comm_spin(struct comm *c, comm_look *is_there, double deadline_s)
{
    double now_s = clock_now_s(), until_s = fmin(now_s + c->spin_s, deadline_s), before_s;
    bool found = false;

    if (c->spin_s <= 0 || now_s < c->calm_until_s || deadline_s <= now_s)
        return false;
    do {
        for (int i = 0; !found && i < LOOKS; i++)
            found = is_there(c);
        before_s = now_s;
        now_s = clock_now_s();
        if (now_s - before_s > DISPLACED_S)
            c->calm_until_s = now_s + fmin(CALM_TIMES * (now_s - before_s), CALM_S);
    } while (!found && now_s < until_s);
    c->vain_calm_s = found ? CALM_FIRST_S : fmin(fmax(2 * c->vain_calm_s, CALM_FIRST_S), CALM_S);
    if (!found)
        c->calm_until_s = fmax(c->calm_until_s, now_s + c->vain_calm_s);
    return found;
}
