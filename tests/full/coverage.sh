#!/bin/sh
# Which lines and branches tests run: a table by file, the sum, and the error paths that no test has run. Of the unit
# tests; with arguments for ctest of others: `sh tests/full/coverage.sh --label-exclude lint` is the whole quick suite.
# The report with all lines is build/coverage/report/index.html.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset coverage
cmake --build --preset coverage --parallel "$(nproc)"
find build/coverage -name '*.gcda' -delete
[ $# -gt 0 ] || set -- -L unit
ctest --test-dir build/coverage --no-tests=error --parallel "$(nproc)" --output-on-failure "$@"
mkdir -p build/coverage/report
gcovr --root . --object-directory build/coverage --filter runtime/ --filter backends/ --filter launch/ \
    --exclude-unreachable-branches --json build/coverage/report/lines.json \
    --html-details build/coverage/report/index.html --txt
python3 tests/full/uncovered.py build/coverage/report/lines.json
