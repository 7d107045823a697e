/* The scheduler against a slow and obvious model, on random graphs: tasks fail, are tried again, workers are lost.
 * The model looks at everything after every step; it is told only what sched says to its caller. */
#include "sched_fixture.h"

#define N_MAX 256
#define NODES 3
#define SLOTS 6
#define WORKERS (NODES * SLOTS)
#define GPUS 3
#define MIB(n) ((uint64_t)(n) << 20)

struct model
{
    const struct graph *graph;
    struct sched *sched;
    bool is_here[WORKERS + 1];
    uint32_t n_here;
    bool slot_is_used[NODES][SLOTS];
    bool gpu_is_used[NODES][GPUS];
    uint64_t memory_used[NODES];
    uint32_t disk_used[NODES];
    uint32_t licences_used;
    uint32_t tokens_used[3];
    struct placement of[N_MAX]; /* what runs; worker 0: it does not */
    uint16_t slots[N_MAX][SLOTS];
    uint16_t gpus[N_MAX][GPUS];
    uint32_t n_ends[N_MAX];
    double now_s;
    bool may_reserve; /* a node or a budget may be reserved: what fits need not start */
};

/* As make_text declares them. */
enum { QUEUE_BACKFILL = 1, QUEUE_STRICT = 2, LICENCE = 0, DISK = 1 };
static const uint32_t n_tokens[] = {UINT32_MAX, 3, 4};
static const uint32_t n_licences = 2, disk_of_node = 5;

static void add_task_text(FILE *file, int i)
{
    static const char *const conditions[] = {"", "", "", "any:", "notok:"};

    fprintf(file, "t%d cores=%d prio=%d retries=%d program=p%d%s", i, rand() % 5 == 0 ? 1 + rand() % SLOTS : 1,
            rand() % 3 - 1, rand() % 3, rand() % 3, rand() % 8 == 0 ? " may_fail" : "");
    if (rand() % 2)
        fprintf(file, " cost=%d", 1 + rand() % 9);
    if (rand() % 2)
        fprintf(file, " mem=%d", 1 + rand() % 1000);
    if (rand() % 4 == 0)
        fprintf(file, " gpus=%d", 1 + rand() % GPUS);
    if (rand() % 4 == 0)
        fprintf(file, " disk=%d", 1 + rand() % 5);
    if (rand() % 6 == 0)
        fprintf(file, " licence=%d", 1 + rand() % 2);
    if (rand() % 3 == 0)
        fprintf(file, " queue=%s tokens=%d", rand() % 2 ? "back" : "strict", rand() % 4);
    fprintf(file, " :");
    for (int k = i > 0 ? rand() % 3 : 0; k > 0; k--)
        fprintf(file, " %st%d", conditions[rand() % 5], rand() % i);
    fputc('\n', file);
}

static struct graph *make_graph(int n_tasks)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    struct graph *g;

    fprintf(file, "!queue back 3\n!queue strict 4 strict\n!total licence 2\n!each disk 5\n");
    for (int i = 0; i < n_tasks; i++)
        add_task_text(file, i);
    fclose(file);
    g = graph_from_text(text);
    free(text);
    return g;
}

static const struct task_resources *needs_of(const struct model *m, task_id task)
{
    return &m->graph->resources[m->graph->tasks[task].resource_class];
}

static int priority_of(const struct model *m, task_id task)
{
    return m->graph->policies[m->graph->tasks[task].policy].priority;
}

static uint32_t amount_of(const struct task_resources *r, uint32_t resource)
{
    for (uint32_t i = 0; i < r->n_amounts; i++)
        if (r->amounts[i].resource == resource)
            return r->amounts[i].n;
    return 0;
}

/* ---- what fits ---- */

static bool fits_node(const struct model *m, const struct task_resources *r, uint32_t node)
{
    uint32_t n_slots = 0, n_gpus = 0;

    for (uint32_t slot = 0; slot < SLOTS; slot++)
        n_slots += m->is_here[node * SLOTS + slot + 1] && !m->slot_is_used[node][slot];
    for (uint32_t gpu = 0; gpu < GPUS; gpu++)
        n_gpus += !m->gpu_is_used[node][gpu];
    return r->cores <= n_slots && r->gpus <= n_gpus && m->memory_used[node] + r->memory_bytes <= MIB(1024) &&
           m->disk_used[node] + amount_of(r, DISK) <= disk_of_node;
}

