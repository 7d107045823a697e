#include "base/alloc.h"
#include "base/utf8.h"
#include "ganger_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NAME_MAX_BYTES 255
#define CONDITIONS "GANGER_ON_OK, GANGER_ON_ANY or GANGER_ON_NOTOK"
#define ENV_SEED UINT64_C(0x656e7669726f6e)

void ganger_workflow_init(struct ganger_workflow *w)
{
    *w = (struct ganger_workflow){.graph = graph_new()};
}

void ganger_workflow_release(struct ganger_workflow *w)
{
    graph_free(w->graph);
    dag_free(w->dag);
    free(w->vertices);
    free(w->has_made_id);
    *w = (struct ganger_workflow){.graph = NULL};
}

struct ganger_workflow *ganger_workflow_new(void)
{
    struct ganger_workflow *w = xmalloc(sizeof(*w));

    ganger_workflow_init(w);
    return w;
}

void ganger_workflow_free(struct ganger_workflow *w)
{
    if (w == NULL)
        return;
    ganger_workflow_release(w);
    free(w);
}

struct graph *ganger_workflow_seal(struct ganger_workflow *w, struct ganger_error *err)
{
    struct graph *g = w->graph;

    if (w->err.cause == ERROR_NONE && g->n_tasks == 0)
        error_set(&w->err, ERROR_USAGE, "it has no tasks");
    if (w->err.cause != ERROR_NONE) {
        error_set(err, w->err.cause, "%s", w->err.text);
        return NULL;
    }
    if (graph_seal(g, err) < 0)
        return NULL;
    if (w->dag != NULL)
        ganger_workflow_apply_changes(w);
    w->graph = NULL;
    return g;
}

/* ---- errors ---- */

