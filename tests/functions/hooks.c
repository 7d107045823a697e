/* What tests/cli/t0506-functions-hooks.sh and t0507-functions-add.sh run: a program with hooks, which do what a task's
 * id says, and tell what they are called for in the file that HOOKS_LOG names. */
#include "ganger.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    const char *path = getenv("HOOKS_LOG");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    va_list arguments;

    if (file == NULL)
        return;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fclose(file);
}

static int echo(struct ganger_call *call)
{
    size_t n;
    const void *payload = ganger_call_payload(call, &n);

    return ganger_call_return(call, payload, n) < 0;
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

/* Adds "late-ID", which gets its payload from `provide`. */
static int add_late(struct ganger_call *call)
{
    const ganger_task_number after = GANGER_THIS_CALL;
    char id[100];

    snprintf(id, sizeof(id), "late-%s", ganger_call_id(call));
    ganger_call_add(call, &(struct ganger_task){.id = id, .function = "echo", .after = &after, .n_after = 1});
    return ganger_call_printf(call, "mine") < 0;
}

static int refuse(struct ganger_call *call)
{
    return ganger_call_fail(call, "no luck with %s", ganger_call_id(call)) + 2;
}

/* Says where it is; at its first attempt it does not return. */
static int hang(struct ganger_call *call)
{
    note("hang %s in %d\n", ganger_call_id(call), (int)getpid());
    while (ganger_call_attempt(call) == 1)
        usleep(1000);
    return ganger_call_printf(call, "attempt %u", ganger_call_attempt(call)) < 0;
}

static void wait_for_file(const char *path)
{
    while (access(path, F_OK) != 0)
        usleep(1000);
}

/* Its payload is a path, in quotation marks. */
static int wait_for(struct ganger_call *call)
{
    size_t n;
    const char *quoted = ganger_call_payload(call, &n);
    char path[100];

    note("run %s\n", ganger_call_id(call));
    snprintf(path, sizeof(path), "%.*s", (int)n - 2, quoted + 1);
    wait_for_file(path);
    return ganger_call_printf(call, "here") < 0;
}

static const struct ganger_function functions[] = {
    {"echo", echo, 0}, {"join", join, 0}, {"add_late", add_late, 0},     {"refuse", refuse, 0},
    {"hang", hang, 0}, {"wait_for", wait_for, 0}, {NULL, NULL, 0}};

static bool is(const struct ganger_hook *hook, const char *id)
{
    return strcmp(ganger_hook_id(hook), id) == 0;
}

/* For the file "seen", when it is asked about this task: the environment says what the ids of others begin with. */
static bool is_to_wait(const struct ganger_hook *hook)
{
    const char *start = getenv("HOOKS_WAIT");

    return is(hook, "slow") || (start != NULL && strncmp(ganger_hook_id(hook), start, strlen(start)) == 0);
}

static const char *status_word(enum ganger_status status)
{
    static const char *const words[] = {"done", "failed", "skipped", "not needed", "not run"};

    return words[status];
}

/* Its payload becomes what it waits for, and how that ended. */
static void give_late(struct ganger_hook *hook)
{
    char text[200] = "";
    size_t n;

    for (size_t i = 0; i < ganger_hook_n_dependencies(hook); i++) {
        const char *result = ganger_hook_dependency_result(hook, i, &n);
        size_t at = strlen(text);

        snprintf(text + at, sizeof(text) - at, "%s:%s;", status_word(ganger_hook_dependency_status(hook, i)),
                 result != NULL ? result : "-");
    }
    if (ganger_hook_set_payload(hook, text, strlen(text)) < 0)
        note("no payload for %s\n", ganger_hook_id(hook));
}

static int provide(struct ganger_hook *hook, void *data)
{
    (void)data;
    note("provide %s\n", ganger_hook_id(hook));
    if (strncmp(ganger_hook_id(hook), "late", 4) == 0)
        give_late(hook);
    if (is(hook, "given") || is(hook, "sow-given")) {
        ganger_hook_set_result(hook, "a gift", 6);
        return GANGER_ANSWER_DONE;
    }
    if (is(hook, "stuck"))
        wait_for_file("/nowhere");
    if (is(hook, "odd"))
        return 77;
    if (is(hook, "unwanted"))
        return GANGER_ANSWER_NOT_NEEDED;
    return is(hook, "forced") ? ganger_hook_fail(hook, "it is forced to fail") : GANGER_GO_ON;
}

static void started(struct ganger_hook *hook, void *data)
{
    static const char *const command[] = {"true", NULL};
    uint32_t n_slots;

    (void)data;
    if (ganger_hook_add(hook, &(struct ganger_task){.command = command}) != GANGER_NO_TASK)
        note("started adds a task\n");
    ganger_hook_slots(hook, &n_slots);
    note("started %s %u on %u slots%s\n", ganger_hook_id(hook), ganger_hook_attempt(hook), n_slots,
         ganger_hook_worker(hook) > 0 && ganger_hook_host(hook)[0] != '\0' ? "" : ", and nowhere");
}

/* Adds an echo, who takes its result and that of the task itself, and a command that waits for the echo. */
static void sow(struct ganger_hook *hook)
{
    static const char *const command[] = {"true", NULL};
    ganger_task_number after[] = {GANGER_NO_TASK, GANGER_THIS_CALL};
    char id[100];

    snprintf(id, sizeof(id), "join-%s", ganger_hook_id(hook));
    after[0] = ganger_hook_add(
        hook, &(struct ganger_task){.function = "echo", .payload = "seed", .n_payload_bytes = 4});
    ganger_hook_add(hook, &(struct ganger_task){.id = id, .function = "join", .after = after, .n_after = 2});
    if (is(hook, "sow-badly"))
        ganger_hook_add(hook, &(struct ganger_task){.function = "no-such"});
    if (is(hook, "sow-twice") && ganger_hook_add(hook, &(struct ganger_task){.id = id, .function = "echo"}) !=
                                     GANGER_NO_TASK)
        note("the same id twice\n");
    ganger_hook_add(hook, &(struct ganger_task){.command = command, .after = after, .n_after = 1});
}

static int collect(struct ganger_hook *hook, void *data)
{
    static const char *const words[] = {"never ran", "exited", "signalled", "timed out", "ended otherwise"};
    size_t n;
    const char *result = ganger_hook_result(hook, &n);

    (void)data;
    note("collect %s %u %s %d '%s' '%s'\n", ganger_hook_id(hook), ganger_hook_attempt(hook),
         words[ganger_hook_end(hook)], ganger_hook_code(hook), result != NULL ? result : "-", ganger_hook_text(hook));
    if (getenv("HOOKS_CRASH") != NULL && is(hook, "crashed"))
        kill(getpid(), SIGKILL);
    if (is_to_wait(hook))
        wait_for_file("seen");
    if (is(hook, "stopped")) {
        note("waiting\n");
        wait_for_file("/nowhere");
    }
    if (is(hook, "again") && ganger_hook_attempt(hook) < 3) {
        ganger_hook_set_payload(hook, "once more", 9);
        return GANGER_ANSWER_AGAIN;
    }
    if (strncmp(ganger_hook_id(hook), "sow", 3) == 0 && strchr(ganger_hook_id(hook), '.') == NULL)
        sow(hook);
    if (is(hook, "ever") || (is(hook, "sow-again") && ganger_hook_attempt(hook) == 1))
        return GANGER_ANSWER_AGAIN;
    if (is(hook, "pardoned"))
        return GANGER_ANSWER_DONE;
    if (is(hook, "doubted") && ganger_hook_attempt(hook) == 1)
        return ganger_hook_fail(hook, "nobody believes it");
    return GANGER_GO_ON;
}

static void task_finished(struct ganger_hook *hook, void *data)
{
    (void)data;
    note("finished %s %s\n", ganger_hook_id(hook), status_word(ganger_hook_status(hook)));
}

static int finished(const struct ganger_run *run, void *data)
{
    (void)data;
    for (ganger_task_number t = 0; t < ganger_run_n_tasks(run); t++) {
        size_t n;
        const char *result = ganger_run_result(run, t, &n);

        printf("%s: %s %s\n", ganger_run_id(run, t), status_word(ganger_run_status(run, t)), result ? result : "-");
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct ganger_program program = {
        .functions = functions,
        .finished = finished,
        .provide = provide,
        .started = started,
        .collect = collect,
        .task_finished = task_finished,
        .again_max = 3,
    };

    return ganger_program_main(argc, argv, &program);
}
