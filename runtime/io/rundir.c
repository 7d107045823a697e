#include "io/rundir.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_NAME "journal.jsonl"
#define OUTPUT_NAME "output"
#define RECORD_NAME "run.json"
#define LOCK_NAME "lock"
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
    const char *pbs = getenv("PBS_JOBID");

    text[0] = '\0';
    if (slurm != NULL)
        snprintf(text, size, "Slurm job %s%s%s", slurm, restart != NULL ? JOB_RESTART : "",
                 restart != NULL ? restart : "");
    else if (pbs != NULL)
        snprintf(text, size, "PBS job %s", pbs);
}

static int draw_token(char token[33], struct ganger_error *err)
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_set_errno(err, ERROR_SYSTEM, "cannot draw random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return 0;
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
    char since[64];

    format_time(owner->wall_s, since, sizeof(since));
    if (state == LOCK_HELD)
        return error_set(err, ERROR_USAGE,
                         "%s: another run uses this directory: process %" PRId64
                         " on this host (%s), since %s; wait for it, end it, or give another "
                         "--run-dir",
                         path, owner->pid, owner->host, since);
    if (state == LOCK_FOREIGN)
        return error_set(err, ERROR_USAGE,
                         "%s: another run uses this directory: process %" PRId64
                         " on host %s%s%s, since %s; if it is known to be dead, remove %s/%s",
                         path, owner->pid, owner->host, owner->job[0] != '\0' ? ", " : "",
                         owner->job, since, path, LOCK_NAME);
    return error_set(err, ERROR_USAGE,
                     "%s: the lock of this directory cannot be read; if no other run uses it, "
                     "remove %s/%s",
                     path, path, LOCK_NAME);
}

/* --- taking and giving back --- */

static int write_new_file(int dir_fd, const char *name, const char *text, struct ganger_error *err)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status;

    if (fd < 0)
        return error_set_errno(err, ERROR_SYSTEM, "cannot make the file %s", name);
    status = file_write(fd, text, strlen(text)) != 0 || fsync(fd) != 0 ? -1 : 0;
    if (status != 0) {
        error_set_errno(err, ERROR_SYSTEM, "cannot write the file %s", name);
        unlinkat(dir_fd, name, 0);
    }
    close(fd);
    return status;
}

/* NULL when a name in it is not valid UTF-8. The caller frees it. */
static char *lock_text(const char *token)
{
    struct lock_owner self = {.pid = 0};
    json_t *object;
    char *text;

    describe_self(&self);
    object = json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:f}",
                       "host", self.host,
                       "boot_id", self.boot_id,
                       "pid_space", self.pid_space,
                       "pid", (json_int_t)self.pid,
                       "process_start", (json_int_t)self.process_start,
                       "job", self.job,
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
    if (write_new_file(d->fd, new_name, text, err) != 0)
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

static bool lock_is_ours(const struct rundir *d)
{
    struct lock_owner owner;

    read_lock(d->fd, LOCK_NAME, &owner);
    return strcmp(owner.token, d->token) == 0;
}

static int take_lock(struct rundir *d, struct ganger_error *err)
{
    char *text;

    if (draw_token(d->token, err) != 0)
        return -1;
    text = lock_text(d->token);
    if (text == NULL)
        return error_set(err, ERROR_SYSTEM, "%s: the host's name is not valid UTF-8", d->path);
    d->is_owner = publish_or_replace(d, text, err) == 0;
    free(text);
    return d->is_owner ? 0 : -1;
}

/* A second guard among the processes of one host; file systems that have no flock do without. */
static int guard_directory(const struct rundir *d, struct ganger_error *err)
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

/* --- paths --- */

char *rundir_default_path(const char *workflow_path)
{
    const char *slash = strrchr(workflow_path, '/');
    const char *base = slash != NULL ? slash + 1 : workflow_path;
    const char *dot = strrchr(base, '.');
    size_t n = dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base);

    if (strcmp(workflow_path, "-") == 0)
        return xstrdup("stdin.run");
    if (strcmp(base + n, ".run") == 0) /* the document itself has that name */
        n = strlen(base);
    return xasprintf("%.*s.run", (int)n, base);
}

