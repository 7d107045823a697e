#!/bin/bash
# scale.sh: how functions and commands fare with ever more workers.
#
#   bench/scale.sh [OPTION]... [FIGURE]...
#
# Figures (default: all):
#   functions   functions that do nothing, independent of each other: us per task, tasks per second
#   chain       each after the one before: us per link
#   chains      four such chains for each worker, side by side: us per task
#   compute     functions of 10 us, 100 us, 1 ms, 10 ms: what part of the workers' time computes
#   metg        bench/taskbench/metg.sh: ganger beside others with as many workers
#   commands    bench/run.sh: start, independent, layers, chain, tasks of 1, 10 and 100 ms, idle ranks; with most workers
#
#   -w LIST     numbers of workers, separated by commas (default: 1, 2, 4 ... below the number of cores, and one fewer
#               than there are, so that the manager has a core of its own)
#   -b LIST     backends (default: local,thread: over MPI, and in one process)
#   -n RUNS     of each that are counted, after one that is not (default: 5); medians, least and greatest
#   -B FOLDER   the build (default: build/ of this source)
#   -d FOLDER   where run directories go (default: /dev/shm if there, else the temporary folder)
#
# CPU is that of everything for each task: building the workflow, start and end included.
#
# Nobody should use the machine meanwhile. Ends with 1 when something could not be measured.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build
runs=5 run_root='' worker_list='' backends=local,thread
cores=$(nproc)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    -[wbnBd]) [ $# -gt 1 ] || { usage >&2; exit 2; } ;;
    esac
    case $1 in
    -w) worker_list=$2; shift ;;
    -b) backends=$2; shift ;;
    -n) runs=$2; shift ;;
    -B) build=$2; shift ;;
    -d) run_root=$2; shift ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
    esac
    shift
done
figures=${*:-functions chain chains compute metg commands}
build=$(cd "$build" 2>/dev/null && pwd) && tools=$build/bench
if [ ! -x "${tools:-}/bench-functions" ] || [ ! -x "$tools/taskbench-ganger" ]; then
    echo "scale.sh: no bench-functions and taskbench-ganger in the build: build first (GANGER_BENCH=ON), or say -B FOLDER" >&2
    exit 2
fi
if [ -z "$worker_list" ]; then
    for ((n = 1; n < cores - 1; n *= 2)); do worker_list+=$n,; done
    worker_list+=$((cores > 1 ? cores - 1 : 1))
fi
workers=${worker_list//,/ }
most=1
for n in $workers; do most=$((n > most ? n : most)); done
if [ -z "$run_root" ]; then
    run_root=${TMPDIR:-/tmp}
    [ -d /dev/shm ] && [ -w /dev/shm ] && run_root=/dev/shm
fi
work=$(mktemp -d "$run_root/ganger-scale.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

failed=no
fail() {
    echo "scale.sh: $*: $(tail -n 3 "$work/err")" >&2
    failed=yes
}

# value NAME LINE: the number after NAME.
value() { awk -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) print $(i + 1) }' <<<"$2"; }

# median: of a column of numbers, with the least and the greatest.
median() {
    sort -g | awk '{ v[NR] = $1 } END {
        if (NR == 0) { print "nan nan nan"; exit }
        print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR] }'
}

# seconds_of PROGRAM BACKEND WORKERS WORD...: from the first start to the last end, for each counted run, and CPU seconds
# of everything. A run that ended before all workers were there is not counted. Fails when a run did.
seconds_of() {
    local program=$1 backend=$2 n=$3 line counted=-1 tried
    shift 3
    for ((tried = 0; counted < runs && tried < 3 * (runs + 1); tried++)); do
        rm -rf "$work/run"
        line=$(timeout -s KILL 120 "$tools/bench-tree_usage" -o "$work/usage" -- "$tools/$program" run --quiet \
            --run-dir "$work/run" -n "$n" --backend "$backend" -- "$@" 2>"$work/err" </dev/null)
        [ "$(value status "$(cat "$work/usage")")" = 0 ] && [ -n "$line" ] || return 1
        [ "$(value workers "$line")" = "$n" ] || continue
        counted=$((counted + 1))
        [ "$counted" = 0 ] || echo "$(value elapsed "$line") $(value tree "$(cat "$work/usage")")"
    done
    [ "$counted" = "$runs" ] || { echo "not all workers took part" >"$work/err"; return 1; }
}

