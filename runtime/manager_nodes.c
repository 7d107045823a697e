#include "manager_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/outcome.h"
#include "io/process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMING_S 60.0   /* how long to wait for workers before a run goes on without them */
#define TEARDOWN_S 60.0 /* how long a teardown without a timeout of its own is waited for */
#define HURRIED_S 10.0  /* the same, and at most, when the run was told to end */

struct node_entry *nodes_of(struct manager *m, uint32_t worker)
{
    return &m->nodes[m->peers[worker].node];
}

void nodes_open(struct manager *m)
{
    for (uint32_t rank = 0; rank < m->comm->size; rank++)
        if (m->comm->nodes[rank] >= m->n_nodes)
            m->n_nodes = m->comm->nodes[rank] + 1;
    m->nodes = xcalloc(m->n_nodes, sizeof(*m->nodes));
    m->peers = xcalloc(m->comm->size, sizeof(*m->peers));
    m->coming_s = clock_now_s() + COMING_S;
    losses_open(m);
}

void nodes_close(struct manager *m)
{
    for (uint32_t n = 0; n < m->n_nodes; n++) {
        free(m->nodes[n].host);
        free(m->nodes[n].gpus);
        free(m->nodes[n].gpu_ids);
    }
    free(m->nodes);
    free(m->peers);
}

/* ---- coming ---- */

static void warn_of_sharing(const struct manager *m, uint32_t node, const struct hello *hello)
{
    uint32_t n_sharing = 0;

    for (uint32_t rank = 1; rank < m->comm->size; rank++)
        n_sharing += m->comm->nodes[rank] == node;
    if (n_sharing > hello->n_node_slots)
        log_warning("node %s has %u usable cores for %u workers: they share them", hello->host.bytes,
                    hello->n_node_slots, n_sharing);
}

static void note_gpus(struct node_entry *n, struct text gpus)
{
    const char *id;

    n->gpus = xmalloc(gpus.n + 1);
    memcpy(n->gpus, gpus.bytes, gpus.n);
    n->gpus[gpus.n] = '\0';
    n->gpu_ids = xcalloc(text_count_packed(gpus) + 1, sizeof(*n->gpu_ids));
    for (id = n->gpus; id < n->gpus + gpus.n; id += strlen(id) + 1)
        n->gpu_ids[n->n_gpus++] = id;
}

/* A node's first worker tells what the node has. */
static void meet_node(struct manager *m, uint32_t node, const struct hello *hello)
{
    struct node_entry *n = &m->nodes[node];

    warn_of_sharing(m, node, hello);
    n->host = xstrndup(hello->host.bytes, hello->host.n);
    n->memory_bytes = hello->memory_bytes;
    n->n_slots = hello->n_node_slots;
    if (text_count_packed(hello->gpus) != UINT32_MAX)
        note_gpus(n, hello->gpus);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_NODE_JOINED,
                                            .time_s = manager_epoch_s(m),
                                            .node = node,
                                            .n_slots = hello->n_node_slots,
                                            .n_gpus = n->n_gpus,
                                            .memory_bytes = hello->memory_bytes,
                                            .text = n->host});
}

static void welcome(struct manager *m, uint32_t worker, const struct hello *hello)
{
    const struct manager_options *o = m->o;
    struct welcome w = {
        .run_dir = {o->run_dir, (uint32_t)strlen(o->run_dir)},
        .cwd = {o->cwd, (uint32_t)strlen(o->cwd)},
        .env = {o->env, (uint32_t)o->n_env_bytes},
        .grace_s = o->grace_s,
        .clock_s = manager_epoch_s(m),
        .hello_clock_s = hello->clock_s,
        .same_clock = comm_is_near(m->comm, worker),
        .origin_s = o->origin_s,
        .manager_pid = (uint32_t)getpid(),
        .latency_wait_s = o->latency_wait_s,
        .fence_s = losses_fence_s(m),
    };

    message_begin(&m->message, MESSAGE_WELCOME, o->epoch, worker);
    message_add_welcome(&m->message, &w);
    manager_send(m, worker, false);
}

