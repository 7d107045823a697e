/* options: what a command was told. One table of rows for each command, from which its options are
 * read and its help is printed. */
#ifndef GANGER_LAUNCH_OPTIONS_H
#define GANGER_LAUNCH_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum option_kind
{
    OPTION_ON,      /* sets a bool */
    OPTION_OFF,     /* clears a bool */
    OPTION_TEXT,    /* a const char *, borrowed from argv */
    OPTION_COUNT,   /* a uint32_t, from 1 to 65535 */
    OPTION_SECONDS, /* a double, at least 0 */
    OPTION_BYTES,   /* a uint64_t, at least 1: "2GiB" */
    OPTION_LIST,    /* a struct option_list: may be given more than once */
};

struct option_list
{
    const char **each; /* borrowed from argv; the array is the caller's to free */
    size_t n;
    size_t capacity;
};

struct option_row
{
    char letter; /* '\0': none */
    const char *name;
    const char *value; /* what to call its argument in the help; NULL for ON and OFF */
    enum option_kind kind;
    size_t offset; /* of the field in the command's struct of options */
    const char *help;
};

/* A row for a field of `struct options`. */
#define OPTION_ROW(options, letter, name, value, kind, field, help) \
    {letter, name, value, kind, offsetof(struct options, field), help}

/* Reads options wherever they stand before "--"; moves the operands to the end of argv and returns the
 * index of the first. argv[0] is the command's name. -1 on an error, which names the command's help. */
int options_read(const struct option_row *rows, size_t n_rows, void *options, int argc, char **argv,
                 struct ganger_error *err);

/* Fails unless argv[first] is the only operand; `what` it is to be is said: "workflow". */
int options_expect_one(int argc, char **argv, int first, const char *what, struct ganger_error *err);

void options_print(const struct option_row *rows, size_t n_rows, FILE *file);

#endif
