# Task Bench's graphs as tasks of StarPU.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/lib-taskbench.sh"
need_taskbench starpu

all_trials "$tools/taskbench-starpu" --workers 2
notices "$tools/taskbench-starpu" --workers 2
