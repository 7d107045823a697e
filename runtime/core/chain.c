#include "core/chain.h"

#include "base/alloc.h"

#include <stdlib.h>

void chain_release(struct chain *c)
{
    free(c->sent);
    *c = (struct chain){.sent = NULL};
}

static void forget_first(struct chain *c)
{
    c->first = (c->first + 1) & (CHAIN_SENT_MAX - 1);
    c->n--;
    c->n_passed = 0;
}

void chain_add(struct chain *c, task_id task)
{
    if (c->sent == NULL)
        c->sent = xcalloc(CHAIN_SENT_MAX, sizeof(*c->sent));
    if (c->n == CHAIN_SENT_MAX)
        forget_first(c);
    c->sent[(c->first + c->n++) & (CHAIN_SENT_MAX - 1)] = task;
}

task_id chain_child(struct chain *c, const struct graph *g)
{
    for (; c->n > 0; forget_first(c)) {
        task_id task = c->sent[c->first];

        if (g->child_first[task] + c->n_passed < g->child_first[task + 1])
            return g->children[g->child_first[task] + c->n_passed];
    }
    return TASK_NONE;
}

void chain_pass(struct chain *c)
{
    c->n_passed++;
}