static bool fits_now(const struct model *m, task_id task)
{
    const struct task_resources *r = needs_of(m, task);

    if (m->licences_used + amount_of(r, LICENCE) > n_licences ||
        (r->queue != 0 && m->tokens_used[r->queue] + r->tokens > n_tokens[r->queue]))
        return false;
    for (uint32_t node = 0; node < NODES; node++)
        if (fits_node(m, r, node))
            return true;
    return false;
}

/* A strict queue lets nobody pass: is one of it ready with a higher priority? Among equals the model does not know
 * who became ready first. */
static bool may_be_blocked(const struct model *m, task_id task)
{
    if (needs_of(m, task)->queue != QUEUE_STRICT)
        return false;
    for (task_id t = 0; t < m->graph->n_tasks; t++)
        if (t != task && needs_of(m, t)->queue == QUEUE_STRICT && sched_state(m->sched, t) == STATE_READY &&
            priority_of(m, t) >= priority_of(m, task) && !fits_now(m, t))
            return true;
    return false;
}

/* ---- steps ---- */

static void take(struct model *m, const struct placement *p)
{
    const struct task_resources *r = needs_of(m, p->task);

    for (uint32_t i = 0; i < p->n_slots; i++) {
        assert_true(i == 0 || p->slots[i - 1] < p->slots[i]);
        assert_true(m->is_here[p->node * SLOTS + p->slots[i] + 1]);
        assert_false(m->slot_is_used[p->node][p->slots[i]]);
        m->slot_is_used[p->node][p->slots[i]] = true;
        m->slots[p->task][i] = p->slots[i];
    }
    for (uint32_t i = 0; i < p->n_gpus; i++) {
        assert_false(m->gpu_is_used[p->node][p->gpus[i]]);
        m->gpu_is_used[p->node][p->gpus[i]] = true;
        m->gpus[p->task][i] = p->gpus[i];
    }
    m->memory_used[p->node] += r->memory_bytes;
    m->disk_used[p->node] += amount_of(r, DISK);
    m->licences_used += amount_of(r, LICENCE);
    m->tokens_used[r->queue] += r->tokens;
    m->of[p->task] = *p;
}

static void give(struct model *m, task_id task)
{
    const struct task_resources *r = needs_of(m, task);
    const struct placement *p = &m->of[task];

    for (uint32_t i = 0; i < p->n_slots; i++)
        m->slot_is_used[p->node][m->slots[task][i]] = false;
    for (uint32_t i = 0; i < p->n_gpus; i++)
        m->gpu_is_used[p->node][m->gpus[task][i]] = false;
    m->memory_used[p->node] -= r->memory_bytes;
    m->disk_used[p->node] -= amount_of(r, DISK);
    m->licences_used -= amount_of(r, LICENCE);
    m->tokens_used[r->queue] -= r->tokens;
    m->of[task].worker = 0;
}

static void check_placement(const struct model *m, const struct placement *p)
{
    const struct task_resources *r = needs_of(m, p->task);

    assert_int_equal(p->n_slots, r->cores);
    assert_int_equal(p->n_gpus, r->gpus);
    assert_int_equal(p->node, (p->worker - 1) / SLOTS);
    assert_true(fits_node(m, r, p->node) && fits_now(m, p->task));
    for (task_id t = 0; t < m->graph->n_tasks; t++) {
        if (sched_state(m->sched, t) != STATE_READY || priority_of(m, t) <= priority_of(m, p->task))
            continue;
        if (needs_of(m, t)->queue == QUEUE_STRICT && r->queue == QUEUE_STRICT)
            assert_true(false); /* a strict queue is strict */
        assert_true(m->may_reserve || !fits_now(m, t) || may_be_blocked(m, t));
    }
}

