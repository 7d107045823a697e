#include "io/rundir_parts.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TAKEOVER_NAME "lock.takeover"
#define LOCK_FILE_BYTES 4096 /* more is no lock file of ours */
#define JOB_RESTART ", restart " /* what follows the number of a job that was requeued */
#define LOCK_TRIES 8         /* as often may others come and go while we try */

/* --- who owns a run directory --- */

struct lock_owner
{
    char host[256];
    char boot_id[64];
    char pid_space[64]; /* of /proc/self/ns/pid: pids of another container mean nothing here */
    char job[128];      /* the batch system's name for it; "" outside of one */
    char token[33];
    int64_t pid;
    int64_t process_start; /* clock ticks since boot: a pid that was given out again differs here */
    int64_t epoch; /* 0: it had not begun */
    double wall_s;
};

enum lock_state
{
    LOCK_FREE,
    LOCK_STALE,   /* its owner was on this host and is dead */
    LOCK_HELD,    /* its owner lives on this host */
    LOCK_FOREIGN, /* another host or container: its life cannot be seen from here */
    LOCK_UNREADABLE,
};

/* Field 22 of /proc/PID/stat; -1 when the process is gone or only waits to be reaped. */
static int64_t process_start(int64_t pid)
{
    char path[64], text[1024];
    char *after_name;
    char state;
    int64_t start;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    after_name = strrchr(text, ')'); /* the name may hold spaces and brackets */
    if (after_name == NULL ||
        sscanf(after_name + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
               "%" SCNd64,
               &state, &start) != 2 ||
        state == 'Z' || state == 'X')
        return -1;
    return start;
}

static void read_first_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");

    text[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(text, (int)size, file) != NULL)
        text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

static void name_job(char *text, size_t size)
{
    const char *slurm = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
    const char *pbs = getenv("PBS_JOBID"), *pbs_restart = getenv("GANGER_PBS_RESTARTS"); /* see backends/pbs_job.c */

    text[0] = '\0';
    if (slurm != NULL)
        snprintf(text, size, "Slurm job %s%s%s", slurm, restart != NULL ? JOB_RESTART : "",
                 restart != NULL ? restart : "");
    else if (pbs != NULL)
        snprintf(text, size, "PBS job %s%s%s", pbs, pbs_restart != NULL ? JOB_RESTART : "",
                 pbs_restart != NULL ? pbs_restart : "");
}

static void describe_self(struct lock_owner *self)
{
    ssize_t n = readlink("/proc/self/ns/pid", self->pid_space, sizeof(self->pid_space) - 1);

    self->pid_space[n > 0 ? n : 0] = '\0';
    if (gethostname(self->host, sizeof(self->host)) != 0)
        self->host[0] = '\0';
    self->host[sizeof(self->host) - 1] = '\0';
    read_first_line("/proc/sys/kernel/random/boot_id", self->boot_id, sizeof(self->boot_id));
    name_job(self->job, sizeof(self->job));
    self->pid = getpid();
    self->process_start = process_start(self->pid);
    self->wall_s = clock_wall_s();
}

static bool is_alive(const struct lock_owner *owner)
{
    int64_t start;

    if (kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH)
        return false;
    start = process_start(owner->pid);
    if (start < 0) /* a zombie; or hidden from us (hidepid), and then not to be signalled either */
        return kill((pid_t)owner->pid, 0) != 0 && errno == EPERM;
    return start == owner->process_start;
}

static bool copy_member(const json_t *object, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));

    if (value == NULL || strlen(value) >= size)
        return false;
    memcpy(text, value, strlen(value) + 1);
    return true;
}

