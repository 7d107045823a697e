# Declared inputs are waited for, and missed by name; declared outputs must be there; both make dependencies.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "reads", "inputs": ["made.txt"], "command": "cat made.txt > read.txt"},
  {"id": "makes", "outputs": ["made.txt"], "command": "sleep 0.2; echo text > made.txt"},
  {"id": "late", "inputs": ["late.txt"], "command": "touch late-ran"},
  {"id": "makes-late", "command": "(sleep 0.5; touch late.txt) & wait"},
  {"id": "lies", "outputs": ["never.txt"], "command": "echo done"},
  {"id": "of-liar", "inputs": ["never.txt"], "command": "touch of-liar-ran"}
]}
J
g 1 run flow.json -n 2 --latency-wait 60
same read.txt text
[ -e late-ran ] || fail "what has late inputs did not run"
[ ! -e of-liar-ran ] || fail "what needs a missing output ran"
says err "FAILED lies"
says err "a declared output is missing: never.txt (in $PWD): No such file or directory"
[ "$(events flow.run skipped)" = 1 ] || fail "not one is skipped"

# An input that never comes fails its task when the wait is over; others run in the meantime.
cat > flow.json <<'J'
{"tasks": [
  {"id": "waits", "inputs": ["/no/such/file"], "command": "true"},
  {"id": "runs", "command": "touch ran"}
]}
J
g 1 run flow.json -n 1 --run-dir other.run --latency-wait 0.3
says err "a declared input is missing: /no/such/file: No such file or directory, 0.3 s after it was needed"
[ -e ran ] || fail "the other task did not run"

# One that is waited for can be interrupted at once.
timeout -s KILL "$limit" "$GANGER" run flow.json -n 1 --run-dir third.run --latency-wait 1000 >out 2>err &
watcher=$!
until_started third.run 1
kill -INT "$(pgrep -P $watcher)"
status=0
wait $watcher || status=$?
[ $status = 130 ] || fail "exit status $status"
[ "$(events third.run cancelled)" = 1 ] || fail "it was not cancelled"
