# What each signal does to mpirun, the manager, a worker and a task, as docs/exit-status.md has it; t0200 to t0206 have
# `ganger run` itself and stops, t0210 to t0213 KILL.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers put processes between mpirun and its ranks: not tested with them"; exit 77 ;;
esac

cat > flow.json <<'J'
{"tasks": [
  {"id": "first", "command": "echo $GANGER_TASK_ID $$ >> pids; until test -e go; do sleep 0.05; done; echo first >> ran"},
  {"id": "other", "command": "echo $GANGER_TASK_ID $$ >> pids; until test -e go; do sleep 0.05; done; echo other >> ran"},
  {"id": "next", "after": ["first", "other"], "command": "echo next >> ran"}
]}
J
# begin: a run whose two tasks wait for the file "go"; sets launcher, mpirun, manager, worker (of "first"), task ("first").
begin() {
    rm -rf flow.run ran go pids
    timeout -s KILL "$limit" "$GANGER" run flow.json -n 2 --grace 1 >out 2>err &
    watcher=$!
    until_started flow.run 2
    until [ "$(cat pids 2>/dev/null | wc -l)" = 2 ]; do sleep 0.05; done
    launcher=$(pgrep -P $watcher)
    mpirun=$(pgrep -P $launcher)
    manager=$(rank $mpirun 0)
    task=$(sed -n "s/^first //p" pids)
    worker=$(ps -o ppid= -p $task | tr -d ' ')
}
# ends STATUS WHAT: the run does, and nothing of it is left.
ends() {
    local status=0
    wait $watcher || status=$?
    [ $status = "$1" ] || fail "$2: exit status $status, not $1"
    nothing_left "$GANGER run flow.json"
    nothing_left "until test -e go"
    [ ! -e flow.run/lock ] || fail "$2: the lock is left"
    tail -n 1 flow.run/journal.jsonl | grep -q '"event":"end"' || fail "$2: the journal has no end"
}
until_says() {
    local i
    for i in $(seq 150); do
        ! grep -qF -- "$1" err || return 0
        sleep 0.1
    done
    fail "$2: not said within 15 s: $1"
}

# They end the run in order, told to the manager alone as to `ganger run`.
for case in TERM:143 INT:130 HUP:129; do
    begin
    kill -"${case%:*}" $manager
    ends "${case#*:}" "${case%:*} to the manager"
    [ "$(events flow.run cancelled)" = 2 ] || fail "$case: $(events flow.run cancelled) tasks cancelled, not 2"
done

# mpirun kills its ranks so soon that on a busy machine there may be no time for last words.
for signal in TERM; do
    begin
    kill -$signal $mpirun
    status=0
    wait $watcher || status=$?
    [ $status = 143 ] || { [ $status = 3 ] && grep -q -e "--resume" err; } || fail "$signal to mpirun: exit status $status"
    nothing_left "$GANGER run flow.json"
    nothing_left "until test -e go"
    touch go
    g 0 run flow.json -n 2 --resume
done

# A worker that is told to end: so does whoever ends a batch job.
for signal in TERM HUP; do
    begin
    kill -$signal $worker
    ends 3 "$signal to a worker"
    says err "was told to end"
done

# USR1 and USR2: mpirun gives them to all; the manager acts; workers and the launcher's run go on.
for victim in mpirun manager; do
    begin
    kill -USR2 ${!victim}
    until_says "0 of 3 done, 2 running" "USR2 to $victim"
    kill -USR1 ${!victim}
    until_says "Nothing more is started: told to start nothing more (USR1)" "USR1 to $victim"
    touch go
    ends 138 "USR1 to $victim"
    [ "$(sort ran)" = "$(printf 'first\nother')" ] || fail "USR1 to $victim: $(cat ran)"
done
begin
kill -USR1 $worker
kill -USR2 $worker
sleep 0.2
touch go
ends 0 "USR1 and USR2 to a worker"

# Stops. A stopped worker's task goes on, and the run with it when the worker does.
for signal in STOP; do
    begin
    kill -$signal $worker
    touch go
    until grep -q other ran 2>/dev/null; do sleep 0.05; done
    kill -CONT $worker
    ends 0 "$signal to a worker"
    begin
    kill -$signal $manager
    touch go
    until [ "$(grep -c . ran 2>/dev/null)" = 2 ]; do sleep 0.05; done
    kill -CONT $manager
    ends 0 "$signal to the manager"
    begin
    kill -$signal $task
    touch go
    until grep -q other ran 2>/dev/null; do sleep 0.05; done
    kill -CONT $task
    ends 0 "$signal to a task"
    [ "$(tail -n 1 ran)" = next ] || fail "$signal to a task: $(cat ran)"
done

# A task that is ended by anybody has failed, its own signal is told; others are unharmed.
cat > flow.json <<'J'
{"tasks": [
  {"id": "{s}", "for": {"s": ["TERM", "INT", "HUP", "KILL", "USR1", "USR2"]}, "command": "kill -{s} $$; sleep 60"},
  {"id": "other", "after": [{"task": "*1", "on": "any"}], "command": "true"}
]}
J
rm -rf flow.run
g 1 run flow.json -n 2
for case in TERM:15 INT:2 HUP:1 KILL:9 USR1:10 USR2:12; do
    grep -q "\"event\":\"failed\",\"task\":\"${case%:*}\".*\"signal\":${case#*:}," flow.run/journal.jsonl ||
        fail "$case: $(grep failed flow.run/journal.jsonl)"
done
[ "$(events flow.run done)" = 1 ] || fail "others were harmed"
