/* presence: are the files there that a task declares?
 *
 * A shared file system shows late what another node has made, and remembers for seconds that a name was not
 * there; to read the folder makes it look again. */
#ifndef GANGER_IO_PRESENCE_H
#define GANGER_IO_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

/* The first of the packed `paths` (n_bytes, each ended by a NUL) that is not there, with its errno in `*number`;
 * NULL: all are. Relative ones start from `cwd`. With `look_twice`, a missing one's folder is read, and it is
 * looked for again. Whatever has the name counts: a folder, too. */
const char *presence_find_missing(const char *cwd, const char *paths, uint32_t n_bytes, bool look_twice,
                                  int *number);

#endif
