/* file: whole transfers to and from file descriptors; what a file is called. */
#ifndef GANGER_BASE_FILE_H
#define GANGER_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Writes all of it: a short write goes on, a descriptor that would block is waited for.
 * 0, or -1 with errno. */
int file_write(int fd, const void *bytes, size_t n_bytes);

/* Reads n_bytes from `offset`, fewer only at the end of the file: how many, or -1 with errno. */
ssize_t file_read_at(int fd, void *bytes, size_t n_bytes, off_t offset);

/* Opens the file that `path` ends with in the directory `dir_fd`, whatever the rest of `path` leads to by now;
 * AT_FDCWD: by the path. A symbolic link is not followed, and no FIFO waited for. -1 with errno. */
int file_open_in(int dir_fd, const char *path, int flags, mode_t mode);

/* What helps when a file cannot be written for that errno: "make room there". For people. */
const char *file_remedy(int number);

/* "flow/ising.json" -> "ising", with ? in place of control characters. The caller frees it. */
char *file_stem(const char *path);

#endif
