#!/usr/bin/env bash
# METG(50 %) of ganger beside others, in the same run: for each of N rounds the peak of the machine, then for each
# implementation the same graph with ever shorter tasks, until less than half of the peak is reached. Prints a table.
#
#   metg.sh [-n ROUNDS] [-i LIST] [-p LIST] [-c LIST] [-b BYTES] [-g GRAPHS] [-s SECONDS] [-k FILE] [-B FOLDER]
#
#   -n ROUNDS    complete curves of each; medians and ratios are over rounds (default: 5)
#   -i LIST      what to measure: NAME or NAME:WORKERS, separated by commas; the first is what ratios refer to. Names are
#                mpi_p2p, mpi_bulk, openmp, starpu, serial, ganger (over MPI), ganger_thread, ganger_none (its other
#                backends). Default: all that were built, with a worker on each core; ganger also with one fewer, since
#                its manager has a core of its own then
#   -p LIST      patterns (stencil_1d)
#   -c LIST      columns per worker (1,16: one as in the paper; more give a worker that waits for one task others to do)
#   -b BYTES     each task's output (16)
#   -g GRAPHS    at once (1)
#   -s SECONDS   about how long a run takes (0.2)
#   -k FILE      keeps the samples, for other tables: bench/taskbench-table <FILE
#   -B FOLDER    the build (build/ of this source)
#
# Nobody should use the machine meanwhile; how much others did is printed. Ends with 1 when something could not be measured.
set -u

die() {
    echo "metg.sh: $*" >&2
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build
rounds=5 list='' patterns=stencil_1d column_list=1,16 bytes=16 graphs=1 seconds=0.2 samples=
while getopts n:i:p:c:b:g:s:k:B: option; do
    case $option in
    n) rounds=$OPTARG ;;
    i) list=$OPTARG ;;
    p) patterns=$OPTARG ;;
    c) column_list=$OPTARG ;;
    b) bytes=$OPTARG ;;
    g) graphs=$OPTARG ;;
    s) seconds=$OPTARG ;;
    k) samples=$OPTARG ;;
    B) build=$OPTARG ;;
    *) die "sed -n 2,20p $0 says what there is" ;;
    esac
done
tools=$build/bench
cores=$(nproc)
[ -x "$tools/taskbench-peak" ] || die "$tools has no taskbench-peak: build first (GANGER_BENCH=ON), or say -B FOLDER"

shm=/tmp
[ "$(stat -f -c %T /dev/shm 2>/dev/null)" != tmpfs ] || shm=/dev/shm # where run directories cost least
work=$(mktemp -d "${TMPDIR:-$shm}/taskbench.XXXXXX") || exit 3
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
[ -n "$samples" ] || samples=$work/samples
: >"$samples" || exit 3

# Open MPI over shared memory needs no more; both for plain MPI and for ganger.
export OMPI_MCA_pml=${OMPI_MCA_pml:-ob1} OMPI_MCA_btl=${OMPI_MCA_btl:-vader,tcp,self}
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# A thread per core, each bound.
export OMP_PROC_BIND=close OMP_PLACES=cores

calc() { awk "BEGIN { printf \"%.12g\", $1 }"; }

default_list() {
    local name
    for name in mpi_p2p mpi_bulk openmp starpu; do
        [ -x "$tools/taskbench-$name" ] && printf '%s:%d,' $name "$cores"
    done
    printf 'serial:1'
    if [ -x "$tools/taskbench-ganger" ]; then
        [ "$cores" -gt 1 ] && printf ',ganger:%d,ganger_thread:%d' $((cores - 1)) $((cores - 1))
        printf ',ganger:%d,ganger_none:1' "$cores"
    fi
}

# run_ganger OPTIONS CORES WORD...: the manager has a core of its own where there is one left.
run_ganger() {
    local options=$1 used=$2
    shift 2
    [ "$used" -le "$cores" ] || used=$cores
    rm -rf "$work/run"
    # shellcheck disable=SC2086
    timeout -s KILL 120 "$tools/taskbench-ganger" run --quiet --run-dir "$work/run" $options -- --cores "$used" "$@" \
        2>"$work/err" </dev/null
}

