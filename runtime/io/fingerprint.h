/* fingerprint: what declared inputs contain, as one number.
 *
 * Files by their bytes (XXH3), directories by the names, kinds and contents of all that is in them, links in these by
 * where they point. Reads in steps, so that whoever asks can do other things between them: a file costs a read of it
 * and, for each GB, 0.15 s for the hash. A file that was read once is known by device, inode, size and time of its last
 * change, and not read again, unless that was less than two seconds ago and the next change might not be seen. */
#ifndef GANGER_IO_FINGERPRINT_H
#define GANGER_IO_FINGERPRINT_H

#include "base/buffer.h"
#include "base/intern.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fingerprint
{
    struct fingerprint_part *parts; /* files, and all that is in directories */
    size_t n_parts;
    size_t parts_capacity;
    size_t next;        /* part to be read */
    struct buffer text; /* their paths */
    uint64_t value;     /* of those that were read */
    bool is_unsure;     /* one cannot be read, or changed meanwhile */

    int fd;             /* of the file that is being read; -1: none */
    void *state;        /* of its hash */
    char *bytes;        /* a chunk of it */

    struct fingerprint_known *known; /* files that were read once */
    uint32_t n_known;
    size_t known_capacity;
    struct intern_table table; /* of them */
};

void fingerprint_init(struct fingerprint *f);
void fingerprint_release(struct fingerprint *f);

/* Begins anew with the packed `paths` (n_bytes, each ended by a NUL); relative ones start from `cwd`. Both are copied.
 * Directories are listed here, and nothing is read. */
void fingerprint_begin(struct fingerprint *f, const char *cwd, const char *paths, uint32_t n_bytes);

/* Reads some `n_bytes` more. True: all was read. */
bool fingerprint_step(struct fingerprint *f, size_t n_bytes);

/* Of what was read to its end: never FINGERPRINT_NONE nor FINGERPRINT_ANY (core/task.h); FINGERPRINT_UNSURE when
 * something could not be read, or changed while it was. */
uint64_t fingerprint_value(const struct fingerprint *f);

/* Is all as it was when it was read, by size, inode and time of change? */
bool fingerprint_is_current(const struct fingerprint *f);

#endif
