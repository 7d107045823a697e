/* The job of PBS in which this process is: what its environment says, and the server.
 *
 * The environment names the job and a file with its nodes, in which a node stands once for each MPI rank that
 * was asked for: how many cores it has there only the server knows. It is asked once, by the process that
 * starts the ranks; what it said travels to them in a variable, as ranks on other nodes, started over ssh, see
 * nothing of the job. */
#include "backends/pbs.h"

#include "backends/allocation.h"
#include "backends/hostlist.h"
#include "backends/pbs_text.h"
#include "base/alloc.h"
#include "base/file.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "13.head n1/8/4096+n2/8/4096": CPUs and MiB of each host. */
#define LEARNED_VARIABLE "GANGER_PBS_JOB"
#define RESTARTS_VARIABLE "GANGER_PBS_RESTARTS"
#define LEARNED_MOST_BYTES 130000 /* one variable may have 128 KiB: some 6000 nodes */
#define LEARNED_TOO_MUCH "-"      /* for the ranks of more; their file of nodes is none of PBS's */
#define NODEFILE_MOST_BYTES (64 << 20)

char *pbs_find_job(void)
{
    const char *job = getenv("PBS_JOBID");

    return job != NULL && *job != '\0' ? xstrdup(job) : NULL;
}

/* ---- what was learned before ---- */

/* One host, "n1/8/4096" of n bytes, into the allocation. */
static bool take_learned(struct allocation *a, const char *item, size_t n)
{
    size_t n_host = strcspn(item, "/+");
    unsigned n_cpus;
    unsigned long long n_mib;
    char host[256] = "";

    if (n_host == 0 || n_host >= n || sscanf(item + n_host, "/%9u/%15llu", &n_cpus, &n_mib) != 2)
        return false;
    a->hosts[a->n_nodes] = xstrndup(item, n_host);
    a->n_cpus[a->n_nodes] = n_cpus;
    gethostname(host, sizeof(host) - 1);
    if (allocation_is_same_host(a->hosts[a->n_nodes], host))
        a->memory_bytes = n_mib << 20;
    a->n_nodes++;
    return true;
}

/* What the process that asked the server left for this job. False: nothing. */
static bool describe_learned(struct allocation *a)
{
    const char *learned = getenv(LEARNED_VARIABLE), *job = getenv("PBS_JOBID");
    const char *restarts = getenv(RESTARTS_VARIABLE);
    size_t n_job = learned != NULL ? strcspn(learned, " ") : 0, n_hosts = 1;

    if (n_job == 0 || learned[n_job] != ' ' ||
        (job != NULL && (strncmp(job, learned, n_job) != 0 || job[n_job] != '\0')))
        return false;
    for (const char *p = learned; *p != '\0'; p++)
        n_hosts += *p == '+';
    a->hosts = xcalloc(n_hosts, sizeof(*a->hosts));
    a->n_cpus = xcalloc(n_hosts, sizeof(*a->n_cpus));
    for (const char *p = learned + n_job + 1; *p != '\0';) {
        size_t n = strcspn(p, "+");

        if (!take_learned(a, p, n)) {
            allocation_release(a);
            return false;
        }
        p += n + (p[n] == '+');
    }
    a->job = xstrndup(learned, n_job);
    a->n_restarts = restarts != NULL ? (uint32_t)strtoul(restarts, NULL, 10) : 0;
    return a->n_nodes > 0;
}

static bool is_too_much(void)
{
    const char *learned = getenv(LEARNED_VARIABLE);

    return learned != NULL && strcmp(learned, LEARNED_TOO_MUCH) == 0;
}

/* ---- what the environment says ---- */

char *pbs_read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    char *text = NULL;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size < NODEFILE_MOST_BYTES) {
        text = xmalloc((size_t)info.st_size + 1);
        n = file_read_at(fd, text, (size_t)info.st_size, 0);
        text[n > 0 ? n : 0] = '\0';
    }
    if (fd >= 0)
        close(fd);
    return text;
}

