/* program: what a program brings along beside ganger's commands: functions, and a workflow that it builds.
 *
 * The `ganger` program itself brings nothing; programs that call ganger_main, and plugins, do. */
#ifndef GANGER_LAUNCH_PROGRAM_H
#define GANGER_LAUNCH_PROGRAM_H

#include "base/error.h"
#include "core/hook.h"
#include "core/registry.h"
#include "io/workflow.h"
#include "launch/options.h"

#include <stdbool.h>

struct ganger_program;

struct program
{
    const struct ganger_program *of; /* never NULL; borrowed */
    struct registry registry;
    struct option_list plugins;      /* those that were loaded */
    int n_words; /* what stands behind "--" for a program that builds its workflow; with its name in front */
    char **words;
};

/* Registers its functions. */
int program_open(struct program *p, const struct ganger_program *of, struct ganger_error *err);
void program_close(struct program *p);

/* Loads shared objects and registers their functions, in this order. They are never unloaded. */
int program_load_plugins(struct program *p, const struct option_list *files, struct ganger_error *err);

bool program_builds(const struct program *p);

/* What it wants to be asked and told while a run goes on. */
struct hooks program_hooks(const struct program *p);

/* The workflow that it builds, with these words in place of what was typed (NULL: those). */
int program_build(const struct program *p, int n_words, char **words, struct workflow *w, struct ganger_error *err);

/* Words that start this very program to run one function in a process of its own; ended by NULL. The caller frees the
 * array, not the words. */
char **program_helper(const struct program *p);

#define PROGRAM_PLUGIN_ROW(options, field) \
    OPTION_ROW(options, '\0', "plugin", "FILE", OPTION_LIST, field,                                                    \
               "a shared object with functions, loaded on every rank")

#endif
