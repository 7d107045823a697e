#include "launch/run_index.h"

#include "base/intern.h"
#include "base/log.h"
#include "io/journal.h"
#include "io/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

/* What no id can begin with: names that we give ourselves. */
#define OWN '\x01'
#define OWN_SETUP "\x01node.setup"
#define OWN_TEARDOWN "\x01node.teardown"

static const char *id_of(const void *data, uint32_t number)
{
    return ((const struct run_index *)data)->tasks[number].id;
}

static uint32_t task_named(struct run_index *x, const char *id, size_t n)
{
    uint32_t found = name_index_find(&x->names, id, n, id_of, x);

    if (found != NAME_NOT_FOUND)
        return found;
    x->tasks = xgrow(x->tasks, x->n_tasks, &x->tasks_capacity, sizeof(*x->tasks));
    x->tasks[x->n_tasks] = (struct run_task){arena_text(&x->text, id, n), NO_ATTEMPT};
    name_index_add(&x->names, id, n, x->n_tasks, id_of, x);
    return x->n_tasks++;
}

static struct attempt *add_attempt(struct run_index *x, uint32_t task, uint32_t epoch, uint32_t number)
{
    struct attempt *a;

    x->attempts = xgrow(x->attempts, x->n_attempts, &x->attempts_capacity, sizeof(*x->attempts));
    a = &x->attempts[x->n_attempts];
    *a = (struct attempt){.task = task, .previous = x->tasks[task].last, .epoch = epoch, .number = number,
                          .index = TASK_NONE, .kind = RECORD_UNKNOWN, .end = N_TASK_ENDS};
    x->tasks[task].last = x->n_attempts++;
    return a;
}

/* --- from the journal --- */

static struct attempt *find_attempt(const struct run_index *x, uint32_t task, const struct record_fields *f,
                                    uint32_t epoch)
{
    for (uint32_t i = x->tasks[task].last; i != NO_ATTEMPT; i = x->attempts[i].previous) {
        struct attempt *a = &x->attempts[i];

        if (a->epoch != epoch)
            return NULL;
        if (a->number == f->attempt && a->node == f->node)
            return a;
    }
    return NULL;
}

static void note_start(struct run_index *x, const struct record_fields *f, uint32_t epoch)
{
    struct attempt *a = add_attempt(x, task_named(x, f->task, f->n_task), epoch, f->attempt);

    a->index = f->index;
    a->node = f->node;
    a->kind = RECORD_START;
    x->n_without_end++;
}

/* The start's line may be lost. */
static void note_end(struct run_index *x, uint32_t task, const struct record_fields *f, uint32_t epoch)
{
    struct attempt *a = find_attempt(x, task, f, epoch);

    if (a == NULL)
        a = add_attempt(x, task, epoch, f->attempt);
    else if (a->kind == RECORD_START)
        x->n_without_end--;
    a->index = f->index;
    a->node = f->node;
    a->kind = f->kind;
    a->end = f->end;
    a->code = f->code;
    a->output = f->output;
    x->n_without_end += f->end == TASK_LOST; /* what it wrote is not known */
}

/* It was not started after all. */
static void note_return(struct run_index *x, const struct record_fields *f, uint32_t epoch)
{
    struct attempt *a = find_attempt(x, task_named(x, f->task, f->n_task), f, epoch);

    if (a == NULL || a->kind != RECORD_START)
        return;
    a->kind = RECORD_RETURNED;
    x->n_without_end--;
    if (x->tasks[a->task].last == (uint32_t)(a - x->attempts))
        x->tasks[a->task].last = a->previous;
}

static void note_skipped(struct run_index *x, const struct record_fields *f, uint32_t epoch)
{
    struct attempt *a = add_attempt(x, task_named(x, f->task, f->n_task), epoch, 0);

    a->index = f->index;
    a->kind = f->kind;
}

static int read_line(void *data, const struct journal_line *line, struct ganger_error *err)
{
    const struct record_fields *f = line->fields;
    struct run_index *x = data;

    (void)err;
    if (f == NULL) {
        x->n_damaged++;
        return 0;
    }
    if (record_is_end(f->kind) || f->kind == RECORD_ENDED) {
        note_end(x, task_named(x, f->task, f->n_task), f, line->epoch);
        return 0;
    }
    switch (f->kind) {
    case RECORD_RUN: x->n_open_epochs++; break;
    case RECORD_END: x->n_open_epochs -= x->n_open_epochs > 0; break;
    case RECORD_START: note_start(x, f, line->epoch); break;
    case RECORD_RETURNED: note_return(x, f, line->epoch); break;
    case RECORD_SKIPPED:
    case RECORD_NOT_NEEDED: note_skipped(x, f, line->epoch); break;
    case RECORD_SETUP: note_end(x, task_named(x, OWN_SETUP, strlen(OWN_SETUP)), f, line->epoch); break;
    case RECORD_TEARDOWN: note_end(x, task_named(x, OWN_TEARDOWN, strlen(OWN_TEARDOWN)), f, line->epoch); break;
    default: break;
    }
    return 0;
}

