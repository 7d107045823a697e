#!/bin/sh
# `ganger check` of 10^6 tasks and 10^6 edges as JSON Lines against what jansson alone takes for those lines
# (json_loadb and json_decref of each, nothing else): PAIRS runs of both in turn, medians, and the most
# memory that `ganger check` used. Two files: tasks of a usual length, and the shortest ones there can be,
# which leave jansson least to do.
#
#   GANGER=build/bin/ganger [JANSSON_ALONE=build/bench/bench-jansson_alone] [PAIRS=7] bench/check.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
ganger=${GANGER:-$root/build/bin/ganger}
alone=${JANSSON_ALONE:-$(dirname "$ganger")/../bench/bench-jansson_alone}
pairs=${PAIRS:-7}
n_tasks=1000000

for program in "$ganger" "$alone"; do
    [ -x "$program" ] || { echo "check.sh: $program is not there; build first" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

usual_tasks() {
    awk -v n=$n_tasks 'BEGIN {
        for (i = 0; i < n; i++) {
            after = i ? sprintf(",\"after\":[\"sample-%07d.align\"]", i - 1) : ""
            printf "{\"id\":\"sample-%07d.align\",\"command\":[\"/usr/bin/align\",\"--in\",\"data/%07d.fq\"," \
                   "\"--out\",\"out/%07d.bam\"]%s,\"cost\":12.5}\n", i, i, i, after
        }
    }'
}

short_tasks() {
    awk -v n=$n_tasks 'BEGIN {
        for (i = 0; i < n; i++)
            printf "{\"id\":\"t%d\",\"command\":[\"/bin/true\"]%s}\n", i, i ? ",\"after\":\"t" i - 1 "\"" : ""
    }'
}

# Seconds of CPU and KiB of a command, on one line. Both programs do nothing but compute, with one thread;
# CPU time is not stretched by what else the machine does.
measure() {
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" >/dev/null
    awk '{ print $1 + $2, $3 }' "$work/time"
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

figure() { # LABEL FILE
    : >"$work/alone"
    : >"$work/check"
    for _ in $(seq "$pairs"); do
        measure "$alone" "$2" >>"$work/alone"
        measure "$ganger" check "$2" >>"$work/check"
    done
    paste -d ' ' "$work/check" "$work/alone" | awk '{ print $1 / $3 }' | median >"$work/ratio"
    awk -v label="$1" -v ratio="$(cat "$work/ratio")" -v check="$(median <"$work/check")" \
        -v alone="$(median <"$work/alone")" -v kib="$(cut -d ' ' -f 2 "$work/check" | sort -n | tail -1)" \
        'BEGIN { printf "| check: %s | %.2f s | %.2f s | %.2f | <=1.3 | %d MB | <200 MB |\n",
                 label, check, alone, ratio, kib * 1024 / 1e6 }'
}

usual_tasks >"$work/usual.jsonl"
short_tasks >"$work/short.jsonl"
echo "| figure | ganger check | jansson alone | ratio | goal | memory | goal |"
echo "|---|---|---|---|---|---|---|"
figure "10^6 tasks, 155 bytes each" "$work/usual.jsonl"
figure "10^6 tasks, 58 bytes each" "$work/short.jsonl"
