#include "backends/slurm_job.h"

#include "backends/allocation.h"
#include "backends/batch.h"
#include "backends/hostlist.h"
#include "base/alloc.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTS_MAX 128 /* as Slurm has it */

/* ---- what the environment says ---- */

static const char *first_of(const char *const *names)
{
    for (; *names != NULL; names++)
        if (getenv(*names) != NULL)
            return getenv(*names);
    return NULL;
}

static const char *id_of_job(void)
{
    return first_of((const char *const[]){"SLURM_JOB_ID", "SLURM_JOBID", NULL});
}

char *slurm_find_job(void)
{
    return id_of_job() != NULL ? xstrdup(id_of_job()) : NULL;
}

/* Components of this job; 0: it has none, and is described by the plain variables. */
static uint32_t count_parts(void)
{
    const char *text = getenv("SLURM_HET_SIZE");
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;

    return n <= 1 ? 0 : n < PARTS_MAX ? (uint32_t)n : PARTS_MAX;
}

/* What is said of one component, or of a job without. NULL: nothing. */
static const char *part_variable(const char *name, uint32_t part)
{
    char full[96];

    if (count_parts() == 0)
        return getenv(name);
    snprintf(full, sizeof(full), "%s_HET_GROUP_%u", name, part);
    return getenv(full);
}

static const char *hosts_of_part(uint32_t part)
{
    const char *hosts = part_variable("SLURM_JOB_NODELIST", part);

    return hosts != NULL ? hosts : part_variable("SLURM_NODELIST", part);
}

static uint64_t memory_of_node(uint32_t part, uint32_t n_cpus)
{
    const char *node = part_variable("SLURM_MEM_PER_NODE", part), *cpu = part_variable("SLURM_MEM_PER_CPU", part);

    if (node != NULL)
        return (uint64_t)strtoull(node, NULL, 10) << 20; /* MiB */
    return cpu != NULL ? ((uint64_t)strtoull(cpu, NULL, 10) << 20) * n_cpus : 0;
}

/* SLURM_JOB_END_TIME exists from 23.02 on. Of components each has an end of its own, and this is the first one's. */
static double end_of_job(void)
{
    const char *end = getenv("SLURM_JOB_END_TIME");

    return end != NULL && count_parts() == 0 ? (double)strtoull(end, NULL, 10) : NAN;
}

/* ---- the allocation ---- */

static bool has_host(const struct allocation *a, const char *host)
{
    for (size_t i = 0; i < a->n_nodes; i++)
        if (allocation_is_same_host(a->hosts[i], host))
            return true;
    return false;
}

/* Takes the hosts. One that an earlier component has as well is started through that one, within its CPUs. */
static void add_hosts(struct allocation *a, char **hosts, const uint32_t *n_cpus, size_t n)
{
    bool is_first = a->n_nodes == 0;

    a->hosts = xrealloc(a->hosts, (a->n_nodes + n) * sizeof(*a->hosts));
    a->n_cpus = xrealloc(a->n_cpus, (a->n_nodes + n) * sizeof(*a->n_cpus));
    for (size_t i = 0; i < n; i++) {
        if (!is_first && has_host(a, hosts[i])) {
            a->n_idle_cpus += n_cpus[i];
            free(hosts[i]);
            continue;
        }
        a->hosts[a->n_nodes] = hosts[i];
        a->n_cpus[a->n_nodes++] = n_cpus[i];
    }
    free(hosts);
}

static int add_part(struct allocation *a, uint32_t part, struct ganger_error *err)
{
    const char *hosts = hosts_of_part(part), *cpus = part_variable("SLURM_JOB_CPUS_PER_NODE", part);
    size_t n_hosts = 0, n_cpus = 0, n_before = a->n_nodes, here;
    char **each = NULL;
    uint32_t *counts = NULL;

    if (hosts == NULL || cpus == NULL)
        return error_set(err, ERROR_SYSTEM,
                         "Slurm job %s is a heterogeneous one of %u components, and this environment says nothing of "
                         "the nodes of component %u (SLURM_JOB_NODELIST_HET_GROUP_%u, "
                         "SLURM_JOB_CPUS_PER_NODE_HET_GROUP_%u)", a->job, count_parts(), part, part, part);
    if (hostlist_read(hosts, &each, &n_hosts, err) < 0 || hostlist_read_counts(cpus, &counts, &n_cpus, err) < 0 ||
        n_cpus != n_hosts) {
        hostlist_free(each, n_hosts);
        free(counts);
        error_set(err, ERROR_SYSTEM, "Slurm names %s as this job's nodes and %s as their CPUs, which differ in number",
                  hosts, cpus);
        return -1;
    }
    add_hosts(a, each, counts, n_hosts);
    free(counts);
    here = allocation_node_here(a);
    if (here >= n_before && here < a->n_nodes)
        a->memory_bytes = memory_of_node(part, a->n_cpus[here]);
    return 0;
}

