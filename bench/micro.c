/* micro: what the pieces of the runtime cost by themselves, without processes, ranks or a network.
 *
 *   micro [sched|message|output|journal]...      (default: all)
 *
 * sched    a run of 10^5 and of 10^6 tasks through the scheduler alone, by shape of the graph. The last
 *          column is the cost per task of 10^6 over that of 10^5: caches make it grow to about 2;
 *          anything quadratic makes it 10.
 * message  encoding and decoding RUN and DONE, alone in a message and in batches of 16.
 * output   appending a chunk of a task's output.
 * journal  a line for the start and one for the end of a task, from the event to memory, and to disk.
 *
 * Each figure is the least of several rounds: what the code costs when nothing disturbs it. */
#include "base/clock.h"
#include "core/event.h"
#include "core/graph.h"
#include "core/message.h"
#include "core/sched.h"
#include "io/journal.h"
#include "io/output.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 5

static void check(int status, const struct ganger_error *err)
{
    if (status != 0) {
        fprintf(stderr, "micro: %s\n", err->text);
        exit(3);
    }
}

/* ---- graphs ---- */

static void add_tasks(struct graph *g, uint32_t n)
{
    static const struct task_setting setting = {0};
    char id[16];

    for (uint32_t i = 0; i < n; i++) {
        int n_id = snprintf(id, sizeof(id), "t%u", i);
        struct task task = {.id = arena_text(&g->text, id, (size_t)n_id),
                            .argv = "/bin/true",
                            .n_argv = 1,
                            .n_argv_bytes = sizeof("/bin/true"),
                            .setting = &setting};

        graph_add_task(g, &task);
    }
}

static void link_nothing(struct graph *g, uint32_t n)
{
    (void)g;
    (void)n;
}

static void link_chain(struct graph *g, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        graph_add_dependency(g, i - 1, i);
}

/* One, then 998 that wait for it, then one that waits for them all, and so on. */
static void link_fans(struct graph *g, uint32_t n)
{
    for (uint32_t first = 0; first + 1000 <= n; first += 1000) {
        if (first > 0)
            graph_add_dependency(g, first - 1, first);
        for (uint32_t i = first + 1; i < first + 999; i++) {
            graph_add_dependency(g, first, i);
            graph_add_dependency(g, i, first + 999);
        }
    }
}

/* Layers of 1,000; each task waits for three of the layer before. */
static void link_layers(struct graph *g, uint32_t n)
{
    for (uint32_t i = 1000; i < n; i++) {
        uint32_t before = i / 1000 * 1000 - 1000;

        for (uint32_t k = 0; k < 3; k++)
            graph_add_dependency(g, before + (i * 7 + k * 331) % 1000, i);
    }
}

static const struct shape
{
    const char *name;
    void (*link)(struct graph *g, uint32_t n);
} shapes[] = {
    {"independent", link_nothing},
    {"chain", link_chain},
    {"fans of 998", link_fans},
    {"layers of 1000", link_layers},
};

static struct graph *make_graph(const struct shape *shape, uint32_t n)
{
    struct ganger_error err = {0};
    struct graph *g = graph_new();

    add_tasks(g, n);
    shape->link(g, n);
    check(graph_seal(g, &err), &err);
    return g;
}

/* ---- the scheduler ---- */

/* The workers end their tasks in the order in which they got them. Returns seconds. */
static double run_through(const struct graph *g, uint32_t n_nodes, uint32_t n_slots)
{
    double start_s = clock_now_s();
    struct sched *s = sched_new(g);
    uint32_t n_workers = n_nodes * n_slots;
    task_id *running = malloc(n_workers * sizeof(*running));
    uint64_t n_sent = 0, n_ended = 0;
    struct placement p;

    for (uint32_t w = 0; w < n_workers; w++)
        sched_add_worker(s, w + 1, w / n_slots, (uint16_t)(w % n_slots));
    sched_begin(s);
    while (!sched_is_over(s)) {
        while (sched_next(s, &p))
            running[n_sent++ % n_workers] = p.task;
        if (n_sent == n_ended) {
            fprintf(stderr, "micro: the scheduler is stuck after %llu tasks\n", (unsigned long long)n_ended);
            exit(1);
        }
        sched_finish(s, running[n_ended++ % n_workers], STATE_DONE, NAN);
    }
    sched_free(s);
    free(running);
    return clock_now_s() - start_s;
}

