#!/bin/sh
# The unit tests of base, core and io under valgrind, and one small run over MPI.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset debug
cmake --build --preset debug --parallel "$(nproc)"

memcheck="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
    --num-callers=30 --suppressions=$PWD/tests/suppressions/valgrind.txt"
[ ! -f /usr/share/openmpi/openmpi-valgrind.supp ] ||
    memcheck="$memcheck --suppressions=/usr/share/openmpi/openmpi-valgrind.supp"

n=0
for program in build/debug/tests/unit-base-* build/debug/tests/unit-core-* build/debug/tests/unit-io-*; do
    [ -x "$program" ] || continue
    echo "== $program"
    (cd build/debug/tests && $memcheck "../../../$program")
    n=$((n + 1))
done
[ $n -gt 0 ] || { echo "there is no unit test"; exit 1; }

echo "== a run over MPI"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
rm -rf build/debug/valgrind && mkdir -p build/debug/valgrind
cd build/debug/valgrind
for i in 1 2 3 4 5 6 7 8; do echo "echo $i; exit $((i / 8))"; done >list.txt
status=0
timeout -s KILL 300 mpirun -n 3 --oversubscribe --bind-to none $memcheck ../bin/ganger run list.txt || status=$?
# The last of the eight fails on purpose; an error that valgrind finds would be 99.
[ $status = 1 ] || { echo "the run ended with $status, not 1"; exit 1; }
echo "$n unit tests and a run over MPI are clean"