/* Nodes that stand once have as many CPUs as this one is said to have. */
static uint32_t cpus_for_each_line(const struct allocation *a)
{
    const char *text = getenv("NCPUS");
    uint32_t n_lines = allocation_cpus_here(a), n_cpus = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;

    return n_lines > 0 && n_cpus / n_lines > 1 ? n_cpus / n_lines : 1;
}

static void take_places(struct allocation *a, const struct pbs_places *places)
{
    uint32_t n_times;

    a->n_nodes = places->n;
    a->hosts = xcalloc(places->n, sizeof(*a->hosts));
    a->n_cpus = xcalloc(places->n, sizeof(*a->n_cpus));
    for (size_t i = 0; i < places->n; i++) {
        a->hosts[i] = xstrdup(places->each[i].host);
        a->n_cpus[i] = places->each[i].n_cpus;
    }
    n_times = cpus_for_each_line(a);
    for (size_t i = 0; i < places->n; i++)
        a->n_cpus[i] *= n_times;
}

int pbs_describe(struct allocation *a, struct ganger_error *err)
{
    const char *path = getenv("PBS_NODEFILE");
    char *job = pbs_find_job(), *text = job != NULL && path != NULL ? pbs_read_file(path) : NULL;
    struct pbs_places places = {NULL, 0, 0};
    int found = 1;

    *a = (struct allocation){.backend = &backend_pbs, .end_s = NAN};
    if (describe_learned(a)) {
        free(job);
        job = NULL;
    } else if (text == NULL || is_too_much()) { /* or a rank on another node, where the file is not */
        *a = (struct allocation){.end_s = NAN};
        found = 0;
    } else {
        pbs_read_nodefile(text, &places);
        if (places.n == 0)
            found = error_set(err, ERROR_SYSTEM, "%s, which names the nodes of PBS job %s, is empty", path, job);
        else
            take_places(a, &places);
        a->job = job;
        job = NULL;
    }
    if (found < 0)
        allocation_release(a);
    pbs_places_release(&places);
    free(text);
    free(job);
    return found;
}

/* ---- what the server says ---- */

static const struct pbs_place *find_place(const struct pbs_places *places, const char *host)
{
    for (size_t i = 0; i < places->n; i++)
        if (allocation_is_same_host(places->each[i].host, host))
            return &places->each[i];
    return NULL;
}

/* Torque says no memory of a node: its limit is the whole job's. */
static void share_memory(const struct pbs_record *record, struct pbs_places *places)
{
    const char *text = pbs_record_find(record, "Resource_List.mem");
    uint64_t bytes, n_cpus = 0, n_known = 0;

    for (size_t i = 0; i < places->n; i++) {
        n_cpus += places->each[i].n_cpus;
        n_known += places->each[i].memory_bytes;
    }
    if (n_known > 0 || n_cpus == 0 || text == NULL || !pbs_read_size(text, &bytes))
        return;
    for (size_t i = 0; i < places->n; i++)
        places->each[i].memory_bytes = (uint64_t)((double)bytes / (double)n_cpus * places->each[i].n_cpus);
}

/* The hosts under the names that the file of nodes has for them. */
static void write_learned(const struct allocation *a, const struct pbs_places *places, struct buffer *text)
{
    buffer_printf(text, "%s ", a->job);
    for (size_t i = 0; i < a->n_nodes; i++) {
        const struct pbs_place *place = find_place(places, a->hosts[i]);

        buffer_printf(text, "%s%s/%u/%llu", i > 0 ? "+" : "", a->hosts[i],
                      place != NULL ? place->n_cpus : a->n_cpus[i],
                      place != NULL ? (unsigned long long)place->memory_bytes >> 20 : 0);
    }
    buffer_put_u8(text, 0);
}

static void learn_restarts(const struct pbs_record *record)
{
    const char *runs = pbs_record_find(record, "run_count");
    long n_runs;

    if (runs == NULL)
        runs = pbs_record_find(record, "start_count"); /* Torque */
    n_runs = runs != NULL ? strtol(runs, NULL, 10) : 1;
    if (n_runs > 1 && n_runs < 100000) {
        char *restarts = xasprintf("%ld", n_runs - 1);

        setenv(RESTARTS_VARIABLE, restarts, 1);
        free(restarts);
    }
}

