#include "launch/program.h"

#include "base/alloc.h"
#include "base/file.h"
#include "core/call.h"
#include "ganger_parts.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static int add_functions(struct program *p, const struct ganger_function *functions, struct ganger_error *err)
{
    for (const struct ganger_function *f = functions; f != NULL && f->name != NULL; f++) {
        struct registry_function function = {f->name, f->body, (f->flags & GANGER_ISOLATE) != 0};

        if ((f->flags & ~GANGER_ISOLATE) != 0)
            return error_set(err, ERROR_USAGE, "the function \"%s\" has unknown flags (%#x): was the program made for "
                                               "a newer ganger?", f->name, f->flags);
        if (registry_add(&p->registry, &function, err) < 0)
            return -1;
    }
    return 0;
}

int program_open(struct program *p, const struct ganger_program *of, struct ganger_error *err)
{
    *p = (struct program){.of = of, .registry = REGISTRY_EMPTY};
    p->registry.data = of->data;
    return add_functions(p, of->functions, err);
}

void program_close(struct program *p)
{
    registry_release(&p->registry);
    free(p->plugins.each);
}

static int load_plugin(struct program *p, const char *path, struct ganger_error *err)
{
    char *file = strchr(path, '/') != NULL ? xstrdup(path) : xasprintf("./%s", path); /* no search */
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const struct ganger_function *functions = object != NULL ? dlsym(object, "ganger_plugin_functions") : NULL;
    int status = 0;

    free(file);
    if (functions == NULL)
        return error_set(err, ERROR_USAGE, "--plugin %s: %s", path,
                         object == NULL ? dlerror() : "it defines no ganger_plugin_functions: see ganger.h");
    status = add_functions(p, functions, err);
    if (status < 0)
        error_prefix(err, "--plugin %s: ", path);
    p->plugins.each = xgrow(p->plugins.each, p->plugins.n, &p->plugins.capacity, sizeof(*p->plugins.each));
    p->plugins.each[p->plugins.n++] = path;
    return status;
}

int program_load_plugins(struct program *p, const struct option_list *files, struct ganger_error *err)
{
    for (size_t i = 0; i < files->n; i++)
        if (load_plugin(p, files->each[i], err) < 0)
            return -1;
    return 0;
}

bool program_builds(const struct program *p)
{
    return p->of->build != NULL;
}

struct hooks program_hooks(const struct program *p)
{
    return (struct hooks){
        .provide = p->of->provide,
        .started = p->of->started,
        .collect = p->of->collect,
        .task_finished = p->of->task_finished,
        .again_max = p->of->again_max,
        .data = p->of->data,
    };
}

/* What a journal compares: its words, and all its tasks. */
static uint64_t digest_of(const struct graph *g)
{
    uint64_t digest = g->n_tasks;

    for (task_id t = 0; t < g->n_tasks; t++)
        if (!task_is_join(&g->tasks[t])) /* which pruning may leave */
            digest = XXH64(g->tasks[t].id, strlen(g->tasks[t].id), digest ^ g->tasks[t].digest);
    return XXH64(g->children, g->n_edges * sizeof(*g->children), digest);
}

int program_build(const struct program *p, int n_words, char **words, struct workflow *w, struct ganger_error *err)
{
    struct ganger_workflow drafted;

    ganger_workflow_init(&drafted);
    if (words == NULL) {
        n_words = p->n_words;
        words = p->words;
    }
    if (p->of->build(&drafted, n_words, words, p->of->data) != 0)
        ganger_workflow_refuse(&drafted, "the program says that it cannot be built, and not why");
    *w = (struct workflow){.graph = ganger_workflow_seal(&drafted, err)};
    ganger_workflow_release(&drafted);
    if (w->graph == NULL) {
        error_prefix(err, "the workflow that %s builds: ", words[0]);
        return -1;
    }
    w->name = file_stem(words[0]);
    w->digest = digest_of(w->graph);
    return 0;
}

char **program_helper(const struct program *p)
{
    static char self[4096], call[] = CALL_COMMAND, plugin[] = "--plugin";
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char **words = xcalloc(2 * p->plugins.n + 3, sizeof(*words)), **next = words;

    if (n <= 0) {
        free(words);
        return NULL;
    }
    *next++ = self;
    *next++ = call;
    for (size_t i = 0; i < p->plugins.n; i++) {
        *next++ = plugin;
        *next++ = (char *)(uintptr_t)p->plugins.each[i];
    }
    return words;
}
