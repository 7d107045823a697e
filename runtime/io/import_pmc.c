/* Pegasus MPI Cluster's text: TASK and EDGE, as pegasus-mpi-cluster(1) describes them. Words may be quoted with ' or "
 * anywhere, and a backslash takes the next character as it is, in quotes too. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/name_index.h"
#include "base/utf8.h"
#include "io/import_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAX_MB 8796093022207.0 /* below 2^63 bytes */
#define CORES_MAX 65535
#define TRIES_MAX 1000000
#define PRIORITY_MAX 1000000000

struct pmc_task
{
    const char *id;   /* ended by a NUL */
    const char *rest; /* options and command, up to the end of the line */
    const char *mark; /* of the #@ line before it, behind the first word; NULL: none */
    uint64_t line;
};

struct pmc
{
    struct import *im;
    const char *end; /* of the text */
    uint64_t line;
    struct arena ids;
    struct name_index index;
    struct pmc_task *tasks;
    size_t n_tasks;
    size_t tasks_capacity;
    struct buffer word;
    struct buffer forwards; /* words for ganger-forward, as JSON, each with a comma behind it */
};

/* What stands before a task's command. */
struct pmc_options
{
    double memory_mb;
    double cpus; /* -1: not stated, as for the others */
    double tries;
    double priority;
    bool is_forwarded;
};

/* ---- words */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* A word without quoting, as ids are. NULL when there is none. */
static const char *take_plain(const char **next, const char *end, size_t *n_bytes)
{
    const char *start;

    while (*next < end && is_blank(**next))
        (*next)++;
    start = *next;
    while (*next < end && !is_blank(**next))
        (*next)++;
    *n_bytes = (size_t)(*next - start);
    return *n_bytes > 0 ? start : NULL;
}

enum take_status
{
    TAKE_WORD,
    TAKE_UNCLOSED, /* a word whose quote is closed by the end of the line */
    TAKE_END,
};

/* Takes the next word into `word`, without its quotes. */
static enum take_status take_word(const char **next, const char *end, struct buffer *word)
{
    char quote = '\0';
    const char *p = *next;

    word->n = 0;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return TAKE_END;
    for (; p < end && (quote != '\0' || !is_blank(*p)); p++) {
        if (*p == '\\' && p + 1 < end)
            buffer_put_u8(word, (uint8_t)*++p);
        else if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else if (quote != '\0' && *p == quote)
            quote = '\0';
        else
            buffer_put_u8(word, (uint8_t)*p);
    }
    *next = p;
    return quote == '\0' ? TAKE_WORD : TAKE_UNCLOSED;
}

static bool is_word(const char *word, size_t n_bytes, const char *wanted)
{
    return word != NULL && n_bytes == strlen(wanted) && memcmp(word, wanted, n_bytes) == 0;
}

bool import_is_pmc_record(const char *line, size_t n_bytes)
{
    const char *next = line, *end = line + n_bytes, *kind, *word = line;
    size_t n_kind, n_word, n_words = 0;

    kind = take_plain(&next, end, &n_kind);
    while (word != NULL && n_words < 4 && (word = take_plain(&next, end, &n_word)) != NULL)
        n_words++;
    return (is_word(kind, n_kind, "TASK") && n_words >= 2) || (is_word(kind, n_kind, "EDGE") && n_words == 2);
}

/* ---- first reading: which tasks there are, and the edges */

static const char *id_of(const void *data, uint32_t number)
{
    return ((const struct pmc *)data)->tasks[number].id;
}

static int refuse_id(const struct pmc *p, const char *id, size_t n_bytes, const char *flaw, struct ganger_error *err)
{
    return import_refuse(p->im, p->line, err, "the task's id \"%.*s%s\" (%zu bytes) %s; rename it in its TASK line "
                         "and in every EDGE", n_bytes > 60 ? 60 : (int)n_bytes, id, n_bytes > 60 ? "..." : "",
                         n_bytes, flaw);
}

static int add_task(struct pmc *p, const char *next, const char *end, const char *mark, struct ganger_error *err)
{
    size_t n_bytes = 0;
    const char *id = take_plain(&next, end, &n_bytes), *flaw;
    uint32_t known;

    if (id == NULL)
        return import_refuse(p->im, p->line, err, "TASK has no id; write TASK id [options] executable [arguments]");
    if ((flaw = import_find_flaw_of_id(id, n_bytes)) != NULL)
        return refuse_id(p, id, n_bytes, flaw, err);
    known = name_index_add(&p->index, id, n_bytes, (uint32_t)p->n_tasks, id_of, p);
    if (known != NAME_NOT_FOUND)
        return import_refuse(p->im, p->line, err, "the task \"%.*s\" is there already, on line %" PRIu64 "; give one "
                             "of them another id", (int)n_bytes, id, p->tasks[known].line);
    p->tasks = xgrow(p->tasks, p->n_tasks, &p->tasks_capacity, sizeof(*p->tasks));
    p->tasks[p->n_tasks++] = (struct pmc_task){arena_text(&p->ids, id, n_bytes), next, mark, p->line};
    return 0;
}