static void start_all(struct model *m)
{
    struct placement p;

    while (sched_next(m->sched, &p)) {
        check_placement(m, &p);
        take(m, &p);
    }
    for (task_id t = 0; t < m->graph->n_tasks; t++)
        if (sched_state(m->sched, t) == STATE_READY)
            assert_true(!fits_now(m, t) || m->may_reserve || may_be_blocked(m, t));
}

static void end_some(struct model *m)
{
    task_id running[N_MAX], task;
    uint32_t n_running = 0;

    for (task_id t = 0; t < m->graph->n_tasks; t++)
        if (m->of[t].worker != 0)
            running[n_running++] = t;
    if (n_running == 0)
        return;
    task = running[(uint32_t)rand() % n_running];
    give(m, task);
    m->n_ends[task]++;
    if (rand() % 5 != 0)
        sched_finish(m->sched, task, STATE_DONE, rand() % 9);
    else if (sched_has_retry(m->sched, task))
        sched_finish(m->sched, task, STATE_READY, NAN), m->n_ends[task]--;
    else
        sched_finish(m->sched, task, STATE_FAILED, NAN);
}

static void lose_some(struct model *m)
{
    uint32_t worker = 1 + (uint32_t)rand() % WORKERS;
    task_id task;

    if (!m->is_here[worker] || m->n_here <= WORKERS / 2)
        return;
    task = sched_task_of(m->sched, worker);
    if (task != TASK_NONE)
        give(m, task);
    m->is_here[worker] = false;
    m->n_here--;
    sched_lose_worker(m->sched, worker);
    if (task != TASK_NONE)
        m->n_ends[task] += sched_state(m->sched, task) == STATE_FAILED;
    while (sched_next_unplaceable(m->sched, &task)) {
        assert_int_equal(sched_state(m->sched, task), STATE_FAILED);
        m->n_ends[task]++;
    }
}

/* ---- what must hold ---- */

/* STATE_READY: met; STATE_BLOCKED: nobody knows yet; else what becomes of the child. */
static enum task_state means(const struct model *m, task_id parent, enum graph_condition on)
{
    enum task_state state = sched_state(m->sched, parent);
    bool may_fail = m->graph->policies[m->graph->tasks[parent].policy].may_fail;

    if (state < STATE_DONE)
        return STATE_BLOCKED;
    if (on == ON_ANY)
        return STATE_READY;
    if (on == ON_NOTOK)
        return state == STATE_FAILED || state == STATE_SKIPPED ? STATE_READY : STATE_NOT_NEEDED;
    if (state == STATE_DONE || (state == STATE_FAILED && may_fail))
        return STATE_READY;
    return state == STATE_NOT_NEEDED ? STATE_NOT_NEEDED : STATE_SKIPPED;
}

static void check_dependencies(const struct model *m)
{
    static uint32_t n_with[N_MAX][N_TASK_STATES];

    memset(n_with, 0, sizeof(n_with));
    for (task_id parent = 0; parent < m->graph->n_tasks; parent++)
        for (uint64_t i = m->graph->child_first[parent]; i < m->graph->child_first[parent + 1]; i++)
            n_with[m->graph->children[i]][means(m, parent, graph_condition_at(m->graph, i))]++;
    for (task_id t = 0; t < m->graph->n_tasks; t++) {
        enum task_state state = sched_state(m->sched, t);
        bool is_given_up = n_with[t][STATE_SKIPPED] + n_with[t][STATE_NOT_NEEDED] > 0;

        if (state == STATE_SKIPPED || state == STATE_NOT_NEEDED)
            assert_true(n_with[t][state] > 0);
        else
            assert_false(is_given_up);
        if (state == STATE_BLOCKED)
            assert_true(n_with[t][STATE_BLOCKED] > 0);
        else if (!is_given_up)
            assert_int_equal(n_with[t][STATE_BLOCKED], 0);
    }
}