static void learn_places(const struct pbs_record *record, struct pbs_places *places)
{
    const char *exec_host = pbs_record_find(record, "exec_host"), *vnodes = pbs_record_find(record, "exec_vnode");

    if (exec_host != NULL && pbs_read_places(exec_host, vnodes, places, NULL) == 0)
        share_memory(record, places);
}

/* Also when the server does not answer: the file of nodes that the ranks see will have a line more. */
void pbs_learn(const struct allocation *a)
{
    struct pbs_records records = {NULL, 0, 0};
    struct pbs_places places = {NULL, 0, 0};
    struct buffer text = BUFFER_EMPTY;

    unsetenv(RESTARTS_VARIABLE); /* of a job that submitted this one */
    unsetenv(LEARNED_VARIABLE);
    if (pbs_ask_record(a->job, &records, NULL) == 0 && records.n > 0) {
        learn_restarts(&records.each[0]);
        learn_places(&records.each[0], &places);
    }
    write_learned(a, &places, &text);
    if (text.n < LEARNED_MOST_BYTES)
        setenv(LEARNED_VARIABLE, text.bytes, 1);
    buffer_release(&text);
    pbs_places_release(&places);
    pbs_records_release(&records);
}

/* PBS ends a job that is over its time with no word before; suspended, it lasts longer, and is asked again. */
int pbs_find_end(const char *id, double *end_s, struct ganger_error *err)
{
    struct pbs_records records = {NULL, 0, 0};
    struct job job;
    int status = pbs_ask_record(id, &records, err);

    job_init(&job);
    if (status == 0 && records.n > 0)
        pbs_read_job(&records.each[0], &job);
    if (status == 0 && isinf(job.limit_s))
        *end_s = INFINITY;
    else if (status == 0 && !isnan(job.end_s))
        *end_s = job.end_s;
    else if (status == 0)
        status = error_set(err, ERROR_SYSTEM, "qstat does not say when job %s ends", id);
    job_release(&job);
    pbs_records_release(&records);
    return status;
}

/* ---- launching ---- */

/* What ranks on other nodes need and ssh does not bring. `own` is set for mpirun alone. */
static char *name_environment(const char *own)
{
    static const char *const wanted[] = {LEARNED_VARIABLE, RESTARTS_VARIABLE, "LD_LIBRARY_PATH"};
    const char *users = getenv("OMPI_MCA_mca_base_env_list");
    struct buffer text = BUFFER_EMPTY;

    buffer_printf(&text, "OMPI_MCA_mca_base_env_list=%s%s%s", users != NULL ? users : "",
                  users != NULL ? ";" : "", own);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        if (getenv(wanted[i]) != NULL)
            buffer_printf(&text, ";%s", wanted[i]);
    buffer_put_u8(&text, 0);
    return text.bytes;
}

char **pbs_launch_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                            int *file_fd)
{
    /* As Open MPI with PBS and without, its fifth version, and MPICH and Intel MPI call it. */
    static const char *const names[] = {"PBS_NODEFILE", "OMPI_MCA_orte_default_hostfile",
                                        "PRTE_MCA_prte_default_hostfile", "HYDRA_HOST_FILE"};
    size_t n_names = sizeof(names) / sizeof(*names), n = 0;
    char **variables = xcalloc(n_names + 4, sizeof(*variables)), *path;

    if (a->n_nodes == 1)
        return variables; /* mpirun starts them where it is */
    path = allocation_write_hosts(a, n_workers, file_fd); /* in the place of the file of nodes */
    for (size_t i = 0; path != NULL && i < n_names; i++)
        variables[n++] = xasprintf("%s=%s", names[i], path);
    if (getenv(LEARNED_VARIABLE) == NULL)
        variables[n++] = xstrdup(LEARNED_VARIABLE "=" LEARNED_TOO_MUCH);
    variables[n++] = name_environment(forwarded);
    free(path);
    return variables;
}
