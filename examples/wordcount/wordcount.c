/* wordcount: how often each word occurs in some files, by map and reduce. A map task counts the words of one piece
 * of a file; a reduce task adds up what all pieces say about its share of the words; when all is over the shares are
 * printed together, the most frequent words first. README.md shows how to run it. */
#include <ctype.h>
#include <errno.h>
#include <ganger.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE_BYTES 32768             /* so that its counts fit into 64 KiB, which is what a task may return */
#define SHARE_BYTES (8 * PIECE_BYTES) /* so much text for each reduce task */

struct piece /* payload of map */
{
    long from; /* the words that begin in PIECE_BYTES from here are its own */
    char path[1000];
};

struct share /* payload of reduce: the i-th of n */
{
    uint32_t i, n;
};

struct count
{
    long n;
    const char *word; /* ended by a NUL */
};

struct counts
{
    size_t n, room;
    struct count *all;
};

static void counts_add(struct counts *c, long n, const char *word)
{
    if (c->n == c->room && (c->all = realloc(c->all, (c->room = 2 * c->room + 1000) * sizeof(*c->all))) == NULL)
        abort();
    c->all[c->n++] = (struct count){n, word};
}

static int by_word(const void *a, const void *b)
{
    return strcmp(((const struct count *)a)->word, ((const struct count *)b)->word);
}

static int by_frequency(const void *a, const void *b)
{
    const struct count *x = a, *y = b;

    return x->n == y->n ? by_word(a, b) : x->n < y->n ? 1 : -1;
}

/* The result of a task: "N WORD" and a NUL for each word. */
static int return_counts(struct ganger_call *call, struct counts *c)
{
    int status = 0;

    if (c->n > 0)
        qsort(c->all, c->n, sizeof(*c->all), by_word);
    for (size_t i = 0, next; status >= 0 && i < c->n; i = next) {
        for (next = i + 1; next < c->n && by_word(&c->all[i], &c->all[next]) == 0; next++)
            c->all[i].n += c->all[next].n;
        status = ganger_call_printf(call, "%ld %s%c", c->all[i].n, c->all[i].word, '\0');
    }
    free(c->all);
    return status < 0;
}

static uint32_t hash(const char *word)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (; *word != '\0'; word++)
        h = (h ^ (unsigned char)*word) * 16777619u;
    return h;
}

/* Adds what a result says about the words of the share. */
static void counts_read(struct counts *c, const char *result, size_t n_bytes, struct share share)
{
    for (const char *at = result; at < result + n_bytes; at += strlen(at) + 1) {
        char *blank;
        long n = strtol(at, &blank, 10);

        if (hash(blank + 1) % share.n == share.i)
            counts_add(c, n, blank + 1);
    }
}

static bool is_letter(char c) /* or a part of one, in UTF-8 */
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* A word that begins where a piece ends is still that piece's: the next one cannot see whether it goes on there. */
static int map(struct ganger_call *call)
{
    size_t n;
    const struct piece *p = ganger_call_payload(call, &n);
    char text[2 * PIECE_BYTES]; /* room for the rest of the last word */
    struct counts counts = {0, 0, NULL};
    FILE *file = fopen(p->path, "rb");

    if (file == NULL)
        return ganger_call_fail(call, "%s: %s", p->path, strerror(errno));
    n = fseek(file, p->from, SEEK_SET) == 0 ? fread(text, 1, sizeof(text) - 1, file) : 0;
    fclose(file);
    for (size_t i = p->from > 0; i < n && i <= PIECE_BYTES; i++) {
        if (is_letter(text[i]) && (i == 0 || !is_letter(text[i - 1])))
            counts_add(&counts, 1, text + i);
    }
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        text[i] = is_letter(text[i]) ? (char)tolower((unsigned char)text[i]) : '\0';
    return return_counts(call, &counts);
}

static int reduce(struct ganger_call *call)
{
    size_t n;
    const struct share *share = ganger_call_payload(call, &n);
    struct counts counts = {0, 0, NULL};

    for (size_t i = 0; i < ganger_call_n_dependencies(call); i++) {
        const char *result = ganger_call_dependency(call, i, &n);

        counts_read(&counts, result, n, *share);
    }
    return return_counts(call, &counts);
}

/* The words of the command line are the files to read. */
static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    size_t n_maps, n_bytes = 0;

    (void)data;
    for (int i = 1; i < argc; i++) {
        struct piece piece = {.from = 0};
        struct stat file;

        if (stat(argv[i], &file) != 0 || (size_t)snprintf(piece.path, 1000, "%s", argv[i]) >= 1000)
            return ganger_workflow_refuse(w, "%s: %s", argv[i], strerror(errno));
        for (; piece.from < file.st_size; piece.from += PIECE_BYTES)
            ganger_workflow_add(w, &(struct ganger_task){.function = "map", .payload = &piece,
                                                         .n_payload_bytes = sizeof(piece)});
        n_bytes += (size_t)file.st_size;
    }
    n_maps = ganger_workflow_n_tasks(w);
    if (n_maps == 0)
        return ganger_workflow_refuse(w, "nothing to count: say %s run -- FILE...", argv[0]);
    for (struct share s = {0, (uint32_t)(n_bytes / SHARE_BYTES + 1)}; s.i < s.n; s.i++) {
        char id[32];
        ganger_task_number task;

        snprintf(id, sizeof(id), "reduce-%u", s.i);
        task = ganger_workflow_add(w, &(struct ganger_task){.id = id, .function = "reduce", .payload = &s,
                                                            .n_payload_bytes = sizeof(s)});
        for (ganger_task_number map_task = 0; map_task < n_maps; map_task++)
            ganger_workflow_add_dependency(w, map_task, task, GANGER_ON_OK);
    }
    return 0;
}

static int finished(const struct ganger_run *run, void *data)
{
    struct counts counts = {0, 0, NULL};

    (void)data;
    for (ganger_task_number i = 0; i < ganger_run_n_tasks(run); i++) {
        size_t n;
        const char *result = ganger_run_result(run, i, &n);

        if (strncmp(ganger_run_id(run, i), "reduce-", 7) == 0 && result != NULL)
            counts_read(&counts, result, n, (struct share){0, 1});
    }
    if (counts.n > 0)
        qsort(counts.all, counts.n, sizeof(*counts.all), by_frequency);
    for (size_t i = 0; i < counts.n; i++)
        printf("%ld %s\n", counts.all[i].n, counts.all[i].word);
    free(counts.all);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct ganger_function functions[] = {{"map", map, 0}, {"reduce", reduce, 0}, {NULL, NULL, 0}};

    return ganger_program_main(argc, argv,
                               &(struct ganger_program){.functions = functions, .build = build, .finished = finished});
}
