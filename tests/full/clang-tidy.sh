#!/bin/sh
# clang's warnings on everything, clang-tidy on the program (.clang-tidy says which checks).
set -eu
cd "$(dirname "$0")/../.."
cmake --preset clang
cmake --build --preset clang --parallel "$(nproc)"
find runtime backends launch examples -name '*.c' -type f | sort |
    xargs -P "$(nproc)" -n 3 clang-tidy -p build/clang --quiet
