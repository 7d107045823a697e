#include "io/cgroup.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEXT_BYTES 4096
#define OWN_NAME "ganger" /* of the group into which who starts a run moves */

const struct cgroup_system cgroup_this_machine = {"/proc/self/cgroup", "/sys/fs/cgroup", "/proc/vmstat"};

/* ---- files of groups ---- */

/* False when it cannot be read. Ended by a NUL. */
static bool read_text(const char *folder, const char *name, char text[TEXT_BYTES])
{
    char *path = xasprintf("%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, TEXT_BYTES - 1) : -1;

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    free(path);
    return n >= 0;
}

static int write_text(const char *folder, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int status = fd >= 0 ? file_write(fd, text, strlen(text)) : -1, number = errno;

    if (fd >= 0)
        close(fd);
    free(path);
    errno = number;
    return status;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += n)
        if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0'))
            return true;
    return false;
}

static bool lists_memory(const char *folder, const char *name)
{
    char text[TEXT_BYTES];

    return read_text(folder, name, text) && has_word(text, "memory");
}

/* The number behind "NAME " at the start of a line; UINT64_MAX when there is none. */
static uint64_t find_number(const char *text, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return strtoull(line + n + 1, NULL, 10);
        if (*line == '\0')
            break;
    }
    return UINT64_MAX;
}

/* ---- where we are ---- */

/* The group of this process: of version 2 for NULL, else that of version 1 which has the controller. The caller frees
 * it; NULL: there is none. Lines are NUMBER:CONTROLLERS:PATH. */
static char *find_own(const struct cgroup_system *system, const char *controller)
{
    FILE *file = fopen(system->own, "re");
    char line[PATH_MAX], *found = NULL;

    while (file != NULL && found == NULL && fgets(line, sizeof(line), file) != NULL) {
        char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        if (controller == NULL ? controllers[1] == '\0' : strcmp(controllers + 1, controller) == 0)
            found = xasprintf("%s%s%s%s", system->root, controller != NULL ? "/" : "",
                              controller != NULL ? controller : "", strcmp(path, "/") == 0 ? "" : path);
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* systemd's mark on what it leaves to others. The first is for groups of the system, the second for a user's. */
static bool is_marked(const char *folder)
{
    char value[4];

    return (getxattr(folder, "trusted.delegate", value, sizeof(value)) == 1 && *value == '1') ||
           (getxattr(folder, "user.delegate", value, sizeof(value)) == 1 && *value == '1');
}

/* May we make groups in it, and move processes of ours from one to another? That root can write there is no sign
 * that somebody left it to us. */
static bool is_ours(const char *folder)
{
    char *procs = xasprintf("%s/cgroup.procs", folder);
    bool is = access(folder, W_OK) == 0 && access(procs, W_OK) == 0;

    free(procs);
    return is && (geteuid() != 0 || is_marked(folder));
}

static bool is_alone(const char *folder)
{
    char text[TEXT_BYTES], self[32];

    snprintf(self, sizeof(self), "%d\n", (int)getpid());
    return read_text(folder, "cgroup.procs", text) && strcmp(text, self) == 0;
}

/* ---- making groups ---- */

/* A group with processes of its own can give nothing to those below: the process goes down first. */
static void move_down(const char *own)
{
    char *below = xasprintf("%s/" OWN_NAME, own);
    bool is_made = mkdir(below, 0755) == 0;

    if ((is_made || errno == EEXIST) && write_text(below, "cgroup.procs", "0") == 0 &&
        write_text(own, "cgroup.subtree_control", "+memory") < 0)
        write_text(own, "cgroup.procs", "0"); /* as it was */
    else if (is_made)
        rmdir(below); /* fails, as it is to, when we are in it */
    free(below);
}

void cgroup_settle(const struct cgroup_system *system)
{
    char *own = find_own(system, NULL);

    if (own != NULL && strcmp(own, system->root) != 0 && is_ours(own) && lists_memory(own, "cgroup.controllers") &&
        is_alone(own))
        move_down(own);
    free(own);
}

static void forget(struct cgroup *g)
{
    if (g->path != NULL) {
        close(g->join_fd);
        rmdir(g->path);
    }
    free(g->path);
    g->path = NULL;
}

static void make(struct cgroup *g, const char *parent, const char *name)
{
    char *procs;

    g->path = xasprintf("%s/%s", parent, name);
    if (mkdir(g->path, 0755) < 0 && errno != EEXIST) {
        free(g->path);
        g->path = NULL;
        return;
    }
    procs = xasprintf("%s/cgroup.procs", g->path);
    g->join_fd = open(procs, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    free(procs);
    if (g->join_fd >= 0 && cgroup_limit_memory(g, UINT64_MAX, NULL) == 0) {
        write_text(g->path, "memory.oom.group", "1"); /* before Linux 4.19 it kills one of them */
        cgroup_has_killed(g);
    } else {
        forget(g);
    }
}

void cgroup_open(struct cgroup *g, const struct cgroup_system *system, const char *name)
{
    char *own = find_own(system, NULL), *slash = own != NULL ? strrchr(own, '/') : NULL;

    *g = (struct cgroup){.path = NULL, .join_fd = -1};
    if (slash != NULL && strlen(own) > strlen(system->root)) {
        *slash = '\0'; /* where we have been settled, the group around ours */
        if (is_ours(own) && lists_memory(own, "cgroup.subtree_control"))
            make(g, own, name);
    }
    free(own);
}

void cgroup_close(struct cgroup *g)
{
    forget(g);
}

int cgroup_limit_memory(struct cgroup *g, uint64_t bytes, struct ganger_error *err)
{
    char text[32];

    if (bytes == UINT64_MAX)
        snprintf(text, sizeof(text), "max");
    else
        snprintf(text, sizeof(text), "%" PRIu64, bytes);
    if (write_text(g->path, "memory.max", text) < 0)
        return error_set_errno(err, ERROR_SYSTEM, "%s/memory.max: cannot limit a task's memory", g->path);
    write_text(g->path, "memory.swap.max", bytes == UINT64_MAX ? "max" : "0"); /* not there: nothing is swapped */
    return 0;
}

bool cgroup_has_killed(struct cgroup *g)
{
    char text[TEXT_BYTES];
    uint64_t n = read_text(g->path, "memory.events", text) ? find_number(text, "oom_kill") : UINT64_MAX;
    bool has = n != UINT64_MAX && n > g->n_killed;

    if (n != UINT64_MAX)
        g->n_killed = n;
    return has;
}

/* ---- what the kernel has killed ---- */

static uint64_t count_in(char *folder, const char *file)
{
    char text[TEXT_BYTES];
    uint64_t n = folder != NULL && read_text(folder, file, text) ? find_number(text, "oom_kill") : UINT64_MAX;

    free(folder);
    return n;
}

/* vmstat is longer than other files, and the line may stand anywhere. */
static uint64_t count_on_machine(const char *path)
{
    FILE *file = fopen(path, "re");
    uint64_t n = UINT64_MAX;
    char line[256];

    while (file != NULL && n == UINT64_MAX && fgets(line, sizeof(line), file) != NULL)
        n = find_number(line, "oom_kill");
    if (file != NULL)
        fclose(file);
    return n;
}

uint64_t cgroup_count_kills(const struct cgroup_system *system)
{
    uint64_t n = count_in(find_own(system, "memory"), "memory.oom_control"); /* version 1 */

    if (n == UINT64_MAX)
        n = count_in(find_own(system, NULL), "memory.events");
    return n != UINT64_MAX ? n : count_on_machine(system->vmstat);
}
