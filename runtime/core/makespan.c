#include "core/makespan.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEASIBLE_MAX 3 /* dual feasible functions u(1) … u(3) */

uint64_t makespan_n_cores(const struct makespan_site *site)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < site->n_kinds; i++)
        n += (uint64_t)site->kinds[i].n * site->kinds[i].cores;
    return n;
}

static bool node_fits(const struct graph *g, const struct makespan_node *node, const struct task_resources *r)
{
    if (r->cores > node->cores || (node->memory_bytes != 0 && r->memory_bytes > node->memory_bytes) ||
        (node->gpus != MAKESPAN_NOT_COUNTED && r->gpus > node->gpus))
        return false;
    for (uint32_t i = 0; i < r->n_amounts; i++) {
        const struct graph_named *named = &g->named[r->amounts[i].resource];

        if (named->is_per_node && r->amounts[i].n > named->n)
            return false;
    }
    return true;
}

bool makespan_fits(const struct graph *g, const struct makespan_site *site, const struct task_resources *r)
{
    for (uint32_t i = 0; i < site->n_kinds; i++)
        if (node_fits(g, &site->kinds[i], r))
            return true;
    return false;
}

float *makespan_stated_costs(const struct graph *g)
{
    float *cost_s = xmalloc((g->n_tasks > 0 ? g->n_tasks : 1) * sizeof(*cost_s));

    for (task_id t = 0; t < g->n_tasks; t++)
        cost_s[t] = task_is_join(&g->tasks[t]) ? 0 : g->tasks[t].cost_s > 0 ? g->tasks[t].cost_s : 1;
    return cost_s;
}

/* ---- what can be taken, and what each class takes of it ---- */

/* Something whose capacity is shared: of all nodes together, or of the run. */
struct pool
{
    enum makespan_limit limit;
    uint32_t which;
    double capacity;
};

struct share
{
    uint32_t pool;
    double amount;
};

struct pools
{
    struct pool *each;
    size_t n;
    size_t capacity;
    struct share *shares; /* of class c: shares[first[c]] up to shares[first[c + 1]] */
    size_t n_shares;
    size_t shares_capacity;
    size_t *first;
    bool *fits; /* by class */
    uint32_t cores, memory, gpus, queues, named; /* number of the first pool of that kind; UINT32_MAX: there is none */
};

static uint32_t add_pool(struct pools *p, enum makespan_limit limit, uint32_t which, double capacity)
{
    p->each = xgrow(p->each, p->n, &p->capacity, sizeof(*p->each));
    p->each[p->n] = (struct pool){limit, which, capacity};
    return (uint32_t)p->n++;
}

static void add_share(struct pools *p, uint32_t pool, double amount)
{
    if (amount <= 0)
        return;
    p->shares = xgrow(p->shares, p->n_shares, &p->shares_capacity, sizeof(*p->shares));
    p->shares[p->n_shares++] = (struct share){pool, amount};
}

/* The most that one node has, all that there is, and whether all nodes count it. */
struct node_sums
{
    uint64_t n_nodes;
    double largest_cores, all_cores;
    double largest_memory, all_memory;
    double all_gpus;
    bool counts_memory, counts_gpus;
};

static struct node_sums sum_nodes(const struct makespan_site *site)
{
    struct node_sums s = {.counts_memory = true, .counts_gpus = true};

    for (uint32_t i = 0; i < site->n_kinds; i++) {
        const struct makespan_node *k = &site->kinds[i];

        s.n_nodes += k->n;
        s.all_cores += (double)k->n * k->cores;
        s.all_memory += (double)k->n * (double)k->memory_bytes;
        s.all_gpus += (double)k->n * k->gpus;
        s.largest_cores = fmax(s.largest_cores, k->cores);
        s.largest_memory = fmax(s.largest_memory, (double)k->memory_bytes);
        s.counts_memory &= k->memory_bytes != 0;
        s.counts_gpus &= k->gpus != MAKESPAN_NOT_COUNTED;
    }
    return s;
}

/* u(k) of Fekete and Schepers, for a part x of a node: parts that fit together have a sum of at most 1 also after
 * it. It counts large parts as more than they are, and small ones as nothing. */
