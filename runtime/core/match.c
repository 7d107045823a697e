#include "core/match.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define NOT_ASIDE UINT32_MAX

/* When what is overtaken reserves what it lacks. */
#define PASSED_BY_PER_WORKER 4
#define PASSED_FOR_S 60.0

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ---- what is asked for ---- */

static const struct task_resources *needs_of_line(const struct match *m, uint32_t line)
{
    return &m->graph->resources[ready_class_of(&m->ready, line)];
}

static struct ready_line *line_at(struct match *m, uint32_t line)
{
    return &m->ready.lines[line];
}

/* How many lines of a family, from the first, fit what is free on a node. */
static uint32_t n_fitting(const struct match *m, uint32_t family, uint32_t node)
{
    const struct task_resources *needs = m->families[family].needs;
    const struct room *free_room = &m->place.nodes[node].free;
    uint32_t first;

    if (needs != NULL)
        return room_holds_but_for_memory(free_room, needs)
                   ? ready_n_lines_within(&m->ready, family, free_room->memory_bytes)
                   : 0;
    first = m->ready.families[family].first_line;
    return m->ready.lines[first].n > 0 && room_holds(free_room, needs_of_line(m, first));
}

/* ---- what is set aside ---- */

/* The lines of a family that may fit somewhere are open; so many fit where something was freed. */
static void open_lines_with(struct match *m, uint32_t family, uint32_t n_there)
{
    const struct match_family *f = &m->families[family];
    uint32_t n_open = larger(f->n_elsewhere, smaller(n_there, f->n_there));

    ready_open(&m->ready, family, f->budget == NO_BUDGET ? n_open : 0);
}

static void open_lines(struct match *m, uint32_t family)
{
    uint32_t node = m->families[family].freed_node;

    open_lines_with(m, family, node != NO_NODE ? n_fitting(m, family, node) : 0);
}

static void stop_waiting(struct match *m, uint32_t family)
{
    struct match_family *f = &m->families[family];
    struct budget *budget = &m->budgets.each[f->budget];
    uint32_t last = budget->waiting[--budget->n_waiting];

    budget->waiting[f->waiting_at] = last;
    m->families[last].waiting_at = f->waiting_at;
    f->budget = NO_BUDGET;
}

/* Forgets what was tried in vain. */
static void try_anew(struct match *m, uint32_t family)
{
    struct match_family *f = &m->families[family];

    if (f->budget != NO_BUDGET)
        stop_waiting(m, family);
    f->n_elsewhere = m->ready.families[family].n_lines;
    f->freed_node = NO_NODE;
    open_lines(m, family);
}

static void leave_aside(struct match *m, uint32_t family)
{
    uint32_t last = m->aside[--m->n_aside];

    m->aside[m->families[family].aside_at] = last;
    m->families[last].aside_at = m->families[family].aside_at;
    m->families[family].aside_at = NOT_ASIDE;
    try_anew(m, family);
}

static void note_freed_for(struct match *m, uint32_t family, uint32_t node)
{
    struct match_family *f = &m->families[family];
    uint32_t n_there = n_fitting(m, family, node);

    if (f->freed_node != node) {
        if (n_there <= f->n_elsewhere)
            return; /* they are open anyway */
        if (f->freed_node != NO_NODE)
            f->n_elsewhere = larger(f->n_elsewhere, smaller(n_fitting(m, family, f->freed_node), f->n_there));
    }
    f->freed_node = node;
    f->n_there = UINT32_MAX;
    open_lines_with(m, family, n_there);
}

static void note_change(struct match *m, uint32_t node)
{
    if (m->place.nodes[node].reservation != NULL)
        reserve_note_change(&m->reserve, node);
}

/* There is more room on a node. */
static void note_freed(struct match *m, uint32_t node)
{
    note_change(m, node);
    for (uint32_t i = m->n_aside; i-- > 0;) {
        uint32_t family = m->aside[i];

        if (ready_best_of_family(&m->ready, family) == NO_LINE)
            leave_aside(m, family);
        else
            note_freed_for(m, family, node);
    }
}

