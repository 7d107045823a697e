#include "launch/run_parts.h"

#include "base/alloc.h"
#include "base/log.h"
#include "io/rundir.h"
#include "launch/run_record.h"

#include <string.h>

const char *const run_memory_words[] = {
    [MEMORY_ENFORCE] = "enforce", [MEMORY_WATCH] = "watch", [MEMORY_OFF] = "off"};

enum memory_rule run_memory_rule(const struct run_options *options)
{
    enum memory_rule rule = 0;

    while (rule < N_MEMORY_RULES && strcmp(run_memory_words[rule], options->memory_limit) != 0)
        rule++;
    return rule;
}

bool run_is_on(const struct run_options *options, const char *name)
{
    return options->backend != NULL && strcmp(options->backend, name) == 0;
}

bool run_is_in_one_process(const struct run_options *options)
{
    return run_is_on(options, "none") || run_is_on(options, "thread");
}

bool run_is_by_content(const struct run_options *options)
{
    return strcmp(options->changed, "content") == 0;
}

const char *run_flow(const struct run_options *options)
{
    return options->workflow != NULL ? options->workflow : options->program->words[0];
}

char *run_choose_dir(const struct run_options *options)
{
    return options->run_dir != NULL ? xstrdup(options->run_dir) : rundir_default_path(run_flow(options));
}

int run_load_flow(const struct run_options *o, struct workflow *w, struct ganger_error *err)
{
    return load_run_workflow(o->program, w, o->workflow, &o->replay, &o->amounts, o->targets, err);
}

int run_print_error(const struct ganger_error *err)
{
    log_error("%s", err->text);
    return error_exit_status(err);
}
