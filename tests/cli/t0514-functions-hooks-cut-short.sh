# Workers die, and runs are ended, while the program is being asked about what ran there: what `collect` has answered counts,
# once, and nothing else is collected twice.
. "${BASH_SOURCE%/*}/lib-hooks.sh"

begin() { # FLOW WORD...: in the background
    rm -f seen
    : >log
    timeout -s KILL "$limit" "$GANGER" run "$@" >out 2>err &
    watcher=$!
}
launcher() { pgrep -P $watcher; }

# ---- a worker dies whose function has returned, and one whose function has not ----

case $("$GANGER" --version) in
*"Open MPI"*)
    cat >lost.json <<'FLOW'
{"tasks": [
    {"id": "hangs", "function": "hang", "cores": 2, "keep": true},
    {"id": "apart", "command": "until grep -q '^hang hangs in ' log; do sleep 0.05; done"},
    {"id": "slow", "function": "add_late", "after": "apart", "keep": true},
    {"id": "child", "function": "join", "after": "slow"},
    {"id": "after", "function": "join", "after": "hangs"}
]}
FLOW
    begin lost.json -q -n 4
    until_said log "collect slow 1 "
    until_said log "hang hangs in "
    mpirun=$(pgrep -P "$(launcher)")
    ran=$(sed -n 's/^{"event":"ended","task":"slow".*"worker":\([0-9]*\).*/\1/p' lost.run/journal.jsonl)
    kill -9 "$(rank "$mpirun" "$ran")"
    until_said lost.run/journal.jsonl '"event":"lost"'
    kill -9 "$(sed -n 's/^hang hangs in //p' log)"
    for _ in $(seq 600); do [ "$(told "hang hangs in .*")" = 2 ] && break; sleep 0.1; done
    touch seen
    ends_with 0
    [ "$(events lost.run lost)" = 2 ] || fail "$(events lost.run lost) workers were lost, not 2"
    says out "slow: done mine"
    says out "child: done mine"
    says out "late-slow: done done:mine;"
    says out "hangs: done attempt 2"
    says out "after: done attempt 2"
    asked_once "collect slow .*"
    asked_once "finished slow done"
    asked_once "collect hangs .*"
    asked_once "collect hangs 2 exited 0 .*"
    asked_once "finished hangs done"
    for task in slow child hangs after late-slow; do asked_once "provide $task"; done
    g 0 verify lost.run
    ;;
*) echo "NOT TESTED: the loss of workers: other launchers end all ranks by themselves" >&2 ;;
esac

# ---- told to end while a hook is being asked, which then answers ----

slow_flow 3014 >ended.json
for backend in local thread; do
    begin ended.json -q -n 2 --backend $backend -d ended-$backend.run
    until_said log "collect slow 1 "
    until_said ended-$backend.run/journal.jsonl '"event":"start","task":"long"'
    kill -TERM "$(launcher)"
    sleep 0.3
    touch seen
    ends_with 143
    answers_late ended-$backend.run
    : >log
    g 0 run -q --resume -n 2 --backend $backend -d ended-$backend.run ended.json
    says out "child: done mine"
    goes_on ended-$backend.run
done

# ---- … which says that it is to run again: that is for the next run, which asks anew ----

echo '{"tasks": [{"id": "again", "function": "echo", "input": 0}]}' >again.json
export HOOKS_WAIT=again
begin again.json -q -n 1 --backend thread
until_said log "collect again 1 "
kill -TERM "$(launcher)"
sleep 0.3
touch seen
ends_with 143
asked_once "collect again 1 .*"
asked_once "finished again not run"
[ "$(events again.run done)" = 0 ] || fail "it is done, and was to run again"
: >log
g 0 run -q --resume -n 1 --backend thread again.json
asked_once "provide again"
asked_once "collect again 1 exited 0 '0' ''"
asked_once "collect again 3 exited 0 'once more' ''"
g 0 verify again.run
unset HOOKS_WAIT
