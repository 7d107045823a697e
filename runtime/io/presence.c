#include "io/presence.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int look(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? 0 : errno;
}

/* Reads the nearest folder above `path` that is there; shortens `path`. */
static void read_folder(char *path)
{
    DIR *folder = NULL;
    char *slash;

    while (folder == NULL && (slash = strrchr(path, '/')) != NULL) {
        slash[slash == path] = '\0'; /* the root keeps its slash */
        folder = opendir(path);
        if (slash == path)
            break;
    }
    if (folder == NULL)
        return;
    (void)readdir(folder);
    closedir(folder);
}

static int look_twice_at(const char *path)
{
    char *above = xstrdup(path);

    read_folder(above);
    free(above);
    return look(path);
}

const char *presence_find_missing(const char *cwd, const char *paths, uint32_t n_bytes, bool look_twice,
                                  int *number)
{
    for (const char *path = paths; path < paths + n_bytes; path += strlen(path) + 1) {
        char *full = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", cwd, path);

        *number = look(full);
        if (*number != 0 && look_twice)
            *number = look_twice_at(full);
        free(full);
        if (*number != 0)
            return path;
    }
    return NULL;
}
