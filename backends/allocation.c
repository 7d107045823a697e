#include "backends/allocation.h"

#include "backends/hostlist.h"
#include "base/alloc.h"
#include "base/file.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int allocation_find(struct allocation *a, struct ganger_error *err)
{
    for (size_t i = 0; backends[i] != NULL; i++) {
        int found = backends[i]->describe != NULL ? backends[i]->describe(a, err) : 0;

        if (found != 0)
            return found;
    }
    *a = (struct allocation){.backend = NULL};
    return 0;
}

void allocation_release(struct allocation *a)
{
    hostlist_free(a->hosts, a->n_nodes);
    free(a->n_cpus);
    free(a->job);
    *a = (struct allocation){.backend = NULL};
}

bool allocation_is_same_host(const char *a, const char *b)
{
    size_t n_a = strcspn(a, "."), n_b = strcspn(b, ".");

    return n_a == n_b && strncmp(a, b, n_a) == 0;
}

/* A node may have another name for Slurm than for itself. */
size_t allocation_node_here(const struct allocation *a)
{
    const char *node = getenv("SLURMD_NODENAME");
    char host[256] = "";
    size_t i = 0;

    gethostname(host, sizeof(host) - 1);
    while (i < a->n_nodes && !allocation_is_same_host(a->hosts[i], node != NULL ? node : host))
        i++;
    return i;
}

uint32_t allocation_cpus_here(const struct allocation *a)
{
    size_t node = allocation_node_here(a);

    return node < a->n_nodes ? a->n_cpus[node] : 0;
}

/* "0-1" or "0,64": adds them to `done`, and says how many they are. */
static uint32_t add_siblings(const char *list, cpu_set_t *done)
{
    uint32_t n = 0;

    for (const char *p = list; isdigit((unsigned char)*p); p += *p == ',') {
        char *end;
        unsigned long first = strtoul(p, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

        for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++, n++)
            CPU_SET(cpu, done);
        p = end;
    }
    return n;
}

/* By what the kernel says, since reading a whole topology takes each rank some 10 ms. */
static uint32_t count_siblings(unsigned cpu, cpu_set_t *done)
{
    char path[96], list[256] = "";
    uint32_t n = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    file = fopen(path, "re");
    if (file != NULL && fgets(list, sizeof(list), file) != NULL)
        n = add_siblings(list, done);
    if (file != NULL)
        fclose(file);
    CPU_SET(cpu, done);
    return n > 0 ? n : 1;
}

void allocation_count_here(uint32_t *n_cores, uint32_t *n_threads)
{
    cpu_set_t mask, done;

    *n_cores = *n_threads = 0;
    CPU_ZERO(&done);
    if (sched_getaffinity(0, sizeof(mask), &mask) < 0)
        CPU_ZERO(&mask);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &mask) || CPU_ISSET(cpu, &done))
            continue;
        *n_threads += count_siblings(cpu, &done);
        ++*n_cores;
    }
}

int allocation_check(const struct allocation *a, uint32_t n_cores, uint32_t n_threads, struct ganger_error *err)
{
    uint32_t n_cpus = allocation_cpus_here(a);
    char host[256] = "";

    if (n_threads >= n_cpus || n_cores >= n_cpus)
        return 0;
    gethostname(host, sizeof(host) - 1);
    return error_set(err, ERROR_USAGE,
                     "%s job %s has %u CPUs on %s, and whatever started ganger there lets it use only %u of them. "
                     "`ganger run FLOW` alone in the job script starts its ranks rightly; so do `mpirun "
                     "--bind-to none`, and with Slurm `srun --cpu-bind=none`, with as many tasks as there are cores, "
                     "and one more. Put no taskset around them",
                     a->backend->name, a->job, n_cpus, host, n_threads);
}

uint32_t *allocation_workers(const struct allocation *a, uint32_t n_cores, uint32_t n_threads)
{
    uint32_t *workers = xcalloc(a->n_nodes, sizeof(*workers)), n_cpus = allocation_cpus_here(a);
    /* Does the batch system count hardware threads? It does where this node has fewer cores than it says. */
    uint32_t per_core = n_cores > 0 && n_cores < n_cpus && n_threads >= n_cpus ? n_threads / n_cores : 1;

    for (size_t i = 0; i < a->n_nodes; i++) {
        workers[i] = a->n_cpus[i] / per_core;
        workers[i] += workers[i] == 0;
    }
    return workers;
}