static void check_counts(const struct model *m)
{
    uint32_t counts[N_TASK_STATES] = {0}, n_free = 0;

    for (task_id t = 0; t < m->graph->n_tasks; t++) {
        enum task_state state = sched_state(m->sched, t);

        counts[state]++;
        assert_int_equal(m->n_ends[t], state == STATE_DONE || state == STATE_FAILED);
        assert_int_equal(m->of[t].worker != 0, state == STATE_SENT || state == STATE_RUNNING);
    }
    for (int state = 0; state < N_TASK_STATES; state++)
        assert_int_equal(sched_count(m->sched, (enum task_state)state), counts[state]);
    for (uint32_t worker = 1; worker <= WORKERS; worker++)
        n_free += m->is_here[worker] && !m->slot_is_used[(worker - 1) / SLOTS][(worker - 1) % SLOTS];
    assert_int_equal(sched_n_free_slots(m->sched), n_free);
    assert_false(sched_is_stuck(m->sched));
}

static void check_end(struct model *m)
{
    task_id task, cause;
    bool not_needed;
    uint32_t n_told = 0;

    assert_int_equal(sched_n_free_slots(m->sched), m->n_here);
    for (uint32_t node = 0; node < NODES; node++)
        assert_true(m->memory_used[node] == 0 && m->disk_used[node] == 0);
    while (sched_next_skipped(m->sched, &task, &cause, &not_needed)) {
        assert_int_equal(sched_state(m->sched, task), not_needed ? STATE_NOT_NEEDED : STATE_SKIPPED);
        assert_int_equal(sched_state(m->sched, cause), not_needed ? STATE_DONE : STATE_FAILED);
        n_told++;
    }
    assert_int_equal(n_told, sched_count(m->sched, STATE_SKIPPED) + sched_count(m->sched, STATE_NOT_NEEDED));
}

static void begin_model(struct model *m, const struct graph *g)
{
    *m = (struct model){.graph = g, .sched = sched_new(g), .n_here = WORKERS};
    for (uint32_t node = 0; node < NODES; node++)
        sched_add_node(m->sched, node, &(struct sched_node){.memory_bytes = MIB(1024), .n_gpus = GPUS});
    for (uint32_t worker = 1; worker <= WORKERS; worker++) {
        m->is_here[worker] = true;
        sched_add_worker(m->sched, worker, (worker - 1) / SLOTS, (uint16_t)((worker - 1) % SLOTS));
    }
    sched_begin(m->sched);
}

/* Nothing runs, so something must start: reservations never wait for each other. */
static void check_progress(struct model *m)
{
    task_id task;

    if (sched_n_in_flight(m->sched) > 0 || sched_is_over(m->sched))
        return;
    assert_true(sched_next_unplaceable(m->sched, &task));
    m->n_ends[task]++;
}

static void run_model(struct model *m, bool loses_workers)
{
    while (!sched_is_over(m->sched)) {
        start_all(m);
        check_dependencies(m);
        check_counts(m);
        check_progress(m);
        for (int n = rand() % 4; n >= 0; n--)
            end_some(m);
        if (loses_workers && rand() % 16 == 0)
            lose_some(m);
        m->now_s += rand() % 3;
        sched_set_time(m->sched, m->may_reserve ? m->now_s : 0);
    }
    check_counts(m);
    check_dependencies(m);
    check_end(m);
}

static void run_rounds(int n_rounds, int n_tasks, bool may_reserve, bool loses_workers)
{
    static struct model m;

    for (int round = 0; round < n_rounds; round++) {
        struct graph *g = make_graph(n_tasks);
        task_id task;

        begin_model(&m, g);
        m.may_reserve = may_reserve;
        while (sched_next_unplaceable(m.sched, &task))
            m.n_ends[task]++;
        run_model(&m, loses_workers);
        sched_free(m.sched);
        graph_free(g);
    }
}

/* Nobody can be overtaken four times for each worker by so few. */
static void test_what_fits_starts(void **unused)
{
    (void)unused;
    srand(11);
    run_rounds(400, 4 * WORKERS / 2, false, false);
}

static void test_what_fits_starts_though_workers_are_lost(void **unused)
{
    (void)unused;
    srand(12);
    run_rounds(400, 4 * WORKERS / 2 / 2, false, true);
}

static void test_reservations_let_everything_end(void **unused)
{
    (void)unused;
    srand(13);
    run_rounds(60, N_MAX, true, false);
    run_rounds(60, N_MAX, true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_starts),
        cmocka_unit_test(test_what_fits_starts_though_workers_are_lost),
        cmocka_unit_test(test_reservations_let_everything_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