/* Not realpath: what an automounter shows as the real path is no path on other hosts. */
static char *absolute_path(const char *path, struct ganger_error *err)
{
    size_t n = strlen(path);
    char *cwd, *result;

    while (n > 1 && path[n - 1] == '/') /* a link is no link with a slash behind it */
        n--;
    if (n == 0) {
        error_set(err, ERROR_USAGE, "the path of the run directory is empty");
        return NULL;
    }
    if (path[0] == '/')
        return xstrndup(path, n);
    cwd = getcwd(NULL, 0);
    if (cwd == NULL) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot tell the current directory", path);
        return NULL;
    }
    result = xasprintf("%s/%.*s", cwd, (int)n, path);
    free(cwd);
    return result;
}

static int set_paths(struct rundir *d, const char *path, struct ganger_error *err)
{
    *d = (struct rundir){.fd = -1};
    d->path = absolute_path(path, err);
    if (d->path == NULL)
        return -1;
    d->journal_path = xasprintf("%s/%s", d->path, JOURNAL_NAME);
    d->output_path = xasprintf("%s/%s", d->path, OUTPUT_NAME);
    return 0;
}

static int open_directory(struct rundir *d, struct ganger_error *err)
{
    struct stat status;

    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd >= 0)
        return 0;
    if (errno == ENOTDIR && lstat(d->path, &status) == 0 && S_ISLNK(status.st_mode))
        return error_set(err, ERROR_USAGE,
                         "%s: is a symbolic link; give the directory itself as --run-dir", d->path);
    return error_set_errno(err, ERROR_USAGE, "%s: cannot open the run directory", d->path);
}

/* --- the contract of `resume` --- */