/* ---- binding ---- */

/* Adds the hardware threads of "0x3" to the mask. False when it is no such number. */
static bool add_mask(const char *text, size_t n, cpu_set_t *mask)
{
    unsigned cpu = 0;

    if (n < 3 || strncmp(text, "0x", 2) != 0)
        return false;
    for (size_t i = n; i-- > 2; cpu += 4) {
        char digit[2] = {text[i], '\0'};
        unsigned bits = (unsigned)strtoul(digit, NULL, 16);

        if (!isxdigit((unsigned char)text[i]) || cpu + 4 > CPU_SETSIZE)
            return false;
        for (unsigned bit = 0; bit < 4; bit++)
            if (bits & (1u << bit))
                CPU_SET(cpu + bit, mask);
    }
    return true;
}

/* srun says in every task what it bound each task of this node to: together, what they were given. */
static bool find_srun_mask(cpu_set_t *mask)
{
    const char *kind = getenv("SLURM_CPU_BIND_TYPE"), *list = getenv("SLURM_CPU_BIND_LIST");

    if (getenv("SLURM_STEP_ID") == NULL || kind == NULL || list == NULL || strcmp(kind, "mask_cpu:") != 0)
        return false;
    CPU_ZERO(mask);
    for (const char *p = list; *p != '\0'; p += *p == ',') {
        size_t n = strcspn(p, ",");

        if (!add_mask(p, n, mask))
            return false;
        p += n;
    }
    return CPU_COUNT(mask) > 0;
}

/* mpirun binds its ranks and not itself: its daemon on this node, our parent, has what it was given. */
static bool find_mpirun_mask(cpu_set_t *mask)
{
    return getenv("OMPI_COMM_WORLD_RANK") != NULL && sched_getaffinity(getppid(), sizeof(*mask), mask) == 0;
}

void allocation_undo_binding(void)
{
    cpu_set_t mask, now;

    if (!find_mpirun_mask(&mask) && !find_srun_mask(&mask))
        return;
    if (sched_getaffinity(0, sizeof(now), &now) < 0)
        return;
    CPU_OR(&mask, &mask, &now);
    sched_setaffinity(0, sizeof(mask), &mask); /* if not, then it was more than a default */
}

/* ---- launching ---- */

char **allocation_hiding(void)
{
    static const char *const unwanted[] = {"SLURM_JOB_ID",     "SLURM_JOBID",          "SLURM_NODELIST",
                                           "SLURM_JOB_NODELIST", "SLURM_TASKS_PER_NODE", "SLURM_NNODES",
                                           "PBS_JOBID",        "PBS_NODEFILE",         "PBS_ENVIRONMENT"};
    size_t n = sizeof(unwanted) / sizeof(*unwanted);
    char **variables = xcalloc(n + 1, sizeof(*variables));

    for (size_t i = 0; i < n; i++)
        variables[i] = xstrdup(unwanted[i]);
    return variables;
}

/* An Open MPI that starts its daemons through PBS numbers nodes by the lines on which they first stand, so these stay
 * where they are, and the manager's is the last. */
char *allocation_write_hosts(const struct allocation *a, const uint32_t *n_workers, int *file_fd)
{
    struct buffer text = BUFFER_EMPTY;
    char *path = NULL;

    for (size_t i = 0; i < a->n_nodes; i++)
        for (uint32_t k = 0; k < n_workers[i]; k++)
            buffer_printf(&text, "%s\n", a->hosts[i]);
    buffer_printf(&text, "%s\n", a->hosts[0]);
    *file_fd = memfd_create("nodes", MFD_CLOEXEC);
    if (*file_fd >= 0 && file_write(*file_fd, text.bytes, text.n) == 0)
        path = xasprintf("/proc/%d/fd/%d", (int)getpid(), *file_fd);
    buffer_release(&text);
    return path;
}

char **allocation_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                            int *file_fd)
{
    *file_fd = -1;
    return a->backend->launch_variables(a, n_workers, forwarded, file_fd);
}
