#include "base/file.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int file_write(int fd, const void *bytes, size_t n_bytes)
{
    const char *next = bytes;

    while (n_bytes > 0) {
        ssize_t n = write(fd, next, n_bytes);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};

            poll(&room, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return -1;
        } else if (n > 0) {
            next += n;
            n_bytes -= (size_t)n;
        }
    }
    return 0;
}

ssize_t file_read_at(int fd, void *bytes, size_t n_bytes, off_t offset)
{
    size_t n_read = 0;

    while (n_read < n_bytes) {
        ssize_t n = pread(fd, (char *)bytes + n_read, n_bytes - n_read, offset + (off_t)n_read);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        if (n > 0)
            n_read += (size_t)n;
    }
    return (ssize_t)n_read;
}

int file_open_in(int dir_fd, const char *path, int flags, mode_t mode)
{
    const char *slash = dir_fd == AT_FDCWD ? NULL : strrchr(path, '/');

    return openat(dir_fd, slash != NULL ? slash + 1 : path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
}

const char *file_remedy(int number)
{
    switch (number) {
    case ENOSPC: return "make room there";
    case EDQUOT: return "make room within your quota there";
    case EFBIG: return "raise the limit on the size of files (ulimit -f)";
    case EROFS: return "make the file system writable; an error of the disk may have made it read-only";
    case EIO: return "the disk or the file server is in trouble: ask who runs it, the system's log may tell more";
    case ESTALE: return "the directory was removed, or its file server was restarted";
    default: return "mend that";
    }
}

char *file_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    char *stem = xstrndup(base, dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));

    utf8_make_printable(stem);
    return stem;
}
