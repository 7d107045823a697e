#!/bin/sh
# The suite under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset asan
cmake --build --preset asan --parallel "$(nproc)"
# Slow unwinding: Open MPI's libraries have no frame pointers, and a suppression must see who called.
export ASAN_OPTIONS=fast_unwind_on_malloc=0
export LSAN_OPTIONS="suppressions=$PWD/tests/suppressions/lsan.txt:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir build/asan --no-tests=error --parallel "$(nproc)" --output-on-failure --label-exclude lint
