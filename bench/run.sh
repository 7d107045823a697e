#!/bin/bash
# run.sh: measures ganger against the floor beside it, and says which targets are met.
#
#   bench/run.sh [OPTION]... [FIGURE]...
#
# Figures: start independent layers chain chain-loaded sleep recall idle check (default: all); sleep-SECONDS is `sleep`
# with tasks of another length.
#   -w WORKERS     so many, instead of 2 (sleep and recall: 16, idle: 4); more tasks where the figure would be short
#   -n PAIRS       counted pairs of runs per figure (default 5), after one pair that is not counted
#   -g PROGRAM     ganger to measure (default build/bin/ganger)
#   -t FOLDER      where the bench- programs are (default: ../bench beside PROGRAM's folder)
#   -d FOLDER      where run directories go (default: /dev/shm if there, else the temporary folder)
#   -q CORES       waits (a minute at most) before each pair until the rest of the machine uses less
#                  than this; a pair in which it used more is measured again, up to 3 x PAIRS times in
#                  all (default 0.1; 99: neither)
#   --vfork        the floor starts its children by vfork instead of posix_spawn
#   --peers        also make, ninja, xargs, GNU parallel, as far as they are installed
#
# The two sides take turns (A B A B ...), since the machine's speed drifts by more than what is to be
# seen; each figure is the median of the ratios of the pairs. The exit status is 0 whatever was measured.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd)
ganger=$root/build/bin/ganger
tools=
pairs=5
workers=
run_root=
quiet_cores=0.1
loop_options=
with_peers=no
figures=

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

while [ $# -gt 0 ]; do
    case $1 in
    -w) workers=$2; shift ;;
    -n) pairs=$2; shift ;;
    -g) ganger=$2; shift ;;
    -t) tools=$2; shift ;;
    -d) run_root=$2; shift ;;
    -q) quiet_cores=$2; shift ;;
    --vfork) loop_options=--vfork ;;
    --peers) with_peers=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) figures="$figures $1" ;;
    esac
    shift
done
figures=${figures:-start independent layers chain chain-loaded sleep recall idle check}
tools=${tools:-$(dirname "$ganger")/../bench}
if [ ! -x "$ganger" ] || [ ! -x "$tools/bench-spawn_loop" ]; then
    echo "run.sh: needs $ganger and $tools/bench-spawn_loop: build first" >&2
    exit 2
fi
if [ -z "$run_root" ]; then
    run_root=${TMPDIR:-/tmp}
    [ -d /dev/shm ] && [ -w /dev/shm ] && run_root=/dev/shm
fi
ganger=$(cd "$(dirname "$ganger")" && pwd)/$(basename "$ganger")
tools=$(cd "$tools" && pwd)
work=$(mktemp -d "$run_root/ganger-bench.XXXXXX") || exit 2
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# Bench-tree_usage ends all of its tree on TERM, so one child to end is enough.
child=
leave() {
    trap - EXIT INT TERM HUP
    [ -n "$child" ] && kill -TERM "$child" 2>/dev/null && wait "$child" 2>/dev/null
    rm -rf "$work"
    exit "$1"
}
trap 'leave 0' EXIT
trap 'leave 130' INT
trap 'leave 143' TERM
trap 'leave 129' HUP

# ---- running one side ----

# usage_of OPTIONS -- COMMAND: runs it under tree_usage; leaves its line in $usage, its output in $work/out.
usage_of() {
    "$tools/bench-tree_usage" -o "$work/usage" "$@" >"$work/out" 2>"$work/err" </dev/null &
    child=$!
    wait "$child"
    child=
    usage=$(cat "$work/usage" 2>/dev/null)
    rm -f "$work/usage"
}

# field NAME LINE: the number after NAME.
field() { echo "$2" | awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }'; }

# The run directory of the last run, for those who want to read its journal.
run_dir=$work/run
run_ganger() { # SPIN FLOW WORKERS
    rm -rf "$run_dir"
    usage_of --own ganger,mpirun,mpiexec,orterun,prterun,orted,hydra_pmi_proxy ${1:+--spin $1} -- \
        "$ganger" run "$2" -n "$3" --run-dir "$run_dir" --quiet
    if [ "$(field status "$usage")" != 0 ] || [ "$(field strays "$usage")" != 0 ]; then
        echo "run.sh: ganger run $2: $usage" >&2
        tail -n 5 "$work/err" >&2
    fi
}

