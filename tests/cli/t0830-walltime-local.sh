# A job that ends: what cannot end in it is not started, what runs gets its signal and is cut off, and the next job
# goes on. On this machine, where jobs of backend local end like those of a batch system.
# Others may run beside it: it mostly waits.
. "${BASH_SOURCE%/*}/lib.sh"

state() { "$GANGER" status "$1" --json | sed -n 's/^  "state": "\(.*\)",$/\1/p'; }

cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "quick", "command": "echo x >>quick"},
    {"id": "after", "command": "echo x >>after", "after": "unknown"},
    {"id": "unknown", "command": "test -e second || exec sleep 1013"},
    {"id": "saves", "command": "trap 'echo saved; exit 0' USR1; echo begun; sleep 1013 & wait", "end_signal": "USR1@2"},
    {"id": "cost", "cost": "1h", "command": "echo x >>cost"},
    {"id": "timeout", "timeout": "1h", "program": "other", "command": "echo x >>timeout"}
]}
FLOW
g 75 submit flow.json --backend local -c 2 --time 15s --wait -- --end-margin 1 --grace 1
[ "$(state flow.run)" = unfinished ] || fail "its state is $(state flow.run)"
nothing_left "sleep 1013"
says flow.run/job.out "the allocation ends: 1 task is cut off"
says flow.run/job.out "waiting  4 tasks, for the next allocation"
says_not flow.run/job.out failed
g 0 logs flow.run saves
same out "begun
saved"
[ ! -e cost ] && [ ! -e timeout ] || fail "what could not end was started"
[ "$(events flow.run cancelled)" = 1 ] || fail "$(events flow.run cancelled) tasks were cut off"
grep -q '^{"event":"end","status":75' flow.run/journal.jsonl || fail "the journal has no last line"

# In another one that is no longer what was cut off would be so again, and nothing else is left. (Half as long: on a busy
# machine the first one may have begun late.)
g 75 submit flow.json --backend local -c 2 --time 8s --resume --wait -- --end-margin 1 --grace 1
says flow.run/job.out "4 tasks wait for the next allocation: nothing that could start now would end"
[ "$(events flow.run cancelled)" = 1 ] || fail "it was cut off again"

touch second
g 0 submit flow.json --backend local -c 2 --resume --wait # as long as it likes
for task in quick after cost timeout; do same $task x; done
[ "$(grep -c '^{"event":"done".*"task":"saves"' flow.run/journal.jsonl)" = 1 ] || fail "what was done ran again"
[ "$(state flow.run)" = "done" ] || fail "its state is $(state flow.run)"

# Without a signal of its own a task may get one from the command line; it need not be able to end for it.
echo 'trap "echo told; exit 3" USR2; sleep 1013 & wait' >one.txt
g 75 submit one.txt --backend local -c 1 --time 12s --wait -- --end-margin 1 --grace 1 --end-signal USR2@3
g 0 logs one.run
says out told
says one.run/job.out "cancelled  1"
g 2 run one.txt --end-signal KILL@3
