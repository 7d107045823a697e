/* Functions that are sent behind those that they wait for: the scheduler, a manager that does what ours does, and
 * workers that do what ours do, with everything on the way between them, in random order, on random graphs. Functions
 * fail and are tried again, workers forget what was returned, are asked to give all back, and are lost in the midst. */
#include "sched_fixture.h"

#define TASKS_MAX 64
#define WORKERS_MAX 64
#define LINE_MAX 4096
#define PARENTS_MAX 4
#define RUN_S 1e-6

enum what { SEND, RECALL, ENDED, RETURNED };

/* On the way, or waiting on a worker. */
struct item
{
    enum what what;
    task_id task;
    uint32_t attempt;
    bool went_well;
    uint32_t n_owed;
    struct { task_id task; uint32_t attempt; } owed[PARENTS_MAX]; /* what the worker is to have by then */
};

/* A FIFO. */
struct line
{
    struct item each[LINE_MAX];
    uint32_t first;
    uint32_t end;
};

struct host
{
    struct line to; /* the worker */
    struct line from;
    struct line queue;
    uint32_t kept[TASKS_MAX]; /* attempt whose result it has; 0: none */
};

struct world
{
    struct fixture f;
    struct host *hosts; /* by worker; those that are lost are zeros */
    uint32_t worker;    /* the one that lives, … */
    uint32_t other;     /* … and perhaps another; 0: none */
    uint32_t last;      /* the greatest number so far */
    uint32_t n_failing; /* of ten attempts */
    uint32_t n_chained;
    uint32_t n_given_back;
    bool has_ended[TASKS_MAX];
};

static bool is_empty(const struct line *l)
{
    return l->first == l->end;
}

static void put(struct line *l, const struct item *item)
{
    assert_true(l->end < LINE_MAX);
    l->each[l->end++] = *item;
}

static struct item *take(struct line *l)
{
    return &l->each[l->first++];
}

/* ---- the worker ---- */

static bool can_resolve(const struct host *h, const struct item *call)
{
    for (uint32_t i = 0; i < call->n_owed; i++)
        if (h->kept[call->owed[i].task] != call->owed[i].attempt)
            return false;
    return true;
}

static void say(struct host *h, enum what what, const struct item *call, bool went_well)
{
    put(&h->from, &(struct item){.what = what, .task = call->task, .attempt = call->attempt, .went_well = went_well});
}

static void run_next(struct world *w, struct host *h)
{
    struct item *call = take(&h->queue);

    if (!can_resolve(h, call)) {
        w->n_given_back++;
        say(h, RETURNED, call, false);
        return;
    }
    bool went_well = (uint32_t)rand() % 10 >= w->n_failing;

    if (went_well)
        h->kept[call->task] = call->attempt;
    say(h, ENDED, call, went_well);
    if (rand() % 30 == 0)
        memset(h->kept, 0, sizeof(h->kept)); /* there was too much of it */
}

static void give_one_back(struct host *h, const struct item *recall)
{
    struct line rest = {.first = 0};

    while (!is_empty(&h->queue)) {
        struct item *call = take(&h->queue);

        if (call->task == recall->task && call->attempt == recall->attempt)
            say(h, RETURNED, call, false);
        else
            put(&rest, call);
    }
    h->queue = rest;
}

static void hear_manager(struct host *h)
{
    struct item *item = take(&h->to);

    if (item->what == SEND)
        put(&h->queue, item);
    else
        give_one_back(h, item);
}

/* ---- the manager ---- */

static void send(struct world *w, const struct placement *p)
{
    const struct graph *g = w->f.graph;
    struct item call = {.what = SEND, .task = p->task, .attempt = p->attempt};

    for (uint64_t i = g->parent_first[p->task]; i < g->parent_first[p->task + 1]; i++) {
        task_id parent = g->parents[i];
        enum task_state state = sched_state(w->f.sched, parent);

        if (state == STATE_SENT) {
            assert_int_equal(w->other, 0);
            call.owed[call.n_owed].task = parent;
            call.owed[call.n_owed++].attempt = sched_attempt(w->f.sched, parent);
        } else {
            assert_true(state == STATE_DONE ||
                        (state == STATE_FAILED && g->policies[g->tasks[parent].policy].may_fail));
        }
    }
    assert_int_equal(call.n_owed > 0, sched_is_chained(w->f.sched, p->task));
    w->n_chained += call.n_owed > 0;
    put(&w->hosts[p->worker].to, &call);
}

