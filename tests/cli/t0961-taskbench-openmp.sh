# Task Bench's graphs as tasks of OpenMP.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/lib-taskbench.sh"
need_taskbench openmp

export OMP_WAIT_POLICY=passive # the threads are more than the cores
all_trials "$tools/taskbench-openmp" --workers 3
notices "$tools/taskbench-openmp" --workers 3
