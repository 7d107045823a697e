/* log: what a person should hear while the program goes on. One line per call, to standard error
 * unless another place was set. Errors are returned; only `launch/` logs them, at the end of their way. */
#ifndef GANGER_BASE_LOG_H
#define GANGER_BASE_LOG_H

enum log_level
{
    LOG_ERROR,   /* what ends the program */
    LOG_WARNING, /* something is not as it should be; the run goes on */
    LOG_NOTE,    /* what the user would like to know */
    LOG_DEBUG,
};

void log_set_level(enum log_level level);
void log_set_fd(int fd); /* where lines go; borrowed */

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
