#include "launch/check_files.h"

#include "base/buffer.h"
#include "base/name_index.h"
#include "core/file_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct known_file
{
    const char *path;
    task_id maker; /* TASK_NONE: no task */
    task_id reader;
    bool is_output; /* declared: a stream's file need not be read by anybody */
};

struct known_files
{
    struct known_file *each;
    uint32_t n;
    size_t capacity;
    struct name_index index;
    struct buffer path;
    struct arena *text;
};

static const char *path_of(const void *data, uint32_t number)
{
    return ((const struct known_files *)data)->each[number].path;
}

static struct known_file *know(struct known_files *k, const char *cwd, const char *path)
{
    uint32_t at;

    k->path.n = 0;
    file_path_normalise(cwd, path, &k->path);
    k->each = xgrow(k->each, k->n, &k->capacity, sizeof(*k->each));
    k->each[k->n] = (struct known_file){
        .path = arena_text(k->text, k->path.bytes, k->path.n), .maker = TASK_NONE, .reader = TASK_NONE};
    at = name_index_add(&k->index, k->each[k->n].path, k->path.n, k->n, path_of, k);
    return &k->each[at != NAME_NOT_FOUND ? at : k->n++];
}

static void know_reader(struct known_files *k, task_id task, const char *cwd, const char *path)
{
    struct known_file *file = know(k, cwd, path);

    if (file->reader == TASK_NONE)
        file->reader = task;
}

static void know_stream(struct known_files *k, task_id task, const char *cwd, const char *path)
{
    struct known_file *file;

    if (path == NULL)
        return;
    file = know(k, cwd, path);
    if (file->maker == TASK_NONE)
        file->maker = task;
}

static void know_task(struct known_files *k, task_id task, const struct task_setting *setting)
{
    const struct task_files *files = setting->files;
    const char *next = files->inputs;

    for (uint32_t i = 0; i < files->n_inputs; i++, next += strlen(next) + 1)
        know_reader(k, task, setting->cwd, next);
    if (files->stdin_path != NULL)
        know_reader(k, task, setting->cwd, files->stdin_path);
    next = files->outputs;
    for (uint32_t i = 0; i < files->n_outputs; i++, next += strlen(next) + 1) {
        struct known_file *file = know(k, setting->cwd, next);

        file->maker = task;
        file->is_output = true;
    }
    know_stream(k, task, setting->cwd, files->stdout_path);
    know_stream(k, task, setting->cwd, files->stderr_path);
}

static void list_add(struct check_file_list *list, const char *path, task_id task)
{
    list->each = xgrow(list->each, list->n, &list->capacity, sizeof(*list->each));
    list->each[list->n++] = (struct check_file){path, task};
}

void check_files_find(struct check_files *f, const struct graph *g)
{
    struct known_files k = {.text = &f->text};

    *f = (struct check_files){.text = ARENA_EMPTY};
    for (task_id t = 0; t < g->n_tasks; t++)
        if (!task_is_join(&g->tasks[t]) && g->tasks[t].setting->files != NULL)
            know_task(&k, t, g->tasks[t].setting);
    for (uint32_t i = 0; i < k.n; i++) {
        const struct known_file *file = &k.each[i];

        if (file->reader != TASK_NONE && file->maker == TASK_NONE && access(file->path, F_OK) != 0)
            list_add(&f->missing, file->path, file->reader);
        if (file->reader == TASK_NONE && file->is_output)
            list_add(&f->unread, file->path, file->maker);
    }
    free(k.each);
    buffer_release(&k.path);
    name_index_release(&k.index);
}

void check_files_release(struct check_files *f)
{
    free(f->missing.each);
    free(f->unread.each);
    arena_release(&f->text);
    *f = (struct check_files){.text = ARENA_EMPTY};
}
