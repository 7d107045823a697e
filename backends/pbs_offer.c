#include "backends/pbs_offer.h"

#include "backends/pbs_text.h"
#include "base/alloc.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void pbs_site_release(struct pbs_site *site)
{
    pbs_records_release(&site->queues);
    pbs_records_release(&site->server);
    pbs_records_release(&site->nodes);
}

/* ---- hosts ---- */

struct host
{
    const char *name;
    const char *queue; /* whose alone it is; NULL: anybody's */
    uint32_t n_cpus;
    uint64_t memory_bytes; /* 0: it is not said */
    uint32_t n_gpus;
    bool is_away;  /* offline or down */
    bool is_meant; /* by the queue that is looked at … */
    bool fits;     /* … and has what is asked for */
};

struct hosts
{
    struct host *each;
    size_t n;
    size_t capacity;
};

static uint32_t count_of(const struct pbs_record *r, const char *name, const char *other)
{
    const char *text = pbs_record_find(r, name);

    if (text == NULL)
        text = pbs_record_find(r, other);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static uint64_t size_of(const struct pbs_record *r, const char *name)
{
    const char *text = pbs_record_find(r, name);
    uint64_t bytes = 0;

    if (text == NULL || !pbs_read_size(text, &bytes))
        return 0;
    return bytes;
}

/* Torque has it in "status = ...,physmem=65932208kb,...". */
static uint64_t physical_memory(const struct pbs_record *r)
{
    const char *status = pbs_record_find(r, "status"), *start = status != NULL ? strstr(status, "physmem=") : NULL;
    char *text = start != NULL ? xstrndup(start + 8, strcspn(start + 8, ",")) : NULL;
    uint64_t bytes = 0;

    if (text != NULL && !pbs_read_size(text, &bytes))
        bytes = 0;
    free(text);
    return bytes;
}

static bool is_away(const struct pbs_record *r)
{
    static const char *const words[] = {"offline", "down", "unknown", "stale", "unresolvable", "maintenance"};
    const char *state = pbs_record_find(r, "state");

    for (size_t i = 0; state != NULL && i < sizeof(words) / sizeof(*words); i++)
        if (strstr(state, words[i]) != NULL)
            return true;
    return false;
}

/* The host of which this is a part: a host may have a vnode for each of its sockets. */
static struct host *host_of(struct hosts *hosts, const char *name)
{
    size_t i = hosts->n;

    while (i > 0 && strcmp(hosts->each[i - 1].name, name) != 0)
        i--;
    if (i > 0)
        return &hosts->each[i - 1];
    hosts->each = xgrow(hosts->each, hosts->n, &hosts->capacity, sizeof(*hosts->each));
    hosts->each[hosts->n] = (struct host){.name = name};
    return &hosts->each[hosts->n++];
}

static void read_hosts(const struct pbs_records *nodes, struct hosts *hosts)
{
    for (size_t i = 0; i < nodes->n; i++) {
        const struct pbs_record *r = &nodes->each[i];
        const char *name = pbs_record_find(r, "resources_available.host"), *queue = pbs_record_find(r, "queue");
        struct host *h = host_of(hosts, name != NULL ? name : r->name);

        h->n_cpus += count_of(r, "resources_available.ncpus", "np");
        h->n_gpus += count_of(r, "resources_available.ngpus", "gpus");
        h->memory_bytes += size_of(r, "resources_available.mem") + physical_memory(r);
        h->is_away |= is_away(r);
        if (queue != NULL)
            h->queue = queue;
    }
}

/* ---- queues ---- */

/* "True", or "yes" where others stand in for qstat. What is not said is meant well. */
static bool is_true(const struct pbs_record *r, const char *name)
{
    const char *text = pbs_record_find(r, name);

    return text == NULL || strchr("TtYy1", *text) != NULL;
}

static const struct pbs_record *find_queue(const struct pbs_site *site, const char *name, size_t n_name)
{
    for (size_t i = 0; i < site->queues.n; i++)
        if (strncmp(site->queues.each[i].name, name, n_name) == 0 && site->queues.each[i].name[n_name] == '\0')
            return &site->queues.each[i];
    return NULL;
}

static const char *default_queue(const struct pbs_site *site)
{
    return site->server.n > 0 ? pbs_record_find(&site->server.each[0], "default_queue") : NULL;
}

/* What is looked at. */
struct look
{
    const struct pbs_site *site;
    const struct group *g;
    struct hosts hosts;
    uint32_t n_nodes;
    uint32_t n_cores;  /* of each that fits, found for whole nodes; as asked for */
    uint32_t n_usable; /* of those that fit */
    struct buffer why;
};

static void say_time(struct look *l, const char *words, double limit_s)
{
    char limit[32], wanted[32];

    pbs_write_time(limit_s, limit);
    pbs_write_time(l->g->runtime_s, wanted);
    buffer_printf(&l->why, "; jobs %s %s there, and %s is asked for", words, limit, wanted);
}

/* A queue's limits, or those of the whole server. */
static void judge_limits(struct look *l, const struct pbs_record *r)
{
    const char *most = pbs_record_find(r, "resources_max.walltime");
    const char *least = pbs_record_find(r, "resources_min.walltime");
    uint32_t n_cpus = count_of(r, "resources_max.ncpus", ""), n_nodes = count_of(r, "resources_max.nodect", "");
    uint32_t n_gpus = count_of(r, "resources_max.ngpus", "");
    uint64_t memory_bytes = size_of(r, "resources_max.mem"), n_all = (uint64_t)l->n_nodes * l->g->n_cores;
    double limit_s;

    if (most != NULL && pbs_read_time(most, &limit_s) && l->g->runtime_s > limit_s)
        say_time(l, "may last", limit_s);
    if (least != NULL && pbs_read_time(least, &limit_s) && l->g->runtime_s > 0 && l->g->runtime_s < limit_s)
        say_time(l, "last at least", limit_s);
    if (n_nodes > 0 && l->n_nodes > n_nodes)
        buffer_printf(&l->why, "; a job may have %u nodes, and %u are asked for", n_nodes, l->n_nodes);
    if (n_cpus > 0 && n_all > n_cpus)
        buffer_printf(&l->why, "; a job may have %u cores, and %llu are asked for", n_cpus, (unsigned long long)n_all);
    if (n_gpus > 0 && (uint64_t)l->n_nodes * l->g->n_gpus > n_gpus)
        buffer_printf(&l->why, "; a job may have %u GPUs, and %llu are asked for", n_gpus,
                      (unsigned long long)l->n_nodes * l->g->n_gpus);
    if (memory_bytes > 0 && l->g->memory_bytes > memory_bytes / l->n_nodes)
        buffer_printf(&l->why, "; a job may have %llu MiB of memory, and %llu are asked for",
                      (unsigned long long)memory_bytes >> 20,
                      (unsigned long long)(l->g->memory_bytes >> 20) * l->n_nodes);
}

/* ---- nodes ---- */

static bool fits(const struct host *h, const struct group *g)
{
    return h->n_cpus >= g->n_cores && h->n_gpus >= g->n_gpus &&
           (h->memory_bytes >= g->memory_bytes || h->memory_bytes == 0);
}

/* Nodes may belong to a queue; one that has any uses no others. `queue` NULL: not known, all are looked at. */
static void mark_hosts(struct look *l, const char *queue)
{
    bool has_own = false;

    for (size_t i = 0; queue != NULL && i < l->hosts.n; i++)
        has_own |= l->hosts.each[i].queue != NULL && strcmp(l->hosts.each[i].queue, queue) == 0;
    for (size_t i = 0; i < l->hosts.n; i++) {
        struct host *h = &l->hosts.each[i];
        bool is_its_own = h->queue != NULL && queue != NULL && strcmp(h->queue, queue) == 0;

        h->is_meant = queue == NULL || (has_own ? is_its_own : h->queue == NULL);
        h->fits = h->is_meant && fits(h, l->g);
    }
}

struct offer
{
    uint32_t n_hosts, n_fitting, n_usable;
    uint32_t most_cpus, most_gpus;
    uint64_t most_memory_bytes;
    uint32_t n_cores; /* of the commonest kind among those that fit */
};

/* Of whole nodes: the number of cores that most of those have that fit, if enough have it; of two, the larger. */
static uint32_t commonest(const struct look *l)
{
    uint32_t best = 0, n_best = 0;

    for (size_t i = 0; i < l->hosts.n; i++) {
        uint32_t n = 0;

        for (size_t k = 0; k < l->hosts.n; k++)
            n += l->hosts.each[k].fits && l->hosts.each[k].n_cpus == l->hosts.each[i].n_cpus;
        if (n >= l->n_nodes && (n > n_best || (n == n_best && l->hosts.each[i].n_cpus > best))) {
            best = l->hosts.each[i].n_cpus;
            n_best = n;
        }
    }
    return best;
}

static struct offer offer_of(const struct look *l)
{
    struct offer o = {0};

    for (size_t i = 0; i < l->hosts.n; i++) {
        const struct host *h = &l->hosts.each[i];

        if (!h->is_meant)
            continue;
        o.n_hosts++;
        o.most_cpus = h->n_cpus > o.most_cpus ? h->n_cpus : o.most_cpus;
        o.most_gpus = h->n_gpus > o.most_gpus ? h->n_gpus : o.most_gpus;
        o.most_memory_bytes = h->memory_bytes > o.most_memory_bytes ? h->memory_bytes : o.most_memory_bytes;
        o.n_fitting += h->fits;
        o.n_usable += h->fits && !h->is_away;
    }
    o.n_cores = l->g->n_cores > 0 ? l->g->n_cores : commonest(l);
    return o;
}

static void judge_nodes(struct look *l, const char *queue)
{
    const struct group *g = l->g;
    struct offer o;
    size_t before = l->why.n;

    mark_hosts(l, queue);
    o = offer_of(l);
    if (l->hosts.n == 0)
        return; /* pbsnodes told nothing */
    if (l->n_nodes > o.n_hosts)
        buffer_printf(&l->why, "; it has %u nodes, and %u are asked for", o.n_hosts, l->n_nodes);
    if (g->n_cores > o.most_cpus)
        buffer_printf(&l->why, "; its nodes have at most %u cores, and %u are asked for", o.most_cpus, g->n_cores);
    if (g->memory_bytes > o.most_memory_bytes && o.most_memory_bytes > 0)
        buffer_printf(&l->why, "; its nodes have at most %llu MiB of memory, and %llu are asked for",
                      (unsigned long long)o.most_memory_bytes >> 20, (unsigned long long)g->memory_bytes >> 20);
    if (g->n_gpus > o.most_gpus)
        buffer_printf(&l->why, "; its nodes have at most %u GPUs, and %u are asked for", o.most_gpus, g->n_gpus);
    if (l->why.n == before && l->n_nodes > o.n_fitting)
        buffer_printf(&l->why, "; only %u of its nodes have all that is asked for, and %u are asked for", o.n_fitting,
                      l->n_nodes);
    else if (l->why.n == before && o.n_cores == 0)
        buffer_printf(&l->why, "; its nodes differ, and no %u have equally many cores: --cores-per-node says how many "
                               "of each are meant", l->n_nodes);
    l->n_cores = o.n_cores;
    l->n_usable = o.n_usable;
}

/* ---- all of it ---- */

/* Appends each reason why this queue cannot give it. */
static void judge_queue(struct look *l, const struct pbs_record *queue)
{
    if (!is_true(queue, "enabled"))
        buffer_printf(&l->why, "; it takes no jobs now (enabled = False)");
    judge_limits(l, queue);
    judge_nodes(l, queue->name);
}

static bool passes_on(const struct pbs_record *queue)
{
    const char *type = pbs_record_find(queue, "queue_type");

    return type != NULL && strncmp(type, "R", 1) == 0;
}

/* True when it can; else the reasons are appended, with the queue's name. */
static bool try_queue(struct look *l, const struct pbs_record *queue)
{
    size_t before = l->why.n;

    judge_queue(l, queue);
    if (l->why.n == before)
        return true;
    buffer_printf(&l->why, " (queue %s)", queue->name);
    return false;
}

/* A queue that passes jobs on to others: "small,large@other". Those of other servers may be able to. */
static bool try_destinations(struct look *l, const struct pbs_record *route)
{
    const char *list = pbs_record_find(route, "route_destinations");
    size_t before = l->why.n;

    if (!is_true(route, "enabled"))
        buffer_printf(&l->why, "; it takes no jobs now (enabled = False)");
    judge_limits(l, route);
    if (l->why.n > before) {
        buffer_printf(&l->why, " (queue %s)", route->name);
        return false;
    }
    for (const char *p = list; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ","), n_name = strcspn(p, ",@");
        const struct pbs_record *queue = n == n_name ? find_queue(l->site, p, n) : NULL;

        if (queue == NULL || passes_on(queue) || try_queue(l, queue))
            return true;
        p += n + (p[n] == ',');
    }
    return list == NULL;
}