/* --- from the chunks --- */

struct rebuilding
{
    struct run_index *index;
    struct intern_table by_chunk; /* attempts, by epoch, index, node and number */
    struct intern_table by_place; /* one attempt of each epoch and index: it tells the task */
    uint32_t epoch;               /* of the file */
    uint32_t node;
};

static uint64_t hash_place(const struct attempt *a)
{
    const uint32_t words[] = {a->epoch, a->index};

    return XXH64(words, sizeof(words), 0);
}

static uint64_t hash_chunk(const struct attempt *a)
{
    const uint32_t words[] = {a->epoch, a->index, a->node, a->number};

    return XXH64(words, sizeof(words), 0);
}

static bool is_same_place(const void *data, uint32_t number, const void *thing)
{
    const struct attempt *a = (const struct attempt *)data + number, *b = thing;

    return a->epoch == b->epoch && a->index == b->index;
}

static bool is_same_chunk(const void *data, uint32_t number, const void *thing)
{
    const struct attempt *a = (const struct attempt *)data + number, *b = thing;

    return is_same_place(data, number, thing) && a->node == b->node && a->number == b->number;
}

static void enter(struct rebuilding *r, uint32_t number)
{
    const struct attempt *all = r->index->attempts, *a = &all[number];
    uint64_t hash = hash_chunk(a);

    if (a->number == 0 || a->kind == RECORD_RETURNED)
        return;
    if (intern_find(&r->by_chunk, hash, a, is_same_chunk, all) == UINT32_MAX)
        intern_add(&r->by_chunk, hash, number);
    hash = hash_place(a);
    if (intern_find(&r->by_place, hash, a, is_same_place, all) == UINT32_MAX)
        intern_add(&r->by_place, hash, number);
}

static uint32_t task_of(struct rebuilding *r, const struct attempt *key)
{
    struct run_index *x = r->index;
    uint32_t other = intern_find(&r->by_place, hash_place(key), key, is_same_place, x->attempts);
    char name[64];

    if (other != UINT32_MAX)
        return x->attempts[other].task;
    if (key->index == TASK_SETUP)
        return task_named(x, OWN_SETUP, strlen(OWN_SETUP));
    if (key->index == TASK_TEARDOWN)
        return task_named(x, OWN_TEARDOWN, strlen(OWN_TEARDOWN));
    snprintf(name, sizeof(name), "%ctask %" PRIu32 " of epoch %" PRIu32, OWN, key->index, key->epoch);
    return task_named(x, name, strlen(name));
}

static bool is_later(const struct attempt *a, const struct attempt *b)
{
    return a->epoch != b->epoch ? a->epoch > b->epoch : a->number > b->number;
}

/* An attempt that the journal does not tell of may have been followed by others that it tells of. */
static void put_in_order(struct run_index *x, struct attempt *a)
{
    uint32_t number = x->tasks[a->task].last, *link = &x->tasks[a->task].last;

    *link = a->previous;
    while (*link != NO_ATTEMPT && is_later(&x->attempts[*link], a))
        link = &x->attempts[*link].previous;
    a->previous = *link;
    *link = number;
}

static struct attempt *attempt_of_chunk(struct rebuilding *r, const struct output_part *part)
{
    const struct attempt key = {.epoch = r->epoch, .index = part->task, .node = r->node, .number = part->attempt};
    struct run_index *x = r->index;
    uint32_t found = intern_find(&r->by_chunk, hash_chunk(&key), &key, is_same_chunk, x->attempts);
    struct attempt *a;

    if (found != UINT32_MAX)
        return &x->attempts[found];
    a = add_attempt(x, task_of(r, &key), key.epoch, key.number);
    a->index = key.index;
    a->node = key.node;
    put_in_order(x, a);
    enter(r, x->n_attempts - 1);
    return a;
}

static int read_header(void *data, const struct output_part *part, struct ganger_error *err)
{
    struct rebuilding *r = data;
    struct attempt *a;

    (void)err;
    if (part->kind != OUTPUT_CHUNK)
        return 0;
    a = attempt_of_chunk(r, part);
    if (a->output.n_bytes == 0) {
        a->output = (struct output_place){r->epoch, r->node, part->offset, 0, 0};
        a->is_rebuilt = true;
    }
    if (a->is_rebuilt) {
        a->output.n_bytes = part->offset + part->n_bytes - a->output.offset;
        a->output.n_text += part->n_text;
    }
    return 0;
}

