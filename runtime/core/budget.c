#include "core/budget.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

void budgets_init(struct budgets *b, const struct graph *g)
{
    *b = (struct budgets){.graph = g, .n = g->n_queues + g->n_named};
    b->each = xcalloc(b->n, sizeof(*b->each));
    for (uint32_t i = 0; i < b->n; i++) {
        const struct graph_named *named = i < g->n_queues ? NULL : &g->named[i - g->n_queues];

        b->each[i].n = named == NULL ? g->queues[i].tokens : named->is_per_node ? UINT32_MAX : named->n;
        b->each[i].n_free = b->each[i].n;
    }
}

void budgets_release(struct budgets *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        free(b->each[i].waiting);
    free(b->each);
}

uint32_t budgets_need(const struct budgets *b, const struct task_resources *r, uint32_t budget)
{
    for (uint32_t i = 0; i < budget_n_parts(r); i++)
        if (budget_part(b, r, i).budget == budget)
            return budget_part(b, r, i).n;
    return 0;
}

bool budgets_could_hold(const struct budgets *b, const struct task_resources *r)
{
    for (uint32_t i = 0; i < budget_n_parts(r); i++) {
        struct budget_part part = budget_part(b, r, i);

        if (part.n > b->each[part.budget].n)
            return false;
    }
    return true;
}

static uint32_t n_left_for(const struct budget *budget, const struct ready_line *line)
{
    const struct ready_line *other = budget->reserved_for;

    if (other == NULL || other == line || ready_is_before(&line->head, &other->head))
        return budget->n_free;
    return budget->n_free > budget->n_reserved ? budget->n_free - budget->n_reserved : 0;
}

uint32_t budgets_find_lacking(const struct budgets *b, const struct task_resources *r,
                              const struct ready_line *line)
{
    for (uint32_t i = 0; i < budget_n_parts(r); i++) {
        struct budget_part part = budget_part(b, r, i);

        if (part.n > 0 && part.n > n_left_for(&b->each[part.budget], line))
            return part.budget;
    }
    return NO_BUDGET;
}

void budgets_take(struct budgets *b, const struct task_resources *r)
{
    for (uint32_t i = 0; i < budget_n_parts(r); i++) {
        struct budget_part part = budget_part(b, r, i);

        if (part.n == 0)
            continue;
        assert(part.n <= b->each[part.budget].n_free);
        b->each[part.budget].n_free -= part.n;
    }
}

void budgets_give(struct budgets *b, const struct task_resources *r)
{
    for (uint32_t i = 0; i < budget_n_parts(r); i++) {
        struct budget_part part = budget_part(b, r, i);

        if (part.n > 0)
            b->each[part.budget].n_free += part.n;
    }
}