/* There is more of a budget. */
static void wake_waiting(struct match *m, uint32_t budget)
{
    struct budget *b = &m->budgets.each[budget];

    for (size_t i = b->n_waiting; i-- > 0;) {
        uint32_t family = b->waiting[i], line = ready_best_of_family(&m->ready, family);

        if (line != NO_LINE && budgets_find_lacking(&m->budgets, needs_of_line(m, line), line_at(m, line)) == budget)
            continue;
        stop_waiting(m, family);
        open_lines(m, family);
    }
}

/* ---- being overtaken ---- */

static bool is_still_passed(const struct match *m, const struct match_family *f)
{
    return f->passed_line != NO_LINE && m->ready.lines[f->passed_line].head.task == f->passed_task;
}

/* The head of a line was tried in vain: from now on it is counted who overtakes it. */
static void note_vain(struct match *m, uint32_t line)
{
    struct match_family *f = &m->families[line_at(m, line)->family];
    const struct ready_task *head = &line_at(m, line)->head;

    if (is_still_passed(m, f) && !ready_is_before(head, &line_at(m, f->passed_line)->head))
        return;
    f->passed_line = line;
    f->passed_task = head->task;
    f->n_passed = 0;
    f->passed_s = m->reserve.now_s;
}

static void reserve_for(struct match *m, struct match_family *f)
{
    const struct ready_line *line = line_at(m, f->passed_line);

    if (f->reserved_line != NO_LINE && f->reserved_line != f->passed_line)
        return; /* one of a family at a time */
    if (f->budget != NO_BUDGET && f->reserved_budget == NO_BUDGET &&
        m->budgets.each[f->budget].reserved_for == NULL) {
        struct budget *budget = &m->budgets.each[f->budget];

        f->reserved_budget = f->budget;
        budget->reserved_for = line;
        budget->n_reserved = budgets_need(&m->budgets, needs_of_line(m, f->passed_line), f->budget);
    } else if (f->budget == NO_BUDGET && f->reserved_node == NO_NODE) {
        f->reserved_node = reserve_soonest(&m->reserve, line);
    }
    if (f->reserved_node != NO_NODE || f->reserved_budget != NO_BUDGET) {
        m->n_reservations += f->reserved_line == NO_LINE;
        f->reserved_line = f->passed_line;
    }
}

static void count_passing(struct match *m, uint32_t family, const struct ready_task *started)
{
    struct match_family *f = &m->families[family];

    if (!is_still_passed(m, f) || !ready_is_before(&line_at(m, f->passed_line)->head, started))
        return;
    f->n_passed++;
    if (f->n_passed < PASSED_BY_PER_WORKER * m->place.n_workers && m->reserve.now_s - f->passed_s < PASSED_FOR_S)
        return;
    reserve_for(m, f);
    f->n_passed = 0; /* if there was nothing to reserve, it is looked for again after as many */
    f->passed_s = m->reserve.now_s;
}

/* A task starts: who waits for some of what it takes, and comes before it, is overtaken. */
static void count_all_passing(struct match *m, const struct ready_task *started, const struct task_resources *taken)
{
    for (uint32_t i = 0; i < m->n_aside; i++)
        if (m->families[m->aside[i]].budget == NO_BUDGET)
            count_passing(m, m->aside[i], started);
    for (uint32_t i = 0; i < budget_n_parts(taken); i++) {
        struct budget_part part = budget_part(&m->budgets, taken, i);
        const struct budget *budget = &m->budgets.each[part.budget];

        for (size_t k = 0; part.n > 0 && k < budget->n_waiting; k++)
            count_passing(m, budget->waiting[k], started);
    }
}

static void drop_reservations(struct match *m, uint32_t family)
{
    struct match_family *f = &m->families[family];
    uint32_t node = f->reserved_node, budget = f->reserved_budget;

    f->reserved_line = NO_LINE;
    f->reserved_node = NO_NODE;
    f->reserved_budget = NO_BUDGET;
    m->n_reservations--;
    if (node != NO_NODE) {
        reserve_release(&m->reserve, node);
        note_freed(m, node);
    }
    if (budget != NO_BUDGET) {
        m->budgets.each[budget].reserved_for = NULL;
        wake_waiting(m, budget);
    }
}

/* ---- lines ---- */

/* The head of a line is another than before. That of a strict queue may ask for something else, and a better head
 * is not bound by all reservations that bound the one before. */
