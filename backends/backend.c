#include "backends/backend.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/spelling.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

const struct backend *const backends[] = {&backend_slurm,  &backend_pbs,  &backend_local,
                                          &backend_thread, &backend_none, NULL};

const struct backend *backend_find(const char *name, struct ganger_error *err)
{
    struct buffer names = BUFFER_EMPTY;

    for (size_t i = 0; backends[i] != NULL; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    for (size_t i = 0; backends[i] != NULL; i++)
        buffer_printf(&names, "%s%s", i > 0 ? ", " : "", backends[i]->name);
    error_set(err, ERROR_USAGE, "\"%s\" is no backend; there are %.*s", name, (int)names.n, names.bytes);
    buffer_release(&names);
    return NULL;
}

/* A job in the background of this machine may have been started inside of another: it is the inner one. */
const struct backend *backend_find_job(char **job)
{
    *job = backend_local.find_job();
    if (*job != NULL)
        return &backend_local;
    for (size_t i = 0; backends[i] != NULL; i++)
        if (backends[i]->find_job != NULL && (*job = backends[i]->find_job()) != NULL)
            return backends[i];
    return NULL;
}

/* ---- those that need the library ---- */

static bool needs_library(struct ganger_error *why)
{
    error_set(why, ERROR_USAGE,
              "workers inside one process come with the C library, which this version of ganger has not; "
              "`ganger run` and --backend local start processes");
    return false;
}

const struct backend backend_thread = {
    .name = "thread",
    .what = "workers are threads of one process",
    .available = needs_library,
};

const struct backend backend_none = {
    .name = "none",
    .what = "everything in one process, one task after another",
    .available = needs_library,
};

/* ---- logs ---- */

/* The file's end, at most n_most bytes. */
static void read_end(const char *path, size_t n_most, struct buffer *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat file;
    ssize_t n;

    if (fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        off_t from = file.st_size > (off_t)n_most ? file.st_size - (off_t)n_most : 0;

        buffer_reserve(text, n_most);
        n = file_read_at(fd, text->bytes, n_most, from);
        text->n = n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0)
        close(fd);
}

static const char *last_of(const char *text, size_t n, const char *mark)
{
    const char *found = NULL, *next = text;

    while ((next = memmem(next, n - (size_t)(next - text), mark, strlen(mark))) != NULL)
        found = next++;
    return found;
}

void backend_read_log(const char *path, size_t n_most, struct buffer *text)
{
    struct buffer all = BUFFER_EMPTY;
    const char *begin, *end, *stop;

    read_end(path, n_most + 65536, &all);
    if (all.bytes == NULL || all.n == 0) {
        buffer_release(&all);
        return;
    }
    stop = all.bytes + all.n;
    begin = last_of(all.bytes, all.n, BACKEND_LOG_BEGINS);
    begin = begin != NULL ? memchr(begin, '\n', (size_t)(stop - begin)) : all.bytes;
    begin = begin == NULL ? stop : *begin == '\n' && begin != all.bytes ? begin + 1 : begin;
    end = begin < stop ? memmem(begin, (size_t)(stop - begin), BACKEND_LOG_ENDS, strlen(BACKEND_LOG_ENDS)) : NULL;
    if (end == NULL)
        end = stop;
    if ((size_t)(end - begin) > n_most) {
        begin = end - n_most;
        begin = memchr(begin, '\n', n_most) != NULL ? (const char *)memchr(begin, '\n', n_most) + 1 : begin;
    }
    if (end > begin)
        buffer_put(text, begin, (size_t)(end - begin));
    buffer_release(&all);
}

char *backend_draw_token(void)
{
    unsigned long long token;

    if (getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token))
        token = (unsigned long long)getpid() << 32 ^ (unsigned long long)(clock_wall_s() * 1e6);
    return xasprintf("%016llx", token);
}
