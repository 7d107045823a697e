#include "io/rundir_parts.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_NAME "journal.jsonl"
#define OUTPUT_NAME "output"
#define RECORD_NAME "run.json"

/* --- files --- */

int rundir_draw_token(char token[33], struct ganger_error *err)
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_set_errno(err, ERROR_SYSTEM, "cannot draw random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

int rundir_write_new(int dir_fd, const char *name, const char *text, struct ganger_error *err)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status;

    if (fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot make the file %s", name);
    status = file_write(fd, text, strlen(text)) != 0 || fsync(fd) != 0 ? -1 : 0;
    if (status != 0) {
        error_set_errno(err, ERROR_SYSTEM, "cannot write the file %s", name);
        unlinkat(dir_fd, name, 0);
    }
    close(fd);
    return status;
}

/* --- paths --- */

char *rundir_default_path(const char *workflow_path)
{
    const char *slash = strrchr(workflow_path, '/');
    const char *base = slash != NULL ? slash + 1 : workflow_path;
    const char *dot = strrchr(base, '.');
    size_t n = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);

    if (strcmp(workflow_path, "-") == 0)
        return xstrdup("stdin.run");
    if (strcmp(base + n, ".run") == 0) /* the document itself has that name */
        n = strlen(base);
    return xasprintf("%.*s.run", (int)n, base);
}

/* Not realpath: what an automounter shows as the real path is no path on other hosts. */
char *rundir_absolute_path(const char *path, struct ganger_error *err)
{
    size_t n = strlen(path);
    char *cwd, *result;

    while (n > 1 && path[n - 1] == '/') /* a link is no link with a slash behind it */
        n--;
    if (n == 0) {
        error_set(err, ERROR_USAGE, "the path of the run directory is empty");
        return NULL;
    }
    if (path[0] == '/')
        return xstrndup(path, n);
    cwd = getcwd(NULL, 0);
    if (cwd == NULL) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot tell the current directory", path);
        return NULL;
    }
    result = xasprintf("%s/%.*s", cwd, (int)n, path);
    free(cwd);
    return result;
}

static int set_paths(struct rundir *d, const char *path, struct ganger_error *err)
{
    *d = (struct rundir){.fd = -1};
    d->path = rundir_absolute_path(path, err);
    if (d->path == NULL)
        return -1;
    d->journal_path = xasprintf("%s/%s", d->path, JOURNAL_NAME);
    d->output_path = xasprintf("%s/%s", d->path, OUTPUT_NAME);
    return 0;
}

static int open_directory(struct rundir *d, struct ganger_error *err)
{
    struct stat status;

    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd >= 0)
        return 0;
    if (errno == ENOTDIR && lstat(d->path, &status) == 0 && S_ISLNK(status.st_mode))
        return error_set(err, ERROR_USAGE,
                         "%s: is a symbolic link; give the directory itself as --run-dir", d->path);
    return error_set_errno(err, ERROR_USAGE, "%s: cannot open the run directory", d->path);
}

/* --- the contract of `resume` --- */

