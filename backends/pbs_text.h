/* pbs_text: the words of PBS: job ids, times, sizes, states, hosts; and what its records say. For OpenPBS and
 * PBS Pro, and Torque where it says the same in other words. Pure: no command is run here, no clock is asked.
 * */
#ifndef GANGER_BACKENDS_PBS_TEXT_H
#define GANGER_BACKENDS_PBS_TEXT_H

#include "backends/job.h"
#include "backends/pbs_record.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A duration: "hh:mm:ss", "mm:ss", seconds alone, "d:hh:mm:ss" (Torque); hours may be many. False for anything
 * else. */
bool pbs_read_time(const char *text, double *seconds);

/* "hh:mm:ss", rounded up to whole seconds. Fits in 32 bytes. */
void pbs_write_time(double seconds, char text[32]);

/* "Wed Nov 25 09:25:22 2026" in local time, or seconds since 1970, as the latter. */
bool pbs_read_date(const char *text, double *wall_s);

/* "4194304kb", "4gb", "512mw" (words of 8 bytes), "100" (bytes), in bytes. */
bool pbs_read_size(const char *text, uint64_t *bytes);

/* Is it the id of a job, of an array or of an element of one: "13", "13.head", "13[].head", "13[2].head"? */
bool pbs_is_job_id(const char *text);

/* Is it the same job, the server named in full, in part or not at all? */
bool pbs_is_same_job(const char *a, const char *b);

/* The job id in what qsub printed, whatever a site's banner says around it: the last one. NULL when there is
 * none. The caller frees it. */
char *pbs_read_submitted(const char *out);

/* What a state's letter means. */
enum job_state pbs_job_state(const char *letter);

/* What was said with a job when it was submitted travels in its environment: letters, digits and few signs. */
#define PBS_COMMENT_VARIABLE "GANGER_SUBMISSION"
char *pbs_encode(const char *text); /* the caller frees it */
char *pbs_decode(const char *text);

/* Fills in a job that was initialised. */
void pbs_read_job(const struct pbs_record *record, struct job *job);

/* ---- where a job runs ---- */

struct pbs_place
{
    char *host;
    uint32_t n_cpus;
    uint64_t memory_bytes; /* 0: it is not said */
};

struct pbs_places /* one for each host, in the order of the first mention of each */
{
    struct pbs_place *each;
    size_t n;
    size_t capacity;
};

void pbs_places_release(struct pbs_places *places);

/* Adds to the place of that host, or a new one. */
void pbs_places_add(struct pbs_places *places, const char *host, size_t n_host, uint32_t n_cpus, uint64_t memory_bytes);

/* exec_host: "n1/0*4+n2/1*4" (OpenPBS), "n1/0-3+n2/0-3", "n1/1+n1/0" (Torque). exec_vnode, chunk by chunk the
 * same with the memory, "(n1:ncpus=4:mem=8gb)+(n2[0]:ncpus=2+n2[1]:ncpus=2)": NULL, where there is none. Fails
 * when one cannot be understood; then there are no places. */
int pbs_read_places(const char *exec_host, const char *exec_vnode, struct pbs_places *places, struct ganger_error *err);

/* A file of nodes: a line for each rank, or for each node. n_cpus is the number of lines. */
void pbs_read_nodefile(const char *text, struct pbs_places *places);

#endif