static double feasible(unsigned k, double x)
{
    double y = (k + 1) * x;

    return y == floor(y) ? x : floor(y) / k;
}

static void make_pools(struct pools *p, const struct graph *g, const struct node_sums *sums)
{
    *p = (struct pools){.memory = UINT32_MAX, .gpus = UINT32_MAX};
    p->cores = add_pool(p, LIMIT_CORES, 0, sums->all_cores);
    for (unsigned k = 1; k <= FEASIBLE_MAX; k++)
        add_pool(p, LIMIT_CORES, 0, (double)sums->n_nodes);
    if (sums->counts_memory) {
        p->memory = add_pool(p, LIMIT_MEMORY, 0, sums->all_memory);
        for (unsigned k = 1; k <= FEASIBLE_MAX; k++)
            add_pool(p, LIMIT_MEMORY, 0, (double)sums->n_nodes);
    }
    if (sums->counts_gpus)
        p->gpus = add_pool(p, LIMIT_GPUS, 0, sums->all_gpus);
    p->queues = (uint32_t)p->n;
    for (uint32_t i = 0; i < g->n_queues; i++)
        add_pool(p, LIMIT_QUEUE, i, g->queues[i].tokens == UINT32_MAX ? INFINITY : g->queues[i].tokens);
    p->named = (uint32_t)p->n;
    for (uint32_t i = 0; i < g->n_named; i++)
        add_pool(p, LIMIT_NAMED, i, g->named[i].n * (g->named[i].is_per_node ? (double)sums->n_nodes : 1));
}

/* An amount of a node's cores or memory: as it is, and as each dual feasible function sees it. */
static void add_node_shares(struct pools *p, uint32_t pool, double amount, double largest)
{
    add_share(p, pool, amount);
    for (unsigned k = 1; k <= FEASIBLE_MAX && amount > 0; k++)
        add_share(p, pool + k, feasible(k, amount / largest));
}

static void add_class(struct pools *p, const struct graph *g, const struct task_resources *r,
                      const struct node_sums *sums)
{
    add_node_shares(p, p->cores, r->cores, sums->largest_cores);
    if (p->memory != UINT32_MAX)
        add_node_shares(p, p->memory, (double)r->memory_bytes, sums->largest_memory);
    if (p->gpus != UINT32_MAX)
        add_share(p, p->gpus, r->gpus);
    if (g->queues[r->queue].tokens != UINT32_MAX)
        add_share(p, p->queues + r->queue, r->tokens);
    for (uint32_t i = 0; i < r->n_amounts; i++)
        add_share(p, p->named + r->amounts[i].resource, r->amounts[i].n);
}

static void pools_init(struct pools *p, const struct graph *g, const struct makespan_site *site)
{
    struct node_sums sums = sum_nodes(site);

    make_pools(p, g, &sums);
    p->first = xcalloc(g->n_resources + 1, sizeof(*p->first));
    p->fits = xcalloc(g->n_resources + 1, sizeof(*p->fits));
    for (uint32_t c = 0; c < g->n_resources; c++) {
        p->fits[c] = makespan_fits(g, site, &g->resources[c]);
        if (p->fits[c])
            add_class(p, g, &g->resources[c], &sums);
        p->first[c + 1] = p->n_shares;
    }
}

static void pools_release(struct pools *p)
{
    free(p->each);
    free(p->shares);
    free(p->first);
    free(p->fits);
}

/* ---- which tasks run when all goes well ---- */

static bool is_met(const struct graph *g, uint64_t edge, bool parent_runs)
{
    enum graph_condition on = graph_condition_at(g, edge);

    return on == ON_ANY || (on == ON_OK && parent_runs);
}

/* A join runs, too. */
static bool *find_needed(const struct graph *g, const task_id *order)
{
    bool *needed = xmalloc(g->n_tasks + 1);

    memset(needed, true, g->n_tasks);
    for (uint32_t i = 0; g->conditions != NULL && i < g->n_tasks; i++)
        for (uint64_t e = g->child_first[order[i]]; e < g->child_first[order[i] + 1]; e++)
            needed[g->children[e]] &= is_met(g, e, needed[order[i]]);
    return needed;
}