static void note_head(struct match *m, uint32_t line)
{
    uint32_t family = line_at(m, line)->family;
    bool is_strict = line_at(m, line)->is_strict;

    if (is_strict && m->families[family].reserved_line == line)
        drop_reservations(m, family);
    if (is_strict || m->n_reservations > 0)
        try_anew(m, family);
}

void match_push(struct match *m, task_id task)
{
    if (ready_push(&m->ready, task))
        note_head(m, m->ready.line_of_class[m->graph->tasks[task].resource_class]);
}

static task_id pop(struct match *m, uint32_t line)
{
    task_id task = ready_pop(&m->ready, line);
    uint32_t family = line_at(m, line)->family;

    if (m->families[family].reserved_line == line)
        drop_reservations(m, family);
    if (line_at(m, line)->is_strict)
        note_head(m, line);
    return task;
}

/* ---- placing ---- */

static bool has_time(const struct match *m, double end_s, task_id task)
{
    return !m->has_ends || m->reserve.now_s + estimate_need_s(m->reserve.estimate, task) < end_s;
}

static bool may_enter(struct match *m, uint32_t node, uint32_t line, const struct task_resources *needs)
{
    return has_time(m, m->place.nodes[node].end_s, line_at(m, line)->head.task) &&
           room_holds(&m->place.nodes[node].free, needs) && reserve_admits(&m->reserve, node, line_at(m, line));
}

static uint32_t choose_node(struct match *m, uint32_t line, const struct task_resources *needs, uint32_t near)
{
    const struct match_family *f = &m->families[line_at(m, line)->family];
    uint32_t at = line - m->ready.families[line_at(m, line)->family].first_line;
    uint32_t near_node = near != 0 ? m->place.workers[near].node : NO_NODE;

    if (near_node != NO_NODE && may_enter(m, near_node, line, needs))
        return near_node;
    if (at >= f->n_elsewhere)
        return may_enter(m, f->freed_node, line, needs) ? f->freed_node : NO_NODE;
    for (size_t n_free = needs->cores; n_free < m->place.n_free_lists; n_free++)
        for (uint32_t node = m->place.nodes_by_free[n_free]; node != NO_NODE; node = m->place.nodes[node].next)
            if (may_enter(m, node, line, needs))
                return node;
    return NO_NODE;
}

/* How many lines of a family fit some node, of those that ask for less memory than the one at `at`: that one does
 * not, or where it does the node is reserved. */
static uint32_t count_fitting_before(const struct match *m, uint32_t family, uint32_t at)
{
    uint32_t cores = needs_of_line(m, m->ready.families[family].first_line)->cores, most = 0;

    for (size_t n_free = cores; n_free < m->place.n_free_lists; n_free++)
        for (uint32_t node = m->place.nodes_by_free[n_free]; node != NO_NODE; node = m->place.nodes[node].next)
            most = larger(most, n_fitting(m, family, node));
    return smaller(most, at);
}

/* No node takes the head of a line. */
static void set_aside(struct match *m, uint32_t line)
{
    uint32_t family = line_at(m, line)->family, at = line - m->ready.families[family].first_line;
    struct match_family *f = &m->families[family];

    note_vain(m, line);
    if (at < f->n_elsewhere) {
        f->n_elsewhere = count_fitting_before(m, family, at);
        f->freed_node = NO_NODE;
    } else {
        f->n_there = at;
    }
    if (f->aside_at == NOT_ASIDE) {
        f->aside_at = m->n_aside;
        m->aside[m->n_aside++] = family;
    }
    open_lines(m, family);
}

static void wait_for_budget(struct match *m, uint32_t line, uint32_t lacking)
{
    uint32_t family = line_at(m, line)->family;
    struct match_family *f = &m->families[family];
    struct budget *budget = &m->budgets.each[lacking];

    note_vain(m, line);
    f->budget = lacking;
    f->waiting_at = (uint32_t)budget->n_waiting;
    budget->waiting = xgrow(budget->waiting, budget->n_waiting, &budget->capacity, sizeof(*budget->waiting));
    budget->waiting[budget->n_waiting++] = family;
    open_lines(m, family);
}

