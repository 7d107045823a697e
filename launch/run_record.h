/* run_record: run.json, which says what was asked of a run and where it ran. */
#ifndef GANGER_LAUNCH_RUN_RECORD_H
#define GANGER_LAUNCH_RUN_RECORD_H

#include "base/error.h"
#include "io/rundir.h"
#include "io/workflow.h"

#include <stdint.h>

int write_run_record(const struct rundir *dir, const char *workflow_path, const struct workflow *workflow,
                     uint32_t epoch, uint32_t n_workers, struct ganger_error *err);

#endif
