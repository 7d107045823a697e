/* Feeds what reads the texts of batch systems, and the records that are kept of what they were asked. Built by CMake
 * with -DGANGER_FUZZ=ON (clang).
 *
 * The first byte says what: 'h' a list of hosts, 'c' one of counts, 'q' squeue, 's' scontrol, 'a' sacct, 'p' sinfo,
 * 't' a time, 'd' a date, 'i' the id of a job, 'o' what sbatch said, 'g' a group in JSON, 'r' a resource set. */
#include "backends/group.h"
#include "backends/hostlist.h"
#include "backends/slurm_text.h"
#include "base/alloc.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return 0;
}

/* Lists of a million names are right, and no place to look for mistakes. */
static bool is_short(const char *text)
{
    size_t n_digits = 0;

    for (; *text != '\0'; text++)
        n_digits += *text >= '0' && *text <= '9';
    return n_digits < 5;
}

static void check_refusal(const struct ganger_error *err)
{
    if (err->cause == ERROR_NONE || err->text[0] == '\0')
        abort();
}

static void read_hosts(const char *text)
{
    struct ganger_error err = {0};
    char **hosts;
    size_t n;

    if (!is_short(text))
        return;
    if (hostlist_read(text, &hosts, &n, &err) < 0) {
        check_refusal(&err);
        return;
    }
    if (n == 0)
        abort();
    for (size_t i = 0; i < n; i++)
        if (strchr(hosts[i], ',') != NULL || strchr(hosts[i], '[') != NULL)
            abort();
    hostlist_free(hosts, n);
}

/* What is written of them reads the same. */
static void read_counts(const char *text)
{
    struct ganger_error err = {0};
    uint32_t *counts, *again;
    size_t n, n_again;
    char *written;

    if (hostlist_read_counts(text, &counts, &n, &err) < 0) {
        check_refusal(&err);
        return;
    }
    written = hostlist_write_counts(counts, n);
    if (hostlist_read_counts(written, &again, &n_again, &err) < 0 || n != n_again ||
        memcmp(counts, again, n * sizeof(*counts)) != 0)
        abort();
    free(written);
    free(counts);
    free(again);
}

/* An id, or one of an array's elements that wait: "12_[4-9%2]". */
static bool is_listed_id(const char *id)
{
    return id != NULL && *id >= '0' && *id <= '9';
}

static void read_jobs(const char *text, void (*read)(const char *, struct job **, size_t *))
{
    struct job *jobs = NULL;
    size_t n = 0;

    read(text, &jobs, &n);
    for (size_t i = 0; i < n; i++)
        if (!is_listed_id(jobs[i].id) || jobs[i].word == NULL || jobs[i].reason == NULL ||
            jobs[i].partition == NULL || jobs[i].hosts == NULL || jobs[i].comment == NULL || jobs[i].run_s < 0 ||
            jobs[i].limit_s < 0 || jobs[i].exit_status < -1)
            abort();
    job_free_all(jobs, n);
}

static void read_partitions(const char *text)
{
    struct slurm_nodes *nodes = NULL;
    size_t n = 0;

    slurm_read_partitions(text, &nodes, &n);
    for (size_t i = 0; i < n; i++)
        if (nodes[i].partition == NULL || nodes[i].features == NULL || nodes[i].n_threads == 0 ||
            !(nodes[i].max_time_s >= 0))
            abort();
    slurm_nodes_free_all(nodes, n);
}

/* What is written of a time is read back as the same, in whole seconds; 30,000 years are written as without end. */
static void read_time(const char *text)
{
    double s = -1, again = -1;
    char written[32];

    if (!slurm_read_time(text, &s))
        return;
    if (!(s >= 0))
        abort();
    slurm_write_time(s, written);
    if (!slurm_read_time(written, &again) || again < s || (again > s + 1 && s < 1e12))
        abort();
}

static void read_date(const char *text)
{
    double s = 0;

    if (slurm_read_date(text, &s) && !isfinite(s))
        abort();
}

static void read_submitted(const char *text)
{
    char *id = slurm_read_submitted(text);

    if (id != NULL && !slurm_is_job_id(id))
        abort();
    free(id);
}

/* What was read is written, read again, and written the same. */
static void check_same(json_t *first, json_t *second)
{
    if (!json_equal(first, second))
        abort();
    json_decref(first);
    json_decref(second);
}

static void read_group(const json_t *object)
{
    struct ganger_error err = {0};
    struct group g, again;
    json_t *written;

    if (group_from_json(&g, object, &err) < 0) {
        check_refusal(&err);
        return;
    }
    written = group_to_json(&g);
    if (group_from_json(&again, written, &err) < 0)
        abort();
    check_same(written, group_to_json(&again));
    group_release(&g);
    group_release(&again);
}

static void read_set(const json_t *object)
{
    struct ganger_error err = {0};
    struct resource_set set, again;
    json_t *written;

    if (resource_set_from_json(&set, object, &err) < 0) {
        check_refusal(&err);
        return;
    }
    written = resource_set_to_json(&set);
    if (resource_set_from_json(&again, written, &err) < 0)
        abort();
    check_same(written, resource_set_to_json(&again));
    resource_set_release(&set);
    resource_set_release(&again);
}

static void read_json(const char *text, void (*read)(const json_t *))
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);

    if (object != NULL)
        read(object);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text;

    if (n < 1)
        return 0;
    text = xstrndup((const char *)bytes + 1, n - 1);
    switch (bytes[0]) {
    case 'h': read_hosts(text); break;
    case 'c': read_counts(text); break;
    case 'q': read_jobs(text, slurm_read_queue); break;
    case 's': read_jobs(text, slurm_read_shown); break;
    case 'a': read_jobs(text, slurm_read_accounted); break;
    case 'p': read_partitions(text); break;
    case 't': read_time(text); break;
    case 'd': read_date(text); break;
    case 'o': read_submitted(text); break;
    case 'i': slurm_is_job_id(text); break;
    case 'g': read_json(text, read_group); break;
    case 'r': read_json(text, read_set); break;
    default: break;
    }
    free(text);
    return 0;
}
