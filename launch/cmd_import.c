/* `ganger import`: writes a workflow of another format as our own. */
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "launch/cmd.h"
#include "launch/flow.h"
#include "launch/options.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct import_words
{
    const char *output; /* NULL: standard output */
    bool as_json;
    bool help;
    struct replay_words replay;
};

#define ROW(...) OPTION_ROW(import_words, __VA_ARGS__)

static const struct option_row rows[] = {
    ROW('o', "output", "OUT", OPTION_TEXT, output, "write to the file OUT instead of standard output"),
    ROW('\0', "json", NULL, OPTION_ON, as_json, "write one JSON document instead of JSON Lines"),
    FLOW_REPLAY_ROWS(import_words, replay),
    ROW('h', "help", NULL, OPTION_ON, help, "print this"),
};
#define N_ROWS (sizeof(rows) / sizeof(*rows))

static void print_help(void)
{
    printf("usage: ganger import FILE [OPTION]...\n\n"
           "Writes FILE, a trace in WfFormat or a task graph of Pegasus MPI Cluster (\"-\": standard input), as a\n"
           "workflow of ganger's own. `ganger run` and `ganger check` read such files themselves; this is for\n"
           "looking at what they make of them, and for changing it.\n\n");
    options_print(rows, N_ROWS, stdout);
    printf("\nExit status: 0 written; 2 usage or bad file, which standard error explains; 3 cannot write.\n");
}

/* Lines, the header first, become {header, "tasks": [lines]}. */
static void make_document(struct buffer *lines)
{
    struct buffer document = BUFFER_EMPTY;
    char *newline = memchr(lines->bytes, '\n', lines->n);
    char *end = lines->bytes + lines->n;

    buffer_put(&document, lines->bytes, (size_t)(newline - lines->bytes) - 1); /* less its brace */
    buffer_printf(&document, ",\n\"tasks\":[");
    for (char *line = newline + 1; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        buffer_printf(&document, "%s\n", document.bytes[document.n - 1] == '}' ? "," : "");
        buffer_put(&document, line, (size_t)(newline - line));
    }
    buffer_printf(&document, "\n]}\n");
    buffer_release(lines);
    *lines = document;
}

static int write_out(const char *path, const struct buffer *ours, struct ganger_error *err)
{
    int fd = path == NULL ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return error_set_errno(err, ERROR_USAGE, "cannot write to %.1000s", path);
    if (file_write(fd, ours->bytes, ours->n) != 0 || (path != NULL && close(fd) != 0))
        return error_set_errno(err, ERROR_SYSTEM, "cannot write to %.1000s", path == NULL ? "standard output" : path);
    return 0;
}

/* The workflow is read again before it is written: what comes out can be run. */
static int check(const char *name, const struct buffer *ours, struct ganger_error *err)
{
    char *as_imported = xasprintf("%s, as imported", name);
    struct workflow w;
    int status = workflow_parse(&w, as_imported, ours->bytes, ours->n, err);

    if (status == 0)
        workflow_release(&w);
    free(as_imported);
    return status;
}

static int import(const struct import_words *words, const char *path, struct ganger_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "stdin" : path;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct buffer bytes = BUFFER_EMPTY, ours = BUFFER_EMPTY;
    struct replay_options replay;
    enum import_format format = IMPORT_OURS;
    int status;

    if (fd < 0)
        return error_set_errno(err, ERROR_USAGE, "cannot open %.1000s", path);
    status = flow_read_replay(&replay, &words->replay, err);
    if (status == 0)
        status = flow_read(fd, name, &bytes, &format, err);
    if (status == 0 && format == IMPORT_OURS)
        status = error_set(err, ERROR_USAGE, "%.1000s is neither WfFormat nor a task graph of Pegasus MPI Cluster; if "
                                             "it is a workflow of ganger's own, there is nothing to import", name);
    if (status == 0)
        status = flow_convert(format, name, bytes.bytes, bytes.n, &replay, &ours, err);
    if (status == 0)
        status = check(name, &ours, err);
    if (status == 0 && words->as_json)
        make_document(&ours);
    if (status == 0)
        status = write_out(words->output, &ours, err);
    if (!is_stdin)
        close(fd);
    buffer_release(&bytes);
    buffer_release(&ours);
    return status;
}

static int read_and_import(int argc, char **argv, struct ganger_error *err)
{
    struct import_words words = {.output = NULL};
    int first = options_read(rows, N_ROWS, &words, argc, argv, err);

    if (first < 0)
        return -1;
    if (words.help) {
        print_help();
        return 0;
    }
    return options_expect_one(argc, argv, first, "file", err) == 0 ? import(&words, argv[first], err) : -1;
}

int cmd_import(int argc, char **argv)
{
    struct ganger_error err = {.cause = ERROR_NONE};

    if (read_and_import(argc, argv, &err) != 0)
        log_error("%s", err.text);
    return error_exit_status(&err);
}