run_loop() { # SPIN WORKERS COUNT COMMAND...
    local spin=$1 workers=$2 count=$3
    shift 3
    usage_of --own bench-spawn_loo ${spin:+--spin $spin} -- \
        "$tools/bench-spawn_loop" -j "$workers" -c "$count" $loop_options -- "$@"
    loop=$(cat "$work/out")
}

is_disturbed() { # USAGE...: was more than $quiet_cores of the machine used by others?
    local line
    for line in "$@"; do
        awk -v o="$(field others "$line")" -v e="$(field elapsed "$line")" -v q="$quiet_cores" \
            'BEGIN { exit !(e > 0 && o / e > q) }' && return 0
    done
    return 1
}

# busy_ticks: CPU time that the machine has spent so far.
busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9; exit }' /proc/stat; }

# wait_for_quiet: until half a second has passed in which the machine did nothing, or for a minute.
wait_for_quiet() {
    local try before limit
    limit=$(awk -v q="$quiet_cores" -v t="$(getconf CLK_TCK)" 'BEGIN { printf "%d", q * t / 2 + 1 }')
    for ((try = 0; try < 120; try++)); do
        before=$(busy_ticks)
        sleep 0.5
        [ $(($(busy_ticks) - before)) -le "$limit" ] && return
    done
}

# first_to_last: seconds from the first start to the last end that the journal knows.
first_to_last() {
    awk '{
        if (match($0, /"start": *[0-9.]+/)) {
            s = substr($0, RSTART, RLENGTH); sub(/.*: */, "", s); s += 0
            if (match($0, /"end": *[0-9.]+/)) {
                e = substr($0, RSTART, RLENGTH); sub(/.*: */, "", e); e += 0
                if (n++ == 0 || s < first) first = s
                if (e > last) last = e
            }
        }
    } END { printf "%.6f\n", last - first }' "$run_dir/journal.jsonl"
}

# ---- figures ----

# measure_pairs NAME FLOW WORKERS LOOP_WORKERS COUNT SPIN SPAN COMMAND...
# Writes one line per counted pair to $work/NAME.pairs:
#   ganger_s floor_s ganger_tree floor_tree ganger_own floor_own others_cores
# SPAN: "whole" (start to end of the program) or "journal" (first start to last end).
measure_pairs() {
    local name=$1 flow=$2 workers=$3 loop_workers=$4 count=$5 spin=$6 span=$7
    shift 7
    local counted=0 tried=0 ours a
    : >"$work/$name.pairs"
    while [ "$counted" -lt "$pairs" ]; do
        wait_for_quiet
        run_ganger "$spin" "$flow" "$workers"
        a=$usage
        ours=$(field elapsed "$a")
        [ "$span" = journal ] && ours=$(first_to_last)
        run_loop "$spin" "$loop_workers" "$count" "$@"
        tried=$((tried + 1))
        [ "$tried" = 1 ] && continue
        if [ $((tried - counted)) -le $((3 * pairs)) ] && is_disturbed "$a" "$usage"; then
            continue
        fi
        counted=$((counted + 1))
        echo "$ours $(field elapsed "$loop") $(field tree "$a") $(field tree "$usage")" \
            "$(field own "$a") $(field own "$loop")" \
            "$(field others "$a") $(field others "$usage")" >>"$work/$name.pairs"
    done
}

# spread EXPRESSION FILE: median, least and greatest of an awk expression over the pairs.
spread() {
    awk "{ printf \"%.9g\\n\", $1 }" "$2" | sort -g | awk '{ v[NR] = $1 } END {
        if (NR == 0) { print "nan nan nan"; exit }
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        print m, v[1], v[NR] }'
}

row_format='%-30s %10s %10s  %8s %17s  %-10s %s\n'

# verdict VALUE TARGET: TARGET is ">=0.93" or "<=1.12".
verdict() {
    awk -v v="$1" -v t="$2" 'BEGIN {
        limit = substr(t, 3) + 0
        if (t == "-") print ""
        else if (v != v + 0 || v == "nan") print "not measured"
        else if (substr(t, 1, 2) == ">=") print (v >= limit ? "met" : "MISSED")
        else print (v <= limit ? "met" : "MISSED") }'
}

# row LABEL FILE OURS FLOOR RATIO TARGET FORMAT: three awk expressions over the pairs of FILE.
row() {
    local label=$1 file=$2 ours floor
    set -- "$3" "$4" "$5" "$6" "$7"
    ours=$(spread "$1" "$file")
    floor=$(spread "$2" "$file")
    local ratio median least most
    ratio=$(spread "$3" "$file")
    read -r median least most <<<"$ratio"
    # shellcheck disable=SC2059
    printf "$row_format" "$label" "$(printf "$5" "${ours%% *}")" "$(printf "$5" "${floor%% *}")" \
        "$(printf %.3f "$median")" "$(printf '%.3f..%.3f' "$least" "$most")" "$4" "$(verdict "$median" "$4")"
}

