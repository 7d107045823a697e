#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level log_level = LOG_NOTE;
static int log_fd = STDERR_FILENO;

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_set_fd(int fd)
{
    log_fd = fd;
}

__attribute__((format(printf, 3, 0)))
static void log_line(enum log_level level, const char *label, const char *format, va_list args)
{
    char line[4096];
    size_t used;

    if (level > log_level)
        return;
    snprintf(line, sizeof(line), "ganger: %s", label);
    used = strlen(line);
    vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    used = strlen(line);
    line[used++] = '\n';
    if (write(log_fd, line, used) < 0) { /* one write, so that lines of several ranks do not mix */
        /* nowhere to say it */
    }
}

void log_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(LOG_ERROR, "", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(LOG_WARNING, "warning: ", format, args);
    va_end(args);
}

void log_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(LOG_NOTE, "", format, args);
    va_end(args);
}

void log_debug(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(LOG_DEBUG, "debug: ", format, args);
    va_end(args);
}
