/* ganger_main: a program that is a ganger finds its command and runs it. */
#include "backends/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "core/call.h"
#include "ganger.h"
#include "io/comm.h"
#include "launch/cmd.h"
#include "launch/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command
{
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
    int (*run_with)(struct program *program, int argc, char **argv); /* in place of `run`: it loads workflows, or runs
                                                                        functions */
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
    {"run", NULL, "run a workflow", cmd_run},
    {"submit", cmd_submit, "hand a run to a batch system", NULL},
    {"status", cmd_status, "tell how far a run is", NULL},
    {"cancel", cmd_cancel, "end a run that was submitted", NULL},
    {"check", NULL, "look a workflow over without running it", cmd_check},
    {"graph", NULL, "draw what depends on what", cmd_graph},
    {"topo", cmd_topo, "say what slots, memory and GPUs this machine gives", NULL},
    {"logs", NULL, "print what the tasks of a run wrote", cmd_logs},
    {"verify", NULL, "prove that a run did what its workflow asks for", cmd_verify},
    {"import", cmd_import, "write another system's workflow as one of ganger's", NULL},
    {"help", cmd_help, "explain a command", NULL},
    {"version", cmd_version, "print the version", NULL},
    {CALL_COMMAND, NULL, NULL, cmd_call}, /* not for people */
    {REACH_COMMAND, cmd_reach, NULL, NULL}, /* nor is this */
};

static const struct command *find_command(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    fprintf(stderr, "ganger: \"%s\" is no command; `ganger help` lists them\n", name);
    return NULL;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("ganger %s (%s)\n", GANGER_VERSION, comm_mpi_library());
    return 0;
}

static int cmd_help(int argc, char **argv)
{
    static char help_option[] = "--help";
    const struct command *c;

    if (argc > 1) {
        c = find_command(argv[1]);
        if (c == NULL)
            return 2;
        if (c->run_with != NULL)
            return c->run_with(NULL, 2, (char *[]){argv[1], help_option, NULL});
        if (c->run != cmd_help && c->run != cmd_version)
            return c->run(2, (char *[]){argv[1], help_option, NULL});
    }
    printf("ganger: run many dependent tasks on the cores you have\n\n"
           "usage: ganger COMMAND [OPTION]... [ARGUMENT]...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (commands[i].help != NULL)
            printf("  %-8s %s\n", commands[i].name, commands[i].help);
    printf("\n`ganger help COMMAND` explains one. A first workflow:\n\n"
           "  printf '%%s\\n' 'echo one' 'echo two' > tasks.txt\n"
           "  ganger run tasks.txt\n");
    return 0;
}

/* What a command said must have come out: a full disk takes no part of it in silence. */
static int flush_output(int status)
{
    struct ganger_error err = {0};

    if (fflush(stdout) != 0)
        error_set_errno(&err, ERROR_SYSTEM, "cannot write to standard output");
    else if (ferror(stdout))
        error_set(&err, ERROR_SYSTEM, "not all could be written to standard output");
    else
        return status;
    log_error("%s", err.text);
    return error_exit_status(&err);
}

/* What stands behind "--" is for a program that builds its workflow. Returns how many words come before it. */
static int split_words(struct program *p, int argc, char **argv)
{
    int n = 1;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (!program_builds(p))
        return argc;
    p->n_words = n < argc ? argc - n : 1;
    p->words = n < argc ? argv + n : argv;
    if (n < argc)
        argv[n] = argv[0]; /* in the place of "--" */
    return n;
}

static int run_command(struct program *p, int argc, char **argv)
{
    const struct command *c = find_command(argv[1]);

    argc = split_words(p, argc, argv);
    if (c == NULL)
        return 2;
    return flush_output(c->run_with != NULL ? c->run_with(p, argc - 1, argv + 1) : c->run(argc - 1, argv + 1));
}

int ganger_program_main(int argc, char **argv, const struct ganger_program *program)
{
    struct ganger_error err = {0};
    struct program p;
    int status;

    if (argc < 2) {
        cmd_help(1, argv);
        return flush_output(2);
    }
    if (program_open(&p, program, &err) < 0) {
        log_error("%s", err.text);
        status = error_exit_status(&err);
    } else {
        status = run_command(&p, argc, argv);
    }
    program_close(&p);
    return status;
}

int ganger_main(int argc, char **argv, const struct ganger_function *functions)
{
    const struct ganger_program program = {.functions = functions};

    return ganger_program_main(argc, argv, &program);
}