static bool parse_owner(const char *bytes, size_t n_bytes, struct lock_owner *owner)
{
    json_t *object = json_loadb(bytes, n_bytes, 0, NULL);
    const json_t *pid = json_object_get(object, "pid");
    const json_t *start = json_object_get(object, "process_start");
    bool ok = json_is_integer(pid) && json_is_integer(start) &&
              copy_member(object, "host", owner->host, sizeof(owner->host)) &&
              copy_member(object, "boot_id", owner->boot_id, sizeof(owner->boot_id)) &&
              copy_member(object, "pid_space", owner->pid_space, sizeof(owner->pid_space)) &&
              copy_member(object, "job", owner->job, sizeof(owner->job)) &&
              copy_member(object, "token", owner->token, sizeof(owner->token));

    owner->pid = json_integer_value(pid);
    owner->process_start = json_integer_value(start);
    owner->epoch = json_integer_value(json_object_get(object, "epoch"));
    owner->wall_s = json_number_value(json_object_get(object, "wall_s"));
    json_decref(object);
    return ok && owner->pid > 0 && owner->pid <= INT32_MAX;
}

/* A batch system starts a job again only when nothing of it is alive any more. */
static bool is_earlier_start(const struct lock_owner *owner, const struct lock_owner *self)
{
    size_t n_owner = strcspn(owner->job, ","), n_self = strcspn(self->job, ",");
    const char *restart = strstr(self->job, JOB_RESTART), *theirs = strstr(owner->job, JOB_RESTART);

    if (restart == NULL || n_owner == 0 || n_owner != n_self || strncmp(owner->job, self->job, n_self) != 0)
        return false;
    return strtoul(restart + strlen(JOB_RESTART), NULL, 10) >
           (theirs != NULL ? strtoul(theirs + strlen(JOB_RESTART), NULL, 10) : 0);
}

static enum lock_state judge_owner(const struct lock_owner *owner)
{
    struct lock_owner self = {.pid = 0};

    describe_self(&self);
    if (is_earlier_start(owner, &self))
        return LOCK_STALE;
    if (strcmp(owner->host, self.host) != 0)
        return LOCK_FOREIGN;
    if (strcmp(owner->boot_id, self.boot_id) != 0)
        return LOCK_STALE;
    if (strcmp(owner->pid_space, self.pid_space) != 0)
        return LOCK_FOREIGN;
    return is_alive(owner) ? LOCK_HELD : LOCK_STALE;
}

static enum lock_state read_lock(int dir_fd, const char *name, struct lock_owner *owner)
{
    char bytes[LOCK_FILE_BYTES];
    ssize_t n;
    int fd;

    memset(owner, 0, sizeof(*owner));
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? LOCK_FREE : LOCK_UNREADABLE;
    n = file_read_at(fd, bytes, sizeof(bytes), 0);
    close(fd);
    if (n <= 0 || !parse_owner(bytes, (size_t)n, owner))
        return LOCK_UNREADABLE;
    return judge_owner(owner);
}

static void format_time(double wall_s, char *text, size_t size)
{
    time_t t = (time_t)wall_s;
    struct tm parts;

    if (localtime_r(&t, &parts) == NULL || strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(text, size, "an unknown time");
}

static int refuse_owned(const char *path, enum lock_state state, const struct lock_owner *owner,
                        struct ganger_error *err)
{
    char since[64], epoch[32] = "";

    format_time(owner->wall_s, since, sizeof(since));
    if (owner->epoch > 0)
        snprintf(epoch, sizeof(epoch), ", epoch %" PRId64, owner->epoch);
    if (state == LOCK_HELD)
        return error_set(err, ERROR_USAGE,
                         "%s: another run uses this directory: process %" PRId64
                         " on this host (%s%s), since %s; wait for it, end it, or give another "
                         "--run-dir",
                         path, owner->pid, owner->host, epoch, since);
    if (state == LOCK_FOREIGN)
        return error_set(err, ERROR_USAGE,
                         "%s: another run uses this directory: process %" PRId64
                         " on host %s%s%s%s, since %s, and whether it lives cannot be seen from here; if you know that "
                         "it is dead, `ganger run … --break-lock`, or remove %s/%s",
                         path, owner->pid, owner->host, owner->job[0] != '\0' ? ", " : "",
                         owner->job, epoch, since, path, LOCK_NAME);
    return error_set(err, ERROR_USAGE,
                     "%s: the lock of this directory cannot be read; if you know that no other run uses it, "
                     "`ganger run … --break-lock`, or remove %s/%s",
                     path, path, LOCK_NAME);
}

/* --- taking and giving back --- */

/* NULL when a name in it is not valid UTF-8. The caller frees it. */
static char *lock_text(const char *token, uint32_t epoch)
{
    struct lock_owner self = {.pid = 0};
    json_t *object;
    char *text;

    describe_self(&self);
    object = json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:I,s:s,s:f}",
                       "host", self.host,
                       "boot_id", self.boot_id,
                       "pid_space", self.pid_space,
                       "pid", (json_int_t)self.pid,
                       "process_start", (json_int_t)self.process_start,
                       "job", self.job,
                       "epoch", (json_int_t)epoch,
                       "token", token,
                       "wall_s", self.wall_s);
    text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