static void feed(struct world *w, uint32_t worker)
{
    uint32_t first = sched_n_in_batch(w->f.sched, worker), n = sched_next_in_batch(w->f.sched, worker, UINT32_MAX);
    struct placement p;

    for (uint32_t i = first; i < first + n; i++) {
        p = sched_placement_in_batch(w->f.sched, worker, i);
        send(w, &p);
    }
    while (sched_next_chained(w->f.sched, worker, &p))
        send(w, &p);
}

static void recall(struct world *w, uint32_t worker, uint32_t first, uint32_t n)
{
    while (n-- > 0) {
        task_id task = sched_in_batch(w->f.sched, worker, first + n);

        put(&w->hosts[worker].to,
            &(struct item){.what = RECALL, .task = task, .attempt = sched_attempt(w->f.sched, task)});
    }
}

static void start_what_fits(struct world *w)
{
    uint32_t worker, first, n;
    struct placement p;

    while (sched_next(w->f.sched, &p))
        send(w, &p);
    feed(w, w->worker);
    if (w->other != 0)
        feed(w, w->other);
    if (sched_find_batch_recall(w->f.sched, &worker, &first, &n))
        recall(w, worker, first, n);
}

static void hear_end(struct world *w, uint32_t worker, const struct item *item)
{
    /* Reports come in the order in which things were sent, less what was given back: else they would seem stale. */
    assert_int_equal(sched_task_of(w->f.sched, worker), item->task);
    assert_int_equal(sched_attempt(w->f.sched, item->task), item->attempt);
    assert_false(sched_is_chained(w->f.sched, item->task));
    assert_false(w->has_ended[item->task]);
    if (item->went_well) {
        sched_finish(w->f.sched, item->task, STATE_DONE, RUN_S);
    } else if (sched_has_retry(w->f.sched, item->task)) {
        sched_finish(w->f.sched, item->task, STATE_READY, NAN);
        return;
    } else {
        sched_finish(w->f.sched, item->task, STATE_FAILED, NAN);
    }
    w->has_ended[item->task] = true;
}

static void hear_worker(struct world *w, uint32_t worker)
{
    const struct item *item = take(&w->hosts[worker].from);

    if (item->what == ENDED)
        hear_end(w, worker, item);
    else if (sched_attempt(w->f.sched, item->task) == item->attempt)
        sched_take_back(w->f.sched, worker, item->task);
}

static void add_worker(struct world *w, uint32_t *as)
{
    *as = ++w->last;
    assert_true(*as < WORKERS_MAX);
    assert_true(sched_add_worker(w->f.sched, *as, *as - 1, 0));
}

static void lose_worker(struct world *w, uint32_t *lost)
{
    struct host *h = &w->hosts[*lost];
    task_id task;

    if (!is_empty(&h->queue) && rand() % 2)
        sched_blame(w->f.sched, *lost, h->queue.each[h->queue.first].task);
    task = sched_task_of(w->f.sched, *lost);
    sched_lose_worker(w->f.sched, *lost);
    if (task != TASK_NONE && sched_state(w->f.sched, task) == STATE_FAILED)
        w->has_ended[task] = true;
    *h = (struct host){.kept = {0}};
}

/* ---- what must hold ---- */

static void check_states(const struct world *w)
{
    const struct graph *g = w->f.graph;

    for (task_id t = 0; t < g->n_tasks; t++) {
        enum task_state state = sched_state(w->f.sched, t);
        bool is_open = false, is_given_up = false;

        for (uint64_t i = g->parent_first[t]; i < g->parent_first[t + 1]; i++) {
            enum task_state parent = sched_state(w->f.sched, g->parents[i]);
            bool may_fail = g->policies[g->tasks[g->parents[i]].policy].may_fail;

            is_open |= parent < STATE_DONE;
            is_given_up |= parent == STATE_SKIPPED || (parent == STATE_FAILED && !may_fail);
        }
        assert_int_equal(state == STATE_SKIPPED, is_given_up);
        assert_true(state != STATE_BLOCKED || is_open);
        assert_true(state != STATE_READY || !is_open);
        assert_true(state != STATE_DONE || !is_open);
        assert_true(state != STATE_SENT || is_open == sched_is_chained(w->f.sched, t));
        assert_int_equal(w->has_ended[t], state == STATE_DONE || state == STATE_FAILED);
    }
    assert_false(sched_is_stuck(w->f.sched));
}

static void check_told(const struct world *w)
{
    uint32_t n_told = 0;
    task_id task, cause;
    bool not_needed;

    while (sched_next_skipped(w->f.sched, &task, &cause, &not_needed)) {
        assert_int_equal(sched_state(w->f.sched, task), STATE_SKIPPED);
        assert_int_equal(sched_state(w->f.sched, cause), STATE_FAILED);
        n_told++;
    }
    assert_int_equal(n_told, sched_count(w->f.sched, STATE_SKIPPED));
}

