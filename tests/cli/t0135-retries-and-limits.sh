# Failures of every kind are tried again as often as is stated; limits end a run.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"defaults": {"retries": 2},
 "tasks": [
  {"id": "exit", "command": "test $GANGER_ATTEMPT = 3"},
  {"id": "signal", "command": "test $GANGER_ATTEMPT = 3 || kill -KILL $$"},
  {"id": "timeout", "timeout": 1, "command": "test $GANGER_ATTEMPT = 3 || sleep 2151"},
  {"id": "output", "outputs": ["made"], "command": "test $GANGER_ATTEMPT != 3 || touch made"},
  {"id": "input", "inputs": ["late"], "command": "true"},
  {"id": "start", "stdout": "folder/out", "command": "true"},
  {"id": "makes", "command": "sleep 1.2; touch late"},
  {"id": "never", "command": "exit 9"}
]}
J
g 1 run flow.json -n 4 --latency-wait 1 --grace 0.2
for id in exit signal timeout output input; do
    grep -q "\"event\":\"done\",\"task\":\"$id\"" flow.run/journal.jsonl || fail "$id was not done in the end"
done
[ "$(grep -c '"event":"retried","task":"never"' flow.run/journal.jsonl)" = 2 ] || fail "never was not tried three times"
says err "FAILED never (attempt 3"
says err "FAILED start (attempt 3"

# may_fail counts as done; --max-failures ends the run.
cat > flow.json <<'J'
{"tasks": [
  {"id": "may", "may_fail": true, "command": "exit 1"},
  {"id": "after", "after": "may", "command": "touch ran"}
]}
J
g 0 run flow.json -n 1 --run-dir may.run
[ -e ran ] || fail "what waits for a task that may fail did not run"
seq 20 | sed 's/.*/exit 1/' > tasks.txt
g 1 run tasks.txt -n 1 --max-failures 3
[ "$(events tasks.run failed)" = 3 ] || fail "not three failures"
