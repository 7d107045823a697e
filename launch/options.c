#include "launch/options.h"

#include "base/alloc.h"
#include "base/amount.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_LONG = 256 }; /* what getopt returns for the first row's long option */

static void append(struct option_list *list, const char *value)
{
    list->each = xgrow(list->each, list->n, &list->capacity, sizeof(*list->each));
    list->each[list->n++] = value;
}

static int store(const struct option_row *row, void *options, const char *value, struct ganger_error *err)
{
    void *field = (char *)options + row->offset;
    char *end = NULL;
    unsigned long count;

    switch (row->kind) {
    case OPTION_ON: *(bool *)field = true; return 0;
    case OPTION_OFF: *(bool *)field = false; return 0;
    case OPTION_TEXT: *(const char **)field = value; return 0;
    case OPTION_LIST: append(field, value); return 0;
    case OPTION_COUNT:
        errno = 0;
        count = strtoul(value, &end, 10);
        if (errno != 0 || !isdigit((unsigned char)*value) || *end != '\0' || count < 1 || count > 65535)
            return error_set(err, ERROR_USAGE, "--%s takes a whole number from 1 to 65535, not \"%s\"",
                             row->name, value);
        *(uint32_t *)field = (uint32_t)count;
        return 0;
    case OPTION_SECONDS:
        *(double *)field = strtod(value, &end);
        if (end == value || *end != '\0' || !isfinite(*(double *)field) || *(double *)field < 0)
            return error_set(err, ERROR_USAGE, "--%s takes a number of seconds, not \"%s\"", row->name,
                             value);
        return 0;
    case OPTION_BYTES:
        if (!amount_read_bytes(value, field))
            return error_set(err, ERROR_USAGE, "--%s takes a size with its unit, like 500MB or 2GiB, not \"%s\"",
                             row->name, value);
        return 0;
    }
    return -1;
}

static bool takes_value(const struct option_row *row)
{
    return row->kind != OPTION_ON && row->kind != OPTION_OFF;
}

/* What getopt stumbled over. It leaves the letter of a short option in optopt, which may stand amid others in a
 * word; a long option without one is unknown, or the beginning of several. */
static int refuse(char **argv, bool lacks_value, struct ganger_error *err)
{
    const char *word = argv[optind - 1], *what = "is no option of this command";
    char letter[3] = {'-', (char)optopt, '\0'};
    bool is_short = optopt > 0 && optopt < FIRST_LONG;

    if (lacks_value)
        what = "needs a value";
    else if (optopt >= FIRST_LONG)
        what = "has a value, and takes none";
    return error_set(err, ERROR_USAGE, "%s %s; see `ganger help %s`", is_short ? letter : word, what, argv[0]);
}

int options_read(const struct option_row *rows, size_t n_rows, void *options, int argc, char **argv,
                 struct ganger_error *err)
{
    struct option *table = xcalloc(n_rows + 1, sizeof(*table));
    char *letters = xcalloc(2 * n_rows + 2, 1);
    size_t n_letters = 0;
    int status = 0, c;

    letters[n_letters++] = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < n_rows; i++) {
        table[i] = (struct option){rows[i].name, takes_value(&rows[i]), NULL, FIRST_LONG + (int)i};
        if (rows[i].letter == '\0')
            continue;
        letters[n_letters++] = rows[i].letter;
        if (takes_value(&rows[i]))
            letters[n_letters++] = ':';
    }
    optind = 0; /* start anew: commands may be parsed more than once in a process */
    opterr = 0;
    while (status == 0 && (c = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        size_t i = 0;

        if (c == ':' || c == '?') {
            status = refuse(argv, c == ':', err);
            break;
        }
        while (c < FIRST_LONG ? rows[i].letter != c : (size_t)(c - FIRST_LONG) != i)
            i++;
        status = store(&rows[i], options, optarg, err);
    }
    free(table);
    free(letters);
    return status < 0 ? -1 : optind;
}

int options_expect_one(int argc, char **argv, int first, const char *what, struct ganger_error *err)
{
    if (first == argc)
        return error_set(err, ERROR_USAGE, "which %s? See `ganger help %s`", what, argv[0]);
    if (first + 1 < argc)
        return error_set(err, ERROR_USAGE, "one %s at a time, not \"%s\" as well; see `ganger help %s`", what,
                         argv[first + 1], argv[0]);
    return 0;
}

void options_print(const struct option_row *rows, size_t n_rows, FILE *file)
{
    for (size_t i = 0; i < n_rows; i++) {
        char left[64];

        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", rows[i].letter ? '-' : ' ',
                 rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? "," : " ", rows[i].name,
                 rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        fprintf(file, "  %-24s %s\n", left, rows[i].help);
    }
}
