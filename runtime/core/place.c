#include "core/place.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u

/* When a core counts as used by others, by the share of time that tasks waited for it. */
#define DELAY_MATTERS 0.25f /* from here on another core is looked for … */
#define DELAY_BETTER 0.75f  /* … which must have at most this part of the share */
#define DELAY_KEPT 0.9375f  /* of what is known of a worker, with each of its tasks … */
#define DELAY_FADES 64.0f   /* … and half of it with so many tasks of others */

/* ---- sets of bits ---- */

static uint32_t n_words(uint32_t n_bits)
{
    return (n_bits + WORD_BITS - 1) / WORD_BITS;
}

static bool bit_is_in(const uint64_t *set, uint32_t bit)
{
    return set[bit / WORD_BITS] >> bit % WORD_BITS & 1;
}

static void bit_add(uint64_t *set, uint32_t bit)
{
    set[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

static void bit_remove(uint64_t *set, uint32_t bit)
{
    set[bit / WORD_BITS] &= ~(UINT64_C(1) << bit % WORD_BITS);
}

/* The lowest number in one set and not in the other. There must be one. */
static uint32_t lowest_without(const uint64_t *set, const uint64_t *other)
{
    uint32_t word = 0;

    while ((set[word] & ~other[word]) == 0)
        word++;
    return word * WORD_BITS + (uint32_t)__builtin_ctzll(set[word] & ~other[word]);
}

/* ---- lists of nodes ---- */

static void leave_list(struct place *p, uint32_t node)
{
    struct node *n = &p->nodes[node];

    if (n->previous != NO_NODE)
        p->nodes[n->previous].next = n->next;
    else
        p->nodes_by_free[n->free.n_slots] = n->next;
    if (n->next != NO_NODE)
        p->nodes[n->next].previous = n->previous;
}

static void enter_list(struct place *p, uint32_t node)
{
    struct node *n = &p->nodes[node];

    while (p->n_free_lists <= n->free.n_slots) {
        p->nodes_by_free = xgrow(p->nodes_by_free, p->n_free_lists, &p->free_lists_capacity,
                                 sizeof(*p->nodes_by_free));
        p->nodes_by_free[p->n_free_lists++] = NO_NODE;
    }
    n->previous = NO_NODE;
    n->next = p->nodes_by_free[n->free.n_slots];
    if (n->next != NO_NODE)
        p->nodes[n->next].previous = node;
    p->nodes_by_free[n->free.n_slots] = node;
}

/* ---- nodes and workers ---- */

void place_init(struct place *p, const struct graph *g)
{
    *p = (struct place){.n_parts = g->n_named};
    if (g->n_named > 0)
        p->parts = xcalloc(g->n_named, sizeof(*p->parts));
    for (uint32_t i = 0; i < g->n_named; i++)
        p->parts[i] = g->named[i].is_per_node ? g->named[i].n : ROOM_ANY_PART;
}

void place_release(struct place *p)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct node *n = &p->nodes[i];

        free(n->free.parts);
        free(n->worker_of_slot);
        free(n->slots_there);
        free(n->slots_used);
        free(n->gpus_used);
    }
    for (size_t i = 0; i < p->n_workers_known; i++) {
        free(p->workers[i].slots);
        free(p->workers[i].gpus);
    }
    free(p->parts);
    free(p->nodes);
    free(p->nodes_by_free);
    free(p->workers);
}

static void append_node(struct place *p)
{
    struct node n = {.end_s = INFINITY, .memory_bytes = ROOM_ANY_MEMORY, .free.memory_bytes = ROOM_ANY_MEMORY};

    if (p->n_parts > 0)
        n.free.parts = memcpy(xmalloc(p->n_parts * sizeof(*p->parts)), p->parts, p->n_parts * sizeof(*p->parts));
    p->nodes = xgrow(p->nodes, p->n_nodes, &p->nodes_capacity, sizeof(*p->nodes));
    p->nodes[p->n_nodes] = n;
    enter_list(p, (uint32_t)p->n_nodes++);
}

void place_add_node(struct place *p, uint32_t node, uint64_t memory_bytes, uint32_t n_gpus)
{
    struct node *n;

    while (p->n_nodes <= node)
        append_node(p);
    n = &p->nodes[node];
    assert(n->n_slots == 0);
    n->memory_bytes = n->free.memory_bytes = memory_bytes > 0 ? memory_bytes : ROOM_ANY_MEMORY;
    n->n_gpus = n->free.n_gpus = n_gpus;
    free(n->gpus_used);
    n->gpus_used = xcalloc(n_words(n_gpus), sizeof(*n->gpus_used));
}

static uint64_t *grow_set(uint64_t *set, uint32_t n_bits_before, uint32_t n_bits)
{
    uint32_t n_before = n_words(n_bits_before), n = n_words(n_bits);

    set = xrealloc(set, n * sizeof(*set));
    memset(set + n_before, 0, (n - n_before) * sizeof(*set));
    return set;
}

