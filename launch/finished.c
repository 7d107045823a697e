#include "launch/finished.h"

#include "base/log.h"
#include "ganger_parts.h"

#include <stdio.h>
#include <unistd.h>

bool finished_is_wanted(const struct program *p)
{
    return p->of->finished != NULL;
}

/* Under mpirun this process's own would reach the user later than what we say ourselves, or not at all. */
static void redirect(int from_fd, int to_fd)
{
    if (from_fd >= 0 && from_fd != to_fd && dup2(from_fd, to_fd) < 0)
        log_warning("what the program says of its run may come late");
}

int finished_tell(const struct program *p, const struct ganger_run *run, int out_fd, int err_fd)
{
    int status;

    if (p->of->finished == NULL)
        return run->exit_status;
    fflush(NULL);
    redirect(out_fd, STDOUT_FILENO);
    redirect(err_fd, STDERR_FILENO);
    status = p->of->finished(run, p->of->data);
    fflush(NULL);
    if (run->exit_status != 0 || status == 0)
        return run->exit_status;
    return status > 0 && status < 256 ? status : 1;
}
