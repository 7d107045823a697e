/* ganger_mpi.h: functions that want a communicator. Not built yet.
 *
 * A task of several ranks will run such a function on as many workers at once, with a communicator of theirs. This
 * version of the library refuses each of them when the program starts, with a message that says so; the declarations
 * are here so that programs can be prepared for it. */
#ifndef GANGER_GANGER_MPI_H
#define GANGER_GANGER_MPI_H

#include "ganger.h"

#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `comm` has a rank for each worker of the task; rank 0 returns the result. Valid during the call. */
typedef int ganger_mpi_function_body(struct ganger_call *call, MPI_Comm comm);

struct ganger_mpi_function
{
    const char *name; /* NULL ends the list */
    ganger_mpi_function_body *body;
};

/* Like ganger_main with such functions, too. In this version: says that they are not built yet, and returns 2, unless
 * the list is empty. */
GANGER_API int ganger_mpi_main(int argc, char **argv, const struct ganger_function *functions,
                               const struct ganger_mpi_function *mpi_functions);

#ifdef __cplusplus
}
#endif

#endif
