#!/bin/sh
# ThreadSanitizer over all tests in which a thread of ours runs: the journal's writer, workers over memory.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset tsan
cmake --build --preset tsan --parallel "$(nproc)"
export TSAN_OPTIONS="exitcode=66 second_deadlock_stack=1"
ctest --test-dir build/tsan --no-tests=error --parallel "$(nproc)" --output-on-failure --label-regex threads
