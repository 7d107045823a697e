/* What tests/cli/t05*.sh run: a program of a user of libganger, with functions that do what functions may do.
 *
 *     program run [-- N [SHAPE]]: N tasks as SHAPE: squares (their sum in the task "sum"), chain, spread, order, sizes,
 *     changed, merged, cyclic, counted */
#include "ganger.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number_of(const struct ganger_call *call)
{
    size_t n;

    return atoi(ganger_call_payload(call, &n));
}

static int square(struct ganger_call *call)
{
    return ganger_call_printf(call, "%d", number_of(call) * number_of(call)) < 0;
}

static int sum(struct ganger_call *call)
{
    long total = 0;
    size_t n;

    for (size_t i = 0; i < ganger_call_n_dependencies(call); i++) {
        const char *text = ganger_call_dependency(call, i, &n);

        total += text != NULL ? atol(text) : 0;
    }
    return ganger_call_printf(call, "%ld", total) < 0;
}

/* The results of its dependencies in their order, "-" for none. */
static int join(struct ganger_call *call)
{
    size_t n;

    for (size_t i = 0; i < ganger_call_n_dependencies(call); i++) {
        const char *text = ganger_call_dependency(call, i, &n);

        if (ganger_call_printf(call, "%s%s", i > 0 ? " " : "", text != NULL ? text : "-") < 0)
            return 1;
    }
    return 0;
}

static int echo(struct ganger_call *call)
{
    size_t n;
    const void *payload = ganger_call_payload(call, &n);

    return ganger_call_return(call, payload, n) < 0;
}

static int nothing(struct ganger_call *call)
{
    (void)call;
    return 0;
}

static int refuse(struct ganger_call *call)
{
    return ganger_call_fail(call, "no luck with %s", ganger_call_id(call)) + 2;
}

/* At its first attempt only. */
static int crash(struct ganger_call *call)
{
    if (number_of(call) > 1 || (number_of(call) == 1 && ganger_call_attempt(call) == 1))
        abort();
    return ganger_call_printf(call, "attempt %u", ganger_call_attempt(call)) < 0;
}

static int nap(struct ganger_call *call)
{
    usleep((useconds_t)number_of(call) * 1000);
    return 0;
}

/* Holds so many MiB for half a second. */
static int hold(struct ganger_call *call)
{
    size_t n_bytes = (size_t)number_of(call) << 20;
    char *bytes = malloc(n_bytes);

    for (size_t i = 0; bytes != NULL && i < n_bytes; i += 512)
        bytes[i] = (char)i;
    usleep(500000);
    for (size_t i = 0; bytes != NULL && i < n_bytes; i += 512) /* so that nothing of it is left out */
        if (bytes[i] != (char)i)
            return 1;
    free(bytes);
    return bytes == NULL;
}

/* At its first attempt it dies. */
static int crash_or_hold(struct ganger_call *call)
{
    if (ganger_call_attempt(call) == 1)
        abort();
    return hold(call);
}

/* Adds one that holds more than it asks for. */
static int add_greedy(struct ganger_call *call)
{
    return ganger_call_add(call, &(struct ganger_task){.id = "greedy",
                                                       .function = "hold",
                                                       .payload = "200",
                                                       .n_payload_bytes = 3,
                                                       .isolate = true,
                                                       .memory_bytes = 50 << 20}) == GANGER_NO_TASK;
}

static int leave(struct ganger_call *call)
{
    exit(number_of(call));
}

static int say_pid(struct ganger_call *call)
{
    printf("hello from %s\n", ganger_call_id(call));
    return ganger_call_printf(call, "%d", (int)getpid()) < 0;
}

/* So many bytes, each the last digit of its place. */
static int fill(struct ganger_call *call)
{
    size_t n = (size_t)number_of(call);
    char *room = ganger_call_reserve(call, n);

    for (size_t i = 0; room != NULL && i < n; i++)
        room[i] = (char)('0' + i % 10);
    return 0;
}

/* Are the bytes of `fill` all there? */
static int check(struct ganger_call *call)
{
    size_t n;
    const char *bytes = ganger_call_dependency(call, 0, &n);

    for (size_t i = 0; bytes != NULL && i < n; i++)
        if (bytes[i] != (char)('0' + i % 10))
            return ganger_call_fail(call, "byte %zu is wrong", i);
    return bytes == NULL ? ganger_call_fail(call, "nothing came") : ganger_call_printf(call, "%zu", n) < 0;
}

static int count(struct ganger_call *call)
{
    int *calls = ganger_call_data(call);

    __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
    return 0;
}

