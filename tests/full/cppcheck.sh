#!/bin/sh
# cppcheck over the program. A false alarm is answered in place: // cppcheck-suppress <id>
set -eu
cd "$(dirname "$0")/../.."
cppcheck --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --quiet \
    -j "$(nproc)" --suppress=missingIncludeSystem -D_GNU_SOURCE -DGANGER_VERSION='""' -DGANGER_MPIEXEC='""' \
    -I runtime -I . runtime backends launch examples
