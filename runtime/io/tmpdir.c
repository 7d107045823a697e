#include "io/tmpdir.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define TICK_S 0.02 /* longer than any kernel's */

/* tv_nsec -1: it is not there, or no directory any more. */
static struct timespec last_change(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) ? s.st_mtim : (struct timespec){0, -1};
}

/* Kernels stamp changes with the time of their last tick: two within one tick look the same. */
static bool is_old(const struct timespec *change)
{
    return clock_wall_s() - ((double)change->tv_sec + 1e-9 * (double)change->tv_nsec) > TICK_S;
}

static void forget(struct tmpdir *t)
{
    free(t->path);
    t->path = NULL;
}

static const char *find_parent(void)
{
    const char *parent = getenv("TMPDIR");

    return parent != NULL && *parent == '/' ? parent : "/tmp";
}

/* The inode is the same on all nodes, and another one when the directory was removed and made anew. */
static unsigned long long number_run(const char *run_dir)
{
    struct stat s;

    return XXH64(run_dir, strlen(run_dir), stat(run_dir, &s) == 0 ? s.st_ino : 0);
}

void tmpdir_set_owner(struct tmpdir *t, const char *run_dir, uint32_t epoch, uint32_t worker)
{
    snprintf(t->owner, sizeof(t->owner), "%016llx-%u-%u-", number_run(run_dir), epoch, worker);
}

int tmpdir_open(struct tmpdir *t, struct ganger_error *err)
{
    t->path = xasprintf("%s/ganger-%sXXXXXX", find_parent(), t->owner);
    if (mkdtemp(t->path) == NULL) {
        error_set_errno(err, ERROR_SYSTEM, "cannot make a directory for temporary files (%s)", t->path);
        forget(t);
        return -1;
    }
    t->empty = last_change(t->path);
    return 0;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s;
    if (at->level == 0)
        return 0; /* the directory itself stays */
    if (type == FTW_DP || type == FTW_D || type == FTW_DNR)
        rmdir(path); /* what cannot go is told of when the run ends */
    else
        unlink(path);
    return 0;
}

void tmpdir_clear(struct tmpdir *t)
{
    struct timespec now;

    if (t->path == NULL)
        return;
    now = last_change(t->path);
    if (now.tv_nsec < 0) { /* its name may be anybody's by now */
        forget(t);
        return;
    }
    if (now.tv_sec == t->empty.tv_sec && now.tv_nsec == t->empty.tv_nsec && is_old(&now))
        return;
    nftw(t->path, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
    t->empty = last_change(t->path);
}

void tmpdir_close(struct tmpdir *t)
{
    if (t->path == NULL)
        return;
    tmpdir_clear(t);
    if (t->path != NULL && rmdir(t->path) < 0)
        log_warning("the temporary directory %s could not be removed", t->path);
    forget(t);
}

/* ---- what others left ---- */

/* Removes a directory with its contents, whatever their modes, as far as they are ours. */
static void remove_whole(const char *path)
{
    struct tmpdir t = {.path = xstrdup(path)};

    chmod(path, 0700);
    t.empty = (struct timespec){0, 0}; /* never so: look */
    tmpdir_close(&t);
}

static bool is_own_directory(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == getuid();
}

void tmpdir_remove_left(const char *run_dir, uint32_t epoch, uint32_t worker)
{
    DIR *parent = opendir(find_parent());
    unsigned long long run = number_run(run_dir), its_run;
    const struct dirent *entry;
    uint32_t its_epoch, its_worker;

    while (parent != NULL && (entry = readdir(parent)) != NULL) {
        char *path;

        if (sscanf(entry->d_name, "ganger-%16llx-%u-%u-", &its_run, &its_epoch, &its_worker) != 3 || its_run != run)
            continue;
        if (worker == 0 ? its_epoch >= epoch : its_epoch != epoch || its_worker != worker)
            continue;
        path = xasprintf("%s/%s", find_parent(), entry->d_name);
        if (is_own_directory(path))
            remove_whole(path);
        free(path);
    }
    if (parent != NULL)
        closedir(parent);
}