static uint32_t start(struct match *m, uint32_t line, const struct task_resources *needs, uint32_t node,
                      uint32_t near)
{
    struct ready_task head = line_at(m, line)->head;
    uint32_t worker = place_take(&m->place, node, needs, near, head.task, m->reserve.now_s);

    budgets_take(&m->budgets, needs);
    note_change(m, node);
    pop(m, line);
    count_all_passing(m, &head, needs);
    m->behind = line_at(m, line)->head.task;
    return worker;
}

uint32_t match_try(struct match *m, uint32_t near)
{
    uint32_t line = ready_best(&m->ready), lacking, node;
    const struct task_resources *needs = needs_of_line(m, line);

    if (m->families[line_at(m, line)->family].freed_node != NO_NODE) /* what was freed may be taken again */
        open_lines(m, line_at(m, line)->family);
    if (ready_best(&m->ready) != line)
        return 0;
    lacking = budgets_find_lacking(&m->budgets, needs, line_at(m, line));
    if (lacking != NO_BUDGET) {
        wait_for_budget(m, line, lacking);
        return 0;
    }
    node = choose_node(m, line, needs, near);
    if (node != NO_NODE)
        return start(m, line, needs, node, near);
    set_aside(m, line);
    return 0;
}

bool match_has_room(struct match *m, uint32_t class)
{
    const struct task_resources *needs = &m->graph->resources[class];
    const struct ready_line *line = line_at(m, m->ready.line_of_class[class]);

    if (budgets_find_lacking(&m->budgets, needs, line) != NO_BUDGET)
        return false;
    for (size_t n_free = needs->cores; n_free < m->place.n_free_lists; n_free++)
        for (uint32_t node = m->place.nodes_by_free[n_free]; node != NO_NODE; node = m->place.nodes[node].next)
            if (m->place.nodes[node].reservation == NULL && room_holds(&m->place.nodes[node].free, needs))
                return true;
    return false;
}

/* ---- successors ---- */

static bool has_better(const struct match *m, uint32_t family, const struct ready_task *than)
{
    uint32_t line = ready_best_of_family(&m->ready, family);

    return line != NO_LINE && ready_is_before(&m->ready.lines[line].head, than);
}

/* Does somebody who comes before wait for what a class takes? */
static bool is_waited_for(const struct match *m, const struct task_resources *r, const struct ready_task *by)
{
    for (uint32_t i = 0; i < m->n_aside; i++)
        if (has_better(m, m->aside[i], by))
            return true;
    for (uint32_t i = 0; i < budget_n_parts(r); i++) {
        struct budget_part part = budget_part(&m->budgets, r, i);
        const struct budget *budget = &m->budgets.each[part.budget];

        for (size_t k = 0; part.n > 0 && k < budget->n_waiting; k++)
            if (has_better(m, budget->waiting[k], by))
                return true;
    }
    return false;
}

task_id match_successor(const struct match *m, uint32_t worker)
{
    uint32_t class = m->graph->tasks[m->place.workers[worker].task].resource_class;
    uint32_t at = m->ready.line_of_class[class], best = ready_best(&m->ready);
    const struct ready_line *line = &m->ready.lines[at];

    if (line->n == 0 || ready_class_of(&m->ready, at) != class)
        return TASK_NONE;
    if (!has_time(m, m->place.nodes[m->place.workers[worker].node].end_s, line->head.task))
        return TASK_NONE;
    if (best != NO_LINE && best != at && ready_is_before(&m->ready.lines[best].head, &line->head))
        return TASK_NONE;
    return is_waited_for(m, &m->graph->resources[class], &line->head) ? TASK_NONE : line->head.task;
}

void match_take_successor(struct match *m, task_id task)
{
    task_id taken = pop(m, m->ready.line_of_class[m->graph->tasks[task].resource_class]);

    assert(taken == task);
    (void)taken;
}

/* ---- ends ---- */

static double last_end_s(const struct match *m)
{
    double last_s = m->place.n_nodes > 0 ? m->place.nodes[0].end_s : (double)INFINITY;

    for (uint32_t node = 1; node < m->place.n_nodes; node++)
        last_s = last_s > m->place.nodes[node].end_s ? last_s : m->place.nodes[node].end_s;
    return last_s;
}

