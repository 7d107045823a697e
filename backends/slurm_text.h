/* slurm_text: what Slurm's commands print, read. Pure: no command is run here, no clock is asked. */
#ifndef GANGER_BACKENDS_SLURM_TEXT_H
#define GANGER_BACKENDS_SLURM_TEXT_H

#include "backends/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A duration as Slurm reads and writes it: "mm", "mm:ss", "hh:mm:ss", "d-hh", "d-hh:mm", "d-hh:mm:ss"; INFINITY
 * for "infinite" and "UNLIMITED". A lone number is minutes. False for anything else ("INVALID", "NOT_SET"). */
bool slurm_read_time(const char *text, double *seconds);

/* "d-hh:mm:ss", rounded up to whole seconds; "UNLIMITED" from 1e12 s (30,000 years). Fits in 32 bytes. */
void slurm_write_time(double seconds, char text[32]);

/* "2026-11-23T06:30:13" in local time, as seconds since 1970. False for "Unknown", "N/A", "NONE". */
bool slurm_read_date(const char *text, double *wall_s);

/* Is it the id of a job or of an element of an array: "12", "12_3"? */
bool slurm_is_job_id(const char *text);

/* The job id in what sbatch printed, with --parsable ("12", "12;cluster") or without, whatever a site's banner
 * says around it. NULL when there is none. The caller frees it. */
char *slurm_read_submitted(const char *out);

/* What `squeue -o SLURM_QUEUE_FORMAT` prints, with a header or without. Lines of other shapes are passed
 * over. The caller frees each job and the array: job_free_all. */
#define SLURM_QUEUE_FORMAT "%i|%T|%P|%D|%M|%l|%S|%e|%r|%N|%k"
void slurm_read_queue(const char *text, struct job **jobs, size_t *n);

/* When the job ends, of what `squeue -o SLURM_END_FORMAT` prints of it; of several components the first. INFINITY:
 * it has no limit. False: it does not say. */
#define SLURM_END_FORMAT "%l|%e"
bool slurm_read_end(const char *text, double *wall_s);

/* From where may jobs be handed in to a partition (NULL: the default one), by what `scontrol -o show partition`
 * prints? "ALL", or a list of hosts; NULL when it does not say. The caller frees it. */
char *slurm_read_submit_hosts(const char *text, const char *partition);

/* What `scontrol -o show job` prints. */
void slurm_read_shown(const char *text, struct job **jobs, size_t *n);

/* What `sacct -n -P -X -o SLURM_ACCOUNT_FIELDS` prints. */
#define SLURM_ACCOUNT_FIELDS "JobID,State,ExitCode,Partition,NNodes,Elapsed,Start,End,NodeList,Comment"
void slurm_read_accounted(const char *text, struct job **jobs, size_t *n);

/* What a state's name means, long ("RUNNING", "CANCELLED by 0") or short ("R"). */
enum job_state slurm_job_state(const char *word);

/* One kind of nodes of one partition: what `sinfo -h -e -o SLURM_PARTITION_FORMAT` prints in a line. */
#define SLURM_PARTITION_FORMAT "%P|%a|%l|%s|%D|%c|%m|%G|%Z|%f"
struct slurm_nodes
{
    char *partition;
    bool is_default;
    bool is_up;
    double max_time_s;     /* INFINITY: none */
    uint32_t max_nodes;    /* of one job; UINT32_MAX: no limit */
    uint32_t n_nodes;
    uint32_t n_cpus;       /* of each, as Slurm counts: often hardware threads */
    uint32_t n_threads;    /* of each core; at least 1 */
    uint64_t memory_bytes; /* of each */
    uint32_t n_gpus;       /* of each */
    char *features;        /* "a,b"; "" */
};
void slurm_read_partitions(const char *text, struct slurm_nodes **nodes, size_t *n);
void slurm_nodes_free_all(struct slurm_nodes *nodes, size_t n);

#endif
