# Task Bench's graphs as tasks of OpenMP.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/lib-taskbench.sh"
need_taskbench openmp

export OMP_WAIT_POLICY=passive # the threads are more than the cores
all_trials "$tools/taskbench-openmp" --workers 3
notices "$tools/taskbench-openmp" --workers 3

# One thread makes all tasks before it runs most of them: thirty times as many must not take a thousand times as long
# (a few hundredths of a second instead of half a minute).
limit=20
trials 1 "$tools/taskbench-openmp" --workers 1 --width 2 --steps 30000