static int check_journal(const struct rundir *d, bool resume, struct ganger_error *err)
{
    struct stat status;
    bool is_there = fstatat(d->fd, JOURNAL_NAME, &status, AT_SYMLINK_NOFOLLOW) == 0;

    if (is_there && !S_ISREG(status.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is not a regular file: give another --run-dir",
                         d->journal_path);
    if (resume && !is_there)
        return error_set(err, ERROR_USAGE,
                         "%s: there is no run to resume in this directory; start one without "
                         "--resume",
                         d->path);
    if (!resume && is_there && status.st_size > 0)
        return error_set(err, ERROR_USAGE,
                         "%s: this directory holds a run already; --resume continues it, "
                         "--run-dir DIR puts the new run elsewhere",
                         d->path);
    return 0;
}

static int check_owner(const struct rundir *d, struct ganger_error *err)
{
    struct lock_owner owner;
    enum lock_state state = read_lock(d->fd, LOCK_NAME, &owner);

    if (state == LOCK_FREE || state == LOCK_STALE)
        return 0;
    return refuse_owned(d->path, state, &owner, err);
}

static int check_output(const struct rundir *d, struct ganger_error *err)
{
    struct stat status;

    if (fstatat(d->fd, OUTPUT_NAME, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0
                               : error_set_errno(err, ERROR_SYSTEM, "%s: cannot be looked at",
                                                 d->output_path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERROR_USAGE, "%s: is not a directory: give another --run-dir",
                         d->output_path);
    return 0;
}

static int check_all(const struct rundir *d, bool resume, struct ganger_error *err)
{
    if (check_owner(d, err) != 0 || check_journal(d, resume, err) != 0)
        return -1;
    return check_output(d, err);
}

/* Is it missing, and could it be made? 1: missing, 0: there, -1: missing and cannot be made. */
static int check_missing(const struct rundir *d, bool resume, struct ganger_error *err)
{
    struct stat status;
    char *parent;
    int ok;

    if (lstat(d->path, &status) == 0 || errno != ENOENT)
        return 0;
    if (resume)
        return error_set(err, ERROR_USAGE,
                         "%s: there is no run to resume: the directory is missing; start the run "
                         "without --resume",
                         d->path);
    parent = xstrndup(d->path, (size_t)(strrchr(d->path, '/') - d->path + 1));
    ok = access(parent, W_OK | X_OK);
    if (ok != 0)
        error_set_errno(err, ERROR_USAGE, "%s: cannot make a directory in %s", d->path, parent);
    free(parent);
    return ok == 0 ? 1 : -1;
}

static int make_directory(const struct rundir *d, bool resume, bool *is_made,
                          struct ganger_error *err)
{
    *is_made = false;
    switch (check_missing(d, resume, err)) {
    case 0: return 0;
    case 1: break;
    default: return -1;
    }
    if (mkdir(d->path, 0700) == 0)
        *is_made = true;
    else if (errno != EEXIST)
        return error_set_errno(err, ERROR_USAGE, "%s: cannot make the run directory", d->path);
    return 0;
}

static int make_output(const struct rundir *d, struct ganger_error *err)
{
    if (mkdirat(d->fd, OUTPUT_NAME, 0700) == 0 || errno == EEXIST)
        return check_output(d, err);
    return error_set_errno(err, ERROR_SYSTEM, "%s: cannot make the directory", d->output_path);
}

static int own_directory(struct rundir *d, bool resume, struct ganger_error *err)
{
    if (guard_directory(d, err) != 0 || check_all(d, resume, err) != 0)
        return -1;
    if (take_lock(d, err) != 0)
        return -1;
    /* Once more: a short run may have come and gone between the look and the lock. */
    if (check_journal(d, resume, err) != 0)
        return -1;
    return make_output(d, err);
}

int rundir_open(struct rundir *d, const char *path, bool resume, struct ganger_error *err)
{
    bool is_made = false;

    if (set_paths(d, path, err) == 0 && make_directory(d, resume, &is_made, err) == 0 &&
        open_directory(d, err) == 0 && own_directory(d, resume, err) == 0)
        return 0;
    if (d->is_owner && lock_is_ours(d))
        unlinkat(d->fd, LOCK_NAME, 0);
    d->is_owner = false;
    if (is_made)
        rmdir(d->path);
    rundir_close(d);
    return -1;
}

int rundir_check(const char *path, bool resume, struct ganger_error *err)
{
    struct rundir d;
    int status = set_paths(&d, path, err);

    if (status == 0)
        status = check_missing(&d, resume, err);
    if (status == 0)
        status = open_directory(&d, err) == 0 ? check_all(&d, resume, err) : -1;
    rundir_close(&d);
    return status < 0 ? -1 : 0;
}

int rundir_open_to_read(struct rundir *d, const char *path, struct ganger_error *err)
{
    if (set_paths(d, path, err) == 0 && open_directory(d, err) == 0)
        return 0;
    rundir_close(d);
    return -1;
}

int rundir_find(struct rundir *d, const char *path, struct ganger_error *err)
{
    struct stat file;
    char *run_path;
    int status;

    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return rundir_open_to_read(d, path, err);
    run_path = rundir_default_path(path);
    status = rundir_open_to_read(d, run_path, err);
    free(run_path);
    return status == 0 ? 0 : error_prefix(err, "%s: no run of this workflow here: ", path);
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

int rundir_write_record(const struct rundir *d, const char *json, struct ganger_error *err)
{
    char token[33];
    char new_name[64];

    if (draw_token(token, err) != 0)
        return -1;
    snprintf(new_name, sizeof(new_name), "%s.new.%s", RECORD_NAME, token);
    if (write_new_file(d->fd, new_name, json, err) != 0)
        return error_prefix(err, "%s: ", d->path);
    if (renameat(d->fd, new_name, d->fd, RECORD_NAME) != 0) {
        error_set_errno(err, ERROR_SYSTEM, "%s: cannot replace %s", d->path, RECORD_NAME);
        unlinkat(d->fd, new_name, 0);
        return -1;
    }
    return 0;
}

void rundir_close(struct rundir *d)
{
    if (d->path == NULL)
        return;
    if (d->is_owner && lock_is_ours(d))
        unlinkat(d->fd, LOCK_NAME, 0);
    if (d->fd >= 0)
        close(d->fd);
    free(d->path);
    free(d->journal_path);
    free(d->output_path);
    *d = (struct rundir){.fd = -1};
}
