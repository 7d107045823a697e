# Each worker, and what it starts, is bound to its own core; a wide task has as many as it asked for.
. "${BASH_SOURCE%/*}/lib.sh"

cores=$(lscpu -p=CORE,ONLINE 2>/dev/null | grep -v '^#' | sort -u | wc -l)
[ "$cores" -ge 2 ] || { echo "one core: there is nothing to tell apart"; exit 0; }
cat > flow.json <<'J'
{"tasks": [
  {"id": "a", "command": "sleep 0.5; taskset -pc $$ | sed 's/.*: //' > a"},
  {"id": "b", "command": "sleep 0.5; taskset -pc $$ | sed 's/.*: //' > b"},
  {"id": "wide", "after": ["a", "b"], "cores": 2, "command": "nproc > wide; echo $GANGER_CORES $OMP_NUM_THREADS >> wide; taskset -pc $$ | sed 's/.*: //' > mask"}
]}
J
g 0 run flow.json -n 2
[ "$(cat a)" != "$(cat b)" ] || fail "both workers have the core $(cat a)"
OMP_NUM_THREADS= OMP_THREAD_LIMIT= same mask "$(printf '%s\n' $(cat a) $(cat b) | sort -n | paste -sd, | sed 's/^0,1$/0,1/')"
says wide "2 2"
grep '"task":"wide"' flow.run/journal.jsonl | grep -qF '"slots":[0,1]' || fail "wide did not hold slots 0 and 1"

printf 'true\n%.0s' 1 2 3 4 5 6 > list.txt
g 0 run list.txt -n $((3 * cores))
says err "they share them"
