# INT, TERM and HUP: tasks are ended, with grace where they ask for it; the journal is complete; nothing is left.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "plain", "command": "sleep 2001"},
  {"id": "stubborn", "command": "trap '' TERM INT; sleep 2002 & while :; do wait; done"},
  {"id": "never", "after": ["plain", "stubborn"], "command": "touch never"}
]}
J
for signal in INT:130 TERM:143 HUP:129; do
    rm -rf flow.run
    timeout -s KILL "$limit" "$GANGER" run flow.json -n 2 --grace 1 >out 2>err &
    watcher=$!
    until_started flow.run 2
    kill -${signal%:*} "$(pgrep -P $watcher)"
    status=0
    wait $watcher || status=$?
    [ $status = ${signal#*:} ] || fail "$signal: exit status $status"
    nothing_left "sleep 200[12]"
    [ "$(events flow.run cancelled)" = 2 ] || fail "$signal: not two cancelled lines"
    tail -1 flow.run/journal.jsonl | grep -q '"event":"end"' || fail "$signal: the journal has no end"
    [ ! -e flow.run/lock ] || fail "$signal: the lock is left"
done
[ ! -e never ] || fail "a task ran after it was told to end"
