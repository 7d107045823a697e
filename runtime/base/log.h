/* log: what a person should hear while the program goes on. One line per call, to standard error
 * unless another place was set. Errors are returned; only `launch/` logs them, at the end of their way. */
#ifndef GANGER_BASE_LOG_H
#define GANGER_BASE_LOG_H

void log_set_fd(int fd); /* where lines go; borrowed */

/* Called before each line: whoever has drawn something where the line will stand takes it away. One for
 * the process; NULL for none. */
typedef void log_hook(void *data);
void log_set_hook(log_hook *hook, void *data);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