static void add_slots(struct node *n, uint32_t n_slots)
{
    if (n_slots <= n->n_slots)
        return;
    n->slots_there = grow_set(n->slots_there, n->n_slots, n_slots);
    n->slots_used = grow_set(n->slots_used, n->n_slots, n_slots);
    while (n->n_slots < n_slots) {
        n->worker_of_slot = xgrow(n->worker_of_slot, n->n_slots, &n->slots_capacity,
                                  sizeof(*n->worker_of_slot));
        n->worker_of_slot[n->n_slots++] = 0;
    }
}

static void add_workers(struct place *p, size_t n)
{
    if (n <= p->n_workers_known)
        return;
    p->workers = xrealloc(p->workers, n * sizeof(*p->workers));
    while (p->n_workers_known < n)
        p->workers[p->n_workers_known++] =
            (struct worker){.node = NO_NODE, .task = TASK_NONE, .advance = TASK_NONE};
}

/* One slot more or less is free. */
static void count_free_slot(struct place *p, uint32_t node, int change)
{
    leave_list(p, node);
    p->nodes[node].free.n_slots += (uint32_t)change;
    enter_list(p, node);
    p->n_free_slots += (uint32_t)change;
}

bool place_has_slot(const struct place *p, uint32_t node, uint16_t slot)
{
    return node < p->n_nodes && slot < p->nodes[node].n_slots && bit_is_in(p->nodes[node].slots_there, slot);
}

void place_add_worker(struct place *p, uint32_t worker, uint32_t node, uint16_t slot)
{
    struct node *n;

    if (node >= p->n_nodes)
        place_add_node(p, node, 0, 0);
    n = &p->nodes[node];
    add_workers(p, worker + (size_t)1);
    assert(p->workers[worker].node == NO_NODE);
    add_slots(n, slot + 1u);
    assert(!bit_is_in(n->slots_there, slot));
    n->worker_of_slot[slot] = worker;
    n->n_workers++;
    p->n_workers++;
    bit_add(n->slots_there, slot);
    if (!bit_is_in(n->slots_used, slot)) /* it may be held yet by a task that outlived its first worker */
        count_free_slot(p, node, 1);
    p->workers[worker].node = node;
    p->workers[worker].slot = slot;
    p->n_releases++;
}

void place_remove_worker(struct place *p, uint32_t worker)
{
    struct worker *w = &p->workers[worker];
    struct node *n = &p->nodes[w->node];

    assert(w->task == TASK_NONE && w->advance == TASK_NONE);
    if (!bit_is_in(n->slots_used, w->slot))
        count_free_slot(p, w->node, -1);
    bit_remove(n->slots_there, w->slot);
    n->worker_of_slot[w->slot] = 0;
    n->n_workers--;
    p->n_workers--;
    w->node = NO_NODE;
}

struct room place_whole(const struct place *p, uint32_t node)
{
    const struct node *n = &p->nodes[node];

    return (struct room){n->n_workers, n->n_gpus, n->memory_bytes, p->parts};
}

/* ---- slots ---- */

static bool slot_is_free(const struct node *n, uint32_t slot)
{
    return slot < n->n_slots && bit_is_in(n->slots_there, slot) && !bit_is_in(n->slots_used, slot);
}

/* The first slot of the shortest run of free slots that is long enough, so that long runs are kept
 * for wide tasks; n_slots when there is none. */
static uint32_t find_run(const struct node *n, uint32_t n_wanted)
{
    uint32_t best = n->n_slots, best_length = UINT32_MAX;

    for (uint32_t i = 0; i < n->n_slots;) {
        uint32_t first = i;

        while (slot_is_free(n, i))
            i++;
        if (i - first >= n_wanted && i - first < best_length) {
            best = first;
            best_length = i - first;
        }
        while (i < n->n_slots && !slot_is_free(n, i))
            i++;
    }
    return best;
}

/* Adjacent ones if there are, else the lowest. */
static uint16_t *choose_slots(const struct node *n, uint32_t n_wanted)
{
    uint16_t *slots = xcalloc(n_wanted, sizeof(*slots));
    uint32_t slot = find_run(n, n_wanted);

    if (slot == n->n_slots)
        slot = 0;
    for (uint32_t i = 0; i < n_wanted; slot++)
        if (slot_is_free(n, slot))
            slots[i++] = (uint16_t)slot;
    return slots;
}

static uint16_t *choose_gpus(const struct node *n, uint32_t n_wanted)
{
    uint16_t *gpus = xcalloc(n_wanted, sizeof(*gpus));

    for (uint32_t i = 0, gpu = 0; i < n_wanted; gpu++)
        if (!bit_is_in(n->gpus_used, gpu))
            gpus[i++] = (uint16_t)gpu;
    return gpus;
}

