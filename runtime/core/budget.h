/* budget: what tasks take of the whole run, wherever they run: tokens of their queue, and of named resources
 * with a total. */
#ifndef GANGER_CORE_BUDGET_H
#define GANGER_CORE_BUDGET_H

#include "core/ready.h"

#define NO_BUDGET UINT32_MAX

struct budget
{
    uint32_t n; /* UINT32_MAX: without bound, or not of the run */
    uint32_t n_free;
    const struct ready_line *reserved_for; /* tasks that come after its head leave n_reserved; NULL: none */
    uint32_t n_reserved;
    uint32_t *waiting; /* families whose head lacks it */
    size_t n_waiting;
    size_t capacity;
};

/* The queues', by number, then the named resources'. */
struct budgets
{
    const struct graph *graph;
    struct budget *each;
    uint32_t n;
};

/* A budget of the run and how much of it a class takes; n is 0 when it takes nothing that is counted. */
struct budget_part
{
    uint32_t budget;
    uint32_t n;
};

void budgets_init(struct budgets *b, const struct graph *g);
void budgets_release(struct budgets *b);

/* A class takes parts of so many budgets at most; the queue without a name has none. */
static inline uint32_t budget_n_parts(const struct task_resources *r)
{
    return r->n_amounts + (r->queue != 0);
}

static inline struct budget_part budget_part(const struct budgets *b, const struct task_resources *r, uint32_t i)
{
    struct budget_part part = {r->queue, r->tokens};

    if (i < r->n_amounts)
        part = (struct budget_part){b->graph->n_queues + r->amounts[i].resource, r->amounts[i].n};
    if (b->each[part.budget].n == UINT32_MAX)
        part.n = 0;
    return part;
}

/* How much of one budget a class takes. */
uint32_t budgets_need(const struct budgets *b, const struct task_resources *r, uint32_t budget);

/* Would there be enough if nobody else took anything? */
bool budgets_could_hold(const struct budgets *b, const struct task_resources *r);

/* The first budget that has too little left for the head of a line; NO_BUDGET: none. */
uint32_t budgets_find_lacking(const struct budgets *b, const struct task_resources *r,
                              const struct ready_line *line);

void budgets_take(struct budgets *b, const struct task_resources *r);
void budgets_give(struct budgets *b, const struct task_resources *r);

#endif
