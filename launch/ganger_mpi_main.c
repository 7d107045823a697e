#include "ganger_mpi.h"

#include "base/log.h"

int ganger_mpi_main(int argc, char **argv, const struct ganger_function *functions,
                    const struct ganger_mpi_function *mpi_functions)
{
    if (mpi_functions == NULL || mpi_functions->name == NULL)
        return ganger_main(argc, argv, functions);
    log_error("the function \"%s\" wants a communicator: functions over several ranks are not built yet in this "
              "version of ganger; a command may start mpirun itself", mpi_functions->name);
    return 2;
}
