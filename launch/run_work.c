#include "launch/run_parts.h"

#include "base/log.h"
#include "io/binding.h"
#include "launch/layout.h"

int run_work(const struct run_options *options, struct comm *comm, int signal_fd)
{
    struct ganger_error err = {0};
    struct binding *binding = binding_open(&err);
    struct worker_options worker = {.comm = comm,
                                    .binding = binding,
                                    .signal_fd = signal_fd,
                                    .memory_rule = run_memory_rule(options),
                                    .max_output_bytes = options->max_output_bytes,
                                    .gpus_per_node = options->gpus_per_node,
                                    .registry = &options->program->registry,
                                    .helper = options->helper,
                                    .runs_in_place = run_is_on(options, "none")};
    int status = -1;

    if (binding != NULL)
        binding_limit_memory(binding, layout_memory_bytes());
    if (binding != NULL && binding_bind(binding, comm_slot(comm, comm->rank), &err) < 0) {
        log_warning("worker %u: %s", comm->rank, err.text); /* slower, not wrong */
        err.cause = ERROR_NONE;
    }
    if (binding != NULL)
        status = worker_run(&worker, &err);
    if (status < 0)
        log_error("%s", err.text);
    binding_close(binding);
    return error_exit_status(&err);
}