# run_one NAME WORKERS WORD...: its line, or a message and a status other than 0.
run_one() {
    local name=$1 workers=$2 binding='--bind-to core'
    shift 2
    [ "$workers" -le "$cores" ] || binding='--oversubscribe --bind-to none'
    case $name in
    mpi_*)
        # shellcheck disable=SC2086
        set -- mpirun -n "$workers" $binding "$tools/taskbench-$name" "$@"
        ;;
    ganger) run_ganger "-n $workers" $((workers + 1)) "$@"; return ;;
    ganger_thread) run_ganger "-n $workers --backend thread" $((workers + 1)) "$@"; return ;;
    ganger_none) run_ganger "--backend none" 1 "$@"; return ;;
    *) set -- "$tools/taskbench-$name" --workers "$workers" "$@" ;;
    esac
    timeout -s KILL 120 "$@" 2>"$work/err" </dev/null
}

# Tasks that take a millisecond at first, then a quarter, near the crossing a half of it: one curve.
# measure_curve ROUND NAME WORKERS PEAK_S PATTERN COLUMNS
measure_curve() {
    local round=$1 name=$2 workers=$3 peak_s=$4 pattern=$5 columns=$6
    local width=$((workers * columns)) below=0 iterations steps line task_s=0 efficiency next
    iterations=$(awk -v p="$peak_s" 'BEGIN { n = 1; while (n * p < 1e-3) n *= 2; print n }')
    while :; do
        # As many steps as fit into the seconds, if overhead stays what it was; not so few that the start counts.
        steps=$(awk -v s="$seconds" -v u="$(calc "$iterations * $peak_s")" -v t="$task_s" -v c="$columns" -v g="$graphs" \
            'BEGIN { if (t / 2 > u) u = t / 2; n = s / (u * c * g + 1e-9)
                     printf "%d", (n < 50 ? 50 : n > 20000 ? 20000 : n) }')
        if ! line=$(run_one "$name" "$workers" --pattern "$pattern" --width "$width" --steps "$steps" --bytes "$bytes" \
            --graphs "$graphs" --kernel compute --iterations "$iterations") || [ -z "$line" ]; then
            echo "metg.sh: $name with $workers workers failed: $(tail -n 3 "$work/err")" >&2
            failed=yes
            return
        fi
        echo "$round $peak_s $name ${line#* }" >>"$samples"
        read -r task_s efficiency next <<<"$(echo "$line" | awk -v p="$peak_s" '{
            for (i = 2; i < NF; i += 2) v[$i] = $(i + 1)
            t = v["elapsed"] * v["workers"] / v["tasks"]; e = v["iterations"] * p / t
            n = int(v["iterations"] / (e > 0.9 ? 4 : 2)); print t, e, n }')"
        below=$(awk -v e="$efficiency" -v b="$below" 'BEGIN { print e < 0.5 ? b + 1 : 0 }')
        if [ "$below" -ge 2 ] || [ "$next" -lt 1 ]; then
            return
        fi
        iterations=$next
    done
}

failed=no
[ -n "$list" ] || list=$(default_list)
for name in openmp starpu ganger; do
    [ -x "$tools/taskbench-$name" ] || echo "metg.sh: taskbench-$name was not built: NOT measured" >&2
done
echo "machine   $cores cores, $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "MPI       $(mpirun --version 2>/dev/null | head -n 1)"
echo "load      $(cut -d' ' -f1-3 /proc/loadavg) at the start"
echo

# measure_all ROUND PATTERN COLUMNS
measure_all() {
    local entry name workers peak_s
    for entry in ${list//,/ }; do
        name=${entry%%:*}
        workers=${entry#"$name"}
        workers=${workers#:}
        workers=${workers:-$cores}
        # Of this round, for as many workers as there will be.
        read -r _ _ peak_s <<<"$("$tools/taskbench-peak" --kernel compute --workers "$workers")"
        measure_curve "$1" "$name" "$workers" "$peak_s" "$2" "$3"
    done
}

# CPU seconds: of the whole machine since it started; of all that this script has run, from what `times` prints.
busy_s() { awk -v t="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8 + $9) / t; exit }' /proc/stat; }
own_s() { tr 'ms' '  ' | awk '{ s += 60 * $1 + $2 + 60 * $3 + $4 } END { print s }'; }

start_s=$SECONDS busy=$(busy_s)
for ((round = 1; round <= rounds; round++)); do
    for pattern in ${patterns//,/ }; do
        for columns in ${column_list//,/ }; do
            measure_all "$round" "$pattern" "$columns"
        done
    done
done
"$tools/taskbench-table" <"$samples" || failed=yes
times >"$work/times"
awk -v all="$(busy_s)" -v before="$busy" -v own="$(own_s <"$work/times")" -v s=$((SECONDS - start_s)) 'BEGIN {
    printf "\nothers    used %.2f cores meanwhile, %d s\n", (all - before - own) / (s > 0 ? s : 1), s }'
[ $failed = no ]
