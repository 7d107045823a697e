/* jansson_alone: what reading a file of JSON Lines costs at the least: json_loadb and json_decref of each
 * line, and nothing else. `ganger check` is measured against it (check.sh).
 *
 *   jansson_alone FILE */
#include "base/buffer.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_whole(const char *path, struct buffer *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    ssize_t n;

    if (fd < 0 || fstat(fd, &info) != 0)
        return -1;
    buffer_reserve(b, (size_t)info.st_size + 1);
    while ((n = read(fd, b->bytes + b->n, b->capacity - b->n)) > 0)
        b->n += (size_t)n;
    close(fd);
    return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct buffer b = BUFFER_EMPTY;
    unsigned long n_lines = 0;

    if (argc != 2 || read_whole(argv[1], &b) != 0) {
        fprintf(stderr, "usage: jansson_alone FILE (one that can be read)\n");
        return 2;
    }
    for (const char *line = b.bytes, *end = b.bytes + b.n; line < end; n_lines++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline ? newline : end) - line);
        json_error_t error;
        json_t *object = json_loadb(line, length, 0, &error);

        if (object == NULL) {
            fprintf(stderr, "%s:%lu: %s\n", argv[1], n_lines + 1, error.text);
            return 2;
        }
        json_decref(object);
        line += length + 1;
    }
    printf("%lu lines\n", n_lines);
    buffer_release(&b);
    return 0;
}
