# Worker, manager and mpirun are killed at once. What their task had started, also in a session of its own, and its
# temporary directory are left: a resumed run ends and removes them before it starts anything.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers put processes between mpirun and its ranks"; exit 0 ;;
esac

mkdir tmp
export TMPDIR=$PWD/tmp
cat > flow.json <<'J'
{"tasks": [{"id": "a", "command": "touch $GANGER_TMPDIR/file; test $GANGER_EPOCH = 2 || { setsid sleep 3004 & sleep 3005; }"}]}
J
timeout -s KILL "$limit" "$GANGER" run flow.json -n 1 >out 2>err &
watcher=$!
until_started flow.run 1
until pgrep -f "sleep 3005" >/dev/null; do sleep 0.05; done
launcher=$(pgrep -P $watcher)
mpirun=$(pgrep -P $launcher)
kill -9 "$(rank $mpirun 1)" "$(rank $mpirun 0)" $mpirun # the worker first: it would end its task
wait $watcher
pgrep -f "sleep 3004" >/dev/null || fail "what the task left is gone already: this tests nothing"
ls tmp | grep -q '^ganger-' || fail "there is no temporary directory: this tests nothing"

g 0 run flow.json -n 1 --resume
says err "processes that an earlier epoch of this run left were ended"
[ "$(events flow.run done)" = 1 ] || fail "the task is not done"
nothing_left "sleep 300[45]"
! ls tmp | grep '^ganger-' || fail "a temporary directory is left"