/* The graph's costs, as far as they count. */
struct plan
{
    const struct graph *g;
    task_id *order;
    bool *counts; /* it is needed, and fits somewhere: it takes time, and what waits for it is held up */
    float *cost_s; /* 0 for joins, and for what does not count */
    struct pools pools;
};

static void plan_init(struct plan *p, const struct graph *g, const float *cost_s, const struct makespan_site *site)
{
    *p = (struct plan){.g = g, .order = graph_topological_order(g)};
    pools_init(&p->pools, g, site);
    p->counts = find_needed(g, p->order);
    p->cost_s = xcalloc(g->n_tasks + 1, sizeof(*p->cost_s));
    for (task_id t = 0; t < g->n_tasks; t++) {
        if (task_is_join(&g->tasks[t]))
            continue;
        p->counts[t] &= p->pools.fits[g->tasks[t].resource_class];
        p->cost_s[t] = p->counts[t] ? cost_s[t] : 0;
    }
}

static void plan_release(struct plan *p)
{
    free(p->order);
    free(p->counts);
    free(p->cost_s);
    pools_release(&p->pools);
}

/* ---- the simple bounds ---- */

static void raise_bound(struct makespan_bound *bound, double s, const struct pool *pool)
{
    if (s > bound->s)
        *bound = (struct makespan_bound){s, pool->limit, pool->which};
}

/* The longest path before each task. Returns the longest of all. */
static double find_heads(const struct plan *p, double *head_s)
{
    const struct graph *g = p->g;
    double longest = 0;

    memset(head_s, 0, g->n_tasks * sizeof(*head_s));
    for (uint32_t i = 0; i < g->n_tasks; i++) {
        task_id t = p->order[i];
        double end_s = head_s[t] + p->cost_s[t];

        longest = fmax(longest, end_s);
        for (uint64_t e = g->child_first[t]; p->counts[t] && e < g->child_first[t + 1]; e++)
            head_s[g->children[e]] = fmax(head_s[g->children[e]], end_s);
    }
    return longest;
}

/* The longest path behind each task. */
static void find_tails(const struct plan *p, double *tail_s)
{
    const struct graph *g = p->g;

    for (uint32_t i = g->n_tasks; i-- > 0;) {
        task_id t = p->order[i];

        tail_s[t] = 0;
        for (uint64_t e = g->child_first[t]; p->counts[t] && e < g->child_first[t + 1]; e++)
            tail_s[t] = fmax(tail_s[t], p->cost_s[g->children[e]] + tail_s[g->children[e]]);
    }
}

static void bound_by_work(const struct plan *p, struct makespan_bound *bound)
{
    const struct graph *g = p->g;
    double *class_s = xcalloc(g->n_resources + 1, sizeof(*class_s));
    double *work = xcalloc(p->pools.n, sizeof(*work));

    for (task_id t = 0; t < g->n_tasks; t++)
        class_s[g->tasks[t].resource_class] += p->cost_s[t];
    for (uint32_t c = 0; c < g->n_resources; c++)
        for (size_t i = p->pools.first[c]; i < p->pools.first[c + 1]; i++)
            work[p->pools.shares[i].pool] += p->pools.shares[i].amount * class_s[c];
    for (size_t i = 0; i < p->pools.n; i++)
        if (work[i] > 0)
            raise_bound(bound, work[i] / p->pools.each[i].capacity, &p->pools.each[i]);
    free(class_s);
    free(work);
}

void makespan_bound_quickly(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                            struct makespan_bound *bound)
{
    struct plan plan;
    double *head_s = xmalloc((g->n_tasks + 1) * sizeof(*head_s));

    plan_init(&plan, g, cost_s, site);
    *bound = (struct makespan_bound){.s = find_heads(&plan, head_s), .limit = LIMIT_PATH};
    bound_by_work(&plan, bound);
    plan_release(&plan);
    free(head_s);
}

/* ---- a resource and the tasks that use it ---- */

struct user
{
    double head_s;
    double tail_s;
    double amount;
    double work; /* amount x cost */
};

/* A heap of (key, amount), the largest key first, that keeps the smallest keys whose amounts add up to a capacity. */
struct smallest
{
    struct smallest_item
    {
        double key;
        double amount;
    } *heap;
    size_t n;
    double capacity;
    double amount; /* of all, at most the capacity */
    double sum;    /* of key x amount */
};

