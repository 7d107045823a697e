# A flood of output takes little memory, and ends where --max-output says.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "flood", "command": "yes | head -c 300M"},
  {"id": "worker", "command": "sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$PPID/status", "after": "flood"}
]}
J
g 0 run flow.json -n 1
g 0 logs flow.run worker
[ "$(cat out)" -lt 100000 ] || fail "the worker had $(cat out) kB"
g 0 verify flow.run
rm -rf flow.run
g 1 run flow.json -n 1 --max-output 10MB
says err "wrote more output than --max-output"
says flow.run/journal.jsonl '"output_limit":true,"signal":'
[ "$(stat -c %s flow.run/output/1-n0.out)" -lt 10100000 ] || fail "more was written"
g 1 verify flow.run
says_not out "wrong"
g 2 run flow.json --max-output 10
says err "a size with its unit"
