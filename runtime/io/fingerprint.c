#include "io/fingerprint.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "core/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#define CHUNK_BYTES ((size_t)256 * 1024)
#define SETTLED_S 2.0 /* file systems tell times in steps of up to this */

/* By which a file is known again. */
struct identity
{
    uint64_t device;
    uint64_t inode;
    int64_t n_bytes;
    int64_t changed_s;
    int64_t changed_ns;
};

enum part_kind
{
    PART_FILE,
    PART_DIRECTORY,
    PART_LINK,
    PART_OTHER, /* a pipe, a device: only its being there counts */
    PART_MISSING,
};

struct fingerprint_part
{
    size_t path_at;  /* in the text */
    size_t name_at;  /* what of it counts: below the declared path, whose name the task's definition has */
    enum part_kind kind;
    struct identity identity;
};

struct fingerprint_known
{
    struct identity identity;
    uint64_t hash;
};

void fingerprint_init(struct fingerprint *f)
{
    *f = (struct fingerprint){.fd = -1};
}

static void stop_reading(struct fingerprint *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

void fingerprint_release(struct fingerprint *f)
{
    stop_reading(f);
    free(f->parts);
    free(f->known);
    free(f->bytes);
    buffer_release(&f->text);
    intern_release(&f->table);
    if (f->state != NULL)
        XXH3_freeState(f->state);
    fingerprint_init(f);
}

/* ---- what there is ---- */

static struct identity identity_of(const struct stat *s)
{
    return (struct identity){s->st_dev, s->st_ino, s->st_size, s->st_mtim.tv_sec, s->st_mtim.tv_nsec};
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return memcmp(a, b, sizeof(*a)) == 0; /* all of it is numbers of eight bytes */
}

static enum part_kind kind_of(const struct stat *s)
{
    switch (s->st_mode & S_IFMT) {
    case S_IFREG: return PART_FILE;
    case S_IFDIR: return PART_DIRECTORY;
    case S_IFLNK: return PART_LINK;
    default: return PART_OTHER;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted; -1: it cannot be read. */
static int list_directory(const char *path, char ***names, size_t *n)
{
    DIR *dir = opendir(path);
    size_t capacity = 0;
    struct dirent *entry;

    *names = NULL;
    *n = 0;
    if (dir == NULL)
        return -1;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        *names = xgrow(*names, *n, &capacity, sizeof(**names));
        (*names)[(*n)++] = xstrdup(entry->d_name);
    }
    closedir(dir);
    if (*n > 0)
        qsort(*names, *n, sizeof(**names), compare_names);
    return 0;
}

static void add_part(struct fingerprint *f, const char *path, size_t n_prefix, bool follows_links);

static void add_directory(struct fingerprint *f, const char *path, size_t n_prefix)
{
    char **names;
    size_t n;

    if (list_directory(path, &names, &n) != 0)
        f->is_unsure = true;
    for (size_t i = 0; i < n; i++) {
        char *below = xasprintf("%s/%s", path, names[i]);

        add_part(f, below, n_prefix, false);
        free(below);
        free(names[i]);
    }
    free(names);
}

/* Only the path that is declared may be a link that is followed: below it, links might lead round and round. Of the
 * path, what stands behind the first `n_prefix` bytes counts. */
static void add_part(struct fingerprint *f, const char *path, size_t n_prefix, bool follows_links)
{
    struct fingerprint_part part = {.path_at = f->text.n, .name_at = f->text.n + n_prefix, .kind = PART_MISSING};
    struct stat s;

    if ((follows_links ? stat(path, &s) : lstat(path, &s)) == 0) {
        part.kind = kind_of(&s);
        part.identity = identity_of(&s);
    }
    buffer_put(&f->text, path, strlen(path) + 1);
    f->parts = xgrow(f->parts, f->n_parts, &f->parts_capacity, sizeof(*f->parts));
    f->parts[f->n_parts++] = part;
    if (part.kind == PART_DIRECTORY)
        add_directory(f, path, n_prefix);
}

void fingerprint_begin(struct fingerprint *f, const char *cwd, const char *paths, uint32_t n_bytes)
{
    const char *end = paths + n_bytes;

    stop_reading(f);
    f->n_parts = f->next = f->text.n = 0;
    f->value = 0;
    f->is_unsure = false;
    for (const char *path = paths; path < end; path += strlen(path) + 1) {
        char *absolute = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", cwd, path);

        add_part(f, absolute, strlen(absolute), true);
        free(absolute);
    }
}

/* ---- what is known ---- */

static bool is_known_as(const void *data, uint32_t number, const void *thing)
{
    return is_same(&((const struct fingerprint *)data)->known[number].identity, thing);
}

static uint32_t find_known(const struct fingerprint *f, const struct identity *identity)
{
    return intern_find(&f->table, XXH3_64bits(identity, sizeof(*identity)), identity, is_known_as, f);
}

/* Unless it changed so shortly ago that another change might give it the same time. */
static void remember(struct fingerprint *f, const struct identity *identity, uint64_t hash)
{
    if (clock_wall_s() - (double)identity->changed_s < SETTLED_S || find_known(f, identity) != UINT32_MAX)
        return;
    f->known = xgrow(f->known, f->n_known, &f->known_capacity, sizeof(*f->known));
    f->known[f->n_known] = (struct fingerprint_known){*identity, hash};
    intern_add(&f->table, XXH3_64bits(identity, sizeof(*identity)), f->n_known);
    f->n_known++;
}

/* ---- reading ---- */

static const char *path_of(const struct fingerprint *f, const struct fingerprint_part *part)
{
    return f->text.bytes + part->path_at;
}

/* The part is read: its name, kind and contents count. */
static void end_part(struct fingerprint *f, uint64_t contents)
{
    const struct fingerprint_part *part = &f->parts[f->next++];
    const char *name = f->text.bytes + part->name_at;
    const uint64_t words[] = {f->value, (uint64_t)part->kind, contents, XXH3_64bits(name, strlen(name))};

    f->value = XXH3_64bits(words, sizeof(words));
}

static void begin_file(struct fingerprint *f, const struct fingerprint_part *part)
{
    uint32_t known = find_known(f, &part->identity);

    if (known != UINT32_MAX) {
        end_part(f, f->known[known].hash);
        return;
    }
    f->fd = open(path_of(f, part), O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe by now would hold us */
    if (f->fd < 0) {
        f->is_unsure = true;
        end_part(f, 0);
        return;
    }
    if (f->state == NULL) {
        f->state = XXH3_createState();
        f->bytes = xmalloc(CHUNK_BYTES);
    }
    XXH3_64bits_reset(f->state);
}

static void end_file(struct fingerprint *f, bool was_read)
{
    const struct fingerprint_part *part = &f->parts[f->next];
    uint64_t hash = XXH3_64bits_digest(f->state);
    struct stat s;
    struct identity now = {0};

    if (fstat(f->fd, &s) == 0)
        now = identity_of(&s);
    stop_reading(f);
    if (!was_read || !is_same(&now, &part->identity))
        f->is_unsure = true;
    else
        remember(f, &now, hash);
    end_part(f, hash);
}

/* A chunk of the file that is open. Returns how many bytes. */
static size_t read_chunk(struct fingerprint *f)
{
    ssize_t n = read(f->fd, f->bytes, CHUNK_BYTES);

    if (n > 0)
        XXH3_64bits_update(f->state, f->bytes, (size_t)n);
    else if (n == 0 || errno != EINTR)
        end_file(f, n == 0);
    return n > 0 ? (size_t)n : 0;
}

static void read_link(struct fingerprint *f, const struct fingerprint_part *part)
{
    char target[4096];
    ssize_t n = readlink(path_of(f, part), target, sizeof(target));

    f->is_unsure |= n < 0;
    end_part(f, n > 0 ? XXH3_64bits(target, (size_t)n) : 0);
}

static void begin_part(struct fingerprint *f)
{
    const struct fingerprint_part *part = &f->parts[f->next];

    switch (part->kind) {
    case PART_FILE: begin_file(f, part); break;
    case PART_LINK: read_link(f, part); break;
    case PART_MISSING: f->is_unsure = true; /* fall through */
    case PART_DIRECTORY:
    case PART_OTHER: end_part(f, 0); break;
    }
}

bool fingerprint_step(struct fingerprint *f, size_t n_bytes)
{
    const size_t part_cost = 4096; /* of opening one */
    size_t n = 0;

    while (f->next < f->n_parts && n < n_bytes) {
        if (f->fd >= 0) {
            n += read_chunk(f);
        } else {
            begin_part(f);
            n += part_cost;
        }
    }
    return f->next == f->n_parts;
}

uint64_t fingerprint_value(const struct fingerprint *f)
{
    if (f->is_unsure)
        return FINGERPRINT_UNSURE;
    return f->value <= FINGERPRINT_ANY ? FINGERPRINT_ANY + 1 : f->value;
}

bool fingerprint_is_current(const struct fingerprint *f)
{
    for (size_t i = 0; i < f->n_parts; i++) {
        const struct fingerprint_part *part = &f->parts[i];
        bool is_declared = f->text.bytes[part->name_at] == '\0';
        struct identity now;
        struct stat s;

        if ((is_declared ? stat(path_of(f, part), &s) : lstat(path_of(f, part), &s)) != 0)
            return false;
        now = identity_of(&s);
        if (!is_same(&now, &part->identity))
            return false;
    }
    return true;
}
