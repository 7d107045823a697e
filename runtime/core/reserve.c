#include "core/reserve.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reservation
{
    const struct ready_line *line;
    double start_s;   /* when its head can start; INFINITY: nobody knows */
    struct room over; /* what will be over then; owns its parts */
    bool is_stale;
};

struct ending
{
    double end_s;
    uint32_t worker;
};

static const struct task_resources *wanted_by(const struct reserve *r, task_id task)
{
    return &r->graph->resources[r->graph->tasks[task].resource_class];
}

/* When a worker will have ended what it has. Who has taken longer than expected may end any moment. */
static double end_of(const struct reserve *r, const struct worker *w)
{
    double end_s = w->since_s + estimate_run_s(r->estimate, w->task);

    if (w->advance != TASK_NONE)
        end_s = fmax(end_s, r->now_s) + estimate_run_s(r->estimate, w->advance);
    return isnan(end_s) ? (double)INFINITY : fmax(end_s, r->now_s);
}

static int compare_endings(const void *a, const void *b)
{
    const struct ending *left = a, *right = b;

    if (left->end_s != right->end_s)
        return left->end_s < right->end_s ? -1 : 1;
    return left->worker < right->worker ? -1 : 1;
}

/* What runs on a node, in the order in which it will end; the caller frees it. */
static struct ending *list_endings(const struct reserve *r, uint32_t node, uint32_t *n)
{
    const struct node *of = &r->place->nodes[node];
    struct ending *endings = xcalloc(of->n_workers + (size_t)1, sizeof(*endings));

    *n = 0;
    for (uint32_t slot = 0; slot < of->n_slots; slot++) {
        uint32_t worker = of->worker_of_slot[slot];

        if (worker != 0 && r->place->workers[worker].task != TASK_NONE)
            endings[(*n)++] = (struct ending){end_of(r, &r->place->workers[worker]), worker};
    }
    qsort(endings, *n, sizeof(*endings), compare_endings);
    return endings;
}

/* When a node will have room for a task; INFINITY: never, or nobody knows. `over` has room for the parts,
 * and becomes what will be over then. */
static double find_start_s(const struct reserve *r, uint32_t node, task_id task, struct room *over)
{
    const struct task_resources *wanted = wanted_by(r, task);
    uint32_t *parts = over->parts;
    double start_s = r->now_s;
    uint32_t n;
    struct ending *endings = list_endings(r, node, &n);

    *over = r->place->nodes[node].free;
    if (parts != NULL)
        over->parts = memcpy(parts, over->parts, r->place->n_parts * sizeof(*parts));
    for (uint32_t i = 0; i < n && !room_holds(over, wanted); i++) {
        const struct worker *w = &r->place->workers[endings[i].worker];

        room_give(over, wanted_by(r, w->task), w->n_slots);
        start_s = endings[i].end_s;
    }
    free(endings);
    if (room_holds(over, wanted))
        room_take(over, wanted);
    else
        over->n_slots = 0;
    return start_s;
}

static struct room new_room(const struct reserve *r)
{
    struct room room = {0};

    if (r->place->n_parts > 0)
        room.parts = xcalloc(r->place->n_parts, sizeof(*room.parts));
    return room;
}

uint32_t reserve_soonest(struct reserve *r, const struct ready_line *line)
{
    task_id task = line->head.task;
    struct room over = new_room(r);
    double soonest_s = INFINITY;
    uint32_t best = NO_NODE;

    for (uint32_t node = 0; node < r->place->n_nodes; node++) {
        struct room whole = place_whole(r->place, node);
        double start_s;

        if (r->place->nodes[node].reservation != NULL || !room_holds(&whole, wanted_by(r, task)))
            continue;
        start_s = find_start_s(r, node, task, &over);
        if (best == NO_NODE || start_s < soonest_s) {
            best = node;
            soonest_s = start_s;
        }
    }
    if (best != NO_NODE) {
        struct reservation *made = xcalloc(1, sizeof(*made));

        *made = (struct reservation){.line = line, .over = over, .is_stale = true};
        r->place->nodes[best].reservation = made;
    } else {
        free(over.parts);
    }
    return best;
}

const struct ready_line *reserve_owner(const struct reserve *r, uint32_t node)
{
    const struct reservation *reservation = r->place->nodes[node].reservation;

    return reservation != NULL ? reservation->line : NULL;
}

void reserve_release(struct reserve *r, uint32_t node)
{
    struct reservation *reservation = r->place->nodes[node].reservation;

    free(reservation->over.parts);
    free(reservation);
    r->place->nodes[node].reservation = NULL;
}

void reserve_note_change(struct reserve *r, uint32_t node)
{
    r->place->nodes[node].reservation->is_stale = true;
}

bool reserve_makes_way(struct reserve *r, uint32_t node, const struct ready_line *line)
{
    struct reservation *reservation = r->place->nodes[node].reservation;

    if (reservation->line == line || ready_is_before(&line->head, &reservation->line->head))
        return true;
    if (reservation->is_stale) {
        reservation->start_s = find_start_s(r, node, reservation->line->head.task, &reservation->over);
        reservation->is_stale = false;
    }
    if (!isinf(reservation->start_s) &&
        r->now_s + estimate_run_s(r->estimate, line->head.task) <= reservation->start_s)
        return true;
    return room_holds(&reservation->over, wanted_by(r, line->head.task));
}
