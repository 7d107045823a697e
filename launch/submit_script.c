#include "launch/submit_parts.h"

#include "base/alloc.h"
#include "launch/template.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char local_template[] = "#!/bin/bash\n"
                                     "# Started by `ganger submit --backend local`.\n"
                                     "exec ganger run\n";

static char *read_template(struct submit *x, const char **name, struct ganger_error *err)
{
    *name = x->options->template;
    if (*name == NULL && x->backend->templates == NULL) {
        *name = "the built-in template";
        return xstrdup(local_template);
    }
    if (*name == NULL)
        *name = x->s.group.n_cores == 0 ? "whole-nodes" : x->s.group.n_nodes <= 1 ? "part-of-a-node" : "several-nodes";
    return template_read(x->backend->templates != NULL ? x->backend->templates : "",
                         x->backend->dialect != NULL ? x->backend->dialect->suffix : "", *name, err);
}

static void find_self(char self[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);

    snprintf(self + (n > 0 ? n : 0), n > 0 ? 1 : PATH_MAX, "%s", n > 0 ? "" : "ganger");
}

/* `ganger run …` as the job is to say it. The caller frees the array and its first word. */
static char **launch_words(struct submit *x)
{
    static char run[] = "run", run_dir[] = "--run-dir", resume[] = "--resume", workers[] = "--workers", count[16];
    size_t n = 0, n_words = 0;
    char **words, self[PATH_MAX];

    while (x->run_words[n_words] != NULL)
        n_words++;
    words = xcalloc(n_words + 9, sizeof(*words));
    find_self(self);
    words[n++] = xstrdup(self);
    words[n++] = run;
    words[n++] = run_dir;
    words[n++] = x->s.run;
    if (x->options->resume)
        words[n++] = resume;
    if (x->backend->describe == NULL && x->s.group.n_cores > 0) { /* no batch system tells it */
        snprintf(count, sizeof(count), "%u", x->s.group.n_cores);
        words[n++] = workers;
        words[n++] = count;
    }
    words[n++] = x->s.copy; /* tasks come behind it */
    memcpy(words + n, x->run_words, n_words * sizeof(*words));
    return words;
}

static struct text_list list_of(const struct option_list *options)
{
    struct text_list list = {NULL, 0, 0};

    for (size_t i = 0; i < options->n; i++)
        text_list_add(&list, options->each[i]);
    return list;
}

/* What one of ganger's templates says only to show how it is said: the site's own default is the better one. A
 * user's template means what it says. */
static bool drops_time(const struct submit *x)
{
    return x->options->template == NULL && x->options->time == NULL;
}

int submit_make_script(struct submit *x, struct ganger_error *err)
{
    struct text_list directives = {NULL, 0, 0};
    struct text_list before = list_of(&x->options->before), after = list_of(&x->options->after);
    char **launch = launch_words(x);
    struct template_changes changes = {x->backend->dialect, &directives, &before, &after,
                                       x->s.cwd, x->options->prefix, launch, drops_time(x)};
    const char *name;
    char *text = read_template(x, &name, err);

    if (x->backend->directives != NULL)
        x->backend->directives(&x->s.group, &x->s.set, &directives);
    if (text != NULL)
        x->script = template_change(text, name, &changes, err);
    free(launch[0]);
    free(launch);
    free(text);
    text_list_release(&directives);
    text_list_release(&before);
    text_list_release(&after);
    return x->script != NULL ? 0 : -1;
}