/* What is left of what was known, after so many tasks of others: without a clock a calm core is tried
 * again. */
static float faded(const struct place *p, const struct worker *w)
{
    return exp2f(-(float)(p->n_releases - w->noted_at) / DELAY_FADES);
}

static float delay_share(const struct place *p, uint32_t worker)
{
    const struct worker *w = &p->workers[worker];

    return w->delay_s > 0 ? w->delay_s / w->run_s * faded(p, w) : 0;
}

/* `slot`, or a free one of the node whose core is used less by others. */
static uint16_t find_calmer_slot(const struct place *p, const struct node *n, uint16_t slot)
{
    float least = delay_share(p, n->worker_of_slot[slot]);
    uint16_t best = slot;

    if (least < DELAY_MATTERS)
        return slot;
    least *= DELAY_BETTER;
    for (uint32_t i = 0; i < n->n_slots; i++) {
        float share = slot_is_free(n, i) ? delay_share(p, n->worker_of_slot[i]) : 1;

        if (share < least) {
            least = share;
            best = (uint16_t)i;
        }
    }
    return best;
}

static uint16_t choose_slot(const struct place *p, uint32_t node, uint32_t near)
{
    const struct node *n = &p->nodes[node];
    uint16_t slot;

    if (near != 0 && p->workers[near].node == node && slot_is_free(n, p->workers[near].slot))
        slot = p->workers[near].slot;
    else
        slot = (uint16_t)lowest_without(n->slots_there, n->slots_used);
    return find_calmer_slot(p, n, slot);
}

void place_note_delay(struct place *p, uint32_t worker, double delay_s, double run_s)
{
    struct worker *w = &p->workers[worker];
    float kept;

    if (delay_s <= 0 && w->delay_s <= 0)
        return; /* nothing to remember, as nearly always */
    kept = DELAY_KEPT * faded(p, w);
    w->delay_s = kept * w->delay_s + (float)delay_s;
    w->run_s = kept * w->run_s + (float)run_s;
    w->noted_at = p->n_releases;
}

/* ---- taking and giving ---- */

uint32_t place_take(struct place *p, uint32_t node, const struct task_resources *wanted, uint32_t near,
                    task_id task, double now_s)
{
    struct node *n = &p->nodes[node];
    uint16_t *slots = wanted->cores > 1 ? choose_slots(n, wanted->cores) : NULL;
    uint16_t first_slot = slots ? slots[0] : choose_slot(p, node, near);
    uint32_t worker = n->worker_of_slot[first_slot];
    struct worker *w = &p->workers[worker];

    assert(w->task == TASK_NONE && room_holds(&n->free, wanted));
    w->task = task;
    w->since_s = now_s;
    w->first_slot = first_slot;
    w->n_slots = wanted->cores;
    w->slots = slots;
    w->n_gpus = wanted->gpus;
    w->gpus = wanted->gpus > 0 ? choose_gpus(n, wanted->gpus) : NULL;
    leave_list(p, node);
    room_take(&n->free, wanted);
    enter_list(p, node);
    p->n_free_slots -= wanted->cores;
    for (uint32_t i = 0; i < w->n_slots; i++)
        bit_add(n->slots_used, slots ? slots[i] : first_slot);
    for (uint32_t i = 0; i < w->n_gpus; i++)
        bit_add(n->gpus_used, w->gpus[i]);
    return worker;
}

static void free_lists(struct worker *w)
{
    free(w->slots);
    free(w->gpus);
    w->slots = w->gpus = NULL;
}

uint32_t place_give(struct place *p, uint32_t worker, const struct task_resources *held)
{
    struct worker *w = &p->workers[worker];
    struct node *n = &p->nodes[w->node];
    const uint16_t *slots = place_slots_of(p, worker);
    uint32_t n_there = 0;

    for (uint32_t i = 0; i < w->n_slots; i++) {
        bit_remove(n->slots_used, slots[i]);
        n_there += bit_is_in(n->slots_there, slots[i]); /* else its worker was lost meanwhile */
    }
    for (uint32_t i = 0; i < w->n_gpus; i++)
        bit_remove(n->gpus_used, w->gpus[i]);
    leave_list(p, w->node);
    room_give(&n->free, held, n_there);
    enter_list(p, w->node);
    p->n_free_slots += n_there;
    p->n_releases++;
    w->task = TASK_NONE;
    if (w->slots != NULL || w->gpus != NULL)
        free_lists(w);
    w->n_slots = w->n_gpus = 0;
    return w->node;
}

const uint16_t *place_slots_of(const struct place *p, uint32_t worker)
{
    const struct worker *w = &p->workers[worker];

    return w->slots != NULL ? w->slots : &w->first_slot;
}
