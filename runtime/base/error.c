#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_open(const struct ganger_error *err)
{
    return err != NULL && err->cause == ERROR_NONE;
}

int error_set(struct ganger_error *err, enum error_cause cause, const char *format, ...)
{
    va_list args;

    if (!is_open(err))
        return -1;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->cause = cause;
    return -1;
}

int error_set_errno(struct ganger_error *err, enum error_cause cause, const char *format, ...)
{
    int number = errno;
    size_t used;
    va_list args;

    if (!is_open(err))
        return -1;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(number));
    err->cause = cause;
    return -1;
}

int error_prefix(struct ganger_error *err, const char *format, ...)
{
    char rest[sizeof(err->text)];
    size_t used;
    va_list args;

    if (err == NULL || err->cause == ERROR_NONE)
        return -1;
    memcpy(rest, err->text, sizeof(rest));
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, "%s", rest);
    return -1;
}

int error_exit_status(const struct ganger_error *err)
{
    switch (err->cause) {
    case ERROR_NONE: return 0;
    case ERROR_USAGE: return 2;
    case ERROR_SYSTEM: return 3;
    }
    return 3;
}