void match_set_end(struct match *m, uint32_t node, double end_s)
{
    bool is_later = end_s > m->place.nodes[node].end_s;

    m->place.nodes[node].end_s = end_s;
    m->has_ends |= !isinf(end_s);
    m->last_end_s = last_end_s(m);
    if (is_later)
        match_recall_put_off(m);
}

bool match_put_off(struct match *m)
{
    uint32_t line = ready_best(&m->ready);
    struct match_family *f = &m->families[line_at(m, line)->family];

    if (!f->is_put_off && has_time(m, m->last_end_s, line_at(m, line)->head.task))
        return false;
    f->is_put_off = line_at(m, line)->is_strict;
    m->put_off = xgrow(m->put_off, m->n_put_off, &m->put_off_capacity, sizeof(*m->put_off));
    m->put_off[m->n_put_off++] = pop(m, line);
    return true;
}

void match_recall_put_off(struct match *m)
{
    size_t n = m->n_put_off;

    m->n_put_off = 0;
    for (uint32_t family = 0; family < m->ready.n_families; family++) {
        m->families[family].is_put_off = false;
        try_anew(m, family); /* nodes that had no time may have some */
    }
    for (size_t i = 0; i < n; i++)
        match_push(m, m->put_off[i]);
}

/* ---- what could be held at all ---- */

static bool could_hold(const struct match *m, uint32_t node, uint32_t class)
{
    struct room whole = place_whole(&m->place, node);

    return room_holds(&whole, &m->graph->resources[class]) &&
           budgets_could_hold(&m->budgets, &m->graph->resources[class]);
}

/* The node has grown. */
static void place_misfits(struct match *m, uint32_t node)
{
    for (uint32_t i = m->n_misfits; i-- > 0;) {
        uint32_t class = m->misfits[i];

        if (!could_hold(m, node, class))
            continue;
        m->fitting_node[class] = node;
        m->misfits[i] = m->misfits[--m->n_misfits];
    }
}

/* The node has shrunk. */
static void find_misfits(struct match *m, uint32_t node)
{
    for (uint32_t class = 0; class < m->ready.n_classes; class++) {
        uint32_t other = 0;

        if (m->fitting_node[class] != node || could_hold(m, node, class))
            continue;
        while (other < m->place.n_nodes && !could_hold(m, other, class))
            other++;
        m->fitting_node[class] = other < m->place.n_nodes ? other : NO_NODE;
        if (other == m->place.n_nodes)
            m->misfits[m->n_misfits++] = class;
    }
}

task_id match_pop_misfit(struct match *m)
{
    for (uint32_t i = 0; i < m->n_misfits; i++) {
        uint32_t line = m->ready.line_of_class[m->misfits[i]];

        if (line_at(m, line)->n > 0 && ready_class_of(&m->ready, line) == m->misfits[i])
            return pop(m, line);
    }
    return TASK_NONE;
}

/* ---- what happens ---- */

void match_end(struct match *m, uint32_t worker)
{
    const struct task_resources *held =
        &m->graph->resources[m->graph->tasks[m->place.workers[worker].task].resource_class];

    budgets_give(&m->budgets, held);
    note_freed(m, place_give(&m->place, worker, held));
    for (uint32_t i = 0; i < budget_n_parts(held); i++) {
        struct budget_part part = budget_part(&m->budgets, held, i);

        if (part.n > 0)
            wake_waiting(m, part.budget);
    }
}

void match_add_worker(struct match *m, uint32_t worker, uint32_t node, uint16_t slot)
{
    bool is_new = node >= m->place.n_nodes || m->place.nodes[node].n_workers == 0;

    place_add_worker(&m->place, worker, node, slot);
    if (is_new && m->has_ends) {
        m->last_end_s = last_end_s(m);
        match_recall_put_off(m);
    }
    place_misfits(m, node);
    note_freed(m, node);
}

void match_remove_worker(struct match *m, uint32_t worker)
{
    uint32_t node = m->place.workers[worker].node;
    const struct ready_line *owner = reserve_owner(&m->reserve, node);
    struct room whole;

    place_remove_worker(&m->place, worker);
    note_change(m, node);
    find_misfits(m, node);
    whole = place_whole(&m->place, node);
    if (owner != NULL && !room_holds(&whole, &m->graph->resources[m->graph->tasks[owner->head.task].resource_class]))
        drop_reservations(m, owner->family);
}