static void watch_worker(struct manager *m, uint32_t worker, pid_t pid)
{
    if (!comm_is_near(m->comm, worker) || pid == getpid())
        return;
    if (m->watch < 0)
        m->watch = process_watch_open();
    if (m->watch < 0 || process_watch_add(m->watch, pid, worker) < 0)
        log_warning("worker %u cannot be watched: if it dies, the run waits for it", worker);
    m->fds[FD_WORKERS].fd = m->watch;
}

static void admit(struct manager *m, uint32_t worker)
{
    struct peer *peer = &m->peers[worker];

    if (m->nodes[peer->node].is_set_aside)
        return;
    peer->is_admitted = sched_add_worker(m->sched, worker, peer->node, peer->slot);
    if (!peer->is_admitted)
        error_set(m->err, ERROR_SYSTEM,
                  "internal error: worker %u says that it has slot %u of node %s, which another worker has; please "
                  "report this",
                  worker, peer->slot, m->nodes[peer->node].host);
}

/* The node's workers that came while it was being set up. */
static void admit_all(struct manager *m, uint32_t node)
{
    struct sched_node has = {m->nodes[node].memory_bytes, m->nodes[node].n_gpus};

    m->nodes[node].stage = NODE_READY;
    sched_add_node(m->sched, node, &has);
    end_admit_node(m, node);
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        if (m->peers[worker].is_here && m->peers[worker].node == node)
            admit(m, worker);
}

/* Sends what the workflow runs once on a node to one of its workers. */
void nodes_send(struct manager *m, uint32_t worker, task_id what)
{
    struct node_entry *n = nodes_of(m, worker);
    struct placement p = {.task = what, .attempt = 1, .worker = worker, .node = m->peers[worker].node,
                          .n_slots = 1, .slots = &m->peers[worker].slot};

    if (what == TASK_SETUP)
        p.attempt = ++n->n_setups; /* what its attempts wrote is told apart by that */
    n->worker = worker;
    manager_send_run(m, &p, false);
}

static void begin_setup(struct manager *m, uint32_t worker)
{
    nodes_of(m, worker)->stage = NODE_SETTING_UP;
    m->n_setting_up++;
    nodes_send(m, worker, TASK_SETUP);
}

/* Its node may be new, being set up, ready, or of no use. */
static void bring_in(struct manager *m, uint32_t worker)
{
    switch (nodes_of(m, worker)->stage) {
    case NODE_UNKNOWN:
        if (m->is_stopping)
            break; /* it comes too late */
        if (m->o->graph->setup != NULL)
            begin_setup(m, worker);
        else
            admit_all(m, m->peers[worker].node);
        break;
    case NODE_READY: admit(m, worker); break;
    default: break;
    }
}

/* A rank of another program, or one that lacks a plugin, would run something else than it is told. */
static void check_functions(struct manager *m, uint32_t worker, const struct hello *hello)
{
    uint64_t ours = m->o->registry != NULL ? registry_digest(m->o->registry) : 0;
    struct buffer difference = BUFFER_EMPTY;

    if (hello->registry_digest == ours)
        return;
    registry_describe_difference(m->o->registry, hello->functions.bytes, hello->functions.n, &difference);
    error_set(m->err, ERROR_USAGE,
              "worker %u on %s has other functions than the manager (%s): start the same program, with the same "
              "--plugin, on all ranks", worker, hello->host.bytes, difference.bytes);
    buffer_release(&difference);
    manager_stop_for_error(m);
}

