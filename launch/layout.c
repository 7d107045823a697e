#include "launch/layout.h"

#include "backends/allocation.h"
#include "backends/command.h"
#include "base/alloc.h"
#include "base/log.h"
#include "io/binding.h"
#include "launch/link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- this machine ---- */

/* A client without a configuration is no cluster. */
static bool is_slurm_here(void)
{
    static const char *const files[] = {"/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf",
                                        "/etc/slurm-llnl/slurm.conf"};
    bool has_conf = getenv("SLURM_CONF") != NULL;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        has_conf |= access(files[i], R_OK) == 0;
    return has_conf && command_is_there("sbatch");
}

/* The batch system that this machine is a client of; NULL: none. */
static const struct backend *find_system_here(void)
{
    if (is_slurm_here())
        return &backend_slurm;
    return backend_pbs.available(NULL) ? &backend_pbs : NULL;
}

/* Of a ganger whose task we are: then the job is not ours, only what that task was given. */
static bool is_in_task(void)
{
    return getenv("GANGER_TASK_ID") != NULL;
}

/* The allocation that is ours. */
static int find_job(struct allocation *a, struct ganger_error *err)
{
    *a = (struct allocation){.backend = NULL};
    return is_in_task() ? 0 : allocation_find(a, err);
}

static int choose_here(struct layout *p, struct ganger_error *err)
{
    const struct backend *system;
    struct binding *binding;
    char host[256] = "";

    if (is_in_task())
        p->variables = allocation_hiding();
    if (p->n_workers > 0)
        return 0;
    binding = binding_open(err);
    if (binding == NULL)
        return -1;
    p->n_workers = binding_n_slots(binding);
    binding_close(binding);
    gethostname(host, sizeof(host) - 1);
    system = is_in_task() ? NULL : find_system_here();
    if (system != NULL)
        log_warning("this is no job of %s: the run fills all %u cores of %s, which others may use to log in; "
                    "`ganger submit` hands it to %s, -n 2 keeps it small", system->title, p->n_workers, host,
                    system->title);
    return 0;
}

/* ---- a batch job ---- */

static int choose_in_job(struct layout *p, const struct allocation *a, struct ganger_error *err)
{
    uint32_t n_cores, n_threads, *workers;

    if (allocation_cpus_here(a) == 0)
        return error_set(err, ERROR_USAGE,
                         "this shell belongs to %s job %s, and is on none of its nodes: start ganger there, by `%s` or "
                         "in a job script", a->backend->name, a->job, a->backend->shell);
    allocation_count_here(&n_cores, &n_threads);
    if (p->n_workers == 0 && allocation_check(a, n_cores, n_threads, err) < 0)
        return -1;
    if (a->n_idle_cpus > 0)
        log_warning("components of %s job %s share a node: only CPUs of the first one there are used, and %u of others "
                    "stay idle; ask for components on nodes of their own (--exclusive)", a->backend->name, a->job,
                    a->n_idle_cpus);
    workers = allocation_workers(a, n_cores, n_threads);
    if (p->n_workers == 0)
        for (size_t i = 0; i < a->n_nodes; i++)
            p->n_workers += workers[i];
    p->variables = allocation_variables(a, workers, LINK_VARIABLE, &p->file_fd);
    free(workers);
    return 0;
}

void layout_learn(void)
{
    struct allocation a;

    if (find_job(&a, NULL) > 0 && a.backend->learn != NULL)
        a.backend->learn(&a);
    allocation_release(&a);
}

int layout_choose(struct layout *p, uint32_t n_workers, struct ganger_error *err)
{
    struct allocation a;
    int found = find_job(&a, err), status;

    *p = (struct layout){.n_workers = n_workers, .file_fd = -1};
    if (found < 0)
        return -1;
    status = found > 0 ? choose_in_job(p, &a, err) : choose_here(p, err);
    if (found > 0)
        allocation_release(&a);
    return status;
}

void layout_release(struct layout *p)
{
    for (size_t i = 0; p->variables != NULL && p->variables[i] != NULL; i++)
        free(p->variables[i]);
    free(p->variables);
    if (p->file_fd >= 0)
        close(p->file_fd);
    *p = (struct layout){.file_fd = -1};
}

/* ---- as a rank ---- */

static bool is_first_of_node(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *number = getenv(names[i]);

        if (number != NULL)
            return strcmp(number, "0") == 0;
    }
    return true;
}

int layout_enter_rank(bool *should_tell, struct ganger_error *err)
{
    uint32_t n_cores, n_threads;
    struct allocation a;
    int found, status;

    *should_tell = is_first_of_node();
    allocation_undo_binding();
    found = find_job(&a, err);
    if (found <= 0)
        return found;
    allocation_count_here(&n_cores, &n_threads);
    status = allocation_check(&a, n_cores, n_threads, err);
    allocation_release(&a);
    return status;
}

uint64_t layout_memory_bytes(void)
{
    struct allocation a;
    uint64_t bytes = 0;

    if (find_job(&a, NULL) > 0) {
        bytes = a.memory_bytes;
        allocation_release(&a);
    }
    return bytes;
}

void layout_count_workers(uint32_t n_workers)
{
    uint32_t n_cores, n_threads, n_all = 0, *workers;
    struct allocation a;

    if (getenv(LINK_VARIABLE) != NULL || find_job(&a, NULL) <= 0)
        return; /* as many as were asked for */
    allocation_count_here(&n_cores, &n_threads);
    workers = allocation_workers(&a, n_cores, n_threads);
    for (size_t i = 0; i < a.n_nodes; i++)
        n_all += workers[i];
    if (n_workers < n_all)
        log_warning("%s job %s has %u cores, and there are %u workers: %u cores stay idle; `ganger run FLOW` alone "
                    "starts as many as there are cores, and so does mpirun -n %u", a.backend->name, a.job, n_all,
                    n_workers, n_all - n_workers, n_all + 1);
    free(workers);
    allocation_release(&a);
}

bool layout_is_restarted(const char *run_dir)
{
    char *journal = xasprintf("%s/journal.jsonl", run_dir);
    struct stat file;
    struct allocation a;
    bool is_restarted = false;

    if (find_job(&a, NULL) > 0) {
        is_restarted = a.n_restarts > 0 && stat(journal, &file) == 0 && file.st_size > 0;
        allocation_release(&a);
    }
    free(journal);
    return is_restarted;
}
