# Task Bench's graphs as functions of ganger: over MPI, in threads, in one thread.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/lib-taskbench.sh"
need_taskbench ganger

# bench N WORD...: N trials, which are one workflow.
bench() {
    local n=$1
    shift
    rm -rf bench.run
    # shellcheck disable=SC2086
    trials "$n" "$tools/taskbench-ganger" run --run-dir bench.run --quiet $options -- "$@"
}

for options in "-n 3" "-n 3 --backend thread" "--backend none"; do
    bench 20 --pattern all --width 5 --graphs 1,3 --steps 20
    bench 20 --pattern all --width 5 --graphs 1,3 --steps 5 --bytes 4096
    bench 20 --pattern all --width 5 --graphs 1,3 --steps 5 --bytes 65536
    bench 10 --pattern all --width 1 --steps 7 --kernel memory --iterations 1
    rm -rf bench.run
    # shellcheck disable=SC2086
    notices "$tools/taskbench-ganger" run --run-dir bench.run --quiet $options --
done

# Two megabytes for each task, to more workers than there are cores: more than MPI takes in hand at once.
options="-n 8"
bench 1 --pattern all_to_all --width 30 --graphs 3 --steps 5 --bytes 65536

options="-n 2"
rm -rf bench.run
timeout -s KILL "$limit" "$tools/taskbench-ganger" run --run-dir bench.run -n 2 -- --bytes 131072 --steps 2 >out 2>err &&
    fail "results of 128 KiB are taken"
says err "65536"
