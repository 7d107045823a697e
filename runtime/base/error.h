/* error: why something failed, in words complete enough to print.
 *
 * A function that can fail for more than one reason returns 0 or -1 and takes a `struct ganger_error *`
 * last. The caller owns the struct and starts it zeroed. The first error wins; success leaves it alone. */
#ifndef GANGER_BASE_ERROR_H
#define GANGER_BASE_ERROR_H

enum error_cause
{
    ERROR_NONE = 0,
    ERROR_USAGE,  /* the user's words or files: exit status 2 */
    ERROR_SYSTEM, /* the machine, MPI, a file system: exit status 3 */
};

struct ganger_error
{
    enum error_cause cause;
    char text[4096]; /* UTF-8, no newline at the end; cut off when longer */
};

/* Fills `err` unless it holds an error already. Always returns -1, so `return error_set(err, …)` fails.
 * `err` may be NULL: the text is dropped. */
int error_set(struct ganger_error *err, enum error_cause cause, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of `errno` at the end. */
int error_set_errno(struct ganger_error *err, enum error_cause cause, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text in front of an error that is set: the file or task it happened in. Returns -1. */
int error_prefix(struct ganger_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status that belongs to the error: 2 or 3; 0 when there is none. */
int error_exit_status(const struct ganger_error *err);

#endif
