#include "launch/run_record.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "io/comm.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int write_run_record(const struct rundir *dir, const char *workflow_path, const struct workflow *workflow,
                     uint32_t epoch, uint32_t n_workers, struct ganger_error *err)
{
    char host[256] = "", path[PATH_MAX], digest[17];
    char *path_text, *name;
    json_t *record;
    char *text;
    int status;

    gethostname(host, sizeof(host) - 1);
    if (realpath(workflow_path, path) == NULL)
        snprintf(path, sizeof(path), "%s", workflow_path);
    snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)workflow->digest);
    path_text = utf8_repaired(path); /* JSON takes no other bytes; the name may be the file's */
    name = utf8_repaired(workflow->name);
    record = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:i, s:f, s:s}", "format", 1, "ganger",
                       GANGER_VERSION, "workflow", path_text, "name", name, "digest", digest, "tasks",
                       (int)(workflow->graph->n_tasks - workflow->graph->n_joins), "epoch", (int)epoch,
                       "workers", (int)n_workers, "host", host, "pid", (int)getpid(), "start",
                       clock_wall_s(), "mpi", comm_mpi_library());
    text = record != NULL ? json_dumps(record, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(record);
    free(path_text);
    free(name);
    if (text == NULL)
        return error_set(err, ERROR_SYSTEM, "%s: the record of the run cannot be written as JSON", dir->path);
    status = rundir_write_record(dir, text, err);
    free(text);
    return status;
}
