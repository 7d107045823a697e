#!/usr/bin/env bash
# Replays traces in WfFormat and compares makespans with those of list scheduling by longest remaining path without any
# overhead: the column BLEVEL of a table of reference makespans.
#
#   bench/replay.sh [OPTION]... FOLDER [NAME]...
#     FOLDER    holds wfformat/*.json and reference-makespans.tsv (columns "instance", "cores", "BLEVEL")
#     NAME      parts of the names of the traces to replay; default: all that are in the table
#     -g GANGER the program; default: build/bin/ganger
#     -s S      scale each trace so that the reference is S seconds; default: 20
#     -w "N..." numbers of workers; default: "8 64"
#     -m MODE   sleep (default) or spin
#     -k        keep the runs, in the folder that is named at the end
#
# Each run is checked from its journal, here and by `ganger verify`: every task once, none before its parents. Ends
# with 1 when a run is not as it must be, or takes more than 5 % longer than the reference.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
ganger=$root/build/bin/ganger
seconds=20
workers="8 64"
mode=sleep
keep=no
while getopts g:s:w:m:k option; do
    case $option in
    g) ganger=$(realpath "$OPTARG") ;;
    s) seconds=$OPTARG ;;
    w) workers=$OPTARG ;;
    m) mode=$OPTARG ;;
    k) keep=yes ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$(realpath "$1")
shift
table=$folder/reference-makespans.tsv
[ -r "$table" ] || { echo "replay.sh: $table cannot be read" >&2; exit 2; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

work=$(mktemp -d)
[ $keep = yes ] || trap 'rm -rf "$work"' EXIT
cd "$work"
export TMPDIR=$work

# reference NAME CORES: the makespan in recorded seconds; nothing when the table has none.
reference() {
    awk -F '\t' -v name="$1" -v cores="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        $column["instance"] == name ".txt" && $column["cores"] == cores { print $column["BLEVEL"] }' "$table"
}

is_wanted() {
    local part name=$1
    shift
    [ $# -eq 0 ] && return 0
    for part in "$@"; do [[ $name == *$part* ]] && return 0; done
    return 1
}

# replay FILE NAME WORKERS: one row of the table.
replay() {
    local file=$1 name=$2 n=$3 wanted scale run=$2-$3 got verdict=ok
    wanted=$(reference "$name" "$n")
    [ -n "$wanted" ] || return 0
    scale=$(awk -v s="$seconds" -v m="$wanted" 'BEGIN { printf "%.12g", s / m }')
    "$ganger" import "$file" --replay "$scale" --replay-mode "$mode" --replay-dir "$run.files" -o "$run.jsonl" 2>/dev/null
    if ! "$ganger" run "$file" -n "$n" --replay "$scale" --replay-mode "$mode" --replay-dir "$run.files" \
        --run-dir "$run.run" --quiet >"$run.out" 2>"$run.err" </dev/null; then
        printf '%-46s %4s  failed:\n' "$name" "$n"
        tail -n 3 "$run.err"
        return 1
    fi
    if ! got=$(awk -f "$root/bench/replay.awk" "$run.jsonl" "$run.run/journal.jsonl"); then
        printf '%-46s %4s  wrong:\n%s\n' "$name" "$n" "$(head -n 5 <<<"$got")"
        return 1
    fi
    if ! "$ganger" verify "$run.run" >"$run.out" 2>&1 </dev/null; then
        printf '%-46s %4s  not verified:\n%s\n' "$name" "$n" "$(tail -n 3 "$run.out")"
        return 1
    fi
    awk -v a="$got" -v b="$seconds" 'BEGIN { exit !(a <= 1.05 * b) }' || verdict="over 5 %"
    printf '%-46s %4s %9.3f %9.3f %8s  %s\n' "$name" "$n" "$seconds" "$got" \
        "$(awk -v a="$got" -v b="$seconds" 'BEGIN { printf "%+.2f %%", (a / b - 1) * 100 }')" "$verdict"
    [ $keep = yes ] || rm -rf "$run".*
    [ "$verdict" = ok ]
}

echo "$("$ganger" --version | head -n 1), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg), mode $mode"
printf '%-46s %4s %9s %9s %8s\n' trace N "BLEVEL s" "ganger s" "more by"
n_wrong=0
n_runs=0
for file in "$folder"/wfformat/*.json; do
    name=$(basename "$file" .json)
    is_wanted "$name" "$@" || continue
    for n in $workers; do
        n_runs=$((n_runs + 1))
        replay "$file" "$name" "$n" || n_wrong=$((n_wrong + 1))
    done
done
[ $n_runs -gt 0 ] || { echo "replay.sh: no trace to replay in $folder/wfformat" >&2; exit 2; }
[ $keep = no ] || echo "kept in $work"
echo "$((n_runs - n_wrong)) of $n_runs within 5 %"
[ $n_wrong -eq 0 ]
