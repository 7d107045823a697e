#include "taskbench/plan.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef int relation(const struct pattern *p, int step, int column, int *columns);

static void number_tasks(struct plan *plan)
{
    int n_steps = plan->pattern.n_steps;

    plan->first_task = xcalloc((size_t)n_steps + 1, sizeof(*plan->first_task));
    plan->first_column = xcalloc((size_t)n_steps, sizeof(*plan->first_column));
    for (int step = 0; step < n_steps; step++) {
        int width = pattern_step_width(&plan->pattern, step, &plan->first_column[step]);

        plan->first_task[step + 1] = plan->first_task[step] + (size_t)width;
    }
    plan->n_tasks = plan->first_task[n_steps];
}

static void list_all(const struct plan *plan, relation *of, struct plan_lists *lists)
{
    int *columns = xcalloc((size_t)plan->pattern.width, sizeof(*columns));
    size_t n_items = 0;
    size_t room = 0;
    size_t task = 0;

    *lists = (struct plan_lists){.start = xcalloc(plan->n_tasks + 1, sizeof(*lists->start))};
    for (int step = 0; step < plan->pattern.n_steps; step++) {
        int first;
        int width = plan_step_width(plan, step, &first);

        for (int column = first; column < first + width; column++) {
            int n = of(&plan->pattern, step, column, columns);

            for (int i = 0; i < n; i++) {
                lists->items = xgrow(lists->items, n_items, &room, sizeof(*lists->items));
                lists->items[n_items++] = columns[i];
            }
            lists->start[++task] = n_items;
        }
    }
    free(columns);
}

void plan_init(struct plan *plan, const struct pattern *pattern)
{
    *plan = (struct plan){.pattern = *pattern};
    number_tasks(plan);
    list_all(plan, pattern_inputs, &plan->inputs);
    list_all(plan, pattern_outputs, &plan->outputs);
}

void plan_release(struct plan *plan)
{
    free(plan->first_task);
    free(plan->first_column);
    free(plan->inputs.start);
    free(plan->inputs.items);
    free(plan->outputs.start);
    free(plan->outputs.items);
    *plan = (struct plan){.n_tasks = 0};
}

int plan_step_width(const struct plan *plan, int step, int *first)
{
    *first = plan->first_column[step];
    return (int)(plan->first_task[step + 1] - plan->first_task[step]);
}

bool plan_has(const struct plan *plan, int step, int column)
{
    int first;
    int width;

    if (step < 0 || step >= plan->pattern.n_steps)
        return false;
    width = plan_step_width(plan, step, &first);
    return column >= first && column < first + width;
}

size_t plan_task(const struct plan *plan, int step, int column)
{
    assert(plan_has(plan, step, column));
    return plan->first_task[step] + (size_t)(column - plan->first_column[step]);
}

static const int *list_of(const struct plan_lists *lists, size_t i, int *n)
{
    *n = (int)(lists->start[i + 1] - lists->start[i]);
    return lists->items + lists->start[i];
}

const int *plan_inputs(const struct plan *plan, int step, int column, int *n)
{
    return list_of(&plan->inputs, plan_task(plan, step, column), n);
}

const int *plan_outputs(const struct plan *plan, int step, int column, int *n)
{
    return list_of(&plan->outputs, plan_task(plan, step, column), n);
}
