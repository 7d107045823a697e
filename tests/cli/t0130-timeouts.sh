# A task that ignores TERM, forks grandchildren out of its group and holds its pipe open ends soon after its timeout
# and the grace, with nothing left running; retries go on; the rest of the run is as ever.
. "${BASH_SOURCE%/*}/lib.sh"

cat > stubborn.sh <<'S'
trap '' TERM
sh -c 'sleep 2131; true' &
(setsid sh -c 'sh -c "sleep 2131; true" & while :; do sleep 2131; done' &)
(set -m; sh -c 'sleep 2131; true' &)
echo begun
while :; do sleep 2131; done
S
cat > flow.json <<'J'
{"tasks": [
  {"id": "stubborn", "timeout": "1s", "retries": 1, "command": ["sh", "stubborn.sh"]},
  {"id": "obeys", "timeout": 0.3, "command": "sleep 2132; true"},
  {"id": "says-ok", "timeout": 1, "command": "trap 'exit 0' TERM; while :; do sleep 0.05; done"},
  {"id": "stopped", "timeout": "500ms", "command": "kill -STOP $$; sleep 2133"},
  {"id": "in-time", "timeout": "1h", "command": "true"},
  {"id": "after", "after": "stubborn", "command": "touch ran"},
  {"id": "cleanup", "after": {"task": "stubborn", "on": "notok"}, "command": "! pgrep -f 'sleep 213[1]'"}
]}
J
g 1 run flow.json -n 2 --grace 0.5
for word in stubborn.sh "sleep 213"; do
    ! pgrep -fa -- "$word" >&2 || fail "something is left when the run has ended" # at once, not only soon
done
says err 'FAILED stubborn (attempt 2'
says err 'ended at its timeout, with signal 9 (KILL)'
says err '| begun'
[ ! -e ran ] || fail "what waits for a task that was timed out ran"
[ "$(events flow.run retried)" = 1 ] || fail "it was not tried again once"
[ "$(grep -c '"timed_out":true' flow.run/journal.jsonl)" = 5 ] || fail "not five ends by a timeout"
[ "$(events flow.run done)" = 2 ] || fail "in-time and cleanup have not both run"
# From start to end each attempt took its timeout and the grace, and a second at most; more for a busy machine.
sed -n 's/.*"task":"stubborn".*"start":\([0-9.]*\),"end":\([0-9.]*\),.*/\1 \2/p' flow.run/journal.jsonl > times
[ "$(wc -l < times)" = 2 ] || fail "not two attempts"
awk '$2 - $1 < 1.5 || $2 - $1 > 1.5 + 1 + 4 { print; bad = 1 } END { exit bad }' times || fail "an attempt took too long"
