/* A workflow that is built in C gets all that another one has. First it is found out whether that can be had, which
 * changes neither; then the dags are united, which is refused whole; what is left cannot fail. */
#include "base/alloc.h"
#include "ganger_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct merge
{
    struct ganger_workflow *w;
    struct ganger_workflow *other;
    uint32_t n_new;                /* tasks that only the other has */
    ganger_task_number *numbers;   /* what its tasks are in `w`; GANGER_NO_TASK: pruned */
    uint32_t *queues;              /* what its queues are there */
    uint32_t *named;               /* and its resources */
    struct task_amount *amounts;   /* room for those of one request */
    struct dag *dag;               /* its own, with ids and numbers that they have in `w` */
};

static void merge_init(struct merge *m, struct ganger_workflow *w, struct ganger_workflow *other)
{
    const struct graph *g = other->graph;

    *m = (struct merge){.w = w,
                        .other = other,
                        .numbers = xmalloc(((size_t)g->n_tasks + 1) * sizeof(*m->numbers)),
                        .queues = xmalloc(((size_t)g->n_queues + 1) * sizeof(*m->queues)),
                        .named = xmalloc(((size_t)g->n_named + 1) * sizeof(*m->named)),
                        .amounts = xmalloc(((size_t)g->n_named + 1) * sizeof(*m->amounts)),
                        .dag = dag_new()};
}

static void merge_release(struct merge *m)
{
    free(m->numbers);
    free(m->queues);
    free(m->named);
    free(m->amounts);
    dag_free(m->dag);
}

/* ---- can it be had? ---- */

static int match_queues(struct merge *m, struct ganger_error *err)
{
    const struct graph *ours = m->w->graph, *theirs = m->other->graph;
    uint32_t n_new = 0;

    for (uint32_t i = 0; i < theirs->n_queues; i++) {
        const struct graph_queue *q = &theirs->queues[i];

        m->queues[i] = graph_find_queue(ours, q->name);
        if (m->queues[i] == UINT32_MAX)
            m->queues[i] = ours->n_queues + n_new++;
        else if (ours->queues[m->queues[i]].tokens != q->tokens || ours->queues[m->queues[i]].is_strict != q->is_strict)
            return error_set(err, ERROR_USAGE, "both workflows have a queue \"%s\", with another budget or order; say "
                                               "the same of it in both, or call it something else in one", q->name);
    }
    return 0;
}

static int match_resources(struct merge *m, struct ganger_error *err)
{
    const struct graph *ours = m->w->graph, *theirs = m->other->graph;
    uint32_t n_new = 0;

    for (uint32_t i = 0; i < theirs->n_named; i++) {
        const struct graph_named *named = &theirs->named[i];

        m->named[i] = graph_find_named(ours, named->name);
        if (m->named[i] == UINT32_MAX)
            m->named[i] = ours->n_named + n_new++;
        else if (ours->named[m->named[i]].n != named->n || ours->named[m->named[i]].is_per_node != named->is_per_node)
            return error_set(err, ERROR_USAGE, "both workflows have a resource \"%s\", and not the same amount of it; "
                                               "say the same of it in both, or call it something else in one",
                             named->name);
    }
    return 0;
}

/* The request of a task of the other, as it is in `w`; its amounts are borrowed until the next one. */
static struct task_resources request_of(const struct merge *m, const struct task *theirs)
{
    struct task_resources r = m->other->graph->resources[theirs->resource_class];
    const struct task_amount *amounts = r.amounts;

    r.queue = m->queues[r.queue];
    r.amounts = m->amounts;
    for (uint32_t i = 0; i < r.n_amounts; i++) {
        uint32_t resource = m->named[amounts[i].resource], at = i;

        for (; at > 0 && m->amounts[at - 1].resource > resource; at--)
            m->amounts[at] = m->amounts[at - 1];
        m->amounts[at] = (struct task_amount){resource, amounts[i].n};
    }
    return r;
}

/* Which of them were rounded depends on what else their workflows have. */
static bool is_same_memory(uint64_t a, uint64_t b)
{
    return a == b || graph_round_memory(a) == b || graph_round_memory(b) == a;
}

static bool is_same_request(const struct task_resources *a, const struct task_resources *b)
{
    if (a->cores != b->cores || a->nodes != b->nodes || a->ranks != b->ranks || a->gpus != b->gpus ||
        !is_same_memory(a->memory_bytes, b->memory_bytes) || a->queue != b->queue || a->tokens != b->tokens ||
        a->n_amounts != b->n_amounts)
        return false;
    for (uint32_t i = 0; i < a->n_amounts; i++)
        if (a->amounts[i].resource != b->amounts[i].resource || a->amounts[i].n != b->amounts[i].n)
            return false;
    return true;
}