static void sift_up(struct smallest *s, size_t i)
{
    struct smallest_item item = s->heap[i];

    for (; i > 0 && s->heap[(i - 1) / 2].key < item.key; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
}

static void sift_down(struct smallest *s)
{
    struct smallest_item item = s->heap[0];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < s->n) {
        if (child + 1 < s->n && s->heap[child + 1].key > s->heap[child].key)
            child++;
        if (s->heap[child].key <= item.key)
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = item;
}

static void smallest_add(struct smallest *s, double key, double amount)
{
    s->heap[s->n] = (struct smallest_item){key, amount};
    sift_up(s, s->n++);
    s->amount += amount;
    s->sum += key * amount;
    while (s->amount > s->capacity) {
        double excess = s->amount - s->capacity;
        struct smallest_item *top = &s->heap[0];
        double less = fmin(excess, top->amount);

        s->amount = less < excess ? s->amount - less : s->capacity;
        s->sum -= top->key * less;
        if (less < top->amount) {
            top->amount -= less;
            return;
        }
        s->heap[0] = s->heap[--s->n];
        sift_down(s);
    }
}

/* Carlier's bound for the users before each place, which come with descending tails; with `is_mirrored`, heads
 * and tails have changed places. */
static double bound_by_idleness(const struct user *users, size_t n, double capacity, bool is_mirrored)
{
    struct smallest heads = {.heap = xcalloc(n + 1, sizeof(*heads.heap)), .capacity = capacity};
    struct smallest tails = {.heap = xcalloc(n + 1, sizeof(*tails.heap)), .capacity = capacity};
    double work = 0, best_s = 0;

    for (size_t i = 0; i < n; i++) {
        const struct user *u = &users[i];

        smallest_add(&heads, is_mirrored ? u->tail_s : u->head_s, u->amount);
        smallest_add(&tails, is_mirrored ? u->head_s : u->tail_s, u->amount);
        work += u->work;
        if (heads.amount >= capacity) /* with fewer, some of it may never be used */
            best_s = fmax(best_s, (work + heads.sum + tails.sum) / capacity);
    }
    free(heads.heap);
    free(tails.heap);
    return best_s;
}

/* For thresholds in ascending order: sets of users, of which each has the tails from its threshold on. A binary
 * tree over them; `best` is the largest threshold + work / capacity of those whose set is not empty. */
struct span
{
    double work; /* divided by the capacity; of users whose tail is a threshold below this vertex */
    double best;
};

static void add_to_spans(struct span *spans, size_t n_leaves, size_t leaf, double tail_s, double work)
{
    size_t i = n_leaves + leaf;

    spans[i].work += work;
    spans[i].best = tail_s + spans[i].work;
    while ((i /= 2) > 0) {
        spans[i].work = spans[2 * i].work + spans[2 * i + 1].work;
        spans[i].best = fmax(spans[2 * i + 1].best, spans[2 * i].best + spans[2 * i + 1].work);
    }
}

/* The users come with descending heads; `rank[i]` is the place of users[i]'s tail among the n_ranks tails. */
static double bound_by_intervals(const struct user *users, size_t n, double capacity, const uint32_t *rank,
                                 uint32_t n_ranks)
{
    size_t n_leaves = 1;
    struct span *spans;
    double best_s = 0;

    while (n_leaves < n_ranks)
        n_leaves *= 2;
    spans = xcalloc(2 * n_leaves, sizeof(*spans));
    for (size_t i = 0; i < 2 * n_leaves; i++)
        spans[i].best = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        add_to_spans(spans, n_leaves, rank[i], users[i].tail_s, users[i].work / capacity);
        best_s = fmax(best_s, users[i].head_s + spans[1].best);
    }
    free(spans);
    return best_s;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static uint32_t find_ranks(const struct user *users, size_t n, uint32_t *rank)
{
    double *tails = xmalloc(n * sizeof(*tails));
    uint32_t n_ranks = 0;

    for (size_t i = 0; i < n; i++)
        tails[i] = users[i].tail_s;
    qsort(tails, n, sizeof(*tails), compare_doubles);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || tails[i] != tails[n_ranks - 1])
            tails[n_ranks++] = tails[i];
    for (size_t i = 0; i < n; i++) {
        const double *at = bsearch(&users[i].tail_s, tails, n_ranks, sizeof(*tails), compare_doubles);

        rank[i] = (uint32_t)(at - tails);
    }
    free(tails);
    return n_ranks;
}