void nodes_hear_hello(struct manager *m, uint32_t worker, struct cursor *c)
{
    struct peer *peer = &m->peers[worker];
    struct hello hello;

    if (message_next_hello(c, &hello, m->err) < 0 || peer->has_come)
        return;
    check_functions(m, worker, &hello);
    peer->node = m->comm->nodes[worker];
    peer->slot = hello.slot;
    peer->cpu = comm_is_near(m->comm, worker) ? hello.cpu : UINT32_MAX;
    if (m->nodes[peer->node].host == NULL)
        meet_node(m, peer->node, &hello);
    peer->has_come = peer->is_here = true;
    m->n_came++;
    m->n_here++;
    watch_worker(m, worker, (pid_t)hello.pid);
    welcome(m, worker, &hello);
    event_emit(m->o->sinks, &(struct event){.kind = EVENT_WORKER_JOINED,
                                            .time_s = manager_epoch_s(m),
                                            .worker = worker,
                                            .node = peer->node,
                                            .n_slots = 1,
                                            .slots = &peer->slot});
    bring_in(m, worker);
    if (m->mode > STOP_WHEN_DONE) /* it comes to a run that ends */
        manager_tell_to_stop(m->comm, &m->message, worker, m->o->epoch, (struct stop){.mode = m->mode});
    nodes_check_placeable(m);
}

void nodes_stop_expecting(struct manager *m)
{
    if (m->n_came == 0)
        error_set(m->err, ERROR_SYSTEM, "no worker came within %g s", COMING_S);
    else
        log_warning("%u of %u workers have not come after %g s: the run goes on without them",
                    manager_n_workers(m) - m->n_came, manager_n_workers(m), COMING_S);
    m->coming_s = INFINITY;
    nodes_check_placeable(m);
    if (m->n_came > 0)
        losses_check_some_are_left(m);
}

bool nodes_are_all_here(const struct manager *m)
{
    return m->n_came == manager_n_workers(m) || isinf(m->coming_s);
}

void nodes_check_placeable(struct manager *m)
{
    struct buffer wants = BUFFER_EMPTY;
    task_id task;

    if (m->may_start || m->n_here == 0)
        return;
    task = sched_find_unplaceable(m->sched);
    m->may_start = task == TASK_NONE || task >= m->o->graph->n_sealed; /* what was added fails by itself */
    if (m->may_start || !nodes_are_all_here(m) || m->n_setting_up > 0 || m->is_stopping)
        return;
    graph_describe_resources(m->o->graph, &m->o->graph->resources[manager_task(m, task)->resource_class], &wants);
    error_set(m->err, ERROR_USAGE,
              "task \"%s\" fits on no node: it asks for %s, more than any node of this run has; ask for less, or "
              "start with more workers on a node (-n), or on other nodes",
              manager_task(m, task)->id, wants.bytes);
    buffer_release(&wants);
    manager_stop_for_error(m);
}

/* ---- setup and teardown ---- */

uint32_t nodes_find_worker_on(const struct manager *m, uint32_t node)
{
    for (uint32_t worker = 1; worker <= manager_n_workers(m); worker++)
        if (m->peers[worker].is_here && m->peers[worker].node == node)
            return worker;
    return 0;
}

static uint32_t n_usable_nodes(const struct manager *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_nodes; i++)
        n += m->nodes[i].stage != NODE_REFUSED;
    return n;
}

static bool went_well(const struct task_result *result)
{
    return result->end == TASK_EXITED && result->code == 0;
}

/* Its workers stay, and get nothing; a run that has no other node cannot go on. */
void nodes_refuse(struct manager *m, uint32_t node, const char *how)
{
    struct node_entry *n = &m->nodes[node];

    n->stage = NODE_REFUSED;
    if (n_usable_nodes(m) > 0) {
        log_warning("node.setup failed on node %s (%s): no task will run there", n->host, how);
        return;
    }
    error_set(m->err, ERROR_SYSTEM,
              "node.setup failed on node %s (%s), and there is no other node; `ganger logs RUN node.setup` shows what "
              "it wrote",
              n->host, how);
    manager_stop_for_error(m);
}

static void end_setup(struct manager *m, uint32_t worker, const struct task_result *result)
{
    uint32_t node = m->peers[worker].node;
    char how[OUTCOME_BYTES];

    m->n_setting_up--;
    if (went_well(result)) {
        admit_all(m, node);
    } else if (m->is_stopping) {
        m->nodes[node].stage = NODE_REFUSED; /* no wonder */
    } else {
        outcome_describe(result, how);
        nodes_refuse(m, node, how);
    }
    nodes_check_placeable(m);
}

