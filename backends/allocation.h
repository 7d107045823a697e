/* allocation: the part of a cluster that a batch system gave to the job in which this process runs, and what a
 * launcher made of it. */
#ifndef GANGER_BACKENDS_ALLOCATION_H
#define GANGER_BACKENDS_ALLOCATION_H

#include "backends/backend.h"

#include <stdbool.h>
#include <stdint.h>

/* 1: there is one, of the first backend that knows it; 0: this is no batch job. */
int allocation_find(struct allocation *a, struct ganger_error *err);
void allocation_release(struct allocation *a);

/* Is it one host: its full name and its first part? */
bool allocation_is_same_host(const char *a, const char *b);

/* Which of the nodes is this host? n_nodes: none. A full name and its first part are the same host. */
size_t allocation_node_here(const struct allocation *a);

/* CPUs of this host, as the batch system counts them; 0 when the allocation does not name it. */
uint32_t allocation_cpus_here(const struct allocation *a);

/* Cores of which this process may use something, and their hardware threads, whether it may use them or not. */
void allocation_count_here(uint32_t *n_cores, uint32_t *n_threads);

/* Fails when less of this host can be used than the batch system gave, and says what to do instead. `n_cores`
 * cores can be used, which have `n_threads` hardware threads in all. */
int allocation_check(const struct allocation *a, uint32_t n_cores, uint32_t n_threads, struct ganger_error *err);

/* The workers of each node: one for each core, if the other nodes' cores have as many hardware threads as
 * this one's. The caller frees the array of n_nodes. */
uint32_t *allocation_workers(const struct allocation *a, uint32_t n_cores, uint32_t n_threads);

/* What mpirun and srun bind a rank to by their own default is undone, as far as it was they who did it, so
 * that the rank can find and bind its slots by itself. A mask that somebody else set, or a cgroup, stays. */
void allocation_undo_binding(void);

/* Variables that hide all batch jobs from a launcher, in the same form: it starts its ranks on this host. */
char **allocation_hiding(void);

/* The nodes as launchers read them: a line for each worker, and at the end one for the manager on the first node. The
 * file lives in memory, in *file_fd, and is read through this process: nothing is left behind. The caller frees its
 * name; NULL: there is no memory for it. */
char *allocation_write_hosts(const struct allocation *a, const uint32_t *n_workers, int *file_fd);

/* What backend->launch_variables gives. */
char **allocation_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                            int *file_fd);

#endif
