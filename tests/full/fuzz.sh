#!/bin/sh
# Every fuzz target for FUZZ_SECONDS (60), two at a time. What breaks one is left in build/fuzz/ as NAME-crash-..., what
# it said in build/fuzz/NAME.log; what a target has learned is kept in build/fuzz/corpus/ and used the next time.
#
# With TARGET...: only those. An hour each, by hand: FUZZ_SECONDS=3600 tests/full/fuzz.sh
set -eu
cd "$(dirname "$0")/../.."

# One target; its log ends with "status N".
if [ "${1:-}" = --one ]; then
    name=$2
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    [ ! -d "tests/fuzz/corpus/$name" ] || cp -R "tests/fuzz/corpus/$name/." "$corpus"
    status=0
    "build/fuzz/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=120 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$corpus" >"build/fuzz/$name.log" 2>&1 || status=$?
    echo "$name: status $status, $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log") executions"
    exit $status
fi

cmake --preset fuzz
cmake --build --preset fuzz --parallel "$(nproc)"
export ASAN_OPTIONS=detect_odr_violation=0
if [ $# = 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/}
        set -- "$@" "${name%.c}"
    done
fi
printf '%s\n' "$@" | xargs -P 2 -n 1 sh tests/full/fuzz.sh --one || {
    for name in "$@"; do
        grep -q '^SUMMARY' "build/fuzz/$name.log" && { echo "== $name"; grep -v '^#[0-9]*	' "build/fuzz/$name.log" | tail -n 50; }
    done
    exit 1
}
echo "$# fuzz targets ran"
