/* scratch: a folder of real files for one test. */
#ifndef GANGER_TESTS_SCRATCH_H
#define GANGER_TESTS_SCRATCH_H

#include "base/alloc.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The caller gives it to scratch_remove. */
static inline char *scratch_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path = xasprintf("%s/ganger-test-XXXXXX", base != NULL ? base : "/tmp");

    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int type,
                                     struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void scratch_remove(char *path)
{
    nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

/* The whole file, ended by a NUL; NULL when it cannot be read. The caller frees it. */
static inline char *scratch_read(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    size_t n = 0;

    if (n_bytes != NULL)
        *n_bytes = 0;
    if (file == NULL)
        return NULL;
    for (;;) {
        size_t n_got;

        bytes = xrealloc(bytes, n + 65536 + 1);
        n_got = fread(bytes + n, 1, 65536, file);
        n += n_got;
        if (n_got == 0)
            break;
    }
    fclose(file);
    bytes[n] = '\0';
    if (n_bytes != NULL)
        *n_bytes = n;
    return bytes;
}

static inline void scratch_write(const char *path, const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, n_bytes, file) != n_bytes || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

#endif