/* Makes the file `name` appear whole. 0: done; 1: something is there already; -1: error. */
static int publish(const struct rundir *d, const char *name, const char *text,
                   struct ganger_error *err)
{
    char new_name[64];
    struct stat file;
    int status, number;

    snprintf(new_name, sizeof(new_name), "%s.new.%s", name, d->token);
    if (rundir_write_new(d->fd, new_name, text, err) != 0)
        return error_prefix(err, "%s: ", d->path);
    status = linkat(d->fd, new_name, d->fd, name, 0);
    number = errno;
    if (status != 0 && (number == EPERM || number == EOPNOTSUPP || number == ENOSYS)) {
        status = renameat2(d->fd, new_name, d->fd, name, RENAME_NOREPLACE); /* no hard links here */
        number = errno;
    } else if (status != 0 && fstatat(d->fd, new_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
               file.st_nlink == 2) {
        status = 0; /* NFS did it and lost the answer */
    }
    unlinkat(d->fd, new_name, 0);
    if (status == 0 || number == EEXIST)
        return status != 0;
    errno = number;
    return error_set_errno(err, ERROR_SYSTEM, "%s: cannot make the file %s", d->path, name);
}

/* Replaces a stale lock. Only who holds the second lock may, so that of two that judged the same
 * lock stale the slower does not replace the quicker one's. 0: done; 1: look again; -1: error. */
static int replace_stale(const struct rundir *d, const char *text, struct ganger_error *err)
{
    struct lock_owner owner;
    int status = publish(d, TAKEOVER_NAME, text, err);

    if (status > 0 && read_lock(d->fd, TAKEOVER_NAME, &owner) == LOCK_STALE)
        unlinkat(d->fd, TAKEOVER_NAME, 0);
    if (status != 0)
        return status;
    if (read_lock(d->fd, LOCK_NAME, &owner) == LOCK_STALE &&
        renameat(d->fd, TAKEOVER_NAME, d->fd, LOCK_NAME) == 0) {
        log_warning("%s: the run that used this directory (process %" PRId64
                    ") is dead: its lock is taken over",
                    d->path, owner.pid);
        return 0;
    }
    unlinkat(d->fd, TAKEOVER_NAME, 0);
    return 1;
}

static int publish_or_replace(const struct rundir *d, const char *text, struct ganger_error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        struct lock_owner owner;
        enum lock_state state;
        int status = publish(d, LOCK_NAME, text, err);

        if (status <= 0)
            return status;
        state = read_lock(d->fd, LOCK_NAME, &owner);
        if (state == LOCK_HELD || state == LOCK_FOREIGN || state == LOCK_UNREADABLE)
            return refuse_owned(d->path, state, &owner, err);
        if (state == LOCK_STALE)
            status = replace_stale(d, text, err);
        if (status <= 0)
            return status;
    }
    return error_set(err, ERROR_USAGE, "%s: other runs are just taking this directory", d->path);
}

bool rundir_holds_lock(const struct rundir *d)
{
    struct lock_owner owner;

    read_lock(d->fd, LOCK_NAME, &owner);
    return strcmp(owner.token, d->token) == 0;
}

int rundir_take_lock(struct rundir *d, struct ganger_error *err)
{
    char *text;

    if (rundir_draw_token(d->token, err) != 0)
        return -1;
    text = lock_text(d->token, 0);
    if (text == NULL)
        return error_set(err, ERROR_SYSTEM, "%s: the host's name is not valid UTF-8", d->path);
    d->is_owner = publish_or_replace(d, text, err) == 0;
    free(text);
    return d->is_owner ? 0 : -1;
}

