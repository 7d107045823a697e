# What setup and teardown wrote is not held against a run in which they were cut short, or begun again.
. "${BASH_SOURCE%/*}/lib.sh"

flow() {
    cat > flow.json <<J
{"node": {$1}, "tasks": [{"id": "{i}", "for": {"i": "1-3"}, "command": "true"}]}
J
    rm -rf flow.run
}

# Its worker dies: another one begins it again.
flow '"setup": "echo begun; sleep 0.1; test -e once || { touch once; kill -9 $PPID; }; echo ended"'
g 0 run flow.json -n 2
g 0 verify flow.run
g 0 logs flow.run node.setup
same out "begun
ended"

# A second signal leaves the teardown.
flow '"teardown": "trap : TERM INT; echo begun; touch torn; while true; do sleep 0.1; done"'
"$GANGER" run flow.json -n 2 --grace 30 >out 2>err &
run=$!
for i in $(seq 600); do
    [ ! -e torn ] || break
    sleep 0.1
done
kill -TERM $run
for i in 1 2; do # two that follow each other closely are one
    sleep 2
    kill -TERM $run 2>/dev/null || break
done
wait $run
[ $? = 143 ] || fail "exit status"
g 0 verify flow.run
says out "of attempts that have no end"