row_format='%-28s %-8s %8s %12s %21s %14s %12s\n'
head_row() {
    # shellcheck disable=SC2059
    printf "$row_format" "$1" backend workers "us per task" "least..most" "tasks/s" "CPU, us"
}

# nothing LABEL TASKS CHAINS: a row for each backend and number of workers. CHAINS: for each worker, or "one" in all. CPU
# is that of everything for each task, with building the workflow, start and end.
nothing() {
    local label=$1 tasks=$2 chains=$3 backend n all mid least greatest cpu
    for backend in ${backends//,/ }; do
        for n in $workers; do
            all=$([ "$chains" = one ] && echo 1 || echo $((chains * n)))
            if ! seconds_of bench-functions "$backend" "$n" "$tasks" "$all" >"$work/samples"; then
                fail "$label, $backend, $n workers"
                continue
            fi
            read -r mid least greatest <<<"$(awk -v t="$tasks" '{ print $1 / t * 1e6 }' "$work/samples" | median)"
            read -r cpu _ <<<"$(awk -v t="$tasks" '{ print $2 / t * 1e6 }' "$work/samples" | median)"
            # shellcheck disable=SC2059
            printf "$row_format" "$label" "$backend" "$n" "$(printf %.3f "$mid")" \
                "$(printf '%.3f..%.3f' "$least" "$greatest")" "$(awk -v m="$mid" 'BEGIN { printf "%.0f", 1e6 / m }')" \
                "$(printf %.2f "$cpu")"
        done
    done
}

figure_functions() { nothing "independent" 1000000 0; }
figure_chain() { nothing "one chain, per link" 20000 one; }
figure_chains() { nothing "4 chains per worker" 100000 4; }

# computing BACKEND WORKERS US: half a second of functions of that length. What the kernel alone does on as many cores at
# the same time is all that the workers could.
computing() {
    local backend=$1 n=$2 us=$3 steps=$((500000 / $3)) peak iterations mid least greatest
    read -r _ _ peak <<<"$("$tools/taskbench-peak" --kernel compute --workers "$n")"
    iterations=$(awk -v p="$peak" -v us="$us" 'BEGIN { printf "%d", us * 1e-6 / p + 0.5 }')
    if ! seconds_of taskbench-ganger "$backend" "$n" --pattern trivial --width "$n" --steps "$steps" --kernel compute \
        --iterations "$iterations" >"$work/samples"; then
        fail "functions of $us us, $backend, $n workers"
        return
    fi
    read -r mid least greatest <<<"$(awk -v s="$(awk "BEGIN { print $steps * $iterations * $peak }")" \
        '{ print s / $1 }' "$work/samples" | median)"
    printf '%-28s %-8s %8s %12.3f %21s\n' "functions of $us us" "$backend" "$n" "$mid" \
        "$(printf '%.3f..%.3f' "$least" "$greatest")"
}

figure_compute() {
    local backend n us
    printf '%-28s %-8s %8s %12s %21s\n' "part of time that computes" backend workers median "least..most"
    for backend in ${backends//,/ }; do
        for n in $workers; do
            for us in 10 100 1000 10000; do computing "$backend" "$n" "$us"; done
        done
    done
}

figure_metg() {
    local n name list=
    for n in $workers; do
        for name in mpi_p2p openmp starpu; do
            [ -x "$tools/taskbench-$name" ] && list+=$name:$n,
        done
        list+=ganger:$n,ganger_thread:$n,
    done
    "$root/bench/taskbench/metg.sh" -n "$runs" -i "${list%,}" -B "$build" || failed=yes
}

figure_commands() {
    "$root/bench/run.sh" -w "$most" -n "$runs" -d "$run_root" -g "$build/bin/ganger" --peers \
        start independent layers chain sleep-0.001 sleep sleep-0.1 idle || failed=yes
}

echo "machine   $cores cores, $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "MPI       $(mpirun --version 2>/dev/null | head -n 1)"
echo "load      $(cut -d' ' -f1-3 /proc/loadavg) at the start"
for figure in $figures; do
    echo
    case $figure in
    functions | chain | chains) head_row "functions that do nothing"; "figure_$figure" ;;
    compute | metg | commands) "figure_$figure" ;;
    *) echo "scale.sh: no figure is called $figure" >&2; failed=yes ;;
    esac
done
[ $failed = no ]
