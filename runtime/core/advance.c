#include "core/advance.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static uint32_t class_of(const struct advances *a, task_id task)
{
    return a->match->graph->tasks[task].resource_class;
}

void advances_init(struct advances *a, struct match *match)
{
    *a = (struct advances){.match = match, .n_lists = match->graph->n_resources};
    a->lists = xcalloc(match->graph->n_resources, sizeof(*a->lists));
    a->classes = xcalloc(match->graph->n_resources, sizeof(*a->classes));
}

void advances_append(struct advances *a)
{
    uint32_t n = a->match->graph->n_resources;

    if (n == a->n_lists)
        return;
    a->lists = xrealloc(a->lists, n * sizeof(*a->lists));
    a->classes = xrealloc(a->classes, n * sizeof(*a->classes));
    memset(a->lists + a->n_lists, 0, (n - a->n_lists) * sizeof(*a->lists));
    a->n_lists = n;
}

void advances_release(struct advances *a)
{
    for (uint32_t class = 0; class < a->n_lists; class++)
        free(a->lists[class].workers);
    free(a->lists);
    free(a->classes);
}

void advances_add(struct advances *a, uint32_t worker, task_id task)
{
    struct worker *w = &a->match->place.workers[worker];
    struct advance_list *list = &a->lists[class_of(a, task)];

    if (list->n == 0) {
        list->at = a->n_classes;
        a->classes[a->n_classes++] = class_of(a, task);
    }
    list->workers = xgrow(list->workers, list->n, &list->capacity, sizeof(*list->workers));
    w->advance = task;
    w->is_recalled = false;
    w->advance_at = list->n;
    list->workers[list->n++] = worker;
}

static void leave_list(struct advances *a, const struct worker *w)
{
    struct advance_list *list = &a->lists[class_of(a, w->advance)];
    uint32_t last = list->workers[--list->n];

    list->workers[w->advance_at] = last;
    a->match->place.workers[last].advance_at = w->advance_at;
    if (list->n == 0) {
        uint32_t class = a->classes[--a->n_classes];

        a->classes[list->at] = class;
        a->lists[class].at = list->at;
    }
}

task_id advances_remove(struct advances *a, uint32_t worker)
{
    struct worker *w = &a->match->place.workers[worker];
    task_id task = w->advance;

    if (w->is_recalled)
        a->n_recalled--;
    else
        leave_list(a, w);
    w->advance = TASK_NONE;
    w->is_recalled = false;
    return task;
}

bool advances_find_recall(struct advances *a, uint32_t *worker, task_id *task)
{
    const struct place *place = &a->match->place;

    if (a->n_classes == 0 || place->n_free_slots <= a->n_recalled || a->searched_at == place->n_releases)
        return false;
    for (uint32_t i = 0; i < a->n_classes; i++) {
        struct advance_list *list = &a->lists[a->classes[i]];

        if (!match_has_room(a->match, a->classes[i]))
            continue;
        *worker = list->workers[list->n - 1];
        *task = place->workers[*worker].advance;
        leave_list(a, &place->workers[*worker]);
        place->workers[*worker].is_recalled = true;
        a->n_recalled++;
        return true;
    }
    a->searched_at = place->n_releases;
    return false;
}