static int by_descending_head(const void *a, const void *b)
{
    return compare_doubles(&((const struct user *)b)->head_s, &((const struct user *)a)->head_s);
}

static int by_descending_tail(const void *a, const void *b)
{
    return compare_doubles(&((const struct user *)b)->tail_s, &((const struct user *)a)->tail_s);
}

static double bound_of_users(struct user *users, size_t n, double capacity)
{
    uint32_t *rank = xcalloc(n, sizeof(*rank));
    uint32_t n_ranks;
    double best_s;

    qsort(users, n, sizeof(*users), by_descending_tail);
    best_s = bound_by_idleness(users, n, capacity, false);
    qsort(users, n, sizeof(*users), by_descending_head);
    best_s = fmax(best_s, bound_by_idleness(users, n, capacity, true));
    n_ranks = find_ranks(users, n, rank);
    best_s = fmax(best_s, bound_by_intervals(users, n, capacity, rank, n_ranks));
    free(rank);
    return best_s;
}

/* ---- all resources ---- */

/* How many tasks use each pool, as offsets: pool i's users are at first[i] up to first[i + 1]. */
static size_t *count_users(const struct plan *p)
{
    const struct pools *pools = &p->pools;
    size_t *first = xcalloc(pools->n + 1, sizeof(*first));

    for (task_id t = 0; t < p->g->n_tasks; t++) {
        uint32_t c = p->g->tasks[t].resource_class;

        for (size_t i = pools->first[c]; p->cost_s[t] > 0 && i < pools->first[c + 1]; i++)
            first[pools->shares[i].pool + 1]++;
    }
    for (size_t i = 0; i < pools->n; i++)
        first[i + 1] += first[i];
    return first;
}

static struct user *find_users(const struct plan *p, const double *head_s, const double *tail_s, const size_t *first)
{
    const struct pools *pools = &p->pools;
    struct user *users = xcalloc(first[pools->n] + 1, sizeof(*users));
    size_t *next = xcalloc(pools->n, sizeof(*next));

    memcpy(next, first, pools->n * sizeof(*next));
    for (task_id t = 0; t < p->g->n_tasks; t++) {
        uint32_t c = p->g->tasks[t].resource_class;

        for (size_t i = pools->first[c]; p->cost_s[t] > 0 && i < pools->first[c + 1]; i++)
            users[next[pools->shares[i].pool]++] = (struct user){
                head_s[t], tail_s[t], pools->shares[i].amount, pools->shares[i].amount * (double)p->cost_s[t]};
    }
    free(next);
    return users;
}

static void bound_by_users(const struct plan *p, const double *head_s, const double *tail_s,
                           struct makespan_bound *bound)
{
    size_t *first = count_users(p);
    struct user *users = find_users(p, head_s, tail_s, first);

    for (size_t i = 0; i < p->pools.n; i++) {
        const struct pool *pool = &p->pools.each[i];

        if (first[i + 1] > first[i])
            raise_bound(bound, bound_of_users(users + first[i], first[i + 1] - first[i], pool->capacity), pool);
    }
    free(first);
    free(users);
}

void makespan_bound_well(const struct graph *g, const float *cost_s, const struct makespan_site *site,
                         struct makespan_bound *bound)
{
    struct plan plan;
    double *head_s = xmalloc((g->n_tasks + 1) * sizeof(*head_s));
    double *tail_s = xmalloc((g->n_tasks + 1) * sizeof(*tail_s));

    plan_init(&plan, g, cost_s, site);
    *bound = (struct makespan_bound){.s = find_heads(&plan, head_s), .limit = LIMIT_PATH};
    find_tails(&plan, tail_s);
    bound_by_work(&plan, bound);
    bound_by_users(&plan, head_s, tail_s, bound);
    plan_release(&plan);
    free(head_s);
    free(tail_s);
}