static uint32_t find_task(const struct pmc *p, const char *id, size_t n_bytes, struct ganger_error *err)
{
    uint32_t t = name_index_find(&p->index, id, n_bytes, id_of, p);

    if (t == NAME_NOT_FOUND)
        import_refuse(p->im, p->line, err, "EDGE names \"%.*s\", which no TASK above it is called; put the TASK lines "
                      "first, or correct the id", n_bytes > 255 ? 255 : (int)n_bytes, id);
    return t;
}

static int add_edge(struct pmc *p, const char *next, const char *end, struct ganger_error *err)
{
    size_t n_parent = 0, n_child = 0, n_more = 0;
    const char *parent = take_plain(&next, end, &n_parent), *child = take_plain(&next, end, &n_child);
    uint32_t from, to;

    if (child == NULL || take_plain(&next, end, &n_more) != NULL)
        return import_refuse(p->im, p->line, err, "EDGE takes two ids: EDGE parent child");
    from = find_task(p, parent, n_parent, err);
    to = from != NAME_NOT_FOUND ? find_task(p, child, n_child, err) : from;
    if (to == NAME_NOT_FOUND)
        return -1;
    import_add_edge(p->im, from, to);
    return 0;
}

static int read_line(struct pmc *p, const char *line, const char *end, const char **mark, struct ganger_error *err)
{
    const char *next = line;
    size_t n_bytes = 0;
    const char *kind = take_plain(&next, end, &n_bytes);
    int status = 0;

    if (kind == NULL)
        return 0;
    if (is_word(kind, n_bytes, "#@")) {
        *mark = next;
        return 0;
    }
    if (*kind == '#')
        return 0;
    if (is_word(kind, n_bytes, "EDGE"))
        return add_edge(p, next, end, err);
    if (!is_word(kind, n_bytes, "TASK"))
        return import_refuse(p->im, p->line, err, "\"%.*s\" begins no record; there are TASK, EDGE, and # for comments",
                             n_bytes > 60 ? 60 : (int)n_bytes, kind);
    status = add_task(p, next, end, *mark, err);
    *mark = NULL;
    return status;
}

static const char *end_of_line(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));

    return newline != NULL ? newline : end;
}

static int read_lines(struct pmc *p, const char *bytes, struct ganger_error *err)
{
    const char *mark = NULL;

    while (bytes < p->end) {
        const char *end = end_of_line(bytes, p->end);

        p->line++;
        if (read_line(p, bytes, end, &mark, err) != 0)
            return -1;
        bytes = end < p->end ? end + 1 : end;
    }
    if (p->n_tasks == 0)
        return import_refuse(p->im, 0, err, "there is no TASK in it");
    return 0;
}

/* ---- second reading: options and commands */

