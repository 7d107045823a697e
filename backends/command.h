/* command: the one place where the commands of a batch system are run, and where what goes on without us is
 * started. No shell is involved; every command has a time limit; both of its outputs are kept. */
#ifndef GANGER_BACKENDS_COMMAND_H
#define GANGER_BACKENDS_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct command_result
{
    int status;      /* exit status, or 128 + the signal that ended it */
    bool is_late;    /* the time limit ended it */
    char *out;       /* standard output and error, each ended by a NUL */
    char *err;
};

/* Runs argv[0], found through PATH, without standard input and with the environment `envp` (NULL: ours).
 * After `limit_s` seconds its process group gets TERM, a second later KILL. Fails when it cannot be started
 * or printed more than 64 MiB; how it ended is in the result. The caller releases the result, also after a
 * failure. */
int command_run(const char *const *argv, char **envp, double limit_s, struct command_result *r,
                struct ganger_error *err);
void command_result_release(struct command_result *r);

/* Sets an error that says what was run, how it ended and what it wrote. Returns -1. */
int command_blame(const char *const *argv, double limit_s, const struct command_result *r,
                  struct ganger_error *err);

/* Could it be run: is there an executable file of that name on PATH? */
bool command_is_there(const char *name);

/* Between two looks at something that tells nobody when it changes. */
void command_pause(double seconds);

/* Starts it in a session of its own, with both outputs appended to the file `log`, and leaves it alone. Sets
 * its process id. */
int command_detach(const char *const *argv, const char *log, pid_t *pid, struct ganger_error *err);

#endif