/* The policies that a workflow built in C can state. */
static bool is_same_policy(const struct task_policy *a, const struct task_policy *b)
{
    return a->priority == b->priority && a->retries == b->retries && a->timeout_s == b->timeout_s &&
           a->may_fail == b->may_fail;
}

/* NULL, or in which words two tasks differ. */
static const char *find_difference(const struct merge *m, const struct task *ours, const struct task *theirs)
{
    const struct graph *g = m->w->graph, *other = m->other->graph;
    struct task_resources request = request_of(m, theirs);

    if (ours->digest != theirs->digest)
        return "their function and payload, or command, env and cwd";
    if (ours->flags != theirs->flags)
        return "isolate or keep";
    if (!is_same_request(&g->resources[ours->resource_class], &request))
        return "their cores, GPUs, memory, resources, queue or tokens";
    if (!is_same_policy(&g->policies[ours->policy], &other->policies[theirs->policy]))
        return "priority, retries, timeout or may_fail";
    if (strcmp(g->programs[ours->program], other->programs[theirs->program]) != 0 || ours->cost_s != theirs->cost_s)
        return "program or cost";
    return NULL;
}

/* A task that has no id of its own is nobody else's. */
static int number_unnamed(struct merge *m, task_id task, struct ganger_error *err)
{
    char id[GANGER_MADE_ID_BYTES];

    m->numbers[task] = m->w->graph->n_tasks + m->n_new++;
    ganger_workflow_make_id(id, m->numbers[task]);
    if (graph_find(m->w->graph, id, strlen(id)) == TASK_NONE)
        return 0;
    return error_set(err, ERROR_USAGE, "task number %u of the one workflow has no id, and would be called \"%s\", as a "
                                       "task of the other is; give it an id", task, id);
}

static int number_named(struct merge *m, task_id task, struct ganger_error *err)
{
    const struct task *theirs = &m->other->graph->tasks[task];
    task_id ours = graph_find(m->w->graph, theirs->id, strlen(theirs->id));
    const char *difference;

    m->numbers[task] = ours != TASK_NONE ? ours : m->w->graph->n_tasks + m->n_new++;
    difference = ours != TASK_NONE ? find_difference(m, &m->w->graph->tasks[ours], theirs) : NULL;
    if (difference == NULL)
        return 0;
    return error_set(err, ERROR_USAGE, "both workflows have a task \"%s\", and it is not the same: they differ in %s; "
                                       "say the same of it in both, or give it another id in one", theirs->id,
                     difference);
}

static int number_tasks(struct merge *m, struct ganger_error *err)
{
    const struct ganger_workflow *other = m->other;

    for (task_id t = 0; t < other->graph->n_tasks; t++) {
        m->numbers[t] = GANGER_NO_TASK;
        if (ganger_workflow_is_pruned(other, t))
            continue;
        if ((other->has_made_id[t] ? number_unnamed : number_named)(m, t, err) < 0)
            return -1;
    }
    if ((uint64_t)m->w->graph->n_tasks + m->n_new > GANGER_TASKS_MAX)
        return error_set(err, ERROR_USAGE, "there would be more than %u tasks; split the workflow", GANGER_TASKS_MAX);
    if (m->w->graph->n_functions + other->graph->n_functions > UINT16_MAX)
        return error_set(err, ERROR_USAGE, "both workflows together name more than %u functions", UINT16_MAX);
    return 0;
}

/* `made` has room for one that is made. */
static const char *id_of(const struct merge *m, task_id task, char *made)
{
    if (!m->other->has_made_id[task])
        return m->other->graph->tasks[task].id;
    ganger_workflow_make_id(made, m->numbers[task]);
    return made;
}

static int add_vertex(struct merge *m, const struct dag_vertex *v, struct ganger_error *err)
{
    char made[GANGER_MADE_ID_BYTES];
    const char *id = NULL;
    void *data = NULL;
    uint32_t vertex;

    if (v->id != NULL) {
        task_id task = ganger_workflow_task_of(v);

        id = id_of(m, task, made);
        data = ganger_workflow_data_of(m->numbers[task]);
    }
    vertex = dag_add(m->dag, id, data);
    if (vertex == DAG_NONE)
        return error_set(err, ERROR_USAGE, "a task of the workflow that is merged has no id, and would be called "
                                           "\"%s\", as another one of it is; give it an id", id);
    dag_set_tag(m->dag, vertex, v->tag);
    return 0;
}

/* Its vertices and edges, in their order. */
static int copy_dag(struct merge *m, struct ganger_error *err)
{
    const struct dag *theirs = m->other->dag;

    for (uint32_t v = 0; v < theirs->n_vertices; v++)
        if (add_vertex(m, &theirs->vertices[v], err) < 0)
            return -1;
    for (uint32_t e = 0; e < theirs->n_edges; e++) {
        struct dag_parent parent = {dag_end(theirs, e, DAG_BACK), theirs->edges[e].on};

        dag_link(m->dag, dag_end(theirs, e, DAG_ON), &parent, 1, NULL); /* a dag has no cycle */
    }
    return 0;
}

