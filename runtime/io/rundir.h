/* rundir: the directory of one run, and who owns it.
 *
 *   FLOW.run/journal.jsonl   what happened (journal.h)
 *   FLOW.run/output/         what tasks wrote (output.h)
 *   FLOW.run/run.json        what was asked and where it ran
 *   FLOW.run/lock            who owns it: host, boot, pid, start of the process, job, epoch, a random token
 *
 * Directories are 0700, files 0600; a symbolic link in place of one of them is refused. Once the directory is open,
 * all is reached from its descriptor: who puts another in its place does not get what is written. Nothing in it
 * is mapped into memory, and flock is an extra where it works: file systems of clusters do both badly. */
#ifndef GANGER_IO_RUNDIR_H
#define GANGER_IO_RUNDIR_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct rundir
{
    char *path;         /* absolute */
    char *journal_path; /* absolute */
    char *output_path;  /* absolute */
    int fd;             /* of the directory; meaningless while path is NULL */
    bool is_owner;
    char token[33];     /* what tells our lock from any other */
};

/* "in/flow.json" -> "flow.run" (in the current directory); "-" -> "stdin.run". Caller frees. */
char *rundir_default_path(const char *workflow_path);

/* As struct rundir has it. Caller frees. */
char *rundir_absolute_path(const char *path, struct ganger_error *err);

/* Opens the directory for a run and takes its lock. Without `resume` it must have no journal yet
 * (the message names --resume and --run-dir); with `resume` it must have one. An empty journal is
 * either. Makes what is missing, but not the directories above. A lock whose owner is dead on this
 * host is taken over with a warning; a live owner, or one on another host, is an error naming it.
 * On failure nothing is left open, and nothing that was there is changed. */
int rundir_open(struct rundir *d, const char *path, bool resume, struct ganger_error *err);

/* Would rundir_open succeed? Changes nothing: the launcher asks before it starts mpirun. */
int rundir_check(const char *path, bool resume, struct ganger_error *err);

/* Opens an existing one for reading; takes no lock. */
int rundir_open_to_read(struct rundir *d, const char *path, struct ganger_error *err);

/* The same of what people name: a run directory, or the workflow whose run is in the current directory. */
int rundir_find(struct rundir *d, const char *path, struct ganger_error *err);

/* Says in our lock which epoch it is. */
int rundir_note_epoch(const struct rundir *d, uint32_t epoch, struct ganger_error *err);

/* The user knows that whoever owns the directory is dead: removes a lock of another host or container, or one that
 * cannot be read, with a warning. Refuses, naming it, when the owner is seen to live. No lock: nothing to do. */
int rundir_break_lock(const char *path, struct ganger_error *err);

/* The batch job that owns the directory from another host, "Slurm job 12"; NULL: there is none. The caller frees it,
 * and asks whether that job has ended. */
char *rundir_foreign_job(const char *path);

/* Removes the lock of a batch job that is known to have ended, "Slurm job 12": its node may be dead. The lock of
 * any other owner stays. */
void rundir_forget_job(const char *path, const char *job);

/* Replaces run.json whole (written beside it, then renamed). */
int rundir_write_record(const struct rundir *d, const char *json, struct ganger_error *err);

/* Gives the lock back when it is ours. Takes a zeroed struct, and the same one twice. */
void rundir_close(struct rundir *d);

#endif
