#include "launch/site.h"

#include "base/alloc.h"
#include "base/amount.h"
#include "io/binding.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CORES_MAX 1000000 /* of all nodes: each gets a worker in the simulation */

void site_release(struct site *s)
{
    free(s->kinds);
    *s = (struct site){0};
}

static void site_init(struct site *s, uint32_t n_kinds)
{
    s->kinds = xcalloc(n_kinds, sizeof(*s->kinds));
    s->nodes = (struct makespan_site){s->kinds, n_kinds};
}

int site_of_this_machine(struct site *s, bool with_gpus, struct ganger_error *err)
{
    struct binding *b = binding_open(err);

    if (b == NULL)
        return -1;
    site_init(s, 1);
    s->kinds[0] = (struct makespan_node){
        .n = 1,
        .cores = binding_n_slots(b) < UINT16_MAX ? binding_n_slots(b) : UINT16_MAX,
        .memory_bytes = binding_memory_bytes(b),
        .gpus = with_gpus ? binding_gpus(b)->n : MAKESPAN_NOT_COUNTED,
    };
    binding_close(b);
    return 0;
}

void site_of_cores(struct site *s, uint32_t cores)
{
    site_init(s, 1);
    s->kinds[0] = (struct makespan_node){.n = 1, .cores = cores, .gpus = MAKESPAN_NOT_COUNTED};
}

/* A number from 1 (or 0) to 65535 at `*text`, which moves behind it. */
static bool read_count(const char **text, uint32_t least, uint32_t *count)
{
    unsigned long n;
    char *end;

    if (!isdigit((unsigned char)**text))
        return false;
    n = strtoul(*text, &end, 10);
    *text = end;
    *count = (uint32_t)n;
    return n >= least && n <= UINT16_MAX;
}

static bool read_memory(const char **text, uint64_t *bytes)
{
    size_t n = strcspn(*text, ",");
    char *word = xstrndup(*text, n);
    bool is_good = n == 0 || amount_read_bytes(word, bytes);

    free(word);
    *text += n;
    return is_good;
}

static bool read_node(const char *text, struct makespan_node *node)
{
    *node = (struct makespan_node){.n = 1, .gpus = MAKESPAN_NOT_COUNTED};
    if (!read_count(&text, 1, &node->cores))
        return false;
    if (*text == 'x') {
        node->n = node->cores;
        text++;
        if (!read_count(&text, 1, &node->cores))
            return false;
    }
    if (*text == ',' && (text++, !read_memory(&text, &node->memory_bytes)))
        return false;
    if (*text == ',' && (text++, !read_count(&text, 0, &node->gpus)))
        return false;
    return *text == '\0';
}

int site_read(struct site *s, const struct option_list *words, struct ganger_error *err)
{
    site_init(s, (uint32_t)words->n);
    for (size_t i = 0; i < words->n; i++) {
        if (!read_node(words->each[i], &s->kinds[i])) {
            site_release(s);
            return error_set(err, ERROR_USAGE,
                             "--node takes [NODESx]CORES[,MEMORY[,GPUS]], as in 64 or 4x64,256GiB,2, not \"%s\"",
                             words->each[i]);
        }
    }
    if (makespan_n_cores(&s->nodes) > CORES_MAX) {
        site_release(s);
        return error_set(err, ERROR_USAGE, "--node: more than %d cores in all", CORES_MAX);
    }
    return 0;
}

int site_read_cores(const char *list, uint32_t **cores, struct ganger_error *err)
{
    const char *next = list;
    size_t capacity = 0;
    int n = 0;

    *cores = NULL;
    for (;;) {
        *cores = xgrow(*cores, (size_t)n, &capacity, sizeof(**cores));
        if (!read_count(&next, 1, &(*cores)[n]) || (*next != ',' && *next != '\0')) {
            free(*cores);
            *cores = NULL;
            return error_set(err, ERROR_USAGE,
                             "--cores takes whole numbers from 1 to 65535, as in 8 or 8,64,256, not \"%s\"", list);
        }
        n++;
        if (*next++ == '\0')
            return n;
    }
}

static void describe_kind(const struct makespan_node *k, struct buffer *text)
{
    bool has_gpus = k->gpus != MAKESPAN_NOT_COUNTED;

    if (k->n > 1)
        buffer_printf(text, "%u nodes of ", k->n);
    buffer_printf(text, "%u core%s", k->cores, k->cores == 1 ? "" : "s");
    if (k->memory_bytes > 0)
        buffer_printf(text, "%s%.1f GiB of memory", has_gpus ? ", " : " and ", (double)k->memory_bytes / (1 << 30));
    if (has_gpus)
        buffer_printf(text, " and %u GPU%s", k->gpus, k->gpus == 1 ? "" : "s");
}

void site_describe(const struct site *s, struct buffer *text)
{
    for (uint32_t i = 0; i < s->nodes.n_kinds; i++) {
        if (i > 0)
            buffer_printf(text, "; ");
        describe_kind(&s->kinds[i], text);
    }
    buffer_put(text, "", 1);
}
