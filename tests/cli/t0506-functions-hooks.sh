# Hooks: what a program is asked and told of its tasks, over mpirun, in threads and in one thread, with equal journals; what
# waits for a hook waits, and nothing else does.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$HOOKS
export HOOKS_LOG=$PWD/log

flow() { # of tasks, one on each line
    echo '{"tasks": ['
    paste -sd,
    echo ']}'
}

cat >tasks <<'FLOW'
{"id": "a", "function": "echo", "input": 1}
{"id": "b", "function": "refuse", "may_fail": true}
{"id": "late", "function": "echo", "after": ["b", "a"]}
{"id": "late-command", "command": "echo done"}
{"id": "given", "function": "refuse"}
{"id": "user", "function": "join", "after": ["given"]}
{"id": "forced", "command": "true"}
{"id": "below", "function": "echo", "after": ["forced"]}
{"id": "beside", "function": "echo", "input": 2, "after": [{"task": "forced", "on": "notok"}]}
{"id": "unwanted", "command": "true"}
{"id": "odd", "command": "true"}
{"id": "again", "function": "echo", "input": 0}
{"id": "ever", "command": "true"}
{"id": "pardoned", "command": "exit 3"}
{"id": "then", "command": "true", "after": ["pardoned"]}
{"id": "doubted", "function": "echo", "input": 5, "retries": 1}
{"id": "wide", "function": "echo", "input": 6, "cores": 2}
FLOW

# What a journal says, without who, where and when, and what was given back before it began.
told_by() {
    sed -n 's/^{"event":"\([a-z_]*\)","task":"\([^"]*\)".*"attempt":\([0-9]*\).*/\2 \3 \1/p
            s/^{"event":"\(skipped\|not_needed\)","task":"\([^"]*\)".*/\2 - \1/p' "$1/journal.jsonl" | grep -v ' start$\| returned$' | sort
}

for backend in none thread local; do
    n=2
    flow <tasks >flow.json
    [ $backend = none ] && { n=1; grep -v '"wide"' tasks | flow >flow.json; }
    : >log
    g 1 run -q --backend $backend -n $n -d $backend.run flow.json
    says out 'late: done failed:-;done:1;'
    says out 'user: done a gift'
    says out 'beside: done 2'
    says out 'below: skipped -'
    says out 'unwanted: not needed -'
    says out 'again: done once more'
    says out 'then: done -'
    says out 'doubted: done 5'
    says err 'its program says that it failed: it is forced to fail'
    says err 'its program says that it failed: the hook provide answered 77, which means nothing there'
    says err 'it was to run again after each of 4 attempts, and may 3 times (again_max)'
    says log 'no payload for late-command'
    says log "collect given 0 never ran 0 'a gift' ''"
    says log "collect pardoned 1 exited 3 '-' ''"
    says log "collect b 1 exited 3 '-' 'no luck with b'"
    says log "collect doubted 2 exited 0 '5' ''"
    [ "$(grep -c '^collect ever' log)" = 4 ] || fail "a task ran again other than 3 times"
    [ "$(grep -c '^provide again' log)" = 1 ] || fail "a task was provided more than once"
    says_not log "nowhere"
    says_not log "provide below"
    # The order of one task's hooks, where what came back unbegun is told to have started once more; each end is told once.
    [ "$(grep -w then log | uniq | tr '\n' ' ')" = "provide then started then 1 on 1 slots collect then 1 exited 0 '-' '' finished then done " ] ||
        fail "the order of hooks: $(grep -w then log)"
    [ "$(grep -n 'collect pardoned\|provide then' log | cut -d: -f2 | cut -c1-7 | tr '\n' ' ')" = "collect provide " ] ||
        fail "a successor was ready before its parent was collected"
    [ "$(grep -c '^finished' log)" = "$(grep '^finished' log | cut -d' ' -f2 | sort -u | grep -c .)" ] || fail "an end was told twice"
    if [ $backend != none ]; then
        g 1 verify $backend.run
        says_not out "journal line"
    fi
done
[ "$(grep -c '^finished' log)" = 17 ] || fail "not every task's end was told"
told_by thread.run >thread.told
told_by local.run >local.told
told_by none.run >none.told
[ "$(wc -l <local.told)" -gt 40 ] || fail "the journal is short"
diff thread.told local.told >out || fail "the journals of thread (<) and local (>) differ"
grep -v '^wide' local.told >narrow.told
diff none.told narrow.told >out || fail "the journals of none (<) and local (>) differ"

# While a hook takes its time, slots are free, and time limits hold: `slow` is collected when `last` has run, on the same
# worker, behind a task that its timeout ends.
flow >slow.json <<'FLOW'
{"id": "slow", "command": "true", "priority": 3}
{"id": "timed", "command": "exec sleep 1000", "timeout": 0.2, "priority": 2, "may_fail": true}
{"id": "last", "command": "touch seen", "priority": 1}
{"id": "child", "command": "test -e seen", "after": ["slow"]}
FLOW
: >log
g 0 run -q --backend thread -n 1 slow.json
says log "collect timed 1 timed out"
g 0 verify slow.run

# What ended and was not collected runs again.
echo '{"tasks": [{"id": "crashed", "command": "echo x >>ran"}, {"id": "next", "command": "true", "after": "crashed"}]}' >crash.json
HOOKS_CRASH=1 timeout -s KILL 60 "$GANGER" run -q --backend thread -n 1 crash.json >out 2>err && fail "it did not crash"
sleep 0.1 # the journal is written within 10 ms, or not at all
[ "$(events crash.run done)" = 0 ] || fail "it was done before it was collected"
g 0 run -q --resume --backend thread -n 1 crash.json
[ "$(wc -l <ran)" = 2 ] || fail "what was not collected did not run again"
g 0 verify crash.run
g 0 run -q --resume --backend thread -n 1 crash.json
[ "$(wc -l <ran)" = 2 ] || fail "what was collected ran again"

# A hook that does not return: a second INT ends the run all the same, and nothing is done that was not collected.
stop_hanging() { # TASK TEXT-OF-THE-LOG
    echo "{\"tasks\": [{\"id\": \"$1\", \"command\": \"true\"}]}" >$1.json
    : >log
    timeout -s KILL "$limit" "$GANGER" run -q --backend thread -n 1 $1.json >out 2>err &
    watcher=$!
    for i in $(seq 600); do grep -q "$2" log && break; sleep 0.1; done
    kill -INT "$(pgrep -P $watcher)"
    sleep 0.2
    kill -INT "$(pgrep -P $watcher)" 2>/dev/null # a `provide` is not waited for
    status=0
    wait $watcher || status=$?
    [ $status = 130 ] || fail "the run ended with $status"
    says err "is left alone, which has not returned about task \"$1\""
    [ "$(events $1.run done)" = 0 ] || fail "it is done, and was not collected"
}
stop_hanging stopped waiting
stop_hanging stuck provide