/* ---- having it ---- */

static void add_queues_and_resources(const struct merge *m)
{
    struct graph *ours = m->w->graph;
    const struct graph *theirs = m->other->graph;

    for (uint32_t i = 0; i < theirs->n_queues; i++)
        graph_add_queue(ours, &theirs->queues[i]); /* not if it is there */
    for (uint32_t i = 0; i < theirs->n_named; i++)
        graph_add_named(ours, &theirs->named[i]);
}

/* Of a command. What workflow files say beside it cannot be said in C. */
static const struct task_setting *copy_setting(struct arena *text, const struct task_setting *theirs)
{
    struct task_setting *s = arena_alloc(text, sizeof(*s));

    assert(theirs->files == NULL);
    *s = *theirs;
    if (s->cwd != NULL)
        s->cwd = arena_text(text, s->cwd, strlen(s->cwd));
    s->env = arena_text(text, s->env, s->n_env_bytes);
    return s;
}

static struct task copy_task(const struct merge *m, task_id task, const char *id)
{
    const struct graph *theirs = m->other->graph;
    struct graph *g = m->w->graph;
    struct task t = theirs->tasks[task];
    struct task_resources request = request_of(m, &t);
    const char *program = theirs->programs[t.program], *function = theirs->functions[t.function];

    t.id = arena_text(&g->text, id, strlen(id));
    t.argv = arena_text(&g->text, t.argv, t.n_argv_bytes);
    if (!task_is_call(&t))
        t.setting = copy_setting(&g->text, t.setting); /* that of functions is static */
    t.resource_class = graph_intern_resources(g, &request);
    t.policy = graph_intern_policy(g, &theirs->policies[t.policy]);
    t.program = graph_intern_program(g, program, strlen(program));
    t.function = graph_intern_function(g, function, strlen(function));
    return t;
}

static void add_tasks(const struct merge *m)
{
    struct ganger_workflow *w = m->w;
    uint32_t n_before = w->graph->n_tasks;
    char made[GANGER_MADE_ID_BYTES];

    for (task_id t = 0; t < m->other->graph->n_tasks; t++) {
        struct task task;
        task_id number;

        if (m->numbers[t] == GANGER_NO_TASK || m->numbers[t] < n_before)
            continue;
        task = copy_task(m, t, id_of(m, t, made));
        number = graph_add_task(w->graph, &task);
        assert(number == m->numbers[t]);
        ganger_workflow_note_id(w, number, m->other->has_made_id[t]);
    }
}

static int merge(struct merge *m, struct ganger_error *err)
{
    if (match_queues(m, err) < 0 || match_resources(m, err) < 0 || number_tasks(m, err) < 0 || copy_dag(m, err) < 0 ||
        dag_merge(m->w->dag, m->dag, err) < 0)
        return -1;
    add_queues_and_resources(m);
    add_tasks(m);
    ganger_workflow_find_vertices(m->w);
    return 0;
}

/* Both can be asked. What is wrong with the other is wrong with the whole. */
static bool open_both(struct ganger_workflow *w, struct ganger_workflow *other)
{
    if (!ganger_workflow_open_dag(w))
        return false;
    if (!ganger_workflow_open_dag(other))
        ganger_workflow_refuse(w, "a workflow that is merged into it was refused: %s", other->err.text);
    return w->err.cause == ERROR_NONE;
}

static int merge_other(struct ganger_workflow *w, struct ganger_workflow *other, ganger_task_number *numbers,
                       struct ganger_error *err)
{
    struct merge m;
    int status;

    merge_init(&m, w, other);
    status = merge(&m, err);
    if (status == 0 && numbers != NULL)
        memcpy(numbers, m.numbers, other->graph->n_tasks * sizeof(*numbers));
    merge_release(&m);
    return status;
}

/* The union of a workflow with itself. */
static int merge_itself(const struct ganger_workflow *w, ganger_task_number *numbers)
{
    for (task_id t = 0; numbers != NULL && t < w->graph->n_tasks; t++)
        numbers[t] = ganger_workflow_is_pruned(w, t) ? GANGER_NO_TASK : t;
    return 0;
}

int ganger_workflow_merge(struct ganger_workflow *w, struct ganger_workflow *other, ganger_task_number *numbers,
                          char *why, size_t n_why)
{
    struct ganger_error err = {0};
    int status = -1;

    if (open_both(w, other))
        status = w == other ? merge_itself(w, numbers) : merge_other(w, other, numbers, &err);
    if (status < 0 && why != NULL)
        snprintf(why, n_why, "%s", err.cause != ERROR_NONE ? err.text : w->err.text);
    return status;
}
