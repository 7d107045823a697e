/* The `ganger` program: finds the command and runs it. */
#include "base/error.h"
#include "base/log.h"
#include "io/comm.h"
#include "launch/cmd.h"

#include <stdio.h>
#include <string.h>

struct command
{
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
    {"run", cmd_run, "run a workflow"},
    {"submit", cmd_submit, "hand a run to a batch system"},
    {"status", cmd_status, "tell how far a run is"},
    {"cancel", cmd_cancel, "end a run that was submitted"},
    {"check", cmd_check, "look a workflow over without running it"},
    {"graph", cmd_graph, "draw what depends on what"},
    {"topo", cmd_topo, "say what slots, memory and GPUs this machine gives"},
    {"logs", cmd_logs, "print what the tasks of a run wrote"},
    {"verify", cmd_verify, "prove that a run did what its workflow asks for"},
    {"import", cmd_import, "write another system's workflow as one of ganger's"},
    {"help", cmd_help, "explain a command"},
    {"version", cmd_version, "print the version"},
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
        if (c->run != cmd_help && c->run != cmd_version)
            return c->run(2, (char *[]){argv[1], help_option, NULL});
    }
    printf("ganger: run many dependent tasks on the cores you have\n\n"
           "usage: ganger COMMAND [OPTION]... [ARGUMENT]...\n\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
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

int main(int argc, char **argv)
{
    const struct command *c;

    if (argc < 2) {
        cmd_help(1, argv);
        return flush_output(2);
    }
    c = find_command(argv[1]);
    return c == NULL ? 2 : flush_output(c->run(argc - 1, argv + 1));
}