void nodes_end_wait(struct manager *m, struct node_entry *n)
{
    n->stage = NODE_LEFT;
    m->n_tearing_down--;
}

static void end_teardown(struct manager *m, uint32_t worker, const struct task_result *result)
{
    struct node_entry *n = nodes_of(m, worker);
    char how[OUTCOME_BYTES];

    nodes_end_wait(m, n);
    if (went_well(result))
        return;
    outcome_describe(result, how);
    log_warning("node.teardown failed on node %s (%s)", n->host, how);
}

void nodes_hear_done(struct manager *m, uint32_t worker, const struct done *done)
{
    const struct node_entry *n = nodes_of(m, worker);
    bool is_setup = done->task == TASK_SETUP;

    if (n->worker != worker || n->stage != (is_setup ? NODE_SETTING_UP : NODE_TEARING_DOWN))
        return; /* stale */
    event_emit(m->o->sinks, &(struct event){.kind = is_setup ? EVENT_NODE_SETUP : EVENT_NODE_TEARDOWN,
                                            .time_s = manager_epoch_s(m),
                                            .task = done->task,
                                            .attempt = done->attempt,
                                            .worker = worker,
                                            .node = m->peers[worker].node,
                                            .n_slots = 1,
                                            .slots = &m->peers[worker].slot,
                                            .result = &done->result});
    if (is_setup)
        end_setup(m, worker, &done->result);
    else
        end_teardown(m, worker, &done->result);
}

bool nodes_await_teardown(const struct manager *m, uint32_t worker)
{
    enum node_stage stage = m->nodes[m->peers[worker].node].stage;

    return m->o->graph->teardown != NULL && (stage == NODE_READY || stage == NODE_SETTING_UP);
}

double nodes_hurried_teardown_s(const struct manager *m)
{
    double timeout_s = m->o->graph->policies[m->o->graph->teardown->policy].timeout_s;

    return timeout_s > 0 ? fmin(timeout_s + 2 * m->o->grace_s, HURRIED_S) : HURRIED_S;
}

static double teardown_limit_s(const struct manager *m)
{
    double timeout_s = m->o->graph->policies[m->o->graph->teardown->policy].timeout_s;
    double limit_s = timeout_s > 0 ? timeout_s + 2 * m->o->grace_s : TEARDOWN_S;

    return m->mode == STOP_WHEN_DONE ? limit_s : fmin(limit_s, HURRIED_S);
}

void nodes_begin_teardown(struct manager *m)
{
    double now_s = clock_now_s();

    for (uint32_t node = 0; m->o->graph->teardown != NULL && node < m->n_nodes; node++) {
        struct node_entry *n = &m->nodes[node];
        uint32_t worker = nodes_find_worker_on(m, node);

        if (n->stage != NODE_READY || worker == 0)
            continue;
        n->stage = NODE_TEARING_DOWN;
        m->n_tearing_down++;
        n->give_up_s = now_s + teardown_limit_s(m);
        nodes_send(m, worker, TASK_TEARDOWN);
    }
}

/* When the first teardown that is under way will be waited for no longer; INFINITY: none is. */
double nodes_deadline_s(const struct manager *m)
{
    double deadline_s = INFINITY;

    for (uint32_t node = 0; m->n_tearing_down > 0 && node < m->n_nodes; node++)
        if (m->nodes[node].stage == NODE_TEARING_DOWN)
            deadline_s = fmin(deadline_s, m->nodes[node].give_up_s);
    return deadline_s;
}

bool nodes_are_torn_down(struct manager *m)
{
    double now_s = clock_now_s();

    for (uint32_t node = 0; node < m->n_nodes; node++) {
        struct node_entry *n = &m->nodes[node];

        if (n->stage != NODE_TEARING_DOWN || now_s < n->give_up_s)
            continue;
        log_warning("node.teardown does not end on node %s: it is left", n->host);
        nodes_end_wait(m, n);
    }
    return m->n_tearing_down == 0;
}
