/* pbs: what the files of this backend share: pbs.c the table, pbs_queue.c the server, pbs_job.c the job that we
 * are in. */
#ifndef GANGER_BACKENDS_PBS_H
#define GANGER_BACKENDS_PBS_H

#include "backends/backend.h"
#include "backends/batch.h"
#include "backends/pbs_record.h"
#include "base/error.h"

/* ---- pbs_queue.c ---- */

/* Is it a variable that commands of PBS are not to see? */
bool pbs_is_unwanted(const char *variable);

/* Runs a command. Fails when it did not end by itself; its status is in the result, to be released in any case. */
int pbs_ask(const char *const *argv, struct command_result *r, struct ganger_error *err);

/* Asks for JSON; in the plain form where that is not known, or comes out broken, as it does in some versions
 * when a job's environment has quotes in it. The last answer is in the result, to be released also after a
 * failure; the records are empty unless it was a good one. */
int pbs_ask_records(const char *const *for_json, const char *const *plain, struct pbs_records *records,
                    struct command_result *r, struct ganger_error *err);

/* The record of one job, present or past: no record when the server does not know it. The caller releases the
 * records, also after a failure. */
int pbs_ask_record(const char *id, struct pbs_records *records, struct ganger_error *err);

extern const struct batch pbs_batch;

/* ---- pbs_job.c ---- */

/* A whole file as text; NULL: it cannot be read. The caller frees it. */
char *pbs_read_file(const char *path);

/* The rows of the backend that are about the job in which this process is. */
int pbs_describe(struct allocation *a, struct ganger_error *err);
void pbs_learn(const struct allocation *a);
char **pbs_launch_variables(const struct allocation *a, const uint32_t *n_workers, const char *forwarded,
                            int *file_fd);
char *pbs_find_job(void);
int pbs_find_end(const char *job, double *end_s, struct ganger_error *err);

#endif
