#include "launch/flow.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "launch/program.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int choose(const char *option, const char *word, const char *const *known, size_t n_known, int *chosen,
                  struct ganger_error *err)
{
    *chosen = 0;
    if (word == NULL)
        return 0;
    for (size_t i = 0; i < n_known; i++) {
        if (strcmp(word, known[i]) == 0) {
            *chosen = (int)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE, "--%s takes %s%s%s or %s, not \"%s\"", option, known[0],
                     n_known > 2 ? ", " : "", n_known > 2 ? known[1] : "", known[n_known - 1], word);
}

int flow_read_replay(struct replay_options *replay, const struct replay_words *words, struct ganger_error *err)
{
    static const char *const modes[] = {[REPLAY_SLEEP] = "sleep", [REPLAY_SPIN] = "spin"};
    static const char *const kinds[] = {[REPLAY_SPARSE] = "sparse", [REPLAY_FULL] = "full", [REPLAY_NONE] = "none"};
    int mode, files;
    char *end;

    *replay = (struct replay_options){.dir = words->dir};
    if (words->scale == NULL && (words->mode != NULL || words->files != NULL || words->dir != NULL))
        return error_set(err, ERROR_USAGE, "--replay-mode, --replay-files and --replay-dir say how to replay: they "
                                           "need --replay SCALE");
    if (words->scale == NULL)
        return 0;
    replay->scale = strtod(words->scale, &end);
    if (end == words->scale || *end != '\0' || !isfinite(replay->scale) || replay->scale <= 0)
        return error_set(err, ERROR_USAGE, "--replay takes a number above 0, by which recorded times are multiplied, "
                                           "not \"%s\"", words->scale);
    if (choose("replay-mode", words->mode, modes, 2, &mode, err) != 0 ||
        choose("replay-files", words->files, kinds, 3, &files, err) != 0)
        return -1;
    replay->mode = (enum replay_mode)mode;
    replay->files = (enum replay_files)files;
    return 0;
}

/* ---- programs that stand beside ganger */

/* NULL when it is not there; the caller frees it. */
static char *find_program(const char *name)
{
    static const char *const places[] = {"", "../libexec/ganger/", "../lib/ganger/"};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0)
        return NULL;
    self[n] = '\0';
    *(strrchr(self, '/') + 1) = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        char *path = xasprintf("%s%s%s", self, places[i], name), *real = realpath(path, NULL);

        free(path);
        if (real != NULL && access(real, X_OK) == 0)
            return real;
        free(real);
    }
    return NULL;
}

/* ---- loading */

static void log_warnings(struct buffer *warnings)
{
    char *line = warnings->bytes, *end = warnings->bytes + warnings->n;

    while (line < end) {
        char *newline = memchr(line, '\n', (size_t)(end - line));

        *newline = '\0';
        log_warning("%s", line);
        line = newline + 1;
    }
}

int flow_convert(enum import_format format, const char *name, const char *bytes, size_t n_bytes,
                 const struct replay_options *replay, struct buffer *ours, struct ganger_error *err)
{
    char *replay_program = find_program("ganger-replay"), *forward_program = find_program("ganger-forward");
    struct import_options options = {.file = name, .replay_program = replay_program,
                                     .forward_program = forward_program};
    struct buffer warnings = BUFFER_EMPTY;
    int status;

    if (replay != NULL)
        options.replay = *replay;
    status = import_convert(format, bytes, n_bytes, &options, ours, &warnings, err);
    log_warnings(&warnings);
    buffer_release(&warnings);
    free(replay_program);
    free(forward_program);
    return status;
}

/* All that is left to read. */
static int read_all(int fd, const char *name, struct buffer *b, struct ganger_error *err)
{
    struct stat info;
    ssize_t n = 1;

    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        buffer_reserve(b, (size_t)info.st_size + 1);
    while (n != 0) {
        buffer_reserve(b, 65536);
        n = read(fd, b->bytes + b->n, b->capacity - b->n);
        if (n < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_USAGE, "cannot read the workflow %.1000s", name);
        b->n += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* What a file that can be read again begins with, so far as is needed to know its format. */
static enum import_format recognise_file(int fd, struct buffer *b)
{
    enum import_format format;
    bool needs_more = true;
    ssize_t n;

    do {
        buffer_reserve(b, b->n > 65536 ? b->n : 65536);
        n = file_read_at(fd, b->bytes + b->n, b->capacity - b->n, (off_t)b->n);
        b->n += n > 0 ? (size_t)n : 0;
        format = import_recognise(b->bytes, b->n, n <= 0, &needs_more);
    } while (needs_more);
    b->n = 0;
    return format;
}

int flow_read(int fd, const char *name, struct buffer *bytes, enum import_format *format, struct ganger_error *err)
{
    bool needs_more;

    if (read_all(fd, name, bytes, err) != 0)
        return -1;
    *format = import_recognise(bytes->bytes, bytes->n, true, &needs_more);
    return 0;
}

static int parse(struct workflow *w, enum import_format format, const char *name, struct buffer *bytes,
                 const struct replay_options *replay, struct ganger_error *err)
{
    struct buffer ours = BUFFER_EMPTY;
    char *as_imported;
    int status;

    if (format == IMPORT_OURS && (replay == NULL || replay->scale == 0))
        return workflow_parse(w, name, bytes->bytes, bytes->n, err);
    status = flow_convert(format, name, bytes->bytes, bytes->n, replay, &ours, err);
    buffer_release(bytes);
    if (status == 0) {
        as_imported = xasprintf("%s, as imported", name); /* its lines are not those of the file */
        status = workflow_parse(w, as_imported, ours.bytes, ours.n, err);
        free(as_imported);
    }
    buffer_release(&ours);
    return status;
}

int flow_load_of(const struct program *program, struct workflow *w, const char *path,
                 const struct replay_options *replay, struct ganger_error *err)
{
    return path != NULL ? flow_load(w, path, replay, err) : program_build(program, 0, NULL, w, err);
}

int flow_load(struct workflow *w, const char *path, const struct replay_options *replay, struct ganger_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "stdin" : path;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    enum import_format format = IMPORT_OURS;
    struct buffer bytes = BUFFER_EMPTY;
    struct stat info;
    bool is_file = fd >= 0 && !is_stdin && fstat(fd, &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
    int status;

    if (is_file)
        format = recognise_file(fd, &bytes);
    /* Our own files are read block by block: a million lines need not be in memory at once. */
    if (fd < 0 || (is_file && format == IMPORT_OURS && (replay == NULL || replay->scale == 0))) {
        status = workflow_load(w, path, err);
    } else {
        status = flow_read(fd, name, &bytes, &format, err);
        if (status == 0)
            status = parse(w, format, name, &bytes, replay, err);
    }
    if (fd >= 0 && !is_stdin)
        close(fd);
    buffer_release(&bytes);
    return status;
}