static int refuse_task(const struct pmc *p, const struct pmc_task *task, struct ganger_error *err, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

static int refuse_task(const struct pmc *p, const struct pmc_task *task, struct ganger_error *err, const char *format,
                       ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return import_refuse(p->im, task->line, err, "task \"%s\": %s", task->id, text);
}

static int read_number(const struct pmc *p, const struct pmc_task *task, const char *option, double least, double most,
                       double *value, struct ganger_error *err)
{
    const char *word = p->word.bytes;
    bool is_whole = strcmp(option, "--tries") == 0 || strcmp(option, "--priority") == 0;
    char *end;

    *value = strtod(word, &end);
    if (end == word || *end != '\0' || !(*value >= least && *value <= most) || (is_whole && *value != floor(*value)))
        return refuse_task(p, task, err, "%s takes a %snumber from %.0f to %.0f, not \"%.80s\"", option, is_whole
                           ? "whole " : "", least, most, word);
    return 0;
}

static int read_forward(struct pmc *p, const struct pmc_task *task, const char *option, struct ganger_error *err)
{
    bool is_pipe = option[1] == 'f' || strcmp(option, "--pipe-forward") == 0;
    const char *equals = memchr(p->word.bytes, '=', p->word.n - 1);

    if (equals == NULL || equals == p->word.bytes || equals[1] == '\0')
        return refuse_task(p, task, err, "%s takes %s, not \"%.200s\"", option, is_pipe ? "VARIABLE=FILE" :
                           "SOURCE=DESTINATION", p->word.bytes);
    buffer_printf(&p->forwards, "\"%s\",", is_pipe ? "-f" : "-F");
    if (!import_put_text(&p->forwards, p->word.bytes, p->word.n - 1))
        return refuse_task(p, task, err, "what follows %s is not UTF-8", option);
    buffer_put_u8(&p->forwards, ',');
    return 0;
}

static const struct
{
    const char *letter;
    const char *name;
} option_names[] = {
    {"-m", "--request-memory"}, {"-c", "--request-cpus"}, {"-t", "--tries"},
    {"-p", "--priority"},       {"-f", "--pipe-forward"}, {"-F", "--file-forward"},
};
#define N_OPTION_NAMES (sizeof(option_names) / sizeof(*option_names))

/* p->word holds the option's value. */
static int read_option(struct pmc *p, const struct pmc_task *task, size_t option, struct pmc_options *o,
                       struct ganger_error *err)
{
    const char *name = option_names[option].name;

    switch (option_names[option].letter[1]) {
    case 'm': return read_number(p, task, name, 0, MEMORY_MAX_MB, &o->memory_mb, err);
    case 'c': return read_number(p, task, name, 0, CORES_MAX, &o->cpus, err);
    case 't': return read_number(p, task, name, 1, TRIES_MAX, &o->tries, err);
    case 'p': return read_number(p, task, name, -PRIORITY_MAX, PRIORITY_MAX, &o->priority, err);
    default: o->is_forwarded = true; return read_forward(p, task, name, err);
    }
}

/* Takes a word that must be there, ended by a NUL. 1, or 0 at the end of the line, or -1 when it holds a NUL. */
static int next_word(struct pmc *p, const struct pmc_task *task, const char **next, const char *end,
                     struct ganger_error *err)
{
    enum take_status status = take_word(next, end, &p->word);

    if (status == TAKE_END)
        return 0;
    if (memchr(p->word.bytes != NULL ? p->word.bytes : "", '\0', p->word.n) != NULL)
        return refuse_task(p, task, err, "the line holds a NUL");
    if (status == TAKE_UNCLOSED)
        import_warn(p->im, "a quote that is not closed is taken to end with its line", task->id);
    buffer_put_u8(&p->word, 0);
    return 1;
}

/* Takes the options; p->word is then the executable. */
static int read_options(struct pmc *p, const struct pmc_task *task, const char **next, const char *end,
                        struct pmc_options *o, struct ganger_error *err)
{
    int taken;

    p->forwards.n = 0;
    while ((taken = next_word(p, task, next, end, err)) > 0 && p->word.bytes[0] == '-') {
        size_t i = 0;

        while (i < N_OPTION_NAMES && strcmp(p->word.bytes, option_names[i].letter) != 0 &&
               strcmp(p->word.bytes, option_names[i].name) != 0)
            i++;
        if (i == N_OPTION_NAMES)
            return refuse_task(p, task, err, "\"%.80s\" is no option of a TASK; there are -m -c -t -p -f -F, "
                               "before the executable", p->word.bytes);
        taken = next_word(p, task, next, end, err);
        if (taken == 0)
            return refuse_task(p, task, err, "%s needs a value", option_names[i].name);
        if (taken < 0 || read_option(p, task, i, o, err) != 0)
            return -1;
    }
    if (taken == 0 || (taken > 0 && p->word.n == 1))
        return refuse_task(p, task, err, "it has no executable; write TASK id [options] executable [arguments]");
    return taken > 0 ? 0 : -1;
}

static int put_word(struct pmc *p, const struct pmc_task *task, struct ganger_error *err)
{
    if (!import_put_text(p->im->ours, p->word.bytes, p->word.n - 1))
        return refuse_task(p, task, err, "its command is not UTF-8, which ganger's commands must be");
    return 0;
}

/* What else runs alike: the transformation that a #@ line names, else a forwarded task's own program. */
static void put_program(struct pmc *p, const struct pmc_task *task, const char *executable)
{
    const char *name = executable, *next = task->mark;
    size_t n_bytes = name != NULL ? strlen(name) : 0;

    if (task->mark != NULL) {
        take_plain(&next, end_of_line(task->mark, p->end), &n_bytes);
        name = take_plain(&next, end_of_line(task->mark, p->end), &n_bytes);
    }
    if (name != NULL)
        import_put_program(p->im, name, n_bytes, task->id);
}

static int put_command(struct pmc *p, const struct pmc_task *task, const char **next, const char *end,
                       struct ganger_error *err)
{
    struct buffer *ours = p->im->ours;
    int taken = 1;

    while (taken > 0) {
        if (put_word(p, task, err) != 0)
            return -1;
        if (strstr(p->word.bytes, "PMC_") != NULL)
            import_warn(p->im, "a command speaks of PMC_ variables, which are not set here; GANGER_TASK_ID, "
                        "GANGER_CORES and GANGER_WORKER are", task->id);
        taken = next_word(p, task, next, end, err);
        if (taken > 0)
            buffer_put_u8(ours, ',');
    }
    buffer_put_u8(ours, ']');
    return taken;
}

static void put_amounts(struct pmc *p, const struct pmc_task *task, const struct pmc_options *o)
{
    struct buffer *ours = p->im->ours;

    if (o->cpus == 0)
        import_warn(p->im, "--request-cpus 0 became one core: a task occupies at least one", task->id);
    if (o->cpus > 1)
        buffer_printf(ours, ",\"cores\":%.0f", ceil(o->cpus));
    if (o->memory_mb > 0)
        buffer_printf(ours, ",\"memory\":%" PRIu64, (uint64_t)ceil(o->memory_mb) << 20);
    if (o->tries > 1)
        buffer_printf(ours, ",\"retries\":%.0f", o->tries - 1);
    if (o->priority != 0)
        buffer_printf(ours, ",\"priority\":%.0f", o->priority);
}

/* The words before a command that forwards what it writes. */
static int put_forward(struct pmc *p, const struct pmc_task *task, struct ganger_error *err)
{
    const char *program = p->im->options->forward_program;
    struct buffer *ours = p->im->ours;

    if (program == NULL)
        return refuse_task(p, task, err, "it forwards what it writes, for which ganger needs ganger-forward; install "
                           "it beside ganger or in ../libexec/ganger");
    if (!import_put_text(ours, program, strlen(program)))
        return refuse_task(p, task, err, "it forwards what it writes, and the path of ganger-forward, \"%.255s\", is "
                           "not UTF-8; install ganger elsewhere", program);
    buffer_put_u8(ours, ',');
    buffer_put(ours, p->forwards.bytes, p->forwards.n);
    buffer_put(ours, "\"--\",", 5);
    return 0;
}

static int put_task(struct pmc *p, uint32_t t, struct ganger_error *err)
{
    const struct pmc_task *task = &p->tasks[t];
    const char *next = task->rest, *end = end_of_line(task->rest, p->end);
    struct pmc_options o = {.cpus = 1};
    struct buffer *ours = p->im->ours;
    const char *slash;
    char *program = NULL;
    int status;

    if (read_options(p, task, &next, end, &o, err) != 0)
        return -1;
    buffer_put(ours, "{\"id\":", 6);
    import_put_text(ours, task->id, strlen(task->id));
    buffer_put(ours, ",\"command\":[", 12);
    if (o.is_forwarded) {
        if (put_forward(p, task, err) != 0)
            return -1;
        slash = strrchr(p->word.bytes, '/');
        program = xstrdup(slash != NULL ? slash + 1 : p->word.bytes);
    }
    status = put_command(p, task, &next, end, err);
    put_amounts(p, task, &o);
    put_program(p, task, program);
    free(program);
    import_put_after(p->im, t, id_of, p);
    buffer_put(ours, "}\n", 2);
    return status;
}

static int put_tasks(struct pmc *p, struct ganger_error *err)
{
    char *name = file_stem(p->im->options->file), *text = utf8_repaired(name);

    buffer_printf(p->im->ours, "{\"name\":");
    import_put_text(p->im->ours, text, strlen(text));
    buffer_printf(p->im->ours, "}\n");
    free(text);
    free(name);
    for (uint32_t t = 0; t < p->n_tasks; t++)
        if (put_task(p, t, err) != 0)
            return -1;
    return 0;
}

int import_pmc(struct import *im, const char *bytes, size_t n_bytes, struct ganger_error *err)
{
    struct pmc p = {.im = im, .end = bytes + n_bytes, .ids = ARENA_EMPTY, .index = NAME_INDEX_EMPTY};
    int status = read_lines(&p, bytes, err);

    if (status == 0) {
        for (uint64_t n = import_sort_edges(im, (uint32_t)p.n_tasks); n > 0; n--)
            import_warn(im, "an EDGE stands there more than once; it counts once", NULL);
        name_index_release(&p.index);
        status = put_tasks(&p, err);
    }
    name_index_release(&p.index);
    arena_release(&p.ids);
    free(p.tasks);
    buffer_release(&p.word);
    buffer_release(&p.forwards);
    return status;
}