static int rebuild(struct run_index *x, const struct rundir *dir, struct ganger_error *err)
{
    struct output_source *source = output_source_open(dir->output_path);
    struct rebuilding r = {.index = x};
    struct output_place *files;
    size_t n_files;
    int status = output_list(dir->output_path, &files, &n_files, err);

    for (uint32_t i = 0; i < x->n_attempts; i++)
        enter(&r, i);
    for (size_t i = 0; i < n_files && status == 0; i++) {
        r.epoch = files[i].epoch;
        r.node = files[i].node;
        status = output_scan_headers(source, &files[i], read_header, &r, err);
    }
    free(files);
    intern_release(&r.by_chunk);
    intern_release(&r.by_place);
    output_source_close(source);
    return status;
}

/* --- both --- */

/* A run without a journal is still one if tasks wrote something. */
static int read_journal(struct run_index *x, const struct rundir *dir, struct ganger_error *err)
{
    struct output_place *files = NULL;
    size_t n_files = 0;

    if (access(dir->journal_path, F_OK) != 0 && errno == ENOENT &&
        output_list(dir->output_path, &files, &n_files, NULL) == 0 && n_files > 0) {
        log_warning("%s is missing: which tasks there were is not known", dir->journal_path);
        free(files);
        x->n_open_epochs++;
        return 0;
    }
    free(files);
    return journal_read(dir->journal_path, read_line, x, err);
}

int run_index_read(struct run_index *x, const struct rundir *dir, struct ganger_error *err)
{
    int status;

    *x = (struct run_index){.tasks = NULL};
    status = read_journal(x, dir, err);
    if (status == 0 && x->n_damaged > 0)
        log_warning("%s: damaged lines are ignored: %" PRIu64, dir->journal_path, x->n_damaged);
    if (status == 0 && (x->n_damaged > 0 || x->n_open_epochs > 0 || x->n_without_end > 0))
        status = rebuild(x, dir, err);
    if (status != 0)
        run_index_release(x);
    return status;
}

void run_index_release(struct run_index *x)
{
    free(x->tasks);
    free(x->attempts);
    name_index_release(&x->names);
    arena_release(&x->text);
    *x = (struct run_index){.tasks = NULL};
}

uint32_t run_index_find(const struct run_index *x, const char *id)
{
    uint32_t task = name_index_find(&x->names, id, strlen(id), id_of, x);
    char *own;

    if (task != NAME_NOT_FOUND || *id == OWN)
        return *id == OWN ? UINT32_MAX : task;
    own = xasprintf("%c%s", OWN, id);
    task = name_index_find(&x->names, own, strlen(own), id_of, x);
    free(own);
    return task == NAME_NOT_FOUND ? UINT32_MAX : task;
}

const char *run_index_name(const struct run_index *x, uint32_t task)
{
    const char *id = x->tasks[task].id;

    return *id == OWN ? id + 1 : id;
}

struct place_in_order
{
    int64_t index;
    uint32_t epoch;
    uint32_t task;
};

static int compare_places(const void *a, const void *b)
{
    const struct place_in_order *x = a, *y = b;

    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

static struct place_in_order place_of(const struct run_index *x, uint32_t task)
{
    struct place_in_order place = {INT64_MAX, 0, task};

    for (uint32_t i = x->tasks[task].last; i != NO_ATTEMPT; i = x->attempts[i].previous) {
        const struct attempt *a = &x->attempts[i];

        if (a->index == TASK_NONE)
            continue;
        place.index = a->index == TASK_SETUP ? -1 : (int64_t)a->index;
        place.epoch = a->epoch;
        break;
    }
    return place;
}

uint32_t *run_index_order(const struct run_index *x)
{
    struct place_in_order *places = xcalloc(x->n_tasks, sizeof(*places));
    uint32_t *order = xcalloc(x->n_tasks, sizeof(*order));

    for (uint32_t t = 0; t < x->n_tasks; t++)
        places[t] = place_of(x, t);
    if (x->n_tasks > 0)
        qsort(places, x->n_tasks, sizeof(*places), compare_places);
    for (uint32_t t = 0; t < x->n_tasks; t++)
        order[t] = places[t].task;
    free(places);
    return order;
}

uint32_t run_index_attempt(const struct run_index *x, uint32_t task, uint32_t number)
{
    uint32_t i = x->tasks[task].last;

    while (i != NO_ATTEMPT &&
           (number == 0 ? x->attempts[i].number == 0 : x->attempts[i].number != number))
        i = x->attempts[i].previous;
    return i;
}