/* What its task holds, what its thread may use, and what the environment says: "cores:slots:gpus:cpus:GANGER_GPUS". */
static int say_place(struct ganger_call *call)
{
    const uint16_t *slots;
    const char *gpus = getenv("GANGER_GPUS");
    cpu_set_t cpus;
    uint32_t n;

    usleep(2000); /* longer than what runs in place */
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
        return 1;
    ganger_call_printf(call, "%u:", ganger_call_n_cores(call));
    slots = ganger_call_slots(call, &n);
    for (uint32_t i = 0; i < n; i++)
        ganger_call_printf(call, "%s%u", i > 0 ? "," : "", slots[i]);
    ganger_call_printf(call, ":");
    for (uint32_t i = 0; ganger_call_gpu(call, i) != NULL; i++)
        ganger_call_printf(call, "%s%s", i > 0 ? "," : "", ganger_call_gpu(call, i));
    return ganger_call_printf(call, ":%d:%s", CPU_COUNT(&cpus), gpus != NULL ? gpus : "-") < 0;
}

static ganger_task_number add_call(struct ganger_call *call, const char *id, const char *function, const char *payload)
{
    static const ganger_task_number after = GANGER_THIS_CALL;

    return ganger_call_add(call, &(struct ganger_task){.id = id,
                                                       .function = function,
                                                       .payload = payload,
                                                       .n_payload_bytes = strlen(payload),
                                                       .after = &after,
                                                       .n_after = 1});
}

/* Adds two like itself, until it is at depth 0: "ID.0" and "ID.1". */
static int grow(struct ganger_call *call)
{
    const char *ms = getenv("GROW_MS");
    char below[16];

    snprintf(below, sizeof(below), "%d", number_of(call) - 1);
    for (int i = 0; number_of(call) > 0 && i < 2; i++)
        add_call(call, NULL, "grow", below);
    if (ms != NULL)
        usleep((useconds_t)atoi(ms) * 1000);
    return ganger_call_printf(call, "%d", number_of(call)) < 0;
}

/* Adds parts, and who gathers them and this call's own result. */
static int scatter(struct ganger_call *call)
{
    ganger_task_number after[9] = {GANGER_THIS_CALL};
    int n = number_of(call);
    char text[16];

    for (int i = 0; i < n && i < 8; i++) {
        snprintf(text, sizeof(text), "%d", i);
        after[i + 1] = ganger_call_add(
            call, &(struct ganger_task){.function = "square", .payload = text, .n_payload_bytes = strlen(text)});
    }
    ganger_call_add(call, &(struct ganger_task){.id = "gathered", .function = "sum", .after = after,
                                                .n_after = (size_t)n + 1});
    return ganger_call_printf(call, "%d", 1000) < 0;
}

/* What it adds does what the environment says. */
static int vary(struct ganger_call *call)
{
    const char *number = getenv("VARY");

    return number == NULL || add_call(call, "varied", "square", number) == GANGER_NO_TASK;
}

/* At its first attempt it adds a task, and fails. */
static int add_and_fail(struct ganger_call *call)
{
    add_call(call, NULL, "nothing", "");
    return ganger_call_attempt(call) == 1;
}

/* At its first attempt it adds a task, and dies. */
static int add_and_crash(struct ganger_call *call)
{
    add_call(call, NULL, "nothing", "");
    if (ganger_call_attempt(call) == 1)
        abort();
    return 0;
}

/* Tasks that wait for what has failed, "bad", and for what is added here and fails. */
static int add_menders(struct ganger_call *call)
{
    static const char *const ids[] = {"bad", NULL}, *const early[] = {"early", NULL};
    static const enum ganger_condition any = GANGER_ON_ANY, notok = GANGER_ON_NOTOK;
    ganger_task_number fails = add_call(call, "fails", "refuse", "");

    ganger_call_add(call, &(struct ganger_task){.id = "mends", .function = "join", .after_ids = ids,
                                                .after_ids_on = &notok});
    ganger_call_add(call, &(struct ganger_task){.id = "whatever", .function = "join", .after_ids = ids,
                                                .after_ids_on = &any});
    ganger_call_add(call, &(struct ganger_task){.id = "skipped", .function = "join", .after_ids = ids});
    ganger_call_add(call, &(struct ganger_task){.id = "needless", .function = "join", .after_ids = early,
                                                .after_ids_on = &notok});
    ganger_call_add(call, &(struct ganger_task){.id = "late", .function = "join", .after = &fails, .n_after = 1,
                                                .after_on = &notok});
    ganger_call_add(call, &(struct ganger_task){.id = "too-late", .function = "join", .after = &fails, .n_after = 1});
    return 0;
}

