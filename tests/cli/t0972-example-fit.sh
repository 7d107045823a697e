# examples/fit: tasks that are added as it goes. The same fit however it is run, and when it was killed in the middle.
. "${BASH_SOURCE%/*}/lib.sh"
fit=${GANGER%/*}/fit
if [ ! -x "$fit" ]; then
    echo "NOT RUN: fit was not built: GANGER_EXAMPLES=OFF" >&2
    exit 77
fi

GANGER=$fit
g 0 run -n 2 --run-dir mpi.run --quiet
grep -E '^height 2\.(49|50)[0-9]{2}, rate 1\.(29|30)[0-9]{2}: misfit 0\.000[0-9]+ after [0-9]+ rounds$' out >mpi.out || fail "no fit"
g 0 verify mpi.run
for backend in thread none; do
    g 0 run --run-dir $backend.run --backend $backend --quiet
    cmp out mpi.out || fail "another fit with --backend $backend"
done
g 0 run --run-dir finer.run --backend thread --quiet -- 1e-9
[ "$(sed 's/.*after \([0-9]*\).*/\1/' out)" -gt "$(sed 's/.*after \([0-9]*\).*/\1/' mpi.out)" ] || fail "a finer fit takes no more rounds"
g 2 run --run-dir bad.run -- nonsense
says err "the tolerance must be at least 1e-12"