/* A second guard among the processes of one host; file systems that have no flock do without. */
int rundir_guard(const struct rundir *d, struct ganger_error *err)
{
    struct lock_owner owner;
    enum lock_state state;

    if (flock(d->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 0;
    state = read_lock(d->fd, LOCK_NAME, &owner);
    if (state == LOCK_HELD || state == LOCK_FOREIGN)
        return refuse_owned(d->path, state, &owner, err);
    return error_set(err, ERROR_USAGE,
                     "%s: another run on this host is just opening this directory", d->path);
}

int rundir_check_owner(const struct rundir *d, struct ganger_error *err)
{
    struct lock_owner owner;
    enum lock_state state = read_lock(d->fd, LOCK_NAME, &owner);

    if (state == LOCK_FREE || state == LOCK_STALE)
        return 0;
    return refuse_owned(d->path, state, &owner, err);
}

/* Ours is replaced by one that says more: a reader finds the one or the other. */
int rundir_note_epoch(const struct rundir *d, uint32_t epoch, struct ganger_error *err)
{
    char *text = lock_text(d->token, epoch), new_name[64];
    int status;

    snprintf(new_name, sizeof(new_name), "%s.new.%s", LOCK_NAME, d->token);
    status = text != NULL ? rundir_write_new(d->fd, new_name, text, err) : 0;
    if (status < 0)
        error_prefix(err, "%s: ", d->path);
    else if (text != NULL && !rundir_holds_lock(d))
        status = error_set(err, ERROR_SYSTEM, "%s: somebody took the lock of this directory from us", d->path);
    else if (text != NULL && renameat(d->fd, new_name, d->fd, LOCK_NAME) < 0)
        status = error_set_errno(err, ERROR_SYSTEM, "%s: cannot replace the file %s", d->path, LOCK_NAME);
    if (status < 0)
        unlinkat(d->fd, new_name, 0);
    free(text);
    return status;
}

/* --- of owners that are known to be dead --- */

/* What cannot be seen from here is taken away, what is seen to live is not. */
int rundir_break_lock(const char *path, struct ganger_error *err)
{
    struct rundir d;
    struct lock_owner owner;
    enum lock_state state;
    int status = 0;

    if (rundir_open_to_read(&d, path, NULL) < 0)
        return 0; /* there is none to break, and who opens it next has the words for that */
    state = read_lock(d.fd, LOCK_NAME, &owner);
    if (state == LOCK_HELD)
        status = refuse_owned(d.path, state, &owner, err);
    else if ((state == LOCK_FOREIGN || state == LOCK_UNREADABLE) && unlinkat(d.fd, LOCK_NAME, 0) < 0)
        status = error_set_errno(err, ERROR_USAGE, "%s/%s: cannot be removed", d.path, LOCK_NAME);
    else if (state == LOCK_FOREIGN)
        log_warning("%s: the lock of process %" PRId64 " on host %s is broken, as you said that it is dead", d.path,
                    owner.pid, owner.host);
    else if (state == LOCK_UNREADABLE)
        log_warning("%s: a lock that cannot be read is removed, as you said that no run uses the directory", d.path);
    rundir_close(&d);
    return status;
}

char *rundir_foreign_job(const char *path)
{
    struct lock_owner owner;
    char *job = NULL;
    struct rundir d;

    if (rundir_open_to_read(&d, path, NULL) < 0)
        return NULL;
    if (read_lock(d.fd, LOCK_NAME, &owner) == LOCK_FOREIGN && owner.job[0] != '\0')
        job = xstrndup(owner.job, strcspn(owner.job, ","));
    rundir_close(&d);
    return job;
}

void rundir_forget_job(const char *path, const char *job)
{
    struct lock_owner owner;
    struct rundir d;

    if (rundir_open_to_read(&d, path, NULL) < 0)
        return;
    if (read_lock(d.fd, LOCK_NAME, &owner) == LOCK_FOREIGN && strlen(job) == strcspn(owner.job, ",") &&
        strncmp(owner.job, job, strlen(job)) == 0)
        unlinkat(d.fd, LOCK_NAME, 0);
    rundir_close(&d);
}
