# The end of an allocation, while the program is being asked about what ran: see t0514 for other ends.
# Others may run beside it: it mostly waits.
. "${BASH_SOURCE%/*}/lib-hooks.sh"

slow_flow 3015 >ended.json

# It answers in time: that counts. What was cut off was not asked about.
rm -f seen
: >log
timeout -s KILL "$limit" "$GANGER" submit ended.json --backend local -c 2 --time 12s --wait -- -q --end-margin 2 --grace 2 >out 2>err &
watcher=$!
until_said log "collect slow 1 "
until_said ended.run/journal.jsonl '"event":"start","task":"long"'
until_said ended.run/job.out "the allocation ends"
touch seen
ends_with 75
answers_late ended.run
: >log
g 0 submit ended.json --backend local -c 2 --resume --wait -- -q
goes_on ended.run

# A hook that does not answer by then takes no more than half of the time that is left for the end.
rm -f seen
: >log
cat >late.json <<'FLOW'
{"node": {"teardown": "date >>torn-down"}, "tasks": [
    {"id": "slow", "function": "add_late"},
    {"id": "child", "function": "join", "after": "slow"}
]}
FLOW
g 75 submit late.json --backend local -c 1 --time 12s --wait -- -q --end-margin 6 --grace 1
says late.run/job.out 'has not returned about task "slow"'
[ -s torn-down ] || fail "the hook took the time of the node's teardown"
[ "$(events late.run done)" = 0 ] || fail "it is done, and was not collected"
touch seen
: >log
g 0 submit late.json --backend local -c 1 --resume --wait -- -q
asked_once "collect slow 1 exited 0 'mine' ''"
asked_once "collect child 1 exited 0 'mine' ''"
asked_once "collect late-slow 1 .*"
g 0 verify late.run
