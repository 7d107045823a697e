#include "launch/run_parts.h"

#include "base/alloc.h"
#include "base/log.h"
#include "io/binding.h"
#include "io/process.h"
#include "io/rundir.h"
#include "launch/cmd.h"
#include "launch/launcher.h"
#include "launch/layout.h"
#include "launch/ranks_here.h"
#include "launch/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* ---- one rank of MPI ---- */

/* Once in each process that has workers. */
static void adopt_orphans(void)
{
    if (process_adopt_orphans() < 0)
        log_warning("this process cannot adopt orphans: what leaves a task's process group may stay");
}

/* Before MPI starts, so that the launcher sees it when this process dies in there. */
static int find_origin(struct link_origin *origin, struct ganger_error *err)
{
    if (!launcher_is_first_rank())
        return 0;
    if (link_connect(origin, err) < 0)
        return -1;
    if (origin->fd < 0)
        link_origin_from_here(origin);
    log_set_fd(origin->err_fd);
    return 0;
}

/* This rank's own is that of its MPI launcher, and not to be handed on to the next job. Borrows the texts, for good. */
static void use_environment(const struct buffer *env)
{
    size_t n = 0;
    char **variables;

    for (size_t i = 0; i < env->n; i++)
        n += env->bytes[i] == '\0';
    variables = xcalloc(n + 1, sizeof(*variables));
    n = 0;
    for (char *variable = env->bytes; variable < env->bytes + env->n; variable += strlen(variable) + 1)
        variables[n++] = variable;
    environ = variables;
}

int run_be_rank(const struct run_options *options, struct chain_link *link)
{
    struct ganger_error err = {0};
    struct link_origin origin = {.fd = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
    int signal_fd = signals_open();
    struct comm *comm;
    bool should_tell, exits, is_broken;
    uint32_t rank;
    int status;

    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, no reason to die */
    signal(SIGXFSZ, SIG_IGN); /* so is a limit on the size of files */
    launcher_enter_rank();
    process_wake_promptly();
    process_die_with_parent(SIGKILL); /* of mpirun, which can no longer end us then; in MPI's start we are deaf */
    if (layout_enter_rank(&should_tell, &err) < 0)
        return should_tell ? run_print_error(&err) : error_exit_status(&err);
    if (find_origin(&origin, &err) < 0 || (comm = comm_open_mpi(launcher_allows_exit(), &err)) == NULL)
        return run_print_error(&err);
    process_die_with_parent(SIGTERM); /* from now on the signal is heard, and acted on */
    link_say_started(&origin, !comm_is_one_node(comm));
    rank = comm->rank;
    if (rank == 0)
        layout_count_workers(comm->size - 1);
    if (rank > 0)
        adopt_orphans();
    status = rank == 0 ? run_manage(options, comm, signal_fd, &origin) : run_work(options, comm, signal_fd);
    free(origin.cwd);
    /* The launcher has the manager's word; MPI_Finalize costs 50 ms, and hangs after a loss. Without one, on several
     * nodes: Open MPI's daemons do not tell mpirun of ranks that leave by _exit, and it could not clean up. */
    exits = launcher_allows_exit() && (comm_is_one_node(comm) || comm->closes_at_once);
    is_broken = status >= SYSTEM_STATUS && status != EXIT_STATUS_UNFINISHED;
    fflush(NULL); /* what functions printed */
    comm_close(comm, exits || is_broken);
    if (rank == 0 && link->run != NULL) {
        use_environment(&origin.env);
        chain_leave(link, status);
    } else {
        buffer_release(&origin.env);
    }
    if (exits)
        _exit(0);
    if (is_broken)
        _exit(status);
    if (launcher_allows_exit()) /* it has the manager's word; mpirun would only make words of its own of it */
        return 0;
    return rank == 0 ? status : 0;
}

/* ---- all ranks in this process ---- */

struct ranks_data
{
    const struct run_options *options;
    int signal_fd; /* the manager's */
    const struct link_origin *origin;
};

static int be_rank_here(void *data, struct comm *comm)
{
    const struct ranks_data *r = data;
    int status;

    if (comm->rank == 0)
        status = run_manage(r->options, comm, r->signal_fd, r->origin);
    else
        status = run_work(r->options, comm, -1);
    comm_close(comm, false);
    return status;
}

static int count_workers_here(const struct run_options *options, uint32_t *n_workers, struct ganger_error *err)
{
    struct binding *binding;

    *n_workers = options->n_workers;
    if (run_is_on(options, "none")) {
        *n_workers = 1;
        return options->n_workers <= 1 ? 0 : error_set(err, ERROR_USAGE, "--backend none has one worker; --backend "
                                                                         "thread has as many as -n says");
    }
    if (*n_workers > 0)
        return 0;
    binding = binding_open(err);
    if (binding == NULL)
        return -1;
    *n_workers = binding_n_slots(binding);
    binding_close(binding);
    return 0;
}

int run_in_one_process(const struct run_options *options)
{
    struct ganger_error err = {0};
    struct link_origin origin = {.fd = -1, .out_fd = STDOUT_FILENO, .err_fd = STDERR_FILENO};
    struct ranks_data data = {options, -1, &origin};
    char *run_dir = run_choose_dir(options);
    uint32_t n_workers;
    int status = -1;

    if (rundir_check(run_dir, options->resume, &err) == 0 && count_workers_here(options, &n_workers, &err) == 0) {
        data.signal_fd = signals_open(); /* blocked in all threads that come */
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        link_origin_from_here(&origin);
        adopt_orphans();
        status = ranks_here_run(n_workers + 1, run_is_on(options, "none"), be_rank_here, &data, &err);
        close(data.signal_fd);
    }
    buffer_release(&origin.env);
    free(origin.cwd);
    free(run_dir);
    return err.cause != ERROR_NONE ? run_print_error(&err) : status;
}
