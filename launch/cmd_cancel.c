/* `ganger cancel`: ends the job of a run, at whatever stage it is. */
#include "backends/backend.h"
#include "base/log.h"
#include "io/rundir.h"
#include "launch/chain.h"
#include "launch/cmd.h"
#include "launch/options.h"
#include "launch/submission.h"

#include <stdio.h>
#include <string.h>

struct cancel_options
{
    double within_s;
    bool help;
};

#define ROW(...) OPTION_ROW(cancel_options, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('w', "within", "SECONDS", OPTION_SECONDS, within_s, "how long to wait for its end; default: 90"),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger cancel RUN [OPTION]...\n\n"
           "Ends a run that was submitted, and waits until its job is gone. What was done stays done: `ganger submit\n"
           "--resume` goes on with it. RUN is a run directory, or the workflow whose run is in the current directory.\n"
           "To cancel what has ended is no error.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 it is over; 2 there is no such run; 3 the batch system failed, or it has not ended in\n"
           "time.\n");
}

/* Its job may just have handed in the next one of a chain, before it could know. */
static int release(struct submission *s, const struct backend *backend, double within_s, struct ganger_error *err)
{
    for (;;) {
        struct submission now;
        bool is_last;

        if (backend->release(&s->set, within_s, err) < 0)
            return -1;
        if (s->chain.n_most == 0)
            return submission_write(s, err);
        if (submission_read(&now, s->run, err) <= 0)
            return -1;
        is_last = strcmp(now.set.job, s->set.job) == 0;
        if (is_last) {
            submission_release(&now);
            return submission_write(s, err);
        }
        submission_release(s);
        *s = now;
        if (chain_cancel(s, backend, err) < 0)
            return -1;
    }
}

static int cancel(const char *path, double within_s, struct ganger_error *err)
{
    const struct backend *backend;
    struct rundir dir = {.path = NULL};
    struct submission s;
    int status;

    if (rundir_find(&dir, path, err) < 0)
        return -1;
    status = submission_read(&s, dir.path, err);
    if (status == 0)
        status = error_set(err, ERROR_USAGE,
                           "%s: this run was not submitted with `ganger submit`; end it where it was started: ^C, or "
                           "scancel of its job", dir.path);
    rundir_close(&dir);
    if (status < 0)
        return -1;
    backend = backend_find(s.set.type, err);
    status = backend != NULL && backend->release != NULL ? 0 : -1;
    if (status == 0)
        status = chain_cancel(&s, backend, err);
    if (status == 0)
        status = release(&s, backend, within_s, err);
    if (status == 0 && *s.set.job != '\0')
        printf("%s job %s is over: %s\n", s.set.type, s.set.job, s.run);
    else if (status == 0)
        printf("no job was there to cancel: %s\n", s.run);
    submission_release(&s);
    return status;
}

int cmd_cancel(int argc, char **argv)
{
    struct cancel_options options = {.within_s = 90};
    struct ganger_error err = {0};
    int first = options_read(rows, N_ROWS, &options, argc, argv, &err);

    if (first >= 0 && options.help) {
        print_help();
        return 0;
    }
    if (first >= 0 && first != argc - 1)
        first = error_set(&err, ERROR_USAGE, first == argc ? "which run? See `ganger help cancel`"
                                                           : "one run at a time; see `ganger help cancel`");
    if (first >= 0)
        cancel(argv[first], options.within_s, &err);
    if (err.cause != ERROR_NONE)
        log_error("%s", err.text);
    return error_exit_status(&err);
}
