#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int log_fd = STDERR_FILENO;
static log_hook *hook;
static void *hook_data;

void log_set_fd(int fd)
{
    log_fd = fd;
}

void log_set_hook(log_hook *new_hook, void *data)
{
    hook = new_hook;
    hook_data = data;
}

__attribute__((format(printf, 2, 0)))
static void log_line(const char *label, const char *format, va_list args)
{
    char line[4096];
    size_t used;

    snprintf(line, sizeof(line), "ganger: %s", label);
    used = strlen(line);
    vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    used = strlen(line);
    line[used++] = '\n';
    if (hook != NULL)
        hook(hook_data);
    if (write(log_fd, line, used) < 0) { /* one write, so that lines of several ranks do not mix */
        /* nowhere to say it */
    }
}

void log_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line("", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line("warning: ", format, args);
    va_end(args);
}

void log_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line("", format, args);
    va_end(args);
}
