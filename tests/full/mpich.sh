#!/bin/sh
# The program over MPICH: it starts, runs, and resumes.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset mpich
cmake --build --preset mpich --parallel "$(nproc)"
ganger=$PWD/build/mpich/bin/ganger
ldd "$ganger" | grep -q libmpich || { echo "this build is not over MPICH"; exit 1; }
rm -rf build/mpich/run && mkdir -p build/mpich/run
cd build/mpich/run

fail() { echo "mpich: $*"; exit 1; }

# Four tasks; the third fails until the file "now" is there; each leaves a line in "ran".
cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "a", "command": "echo a >> ran"},
    {"id": "b", "command": "echo b >> ran", "after": ["a"]},
    {"id": "c", "command": "echo c >> ran; test -e now", "after": ["a"]},
    {"id": "d", "command": "echo d >> ran", "after": ["b", "c"]}
]}
FLOW
status=0
timeout -s KILL 120 "$ganger" run -n 2 flow.json || status=$?
[ $status = 1 ] || fail "a run with a failing task ended with $status, not 1"
[ "$(sort ran | tr -d '\n')" = abc ] || fail "ran: $(cat ran)"

touch now
: >ran
timeout -s KILL 120 "$ganger" run -n 2 --resume flow.json || fail "resume ended with $?"
[ "$(tr -d '\n' <ran)" = cd ] || fail "resume ran: $(cat ran)"

: >ran
timeout -s KILL 120 mpiexec.mpich -n 3 "$ganger" run --run-dir second.run flow.json || fail "mpiexec ended with $?"
[ "$(sort ran | tr -d '\n')" = abcd ] || fail "mpiexec ran: $(cat ran)"
echo "MPICH: started, ran, resumed"
