#!/bin/sh
# Every fuzz target for FUZZ_SECONDS (10). What breaks one is left in build/fuzz/ as NAME-crash-...
set -eu
cd "$(dirname "$0")/../.."
cmake --preset fuzz
cmake --build --preset fuzz --parallel "$(nproc)"
export ASAN_OPTIONS=detect_odr_violation=0
n=0
for target in build/fuzz/fuzz/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/}
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus"
    [ ! -d "tests/fuzz/corpus/$name" ] || cp -R "tests/fuzz/corpus/$name/." "$corpus"
    echo "== $name"
    "$target" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/$name-" "$corpus"
    n=$((n + 1))
done
[ $n -gt 0 ] || { echo "there is no fuzz target"; exit 1; }
echo "$n fuzz targets ran"
