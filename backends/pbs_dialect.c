/* Lines of "#PBS": letters with a value, several of them in a line, several resources behind one -l. */
#include "backends/dialect.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define WITHOUT_VALUE "VfhInXxzG" /* letters that stand alone; of Torque, too */

/* ---- words ---- */

/* One word as qsub takes it from a line: quotes are gone. Moves behind it; NULL at the end, or at a comment.
 * The caller frees it. */
static char *read_word(const char **text)
{
    struct buffer word = BUFFER_EMPTY;
    const char *p = *text + strspn(*text, " \t");
    char quote = '\0';

    if (*p == '\0' || *p == '#')
        return NULL;
    for (; *p != '\0' && (quote != '\0' || strchr(" \t", *p) == NULL); p++) {
        if (*p == quote)
            quote = '\0';
        else if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else if (*p == '\\' && p[1] != '\0' && quote != '\'')
            buffer_put_u8(&word, (uint8_t)*++p);
        else
            buffer_put_u8(&word, (uint8_t)*p);
    }
    buffer_put_u8(&word, 0);
    *text = p;
    return word.bytes;
}

static void add_option(struct text_list *options, char letter, const char *value, size_t n_value)
{
    char *option = xasprintf("-%c %.*s", letter, (int)n_value, value);

    text_list_add(options, option);
    free(option);
}

/* "select=2:ncpus=4,walltime=01:00:00": each resource is an option. */
static void add_resources(struct text_list *options, const char *value)
{
    for (const char *p = value; *p != '\0';) {
        size_t n = strcspn(p, ",");

        if (n > 0)
            add_option(options, 'l', p, n);
        p += n + (p[n] == ',');
    }
}

static void split(const char *line, struct text_list *options)
{
    char *word;

    while ((word = read_word(&line)) != NULL) {
        char letter = word[0] == '-' ? word[1] : '\0';
        bool has_value = letter != '\0' && strchr(WITHOUT_VALUE, letter) == NULL;
        char *value = !has_value ? NULL : word[2] != '\0' ? xstrdup(word + 2) : read_word(&line);

        if (value == NULL)
            text_list_add(options, word);
        else if (letter == 'l')
            add_resources(options, value);
        else
            add_option(options, letter, value, strlen(value));
        free(value);
        free(word);
    }
}

/* ---- what is about the same ---- */

/* "-l select" of "-l select=2:ncpus=4", "-W depend" of "-W depend=afterany:13", "-N" of "-N name": its length. */
static size_t length_of_key(const char *option)
{
    if (strncmp(option, "-l ", 3) == 0 || strncmp(option, "-W ", 3) == 0)
        return strcspn(option, "=");
    return strcspn(option, " ");
}

static bool is_key(const char *option, const char *key)
{
    return length_of_key(option) == strlen(key) && strncmp(option, key, strlen(key)) == 0;
}

/* What qsub would refuse beside select: what says the same for the whole job, or in the words of Torque. */
static bool is_about_chunks(const char *option)
{
    static const char *const keys[] = {"-l select", "-l nodes", "-l ncpus", "-l mem", "-l ngpus", "-l mpiprocs",
                                       "-l procs"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (is_key(option, keys[i]))
            return true;
    return false;
}

static bool is_same(const char *a, const char *b)
{
    size_t n = length_of_key(a);

    if (is_about_chunks(a) && is_about_chunks(b))
        return is_key(a, "-l select") || is_key(b, "-l select") || n == length_of_key(b);
    return n == length_of_key(b) && strncmp(a, b, n) == 0;
}

/* ---- one put into the other ---- */

/* Does a chunk, ":ncpus=4:mem=8gb", say something of the resource that `item` begins with, n bytes with the
 * equals sign? */
static bool says(const char *chunk, const char *item, size_t n)
{
    for (const char *p = strchr(chunk, ':'); p != NULL; p = strchr(p + 1, ':'))
        if (strncmp(p + 1, item, n) == 0)
            return true;
    return false;
}

static size_t length_of_name(const char *item)
{
    size_t n = strcspn(item, "=:");

    return n + (item[n] == '=');
}

/* "[COUNT][:NAME=VALUE]..." both. The count of ours, else theirs, else 1; what theirs says and ours does not
 * stays. */
static char *join_chunks(const char *theirs, const char *ours)
{
    size_t n_ours = strcspn(ours, ":"), n_theirs = strspn(theirs, "0123456789");
    struct buffer text = BUFFER_EMPTY;

    if (n_ours > 0)
        buffer_put(&text, ours, n_ours);
    else if (n_theirs > 0)
        buffer_put(&text, theirs, n_theirs);
    else
        buffer_put_u8(&text, '1');
    buffer_printf(&text, "%s", ours + n_ours);
    theirs += n_theirs + (theirs[n_theirs] == ':');
    while (*theirs != '\0') {
        size_t n = strcspn(theirs, ":");

        if (!says(ours, theirs, length_of_name(theirs)))
            buffer_printf(&text, ":%.*s", (int)n, theirs);
        theirs += n + (theirs[n] == ':');
    }
    buffer_put_u8(&text, 0);
    return text.bytes;
}

/* What follows the key and its sign; "" when nothing does. */
static const char *value_of(const char *option)
{
    size_t n = length_of_key(option);

    return option + n + (option[n] != '\0');
}

/* A select of several chunks says of each what it is: ours, which is one chunk, takes its place. */
static char *join_select(const char *theirs, const char *ours)
{
    bool is_one_chunk = theirs != NULL && is_key(theirs, "-l select") && strchr(theirs, '+') == NULL;
    char *chunk = join_chunks(is_one_chunk ? value_of(theirs) : "", value_of(ours));
    char *text = xasprintf("-l select=%s", chunk);

    free(chunk);
    return text;
}

static char *join(const char *theirs, const char *ours)
{
    size_t n = length_of_key(ours);

    if (theirs != NULL && (length_of_key(theirs) != n || strncmp(theirs, ours, n) != 0))
        return NULL;
    if (is_key(ours, "-l select"))
        return join_select(theirs, ours);
    if (is_key(ours, "-v") && theirs != NULL)
        return xasprintf("%s,%s", theirs, value_of(ours));
    return xstrdup(ours);
}

static void put(struct buffer *text, const char *option)
{
    size_t n = strncmp(option, "-", 1) == 0 && strcspn(option, " ") == 2 && option[2] == ' ' ? 3 : 0;
    const char *value = option + n;

    if (value[strcspn(value, " \t\"'\\#")] == '\0') {
        buffer_printf(text, "%s", option);
        return;
    }
    buffer_put(text, option, n);
    buffer_printf(text, "\"");
    for (; *value != '\0'; value++)
        buffer_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    buffer_printf(text, "\"");
}

const struct dialect dialect_pbs = {
    .prefix = "#PBS",
    .suffix = ".pbs",
    .time = "-l walltime",
    .split = split,
    .is_same = is_same,
    .join = join,
    .put = put,
};