void match_sort_again(struct match *m)
{
    ready_sort_again(&m->ready);
    for (uint32_t family = 0; m->n_reservations > 0 && family < m->ready.n_families; family++)
        try_anew(m, family); /* who comes before whom has changed */
}

void match_set_time(struct match *m, double now_s)
{
    m->reserve.now_s = now_s;
}

/* ---- making it ---- */

static const struct task_resources *first_needs(const struct match *m, uint32_t family)
{
    uint32_t first = m->ready.families[family].first_line;

    return m->ready.lines[first].is_strict ? NULL : needs_of_line(m, first);
}

static void init_families(struct match *m)
{
    m->aside = xcalloc(m->ready.n_families, sizeof(*m->aside));
    m->families = xcalloc(m->ready.n_families, sizeof(*m->families));
    for (uint32_t i = 0; i < m->ready.n_families; i++)
        m->families[i] = (struct match_family){.needs = first_needs(m, i),
                                               .n_elsewhere = m->ready.families[i].n_lines,
                                               .freed_node = NO_NODE,
                                               .aside_at = NOT_ASIDE,
                                               .budget = NO_BUDGET,
                                               .passed_line = NO_LINE,
                                               .reserved_line = NO_LINE,
                                               .reserved_node = NO_NODE,
                                               .reserved_budget = NO_BUDGET};
}

void match_init(struct match *m, const struct graph *g, const struct estimate *estimate)
{
    *m = (struct match){.graph = g, .last_end_s = INFINITY};
    m->reserve = (struct reserve){.graph = g, .estimate = estimate, .place = &m->place};
    ready_init(&m->ready, g, estimate->b_level_s);
    place_init(&m->place, g);
    budgets_init(&m->budgets, g);
    init_families(m);
    m->misfits = xcalloc(g->n_resources, sizeof(*m->misfits));
    m->fitting_node = xcalloc(g->n_resources, sizeof(*m->fitting_node));
    for (uint32_t class = 0; class < g->n_resources; class++) {
        m->misfits[m->n_misfits++] = class;
        m->fitting_node[class] = NO_NODE;
    }
}

/* What only holds for the families that there were. */
static void forget_families(struct match *m)
{
    for (uint32_t family = 0; family < m->ready.n_families; family++) {
        if (m->families[family].reserved_line != NO_LINE)
            drop_reservations(m, family);
    }
    for (uint32_t i = 0; i < m->budgets.n; i++)
        m->budgets.each[i].n_waiting = 0;
    m->n_aside = 0;
    free(m->families);
    free(m->aside);
}

static void append_classes(struct match *m, uint32_t n_before)
{
    uint32_t n = m->graph->n_resources;

    m->misfits = xrealloc(m->misfits, n * sizeof(*m->misfits));
    m->fitting_node = xrealloc(m->fitting_node, n * sizeof(*m->fitting_node));
    for (uint32_t class = n_before; class < n; class++) {
        uint32_t node = 0;

        while (node < m->place.n_nodes && !could_hold(m, node, class))
            node++;
        m->fitting_node[class] = node < m->place.n_nodes ? node : NO_NODE;
        if (node == m->place.n_nodes)
            m->misfits[m->n_misfits++] = class;
    }
}

void match_append(struct match *m)
{
    uint32_t n_before = m->ready.n_classes;

    if (n_before < m->graph->n_resources)
        forget_families(m);
    if (!ready_append(&m->ready, m->reserve.estimate->b_level_s))
        return;
    init_families(m);
    append_classes(m, n_before);
    match_recall_put_off(m);
}

void match_release(struct match *m)
{
    for (uint32_t node = 0; node < m->place.n_nodes; node++)
        if (reserve_owner(&m->reserve, node) != NULL)
            reserve_release(&m->reserve, node);
    ready_release(&m->ready);
    place_release(&m->place);
    budgets_release(&m->budgets);
    free(m->families);
    free(m->aside);
    free(m->misfits);
    free(m->put_off);
    free(m->fitting_node);
}
