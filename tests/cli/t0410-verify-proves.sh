# `ganger verify` proves that a run kept the rules, whatever happened to it.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"queues": {"one": 1}, "resources": {"licence": {"total": 2}}, "node": {"setup": "echo set up", "teardown": "echo torn down"},
 "tasks": [
  {"id": "first", "command": "echo first; echo more >&2"},
  {"id": "many-{i}", "for": {"i": "0-19"}, "command": "echo {i}; sleep 0.0{i}; echo again", "after": "first",
   "resources": {"licence": 1}},
  {"id": "queued-{i}", "for": {"i": "0-4"}, "command": "sleep 0.01", "queue": "one", "after": "first"},
  {"id": "wide", "command": "head -c 200000 /dev/zero", "cores": 2, "after": "many-*"},
  {"id": "may", "command": "exit 2", "may_fail": true, "retries": 2, "after": "many-*"},
  {"id": "rescue", "command": "true", "after": {"task": "first", "on": "notok"}},
  {"id": "clean", "command": "test -e go", "after": [{"task": "rescue", "on": "any"}, "may"]}
]}
J
g 1 run flow.json -n 2
g 1 verify flow.run
says out "sound so far, but not complete"
touch go
g 0 run flow.json -n 2 --resume
g 0 verify flow.run
says out "sound: every task once"
says out "28 done, 1 not needed, 1 failed as they may"
g 0 verify flow.json --json
says out '"proven": true'

# Killed in the middle, several times; each time a part of it is done.
cat > kill.json <<'J'
{"tasks": [{"id": "t{i}", "for": {"i": "0-59"}, "command": "echo {i}; sleep 0.02; echo {i}"},
           {"id": "end", "after": "t*", "command": "echo end"}]}
J
resume=
for n in 10 30; do
    "$GANGER" run kill.json -n 2 $resume > out 2> err &
    run=$!
    until_started kill.run $n
    kill -KILL "$(sed 's/.*"pid":\([0-9]*\).*/\1/' kill.run/lock)" # the manager
    wait $run && fail "it ended well"
    resume=--resume
done
g 1 verify kill.run
says out "still to be run"
says out "2 epochs that were cut off"
says_not out "problem "
g 0 run kill.json -n 2 --resume
g 0 verify kill.run
says out "61 done"

# What the run was given counts, and another workflow is none of its.
echo '{"resources": {"licence": {"total": 1}}, "tasks": [{"id": "a", "command": "true", "resources": {"licence": 1}}]}' > r.json
g 0 run r.json -n 1 --resource licence=3
g 0 verify r.run
g 1 verify r.run flow.json
says out "no epoch ran the workflow as it is now"
mv r.json elsewhere.json
g 1 verify r.run
says out "the workflow cannot be had"
g 0 verify r.run elsewhere.json
g 2 verify nosuch.run
g 2 verify r.run nosuch.json