static void say_unknown(struct look *l, const char *name)
{
    buffer_printf(&l->why, "; there is no queue \"%s\"; there are ", name);
    for (size_t i = 0; i < l->site->queues.n; i++)
        buffer_printf(&l->why, "%s%s", i > 0 ? ", " : "", l->site->queues.each[i].name);
}

static bool can_give(struct look *l)
{
    const char *name = l->g->partition != NULL ? l->g->partition : default_queue(l->site);
    const struct pbs_record *queue = name != NULL ? find_queue(l->site, name, strlen(name)) : NULL;

    if (l->site->server.n > 0)
        judge_limits(l, &l->site->server.each[0]);
    if (l->why.n > 0)
        return false;
    if (queue != NULL)
        return passes_on(queue) ? try_destinations(l, queue) : try_queue(l, queue);
    if (l->g->partition != NULL && l->site->queues.n > 0 && strchr(l->g->partition, '@') == NULL)
        say_unknown(l, l->g->partition);
    else
        judge_nodes(l, NULL);
    return l->why.n == 0;
}

static void note_away(const struct look *l, struct buffer *notes)
{
    if (l->hosts.n > 0 && l->n_usable < l->n_nodes)
        buffer_printf(notes, "only %u of the nodes that have all this can be used now, and %u are asked for: the job "
                             "waits until others are back (`pbsnodes -l` lists those that are offline or down)\n",
                      l->n_usable, l->n_nodes);
}

int pbs_judge(const struct pbs_site *site, const struct group *g, struct resource_set *set, struct buffer *notes,
              struct ganger_error *err)
{
    struct look l = {.site = site, .g = g, .n_nodes = g->n_nodes > 0 ? g->n_nodes : 1, .n_cores = g->n_cores};
    int status = 0;

    read_hosts(&site->nodes, &l.hosts);
    if (can_give(&l)) {
        set->n_workers = l.n_nodes * l.n_cores;
        note_away(&l, notes);
    } else {
        status = error_set(err, ERROR_USAGE,
                           "PBS cannot give this: %.*s; `qstat -Q -f` and `pbsnodes -a` show what there is",
                           (int)l.why.n - 2, l.why.bytes + 2); /* without the first separator */
    }
    buffer_release(&l.why);
    free(l.hosts.each);
    return status;
}