int slurm_describe(struct allocation *a, struct ganger_error *err)
{
    const char *job = id_of_job(), *restarts = getenv("SLURM_RESTART_COUNT");
    uint32_t n_parts = count_parts();
    int status = 0;

    *a = (struct allocation){.end_s = NAN};
    if (job == NULL || (n_parts == 0 && (hosts_of_part(0) == NULL || getenv("SLURM_JOB_CPUS_PER_NODE") == NULL)))
        return 0;
    a->backend = &backend_slurm;
    a->job = xstrdup(job);
    a->end_s = end_of_job();
    a->n_restarts = restarts != NULL ? (uint32_t)strtoul(restarts, NULL, 10) : 0;
    for (uint32_t part = 0; status == 0 && part < n_parts + (n_parts == 0); part++)
        status = add_part(a, part, err);
    if (status < 0) {
        allocation_release(a);
        a->end_s = NAN;
        return -1;
    }
    return 1;
}

/* ---- launching ---- */

/* mpirun and hydra take as many slots on each node as Slurm says that tasks were asked for there. */
static const char *const unwanted[] = {"SLURM_NTASKS_PER_NODE", "SLURM_CPUS_PER_TASK", "SLURM_NTASKS",
                                       "SLURM_NPROCS", "SLURM_TRES_PER_TASK", "SLURM_NTASKS_PER_CORE"};
#define N_UNWANTED (sizeof(unwanted) / sizeof(*unwanted))

/* The srun that they run for all nodes at once reaches those of the first component alone. So they get the nodes from
 * a file, and are told to reach each by `ganger reach-node`, as if that were ssh. */
static const char *const of_parts[] = {
    /* Open MPI 4 */
    "OMPI_MCA_ras=^slurm", "OMPI_MCA_plm=rsh", "OMPI_MCA_plm_rsh_no_tree_spawn=1",
    "OMPI_MCA_orte_leave_session_attached=1", /* a step ends with its first process */
    /* Open MPI 5 */
    "PRTE_MCA_ras=^slurm", "PRTE_MCA_plm=ssh", "PRTE_MCA_plm_ssh_no_tree_spawn=1",
    "PRTE_MCA_prte_leave_session_attached=1",
    /* MPICH, Intel MPI */
    "HYDRA_RMK=user", "HYDRA_LAUNCHER=ssh",
};
static const char *const agent_names[] = {"OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"};
static const char *const host_file_names[] = {"OMPI_MCA_orte_default_hostfile", "PRTE_MCA_prte_default_hostfile",
                                              "HYDRA_HOST_FILE"};
#define N_OF_PARTS (sizeof(of_parts) / sizeof(*of_parts))
#define N_AGENTS (sizeof(agent_names) / sizeof(*agent_names))
#define N_HOST_FILES (sizeof(host_file_names) / sizeof(*host_file_names))

/* This program, by a path that is good on all nodes, as ranks need it: daemons there look for it, too. Blanks would end
 * the path; then it is the `ganger` that the shell finds. */
static void name_agent(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    path[n > 0 ? n : 0] = '\0';
    if (n <= 0 || strpbrk(path, " \t\"'\\") != NULL)
        snprintf(path, PATH_MAX, "ganger");
}

static void add_parts_variables(char **variables, const struct allocation *a, const uint32_t *n_workers, int *file_fd)
{
    char *hosts = allocation_write_hosts(a, n_workers, file_fd), agent[PATH_MAX];
    size_t n = 0;

    name_agent(agent);
    for (size_t i = 0; i < N_OF_PARTS; i++)
        variables[n++] = xstrdup(of_parts[i]);
    for (size_t i = 0; i < N_AGENTS; i++)
        variables[n++] = xasprintf("%s=%s " REACH_COMMAND, agent_names[i], agent);
    for (size_t i = 0; hosts != NULL && i < N_HOST_FILES; i++)
        variables[n++] = xasprintf("%s=%s", host_file_names[i], hosts);
    free(hosts);
}