static double best_of_runs(const struct graph *g, uint32_t n_nodes, uint32_t n_slots)
{
    double best_s = INFINITY;

    for (int i = 0; i < ROUNDS; i++)
        best_s = fmin(best_s, run_through(g, n_nodes, n_slots));
    return best_s;
}

static void measure_sched(void)
{
    static const struct
    {
        uint32_t n_nodes;
        uint32_t n_slots;
    } machines[] = {{1, 2}, {8, 64}};

    printf("%-16s %14s %12s %12s %8s\n", "scheduler", "nodes x slots", "ns at 10^5", "ns at 10^6", "ratio");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct graph *small = make_graph(&shapes[i], 100000);
        struct graph *large = make_graph(&shapes[i], 1000000);

        for (size_t k = 0; k < sizeof(machines) / sizeof(*machines); k++) {
            double small_ns = best_of_runs(small, machines[k].n_nodes, machines[k].n_slots) * 1e4;
            double large_ns = best_of_runs(large, machines[k].n_nodes, machines[k].n_slots) * 1e3;

            printf("%-16s %8u x %-3u %12.0f %12.0f %8.2f\n", shapes[i].name, machines[k].n_nodes,
                   machines[k].n_slots, small_ns, large_ns, large_ns / small_ns);
        }
        graph_free(small);
        graph_free(large);
    }
}

/* ---- messages ---- */

static void add_run(struct buffer *b, uint32_t i)
{
    static const uint16_t slot = 1;
    struct run r = {.task = i,
                    .attempt = 1,
                    .slots = {(const char *)&slot, sizeof(slot)},
                    .id = {"t123456", 7},
                    .n_argv = 1,
                    .argv = {"/bin/true", sizeof("/bin/true")},
                    .env = {"", 0},
                    .cwd = {"", 0}};

    message_add_run(b, &r);
}

static void add_done(struct buffer *b, uint32_t i)
{
    struct done r = {.task = i, .attempt = 1, .result = {.end = TASK_EXITED, .start_s = 1.5, .end_s = 2.5, .tail = ""}};

    message_add_done(b, &r);
}

static int next_run(struct cursor *c, struct ganger_error *err)
{
    struct run r;

    return message_next_run(c, &r, err);
}

static int next_done(struct cursor *c, struct ganger_error *err)
{
    struct done r;

    return message_next_done(c, &r, err);
}

static const struct kept_kind
{
    const char *name;
    enum message_kind kind;
    void (*add)(struct buffer *b, uint32_t i);
    int (*next)(struct cursor *c, struct ganger_error *err);
} record_kinds[] = {
    {"RUN", MESSAGE_RUN, add_run, next_run},
    {"DONE", MESSAGE_DONE, add_done, next_done},
};

static void measure_batch(const struct kept_kind *kind, uint32_t n_batch)
{
    enum { N = 1 << 18 };
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    double encode_s = INFINITY, decode_s = INFINITY;

    for (int round = 0; round < ROUNDS; round++) {
        double start_s = clock_now_s();

        for (uint32_t i = 0; i < N; i++) {
            if (i % n_batch == 0)
                message_begin(&b, kind->kind, 1, 1);
            kind->add(&b, i);
        }
        encode_s = fmin(encode_s, clock_now_s() - start_s);
        start_s = clock_now_s();
        for (uint32_t i = 0; i < N; i += n_batch) {
            struct message_header h;
            struct cursor c;

            check(message_open(&h, &c, b.bytes, b.n, &err), &err);
            for (uint32_t k = 0; k < h.n_records; k++)
                check(kind->next(&c, &err), &err);
        }
        decode_s = fmin(decode_s, clock_now_s() - start_s);
    }
    printf("%-16s %8u %8zu %12.0f %12.0f\n", kind->name, n_batch, b.n, encode_s / N * 1e9,
           decode_s / N * 1e9);
    buffer_release(&b);
}

