# A node's setup runs once, before all tasks of the node; its teardown once, after them.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"node": {"setup": "sleep 0.2; echo setup $GANGER_TASK_ID >> log", "teardown": "echo teardown >> log"},
 "tasks": [{"id": "{i}", "for": {"i": "1-6"}, "command": "echo task >> log"}]}
J
g 0 run flow.json -n 3
same log "$(printf 'setup node.setup\ntask\ntask\ntask\ntask\ntask\ntask\nteardown')"
[ "$(events flow.run setup)" = 1 ] && [ "$(events flow.run teardown)" = 1 ] || fail "they are not in the journal"

# A setup that fails makes its node useless; this run has no other.
sed -i 's/"setup": "/&echo broken; exit 7; /' flow.json
rm -rf flow.run log
g 3 run flow.json -n 2
says err "node.setup"
says err "exit status 7"
[ ! -e log ] || fail "tasks ran on a node that was not set up"

# A teardown that hangs is ended at its timeout, and is no failure.
cat > flow.json <<'J'
{"node": {"teardown": "trap '' TERM; (setsid sleep 2141 &); sleep 2141", "timeout": 0.3},
 "tasks": [{"id": "a", "command": "true"}]}
J
g 0 run flow.json -n 1 --run-dir hangs.run --grace 0.3
says err "node.teardown"
nothing_left "sleep 2141"
