#include "launch/template.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/buffer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef GANGER_SOURCE_DIR
#define GANGER_SOURCE_DIR "/nonexistent"
#endif

#define MAX_BYTES (1 << 20) /* more is no job script */

/* ---- words ---- */

void template_put_word(struct buffer *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+@%-";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        buffer_printf(text, "%s", word);
        return;
    }
    buffer_put_u8(text, '\'');
    for (; *word != '\0'; word++)
        buffer_printf(text, *word == '\'' ? "'\\''" : "%c", *word);
    buffer_put_u8(text, '\'');
}

/* ---- directives ---- */

/* The script's options, by which ours are completed. */
static void read_options(const struct template_changes *c, const char *script, struct text_list *options)
{
    if (c->dialect != NULL)
        dialect_read_script(c->dialect, script, options);
}

/* Ours, with what the template says about the same and ours leaves open. The caller frees it. */
static char *complete(const struct template_changes *c, const struct text_list *theirs, const char *ours)
{
    char *joined = NULL;

    if (c->dialect == NULL || c->dialect->join == NULL)
        return xstrdup(ours);
    for (size_t i = 0; i < theirs->n && joined == NULL; i++)
        if (c->dialect->is_same(theirs->each[i], ours))
            joined = c->dialect->join(theirs->each[i], ours);
    return joined != NULL ? joined : c->dialect->join(NULL, ours);
}

/* Does one of the changes say something about the same as this option of the template, or is it to go? */
static bool is_replaced(const struct template_changes *c, const char *option)
{
    if (c->drops_time && c->dialect->is_same(option, c->dialect->time))
        return true;
    for (size_t i = 0; i < c->directives->n; i++)
        if (c->dialect->is_same(option, c->directives->each[i]))
            return true;
    return false;
}

static void put_option(struct buffer *text, const struct dialect *d, const char *option)
{
    assert(d != NULL); /* without a dialect nothing is an option */
    buffer_printf(text, "%s ", d->prefix);
    d->put(text, option);
    buffer_printf(text, "\n");
}

/* What is left of a directive of the template, n bytes. All of it: then as it stands. */
static void put_rest(struct buffer *text, const struct template_changes *c, const char *line, size_t n)
{
    char *rest = xstrndup(line + strlen(c->dialect->prefix), n - strlen(c->dialect->prefix));
    struct text_list options = {NULL, 0, 0};
    bool is_whole = true;

    c->dialect->split(rest, &options);
    for (size_t i = 0; i < options.n; i++)
        is_whole &= !is_replaced(c, options.each[i]);
    for (size_t i = 0; !is_whole && i < options.n; i++)
        if (!is_replaced(c, options.each[i]))
            put_option(text, c->dialect, options.each[i]);
    if (is_whole)
        buffer_printf(text, "%.*s\n", (int)n, line);
    text_list_release(&options);
    free(rest);
}

/* ---- the launch line ---- */

static bool is_launch_line(const char *line, size_t n)
{
    line += strspn(line, " \t");
    return n > 5 && strncmp(line, "exec ", 5) == 0 && memmem(line, n, "ganger run", 10) != NULL;
}

/* Where the words "ganger run", or "/some/where/ganger run", begin. */
static size_t start_of_ganger(const char *line, size_t n)
{
    const char *found = memmem(line, n, "ganger run", 10);

    while (found > line && strchr(" \t", found[-1]) == NULL)
        found--;
    return (size_t)(found - line);
}

static void put_lines(struct buffer *text, const struct text_list *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        buffer_printf(text, "%s\n", lines->each[i]);
}

static void put_launch(struct buffer *text, const char *line, size_t n, const struct template_changes *c)
{
    bool is_last = c->after->n == 0;
    size_t n_blanks = strspn(line, " \t") + 5, n_launcher = start_of_ganger(line, n);

    if (c->cwd != NULL) {
        buffer_printf(text, "cd ");
        template_put_word(text, c->cwd);
        buffer_printf(text, " || exit 3\n");
    }
    put_lines(text, c->before);
    buffer_printf(text, "echo '%s'\n%s%s%s%.*s", BACKEND_LOG_BEGINS,
                  is_last ? "exec " : "trap : TERM INT USR1 # ganger hears them, too, and ends its tasks\n",
                  c->prefix != NULL ? c->prefix : "", c->prefix != NULL ? " " : "", (int)(n_launcher - n_blanks),
                  line + n_blanks);
    for (size_t i = 0; c->launch[i] != NULL; i++) {
        buffer_printf(text, "%s", i > 0 ? " " : "");
        template_put_word(text, c->launch[i]);
    }
    buffer_printf(text, "\n");
    if (is_last)
        return;
    buffer_printf(text, "status=$?\necho \"%s, status $status\"\n", BACKEND_LOG_ENDS);
    put_lines(text, c->after);
    buffer_printf(text, "exit $status\n");
}

