/* `reach-node`: not for people: what an MPI launcher runs in the place of ssh, where the batch system wants to be asked
 * in another way than the launcher knows of. */
#include "launch/cmd.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"

#include <stdlib.h>

/* As ssh does: the words behind the host are one line of shell. */
static char *join_words(char **words)
{
    struct buffer line = BUFFER_EMPTY;

    for (size_t i = 0; words[i] != NULL; i++)
        buffer_printf(&line, "%s%s", i > 0 ? " " : "", words[i]);
    buffer_put_u8(&line, 0);
    return line.bytes;
}

static void reach(const char *host, char **words, struct ganger_error *err)
{
    char *job = NULL, *line = join_words(words);
    const struct backend *backend = backend_find_job(&job);

    if (backend == NULL || backend->reach == NULL)
        error_set(err, ERROR_USAGE, REACH_COMMAND " is for launchers in heterogeneous jobs of Slurm, and this is none");
    else
        backend->reach(host, line, err);
    free(line);
    free(job);
}

int cmd_reach(int argc, char **argv)
{
    struct ganger_error err = {0};
    int host = 1;

    while (host < argc && *argv[host] == '-')
        host++; /* options of ssh, like -x */
    if (argc - host < 2)
        error_set(&err, ERROR_USAGE, REACH_COMMAND " takes a host and a command");
    else
        reach(argv[host], argv + host + 1, &err);
    log_error("%s", err.text);
    return error_exit_status(&err);
}