/* What it is told to do wrong. */
static int add_wrongly(struct ganger_call *call)
{
    size_t n;
    const char *how = ganger_call_payload(call, &n);
    const char *const after[] = {strcmp(how, "\"late\"") == 0 ? "early" : "nobody", NULL};

    add_call(call, "fine", "nothing", "");
    if (strcmp(how, "\"taken\"") == 0)
        add_call(call, "early", "nothing", "");
    else if (strcmp(how, "\"twice\"") == 0)
        add_call(call, "fine", "nothing", "");
    else if (strcmp(how, "\"unknown\"") == 0)
        add_call(call, "other", "no-such", "");
    else if (strcmp(how, "\"vast\"") == 0)
        ganger_call_add(call, &(struct ganger_task){.id = "vast", .function = "nothing", .cores = 4096});
    else if (strcmp(how, "\"fail\"") == 0)
        return 3;
    else
        ganger_call_add(call, &(struct ganger_task){.id = "waits", .function = "nothing", .after_ids = after});
    return 0;
}

static const struct ganger_function functions[] = {
    {"grow", grow, 0},
    {"grow_alone", grow, GANGER_ISOLATE},
    {"scatter", scatter, 0},
    {"vary", vary, 0},
    {"add_and_fail", add_and_fail, 0},
    {"add_and_crash", add_and_crash, 0},
    {"add_wrongly", add_wrongly, 0},
    {"add_menders", add_menders, 0},
    {"square", square, 0},
    {"sum", sum, 0},
    {"join", join, 0},
    {"echo", echo, 0},
    {"nothing", nothing, 0},
    {"refuse", refuse, 0},
    {"crash", crash, 0},
    {"nap", nap, 0},
    {"hold", hold, 0},
    {"hold_alone", hold, GANGER_ISOLATE},
    {"crash_or_hold", crash_or_hold, 0},
    {"add_greedy", add_greedy, 0},
    {"leave", leave, 0},
    {"say_pid", say_pid, 0},
    {"say_place", say_place, 0},
    {"say_place_alone", say_place, GANGER_ISOLATE},
    {"alone", say_pid, GANGER_ISOLATE},
    {"fill", fill, 0},
    {"check", check, 0},
    {"count", count, 0},
    {NULL, NULL, 0},
};

static void add_squares(struct ganger_workflow *w, int n, bool has_sum)
{
    ganger_task_number *all = calloc((size_t)n, sizeof(*all));

    for (int i = 0; i < n; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        all[i] = ganger_workflow_add(
            w, &(struct ganger_task){.function = "square", .payload = text, .n_payload_bytes = strlen(text)});
    }
    if (has_sum)
        ganger_workflow_add(
            w, &(struct ganger_task){.id = "sum", .function = "sum", .after = all, .n_after = (size_t)n});
    free(all);
}

static void add_chain(struct ganger_workflow *w, int n)
{
    ganger_task_number last = 0;

    for (int i = 0; i < n; i++)
        last = ganger_workflow_add(w, &(struct ganger_task){.function = "nothing", .after = &last, .n_after = i > 0});
}

static ganger_task_number add_echo(struct ganger_workflow *w, const char *text)
{
    return ganger_workflow_add(
        w, &(struct ganger_task){.id = text, .function = "echo", .payload = text, .n_payload_bytes = strlen(text)});
}

/* Dependencies in an order that is not that of the tasks, one of them a command, one that failed. */
static void add_order(struct ganger_workflow *w)
{
    static const char *const command[] = {"true", NULL};
    ganger_task_number parts[4], joined;

    parts[0] = add_echo(w, "c");
    parts[1] = add_echo(w, "a");
    parts[2] = ganger_workflow_add(w, &(struct ganger_task){.id = "k", .command = command});
    parts[3] = ganger_workflow_add(w, &(struct ganger_task){.id = "b", .function = "refuse", .may_fail = true});
    joined = ganger_workflow_add(
        w, &(struct ganger_task){.id = "joined", .function = "join", .after = &parts[1], .n_after = 1});
    ganger_workflow_add_dependency(w, parts[2], joined, GANGER_ON_OK);
    ganger_workflow_add_dependency(w, parts[0], joined, GANGER_ON_OK);
    ganger_workflow_add_dependency(w, parts[1], joined, GANGER_ON_ANY); /* said again: counts once */
    ganger_workflow_add_dependency(w, parts[3], joined, GANGER_ON_ANY);
}

/* All sizes around the limits. */
static void add_sizes(struct ganger_workflow *w)
{
    static const char *const sizes[] = {"0", "1", "4095", "4096", "4097", "65535", "65536"};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        ganger_task_number made = ganger_workflow_add(
            w, &(struct ganger_task){.function = "fill", .payload = sizes[i], .n_payload_bytes = strlen(sizes[i])});

        ganger_workflow_add(
            w, &(struct ganger_task){.id = sizes[i], .function = "check", .after = &made, .n_after = 1});
    }
}

