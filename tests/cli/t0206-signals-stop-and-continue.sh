# Whoever is stopped is waited for, and goes on; a stop of the whole run does not count against timeouts.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers put processes between mpirun and its ranks"; exit 0 ;;
esac

cat > flow.json <<'J'
{"tasks": [
  {"id": "timed", "timeout": 3, "command": "echo timed >> ran; sleep 1.5"},
  {"id": "next", "after": ["timed"], "command": "echo next >> ran"}
]}
J
# begin: a run of two workers; sets launcher, mpirun, manager, workers (all of it: $everybody).
begin() {
    rm -rf flow.run ran
    timeout -s KILL "$limit" "$GANGER" run flow.json -n 2 >out 2>err &
    watcher=$!
    until_started flow.run 1
    launcher=$(pgrep -P $watcher)
    mpirun=$(pgrep -P $launcher)
    manager=$(rank $mpirun 0)
    workers="$(rank $mpirun 1) $(rank $mpirun 2)"
}
ends_well() {
    local status=0
    wait $watcher || status=$?
    [ $status = 0 ] || { cat err; fail "$1: exit status $status"; }
    [ "$(sort ran)" = "$(printf 'next\ntimed')" ] || fail "$1: ran $(cat ran)"
}

# The run goes on while the launcher is stopped, as ^Z does it, and is told of when it goes on.
begin
kill -TSTP $launcher
until [ "$(events flow.run done)" = 2 ]; do sleep 0.1; done
kill -CONT $launcher
ends_well launcher

for victim in mpirun manager; do
    begin
    kill -STOP ${!victim}
    sleep 0.5
    kill -CONT ${!victim}
    ends_well $victim
done

# All of it, the tasks as well: longer than what the task has left of its time.
begin
everybody="$launcher $mpirun $manager $workers $(for worker in $workers; do pgrep -P $worker; done)"
kill -STOP $everybody
sleep 4
kill -CONT $everybody
ends_well "the whole run"
nothing_left "$GANGER run flow.json"
