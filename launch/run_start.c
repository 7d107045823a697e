#include "launch/run_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "io/cgroup.h"
#include "io/rundir.h"
#include "io/tmpdir.h"
#include "launch/launcher.h"
#include "launch/layout.h"
#include "launch/owner.h"
#include "launch/signals.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PAUSE_MAX_S 60 /* it doubles from 1 s */

/* Puts --resume behind "run", once. There is room. */
static void add_resume(char **rank_argv)
{
    static char resume[] = "--resume";
    size_t n = 0;

    if (rank_argv[2] == resume)
        return;
    while (rank_argv[n] != NULL)
        n++;
    memmove(rank_argv + 3, rank_argv + 2, (n - 1) * sizeof(*rank_argv));
    rank_argv[2] = resume;
}

/* Is a signal heard that ends the run? Waits that long for it; 0: there was none. */
static int wait_for_signal(int signal_fd, double limit_s)
{
    double end_s = clock_now_s() + limit_s;
    struct pollfd readable = {signal_fd, POLLIN, 0};
    struct signalfd_siginfo info;
    double left_s = limit_s;

    while (left_s > 0) {
        if (poll(&readable, 1, (int)(left_s * 1000) + 1) > 0 &&
            read(signal_fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCONT &&
            info.ssi_signo != SIGUSR2)
            return (int)info.ssi_signo;
        left_s = end_s - clock_now_s();
    }
    return 0;
}

/* Makes the `n`-th restart possible: says so, pauses. 0, or the exit status of the run that ends here. */
static int prepare_restart(const struct run_options *options, const char *run_dir, uint32_t n, char **rank_argv)
{
    double pause_s = fmin(ldexp(1, (int)fmin(n - 1, 10)), PAUSE_MAX_S);
    struct ganger_error err = {0};
    int signal_fd = signals_open(), signal;

    log_warning("the run ended by a failure of the system: it is started again in %g s (restart %u of %u)", pause_s, n,
                options->n_restarts);
    signal = wait_for_signal(signal_fd, pause_s);
    close(signal_fd);
    if (signal != 0)
        return 128 + signal;
    if (rundir_check(run_dir, true, &err) == 0)
        add_resume(rank_argv);
    else if (options->resume || rundir_check(run_dir, false, &(struct ganger_error){0}) != 0)
        return run_print_error(&err); /* without a journal it begins anew */
    return 0;
}

/* A worker that was killed while it left, nobody was there any more to clean up after. */
static void remove_left(const char *run_dir, uint32_t epoch)
{
    char *path = epoch > 0 ? rundir_absolute_path(run_dir, &(struct ganger_error){0}) : NULL;

    if (path != NULL)
        tmpdir_remove_left(path, epoch + 1, 0);
    free(path);
}

/* Launches until that ends in another way than by a failure of the system, or did so too often. */
static int launch(const struct run_options *options, const struct layout *layout, const char *run_dir,
                  char **rank_argv)
{
    for (uint32_t n = 1;; n++) {
        struct ganger_error err = {0};
        struct launcher_end end = {.exit_status = 0};
        int status;

        if (launcher_run(layout->n_workers + 1, rank_argv, layout->variables, &end, &err) < 0)
            end.exit_status = run_print_error(&err);
        remove_left(run_dir, end.epoch);
        if (end.exit_status != SYSTEM_STATUS || end.was_told || n > options->n_restarts)
            return end.exit_status;
        status = prepare_restart(options, run_dir, n, rank_argv);
        if (status != 0)
            return status;
    }
}

/* As a job of a chain, if it is one. */
static int launch_in_chain(struct run_options *options, const struct layout *layout, const char *run_dir,
                           char **rank_argv, int *exit_status, struct ganger_error *err)
{
    struct chain_link link;
    bool was_asked = options->resume;

    if (chain_enter(&link, options->program, run_dir, options->requeue, &options->resume, exit_status)) {
        chain_leave(&link, *exit_status);
        return 0;
    }
    if (options->resume && !was_asked)
        add_resume(rank_argv);
    if (rundir_check(run_dir, options->resume, err) < 0) {
        chain_leave(&link, 2);
        return -1;
    }
    cgroup_settle(&cgroup_this_machine);
    *exit_status = launch(options, layout, run_dir, rank_argv);
    chain_leave(&link, *exit_status);
    return 0;
}

int run_start_ranks(struct run_options *options, char **rank_argv)
{
    struct ganger_error err = {0};
    char *run_dir = run_choose_dir(options);
    int exit_status = 0, status = -1;
    struct layout layout;

    if (layout_choose(&layout, options->n_workers, &err) < 0) {
        free(run_dir);
        return run_print_error(&err);
    }
    if (options->dry_run) {
        char **command = launcher_command(layout.n_workers + 1, rank_argv);

        status = run_print_dry(options, command, &err);
        free(command);
    } else if (owner_release(run_dir, options->break_lock, &err) == 0) {
        status = launch_in_chain(options, &layout, run_dir, rank_argv, &exit_status, &err);
    }
    layout_release(&layout);
    free(run_dir);
    return status < 0 ? run_print_error(&err) : exit_status;
}
