# Sourced by the tests of bench/taskbench, after lib.sh. Every implementation verifies all bytes that its tasks read.

tools=$(cd "$(dirname "$GANGER")/../bench" 2>/dev/null && pwd)
mpi="${MPIEXEC:-mpirun} --oversubscribe --bind-to none"
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=vader,tcp,self

# need_taskbench NAME: or the test counts as not run, which ctest says.
need_taskbench() {
    [ -x "$tools/taskbench-$1" ] && return
    echo "NOT RUN: taskbench-$1 was not built (GANGER_BENCH=OFF, or what it needs is missing: ./bootstrap test)" >&2
    exit 77
}

# trials N WORD...: the command runs N trials, each of which says that all tasks ran.
trials() {
    local wanted=$1 status=0
    shift
    timeout -s KILL "$limit" "$@" >out 2>err </dev/null || status=$?
    [ $status = 0 ] || fail "$*: exit status $status"
    [ "$(grep -c ' tasks [1-9][0-9]* elapsed ' out)" = "$wanted" ] || fail "$*: not $wanted trials"
}

# Every pattern, size and number of graphs; long chains of small outputs; widths that are no power of two, smaller
# than the number of workers, one.
all_trials() {
    trials 60 "$@" --pattern all --width 5 --steps 5 --bytes 16,4096,65536 --graphs 1,3
    trials 20 "$@" --pattern all --width 8 --steps 40 --graphs 1,3 --kernel compute --iterations 10
    trials 10 "$@" --pattern all --width 1 --steps 7
    trials 10 "$@" --pattern all --width 2 --steps 1 --kernel memory --iterations 1
    trials 3 "$@" --pattern nearest,spread,random_nearest --radix 9 --width 11 --steps 6
}

# A byte that is wrong must be noticed.
notices() {
    local status=0
    timeout -s KILL "$limit" "$@" --spoil --width 3 --steps 6 --bytes 4096 --graphs 2 >out 2>err </dev/null || status=$?
    [ $status -ne 0 ] && [ $status -lt 124 ] || fail "$*: a wrong byte ends with status $status"
    says err "stencil_1d, graph 1, step 4, column"
    says err "is wrong: bytes 4080 to 4095 of 4096 are graph 1, step 3, column 0, place 16777471 instead of"
}