note_disturbance() { # FILE
    awk '{ o = ($7 + $8) / ($1 + $2); if (o > most) most = o } END {
        if (most > 0.05) printf "  (others used up to %.2f cores meanwhile)\n", most }' "$1"
}

flow() { # FILE SHAPE OPTIONS...: makes a workflow once
    local file=$work/$1.jsonl
    shift
    [ -f "$file" ] || "$tools/bench-make_flow" "$@" >"$file"
    echo "$file"
}

figure_start() {
    local n=${workers:-2}
    measure_pairs start "$(flow start independent -n "$n" -- /bin/true)" "$n" "$n" "$n" "" whole /bin/true
    row "start: $n tasks, s" "$work/start.pairs" '$1' '$2' '$1 - $2' "-" "%.3f"
    row "start: CPU of all, s" "$work/start.pairs" '$3' '$4' '$3 - $4' "-" "%.3f"
}

figure_independent() {
    local f=$work/independent.pairs n=${workers:-2} count each
    count=$((n > 2 ? 5000 * n : 10000))
    each=$(awk -v n="$count" 'BEGIN { print 1e6 / n }') # CPU seconds of all -> us of a task
    measure_pairs independent "$(flow independent independent -n "$count" -- /bin/true)" "$n" "$n" "$count" "" whole \
        /bin/true
    row "independent: tasks/s" "$f" "$count / \$1" "$count / \$2" '$2 / $1' ">=0.93" "%.0f"
    row "  CPU per task, us: tree" "$f" "\$3 * $each" "\$4 * $each" "(\$3 - \$4) * $each" "<=30" "%.1f"
    row "  CPU per task, us: own" "$f" "\$5 * $each" "\$6 * $each" "(\$5 - \$6) * $each" "<=30" "%.1f"
    if [ -s "$work/start.pairs" ]; then
        local start
        start=$(spread '$3 - $4' "$work/start.pairs")
        row "  the same less start-up: tree" "$f" "\$3 * $each" "\$4 * $each" \
            "(\$3 - \$4 - ${start%% *}) * $each" "<=30" "%.1f"
    fi
    note_disturbance "$f"
}

figure_layers() {
    local n=${workers:-2}
    measure_pairs layers "$(flow layers layers -n 100 -w 100 -- /bin/true)" "$n" "$n" 10000 "" whole /bin/true
    row "layers 100x100: tasks/s" "$work/layers.pairs" '10000 / $1' '10000 / $2' '$2 / $1' ">=0.90" "%.0f"
    note_disturbance "$work/layers.pairs"
}

figure_chain() {
    measure_pairs chain "$(flow chain chain -n 5000 -- /bin/true)" "${workers:-2}" 1 5000 "" whole /bin/true
    row "chain of 5000: s" "$work/chain.pairs" '$1' '$2' '$1 / $2' "<=1.12" "%.3f"
    note_disturbance "$work/chain.pairs"
}

# Which core is the busy one matters to whoever binds: both ends are measured.
figure_chain_loaded() {
    local core file
    file=$(flow chain chain -n 5000 -- /bin/true)
    for core in 0 $(($(nproc) - 1)); do
        measure_pairs "loaded$core" "$file" "${workers:-2}" 1 5000 "$core" whole /bin/true
        row "chain, core $core kept busy: s" "$work/loaded$core.pairs" '$1' '$2' '$1 / $2' "<=1.25" "%.3f"
        note_disturbance "$work/loaded$core.pairs"
    done
}

# figure_sleep SECONDS TARGET: about two seconds of tasks of that length.
figure_sleep() {
    local s=$1 n=${workers:-16} count
    count=$(awk -v s="$s" -v n="$n" 'BEGIN { print n * (s < 2 ? int(2 / s + 0.5) : 1) }')
    measure_pairs "sleep$s" "$(flow "sleep$s" independent -n "$count" -- /bin/sleep "$s")" "$n" "$n" "$count" "" journal \
        /bin/sleep "$s"
    row "sleep $s x$count, $n: tasks/s" "$work/sleep$s.pairs" "$count / \$1" "$count / \$2" '$2 / $1' "$2" "%.0f"
    row "  part of what there could be" "$work/sleep$s.pairs" "$count * $s / $n / \$1" "$count * $s / $n / \$2" \
        "$count * $s / $n / \$1" "-" "%.3f"
    note_disturbance "$work/sleep$s.pairs"
}

