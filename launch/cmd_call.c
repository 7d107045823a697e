/* `call-function`: not for people: one function in a process of its own, started by a worker. */
#include "launch/cmd.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "core/call.h"
#include "launch/options.h"
#include "launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct call_options
{
    struct option_list plugins;
};

static const struct option_row rows[] = {PROGRAM_PLUGIN_ROW(call_options, plugins)};

static int read_all(struct buffer *b, struct ganger_error *err)
{
    ssize_t n = 1;

    while (n != 0) {
        buffer_reserve(b, 65536);
        n = read(STDIN_FILENO, b->bytes + b->n, b->capacity - b->n);
        if (n < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_SYSTEM, "cannot read what the function is given");
        b->n += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static struct ganger_call *take_call(const struct program *p, const struct buffer *given, struct ganger_error *err)
{
    struct message_header h;
    struct call_order order;
    struct cursor c;

    if (message_open(&h, &c, given->bytes, given->n, err) < 0)
        return NULL;
    if (h.kind != MESSAGE_CALL || h.n_records != 1 || message_next_call(&c, &order, err) < 0 ||
        order.function >= p->registry.n) {
        error_set(err, ERROR_USAGE, CALL_COMMAND " is for workers: they start it to isolate a function");
        return NULL;
    }
    return call_new(&order, h.worker, p->registry.data, NULL);
}

static int write_report(const struct ganger_call *call, int fd, struct ganger_error *err)
{
    struct call_report report;
    struct buffer b = BUFFER_EMPTY;
    int status;

    call_report(call, &report);
    message_begin(&b, MESSAGE_CALLED, 0, call->worker);
    message_add_called(&b, &report);
    status = file_write(fd, b.bytes, b.n);
    buffer_release(&b);
    return status == 0 ? 0 : error_set_errno(err, ERROR_SYSTEM, "cannot write what the function returned");
}

static int run_call(struct program *p, const struct call_options *options, struct ganger_error *err)
{
    const char *taken = getenv(CALL_TAKEN_VARIABLE);
    int fd = taken != NULL ? open(taken, O_WRONLY | O_CLOEXEC) : -1, status;
    struct buffer given = BUFFER_EMPTY;
    struct ganger_call *call;

    if (fd < 0)
        return error_set(err, ERROR_USAGE, CALL_COMMAND " is for workers: they start it to isolate a function");
    if (program_load_plugins(p, &options->plugins, err) < 0 || read_all(&given, err) < 0 ||
        (call = take_call(p, &given, err)) == NULL) {
        buffer_release(&given);
        close(fd);
        return -1;
    }
    buffer_release(&given);
    unsetenv(CALL_TAKEN_VARIABLE);
    call_run(call, &p->registry);
    status = write_report(call, fd, err);
    call_free(call);
    close(fd);
    return status;
}

int cmd_call(struct program *program, int argc, char **argv)
{
    struct call_options options = {.plugins = {NULL, 0, 0}};
    struct ganger_error err = {0};

    if (options_read(rows, sizeof(rows) / sizeof(*rows), &options, argc, argv, &err) >= 0)
        run_call(program, &options, &err);
    if (err.cause != ERROR_NONE)
        log_error("%s", err.text);
    free(options.plugins.each);
    return error_exit_status(&err);
}