static bool can_move(const struct host *h)
{
    return !is_empty(&h->to) || !is_empty(&h->from) || !is_empty(&h->queue);
}

static void move(struct world *w, uint32_t worker)
{
    struct host *h = &w->hosts[worker];

    switch (rand() % 3) {
    case 0:
        if (!is_empty(&h->to))
            hear_manager(h);
        break;
    case 1:
        if (!is_empty(&h->queue))
            run_next(w, h);
        break;
    default:
        if (is_empty(&h->from))
            break;
        for (int n = rand() % 4; n >= 0 && !is_empty(&h->from); n--)
            hear_worker(w, worker);
        check_states(w);
        start_what_fits(w);
        check_states(w);
    }
}

static void change_workers(struct world *w)
{
    if (rand() % 2 == 0)
        recall(w, w->worker, 0, sched_n_in_batch(w->f.sched, w->worker));
    if (w->last + 2 >= WORKERS_MAX)
        return;
    if (w->other == 0) {
        add_worker(w, &w->other);
    } else {
        uint32_t lost = w->worker;

        w->worker = w->other;
        w->other = 0;
        lose_worker(w, &lost);
    }
    check_states(w);
    start_what_fits(w);
}

static struct graph *make_graph(int n_tasks, int n_before)
{
    struct buffer text = BUFFER_EMPTY;
    struct graph *g;

    for (int i = 0; i < n_tasks; i++) {
        buffer_printf(&text, "t%d call retries=%d%s", i, rand() % 2, rand() % 8 == 0 ? " may_fail" : "");
        buffer_printf(&text, i > 0 ? " :" : "");
        for (int k = i > 0 ? rand() % PARENTS_MAX : 0; k > 0; k--)
            buffer_printf(&text, " t%d", i - 1 - rand() % (i < n_before ? i : n_before));
        buffer_printf(&text, "\n");
    }
    buffer_put_u8(&text, 0);
    g = graph_from_text(text.bytes);
    buffer_release(&text);
    return g;
}

static void begin_world(struct world *w, struct graph *g, uint32_t n_failing)
{
    *w = (struct world){.f = {.graph = g, .sched = sched_new(g)}, .n_failing = n_failing};
    w->hosts = calloc(WORKERS_MAX, sizeof(*w->hosts));
    for (uint32_t node = 0; node < WORKERS_MAX; node++)
        sched_add_node(w->f.sched, node, &(struct sched_node){.memory_bytes = 1});
    add_worker(w, &w->worker);
    sched_begin(w->f.sched);
    start_what_fits(w);
}

/* So many were chained and given back. */
static uint32_t run_rounds(int n_rounds, uint32_t n_failing, bool changes_workers, uint32_t *n_given_back)
{
    uint32_t n_chained = 0;

    for (int round = 0; round < n_rounds; round++) {
        struct graph *g = make_graph(1 + rand() % TASKS_MAX, 1 + rand() % 12);
        struct world w;

        begin_world(&w, g, n_failing);
        while (!sched_is_over(w.f.sched)) {
            assert_true(can_move(&w.hosts[w.worker]) || (w.other != 0 && can_move(&w.hosts[w.other])));
            move(&w, w.other != 0 && rand() % 2 ? w.other : w.worker);
            if (changes_workers && rand() % 40 == 0)
                change_workers(&w);
        }
        check_states(&w);
        check_told(&w);
        n_chained += w.n_chained;
        *n_given_back += w.n_given_back;
        free(w.hosts);
        end(&w.f);
    }
    return n_chained;
}

static void test_all_end_in_order_when_nothing_goes_wrong(void **state)
{
    uint32_t n_given_back = 0;

    (void)state;
    srand(21);
    assert_true(run_rounds(200, 0, false, &n_given_back) > 1000);
}

static void test_who_follows_a_failure_is_skipped_or_waits_for_the_next_try(void **state)
{
    uint32_t n_given_back = 0;

    (void)state;
    srand(22);
    assert_true(run_rounds(400, 2, false, &n_given_back) > 1000);
    assert_true(n_given_back > 100);
}

static void test_who_follows_somewhere_is_blocked_again_when_that_is_lost(void **state)
{
    uint32_t n_given_back = 0;

    (void)state;
    srand(23);
    assert_true(run_rounds(400, 0, true, &n_given_back) > 1000);
    assert_true(run_rounds(400, 1, true, &n_given_back) > 1000);
}

/* ---- by hand ---- */

/* Functions of which one has run, so that they are known to be short. */
static struct fixture begin_known(const char *text, const char *slots_of_nodes)
{
    struct fixture f = begin(text, slots_of_nodes);