# list_makespan SLOTS: how long the tasks of the last run take when each starts, in the order of the document, on
# the slot that is free first, with the run times that the journal has.
list_makespan() {
    awk -v slots="$1" '
        function take(key) { # a number of this line
            if (!match($0, "\"" key "\": *[0-9.]+")) return -1
            v = substr($0, RSTART, RLENGTH); sub(/.*: */, "", v); return v + 0
        }
        /^{"event":"done"/ { i = take("index"); run[i] = take("end") - take("start"); if (i >= n) n = i + 1 }
        END {
            for (i = 0; i < n; i++) {
                first = 0
                for (k = 1; k < slots; k++) if (free[k] + 0 < free[first] + 0) first = k
                free[first] += run[i]
                if (free[first] > last) last = free[first]
            }
            printf "%.6f\n", last
        }' "$run_dir/journal.jsonl"
}

# Short tasks with a long one among a hundred: nothing may wait behind a long one while a slot is idle.
figure_recall() {
    local slots=${workers:-16} file=$work/recall.jsonl n
    awk 'BEGIN { for (i = 0; i < 10000; i++)
        printf "{\"id\":\"t%d\",\"command\":[\"/bin/sleep\",\"%s\"]}\n", i, i % 100 == 50 ? "1" : "0.005" }' >"$file"
    : >"$work/recall.pairs"
    for ((n = 0; n <= pairs; n++)); do
        wait_for_quiet
        run_ganger "" "$file" "$slots"
        [ "$n" = 0 ] || echo "$(first_to_last) $(list_makespan "$slots") 0 0 0 0 $(field others "$usage") 0" \
            >>"$work/recall.pairs"
    done
    row "1 s among 5 ms, $slots: s" "$work/recall.pairs" '$1' '$2' '$1 / $2' "<=1.05" "%.3f"
    note_disturbance "$work/recall.pairs"
}