/* ---- all of it ---- */

struct change
{
    const struct template_changes *c;
    struct text_list theirs; /* options of the template */
    struct buffer out;
    bool has_directives; /* ours are in */
    bool is_later_part;  /* ours are about the first: this stays as it is */
    bool has_launch;
};

static void put_directives(struct change *x)
{
    for (size_t i = 0; i < x->c->directives->n; i++) {
        char *option = complete(x->c, &x->theirs, x->c->directives->each[i]);

        put_option(&x->out, x->c->dialect, option);
        free(option);
    }
    x->has_directives = true;
}

static bool begins_part(const struct dialect *d, const char *line, size_t n)
{
    size_t n_blanks, n_word = d->part != NULL ? strlen(d->part) : 0;

    line += strlen(d->prefix);
    n -= strlen(d->prefix);
    n_blanks = strspn(line, " \t");
    return n_word > 0 && n >= n_blanks + n_word && strncmp(line + n_blanks, d->part, n_word) == 0 &&
           strspn(line + n_blanks + n_word, " \t\r") + n_blanks + n_word >= n;
}

/* Ours come where its first one stands, so that they are read before any command. */
static void take_line(struct change *x, const char *line, size_t n)
{
    const char *prefix = x->c->dialect != NULL ? x->c->dialect->prefix : NULL;
    bool is_directive = prefix != NULL && n > strlen(prefix) && strncmp(line, prefix, strlen(prefix)) == 0;
    bool is_command = n > 0 && *line != '#';

    if ((is_directive || is_command) && !x->has_directives)
        put_directives(x);
    x->is_later_part |= is_directive && begins_part(x->c->dialect, line, n);
    if (is_directive && !x->is_later_part) {
        put_rest(&x->out, x->c, line, n);
    } else if (is_launch_line(line, n) && !x->has_launch) {
        put_launch(&x->out, line, n, x->c);
        x->has_launch = true;
    } else {
        buffer_printf(&x->out, "%.*s\n", (int)n, line);
    }
}

char *template_change(const char *text, const char *name, const struct template_changes *changes,
                      struct ganger_error *err)
{
    struct change x = {.c = changes};

    read_options(changes, text, &x.theirs);
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        take_line(&x, line, n);
        line += n + (line[n] == '\n');
    }
    text_list_release(&x.theirs);
    if (x.has_launch) {
        buffer_put_u8(&x.out, 0);
        return x.out.bytes;
    }
    buffer_release(&x.out);
    error_set(err, ERROR_USAGE,
              "%s: this template has no launch line: one that begins with exec and has \"ganger run\" in it", name);
    return NULL;
}

/* ---- finding it ---- */

static char *read_text(const char *path, struct ganger_error *err)
{
    FILE *file = fopen(path, "re");
    char *text;
    size_t n;

    if (file == NULL) {
        error_set_errno(err, ERROR_USAGE, "%s", path);
        return NULL;
    }
    text = xmalloc(MAX_BYTES + 1);
    n = fread(text, 1, MAX_BYTES, file);
    text[n] = '\0';
    if (ferror(file) || n == MAX_BYTES || strlen(text) != n) {
        error_set(err, ERROR_USAGE, "%s: is no job script", path);
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

/* The folders in which templates may lie: of an installed ganger, of one in its build folder, of its source. */
static char *find_folder(const char *folder)
{
    static const char *const places[] = {"/../share/ganger/", "/../../"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *path;

    self[n > 0 ? n : 0] = '\0';
    if (strrchr(self, '/') != NULL)
        *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        path = xasprintf("%s%s%s", self, places[i], folder);
        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    path = xasprintf(GANGER_SOURCE_DIR "/%s", folder);
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static void list_names(const char *folder, struct buffer *names)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            buffer_printf(names, "%s%.*s", names->n > 0 ? ", " : "", (int)strcspn(entries[i]->d_name, "."),
                          entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

char *template_read(const char *folder, const char *suffix, const char *name, struct ganger_error *err)
{
    char *place = strchr(name, '/') == NULL ? find_folder(folder) : NULL, *path, *text;
    struct buffer names = BUFFER_EMPTY;

    path = place != NULL ? xasprintf("%s/%s%s", place, name, suffix) : xstrdup(name);
    if (place != NULL && access(path, F_OK) != 0) {
        free(path);
        path = xstrdup(name);
    }
    text = read_text(path, access(path, F_OK) == 0 ? err : NULL);
    if (text == NULL && err != NULL && err->cause == ERROR_NONE) {
        if (place != NULL)
            list_names(place, &names);
        error_set(err, ERROR_USAGE, "there is no template \"%s\": neither a file nor one of ganger's: %.*s", name,
                  (int)names.n, names.n > 0 ? names.bytes : "");
    }
    buffer_release(&names);
    free(path);
    free(place);
    return text;
}
