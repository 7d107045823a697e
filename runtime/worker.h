/* worker: the loop of every rank but 0.
 *
 * Says HELLO, is told WELCOME, and from then on runs what it is sent: waits for its inputs, starts the command,
 * keeps what it writes, ends it at its timeout, tells how it ended. One task at a time, and one sent in advance;
 * the other cores of a wide task are lent by workers that stay idle. It knows nothing of the graph: a node's
 * setup and teardown are tasks like any other.
 *
 * Tasks that are functions come in batches, and run one after the other: at once when they are known to be short, on a
 * thread beside (io/runner.h) when not, or in a process of their own. */
#ifndef GANGER_WORKER_H
#define GANGER_WORKER_H

#include "base/error.h"
#include "io/binding.h"
#include "core/registry.h"
#include "io/comm.h"

/* Of tasks that state their memory; a tenth more is let pass. */
enum memory_rule
{
    MEMORY_ENFORCE, /* by a control group where that may be made, else as below */
    MEMORY_WATCH,   /* looked at now and then, and killed when it is seen to hold more */
    MEMORY_OFF,
};

struct worker_options
{
    struct comm *comm;       /* borrowed */
    struct binding *binding; /* borrowed; NULL: nothing is bound (workers that are threads) */
    int signal_fd;           /* a signalfd: INT, TERM, HUP end this process; CONT after a stop; -1: none */
    enum memory_rule memory_rule;
    uint64_t max_output_bytes; /* that a task may write into the run directory; 0: as much as it likes */
    uint32_t gpus_per_node;  /* this node's GPUs are "0" and so on; 0: those that `binding` finds */
    const struct registry *registry; /* of functions; borrowed; NULL: none */
    char *const *helper;     /* words that start this program to run one function by itself, ended by NULL: see call.h;
                                borrowed; NULL: it cannot be */
    bool runs_in_place;      /* functions run on the thread of worker_run, whatever they take */
};

/* Returns 0 after STOP, when nothing runs any more; -1 when the manager is gone or a message makes no
 * sense. Either way no process that it started is left. */
int worker_run(const struct worker_options *options, struct ganger_error *err);

#endif