    expect_next(&f, "first");
    finish_after(&f, "first", RUN_S);
    return f;
}

static void expect_chained(struct fixture *f, const char *id)
{
    struct placement p;

    assert_true(sched_next_chained(f->sched, 1, &p));
    assert_string_equal(f->graph->tasks[p.task].id, id);
    assert_true(p.worker == 1 && p.attempt == 1);
    assert_true(sched_is_chained(f->sched, p.task));
}

static void expect_none_chained(struct fixture *f)
{
    struct placement p;

    assert_false(sched_next_chained(f->sched, 1, &p));
}

static void test_a_chain_goes_behind_its_first_link(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nb call : a\nc call : b\nd call : a c", "1");

    (void)state;
    expect_next(&f, "a");
    expect_chained(&f, "b");
    expect_chained(&f, "c");
    expect_chained(&f, "d");
    expect_none_chained(&f);
    finish_after(&f, "a", RUN_S);
    assert_false(sched_is_chained(f.sched, id_of(&f, "b")));
    finish_after(&f, "b", RUN_S);
    finish_after(&f, "c", RUN_S);
    finish_after(&f, "d", RUN_S);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_nothing_is_chained_where_somebody_else_could_take_it(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nb call : a", "2");

    (void)state;
    expect_next(&f, "a");
    expect_none_chained(&f);
    end(&f);
}

static void test_nothing_is_chained_while_something_is_ready(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nr call cores=1 mem=1\nb call : a", "1");

    (void)state;
    expect_next(&f, "a");
    expect_none_chained(&f);
    end(&f);
}

static void test_conditions_commands_and_other_needs_are_not_chained(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nb : a\nc call mem=1 : a\nd call : a b", "1"), g;

    (void)state;
    expect_next(&f, "a");
    expect_none_chained(&f);
    end(&f);
    g = begin_known("first call prio=9\na call\nb call : any:a", "1");
    expect_next(&g, "a");
    expect_none_chained(&g);
    end(&g);
}

static void test_what_a_hook_is_asked_about_is_not_chained(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nb call : a", "1");

    (void)state;
    sched_hold_ready(f.sched);
    expect_next(&f, "a");
    expect_none_chained(&f);
    end(&f);
}

static void test_a_failure_skips_all_behind_it_at_once(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call\nb call : a\nc call : b\nx call", "1");

    (void)state;
    expect_next(&f, "a");
    assert_int_equal(sched_next_in_batch(f.sched, 1, UINT32_MAX), 1);
    expect_chained(&f, "b");
    expect_chained(&f, "c");
    finish(&f, "a", STATE_FAILED);
    expect_skipped(&f, "b", "a");
    expect_skipped(&f, "c", "a");
    assert_int_equal(sched_task_of(f.sched, 1), id_of(&f, "x")); /* which stood between them */
    assert_int_equal(sched_n_in_batch(f.sched, 1), 0);
    assert_false(sched_take_back(f.sched, 1, id_of(&f, "b"))); /* the worker's word of it comes late */
    finish_after(&f, "x", RUN_S);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

static void test_who_is_given_back_waits_as_before(void **state)
{
    struct fixture f = begin_known("first call prio=9\na call retries=1\nb call : a", "1");

    (void)state;
    expect_next(&f, "a");
    expect_chained(&f, "b");
    finish(&f, "a", STATE_READY);
    assert_true(sched_take_back(f.sched, 1, id_of(&f, "b")));
    assert_int_equal(state_of(&f, "b"), STATE_BLOCKED);
    assert_int_equal(sched_attempt(f.sched, id_of(&f, "b")), 0);
    expect_next(&f, "a");
    expect_chained(&f, "b");
    finish_after(&f, "a", RUN_S);
    finish_after(&f, "b", RUN_S);
    assert_true(sched_is_over(f.sched));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_goes_behind_its_first_link),
        cmocka_unit_test(test_nothing_is_chained_where_somebody_else_could_take_it),
        cmocka_unit_test(test_nothing_is_chained_while_something_is_ready),
        cmocka_unit_test(test_conditions_commands_and_other_needs_are_not_chained),
        cmocka_unit_test(test_what_a_hook_is_asked_about_is_not_chained),
        cmocka_unit_test(test_a_failure_skips_all_behind_it_at_once),
        cmocka_unit_test(test_who_is_given_back_waits_as_before),
        cmocka_unit_test(test_all_end_in_order_when_nothing_goes_wrong),
        cmocka_unit_test(test_who_follows_a_failure_is_skipped_or_waits_for_the_next_try),
        cmocka_unit_test(test_who_follows_somewhere_is_blocked_again_when_that_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
