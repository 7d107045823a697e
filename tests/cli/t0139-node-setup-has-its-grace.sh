# A setup that runs when the run is told to end has its grace, and what it set up is torn down.
. "${BASH_SOURCE%/*}/lib.sh"

end_in_setup() {
    cat > flow.json <<J
{"node": {"setup": "$1", "teardown": "echo teardown >> log"}, "tasks": [{"id": "a", "command": "echo a >> log"}]}
J
    rm -rf flow.run log begun
    "$GANGER" run flow.json -n 2 --grace "${2:-30}" >out 2>err &
    run=$!
    for i in $(seq 600); do
        [ ! -e begun ] || break
        sleep 0.1
    done
    kill -TERM $run
    wait $run
    [ $? = 143 ] || fail "exit status"
    [ "$(events flow.run setup)" = 1 ] || fail "the journal does not say how the setup ended"
}

end_in_setup "trap 'sleep 0.5; echo ended >> log; exit 0' TERM; touch begun; while true; do sleep 0.1; done"
same log "ended
teardown"

end_in_setup "trap 'sleep 0.5; echo ended >> log; exit 1' TERM; touch begun; while true; do sleep 0.1; done"
same log "ended"

end_in_setup "trap : TERM; touch begun; while true; do sleep 0.1; done" 0.5
[ ! -e log ] || fail "something ran after a setup that was killed"