int ganger_workflow_refuse(struct ganger_workflow *w, const char *format, ...)
{
    char text[sizeof(w->err.text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    utf8_make_printable(text);
    return error_set(&w->err, ERROR_USAGE, "%s", text);
}

const char *ganger_workflow_error(const struct ganger_workflow *w)
{
    return w->err.cause != ERROR_NONE ? w->err.text : NULL;
}

static bool is_refused(const struct ganger_workflow *w)
{
    return w->err.cause != ERROR_NONE;
}

static int check_name(struct ganger_workflow *w, const char *what, const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > NAME_MAX_BYTES || utf8_find_control(name, n) > 0)
        return ganger_workflow_refuse(w, "%s must have 1 to %d bytes and no control characters; this one has %zu bytes",
                                      what, NAME_MAX_BYTES, n);
    return 0;
}

/* ---- parts of a task ---- */

static int read_amounts(struct ganger_workflow *w, const char *id, const struct ganger_amount *amounts,
                        struct task_resources *r, struct task_amount **list)
{
    uint32_t n = 0;

    *list = xcalloc(w->graph->n_named + 1, sizeof(**list));
    for (; amounts != NULL && amounts[n].resource != NULL; n++) {
        uint32_t resource = graph_find_named(w->graph, amounts[n].resource);
        uint32_t at = r->n_amounts;

        if (resource == UINT32_MAX)
            return ganger_workflow_refuse(w, "task \"%s\": there is no resource \"%s\"; add it first", id,
                                          amounts[n].resource);
        if (amounts[n].n > w->graph->named[resource].n)
            return ganger_workflow_refuse(w, "task \"%s\" takes %u of the resource \"%s\", more than the %u there are",
                                          id, amounts[n].n, amounts[n].resource, w->graph->named[resource].n);
        if (amounts[n].n == 0)
            continue;
        while (at > 0 && (*list)[at - 1].resource > resource)
            at--;
        if (at > 0 && (*list)[at - 1].resource == resource)
            return ganger_workflow_refuse(w, "task \"%s\" names the resource \"%s\" twice", id, amounts[n].resource);
        memmove(*list + at + 1, *list + at, (r->n_amounts - at) * sizeof(**list));
        (*list)[at] = (struct task_amount){resource, amounts[n].n};
        r->n_amounts++;
    }
    return 0;
}

static int read_queue(struct ganger_workflow *w, const char *id, const struct ganger_task *t, struct task_resources *r)
{
    if (t->queue == NULL)
        return t->tokens == 0 ? 0 : ganger_workflow_refuse(w, "task \"%s\" states tokens, and no queue", id);
    r->queue = graph_find_queue(w->graph, t->queue);
    if (r->queue == UINT32_MAX || r->queue == 0)
        return ganger_workflow_refuse(w, "task \"%s\": there is no queue \"%s\"; add it first", id, t->queue);
    r->tokens = w->graph->queues[r->queue].tokens == UINT32_MAX ? 0 : t->tokens > 0 ? t->tokens : 1;
    if (r->tokens > w->graph->queues[r->queue].tokens)
        return ganger_workflow_refuse(w, "task \"%s\" takes %u tokens of the queue \"%s\", which has %u", id, r->tokens,
                                      t->queue, w->graph->queues[r->queue].tokens);
    return 0;
}

static int read_resources(struct ganger_workflow *w, const char *id, const struct ganger_task *t, uint32_t *class)
{
    struct task_resources r = {.cores = t->cores > 0 ? t->cores : 1,
                               .nodes = 1,
                               .ranks = 1,
                               .gpus = t->gpus,
                               .memory_bytes = t->memory_bytes};
    struct task_amount *amounts = NULL;
    int status = -1;

    if (r.cores > UINT16_MAX || r.gpus > UINT16_MAX)
        ganger_workflow_refuse(w, "task \"%s\" asks for more than %d cores or GPUs of one node", id, UINT16_MAX);
    else if (read_queue(w, id, t, &r) == 0 && read_amounts(w, id, t->amounts, &r, &amounts) == 0)
        status = 0;
    r.amounts = amounts;
    if (status == 0)
        *class = graph_intern_resources(w->graph, &r);
    free(amounts);
    return status;
}

static int check_time(struct ganger_workflow *w, const char *id, const char *what, double s)
{
    if (s >= 0 && s <= 1e12)
        return 0;
    return ganger_workflow_refuse(w, "task \"%s\": %s must be seconds, not %g", id, what, s);
}

/* Texts ended by NULL, packed into the graph. */
static const char *pack(struct ganger_workflow *w, const char *const *texts, uint32_t *n, uint32_t *n_bytes)
{
    struct buffer b = BUFFER_EMPTY;
    const char *packed;

    for (*n = 0; texts != NULL && texts[*n] != NULL; ++*n)
        buffer_put(&b, texts[*n], strlen(texts[*n]) + 1);
    *n_bytes = (uint32_t)b.n;
    packed = arena_text(&w->graph->text, b.n > 0 ? b.bytes : "", b.n > 0 ? b.n - 1 : 0);
    buffer_release(&b);
    return packed;
}

static const char *program_of_command(const char *word)
{
    const char *slash = strrchr(word, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : word;
}

static int read_command(struct ganger_workflow *w, const char *id, const struct ganger_task *t, struct task *task)
{
    struct task_setting *setting = arena_alloc(&w->graph->text, sizeof(*setting));
    uint64_t digest = ENV_SEED;

    if (t->command[0] == NULL || t->command[0][0] == '\0')
        return ganger_workflow_refuse(w, "task \"%s\": its command has no words", id);
    if (t->payload != NULL || t->isolate || t->keep)
        return ganger_workflow_refuse(w, "task \"%s\": payload, isolate and keep are for functions; it has a command",
                                      id);
    *setting = (struct task_setting){.cwd = NULL};
    if (t->cwd != NULL)
        setting->cwd = arena_text(&w->graph->text, t->cwd, strlen(t->cwd));
    setting->env = pack(w, t->env, &setting->n_env, &setting->n_env_bytes);
    for (uint32_t i = 0; i < setting->n_env; i++)
        if (t->env[i][0] == '=' || strchr(t->env[i], '=') == NULL)
            return ganger_workflow_refuse(w, "task \"%s\": env must hold NAME=VALUE, not \"%s\"", id, t->env[i]);
    task->setting = setting;
    task->argv = pack(w, t->command, &task->n_argv, &task->n_argv_bytes);
    digest = XXH64(setting->env, setting->n_env_bytes, digest);
    digest = t->cwd != NULL ? XXH64(t->cwd, strlen(t->cwd), digest) : digest;
    task->digest = XXH64(task->argv, task->n_argv_bytes, digest);
    return 0;
}

static int read_function(struct ganger_workflow *w, const char *id, const struct ganger_task *t, struct task *task)
{
    static const struct task_setting none = {.cwd = NULL};

    if (check_name(w, "the name of a function", t->function) < 0)
        return -1;
    if (t->n_payload_bytes > GANGER_PAYLOAD_MAX)
        return ganger_workflow_refuse(w, "task \"%s\": its payload has %zu bytes; at most %d travel with a task: put "
                                         "it into a file", id, t->n_payload_bytes, GANGER_PAYLOAD_MAX);
    if (t->cwd != NULL || t->env != NULL)
        return ganger_workflow_refuse(w, "task \"%s\": cwd and env are for commands; it has a function", id);
    task->setting = &none;
    task->argv = arena_text(&w->graph->text, t->payload != NULL ? t->payload : "", t->n_payload_bytes);
    task->n_argv = 1;
    task->n_argv_bytes = (uint32_t)t->n_payload_bytes;
    task->function = graph_intern_function(w->graph, t->function, strlen(t->function));
    task->flags = (uint8_t)((t->isolate ? TASK_ISOLATE : 0) | (t->keep ? TASK_KEEP : 0));
    task->digest = task_digest_of_call(t->function, task->argv, t->n_payload_bytes);
    if (task->function == UINT16_MAX)
        return ganger_workflow_refuse(w, "it names more than %u functions", UINT16_MAX - 1);
    return 0;
}

static int read_body(struct ganger_workflow *w, const char *id, const struct ganger_task *t, struct task *task)
{
    const char *program;

    if ((t->function == NULL) == (t->command == NULL))
        return ganger_workflow_refuse(w, "task \"%s\" must have a function or a command%s", id,
                                      t->function != NULL ? ", not both" : "");
    if ((t->function != NULL ? read_function : read_command)(w, id, t, task) < 0)
        return -1;
    program = t->program != NULL ? t->program : t->function != NULL ? t->function : program_of_command(t->command[0]);
    if (check_name(w, "the name of a program", program) < 0)
        return -1;
    task->program = graph_intern_program(w->graph, program, strlen(program));
    return 0;
}

static int check_id(struct ganger_workflow *w, const char *id)
{
    size_t at = strcspn(id, "*?{}");

    if (check_name(w, "the id of a task", id) < 0)
        return -1;
    return id[at] == '\0' ? 0 : ganger_workflow_refuse(w, "task \"%s\": an id must not hold %c", id, id[at]);
}

int ganger_workflow_read_task(struct ganger_workflow *w, const char *id, const struct ganger_task *t,
                              struct task *task)
{
    struct task_policy policy = {.priority = t->priority,
                                 .retries = t->retries,
                                 .timeout_s = t->timeout_s,
                                 .may_fail = t->may_fail};

    if (check_id(w, id) < 0 || check_time(w, id, "the timeout", t->timeout_s) < 0 ||
        check_time(w, id, "the cost", t->cost_s) < 0 || read_body(w, id, t, task) < 0 ||
        read_resources(w, id, t, &task->resource_class) < 0)
        return -1;
    task->cost_s = (float)t->cost_s;
    task->policy = graph_intern_policy(w->graph, &policy);
    task->id = arena_text(&w->graph->text, id, strlen(id));
    return 0;
}

/* ---- adding ---- */

int ganger_workflow_refuse_condition(struct ganger_workflow *w, const char *id)
{
    return ganger_workflow_refuse(w, "task \"%s\" waits for another on a condition that is none: " CONDITIONS, id);
}

static int check_after(struct ganger_workflow *w, const char *id, const struct ganger_task *t)
{
    for (size_t i = 0; i < t->n_after; i++) {
        if (t->after[i] >= w->graph->n_tasks)
            return ganger_workflow_refuse(w, "task \"%s\" waits for task number %u, which is none so far", id,
                                          t->after[i]);
        if (!ganger_is_condition(t->after_on, i))
            return ganger_workflow_refuse_condition(w, id);
    }
    for (size_t i = 0; t->after_ids != NULL && t->after_ids[i] != NULL; i++) {
        if (ganger_workflow_find(w, t->after_ids[i]) == GANGER_NO_TASK)
            return ganger_workflow_refuse(w, "task \"%s\" waits for \"%s\", which is none so far", id,
                                          t->after_ids[i]);
        if (!ganger_is_condition(t->after_ids_on, i))
            return ganger_workflow_refuse_condition(w, id);
    }
    return 0;
}

/* A printf would cost a quarter of what it costs to add a task. */
void ganger_workflow_make_id(char *id, uint32_t number)
{
    char digits[10];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(id, "task-", 5);
    for (id += 5; n > 0; id++)
        *id = digits[--n];
    *id = '\0';
}

void ganger_workflow_note_id(struct ganger_workflow *w, task_id task, bool is_made)
{
    w->has_made_id = xgrow(w->has_made_id, task, &w->made_ids_capacity, sizeof(*w->has_made_id));
    w->has_made_id[task] = is_made;
}

ganger_task_number ganger_workflow_add(struct ganger_workflow *w, const struct ganger_task *t)
{
    struct task task = {.id = NULL};
    char made[GANGER_MADE_ID_BYTES];
    const char *id = t->id != NULL ? t->id : made;
    task_id number;

    if (is_refused(w))
        return GANGER_NO_TASK;
    if (w->graph->n_tasks >= GANGER_TASKS_MAX) {
        ganger_workflow_refuse(w, "there are more than %u tasks; split the workflow", GANGER_TASKS_MAX);
        return GANGER_NO_TASK;
    }
    if (t->id == NULL)
        ganger_workflow_make_id(made, w->graph->n_tasks);
    if (ganger_workflow_read_task(w, id, t, &task) < 0 || check_after(w, id, t) < 0)
        return GANGER_NO_TASK;
    number = graph_add_task(w->graph, &task);
    if (number == TASK_NONE) {
        ganger_workflow_refuse(w, "the id \"%s\" is taken by an earlier task; give each its own", id);
        return GANGER_NO_TASK;
    }
    ganger_workflow_note_id(w, number, t->id == NULL);
    ganger_workflow_note_task(w);
    for (size_t i = 0; i < t->n_after; i++)
        ganger_workflow_add_dependency(w, t->after[i], number, ganger_condition_of(t->after_on, i));
    for (size_t i = 0; t->after_ids != NULL && t->after_ids[i] != NULL; i++)
        ganger_workflow_add_dependency(w, ganger_workflow_find(w, t->after_ids[i]), number,
                                       ganger_condition_of(t->after_ids_on, i));
    return number;
}

void ganger_workflow_add_dependency(struct ganger_workflow *w, ganger_task_number parent, ganger_task_number child,
                                    enum ganger_condition on)
{
    if (is_refused(w))
        return;
    if (parent >= w->graph->n_tasks || child >= w->graph->n_tasks)
        ganger_workflow_refuse(w, "a dependency of task number %u on task number %u: there are %u tasks so far", child,
                               parent, w->graph->n_tasks);
    else if (!ganger_is_condition(&on, 0))
        ganger_workflow_refuse(w, "a dependency of task number %u on task number %u, on a condition that is none: "
                               CONDITIONS, child, parent);
    else if (w->dag != NULL)
        ganger_workflow_note_dependency(w, parent, child, (enum graph_condition)on);
    else
        graph_add_condition(w->graph, parent, child, (enum graph_condition)on);
}

void ganger_workflow_add_queue(struct ganger_workflow *w, const char *name, uint32_t tokens, bool is_strict)
{
    struct graph_queue queue = {.tokens = tokens > 0 ? tokens : UINT32_MAX, .is_strict = is_strict};

    if (is_refused(w) || check_name(w, "the name of a queue", name) < 0)
        return;
    queue.name = arena_text(&w->graph->text, name, strlen(name));
    if (graph_add_queue(w->graph, &queue) == UINT32_MAX)
        ganger_workflow_refuse(w, "there are two queues \"%s\"", name);
}

void ganger_workflow_add_resource(struct ganger_workflow *w, const char *name, uint32_t n, bool is_per_node)
{
    struct graph_named named = {.n = n, .is_per_node = is_per_node};

    if (is_refused(w) || check_name(w, "the name of a resource", name) < 0)
        return;
    named.name = arena_text(&w->graph->text, name, strlen(name));
    if (graph_add_named(w->graph, &named) == UINT32_MAX)
        ganger_workflow_refuse(w, "there are two resources \"%s\"", name);
}

uint32_t ganger_workflow_n_tasks(const struct ganger_workflow *w)
{
    return w->graph->n_tasks;
}

ganger_task_number ganger_workflow_find(const struct ganger_workflow *w, const char *id)
{
    task_id task = graph_find(w->graph, id, strlen(id));

    return task != TASK_NONE && ganger_workflow_is_pruned(w, task) ? GANGER_NO_TASK : task;
}

const char *ganger_workflow_id(const struct ganger_workflow *w, ganger_task_number task)
{
    return task < w->graph->n_tasks && !ganger_workflow_is_pruned(w, task) ? w->graph->tasks[task].id : NULL;
}