static int check_journal(const struct rundir *d, bool resume, struct ganger_error *err)
{
    struct stat status;
    bool is_there = fstatat(d->fd, JOURNAL_NAME, &status, AT_SYMLINK_NOFOLLOW) == 0;

    if (is_there && !S_ISREG(status.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is not a regular file: give another --run-dir",
                         d->journal_path);
    if (resume && !is_there)
        return error_set(err, ERROR_USAGE,
                         "%s: there is no run to resume in this directory; start one without "
                         "--resume",
                         d->path);
    if (!resume && is_there && status.st_size > 0)
        return error_set(err, ERROR_USAGE,
                         "%s: this directory holds a run already; --resume continues it, "
                         "--run-dir DIR puts the new run elsewhere",
                         d->path);
    return 0;
}

static int check_output(const struct rundir *d, struct ganger_error *err)
{
    struct stat status;

    if (fstatat(d->fd, OUTPUT_NAME, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_SYSTEM, "%s: cannot be looked at",
                                                 d->output_path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is not a directory: give another --run-dir",
                         d->output_path);
    return 0;
}

static int check_all(const struct rundir *d, bool resume, struct ganger_error *err)
{
    if (rundir_check_owner(d, err) != 0 || check_journal(d, resume, err) != 0)
        return -1;
    return check_output(d, err);
}

/* Is it missing, and could it be made? 1: missing, 0: there, -1: missing and cannot be made. */
static int check_missing(const struct rundir *d, bool resume, struct ganger_error *err)
{
    struct stat status;
    char *parent;
    int ok;

    if (lstat(d->path, &status) == 0 || errno != ENOENT)
        return 0;
    if (resume)
        return error_set(err, ERROR_USAGE,
                         "%s: there is no run to resume: the directory is missing; start the run "
                         "without --resume",
                         d->path);
    parent = xstrndup(d->path, (size_t)(strrchr(d->path, '/') - d->path + 1));
    ok = access(parent, W_OK | X_OK);
    if (ok != 0)
        error_set_errno(err, ERROR_USAGE, "%s: cannot make a directory in %s", d->path, parent);
    free(parent);
    return ok == 0 ? 1 : -1;
}

static int make_directory(const struct rundir *d, bool resume, bool *is_made,
                          struct ganger_error *err)
{
    *is_made = false;
    switch (check_missing(d, resume, err)) {
    case 0: return 0;
    case 1: break;
    default: return -1;
    }
    if (mkdir(d->path, 0700) == 0)
        *is_made = true;
    else if (errno != EEXIST)
        return error_set_errno(err, ERROR_USAGE, "%s: cannot make the run directory", d->path);
    return 0;
}

static int make_output(const struct rundir *d, struct ganger_error *err)
{
    if (mkdirat(d->fd, OUTPUT_NAME, 0700) == 0 || errno == EEXIST)
        return check_output(d, err);
    return error_set_errno(err, ERROR_SYSTEM, "%s: cannot make the directory", d->output_path);
}

static int own_directory(struct rundir *d, bool resume, struct ganger_error *err)
{
    if (rundir_guard(d, err) != 0 || check_all(d, resume, err) != 0)
        return -1;
    if (rundir_take_lock(d, err) != 0)
        return -1;
    /* Once more: a short run may have come and gone between the look and the lock. */
    if (check_journal(d, resume, err) != 0)
        return -1;
    return make_output(d, err);
}

int rundir_open(struct rundir *d, const char *path, bool resume, struct ganger_error *err)
{
    bool is_made = false;

    if (set_paths(d, path, err) == 0 && make_directory(d, resume, &is_made, err) == 0 &&
        open_directory(d, err) == 0 && own_directory(d, resume, err) == 0)
        return 0;
    if (d->is_owner && rundir_holds_lock(d))
        unlinkat(d->fd, LOCK_NAME, 0);
    d->is_owner = false;
    if (is_made)
        rmdir(d->path);
    rundir_close(d);
    return -1;
}

int rundir_check(const char *path, bool resume, struct ganger_error *err)
{
    struct rundir d;
    int status = set_paths(&d, path, err);

    if (status == 0)
        status = check_missing(&d, resume, err);
    if (status == 0)
        status = open_directory(&d, err) == 0 ? check_all(&d, resume, err) : -1;
    rundir_close(&d);
    return status < 0 ? -1 : 0;
}

int rundir_open_to_read(struct rundir *d, const char *path, struct ganger_error *err)
{
    if (set_paths(d, path, err) == 0 && open_directory(d, err) == 0)
        return 0;
    rundir_close(d);
    return -1;
}

int rundir_find(struct rundir *d, const char *path, struct ganger_error *err)
{
    struct stat file;
    char *run_path;
    int status;

    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return rundir_open_to_read(d, path, err);
    run_path = rundir_default_path(path);
    status = rundir_open_to_read(d, run_path, err);
    free(run_path);
    return status == 0 ? 0 : error_prefix(err, "%s: no run of this workflow here: ", path);
}

int rundir_write_record(const struct rundir *d, const char *json, struct ganger_error *err)
{
    char token[33];
    char new_name[64];

    if (rundir_draw_token(token, err) != 0)
        return -1;
    snprintf(new_name, sizeof(new_name), "%s.new.%s", RECORD_NAME, token);
    if (rundir_write_new(d->fd, new_name, json, err) != 0)
        return error_prefix(err, "%s: ", d->path);
    if (renameat(d->fd, new_name, d->fd, RECORD_NAME) != 0) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot replace %s", d->path, RECORD_NAME);
        unlinkat(d->fd, new_name, 0);
        return -1;
    }
    return 0;
}

void rundir_close(struct rundir *d)
{
    if (d->path == NULL)
        return;
    if (d->is_owner && rundir_holds_lock(d))
        unlinkat(d->fd, LOCK_NAME, 0);
    if (d->fd >= 0)
        close(d->fd);
    free(d->path);
    free(d->journal_path);
    free(d->output_path);
    *d = (struct rundir){.fd = -1};
}
