#include "core/file_table.h"

#include <stdlib.h>
#include <string.h>

struct file_entry
{
    const char *path;
    task_id producer; /* TASK_NONE: nobody makes it, as far as is known */
    task_id writer;
};

struct file_use
{
    uint32_t file;
    task_id task;
};

void file_table_init(struct file_table *f, struct graph *g)
{
    *f = (struct file_table){.g = g};
}

void file_table_release(struct file_table *f)
{
    free(f->entries);
    free(f->uses);
    name_index_release(&f->index);
    buffer_release(&f->key);
    arena_release(&f->text);
    *f = (struct file_table){.g = NULL};
}

static bool is_part(const char *part, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(part, name, n) == 0;
}

/* Takes the last part off what stands from `start` on: false when there is none that could be taken off. */
static bool drop_last_part(struct buffer *out, size_t start)
{
    size_t at = out->n;

    while (at > start && out->bytes[at - 1] != '/')
        at--;
    if (out->n == start || is_part(out->bytes + at, out->n - at, ".."))
        return false;
    out->n = at > start + 1 ? at - 1 : at; /* the slash in front of it, unless that is the root */
    return true;
}

static void append_parts(const char *path, struct buffer *out, size_t start)
{
    while (*path != '\0') {
        size_t n = strcspn(path, "/");
        bool is_root = out->n == start + 1 && out->bytes[start] == '/';

        bool is_dropped = n == 0 || is_part(path, n, ".") ||
                          (is_part(path, n, "..") && (is_root || drop_last_part(out, start)));

        if (!is_dropped && out->n > start && !is_root)
            buffer_put_u8(out, '/');
        if (!is_dropped)
            buffer_put(out, path, n);
        path += n + (path[n] == '/');
    }
}

void file_path_normalise(const char *cwd, const char *path, struct buffer *out)
{
    size_t start = out->n;

    if (*path == '/')
        cwd = NULL;
    if (*path == '/' || (cwd != NULL && *cwd == '/'))
        buffer_put_u8(out, '/');
    if (cwd != NULL)
        append_parts(cwd, out, start);
    append_parts(path, out, start);
}

static const char *path_of(const void *data, uint32_t number)
{
    return ((const struct file_table *)data)->entries[number].path;
}

/* The number of the file; it is entered when it is not there yet. */
static uint32_t find_file(struct file_table *f, const char *cwd, const char *path)
{
    uint32_t number;

    f->key.n = 0;
    file_path_normalise(cwd, path, &f->key);
    number = name_index_add(&f->index, f->key.n ? f->key.bytes : "", f->key.n, f->n_entries, path_of, f);
    if (number != NAME_NOT_FOUND)
        return number;
    f->entries = xgrow(f->entries, f->n_entries, &f->entries_capacity, sizeof(*f->entries));
    f->entries[f->n_entries] = (struct file_entry){
        arena_text(&f->text, f->key.n ? f->key.bytes : "", f->key.n), TASK_NONE, TASK_NONE};
    return f->n_entries++;
}

task_id file_table_add_output(struct file_table *f, task_id task, const char *cwd, const char *path)
{
    uint32_t number = find_file(f, cwd, path);
    struct file_entry *entry = &f->entries[number];

    if (entry->producer != TASK_NONE && entry->producer != task)
        return entry->producer;
    entry->producer = task;
    return TASK_NONE;
}

bool file_table_add_input(struct file_table *f, task_id task, const char *cwd, const char *path)
{
    uint32_t file = find_file(f, cwd, path);
    task_id producer = f->entries[file].producer;

    if (producer == task)
        return false;
    if (producer != TASK_NONE) {
        graph_add_dependency(f->g, producer, task);
        return true;
    }
    f->uses = xgrow(f->uses, f->n_uses, &f->uses_capacity, sizeof(*f->uses));
    f->uses[f->n_uses++] = (struct file_use){file, task};
    return true;
}

task_id file_table_add_writer(struct file_table *f, task_id task, const char *cwd, const char *path)
{
    uint32_t file = find_file(f, cwd, path);
    task_id before = f->entries[file].writer;

    f->entries[file].writer = task;
    return before == task ? TASK_NONE : before;
}

bool file_table_is_same(struct file_table *f, const char *cwd, const char *path, const char *other)
{
    size_t n;

    f->key.n = 0;
    file_path_normalise(cwd, path, &f->key);
    n = f->key.n;
    file_path_normalise(cwd, other, &f->key);
    return f->key.n == 2 * n && (n == 0 || memcmp(f->key.bytes, f->key.bytes + n, n) == 0);
}

void file_table_resolve(const struct file_table *f)
{
    for (size_t i = 0; i < f->n_uses; i++) {
        task_id producer = f->entries[f->uses[i].file].producer;

        if (producer != TASK_NONE)
            graph_add_dependency(f->g, producer, f->uses[i].task);
    }
}
