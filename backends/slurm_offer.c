#include "backends/slurm_offer.h"

#include "base/buffer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A list with commas, or any partition: Slurm takes the one that starts first. */
static bool is_in_list(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; p != NULL; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    }
    return false;
}

static bool is_one_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("_.-", *text) == NULL)
            return false;
    return true;
}

/* What one partition offers. */
struct offer
{
    const struct slurm_nodes *any;
    uint32_t n_nodes;
    uint32_t n_fitting; /* nodes that have all that is asked for */
    uint32_t n_cores;   /* of each fitting node; 0: they differ */
    uint32_t most_cores;
    uint32_t n_threads; /* of a core, at most */
    uint64_t most_memory_bytes;
    uint32_t most_gpus;
    bool has_features;
};

/* Memory on nodes of which the administrator said nothing is 1 MiB. */
static bool fits(const struct slurm_nodes *nodes, const struct group *g)
{
    bool is_known_feature = g->constraint == NULL || !is_one_word(g->constraint) ||
                            is_in_list(nodes->features, g->constraint);

    return g->n_cores <= nodes->n_cpus / nodes->n_threads && g->n_gpus <= nodes->n_gpus && is_known_feature &&
           (g->memory_bytes <= nodes->memory_bytes || nodes->memory_bytes <= (uint64_t)1 << 20);
}

static void add_to_offer(struct offer *o, const struct slurm_nodes *nodes, const struct group *g)
{
    uint32_t n_cores = nodes->n_cpus / nodes->n_threads;

    o->any = nodes;
    o->n_nodes += nodes->n_nodes;
    if (n_cores > o->most_cores)
        o->most_cores = n_cores;
    if (nodes->memory_bytes > o->most_memory_bytes)
        o->most_memory_bytes = nodes->memory_bytes;
    if (nodes->n_gpus > o->most_gpus)
        o->most_gpus = nodes->n_gpus;
    if (nodes->n_threads > o->n_threads)
        o->n_threads = nodes->n_threads;
    o->has_features |= g->constraint != NULL && is_in_list(nodes->features, g->constraint);
    if (!fits(nodes, g))
        return;
    o->n_cores = o->n_fitting == 0 || o->n_cores == n_cores ? n_cores : 0;
    o->n_fitting += nodes->n_nodes;
}

static void say_too_long(const struct group *g, double most_s, struct buffer *why)
{
    char most[32], wanted[32];

    slurm_write_time(most_s, most);
    slurm_write_time(g->runtime_s, wanted);
    buffer_printf(why, "; jobs may last %s there, and %s is asked for", most, wanted);
}

/* Appends each reason why this partition cannot give it. */
static void judge(const struct offer *o, const struct group *g, struct buffer *why)
{
    uint32_t n_nodes = g->n_nodes > 0 ? g->n_nodes : 1;
    size_t before = why->n;

    if (!o->any->is_up)
        buffer_printf(why, "; it is down");
    if (g->runtime_s > o->any->max_time_s)
        say_too_long(g, o->any->max_time_s, why);
    if (n_nodes > o->any->max_nodes)
        buffer_printf(why, "; a job may have %u of its nodes, and %u are asked for", o->any->max_nodes, n_nodes);
    if (n_nodes > o->n_nodes)
        buffer_printf(why, "; it has %u nodes, and %u are asked for", o->n_nodes, n_nodes);
    if (g->n_cores > o->most_cores)
        buffer_printf(why, "; its nodes have at most %u cores, and %u are asked for", o->most_cores, g->n_cores);
    if (g->memory_bytes > o->most_memory_bytes && o->most_memory_bytes > (uint64_t)1 << 20)
        buffer_printf(why, "; its nodes have at most %llu MiB of memory, and %llu are asked for",
                      (unsigned long long)o->most_memory_bytes >> 20, (unsigned long long)g->memory_bytes >> 20);
    if (g->n_gpus > o->most_gpus)
        buffer_printf(why, "; its nodes have at most %u GPUs, and %u are asked for", o->most_gpus, g->n_gpus);
    if (g->constraint != NULL && is_one_word(g->constraint) && !o->has_features)
        buffer_printf(why, "; none of its nodes has the feature \"%s\"", g->constraint);
    if (why->n == before && n_nodes > o->n_fitting)
        buffer_printf(why, "; only %u of its nodes have all that is asked for, and %u are asked for", o->n_fitting,
                      n_nodes);
}

static void list_partitions(const struct slurm_nodes *nodes, size_t n, struct buffer *text)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(nodes[i].partition, nodes[i - 1].partition) != 0)
            buffer_printf(text, "%s%s", i == 0 ? "" : ", ", nodes[i].partition);
}

/* Tries each partition that may serve. True when one can; else `why` has the reasons. */
static bool find_offer(const struct slurm_nodes *nodes, size_t n, const struct group *g, struct offer *found,
                       struct buffer *why)
{
    bool is_any_named = false;

    for (size_t i = 0; i < n; i++) {
        const char *name = nodes[i].partition;
        struct offer o = {.n_threads = 1};
        size_t before = why->n;

        if ((i > 0 && strcmp(name, nodes[i - 1].partition) == 0) ||
            !(g->partition != NULL ? is_in_list(g->partition, name) : nodes[i].is_default))
            continue;
        is_any_named = true;
        for (size_t k = i; k < n; k++)
            if (strcmp(nodes[k].partition, name) == 0)
                add_to_offer(&o, &nodes[k], g);
        judge(&o, g, why);
        *found = o;
        if (why->n == before)
            return true;
        buffer_printf(why, " (partition %s)", name);
    }
    if (!is_any_named) {
        if (g->partition != NULL)
            buffer_printf(why, "; there is no partition \"%s\"; there are ", g->partition);
        else
            buffer_printf(why, "; there is no default partition: name one of ");
        list_partitions(nodes, n, why);
    }
    return false;
}

static int compare_partitions(const void *a, const void *b)
{
    return strcmp(((const struct slurm_nodes *)a)->partition, ((const struct slurm_nodes *)b)->partition);
}

int slurm_judge(struct slurm_nodes *nodes, size_t n, const struct group *g, struct resource_set *set,
                struct ganger_error *err)
{
    struct buffer why = BUFFER_EMPTY;
    struct offer offer = {.any = NULL};
    uint32_t n_nodes = g->n_nodes > 0 ? g->n_nodes : 1;
    int status = 0;

    qsort(nodes, n, sizeof(*nodes), compare_partitions);
    if (find_offer(nodes, n, g, &offer, &why))
        set->n_workers = n_nodes * (g->n_cores > 0 ? g->n_cores : offer.n_cores);
    else
        status = error_set(err, ERROR_USAGE,
                           "Slurm cannot give this: %.*s; `sinfo -e -o \"%%P %%l %%D %%c %%m %%G %%f\"` shows what "
                           "there is",
                           (int)why.n - 2, why.bytes + 2); /* without the first separator */
    buffer_release(&why);
    return status;
}