static void measure_message(void)
{
    printf("%-16s %8s %8s %12s %12s\n", "message", "batch", "bytes", "encode, ns", "decode, ns");
    for (size_t i = 0; i < sizeof(record_kinds) / sizeof(*record_kinds); i++) {
        measure_batch(&record_kinds[i], 1);
        measure_batch(&record_kinds[i], 16);
    }
}

/* ---- files ---- */

/* A folder for one measurement, in memory where that is possible. */
static void make_folder(char path[64])
{
    snprintf(path, 64, "%s/ganger-micro.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(path) == NULL) {
        perror(path);
        exit(3);
    }
}

static void measure_output_of(const char *folder, uint32_t node, size_t n_bytes)
{
    enum { N = 20000 };
    struct ganger_error err = {0};
    _Atomic uint64_t counter = 0;
    struct output *o = output_open(AT_FDCWD, folder, 1, node, &counter, &err);
    struct output_place place = {.n_bytes = 0};
    char *bytes = calloc(1, n_bytes);
    double best_s = INFINITY;
    char path[128];

    check(o == NULL ? -1 : 0, &err);
    for (int round = 0; round < ROUNDS; round++) {
        double start_s = clock_now_s();

        for (uint32_t i = 0; i < N; i++)
            check(output_append(o, i, 1, OUTPUT_STDOUT, bytes, n_bytes, &place, &err), &err);
        best_s = fmin(best_s, clock_now_s() - start_s);
    }
    printf("%-16s %8zu %12.0f\n", "append", n_bytes, best_s / N * 1e9);
    output_close(o);
    free(bytes);
    snprintf(path, sizeof(path), "%s/1-n%u.out", folder, node);
    unlink(path);
}

static void measure_output(void)
{
    char folder[64];

    make_folder(folder);
    printf("%-16s %8s %12s\n", "output", "bytes", "ns");
    measure_output_of(folder, 1, 20);
    measure_output_of(folder, 2, 2000);
    rmdir(folder);
}

static void measure_journal(void)
{
    enum { N = 100000 };
    static const uint16_t slot = 1;
    struct graph *g = make_graph(&shapes[0], N);
    struct journal_header header = {.epoch = 1, .name = "micro", .wall_s = 1.6e9};
    struct ganger_error err = {0};
    struct task_result result = {.end = TASK_EXITED, .start_s = 1.25, .end_s = 1.75, .cpu_s = 0.01,
                                 .max_rss_bytes = 1 << 20, .tail = ""};
    struct stat status = {0};
    double sink_s = INFINITY, all_s = INFINITY;
    char folder[64], path[128];

    make_folder(folder);
    snprintf(path, sizeof(path), "%s/journal.jsonl", folder);
    for (int round = 0; round < ROUNDS; round++) {
        double start_s = clock_now_s();
        struct journal *j = journal_open(AT_FDCWD, path, g, &header, 0, &err);

        check(j == NULL ? -1 : 0, &err);
        for (task_id t = 0; t < N; t++) {
            struct event event = {.kind = EVENT_TASK_SENT, .time_s = 1.2, .task = t, .attempt = 1, .worker = 1,
                                  .n_slots = 1, .slots = &slot, .result = &result};

            journal_sink(j, &event);
            event.kind = EVENT_TASK_DONE;
            journal_sink(j, &event);
        }
        sink_s = fmin(sink_s, clock_now_s() - start_s);
        check(journal_close(j, 0, 2.0, &err), &err);
        all_s = fmin(all_s, clock_now_s() - start_s);
        stat(path, &status);
        unlink(path);
    }
    printf("%-16s %8s %12s %12s\n", "journal", "bytes", "event, ns", "to disk, ns");
    printf("%-16s %8.0f %12.0f %12.0f\n", "start and end", (double)status.st_size / N, sink_s / N * 1e9,
           all_s / N * 1e9);
    rmdir(folder);
    graph_free(g);
}

static const struct part
{
    const char *name;
    void (*measure)(void);
} parts[] = {
    {"sched", measure_sched},
    {"message", measure_message},
    {"output", measure_output},
    {"journal", measure_journal},
};

static bool is_asked_for(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return argc == 1;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (is_asked_for(parts[i].name, argc, argv))
            parts[i].measure();
    }
    return 0;
}
