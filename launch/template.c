#include "launch/template.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/buffer.h"

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

/* The value of a directive, which sbatch reads much as a shell does. */
static void put_directive(struct buffer *text, const char *directive, const char *option)
{
    bool is_plain = option[strcspn(option, " \t\"'\\#")] == '\0';
    size_t n_name = strcspn(option, "=");

    buffer_printf(text, "%s ", directive);
    if (is_plain) {
        buffer_printf(text, "%s\n", option);
        return;
    }
    buffer_put(text, option, n_name);
    buffer_printf(text, "%s\"", option[n_name] == '=' ? "=" : "");
    for (const char *p = option + n_name + (option[n_name] == '='); *p != '\0'; p++)
        buffer_printf(text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    buffer_printf(text, "\"\n");
}

/* ---- directives ---- */

/* Letters that sbatch knows for long names. */
static const struct
{
    const char *letter, *name;
} letters[] = {
    {"-N", "--nodes"},      {"-n", "--ntasks"},     {"-t", "--time"},   {"-p", "--partition"},
    {"-A", "--account"},    {"-J", "--job-name"},   {"-o", "--output"}, {"-C", "--constraint"},
    {"-q", "--qos"},        {"-c", "--cpus-per-task"}, {"-G", "--gpus"}, {"-D", "--chdir"},
};

/* What sbatch takes as one question, or would refuse together. */
static const char *const families[][7] = {
    {"--ntasks-per-node", "--ntasks", "--cpus-per-task", "--exclusive", "--ntasks-per-core", NULL},
    {"--mem", "--mem-per-cpu", "--mem-per-gpu", NULL},
    {"--gres", "--gpus", "--gpus-per-node", "--gpus-per-task", NULL},
};
#define N_FAMILIES (sizeof(families) / sizeof(*families))

/* "--nodes" of "--nodes=3", "--nodes 3", "-N3"; cut to `size`. */
static void name_of(const char *option, char *name, size_t size)
{
    snprintf(name, size, "%.*s", (int)strcspn(option, "= \t\n"), option);
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        if (name[0] == '-' && name[1] != '-' && strncmp(name, letters[i].letter, 2) == 0)
            snprintf(name, size, "%s", letters[i].name);
}

static size_t family_of(const char *name)
{
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (size_t k = 0; families[i][k] != NULL; k++)
            if (strcmp(families[i][k], name) == 0)
                return i;
    return N_FAMILIES;
}

/* Does one of the changes say something about the same as this option of the template? */
static bool is_replaced(const struct text_list *changes, const char *option)
{
    char theirs[64], ours[64];
    size_t family;

    name_of(option, theirs, sizeof(theirs));
    family = family_of(theirs);
    for (size_t i = 0; i < changes->n; i++) {
        name_of(changes->each[i], ours, sizeof(ours));
        if (strcmp(ours, theirs) == 0 || (family < N_FAMILIES && family_of(ours) == family))
            return true;
    }
    return false;
}

static bool is_dropped(const struct template_changes *c, const char *option)
{
    char name[64];

    name_of(option, name, sizeof(name));
    return c->dropped != NULL && strcmp(name, c->dropped) == 0;
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
    struct buffer out;
    bool has_directives; /* ours are in */
    bool has_launch;
};

static void put_directives(struct change *x)
{
    for (size_t i = 0; i < x->c->directives->n; i++)
        put_directive(&x->out, x->c->directive, x->c->directives->each[i]);
    x->has_directives = true;
}

/* Ours come where its first one stands, so that they are read before any command. */
static void take_line(struct change *x, const char *line, size_t n)
{
    size_t n_word = strlen(x->c->directive);
    bool is_directive = n > n_word && strncmp(line, x->c->directive, n_word) == 0;
    bool is_command = n > 0 && *line != '#';

    if ((is_directive || is_command) && !x->has_directives)
        put_directives(x);
    if (is_directive) {
        const char *option = line + n_word + strspn(line + n_word, " \t");

        if (is_replaced(x->c->directives, option) || is_dropped(x->c, option))
            return;
    }
    if (is_launch_line(line, n) && !x->has_launch) {
        put_launch(&x->out, line, n, x->c);
        x->has_launch = true;
        return;
    }
    buffer_printf(&x->out, "%.*s\n", (int)n, line);
}

char *template_change(const char *text, const char *name, const struct template_changes *changes,
                      struct ganger_error *err)
{
    struct change x = {.c = changes};

    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");

        take_line(&x, line, n);
        line += n + (line[n] == '\n');
    }
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

char *template_read(const char *folder, const char *name, struct ganger_error *err)
{
    char *place = strchr(name, '/') == NULL ? find_folder(folder) : NULL, *path, *text;
    struct buffer names = BUFFER_EMPTY;

    path = place != NULL ? xasprintf("%s/%s.sbatch", place, name) : xstrdup(name);
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