char **slurm_launch_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                              int *file_fd)
{
    uint32_t *n_ranks = xcalloc(a->n_nodes, sizeof(*n_ranks));
    char **variables = xcalloc(N_UNWANTED + N_OF_PARTS + N_AGENTS + N_HOST_FILES + 4, sizeof(*variables)), *counts;
    size_t n = 0;

    (void)forwarded; /* its steps have all of the environment */
    memcpy(n_ranks, n_workers, a->n_nodes * sizeof(*n_ranks));
    n_ranks[0]++; /* the manager */
    counts = hostlist_write_counts(n_ranks, a->n_nodes);
    variables[n++] = xasprintf("SLURM_TASKS_PER_NODE=%s", counts);
    variables[n++] = xstrdup("SLURM_OVERLAP=1"); /* the step of mpirun's daemons keeps no CPU from steps of tasks */
    variables[n++] = xstrdup("SLURM_NO_KILL=set"); /* in a job that outlives a node, so does that step */
    for (size_t i = 0; i < N_UNWANTED; i++)
        variables[n++] = xstrdup(unwanted[i]);
    if (count_parts() > 0)
        add_parts_variables(variables + n, a, n_workers, file_fd);
    free(counts);
    free(n_ranks);
    return variables;
}

/* ---- on another node ---- */

/* Which component has that node? */
static bool find_part(const char *host, uint32_t *part)
{
    bool is_found = false;

    for (*part = 0; *part < count_parts(); ++*part) {
        const char *hosts = hosts_of_part(*part);
        char **each = NULL;
        size_t n = 0;

        if (hosts != NULL && hostlist_read(hosts, &each, &n, NULL) == 0)
            for (size_t i = 0; !is_found && i < n; i++)
                is_found = allocation_is_same_host(each[i], host);
        hostlist_free(each, n);
        if (is_found)
            return true;
    }
    return false;
}

/* What srun would take for options, and what is of the first component alone. */
static bool is_of_first_part(const char *variable)
{
    static const char *const kept[] = {"SLURM_JOB_ID=", "SLURM_JOBID=", "SLURM_CONF", "SLURM_HET_SIZE=", "SLURM_JWT=",
                                       "SLURM_CLUSTERS=", "SLURM_WORKING_CLUSTER=", "SLURM_RESTART_COUNT="};

    if (!batch_begins(variable, "SLURM_") || strstr(variable, "_HET_GROUP_") != NULL)
        return false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (batch_begins(variable, kept[i]))
            return false;
    return true;
}

void slurm_reach_words(uint32_t part, const char *host, const char *line, struct text_list *words)
{
    static const char *const options[] = {
        "--overlap",  /* nor does it keep CPUs from steps of tasks */
        "--nodes=1", "--ntasks=1", "--mpi=none", "--cpu-bind=none", "--mem=0", /* all that the component has there */
        "--export=ALL", "--input=none", "--no-kill", "--quiet",
    };
    char *text = xasprintf("--het-group=%u", part);

    text_list_add(words, "srun");
    text_list_add(words, text);
    free(text);
    text = xasprintf("--nodelist=%s", host);
    text_list_add(words, text);
    free(text);
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        text_list_add(words, options[i]);
    text_list_add(words, "/bin/sh");
    text_list_add(words, "-c");
    text_list_add(words, line);
}

int slurm_reach(const char *host, const char *line, struct ganger_error *err)
{
    struct text_list words = {NULL, 0, 0};
    char **clean, **argv;
    uint32_t part;

    if (!find_part(host, &part))
        return error_set(err, ERROR_USAGE, "no component of Slurm job %s has a node %s", id_of_job(), host);
    clean = batch_environment(is_of_first_part);
    slurm_reach_words(part, host, line, &words);
    argv = xcalloc(words.n + 1, sizeof(*argv));
    for (size_t i = 0; i < words.n; i++)
        argv[i] = words.each[i];
    execvpe(argv[0], argv, clean);
    error_set_errno(err, ERROR_SYSTEM, "cannot run srun, which is to start ranks on %s", host);
    text_list_release(&words);
    free(argv);
    free(clean);
    return -1;
}