/* Two, of which a third hears when what stands between them is taken out; and one
 * that would mend things if the first failed, because of an update. */
static void add_changed(struct ganger_workflow *w)
{
    static const enum ganger_condition notok = GANGER_ON_NOTOK;
    ganger_task_number ends[2], middle, mends;

    ends[0] = add_echo(w, "b");
    ends[1] = add_echo(w, "a");
    middle = ganger_workflow_add(w, &(struct ganger_task){.function = "nothing", .after = ends, .n_after = 2});
    ganger_workflow_add(w, &(struct ganger_task){.id = "joined", .function = "join", .after = &middle, .n_after = 1});
    ganger_workflow_prune(w, &middle, 1);
    mends = ganger_workflow_add(w, &(struct ganger_task){.id = "mends", .function = "nothing"});
    ganger_workflow_update(w, mends, &ends[0], &notok, 1, NULL, 0);
}

static void add_unnamed_echo(struct ganger_workflow *w, const char *text)
{
    ganger_workflow_add(
        w, &(struct ganger_task){.function = "echo", .payload = text, .n_payload_bytes = strlen(text)});
}

static ganger_task_number add_named(struct ganger_workflow *w, const char *id, const char *after)
{
    const char *const ids[] = {after, NULL};

    return ganger_workflow_add(
        w, &(struct ganger_task){.id = id, .function = "join", .after_ids = after != NULL ? ids : NULL});
}

/* Two parts: what both have gathers the results of both; what has no id is of one alone. The second one may wait for
 * what waits for it: that is refused, and the program goes on without. */
static void add_merged(struct ganger_workflow *w, bool is_cyclic)
{
    struct ganger_workflow *part = ganger_workflow_new();
    char why[256];

    add_unnamed_echo(w, "ours");
    add_named(w, "gathered", "task-0");
    add_named(w, "last", "gathered");
    add_unnamed_echo(part, "theirs");
    add_named(part, "last", is_cyclic ? NULL : "task-0");
    add_named(part, "gathered", is_cyclic ? "last" : "task-0");
    if (ganger_workflow_merge(w, part, NULL, why, sizeof(why)) < 0)
        fprintf(stderr, "without the second part: %s\n", why);
    ganger_workflow_free(part);
}

static void add_counted(struct ganger_workflow *w, int n)
{
    for (int i = 0; i < n; i++)
        ganger_workflow_add(w, &(struct ganger_task){.function = "count"});
}

static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    const char *shape = argc > 2 ? argv[2] : "squares";
    int n = argc > 1 ? atoi(argv[1]) : 10;

    (void)data;
    if (n < 1)
        return ganger_workflow_refuse(w, "\"%s\" is no number of tasks", argv[1]);
    if (strcmp(shape, "squares") == 0)
        add_squares(w, n, true);
    else if (strcmp(shape, "spread") == 0)
        add_squares(w, n, false);
    else if (strcmp(shape, "chain") == 0)
        add_chain(w, n);
    else if (strcmp(shape, "order") == 0)
        add_order(w);
    else if (strcmp(shape, "sizes") == 0)
        add_sizes(w);
    else if (strcmp(shape, "changed") == 0)
        add_changed(w);
    else if (strcmp(shape, "merged") == 0 || strcmp(shape, "cyclic") == 0)
        add_merged(w, strcmp(shape, "cyclic") == 0);
    else if (strcmp(shape, "counted") == 0)
        add_counted(w, n);
    else
        return ganger_workflow_refuse(w, "there is no shape \"%s\"", shape);
    return 0;
}

/* Tells each task's end, and its result if that is short. */
static int finished(const struct ganger_run *run, void *data)
{
    static const char *const words[] = {"done", "failed", "skipped", "not needed", "not run"};

    (void)data;
    for (ganger_task_number t = 0; t < ganger_run_n_tasks(run); t++) {
        size_t n;
        const char *result = ganger_run_result(run, t, &n);

        if (result != NULL || ganger_run_status(run, t) != GANGER_DONE)
            printf("%s: %s %.60s\n", ganger_run_id(run, t), words[ganger_run_status(run, t)], result ? result : "-");
    }
    return getenv("FINISHED_SAYS") != NULL ? atoi(getenv("FINISHED_SAYS")) : 0;
}

int main(int argc, char **argv)
{
    static int n_calls;
    const struct ganger_program program = {
        .functions = functions, .build = build, .finished = finished, .data = &n_calls};

    return ganger_program_main(argc, argv, &program);
}