# run_time_ns PID: CPU time of all threads of a process.
run_time_ns() { cat /proc/"$1"/task/*/schedstat 2>/dev/null | awk '{ s += $1 } END { printf "%.0f\n", s }'; }

# ranks: "ROLE PID" of every process of the run; rank 0 is the manager.
ranks() {
    local p name rank
    for p in /proc/[0-9]*; do
        name=$(cat "$p/comm" 2>/dev/null) || continue
        case $name in ganger | mpirun | mpiexec | orterun | prterun | orted) ;; *) continue ;; esac
        tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qx "GANGER_BENCH=$$" || continue
        rank=$(tr '\0' '\n' <"$p/environ" 2>/dev/null | sed -n 's/^OMPI_COMM_WORLD_RANK=//p')
        case $name:$rank in
        ganger:0) echo "manager ${p#/proc/}" ;;
        ganger:?*) echo "worker ${p#/proc/}" ;;
        *) echo "launcher ${p#/proc/}" ;;
        esac
    done
}

# One pass: percent of a core for the manager, the busiest worker, the mean worker, the launchers.
measure_idle() { # FLOW
    rm -rf "$run_dir"
    GANGER_BENCH=$$ "$tools/bench-tree_usage" -o "$work/usage" -- \
        "$ganger" run "$1" -n "${workers:-4}" --run-dir "$run_dir" --quiet >"$work/out" 2>"$work/err" </dev/null &
    child=$!
    sleep 1.2
    ranks | while read -r role pid; do echo "$role $pid $(run_time_ns "$pid")"; done >"$work/before"
    local from to
    from=$(date +%s.%N)
    sleep 10
    ranks | while read -r role pid; do echo "$role $pid $(run_time_ns "$pid")"; done >"$work/after"
    to=$(date +%s.%N)
    wait "$child"
    child=
    awk -v s="$(awk -v a="$from" -v b="$to" 'BEGIN { print b - a }')" '
        FNR == NR { before[$2] = $3; next }
        $2 in before {
            share = ($3 - before[$2]) / s / 1e7
            if ($1 == "manager") manager = share
            if ($1 == "launcher") launcher += share
            if ($1 == "worker") { n++; sum += share; if (share > most) most = share }
        }
        END { if (n > 0) printf "%.6f %.6f %.6f %.6f\n", manager, most, sum / n, launcher }' \
        "$work/before" "$work/after" >>"$work/idle.pairs"
}

figure_idle() {
    local f=$work/idle.pairs i file
    file=$(flow idle independent -n 1 -- /bin/sleep 12)
    : >"$f"
    for ((i = 0; i < pairs; i++)); do measure_idle "$file"; done
    row "idle: manager, % of a core" "$f" '$1' 0 '$1' "<=0.1" "%.4f"
    row "idle: busiest worker, %" "$f" '$2' 0 '$2' "<=0.1" "%.4f"
    row "idle: mean worker, %" "$f" '$3' 0 '$3' "<=0.1" "%.4f"
    row "idle: launcher and mpirun, %" "$f" '$4' 0 '$4' "<=0.1" "%.4f"
}

figure_check() {
    if [ -x "$root/bench/check.sh" ]; then
        GANGER=$ganger JANSSON_ALONE=$tools/bench-jansson_alone PAIRS=$pairs "$root/bench/check.sh" &
        child=$!
        wait "$child"
        child=
    else
        echo "check: bench/check.sh is not there"
    fi
}

# ---- others ----

# peer LABEL COUNT COMMAND...: tasks per second, and as a part of the two-way loop run just before.
peer() {
    local label=$1 count=$2 i theirs
    shift 2
    command -v "$1" >/dev/null 2>&1 || return 0
    : >"$work/peer.pairs"
    for ((i = 0; i < pairs; i++)); do
        wait_for_quiet
        run_loop "" "$peer_workers" "$count" /bin/true
        usage_of -- "$@"
        theirs=$(field elapsed "$usage")
        [ "$(field status "$usage")" = 0 ] || { echo "$label: failed: $(tail -n 1 "$work/err")"; return 0; }
        echo "$theirs $(field elapsed "$loop")" >>"$work/peer.pairs"
    done
    row "$label: tasks/s" "$work/peer.pairs" "$count / \$1" "$count / \$2" '$2 / $1' "-" "%.0f"
}

figure_peers() {
    seq 10000 >"$work/numbers"
    local shape
    for shape in "independent -n 10000" "layers -n 100 -w 100" "chain -n 5000"; do
        # shellcheck disable=SC2086
        "$tools/bench-make_flow" $shape --as make -- /bin/true >"$work/${shape%% *}.mk"
        # shellcheck disable=SC2086
        "$tools/bench-make_flow" $shape --as ninja -- /bin/true >"$work/${shape%% *}.ninja"
    done
    peer_workers=${workers:-2}
    local j=$peer_workers
    peer "make -j$j, independent" 10000 make -s -j"$j" -f "$work/independent.mk"
    peer "xargs -P$j, independent" 10000 xargs -a "$work/numbers" -n 1 -P "$j" /bin/true
    peer "ninja -j$j, independent" 10000 ninja -C "$work" -j"$j" -f independent.ninja
    peer "parallel -j$j, independent" 10000 parallel -j"$j" -a "$work/numbers" /bin/true
    peer "make -j$j, layers" 10000 make -s -j"$j" -f "$work/layers.mk"
    peer "ninja -j$j, layers" 10000 ninja -C "$work" -j"$j" -f layers.ninja
    peer_workers=1
    peer "make -j$j, chain" 5000 make -s -j"$j" -f "$work/chain.mk"
    peer "ninja -j$j, chain" 5000 ninja -C "$work" -j"$j" -f chain.ninja
}

# ---- the report ----

echo "ganger    $("$ganger" --version 2>/dev/null | head -n 1)"
echo "machine   $(nproc) cores, $(uname -sr), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "MPI       $(mpirun --version 2>/dev/null | head -n 1)"
echo "load      $(cut -d' ' -f1-3 /proc/loadavg) at the start"
echo "run dirs  on $(stat -f -c %T "$work")"
echo "floor     bench-spawn_loop ${loop_options:---posix_spawn}, unbound; $pairs counted pairs, medians"
echo
# shellcheck disable=SC2059
printf "$row_format" "figure" "ganger" "floor" "ratio" "least..most" "target" ""
for figure in $figures; do
    case $figure in
    start | independent | layers | chain | recall | idle | check) "figure_$figure" ;;
    sleep) figure_sleep 0.01 ">=0.97" ;;
    sleep-[0-9]*) figure_sleep "${figure#sleep-}" - ;;
    chain-loaded) figure_chain_loaded ;;
    *) echo "run.sh: no figure is called $figure" >&2 ;;
    esac
done
if [ "$with_peers" = yes ]; then
    figure_peers
fi
